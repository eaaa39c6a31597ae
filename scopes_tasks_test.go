package aio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// A cancelled scope cancels the tasks of the groups in it, and of nested groups, at
// each of their awaits. It does not reach code inside a shield.
func TestScopeReachesGroups(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		var s aio.CancelScope
		stubborn := func(name string) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				for range 3 {
					if err := aio.Sleep(ctx, time.Second); err != nil {
						log.add("%s:%v", name, outcomeOf(err))
					}
				}
				select {
				case <-ctx.Done():
					log.add("%s-done", name)
				default:
				}
				return nil
			}
		}
		loop := s.Deadline // before Run
		if !loop().IsZero() {
			t.Error("a deadline before Run")
		}
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			err := aio.Sleep(ctx, time.Second/2)
			log.add("cancel")
			s.Cancel("that's it")
			return err
		}), aio.WithName("canceller"))
		err := s.Run(ctx, func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(stubborn("a"))
				tg.Go(func(ctx context.Context) error {
					return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
						tg.Go(stubborn("b"), aio.WithEagerStart(true))
						return nil
					})
				})
				tg.Go(func(ctx context.Context) error {
					return aio.Shielded(ctx, func(ctx context.Context) error {
						err := aio.Sleep(ctx, time.Second)
						log.add("shielded:%v", outcomeOf(err))
						return err
					})
				})
				err := aio.Sleep(ctx, time.Hour)
				var c *aio.CancelledError
				if !errors.As(err, &c) || c.Message != "that's it" || c.Source != aio.CancelScoped || c.By != "canceller" {
					t.Errorf("the error is %#v", err)
				}
				// started in a cancelled scope, so its first await
				// fails
				tg.Go(stubborn("late"))
				return err
			})
		})
		if err != nil || !s.Caught() || !s.CancelCalled() {
			t.Errorf("Run returns %v, caught %v", err, s.Caught())
		}
		// The groups wait without additional passes: each failed await takes
		// one pass. The group also cancels its tasks with a request, so late
		// does not start.
		log.want(t, "cancel a:cancelled b:cancelled a:cancelled b:cancelled a:cancelled a-done b:cancelled b-done shielded:ok")
		if aio.Gate(ctx) != 0 {
			t.Errorf("the gate is %d", aio.Gate(ctx))
		}
		return nil
	})
}

// A group in a cancelled scope waits for its tasks without using passes, and so does a
// Condition for its lock.
func TestScopeDoesNotSpin(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var s aio.CancelScope
		var cond aio.Condition
		waiter := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return s.Run(ctx, func(ctx context.Context) error {
				return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
					tg.Go(func(ctx context.Context) error {
						return aio.Shielded(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
					})
					return cond.With(ctx, cond.Wait)
				})
			})
		}))
		letPass(ctx, 2)
		if err := cond.Acquire(ctx); err != nil {
			return err
		}
		s.Cancel()
		before := waiter.GetLoop().Stats().Steps
		if err := aio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		if cond.Locked() {
			cond.Release()
		}
		start := waiter.GetLoop().Time()
		if _, err := waiter.Await(ctx); err != nil {
			return err
		}
		if d := waiter.GetLoop().Time().Sub(start); d != time.Hour-time.Minute {
			t.Errorf("the group waits for %v", d)
		}
		if steps := waiter.GetLoop().Stats().Steps - before; steps > 12 {
			t.Errorf("%d steps", steps)
		}
		return nil
	})
}

func TestScopeDeadline(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		start := loop.Time()
		took := func() time.Duration { d := loop.Time().Sub(start); start = loop.Time(); return d }
		sleep := func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }

		timedOut, err := aio.MoveOnAfter(ctx, time.Second, sleep)
		if !timedOut || err != nil || took() != time.Second {
			t.Errorf("MoveOnAfter: %v %v", timedOut, err)
		}
		timedOut, err = aio.MoveOnAfter(ctx, time.Second, func(context.Context) error { return errors.ErrUnsupported })
		if timedOut || err != errors.ErrUnsupported {
			t.Errorf("MoveOnAfter of another error: %v %v", timedOut, err)
		}
		timedOut, err = aio.MoveOnAt(ctx, loop.Time().Add(time.Minute), sleep)
		if !timedOut || err != nil || took() != time.Minute {
			t.Errorf("MoveOnAt: %v %v", timedOut, err)
		}
		if err := aio.FailAfter(ctx, 0, sleep); err != aio.ErrTimeout || took() != 0 {
			t.Errorf("FailAfter: %v", err)
		}
		if err := aio.FailAt(ctx, loop.Time().Add(-time.Minute), sleep); err != aio.ErrTimeout || took() != 0 {
			t.Errorf("FailAt: %v", err)
		}
		if err := aio.FailAfter(ctx, aio.NoTimeout, sleep); err != nil || took() != time.Hour {
			t.Errorf("FailAfter without a limit: %v", err)
		}

		// the deadline is moved from outside, and removed
		var s aio.CancelScope
		s.SetTimeout(time.Second)
		loop.CallLater(time.Second/2, func() { s.SetTimeout(time.Minute) })
		loop.CallLater(time.Second, func() { s.SetDeadline(s.Deadline().Add(time.Second / 2)) })
		if err := s.Run(ctx, sleep); err != nil || took() != time.Minute+time.Second {
			t.Errorf("a moved deadline: %v", err)
		}
		var lifted aio.CancelScope
		lifted.SetDeadline(loop.Time().Add(time.Second))
		loop.CallLater(time.Second/2, func() { lifted.SetDeadline(time.Time{}) })
		if err := lifted.Run(ctx, sleep); err != nil || lifted.CancelCalled() || took() != time.Hour || !lifted.Deadline().IsZero() {
			t.Errorf("a lifted deadline: %v", err)
		}
		// the error says that the reason was a deadline
		var c *aio.CancelledError
		err = aio.FailAfter(ctx, time.Second, func(ctx context.Context) error {
			if err := sleep(ctx); !errors.As(err, &c) || c.Source != aio.CancelDeadline {
				t.Errorf("the await returns %#v", err)
			}
			if ctx.Err() == nil {
				t.Error("the context is not done")
			}
			return nil
		})
		return err // the body returns another error than the timeout
	})
}

// The cancellations of timeouts and groups contain their reason.
func TestCancelSource(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		source := func(err error) aio.CancelSource {
			var c *aio.CancelledError
			if !errors.As(err, &c) {
				t.Errorf("%v is not a cancellation", err)
				return 99
			}
			return c.Source
		}
		sleep := func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }
		_ = aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
			err := sleep(ctx)
			if source(err) != aio.CancelDeadline {
				t.Errorf("Timeout: %v", source(err))
			}
			return err
		})
		_ = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(context.Context) error { return errors.ErrUnsupported })
			err := sleep(ctx)
			if source(err) != aio.CancelGroup {
				t.Errorf("TaskGroup: %v", source(err))
			}
			return err
		})
		task := aio.CreateTask(ctx, aio.NoResult(sleep))
		letPass(ctx, 1)
		task.Cancel("why")
		if _, err := task.Await(ctx); source(err) != aio.CancelRequest {
			t.Errorf("Cancel: %v", source(err))
		}
		if s := aio.CancelSource(9).String(); s != "CancelSource(9)" || aio.CancelDeadline.String() != "deadline" {
			t.Error(s)
		}
		return nil
	})
}

func TestScopeShieldMoves(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		for _, how := range []string{"scope", "request"} {
			var log eventLog
			var outer, inner aio.CancelScope
			task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				return outer.Run(ctx, func(ctx context.Context) error {
					return inner.Run(ctx, func(ctx context.Context) error {
						err := aio.Sleep(ctx, time.Second)
						log.add("%v", outcomeOf(err))
						err = aio.Sleep(ctx, time.Hour)
						log.add("%v", outcomeOf(err))
						return err
					})
				})
			}))
			start := loop.Time()
			loop.CallLater(time.Second/4, func() { inner.SetShield(true) })
			loop.CallLater(time.Second/2, func() {
				if how == "scope" {
					outer.Cancel()
				} else {
					task.Cancel()
				}
			})
			loop.CallLater(2*time.Second, func() { inner.SetShield(false) })
			_, _ = task.Await(ctx)
			if d := loop.Time().Sub(start); d != 2*time.Second || inner.Shielded() {
				t.Errorf("it ends after %v", d)
			}
			log.want(t, "ok cancelled", how)
			if task.Cancelled() != (how == "request") || outer.Caught() != (how == "scope") || inner.Caught() {
				t.Errorf("%s: cancelled %v, caught %v", how, task.Cancelled(), outer.Caught())
			}
		}
		return nil
	})
}

// The counter of cancellation requests is right inside a shield and after it.
func TestShieldCounts(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			me := aio.CurrentTask(ctx)
			err := aio.Shielded(ctx, func(ctx context.Context) error {
				letPass(ctx, 2)
				log.add("cancelling=%d", me.Cancelling())
				err := aio.Timeout(ctx, time.Second, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
				log.add("%v", outcomeOf(err))
				err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
					tg.Cancel()
					return aio.Sleep(ctx, time.Hour)
				})
				log.add("%v", outcomeOf(err))
				return err
			})
			log.add("shield:%v", outcomeOf(err))
			// does not wait, so no cancellation is delivered
			var free aio.Lock
			log.add("lock:%v", outcomeOf(free.Acquire(ctx)))
			err = aio.Sleep(ctx, time.Hour)
			log.add("%v,left=%d", outcomeOf(err), me.Uncancel())
			return nil
		}))
		letPass(ctx, 1)
		task.Cancel()
		_, err := task.Await(ctx)
		log.want(t, "cancelling=1 timeout ok shield:ok lock:ok cancelled,left=0")
		return err
	})
}

func TestCancelAndWait(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		slow := func(name string, end error) *aio.Task[struct{}] {
			return aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				err := aio.Sleep(ctx, time.Hour)
				_ = aio.Sleep(ctx, time.Second)
				log.add("%s", name)
				if end != nil {
					return end
				}
				return err
			}))
		}
		a, b := slow("a", nil), slow("b", errors.ErrUnsupported)
		letPass(ctx, 1)
		owner := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			err := aio.CancelAndWait(ctx, a, b, a)
			log.add("waited:%v", outcomeOf(err))
			err = aio.Sleep(ctx, 0)
			log.add("next:%v", outcomeOf(err))
			return err
		}))
		letPass(ctx, 1)
		owner.Cancel()
		if _, err := owner.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
			t.Error(err)
		}
		log.want(t, "a b waited:ok next:cancelled")
		if !a.Cancelled() || b.Exception() != errors.ErrUnsupported {
			t.Errorf("a %v, b %v", a, b)
		}
		// futures of different kinds, and no futures
		f := aio.CreateFuture[int](ctx)
		if err := aio.CancelAndWait[aio.AnyFuture](ctx, f, a); err != nil || !f.Cancelled() {
			t.Errorf("%v %v", err, f)
		}
		if err := aio.CancelAndWait[aio.AnyFuture](ctx); err != nil {
			t.Error(err)
		}
		me := aio.CurrentTask(ctx)
		if err := aio.CancelAndWait(ctx, me); !errors.Is(err, aio.ErrAwaitSelf) || me.Cancelling() != 0 {
			t.Errorf("itself: %v", err)
		}
		if err := aio.CancelAndWait[aio.AnyFuture](ctx, nil); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("nil: %v", err)
		}
		return nil
	})
}

func TestScopeMisuse(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var s aio.CancelScope
		if err := s.Run(ctx, nil); !errors.Is(err, aio.ErrUsage) {
			t.Error(err)
		}
		if err := s.Run(context.Background(), func(context.Context) error { return nil }); !errors.Is(err, aio.ErrNoRunningLoop) {
			t.Error(err)
		}
		s.Cancel("early")
		err := s.Run(ctx, func(ctx context.Context) error {
			if err := s.Run(ctx, func(context.Context) error { return nil }); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("entered twice: %v", err)
			}
			var free aio.Lock
			err := free.Acquire(ctx) // every await fails, even this one
			if free.Locked() || err == nil || err.Error() != "aio: cancelled: early" {
				t.Errorf("cancelled before Run: %v", err)
			}
			return err
		})
		if err != nil || !s.Caught() {
			t.Error(err)
		}
		s.Cancel() // does nothing
		for name, f := range map[string]func(){
			"SetShield":   func() { s.SetShield(true) },
			"SetDeadline": func() { s.SetDeadline(time.Time{}) },
			"SetTimeout":  func() { s.SetTimeout(1) },
		} {
			if err := panics(f); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("%s after Run: %v", name, err)
			}
		}
		// a panic leaves the scope properly
		var p aio.CancelScope
		p.Cancel()
		_ = panics(func() { _ = p.Run(ctx, func(context.Context) error { panic(errors.ErrUnsupported) }) })
		return aio.Sleep(ctx, 0)
	})
}
