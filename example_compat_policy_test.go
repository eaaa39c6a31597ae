package aio_test

import (
	"context"
	"fmt"

	"github.com/goaio/aio"
)

// A program that was ported line by line. With Run it needs no current loop.
func ExampleGetEventLoop() {
	l := aio.NewEventLoop(nil)
	defer l.Close()
	aio.SetEventLoop(l)
	defer aio.SetEventLoop(nil)

	current, err := aio.GetEventLoop(context.Background())
	fmt.Println(current == l, err)
	_, err = aio.RunUntilComplete(l, aio.Coro[int](func(ctx context.Context) (int, error) {
		running, err := aio.GetEventLoop(ctx)
		fmt.Println(running == l, err)
		return 0, err
	}))
	fmt.Println(err)
	// Output:
	// true <nil>
	// true <nil>
	// <nil>
}

// virtualPolicy has loops live in a time of their own.
type virtualPolicy struct{ aio.DefaultEventLoopPolicy }

func (*virtualPolicy) NewEventLoop() *aio.Loop {
	return aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
}

// A policy of the program's own is heeded where it is asked.
func ExampleSetEventLoopPolicy() {
	aio.SetEventLoopPolicy(&virtualPolicy{})
	defer aio.SetEventLoopPolicy(nil)

	runner := aio.Runner{LoopFactory: aio.GetEventLoopPolicy().NewEventLoop}
	defer runner.Close()
	err := runner.Run(func(ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		fmt.Println(l.Time().Format("2006-01-02"))
		return err
	})
	fmt.Println(err)
	// Output:
	// 2000-01-01
	// <nil>
}
