package aio_test

// More Go examples of docs/idioms.md: timeouts, results in order of completion, events,
// conditions, executors and datagrams.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/goaio/aio"
)

func Example_portingWaitFor() {
	fetch := func(ctx context.Context) (string, error) {
		defer fmt.Println("fetch has ended")
		return "page", aio.Sleep(ctx, time.Hour)
	}
	err := aio.Run(func(ctx context.Context) error {
		_, err := aio.WaitFor(ctx, aio.Coro[string](fetch), time.Millisecond)
		if errors.Is(err, aio.ErrTimeout) {
			fmt.Println("timed out")
			return nil
		}
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// fetch has ended
	// timed out
}

func Example_portingAsCompleted() {
	fetch := func(page string, delay time.Duration) aio.Coro[string] {
		return func(ctx context.Context) (string, error) {
			return page, aio.Sleep(ctx, delay)
		}
	}
	err := aio.Run(func(ctx context.Context) error {
		tasks := []*aio.Task[string]{
			aio.CreateTask(ctx, fetch("slow", 20*time.Millisecond)),
			aio.CreateTask(ctx, fetch("fast", time.Millisecond)),
		}
		for task, err := range aio.AsCompleted(ctx, tasks, aio.NoTimeout).All(ctx) {
			if err != nil {
				return err
			}
			page, err := task.Result()
			if err != nil {
				return err
			}
			fmt.Println(page)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// fast
	// slow
}

func Example_portingEvent() {
	err := aio.Run(func(ctx context.Context) error {
		var ready aio.Event
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for i := range 2 {
				tg.Go(func(ctx context.Context) error {
					if err := ready.Wait(ctx); err != nil {
						return err
					}
					fmt.Println("task", i, "continues")
					return nil
				})
			}
			if err := aio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
			fmt.Println("ready")
			ready.Set()
			return nil
		})
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// ready
	// task 0 continues
	// task 1 continues
}

func Example_portingCondition() {
	err := aio.Run(func(ctx context.Context) error {
		var changed aio.Condition
		level := 0
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error {
				return changed.With(ctx, func(ctx context.Context) error {
					if err := changed.WaitFor(ctx, func() bool { return level >= 2 }); err != nil {
						return err
					}
					fmt.Println("the level is", level)
					return nil
				})
			})
			for range 3 {
				if err := aio.Sleep(ctx, time.Millisecond); err != nil {
					return err
				}
				err := changed.With(ctx, func(context.Context) error {
					level++
					changed.NotifyAll()
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: the level is 2
}

func Example_portingExecutor() {
	fib := func(n int) (int, error) {
		a, b := 0, 1
		for range n {
			a, b = b, a+b
		}
		return a, nil
	}
	pool := aio.NewThreadPoolExecutor(2)
	defer pool.Shutdown(true)
	err := aio.Run(func(ctx context.Context) error {
		x := aio.RunInExecutor(ctx, pool, func() (int, error) { return fib(30) })
		y := aio.RunInExecutor(ctx, pool, func() (int, error) { return fib(40) })
		both, err := aio.Gather(ctx, aio.Awaitable[int](x), aio.Awaitable[int](y)).Await(ctx)
		if err != nil {
			return err
		}
		fmt.Println(both[0], both[1])
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: 832040 102334155
}

// capitals answers each datagram in upper case.
type capitals struct{ t aio.DatagramTransport }

func (c *capitals) ConnectionMade(t aio.DatagramTransport) { c.t = t }
func (c *capitals) DatagramReceived(p []byte, from net.Addr) {
	_ = c.t.SendTo(bytes.ToUpper(p), from)
}

// question keeps the first datagram that it receives.
type question struct{ answer *aio.Future[string] }

func (q *question) DatagramReceived(p []byte, from net.Addr) {
	if err := q.answer.SetResult(string(p)); err != nil {
		panic(err) // it is already set: reported, as in Python
	}
}

func Example_portingDatagrams() {
	err := aio.Run(func(ctx context.Context) error {
		server, _, err := aio.CreateDatagramEndpoint(ctx, func() *capitals { return &capitals{} },
			&aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		defer server.Close()
		addr := server.GetExtraInfo("sockname").(net.Addr).String()
		client, q, err := aio.CreateDatagramEndpoint(ctx, func() *question {
			return &question{answer: aio.CreateFuture[string](ctx)}
		}, &aio.DatagramOptions{RemoteAddr: addr})
		if err != nil {
			return err
		}
		defer client.Close()
		if err := client.SendTo([]byte("hello"), nil); err != nil {
			return err
		}
		answer, err := q.answer.Await(ctx)
		fmt.Println(answer)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: HELLO
}
