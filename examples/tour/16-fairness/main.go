// A task that does not await keeps all others waiting. Between awaits there is no limit
// to the time that a task may take.
package main

import (
	"context"
	"fmt"

	"github.com/goaio/aio"
)

// broken computes without an await.
func broken(ctx context.Context, sum *int) error {
	for i := range 3000 {
		*sum += i
	}
	return nil
}

// fixed lets the other tasks run after each thousand numbers.
func fixed(ctx context.Context, sum *int) error {
	for i := range 3000 {
		if i%1000 == 0 {
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		*sum += i
	}
	return nil
}

func main() {
	for _, compute := range []func(context.Context, *int) error{broken, fixed} {
		sum := 0
		err := aio.Run(func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(func(ctx context.Context) error { return compute(ctx, &sum) })
				tg.Go(func(ctx context.Context) error {
					for range 3 {
						fmt.Println("the sum so far is", sum)
						if err := aio.Sleep(ctx, 0); err != nil {
							return err
						}
					}
					return nil
				})
				return nil
			})
		})
		fmt.Println("error:", err)
	}
	// Output:
	// the sum so far is 4498500
	// the sum so far is 4498500
	// the sum so far is 4498500
	// error: <nil>
	// the sum so far is 0
	// the sum so far is 499500
	// the sum so far is 1999000
	// error: <nil>
}
