package aio

// A queue wakes at most one getter for each item put and one putter for each item
// taken. A woken task has not taken anything yet: it checks again when it runs, and may
// find that another task was faster. A task that was woken and then cancelled wakes the
// next in line, so no wake-up is lost; one that was cancelled first has none to pass
// on.

import (
	"cmp"
	"context"
	"errors"
	"iter"
)

var (
	// ErrQueueEmpty is the error of [Queue.GetNowait] when there is no item.
	// (asyncio: QueueEmpty)
	ErrQueueEmpty = errors.New("aio: queue is empty")
	// ErrQueueFull is the error of [Queue.PutNowait] when there is no room.
	// (asyncio: QueueFull)
	ErrQueueFull = errors.New("aio: queue is full")
	// ErrQueueShutDown says that the queue was shut down: it accepts no more items,
	// or has no more items to return. (asyncio: QueueShutDown)
	ErrQueueShutDown = errors.New("aio: queue is shut down")
)

// Queue passes items between tasks. [NewQueue], [NewLifoQueue], [NewPriorityQueue] or
// [NewOrderedQueue] decides the order in which items are returned. The zero value is a
// NewQueue without a limit. Tasks that wait to put or to get are served in the order in
// which they came.
//
// A queue belongs to the loop whose task waits first, or first passes its ctx; its
// methods fail with [ErrWrongGoroutine] (those without an error result panic) when the
// calling goroutine does not hold the token of that loop. To exchange items with other
// goroutines use channels, with [Receive] and [Send]. Once its loop is closed another
// loop may use it: it finds the items that are left, and Join waits for those alone. A
// queue must not be copied.
//
// (asyncio: Queue, LifoQueue, PriorityQueue)
type Queue[T any] struct {
	bound
	items      ring[T]
	heap       []T               // used instead of items, if less is set
	less       func(a, b T) bool // order of a priority queue
	lifo       bool
	isShutDown bool
	max        int
	unfinished int
	getters    waitList
	putters    waitList
	joiners    waitList
}

// enter calls bound.enter, and renews the queue.
func (q *Queue[T]) enter(ctx context.Context, call string) (caller, error) {
	c, err := q.bound.enter(ctx, call)
	if q.outlived {
		q.renew()
	}
	return c, err
}

// check calls bound.check, and renews the queue.
func (q *Queue[T]) check(call string) {
	q.bound.check(call)
	if q.outlived {
		q.renew()
	}
}

// checked is like check, for a call with an error result.
func (q *Queue[T]) checked(call string) error {
	if q.loop != nil && q.loop.runsHere() {
		return nil
	}
	err := q.claim(call)
	if q.outlived {
		q.renew()
	}
	return err
}

// renew no longer counts the items that were taken in a loop that is closed: no task
// can call TaskDone for them.
func (q *Queue[T]) renew() {
	q.outlived = false
	q.unfinished = q.size()
}

// NewQueue returns a queue that returns its items in the order in which they were put.
// It holds up to maxsize items, or any number if maxsize is zero or negative.
func NewQueue[T any](maxsize int) *Queue[T] { return &Queue[T]{max: maxsize} }

// NewLifoQueue returns a queue that returns its newest item first. (asyncio: LifoQueue)
func NewLifoQueue[T any](maxsize int) *Queue[T] { return &Queue[T]{max: maxsize, lifo: true} }

// NewPriorityQueue returns a queue that returns its least item first, by a comparison
// function like those of package slices: it is negative if a is less than b. Equal
// items are returned in the order in which asyncio would return them, which is not the
// order in which they were put: if that matters, compare a sequence number too.
//
// (asyncio: PriorityQueue)
func NewPriorityQueue[T any](maxsize int, compare func(a, b T) int) *Queue[T] {
	if compare == nil {
		misuse("NewPriorityQueue", "the comparison function is nil")
	}
	return &Queue[T]{max: maxsize, less: func(a, b T) bool { return compare(a, b) < 0 }}
}

// NewOrderedQueue is [NewPriorityQueue] for a type with a natural order.
func NewOrderedQueue[T cmp.Ordered](maxsize int) *Queue[T] {
	return &Queue[T]{max: maxsize, less: cmp.Less[T]}
}

// QSize returns the number of items in the queue. (asyncio: Queue.qsize)
func (q *Queue[T]) QSize() int {
	q.check("Queue.QSize")
	return q.size()
}

func (q *Queue[T]) size() int {
	if q.less != nil {
		return len(q.heap)
	}
	return q.items.n
}

// MaxSize returns the maximum number of items; zero or negative means no limit.
// (asyncio: Queue.maxsize)
func (q *Queue[T]) MaxSize() int { return q.max }

// Empty reports whether there are no items. (asyncio: Queue.empty)
func (q *Queue[T]) Empty() bool {
	q.check("Queue.Empty")
	return q.size() == 0
}

// Full reports whether there is no room for another item. (asyncio: Queue.full)
func (q *Queue[T]) Full() bool {
	q.check("Queue.Full")
	return q.full()
}

func (q *Queue[T]) full() bool { return q.max > 0 && q.size() >= q.max }

// Put adds an item. It suspends only while the queue is full.
//
// If it is cancelled, the item was not added and the task's place in line is lost. The
// error is [ErrQueueShutDown], a [*CancelledError], or one of those of [Future.Await].
//
// (asyncio: Queue.put)
func (q *Queue[T]) Put(ctx context.Context, item T) error {
	e, err := q.enter(ctx, "Queue.Put")
	if err != nil {
		return err
	}
	if e.fut.loop.observed != nil {
		q.list(e.fut.loop)
	}
	for q.full() {
		if q.isShutDown {
			return ErrQueueShutDown
		}
		if woken, err := e.waitIn(&q.putters, "Queue.Put"); err != nil {
			if woken && !q.full() {
				q.putters.wakeNext()
			}
			return err
		}
	}
	return q.put(item)
}

// PutNowait adds an item or returns [ErrQueueFull] or [ErrQueueShutDown]. It never
// awaits. (asyncio: Queue.put_nowait)
func (q *Queue[T]) PutNowait(item T) error {
	if err := q.checked("Queue.PutNowait"); err != nil {
		return err
	}
	return q.put(item)
}

func (q *Queue[T]) put(item T) error {
	switch {
	case q.isShutDown:
		return ErrQueueShutDown
	case q.full():
		return ErrQueueFull
	case q.less != nil:
		q.heap = heapPush(q.heap, item, q.less)
	default:
		q.items.push(item)
	}
	q.unfinished++
	if r := q.getters.entry; r != nil {
		r.now(q.size())
	}
	q.getters.wakeNext()
	return nil
}

// Get removes and returns an item. It suspends only while the queue is empty.
//
// If it is cancelled, no item was taken and the task's place in line is lost. The error
// is [ErrQueueShutDown], a [*CancelledError], or one of those of [Future.Await].
//
// (asyncio: Queue.get)
func (q *Queue[T]) Get(ctx context.Context) (T, error) {
	var zero T
	e, err := q.enter(ctx, "Queue.Get")
	if err != nil {
		return zero, err
	}
	if e.fut.loop.observed != nil {
		q.list(e.fut.loop)
	}
	for q.size() == 0 {
		if q.isShutDown {
			return zero, ErrQueueShutDown
		}
		if woken, err := e.waitIn(&q.getters, "Queue.Get"); err != nil {
			if woken && q.size() > 0 {
				q.getters.wakeNext()
			}
			return zero, err
		}
	}
	return q.get()
}

// GetNowait removes and returns an item. Otherwise it returns [ErrQueueEmpty], or
// [ErrQueueShutDown] if there will be no further item. It never awaits. (asyncio:
// Queue.get_nowait)
func (q *Queue[T]) GetNowait() (T, error) {
	if err := q.checked("Queue.GetNowait"); err != nil {
		var zero T
		return zero, err
	}
	return q.get()
}

func (q *Queue[T]) get() (item T, err error) {
	if q.size() == 0 {
		if q.isShutDown {
			return item, ErrQueueShutDown
		}
		return item, ErrQueueEmpty
	}
	item = q.take()
	q.putters.wakeNext()
	return item, nil
}

// take removes the next item.
func (q *Queue[T]) take() (item T) {
	switch {
	case q.less != nil:
		q.heap, item = heapPop(q.heap, q.less)
	case q.lifo:
		item = q.items.popBack()
	default:
		item = q.items.pop()
	}
	if r := q.getters.entry; r != nil {
		r.now(q.size())
	}
	return item
}

// list gives the queue an entry among the resources of l.
func (q *Queue[T]) list(l *Loop) {
	listResource(l, q, func() Resource {
		return Resource{Kind: "Queue", Value: q.size(), Limit: max(q.max, 0)}
	}, &q.getters, &q.putters, &q.joiners)
}

// All iterates over the items until the queue is shut down and, unless the shutdown was
// immediate, empty. It suspends as [Queue.Get] does. If Get fails for another reason,
// All yields that error and ends.
func (q *Queue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			item, err := q.Get(ctx)
			if err == ErrQueueShutDown || !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// TaskDone says that an item from the queue has been processed. It never awaits. More
// calls than items are misuse: TaskDone panics with [ErrOverRelease]. (asyncio:
// Queue.task_done)
func (q *Queue[T]) TaskDone() {
	q.check("Queue.TaskDone")
	if q.unfinished <= 0 {
		panic(usagef("Queue.TaskDone", "called more often than there were items").as(ErrOverRelease))
	}
	q.unfinished--
	if q.unfinished == 0 {
		q.joiners.wakeAll()
	}
}

// Join suspends the calling task until every item has been processed, as
// [Queue.TaskDone] reports. If that is the case already, it does not suspend. (asyncio:
// Queue.join)
func (q *Queue[T]) Join(ctx context.Context) error {
	e, err := q.enter(ctx, "Queue.Join")
	if err != nil || q.unfinished == 0 {
		return err
	}
	_, err = e.waitIn(&q.joiners, "Queue.Join")
	return err
}

// Shutdown makes Put fail from now on, and Get once the queue is empty. All tasks that
// wait to put or get check again. If immediate is set the items are dropped, and count
// as processed for Join. Shutdown never awaits, and may be called again.
//
// (asyncio: Queue.shutdown)
func (q *Queue[T]) Shutdown(immediate bool) {
	q.check("Queue.Shutdown")
	q.isShutDown = true
	if immediate {
		for q.size() > 0 {
			q.take()
			if q.unfinished > 0 {
				q.unfinished--
			}
		}
		if q.unfinished == 0 {
			q.joiners.wakeAll()
		}
	}
	for q.getters.wakeNext() {
	}
	for q.putters.wakeNext() {
	}
}
