package aio

// The common path of every call that suspends. It begins with enter, which finds the
// running task and fails if the calling goroutine is not that of the task; the caller
// that it returns is valid for this call alone. The call then waits for a future:
// caller.await for an existing one, caller.waitOnce and caller.waitIn for a waiter,
// which is a future that the loop reuses. All of them arm the task (it is woken when
// the future is done) and park it (token.go).
//
// An await ends in one of four ways: the future is done; the task is cancelled, which
// cancels the future, whose callback wakes the task; the context that the call was
// given ends, which also cancels the future; or an error is thrown into the task. The
// error says which. A cancellation that was requested earlier (task.mustCancel) is
// delivered when the task arms.

import (
	"context"
	"time"

	"github.com/goaio/aio/internal/goid"
)

// Sleep suspends the calling task for at least d. If d is zero or negative, every other
// task and callback that is ready runs once before Sleep returns. Sleep always
// suspends.
//
// If the task is cancelled while it sleeps, the error is a [*CancelledError]; otherwise
// it is one of the errors of [Future.Await].
//
// (asyncio: sleep)
func Sleep(ctx context.Context, d time.Duration) error {
	c, err := enter(ctx, "Sleep")
	if err != nil {
		return err
	}
	l := c.fut.loop
	if d <= 0 {
		if err := c.checkDeadline(); err != nil {
			return err
		}
		l.schedule(c.task, nil)
		c.awaits++
		if l.observed != nil {
			l.observed.stepEnded(c.task, nil)
		}
		err := c.co.park()
		if err == nil && c.endCtx != nil && errOf(c.endCtx) != nil {
			if c.endedWith(c.endCtx) {
				return &CancelledError{Cause: context.Cause(c.endCtx)}
			}
			return newContextError(c.endCtx)
		}
		return err
	}
	w := l.newWaiter("Sleep")
	w.timer = l.wakeAt(l.after(d), w)
	err = c.await(&w.future)
	l.freeWaiter(w)
	return err
}

// caller describes the task that makes a suspending call.
type caller struct {
	*task
	endCtx context.Context // its end ends the await; nil for nearly every call
}

func (c caller) loop() *Loop { return c.fut.loop }

// enter begins every call that may await: it finds the running task, and fails if the
// calling goroutine is not that of the task. This is the fast path, which nearly every
// call takes; enterSlow has the rules.
func enter(ctx context.Context, call string) (caller, error) {
	if s, ok := ctx.(*scope); ok {
		l := s.loop
		held, running := goid.Holder(&l.owner)
		if held == running && l.current != nil && l.gate == 0 && !l.debug.Load() {
			return caller{l.current, s.endCtx()}, nil
		}
	}
	return enterSlow(ctx, call)
}

func enterSlow(ctx context.Context, call string) (caller, error) {
	s, watch := scopeOf(ctx)
	if s == nil {
		if ctx == nil {
			return caller{}, usagef(call, "the context is nil")
		}
		return caller{}, &callError{call, ErrNoRunningLoop}
	}
	l := s.loop
	if held, running := goid.Holder(&l.owner); held != running {
		if held == 0 {
			return caller{}, l.notRunning(call)
		}
		return caller{}, l.wrongGoroutine(call)
	}
	if l.current == nil {
		return caller{}, &callError{call, ErrNoTask}
	}
	if l.gate != 0 {
		if err := l.gated(caller{l.current, watch}, call); err != nil {
			return caller{}, err
		}
	}
	if s != &l.current.scope && l.debug.Load() {
		l.current.checkScope(s, call)
	}
	return caller{l.current, watch}, nil
}

// gated continues enter if the gate of the loop is not 0, that is, if the loop is closed
// or one of its scopes is cancelled.
func (l *Loop) gated(c caller, call string) error {
	if l.closed.Load() {
		return c.task.refuse(call)
	}
	by := c.task.cancelledIn()
	if by == nil {
		return nil
	}
	switch call {
	case callTimeout, callTaskGroup, callCancelScope, callCancelAndWait, callNext, callClose, callLockAgain:
		return nil
	}
	// The await takes a pass: other tasks must run even if the caller ignores the
	// error and awaits again and again.
	l.schedule(c.task, nil)
	c.awaits++
	if l.observed != nil {
		l.observed.stepEnded(c.task, nil)
	}
	if err := c.co.park(); err != nil {
		return err // the task itself was cancelled, or the loop was closed
	}
	return by.reason
}

// checkScope reports to the exception handler an await with a context that does not
// belong, or no longer belongs, to t. Such an await works, but cancelling that context,
// or its timeout, has no effect on it.
func (t *task) checkScope(s *scope, call string) {
	l := t.fut.loop
	var why string
	switch {
	case context.Context(s) == l.ctx:
		return
	case !t.owns(s):
		why = "the context of another task"
	case s.inner != nil && context.Cause(s) == errScopeDone:
		why = "the context of a Timeout or TaskGroup that has ended"
	default:
		return
	}
	l.CallExceptionHandler(ExceptionContext{
		Message: call + ": the task awaits with " + why + ": pass on the ctx that its body was given",
		Task:    t.impl,
		Stack:   t.stack(),
	})
}

// checkInnermost reports to the exception handler, in debug mode, a call that passes
// the ctx of a scope on to other code while the task is in a scope inside it: the other
// code does not notice the end of the inner scope.
func (c caller) checkInnermost(ctx context.Context, call string) {
	l := c.fut.loop
	in := l.entered[c.co]
	if s, _ := scopeOf(ctx); len(in) == 0 || in[len(in)-1] == s || !c.owns(s) {
		return
	}
	l.CallExceptionHandler(ExceptionContext{
		Message: call + ": the function gets the ctx from outside the innermost Timeout, TaskGroup or CancelScope, so it is not told when that ends: pass on the ctx that the body was given",
		Task:    c.impl,
		Stack:   c.stack(),
	})
}

// await suspends the running task until f is done. It returns the error that is thrown
// into the task, or nil.
func (c caller) await(f *future) error {
	if suspend, err := c.arm(f); !suspend {
		return err
	}
	stop := c.parking()
	err := c.co.park()
	if stop != nil {
		stop()
	}
	if c.byContext {
		return c.contextEnded(err)
	}
	return err
}

// contextEnded returns the error of an await that was cancelled because its context
// ended, which is not a cancellation of the task. err is the error that the await got.
func (c caller) contextEnded(err error) error {
	c.byContext = false
	if _, ok := asCancelled(err); ok {
		return newContextError(c.endCtx)
	}
	return err
}

// arm registers the running task to be woken when f is done, and reports whether the
// task must be suspended until then. If not, err is the result of the await.
func (c *caller) arm(f *future) (suspend bool, err error) {
	t := c.task
	l := t.fut.loop
	switch {
	case f.loop != l:
		t.throw(ErrOtherLoop)
		return true, nil
	case f.state != pending:
		return false, f.thrown()
	case f.selfAwaited:
		return false, ErrAwaitSelf
	case f == t.fut:
		// The flag stays set, as in CPython's futures.
		f.selfAwaited = true
		t.throw(ErrAwaitSelf)
		return true, nil
	}
	if c.endCtx != nil && l.virtual {
		if j, ok := f.sub.(interface{ inGoroutine() bool }); !ok || !j.inGoroutine() {
			if err := c.checkDeadline(); err != nil {
				return false, err
			}
		}
	}
	f.addCallback(t)
	t.waiting, t.byRequest = f, false
	switch {
	case t.mustCancel:
		return c.armCancelled(f, t.reason)
	case c.endCtx != nil && errOf(c.endCtx) != nil:
		t.byContext = !t.endedWith(c.endCtx)
		return c.armCancelled(f, t.endReason(c.endCtx))
	}
	return true, nil
}

// armCancelled cancels f on behalf of a task that has just begun to wait for it.
func (c caller) armCancelled(f *future, reason *CancelledError) (suspend bool, err error) {
	ok, err := f.tryCancel(reason)
	if err != nil { // a cycle of awaits: the await fails
		f.removeCallback(c.task)
		c.waiting, c.byContext = nil, false
		return false, err
	}
	if ok {
		c.mustCancel = false
	}
	return true, nil
}

// watchEnded cancels an await because a context has ended, unless the await is done.
type watchEnded struct {
	t      *task
	awaits uint32
	ctx    context.Context
}

func (w watchEnded) run(*future) {
	if !w.pending() {
		return
	}
	if w.t.endedWith(w.ctx) {
		return // the cancellation has been delivered already
	}
	w.t.byContext = !w.t.byRequest
	w.t.waiting.cancel(w.t.endReason(w.ctx))
}

// source implements sourced.
func (w watchEnded) source() any { return w.t }

// pending reports whether the await is still in progress.
func (w watchEnded) pending() bool { return w.t.awaits == w.awaits && w.t.waiting != nil }

// lookAtContexts ends the awaits whose context has ended. Under a virtual clock the
// loop itself looks, when a pass begins: a notification from another goroutine would
// arrive in a different pass in each run, and the clock would have to wait for it.
func (l *Loop) lookAtContexts() {
	left := l.watched[:0]
	for _, w := range l.watched {
		switch {
		case !w.pending():
		case errOf(w.ctx) != nil:
			l.enqueue(w)
		default:
			left = append(left, w)
		}
	}
	clear(l.watched[len(left):])
	l.watched = left
}

// checkDeadline refuses an await whose context has a deadline in real time if the loop
// has a virtual clock: real time does not reach the deadline there, so a test of a
// timeout would pass without one, or never end. The error is also reported to the
// exception handler, once, because the caller may mistake any error for the timeout.
func (c *caller) checkDeadline() error {
	l := c.fut.loop
	if c.endCtx == nil || !l.virtual {
		return nil
	}
	if _, ok := c.endCtx.Deadline(); !ok {
		return nil
	}
	err := usagef("", "await under a virtual clock with a context that has a deadline in real time, as context.WithTimeout makes it: use aio.Timeout, whose deadline is in the time of the loop")
	if !l.toldDeadline {
		l.toldDeadline = true
		l.CallExceptionHandler(ExceptionContext{Message: "deadline in real time under a virtual clock", Err: err, Task: c.impl, Stack: wholeStack()})
	}
	return err
}

// endedWith reports whether ctx, which the user derived, has ended because the task was
// cancelled or because of a Timeout or TaskGroup in it. A scope that has merely been
// left cancels nothing.
func (t *task) endedWith(ctx context.Context) bool {
	s, _ := scopeOf(ctx)
	if s == nil || s.Err() == nil || !t.owns(s) {
		return false
	}
	if outer := s.endCtx(); outer != nil && outer.Err() != nil && !t.endedWith(outer) {
		return false
	}
	cause := context.Cause(s) // an error of this package, so it is comparable
	return cause == context.Cause(ctx) && cause != errTaskDone && cause != errScopeDone
}

// endReason makes the reason with which the awaited operation is cancelled when ctx has
// ended.
func (t *task) endReason(ctx context.Context) *CancelledError {
	return &CancelledError{Cause: context.Cause(ctx), awaitOf: t.id}
}

// owns reports whether s is the scope of the task or one inside it.
func (t *task) owns(s *scope) bool {
	for s != nil && s.inner != nil {
		s, _ = scopeOf(s.parent)
	}
	return s == &t.scope
}

// throw throws err into the task in the next pass, unless another error is thrown
// first.
func (t *task) throw(err error) {
	t.fut.loop.schedule(t, &future{loop: t.fut.loop, state: failed, err: err, errRetrieved: true})
}

// maxRefused is how many awaits of a task of a closed loop fail before the task is
// unwound by a panic.
const maxRefused = 1000

// refuse makes the error of an await in a task of a closed loop. A body that retries
// for ever eventually gets a panic; otherwise closing its loop would never end.
func (t *task) refuse(call string) error {
	e := t.more()
	e.refused++
	t.extra.Store(e)
	if e.refused > maxRefused {
		panic(usagef(call, "event loop is closed, and the task continues to await").as(ErrLoopClosed))
	}
	return &callError{call, ErrLoopClosed}
}

// tryCancel is cancel, but returns the error for a cycle of awaits instead of
// panicking.
func (f *future) tryCancel(reason *CancelledError) (ok bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			e, isCycle := v.(*AwaitCycleError)
			if !isCycle {
				panic(v)
			}
			err = e
		}
	}()
	return f.cancel(reason), nil
}

// parking prepares the running task for being parked. If the await was given a context
// that may end, the await ends with that context until stop is called. stop is nil in
// nearly all calls.
func (c caller) parking() (stop func() bool) {
	c.awaits++
	if w := c.fut.loop.observed; w != nil {
		w.stepEnded(c.task, c.waiting)
	}
	if c.endCtx == nil {
		return nil
	}
	l := c.fut.loop
	ended := watchEnded{c.task, c.awaits, c.endCtx}
	if l.virtual {
		l.watched = append(l.watched, ended)
		return nil
	}
	off := context.AfterFunc(c.endCtx, func() { l.post(readyEntry{ended, nil}, false) })
	l.outsideWaits++
	return func() bool {
		l.outsideWaits--
		return off()
	}
}

// A waiter is the future of a wait inside the package. No user ever sees it, so the
// loop reuses it when the wait is done.
type waiter struct {
	future
	what string // the name of the operation, for text forms
	// the timer that will wake it; nil if there is none or it has fired
	timer      *TimerHandle
	list       *waitList // the list that the waiter is in
	prev, next *waiter   // the neighbours in list; next also links the free list
}

// waiterPool has the waiters that are not in use.
type waiterPool struct {
	free *waiter
	n    int
}

func (l *Loop) newWaiter(what string) *waiter {
	p := &l.waiters
	w := p.free
	if w == nil {
		w = &waiter{future: future{loop: l}}
		w.sub = w
	} else {
		p.free = w.next
		w.next = nil
		p.n--
	}
	w.what = what
	return w
}

// stopTimer cancels the timer that would wake w, and forgets it: a cancelled timer may
// be reused in the next pass.
func (w *waiter) stopTimer() { stopTimer(&w.timer) }

// freeWaiter takes w back. The wait must be done.
func (l *Loop) freeWaiter(w *waiter) {
	w.stopTimer()
	p := &l.waiters
	if p.n == maxIdle {
		return
	}
	// an unused waiter must not keep anything alive
	w.state, w.err, w.first, w.more = pending, nil, nil, nil
	w.next, p.free = p.free, w
	p.n++
}

// wake ends the wait with success, unless it is done already.
func (w *waiter) wake() {
	if w.state == pending {
		w.settle(finished, nil)
	}
}

// due implements timerTarget.
func (w *waiter) due() {
	w.timer = nil
	w.wake()
}

// cancelFuture implements subFuture.
func (w *waiter) cancelFuture(reason *CancelledError) bool {
	if w.list != nil {
		w.list.cancelled++
	}
	w.settle(cancelled, reason)
	return true
}

// describe implements subFuture.
func (w *waiter) describe() string { return w.what }

// waitOnce suspends the running task until its waiter is woken, and keeps the waiter in
// slot during the wait. The code that wakes it looks in slot. slot is nil before and
// afterwards, so a callback that is already scheduled does not find a waiter that has
// been reused for another wait. (A waiter with a timer does not need waitOnce: only its
// timer refers to it, and is stopped with the wait.)
func (c caller) waitOnce(what string, slot **waiter) error {
	l := c.loop()
	w := l.newWaiter(what)
	*slot = w
	err := c.await(&w.future)
	*slot = nil
	l.freeWaiter(w)
	return err
}

// waitIn suspends the running task until it is woken through list. woken is true even
// with an error if the task was woken first and cancelled afterwards.
func (c caller) waitIn(list *waitList, what string) (woken bool, err error) {
	l := c.fut.loop
	w := l.newWaiter(what)
	list.push(w)
	suspend, err := c.arm(&w.future)
	// The code of await, inlined by hand: with a call of await the benchmarks
	// Queue1, LockContended and EventPingPong take 3 to 6 % longer.
	if suspend {
		stop := c.parking()
		err = c.co.park()
		if stop != nil {
			stop()
		}
	}
	if c.byContext {
		err = c.contextEnded(err)
	}
	woken = w.state == finished
	list.remove(w)
	l.freeWaiter(w)
	return woken, err
}
