package aio_test

import (
	"context"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// The maximum number of allocations of each operation on a hot path.
func TestAllocations(t *testing.T) {
	l, _ := newLoop(t)
	event := &aio.Event{}
	step := func(ctx context.Context) error { return aio.Sleep(ctx, 0) }
	for _, tt := range []struct {
		name string
		max  float64
		op   func(ctx context.Context) error
	}{
		{"Sleep of zero time", 0, step},
		{"Sleep", 0, func(ctx context.Context) error { return aio.Sleep(ctx, time.Second) }},
		{"Await of a done future", 1, func(ctx context.Context) error {
			// the future
			f := aio.CreateFuture[int](ctx)
			_ = f.SetResult(1)
			_, err := f.Await(ctx)
			return err
		}},
		{"CreateTask and Await", 2, func(ctx context.Context) error {
			_, err := aio.CreateTask(ctx, one).Await(ctx)
			return err
		}},
		{"CallSoon", 1, func(ctx context.Context) error {
			// the closure in this line; handles are allocated in blocks
			event.Clear()
			l.CallSoon(func() { event.Set() })
			return event.Wait(ctx)
		}},
		{"Timeout", 2, func(ctx context.Context) error { return aio.Timeout(ctx, time.Hour, step) }},
	} {
		_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
			if err := tt.op(ctx); err != nil {
				return err
			}
			n := testing.AllocsPerRun(1000, func() {
				if err := tt.op(ctx); err != nil {
					t.Error(err)
				}
			})
			if n > tt.max {
				t.Errorf("%s: %v allocations, at most %v are allowed", tt.name, n, tt.max)
			}
			return nil
		}))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
