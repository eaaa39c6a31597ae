package aio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/goaio/aio"
)

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

// empty checks that the barrier is in its initial state.
func (s *scene) empty(b *aio.Barrier) {
	s.Helper()
	same(s, "Broken", b.Broken(), false)
	same(s, "NWaiting", b.NWaiting(), 0)
}

// BAR-002, BAR-003, BAR-004, BAR-005, BAR-006, BAR-012
func TestBarrierOpensForTheLastToCome(t *testing.T) {
	play(t, func(s *scene) {
		b := aio.NewBarrier(3)
		for range 3 {
			fetch(s, "A", b.Wait)
			s.after(1, "")
			same(s, "NWaiting", b.NWaiting(), 1)
			fetch(s, "B", b.Wait)
			s.after(1, "")
			same(s, "NWaiting", b.NWaiting(), 2)
			s.after(3, "")
			fetch(s, "C", b.Wait)
			s.after(1, "C=2")
			same(s, "draining: NWaiting", b.NWaiting(), 0)
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
		s.letPass(1)
		s.must(b.Abort(s.ctx)) // called by the party that failed
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
		// B leaves last and is the first to wait again; C and A wait until the
		// barrier has drained.
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
				s.letPass(1)
				fetch(s, "C", b.Wait)
				n := fetch(s, "new", b.Wait)
				s.after(1, "C=2")
				same(s, "NWaiting", b.NWaiting(), 0)
				switch cancel {
				case "none":
					s.after(1, "A=0 B=1")
					same(s, "before the newcomer has run: NWaiting", b.NWaiting(), 0)
				case "released":
					a.Cancel()
					s.after(1, "A!cancelled B=1")
				case "newcomer":
					n.Cancel()
					s.after(2, "A=0 B=1 new!cancelled")
					s.empty(b)
					fetch(s, "new", b.Wait)
				}
				s.letPass(1)
				same(s, "NWaiting", b.NWaiting(), 1)
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
		s.letPass(1)
		a.Cancel()
		s.after(1, "A!cancelled")
		same(s, "NWaiting", b.NWaiting(), 1)
		same(s, "Broken", b.Broken(), false)
		fetch(s, "C", b.Wait)
		s.after(1, "")
		fetch(s, "D", b.Wait)
		s.after(2, "D=2 B=1 C=1") // B's index was determined while A was waiting
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
		s.letPass(1)
		s.must(b.Reset(s.ctx))
		s.after(1, "A!broken B!broken")
		same(s, "Broken", b.Broken(), false)
		s.letPass(2)
		same(s, "waiting again: NWaiting", b.NWaiting(), 2)
		fetch(s, "C", b.Wait)
		// B leaves last and is the first to wait again
		s.after(2, "C=2 B A")
		s.empty(b)
	})
}

// BAR-018, BAR-019
func TestBarrierResetWhileItDrainsFailsThoseNotYetOut(t *testing.T) {
	play(t, func(s *scene) {
		b := aio.NewBarrier(3)
		fetch(s, "A", b.Wait)
		fetch(s, "B", b.Wait)
		s.letPass(1)
		fetch(s, "C", b.Wait)
		fetch(s, "behind", b.Wait)
		s.start("reset", b.Reset)
		s.after(2, "C=2 reset A!broken B!broken")
		s.letPass(1)
		same(s, "Broken", b.Broken(), false)
		same(s, "NWaiting", b.NWaiting(), 1)
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
		s.letPass(1)
		fetch(s, "new", b.Wait) // the newcomer is ready before A is
		s.must(b.Reset(s.ctx))
		s.after(1, "A!broken")
		s.empty(b)
		s.after(1, "")
		same(s, "NWaiting", b.NWaiting(), 1)
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
					s.letPass(1)
					want = "A!broken B!broken"
				}
				if before == "resetting" {
					s.must(b.Reset(s.ctx))
				}
				s.must(b.Abort(s.ctx))
				same(s, "Broken", b.Broken(), true)
				same(s, "NWaiting", b.NWaiting(), 0)
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
		s.letPass(1)
		fetch(s, "C", b.Wait)
		fetch(s, "behind", b.Wait)
		s.start("abort", b.Abort)
		s.after(2, "C=2 abort A!broken B!broken behind!broken")
		same(s, "Broken", b.Broken(), true)
	})
}

// A fault of asyncio that is kept, see docs/differences.md, and a workaround.
func TestBarrierIndexAfterACancelledWait(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		b := aio.NewBarrier(3)
		enter := func() *aio.Task[int] { return aio.CreateTask(ctx, b.Wait) }
		first, second := enter(), enter()
		letPass(ctx, 2)
		first.Cancel()
		letPass(ctx, 3)
		var got []int
		for _, task := range []*aio.Task[int]{second, enter(), enter()} {
			index, err := task.Await(ctx)
			same(t, "Wait", err, nil)
			got = append(got, index)
		}
		equal(t, "indices", got, []int{1, 1, 2})
		same(t, "tasks with the last index", len(slices.DeleteFunc(got, func(i int) bool { return i != b.Parties()-1 })), 1)
	})
}

// Exactly one task of a round is the last one, however many waits are cancelled.
func TestBarrierHasOneLastTask(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		for cancelled := range 1 << 4 { // bit mask of the first four tasks
			b := aio.NewBarrier(5)
			last, through := 0, 0
			var tasks []*aio.Task[struct{}]
			enter := func() {
				tasks = append(tasks, spawn(ctx, func(ctx context.Context) error {
					i, err := b.Wait(ctx)
					if err == nil {
						through++
						if i == b.Parties()-1 {
							last++
						}
					}
					return err
				}))
				letPass(ctx, 2)
			}
			for range 4 {
				enter()
			}
			for i := range 4 {
				if cancelled>>i&1 == 1 {
					tasks[i].Cancel()
					letPass(ctx, 3)
					enter()
				}
			}
			enter()
			for _, task := range tasks {
				if _, err := task.Await(ctx); err != nil && !errors.Is(err, aio.ErrCancelled) {
					t.Errorf("%04b: %v", cancelled, err)
				}
			}
			same(t, "tasks that passed", through, 5)
			same(t, "tasks that were last", last, 1)
		}
	})
}
