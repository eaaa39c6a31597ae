//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio

// Connections on descriptors of the poller: dialed ones, and existing ones.

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
	"github.com/goaio/aio/internal/sysio"
)

// pollBackend serves connections with the poller of their loop. A connection without a
// pollable descriptor goes to fallback.
type pollBackend struct {
	loop     *Loop
	fallback backend
}

// newPollBackend returns the back end on the poller.
func newPollBackend(l *Loop, fallback backend) backend { return pollBackend{l, fallback} }

// takeOver moves the descriptor of c to the loop. It closes c; otherwise each event
// would also wake Go's own poller.
func takeOver(c interface {
	syscall.Conn
	io.Closer
}) (fd int, err error) {
	if fd, err = sysio.DupOf(c); err != nil {
		return -1, err
	}
	c.Close()
	return fd, nil
}

// Stream makes a stream from a connection: from its descriptor if that is a stream
// socket.
func (b pollBackend) Stream(conn net.Conn) (netio.Stream, error) {
	switch c := conn.(type) {
	case *net.TCPConn:
		return b.takeStream(c, c, false)
	case *net.UnixConn:
		if c.LocalAddr().Network() == "unix" {
			return b.takeStream(c, c, true)
		}
	}
	return b.fallback.Stream(conn)
}

func (b pollBackend) takeStream(conn net.Conn, c interface {
	syscall.Conn
	io.Closer
}, unix bool) (netio.Stream, error) {
	remote := conn.RemoteAddr()
	fd, err := takeOver(c)
	if err != nil {
		return nil, err
	}
	if !unix {
		sysio.SetNoDelay(fd)
	}
	return &fdStream{loop: b.loop, fd: fd, unix: unix, remote: remote}, nil
}

// connect connects a non-blocking socket.
func (l *Loop) connect(ctx context.Context, call string, fd int, sa unix.Sockaddr) error {
	var wait backoff
	for {
		err := unix.Connect(fd, sa)
		switch err {
		case nil, unix.EISCONN:
			return nil
		case unix.EAGAIN:
			// the queue of a Unix socket's listener is full, and nothing
			// reports when it has room
			if err := Sleep(ctx, wait.next()); err != nil {
				return err
			}
			continue
		case unix.EINPROGRESS, unix.EINTR, unix.EALREADY:
			return l.connected(ctx, call, fd)
		}
		return os.NewSyscallError("connect", err)
	}
}

// connected waits for the outcome of a connect in progress.
func (l *Loop) connected(ctx context.Context, call string, fd int) error {
	if err := l.awaitDescriptor(ctx, call, fd, netio.Writable); err != nil {
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

// DialTCP connects to remote, from local if that is valid.
func (b pollBackend) DialTCP(ctx context.Context, remote, local netip.AddrPort) (netio.Stream, error) {
	s, err := b.loop.dialSocket(ctx, remote, local)
	if err != nil {
		return nil, dialError("tcp", net.TCPAddrFromAddrPort(remote), err)
	}
	sysio.SetNoDelay(s.fd)
	return s, nil
}

func (l *Loop) dialSocket(ctx context.Context, remote, local netip.AddrPort) (_ *fdStream, err error) {
	sa, family, err := sysio.Sockaddr(remote)
	if err != nil {
		return nil, err
	}
	fd, err := sysio.Socket(family, unix.SOCK_STREAM)
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
		from, _, err := sysio.Sockaddr(local)
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

// DialUnix connects to the Unix socket at path.
func (b pollBackend) DialUnix(ctx context.Context, path string) (_ netio.Stream, err error) {
	addr := &net.UnixAddr{Name: path, Net: "unix"}
	fd, err := sysio.Socket(unix.AF_UNIX, unix.SOCK_STREAM)
	if err != nil {
		return nil, dialError("unix", addr, err)
	}
	connected := false
	defer func() {
		if !connected {
			unix.Close(fd)
		}
	}()
	if err := b.loop.connect(ctx, "CreateUnixConnection", fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, dialError("unix", addr, err)
	}
	connected = true
	return &fdStream{loop: b.loop, fd: fd, unix: true, remote: addr}, nil
}
