package aio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/goaio/aio"
)

// A callback sets the result of a future. The task that awaits it continues in the next
// pass of the loop.
func ExampleFuture() {
	_ = aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		answer := aio.CreateFuture[int](ctx)
		loop.CallLater(time.Millisecond, func() { _ = answer.SetResult(42) })
		fmt.Println(answer.Result()) // not yet
		fmt.Println(answer.Await(ctx))
		fmt.Println(answer.SetResult(43)) // once only
		return nil
	})
	// Output:
	// 0 aio: invalid state: the result is not available yet
	// 42 <nil>
	// aio: invalid state: SetResult: the future is done
}

// AddDoneCallback returns a value that identifies the callback, to remove it.
func ExampleDoneCallback() {
	_ = aio.Run(func(ctx context.Context) error {
		task := aio.CreateTask(ctx, say("tea", 0))
		task.AddDoneCallback(func(f *aio.Future[string]) { fmt.Println(f.Result()) })
		second := task.AddDoneCallback(func(*aio.Future[string]) { fmt.Println("never called") })
		fmt.Println(task.RemoveDoneCallback(second), task.RemoveDoneCallback(second))
		_, err := task.Await(ctx)
		return err
	})
	// Output:
	// true false
	// tea <nil>
}

// Any goroutine can wait for the result, with select or with Result.
func ExampleConcurrentFuture() {
	loop, stop := aio.StartLoop(nil)
	slow := aio.RunCoroutineThreadsafe(loop, say("slow", time.Hour))
	fast := aio.RunCoroutineThreadsafe(loop, say("fast", 0))
	select {
	case <-slow.Done():
		fmt.Println("cannot be")
	case <-fast.Done():
		fmt.Println(fast.Result(context.Background()))
	}
	slow.Cancel() // cancels the task
	_, err := slow.Result(context.Background())
	fmt.Println(err)
	fmt.Println(stop())
	// Output:
	// fast <nil>
	// aio: cancelled
	// <nil>
}

// A goroutine passes its result to a task, and learns whether the task still wants it.
func ExampleNewConcurrentFuture() {
	answer, gone := aio.NewConcurrentFuture[int](), make(chan error)
	go func() {
		<-answer.Done()              // the timeout cancels the future
		gone <- answer.SetResult(42) // too late
	}()
	_ = aio.Run(func(ctx context.Context) error {
		_, err := aio.WaitFor(ctx, aio.WrapFuture(ctx, answer), time.Millisecond)
		fmt.Println(err)
		return nil
	})
	fmt.Println(errors.Is(<-gone, aio.ErrInvalidState))
	// Output:
	// aio: timed out
	// true
}

// All yields the futures one after another to one task. After a break, another range
// over All continues.
func ExampleCompletedIterator_All() {
	_ = aio.Run(func(ctx context.Context) error {
		var tasks []*aio.Task[string]
		for i, name := range []string{"c", "b", "a"} {
			tasks = append(tasks, aio.CreateTask(ctx, say(name, time.Duration(3-i)*time.Millisecond)))
		}
		rest := aio.AsCompleted(ctx, tasks, time.Minute)
		for task, err := range rest.All(ctx) {
			if err != nil { // ErrTimeout, or a cancellation
				return err
			}
			fmt.Println(task.Result())
			break
		}
		for task := range rest.All(ctx) {
			fmt.Println("later:", task.GetName())
		}
		return nil
	})
	// Output:
	// a <nil>
	// later: Task-3
	// later: Task-2
}

// Next returns coroutines, each of which returns the next future that is done, in
// whichever task it runs.
func ExampleCompletedIterator_Next() {
	_ = aio.Run(func(ctx context.Context) error {
		tasks := []*aio.Task[string]{
			aio.CreateTask(ctx, say("slow", 2*time.Millisecond)),
			aio.CreateTask(ctx, say("fast", time.Millisecond)),
		}
		for next := range aio.AsCompleted(ctx, tasks, aio.NoTimeout).Next() {
			task, err := next(ctx)
			if err != nil {
				return err
			}
			fmt.Println(task.Result())
		}
		return nil
	})
	// Output:
	// fast <nil>
	// slow <nil>
}

// countdown is a user-defined Awaitable.
type countdown int

func (c countdown) Await(ctx context.Context) (string, error) {
	for ; c > 0; c-- {
		if err := aio.Sleep(ctx, time.Millisecond); err != nil {
			return "", err
		}
	}
	return "lift-off", nil
}

// A type with a method Await can be passed to Gather, WaitFor, Shield and EnsureFuture.
func ExampleAwaitable() {
	_ = aio.Run(func(ctx context.Context) error {
		fmt.Println(aio.Gather(ctx, say("ignition", 0), countdown(3)).Await(ctx))
		_, err := aio.WaitFor(ctx, countdown(1_000_000), time.Millisecond)
		fmt.Println(err)
		return nil
	})
	// Output:
	// [ignition lift-off] <nil>
	// aio: timed out
}

// In Go a slice of tasks is not a slice of Awaitables, so its elements are copied into
// one.
func ExampleAwaitable_slice() {
	_ = aio.Run(func(ctx context.Context) error {
		var all []aio.Awaitable[string]
		for _, name := range []string{"a", "b", "c"} {
			all = append(all, aio.CreateTask(ctx, say(name, 0)))
		}
		fmt.Println(aio.Gather(ctx, all...).Await(ctx))
		return nil
	})
	// Output: [a b c] <nil>
}

// upper is a task with another result: functions that take futures use the result of
// its methods.
type upper struct{ *aio.Task[string] }

func (u upper) Result() (string, error) {
	s, err := u.Task.Result()
	return strings.ToUpper(s), err
}

func (u upper) Await(ctx context.Context) (string, error) {
	s, err := u.Task.Await(ctx)
	return strings.ToUpper(s), err
}

func ExampleFutureLike() {
	_ = aio.Run(func(ctx context.Context) error {
		quiet := aio.CreateTask(ctx, say("hello", 0))
		var loud aio.FutureLike[string] = upper{quiet}
		fmt.Println(aio.Gather(ctx, aio.Awaitable[string](quiet), loud).Await(ctx))
		return nil
	})
	// Output: [hello HELLO] <nil>
}

// Wait for futures with results of different types, until one of them fails.
func ExampleAnyFuture() {
	_ = aio.Run(func(ctx context.Context) error {
		fs := []aio.AnyFuture{
			aio.CreateTask(ctx, returns(42)),
			aio.CreateTask(ctx, refuse),
			aio.CreateTask(ctx, say("never", time.Hour), aio.WithName("slow")),
		}
		done, pending, err := aio.Wait(ctx, fs, aio.NoTimeout, aio.FirstException)
		for _, f := range done {
			fmt.Println(f.Exception())
		}
		fmt.Println(pending, err)
		return nil
	})
	// Output:
	// <nil>
	// refused
	// [Task slow pending, awaiting Sleep] <nil>
}

// A timeout whose state can be read afterwards: did it expire?
func ExampleTimeoutScope() {
	_ = aio.Run(func(ctx context.Context) error {
		limit := aio.NewTimeout(time.Millisecond)
		err := limit.Run(ctx, func(ctx context.Context) error {
			err := aio.Sleep(ctx, time.Hour)
			fmt.Println("in the body:", err)
			return err
		})
		fmt.Println("outside:", err, limit.Expired())
		return nil
	})
	// Output:
	// in the body: aio: cancelled
	// outside: aio: timed out true
}

// Two steps share one deadline: the second step gets the time that the first one
// leaves.
func ExampleNewTimeoutAt() {
	_ = aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		deadline := loop.Time().Add(5 * time.Millisecond)
		for _, step := range []time.Duration{0, time.Hour} {
			limit := aio.NewTimeoutAt(deadline)
			err := limit.Run(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, step) })
			fmt.Println(err, limit.When().Equal(deadline))
		}
		return nil
	})
	// Output:
	// <nil> true
	// aio: timed out true
}

// A task group can be passed to functions, which start tasks in it.
func ExampleTaskGroup() {
	serve := func(tg *aio.TaskGroup, name string) {
		tg.Go(func(ctx context.Context) error {
			err := aio.Sleep(ctx, time.Hour)
			fmt.Println(name, "ends:", errors.Is(err, aio.ErrCancelled))
			return err
		})
	}
	err := aio.Run(func(ctx context.Context) error {
		var tg aio.TaskGroup
		return tg.Run(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			serve(tg, "http")
			serve(tg, "metrics")
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			return errors.New("no database")
		})
	})
	fmt.Println(err)
	// Output:
	// http ends: true
	// metrics ends: true
	// aio: errors in a task group (1): no database
}

// Tasks with results: they are available when the group has ended.
func ExampleGoResult() {
	_ = aio.Run(func(ctx context.Context) error {
		var name *aio.Task[string]
		var size *aio.Task[int]
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			name = aio.GoResult(tg, say("report.pdf", time.Millisecond))
			size = aio.GoResult(tg, returns(4096))
			return nil
		})
		if err != nil {
			return err
		}
		// the group returned no error, so its tasks have none
		n, _ := name.Result()
		s, _ := size.Result()
		fmt.Println(n, s)
		return nil
	})
	// Output: report.pdf 4096
}

// An orderly shutdown: all other tasks are cancelled and awaited.
func ExampleAllTasks() {
	_ = aio.Run(func(ctx context.Context) error {
		aio.CreateTask(ctx, say("a", time.Hour), aio.WithName("a"))
		aio.CreateTask(ctx, say("b", time.Hour), aio.WithName("b"))
		var others []aio.AnyTask
		for _, task := range aio.AllTasks(ctx) {
			if task != aio.CurrentTask(ctx) {
				task.Cancel()
				others = append(others, task)
			}
		}
		done, _, err := aio.Wait(ctx, others, aio.NoTimeout, aio.AllCompleted)
		for _, task := range done {
			fmt.Println(task.GetName(), task.Cancelled())
		}
		return err
	})
	// Output:
	// a true
	// b true
}

// The reason of a cancellation: Cancel can pass a message, a context its cause.
func ExampleCancelledError() {
	errQuota := errors.New("no quota left")
	_ = aio.Run(func(ctx context.Context) error {
		var c *aio.CancelledError
		task := aio.CreateTask(ctx, say("never", time.Hour))
		task.Cancel("too slow")
		_, err := task.Await(ctx)
		fmt.Println(errors.As(err, &c), c.Message)

		// The await fails because the derived context is done; the task is not
		// cancelled.
		limited, cancel := context.WithCancelCause(ctx)
		cancel(errQuota)
		err = aio.Sleep(limited, time.Hour)
		fmt.Println(errors.As(err, &c), errors.Is(err, context.Canceled), errors.Is(err, errQuota))
		return nil
	})
	// Output:
	// true too slow
	// false true true
}

// A panic ends the task but not the program. If the panic value is an error, the error
// of the task wraps it.
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

// Handles each error of a group.
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

// Two tasks that wait for each other never continue. Cancelling one of them returns the
// cycle as an error.
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

// If a stream ends within a message, the error contains the part that was read.
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
		fmt.Println(errors.Is(err, io.EOF)) // io.EOF only if no byte was left
		return nil
	})
	// Output:
	// "abc" of 8 bytes
	// true false
	// true
}

// A record longer than the limit can be read in parts.
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

// A custom exception handler gets the errors of tasks that are never awaited.
func ExampleExceptionContext() {
	loop := aio.NewEventLoop(nil)
	loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
		fmt.Printf("%s: %v\n", ec.Message, ec.Err)
	})
	_, _ = aio.RunUntilComplete(loop, aio.NoResult(func(ctx context.Context) error {
		aio.CreateTask(ctx, refuse, aio.WithName("fetch"))
		return aio.Sleep(ctx, 0)
	}))
	_ = loop.Close() // reports the error, if this was not done before
	// Output: task fetch: error was never retrieved: refused
}
