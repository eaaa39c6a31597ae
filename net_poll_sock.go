//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio

// The calls of sockcalls.go on descriptors.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
	"github.com/goaio/aio/internal/sysio"
)

// fdSocket is a descriptor that the user owns.
type fdSocket struct{ triedSocket }

// watch implements fileBackend.
func (b pollBackend) watch(fd int, owner netio.Owner) error {
	return b.loop.polling.register(fd, owner, netio.Readable)
}

// socket implements fileBackend: it makes a socket from a descriptor or from a value
// that has one. A blocking descriptor is refused: it would stop not only the loop but
// the whole program, because Go's scheduler does not know of these calls.
func (b pollBackend) socket(call string, sock any) (socket, error) {
	switch sock.(type) {
	case *net.TCPConn, *net.UnixConn, *net.UDPConn, *net.IPConn, *net.TCPListener, *net.UnixListener:
	case net.Conn, net.PacketConn, net.Listener:
		// The methods of another type may do more than read and write a
		// descriptor.
		return b.fallback.socket(call, sock)
	}
	fd, raw, err := descriptorOf(call, sock)
	if err != nil {
		return nil, err
	}
	if _, err := b.loop.watcherOf(call, watchable{fd: fd}); err != nil {
		return nil, err
	}
	s := &fdSocket{triedSocket{b.loop, call, watchable{fd: fd}, raw}}
	return s, s.use(s.checkNonBlocking)
}

func (s *fdSocket) checkNonBlocking() error {
	flags, err := unix.FcntlInt(uintptr(s.fd), unix.F_GETFL, 0)
	switch {
	case err != nil:
		return os.NewSyscallError("fcntl", err)
	case flags&unix.O_NONBLOCK == 0:
		return usagef(s.call, "descriptor %d blocks: make it non-blocking", s.fd)
	}
	return nil
}

// recv returns the data that is there when the poller reports the descriptor, as
// asyncio does. But the task itself reads, one pass later: otherwise a cancellation in
// between would lose the data. So recv remembers how many bytes were there at the time
// of the report.
func (s *fdSocket) recv(ctx context.Context, memory func() []byte) (p []byte, err error) {
	there := 0 // 0 means unknown
	err = s.receiveWhen(ctx, func() error {
		buf := memory()
		if there > 0 && there < len(buf) {
			buf = buf[:there]
		}
		n, err := sysio.Read(s.fd, buf)
		p = buf[:n]
		return err
	}, func() {
		err := s.use(func() (err error) {
			there, err = sysio.Pending(s.fd)
			return err
		})
		if err != nil { // not every kind of descriptor supports this
			there = 0
		}
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (s *fdSocket) recvfrom(ctx context.Context, memory func() []byte) (p []byte, addr net.Addr, err error) {
	err = s.receive(ctx, func() error {
		buf := memory()
		n, from, err := unix.Recvfrom(s.fd, buf, 0)
		if err != nil {
			return transferError("recvfrom", err)
		}
		p, addr = buf[:n], sysio.NetAddr(from, true)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return p, addr, nil
}

func (s *fdSocket) sendall(ctx context.Context, p []byte) error {
	return s.send(ctx, func() (done bool, err error) {
		n, err := sysio.Write(s.fd, p)
		p = p[n:]
		return len(p) == 0, err
	})
}

func (s *fdSocket) sendto(ctx context.Context, p []byte, addr net.Addr) error {
	var to unix.Sockaddr
	if addr != nil {
		var err error
		if to, err = s.sockaddr(addr); err != nil {
			return err
		}
	}
	try := func() (done bool, err error) {
		if addr == nil {
			_, err = sysio.Write(s.fd, p)
		} else {
			err = transferError("sendto", unix.Sendto(s.fd, p, 0, to))
		}
		return err == nil, err
	}
	if _, isUnix := to.(*unix.SockaddrUnix); isUnix {
		return s.sendWithBackoff(ctx, try)
	}
	return s.send(ctx, try)
}

// sendWithBackoff is send where the poller cannot report room: an unconnected Unix
// socket is always writable, because it is the receiver's queue that is full.
func (s *fdSocket) sendWithBackoff(ctx context.Context, try func() (done bool, err error)) error {
	var wait backoff
	for {
		err := s.use(func() error {
			_, err := try()
			return err
		})
		if err != netio.ErrWouldBlock {
			return err
		}
		if err := Sleep(ctx, wait.next()); err != nil {
			return err
		}
	}
}

// transferError converts the error of a system call on a non-blocking descriptor.
func transferError(call string, err error) error {
	if err == unix.EAGAIN || err == unix.EINTR {
		// an interrupted call can wait for the poller as well
		return netio.ErrWouldBlock
	}
	return os.NewSyscallError(call, err)
}

// sockaddr returns the kernel's form of addr for this socket.
func (s *fdSocket) sockaddr(addr net.Addr) (unix.Sockaddr, error) {
	switch a := addr.(type) {
	case *net.UnixAddr:
		return &unix.SockaddrUnix{Name: a.Name}, nil
	case interface{ AddrPort() netip.AddrPort }: // such as a *net.UDPAddr
		family := 0
		if own, err := unix.Getsockname(s.fd); err == nil {
			family = sysio.Family(own)
		}
		return sysio.SockaddrIn(family, a.AddrPort())
	}
	return nil, usagef(s.call, "the address %v is a %T: it must be a *net.UDPAddr or *net.UnixAddr", addr, addr)
}

func (s *fdSocket) connect(ctx context.Context, addr string) error {
	own, err := unix.Getsockname(s.fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	family, network := sysio.Family(own), "tcp"
	if typ, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TYPE); err == nil && typ == unix.SOCK_DGRAM {
		network = "udp"
	}
	switch family {
	case unix.AF_UNIX:
		to := &net.UnixAddr{Name: addr, Net: "unix"}
		return s.connectTo(ctx, to, &unix.SockaddrUnix{Name: addr})
	case unix.AF_INET:
		network += "4"
	case unix.AF_INET6:
		network += "6"
	default:
		return fmt.Errorf("aio: %s: unsupported address family: %w", s.call, errors.ErrUnsupported)
	}
	host, port, err := splitAddr(s.call, addr)
	if err != nil {
		return err
	}
	found, err := s.loop.resolve(ctx, network, host, port, false)
	if err != nil {
		return err
	}
	sa, err := sysio.SockaddrIn(family, found[0])
	if err != nil {
		return err
	}
	return s.connectTo(ctx, sysio.NetAddr(sa, network[0] == 'u'), sa)
}

func (s *fdSocket) connectTo(ctx context.Context, to net.Addr, sa unix.Sockaddr) error {
	if err := s.loop.connect(ctx, s.call, s.fd, sa); err != nil {
		return dialError(to.Network(), to, err)
	}
	return nil
}

func (s *fdSocket) accept(ctx context.Context) (net.Conn, error) {
	var fd int
	err := s.receive(ctx, func() (err error) {
		fd, _, err = sysio.Accept(s.fd)
		for err == unix.ECONNABORTED || err == unix.EINTR {
			// the next attempt may succeed
			fd, _, err = sysio.Accept(s.fd)
		}
		return transferError("accept", err)
	})
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "connection")
	defer f.Close() // FileConn makes a duplicate
	return net.FileConn(f)
}

// checkStream returns an error unless the socket is one of a stream.
func (s *fdSocket) checkStream() error {
	typ, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if typ != unix.SOCK_STREAM {
		return usagef(s.call, "it takes stream sockets only")
	}
	return nil
}

func (s *fdSocket) sendfile(ctx context.Context, f *fileSend) error {
	switch err := s.checkStream(); {
	case err != nil:
		return err
	case f.systemFile() == nil:
		return ErrSendfileNotAvailable
	case f.remaining == 0:
		return nil
	}
	// After each part, including the last one, the task waits until there is room
	// again, as in asyncio: so a peer that keeps up does not keep the other tasks
	// from running. asyncio removes its writer before each part.
	err := s.sendEach(ctx, true, func() (done bool, err error) { return f.system(s.fd) })
	return f.asNotAvailable(err)
}

func (s *fdSocket) sendcopy(ctx context.Context, f *fileSend) error {
	return f.copy(ctx, func(p []byte) error { return s.sendall(ctx, p) })
}
