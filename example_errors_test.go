package aio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/goaio/aio"
)

// Why was it cancelled? A message comes from Cancel, a cause from the context that ended.
func ExampleCancelledError() {
	errQuota := errors.New("no quota left")
	_ = aio.Run(func(ctx context.Context) error {
		var c *aio.CancelledError
		task := aio.CreateTask(ctx, say("never", time.Hour))
		task.Cancel("too slow")
		_, err := task.Await(ctx)
		fmt.Println(errors.As(err, &c), c.Message, c.Cause)

		limited, cancel := context.WithCancelCause(ctx)
		cancel(errQuota)
		err = aio.Sleep(limited, time.Hour)
		fmt.Println(errors.As(err, &c), c.Message, c.Cause, errors.Is(err, errQuota))
		return nil
	})
	// Output:
	// true too slow <nil>
	// true <nil> no quota left true
}

// A panic ends the task, not the program. If its value is an error it can be found in the task's.
func ExamplePanicError() {
	_ = aio.Run(func(ctx context.Context) error {
		_, err := aio.CreateTask(ctx, func(context.Context) (int, error) {
			panic(fmt.Errorf("config: %w", fs.ErrNotExist))
		}).Await(ctx)
		var p *aio.PanicError
		if errors.As(err, &p) {
			fmt.Println(p.Value)
			fmt.Println(len(p.Stack) > 0, errors.Is(err, fs.ErrNotExist))
		}
		return nil
	})
	// Output:
	// config: file does not exist
	// true true
}

// Each error of a group is looked at.
func ExampleGroupError_Unwrap() {
	errDisk := errors.New("disk full")
	_ = aio.Run(func(ctx context.Context) error {
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(context.Context) error { return fmt.Errorf("save: %w", errDisk) })
			tg.Go(func(context.Context) error { panic("a bug") })
			return nil
		})
		var group *aio.GroupError
		var bug *aio.PanicError
		if errors.As(err, &group) {
			fmt.Println(len(group.Errors), group.Errors[0])
		}
		fmt.Println(errors.Is(err, errDisk), errors.As(err, &bug), bug.Value)
		return nil
	})
	// Output:
	// 2 save: disk full
	// true true a bug
}

// Two tasks that wait for each other can never go on. Cancelling one of them tells.
func ExampleAwaitCycleError() {
	_ = aio.Run(func(ctx context.Context) error {
		var egg, hen *aio.Task[int]
		egg = aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return hen.Await(ctx) }, aio.WithName("egg"))
		hen = aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return egg.Await(ctx) }, aio.WithName("hen"))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		defer func() {
			var cycle *aio.AwaitCycleError
			if err, ok := recover().(error); ok && errors.As(err, &cycle) {
				fmt.Println(cycle.Cycle)
			}
		}()
		hen.Cancel()
		return nil
	})
	// Output: [hen egg]
}

// A stream that ends in the middle of a message gives what there is of it.
func ExampleIncompleteReadError() {
	_ = aio.Run(func(ctx context.Context) error {
		r := aio.NewStreamReader(ctx, 0)
		r.FeedData([]byte("abc"))
		r.FeedEOF()
		_, err := r.ReadExactly(ctx, 8)
		var short *aio.IncompleteReadError
		if errors.As(err, &short) {
			fmt.Printf("%q of %d bytes\n", short.Partial, short.Expected)
		}
		fmt.Println(errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF))
		_, err = r.ReadExactly(ctx, 8)
		fmt.Println(errors.Is(err, io.EOF)) // nothing at all is left
		return nil
	})
	// Output:
	// "abc" of 8 bytes
	// true false
	// true
}

// What is longer than the limit is taken in parts.
func ExampleLimitOverrunError() {
	_ = aio.Run(func(ctx context.Context) error {
		r := aio.NewStreamReader(ctx, 8)
		r.FeedData([]byte("a long record; a short one;"))
		var record []byte
		for {
			part, err := r.ReadUntil(ctx, []byte(";"))
			var long *aio.LimitOverrunError
			if !errors.As(err, &long) {
				fmt.Printf("%s%s %v\n", record, part, err)
				return nil
			}
			if part, err = r.ReadExactly(ctx, long.Consumed); err != nil {
				return err
			}
			record = append(record, part...)
		}
	})
	// Output: a long record; <nil>
}

// A handler of one's own is told of errors that nobody waits for.
func ExampleExceptionContext() {
	loop := aio.NewEventLoop(nil)
	loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
		fmt.Printf("%s: %v\n", ec.Message, ec.Err)
	})
	_, _ = aio.RunUntilComplete(loop, aio.NoResult(func(ctx context.Context) error {
		aio.CreateTask(ctx, refuse, aio.WithName("fetch"))
		return aio.Sleep(ctx, 0)
	}))
	_ = loop.Close() // at the latest
	// Output: task fetch: error was never retrieved: refused
}
