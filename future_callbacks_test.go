package aio_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

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
