// A test can try every order of the steps, and every moment of a cancellation. In a test,
// aiotest.Explore and aiotest.CancelEverywhere report failures to a *testing.T; here the
// program prints them.
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// store adds one to a counter, with an await in the middle, so a lock protects it.
type store struct {
	n    int
	lock aio.Lock
}

func (s *store) add(ctx context.Context) error {
	if err := s.lock.Acquire(ctx); err != nil {
		return err
	}
	n := s.n
	if err := aio.Sleep(ctx, 0); err != nil {
		return err // the bug: the lock is never released
	}
	s.n = n + 1
	s.lock.Release()
	return nil
}

// twice adds two in two tasks, and checks the result.
func twice(ctx context.Context) error {
	var s store
	if _, err := aio.Gather(ctx, aio.NoResult(s.add), aio.NoResult(s.add)).Await(ctx); err != nil {
		return err
	}
	if s.n != 2 {
		return fmt.Errorf("the counter is %d", s.n)
	}
	return nil
}

func main() {
	orders := aiotest.Exploration{Mode: aiotest.Exhaustive}.Run(twice)
	fmt.Println("all orders tried:", orders.Complete, "failures:", len(orders.Failures))

	cancels := aiotest.Sweep{}.Run(func(ctx context.Context, c *aiotest.Cancelled) error {
		var s store
		if err := c.Do(ctx, s.add); err != nil && !aio.IsCancellation(err) {
			return err
		}
		return s.add(ctx) // the store still works
	})
	for _, f := range cancels.Failures {
		fmt.Println("deadlock after a cancellation:", errors.Is(f, aio.ErrDeadlock))
	}
	// Output:
	// all orders tried: true failures: 0
	// deadlock after a cancellation: true
}
