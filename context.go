package aio

// A scope is the context.Context that a task, or a Timeout or TaskGroup within it, hands
// to its body. It carries the loop and context values, and its Done channel closes when
// the task is cancelled or the scope ends. asyncio's cancellation does not travel this
// way: an await looks at its task, never at the Done channel of a scope, so a
// cancellation that was swallowed stays swallowed. Done is for what runs beside the loop:
// a query or a request in a worker goroutine.
//
// Any goroutine may use a scope. Nearly no scope is ever asked for its Done channel, so
// the standard library's cancellable context behind it is made on demand. ext, which
// holds it, only goes from nil to a value that stays; losing the race to set it means
// using the winner's.

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

type scope struct {
	loop   *Loop
	parent context.Context // values; for an inner scope, its end as well
	inner  *innerScope     // nil for the context of a task or of a loop
	ext    atomic.Pointer[scopeExt]
}

// deadliner is a scope with a deadline that may move: a TimeoutScope.
type deadliner interface{ When() time.Time }

// innerScope is what the scope of a Timeout or TaskGroup has besides.
type innerScope struct {
	// derived by the user, the end of which ends awaits; nil if there is none
	endCtx context.Context
	limit  deadliner // whose deadline the scope reports, nil if it has none
}

// scopeExt is the part of a scope that exists once somebody asked for Done, or the scope
// ended.
type scopeExt struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// scopeKey is the key under which a context finds the scope that it was derived from.
type scopeKey struct{}

var (
	errTaskDone  = errors.New("aio: the task is done")
	errScopeDone = errors.New("aio: the scope has ended")

	endedTask      = endedExt(errTaskDone)
	endedScope     = endedExt(errScopeDone)
	endedCancelled = endedExt(errCancelled)
	endedTimeout   = endedExt(ErrTimeout)
)

// endedExt returns what stands for a scope that ended before anybody asked for its Done
// channel.
func endedExt(cause error) *scopeExt {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	return &scopeExt{ctx: ctx, cancel: cancel}
}

// end closes Done. Only the first call counts. ended is used as it is if nobody asked
// before.
func (s *scope) end(cause error, ended *scopeExt) {
	e := s.ext.Load()
	if e == nil {
		if s.ext.CompareAndSwap(nil, ended) {
			return
		}
		e = s.ext.Load()
	}
	e.cancel(cause)
}

// cancelled ends the scope because of a cancellation.
func (s *scope) cancelled(reason *CancelledError) {
	ended := endedCancelled
	if reason != errCancelled {
		ended = endedExt(reason)
	}
	s.end(reason, ended)
}

// std returns the standard context behind s.
func (s *scope) std() *scopeExt {
	e := s.ext.Load()
	if e != nil {
		return e
	}
	parent := s.parent
	if s.inner == nil {
		parent = context.WithoutCancel(parent)
	}
	e = &scopeExt{}
	e.ctx, e.cancel = context.WithCancelCause(parent)
	if !s.ext.CompareAndSwap(nil, e) {
		e.cancel(nil)
		return s.ext.Load()
	}
	return e
}

// Done implements context.Context.
func (s *scope) Done() <-chan struct{} { return s.std().ctx.Done() }

// Err implements context.Context. It is context.DeadlineExceeded if a Timeout ended the
// scope.
func (s *scope) Err() error {
	e := s.ext.Load()
	if e == nil {
		if s.inner == nil {
			return nil
		}
		return s.parent.Err()
	}
	err := e.ctx.Err()
	if err != nil && context.Cause(e.ctx) == ErrTimeout {
		return context.DeadlineExceeded
	}
	return err
}

// Deadline implements context.Context. It reports the deadline of the innermost Timeout,
// on a loop that lives in real time. Reschedule moves it.
func (s *scope) Deadline() (deadline time.Time, ok bool) {
	if s.inner == nil {
		return time.Time{}, false
	}
	deadline, ok = s.parent.Deadline()
	if s.inner.limit == nil || s.loop.virtual {
		return deadline, ok
	}
	if t := s.inner.limit.When(); !t.IsZero() && (!ok || t.Before(deadline)) {
		return t, true
	}
	return deadline, ok
}

// Value implements context.Context.
func (s *scope) Value(key any) any {
	if key == (scopeKey{}) {
		return s
	}
	if e := s.ext.Load(); e != nil {
		// The standard context answers for itself when another is derived from
		// it.
		if v := e.ctx.Value(key); v != nil {
			return v
		}
	}
	return s.parent.Value(key)
}

// String names the context in the text form of contexts derived from it.
func (s *scope) String() string { return "aio.Context" }

// scopeOf returns the scope that ctx is, or is derived from, and the context to watch
// during an await: ctx or one that it comes from, if the user derived that with a
// cancellation or deadline.
func scopeOf(ctx context.Context) (s *scope, endCtx context.Context) {
	if s, ok := ctx.(*scope); ok {
		return s, s.endCtx()
	}
	if ctx == nil {
		return nil, nil
	}
	s, _ = ctx.Value(scopeKey{}).(*scope)
	switch {
	case s == nil:
		return nil, nil
	case ctx.Done() == nil: // context.WithoutCancel
		return s, nil
	case ctx.Done() != s.Done():
		return s, ctx
	}
	return s, s.endCtx()
}

// endCtx returns the context derived by the user that s comes from, nil if there is none.
func (s *scope) endCtx() context.Context {
	if s.inner == nil {
		return nil
	}
	return s.inner.endCtx
}

// enter makes s the scope of a Timeout or TaskGroup inside ctx.
func (s *scope) enter(c caller, ctx context.Context, inner *innerScope) {
	s.loop, s.parent, s.inner = c.fut.loop, ctx, inner
	inner.endCtx = c.endCtx
}

// values returns what a new task inherits from ctx: its values, and nothing of its end.
// The scope of the creator is left out where it can be, or each generation of tasks would
// hold the one before it in memory.
func values(ctx context.Context) context.Context {
	for {
		s, ok := ctx.(*scope)
		if !ok {
			return ctx
		}
		ctx = s.parent
	}
}

// GetRunningLoop returns the running event loop that ctx belongs to, or ErrNoRunningLoop.
// It never awaits, and any goroutine may call it. (asyncio: get_running_loop)
func GetRunningLoop(ctx context.Context) (*Loop, error) {
	s, _ := scopeOf(ctx)
	if s == nil || !s.loop.IsRunning() {
		return nil, ErrNoRunningLoop
	}
	return s.loop, nil
}

// loopOf returns the loop of ctx for a call that touches the loop's state without
// awaiting. The caller must hold the token, or the loop must not be running.
func loopOf(ctx context.Context, call string) *Loop {
	s, _ := scopeOf(ctx)
	if ctx == nil {
		misuse(call, "the context is nil")
	}
	if s == nil {
		panic(usagef(call, "the context does not come from an event loop: pass the ctx that the task was given, or Loop.Context").as(ErrNoRunningLoop))
	}
	s.loop.check(call)
	return s.loop
}
