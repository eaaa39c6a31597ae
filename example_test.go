package aio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/goaio/aio"
)

// say returns a coroutine that sleeps and returns its name.
func say(name string, d time.Duration) aio.Coro[string] {
	return func(ctx context.Context) (string, error) {
		if err := aio.Sleep(ctx, d); err != nil {
			return "", err
		}
		return name, nil
	}
}

// refuse is a coroutine that fails.
var refuse aio.Coro[string] = func(context.Context) (string, error) { return "", errors.New("refused") }

func Example() {
	err := aio.Run(func(ctx context.Context) error {
		names, err := aio.Gather(ctx, say("a", 2*time.Millisecond), say("b", time.Millisecond)).Await(ctx)
		fmt.Println(names, err)

		task := aio.CreateTask(ctx, say("c", time.Hour), aio.WithName("c"))
		task.Cancel("changed my mind")
		_, err = task.Await(ctx)
		fmt.Println(errors.Is(err, aio.ErrCancelled), err)
		return nil
	})
	fmt.Println(err)
	// Output:
	// [a b] <nil>
	// true aio: cancelled: changed my mind
	// <nil>
}

// Two tasks share a variable without a lock: nothing else runs between two awaits.
func Example_sharedState() {
	counter := 0
	work := func(ctx context.Context) error {
		for range 1000 {
			before := counter
			counter = before + 1 // no await in between
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		return nil
	}
	err := aio.Run(func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(work)
			tg.Go(work)
			return nil
		})
	})
	fmt.Println(counter, err)
	// Output: 2000 <nil>
}

// The classic race condition: between reading and writing, an await lets other tasks
// run.
func Example_lostUpdate() {
	counter := 0
	broken := func(ctx context.Context) error {
		before := counter
		if err := aio.Sleep(ctx, 0); err != nil { // the other task runs here
			return err
		}
		counter = before + 1
		return nil
	}
	var lock aio.Lock
	fixed := func(ctx context.Context) error { return lock.With(ctx, broken) }
	for _, work := range []func(context.Context) error{broken, fixed} {
		counter = 0
		err := aio.Run(func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(work)
				tg.Go(work)
				return nil
			})
		})
		fmt.Println(counter, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
}

func ExampleRun() {
	err := aio.Run(func(ctx context.Context) error {
		fmt.Println("hello")
		return aio.Sleep(ctx, time.Millisecond)
	})
	fmt.Println(err)
	// Output:
	// hello
	// <nil>
}

// A Runner keeps its loop between calls of Run.
func ExampleRunner() {
	var r aio.Runner
	defer r.Close()
	var task *aio.Task[string]
	_ = r.Run(func(ctx context.Context) error {
		task = aio.CreateTask(ctx, say("later", 0))
		return nil
	})
	_ = r.Run(func(ctx context.Context) error {
		fmt.Println(task.Await(ctx))
		return nil
	})
	// Output: later <nil>
}

func ExampleRunUntilComplete() {
	loop := aio.NewEventLoop(nil)
	defer loop.Close()
	fmt.Println(aio.RunUntilComplete(loop, say("done", time.Millisecond)))
	// Output: done <nil>
}

// With a virtual clock an hour passes at once.
func ExampleNewEventLoop_virtualClock() {
	loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer loop.Close()
	start := loop.Time()
	name, err := aio.RunUntilComplete(loop, say("patience", time.Hour))
	fmt.Println(name, err, loop.Time().Sub(start))
	// Output: patience <nil> 1h0m0s
}

// A loop with a virtual clock detects deadlocks and reports which task waits for what.
func ExampleDeadlockError() {
	loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer loop.Close()
	loop.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
	_, err := aio.RunUntilComplete(loop, aio.Coro[string](func(ctx context.Context) (string, error) {
		return aio.CreateFuture[string](ctx).Await(ctx)
	}))
	fmt.Println(err)
	// Output:
	// aio: deadlock: 1 task waits and nothing can wake it
	// 	Task Task-1 pending, awaiting Future
}

func ExampleLoop_CallSoon() {
	loop := aio.NewEventLoop(nil)
	defer loop.Close()
	loop.CallSoon(func() { fmt.Println("first") })
	loop.CallSoon(func() { fmt.Println("second") }).Cancel()
	loop.CallSoon(loop.Stop)
	fmt.Println(loop.RunForever())
	// Output:
	// first
	// <nil>
}

func ExampleLoop_CallLater() {
	loop := aio.NewEventLoop(nil)
	defer loop.Close()
	loop.CallLater(2*time.Millisecond, loop.Stop)
	loop.CallLater(time.Millisecond, func() { fmt.Println("tick") })
	fmt.Println(loop.RunForever())
	// Output:
	// tick
	// <nil>
}

func ExampleLoop_CallSoonThreadsafe() {
	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		ready := aio.CreateFuture[string](ctx)
		go func() { // any goroutine may do this at any time
			loop.CallSoonThreadsafe(func() { _ = ready.SetResult("from outside") })
		}()
		fmt.Println(ready.Await(ctx))
		return nil
	})
	fmt.Println(err)
	// Output:
	// from outside <nil>
	// <nil>
}

func ExampleLoop_SetExceptionHandler() {
	_ = aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
			var p *aio.PanicError
			if errors.As(ec.Err, &p) {
				fmt.Println(p.Value)
			}
		})
		loop.CallSoon(func() { panic("oops") })
		return aio.Sleep(ctx, 0)
	})
	// Output: oops
}

func ExampleCreateTask() {
	_ = aio.Run(func(ctx context.Context) error {
		task := aio.CreateTask(ctx, say("result", 0), aio.WithName("fetcher"))
		fmt.Println(task)
		fmt.Println(task.Await(ctx))
		fmt.Println(task)
		return nil
	})
	// Output:
	// Task fetcher pending
	// result <nil>
	// Task fetcher finished
}

// A cancelled task can read the reason, clean up, and should return the error.
func ExampleTask_Cancel() {
	_ = aio.Run(func(ctx context.Context) error {
		task := aio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			err := aio.Sleep(ctx, time.Hour)
			fmt.Println("cleaning up:", err)
			return "", err
		})
		_ = aio.Sleep(ctx, 0) // until the task sleeps
		fmt.Println(task.Cancel("enough"), task.Cancelled())
		_, err := task.Await(ctx)
		fmt.Println(errors.Is(err, context.Canceled), task.Cancelled())
		return nil
	})
	// Output:
	// true false
	// cleaning up: aio: cancelled: enough
	// true true
}

func ExampleWithEagerStart() {
	_ = aio.Run(func(ctx context.Context) error {
		task := aio.CreateTask(ctx, returns("at once"), aio.WithEagerStart(true))
		fmt.Println(task.Done())
		fmt.Println(task.Result())
		return nil
	})
	// Output:
	// true
	// at once <nil>
}

func ExampleLoop_SetTaskFactory() {
	_ = aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		loop.SetTaskFactory(aio.EagerTaskFactory)
		fmt.Println(aio.CreateTask(ctx, returns(1)).Done())
		return nil
	})
	// Output: true
}

func ExampleCreateFuture() {
	_ = aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		future := aio.CreateFuture[int](ctx)
		future.AddDoneCallback(func(f *aio.Future[int]) { fmt.Println(f.Result()) })
		loop.CallSoon(func() { _ = future.SetResult(42) })
		_, err = future.Await(ctx)
		return err
	})
	// Output: 42 <nil>
}

func ExampleCoro() {
	_ = aio.Run(func(ctx context.Context) error {
		coro := say("inline", 0)
		// runs as part of this task, like "await fetch()"
		fmt.Println(coro(ctx))
		return nil
	})
	// Output: inline <nil>
}

func ExampleNoResult() {
	_ = aio.Run(func(ctx context.Context) error {
		var ready aio.Event
		task := aio.CreateTask(ctx, aio.NoResult(ready.Wait))
		ready.Set()
		_, err := aio.WaitFor(ctx, task, time.Second)
		fmt.Println(err)
		return nil
	})
	// Output: <nil>
}

func ExampleSleep() {
	_ = aio.Run(func(ctx context.Context) error {
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			fmt.Println("the other task")
			return nil
		}))
		fmt.Println("before")
		err := aio.Sleep(ctx, 0) // lets each ready task run once
		fmt.Println("after")
		return err
	})
	// Output:
	// before
	// the other task
	// after
}

func ExampleGather() {
	_ = aio.Run(func(ctx context.Context) error {
		fmt.Println(aio.Gather(ctx, say("slow", 2*time.Millisecond), say("fast", 0)).Await(ctx))
		fmt.Println(aio.Gather(ctx, say("fine", 0), refuse).Await(ctx))
		return nil
	})
	// Output:
	// [slow fast] <nil>
	// [] refused
}

func ExampleGatherResults() {
	_ = aio.Run(func(ctx context.Context) error {
		results, err := aio.GatherResults(ctx, say("fine", 0), refuse).Await(ctx)
		for _, r := range results {
			fmt.Printf("%q %v\n", r.Value, r.Err)
		}
		return err
	})
	// Output:
	// "fine" <nil>
	// "" refused
}

// A shielded operation continues when the task that waits for it is cancelled.
func ExampleShield() {
	_ = aio.Run(func(ctx context.Context) error {
		saving := aio.CreateTask(ctx, say("saved", time.Millisecond))
		_, err := aio.WaitFor(ctx, aio.Shield(ctx, saving), 0)
		fmt.Println(err)
		fmt.Println(saving.Await(ctx))
		return nil
	})
	// Output:
	// aio: timed out
	// saved <nil>
}

func ExampleEnsureFuture() {
	_ = aio.Run(func(ctx context.Context) error {
		f := aio.EnsureFuture(ctx, say("started", 0))
		fmt.Println(f.Await(ctx))
		fmt.Println(aio.EnsureFuture(ctx, f) == f)
		return nil
	})
	// Output:
	// started <nil>
	// true
}

func ExampleWait() {
	_ = aio.Run(func(ctx context.Context) error {
		tasks := []*aio.Task[string]{
			aio.CreateTask(ctx, say("slow", time.Hour)),
			aio.CreateTask(ctx, say("fast", 0)),
		}
		done, pending, err := aio.Wait(ctx, tasks, aio.NoTimeout, aio.FirstCompleted)
		if err != nil {
			return err
		}
		name, _ := done[0].Result()
		fmt.Println(name, len(pending))
		return nil
	})
	// Output: fast 1
}

func ExampleWaitFor() {
	_ = aio.Run(func(ctx context.Context) error {
		fmt.Println(aio.WaitFor(ctx, say("in time", 0), time.Hour))
		_, err := aio.WaitFor(ctx, say("too late", time.Hour), time.Millisecond)
		fmt.Println(err, errors.Is(err, context.DeadlineExceeded))
		return nil
	})
	// Output:
	// in time <nil>
	// aio: timed out true
}

func ExampleAsCompleted() {
	_ = aio.Run(func(ctx context.Context) error {
		var tasks []*aio.Task[string]
		for i, name := range []string{"third", "first", "second"} {
			tasks = append(tasks, aio.CreateTask(ctx, say(name, time.Duration((i+2)%3)*time.Millisecond)))
		}
		for task, err := range aio.AsCompleted(ctx, tasks, aio.NoTimeout).All(ctx) {
			if err != nil {
				return err
			}
			fmt.Println(task.Result())
		}
		return nil
	})
	// Output:
	// first <nil>
	// second <nil>
	// third <nil>
}

func ExampleStaggeredRace() {
	_ = aio.Run(func(ctx context.Context) error {
		r, err := aio.StaggeredRace(ctx, time.Millisecond, say("hangs", time.Hour), say("wins", 0))
		fmt.Println(r.Value, r.Index, r.Errors, err)
		return nil
	})
	// Output: wins 1 [aio: cancelled <nil>] <nil>
}

func ExampleTimeout() {
	_ = aio.Run(func(ctx context.Context) error {
		err := aio.Timeout(ctx, time.Millisecond, func(ctx context.Context) error {
			return aio.Sleep(ctx, time.Hour)
		})
		fmt.Println(err, errors.Is(err, aio.ErrTimeout))
		return nil
	})
	// Output: aio: timed out true
}

// A deadline that is extended while there is progress.
func ExampleTimeoutScope_Reschedule() {
	_ = aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		limit := aio.NewTimeout(time.Hour)
		err = limit.Run(ctx, func(ctx context.Context) error {
			limit.Reschedule(loop.Time().Add(time.Millisecond))
			return aio.Sleep(ctx, time.Hour)
		})
		fmt.Println(err, limit.Expired())
		return nil
	})
	// Output: aio: timed out true
}

func ExampleTimeoutAt() {
	_ = aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		fmt.Println(aio.TimeoutAt(ctx, loop.Time().Add(time.Hour), func(ctx context.Context) error {
			return aio.Sleep(ctx, 0)
		}))
		return nil
	})
	// Output: <nil>
}

func ExampleWithTaskGroup() {
	_ = aio.Run(func(ctx context.Context) error {
		var answer *aio.Task[string]
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			answer = aio.GoResult(tg, say("answer", time.Millisecond))
			tg.Go(func(ctx context.Context) error { return aio.Sleep(ctx, 0) })
			return nil
		})
		fmt.Println(err)
		fmt.Println(answer.Result())
		return nil
	})
	// Output:
	// <nil>
	// answer <nil>
}

// When one task fails, the others are cancelled, and the GroupError contains all
// errors.
func ExampleGroupError() {
	errDisk := errors.New("disk full")
	_ = aio.Run(func(ctx context.Context) error {
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error { return errDisk })
			aio.GoResult(tg, say("never", time.Hour))
			return nil
		})
		fmt.Println(err)
		fmt.Println(errors.Is(err, errDisk), errors.Is(err, aio.ErrCancelled))
		return nil
	})
	// Output:
	// aio: errors in a task group (1): disk full
	// true false
}

// A cancellation joined with another error is a failure, although it matches
// ErrCancelled.
func ExampleIsCancellation() {
	_ = aio.Run(func(ctx context.Context) error {
		aio.CurrentTask(ctx).Cancel()
		cancelled := aio.Sleep(ctx, time.Hour)
		for _, err := range []error{
			cancelled,
			fmt.Errorf("read the index: %w", cancelled),
			errors.Join(cancelled, io.ErrUnexpectedEOF),
		} {
			fmt.Println(errors.Is(err, aio.ErrCancelled), aio.IsCancellation(err))
		}
		return nil
	})
	// Output:
	// true true
	// true true
	// true false
}

func ExampleTaskGroup_Cancel() {
	_ = aio.Run(func(ctx context.Context) error {
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			aio.GoResult(tg, say("background", time.Hour))
			tg.Cancel() // ending the group early is not an error
			return nil
		})
		fmt.Println(err)
		return nil
	})
	// Output: <nil>
}

func ExampleCurrentTask() {
	_ = aio.Run(func(ctx context.Context) error {
		aio.CurrentTask(ctx).SetName("main")
		aio.CreateTask(ctx, say("x", 0), aio.WithName("helper"))
		for _, task := range aio.AllTasks(ctx) {
			fmt.Println(task.GetName())
		}
		return nil
	})
	// Output:
	// main
	// helper
}

// A blocking call runs in a worker goroutine while the loop runs other tasks.
func ExampleToThread() {
	_ = aio.Run(func(ctx context.Context) error {
		text, err := aio.ToThread(ctx, func(ctx context.Context) (string, error) {
			// or a query, a file operation, a computation
			time.Sleep(time.Millisecond)
			return "from a worker", nil
		})
		fmt.Println(text, err)
		return nil
	})
	// Output: from a worker <nil>
}

func ExampleRunInExecutor() {
	pool := aio.NewThreadPoolExecutor(2) // two jobs at a time
	defer pool.Shutdown(true)
	_ = aio.Run(func(ctx context.Context) error {
		var jobs []aio.Awaitable[string]
		for _, s := range []string{"a", "b", "c"} {
			jobs = append(jobs, aio.RunInExecutor(ctx, pool, func() (string, error) { return strings.ToUpper(s), nil }))
		}
		fmt.Println(aio.Gather(ctx, jobs...).Await(ctx))
		return nil
	})
	// Output: [A B C] <nil>
}

// Any goroutine can send a coroutine to a loop and wait for its result.
func ExampleRunCoroutineThreadsafe() {
	loop, stop := aio.StartLoop(nil)
	fmt.Println(aio.RunCoroutineThreadsafe(loop, say("hello", 0)).Result(context.Background()))
	fmt.Println(stop())
	// Output:
	// hello <nil>
	// <nil>
}

// A loop in the background of a program: data that the loop owns needs no lock.
func ExampleStartLoop() {
	loop, stop := aio.StartLoop(nil)
	visits := map[string]int{} // owned by the loop
	visit := func(name string) aio.Coro[int] {
		return func(context.Context) (int, error) {
			visits[name]++
			return visits[name], nil
		}
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			_, err := aio.RunCoroutineThreadsafe(loop, visit("home")).Result(context.Background())
			if err != nil {
				fmt.Println(err)
			}
		})
	}
	all.Wait()
	fmt.Println(aio.RunCoroutineThreadsafe(loop, visit("home")).Result(context.Background()))
	fmt.Println(stop())
	// Output:
	// 11 <nil>
	// <nil>
}

// A task awaits a result that another goroutine sets.
func ExampleWrapFuture() {
	result := aio.NewConcurrentFuture[int]()
	go func() { _ = result.SetResult(42) }()
	_ = aio.Run(func(ctx context.Context) error {
		fmt.Println(aio.WrapFuture(ctx, result).Await(ctx))
		return nil
	})
	// Output: 42 <nil>
}

func ExampleReceive() {
	lines := make(chan string)
	go func() {
		defer close(lines)
		lines <- "one"
		lines <- "two"
	}()
	_ = aio.Run(func(ctx context.Context) error {
		for {
			line, ok, err := aio.Receive(ctx, lines)
			if err != nil || !ok {
				return err
			}
			fmt.Println(line)
		}
	})
	// Output:
	// one
	// two
}

func ExampleSend() {
	lines, printed := make(chan string), make(chan struct{})
	go func() {
		defer close(printed)
		fmt.Println(<-lines)
	}()
	_ = aio.Run(func(ctx context.Context) error { return aio.Send(ctx, lines, "hello") })
	<-printed
	// Output: hello
}

// An await ends with a context that its caller derived, and its error contains the
// cause.
func Example_derivedContext() {
	_ = aio.Run(func(ctx context.Context) error {
		errFull := errors.New("the bucket is full")
		limited, cancel := context.WithCancelCause(ctx)
		cancel(errFull)
		err := aio.Sleep(limited, time.Hour)
		fmt.Println(errors.Is(err, aio.ErrCancelled), errors.Is(err, context.Canceled), errors.Is(err, errFull))
		return aio.Sleep(ctx, 0) // the task itself is not cancelled
	})
	// Output: false true true
}
