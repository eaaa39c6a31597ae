package aiotest

// The adapter between a run and its simulated network. See internal/simnet.

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/simnet"
)

// driver is the run in the form that a network uses.
type driver struct{ r *run }

// Now implements simnet.Driver.
func (d driver) Now() time.Duration {
	if d.r.world != nil {
		return d.r.world.time()
	}
	return d.r.view.Now()
}

// Choose implements simnet.Driver.
func (d driver) Choose(n int, what string) int { return d.r.choose(n, what) }

// Note implements simnet.Driver.
func (d driver) Note(text string) {
	if d.r.log != nil {
		d.r.log.note(text)
	}
}

// hostLoop is a loop in the form that its host uses.
type hostLoop struct{ loop *aio.Loop }

// Soon implements simnet.Loop.
func (h hostLoop) Soon(f func()) { h.loop.CallSoon(f) }

// Waiter implements simnet.Loop.
func (h hostLoop) Waiter(ctx context.Context) (wait func() error, wake func(), err error) {
	f := aio.CreateFuture[struct{}](ctx)
	wait = func() error {
		_, err := f.Await(ctx)
		return err
	}
	wake = func() {
		if !f.Done() {
			// cannot fail: the future is not done
			_ = f.SetResult(struct{}{})
		}
	}
	return wait, wake, nil
}

// connect gives the loop of the run a simulated network, if the run has one.
func (r *run) connect() {
	r.host = nil
	if !r.network {
		return
	}
	n := simnet.New(driver{r})
	n.Fault = r.fault
	r.host = n.Host("localhost")
	r.host.Start(hostLoop{r.loop})
	r.view.SetNetwork(r.host)
}

// Socket is a non-blocking socket of a simulated network, for the calls that take a
// descriptor or a socket of package net in a real network: the Sock calls of package
// aio, Loop.AddReader, and the options Conn and Listener. A program that makes its
// sockets itself can get them from a function, which a test replaces by [NewSocket].
//
// It is a [net.Conn], a [net.Listener] and a [net.PacketConn]. None of its methods
// blocks or awaits: instead the error matches [syscall.EAGAIN]. Only tasks and
// callbacks of its loop may use it. Deadlines fail with [errors.ErrUnsupported].
type Socket interface {
	net.Conn
	// Bind binds the socket to an address: "IP:port" or, for a Unix socket, a path.
	// The port 0 means a free one.
	Bind(addr string) error
	// Listen makes a bound stream socket accept connections; backlog is how many
	// may wait.
	Listen(backlog int) error
	// Accept returns the next connection, which is a Socket.
	Accept() (net.Conn, error)
	// Addr is LocalAddr.
	Addr() net.Addr
	// ReadFrom and WriteTo receive and send a datagram.
	ReadFrom(p []byte) (n int, from net.Addr, err error)
	WriteTo(p []byte, to net.Addr) (n int, err error)
	// CloseWrite closes a stream for writing.
	CloseWrite() error
	// SetLinger makes Close reset the connection, if sec is 0.
	SetLinger(sec int) error
}

// NewSocket makes a socket of the simulated network of ctx's loop. The network is
// "tcp4", "tcp6", "udp4", "udp6", "unix" or "unixgram"; the error for another one is a
// [net.UnknownNetworkError]. Use aio.SockConnect to connect the socket. The error
// matches aio.ErrUsage if the network of the loop is not simulated.
func NewSocket(ctx context.Context, network string) (Socket, error) {
	h, err := hostOf(ctx, "NewSocket")
	if err != nil {
		return nil, err
	}
	s, err := h.NewSocket(network)
	if err != nil {
		return nil, err // a nil *simnet.Socket is not a nil Socket
	}
	return s, nil
}

// SocketPair makes two connected Unix sockets of the simulated network of ctx's loop.
// (Python: socket.socketpair) The error matches aio.ErrUsage if the network is not
// simulated.
func SocketPair(ctx context.Context) (a, b Socket, err error) {
	h, err := hostOf(ctx, "SocketPair")
	if err != nil {
		return nil, nil, err
	}
	a, b = h.SocketPair()
	return a, b, nil
}

// hostOf returns the simulated host of ctx's loop.
func hostOf(ctx context.Context, call string) (*simnet.Host, error) {
	if ctx == nil {
		return nil, usagef("%s: the context is nil", call)
	}
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return nil, fmt.Errorf("aiotest: %s: %w", call, err)
	}
	v, _ := runs.Load(loop)
	r, _ := v.(*run)
	switch {
	case r == nil:
	case r.world != nil:
		for _, h := range r.world.hosts {
			if h.loop == loop {
				return h.sim, nil
			}
		}
		return r.host, nil
	case r.host != nil:
		return r.host, nil
	}
	return nil, usagef("%s: the network of the loop is not simulated", call)
}
