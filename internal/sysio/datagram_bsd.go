//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package sysio

// Datagrams.

import (
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
)

// Addrs keeps no state: the system calls allocate their addresses anyway.
type Addrs struct{}

// Recvfrom receives a datagram. The address is nil if the sender has none.
func (*Addrs) Recvfrom(fd int, p []byte) (int, net.Addr, error) {
	for {
		n, sa, err := unix.Recvfrom(fd, p, 0)
		switch err {
		case nil:
			if u, ok := sa.(*unix.SockaddrUnix); ok && u.Name == "" {
				sa = nil
			}
			return n, NetAddr(sa, true), nil
		case unix.EAGAIN:
			return 0, nil, netio.ErrWouldBlock
		case unix.EINTR:
		default:
			return 0, nil, os.NewSyscallError("recvfrom", err)
		}
	}
}

// Sendto sends a datagram over a socket of family, to the peer if to is nil.
func (*Addrs) Sendto(fd, family int, p []byte, to net.Addr) error {
	send := func() error { return unix.Send(fd, p, 0) }
	if to != nil {
		sa, err := SockaddrFor(family, to)
		if err != nil {
			return err
		}
		send = func() error { return unix.Sendto(fd, p, 0, sa) }
	}
	for {
		switch err := send(); err {
		case nil:
			return nil
		case unix.EAGAIN:
			return netio.ErrWouldBlock
		case unix.EINTR:
		default:
			return os.NewSyscallError("sendto", err)
		}
	}
}
