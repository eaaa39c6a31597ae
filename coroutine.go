package aio

// The token. At any moment at most one goroutine may touch the state of a loop: the one that the
// loop's owner field names. That is the goroutine that runs the loop, or, during a step, the one
// of the task that it resumed. The token changes hands only by next and yield below.
//
// A coroutine is a goroutine made by iter.Pull that runs one task after another. next hands it the
// token and blocks until the coroutine parks or its task ends; yield, called by the coroutine,
// hands the token back and blocks until the following next. One round trip takes a third of the time that a channel would.
//
// What iter.Pull does not check is checked here: its yield, called by a goroutine that is not the
// coroutine's, silently swaps the two. So every call that suspends or touches loop state first
// compares the running goroutine with owner (enter and Loop.check).
//
// Hazards that the runtime leaves to the caller:
//   - A thread lock belongs to the coroutine's state: runtime.LockOSThread held across an await
//     is a fatal error of the Go runtime, which nothing in the language can ask about beforehand.
//     A loop may run on a locked thread; a task must unlock before it awaits.
//   - A panic that crossed resume would lose the task's frames: runTask recovers it inside.
//   - runtime.Goexit would end the goroutine that called resume, which may be another task that
//     starts this one eagerly. runTask holds it back until the loop's own goroutine can exit.
//   - A coroutine that is never resumed again is a goroutine that nothing collects: Loop.Close
//     resumes or stops every one.

import (
	"context"
	"iter"
	"runtime/debug"
)

// maxIdle bounds the coroutines that a loop keeps for tasks to come. Starting a fresh one costs
// about ten times as much as reusing one; an idle one holds some 3 KiB.
const maxIdle = 1024

// coroutine is owned by the token, except for g, which never changes once it runs.
type coroutine struct {
	loop   *Loop
	g      uintptr // identity of the goroutine, nobody until it runs
	task   *task   // what it runs, nil when idle
	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	thrown error      // what the await that is resumed shall return
	probe  *[]uintptr // set to be told the stack instead of going on
	runs   bool       // has the token, or has lent it to a task that it starts eagerly
	exits  bool       // the task called runtime.Goexit
}

// nobody is an identity that no goroutine has.
const nobody = 1

// newCoroutine makes a coroutine and lets it run to the point where it waits for its first task.
func (l *Loop) newCoroutine() *coroutine {
	co := &coroutine{loop: l, g: nobody}
	co.next, co.stop = iter.Pull(co.main)
	return co
}

func (co *coroutine) main(yield func(struct{}) bool) {
	co.yield = yield
	co.g = identity()
	co.loop.owner = co.g
	for {
		co.runTask()
		co.task = nil
		if !yield(struct{}{}) {
			return
		}
	}
}

// runTask runs the body of co.task to its end.
//
// A panic becomes the task's error rather than the program's end: asyncio keeps errors in tasks,
// and one whose error nobody looks at is reported. Re-raising it where the task is awaited, as a
// WaitGroup might, would leave it unknown which of several awaiters it hits.
func (co *coroutine) runTask() {
	t := co.task
	ended := false
	defer func() {
		if ended {
			return
		}
		if v := recover(); v != nil {
			t.impl.fail(panicError(v))
			return
		}
		// runtime.Goexit: the task is over, the goroutine is not. Hand the token back once, as
		// if idle; exitPending resumes it when the loop's goroutine may exit too.
		t.impl.fail(ErrGoexit)
		co.task = nil
		co.exits = true
		co.yield(struct{}{})
	}()
	t.impl.call()
	ended = true
}

// panicError makes the error of a task or callback that panicked with v.
func panicError(v any) error {
	if err, ok := v.(*PanicError); ok {
		return err
	}
	return &PanicError{Value: v, Stack: debug.Stack()}
}

// A switch loses the processor's memory of where its calls return to: each frame between the two
// ends of a switch costs a mispredicted return, some 6 ns. So the hot paths call co.next and
// co.yield themselves, with the book-keeping in functions that have returned before or are called
// afterwards:
//
//	l.lend(t); t.co.next(); l.regain(t, owner, current)    to resume a task
//	stop := e.parking(); e.co.yield(struct{}{}); e.co.resumed(stop)    to park, from the inside

// resume gives the token to t until it awaits or ends. It is called by the goroutine that holds
// the token: the loop's, or that of a task that starts t eagerly.
func (l *Loop) resume(t *task) {
	owner, current := l.owner, l.current
	l.lend(t)
	t.co.next()
	l.regain(t, owner, current)
}

// lend makes t the holder of the token. Before the first switch co.g is nobody: main then sets it.
func (l *Loop) lend(t *task) {
	l.owner, l.current = t.co.g, t
	t.co.runs = true
}

// regain takes the token back for its former holder, and the coroutine if the task has ended.
func (l *Loop) regain(t *task, owner uintptr, current *task) {
	l.owner, l.current = owner, current
	co := t.co
	co.runs = false
	if co.task == nil {
		l.release(co)
	}
}

// parking readies the running task for being parked. If the await was given a context that may
// end, it has the await end with it until stop is called; nearly always stop is nil.
func (e entry) parking() (stop func() bool) {
	e.awaits++
	if e.watch == nil || e.watch.Err() != nil {
		return nil // of a context that has ended already, arm has taken care
	}
	l := e.fut.loop
	ended := watchEnded{e.task, e.awaits, e.watch}
	return context.AfterFunc(e.watch, func() { l.post(event{ended, nil}, false) })
}

// resumed is what a task does when it has been resumed: it returns the error that was thrown in.
func (co *coroutine) resumed(stop func() bool) error {
	if stop != nil {
		stop()
	}
	for co.probe != nil {
		*co.probe = callers()
		co.yield(struct{}{})
	}
	err := co.thrown
	co.thrown = nil
	return err
}

// acquire gives t a coroutine, an idle one if there is any.
func (l *Loop) acquire(t *task) {
	if n := len(l.idle); n > 0 {
		t.co = l.idle[n-1]
		l.idle = l.idle[:n-1]
	} else {
		t.co = l.newCoroutine()
	}
	t.co.task = t
}

// release takes back a coroutine whose task has ended.
func (l *Loop) release(co *coroutine) {
	switch {
	case co.exits:
		l.exiting = append(l.exiting, co)
	case len(l.idle) < maxIdle && !l.closed.Load():
		l.idle = append(l.idle, co)
	default:
		co.stop()
	}
}

// exitPending passes runtime.Goexit of tasks on to the goroutine that runs the loop, so that
// t.FailNow in a task ends the test. It does not return if there is any.
func (l *Loop) exitPending() {
	if n := len(l.exiting); n > 0 {
		co := l.exiting[n-1]
		l.exiting = l.exiting[:n-1]
		defer l.exitPending() // each coroutine has to be resumed, or it would stay for ever
		co.next()
	}
}
