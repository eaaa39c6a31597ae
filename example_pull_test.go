package aio_test

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/goaio/aio"
)

// ticks yields a number each interval.
func ticks(interval time.Duration) func(ctx context.Context) iter.Seq2[int, error] {
	return func(ctx context.Context) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			defer fmt.Println("closed")
			for i := 1; ; i++ {
				err := aio.Sleep(ctx, interval)
				if !yield(i, err) || err != nil {
					return
				}
			}
		}
	}
}

func ExamplePull() {
	err := aio.Run(func(ctx context.Context) error {
		numbers := aio.Pull(ctx, ticks(time.Millisecond))
		defer numbers.Close(ctx)
		first, _, err := numbers.Next(ctx) // await anext(numbers)
		if err != nil {
			return err
		}
		fmt.Println("first", first)
		for n, err := range numbers.All(ctx) { // async for n in numbers
			if err != nil {
				return err
			}
			fmt.Println(n)
			if n == 3 {
				break
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// first 1
	// 2
	// 3
	// closed
}

func ExampleIterator_Next() {
	err := aio.Run(func(ctx context.Context) error {
		queue := aio.NewQueue[string](0)
		jobs := aio.Pull(ctx, queue.All)
		defer jobs.Close(ctx)
		if err := queue.PutNowait("build"); err != nil {
			return err
		}
		for {
			err := aio.Timeout(ctx, time.Millisecond, func(ctx context.Context) error {
				job, _, err := jobs.Next(ctx)
				if err == nil {
					fmt.Println(job)
				}
				return err
			})
			if err == aio.ErrTimeout {
				fmt.Println("nothing left to do")
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// build
	// nothing left to do
}

func ExampleIterator_Close() {
	err := aio.Run(func(ctx context.Context) error {
		numbers := aio.Pull(ctx, ticks(time.Hour))
		if err := numbers.Close(ctx); err != nil { // await numbers.aclose()
			return err
		}
		_, ok, err := numbers.Next(ctx)
		fmt.Println(ok, err)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: false <nil>
}
