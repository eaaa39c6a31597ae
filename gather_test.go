package aio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

var errOne, errTwo = errors.New("one"), errors.New("two")

// state formats the state of a future as one word: pending, cancelled, its value or its
// error.
func state[T any](f aio.FutureLike[T]) string {
	v, err := f.Result()
	switch {
	case !f.Done():
		return "pending"
	case f.Cancelled():
		return "cancelled"
	case err != nil:
		return "failed:" + strings.ReplaceAll(err.Error(), " ", "")
	}
	return strings.ReplaceAll(fmt.Sprint(v), " ", ",")
}

// threeFutures returns three pending futures.
func threeFutures(ctx context.Context) (a, b, c *aio.Future[int]) {
	return aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx)
}

// note logs each word as an event.
func note(log *eventLog, format string, args ...any) {
	for _, word := range strings.Fields(fmt.Sprintf(format, args...)) {
		log.add("%s", word)
	}
}

// after returns a coroutine that returns v after d.
func after[T any](d time.Duration, v T) aio.Coro[T] {
	return func(ctx context.Context) (T, error) { return v, aio.Sleep(ctx, d) }
}

// onCancel returns a coroutine that waits for its cancellation and then returns the
// results of answer.
func onCancel(answer func(ctx context.Context, err error) (int, error)) aio.Coro[int] {
	return func(ctx context.Context) (int, error) {
		_, err := forever(ctx)
		return answer(ctx, err)
	}
}

// cleansUp returns a coroutine that waits for its cancellation and returns d later.
func cleansUp(d time.Duration) aio.Coro[int] {
	return onCancel(func(ctx context.Context, err error) (int, error) {
		if err := aio.Sleep(ctx, d); err != nil {
			return 0, err
		}
		return 0, err
	})
}

// clock returns a function that returns the loop time since the call.
func clock(ctx context.Context) func() time.Duration {
	l, _ := aio.GetRunningLoop(ctx)
	start := l.Time()
	return func() time.Duration { return l.Time().Sub(start) }
}

// TASK-085, TASK-086
func TestGatherResultsComeInArgumentOrder(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		a, b, c := threeFutures(ctx)
		g := aio.Gather(ctx, a, b, c)
		g.AddDoneCallback(func(f *aio.Future[[]int]) { note(&log, "callback:%v", f == g) })
		for i, f := range []*aio.Future[int]{c, a, b} {
			_ = f.SetResult(i)
			letPass(ctx, 1)
			note(&log, "%s", state(g))
		}
		letPass(ctx, 2)
		return nil
	})
	log.want(t, "pending pending [1,2,0] callback:true")
}

// TASK-087, TASK-088, TASK-103, TASK-241: aiotest.Run fails if the errors of the others
// are reported.
func TestGatherFailsAtOnceAndLeavesTheOthersAlone(t *testing.T) {
	for name, later := range map[string]func(f *aio.Future[int]){
		"value":  func(f *aio.Future[int]) { _ = f.SetResult(1) },
		"cancel": func(f *aio.Future[int]) { f.Cancel() },
		"error":  func(f *aio.Future[int]) { _ = f.SetException(errTwo) },
	} {
		t.Run(name, func(t *testing.T) {
			var log eventLog
			aiotest.Run(t, func(ctx context.Context) error {
				a, b, c := threeFutures(ctx)
				g := aio.Gather(ctx, a, b, c)
				_ = b.SetException(errOne)
				letPass(ctx, 1)
				note(&log, "%s %s %s", state(g), state(a), state(c))
				note(&log, "%v %s", g.Cancel(), state(a))
				later(a)
				letPass(ctx, 2)
				note(&log, "%s", state(g))
				if err := g.Exception(); err != errOne {
					t.Errorf("the error of the gathering is %v, want the very error of the future", err)
				}
				return nil
			})
			log.want(t, "failed:one pending pending false pending failed:one")
		})
	}
}

// TASK-241
func TestGatherEarlierOfTwoFailuresWins(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		a, b, _ := threeFutures(ctx)
		g := aio.Gather(ctx, a, b)
		_ = b.SetException(errTwo)
		_ = a.SetException(errOne)
		if _, err := g.Await(ctx); err != errTwo {
			t.Errorf("Gather: %v, want the error that came first", err)
		}
		return nil
	})
}

// TASK-089, TASK-091
func TestGatherResultsHoldsErrorsAndCancellations(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		a, b, c := threeFutures(ctx)
		g := aio.GatherResults(ctx, a, b, c)
		_ = a.SetException(errOne)
		b.Cancel()
		letPass(ctx, 2)
		note(&log, "%s", state(g))
		_ = c.SetResult(3)
		rs, err := g.Await(ctx)
		if err != nil || len(rs) != 3 || rs[0].Err != errOne || !errors.Is(rs[1].Err, aio.ErrCancelled) || rs[2] != (aio.Result[int]{Value: 3}) {
			t.Errorf("GatherResults: %v, %v", rs, err)
		}
		return nil
	})
	log.want(t, "pending")
}

// TASK-090
func TestGatherCountsACancelledChildAsFailed(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		a, b, _ := threeFutures(ctx)
		g := aio.Gather(ctx, a, b)
		a.Cancel()
		letPass(ctx, 1)
		if !g.Done() || g.Cancelled() || !errors.Is(g.Exception(), aio.ErrCancelled) {
			t.Errorf("the gathering is %v, want it failed with a CancelledError", g)
		}
		return nil
	})
}

// TASK-092
func TestGatherCancelCancelsWhatIsNotDone(t *testing.T) {
	for _, collect := range []bool{false, true} {
		t.Run(fmt.Sprintf("collect=%v", collect), func(t *testing.T) {
			var log eventLog
			aiotest.Run(t, func(ctx context.Context) error {
				a, b, c := threeFutures(ctx)
				var g aio.AnyFuture
				if collect {
					g = aio.GatherResults(ctx, a, b, c)
				} else {
					g = aio.Gather(ctx, a, b, c)
				}
				_ = b.SetResult(2)
				note(&log, "%v %s %s %s %v", g.Cancel(), state(a), state(b), state(c), g.Done())
				letPass(ctx, 1)
				note(&log, "%v %v %v", g.Done(), g.Cancelled(), errors.Is(g.Exception(), aio.ErrCancelled))
				return nil
			})
			log.want(t, "true cancelled 2 cancelled false true false true")
		})
	}
}

// TASK-093
func TestGatherCancelledByTheTaskThatAwaitsIt(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		a, b, _ := threeFutures(ctx)
		childA, childB := aio.CreateTask(ctx, a.Await), aio.CreateTask(ctx, b.Await)
		g := aio.Gather(ctx, childA, childB)
		outer := aio.CreateTask(ctx, g.Await)
		letPass(ctx, 2)
		note(&log, "%v %s %s", outer.Cancel(), state(a), state(b))
		_, _ = outer.Await(ctx)
		note(&log, "%s %s %s %v", state(outer), state(childA), state(childB), g.Cancel())
		return nil
	})
	log.want(t, "true cancelled cancelled cancelled cancelled cancelled false")
}

// TASK-094
func TestGatherCancelComesTooLateOnceAllAreDone(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		a, b, _ := threeFutures(ctx)
		g := aio.Gather(ctx, a, b)
		_, _ = a.SetResult(1), b.SetResult(2)
		note(&log, "%s %v", state(g), g.Cancel())
		letPass(ctx, 1)
		note(&log, "%s", state(g))
		return nil
	})
	log.want(t, "pending false [1,2]")
}

// TASK-095, TASK-239: as in asyncio, the message is part of the CancelledError that a
// child returns.
func TestGatherCancellationIsNotCollected(t *testing.T) {
	swallows := onCancel(func(context.Context, error) (int, error) { return 42, nil })
	for _, tt := range []struct {
		name    string
		child   aio.Coro[int]
		message any
	}{
		{"passes it on", forever, "enough"},
		{"swallows it", swallows, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				outer := aio.CreateTask(ctx, func(ctx context.Context) ([]aio.Result[int], error) {
					return aio.GatherResults(ctx, tt.child, tt.child).Await(ctx)
				})
				letPass(ctx, 2)
				outer.Cancel("enough")
				_, err := outer.Await(ctx)
				var c *aio.CancelledError
				if !errors.As(err, &c) || c.Message != tt.message {
					t.Errorf("the await returned %#v, want a CancelledError with message %v", err, tt.message)
				}
				return nil
			})
		})
	}
}

// TASK-239
func TestGatherIsCancelledThoughItsChildrenSwallowIt(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		swallows := onCancel(func(context.Context, error) (int, error) { return 42, nil })
		g := aio.Gather(ctx, swallows, swallows)
		letPass(ctx, 1)
		g.Cancel()
		if v, err := g.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
			t.Errorf("Gather: %v, %v, want a CancelledError", v, err)
		}
		return nil
	})
}

// TASK-240
func TestGatherCancelledEndsWithItsFirstChild(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		now := clock(ctx)
		slow := aio.CreateTask(ctx, cleansUp(time.Hour))
		g := aio.Gather(ctx, slow, aio.CreateTask(ctx, cleansUp(time.Minute)))
		letPass(ctx, 1)
		g.Cancel()
		_, err := g.Await(ctx)
		if !errors.Is(err, aio.ErrCancelled) || now() != time.Minute || slow.Done() {
			t.Errorf("Gather: %v after %v, slow child %v", err, now(), slow)
		}
		_, _ = slow.Await(ctx)
		return nil
	})
}

// TASK-096: a cancellation reaches the task, at whatever step it is requested.
func TestGatherLoopLosesNoCancellation(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		for passes := range 20 {
			tk := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				for range 100 {
					if _, err := aio.Gather(ctx, returns(1), returns(2)).Await(ctx); err != nil {
						return 0, err
					}
				}
				return 0, errors.New("the cancellation was lost")
			})
			letPass(ctx, passes)
			tk.Cancel()
			if _, err := tk.Await(ctx); !tk.Cancelled() {
				t.Errorf("cancelled after %d passes: %v", passes, err)
			}
		}
		return nil
	})
}

// TASK-097: if a future is passed twice, its result appears in both places; a Coro is a
// function, and runs once for each place.
func TestGatherOfTheSameThingTwice(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		runs := 0
		count := aio.Coro[int](func(context.Context) (int, error) { runs++; return runs, nil })
		f, tk := aio.CreateFuture[int](ctx), aio.CreateTask(ctx, count)
		g := aio.Gather[int](ctx, f, tk, f, tk)
		_ = f.SetResult(7)
		if v, err := g.Await(ctx); err != nil || !slices.Equal(v, []int{7, 1, 7, 1}) {
			t.Errorf("a future passed twice: %v, %v", v, err)
		}
		if v, err := aio.Gather(ctx, count, count).Await(ctx); err != nil || !slices.Equal(v, []int{2, 3}) {
			t.Errorf("a coroutine passed twice: %v, %v", v, err)
		}
		return nil
	})
}

// TASK-098
func TestGatherOfNothingIsDone(t *testing.T) {
	l, _ := newLoop(t)
	check := func(ctx context.Context) {
		g := aio.Gather[int](ctx)
		if v, err := g.Result(); err != nil || v == nil || len(v) != 0 || g.GetLoop() != l {
			t.Errorf("Gather of nothing: %v, %v", v, err)
		}
		r := aio.GatherResults[int](ctx)
		if v, err := r.Result(); err != nil || v == nil || len(v) != 0 {
			t.Errorf("GatherResults of nothing: %v, %v", v, err)
		}
	}
	check(l.Context())
	if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error { check(ctx); return nil })); err != nil {
		t.Error(err)
	}
}

// TASK-099, TASK-116, TASK-158: functions that start a coroutine need the loop of its
// context, and the token.
func TestCombinatorsNeedALoopAndItsToken(t *testing.T) {
	never := aio.Coro[int](func(context.Context) (int, error) { t.Error("a coroutine ran"); return 0, nil })
	var f *aio.Future[int]
	calls := map[string]func(ctx context.Context){
		"Gather":        func(ctx context.Context) { aio.Gather(ctx, never) },
		"Gather()":      func(ctx context.Context) { aio.Gather[int](ctx) },
		"GatherResults": func(ctx context.Context) { aio.GatherResults(ctx, never) },
		"Shield":        func(ctx context.Context) { aio.Shield(ctx, never) },
		"EnsureFuture":  func(ctx context.Context) { aio.EnsureFuture(ctx, never) },
		"AsCompleted": func(ctx context.Context) {
			aio.AsCompleted(ctx, []*aio.Future[int]{f}, aio.NoTimeout)
		},
		"Wait": func(ctx context.Context) {
			if _, _, err := aio.Wait(ctx, []*aio.Future[int]{f}, aio.NoTimeout, aio.AllCompleted); err != nil {
				panic(err)
			}
		},
		"WaitFor": func(ctx context.Context) {
			if _, err := aio.WaitFor(ctx, never, time.Second); err != nil {
				panic(err)
			}
		},
		"WaitFor(0)": func(ctx context.Context) {
			if _, err := aio.WaitFor(ctx, never, 0); err != nil {
				panic(err)
			}
		},
	}
	aiotest.Run(t, func(ctx context.Context) error {
		f = aio.CreateFuture[int](ctx)
		for name, call := range calls {
			if err := panics(func() { call(context.Background()) }); !errors.Is(err, aio.ErrNoRunningLoop) {
				t.Errorf("%s without a loop: %v", name, err)
			}
			other := make(chan error)
			go func() { other <- panics(func() { call(ctx) }) }()
			if err := <-other; !errors.Is(err, aio.ErrWrongGoroutine) {
				t.Errorf("%s in another goroutine: %v", name, err)
			}
		}
		return nil
	})
}

// TASK-100, TASK-116
func TestCombinatorsBeforeTheLoopRuns(t *testing.T) {
	l, _ := newLoop(t)
	s := aio.Shield(l.Context(), returns(3))
	g := aio.Gather(l.Context(), returns(1), returns(2))
	if g.GetLoop() != l || s.GetLoop() != l {
		t.Error("the futures belong to another loop than that of the context")
	}
	if v, err := aio.RunUntilComplete(l, g); err != nil || !slices.Equal(v, []int{1, 2}) {
		t.Errorf("Gather: %v, %v", v, err)
	}
	if v, err := aio.RunUntilComplete(l, s); err != nil || v != 3 {
		t.Errorf("Shield: %v, %v", v, err)
	}
}

// TASK-101
func TestGatherOfAnotherLoopsFutures(t *testing.T) {
	one, _ := newLoop(t)
	two, _ := newLoop(t)
	mine, a, b := aio.CreateFuture[int](one.Context()), aio.CreateFuture[int](two.Context()), aio.CreateFuture[int](two.Context())
	g, again := aio.Gather(one.Context(), a, b), aio.Gather(one.Context(), a, b)
	if g.GetLoop() != two || again.GetLoop() != two {
		t.Error("the gathering is not of its futures' loop")
	}
	if err := panics(func() { aio.Gather(one.Context(), a, mine) }); !errors.Is(err, aio.ErrOtherLoop) {
		t.Errorf("futures of two loops: %v", err)
	}
	if _, err := aio.RunUntilComplete(one, aio.Coro[[]int](g.Await)); !errors.Is(err, aio.ErrOtherLoop) {
		t.Errorf("awaited in the other loop: %v", err)
	}
	_, _ = a.SetResult(1), b.SetResult(2)
	for _, g := range []*aio.Future[[]int]{g, again} {
		if v, err := aio.RunUntilComplete(two, g); err != nil || !slices.Equal(v, []int{1, 2}) {
			t.Errorf("in its own loop: %v, %v", v, err)
		}
	}
}

// TASK-102, TASK-243
func TestGatherOfNilStartsWhatComesBeforeIt(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		ran := false
		err := panics(func() {
			aio.Gather(ctx, aio.NoResult(func(context.Context) error { ran = true; return nil }), nil)
		})
		if !errors.Is(err, aio.ErrUsage) {
			t.Errorf("Gather of nil: %v", err)
		}
		if letPass(ctx, 1); !ran {
			t.Error("the coroutine before it did not run")
		}
		return nil
	})
}

// TASK-104
func TestGatherRecursiveMakesOneTaskForEachCoroutine(t *testing.T) {
	l, _ := newLoop(t)
	tasks := 0
	l.SetTaskFactory(func(*aio.TaskSpec) error { tasks++; return nil })
	var tree func(depth int) aio.Coro[int]
	tree = func(depth int) aio.Coro[int] {
		return func(ctx context.Context) (int, error) {
			if depth == 0 {
				return 1, nil
			}
			sum := 1
			vs, err := aio.Gather[int](ctx, slices.Repeat([]aio.Awaitable[int]{tree(depth - 1)}, 5)...).Await(ctx)
			for _, v := range vs {
				sum += v
			}
			return sum, err
		}
	}
	v, err := aio.RunUntilComplete(l, tree(4))
	if err != nil || v != 781 || tasks != 781 {
		t.Errorf("%d coroutines ran in %d tasks, %v, want 781", v, tasks, err)
	}
}

// TASK-242, TASK-112
func TestCombinatorsOfFinishedFuturesAreDone(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		f := aio.CreateFuture[int](ctx)
		_ = f.SetResult(1)
		eager := aio.CreateTask(ctx, returns(2), aio.WithEagerStart(true))
		bad := aio.CreateFuture[int](ctx)
		_ = bad.SetException(errOne)
		dead := aio.CreateFuture[int](ctx)
		dead.Cancel()

		var log eventLog
		note(&log, "%s", state(aio.Gather[int](ctx, f, eager)))
		note(&log, "%s", state(aio.Gather[int](ctx, f, bad)))
		note(&log, "%s", state(aio.Gather[int](ctx, dead, bad)))
		note(&log, "%s", state(aio.GatherResults[int](ctx, f, eager)))
		log.want(t, "[1,2] failed:one failed:aio:cancelled [{1,<nil>},{2,<nil>}]")

		if aio.Shield(ctx, f) != f || aio.Shield(ctx, eager) != &eager.Future || aio.Shield(ctx, bad) != bad || aio.Shield(ctx, dead) != dead {
			t.Error("Shield of a finished future is another one")
		}
		return nil
	})

	l, _ := newLoop(t)
	l.SetTaskFactory(aio.EagerTaskFactory)
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		var log eventLog
		note(&log, "%s %s", state(aio.Gather(ctx, returns(1), returns(2))), state(aio.Shield(ctx, returns(3))))
		log.want(t, "[1,2] 3")
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
}

// TASK-256: the number of passes of the loop between a SetResult and the step of the
// awaiting task.
func TestCombinatorsTakeAsManyPassesAsAsyncio(t *testing.T) {
	type await = func(ctx context.Context, f *aio.Future[int]) error
	for name, tt := range map[string]struct {
		await  await
		passes int
	}{
		"future": {func(ctx context.Context, f *aio.Future[int]) error { _, err := f.Await(ctx); return err }, 1},
		"wait_for": {func(ctx context.Context, f *aio.Future[int]) error {
			_, err := aio.WaitFor(ctx, f, time.Hour)
			return err
		}, 1},
		"task": {func(ctx context.Context, f *aio.Future[int]) error {
			_, err := aio.CreateTask(ctx, f.Await).Await(ctx)
			return err
		}, 2},
		"gather": {func(ctx context.Context, f *aio.Future[int]) error {
			_, err := aio.Gather(ctx, f).Await(ctx)
			return err
		}, 2},
		"shield": {func(ctx context.Context, f *aio.Future[int]) error {
			_, err := aio.Shield(ctx, f).Await(ctx)
			return err
		}, 2},
		"wait": {func(ctx context.Context, f *aio.Future[int]) error {
			_, _, err := aio.Wait(ctx, []*aio.Future[int]{f}, aio.NoTimeout, aio.AllCompleted)
			return err
		}, 2},
		"as_completed": {func(ctx context.Context, f *aio.Future[int]) error {
			for _, err := range aio.AsCompleted(ctx, []*aio.Future[int]{f}, aio.NoTimeout).All(ctx) {
				return err
			}
			return nil
		}, 2},
		"gather of coroutines": {func(ctx context.Context, f *aio.Future[int]) error {
			_, err := aio.Gather(ctx, aio.Coro[int](f.Await)).Await(ctx)
			return err
		}, 3},
		"task group": {func(ctx context.Context, f *aio.Future[int]) error {
			return aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
				aio.GoResult(tg, f.Await)
				return nil
			})
		}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				l, _ := aio.GetRunningLoop(ctx)
				pass, over := 0, false
				var tick func() // runs first in each pass
				tick = func() {
					if pass++; !over {
						l.CallSoon(tick)
					}
				}
				l.CallSoon(tick)
				letPass(ctx, 1)

				f := aio.CreateFuture[int](ctx)
				resumed := 0
				awaiter := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					defer func() { resumed = pass }()
					return tt.await(ctx, f)
				}))
				letPass(ctx, 5)
				set := pass
				_ = f.SetResult(1)
				_, err := awaiter.Await(ctx)
				over = true
				letPass(ctx, 1)
				if resumed-set != tt.passes {
					t.Errorf("%d passes, want %d", resumed-set, tt.passes)
				}
				return err
			})
		})
	}
}
