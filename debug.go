package aio

// Debug mode, and the stacks, frames and function names that it needs.

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/goaio/aio/internal/goid"
)

// SetDebug turns debug mode on or off. Debug mode logs callbacks and steps of tasks
// that take [Loop.SetSlowCallbackDuration] or more: a coroutine that calls a blocking
// function stops its loop for that time, and should use [ToThread]. It also records
// where tasks and callbacks were created, and checks on all platforms that only the
// holder of the token uses the loop (amd64 and arm64 always check).
//
// (asyncio: loop.set_debug)
func (l *Loop) SetDebug(on bool) {
	l.check("Loop.SetDebug")
	l.debug.Store(on)
	if l.running.Load() {
		l.watchDebug()
	}
	if on {
		goid.Check.Store(true)
	}
}

// GetDebug reports whether debug mode is on. (asyncio: loop.get_debug)
func (l *Loop) GetDebug() bool {
	l.check("Loop.GetDebug")
	return l.debug.Load()
}

// SetSlowCallbackDuration sets the run time from which debug mode reports a callback or
// a step of a task; 0 reports all of them. The default is 100 ms; [LoopOptions] can
// change it. A negative d is misuse. (asyncio: loop.slow_callback_duration)
func (l *Loop) SetSlowCallbackDuration(d time.Duration) {
	const call = "Loop.SetSlowCallbackDuration"
	l.check(call)
	if d < 0 {
		misuse(call, "the duration is negative: %v", d)
	}
	l.slow = d
}

// GetSlowCallbackDuration returns the value that SetSlowCallbackDuration has set.
// (asyncio: loop.slow_callback_duration)
func (l *Loop) GetSlowCallbackDuration() time.Duration {
	l.check("Loop.GetSlowCallbackDuration")
	return l.slow
}

// nameEntry returns a function that returns the name of e, also after e has run.
func nameEntry(e readyEntry) func() string {
	switch r := e.r.(type) {
	case *task:
		return func() string { return r.fut.String() }
	case interface{ String() string }:
		s := r.String()
		return func() string { return s }
	}
	return func() string { return fmt.Sprintf("%T", e.r) }
}

//nolint:contextcheck // a report has no ctx
func warnSlow(what string, d time.Duration) {
	defer survive(what)
	slog.Warn("aio: slow step blocked the event loop", "what", what, "seconds", d.Seconds())
}

// runTimed runs e in debug mode.
func (l *Loop) runTimed(e readyEntry) {
	start := wallClock()
	what := nameEntry(e)
	chaining := l.chaining
	l.chaining = false
	l.runEntry(e)
	l.chaining = chaining
	if d := wallClock() - start; d >= l.slow {
		warnSlow(what(), d)
	}
}
