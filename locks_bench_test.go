package aio_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/goaio/aio"
)

// BenchmarkCrowd makes many tasks wait for one object, and then wakes, releases or
// cancels all of them. The time per waiter must not grow with their number, except for
// the effect of caches: in the rows "a future each" the tasks share no data structure,
// so they show the cost of resuming and ending as many tasks whose stacks are in no
// cache.
func BenchmarkCrowd(b *testing.B) {
	type crowd struct {
		wait func(ctx context.Context) error // run by each task
		// wakes all tasks; nil cancels them, the newest first
		wake func(ctx context.Context) error
	}
	for _, c := range []struct {
		name string
		make func(ctx context.Context, n int) crowd
	}{
		{"a future each", func(_ context.Context, n int) crowd {
			fs := make([]*aio.Future[int], 0, n)
			return crowd{
				func(ctx context.Context) error {
					f := aio.CreateFuture[int](ctx)
					fs = append(fs, f)
					_, err := f.Await(ctx)
					return err
				},
				func(context.Context) error {
					for _, f := range fs {
						_ = f.SetResult(1)
					}
					return nil
				},
			}
		}},
		{"a future each, cancelled", func(context.Context, int) crowd {
			return crowd{wait: func(ctx context.Context) error { _, err := forever(ctx); return err }}
		}},
		{"Event.Set", func(context.Context, int) crowd {
			var v aio.Event
			return crowd{v.Wait, func(context.Context) error { v.Set(); return nil }}
		}},
		{"Event cancelled", func(context.Context, int) crowd {
			var v aio.Event
			return crowd{wait: v.Wait}
		}},
		{"Condition.NotifyAll", func(context.Context, int) crowd {
			var v aio.Condition
			return crowd{
				func(ctx context.Context) error { return v.With(ctx, v.Wait) },
				func(ctx context.Context) error {
					return v.With(ctx, func(context.Context) error { v.NotifyAll(); return nil })
				},
			}
		}},
		{"Condition cancelled", func(context.Context, int) crowd {
			var v aio.Condition
			return crowd{wait: func(ctx context.Context) error { return v.With(ctx, v.Wait) }}
		}},
		{"Barrier", func(_ context.Context, n int) crowd {
			v := aio.NewBarrier(n + 1)
			wait := func(ctx context.Context) error { _, err := v.Wait(ctx); return err }
			return crowd{wait, wait}
		}},
		{"Barrier cancelled", func(_ context.Context, n int) crowd {
			v := aio.NewBarrier(n + 1)
			return crowd{wait: func(ctx context.Context) error { _, err := v.Wait(ctx); return err }}
		}},
		{"Semaphore.Release", func(_ context.Context, n int) crowd {
			v := aio.NewSemaphore(0)
			return crowd{v.Acquire, func(context.Context) error {
				for range n {
					v.Release()
				}
				return nil
			}}
		}},
		{"Semaphore cancelled", func(context.Context, int) crowd {
			v := aio.NewSemaphore(0)
			return crowd{wait: func(ctx context.Context) error {
				defer v.Locked() // runs while the others are still queued
				return v.Acquire(ctx)
			}}
		}},
		{"Lock", func(ctx context.Context, _ int) crowd {
			var v aio.Lock
			_ = v.Acquire(ctx)
			return crowd{
				func(ctx context.Context) error { return v.With(ctx, func(context.Context) error { return nil }) },
				func(context.Context) error { v.Release(); return nil },
			}
		}},
		{"Lock cancelled", func(ctx context.Context, _ int) crowd {
			var v aio.Lock
			_ = v.Acquire(ctx)
			return crowd{wait: v.Acquire}
		}},
		{"Queue", func(_ context.Context, n int) crowd {
			q := aio.NewQueue[int](0)
			return crowd{
				func(ctx context.Context) error { _, err := q.Get(ctx); return err },
				func(context.Context) error {
					for range n {
						_ = q.PutNowait(1)
					}
					return nil
				},
			}
		}},
		{"Queue cancelled", func(context.Context, int) crowd {
			q := aio.NewQueue[int](0)
			return crowd{wait: func(ctx context.Context) error { _, err := q.Get(ctx); return err }}
		}},
		{"Shield cancelled", func(ctx context.Context, _ int) crowd {
			f := aio.CreateFuture[int](ctx)
			return crowd{wait: func(ctx context.Context) error { _, err := aio.Shield(ctx, f).Await(ctx); return err }}
		}},
		{"Wait cancelled", func(ctx context.Context, _ int) crowd {
			f := []*aio.Future[int]{aio.CreateFuture[int](ctx)}
			return crowd{wait: func(ctx context.Context) error {
				_, _, err := aio.Wait(ctx, f, aio.NoTimeout, aio.AllCompleted)
				return err
			}}
		}},
	} {
		for _, n := range []int{1000, 100_000} {
			b.Run(fmt.Sprintf("%s/waiters=%d", c.name, n), func(b *testing.B) {
				err := aio.Run(func(ctx context.Context) error {
					for range b.N {
						b.StopTimer()
						crowd := c.make(ctx, n)
						left, all := n, aio.CreateFuture[int](ctx)
						tasks := make([]*aio.Task[struct{}], n)
						for i := range tasks {
							tasks[i] = spawn(ctx, func(ctx context.Context) error {
								err := crowd.wait(ctx)
								if left--; left == 0 {
									_ = all.SetResult(0)
								}
								return err
							})
						}
						letPass(ctx, 3)
						// collects the previous crowd
						runtime.GC()
						b.StartTimer()
						if crowd.wake != nil {
							if err := crowd.wake(ctx); err != nil {
								return err
							}
						} else {
							for _, t := range slices.Backward(tasks) {
								t.Cancel()
							}
						}
						if _, err := all.Await(ctx); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/waiter")
			})
		}
	}
}
