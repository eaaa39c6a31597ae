//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package sysio

// Operations on all kinds of descriptors.

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Dup duplicates a descriptor.
func Dup(fd int) (int, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	return n, os.NewSyscallError("dup", err)
}

// DupOf returns a duplicate of the descriptor of c. Both are then in non-blocking mode.
func DupOf(c syscall.Conn) (fd int, err error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	if cerr := rc.Control(func(n uintptr) { fd, err = Dup(int(n)) }); cerr != nil {
		return -1, cerr
	}
	if err != nil {
		return -1, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("fcntl", err)
	}
	return fd, nil
}

// SetNoDelay makes a TCP socket send small writes at once, as asyncio does.
func SetNoDelay(fd int) { _ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }

// ReusePort is the Control function of a net.ListenConfig for a port that several
// sockets share.
func ReusePort(_, _ string, c syscall.RawConn) (err error) {
	cerr := c.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	})
	return errors.Join(cerr, err)
}
