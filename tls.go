package aio

// TLS between a transport below and the application's protocol. The records are
// crypto/tls's: a tls.Conn whose net.Conn is not a connection but a pair of ends in
// memory. The layer is one struct with three faces, owned by the token as a whole:
//
//	tlsTransport   the Transport of the application
//	tlsProtocol    the protocol of the transport below
//	tlsWire        the net.Conn of the tls.Conn
//
// The handshake is code that reads and writes in the middle of things, so it runs in a
// task, in which a Read of the wire awaits. After it no task is needed. When ciphertext
// arrives, the layer calls tls.Conn.Read until the wire is empty. Its Read then fails
// with an error that is temporary in the sense of net.Error, and after such an error a
// tls.Conn goes on where it was, in the middle of a record even: that is how its read
// deadlines work. A coroutine for each connection would cost two switches for each read
// and the memory of a stack.
//
// A Write of the wire never waits: it goes to the transport below, and while that wants a
// pause the application's bytes wait here, not yet encrypted. Nothing is kept in memory
// for a connection on which nothing is under way. What the transport below has read is
// decrypted out of its own buffer; the buffers for plaintext and for outgoing records are
// borrowed for the time of one call.
//
// The layer never touches a tls.Conn that a handshake task is in the middle of, as that
// task holds the locks of the tls.Conn across its awaits.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"syscall"
	"time"

	"github.com/goaio/aio/internal/netio"
)

const (
	defaultHandshakeTimeout = 60 * time.Second
	defaultShutdownTimeout  = 30 * time.Second

	// The marks between which ciphertext is kept that the application does not want
	// yet.
	tlsReadHigh = 256 << 10
	tlsReadLow  = 64 << 10

	// tlsWriteHigh is the default high mark for plaintext that the transport below
	// does not take.
	tlsWriteHigh = 512 << 10

	// tlsChunk is how much is encrypted for one write to the transport below.
	tlsChunk = 64 << 10
)

// tlsState is how far a TLS connection is:
//
//	unwrapped    there is no TLS: not yet or, if the transport is closing, not any more
//	handshaking  the handshake task runs; what the application writes waits in the queue
//	wrapped      data goes both ways
//	flushing     closing; the queue has to be written first
//	shutdown     closing; all is written, then our close_notify, and the peer's is awaited
//
// Each state follows the one above it, and unwrapped any of them. What arrives while
// flushing or in shutdown is dropped, until the peer is done as well or the time is up.
// asyncio fails with an error if it gets data after its close_notify, which punishes a
// peer for data that was on its way.
type tlsState uint8

const (
	tlsUnwrapped tlsState = iota
	tlsHandshaking
	tlsWrapped
	tlsFlushing
	tlsShutdown
)

func (s tlsState) String() string {
	return [...]string{"closed", "handshake", "open", "closing", "closing"}[s]
}

// tlsTransport is the application's face of the layer, and has the state of all.
type tlsTransport struct {
	endpoint
	readHalf
	flow
	state    tlsState
	settings tlsSettings
	config   *tls.Config
	conn     *tls.Conn
	lower    Transport // nil before it is connected and when it is lost

	// The handshake and the shutdown.
	timer        *TimerHandle    // of the one that is under way, nil if none is
	handshake    *task           // nil when there is none
	ctx          context.Context // of that task
	inputWaiters waitList        // in which it waits for ciphertext
	// to be told the outcome of the handshake; may be nil
	done    func(error)
	decided bool // it was
	secured bool // the handshake is complete

	// The wire.
	in outBuffer // ciphertext that is kept, to be read first
	// ciphertext that the transport below lends for one callback
	borrowed    []byte
	atEOF       bool   // there will be no more
	truncated   bool   // the tls.Conn was told so: there was no close_notify
	notified    bool   // the peer has sent its close_notify
	readPaused  bool   // in was too much, so reading is paused below
	records     []byte // collects records, if not nil
	writePaused bool   // the transport below wants no more for now
	// plaintext that waits for the handshake, or for the transport below
	queue outBuffer
}

// tlsSettings are what a layer needs to know besides the configuration.
type tlsSettings struct {
	server    bool
	handshake time.Duration // how long it may take; zero: 60 s
	shutdown  time.Duration // how long it may take; zero: 30 s
}

// check says what is wrong with the settings or with config, for call.
func (s tlsSettings) check(call string, config *tls.Config) error {
	wrong := ""
	switch {
	case config == nil:
		wrong = "the *tls.Config is nil"
	case s.handshake < 0 || s.shutdown < 0:
		wrong = "the timeouts of TLS must be positive, or zero for the default"
	case s.server && len(config.Certificates) == 0 && config.GetCertificate == nil && config.GetConfigForClient == nil:
		wrong = "a server needs Certificates, GetCertificate or GetConfigForClient in its *tls.Config"
	case s.server:
	case config.ServerName == "" && !config.InsecureSkipVerify && len(config.EncryptedClientHelloConfigList) == 0:
		wrong = "a client needs a ServerName in its *tls.Config to verify the server, unless InsecureSkipVerify is set"
	case config.Renegotiation != tls.RenegotiateNever:
		wrong = "renegotiation is not supported"
	}
	if wrong == "" {
		return nil
	}
	return usagef(call, "%s", wrong)
}

// errTLSReset is what a handshake fails with if the connection ends in the middle of it.
var errTLSReset = fmt.Errorf("aio: TLS handshake: the peer closed the connection: %w: %w", io.ErrUnexpectedEOF, syscall.ECONNRESET)

// errTLSAborted is what a handshake fails with if the transport is closed in the middle
// of it.
var errTLSAborted = fmt.Errorf("aio: TLS handshake: %w", net.ErrClosed)

// tlsTimeoutError says that a handshake or shutdown took too long. It matches ErrTimeout
// and what that matches, and for a handshake syscall.ECONNABORTED: asyncio has a
// ConnectionAbortedError.
type tlsTimeoutError struct {
	what  string
	limit time.Duration
}

func (e *tlsTimeoutError) Error() string {
	return fmt.Sprintf("aio: TLS %s took longer than %v", e.what, e.limit)
}
func (e *tlsTimeoutError) Timeout() bool   { return true }
func (e *tlsTimeoutError) Temporary() bool { return true }
func (e *tlsTimeoutError) Is(target error) bool {
	return target == ErrTimeout || errors.Is(ErrTimeout, target) || target == syscall.ECONNABORTED && e.what == "handshake"
}

// TLSOptions are the settings of StartTLS. The zero value is a client with the default
// timeouts.
type TLSOptions struct {
	// ServerSide has this end be the server.
	ServerSide bool
	// HandshakeTimeout is how long the handshake may take. Zero stands for 60 s.
	HandshakeTimeout time.Duration
	// ShutdownTimeout is how long closing may take, from Close or the end of the
	// peer's data to the moment when everything is written and the peer has
	// confirmed. Zero stands for 30 s.
	ShutdownTimeout time.Duration
}

// StartTLS makes TLS of a connection that has exchanged data in clear, and returns the
// transport to use from now on. t must not be used any more. It may be any Transport, one
// of TLS included. p is the protocol of the new transport, nearly always that of t; its
// ConnectionMade is not called. What was written to t before arrives first, in clear.
// What arrives from now on belongs to TLS, so the peer must not begin before both know
// about it; a StreamWriter has its own StartTLS, for bytes that the reader has already.
//
// p gets nothing of what TLS brings before StartTLS has returned and the caller awaits.
//
// config is used as it is, by reference. A client verifies the server's certificate for
// config.ServerName, unless config says otherwise. nil opts are the defaults.
//
// It awaits until the handshake is done. Any failure, be it a cancellation, closes the
// connection, and then p's ConnectionLost is called. The errors besides those of
// Future.Await:
//
//   - errors that match ErrUsage, when nothing has happened yet: no config or transport,
//     a p that cannot be a protocol, a negative timeout, a client with neither ServerName
//     nor InsecureSkipVerify, a client that allows renegotiation, a server that has no
//     certificate
//   - net.ErrClosed if t is closing already, or the connection is aborted during the
//     handshake
//   - one that matches ErrTimeout and syscall.ECONNABORTED if the handshake takes too
//     long
//   - one that matches syscall.ECONNRESET and io.ErrUnexpectedEOF if the peer closes the
//     connection instead, or the network's error if it is lost otherwise
//   - those of crypto/tls, as they are: *tls.CertificateVerificationError,
//     tls.RecordHeaderError, ...
//
// The handshake is a task of the loop, named TLS handshake, in which the callbacks in
// config run. So they must not block. They may await, with the context of the hello that
// they are given; the end of the handshake for any reason cancels them.
//
// The transport differs from one without TLS in this: its default write limits are 512
// and 128 KiB, and PauseWriting comes when as much as the high one is buffered, not more;
// CanWriteEOF is false; the result of EOFReceived has no effect; the end of the peer's
// data is the same with and without a close_notify; Close also waits for the peer's
// close_notify, and if that takes too long ConnectionLost is told an error that matches
// ErrTimeout. Data that arrives after Close is dropped. (asyncio: loop.start_tls)
func StartTLS(ctx context.Context, t Transport, p Protocol, config *tls.Config, opts *TLSOptions) (Transport, error) {
	return startTLS(ctx, t, p, config, opts, nil)
}

// startTLS is StartTLS for a caller that has read some of the peer's TLS already, which
// is ahead.
func startTLS(ctx context.Context, lower Transport, p Protocol, config *tls.Config, opts *TLSOptions, ahead []byte) (Transport, error) {
	c, err := enter(ctx, "StartTLS")
	if err != nil {
		return nil, err
	}
	if opts == nil {
		opts = &TLSOptions{}
	}
	s := tlsSettings{server: opts.ServerSide, handshake: opts.HandshakeTimeout, shutdown: opts.ShutdownTimeout}
	if err := s.check("StartTLS", config); err != nil {
		return nil, err
	}
	if lower == nil {
		return nil, usagef("StartTLS", "the transport is nil")
	}
	t, err := newTLS(c.fut.loop, p, config, s, nil)
	if err != nil {
		return nil, err
	}
	if lower.IsClosing() {
		return nil, fmt.Errorf("aio: StartTLS: %w", net.ErrClosed)
	}
	t.opened = true // p knows the connection
	// until the caller knows the transport; asyncio may deliver data before that
	t.paused = true
	t.in.add(ahead)
	t.inheritPause(lower)
	lower.SetProtocol(t.lowerProtocol())
	(*tlsProtocol)(t).ConnectionMade(lower)
	lower.ResumeReading()
	if err := t.waitMade(c, "StartTLS"); err != nil {
		t.abort(nil)
		return nil, err
	}
	t.ResumeReading()
	return t, nil
}

// inheritPause takes over the pause of lower's protocol. If that is the protocol of t, it
// is to hear when it may go on, and from now on only the layer is told.
func (t *tlsTransport) inheritPause(lower Transport) {
	if f, ok := lower.(interface{ writingPaused() bool }); ok && f.writingPaused() {
		t.writePaused = true
		t.pauseSent = reflect.TypeOf(t.protocol).Comparable() && lower.GetProtocol() == t.protocol
	}
}

// newTLS makes a layer for the protocol app. Its lower protocol is to be given to a
// transport, whose ConnectionMade starts the handshake. After it app's ConnectionMade is
// called, unless it was before. Then the outcome is told to the opener and to done: nil,
// the error of the handshake, or, from inside Close or Abort, an error that matches
// net.ErrClosed. done must not call a protocol.
func newTLS(l *Loop, app Protocol, config *tls.Config, o tlsSettings, done func(error)) (*tlsTransport, error) {
	if o.handshake == 0 {
		o.handshake = defaultHandshakeTimeout
	}
	if o.shutdown == 0 {
		o.shutdown = defaultShutdownTimeout
	}
	t := &tlsTransport{settings: o, config: config, done: done}
	t.endpoint = endpoint{loop: l, self: t}
	t.readHalf.of, t.flow = &t.endpoint, newFlow(&t.endpoint, tlsWriteHigh)
	if err := t.use(app); err != nil {
		return nil, err
	}
	if o.server {
		t.conn = tls.Server((*tlsWire)(t), config)
	} else {
		t.conn = tls.Client((*tlsWire)(t), config)
	}
	return t, nil
}

// lowerProtocol returns the protocol for the transport below.
func (t *tlsTransport) lowerProtocol() Protocol { return (*tlsProtocol)(t) }

// claim has the socket below know which transport the application has now, for
// Server.CloseClients.
func (t *tlsTransport) claim(lower Transport) {
	switch lower := lower.(type) {
	case *streamTransport:
		lower.upper = t
	case *tlsTransport:
		t.claim(lower.lower)
	}
}

// checkAny is check for where there may be no TLS at all.
func (s tlsSettings) checkAny(call string, config *tls.Config) error {
	switch {
	case config != nil:
		return s.check(call, config)
	case s.handshake != 0 || s.shutdown != 0:
		return usagef(call, "a timeout of TLS makes sense with TLS only")
	}
	return nil
}

// withServerName is config for a connection to host.
func withServerName(config *tls.Config, host string) *tls.Config {
	if config == nil || config.ServerName != "" {
		return config
	}
	config = config.Clone()
	config.ServerName = host
	return config
}

// newSecureTransport makes the transport of s with TLS over it.
func (l *Loop) newSecureTransport(s netio.Stream, layer *tlsTransport, owner connOwner) (*streamTransport, error) {
	t, err := l.newStreamTransport(s, layer.lowerProtocol(), owner)
	if err == nil {
		t.upper = layer
	}
	return t, err
}
