// Package exercise is an event loop with a virtual clock, without package aio.
package exercise

import (
	"iter"
	"slices"
	"time"
)

// Loop runs one function at a time.
type Loop struct {
	Now    time.Duration
	ready  []func() // what runs next, in order
	timers []timer  // sorted by time
}

type timer struct {
	when time.Duration
	call func()
}

// CallSoon makes f ready. f runs after the functions that are ready already.
func (l *Loop) CallSoon(f func()) { l.ready = append(l.ready, f) }

// CallAt makes f ready at a time. Functions with the same time run in the order of the
// calls.
func (l *Loop) CallAt(when time.Duration, f func()) {
	i := len(l.timers)
	for i > 0 && l.timers[i-1].when > when {
		i--
	}
	l.timers = slices.Insert(l.timers, i, timer{when, f})
}

// Run runs the loop until nothing is left to do.
func (l *Loop) Run() {
	for len(l.ready) > 0 || len(l.timers) > 0 {
		if len(l.ready) == 0 {
			l.Now = l.timers[0].when
		}
		for len(l.timers) > 0 && l.timers[0].when <= l.Now {
			l.CallSoon(l.timers[0].call)
			l.timers = l.timers[1:]
		}
		pass := l.ready
		l.ready = nil
		for _, call := range pass {
			call()
		}
	}
}

// Task is a function that can be suspended.
type Task struct {
	Done Future // settled when the function has ended

	loop    *Loop
	step    func() // runs the task until it is suspended or has ended
	suspend func() // stops the task, and returns to the loop, until the next step
}

// Go makes a task of f, whose first step is ready.
func (l *Loop) Go(f func(t *Task) error) *Task {
	t := &Task{loop: l}
	next, _ := iter.Pull(func(yield func(struct{}) bool) {
		t.suspend = func() { yield(struct{}{}) }
		t.Done.Settle(f(t))
	})
	t.step = func() { next() }
	l.CallSoon(t.step)
	return t
}

// Future is an outcome that is not there yet: an error, or nil.
type Future struct {
	settled bool
	err     error
	waiting []*Task
}
