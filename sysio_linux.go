package aio

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What follows does not block, so Go's scheduler need not be told of it: a third of the cost of a
// small read or write.

// sysRead reads from a non-blocking descriptor. The error is errWouldBlock if there is nothing.
func sysRead(fd int, p []byte) (int, error) {
	return sysTransfer("read", unix.SYS_READ, fd, p)
}

// sysWrite writes to a non-blocking descriptor. The error is errWouldBlock if there is no room.
func sysWrite(fd int, p []byte) (int, error) {
	return sysTransfer("write", unix.SYS_WRITE, fd, p)
}

func sysTransfer(name string, call uintptr, fd int, p []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EAGAIN:
			return 0, errWouldBlock
		case unix.EINTR:
		default:
			return 0, os.NewSyscallError(name, errno)
		}
	}
}

// sysSocket makes a socket that is non-blocking and closed on exec.
func sysSocket(family, typ int) (int, error) {
	return unix.Socket(family, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}

// sysAccept accepts a connection, as a socket that is non-blocking and closed on exec.
func sysAccept(fd int) (int, unix.Sockaddr, error) {
	return unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
}
