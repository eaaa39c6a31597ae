//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio

// Sockets for datagrams as descriptors of the loop's poller.

import (
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
)

// fdDatagram is a datagramSocket over a descriptor that is non-blocking, and owned by it. It is
// connected if remote, of fdStream, is not nil.
type fdDatagram struct {
	fdStream
	network string // for errors
	family  int
	owner   netio.DatagramOwner
	addrs   sysAddrs
	retry   *TimerHandle // of a send, see deaf
	wait    time.Duration
}

// newDatagramSocket makes a socket that is bound to local and connected to remote, as far as they are
// not nil.
func (l *Loop) newDatagramSocket(network string, local, remote net.Addr, o netio.DatagramOptions) (_ netio.Datagram, err error) {
	if l.goroutines {
		return l.newPacketSocket(network, local, remote, o)
	}
	op, about := "listen", local
	if remote != nil {
		op, about = "dial", remote
	}
	s := &fdDatagram{network: network, family: familyOf(network)}
	fail := func(err error) (netio.Datagram, error) {
		return nil, &net.OpError{Op: op, Net: network, Source: local, Addr: about, Err: err}
	}
	fd, err := newSocket(s.family, unix.SOCK_DGRAM)
	if err != nil {
		return fail(err)
	}
	s.fdStream = fdStream{loop: l, fd: fd, datagram: true}
	call := func(name string, f func() error) {
		if err == nil {
			err = os.NewSyscallError(name, f())
		}
	}
	if o.ReusePort {
		call("setsockopt", func() error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}
	if o.Broadcast {
		call("setsockopt", func() error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1) })
	}
	if local != nil {
		call("bind", func() error { return withSockaddr(local, func(sa unix.Sockaddr) error { return unix.Bind(fd, sa) }) })
	}
	if remote != nil && !o.Broadcast {
		call("connect", func() error {
			return withSockaddr(remote, func(sa unix.Sockaddr) error { return unix.Connect(fd, sa) })
		})
		s.remote = remote
	}
	if err != nil {
		s.Close()
		return fail(err)
	}
	return s, nil
}

// familyOf is the address family of a network.
func familyOf(network string) int {
	switch network {
	case "udp4":
		return unix.AF_INET
	case "udp6":
		return unix.AF_INET6
	}
	return unix.AF_UNIX
}

// withSockaddr calls f with the form in which the kernel takes addr.
func withSockaddr(addr net.Addr, f func(unix.Sockaddr) error) error {
	if u, ok := addr.(*net.UDPAddr); ok {
		sa, _, err := sockaddrOf(u.AddrPort())
		if err != nil {
			return err
		}
		return f(sa)
	}
	return f(&unix.SockaddrUnix{Name: addr.String()})
}

// datagramSocketOf makes a socket of one that exists: of its descriptor if it is one of Go's own, of
// goroutines otherwise.
func (l *Loop) datagramSocketOf(conn net.PacketConn) (netio.Datagram, error) {
	if l.goroutines {
		return l.packetSocketOf(conn), nil
	}
	var fd int
	var err error
	s := &fdDatagram{network: "udp"}
	switch c := conn.(type) {
	case *net.UDPConn:
		s.remote = c.RemoteAddr()
		fd, err = takeOver(c)
	case *net.UnixConn:
		s.network = "unixgram"
		s.remote = c.RemoteAddr()
		fd, err = takeOver(c)
	default:
		return l.packetSocketOf(conn), nil
	}
	if err != nil {
		return nil, err
	}
	s.fdStream = fdStream{loop: l, fd: fd, datagram: true, remote: s.remote}
	switch sa, _ := unix.Getsockname(fd); sa.(type) {
	case *unix.SockaddrInet4:
		s.family = unix.AF_INET
	case *unix.SockaddrInet6:
		s.family = unix.AF_INET6
	default:
		s.family = unix.AF_UNIX
	}
	return s, nil
}

func (s *fdDatagram) Attach(owner netio.DatagramOwner) error {
	s.owner = owner
	return s.loop.polling.register(s.fd, owner, netio.Readable)
}

func (s *fdDatagram) Watch(r netio.Readiness) error {
	if r&netio.Writable != 0 && s.deaf() {
		r &^= netio.Writable
		s.retryLater()
	}
	if err := s.loop.polling.modify(s.fd, r); err != nil {
		return os.NewSyscallError("poll", err)
	}
	return nil
}

// deaf reports whether nothing tells when there is room again: to a poller a Unix socket that is not
// connected always has some, as it is the receiver's queue that is full.
func (s *fdDatagram) deaf() bool { return s.family == unix.AF_UNIX && s.remote == nil }

// retryLater has the owner try again to send after a while.
func (s *fdDatagram) retryLater() {
	if s.retry != nil {
		return
	}
	s.wait = min(max(2*s.wait, time.Millisecond), 64*time.Millisecond)
	s.retry = s.loop.callAt("", s.loop.after(s.wait), func() {
		s.retry = nil
		s.owner.Ready(netio.Writable)
	})
}

func (s *fdDatagram) Receive(p []byte) (n int, from net.Addr, err error) {
	n, from, err = s.sysReceive(p)
	if err != nil && err != netio.ErrWouldBlock {
		err = &net.OpError{Op: "read", Net: s.network, Source: s.LocalAddr(), Addr: s.remote, Err: err}
	}
	return n, from, err
}

func (s *fdDatagram) Send(p []byte, to net.Addr) error {
	if s.remote != nil {
		to = nil
	}
	err := s.sysSend(p, to)
	if err == netio.ErrWouldBlock {
		return err
	}
	s.wait = 0
	if err != nil {
		if to == nil {
			to = s.remote
		}
		return &net.OpError{Op: "write", Net: s.network, Source: s.LocalAddr(), Addr: to, Err: err}
	}
	return nil
}

func (s *fdDatagram) Sending() bool { return false }

func (s *fdDatagram) Fits(addr net.Addr) bool {
	switch a := addr.(type) {
	case *net.UDPAddr:
		return a != nil && s.family != unix.AF_UNIX
	case *net.UnixAddr:
		return a != nil && s.family == unix.AF_UNIX
	}
	return false
}

func (s *fdDatagram) Close() {
	if s.retry != nil {
		s.retry.cancel()
		s.retry = nil
	}
	s.fdStream.Close()
}

// addressFor returns the IP address of a, in a form for sockets of family.
func addressFor(a *net.UDPAddr, family int) (netip.Addr, error) {
	ip, ok := netip.AddrFromSlice(a.IP)
	want := "IP"
	if family == unix.AF_INET {
		ip = ip.Unmap()
		ok = ok && ip.Is4()
		want = "IPv4"
	}
	if !ok {
		return ip, &net.AddrError{Err: "not an " + want + " address", Addr: a.String()}
	}
	if a.Port < 0 || a.Port > 0xFFFF {
		return ip, &net.AddrError{Err: "invalid port", Addr: a.String()}
	}
	return ip, nil
}
