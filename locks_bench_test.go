package aio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiokit"
)

// crowd is many tasks that wait for one thing.
type crowd struct {
	wait func(ctx context.Context) error // of each task
	// ends the waits of all tasks, by what they wait for; nil cancels the tasks
	wake func(ctx context.Context) error
}

// cancelled is c, but its tasks are cancelled.
func (c crowd) cancelled() crowd { return crowd{wait: c.wait} }

// crowds are the things to wait for, for n tasks. The name says how the waits end:
// all at once, "one by one", or "cancelled", the newest first.
func crowds(ctx context.Context, n int) map[string]func() crowd {
	all := map[string]func() crowd{}
	// add adds a thing to wait for, with its cancellation
	add := func(name, how string, c func() crowd) {
		all[name+how] = c
		all[name+", cancelled"] = func() crowd { return c().cancelled() }
	}
	times := func(f func()) func(context.Context) error {
		return func(context.Context) error {
			for range n {
				f()
			}
			return nil
		}
	}
	once := func(f func()) func(context.Context) error {
		return func(context.Context) error { f(); return nil }
	}

	// They have nothing in common that could be walked: what it costs to resume and
	// end so many tasks.
	add("a future each", ", one by one", func() crowd {
		fs := make([]*aio.Future[int], 0, n)
		return crowd{
			func(ctx context.Context) error {
				f := aio.CreateFuture[int](ctx)
				fs = append(fs, f)
				return second(f.Await(ctx))
			},
			once(func() {
				for _, f := range fs {
					_ = f.SetResult(1)
				}
			}),
		}
	})

	add("Future", "", func() crowd {
		f := aio.CreateFuture[int](ctx)
		return crowd{func(ctx context.Context) error { return second(f.Await(ctx)) }, once(func() { _ = f.SetResult(1) })}
	})
	add("Event", "", func() crowd {
		var v aio.Event
		return crowd{v.Wait, once(v.Set)}
	})
	condition := func(notify func(v *aio.Condition)) func() crowd {
		return func() crowd {
			v := aio.NewCondition(nil)
			return crowd{
				func(ctx context.Context) error { return v.With(ctx, v.Wait) },
				func(ctx context.Context) error {
					return v.With(ctx, func(context.Context) error { notify(v); return nil })
				},
			}
		}
	}
	add("Condition", ", NotifyAll", condition((*aio.Condition).NotifyAll))
	all["Condition, one by one"] = condition(func(v *aio.Condition) {
		for range n {
			v.Notify(1)
		}
	})
	barrier := func(end func(v *aio.Barrier, ctx context.Context) error) func() crowd {
		return func() crowd {
			v := aio.NewBarrier(n + 1)
			return crowd{
				func(ctx context.Context) error { return second(v.Wait(ctx)) },
				func(ctx context.Context) error { return end(v, ctx) },
			}
		}
	}
	add("Barrier", "", barrier(func(v *aio.Barrier, ctx context.Context) error { return second(v.Wait(ctx)) }))
	all["Barrier, Reset"] = barrier((*aio.Barrier).Reset)
	all["Barrier, Abort"] = barrier((*aio.Barrier).Abort)
	add("Semaphore", ", one by one", func() crowd {
		v := aio.NewSemaphore(0)
		return crowd{func(ctx context.Context) error {
			defer v.Locked() // while the others are still in line
			return v.Acquire(ctx)
		}, times(v.Release)}
	})
	add("Lock", ", one by one", func() crowd {
		var v aio.Lock
		_ = v.Acquire(ctx)
		return crowd{
			func(ctx context.Context) error { return v.With(ctx, nobody) },
			once(v.Release),
		}
	})
	add("Queue.Get", ", one by one", func() crowd {
		q := aio.NewQueue[int](0)
		return crowd{func(ctx context.Context) error { return second(q.Get(ctx)) }, times(func() { _ = q.PutNowait(1) })}
	})
	all["Queue.Get, Shutdown"] = func() crowd {
		q := aio.NewQueue[int](0)
		return crowd{func(ctx context.Context) error { return second(q.Get(ctx)) }, once(func() { q.Shutdown(false) })}
	}
	add("Queue.Put", ", one by one", func() crowd {
		q := aio.NewQueue[int](n)
		for range n {
			_ = q.PutNowait(1)
		}
		return crowd{func(ctx context.Context) error { return q.Put(ctx, 2) }, times(func() { _, _ = q.GetNowait() })}
	})
	add("Queue.Join", "", func() crowd {
		q := aio.NewQueue[int](0)
		_ = q.PutNowait(1)
		return crowd{q.Join, once(q.TaskDone)}
	})
	add("Shield", "", func() crowd {
		f := aio.CreateFuture[int](ctx)
		return crowd{
			func(ctx context.Context) error { return second(aio.Shield(ctx, f).Await(ctx)) },
			once(func() { _ = f.SetResult(1) }),
		}
	})
	add("Wait", "", func() crowd {
		f := []*aio.Future[int]{aio.CreateFuture[int](ctx)}
		return crowd{
			func(ctx context.Context) error {
				_, _, err := aio.Wait(ctx, f, aio.NoTimeout, aio.AllCompleted)
				return err
			},
			once(func() { _ = f[0].SetResult(1) }),
		}
	})
	add("WaitFor", "", func() crowd {
		var v aio.Event
		return crowd{
			func(ctx context.Context) error { return second(aio.WaitFor(ctx, aio.NoResult(v.Wait), time.Hour)) },
			once(v.Set),
		}
	})
	add("Gather", "", func() crowd {
		f := aio.CreateFuture[int](ctx)
		return crowd{
			func(ctx context.Context) error { return second(aio.Gather(ctx, aio.Awaitable[int](f)).Await(ctx)) },
			once(func() { _ = f.SetResult(1) }),
		}
	})
	all["Gather, failing"] = func() crowd {
		goesOn, f := aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx)
		return crowd{
			func(ctx context.Context) error {
				return second(aio.Gather(ctx, aio.Awaitable[int](goesOn), aio.Awaitable[int](f)).Await(ctx))
			},
			once(func() { _ = f.SetException(errOne) }),
		}
	}
	add("AsCompleted", "", func() crowd {
		f := []*aio.Future[int]{aio.CreateFuture[int](ctx)}
		return crowd{
			func(ctx context.Context) (err error) {
				for _, err = range aio.AsCompleted(ctx, f, aio.NoTimeout).All(ctx) {
				}
				return err
			},
			once(func() { _ = f[0].SetResult(1) }),
		}
	})
	add("Timeout", "", func() crowd {
		var v aio.Event
		return crowd{func(ctx context.Context) error { return aio.Timeout(ctx, time.Hour, v.Wait) }, once(v.Set)}
	})
	all["Timeout, expiring"] = func() crowd {
		l, _ := aio.GetRunningLoop(ctx)
		scopes := make([]*aio.TimeoutScope, 0, n)
		return crowd{
			func(ctx context.Context) error {
				s := aio.NewTimeout(time.Hour)
				scopes = append(scopes, s)
				return s.Run(ctx, func(ctx context.Context) error { return second(forever(ctx)) })
			},
			once(func() {
				for _, s := range scopes {
					s.Reschedule(l.Time())
				}
			}),
		}
	}
	// each task is a group with a task of its own
	add("TaskGroup each", "", func() crowd {
		var v aio.Event
		return crowd{func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error { tg.Go(v.Wait); return nil })
		}, once(v.Set)}
	})
	add("CancelScope each", "", func() crowd {
		var v aio.Event
		return crowd{func(ctx context.Context) error { return new(aio.CancelScope).Run(ctx, v.Wait) }, once(v.Set)}
	})
	add("CapacityLimiter", ", one by one", func() crowd {
		l := aiokit.NewCapacityLimiter(0)
		return crowd{
			func(ctx context.Context) error { return l.With(ctx, nobody) },
			once(func() { l.SetTotal(1) }),
		}
	})
	add("MemoryChannel, Receive", ", one by one", func() crowd {
		s, r := aiokit.NewMemoryChannel[int](0)
		return crowd{func(ctx context.Context) error { return second(r.Receive(ctx)) }, times(func() { _ = s.SendNowait(1) })}
	})
	add("MemoryChannel, Send", ", one by one", func() crowd {
		s, r := aiokit.NewMemoryChannel[int](0)
		return crowd{func(ctx context.Context) error { return s.Send(ctx, 1) }, times(func() { _, _ = r.ReceiveNowait() })}
	})
	add("Conn.Read", ", one by one", func() crowd {
		near, far := net.Pipe()
		var c net.Conn
		return crowd{
			func(ctx context.Context) error {
				if c == nil {
					t, _, err := aio.CreateConnection(ctx, newLossOnly, "", &aio.ConnectionOptions{Conn: near})
					if err != nil {
						return err
					}
					c = aio.NewConn(t)
				}
				return second(c.Read(make([]byte, 1)))
			},
			once(func() {
				go func() {
					_, _ = far.Write(make([]byte, n))
					far.Close()
				}()
			}),
		}
	})
	return all
}

// groupCrowds are groups of n tasks, and how they end.
func groupCrowds(n int) map[string]func(ctx context.Context, tg *aio.TaskGroup, v *aio.Event) (end func() error) {
	_ = n
	return map[string]func(ctx context.Context, tg *aio.TaskGroup, v *aio.Event) func() error{
		"TaskGroup": func(_ context.Context, _ *aio.TaskGroup, v *aio.Event) func() error {
			return func() error { v.Set(); return nil }
		},
		"TaskGroup, Cancel": func(_ context.Context, tg *aio.TaskGroup, _ *aio.Event) func() error {
			return func() error { tg.Cancel(); return nil }
		},
		"TaskGroup, failing": func(_ context.Context, _ *aio.TaskGroup, _ *aio.Event) func() error {
			return func() error { return errOne }
		},
	}
}

// BenchmarkCrowd has many tasks wait for one thing and then wakes, releases or cancels
// all of them. The time for each waiter must not grow with their number, beyond what
// caches make of it: the rows "a future each" have nothing in common that could be
// walked.
//
// Each measurement is of 100 000 waiters, in one crowd or in a hundred, and follows one
// of the same kind that is not measured. The time that it takes to make a crowd does not
// count.
func BenchmarkCrowd(b *testing.B) {
	const total = 100_000
	names := []string{}
	for name := range crowds(context.Background(), 0) {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, n := range []int{1000, total} {
			b.Run(fmt.Sprintf("%s/waiters=%d", name, n), func(b *testing.B) {
				measureCrowds(b, total, n, func(ctx context.Context) (time.Duration, error) {
					return timeCrowd(ctx, crowds(ctx, n)[name](), n)
				})
			})
		}
	}
	for _, name := range []string{"TaskGroup", "TaskGroup, Cancel", "TaskGroup, failing"} {
		for _, n := range []int{1000, total} {
			b.Run(fmt.Sprintf("%s/waiters=%d", name, n), func(b *testing.B) {
				measureCrowds(b, total, n, func(ctx context.Context) (took time.Duration, err error) {
					var began time.Time
					err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
						var v aio.Event
						end := groupCrowds(n)[name](ctx, tg, &v)
						for range n {
							tg.Go(v.Wait)
						}
						letPass(ctx, 2)
						began = time.Now()
						return end()
					})
					if errors.Is(err, errOne) {
						err = nil
					}
					return time.Since(began), err
				})
			})
		}
	}
	for _, n := range []int{1000, total} {
		// a scope around a group, each of whose tasks is in a scope of its own
		b.Run(fmt.Sprintf("CancelScope, nested/waiters=%d", n), func(b *testing.B) {
			measureCrowds(b, total, n, func(ctx context.Context) (took time.Duration, err error) {
				var began time.Time
				var scope aio.CancelScope
				err = scope.Run(ctx, func(ctx context.Context) error {
					return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
						for range n {
							tg.Go(func(ctx context.Context) error {
								return new(aio.CancelScope).Run(ctx, func(ctx context.Context) error { return second(forever(ctx)) })
							})
						}
						letPass(ctx, 2)
						began = time.Now()
						scope.Cancel()
						return nil
					})
				})
				return time.Since(began), err
			})
		})
	}
}

// measureCrowds calls run, which measures a crowd of n, until there were total waiters.
func measureCrowds(b *testing.B, total, n int, run func(ctx context.Context) (time.Duration, error)) {
	var took time.Duration
	err := aio.Run(func(ctx context.Context) error {
		if _, err := run(ctx); err != nil {
			return err
		}
		for range b.N {
			runtime.GC() // of the crowds before
			for range total / n {
				d, err := run(ctx)
				if err != nil {
					return err
				}
				took += d
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N*total), "ns/waiter")
}

// timeCrowd returns how long it takes until n tasks of c that wait have ended.
func timeCrowd(ctx context.Context, c crowd, n int) (time.Duration, error) {
	left, all := n, aio.CreateFuture[int](ctx)
	tasks := make([]*aio.Task[struct{}], n)
	for i := range tasks {
		tasks[i] = spawn(ctx, func(ctx context.Context) error {
			err := c.wait(ctx)
			if left--; left == 0 {
				_ = all.SetResult(0)
			}
			if errors.Is(err, aio.ErrCancelled) || c.wake != nil {
				return nil // what else it is was seen in a test
			}
			return err
		})
	}
	letPass(ctx, 5)
	if left < n {
		return 0, fmt.Errorf("%d of %d tasks do not wait", n-left, n)
	}
	began := time.Now()
	if c.wake != nil {
		if err := c.wake(ctx); err != nil {
			return 0, err
		}
	} else {
		for _, t := range slices.Backward(tasks) {
			t.Cancel()
		}
	}
	_, err := all.Await(ctx)
	return time.Since(began), err
}

// TestCrowds has each crowd end once: the benchmark measures what it says.
func TestCrowds(t *testing.T) {
	const n = 50
	err := aio.Run(func(ctx context.Context) error {
		for name, c := range crowds(ctx, n) {
			err := aio.Timeout(ctx, patience, func(ctx context.Context) error { return second(timeCrowd(ctx, c(), n)) })
			same(t, name, err, nil)
		}
		return nil
	})
	same(t, "Run", err, nil)
}
