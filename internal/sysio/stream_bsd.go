//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package sysio

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
)

// Read reads from a non-blocking descriptor. The error is netio.ErrWouldBlock if there is
// nothing.
func Read(fd int, p []byte) (int, error) { return transfer("read", unix.Read, fd, p) }

// Receive is Read for a stream socket. There may be more after a short read too: at
// urgent data, and at a descriptor that was sent along. Only a read that finds nothing
// shows that the socket is empty.
func Receive(fd int, p []byte, _ bool) (n int, more bool, err error) {
	n, err = Read(fd, p)
	return n, true, err
}

// Write writes to a non-blocking descriptor. The error is netio.ErrWouldBlock if there is
// no room.
func Write(fd int, p []byte) (int, error) { return transfer("write", unix.Write, fd, p) }

func transfer(name string, call func(fd int, p []byte) (int, error), fd int, p []byte) (int, error) {
	for {
		n, err := call(fd, p)
		switch err {
		case nil:
			return n, nil
		case unix.EAGAIN:
			return 0, netio.ErrWouldBlock
		case unix.EINTR:
		default:
			return 0, os.NewSyscallError(name, err)
		}
	}
}

// Socket creates a socket that is non-blocking and closed on exec.
func Socket(family, typ int) (int, error) {
	syscall.ForkLock.RLock() // no child process may be started in between
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(family, typ, 0)
	fd, err = setUp(fd, err)
	return fd, os.NewSyscallError("socket", err)
}

// Accept accepts a connection, as a socket that is non-blocking and closed on exec.
func Accept(fd int) (int, unix.Sockaddr, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	n, sa, err := unix.Accept(fd)
	n, err = setUp(n, err)
	return n, sa, err
}

// Getsockname returns the address to which a socket is bound.
func Getsockname(fd int) (unix.Sockaddr, error) { return unix.Getsockname(fd) }

func setUp(fd int, err error) (int, error) {
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// GrowPipe does nothing: pipes grow automatically, up to their limit.
func GrowPipe(int) {}

// Pending returns how many bytes can be read from fd.
func Pending(fd int) (int, error) { return unix.IoctlGetInt(fd, fionread) }

// fionread is the same on all of these systems; x/sys does not define it on all of
// them.
const fionread = 0x4004667f
