package aio

// A server of a loop as a net.Listener. There are two queues: accepted connections that
// wait for an Accept, and Accepts that wait for a connection. One of them is always
// empty. The loop owns both.

import (
	"context"
	"net"
	"sync/atomic"
)

// maxAccepted is how many connections wait for Accept before further ones stay in the
// system's backlog. The connections accepted in the same pass may exceed it.
const maxAccepted = 128

// netListener is the net.Listener that Listen returns.
type netListener struct {
	loop   *Loop
	srv    *Server
	closed atomic.Bool // Close was called

	// Owned by the token.
	conns ring[net.Conn]
	calls chain[acceptCall, *acceptCall]
	held  bool  // accepting is paused: connections stay in the backlog
	lost  error // why no more connections can come; nil while they can
}

// acceptCall is an Accept that waits.
type acceptCall struct {
	links[acceptCall]
	listener    *netListener
	conn        net.Conn
	err         error
	waiter      *waiter // for a call of a task
	outsideCall         // for a call of another goroutine
}

var _ linked[acceptCall] = (*acceptCall)(nil)

// Listen listens on an address and returns a [net.Listener], for server libraries. The
// network is "tcp", "tcp4" or "tcp6" with an address "host:port", or "unix" with a
// path. Each accepted connection belongs to the loop, as [NewConn] makes it. The
// options are those of [CreateServer] and [CreateUnixServer]; nil means the defaults.
// DeferServing and Limit must not be set. Listen suspends the calling task, and fails,
// as CreateServer does.
//
// Any goroutine may call Accept, also concurrently. It suspends a task of the loop, or
// blocks any other goroutine, until there is a connection. Calls get connections in the
// order of the calls. A callback of the loop cannot wait: in a callback Accept fails
// with [ErrNoTask]. If a task is cancelled in Accept, Accept fails with a
// [*CancelledError] and no connection is lost. About 128 connections wait for Accept;
// further ones wait in the system's backlog.
//
// Any goroutine may call Close. It makes each Accept fail with an error that matches
// [net.ErrClosed], and closes the connections that were not accepted yet; accepted
// connections stay open. Outside the loop Close does not wait for the loop, so the
// address may become free slightly later. If the loop is closed, Accept fails with an
// error that matches [ErrLoopClosed] and net.ErrClosed.
//
// asyncio has no equivalent.
func Listen(ctx context.Context, network, address string, opts *ServerOptions) (net.Listener, error) {
	const call = "Listen"
	c, err := enter(ctx, call)
	if err != nil {
		return nil, err
	}
	var o ServerOptions
	if opts != nil {
		o = *opts
	}
	if o.DeferServing {
		return nil, usagef(call, "DeferServing must not be set: a net.Listener has no call that begins to serve")
	}
	ln := &netListener{loop: c.fut.loop}
	factory := func() acceptProtocol { return acceptProtocol{ln} }
	switch network {
	case "tcp", "tcp4", "tcp6":
		o.Network = network
		ln.srv, err = createServer(ctx, call, factory, address, &o)
	case "unix":
		ln.srv, err = createUnixServer(ctx, call, factory, address, &o)
	default:
		err = &net.OpError{Op: "listen", Net: network, Err: net.UnknownNetworkError(network)}
	}
	if err != nil {
		ln.end(net.ErrClosed) // a connection may be queued already
		return nil, err
	}
	ln.loop.open.add(ln)
	return ln, nil
}

// acceptProtocol is the first protocol of the connections.
type acceptProtocol struct{ listener *netListener }

func (p acceptProtocol) ConnectionMade(t Transport) { p.listener.arrived(NewConn(t)) }

// arrived passes a connection to an Accept or queues it.
func (ln *netListener) arrived(c net.Conn) {
	if ln.lost != nil { // the listener was closed during the handshake
		_ = c.Close()
		return
	}
	ln.conns.push(c)
	ln.pump()
}

// pump gives queued connections to the waiting calls.
func (ln *netListener) pump() {
	for ln.calls.head != nil && ln.resume(ln.calls.head) {
		call := ln.calls.pop()
		if call.done != nil {
			call.finish()
		} else {
			call.waiter.wake()
		}
	}
	ln.hold()
}

// resume is like advance, for a call in the queue.
func (ln *netListener) resume(call *acceptCall) (done bool) {
	if !call.take() {
		return true // the call was refused
	}
	if done = ln.advance(call); !done {
		call.release()
	}
	return done
}

// advance completes a call if that is possible now.
func (ln *netListener) advance(call *acceptCall) (done bool) {
	switch {
	case ln.lost != nil:
		call.err = ln.opError("accept", ln.lost)
	case ln.conns.n > 0:
		call.conn = ln.conns.pop()
	default:
		return false
	}
	return true
}

// hold pauses accepting while too many connections are queued.
func (ln *netListener) hold() {
	if hold := ln.conns.n >= maxAccepted; hold != ln.held && ln.lost == nil {
		ln.held = hold
		ln.srv.hold(hold)
	}
}

// Accept implements net.Listener.
func (ln *netListener) Accept() (net.Conn, error) {
	if ln.loop.holdsToken() {
		return ln.await()
	}
	call := &acceptCall{listener: ln, outsideCall: outsideCall{done: make(chan struct{})}}
	if !ln.loop.postBlocked(call) {
		return nil, ln.opError("accept", errConnLoop)
	}
	call.wait(ln.loop, call)
	return call.conn, call.err
}

// await is like Accept, for a task.
func (ln *netListener) await() (net.Conn, error) {
	const name = "Listener.Accept"
	c, err := enter(ln.loop.ctx, name)
	if err != nil {
		return nil, err
	}
	call := &acceptCall{listener: ln}
	if call.start() {
		return call.conn, call.err
	}
	if err = c.waitOnce(name, &call.waiter); err == nil {
		return call.conn, call.err
	}
	ln.calls.remove(call)
	// the task was cancelled after it got a connection and before it ran
	if call.conn != nil {
		ln.conns.pushFront(call.conn)
		ln.pump()
	}
	return nil, err
}

// start starts a call, and reports whether it is done. If it is not, the call has been
// added to the listener's queue of calls.
func (call *acceptCall) start() (done bool) {
	ln := call.listener
	if ln.calls.head == nil && ln.advance(call) {
		ln.hold()
		return true
	}
	ln.calls.push(call)
	return false
}

// run implements runnable, for a call from another goroutine.
func (call *acceptCall) run(*future) {
	if call.start() {
		close(call.done)
	} else {
		call.begin(call.listener.loop, call)
	}
}

// abandon implements orphan.
func (call *acceptCall) abandon() { call.refuse(call.listener.opError("accept", errConnLoop)) }

// refuse implements refusable.
func (call *acceptCall) refuse(err error) {
	if call.takeOver() {
		call.err = err
		close(call.done)
	}
}

// ownLoop is for the Sock calls in a simulated network.
func (ln *netListener) ownLoop() *Loop { return ln.loop }

// Addr implements net.Listener.
func (ln *netListener) Addr() net.Addr { return ln.srv.Addr() }

// Close implements net.Listener.
func (ln *netListener) Close() error {
	if ln.closed.Swap(true) {
		return ln.opError("close", net.ErrClosed)
	}
	if ln.loop.holdsToken() {
		ln.end(net.ErrClosed)
		return nil
	}
	if !ln.loop.post(readyEntry{&Handle{loop: ln.loop, fn: func() { ln.end(net.ErrClosed) }}, nil}, false) {
		return ln.opError("close", errConnLoop)
	}
	return nil
}

// end closes the server and everything that waits.
func (ln *netListener) end(reason error) {
	if ln.lost != nil {
		return
	}
	ln.lost = reason
	if ln.srv != nil {
		ln.loop.open.remove(ln)
		ln.srv.close()
	}
	for ln.conns.n > 0 {
		_ = ln.conns.pop().Close() // Close does not fail for a new connection
	}
	ln.pump()
}

// closeWithLoop implements closer. The server and the connections are themselves
// closers.
func (ln *netListener) closeWithLoop() {
	ln.lost = errConnLoop
	ln.conns = ring[net.Conn]{}
	ln.pump()
}

func (ln *netListener) opError(op string, err error) error {
	at := ln.Addr()
	return &net.OpError{Op: op, Net: at.Network(), Addr: at, Err: err}
}
