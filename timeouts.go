package aio

// A timeout is a timer that cancels the task by which it was entered. At the end the
// scope withdraws its own request. If no request is left that is newer than its entry,
// the CancelledError of the body was caused by this scope, and becomes ErrTimeout.

import (
	"context"
	"sync/atomic"
	"time"
)

type timeoutState uint8

const (
	timeoutCreated  timeoutState = iota
	timeoutEntered               // the body runs
	timeoutExpiring              // the body is being cancelled
	timeoutExpired
	timeoutExited
)

// TimeoutScope limits the time of a body. [NewTimeout] and [NewTimeoutAt] make one
// whose deadline can be moved; [Timeout] and [TimeoutAt] are the short forms. It can
// Run once. (asyncio: Timeout)
type TimeoutScope struct {
	scope   scope
	inner   innerScope
	state   timeoutState
	task    *task
	timer   *TimerHandle
	around  *CancelScope // the innermost CancelScope that the task is in, nil if none
	cancels int32        // requests to cancel the task from before the scope
	isAt    bool         // made by NewTimeoutAt
	moment  time.Time    // of NewTimeoutAt
	// nanoseconds since the epoch of the loop, before Run the delay of NewTimeout;
	// any goroutine may read it
	when atomic.Int64
}

// NewTimeout returns a scope that ends d after Run begins. [NoTimeout] sets no limit.
func NewTimeout(d time.Duration) *TimeoutScope {
	s := &TimeoutScope{}
	s.when.Store(int64(d))
	return s
}

// NewTimeoutAt returns a scope that ends at a time of the loop, see [Loop.Time]. The
// zero time sets no limit.
func NewTimeoutAt(when time.Time) *TimeoutScope {
	return &TimeoutScope{moment: when, isAt: true}
}

// Timeout runs body in the calling task, for no longer than d. Then the await in which
// the body is suspended, or its next one, returns a [*CancelledError], and when body
// returns that, Timeout returns [ErrTimeout]. Any other result of body is returned
// unchanged, even after the time has expired. A body that never suspends is never
// interrupted. With d zero or negative the time expires at the first suspension; a
// cancellation that was requested before, and that no await has returned yet, then counts
// as the Timeout's, as in asyncio. [NoTimeout] sets no limit. The body's context ends
// with the scope: with [context.DeadlineExceeded] if the time has expired, as do the
// contexts that are derived from it.
//
// If the task is cancelled by other code as well, Timeout returns the CancelledError.
// Of two scopes that expire together the outer one returns ErrTimeout. Those errors of
// [Future.Await] which say that there is no task are returned before body runs.
//
// (asyncio: async with timeout(d))
func Timeout(ctx context.Context, d time.Duration, body func(ctx context.Context) error) error {
	return NewTimeout(d).Run(ctx, body)
}

// TimeoutAt is [Timeout] with a time of the loop, see [Loop.Time]. The zero time sets
// no limit. (asyncio: async with timeout_at(when))
func TimeoutAt(ctx context.Context, when time.Time, body func(ctx context.Context) error) error {
	return NewTimeoutAt(when).Run(ctx, body)
}

// Run runs body within the scope, as [Timeout] describes. A second Run of a scope is
// misuse, as is a nil body.
func (s *TimeoutScope) Run(ctx context.Context, body func(ctx context.Context) error) (err error) {
	c, err := enter(ctx, callTimeout)
	if err != nil {
		return err
	}
	if s.state != timeoutCreated {
		return usagef("Timeout", "the scope has been entered already: make a new one")
	}
	if body == nil {
		return usagef("Timeout", "the body is nil")
	}
	s.state = timeoutEntered
	s.task = c.task
	s.cancels, s.around = c.requests(), c.inside
	s.scope.enter(c, ctx, &s.inner)
	s.inner.limit = &s.when
	l := s.scope.loop
	if s.isAt {
		s.set(l.since(s.moment))
	} else {
		s.set(l.after(time.Duration(s.when.Load())))
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

// exit ends the scope. err is the result of the body.
func (s *TimeoutScope) exit(err error) error {
	stopTimer(&s.timer)
	s.scope.leave()
	if s.state != timeoutExpiring {
		s.state = timeoutExited
		return err
	}
	s.state = timeoutExpired
	s.task.uncancel()
	if s.task.requests() <= s.cancels {
		if _, ok := asCancelled(err); ok {
			return ErrTimeout
		}
	}
	return err
}

// set moves the deadline.
func (s *TimeoutScope) set(when time.Duration) {
	stopTimer(&s.timer)
	s.when.Store(int64(when))
	if when == NoTimeout {
		return
	}
	l := s.scope.loop
	s.timer = &TimerHandle{Handle: Handle{loop: l}, target: s, when: when}
	if when <= l.now() {
		l.schedule(s.timer, nil)
	} else {
		l.addTimer(s.timer, when)
	}
}

// due implements timerTarget: the deadline has come.
func (s *TimeoutScope) due() {
	// panics for a cycle of awaits: then the scope continues unchanged
	s.task.cancelFromScope(errCancelledByDeadline, s.around)
	s.timer = nil
	s.state = timeoutExpiring
	s.scope.end(endedTimeout)
}

// When returns the deadline as a time of the loop, the zero time if there is none or
// Run has not begun. Any goroutine may call it once the body runs. (asyncio:
// Timeout.when)
func (s *TimeoutScope) When() time.Time {
	if s.scope.loop == nil {
		return s.moment
	}
	return s.scope.loop.at(time.Duration(s.when.Load()))
}

// Reschedule moves the deadline to a time of the loop, see [Loop.Time]. A time in the
// past ends the scope in the next pass; the zero time removes the limit. It is misuse,
// and panics, before Run and once the time has expired or body has returned.
//
// (asyncio: Timeout.reschedule)
func (s *TimeoutScope) Reschedule(when time.Time) {
	if s.scope.loop != nil {
		s.scope.loop.check("TimeoutScope.Reschedule")
	}
	switch s.state {
	case timeoutEntered:
	case timeoutCreated:
		misuse("TimeoutScope.Reschedule", "the scope has not been entered")
	default:
		misuse("TimeoutScope.Reschedule", "the scope has ended or is ending")
	}
	s.set(s.scope.loop.since(when))
}

// Expired reports whether the time has expired: true from the moment at which the body
// is cancelled. (asyncio: Timeout.expired)
func (s *TimeoutScope) Expired() bool {
	if s.scope.loop != nil {
		s.scope.loop.check("TimeoutScope.Expired")
	}
	return s.state == timeoutExpiring || s.state == timeoutExpired
}
