package sysio

// Streams. These calls do not block, so they bypass Go's scheduler: that saves a third
// of the cost of a small read or write.

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
)

// Read reads from a non-blocking descriptor. The error is netio.ErrWouldBlock if there is
// nothing.
func Read(fd int, p []byte) (int, error) {
	return transfer("read", unix.SYS_READ, fd, p)
}

// Receive is Read for a stream socket. more reports that there may be more to read at
// once. A short read has emptied the socket, and later data causes a new edge, with two
// exceptions: urgent data, which the poller reports as such, and, in a Unix socket, the
// position at which the peer has sent a descriptor or its credentials. Descriptors and
// credentials are dropped, and the kernel reports that.
func Receive(fd int, p []byte, isUnix bool) (n int, more bool, err error) {
	if !isUnix {
		n, err = Read(fd, p)
		return n, n == len(p), err
	}
	iov := unix.Iovec{Base: unsafe.SliceData(p)}
	iov.SetLen(len(p))
	msg := unix.Msghdr{Iov: &iov}
	msg.SetIovlen(1)
	for {
		got, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), 0)
		switch errno {
		case 0:
			return int(got), int(got) == len(p) || msg.Flags&unix.MSG_CTRUNC != 0, nil
		case unix.EAGAIN:
			return 0, false, netio.ErrWouldBlock
		case unix.EINTR:
		default:
			return 0, false, os.NewSyscallError("recvmsg", errno)
		}
	}
}

// Write writes to a non-blocking descriptor. The error is netio.ErrWouldBlock if there is
// no room.
func Write(fd int, p []byte) (int, error) {
	return transfer("write", unix.SYS_WRITE, fd, p)
}

func transfer(name string, call uintptr, fd int, p []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EAGAIN:
			return 0, netio.ErrWouldBlock
		case unix.EINTR:
		default:
			return 0, os.NewSyscallError(name, errno)
		}
	}
}

// Socket creates a socket that is non-blocking and closed on exec.
func Socket(family, typ int) (int, error) {
	fd, err := unix.Socket(family, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return fd, os.NewSyscallError("socket", err)
}

// Accept accepts a connection, as a socket that is non-blocking and closed on exec.
// When x/sys returns an address, it first asks the kernel for the socket's protocol
// each time, to support protocols other than TCP and UDP; package syscall does not.
func Accept(fd int) (int, unix.Sockaddr, error) {
	n, sa, err := syscall.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	return n, sockaddr(sa), err
}

// Getsockname returns the address to which an IP or Unix socket is bound.
func Getsockname(fd int) (unix.Sockaddr, error) {
	sa, err := syscall.Getsockname(fd)
	return sockaddr(sa), err
}

func sockaddr(sa syscall.Sockaddr) unix.Sockaddr {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return &unix.SockaddrInet4{Port: sa.Port, Addr: sa.Addr}
	case *syscall.SockaddrInet6:
		return &unix.SockaddrInet6{Port: sa.Port, ZoneId: sa.ZoneId, Addr: sa.Addr}
	case *syscall.SockaddrUnix:
		return &unix.SockaddrUnix{Name: sa.Name}
	}
	return nil
}

// GrowPipe sets the size of a pipe to 256 KiB, unless the user has reached the system's
// limit. More has no benefit.
func GrowPipe(fd int) { _, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, 256<<10) }

// Pending returns how many bytes can be read from fd.
func Pending(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.TIOCINQ) }
