// A future by hand: it turns a function that calls back into one that can be awaited.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

// brew is code of the old style: it returns at once, and calls back later.
func brew(loop *aio.Loop, what string, ready func(cup string)) {
	loop.CallLater(time.Millisecond, func() { ready("a cup of " + what) })
}

// brewed is brew for tasks. The future is the bridge: the callback settles it, and the
// task awaits it.
func brewed(ctx context.Context, what string) (string, error) {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return "", err
	}
	cup := aio.CreateFuture[string](ctx)
	brew(loop, what, func(text string) {
		if cup.Done() { // the task was cancelled, and its future with it
			return
		}
		if err := cup.SetResult(text); err != nil {
			panic(err)
		}
		fmt.Println("the result is set")
	})
	return cup.Await(ctx)
}

func main() {
	err := aio.Run(func(ctx context.Context) error {
		cup, err := brewed(ctx, "tea")
		if err != nil {
			return err
		}
		fmt.Println("got", cup)
		task := aio.CreateTask(ctx, func(ctx context.Context) (string, error) { return brewed(ctx, "coffee") })
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		task.Cancel()
		_, err = task.Await(ctx)
		fmt.Println("coffee:", err)
		return aio.Sleep(ctx, 2*time.Millisecond) // the callback still comes
	})
	fmt.Println("error:", err)
	// Output:
	// the result is set
	// got a cup of tea
	// coffee: aio: cancelled
	// error: <nil>
}
