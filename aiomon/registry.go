package aiomon

// The state that a monitor keeps of a loop. The observer writes it, with the token of the
// loop held; the handlers read it, from other goroutines. So watched.mu guards all of it.
// No goroutine waits while holding it, and a handler that holds it for many tasks gives
// way to the loop after some of them.

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/plug"
)

const (
	keptSlow = 100 // slow steps that are kept
	keptDone = 100 // tasks that ended with an error that are kept
	// keptSwallowed is the number of swallowed cancellations that are kept. Each is a
	// warning.
	keptSwallowed = 20
)

// watched is a loop that a monitor watches.
type watched struct {
	monitor  *Monitor
	loop     *aio.Loop
	name     string
	number   int // number of the loop within this monitor
	timeline *aio.Timeline

	mu        registryLock
	start     time.Time     // when the loop's time was 0
	now       time.Duration // time of the latest event
	nextID    uint64
	byTask    map[aio.AnyTask]*record
	byID      map[uint64]*record
	order     []*record // ordered by id; includes recently finished tasks
	places    map[string]*place
	lags      [len(lagBounds) + 1]uint64
	slow      []slowStep // latest last
	errors    []lostError
	swallowed []string
	open      map[string]int
	blocked   *aio.BlockedLoop // the current blocked step, nil if there is none
	// stack of the step that has just ended and had blocked the loop
	lastStack string
	starved   string // the last task that was ready for a long time before it ran
	found     []Warning
	ended     bool

	// owned by the goroutine that samples
	reported map[string]bool
	lengths  map[uint64][]int // lengths of queues, one per sample
}

// registryLock is a mutex that gives the loop priority over goroutines that copy many
// tasks. With a plain mutex such a goroutine would usually lock again before the loop
// has noticed that the mutex is free.
//
// The loop does not sleep until it is woken: if it slept at each of its events, the
// system would run both threads on one processor. So both sides spin first. They spin
// for longer than the other side holds the lock, unless the thread of the other side
// has been stopped.
type registryLock struct {
	sync.Mutex
	wanted atomic.Bool // the loop waits
}

const (
	// kept is the number of tasks that are copied before the lock may be given away,
	// which takes some microseconds.
	kept = 64
	// spins is the number of attempts to lock, some 40 µs, before the goroutine
	// yields its thread.
	spins = 20_000
)

// lockFirst is Lock for the loop.
func (l *registryLock) lockFirst() {
	if l.TryLock() {
		return
	}
	l.wanted.Store(true)
	defer l.wanted.Store(false)
	for range spins {
		if l.TryLock() {
			return
		}
	}
	l.Lock()
}

// giveWay unlocks and locks again if the loop waits and i, a count of tasks, is a
// multiple of kept. It reports whether it has done so.
func (l *registryLock) giveWay(i int) bool {
	if i%kept != 0 || !l.wanted.Load() {
		return false
	}
	l.Unlock()
	for i := 0; l.wanted.Load() || !l.TryLock(); i++ {
		if i >= spins {
			runtime.Gosched()
		}
	}
	return true
}

// record is the state of a task.
type record struct {
	task    aio.AnyTask
	id      uint64
	name    string
	place   string
	by      uint64
	created time.Duration
	state   string
	since   time.Duration // start of the current state
	steps   uint64
	busy    time.Duration
	waited  time.Duration
	what    string
	awaits  []uint64
	// the resource that the task waits for, 0 if there is none
	resource uint64
	// 1 + the number of steps of the task when it was cancelled; 0 if it was not
	// cancelled
	cancelled uint64
}

// place is a source position at which tasks are started.
type place struct {
	live, made int
	samples    []int // the most recent values of live
}

type slowStep struct {
	What     string        `json:"what"`
	At       time.Time     `json:"at"`
	Duration time.Duration `json:"duration"`
	Stack    string        `json:"stack,omitempty"`
}

type lostError struct {
	At    time.Time `json:"at"`
	Text  string    `json:"text"`
	About string    `json:"about"`
}

// lagBounds are the upper bounds of the buckets in the histogram of late timers.
var lagBounds = [...]time.Duration{100 * time.Microsecond, 300 * time.Microsecond, time.Millisecond, 3 * time.Millisecond,
	10 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Second}

// Watch makes the monitor watch a loop until unwatch is called; afterwards the recorded
// state remains visible. name is a label for people. Watch also lists the existing
// tasks, without their history.
//
// Watch and unwatch must be called by tasks or callbacks of the loop, or by any
// goroutine while the loop is not running; otherwise both panic with an error that
// matches aio.ErrWrongGoroutine. They never await. A nil loop panics with an error that
// matches aio.ErrUsage.
//
// Errors that reach the loop's exception handler are shown too, and passed on to the
// handler that was set before. A watchdog runs, with the threshold of
// [Options.SlowStep].
//
//nolint:contextcheck // a report has no ctx
func (m *Monitor) Watch(l *aio.Loop, name string) (unwatch func()) {
	if l == nil {
		panic(fmt.Errorf("aiomon: Watch: the loop is nil: %w", aio.ErrUsage))
	}
	if m.options.Report == nil {
		panic(fmt.Errorf("aiomon: Watch: a zero Monitor: use New: %w", aio.ErrUsage))
	}
	w := &watched{
		monitor: m, loop: l, name: name, timeline: aio.NewTimeline(m.options.TimelineRecords),
		start: time.Now(), byTask: map[aio.AnyTask]*record{}, byID: map[uint64]*record{},
		places: map[string]*place{}, open: map[string]int{}, reported: map[string]bool{}, lengths: map[uint64][]int{},
	}
	l.Resources() // makes the loop list its resources
	for _, t := range aio.AllTasks(l.Context()) {
		w.add(t, "before it was watched", nil)
	}
	removeObserver := l.AddObserver(w)
	removeTimeline := l.AddObserver(w.timeline)
	before := l.GetExceptionHandler()
	l.SetExceptionHandler(func(l *aio.Loop, ec aio.ExceptionContext) {
		w.lost(ec)
		if before != nil {
			before(l, ec)
		} else {
			l.DefaultExceptionHandler(ec)
		}
	})
	m.mu.Lock()
	w.number = len(m.loops) + 1
	if w.name == "" {
		w.name = fmt.Sprintf("loop %d", w.number)
	}
	m.loops = append(m.loops, w)
	m.mu.Unlock()

	stopDog := l.StartWatchdog(&aio.WatchdogOptions{Threshold: m.options.SlowStep, Report: w.isBlocked})
	quit := make(chan struct{})
	go w.sample(quit)
	return sync.OnceFunc(func() {
		removeObserver()
		removeTimeline()
		if !l.IsClosed() {
			l.SetExceptionHandler(before)
		}
		close(quit)
		stopDog()
		w.mu.Lock()
		w.ended = true
		w.mu.Unlock()
	})
}

// add makes the record of a task. The caller holds w.mu, or no other goroutine knows w
// yet.
func (w *watched) add(t aio.AnyTask, where string, by aio.AnyTask) *record {
	w.nextID++
	r := &record{task: t, id: w.nextID, name: t.GetName(), place: where, created: w.now, since: w.now, state: "ready"}
	if b := w.byTask[by]; by != nil && b != nil {
		r.by = b.id
	}
	w.byTask[t], w.byID[r.id] = r, r
	if len(w.order) > 2*len(w.byID)+100 {
		w.order = slices.DeleteFunc(w.order, func(r *record) bool { return r.state == "done" })
	}
	w.order = append(w.order, r)
	p := w.places[where]
	if p == nil {
		p = &place{}
		w.places[where] = p
	}
	p.live++
	p.made++
	return r
}

// Observe implements aio.Observer.
func (w *watched) Observe(e *aio.LoopEvent) {
	var where string
	if e.Kind == aio.TaskCreated {
		// before taking the lock, because finding the place takes a microsecond
		where = callerPlace()
	}
	w.mu.lockFirst()
	defer w.mu.Unlock()
	if w.now == 0 && e.At > 0 {
		w.start = time.Now().Add(-e.At)
	}
	w.now = e.At
	switch e.Kind {
	case aio.StepBegan, aio.StepEnded, aio.CallbackRan, aio.LoopWaited:
		// The step that blocked the loop has ended; addSlow, below, still gets
		// its stack.
		if b := w.blocked; b != nil {
			w.blocked, w.lastStack = nil, b.Stack
			defer func() { w.lastStack = "" }()
		}
	}
	switch e.Kind {
	case aio.TaskCreated:
		w.add(e.Task(), where, e.By())
		return
	case aio.TimerLate:
		i, _ := slices.BinarySearch(lagBounds[:], e.Duration)
		w.lags[i]++
		return
	case aio.CallbackRan:
		if e.Duration >= w.monitor.options.SlowStep {
			w.addSlow(e.What(), e)
		}
		return
	case aio.ResourceOpened:
		w.open[e.What()]++
		return
	case aio.ResourceClosed:
		w.open[e.What()]--
		return
	}
	r := w.byTask[e.Task()]
	if r == nil {
		return
	}
	switch e.Kind {
	case aio.StepBegan:
		switch r.state {
		case "waiting":
			r.waited += e.At - r.since
		case "ready":
			if late := e.At - r.since; late >= w.starving() {
				w.starved = fmt.Sprintf("task %s was ready for %v before it ran", r.name, late.Round(time.Millisecond))
			}
		}
		r.state, r.since, r.awaits, r.resource = "running", e.At, nil, 0
	case aio.TaskWoken:
		if r.state == "waiting" {
			r.waited += e.At - r.since
			r.state, r.since = "ready", e.At
		}
	case aio.StepEnded:
		r.steps++
		r.busy += e.Duration
		r.state, r.since, r.what, r.resource = "waiting", e.At, e.What(), e.Resource()
		if r.what == "Sleep(0)" {
			r.state = "ready"
		}
		for _, t := range e.Awaited() {
			if a := w.byTask[t]; a != nil {
				r.awaits = append(r.awaits, a.id)
			}
		}
		if r.steps < 3 {
			// tasks usually call SetName in their first step
			r.name = e.Task().GetName()
		}
		if e.Duration >= w.monitor.options.SlowStep {
			w.addSlow(r.name, e)
		}
		if r.cancelled > 0 && r.steps == r.cancelled+2 && e.Task().Cancelling() > 0 {
			if len(w.swallowed) == keptSwallowed {
				w.swallowed = slices.Delete(w.swallowed, 0, 1)
			}
			w.swallowed = append(w.swallowed, fmt.Sprintf("task %s was cancelled and goes on, now awaiting %s", r.name, r.what))
		}
	case aio.TaskCancelled:
		r.cancelled = r.steps + 1
	case aio.TaskDone:
		delete(w.byTask, e.Task())
		delete(w.byID, r.id)
		r.state, r.task = "done", nil
		if p := w.places[r.place]; p != nil {
			p.live--
		}
	}
}

// addSlow records a step that took long, with the stack that the watchdog captured.
func (w *watched) addSlow(what string, e *aio.LoopEvent) {
	s := slowStep{What: what, At: w.start.Add(e.At), Duration: e.Duration, Stack: w.lastStack}
	if len(w.slow) == keptSlow {
		w.slow = slices.Delete(w.slow, 0, 1)
	}
	w.slow = append(w.slow, s)
}

// isBlocked records a report of the watchdog; the token is not held.
func (w *watched) isBlocked(b aio.BlockedLoop) {
	w.mu.Lock()
	w.blocked = &b
	w.mu.Unlock()
	who := "a callback"
	if b.Task != "" {
		who = "task " + b.Task
	}
	w.monitor.options.Report(Warning{Loop: w.name, Kind: "blocked", Text: who + " blocks the loop", More: b.Stack})
}

// lost records an error that was never retrieved.
func (w *watched) lost(ec aio.ExceptionContext) {
	e := lostError{At: time.Now(), About: ec.Message}
	if ec.Err != nil {
		e.Text = ec.Err.Error()
	}
	w.mu.lockFirst()
	defer w.mu.Unlock()
	if len(w.errors) == keptDone {
		w.errors = slices.Delete(w.errors, 0, 1)
	}
	w.errors = append(w.errors, e)
}

// callerPlace returns the place in the user's code at which a task is started.
func callerPlace() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if f.Function != "" && !internal(f) {
			return fmt.Sprintf("%s %s:%d", f.Function[strings.LastIndexByte(f.Function, '/')+1:], f.File[strings.LastIndexByte(f.File, '/')+1:], f.Line)
		}
		if !more {
			return "unknown"
		}
	}
}

// internal reports whether a frame belongs to package aio or the runtime.
func internal(f runtime.Frame) bool {
	const root = "github.com/goaio/aio."
	return strings.HasPrefix(f.Function, root) && !strings.HasSuffix(f.File, "_test.go") ||
		strings.HasPrefix(f.Function, "runtime.") || strings.HasPrefix(f.Function, "iter.")
}

// call makes the loop call f, with the token held, and waits for that until ctx is
// done.
func (w *watched) call(ctx context.Context, f func()) error {
	done := make(chan struct{})
	if err := w.post(func() {
		defer close(done)
		f()
	}); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("the loop does not answer: it is blocked, or does not run")
	}
}

// post makes the loop call f. A closed loop panics, which becomes an error here.
func (w *watched) post(f func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errors.New("the loop is closed")
		}
	}()
	if w.loop.IsClosed() {
		return errors.New("the loop is closed")
	}
	w.loop.CallSoonThreadsafe(f)
	return nil
}

const (
	// If there are at least manyTasks tasks, they are captured in several
	// callbacks.
	manyTasks = 200
	// captureTime is how long one callback captures tasks before it lets the loop
	// continue.
	captureTime = 2 * time.Millisecond
)

// capture captures the tasks of the loop with their stacks. Many tasks are captured in
// several callbacks, so that the loop continues in between; those that end in between are
// left out.
func (w *watched) capture(ctx context.Context) ([]aio.TaskInfo, error) {
	records := w.records()
	if len(records) <= manyTasks {
		var tasks []aio.TaskInfo
		if err := w.callSoon(ctx, func() { tasks = aio.CaptureTasks(w.loop.Context()) }); err != nil {
			return nil, err
		}
		return tasks, nil
	}
	add, infos := plug.Capture()
	for len(records) > 0 {
		err := w.callSoon(ctx, func() {
			for end := time.Now().Add(captureTime); len(records) > 0 && time.Now().Before(end); records = records[1:] {
				w.mu.Lock()
				t := records[0].task
				w.mu.Unlock()
				if t != nil {
					add(t)
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return infos().([]aio.TaskInfo), nil
}

// callSoon is call for a loop that should answer within seconds.
func (w *watched) callSoon(ctx context.Context, f func()) error {
	ctx, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	return w.call(ctx, f)
}

// taskOf returns the task with this id, nil if it is done.
func (w *watched) taskOf(id uint64) aio.AnyTask {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r := w.byID[id]; r != nil {
		return r.task
	}
	return nil
}

// cancel cancels a task as soon as the loop runs the request.
func (w *watched) cancel(id uint64) error {
	t := w.taskOf(id)
	if t == nil {
		return errors.New("no such task: it may be done")
	}
	return w.post(func() { t.Cancel("by the monitor") })
}

// stackOf asks the loop for the stack of a suspended task; "" if the loop does not
// answer.
func (w *watched) stackOf(ctx context.Context, id uint64) string {
	t := w.taskOf(id)
	if t == nil {
		return ""
	}
	got := make(chan string, 1)
	err := w.call(ctx, func() {
		var b strings.Builder
		for _, f := range slices.Backward(t.GetStack(0)) {
			fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
		}
		got <- b.String()
	})
	if err != nil {
		return ""
	}
	return <-got
}
