package aio

// A cancelled timer stays in the heap, marked, until it comes to the top or until most
// of the heap is such timers: so cancelling is cheap, and nearly all timeouts are
// cancelled.

import "time"

// minTimersToPrune is the size from which the heap is rebuilt when more than half of its
// timers are cancelled.
const minTimersToPrune = 100

// timers is owned by the token.
type timers struct {
	heap      []timer
	cancelled int // how many timers in the heap are cancelled, at most
	free      *TimerHandle
	nFree     int
}

// timer is an entry of the heap.
type timer struct {
	when time.Duration
	h    *TimerHandle
}

func earlier(a, b timer) bool { return a.when < b.when }

// TimerHandle is a callback scheduled for a time. (asyncio: TimerHandle)
type TimerHandle struct {
	Handle
	when   time.Duration
	queued bool // the timer is in the heap
	// the handle goes to the free list when it has left the heap and the ready
	// queue
	pooled bool
	target timerTarget  // used by timers of the package instead of fn
	next   *TimerHandle // links the free list
}

// timerTarget is the receiver of a timer of the package itself. It needs no closure.
type timerTarget interface{ due() }

// When returns the time at which the callback is due. (asyncio: TimerHandle.when)
func (h *TimerHandle) When() time.Time {
	h.loop.check("TimerHandle.When")
	return h.loop.at(h.when)
}

// Cancel keeps the callback from running. Calling it again does nothing. (asyncio:
// TimerHandle.cancel)
func (h *TimerHandle) Cancel() {
	h.loop.check("TimerHandle.Cancel")
	h.cancel()
}

func (h *TimerHandle) cancel() {
	if h.done {
		return
	}
	h.done = true
	h.fn = nil
	if h.queued {
		h.loop.timers.cancelled++
	}
}

// String names the callback's function; a timer of the package itself is called Timer.
func (h *TimerHandle) String() string {
	if h.target != nil {
		return "Timer"
	}
	return h.Handle.String()
}

// run implements runnable.
func (h *TimerHandle) run(*future) {
	if h.fn != nil {
		h.fn()
		return
	}
	if h.target != nil && !h.done {
		h.target.due()
	}
	if h.pooled {
		h.release()
	}
}

// release puts a timer on the free list.
func (h *TimerHandle) release() {
	ts := &h.loop.timers
	h.target = nil
	if ts.nFree < maxIdle {
		h.next, ts.free = ts.free, h
		ts.nFree++
	}
}

// wakeAt schedules target for a time, with a timer that must not be used once it was
// due.
func (l *Loop) wakeAt(when time.Duration, target timerTarget) *TimerHandle {
	h := l.timers.free
	if h != nil {
		l.timers.free = h.next
		l.timers.nFree--
		h.next, h.done = nil, false
	} else {
		h = &TimerHandle{Handle: Handle{loop: l}, pooled: true}
	}
	h.target = target
	l.addTimer(h, when)
	return h
}

func (l *Loop) addTimer(h *TimerHandle, when time.Duration) {
	h.when = when
	h.queued = true
	l.timers.heap = heapPush(l.timers.heap, timer{when, h}, earlier)
}

// CallLater calls fn when d has passed: not before that by the loop's time. A negative
// d is in the past and comes before everything that is due now. All that is due in one
// pass runs in the order of the times, after everything that was ready; equal times
// have no defined order; their actual order is that of asyncio. It never awaits and
// panics with [ErrLoopClosed] if the loop is closed.
//
// (asyncio: loop.call_later)
func (l *Loop) CallLater(d time.Duration, fn func()) *TimerHandle {
	return l.callAt("Loop.CallLater", l.after(d), fn)
}

// CallAt is [Loop.CallLater] with an absolute time, in terms of [Loop.Time]. (asyncio:
// loop.call_at)
func (l *Loop) CallAt(when time.Time, fn func()) *TimerHandle {
	if when.IsZero() {
		misuse("Loop.CallAt", "the time is zero")
	}
	return l.callAt("Loop.CallAt", l.since(when), fn)
}

func (l *Loop) callAt(call string, when time.Duration, fn func()) *TimerHandle {
	l.check(call)
	l.mustBeOpen(call)
	h := &TimerHandle{}
	h.init(l, call, fn)
	l.addTimer(h, when)
	return h
}

// prune drops cancelled timers from the heap.
func (ts *timers) prune() {
	if ts.cancelled == 0 {
		return
	}
	if n := len(ts.heap); n > minTimersToPrune && 2*ts.cancelled > n {
		live := ts.heap[:0]
		for _, t := range ts.heap {
			if t.h.done {
				t.h.dropped()
			} else {
				live = append(live, t)
			}
		}
		clear(ts.heap[len(live):])
		ts.heap = live
		heapify(ts.heap, earlier)
		ts.cancelled = 0
		return
	}
	for len(ts.heap) > 0 && ts.heap[0].h.done {
		ts.pop().dropped()
		ts.cancelled--
	}
}

// pop removes the first timer from the heap.
func (ts *timers) pop() *TimerHandle {
	var t timer
	ts.heap, t = heapPop(ts.heap, earlier)
	if len(ts.heap) == 0 && cap(ts.heap) > maxSpare {
		ts.heap = nil
	}
	t.h.queued = false
	return t.h
}

// dropped records that a cancelled timer has left the heap.
func (h *TimerHandle) dropped() {
	h.queued = false
	if h.pooled {
		h.release()
	}
}

// expire moves due timers to the ready queue.
func (l *Loop) expire() {
	ts := &l.timers
	now := l.now()
	for len(ts.heap) > 0 && ts.heap[0].when <= now {
		// A cancelled one is still counted: asyncio does so, and therefore
		// rebuilds its heap sooner than the fraction says, which changes the
		// order of equal timers.
		if l.observed != nil && !ts.heap[0].h.done {
			l.observed.timerLate(now - ts.heap[0].when)
		}
		l.enqueue(ts.pop())
	}
}

// stopTimer cancels a timer, if there is one, and drops it and its target: the target
// may be reused in the next pass.
func stopTimer(timer **TimerHandle) {
	if h := *timer; h != nil {
		h.cancel()
		h.target = nil
		*timer = nil
	}
}
