package aio_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

func ExampleMoveOnAfter() {
	err := aio.Run(func(ctx context.Context) error {
		answers := 0
		timedOut, err := aio.MoveOnAfter(ctx, 10*time.Millisecond, func(ctx context.Context) error {
			for {
				answers++
				if err := aio.Sleep(ctx, 4*time.Millisecond); err != nil {
					return err
				}
			}
		})
		fmt.Println(timedOut, err, answers > 0)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: true <nil> true
}

func ExampleFailAfter() {
	err := aio.Run(func(ctx context.Context) error {
		return aio.FailAfter(ctx, time.Millisecond, func(ctx context.Context) error {
			return aio.Sleep(ctx, time.Hour)
		})
	})
	fmt.Println(err == aio.ErrTimeout)
	// Output: true
}

func ExampleCancelScope() {
	err := aio.Run(func(ctx context.Context) error {
		var scope aio.CancelScope
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			scope.Cancel("shutting down")
			return nil
		}), aio.WithName("operator"))
		err := scope.Run(ctx, func(ctx context.Context) error {
			for range 2 { // every await fails, not only the first
				err := aio.Sleep(ctx, time.Hour)
				var c *aio.CancelledError
				if errors.As(err, &c) {
					fmt.Println(c, "by", c.By)
				}
			}
			return aio.Sleep(ctx, 0)
		})
		fmt.Println(err, scope.Caught())
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// aio: cancelled: shutting down by operator
	// aio: cancelled: shutting down by operator
	// <nil> true
}

func ExampleShielded() {
	err := aio.Run(func(ctx context.Context) error {
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			defer func() {
				_ = aio.Shielded(ctx, func(ctx context.Context) error {
					err := aio.Sleep(ctx, time.Millisecond)
					fmt.Println("saved:", err)
					return err
				})
			}()
			return aio.Sleep(ctx, time.Hour)
		}))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		task.Cancel()
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		task.Cancel() // while it cleans up
		_, err := task.Await(ctx)
		fmt.Println(err)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// saved: <nil>
	// aio: cancelled
}

func ExampleCancelAndWait() {
	err := aio.Run(func(ctx context.Context) error {
		heartbeat := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			defer fmt.Println("heartbeat ended")
			for {
				if err := aio.Sleep(ctx, time.Hour); err != nil {
					return err
				}
			}
		}))
		defer aio.CancelAndWait(ctx, heartbeat)
		if err := aio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		fmt.Println("work done")
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// work done
	// heartbeat ended
}
