package aio

// A loop measures time from its epoch. Real time is Go's monotonic clock. A virtual clock
// stands still while anything is ready and, when nothing is, jumps to the next timer: a
// program that sleeps for an hour is done at once, and always makes the same steps at the
// same times.
//
// Two things keep a virtual clock from jumping. A job of an executor is real work that
// will end, so the clock waits for it. Where a task waits for something from outside that
// may never come (a Go channel, a socket), the clock gives it a millisecond of real time
// before each jump, and if there is no timer left the loop waits as long as it takes.
// Only when there is neither can nothing ever happen again, and the run ends with a
// *DeadlockError. What other goroutines may one day do by CallSoonThreadsafe, or to a
// context that a task awaits under, is not known to the clock. The end of a context is
// noticed when a pass begins.

import (
	"math"
	"time"

	"github.com/goaio/aio/internal/goid"
)

// NoTimeout is the timeout that never passes, where asyncio has None.
const NoTimeout time.Duration = math.MaxInt64

// clock is how a loop tells the time. The time of a loop is that since epoch.
type clock struct {
	epoch   time.Time     // immutable
	virtual bool          // immutable
	bubble  bool          // the loop lives in a bubble of testing/synctest; immutable
	vtime   time.Duration // of a virtual clock
	alarm   *time.Timer   // of waiting

	// Of a virtual clock.
	watched      []watchEnded // awaits under contexts that the user derived
	toldDeadline bool         // of a context in real time, to the exception handler
}

func (c *clock) init(virtual bool) {
	c.epoch, c.virtual, c.bubble = time.Now(), virtual, goid.InBubble()
	if virtual {
		c.epoch = virtualEpoch
	}
}

// virtualEpoch is when every virtual clock starts.
var virtualEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// now is the time since the loop's epoch.
func (l *Loop) now() time.Duration {
	if l.virtual {
		return l.vtime
	}
	return time.Since(l.epoch)
}

// wallClock is real time even under a virtual clock, to find out how long a step took.
func wallClock() time.Duration { return time.Since(wallEpoch) }

var wallEpoch = time.Now()

// at turns a time of the loop into one for the user.
func (l *Loop) at(when time.Duration) time.Time {
	if when == NoTimeout {
		return time.Time{}
	}
	return l.epoch.Add(when)
}

// since turns a time that the user gave into one of the loop. The zero time is never.
func (l *Loop) since(when time.Time) time.Duration {
	if when.IsZero() {
		return NoTimeout
	}
	return when.Sub(l.epoch)
}

// after is the time d from now, without overflow.
func (l *Loop) after(d time.Duration) time.Duration {
	now := l.now()
	if d > 0 && now >= NoTimeout-d {
		return NoTimeout
	}
	return now + d
}

// Time returns the loop's current time, to compute the times of CallAt, TimeoutAt and
// Reschedule from. With a virtual clock it starts at the beginning of the year 2000 UTC.
// Any goroutine may call it if the clock is real. (asyncio: loop.time)
func (l *Loop) Time() time.Time {
	if l.virtual {
		l.check("Loop.Time")
	}
	return l.epoch.Add(l.now())
}

// waitVirtual is wait for a virtual clock.
func (l *Loop) waitVirtual() {
	l.pollNow()
	l.lookAtContexts()
	if l.ready.n > 0 {
		return
	}
	outside := l.outsideWaits > 0 || l.polling.n > 0
	switch {
	case l.pendingJobs == 0 && len(l.timers.heap) > 0 && l.timers.heap[0].when != NoTimeout:
		if outside {
			l.block(time.Millisecond)
		}
		l.collectAll() // what came in by now happened before the timer
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
