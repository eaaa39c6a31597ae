// A coroutine is a function that may suspend. Calling it runs it as part of the calling
// task.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

// brew is a coroutine: it takes a ctx, and can suspend only in calls that it passes the
// ctx to.
func brew(ctx context.Context, what string) (string, error) {
	fmt.Println("brewing", what)
	if err := aio.Sleep(ctx, 10*time.Millisecond); err != nil {
		return "", err
	}
	return "a cup of " + what, nil
}

func main() {
	err := aio.Run(func(ctx context.Context) error {
		cup, err := brew(ctx, "tea")
		if err != nil {
			return err
		}
		fmt.Println(cup)
		return nil
	})
	fmt.Println("error:", err)
	// Output:
	// brewing tea
	// a cup of tea
	// error: <nil>
}
