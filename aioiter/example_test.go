package aioiter_test

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aioiter"
)

// ticks yields a name every interval, n times.
func ticks(name string, interval time.Duration, n int) aioiter.Stream[string] {
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for range n {
				if err := aio.Sleep(ctx, interval); !yield(name, err) || err != nil {
					return
				}
			}
		}
	}
}

// show prints the items of s, in a loop with a virtual clock.
func show[T any](s aioiter.Stream[T]) {
	loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer loop.Close()
	_, err := aio.RunUntilComplete(loop, aio.NoResult(func(ctx context.Context) error {
		for v, err := range s(ctx) {
			if err != nil {
				return err
			}
			fmt.Println(v)
		}
		return nil
	}))
	if err != nil {
		fmt.Println(err)
	}
}

func ExampleMerge() {
	show(aioiter.Merge(ticks("fast", 2*time.Second, 3), ticks("slow", 5*time.Second, 1)))
	// Output:
	// fast
	// fast
	// slow
	// fast
}

func ExampleZip() {
	show(aioiter.Zip(ticks("tick", time.Second, 2), aioiter.Of(1, 2, 3)))
	// Output:
	// {tick 1}
	// {tick 2}
}

func ExampleZipAll() {
	show(aioiter.ZipAll(ticks("a", time.Second, 2), ticks("b", time.Minute, 2)))
	// Output:
	// [a b]
	// [a b]
}

func ExampleChain() {
	show(aioiter.Chain(ticks("first", time.Second, 1), aioiter.Of("second")))
	// Output:
	// first
	// second
}

// fetch takes the given number of seconds.
func fetch(ctx context.Context, seconds int) (string, error) {
	if err := aio.Sleep(ctx, time.Duration(seconds)*time.Second); err != nil {
		return "", err
	}
	return fmt.Sprintf("page %d", seconds), nil
}

func ExampleMap() {
	show(aioiter.Map(aioiter.Of(3, 1, 2), 2, fetch))
	// Output:
	// page 3
	// page 1
	// page 2
}

func ExampleMapUnordered() {
	show(aioiter.MapUnordered(aioiter.Of(3, 1, 2), 0, fetch))
	// Output:
	// page 1
	// page 2
	// page 3
}

func ExampleBuffer() {
	source := aioiter.Buffer(ticks("item", time.Second, 2), 10)
	show(aioiter.Map(source, 1, func(ctx context.Context, item string) (string, error) {
		// the source continues during the sleep
		return item, aio.Sleep(ctx, time.Minute)
	}))
	// Output:
	// item
	// item
}

func ExampleChunk() {
	show(aioiter.Chunk(aioiter.Of(1, 2, 3, 4, 5), 2))
	// Output:
	// [1 2]
	// [3 4]
	// [5]
}

func ExampleDebounce() {
	keys := aioiter.Chain(ticks("typing", 50*time.Millisecond, 9), ticks("done", time.Hour, 1))
	show(aioiter.Debounce(keys, time.Second))
	// Output:
	// typing
	// done
}

func ExampleTimeout() {
	show(aioiter.Timeout(aioiter.Chain(ticks("quick", time.Second, 2), ticks("slow", time.Hour, 1)), time.Minute))
	// Output:
	// quick
	// quick
	// aio: timed out
}

func ExampleCollect() {
	err := aio.Run(func(ctx context.Context) error {
		all, err := aioiter.Collect(ctx, ticks("tick", time.Millisecond, 3))
		fmt.Println(all)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: [tick tick tick]
}
