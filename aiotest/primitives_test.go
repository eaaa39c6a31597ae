package aiotest_test

// Tests of the primitives of package aio with aiotest: each use below is explored in
// every mode, and swept under many schedules. The checks after the region must hold
// whatever happened to the region.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

// A region runs fn, the part of a use that may be cancelled, and returns its error.
type region func(ctx context.Context, fn func(ctx context.Context) error) error

// unlessCancelled returns err, or nil if it is a cancellation.
func unlessCancelled(err error) error {
	if errors.Is(err, aio.ErrCancelled) {
		return nil
	}
	return err
}

// start creates a task.
func start(ctx context.Context, fn func(ctx context.Context) error) *aio.Task[struct{}] {
	return aio.CreateTask(ctx, aio.NoResult(fn))
}

// all awaits tasks.
func all(ctx context.Context, tasks ...*aio.Task[struct{}]) error {
	for _, task := range tasks {
		if _, err := task.Await(ctx); err != nil {
			return err
		}
	}
	return nil
}

func within(ctx context.Context, fn func(ctx context.Context) error) error {
	return aio.Timeout(ctx, time.Minute, fn)
}

// uses lists the uses of primitives by name.
var uses = map[string]func(ctx context.Context, do region) error{
	"Sleep": func(ctx context.Context, do region) error {
		return unlessCancelled(do(ctx, func(ctx context.Context) error {
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			return aio.Sleep(ctx, ms)
		}))
	},
	"Future": func(ctx context.Context, do region) error {
		f := aio.CreateFuture[int](ctx)
		start(ctx, func(ctx context.Context) error {
			if err := aio.Sleep(ctx, ms); err != nil || f.Done() {
				return err
			}
			return f.SetResult(1)
		})
		awaited := false
		err := do(ctx, func(ctx context.Context) error {
			awaited = true
			_, err := f.Await(ctx)
			return err
		})
		if awaited && !f.Done() {
			return errors.New("the await returned before the future was done")
		}
		return unlessCancelled(err)
	},
	"Lock": func(ctx context.Context, do region) error {
		var lock aio.Lock
		inside := 0
		use := func(ctx context.Context) error {
			return lock.With(ctx, func(ctx context.Context) error {
				if inside++; inside > 1 {
					return errors.New("two tasks hold the lock")
				}
				defer func() { inside-- }()
				return aio.Sleep(ctx, ms)
			})
		}
		others := []*aio.Task[struct{}]{start(ctx, use), start(ctx, use)}
		if err := do(ctx, use); unlessCancelled(err) != nil {
			return err
		}
		if err := within(ctx, func(ctx context.Context) error { return errors.Join(all(ctx, others...), use(ctx)) }); err != nil {
			return err
		}
		if lock.Locked() {
			return errors.New("the lock is still locked")
		}
		return nil
	},
	"Event": func(ctx context.Context, do region) error {
		var event aio.Event
		other := start(ctx, event.Wait)
		start(ctx, func(ctx context.Context) error { event.Set(); return nil })
		err := do(ctx, event.Wait)
		return errors.Join(unlessCancelled(err), within(ctx, func(ctx context.Context) error { return all(ctx, other) }))
	},
	"Condition": func(ctx context.Context, do region) error {
		// There are as many notifications as waiters: a cancelled waiter passes
		// its notification on.
		var cond aio.Condition
		tokens, taken := 0, 0
		take := func(ctx context.Context) error {
			return cond.With(ctx, func(ctx context.Context) error {
				for tokens == 0 {
					if err := cond.Wait(ctx); err != nil {
						return err
					}
				}
				tokens--
				taken++
				return nil
			})
		}
		other := start(ctx, take)
		give := start(ctx, func(ctx context.Context) error {
			for range 2 {
				// the region waits meanwhile
				if err := aio.Sleep(ctx, ms); err != nil {
					return err
				}
				err := cond.With(ctx, func(context.Context) error { tokens++; cond.Notify(1); return nil })
				if err = errors.Join(err, aio.Sleep(ctx, ms)); err != nil {
					return err
				}
			}
			return nil
		})
		if err := do(ctx, take); unlessCancelled(err) != nil {
			return err
		}
		if err := within(ctx, func(ctx context.Context) error { return all(ctx, other, give) }); err != nil {
			return err
		}
		if tokens+taken != 2 || cond.Locked() {
			return fmt.Errorf("%d tokens remain, %d were taken, locked %v", tokens, taken, cond.Locked())
		}
		return nil
	},
	"Condition.WaitFor": func(ctx context.Context, do region) error {
		var cond aio.Condition
		ready := false
		wait := func(ctx context.Context) error {
			return cond.With(ctx, func(ctx context.Context) error { return cond.WaitFor(ctx, func() bool { return ready }) })
		}
		other := start(ctx, wait)
		start(ctx, func(ctx context.Context) error {
			// the region waits meanwhile
			err := aio.Sleep(ctx, ms)
			return errors.Join(err, cond.With(ctx, func(context.Context) error { ready = true; cond.NotifyAll(); return nil }))
		})
		err := do(ctx, wait)
		return errors.Join(unlessCancelled(err), within(ctx, func(ctx context.Context) error { return all(ctx, other) }))
	},
	"Semaphore": func(ctx context.Context, do region) error {
		permits := aio.NewSemaphore(2)
		inside := 0
		use := func(ctx context.Context) error {
			return permits.With(ctx, func(ctx context.Context) error {
				if inside++; inside > 2 {
					return fmt.Errorf("%d tasks hold two permits", inside)
				}
				defer func() { inside-- }()
				return aio.Sleep(ctx, ms)
			})
		}
		others := []*aio.Task[struct{}]{start(ctx, use), start(ctx, use), start(ctx, use)}
		if err := do(ctx, use); unlessCancelled(err) != nil {
			return err
		}
		return within(ctx, func(ctx context.Context) error {
			return errors.Join(all(ctx, others...), permits.Acquire(ctx), permits.Acquire(ctx))
		})
	},
	"Barrier": func(ctx context.Context, do region) error {
		barrier := aio.NewBarrier(2)
		wait := func(ctx context.Context) error { _, err := barrier.Wait(ctx); return err }
		other := start(ctx, func(ctx context.Context) error { return errors.Join(aio.Sleep(ctx, ms), wait(ctx)) })
		err := do(ctx, wait)
		if unlessCancelled(err) != nil {
			return err
		}
		return within(ctx, func(ctx context.Context) error {
			if err != nil && !other.Done() {
				// the other child still waits, for a second
				if err := aio.Sleep(ctx, ms); err != nil {
					return err
				}
				if !other.Done() {
					if err := wait(ctx); err != nil {
						return err
					}
				}
			}
			return all(ctx, other)
		})
	},
	"Queue.Get": func(ctx context.Context, do region) error {
		q := aio.NewQueue[int](0)
		var got []int
		get := func(ctx context.Context) error {
			v, err := q.Get(ctx)
			if err == nil {
				got = append(got, v)
			}
			return err
		}
		other := start(ctx, get)
		producer := start(ctx, func(ctx context.Context) error {
			for i := range 2 {
				if err := errors.Join(q.PutNowait(i), aio.Sleep(ctx, ms)); err != nil {
					return err
				}
			}
			return nil
		})
		err := do(ctx, get)
		if unlessCancelled(err) != nil {
			return err
		}
		if err := within(ctx, func(ctx context.Context) error { return all(ctx, other, producer) }); err != nil {
			return err
		}
		for !q.Empty() {
			if err := get(ctx); err != nil {
				return err
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, []int{0, 1}) {
			return fmt.Errorf("got the items %v", got)
		}
		return nil
	},
	"Queue.Put": func(ctx context.Context, do region) error {
		q := aio.NewQueue[int](1)
		put := 0
		insert := func(ctx context.Context) error {
			err := q.Put(ctx, 1)
			if err == nil {
				put++
			}
			return err
		}
		if err := insert(ctx); err != nil {
			return err
		}
		other := start(ctx, insert)
		got := 0
		consumer := start(ctx, func(ctx context.Context) error {
			for range 2 {
				if _, err := q.Get(ctx); err != nil {
					return err
				}
				got++
				if err := aio.Sleep(ctx, ms); err != nil {
					return err
				}
			}
			return nil
		})
		err := do(ctx, insert)
		if unlessCancelled(err) != nil {
			return err
		}
		if err := within(ctx, func(ctx context.Context) error { return all(ctx, other, consumer) }); err != nil {
			return err
		}
		if put != got+q.QSize() {
			return fmt.Errorf("%d items were put, %d were got, %d remain", put, got, q.QSize())
		}
		return nil
	},
	"Queue.Join": func(ctx context.Context, do region) error {
		q := aio.NewQueue[int](0)
		for i := range 3 {
			if err := q.PutNowait(i); err != nil {
				return err
			}
		}
		worker := start(ctx, func(ctx context.Context) error {
			for range 3 {
				if _, err := q.Get(ctx); err != nil {
					return err
				}
				if err := aio.Sleep(ctx, ms); err != nil {
					return err
				}
				q.TaskDone()
			}
			return nil
		})
		err := do(ctx, q.Join)
		return errors.Join(unlessCancelled(err), within(ctx, func(ctx context.Context) error { return errors.Join(q.Join(ctx), all(ctx, worker)) }))
	},
	"Queue.Shutdown": func(ctx context.Context, do region) error {
		q := aio.NewQueue[int](0)
		drain := func(ctx context.Context) error {
			for _, err := range q.All(ctx) {
				if err != nil {
					return err
				}
			}
			return nil
		}
		other := start(ctx, drain)
		start(ctx, func(ctx context.Context) error {
			err := errors.Join(q.PutNowait(1), aio.Sleep(ctx, ms))
			q.Shutdown(false)
			return err
		})
		err := do(ctx, drain)
		return errors.Join(unlessCancelled(err), within(ctx, func(ctx context.Context) error { return all(ctx, other) }))
	},
	"TaskGroup": func(ctx context.Context, do region) error {
		ended := 0
		child := func(ctx context.Context) error {
			defer func() { ended++ }()
			return aio.Sleep(ctx, ms)
		}
		started := 0
		err := do(ctx, func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				for range 2 {
					tg.Go(func(ctx context.Context) error { started++; return child(ctx) })
				}
				return aio.Sleep(ctx, ms)
			})
		})
		if started != ended {
			return fmt.Errorf("%d children started, %d ended before the group", started, ended)
		}
		return unlessCancelled(err)
	},
	"TaskGroup with a failure": func(ctx context.Context, do region) error {
		failure := errors.New("failure")
		err := do(ctx, func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
				tg.Go(func(ctx context.Context) error {
					if err := aio.Sleep(ctx, ms); err != nil {
						return err
					}
					return failure
				})
				return nil
			})
		})
		if !errors.Is(err, failure) && !errors.Is(err, aio.ErrCancelled) {
			return fmt.Errorf("the group ended with %w", err)
		}
		return nil
	},
	"Timeout": func(ctx context.Context, do region) error {
		err := do(ctx, func(ctx context.Context) error {
			err := aio.Timeout(ctx, 2*ms, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
			if !errors.Is(err, aio.ErrTimeout) {
				return err
			}
			return aio.Timeout(ctx, time.Hour, func(ctx context.Context) error { return aio.Sleep(ctx, ms) })
		})
		return unlessCancelled(err)
	},
	"WaitFor": func(ctx context.Context, do region) error {
		slow := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
		err := do(ctx, func(ctx context.Context) error {
			if _, err := aio.WaitFor(ctx, slow, ms); !errors.Is(err, aio.ErrTimeout) {
				return err
			}
			_, err := aio.WaitFor(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, ms) }), time.Hour)
			return err
		})
		if !slow.Done() {
			slow.Cancel() // cancelled before the task waited
		}
		return unlessCancelled(err)
	},
	"Gather": func(ctx context.Context, do region) error {
		started, ended := 0, 0
		child := func(ctx context.Context) (int, error) {
			started++
			defer func() { ended++ }()
			return 1, aio.Sleep(ctx, ms)
		}
		err := do(ctx, func(ctx context.Context) error {
			v, err := aio.Gather(ctx, aio.Coro[int](child), aio.Coro[int](child)).Await(ctx)
			if err == nil && !slices.Equal(v, []int{1, 1}) {
				err = fmt.Errorf("the results are %v", v)
			}
			return err
		})
		if err := aio.Sleep(ctx, 10*ms); err != nil {
			return err
		}
		if started != ended {
			return fmt.Errorf("%d children started, %d ended", started, ended)
		}
		return unlessCancelled(err)
	},
	"Shield": func(ctx context.Context, do region) error {
		inner := aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return 1, aio.Sleep(ctx, 2*ms) })
		err := do(ctx, func(ctx context.Context) error { _, err := aio.Shield(ctx, inner).Await(ctx); return err })
		if unlessCancelled(err) != nil {
			return err
		}
		v, err := inner.Await(ctx)
		if err == nil && v != 1 {
			err = fmt.Errorf("the result is %d", v)
		}
		return err
	},
	"Wait": func(ctx context.Context, do region) error {
		var fs []aio.AnyFuture
		var tasks []*aio.Task[struct{}]
		for i := range 3 {
			task := start(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Duration(i)*ms) })
			fs, tasks = append(fs, task), append(tasks, task)
		}
		err := do(ctx, func(ctx context.Context) error {
			done, left, err := aio.Wait(ctx, fs, time.Hour, aio.FirstCompleted)
			if err == nil && (len(done) == 0 || len(done)+len(left) != 3) {
				err = fmt.Errorf("%d are done, %d are pending", len(done), len(left))
			}
			return err
		})
		// Wait does not cancel its futures
		return errors.Join(unlessCancelled(err), all(ctx, tasks...))
	},
	"AsCompleted": func(ctx context.Context, do region) error {
		var tasks []*aio.Task[struct{}]
		for i := range 3 {
			tasks = append(tasks, start(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Duration(3-i)*ms) }))
		}
		err := do(ctx, func(ctx context.Context) error {
			n := 0
			for _, err := range aio.AsCompleted(ctx, tasks, time.Hour).All(ctx) {
				if err != nil {
					return err
				}
				n++
			}
			if n != 3 {
				return fmt.Errorf("got %d of 3", n)
			}
			return nil
		})
		return errors.Join(unlessCancelled(err), all(ctx, tasks...))
	},
	"StaggeredRace": func(ctx context.Context, do region) error {
		started, ended := 0, 0
		run := func(d time.Duration) aio.Coro[int] {
			return func(ctx context.Context) (int, error) {
				started++
				defer func() { ended++ }()
				return 1, aio.Sleep(ctx, d)
			}
		}
		err := do(ctx, func(ctx context.Context) error {
			_, err := aio.StaggeredRace(ctx, ms, run(5*ms), run(2*ms), run(9*ms))
			return err
		})
		if started != ended {
			return fmt.Errorf("%d started, %d ended", started, ended)
		}
		return unlessCancelled(err)
	},
	"ToThread": func(ctx context.Context, do region) error {
		ran := 0
		err := do(ctx, func(ctx context.Context) error {
			for range 2 {
				if _, err := aio.ToThread(ctx, func(context.Context) (int, error) { ran++; return 1, nil }); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil && ran != 2 {
			return fmt.Errorf("%d of 2 jobs ran", ran)
		}
		return unlessCancelled(err)
	},
	"RunInExecutor": func(ctx context.Context, do region) error {
		ran := 0
		ex := aiotest.VirtualExecutor(ctx, 1)
		err := do(ctx, func(ctx context.Context) error {
			job := func() (int, error) { ran++; return 1, nil }
			_, err := aio.Gather(ctx, aio.RunInExecutor(ctx, ex, job), aio.RunInExecutor(ctx, ex, job)).Await(ctx)
			return err
		})
		ex.Shutdown(false)
		if err == nil && ran != 2 {
			return fmt.Errorf("%d of 2 jobs ran", ran)
		}
		return unlessCancelled(err)
	},
	"a derived context": func(ctx context.Context, do region) error {
		q := aio.NewQueue[int](0)
		derived, cancel := context.WithCancel(ctx)
		defer cancel()
		other := start(ctx, func(ctx context.Context) error {
			_, err := q.Get(derived)
			switch {
			case err == nil:
				return errors.New("it got something")
			case aio.CurrentTask(ctx).Cancelling() > 0:
				return err
			}
			return nil
		})
		start(ctx, func(ctx context.Context) error { cancel(); return nil })
		err := do(ctx, func(ctx context.Context) error { return all(ctx, other) })
		if errors.Is(err, aio.ErrCancelled) {
			_, _, err = aio.Wait(ctx, []aio.AnyFuture{other}, time.Minute, aio.AllCompleted)
		}
		return err
	},
}

// The minimum counts of TestPrimitives over all uses.
const (
	minUses      = 20
	minSchedules = 3 * minUses // multiplied by the number of schedules in one mode
	minMoments   = 500         // multiplied by the number of schedules of a sweep
)

func TestPrimitives(t *testing.T) {
	schedules, sweeps := stage.Amount(100, 500, 10_000), stage.Amount(8, 40, 500)
	var explored, moments, steps atomic.Int64
	t.Run("all", func(t *testing.T) {
		for name, use := range uses {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var ran, swept, made int
				for _, mode := range []aiotest.Mode{aiotest.Environment, aiotest.AnyOrder, aiotest.PCT} {
					r := aiotest.Explore(t, aiotest.Exploration{Mode: mode, Runs: schedules}, func(ctx context.Context) error {
						return use(ctx, func(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) })
					})
					ran += r.Runs
					made += r.Steps
				}
				for _, mode := range []aiotest.Mode{aiotest.Environment, aiotest.AnyOrder} {
					r := aiotest.CancelEverywhere(t, aiotest.Sweep{Schedules: sweeps, Mode: mode}, func(ctx context.Context, c *aiotest.Cancelled) error {
						return use(ctx, c.Do)
					})
					if r.Moments < sweeps {
						t.Errorf("%v: %d moments in %d schedules, want one in each", mode, r.Moments, sweeps)
					}
					swept += r.Moments
					made += r.Steps
				}
				t.Logf("%d schedules, %d moments of cancellation, %d steps", ran, swept, made)
				if ran < 3*schedules {
					t.Errorf("%d schedules, want %d", ran, 3*schedules)
				}
				explored.Add(int64(ran))
				moments.Add(int64(swept))
				steps.Add(int64(made))
			})
		}
	})
	t.Logf("%d uses of primitives, %d schedules, %d moments of cancellation, %d steps", len(uses), explored.Load(), moments.Load(), steps.Load())
	if len(uses) < minUses || int(explored.Load()) < minSchedules*schedules || int(moments.Load()) < minMoments*sweeps {
		t.Errorf("too few, want at least %d, %d and %d", minUses, minSchedules*schedules, minMoments*sweeps)
	}
}
