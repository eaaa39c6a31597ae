package aio_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
)

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
			same(s, "Locked before Acquire", m.Locked(), false)
			s.ended("acquired", m.Acquire(s.ctx))
			same(s, "Locked after Acquire", m.Locked(), locked)
		}
		s.after(1, "acquired acquired other")
		for range 3 { // release one permit more than there were initially
			m.Release()
			same(s, "Locked after Release", m.Locked(), false)
		}
		for range 3 {
			s.must(m.Acquire(s.ctx))
		}
		same(s, "Locked at the end", m.Locked(), true)
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
			same(s, "before the waiter resumes: Locked", m.Locked(), true)
			s.after(1, name)
			same(s, "after it resumed: Locked", m.Locked(), true)
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
		s.letPass(1)
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
		s.letPass(1)
		m.Release()
		m.Release()
		same(s, "Locked", m.Locked(), true)
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
			// D starts after the tasks that Acquire has woken
			s.start("D", ok)
			return err
		})
		s.letPass(1)
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
		ids  string
		ops  string // c1: cancel task 1, r: release, t: run one pass
		want string
		// whether the semaphore is locked directly after the operations, before
		// the waiters have unwound
		locked bool
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
				s.letPass(1)
				for _, op := range strings.Fields(test.ops) {
					switch op[0] {
					case 'c':
						tasks[op[1]-'1'].Cancel()
					case 'r':
						m.Release()
					case 't':
						s.letPass(1)
					}
				}
				same(s, "Locked", m.Locked(), test.locked)
				s.after(2, test.want)
				same(s, "at the end: Locked", m.Locked(), test.locked)
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
		s.letPass(1)
		m.Release()
		a.Cancel()
		s.after(1, "A!cancelled")
		same(s, "Locked", m.Locked(), false)
		s.must(m.Acquire(s.ctx))
	})
}

// BSEM-001, BSEM-002
func TestBoundedSemaphoreTakesBackNoMoreThanItGave(t *testing.T) {
	misused(t, "NewBoundedSemaphore(-1)", func() { aio.NewBoundedSemaphore(-1) })
	for n := range 3 {
		m := aio.NewBoundedSemaphore(n)
		misused(t, fmt.Sprint("releasing a new semaphore of ", n), m.Release, aio.ErrOverRelease)
		play(t, func(s *scene) {
			for range n {
				s.must(m.Acquire(s.ctx))
			}
			same(s, "Locked", m.Locked(), true)
			for range n {
				m.Release()
			}
			misused(t, "Release", m.Release, aio.ErrOverRelease)
			same(s, "Locked", m.Locked(), n == 0)
		})
	}
}

// BSEM-003
func TestBoundedSemaphoreCountsAPermitOfAWokenWaiterAsTaken(t *testing.T) {
	play(t, func(s *scene) {
		m := aio.NewBoundedSemaphore(1)
		s.must(m.Acquire(s.ctx))
		s.start("A", m.Acquire)
		s.letPass(1)
		m.Release()
		// A has been assigned the first permit, even though it has not run
		m.Release()
		misused(t, "the third Release", m.Release, aio.ErrOverRelease)
		s.after(1, "A")
	})
}
