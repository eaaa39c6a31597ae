package aio

// Closing a loop, in this order: the tasks are unwound, with the token; the entries
// that are left in the queue and in the inbox are dropped, and goroutines that wait for
// one are notified; then timers, signals and descriptors are closed; then all
// registered closers are called, and after that the loop waits for the closers that
// need time; then, without the token, the executor is shut down.

import (
	"errors"
	"sync"

	"github.com/goaio/aio/internal/goid"
)

// Close ends the loop. It drops the remaining callbacks and timers. Every task that is
// not done is reported to the exception handler and unwound: the await in which it is
// suspended, and each further one, fails with [ErrLoopClosed], and its deferred
// functions run; if one of them calls [runtime.Goexit], Close does so too at the end.
// The default executor accepts no more jobs; running jobs continue.
//
// Closing a closed loop does nothing. A running loop cannot be closed: Close returns
// [ErrLoopRunning].
//
// (asyncio: loop.close)
func (l *Loop) Close() error {
	if err := l.made("Loop.Close"); err != nil {
		return err
	}
	if l.running.Load() {
		return ErrLoopRunning
	}
	if l.closed.Swap(true) {
		return nil
	}
	l.gate += loopClosed
	l.owner = goid.Current() // the tasks that are unwound hold the token too
	defer l.exitPending()
	defer l.closeRest()
	l.unwind()
	return nil
}

// unwind unwinds every task, even if an exception handler calls runtime.Goexit.
func (l *Loop) unwind() {
	defer func() {
		if l.tasks.head != nil || l.pulls != nil || l.reports.head != nil {
			l.unwind()
		}
	}()
	for l.tasks.head != nil {
		l.destroy(l.tasks.head)
	}
	for l.pulls != nil {
		l.pulls.abandon()
	}
	for i := range l.ready.n {
		e := l.ready.buf[(l.ready.head+i)&(len(l.ready.buf)-1)]
		if _, ok := e.r.(errorCheck); ok {
			e.r.run(e.f)
		}
	}
	for r := l.reports.head; r != nil; r = l.reports.head {
		r.lost()
	}
}

// closeRest is the part of Close after the tasks.
func (l *Loop) closeRest() {
	for _, co := range l.idle {
		co.stop()
	}
	l.idle = nil
	l.collectAll()
	in := &l.inbox
	in.mu.Lock()
	in.closed = true
	late := in.events
	in.events = nil
	in.mu.Unlock()
	for l.ready.n > 0 {
		late = append(late, l.ready.pop())
	}
	for _, e := range late {
		if o, ok := e.r.(orphan); ok {
			o.abandon()
		}
	}
	l.timers = timers{}
	for _, w := range l.signals {
		closePart(w)
	}
	l.polling.close()
	closePart(l.ioQueues)
	l.ioQueues = nil
	l.open.close()
	l.owner = 0
	if l.executor != nil {
		l.shutExecutor(l.executor)
	}
	l.ctx.end(endedLoop)
}

// shutExecutor shuts the executor down, which may be the user's.
func (l *Loop) shutExecutor(e interface{ Shutdown(wait bool) }) {
	defer func() {
		if v := recover(); v != nil {
			l.CallExceptionHandler(ExceptionContext{Message: "the default executor panicked in Shutdown", Err: panicError(v)})
		}
	}()
	e.Shutdown(false)
}

// destroy unwinds a task of a closed loop.
func (l *Loop) destroy(t *task) {
	if !t.noPendingReport {
		t.noPendingReport = true
		l.CallExceptionHandler(ExceptionContext{
			Message: "task was destroyed but it is pending",
			Task:    t.impl,
			Stack:   t.stack(),
		})
	}
	t.waiting = nil
	if t.co != nil {
		t.co.thrown = ErrLoopClosed
		l.resume(t)
	} else {
		t.impl.fail(ErrLoopClosed)
	}
	if t.fut.state == pending {
		panic("aio: internal error: a task was suspended while its loop was closed")
	}
	if errors.Is(t.fut.err, ErrLoopClosed) {
		t.fut.retrieved() // the task has been reported already
	}
}

// closer is a part of a loop that is closed with it, under the token. A closer that
// needs time also has a wait method, which is called after all of them were closed.
type closer interface{ closeWithLoop() }

// closePart closes a part that has its place in the order of closeRest.
func closePart(c closer) { c.closeWithLoop() }

// closerSet holds the closers of a loop that are not descriptors of its poller:
// listeners, and connections in goroutine mode, including closed ones that still send
// data.
type closerSet struct {
	mu sync.Mutex
	m  map[closer]struct{}
}

func (o *closerSet) add(c closer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.m == nil {
		o.m = map[closer]struct{}{}
	}
	o.m[c] = struct{}{}
}

func (o *closerSet) remove(c closer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.m, c)
}

// len returns the number of closers.
func (o *closerSet) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.m)
}

// close closes all, and waits for those that need time concurrently.
func (o *closerSet) close() {
	o.mu.Lock()
	m := o.m
	o.m = nil
	o.mu.Unlock()
	for c := range m {
		c.closeWithLoop()
	}
	for c := range m {
		if c, ok := c.(interface{ wait() }); ok {
			c.wait()
		}
	}
}
