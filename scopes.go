package aio

// Cancel scopes: cancellation as a state rather than an event.
//
// Task.Cancel, Timeout and TaskGroup cancel as asyncio does, with a request: it is
// delivered once, at one await, and is then spent. A cancelled CancelScope fails every
// await inside it until the task leaves it. Both kinds can occur in one task;
// docs/cancellation.md has the rules for combining them.
//
// The scopes of a loop form trees. The parent of a scope is the scope around it in its
// own task or, for the first scope of a group's task, the scope around the group.
// task.inside is the innermost scope of a task: its own, or the one around its group. A
// scope knows the scopes and groups directly inside it. So when it is cancelled it can
// wake the tasks that are suspended inside, each once, in the order in which they
// entered.
//
// Scopes cost nothing for a task that does not use them. An await checks Loop.gate
// instead of whether the loop is closed; gate is 0 while the loop is open and no scope
// is cancelled.
//
// A shield hides the scopes around it. It also holds back requests that come from
// outside of it: they wait in its list held, and count in Task.Cancelling. The token
// owns all of this, except for CancelScope.when.

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/goaio/aio/internal/plug"
)

func init() {
	plug.CancelLater = func(ctx context.Context, err error) {
		t := CurrentTask(ctx).core().sub.(*task)
		if reason, ok := asCancelled(err); ok && t.cancelledIn() == nil {
			t.mustCancel, t.reason = true, reason
		}
	}
}

type cancelScopeState uint8

const (
	cancelScopeCreated cancelScopeState = iota
	cancelScopeEntered
	cancelScopeExited
)

// CancelScope runs a body that can be cancelled as a whole. Once the scope is
// cancelled, by [CancelScope.Cancel] or its deadline, every await in it fails with a
// [*CancelledError] until [CancelScope.Run] returns: the awaits of the body, of scopes
// and groups inside it, and of the tasks of these groups. An await in which a task is
// suspended returns at once. If the body ignores the error, later awaits do not suspend
// it either. The exceptions are a [TaskGroup] that waits for its tasks, a [Condition]
// that reacquires its lock, and everything inside a shielded scope.
//
// The zero value is ready for one Run, without a deadline and without a shield. All
// methods except Deadline must be called by the goroutine that holds the loop's token.
// For common uses there are [MoveOnAfter], [FailAfter] and [Shielded].
//
// asyncio has no equivalent. (trio and anyio: CancelScope)
type CancelScope struct {
	scope    scope
	inner    innerScope
	state    cancelScopeState
	shielded bool
	caught   bool
	delayed  bool            // the deadline is delay after Run begins, not when
	reason   *CancelledError // nil until the scope is cancelled
	host     *task           // the task that runs the body
	parent   *CancelScope
	// the scopes and groups directly inside, in the order of entry
	scopes chain[CancelScope, *CancelScope]
	groups chain[scopedGroup, *scopedGroup]
	links[CancelScope]
	held []heldRequest // requests that the shield holds back
	// the number of the host's requests when it entered the scope
	requests int32
	timer    *TimerHandle
	delay    time.Duration
	moment   time.Time
	// nanoseconds since the epoch of the loop; any goroutine may read it
	when atomic.Int64
}

var _ linked[CancelScope] = (*CancelScope)(nil)

// scopedGroup is a TaskGroup inside a CancelScope.
type scopedGroup struct {
	group interface {
		eachTask(func(t *task))
		moveTo(around *CancelScope)
	}
	links[scopedGroup]
}

var _ linked[scopedGroup] = (*scopedGroup)(nil)

// heldRequest is a request to cancel a task that a shield has held back.
type heldRequest struct {
	reason *CancelledError
	// the innermost scope around the code that made the request, nil if none
	from *CancelScope
}

// MoveOnAfter runs body in a [CancelScope] with a deadline d from now. If the deadline
// ends the body, MoveOnAfter returns true and no error; otherwise it returns the error
// of body. With d zero or negative the first await fails. [NoTimeout] sets no deadline.
// Unlike with [Timeout], all later awaits fail too if the body ignores the error.
// Misuse is the same as for [CancelScope.Run].
//
// (trio, anyio: move_on_after)
func MoveOnAfter(ctx context.Context, d time.Duration, body func(ctx context.Context) error) (timedOut bool, err error) {
	var s CancelScope
	s.SetTimeout(d)
	err = s.Run(ctx, body)
	return s.caught, err
}

// MoveOnAt is [MoveOnAfter] with a time of the loop, see [Loop.Time]. The zero time
// sets no deadline. (trio: move_on_at)
func MoveOnAt(ctx context.Context, when time.Time, body func(ctx context.Context) error) (timedOut bool, err error) {
	var s CancelScope
	s.SetDeadline(when)
	err = s.Run(ctx, body)
	return s.caught, err
}

// FailAfter is [MoveOnAfter], but returns [ErrTimeout] if the deadline ended the body.
// (trio, anyio: fail_after)
func FailAfter(ctx context.Context, d time.Duration, body func(ctx context.Context) error) error {
	return failIf(MoveOnAfter(ctx, d, body))
}

// FailAt is [FailAfter] with a time of the loop, see [Loop.Time]. (trio: fail_at)
func FailAt(ctx context.Context, when time.Time, body func(ctx context.Context) error) error {
	return failIf(MoveOnAt(ctx, when, body))
}

func failIf(timedOut bool, err error) error {
	if timedOut {
		return ErrTimeout
	}
	return err
}

// Shielded runs body in a shielded [CancelScope]: no cancellation from outside reaches
// it, from any source. Use it for clean-up that awaits. Give it a timeout, because
// nothing else can end it:
//
//	defer aio.Shielded(ctx, func(ctx context.Context) error {
//		return aio.FailAfter(ctx, time.Second, conn.Close)
//	})
//
// A request that arrives while body runs is delivered by the first await that suspends
// afterwards. Shielded returns the error of body; misuse is the same as for
// [CancelScope.Run].
//
// (trio, anyio: CancelScope with shield=True; unlike it, asyncio's shield starts a
// task, see [Shield])
func Shielded(ctx context.Context, body func(ctx context.Context) error) error {
	s := CancelScope{shielded: true}
	return s.Run(ctx, body)
}

// Run runs body within the scope, in the calling task. It returns the error of body,
// unless that is the cancellation by this scope: then it returns nil, and
// [CancelScope.Caught] reports true. Run also returns the cancellation if a visible
// scope around this one is cancelled too, or if the task itself was cancelled inside
// the scope.
//
// The body's context has the values of ctx. It is done when the scope is cancelled or
// left, and also when ctx is done, unless the scope is shielded when Run begins. If
// there is no task, Run returns the error that [Future.Await] documents for that before
// body runs. A second Run and a nil body are misuse.
func (s *CancelScope) Run(ctx context.Context, body func(ctx context.Context) error) (err error) {
	c, err := enter(ctx, callCancelScope)
	switch {
	case err != nil:
		return err
	case s.state != cancelScopeCreated:
		return usagef(callCancelScope, "the scope has been entered already: make a new one")
	case body == nil:
		return usagef(callCancelScope, "the body is nil")
	}
	t := c.task
	s.state, s.host, s.parent = cancelScopeEntered, t, t.inside
	s.requests = t.requests()
	if t.mustCancel && !s.shielded {
		s.requests-- // an await inside the scope will deliver this request
	}
	if s.shielded {
		ctx, c.endCtx = context.WithoutCancel(ctx), nil
	}
	s.scope.enter(c, ctx, &s.inner)
	s.inner.endCtx = c.endCtx
	s.inner.limit = &s.when
	if s.parent != nil {
		s.parent.scopes.push(s)
	}
	t.inside = s
	if s.shielded && t.mustCancel {
		// the request came from outside and is not delivered yet
		t.mustCancel = false
		s.held = append(s.held, heldRequest{t.reason, s.parent})
	}
	if s.reason != nil { // the scope was cancelled before Run
		s.cancelled()
	}
	l := s.scope.loop
	if s.delayed {
		s.set(l.after(s.delay))
	} else {
		s.set(l.since(s.moment))
	}
	returned := false
	defer func() {
		if !returned {
			s.exit(nil) // a panic or Goexit continues
		}
	}()
	err = body(&s.scope)
	returned = true
	return s.exit(err)
}

// exit leaves the scope. err is what the body returned.
func (s *CancelScope) exit(err error) error {
	t := s.host
	s.state = cancelScopeExited
	stopTimer(&s.timer)
	s.scope.leave()
	requested := t.requests() > s.requests
	if s.parent != nil {
		s.parent.scopes.remove(s)
	}
	if t.inside == s {
		t.inside = s.parent
	} else {
		s.leaveInner()
		err = errors.Join(err, usagef(callCancelScope, "the scope was left before a scope that was entered inside it: an Iterator that holds a scope must be closed in the scope in which it was started"))
	}
	if s.reason != nil {
		s.scope.loop.gate--
	}
	s.release()
	if _, ok := asCancelled(err); !ok || s.reason == nil {
		return err
	}
	if requested {
		// The task itself was cancelled: Run returns the error that delivers
		// that cancellation.
		if t.mustCancel {
			t.mustCancel = false
			return t.reason
		}
		return err
	}
	if !s.shielded && t.cancelledIn() != nil {
		return err
	}
	s.caught = true
	return nil
}

// leaveInner moves what is still inside s to the scope around it. This happens only if
// s is entered in the body of an Iterator.
func (s *CancelScope) leaveInner() {
	for in := s.scopes.pop(); in != nil; in = s.scopes.pop() {
		if in.parent = s.parent; s.parent != nil {
			s.parent.scopes.push(in)
		}
	}
	for g := s.groups.pop(); g != nil; g = s.groups.pop() {
		if g.group.moveTo(s.parent); s.parent != nil {
			s.parent.groups.push(g)
		}
	}
}

// Cancel cancels the scope; see [CancelScope] for the effect. reason is the Message of
// the [*CancelledError], whose Source is [CancelScoped] and whose By is the name of the
// task that called Cancel. Before [CancelScope.Run] it makes the first await of the
// body fail. A second call, and a call after Run, have no effect. It never awaits.
//
// (trio, anyio: CancelScope.cancel)
func (s *CancelScope) Cancel(reason ...any) {
	if s.scope.loop != nil {
		s.scope.loop.check("CancelScope.Cancel")
	}
	if s.reason != nil || s.state == cancelScopeExited {
		return
	}
	s.reason = &CancelledError{Message: cancelReason(reason).Message, Source: CancelScoped}
	if s.state == cancelScopeEntered {
		if t := s.scope.loop.current; t != nil {
			s.reason.By = t.name()
		}
		s.cancelled()
	}
}

// cancelled makes the cancellation of an entered scope take effect.
func (s *CancelScope) cancelled() {
	stopTimer(&s.timer)
	s.scope.loop.gate++
	s.scope.cancelled(s.reason)
	s.deliver(s.reason)
}

// deliver wakes the tasks inside s that are suspended.
func (s *CancelScope) deliver(reason *CancelledError) {
	if s.host.inside == s {
		s.host.interrupt(reason)
	}
	s.groups.all(func(g *scopedGroup) {
		g.group.eachTask(func(t *task) {
			t.scope.cancelled(reason)
			if t.inside == s {
				t.interrupt(reason)
			}
		})
	})
	s.scopes.all(func(in *CancelScope) {
		if !in.shielded {
			in.deliver(reason)
		}
	})
}

// interrupt ends the await in which t is suspended, unless t has been woken already.
func (t *task) interrupt(reason *CancelledError) {
	if t.waiting != nil {
		t.byContext = false
		_, _ = t.waiting.tryCancel(reason) // the next await reports a cycle
	}
}

// due implements timerTarget: the deadline has passed.
func (s *CancelScope) due() {
	s.timer = nil
	if s.reason == nil {
		s.reason = errCancelledByDeadline
		s.cancelled()
	}
}

// set changes the deadline.
func (s *CancelScope) set(when time.Duration) {
	stopTimer(&s.timer)
	s.when.Store(int64(when))
	l := s.scope.loop
	switch {
	case when == NoTimeout || s.reason != nil:
	case when <= l.now():
		s.due()
	default:
		s.timer = &TimerHandle{Handle: Handle{loop: l}, target: s, when: when}
		l.addTimer(s.timer, when)
	}
}

// SetDeadline sets the deadline to a time of the loop, see [Loop.Time]. A time that has
// passed cancels the scope at once; the zero time means no deadline. It has no effect
// once the scope is cancelled. (trio, anyio: CancelScope.deadline)
func (s *CancelScope) SetDeadline(when time.Time) {
	s.settable("CancelScope.SetDeadline")
	if s.state == cancelScopeEntered {
		s.set(s.scope.loop.since(when))
		return
	}
	s.moment, s.delayed = when, false
}

// SetTimeout sets the deadline to d from now. If it is called before [CancelScope.Run],
// the deadline is d after Run begins. [NoTimeout] means no deadline. (trio:
// CancelScope.relative_deadline)
func (s *CancelScope) SetTimeout(d time.Duration) {
	s.settable("CancelScope.SetTimeout")
	if s.state == cancelScopeEntered {
		s.set(s.scope.loop.after(d))
		return
	}
	s.delay, s.delayed = d, true
}

func (s *CancelScope) settable(call string) {
	if s.scope.loop != nil {
		s.scope.loop.check(call)
	}
	if s.state == cancelScopeExited {
		misuse(call, "the scope has been left")
	}
}

// Deadline returns the deadline as a time of the loop, the zero time if there is none.
// Any goroutine may call it while the body runs.
func (s *CancelScope) Deadline() time.Time {
	if s.scope.loop == nil {
		return s.moment
	}
	return s.scope.loop.at(time.Duration(s.when.Load()))
}

// SetShield sets or removes the shield. While it is set, no cancellation from outside
// reaches the code inside the scope. When it is removed, the cancellations that it held
// back are delivered. (trio, anyio: CancelScope.shield)
func (s *CancelScope) SetShield(on bool) {
	s.settable("CancelScope.SetShield")
	if s.shielded == on {
		return
	}
	s.shielded = on
	if on || s.state != cancelScopeEntered {
		return
	}
	s.release()
	if s.parent != nil {
		if by := s.parent.cancelledBy(); by != nil {
			s.deliver(by.reason)
		}
	}
}

// Shielded reports whether the shield is set.
func (s *CancelScope) Shielded() bool { return s.shielded }

// CancelCalled reports whether the scope was cancelled, by [CancelScope.Cancel] or by
// its deadline. (trio, anyio: CancelScope.cancel_called)
func (s *CancelScope) CancelCalled() bool {
	if s.scope.loop != nil {
		s.scope.loop.check("CancelScope.CancelCalled")
	}
	return s.reason != nil
}

// Caught reports whether [CancelScope.Run] returned nil instead of the cancellation by
// the scope. (trio, anyio: CancelScope.cancelled_caught)
func (s *CancelScope) Caught() bool {
	if s.scope.loop != nil {
		s.scope.loop.check("CancelScope.Caught")
	}
	return s.caught
}

// cancelledBy returns the innermost cancelled scope that is visible from inside s, nil
// if there is none.
func (s *CancelScope) cancelledBy() *CancelScope {
	for ; s != nil; s = s.parent {
		if s.reason != nil {
			return s
		}
		if s.shielded {
			return nil
		}
	}
	return nil
}

// cancelledIn returns the cancelled scope that t is in, nil if there is none.
func (t *task) cancelledIn() *CancelScope { return t.inside.cancelledBy() }

// The names of calls that await, or enter a scope or group, and do not fail in a
// cancelled scope.
const (
	callTimeout       = "Timeout"
	callTaskGroup     = "TaskGroup"
	callCancelScope   = "CancelScope"
	callCancelAndWait = "CancelAndWait"
	callNext          = "Iterator.Next"
	callClose         = "Iterator.Close"
	callLockAgain     = "Condition.Wait, taking the lock again"
)

// A closed loop adds loopClosed to its gate.
const loopClosed = 1 << 30

// requests is the number of requests to cancel t that no shield holds back.
func (t *task) requests() int32 {
	n := t.cancels
	for s := t.inside; s != nil && s.host == t; s = s.parent {
		n -= int32(len(s.held))
	}
	return n
}

// shieldFrom returns the innermost shield between t and a request that was made inside
// the scope from. from is nil for a request from outside of the task. Shields around
// the group of t do not count.
func (t *task) shieldFrom(from *CancelScope) *CancelScope {
	for s := t.inside; s != from && s != nil && s.host == t; s = s.parent {
		if s.shielded {
			return s
		}
	}
	return nil
}

// release delivers the requests that s has held back, unless another shield holds them
// back.
func (s *CancelScope) release() {
	t, held := s.host, s.held
	s.held = nil
	for _, h := range held {
		if shield := t.shieldFrom(h.from); shield != nil {
			shield.held = append(shield.held, h)
		} else if t.waiting != nil && t.waiting.cancel(h.reason) {
			t.byRequest = true
		} else {
			t.mustCancel, t.reason = true, h.reason
		}
	}
}

// dropHeld removes one held-back request, because a request was withdrawn.
func (t *task) dropHeld() {
	for s := t.inside; s != nil && s.host == t; s = s.parent {
		if n := len(s.held); n > 0 {
			s.held = s.held[:n-1]
			return
		}
	}
}
