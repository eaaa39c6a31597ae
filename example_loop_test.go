package aio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/goaio/aio"
)

// The loop of a ctx, for the calls that are its methods.
func ExampleGetRunningLoop() {
	_ = aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		fmt.Println(loop.IsRunning(), aio.CreateTask(ctx, returns(1)).GetLoop() == loop)
		return nil
	})
	_, err := aio.GetRunningLoop(context.Background())
	fmt.Println(errors.Is(err, aio.ErrNoRunningLoop))
	// Output:
	// true true
	// true
}

// A Handle is for those who change their mind.
func ExampleHandle() {
	loop := aio.NewEventLoop(nil)
	defer loop.Close()
	loop.CallSoon(func() { fmt.Println("hello") })
	second := loop.CallSoon(func() { fmt.Println("never printed") })
	second.Cancel()
	fmt.Println(second.Cancelled())
	loop.CallSoon(loop.Stop)
	fmt.Println(loop.RunForever())
	// Output:
	// true
	// hello
	// <nil>
}

// A time limit that each sign of life puts off.
func ExampleTimerHandle() {
	loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer loop.Close()
	_, err := aio.RunUntilComplete(loop, aio.NoResult(func(ctx context.Context) error {
		start := loop.Time()
		var silence *aio.TimerHandle
		alive := func() {
			if silence != nil {
				silence.Cancel()
			}
			silence = loop.CallLater(time.Minute, func() { fmt.Println("no news since", loop.Time().Sub(start)-time.Minute) })
		}
		alive()
		loop.CallLater(40*time.Second, alive)
		loop.CallLater(80*time.Second, alive)
		if err := aio.Sleep(ctx, 81*time.Second); err != nil {
			return err
		}
		fmt.Println("due after", silence.When().Sub(start))
		return aio.Sleep(ctx, time.Hour)
	}))
	fmt.Println(err)
	// Output:
	// due after 2m20s
	// no news since 1m20s
	// <nil>
}

// A clock that does not drift: each tick is at a fixed distance from the first, however long one takes.
func ExampleLoop_CallAt() {
	loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer loop.Close()
	start := loop.Time()
	n := 0
	var tick func()
	tick = func() {
		fmt.Println("tick after", loop.Time().Sub(start))
		if n++; n == 3 {
			loop.Stop()
			return
		}
		loop.CallAt(start.Add(time.Duration(n)*time.Minute), tick)
	}
	loop.CallAt(start, tick)
	fmt.Println(loop.RunForever())
	// Output:
	// tick after 0s
	// tick after 1m0s
	// tick after 2m0s
	// <nil>
}

// Code that has an error and nobody to return it to can report it as the loop reports its own.
func ExampleLoop_CallExceptionHandler() {
	loop := aio.NewEventLoop(nil)
	defer loop.Close()
	loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { fmt.Println(ec.Message, ec.Err) })
	refresh := func() error { return errors.New("the source is gone") }
	loop.CallSoon(func() {
		if err := refresh(); err != nil {
			loop.CallExceptionHandler(aio.ExceptionContext{Message: "refreshing the cache:", Err: err})
		}
		loop.Stop()
	})
	fmt.Println(loop.RunForever())
	// Output:
	// refreshing the cache: the source is gone
	// <nil>
}

// An Executor of the program's own: here one that counts its jobs.
type jobCounter struct {
	aio.Executor
	jobs int // of the loop, which is who calls Submit
}

func (e *jobCounter) Submit(job func()) error {
	e.jobs++
	return e.Executor.Submit(job)
}

func ExampleExecutor() {
	pool := &jobCounter{Executor: aio.NewThreadPoolExecutor(1)}
	_ = aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		loop.SetDefaultExecutor(pool) // of ToThread too; Run shuts it down
		for _, s := range []string{"a", "b"} {
			upper, err := aio.ToThread(ctx, func(context.Context) (string, error) { return strings.ToUpper(s), nil })
			fmt.Println(upper, err)
		}
		return nil
	})
	fmt.Println(pool.jobs, "jobs")
	// Output:
	// A <nil>
	// B <nil>
	// 2 jobs
}

// With one worker the jobs run one after another.
func ExampleThreadPoolExecutor() {
	pool := aio.NewThreadPoolExecutor(1)
	for i := range 3 {
		if err := pool.Submit(func() { fmt.Println("job", i) }); err != nil {
			fmt.Println(err)
		}
	}
	pool.Shutdown(true) // waits for them
	fmt.Println(pool.Submit(func() {}) != nil)
	// Output:
	// job 0
	// job 1
	// job 2
	// true
}

// A factory that names each task after the request in its context.
func ExampleTaskFactory() {
	type requestKey struct{}
	_ = aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		loop.SetTaskFactory(func(spec *aio.TaskSpec) error {
			if id, ok := spec.Context.Value(requestKey{}).(int); ok && spec.Name == "" {
				spec.Name = fmt.Sprint("request-", id)
			}
			return nil
		})
		ctx = context.WithValue(ctx, requestKey{}, 7)
		fmt.Println(aio.CreateTask(ctx, say("x", 0)))
		fmt.Println(aio.CreateTask(ctx, say("y", 0), aio.WithName("audit")))
		return nil
	})
	// Output:
	// Task request-7 pending
	// Task audit pending
}

// Eager tasks run at once up to their first wait: what needs none costs no pass of the loop.
func ExampleEagerTaskFactory() {
	_ = aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		loop.SetTaskFactory(aio.EagerTaskFactory)
		cached := aio.CreateTask(ctx, returns("from the cache"))
		fetched := aio.CreateTask(ctx, say("from the network", time.Millisecond))
		lazy := aio.CreateTask(ctx, returns("later"), aio.WithEagerStart(false))
		fmt.Println(cached.Done(), fetched.Done(), lazy.Done())
		fmt.Println(aio.Gather(ctx, aio.Awaitable[string](cached), fetched, lazy).Await(ctx))
		return nil
	})
	// Output:
	// true false false
	// [from the cache from the network later] <nil>
}

// A task of a group with values that the group's ctx does not have. It is cancelled with the group.
func ExampleWithContext() {
	type userKey struct{}
	greet := func(ctx context.Context) error {
		fmt.Println("hello", ctx.Value(userKey{}))
		return nil
	}
	_ = aio.Run(func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for _, user := range []string{"Ann", "Bob"} {
				tg.Go(greet, aio.WithContext(context.WithValue(ctx, userKey{}, user)))
			}
			tg.Go(greet)
			return nil
		})
	})
	// Output:
	// hello Ann
	// hello Bob
	// hello <nil>
}

// Four loops share a computation, each with a part of its own and no lock.
func ExampleLoopGroup() {
	loops := aio.LoopGroup{N: 4}
	sums := make([]int, loops.Len()) // each loop writes its own place
	err := loops.Run(func(ctx context.Context, i int) error {
		for n := i; n < 1000; n += loops.Len() {
			sums[i] += n
		}
		return nil
	})
	total := 0
	for _, sum := range sums {
		total += sum
	}
	fmt.Println(total, err)
	// Output: 499500 <nil>
}

// A loop asks another one for what belongs to that.
func ExampleLoopGroup_Loop() {
	loops := aio.LoopGroup{N: 2}
	stock := map[string]int{"tea": 3} // of loop 1
	var over aio.Event                // of loop 1
	err := loops.Run(func(ctx context.Context, i int) error {
		if i == 1 {
			return over.Wait(ctx)
		}
		ask := func(context.Context) (int, error) { return stock["tea"], nil }
		owner := loops.Loop(1)
		n, err := aio.WrapFuture(ctx, aio.RunCoroutineThreadsafe(owner, ask)).Await(ctx)
		fmt.Println(n, err)
		owner.CallSoonThreadsafe(over.Set)
		return nil
	})
	fmt.Println(err)
	// Output:
	// 3 <nil>
	// <nil>
}

// Which loop failed? Without FailFast the others go on.
func ExampleLoopError() {
	loops := aio.LoopGroup{N: 3, FailFast: true}
	err := loops.Run(func(ctx context.Context, i int) error {
		if i == 1 {
			return errors.New("no database")
		}
		return aio.Sleep(ctx, time.Hour)
	})
	var failed *aio.LoopError
	if errors.As(err, &failed) {
		fmt.Println(failed.Index, failed.Err)
	}
	// Output: 1 no database
}

// Each loop serves the clients that the system gives to its listener.
func ExampleSharedListeners() {
	const n = 2
	listeners, err := aio.SharedListeners(n, "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	loops, addr := aio.LoopGroup{N: n}, listeners[0].Addr().String()
	over := aio.NewConcurrentFuture[error]()
	go func() { // a client
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			defer conn.Close()
			var answer []byte
			answer, err = io.ReadAll(conn)
			fmt.Printf("%s\n", answer)
		}
		_ = over.SetResult(err)
	}()
	err = loops.Run(func(ctx context.Context, i int) error {
		srv, err := aio.StartServer(ctx, func(_ context.Context, _ *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			_, err := w.Write([]byte("welcome"))
			return err
		}, "", &aio.ServerOptions{Listener: listeners[i]})
		if err != nil {
			return err
		}
		if _, err := aio.WrapFuture(ctx, over).Await(ctx); err != nil {
			return err
		}
		return srv.Shutdown(ctx, time.Second)
	})
	fmt.Println(err)
	// Output:
	// welcome
	// <nil>
}
