package aio

// A transport as a net.Conn. The token owns all of its state, so there is no lock. A
// task of the loop works on the state directly and awaits. Any other goroutine passes
// each call to the loop and, for a Read or Write, blocks on a channel until the loop
// has completed it. A lock around a common buffer would save other goroutines a round
// trip to the loop, at the expense of every task, and tasks are what a loop is for.
//
// Each direction is a queue of calls. The first call makes progress; the others wait
// until it is done. So concurrent writes are not interleaved, as with the connections
// of package net. A call leaves its queue when it is done, also when it fails. pump
// makes as much progress as possible; it runs after every change of state.

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

// maxPiece is how many bytes a Write passes to the transport before it checks whether
// the transport has paused writing.
const maxPiece = 64 << 10

// netConn is the net.Conn of a transport, and its protocol. The protocol's methods are
// those of netConnProtocol.
type netConn struct {
	// Immutable.
	loop          *Loop
	t             Transport
	local, remote net.Addr
	halfCloses    bool // CloseWrite is possible
	secure        bool // TLS closes both directions together
	forTasks      bool // as in Dialer

	closed atomic.Bool // Close was called
	// refused is the reason why a call was refused. After Close the errors of later
	// calls wrap it too: a library may close the connection without a report of the
	// refusal, and report only such an error.
	refused atomic.Pointer[error]

	// Owned by the token.
	reads, writes connHalf
	in            []byte    // received and not read yet
	page          *connPage // the memory of in; nil if in is not in a page
	lent          bool      // the transport reads into the buffer of the first Read
	held          bool      // in has no room, so reading is paused
	blocked       bool      // the transport has paused writing
	eof           bool      // the peer will send no more
	writeClosed   bool      // CloseWrite was called
	lost          bool      // the connection is lost
	cause         error     // why
}

// netConnProtocol is a netConn as the protocol of its transport. With a type of their
// own, the protocol's methods are not methods of the net.Conn.
type netConnProtocol netConn

// connHalf is one direction of a netConn.
type connHalf struct {
	conn  *netConn
	write bool
	calls callQueue // calls that are not done; the first is in progress
	late  bool      // the deadline has passed
	// the timer of the deadline; nil if there is none or it has passed
	timer *TimerHandle
	spare *connCall // kept for the next call of a task

	// kept is the error of a task that was cancelled in a call of this direction.
	// Later calls return it again: parsers drop an error and read again, but a
	// cancellation is delivered only once.
	kept keptError
}

type callQueue = chain[connCall, *connCall]

// connCall is a Read or Write. The loop owns it until it is done, then its caller.
type connCall struct {
	links[connCall]
	half        *connHalf
	p           []byte
	n           int
	err         error
	waiter      *waiter // for a call of a task
	outsideCall         // for a call of another goroutine
}

var _ linked[connCall] = (*connCall)(nil)

// NewConn returns t as a [net.Conn], for code that needs one: tls.Client,
// textproto.NewConn, pgconn. [Dialer] and [Listen] make such connections without an
// explicit transport. Call NewConn in a task or callback of t's loop, for example in
// the ConnectionMade of t's first protocol. The net.Conn replaces the protocol of t and
// receives all data from then on. From then on only the net.Conn may read, write and
// close. Abort, GetExtraInfo and SetWriteBufferLimits of t may still be used.
//
// Any goroutine may call the methods, also concurrently. A Read or Write that has to
// wait suspends the calling task of t's loop. In any other goroutine, also that of
// another loop's task, the call blocks until the loop has completed it, so the loop
// must be running. A callback of the loop cannot wait: in a callback Read and Write
// fail with [ErrNoTask]. No other method waits.
//
// How to use a library with such a connection depends on which goroutines the library
// waits for:
//
//   - A library that reads and writes in the goroutine of its caller can be called in a
//     task of t's loop without changes: where it would block, the task is suspended.
//   - One that also reads ahead in a goroutine while it writes, such as pgx.Conn, needs
//     a connection of a [Dialer] with ForTasks.
//   - A library that has its own goroutines, and whose caller waits for one of them on
//     a channel or a lock, blocks the loop if a task calls it. Its goroutines wait for
//     the loop, so neither makes progress: a deadlock. [net/http.Client], gRPC,
//     connection pools and all clients that multiplex a connection are of this kind.
//     Call them with [ToThread], over their own connections or over those of the loop.
//   - A server library that calls a handler in its own goroutines can use the loop's
//     connections while the loop runs.
//
// NewConn detects this deadlock. Suppose a goroutine waits in a Read or Write, and a task
// or callback blocks the loop on a channel or a lock for more than a second. Then the
// Read or Write fails with an error that matches [ErrUsage] and names the place; if the
// loop has already begun it, that happens after some five seconds. A [Dialer] and the
// Accept of a [Listen] do the same. Until the loop continues, further calls fail at once.
// If the loop is still blocked there, log/slog gets a warning: a library that retries
// without a limit keeps the error to itself. [Loop.StartWatchdog] also reports steps that
// block the loop for other reasons. docs/service.md has a table of well-known libraries.
//
// Read waits for data; up to 16 KiB are read ahead. Write waits while the transport's
// buffer is above its high-water mark, and returns when the transport has all of p.
// Close makes all waiting calls fail, and the transport still writes its buffered data.
// Deadlines work as in package net. Under a virtual clock the time that remains until
// the deadline passes in the loop's time. The net.Conn also has a CloseWrite() error
// method, as [*net.TCPConn] has; it fails with [errors.ErrUnsupported] if
// t.CanWriteEOF() is false.
//
// If the task is cancelled while it waits, Read fails with a [*CancelledError] and
// consumes no data. Write fails in the same way and returns how many bytes of p the
// transport has. Each further Read, or Write, then fails with the same error, as after a
// deadline, until SetDeadline, SetReadDeadline or SetWriteDeadline sets a new deadline.
// In other tasks, and after the cancellation was handled, for example by a [Timeout] that
// has returned, the error matches [ErrCancelled], but is a failure of the task that
// returns it. A library may replace that error with its own. So after a call of a library
// in a task, return context.Cause(ctx) if ctx is done; otherwise the cancellation is
// lost.
//
// The other errors are those of package net: [io.EOF], or a [*net.OpError] with
// [net.ErrClosed] after Close or when the transport is closed,
// [os.ErrDeadlineExceeded], [syscall.EPIPE] after CloseWrite, or the reason why the
// connection was lost. When the loop is closed the error matches [ErrLoopClosed] and,
// outside of tasks, net.ErrClosed.
//
// NewConn panics with [ErrWrongGoroutine], with ErrLoopClosed if the loop is closed,
// and with ErrUsage if t is not a transport of this package. asyncio has no equivalent.
func NewConn(t Transport) net.Conn { return newConn(t) }

func newConn(t Transport) *netConn {
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
		c.eof = s.ended // EOFReceived is not called again
	}
	if t.IsClosing() {
		c.lost = true // ConnectionLost may have been called already
		return c
	}
	c.loop.open.add(c)
	t.ResumeReading()
	return c
}

// connAddr returns an address of t that is never nil: code that uses a net.Conn relies
// on that.
func connAddr(t Transport, name string) net.Addr {
	if addr, ok := t.GetExtraInfo(name).(net.Addr); ok {
		return addr
	}
	return unknownAddr{}
}

// unknownAddr is the address of an endpoint that has none.
type unknownAddr struct{}

func (unknownAddr) Network() string { return "aio" }
func (unknownAddr) String() string  { return "unknown" }

// ownLoop is for the Sock calls in a simulated network.
func (c *netConn) ownLoop() *Loop { return c.loop }

func (c *netConn) LocalAddr() net.Addr  { return c.local }
func (c *netConn) RemoteAddr() net.Addr { return c.remote }

func (c *netConn) Read(p []byte) (int, error)  { return c.reads.do("Conn.Read", p) }
func (c *netConn) Write(p []byte) (int, error) { return c.writes.do("Conn.Write", p) }

// do makes a call and waits until it is done.
func (h *connHalf) do(name string, p []byte) (int, error) {
	if h.conn.loop.holdsToken() {
		return h.await(name, p)
	}
	if h.conn.forTasks && !h.write && !h.conn.closed.Load() {
		return 0, h.opError(errForTasks{})
	}
	call := &connCall{half: h, p: p, outsideCall: outsideCall{done: make(chan struct{})}}
	if !h.conn.loop.postBlocked(call) {
		return 0, h.opError(errConnLoop)
	}
	call.wait(h.conn.loop, call)
	return call.n, call.err
}

// await is like do, for a task.
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
			call.err = h.kept.keep(c.task, err)
		}
	}
	n, err := call.n, call.err
	*call = connCall{half: h}
	h.spare = call
	return n, err
}

// run implements runnable, for a call from another goroutine.
func (call *connCall) run(*future) {
	if call.half.begin(call) {
		close(call.done)
	} else {
		call.begin(call.half.conn.loop, call)
	}
}

// abandon implements orphan.
func (call *connCall) abandon() {
	call.err = call.half.opError(errConnLoop)
	close(call.done)
}

// refuse implements refusable.
func (call *connCall) refuse(err error) {
	if call.takeOver() {
		call.half.conn.refused.Store(&err)
		call.err = err
		close(call.done)
	}
}

// begin starts a call and reports whether it is done. If not, the call is in the queue.
func (h *connHalf) begin(call *connCall) (done bool) {
	if h.kept.err != nil && !h.conn.closed.Load() {
		call.err = h.kept.again(h.conn.loop, "set a deadline")
		return true
	}
	if h.calls.head == nil && h.advance(call) {
		return true
	}
	h.calls.push(call)
	if h.write && h.conn.forTasks && h.conn.held {
		h.conn.grow()
		h.conn.held = false
		h.conn.t.ResumeReading()
	}
	return false
}

// pump makes as much progress as possible.
func (h *connHalf) pump() {
	for h.calls.head != nil && h.resume(h.calls.head) {
		h.pop()
	}
}

// resume is like advance, for a call in the queue.
func (h *connHalf) resume(call *connCall) bool {
	if !call.take() {
		return true // the call was refused
	}
	done := h.advance(call)
	if !done {
		call.release()
	}
	return done
}

// pop removes the first call, which is done, from the queue.
func (h *connHalf) pop() {
	call := h.calls.pop()
	if call.done != nil {
		call.finish()
	} else {
		call.waiter.wake()
	}
}

// withdraw cancels a call whose task was cancelled. The call may be done already.
func (h *connHalf) withdraw(call *connCall) {
	if h.calls.remove(call) {
		h.pump()
	} else if !h.write {
		h.conn.putBack(call.p[:call.n])
		call.n = 0
	}
}

// advance continues the call and reports whether it is done.
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

// send writes to the transport. It returns a panic of Write as an error, so that the
// waiting call gets a result.
func (c *netConn) send(p []byte) (n int, err error) {
	defer recovered(&err)
	return c.t.Write(p)
}

// makeRoom releases the memory of in if in is empty.
func (c *netConn) makeRoom() {
	if len(c.in) > 0 {
		return
	}
	c.in = nil
	c.dropPage()
	if c.held {
		c.held = false
		c.t.ResumeReading()
	}
}

// holdIfFull pauses reading if in has no room.
func (c *netConn) holdIfFull() {
	switch {
	case len(c.in) == 0 || len(c.in) < cap(c.in) || c.held:
	case c.forTasks && c.writes.calls.head != nil:
		// The peer may read only after it has written.
		c.grow()
	default:
		c.held = true
		c.t.PauseReading()
	}
}

// grow makes room in in, which is full.
func (c *netConn) grow() {
	c.in = slices.Grow(c.in, len(c.in))
	c.dropPage()
}

// dropPage releases the page, which in no longer uses.
func (c *netConn) dropPage() {
	if c.page != nil {
		connPages.Put(c.page)
		c.page = nil
	}
}

// putBack makes p the next data to be read.
func (c *netConn) putBack(p []byte) {
	if len(p) == 0 || c.closed.Load() {
		return
	}
	rest := c.in
	c.in = append(slices.Clip(slices.Clone(p)), rest...)
	c.dropPage()
	c.holdIfFull()
	c.reads.pump()
}

// errForTasks is the error of a Read that Dialer.ForTasks refuses. pgx continues after a
// timeout, and so does crypto/tls after a temporary error.
type errForTasks struct{}

func (errForTasks) Error() string {
	return "aio: Conn.Read: called outside of a task of the loop, for a connection of Dialer.ForTasks; if a task waits for this Read, make the call that waits with aio.ToThread"
}

func (errForTasks) Timeout() bool   { return true }
func (errForTasks) Temporary() bool { return true }
func (errForTasks) Unwrap() []error { return []error{ErrUsage, os.ErrDeadlineExceeded} }

// errConnLoop is the cause of a connection that was closed with its loop.
var errConnLoop = fmt.Errorf("%w: %w", ErrLoopClosed, net.ErrClosed)

// opError returns err in the form of package net.
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
		err = fmt.Errorf("%w, after a call was refused: %w", err, *why)
	}
	// the error of an underlying connection, which has this form already
	if _, ok := err.(*net.OpError); ok {
		return err
	}
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}

// tell makes the loop call fn, at once if the caller holds the token. It does not wait.
// Calls from one goroutine keep their order.
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
		c.held = false // otherwise makeRoom would call ResumeReading
		c.makeRoom()
		_ = c.t.Close() // a transport's Close does not fail
	})
}

// stopAll makes the waiting calls fail with the error that is already set, and stops
// the timers.
func (c *netConn) stopAll() {
	for _, h := range []*connHalf{&c.reads, &c.writes} {
		stopTimer(&h.timer)
		h.pump()
	}
}

// CloseWrite closes the write half after all data is written.
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
	h.late, h.kept = false, keptError{}
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

// lose ends the connection: all waiting calls fail.
func (c *netConn) lose(err error) {
	if !c.lost {
		c.lost, c.cause = true, err
	}
	c.loop.open.remove(c)
	c.stopAll()
}

// closeWithLoop makes calls from outside the loop fail, because the loop is closed.
func (c *netConn) closeWithLoop() { c.lose(errConnLoop) }

// GetBuffer implements BufferedProtocol. A waiting Read gets the bytes directly in its
// buffer, unless the buffer is small: then one larger read and a copy cost less than
// more system calls. (Half the time, for reads of 4 KiB from a continuous stream.)
func (p *netConnProtocol) GetBuffer(int) []byte {
	c := (*netConn)(p)
	if call := c.reads.calls.head; call != nil && len(call.p) >= len(connPage{}) && call.take() {
		c.lent = true
		return call.p
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
		c.reads.calls.head.n = n
		c.reads.pop()
		return
	}
	c.in = c.in[:len(c.in)+n]
	c.reads.pump()
	c.holdIfFull()
}

// The transport calls EOFReceived. Writing continues if the transport can half-close.
func (p *netConnProtocol) EOFReceived() bool {
	p.eof = true
	(*netConn)(p).reads.pump()
	return !p.secure
}

// The transport calls ConnectionLost.
func (p *netConnProtocol) ConnectionLost(err error) { (*netConn)(p).lose(err) }

// The transport calls PauseWriting.
func (p *netConnProtocol) PauseWriting() { p.blocked = true }

// The transport calls ResumeWriting.
func (p *netConnProtocol) ResumeWriting() {
	p.blocked = false
	p.writes.pump()
}
