package aio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

func ExampleGatherSlice() {
	err := aio.Run(func(ctx context.Context) error {
		var tasks []*aio.Task[int]
		for i := range 3 {
			tasks = append(tasks, aio.CreateTask(ctx, func(context.Context) (int, error) { return i * i, nil }))
		}
		squares, err := aio.GatherSlice(ctx, tasks).Await(ctx)
		fmt.Println(squares)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: [0 1 4]
}

func ExampleUntyped() {
	err := aio.Run(func(ctx context.Context) error {
		name := aio.CreateTask(ctx, func(context.Context) (string, error) { return "Ada", nil })
		age := aio.AsCoro(func(context.Context) (int, error) { return 36, nil })
		both, err := aio.Gather(ctx, aio.Untyped(name), aio.Untyped(age)).Await(ctx)
		fmt.Println(both...)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: Ada 36
}

func TestGatherShapes(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		failed := errors.New("failed")
		coros := []aio.Coro[int]{returns(1), func(context.Context) (int, error) { return 0, failed }}
		results, err := aio.GatherSliceResults(ctx, coros).Await(ctx)
		if err != nil || results[0].Value != 1 || results[1].Err != failed {
			t.Errorf("%v %v", results, err)
		}
		f := aio.CreateFuture[int](ctx)
		before := len(aio.AllTasks(ctx))
		g := aio.Gather(ctx, aio.Untyped(f), aio.Untyped(f))
		if n := len(aio.AllTasks(ctx)); n != before {
			t.Errorf("%d tasks for a future", n-before)
		}
		_ = f.SetResult(7)
		both, err := g.Await(ctx)
		if err != nil || both[0] != 7 || both[1] != 7 {
			t.Errorf("%v %v", both, err)
		}
		return nil
	})
}

// If the task that awaits a gather of a slice is cancelled, at any moment, the gathered
// tasks have ended when its await returns.
func TestGatherSliceCancelled(t *testing.T) {
	for name, gather := range map[string]func(ctx context.Context, coros []aio.Coro[int]) ([]int, error){
		"coroutines": func(ctx context.Context, coros []aio.Coro[int]) ([]int, error) {
			return aio.GatherSlice(ctx, coros).Await(ctx)
		},
		"tasks": func(ctx context.Context, coros []aio.Coro[int]) ([]int, error) {
			var tasks []*aio.Task[int]
			for _, c := range coros {
				tasks = append(tasks, aio.CreateTask(ctx, c))
			}
			return aio.GatherSlice(ctx, tasks).Await(ctx)
		},
		"results": func(ctx context.Context, coros []aio.Coro[int]) (values []int, err error) {
			results, err := aio.GatherSliceResults(ctx, coros).Await(ctx)
			for _, r := range results {
				values, err = append(values, r.Value), errors.Join(err, r.Err)
			}
			return values, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := aiotest.CancelEverywhere(t, aiotest.Sweep{Schedules: 3, Mode: aiotest.AnyOrder}, func(ctx context.Context, c *aiotest.Cancelled) error {
				began, ended := 0, 0
				var coros []aio.Coro[int]
				for i := range 3 {
					coros = append(coros, func(ctx context.Context) (int, error) {
						began++
						defer func() { ended++ }()
						return i, aio.Sleep(ctx, time.Duration(3-i)*time.Millisecond)
					})
				}
				err := c.Do(ctx, func(ctx context.Context) error {
					values, err := gather(ctx, coros)
					if err == nil && !slices.Equal(values, []int{0, 1, 2}) {
						return fmt.Errorf("the results are %v", values)
					}
					return err
				})
				if began != ended || err == nil && began != 3 {
					return fmt.Errorf("%d tasks began, %d ended: %v", began, ended, err)
				}
				if c.Happened() && errors.Is(err, aio.ErrCancelled) {
					return nil
				}
				return err
			})
			if r.Moments < 10 {
				t.Errorf("only %d moments", r.Moments)
			}
		})
	}
}

// The operations on a future of unknown type.
func TestAnyFuture(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		failed := errors.New("failed")
		var f aio.AnyFuture = aio.CreateTask(ctx, func(context.Context) (int, error) { return 0, failed })
		f.OnDone(func() { log.add("done:%v", f.Done()) })
		removed := f.OnDone(func() { log.add("removed") })
		if !f.RemoveDoneCallback(removed) {
			t.Error("the callback was not there")
		}
		err := f.Join(ctx)
		log.add("%v", err)
		log.want(t, "done:true failed")
		if err := panics(func() { f.OnDone(nil) }); !errors.Is(err, aio.ErrUsage) {
			t.Error(err)
		}
		// Cancelling the task that awaits the future also cancels the future.
		var slow aio.AnyFuture = aio.CreateFuture[string](ctx)
		task := aio.CreateTask(ctx, aio.NoResult(slow.Join))
		letPass(ctx, 1)
		task.Cancel()
		if _, err := task.Await(ctx); !errors.Is(err, aio.ErrCancelled) || !slow.Cancelled() {
			t.Errorf("%v %v", err, slow)
		}
		if err := new(aio.Future[int]).Join(ctx); !errors.Is(err, aio.ErrUsage) {
			t.Error(err)
		}
		return nil
	})
}
