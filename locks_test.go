package aio_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// A scene is a main task that starts others, and the log of how they ended.
type scene struct {
	*testing.T
	eventLog
	ctx  context.Context
	cast []*aio.Task[struct{}]
}

// play runs f as the main task under a virtual clock. Tasks that wait still at its end are
// cancelled, which must end them.
func play(t *testing.T, f func(s *scene)) {
	t.Helper()
	aiotest.Run(t, func(ctx context.Context) error {
		s := &scene{T: t, ctx: ctx}
		f(s)
		for _, task := range s.cast {
			task.Cancel()
		}
		for _, task := range s.cast {
			if _, err := task.Await(ctx); err != nil && !errors.Is(err, aio.ErrCancelled) {
				return err
			}
		}
		return nil
	})
}

// start runs f as a task, which logs its name when f has succeeded, and else name!error.
func (s *scene) start(name string, f func(ctx context.Context) error) *aio.Task[struct{}] {
	return s.play(func(ctx context.Context) { s.ended(name, f(ctx)) })
}

// fetch is start for an f that has a result, which the log gets as name=result.
func fetch[T any](s *scene, name string, f func(ctx context.Context) (T, error)) *aio.Task[struct{}] {
	return s.play(func(ctx context.Context) {
		v, err := f(ctx)
		if err == nil {
			name = fmt.Sprint(name, "=", v)
		}
		s.ended(name, err)
	})
}

func (s *scene) play(f func(ctx context.Context)) *aio.Task[struct{}] {
	task := aio.CreateTask(s.ctx, coro(func(ctx context.Context) error {
		f(ctx)
		return nil
	}))
	s.cast = append(s.cast, task)
	return task
}

// ended logs an outcome.
func (s *scene) ended(name string, err error) {
	var c *aio.CancelledError
	switch {
	case err == nil:
		s.add("%s", name)
	case errors.As(err, &c) && c.Message != nil:
		s.add("%s!cancelled:%v", name, c.Message)
	case errors.As(err, &c):
		s.add("%s!cancelled", name)
	case errors.Is(err, aio.ErrTimeout):
		s.add("%s!timeout", name)
	case errors.Is(err, aio.ErrBrokenBarrier):
		s.add("%s!broken", name)
	case errors.Is(err, aio.ErrQueueShutDown):
		s.add("%s!shut", name)
	default:
		s.add("%s!%v", name, err)
	}
}

// turn lets everybody else run for n passes of the loop.
func (s *scene) turn(n int) {
	s.Helper()
	for range n {
		s.must(aio.Sleep(s.ctx, 0))
	}
}

// after lets everybody else run for n passes, and compares what they logged.
func (s *scene) after(n int, events string) {
	s.Helper()
	s.turn(n)
	s.want(events)
}

func (s *scene) want(events string) {
	s.Helper()
	s.eventLog.want(s.T, events)
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// is compares the state of a primitive.
func is[T comparable](s *scene, what string, got, want T) {
	s.Helper()
	if got != want {
		s.Errorf("%s is %v, want %v", what, got, want)
	}
}

// misused fails unless f panics with an error of misuse that matches every sentinel.
func misused(t *testing.T, what string, f func(), sentinels ...error) {
	t.Helper()
	err := panics(f)
	for _, want := range append(sentinels, aio.ErrUsage) {
		if !errors.Is(err, want) {
			t.Errorf("%s: panic with %v, want %v", what, err, want)
		}
	}
}

func ok(context.Context) error { return nil }

// LOCK-001, LOCK-002, LOCK-014
func TestLockThatIsFreeIsTakenInTheSameStep(t *testing.T) {
	play(t, func(s *scene) {
		var k aio.Lock
		is(s, "new lock: Locked", k.Locked(), false)
		s.start("other", ok)
		s.ended("acquired", k.Acquire(s.ctx))
		is(s, "acquired: Locked", k.Locked(), true)
		k.Release()
		is(s, "released: Locked", k.Locked(), false)
		s.after(1, "acquired other")
		misused(t, "releasing a free lock", k.Release, aio.ErrNotLocked)
	})
}

// LOCK-003, LOCK-004, LOCK-005
func TestLockReleaseAdmitsTheNextInLineInTheNextTurn(t *testing.T) {
	play(t, func(s *scene) {
		var k aio.Lock
		s.must(k.Acquire(s.ctx))
		for _, name := range []string{"A", "B", "C"} {
			s.start(name, k.Acquire)
		}
		s.after(5, "")
		for _, name := range []string{"A", "B", "C"} {
			k.Release()
			s.after(1, name)
			is(s, "admitted: Locked", k.Locked(), true)
			s.after(3, "")
		}
	})
}

// LOCK-006
func TestLockNewcomerQueuesBehindAWokenWaiter(t *testing.T) {
	play(t, func(s *scene) {
		var k aio.Lock
		s.must(k.Acquire(s.ctx))
		s.start("waiter", k.Acquire)
		s.turn(1)
		s.start("newcomer", k.Acquire) // is ready before the waiter
		k.Release()
		s.after(3, "waiter")
		k.Release()
		s.after(1, "newcomer")
	})
}

// LOCK-007
func TestLockReacquiredAtOnceGoesToTheWaitersFirst(t *testing.T) {
	play(t, func(s *scene) {
		var k aio.Lock
		s.must(k.Acquire(s.ctx))
		for _, name := range []string{"A", "B"} {
			s.start(name, func(ctx context.Context) error { return k.With(ctx, ok) })
		}
		s.turn(1)
		k.Release()
		is(s, "released: Locked", k.Locked(), false)
		s.ended("main", k.Acquire(s.ctx))
		s.want("A B main")
	})
}

// LOCK-008, LOCK-016
func TestLockCancelledWaiterLeavesTheLine(t *testing.T) {
	play(t, func(s *scene) {
		var k aio.Lock
		s.must(k.Acquire(s.ctx))
		b := s.start("B", k.Acquire)
		s.start("C", k.Acquire)
		s.turn(1)
		b.Cancel()
		s.after(1, "B!cancelled")
		k.Release()
		s.after(1, "C")
		k.Release() // by another task than the one that acquired it
		is(s, "released: Locked", k.Locked(), false)
	})
}

// LOCK-009, LOCK-010
func TestLockReleasedBeforeACancelledWaiterUnwinds(t *testing.T) {
	play(t, func(s *scene) {
		var k aio.Lock
		s.must(k.Acquire(s.ctx))
		b := s.start("B", k.Acquire)
		s.start("C", k.Acquire)
		s.turn(1)
		b.Cancel()
		k.Release()
		s.after(1, "B!cancelled")
		is(s, "after one turn: Locked", k.Locked(), false)
		s.after(1, "C")
		is(s, "after two turns: Locked", k.Locked(), true)
	})
}

// LOCK-011
func TestLockCancelAndReleaseInOneCallbackGrantOnce(t *testing.T) {
	play(t, func(s *scene) {
		var k aio.Lock
		s.must(k.Acquire(s.ctx))
		a := s.start("A", k.Acquire)
		s.start("B", k.Acquire)
		s.start("C", k.Acquire)
		s.turn(1)
		a.GetLoop().CallSoon(func() {
			a.Cancel()
			k.Release()
		})
		s.after(5, "A!cancelled B")
		k.Release()
		s.after(1, "C")
	})
}

// LOCK-012
func TestLockWokenWaiterThatIsCancelledWakesTheNext(t *testing.T) {
	play(t, func(s *scene) {
		var k aio.Lock
		s.must(k.Acquire(s.ctx))
		a := s.start("A", k.Acquire)
		s.start("B", k.Acquire)
		s.turn(1)
		k.Release()
		a.Cancel()
		s.after(1, "A!cancelled")
		is(s, "not taken by A: Locked", k.Locked(), false)
		s.after(1, "B")
	})
}

// LOCK-013
func TestLockWhoseWaitersAreCancelledIsFree(t *testing.T) {
	play(t, func(s *scene) {
		var k aio.Lock
		s.must(k.Acquire(s.ctx))
		a := s.start("A", k.Acquire)
		s.turn(1)
		a.Cancel()
		k.Release()
		s.ended("main", k.Acquire(s.ctx))
		s.after(1, "main A!cancelled")
		is(s, "after A has unwound: Locked", k.Locked(), true)
	})
}

// EVT-001, EVT-008
func TestEventIsAFlag(t *testing.T) {
	var v aio.Event // no loop is needed
	if v.IsSet() {
		t.Error("a new event is set")
	}
	v.Set()
	if !v.IsSet() {
		t.Error("Set has no effect")
	}
	v.Clear()
	if v.IsSet() {
		t.Error("Clear has no effect")
	}
}

// EVT-002, EVT-003
func TestEventSetWakesAllInOrderInTheNextTurn(t *testing.T) {
	play(t, func(s *scene) {
		var v aio.Event
		for _, name := range []string{"A", "B", "C"} {
			s.start(name, v.Wait)
		}
		s.after(3, "")
		v.Set()
		s.after(1, "A B C")
		s.start("other", ok)
		s.ended("set", v.Wait(s.ctx)) // does not suspend
		s.after(1, "set other")
	})
}

// EVT-004
func TestEventFindsTaskThatStartsBeforeTheWaitersResume(t *testing.T) {
	play(t, func(s *scene) {
		var v aio.Event
		s.start("1", v.Wait)
		s.start("2", v.Wait)
		s.turn(1)
		s.start("3", v.Wait)
		v.Set()
		s.after(1, "3 1 2")
	})
}

// EVT-005
func TestEventWaitCancelledBeforeOrAfterSet(t *testing.T) {
	for _, set := range []bool{false, true} {
		play(t, func(s *scene) {
			var v aio.Event
			a := s.start("A", v.Wait)
			s.start("B", v.Wait)
			s.turn(1)
			if set {
				v.Set()
			}
			a.Cancel()
			v.Set()
			s.after(1, "A!cancelled B")
			v.Clear()
			v.Set() // nobody is left to be woken
			s.after(3, "")
		})
	}
}

// EVT-006, EVT-007
func TestEventWaiterResumesOnceWhateverFollowsTheSet(t *testing.T) {
	play(t, func(s *scene) {
		var v aio.Event
		s.start("A", v.Wait)
		s.turn(1)
		v.Set()
		v.Clear()
		v.Set()
		v.Set()
		s.want("")
		s.after(1, "A")

		v.Clear()
		s.start("B", v.Wait)
		s.turn(1)
		v.Set()
		v.Clear()
		is(s, "cleared: IsSet", v.IsSet(), false)
		s.after(5, "B")
	})
}

// waiter starts a task that waits for c, and keeps the lock after that if keep is set.
func (s *scene) waiter(name string, c *aio.Condition, keep bool) *aio.Task[struct{}] {
	return s.start(name, func(ctx context.Context) error {
		if err := c.Acquire(ctx); err != nil {
			return err
		}
		err := c.Wait(ctx)
		if !c.Locked() {
			s.Errorf("%s: Wait returned %v without the lock", name, err)
		}
		if !keep {
			c.Release()
		}
		return err
	})
}

// COND-001, COND-002
func TestConditionSharesItsLock(t *testing.T) {
	play(t, func(s *scene) {
		var k aio.Lock
		var own aio.Condition
		c := aio.NewCondition(&k)
		agree := func(what string, want bool) {
			s.Helper()
			is(s, what+": Lock.Locked", k.Locked(), want)
			is(s, what+": Condition.Locked", c.Locked(), want)
			is(s, what+": Locked of another condition", own.Locked(), false)
		}
		agree("new", false)
		s.must(c.Acquire(s.ctx))
		agree("condition acquired", true)
		k.Release()
		agree("lock released", false)
		s.must(k.Acquire(s.ctx))
		agree("lock acquired", true)
		c.Release()
		agree("condition released", false)
		s.must(c.With(s.ctx, func(context.Context) error { agree("in the scope", true); return nil }))
		agree("after the scope", false)

		own = *aio.NewCondition(nil)
		s.must(own.Acquire(s.ctx))
		is(s, "own lock: Locked", own.Locked(), true)
		own.Release()
	})
}

// COND-003, COND-013
func TestConditionWithoutItsLockIsMisuse(t *testing.T) {
	var c aio.Condition
	misused(t, "Notify outside of a loop", func() { c.Notify(1) }, aio.ErrNotLocked)
	misused(t, "NotifyAll outside of a loop", c.NotifyAll, aio.ErrNotLocked)
	misused(t, "Release outside of a loop", c.Release, aio.ErrNotLocked)
	play(t, func(s *scene) {
		misused(t, "Notify", func() { c.Notify(1) }, aio.ErrNotLocked)
		misused(t, "NotifyAll", c.NotifyAll, aio.ErrNotLocked)
		misused(t, "Wait", func() { _ = c.Wait(s.ctx) }, aio.ErrNotLocked)
		misused(t, "WaitFor", func() { _ = c.WaitFor(s.ctx, func() bool { return false }) }, aio.ErrNotLocked)
		s.must(c.WaitFor(s.ctx, func() bool { return true }))
	})
}

// COND-004, COND-005, COND-006
func TestConditionWaiterGoesOnWhenItHasTheLock(t *testing.T) {
	play(t, func(s *scene) {
		var c aio.Condition
		s.waiter("A", &c, true)
		s.turn(1)
		is(s, "A waits: Locked", c.Locked(), false)
		s.must(c.Acquire(s.ctx))
		c.Notify(1)
		s.after(10, "")
		c.Release()
		s.after(1, "A")
		is(s, "A went on: Locked", c.Locked(), true)
		c.Release()
	})
}

// COND-007, COND-009, COND-010, COND-011, COND-012
func TestConditionNotifyWakesTheFirstN(t *testing.T) {
	for _, test := range []struct {
		name   string
		notify []int // -1 for all
		want   string
	}{
		{"one", []int{1}, "1"},
		{"two", []int{2}, "1 2"},
		{"none", []int{0}, ""},
		{"all", []int{-1}, "1 2 3 4"},
		{"more than there are", []int{9}, "1 2 3 4"},
		{"again in the same step", []int{1, 2}, "1 2 3"},
		{"more than are left", []int{3, 3, 1}, "1 2 3 4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			play(t, func(s *scene) {
				var c aio.Condition
				s.must(c.Acquire(s.ctx))
				c.NotifyAll() // nobody hears it
				c.Release()
				for _, name := range []string{"1", "2", "3", "4"} {
					s.waiter(name, &c, false)
				}
				s.after(5, "")
				s.must(c.Acquire(s.ctx))
				s.start("notifier", func(context.Context) error { // not the one that acquired it
					for _, n := range test.notify {
						if n < 0 {
							c.NotifyAll()
						} else {
							c.Notify(n)
						}
					}
					c.Release()
					return nil
				})
				s.after(1, "notifier")
				s.after(1, test.want)
				s.after(5, "")
			})
		})
	}
}

// COND-008
func TestConditionNotifiedWaitersThatKeepTheLock(t *testing.T) {
	play(t, func(s *scene) {
		var c aio.Condition
		for _, name := range []string{"1", "2", "3"} {
			s.waiter(name, &c, true)
		}
		s.turn(1)
		s.must(c.Acquire(s.ctx))
		c.Notify(2)
		c.Release()
		s.after(5, "1")
		c.Release()
		s.after(5, "2")
		c.Release()
		s.after(5, "")
		is(s, "3 was not notified: Locked", c.Locked(), false)
	})
}

// COND-014
func TestConditionWaitForGoesBackToWaiting(t *testing.T) {
	play(t, func(s *scene) {
		var c aio.Condition
		ready := false
		s.start("A", func(ctx context.Context) error {
			return c.With(ctx, func(ctx context.Context) error {
				return c.WaitFor(ctx, func() bool { s.add("ready=%t", ready); return ready })
			})
		})
		s.after(1, "ready=false")
		for _, want := range []string{"ready=false", "ready=true A"} {
			s.must(c.With(s.ctx, func(context.Context) error { c.Notify(1); return nil }))
			s.after(3, want)
			is(s, "Locked", c.Locked(), false)
			ready = true
		}
	})
}

// COND-015, COND-016
func TestConditionCancelledWaiterTakesTheLockFirst(t *testing.T) {
	play(t, func(s *scene) {
		var c aio.Condition
		a := s.waiter("A", &c, true)
		s.turn(1)
		a.Cancel()
		s.after(1, "A!cancelled")
		is(s, "free lock: Locked", c.Locked(), true)
		c.Release()

		b := s.waiter("B", &c, true)
		s.turn(1)
		s.must(c.Acquire(s.ctx))
		b.Cancel()
		s.after(5, "")
		c.Release()
		s.after(1, "B!cancelled")
		is(s, "held lock: Locked", c.Locked(), true)
		c.Release()

		s.must(c.Acquire(s.ctx)) // neither is in line any more
		c.NotifyAll()
		c.Release()
		s.after(3, "")
		is(s, "in the end: Locked", c.Locked(), false)
	})
}

// COND-017, COND-020
func TestConditionCancelledWhileItTakesTheLockGivesTheLastReason(t *testing.T) {
	play(t, func(s *scene) {
		var c aio.Condition
		a := s.waiter("A", &c, false)
		s.turn(1)
		s.must(c.Acquire(s.ctx))
		c.Notify(1)
		s.turn(1)
		a.Cancel("first")
		s.after(2, "")
		a.Cancel("last")
		s.after(5, "")
		c.Release()
		s.after(1, "A!cancelled:last")
	})
}

// COND-018
func TestConditionNotifyCancelAndReleaseInAnyOrder(t *testing.T) {
	for release := range 4 {
		for cancel := range 5 {
			t.Run(fmt.Sprintf("release %d cancel %d", release, cancel), func(t *testing.T) {
				play(t, func(s *scene) {
					var c aio.Condition
					a := s.waiter("A", &c, true) // looks that it has the lock
					s.turn(1)
					s.must(c.Acquire(s.ctx))
					c.Notify(1)
					for turn := range 6 {
						if turn == release {
							c.Release()
						}
						if turn == cancel {
							a.Cancel()
						}
						s.turn(1)
					}
					// A runs in the turn of the release, and can be cancelled until then.
					if cancel <= release {
						s.want("A!cancelled")
					} else {
						s.want("A")
					}
					is(s, "Locked", c.Locked(), true)
				})
			})
		}
	}
}

// COND-019
func TestConditionPassesTheCancellationOnUnchanged(t *testing.T) {
	for _, notified := range []bool{false, true} {
		play(t, func(s *scene) {
			var c aio.Condition
			var inner error
			a := aio.CreateTask(s.ctx, coro(func(ctx context.Context) error {
				return c.With(ctx, func(ctx context.Context) error {
					inner = c.WaitFor(ctx, func() bool { return false })
					return inner
				})
			}))
			s.turn(1)
			s.must(c.Acquire(s.ctx))
			if notified {
				c.Notify(1)
				s.turn(1)
			}
			a.Cancel("why")
			s.turn(1)
			c.Release()
			_, err := a.Await(s.ctx)
			var ce *aio.CancelledError
			if err != inner || !errors.As(err, &ce) || ce.Message != "why" {
				t.Errorf("notified=%t: the awaiter got %v, WaitFor had returned %v", notified, err, inner)
			}
		})
	}
}

// COND-021
func TestConditionNotificationOfACancelledWaiterPassesOn(t *testing.T) {
	for _, turns := range []int{0, 1, 4} { // not resumed yet, and waiting for the lock
		t.Run(fmt.Sprint(turns, " turns"), func(t *testing.T) {
			play(t, func(s *scene) {
				var c aio.Condition
				a := s.waiter("A", &c, false)
				s.waiter("B", &c, false)
				s.waiter("C", &c, false)
				s.turn(1)
				s.must(c.Acquire(s.ctx))
				c.Notify(1)
				s.turn(turns)
				a.Cancel()
				s.turn(1)
				c.Release()
				s.after(5, "A!cancelled B")
			})
		})
	}
}

// COND-022
func TestConditionWaitThatFailsWakesAnother(t *testing.T) {
	play(t, func(s *scene) {
		var c aio.Condition
		a := s.waiter("A", &c, false)
		s.waiter("B", &c, false)
		s.waiter("C", &c, false)
		s.turn(1)
		a.Cancel()
		s.after(5, "A!cancelled B") // although nobody was notified
	})
}

// COND-023
func TestConditionWaitUnderADeadlineEndsWithTheLock(t *testing.T) {
	play(t, func(s *scene) {
		var c aio.Condition
		err := c.With(s.ctx, func(ctx context.Context) error {
			err := aio.Timeout(ctx, time.Second, c.Wait)
			is(s, "timed out: Locked", c.Locked(), true)
			return err
		})
		s.ended("main", err)
		s.want("main!timeout")
		is(s, "after the scope: Locked", c.Locked(), false)
	})
}

// impatient is a context that has ended, and loses patience if it is asked for that too often.
type impatient struct {
	context.Context
	asked  int
	enough func()
}

func (c *impatient) Err() error {
	if c.asked++; c.asked == 100 {
		c.enough()
	}
	return c.Context.Err()
}

func TestConditionWaitWhoseContextEndedSleepsUntilTheLockIsFree(t *testing.T) {
	play(t, func(s *scene) {
		var c aio.Condition
		var holder *aio.Task[struct{}]
		derived, cancel := context.WithCancel(s.ctx)
		cancel()
		s.start("waiter", func(ctx context.Context) error {
			return c.With(ctx, func(ctx context.Context) error {
				return c.Wait(&impatient{derived, 0, func() { holder.Cancel() }})
			})
		})
		holder = s.start("holder", func(ctx context.Context) error {
			return c.With(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Second) })
		})
		s.must(aio.Sleep(s.ctx, time.Minute))
		s.want("holder waiter!cancelled")
	})
}

func TestConditionOfAClosedLoopDoesNotReleaseALockThatOthersHold(t *testing.T) {
	l, _ := newLoop(t)
	var c aio.Condition
	start := func(name string, body func(ctx context.Context) error) {
		aio.CreateTask(l.Context(), coro(func(ctx context.Context) error {
			err := panics(func() {
				if err := c.With(ctx, body); !errors.Is(err, aio.ErrLoopClosed) {
					t.Errorf("%s: %v, want ErrLoopClosed", name, err)
				}
			})
			if err != nil {
				t.Errorf("%s panics: %v", name, err)
			}
			return nil
		}))
	}
	start("waiter", c.Wait)
	start("holder", func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
	if _, err := aio.RunUntilComplete(l, coro(func(ctx context.Context) error { return aio.Sleep(ctx, 0) })); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestConditionNobodyWaitedForRefusesAGoroutineWithoutTheToken(t *testing.T) {
	play(t, func(s *scene) {
		var c aio.Condition
		s.must(c.Acquire(s.ctx))
		done := make(chan struct{})
		go func() {
			defer close(done)
			misused(t, "Notify", func() { c.Notify(1) }, aio.ErrWrongGoroutine)
			misused(t, "NotifyAll", c.NotifyAll, aio.ErrWrongGoroutine)
		}()
		<-done
	})
}

// SEM-001, SEM-002, SEM-003, SEM-005
func TestSemaphoreCountsPermits(t *testing.T) {
	if s := aio.NewSemaphore(0); !s.Locked() {
		t.Error("a semaphore without permits is not Locked")
	}
	misused(t, "NewSemaphore(-1)", func() { aio.NewSemaphore(-1) })
	play(t, func(s *scene) {
		m := aio.NewSemaphore(2)
		s.start("other", ok)
		for _, locked := range []bool{false, true} {
			is(s, "Locked before Acquire", m.Locked(), false)
			s.ended("acquired", m.Acquire(s.ctx))
			is(s, "Locked after Acquire", m.Locked(), locked)
		}
		s.after(1, "acquired acquired other")
		for range 3 { // one more than there were
			m.Release()
			is(s, "Locked after Release", m.Locked(), false)
		}
		for range 3 {
			s.must(m.Acquire(s.ctx))
		}
		is(s, "Locked in the end", m.Locked(), true)
	})
}

// SEM-004, SEM-006
func TestSemaphoreReleaseSpendsThePermitForTheLongestWaiter(t *testing.T) {
	play(t, func(s *scene) {
		m := aio.NewSemaphore(0)
		s.start("A", m.Acquire)
		s.start("B", m.Acquire)
		s.after(3, "")
		for _, name := range []string{"A", "B"} {
			m.Release()
			is(s, "before the waiter resumes: Locked", m.Locked(), true)
			s.after(1, name)
			is(s, "after it resumed: Locked", m.Locked(), true)
			s.after(3, "")
		}
	})
}

// SEM-007
func TestSemaphoreNewcomerDoesNotBargeIn(t *testing.T) {
	play(t, func(s *scene) {
		m := aio.NewSemaphore(0)
		s.start("A", m.Acquire)
		s.start("B", m.Acquire)
		s.turn(1)
		s.start("newcomer", m.Acquire)
		m.Release()
		m.Release()
		s.after(1, "A B")
		s.after(3, "")
		m.Release()
		s.after(1, "newcomer")
	})
}

// SEM-008
func TestSemaphoreSurplusPermitWaitsForTheWokenWaiter(t *testing.T) {
	play(t, func(s *scene) {
		m := aio.NewSemaphore(0)
		s.start("A", m.Acquire)
		s.turn(1)
		m.Release()
		m.Release()
		is(s, "Locked", m.Locked(), true)
		s.ended("main", m.Acquire(s.ctx))
		s.want("A main")
	})
}

// SEM-009
func TestSemaphoreWokenWaiterHandsOutWhatIsLeft(t *testing.T) {
	play(t, func(s *scene) {
		m := aio.NewSemaphore(0)
		s.start("A", func(ctx context.Context) error {
			err := m.Acquire(ctx)
			s.start("D", ok) // starts after those whom Acquire woke
			return err
		})
		s.turn(1)
		s.start("B", m.Acquire)
		s.start("C", m.Acquire)
		for range 3 {
			m.Release()
		}
		s.after(1, "A")
		s.after(1, "B C D")
	})
}

// SEM-010
func TestSemaphoreReacquiredAtOnceDoesNotOvertakeAWokenWaiter(t *testing.T) {
	play(t, func(s *scene) {
		m := aio.NewSemaphore(1)
		s.start("c1", func(ctx context.Context) error {
			s.must(m.Acquire(ctx))
			s.must(aio.Sleep(ctx, 0))
			m.Release()
			m.Release()
			return nil
		})
		s.start("c2", func(ctx context.Context) error {
			s.ended("c2", m.Acquire(ctx))
			m.Release()
			return m.Acquire(ctx)
		})
		s.start("c3", m.Acquire)
		s.after(5, "c1 c2 c3 c2")
	})
}

// SEM-011
func TestSemaphoreRotates(t *testing.T) {
	play(t, func(s *scene) {
		m := aio.NewSemaphore(1)
		for _, name := range []string{"1", "2", "3"} {
			s.start("end", func(ctx context.Context) error {
				for range 3 {
					s.ended(name, m.Acquire(ctx))
					s.must(aio.Sleep(ctx, time.Millisecond))
					m.Release()
				}
				return nil
			})
		}
		s.must(aio.Sleep(s.ctx, time.Second))
		s.want("1 2 3 1 2 3 1 end 2 end 3 end")
	})
}

// SEM-012, SEM-013, SEM-014, SEM-015, SEM-016
func TestSemaphoreCancelledWaiters(t *testing.T) {
	for _, test := range []struct {
		ids    string
		ops    string // c1: cancel 1, r: release, t: let one turn pass
		want   string
		locked bool // at once, before the waiters have unwound
	}{
		{"SEM-012", "c1", "1!cancelled", true},
		{"SEM-013", "c1 c2 r", "1!cancelled 2!cancelled 3", true},
		{"SEM-014", "c1 r", "1!cancelled 2", true},
		{"SEM-014", "r c2", "1 2!cancelled", true},
		{"SEM-015", "r c1", "1!cancelled 2", true},
		{"SEM-015", "r r c1", "1!cancelled 2 3", true},
		{"SEM-015", "r r c2", "1 2!cancelled 3", true},
		{"SEM-016", "c1 t r r", "1!cancelled 2 3", true},
		{"SEM-013", "c1 c2 c3 c4 r", "1!cancelled 2!cancelled 3!cancelled 4!cancelled", false},
	} {
		t.Run(test.ids+" "+test.ops, func(t *testing.T) {
			play(t, func(s *scene) {
				m := aio.NewSemaphore(0)
				var tasks []*aio.Task[struct{}]
				for i := range 4 {
					tasks = append(tasks, s.start(fmt.Sprint(i+1), m.Acquire))
				}
				s.turn(1)
				for _, op := range strings.Fields(test.ops) {
					switch op[0] {
					case 'c':
						tasks[op[1]-'1'].Cancel()
					case 'r':
						m.Release()
					case 't':
						s.turn(1)
					}
				}
				is(s, "Locked", m.Locked(), test.locked)
				s.after(2, test.want)
				is(s, "in the end: Locked", m.Locked(), test.locked)
				s.after(3, "")
			})
		})
	}
}

// SEM-015
func TestSemaphorePermitOfACancelledWaiterComesBack(t *testing.T) {
	play(t, func(s *scene) {
		m := aio.NewSemaphore(0)
		a := s.start("A", func(ctx context.Context) error {
			return m.With(ctx, func(context.Context) error { s.add("body"); return nil })
		})
		s.turn(1)
		m.Release()
		a.Cancel()
		s.after(1, "A!cancelled")
		is(s, "Locked", m.Locked(), false)
		s.must(m.Acquire(s.ctx))
	})
}

// BSEM-001, BSEM-002
func TestBoundedSemaphoreTakesBackNoMoreThanItGave(t *testing.T) {
	misused(t, "NewBoundedSemaphore(-1)", func() { aio.NewBoundedSemaphore(-1) })
	for n := range 3 {
		m := aio.NewBoundedSemaphore(n)
		misused(t, fmt.Sprint("releasing a new one of ", n), m.Release, aio.ErrOverRelease)
		play(t, func(s *scene) {
			for range n {
				s.must(m.Acquire(s.ctx))
			}
			is(s, "Locked", m.Locked(), true)
			for range n {
				m.Release()
			}
			misused(t, "Release", m.Release, aio.ErrOverRelease)
			is(s, "Locked", m.Locked(), n == 0)
		})
	}
}

// BSEM-003
func TestBoundedSemaphoreCountsAPermitOfAWokenWaiterAsTaken(t *testing.T) {
	play(t, func(s *scene) {
		m := aio.NewBoundedSemaphore(1)
		s.must(m.Acquire(s.ctx))
		s.start("A", m.Acquire)
		s.turn(1)
		m.Release()
		m.Release() // A has the first, even though it has not run
		misused(t, "the third Release", m.Release, aio.ErrOverRelease)
		s.after(1, "A")
	})
}

// BAR-001, BAR-002
func TestBarrierNeedsParties(t *testing.T) {
	for _, n := range []int{0, -1} {
		misused(t, fmt.Sprintf("NewBarrier(%d)", n), func() { aio.NewBarrier(n) })
	}
	b := aio.NewBarrier(5)
	if b.Parties() != 5 || b.NWaiting() != 0 || b.Broken() {
		t.Errorf("new barrier: Parties %d, NWaiting %d, Broken %t", b.Parties(), b.NWaiting(), b.Broken())
	}
}

// empty fails unless the barrier is as if new.
func (s *scene) empty(b *aio.Barrier) {
	s.Helper()
	is(s, "Broken", b.Broken(), false)
	is(s, "NWaiting", b.NWaiting(), 0)
}

// BAR-002, BAR-003, BAR-004, BAR-005, BAR-006, BAR-012
func TestBarrierOpensForTheLastToCome(t *testing.T) {
	play(t, func(s *scene) {
		b := aio.NewBarrier(3)
		for range 3 {
			fetch(s, "A", b.Wait)
			s.after(1, "")
			is(s, "NWaiting", b.NWaiting(), 1)
			fetch(s, "B", b.Wait)
			s.after(1, "")
			is(s, "NWaiting", b.NWaiting(), 2)
			s.after(3, "")
			fetch(s, "C", b.Wait)
			s.after(1, "C=2")
			is(s, "draining: NWaiting", b.NWaiting(), 0)
			s.after(1, "A=0 B=1")
			s.empty(b)
		}
	})
}

// BAR-007, BAR-026
func TestBarrierScopeWaitsOnEntryOnly(t *testing.T) {
	play(t, func(s *scene) {
		b := aio.NewBarrier(2)
		failure := errors.New("failure")
		enter := func(name string, err error) {
			s.start(name, func(ctx context.Context) error {
				return b.With(ctx, func(_ context.Context, index int) error {
					s.add("%s=%d", name, index)
					return err
				})
			})
		}
		enter("A", nil)
		enter("B", failure)
		s.after(2, "B=1 B!failure A=0 A")
		s.empty(b)

		fetch(s, "C", b.Wait)
		s.turn(1)
		s.must(b.Abort(s.ctx)) // by the party that failed
		s.after(1, "C!broken")
		enter("D", nil)
		s.after(1, "D!broken")
	})
}

// BAR-008
func TestBarrierOfOneIsAlwaysOpen(t *testing.T) {
	play(t, func(s *scene) {
		b := aio.NewBarrier(1)
		s.start("other", ok)
		for range 3 {
			i, err := b.Wait(s.ctx)
			s.must(err)
			s.add("%d", i)
			s.empty(b)
		}
		s.after(1, "0 0 0 other")
	})
}

// BAR-009
func TestBarrierServesRoundAfterRound(t *testing.T) {
	play(t, func(s *scene) {
		b := aio.NewBarrier(3)
		for _, name := range []string{"A", "B", "C"} {
			s.start(name, func(ctx context.Context) error {
				return b.With(ctx, func(ctx context.Context, i int) error {
					s.add("%s%d", name, i)
					i, err := b.Wait(ctx)
					s.add("%s%d", name, i)
					return err
				})
			})
		}
		// B, the last to leave, is the first to come again; C and A had to wait for that.
		s.after(10, "C2 A0 B1 A2 A B0 B C1 C")
		s.empty(b)
	})
}

// BAR-010, BAR-011, BAR-015
func TestBarrierThatDrainsKeepsNewcomersOut(t *testing.T) {
	for _, cancel := range []string{"none", "released", "newcomer"} {
		t.Run("cancel "+cancel, func(t *testing.T) {
			play(t, func(s *scene) {
				b := aio.NewBarrier(3)
				a := fetch(s, "A", b.Wait)
				fetch(s, "B", b.Wait)
				s.turn(1)
				fetch(s, "C", b.Wait)
				n := fetch(s, "new", b.Wait)
				s.after(1, "C=2")
				is(s, "NWaiting", b.NWaiting(), 0)
				switch cancel {
				case "none":
					s.after(1, "A=0 B=1")
					is(s, "the newcomer has not run yet: NWaiting", b.NWaiting(), 0)
				case "released":
					a.Cancel()
					s.after(1, "A!cancelled B=1")
				case "newcomer":
					n.Cancel()
					s.after(2, "A=0 B=1 new!cancelled")
					s.empty(b)
					fetch(s, "new", b.Wait)
				}
				s.turn(1)
				is(s, "NWaiting", b.NWaiting(), 1)
				fetch(s, "D", b.Wait)
				fetch(s, "E", b.Wait)
				s.after(2, "E=2 new=0 D=1")
				s.empty(b)
			})
		})
	}
}

// BAR-013, BAR-014
func TestBarrierCancelledWaiterDoesNotCount(t *testing.T) {
	play(t, func(s *scene) {
		b := aio.NewBarrier(3)
		a := fetch(s, "A", b.Wait)
		fetch(s, "B", b.Wait)
		s.turn(1)
		a.Cancel()
		s.after(1, "A!cancelled")
		is(s, "NWaiting", b.NWaiting(), 1)
		is(s, "Broken", b.Broken(), false)
		fetch(s, "C", b.Wait)
		s.after(1, "")
		fetch(s, "D", b.Wait)
		s.after(2, "D=2 B=1 C=1") // B's index was fixed when A was there
		s.empty(b)
	})
}

// BAR-016, BAR-017, BAR-021
func TestBarrierResetFailsThoseWhoWait(t *testing.T) {
	play(t, func(s *scene) {
		b := aio.NewBarrier(3)
		s.must(b.Reset(s.ctx))
		s.empty(b)
		for _, name := range []string{"A", "B"} {
			s.start(name, func(ctx context.Context) error {
				_, err := b.Wait(ctx)
				s.ended(name, err)
				_, err = b.Wait(ctx)
				return err
			})
		}
		s.turn(1)
		s.must(b.Reset(s.ctx))
		s.after(1, "A!broken B!broken")
		is(s, "Broken", b.Broken(), false)
		s.turn(2)
		is(s, "waiting again: NWaiting", b.NWaiting(), 2)
		fetch(s, "C", b.Wait)
		s.after(2, "C=2 B A") // B was the last to leave, and the first to come back
		s.empty(b)
	})
}

// BAR-018, BAR-019
func TestBarrierResetWhileItDrainsFailsThoseNotYetOut(t *testing.T) {
	play(t, func(s *scene) {
		b := aio.NewBarrier(3)
		fetch(s, "A", b.Wait)
		fetch(s, "B", b.Wait)
		s.turn(1)
		fetch(s, "C", b.Wait)
		fetch(s, "behind", b.Wait)
		s.start("reset", b.Reset)
		s.after(2, "C=2 reset A!broken B!broken")
		s.turn(1)
		is(s, "Broken", b.Broken(), false)
		is(s, "NWaiting", b.NWaiting(), 1)
		fetch(s, "D", b.Wait)
		fetch(s, "E", b.Wait)
		s.after(2, "E=2 behind=0 D=1")
	})
}

// BAR-020
func TestBarrierThatResetsKeepsNewcomersOut(t *testing.T) {
	play(t, func(s *scene) {
		b := aio.NewBarrier(2)
		fetch(s, "A", b.Wait)
		s.turn(1)
		fetch(s, "new", b.Wait) // is ready before A
		s.must(b.Reset(s.ctx))
		s.after(1, "A!broken")
		s.empty(b)
		s.after(1, "")
		is(s, "NWaiting", b.NWaiting(), 1)
		fetch(s, "B", b.Wait)
		s.after(2, "B=1 new=0")
	})
}

// BAR-022
func TestBarrierResetByTheLastToLeaveFailsNobody(t *testing.T) {
	play(t, func(s *scene) {
		b := aio.NewBarrier(3)
		for _, name := range []string{"A", "B", "C"} {
			fetch(s, name, func(ctx context.Context) (int, error) {
				i, err := b.Wait(ctx)
				s.add("%s%d", name, i)
				if name == "B" && err == nil {
					err = b.Reset(ctx)
				}
				if err != nil {
					return 0, err
				}
				return b.Wait(ctx)
			})
		}
		s.after(10, "C2 A0 B1 A=2 B=0 C=1")
		s.empty(b)
	})
}

// BAR-023, BAR-025, BAR-027
func TestBarrierAbortBreaksItUntilReset(t *testing.T) {
	for _, before := range []string{"nobody", "waiters", "resetting"} {
		t.Run(before, func(t *testing.T) {
			play(t, func(s *scene) {
				b := aio.NewBarrier(3)
				want := ""
				if before != "nobody" {
					fetch(s, "A", b.Wait)
					fetch(s, "B", b.Wait)
					s.turn(1)
					want = "A!broken B!broken"
				}
				if before == "resetting" {
					s.must(b.Reset(s.ctx))
				}
				s.must(b.Abort(s.ctx))
				is(s, "Broken", b.Broken(), true)
				is(s, "NWaiting", b.NWaiting(), 0)
				s.after(1, want)
				for range 2 {
					_, err := b.Wait(s.ctx)
					s.ended("late", err)
				}
				s.want("late!broken late!broken")
				s.must(b.Reset(s.ctx))
				s.empty(b)
				for _, name := range []string{"A", "B", "C"} {
					fetch(s, name, b.Wait)
				}
				s.after(2, "C=2 A=0 B=1")
			})
		})
	}
}

// BAR-024
func TestBarrierAbortWhileItDrains(t *testing.T) {
	play(t, func(s *scene) {
		b := aio.NewBarrier(3)
		fetch(s, "A", b.Wait)
		fetch(s, "B", b.Wait)
		s.turn(1)
		fetch(s, "C", b.Wait)
		fetch(s, "behind", b.Wait)
		s.start("abort", b.Abort)
		s.after(2, "C=2 abort A!broken B!broken behind!broken")
		is(s, "Broken", b.Broken(), true)
	})
}

// lockLike is what the following suite asks of a lock.
type lockLike interface {
	Acquire(ctx context.Context) error
	Release()
	Locked() bool
	With(ctx context.Context, body func(ctx context.Context) error) error
}

// tokenLock is a lock made of a queue with one token in it.
type tokenLock struct{ *aio.Queue[struct{}] }

func newTokenLock() lockLike {
	q := aio.NewQueue[struct{}](1)
	if err := q.PutNowait(struct{}{}); err != nil {
		panic(err)
	}
	return tokenLock{q}
}

func (k tokenLock) Acquire(ctx context.Context) error { _, err := k.Get(ctx); return err }
func (k tokenLock) Locked() bool                      { return k.Empty() }
func (k tokenLock) Release() {
	if err := k.PutNowait(struct{}{}); err != nil {
		panic(err)
	}
}

func (k tokenLock) With(ctx context.Context, body func(ctx context.Context) error) error {
	if err := k.Acquire(ctx); err != nil {
		return err
	}
	defer k.Release()
	return body(ctx)
}

var lockLikes = []struct {
	name   string
	new    func() lockLike
	barges bool  // a newcomer may overtake one that was woken
	misuse error // of releasing it while it is free, nil if that is none
}{
	{"Lock", func() lockLike { return new(aio.Lock) }, false, aio.ErrNotLocked},
	{"Condition", func() lockLike { return new(aio.Condition) }, false, aio.ErrNotLocked},
	{"Semaphore", func() lockLike { return aio.NewSemaphore(1) }, false, nil},
	{"BoundedSemaphore", func() lockLike { return aio.NewBoundedSemaphore(1) }, false, aio.ErrOverRelease},
	{"Queue", newTokenLock, true, aio.ErrQueueFull},
}

// LOCK-003, LOCK-015, LOCK-018, SEM-017, COND-002
func TestLockLike(t *testing.T) {
	for _, test := range lockLikes {
		scenario := func(name string, f func(s *scene, k lockLike)) {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				play(t, func(s *scene) { f(s, test.new()) })
			})
		}
		hold := func(s *scene, k lockLike, body func(ctx context.Context) error) func(ctx context.Context) error {
			inside := 0
			return func(ctx context.Context) error {
				return k.With(ctx, func(ctx context.Context) error {
					if inside++; inside > 1 {
						s.Errorf("%d tasks hold the lock", inside)
					}
					defer func() { inside-- }()
					return body(ctx)
				})
			}
		}
		scenario("one at a time, in order", func(s *scene, k lockLike) {
			f := hold(s, k, func(ctx context.Context) error { return aio.Sleep(ctx, time.Millisecond) })
			for _, name := range []string{"A", "B", "C", "D"} {
				s.start(name, f)
			}
			s.must(aio.Sleep(s.ctx, time.Second))
			s.want("A B C D")
		})
		scenario("free: no switch", func(s *scene, k lockLike) {
			s.start("other", ok)
			s.ended("main", k.With(s.ctx, func(context.Context) error {
				is(s, "inside: Locked", k.Locked(), true)
				return nil
			}))
			is(s, "outside: Locked", k.Locked(), false)
			s.after(1, "main other")
		})
		scenario("held: waits for the release", func(s *scene, k lockLike) {
			s.must(k.Acquire(s.ctx))
			s.start("A", k.Acquire)
			s.after(3, "")
			k.Release()
			s.after(1, "A")
			is(s, "A has it: Locked", k.Locked(), true)
		})
		scenario("free after an error or a panic", func(s *scene, k lockLike) {
			failure := errors.New("failure")
			if err := k.With(s.ctx, func(context.Context) error { return failure }); err != failure {
				s.Errorf("With returned %v, want the error of the body", err)
			}
			is(s, "error: Locked", k.Locked(), false)
			if err := panics(func() { _ = k.With(s.ctx, func(context.Context) error { panic(failure) }) }); err != failure {
				s.Errorf("With panicked with %v, want the panic of the body", err)
			}
			is(s, "panic: Locked", k.Locked(), false)
		})
		scenario("cancelled before its turn", func(s *scene, k lockLike) {
			s.must(k.Acquire(s.ctx))
			a := s.start("A", k.Acquire)
			s.start("B", hold(s, k, ok))
			s.start("C", hold(s, k, ok))
			s.turn(1)
			a.Cancel()
			s.after(3, "A!cancelled")
			k.Release()
			s.after(5, "B C")
		})
		scenario("cancelled as its turn has come", func(s *scene, k lockLike) {
			s.must(k.Acquire(s.ctx))
			a := s.start("A", hold(s, k, ok))
			s.start("B", hold(s, k, ok))
			s.turn(1)
			k.Release()
			a.Cancel()
			s.after(3, "A!cancelled B")
			is(s, "in the end: Locked", k.Locked(), false)
		})
		scenario("cancelled while it holds the lock", func(s *scene, k lockLike) {
			a := s.start("A", hold(s, k, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
			s.start("B", hold(s, k, ok))
			s.turn(1)
			a.Cancel()
			s.after(3, "A!cancelled B")
		})
		scenario("timed out", func(s *scene, k lockLike) {
			s.must(k.Acquire(s.ctx))
			s.ended("main", aio.Timeout(s.ctx, time.Second, k.Acquire))
			is(s, "timed out: Locked", k.Locked(), true)
			k.Release()
			s.ended("again", aio.Timeout(s.ctx, time.Second, k.Acquire))
			s.want("main!timeout again")
		})
		scenario("derived context ends", func(s *scene, k lockLike) {
			derived, cancel := context.WithCancelCause(s.ctx)
			cause := errors.New("cause")
			cancel(cause)
			s.must(k.Acquire(derived)) // free: an acquire that need not wait does not look
			a := s.start("A", func(context.Context) error {
				err := k.Acquire(derived)
				if !errors.Is(err, cause) {
					s.Errorf("Acquire returned %v, want %v", err, cause)
				}
				return err
			})
			s.start("B", k.Acquire)
			_, _ = a.Await(s.ctx)
			s.want("A!cancelled")
			k.Release()
			s.after(1, "B")
		})
		scenario("newcomer", func(s *scene, k lockLike) {
			s.must(k.Acquire(s.ctx))
			s.start("waiter", hold(s, k, ok))
			s.turn(1)
			s.start("newcomer", hold(s, k, ok)) // is ready before the waiter
			k.Release()
			if test.barges {
				s.after(5, "newcomer waiter")
			} else {
				s.after(5, "waiter newcomer")
			}
		})
		scenario("released while free", func(s *scene, k lockLike) {
			if err := panics(k.Release); !errors.Is(err, test.misuse) {
				s.Errorf("panic with %v, want %v", err, test.misuse)
			}
		})
		t.Run(test.name+"/loop closed", func(t *testing.T) {
			testLockLikeLoopClosed(t, test.new())
		})
	}
}

// testLockLikeLoopClosed closes a loop in which tasks hold and wait for a lock: they are unwound,
// and the lock can be used in another loop.
func testLockLikeLoopClosed(t *testing.T, k lockLike) {
	l, reports := newLoop(t)
	var log eventLog
	for _, name := range []string{"A", "B", "C"} {
		aio.CreateTask(l.Context(), coro(func(ctx context.Context) error {
			err := k.With(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
			if !errors.Is(err, aio.ErrLoopClosed) {
				t.Errorf("%s got %v, want ErrLoopClosed", name, err)
			}
			log.add("%s", name)
			return err
		}))
	}
	if _, err := aio.RunUntilComplete(l, coro(func(ctx context.Context) error { return aio.Sleep(ctx, 0) })); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	log.want(t, "A B C")
	if len(*reports) != 3 {
		t.Errorf("%d reports of tasks that were destroyed, want 3: %v", len(*reports), *reports)
	}
	play(t, func(s *scene) {
		s.start("A", func(ctx context.Context) error { return k.With(ctx, ok) })
		s.start("B", func(ctx context.Context) error { return k.With(ctx, ok) })
		s.after(3, "A B")
	})
}

// primitives are one of each kind, all of them in use by one loop.
type primitives struct {
	k aio.Lock
	v aio.Event
	c aio.Condition
	m *aio.Semaphore
	b *aio.Barrier
	q *aio.Queue[int]
}

func newPrimitives(ctx context.Context) (*primitives, error) {
	p := &primitives{m: aio.NewSemaphore(3), b: aio.NewBarrier(1), q: aio.NewQueue[int](3)}
	p.v.Set()
	_, err := p.b.Wait(ctx)
	expired := p.c.With(ctx, func(ctx context.Context) error { return aio.Timeout(ctx, 1, p.c.Wait) })
	if expired != aio.ErrTimeout {
		err = expired
	}
	return p, errors.Join(err, p.k.Acquire(ctx), p.v.Wait(ctx), p.m.Acquire(ctx), p.q.Put(ctx, 1), p.q.Put(ctx, 2))
}

func (p *primitives) String() string {
	return fmt.Sprint(p.k.Locked(), p.v.IsSet(), p.c.Locked(), p.m.Locked(), p.b.NWaiting(), p.b.Broken(),
		p.q.QSize(), p.q.Empty(), p.q.Full())
}

// awaits are the calls that take a ctx.
func (p *primitives) awaits() map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Lock.Acquire":      p.k.Acquire,
		"Lock.With":         func(ctx context.Context) error { return p.k.With(ctx, ok) },
		"Event.Wait":        p.v.Wait,
		"Condition.Acquire": p.c.Acquire,
		"Condition.With":    func(ctx context.Context) error { return p.c.With(ctx, ok) },
		"Condition.Wait":    p.c.Wait,
		"Condition.WaitFor": func(ctx context.Context) error { return p.c.WaitFor(ctx, func() bool { return false }) },
		"Semaphore.Acquire": p.m.Acquire,
		"Semaphore.With":    func(ctx context.Context) error { return p.m.With(ctx, ok) },
		"Barrier.Wait":      func(ctx context.Context) error { _, err := p.b.Wait(ctx); return err },
		"Barrier.With":      func(ctx context.Context) error { return p.b.With(ctx, func(context.Context, int) error { return nil }) },
		"Barrier.Reset":     p.b.Reset,
		"Barrier.Abort":     p.b.Abort,
		"Queue.Put":         func(ctx context.Context) error { return p.q.Put(ctx, 3) },
		"Queue.Get":         func(ctx context.Context) error { _, err := p.q.Get(ctx); return err },
		"Queue.Join":        p.q.Join,
		"Queue.All": func(ctx context.Context) (err error) {
			for _, err = range p.q.All(ctx) {
				break
			}
			return err
		},
	}
}

// plain are the calls that never await.
func (p *primitives) plain() map[string]func() {
	return map[string]func(){
		"Lock.Release":        p.k.Release,
		"Lock.Locked":         func() { p.k.Locked() },
		"Event.Set":           p.v.Set,
		"Event.Clear":         p.v.Clear,
		"Event.IsSet":         func() { p.v.IsSet() },
		"Condition.Release":   p.c.Release,
		"Condition.Locked":    func() { p.c.Locked() },
		"Condition.Notify":    func() { p.c.Notify(1) },
		"Condition.NotifyAll": p.c.NotifyAll,
		"Semaphore.Release":   p.m.Release,
		"Semaphore.Locked":    func() { p.m.Locked() },
		"Barrier.NWaiting":    func() { p.b.NWaiting() },
		"Barrier.Broken":      func() { p.b.Broken() },
		"Queue.QSize":         func() { p.q.QSize() },
		"Queue.Empty":         func() { p.q.Empty() },
		"Queue.Full":          func() { p.q.Full() },
		"Queue.PutNowait":     func() { _ = p.q.PutNowait(3) },
		"Queue.GetNowait":     func() { _, _ = p.q.GetNowait() },
		"Queue.TaskDone":      p.q.TaskDone,
		"Queue.Shutdown":      func() { p.q.Shutdown(true) },
	}
}

// LOCK-017, COND-024: in Go also for calls that need not wait.
func TestPrimitivesBelongToOneLoop(t *testing.T) {
	l, _ := newLoop(t)
	p, err := aio.RunUntilComplete(l, aio.Coro[*primitives](newPrimitives))
	if err != nil {
		t.Fatal(err)
	}
	before := p.String()
	play(t, func(s *scene) {
		for name, f := range p.awaits() {
			if err := f(s.ctx); !errors.Is(err, aio.ErrOtherLoop) {
				t.Errorf("%s: %v, want ErrOtherLoop", name, err)
			}
		}
	})
	if after := p.String(); after != before {
		t.Errorf("calls of another loop changed something: %s, was %s", after, before)
	}
}

func TestPrimitivesRefuseAGoroutineWithoutTheToken(t *testing.T) {
	play(t, func(s *scene) {
		p, err := newPrimitives(s.ctx)
		s.must(err)
		before := p.String()
		done := make(chan struct{})
		go func() { // while the task blocks the loop, which holds the token
			defer close(done)
			for name, f := range p.awaits() {
				if err := f(s.ctx); !errors.Is(err, aio.ErrWrongGoroutine) {
					t.Errorf("%s: %v, want ErrWrongGoroutine", name, err)
				}
			}
			for name, f := range p.plain() {
				misused(t, name, f, aio.ErrWrongGoroutine)
			}
		}()
		<-done
		is(s, "the state after the calls", p.String(), before)
	})
}

func TestPrimitivesAwaitOnlyInATask(t *testing.T) {
	l, _ := newLoop(t)
	p, err := aio.RunUntilComplete(l, aio.Coro[*primitives](newPrimitives))
	if err != nil {
		t.Fatal(err)
	}
	before := p.String()
	for _, where := range []struct {
		name string
		run  func(f func())
		want error
	}{
		{"callback", func(f func()) {
			l.CallSoon(func() { f(); l.Stop() })
			if err := l.RunForever(); err != nil {
				t.Error(err)
			}
		}, aio.ErrNoTask},
		{"loop not running", func(f func()) { f() }, aio.ErrNoRunningLoop},
	} {
		where.run(func() {
			for name, f := range p.awaits() {
				if err := f(l.Context()); !errors.Is(err, where.want) {
					t.Errorf("%s: %s: %v, want %v", where.name, name, err, where.want)
				}
				if err := f(context.Background()); !errors.Is(err, aio.ErrNoRunningLoop) {
					t.Errorf("%s: %s with a foreign context: %v, want ErrNoRunningLoop", where.name, name, err)
				}
			}
		})
	}
	if after := p.String(); after != before {
		t.Errorf("calls outside of a task changed something: %s, was %s", after, before)
	}
}

func TestPrimitivesThatNeedNotWaitAllocateNothing(t *testing.T) {
	play(t, func(s *scene) {
		ctx := s.ctx
		var k aio.Lock
		var v aio.Event
		var c aio.Condition
		m := aio.NewSemaphore(2)
		q, lifo, prio := aio.NewQueue[int](8), aio.NewLifoQueue[int](8), aio.NewOrderedQueue[int](8)
		through := func(q *aio.Queue[int]) func() {
			return func() {
				s.must(q.Put(ctx, 1))
				s.must(q.PutNowait(2))
				_, err := q.Get(ctx)
				s.must(err)
				_, err = q.GetNowait()
				s.must(err)
				q.TaskDone()
				q.TaskDone()
				s.must(q.Join(ctx))
			}
		}
		for _, test := range []struct {
			name string
			f    func()
		}{
			{"Lock", func() { s.must(k.Acquire(ctx)); k.Release() }},
			{"Lock.With", func() { s.must(k.With(ctx, ok)) }},
			{"Event", func() { v.Set(); s.must(v.Wait(ctx)); v.Clear(); _ = v.IsSet() }},
			{"Condition", func() { s.must(c.Acquire(ctx)); c.Notify(1); c.NotifyAll(); c.Release() }},
			{"Semaphore", func() { s.must(m.Acquire(ctx)); m.Release() }},
			{"Semaphore.With", func() { s.must(m.With(ctx, ok)) }},
			{"Queue", through(q)},
			{"LifoQueue", through(lifo)},
			{"OrderedQueue", through(prio)},
		} {
			if n := testing.AllocsPerRun(100, test.f); n != 0 {
				t.Errorf("%s: %v allocations, want none", test.name, n)
			}
		}
	})
}

func TestPrimitivesThatWaitAllocateNothing(t *testing.T) {
	play(t, func(s *scene) {
		var there, back aio.Event
		var k aio.Lock
		var c aio.Condition
		hold := func(ctx context.Context) error { return aio.Sleep(ctx, 0) }
		m, n := aio.NewSemaphore(0), aio.NewSemaphore(0)
		in, out := aio.NewQueue[int](1), aio.NewQueue[int](1)
		for _, test := range []struct {
			name        string
			other, main func(ctx context.Context) error
		}{
			{
				"Event",
				func(ctx context.Context) error { err := there.Wait(ctx); there.Clear(); back.Set(); return err },
				func(ctx context.Context) error { there.Set(); err := back.Wait(ctx); back.Clear(); return err },
			},
			{
				"Lock",
				func(ctx context.Context) error { return k.With(ctx, hold) },
				func(ctx context.Context) error { return k.With(ctx, hold) },
			},
			{
				"Condition",
				func(ctx context.Context) error { return c.With(ctx, c.Wait) },
				func(ctx context.Context) error {
					err := c.Acquire(ctx)
					c.NotifyAll()
					c.Release()
					pause(ctx)
					return err
				},
			},
			{
				"Semaphore",
				func(ctx context.Context) error { err := m.Acquire(ctx); n.Release(); return err },
				func(ctx context.Context) error { m.Release(); return n.Acquire(ctx) },
			},
			{
				"Queue",
				func(ctx context.Context) error {
					item, err := in.Get(ctx)
					if err != nil {
						return err
					}
					return out.Put(ctx, item)
				},
				func(ctx context.Context) error {
					if err := in.Put(ctx, 1); err != nil {
						return err
					}
					_, err := out.Get(ctx)
					return err
				},
			},
		} {
			other := s.play(func(ctx context.Context) {
				for test.other(ctx) == nil {
				}
			})
			s.turn(1)
			if n := testing.AllocsPerRun(100, func() { s.must(test.main(s.ctx)) }); n != 0 {
				t.Errorf("%s: %v allocations, want none", test.name, n)
			}
			other.Cancel()
			s.turn(3)
		}
	})
}
