package aio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

// Under iter.Pull an iterator runs in a separate goroutine, where it cannot await: the
// error explains that.
func TestPulledIteratorSaysWhatToDo(t *testing.T) {
	err := inBubble(t, func(ctx context.Context) error {
		q := aio.NewQueue[int](0)
		next, stop := iter.Pull2(q.All(ctx))
		defer stop()
		_, err, _ := next()
		return err
	})
	matches(t, "next", err, aio.ErrWrongGoroutine)
	contains(t, "the error", err.Error(), "range over it")
	if strings.Contains(err.Error(), "CallSoonThreadsafe") {
		t.Errorf("the error %q contains advice for another case", err)
	}
}

// In debug mode an error that "go save(ctx)" discards is reported once for each call
// site.
func TestDebugModeReportsCallsOfOtherGoroutines(t *testing.T) {
	for _, debug := range []bool{false, true} {
		var reports []aio.ExceptionContext
		r := aio.Runner{Options: &aio.LoopOptions{Debug: debug, SlowCallbackDuration: time.Hour}}
		defer r.Close()
		err := r.Run(func(ctx context.Context) error {
			l, _ := aio.GetRunningLoop(ctx)
			l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { reports = append(reports, ec) })
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() { _ = aio.Sleep(ctx, 0) })
			}
			all.Go(func() { _ = aio.NewQueue[int](1).Put(ctx, 1) })
			all.Wait()
			return aio.Sleep(ctx, time.Millisecond)
		})
		same(t, "Run", err, nil)
		same(t, fmt.Sprintf("reports in debug mode %v", debug), len(reports), map[bool]int{true: 2}[debug])
		for _, ec := range reports {
			matches(t, "the error", ec.Err, aio.ErrWrongGoroutine)
		}
	}
}

// Formatting a value without the token gives what is available, and never panics. In
// debug mode it is not reported.
func TestPrintingInAnotherGoroutine(t *testing.T) {
	r := aio.Runner{Options: &aio.LoopOptions{Debug: true, SlowCallbackDuration: time.Hour}}
	defer r.Close()
	err := r.Run(func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { t.Errorf("report: %v", ec) })
		task := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { return nil }), aio.WithName("secret"))
		things := []any{task, aio.CreateFuture[int](ctx), l.CallSoon(nop), l.CallLater(time.Second, nop)}
		printed := make(chan struct{})
		go func() {
			defer close(printed)
			for _, x := range things {
				contains(t, fmt.Sprintf("%T", x), fmt.Sprintf("%v", x), "of a loop that another goroutine runs")
			}
		}()
		<-printed
		return aio.Sleep(ctx, time.Millisecond) // for reports
	})
	same(t, "Run", err, nil)
}

// lossOnly is a protocol that has only ConnectionLost, which does nothing.
type lossOnly struct{}

func newLossOnly() lossOnly { return lossOnly{} }

func (lossOnly) ConnectionLost(error) {}

// Any goroutine may print a transport in use, and a StreamWriter, whose transport
// StartTLS may replace.
func TestPrintingATransportInAnotherGoroutine(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		_, w, err := aio.OpenConnection(ctx, "", &aio.ConnectionOptions{Conn: near})
		if err != nil {
			return err
		}
		datagrams, _, err := aio.CreateDatagramEndpoint(ctx, newLossOnly, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		in, out, err := os.Pipe()
		if err != nil {
			return err
		}
		reads, _, err := aio.ConnectReadPipe(ctx, newLossOnly, in)
		if err != nil {
			return err
		}
		writes, _, err := aio.ConnectWritePipe(ctx, newLossOnly, out)
		if err != nil {
			return err
		}
		things := []fmt.Stringer{}
		for _, x := range []any{w.Transport(), datagrams, reads, writes} {
			things = append(things, x.(fmt.Stringer))
		}
		var printing sync.WaitGroup
		for _, x := range things {
			own := x.String()
			printing.Go(func() {
				for range 100 {
					if s := x.String(); s == own || !strings.Contains(s, "of a loop that another goroutine runs") {
						t.Errorf("%T in another goroutine: %q", x, s)
					}
				}
			})
		}
		printing.Go(func() {
			misused(t, "StreamWriter.Transport", func() { w.Transport() }, aio.ErrWrongGoroutine)
		})
		for range 100 {
			_, _ = w.Write(make([]byte, 100))
			_, _ = writes.Write([]byte("x"))
			letPass(ctx, 1)
		}
		printing.Wait()
		_ = w.Close()
		_ = w.WaitClosed(ctx)
		_ = datagrams.Close()
		_ = writes.Close()
		_ = reads.Close()
		letPass(ctx, 3)
		return far.Close()
	})
}

// A primitive that no task has used yet belongs to the goroutine that uses it first.
func TestPrimitiveWithoutALoopHasOneUser(t *testing.T) {
	q := aio.NewQueue[int](0)
	same(t, "PutNowait", q.PutNowait(1), nil)
	elsewhere := func(f func()) {
		done := make(chan struct{})
		go func() { defer close(done); f() }()
		<-done
	}
	elsewhere(func() { matches(t, "PutNowait in another goroutine", q.PutNowait(2), aio.ErrWrongGoroutine) })
	same(t, "PutNowait again", q.PutNowait(3), nil)
	_ = inBubble(t, func(ctx context.Context) error {
		// a task takes ownership even with a call without a ctx
		same(t, "PutNowait in a task", q.PutNowait(4), nil)
		elsewhere(func() { matches(t, "in another goroutine", q.PutNowait(5), aio.ErrWrongGoroutine) })
		same(t, "QSize", q.QSize(), 3)
		return nil
	})
}

// A lock held when its loop was closed is free for the next loop.
func TestLockOfAClosedLoopIsFree(t *testing.T) {
	var lock aio.Lock
	for range 3 {
		same(t, "Run", aio.Run(func(ctx context.Context) error {
			return aio.Timeout(ctx, time.Minute, lock.Acquire)
		}), nil)
	}
}

func boom() { panic("boom") }

// The text of a PanicError contains the position of the panic; with %+v also the stack.
func TestPanicErrorNamesItsPlace(t *testing.T) {
	quiet(t)
	task := func(f func()) error {
		return aio.Run(func(ctx context.Context) error {
			_, err := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { f(); return nil })).Await(ctx)
			return fmt.Errorf("task: %w", errors.New(err.Error()))
		})
	}
	contains(t, "a panic", task(boom).Error(), "aio: panic: boom (at aio_test.boom, ")
	contains(t, "a panic", task(boom).Error(), "loop_misuse_test.go:")
	var m map[string]int
	contains(t, "an error of the runtime", task(func() { m["x"] = 1 }).Error(), "loop_misuse_test.go:")
	p := &aio.PanicError{Value: "v", Stack: []byte("the stack")}
	same(t, "without a known place", p.Error(), "aio: panic: v")
	same(t, "%v", fmt.Sprintf("%v", p), "aio: panic: v")
	contains(t, "%+v", fmt.Sprintf("%+v", p), "the stack")
}

// A deferred function that panics again, with the same or another value, does not hide
// the position of the first panic.
func TestPanicErrorOfADeferredPanic(t *testing.T) {
	task := func(f func()) (err error) {
		_ = inBubble(t, func(ctx context.Context) error {
			_, err = spawn(ctx, func(context.Context) error { f(); return nil }).Await(ctx)
			return nil
		})
		return err
	}
	again := func() { panic(recover()) }
	wrapped := func() { panic(fmt.Errorf("wrapped: %v", recover())) }
	for _, tt := range []struct {
		name, want string
		f          func()
	}{
		{"the same value", "aio: panic: boom (at aio_test.boom, ", func() { defer again(); boom() }},
		{"the same value twice", "aio: panic: boom (at aio_test.boom, ", func() { defer again(); defer again(); boom() }},
		{"another value", "aio: panic: wrapped: boom (at aio_test.TestPanicErrorOfADeferredPanic", func() { defer wrapped(); boom() }},
		{"another value", ", after a panic at aio_test.boom, ", func() { defer wrapped(); boom() }},
		{"a panic recovered before", "aio: panic: boom (at aio_test.boom, ", func() {
			func() {
				defer func() { _ = recover() }()
				panic("over")
			}()
			boom()
		}},
	} {
		contains(t, tt.name, task(tt.f).Error(), tt.want)
	}
	if text := task(func() { defer again(); boom() }).Error(); strings.Contains(text, "after a panic") {
		t.Errorf("a value that is passed on is counted twice: %s", text)
	}
}

// %+v of a GroupError and its log record contain the stacks of all tasks that panicked.
func TestGroupErrorHasTheStacksOfItsParts(t *testing.T) {
	other := func() { panic("other") }
	var got error
	_ = inBubble(t, func(ctx context.Context) error {
		done := spawn(ctx, func(context.Context) error { other(); return nil })
		letPass(ctx, 1)
		got = aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(context.Context) error { boom(); return nil })
			tg.Go(func(ctx context.Context) error {
				_, err := done.Await(ctx)
				return fmt.Errorf("wrapped: %w", err)
			})
			tg.Go(func(context.Context) error { return errBoom })
			return nil
		})
		return nil
	})
	var g *aio.GroupError
	if !errors.As(got, &g) {
		t.Fatalf("error %v", got)
	}
	text := fmt.Sprintf("%+v", g)
	same(t, "errors", len(g.Errors), 3)
	same(t, "stacks", strings.Count(text, "[running"), 2)
	contains(t, "%+v", text, "aio_test.boom(")
	for i := range g.Errors {
		contains(t, "%+v", text, fmt.Sprintf("\n%d: ", i+1))
	}
	same(t, "%v", fmt.Sprintf("%v", g), g.Error())
	same(t, "%s", fmt.Sprintf("%s", g), g.Error())
	same(t, "%q", fmt.Sprintf("%q", g), fmt.Sprintf("%q", g.Error()))
}

// Profiler labels set by the body of a task do not affect other tasks.
func TestProfilerLabelsDoNotPassToTheNextTask(t *testing.T) {
	labelled := func() bool {
		var b strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
		return strings.Contains(b.String(), `"owner":"first"`)
	}
	_ = aio.Run(func(ctx context.Context) error {
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels("owner", "first")))
			same(t, "the first task has them", labelled(), true)
			aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { letPass(ctx, 0); return nil }))
			return nil
		}))
		letPass(ctx, 3)
		same(t, "later tasks have them", labelled(), false)
		return nil
	})
}

// badExecutor is an Executor whose Shutdown does not return normally.
type badExecutor struct{ shutdown func() }

func (badExecutor) Submit(job func()) error { go job(); return nil }
func (x badExecutor) Shutdown(bool)         { x.shutdown() }

func TestExecutorThatFailsInShutdown(t *testing.T) {
	for name, shutdown := range map[string]func(){"panic": func() { panic(errBoom) }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			done := make(chan error, 1)
			go func() {
				r := aio.Runner{ShutdownTimeout: time.Hour}
				err := r.Run(func(ctx context.Context) error {
					l, _ := aio.GetRunningLoop(ctx)
					l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
					l.SetDefaultExecutor(badExecutor{shutdown: shutdown})
					return justErr(aio.ToThread(ctx, func(context.Context) (int, error) { return 1, nil }))
				})
				same(t, "Run", err, nil)
				defer func() { done <- err }()
				err = r.Close()
			}()
			err := <-done

			if name == "panic" {
				matches(t, "Close", err, errBoom)
			}
		})
	}
}

// Coroutines submitted while stop ends the loop either run to their end or get
// ErrLoopClosed.
func TestStopUnderLoad(t *testing.T) {
	for range stage.Amount(5, 30, 300) {
		l, stop := aio.StartLoop(nil)
		var destroyed int
		l.CallSoonThreadsafe(func() {
			l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
				if strings.Contains(ec.Message, "destroyed") {
					destroyed++
				}
			})
		})
		quit := make(chan struct{})
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				for {
					select {
					case <-quit:
						return
					default:
						aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
					}
				}
			})
		}
		time.Sleep(time.Millisecond)
		_ = stop()
		close(quit)
		all.Wait()
		same(t, "destroyed tasks", destroyed, 0)
	}
}

func TestStopInAJobOfTheLoop(t *testing.T) {
	l, stop := aio.StartLoop(nil)
	_, err := aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (int, error) {
		return aio.ToThread(ctx, func(context.Context) (int, error) { return 0, stop() })
	}).Result(context.Background())
	matches(t, "stop in the job", err, aio.ErrWrongGoroutine)
	other, stopOther := aio.StartLoop(nil)
	_, err = aio.RunCoroutineThreadsafe(other, func(ctx context.Context) (int, error) {
		return aio.ToThread(ctx, func(context.Context) (int, error) { return 0, stop() })
	}).Result(context.Background())
	same(t, "stop in the job of another loop", err, nil)
	same(t, "stop of that", stopOther(), nil)
}

// Layers of tasks that wait for each other have exponentially many paths: each task is
// shown once.
func TestCallGraphOfLayers(t *testing.T) {
	_ = inBubble(t, func(ctx context.Context) error {
		below := []*aio.Task[int]{aio.CreateTask(ctx, forever)}
		root := below[0]
		for range 30 {
			var layer []*aio.Task[int]
			for range 2 {
				layer = append(layer, aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
					_, _, err := aio.Wait(ctx, below, aio.NoTimeout, aio.AllCompleted)
					return 0, err
				}))
			}
			letPass(ctx, 1)
			below = layer
		}
		lines := strings.Count(aio.FormatCallGraph(ctx, root, &aio.CallGraphOptions{NoStacks: true}), "\n")
		if lines > 500 {
			t.Errorf("the graph has %d lines", lines)
		}
		tree, err := aio.FormatTaskTree(aio.CaptureTasks(ctx), nil)
		same(t, "FormatTaskTree", err, nil)
		if n := strings.Count(tree, "\n"); n > 1000 {
			t.Errorf("the tree has %d lines", n)
		}
		for _, task := range aio.AllTasks(ctx) {
			if task != aio.CurrentTask(ctx) {
				task.Cancel()
			}
		}
		return nil
	})
}
