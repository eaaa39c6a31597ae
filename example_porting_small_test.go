package aio_test

// The Go code of the section "Smaller idioms" of docs/idioms.md, which contains it word
// for word.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

func Example_portingDecorator() {
	errNet := errors.New("no network")
	retry := func(times int, f aio.Coro[string]) aio.Coro[string] {
		return func(ctx context.Context) (string, error) {
			for attempt := range times {
				text, err := f(ctx)
				if !errors.Is(err, errNet) {
					return text, err
				}
				fmt.Println("failed", attempt+1)
			}
			return "", errNet
		}
	}
	calls := 0
	fetch := retry(3, func(context.Context) (string, error) {
		calls++
		if calls < 3 {
			return "", errNet
		}
		return "page", nil
	})
	err := aio.Run(func(ctx context.Context) error {
		text, err := aio.CreateTask(ctx, fetch).Await(ctx)
		fmt.Println(text)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// failed 1
	// failed 2
	// page
}

func Example_portingOrderedTasks() {
	err := aio.Run(func(ctx context.Context) error {
		var names []string // their order
		tasks := map[string]*aio.Task[int]{}
		for _, name := range []string{"one", "three", "fifteen"} {
			names = append(names, name)
			tasks[name] = aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				return len(name), aio.Sleep(ctx, 0)
			})
		}
		for _, name := range names {
			n, err := tasks[name].Await(ctx)
			if err != nil {
				return err
			}
			fmt.Println(name, n)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// one 3
	// three 5
	// fifteen 7
}

func Example_portingListeners() {
	listeners := map[*aio.Queue[string]]struct{}{}
	listen := func(ctx context.Context) error {
		news := aio.NewQueue[string](0)
		listeners[news] = struct{}{}
		defer delete(listeners, news)
		text, err := news.Get(ctx)
		fmt.Println("heard", text)
		return err
	}
	err := aio.Run(func(ctx context.Context) error {
		task := aio.CreateTask(ctx, aio.NoResult(listen))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		fmt.Println(len(listeners))
		for news := range listeners {
			if err := news.PutNowait("hello"); err != nil {
				return err
			}
		}
		_, err := task.Await(ctx)
		fmt.Println(len(listeners))
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1
	// heard hello
	// 0
}

func Example_portingYieldInGroup() {
	ticks := func(ctx context.Context, yield func(int) bool) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(context.Context) error {
				fmt.Println("beside")
				return nil
			})
			for n := range 3 {
				if !yield(n) {
					return nil
				}
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := aio.Run(func(ctx context.Context) error {
		return ticks(ctx, func(n int) bool {
			fmt.Println(n)
			return true
		})
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 0
	// beside
	// 1
	// 2
}

func Example_portingWhoseCancellation() {
	wait := aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
	ask := func(other *aio.Task[struct{}]) aio.Coro[struct{}] {
		return aio.NoResult(func(ctx context.Context) error {
			_, err := other.Await(ctx)
			if !errors.Is(err, aio.ErrCancelled) {
				return err
			}
			if aio.CurrentTask(ctx).Cancelling() > 0 {
				fmt.Println("I was cancelled")
				return err
			}
			fmt.Println("the other one was cancelled")
			return nil
		})
	}
	err := aio.Run(func(ctx context.Context) error {
		other := aio.CreateTask(ctx, wait)
		me := aio.CreateTask(ctx, ask(other))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		other.Cancel()
		if _, err := me.Await(ctx); err != nil {
			return err
		}
		me = aio.CreateTask(ctx, ask(aio.CreateTask(ctx, wait)))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		me.Cancel()
		_, err := me.Await(ctx)
		if errors.Is(err, aio.ErrCancelled) {
			fmt.Println("cancelled")
			return nil
		}
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// the other one was cancelled
	// I was cancelled
	// cancelled
}
