package aioiter

// The operators that run their sources in tasks. A feed is the common state of the
// tasks of one range loop: the queue through which they pass items to the consumer. A
// task passes one item at a time, and continues when the consumer asks for the next
// one, so an operator is at most one item per source ahead of its consumer. Only Buffer
// reads further ahead.
//
// The end of a task, with its error, comes through the same queue, from a done
// callback. So a panic of a source also arrives as an error, after the items before it.

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/goaio/aio"
)

// parcel is what a task of a feed passes to the consumer: an item, or the end of the
// task.
type parcel[T any] struct {
	from  int
	item  T
	taken *aio.Event // set when the consumer asks for the next item
	done  bool
	err   error // with which the task ended
}

// feed is the common state of the tasks of one range loop.
type feed[T any] struct {
	queue  *aio.Queue[parcel[T]]
	tasks  []*aio.Task[struct{}]
	closed bool
}

func newFeed[T any](ctx context.Context) (*feed[T], error) {
	return &feed[T]{queue: aio.NewQueue[parcel[T]](0)}, entered(ctx)
}

// start runs body in a task, as source number from of the feed.
func (f *feed[T]) start(ctx context.Context, from int, body func(ctx context.Context) error) {
	task := aio.CreateTask(ctx, aio.NoResult(body))
	f.tasks = append(f.tasks, task)
	task.AddDoneCallback(func(t *aio.Future[struct{}]) {
		if f.closed {
			return // the error stays unretrieved, so the loop reports it
		}
		_ = f.queue.PutNowait(parcel[T]{from: from, done: true, err: foreign(t.Exception())})
	})
}

// pour runs a source in a task, as source number from of the feed.
func (f *feed[T]) pour(ctx context.Context, from int, s Stream[T]) {
	f.start(ctx, from, func(ctx context.Context) error {
		var taken aio.Event
		for v, err := range s(ctx) {
			if err != nil {
				return err
			}
			taken.Clear()
			if err := f.queue.PutNowait(parcel[T]{from: from, item: v, taken: &taken}); err != nil {
				return err
			}
			if err := taken.Wait(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// next waits for the next parcel. The error is that of the wait, or that of the end of
// a task.
func (f *feed[T]) next(ctx context.Context) (parcel[T], error) {
	p, err := f.queue.Get(ctx)
	if err == nil {
		err = p.err
	}
	return p, err
}

// close ends the tasks. It runs in a defer statement, so a cancellation that arrives
// meanwhile is delivered by a later await.
func (f *feed[T]) close(ctx context.Context) {
	f.closed = true
	_ = aio.CancelAndWait(ctx, f.tasks...)
}

// Merge yields the items of all sources in the order of their arrival, until all
// sources have ended. The sources run concurrently. The first error ends it.
// (aiostream: merge)
func Merge[T any](sources ...Stream[T]) Stream[T] {
	check("Merge", sources...)
	return func(ctx context.Context) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			f, err := newFeed[T](ctx)
			if err != nil {
				fail(yield, err)
				return
			}
			defer f.close(ctx)
			for i, s := range sources {
				f.pour(ctx, i, s)
			}
			for left := len(sources); left > 0; {
				p, err := f.next(ctx)
				switch {
				case err != nil:
					f.close(ctx)
					fail(yield, err)
					return
				case p.done:
					left--
				case !yield(p.item, nil):
					return
				default:
					p.taken.Set()
				}
			}
		}
	}
}

// ZipAll yields slices with one item of each source, in the order of the sources. It
// waits for the items of a slice concurrently, and ends as soon as one source has ended;
// the others are closed. Without sources it yields nothing. (aiostream: zip)
func ZipAll[T any](sources ...Stream[T]) Stream[[]T] {
	check("ZipAll", sources...)
	return func(ctx context.Context) iter.Seq2[[]T, error] {
		return func(yield func([]T, error) bool) {
			if len(sources) == 0 {
				return
			}
			f, err := newFeed[T](ctx)
			if err != nil {
				fail(yield, err)
				return
			}
			defer f.close(ctx)
			for i, s := range sources {
				f.pour(ctx, i, s)
			}
			for {
				row := make([]T, len(sources))
				taken := make([]*aio.Event, len(sources))
				for range sources {
					p, err := f.next(ctx)
					if err != nil {
						f.close(ctx)
						fail(yield, err)
						return
					}
					if p.done {
						return
					}
					row[p.from] = p.item
					taken[p.from] = p.taken
				}
				if !yield(row, nil) {
					return
				}
				for _, t := range taken {
					t.Set()
				}
			}
		}
	}
}

// Pair is an item of [Zip].
type Pair[A, B any] struct {
	First  A
	Second B
}

// Zip is [ZipAll] for two sources with items of different types. (aiostream: zip)
func Zip[A, B any](a Stream[A], b Stream[B]) Stream[Pair[A, B]] {
	check("Zip", a)
	check("Zip", b)
	rows := ZipAll(erase(a), erase(b))
	return func(ctx context.Context) iter.Seq2[Pair[A, B], error] {
		return func(yield func(Pair[A, B], error) bool) {
			for row, err := range rows(ctx) {
				if err != nil {
					fail(yield, err)
					return
				}
				// a nil interface is the zero value
				first, _ := row[0].(A)
				second, _ := row[1].(B)
				if !yield(Pair[A, B]{first, second}, nil) {
					return
				}
			}
		}
	}
}

func erase[T any](s Stream[T]) Stream[any] {
	return func(ctx context.Context) iter.Seq2[any, error] {
		return func(yield func(any, error) bool) {
			for v, err := range s(ctx) {
				if !yield(v, err) {
					return
				}
			}
		}
	}
}

// Map yields f(item) for each item of s, in the order of the items. It runs up to limit
// calls of f concurrently, counting those whose result waits for its turn; 0 means no
// limit. With a limit of 1 it calls f in the consumer's task, between two items;
// otherwise s and each call of f have their own tasks. An error of f, or of s, is
// yielded after the results for the items before it. It panics if f is nil or limit is
// negative. (aiostream: map with task_limit)
func Map[T, R any](s Stream[T], limit int, f func(ctx context.Context, v T) (R, error)) Stream[R] {
	checkMap("Map", s, limit, f)
	if limit == 1 {
		return mapInTurn(s, f)
	}
	return func(ctx context.Context) iter.Seq2[R, error] {
		return func(yield func(R, error) bool) {
			m, err := newMapping[T, R](ctx, limit)
			if err != nil {
				fail(yield, err)
				return
			}
			defer m.close(ctx)
			calls := aio.NewQueue[*aio.Task[R]](0)
			m.start(ctx, 0, func(ctx context.Context) error {
				defer calls.Shutdown(false)
				return m.each(ctx, s, f, func(call *aio.Task[R]) { _ = calls.PutNowait(call) })
			})
			for {
				call, err := calls.Get(ctx)
				if err == aio.ErrQueueShutDown {
					break
				}
				if err == nil {
					_, _, err = aio.Wait(ctx, []*aio.Task[R]{call}, aio.NoTimeout, aio.AllCompleted)
				}
				var v R
				if err == nil {
					v, err = call.Result()
					err = foreign(err)
				}
				if err != nil {
					m.close(ctx)
					fail(yield, err)
					return
				}
				if !yield(v, nil) {
					return
				}
				m.returned()
			}
			// the error with which s has ended
			if _, err := m.next(ctx); err != nil {
				fail(yield, err)
			}
		}
	}
}

// MapUnordered is [Map], but yields each result as soon as its call returns, and an
// error as soon as it occurs. (aiostream: map with ordered=False)
func MapUnordered[T, R any](s Stream[T], limit int, f func(ctx context.Context, v T) (R, error)) Stream[R] {
	checkMap("MapUnordered", s, limit, f)
	if limit == 1 {
		return mapInTurn(s, f)
	}
	return func(ctx context.Context) iter.Seq2[R, error] {
		return func(yield func(R, error) bool) {
			m, err := newMapping[T, R](ctx, limit)
			if err != nil {
				fail(yield, err)
				return
			}
			defer m.close(ctx)
			m.start(ctx, 0, func(ctx context.Context) error {
				return m.each(ctx, s, f, func(call *aio.Task[R]) {
					call.AddDoneCallback(func(f *aio.Future[R]) {
						v, err := f.Result()
						_ = m.queue.PutNowait(parcel[R]{from: 1, item: v, err: foreign(err)})
					})
				})
			})
			for ended := false; !ended || m.open > 0; {
				p, err := m.next(ctx)
				switch {
				case err != nil:
					m.close(ctx)
					fail(yield, err)
					return
				case p.done:
					ended = true
				case !yield(p.item, nil):
					return
				default:
					m.returned()
				}
			}
		}
	}
}

func checkMap[T, R any](call string, s Stream[T], limit int, f func(ctx context.Context, v T) (R, error)) {
	check(call, s)
	if f == nil {
		misuse("%s: the function is nil", call)
	}
	if limit < 0 {
		misuse("%s: a limit of %d", call, limit)
	}
}

func mapInTurn[T, R any](s Stream[T], f func(ctx context.Context, v T) (R, error)) Stream[R] {
	return func(ctx context.Context) iter.Seq2[R, error] {
		return func(yield func(R, error) bool) {
			for v, err := range s(ctx) {
				var r R
				if err == nil {
					r, err = f(ctx, v)
				}
				if err != nil {
					fail(yield, err)
					return
				}
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// mapping is a feed whose only source starts calls of f.
type mapping[T, R any] struct {
	feed[R]
	slots *aio.Semaphore // nil without a limit
	calls []*aio.Task[R] // calls that may not be done
	open  int            // calls whose result was not yielded yet
}

func newMapping[T, R any](ctx context.Context, limit int) (*mapping[T, R], error) {
	f, err := newFeed[R](ctx)
	m := &mapping[T, R]{feed: *f}
	if limit > 0 {
		m.slots = aio.NewSemaphore(limit)
	}
	return m, err
}

// each starts a call for each item of s. It takes an item only when there is a slot for
// the call.
func (m *mapping[T, R]) each(ctx context.Context, s Stream[T], f func(ctx context.Context, v T) (R, error), started func(call *aio.Task[R])) error {
	if err := m.acquire(ctx); err != nil {
		return err
	}
	for v, err := range s(ctx) {
		if err != nil {
			return err
		}
		call := aio.CreateTask(ctx, func(ctx context.Context) (R, error) { return f(ctx, v) })
		if len(m.calls) >= 2*m.open+16 {
			m.calls = slices.DeleteFunc(m.calls, func(t *aio.Task[R]) bool { return t.Done() })
		}
		m.calls = append(m.calls, call)
		m.open++
		started(call)
		if err := m.acquire(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (m *mapping[T, R]) acquire(ctx context.Context) error {
	if m.slots == nil {
		return nil
	}
	return m.slots.Acquire(ctx)
}

// returned frees a slot for another call, when the consumer asks for the next result.
func (m *mapping[T, R]) returned() {
	m.open--
	if m.slots != nil {
		m.slots.Release()
	}
}

// close ends the source first, so that it starts no more calls.
func (m *mapping[T, R]) close(ctx context.Context) {
	m.feed.close(ctx)
	_ = aio.CancelAndWait(ctx, m.calls...)
}

// Buffer runs s in a task that reads up to n items ahead of the consumer, plus one that
// waits for room. Buffered items are yielded before an error. It panics if n is less
// than 1.
func Buffer[T any](s Stream[T], n int) Stream[T] {
	check("Buffer", s)
	if n < 1 {
		misuse("Buffer: %d items", n)
	}
	return func(ctx context.Context) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			items := aio.NewQueue[T](n)
			f, err := newFeed[T](ctx)
			if err != nil {
				fail(yield, err)
				return
			}
			defer f.close(ctx)
			f.start(ctx, 0, func(ctx context.Context) error {
				defer items.Shutdown(false)
				for v, err := range s(ctx) {
					if err == nil {
						err = items.Put(ctx, v)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			for {
				v, err := items.Get(ctx)
				if err == aio.ErrQueueShutDown {
					if _, err = f.next(ctx); err == nil {
						return
					}
				}
				if err != nil {
					f.close(ctx)
					fail(yield, err)
					return
				}
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

// Debounce yields an item of s when no other item has arrived for d, and drops an item
// if the next one arrives sooner. When s ends, the last item is yielded without delay,
// and before an error. The source runs in a task, and does not wait for the consumer.
// With d zero or negative an item is dropped only if the next one is already available.
func Debounce[T any](s Stream[T], d time.Duration) Stream[T] {
	check("Debounce", s)
	return func(ctx context.Context) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			f, err := newFeed[T](ctx)
			if err != nil {
				fail(yield, err)
				return
			}
			defer f.close(ctx)
			loop := aio.CurrentTask(ctx).GetLoop()
			var latest T
			// set while an item has arrived and was not yielded yet
			var came aio.Event
			var quiet time.Time
			f.start(ctx, 0, func(ctx context.Context) error {
				defer came.Set()
				for v, err := range s(ctx) {
					if err != nil {
						return err
					}
					latest, quiet = v, loop.Time().Add(d)
					came.Set()
				}
				return nil
			})
			source := f.tasks[0]
			for {
				err := came.Wait(ctx)
				for err == nil && !source.Done() && loop.Time().Before(quiet) {
					_, _, err = aio.Wait(ctx, f.tasks, quiet.Sub(loop.Time()), aio.AllCompleted)
				}
				if err != nil {
					f.close(ctx)
					fail(yield, err)
					return
				}
				item := !quiet.IsZero()
				v := latest
				quiet = time.Time{}
				came.Clear()
				if item && !yield(v, nil) {
					return
				}
				if source.Done() && quiet.IsZero() {
					break
				}
			}
			if err := source.Exception(); err != nil {
				fail(yield, foreign(err))
			}
		}
	}
}
