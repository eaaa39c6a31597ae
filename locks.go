package aio

// Every lock is passed on in two steps, as in asyncio: Release wakes the first task in
// line, and that task takes the lock when it runs. In between no other task may take
// the lock, so a task that finds it free while others are in line waits behind them.

import (
	"context"
	"errors"
)

// ErrBrokenBarrier says that a [Barrier] was aborted, or reset while the task waited at
// it. (asyncio: BrokenBarrierError)
var ErrBrokenBarrier = errors.New("aio: barrier is broken")

// Lock is held by one task at a time. It is for sections that await: between two awaits
// no other task runs, so state that is read and changed there needs no lock. Any task
// may release it. Tasks get it in the order in which they requested it. The zero value
// is free and ready to use.
//
// Like all locks of this package it belongs to the loop whose task uses it first, and
// its methods fail with [ErrWrongGoroutine] (those without an error result panic) when
// called by a goroutine that does not hold the token of that loop. Between loops, or
// with other goroutines, use sync.Mutex. Once its loop is closed another loop may use
// it, and finds it free.
//
// (asyncio: Lock)
type Lock struct {
	bound
	locked  bool
	waiters waitList
}

// renew frees a lock that was held when its loop was closed.
func (k *Lock) renew() { k.outlived, k.locked = false, false }

// enter calls bound.enter, and renews the lock.
func (k *Lock) enter(ctx context.Context, call string) (caller, error) {
	c, err := k.bound.enter(ctx, call)
	if k.outlived {
		k.renew()
	}
	return c, err
}

// check calls bound.check, and renews the lock.
func (k *Lock) check(call string) {
	k.bound.check(call)
	if k.outlived {
		k.renew()
	}
}

// Acquire takes the lock. It suspends only if the lock is held or other tasks are in
// line. If it is cancelled, the place in line is lost. The error is a [*CancelledError]
// or one of those of [Future.Await]. (asyncio: Lock.acquire)
func (k *Lock) Acquire(ctx context.Context) error {
	e, err := k.bound.enter(ctx, "Lock.Acquire")
	if err != nil {
		return err
	}
	if k.outlived { // the code of enter, inlined by hand
		k.renew()
	}
	// the fast path of acquire, inlined by hand
	if !k.locked && !k.waiters.claimed() && e.fut.loop.observed == nil {
		k.locked = true
		return nil
	}
	return k.acquire(e)
}

// acquire is like Acquire, for a caller that has entered.
func (k *Lock) acquire(c caller) error {
	if c.fut.loop.observed != nil {
		listResource(c.fut.loop, k, k.resource, &k.waiters)
	}
	if k.locked || k.waiters.claimed() {
		if _, err := c.waitIn(&k.waiters, "Lock.Acquire"); err != nil {
			if !k.locked {
				k.wake()
			}
			return err
		}
	}
	k.locked = true
	if r := k.waiters.entry; r != nil {
		r.held(c.task)
	}
	return nil
}

// resource returns the state of the lock when the loop begins to list it.
func (k *Lock) resource() Resource { return Resource{Kind: "Lock", Value: oneIf(k.locked)} }

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Release frees the lock, and wakes the first task in line. It never awaits. Releasing
// a lock that is free is misuse: it panics with [ErrNotLocked]. (asyncio: Lock.release)
func (k *Lock) Release() {
	k.check("Lock.Release")
	if !k.locked {
		if k.loop != nil && k.loop.closed.Load() {
			// called by a task that was unwound in Condition.Wait, and
			// could not take the lock again
			return
		}
		panic(usagef("Lock.Release", "the lock is not held").as(ErrNotLocked))
	}
	k.locked = false
	if r := k.waiters.entry; r != nil {
		r.held(nil)
	}
	k.wake()
}

// wake wakes the first in line, unless it is awake already.
func (k *Lock) wake() {
	if w := k.waiters.head; w != nil {
		w.wake()
	}
}

// Locked reports whether the lock is held. (asyncio: Lock.locked)
func (k *Lock) Locked() bool {
	k.check("Lock.Locked")
	return k.locked
}

// With runs body while holding the lock. (asyncio: async with lock)
func (k *Lock) With(ctx context.Context, body func(ctx context.Context) error) error {
	if body == nil {
		return usagef("Lock.With", "the body is nil")
	}
	if err := k.Acquire(ctx); err != nil {
		return err
	}
	defer k.Release()
	return body(ctx)
}

// Event is a flag that tasks can wait for. The zero value is not set. (asyncio: Event)
type Event struct {
	bound
	set     bool
	waiters waitList
}

// Set sets the flag and wakes all tasks that wait for it, in the order in which they
// came. They continue even if the flag is cleared before they run. It never awaits.
// (asyncio: Event.set)
func (v *Event) Set() {
	v.check("Event.Set")
	if !v.set {
		v.set = true
		if r := v.waiters.entry; r != nil {
			r.now(1)
		}
		v.waiters.wakeAll()
	}
}

// Clear clears the flag. (asyncio: Event.clear)
func (v *Event) Clear() {
	v.check("Event.Clear")
	v.set = false
	if r := v.waiters.entry; r != nil {
		r.now(0)
	}
}

// IsSet reports whether the flag is set. (asyncio: Event.is_set)
func (v *Event) IsSet() bool {
	v.check("Event.IsSet")
	return v.set
}

// Wait suspends the calling task until the flag is set. If it is set already it does
// not suspend. The error is a [*CancelledError] or one of those of [Future.Await].
// (asyncio: Event.wait)
func (v *Event) Wait(ctx context.Context) error {
	e, err := v.enter(ctx, "Event.Wait")
	if err != nil || v.set {
		return err
	}
	if e.fut.loop.observed != nil {
		listResource(e.fut.loop, v, v.resource, &v.waiters)
	}
	_, err = e.waitIn(&v.waiters, "Event.Wait")
	return err
}

func (v *Event) resource() Resource { return Resource{Kind: "Event", Value: oneIf(v.set)} }

// Condition lets tasks wait until another task notifies them of a change, under a lock
// that protects the changed state. The zero value has a lock of its own. (asyncio:
// Condition)
type Condition struct {
	lock    *Lock // nil means own
	own     Lock
	waiters waitList
}

// NewCondition returns a condition that uses lock, or a lock of its own if lock is nil.
func NewCondition(lock *Lock) *Condition { return &Condition{lock: lock} }

func (c *Condition) l() *Lock {
	if c.lock != nil {
		return c.lock
	}
	return &c.own
}

// Acquire takes the condition's lock. (asyncio: Condition.acquire)
func (c *Condition) Acquire(ctx context.Context) error { return c.l().Acquire(ctx) }

// Release frees the condition's lock. (asyncio: Condition.release)
func (c *Condition) Release() { c.l().Release() }

// Locked reports whether the condition's lock is held. (asyncio: Condition.locked)
func (c *Condition) Locked() bool { return c.l().Locked() }

// With runs body while holding the condition's lock. (asyncio: async with condition)
func (c *Condition) With(ctx context.Context, body func(ctx context.Context) error) error {
	return c.l().With(ctx, body)
}

// Wait releases the lock, suspends the calling task until it is notified, and takes the
// lock again. The state may have changed before the lock is held again: check it, or
// use [Condition.WaitFor].
//
// If Wait is cancelled it takes the lock again before it returns, so the cancellation
// may take longer. A task that was notified and then cancelled passes the notification
// on. Calling Wait without the lock is misuse, with [ErrNotLocked]. Otherwise the error
// is a [*CancelledError] or one of those of [Future.Await].
//
// (asyncio: Condition.wait)
func (c *Condition) Wait(ctx context.Context) error {
	lock := c.l()
	e, err := lock.enter(ctx, "Condition.Wait")
	if err != nil {
		return err
	}
	if !lock.locked {
		return notHeld("Condition.Wait")
	}
	if e.fut.loop.observed != nil {
		listResource(e.fut.loop, c, c.resource, &c.waiters)
	}
	lock.Release()
	_, err = e.waitIn(&c.waiters, "Condition.Wait")
	for {
		e, again := lock.enter(ctx, callLockAgain)
		if again == nil {
			// otherwise a context that has ended would end each try at once
			e.endCtx = nil
			again = lock.acquire(e)
		}
		if again == nil {
			break
		}
		err = again
		if _, ok := asCancelled(again); !ok {
			break // the loop is closed
		}
	}
	if err != nil {
		c.notify(1)
	}
	return err
}

func (c *Condition) resource() Resource { return Resource{Kind: "Condition"} }

// WaitFor calls [Condition.Wait] until predicate returns true, and not at all if
// predicate returns true at once. (asyncio: Condition.wait_for)
func (c *Condition) WaitFor(ctx context.Context, predicate func() bool) error {
	const call = "Condition.WaitFor"
	if predicate == nil {
		return usagef(call, "the predicate is nil")
	}
	if _, err := c.l().enter(ctx, call); err != nil {
		return err
	}
	if !c.l().locked {
		return notHeld(call)
	}
	for !predicate() {
		if err := c.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Notify wakes the first n waiting tasks, or all if there are fewer. They continue one
// by one, when the caller has released the lock. It never awaits. Calling it without
// the lock is misuse: it panics with [ErrNotLocked]. (asyncio: Condition.notify)
func (c *Condition) Notify(n int) {
	c.held("Condition.Notify")
	c.notify(n)
}

// NotifyAll wakes all waiting tasks, as [Condition.Notify] does. (asyncio:
// Condition.notify_all)
func (c *Condition) NotifyAll() {
	c.held("Condition.NotifyAll")
	c.notify(c.waiters.n)
}

func (c *Condition) notify(n int) {
	for ; n > 0 && c.waiters.wakeFirst(); n-- {
	}
}

// held panics if the caller may not use the condition, or the lock is free.
func (c *Condition) held(call string) {
	c.l().check(call)
	if !c.l().locked {
		panic(notHeld(call))
	}
}

func notHeld(call string) error { return usagef(call, "the lock is not held").as(ErrNotLocked) }

// Semaphore has a number of permits. Tasks get them in the order in which they
// requested them. [NewSemaphore] makes one; the zero value has no permits until Release
// adds some.
//
// When its loop is closed, another loop may use it. The permits that tasks of the closed
// loop had taken are back then: it has as many as it was made with, or more if more were
// released. (asyncio: Semaphore)
type Semaphore struct {
	bound
	value   int
	made    int  // the initial number of permits
	bounded bool // there may not be more
	waiters waitList
}

// enter calls bound.enter, and renews the semaphore.
func (s *Semaphore) enter(ctx context.Context, call string) (caller, error) {
	c, err := s.bound.enter(ctx, call)
	if s.outlived {
		s.renew()
	}
	return c, err
}

// check calls bound.check, and renews the semaphore.
func (s *Semaphore) check(call string) {
	s.bound.check(call)
	if s.outlived {
		s.renew()
	}
}

// renew takes back the permits of the tasks that ended with their loop.
func (s *Semaphore) renew() {
	s.outlived = false
	s.value = max(s.value, s.made)
	s.changed()
}

// NewSemaphore returns a semaphore with n permits. It panics with [ErrUsage] if n is
// negative.
func NewSemaphore(n int) *Semaphore {
	if n < 0 {
		misuse("NewSemaphore", "%d permits", n)
	}
	return &Semaphore{value: n, made: n}
}

// NewBoundedSemaphore returns a semaphore with n permits whose Release panics if there
// would be more than n permits. It panics with [ErrUsage] if n is negative. (asyncio:
// BoundedSemaphore)
func NewBoundedSemaphore(n int) *Semaphore {
	s := NewSemaphore(n)
	s.bounded = true
	return s
}

// Acquire takes a permit. It suspends only if there is none, or other tasks are in
// line. If it is cancelled, the place in line is lost, and a permit that was reserved
// for the task goes to the next one. The error is a [*CancelledError] or one of those
// of [Future.Await].
//
// (asyncio: Semaphore.acquire)
func (s *Semaphore) Acquire(ctx context.Context) error {
	e, err := s.enter(ctx, "Semaphore.Acquire")
	if err != nil {
		return err
	}
	if e.fut.loop.observed != nil {
		listResource(e.fut.loop, s, s.resource, &s.waiters)
	}
	if !s.busy() {
		s.value--
		s.changed()
		return nil
	}
	woken, err := e.waitIn(&s.waiters, "Semaphore.Acquire")
	if err != nil && woken {
		s.value++
	}
	// Permits may have been released for tasks that had to stay in line behind this
	// one.
	for s.value > 0 && s.grant() {
	}
	s.changed()
	return err
}

func (s *Semaphore) resource() Resource {
	r := Resource{Kind: "Semaphore", Value: s.value}
	if s.bounded {
		r.Limit = s.made
	}
	return r
}

// changed updates the entry of the semaphore, if it is listed.
func (s *Semaphore) changed() {
	if r := s.waiters.entry; r != nil {
		r.now(s.value)
	}
}

// Release returns a permit, and wakes the first task in line with it. It never awaits,
// and any task may call it. For a bounded semaphore with all of its permits it is
// misuse: it panics with [ErrOverRelease]. (asyncio: Semaphore.release)
func (s *Semaphore) Release() {
	s.check("Semaphore.Release")
	if s.bounded && s.value >= s.made {
		panic(usagef("Semaphore.Release", "released more often than acquired").as(ErrOverRelease))
	}
	s.value++
	s.grant()
	s.changed()
}

// grant gives a permit to the first task in line, and reports whether there was one.
func (s *Semaphore) grant() bool {
	if s.waiters.wakeFirst() {
		s.value--
		return true
	}
	return false
}

// Locked reports whether Acquire would have to wait. (asyncio: Semaphore.locked)
func (s *Semaphore) Locked() bool {
	s.check("Semaphore.Locked")
	return s.busy()
}

func (s *Semaphore) busy() bool { return s.value == 0 || s.waiters.claimed() }

// With runs body while holding a permit. (asyncio: async with semaphore)
func (s *Semaphore) With(ctx context.Context, body func(ctx context.Context) error) error {
	if body == nil {
		return usagef("Semaphore.With", "the body is nil")
	}
	if err := s.Acquire(ctx); err != nil {
		return err
	}
	defer s.Release()
	return body(ctx)
}

type barrierState uint8

const (
	filling barrierState = iota
	draining
	resetting
	broken
)

// Barrier holds tasks until a given number of them wait, and then lets all continue.
// [NewBarrier] makes one. It can be used again. (asyncio: Barrier)
type Barrier struct {
	cond    Condition
	parties int
	state   barrierState
	count   int // number of tasks at the barrier
}

// NewBarrier returns a barrier for the given number of tasks. It panics if that is less
// than 1.
func NewBarrier(parties int) *Barrier {
	if parties < 1 {
		misuse("NewBarrier", "%d parties", parties)
	}
	return &Barrier{parties: parties}
}

// Wait suspends the calling task until Parties tasks wait, and returns the number of
// tasks that were waiting when it was called. The last task, which is not suspended, gets
// Parties-1, and no other task of the round does. If no Wait of the round is cancelled,
// each index from 0 to Parties-1 is returned once. A cancelled Wait does not count: later
// tasks may then get an index that another task has, and none may get 0. To choose one
// task of a round, choose the last one.
//
// If the tasks of the previous round are still leaving, it first waits until they have
// left. The error is [ErrBrokenBarrier], a [*CancelledError], or one of those of
// [Future.Await]. (asyncio: Barrier.wait)
func (b *Barrier) Wait(ctx context.Context) (index int, err error) {
	err = b.cond.With(ctx, func(ctx context.Context) error {
		if err := b.cond.WaitFor(ctx, func() bool { return b.state != draining && b.state != resetting }); err != nil {
			return err
		}
		if b.state == broken {
			return ErrBrokenBarrier
		}
		index = b.count
		b.count++
		defer b.leave()
		if b.count == b.parties {
			b.state = draining
			b.cond.NotifyAll()
			return nil
		}
		if err := b.cond.WaitFor(ctx, func() bool { return b.state != filling }); err != nil {
			return err
		}
		if b.state == broken || b.state == resetting {
			return ErrBrokenBarrier
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return index, nil
}

// leave counts a task that leaves. The last one opens the barrier for the next round.
func (b *Barrier) leave() {
	b.count--
	if b.count == 0 {
		if b.state == resetting || b.state == draining {
			b.state = filling
		}
		b.cond.NotifyAll()
	}
}

// Reset makes the waiting tasks fail with [ErrBrokenBarrier], and resets the barrier.
// It may suspend for the barrier's lock. (asyncio: Barrier.reset)
func (b *Barrier) Reset(ctx context.Context) error {
	return b.cond.With(ctx, func(context.Context) error {
		if b.count > 0 {
			b.state = resetting
		} else {
			b.state = filling
		}
		b.cond.NotifyAll()
		return nil
	})
}

// Abort makes the waiting tasks, and all later ones, fail with [ErrBrokenBarrier],
// until Reset. It may suspend for the barrier's lock. (asyncio: Barrier.abort)
func (b *Barrier) Abort(ctx context.Context) error {
	return b.cond.With(ctx, func(context.Context) error {
		b.state = broken
		b.cond.NotifyAll()
		return nil
	})
}

// With waits at the barrier and then runs body, which gets the index of Wait.
// (asyncio: async with barrier)
func (b *Barrier) With(ctx context.Context, body func(ctx context.Context, index int) error) error {
	if body == nil {
		return usagef("Barrier.With", "the body is nil")
	}
	i, err := b.Wait(ctx)
	if err != nil {
		return err
	}
	return body(ctx, i)
}

// Parties returns the number of tasks for which the barrier waits. (asyncio:
// Barrier.parties)
func (b *Barrier) Parties() int { return b.parties }

// NWaiting returns the number of tasks that wait while the barrier fills. (asyncio:
// Barrier.n_waiting)
func (b *Barrier) NWaiting() int {
	b.cond.own.check("Barrier.NWaiting")
	if b.state != filling {
		return 0
	}
	return b.count
}

// Broken reports whether the barrier was aborted. (asyncio: Barrier.broken)
func (b *Barrier) Broken() bool {
	b.cond.own.check("Barrier.Broken")
	return b.state == broken
}
