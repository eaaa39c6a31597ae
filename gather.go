package aio

// Functions that wait for several futures at once. They start no goroutine and no task
// of their own: a combinator is one runnable that all of its children have as a
// callback, and that counts them.

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
	"weak"
)

// Result is the outcome of one of several awaitables.
type Result[T any] struct {
	// Value is the result, if Err is nil.
	Value T
	Err   error
}

// Gather starts those of the awaitables that are not futures yet as tasks, in order,
// and returns a future of all their results, in the order of the arguments. It never
// awaits. A future that is given more than once fills each of its places.
//
// The returned future fails with the first error, in time, of any of them; the others
// continue, and their outcomes are not reported. A cancelled one counts as failed with
// a [*CancelledError].
//
// Cancelling the returned future cancels all the awaitables that are not done, and
// returns false if all are done. The future then fails with the CancelledError of the
// first of them that ends as cancelled, and its Cancelled method returns false.
//
// Gather panics as [CreateTask] does, and with [ErrOtherLoop] if the futures belong to
// several loops.
//
// Cost: one task for each awaitable that is not a future, and one callback each; about
// half the time of a goroutine each with a WaitGroup.
//
// (asyncio: gather)
func Gather[T any](ctx context.Context, aws ...Awaitable[T]) *Future[[]T] {
	return gather(ctx, aws, false, func(f FutureLike[T]) T {
		v, _ := f.Result()
		return v
	})
}

// GatherResults is [Gather], but collects errors as well: its future succeeds when all
// are done, each with its value or its error, unless it was cancelled itself. (asyncio:
// gather with return_exceptions=True)
func GatherResults[T any](ctx context.Context, aws ...Awaitable[T]) *Future[[]Result[T]] {
	return gather(ctx, aws, true, func(f FutureLike[T]) (r Result[T]) {
		if c := f.core(); c.state == cancelled {
			r.Err = c.cancelledResult()
		} else {
			r.Value, r.Err = f.Result()
		}
		return r
	})
}

// GatherSlice is [Gather] for a slice whose elements are of one type, such as []*Task[T]:
// the slice need not be converted.
func GatherSlice[A Awaitable[T], T any](ctx context.Context, aws []A) *Future[[]T] {
	return Gather(ctx, awaitables[T](aws)...)
}

// GatherSliceResults is [GatherResults] for a slice, as [GatherSlice] is Gather.
func GatherSliceResults[A Awaitable[T], T any](ctx context.Context, aws []A) *Future[[]Result[T]] {
	return GatherResults(ctx, awaitables[T](aws)...)
}

func awaitables[T any, A Awaitable[T]](aws []A) []Awaitable[T] {
	all := make([]Awaitable[T], len(aws))
	for i, aw := range aws {
		all[i] = aw
	}
	return all
}

// Untyped returns aw with a result of type any, for a [Gather] of awaitables with
// results of different types:
//
//	both := aio.Gather(ctx, aio.Untyped(user), aio.Untyped(orders))
//	results, err := both.Await(ctx)
//
// A [Future] or [Task] stays one, so it is not wrapped in another task.
func Untyped[T any](aw Awaitable[T]) Awaitable[any] {
	switch aw := aw.(type) {
	case nil:
		misuse("Untyped", "the awaitable is nil")
	case Coro[T]:
		if aw == nil {
			misuse("Untyped", "the coroutine is nil")
		}
	case FutureLike[T]:
		mustCore("Untyped", aw)
		return untyped[T]{aw, aw}
	}
	return Coro[any](func(ctx context.Context) (any, error) { return aw.Await(ctx) })
}

// untyped is a future whose result was converted to type any.
type untyped[T any] struct {
	AnyFuture
	of FutureLike[T]
}

// Await implements Awaitable.
func (u untyped[T]) Await(ctx context.Context) (any, error) { return u.of.Await(ctx) }

// Result implements FutureLike.
func (u untyped[T]) Result() (any, error) { return u.of.Result() }

func gather[T, R any](ctx context.Context, aws []Awaitable[T], collectErrors bool, result func(FutureLike[T]) R) *Future[[]R] {
	l := loopOf(ctx, "Gather")
	if len(aws) == 0 {
		f := newFuture[[]R](l)
		f.value = []R{}
		f.settle(finished, nil)
		return f
	}
	places := make([]FutureLike[T], len(aws))
	outer := newFuture[[]R](l)
	g := &gathering{outer: &outer.future, children: make([]*future, 0, len(aws)), collectErrors: collectErrors}
	complete := false
	defer func() {
		if !complete {
			// A call has panicked, and the children that were made before
			// already have the callback.
			g.outer.settle(cancelled, errCancelled)
		}
	}()
	start := gatherStart{gathering: g, loop: l}
	for i, aw := range aws {
		f, isFuture := startChild(ctx, i, aw)
		places[i] = f
		start.add(f.core(), isFuture)
	}
	g.deliver = func() {
		outer.value = make([]R, len(places))
		for i, f := range places {
			outer.value[i] = result(f)
		}
	}
	for _, c := range g.children {
		if c.loop != start.loop {
			panic(usagef("Gather", "the futures belong to different event loops").as(ErrOtherLoop))
		}
	}
	complete = true
	outer.loop, outer.sub = start.loop, g
	for _, c := range start.done {
		g.run(c)
	}
	return outer
}

// startChild returns the future of the i-th argument of Gather, which it starts as a
// task if it is not a future.
func startChild[T any](ctx context.Context, i int, aw Awaitable[T]) (f FutureLike[T], isFuture bool) {
	if aw == nil {
		misuse("Gather", "awaitable %d is nil", i)
	}
	if coro, ok := aw.(Coro[T]); ok {
		// the usual case: asking for other types first costs time
		f = CreateTask(ctx, coro)
	} else {
		_, isFuture = aw.(FutureLike[T])
		f = EnsureFuture(ctx, aw)
	}
	if !isFuture {
		// nothing else can wait for it
		f.core().sub.(*task).noPendingReport = true
	}
	return f, isFuture
}

// gatherStart collects the children of a gathering.
type gatherStart struct {
	*gathering
	// the loop of the first future among the arguments; if there is none, the loop
	// of the caller
	loop  *Loop
	given map[*future]bool // futures among the arguments: only they may occur twice
	done  []*future        // the children that were done already
}

// add adds a child, which counts once.
func (s *gatherStart) add(c *future, isFuture bool) {
	s.children = append(s.children, c)
	if isFuture {
		if s.given[c] {
			return
		}
		if s.given == nil {
			s.given = map[*future]bool{}
			s.loop = c.loop
		}
		s.given[c] = true
	}
	s.left++
	if c.state == pending {
		c.addCallback(s.gathering)
	} else {
		s.done = append(s.done, c)
	}
}

// gathering is the state of the future of Gather.
type gathering struct {
	outer           *future
	children        []*future // in the order of the arguments
	left            int       // children that are not done, each counted once
	deliver         func()    // deliver sets the value of outer
	collectErrors   bool
	cancelRequested bool
}

// run implements runnable: the child f is done.
func (g *gathering) run(f *future) {
	g.left--
	if g.outer.state != pending {
		if f.state == failed {
			f.retrieved()
		}
		return
	}
	if !g.collectErrors && f.state != finished {
		g.outer.settle(failed, f.thrown())
		g.letGo()
		return
	}
	if g.left > 0 {
		return
	}
	if g.cancelRequested {
		// The error of the last child in the list, even if another child ended
		// last. asyncio does the same: its loop variable still refers to that
		// child.
		g.outer.settle(failed, g.children[len(g.children)-1].cancelledError())
		return
	}
	g.deliver()
	g.outer.settle(finished, nil)
}

// String names the entry.
func (g *gathering) String() string { return "Gather" }

// letGo removes the gathering from the children that are not done, which may live for
// long. Their errors still count as retrieved.
func (g *gathering) letGo() {
	for _, c := range g.children {
		if c.state == pending && c.removeCallback(g) {
			c.removeCallback(takeError{}) // left by an earlier gathering
			c.addCallback(takeError{})
		}
	}
}

// takeError retrieves the error of a child of a Gather that has failed already.
type takeError struct{}

func (takeError) run(f *future) {
	if f.state == failed {
		f.retrieved()
	}
}

// cancelledError returns the CancelledError with which f ended. If f ended in another
// way, it returns the reason of the cancellation that was requested.
func (f *future) cancelledError() error {
	if f.state == cancelled {
		return f.thrown()
	}
	if t, ok := f.sub.(*task); ok && t.reason != nil {
		return t.reason
	}
	return errCancelled
}

// cancelFuture implements subFuture.
func (g *gathering) cancelFuture(reason *CancelledError) bool {
	ok := false
	for _, f := range g.children {
		if f.cancel(reason) {
			ok = true
		}
	}
	if ok {
		g.cancelRequested = true
	}
	return ok
}

// describe implements subFuture.
func (g *gathering) describe() string { return "Gather" }

// awaited lists the futures that the future waits for.
func (g *gathering) awaited() []*future { return g.children }

// Shield returns a future with the outcome of aw that can be cancelled without
// cancelling aw. A [Coro] is started as a task. A future that is done is returned as it
// is. Shield never awaits, and panics as [CreateTask] does.
//
// If aw itself is cancelled, so is the returned future. If aw fails after the returned
// future was cancelled, the error goes to the exception handler.
//
// (asyncio: shield)
func Shield[T any](ctx context.Context, aw Awaitable[T]) *Future[T] {
	loopOf(ctx, "Shield")
	inner := EnsureFuture(ctx, aw)
	c := inner.core()
	switch f := inner.(type) {
	case *Future[T]:
		if c.state != pending {
			return f
		}
	case *Task[T]:
		if c.state != pending {
			return &f.Future
		}
	}
	s := &shielding[T]{inner, newFuture[T](c.loop)}
	if c.state != pending {
		s.run(c)
		return s.outer
	}
	c.addCallback(s)
	s.outer.addCallback(s)
	return s.outer
}

// shielding connects the two futures of a Shield, as a callback of both.
type shielding[T any] struct {
	inner FutureLike[T]
	outer *Future[T]
}

// run implements runnable.
func (s *shielding[T]) run(f *future) {
	inner, outer := s.inner.core(), &s.outer.future
	switch {
	case f == outer:
		if inner.state == pending {
			inner.removeCallback(s)
			// left by an earlier shield
			inner.removeCallback(reportShielded{})
			inner.addCallback(reportShielded{})
		}
	case outer.state == cancelled, outer.state != pending && inner.state == cancelled:
	case outer.state != pending: // the user has cancelled it
		outer.loop.CallExceptionHandler(ExceptionContext{
			Message: "exception in callback of Shield",
			Err:     fmt.Errorf("%w: the future of Shield was given a result before the shielded future", ErrInvalidState),
		})
	case inner.state == cancelled:
		outer.settle(cancelled, withoutMessage(inner.err))
	case inner.state == failed:
		outer.settle(failed, inner.thrown())
	default:
		s.outer.value, _ = s.inner.Result()
		outer.settle(finished, nil)
	}
}

// String names the entry.
func (s *shielding[T]) String() string { return "Shield" }

// reportShielded reports the error of a future whose shield was cancelled.
type reportShielded struct{}

func (reportShielded) run(f *future) {
	if f.state == failed && !f.errRetrieved {
		f.retrieved()
		f.loop.CallExceptionHandler(ExceptionContext{Message: "error in shielded future", Err: f.err})
	}
}

// ReturnWhen is the condition that ends a [Wait].
type ReturnWhen int

const (
	// AllCompleted waits until all futures are done.
	AllCompleted ReturnWhen = iota
	// FirstCompleted waits until one future is done.
	FirstCompleted
	// FirstException waits until one future has failed (one that was cancelled has
	// not), or all are done.
	FirstException
)

// Wait suspends the calling task until the condition when holds for the futures, or the
// timeout has expired. It returns the futures that are done when the task continues and
// those that are not, both in the order of fs; a future that occurs twice counts once.
// It neither cancels anything nor returns the futures' errors. [NoTimeout] waits
// without a limit; with a timeout that is zero or negative it still suspends once.
//
// The error is a [*CancelledError] if the task was cancelled, which does not affect the
// futures, or one of those of [Future.Await]. An empty list, a nil future and an
// unknown value of when are misuse.
//
// (asyncio: wait)
func Wait[F AnyFuture](ctx context.Context, fs []F, timeout time.Duration, when ReturnWhen) (done, notDone []F, err error) {
	e, err := enter(ctx, "Wait")
	switch {
	case err != nil:
		return nil, nil, err
	case len(fs) == 0:
		return nil, nil, usagef("Wait", "there are no futures to wait for")
	case when < AllCompleted || when > FirstException:
		return nil, nil, usagef("Wait", "invalid ReturnWhen %d", when)
	}
	cores, err := unique("Wait", fs)
	if err != nil {
		return nil, nil, err
	}
	if err := e.waitFor(cores, timeout, when); err != nil {
		return nil, nil, err
	}
	seen := make(map[*future]bool, len(cores))
	for _, f := range fs {
		c := f.core()
		switch {
		case seen[c]:
		case c.state == pending:
			notDone = append(notDone, f)
		default:
			done = append(done, f)
		}
		seen[c] = true
	}
	return done, notDone, nil
}

// unique returns the untyped futures of fs, each once.
func unique[F AnyFuture](call string, fs []F) ([]*future, error) {
	seen := make(map[*future]bool, len(fs))
	all := make([]*future, 0, len(fs))
	for _, f := range fs {
		c, err := coreOf(call, f)
		if err == nil {
			err = c.loop.checked(call)
		}
		if err != nil {
			return nil, err
		}
		if !seen[c] {
			seen[c] = true
			all = append(all, c)
		}
	}
	return all, nil
}

// waitFor is like Wait, without types.
func (e caller) waitFor(fs []*future, timeout time.Duration, when ReturnWhen) error {
	l := e.fut.loop
	w := l.newWaiter("Wait")
	c := &countdown{left: len(fs), when: when, w: w}
	if timeout != NoTimeout {
		w.timer = l.wakeAt(l.after(timeout), w)
	}
	for _, f := range fs {
		f.addCallback(c)
	}
	err := e.await(&w.future)
	for _, f := range fs {
		f.removeCallback(c)
	}
	c.w = nil // callbacks that are scheduled already must not find it
	l.freeWaiter(w)
	return err
}

// countdown is the done callback of all futures of a Wait.
type countdown struct {
	left int
	when ReturnWhen
	w    *waiter // nil once the wait is done
}

func (c *countdown) run(f *future) {
	c.left--
	if c.w == nil {
		return
	}
	hit := c.left <= 0 || c.when == FirstCompleted
	if !hit && c.when == FirstException && f.state == failed {
		f.retrieved()
		hit = true
	}
	if hit {
		c.w.stopTimer()
		c.w.wake()
	}
}

// String names the entry.
func (c *countdown) String() string { return "Wait" }

// WaitFor awaits aw, but no longer than the timeout: then it cancels aw, waits until it
// is done and returns [ErrTimeout]. A [Coro] runs inline, as part of the calling task.
// If aw answers the cancellation with a value or an error of its own, WaitFor returns
// that. With [NoTimeout] it is aw.Await; with a timeout that is zero or negative, a
// Coro is started as a task, and aw must be done already. [Timeout] serves for more
// than one await.
//
// If the calling task is cancelled, so is aw.
//
// (asyncio: wait_for)
func WaitFor[T any](ctx context.Context, aw Awaitable[T], timeout time.Duration) (v T, err error) {
	if aw == nil {
		return v, usagef("WaitFor", "the awaitable is nil")
	}
	if f, ok := aw.(AnyFuture); ok {
		if _, err := coreOf("WaitFor", f); err != nil {
			return v, err
		}
	}
	if coro, ok := aw.(Coro[T]); ok && coro == nil {
		return v, usagef("WaitFor", "the coroutine is nil")
	}
	if timeout > 0 {
		err = Timeout(ctx, timeout, func(ctx context.Context) (err error) {
			v, err = aw.Await(ctx)
			return err
		})
		if err != nil {
			var zero T
			return zero, err
		}
		return v, nil
	}
	c, err := enter(ctx, "WaitFor")
	if err != nil {
		return v, err
	}
	f := EnsureFuture(ctx, aw)
	if f.core().state != pending {
		return f.Result()
	}
	if err := c.cancelAndWait(f.core()); err != nil {
		return v, err
	}
	v, err = f.Result()
	if _, ok := asCancelled(err); ok {
		err = ErrTimeout
	}
	return v, err
}

// CancelAndWait cancels the futures that are not done, and suspends the calling task
// until all are done. It is for tasks that must not outlive their owner, and may be
// deferred: whatever happens, they have ended when it returns. It does not retrieve
// their errors, so an error that is never retrieved is reported.
//
// If the calling task is cancelled meanwhile, CancelAndWait continues to wait, and the
// next await that suspends delivers the cancellation. So this cancellation cannot be
// mistaken for that of the futures. A future that ignores its cancellation is waited
// for as long as it takes; a context derived by the caller, or a [CancelScope], does
// not end the wait either.
//
// The error is one of those of [Future.Await] that say that there is no task, or
// misuse: a nil future, one of another loop, the calling task itself. A future that
// can't be cancelled, because it waits for the calling task, is not waited for, and the
// error matches [ErrAwaitCycle]. Without futures it returns nil.
//
// (asyncio: task.cancel and then gather with return_exceptions=True)
func CancelAndWait[F AnyFuture](ctx context.Context, fs ...F) error {
	c, err := enter(ctx, callCancelAndWait)
	if err != nil {
		return err
	}
	cores, err := unique(callCancelAndWait, fs)
	if err != nil {
		return err
	}
	for _, f := range cores {
		if f == c.fut {
			return usagef(callCancelAndWait, "a task can't wait for itself").as(ErrAwaitSelf)
		}
		if f.loop != c.fut.loop {
			return &callError{callCancelAndWait, ErrOtherLoop}
		}
	}
	var left []*future
	var cycles error
	for _, f := range cores {
		if f.state != pending {
			continue
		}
		if _, err := f.tryCancel(errCancelled); err != nil {
			cycles = errors.Join(cycles, err)
			continue
		}
		left = append(left, f)
	}
	if len(left) == 0 {
		return cycles
	}
	err = Shielded(ctx, func(ctx context.Context) error {
		c, err := enter(ctx, callCancelAndWait)
		if err != nil {
			return err
		}
		return c.waitFor(left, NoTimeout, AllCompleted)
	})
	return errors.Join(err, cycles)
}

// cancelAndWait cancels f and waits until it is done. It does not await f itself;
// otherwise f could swallow a cancellation of the calling task.
func (e caller) cancelAndWait(f *future) error {
	c := &countdown{left: 1}
	f.addCallback(c)
	_, err := f.tryCancel(errCancelled)
	if err == nil {
		err = e.waitOnce("WaitFor", &c.w)
	}
	f.removeCallback(c)
	return err
}

// AsCompleted returns an iterator over fs in the order in which they are done; a future
// that occurs twice comes once. It cancels nothing. A caller that waits when the
// timeout expires gets [ErrTimeout]; [NoTimeout] sets no limit. AsCompleted never
// awaits; the iterator's methods do. It panics if ctx belongs to no loop or the caller
// does not hold the token.
//
// (asyncio: as_completed, which also starts coroutines: use EnsureFuture for them)
func AsCompleted[F AnyFuture](ctx context.Context, fs []F, timeout time.Duration) *CompletedIterator[F] {
	l := loopOf(ctx, "AsCompleted")
	c := &CompletedIterator[F]{loop: l, done: NewQueue[completed[F]](0), todo: map[*future]F{}}
	c.coro = c.next
	c.hook = &completedHook[F]{weak.Make(c)}
	for _, f := range fs {
		core := mustCore("AsCompleted", f)
		if _, twice := c.todo[core]; !twice {
			c.todo[core] = f
			core.addCallback(c.hook)
		}
	}
	c.left = len(c.todo)
	if c.left > 0 && timeout != NoTimeout {
		c.timer = &TimerHandle{Handle: Handle{loop: l}, target: c.hook}
		l.addTimer(c.timer, l.after(timeout))
	}
	return c
}

// CompletedIterator iterates over futures in the order in which they are done;
// [AsCompleted] makes one. Only tasks of its loop may use it. An iteration that was
// left early can be continued, by the same method or the other one; no future is lost
// or repeated.
type CompletedIterator[F AnyFuture] struct {
	loop  *Loop
	done  *Queue[completed[F]]
	todo  map[*future]F
	hook  *completedHook[F] // the callback of the futures in todo
	left  int               // number of futures that were not requested yet
	timer *TimerHandle
	// Always c.next. It is in a field because the compiler must not see that: it
	// would attribute the user's call to a line of this file.
	coro Coro[F]
}

// completed is a future that is done, or ErrTimeout in its place.
type completed[F AnyFuture] struct {
	f   F
	err error
}

// completedHook is the callback of all futures of a CompletedIterator. An iteration
// that was left early may be continued, so it cannot remove its callback from the
// futures. But the hook does not keep an unreferenced iterator alive, and a long-lived
// future drops the hook when it needs the space.
type completedHook[F AnyFuture] struct {
	of weak.Pointer[CompletedIterator[F]]
}

// run implements runnable.
func (h *completedHook[F]) run(core *future) {
	if c := h.of.Value(); c != nil {
		c.ready(core)
	}
}

// due implements timerTarget.
func (h *completedHook[F]) due() {
	if c := h.of.Value(); c != nil {
		c.timedOut()
	}
}

// String names the entry.
func (h *completedHook[F]) String() string { return "AsCompleted" }

// abandoned implements abandonable.
func (h *completedHook[F]) abandoned() bool { return h.of.Value() == nil }

// ready makes the next consumer get a future that is done.
func (c *CompletedIterator[F]) ready(core *future) {
	f, ok := c.todo[core]
	if !ok {
		return // the timeout came first
	}
	delete(c.todo, core)
	c.done.put(completed[F]{f: f})
	if len(c.todo) == 0 && c.timer != nil {
		c.timer.cancel()
	}
}

// timedOut makes the consumers that wait for the futures that are not done get
// ErrTimeout.
func (c *CompletedIterator[F]) timedOut() {
	for core := range c.todo {
		core.removeCallback(c.hook)
		c.done.put(completed[F]{err: ErrTimeout})
	}
	clear(c.todo)
}

// All iterates over the futures as they are done, and suspends the calling task for
// each that is not available yet. If the await fails, with [ErrTimeout] or a
// [*CancelledError] or one of the errors of [Future.Await], All yields that error and
// ends.
//
// (asyncio: async for over as_completed)
func (c *CompletedIterator[F]) All(ctx context.Context) iter.Seq2[F, error] {
	return func(yield func(F, error) bool) {
		if err := c.loop.checked("AsCompleted"); err != nil {
			var zero F
			yield(zero, err)
			return
		}
		for c.more() {
			f, err := c.next(ctx)
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// Next iterates over coroutines, one for each future that was not requested yet: each one
// returns the next future that is done, or [ErrTimeout]. They may be awaited later, in
// any order, or by other tasks. (asyncio: for over as_completed)
func (c *CompletedIterator[F]) Next() iter.Seq[Coro[F]] {
	return func(yield func(Coro[F]) bool) {
		for c.more() {
			if !yield(c.coro) {
				return
			}
		}
	}
}

// more reports whether there is a future that was not requested yet, and counts it as
// requested.
func (c *CompletedIterator[F]) more() bool {
	c.loop.check("AsCompleted")
	if c.left == 0 {
		return false
	}
	c.left--
	return true
}

// next waits for the next future that is done. If it is cancelled, the request is
// withdrawn.
func (c *CompletedIterator[F]) next(ctx context.Context) (F, error) {
	d, err := c.done.Get(ctx)
	if err != nil {
		c.left++
		return d.f, err
	}
	return d.f, d.err
}
