package aio

// A loop runs in passes. Each pass waits until something is ready, moves the timers
// that are due to the end of the ready queue, and then runs as many entries as the
// queue holds at that moment. Entries that these add run in the next pass. The number
// of passes between a cause and its effect is part of asyncio's contract, so every
// wake-up in this package is one entry of the queue, as it is one call_soon there.

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goaio/aio/internal/goid"
	"github.com/goaio/aio/internal/netio"
	"github.com/goaio/aio/internal/plug"
)

// Loop is an event loop: it runs tasks and callbacks, one at a time, in the goroutine
// that calls RunForever or [RunUntilComplete]. Make one with [NewEventLoop] and Close
// it at the end, or leave both to [Run].
//
// Any goroutine may call CallSoonThreadsafe, IsRunning and IsClosed. All other methods
// may be called only while the loop does not run, or by a task or callback of the loop;
// from another goroutine they fail with [ErrWrongGoroutine] (those without an error
// result panic).
//
// (asyncio: AbstractEventLoop)
type Loop struct {
	// Except where otherwise noted, the goroutine that holds the loop's token owns
	// all state of the loop, and of the futures, locks, queues and connections that
	// belong to it. While the loop does not run there is no token: then any
	// goroutine may use the loop, one at a time.

	nest
	ready   ring[readyEntry]
	todo    int // entries of ready that belong to the current pass
	handles handles
	lifecycle
	// makes the choices that asyncio's order leaves open; nil in ordinary loops
	director plug.Director
	clock
	timers timers

	tasks   taskList
	taskSeq uint64
	awaits
	reports chain[report, *report] // errors that were not retrieved yet

	ioState
	outside
	signalling
	settings
	observing

	// Immutable.
	number uint64 // unique in the program
	ctx    *scope

	// With locks of their own.
	inbox   inbox
	open    closerSet
	workers workers // goroutines that run jobs
	// places of calls from wrong goroutines that were reported, in debug mode
	strays sync.Map
}

// lifecycle says whether a loop runs, is being closed, or is closed. Any goroutine may
// read the atomic fields.
type lifecycle struct {
	stopping bool
	// ending is set when a Runner, or the stop function of StartLoop, begins to
	// close the loop: from then on the loop accepts no more tasks from other
	// goroutines.
	ending atomic.Bool
	// closing is set after the tasks and jobs that were there have ended
	closing atomic.Bool
	closed  atomic.Bool
	running atomic.Bool
	runErr  error
}

// awaits is what the awaits of a loop's tasks share.
type awaits struct {
	// the scope around the Timeout or TaskGroup that makes a request, see
	// cancelFromScope
	requester *CancelScope
	waiters   waiterPool
	// 0 while the loop is open and no CancelScope is cancelled, see gated
	gate int32
	// open iterators, the newest first
	pulls *pull
	// the futures that are being cancelled, the innermost last
	path []*future
	// in debug mode, the scopes that coroutines run in, the innermost last
	entered map[*coroutine][]*scope
}

// ioState is the part of a loop for descriptors and connections.
type ioState struct {
	polling polling
	net     netio.Backend // the back end for connections; nil before the first one
	// the back end for descriptors and files; nil before the first one
	files    fileBackend
	ioQueues ioQueues   // the calls on sockets in goroutine mode
	streams  streamPool // buffers that are not in use
	// the memory into which transports read, for one callback at a time
	readBuf []byte
	// descriptors that a SockRecv is about to read, see receiveWhen
	reported map[watchable]int
}

// signalling is the handling of signals of the system.
type signalling struct {
	signals map[os.Signal]*signalRelay // signals that the loop handles
	// the number of signals that AddSignalHandler handles
	signalHandlers int
	// whether asyncio would have written to its self-pipe since the last pass began
	selfWoken bool
}

// observing is what a loop tells others about itself.
type observing struct {
	observed *observation // nil while there is no observer
	// stops the watchdog of debug mode, nil if there is none
	stopWatchdog func()
	// nil until Stats is called; any goroutine may read it
	meter atomic.Pointer[meter]
}

// nest is the holder of the token, and the chain of coroutines each of which has switched
// to the next one, up to the holder: see token.go.
type nest struct {
	// the goroutine that holds the token, 0 while the loop does not run
	owner   uintptr
	current *task // the running task, nil in callbacks
	root    coroutine
	// the coroutine that must run: those above it yield until it is on top; nil if
	// there is none
	resumeTarget   *coroutine
	stackRequester *task // the task that asked where another one is suspended
	chainLen       int
	chaining       bool         // tasks may run steps of other tasks
	idle           []*coroutine // idle coroutines, for future tasks
	exiting        []*coroutine // coroutines whose task called runtime.Goexit
	// profiling labels of the goroutine that runs the loop
	labels goid.Labels
}

// outside counts the waits of a loop for events outside of it.
type outside struct {
	// jobs in worker goroutines, each of which posts an entry at its end
	pendingJobs int
	// waits of tasks, and handlers of signals, for events that may never come
	outsideWaits int
}

// settings can be changed by the user.
type settings struct {
	taskFactory      TaskFactory
	exceptionHandler func(*Loop, ExceptionContext)
	executor         Executor
	executorDown     bool
	slow             time.Duration // see LoopOptions.SlowCallbackDuration
	debug            atomic.Bool   // any goroutine may read it
}

// LoopOptions are the settings of a new loop. The zero value has the defaults.
type LoopOptions struct {
	// Debug turns debug mode on, as does the environment variable AIO_DEBUG with any
	// value but the empty one.
	Debug bool
	// VirtualClock gives the loop a clock that does not advance while anything is
	// ready and then jumps to the next timer: waiting takes no time, and a deadlock
	// ends the run with a [*DeadlockError].
	//
	// A job of [ToThread] is real work, which the clock waits for, so it never
	// times out; to test that, run a loop with a real clock in a bubble of
	// testing/synctest. An await whose context has a deadline in real time, such as
	// one of [context.WithTimeout], fails with [ErrUsage] and is reported to the
	// exception handler; only ToThread accepts such a context. The end of a context
	// by another goroutine is noticed when the next pass begins, and does not keep
	// the run from ending with a DeadlockError.
	VirtualClock bool
	// SlowCallbackDuration is the run time from which debug mode reports a callback
	// or a step of a task; 0 is 100 ms. [Loop.SetSlowCallbackDuration] changes it.
	SlowCallbackDuration time.Duration
}

// loopNumbers numbers the loops of the program, for its profiles.
var loopNumbers atomic.Uint64

// NewEventLoop returns a new loop. nil options are the defaults. (asyncio:
// new_event_loop)
func NewEventLoop(opts *LoopOptions) *Loop {
	if opts == nil {
		opts = &LoopOptions{}
	}
	if opts.SlowCallbackDuration < 0 {
		misuse("NewEventLoop", "SlowCallbackDuration is negative: %v", opts.SlowCallbackDuration)
	}
	l := &Loop{number: loopNumbers.Add(1)}
	l.clock.init(opts.VirtualClock)
	l.slow = cmp.Or(opts.SlowCallbackDuration, 100*time.Millisecond)
	l.ctx = &scope{loop: l, parent: context.Background()}
	l.inbox.wake = make(chan struct{}, 1)
	l.SetDebug(opts.Debug || os.Getenv("AIO_DEBUG") != "")
	return l
}

// Context returns the context of the loop itself, for calls outside of a task: before
// the loop runs, and in callbacks. It belongs to no task and ends when the loop is
// closed, so inside a task pass on the task's own.
func (l *Loop) Context() context.Context {
	if err := l.made("Loop.Context"); err != nil {
		panic(err)
	}
	return l.ctx
}

// holds reports whether the calling goroutine may touch the state of the loop: it holds
// the token, or the loop does not run.
func (l *Loop) holds() bool {
	held, running := goid.Holder(&l.owner)
	return held == running || held == 0
}

// runsHere reports whether the loop runs and the calling goroutine holds the token.
func (l *Loop) runsHere() bool {
	held, running := goid.Holder(&l.owner)
	return held == running && held != 0
}

// made returns an error for a zero Loop, and for the nil loop of a zero value of another
// type.
func (l *Loop) made(call string) error {
	if l == nil || l.ctx == nil {
		return usagef(call, "a zero value: make it with the function that the documentation of its type names")
	}
	return nil
}

// check panics unless the caller may touch the state of the loop.
func (l *Loop) check(call string) {
	if l == nil || l.ctx == nil || !l.holds() {
		panic(l.wrongGoroutine(call))
	}
}

// checked is like check, for a call with an error result.
func (l *Loop) checked(call string) error {
	if l == nil || l.ctx == nil || !l.holds() {
		return l.wrongGoroutine(call)
	}
	return nil
}

// wrongGoroutine makes the error of a call by a goroutine that does not hold the token.
// Such an error is easily lost, for example with "go save(ctx)": debug mode also
// reports it, once for each place.
func (l *Loop) wrongGoroutine(call string) error {
	if err := l.made(call); err != nil {
		return err
	}
	stack := wholeStack()
	err := error(&callError{call, ErrWrongGoroutine})
	if pulled(stack) {
		err = usagef(call, "an iterator that awaits cannot be used with iter.Pull, which runs it in a goroutine of its own: range over it").as(ErrWrongGoroutine)
	}
	if l.debug.Load() {
		at := frames(stack, 0)
		if n := len(at); n > 0 {
			if _, known := l.strays.LoadOrStore(at[n-1].PC, true); !known {
				l.post(readyEntry{&strayCall{l, err, stack}, nil}, false)
			}
		}
	}
	return err
}

// strayCall reports a call by a goroutine that did not hold the token.
type strayCall struct {
	loop  *Loop
	err   error
	stack []uintptr
}

// run implements runnable.
func (s *strayCall) run(*future) {
	s.loop.CallExceptionHandler(ExceptionContext{Message: "call from a goroutine that does not run the event loop", Err: s.err, Stack: s.stack})
}

// holdsToken reports whether the caller holds the token, for the calls that any
// goroutine may make. Unlike check it works on every platform.
func (l *Loop) holdsToken() bool {
	held, _ := goid.Holder(&l.owner)
	return held != 0 && held == goid.Current()
}

// mustBeOpen panics if the loop is closed, for calls whose effect would be lost.
func (l *Loop) mustBeOpen(call string) {
	if l.closed.Load() {
		panic(usagef(call, "event loop is closed").as(ErrLoopClosed))
	}
}

// running loops, so that a goroutine cannot run a second one inside the first.
var runningLoops struct {
	sync.Mutex
	m map[*Loop]struct{}
}

// begin gives the token to the calling goroutine.
func (l *Loop) begin() error {
	if err := l.made("Loop.RunForever"); err != nil {
		return err
	}
	me := goid.Current()
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
	l.owner, l.root.g = me, me
	l.labels = goid.CurrentLabels()
	return nil
}

// runnableIn returns an error if a goroutine cannot run l. runningLoops must be locked.
func (l *Loop) runnableIn(goroutine uintptr) error {
	if l.closed.Load() {
		return ErrLoopClosed
	}
	if l.running.Load() {
		return ErrLoopRunning
	}
	for other := range runningLoops.m {
		if held, _ := goid.Holder(&other.owner); held == goroutine {
			return fmt.Errorf("%w: another loop runs in this goroutine", ErrLoopRunning)
		}
	}
	return nil
}

// loopRunBy returns the loop whose token the goroutine holds, nil if there is none.
func loopRunBy(goroutine uintptr) *Loop {
	runningLoops.Lock()
	defer runningLoops.Unlock()
	for l := range runningLoops.m {
		if held, _ := goid.Holder(&l.owner); held == goroutine {
			return l
		}
	}
	return nil
}

// runnableHere is like runnableIn, for the calling goroutine.
func (l *Loop) runnableHere() error {
	runningLoops.Lock()
	defer runningLoops.Unlock()
	return l.runnableIn(goid.Current())
}

// end takes the token back.
func (l *Loop) end() {
	if l.stopWatchdog != nil {
		l.stopWatchdog()
		l.stopWatchdog = nil
	}
	l.stopping, l.chaining = false, false
	l.owner, l.current, l.resumeTarget = 0, nil, nil
	if l.observed != nil {
		l.observed.fresh = false
	}
	runningLoops.Lock()
	delete(runningLoops.m, l)
	runningLoops.Unlock()
	l.running.Store(false)
}

// RunForever runs the loop in the calling goroutine until [Loop.Stop]. The error is
// [ErrLoopRunning] if this goroutine already runs a loop or this loop runs elsewhere,
// [ErrLoopClosed], or a [*DeadlockError] from a virtual clock. If a task calls
// [runtime.Goexit], RunForever does so too, after the pass.
//
// (asyncio: loop.run_forever)
func (l *Loop) RunForever() error {
	if err := l.begin(); err != nil {
		return err
	}
	defer l.end()
	l.chaining = l.director == nil
	l.watchDebug()
	for !l.runPass() {
	}
	err := l.runErr
	l.runErr = nil
	return err
}

// RunUntilComplete runs l until aw is done and returns its result. A [Coro] is started
// as a task. The error is that of aw, [ErrLoopStopped] if [Loop.Stop] came first,
// [ErrOtherLoop] if aw is a future of another loop, or one of those of
// [Loop.RunForever]; except with an error of aw itself, a Coro may not have been
// started.
//
// (asyncio: loop.run_until_complete)
//
//nolint:contextcheck // the ctx is that of the loop
func RunUntilComplete[T any](l *Loop, aw Awaitable[T]) (T, error) {
	const call = "RunUntilComplete"
	var zero T
	switch {
	case l == nil:
		return zero, usagef(call, "the loop is nil")
	case l.made(call) != nil:
		return zero, l.made(call)
	case aw == nil:
		return zero, usagef(call, "the awaitable is nil")
	}
	if f, ok := aw.(AnyFuture); ok {
		if _, err := coreOf(call, f); err != nil {
			return zero, err
		}
	}
	if coro, ok := aw.(Coro[T]); ok && coro == nil {
		return zero, usagef(call, "the coroutine is nil")
	}
	if err := l.runnableHere(); err != nil {
		// check this before a task is made, because the task would remain
		return zero, err
	}
	f := EnsureFuture(l.Context(), aw)
	c := f.core()
	if c.loop != l {
		return zero, ErrOtherLoop
	}
	c.addCallback(stopOnDone{})
	defer c.removeCallback(stopOnDone{})
	if err := l.RunForever(); err != nil {
		return zero, err
	}
	if c.state == pending {
		return zero, ErrLoopStopped
	}
	return f.Result()
}

// stopOnDone ends a RunUntilComplete.
type stopOnDone struct{}

func (stopOnDone) run(f *future) { f.loop.stopping = true }

// String names the entry.
func (stopOnDone) String() string { return "RunUntilComplete" }

// Stop makes RunForever return at the end of the current pass; entries that are
// scheduled later wait for the next run. If the loop does not run, the next run makes
// one pass and does not wait. (asyncio: loop.stop)
func (l *Loop) Stop() {
	l.check("Loop.Stop")
	l.stopping = true
}

// IsRunning reports whether the loop runs. Any goroutine may call it. (asyncio:
// loop.is_running)
func (l *Loop) IsRunning() bool { return l.running.Load() }

// IsClosed reports whether the loop is closed. Any goroutine may call it.
// (asyncio: loop.is_closed)
func (l *Loop) IsClosed() bool { return l.closed.Load() }

// CallSoon calls fn in the next pass of the loop, after everything that was scheduled
// before. It never awaits. A panic of fn goes to the exception handler. CallSoon panics
// with [ErrLoopClosed] if the loop is closed. (asyncio: loop.call_soon)
func (l *Loop) CallSoon(fn func()) *Handle {
	l.check("Loop.CallSoon")
	l.mustBeOpen("Loop.CallSoon")
	h := l.handles.take()
	h.init(l, "Loop.CallSoon", fn)
	h.once = true
	l.schedule(h, nil)
	return h
}

// CallSoonThreadsafe is [Loop.CallSoon] for any goroutine: it wakes the loop if it
// waits. Calls take effect in the order in which they were made, those of the loop
// itself included. It panics with [ErrLoopClosed] if the loop is closed.
//
// (asyncio: loop.call_soon_threadsafe)
func (l *Loop) CallSoonThreadsafe(fn func()) *Handle {
	h := l.newHandle("Loop.CallSoonThreadsafe", fn)
	h.shared = &handleLock{}
	if !l.submit(h) {
		panic(usagef("Loop.CallSoonThreadsafe", "event loop is closed").as(ErrLoopClosed))
	}
	return h
}
