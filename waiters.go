package aio

// The common parts of the locks, the queue and other waits inside the package.
//
// A waiter is the future of such a wait: a Sleep, a place in the line for a lock. No
// user ever sees it, so it is reused when the wait is done.
//
// Between the moment at which a waiter is woken and the step of its task, the task may
// be cancelled. Then waitIn returns an error with woken set. The code that woke the
// waiter relies on the task, so before the task returns it must pass on what it was
// woken for: an item, a permit, a place in a queue. Each primitive defines what has to
// be passed on.

import (
	"context"

	"github.com/goaio/aio/internal/goid"
)

// noCopy makes go vet report copies of the struct that contains it. A copy of a lock or
// a queue would have waiters that are never woken.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// waitList is a queue of waiters in the order of arrival. The zero value is empty and
// ready to use.
//
// A waiter that was woken or cancelled stays in the list until its task runs. To avoid
// walking over those again and again, fresh is where the search for a waiter to wake
// begins, and cancelled counts those that have lost their claim.
type waitList struct {
	_          noCopy
	head, tail *waiter
	fresh      *waiter // no waiter before it is pending; nil if none is
	n          int
	cancelled  int // waiters in the list that were cancelled
	// the entry of the primitive that the list belongs to, nil if the primitive is
	// not listed
	entry *resource
}

// push adds w at the end.
func (q *waitList) push(w *waiter) {
	w.list, w.prev = q, q.tail
	if q.tail == nil {
		q.head = w
	} else {
		q.tail.next = w
	}
	q.tail = w
	if q.fresh == nil {
		q.fresh = w
	}
	q.n++
	if q.entry != nil {
		q.entry.wait(1)
	}
}

// remove removes w and reports whether it was still in the list.
func (q *waitList) remove(w *waiter) bool {
	if w.list != q {
		return false
	}
	if w.prev == nil {
		q.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	if q.fresh == w {
		q.fresh = w.next
	}
	if w.state == cancelled {
		q.cancelled--
	}
	w.list, w.prev, w.next = nil, nil, nil
	q.n--
	if q.entry != nil {
		q.entry.wait(-1)
	}
	return true
}

// pop removes the first waiter; it returns nil if there is none.
func (q *waitList) pop() *waiter {
	w := q.head
	if w != nil {
		q.remove(w)
	}
	return w
}

// wakeNext removes the first waiter that was not cancelled from the list and wakes it.
// It reports whether it woke one.
func (q *waitList) wakeNext() bool {
	for q.head != nil {
		if w := q.pop(); w.state == pending {
			w.settle(finished, nil)
			return true
		}
	}
	return false
}

// wakeFirst wakes the first waiter that was neither woken nor cancelled, and leaves it in
// the list until it has run. It reports whether there was one.
func (q *waitList) wakeFirst() bool {
	for q.fresh != nil {
		w := q.fresh
		q.fresh = w.next
		if w.state == pending {
			w.settle(finished, nil)
			return true
		}
	}
	return false
}

// wakeAll wakes all waiters that were neither woken nor cancelled, and leaves them in the
// list.
func (q *waitList) wakeAll() {
	for q.wakeFirst() {
	}
}

// claimed reports whether any waiter in the list was woken or is pending.
func (q *waitList) claimed() bool { return q.n > q.cancelled }

// bound ties a lock or queue to the loop that uses it. Before a task has passed its
// ctx, the lock or queue belongs to the one goroutine that uses it: otherwise a call
// from another goroutine would work in a test, and fail in production as soon as a task
// comes first. A goroutine that runs a loop, or one of its tasks, may take it over.
//
// When its loop is closed, and all tasks of the loop are unwound, the lock or queue
// belongs to no loop again. The tasks that held it no longer exist. When it finds
// outlived set, it releases what they held.
type bound struct {
	loop     *Loop
	user     uintptr // the goroutine that used it first, while there is no loop
	fixed    bool    // the primitive is part of its loop, and ends with the loop
	outlived bool    // the loop that it belonged to was closed
}

// enter is like the function enter, for a method of the primitive.
func (b *bound) enter(ctx context.Context, call string) (caller, error) {
	c, err := enter(ctx, call)
	if err != nil {
		return c, err
	}
	if l := c.fut.loop; b.loop != l {
		if b.loop != nil {
			if !b.loop.closed.Load() {
				return c, &callError{call, ErrOtherLoop}
			}
			b.letGo()
		}
		b.loop = l
	}
	return c, nil
}

// letGo forgets the loop.
func (b *bound) letGo() { b.loop, b.user, b.outlived = nil, 0, true }

// check panics unless the caller may use the primitive.
func (b *bound) check(call string) {
	if b.loop == nil || !b.loop.runsHere() {
		if err := b.claim(call); err != nil {
			panic(err)
		}
	}
}

// checked is like check, for a call with an error result.
func (b *bound) checked(call string) error {
	if b.loop == nil || !b.loop.runsHere() {
		return b.claim(call)
	}
	return nil
}

// claim is like checked, for the unusual cases: there is no loop, it does not run, or
// another goroutine holds its token.
func (b *bound) claim(call string) error {
	if b.loop != nil {
		if !b.loop.holds() {
			return b.loop.wrongGoroutine(call)
		}
		if b.fixed || !b.loop.closed.Load() {
			return nil
		}
		b.letGo()
	}
	if b.user == 0 {
		b.user = goid.Current()
		return nil
	}
	if user, running := goid.Holder(&b.user); user != running {
		if b.loop = loopRunBy(running); b.loop == nil {
			return &callError{call, ErrWrongGoroutine}
		}
	}
	return nil
}

// failAll wakes all waiters that were neither woken nor cancelled with err, which may be
// nil, and leaves them in the list.
func (q *waitList) failAll(err error) {
	if err == nil {
		q.wakeAll()
		return
	}
	for ; q.fresh != nil; q.fresh = q.fresh.next {
		if w := q.fresh; w.state == pending {
			w.errRetrieved = true // retrieved by the waiting task
			w.settle(failed, err)
		}
	}
}
