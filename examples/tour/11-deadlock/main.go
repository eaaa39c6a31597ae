// Two tasks acquire the same two locks in opposite order, and wait for each other
// forever. A loop with a virtual clock detects that, and reports which task waits for
// what.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/goaio/aio"
)

type kitchen struct{ stove, pan aio.Lock }

// cook acquires the first lock and, one pass of the loop later, the second one.
func cook(ctx context.Context, first, second *aio.Lock) error {
	return first.With(ctx, func(ctx context.Context) error {
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		return second.With(ctx, func(context.Context) error { return nil })
	})
}

func broken(ctx context.Context, k *kitchen) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(func(ctx context.Context) error { return cook(ctx, &k.stove, &k.pan) }, aio.WithName("eggs"))
		tg.Go(func(ctx context.Context) error { return cook(ctx, &k.pan, &k.stove) }, aio.WithName("fish"))
		return nil
	})
}

// fixed makes both tasks acquire the locks in the same order.
func fixed(ctx context.Context, k *kitchen) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(func(ctx context.Context) error { return cook(ctx, &k.stove, &k.pan) }, aio.WithName("eggs"))
		tg.Go(func(ctx context.Context) error { return cook(ctx, &k.stove, &k.pan) }, aio.WithName("fish"))
		return nil
	})
}

func main() {
	for _, work := range []func(context.Context, *kitchen) error{broken, fixed} {
		loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
		// broken leaves tasks behind; do not report them.
		loop.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
		_, err := aio.RunUntilComplete(loop, aio.NoResult(func(ctx context.Context) error { return work(ctx, &kitchen{}) }))
		if errors.Is(err, aio.ErrDeadlock) {
			for line := range strings.Lines(err.Error()) {
				fmt.Println(strings.TrimSpace(line))
			}
		} else {
			fmt.Println("done, error:", err)
		}
		loop.Close()
	}
	// Output:
	// aio: deadlock: 3 tasks wait and nothing can wake them
	// Task Task-1 pending, awaiting TaskGroup
	// Task eggs pending, awaiting Lock.Acquire
	// Task fish pending, awaiting Lock.Acquire
	// done, error: <nil>
}
