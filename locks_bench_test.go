package aio_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
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
	wait func(ctx context.Context) error // the wait of each task
	// makes what the tasks wait for happen, which ends all waits; nil: the tasks
	// are cancelled
	wake func(ctx context.Context) error
}

// cancelled returns a crowd like c whose tasks are cancelled.
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

	// These tasks share no list that could be searched: this is the cost of
	// resuming and ending n tasks.
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
			defer v.Locked() // runs while the other tasks are still in line
			return v.Acquire(ctx)
		}, times(v.Release)}
	})
	add("Lock", ", one by one", func() crowd {
		var v aio.Lock
		_ = v.Acquire(ctx)
		return crowd{
			func(ctx context.Context) error { return v.With(ctx, emptyBody) },
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
			func(ctx context.Context) error { return l.With(ctx, emptyBody) },
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
	all["MemoryChannel, clones closed"] = func() crowd {
		_, r := aiokit.NewMemoryChannel[int](0)
		ends := make([]*aiokit.Receiver[int], 0, n)
		return crowd{
			func(ctx context.Context) error {
				end := r.Clone()
				ends = append(ends, end)
				return second(end.Receive(ctx))
			},
			once(func() {
				for _, end := range slices.Backward(ends) {
					end.Close()
				}
			}),
		}
	}
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

// endsOfGroups are the ways in which the body of a group can end while its tasks wait
// for v.
var endsOfGroups = map[string]func(tg *aio.TaskGroup, v *aio.Event) error{
	"TaskGroup":          func(_ *aio.TaskGroup, v *aio.Event) error { v.Set(); return nil },
	"TaskGroup, Cancel":  func(tg *aio.TaskGroup, _ *aio.Event) error { tg.Cancel(); return nil },
	"TaskGroup, failing": func(*aio.TaskGroup, *aio.Event) error { return errOne },
}

// BenchmarkCrowd makes many tasks wait for one thing and then wakes, releases or
// cancels all of them. The time for each waiter must not grow with the number of
// waiters.
//
// It compares two sizes: one crowd of 100 000 tasks, and a hundred crowds of 1000
// tasks. So in both sizes the same number of tasks waits, and the ratio shows searches
// of long lists, not the effect of caches. (A single crowd of 1000 fits into a
// processor's cache and takes a third of the time for each waiter, even if lists are
// searched.) All tasks are made before the measurement, all waits are ended in one
// pass, and the measurement lasts until the last task has ended. The rounds of the two
// sizes alternate. The first round of each size does not count, and each round begins
// with a garbage collection. The results are the minima of b.N rounds, 1000/waiter and
// 100000/waiter in ns, and their ratio. In the rows "a future each" the tasks share no
// list: their ratio shows the effect of the measurement itself.
//
//	go test -run '^$' -bench Crowd -benchtime 5x .
func BenchmarkCrowd(b *testing.B) {
	const total = 100_000
	names := slices.Sorted(maps.Keys(crowds(context.Background(), 0)))
	for _, name := range names {
		b.Run(name, func(b *testing.B) {
			measureCrowds(b, total, func(ctx context.Context, n int) (time.Duration, error) {
				all := make([]crowd, total/n)
				for i := range all {
					all[i] = crowds(ctx, n)[name]()
				}
				return timeCrowds(ctx, all, n)
			})
		})
	}
	for name, end := range endsOfGroups {
		b.Run(name, func(b *testing.B) {
			measureCrowds(b, total, func(ctx context.Context, n int) (time.Duration, error) {
				return timeGroups(ctx, total/n, func(ctx context.Context, ready func(context.Context) error) error {
					err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
						var v aio.Event
						for range n {
							tg.Go(v.Wait)
						}
						return errors.Join(ready(ctx), end(tg, &v))
					})
					if errors.Is(err, errOne) {
						err = nil
					}
					return err
				})
			})
		})
	}
	b.Run("CancelScope, nested", func(b *testing.B) {
		// a scope around a group, each of whose tasks is in a scope of its own
		measureCrowds(b, total, func(ctx context.Context, n int) (time.Duration, error) {
			return timeGroups(ctx, total/n, func(ctx context.Context, ready func(context.Context) error) error {
				var scope aio.CancelScope
				return scope.Run(ctx, func(ctx context.Context) error {
					return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
						for range n {
							tg.Go(func(ctx context.Context) error {
								return new(aio.CancelScope).Run(ctx, func(ctx context.Context) error { return second(forever(ctx)) })
							})
						}
						err := ready(ctx)
						scope.Cancel()
						return err
					})
				})
			})
		})
	})
}

// measureCrowds calls run with n = 1000 and n = total in turn. run makes total/n crowds
// of n waiters each, ends all waits, and returns how long that took.
func measureCrowds(b *testing.B, total int, run func(ctx context.Context, n int) (time.Duration, error)) {
	least := map[int]time.Duration{1000: math.MaxInt64, total: math.MaxInt64}
	err := aio.Run(func(ctx context.Context) error {
		for i := range b.N + 1 {
			for _, n := range []int{1000, total} {
				runtime.GC()
				took, err := run(ctx, n)
				if err != nil {
					return err
				}
				if i > 0 {
					least[n] = min(least[n], took)
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for n, d := range least {
		b.ReportMetric(float64(d.Nanoseconds())/float64(total), fmt.Sprintf("%d/waiter", n))
	}
	b.ReportMetric(float64(least[total])/float64(least[1000]), "ratio")
}

// timeCrowds starts n tasks for each crowd. When all of them wait, it ends the waits,
// and returns how long it took until all tasks had ended.
func timeCrowds(ctx context.Context, all []crowd, n int) (time.Duration, error) {
	left, ended := n*len(all), aio.CreateFuture[int](ctx)
	tasks := make([]*aio.Task[struct{}], 0, left)
	for _, c := range all {
		for range n {
			tasks = append(tasks, spawn(ctx, func(ctx context.Context) error {
				err := c.wait(ctx)
				if left--; left == 0 {
					_ = ended.SetResult(0)
				}
				if errors.Is(err, aio.ErrCancelled) || c.wake != nil {
					return nil // wake may end the wait with an error
				}
				return err
			}))
		}
	}
	letPass(ctx, 5)
	if left < len(tasks) {
		return 0, fmt.Errorf("%d of %d tasks do not wait", len(tasks)-left, len(tasks))
	}
	began := time.Now()
	for i, c := range slices.Backward(all) {
		if c.wake != nil {
			if err := c.wake(ctx); err != nil {
				return 0, err
			}
			continue
		}
		for _, t := range slices.Backward(tasks[i*n : (i+1)*n]) {
			t.Cancel()
		}
	}
	_, err := ended.Await(ctx)
	return time.Since(began), err
}

// timeGroups runs k groups, each in a task of its own. A group calls ready when it has
// started its tasks. timeGroups returns how long it takes from the moment at which
// ready returns to all groups, and all their tasks wait, until all groups have ended.
func timeGroups(ctx context.Context, k int, group func(ctx context.Context, ready func(context.Context) error) error) (time.Duration, error) {
	var start aio.Event
	groups := make([]*aio.Task[struct{}], k)
	for i := range groups {
		groups[i] = spawn(ctx, func(ctx context.Context) error { return group(ctx, start.Wait) })
	}
	letPass(ctx, 5)
	began := time.Now()
	start.Set()
	for _, g := range groups {
		if _, err := g.Await(ctx); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// TestCrowds checks that each crowd ends, so that the benchmark measures what it claims
// to.
func TestCrowds(t *testing.T) {
	const n = 50
	err := aio.Run(func(ctx context.Context) error {
		for name := range crowds(ctx, n) {
			err := aio.Timeout(ctx, patience, func(ctx context.Context) error {
				return second(timeCrowds(ctx, []crowd{crowds(ctx, n)[name](), crowds(ctx, n)[name]()}, n))
			})
			same(t, name, err, nil)
		}
		return nil
	})
	same(t, "Run", err, nil)
}
