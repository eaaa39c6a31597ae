package aiohttp

// A request has two sides: the task in which the handler runs, and the goroutine of
// net/http's connection, which blocks where the task may not.
//
// The goroutine waits in exchange.serve for operations that the task sends it: those
// that write to the connection. Reads of the body have their own goroutines, because a
// handler may read and write concurrently. Each operation notifies the loop when it is
// done. These messages transfer the ownership of shared state, so no locks are needed.
// This also covers the case that a handler writes directly to the buffer of net/http:
// the goroutine does not touch the buffer at that time.
//
// A task that stops waiting for an operation sets its connection's deadline to the
// past. That ends the operation soon and makes that direction unusable, because the
// number of bytes transferred is unknown.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/plug"
)

// Handler returns an http.Handler that calls h in a task of l for each request. Any
// goroutine may serve with it, also concurrently; l must run in another goroutine. Once
// the loop is closed the response is 503; a loop that is stopped but not closed serves
// the request when it runs again.
//
// The context of the request that h gets is that of the task, with the values and the
// deadline of the context with which Handler was called. When that context ends because
// the client has disconnected, the task is cancelled, with [context.Cause] as the
// reason. If the context has a deadline, awaits fail as under any context with a
// deadline. Values set by middleware outside are available.
//
// h gets what net/http's handlers get. These calls suspend the running task while they
// wait for the client, and fail with a *aio.CancelledError if the task is cancelled in
// the call: reading and closing the body of the request; writing more of the response
// than fits into the buffers; flushing, with http.NewResponseController(w) or
// http.Flusher; WriteHeader with a status below 200; and Hijack. Several tasks may use
// both directions concurrently, as far as the protocol allows (see
// http.ResponseController.EnableFullDuplex). After h has returned, calls of w and reads
// of the body fail.
//
// A read that was abandoned, because of a cancellation or aio.Timeout, leaves the body
// unusable. The response may still be written, and the connection is closed after it;
// if the response had begun before the read was abandoned, the connection breaks,
// except in HTTP/2. An abandoned write breaks the connection.
//
// These calls take no context. They end with the context of the request, but not with a
// context that h derives from it: use aio.Timeout, or the deadlines of
// http.ResponseController.
//
// A response is never presented as complete if it may be incomplete. If the task is
// cancelled and h returns without having begun the response, the status is 503. If the
// response was begun before the cancellation, the connection is broken. A response that
// was begun after the cancellation is sent, and so is the response of a task that has
// called Uncancel. Closing the loop counts as a cancellation here, and so does the end
// of a context of the request that has a deadline.
//
// A panic of h continues in the goroutine that called Handler: net/http logs it and
// breaks the connection, and middleware outside may recover it. Its value is an error
// that wraps a *aio.PanicError and prints the stack of the task; http.ErrAbortHandler
// is passed on unchanged.
//
// WriteHeader calls the writer of the server at once; so do writes of the first bytes
// of a response if that writer is one of package net/http. Middleware outside whose
// WriteHeader blocks would block the loop.
//
// Handler panics with an error that matches aio.ErrUsage if the loop or the handler is
// nil.
func Handler(l *aio.Loop, h http.Handler) http.Handler {
	if l == nil || h == nil {
		panic(fmt.Errorf("aiohttp: Handler: the loop or the handler is nil: %w", aio.ErrUsage))
	}
	return &handler{loop: l, inner: h}
}

type handler struct {
	loop   *aio.Loop
	inner  http.Handler
	server *Server // the server of the request, nil if Serve did not start it
	// the address of the connection that had the last request; the pointer is its
	// identity
	last atomic.Pointer[net.TCPAddr]
}

// again reports whether the previous request came over the same connection as r. It may
// return false although that is so.
func (h *handler) again(r *http.Request) bool {
	if r.ProtoMajor != 1 { // requests of a connection are concurrent
		return false
	}
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return addr != nil && h.last.Swap(addr) == addr
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{handler: h, w: w, r: r}
	x.serve()
}

// maxOps is the maximum number of messages from a task that the goroutine has not
// received: an abandoned write, and the end. So a send never blocks.
const maxOps = 2

// exchange is a request and its response. It is the handler's http.ResponseWriter.
type exchange struct {
	handler *handler
	w       http.ResponseWriter // from net/http
	r       *http.Request       // from net/http
	never   bool                // the task will never run
	// ops points to the channel on which the task sends operations; a nil operation
	// means that the task is done. The side that first needs the channel makes it.
	// ops is noChannel if the task was done before that.
	ops atomic.Pointer[chan *operation]

	// Owned by the task's loop until the task is done, then by the goroutine.
	task   aio.AnyTask
	ctx    context.Context // the context for awaits
	tc     taskContext     // the context of the request for the handler
	inside *http.Request   // the request for the handler
	body   *body           // the body of inside, nil if there is none
	over   bool            // the handler has returned
	gone   bool            // the client has disconnected
	// the task is to be cancelled when the current operation is done
	leaves bool
	// derived reports that ctx ends with the request, and that the task is not
	// cancelled.
	derived bool
	end     outcome
	response
	next, prev *exchange // links of the server's list
}

// noChannel is the value of exchange.ops if the task was done before the exchange had a
// channel. That is usual: most tasks send no operation, and are done when the goroutine
// looks for the first time.
var noChannel = new(chan *operation)

// channel returns the channel from the task to the goroutine, or nil if the task is done
// and has sent no operation.
func (x *exchange) channel() chan *operation {
	if c := x.ops.Load(); c != nil {
		return *c
	}
	c := channels.Get().(*chan *operation)
	if !x.ops.CompareAndSwap(nil, c) {
		channels.Put(c)
		c = x.ops.Load()
	}
	return *c
}

// channels are unused channels: empty ones, to which no task sends.
var channels = sync.Pool{New: func() any {
	c := make(chan *operation, maxOps)
	return &c
}}

// tellDone tells the goroutine that the task is done. It transfers the ownership of the
// state of x.
func (x *exchange) tellDone() {
	if !x.ops.CompareAndSwap(nil, noChannel) {
		x.channel() <- nil
	}
}

// outcome is how a handler has ended.
type outcome struct {
	panicked any  // the panic value, nil if the handler did not panic
	exited   bool // by runtime.Goexit
	// the task was cancelled and did not call Uncancel, or its deadline has passed
	cancelled bool
}

// operation is a call that may block.
type operation struct {
	do   func()
	done aio.Event
	// the value of a panic of do, which continues in the task; nil if there was none
	panicked any
}

// run calls do. Middleware may have replaced the methods that it calls: a panic there
// continues in the task, where the panic of a handler belongs.
func (op *operation) run() {
	returned := false
	defer func() {
		switch v := recover(); {
		case returned:
		case v == nil: // runtime.Goexit
			op.panicked = aio.ErrGoexit
		case v == http.ErrAbortHandler:
			op.panicked = v
		default:
			op.panicked = &aio.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	op.do()
	returned = true
}

// requestTask is the exchange in the form in which a loop starts it as a task.
type requestTask exchange

// Never implements plug.Coro: the loop is closed, or the task was cancelled before it
// began.
func (t *requestTask) Never() {
	t.never = true
	(*exchange)(t).tellDone()
}

// Run implements plug.Coro.
func (t *requestTask) Run(ctx context.Context) { (*exchange)(t).run(ctx) }

// run is the body of the task.
func (x *exchange) run(ctx context.Context) {
	x.task = aio.CurrentTask(ctx)
	request := x.r.Context()
	tc := &x.tc
	release := tc.derive(ctx, request)
	x.ctx = ctx
	if x.derived = tc.Context != ctx; x.derived {
		x.ctx = tc
	}
	if x.gone && !x.derived {
		// a client that has half-closed the connection may still wait for the
		// response
		x.cancel()
	}
	x.inside = x.r.WithContext(tc)
	if b := x.r.Body; b != nil && b != http.NoBody {
		x.body = &body{x: x, inner: b}
		x.inside.Body = x.body
	}
	x.response.own = own(x.w)
	if x.response.own {
		x.room = room
	}
	if s := x.handler.server; s != nil {
		s.add(x)
		defer s.remove(x)
	}
	returned := false
	defer func() {
		v := recover()
		switch {
		case returned:
		case v != nil:
			x.end.panicked = passedOn(v)
		default:
			x.end.exited = true
			plug.ContainGoexit(ctx)
		}
		x.end.cancelled = x.task.Cancelling() > 0 || x.handler.loop.IsClosed() || x.pastDeadline()
		x.over = true
		release()
		x.tellDone()
	}()
	x.handler.inner.ServeHTTP(x, x.inside)
	returned = true
}

// pastDeadline reports whether the context of the request has a deadline, and has ended.
func (x *exchange) pastDeadline() bool { return x.derived && x.ctx.Err() != nil }

// handlerPanic is the panic of a handler, as it continues in the goroutine of the
// connection. The stack of that goroutine, which net/http logs, is of no use.
type handlerPanic struct{ *aio.PanicError }

func (p *handlerPanic) Error() string {
	return fmt.Sprintf("%v\n\nthe handler's stack:\n%s", p.Value, p.Stack)
}

// Unwrap returns the *aio.PanicError.
func (p *handlerPanic) Unwrap() error { return p.PanicError }

// passedOn returns the panic value for the goroutine of the request, given the value v
// with which the handler's task panicked.
func passedOn(v any) any {
	if v == http.ErrAbortHandler {
		return v
	}
	switch p := v.(type) {
	case *handlerPanic: // from a Handler inside this one
		return p
	case *aio.PanicError: // from an operation
		return &handlerPanic{p}
	}
	return &handlerPanic{&aio.PanicError{Value: v, Stack: debug.Stack()}}
}

// serve is the goroutine's side: it runs the operations that the task sends, until the
// task is done.
//
// It yields the processor once before it waits, and the loop stays asleep until then.
// This provides fairness between connections. The scheduler of Go next runs the
// goroutine that was woken last, and polls the network only when nothing else can run.
// net/http has just started a goroutine that reads ahead on this connection, and ends
// it after the response. If the loop were woken at once, it would push the goroutine
// that reads ahead to the end of the run queue. The goroutine of the connection, whose
// response is sent, would wait for that goroutine, and meanwhile the next request would
// arrive: under load the connections that were being served would be served again and
// again, and the others would wait for seconds. When the loop wakes it has all requests
// that have arrived, and most goroutines find their response ready when they run again.
//
// If the previous request came over the same connection, no other connection is busy.
// Then serve does not yield: no other connection waits for its turn, and the goroutine
// that reads ahead is then stopped before it has run, which saves a system call and two
// switches.
func (x *exchange) serve() {
	asleep := plug.Start(x.handler.loop, (*requestTask)(x))
	if !x.handler.again(x.r) {
		runtime.Gosched()
	}
	if asleep {
		plug.Wake(x.handler.loop)
	}
	ops := x.channel()
	if ops == nil {
		x.answer(nil)
		return
	}
	over := false
	select {
	case op := <-ops:
		over = x.answer(op)
	default:
	}
	if !over {
		// net/http creates this channel on the first call
		gone := x.r.Context().Done()
		for !over {
			select {
			case op := <-ops:
				over = x.answer(op)
			case <-gone:
				gone = nil
				x.tell(x.leave)
			}
		}
	}
	channels.Put(x.ops.Load()) // the task sends nothing after its end
}

// answer runs an operation of the task, and reports whether the task is done.
func (x *exchange) answer(op *operation) (over bool) {
	switch {
	case op != nil:
		defer x.tell(op.done.Set)
		op.run()
		return false
	case x.never:
		unavailable(x.w)
	default:
		x.finish()
	}
	return true
}

// leave runs in the loop when the request has ended. If the request's context has a
// deadline, the task's context is derived from it, and awaits fail with its error.
// Otherwise leave cancels the task. An operation in progress fails for the same cause,
// or is made to fail, and first returns the data it has: the beginning of a body and
// io.ErrUnexpectedEOF, for example.
func (x *exchange) leave() {
	x.gone = true
	b := x.body
	reading := b != nil && b.reading && own(b.inner)
	switch {
	case x.task == nil || x.derived:
		return
	case b != nil && b.reads.abandoned.err != nil:
		// net/http has ended the context because a read was given up, after a
		// Timeout for example; the client may still be there for a response
		return
	case reading:
		_ = b.unblock()
	case x.sending && x.own:
		_ = x.unblock()
	default:
		x.cancel()
		return
	}
	x.leaves = true
}

// left cancels the task after an operation, if the operation has delayed the
// cancellation.
func (x *exchange) left() {
	if x.leaves {
		x.leaves = false
		x.cancel()
	}
}

// cancel cancels the task because the request has ended.
func (x *exchange) cancel() { x.task.Cancel(context.Cause(x.r.Context())) }

// tell makes the loop call fn. If the loop is closed, all tasks that fn could concern
// have ended.
func (x *exchange) tell(fn func()) { tell(x.handler.loop, fn) }

func tell(l *aio.Loop, fn func()) { plug.Tell(l, fn) }

// finish ends the request after the task is done.
func (x *exchange) finish() {
	if x.hijacked {
		return
	}
	if x.body != nil {
		x.body.finish()
	}
	// net/http removes the temporary files of the request that it created
	x.r.MultipartForm = x.inside.MultipartForm
	switch e := x.end; {
	case e.panicked != nil:
		panic(e.panicked)
	case e.exited:
		runtime.Goexit()
	case x.writes.err != nil:
		panic(http.ErrAbortHandler)
	case e.cancelled && x.status == 0:
		unavailable(x.w)
	case e.cancelled && !x.late, x.halfRead() && x.status != 0 && !x.closes:
		panic(http.ErrAbortHandler)
	default:
		x.sendRest()
	}
}

// unavailable sends the response for a handler that could not send one.
func unavailable(w http.ResponseWriter) {
	http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
}

// direction is one of the two directions of a connection, as tasks use it. The loop
// owns it.
type direction struct {
	turn aio.Lock // held by the task that uses the direction
	// err makes the direction unusable: it is the error of the abandoned operation,
	// or the error after the end of the handler.
	err error
	// abandoned is the cancellation that is the reason for err, if there was one;
	// waited is the cancellation of a task that waited for its turn
	abandoned, waited givenUp
}

// acquire waits for the turn of the running task. After acquire the direction may be
// unusable.
func (d *direction) acquire(ctx context.Context) error {
	if err := d.waited.pending(ctx); err != nil {
		return err
	}
	err := d.turn.Acquire(ctx)
	if err != nil {
		d.waited.keep(ctx, err)
	}
	return err
}

// unusable returns the error of a call of a direction that cannot be used, otherwise nil.
func (d *direction) unusable(ctx context.Context) error {
	if d.err != nil && d.abandoned.err == d.err {
		return d.abandoned.again(ctx)
	}
	return d.err
}

// await waits for op, which has been started. If the task is cancelled first, the
// direction is abandoned: unblock makes op end soon. sure reports that unblock always
// works; then await waits until op is done, so that the caller may use the arguments of
// op again.
func (d *direction) await(ctx context.Context, op *operation, unblock func() error, sure bool) error {
	err := op.done.Wait(ctx)
	if err == nil {
		if op.panicked != nil {
			panic(op.panicked)
		}
		return nil
	}
	d.abandoned.keep(ctx, err)
	d.err = d.abandoned.err
	if unblock() == nil && sure {
		for !op.done.IsSet() {
			if later := op.done.Wait(context.WithoutCancel(ctx)); later != nil {
				err = later
				if errors.Is(later, aio.ErrLoopClosed) {
					break
				}
			}
		}
	}
	return err
}

// own reports whether the type of v belongs to net/http, so that its behaviour is
// known.
func own(v any) bool {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	path := t.PkgPath()
	return path == "net/http" || strings.HasPrefix(path, "net/http/")
}

// longAgo is a deadline that ends a waiting read or write.
var longAgo = time.Unix(1, 0)
