package aio_test

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"strings"

	"github.com/goaio/aio"
)

// Who waits for what this function is doing?
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

// Without stacks there is a line for each task and future, and one for those that it holds up.
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

// A combinator of one's own, here one that is done with the first result, ties futures together by
// done callbacks. Call graphs show what it tells them.
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

// Another goroutine, such as a handler of net/http, asks the loop for its tasks and draws them.
func ExampleCaptureTasks() {
	draw := func(loop *aio.Loop) error {
		tasks := make(chan []aio.TaskInfo, 1)
		loop.CallSoonThreadsafe(func() { tasks <- aio.CaptureTasks(loop.Context()) })
		tree, err := aio.FormatTaskTree(<-tasks, nil)
		fmt.Println(regexp.MustCompile(` \S*/\S*\.go:\d+`).ReplaceAllString(tree, "")) // without files and lines
		return err
	}
	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		var c crawler
		crawler := aio.CreateTask(ctx, aio.NoResult(c.crawl), aio.WithName("crawler"))
		for range 2 { // the crawler starts, then its tasks do
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

// Each line is a task and one of those that await it.
func ExampleFormatTaskTable() {
	stack := func(functions ...string) (stack []runtime.Frame) {
		for _, name := range functions {
			stack = append(stack, runtime.Frame{Function: name})
		}
		return stack
	}
	serve := stack("main.(*shop).serve", "main.main")
	fmt.Println(aio.FormatTaskTable([]aio.TaskInfo{ // as CaptureTasks returns them
		{ID: 0xc1, Name: "shop", Stack: serve},
		{ID: 0xc2, Name: "oven", Stack: stack("main.bake"), AwaitedBy: []aio.TaskAwaiter{{ID: 0xc1, Stack: serve}}},
	}))
	// Output:
	// loop  task id  task name  stack                            awaiter stack                    awaiter name  awaiter id
	// ----  -------  ---------  -----                            -------------                    ------------  ----------
	// 0x0   0xc1     shop       main.(*shop).serve -> main.main                                                 0x0
	// 0x0   0xc2     oven       main.bake                        main.(*shop).serve -> main.main  shop          0xc1
}

// Without a writer it goes to standard output.
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

// Markers of one's own, for the tasks and for the frames.
func ExampleFormatTaskTree() {
	frame := func(name string) []runtime.Frame { return []runtime.Frame{{Function: name, File: "shop.go", Line: 12}} }
	tree, err := aio.FormatTaskTree([]aio.TaskInfo{ // as CaptureTasks returns them
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
