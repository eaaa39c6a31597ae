package aio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"weak"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

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

// TASK-107, TASK-109: aiotest.Run would fail if an error were reported.
func TestShieldCancelledLeavesTheFutureAlone(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		inner := aio.CreateFuture[int](ctx)
		outer := aio.Shield(ctx, inner)
		note(&log, "%v %s %s", outer.Cancel(), state(outer), state(inner))
		letPass(ctx, 1)
		_ = inner.SetResult(7)
		letPass(ctx, 2)
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
		letPass(ctx, 2)
		runtime.GC()
		for _, p := range shields {
			if p.Value() != nil {
				t.Error("the future still holds a cancelled shield")
			}
		}
		_ = inner.SetResult(1)
		return nil
	})
}

// TASK-108: a future that is shielded many times, for a short time each, does not grow.
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
				letPass(ctx, 1)
			}
		}
		shield(10)
		before := heap()
		shield(1 << 15)
		eventually(t, ctx, "the future holds nothing of 32768 cancelled shields", func() bool {
			return heap()-before <= 1<<18
		})
		_ = inner.SetResult(1)
		return nil
	})
}

// TASK-110, TASK-111: an error behind a cancelled shield is reported once, unless it
// has been retrieved.
func TestShieldCancelledReportsTheErrorOnce(t *testing.T) {
	for _, retrieved := range []bool{false, true} {
		t.Run(fmt.Sprintf("retrieved=%v", retrieved), func(t *testing.T) {
			l, reports := newLoop(t)
			_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
				inner := aio.CreateFuture[int](ctx)
				for range 2 {
					aio.Shield(ctx, inner).Cancel()
				}
				letPass(ctx, 1)
				_ = inner.SetException(errOne)
				if retrieved && inner.Exception() != errOne {
					t.Error("the error is not there")
				}
				letPass(ctx, 3)
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
		letPass(ctx, 2)
		outer.Cancel()
		_, _ = outer.Await(ctx)
		note(&log, "%s", state(outer))
		gate.Set()
		letPass(ctx, 1)
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
		letPass(ctx, 2)
		note(&log, "%s %s", state(outer), state(g))
		note(&log, "%s %s %s %s", state(shieldA), state(shieldB), state(a), state(b))
		note(&log, "%v %v", ofShields.Cancelled(), errors.Is(ofShields.Exception(), aio.ErrCancelled))
		_, _ = a.SetResult(1), b.SetResult(2)
		letPass(ctx, 1)
		note(&log, "%s", state(g))
		return nil
	})
	log.want(t, "cancelled pending cancelled cancelled pending pending false true [1,2]")
}
