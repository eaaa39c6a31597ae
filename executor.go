package aio

// The bridge between a loop and other goroutines: jobs that leave the loop, coroutines
// that are sent to it, and the future that any goroutine may wait for.

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goaio/aio/internal/goid"

	"github.com/goaio/aio/internal/plug"
)

// ConcurrentFuture is a result that comes from, or goes to, another goroutine: the
// counterpart of Future that any goroutine may use at any time. Make one with
// NewConcurrentFuture, or get one from RunCoroutineThreadsafe. (Python:
// concurrent.futures.Future)
type ConcurrentFuture[T any] struct {
	// whose task brings the result, nil if none does; immutable
	producer *Loop
	source   runnable      // of the producer, run after a cancellation; immutable
	done     chan struct{} // closed when the fields below have their final values

	mu        sync.Mutex
	state     futureState
	value     T
	err       error
	callbacks []func()
}

// NewConcurrentFuture returns a pending future, for a goroutine to SetResult.
func NewConcurrentFuture[T any]() *ConcurrentFuture[T] {
	return &ConcurrentFuture[T]{done: make(chan struct{})}
}

// Done returns a channel that is closed when the future has its result, for use in a
// select.
func (f *ConcurrentFuture[T]) Done() <-chan struct{} { return f.done }

// Result blocks the goroutine until the future is done or ctx ends, and returns the
// value, the error, a *CancelledError if the future was cancelled, or context.Cause(ctx);
// in the last case the future goes on. A task that called it would block its loop: where
// that loop is the one that must bring the result, Result fails at once with
// ErrWrongGoroutine. Tasks await WrapFuture instead.
func (f *ConcurrentFuture[T]) Result(ctx context.Context) (T, error) {
	var zero T
	select {
	case <-f.done:
		return f.value, f.err
	default:
	}
	if f.producer != nil && f.producer.holdsToken() {
		return zero, fmt.Errorf("aio: ConcurrentFuture.Result would block the loop that has to bring the result: await WrapFuture: %w", ErrWrongGoroutine)
	}
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	}
}

// SetResult makes v the result. If the future is done already, nothing changes and the
// error matches ErrInvalidState.
func (f *ConcurrentFuture[T]) SetResult(v T) error { return f.settle(finished, v, nil) }

// SetException makes the future fail with err, which must not be nil. If the future is
// done already, nothing changes and the error matches ErrInvalidState.
func (f *ConcurrentFuture[T]) SetException(err error) error {
	if err == nil {
		return usagef("ConcurrentFuture.SetException", "the error is nil: use SetResult")
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

// callAll calls done callbacks, also if one of them calls runtime.Goexit.
func (f *ConcurrentFuture[T]) callAll(callbacks []func()) {
	if len(callbacks) > 0 {
		defer f.callAll(callbacks[1:])
		f.call(callbacks[0])
	}
}

// call calls a done callback, whose panic must not end the one who settles the future.
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

// Cancel gives the future up and reports whether it is cancelled now: false if it has a
// result. A coroutine that was to bring it is cancelled.
func (f *ConcurrentFuture[T]) Cancel(msg ...any) bool {
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

// AddDoneCallback has cb called by the goroutine that settles the future or, if it is
// done already, by this one. Its panic is reported to the exception handler of the loop
// that brings the result or, if no loop does, to log/slog.
func (f *ConcurrentFuture[T]) AddDoneCallback(cb func()) {
	if cb == nil {
		misuse("ConcurrentFuture.AddDoneCallback", "the callback is nil")
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

// RunCoroutineThreadsafe starts coro as a task of l, from any goroutine, and returns the
// future of its result. Cancelling the future cancels the task; a task that is cancelled
// cancels the future. If the loop is closed, now or before the task is done, the future
// fails with ErrLoopClosed. A cancellation by the goroutine that runs l takes effect at
// once: if it comes before the first step of the task, coro is not called. (asyncio:
// run_coroutine_threadsafe)
func RunCoroutineThreadsafe[T any](l *Loop, coro Coro[T]) *ConcurrentFuture[T] {
	switch {
	case l == nil:
		misuse("RunCoroutineThreadsafe", "the loop is nil")
	case coro == nil:
		misuse("RunCoroutineThreadsafe", "the coroutine is nil")
	}
	c := &threadsafeCall[T]{coro: coro, out: ConcurrentFuture[T]{producer: l, done: make(chan struct{})}}
	c.out.source = c
	// A loop that is ending refuses here already: refusing in the loop would take it
	// as long as those who hand in need, and it might never end.
	if l.ending.Load() || !l.submit(c) {
		c.abandon()
	}
	return &c.out
}

// threadsafeCall takes a coroutine into a loop and its outcome out again.
type threadsafeCall[T any] struct {
	out  ConcurrentFuture[T] // its producer is the loop
	coro Coro[T]
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
	case c.out.producer.ending.Load(): // a task would be cancelled at once
		c.abandon()
	case !c.out.Cancelled():
		c.start()
	}
}

func (c *threadsafeCall[T]) start() {
	defer func() {
		if v := recover(); v != nil { // the task factory refused
			err, ok := v.(error)
			if !ok {
				err = panicError(v)
			}
			_ = c.out.SetException(err)
			c.out.producer.CallExceptionHandler(ExceptionContext{Message: "exception in RunCoroutineThreadsafe", Err: err})
		}
	}()
	c.task = CreateTask(c.out.producer.Context(), c.coro)
	c.task.addCallback(c)
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

// WrapFuture returns a future of the loop of ctx that has the outcome of cf. Cancelling
// it cancels cf, unless that is done. If the loop itself settles cf, the future is done
// at once. It never awaits. (asyncio: wrap_future)
func WrapFuture[T any](ctx context.Context, cf *ConcurrentFuture[T]) *Future[T] {
	l := loopOf(ctx, "WrapFuture")
	if cf == nil {
		misuse("WrapFuture", "the future is nil")
	}
	l.mustBeOpen("WrapFuture")
	return wrapFuture(l, cf, &l.outsideWaits)
}

// wrapFuture is WrapFuture with the counter of the loop that is to know of the wait.
func wrapFuture[T any](l *Loop, cf *ConcurrentFuture[T], counter *int) *Future[T] {
	b := &importedFuture[T]{newFuture[T](l), cf, counter}
	if cf.producer == l {
		b.waits = new(int) // the loop knows what it waits for
	}
	*b.waits++
	b.in.addCallback(b)
	cf.AddDoneCallback(func() { l.act(b) })
	return b.in
}

// importedFuture takes the outcome of a ConcurrentFuture into a loop, as the callback of
// both.
type importedFuture[T any] struct {
	in    *Future[T]
	cf    *ConcurrentFuture[T]
	waits *int
}

// run implements runnable.
func (b *importedFuture[T]) run(f *future) {
	if f != nil { // in is done: by its user if cf is not
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

// Executor runs functions in other goroutines. A ThreadPoolExecutor is the one that loops
// use by default; a program may bring its own.
type Executor interface {
	// Submit has job called in another goroutine, now or later. It does not block,
	// and fails once the executor is shut down.
	Submit(job func()) error
	// Shutdown has Submit fail from now on. If wait is set it returns when all jobs
	// are done. It is called more than once: ShutdownDefaultExecutor waits, Close of
	// the loop does not.
	Shutdown(wait bool)
}

// DefaultMaxWorkers is how many jobs the default executor of a loop runs at the same
// time. A job in a system call holds a thread, and the Go runtime gives up at 10 000 of
// them.
const DefaultMaxWorkers = 256

// ThreadPoolExecutor is an Executor that runs each job in a goroutine of its own, so many
// of them at the same time; the others wait, and begin in the order in which they came.
// Jobs that RunInExecutor has cancelled before they began are passed over. Any goroutine
// may call its methods. Make one with NewThreadPoolExecutor. (Python:
// concurrent.futures.ThreadPoolExecutor)
type ThreadPoolExecutor struct {
	// The jobs beyond the limit are in a queue, rather than in goroutines that wait
	// for a semaphore: they begin in order, and those that were cancelled meanwhile
	// hold no goroutine.
	max  int
	jobs sync.WaitGroup

	mu      sync.Mutex
	running int
	queue   ring[func()]
	down    bool
}

// NewThreadPoolExecutor returns an executor with maxWorkers workers; 0 is
// DefaultMaxWorkers. It panics with ErrUsage if that is negative.
func NewThreadPoolExecutor(maxWorkers int) *ThreadPoolExecutor {
	if maxWorkers < 0 {
		misuse("NewThreadPoolExecutor", "%d workers", maxWorkers)
	}
	if maxWorkers == 0 {
		maxWorkers = DefaultMaxWorkers
	}
	return &ThreadPoolExecutor{max: maxWorkers}
}

// Submit implements Executor. A panic of job is logged. After Shutdown the error matches
// ErrUsage.
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
	defer p.next() // also if the job calls runtime.Goexit
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
		// the goroutine of the next job would inherit those of this one
		goid.SetLabels(goid.Labels{})
		go p.work(p.queue.pop())
	} else {
		p.running--
	}
}

// Shutdown implements Executor. Jobs that have not begun still are run.
func (p *ThreadPoolExecutor) Shutdown(wait bool) {
	p.mu.Lock()
	p.down = true
	p.mu.Unlock()
	if wait {
		p.jobs.Wait()
	}
}

// RunInExecutor has fn called by ex, or by the default executor of the loop of ctx if ex
// is nil, and returns a future of its result. If the future is cancelled before the job
// begins, fn is not called; a job that has begun goes on, and its result is dropped. A
// panic of fn becomes a *PanicError. If the executor is shut down the future fails.
// RunInExecutor never awaits; it panics if ctx belongs to no loop, the caller does not
// hold the token or the loop is closed. (asyncio: loop.run_in_executor)
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
		j.ctx = nil // its goroutines serve other jobs too
	}
	if err := ex.Submit(j.work); err != nil {
		f.settle(failed, err)
		return f
	}
	if _, j.inLoop = ex.(plug.Executor); !j.inLoop {
		l.pendingJobs++
	}
	if l.observed != nil {
		j.queued = l.now()
		l.observed.jobQueued()
	}
	return f
}

// workers knows which goroutines run jobs of a loop.
type workers struct {
	mu sync.Mutex
	m  map[uintptr]int // jobs, one inside another if an executor runs them at once
}

func (w *workers) enter(goroutine uintptr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.m == nil {
		w.m = map[uintptr]int{}
	}
	w.m[goroutine]++
}

func (w *workers) leave(goroutine uintptr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.m[goroutine]--; w.m[goroutine] == 0 {
		delete(w.m, goroutine)
	}
}

func (w *workers) has(goroutine uintptr) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.m[goroutine] > 0
}

// job is a function on its way through an executor.
type job[T any] struct {
	result    Future[T] // owned by the token of its loop
	cancelled atomic.Bool
	fn        func() (T, error)
	// of the call, for setLabels; nil in an executor of the user's
	ctx    context.Context
	labels goid.Labels // of the caller's goroutine, for setLabels
	inLoop bool        // it is no work that a virtual clock waits for
	value  T           // set by work, before it posts the job
	err    error
	queued time.Duration // when, if the loop was observed
}

// work runs in a goroutine of the executor.
func (j *job[T]) work() {
	defer j.result.loop.post(readyEntry{j, nil}, false)
	if j.cancelled.Load() {
		return
	}
	workers := &j.result.loop.workers
	me := goid.Current()
	workers.enter(me)
	defer workers.leave(me)
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
	j.fn, j.ctx = nil, nil // the result may be kept for long
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

// run implements runnable: the job is over.
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

// ToThread calls fn in another goroutine, by the default executor of the loop, and
// suspends the calling task until it returns. fn gets ctx, whose values it sees, and
// which ends when the task is cancelled: pass it on to what fn calls. A task that cleans
// up after it was cancelled calls ToThread with context.WithoutCancel(ctx). A panic of fn
// becomes a *PanicError.
//
// If the task is cancelled meanwhile, ToThread returns the *CancelledError at once, never
// what fn makes of the end of ctx. fn goes on to its end unless it watches ctx, so what
// it was handed must not be used again; if it has not begun, it never does. An error of
// fn and one of the await come out alike: where fn may fail and the task is to go on,
// make that error part of fn's value, or a cancellation is easily taken for it. See
// Future.Await for the errors of an await. (asyncio: to_thread)
func ToThread[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	_, err := enter(ctx, "ToThread")
	if err == nil && fn == nil {
		err = usagef("ToThread", "the function is nil")
	}
	if err != nil {
		var zero T
		return zero, err
	}
	return RunInExecutor(ctx, nil, func() (T, error) { return fn(ctx) }).Await(ctx)
}

// SetDefaultExecutor has ToThread, and RunInExecutor without an executor, use ex. The
// loop shuts it down when it is closed. (asyncio: loop.set_default_executor)
func (l *Loop) SetDefaultExecutor(ex Executor) {
	l.check("Loop.SetDefaultExecutor")
	if ex == nil {
		misuse("Loop.SetDefaultExecutor", "the executor is nil")
	}
	l.executor = ex
}

// ShutdownDefaultExecutor has the default executor take no more jobs, and suspends the
// calling task until those that it has are done or the timeout has passed, which it logs.
// NoTimeout waits as long as it takes. If Shutdown of the executor panics or calls
// runtime.Goexit, that is the error. (asyncio: loop.shutdown_default_executor)
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
