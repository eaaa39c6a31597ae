package aio_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// TASK-145, TASK-147, TASK-156, TASK-248
func TestAsCompletedAllGivesTheFuturesAsTheyAreDone(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		a, b, c := threeFutures(ctx)
		names := map[*aio.Future[int]]string{a: "a", b: "b", c: "c"}
		_ = c.SetResult(1)
		l, _ := aio.GetRunningLoop(ctx)
		l.CallSoon(func() { _ = b.SetException(errOne) })
		l.CallLater(time.Minute, func() { a.Cancel() })
		for f, err := range aio.AsCompleted(ctx, []*aio.Future[int]{a, b, a, c}, aio.NoTimeout).All(ctx) {
			note(&log, "%s:%v:%s", names[f], err, state(f))
		}
		for range aio.AsCompleted(ctx, []*aio.Future[int]{}, 0).All(ctx) {
			note(&log, "there is nothing")
		}
		for range aio.AsCompleted(ctx, []*aio.Future[int]{}, 0).Next() {
			note(&log, "there is nothing")
		}
		return nil
	})
	log.want(t, "c:<nil>:1 b:<nil>:failed:one a:<nil>:cancelled")
}

// TASK-146, TASK-148, TASK-150
func TestAsCompletedNextGivesTheNextThatIsDone(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		a, b, c := threeFutures(ctx)
		it := aio.AsCompleted(ctx, []*aio.Future[int]{a, b, c}, aio.NoTimeout)
		var items []aio.Coro[*aio.Future[int]]
		for item := range it.Next() {
			if items = append(items, item); len(items) == 2 {
				break
			}
		}
		_, _ = b.SetResult(2), c.SetResult(3)
		for _, item := range []aio.Coro[*aio.Future[int]]{items[1], items[0]} {
			f, err := item(ctx)
			note(&log, "%s %v", state(f), err)
		}
		// The rest, by ranging over All of the same iterator.
		_ = a.SetResult(1)
		for f, err := range it.All(ctx) {
			note(&log, "%s %v", state(f), err)
		}
		for range it.Next() {
			note(&log, "there is no more")
		}
		return nil
	})
	log.want(t, "2 <nil> 3 <nil> 1 <nil>")
}

// TASK-149
func TestAsCompletedItemsMayBeAwaitedConcurrently(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var tasks []*aio.Task[int]
		for i := range 5 {
			tasks = append(tasks, aio.CreateTask(ctx, after(time.Duration(5-i)*time.Second, i)))
		}
		var items []aio.Awaitable[*aio.Task[int]]
		for item := range aio.AsCompleted(ctx, tasks, aio.NoTimeout).Next() {
			items = append(items, item)
		}
		done, err := aio.Gather(ctx, items...).Await(ctx)
		slices.Reverse(done)
		if err != nil || !slices.Equal(done, tasks) {
			t.Errorf("got %v, %v", done, err)
		}
		return nil
	})
}

// TASK-150, TASK-151, TASK-152: a cancelled step loses no future, even if the future is
// done by then, and the iteration can be continued after a break.
func TestAsCompletedLosesNothingToACancellation(t *testing.T) {
	type iterator = *aio.CompletedIterator[*aio.Future[int]]
	for style, step := range map[string]func(ctx context.Context, it iterator) error{
		"All": func(ctx context.Context, it iterator) error {
			for _, err := range it.All(ctx) {
				return err
			}
			return nil
		},
		"Next": func(ctx context.Context, it iterator) error {
			for item := range it.Next() {
				_, err := item(ctx)
				return err
			}
			return nil
		},
	} {
		t.Run(style, func(t *testing.T) {
			var log eventLog
			aiotest.Run(t, func(ctx context.Context) error {
				a, b, c := threeFutures(ctx)
				it := aio.AsCompleted(ctx, []*aio.Future[int]{a, b, c}, aio.NoTimeout)
				for _, settle := range []bool{false, true} {
					tk := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return step(ctx, it) }))
					letPass(ctx, 1)
					if settle {
						_ = a.SetResult(1)
						letPass(ctx, 1)
					}
					tk.Cancel()
					_, _ = tk.Await(ctx)
					note(&log, "%s", state(tk))
				}
				_, _ = b.SetResult(2), c.SetResult(3)
				for f := range it.All(ctx) {
					note(&log, "%s", state(f))
					break
				}
				for f := range it.All(ctx) {
					note(&log, "%s", state(f))
				}
				return nil
			})
			log.want(t, "cancelled cancelled 1 2 3")
		})
	}
}

// TASK-153, TASK-154, TASK-248
func TestAsCompletedTimeout(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		now := clock(ctx)
		a, b, c := threeFutures(ctx)
		fs := []*aio.Future[int]{a, b, c}
		_ = b.SetResult(2)
		for item := range aio.AsCompleted(ctx, fs, time.Minute).Next() {
			f, err := item(ctx)
			note(&log, "%v:%v:%v", f == b, err == aio.ErrTimeout, now())
		}
		note(&log, "|")
		it := aio.AsCompleted(ctx, fs, time.Minute)
		for range 3 { // each call returns the first error
			for f, err := range it.All(ctx) {
				note(&log, "%v:%v:%v", f == b, err == aio.ErrTimeout, now())
			}
		}
		note(&log, "%s %s", state(a), state(c))
		return nil
	})
	log.want(t, "true:false:0s false:true:1m0s false:true:1m0s | true:false:1m0s false:true:2m0s false:true:2m0s pending pending")
}

// TASK-155
func TestAsCompletedInTimeDropsItsTimer(t *testing.T) {
	l, _ := newLoop(t)
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		tk := aio.CreateTask(ctx, after(time.Second, 1))
		for _, err := range aio.AsCompleted(ctx, []aio.AnyFuture{tk}, time.Minute).All(ctx) {
			if err != nil {
				return err
			}
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	// Nothing further can happen. A remaining timer would make the clock jump
	// instead.
	start := l.Time()
	if _, err := aio.RunUntilComplete(l, aio.Coro[int](forever)); !errors.Is(err, aio.ErrDeadlock) || l.Time() != start {
		t.Errorf("%v, and the clock moved by %v", err, l.Time().Sub(start))
	}
}

// An abandoned iteration leaves nothing behind in pending futures, whether they have
// many callbacks or few.
func TestAsCompletedBrokenOffLeavesNothingBehind(t *testing.T) {
	for name, breakOff := range map[string]func(ctx context.Context, fs []*aio.Future[int]){
		"All":  func(ctx context.Context, fs []*aio.Future[int]) { breakOffAll(t, ctx, fs, aio.NoTimeout) },
		"Next": func(ctx context.Context, fs []*aio.Future[int]) { breakOffNext(t, ctx, fs) },
		"never begun": func(ctx context.Context, fs []*aio.Future[int]) {
			aio.AsCompleted(ctx, fs, aio.NoTimeout)
		},
		"after a timeout": func(ctx context.Context, fs []*aio.Future[int]) { breakOffAll(t, ctx, fs, time.Microsecond) },
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
				stays := aio.CreateFuture[int](ctx)
				heap := func() int64 {
					runtime.GC()
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					return int64(m.HeapAlloc)
				}
				iterate := func(n int) {
					for i := range n {
						breakOff(ctx, []*aio.Future[int]{ended(ctx, "7"), stays})
						if i%1024 == 0 {
							// Let all ready entries run,
							// and the timeouts expire.
							_ = aio.Sleep(ctx, time.Second)
							runtime.GC()
						}
					}
				}
				iterate(10)
				before := heap()
				iterate(1<<14 + 1)
				eventually(t, ctx, "the future holds nothing of 16384 abandoned iterations", func() bool {
					return heap()-before <= 1<<19
				})
				_ = stays.SetResult(1)
				letPass(ctx, 1)
			})
		})
	}
}

func breakOffAll(t *testing.T, ctx context.Context, fs []*aio.Future[int], timeout time.Duration) {
	for _, err := range aio.AsCompleted(ctx, fs, timeout).All(ctx) {
		same(t, "the first", err, nil)
		break
	}
}

func breakOffNext(t *testing.T, ctx context.Context, fs []*aio.Future[int]) {
	for next := range aio.AsCompleted(ctx, fs, aio.NoTimeout).Next() {
		_, err := next(ctx)
		same(t, "the first", err, nil)
		break
	}
}

// An iterator that is still referenced continues after a break in the order in which
// the futures were done, even after a garbage collection.
func TestAsCompletedBrokenOffKeepsTheOrder(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		var fs []*aio.Future[int]
		for range 40 { // makes the list of callbacks long in one of the futures
			fs = append(fs, aio.CreateFuture[int](ctx))
		}
		c := aio.AsCompleted(ctx, fs, aio.NoTimeout)
		// adds the callbacks of other iterations, and removes them
		for i := range 100 {
			aio.AsCompleted(ctx, fs, aio.NoTimeout)
			if i%10 == 9 {
				runtime.GC()
			}
		}
		var want, got []int
		take := func(n int) {
			for f, err := range c.All(ctx) {
				v, _ := f.Result()
				same(t, "error", err, nil)
				got = append(got, v)
				if n--; n == 0 {
					return
				}
			}
		}
		for i := range fs {
			i = (i*7 + 3) % len(fs)
			_ = fs[i].SetResult(i)
			want = append(want, i)
			if i == 20 {
				letPass(ctx, 1)
				take(3)
			}
		}
		letPass(ctx, 1)
		take(len(fs))
		equal(t, "values", got, want)
	})
}
