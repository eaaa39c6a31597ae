// A graceful shutdown: nothing new begins, what runs may end, and what takes too long is
// cancelled.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

func handle(ctx context.Context, request time.Duration) error {
	if err := aio.Sleep(ctx, request); err != nil {
		fmt.Println(request, "is cancelled")
		return err
	}
	fmt.Println(request, "is done")
	return nil
}

// serve handles requests until stop is set. Then the handlers have ten seconds.
func serve(ctx context.Context, requests *aio.Queue[time.Duration], stop *aio.Event) error {
	var scope aio.CancelScope
	return scope.Run(ctx, func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			take := tg.Go(func(ctx context.Context) error {
				for request, err := range requests.All(ctx) {
					if err != nil {
						return err
					}
					tg.Go(func(ctx context.Context) error { return handle(ctx, request) })
				}
				return nil
			})
			if err := stop.Wait(ctx); err != nil {
				return err
			}
			fmt.Println("stopping")
			take.Cancel()
			scope.SetTimeout(10 * time.Second)
			return nil
		})
	})
}

func main() {
	runner := aio.Runner{Options: &aio.LoopOptions{VirtualClock: true}}
	defer runner.Close()
	err := runner.Run(func(ctx context.Context) error {
		requests, stop := aio.NewQueue[time.Duration](0), &aio.Event{}
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error { return serve(ctx, requests, stop) })
			for _, request := range []time.Duration{2 * time.Second, 7 * time.Second, time.Hour} {
				if err := requests.Put(ctx, request); err != nil {
					return err
				}
			}
			if err := aio.Sleep(ctx, 5*time.Second); err != nil {
				return err
			}
			stop.Set()
			return nil
		})
	})
	fmt.Println("error:", err)
	// Output:
	// 2s is done
	// stopping
	// 7s is done
	// 1h0m0s is cancelled
	// error: <nil>
}
