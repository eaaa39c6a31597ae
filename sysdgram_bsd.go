//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package aio

import (
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
)

// sysAddrs has nothing to remember: the system calls allocate their addresses anyway.
type sysAddrs struct{}

// sysReceive is recvfrom, with an address that is nil if the sender has none.
func (s *fdDatagram) sysReceive(p []byte) (int, net.Addr, error) {
	for {
		n, sa, err := unix.Recvfrom(s.fd, p, 0)
		switch err {
		case nil:
			if u, ok := sa.(*unix.SockaddrUnix); ok && u.Name == "" {
				sa = nil
			}
			return n, netAddr(sa, true), nil
		case unix.EAGAIN:
			return 0, nil, netio.ErrWouldBlock
		case unix.EINTR:
		default:
			return 0, nil, os.NewSyscallError("recvfrom", err)
		}
	}
}

// sysSend is sendto, or send if to is nil.
func (s *fdDatagram) sysSend(p []byte, to net.Addr) error {
	send := func() error { return unix.Send(s.fd, p, 0) }
	if to != nil {
		sa, err := sockaddrFor(to, s.family)
		if err != nil {
			return err
		}
		send = func() error { return unix.Sendto(s.fd, p, 0, sa) }
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

// sockaddrFor is the kernel's form of an address for a socket of family.
func sockaddrFor(to net.Addr, family int) (unix.Sockaddr, error) {
	u, ok := to.(*net.UDPAddr)
	if !ok {
		return &unix.SockaddrUnix{Name: to.String()}, nil
	}
	ip, err := addressFor(u, family)
	if err != nil {
		return nil, err
	}
	if family == unix.AF_INET {
		return &unix.SockaddrInet4{Port: u.Port, Addr: ip.As4()}, nil
	}
	sa6 := &unix.SockaddrInet6{Port: u.Port, Addr: ip.As16()}
	if u.Zone != "" {
		sa, _, err := sockaddrOf(u.AddrPort())
		if err != nil {
			return nil, err
		}
		sa6.ZoneId = sa.(*unix.SockaddrInet6).ZoneId
	}
	return sa6, nil
}
