package aio_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// tlsTestCerts are what all tests use: a certificate for tls.test and 127.0.0.1, and one of a client.
type tlsTestCerts struct {
	pool           *x509.CertPool
	server, client tls.Certificate
}

var tlsTestCert = sync.OnceValue(func() tlsTestCerts {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tls.test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	must(err)
	ca, err = x509.ParseCertificate(caDER)
	must(err)
	leaf := func(serial int64, name string, usage x509.ExtKeyUsage) tls.Certificate {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
			DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			ExtKeyUsage: []x509.ExtKeyUsage{usage},
		}, ca, key.Public(), caKey)
		must(err)
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return tlsTestCerts{pool, leaf(2, "tls.test", x509.ExtKeyUsageServerAuth), leaf(3, "client.test", x509.ExtKeyUsageClientAuth)}
})

func tlsTestClientConfig() *tls.Config {
	return &tls.Config{ServerName: "tls.test", RootCAs: tlsTestCert().pool}
}

func tlsTestServerConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{tlsTestCert().server}}
}

// tlsTestEnd is one end of a connection in memory. What is written is delivered to the protocol of
// the peer in later passes.
type tlsTestEnd struct {
	loop     *aio.Loop
	name     string
	peer     *tlsTestEnd
	protocol aio.Protocol
	out      []byte // written, and not yet delivered
	wire     []byte // delivered so far
	chunk    int    // how much is delivered in a pass; 0: all
	stuck    bool   // nothing is delivered, as if the peer did not read
	writeErr error  // what the connection is lost with at the next write
	eof      bool   // an end of file follows out
	reading  bool   // the protocol was connected
	paused   bool
	closing  bool
	lost     bool
	full     bool // the protocol was told to pause
	high     int
	log      *eventLog // of PauseReading and ResumeReading, nil if nobody wants it
}

// tlsTestPipe returns a connection.
func tlsTestPipe(l *aio.Loop) (a, b *tlsTestEnd) {
	a = &tlsTestEnd{loop: l, name: "a", high: 64 << 10}
	b = &tlsTestEnd{loop: l, name: "b", high: 64 << 10, peer: a}
	a.peer = b
	return a, b
}

// connect makes p the protocol, and calls its ConnectionMade in the next pass.
func (e *tlsTestEnd) connect(p aio.Protocol) {
	e.protocol = p
	e.loop.CallSoon(func() {
		if p, ok := p.(interface{ ConnectionMade(aio.Transport) }); ok {
			p.ConnectionMade(e)
		}
		e.reading = true
		e.peer.pump()
	})
}

// pump has what can be delivered to the peer delivered in the next pass.
func (e *tlsTestEnd) pump() { e.loop.CallSoon(e.deliver) }

func (e *tlsTestEnd) deliver() {
	p := e.peer
	gone := p.closing || p.lost // then it drops what arrives
	mayRead := p.reading && (gone || !p.paused)
	if len(e.out) > 0 {
		if e.stuck || !mayRead {
			return
		}
		n := len(e.out)
		if e.chunk > 0 {
			n = min(n, e.chunk)
		}
		b := slices.Clone(e.out[:n])
		e.out = e.out[n:]
		e.wire = append(e.wire, b...)
		if !gone {
			p.protocol.(interface{ DataReceived([]byte) }).DataReceived(b)
			clear(b) // it was lent for the call
		}
		if e.full && len(e.out) <= e.high/4 && !e.lost {
			e.full = false
			e.protocol.(interface{ ResumeWriting() }).ResumeWriting()
		}
		e.pump()
		return
	}
	if e.closing && !e.lost {
		e.lose(nil)
	}
	if e.eof && !gone && mayRead {
		e.eof = false
		if !p.protocol.(interface{ EOFReceived() bool }).EOFReceived() {
			p.Close()
		}
	}
}

// lose ends the connection in the next pass.
func (e *tlsTestEnd) lose(err error) {
	e.lost, e.closing = true, true
	e.loop.CallSoon(func() {
		e.protocol.(interface{ ConnectionLost(error) }).ConnectionLost(err)
		e.eof = true
		e.pump()
	})
}

func (e *tlsTestEnd) Close() error {
	if !e.closing {
		e.closing = true
		e.pump()
	}
	return nil
}

func (e *tlsTestEnd) Abort() {
	if e.lost {
		return
	}
	if e.stuck {
		e.out = nil // what is not stuck has been sent
	}
	e.lose(nil)
}

func (e *tlsTestEnd) Write(p []byte) (int, error) {
	switch {
	case e.lost:
		return 0, net.ErrClosed
	case e.writeErr != nil:
		e.lose(e.writeErr)
		return 0, e.writeErr
	}
	e.out = append(e.out, p...)
	e.pump()
	if len(e.out) > e.high && !e.full {
		e.full = true
		e.protocol.(interface{ PauseWriting() }).PauseWriting()
	}
	return len(p), nil
}

func (e *tlsTestEnd) Writelines(bufs [][]byte) error {
	_, err := e.Write(bytes.Join(bufs, nil))
	return err
}

func (e *tlsTestEnd) PauseReading() {
	e.paused = true
	if e.log != nil {
		e.log.add("pause")
	}
}

func (e *tlsTestEnd) ResumeReading() {
	if e.paused && e.log != nil {
		e.log.add("resume")
	}
	e.paused = false
	e.peer.pump()
}

func (e *tlsTestEnd) WriteEOF()                        { e.eof = true; e.pump() }
func (e *tlsTestEnd) CanWriteEOF() bool                { return true }
func (e *tlsTestEnd) IsClosing() bool                  { return e.closing }
func (e *tlsTestEnd) IsReading() bool                  { return !e.paused && !e.closing }
func (e *tlsTestEnd) SetProtocol(p aio.Protocol)       { e.protocol = p }
func (e *tlsTestEnd) GetProtocol() aio.Protocol        { return e.protocol }
func (e *tlsTestEnd) SetWriteBufferLimits(high, _ int) { e.high = high }
func (e *tlsTestEnd) GetWriteBufferLimits() (int, int) { return e.high / 4, e.high }
func (e *tlsTestEnd) GetWriteBufferSize() int          { return len(e.out) }
func (e *tlsTestEnd) GetExtraInfo(name string) any {
	if name == "peername" {
		return &net.UnixAddr{Net: "unix", Name: e.peer.name}
	}
	return nil
}

// release has a connection that was stuck go on.
func (e *tlsTestEnd) release() {
	e.stuck = false
	e.pump()
}

// tlsTestApp is an application's protocol. It writes down what it is told, and what it received.
type tlsTestApp struct {
	name      string
	log       *eventLog
	transport aio.Transport
	got       []byte
	lostWith  error
	keepOpen  bool
	onMade    func(t aio.Transport)
	onData    func(p []byte)
	onEOF     func()
	lost      *aio.Future[struct{}] // done once ConnectionLost was called
}

func tlsTestNewApp(ctx context.Context, name string, log *eventLog) *tlsTestApp {
	return &tlsTestApp{name: name, log: log, lost: aio.CreateFuture[struct{}](ctx)}
}

func (a *tlsTestApp) ConnectionMade(t aio.Transport) {
	a.log.add("%s:made", a.name)
	a.transport = t
	if a.onMade != nil {
		a.onMade(t)
	}
}

func (a *tlsTestApp) DataReceived(p []byte) {
	if len(p) <= 20 {
		a.log.add("%s:%s", a.name, p)
	} else {
		a.log.add("%s:%d", a.name, len(p))
	}
	a.got = append(a.got, p...)
	if a.onData != nil {
		a.onData(p)
	}
}

func (a *tlsTestApp) EOFReceived() bool {
	a.log.add("%s:eof", a.name)
	if a.onEOF != nil {
		a.onEOF()
	}
	return a.keepOpen
}

func (a *tlsTestApp) ConnectionLost(err error) {
	a.lostWith = err
	if err == nil {
		a.log.add("%s:lost", a.name)
	} else {
		a.log.add("%s:lost-with-error", a.name)
	}
	_ = a.lost.SetResult(struct{}{})
}

func (a *tlsTestApp) PauseWriting()  { a.log.add("%s:pause", a.name) }
func (a *tlsTestApp) ResumeWriting() { a.log.add("%s:resume", a.name) }

// tlsTestConn is a TLS connection between two applications, in memory.
type tlsTestConn struct {
	ctx            context.Context
	loop           *aio.Loop
	log            *eventLog
	client, server *tlsTestApp
	ct, st         aio.Transport // the TLS transports
	c, s           *tlsTestEnd   // the transports below
	cErr, sErr     []error       // what the handshakes brought
	reports        []aio.ExceptionContext
}

// tlsTestSetup is what a test may want to be different.
type tlsTestSetup struct {
	client, server      *tls.Config
	clientApp           aio.Protocol
	handshake, shutdown time.Duration // of the client
	before              func(*tlsTestConn)
}

// tlsTestStart makes a connection whose handshake is about to begin.
func tlsTestStart(ctx context.Context, l *aio.Loop, setup tlsTestSetup) *tlsTestConn {
	c := &tlsTestConn{ctx: ctx, loop: l, log: new(eventLog)}
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { c.reports = append(c.reports, ec) })
	if setup.client == nil {
		setup.client = tlsTestClientConfig()
	}
	if setup.server == nil {
		setup.server = tlsTestServerConfig()
	}
	c.client, c.server = tlsTestNewApp(ctx, "client", c.log), tlsTestNewApp(ctx, "server", c.log)
	c.c, c.s = tlsTestPipe(l)
	if setup.before != nil {
		setup.before(c)
	}
	clientApp := setup.clientApp
	if clientApp == nil {
		clientApp = c.client
	}
	var lower aio.Protocol
	c.ct, lower = aio.NewTLS(l, clientApp, setup.client, false, setup.handshake, setup.shutdown, func(err error) { c.cErr = append(c.cErr, err) })
	c.c.connect(lower)
	c.st, lower = aio.NewTLS(l, c.server, setup.server, true, 0, 0, func(err error) { c.sErr = append(c.sErr, err) })
	c.s.connect(lower)
	return c
}

// tlsTestOpen makes a connection and waits for its handshake.
func tlsTestOpen(t *testing.T, ctx context.Context, l *aio.Loop, setup tlsTestSetup) *tlsTestConn {
	t.Helper()
	c := tlsTestStart(ctx, l, setup)
	for range 10_000 {
		if len(c.cErr) > 0 && len(c.sErr) > 0 {
			break
		}
		_ = aio.Sleep(ctx, 0)
	}
	if !slices.Equal(c.cErr, []error{nil}) || !slices.Equal(c.sErr, []error{nil}) {
		t.Fatalf("handshakes: %v and %v", c.cErr, c.sErr)
	}
	c.settle()
	*c.log = nil
	return c
}

// settle lets everything happen that needs no time.
func (c *tlsTestConn) settle() { _ = aio.Sleep(c.ctx, time.Nanosecond) }

// over waits until both applications know of the end.
func (c *tlsTestConn) over(t *testing.T) {
	t.Helper()
	for _, app := range []*tlsTestApp{c.client, c.server} {
		if _, err := app.lost.Await(c.ctx); err != nil {
			t.Errorf("waiting for the end of %s: %v", app.name, err)
		}
	}
}

// eventsOf returns what one of the applications has written down.
func (c *tlsTestConn) eventsOf(app string) string {
	of := slices.DeleteFunc(slices.Clone(*c.log), func(event string) bool { return !strings.HasPrefix(event, app+":") })
	return strings.Join(of, " ")
}

// quiet fails if something was reported to the exception handler.
func (c *tlsTestConn) quiet(t *testing.T) {
	t.Helper()
	for _, r := range c.reports {
		t.Errorf("reported: %s: %v", r.Message, r.Err)
	}
}

// noTimers fails if the loop has timers that will still do something.
func tlsTestNoTimers(t *testing.T, l *aio.Loop) {
	t.Helper()
	if held, cancelled := aio.Timers(l); held != cancelled {
		t.Errorf("%d timers are pending", held-cancelled)
	}
}

func tlsTestBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// tlsTestVersions runs f over both versions of TLS.
func tlsTestVersions(t *testing.T, f func(t *testing.T, version uint16)) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) { f(t, version) })
	}
}

// TLS-008, TLS-039
func TestTLSExchange(t *testing.T) {
	tlsTestVersions(t, func(t *testing.T, version uint16) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			client := tlsTestClientConfig()
			client.MaxVersion = version
			c := tlsTestStart(ctx, l, tlsTestSetup{client: client, before: func(c *tlsTestConn) {
				c.client.onMade = func(t aio.Transport) { t.Write([]byte("ping")) }
				c.server.onData = func([]byte) { c.server.transport.Write([]byte("pong")) }
				c.client.onData = func([]byte) { c.client.transport.Close() }
			}})
			c.over(t)
			for i, err := range append(c.cErr, c.sErr...) {
				matches(t, fmt.Sprintf("handshake %d", i), err, nil)
			}
			same(t, "handshakes told", len(c.cErr)+len(c.sErr), 2)
			same(t, "transport of ConnectionMade", c.client.transport, c.ct)
			order := "client:made server:made server:ping client:pong server:eof client:eof server:lost client:lost"
			if version == tls.VersionTLS12 {
				order = "server:made client:made" + strings.TrimPrefix(order, "client:made server:made")
			}
			c.log.want(t, order)
			tlsTestNoTimers(t, l)
			c.quiet(t)
		})
	})
}

// Every byte comes alone, so each record is met in each state of being incomplete.
func TestTLSByteByByte(t *testing.T) {
	tlsTestVersions(t, func(t *testing.T, version uint16) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			client := tlsTestClientConfig()
			client.MaxVersion = version
			c := tlsTestOpen(t, ctx, l, tlsTestSetup{client: client, before: func(c *tlsTestConn) { c.c.chunk, c.s.chunk = 1, 1 }})
			n := amount(3000, 20_000)
			sent := tlsTestBytes(n)
			for len(sent) > 0 {
				n := min(len(sent), 1+len(sent)/2)
				c.ct.Write(sent[:n])
				c.st.Write(sent[:n])
				sent = sent[n:]
			}
			c.settle()
			same(t, "the client's bytes", bytes.Equal(c.server.got, tlsTestBytes(n)), true)
			same(t, "the server's bytes", bytes.Equal(c.client.got, tlsTestBytes(n)), true)
			c.server.transport.Close()
			c.over(t)
			matches(t, "end of the client", c.client.lostWith, nil)
			matches(t, "end of the server", c.server.lostWith, nil)
			c.quiet(t)
		})
	})
}

// tlsTestSecrets collects what a tls.Config logs of its keys.
type tlsTestSecrets struct{ bytes.Buffer }

// get returns the secret that has a label.
func (s *tlsTestSecrets) get(t *testing.T, label string) []byte {
	t.Helper()
	for line := range strings.Lines(s.String()) {
		if f := strings.Fields(line); f[0] == label {
			b, err := hex.DecodeString(f[2])
			matches(t, "the secret", err, nil)
			return b
		}
	}
	t.Fatalf("no %s was logged", label)
	return nil
}

// tlsTestLabel is HKDF-Expand-Label of TLS 1.3 with an empty context.
func tlsTestLabel(secret []byte, label string, n int) []byte {
	info := append([]byte{byte(n >> 8), byte(n), byte(len("tls13 " + label))}, "tls13 "+label+"\x00"...)
	b, err := hkdf.Expand(sha256.New, secret, string(info), n)
	if err != nil {
		panic(err)
	}
	return b
}

// tlsTestSeal makes the first record under a traffic secret of TLS_AES_128_GCM_SHA256.
func tlsTestSeal(secret []byte, kind byte, content []byte) []byte {
	block, err := aes.NewCipher(tlsTestLabel(secret, "key", 16))
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	inner := append(slices.Clone(content), kind)
	n := len(inner) + aead.Overhead()
	header := []byte{23, 3, 3, byte(n >> 8), byte(n)}
	return append(header, aead.Seal(nil, tlsTestLabel(secret, "iv", 12), inner, header)...)
}

// crypto/tls never begins a key update, so this one is made by hand: a request to update, and data
// under the next keys. It arrives byte by byte.
func TestTLSKeyUpdate(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		secrets := &tlsTestSecrets{}
		server := tlsTestServerConfig()
		server.KeyLogWriter = secrets
		server.SessionTicketsDisabled = true // so that no record was sent under these keys
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{server: server})
		if suite := c.ct.GetExtraInfo("cipher"); suite != "TLS_AES_128_GCM_SHA256" {
			t.Skipf("crypto/tls has chosen %v, as it does on processors without AES", suite)
		}
		secret := secrets.get(t, "SERVER_TRAFFIC_SECRET_0")
		next := tlsTestLabel(secret, "traffic upd", 32)
		c.s.chunk = 1
		c.s.Write(tlsTestSeal(secret, 22, []byte{24, 0, 0, 1, 1}))
		c.s.Write(tlsTestSeal(next, 23, []byte("new-keys")))
		c.settle()
		c.ct.Write([]byte("mine-too"))
		c.settle()
		// The server's tls.Conn takes the update of the client's keys, and reads what follows it.
		c.log.want(t, "client:new-keys server:mine-too")
		same(t, "the client's bytes", string(c.client.got), "new-keys")
		c.ct.Abort()
		c.over(t)
		c.quiet(t)
	})
}

// TLS-029, TLS-028, LOOP-133
func TestTLSExtraInfo(t *testing.T) {
	tlsTestVersions(t, func(t *testing.T, version uint16) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			client, server := tlsTestClientConfig(), tlsTestServerConfig()
			client.MaxVersion = version
			client.Certificates = []tls.Certificate{tlsTestCert().client}
			client.NextProtos = []string{"a", "b"}
			server.NextProtos = []string{"b", "c"}
			server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, tlsTestCert().pool
			client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			for _, resumed := range []bool{false, true} {
				var early []any
				c := tlsTestOpen(t, ctx, l, tlsTestSetup{client: client, server: server, before: func(c *tlsTestConn) {
					l.CallSoon(func() { // in the middle of the handshake
						for _, name := range []string{"ssl_object", "tls", "peercert", "cipher"} {
							early = append(early, c.ct.GetExtraInfo(name))
						}
						same(t, "sslcontext at once", c.ct.GetExtraInfo("sslcontext"), any(client))
					})
				}})
				same(t, "known early", fmt.Sprint(early), "[<nil> <nil> <nil> <nil>]")
				state := c.ct.GetExtraInfo("tls").(tls.ConnectionState)
				same(t, "version", state.Version, version)
				same(t, "ALPN", state.NegotiatedProtocol, "b")
				same(t, "DidResume", state.DidResume, resumed)
				same(t, "cipher", c.ct.GetExtraInfo("cipher"), any(tls.CipherSuiteName(state.CipherSuite)))
				same(t, "cipher of the server", c.st.GetExtraInfo("cipher"), c.ct.GetExtraInfo("cipher"))
				same(t, "sslcontext", c.st.GetExtraInfo("sslcontext"), any(server))
				same(t, "server's name", c.ct.GetExtraInfo("peercert").(*x509.Certificate).Subject.CommonName, "tls.test")
				same(t, "client's name", c.st.GetExtraInfo("peercert").(*x509.Certificate).Subject.CommonName, "client.test")
				same(t, "state of the tls.Conn", c.st.GetExtraInfo("ssl_object").(*tls.Conn).ConnectionState().HandshakeComplete, true)
				same(t, "compression", c.ct.GetExtraInfo("compression"), nil)
				same(t, "peername", c.ct.GetExtraInfo("peername").(net.Addr).String(), "b")
				same(t, "an unknown name", c.ct.GetExtraInfo("nothing"), nil)
				c.ct.Close()
				c.over(t)
				same(t, "peername afterwards", c.ct.GetExtraInfo("peername"), nil)
				same(t, "cipher afterwards", c.ct.GetExtraInfo("cipher"), any(tls.CipherSuiteName(state.CipherSuite)))
				c.quiet(t)
			}
		})
	})
}

// TLS-028
func TestTLSExtraInfoBeforeConnecting(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		app := tlsTestNewApp(ctx, "client", new(eventLog))
		transport, _ := aio.NewTLS(l, app, tlsTestClientConfig(), false, 0, 0, func(error) {})
		same(t, "peername", transport.GetExtraInfo("peername"), nil)
		same(t, "IsClosing", transport.IsClosing(), false)
		same(t, "GetProtocol", transport.GetProtocol(), aio.Protocol(app))
	})
}

// Without verification there is no certificate that could be trusted.
func TestTLSUnverifiedPeer(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		// TLS-002
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{client: &tls.Config{InsecureSkipVerify: true}})
		same(t, "peercert", c.ct.GetExtraInfo("peercert"), nil)
		same(t, "certificates that were sent", len(c.ct.GetExtraInfo("tls").(tls.ConnectionState).PeerCertificates), 1)
		c.ct.Abort()
		c.over(t)
	})
}

// tlsTestRaw is a protocol that knows nothing of TLS.
type tlsTestRaw struct {
	t    aio.Transport
	got  []byte
	eof  bool
	over bool
}

func (r *tlsTestRaw) ConnectionMade(t aio.Transport) { r.t = t }
func (r *tlsTestRaw) DataReceived(p []byte)          { r.got = append(r.got, p...) }
func (r *tlsTestRaw) EOFReceived() bool              { r.eof = true; return false }
func (r *tlsTestRaw) ConnectionLost(error)           { r.over = true }
func (r *tlsTestRaw) PauseWriting()                  {}
func (r *tlsTestRaw) ResumeWriting()                 {}

// tlsTestHandshake is a TLS end whose peer is not one.
type tlsTestHandshake struct {
	t         aio.Transport
	app       *tlsTestApp
	lower     *tlsTestEnd // below it
	raw       *tlsTestRaw
	outcome   []error
	reports   *[]aio.ExceptionContext
	log       eventLog
	loop      *aio.Loop
	ctx       context.Context
	startedAt time.Time
}

// tlsTestHalf begins a handshake with a peer that knows nothing of TLS.
func tlsTestHalf(ctx context.Context, l *aio.Loop, server bool, config *tls.Config, timeout time.Duration) *tlsTestHandshake {
	h := &tlsTestHandshake{raw: &tlsTestRaw{}, reports: new([]aio.ExceptionContext), loop: l, ctx: ctx, startedAt: l.Time()}
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { *h.reports = append(*h.reports, ec) })
	h.app = tlsTestNewApp(ctx, "app", &h.log)
	var far *tlsTestEnd
	h.lower, far = tlsTestPipe(l)
	if config == nil && server {
		config = tlsTestServerConfig()
	} else if config == nil {
		config = tlsTestClientConfig()
	}
	var below aio.Protocol
	h.t, below = aio.NewTLS(l, h.app, config, server, timeout, 0, func(err error) { h.outcome = append(h.outcome, err) })
	h.lower.connect(below)
	far.connect(h.raw)
	return h
}

// failed waits for the outcome, and fails unless it is an error of a handshake of which the
// application knows nothing and which left nothing behind.
func (h *tlsTestHandshake) failed(t *testing.T, targets ...error) error {
	t.Helper()
	for i := 0; len(h.outcome) == 0 && i < 1000; i++ {
		if held, _ := aio.Timers(h.loop); held > 0 {
			_ = aio.Sleep(h.ctx, 0)
		}
	}
	_ = aio.Sleep(h.ctx, time.Nanosecond)
	if len(h.outcome) != 1 || h.outcome[0] == nil {
		t.Fatalf("outcome %v", h.outcome)
	}
	for _, target := range targets {
		matches(t, "handshake", h.outcome[0], target)
	}
	h.log.want(t, "")
	same(t, "IsClosing", h.t.IsClosing(), true)
	same(t, "the transport below is lost", h.lower.lost, true)
	same(t, "the peer knows of the end", h.raw.eof && h.raw.over, true)
	tlsTestNoTimers(t, h.loop)
	same(t, "tasks left", len(aio.AllTasks(h.ctx)), 1)
	return h.outcome[0]
}

// TLS-009, TLS-001, TLS-011
func TestTLSHandshakeTimeout(t *testing.T) {
	for _, server := range []bool{false, true} {
		for _, c := range []struct{ given, want time.Duration }{{0, time.Minute}, {time.Second, time.Second}} {
			inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
				h := tlsTestHalf(ctx, l, server, nil, c.given)
				_ = aio.Sleep(ctx, c.want-time.Nanosecond)
				same(t, "outcomes before the time is up", len(h.outcome), 0)
				_ = aio.Sleep(ctx, time.Nanosecond)
				err := h.failed(t, aio.ErrTimeout, context.DeadlineExceeded, os.ErrDeadlineExceeded, syscall.ECONNABORTED)
				same(t, "text", err.Error(), fmt.Sprintf("aio: TLS handshake took longer than %v", c.want))
				var ne net.Error
				same(t, "net.Error", errors.As(err, &ne) && ne.Timeout(), true)
				same(t, "reports", len(*h.reports), 0)
			})
		}
	}
}

// TLS-012, TLS-013
func TestTLSHandshakeEndOfInput(t *testing.T) {
	hello := tlsTestHello(t)
	for name, send := range map[string][]byte{"nothing": nil, "part of a header": hello[:3], "part of a hello": hello[:100], "a hello": hello} {
		t.Run(name, func(t *testing.T) {
			inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
				h := tlsTestHalf(ctx, l, true, nil, 0)
				h.lower.peer.Write(send)
				h.lower.peer.WriteEOF()
				h.failed(t, syscall.ECONNRESET, io.ErrUnexpectedEOF)
				same(t, "reports", len(*h.reports), 0)
			})
		})
	}
}

// tlsTestHello returns what a client sends first.
func tlsTestHello(t *testing.T) (hello []byte) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		h := tlsTestHalf(ctx, l, false, nil, 0)
		_ = aio.Sleep(ctx, time.Nanosecond)
		hello = h.raw.got
		h.t.Abort()
	})
	return hello
}

// TLS-013
func TestTLSHandshakeConnectionLost(t *testing.T) {
	failure := errors.New("the cable is cut")
	for _, err := range []error{failure, nil} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			h := tlsTestHalf(ctx, l, false, nil, 0)
			_ = aio.Sleep(ctx, 0)
			h.lower.lose(err)
			if err == nil {
				h.failed(t, net.ErrClosed)
			} else {
				h.failed(t, failure)
			}
		})
	}
}

// TLS-015
func TestTLSCloseDuringHandshake(t *testing.T) {
	for name, end := range map[string]func(aio.Transport){
		"Close": func(t aio.Transport) { t.Close() },
		"Abort": func(t aio.Transport) { t.Abort() },
	} {
		for passes := range 4 {
			t.Run(fmt.Sprint(name, passes), func(t *testing.T) {
				inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
					h := tlsTestHalf(ctx, l, false, nil, 0)
					for range passes {
						_ = aio.Sleep(ctx, 0)
					}
					wire := len(h.lower.wire)
					end(h.t)
					same(t, "outcomes at once", len(h.outcome), 1)
					end(h.t)
					h.failed(t, net.ErrClosed)
					same(t, "bytes sent after it", len(h.lower.wire)-wire, 0)
					same(t, "reports", len(*h.reports), 0)
				})
			})
		}
	}
}

// TLS-016
func TestTLSGarbage(t *testing.T) {
	for name, garbage := range map[string]string{
		"HTTP":                 "GET / HTTP/1.0\r\n\r\n",
		"zeros":                strings.Repeat("\x00", 1000),
		"SSLv2":                "\x80\x2e\x01\x00\x02",
		"a record too long":    "\x16\x03\x01\xff\xff",
		"no handshake message": "\x16\x03\x01\x00\x04\xff\x00\x00\x00",
		"an alert":             "\x15\x03\x01\x00\x02\x02\x28",
	} {
		for _, server := range []bool{false, true} {
			t.Run(fmt.Sprint(name, server), func(t *testing.T) {
				inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
					h := tlsTestHalf(ctx, l, server, nil, 0)
					h.lower.peer.Write([]byte(garbage))
					err := h.failed(t)
					if errors.Is(err, aio.ErrTimeout) || errors.Is(err, net.ErrClosed) {
						t.Errorf("error %v is not one of TLS", err)
					}
					same(t, "time that passed", l.Time().Sub(h.startedAt), time.Nanosecond)
					same(t, "reports", len(*h.reports), 0)
				})
			})
		}
	}
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		h := tlsTestHalf(ctx, l, true, nil, 0)
		h.lower.peer.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
		var header tls.RecordHeaderError
		same(t, "a tls.RecordHeaderError", errors.As(h.failed(t), &header), true)
	})
}

// TLS-014: the server learns of it by an alert.
func TestTLSCertificateErrors(t *testing.T) {
	for name, config := range map[string]*tls.Config{
		"another name":      {ServerName: "other.test", RootCAs: tlsTestCert().pool},
		"unknown authority": {ServerName: "tls.test", RootCAs: x509.NewCertPool()},
	} {
		t.Run(name, func(t *testing.T) {
			tlsTestVersions(t, func(t *testing.T, version uint16) {
				inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
					config := config.Clone()
					config.MaxVersion = version
					c := tlsTestStart(ctx, l, tlsTestSetup{client: config})
					c.settle()
					var verification *tls.CertificateVerificationError
					same(t, "error of the client", len(c.cErr) == 1 && errors.As(c.cErr[0], &verification), true)
					var alert *net.OpError
					same(t, "error of the server", len(c.sErr) == 1 && errors.As(c.sErr[0], &alert) && alert.Op == "remote error", true)
					c.log.want(t, "")
					tlsTestNoTimers(t, l)
					c.quiet(t)
				})
			})
		})
	}
}

// A client of TLS 1.3 is done before the server has looked at its certificate.
func TestTLSClientCertificateIsMissing(t *testing.T) {
	tlsTestVersions(t, func(t *testing.T, version uint16) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			client, server := tlsTestClientConfig(), tlsTestServerConfig()
			client.MaxVersion = version
			server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, tlsTestCert().pool
			c := tlsTestStart(ctx, l, tlsTestSetup{client: client, server: server})
			c.settle()
			same(t, "the server's handshake failed", len(c.sErr) == 1 && c.sErr[0] != nil, true)
			if version == tls.VersionTLS12 {
				same(t, "the client's handshake failed", len(c.cErr) == 1 && c.cErr[0] != nil, true)
				c.log.want(t, "")
			} else {
				same(t, "the client's handshake", c.cErr[0], nil)
				c.log.want(t, "client:made client:lost-with-error")
				var alert *net.OpError
				same(t, "error of the client", errors.As(c.client.lostWith, &alert) && alert.Op == "remote error", true)
			}
			c.quiet(t)
		})
	})
}

// The callbacks of a tls.Config may await, with the context of the hello.
func TestTLSConfigCallbackAwaits(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		server := tlsTestServerConfig()
		var asked string
		server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			asked = hello.ServerName + " from " + hello.Conn.RemoteAddr().String()
			return nil, aio.Sleep(hello.Context(), 5*time.Second)
		}
		start := l.Time()
		c := tlsTestStart(ctx, l, tlsTestSetup{server: server})
		_ = aio.Sleep(ctx, 5*time.Second)
		c.settle()
		c.log.want(t, "client:made server:made")
		same(t, "asked for", asked, "tls.test from a")
		same(t, "time that passed", l.Time().Sub(start), 5*time.Second+time.Nanosecond)
		c.ct.Close()
		c.over(t)
	})
}

// What the callback waits for is cancelled when the handshake is given up, and the time limit holds
// for it as well.
func TestTLSConfigCallbackIsCancelled(t *testing.T) {
	for name, end := range map[string]func(*tlsTestHandshake){
		"by the time limit": func(h *tlsTestHandshake) { _ = aio.Sleep(h.ctx, time.Minute) },
		"by Close":          func(h *tlsTestHandshake) { h.t.Close() },
		"by the peer":       func(h *tlsTestHandshake) { h.lower.lose(syscall.ECONNRESET); _ = aio.Sleep(h.ctx, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			hello := tlsTestHello(t)
			inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
				server := tlsTestServerConfig()
				var got error
				server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
					got = aio.Sleep(hello.Context(), time.Hour)
					return nil, nil // a cancellation that is swallowed changes nothing
				}
				h := tlsTestHalf(ctx, l, true, server, 0)
				h.lower.peer.Write(hello)
				_ = aio.Sleep(ctx, time.Nanosecond)
				end(h)
				h.failed(t)
				matches(t, "Sleep in the callback", got, aio.ErrCancelled)
				same(t, "reports", len(*h.reports), 0)
			})
		})
	}
}

// A callback that panics fails the handshake, and is reported as the program's fault.
func TestTLSConfigCallbackPanics(t *testing.T) {
	hello := tlsTestHello(t)
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		server := tlsTestServerConfig()
		server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { panic("no config") }
		h := tlsTestHalf(ctx, l, true, server, 0)
		h.lower.peer.Write(hello)
		err := h.failed(t)
		var p *aio.PanicError
		same(t, "the panic", errors.As(err, &p) && p.Value == "no config", true)
		same(t, "reports", len(*h.reports), 1)
		same(t, "the report", (*h.reports)[0].Message, "TLS handshake failed")
		same(t, "its transport", (*h.reports)[0].Transport, aio.BaseTransport(h.t))
	})
}

// A task that is cancelled from outside, as all are when a program ends, gives up the handshake.
func TestTLSHandshakeTaskCancelled(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		h := tlsTestHalf(ctx, l, false, nil, 0)
		_ = aio.Sleep(ctx, time.Nanosecond)
		for _, task := range aio.AllTasks(ctx) {
			if task != aio.CurrentTask(ctx) {
				same(t, "name of the task", task.GetName(), "TLS handshake")
				task.Cancel()
			}
		}
		err := h.failed(t, net.ErrClosed)
		same(t, "it is a cancellation", errors.Is(err, aio.ErrCancelled), false)
	})
}

// A loop that is closed in the middle of a handshake reports nothing and leaves no goroutine.
func TestTLSLoopClosedDuringHandshake(t *testing.T) {
	l, reports := newLoop(t)
	var h *tlsTestHandshake
	matches(t, "the run", runMain(l, func(ctx context.Context) error {
		h = tlsTestHalf(ctx, l, false, nil, 0)
		h.reports = reports
		return aio.Sleep(ctx, time.Nanosecond)
	}), nil)
	matches(t, "Close", l.Close(), nil)
	same(t, "outcomes", len(h.outcome), 0)
	same(t, "reports", len(*reports), 0)
}

// TLS-021
func TestTLSSetProtocol(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		buffered := &tlsTestBuffered{buf: make([]byte, 100)}
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{clientApp: buffered})
		c.st.Write([]byte("one"))
		c.settle()
		same(t, "the first protocol got", buffered.log(), "3:one")
		c.ct.SetProtocol(c.client)
		same(t, "GetProtocol", c.ct.GetProtocol(), aio.Protocol(c.client))
		c.st.Write([]byte("two"))
		c.settle()
		c.log.want(t, "client:two")
		same(t, "the first protocol got", buffered.log(), "3:one")
		matches(t, "SetProtocol(nil)", panics(func() { c.ct.SetProtocol(nil) }), aio.ErrUsage)
		c.st.Close()
		c.over(t)
	})
}

// tlsTestBuffered is a BufferedProtocol.
type tlsTestBuffered struct {
	buf      []byte
	events   []string
	fail     string // the method that panics
	onUpdate func()
	t        aio.Transport
	err      error
}

func (b *tlsTestBuffered) log() string { return strings.Join(b.events, " ") }

func (b *tlsTestBuffered) ConnectionMade(t aio.Transport) { b.t = t }

func (b *tlsTestBuffered) GetBuffer(int) []byte {
	if b.fail == "GetBuffer" {
		panic("no buffer")
	}
	return b.buf
}

func (b *tlsTestBuffered) BufferUpdated(n int) {
	if b.fail == "BufferUpdated" {
		panic("no update")
	}
	b.events = append(b.events, fmt.Sprintf("%d:%s", n, b.buf[:n]))
	if b.onUpdate != nil {
		b.onUpdate()
	}
}

func (b *tlsTestBuffered) EOFReceived() bool { b.events = append(b.events, "eof"); return false }

func (b *tlsTestBuffered) ConnectionLost(err error) {
	b.err = err
	b.events = append(b.events, "lost")
}

// TLS-022: what does not fit follows at once, unless the protocol pauses.
func TestTLSBufferedProtocol(t *testing.T) {
	for _, c := range []struct {
		size int
		want string
	}{
		{1, "1:a 1:b 1:c 1:d 1:e"},
		{2, "2:ab 2:cd 1:e"},
		{5, "5:abcde"},
		{100, "5:abcde"},
	} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			app := &tlsTestBuffered{buf: make([]byte, c.size)}
			conn := tlsTestOpen(t, ctx, l, tlsTestSetup{clientApp: app})
			conn.s.stuck = true
			conn.st.Write([]byte("abc"))
			conn.st.Write([]byte("de"))
			conn.s.release()
			conn.settle()
			same(t, fmt.Sprintf("buffer of %d", c.size), app.log(), c.want)
			conn.st.Close()
			_, _ = conn.server.lost.Await(ctx)
			same(t, fmt.Sprintf("buffer of %d at the end", c.size), app.log(), c.want+" eof lost")
			conn.quiet(t)
		})
	}
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		app := &tlsTestBuffered{buf: make([]byte, 1)}
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{clientApp: app})
		app.onUpdate = c.ct.PauseReading
		c.st.Write([]byte("abc"))
		for _, want := range []string{"1:a", "1:a 1:b", "1:a 1:b 1:c"} {
			c.settle()
			same(t, "until the next pause", app.log(), want)
			c.ct.ResumeReading()
		}
		c.ct.Abort()
		_, _ = c.server.lost.Await(ctx)
	})
}

// TLS-053 for a BufferedProtocol
func TestTLSBufferedProtocolPanics(t *testing.T) {
	for _, fail := range []string{"GetBuffer", "BufferUpdated", "empty"} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			app := &tlsTestBuffered{buf: make([]byte, 1), fail: fail}
			if fail == "empty" {
				app.buf = nil
			}
			c := tlsTestOpen(t, ctx, l, tlsTestSetup{clientApp: app, before: func(c *tlsTestConn) { c.c.paused = false }})
			c.st.Write([]byte("x"))
			_, _ = c.server.lost.Await(ctx)
			same(t, fail+": events", app.log(), "lost")
			same(t, fail+": reports", len(c.reports), 1)
			same(t, fail+": the error", c.reports[0].Err == app.err && app.err != nil, true)
		})
	}
}

// TLS-031: what precedes the damage is delivered, and the peer is sent an alert.
func TestTLSCorruptedRecord(t *testing.T) {
	tlsTestVersions(t, func(t *testing.T, version uint16) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			client := tlsTestClientConfig()
			client.MaxVersion = version
			c := tlsTestOpen(t, ctx, l, tlsTestSetup{client: client})
			c.s.stuck = true
			c.st.Write([]byte("line"))
			c.st.Write([]byte("damaged"))
			c.s.out[len(c.s.out)-1] ^= 1
			c.s.release()
			c.over(t)
			c.log.want(t, "client:line client:lost-with-error server:lost-with-error")
			var mine, theirs *net.OpError
			same(t, "error of the client", errors.As(c.client.lostWith, &mine) && mine.Op == "local error", true)
			same(t, "error of the server", errors.As(c.server.lostWith, &theirs) && theirs.Op == "remote error", true)
			_, err := c.ct.Write([]byte("x"))
			matches(t, "Write afterwards", err, net.ErrClosed)
			tlsTestNoTimers(t, l)
			c.quiet(t)
		})
	})
}

// TLS-032
func TestTLSPauseReading(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		same(t, "IsReading", c.ct.IsReading(), true)
		c.ct.PauseReading()
		c.ct.PauseReading()
		same(t, "IsReading while paused", c.ct.IsReading(), false)
		c.st.Write([]byte("data"))
		c.settle()
		c.log.want(t, "")
		c.ct.ResumeReading()
		c.ct.ResumeReading()
		c.log.want(t, "")
		c.settle()
		c.log.want(t, "client:data")
		// A protocol that pauses in the middle of what there is.
		c.client.onData = func([]byte) { c.ct.PauseReading() }
		c.st.Write(tlsTestBytes(300 << 10))
		c.settle()
		n := len(c.client.got)
		same(t, "one call only", len(*c.log), 1)
		c.client.onData = nil
		c.ct.ResumeReading()
		c.settle()
		same(t, "the rest came", len(c.client.got) > n && bytes.Equal(c.client.got[4:], tlsTestBytes(300<<10)), true)
		c.st.Close()
		c.over(t)
		c.quiet(t)
	})
}

// TLS-033
func TestTLSRecordsAreJoined(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		c.s.stuck = true
		for _, s := range []string{"a", "b", "c"} {
			n, err := c.st.Write([]byte(s))
			same(t, "Write", n, 1)
			matches(t, "Write", err, nil)
		}
		c.s.release()
		c.settle()
		c.log.want(t, "client:abc")
		// Pieces that are written together share a record.
		wire := len(c.s.wire)
		matches(t, "Writelines", c.st.Writelines([][]byte{[]byte("d"), nil, []byte("e"), []byte("f")}), nil)
		c.settle()
		c.log.want(t, "client:def")
		same(t, "bytes on the wire", len(c.s.wire)-wire, 5+3+1+16)
		c.st.Close()
		c.over(t)
	})
}

// TLS-034
func TestTLSWriteNothing(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		wire := len(c.c.wire)
		for _, b := range [][]byte{nil, {}} {
			n, err := c.ct.Write(b)
			same(t, "Write", n, 0)
			matches(t, "Write", err, nil)
			matches(t, "Writelines", c.ct.Writelines([][]byte{b, b}), nil)
		}
		c.settle()
		same(t, "bytes on the wire", len(c.c.wire)-wire, 0)
		same(t, "CanWriteEOF", c.ct.CanWriteEOF(), false)
		matches(t, "WriteEOF", panics(c.ct.WriteEOF), aio.ErrUsage)
		c.ct.Close()
		c.over(t)
	})
}

// TLS-035
func TestTLSWriteLimits(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		limits := func() string { low, high := c.ct.GetWriteBufferLimits(); return fmt.Sprint(low, high) }
		same(t, "default limits", limits(), fmt.Sprint(128<<10, 512<<10))
		for _, set := range []struct {
			high, low int
			want      string
		}{
			{1000, aio.DefaultLimit, "250 1000"},
			{aio.DefaultLimit, 10, "10 40"},
			{0, aio.DefaultLimit, "0 0"},
			{aio.DefaultLimit, aio.DefaultLimit, fmt.Sprint(128<<10, 512<<10)},
			{4, 1, "1 4"},
		} {
			c.ct.SetWriteBufferLimits(set.high, set.low)
			same(t, "limits", limits(), set.want)
		}
		matches(t, "low above high", panics(func() { c.ct.SetWriteBufferLimits(1, 2) }), aio.ErrUsage)
		c.log.want(t, "")

		c.c.stuck, c.c.high = true, 0
		c.ct.Write([]byte("taken below, which then wants a pause"))
		same(t, "size", c.ct.GetWriteBufferSize(), 0)
		c.ct.Write([]byte("abc"))
		same(t, "size", c.ct.GetWriteBufferSize(), 3)
		c.log.want(t, "")
		c.ct.Write([]byte("d"))
		c.log.want(t, "client:pause")
		matches(t, "Writelines", c.ct.Writelines([][]byte{[]byte("e")}), nil)
		same(t, "size", c.ct.GetWriteBufferSize(), 5)
		c.log.want(t, "")
		c.c.release()
		c.settle()
		c.log.want(t, "server:37 client:resume server:abcde")
		same(t, "size", c.ct.GetWriteBufferSize(), 0)

		// PROTO-016: a mark that is exceeded when it is set.
		c.ct.SetWriteBufferLimits(100, 10)
		c.c.stuck = true
		c.ct.Write([]byte("x"))
		c.ct.Write([]byte("four"))
		c.ct.SetWriteBufferLimits(4, 1)
		c.log.want(t, "client:pause")
		// PROTO-019: raising it does not resume.
		c.ct.SetWriteBufferLimits(100, 50)
		c.log.want(t, "")
		c.c.release()
		c.settle()
		c.log.want(t, "server:x client:resume server:four")
		c.ct.Close()
		c.over(t)
		c.quiet(t)
	})
}

// TLS-036
func TestTLSReadLimits(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		below := new(eventLog)
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{before: func(c *tlsTestConn) { c.c.log = below }})
		c.s.chunk = 10 << 10
		c.ct.PauseReading()
		before := len(c.s.wire)
		sent := tlsTestBytes(1 << 20)
		c.st.Write(sent)
		c.settle()
		c.log.want(t, "server:pause")
		below.want(t, "pause")
		same(t, "bytes that were read", len(c.s.wire)-before, 260<<10)
		c.ct.ResumeReading()
		c.settle()
		below.want(t, "resume")
		same(t, "the bytes", bytes.Equal(c.client.got, sent), true)
		c.st.Close()
		c.over(t)
		c.quiet(t)
	})
}

// The same mark holds during a handshake.
func TestTLSReadLimitDuringHandshake(t *testing.T) {
	hello := tlsTestHello(t)
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		server := tlsTestServerConfig()
		server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return nil, aio.Sleep(hello.Context(), time.Second)
		}
		h := tlsTestHalf(ctx, l, true, server, 0)
		h.lower.peer.chunk = 10 << 10
		h.lower.peer.Write(hello)
		h.lower.peer.Write(make([]byte, 1<<20))
		_ = aio.Sleep(ctx, time.Millisecond)
		if n := len(h.lower.peer.wire); n < 256<<10 || n > 280<<10 {
			t.Errorf("%d bytes were read", n)
		}
		_ = aio.Sleep(ctx, time.Second)
		h.failed(t)
	})
}

// TLS-037
func TestTLSWriteFailsBelow(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		c.c.writeErr = syscall.EPIPE
		_, err := c.ct.Write([]byte("one"))
		matches(t, "first Write", err, syscall.EPIPE)
		_, err = c.ct.Write([]byte("two"))
		matches(t, "second Write", err, net.ErrClosed)
		c.over(t)
		matches(t, "ConnectionLost", c.client.lostWith, syscall.EPIPE)
		c.log.want(t, "client:lost-with-error server:eof server:lost")
		tlsTestNoTimers(t, l)
		c.quiet(t)
	})
}

// TLS-038
func TestTLSCloseFlushes(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		c.c.stuck = true
		sent := tlsTestBytes(4 << 20)
		c.ct.Write(sent)
		if n := c.c.GetWriteBufferSize(); n > 256<<10 {
			t.Errorf("%d bytes are buffered below", n)
		}
		if n := c.ct.GetWriteBufferSize(); n < len(sent)-256<<10 {
			t.Errorf("only %d bytes are buffered", n)
		}
		c.ct.Close()
		same(t, "IsClosing", c.ct.IsClosing(), true)
		_ = aio.Sleep(ctx, 29*time.Second)
		c.log.want(t, "client:pause")
		c.c.release()
		c.over(t)
		same(t, "the bytes", bytes.Equal(c.server.got, sent), true)
		matches(t, "end of the client", c.client.lostWith, nil)
		matches(t, "end of the server", c.server.lostWith, nil)
		tlsTestNoTimers(t, l) // TLS-048
		c.quiet(t)
	})
}

// TLS-040
func TestTLSPeerCloses(t *testing.T) {
	tlsTestVersions(t, func(t *testing.T, version uint16) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			client := tlsTestClientConfig()
			client.MaxVersion = version
			var all []*tlsTestConn
			for range 25 {
				all = append(all, tlsTestOpen(t, ctx, l, tlsTestSetup{client: client}))
			}
			for _, c := range all {
				c.st.Write([]byte("bye"))
				c.st.Close()
			}
			for _, c := range all {
				c.over(t)
				c.log.want(t, "client:bye client:eof server:eof client:lost server:lost")
				same(t, "IsClosing", c.ct.IsClosing(), true)
				matches(t, "Close", c.ct.Close(), nil)
			}
			tlsTestNoTimers(t, l)
			same(t, "tasks left", len(aio.AllTasks(ctx)), 1)
		})
	})
}

// TLS-041: also if the transport below writes in small pieces.
func TestTLSPeerClosesWhileDataIsQueued(t *testing.T) {
	for _, chunk := range []int{0, 1000} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
			c.c.stuck, c.c.chunk = true, chunk
			sent := tlsTestBytes(1 << 20)
			c.ct.Write(sent)
			// A peer that closes its own half only.
			matches(t, "CloseWrite", c.st.GetExtraInfo("ssl_object").(*tls.Conn).CloseWrite(), nil)
			c.settle()
			c.log.want(t, "client:pause client:eof")
			c.c.release()
			c.over(t)
			same(t, "the bytes", bytes.Equal(c.server.got, sent), true)
			if last := c.c.wire[len(c.c.wire)-24:]; !bytes.HasPrefix(last, []byte{23, 3, 3, 0, 19}) {
				t.Errorf("the last record is not an alert: %x", last)
			}
			matches(t, "end of the client", c.client.lostWith, nil)
			matches(t, "end of the server", c.server.lostWith, nil)
			c.quiet(t)
		})
	}
}

// TLS-042
func TestTLSEndOfFileWhileDataIsQueued(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		c.c.stuck = true
		sent := tlsTestBytes(1 << 20)
		c.ct.Write(sent)
		c.s.WriteEOF()
		c.settle()
		c.log.want(t, "client:pause client:eof")
		c.c.release()
		c.over(t)
		same(t, "the bytes", bytes.Equal(c.server.got, sent), true)
		matches(t, "end of the client", c.client.lostWith, nil)
		matches(t, "end of the server", c.server.lostWith, nil)
		c.quiet(t)
	})
}

// TLS-043: be it between records or in the middle of one.
func TestTLSTruncation(t *testing.T) {
	for _, cut := range []int{0, 1, 4, 5, 10} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
			c.s.stuck = true
			c.st.Write([]byte("whole"))
			whole := len(c.s.out)
			c.st.Write([]byte("part"))
			c.s.out = c.s.out[:whole+cut]
			c.s.WriteEOF()
			c.s.release()
			_, _ = c.client.lost.Await(ctx)
			c.settle()
			c.log.want(t, "client:whole client:eof client:lost server:eof server:lost")
			tlsTestNoTimers(t, l)
			c.quiet(t)
		})
	}
}

// TLS-044
func TestTLSEndOfFileWhilePaused(t *testing.T) {
	for name, end := range map[string]func(*tlsTestConn){
		"with a close_notify":    func(c *tlsTestConn) { c.st.Close() },
		"without a close_notify": func(c *tlsTestConn) { c.s.WriteEOF() },
		"with an abort":          func(c *tlsTestConn) { c.settle(); c.st.Abort() },
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
				c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
				c.ct.PauseReading()
				c.st.Write([]byte("data"))
				end(c)
				_ = aio.Sleep(ctx, time.Second)
				same(t, "IsClosing", c.ct.IsClosing(), false)
				same(t, "the client's events", c.eventsOf("client"), "")
				c.ct.ResumeReading()
				_, _ = c.client.lost.Await(ctx)
				matches(t, "end of the client", c.client.lostWith, nil)
				same(t, "the client's events", c.eventsOf("client"), "client:data client:eof client:lost")
				c.over(t)
				c.quiet(t)
			})
		})
	}
}

// TLS-045, TLS-046
func TestTLSPeerThatNeverReads(t *testing.T) {
	for _, closes := range []bool{true, false} {
		for _, limit := range []time.Duration{0, time.Second} {
			inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
				c := tlsTestOpen(t, ctx, l, tlsTestSetup{shutdown: limit})
				c.c.stuck = true
				c.ct.Write(tlsTestBytes(1 << 20))
				start := l.Time()
				if closes {
					c.ct.Close()
				}
				c.s.WriteEOF()
				_, _ = c.client.lost.Await(ctx)
				if limit == 0 {
					limit = 30 * time.Second
				}
				same(t, "time that passed", l.Time().Sub(start), limit)
				matches(t, "end of the client", c.client.lostWith, aio.ErrTimeout)
				same(t, "text", c.client.lostWith.Error(), fmt.Sprintf("aio: TLS shutdown took longer than %v", limit))
				same(t, "it is an abortion", errors.Is(c.client.lostWith, syscall.ECONNABORTED), false)
				c.log.want(t, "client:pause client:eof client:lost-with-error server:eof")
				same(t, "the transport below is lost", c.c.lost, true)
				c.s.Abort()
				c.over(t)
				tlsTestNoTimers(t, l)
				c.quiet(t)
			})
		}
	}
	// Nothing waits here any more, but the transport below cannot get rid of what it has.
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		c.c.stuck = true
		c.ct.Write([]byte("x"))
		c.s.WriteEOF()
		_, _ = c.client.lost.Await(ctx)
		matches(t, "end of the client", c.client.lostWith, aio.ErrTimeout)
		c.s.Abort()
		c.over(t)
	})
}

// TLS-047, TLS-001
func TestTLSPeerThatNeverAnswersCloseNotify(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		c.s.stuck = true
		start := l.Time()
		c.ct.Close()
		_, _ = c.client.lost.Await(ctx)
		same(t, "time that passed", l.Time().Sub(start), 30*time.Second)
		matches(t, "end of the client", c.client.lostWith, aio.ErrTimeout)
		c.over(t)
		// The server cannot get rid of its answer either.
		c.log.want(t, "server:eof client:lost-with-error server:lost-with-error")
		tlsTestNoTimers(t, l)
		c.quiet(t)
	})
}

// TLS-049
func TestTLSWriteAfterClose(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		records := captureLog(t)
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		c.ct.Close()
		matches(t, "Close again", c.ct.Close(), nil)
		for i := range 3 {
			_, err := c.ct.Write([]byte("x"))
			matches(t, "Write", err, net.ErrClosed)
			if i < 2 {
				matches(t, "Writelines", c.ct.Writelines([][]byte{[]byte("x")}), net.ErrClosed)
			}
		}
		same(t, "warnings after 5 writes", len(*records), 0)
		_, _ = c.ct.Write([]byte("x"))
		same(t, "warnings after 6 writes", len(*records), 1)
		c.over(t)
		c.log.want(t, "server:eof client:eof server:lost client:lost")
		_, err := c.ct.Write([]byte("x"))
		matches(t, "Write on a lost connection", err, net.ErrClosed)
	})
}

// TLS-050: data that was on its way when we closed is dropped. asyncio has an error of it.
func TestTLSDataAfterClose(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		c.ct.Close()
		c.st.Write(tlsTestBytes(600 << 10))
		c.over(t)
		c.log.want(t, "server:pause server:eof server:resume client:eof server:lost client:lost")
		matches(t, "end of the client", c.client.lostWith, nil)
		c.quiet(t)
	})
}

// What the application did not want before it closed is dropped as well, and must not keep the
// peer's close_notify from being seen.
func TestTLSCloseWithUnreadData(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		c.ct.PauseReading()
		c.st.Write(tlsTestBytes(1 << 20))
		c.st.Close()
		c.settle()
		same(t, "bytes of the client", len(c.client.got), 0)
		c.ct.Close()
		same(t, "the client's events inside Close", c.eventsOf("client"), "")
		c.over(t)
		same(t, "bytes of the client", len(c.client.got), 0)
		matches(t, "end of the client", c.client.lostWith, nil)
		matches(t, "end of the server", c.server.lostWith, nil)
		tlsTestNoTimers(t, l)
		c.quiet(t)
	})
}

// Both ends send more than the other one buffers, and then close: neither waits for the other.
func TestTLSBothCloseWithDataQueued(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		c.ct.PauseReading()
		c.st.PauseReading()
		c.ct.Write(tlsTestBytes(2 << 20))
		c.st.Write(tlsTestBytes(2 << 20))
		c.settle()
		start := l.Time()
		c.ct.Close()
		c.st.Close()
		c.over(t)
		same(t, "time that passed", l.Time().Sub(start), 0)
		matches(t, "end of the client", c.client.lostWith, nil)
		matches(t, "end of the server", c.server.lostWith, nil)
	})
}

// TLS-051
func TestTLSEOFReceivedAnswersTrue(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		records := captureLog(t)
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		c.client.keepOpen = true
		c.st.Close()
		c.over(t)
		c.log.want(t, "client:eof server:eof client:lost server:lost")
		same(t, "warnings", len(*records), 1)
		c.quiet(t)
	})
}

// TLS-052
func TestTLSAbort(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		wire := len(c.c.wire)
		c.c.stuck = true
		c.ct.Write([]byte("lost"))
		c.ct.Abort()
		c.c.release()
		c.ct.Abort()
		same(t, "IsClosing", c.ct.IsClosing(), true)
		c.over(t)
		c.log.want(t, "server:eof client:lost server:lost")
		same(t, "bytes on the wire", len(c.c.wire)-wire, 0)
		matches(t, "end of the client", c.client.lostWith, nil)
		c.quiet(t)
	})
	// In the middle of a shutdown.
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		c.s.stuck = true
		c.ct.Close()
		_ = aio.Sleep(ctx, time.Second)
		c.ct.Abort()
		c.s.release()
		c.over(t)
		c.log.want(t, "server:eof client:lost server:lost")
		matches(t, "end of the client", c.client.lostWith, nil)
		tlsTestNoTimers(t, l)
	})
}

// TLS-053
func TestTLSProtocolPanics(t *testing.T) {
	for _, in := range []string{"DataReceived", "EOFReceived"} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
			c.client.onData = func([]byte) {
				if in == "DataReceived" {
					panic("no " + in)
				}
			}
			c.client.onEOF = func() { panic("no " + in) }
			c.st.Write([]byte("x"))
			c.st.Close()
			c.over(t)
			var p *aio.PanicError
			same(t, in+": ConnectionLost", errors.As(c.client.lostWith, &p) && p.Value == "no "+in, true)
			same(t, in+": reports", len(c.reports), 1)
			same(t, in+": report", c.reports[0].Message, "protocol."+in+"() failed")
			same(t, in+": its error", c.reports[0].Err, c.client.lostWith)
			same(t, in+": its transport", c.reports[0].Transport, aio.BaseTransport(c.ct))
			same(t, in+": its protocol", c.reports[0].Protocol, aio.Protocol(c.client))
			tlsTestNoTimers(t, l)
		})
	}
}

// PROTO-006: a ConnectionMade that panics is reported, and the connection goes on. One that closes
// the transport has had its connection.
func TestTLSConnectionMade(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestStart(ctx, l, tlsTestSetup{before: func(c *tlsTestConn) {
			c.client.onMade = func(aio.Transport) { panic("no") }
		}})
		c.settle()
		same(t, "reports", len(c.reports), 1)
		same(t, "outcome", c.cErr[0], nil)
		c.st.Write([]byte("data"))
		c.st.Close()
		c.over(t)
		c.log.want(t, "client:made server:made client:data client:eof server:eof client:lost server:lost")
	})
	for name, end := range map[string]func(aio.Transport){
		"Close": func(t aio.Transport) { t.Close() },
		"Abort": func(t aio.Transport) { t.Abort() },
	} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			c := tlsTestStart(ctx, l, tlsTestSetup{before: func(c *tlsTestConn) { c.server.onMade = end }})
			c.over(t)
			same(t, name+": outcomes", len(c.cErr)+len(c.sErr), 2)
			same(t, name+": outcome", c.sErr[0], nil)
			tlsTestNoTimers(t, l)
			c.quiet(t)
		})
	}
}

// A write that is longer than the high mark of the transport below is not encrypted at once.
func TestTLSWritesInPieces(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		sent := tlsTestBytes(1<<20 + 17)
		for i := 0; i < len(sent); {
			n := min(len(sent)-i, 1+i/3)
			c.ct.Write(sent[i : i+n])
			i += n
		}
		c.settle()
		same(t, "the bytes", bytes.Equal(c.server.got, sent), true)
		same(t, "size", c.ct.GetWriteBufferSize(), 0)
		c.ct.Close()
		c.over(t)
	})
}

// tlsTestPlain is a connection in clear between two applications.
func tlsTestPlain(ctx context.Context, l *aio.Loop) *tlsTestConn {
	c := &tlsTestConn{ctx: ctx, loop: l, log: new(eventLog)}
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { c.reports = append(c.reports, ec) })
	c.client, c.server = tlsTestNewApp(ctx, "client", c.log), tlsTestNewApp(ctx, "server", c.log)
	c.c, c.s = tlsTestPipe(l)
	c.c.connect(c.client)
	c.s.connect(c.server)
	c.settle()
	*c.log = nil
	return c
}

// upgrade runs StartTLS at both ends.
func (c *tlsTestConn) upgrade(t *testing.T) {
	t.Helper()
	server := spawn(c.ctx, func(ctx context.Context) (err error) {
		c.st, err = aio.StartTLS(ctx, c.server.transport, c.server, tlsTestServerConfig(), &aio.TLSOptions{ServerSide: true})
		return err
	})
	var err error
	c.ct, err = aio.StartTLS(c.ctx, c.client.transport, c.client, tlsTestClientConfig(), nil)
	matches(t, "StartTLS of the client", err, nil)
	_, err = server.Await(c.ctx)
	matches(t, "StartTLS of the server", err, nil)
}

// TLS-019, TLS-020, TLS-024
func TestStartTLS(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestPlain(ctx, l)
		c.client.transport.Write([]byte("in"))
		c.client.transport.Write([]byte("clear"))
		same(t, "what was delivered", len(c.c.wire), 0)
		c.settle()
		c.client.transport.Write([]byte("!"))
		for len(c.server.got) < len("inclear!") { // the server begins when it knows
			_ = aio.Sleep(ctx, 0)
		}
		c.upgrade(t)
		same(t, "bytes in clear", string(c.c.wire[:8]), "inclear!")
		c.log.want(t, "server:inclear server:!")
		same(t, "the transport is a new one", c.ct != aio.Transport(c.c), true)
		same(t, "GetProtocol", c.ct.GetProtocol(), aio.Protocol(c.client))
		c.ct.Write([]byte("secret"))
		c.settle()
		c.st.Write([]byte("answer"))
		c.settle()
		same(t, "clear text on the wire", bytes.Contains(c.c.wire, []byte("secret")) || bytes.Contains(c.s.wire, []byte("answer")), false)
		c.ct.Close()
		c.over(t)
		c.log.want(t, "server:secret client:answer server:eof client:eof server:lost client:lost")
		tlsTestNoTimers(t, l)
		c.quiet(t)
	})
}

// What was written to the old transport precedes the handshake, even if it is still buffered; and
// reading goes on if it was paused.
func TestStartTLSWithBufferedOutput(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestPlain(ctx, l)
		c.c.stuck = true
		c.client.transport.Write([]byte("clear"))
		c.client.transport.PauseReading()
		c.server.onData = func([]byte) { // the answer to the last word in clear is TLS
			c.server.onData = nil
			spawn(ctx, func(ctx context.Context) (err error) {
				c.st, err = aio.StartTLS(ctx, c.s, c.server, tlsTestServerConfig(), &aio.TLSOptions{ServerSide: true})
				return err
			})
		}
		l.CallLater(time.Second, func() { c.c.chunk = 5; c.c.release(); l.CallSoon(func() { c.c.chunk = 0 }) })
		ct, err := aio.StartTLS(ctx, c.c, c.client, tlsTestClientConfig(), nil)
		matches(t, "StartTLS", err, nil)
		ct.Write([]byte("secret"))
		c.settle()
		c.log.want(t, "server:clear server:secret")
		ct.Close()
		c.over(t)
		c.quiet(t)
	})
}

// A protocol that was told to pause before is told to resume, although it is the layer that is told.
func TestStartTLSWhileWritingIsPaused(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestPlain(ctx, l)
		c.upgrade(t) // TLS inside TLS, as the transport below has to be one of the package's own
		c.client.transport, c.server.transport = c.ct, c.st
		c.c.stuck, c.c.high = true, 0
		c.ct.SetWriteBufferLimits(4, 1)
		c.ct.Write([]byte("x"))
		c.ct.Write([]byte("12345"))
		c.log.want(t, "client:pause")
		l.CallLater(time.Second, c.c.release)
		server := spawn(ctx, func(ctx context.Context) error {
			for len(c.server.got) < len("x12345") {
				if err := aio.Sleep(ctx, time.Millisecond); err != nil {
					return err
				}
			}
			ahead := c.server.got[len("x12345"):]
			_, err := aio.StartTLSAhead(ctx, c.st, c.server, tlsTestServerConfig(), &aio.TLSOptions{ServerSide: true}, ahead)
			return err
		})
		inner, err := aio.StartTLS(ctx, c.ct, c.client, tlsTestClientConfig(), nil)
		matches(t, "StartTLS", err, nil)
		_, err = server.Await(ctx)
		matches(t, "StartTLS of the server", err, nil)
		same(t, "the client's events", c.eventsOf("client"), "client:resume")
		inner.Close()
		c.over(t)
		c.quiet(t)
	})
}

// A caller that has read the peer's hello already hands it in.
func TestStartTLSAhead(t *testing.T) {
	for _, ahead := range []int{1, 50, 10_000} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			c := tlsTestPlain(ctx, l)
			client := spawn(ctx, func(ctx context.Context) (err error) {
				c.ct, err = aio.StartTLS(ctx, c.c, c.client, tlsTestClientConfig(), nil)
				return err
			})
			c.c.chunk = ahead
			for len(c.server.got) == 0 {
				_ = aio.Sleep(ctx, 0)
			}
			n := len(c.server.got)
			st, err := aio.StartTLSAhead(ctx, c.s, c.server, tlsTestServerConfig(), &aio.TLSOptions{ServerSide: true}, c.server.got)
			matches(t, "StartTLS of the server", err, nil)
			_, err = client.Await(ctx)
			matches(t, "StartTLS of the client", err, nil)
			same(t, "bytes ahead", n > 0 && n <= ahead, true)
			st.Close()
			c.over(t)
			c.quiet(t)
		})
	}
}

// TLS-001, TLS-002, TLS-007: nothing has happened when it is refused.
func TestStartTLSMisuse(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestPlain(ctx, l)
		client, server := tlsTestClientConfig(), tlsTestServerConfig()
		renegotiates := tlsTestClientConfig()
		renegotiates.Renegotiation = tls.RenegotiateOnceAsClient
		asServer := aio.TLSOptions{ServerSide: true}
		for name, call := range map[string]struct {
			transport aio.Transport
			protocol  aio.Protocol
			config    *tls.Config
			opts      aio.TLSOptions
			text      string
		}{
			"no config":             {c.c, c.client, nil, aio.TLSOptions{}, "*tls.Config is nil"},
			"no transport":          {nil, c.client, client, aio.TLSOptions{}, "transport is nil"},
			"no protocol":           {c.c, nil, client, aio.TLSOptions{}, "protocol is nil"},
			"a bad protocol":        {c.c, struct{}{}, client, aio.TLSOptions{}, "none of the methods"},
			"negative handshake":    {c.c, c.client, client, aio.TLSOptions{HandshakeTimeout: -1}, "positive"},
			"negative shutdown":     {c.c, c.client, client, aio.TLSOptions{ShutdownTimeout: -1}, "positive"},
			"no name":               {c.c, c.client, &tls.Config{}, aio.TLSOptions{}, "ServerName"},
			"renegotiation":         {c.c, c.client, renegotiates, aio.TLSOptions{}, "renegotiation"},
			"no certificate":        {c.c, c.client, &tls.Config{}, asServer, "Certificates"},
			"a server in any case":  {c.c, nil, server, asServer, "protocol is nil"},
			"an unverifying client": {c.c, nil, &tls.Config{InsecureSkipVerify: true}, aio.TLSOptions{}, "protocol is nil"},
		} {
			got, err := aio.StartTLS(ctx, call.transport, call.protocol, call.config, &call.opts)
			same(t, name+": transport", got, nil)
			matches(t, name, err, aio.ErrUsage)
			if !strings.Contains(fmt.Sprint(err), call.text) {
				t.Errorf("%s: error %q does not mention %q", name, err, call.text)
			}
		}
		c.c.Write([]byte("still clear"))
		c.settle()
		same(t, "what arrived", string(c.server.got), "still clear")
		c.c.Close()
		_, err := aio.StartTLS(ctx, c.c, c.client, client, nil)
		matches(t, "on a closing transport", err, net.ErrClosed)
		c.over(t)
		c.quiet(t)

		l.CallSoon(func() {
			_, err := aio.StartTLS(l.Context(), c.c, c.client, client, nil)
			matches(t, "in a callback", err, aio.ErrNoTask)
		})
		c.settle()
	})
}

// TLS-023, TLS-010: the caller has its own limit. TLS-025: the application hears of the end in
// every case, not only in some as in asyncio.
func TestStartTLSGivenUp(t *testing.T) {
	for _, server := range []bool{false, true} {
		config := tlsTestClientConfig()
		if server {
			config = tlsTestServerConfig()
		}
		opts := &aio.TLSOptions{ServerSide: server}
		for name, try := range map[string]func(ctx context.Context, c *tlsTestConn) error{
			"Timeout": func(ctx context.Context, c *tlsTestConn) error {
				err := aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
					_, err := aio.StartTLS(ctx, c.c, c.client, config, opts)
					return err
				})
				matches(t, "Timeout", err, aio.ErrTimeout)
				matches(t, "end of the client", c.client.lostWith, nil)
				return nil
			},
			"Cancel": func(ctx context.Context, c *tlsTestConn) error {
				task := spawn(ctx, func(ctx context.Context) error {
					_, err := aio.StartTLS(ctx, c.c, c.client, config, opts)
					return err
				})
				err := aio.Sleep(ctx, time.Second)
				task.Cancel()
				_, cancelled := task.Await(ctx)
				matches(t, "the task", cancelled, aio.ErrCancelled)
				matches(t, "end of the client", c.client.lostWith, nil)
				return err
			},
			"HandshakeTimeout": func(ctx context.Context, c *tlsTestConn) error {
				_, err := aio.StartTLS(ctx, c.c, c.client, config, &aio.TLSOptions{ServerSide: server, HandshakeTimeout: time.Second})
				matches(t, "StartTLS", err, syscall.ECONNABORTED)
				_, _ = c.client.lost.Await(ctx)
				same(t, "end of the client", c.client.lostWith, err)
				return nil
			},
			"end of file": func(ctx context.Context, c *tlsTestConn) error {
				c.loop.CallLater(time.Second, c.s.WriteEOF)
				_, err := aio.StartTLS(ctx, c.c, c.client, config, opts)
				matches(t, "StartTLS", err, syscall.ECONNRESET)
				_, _ = c.client.lost.Await(ctx)
				same(t, "end of the client", c.client.lostWith, err)
				return nil
			},
			"garbage": func(ctx context.Context, c *tlsTestConn) error {
				c.loop.CallLater(time.Second, func() { c.s.Write([]byte("HTTP/1.1 400 Bad Request\r\n")) })
				_, err := aio.StartTLS(ctx, c.c, c.client, config, opts)
				var header tls.RecordHeaderError
				same(t, "StartTLS", errors.As(err, &header), true)
				_, _ = c.client.lost.Await(ctx)
				same(t, "end of the client", errors.As(c.client.lostWith, &header), true)
				return nil
			},
		} {
			t.Run(fmt.Sprint(name, server), func(t *testing.T) {
				inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
					c := tlsTestPlain(ctx, l)
					start := l.Time()
					matches(t, "the attempt", try(ctx, c), nil)
					same(t, "time that passed", l.Time().Sub(start), time.Second)
					c.over(t)
					same(t, "the connection is closed", c.c.lost, true)
					if last := (*c.log)[len(*c.log)-1]; last != "server:lost" {
						t.Errorf("the last event is %s", last)
					}
					tlsTestNoTimers(t, l)
					same(t, "tasks left", len(aio.AllTasks(ctx)), 1)
					c.quiet(t)
				})
			})
		}
	}
}

// TLS-026, TLS-027, TLS-021
func TestTLSInsideTLS(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		matches(t, "all clients", aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for i := range amount(8, 25) {
				tg.Go(func(ctx context.Context) error { return tlsTestNested(t, ctx, l, i) })
			}
			return nil
		}), nil)
		tlsTestNoTimers(t, l)
		same(t, "tasks left", len(aio.AllTasks(ctx)), 1)
	})
}

func tlsTestNested(t *testing.T, ctx context.Context, l *aio.Loop, i int) error {
	var server *aio.Task[aio.Transport]
	c := tlsTestStart(ctx, l, tlsTestSetup{before: func(c *tlsTestConn) {
		c.server.onMade = func(outer aio.Transport) {
			outer.PauseReading()
			server = aio.CreateTask(l.Context(), func(ctx context.Context) (aio.Transport, error) {
				return aio.StartTLS(ctx, outer, c.server, tlsTestServerConfig(), &aio.TLSOptions{ServerSide: true})
			})
		}
		c.s.chunk, c.c.chunk = i%5*1000, i%3*777
	}})
	for c.client.transport == nil {
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
	}
	inner, err := aio.StartTLS(ctx, c.client.transport, c.client, tlsTestClientConfig(), nil)
	if err != nil {
		return err
	}
	inServer, err := server.Await(ctx)
	if err != nil {
		return err
	}
	sent := tlsTestBytes(300<<10 + i)
	inner.Write(sent)
	inServer.Write(sent)
	for len(c.server.got) < len(sent) || len(c.client.got) < len(sent) {
		if err := aio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	same(t, "the bytes", bytes.Equal(c.server.got, sent) && bytes.Equal(c.client.got, sent), true)
	*c.log = nil
	inner.Close()
	c.over(t)
	// Which end is first depends on how the records are cut.
	same(t, "the client's events", c.eventsOf("client"), "client:eof client:lost")
	same(t, "the server's events", c.eventsOf("server"), "server:eof server:lost")
	same(t, "the transport below is lost", c.c.lost && c.s.lost, true)
	c.quiet(t)
	return nil
}

// The outer layer stays open for what the inner one still has to deliver.
func TestTLSInsideTLSWhilePaused(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		records := captureLog(t)
		c := tlsTestPlain(ctx, l)
		c.upgrade(t)
		c.client.transport, c.server.transport = c.ct, c.st
		c.upgrade(t)
		c.ct.PauseReading()
		c.st.Write(tlsTestBytes(100 << 10))
		c.st.Close()
		_ = aio.Sleep(ctx, time.Second)
		same(t, "IsClosing", c.ct.IsClosing(), false)
		c.ct.ResumeReading()
		c.over(t)
		same(t, "the bytes", bytes.Equal(c.client.got, tlsTestBytes(100<<10)), true)
		matches(t, "end of the client", c.client.lostWith, nil)
		same(t, "warnings", len(*records), 0)
		c.quiet(t)
	})
}

// All methods are for the goroutine that has the token.
func TestTLSOtherGoroutine(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		calls := map[string]func(){
			"Close":                func() { c.ct.Close() },
			"IsClosing":            func() { c.ct.IsClosing() },
			"GetExtraInfo":         func() { c.ct.GetExtraInfo("tls") },
			"SetProtocol":          func() { c.ct.SetProtocol(c.client) },
			"GetProtocol":          func() { c.ct.GetProtocol() },
			"IsReading":            func() { c.ct.IsReading() },
			"PauseReading":         func() { c.ct.PauseReading() },
			"ResumeReading":        func() { c.ct.ResumeReading() },
			"Write":                func() { c.ct.Write([]byte("x")) },
			"Writelines":           func() { c.ct.Writelines([][]byte{[]byte("x")}) },
			"WriteEOF":             func() { c.ct.WriteEOF() },
			"Abort":                func() { c.ct.Abort() },
			"SetWriteBufferLimits": func() { c.ct.SetWriteBufferLimits(2, 1) },
			"GetWriteBufferLimits": func() { c.ct.GetWriteBufferLimits() },
			"GetWriteBufferSize":   func() { c.ct.GetWriteBufferSize() },
		}
		l.SetDebug(true) // which has the check made on all platforms
		errs := make(chan error, 1)
		for name, call := range calls {
			go func() { errs <- panics(call) }()
			matches(t, name, <-errs, aio.ErrWrongGoroutine)
		}
		c.settle()
		c.log.want(t, "")
		c.ct.Close()
		c.over(t)
	})
}

// Whatever a peer sends, and however it is cut, the handshake ends once and leaves nothing behind.
func FuzzTLSHandshake(f *testing.F) {
	f.Add([]byte{}, 0, false)
	f.Add([]byte("\x16\x03\x01\x00\x05hello"), 1, true)
	f.Add([]byte("\x15\x03\x03\x00\x02\x01\x00\x15\x03\x03\x00\x02\x01\x00"), 3, false)
	f.Add([]byte("\x17\x03\x03\x00\x00"), 2, true)
	f.Fuzz(func(t *testing.T, sent []byte, chunk int, server bool) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			h := tlsTestHalf(ctx, l, server, nil, 0)
			h.lower.peer.chunk = max(chunk, 0)
			h.lower.peer.Write(sent)
			h.lower.peer.WriteEOF()
			h.failed(t)
			same(t, "reports", len(*h.reports), 0)
		})
	})
}

// Whatever happens to the records of a connection, what is delivered is a beginning of what was
// sent.
func FuzzTLSRecords(f *testing.F) {
	f.Add(0, 0, byte(0), uint16(0))
	f.Add(100, 1, byte(1), uint16(tls.VersionTLS12))
	f.Add(30_001, 1000, byte(128), uint16(tls.VersionTLS13))
	f.Fuzz(func(t *testing.T, at, chunk int, flip byte, version uint16) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			client := tlsTestClientConfig()
			if version == tls.VersionTLS12 {
				client.MaxVersion = version
			}
			c := tlsTestOpen(t, ctx, l, tlsTestSetup{client: client})
			sent := tlsTestBytes(50_000)
			c.s.stuck, c.s.chunk = true, max(chunk, 0)
			c.st.Write(sent)
			if at = max(at, 0) % len(c.s.out); flip != 0 {
				c.s.out[at] ^= flip
			} else {
				c.s.out = c.s.out[:at]
			}
			c.st.Close()
			c.s.release()
			c.over(t)
			if !bytes.HasPrefix(sent, c.client.got) {
				t.Errorf("%d bytes were delivered that are not what was sent", len(c.client.got))
			}
			tlsTestNoTimers(t, l)
			c.quiet(t)
		})
	})
}

// A connection on which nothing is under way keeps no buffers, whatever went over it before.
func TestTLSIdleMemory(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		c.s.chunk = 1000
		for range 2 {
			same(t, "bytes kept by the client", aio.TLSMemory(c.ct), 0)
			same(t, "bytes kept by the server", aio.TLSMemory(c.st), 0)
			c.ct.PauseReading()
			c.ct.Write(tlsTestBytes(1 << 20))
			c.st.Write(tlsTestBytes(1 << 20))
			_ = aio.Sleep(ctx, 0)
			same(t, "the server keeps what it cannot write", aio.TLSMemory(c.st) > 0, true)
			c.settle()
			same(t, "the client keeps what is not wanted", aio.TLSMemory(c.ct) > 0, true)
			c.ct.ResumeReading()
			c.settle()
		}
		c.ct.Close()
		c.over(t)
	})
}

// The handshake task may be started eagerly, from inside a callback or another task.
func TestTLSEagerTasks(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		l.SetTaskFactory(aio.EagerTaskFactory)
		c := tlsTestOpen(t, ctx, l, tlsTestSetup{})
		c.ct.Close()
		c.over(t)
		c = tlsTestPlain(ctx, l)
		c.upgrade(t)
		c.ct.Close()
		c.over(t)
		c.quiet(t)
	})
}
