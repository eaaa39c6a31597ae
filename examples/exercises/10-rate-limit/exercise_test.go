package exercise

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/examples/exercises/internal/check"
)

const interval = time.Second

// call waits for a turn after a delay, and then notes its name and the time in turns.
func call(l *Limiter, name string, delay time.Duration, clock func() time.Duration, turns *[]string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := aio.Sleep(ctx, delay); err != nil {
			return err
		}
		if err := l.Wait(ctx); err != nil {
			return err
		}
		*turns = append(*turns, fmt.Sprint(name, " ", clock()))
		return nil
	}
}

var lesson = check.Lesson{
	Idea: "All tasks that wait have read the same time of the next turn, and wake at that time.\nEither each takes its turn before it waits, or a lock lets only one of them wait for\nthe next turn.",
	Read: "docs/tour.md, Bug: the lost update",
}

func TestManyWait(t *testing.T) {
	lesson.Run(t, func(ctx context.Context) error {
		l := &Limiter{Interval: interval}
		clock := check.Clock(ctx)
		var turns []string
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for _, name := range []string{"a", "b", "c"} {
				tg.Go(call(l, name, 0, clock, &turns), aio.WithName(name))
			}
			tg.Go(call(l, "d", 10*time.Second, clock, &turns), aio.WithName("d"))
			tg.Go(call(l, "e", 10*time.Second+interval/2, clock, &turns), aio.WithName("e"))
			return nil
		})
		if err != nil {
			return err
		}
		if want := []string{"a 0s", "b 1s", "c 2s", "d 10s", "e 11s"}; !slices.Equal(turns, want) {
			return fmt.Errorf("three calls at 0s, and one each at 10s and 10.5s, got their turns at\n%q, want\n%q", turns, want)
		}
		return nil
	})
}

func TestCancelledWaiter(t *testing.T) {
	check.Lesson{
		Idea: "What a task has taken before an await, it must give back if the await fails: also\na turn. It is easier to take it after the await.",
		Read: "docs/tour.md, Cancellation",
	}.Cancel(t, func(ctx context.Context, c *aiotest.Cancelled) error {
		l := &Limiter{Interval: interval}
		clock := check.Clock(ctx)
		var turns []string
		if err := l.Wait(ctx); err != nil {
			return err
		}
		after := aio.CreateTask(ctx, aio.NoResult(call(l, "after", interval/2, clock, &turns)), aio.WithName("after"))
		err := c.Do(ctx, call(l, "cancelled", 0, clock, &turns))
		cancelled := c.Happened() && aio.IsCancellation(err)
		if err != nil && !cancelled {
			return err
		}
		if _, err := after.Await(ctx); err != nil {
			return err
		}
		want := []string{"cancelled 1s", "after 2s"}
		if cancelled {
			want = []string{"after 1s"}
		}
		if !slices.Equal(turns, want) {
			return fmt.Errorf("the turns are %q, want %q", turns, want)
		}
		return nil
	})
}
