//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio

// Listening sockets on descriptors of the poller. A socket that has met a limit of the
// system pauses for a second, as asyncio's do.

import (
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
	"github.com/goaio/aio/internal/sysio"
)

// fdListener accepts connections on a socket.
type fdListener struct {
	fdStream
	acceptor netio.Acceptor // nil before Start
	backlog  int
	queued   bool
	paused   *TimerHandle // ends the pause after a lack of descriptors
	held     bool         // accepting is stopped
}

// BindTCP makes a socket that is bound to ap, and does not listen yet.
func (b pollBackend) BindTCP(ap netip.AddrPort, o netio.ListenOptions) (netio.Listener, error) {
	fd, err := bindSocket(ap, o)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(ap), Err: err}
	}
	return &fdListener{fdStream: fdStream{loop: b.loop, fd: fd}}, nil
}

// bindSocket makes a stream socket that is bound to ap.
func bindSocket(ap netip.AddrPort, o netio.ListenOptions) (fd int, err error) {
	sa, family, err := sysio.Sockaddr(ap)
	if err != nil {
		return -1, err
	}
	if fd, err = sysio.Socket(family, unix.SOCK_STREAM); err != nil {
		return -1, err
	}
	err = setOptions(fd, []socketOption{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, !o.NoReuseAddress},
		{unix.SOL_SOCKET, unix.SO_REUSEPORT, o.ReusePort},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, o.KeepAlive},
		// IPv4 has a socket of its own
		{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, family == unix.AF_INET6},
	})
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, sa))
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// BindUnix makes a socket that is bound to path, and does not listen yet.
func (b pollBackend) BindUnix(path string, _ netio.ListenOptions) (netio.Listener, error) {
	fd, err := sysio.Socket(unix.AF_UNIX, unix.SOCK_STREAM)
	if err == nil {
		if err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrUnix{Name: path})); err != nil {
			unix.Close(fd)
		}
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "unix", Addr: &net.UnixAddr{Name: path, Net: "unix"}, Err: err}
	}
	return &fdListener{fdStream: fdStream{loop: b.loop, fd: fd}}, nil
}

// Listener makes a listener from an existing one.
func (b pollBackend) Listener(ln net.Listener) (netio.Listener, error) {
	switch c := ln.(type) {
	case *net.TCPListener:
		return b.takeListener(c)
	case *net.UnixListener:
		c.SetUnlinkOnClose(false) // the path is still in use
		return b.takeListener(c)
	}
	return b.fallback.Listener(ln)
}

func (b pollBackend) takeListener(c interface {
	syscall.Conn
	io.Closer
}) (netio.Listener, error) {
	fd, err := takeOver(c)
	if err != nil {
		return nil, err
	}
	return &fdListener{fdStream: fdStream{loop: b.loop, fd: fd}}, nil
}

func (f *fdListener) Start(a netio.Acceptor, backlog int) error {
	if f.acceptor != nil {
		return nil
	}
	if err := unix.Listen(f.fd, backlog); err != nil {
		return os.NewSyscallError("listen", err)
	}
	if err := f.loop.polling.register(f.fd, f, netio.Readable); err != nil {
		return err
	}
	f.acceptor, f.backlog = a, backlog
	return nil
}

func (f *fdListener) Close() {
	if f.paused != nil {
		f.paused.cancel()
		f.paused = nil
	}
	f.fdStream.Close()
}

// Ready implements netio.Owner.
func (f *fdListener) Ready(netio.Readiness) {
	if !f.queued {
		f.queued = true
		f.loop.enqueue(f)
	}
}

// Discard implements netio.Owner.
func (f *fdListener) Discard() { f.Close() }

// run implements runnable: it accepts waiting connections, up to the backlog, so that
// other connections are served too.
func (f *fdListener) run(*future) {
	f.queued = false
	for range f.backlog + 1 {
		if f.fd < 0 || f.paused != nil || f.held {
			return
		}
		fd, sa, err := sysio.Accept(f.fd)
		switch {
		case err == nil:
			s := &fdStream{loop: f.loop, fd: fd, remote: sysio.NetAddr(sa, false)}
			if _, s.unix = sa.(*unix.SockaddrUnix); !s.unix {
				sysio.SetNoDelay(fd)
			}
			f.acceptor.Accepted(s)
		case err == unix.ECONNABORTED, err == unix.EINTR:
			// the next attempt may succeed
		case isExhaustion(err):
			// pause before the exception handler runs, which may close the
			// server
			f.pause()
			f.acceptor.Exhausted(os.NewSyscallError("accept", err))
			return
		case err == unix.EAGAIN:
			return
		default:
			f.acceptor.Failed(os.NewSyscallError("accept", err))
			return
		}
	}
}

// pause stops accepting for a while, because the connection that could not be accepted
// stays in the queue and would be reported in each pass.
func (f *fdListener) pause() {
	f.loop.polling.unregister(f.fd)
	f.paused = f.loop.callAt("", f.loop.after(acceptRetryDelay), func() {
		f.paused = nil
		if f.held {
			return
		}
		if err := f.loop.polling.register(f.fd, f, netio.Readable); err != nil {
			f.acceptor.Failed(err)
		}
	})
}

// Hold stops accepting until it is called with false.
func (f *fdListener) Hold(on bool) error {
	if f.fd < 0 || f.held == on {
		return nil
	}
	switch f.held = on; {
	case f.paused != nil: // the socket will be registered at the end of the pause
		return nil
	case on:
		f.loop.polling.unregister(f.fd)
		return nil
	default:
		return f.loop.polling.register(f.fd, f, netio.Readable)
	}
}
