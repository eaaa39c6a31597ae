package aio

// A queue wakes at most one getter for each item put and one putter for each item taken.
// Who is woken takes nothing yet: it looks again when its turn comes, and may find that
// somebody was quicker. One that was woken and then cancelled wakes the next in line in
// its place, so that no wake-up is lost; one that was cancelled first has no claim to
// pass on.

import (
	"cmp"
	"context"
	"errors"
	"iter"
)

var (
	// ErrQueueEmpty says that GetNowait found nothing. (asyncio: QueueEmpty)
	ErrQueueEmpty = errors.New("aio: queue is empty")
	// ErrQueueFull says that PutNowait found no free place. (asyncio: QueueFull)
	ErrQueueFull = errors.New("aio: queue is full")
	// ErrQueueShutDown says that the queue takes no more items, or has no more to
	// give. (asyncio: QueueShutDown)
	ErrQueueShutDown = errors.New("aio: queue is shut down")
)

// Queue hands items from tasks to tasks. What order they come out in depends on how it
// was made: NewQueue, NewLifoQueue, NewPriorityQueue or NewOrderedQueue. The zero value
// is a NewQueue without a limit. Tasks that wait to put or to get have their turn in the
// order in which they came.
//
// A queue belongs to the loop whose task waits first, or first passes its ctx; its
// methods panic with ErrWrongGoroutine when called by a goroutine that does not hold the
// token of that loop. To hand items to or from other goroutines use channels, with
// Receive and Send. It must not be copied. (asyncio: Queue, LifoQueue, PriorityQueue)
type Queue[T any] struct {
	bound
	items      ring[T]
	heap       []T               // in place of items, if less is set
	less       func(a, b T) bool // order of a priority queue
	lifo       bool
	shut       bool
	max        int
	unfinished int
	getters    waitList
	putters    waitList
	joiners    waitList
}

// NewQueue returns a queue whose items come out in the order in which they went in. It
// holds up to maxsize items, or any number if maxsize is zero or negative.
func NewQueue[T any](maxsize int) *Queue[T] { return &Queue[T]{max: maxsize} }

// NewLifoQueue returns a queue whose newest item comes out first. (asyncio: LifoQueue)
func NewLifoQueue[T any](maxsize int) *Queue[T] { return &Queue[T]{max: maxsize, lifo: true} }

// NewPriorityQueue returns a queue whose least item comes out first, by a comparison
// function as those of package slices: it is negative if a is less than b. Equal items
// come out in the order in which asyncio would give them, which is not that in which they
// went in: where that matters, compare a sequence number too. (asyncio: PriorityQueue)
func NewPriorityQueue[T any](maxsize int, compare func(a, b T) int) *Queue[T] {
	if compare == nil {
		misuse("NewPriorityQueue", "the comparison function is nil")
	}
	return &Queue[T]{max: maxsize, less: func(a, b T) bool { return compare(a, b) < 0 }}
}

// NewOrderedQueue is NewPriorityQueue for a type that has an order of its own.
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

// MaxSize returns how many items the queue holds at most; without a limit it is zero or
// negative. (asyncio: Queue.maxsize)
func (q *Queue[T]) MaxSize() int { return q.max }

// Empty reports whether there are no items. (asyncio: Queue.empty)
func (q *Queue[T]) Empty() bool {
	q.check("Queue.Empty")
	return q.size() == 0
}

// Full reports whether there is no place for another item. (asyncio: Queue.full)
func (q *Queue[T]) Full() bool {
	q.check("Queue.Full")
	return q.full()
}

func (q *Queue[T]) full() bool { return q.max > 0 && q.size() >= q.max }

// Put adds an item. It suspends only while the queue is full. If it is cancelled, nothing
// was added and its place in line is lost. The error is ErrQueueShutDown, a
// *CancelledError, or one of those of Future.Await. (asyncio: Queue.put)
func (q *Queue[T]) Put(ctx context.Context, item T) error {
	e, err := q.enter(ctx, "Queue.Put")
	if err != nil {
		return err
	}
	for q.full() {
		if q.shut {
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

// PutNowait adds an item or returns ErrQueueFull or ErrQueueShutDown. It never awaits.
// (asyncio: Queue.put_nowait)
func (q *Queue[T]) PutNowait(item T) error {
	if err := q.checked("Queue.PutNowait"); err != nil {
		return err
	}
	return q.put(item)
}

func (q *Queue[T]) put(item T) error {
	switch {
	case q.shut:
		return ErrQueueShutDown
	case q.full():
		return ErrQueueFull
	case q.less != nil:
		q.heap = heapPush(q.heap, item, q.less)
	default:
		q.items.push(item)
	}
	q.unfinished++
	q.getters.wakeNext()
	return nil
}

// Get removes and returns an item. It suspends only while the queue is empty. If it is
// cancelled, no item was taken and its place in line is lost. The error is
// ErrQueueShutDown, a *CancelledError, or one of those of Future.Await. (asyncio:
// Queue.get)
func (q *Queue[T]) Get(ctx context.Context) (T, error) {
	var zero T
	e, err := q.enter(ctx, "Queue.Get")
	if err != nil {
		return zero, err
	}
	for q.size() == 0 {
		if q.shut {
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

// GetNowait removes and returns an item, or returns ErrQueueEmpty, or ErrQueueShutDown if
// there will be none. It never awaits. (asyncio: Queue.get_nowait)
func (q *Queue[T]) GetNowait() (T, error) {
	if err := q.checked("Queue.GetNowait"); err != nil {
		var zero T
		return zero, err
	}
	return q.get()
}

func (q *Queue[T]) get() (item T, err error) {
	if q.size() == 0 {
		if q.shut {
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
	return item
}

// All ranges over the items until the queue is shut down and, unless that was immediate,
// empty. It suspends as Get does. If Get fails otherwise, it yields that error and ends.
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

// TaskDone says that an item that was taken has been dealt with. It never awaits. More
// calls than items are misuse: TaskDone panics with ErrOverRelease. (asyncio:
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

// Join suspends the calling task until every item that was put has been dealt with, as
// TaskDone says. If that is so already it does not suspend. (asyncio: Queue.join)
func (q *Queue[T]) Join(ctx context.Context) error {
	e, err := q.enter(ctx, "Queue.Join")
	if err != nil || q.unfinished == 0 {
		return err
	}
	_, err = e.waitIn(&q.joiners, "Queue.Join")
	return err
}

// Shutdown has Put fail from now on, and Get once the queue is empty; all tasks that wait
// to put or get look again. If immediate is set the items are dropped, and count as dealt
// with for Join. It never awaits, and may be called again. (asyncio: Queue.shutdown)
func (q *Queue[T]) Shutdown(immediate bool) {
	q.check("Queue.Shutdown")
	q.shut = true
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
