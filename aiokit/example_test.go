package aiokit_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiokit"
)

// simulate runs main with a virtual clock and prints its error.
func simulate(main func(ctx context.Context) error) {
	loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer loop.Close()
	if _, err := aio.RunUntilComplete(loop, aio.NoResult(main)); err != nil {
		fmt.Println(err)
	}
}

func ExampleRetry() {
	simulate(func(ctx context.Context) error {
		calls := 0
		return aiokit.Retry(ctx, &aiokit.RetryOptions{Attempts: 3}, func(ctx context.Context) error {
			calls++
			fmt.Println("call", calls)
			return errors.New("connection refused")
		})
	})
	// Output:
	// call 1
	// call 2
	// call 3
	// aiokit: after 3 attempts: connection refused
}

func ExampleRetryResult() {
	simulate(func(ctx context.Context) error {
		busy := true
		page, err := aiokit.RetryResult(ctx, nil, func(ctx context.Context) (string, error) {
			if busy {
				busy = false
				return "", errors.New("busy")
			}
			return "page", nil
		})
		fmt.Println(page)
		return err
	})
	// Output: page
}

func ExampleNewBackoff() {
	simulate(func(ctx context.Context) error {
		pauses, err := aiokit.NewBackoff(ctx, &aiokit.RetryOptions{Attempts: 2})
		for err == nil {
			// a real client would read here until the connection is lost
			fmt.Println("connecting")
			err = pauses.Wait(ctx, errors.New("connection lost"))
		}
		return err
	})
	// Output:
	// connecting
	// connecting
	// aiokit: after 2 attempts: connection lost
}

func ExampleEvery() {
	simulate(func(ctx context.Context) error {
		timedOut, err := aio.MoveOnAfter(ctx, 3*time.Minute+time.Second, func(ctx context.Context) error {
			return aiokit.Every(ctx, time.Minute, func(ctx context.Context) error {
				fmt.Println("flush")
				return nil
			})
		})
		fmt.Println(timedOut)
		return err
	})
	// Output:
	// flush
	// flush
	// flush
	// true
}

func ExampleRateLimiter() {
	simulate(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		start := loop.Time()
		limiter := aiokit.NewRateLimiter(2, time.Second)
		for range 4 {
			if err := limiter.Wait(ctx); err != nil {
				return err
			}
			fmt.Println(loop.Time().Sub(start))
		}
		return nil
	})
	// Output:
	// 0s
	// 0s
	// 500ms
	// 1s
}

func ExampleCapacityLimiter() {
	simulate(func(ctx context.Context) error {
		limiter := aiokit.NewCapacityLimiter(2)
		return limiter.With(ctx, func(ctx context.Context) error {
			fmt.Println(limiter.Borrowed(), "of", limiter.Total())
			return nil
		})
	})
	// Output: 1 of 2
}

func ExamplePool() {
	simulate(func(ctx context.Context) error {
		dialled := 0
		pool := aiokit.NewPool(aiokit.PoolOptions[string]{
			Open: func(ctx context.Context) (string, error) {
				dialled++
				return fmt.Sprint("connection ", dialled), nil
			},
			Max: 5,
		})
		defer pool.Close(ctx)
		for range 2 {
			err := pool.With(ctx, func(ctx context.Context, conn string) error {
				fmt.Println(conn)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	// Output:
	// connection 1
	// connection 1
}

func ExampleWithExitStack() {
	simulate(func(ctx context.Context) error {
		var lock aio.Lock
		return aiokit.WithExitStack(ctx, func(ctx context.Context, s *aiokit.ExitStack) error {
			// await stack.enter_async_context(lock)
			ctx, err := s.Enter(ctx, lock.With)
			if err != nil {
				return err
			}
			for _, name := range []string{"a", "b"} {
				s.Push(func(ctx context.Context) error {
					fmt.Println("close", name, "locked:", lock.Locked())
					return nil
				})
			}
			return aio.Sleep(ctx, time.Second)
		})
	})
	// Output:
	// close b locked: true
	// close a locked: true
}

func ExampleNewMemoryChannel() {
	simulate(func(ctx context.Context) error {
		send, receive := aiokit.NewMemoryChannel[string](0)
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for _, name := range []string{"a", "b"} {
				end := send.Clone()
				tg.Go(func(ctx context.Context) error {
					defer end.Close()
					return end.Send(ctx, "from "+name)
				})
			}
			send.Close()
			for item, err := range receive.All(ctx) {
				// err is not nil once all senders are closed
				if err != nil {
					return err
				}
				fmt.Println(item)
			}
			return nil
		})
	})
	// Output:
	// from a
	// from b
}
