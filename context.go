package aio

// A scope is the context.Context that a task, or a Timeout or TaskGroup within it,
// passes to its body. It carries the loop and context values, and its Done channel
// closes when the task is cancelled or the scope ends. asyncio's cancellation does not
// use this path: an await looks at its task, never at the Done channel of a scope, so a
// swallowed cancellation stays swallowed. Done is for code that runs outside the loop:
// a query or a request in a worker goroutine.
//
// Any goroutine may use a scope. The Done channel of most scopes is never requested, so
// the standard library's cancellable context behind it is made on demand. ext, which
// holds it, changes only from nil to a value that then stays; a goroutine that loses
// the race to set it uses the winner's value.
//
// Contexts that a user derives from a scope are children of that standard context, so
// they end as it does: at the same moment, with the same Err and Cause. A cancel
// function of the standard library can only end it with context.Canceled, but a Timeout
// that expires has to end it with context.DeadlineExceeded. So the standard context is
// never cancelled itself. Its parent is the scopeExt, which decides when it ends and
// with which error, and ends the scopeExts of the scopes inside. One case takes another
// path: a scope that was entered with a context that a user derived. When that context
// ends, a goroutine (context.AfterFunc) ends the scopeExt, and Err, Done and each await
// check the context themselves first.

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goaio/aio/internal/outer"
)

type scope struct {
	loop   *Loop
	parent context.Context // provides values; for an inner scope also cancellation
	inner  *innerScope     // nil for the context of a task or of a loop
	ext    atomic.Pointer[scopeExt]
}

// innerScope is the additional state of the scope of a Timeout or TaskGroup.
type innerScope struct {
	// endCtx was derived by the user, and awaits end when it is done; nil if there
	// is none.
	endCtx context.Context
	// the deadline in nanoseconds since the epoch of the loop; nil if there can be
	// none
	limit *atomic.Int64
}

// scopeExt is the part of a scope that exists once Done was requested, or the scope has
// ended. It is the parent of the standard context.
type scopeExt struct {
	ctx   context.Context       // the standard context
	ended atomic.Pointer[ended] // nil until the scope has ended
	// removes the scopeExt from the scope, or the user's context, around it
	leave func()

	mu     sync.Mutex
	finish func() // ends ctx as ended describes
	// those of the scopes inside, which end with this one
	inner map[*scopeExt]struct{}
}

// ended is the way in which a scope has ended.
type ended struct {
	err   error
	cause context.Context // context.Cause takes the cause from it
}

// scopeKey is the key under which a derived context finds its scope.
type scopeKey struct{}

// never is never closed. It is declared here because the variables below need it in
// their initialisation, which the compiler cannot see.
var never = make(chan struct{})

var (
	errTaskDone  = errors.New("aio: the task is done")
	errScopeDone = errors.New("aio: the scope has ended")

	endedTask      = endedExt(context.Canceled, errTaskDone)
	endedScope     = endedExt(context.Canceled, errScopeDone)
	endedCancelled = endedExt(context.Canceled, errCancelled)
	endedTimeout   = endedExt(context.DeadlineExceeded, ErrTimeout)
	endedLoop      = endedExt(context.Canceled, ErrLoopClosed)
)

func newScopeExt() *scopeExt {
	e := &scopeExt{leave: func() {}}
	ctx, cancel := context.WithCancel(e)
	_ = cancel // the standard context ends with e
	e.ctx = ctx
	return e
}

// endedExt returns the scopeExt of a scope that ended before its Done channel was
// requested.
func endedExt(err, cause error) *scopeExt {
	e := newScopeExt()
	e.end(endedBy(err, cause))
	return e
}

func endedBy(err, cause error) *ended {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	return &ended{err, ctx}
}

// end ends the standard context and the scopes inside. Only the first call has an
// effect.
func (e *scopeExt) end(how *ended) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.ended.CompareAndSwap(nil, how) {
		return
	}
	e.finish()
	for in := range e.inner {
		in.end(how)
	}
	e.inner = nil
}

// endWith ends e because ctx has ended.
func (e *scopeExt) endWith(ctx context.Context) {
	e.end(endedBy(ctx.Err(), context.Cause(ctx)))
}

// follow makes e end when parent ends. parent is the context around the scope of e.
func (e *scopeExt) follow(parent context.Context) {
	if parent.Done() == nil { // context.WithoutCancel
		return
	}
	s, _ := scopeOf(parent)
	around := s.std()
	if parent.Done() != around.ctx.Done() { // parent was derived by the user
		stop := context.AfterFunc(parent, func() { e.endWith(parent) })
		e.leave = func() { stop() }
		if parent.Err() != nil {
			e.endWith(parent)
		}
		return
	}
	around.mu.Lock()
	how := around.ended.Load()
	if how == nil {
		if around.inner == nil {
			around.inner = map[*scopeExt]struct{}{}
		}
		around.inner[e] = struct{}{}
	}
	around.mu.Unlock()
	if how != nil {
		e.end(how)
		return
	}
	e.leave = func() {
		around.mu.Lock()
		delete(around.inner, e)
		around.mu.Unlock()
	}
}

// AfterFunc implements the interface that package context looks for. It is called once,
// with the function that ends the standard context.
func (e *scopeExt) AfterFunc(end func()) (stop func() bool) {
	e.finish = end
	return func() bool { return false }
}

// Done implements context.Context. Package context checks whether it is closed already,
// and then calls AfterFunc.
func (e *scopeExt) Done() <-chan struct{} { return never }

// Err implements context.Context.
func (e *scopeExt) Err() error {
	if how := e.ended.Load(); how != nil {
		return how.err
	}
	return nil
}

// Value implements context.Context. It provides only the cause: values come from the
// scope.
func (e *scopeExt) Value(key any) any {
	if how := e.ended.Load(); how != nil {
		return how.cause.Value(key)
	}
	return nil
}

// Deadline implements context.Context.
func (e *scopeExt) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// end closes Done. Only the first call has an effect. If Done was not requested before,
// ended is used as the scopeExt.
func (s *scope) end(ended *scopeExt) {
	if s.ext.Load() == nil {
		if s.inner == nil || s.parent.Err() == nil {
			if s.ext.CompareAndSwap(nil, ended) {
				return
			}
		} else {
			// the new scopeExt has ended, because the context around it has
			s.std()
		}
	}
	e := s.ext.Load()
	e.end(ended.ended.Load())
	e.leave()
}

// cancelled ends the scope because of a cancellation.
func (s *scope) cancelled(reason *CancelledError) {
	ended := endedCancelled
	if reason != errCancelled {
		ended = endedExt(context.Canceled, reason)
	}
	s.end(ended)
}

// std returns the part of s that has the standard context.
func (s *scope) std() *scopeExt {
	e := s.ext.Load()
	if e != nil {
		return e
	}
	e = newScopeExt()
	if s.inner != nil {
		e.follow(s.parent)
	}
	if !s.ext.CompareAndSwap(nil, e) {
		e.leave()
		return s.ext.Load()
	}
	return e
}

// endWithParent ends s if it is inside of a user's context that has ended; e may not have
// ended yet.
func (s *scope) endWithParent(e *scopeExt) {
	if s.endCtx() != nil && e.ended.Load() == nil && s.parent.Err() != nil {
		e.endWith(s.parent)
	}
}

// Done implements context.Context.
func (s *scope) Done() <-chan struct{} {
	e := s.std()
	s.endWithParent(e)
	return e.ctx.Done()
}

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
	s.endWithParent(e)
	return e.ctx.Err()
}

// errOf is ctx.Err for a context that the user may have derived from a scope: the scope
// first checks whether it has ended.
func errOf(ctx context.Context) error {
	if s, _ := ctx.Value(scopeKey{}).(*scope); s != nil {
		_ = s.Err()
	}
	return ctx.Err()
}

// Deadline implements context.Context. It reports the earliest deadline of the enclosing
// timeouts, cancel scopes and contexts, on a loop that runs in real time. Reschedule
// changes it.
func (s *scope) Deadline() (deadline time.Time, ok bool) {
	if s.inner == nil {
		return time.Time{}, false
	}
	deadline, ok = s.parent.Deadline()
	if s.inner.limit == nil || s.loop.virtual {
		return deadline, ok
	}
	if t := s.loop.at(time.Duration(s.inner.limit.Load())); !t.IsZero() && (!ok || t.Before(deadline)) {
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
		// The standard context must identify itself when another is derived
		// from it.
		if v := e.ctx.Value(key); v != nil {
			return v
		}
	}
	return s.parent.Value(key)
}

// String names the context in the text form of contexts derived from it.
func (s *scope) String() string { return "aio.Context" }

// scopeOf returns the scope that ctx is, or is derived from, and the context to watch
// during an await: ctx or one of its ancestors, if the user derived it with a
// cancellation or deadline.
func scopeOf(ctx context.Context) (s *scope, endCtx context.Context) {
	if s, ok := ctx.(*scope); ok {
		return s, s.endCtx()
	}
	if ctx == nil {
		return nil, nil
	}
	if p, ok := ctx.(*pullContext); ok {
		return scopeOf(p.ctx())
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

// endCtx returns the context, derived by the user, in which s was entered; nil if there
// is none.
func (s *scope) endCtx() context.Context {
	if s.inner == nil {
		return nil
	}
	return s.inner.endCtx
}

// enter makes s the scope of a Timeout, TaskGroup or CancelScope inside ctx.
func (s *scope) enter(c caller, ctx context.Context, inner *innerScope) {
	s.loop, s.parent, s.inner = c.fut.loop, ctx, inner
	inner.endCtx = c.endCtx
	if s.loop.debug.Load() {
		s.loop.noteEntered(c.co, s)
	}
	if p := c.co.pull; p != nil {
		p.scopes++
		p.host = c.task
	}
}

// leave ends a scope because its body has returned.
func (s *scope) leave() {
	if t := s.loop.current; t != nil { // the loop is not closed
		if s.loop.entered != nil {
			s.loop.noteLeft(t.co, s)
		}
		if p := t.co.pull; p != nil {
			p.scopes--
		}
	}
	s.end(endedScope)
}

// noteEntered records, in debug mode, that s is the innermost scope that co runs in.
func (l *Loop) noteEntered(co *coroutine, s *scope) {
	if l.entered == nil {
		l.entered = map[*coroutine][]*scope{}
	}
	l.entered[co] = append(l.entered[co], s)
}

func (l *Loop) noteLeft(co *coroutine, s *scope) {
	in := l.entered[co]
	switch n := len(in); {
	case n == 0 || in[n-1] != s: // debug mode began inside s
	case n == 1:
		delete(l.entered, co)
	default:
		l.entered[co] = in[:n-1]
	}
}

// values returns the context from which a new task inherits: its values, but not its
// cancellation. It skips the scope of the creator if possible; otherwise each
// generation of tasks would keep the one before it in memory.
func values(ctx context.Context) context.Context {
	for {
		switch c := ctx.(type) {
		case *scope:
			ctx = c.parent
		case *pullContext:
			ctx = c.ctx()
		default:
			return ctx
		}
	}
}

// GetRunningLoop returns the running event loop that ctx belongs to. Otherwise the error
// matches [ErrNoRunningLoop], and also [ErrLoopClosed] if the loop is closed. It never
// awaits, and any goroutine may call it. (asyncio: get_running_loop)
func GetRunningLoop(ctx context.Context) (*Loop, error) {
	s, _ := scopeOf(ctx)
	switch {
	case s == nil:
		return nil, ErrNoRunningLoop
	case !s.loop.IsRunning():
		return nil, s.loop.notRunning("")
	}
	return s.loop, nil
}

// errEndedLoop is matched by the error of a call with the context of a closed loop.
var errEndedLoop = errors.Join(ErrNoRunningLoop, ErrLoopClosed)

// notRunning returns the error of a call that needs the loop to run.
func (l *Loop) notRunning(call string) error {
	switch {
	case l.closed.Load():
		return usagef(call, "the event loop of the context is closed").as(errEndedLoop)
	case call == "":
		return ErrNoRunningLoop
	}
	return &callError{call, ErrNoRunningLoop}
}

// loopOf returns the loop of ctx for a call that uses the loop's state without
// awaiting. The caller must hold the token, or the loop must not be running.
func loopOf(ctx context.Context, call string) *Loop {
	l, err := loopFor(ctx, call)
	if err != nil {
		panic(err)
	}
	return l
}

// loopFor is like loopOf, for a call with an error result.
func loopFor(ctx context.Context, call string) (*Loop, error) {
	s, _ := scopeOf(ctx)
	if ctx == nil {
		return nil, usagef(call, "the context is nil")
	}
	if s == nil {
		return nil, usagef(call, "the context does not come from an event loop: pass the ctx that the task was given, or Loop.Context").as(ErrNoRunningLoop)
	}
	if err := s.loop.checked(call); err != nil {
		return nil, err
	}
	return s.loop, nil
}

// task returns the task for whose body s was made, nil for the context of a loop. Any
// goroutine may call it.
func (s *scope) task() *task {
	for s.inner != nil {
		s, _ = scopeOf(s.parent)
	}
	if context.Context(s) == s.loop.ctx {
		return nil
	}
	// The scope of a task is a part of the task. A pointer to it would take 8 bytes
	// of each scope.
	return outer.Of[task](s, scopeInTask)
}

var scopeInTask = func() uintptr {
	f, _ := reflect.TypeFor[task]().FieldByName("scope")
	return f.Offset
}()
