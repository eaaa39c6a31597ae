package aio

// What all transports have in common. A transport belongs to one loop, and the token owns it: its
// methods may be called by tasks and callbacks of that loop, and panic with ErrWrongGoroutine
// elsewhere. None of them awaits. Closing a transport is not the end of it: the end is when
// ConnectionLost has returned, which is always a pass later, and only then the descriptor is closed.

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

// BaseTransport is what every transport can do. (asyncio: BaseTransport)
type BaseTransport interface {
	// Close closes the transport: nothing is read any more, what is in the write buffer is still
	// written, and then the protocol's ConnectionLost is called with nil. Doing it again does
	// nothing. (asyncio: close)
	Close() error
	// IsClosing reports whether the transport is closing or closed. (asyncio: is_closing)
	IsClosing() bool
	// GetExtraInfo returns what is known under a name, nil if nothing is. (asyncio:
	// get_extra_info)
	//
	//	peername, sockname   net.Addr
	//	socket               *TransportSocket
	//	pipe                 *TransportSocket of a pipe
	//	sslcontext           *tls.Config
	//	ssl_object           *tls.Conn; asking it for anything but its state would break the connection
	//	tls                  tls.ConnectionState: versions, ALPN, resumption, all certificates
	//	peercert             *x509.Certificate, if there is a verified one
	//	cipher               string
	GetExtraInfo(name string) any
	// SetProtocol has p called from now on. Its ConnectionMade is not called. It panics with
	// ErrUsage if p cannot be the protocol of this transport. (asyncio: set_protocol)
	SetProtocol(p Protocol)
	// GetProtocol returns the protocol. (asyncio: get_protocol)
	GetProtocol() Protocol
}

// ReadTransport is a transport that can be read from. (asyncio: ReadTransport)
type ReadTransport interface {
	BaseTransport
	// IsReading reports whether the protocol gets what arrives: the transport is neither paused
	// nor closing. (asyncio: is_reading)
	IsReading() bool
	// PauseReading has what arrives wait in the kernel until ResumeReading. If reading is paused
	// already, or the transport is closing, it does nothing. (asyncio: pause_reading)
	PauseReading()
	// ResumeReading ends PauseReading. Data comes in a later pass. (asyncio: resume_reading)
	ResumeReading()
}

// WriteTransport is a transport that can be written to. (asyncio: WriteTransport)
type WriteTransport interface {
	BaseTransport
	// Write writes p, or keeps a copy of what the kernel does not take at once in a buffer that is
	// written as the peer reads. It never blocks: a protocol that is told to PauseWriting had
	// better stop. The error is nil unless p, or a part of it, was dropped: because the connection
	// is closed (net.ErrClosed), or because it fails just now, with the error that ConnectionLost
	// will be called with. It panics with ErrUsage after WriteEOF. (asyncio: write)
	Write(p []byte) (int, error)
	// Writelines writes all of bufs at once. It fails and panics as Write does.
	// (asyncio: writelines)
	Writelines(bufs [][]byte) error
	// WriteEOF closes the writing half once everything is written; reading goes on. Doing it
	// again, or on a closing transport, does nothing. It panics with ErrUsage if CanWriteEOF
	// is false. (asyncio: write_eof)
	WriteEOF()
	// CanWriteEOF reports whether the transport has a WriteEOF. (asyncio: can_write_eof)
	CanWriteEOF() bool
	// Abort closes the transport at once; what is in the write buffer is lost. The protocol's
	// ConnectionLost is called with nil. (asyncio: abort)
	Abort()
	// SetWriteBufferLimits sets the marks of flow control, in bytes: PauseWriting is called when
	// more than high are buffered, ResumeWriting when it is low or less again. DefaultLimit
	// for high is four times low, for low it is a quarter of high, and for both they are 64 and
	// 16 KiB. It panics with ErrUsage unless high >= low >= 0.
	// (asyncio: set_write_buffer_limits)
	SetWriteBufferLimits(high, low int)
	// GetWriteBufferLimits returns the marks. (asyncio: get_write_buffer_limits)
	GetWriteBufferLimits() (low, high int)
	// GetWriteBufferSize returns how many bytes are buffered. (asyncio: get_write_buffer_size)
	GetWriteBufferSize() int
}

// Transport is a stream of bytes in both directions. (asyncio: Transport)
type Transport interface {
	ReadTransport
	WriteTransport
}

// DatagramTransport sends and receives datagrams. (asyncio: DatagramTransport)
type DatagramTransport interface {
	BaseTransport
	// SendTo sends p to addr, or keeps a copy if the system cannot take it at once. addr is nil on an
	// endpoint that has a remote address. An error of the network goes to the protocol's
	// ErrorReceived. The error returned is net.ErrClosed if p was dropped because the endpoint is
	// closed, or one that matches ErrUsage if addr does not fit. (asyncio: sendto)
	SendTo(p []byte, addr net.Addr) error
	// Abort closes the endpoint at once; datagrams in the buffer are lost. (asyncio: abort)
	Abort()
	// SetWriteBufferLimits, GetWriteBufferLimits and GetWriteBufferSize are those of
	// WriteTransport. A datagram in the buffer counts for its length and 8 bytes.
	SetWriteBufferLimits(high, low int)
	GetWriteBufferLimits() (low, high int)
	GetWriteBufferSize() int
}

// SubprocessTransport is a child process and the pipes to it. Its Close closes the pipes, and kills the
// process if it has not ended; ConnectionLost is called all the same when it has, and the pipes are at
// their end. Its GetExtraInfo knows "subprocess", an *os.Process, which is for looking: waiting for it
// takes the status away from the transport. (asyncio: SubprocessTransport)
type SubprocessTransport interface {
	BaseTransport
	// GetPID returns the process's id. (asyncio: get_pid)
	GetPID() int
	// GetReturncode returns how the process has ended: its exit status, or -N if signal N killed
	// it. ok is false while it runs. A process that somebody else has waited for has the code
	// 255. (asyncio: get_returncode)
	GetReturncode() (code int, ok bool)
	// GetPipeTransport returns the pipe that is the child's descriptor fd: 0 a WriteTransport, 1 and 2
	// a ReadTransport. It is nil if that is no pipe. (asyncio: get_pipe_transport)
	GetPipeTransport(fd int) BaseTransport
	// SendSignal sends a signal. It never reaches another process that has got the same id since:
	// between the end of the process and ConnectionLost nothing happens, and after that the
	// error is os.ErrProcessDone. Other errors are those of the system. Windows knows os.Kill
	// alone. (asyncio: send_signal)
	SendSignal(sig os.Signal) error
	// Terminate asks the process to end, by SIGTERM; on Windows it is Kill. (asyncio: terminate)
	Terminate() error
	// Kill ends the process, by SIGKILL. (asyncio: kill)
	Kill() error
}

// DefaultLimit is given to SetWriteBufferLimits for a mark that the caller does not choose.
const DefaultLimit = math.MinInt

// TransportSocket is the socket or pipe of a transport or server, as GetExtraInfo("socket") and
// Server.Sockets return it. It is for looking and for setting options: reading, writing and closing are
// the transport's. (asyncio: TransportSocket)
type TransportSocket struct{ s netio.Socket }

// SyscallConn gives access to the descriptor, which must not be closed or read from. It fails with
// net.ErrClosed once the transport is closed, and with errors.ErrUnsupported if there is no
// descriptor. It implements syscall.Conn.
func (t *TransportSocket) SyscallConn() (syscall.RawConn, error) { return t.s.SyscallConn() }

// LocalAddr returns the address of this end, nil if it has none or is closed. (Python: getsockname)
func (t *TransportSocket) LocalAddr() net.Addr { return t.s.LocalAddr() }

// RemoteAddr returns the address of the other end, nil if there is none. (Python: getpeername)
func (t *TransportSocket) RemoteAddr() net.Addr { return t.s.RemoteAddr() }

// File returns a duplicate of the socket, which is the caller's to close and lives on when the
// transport is closed. The errors are those of SyscallConn, and what the system has to say.
// (Python: dup)
func (t *TransportSocket) File() (*os.File, error) { return t.s.File() }

// logThreshold is how many writes a lost connection drops before each is logged.
const logThreshold = 5

// endpoint is the part of a transport that does not depend on what it is connected to.
type endpoint struct {
	loop     *Loop
	self     BaseTransport // the transport, for the protocol and reports
	protocol Protocol
	closing  bool // Close or Abort was called, or the connection has failed
	lost     int  // 0 until ConnectionLost is scheduled, then 1 and the writes dropped since
	paused   bool // reading is
	flow     flow
}

// common is the endpoint itself, for who has a transport of whatever type.
func (e *endpoint) common() *endpoint { return e }

// guard calls fn and reports its panic, after which the transport goes on.
func (e *endpoint) guard(what string, fn func()) {
	defer func() {
		if v := recover(); v != nil {
			e.report(what, panicError(v))
		}
	}()
	fn()
}

// report tells the exception handler of an error.
func (e *endpoint) report(what string, err error) {
	e.loop.CallExceptionHandler(ExceptionContext{
		Message:   what,
		Err:       err,
		Transport: e.self,
		Protocol:  e.protocol,
	})
}

// isCircumstance reports whether err is one that networks and peers cause, and so nothing that
// an exception handler should hear of.
func isCircumstance(err error) bool {
	var p *PanicError
	return !errors.As(err, &p) && !errors.Is(err, ErrUsage)
}

// dropped counts a write to a connection that is lost.
func (e *endpoint) dropped() error {
	if e.lost >= logThreshold {
		slog.Warn("aio: write to a connection that is lost")
	}
	e.lost++
	return net.ErrClosed
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

// GetWriteBufferLimits implements WriteTransport.
func (e *endpoint) GetWriteBufferLimits() (low, high int) {
	e.loop.check("Transport.GetWriteBufferLimits")
	return e.flow.low, e.flow.high
}

// IsReading implements ReadTransport.
func (e *endpoint) IsReading() bool {
	e.loop.check("Transport.IsReading")
	return !e.closing && !e.paused
}

var _ io.WriteCloser = Transport(nil)

// hold adds p to what e is to write.
func (e *endpoint) hold(b *outBuffer, p []byte) {
	if b.buf == nil {
		b.buf = e.loop.streams.getOut()
	}
	b.add(p)
}

// written takes away the first n bytes of what e is to write.
func (e *endpoint) written(b *outBuffer, n int) {
	buf := b.buf
	if b.skip(n); b.buf == nil {
		e.loop.streams.putOut(buf)
	}
}

// about tells an exception handler whose callback panicked.
func (e *endpoint) about(ec *ExceptionContext) {
	ec.Message = fmt.Sprintf("exception in a callback of protocol %T", e.protocol)
	ec.Transport, ec.Protocol = e.self, e.protocol
}

// eofReceived calls the protocol's EOFReceived, if it has one.
func (e *endpoint) eofReceived() (keepOpen bool, err error) {
	defer recovered(&err)
	if p, ok := e.protocol.(eofReceiver); ok {
		keepOpen = p.EOFReceived()
	}
	return keepOpen, nil
}
