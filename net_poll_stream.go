//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio

// Sockets and pipes as descriptors of the loop's poller.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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

func (s *fdStream) attach(owner pollable) error {
	return s.loop.polling.register(s.fd, owner, 0)
}

func (s *fdStream) read(p []byte) (n int, more bool, err error) {
	n, more, err = sysReceive(s.fd, p, s.unix)
	switch {
	case err != nil:
		return 0, false, err
	case n == 0:
		return 0, false, io.EOF
	}
	return n, more, nil
}

func (s *fdStream) write(p []byte) (n int, err error) { return sysWrite(s.fd, p) }

func (s *fdStream) closeWrite() error {
	err := unix.Shutdown(s.fd, unix.SHUT_WR)
	if err == unix.ENOTCONN {
		err = nil // the other end is gone altogether
	}
	return os.NewSyscallError("shutdown", err)
}

func (s *fdStream) close() {
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
func (s *fdStream) abort() { s.close() }

func (s *fdStream) localAddr() net.Addr {
	if s.fd < 0 {
		return nil
	}
	sa, err := sysGetsockname(s.fd)
	if err != nil {
		return nil
	}
	return netAddr(sa, s.datagram)
}

func (s *fdStream) remoteAddr() net.Addr { return s.remote }

func (s *fdStream) canCloseWrite() bool { return true }

func (s *fdStream) socket() *TransportSocket { return &TransportSocket{s} }

// syscallConn implements descriptorHolder.
func (s *fdStream) syscallConn() (syscall.RawConn, error) {
	if s.fd < 0 {
		return nil, net.ErrClosed
	}
	return rawConn{s}, nil
}

// file implements descriptorHolder.
func (s *fdStream) file() (*os.File, error) {
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

// takeOver makes the descriptor of c one of the loop's. c is closed, as it would have Go's own poller
// woken for nothing by each event.
func takeOver(c interface {
	syscall.Conn
	io.Closer
}) (fd int, err error) {
	if fd, err = dupOf(c); err != nil {
		return -1, err
	}
	c.Close()
	return fd, nil
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

// streamOf makes a stream of a connection: of its descriptor if it has one that is a stream socket, of
// goroutines otherwise.
func (l *Loop) streamOf(conn net.Conn) (stream, error) {
	if l.goroutines {
		return l.newConnStream(conn), nil
	}
	switch c := conn.(type) {
	case *net.TCPConn:
		return l.takeStream(c, c, false)
	case *net.UnixConn:
		if c.LocalAddr().Network() == "unix" {
			return l.takeStream(c, c, true)
		}
	}
	return l.newConnStream(conn), nil
}

func (l *Loop) takeStream(conn net.Conn, c interface {
	syscall.Conn
	io.Closer
}, unix bool) (stream, error) {
	remote := conn.RemoteAddr()
	fd, err := takeOver(c)
	if err != nil {
		return nil, err
	}
	if !unix {
		setNoDelay(fd)
	}
	return &fdStream{loop: l, fd: fd, unix: unix, remote: remote}, nil
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

// awaitDescriptor suspends the calling task until fd is ready for r.
func (l *Loop) awaitDescriptor(ctx context.Context, call string, fd int, r readiness) error {
	return l.whenReady(ctx, call, fd, r, func() bool { return true })
}

// whenReady suspends the calling task, and has try called in each pass in which fd is ready for r until
// it reports that it is done. It is not called once the task is cancelled.
func (l *Loop) whenReady(ctx context.Context, call string, fd int, r readiness, try func() (done bool)) error {
	e, err := enter(ctx, call)
	if err != nil {
		return err
	}
	w := l.newWaiter(call)
	h := &Handle{loop: l, fn: func() {
		if w.state == pending && try() {
			w.wake()
		}
	}}
	if err := l.watch(call, fd, r, h); err != nil {
		l.freeWaiter(w)
		return err
	}
	err = e.await(&w.future)
	// Somebody else may wait for fd by now, or the descriptor be a transport's.
	if at, ok := l.polling.ownerOf(fd).(*watcher); ok && *at.slot(r) == h {
		l.unwatch(at, r)
	}
	h.cancel()
	l.freeWaiter(w)
	return err
}

// connect connects a non-blocking socket.
func (l *Loop) connect(ctx context.Context, call string, fd int, sa unix.Sockaddr) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 64*time.Millisecond) {
		err := unix.Connect(fd, sa)
		switch err {
		case nil, unix.EISCONN:
			return nil
		case unix.EAGAIN: // the queue of a Unix socket's listener is full, and nothing tells when it no longer is
			if err := Sleep(ctx, wait); err != nil {
				return err
			}
			continue
		case unix.EINPROGRESS, unix.EINTR, unix.EALREADY:
			return l.connected(ctx, call, fd)
		}
		return os.NewSyscallError("connect", err)
	}
}

// connected waits until a connect that is under way has its outcome.
func (l *Loop) connected(ctx context.Context, call string, fd int) error {
	if err := l.awaitDescriptor(ctx, call, fd, writable); err != nil {
		return err
	}
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if n != 0 {
		return os.NewSyscallError("connect", unix.Errno(n))
	}
	return nil
}

// dialTCP connects to remote, from local if that is valid.
func (l *Loop) dialTCP(ctx context.Context, remote, local netip.AddrPort) (stream, error) {
	if l.goroutines {
		return l.dialInGoroutine(ctx, "tcp", remote.String(), local)
	}
	s, err := l.dialSocket(ctx, remote, local)
	if err != nil {
		return nil, dialError("tcp", net.TCPAddrFromAddrPort(remote), err)
	}
	setNoDelay(s.fd)
	return s, nil
}

func (l *Loop) dialSocket(ctx context.Context, remote, local netip.AddrPort) (_ *fdStream, err error) {
	sa, family, err := sockaddrOf(remote)
	if err != nil {
		return nil, err
	}
	fd, err := newSocket(family, unix.SOCK_STREAM)
	if err != nil {
		return nil, err
	}
	connected := false
	defer func() {
		if !connected {
			unix.Close(fd)
		}
	}()
	if local.IsValid() {
		from, _, err := sockaddrOf(local)
		if err != nil {
			return nil, err
		}
		if err := unix.Bind(fd, from); err != nil {
			return nil, fmt.Errorf("%v: %w", local, os.NewSyscallError("bind", err))
		}
	}
	if err := l.connect(ctx, "CreateConnection", fd, sa); err != nil {
		return nil, err
	}
	connected = true
	return &fdStream{loop: l, fd: fd, remote: net.TCPAddrFromAddrPort(remote)}, nil
}

// dialUnix connects to the Unix socket at path.
func (l *Loop) dialUnix(ctx context.Context, path string) (_ stream, err error) {
	if l.goroutines {
		return l.dialInGoroutine(ctx, "unix", path, netip.AddrPort{})
	}
	addr := &net.UnixAddr{Name: path, Net: "unix"}
	fd, err := newSocket(unix.AF_UNIX, unix.SOCK_STREAM)
	if err != nil {
		return nil, dialError("unix", addr, err)
	}
	connected := false
	defer func() {
		if !connected {
			unix.Close(fd)
		}
	}()
	if err := l.connect(ctx, "CreateUnixConnection", fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, dialError("unix", addr, err)
	}
	connected = true
	return &fdStream{loop: l, fd: fd, unix: true, remote: addr}, nil
}

// dialError adds to an error of the system where to the connection was to go.
func dialError(network string, to net.Addr, err error) error {
	if _, cancelled := asCancelled(err); cancelled || errors.Is(err, ErrLoopClosed) {
		return err
	}
	return &net.OpError{Op: "dial", Net: network, Addr: to, Err: err}
}

// fdListener accepts connections on a socket.
type fdListener struct {
	fdStream
	server  *Server
	started bool
	queued  bool
	paused  *TimerHandle // until when it does not accept, for want of descriptors
}

// bindTCP makes a socket that is bound to ap, and does not listen yet.
func (l *Loop) bindTCP(s *Server, ap netip.AddrPort, o *ServerOptions) (listener, error) {
	if l.goroutines {
		return l.listenInGoroutine(s, "tcp", ap.String(), o)
	}
	fail := func(err error) error {
		return &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(ap), Err: err}
	}
	sa, family, err := sockaddrOf(ap)
	if err != nil {
		return nil, fail(err)
	}
	fd, err := newSocket(family, unix.SOCK_STREAM)
	if err != nil {
		return nil, fail(err)
	}
	set := func(level, opt int) {
		if err == nil {
			err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, opt, 1))
		}
	}
	if !o.NoReuseAddress {
		set(unix.SOL_SOCKET, unix.SO_REUSEADDR)
	}
	if o.ReusePort {
		set(unix.SOL_SOCKET, unix.SO_REUSEPORT)
	}
	if o.KeepAlive {
		set(unix.SOL_SOCKET, unix.SO_KEEPALIVE)
	}
	if family == unix.AF_INET6 { // the wildcard address of IPv4 has a socket of its own
		set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	}
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, sa))
	}
	if err != nil {
		unix.Close(fd)
		return nil, fail(err)
	}
	return &fdListener{fdStream: fdStream{loop: l, fd: fd}, server: s}, nil
}

// bindUnix makes a socket that is bound to path, and does not listen yet.
func (l *Loop) bindUnix(s *Server, path string, o *ServerOptions) (listener, error) {
	if l.goroutines {
		return l.listenInGoroutine(s, "unix", path, o)
	}
	fd, err := newSocket(unix.AF_UNIX, unix.SOCK_STREAM)
	if err == nil {
		if err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrUnix{Name: path})); err != nil {
			unix.Close(fd)
		}
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "unix", Addr: &net.UnixAddr{Name: path, Net: "unix"}, Err: err}
	}
	return &fdListener{fdStream: fdStream{loop: l, fd: fd}, server: s}, nil
}

// listenerOf makes a listener of one that exists.
func (l *Loop) listenerOf(s *Server, ln net.Listener) (listener, error) {
	if !l.goroutines {
		switch c := ln.(type) {
		case *net.TCPListener:
			return l.takeListener(s, c)
		case *net.UnixListener:
			c.SetUnlinkOnClose(false) // the path is still in use
			return l.takeListener(s, c)
		}
	}
	return l.newConnListener(s, ln), nil
}

func (l *Loop) takeListener(s *Server, c interface {
	syscall.Conn
	io.Closer
}) (listener, error) {
	fd, err := takeOver(c)
	if err != nil {
		return nil, err
	}
	return &fdListener{fdStream: fdStream{loop: l, fd: fd}, server: s}, nil
}

func (f *fdListener) start(backlog int) error {
	if f.started {
		return nil
	}
	if err := unix.Listen(f.fd, backlog); err != nil {
		return os.NewSyscallError("listen", err)
	}
	if err := f.loop.polling.register(f.fd, f, readable); err != nil {
		return err
	}
	f.started = true
	return nil
}

func (f *fdListener) close() {
	if f.paused != nil {
		f.paused.cancel()
		f.paused = nil
	}
	f.fdStream.close()
}

// ready implements pollable.
func (f *fdListener) ready(readiness) {
	if !f.queued {
		f.queued = true
		f.loop.ready.push(event{f, nil})
	}
}

// discard implements pollable.
func (f *fdListener) discard() { f.close() }

// run implements runnable: it accepts what has come, up to the backlog, for other connections have a
// turn too.
func (f *fdListener) run(*future) {
	f.queued = false
	for range f.server.backlog + 1 {
		if f.fd < 0 || f.paused != nil {
			return
		}
		fd, sa, err := sysAccept(f.fd)
		switch {
		case err == nil:
			s := &fdStream{loop: f.loop, fd: fd, remote: netAddr(sa, false)}
			if _, s.unix = sa.(*unix.SockaddrUnix); !s.unix {
				setNoDelay(fd)
			}
			f.server.accepted(s)
		case err == unix.ECONNABORTED, err == unix.EINTR: // the next one may be fine
		case isExhaustion(err):
			f.pause() // first, as the handler may close the server
			f.server.exhausted(os.NewSyscallError("accept", err))
			return
		case err == unix.EAGAIN:
			return
		default:
			f.server.failed(os.NewSyscallError("accept", err))
			return
		}
	}
}

// pause stops accepting for a while, as the connection that could not be accepted stays where it is
// and would be reported in each pass.
func (f *fdListener) pause() {
	f.loop.polling.unregister(f.fd)
	f.paused = f.loop.callAt("", f.loop.after(acceptRetryDelay), func() {
		f.paused = nil
		if err := f.loop.polling.register(f.fd, f, readable); err != nil {
			f.server.failed(err)
		}
	})
}

// reusePort is a Control function of a net.ListenConfig.
func reusePort(_, _ string, c syscall.RawConn) (err error) {
	cerr := c.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	})
	return errors.Join(cerr, err)
}
