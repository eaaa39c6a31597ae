package aiotest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

// Mode Exhaustive omits schedules, but none that a program can distinguish from all
// others: every result of a random schedule is also the result of an exhaustive one.
func TestExhaustiveMissesNothing(t *testing.T) {
	type program func(ctx context.Context, say func(string)) error
	spawn := func(ctx context.Context, fns ...func(ctx context.Context) error) error {
		var all []aio.AnyFuture
		for _, fn := range fns {
			all = append(all, aio.CreateTask(ctx, aio.NoResult(fn)))
		}
		_, _, err := aio.Wait(ctx, all, aio.NoTimeout, aio.AllCompleted)
		return err
	}
	sleeper := func(say func(string), name string, after func(ctx context.Context) error) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			say(name)
			err := aio.Sleep(ctx, time.Second)
			say(name)
			if err == nil && after != nil {
				err = after(ctx)
				say(name)
			}
			return err
		}
	}
	yield := func(ctx context.Context) error { return aio.Sleep(ctx, 0) }
	for name, c := range map[string]struct {
		run  program
		most int // runs
		logs int // at least
	}{
		"sleeps": {func(ctx context.Context, say func(string)) error {
			return spawn(ctx, sleeper(say, "a", nil), sleeper(say, "b", nil), sleeper(say, "c", nil))
		}, 1000, 36},
		"and one that yields": {func(ctx context.Context, say func(string)) error {
			return spawn(ctx, sleeper(say, "a", yield), sleeper(say, "b", nil))
		}, 100, 6},
		"two that yield": {func(ctx context.Context, say func(string)) error {
			return spawn(ctx, sleeper(say, "a", yield), sleeper(say, "b", yield))
		}, 200, 6},
		"and one that cancels": {func(ctx context.Context, say func(string)) error {
			a := aio.CreateTask(ctx, aio.NoResult(sleeper(say, "a", nil)))
			err := spawn(ctx, sleeper(say, "b", func(context.Context) error { a.Cancel(); return nil }))
			_, aerr := a.Await(ctx)
			say(fmt.Sprint(aerr != nil))
			return err
		}, 200, 4},
		"and a timeout": {func(ctx context.Context, say func(string)) error {
			return spawn(ctx, sleeper(say, "a", nil), func(ctx context.Context) error {
				err := aio.Timeout(ctx, time.Second, func(ctx context.Context) error { return aio.Sleep(ctx, time.Second) })
				say(fmt.Sprint(err != nil))
				return nil
			})
		}, 400, 4},
	} {
		t.Run(name, func(t *testing.T) {
			logs := func(x aiotest.Exploration) (aiotest.Report, map[string]bool) {
				seen := map[string]bool{}
				x.AllowDifferences = true
				r := x.Run(func(ctx context.Context) error {
					log := ""
					err := c.run(ctx, func(s string) { log += s })
					seen[log] = true
					return err
				})
				return r, seen
			}
			r, all := logs(aiotest.Exploration{Mode: aiotest.Exhaustive})
			if len(r.Failures) > 0 || !r.Complete || r.Runs > c.most || len(all) < c.logs {
				t.Errorf("complete %v after %d runs, with %d logs: %v", r.Complete, r.Runs, len(all), r.Failures)
			}
			_, random := logs(aiotest.Exploration{Mode: aiotest.AnyOrder, Runs: stage.Amount(300, 3000, 30_000)})
			for log := range random {
				if !all[log] {
					t.Errorf("result %q was not found", log)
				}
			}
			t.Logf("%d runs, %d logs", r.Runs, len(all))
		})
	}
}
