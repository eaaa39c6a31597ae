package aio

// The token of the loop owns the state of its futures, tasks included.
//
// A future holds an ordered list of the entries that run when it is done: suspended
// tasks, done callbacks, and the counters of Gather and similar functions. None of them
// runs inside the call that settles the future. Each entry is put on the ready queue
// and runs in the next pass, so the order of a program's steps does not depend on which
// code settles a future. The first entry is stored inline, because most futures have
// exactly one awaiter.

import (
	"context"
	"fmt"
	"slices"
)

// AnyFuture is a [Future] or [Task] of any result type, as [Wait], [AsCompleted] and
// the exception handler use it. Only this package implements it. [Future] documents the
// methods.
type AnyFuture interface {
	// These are the methods of [Future].
	Done() bool
	Cancelled() bool
	Failed() bool
	Exception() error
	Cancel(msg ...any) bool
	GetLoop() *Loop
	RemoveDoneCallback(cb DoneCallback) bool
	OnDone(cb func()) DoneCallback
	Join(ctx context.Context) error
	String() string

	core() *future
}

// FutureLike is a [Future] or [Task] with results of type T. A type that embeds one of
// them is one too; [Gather], [Shield] and [WaitFor] then use its Result method, so a
// type can change the type of a result without a task in between.
type FutureLike[T any] interface {
	AnyFuture
	Awaitable[T]
	// Result is like [Future.Result].
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
//	cancelling    a cancel further up the stack is in progress: meeting it
//	              again means a cycle
//	selfAwaited   the task awaited itself; nothing else can await it
type future struct {
	loop  *Loop      // immutable; nil in a zero Future
	err   error      // the error of a future that failed or was cancelled
	sub   subFuture  // what kind of future it is; nil for a plain one
	first runnable   // runs when the future is done, before the entries of more
	more  *callbacks // further entries, nil if there are none
	// data that few futures have, such as an error not yet retrieved; nil if there
	// is none
	report *report
	state  futureState

	errRetrieved, cancelling, selfAwaited bool
}

// subFuture is what tasks, gatherings and the package's waiters add to a future.
type subFuture interface {
	// cancelFuture cancels a future that is pending.
	cancelFuture(reason *CancelledError) bool
	// describe returns the text form of a pending future.
	describe() string
}

// Future is a result that is not available yet. Tasks await it. Other code settles it
// with SetResult, SetException or Cancel. [CreateFuture] makes one.
//
// All methods must be called by the goroutine that holds the loop's token (a task or a
// callback of the loop), or while the loop does not run. A call from another goroutine
// panics with [ErrWrongGoroutine]; one that has an error result returns it.
//
// (asyncio: Future)
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

// core returns the untyped part, or nil for a nil pointer.
func (f *Future[T]) core() *future {
	if f == nil {
		return nil
	}
	return &f.future
}

// coreOf returns the core of a future that a user passed to a call, or an error if
// there is none.
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

// mustCore is like coreOf, for a call without an error result. The caller must hold the
// token.
func mustCore(call string, f AnyFuture) *future {
	c, err := coreOf(call, f)
	if err != nil {
		panic(err)
	}
	c.loop.check(call)
	return c
}

// Await suspends the calling task until f is done, then returns its result or error. If
// f is done already, it does not suspend. Tasks that await the same future continue in
// the order in which they began to wait.
//
// Cancelling the waiting task also cancels f; if f is a task, that task is cancelled.
//
// Errors: [ErrWrongGoroutine], [ErrNoTask] or [ErrNoRunningLoop] if there is no task to
// suspend, [ErrOtherLoop] if f belongs to another loop, [ErrAwaitSelf] if f is the
// calling task, and a [*CancelledError].
//
// (asyncio: await future)
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

// Result returns the value of a future that is done, or its error. While the future is
// pending the error is [ErrInvalidState]; if it was cancelled, a [*CancelledError].
// Result never awaits. (asyncio: Future.result)
func (f *Future[T]) Result() (T, error) {
	if err := f.Exception(); err != nil {
		var zero T
		return zero, err
	}
	return f.value, nil
}

// SetResult makes v the result of f. The tasks that await f and its done callbacks run
// in the next pass of the loop. If f is done already nothing changes and the error
// matches [ErrInvalidState]; the same holds for a task, whose result comes from its
// body alone.
//
// (asyncio: Future.set_result)
func (f *Future[T]) SetResult(v T) error {
	if err := f.settable("SetResult"); err != nil {
		return err
	}
	f.value = v
	f.settle(finished, nil)
	return nil
}

// SetException makes f fail with err, as [Future.SetResult] makes it succeed. err must
// not be nil. If the error is never retrieved, by Result, Exception or an await, it is
// reported to the exception handler of the loop. (asyncio: Future.set_exception)
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

// AddDoneCallback calls cb with f when f is done: in the next pass of the loop, and in
// the order in which callbacks were added. If f is done already, cb runs in the pass
// after the current one. A panic of cb goes to the exception handler. The result is for
// [Future.RemoveDoneCallback], because Go's functions cannot be compared.
//
// (asyncio: Future.add_done_callback)
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

// doneCallback is a callback that the user added.
type doneCallback[T any] struct {
	cb    func(f *Future[T])
	of    *Future[T]
	stack []uintptr // the stack of the call that added it, in debug mode
}

// run implements runnable.
func (d *doneCallback[T]) run(*future) { d.cb(d.of) }

// source implements sourced.
func (d *doneCallback[T]) source() any { return callbacksOf{d.of.loop} }

// about adds the callback to the context of an exception handler.
func (d *doneCallback[T]) about(ec *ExceptionContext) {
	ec.Message += " " + d.String()
	ec.Future = d.of
	ec.Stack = d.stack
}

func (d *doneCallback[T]) String() string { return "done callback " + funcName(d.cb) }

// The methods of future are those that all kinds of futures share.

// check panics unless the caller may touch f.
func (f *future) check(call string) {
	if err := f.checked(call); err != nil {
		panic(err)
	}
}

// checked is like check, for a call with an error result. f is nil for a zero Task.
func (f *future) checked(call string) error {
	if f == nil || f.loop == nil {
		return usagef(call, "a zero Future or Task belongs to no loop: use CreateFuture or CreateTask")
	}
	return f.loop.checked(call)
}

// settable returns an error if the user may not settle f.
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

// settle makes f done and schedules every entry that waits for it.
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
		// Most errors are retrieved by the entries that were just scheduled:
		// look again after they have run.
		if awaited && !l.closed.Load() {
			l.schedule(errorCheck{}, f)
		} else {
			f.watchError()
		}
	}
}

// thrown returns the error that an await of f throws into the task: nil if f has a
// value.
//
// The CancelledError with which a task ended is returned once, with its message; every
// later call returns one without a message, whose cause is the first. CPython does the
// same, and programs can observe it.
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

// cancelledResult is the error of a cancelled future that GatherResults collects. Its
// message is the one that the future itself was cancelled with, or "". A task that
// ended with the CancelledError of something that it awaited was not given a message
// itself.
func (f *future) cancelledResult() error {
	if t, ok := f.sub.(*task); !ok || t.mustCancel {
		if c, ok := asCancelled(f.err); ok && c.Message != nil {
			return f.err
		}
	}
	return &CancelledError{Message: "", Cause: f.err}
}

// addCallback adds r to the entries that run when f is done. It is inlined, because it
// would be the deepest call of an await: the stack of a parked task is 2 KiB if it
// never needed more.
func (f *future) addCallback(r runnable) {
	if f.state == pending && f.first == nil && f.more == nil {
		f.first = r
		return
	}
	f.addAnother(r)
}

func (f *future) addAnother(r runnable) {
	switch {
	case f.state != pending:
		f.loop.schedule(r, f)
	case f.more == nil:
		f.more = &callbacks{list: []runnable{r}}
	default:
		f.more.add(r)
	}
}

// removeCallback removes r, unless f is done and r is scheduled already.
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
// for one future and stop waiting in any order, so removing an entry leaves a gap; in a
// long list, place finds an entry without a search.
type callbacks struct {
	list []runnable // an element is nil in a gap
	gaps int
	// the index of each entry in list, of the first one if the entry is there
	// twice; nil for a short list
	place map[runnable]int
	twice bool // an entry may be there twice
}

// manyCallbacks is the number of entries from which the index pays off.
const manyCallbacks = 32

// abandonable is a callback that can become useless before the future is done, because
// its owner was dropped. Then running it has no effect.
type abandonable interface{ abandoned() bool }

func (c *callbacks) add(r runnable) {
	if n := len(c.list); n == cap(c.list) {
		c.dropAbandoned()
		if len(c.list) > n/2 {
			// n more entries can be added before dropAbandoned checks all
			// of them again
			c.list = slices.Grow(c.list, n)
		}
	}
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

// reindex rebuilds place for a list without gaps.
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

// remove removes the first entry equal to r and reports whether there was one.
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

// dropAbandoned removes the entries that no longer have an effect, and the gaps.
func (c *callbacks) dropAbandoned() {
	n := len(c.list)
	c.list = slices.DeleteFunc(c.list, func(r runnable) bool {
		a, ok := r.(abandonable)
		return r == nil || ok && a.abandoned()
	})
	if len(c.list) < n {
		c.gaps = 0
		c.reindex()
	}
}

// OnDone is [Future.AddDoneCallback] for a future whose type is not known: cb is called
// without it.
func (f *future) OnDone(cb func()) DoneCallback {
	if cb == nil {
		misuse("OnDone", "the callback is nil")
	}
	f.check("OnDone")
	d := &onDone{cb: cb, loop: f.loop}
	f.addCallback(d)
	return DoneCallback{d}
}

// onDone is a callback of OnDone.
type onDone struct {
	cb   func()
	loop *Loop
}

// run implements runnable.
func (d *onDone) run(*future) { d.cb() }

// source implements sourced.
func (d *onDone) source() any { return callbacksOf{d.loop} }

func (d *onDone) String() string { return "done callback " + funcName(d.cb) }

// Join is [Future.Await] without the result, for a future whose type is not known: it
// suspends the calling task until f is done and returns the error of f, or one of its
// own.
func (f *future) Join(ctx context.Context) error {
	c, err := enter(ctx, "Join")
	if err != nil {
		return err
	}
	if f.loop == nil {
		return usagef("Join", "a zero Future belongs to no loop: use CreateFuture")
	}
	if err := c.await(f); err != nil {
		return err
	}
	return f.Exception()
}

// RemoveDoneCallback removes a callback that [Future.AddDoneCallback] or OnDone added,
// and reports whether it had not been scheduled yet. Once f is done its callbacks are
// scheduled and cannot be removed.
//
// (asyncio: Future.remove_done_callback, which returns the number of removed callbacks)
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

// Failed reports whether the future is done with an error other than a cancellation.
// Unlike Exception it does not retrieve the error, so the loop still reports an error
// that is never retrieved. (asyncio has no equivalent.)
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

// Exception returns the error of a future that is done, nil if it succeeded. While the
// future is pending it returns [ErrInvalidState], and if it was cancelled a
// [*CancelledError], where asyncio raises these. (asyncio: Future.exception)
func (f *future) Exception() error {
	if f.loop != nil {
		if err := f.loop.checked("Exception"); err != nil {
			return err
		}
	}
	if f.state == pending {
		return fmt.Errorf("%w: the result is not available yet", ErrInvalidState)
	}
	return f.thrown()
}

// Cancel cancels the future, and reports whether that had an effect: it returns false
// if the future was done already. A plain future is cancelled at once, and the tasks
// that wait for it run in the next pass. [Task] and [Gather] describe their own rules.
// The [CancelledError] carries the message, if there is one.
//
// (asyncio: Future.cancel, Task.cancel)
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

// String describes the future: its kind, its state and, in debug mode, where it was
// created. A goroutine that does not hold the token may call it too, and gets only the
// parts that never change: printing must not fail.
func (f *future) String() string {
	what := "Future"
	if f.loop != nil && !f.loop.holds() {
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
