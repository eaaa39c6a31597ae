//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package aio

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
)

// sysRead reads from a non-blocking descriptor. The error is netio.ErrWouldBlock if there is nothing.
func sysRead(fd int, p []byte) (int, error) { return sysTransfer("read", unix.Read, fd, p) }

// sysReceive is sysRead for a stream socket. There may be more after a short read too: at urgent data, and
// at a descriptor that came along. Only the read that finds nothing tells.
func sysReceive(fd int, p []byte, _ bool) (n int, more bool, err error) {
	n, err = sysRead(fd, p)
	return n, true, err
}

// sysWrite writes to a non-blocking descriptor. The error is netio.ErrWouldBlock if there is no room.
func sysWrite(fd int, p []byte) (int, error) { return sysTransfer("write", unix.Write, fd, p) }

func sysTransfer(name string, call func(fd int, p []byte) (int, error), fd int, p []byte) (int, error) {
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

// sysSocket makes a socket that is non-blocking and closed on exec.
func sysSocket(family, typ int) (int, error) {
	syscall.ForkLock.RLock() // no child may be started in between
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(family, typ, 0)
	return setUp(fd, err)
}

// sysAccept accepts a connection, as a socket that is non-blocking and closed on exec.
func sysAccept(fd int) (int, unix.Sockaddr, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	n, sa, err := unix.Accept(fd)
	n, err = setUp(n, err)
	return n, sa, err
}

// sysGetsockname returns the address to which a socket is bound.
func sysGetsockname(fd int) (unix.Sockaddr, error) { return unix.Getsockname(fd) }

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

// sysWidenPipe does nothing: pipes grow by themselves, as far as they may.
func sysWidenPipe(int) {}
