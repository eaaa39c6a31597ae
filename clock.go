package aio

// A loop measures time from its epoch. Real time is Go's monotonic clock. A virtual
// clock does not advance while an entry is ready. When no entry is ready, it jumps to
// the next timer: a program that sleeps for an hour finishes at once, and always makes
// the same steps at the same times.
//
// Two things keep a virtual clock from jumping. A job of an executor is real work that
// will end, so the clock waits for it. Where a task waits for an event from outside
// that may never come (a Go channel, a socket), the clock waits a millisecond of real
// time before each jump, and if no timer is left the loop waits without a limit. If
// there is neither a job nor such a wait, no task can ever be woken again, and the run
// ends with a *DeadlockError. The clock cannot predict calls of CallSoonThreadsafe by
// other goroutines, nor the end of a context that a task awaits with. The end of a
// context is noticed when a pass begins.

import (
	"math"
	"time"

	"github.com/goaio/aio/internal/goid"
)

// NoTimeout is the timeout that never expires, where asyncio uses None.
const NoTimeout time.Duration = math.MaxInt64

// clock tells the time of a loop, which is the duration since epoch.
type clock struct {
	epoch   time.Time // immutable
	virtual bool      // immutable
	// the loop runs inside a bubble of testing/synctest; immutable
	bubble bool
	vtime  time.Duration // the time of a virtual clock
	alarm  *time.Timer   // of waiting

	// Of a virtual clock.
	watched []watchEnded // awaits under contexts that the user derived
	// a context with a real deadline was reported to the exception handler
	toldDeadline bool
}

func (c *clock) init(virtual bool) {
	c.epoch, c.virtual, c.bubble = time.Now(), virtual, goid.InBubble()
	if virtual {
		c.epoch = virtualEpoch
	}
}

// virtualEpoch is the time at which every virtual clock starts.
var virtualEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// now returns the time since the loop's epoch.
func (l *Loop) now() time.Duration {
	if l.virtual {
		return l.vtime
	}
	return time.Since(l.epoch)
}

// wallClock is real time even under a virtual clock. It measures how long a step takes.
func wallClock() time.Duration { return time.Since(wallEpoch) }

var wallEpoch = time.Now()

// at converts a time of the loop to one for the user.
func (l *Loop) at(when time.Duration) time.Time {
	if when == NoTimeout {
		return time.Time{}
	}
	return l.epoch.Add(when)
}

// since converts a time from the user to one of the loop. The zero time means never.
func (l *Loop) since(when time.Time) time.Duration {
	if when.IsZero() {
		return NoTimeout
	}
	return when.Sub(l.epoch)
}

// after returns the time d from now, without overflow.
func (l *Loop) after(d time.Duration) time.Duration {
	now := l.now()
	if d > 0 && now >= NoTimeout-d {
		return NoTimeout
	}
	return now + d
}

// Time returns the loop's current time, from which to compute the times of
// [Loop.CallAt], [TimeoutAt] and [TimeoutScope.Reschedule]. A virtual clock starts at
// the beginning of the year 2000 UTC. Any goroutine may call it if the clock is real.
//
// (asyncio: loop.time)
func (l *Loop) Time() time.Time {
	if l.virtual {
		l.check("Loop.Time")
	}
	return l.epoch.Add(l.now())
}

// waitVirtual is like wait, for a virtual clock.
func (l *Loop) waitVirtual() {
	l.pollNow()
	l.lookAtContexts()
	if l.ready.n > 0 || l.director != nil && l.director.Idle() {
		return
	}
	outside := l.outsideWaits > 0 || l.polling.n > 0
	switch {
	case l.pendingJobs == 0 && len(l.timers.heap) > 0 && l.timers.heap[0].when != NoTimeout:
		if outside {
			l.block(time.Millisecond)
		}
		l.collectAll() // whatever has arrived by now happened before the timer
		if l.ready.n == 0 {
			l.vtime = max(l.vtime, l.timers.heap[0].when)
		}
	case l.pendingJobs > 0 || outside:
		l.block(-1)
	default:
		l.collectAll()
		if l.ready.n == 0 {
			l.runErr = l.deadlock()
			l.stopping = true
		}
	}
}
