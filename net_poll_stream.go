//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio

// Sockets and pipes as descriptors of the loop's poller.

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
)

// canPoll reports whether descriptors can be polled.
const canPoll = true

// fdStream is a stream over a descriptor that is non-blocking, and owned by it.
type fdStream struct {
	loop     *Loop
	fd       int // -1 once it is closed
	datagram bool
	unix     bool // a Unix socket
	remote   net.Addr
}

func (s *fdStream) Attach(owner netio.Owner) error {
	return s.loop.polling.register(s.fd, owner, 0)
}

func (s *fdStream) Read(p []byte) (n int, more bool, err error) {
	n, more, err = sysReceive(s.fd, p, s.unix)
	switch {
	case err != nil:
		return 0, false, err
	case n == 0:
		return 0, false, io.EOF
	}
	return n, more, nil
}

func (s *fdStream) Write(p []byte) (n int, err error) { return sysWrite(s.fd, p) }

func (s *fdStream) CloseWrite() error {
	err := unix.Shutdown(s.fd, unix.SHUT_WR)
	if err == unix.ENOTCONN {
		err = nil // the other end is gone altogether
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

// abort is close: it is the kernel that sends the rest.
func (s *fdStream) Abort() { s.Close() }

func (s *fdStream) LocalAddr() net.Addr {
	if s.fd < 0 {
		return nil
	}
	sa, err := sysGetsockname(s.fd)
	if err != nil {
		return nil
	}
	return netAddr(sa, s.datagram)
}

func (s *fdStream) RemoteAddr() net.Addr { return s.remote }

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
	fd, err := dup(s.fd)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}

// rawConn implements syscall.RawConn. As the descriptor does not block, neither do Read and Write.
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

// dup duplicates a descriptor.
func dup(fd int) (int, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	return n, os.NewSyscallError("dup", err)
}

// dupOf returns a duplicate of the descriptor of c. Neither of the two blocks any more.
func dupOf(c syscall.Conn) (fd int, err error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	if cerr := rc.Control(func(n uintptr) { fd, err = dup(int(n)) }); cerr != nil {
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

// sockaddrOf is the form in which the kernel takes an address.
func sockaddrOf(ap netip.AddrPort) (sa unix.Sockaddr, family int, err error) {
	addr := ap.Addr()
	if addr.Is4() || addr.Is4In6() {
		return &unix.SockaddrInet4{Port: int(ap.Port()), Addr: addr.As4()}, unix.AF_INET, nil
	}
	sa6 := &unix.SockaddrInet6{Port: int(ap.Port()), Addr: addr.As16()}
	if zone := addr.Zone(); zone != "" {
		if ifi, err := net.InterfaceByName(zone); err == nil {
			sa6.ZoneId = uint32(ifi.Index)
		} else if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
			sa6.ZoneId = uint32(n)
		} else {
			return nil, 0, fmt.Errorf("aio: %v: no such network interface: %q", ap, zone)
		}
	}
	return sa6, unix.AF_INET6, nil
}

// addrPortOf is the address that the kernel gave, as far as it is one of the internet.
func addrPortOf(sa unix.Sockaddr) (ap netip.AddrPort, ok bool) {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), true
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 && addr.Is6() {
			zone := strconv.FormatUint(uint64(sa.ZoneId), 10)
			if ifi, err := net.InterfaceByIndex(int(sa.ZoneId)); err == nil {
				zone = ifi.Name
			}
			addr = addr.WithZone(zone)
		}
		return netip.AddrPortFrom(addr, uint16(sa.Port)), true
	}
	return netip.AddrPort{}, false
}

// netAddr is the address of a stream or datagram socket in Go's form, nil if it has none.
func netAddr(sa unix.Sockaddr, datagram bool) net.Addr {
	if ap, ok := addrPortOf(sa); ok {
		if datagram {
			return net.UDPAddrFromAddrPort(ap)
		}
		return net.TCPAddrFromAddrPort(ap)
	}
	if sa, ok := sa.(*unix.SockaddrUnix); ok {
		if datagram {
			return &net.UnixAddr{Name: sa.Name, Net: "unixgram"}
		}
		return &net.UnixAddr{Name: sa.Name, Net: "unix"}
	}
	return nil
}

// newSocket returns a socket that is non-blocking and not inherited by child processes.
func newSocket(family, typ int) (int, error) {
	fd, err := sysSocket(family, typ)
	return fd, os.NewSyscallError("socket", err)
}

// setNoDelay has small writes sent at once, as asyncio does.
func setNoDelay(fd int) { _ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }
