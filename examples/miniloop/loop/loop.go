// Package loop is an event loop of about 100 lines, with tasks, futures, timers and
// cancellation, and a lock that uses it. docs/how-it-works.md explains it, and shows
// where package aio differs.
package loop

import (
	"errors"
	"iter"
	"slices"
	"time"
)

// Loop runs tasks one at a time.
type Loop struct {
	Now    time.Duration
	ready  []func() // what runs next, in order
	timers []timer  // sorted by time
}

type timer struct {
	when time.Duration
	call func()
}

// Task is a function that can be suspended.
type Task struct {
	loop    *Loop
	resume  func() (struct{}, bool) // runs the function to its next await
	suspend func(struct{}) bool     // continues the caller of resume
	waits   *Future                 // nil if the task waits for nothing
	cancel  bool                    // the next await fails
	Done    Future                  // settled when the function has ended
}

// Future is a result that will be provided later.
type Future struct {
	settled bool
	err     error
	call    []func() // called when the future is settled
}

// Go makes a task of f. It starts in the next pass.
func (l *Loop) Go(f func(t *Task) error) *Task {
	t := &Task{loop: l}
	t.resume, _ = iter.Pull(func(yield func(struct{}) bool) {
		t.suspend = yield
		t.Done.Settle(f(t))
	})
	l.ready = append(l.ready, t.step)
	return t
}

// step runs the task until its next await.
func (t *Task) step() { t.resume() }

// Settle sets the outcome of f.
func (f *Future) Settle(err error) {
	if f.settled {
		return
	}
	f.settled, f.err = true, err
	for _, call := range f.call {
		call()
	}
}

// Await suspends t until f is settled.
func (t *Task) Await(f *Future) error {
	if t.cancel {
		t.cancel = false
		return errCancelled
	}
	if !f.settled {
		f.call = append(f.call, func() {
			t.loop.ready = append(t.loop.ready, t.step)
		})
		t.waits = f
		t.suspend(struct{}{})
		t.waits = nil
	}
	return f.err
}

// Sleep suspends t for d.
func (t *Task) Sleep(d time.Duration) error {
	f := &Future{}
	t.loop.at(t.loop.Now+d, func() { f.Settle(nil) })
	return t.Await(f)
}

// at makes f ready at the time when.
func (l *Loop) at(when time.Duration, f func()) {
	i, _ := slices.BinarySearchFunc(l.timers, when, func(t timer, when time.Duration) int {
		if t.when <= when { // after the timers with the same time
			return -1
		}
		return 1
	})
	l.timers = slices.Insert(l.timers, i, timer{when, f})
}

// Cancel makes the await in which t is suspended fail, or else its next one.
func (t *Task) Cancel() {
	if t.waits == nil || t.waits.settled {
		t.cancel = true
		return
	}
	t.waits.Settle(errCancelled)
}

var errCancelled = errors.New("cancelled")

// Run runs the loop until nothing is left to do.
func (l *Loop) Run() {
	for l.Pass() {
	}
}

// Pass runs what is ready, and reports whether there was something to do.
func (l *Loop) Pass() bool {
	if len(l.ready) == 0 && len(l.timers) == 0 {
		return false
	}
	if len(l.ready) == 0 {
		l.Now = l.timers[0].when // a virtual clock; a real one would wait
	}
	for len(l.timers) > 0 && l.timers[0].when <= l.Now {
		l.ready = append(l.ready, l.timers[0].call)
		l.timers = l.timers[1:]
	}
	pass := l.ready // what becomes ready in this pass runs in the next one
	l.ready = nil
	for _, call := range pass {
		call()
	}
	return true
}

// Lock admits one task at a time, in the order of the calls of Acquire.
type Lock struct {
	held    bool
	waiting []*Future
}

// Acquire suspends t until it has the lock.
func (l *Lock) Acquire(t *Task) error {
	if !l.held && len(l.waiting) == 0 {
		l.held = true
		return nil
	}
	f := &Future{}
	l.waiting = append(l.waiting, f)
	if err := t.Await(f); err != nil {
		l.waiting = slices.DeleteFunc(l.waiting, func(w *Future) bool { return w == f })
		return err
	}
	return nil
}

// Release gives the lock to the task that has waited longest.
func (l *Lock) Release() {
	if len(l.waiting) == 0 {
		l.held = false
		return
	}
	next := l.waiting[0]
	l.waiting = l.waiting[1:]
	next.Settle(nil)
}
