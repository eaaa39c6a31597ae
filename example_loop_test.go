package aio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/goaio/aio"
)

// The running loop, for functions that are its methods.
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

// A Handle can cancel the call.
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

// A timeout that is restarted by each message.
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

// Periodic calls without drift: each one has a fixed distance from the first,
// regardless of how long a callback takes.
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

// Code that has no caller to return an error to can report it to the exception handler.
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

// A user-defined Executor, here one that counts its jobs.
type jobCounter struct {
	aio.Executor
	jobs int // accessed only by the loop, which calls Submit
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
		loop.SetDefaultExecutor(pool) // also for ToThread; Run shuts it down
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
	pool.Shutdown(true) // waits for the jobs
	fmt.Println(pool.Submit(func() {}) != nil)
	// Output:
	// job 0
	// job 1
	// job 2
	// true
}

// A task factory that names each task after the request in its context.
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

// An eager task runs at once until its first suspension; if it does not suspend, it
// needs no pass of the loop.
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

// A task in a group with context values that the group's ctx does not have. It is
// cancelled with the group.
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

// Four loops share a computation. Each sums its own part, so no lock is needed.
func ExampleLoopGroup() {
	loops := aio.LoopGroup{N: 4}
	sums := make([]int, loops.Len()) // each loop writes one element
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

// A loop asks another loop for data that the other one owns.
func ExampleLoopGroup_Loop() {
	loops := aio.LoopGroup{N: 2}
	stock := map[string]int{"tea": 3} // owned by loop 1
	var over aio.Event                // owned by loop 1
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

// The error says which loop failed. Without FailFast the other loops continue.
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

// Each loop serves the clients that the kernel assigns to its listener.
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

// Which tasks wait for the current function?
func ExampleCaptureCallGraph() {
	query := func(ctx context.Context) (int, error) {
		for g := aio.CaptureCallGraph(ctx, nil, nil); ; g = g.AwaitedBy[0] {
			fmt.Println(g.Future.(aio.AnyTask).GetName())
			if len(g.AwaitedBy) == 0 {
				return 1, nil
			}
		}
	}
	err := aio.Run(func(ctx context.Context) error {
		handler := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			return aio.CreateTask(ctx, query, aio.WithName("query")).Await(ctx)
		}, aio.WithName("handler"))
		_, err := handler.Await(ctx)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// query
	// handler
	// Task-1
}

// Without stacks there is one line for each task and future, and for each of their
// awaiters.
func ExampleFormatCallGraph() {
	err := aio.Run(func(ctx context.Context) error {
		answer := aio.CreateFuture[int](ctx)
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for _, name := range []string{"Ann", "Bob"} {
				aio.GoResult(tg, answer.Await, aio.WithName(name))
			}
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			text := aio.FormatCallGraph(ctx, answer, &aio.CallGraphOptions{NoStacks: true})
			fmt.Println(regexp.MustCompile(`0x[0-9a-f]+`).ReplaceAllString(text, "0x..."))
			return answer.SetResult(42)
		})
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// * Future(id=0x...)
	//   + Awaited by:
	//     * Task(name="Ann", id=0x...)
	//       + Awaited by:
	//         * Task(name="Task-1", id=0x...)
	//     * Task(name="Bob", id=0x...)
	//       + Awaited by:
	//         * Task(name="Task-1", id=0x...)
}

// A user-defined combinator that is done with the first result. It links futures with
// done callbacks, so it registers the awaiters for call graphs itself.
func ExampleFutureAddToAwaitedBy() {
	first := func(ctx context.Context, fs ...*aio.Future[int]) *aio.Future[int] {
		result := aio.CreateFuture[int](ctx)
		for _, f := range fs {
			aio.FutureAddToAwaitedBy(f, result)
			f.AddDoneCallback(func(f *aio.Future[int]) {
				if v, err := f.Result(); err == nil && !result.Done() {
					_ = result.SetResult(v)
				}
			})
		}
		return result
	}
	err := aio.Run(func(ctx context.Context) error {
		a, b := aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx)
		task := aio.CreateTask(ctx, first(ctx, a, b).Await, aio.WithName("the one that waits"))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		result := aio.CaptureCallGraph(ctx, b, nil).AwaitedBy[0]
		fmt.Println(result.AwaitedBy[0].Future.(aio.AnyTask).GetName())
		if err := a.SetResult(1); err != nil {
			return err
		}
		_, err := task.Await(ctx)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// the one that waits
}

type crawler struct{ found aio.Event }

func (c *crawler) crawl(ctx context.Context) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(c.fetch, aio.WithName("page 1"))
		tg.Go(c.fetch, aio.WithName("page 2"))
		return nil
	})
}

func (c *crawler) fetch(ctx context.Context) error { return c.found.Wait(ctx) }

// Another goroutine, such as an HTTP handler, captures the tasks of the loop and draws
// them.
func ExampleCaptureTasks() {
	draw := func(loop *aio.Loop) error {
		tasks := make(chan []aio.TaskInfo, 1)
		loop.CallSoonThreadsafe(func() { tasks <- aio.CaptureTasks(loop.Context()) })
		tree, err := aio.FormatTaskTree(<-tasks, nil)
		// without file names and lines
		fmt.Println(regexp.MustCompile(` \S*/\S*\.go:\d+`).ReplaceAllString(tree, ""))
		return err
	}
	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		var c crawler
		crawler := aio.CreateTask(ctx, aio.NoResult(c.crawl), aio.WithName("crawler"))
		for range 2 { // first the crawler starts, then its tasks
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		_, err = aio.ToThread(ctx, func(context.Context) (int, error) { return 0, draw(loop) })
		if err != nil {
			return err
		}
		c.found.Set()
		_, err = crawler.Await(ctx)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// └── (T) Task-1
	//     └──  aio_test.ExampleCaptureTasks.func2
	// └── (T) crawler
	//     └──  aio_test.(*crawler).crawl
	//         ├── (T) page 1
	//         │   └──  aio_test.(*crawler).fetch
	//         └── (T) page 2
	//             └──  aio_test.(*crawler).fetch
}

// Each line is a task and one of its awaiters.
func ExampleFormatTaskTable() {
	stack := func(functions ...string) (stack []runtime.Frame) {
		for _, name := range functions {
			stack = append(stack, runtime.Frame{Function: name})
		}
		return stack
	}
	serve := stack("main.(*shop).serve", "main.main")
	// in the form that CaptureTasks returns
	fmt.Println(aio.FormatTaskTable([]aio.TaskInfo{
		{ID: 0xc1, Name: "shop", Stack: serve},
		{ID: 0xc2, Name: "oven", Stack: stack("main.bake"), AwaitedBy: []aio.TaskAwaiter{{ID: 0xc1, Stack: serve}}},
	}))
	// Output:
	// loop  task id  task name  coroutine stack                  awaiter chain                    awaiter name  awaiter id
	// ----  -------  ---------  ---------------                  -------------                    ------------  ----------
	// 0x0   0xc1     shop       main.(*shop).serve -> main.main                                                 0x0
	// 0x0   0xc2     oven       main.bake                        main.(*shop).serve -> main.main  shop          0xc1
}

// A nil writer means standard output.
func ExamplePrintCallGraph() {
	err := aio.Run(func(ctx context.Context) error {
		report := func(ctx context.Context) error {
			var text strings.Builder
			if err := aio.PrintCallGraph(ctx, &text, nil, &aio.CallGraphOptions{NoStacks: true}); err != nil {
				return err
			}
			fmt.Print(regexp.MustCompile(`, id=0x[0-9a-f]+`).ReplaceAllString(text.String(), ""))
			return nil
		}
		_, err := aio.CreateTask(ctx, aio.NoResult(report), aio.WithName("report")).Await(ctx)
		return err
	})
	fmt.Println(err)
	// Output:
	// * Task(name="report")
	//   + Awaited by:
	//     * Task(name="Task-1")
	// <nil>
}

// Custom markers for tasks and frames.
func ExampleFormatTaskTree() {
	frame := func(name string) []runtime.Frame { return []runtime.Frame{{Function: name, File: "shop.go", Line: 12}} }
	// in the form that CaptureTasks returns
	tree, err := aio.FormatTaskTree([]aio.TaskInfo{
		{ID: 1, Name: "shop", Stack: frame("main.serve")},
		{ID: 2, Name: "oven", Stack: frame("main.bake"), AwaitedBy: []aio.TaskAwaiter{{ID: 1, Stack: frame("main.serve")}}},
	}, &aio.TaskTreeOptions{TaskMarker: "[task]", FrameMarker: "at"})
	fmt.Println(tree)
	fmt.Println(err)
	// Output:
	// └── [task] shop
	//     └── at main.serve shop.go:12
	//         └── [task] oven
	//             └── at main.bake shop.go:12
	// <nil>
}

// A program ported line by line. With Run a program needs no current loop.
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

// virtualPolicy creates loops with a virtual clock.
type virtualPolicy struct{ aio.DefaultEventLoopPolicy }

func (*virtualPolicy) NewEventLoop() *aio.Loop {
	return aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
}

// A custom policy creates the loop of a Runner.
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
