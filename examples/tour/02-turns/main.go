// Two tasks take turns. Each runs until it awaits, then the other one runs.
package main

import (
	"context"
	"fmt"

	"github.com/goaio/aio"
)

// count lets other tasks run after each number: Sleep(ctx, 0) suspends for one pass of
// the loop.
func count(ctx context.Context, name string) error {
	for i := range 3 {
		fmt.Println(name, i)
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	err := aio.Run(func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error { return count(ctx, "left") })
			tg.Go(func(ctx context.Context) error { return count(ctx, "right") })
			fmt.Println("both are created, neither has started")
			return nil // the group waits for both
		})
	})
	fmt.Println("error:", err)
	// Output:
	// both are created, neither has started
	// left 0
	// right 0
	// left 1
	// right 1
	// left 2
	// right 2
	// error: <nil>
}
