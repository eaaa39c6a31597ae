package aio

// The state of futures, tasks included, is owned by the token of their loop.
//
// A future holds an ordered list of what runs when it is done: suspended tasks, done
// callbacks, and the counters of Gather and its like. None of it runs inside the call
// that settles the future. Each entry is put on the ready queue and has its turn in the
// next pass, which is what makes the order of a program's steps independent of who
// settles what. The first entry is kept inline, since most futures have exactly one
// awaiter.

import (
	"context"
	"fmt"
	"slices"
)

// AnyFuture is a Future or Task of any result type: what Wait, AsCompleted and the
// exception handler deal in. Only this package implements it. See Future for the methods.
type AnyFuture interface {
	// These are the methods of Future.
	Done() bool
	Cancelled() bool
	Failed() bool
	Exception() error
	Cancel(msg ...any) bool
	GetLoop() *Loop
	String() string

	core() *future
}

// FutureLike is a Future or Task with results of type T. A type that embeds one of them
// is one too; Gather, Shield and WaitFor then take its Result, so it can change the type
// of a result without a task in between.
type FutureLike[T any] interface {
	AnyFuture
	Awaitable[T]
	// Result is that of Future.
	Result() (T, error)
}

type futureState uint8

const (
	pending futureState = iota
	finished
	failed
	cancelled
)

// future is the part of a Future that does not depend on its result type. Its flags:
//
//	errRetrieved  the error was retrieved, or must not be reported
//	cancelling    cancel is under way, further up the stack: meeting it again means a cycle
//	selfAwaited   a task that awaited itself, which nothing else can await any more
type future struct {
	loop  *Loop      // immutable; nil in a zero Future
	err   error      // why it failed or was cancelled
	sub   subFuture  // what it is besides a plain future, nil if nothing
	first runnable   // to run when done; before any in more
	more  *callbacks // further ones, nil if there are none
	// of an error that nobody has retrieved yet, and what else few futures have; nil
	// if nothing
	report *report
	state  futureState

	errRetrieved, cancelling, selfAwaited bool
}

// subFuture is what tasks, gatherings and the inner waits of the package add to a future.
type subFuture interface {
	// cancelFuture cancels a future that is pending.
	cancelFuture(reason *CancelledError) bool
	// describe is the text form of a future that is pending.
	describe() string
}

// Future is a result that is not there yet. Tasks await it; whoever brings the result
// calls SetResult or SetException, or Cancel gives it up. Make one with CreateFuture. All
// methods must be called by the goroutine that holds the loop's token (a task or a
// callback of the loop) or while the loop does not run; others panic with
// ErrWrongGoroutine. (asyncio: Future)
type Future[T any] struct {
	value T // first, as a zero-size field at the end would take space
	future
}

// CreateFuture returns a new pending future of the loop that ctx belongs to. It never
// awaits. It panics if ctx belongs to no loop or the caller does not hold the token.
// (asyncio: loop.create_future)
func CreateFuture[T any](ctx context.Context) *Future[T] {
	return newFuture[T](loopOf(ctx, "CreateFuture"))
}

func newFuture[T any](l *Loop) *Future[T] {
	f := &Future[T]{future: future{loop: l}}
	f.created()
	return f
}

// core gives the package the untyped part, nil of a nil pointer.
func (f *Future[T]) core() *future {
	if f == nil {
		return nil
	}
	return &f.future
}

// coreOf is core of a future that a user passed to a call, or the error if it is none.
func coreOf(call string, f AnyFuture) (*future, error) {
	if f == nil {
		return nil, usagef(call, "the future is nil")
	}
	switch c := f.core(); {
	case c == nil:
		return nil, usagef(call, "the future is nil")
	case c.loop == nil:
		return nil, usagef(call, "a zero Future belongs to no loop: use CreateFuture")
	default:
		return c, nil
	}
}

// mustCore is coreOf for a call without an error result. The caller must hold the token.
func mustCore(call string, f AnyFuture) *future {
	c, err := coreOf(call, f)
	if err != nil {
		panic(err)
	}
	c.loop.check(call)
	return c
}

// Await suspends the calling task until f is done, then returns its result or error. If f
// is done already it does not suspend. Cancelling the task while it waits cancels f, and
// if f is a task that one. It fails with ErrWrongGoroutine, ErrNoTask or ErrNoRunningLoop
// where there is no task to suspend, with ErrOtherLoop if f belongs to another loop, with
// ErrAwaitSelf if f is the task itself, and with a *CancelledError. Tasks that await one
// future go on in the order in which they began to wait. (asyncio: await future)
func (f *Future[T]) Await(ctx context.Context) (T, error) {
	c, err := enter(ctx, "Await")
	if err == nil {
		if f.loop == nil {
			err = usagef("Await", "a zero Future belongs to no loop: use CreateFuture")
		} else {
			err = c.await(&f.future)
		}
	}
	if err != nil {
		var zero T
		return zero, err
	}
	return f.Result()
}

// Result returns the value of a future that is done, or its error: ErrInvalidState while
// it is pending, a *CancelledError if it was cancelled. It never awaits. (asyncio:
// Future.result)
func (f *Future[T]) Result() (T, error) {
	if err := f.Exception(); err != nil {
		var zero T
		return zero, err
	}
	return f.value, nil
}

// SetResult makes v the result of f and has the tasks that await it and its done
// callbacks run in the next pass of the loop. If f is done already nothing changes and
// the error matches ErrInvalidState; so it is for a task, whose result only its body
// gives. (asyncio: Future.set_result)
func (f *Future[T]) SetResult(v T) error {
	if err := f.settable("SetResult"); err != nil {
		return err
	}
	f.value = v
	f.settle(finished, nil)
	return nil
}

// SetException makes f fail with err, as SetResult makes it succeed. err must not be nil.
// If nobody retrieves the error by Result, Exception or an await, it is reported to the
// exception handler of the loop. (asyncio: Future.set_exception)
func (f *Future[T]) SetException(err error) error {
	if err == nil {
		return usagef("SetException", "the error is nil: use SetResult")
	}
	if err := f.settable("SetException"); err != nil {
		return err
	}
	f.settle(failed, err)
	return nil
}

// DoneCallback names a callback that was added to a future.
type DoneCallback struct{ r runnable }

// AddDoneCallback has cb called with f when f is done, in the next pass of the loop and
// in the order of the calls; if f is done already, in the next pass from now. What cb
// panics with goes to the exception handler. The result is for RemoveDoneCallback, as
// Go's functions cannot be compared. (asyncio: Future.add_done_callback)
func (f *Future[T]) AddDoneCallback(cb func(f *Future[T])) DoneCallback {
	if cb == nil {
		misuse("AddDoneCallback", "the callback is nil")
	}
	f.check("AddDoneCallback")
	d := &doneCallback[T]{cb: cb, of: f}
	if f.loop.debug.Load() {
		d.stack = callers()
	}
	f.addCallback(d)
	return DoneCallback{d}
}

// doneCallback is a callback of the user's.
type doneCallback[T any] struct {
	cb    func(f *Future[T])
	of    *Future[T]
	stack []uintptr // of the call that added it, in debug mode
}

// run implements runnable.
func (d *doneCallback[T]) run(*future) { d.cb(d.of) }

// source implements sourced.
func (d *doneCallback[T]) source() any { return callbacksOf{d.of.loop} }

// about tells an exception handler of the callback.
func (d *doneCallback[T]) about(ec *ExceptionContext) {
	ec.Message += " " + d.String()
	ec.Future = d.of
	ec.Stack = d.stack
}

func (d *doneCallback[T]) String() string { return "done callback " + funcName(d.cb) }

// future's own methods are the ones that every kind of future shares.

// check panics unless the caller may touch f.
func (f *future) check(call string) {
	if f.loop == nil {
		misuse(call, "a zero Future belongs to no loop: use CreateFuture")
	}
	f.loop.check(call)
}

// settable says whether the user may settle f.
func (f *future) settable(call string) error {
	if f.loop == nil {
		return usagef(call, "a zero Future belongs to no loop: use CreateFuture")
	}
	if err := f.loop.checked(call); err != nil {
		return err
	}
	if _, ok := f.sub.(*task); ok {
		return fmt.Errorf("%w: %s: only its body gives a task its result", ErrInvalidState, call)
	}
	if f.state != pending {
		return fmt.Errorf("%w: %s: the future is done", ErrInvalidState, call)
	}
	return nil
}

// settle ends f and schedules everything that waits for it.
func (f *future) settle(state futureState, err error) {
	f.state, f.err = state, err
	l := f.loop
	awaited := f.first != nil || f.more != nil
	if f.first != nil {
		l.schedule(f.first, f)
		f.first = nil
	}
	if f.more != nil {
		for _, r := range f.more.list {
			if r != nil {
				l.schedule(r, f)
			}
		}
		f.more = nil
	}
	if state == failed && !f.errRetrieved {
		// Most errors are retrieved by what was just scheduled: look again after
		// that.
		if awaited && !l.closed.Load() {
			l.schedule(errorCheck{}, f)
		} else {
			f.watchError()
		}
	}
}

// thrown is what an await of f throws into the task: nil if f has a value.
//
// The CancelledError by which a task ended is given out once, with its message; who asks
// again gets one without, whose cause is the first. That is CPython's doing, and programs
// can tell.
func (f *future) thrown() error {
	err := f.err
	if err == nil {
		return nil
	}
	f.retrieved()
	if t, ok := f.sub.(*task); ok && f.state == cancelled && !t.mustCancel {
		f.err = withoutMessage(err)
	}
	return err
}

// cancelledResult is the error of a cancelled future that GatherResults collects: its
// message is what the future itself was cancelled with, "" if nothing. A task that ended
// by the CancelledError of something it awaited was not given a message itself.
func (f *future) cancelledResult() error {
	if t, ok := f.sub.(*task); !ok || t.mustCancel {
		if c, ok := asCancelled(f.err); ok && c.Message != nil {
			return f.err
		}
	}
	return &CancelledError{Message: "", Cause: f.err}
}

// addCallback has r run when f is done.
func (f *future) addCallback(r runnable) {
	switch {
	case f.state != pending:
		f.loop.schedule(r, f)
	case f.first == nil && f.more == nil:
		f.first = r
	case f.more == nil:
		f.more = &callbacks{list: []runnable{r}}
	default:
		f.more.add(r)
	}
}

// removeCallback takes back addCallback, unless f is done and r scheduled already.
func (f *future) removeCallback(r runnable) bool {
	if f.first == r && r != nil {
		f.first = nil
		return true
	}
	if f.more == nil || !f.more.remove(r) {
		return false
	}
	if len(f.more.list) == 0 {
		f.more = nil
	}
	return true
}

// callbacks are the entries of a future beyond the first, in order. Many tasks may wait
// for one future and give up in any order, so removing an entry leaves a gap, and where
// there are many entries place finds one without a search.
type callbacks struct {
	list []runnable // nil in a gap
	gaps int
	// where in list each is, nil while there are few; the first if it is there twice
	place map[runnable]int
	twice bool // some may be there twice
}

// manyCallbacks is how many entries make an index worth it.
const manyCallbacks = 32

func (c *callbacks) add(r runnable) {
	c.list = append(c.list, r)
	switch {
	case c.place != nil:
		c.index(len(c.list) - 1)
	case len(c.list) > manyCallbacks:
		c.reindex()
	}
}

func (c *callbacks) index(i int) {
	if _, known := c.place[c.list[i]]; known {
		c.twice = true
		return
	}
	c.place[c.list[i]] = i
}

// reindex makes place anew, for a list without gaps.
func (c *callbacks) reindex() {
	c.place, c.twice = nil, false
	if len(c.list) > manyCallbacks {
		c.place = make(map[runnable]int, len(c.list))
		for i := range c.list {
			c.index(i)
		}
	}
}

func (c *callbacks) find(r runnable) int {
	if c.place != nil {
		if i, ok := c.place[r]; ok {
			return i
		}
		if !c.twice {
			return -1
		}
	}
	return slices.Index(c.list, r)
}

// remove takes out the first entry that is r and reports whether there was one.
func (c *callbacks) remove(r runnable) bool {
	i := c.find(r)
	if i < 0 {
		return false
	}
	delete(c.place, r)
	c.list[i] = nil
	if c.gaps++; 2*c.gaps > len(c.list) {
		c.list = slices.DeleteFunc(c.list, func(r runnable) bool { return r == nil })
		c.gaps = 0
		c.reindex()
	}
	return true
}

// RemoveDoneCallback takes back an AddDoneCallback and reports whether the callback was
// still waiting. Once f is done its callbacks are scheduled and cannot be removed.
// (asyncio: Future.remove_done_callback, which counts)
func (f *future) RemoveDoneCallback(cb DoneCallback) bool {
	f.check("RemoveDoneCallback")
	return f.removeCallback(cb.r)
}

// Done reports whether the future has a result or an error or was cancelled.
// (asyncio: Future.done)
func (f *future) Done() bool {
	if f.loop != nil {
		f.loop.check("Done")
	}
	return f.state != pending
}

// Failed reports whether the future has an error: it is done, and neither has a result
// nor was cancelled. Unlike Exception it does not retrieve the error, so the loop still
// reports it if nobody else does. (asyncio has nothing like it)
func (f *future) Failed() bool {
	if f.loop != nil {
		f.loop.check("Failed")
	}
	return f.state == failed
}

// Cancelled reports whether the future was cancelled. (asyncio: Future.cancelled)
func (f *future) Cancelled() bool {
	if f.loop != nil {
		f.loop.check("Cancelled")
	}
	return f.state == cancelled
}

// Exception returns the error of a future that is done, nil if it succeeded. It is
// ErrInvalidState while the future is pending and a *CancelledError if it was cancelled,
// where asyncio raises these. (asyncio: Future.exception)
func (f *future) Exception() error {
	if f.loop != nil {
		f.loop.check("Exception")
	}
	if f.state == pending {
		return fmt.Errorf("%w: the result is not there yet", ErrInvalidState)
	}
	return f.thrown()
}

// Cancel gives the future up, and reports whether that had an effect: false if it was
// done already. A plain future is cancelled at once, and what waits for it runs in the
// next pass. For tasks see Task, for the future of Gather see Gather. The message, if
// any, is found in the CancelledError. (asyncio: Future.cancel, Task.cancel)
func (f *future) Cancel(msg ...any) bool {
	f.check("Cancel")
	return f.cancel(cancelReason(msg))
}

// GetLoop returns the loop that the future belongs to. (asyncio: Future.get_loop)
func (f *future) GetLoop() *Loop {
	if f.loop == nil {
		misuse("GetLoop", "a zero Future belongs to no loop: use CreateFuture")
	}
	return f.loop
}

// String tells what the future is, its state and, in debug mode, where it was created. A
// goroutine that does not hold the token may call it too, and learns only what never
// changes: printing must not fail.
func (f *future) String() string {
	what := "Future"
	if f.loop != nil && f.loop.checked("String") != nil {
		if t, ok := f.sub.(*task); ok {
			what = fmt.Sprintf("Task %d", t.id)
		}
		return what + " of a loop that another goroutine runs"
	}
	if f.sub != nil {
		what = f.sub.describe()
	}
	switch {
	case f.loop == nil:
		return what + " uninitialised"
	case f.state == cancelled:
		what += " cancelled"
	case f.state == failed:
		what += " failed: " + f.err.Error()
	case f.state == finished:
		what += " finished"
	case f.sub == nil:
		what += " pending"
	}
	return what + f.createdAt()
}

// cancel is Cancel within the package.
func (f *future) cancel(reason *CancelledError) bool {
	f.retrieved()
	if f.state != pending {
		return false
	}
	if f.sub == nil {
		f.settle(cancelled, reason)
		return true
	}
	l := f.loop
	if f.cancelling {
		panic(l.cycle(f))
	}
	f.cancelling = true
	l.path = append(l.path, f)
	ok := f.sub.cancelFuture(reason)
	l.path = l.path[:len(l.path)-1]
	f.cancelling = false
	return ok
}

// label names f without its state.
func (f *future) label() string {
	switch sub := f.sub.(type) {
	case nil:
		return "Future"
	case *task:
		return sub.name()
	default:
		return sub.describe()
	}
}

// addAwaiter is FutureAddToAwaitedBy within the package.
func (f *future) addAwaiter(waiter AnyFuture) {
	if f.state != pending || f.report.isAwaitedBy(waiter) >= 0 {
		return
	}
	if f.report == nil {
		f.report = &report{loop: f.loop}
	}
	f.report.awaitedBy = append(f.report.awaitedBy, waiter)
}

// isAwaitedBy returns the place of waiter in r.awaitedBy, -1 if it is not there.
func (r *report) isAwaitedBy(waiter AnyFuture) int {
	if r == nil {
		return -1
	}
	return slices.IndexFunc(r.awaitedBy, func(w AnyFuture) bool { return w.core() == waiter.core() })
}
