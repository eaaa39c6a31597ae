package aio

// The hook for tests that decide the order that asyncio leaves open: see package
// internal/plug. A directed loop does not nest tasks, so every step begins and ends on
// the root, where the director is called.
//
// A director may let any entry of the whole ready queue run next, as long as no program
// can observe that a guarantee of asyncio is broken. These are the guarantees:
//   - Entries of one source keep their order. A source is a task, a transport, a
//     server, or all callbacks of the loop together.
//   - Callbacks of one future run in the order in which they were added; this includes
//     the tasks that await it.
//   - Timers run in the order of their times. The order of equal times is not
//     guaranteed.
//   - After a task calls Sleep(0), everything that was ready before runs before the
//     task.
//
// Without the second and the last, common programs would fail that are correct under
// asyncio.

import (
	"fmt"
	"strings"
	"time"

	"github.com/goaio/aio/internal/goid"
	"github.com/goaio/aio/internal/plug"
)

func init() {
	plug.Direct = func(loop any, d plug.Director) plug.Loop {
		l := loop.(*Loop)
		l.director = d
		return (*directed)(l)
	}
}

// refuse returns the error of call if the loop's network is simulated, and so the system
// must not be used.
func (l *Loop) refuse(call, what string) error {
	if s, ok := l.files.(interface{ unsupported(what string) error }); ok {
		return fmt.Errorf("aio: %s: %w", call, s.unsupported(what))
	}
	return nil
}

// runDirected runs the entries of a pass in the order that the director chooses.
func (l *Loop) runDirected() {
	for l.todo > 0 {
		l.director.Choose()
		e := l.ready.pop()
		l.todo--
		if l.debug.Load() {
			l.runTimed(e)
		} else {
			l.runEntry(e)
		}
		l.director.Ran()
	}
}

// sourced is implemented by a runnable whose source is neither the future that caused
// it nor, without such a future, the callbacks of the loop.
type sourced interface{ source() any }

// callbacksOf is the source of all callbacks of a loop.
type callbacksOf struct{ l *Loop }

// source returns the source of the entry e, whose entries keep their order; nil for a
// timer.
func (l *Loop) source(e readyEntry) any {
	switch r := e.r.(type) {
	case *task:
		return r
	case *TimerHandle:
		return nil
	case sourced:
		return r.source()
	}
	if e.f != nil {
		return e.f
	}
	return callbacksOf{l}
}

// mustFollow reports whether b, which is behind a in the ready queue, must not overtake
// it.
func (l *Loop) mustFollow(a, b readyEntry) bool {
	if a.f != nil && a.f == b.f {
		return true
	}
	if t, ok := b.r.(*task); ok && b.f == nil && t.co != nil {
		return true // the task of b called Sleep(0)
	}
	if ta, ok := a.r.(*TimerHandle); ok {
		tb, ok := b.r.(*TimerHandle)
		return ok && ta.when < tb.when
	}
	s := l.source(a)
	return s != nil && s == l.source(b)
}

// directed is a loop as its director sees it.
type directed Loop

// Len implements plug.Loop.
func (d *directed) Len() int { return d.ready.n }

// Todo implements plug.Loop.
func (d *directed) Todo() int { return d.todo }

// Task implements plug.Loop.
func (d *directed) Task(i int) (any, uint64) {
	if t, ok := d.ready.at(i).r.(*task); ok {
		return t.impl, t.id
	}
	return nil, 0
}

// Source implements plug.Loop.
func (d *directed) Source(i int) any { return (*Loop)(d).source(*d.ready.at(i)) }

// Describe implements plug.Loop.
func (d *directed) Describe(i int) string {
	e := *d.ready.at(i)
	if t, ok := e.r.(*task); ok {
		return "Task " + t.name()
	}
	t, ok := e.r.(*TimerHandle)
	switch {
	case !ok:
		return nameEntry(e)()
	case t.done:
		return "timer, cancelled"
	case t.fn != nil:
		return "timer " + funcName(t.fn)
	}
	if w, ok := t.target.(*waiter); ok {
		return "timer of " + w.what
	}
	return strings.Replace(fmt.Sprintf("timer of %T", t.target), "*aio.", "", 1)
}

// Cause implements plug.Loop.
func (d *directed) Cause(i int) string {
	if f := d.ready.at(i).f; f != nil {
		return f.label()
	}
	return ""
}

// Oldest implements plug.Loop.
func (d *directed) Oldest(i int) int {
	l := (*Loop)(d)
	for j := i - 1; j >= 0; j-- {
		if l.mustFollow(*l.ready.at(j), *l.ready.at(i)) {
			i = j
		}
	}
	return i
}

// Commuting implements plug.Loop. A check for an unretrieved error only records that
// the error exists; retrieving it removes the record. A timer that was cancelled does
// nothing.
func (d *directed) Commuting() int {
	for i := range d.ready.n {
		switch r := d.ready.at(i).r.(type) {
		case errorCheck:
		case *TimerHandle:
			if !r.done {
				continue
			}
		default:
			continue
		}
		if d.Oldest(i) == i {
			return i
		}
	}
	return -1
}

// ToFront implements plug.Loop.
func (d *directed) ToFront(i int) {
	e := *d.ready.at(i)
	for ; i > 0; i-- {
		*d.ready.at(i) = *d.ready.at(i - 1)
	}
	*d.ready.at(0) = e
}

// Begin implements plug.Loop. Between passes no goroutine holds the token.
func (d *directed) Begin() error {
	l := (*Loop)(d)
	runningLoops.Lock()
	defer runningLoops.Unlock()
	// a goroutine that runs another loop may call Begin too
	if err := l.runnableIn(^uintptr(0)); err != nil {
		return err
	}
	if runningLoops.m == nil {
		runningLoops.m = map[*Loop]struct{}{}
	}
	runningLoops.m[l] = struct{}{}
	l.running.Store(true)
	l.labels = goid.CurrentLabels()
	return nil
}

// End implements plug.Loop.
func (d *directed) End() { (*Loop)(d).end() }

// RunPass implements plug.Loop.
func (d *directed) RunPass() (stop bool, err error) {
	l := (*Loop)(d)
	l.owner = goid.Current()
	l.root.g = l.owner
	stop = l.runPass()
	l.owner = 0
	return stop, l.runErr
}

// Due implements plug.Loop.
func (d *directed) Due() bool {
	l := (*Loop)(d)
	if l.ready.n > 0 || l.stopping || l.inbox.full.Load() {
		return true
	}
	when, ok := d.Timer()
	return ok && when <= l.vtime
}

// Jobs implements plug.Loop.
func (d *directed) Jobs() int { return d.pendingJobs }

// Outside implements plug.Loop.
func (d *directed) Outside() int { return d.outsideWaits + d.polling.n }

// Block implements plug.Loop.
func (d *directed) Block(limit time.Duration) { (*Loop)(d).block(limit) }

// Now implements plug.Loop.
func (d *directed) Now() time.Duration { return d.vtime }

// SetNow implements plug.Loop.
func (d *directed) SetNow(now time.Duration) { d.vtime = now }

// Timer implements plug.Loop.
func (d *directed) Timer() (when time.Duration, ok bool) {
	d.timers.prune()
	if len(d.timers.heap) == 0 {
		return 0, false
	}
	return d.timers.heap[0].when, true
}

// Stop implements plug.Loop.
func (d *directed) Stop(err error) { d.runErr, d.stopping = err, true }

// Undelivered implements plug.Loop.
func (d *directed) Undelivered(t any) bool {
	u, ok := t.(AnyTask).core().sub.(*task)
	return ok && u.mustCancel
}

// ReportLost implements plug.Loop.
func (d *directed) ReportLost() {
	for i := range d.ready.n {
		if e := *d.ready.at(i); e.f != nil {
			if _, ok := e.r.(errorCheck); ok {
				e.r.run(e.f)
			}
		}
	}
	for r := d.reports.head; r != nil; r = d.reports.head {
		r.lost()
	}
}

// Reset implements plug.Loop.
func (d *directed) Reset() bool {
	l := (*Loop)(d)
	if l.closed.Load() || l.tasks.head != nil || l.pulls != nil || l.reports.head != nil || len(l.exiting) > 0 ||
		l.pendingJobs > 0 || l.outsideWaits > 0 || !l.polling.idle() || l.open.len() > 0 || l.taskFactory != nil ||
		l.executorDown || l.debug.Load() {
		return false
	}
	if _, ok := l.executor.(plug.Executor); l.executor != nil && !ok {
		return false
	}
	l.collectAll()
	for l.ready.n > 0 {
		if o, ok := l.ready.pop().r.(orphan); ok {
			o.abandon()
		}
	}
	l.timers.heap, l.timers.cancelled = nil, 0
	l.executor, l.net, l.files = nil, nil, nil
	l.vtime, l.taskSeq, l.runErr, l.stopping = 0, 0, nil, false
	return true
}
