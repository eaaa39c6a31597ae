package aiohttp

// A request has two sides: the goroutine of net/http's connection, and the task in which the handler
// runs. The goroutine does whatever may block: while the handler runs it waits for operations that
// the task sends it, one at a time, and tells the loop of each one's end. What both sides touch is
// handed over by these messages, so nothing needs a lock.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/goaio/aio"
)

// Handler returns an http.Handler that has h answer requests as tasks of l. Any goroutine may
// serve with it, and any number at once; l must run in another one. While the loop is closed the
// answer is 503.
//
// When the client goes away, or the server is closed, the task is cancelled, with context.Cause
// of the request's context as the cause. The request is over when the task is.
//
// A body of up to 32 KiB is read before h is called, unless the client expects to be told to go on;
// a longer one is read as h asks for it.
func Handler(l *aio.Loop, h HandlerFunc) http.Handler {
	if l == nil || h == nil {
		panic("aiohttp: Handler: the loop or the handler is nil")
	}
	return &handler{l, h}
}

type handler struct {
	loop *aio.Loop
	call HandlerFunc
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{loop: h.loop, inner: w, request: r, ops: make(chan *operation, 1)}
	if err := x.readAhead(); err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	done := aio.RunCoroutineThreadsafe(h.loop, func(ctx context.Context) (struct{}, error) {
		x.run(ctx, h.call)
		return struct{}{}, nil
	})
	x.serve(done)
	_, err := done.Result(context.Background())
	x.finish(err)
}

// requestContext is the context of the task, with the values of the request's.
type requestContext struct {
	context.Context
	request context.Context
}

func (c *requestContext) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.request.Value(key)
}

// exchange is a request and its answer. It is the handler's http.ResponseWriter.
type exchange struct {
	loop    *aio.Loop
	inner   http.ResponseWriter // of the goroutine, but for its Header
	request *http.Request       // of the goroutine
	ops     chan *operation
	ahead   []byte // the body, if it was read before

	// Of the task while it runs, of the goroutine after that.
	ctx     context.Context
	task    aio.AnyTask
	gone    bool     // the client is, and the task has been told
	turn    aio.Lock // several tasks of the handler may read and write
	status  int      // 0 until it is decided
	out     []byte   // that was written and not yet sent
	started bool     // the answer has begun to be sent
	failed  bool     // the handler has panicked
	broken  error    // of an operation that was given up, and may be under way still
}

// operation is something that may block, for the goroutine to do.
type operation struct {
	do   func() error
	err  error
	done *aio.Future[struct{}]
}

// readAhead reads a body that is short.
func (x *exchange) readAhead() error {
	r := x.request
	if r.ContentLength <= 0 || r.ContentLength > maxBuffered || r.Header.Get("Expect") != "" {
		return nil
	}
	x.ahead = make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, x.ahead)
	return err
}

// run is the body of the task.
func (x *exchange) run(ctx context.Context, call HandlerFunc) {
	x.task = aio.CurrentTask(ctx)
	x.ctx = &requestContext{ctx, x.request.Context()}
	if x.gone {
		return
	}
	r := x.request.WithContext(x.ctx)
	switch {
	case x.ahead != nil:
		r.Body = io.NopCloser(bytes.NewReader(x.ahead))
	case r.Body != nil && r.Body != http.NoBody:
		r.Body = &body{x: x}
	}
	defer func() {
		if v := recover(); v != nil {
			x.failed = true
			if v != http.ErrAbortHandler {
				x.loop.CallExceptionHandler(aio.ExceptionContext{
					Message: "panic in the handler of " + r.Method + " " + r.URL.Path,
					Err:     &aio.PanicError{Value: v, Stack: debug.Stack()},
					Task:    x.task,
				})
			}
		}
	}()
	call(x.ctx, x, r)
}

// serve does what the task asks for until the task is over.
func (x *exchange) serve(done *aio.ConcurrentFuture[struct{}]) {
	gone := x.request.Context().Done()
	for {
		select {
		case op := <-x.ops:
			op.err = op.do()
			x.tell(func() {
				if !op.done.Done() {
					_ = op.done.SetResult(struct{}{})
				}
			})
		case <-gone:
			gone = nil
			x.tell(func() {
				x.gone = true
				if x.task != nil {
					x.task.Cancel(context.Cause(x.request.Context()))
				}
			})
		case <-done.Done():
			return
		}
	}
}

// tell has fn called in the loop. If that is closed, so is the task.
func (x *exchange) tell(fn func()) {
	defer func() {
		if v := recover(); v != nil {
			if err, ok := v.(error); !ok || !errors.Is(err, aio.ErrLoopClosed) {
				panic(v)
			}
		}
	}()
	x.loop.CallSoonThreadsafe(fn)
}

// perform has the goroutine do something, and suspends the running task until it is done. unblock
// makes do return soon.
func (x *exchange) perform(do func() error, unblock func(*http.ResponseController)) error {
	if err := x.turn.Acquire(x.ctx); err != nil {
		return err
	}
	defer x.turn.Release()
	if x.broken != nil {
		return x.broken
	}
	op := &operation{do: do, done: aio.CreateFuture[struct{}](x.ctx)}
	x.ops <- op // which has room: the one before is over
	if _, err := op.done.Await(x.ctx); err != nil {
		x.broken = fmt.Errorf("aiohttp: reading or writing was given up before: %w", err)
		unblock(http.NewResponseController(x.inner))
		return err
	}
	return op.err
}

func stopReading(c *http.ResponseController) { _ = c.SetReadDeadline(time.Unix(1, 0)) }
func stopWriting(c *http.ResponseController) { _ = c.SetWriteDeadline(time.Unix(1, 0)) }

// Header implements http.ResponseWriter. Only the task uses it while the handler runs.
func (x *exchange) Header() http.Header { return x.inner.Header() }

// WriteHeader implements http.ResponseWriter. An informational status is sent at once.
func (x *exchange) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		_ = x.perform(func() error { x.inner.WriteHeader(status); return nil }, stopWriting)
		return
	}
	if x.status == 0 {
		x.status = status
	}
}

// Write implements io.Writer.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	if x.broken != nil {
		return 0, x.broken
	}
	x.out = append(x.out, p...)
	if len(x.out) > maxBuffered {
		if err := x.send(false); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// WriteString implements io.StringWriter.
func (x *exchange) WriteString(s string) (int, error) { return x.Write([]byte(s)) }

// FlushError sends what was written, for http.ResponseController.
func (x *exchange) FlushError() error {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	return x.send(true)
}

// Flush implements http.Flusher.
func (x *exchange) Flush() { _ = x.FlushError() }

// Unwrap lets http.ResponseController reach what the server's own writer can do besides: deadlines, and
// Hijack.
func (x *exchange) Unwrap() http.ResponseWriter { return x.inner }

// send has the goroutine send what was written.
func (x *exchange) send(flush bool) error {
	out := x.out
	x.out = nil // another task may write meanwhile
	return x.perform(func() error { return x.sendNow(out, flush) }, stopWriting)
}

// sendNow is called by the goroutine, or when the task is over.
func (x *exchange) sendNow(out []byte, flush bool) error {
	if !x.started {
		x.started = true
		x.inner.WriteHeader(x.status)
	}
	if len(out) > 0 {
		if _, err := x.inner.Write(out); err != nil {
			return err
		}
	}
	if flush {
		return http.NewResponseController(x.inner).Flush()
	}
	return nil
}

// finish ends the request. err is that of the task.
func (x *exchange) finish(err error) {
	switch {
	case err == nil && !x.failed:
		if x.status != 0 {
			_ = x.sendNow(x.out, false) // that the client is gone is no news
		}
	case x.started:
		panic(http.ErrAbortHandler)
	case x.failed:
		http.Error(x.inner, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	default: // the task was cancelled, or the loop is closed
		http.Error(x.inner, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	}
}

// body is the body of a request that was not read before.
type body struct {
	x   *exchange
	buf []byte // what the goroutine reads into: the caller's memory is its own again if the read is given up
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if b.buf == nil {
		b.buf = make([]byte, maxBuffered)
	}
	buf := b.buf[:min(len(p), len(b.buf))]
	n := 0
	err := b.x.perform(func() (err error) {
		n, err = b.x.request.Body.Read(buf)
		return err
	}, stopReading)
	if b.x.broken != nil {
		return 0, err // n and buf may be the goroutine's still
	}
	return copy(p, buf[:n]), err
}

// Close implements io.Closer. The server closes the real one when the request is over.
func (b *body) Close() error { return nil }
