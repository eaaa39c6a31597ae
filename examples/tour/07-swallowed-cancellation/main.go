// A worker that continues after errors swallows its cancellation, which is one of them.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

// deliver takes an hour.
func deliver(ctx context.Context, letter int) error { return aio.Sleep(ctx, time.Hour) }

// broken continues with the next letter after any error, even after its own cancellation.
func broken(ctx context.Context) error {
	for letter := range 3 {
		if err := deliver(ctx, letter); err != nil {
			fmt.Println("letter", letter, "is lost:", err)
			continue
		}
		fmt.Println("letter", letter, "is delivered")
	}
	return nil
}

// fixed checks for a cancellation first, and returns it.
func fixed(ctx context.Context) error {
	for letter := range 3 {
		err := deliver(ctx, letter)
		if errors.Is(err, aio.ErrCancelled) {
			return err
		}
		if err != nil {
			fmt.Println("letter", letter, "is lost:", err)
			continue
		}
		fmt.Println("letter", letter, "is delivered")
	}
	return nil
}

func main() {
	for _, work := range []func(context.Context) error{broken, fixed} {
		loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
		start := loop.Time()
		_, err := aio.RunUntilComplete(loop, aio.NoResult(func(ctx context.Context) error { return aio.Timeout(ctx, time.Minute, work) }))
		fmt.Println("at the end:", err, "after", loop.Time().Sub(start))
		loop.Close()
	}
	// Output:
	// letter 0 is lost: aio: cancelled
	// letter 1 is delivered
	// letter 2 is delivered
	// at the end: <nil> after 2h1m0s
	// at the end: aio: timed out after 1m0s
}
