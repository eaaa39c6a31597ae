package aio_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/goaio/aio"
)

// An observer that counts the steps of each task.
func ExampleLoop_AddObserver() {
	loop := aio.NewEventLoop(nil)
	defer loop.Close()
	steps := map[string]int{}
	remove := loop.AddObserver(aio.ObserverFunc(func(e *aio.LoopEvent) {
		if e.Kind == aio.StepEnded {
			steps[e.Task().GetName()]++
		}
	}))
	defer remove()

	_, err := aio.RunUntilComplete(loop, aio.NoResult(func(ctx context.Context) error {
		worker := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return aio.Sleep(ctx, 0)
		}), aio.WithName("worker"))
		_, err := worker.Await(ctx)
		return err
	}))
	fmt.Println(steps, err)
	// Output: map[Task-1:2 worker:2] <nil>
}

// With a virtual clock the timeline is the same in each run.
func ExampleTimeline() {
	loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer loop.Close()
	timeline := aio.NewTimeline(0)
	loop.AddObserver(timeline)

	_, err := aio.RunUntilComplete(loop, aio.NoResult(func(ctx context.Context) error {
		q := aio.NewQueue[string](0)
		aio.CreateTask(ctx, q.Get, aio.WithName("getter"))
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		if err := q.PutNowait("hello"); err != nil {
			return err
		}
		return aio.Sleep(ctx, 0)
	}))
	if err == nil {
		err = timeline.WriteText(os.Stdout)
	}
	fmt.Println(err)
	// Output:
	//     0.000000s        0s  Task-1  task created
	//     0.000000s        0s  getter  task created by Task-1
	//     0.000000s        0s  Task-1  step, then awaits Sleep
	//     0.000000s        0s  getter  step, then awaits Queue.Get
	//     0.000000s        1s          loop waited
	//     1.000000s        0s          callback ran Timer
	//     1.000000s        0s  Task-1  step, then awaits Sleep(0)
	//     1.000000s        0s  getter  step, woken by Task-1
	//     1.000000s        0s  getter  task done
	//     1.000000s        0s  Task-1  step
	//     1.000000s        0s  Task-1  task done
	//     1.000000s        0s          callback ran RunUntilComplete
	// <nil>
}

// A task that receives from a channel directly blocks its whole loop. The watchdog
// reports the task and its position.
func ExampleLoop_StartWatchdog() {
	loop := aio.NewEventLoop(nil)
	defer loop.Close()
	answer := make(chan string)
	stop := loop.StartWatchdog(&aio.WatchdogOptions{
		Threshold: 200 * time.Millisecond,
		Report: func(b aio.BlockedLoop) {
			fmt.Println(b.Task, "blocks the loop, in", strings.Fields(b.Stack)[0])
			answer <- "from another goroutine"
		},
	})
	defer stop()

	_, err := aio.RunUntilComplete(loop, aio.NoResult(func(ctx context.Context) error {
		_, err := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
			// blocks the loop; aio.Receive would suspend the task instead
			askBlocking(answer)
			return nil
		}), aio.WithName("asker")).Await(ctx)
		return err
	}))
	fmt.Println(err)
	// Output:
	// asker blocks the loop, in github.com/goaio/aio_test.askBlocking
	// <nil>
}

func askBlocking(answer chan string) string { return <-answer }

// Any goroutine can read the statistics of a loop, even while a task blocks it.
func ExampleLoop_Stats() {
	loop := aio.NewEventLoop(nil)
	defer loop.Close()
	loop.Stats() // the first call starts the counters

	_, err := aio.RunUntilComplete(loop, aio.NoResult(func(ctx context.Context) error {
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		asked := make(chan aio.LoopStats)
		go func() { asked <- loop.Stats() }()
		s := <-asked // blocks the loop
		fmt.Println(s.Observed, s.Running, s.Waiting, s.Tasks, s.Steps)
		return nil
	}))
	fmt.Println(err)
	// Output:
	// true true false 1 2
	// <nil>
}

// Any goroutine can list the locks and queues of a loop.
func ExampleLoop_Resources() {
	loop := aio.NewEventLoop(nil)
	defer loop.Close()
	loop.Resources() // the first call starts the list

	_, err := aio.RunUntilComplete(loop, aio.NoResult(func(ctx context.Context) error {
		var lock aio.Lock
		return lock.With(ctx, func(ctx context.Context) error {
			next := aio.CreateTask(ctx, aio.NoResult(lock.Acquire), aio.WithName("next"))
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			for _, r := range loop.Resources() {
				fmt.Println(r.Kind, "held by", r.HolderName, "waiting:", r.Waiting)
			}
			next.Cancel()
			return nil
		})
	}))
	fmt.Println(err)
	// Output:
	// Lock held by Task-1 waiting: 1
	// <nil>
}

// Each log record contains the name of the task.
func ExampleNewLogHandler() {
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		// omits the time and the number of the loop from the output
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "loop" {
				return slog.Attr{}
			}
			return a
		},
	})
	log := slog.New(aio.NewLogHandler(handler))
	err := aio.Run(func(ctx context.Context) error {
		worker := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			log.InfoContext(ctx, "in the task")
			_, err := aio.ToThread(ctx, func(ctx context.Context) (int, error) {
				log.InfoContext(ctx, "in another goroutine")
				return 0, nil
			})
			return err
		}), aio.WithName("worker"))
		_, err := worker.Await(ctx)
		return err
	})
	fmt.Println(err)
	// Output:
	// level=INFO msg="in the task" task=worker
	// level=INFO msg="in another goroutine" task=worker
	// <nil>
}
