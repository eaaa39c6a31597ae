package aio

// The common parts of all transports. A transport belongs to one loop, and the token
// owns it: tasks and callbacks of that loop may call its methods, which panic with
// ErrWrongGoroutine elsewhere. None of them awaits. A transport does not end with Close
// but when ConnectionLost has returned, which is always a pass later; only then its
// descriptor is closed.

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"syscall"

	"github.com/goaio/aio/internal/netio"
)

// BaseTransport has the methods of all transports. (asyncio: BaseTransport)
type BaseTransport interface {
	// Close closes the transport: it stops reading, writes the data in the write
	// buffer, and then calls the protocol's ConnectionLost with nil. Calling it
	// again does nothing. (asyncio: close)
	Close() error
	// IsClosing reports whether the transport is closing or closed. (asyncio:
	// is_closing)
	IsClosing() bool
	// GetExtraInfo returns a property of the transport by name, nil if there is
	// none. (asyncio: get_extra_info)
	//
	//	peername, sockname   net.Addr
	//	socket               *TransportSocket
	//	pipe                 *TransportSocket of a pipe
	//	sslcontext           *tls.Config
	//	ssl_object           *tls.Conn; use it only to read its state
	//	tls                  tls.ConnectionState: versions, ALPN, resumption,
	//	                     all certificates
	//	peercert             *x509.Certificate, if there is a verified one
	//	cipher               string
	//	close_notify         bool: the peer has closed TLS; without it, EOF may
	//	                     be an attacker's
	GetExtraInfo(name string) any
	// SetProtocol makes p the protocol, whose callbacks are called from now on. Its
	// ConnectionMade is not called. It panics with [ErrUsage] if p cannot be the
	// protocol of this transport. (asyncio: set_protocol)
	SetProtocol(p Protocol)
	// GetProtocol returns the protocol. (asyncio: get_protocol)
	GetProtocol() Protocol
}

// ReadTransport is a transport that can be read from. (asyncio: ReadTransport)
type ReadTransport interface {
	BaseTransport
	// IsReading reports whether the protocol receives data: the transport is
	// neither paused nor closing. (asyncio: is_reading)
	IsReading() bool
	// PauseReading leaves arriving data in the kernel until ResumeReading. If
	// reading is paused already, or the transport is closing, it does nothing.
	// (asyncio: pause_reading)
	PauseReading()
	// ResumeReading undoes PauseReading. Data is received in a later pass.
	// (asyncio: resume_reading)
	ResumeReading()
}

// WriteTransport is a transport that can be written to. (asyncio: WriteTransport)
type WriteTransport interface {
	BaseTransport
	// Write writes p; it keeps a copy of the part that the kernel does not accept
	// at once in a buffer, which is written as the peer reads. It never blocks: a
	// protocol should stop writing when PauseWriting is called.
	//
	// The error is nil unless p, or a part of it, was dropped: [net.ErrClosed] if
	// the connection is closed, or the error with which the connection fails in
	// this call and ConnectionLost will be called. It matches [ErrUsage] after
	// WriteEOF. (asyncio: write)
	Write(p []byte) (int, error)
	// Writelines writes all of bufs at once. It fails as Write does.
	// (asyncio: writelines)
	Writelines(bufs [][]byte) error
	// WriteEOF closes the transport for writing once everything is written; reading
	// is still possible. Calling it again, or on a closing transport, does nothing.
	// It panics with [ErrUsage] if CanWriteEOF is false. (asyncio: write_eof)
	WriteEOF()
	// CanWriteEOF reports whether the transport supports WriteEOF. (asyncio:
	// can_write_eof)
	CanWriteEOF() bool
	// Abort closes the transport at once; the data in the write buffer is lost. The
	// protocol's ConnectionLost is called with nil. The peer of a TCP connection
	// sees a normal EOF after the data that was sent, as after Close. To send a
	// reset, first call [TransportSocket.SetLinger] with 0.
	//
	// (asyncio: abort, which is the same)
	Abort()
	// SetWriteBufferLimits sets the marks of flow control, in bytes: PauseWriting
	// is called when more than high are buffered, ResumeWriting when low or less
	// are buffered again. [DefaultLimit] for high means four times low, for low a
	// quarter of high, and for both 64 and 16 KiB. It panics with [ErrUsage] unless
	// high >= low >= 0.
	//
	// (asyncio: set_write_buffer_limits)
	SetWriteBufferLimits(high, low int)
	// GetWriteBufferLimits returns the marks. (asyncio: get_write_buffer_limits)
	GetWriteBufferLimits() (low, high int)
	// GetWriteBufferSize returns the number of buffered bytes. (asyncio:
	// get_write_buffer_size)
	GetWriteBufferSize() int
}

// Transport is a byte stream in both directions. (asyncio: Transport)
type Transport interface {
	ReadTransport
	WriteTransport
}

// DatagramTransport sends and receives datagrams. (asyncio: DatagramTransport)
type DatagramTransport interface {
	BaseTransport
	// SendTo sends p to addr, or keeps a copy if the system cannot accept it at
	// once. addr is nil on an endpoint that has a remote address. A network error
	// goes to the protocol's ErrorReceived. The error returned is [net.ErrClosed]
	// if p was dropped because the endpoint is closed, or one that matches
	// [ErrUsage] if addr does not fit.
	//
	// (asyncio: sendto)
	SendTo(p []byte, addr net.Addr) error
	// Abort closes the endpoint at once; datagrams in the buffer are lost. (asyncio:
	// abort)
	Abort()
	// SetWriteBufferLimits, GetWriteBufferLimits and GetWriteBufferSize are as in
	// [WriteTransport]. A datagram in the buffer counts for its length plus 8
	// bytes.
	SetWriteBufferLimits(high, low int)
	GetWriteBufferLimits() (low, high int)
	GetWriteBufferSize() int
}

// SubprocessTransport is a child process and the pipes to it. Its Close closes the
// pipes, and kills the process if it has not exited; ConnectionLost is still called
// when it has, and the pipes are closed. Its GetExtraInfo has "subprocess", an
// [*os.Process], which must not be waited for: that would take the status away from the
// transport.
//
// (asyncio: SubprocessTransport)
type SubprocessTransport interface {
	BaseTransport
	// GetPID returns the process's id. (asyncio: get_pid)
	GetPID() int
	// GetReturncode returns the exit status of the process, or -N if signal N
	// killed it. ok is false while it runs. The code is 255 if other code has
	// waited for the process. (asyncio: get_returncode)
	GetReturncode() (code int, ok bool)
	// GetPipeTransport returns the pipe that is the child's descriptor fd: a
	// [WriteTransport] for 0, a [ReadTransport] for 1 and 2. It is nil if the
	// descriptor is not a pipe. (asyncio: get_pipe_transport)
	GetPipeTransport(fd int) BaseTransport
	// SendSignal sends a signal. It never reaches another process that has been
	// given the same id: between the exit of the process and ConnectionLost it does
	// nothing, and after that the error is [os.ErrProcessDone]. Other errors are
	// those of the system. Windows supports only [os.Kill].
	//
	// (asyncio: send_signal)
	SendSignal(sig os.Signal) error
	// Terminate sends SIGTERM; on Windows it is Kill. (asyncio: terminate)
	Terminate() error
	// Kill sends SIGKILL. (asyncio: kill)
	Kill() error
}

// DefaultLimit, passed to SetWriteBufferLimits, selects the default of a mark.
const DefaultLimit = math.MinInt

// TransportSocket is the socket or pipe of a transport or server, as returned by
// GetExtraInfo("socket") and [Server.Sockets]. It is for reading properties and setting
// options: only the transport reads, writes and closes it. (asyncio: TransportSocket)
type TransportSocket struct{ s netio.Socket }

// SyscallConn gives access to the descriptor, which must not be closed or read from. It
// fails with [net.ErrClosed] once the transport is closed, and with
// [errors.ErrUnsupported] if there is no descriptor. It implements [syscall.Conn].
func (t *TransportSocket) SyscallConn() (syscall.RawConn, error) {
	if err := t.made("TransportSocket.SyscallConn"); err != nil {
		return nil, err
	}
	return t.s.SyscallConn()
}

// made returns an error for a zero TransportSocket.
func (t *TransportSocket) made(call string) error {
	if t.s == nil {
		return usagef(call, "a zero TransportSocket: GetExtraInfo of a transport has one")
	}
	return nil
}

// LocalAddr returns the local address, nil if there is none or the socket is closed.
// (Python: getsockname)
func (t *TransportSocket) LocalAddr() net.Addr {
	if err := t.made("TransportSocket.LocalAddr"); err != nil {
		panic(err)
	}
	return t.s.LocalAddr()
}

// RemoteAddr returns the address of the peer, nil if there is none. (Python:
// getpeername)
func (t *TransportSocket) RemoteAddr() net.Addr {
	if err := t.made("TransportSocket.RemoteAddr"); err != nil {
		panic(err)
	}
	return t.s.RemoteAddr()
}

// File returns a duplicate of the socket, which the caller has to close; it stays open
// when the transport is closed. The errors are those of SyscallConn and of the system.
// (Python: dup)
func (t *TransportSocket) File() (*os.File, error) {
	if err := t.made("TransportSocket.File"); err != nil {
		return nil, err
	}
	return t.s.File()
}

// SetLinger sets what Close and Abort do with data of a TCP connection that the peer
// has not acknowledged, as [net.TCPConn.SetLinger] does. With 0 they discard it and
// reset the connection, so the peer gets an error in place of EOF; a negative number
// means the system's default.
//
// The error is [net.ErrClosed] once the transport is closed, that of the system, or one
// that matches [errors.ErrUnsupported] if the connection has no such setting.
//
// (Python: setsockopt with SO_LINGER)
func (t *TransportSocket) SetLinger(sec int) error {
	const call = "TransportSocket.SetLinger"
	if err := t.made(call); err != nil {
		return err
	}
	if s, ok := t.s.(interface{ SetLinger(sec int) error }); ok {
		return s.SetLinger(sec)
	}
	return fmt.Errorf("aio: %s: %w", call, errors.ErrUnsupported)
}

// logThreshold is how many writes a lost connection drops before it logs each further
// one.
const logThreshold = 5

// endpoint is the part of a transport that does not depend on what it is connected to:
// its protocol and its life cycle. A transport is opening until ConnectionMade has
// returned, and then open; it is closing from Close, Abort or a failure on, and lost
// once ConnectionLost is scheduled. Each of the two calls is an entry of the ready
// queue, openStep and lostStep.
type endpoint struct {
	loop     *Loop
	self     lifeCycle // the transport itself; the protocol, reports and steps get it
	protocol Protocol

	// The life cycle.
	// the waiter of the call that makes the transport, nil if none waits
	opener  *waiter
	cause   error // for ConnectionLost
	opened  bool  // ConnectionMade has returned
	closing bool  // Close or Abort was called, or the connection has failed
	lost    bool  // ConnectionLost is scheduled, or was called
	counted bool  // the transport is counted in the loop's Stats

	// The transport is in the ready queue at most once, for the reasons in two
	// flags.
	queued  bool
	toRead  bool
	toWrite bool

	drops uint8 // number of dropped writes; the loss of the connection counts as one
}

// lifeCycle has the methods of a transport that its endpoint calls.
type lifeCycle interface {
	BaseTransport
	// use makes p the protocol, or returns an error if it cannot be.
	use(p Protocol) error
	// proceed continues with pending work: ConnectionMade or ResumeReading was
	// called.
	proceed()
	// close does the work of Close.
	close()
	// release releases the layer below: ConnectionLost was called.
	release()
	sourced
}

// common returns the endpoint itself, for code that has a transport of any type.
func (e *endpoint) common() *endpoint { return e }

// open schedules ConnectionMade.
func (e *endpoint) open() { e.loop.schedule((*openStep)(e), nil) }

// openStep is the first entry of a transport in the ready queue.
type openStep endpoint

func (s *openStep) run(*future) {
	e := (*endpoint)(s)
	if _, layer := e.self.(*tlsTransport); !layer && e.loop.observed != nil {
		// A layer of TLS is not counted, only the transport below it.
		e.counted = true
		e.loop.observed.resource("connection", 1, nil, e, e.peer)
	}
	defer func() { // even if the protocol panics, which has no other effect
		e.opened = true
		e.self.proceed()
		e.made(nil)
	}()
	connectionMade(e.protocol, e.self)
}

// source implements sourced.
func (s *openStep) source() any { return s.self.source() }

func (s *openStep) about(ec *ExceptionContext) { (*endpoint)(s).about(ec) }

// peer is the address of the other end, "" if there is none.
func (e *endpoint) peer() string {
	if addr, ok := e.self.GetExtraInfo("peername").(net.Addr); ok {
		return addr.String()
	}
	return ""
}

// waitMade suspends the calling task until made is called, and returns its error.
func (e *endpoint) waitMade(c caller, call string) error {
	return c.waitOnce(call, &e.opener)
}

// made ends the wait of the call that makes the transport, if it still waits.
func (e *endpoint) made(err error) {
	w := e.opener
	switch {
	case w == nil || w.state != pending:
	case err == nil:
		w.wake()
	default:
		w.errRetrieved = true
		w.settle(failed, err)
	}
}

// lose schedules ConnectionLost(err), unless it was scheduled before.
func (e *endpoint) lose(err error) {
	if !e.lost {
		e.closing, e.lost, e.cause = true, true, err
		e.drops++
		e.loop.schedule((*lostStep)(e), nil)
	}
}

// loseNow calls ConnectionLost(nil): all is written, and this is an entry of the
// transport.
func (e *endpoint) loseNow() {
	e.closing, e.lost = true, true
	e.drops++
	(*lostStep)(e).run(nil)
}

// lostStep is the last entry of a transport in the ready queue.
type lostStep endpoint

func (s *lostStep) run(*future) {
	e := (*endpoint)(s)
	if e.counted && e.loop.observed != nil {
		e.counted = false
		e.loop.observed.resource("connection", -1, e.cause, e, nil)
	}
	defer e.self.release() // runs even if the protocol panics
	if p, ok := e.protocol.(LossReceiver); ok {
		p.ConnectionLost(e.cause)
	}
}

// source implements sourced.
func (s *lostStep) source() any { return s.self.source() }

func (s *lostStep) about(ec *ExceptionContext) { (*endpoint)(s).about(ec) }

// enqueue puts the transport, which is r, in the ready queue if it has work.
func (e *endpoint) enqueue(r runnable) {
	if (e.toRead || e.toWrite) && !e.queued {
		e.queued = true
		e.loop.enqueue(r)
	}
}

// dequeued returns the reasons for which the transport was in the ready queue.
func (e *endpoint) dequeued() (read, write bool) {
	read, write = e.toRead, e.toWrite
	e.queued, e.toRead, e.toWrite = false, false, false
	return read, write
}

// text is the text form of a transport: kind and the result of detail. A goroutine that
// does not hold the token gets only the kind, because printing must neither fail nor
// race.
func (e *endpoint) text(kind string, detail func() string) string {
	if !e.loop.holds() {
		return kind + " of a loop that another goroutine runs"
	}
	return kind + " " + detail()
}

// state returns the state of the life cycle as one word.
func (e *endpoint) state() string {
	switch {
	case e.lost:
		return "closed"
	case e.closing:
		return "closing"
	}
	return "open"
}

// guard calls fn and reports its panic, after which the transport continues.
func (e *endpoint) guard(what string, fn func()) {
	defer func() {
		if v := recover(); v != nil {
			e.report(what, panicError(v))
		}
	}()
	fn()
}

// report reports an error to the exception handler.
func (e *endpoint) report(what string, err error) {
	e.loop.CallExceptionHandler(ExceptionContext{
		Message:   what,
		Err:       err,
		Transport: e.self,
		Protocol:  e.protocol,
	})
}

// about adds the callback to the context of an exception handler.
func (e *endpoint) about(ec *ExceptionContext) {
	ec.Message = fmt.Sprintf("exception in a callback of protocol %T", e.protocol)
	ec.Transport, ec.Protocol = e.self, e.protocol
}

// isIOError reports whether err is caused by networks and peers; the exception handler
// does not get such errors.
func isIOError(err error) bool {
	var p *PanicError
	return !errors.As(err, &p) && !errors.Is(err, ErrUsage) && !errors.Is(err, ErrGoexit)
}

// dropped counts a write to a lost connection.
func (e *endpoint) dropped() error {
	if e.drops >= logThreshold {
		slog.Warn("aio: write to a connection that is lost")
	} else {
		e.drops++
	}
	return net.ErrClosed
}

// eofReceived calls the protocol's EOFReceived, if it has one.
func (e *endpoint) eofReceived() (keepOpen bool, err error) {
	defer recovered(&err)
	if p, ok := e.protocol.(EOFReceiver); ok {
		keepOpen = p.EOFReceived()
	}
	return keepOpen, nil
}

// Close implements BaseTransport.
func (e *endpoint) Close() error {
	if err := e.loop.checked("Transport.Close"); err != nil {
		return err
	}
	e.self.close()
	return nil
}

// IsClosing implements BaseTransport.
func (e *endpoint) IsClosing() bool {
	e.loop.check("Transport.IsClosing")
	return e.closing
}

// GetProtocol implements BaseTransport.
func (e *endpoint) GetProtocol() Protocol {
	e.loop.check("Transport.GetProtocol")
	return e.protocol
}

// SetProtocol implements BaseTransport.
func (e *endpoint) SetProtocol(p Protocol) {
	e.loop.check("Transport.SetProtocol")
	if err := e.self.use(p); err != nil {
		panic(err)
	}
}

// readHalf is the part of a transport that reads a byte stream.
type readHalf struct {
	receiver
	of     *endpoint
	paused bool // PauseReading was called
	ended  bool // EOF was received
}

// IsReading implements ReadTransport.
func (h *readHalf) IsReading() bool {
	h.of.loop.check("Transport.IsReading")
	return !h.of.closing && !h.paused
}

// PauseReading implements ReadTransport.
func (h *readHalf) PauseReading() {
	h.of.loop.check("Transport.PauseReading")
	if !h.of.closing {
		h.paused, h.of.toRead = true, false
	}
}

// ResumeReading implements ReadTransport.
func (h *readHalf) ResumeReading() {
	h.of.loop.check("Transport.ResumeReading")
	if !h.of.closing && h.paused {
		h.paused = false
		h.of.self.proceed()
	}
}

// mayRead reports whether the protocol accepts data.
func (h *readHalf) mayRead() bool { return h.of.opened && !h.of.closing && !h.paused && !h.ended }

// writeHalf is the part of a transport that writes a byte stream through a buffer.
type writeHalf struct {
	flow
	out outBuffer
}

// hold adds p to the buffer.
func (h *writeHalf) hold(p []byte) {
	if h.out.buf == nil {
		h.out.buf = h.of.loop.streams.getOut()
	}
	h.out.add(p)
	h.maybePause(h.out.len())
}

// written removes the first n bytes of the buffer.
func (h *writeHalf) written(n int) {
	buf := h.out.buf
	if h.out.skip(n); h.out.buf == nil {
		h.of.loop.streams.putOut(buf)
	}
}

// SetWriteBufferLimits implements WriteTransport.
func (h *writeHalf) SetWriteBufferLimits(high, low int) {
	h.of.loop.check("Transport.SetWriteBufferLimits")
	h.setLimits(high, low, defaultHigh)
	h.maybePause(h.out.len())
}

// GetWriteBufferSize implements WriteTransport.
func (h *writeHalf) GetWriteBufferSize() int {
	h.of.loop.check("Transport.GetWriteBufferSize")
	return h.out.len()
}

var _ io.WriteCloser = Transport(nil)

// streamEndpoint is an endpoint over a stream: a connection or a pipe. The stream never
// blocks, and reports when another try is worthwhile. can stores its reports: a flag is
// set when the owner is told, and cleared by the read or write that finds nothing more
// to do, so no edge is requested twice.
type streamEndpoint struct {
	endpoint
	stream netio.Stream
	can    netio.Readiness
	// on the hot list: its owner is notified in the next pass, without a new event
	hot    bool
	forced bool // the transport was closed without regard to the write buffer
	eof    bool // WriteEOF was called
}

// toRead are the reports of data to read, or of EOF.
const toRead = netio.Readable | netio.HungUp | netio.Ending

// repeat makes the stream tell its owner, o, its readiness. This is where asyncio adds
// a descriptor to its selector: when a transport is opened, after each pause, and for
// each part of a file. keep says that asyncio has the descriptor in its selector
// already, for another reason.
func (e *streamEndpoint) repeat(o netio.Owner, keep bool) error {
	if s, ok := e.stream.(netio.Repeater); ok {
		return s.Repeat(keep)
	}
	e.again(o)
	return nil
}

// watchWrite says whether the transport waits for room to write.
func (e *streamEndpoint) watchWrite(on bool) {
	if s, ok := e.stream.(netio.Repeater); ok {
		s.WatchWrite(on)
	}
}

// again puts the transport, whose stream tells o, on the hot list.
func (e *streamEndpoint) again(o netio.Owner) {
	if e.hot {
		return
	}
	e.hot = true
	if s, ok := e.stream.(netio.Repeater); ok {
		s.Again(o)
	} else {
		e.loop.polling.again(o, -1)
	}
}

// release implements lifeCycle.
func (e *streamEndpoint) release() {
	if e.forced {
		e.stream.Abort()
	} else {
		e.stream.Close()
	}
}

// discard closes the stream because the loop is closed. ConnectionLost will not be
// called, but code that holds the transport still sees that it is closed.
func (e *streamEndpoint) discard() {
	e.closing, e.lost = true, true
	e.stream.Close()
}
