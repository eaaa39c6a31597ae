package aio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
)

// sleeps returns a body that sleeps for d.
func sleeps(d time.Duration) func(ctx context.Context) error {
	return func(ctx context.Context) error { return aio.Sleep(ctx, d) }
}

// afterwards checks that the running task has no cancellation requests.
func afterwards(t *testing.T, ctx context.Context) {
	t.Helper()
	same(t, "Cancelling afterwards", aio.CurrentTask(ctx).Cancelling(), 0)
	matches(t, "Sleep afterwards", aio.Sleep(ctx, 0), nil)
}

// TMO-001, TMO-002, TMO-003, TMO-010, TMO-011: in Go the error does not wrap the
// CancelledError.
func TestTimeoutOfBodyThatOutlastsIt(t *testing.T) {
	for name, make := range map[string]func(now time.Time) *aio.TimeoutScope{
		"NewTimeout":   func(time.Time) *aio.TimeoutScope { return aio.NewTimeout(10 * time.Second) },
		"NewTimeoutAt": func(now time.Time) *aio.TimeoutScope { return aio.NewTimeoutAt(now.Add(10 * time.Second)) },
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
				start := l.Time()
				s := make(start)
				err := s.Run(ctx, func(ctx context.Context) error {
					same(t, "When inside", s.When(), start.Add(10*time.Second))
					same(t, "Expired inside", s.Expired(), false)
					err := aio.Sleep(ctx, time.Hour)
					matches(t, "Sleep", err, aio.ErrCancelled)
					same(t, "Expired after the deadline", s.Expired(), true)
					return err
				})
				matches(t, "Run", err, aio.ErrTimeout)
				same(t, "the error is a cancellation", errors.Is(err, aio.ErrCancelled), false)
				same(t, "Expired", s.Expired(), true)
				same(t, "When", s.When(), start.Add(10*time.Second))
				same(t, "Time", l.Time(), start.Add(10*time.Second))
				afterwards(t, ctx)
			})
		})
	}
}

// The error of a timeout matches other errors for timeouts too.
func TestErrTimeoutIsWhatGoKnows(t *testing.T) {
	for _, target := range []error{context.DeadlineExceeded, os.ErrDeadlineExceeded} {
		matches(t, "ErrTimeout", aio.ErrTimeout, target)
	}
	var ne net.Error
	same(t, "it is a net.Error with Timeout", errors.As(aio.ErrTimeout, &ne) && ne.Timeout(), true)
}

// TMO-004
func TestTimeoutOfBodyInTime(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		s := aio.NewTimeout(time.Hour)
		matches(t, "Run", s.Run(ctx, sleeps(time.Minute)), nil)
		same(t, "Expired", s.Expired(), false)
		same(t, "When is in the future", s.When().Sub(l.Time()), 59*time.Minute)
		matches(t, "Sleep past the deadline", aio.Sleep(ctx, 2*time.Hour), nil)
		same(t, "Expired later", s.Expired(), false)
		afterwards(t, ctx)
	})
}

// TMO-005
func TestTimeoutWithoutDeadline(t *testing.T) {
	for name, s := range map[string]*aio.TimeoutScope{
		"NewTimeout":   aio.NewTimeout(aio.NoTimeout),
		"NewTimeoutAt": aio.NewTimeoutAt(time.Time{}),
	} {
		inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
			matches(t, name, s.Run(ctx, sleeps(10_000*time.Hour)), nil)
			same(t, name+": When", s.When(), time.Time{})
			same(t, name+": Expired", s.Expired(), false)
		})
	}
}

// TMO-006, TMO-007, TMO-008
func TestTimeoutThatIsOverAtOnce(t *testing.T) {
	for _, d := range []time.Duration{0, -1, -time.Hour} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			for name, body := range map[string]func(ctx context.Context) error{"yields": sleeps(0), "sleeps": sleeps(time.Hour)} {
				name = fmt.Sprintf("Timeout of %v, body %s", d, name)
				start := l.Time()
				s := aio.NewTimeout(d)
				matches(t, name, s.Run(ctx, body), aio.ErrTimeout)
				same(t, name+": Expired", s.Expired(), true)
				same(t, name+": When", s.When(), start.Add(d))
				same(t, name+": time that passed", l.Time().Sub(start), 0)
				afterwards(t, ctx)
			}
			s := aio.NewTimeout(d)
			matches(t, "a body that never suspends", s.Run(ctx, func(context.Context) error { return nil }), nil)
			same(t, "Expired", s.Expired(), false)
			afterwards(t, ctx)
		})
	}
}

// TMO-009
func TestTimeoutPassesOtherErrorsOn(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		failure := errors.New("failure")
		s := aio.NewTimeout(time.Hour)
		err := s.Run(ctx, func(context.Context) error { return failure })
		same(t, "the body's error is returned as it is", err == failure, true)
		same(t, "Expired", s.Expired(), false)

		s = aio.NewTimeout(time.Hour)
		task := spawn(ctx, func(ctx context.Context) error { return s.Run(ctx, sleeps(2*time.Hour)) })
		matches(t, "Sleep", aio.Sleep(ctx, time.Minute), nil)
		task.Cancel("stop")
		_, err = task.Await(ctx)
		var c *aio.CancelledError
		same(t, "the cancellation has its message", errors.As(err, &c) && c.Message == "stop", true)
		same(t, "Cancelled", task.Cancelled(), true)
		same(t, "Expired", s.Expired(), false)
	})
}

// TMO-012
func TestTimeoutExpiredAndBodyFails(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		failure := errors.New("failure")
		s := aio.NewTimeout(time.Hour)
		err := s.Run(ctx, func(ctx context.Context) error {
			_ = aio.Sleep(ctx, 2*time.Hour)
			return failure
		})
		same(t, "the body's error is returned as it is", err == failure, true)
		same(t, "Expired", s.Expired(), true)
		afterwards(t, ctx)
	})
}

// TMO-013
func TestTimeoutExpiredAndBodySwallowsIt(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		s := aio.NewTimeout(time.Hour)
		err := s.Run(ctx, func(ctx context.Context) error {
			matches(t, "Sleep", aio.Sleep(ctx, 2*time.Hour), aio.ErrCancelled)
			return nil
		})
		matches(t, "Run", err, nil)
		same(t, "Expired", s.Expired(), true)
		afterwards(t, ctx)
	})
}

// TMO-014
func TestTimeoutsThatExpireTogether(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		when := l.Time().Add(time.Minute)
		outer, inner := aio.NewTimeoutAt(when), aio.NewTimeoutAt(when)
		err := outer.Run(ctx, func(ctx context.Context) error {
			err := inner.Run(ctx, sleeps(time.Hour))
			matches(t, "inner", err, aio.ErrCancelled)
			return err
		})
		matches(t, "outer", err, aio.ErrTimeout)
		same(t, "Expired of both", [2]bool{outer.Expired(), inner.Expired()}, [2]bool{true, true})
		afterwards(t, ctx)
	})
}

// TMO-015, TMO-016
func TestTimeoutsAndLoopThatIsBlocked(t *testing.T) {
	for _, c := range []struct {
		blocked      time.Duration
		innerExpires bool
	}{{15 * time.Second, false}, {30 * time.Second, true}} {
		synctest.Test(t, func(t *testing.T) {
			l := aio.NewEventLoop(nil)
			defer l.Close()
			start := l.Time()
			matches(t, "the run", runMain(l, func(ctx context.Context) error {
				outer, inner := aio.NewTimeout(10*time.Second), aio.NewTimeout(20*time.Second)
				err := outer.Run(ctx, func(ctx context.Context) error {
					err := inner.Run(ctx, func(ctx context.Context) error {
						time.Sleep(c.blocked)
						return aio.Sleep(ctx, time.Hour)
					})
					matches(t, "inner", err, aio.ErrCancelled)
					return err
				})
				matches(t, "outer", err, aio.ErrTimeout)
				same(t, "time that passed", l.Time().Sub(start), c.blocked)
				same(t, "Expired of both", [2]bool{outer.Expired(), inner.Expired()}, [2]bool{true, c.innerExpires})
				afterwards(t, ctx)
				return nil
			}), nil)
		})
	}
}

// TMO-017
func TestTimeoutInsideTimeout(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		start := l.Time()
		outer, inner := aio.NewTimeout(time.Hour), aio.NewTimeout(time.Minute)
		err := outer.Run(ctx, func(ctx context.Context) error {
			matches(t, "inner", inner.Run(ctx, sleeps(2*time.Hour)), aio.ErrTimeout)
			same(t, "Expired of both", [2]bool{outer.Expired(), inner.Expired()}, [2]bool{false, true})
			matches(t, "Sleep", aio.Sleep(ctx, time.Minute), nil)
			return aio.Sleep(ctx, 2*time.Hour)
		})
		matches(t, "outer", err, aio.ErrTimeout)
		same(t, "time that passed", l.Time().Sub(start), time.Hour)
		afterwards(t, ctx)
	})
}

// TMO-018
func TestTimeoutInTheCleanupOfTimeout(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		err := aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
			first := aio.Sleep(ctx, time.Hour)
			matches(t, "Sleep", first, aio.ErrCancelled)
			matches(t, "the second one", aio.Timeout(ctx, time.Minute, sleeps(time.Hour)), aio.ErrTimeout)
			matches(t, "Sleep in between", aio.Sleep(ctx, time.Minute), nil)
			return first
		})
		matches(t, "the first one", err, aio.ErrTimeout)
		afterwards(t, ctx)
	})
}

// TMO-019
func TestTimeoutAfterCancellationThatWasSwallowed(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		task := aio.CurrentTask(ctx)
		task.Cancel()
		matches(t, "Sleep", aio.Sleep(ctx, 0), aio.ErrCancelled)
		same(t, "Cancelling", task.Cancelling(), 1)

		matches(t, "a timeout that expires", aio.Timeout(ctx, time.Minute, sleeps(time.Hour)), aio.ErrTimeout)
		same(t, "Cancelling", task.Cancelling(), 1)

		l.CallLater(time.Minute, func() { task.Cancel() })
		matches(t, "a timeout that does not", aio.Timeout(ctx, time.Hour, sleeps(2*time.Hour)), aio.ErrCancelled)
		same(t, "Cancelling", task.Cancelling(), 2)
		for task.Uncancel() > 0 {
		}
	})
}

// TMO-020
func TestTimeoutAndCancellationAtOnce(t *testing.T) {
	for _, first := range []string{"cancel", "expiry"} {
		t.Run(first+" first", func(t *testing.T) {
			inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
				task := aio.CurrentTask(ctx)
				at := map[string]time.Duration{"cancel": time.Second, "expiry": time.Hour}[first]
				s := aio.NewTimeout(time.Minute)
				err := s.Run(ctx, func(ctx context.Context) error {
					l.CallLater(at, func() { task.Cancel() })
					err := aio.Sleep(ctx, time.Hour)
					// until the other timeout expires
					_ = aio.Sleep(ctx, time.Hour)
					return err
				})
				matches(t, "Run", err, aio.ErrCancelled)
				same(t, "Expired", s.Expired(), true)
				same(t, "Cancelling", task.Cancelling(), 1)
				task.Uncancel()
			})
		})
	}
}

// TMO-021
func TestTimeoutReschedule(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		start := l.Time()
		s := aio.NewTimeout(time.Minute)
		err := s.Run(ctx, func(ctx context.Context) error {
			later := start.Add(time.Hour)
			s.Reschedule(later)
			same(t, "When", s.When(), later)
			return aio.Sleep(ctx, 2*time.Hour)
		})
		matches(t, "Run", err, aio.ErrTimeout)
		same(t, "time that passed", l.Time().Sub(start), time.Hour)

		s = aio.NewTimeout(time.Minute)
		task := spawn(ctx, func(ctx context.Context) error {
			return s.Run(ctx, func(ctx context.Context) error {
				s.Reschedule(time.Time{})
				same(t, "When", s.When(), time.Time{})
				return aio.Sleep(ctx, 100*time.Hour)
			})
		})
		matches(t, "Sleep", aio.Sleep(ctx, 10*time.Hour), nil)
		same(t, "Done", task.Done(), false)
		task.Cancel()
		_, err = task.Await(ctx)
		matches(t, "Await", err, aio.ErrCancelled)
		same(t, "Expired", s.Expired(), false)
	})
}

// TMO-022
func TestTimeoutRescheduleToThePast(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		start := l.Time()
		s := aio.NewTimeout(time.Hour)
		err := s.Run(ctx, func(ctx context.Context) error {
			s.Reschedule(start.Add(-time.Second))
			return aio.Sleep(ctx, 0)
		})
		matches(t, "Run", err, aio.ErrTimeout)
		same(t, "time that passed", l.Time().Sub(start), 0)
		afterwards(t, ctx)
	})
}

// TMO-023
func TestTimeoutRescheduleOutOfPlace(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		when := l.Time().Add(time.Hour)
		misuse := func(what string, s *aio.TimeoutScope) {
			matches(t, "Reschedule "+what, panics(func() { s.Reschedule(when) }), aio.ErrUsage)
		}
		s := aio.NewTimeout(time.Minute)
		misuse("before Run", s)
		matches(t, "Run", s.Run(ctx, sleeps(0)), nil)
		misuse("after the end", s)

		s = aio.NewTimeout(time.Minute)
		err := s.Run(ctx, func(ctx context.Context) error {
			err := aio.Sleep(ctx, time.Hour)
			misuse("while it expires", s)
			return err
		})
		matches(t, "Run", err, aio.ErrTimeout)
		misuse("after it expired", s)
	})
}

// TMO-024
func TestTimeoutRunTwice(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		s := aio.NewTimeout(time.Minute)
		again := func() error {
			return s.Run(ctx, func(context.Context) error { t.Error("the body ran"); return nil })
		}
		err := s.Run(ctx, func(context.Context) error {
			matches(t, "Run within Run", again(), aio.ErrUsage)
			return nil
		})
		matches(t, "Run", err, nil)
		matches(t, "Run after Run", again(), aio.ErrUsage)
	})
}

// TMO-025
func TestTimeoutOutsideOfTask(t *testing.T) {
	l, _ := newLoop(t)
	s := aio.NewTimeout(time.Minute)
	body := func(context.Context) error { t.Error("the body ran"); return nil }
	matches(t, "Run outside of a run", s.Run(l.Context(), body), aio.ErrNoRunningLoop)
	l.CallSoon(func() { matches(t, "Run in a callback", s.Run(l.Context(), body), aio.ErrNoTask) })
	err := runMain(l, func(ctx context.Context) error { return s.Run(ctx, sleeps(time.Hour)) })
	matches(t, "Run in a task", err, aio.ErrTimeout)
}

// TMO-026, TMO-027
func TestTimeoutAroundTaskGroup(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		failure := errors.New("failure")
		for _, fails := range []bool{true, false} {
			err := aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
				return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
					tg.Go(func(ctx context.Context) error {
						err := aio.Sleep(ctx, time.Hour)
						if fails {
							return failure
						}
						return err
					})
					return aio.Sleep(ctx, time.Hour)
				})
			})
			if fails {
				grouped(t, err, failure)
			} else {
				same(t, "the error is ErrTimeout", err == aio.ErrTimeout, true)
			}
			afterwards(t, ctx)
		}
	})
}

// TMO-028
func TestTimeoutAndResultInOnePass(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		var log eventLog
		f := aio.CreateFuture[int](ctx)
		when := l.Time().Add(time.Minute)
		// of two equal deadlines, the one that was set first is due first
		l.CallAt(when, func() { log.add("result"); f.SetResult(1) })
		s := aio.NewTimeoutAt(when)
		err := s.Run(ctx, func(ctx context.Context) error {
			v, err := f.Await(ctx)
			log.add("resumed:%d:%v", v, s.Expired())
			return err
		})
		matches(t, "Run", err, aio.ErrTimeout)
		log.want(t, "result resumed:0:true")
		afterwards(t, ctx)
	})
}

// A fault of asyncio that is kept, see docs/differences.md, and a workaround.
func TestTimeoutOfZeroTakesOverACancellation(t *testing.T) {
	for _, d := range []time.Duration{0, -time.Second} {
		_ = inBubble(t, func(ctx context.Context) error {
			timeout := func(first func(ctx context.Context) error) (task *aio.Task[struct{}], err error) {
				task = spawn(ctx, func(ctx context.Context) error {
					aio.CurrentTask(ctx).Cancel()
					if err = first(ctx); err != nil {
						return err
					}
					err = aio.Timeout(ctx, d, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
					return err
				})
				_, _ = task.Await(ctx)
				return task, err
			}
			task, err := timeout(ok)
			same(t, "Timeout", err, aio.ErrTimeout)
			same(t, "Cancelled", task.Cancelled(), false)
			same(t, "Cancelling", task.Cancelling(), 1)

			task, err = timeout(func(ctx context.Context) error { return aio.Sleep(ctx, 0) })
			matches(t, "with Sleep before it", err, aio.ErrCancelled)
			same(t, "Cancelled with Sleep before it", task.Cancelled(), true)
			return nil
		})
	}
}
