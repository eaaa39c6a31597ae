package aio

// The token. At any moment at most one goroutine may touch the state of a loop: the one
// that the loop's owner field names. This is the goroutine that runs the loop, called the
// root here, or the goroutine of a task.
//
// A coroutine is a goroutine made by iter.Pull that runs one task after another. next
// passes it the token and blocks until it calls yield, which passes the token back and
// blocks until the following next. One round trip takes a third of the time that a
// channel would.
//
// A task that has to wait does not go back to the root for the next step of the pass. It
// looks at the ready queue itself, and if the next entry is a step of another task it
// calls that one's next. So the running coroutines form a nest: the root has called next
// of a coroutine, which has called next of another one, and so on to the top, which holds
// the token. When the next step belongs to a coroutine within the nest, those above it
// yield, one after the other, until it is on top. Each next has its one yield, as if all
// steps were made from the root, but two tasks that take turns need one switch for a
// step, and a task that creates another and waits for it needs two, not four. A coroutine
// whose task has ended continues with the next task that has not started, if that is next
// in the queue: then there is no switch at all. In a nest that is deep enough, a
// coroutine that parks yields to the one below, which continues looking.
//
// Callbacks run on the root only, and it is the root that waits when nothing is ready.
//
// This file checks what iter.Pull does not: if a goroutine other than the coroutine's
// calls yield, the two goroutines are silently swapped. So every call that suspends or
// touches loop state first compares the running goroutine with owner (enter and
// Loop.check).
//
// Hazards that the runtime leaves to the caller:
//   - A thread lock belongs to the coroutine's state: runtime.LockOSThread held across
//     an await is a fatal error of the Go runtime, which nothing in the language can
//     ask about beforehand. A loop may run on a locked thread; a task must unlock
//     before it awaits.
//   - A panic that crossed next would lose the task's frames: runTask recovers it
//     inside.
//   - runtime.Goexit would end the goroutine that called next, which may be that of
//     another task. runTask holds it back until the root can exit.
//   - A coroutine that is never resumed again is a goroutine that nothing collects:
//     Loop.Close resumes or stops every one.

import (
	"context"
	"iter"
	"runtime/pprof"
	"runtime/trace"

	"github.com/goaio/aio/internal/goid"
	"github.com/goaio/aio/internal/plug"
)

// maxIdle bounds the coroutines that a loop keeps for tasks to come. Starting a fresh one
// costs about ten times as much as reusing one; an idle one holds some 3 KiB.
const maxIdle = 1024

// maxNest limits the number of coroutines in a nest. Coroutines that still have steps
// to make are resumed once more on the way down, and should then still be in the
// processor's caches.
const maxNest = 16

// coroutine is owned by the token, except for g, which never changes once it runs.
type coroutine struct {
	loop   *Loop
	g      uintptr // identity of the goroutine, goid.None until it runs
	task   *task   // the task that the coroutine runs, nil when idle
	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	thrown error // the error that the resumed await must return
	waker  *task // the task that woke task, if the loop is observed
	// set to be told where the task is suspended, instead of resuming it
	stackRequest *[]uintptr
	runs         bool // the coroutine is in the nest
	// its next was called to start a task eagerly: it yields to the caller
	eager     bool
	exits     bool // the task called runtime.Goexit
	contained bool // the Goexit ends only the task
	// the coroutine of an Iterator whose body awaits in a Next of the task, see
	// pull.go
	inner *coroutine
	// the iterator whose body it runs, nil for a coroutine that runs tasks
	pull *pull
}

// newCoroutine makes a coroutine and lets it run to the point where it waits for its
// first task.
func (l *Loop) newCoroutine() *coroutine {
	co := &coroutine{loop: l, g: goid.None}
	co.next, co.stop = iter.Pull(co.main)
	return co
}

func (co *coroutine) main(yield func(struct{}) bool) {
	co.yield = yield
	co.g = goid.Current()
	co.loop.owner = co.g
	for {
		t := co.task
		co.label(t)
		if trace.IsEnabled() {
			co.runTraced()
		} else {
			co.runTask()
		}
		t.co, co.task = nil, nil
		if co.canRunOthers() {
			if t := co.loop.nextStep(true); t != nil {
				t.co, co.task, co.loop.current = co, t, t
				continue
			}
		}
		co.runs = false
		if goid.CurrentLabels() != co.loop.labels {
			goid.SetLabels(co.loop.labels)
		}
		if !yield(struct{}{}) {
			return
		}
	}
}

// runTraced is runTask within a region of the execution tracer.
func (co *coroutine) runTraced() {
	defer co.task.traceRegion().End()
	co.runTask()
}

func init() {
	plug.ContainGoexit = func(ctx context.Context) {
		if t := CurrentTask(ctx); t != nil {
			t.core().sub.(*task).contained = true
		}
	}
}

// label gives the goroutine the profiling labels that a task begins with: those of its
// context or, if that has none, those of the goroutine that runs the loop. It has to be
// done for each task, as the goroutine may have the labels that the task before has set,
// or in a new goroutine those of the task in which it was made.
func (co *coroutine) label(t *task) {
	l := co.loop
	if l.observed != nil {
		l.observed.label(t)
		return
	}
	setLabels(&t.scope, l.labels)
}

// setLabels gives the calling goroutine the profiling labels of ctx or, if there are
// none, base.
func setLabels(ctx context.Context, base goid.Labels) {
	pprof.SetGoroutineLabels(ctx)
	if base != (goid.Labels{}) && goid.CurrentLabels() == (goid.Labels{}) {
		goid.SetLabels(base)
	}
}

// runTask runs the body of co.task to its end.
//
// A panic becomes the task's error rather than the program's end: asyncio keeps errors
// in tasks, and an error that is never retrieved is reported. Re-raising it where the
// task is awaited, as a WaitGroup might, would leave it unknown which of several
// awaiters it hits.
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
		// runtime.Goexit: the task has ended, but the goroutine has not. Pass
		// the token back once, as if idle. exitPending resumes the goroutine
		// when the loop's goroutine may exit too; the exit continues there.
		t.fut.errRetrieved = true
		t.impl.fail(ErrGoexit)
		t.co, co.task = nil, nil
		co.exits, co.contained = true, t.contained
		co.runs = false
		co.yield(struct{}{})
	}()
	t.impl.call()
	ended = true
}

// park gives the token away until the task of co is resumed, and returns the error that
// was thrown in. It is called by co, which must have arranged to be woken.
//
// A switch loses the processor's memory of where its calls return to: each frame
// between the two ends of a switch costs a mispredicted return, some 6 ns. So park
// calls next and yield directly, and does other work before or after them.
//
// The coroutine that is on top of the nest, in each of the three parts:
//   - co is on top, and the next step belongs to another task. Either the coroutine of
//     that task goes on top, or it is in the nest already: then resumeTarget names it,
//     and all coroutines above it yield. If the next entry is not a step of a task,
//     resumeTarget names the root.
//   - co is on top again, because those above it have yielded. If resumeTarget is
//     another coroutine, that one is below, and co yields as well. If resumeTarget is
//     co, the task of co continues, unless co has a stackRequest: then the task that
//     was on top (stackRequester) has asked for the stack of co's task; co replies, and
//     puts that task on top again.
//   - co has yielded, and was below the top or not in the nest since then. Now it is
//     resumed: to continue its task, or only to reply.
func (co *coroutine) park() error {
	l := co.loop
	for co.canRunOthers() && l.chainLen < maxNest {
		t := l.nextStep(false)
		switch {
		case t == nil:
			l.resumeTarget = &l.root
		case t.co == co:
			l.current = t
			return co.takeThrown()
		case t.co != nil && t.co.runs:
			l.resumeTarget = t.co
		default:
			next := l.switchTo(t)
			next.next()
			l.switchBack(next, co)
		}
		for l.resumeTarget == co {
			if l.resumeTarget = nil; co.stackRequest == nil {
				l.current = co.task
				return co.takeThrown()
			}
			// The task on top has requested the place where this one is
			// suspended, and continues.
			co.replyStack()
			requester := l.switchTo(l.stackRequester)
			l.stackRequester = nil
			requester.next()
			l.switchBack(requester, co)
		}
		if l.resumeTarget != nil {
			break
		}
	}
	for {
		co.runs = false
		co.yield(struct{}{})
		if co.stackRequest == nil {
			return co.takeThrown()
		}
		co.replyStack()
	}
}

// canRunOthers reports whether co may make steps of other tasks when its own waits or
// has ended: not if it was started eagerly, because then the creating task continues at
// once, nor in debug mode, which measures each step.
func (co *coroutine) canRunOthers() bool { return !co.eager && co.loop.chaining }

// replyStack reports where the task is suspended.
func (co *coroutine) replyStack() {
	*co.stackRequest = wholeStack()
	co.stackRequest = nil
}

// takeThrown returns the error that was thrown in.
func (co *coroutine) takeThrown() error {
	err := co.thrown
	co.thrown = nil
	return err
}

// switchTo readies everything for a next of the coroutine of t, which it returns.
func (l *Loop) switchTo(t *task) *coroutine {
	co := t.co
	if co == nil {
		co = l.acquire(t)
	}
	// before the first switch g is goid.None: main then sets it
	l.owner, l.current = co.g, t
	co.runs = true
	l.chainLen++
	return co
}

// switchBack takes the token back for the coroutine self after a next of co.
func (l *Loop) switchBack(co, self *coroutine) {
	l.owner = self.g
	l.chainLen--
	if co.task == nil {
		l.release(co)
	}
}

// resume runs t until it first awaits or ends, and then continues the calling task.
func (l *Loop) resume(t *task) {
	owner, current := l.owner, l.current
	co := l.switchTo(t)
	co.eager = true
	co.next()
	co.eager = false
	l.switchBack(co, &l.root)
	l.owner, l.current = owner, current
}

// nextStep takes the next step of a task from the ready queue and readies it. It
// returns nil if the next entry is something else, or the root has to begin the next
// pass; if first is set, it also returns nil if the entry is not the first step of a
// task.
func (l *Loop) nextStep(first bool) *task {
	for l.todo > 0 || l.beginPass() {
		e := *l.ready.front()
		t, ok := e.r.(*task)
		if !ok || first && t.co != nil {
			return nil
		}
		l.ready.pop()
		l.todo--
		if t.prepare(e.f) {
			return t
		}
	}
	return nil
}

// acquire gives t a coroutine, an idle one if there is any.
func (l *Loop) acquire(t *task) *coroutine {
	if n := len(l.idle); n > 0 {
		t.co = l.idle[n-1]
		l.idle = l.idle[:n-1]
	} else {
		t.co = l.newCoroutine()
	}
	t.co.task = t
	return t.co
}

// release takes back a coroutine whose task has ended.
func (l *Loop) release(co *coroutine) {
	switch {
	case co.exits && co.contained:
		go co.next() // the Goexit ends this new goroutine, not that of the loop
	case co.exits:
		l.exiting = append(l.exiting, co)
	case len(l.idle) < maxIdle && !l.closed.Load():
		l.idle = append(l.idle, co)
	default:
		co.stop()
	}
}

// exitPending passes runtime.Goexit of tasks on to the goroutine that runs the loop, so
// that t.FailNow in a task ends the test. If there is such a task, exitPending does not
// return.
func (l *Loop) exitPending() {
	if n := len(l.exiting); n > 0 {
		co := l.exiting[n-1]
		l.exiting = l.exiting[:n-1]
		// each coroutine has to be resumed, or it would stay for ever
		defer l.exitPending()
		co.next()
	}
}
