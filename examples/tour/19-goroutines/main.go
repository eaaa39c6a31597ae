// From goroutines to tasks and back: a loop can be one part of a program whose other
// parts are goroutines.
package main

import (
	"context"
	"fmt"

	"github.com/goaio/aio"
)

// total receives numbers from a channel, which goroutines fill. It belongs to the loop,
// so no lock protects sum.
type total struct {
	sum  int
	over aio.Event
}

// pump suspends its task until a goroutine sends. A plain <-numbers would block the loop.
func (t *total) pump(ctx context.Context, numbers <-chan int) error {
	for {
		n, ok, err := aio.Receive(ctx, numbers)
		if err != nil {
			return err
		}
		if !ok {
			t.over.Set()
			return nil
		}
		t.sum += n
	}
}

// wait runs in the loop, as part of a task.
func (t *total) wait(ctx context.Context) (int, error) {
	if err := t.over.Wait(ctx); err != nil {
		return 0, err
	}
	return t.sum, nil
}

func main() {
	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		var t total
		numbers := make(chan int)
		go func() { // a goroutine of its own, outside of the loop
			for i := range 4 {
				numbers <- i
			}
			close(numbers)
		}()
		pump := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return t.pump(ctx, numbers) }))

		// ToThread runs a function in a goroutine, and suspends this task. From
		// there, RunCoroutineThreadsafe runs one in the loop.
		sum, err := aio.ToThread(ctx, func(ctx context.Context) (int, error) {
			return aio.RunCoroutineThreadsafe(loop, t.wait).Result(ctx)
		})
		if err != nil {
			return err
		}
		fmt.Println("the sum is", sum)
		_, err = pump.Await(ctx)
		return err
	})
	fmt.Println("error:", err)
	// Output:
	// the sum is 6
	// error: <nil>
}
