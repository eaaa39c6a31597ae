package aio_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aioiter"
	"github.com/goaio/aio/aiokit"
)

// If a context that a coroutine derived is done, the await in it fails. That is never a
// cancellation: the task was not cancelled.

// outOfTime returns the error of an await whose derived context reaches its deadline.
func outOfTime(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := aio.Sleep(ctx, time.Hour); err != nil {
		return fmt.Errorf("outOfTime: %w", err)
	}
	return nil
}

// inBubble runs main in a synctest bubble and returns its error.
func inBubble(t *testing.T, main func(ctx context.Context) error) (err error) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { err = aio.Run(main) })
	return err
}

func TestDerivedContextFailsAGroup(t *testing.T) {
	err := inBubble(t, func(ctx context.Context) error {
		q := aio.NewQueue[int](0)
		return aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
			// produces nothing
			tg.Go(outOfTime)
			// without the failure of the await the group would wait forever
			tg.Go(func(ctx context.Context) error { _, err := q.Get(ctx); return err })
			return nil
		})
	})
	grouped(t, err, context.DeadlineExceeded)
	same(t, "it matches ErrCancelled", errors.Is(err, aio.ErrCancelled), false)
	same(t, "it matches context.Canceled", errors.Is(err, context.Canceled), false)
}

func TestDerivedContextIsAFailureOfATask(t *testing.T) {
	_ = inBubble(t, func(ctx context.Context) error {
		task := aio.CreateTask(ctx, aio.NoResult(outOfTime))
		other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
		done, _, err := aio.Wait(ctx, []aio.AnyFuture{task, other}, aio.NoTimeout, aio.FirstException)
		same(t, "the error of Wait", err, nil)
		same(t, "done futures", len(done), 1)
		same(t, "Cancelled", task.Cancelled(), false)
		same(t, "Cancelling", task.Cancelling(), 0)
		matches(t, "Exception", task.Exception(), context.DeadlineExceeded)
		other.Cancel()
		return nil
	})
}

func TestDerivedContextIsReported(t *testing.T) {
	var reports []error
	_ = inBubble(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { reports = append(reports, ec.Err) })
		aio.CreateTask(ctx, aio.NoResult(outOfTime))
		return aio.Sleep(ctx, time.Minute)
	})
	same(t, "reports", len(reports), 1)
	matches(t, "the error", reports[0], context.DeadlineExceeded)
}

// If the task is cancelled at the moment at which its derived context is done, the
// cancellation wins.
func TestCancellationWinsOverADerivedContext(t *testing.T) {
	for _, first := range []string{"the context", "Cancel"} {
		t.Run(first, func(t *testing.T) {
			err := inBubble(t, func(ctx context.Context) error {
				l, _ := aio.GetRunningLoop(ctx)
				var end context.CancelFunc
				var got error
				task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					var derived context.Context
					derived, end = context.WithCancel(ctx)
					got = aio.Sleep(derived, time.Hour)
					return got
				}))
				letPass(ctx, 1)
				l.CallLater(time.Second, func() {
					if first == "the context" {
						end()
					}
					task.Cancel("enough")
					end()
				})
				_, err := task.Await(ctx)
				same(t, "Cancelled", task.Cancelled(), true)
				var c *aio.CancelledError
				if !errors.As(got, &c) || c.Message != "enough" {
					t.Errorf("the await returned %v, want the cancellation", got)
				}
				return err
			})
			matches(t, "the task", err, aio.ErrCancelled)
		})
	}
}

// When a Timeout expires, an await with a context derived inside it returns the
// cancellation of the Timeout.
func TestTimeoutWinsOverAContextDerivedInIt(t *testing.T) {
	for _, when := range []string{"parked", "a later await"} {
		err := inBubble(t, func(ctx context.Context) error {
			return aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
				derived, cancel := context.WithCancel(ctx)
				defer cancel()
				err := aio.Sleep(derived, time.Hour)
				if when == "a later await" {
					err = aio.Sleep(derived, time.Hour)
				}
				return err
			})
		})
		same(t, when, err, aio.ErrTimeout)
	}
}

// If a derived context is done because another task was cancelled, this task is not
// cancelled.
func TestContextOfACancelledTaskIsNoCancellationOfAnother(t *testing.T) {
	err := inBubble(t, func(ctx context.Context) error {
		other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
		derived, cancel := context.WithCancel(other.GetContext())
		defer cancel()
		l, _ := aio.GetRunningLoop(ctx)
		l.CallLater(time.Second, func() { other.Cancel() })
		return aio.Sleep(derived, time.Hour)
	})
	matches(t, "Sleep", err, context.Canceled)
	same(t, "it matches ErrCancelled", errors.Is(err, aio.ErrCancelled), false)
}

// A task is cancelled, and before it runs, the loop notices that its derived context is
// done: the task is still cancelled.
func TestDerivedContextEndsAfterACancellation(t *testing.T) {
	// needs another pass to finish after its cancellation
	slow := func(ctx context.Context) error {
		err := aio.Sleep(ctx, time.Hour)
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		return err
	}
	for name, wait := range map[string]func(ctx, derived context.Context) error{
		"Sleep":     func(_, derived context.Context) error { return aio.Sleep(derived, time.Hour) },
		"Queue.Get": func(_, derived context.Context) error { _, err := aio.NewQueue[int](0).Get(derived); return err },
		"a task": func(ctx, derived context.Context) error {
			_, err := aio.CreateTask(ctx, aio.NoResult(slow)).Await(derived)
			return err
		},
	} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			derived, end := context.WithCancelCause(ctx)
			task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return wait(ctx, derived) }))
			_ = aio.Sleep(ctx, time.Minute)
			l.CallSoon(func() {
				end(errors.New("enough"))
				// runs in the next pass, at whose start the loop
				// notices the end of the context
				l.CallSoon(func() { task.Cancel() })
			})
			_, err := task.Await(ctx)
			matches(t, name, err, aio.ErrCancelled)
			same(t, name+": Cancelled", task.Cancelled(), true)
		})
	}
}

// Whatever a task awaits when a context that it has derived ends, the task is not
// cancelled: the await returns the error of the context, and the task group sees a task
// that has failed.
func TestDerivedContextInEachCall(t *testing.T) {
	cause := errors.New("enough")
	pendingFuture := func(ctx context.Context) *aio.Future[int] { return aio.CreateFuture[int](ctx) }
	held := func(ctx context.Context) *aio.Lock {
		var k aio.Lock
		_ = k.Acquire(ctx)
		return &k
	}
	full := func() *aio.Queue[int] {
		q := aio.NewQueue[int](1)
		_ = q.PutNowait(1)
		return q
	}
	calls := map[string]func(ctx, derived context.Context) error{
		"Sleep":             func(_, derived context.Context) error { return aio.Sleep(derived, time.Hour) },
		"Lock.Acquire":      func(ctx, derived context.Context) error { return held(ctx).Acquire(derived) },
		"Lock.With":         func(ctx, derived context.Context) error { return held(ctx).With(derived, emptyBody) },
		"Semaphore.Acquire": func(_, derived context.Context) error { return aio.NewSemaphore(0).Acquire(derived) },
		"Event.Wait":        func(_, derived context.Context) error { return new(aio.Event).Wait(derived) },
		"Condition.Wait": func(_, derived context.Context) error {
			c := aio.NewCondition(nil)
			return c.With(derived, c.Wait)
		},
		"Condition.WaitFor": func(_, derived context.Context) error {
			c := aio.NewCondition(nil)
			return c.With(derived, func(ctx context.Context) error { return c.WaitFor(ctx, func() bool { return false }) })
		},
		"Barrier.Wait": func(_, derived context.Context) error { return second(aio.NewBarrier(2).Wait(derived)) },
		"Queue.Get":    func(_, derived context.Context) error { return second(aio.NewQueue[int](0).Get(derived)) },
		"Queue.Put":    func(_, derived context.Context) error { return full().Put(derived, 2) },
		"Queue.Join":   func(_, derived context.Context) error { return full().Join(derived) },
		"Queue.All": func(_, derived context.Context) (err error) {
			for _, err = range aio.NewQueue[int](0).All(derived) {
			}
			return err
		},
		"Future.Await": func(ctx, derived context.Context) error { return second(pendingFuture(ctx).Await(derived)) },
		"Future.Join":  func(ctx, derived context.Context) error { return pendingFuture(ctx).Join(derived) },
		"Task.Await": func(ctx, derived context.Context) error {
			return second(aio.CreateTask(ctx, forever).Await(derived))
		},
		"Gather": func(ctx, derived context.Context) error {
			return second(aio.Gather(ctx, aio.AsCoro(forever), aio.AsCoro(forever)).Await(derived))
		},
		"GatherResults": func(ctx, derived context.Context) error {
			return second(aio.GatherResults(ctx, aio.AsCoro(forever)).Await(derived))
		},
		"Shield": func(ctx, derived context.Context) error {
			return second(aio.Shield(ctx, pendingFuture(ctx)).Await(derived))
		},
		"Wait": func(ctx, derived context.Context) error {
			_, _, err := aio.Wait(derived, []*aio.Future[int]{pendingFuture(ctx)}, aio.NoTimeout, aio.AllCompleted)
			return err
		},
		"WaitFor": func(ctx, derived context.Context) error {
			return second(aio.WaitFor(derived, pendingFuture(ctx), time.Hour))
		},
		"WaitFor, a coroutine": func(_, derived context.Context) error {
			return second(aio.WaitFor(derived, aio.AsCoro(forever), time.Hour))
		},
		"Timeout": func(_, derived context.Context) error {
			return aio.Timeout(derived, time.Hour, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
		},
		"TaskGroup, its body": func(_, derived context.Context) error {
			return aio.WithTaskGroup(derived, func(ctx context.Context, _ *aio.TaskGroup) error { return aio.Sleep(ctx, time.Hour) })
		},
		"TaskGroup, its end": func(_, derived context.Context) error {
			return aio.WithTaskGroup(derived, func(_ context.Context, tg *aio.TaskGroup) error {
				tg.Go(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
				return nil
			})
		},
		"StartTask": func(ctx, derived context.Context) error {
			return aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
				_, err := aio.StartTask(derived, tg, func(ctx context.Context, _ func(int)) error { return aio.Sleep(ctx, time.Hour) })
				return err
			})
		},
		"CancelScope": func(_, derived context.Context) error {
			return new(aio.CancelScope).Run(derived, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
		},
		"AsCompleted": func(ctx, derived context.Context) (err error) {
			for _, err = range aio.AsCompleted(ctx, []*aio.Future[int]{pendingFuture(ctx)}, aio.NoTimeout).All(derived) {
			}
			return err
		},
		"StaggeredRace": func(_, derived context.Context) error {
			return second(aio.StaggeredRace(derived, time.Hour, aio.AsCoro(forever)))
		},
		"Receive": func(_, derived context.Context) error {
			_, _, err := aio.Receive(derived, make(chan int))
			return err
		},
		"Send": func(_, derived context.Context) error { return aio.Send(derived, make(chan int), 1) },
		"ToThread": func(_, derived context.Context) error {
			return second(aio.ToThread(derived, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				// in the time of the bubble; fn returns after the await
				// has ended
				time.Sleep(time.Second)
				return 0, nil
			}))
		},
		"Iterator.Next": func(ctx, derived context.Context) error {
			it := aio.Pull(ctx, aio.NewQueue[int](0).All)
			_, _, err := it.Next(derived)
			return errors.Join(err, it.Close(ctx))
		},
	}
	endEachCall(t, cause, calls)
}

// endEachCall makes each call in a task of its own in a group. It ends the context that
// the task has derived, with cause, before or during the call. The task must fail with
// cause, and must not be cancelled.
func endEachCall(t *testing.T, cause error, calls map[string]func(ctx, derived context.Context) error) {
	// A cause never counts as a cancellation of the task, even if it contains a
	// CancelledError.
	for kind, cause := range map[string]error{"": cause, "/joined": errors.Join(&aio.CancelledError{}, cause)} {
		endEachCallBy(t, kind, cause, calls)
	}
}

func endEachCallBy(t *testing.T, kind string, cause error, calls map[string]func(ctx, derived context.Context) error) {
	for name, call := range calls {
		for _, moment := range []string{"before", "meanwhile"} {
			t.Run(name+"/"+moment+kind, func(t *testing.T) {
				_ = inBubble(t, func(ctx context.Context) error {
					l, _ := aio.GetRunningLoop(ctx)
					l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
						if !errors.Is(ec.Err, cause) {
							t.Errorf("report: %v", ec)
						}
					})
					var task *aio.Task[struct{}]
					err := aio.Timeout(ctx, 2*time.Hour, func(ctx context.Context) error {
						return aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
							task = tg.Go(func(ctx context.Context) error {
								derived, end := context.WithCancelCause(ctx)
								if moment == "before" {
									end(cause)
								} else {
									l.CallLater(time.Minute, func() { end(cause) })
								}
								return call(ctx, derived)
							})
							return nil
						})
					})
					var g *aio.GroupError
					if !errors.As(err, &g) {
						t.Errorf("the group returned %v", err)
					}
					matches(t, "it", err, cause)
					matches(t, "it", err, context.Canceled)
					same(t, "it is a cancellation", aio.IsCancellation(task.Exception()), false)
					same(t, "the task is cancelled", task.Cancelled(), false)
					same(t, "requests", task.Cancelling(), 0)
					return nil
				})
			})
		}
	}
}

// TestDerivedContextInEachCall for the calls of the other packages, which await by
// calling functions of this package.
func TestDerivedContextInEachCallOfTheKit(t *testing.T) {
	cause := errors.New("enough")
	limiter := func() *aiokit.CapacityLimiter { return aiokit.NewCapacityLimiter(0) }
	rate := func(ctx context.Context) *aiokit.RateLimiter {
		r := aiokit.NewRateLimiter(1, time.Hour)
		_ = r.Allow(ctx)
		return r
	}
	receiver := func() *aiokit.Receiver[int] { _, r := aiokit.NewMemoryChannel[int](0); return r }
	pool := func(ctx context.Context) *aiokit.Pool[int] {
		p := aiokit.NewPool(aiokit.PoolOptions[int]{Open: returns(1), Max: 1})
		_ = second(p.Acquire(ctx))
		return p
	}
	retry := &aiokit.RetryOptions{Pause: time.Hour, MaxPause: time.Hour}
	fails := func(context.Context) error { return errOne }
	never := aioiter.Stream[int](aio.NewQueue[int](0).All)
	drain := func(ctx context.Context, seq iter.Seq2[any, error]) (err error) {
		for _, err = range seq {
		}
		return err
	}
	calls := map[string]func(ctx, derived context.Context) error{
		"CapacityLimiter.Acquire":    func(_, derived context.Context) error { return limiter().Acquire(derived) },
		"CapacityLimiter.AcquireFor": func(_, derived context.Context) error { return limiter().AcquireFor(derived, "x") },
		"CapacityLimiter.With":       func(_, derived context.Context) error { return limiter().With(derived, emptyBody) },
		"RateLimiter.Wait":           func(ctx, derived context.Context) error { return rate(ctx).Wait(derived) },
		"RateLimiter.WaitN":          func(ctx, derived context.Context) error { return rate(ctx).WaitN(derived, 1) },
		"RateLimiter, in line": func(ctx, derived context.Context) error {
			r := rate(ctx)
			first := spawn(ctx, r.Wait)
			letPass(ctx, 1)
			err := r.Wait(derived)
			return errors.Join(err, aio.CancelAndWait(ctx, first))
		},
		"Sender.Send": func(_, derived context.Context) error {
			s, _ := aiokit.NewMemoryChannel[int](0)
			return s.Send(derived, 1)
		},
		"Receiver.Receive": func(_, derived context.Context) error { return second(receiver().Receive(derived)) },
		"Receiver.All": func(_, derived context.Context) error {
			return drain(derived, untyped(receiver().All(derived)))
		},
		"Pool.Acquire": func(ctx, derived context.Context) error { return second(pool(ctx).Acquire(derived)) },
		"Pool.With": func(ctx, derived context.Context) error {
			return pool(ctx).With(derived, func(context.Context, int) error { return nil })
		},
		"Pool, opening": func(_, derived context.Context) error {
			return second(aiokit.NewPool(aiokit.PoolOptions[int]{Open: forever}).Acquire(derived))
		},
		"Pool.Close": func(ctx, derived context.Context) error { return pool(ctx).Close(derived) },
		"Every":      func(_, derived context.Context) error { return aiokit.Every(derived, time.Hour, emptyBody) },
		"Every, its function": func(_, derived context.Context) error {
			return aiokit.Every(derived, time.Hour, func(ctx context.Context) error { return second(forever(ctx)) })
		},
		"Retry, its pause": func(_, derived context.Context) error { return aiokit.Retry(derived, retry, fails) },
		"Retry, its function": func(_, derived context.Context) error {
			return aiokit.Retry(derived, retry, func(ctx context.Context) error { return second(forever(ctx)) })
		},
		"RetryResult": func(_, derived context.Context) error {
			return second(aiokit.RetryResult(derived, retry, forever))
		},
		"Backoff.Wait": func(ctx, derived context.Context) error {
			b, err := aiokit.NewBackoff(ctx, retry)
			if err != nil {
				return err
			}
			return b.Wait(derived, errOne)
		},
		"WithExitStack": func(_, derived context.Context) error {
			return aiokit.WithExitStack(derived, func(ctx context.Context, _ *aiokit.ExitStack) error { return second(forever(ctx)) })
		},
		"ExitStack.Enter": func(_, derived context.Context) error {
			return aiokit.WithExitStack(derived, func(ctx context.Context, s *aiokit.ExitStack) error {
				_, err := s.Enter(ctx, limiter().With)
				return err
			})
		},
		"MoveOnAfter": func(_, derived context.Context) error {
			return second(aio.MoveOnAfter(derived, time.Hour, func(ctx context.Context) error { return second(forever(ctx)) }))
		},
		"FailAfter": func(_, derived context.Context) error {
			return aio.FailAfter(derived, time.Hour, func(ctx context.Context) error { return second(forever(ctx)) })
		},
	}
	for name, s := range map[string]iter2{
		"Buffer":       stream(aioiter.Buffer(never, 2)),
		"Chunk":        stream(aioiter.Chunk(never, 2)),
		"Chain":        stream(aioiter.Chain(aioiter.Of(1), never)),
		"Debounce":     stream(aioiter.Debounce(never, time.Second)),
		"Timeout":      stream(aioiter.Timeout(never, time.Hour)),
		"Merge":        stream(aioiter.Merge(never, aioiter.Of(1))),
		"Zip":          stream(aioiter.Zip(aioiter.Of(1), never)),
		"ZipAll":       stream(aioiter.ZipAll(aioiter.Of(1), never)),
		"Map":          stream(aioiter.Map(aioiter.Of(1), 2, func(ctx context.Context, _ int) (int, error) { return forever(ctx) })),
		"MapUnordered": stream(aioiter.MapUnordered(aioiter.Of(1), 2, func(ctx context.Context, _ int) (int, error) { return forever(ctx) })),
		"Retry":        stream(aioiter.Retry(never, retry)),
		"Retry, its pause": stream(aioiter.Retry(func(context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) { yield(0, errOne) }
		}, retry)),
	} {
		calls["aioiter."+name] = func(_, derived context.Context) error { return drain(derived, s(derived)) }
	}
	calls["aioiter.Collect"] = func(_, derived context.Context) error { return second(aioiter.Collect(derived, never)) }
	endEachCall(t, cause, calls)
}

type iter2 func(ctx context.Context) iter.Seq2[any, error]

// stream converts a stream to an iter2.
func stream[T any](s aioiter.Stream[T]) iter2 {
	return func(ctx context.Context) iter.Seq2[any, error] { return untyped(s(ctx)) }
}

func untyped[T any](seq iter.Seq2[T, error]) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) { seq(func(v T, err error) bool { return yield(v, err) }) }
}

func emptyBody(context.Context) error { return nil }

// The same failure of a task, as Gather, Shield and other functions report it.
func TestDerivedContextIsAFailureElsewhere(t *testing.T) {
	err := inBubble(t, func(ctx context.Context) error {
		task := func() *aio.Task[struct{}] { return aio.CreateTask(ctx, aio.NoResult(outOfTime)) }
		_, err := aio.Gather(ctx, aio.Awaitable[struct{}](task())).Await(ctx)
		matches(t, "Gather", err, context.DeadlineExceeded)
		r, err := aio.GatherResults(ctx, aio.Awaitable[struct{}](task())).Await(ctx)
		same(t, "GatherResults", err, nil)
		matches(t, "its result", r[0].Err, context.DeadlineExceeded)
		shield := aio.Shield(ctx, aio.Awaitable[struct{}](task()))
		_, err = shield.Await(ctx)
		matches(t, "Shield", err, context.DeadlineExceeded)
		same(t, "the shield is cancelled", shield.Cancelled(), false)
		_, err = aio.WaitFor(ctx, aio.NoResult(outOfTime), time.Hour)
		matches(t, "WaitFor", err, context.DeadlineExceeded)
		same(t, "WaitFor has timed out", err == aio.ErrTimeout, false)
		err = aio.Timeout(ctx, time.Hour, outOfTime)
		same(t, "Timeout has expired", err == aio.ErrTimeout, false)
		same(t, "Timeout's error is that of its body", err.Error(), "outOfTime: aio: context deadline exceeded")
		var scope aio.CancelScope
		matches(t, "CancelScope", scope.Run(ctx, outOfTime), context.DeadlineExceeded)
		same(t, "it has caught a cancellation", scope.Caught(), false)
		_, err = aio.StaggeredRace(ctx, time.Hour, aio.NoResult(outOfTime))
		same(t, "StaggeredRace", err, nil)
		l, _ := aio.GetRunningLoop(ctx)
		cf := aio.RunCoroutineThreadsafe(l, aio.NoResult(outOfTime))
		_, err = aio.WrapFuture(ctx, cf).Await(ctx)
		matches(t, "RunCoroutineThreadsafe", err, context.DeadlineExceeded)
		same(t, "its future is cancelled", cf.Cancelled(), false)
		// the end of the context and that of a Timeout around it, in one pass
		err = aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error { tg.Go(outOfTime); return nil })
		})
		if err != aio.ErrTimeout && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Timeout and a context that end together: %v", err)
		}
		same(t, "requests", aio.CurrentTask(ctx).Cancelling(), 0)
		return aio.Sleep(ctx, time.Second)
	})
	same(t, "Run", err, nil)
}
