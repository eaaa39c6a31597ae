package aiohttp

import (
	"fmt"
	"net/http"

	"github.com/goaio/aio"
)

// Blocking returns a handler for use in tasks that calls h in another goroutine, where
// h may block: for example, a reverse proxy behind a mux whose other handlers are
// tasks.
//
// It suspends the calling task until h returns. h gets the writer of the server and the
// request as the task has it, with the body of the server unless that was replaced.
//
// If the task is cancelled, the context of h is cancelled, and the task still waits for
// h. A panic of h continues in the task; [runtime.Goexit] breaks the connection.
//
// The handler must be called in a task of a request that [Handler] or [Serve] serves,
// with the task's w or a wrapper of it that has Unwrap, before anything was written.
// Otherwise it panics with an error that matches aio.ErrUsage. Middleware between the
// task and h has no effect on what h writes.
func Blocking(h http.Handler) http.Handler {
	if h == nil {
		panic(fmt.Errorf("aiohttp: Blocking: the handler is nil: %w", aio.ErrUsage))
	}
	return &blocking{h}
}

type blocking struct{ inner http.Handler }

// ServeHTTP implements http.Handler.
func (b *blocking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchangeOf(w)
	switch {
	case x == nil:
		panic(fmt.Errorf("aiohttp: Blocking: a %T is not the writer of a handler that runs in a task: %w", w, aio.ErrUsage))
	}
	x.mustBegin()
	if x.body != nil && r.Body == x.body {
		r = r.WithContext(r.Context())
		r.Body = x.body.inner
	}
	if err := x.writes.turn.Acquire(x.ctx); err != nil {
		return // the task was cancelled before it began: there is no response
	}
	defer x.writes.turn.Release()
	// another task may have begun the response before this one got its turn
	x.mustBegin()
	x.announceClose()
	var panicked any
	returned := false
	call := func() {
		defer func() {
			if !returned {
				panicked = recover()
			}
		}()
		b.inner.ServeHTTP(x.w, r)
		returned = true
	}
	op := &operation{do: func() {
		over := make(chan struct{})
		go func() { // runtime.Goexit must not end the goroutine of the connection
			defer close(over)
			call()
		}()
		<-over
	}}
	// h writes the response, and sees that its context has ended.
	x.status, x.late = http.StatusOK, true
	x.channel() <- op
	_ = x.writes.await(x.ctx, op, func() error { return nil }, true)
	x.writes.err = nil
	switch {
	case returned:
	case panicked != nil:
		panic(passedOn(panicked))
	default:
		panic(http.ErrAbortHandler)
	}
}

// mustBegin panics if the response has begun.
func (x *exchange) mustBegin() {
	if x.over || x.status != 0 {
		panic(fmt.Errorf("aiohttp: Blocking: the response has begun: %w", aio.ErrUsage))
	}
}

// exchangeOf returns the exchange that w is or wraps, nil if there is none.
func exchangeOf(w http.ResponseWriter) *exchange {
	for {
		switch v := w.(type) {
		case *exchange:
			return v
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}
