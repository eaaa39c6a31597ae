//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio

// Datagram sockets on descriptors of the poller.

import (
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
	"github.com/goaio/aio/internal/sysio"
)

// fdDatagram is a datagram socket that owns a non-blocking descriptor. It is connected
// if remote, of fdStream, is not nil.
type fdDatagram struct {
	fdStream
	network string // for errors
	family  int
	owner   netio.DatagramOwner
	addrs   sysio.Addrs
	retry   *TimerHandle // the timer for another try to send, see missesWritable
	wait    backoff
}

// BindDatagram makes a socket that is bound to local and connected to remote, unless
// these are nil.
func (b pollBackend) BindDatagram(network string, local, remote net.Addr, o netio.DatagramOptions) (netio.Datagram, error) {
	s := &fdDatagram{network: network, family: sysio.NetworkFamily(network)}
	s.fdStream = fdStream{loop: b.loop, fd: -1, datagram: true}
	if err := s.open(local, remote, o); err != nil {
		s.Close()
		op, about := "listen", local
		if remote != nil {
			op, about = "dial", remote
		}
		return nil, &net.OpError{Op: op, Net: network, Source: local, Addr: about, Err: err}
	}
	return s, nil
}

// open makes the socket.
func (s *fdDatagram) open(local, remote net.Addr, o netio.DatagramOptions) (err error) {
	if s.fd, err = sysio.Socket(s.family, unix.SOCK_DGRAM); err != nil {
		return err
	}
	err = setOptions(s.fd, []socketOption{
		{unix.SOL_SOCKET, unix.SO_REUSEPORT, o.ReusePort},
		{unix.SOL_SOCKET, unix.SO_BROADCAST, o.Broadcast},
	})
	if err != nil {
		return err
	}
	if local != nil {
		if err := s.withSockaddr("bind", local, unix.Bind); err != nil {
			return err
		}
	}
	if remote == nil || o.Broadcast {
		return nil
	}
	s.remote = remote
	return s.withSockaddr("connect", remote, unix.Connect)
}

// withSockaddr makes a system call with addr.
func (s *fdDatagram) withSockaddr(name string, addr net.Addr, call func(fd int, sa unix.Sockaddr) error) error {
	sa, err := sysio.SockaddrFor(s.family, addr)
	if err != nil {
		return err
	}
	return os.NewSyscallError(name, call(s.fd, sa))
}

// Datagram makes a socket from an existing one: from its descriptor if it is one of
// package net.
func (b pollBackend) Datagram(conn net.PacketConn) (netio.Datagram, error) {
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
		return b.fallback.Datagram(conn)
	}
	if err != nil {
		return nil, err
	}
	s.fdStream = fdStream{loop: b.loop, fd: fd, datagram: true, remote: s.remote}
	if s.family = unix.AF_UNIX; s.network == "udp" {
		sa, _ := sysio.Getsockname(fd)
		s.family = sysio.Family(sa)
	}
	return s, nil
}

func (s *fdDatagram) Attach(owner netio.DatagramOwner) error {
	s.owner = owner
	return s.loop.polling.register(s.fd, owner, netio.Readable)
}

func (s *fdDatagram) Watch(r netio.Readiness) error {
	if r&netio.Writable != 0 && s.missesWritable() {
		r &^= netio.Writable
		s.retryLater()
	}
	if err := s.loop.polling.modify(s.fd, r); err != nil {
		return os.NewSyscallError("poll", err)
	}
	return nil
}

// missesWritable reports whether the poller cannot report when there is room again, as
// for fdSocket.sendWithBackoff.
func (s *fdDatagram) missesWritable() bool { return s.family == unix.AF_UNIX && s.remote == nil }

// retryLater makes the owner try to send again later.
func (s *fdDatagram) retryLater() {
	if s.retry != nil {
		return
	}
	s.retry = s.loop.callAt("", s.loop.after(s.wait.next()), func() {
		s.retry = nil
		s.owner.Ready(netio.Writable)
	})
}

func (s *fdDatagram) Receive(p []byte) (n int, from net.Addr, err error) {
	n, from, err = s.addrs.Recvfrom(s.fd, p)
	if err != nil && err != netio.ErrWouldBlock {
		err = &net.OpError{Op: "read", Net: s.network, Source: s.LocalAddr(), Addr: s.remote, Err: err}
	}
	return n, from, err
}

func (s *fdDatagram) Send(p []byte, to net.Addr) error {
	if s.remote != nil {
		to = nil
	}
	err := s.addrs.Sendto(s.fd, s.family, p, to)
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
