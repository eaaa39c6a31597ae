package aio

// The pull form of an iteration whose body awaits.
//
// iter.Pull alone cannot do this: the body would await in a goroutine that does not
// hold the token, and its suspension would look like an item. So the body runs in a
// coroutine made by iter.Pull, which replaces the coroutine of the task that calls
// Next: while the body runs, task.co is pull.co. When the body awaits, its park yields
// to Next. Next then parks the task's own coroutine and passes the outcome back to the
// body. So the body runs as part of the calling task, as the body of a Python generator
// does: an item takes no pass of the loop, a cancellation of the task arrives at the
// await of the body, and the awaits of other code cost nothing extra.
//
// The token owns the state. Only ctx.current is read by other goroutines.

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"time"

	"github.com/goaio/aio/internal/goid"
)

type pullState uint8

const (
	pullCreated pullState = iota
	pullSuspended
	pullRunning
	pullEnded
)

// Iterator takes items one by one from an iteration that awaits. Make one with [Pull].
// Only tasks of one loop may use it, and only one at a time. (Python: an asynchronous
// generator)
type Iterator[T any] struct {
	pull
	seq  func(ctx context.Context) iter.Seq2[T, error]
	item T
}

// pull is the part of an Iterator that does not depend on its item type.
type pull struct {
	_        noCopy
	loop     *Loop
	co       coroutine
	ctx      pullContext
	state    pullState
	closing  bool  // yield must return false
	yielded  bool  // the body has yielded since it was resumed
	err      error // the error that the body has yielded
	body     func()
	panicked error
	scopes   int   // the number of scopes that the body is in
	host     *task // the task that has entered these scopes
	prev     *pull // in Loop.pulls
	next     *pull
}

// Pull returns the pull form of seq. Use it for iterations that are not a single range
// loop: several tasks share the iteration, the program takes items in different places,
// or each item has its own timeout. seq is a function of a ctx, like the package's own
// iterators:
//
//	it := aio.Pull(ctx, queue.All)
//	defer it.Close(ctx)
//
// The body of seq starts to run in the first [Iterator.Next]. Its ctx is always that of
// the Next or Close in progress: it has the values and the cancellation of that ctx.
// Pull never awaits. It panics if seq is nil, if ctx belongs to no loop, or if the
// caller does not hold the token.
//
// (Python: aiter)
func Pull[T any](ctx context.Context, seq func(ctx context.Context) iter.Seq2[T, error]) *Iterator[T] {
	l := loopOf(ctx, "Pull")
	l.mustBeOpen("Pull")
	if seq == nil {
		misuse("Pull", "the sequence is nil")
	}
	it := &Iterator[T]{seq: seq}
	it.loop = l
	it.co = coroutine{loop: l, g: goid.None, eager: true, pull: &it.pull}
	it.body = it.run
	return it
}

// run is the body of the coroutine.
func (it *Iterator[T]) run() {
	it.seq(&it.ctx)(func(v T, err error) bool {
		it.checkYield()
		it.item, it.err = v, err
		return it.handOver()
	})
}

// Next resumes the body until it yields, and returns the item with ok true. At the end
// of the iteration, and in each later call, ok is false and err nil. If the body yields
// an error, Next returns it, together with the yielded value and ok false; the body
// determines the result of the next call.
//
// The body runs as part of the calling task and suspends the task where it awaits.
//
// If the task is cancelled in such an await, the await returns the [*CancelledError] to
// the body. If the body ends without yielding the cancellation, Next returns it, so it
// is not lost. If the body panics, Next panics with the same value, and the iteration
// has ended.
//
// If there is no task, Next returns the error that [Future.Await] documents for that
// before the body runs. Calling Next during a Next or Close, in another task or in the
// body itself, is misuse.
//
// A body may yield inside a [Timeout], [TaskGroup] or [CancelScope]. The scope belongs to
// the task whose Next has entered it. Until the body has left the scope, calling Next in
// another task is misuse, and the scope, if it is cancelled, also cancels the awaits of
// that task between two items.
//
// (Python: anext)
func (it *Iterator[T]) Next(ctx context.Context) (v T, ok bool, err error) {
	cancellation, err := it.resume(ctx, callNext, false)
	if err != nil {
		return v, false, err
	}
	if !it.yielded {
		return v, false, cancellation
	}
	v, err = it.item, it.err
	var zero T
	it.item, it.err = zero, nil
	return v, err == nil, err
}

// Close ends the iteration: the yield at which the body is suspended returns false, and
// the body, which may await, runs to its end. A body that has not started does not run.
// Close has no effect on an iteration that has ended.
//
// If the clean-up of the body fails, the body may yield the error, and Close returns it.
// (A body that is also used in range loops must not do that: a yield panics there once
// the loop has been left.) If the body received a cancellation of the calling task while
// it ended, Close returns that [*CancelledError]. As with [Iterator.Next], calling Close
// during a Next or Close is misuse. It is also misuse if the body yields another item.
//
// If the body is inside a scope of another task, Close closes the iterator and returns
// misuse: see [Iterator.Next].
//
// (Python: aclose)
func (it *Iterator[T]) Close(ctx context.Context) error {
	switch it.state {
	case pullCreated, pullEnded:
		if err := it.loop.checked(callClose); err != nil {
			return err
		}
		it.state = pullEnded
		return nil
	}
	err := it.close(ctx)
	var zero T
	it.item, it.err = zero, nil
	return err
}

// heldBy is the error of a task that resumes a body in which another task has entered a
// scope. The deadline of that scope, or a failing task of that group, cancels the task
// that has entered it, whatever it is doing.
func (p *pull) heldBy(call string) error {
	return usagef(call, "the body is inside a Timeout, TaskGroup or CancelScope that the task %q entered: only that task may resume it", p.host.name())
}

// close resumes the body to its end.
func (p *pull) close(ctx context.Context) error {
	var failure error // the errors of the clean-up
	yielded := false
	if p.scopes > 0 && p.host != p.loop.current && !p.loop.ending.Load() {
		failure = p.heldBy(callClose)
	}
	for {
		cancellation, err := p.resume(ctx, callClose, true)
		switch {
		case err != nil:
			return err
		case !p.yielded:
			return cmp.Or(cancellation, failure)
		case p.err == nil || yielded:
			err := usagef(callClose, "the body yields again although yield has returned false")
			return errors.Join(failure, err)
		}
		if yielded = true; failure == nil {
			failure = p.err
		} else {
			failure = errors.Join(failure, p.err)
		}
	}
}

// All iterates over the remaining items. An error that the body yields comes with its
// item and does not end the loop; an error of [Iterator.Next] itself is the last
// element. Unlike a range over the iteration itself, leaving the loop early does not
// close the iterator, so the remaining items can be taken later.
//
// (Python: async for)
func (it *Iterator[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, ok, err := it.Next(ctx)
			if !ok && err == nil || !yield(v, err) || err != nil && it.state != pullSuspended {
				return
			}
		}
	}
}

// resume runs the body until it yields or ends. cancellation is a cancellation of the
// task that the body has received and has not yielded.
func (p *pull) resume(ctx context.Context, call string, closing bool) (cancellation, err error) {
	c, err := enter(ctx, call)
	if err != nil {
		return nil, err
	}
	switch {
	case c.fut.loop != p.loop:
		return nil, &callError{call, ErrOtherLoop}
	case p.state == pullRunning:
		return nil, usagef(call, "the iterator is in use: a Next or Close has not returned")
	case p.state == pullEnded:
		p.yielded = false
		return nil, nil
	case p.scopes > 0 && p.host != c.task && !closing:
		return nil, p.heldBy(call)
	case p.state == pullCreated:
		p.open()
	}
	p.ctx.set(ctx)
	p.state, p.yielded, p.closing = pullRunning, false, closing
	requests := c.cancels
	if c.mustCancel && requests > 0 {
		requests-- // the await of the body will deliver this request
	}
	outer, g := c.co, p.loop.owner
	ended := true // stays true after a panic or Goexit of the body
	defer func() {
		c.task.co, p.loop.owner = outer, g
		if ended {
			p.ended()
		}
	}()
	for {
		c.task.co, p.loop.owner = &p.co, p.co.g
		p.co.runs = true
		_, alive := p.co.next()
		p.co.runs = false
		c.task.co, p.loop.owner = outer, g
		if !alive || p.yielded {
			break
		}
		outer.inner = &p.co
		p.co.thrown = outer.park()
		outer.inner = nil
		if _, ok := asCancelled(p.co.thrown); ok {
			cancellation = p.co.thrown
		}
	}
	if ended = !p.yielded; !ended {
		p.state = pullSuspended
		return nil, nil
	}
	if p.panicked != nil {
		panic(p.panicked)
	}
	if c.cancels <= requests {
		cancellation = nil // a scope inside the body has withdrawn its request
	}
	return cancellation, nil
}

// open creates the coroutine.
func (p *pull) open() {
	l := p.loop
	p.co.next, p.co.stop = iter.Pull(p.main)
	p.next = l.pulls
	if l.pulls != nil {
		l.pulls.prev = p
	}
	l.pulls = p
}

// ended drops the coroutine, which has ended.
//
//nolint:contextcheck // the ctx is that of the loop
func (p *pull) ended() {
	p.state = pullEnded
	l := p.loop
	switch {
	case p.prev != nil:
		p.prev.next = p.next
	case l.pulls == p:
		l.pulls = p.next
	}
	if p.next != nil {
		p.next.prev = p.prev
	}
	p.prev, p.next, p.body = nil, nil, nil
	p.ctx.set(l.ctx)
}

// main is the function of the coroutine.
func (p *pull) main(yield func(struct{}) bool) {
	p.co.yield = yield
	p.co.g = goid.Current()
	p.loop.owner = p.co.g
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			// without a panic the body has called runtime.Goexit, which
			// continues in Next
			p.panicked = panicError(v)
		}
	}()
	p.body()
	returned = true
}

// checkYield panics if yield is called in the wrong place: otherwise iter.Pull would
// silently swap two goroutines.
func (p *pull) checkYield() {
	if p.co.g != goid.Current() || p.loop.owner != p.co.g {
		panic(&callError{"Pull: yield", ErrWrongGoroutine})
	}
}

// handOver gives an item to Next and returns the result of yield.
func (p *pull) handOver() bool {
	p.yielded = true
	p.co.yield(struct{}{})
	return !p.closing
}

// abandon closes an iteration whose loop is closed: the body runs to its end, and its
// awaits fail.
func (p *pull) abandon() {
	l := p.loop
	defer func() {
		if v := recover(); v != nil {
			l.CallExceptionHandler(ExceptionContext{Message: "the body of an Iterator panicked while the loop was closed", Err: panicError(v)})
		}
	}()
	g := l.owner
	defer func() { l.owner = g; p.ended() }()
	for tries := 0; ; tries++ {
		p.closing, p.yielded, p.co.thrown = true, false, ErrLoopClosed
		l.owner = p.co.g
		if _, alive := p.co.next(); !alive {
			break
		}
		if tries > maxRefused {
			p.co.stop()
			break
		}
	}
	if p.panicked != nil {
		panic(p.panicked)
	}
}

// closePulls closes the open iterators, the newest first, as part of a task.
func (l *Loop) closePulls(ctx context.Context) error {
	for l.pulls != nil {
		p := l.pulls
		err := p.close(ctx)
		if _, ok := asCancelled(err); ok || p.state == pullRunning {
			return err
		}
		if err != nil {
			l.CallExceptionHandler(ExceptionContext{Message: "closing an Iterator that was left open failed", Err: err})
		}
		if p.state != pullEnded {
			p.abandon()
		}
	}
	return nil
}

// pullContext is the context of the body of an iteration: that of the Next or Close in
// progress.
type pullContext struct {
	current atomic.Pointer[context.Context]
}

func (c *pullContext) set(ctx context.Context) {
	if old := c.current.Load(); old != nil {
		now, isScope := ctx.(*scope)
		if before, wasScope := (*old).(*scope); isScope && wasScope && now == before {
			return
		}
	}
	c.current.Store(&ctx)
}

func (c *pullContext) ctx() context.Context { return *c.current.Load() }

func (c *pullContext) Deadline() (time.Time, bool) { return c.ctx().Deadline() }
func (c *pullContext) Done() <-chan struct{}       { return c.ctx().Done() }
func (c *pullContext) Err() error                  { return c.ctx().Err() }
func (c *pullContext) Value(key any) any           { return c.ctx().Value(key) }

// String names the context in the text form of contexts derived from it.
func (c *pullContext) String() string { return "aio.Context" }
