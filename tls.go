package aio

// TLS between a transport below and the application's protocol. crypto/tls handles the
// records: a tls.Conn whose net.Conn is not a connection but a pair of buffers in
// memory. The layer is one struct with three sets of methods. The token owns all of it:
//
//	tlsTransport   the Transport of the application
//	tlsProtocol    the protocol of the transport below
//	tlsWire        the net.Conn of the tls.Conn
//
// The handshake is code that reads and writes at any point, so it runs in a task, in
// which a Read of the wire awaits. After the handshake no task is needed. When
// ciphertext arrives, the layer calls tls.Conn.Read until the wire is empty. Read then
// fails with an error that is temporary in the sense of net.Error, and after such an
// error a tls.Conn continues where it was, even in the middle of a record: the read
// deadlines of a tls.Conn work that way. A coroutine for each connection would cost two
// switches for each read and the memory of a stack.
//
// A Write of the wire never waits: it goes to the transport below, and while that is
// paused the application's bytes wait here, not yet encrypted. An idle connection holds
// no buffer. Ciphertext is decrypted out of the buffer of the transport below; the
// buffers for plaintext and for outgoing records are borrowed for the duration of one
// call.
//
// The layer never uses a tls.Conn during its handshake task, because that task holds
// the locks of the tls.Conn across its awaits.

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

	// The marks for buffered ciphertext that the application does not accept yet.
	tlsReadHigh = 256 << 10
	tlsReadLow  = 64 << 10

	// tlsWriteHigh is the default high mark for plaintext that the transport below
	// does not accept.
	tlsWriteHigh = 512 << 10

	// tlsChunk is the amount of plaintext for one write to the transport below.
	tlsChunk = 64 << 10
)

// tlsState is the state of a TLS connection:
//
//	unwrapped    no TLS: not yet or, if the transport is closing, no longer
//	handshaking  the handshake task runs; the application's writes are queued
//	wrapped      data goes both ways
//	flushing     closing; the queue has to be written first
//	shutdown     closing; all is written, then our close_notify, and the
//	             peer's is awaited
//
// Each state follows the one above it, and unwrapped may follow any of them. Data that
// arrives while flushing or in shutdown is dropped, until the peer has closed as well
// or the time has expired. asyncio fails with an error if it gets data after its
// close_notify, although the peer may have sent the data before it got that.
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

// tlsTransport is the layer as the application sees it, and has all of the state.
type tlsTransport struct {
	endpoint
	readHalf
	flow
	state    tlsState
	settings tlsSettings
	config   *tls.Config
	conn     *tls.Conn
	lower    Transport // nil before it is connected and after it is lost

	// The handshake and the shutdown.
	// the timeout of the one in progress, nil if there is none
	timer        *TimerHandle
	handshake    *task           // nil when there is none
	ctx          context.Context // the ctx of the handshake task
	inputWaiters waitList        // the handshake task, while it waits for ciphertext
	// gets the outcome of the handshake; may be nil
	done    func(error)
	decided bool // it was
	secured bool // the handshake is complete

	// The wire.
	in outBuffer // buffered ciphertext, to be read first
	// ciphertext in the buffer of the transport below, for one callback
	borrowed []byte
	atEOF    bool // no more ciphertext will arrive
	// the tls.Conn got an unexpected EOF: there was no close_notify
	truncated   bool
	notified    bool   // the peer has sent its close_notify
	readPaused  bool   // in was above its high mark, so reading is paused below
	records     []byte // if not nil, records to be written are collected here
	writePaused bool   // the transport below is paused
	// plaintext that waits for the handshake, or for the transport below
	queue outBuffer
}

// tlsSettings are the settings of a layer besides the configuration.
type tlsSettings struct {
	server    bool
	handshake time.Duration // timeout; zero: 60 s
	shutdown  time.Duration // timeout; zero: 30 s
}

// check returns an error, for call, if the settings or config are invalid.
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

// errTLSReset is the error of a handshake during which the connection ends.
var errTLSReset = fmt.Errorf("aio: TLS handshake: the peer closed the connection: %w: %w", io.ErrUnexpectedEOF, syscall.ECONNRESET)

// errTLSAborted is the error of a handshake during which the transport is closed.
var errTLSAborted = fmt.Errorf("aio: TLS handshake: %w", net.ErrClosed)

// tlsTimeoutError is the error of a handshake or shutdown that took too long. It
// matches ErrTimeout and all that ErrTimeout matches, and for a handshake
// syscall.ECONNABORTED, because asyncio has a ConnectionAbortedError.
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

// TLSOptions are the settings of [StartTLS]. The zero value is a client with the
// default timeouts.
type TLSOptions struct {
	// ServerSide makes the new transport the server side of TLS.
	ServerSide bool
	// HandshakeTimeout limits the handshake. Zero means 60 s.
	HandshakeTimeout time.Duration
	// ShutdownTimeout limits the closing of the connection, from Close or EOF until
	// everything is written and the peer has confirmed. Zero means 30 s.
	ShutdownTimeout time.Duration
}

// StartTLS upgrades an established plaintext connection to TLS, and returns the
// transport to use from now on. t must no longer be used. It may be any [Transport],
// also one with TLS. p is the protocol of the new transport, nearly always that of t;
// its ConnectionMade is not called. Data that was written to t before arrives first, in
// clear. Data that arrives from now on is part of TLS, so the peer must not begin
// before both sides know about it; [StreamWriter.StartTLS] handles bytes that the
// reader has received already.
//
// p gets no data from TLS before StartTLS has returned and the caller awaits.
//
// config is used by reference. A client verifies the server's certificate for
// config.ServerName, unless config says otherwise. nil opts are the defaults.
//
// It awaits until the handshake is done. Any failure, also a cancellation, closes the
// connection, and then p's ConnectionLost is called. The errors besides those of
// [Future.Await]:
//
//   - errors that match [ErrUsage], when nothing has happened yet: no config or
//     transport, a p that cannot be a protocol, a negative timeout, a client with
//     neither ServerName nor InsecureSkipVerify, a client that allows renegotiation, a
//     server without a certificate
//   - [net.ErrClosed] if t is closing already, or the connection is aborted during the
//     handshake
//   - one that matches [ErrTimeout] and [syscall.ECONNABORTED] if the handshake takes
//     too long
//   - one that matches [syscall.ECONNRESET] and [io.ErrUnexpectedEOF] if the peer
//     closes the connection instead, or the network's error if it is lost for another
//     reason
//   - those of crypto/tls, as they are: *tls.CertificateVerificationError,
//     tls.RecordHeaderError, ...
//
// The handshake is a task of the loop, named TLS handshake, in which the callbacks of
// config run. So they must not block. They may await, with the context of the hello
// that they get; the end of the handshake for any reason cancels them.
//
// The transport differs from one without TLS as follows. Its default write limits are
// 512 and 128 KiB, and PauseWriting is called when as much as the high limit is
// buffered, not more. CanWriteEOF is false. The result of EOFReceived has no effect.
// EOF is the same with and without a close_notify. Close also waits for the peer's
// close_notify, and if that takes too long ConnectionLost gets an error that matches
// [ErrTimeout]. Data that arrives after Close is dropped.
//
// (asyncio: loop.start_tls)
func StartTLS(ctx context.Context, t Transport, p Protocol, config *tls.Config, opts *TLSOptions) (Transport, error) {
	return startTLS(ctx, t, p, config, opts, nil)
}

// startTLS is like StartTLS, for a caller that has already read the beginning of the
// peer's TLS, which is ahead.
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
	t.opened = true // p has a connection already
	// paused until the caller has the transport; asyncio may deliver data before
	// that
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

// inheritPause makes the layer begin paused if lower has paused its protocol. If that
// protocol is also the protocol of t, the layer must tell it later to resume, because
// from now on lower calls only the layer.
func (t *tlsTransport) inheritPause(lower Transport) {
	if f, ok := lower.(interface{ writingPaused() bool }); ok && f.writingPaused() {
		t.writePaused = true
		t.pauseSent = reflect.TypeOf(t.protocol).Comparable() && lower.GetProtocol() == t.protocol
	}
}

// newTLS makes a layer for the protocol app. The caller passes the lowerProtocol of the
// layer to the transport below; the ConnectionMade of that protocol starts the
// handshake. After the handshake the ConnectionMade of app is called, unless it was
// called before. Then the opener and done get the outcome: nil, the error of the
// handshake, or, inside Close or Abort, an error that matches net.ErrClosed. done must
// not call a protocol.
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

// claim tells the socket below which transport the application uses now, for
// Server.CloseClients.
func (t *tlsTransport) claim(lower Transport) {
	switch lower := lower.(type) {
	case *streamTransport:
		lower.upper = t
	case *tlsTransport:
		t.claim(lower.lower)
	}
}

// checkAny is like check, for a connection that may be without TLS.
func (s tlsSettings) checkAny(call string, config *tls.Config) error {
	switch {
	case config != nil:
		return s.check(call, config)
	case s.handshake != 0 || s.shutdown != 0:
		return usagef(call, "a timeout of TLS makes sense with TLS only")
	}
	return nil
}

// withServerName returns config for a connection to host.
func withServerName(config *tls.Config, host string) *tls.Config {
	if config == nil || config.ServerName != "" {
		return config
	}
	config = config.Clone()
	config.ServerName = host
	return config
}

// newSecureTransport makes the transport of s with TLS above it.
func (l *Loop) newSecureTransport(s netio.Stream, layer *tlsTransport, owner connOwner) (*streamTransport, error) {
	t, err := l.newStreamTransport(s, layer.lowerProtocol(), owner)
	if err == nil {
		t.upper = layer
	}
	return t, err
}
