package aio

// A server of a loop as a net.Listener. Connections that were accepted wait in a line for
// calls of Accept, and calls of Accept in another one for connections: one of the two is
// empty. Both belong to the loop.

import (
	"context"
	"net"
	"slices"
	"sync/atomic"
)

// maxAccepted is how many connections wait for Accept before the system keeps the further
// ones; those of one pass come on top.
const maxAccepted = 128

// netListener is what Listen returns.
type netListener struct {
	loop   *Loop
	srv    *Server
	closed atomic.Bool // Close was called

	// Owned by the token.
	conns []net.Conn
	calls []*acceptCall
	held  bool  // the system keeps connections
	lost  error // why there will be no more, nil as long as there may be
}

// acceptCall is a call of Accept that waits.
type acceptCall struct {
	listener *netListener
	conn     net.Conn
	err      error
	waiter   *waiter       // of a task
	done     chan struct{} // of another goroutine
}

// Listen listens on an address of the network, "tcp", "tcp4" or "tcp6" with
// "host:port", or "unix" with a path, and returns a [net.Listener] for libraries that
// serve: each connection that it accepts is one of the loop's, as [NewConn] makes it.
// The options are those of [CreateServer] and [CreateUnixServer]; nil has the defaults.
// DeferServing and Limit must not be set. It suspends the calling task, and fails, as
// CreateServer does.
//
// Accept may be called by any goroutine, by several at once: it suspends a task of the
// loop until there is a connection, and blocks another goroutine; connections come in
// the order in which the calls were made. A callback of the loop cannot wait: there it
// fails with [ErrNoTask]. If a task is cancelled in Accept, that fails with a
// [*CancelledError], and no connection is lost. Some 128 connections wait for Accept;
// further ones wait in the system, and their clients with them.
//
// Close, by any goroutine, ends each Accept with an error that matches [net.ErrClosed],
// and closes the connections that nobody has accepted; the others go on. Goroutines
// need not wait for the loop for that: the address may be free a moment later. If the
// loop is closed, Accept fails with an error that matches [ErrLoopClosed] and
// net.ErrClosed.
//
// (asyncio has nothing like it)
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
		ln.end(net.ErrClosed) // a connection may have come already
		return nil, err
	}
	ln.loop.open.add(ln)
	return ln, nil
}

// acceptProtocol is the first protocol of the connections.
type acceptProtocol struct{ listener *netListener }

func (p acceptProtocol) ConnectionMade(t Transport) { p.listener.arrived(NewConn(t)) }

// arrived hands out a connection.
func (ln *netListener) arrived(c net.Conn) {
	if ln.lost != nil { // during the handshake
		_ = c.Close()
		return
	}
	ln.conns = append(ln.conns, c)
	ln.pump()
}

// pump gives connections to the calls that wait.
func (ln *netListener) pump() {
	for len(ln.calls) > 0 && ln.advance(ln.calls[0]) {
		call := ln.calls[0]
		ln.calls = slices.Delete(ln.calls, 0, 1)
		if call.done != nil {
			close(call.done)
		} else {
			call.waiter.wake()
		}
	}
	ln.hold()
}

// advance does a call, if it can be done now.
func (ln *netListener) advance(call *acceptCall) (done bool) {
	switch {
	case ln.lost != nil:
		call.err = ln.opError("accept", ln.lost)
	case len(ln.conns) > 0:
		call.conn = ln.conns[0]
		ln.conns = slices.Delete(ln.conns, 0, 1)
	default:
		return false
	}
	return true
}

// hold has the system keep connections while too many wait here.
func (ln *netListener) hold() {
	if hold := len(ln.conns) >= maxAccepted; hold != ln.held && ln.lost == nil {
		ln.held = hold
		ln.srv.hold(hold)
	}
}

// Accept implements net.Listener.
func (ln *netListener) Accept() (net.Conn, error) {
	if ln.loop.holdsToken() {
		return ln.await()
	}
	call := &acceptCall{listener: ln, done: make(chan struct{})}
	if !ln.loop.postBlocked(call) {
		return nil, ln.opError("accept", errConnLoop)
	}
	<-call.done
	return call.conn, call.err
}

// await is Accept for a task.
func (ln *netListener) await() (net.Conn, error) {
	const name = "Listener.Accept"
	c, err := enter(ln.loop.ctx, name)
	if err != nil {
		return nil, err
	}
	call := &acceptCall{listener: ln}
	if call.begin() {
		return call.conn, call.err
	}
	if err = c.waitOnce(name, &call.waiter); err == nil {
		return call.conn, call.err
	}
	if i := slices.Index(ln.calls, call); i >= 0 {
		ln.calls = slices.Delete(ln.calls, i, i+1)
	}
	if call.conn != nil { // it had come, and the task was cancelled before it ran
		ln.conns = slices.Insert(ln.conns, 0, call.conn)
		ln.pump()
	}
	return nil, err
}

// begin starts a call, and reports whether it is done. If it is not, the call has been
// added to the listener's queue of calls.
func (call *acceptCall) begin() (done bool) {
	ln := call.listener
	if len(ln.calls) == 0 && ln.advance(call) {
		ln.hold()
		return true
	}
	ln.calls = append(ln.calls, call)
	return false
}

// run implements runnable, for a call of another goroutine.
func (call *acceptCall) run(*future) {
	if call.begin() {
		close(call.done)
	}
}

// abandon implements orphan.
func (call *acceptCall) abandon() { call.refuse(errConnLoop) }

// refuse implements refusable.
func (call *acceptCall) refuse(err error) {
	call.err = call.listener.opError("accept", err)
	close(call.done)
}

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

// end closes the server and all that waits.
func (ln *netListener) end(reason error) {
	if ln.lost != nil {
		return
	}
	ln.lost = reason
	if ln.srv != nil {
		ln.loop.open.remove(ln)
		ln.srv.close()
	}
	for _, c := range ln.conns {
		_ = c.Close() // a fresh connection's does not fail
	}
	ln.conns = nil
	ln.pump()
}

// closeWithLoop implements closer. The server and the connections are closers themselves.
func (ln *netListener) closeWithLoop() {
	ln.lost = errConnLoop
	ln.conns = nil
	ln.pump()
}

func (ln *netListener) opError(op string, err error) error {
	at := ln.Addr()
	return &net.OpError{Op: op, Net: at.Network(), Addr: at, Err: err}
}
