package aio

// The bridge between a loop and other goroutines: jobs that a loop runs in goroutines,
// coroutines that goroutines submit to a loop, and the future that any goroutine may
// wait for.

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goaio/aio/internal/goid"
	"github.com/goaio/aio/internal/plug"
)

// ConcurrentFuture is a result that comes from, or goes to, another goroutine: the
// counterpart of [Future] that any goroutine may use at any time. [NewConcurrentFuture]
// and [RunCoroutineThreadsafe] make one. (Python: concurrent.futures.Future)
type ConcurrentFuture[T any] struct {
	// the loop whose task makes the result, nil if none does; immutable
	producer *Loop
	// an entry that the producer runs after a cancellation; immutable
	source runnable
	done   chan struct{} // closed when the fields below have their final values

	mu        sync.Mutex
	state     futureState
	value     T
	err       error
	callbacks []func()
}

// NewConcurrentFuture returns a pending future, to be settled with SetResult.
func NewConcurrentFuture[T any]() *ConcurrentFuture[T] {
	return &ConcurrentFuture[T]{done: make(chan struct{})}
}

// Done returns a channel that is closed when the future has its result, for a select.
func (f *ConcurrentFuture[T]) Done() <-chan struct{} {
	if err := f.made("ConcurrentFuture.Done"); err != nil {
		panic(err)
	}
	return f.done
}

// made returns an error for a zero ConcurrentFuture.
func (f *ConcurrentFuture[T]) made(call string) error {
	if f.done == nil {
		return usagef(call, "a zero ConcurrentFuture: use NewConcurrentFuture")
	}
	return nil
}

// Result blocks the goroutine until the future is done or ctx ends. It returns the
// value, the error, or a [*CancelledError] if the future was cancelled. If ctx ends
// first it returns context.Cause(ctx), and the future stays pending.
//
// A task that called Result would block its loop. If that loop is the one that makes
// the result, Result fails at once with [ErrWrongGoroutine]. Tasks await [WrapFuture]
// instead.
func (f *ConcurrentFuture[T]) Result(ctx context.Context) (T, error) {
	var zero T
	if err := f.made("ConcurrentFuture.Result"); err != nil {
		return zero, err
	}
	if ctx == nil {
		return zero, usagef("ConcurrentFuture.Result", "the context is nil")
	}
	select {
	case <-f.done:
		return f.value, f.err
	default:
	}
	if f.producer != nil && f.producer.holdsToken() {
		return zero, fmt.Errorf("aio: ConcurrentFuture.Result would block the loop that has to make the result: await WrapFuture: %w", ErrWrongGoroutine)
	}
	if ctx.Done() == nil { // a receive costs less than a select
		<-f.done
		return f.value, f.err
	}
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	}
}

// SetResult makes v the result. If the future is done already, nothing changes and the
// error matches [ErrInvalidState].
func (f *ConcurrentFuture[T]) SetResult(v T) error {
	if err := f.made("ConcurrentFuture.SetResult"); err != nil {
		return err
	}
	return f.settle(finished, v, nil)
}

// SetException makes the future fail with err, which must not be nil. If the future is
// done already, nothing changes and the error matches [ErrInvalidState].
func (f *ConcurrentFuture[T]) SetException(err error) error {
	if err == nil {
		return usagef("ConcurrentFuture.SetException", "the error is nil: use SetResult")
	}
	if err := f.made("ConcurrentFuture.SetException"); err != nil {
		return err
	}
	var zero T
	return f.settle(failed, zero, err)
}

func (f *ConcurrentFuture[T]) settle(state futureState, v T, err error) error {
	f.mu.Lock()
	if f.state != pending {
		f.mu.Unlock()
		return fmt.Errorf("%w: the future is done", ErrInvalidState)
	}
	f.state, f.value, f.err = state, v, err
	callbacks := f.callbacks
	f.callbacks = nil
	close(f.done)
	f.mu.Unlock()
	f.callAll(callbacks)
	return nil
}

// callAll calls done callbacks, even if one of them calls runtime.Goexit.
func (f *ConcurrentFuture[T]) callAll(callbacks []func()) {
	if len(callbacks) > 0 {
		defer f.callAll(callbacks[1:])
		f.call(callbacks[0])
	}
}

// call calls a done callback. Its panic must not reach the code that settles f.
func (f *ConcurrentFuture[T]) call(cb func()) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		ec := ExceptionContext{Message: "exception in callback of a ConcurrentFuture", Err: panicError(v)}
		if l := f.producer; l != nil && l.submit(&Handle{loop: l, fn: func() { l.CallExceptionHandler(ec) }}) {
			return
		}
		logException(ec)
	}()
	cb()
}

// Cancel cancels the future, and reports whether it is cancelled now: false if it has a
// result. Cancel also cancels the coroutine that makes the result, if there is one.
func (f *ConcurrentFuture[T]) Cancel(msg ...any) bool {
	if err := f.made("ConcurrentFuture.Cancel"); err != nil {
		panic(err)
	}
	var zero T
	if f.settle(cancelled, zero, cancelReason(msg)) != nil {
		return f.Cancelled()
	}
	if f.producer != nil {
		f.producer.act(f.source)
	}
	return true
}

// Cancelled reports whether the future was cancelled.
func (f *ConcurrentFuture[T]) Cancelled() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state == cancelled
}

// AddDoneCallback makes the goroutine that settles the future call cb; if the future is
// done already, AddDoneCallback itself calls cb. A panic of cb is reported to the
// exception handler of the loop that makes the result or, if no loop does, to log/slog.
func (f *ConcurrentFuture[T]) AddDoneCallback(cb func()) {
	if cb == nil {
		misuse("ConcurrentFuture.AddDoneCallback", "the callback is nil")
	}
	if err := f.made("ConcurrentFuture.AddDoneCallback"); err != nil {
		panic(err)
	}
	f.mu.Lock()
	if f.state == pending {
		f.callbacks = append(f.callbacks, cb)
		f.mu.Unlock()
		return
	}
	f.mu.Unlock()
	f.call(cb)
}

// RunCoroutineThreadsafe starts coro as a task of l, from any goroutine, and returns
// the future of its result. Cancelling the future cancels the task, and cancelling the
// task cancels the future. It never blocks.
//
// If the loop is closed, now or before the task is done, the future fails with
// [ErrLoopClosed]. A cancellation by the goroutine that runs l takes effect at once: if
// it comes before the first step of the task, coro is not called.
//
// The task has no values of the caller's context; with [WithContext] it gets them, but
// not the cancellation and deadline of that context. The other options are those of
// [CreateTask] too.
//
// (asyncio: run_coroutine_threadsafe)
func RunCoroutineThreadsafe[T any](l *Loop, coro Coro[T], opts ...TaskOption) *ConcurrentFuture[T] {
	switch {
	case l == nil:
		misuse("RunCoroutineThreadsafe", "the loop is nil")
	case coro == nil:
		misuse("RunCoroutineThreadsafe", "the coroutine is nil")
	case slices.ContainsFunc(opts, func(o TaskOption) bool { return o == nil }):
		misuse("RunCoroutineThreadsafe", "a TaskOption is nil")
	}
	if err := l.made("RunCoroutineThreadsafe"); err != nil {
		panic(err)
	}
	return runThreadsafe(l, coro, false, opts)
}

// runThreadsafe is like RunCoroutineThreadsafe, without checks. With late, a loop that
// is ending accepts the coroutine while it waits for the tasks that it has cancelled:
// they may need it to clean up.
func runThreadsafe[T any](l *Loop, coro Coro[T], late bool, opts []TaskOption) *ConcurrentFuture[T] {
	c := &threadsafeCall[T]{coro: coro, opts: opts, late: late, out: ConcurrentFuture[T]{producer: l, done: make(chan struct{})}}
	c.out.source = c
	// A loop that is ending refuses here already. If it refused later, inside the
	// loop, a steady stream of submissions could keep it from ending.
	if !l.accepts(late) || !l.submit(c) {
		c.abandon()
	}
	return &c.out
}

// accepts reports whether the loop accepts a coroutine of another goroutine.
func (l *Loop) accepts(late bool) bool { return !l.ending.Load() || late && !l.closing.Load() }

// threadsafeCall takes a coroutine into a loop and its outcome back out.
type threadsafeCall[T any] struct {
	out  ConcurrentFuture[T] // the producer of out is the loop
	coro Coro[T]
	opts []TaskOption
	late bool
	task *Task[T] // owned by the loop's token
}

// run implements runnable: it starts the task, cancels it, or delivers its outcome.
func (c *threadsafeCall[T]) run(f *future) {
	switch {
	case f != nil:
		c.deliver()
	case c.task != nil:
		reason, _ := asCancelled(c.out.err)
		c.task.cancel(reason)
	case !c.out.producer.accepts(c.late): // a task would be cancelled at once
		c.abandon()
	case !c.out.Cancelled():
		c.start()
	}
}

func (c *threadsafeCall[T]) start() {
	defer func() {
		if v := recover(); v != nil { // the task factory refused
			err := refusal(v)
			_ = c.out.SetException(err)
			c.out.producer.CallExceptionHandler(ExceptionContext{Message: "exception in RunCoroutineThreadsafe", Err: err})
		}
	}()
	c.task = CreateTask(c.out.producer.Context(), c.coro, c.opts...)
	c.opts = nil
	if c.out.Cancelled() { // by coro, which was started eagerly
		reason, _ := asCancelled(c.out.err)
		c.task.cancel(reason)
	}
	c.task.addCallback(c)
}

// refusal is the error of a task factory that has refused or panicked.
func refusal(v any) error {
	if err, ok := v.(error); ok {
		return err
	}
	return panicError(v)
}

func (c *threadsafeCall[T]) deliver() {
	t := c.task
	switch err := t.thrown(); {
	case t.state == cancelled:
		_ = c.out.settle(cancelled, t.value, err)
	case err != nil:
		_ = c.out.SetException(err)
	default:
		_ = c.out.SetResult(t.value)
	}
}

// abandon implements orphan.
func (c *threadsafeCall[T]) abandon() {
	if c.task != nil && c.task.state != pending {
		c.deliver()
		return
	}
	_ = c.out.SetException(ErrLoopClosed)
}

func init() {
	plug.Start = func(loop any, c plug.Coro) bool {
		l := loop.(*Loop)
		s := &startedCoro{loop: l, coro: c}
		if l.ending.Load() { // RunCoroutineThreadsafe refuses here too
			c.Never()
			return false
		}
		ok, asleep := l.postAsleep(readyEntry{s, nil})
		if !ok {
			c.Never()
		}
		return asleep
	}
	plug.Wake = func(loop any) { loop.(*Loop).wakeUp() }
	plug.Tell = func(loop any, fn func()) { loop.(*Loop).submit(toldCall(fn)) }
	plug.Labels = func() any { return goid.CurrentLabels() }
	plug.SetLabels = func(labels any) { goid.SetLabels(labels.(goid.Labels)) }
	plug.InBubble = goid.InBubble
}

// toldCall is a call of plug.Tell.
type toldCall func()

// run implements runnable.
func (fn toldCall) run(*future) { fn() }

// String names the function.
func (fn toldCall) String() string { return "call of " + funcName(fn) }

// startedCoro starts a coroutine of plug.Start in a loop. Until the task begins,
// startedCoro is one of its callbacks, which handles the case that the task never begins.
type startedCoro struct {
	loop    *Loop
	coro    plug.Coro
	task    Task[struct{}]
	created bool // task.create has returned
	begun   bool
}

// run implements runnable: it starts the task, or handles the end of a task whose body
// never ran.
func (s *startedCoro) run(f *future) {
	if f != nil || s.loop.ending.Load() {
		s.coro.Never()
		return
	}
	defer func() {
		if s.begun || s.created {
			return
		}
		s.coro.Never() // the task factory refused
		if v := recover(); v != nil {
			s.loop.CallExceptionHandler(ExceptionContext{Message: "exception in the task factory", Err: refusal(v)})
		}
	}()
	s.task.create(s.loop.Context(), s.loop, s.body, nil)
	s.created = true
	if !s.begun { // a task factory may start it eagerly
		s.task.addCallback(s)
	}
}

// body is the body of the task.
func (s *startedCoro) body(ctx context.Context) (struct{}, error) {
	s.begun = true
	if s.created {
		s.task.removeCallback(s)
	}
	s.coro.Run(ctx)
	return struct{}{}, nil
}

// abandon implements orphan.
func (s *startedCoro) abandon() { s.coro.Never() }

// WrapFuture returns a future of the loop of ctx that gets the outcome of cf.
// Cancelling it cancels cf, unless cf is done. If the loop itself settles cf, the
// returned future is done at once. WrapFuture never awaits. (asyncio: wrap_future)
func WrapFuture[T any](ctx context.Context, cf *ConcurrentFuture[T]) *Future[T] {
	l := loopOf(ctx, "WrapFuture")
	if cf == nil {
		misuse("WrapFuture", "the future is nil")
	}
	if err := cf.made("WrapFuture"); err != nil {
		panic(err)
	}
	l.mustBeOpen("WrapFuture")
	return wrapFuture(l, cf, &l.outsideWaits)
}

// wrapFuture is like WrapFuture, and counts the wait in counter.
func wrapFuture[T any](l *Loop, cf *ConcurrentFuture[T], counter *int) *Future[T] {
	b := &importedFuture[T]{newFuture[T](l), cf, counter}
	if cf.producer == l {
		b.waits = new(int) // the loop makes the result itself
	}
	*b.waits++
	b.in.addCallback(b)
	cf.AddDoneCallback(func() { l.act(b) })
	return b.in
}

// importedFuture takes the outcome of a ConcurrentFuture into a loop. It is the
// callback of both futures.
type importedFuture[T any] struct {
	in    *Future[T]
	cf    *ConcurrentFuture[T]
	waits *int
}

// run implements runnable.
func (b *importedFuture[T]) run(f *future) {
	if f != nil { // in is done: the user has settled it if cf is not done
		if f.state == cancelled {
			b.cf.Cancel()
		}
		return
	}
	*b.waits--
	if b.in.state != pending {
		return
	}
	b.in.value = b.cf.value
	b.in.settle(b.cf.state, b.cf.err)
}

// Executor runs functions in other goroutines. A loop's default executor is a
// [ThreadPoolExecutor]; a program may provide its own.
type Executor interface {
	// Submit calls job in another goroutine, once, now or later. It does not block,
	// and fails once the executor is shut down. Calling job twice, or after Submit
	// has failed, is misuse: job panics with an error that matches [ErrUsage].
	Submit(job func()) error
	// Shutdown makes later calls of Submit fail. If wait is set it returns when all
	// jobs are done. It may be called more than once:
	// [Loop.ShutdownDefaultExecutor] waits, [Loop.Close] does not.
	Shutdown(wait bool)
}

// DefaultMaxWorkers is how many jobs the default executor of a loop runs at the same
// time. A job in a system call holds a thread, and a Go program with 10 000 threads is
// ended by the runtime.
const DefaultMaxWorkers = 256

// ThreadPoolExecutor is an [Executor] that runs each job in its own goroutine, at most
// maxWorkers at a time; further jobs wait in a queue and begin in order. Jobs that were
// cancelled before they began are skipped. Any goroutine may call its methods.
// [NewThreadPoolExecutor] makes one.
//
// (Python: concurrent.futures.ThreadPoolExecutor)
type ThreadPoolExecutor struct {
	// The jobs beyond the limit are in a queue, not in goroutines that wait for a
	// semaphore: so they begin in order, and cancelled ones hold no goroutine.
	max  int
	jobs sync.WaitGroup

	mu      sync.Mutex
	running int
	queue   ring[func()]
	down    bool
}

// NewThreadPoolExecutor returns an executor with maxWorkers workers; 0 means
// [DefaultMaxWorkers]. It panics with [ErrUsage] if maxWorkers is negative.
func NewThreadPoolExecutor(maxWorkers int) *ThreadPoolExecutor {
	if maxWorkers < 0 {
		misuse("NewThreadPoolExecutor", "%d workers", maxWorkers)
	}
	if maxWorkers == 0 {
		maxWorkers = DefaultMaxWorkers
	}
	return &ThreadPoolExecutor{max: maxWorkers}
}

// Submit implements [Executor]. A panic of job is logged. After Shutdown the error
// matches [ErrUsage].
func (p *ThreadPoolExecutor) Submit(job func()) error {
	if job == nil {
		return usagef("ThreadPoolExecutor.Submit", "the job is nil")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return fmt.Errorf("aio: the executor is shut down: %w", ErrUsage)
	}
	p.jobs.Add(1)
	if p.running == p.max {
		p.queue.push(job)
		return nil
	}
	p.running++
	go p.work(job)
	return nil
}

// work runs a job in a goroutine of its own.
func (p *ThreadPoolExecutor) work(job func()) {
	defer p.next() // runs even if the job calls runtime.Goexit
	defer func() {
		if v := recover(); v != nil {
			logException(ExceptionContext{Message: "exception in a job of a ThreadPoolExecutor", Err: panicError(v)})
		}
	}()
	job()
}

func (p *ThreadPoolExecutor) next() {
	p.jobs.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queue.n > 0 {
		// otherwise the goroutine of the next job would inherit the labels of
		// this one
		goid.SetLabels(goid.Labels{})
		go p.work(p.queue.pop())
	} else {
		p.running--
	}
}

// Shutdown implements [Executor]. Jobs that have not begun yet still run.
func (p *ThreadPoolExecutor) Shutdown(wait bool) {
	p.mu.Lock()
	p.down = true
	p.mu.Unlock()
	if wait {
		p.jobs.Wait()
	}
}

// RunInExecutor calls fn in ex, or in the default executor of the loop of ctx if ex is
// nil, and returns a future of its result. A panic of fn becomes a [*PanicError]. If
// the executor is shut down the future fails.
//
// If the future is cancelled before the job begins, fn is not called; a job that has
// begun continues, and its result is dropped.
//
// RunInExecutor never awaits. It panics if ctx belongs to no loop, the caller does not
// hold the token or the loop is closed.
//
// (asyncio: loop.run_in_executor)
func RunInExecutor[T any](ctx context.Context, ex Executor, fn func() (T, error)) *Future[T] {
	l := loopOf(ctx, "RunInExecutor")
	l.mustBeOpen("RunInExecutor")
	if fn == nil {
		misuse("RunInExecutor", "the function is nil")
	}
	j := &job[T]{fn: fn, ctx: ctx, labels: goid.CurrentLabels()}
	f := &j.result
	f.loop = l
	f.sub = j
	f.created()
	if ex == nil {
		if l.executorDown {
			f.settle(failed, fmt.Errorf("aio: RunInExecutor: the default executor is shut down: %w", ErrUsage))
			return f
		}
		if l.executor == nil {
			l.executor = NewThreadPoolExecutor(DefaultMaxWorkers)
		}
		ex = l.executor
	}
	if _, ours := ex.(*ThreadPoolExecutor); !ours {
		j.ctx = nil // the goroutines of a user's executor run other jobs too
	}
	if _, j.inLoop = ex.(plug.Executor); !j.inLoop {
		l.pendingJobs++
	}
	accepted := false
	defer func() { // runs even if Submit panics
		// a job that has begun nevertheless is counted until it is done
		if !accepted && j.begin() && !j.inLoop {
			l.pendingJobs--
		}
	}()
	if err := ex.Submit(j.work); err != nil {
		f.settle(failed, err)
		return f
	}
	accepted = true
	if l.observed != nil {
		j.queued = l.now()
		l.observed.jobQueued()
	}
	return f
}

// workers records which goroutines run jobs of a loop. A goroutine is there twice if an
// executor calls a job inside another one.
type workers struct {
	mu    sync.Mutex
	slots []uintptr // the goroutine in each slot, 0 in a free slot
	free  []int
}

// enter records a goroutine, and returns its slot.
func (w *workers) enter(goroutine uintptr) (slot int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.free); n > 0 {
		slot = w.free[n-1]
		w.free = w.free[:n-1]
		w.slots[slot] = goroutine
		return slot
	}
	w.slots = append(w.slots, goroutine)
	return len(w.slots) - 1
}

func (w *workers) leave(slot int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slots[slot] = 0
	w.free = append(w.free, slot)
}

func (w *workers) has(goroutine uintptr) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.slots, goroutine)
}

// job is a function on its way through an executor.
type job[T any] struct {
	result    Future[T] // owned by the token of its loop
	cancelled atomic.Bool
	begun     atomic.Bool
	fn        func() (T, error)
	// the ctx of the call, for setLabels; nil for an executor of the user
	ctx    context.Context
	labels goid.Labels // the labels of the caller's goroutine, for setLabels
	inLoop bool        // a virtual clock does not wait for it
	value  T           // set by work, before it posts the job
	err    error
	queued time.Duration // the time of the call, if the loop was observed
}

// begin reports whether this call of it is the first one.
func (j *job[T]) begin() bool { return j.begun.CompareAndSwap(false, true) }

// work runs in a goroutine of the executor.
func (j *job[T]) work() {
	if !j.begin() {
		misuse("RunInExecutor", "the executor calls a job twice, or one that its Submit has refused")
	}
	defer j.result.loop.post(readyEntry{j, nil}, false)
	if j.cancelled.Load() {
		return
	}
	workers := &j.result.loop.workers
	defer workers.leave(workers.enter(goid.Current()))
	j.err = ErrGoexit
	defer func() {
		if v := recover(); v != nil {
			j.err = panicError(v)
		}
	}()
	fn := j.fn
	if j.ctx != nil {
		setLabels(j.ctx, j.labels)
	}
	j.fn, j.ctx = nil, nil // the result may be kept for a long time
	j.value, j.err = fn()
}

// cancelFuture implements subFuture.
func (j *job[T]) cancelFuture(reason *CancelledError) bool {
	j.cancelled.Store(true)
	j.result.settle(cancelled, reason)
	return true
}

// describe implements subFuture.
func (j *job[T]) describe() string { return "RunInExecutor" }

// inGoroutine reports whether the job takes real time, which a virtual clock waits for.
func (j *job[T]) inGoroutine() bool { return !j.inLoop }

// run implements runnable: the job is done.
func (j *job[T]) run(*future) {
	l := j.result.loop
	if !j.inLoop {
		l.pendingJobs--
	}
	if l.observed != nil {
		l.observed.jobEnded(j.queued, j.err)
	}
	switch {
	case j.result.state != pending:
	case j.err != nil:
		j.result.settle(failed, j.err)
	default:
		j.result.value = j.value
		j.result.settle(finished, nil)
	}
}

// source implements sourced.
func (j *job[T]) source() any { return j }

// ToThread calls fn in another goroutine, of the default executor of the loop, and
// suspends the calling task until fn returns. A panic of fn becomes a [*PanicError]. fn
// gets a context with the values of ctx, which ends when the task is cancelled: pass it
// on to whatever fn calls. A task that cleans up after its cancellation passes
// context.WithoutCancel(ctx).
//
// If the task is cancelled, ToThread returns the [*CancelledError] at once, never an
// error that fn derives from it. fn continues until it returns, unless it watches its
// context, so the task must not use fn's arguments again. If fn has not begun, it is
// not called.
//
// An error of fn and an error of the await are returned alike. If fn may fail and the
// task must continue then, make that error part of fn's value; otherwise a cancellation
// is easily mistaken for it. [Future.Await] lists the errors of an await.
//
// Cost: about 1 µs more than a goroutine and a channel; at most [DefaultMaxWorkers]
// calls run at the same time.
//
// (asyncio: to_thread)
func ToThread[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	c, err := enter(ctx, "ToThread")
	if err == nil && fn == nil {
		err = usagef("ToThread", "the function is nil")
	}
	if err != nil {
		var zero T
		return zero, err
	}
	if c.fut.loop.debug.Load() {
		c.checkInnermost(ctx, "ToThread")
	}
	return RunInExecutor(ctx, nil, func() (T, error) { return fn(ctx) }).Await(ctx)
}

// SetDefaultExecutor makes ex the executor of [ToThread], and of [RunInExecutor]
// without an executor. The loop shuts it down when it is closed. (asyncio:
// loop.set_default_executor)
func (l *Loop) SetDefaultExecutor(ex Executor) {
	l.check("Loop.SetDefaultExecutor")
	if ex == nil {
		misuse("Loop.SetDefaultExecutor", "the executor is nil")
	}
	l.executor = ex
}

// ShutdownDefaultExecutor makes the default executor refuse further jobs, and suspends
// the calling task until its jobs are done or the timeout has expired, which it logs.
// With [NoTimeout] it waits without a limit. If the executor's Shutdown panics or calls
// [runtime.Goexit], ShutdownDefaultExecutor returns that as its error.
//
// (asyncio: loop.shutdown_default_executor)
func (l *Loop) ShutdownDefaultExecutor(ctx context.Context, timeout time.Duration) error {
	c, err := enter(ctx, "Loop.ShutdownDefaultExecutor")
	if err != nil {
		return err
	}
	if c.fut.loop != l {
		return &callError{"Loop.ShutdownDefaultExecutor", ErrOtherLoop}
	}
	l.executorDown = true
	if l.executor == nil {
		return nil
	}
	down := NewConcurrentFuture[struct{}]()
	go func(ex Executor) {
		err := ErrGoexit
		defer func() {
			if v := recover(); v != nil {
				err = panicError(v)
			}
			if err != nil {
				_ = down.SetException(err)
			} else {
				_ = down.SetResult(struct{}{})
			}
		}()
		ex.Shutdown(true)
		err = nil
	}(l.executor)
	_, err = WaitFor(ctx, wrapFuture(l, down, &l.pendingJobs), timeout)
	if err == ErrTimeout {
		slog.Warn("aio: the default executor did not finish in time", "timeout", timeout)
		return nil
	}
	return err
}
