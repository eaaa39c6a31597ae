package aio

// What happens in a loop, for those who look on. The kernel tells an observation of it at
// a handful of places, each behind one nil test: a loop that nobody observes has none.
//
// The token owns an observation, but for its meter, whose fields are atomic: any
// goroutine may read them, also while a task blocks the loop. So the loop counts only
// while it is observed. The clock is read only if there are observers; the meter and the
// watchdog do without.

import (
	"fmt"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// LoopEventKind says what happened in a loop.
type LoopEventKind uint8

const (
	// TaskCreated: a task was made. By is the task that made it.
	TaskCreated LoopEventKind = iota + 1
	// TaskWoken: what a task waited for is done, and the task will run. By is the
	// task that did it, nil for a callback, a timer or a descriptor.
	TaskWoken
	// TaskCancelled: a task was asked to end, with the reason in Err. By is the task
	// that asked.
	TaskCancelled
	// StepBegan: a task runs, from here to its [StepEnded]. One that starts another
	// task eagerly has that task's step within its own.
	StepBegan
	// StepEnded: a task awaits, and What says for what, or it is done. Duration is
	// how long the step took.
	StepEnded
	// TaskDone: a task has a result, or the error in Err. It is the last event of the
	// task; one that was cancelled before it began had no steps.
	TaskDone
	// CallbackRan: a callback, or a step in the life of a transport, ran for
	// Duration.
	CallbackRan
	// TimerLate: a timer came up Duration after the time it was set for.
	TimerLate
	// LoopWaited: nothing was ready, and the loop waited for Duration.
	LoopWaited
	// JobQueued: a job was handed to an executor. By is the task that did.
	JobQueued
	// JobEnded: a job is done, Duration after it was queued.
	JobEnded
	// ResourceOpened: a connection, a server or a process, as What says, came into
	// being.
	ResourceOpened
	// ResourceClosed: a connection, a server or a process is gone, by the error in
	// Err if that is not nil.
	ResourceClosed
)

var loopEventKinds = [...]string{
	"", "task created", "task woken", "task cancelled", "step began", "step ended", "task done",
	"callback ran", "timer late", "loop waited", "job queued", "job ended", "opened", "closed",
}

// String names the kind in words.
func (k LoopEventKind) String() string {
	if int(k) >= len(loopEventKinds) || k == 0 {
		return fmt.Sprintf("LoopEventKind(%d)", k)
	}
	return loopEventKinds[k]
}

// LoopEvent is something that happened in a loop. What is not said at its kind is zero.
type LoopEvent struct {
	// Kind is what happened.
	Kind LoopEventKind
	// Loop is where.
	Loop *Loop
	// At is when: the loop's time, since it was made. Under a virtual clock it
	// repeats.
	At time.Duration
	// Duration is how long it took. Under a virtual clock it is 0 for what does not
	// wait.
	Duration time.Duration
	// Err is the error with which something ended, or the reason of a cancellation.
	Err error

	t, by  *task
	future *future // of StepEnded: what is awaited
	what   string
}

// Task returns the task that the event is about, nil if it is about none.
func (e *LoopEvent) Task() AnyTask { return taskOrNil(e.t) }

// By returns the task that ran when the event happened, nil if there was none or it is
// the one that the event is about.
func (e *LoopEvent) By() AnyTask { return taskOrNil(e.by) }

// Awaited returns the tasks that the task of a [StepEnded] waits for: the one that it
// awaits, or those of a [Gather] that it awaits, at most 100 of them. [CaptureTasks]
// knows those of Wait and of task groups too. Like What, it has to be asked while the
// event is observed.
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

// What says what a task waits for, which callback ran, or what was opened or closed; it
// is "" where there is nothing to say. It has to be asked while the event is observed,
// and makes the text only then.
func (e *LoopEvent) What() string {
	if e.future != nil {
		return e.future.label()
	}
	return e.what
}

// Observer is told of what happens in a loop. Observe is called with the token held, by
// whatever goroutine holds it, at the moment the event happens: it may look at the tasks
// of the loop, and must not block, await, or change anything. The event is good for this
// call alone, and used again after it: keep a copy of its fields, not the pointer. A
// panic in it ends the program, as there is no task whose error it could be.
type Observer interface {
	// Observe is called for each event, with the token held.
	Observe(e *LoopEvent)
}

// ObserverFunc is a function as an [Observer].
type ObserverFunc func(e *LoopEvent)

// Observe calls f.
func (f ObserverFunc) Observe(e *LoopEvent) { f(e) }

// AddObserver has o told of everything that happens in the loop from now on, until remove
// is called. Several observers are told in the order in which they were added. A loop
// that has none pays nothing; with one, each step of a task costs some 100 ns more, most
// of it for reading the clock.
//
// AddObserver and remove never await. Like other methods of a loop they are for its tasks
// and callbacks, and for whoever has a loop that does not run; both panic with
// [ErrWrongGoroutine] otherwise, and AddObserver with [ErrUsage] if o is nil. Calling
// remove twice does nothing.
//
// asyncio has nothing of the kind; trio has Instruments.
func (l *Loop) AddObserver(o Observer) (remove func()) {
	l.check("Loop.AddObserver")
	if o == nil {
		misuse("Loop.AddObserver", "the observer is nil")
	}
	w := l.observe()
	own := &observerEntry{o}
	w.observers = append(slices.Clip(w.observers), own)
	return func() {
		l.check("Loop.AddObserver: remove")
		if i := slices.Index(w.observers, own); i >= 0 {
			// A new slice, as an observer may remove itself while it is told
			// of something.
			w.observers = slices.Delete(slices.Clone(w.observers), i, i+1)
		}
	}
}

// observerEntry tells an observer that was added twice from itself.
type observerEntry struct{ Observer }

// observation is what a loop that is observed has.
type observation struct {
	loop      *Loop
	meter     *meter
	observers []*observerEntry
	// innermost last: tasks that were started eagerly run within others
	running []stepRunning
	ev      LoopEvent
}

type stepRunning struct {
	t     *task
	began time.Duration
}

// meter counts for any goroutine to read.
type meter struct {
	asked, counting             atomic.Bool // somebody wants to count; the loop does
	passes, steps, callbacks    atomic.Uint64
	tasks, ready, timers        atomic.Int64
	jobs, connections, servers  atomic.Int64
	processes, waiting, lateMax atomic.Int64 // waiting: 1 while the loop waits
	moves                       atomic.Uint64
	current                     atomic.Pointer[task] // that runs
	resources                   atomic.Pointer[resourceRegistry]
}

// taskRef names a task without keeping it in memory.
type taskRef struct {
	id   uint64 // 0 for none
	name string // "" if it is that of the id
}

func refTo(t *task) taskRef {
	if t == nil {
		return taskRef{}
	}
	r := taskRef{id: t.id}
	if e := t.extra.Load(); e != nil {
		r.name = e.name
	}
	return r
}

func (r taskRef) String() string {
	switch {
	case r.id == 0:
		return ""
	case r.name != "":
		return r.name
	}
	return "Task-" + strconv.FormatUint(r.id, 10)
}

// observe returns the observation of l, and makes it if there is none yet.
func (l *Loop) observe() *observation {
	if l.observed == nil {
		m := l.meterOf()
		w := &observation{loop: l, meter: m}
		m.tasks.Store(int64(l.tasks.n))
		m.jobs.Store(int64(l.pendingJobs))
		if l.current != nil {
			w.running = append(w.running, stepRunning{l.current, l.now()})
			m.current.Store(l.current)
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

// startCounting has the loop observe itself: at once if this goroutine holds its token.
func (l *Loop) startCounting(m *meter) {
	if l.holdsToken() {
		l.observe()
		return
	}
	if m.asked.CompareAndSwap(false, true) {
		l.post(readyEntry{startObserving{l}, nil}, false)
	}
}

// startObserving makes a loop count, on behalf of another goroutine.
type startObserving struct{ loop *Loop }

func (s startObserving) run(*future) { s.loop.observe() }

// tell has all observers told of w.ev.
func (w *observation) tell() {
	w.ev.Loop = w.loop
	for _, o := range w.observers {
		o.Observe(&w.ev)
	}
	w.ev = LoopEvent{}
}

// by is the task that runs, if that is not t.
func (w *observation) by(t *task) *task {
	// Not Loop.current: that names a task that has parked until the next step begins.
	if n := len(w.running); n > 0 && w.running[n-1].t != t {
		return w.running[n-1].t
	}
	return nil
}

func (w *observation) passBegan() {
	m := w.meter
	m.passes.Add(1)
	m.moves.Add(1)
	m.ready.Store(int64(w.loop.ready.n))
	m.timers.Store(int64(len(w.loop.timers.heap)))
}

func (w *observation) taskCreated(t *task) {
	w.meter.tasks.Add(1)
	if len(w.observers) > 0 {
		w.ev = LoopEvent{Kind: TaskCreated, At: w.loop.now(), t: t, by: w.by(t)}
		w.tell()
	}
}

func (w *observation) taskWoken(t *task) {
	if len(w.observers) > 0 && t.co != nil {
		w.ev = LoopEvent{Kind: TaskWoken, At: w.loop.now(), t: t, by: w.by(t)}
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
	m := w.meter
	m.steps.Add(1)
	m.moves.Add(1)
	m.current.Store(t)
	s := stepRunning{t: t}
	if len(w.observers) > 0 {
		s.began = w.loop.now()
		w.ev = LoopEvent{Kind: StepBegan, At: s.began, t: t}
		w.tell()
	}
	w.running = append(w.running, s)
}

// stepEnded ends the step of t, which awaits f or, if f is nil, has yielded or is done.
func (w *observation) stepEnded(t *task, f *future) {
	n := len(w.running)
	if n == 0 || w.running[n-1].t != t {
		return // it was unwound, or began before the loop was observed
	}
	s := w.running[n-1]
	w.running[n-1] = stepRunning{} // a task that is done must not stay in memory
	w.running = w.running[:n-1]
	m := w.meter
	m.moves.Add(1)
	if n > 1 {
		m.current.Store(w.running[n-2].t)
	} else {
		m.current.Store(nil)
	}
	if len(w.observers) == 0 {
		return
	}
	if trace.IsEnabled() && f != nil {
		trace.Log(&t.scope, "await", f.label())
	}
	now := w.loop.now()
	w.ev = LoopEvent{Kind: StepEnded, At: now, Duration: now - s.began, t: t, future: f}
	if f == nil && t.fut.state == pending {
		w.ev.what = "Sleep(0)"
	}
	w.tell()
}

func (w *observation) taskDone(t *task) {
	w.meter.tasks.Add(-1)
	w.stepEnded(t, nil)
	if len(w.observers) > 0 {
		w.ev = LoopEvent{Kind: TaskDone, At: w.loop.now(), t: t, by: w.by(t), Err: t.fut.err}
		w.tell()
	}
}

// call is Loop.call for a loop that is observed.
func (w *observation) call(e readyEntry) {
	m := w.meter
	m.callbacks.Add(1)
	m.moves.Add(1)
	if len(w.observers) == 0 {
		w.loop.call(e)
		return
	}
	began, what := w.loop.now(), nameEntry(e)
	w.loop.call(e)
	now := w.loop.now()
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

// wait is Loop.wait for a loop that is observed.
func (w *observation) wait() {
	m := w.meter
	m.ready.Store(0)
	m.waiting.Store(1)
	m.moves.Add(1)
	if len(w.observers) == 0 {
		w.loop.wait()
		m.waiting.Store(0)
		return
	}
	began := w.loop.now()
	w.loop.wait()
	m.waiting.Store(0)
	now := w.loop.now()
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

// resource counts, lists and tells of a connection, server or process; n is 1 for one
// that was opened and -1 for one that is gone. key tells it apart, and where says which
// one it is.
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

// Labels by which the goroutine profile tells the goroutines of tasks apart.
const (
	labelTask = "aio_task" // the name of the task
	labelLoop = "aio_loop" // a number of the loop
)

// label gives the goroutine that calls it, which is about to run t, the labels of t,
// beside those that the context of the task has.
func (w *observation) label(t *task) {
	pprof.SetGoroutineLabels(pprof.WithLabels(&t.scope, pprof.Labels(
		labelTask, t.name(), labelLoop, strconv.FormatUint(w.loop.number, 10))))
}
