package aio

// TLS between a transport below and the application's protocol. The records are crypto/tls's: a
// tls.Conn whose net.Conn is not a connection but a pair of ends in memory. The layer is one struct
// with three faces, owned by the token as a whole:
//
//	tlsTransport   the Transport of the application
//	tlsProtocol    the protocol of the transport below
//	tlsWire        the net.Conn of the tls.Conn
//
// The handshake is code that reads and writes in the middle of things, so it runs in a task, in
// which a Read of the wire awaits. After it no task is needed. When ciphertext arrives, the layer
// calls tls.Conn.Read until the wire is empty. Its Read then fails with an error that is temporary
// in the sense of net.Error, and after such an error a tls.Conn goes on where it was, in the middle
// of a record even: that is how its read deadlines work. A coroutine for each connection would cost
// two switches for each read and the memory of a stack.
//
// A Write of the wire never waits: it goes to the transport below, and while that wants a pause the
// application's bytes wait here, not yet encrypted. Nothing is kept in memory for a connection on
// which nothing is under way. What the transport below has read is decrypted out of its own buffer;
// the buffers for plaintext and for outgoing records are borrowed for the time of one call.
//
// The layer never touches a tls.Conn that a handshake task is in the middle of, as that task holds
// the locks of the tls.Conn across its awaits.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"reflect"
	"sync"
	"syscall"
	"time"
)

const (
	defaultHandshakeTimeout = 60 * time.Second
	defaultShutdownTimeout  = 30 * time.Second

	// The marks between which ciphertext is kept that the application does not want yet.
	tlsReadHigh = 256 << 10
	tlsReadLow  = 64 << 10

	// tlsWriteHigh is the default high mark for plaintext that the transport below does not take.
	tlsWriteHigh = 512 << 10

	// tlsChunk is how much is encrypted for one write to the transport below.
	tlsChunk = 64 << 10
)

// tlsBuffer is memory for plaintext that was read, and for records that are to be written.
type tlsBuffer [256 << 10]byte

var tlsBuffers = sync.Pool{New: func() any { return new(tlsBuffer) }}

// tlsState is how far a TLS connection is:
//
//	unwrapped    there is no TLS: not yet or, if the transport is closing, not any more
//	handshaking  the handshake task runs; what the application writes waits in the queue
//	wrapped      data goes both ways
//	flushing     closing; the queue has to be written first
//	shutdown     closing; all is written, then our close_notify, and the peer's is awaited
//
// Each state follows the one above it, and unwrapped any of them. What arrives while flushing or in
// shutdown is dropped, until the peer is done as well or the time is up. asyncio fails with an error
// if it gets data after its close_notify, which punishes a peer for data that was on its way.
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
	state    tlsState
	settings tlsSettings
	config   *tls.Config
	conn     *tls.Conn
	lower    Transport    // nil before it is connected and when it is lost
	done     func(error)  // to be told the outcome of the handshake; nil when it was
	timer    *TimerHandle // of the handshake or the shutdown, nil if none is under way
	cause    error        // why the layer ended the connection, then what ConnectionLost is told

	handshake *task           // nil when there is none
	ctx       context.Context // of that task
	dry       waitList        // in which it waits for ciphertext

	secured   bool // the handshake is complete
	connected bool // the application knows the connection: ConnectionMade was called
	peerDone  bool // the input has ended, with or without a close_notify; EOFReceived was called

	// The wire.
	in        outBuffer // ciphertext that is kept, to be read first
	fresh     []byte    // ciphertext that the transport below lends for one callback
	atEOF     bool      // there will be no more
	truncated bool      // the tls.Conn was told so: there was no close_notify
	held      bool      // in was too much, so reading is paused below
	batch     []byte    // collects records, if not nil
	blocked   bool      // the transport below wants no more for now
	queue     outBuffer // plaintext that waits for the handshake, or for the transport below
}

type (
	tlsProtocol tlsTransport
	tlsWire     tlsTransport
)

// tlsSettings are what a layer needs to know besides the configuration.
type tlsSettings struct {
	server    bool
	callMade  bool          // ConnectionMade is to be called after the handshake
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
	return &usageError{text: "aio: " + call + ": " + wrong}
}

// errTLSReset is what a handshake fails with if the connection ends in the middle of it.
var errTLSReset = fmt.Errorf("aio: TLS handshake: the peer closed the connection: %w: %w", io.ErrUnexpectedEOF, syscall.ECONNRESET)

// errTLSAborted is what a handshake fails with if the transport is closed in the middle of it.
var errTLSAborted = fmt.Errorf("aio: TLS handshake: %w", net.ErrClosed)

// tlsTimeoutError says that a handshake or shutdown took too long. It matches ErrTimeout and what
// that matches, and for a handshake syscall.ECONNABORTED: asyncio has a ConnectionAbortedError.
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

// TLSOptions are the settings of StartTLS. The zero value is a client with the default timeouts.
type TLSOptions struct {
	// ServerSide has this end be the server.
	ServerSide bool
	// HandshakeTimeout is how long the handshake may take. Zero stands for 60 s.
	HandshakeTimeout time.Duration
	// ShutdownTimeout is how long closing may take, from Close or the end of the peer's data to
	// the moment when everything is written and the peer has confirmed. Zero stands for 30 s.
	ShutdownTimeout time.Duration
}

// StartTLS makes TLS of a connection that has exchanged data in clear, and returns the transport to
// use from now on. t must not be used any more. It may be any Transport, one of TLS included. p is
// the protocol of the new transport, nearly always that of t; its ConnectionMade is not called.
// What was written to t before arrives first, in clear. What arrives from now on belongs to TLS, so
// the peer must not begin before both know about it; a StreamWriter has its own StartTLS, for bytes
// that the reader has already.
//
// p gets nothing of what TLS brings before StartTLS has returned and the caller awaits.
//
// config is used as it is, by reference. A client verifies the server's certificate for
// config.ServerName, unless config says otherwise. nil opts are the defaults.
//
// It awaits until the handshake is done. Any failure, be it a cancellation, closes the connection,
// and then p's ConnectionLost is called. The errors besides those of Future.Await:
//
//   - errors that match ErrUsage, when nothing has happened yet: no config or transport, a p that
//     cannot be a protocol, a negative timeout, a client with neither ServerName nor
//     InsecureSkipVerify, a client that allows renegotiation, a server that has no certificate
//   - net.ErrClosed if t is closing already, or the connection is aborted during the handshake
//   - one that matches ErrTimeout and syscall.ECONNABORTED if the handshake takes too long
//   - one that matches syscall.ECONNRESET and io.ErrUnexpectedEOF if the peer closes the connection
//     instead, or the network's error if it is lost otherwise
//   - those of crypto/tls, as they are: *tls.CertificateVerificationError, tls.RecordHeaderError, ...
//
// The handshake is a task of the loop, named TLS handshake, in which the callbacks in config run. So
// they must not block. They may await, with the context of the hello that they are given; the end of
// the handshake for any reason cancels them.
//
// The transport differs from one without TLS in this: its default write limits are 512 and 128 KiB,
// and PauseWriting comes when as much as the high one is buffered, not more; CanWriteEOF is false;
// the result of EOFReceived has no effect; the end of the peer's data is the same with and without
// a close_notify; Close also waits for the peer's close_notify, and if that takes too long
// ConnectionLost is told an error that matches ErrTimeout. Data that arrives after Close is dropped.
// (asyncio: loop.start_tls)
func StartTLS(ctx context.Context, t Transport, p Protocol, config *tls.Config, opts *TLSOptions) (Transport, error) {
	return startTLS(ctx, t, p, config, opts, nil)
}

// startTLS is StartTLS for a caller that has read some of the peer's TLS already, which is ahead.
func startTLS(ctx context.Context, lower Transport, p Protocol, config *tls.Config, opts *TLSOptions, ahead []byte) (Transport, error) {
	e, err := enter(ctx, "StartTLS")
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
		return nil, &usageError{text: "aio: StartTLS: the transport is nil"}
	}
	if err := checkProtocol[Transport](p); err != nil {
		return nil, err
	}
	if lower.IsClosing() {
		return nil, fmt.Errorf("aio: StartTLS: %w", net.ErrClosed)
	}
	opened := newFuture[struct{}](e.fut.loop)
	t := newTLS(e.fut.loop, p, config, s, func(err error) {
		switch {
		case opened.state != pending: // the call was cancelled
		case err != nil:
			opened.settle(failed, err)
		default:
			opened.settle(finished, nil)
		}
	})
	t.connected = true
	t.paused = true // until the caller knows the transport; asyncio may deliver data before that
	t.in.add(ahead)
	if b, ok := lower.(interface{ writingPaused() bool }); ok && b.writingPaused() {
		// The protocol that was told to pause is to hear when it may go on, and from now on only
		// the layer is told.
		t.blocked = true
		t.flow.paused = reflect.TypeOf(p).Comparable() && lower.GetProtocol() == p
	}
	lower.SetProtocol(t.lowerProtocol())
	(*tlsProtocol)(t).ConnectionMade(lower)
	lower.ResumeReading()
	if _, err := opened.Await(ctx); err != nil {
		t.abort(nil)
		return nil, err
	}
	t.ResumeReading()
	return t, nil
}

// writingPaused reports whether the protocol was told to PauseWriting.
func (e *endpoint) writingPaused() bool { return e.flow.paused }

// newTLS makes a layer for the protocol app. Its lower protocol is to be given to a transport, whose
// ConnectionMade starts the handshake. done is called once, under the token: with nil after app's
// ConnectionMade, with the error of the handshake, or, from inside Close or Abort, with one that
// matches net.ErrClosed. It must not call a protocol.
func newTLS(l *Loop, app Protocol, config *tls.Config, o tlsSettings, done func(error)) *tlsTransport {
	if o.handshake == 0 {
		o.handshake = defaultHandshakeTimeout
	}
	if o.shutdown == 0 {
		o.shutdown = defaultShutdownTimeout
	}
	t := &tlsTransport{settings: o, config: config, done: done}
	t.endpoint = endpoint{loop: l, self: t, protocol: app, flow: flow{high: tlsWriteHigh, low: tlsWriteHigh / 4}}
	if o.server {
		t.conn = tls.Server((*tlsWire)(t), config)
	} else {
		t.conn = tls.Client((*tlsWire)(t), config)
	}
	return t
}

// lowerProtocol returns the protocol for the transport below.
func (t *tlsTransport) lowerProtocol() Protocol { return (*tlsProtocol)(t) }

// What the transport below calls.

// ConnectionMade starts the handshake.
func (p *tlsProtocol) ConnectionMade(lower Transport) {
	t := (*tlsTransport)(p)
	t.lower = lower
	if t.closing {
		lower.Abort()
		return
	}
	t.claim(lower)
	t.state = tlsHandshaking
	t.limit(t.settings.handshake)
	handshake := CreateTask(t.loop.Context(), func(ctx context.Context) (struct{}, error) {
		t.ctx = ctx
		// A context that can end would have crypto/tls watch it from a goroutine of its own.
		return struct{}{}, t.conn.HandshakeContext(context.WithoutCancel(ctx))
	}, WithName("TLS handshake"))
	handshake.quiet = true
	t.handshake = &handshake.task
	handshake.addCallback((*tlsHandshakeDone)(t))
}

// claim has the socket below know which transport the application has now, for Server.CloseClients.
func (t *tlsTransport) claim(lower Transport) {
	switch lower := lower.(type) {
	case *streamTransport:
		lower.upper = t
	case *tlsTransport:
		t.claim(lower.lower)
	}
}

// DataReceived takes ciphertext.
func (p *tlsProtocol) DataReceived(b []byte) {
	t := (*tlsTransport)(p)
	t.fresh = b
	t.receive()
	if t.state != tlsUnwrapped {
		t.in.add(t.fresh)
	}
	t.fresh = nil
	t.controlReading()
}

// EOFReceived always wants the transport kept open: closing it is up to the layer, which may have
// bytes to deliver and to write.
func (p *tlsProtocol) EOFReceived() bool {
	t := (*tlsTransport)(p)
	t.atEOF = true
	t.receive()
	return true
}

// ConnectionLost ends the layer.
func (p *tlsProtocol) ConnectionLost(err error) {
	t := (*tlsTransport)(p)
	if err == nil && t.state == tlsHandshaking && t.atEOF {
		err = errTLSReset
	}
	if t.cause == nil {
		t.cause = err
	}
	t.lower = nil
	if t.connected {
		t.loop.schedule((*tlsLostStep)(t), nil)
	}
	if err == nil {
		err = errTLSAborted
	}
	t.end(err)
	t.in, t.queue = outBuffer{}, outBuffer{}
}

// PauseWriting has what the application writes wait.
func (p *tlsProtocol) PauseWriting() { p.blocked = true }

// ResumeWriting goes on with what waits.
func (p *tlsProtocol) ResumeWriting() {
	t := (*tlsTransport)(p)
	t.blocked = false
	switch t.state {
	case tlsWrapped:
		t.drain()
	case tlsFlushing:
		t.flush()
	}
	t.maybeResume(t.queue.len())
}

// The net.Conn of the tls.Conn.

// errDry is what a Read of the wire fails with when it has nothing more.
var errDry net.Error = dryError{}

type dryError struct{}

func (dryError) Error() string   { return "aio: internal error: the TLS layer waits for input" }
func (dryError) Timeout() bool   { return true }
func (dryError) Temporary() bool { return true }

// Read implements net.Conn. In the handshake task it awaits.
func (w *tlsWire) Read(b []byte) (int, error) {
	t := (*tlsTransport)(w)
	for t.unread() == 0 {
		if t.atEOF {
			t.truncated = true
			return 0, io.EOF
		}
		if t.state != tlsHandshaking {
			return 0, errDry
		}
		t.controlReading()
		e, err := enter(t.ctx, "TLS handshake")
		if err != nil {
			return 0, err
		}
		if _, err := e.waitIn(&t.dry, "TLS handshake"); err != nil {
			return 0, err
		}
	}
	n := copy(b, t.in.bytes())
	t.in.skip(n)
	if n < len(b) {
		m := copy(b[n:], t.fresh)
		t.fresh = t.fresh[m:]
		n += m
	}
	return n, nil
}

// Write implements net.Conn. It never waits.
func (w *tlsWire) Write(b []byte) (int, error) {
	switch {
	case w.batch != nil:
		w.batch = append(w.batch, b...)
		return len(b), nil
	case w.state == tlsUnwrapped || w.lower == nil:
		return 0, net.ErrClosed
	}
	return w.lower.Write(b)
}

// Close implements net.Conn. The layer closes the connection in its own way.
func (w *tlsWire) Close() error { return nil }

// LocalAddr implements net.Conn.
func (w *tlsWire) LocalAddr() net.Addr { return w.addr("sockname") }

// RemoteAddr implements net.Conn.
func (w *tlsWire) RemoteAddr() net.Addr { return w.addr("peername") }

// SetDeadline implements net.Conn: there is nothing that a deadline could end.
func (w *tlsWire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (w *tlsWire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (w *tlsWire) SetWriteDeadline(time.Time) error { return nil }

// addr returns an address of the transport below, which is never nil as callbacks of tls.Config may
// ask for it.
func (w *tlsWire) addr(name string) net.Addr {
	if w.lower != nil {
		if a, ok := w.lower.GetExtraInfo(name).(net.Addr); ok {
			return a
		}
	}
	return &net.UnixAddr{Net: "unix"}
}

// The handshake.

// tlsHandshakeDone is a layer as the callback of its handshake task.
type tlsHandshakeDone tlsTransport

func (d *tlsHandshakeDone) run(f *future) {
	t := (*tlsTransport)(d)
	err := f.thrown()
	t.handshake, t.ctx = nil, nil
	if t.state != tlsHandshaking {
		return // it was given up
	}
	if err != nil {
		_, isCancelled := asCancelled(err)
		switch {
		case isCancelled:
			err = errTLSAborted
		case t.truncated && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
			err = errTLSReset
		}
		t.fatal("TLS handshake failed", err)
		return
	}
	t.stopTimer()
	t.state = tlsWrapped
	t.secured = true
	done := t.done
	t.done = nil
	if t.settings.callMade {
		t.connected = true
		t.guard("protocol.ConnectionMade() failed", func() { connectionMade(t.protocol, t) })
	}
	done(nil) // also if ConnectionMade has closed the transport
	if t.state == tlsWrapped {
		t.drain()
		t.maybeResume(t.queue.len())
	}
	t.receive()
	t.controlReading()
}

// limit gives the handshake or the shutdown a time limit.
func (t *tlsTransport) limit(d time.Duration) {
	t.timer = t.loop.wakeAt(t.loop.after(d), (*tlsTimer)(t))
}

func (t *tlsTransport) stopTimer() {
	if t.timer != nil {
		t.timer.cancel()
		t.timer.target = nil
		t.timer = nil
	}
}

// tlsTimer is a layer as the target of its timer.
type tlsTimer tlsTransport

func (d *tlsTimer) due() {
	t := (*tlsTransport)(d)
	t.timer = nil
	if t.state == tlsHandshaking {
		t.fatal("", &tlsTimeoutError{"handshake", t.settings.handshake})
	} else {
		t.fatal("", &tlsTimeoutError{"shutdown", t.settings.shutdown})
	}
}

// Input.

// tlsStep is a layer in the ready queue, to go on with input that it has.
type tlsStep tlsTransport

func (s *tlsStep) run(*future) {
	t := (*tlsTransport)(s)
	t.receive()
	t.controlReading()
}

// unread returns how much ciphertext there is.
func (t *tlsTransport) unread() int { return t.in.len() + len(t.fresh) }

// controlReading keeps the ciphertext that waits within bounds.
func (t *tlsTransport) controlReading() {
	switch n := t.unread(); {
	case t.lower == nil:
	case n >= tlsReadHigh && !t.held:
		t.held = true
		t.lower.PauseReading()
	case n <= tlsReadLow && t.held:
		t.held = false
		t.lower.ResumeReading()
	}
}

// receive goes on with the input, as the state demands.
func (t *tlsTransport) receive() {
	switch t.state {
	case tlsHandshaking:
		t.dry.wakeNext()
	case tlsWrapped:
		t.read()
	case tlsFlushing, tlsShutdown:
		t.discard()
	}
}

// read delivers what there is to the application.
func (t *tlsTransport) read() {
	for more := true; more && t.state == tlsWrapped && !t.paused; {
		if p, ok := t.protocol.(BufferedProtocol); ok {
			more = t.readInto(p)
		} else {
			more = t.readData()
		}
	}
}

// readData delivers all that there is, or one buffer of it, and reports whether there may be more.
func (t *tlsTransport) readData() (more bool) {
	buf := tlsBuffers.Get().(*tlsBuffer)
	defer tlsBuffers.Put(buf)
	n, err := t.decrypt(buf[:])
	if n > 0 {
		if err := t.deliver(buf[:n:n]); err != nil {
			t.fatal("protocol.DataReceived() failed", err)
			return false
		}
	}
	t.checkInput(err)
	return err == nil
}

// deliver calls DataReceived.
func (t *tlsTransport) deliver(b []byte) (err error) {
	defer recovered(&err)
	if p, ok := t.protocol.(dataReceiver); ok {
		p.DataReceived(b)
	}
	return nil
}

// readInto is readData for one buffer of p's own.
func (t *tlsTransport) readInto(p BufferedProtocol) (more bool) {
	err, failed := t.fill(p)
	if failed != nil {
		t.fatal("protocol.GetBuffer() or BufferUpdated() failed", failed)
		return false
	}
	t.checkInput(err)
	return err == nil
}

// fill makes one round of GetBuffer and BufferUpdated. err is that of decrypt, failed what went wrong
// with these two.
func (t *tlsTransport) fill(p BufferedProtocol) (err, failed error) {
	defer recovered(&failed)
	b := p.GetBuffer(-1)
	if len(b) == 0 {
		return nil, &usageError{text: fmt.Sprintf("aio: protocol %T: GetBuffer returned an empty buffer", p)}
	}
	n, err := t.decrypt(b)
	if n > 0 {
		p.BufferUpdated(n)
	}
	return err, nil
}

// decrypt reads until b is full or there is an error, errDry if the input is used up.
func (t *tlsTransport) decrypt(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = t.conn.Read(b[n:])
		n += m
	}
	return n, err
}

// checkInput acts upon the error of a tls.Conn.Read, if there is one.
func (t *tlsTransport) checkInput(err error) {
	switch {
	case err == nil || err == errDry:
	case t.state == tlsUnwrapped:
	case err != io.EOF && !(t.truncated && err == io.ErrUnexpectedEOF):
		t.fatal("TLS error", err)
	case !t.peerDone:
		t.peerDone = true
		t.endInput()
	}
}

// endInput tells the application that the peer is done, and closes the connection.
func (t *tlsTransport) endInput() {
	keepOpen, err := t.eofReceived()
	if err != nil {
		t.fatal("protocol.EOFReceived() failed", err)
	}
	_, isLayer := t.protocol.(*tlsProtocol)
	if keepOpen && !isLayer {
		slog.Warn("aio: EOFReceived returned true, which has no effect with TLS")
	}
	switch t.state {
	case tlsWrapped:
		if !isLayer { // that may have something to deliver and to write, and will call Close
			t.startShutdown()
		}
	case tlsShutdown:
		t.complete()
	}
}

// discard drops the input, and looks for its end.
func (t *tlsTransport) discard() {
	if t.peerDone {
		return
	}
	buf := tlsBuffers.Get().(*tlsBuffer)
	defer tlsBuffers.Put(buf)
	var err error
	for err == nil {
		_, err = t.decrypt(buf[:])
	}
	t.checkInput(err)
}

// Output.

// encrypt sends b, or as much as the transport below takes without asking for a pause.
func (t *tlsTransport) encrypt(b []byte) (n int, err error) {
	buf := tlsBuffers.Get().(*tlsBuffer)
	defer tlsBuffers.Put(buf)
	for n < len(b) && !t.blocked {
		m := min(len(b)-n, tlsChunk)
		t.batch = buf[:0]
		_, err = t.conn.Write(b[n : n+m])
		records := t.batch
		t.batch = nil
		if err != nil {
			t.fatal("TLS error", err)
			return n, err
		}
		if _, err = t.lower.Write(records); err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// drain sends what waits.
func (t *tlsTransport) drain() {
	if t.queue.len() > 0 {
		n, _ := t.encrypt(t.queue.bytes()) // ConnectionLost tells of an error
		t.queue.skip(n)
	}
}

// controlWriting tells the protocol to pause if too much waits: the high mark is too much already,
// unlike without TLS.
func (t *tlsTransport) controlWriting() {
	if n := t.queue.len(); n > 0 {
		t.maybePause(n + 1)
	}
}

// The end.

// startShutdown closes a connection that is wrapped.
func (t *tlsTransport) startShutdown() {
	t.closing = true
	t.state = tlsFlushing
	t.limit(t.settings.shutdown)
	t.flush()
}

// flush writes what is left, and then our close_notify.
func (t *tlsTransport) flush() {
	t.drain()
	if t.state != tlsFlushing || t.queue.len() > 0 {
		return
	}
	t.state = tlsShutdown
	if !t.truncated { // or the peer has closed its socket, and would answer with a reset
		_ = t.conn.CloseWrite() // ConnectionLost tells of an error
	}
	if t.peerDone {
		t.complete()
	}
}

// complete closes the transport below in the next pass. It may still have something to write, so
// the timer goes on.
func (t *tlsTransport) complete() { t.loop.schedule((*tlsCloseStep)(t), nil) }

// tlsCloseStep is a layer in the ready queue, to close the transport below.
type tlsCloseStep tlsTransport

func (s *tlsCloseStep) run(*future) {
	if s.lower != nil {
		s.lower.Close()
	}
}

// fatal ends the connection because of err, and reports it if a program is to blame.
func (t *tlsTransport) fatal(what string, err error) {
	if !isCircumstance(err) {
		t.report(what, err)
	}
	t.abort(err)
}

// abort ends the connection at once. ConnectionLost will be told err.
func (t *tlsTransport) abort(err error) {
	if t.cause == nil {
		t.cause = err
	}
	if err == nil {
		err = errTLSAborted
	}
	t.end(err)
	if t.lower != nil {
		t.lower.Abort()
	}
}

// end is the end of TLS, be it before the transport below is closed or after. err is for a handshake
// that was under way.
func (t *tlsTransport) end(err error) {
	t.closing = true
	t.state = tlsUnwrapped
	t.stopTimer()
	if t.handshake != nil {
		t.handshake.fut.cancel(errCancelled)
	}
	if done := t.done; done != nil {
		t.done = nil
		done(err)
	}
}

// tlsLostStep is a layer in the ready queue, to tell the application that the connection is lost.
type tlsLostStep tlsTransport

func (s *tlsLostStep) run(*future) {
	if p, ok := s.protocol.(lossReceiver); ok {
		p.ConnectionLost(s.cause)
	}
}

func (s *tlsLostStep) about(ec *ExceptionContext) { s.endpoint.about(ec) }

// What the application calls.

// Close implements BaseTransport.
func (t *tlsTransport) Close() error {
	t.loop.check("Transport.Close")
	switch t.state {
	case tlsUnwrapped, tlsHandshaking:
		if !t.closing {
			t.abort(nil)
		}
	case tlsWrapped:
		t.startShutdown()
		// Input that the application did not want may end with the peer's close_notify, but its
		// callbacks must not be called from here.
		t.loop.schedule((*tlsStep)(t), nil)
	}
	return nil
}

// Abort implements WriteTransport.
func (t *tlsTransport) Abort() {
	t.loop.check("Transport.Abort")
	t.abort(nil)
}

// IsClosing implements BaseTransport.
func (t *tlsTransport) IsClosing() bool {
	t.loop.check("Transport.IsClosing")
	return t.closing || t.lower != nil && t.lower.IsClosing()
}

// SetProtocol implements BaseTransport.
func (t *tlsTransport) SetProtocol(p Protocol) {
	t.loop.check("Transport.SetProtocol")
	if err := checkProtocol[Transport](p); err != nil {
		panic(err)
	}
	t.protocol = p
}

// PauseReading implements ReadTransport.
func (t *tlsTransport) PauseReading() {
	t.loop.check("Transport.PauseReading")
	t.paused = true
}

// ResumeReading implements ReadTransport.
func (t *tlsTransport) ResumeReading() {
	t.loop.check("Transport.ResumeReading")
	if t.paused {
		t.paused = false
		t.loop.schedule((*tlsStep)(t), nil)
	}
}

// Write implements WriteTransport.
func (t *tlsTransport) Write(b []byte) (int, error) {
	t.loop.check("Transport.Write")
	if len(b) == 0 {
		return 0, nil
	}
	n := 0
	switch {
	case t.state != tlsHandshaking && t.state != tlsWrapped:
		return 0, t.dropped()
	case t.state == tlsWrapped && !t.blocked && t.queue.len() == 0:
		var err error
		if n, err = t.encrypt(b); err != nil {
			return n, err
		}
	}
	if n < len(b) {
		t.queue.add(b[n:])
		t.controlWriting()
	}
	return len(b), nil
}

// Writelines implements WriteTransport. The pieces are joined, so that small ones share a record.
func (t *tlsTransport) Writelines(bufs [][]byte) error {
	t.loop.check("Transport.Writelines")
	if t.state != tlsHandshaking && t.state != tlsWrapped {
		return t.dropped()
	}
	for _, b := range bufs {
		t.queue.add(b)
	}
	if t.state == tlsWrapped && !t.blocked && t.queue.len() > 0 {
		n, err := t.encrypt(t.queue.bytes())
		if err != nil {
			return err
		}
		t.queue.skip(n)
	}
	t.controlWriting()
	return nil
}

// WriteEOF implements WriteTransport. TLS has a close_notify for it, which asyncio does not send:
// peers take it for the end of both directions.
func (t *tlsTransport) WriteEOF() {
	t.loop.check("Transport.WriteEOF")
	misuse(nil, "Transport.WriteEOF: TLS has no half-closed connections; ask CanWriteEOF before")
}

// CanWriteEOF implements WriteTransport.
func (t *tlsTransport) CanWriteEOF() bool { return false }

// SetWriteBufferLimits implements WriteTransport.
func (t *tlsTransport) SetWriteBufferLimits(high, low int) {
	t.loop.check("Transport.SetWriteBufferLimits")
	t.setLimits(high, low, tlsWriteHigh)
	t.controlWriting()
}

// GetWriteBufferSize implements WriteTransport.
func (t *tlsTransport) GetWriteBufferSize() int {
	t.loop.check("Transport.GetWriteBufferSize")
	return t.queue.len()
}

// GetExtraInfo implements BaseTransport. During the handshake the tls.Conn is locked, so nothing
// but the configuration is known.
func (t *tlsTransport) GetExtraInfo(name string) any {
	t.loop.check("Transport.GetExtraInfo")
	switch name {
	case "sslcontext":
		return t.config
	case "ssl_object", "tls", "peercert", "cipher":
		if t.secured {
			return t.sessionInfo(name)
		}
	default:
		if t.lower != nil {
			return t.lower.GetExtraInfo(name)
		}
	}
	return nil
}

// sessionInfo is GetExtraInfo for what the handshake has brought.
func (t *tlsTransport) sessionInfo(name string) any {
	if name == "ssl_object" {
		return t.conn
	}
	state := t.conn.ConnectionState()
	switch {
	case name == "tls":
		return state
	case name == "cipher":
		return tls.CipherSuiteName(state.CipherSuite)
	case len(state.VerifiedChains) > 0:
		return state.PeerCertificates[0]
	}
	return nil
}

// String names the transport and its state.
func (t *tlsTransport) String() string {
	return fmt.Sprintf("TLS %s over %v", t.state, t.lower)
}
