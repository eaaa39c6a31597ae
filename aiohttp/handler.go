package aiohttp

// A request has two sides: the task in which the handler runs, and the goroutine of
// net/http's connection, which blocks where the task may not.
//
// The goroutine waits in exchange.serve for operations that the task sends it: what
// writes to the connection. Reads of the body have goroutines of their own, since a
// handler may read and write at the same time. Each tells the loop of its end. What the
// two sides share is handed over by these messages, so nothing needs a lock; that a
// handler writes into the buffer of net/http by itself is part of this: the goroutine
// does not touch it then.
//
// A task that gives up waiting for an operation has its connection's deadline set into
// the past, which ends the operation soon, and leaves that direction unusable: nobody
// knows how much was done.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/plug"
)

// Handler returns an http.Handler that calls h in a task of l for each request. Any
// goroutine may serve with it, any number at once; l must run in another one. Once the
// loop is closed the answer is 503; a loop that is stopped and not closed answers when
// it runs again.
//
// The context of the request that h gets is that of the task, with the values and the
// deadline of the context that Handler was called with. When that ends because the
// client has gone away, the task is cancelled, with [context.Cause] as the reason; if
// it has a deadline, awaits end as they do under any context with one. Values set by
// middleware outside are there.
//
// h sees what net/http's handlers see. These calls suspend the running task while they
// wait for the client, and fail with a *aio.CancelledError if the task is cancelled
// meanwhile: reading and closing the body of the request; writing the response, when
// more than fits into the buffers is written; flushing, by
// http.NewResponseController(w) or http.Flusher; WriteHeader of a status below 200; and
// Hijack. A read that was given up, by a cancellation or aio.Timeout, leaves the body
// unusable, and the connection is closed after the response, which may still be
// written; if that had begun before, the connection breaks, except in HTTP/2. A write
// that was given up breaks the connection. Both directions may be used at the same
// time, by several tasks too, as far as the protocol allows (see
// http.ResponseController.EnableFullDuplex). Neither w nor the body may be used after h
// has returned: both fail then.
//
// A response is never presented as complete if it may not be. If the task is cancelled
// and h returns without having begun the response, the status is 503; if the response
// was begun before the cancellation, the connection is broken; a response that was
// begun after it is sent. So is one in a task that has called Uncancel. A loop that is
// closed cancels in this sense.
//
// A panic of h goes on in the goroutine that called Handler: net/http logs it and
// breaks the connection, middleware outside may recover. Its value is an error that
// wraps a *aio.PanicError and prints the stack of the task; http.ErrAbortHandler is
// passed on as it is.
//
// WriteHeader is passed on to the writer of the server at once, as are the first bytes
// of a response if that writer is one of package net/http. A middleware outside whose
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
	server *Server // that serves it, nil if another one does
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{handler: h, w: w, r: r, ops: make(chan *operation, maxOps)}
	x.serve()
}

// maxOps is how many messages of a task may be on their way to the goroutine: a write
// that was given up, and the end. A send never blocks.
const maxOps = 2

// exchange is a request and its response. It is the handler's http.ResponseWriter.
type exchange struct {
	handler *handler
	w       http.ResponseWriter // as it came
	r       *http.Request       // as it came
	ops     chan *operation     // to the goroutine; nil says that the task is over
	never   bool                // there will be no task

	// Owned by the task's loop until the task is over, then by the goroutine.
	task   aio.AnyTask
	ctx    context.Context // to await with
	tc     taskContext     // of the request, as the handler has it
	inside *http.Request   // as the handler has it
	body   *body           // of it, nil if there is none
	over   bool            // the handler has returned
	gone   bool            // the client has
	leaves bool            // the task is cancelled when an operation has ended
	// ctx ends with the request, and the task is not cancelled
	derived bool
	end     outcome
	response
	next, prev *exchange // of the server's list
}

// outcome is how a handler ended.
type outcome struct {
	panicked  any  // not nil if it did
	exited    bool // by runtime.Goexit
	cancelled bool // the task was, and it was not taken back
}

// operation is something that may block.
type operation struct {
	do   func()
	done aio.Event
}

// requestTask is the exchange as the task that a loop is to run.
type requestTask exchange

// Never implements plug.Coro: the loop is closed, or the task was cancelled before it
// began.
func (t *requestTask) Never() {
	t.never = true
	t.ops <- nil
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
		// a client that has ended its half of the connection may wait for an
		// answer
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
		x.end.cancelled = x.task.Cancelling() > 0 || x.handler.loop.IsClosed() || x.derived && x.ctx.Err() != nil
		x.over = true
		release()
		x.ops <- nil
	}()
	x.handler.inner.ServeHTTP(x, x.inside)
	returned = true
}

// handlerPanic is the panic of a handler, as it goes on in the goroutine of the
// connection. That one's stack, which net/http logs, says nothing.
type handlerPanic struct{ *aio.PanicError }

func (p *handlerPanic) Error() string {
	return fmt.Sprintf("%v\n\nthe handler's stack:\n%s", p.Value, p.Stack)
}

// Unwrap returns the *aio.PanicError.
func (p *handlerPanic) Unwrap() error { return p.PanicError }

// passedOn returns what the goroutine panics with.
func passedOn(v any) any {
	if v == http.ErrAbortHandler {
		return v
	}
	if p, ok := v.(*handlerPanic); ok { // of a Handler inside this one
		return p
	}
	return &handlerPanic{&aio.PanicError{Value: v, Stack: debug.Stack()}}
}

// serve is the goroutine's side: it does what the task asks for, until the task is over.
//
// It gives way once before it waits, and the loop sleeps on for so long. That is for
// fairness between connections. The scheduler of Go runs next whatever was woken last,
// and asks the network for more only when nothing else can run. net/http has just started
// a goroutine that reads ahead in this connection, and ends it after the response. If the
// loop was woken at once, it would push that goroutine to the end of the queue, this one
// would wait for it there with its response sent, and by then the next request would have
// arrived: under load the connections that were being served would go round for ever, and
// the others wait for seconds. It costs nothing besides: all requests that have arrived
// are in the loop when it wakes, and most goroutines find theirs answered when they run
// again.
func (x *exchange) serve() {
	asleep := plug.Start(x.handler.loop, (*requestTask)(x))
	runtime.Gosched()
	if asleep {
		plug.Wake(x.handler.loop)
	}
	select {
	case op := <-x.ops:
		if x.answer(op) {
			return
		}
	default:
	}
	gone := x.r.Context().Done() // it is made when one asks for it first
	for {
		select {
		case op := <-x.ops:
			if x.answer(op) {
				return
			}
		case <-gone:
			gone = nil
			x.tell(x.leave)
		}
	}
}

// answer does what the task asks for, and reports whether the task is over.
func (x *exchange) answer(op *operation) (over bool) {
	switch {
	case op != nil:
		op.do()
		x.tell(op.done.Set)
		return false
	case x.never:
		unavailable(x.w)
	default:
		x.finish()
	}
	return true
}

// leave is told that the request has ended, in the loop. If its context has a deadline,
// that of the task is derived from it, and awaits end with it. Otherwise the task is
// cancelled; an operation that is under way fails by the same cause, or is made to, and
// returns what it has first: the beginning of a body and io.ErrUnexpectedEOF, for
// example.
func (x *exchange) leave() {
	x.gone = true
	b := x.body
	reading := b != nil && b.reading && own(b.inner)
	switch {
	case x.task == nil || x.derived:
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

// left cancels the task after an operation, if that has held the cancellation up.
func (x *exchange) left() {
	if x.leaves {
		x.leaves = false
		x.cancel()
	}
}

// cancel cancels the task because the request has ended.
func (x *exchange) cancel() { x.task.Cancel(context.Cause(x.r.Context())) }

// tell has fn called in the loop. If that is closed, so are all tasks that might want to
// know.
func (x *exchange) tell(fn func()) { tell(x.handler.loop, fn) }

func tell(l *aio.Loop, fn func()) {
	defer func() {
		if v := recover(); v != nil {
			if err, ok := v.(error); !ok || !errors.Is(err, aio.ErrLoopClosed) {
				panic(v)
			}
		}
	}()
	l.CallSoonThreadsafe(fn)
}

// finish ends the request when the task is over.
func (x *exchange) finish() {
	if x.hijacked {
		return
	}
	if x.body != nil {
		x.body.finish()
	}
	// net/http removes the files of the request that it made
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

// unavailable answers for a handler that could not.
func unavailable(w http.ResponseWriter) {
	http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
}

// direction is one of the two directions of a connection, as tasks use it. It is owned by
// the loop.
type direction struct {
	turn aio.Lock // several tasks of a handler may use it
	err  error    // of the operation that was given up
}

// await waits for op, which has been started. If the task is cancelled first the
// direction is given up: unblock makes op end soon. sure says that it does so whatever
// happens, and is waited for, so that what op uses is the caller's again.
func (d *direction) await(ctx context.Context, op *operation, unblock func() error, sure bool) error {
	err := op.done.Wait(ctx)
	if err == nil {
		return nil
	}
	d.err = fmt.Errorf("aiohttp: an earlier call was given up: %w", err)
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

// own reports whether v is of a type of net/http, whose behaviour is known.
func own(v any) bool {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	path := t.PkgPath()
	return path == "net/http" || strings.HasPrefix(path, "net/http/")
}

// longAgo is a deadline that ends a read or write that waits.
var longAgo = time.Unix(1, 0)
