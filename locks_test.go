package aio_test

import (
	"context"
	"testing"

	"github.com/goaio/aio"
)

// LOCK-001, LOCK-002, LOCK-014
func TestLockThatIsFreeIsTakenInTheSameStep(t *testing.T) {
	play(t, func(s *scene) {
		var k aio.Lock
		same(s, "new lock: Locked", k.Locked(), false)
		s.start("other", ok)
		s.ended("acquired", k.Acquire(s.ctx))
		same(s, "acquired: Locked", k.Locked(), true)
		k.Release()
		same(s, "released: Locked", k.Locked(), false)
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
			same(s, "admitted: Locked", k.Locked(), true)
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
		s.letPass(1)
		s.start("newcomer", k.Acquire) // the newcomer is ready before the waiter
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
		s.letPass(1)
		k.Release()
		same(s, "released: Locked", k.Locked(), false)
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
		s.letPass(1)
		b.Cancel()
		s.after(1, "B!cancelled")
		k.Release()
		s.after(1, "C")
		k.Release() // released by another task than the one that acquired it
		same(s, "released: Locked", k.Locked(), false)
	})
}

// LOCK-009, LOCK-010
func TestLockReleasedBeforeACancelledWaiterUnwinds(t *testing.T) {
	play(t, func(s *scene) {
		var k aio.Lock
		s.must(k.Acquire(s.ctx))
		b := s.start("B", k.Acquire)
		s.start("C", k.Acquire)
		s.letPass(1)
		b.Cancel()
		k.Release()
		s.after(1, "B!cancelled")
		same(s, "after one turn: Locked", k.Locked(), false)
		s.after(1, "C")
		same(s, "after two turns: Locked", k.Locked(), true)
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
		s.letPass(1)
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
		s.letPass(1)
		k.Release()
		a.Cancel()
		s.after(1, "A!cancelled")
		same(s, "not taken by A: Locked", k.Locked(), false)
		s.after(1, "B")
	})
}

// LOCK-013
func TestLockWhoseWaitersAreCancelledIsFree(t *testing.T) {
	play(t, func(s *scene) {
		var k aio.Lock
		s.must(k.Acquire(s.ctx))
		a := s.start("A", k.Acquire)
		s.letPass(1)
		a.Cancel()
		k.Release()
		s.ended("main", k.Acquire(s.ctx))
		s.after(1, "main A!cancelled")
		same(s, "after A has unwound: Locked", k.Locked(), true)
	})
}

// waiter starts a task that waits for c; if keep is set it then keeps the lock.
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
