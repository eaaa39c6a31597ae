package aio

// A transport as a net.Conn. All its state belongs to the loop, and is owned by the
// token: there is no lock. A task of the loop works on it directly and awaits; another
// goroutine hands each call to the loop and, for a Read or Write, blocks on a channel
// until the loop has done it. A lock around a common buffer would save other goroutines
// some ways to the loop, and cost all the tasks, for whom a loop is made.
//
// Each direction is a queue of calls, of which the first makes progress and the others
// wait for it to be done: so what is written at the same time does not mix, as with the
// connections of package net. A call leaves its queue when it is done, be it with an
// error; pump makes what progress there can be, and is called whenever something has
// changed.

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// maxPiece is how much a Write hands to the transport before it looks whether that wants
// a pause.
const maxPiece = 64 << 10

// netConn is the net.Conn of a transport, and its protocol. For the protocol's methods
// see the netConnProtocol.
type netConn struct {
	// Immutable.
	loop          *Loop
	t             Transport
	local, remote net.Addr
	halfCloses    bool // CloseWrite is possible
	secure        bool // TLS ends in both directions at once

	closed atomic.Bool // Close was called
	// why a call was refused, which a library that then closes the connection may not
	// tell
	refused atomic.Pointer[error]

	// Owned by the token.
	reads, writes connHalf
	in            []byte    // that has come and nobody has read
	page          *connPage // that in is in, nil if it is in memory of its own
	lent          bool      // the transport reads into the buffer of the first Read
	held          bool      // in has no room, so reading is paused
	blocked       bool      // the transport wants no more for now
	eof           bool      // the other end will send no more
	writeClosed   bool      // CloseWrite was called
	lost          bool      // there is no connection any more
	cause         error     // why
}

// netConnProtocol is a netConn as the protocol of its transport, so that what a transport
// calls is no method of the net.Conn.
type netConnProtocol netConn

// connHalf is one direction of a netConn.
type connHalf struct {
	conn  *netConn
	write bool
	calls []*connCall  // that are not done, the first in progress
	late  bool         // the deadline has passed
	timer *TimerHandle // of the deadline, nil if there is none or it has passed
	spare *connCall    // for the next task

	// stopped is the error with which a task that was cancelled in a call had to
	// stop; nil if none had to. Parsers drop an error and ask again, while a
	// cancellation is delivered once.
	stopped error
}

// connCall is a Read or Write. Until it is done the loop has it, then its caller.
type connCall struct {
	half   *connHalf
	p      []byte
	n      int
	err    error
	waiter *waiter       // of a task that waits
	done   chan struct{} // of another goroutine that waits
}

// NewConn returns t as a [net.Conn], for code that wants one: tls.Client,
// textproto.NewConn, pgconn. [Dialer] and [Listen] make such connections without a
// transport at hand. It must be called by a task or callback of t's loop, which may be
// the ConnectionMade of t's first protocol; the net.Conn takes its place, and gets what
// arrives from then on. Reading, writing and closing are up to the net.Conn. Abort,
// GetExtraInfo and SetWriteBufferLimits of t may still be used.
//
// The methods may be called by any goroutine, by several at once. A Read or Write that
// has to wait suspends the calling task of t's loop. Another goroutine, be it a task of
// another loop, it blocks until the loop has done it, so it had better be made while
// the loop runs. A callback of the loop cannot wait: there, Read and Write fail with
// [ErrNoTask]. No other method waits.
//
// What a library can do with it depends on who waits for whom:
//
//   - A library that reads and writes in the goroutine of its caller may be called in a
//     task of t's loop, as it is: where it would block, the task is suspended.
//   - A library with goroutines of its own, of which the caller waits for one over a
//     channel or a lock, blocks the loop when it is called in a task; its goroutines
//     wait for the loop, and nothing goes on. [net/http.Client], gRPC, pools of
//     connections and everything that multiplexes one are of this kind. Call it by
//     [ToThread], over connections of its own or of the loop.
//   - A library that serves, in goroutines of its own that call a handler, may use the
//     loop's connections while the loop runs.
//
// Where a goroutine waits for the loop in a Read or Write that the loop has not begun,
// for more than a second in which the loop is blocked by a task or callback that itself
// waits for a channel or a lock, that Read or Write fails with an error that matches
// [ErrUsage] and names the place. A [Dialer] and the Accept of a [Listen] do the same.
// A goroutine whose Read the loop has begun, and which has nothing to read, is not
// found that way: [Loop.StartWatchdog] names the step that blocks the loop.
// docs/service.md has a table of well-known libraries.
//
// Read waits until there is something; while nobody reads, up to 16 KiB are read ahead.
// Write waits while the transport has more buffered than its high mark, and returns
// when the transport has all of p. Close ends all calls that wait, and has the
// transport write what it has. Deadlines are those of package time, under a virtual
// clock too: what is left until then passes in the loop's time. The net.Conn has a
// CloseWrite() error as well, as [*net.TCPConn] has; it fails with
// [errors.ErrUnsupported] if t.CanWriteEOF() is false.
//
// If the task is cancelled while it waits, Read fails with a [*CancelledError] and has
// taken nothing; so does Write, and says how much of p the transport has. Each further
// Read, or Write, then fails with the same error, as after a deadline, until
// SetDeadline, SetReadDeadline or SetWriteDeadline sets another one. A library may put
// an error of its own in place of that: after a call of one in a task, return
// context.Cause(ctx) if ctx has ended, or the cancellation is lost. The other errors
// are those of package net: [io.EOF], or a [*net.OpError] with [net.ErrClosed] after
// Close or the end of the transport, [os.ErrDeadlineExceeded], [syscall.EPIPE] after
// CloseWrite, or the reason why the connection was lost. When the loop is closed the
// error matches [ErrLoopClosed] and, outside of tasks, net.ErrClosed.
//
// NewConn panics with [ErrWrongGoroutine], with ErrLoopClosed if the loop is closed,
// and with ErrUsage if t is not a transport of this package. (asyncio has nothing like
// it)
func NewConn(t Transport) net.Conn {
	own, ok := t.(interface{ common() *endpoint })
	if !ok {
		misuse("NewConn", "a %T is not a transport of this package", t)
	}
	e := own.common()
	e.loop.check("NewConn")
	e.loop.mustBeOpen("NewConn")
	c := &netConn{
		loop:    e.loop,
		t:       t,
		local:   connAddr(t, "sockname"),
		remote:  connAddr(t, "peername"),
		blocked: writingPaused(t),
	}
	c.halfCloses = t.CanWriteEOF()
	_, c.secure = t.(*tlsTransport)
	c.reads.conn, c.writes.conn, c.writes.write = c, c, true
	t.SetProtocol((*netConnProtocol)(c))
	if s, ok := t.(*streamTransport); ok {
		c.eof = s.ended // which will not be said again
	}
	if t.IsClosing() {
		c.lost = true // which may have been said
		return c
	}
	c.loop.open.add(c)
	t.ResumeReading()
	return c
}

// connAddr returns an address of t, which is not nil: code that has a net.Conn relies on
// that.
func connAddr(t Transport, name string) net.Addr {
	if addr, ok := t.GetExtraInfo(name).(net.Addr); ok {
		return addr
	}
	return unknownAddr{}
}

// unknownAddr is the address of an end that has none.
type unknownAddr struct{}

func (unknownAddr) Network() string { return "aio" }
func (unknownAddr) String() string  { return "unknown" }

func (c *netConn) LocalAddr() net.Addr  { return c.local }
func (c *netConn) RemoteAddr() net.Addr { return c.remote }

func (c *netConn) Read(p []byte) (int, error)  { return c.reads.do("Conn.Read", p) }
func (c *netConn) Write(p []byte) (int, error) { return c.writes.do("Conn.Write", p) }

// do makes a call, and waits until it is done.
func (h *connHalf) do(name string, p []byte) (int, error) {
	if h.conn.loop.holdsToken() {
		return h.await(name, p)
	}
	call := &connCall{half: h, p: p, done: make(chan struct{})}
	if !h.conn.loop.postBlocked(call) {
		return 0, h.opError(errConnLoop)
	}
	<-call.done
	return call.n, call.err
}

// await is do for a task.
func (h *connHalf) await(name string, p []byte) (int, error) {
	l := h.conn.loop
	c, err := enter(l.ctx, name)
	if err != nil {
		return 0, err
	}
	call := h.spare
	if h.spare = nil; call == nil {
		call = &connCall{half: h}
	}
	call.p = p
	if !h.begin(call) {
		if err = c.waitOnce(name, &call.waiter); err != nil {
			h.withdraw(call)
			if call.err = err; interrupted(err) {
				h.stopped = err
			}
		}
	}
	n, err := call.n, call.err
	*call = connCall{half: h}
	h.spare = call
	return n, err
}

// run implements runnable, for a call of another goroutine.
func (call *connCall) run(*future) {
	if call.half.begin(call) {
		close(call.done)
	}
}

// abandon implements orphan.
func (call *connCall) abandon() {
	call.err = call.half.opError(errConnLoop)
	close(call.done)
}

// refuse implements refusable.
func (call *connCall) refuse(err error) {
	call.half.conn.refused.Store(&err)
	call.err = call.half.opError(err)
	close(call.done)
}

// begin makes a call, and reports whether it is done: if not, it is in the queue.
func (h *connHalf) begin(call *connCall) (done bool) {
	if h.stopped != nil && !h.conn.closed.Load() {
		call.err = h.stopped
		return true
	}
	if len(h.calls) == 0 && h.advance(call) {
		return true
	}
	h.calls = append(h.calls, call)
	return false
}

// pump makes what progress there can be.
func (h *connHalf) pump() {
	for len(h.calls) > 0 && h.advance(h.calls[0]) {
		h.pop()
	}
}

// pop takes the first call, which is done, out of the queue.
func (h *connHalf) pop() {
	call := h.calls[0]
	h.calls = slices.Delete(h.calls, 0, 1)
	if call.done != nil {
		close(call.done)
	} else {
		call.waiter.wake()
	}
}

// withdraw gives up a call whose task was cancelled, perhaps after the call was done.
func (h *connHalf) withdraw(call *connCall) {
	if i := slices.Index(h.calls, call); i >= 0 {
		h.calls = slices.Delete(h.calls, i, i+1)
		h.pump()
	} else if !h.write {
		h.conn.putBack(call.p[:call.n])
		call.n = 0
	}
}

// advance goes on with the call, and reports whether it is done.
func (h *connHalf) advance(call *connCall) bool {
	switch {
	case h.conn.closed.Load():
		call.err = h.opError(net.ErrClosed)
	case h.late:
		call.err = h.opError(os.ErrDeadlineExceeded)
	case h.write:
		return h.conn.advanceWrite(call)
	default:
		return h.conn.advanceRead(call)
	}
	return true
}

func (c *netConn) advanceRead(call *connCall) bool {
	switch {
	case len(call.p) == 0:
	case len(c.in) > 0:
		call.n = copy(call.p, c.in)
		c.in = c.in[call.n:]
		c.makeRoom()
	case c.eof:
		call.err = io.EOF
	case c.lost:
		call.err = c.reads.opError(c.cause)
	default:
		return false
	}
	return true
}

func (c *netConn) advanceWrite(call *connCall) bool {
	for {
		switch {
		case c.lost:
			call.err = c.writes.opError(c.cause)
			return true
		case c.writeClosed:
			call.err = c.writes.opError(syscall.EPIPE)
			return true
		case call.n == len(call.p):
			return true
		case c.blocked:
			return false
		}
		n, err := c.send(call.p[call.n:min(call.n+maxPiece, len(call.p))])
		call.n += n
		switch {
		case err == nil:
		case isIOError(err): // ConnectionLost follows
			c.lost, c.cause = true, err
		default:
			call.err = err
			return true
		}
	}
}

// send writes to the transport. A panic must not lose the call.
func (c *netConn) send(p []byte) (n int, err error) {
	defer recovered(&err)
	return c.t.Write(p)
}

// makeRoom gives the memory of in back if there is nothing in it.
func (c *netConn) makeRoom() {
	if len(c.in) > 0 {
		return
	}
	if c.in = nil; c.page != nil {
		connPages.Put(c.page)
		c.page = nil
	}
	if c.held {
		c.held = false
		c.t.ResumeReading()
	}
}

// holdIfFull pauses reading if in has no room.
func (c *netConn) holdIfFull() {
	if len(c.in) > 0 && len(c.in) == cap(c.in) && !c.held {
		c.held = true
		c.t.PauseReading()
	}
}

// putBack makes p the next to be read.
func (c *netConn) putBack(p []byte) {
	if len(p) == 0 || c.closed.Load() {
		return
	}
	rest := c.in
	c.in = append(slices.Clip(slices.Clone(p)), rest...)
	if c.page != nil {
		connPages.Put(c.page)
		c.page = nil
	}
	c.holdIfFull()
	c.reads.pump()
}

// errConnLoop is the cause of a connection that went down with its loop.
var errConnLoop = fmt.Errorf("%w: %w", ErrLoopClosed, net.ErrClosed)

// opError is err in the form of package net.
func (h *connHalf) opError(err error) error {
	if h.write {
		return h.conn.opError("write", err)
	}
	return h.conn.opError("read", err)
}

func (c *netConn) opError(op string, err error) error {
	if err == nil {
		err = net.ErrClosed
	}
	if why := c.refused.Load(); why != nil && err == net.ErrClosed {
		err = fmt.Errorf("%w, after this: %w", err, *why)
	}
	if _, ok := err.(*net.OpError); ok { // of a connection below
		return err
	}
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}

// tell has fn called by the loop, now if the caller holds the token. It does not wait:
// what the same goroutine, or one that it tells, does later comes later.
func (c *netConn) tell(op string, fn func()) error {
	if c.loop.holdsToken() {
		fn()
		return nil
	}
	if !c.loop.post(readyEntry{&Handle{loop: c.loop, fn: fn}, nil}, false) {
		return c.opError(op, errConnLoop)
	}
	return nil
}

// Close implements net.Conn.
func (c *netConn) Close() error {
	if c.closed.Swap(true) {
		return c.opError("close", net.ErrClosed)
	}
	return c.tell("close", func() {
		c.stopAll()
		c.in = nil
		c.held = false // or there would be a ResumeReading
		c.makeRoom()
		_ = c.t.Close() // a transport's Close does not fail
	})
}

// stopAll has the calls that wait fail, for a reason that is set, and stops the timers.
func (c *netConn) stopAll() {
	for _, h := range []*connHalf{&c.reads, &c.writes} {
		stopTimer(&h.timer)
		h.pump()
	}
}

// CloseWrite closes the writing half once everything is written.
func (c *netConn) CloseWrite() error {
	if c.closed.Load() {
		return c.opError("close", net.ErrClosed)
	}
	if !c.halfCloses {
		return c.opError("close", errors.ErrUnsupported)
	}
	return c.tell("close", func() {
		if c.lost || c.writeClosed {
			return
		}
		c.writeClosed = true
		c.t.WriteEOF()
		c.writes.pump()
	})
}

// SetDeadline implements net.Conn.
func (c *netConn) SetDeadline(t time.Time) error { return c.setDeadline(t, &c.reads, &c.writes) }

// SetReadDeadline implements net.Conn.
func (c *netConn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, &c.reads) }

// SetWriteDeadline implements net.Conn.
func (c *netConn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.writes) }

func (c *netConn) setDeadline(t time.Time, halves ...*connHalf) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	return c.tell("set", func() {
		for _, h := range halves {
			h.setDeadline(t)
		}
	})
}

func (h *connHalf) setDeadline(t time.Time) {
	stopTimer(&h.timer)
	h.late, h.stopped = false, nil
	if t.IsZero() || h.conn.lost || h.conn.closed.Load() {
		return
	}
	if left := time.Until(t); left > 0 {
		h.timer = h.conn.loop.wakeAt(h.conn.loop.after(left), h)
		return
	}
	h.due()
}

// due implements timerTarget.
func (h *connHalf) due() {
	h.timer = nil
	h.late = true
	h.pump()
}

// lose is the end of the connection.
func (c *netConn) lose(err error) {
	if !c.lost {
		c.lost, c.cause = true, err
	}
	c.loop.open.remove(c)
	c.stopAll()
}

// closeWithLoop has what waits outside the loop fail, because the loop is closed.
func (c *netConn) closeWithLoop() { c.lose(errConnLoop) }

// GetBuffer implements BufferedProtocol. A Read that waits gets the bytes straight into
// its buffer, unless that is small: then reading more at once and copying it is cheaper
// than more system calls. (With reads of 4 KiB of what comes without a pause, by half.)
func (p *netConnProtocol) GetBuffer(int) []byte {
	c := (*netConn)(p)
	if calls := c.reads.calls; len(calls) > 0 && len(calls[0].p) >= len(connPage{}) {
		c.lent = true
		return calls[0].p
	}
	c.lent = false
	if c.in == nil {
		c.page = connPages.Get().(*connPage)
		c.in = c.page[:0]
	}
	return c.in[len(c.in):cap(c.in)]
}

// BufferUpdated implements BufferedProtocol.
func (p *netConnProtocol) BufferUpdated(n int) {
	c := (*netConn)(p)
	if c.lent {
		c.reads.calls[0].n = n
		c.reads.pop()
		return
	}
	c.in = c.in[:len(c.in)+n]
	c.reads.pump()
	c.holdIfFull()
}

// EOFReceived is for the transport. Writing goes on where it can.
func (p *netConnProtocol) EOFReceived() bool {
	p.eof = true
	(*netConn)(p).reads.pump()
	return !p.secure
}

// ConnectionLost is for the transport.
func (p *netConnProtocol) ConnectionLost(err error) { (*netConn)(p).lose(err) }

// PauseWriting is for the transport.
func (p *netConnProtocol) PauseWriting() { p.blocked = true }

// ResumeWriting is for the transport.
func (p *netConnProtocol) ResumeWriting() {
	p.blocked = false
	p.writes.pump()
}
