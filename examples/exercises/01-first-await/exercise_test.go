package exercise

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/examples/exercises/internal/check"
)

func TestWaits(t *testing.T) {
	check.Lesson{
		Idea: "A task waits by calling a function with its ctx: aio.Sleep(ctx, d) suspends the\ntask until the clock of the loop has advanced by d. time.Sleep knows nothing of\nthat clock.",
		Read: "docs/tour.md, A coroutine",
	}.Run(t, func(ctx context.Context) error {
		clock := check.Clock(ctx)
		drink, err := Boil(ctx, "tea", 3)
		if err != nil || drink != "tea" {
			return fmt.Errorf("Boil(ctx, \"tea\", 3) returned %q and the error %v, want \"tea\" and nil", drink, err)
		}
		if clock() != 3*time.Minute {
			return fmt.Errorf("Boil(ctx, \"tea\", 3) took %v of the loop's time, want 3m0s", clock())
		}
		return nil
	})
}

func TestOthersRunMeanwhile(t *testing.T) {
	check.Lesson{
		Idea: "While a task is suspended in an await, the other tasks of the loop run. A task\nthat waits without an await keeps them all waiting.",
		Read: "docs/tour.md, Taking turns",
	}.Run(t, func(ctx context.Context) error {
		clock := check.Clock(ctx)
		slices := 0
		toast := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for range 4 {
				if err := aio.Sleep(ctx, time.Minute); err != nil {
					return err
				}
				slices++
			}
			return nil
		}), aio.WithName("toast"))
		if _, err := Boil(ctx, "coffee", 4); err != nil {
			return err
		}
		if slices < 3 {
			return fmt.Errorf("Boil took four minutes, in which another task makes a toast each minute,\nbut there were %d toasts when it returned", slices)
		}
		if _, err := toast.Await(ctx); err != nil {
			return err
		}
		if clock() != 4*time.Minute {
			return fmt.Errorf("both together took %v, want 4m0s", clock())
		}
		return nil
	})
}

func TestCanBeCancelled(t *testing.T) {
	check.Lesson{
		Idea: "A task is cancelled by making its await return an error. The task must return\nthat error, or it goes on as if nothing had happened.",
		Read: "docs/tour.md, Cancellation",
	}.Cancel(t, aiotest.Whole(func(ctx context.Context) error {
		_, err := Boil(ctx, "tea", 3)
		return err
	}))
}
