package aio_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// COND-001, COND-002
func TestConditionSharesItsLock(t *testing.T) {
	play(t, func(s *scene) {
		var k aio.Lock
		var own aio.Condition
		c := aio.NewCondition(&k)
		agree := func(what string, want bool) {
			s.Helper()
			same(s, what+": Lock.Locked", k.Locked(), want)
			same(s, what+": Condition.Locked", c.Locked(), want)
			same(s, what+": Locked of another condition", own.Locked(), false)
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
		same(s, "own lock: Locked", own.Locked(), true)
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
		misused(t, "Wait", func() { raise(c.Wait(s.ctx)) }, aio.ErrNotLocked)
		misused(t, "WaitFor", func() { raise(c.WaitFor(s.ctx, func() bool { return true })) }, aio.ErrNotLocked)
	})
}

// COND-004, COND-005, COND-006
func TestConditionWaiterGoesOnWhenItHasTheLock(t *testing.T) {
	play(t, func(s *scene) {
		var c aio.Condition
		s.waiter("A", &c, true)
		s.letPass(1)
		same(s, "A waits: Locked", c.Locked(), false)
		s.must(c.Acquire(s.ctx))
		c.Notify(1)
		s.after(10, "")
		c.Release()
		s.after(1, "A")
		same(s, "A continued: Locked", c.Locked(), true)
		c.Release()
	})
}

// COND-007, COND-009, COND-010, COND-011, COND-012
func TestConditionNotifyWakesTheFirstN(t *testing.T) {
	for _, test := range []struct {
		name   string
		notify []int // -1 means all
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
				c.NotifyAll() // no task waits
				c.Release()
				for _, name := range []string{"1", "2", "3", "4"} {
					s.waiter(name, &c, false)
				}
				s.after(5, "")
				s.must(c.Acquire(s.ctx))
				s.start("notifier", func(context.Context) error {
					// the notifying task must hold the lock
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
		s.letPass(1)
		s.must(c.Acquire(s.ctx))
		c.Notify(2)
		c.Release()
		s.after(5, "1")
		c.Release()
		s.after(5, "2")
		c.Release()
		s.after(5, "")
		same(s, "3 was not notified: Locked", c.Locked(), false)
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
			same(s, "Locked", c.Locked(), false)
			ready = true
		}
	})
}

// COND-015, COND-016
func TestConditionCancelledWaiterTakesTheLockFirst(t *testing.T) {
	play(t, func(s *scene) {
		var c aio.Condition
		a := s.waiter("A", &c, true)
		s.letPass(1)
		a.Cancel()
		s.after(1, "A!cancelled")
		same(s, "free lock: Locked", c.Locked(), true)
		c.Release()

		b := s.waiter("B", &c, true)
		s.letPass(1)
		s.must(c.Acquire(s.ctx))
		b.Cancel()
		s.after(5, "")
		c.Release()
		s.after(1, "B!cancelled")
		same(s, "held lock: Locked", c.Locked(), true)
		c.Release()

		s.must(c.Acquire(s.ctx)) // tasks are no longer queued for the lock
		c.NotifyAll()
		c.Release()
		s.after(3, "")
		same(s, "at the end: Locked", c.Locked(), false)
	})
}

// COND-017, COND-020
func TestConditionCancelledWhileItTakesTheLockGivesTheLastReason(t *testing.T) {
	play(t, func(s *scene) {
		var c aio.Condition
		a := s.waiter("A", &c, false)
		s.letPass(1)
		s.must(c.Acquire(s.ctx))
		c.Notify(1)
		s.letPass(1)
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
					// A checks that it holds the lock when its Wait
					// has returned.
					a := s.waiter("A", &c, true)
					s.letPass(1)
					s.must(c.Acquire(s.ctx))
					c.Notify(1)
					for turn := range 6 {
						if turn == release {
							c.Release()
						}
						if turn == cancel {
							a.Cancel()
						}
						s.letPass(1)
					}
					// A runs in the pass after the release, and can
					// be cancelled until then.
					if cancel <= release {
						s.want("A!cancelled")
					} else {
						s.want("A")
					}
					same(s, "Locked", c.Locked(), true)
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
			a := aio.CreateTask(s.ctx, aio.NoResult(func(ctx context.Context) error {
				return c.With(ctx, func(ctx context.Context) error {
					inner = c.WaitFor(ctx, func() bool { return false })
					return inner
				})
			}))
			s.letPass(1)
			s.must(c.Acquire(s.ctx))
			if notified {
				c.Notify(1)
				s.letPass(1)
			}
			a.Cancel("why")
			s.letPass(1)
			c.Release()
			_, err := a.Await(s.ctx)
			var ce *aio.CancelledError
			if err != inner || !errors.As(err, &ce) || ce.Message != "why" {
				t.Errorf("notified=%t: the awaiter got %v, WaitFor returned %v", notified, err, inner)
			}
		})
	}
}

// COND-021
func TestConditionNotificationOfACancelledWaiterPassesOn(t *testing.T) {
	for _, turns := range []int{0, 1, 4} {
		// The task is cancelled before it is resumed, or while it waits for the
		// lock.
		t.Run(fmt.Sprint(turns, " turns"), func(t *testing.T) {
			play(t, func(s *scene) {
				var c aio.Condition
				a := s.waiter("A", &c, false)
				s.waiter("B", &c, false)
				s.waiter("C", &c, false)
				s.letPass(1)
				s.must(c.Acquire(s.ctx))
				c.Notify(1)
				s.letPass(turns)
				a.Cancel()
				s.letPass(1)
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
		s.letPass(1)
		a.Cancel()
		// B continues although there was no notification
		s.after(5, "A!cancelled B")
	})
}

// COND-023
func TestConditionWaitUnderADeadlineEndsWithTheLock(t *testing.T) {
	play(t, func(s *scene) {
		var c aio.Condition
		err := c.With(s.ctx, func(ctx context.Context) error {
			err := aio.Timeout(ctx, time.Second, c.Wait)
			same(s, "timed out: Locked", c.Locked(), true)
			return err
		})
		s.ended("main", err)
		s.want("main!timeout")
		same(s, "after the scope: Locked", c.Locked(), false)
	})
}

// impatient is a done context that panics if it is queried too often.
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
		s.want("holder waiter!context-ended")
	})
}

func TestConditionOfAClosedLoopDoesNotReleaseALockThatOthersHold(t *testing.T) {
	l, _ := newLoop(t)
	var c aio.Condition
	start := func(name string, body func(ctx context.Context) error) {
		aio.CreateTask(l.Context(), aio.NoResult(func(ctx context.Context) error {
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
	if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, 0) })); err != nil {
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
