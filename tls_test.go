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
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

// tlsCerts are the certificates of all tests: one for tls.test and 127.0.0.1, and
// one of a client.
type tlsCerts struct {
	pool           *x509.CertPool
	server, client tls.Certificate
}

var tlsCert = sync.OnceValue(func() tlsCerts {
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
	return tlsCerts{pool, leaf(2, "tls.test", x509.ExtKeyUsageServerAuth), leaf(3, "client.test", x509.ExtKeyUsageClientAuth)}
})

func tlsClientConfig() *tls.Config {
	return &tls.Config{ServerName: "tls.test", RootCAs: tlsCert().pool}
}

func tlsServerConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{tlsCert().server}}
}

// tlsEnd is one end of an in-memory connection. Written data is delivered to the
// peer's protocol in later passes.
type tlsEnd struct {
	loop     *aio.Loop
	name     string
	peer     *tlsEnd
	protocol aio.Protocol
	out      []byte // written but not delivered yet
	wire     []byte // all data delivered so far
	chunk    int    // bytes delivered per pass; 0 means all
	stuck    bool   // nothing is delivered, as if the peer did not read
	writeErr error  // error with which the connection is lost at the next write
	eof      bool   // EOF follows the bytes in out
	reading  bool   // ConnectionMade was called
	paused   bool
	closing  bool
	lost     bool
	full     bool // PauseWriting was called
	high     int
	log      *eventLog // log of PauseReading and ResumeReading, may be nil
}

// tlsPipe returns a connection.
func tlsPipe(l *aio.Loop) (a, b *tlsEnd) {
	a = &tlsEnd{loop: l, name: "a", high: 64 << 10}
	b = &tlsEnd{loop: l, name: "b", high: 64 << 10, peer: a}
	a.peer = b
	return a, b
}

// connect makes p the protocol, and calls its ConnectionMade in the next pass.
func (e *tlsEnd) connect(p aio.Protocol) {
	e.protocol = p
	e.loop.CallSoon(func() {
		if p, ok := p.(interface{ ConnectionMade(aio.Transport) }); ok {
			p.ConnectionMade(e)
		}
		e.reading = true
		e.peer.pump()
	})
}

// pump delivers available data to the peer in the next pass.
func (e *tlsEnd) pump() { e.loop.CallSoon(e.deliver) }

func (e *tlsEnd) deliver() {
	p := e.peer
	gone := p.closing || p.lost // a closed peer drops received data
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
			clear(b) // the buffer is only valid during the call
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

// lose closes the connection in the next pass.
func (e *tlsEnd) lose(err error) {
	e.lost, e.closing = true, true
	e.loop.CallSoon(func() {
		e.protocol.(interface{ ConnectionLost(error) }).ConnectionLost(err)
		e.eof = true
		e.pump()
	})
}

func (e *tlsEnd) Close() error {
	if !e.closing {
		e.closing = true
		e.pump()
	}
	return nil
}

func (e *tlsEnd) Abort() {
	if e.lost {
		return
	}
	if e.stuck {
		e.out = nil // data that is not stuck counts as sent
	}
	e.lose(nil)
}

func (e *tlsEnd) Write(p []byte) (int, error) {
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

func (e *tlsEnd) Writelines(bufs [][]byte) error {
	_, err := e.Write(bytes.Join(bufs, nil))
	return err
}

func (e *tlsEnd) PauseReading() {
	e.paused = true
	if e.log != nil {
		e.log.add("pause")
	}
}

func (e *tlsEnd) ResumeReading() {
	if e.paused && e.log != nil {
		e.log.add("resume")
	}
	e.paused = false
	e.peer.pump()
}

func (e *tlsEnd) WriteEOF()                        { e.eof = true; e.pump() }
func (e *tlsEnd) CanWriteEOF() bool                { return true }
func (e *tlsEnd) IsClosing() bool                  { return e.closing }
func (e *tlsEnd) IsReading() bool                  { return !e.paused && !e.closing }
func (e *tlsEnd) SetProtocol(p aio.Protocol)       { e.protocol = p }
func (e *tlsEnd) GetProtocol() aio.Protocol        { return e.protocol }
func (e *tlsEnd) SetWriteBufferLimits(high, _ int) { e.high = high }
func (e *tlsEnd) GetWriteBufferLimits() (int, int) { return e.high / 4, e.high }
func (e *tlsEnd) GetWriteBufferSize() int          { return len(e.out) }
func (e *tlsEnd) GetExtraInfo(name string) any {
	if name == "peername" {
		return &net.UnixAddr{Net: "unix", Name: e.peer.name}
	}
	return nil
}

// release resumes a stuck connection.
func (e *tlsEnd) release() {
	e.stuck = false
	e.pump()
}

// tlsApp is the protocol of an application. It logs its calls and records the
// received data.
type tlsApp struct {
	name      string
	log       *eventLog
	transport aio.Transport
	got       []byte
	lostWith  error
	keepOpen  bool
	onMade    func(t aio.Transport)
	onData    func(p []byte)
	onEOF     func()
	lost      *aio.Future[struct{}] // done after ConnectionLost
}

func tlsNewApp(ctx context.Context, name string, log *eventLog) *tlsApp {
	return &tlsApp{name: name, log: log, lost: aio.CreateFuture[struct{}](ctx)}
}

func (a *tlsApp) ConnectionMade(t aio.Transport) {
	a.log.add("%s:made", a.name)
	a.transport = t
	if a.onMade != nil {
		a.onMade(t)
	}
}

func (a *tlsApp) DataReceived(p []byte) {
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

func (a *tlsApp) EOFReceived() bool {
	a.log.add("%s:eof", a.name)
	if a.onEOF != nil {
		a.onEOF()
	}
	return a.keepOpen
}

func (a *tlsApp) ConnectionLost(err error) {
	a.lostWith = err
	if err == nil {
		a.log.add("%s:lost", a.name)
	} else {
		a.log.add("%s:lost-with-error", a.name)
	}
	_ = a.lost.SetResult(struct{}{})
}

func (a *tlsApp) PauseWriting()  { a.log.add("%s:pause", a.name) }
func (a *tlsApp) ResumeWriting() { a.log.add("%s:resume", a.name) }

// tlsConn is an in-memory TLS connection between two applications.
type tlsConn struct {
	ctx            context.Context
	loop           *aio.Loop
	log            *eventLog
	client, server *tlsApp
	ct, st         aio.Transport // the TLS transports
	c, s           *tlsEnd       // the transports below
	cErr, sErr     []error       // results of the handshakes
	reports        []aio.ExceptionContext
}

// tlsSetup contains the options of a test.
type tlsSetup struct {
	client, server      *tls.Config
	clientApp           aio.Protocol
	handshake, shutdown time.Duration // timeouts of the client
	before              func(*tlsConn)
}

// tlsStart creates a connection whose handshake has not started.
func tlsStart(ctx context.Context, l *aio.Loop, setup tlsSetup) *tlsConn {
	c := &tlsConn{ctx: ctx, loop: l, log: new(eventLog)}
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { c.reports = append(c.reports, ec) })
	if setup.client == nil {
		setup.client = tlsClientConfig()
	}
	if setup.server == nil {
		setup.server = tlsServerConfig()
	}
	c.client, c.server = tlsNewApp(ctx, "client", c.log), tlsNewApp(ctx, "server", c.log)
	c.c, c.s = tlsPipe(l)
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

// tlsOpen creates a connection and waits for its handshake.
func tlsOpen(t *testing.T, ctx context.Context, l *aio.Loop, setup tlsSetup) *tlsConn {
	t.Helper()
	c := tlsStart(ctx, l, setup)
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

// settle runs everything that can run without advancing the time.
func (c *tlsConn) settle() { _ = aio.Sleep(c.ctx, time.Nanosecond) }

// over waits until ConnectionLost of both applications was called.
func (c *tlsConn) over(t *testing.T) {
	t.Helper()
	for _, app := range []*tlsApp{c.client, c.server} {
		if _, err := app.lost.Await(c.ctx); err != nil {
			t.Errorf("waiting for the end of %s: %v", app.name, err)
		}
	}
}

// eventsOf returns the log entries of one application.
func (c *tlsConn) eventsOf(app string) string {
	of := slices.DeleteFunc(slices.Clone(*c.log), func(event string) bool { return !strings.HasPrefix(event, app+":") })
	return strings.Join(of, " ")
}

// quiet checks that nothing was reported to the exception handler.
func (c *tlsConn) quiet(t *testing.T) {
	t.Helper()
	for _, r := range c.reports {
		t.Errorf("reported: %s: %v", r.Message, r.Err)
	}
}

// tlsNoTimers checks that the loop has no active timers.
func tlsNoTimers(t *testing.T, l *aio.Loop) {
	t.Helper()
	if held, cancelled := aio.Timers(l); held != cancelled {
		t.Errorf("%d timers are pending", held-cancelled)
	}
}

func tlsBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// tlsVersions runs f with both versions of TLS.
func tlsVersions(t *testing.T, f func(t *testing.T, version uint16)) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) { f(t, version) })
	}
}

// TLS-008, TLS-039
func TestTLSExchange(t *testing.T) {
	tlsVersions(t, func(t *testing.T, version uint16) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			client := tlsClientConfig()
			client.MaxVersion = version
			c := tlsStart(ctx, l, tlsSetup{client: client, before: func(c *tlsConn) {
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
			tlsNoTimers(t, l)
			c.quiet(t)
		})
	})
}

// Each byte arrives separately, so records are incomplete in every possible way.
func TestTLSByteByByte(t *testing.T) {
	tlsVersions(t, func(t *testing.T, version uint16) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			client := tlsClientConfig()
			client.MaxVersion = version
			c := tlsOpen(t, ctx, l, tlsSetup{client: client, before: func(c *tlsConn) { c.c.chunk, c.s.chunk = 1, 1 }})
			n := stage.Amount(3000, 3000, 20_000)
			sent := tlsBytes(n)
			for len(sent) > 0 {
				n := min(len(sent), 1+len(sent)/2)
				c.ct.Write(sent[:n])
				c.st.Write(sent[:n])
				sent = sent[n:]
			}
			c.settle()
			same(t, "the client's bytes", bytes.Equal(c.server.got, tlsBytes(n)), true)
			same(t, "the server's bytes", bytes.Equal(c.client.got, tlsBytes(n)), true)
			c.server.transport.Close()
			c.over(t)
			matches(t, "end of the client", c.client.lostWith, nil)
			matches(t, "end of the server", c.server.lostWith, nil)
			c.quiet(t)
		})
	})
}

// tlsSecrets collects the key log of a tls.Config.
type tlsSecrets struct{ bytes.Buffer }

// get returns the secret with the given label.
func (s *tlsSecrets) get(t *testing.T, label string) []byte {
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

// tlsLabel is HKDF-Expand-Label of TLS 1.3 with an empty context.
func tlsLabel(secret []byte, label string, n int) []byte {
	info := append([]byte{byte(n >> 8), byte(n), byte(len("tls13 " + label))}, "tls13 "+label+"\x00"...)
	b, err := hkdf.Expand(sha256.New, secret, string(info), n)
	if err != nil {
		panic(err)
	}
	return b
}

// tlsSeal encrypts the first record under a traffic secret of
// TLS_AES_128_GCM_SHA256.
func tlsSeal(secret []byte, kind byte, content []byte) []byte {
	block, err := aes.NewCipher(tlsLabel(secret, "key", 16))
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
	return append(header, aead.Seal(nil, tlsLabel(secret, "iv", 12), inner, header)...)
}

// crypto/tls never starts a key update, so the test sends one: an update request, and
// data encrypted with the next keys. It arrives byte by byte.
func TestTLSKeyUpdate(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		secrets := &tlsSecrets{}
		server := tlsServerConfig()
		server.KeyLogWriter = secrets
		// so that no record has been sent with these keys
		server.SessionTicketsDisabled = true
		c := tlsOpen(t, ctx, l, tlsSetup{server: server})
		if suite := c.ct.GetExtraInfo("cipher"); suite != "TLS_AES_128_GCM_SHA256" {
			t.Skipf("crypto/tls chose %v, as on processors without AES instructions", suite)
		}
		secret := secrets.get(t, "SERVER_TRAFFIC_SECRET_0")
		next := tlsLabel(secret, "traffic upd", 32)
		c.s.chunk = 1
		c.s.Write(tlsSeal(secret, 22, []byte{24, 0, 0, 1, 1}))
		c.s.Write(tlsSeal(next, 23, []byte("new-keys")))
		c.settle()
		c.ct.Write([]byte("mine-too"))
		c.settle()
		// The server's tls.Conn handles the update of the client's keys, and
		// reads the data that follows.
		c.log.want(t, "client:new-keys server:mine-too")
		same(t, "the client's bytes", string(c.client.got), "new-keys")
		c.ct.Abort()
		c.over(t)
		c.quiet(t)
	})
}

// TLS-029, TLS-028, LOOP-133
func TestTLSExtraInfo(t *testing.T) {
	tlsVersions(t, func(t *testing.T, version uint16) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			client, server := tlsClientConfig(), tlsServerConfig()
			client.MaxVersion = version
			client.Certificates = []tls.Certificate{tlsCert().client}
			client.NextProtos = []string{"a", "b"}
			server.NextProtos = []string{"b", "c"}
			server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, tlsCert().pool
			client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			for _, resumed := range []bool{false, true} {
				var early []any
				c := tlsOpen(t, ctx, l, tlsSetup{client: client, server: server, before: func(c *tlsConn) {
					l.CallSoon(func() {
						// Properties during the handshake.
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
		app := tlsNewApp(ctx, "client", new(eventLog))
		transport, _ := aio.NewTLS(l, app, tlsClientConfig(), false, 0, 0, func(error) {})
		same(t, "peername", transport.GetExtraInfo("peername"), nil)
		same(t, "IsClosing", transport.IsClosing(), false)
		same(t, "GetProtocol", transport.GetProtocol(), aio.Protocol(app))
	})
}

// Without verification there is no verified certificate.
func TestTLSUnverifiedPeer(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		// TLS-002
		c := tlsOpen(t, ctx, l, tlsSetup{client: &tls.Config{InsecureSkipVerify: true}})
		same(t, "peercert", c.ct.GetExtraInfo("peercert"), nil)
		same(t, "certificates sent", len(c.ct.GetExtraInfo("tls").(tls.ConnectionState).PeerCertificates), 1)
		c.ct.Abort()
		c.over(t)
	})
}

// All methods must be called by the goroutine that holds the token.
func TestTLSOtherGoroutine(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		calls := map[string]func(){
			"Close":                func() { raise(c.ct.Close()) },
			"IsClosing":            func() { c.ct.IsClosing() },
			"GetExtraInfo":         func() { c.ct.GetExtraInfo("tls") },
			"SetProtocol":          func() { c.ct.SetProtocol(c.client) },
			"GetProtocol":          func() { c.ct.GetProtocol() },
			"IsReading":            func() { c.ct.IsReading() },
			"PauseReading":         func() { c.ct.PauseReading() },
			"ResumeReading":        func() { c.ct.ResumeReading() },
			"Write":                func() { raise(second(c.ct.Write([]byte("x")))) },
			"Writelines":           func() { raise(c.ct.Writelines([][]byte{[]byte("x")})) },
			"WriteEOF":             func() { c.ct.WriteEOF() },
			"Abort":                func() { c.ct.Abort() },
			"SetWriteBufferLimits": func() { c.ct.SetWriteBufferLimits(2, 1) },
			"GetWriteBufferLimits": func() { c.ct.GetWriteBufferLimits() },
			"GetWriteBufferSize":   func() { c.ct.GetWriteBufferSize() },
		}
		l.SetDebug(true) // debug mode makes the check on all platforms
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

// An idle connection keeps no buffers, whatever was transferred before.
func TestTLSIdleMemory(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		c.s.chunk = 1000
		for range 2 {
			same(t, "bytes kept by the client", aio.TLSMemory(c.ct), 0)
			same(t, "bytes kept by the server", aio.TLSMemory(c.st), 0)
			c.ct.PauseReading()
			c.ct.Write(tlsBytes(1 << 20))
			c.st.Write(tlsBytes(1 << 20))
			_ = aio.Sleep(ctx, 0)
			same(t, "the server keeps data that it cannot write", aio.TLSMemory(c.st) > 0, true)
			c.settle()
			same(t, "the client keeps data that is not read", aio.TLSMemory(c.ct) > 0, true)
			c.ct.ResumeReading()
			c.settle()
		}
		c.ct.Close()
		c.over(t)
	})
}

// The handshake task may be started eagerly, in a callback or in another task.
func TestTLSEagerTasks(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		l.SetTaskFactory(aio.EagerTaskFactory)
		c := tlsOpen(t, ctx, l, tlsSetup{})
		c.ct.Close()
		c.over(t)
		c = tlsPlain(ctx, l)
		c.upgrade(t)
		c.ct.Close()
		c.over(t)
		c.quiet(t)
	})
}
