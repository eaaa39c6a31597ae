package aio

// Events of a loop, for observers. The loop reports events to its observation at a few
// places, each behind one nil test: a loop without observers has no observation.
//
// The token owns an observation, except for its meter, whose fields are atomic: any
// goroutine may read them, also while a task blocks the loop. So the loop counts only
// while it is observed. It reads the clock only if there are observers; the meter and
// the watchdog need no clock.
//
// Reading the clock takes about as long as everything else that observation adds to a
// step. So the clock is read once for each step: a step begins when the one before it
// ended (see stamp).

import (
	"fmt"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// LoopEventKind is the kind of a [LoopEvent].
type LoopEventKind uint8

const (
	// TaskCreated: a task was created. By is the task that created it.
	TaskCreated LoopEventKind = iota + 1
	// TaskWoken: the operation that a task awaited is done, and the task will run.
	// By is the task that completed it, nil for a callback, a timer or a
	// descriptor.
	TaskWoken
	// TaskCancelled: the cancellation of a task was requested, with the reason in
	// Err. By is the task that requested it.
	TaskCancelled
	// StepBegan: a step of a task begins, and lasts until its [StepEnded]. If it
	// starts another task eagerly, that task's step is nested within this one.
	StepBegan
	// StepEnded: a task awaits, and What names the awaited operation, or the task
	// is done. Duration is the duration of the step.
	StepEnded
	// TaskDone: a task is done, with the error in Err if it failed. It is the last
	// event of the task. A task that was cancelled before it began had no steps.
	TaskDone
	// CallbackRan: a callback, or an internal step of a transport, ran for
	// Duration.
	CallbackRan
	// TimerLate: a timer ran Duration after the time it was set for.
	TimerLate
	// LoopWaited: nothing was ready, and the loop waited for Duration.
	LoopWaited
	// JobQueued: a job was submitted to an executor. By is the task that submitted
	// it.
	JobQueued
	// JobEnded: a job is done, Duration after it was queued.
	JobEnded
	// ResourceOpened: a connection, a server or a process was opened; What says
	// which kind.
	ResourceOpened
	// ResourceClosed: a connection, a server or a process was closed; Err is the
	// error that closed it, if any.
	ResourceClosed
)

var loopEventKinds = [...]string{
	"", "task created", "task woken", "task cancelled", "step began", "step ended", "task done",
	"callback ran", "timer late", "loop waited", "job queued", "job ended", "opened", "closed",
}

// String returns the kind as words.
func (k LoopEventKind) String() string {
	if int(k) >= len(loopEventKinds) || k == 0 {
		return fmt.Sprintf("LoopEventKind(%d)", k)
	}
	return loopEventKinds[k]
}

// LoopEvent is an event of a loop. Fields that the documentation of its kind does not
// mention are zero.
type LoopEvent struct {
	// Kind is the kind of the event.
	Kind LoopEventKind
	// Loop is the loop in which it happened.
	Loop *Loop
	// At is the time of the event: the loop's time since the loop was made. Under a
	// virtual clock several events may have the same time.
	At time.Duration
	// Duration depends on the kind. Under a virtual clock it is 0 for steps and
	// callbacks, which take no virtual time.
	Duration time.Duration
	// Err is the error of a task or resource, or the reason of a cancellation.
	Err error

	t, by  *task
	waker  *task   // for StepEnded: the task that woke t for the step
	future *future // for StepEnded: the awaited future
	what   string
}

// Task returns the task of the event, nil if the event is not about a task.
func (e *LoopEvent) Task() AnyTask { return taskOrNil(e.t) }

// By returns the task that was running when the event happened. It is nil if no task
// was running, or if that is the task of the event.
func (e *LoopEvent) By() AnyTask { return taskOrNil(e.by) }

// Awaited returns the tasks that the task of a [StepEnded] waits for: the task that it
// awaits, or those of a [Gather] that it awaits, at most 100 of them. [CaptureTasks]
// also reports those of [Wait] and of task groups. Like [LoopEvent.What], call it only
// within Observe.
func (e *LoopEvent) Awaited() []AnyTask {
	const most = 100
	var tasks []AnyTask
	seen := map[*future]bool{}
	var visit func(f *future)
	visit = func(f *future) {
		if f == nil || f.state != pending || seen[f] || len(tasks) == most {
			return
		}
		seen[f] = true
		switch sub := f.sub.(type) {
		case *task:
			tasks = append(tasks, sub.impl)
		case interface{ awaited() []*future }:
			for _, child := range sub.awaited() {
				visit(child)
			}
		}
	}
	visit(e.future)
	return tasks
}

func taskOrNil(t *task) AnyTask {
	if t == nil {
		return nil
	}
	return t.impl
}

// What returns which operation a task awaits, which callback ran, or what was opened or
// closed, as text. It is "" if there is nothing to report. Call it only within Observe;
// it builds the text on demand.
func (e *LoopEvent) What() string {
	if e.future != nil {
		return e.future.label()
	}
	return e.what
}

// Observer receives the events of a loop. Observe is called with the token held, by any
// goroutine that holds it, at the moment of the event. It may read the tasks of the
// loop; it must not block, await, or change anything. The event is valid only during
// the call and is then reused: keep a copy of its fields, not the pointer. A panic in
// Observe ends the program, because there is no task whose error it could be.
type Observer interface {
	// Observe is called for each event, with the token held.
	Observe(e *LoopEvent)
}

// ObserverFunc is a function that implements [Observer].
type ObserverFunc func(e *LoopEvent)

// Observe calls f.
func (f ObserverFunc) Observe(e *LoopEvent) { f(e) }

// AddObserver reports every event of the loop to o from now on, until remove is called.
// Several observers are called in the order in which they were added. A loop without
// observers has no cost; with one, each step of a task takes some 60 ns longer, half of
// it for reading the clock. A [Timeline] costs less than another observer.
//
// AddObserver and remove never await. Like other methods of a loop they may be called
// by its tasks and callbacks, and by any goroutine while the loop is not running;
// otherwise both panic with [ErrWrongGoroutine]. AddObserver panics with [ErrUsage] if
// o is nil, or a Timeline that has observed another loop. A second call of remove has no
// effect.
//
// asyncio has no equivalent. (trio: Instruments)
func (l *Loop) AddObserver(o Observer) (remove func()) {
	l.check("Loop.AddObserver")
	if o == nil {
		misuse("Loop.AddObserver", "the observer is nil")
	}
	own := &observerEntry{Observer: o}
	if tl, ok := o.(*Timeline); ok {
		if tl == nil || tl.size == 0 {
			misuse("Loop.AddObserver", "a nil or zero Timeline: use NewTimeline")
		}
		if !tl.loop.CompareAndSwap(nil, l) && tl.loop.Load() != l {
			misuse("Loop.AddObserver", "the Timeline observes another loop")
		}
		own.timeline = tl
	}
	w := l.observe()
	w.setObservers(append(slices.Clip(w.observers), own))
	return func() {
		l.check("Loop.AddObserver: remove")
		if i := slices.Index(w.observers, own); i >= 0 {
			// A new slice, because an observer may remove itself while
			// observers are called.
			w.setObservers(slices.Delete(slices.Clone(w.observers), i, i+1))
		}
	}
}

// observerEntry distinguishes two registrations of the same observer.
type observerEntry struct {
	Observer
	// the observer, if it is a Timeline: steps are written to it directly
	timeline *Timeline
}

func (w *observation) setObservers(observers []*observerEntry) {
	w.observers, w.others, w.fresh = observers, 0, false
	for _, o := range observers {
		if o.timeline == nil {
			w.others++
		}
	}
}

// observation is the state of a loop that is observed.
type observation struct {
	loop      *Loop
	meter     *meter
	observers []*observerEntry
	others    int // observers that are not a Timeline
	step      stepRunning
	// steps that have started another task eagerly, which runs; innermost last
	outer []stepRunning
	// the latest reading of the clock; fresh if the next step begins at that time
	last         time.Duration
	fresh        bool
	ready, timer int // the values that the meter has now
	ev           LoopEvent
}

type stepRunning struct {
	t     *task
	began time.Duration
}

// meter holds counters that any goroutine may read.
type meter struct {
	// asked: counts are wanted; counting: the loop counts
	asked, counting             atomic.Bool
	passes, steps, callbacks    atomic.Uint64
	waits                       atomic.Uint64
	tasks, ready, timers        atomic.Int64
	jobs, connections, servers  atomic.Int64
	processes, waiting, lateMax atomic.Int64 // waiting: 1 while the loop waits
	resources                   atomic.Pointer[resourceRegistry]
	// watchdogs is the number of watchdogs; while it is not 0, task is the task
	// that has begun a step last and is not done. The goroutine of a task that was
	// begun before the loop was observed has no labels.
	watchdogs atomic.Int32
	task      atomic.Pointer[task]
}

// progress counts everything that the loop begins: it does not change while the loop
// waits, and while a step or a callback runs.
func (m *meter) progress() uint64 {
	return m.passes.Load() + m.steps.Load() + m.callbacks.Load() + m.waits.Load()
}

// taskRef identifies a task without keeping it in memory.
type taskRef struct {
	id    uint64     // 0 for none
	extra *taskExtra // contains the name of the task, unless that is the default one
}

func refTo(t *task) taskRef {
	if t == nil {
		return taskRef{}
	}
	return taskRef{t.id, t.extra.Load()}
}

func (r taskRef) String() string {
	switch {
	case r.id == 0:
		return ""
	case r.extra != nil && r.extra.name != "":
		return r.extra.name
	}
	return defaultName(r.id)
}

// observe returns the observation of l, and creates it if there is none yet.
func (l *Loop) observe() *observation {
	if l.observed == nil {
		m := l.meterOf()
		w := &observation{loop: l, meter: m}
		m.tasks.Store(int64(l.tasks.n))
		m.jobs.Store(int64(l.pendingJobs))
		if l.current != nil {
			w.step = stepRunning{l.current, l.now()}
			m.task.Store(l.current)
		}
		m.counting.Store(true)
		l.observed = w
	}
	return l.observed
}

// meterOf returns the meter of l. Any goroutine may call it.
func (l *Loop) meterOf() *meter {
	if m := l.meter.Load(); m != nil {
		return m
	}
	l.meter.CompareAndSwap(nil, new(meter))
	return l.meter.Load()
}

// startCounting makes the loop observe itself: at once if this goroutine holds its
// token.
func (l *Loop) startCounting(m *meter) {
	if l.holdsToken() {
		l.observe()
		return
	}
	if m.asked.CompareAndSwap(false, true) {
		l.post(readyEntry{startObserving{l}, nil}, false)
	}
}

// startObserving makes a loop start counting, for a call from another goroutine.
type startObserving struct{ loop *Loop }

func (s startObserving) run(*future) { s.loop.observe() }

// tell reports w.ev to all observers.
func (w *observation) tell() {
	w.ev.Loop = w.loop
	for _, o := range w.observers {
		o.Observe(&w.ev)
	}
	w.ev = LoopEvent{}
}

// by returns the task that is running, unless that is t.
func (w *observation) by(t *task) *task {
	// Not Loop.current: until the next step begins, that is the task that parked
	// last.
	if w.step.t != t {
		return w.step.t
	}
	return nil
}

// stamp returns the time at which a step or a callback begins. That is the latest
// reading of the clock if since then the loop has only chosen what to run: it has not
// waited, asked the system or run code of the user.
func (w *observation) stamp() time.Duration {
	if !w.fresh {
		return w.loop.now()
	}
	w.fresh = false
	return w.last
}

// read reads the clock at the end of what has run.
func (w *observation) read() time.Duration {
	w.last, w.fresh = w.loop.now(), w.others == 0
	return w.last
}

func (w *observation) passBegan() {
	m := w.meter
	m.passes.Add(1)
	// Store only the values that have changed: an atomic store takes several times
	// as long as the comparison.
	if n := w.loop.ready.n; n != w.ready {
		w.ready = n
		m.ready.Store(int64(n))
	}
	if n := len(w.loop.timers.heap); n != w.timer {
		w.timer = n
		m.timers.Store(int64(n))
	}
	if w.fresh && !w.loop.polling.idle() {
		// since the reading the loop has asked the poller for ready descriptors
		w.fresh = false
	}
}

func (w *observation) taskCreated(t *task) {
	w.meter.tasks.Add(1)
	if len(w.observers) > 0 {
		w.ev = LoopEvent{Kind: TaskCreated, At: w.loop.now(), t: t, by: w.by(t)}
		w.tell()
	}
}

func (w *observation) taskWoken(t *task) {
	if len(w.observers) == 0 || t.co == nil {
		return
	}
	t.co.waker = w.by(t)
	if w.others > 0 {
		w.ev = LoopEvent{Kind: TaskWoken, At: w.loop.now(), t: t, by: t.co.waker}
		w.tell()
	}
}

func (w *observation) taskCancelled(t *task, reason *CancelledError) {
	if len(w.observers) > 0 {
		w.ev = LoopEvent{Kind: TaskCancelled, At: w.loop.now(), t: t, by: w.by(t), Err: reason}
		w.tell()
	}
}

func (w *observation) stepBegan(t *task) {
	w.meter.steps.Add(1)
	if w.step.t != nil {
		w.outer = append(w.outer, w.step)
	}
	w.step.t = t
	if w.meter.watchdogs.Load() != 0 {
		w.meter.task.Store(t)
	}
	if len(w.observers) == 0 {
		return
	}
	w.step.began = w.stamp()
	if w.others > 0 {
		w.ev = LoopEvent{Kind: StepBegan, At: w.step.began, t: t}
		w.tell()
	}
}

// stepEnded ends the step of t. t awaits f; if f is nil, t has yielded or is done.
func (w *observation) stepEnded(t *task, f *future) {
	if w.step.t != t {
		// the task was unwound, or its step began before the loop was observed
		return
	}
	began, within := w.step.began, len(w.outer)
	if within == 0 {
		w.step.t = nil // a task that is done must not stay in memory
	} else {
		w.step = w.outer[within-1]
		w.outer[within-1] = stepRunning{}
		w.outer = w.outer[:within-1]
		if w.meter.watchdogs.Load() != 0 {
			w.meter.task.Store(w.step.t)
		}
	}
	var waker *task
	if t.co != nil {
		waker, t.co.waker = t.co.waker, nil
	}
	if len(w.observers) == 0 {
		return
	}
	if trace.IsEnabled() && f != nil {
		trace.Log(&t.scope, "await", f.label())
	}
	now := w.read()
	if within > 0 {
		w.fresh = false // the task that started this one continues
	}
	if w.others == 0 {
		for _, o := range w.observers {
			o.timeline.step(t, waker, f, began, now)
		}
		return
	}
	w.ev = LoopEvent{Kind: StepEnded, At: now, Duration: now - began, t: t, waker: waker, future: f}
	if f == nil && t.fut.state == pending {
		w.ev.what = yielded
	}
	w.tell()
}

// yielded is what a task awaits that lets others run.
const yielded = "Sleep(0)"

func (w *observation) taskDone(t *task) {
	w.meter.tasks.Add(-1)
	w.stepEnded(t, nil)
	if w.meter.task.Load() == t {
		w.meter.task.Store(nil)
	}
	if len(w.observers) > 0 {
		at := w.last // the time at which its last step ended
		if !w.fresh {
			at = w.loop.now()
		}
		w.ev = LoopEvent{Kind: TaskDone, At: at, t: t, by: w.by(t), Err: t.fut.err}
		w.tell()
	}
}

// call is Loop.call for an observed loop.
func (w *observation) call(e readyEntry) {
	w.meter.callbacks.Add(1)
	if len(w.observers) == 0 {
		w.loop.call(e)
		return
	}
	began, what := w.stamp(), nameEntry(e)
	w.loop.call(e)
	now := w.read()
	w.ev = LoopEvent{Kind: CallbackRan, At: now, Duration: now - began, what: what()}
	w.tell()
}

func (w *observation) timerLate(late time.Duration) {
	m := w.meter
	if n := int64(late); n > m.lateMax.Load() {
		m.lateMax.Store(n)
	}
	if len(w.observers) > 0 {
		w.ev = LoopEvent{Kind: TimerLate, At: w.loop.now(), Duration: late}
		w.tell()
	}
}

// wait is Loop.wait for an observed loop.
func (w *observation) wait() {
	m := w.meter
	w.ready = 0
	m.ready.Store(0)
	m.waits.Add(1)
	m.waiting.Store(1)
	if len(w.observers) == 0 {
		w.loop.wait()
		m.waiting.Store(0)
		return
	}
	began := w.stamp()
	w.loop.wait()
	m.waiting.Store(0)
	now := w.read()
	w.ev = LoopEvent{Kind: LoopWaited, At: now, Duration: now - began}
	w.tell()
}

func (w *observation) jobQueued() {
	w.meter.jobs.Add(1)
	if len(w.observers) > 0 {
		w.ev = LoopEvent{Kind: JobQueued, At: w.loop.now(), by: w.by(nil)}
		w.tell()
	}
}

func (w *observation) jobEnded(queued time.Duration, err error) {
	w.meter.jobs.Add(-1)
	if len(w.observers) > 0 {
		now := w.loop.now()
		w.ev = LoopEvent{Kind: JobEnded, At: now, Duration: now - queued, Err: err}
		w.tell()
	}
}

// resource counts, lists and reports a connection, server or process; n is 1 for one
// that was opened and -1 for one that was closed. key identifies it, and where
// describes it.
func (w *observation) resource(what string, n int64, err error, key any, where func() string) {
	if reg := w.meter.resources.Load(); reg != nil {
		if n > 0 {
			reg.opened(key, Resource{Kind: what, Place: where()})
		} else {
			reg.closed(key)
		}
	}
	switch what {
	case "server":
		w.meter.servers.Add(n)
	case "process":
		w.meter.processes.Add(n)
	default:
		w.meter.connections.Add(n)
	}
	if len(w.observers) > 0 {
		kind := ResourceOpened
		if n < 0 {
			kind = ResourceClosed
		}
		w.ev = LoopEvent{Kind: kind, At: w.loop.now(), by: w.by(nil), Err: err, what: what}
		w.tell()
	}
}

// Labels of the goroutines of tasks in the goroutine profile.
const (
	labelTask = "aio_task" // the name of the task
	labelLoop = "aio_loop" // the number of the loop
)

// label gives the calling goroutine, which is about to run t, the labels of t in
// addition to those of the task's context.
func (w *observation) label(t *task) {
	pprof.SetGoroutineLabels(pprof.WithLabels(&t.scope, pprof.Labels(
		labelTask, t.name(), labelLoop, strconv.FormatUint(w.loop.number, 10))))
}
