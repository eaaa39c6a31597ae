package aio_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// Whatever callbacks are added and removed, the rest run in the order in which they
// were added.
func TestDoneCallbacksRemovedInAnyOrder(t *testing.T) {
	for seed := range uint64(50) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			aiotest.Run(t, func(ctx context.Context) error {
				f := aio.CreateFuture[int](ctx)
				type callback struct {
					n int
					d aio.DoneCallback
				}
				var left []callback
				var want, ran []int
				for n := range r.IntN(400) {
					left = append(left, callback{n, f.AddDoneCallback(func(*aio.Future[int]) { ran = append(ran, n) })})
					for len(left) > 0 && r.IntN(5) < 2 {
						i := r.IntN(len(left))
						same(t, "removed", f.RemoveDoneCallback(left[i].d), true)
						same(t, "removed again", f.RemoveDoneCallback(left[i].d), false)
						left = slices.Delete(left, i, i+1)
					}
				}
				for _, c := range left {
					want = append(want, c.n)
				}
				_ = f.SetResult(0)
				letPass(ctx, 1)
				if !slices.Equal(ran, want) {
					t.Errorf("callbacks %v ran, want %v", ran, want)
				}
				return nil
			})
		})
	}
}

// A waiter that stops waiting for a future that is not done leaves no entry in it.
func TestNothingStaysInAFutureThatGoesOn(t *testing.T) {
	const times = 1000
	for name, use := range map[string]func(ctx context.Context, f *aio.Future[int]){
		"Await": func(ctx context.Context, f *aio.Future[int]) {
			// awaiting f itself would cancel it
			_ = aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
				return second(aio.Shield(ctx, f).Await(ctx))
			})
		},
		"Wait": func(ctx context.Context, f *aio.Future[int]) {
			_, _, _ = aio.Wait(ctx, []aio.AnyFuture{f}, time.Second, aio.AllCompleted)
		},
		"Wait, the first of two": func(ctx context.Context, f *aio.Future[int]) {
			_, _, _ = aio.Wait(ctx, []aio.AnyFuture{f, aio.CreateTask(ctx, returns(1))}, aio.NoTimeout, aio.FirstCompleted)
		},
		"Wait, cancelled": func(ctx context.Context, f *aio.Future[int]) {
			_ = aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
				_, _, err := aio.Wait(ctx, []aio.AnyFuture{f}, aio.NoTimeout, aio.AllCompleted)
				return err
			})
		},
		"WaitFor a shield": func(ctx context.Context, f *aio.Future[int]) {
			_, _ = aio.WaitFor(ctx, aio.Shield(ctx, f), time.Second)
		},
		"Gather that fails": func(ctx context.Context, f *aio.Future[int]) {
			failing := aio.CreateTask(ctx, func(context.Context) (int, error) { return 0, errOne })
			_, _ = aio.Gather(ctx, aio.Awaitable[int](f), failing).Await(ctx)
		},
		"Gather of shields, cancelled": func(ctx context.Context, f *aio.Future[int]) {
			g := aio.Gather(ctx, aio.Awaitable[int](aio.Shield(ctx, f)))
			g.Cancel()
			_, _ = g.Await(ctx)
		},
		"GatherResults of shields, cancelled": func(ctx context.Context, f *aio.Future[int]) {
			g := aio.GatherResults(ctx, aio.Awaitable[int](aio.Shield(ctx, f)))
			g.Cancel()
			_, _ = g.Await(ctx)
		},
		"AsCompleted with a timeout": func(ctx context.Context, f *aio.Future[int]) {
			for range aio.AsCompleted(ctx, []aio.AnyFuture{f}, time.Second).All(ctx) {
			}
		},
		"OnDone that is removed": func(_ context.Context, f *aio.Future[int]) {
			f.RemoveDoneCallback(f.OnDone(func() {}))
		},
		"an awaiter that is named": func(ctx context.Context, f *aio.Future[int]) {
			other := aio.CreateFuture[int](ctx)
			aio.FutureAddToAwaitedBy(f, other)
			aio.FutureDiscardFromAwaitedBy(f, other)
		},
		"Untyped, in a Wait": func(ctx context.Context, f *aio.Future[int]) {
			_, _, _ = aio.Wait(ctx, []aio.AnyFuture{aio.Untyped[int](f).(aio.AnyFuture)}, time.Second, aio.AllCompleted)
		},
	} {
		t.Run(name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				f := aio.CreateFuture[int](ctx)
				for range times {
					use(ctx, f)
				}
				if n := aio.CallbacksOf(f); n > 2 {
					t.Errorf("%d callbacks are left in the future", n)
				}
				_ = f.SetResult(1)
				return nil
			})
		})
	}
}
