//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio

// Sockets and pipes as descriptors of the loop's poller.

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
	"github.com/goaio/aio/internal/poll"
	"github.com/goaio/aio/internal/sysio"
)

// socketOption is an option of a socket that is set if on is true.
type socketOption struct {
	level, option int
	on            bool
}

func setOptions(fd int, options []socketOption) error {
	for _, o := range options {
		if !o.on {
			continue
		}
		if err := unix.SetsockoptInt(fd, o.level, o.option, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// fdStream is a stream that owns a non-blocking descriptor.
type fdStream struct {
	loop     *Loop
	fd       int // -1 once the stream is closed
	datagram bool
	unix     bool // a Unix socket
	remote   net.Addr
}

var _ netio.Repeater = (*fdStream)(nil)

func (s *fdStream) Attach(owner netio.Owner) error {
	return s.loop.polling.reserve(s.fd, owner, poll.Edges)
}

func (s *fdStream) Read(p []byte) (n int, more bool, err error) {
	n, more, err = sysio.Receive(s.fd, p, s.unix)
	switch {
	case err != nil:
		return 0, false, err
	case n == 0:
		return 0, false, io.EOF
	}
	return n, more, nil
}

// Repeat implements netio.Repeater.
func (s *fdStream) Repeat(keep bool) error {
	if s.fd < 0 {
		return nil
	}
	return os.NewSyscallError("poll", s.loop.polling.renew(s.fd, keep))
}

// Again implements netio.Repeater.
func (s *fdStream) Again(owner netio.Owner) { s.loop.polling.again(owner, s.fd) }

// WatchWrite implements netio.Repeater.
func (s *fdStream) WatchWrite(on bool) {
	if s.fd < 0 {
		return
	}
	want := poll.Edges
	if on {
		want |= netio.Writable
	}
	// cannot fail for a registered descriptor
	_ = s.loop.polling.modify(s.fd, want)
}

// Pending implements netio.Repeater.
func (s *fdStream) Pending() bool {
	n, err := sysio.Pending(s.fd)
	return err != nil || n > 0 // the read reports the error
}

// NotReady implements netio.Repeater.
func (s *fdStream) NotReady() { s.loop.polling.notReady(s.fd) }

func (s *fdStream) Write(p []byte) (n int, err error) { return sysio.Write(s.fd, p) }

// sendFile implements fileSender.
func (s *fdStream) sendFile(f *fileSend) (done bool, err error) { return f.system(s.fd) }

func (s *fdStream) CloseWrite() error {
	err := unix.Shutdown(s.fd, unix.SHUT_WR)
	if err == unix.ENOTCONN {
		err = nil // the other end is closed altogether
	}
	return os.NewSyscallError("shutdown", err)
}

func (s *fdStream) Close() {
	if s.fd < 0 {
		return
	}
	if s.loop.polling.ownerOf(s.fd) != nil {
		s.loop.polling.unregister(s.fd)
	}
	unix.Close(s.fd)
	s.fd = -1
}

// Abort is Close: the kernel sends the rest.
func (s *fdStream) Abort() { s.Close() }

func (s *fdStream) LocalAddr() net.Addr {
	if s.fd < 0 {
		return nil
	}
	sa, err := sysio.Getsockname(s.fd)
	if err != nil {
		return nil
	}
	return sysio.NetAddr(sa, s.datagram)
}

func (s *fdStream) RemoteAddr() net.Addr { return s.remote }

// SetLinger is used by TransportSocket.SetLinger.
func (s *fdStream) SetLinger(sec int) error {
	if s.fd < 0 {
		return net.ErrClosed
	}
	l := unix.Linger{Linger: int32(max(sec, 0))}
	if sec >= 0 {
		l.Onoff = 1
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &l))
}

func (s *fdStream) CanCloseWrite() bool { return true }

// SyscallConn implements netio.Socket.
func (s *fdStream) SyscallConn() (syscall.RawConn, error) {
	if s.fd < 0 {
		return nil, net.ErrClosed
	}
	return rawConn{s}, nil
}

// File implements netio.Socket.
func (s *fdStream) File() (*os.File, error) {
	if s.fd < 0 {
		return nil, net.ErrClosed
	}
	fd, err := sysio.Dup(s.fd)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}

// rawConn implements syscall.RawConn. As the descriptor does not block, neither do Read
// and Write.
type rawConn struct{ s *fdStream }

func (c rawConn) Control(f func(fd uintptr)) error {
	if c.s.fd < 0 {
		return net.ErrClosed
	}
	f(uintptr(c.s.fd))
	return nil
}

func (c rawConn) Read(f func(fd uintptr) bool) error {
	done := false
	if err := c.Control(func(fd uintptr) { done = f(fd) }); err != nil {
		return err
	}
	if !done {
		return os.NewSyscallError("read", unix.EAGAIN)
	}
	return nil
}

func (c rawConn) Write(f func(fd uintptr) bool) error { return c.Read(f) }
