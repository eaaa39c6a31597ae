// Cancellation is delivered at an await, as an error. The task may clean up before it
// returns the error.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

func watch(ctx context.Context) (int, error) {
	defer fmt.Println("the camera is off")
	for seen := 0; ; seen++ {
		if err := aio.Sleep(ctx, time.Hour); err != nil {
			fmt.Println("stopped:", err)
			return seen, err
		}
	}
}

func main() {
	err := aio.Run(func(ctx context.Context) error {
		task := aio.CreateTask(ctx, watch)
		if err := aio.Sleep(ctx, 0); err != nil { // watch is running now
			return err
		}
		fmt.Println("asked:", task.Cancel("time to go home"), "done:", task.Done())
		_, err := task.Await(ctx)
		fmt.Println("cancelled:", errors.Is(err, aio.ErrCancelled), "done:", task.Done())

		// A timeout cancels too, and converts the cancellation into its own
		// error.
		return aio.Timeout(ctx, time.Millisecond, func(ctx context.Context) error {
			_, err := watch(ctx)
			return err
		})
	})
	fmt.Println("late:", errors.Is(err, aio.ErrTimeout))
	// Output:
	// asked: true done: false
	// stopped: aio: cancelled: time to go home
	// the camera is off
	// cancelled: true done: true
	// stopped: aio: cancelled
	// the camera is off
	// late: true
}
