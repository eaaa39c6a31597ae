// Waiting for several coroutines concurrently takes as long as the slowest of them.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

// fetch returns a coroutine: a function of ctx alone, which the caller or a task runs.
func fetch(page string, takes time.Duration) aio.Coro[string] {
	return func(ctx context.Context) (string, error) {
		return page + " is here", aio.Sleep(ctx, takes)
	}
}

// inTurn runs one after the other.
func inTurn(ctx context.Context) ([]string, error) {
	a, err := fetch("a", time.Second)(ctx)
	if err != nil {
		return nil, err
	}
	b, err := fetch("b", 2*time.Second)(ctx)
	return []string{a, b}, err
}

// together runs both concurrently. The results are in the order of the arguments.
func together(ctx context.Context) ([]string, error) {
	return aio.Gather(ctx, fetch("a", time.Second), fetch("b", 2*time.Second)).Await(ctx)
}

func main() {
	for _, get := range []aio.Coro[[]string]{inTurn, together} {
		// The virtual clock jumps to the next timer, so the program does not take
		// seconds.
		loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
		start := loop.Time()
		pages, err := aio.RunUntilComplete(loop, get)
		fmt.Println(pages, err, "after", loop.Time().Sub(start))
		loop.Close()
	}
	// Output:
	// [a is here b is here] <nil> after 3s
	// [a is here b is here] <nil> after 2s
}
