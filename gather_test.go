package aio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

var errOne, errTwo = errors.New("one"), errors.New("two")

// state is a future's state in one word: pending, cancelled, its value or its error.
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

// threeFutures returns futures that are not done.
func threeFutures(ctx context.Context) (a, b, c *aio.Future[int]) {
	return aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx)
}

// note writes each word down as an event.
func note(log *eventLog, format string, args ...any) {
	for _, word := range strings.Fields(fmt.Sprintf(format, args...)) {
		log.add("%s", word)
	}
}

// after is a coroutine that returns v after d.
func after[T any](d time.Duration, v T) aio.Coro[T] {
	return func(ctx context.Context) (T, error) { return v, aio.Sleep(ctx, d) }
}

// onCancel is a coroutine that ends only when it is cancelled, and then as answer says.
func onCancel(answer func(ctx context.Context, err error) (int, error)) aio.Coro[int] {
	return func(ctx context.Context) (int, error) {
		_, err := forever(ctx)
		return answer(ctx, err)
	}
}

// cleansUp is a coroutine that ends only when it is cancelled, d later.
func cleansUp(d time.Duration) aio.Coro[int] {
	return onCancel(func(ctx context.Context, err error) (int, error) {
		if err := aio.Sleep(ctx, d); err != nil {
			return 0, err
		}
		return 0, err
	})
}

// spin lets n passes of the loop go by.
func spin(ctx context.Context, n int) {
	for range n {
		_ = aio.Sleep(ctx, 0)
	}
}

// clock returns a function that tells how much time of the loop has gone by.
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
			spin(ctx, 1)
			note(&log, "%s", state(g))
		}
		spin(ctx, 2)
		return nil
	})
	log.want(t, "pending pending [1,2,0] callback:true")
}

// TASK-087, TASK-088, TASK-103, TASK-241: aiotest.Run fails if the errors of the others are reported.
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
				spin(ctx, 1)
				note(&log, "%s %s %s", state(g), state(a), state(c))
				note(&log, "%v %s", g.Cancel(), state(a))
				later(a)
				spin(ctx, 2)
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
		spin(ctx, 2)
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
		spin(ctx, 1)
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
				spin(ctx, 1)
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
		spin(ctx, 2)
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
		spin(ctx, 1)
		note(&log, "%s", state(g))
		return nil
	})
	log.want(t, "pending false [1,2]")
}

// TASK-095, TASK-239: the message goes with the CancelledError that a child passes on, as in asyncio.
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
				spin(ctx, 2)
				outer.Cancel("enough")
				_, err := outer.Await(ctx)
				var c *aio.CancelledError
				if !errors.As(err, &c) || c.Message != tt.message {
					t.Errorf("the await ended with %#v, want a CancelledError with message %v", err, tt.message)
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
		spin(ctx, 1)
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
		spin(ctx, 1)
		g.Cancel()
		_, err := g.Await(ctx)
		if !errors.Is(err, aio.ErrCancelled) || now() != time.Minute || slow.Done() {
			t.Errorf("Gather: %v after %v, slow child %v", err, now(), slow)
		}
		_, _ = slow.Await(ctx)
		return nil
	})
}

// TASK-096: a cancellation of the task reaches it, whichever step it comes between.
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
			spin(ctx, passes)
			tk.Cancel()
			if _, err := tk.Await(ctx); !tk.Cancelled() {
				t.Errorf("cancelled after %d passes: %v", passes, err)
			}
		}
		return nil
	})
}

// TASK-097: a future fills each of its places; a Coro is a function, and runs for each of them.
func TestGatherOfTheSameThingTwice(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		runs := 0
		count := aio.Coro[int](func(context.Context) (int, error) { runs++; return runs, nil })
		f, tk := aio.CreateFuture[int](ctx), aio.CreateTask(ctx, count)
		g := aio.Gather[int](ctx, f, tk, f, tk)
		_ = f.SetResult(7)
		if v, err := g.Await(ctx); err != nil || !slices.Equal(v, []int{7, 1, 7, 1}) {
			t.Errorf("futures given twice: %v, %v", v, err)
		}
		if v, err := aio.Gather(ctx, count, count).Await(ctx); err != nil || !slices.Equal(v, []int{2, 3}) {
			t.Errorf("a coroutine given twice: %v, %v", v, err)
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
	if _, err := aio.RunUntilComplete(l, coro(func(ctx context.Context) error { check(ctx); return nil })); err != nil {
		t.Error(err)
	}
}

// TASK-099, TASK-116, TASK-158: what starts a coroutine needs the loop of its context, and the token.
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
		t.Error("the futures are not of the loop whose context was given")
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
			aio.Gather(ctx, coro(func(context.Context) error { ran = true; return nil }), nil)
		})
		if !errors.Is(err, aio.ErrUsage) {
			t.Errorf("Gather of nil: %v", err)
		}
		if spin(ctx, 1); !ran {
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
	_, err := aio.RunUntilComplete(l, coro(func(ctx context.Context) error {
		var log eventLog
		note(&log, "%s %s", state(aio.Gather(ctx, returns(1), returns(2))), state(aio.Shield(ctx, returns(3))))
		log.want(t, "[1,2] 3")
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
}

// TASK-105, TASK-106
func TestShieldHasTheOutcomeOfWhatItShields(t *testing.T) {
	for want, settle := range map[string]func(f *aio.Future[int]){
		"7":          func(f *aio.Future[int]) { _ = f.SetResult(7) },
		"failed:one": func(f *aio.Future[int]) { _ = f.SetException(errOne) },
		"cancelled":  func(f *aio.Future[int]) { f.Cancel() },
	} {
		aiotest.Run(t, func(ctx context.Context) error {
			inner := aio.CreateFuture[int](ctx)
			outer := aio.Shield(ctx, inner)
			settle(inner)
			_, err := outer.Await(ctx)
			if state(outer) != want {
				t.Errorf("the shield is %s, want %s", state(outer), want)
			}
			if innerErr := inner.Exception(); want == "failed:one" && err != innerErr {
				t.Errorf("the shield failed with %v, want the very error of the future", err)
			}
			return nil
		})
	}
}

// TASK-107, TASK-109: nothing is reported, or aiotest.Run would fail.
func TestShieldCancelledLeavesTheFutureAlone(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		inner := aio.CreateFuture[int](ctx)
		outer := aio.Shield(ctx, inner)
		note(&log, "%v %s %s", outer.Cancel(), state(outer), state(inner))
		spin(ctx, 1)
		_ = inner.SetResult(7)
		spin(ctx, 2)
		note(&log, "%s %s", state(outer), state(inner))
		return nil
	})
	log.want(t, "true cancelled pending cancelled 7")
}

// TASK-108
func TestShieldCancelledIsLetGoByTheFuture(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		inner := aio.CreateFuture[int](ctx)
		shielded := func() weak.Pointer[aio.Future[int]] {
			outer := aio.Shield(ctx, inner)
			outer.Cancel()
			return weak.Make(outer)
		}
		var shields []weak.Pointer[aio.Future[int]]
		for range 2 {
			shields = append(shields, shielded())
		}
		spin(ctx, 2)
		runtime.GC()
		for _, p := range shields {
			if p.Value() != nil {
				t.Error("the future still holds a shield that was cancelled")
			}
		}
		_ = inner.SetResult(1)
		return nil
	})
}

// TASK-108: a future that is shielded over and over, for a short time each, does not grow.
func TestShieldCancelledOftenLeavesNothingBehind(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		inner := aio.CreateFuture[int](ctx)
		heap := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		shield := func(n int) {
			for range n {
				aio.Shield(ctx, inner).Cancel()
				spin(ctx, 1)
			}
		}
		shield(10)
		before := heap()
		shield(1 << 15)
		eventually(t, ctx, "the future holds nothing of 32768 shields that were cancelled", func() bool {
			return heap()-before <= 1<<18
		})
		_ = inner.SetResult(1)
		return nil
	})
}

// TASK-110, TASK-111: what fails behind a shield that was given up is reported once, unless
// somebody has retrieved it.
func TestShieldCancelledReportsTheErrorOnce(t *testing.T) {
	for _, retrieved := range []bool{false, true} {
		t.Run(fmt.Sprintf("retrieved=%v", retrieved), func(t *testing.T) {
			l, reports := newLoop(t)
			_, err := aio.RunUntilComplete(l, coro(func(ctx context.Context) error {
				inner := aio.CreateFuture[int](ctx)
				for range 2 {
					aio.Shield(ctx, inner).Cancel()
				}
				spin(ctx, 1)
				_ = inner.SetException(errOne)
				if retrieved && inner.Exception() != errOne {
					t.Error("the error is not there")
				}
				spin(ctx, 3)
				if err := inner.Exception(); err != errOne {
					t.Errorf("after the report the error is %v", err)
				}
				return nil
			}))
			if err == nil {
				err = l.Close()
			}
			if err != nil {
				t.Error(err)
			}
			want := 1
			if retrieved {
				want = 0
			}
			if len(*reports) != want || want == 1 && (*reports)[0].Err != errOne {
				t.Errorf("reports: %v, want %d", *reports, want)
			}
		})
	}
}

// TASK-113
func TestShieldCoroutineCompletesWithoutItsTask(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		gate := new(aio.Event)
		outer := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			return aio.Shield(ctx, aio.Coro[int](func(ctx context.Context) (int, error) {
				err := gate.Wait(ctx)
				note(&log, "inner:%v", err)
				return 0, err
			})).Await(ctx)
		})
		spin(ctx, 2)
		outer.Cancel()
		_, _ = outer.Await(ctx)
		note(&log, "%s", state(outer))
		gate.Set()
		spin(ctx, 1)
		return nil
	})
	log.want(t, "cancelled inner:<nil>")
}

// TASK-114, TASK-115
func TestShieldAndGather(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		a, b, _ := threeFutures(ctx)
		g := aio.Gather(ctx, a, b)
		outer := aio.Shield(ctx, g)
		shieldA, shieldB := aio.Shield(ctx, a), aio.Shield(ctx, b)
		ofShields := aio.Gather(ctx, shieldA, shieldB)
		outer.Cancel()
		ofShields.Cancel()
		spin(ctx, 2)
		note(&log, "%s %s", state(outer), state(g))
		note(&log, "%s %s %s %s", state(shieldA), state(shieldB), state(a), state(b))
		note(&log, "%v %v", ofShields.Cancelled(), errors.Is(ofShields.Exception(), aio.ErrCancelled))
		_, _ = a.SetResult(1), b.SetResult(2)
		spin(ctx, 1)
		note(&log, "%s", state(g))
		return nil
	})
	log.want(t, "cancelled pending cancelled cancelled pending pending false true [1,2]")
}

// futureNames lists fs by the names in names.
func futureNames(names map[*aio.Future[int]]string, fs []*aio.Future[int]) string {
	s := ""
	for _, f := range fs {
		s += names[f]
	}
	return s
}

// TASK-117, TASK-118, TASK-119, TASK-120, TASK-121, TASK-122, TASK-123, TASK-125, TASK-244
func TestWaitReturnsWhatIsDoneAndWhatIsNot(t *testing.T) {
	type set = func(a, b, c *aio.Future[int])
	for _, tt := range []struct {
		name          string
		before, later set // now, and once Wait is suspended
		timeout       time.Duration
		when          aio.ReturnWhen
		done, notDone string
		took          time.Duration
	}{
		{"all", nil, func(a, b, c *aio.Future[int]) { _, _, _ = a.SetResult(1), b.SetException(errOne), c.Cancel() },
			aio.NoTimeout, aio.AllCompleted, "abc", "", 0},
		{"all done already", func(a, b, c *aio.Future[int]) { _, _, _ = a.SetResult(1), b.SetException(errOne), c.Cancel() }, nil,
			time.Hour, aio.AllCompleted, "abc", "", 0},
		{"first completed", nil, func(_, b, _ *aio.Future[int]) { _ = b.SetResult(1) },
			aio.NoTimeout, aio.FirstCompleted, "b", "ac", 0},
		{"first completed, and a second before the task goes on", nil, func(a, _, c *aio.Future[int]) {
			a.AddDoneCallback(func(*aio.Future[int]) { _ = c.SetResult(3) })
			_ = a.SetResult(1)
		}, aio.NoTimeout, aio.FirstCompleted, "ac", "b", 0},
		{"first completed counts a cancelled one", nil, func(_, _, c *aio.Future[int]) { c.Cancel() },
			aio.NoTimeout, aio.FirstCompleted, "c", "ab", 0},
		{"first completed is done already", func(_, b, _ *aio.Future[int]) { _ = b.SetResult(1) }, nil,
			time.Hour, aio.FirstCompleted, "b", "ac", 0},
		{"first exception", nil, func(a, b, _ *aio.Future[int]) { _, _ = a.SetResult(1), b.SetException(errOne) },
			aio.NoTimeout, aio.FirstException, "ab", "c", 0},
		{"first exception is there already", func(_, b, _ *aio.Future[int]) { _ = b.SetException(errOne) }, nil,
			time.Hour, aio.FirstException, "b", "ac", 0},
		{"first exception does not count a cancelled one", nil, func(a, b, _ *aio.Future[int]) { _, _ = a.SetResult(1), b.Cancel() },
			time.Hour, aio.FirstException, "ab", "c", time.Hour},
		{"first exception of none", nil, func(a, b, c *aio.Future[int]) { _, _, _ = a.SetResult(1), b.Cancel(), c.SetResult(1) },
			time.Hour, aio.FirstException, "abc", "", 0},
		{"timeout", nil, func(a, _, _ *aio.Future[int]) { _ = a.SetResult(1) },
			time.Minute, aio.AllCompleted, "a", "bc", time.Minute},
		{"timeout zero", func(a, _, _ *aio.Future[int]) { _ = a.SetResult(1) }, nil,
			0, aio.AllCompleted, "a", "bc", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				now := clock(ctx)
				a, b, c := threeFutures(ctx)
				names := map[*aio.Future[int]]string{a: "a", b: "b", c: "c"}
				if tt.before != nil {
					tt.before(a, b, c)
				}
				if tt.later != nil {
					l, _ := aio.GetRunningLoop(ctx)
					l.CallSoon(func() { tt.later(a, b, c) })
				}
				done, notDone, err := aio.Wait(ctx, []*aio.Future[int]{a, b, a, c}, tt.timeout, tt.when)
				if err != nil || futureNames(names, done) != tt.done || futureNames(names, notDone) != tt.notDone || now() != tt.took {
					t.Errorf("Wait: done %q, not done %q, %v after %v; want %q, %q after %v",
						futureNames(names, done), futureNames(names, notDone), err, now(), tt.done, tt.notDone, tt.took)
				}
				for _, f := range notDone {
					if f.Done() {
						t.Errorf("%v was not left alone", f)
					}
				}
				if b.Done() {
					_ = b.Exception() // the test does not want it to be reported
				}
				return nil
			})
		})
	}
}

// TASK-124
func TestWaitTimeoutAndChildAtTheSameTime(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		child := aio.CreateTask(ctx, after(time.Minute, 1))
		spin(ctx, 1)
		done, notDone, err := aio.Wait(ctx, []*aio.Task[int]{child}, time.Minute, aio.AllCompleted)
		if len(done) != 1 || len(notDone) != 0 || err != nil {
			t.Errorf("Wait: %v, %v, %v, want the child done", done, notDone, err)
		}
		return nil
	})
}

// TASK-120, TASK-123
func TestWaitLeavesTasksRunningAlsoWhenCancelled(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		quick, slow := aio.CreateTask(ctx, after(time.Second, 1)), aio.CreateTask(ctx, after(time.Minute, 2))
		_, pending, _ := aio.Wait(ctx, []aio.AnyFuture{quick, slow}, aio.NoTimeout, aio.FirstCompleted)
		note(&log, "%d %s", len(pending), state(slow))
		waiter := aio.CreateTask(ctx, coro(func(ctx context.Context) error {
			_, _, err := aio.Wait(ctx, pending, aio.NoTimeout, aio.AllCompleted)
			return err
		}))
		spin(ctx, 1)
		waiter.Cancel()
		_, _ = waiter.Await(ctx)
		note(&log, "%s %s", state(waiter), state(slow))
		v, err := slow.Await(ctx)
		note(&log, "%d %v", v, err)
		return nil
	})
	log.want(t, "1 pending cancelled pending 2 <nil>")
}

// TASK-127
func TestWaitMisusePanics(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		f := aio.CreateFuture[int](ctx)
		for name, call := range map[string]func(){
			"no futures":        func() { _, _, _ = aio.Wait(ctx, []*aio.Future[int]{}, aio.NoTimeout, aio.AllCompleted) },
			"unknown when":      func() { _, _, _ = aio.Wait(ctx, []*aio.Future[int]{f}, aio.NoTimeout, 3) },
			"unknown when, nil": func() { _, _, _ = aio.Wait(ctx, []*aio.Future[int]{nil}, aio.NoTimeout, -1) },
		} {
			if err := panics(call); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("%s: %v, want ErrUsage", name, err)
			}
		}
		return nil
	})
}

// TASK-129, TASK-139, TASK-144
func TestWaitForInTime(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		f := aio.CreateFuture[int](ctx)
		l.CallSoon(func() { _ = f.SetResult(3) })
		for name, tt := range map[string]struct {
			aw      aio.Awaitable[int]
			timeout time.Duration
		}{
			"coroutine":                         {after(time.Minute, 3), time.Hour},
			"task":                              {aio.CreateTask(ctx, after(time.Minute, 3)), time.Hour},
			"no limit":                          {after(time.Hour, 3), aio.NoTimeout},
			"future settled as the wait begins": {f, time.Second},
			"shield without limit":              {aio.Shield(ctx, after(time.Hour, 3)), aio.NoTimeout},
		} {
			if v, err := aio.WaitFor(ctx, tt.aw, tt.timeout); v != 3 || err != nil {
				t.Errorf("%s: %d, %v", name, v, err)
			}
		}
		return nil
	})
}

// TASK-130, TASK-131, TASK-133, TASK-134, TASK-135, TASK-138: what is cancelled by the limit has
// ended when WaitFor returns, and has the last word.
func TestWaitForWaitsForTheEndOfWhatItCancels(t *testing.T) {
	answers := map[string]struct {
		answer aio.Coro[int]
		value  int
		err    error
	}{
		"cleans up":    {cleansUp(time.Minute), 0, aio.ErrTimeout},
		"ends at once": {forever, 0, aio.ErrTimeout},
		"ignores cancels for a while": {onCancel(func(ctx context.Context, err error) (int, error) {
			for range 3 {
				_ = aio.Sleep(ctx, 20*time.Second)
			}
			return 0, err
		}), 0, aio.ErrTimeout},
		"swallows it": {onCancel(func(context.Context, error) (int, error) { return 42, nil }), 42, nil},
		"fails":       {onCancel(func(context.Context, error) (int, error) { return 0, errOne }), 0, errOne},
	}
	for name, tt := range answers {
		for _, limit := range []time.Duration{time.Second, 0, -1} {
			for _, isTask := range []bool{false, true} {
				if !isTask && limit <= 0 {
					continue // it does not start: TestWaitForWithoutTime
				}
				t.Run(fmt.Sprintf("%s/limit=%v/task=%v", name, limit, isTask), func(t *testing.T) {
					aiotest.Run(t, func(ctx context.Context) error {
						ended := false
						inner := aio.Coro[int](func(ctx context.Context) (int, error) {
							defer func() { ended = true }()
							return tt.answer(ctx)
						})
						var aw aio.Awaitable[int] = inner
						var tk *aio.Task[int]
						if isTask {
							tk = aio.CreateTask(ctx, inner)
							aw = tk
							spin(ctx, 1)
						}
						v, err := aio.WaitFor(ctx, aw, limit)
						if v != tt.value || err != tt.err || !ended {
							t.Errorf("WaitFor: %d, %v, ended %v; want %d, %v", v, err, ended, tt.value, tt.err)
						}
						if tk != nil && (!tk.Done() || tk.Cancelled() != (tt.err == aio.ErrTimeout)) {
							t.Errorf("the task is %v", tk)
						}
						if n := aio.CurrentTask(ctx).Cancelling(); n != 0 {
							t.Errorf("WaitFor left %d requests to cancel its task", n)
						}
						return nil
					})
				})
			}
		}
	}
}

// TASK-136, TASK-137
func TestWaitForWithoutTime(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		for _, limit := range []time.Duration{0, -time.Second} {
			f := aio.CreateFuture[int](ctx)
			_ = f.SetResult(7)
			if v, err := aio.WaitFor(ctx, f, limit); v != 7 || err != nil {
				t.Errorf("limit %v, a future that is done: %d, %v", limit, v, err)
			}
			started := false
			_, err := aio.WaitFor(ctx, coro(func(context.Context) error { started = true; return nil }), limit)
			if err != aio.ErrTimeout || started {
				t.Errorf("limit %v, a coroutine: %v, started %v", limit, err, started)
			}
		}
		return nil
	})
}

// TASK-140, TASK-141
func TestWaitForCancelledCancelsAndWaits(t *testing.T) {
	for _, limit := range []time.Duration{time.Hour, aio.NoTimeout} {
		for name, answer := range map[string]aio.Coro[int]{"ends": forever, "cleans up": cleansUp(time.Minute)} {
			t.Run(fmt.Sprintf("%s/limit=%v", name, limit), func(t *testing.T) {
				var log eventLog
				aiotest.Run(t, func(ctx context.Context) error {
					inner := aio.CreateTask(ctx, answer)
					waiter := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
						v, err := aio.WaitFor(ctx, inner, limit)
						note(&log, "%v %s", errors.Is(err, aio.ErrCancelled), state(inner))
						return v, err
					})
					spin(ctx, 2)
					waiter.Cancel()
					_, _ = waiter.Await(ctx)
					note(&log, "%s", state(waiter))
					return nil
				})
				log.want(t, "true cancelled cancelled")
			})
		}
	}
}

// TASK-142
func TestWaitForOfATaskThatHasJustEndedDoesNotSuspend(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		inner := aio.CreateTask(ctx, returns(1))
		waiter := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			v, err := aio.WaitFor(ctx, inner, time.Second)
			note(&log, "%d %v", v, err)
			err = aio.Sleep(ctx, time.Second)
			note(&log, "%v", errors.Is(err, aio.ErrCancelled))
			return v, err
		})
		l.CallSoon(func() { note(&log, "cancel"); waiter.Cancel() })
		_, _ = waiter.Await(ctx)
		note(&log, "%s %s", state(waiter), state(inner))
		return nil
	})
	log.want(t, "1 <nil> cancel true cancelled 1")
}

// TASK-143
func TestWaitForShield(t *testing.T) {
	for _, limit := range []time.Duration{time.Second, 0} {
		var log eventLog
		aiotest.Run(t, func(ctx context.Context) error {
			inner := aio.CreateTask(ctx, after(time.Minute, 5))
			shield := aio.Shield(ctx, inner)
			_, err := aio.WaitFor(ctx, shield, limit)
			note(&log, "%v %s %s", err == aio.ErrTimeout, state(shield), state(inner))
			v, err := inner.Await(ctx)
			note(&log, "%d %v", v, err)
			return nil
		})
		log.want(t, "true cancelled pending 5 <nil>")
	}
}

type contextKey struct{}

// TASK-245, TASK-251
func TestWaitForRunsACoroutineInItsTask(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		me := aio.CurrentTask(ctx)
		ctx = context.WithValue(ctx, contextKey{}, "mine")
		for _, limit := range []time.Duration{time.Hour, aio.NoTimeout} {
			_, err := aio.WaitFor(ctx, coro(func(ctx context.Context) error {
				if aio.CurrentTask(ctx) != me || len(aio.AllTasks(ctx)) != 1 || ctx.Value(contextKey{}) != "mine" {
					t.Errorf("limit %v: it runs in %v with %v", limit, aio.CurrentTask(ctx), ctx.Value(contextKey{}))
				}
				return nil
			}), limit)
			if err != nil {
				t.Error(err)
			}
		}
		return nil
	})
}

// TASK-246
func TestWaitForTellsATimeoutFromACancellation(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		f := aio.CreateFuture[int](ctx)
		l.CallSoon(func() { f.Cancel() })
		_, err := aio.WaitFor(ctx, f, time.Second)
		note(&log, "%v %d", errors.Is(err, aio.ErrCancelled), aio.CurrentTask(ctx).Cancelling())

		// A request that the task has dealt with stays counted, and does no harm.
		aio.CurrentTask(ctx).Cancel()
		_ = aio.Sleep(ctx, 0)
		_, err = aio.WaitFor(ctx, aio.Coro[int](forever), time.Second)
		note(&log, "%v %d", err == aio.ErrTimeout, aio.CurrentTask(ctx).Cancelling())
		aio.CurrentTask(ctx).Uncancel()
		return nil
	})
	log.want(t, "true 0 true 1")
}

// TASK-247
func TestWaitForCancelledWhileItsLimitIsCleanedUp(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		inner := aio.CreateTask(ctx, onCancel(func(ctx context.Context, err error) (int, error) {
			_ = aio.Sleep(ctx, time.Minute)
			return 0, err
		}))
		waiter := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			_, err := aio.WaitFor(ctx, inner, time.Second)
			return aio.CurrentTask(ctx).Cancelling(), err
		})
		if err := aio.Sleep(ctx, 30*time.Second); err != nil {
			return err
		}
		waiter.Cancel()
		_, err := waiter.Await(ctx)
		if !waiter.Cancelled() || waiter.Cancelling() != 1 || !inner.Done() {
			t.Errorf("WaitFor: %v with %d requests, inner %v", err, waiter.Cancelling(), inner)
		}
		return nil
	})
}

// TASK-256: how many passes of the loop there are between a SetResult and the task that awaits.
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
				var tick func() // comes first in each pass
				tick = func() {
					if pass++; !over {
						l.CallSoon(tick)
					}
				}
				l.CallSoon(tick)
				spin(ctx, 1)

				f := aio.CreateFuture[int](ctx)
				resumed := 0
				awaiter := aio.CreateTask(ctx, coro(func(ctx context.Context) error {
					defer func() { resumed = pass }()
					return tt.await(ctx, f)
				}))
				spin(ctx, 5)
				set := pass
				_ = f.SetResult(1)
				_, err := awaiter.Await(ctx)
				over = true
				spin(ctx, 1)
				if resumed-set != tt.passes {
					t.Errorf("%d passes, want %d", resumed-set, tt.passes)
				}
				return err
			})
		})
	}
}

// TASK-145, TASK-147, TASK-156, TASK-248
func TestAsCompletedAllGivesTheFuturesAsTheyAreDone(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		a, b, c := threeFutures(ctx)
		names := map[*aio.Future[int]]string{a: "a", b: "b", c: "c"}
		_ = c.SetResult(1)
		l, _ := aio.GetRunningLoop(ctx)
		l.CallSoon(func() { _ = b.SetException(errOne) })
		l.CallLater(time.Minute, func() { a.Cancel() })
		for f, err := range aio.AsCompleted(ctx, []*aio.Future[int]{a, b, a, c}, aio.NoTimeout).All(ctx) {
			note(&log, "%s:%v:%s", names[f], err, state(f))
		}
		for range aio.AsCompleted(ctx, []*aio.Future[int]{}, 0).All(ctx) {
			note(&log, "there is nothing")
		}
		for range aio.AsCompleted(ctx, []*aio.Future[int]{}, 0).Next() {
			note(&log, "there is nothing")
		}
		return nil
	})
	log.want(t, "c:<nil>:1 b:<nil>:failed:one a:<nil>:cancelled")
}

// TASK-146, TASK-148, TASK-150
func TestAsCompletedNextGivesTheNextThatIsDone(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		a, b, c := threeFutures(ctx)
		it := aio.AsCompleted(ctx, []*aio.Future[int]{a, b, c}, aio.NoTimeout)
		var items []aio.Coro[*aio.Future[int]]
		for item := range it.Next() {
			if items = append(items, item); len(items) == 2 {
				break
			}
		}
		_, _ = b.SetResult(2), c.SetResult(3)
		for _, item := range []aio.Coro[*aio.Future[int]]{items[1], items[0]} {
			f, err := item(ctx)
			note(&log, "%s %v", state(f), err)
		}
		// The rest, in the other style of the same object.
		_ = a.SetResult(1)
		for f, err := range it.All(ctx) {
			note(&log, "%s %v", state(f), err)
		}
		for range it.Next() {
			note(&log, "there is no more")
		}
		return nil
	})
	log.want(t, "2 <nil> 3 <nil> 1 <nil>")
}

// TASK-149
func TestAsCompletedItemsMayBeAwaitedConcurrently(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var tasks []*aio.Task[int]
		for i := range 5 {
			tasks = append(tasks, aio.CreateTask(ctx, after(time.Duration(5-i)*time.Second, i)))
		}
		var items []aio.Awaitable[*aio.Task[int]]
		for item := range aio.AsCompleted(ctx, tasks, aio.NoTimeout).Next() {
			items = append(items, item)
		}
		done, err := aio.Gather(ctx, items...).Await(ctx)
		slices.Reverse(done)
		if err != nil || !slices.Equal(done, tasks) {
			t.Errorf("got %v, %v", done, err)
		}
		return nil
	})
}

// TASK-150, TASK-151, TASK-152: a step that is cancelled, even when its future has come by then,
// takes nothing with it, and an iteration that is broken off goes on.
func TestAsCompletedLosesNothingToACancellation(t *testing.T) {
	type iterator = *aio.CompletedIterator[*aio.Future[int]]
	for style, step := range map[string]func(ctx context.Context, it iterator) error{
		"All": func(ctx context.Context, it iterator) error {
			for _, err := range it.All(ctx) {
				return err
			}
			return nil
		},
		"Next": func(ctx context.Context, it iterator) error {
			for item := range it.Next() {
				_, err := item(ctx)
				return err
			}
			return nil
		},
	} {
		t.Run(style, func(t *testing.T) {
			var log eventLog
			aiotest.Run(t, func(ctx context.Context) error {
				a, b, c := threeFutures(ctx)
				it := aio.AsCompleted(ctx, []*aio.Future[int]{a, b, c}, aio.NoTimeout)
				for _, settle := range []bool{false, true} {
					tk := aio.CreateTask(ctx, coro(func(ctx context.Context) error { return step(ctx, it) }))
					spin(ctx, 1)
					if settle {
						_ = a.SetResult(1)
						spin(ctx, 1)
					}
					tk.Cancel()
					_, _ = tk.Await(ctx)
					note(&log, "%s", state(tk))
				}
				_, _ = b.SetResult(2), c.SetResult(3)
				for f := range it.All(ctx) {
					note(&log, "%s", state(f))
					break
				}
				for f := range it.All(ctx) {
					note(&log, "%s", state(f))
				}
				return nil
			})
			log.want(t, "cancelled cancelled 1 2 3")
		})
	}
}

// TASK-153, TASK-154, TASK-248
func TestAsCompletedTimeout(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		now := clock(ctx)
		a, b, c := threeFutures(ctx)
		fs := []*aio.Future[int]{a, b, c}
		_ = b.SetResult(2)
		for item := range aio.AsCompleted(ctx, fs, time.Minute).Next() {
			f, err := item(ctx)
			note(&log, "%v:%v:%v", f == b, err == aio.ErrTimeout, now())
		}
		note(&log, "|")
		it := aio.AsCompleted(ctx, fs, time.Minute)
		for range 3 { // each ends with the first error
			for f, err := range it.All(ctx) {
				note(&log, "%v:%v:%v", f == b, err == aio.ErrTimeout, now())
			}
		}
		note(&log, "%s %s", state(a), state(c))
		return nil
	})
	log.want(t, "true:false:0s false:true:1m0s false:true:1m0s | true:false:1m0s false:true:2m0s false:true:2m0s pending pending")
}

// TASK-155
func TestAsCompletedInTimeDropsItsTimer(t *testing.T) {
	l, _ := newLoop(t)
	_, err := aio.RunUntilComplete(l, coro(func(ctx context.Context) error {
		tk := aio.CreateTask(ctx, after(time.Second, 1))
		for _, err := range aio.AsCompleted(ctx, []aio.AnyFuture{tk}, time.Minute).All(ctx) {
			if err != nil {
				return err
			}
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	// Nothing is left that could ever happen: a timer would make the clock jump instead.
	start := l.Time()
	if _, err := aio.RunUntilComplete(l, aio.Coro[int](forever)); !errors.Is(err, aio.ErrDeadlock) || l.Time() != start {
		t.Errorf("%v, and the clock moved by %v", err, l.Time().Sub(start))
	}
}
