package aio

// A loop runs in passes. Each pass waits until something is ready, moves the timers that are due
// to the end of the ready queue, and then runs as many entries as the queue holds at that moment.
// What these entries add has its turn in the next pass. The number of passes between a cause and
// its effect is part of asyncio's contract, so every wake-up in this package is one entry of the
// queue, as it is one call_soon there.
//
// Ownership: the token (see token.go) owns all of a loop's state except for what is in inbox,
// by which other goroutines hand in work, and the flags that are atomic. Before the loop runs and
// after, there is no token: whoever has the loop may use it, one goroutine at a time.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Loop is an event loop: it runs tasks and callbacks, one at a time, in the goroutine that calls
// RunForever or RunUntilComplete. Make one with NewEventLoop and Close it in the end, or leave both
// to Run. CallSoonThreadsafe, IsRunning and IsClosed may be called by any goroutine, all other
// methods only while the loop does not run or by a task or callback of the loop; they panic with
// ErrWrongGoroutine otherwise. (asyncio: AbstractEventLoop)
type Loop struct {
	// Owned by the token.
	owner    uintptr // identity of the goroutine that holds the token, 0 while the loop does not run
	current  *task   // the task that runs, nil in callbacks
	ready    ring[event]
	todo     int        // entries of ready that belong to the current pass
	base     coroutine  // stands for the goroutine that runs the loop
	target   *coroutine // in the nest: those above it yield until it is on top; nil if none
	asker    *task      // that wants to know where another one is suspended
	depth    int        // of the nest
	nesting  bool       // tasks may make steps of others
	timers   timers
	tasks    taskList
	taskSeq  uint64
	idle     []*coroutine // whose task has ended, for the tasks to come
	exiting  []*coroutine // whose task called runtime.Goexit
	nWaiters int          // in waiters
	waiters  *waiter      // free list
	path     []*future    // from the first to the innermost future being cancelled
	reports  reportList   // errors that nobody has retrieved yet
	streams  streamPool   // buffers that no stream uses

	polling  polling
	lanes    lanes         // of sockets that goroutines use
	readBuf  []byte        // of transports, for one callback at a time
	vtime    time.Duration // since epoch, of a virtual clock
	stopping bool
	runErr   error
	external int // jobs in worker goroutines whose end will be posted
	watching int // tasks, and handlers of signals, that wait for something outside the loop which may never come

	taskFactory      TaskFactory
	exceptionHandler func(*Loop, ExceptionContext)
	executor         Executor
	executorDown     bool
	signals          map[os.Signal]*signalWatch // that the loop handles

	debug atomic.Bool
	// SlowCallbackDuration is the run time from which debug mode reports a callback or a step of
	// a task. It is 100 ms in a new loop. (asyncio: loop.slow_callback_duration)
	SlowCallbackDuration time.Duration

	// Immutable.
	ctx        *scope
	epoch      time.Time
	virtual    bool
	goroutines bool // serve connections, as if the system had no poller

	closed  atomic.Bool
	running atomic.Bool
	inbox   inbox
	open    openSet
	alarm   *time.Timer // of waiting, owned by the token
}

// event is an entry of the ready queue.
type event struct {
	r runnable
	f *future
}

// LoopOptions are the settings of a new loop. The zero value has the defaults.
type LoopOptions struct {
	// Debug turns debug mode on, as does the environment variable AIO_DEBUG with any value but
	// the empty one.
	Debug bool
	// VirtualClock has the loop live in a time of its own, which stands still while anything is
	// ready and then jumps to the next timer: waiting takes no time, and a deadlock ends the run
	// with a *DeadlockError. A job of ToThread is real work, which the clock waits for, so it never
	// times out; to test that, run a loop with a real clock in a bubble of testing/synctest.
	VirtualClock bool
}

// NewEventLoop returns a new loop. nil options are the defaults. (asyncio: new_event_loop)
func NewEventLoop(opts *LoopOptions) *Loop {
	if opts == nil {
		opts = &LoopOptions{}
	}
	l := &Loop{
		SlowCallbackDuration: 100 * time.Millisecond,
		virtual:              opts.VirtualClock,
		epoch:                time.Now(),
		goroutines:           !canPoll,
	}
	if l.virtual {
		l.epoch = virtualEpoch
	}
	l.ctx = &scope{loop: l, parent: context.Background()}
	l.inbox.wake = make(chan struct{}, 1)
	l.SetDebug(opts.Debug || os.Getenv("AIO_DEBUG") != "")
	return l
}

// Context returns the context of the loop itself, for the calls that want to know their loop
// outside of a task: before the loop runs, and in callbacks. It belongs to no task and ends when the
// loop is closed, so inside a task pass on the task's own.
func (l *Loop) Context() context.Context { return l.ctx }

// check panics unless the caller holds the token or the loop does not run.
func (l *Loop) check(call string) {
	if held, running := holder(&l.owner); held != running && held != 0 {
		misuse(ErrWrongGoroutine, "%s: %s", call, strings.TrimPrefix(ErrWrongGoroutine.Error(), "aio: "))
	}
}

// heldHere reports whether the caller holds the token, for the calls that any goroutine may make. It
// finds that out on each platform, unlike check.
func (l *Loop) heldHere() bool {
	held, _ := holder(&l.owner)
	return held != 0 && held == identity()
}

// mustBeOpen panics if the loop is closed, for calls whose effect would be lost.
func (l *Loop) mustBeOpen(call string) {
	if l.closed.Load() {
		misuse(ErrLoopClosed, "%s: event loop is closed", call)
	}
}

// schedule puts r on the ready queue. What other goroutines handed in before goes first.
func (l *Loop) schedule(r runnable, f *future) {
	if l.inbox.full.Load() {
		l.collect()
	}
	if l.closed.Load() {
		if o, ok := r.(orphan); ok {
			o.abandon()
		}
		return
	}
	l.ready.push(event{r, f})
}

// orphan is implemented by a runnable that somebody outside the loop waits for: a loop that is
// closed, and will not run it, says so.
type orphan interface{ abandon() }

// running loops, so that a goroutine cannot run a second one inside the first.
var runningLoops struct {
	sync.Mutex
	m map[*Loop]struct{}
}

// begin hands the token to the calling goroutine.
func (l *Loop) begin() error {
	me := identity()
	runningLoops.Lock()
	defer runningLoops.Unlock()
	if err := l.runnableIn(me); err != nil {
		return err
	}
	if runningLoops.m == nil {
		runningLoops.m = map[*Loop]struct{}{}
	}
	runningLoops.m[l] = struct{}{}
	l.running.Store(true)
	l.owner, l.base.g = me, me
	return nil
}

// runnableIn says why a goroutine cannot run l. runningLoops must be locked.
func (l *Loop) runnableIn(goroutine uintptr) error {
	if l.closed.Load() {
		return ErrLoopClosed
	}
	if l.running.Load() {
		return ErrLoopRunning
	}
	for other := range runningLoops.m {
		if held, _ := holder(&other.owner); held == goroutine {
			return fmt.Errorf("%w: another loop runs in this goroutine", ErrLoopRunning)
		}
	}
	return nil
}

// runnableHere is runnableIn for the calling goroutine.
func (l *Loop) runnableHere() error {
	runningLoops.Lock()
	defer runningLoops.Unlock()
	return l.runnableIn(identity())
}

// end takes the token back.
func (l *Loop) end() {
	l.stopping, l.nesting = false, false
	l.owner, l.current, l.target = 0, nil, nil
	runningLoops.Lock()
	delete(runningLoops.m, l)
	runningLoops.Unlock()
	l.running.Store(false)
}

// RunForever runs the loop in the calling goroutine until Stop. The error is ErrLoopRunning if
// this or another loop runs there already, ErrLoopClosed, or a *DeadlockError from a virtual
// clock. If a task calls runtime.Goexit, so does RunForever, after the pass.
// (asyncio: loop.run_forever)
func (l *Loop) RunForever() error {
	if err := l.begin(); err != nil {
		return err
	}
	defer l.end()
	l.nesting = true
	for !l.turn() {
	}
	err := l.runErr
	l.runErr = nil
	return err
}

// RunUntilComplete runs l until aw is done and returns its result. A Coro is started as a task.
// The error is that of aw, ErrLoopStopped if Stop came first, ErrOtherLoop if aw is a future of
// another loop, or one of RunForever's; unless it is aw's own, a Coro may not have been started.
// (asyncio: loop.run_until_complete)
func RunUntilComplete[T any](l *Loop, aw Awaitable[T]) (T, error) {
	var zero T
	if err := l.runnableHere(); err != nil {
		return zero, err // before a task is made, which would stay behind
	}
	f := EnsureFuture(l.Context(), aw)
	c := f.core()
	if c.loop != l {
		return zero, ErrOtherLoop
	}
	c.addCallback(stopper{})
	defer c.removeCallback(stopper{})
	if err := l.RunForever(); err != nil {
		return zero, err
	}
	if c.state == pending {
		return zero, ErrLoopStopped
	}
	return f.Result()
}

// stopper ends a RunUntilComplete.
type stopper struct{}

func (stopper) run(f *future) { f.loop.stopping = true }

// Stop has RunForever return at the end of the current pass; what is scheduled after that waits
// for the next run. If the loop does not run, the next run makes one pass and does not wait.
// (asyncio: loop.stop)
func (l *Loop) Stop() {
	l.check("Loop.Stop")
	l.stopping = true
}

// IsRunning reports whether the loop runs. Any goroutine may call it. (asyncio: loop.is_running)
func (l *Loop) IsRunning() bool { return l.running.Load() }

// IsClosed reports whether the loop is closed. Any goroutine may call it.
// (asyncio: loop.is_closed)
func (l *Loop) IsClosed() bool { return l.closed.Load() }

// turn makes a pass, and the passes that tasks begin meanwhile if nesting is set. It reports whether
// the loop shall stop.
func (l *Loop) turn() (stop bool) {
	l.timers.prune()
	if l.ready.n == 0 && !l.stopping {
		l.ready.trim()
		l.wait()
	} else {
		l.look()
	}
	l.admit()
	for l.todo > 0 {
		e := l.ready.pop()
		l.todo--
		if l.debug.Load() {
			l.runWatched(e)
		} else if t, ok := e.r.(*task); ok {
			if t.prepare(e.f) {
				co := l.lend(t)
				co.next()
				l.regain(co, &l.base)
				l.current, l.target = nil, nil
			}
		} else {
			l.call(e)
		}
	}
	if len(l.exiting) > 0 {
		l.exitPending()
	}
	return l.stopping
}

// call runs an entry that is no step of a task, and reports its panic. What panics is the user's
// code, or a cancellation that met a cycle of awaits. runtime.Goexit goes on to whoever runs the
// loop.
func (l *Loop) call(e event) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		ec := ExceptionContext{Message: "exception in callback", Err: panicError(v)}
		if r, ok := e.r.(interface{ about(*ExceptionContext) }); ok {
			r.about(&ec)
		}
		l.CallExceptionHandler(ec)
	}()
	e.r.run(e.f)
}

// beginPass begins the next pass if that takes no waiting and nothing else of the base.
func (l *Loop) beginPass() bool {
	if l.stopping || l.debug.Load() || len(l.exiting) > 0 {
		return false
	}
	l.timers.prune()
	if l.ready.n == 0 {
		return false
	}
	l.look()
	l.admit()
	return true
}

// admit takes what has come from outside and the timers that are due into the pass that begins.
func (l *Loop) admit() {
	l.collect()
	if len(l.timers.heap) > 0 {
		l.expire()
	}
	l.todo = l.ready.n
}

// wait blocks until something happens, and takes what descriptors are ready into the pass.
func (l *Loop) wait() {
	switch {
	case l.virtual:
		l.waitVirtual()
	case len(l.timers.heap) == 0:
		l.block(-1)
	default:
		when, now := l.timers.heap[0].when, l.now()
		if when <= now { // compared, as a difference to the far past overflows
			now = when
		}
		l.block(when - now)
	}
}

// Close ends the loop. Callbacks and timers that are left are dropped. Every task that is not done
// is reported to the exception handler and unwound: the await in which it is suspended, and each
// further one, fails with ErrLoopClosed, and its deferred functions run; if one of them calls
// runtime.Goexit, so does Close in the end. The default executor takes no more jobs, those that run
// go on. Closing a closed loop does nothing; a running loop cannot be closed and returns
// ErrLoopRunning. (asyncio: loop.close)
func (l *Loop) Close() error {
	if l.running.Load() {
		return ErrLoopRunning
	}
	if l.closed.Swap(true) {
		return nil
	}
	l.owner = identity() // the tasks that are unwound run under the token too
	defer l.exitPending()
	defer l.closeRest()
	l.unwind()
	return nil
}

// unwind ends every task, even if an exception handler calls runtime.Goexit.
func (l *Loop) unwind() {
	defer func() {
		if l.tasks.head != nil || l.reports.head != nil {
			l.unwind()
		}
	}()
	for l.tasks.head != nil {
		l.destroy(l.tasks.head)
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

// closeRest is what Close does when there are no more tasks.
func (l *Loop) closeRest() {
	for _, co := range l.idle {
		co.stop()
	}
	l.idle = nil
	l.collect()
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
		w.assign(nil, nil)
	}
	l.polling.close()
	l.lanes.close()
	l.lanes = nil
	l.open.shut()
	l.owner = 0
	if l.executor != nil {
		l.executor.Shutdown(false)
	}
	l.ctx.end(ErrLoopClosed, endedExt(ErrLoopClosed))
}

// CallSoon has fn called in the next pass of the loop, after everything that was scheduled before.
// It never awaits. A panic of fn goes to the exception handler. It panics with ErrLoopClosed if
// the loop is closed. (asyncio: loop.call_soon)
func (l *Loop) CallSoon(fn func()) *Handle {
	l.check("Loop.CallSoon")
	l.mustBeOpen("Loop.CallSoon")
	h := l.newHandle("Loop.CallSoon", fn)
	l.schedule(h, nil)
	return h
}

// CallSoonThreadsafe is CallSoon for any goroutine: it wakes the loop if that waits. What was
// handed in first runs first, be it by this call or by the loop's own. It panics with
// ErrLoopClosed if the loop is closed. (asyncio: loop.call_soon_threadsafe)
func (l *Loop) CallSoonThreadsafe(fn func()) *Handle {
	h := l.newHandle("Loop.CallSoonThreadsafe", fn)
	h.shared = &handleLock{}
	if !l.submit(h) {
		misuse(ErrLoopClosed, "Loop.CallSoonThreadsafe: event loop is closed")
	}
	return h
}

// destroy unwinds a task because the loop is closed.
func (l *Loop) destroy(t *task) {
	if !t.quiet {
		t.quiet = true
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
		t.fut.retrieved() // it has been reported
	}
}
