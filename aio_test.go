package aio_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// RUN-001, RUN-002, RUN-010, RUN-026: in Go main has no result value; a closure stores
// its results.
func TestRunReturnsTheErrorOfMain(t *testing.T) {
	failure := errors.New("failure")
	for name, c := range map[string]struct {
		main func(ctx context.Context) error
		want error
	}{
		"nothing": {func(ctx context.Context) error { return aio.Sleep(ctx, 0) }, nil},
		"error":   {func(context.Context) error { return failure }, failure},
		"panic":   {func(context.Context) error { panic(failure) }, failure},
		"cancelled": {func(ctx context.Context) error {
			aio.CurrentTask(ctx).Cancel()
			return aio.Sleep(ctx, 0)
		}, aio.ErrCancelled},
		"stopped": {func(ctx context.Context) error {
			l, _ := aio.GetRunningLoop(ctx)
			l.Stop()
			return aio.Sleep(ctx, 0)
		}, aio.ErrLoopStopped},
	} {
		var l *aio.Loop
		err := aio.Run(func(ctx context.Context) error {
			l, _ = aio.GetRunningLoop(ctx)
			return c.main(ctx)
		})
		matches(t, name, err, c.want)
		same(t, name+": IsClosed", l.IsClosed(), true)
	}
}

// RUN-010
func TestRunClosesTheLoopAfterGoexit(t *testing.T) {
	var l *aio.Loop
	same(t, "ended by Goexit", goexits(func() {
		aio.Run(func(ctx context.Context) error {
			l, _ = aio.GetRunningLoop(ctx)
			runtime.Goexit()
			return nil
		})
	}), true)
	same(t, "IsClosed", l.IsClosed(), true)
}

// RUN-003
func TestRunOfNothing(t *testing.T) {
	matches(t, "Run(nil)", aio.Run(nil), aio.ErrUsage)
	var r aio.Runner
	defer r.Close()
	matches(t, "Runner.Run(nil)", r.Run(nil), aio.ErrUsage)
}

// RUN-004
func TestRunInsideLoop(t *testing.T) {
	never := func(context.Context) error { t.Error("the inner main was started"); return nil }
	var r aio.Runner
	defer r.Close()
	err := r.Run(func(ctx context.Context) error {
		matches(t, "Run in a task", aio.Run(never), aio.ErrLoopRunning)
		matches(t, "Runner.Run of itself", r.Run(never), aio.ErrLoopRunning)
		matches(t, "Runner.Close of itself", r.Close(), aio.ErrLoopRunning)
		same(t, "tasks", len(aio.AllTasks(ctx)), 1)
		return aio.Sleep(ctx, 0)
	})
	matches(t, "Runner.Run", err, nil)
}

// RUN-006
func TestRunCancelsWhatIsLeft(t *testing.T) {
	var log eventLog
	err := aio.Run(func(ctx context.Context) error {
		for i := range 3 {
			spawn(ctx, func(ctx context.Context) error {
				err := aio.Sleep(ctx, time.Hour)
				matches(t, "Sleep", err, aio.ErrCancelled)
				log.add("cancelled:%d", i)
				_ = aio.Sleep(ctx, 0)
				log.add("end:%d", i)
				return err
			})
		}
		spawn(ctx, func(ctx context.Context) error {
			// this task swallows its cancellation
			_ = aio.Sleep(ctx, time.Hour)
			return nil
		})
		defer log.add("main")
		return aio.Sleep(ctx, 0)
	})
	matches(t, "Run", err, nil)
	log.want(t, "main cancelled:0 cancelled:1 cancelled:2 end:0 end:1 end:2")
}

// RUN-007, RUN-008
func TestRunReportsErrorsOfWhatIsLeft(t *testing.T) {
	failure, left := errors.New("failure"), errors.New("left over")
	for _, mainErr := range []error{nil, failure} {
		var reports []aio.ExceptionContext
		err := aio.Run(func(ctx context.Context) error {
			l, _ := aio.GetRunningLoop(ctx)
			l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { reports = append(reports, ec) })
			aio.CreateTask(ctx, aio.NoResult(failsInCleanup(left)), aio.WithName("worker"))
			_ = aio.Sleep(ctx, 0)
			return mainErr
		})
		matches(t, "Run", err, mainErr)
		same(t, "reports", len(reports), 1)
		for _, r := range reports {
			contains(t, "Message", r.Message, "shut down")
			matches(t, "Err", r.Err, left)
			same(t, "the task", r.Task.GetName(), "worker")
		}
	}
}

// RUN-011
func TestRunnerLoopFactory(t *testing.T) {
	calls := 0
	var made *aio.Loop
	r := aio.Runner{LoopFactory: func() *aio.Loop {
		calls++
		made = aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
		return made
	}}
	defer r.Close()
	for range 2 {
		err := r.Run(func(ctx context.Context) error {
			l, err := aio.GetRunningLoop(ctx)
			same(t, "main runs on it", l == made, true)
			return err
		})
		matches(t, "Run", err, nil)
		l, err := r.GetLoop()
		matches(t, "GetLoop", err, nil)
		same(t, "GetLoop returns it", l == made, true)
	}
	same(t, "calls", calls, 1)
}

// RUN-012, RUN-013, RUN-014, RUN-028
func TestRunnerLife(t *testing.T) {
	made := 0
	r := aio.Runner{LoopFactory: func() *aio.Loop { made++; return aio.NewEventLoop(nil) }}
	matches(t, "Close of an unused runner", r.Close(), nil)
	same(t, "loops made", made, 0)

	runs := 0
	main := func(context.Context) error { runs++; return nil }
	for range 3 {
		matches(t, "Run", r.Run(main), nil)
	}
	same(t, "runs", runs, 3)
	same(t, "loops made", made, 1)

	l, _ := r.GetLoop()
	same(t, "IsClosed", l.IsClosed(), false)
	for range 2 {
		matches(t, "Close", r.Close(), nil)
		same(t, "IsClosed", l.IsClosed(), true)
	}
	_, err := r.GetLoop()
	matches(t, "GetLoop after Close", err, aio.ErrLoopClosed)
	matches(t, "Run after Close", r.Run(main), aio.ErrLoopClosed)
	same(t, "runs", runs, 3)
	same(t, "loops made", made, 1)
}

// Close of a Runner succeeds if the program has closed its loop.
func TestRunnerWhoseLoopIsClosed(t *testing.T) {
	var r aio.Runner
	l, _ := r.GetLoop()
	l.Close()
	matches(t, "Run", r.Run(func(context.Context) error { return nil }), aio.ErrLoopClosed)
	matches(t, "Close", r.Close(), nil)
}

// RUN-015: Runner.Run accepts any awaitable.
func TestRunnerAndFuture(t *testing.T) {
	var r aio.Runner
	defer r.Close()
	l, _ := r.GetLoop()
	f := aio.CreateFuture[int](l.Context())
	f.SetResult(3)
	v, err := aio.RunUntilComplete(l, f)
	same(t, "result", fmt.Sprint(v, err), "3 <nil>")
}

// RUN-027
func TestRunnerKeepsTasksBetweenRuns(t *testing.T) {
	r := aio.Runner{Options: &aio.LoopOptions{VirtualClock: true}}
	var log eventLog
	var worker *aio.Task[struct{}]
	err := r.Run(func(ctx context.Context) error {
		worker = spawn(ctx, func(ctx context.Context) error {
			for i := 0; ; i++ {
				log.add("%d", i)
				if err := aio.Sleep(ctx, time.Minute); err != nil {
					log.add("end")
					return err
				}
			}
		})
		return aio.Sleep(ctx, 90*time.Second)
	})
	matches(t, "the first run", err, nil)
	log.want(t, "0 1")
	same(t, "Done", worker.Done(), false)
	matches(t, "the second run", r.Run(sleeps(time.Minute)), nil)
	log.want(t, "2")
	matches(t, "Close", r.Close(), nil)
	log.want(t, "end")
	same(t, "Cancelled", worker.Cancelled(), true)
}

// RUN-029
func TestRunWaitsForWorkers(t *testing.T) {
	finished := false
	release := make(chan struct{})
	err := aio.Run(func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		aio.RunInExecutor(ctx, nil, func() (int, error) {
			<-release
			finished = true
			return 0, nil
		})
		spawn(ctx, func(ctx context.Context) error {
			// this task is cancelled after main has returned
			_ = aio.Sleep(ctx, time.Hour)
			l.CallSoon(func() { close(release) })
			return nil
		})
		return aio.Sleep(ctx, 0)
	})
	matches(t, "Run", err, nil)
	same(t, "the job has finished", finished, true)
}

// RUN-022: a Runner that does not handle signals.
func TestRunWithoutSignals(t *testing.T) {
	before := signal.Ignored(os.Interrupt)
	r := aio.Runner{Options: &aio.LoopOptions{VirtualClock: true}}
	defer r.Close()
	matches(t, "Run", r.Run(sleeps(time.Hour)), nil)
	same(t, "SIGINT is ignored", signal.Ignored(os.Interrupt), before)
}

// interrupted contains the programs that TestInterrupt sends SIGINT to. They print
// "ready" to request one.
var interrupted = map[string]func() error{
	// RUN-019
	"main waits for a future": func() error {
		return aio.Run(func(ctx context.Context) error {
			f := aio.CreateFuture[int](ctx)
			ready(ctx)
			_, err := f.Await(ctx)
			fmt.Println("await:", err, f.Cancelled(), errors.Is(err, aio.ErrCancelled), errors.Is(err, aio.ErrInterrupted))
			return err
		})
	},
	// RUN-020
	"main yields in a cycle": func() error {
		return aio.Run(func(ctx context.Context) error {
			ready(ctx)
			for {
				if err := aio.Sleep(ctx, 0); err != nil {
					fmt.Println("sleep:", err)
					return err
				}
			}
		})
	},
	"main returns a new CancelledError": func() error {
		return aio.Run(func(ctx context.Context) error {
			ready(ctx)
			_ = aio.Sleep(ctx, time.Hour)
			return &aio.CancelledError{}
		})
	},
	// RUN-021
	"main was cancelled before": func() error {
		return aio.Run(func(ctx context.Context) error {
			main := aio.CurrentTask(ctx)
			spawn(ctx, func(context.Context) error { main.Cancel(); return nil })
			fmt.Println("sleep:", aio.Sleep(ctx, time.Hour))
			ready(ctx)
			err := aio.Sleep(ctx, time.Hour)
			fmt.Println("sleep:", err)
			return err
		})
	},
	// RUN-023
	"main absorbs it": func() error {
		return aio.Run(func(ctx context.Context) error {
			ready(ctx)
			fmt.Println("sleep:", aio.Sleep(ctx, time.Hour))
			return aio.Sleep(ctx, 0)
		})
	},
	"main fails": func() error {
		return aio.Run(func(ctx context.Context) error {
			ready(ctx)
			_ = aio.Sleep(ctx, time.Hour)
			return errors.New("main failed")
		})
	},
	// RUN-024
	"twice": func() error {
		return aio.Run(func(ctx context.Context) error {
			spawn(ctx, func(ctx context.Context) error {
				err := aio.Sleep(ctx, time.Hour)
				fmt.Println("worker:", err)
				return err
			})
			ready(ctx)
			fmt.Println("sleep:", aio.Sleep(ctx, time.Hour))
			ready(ctx)
			// After the second interrupt Run returns: then this Sleep
			// returns the second cancellation.
			err := aio.Sleep(ctx, time.Hour)
			fmt.Println("sleep:", err)
			return err
		})
	},
	// RUN-025
	"after the run": func() error {
		_ = aio.Run(func(ctx context.Context) error { return nil })
		ready(context.Background())
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	},
	"between two runs": func() error {
		var r aio.Runner
		defer r.Close()
		main := func(ctx context.Context) error {
			ready(ctx)
			return aio.Sleep(ctx, time.Hour)
		}
		fmt.Println("run:", r.Run(main))
		return r.Run(main)
	},
	"while SIGINT is ignored": func() error {
		signal.Ignore(os.Interrupt)
		return aio.Run(func(ctx context.Context) error {
			ready(ctx)
			_, err := aio.ToThread(ctx, func(context.Context) (string, error) { return bufio.NewReader(os.Stdin).ReadString('\n') })
			return err
		})
	},
	"with a signal handler of the program": func() error {
		own := make(chan os.Signal, 1)
		signal.Notify(own, os.Interrupt)
		err := aio.Run(func(ctx context.Context) error {
			ready(ctx)
			return aio.Sleep(ctx, time.Hour)
		})
		fmt.Println("own:", <-own)
		return err
	},
}

// ready asks the parent for a SIGINT.
func ready(context.Context) { fmt.Println("ready") }

// RUN-019, RUN-020, RUN-021, RUN-023, RUN-024, RUN-025
func TestInterrupt(t *testing.T) {
	if mode := os.Getenv(childMode); mode != "" {
		fmt.Println("end:", interrupted[mode]())
		os.Exit(0)
	}
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot send SIGINT to another one")
	}
	for name, want := range map[string]string{
		"main waits for a future":              "ready; await: aio: cancelled: aio: signal: interrupt true true true; end: aio: signal: interrupt",
		"main yields in a cycle":               "ready; sleep: aio: cancelled: aio: signal: interrupt; end: aio: signal: interrupt",
		"main returns a new CancelledError":    "ready; end: aio: signal: interrupt",
		"main was cancelled before":            "sleep: aio: cancelled; ready; sleep: aio: cancelled: aio: signal: interrupt; end: aio: cancelled: aio: signal: interrupt",
		"main absorbs it":                      "ready; sleep: aio: cancelled: aio: signal: interrupt; end: <nil>",
		"main fails":                           "ready; end: main failed",
		"twice":                                "ready; sleep: aio: cancelled: aio: signal: interrupt; ready; sleep: aio: cancelled; worker: aio: cancelled; end: aio: signal: interrupt",
		"after the run":                        "ready; killed",
		"between two runs":                     "ready; run: aio: signal: interrupt; ready; end: aio: signal: interrupt",
		"while SIGINT is ignored":              "ready; end: <nil>",
		"with a signal handler of the program": "ready; own: interrupt; end: aio: signal: interrupt",
	} {
		t.Run(name, func(t *testing.T) {
			cmd := childProcess(t, name)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var got []string
			for lines := bufio.NewScanner(stdout); lines.Scan(); {
				got = append(got, lines.Text())
				if lines.Text() != "ready" {
					continue
				}
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Error(err)
				}
				if name == "while SIGINT is ignored" {
					_, _ = io.WriteString(stdin, "go on\n")
				}
			}
			var exit *exec.ExitError
			if err := cmd.Wait(); errors.As(err, &exit) && exit.ExitCode() < 0 {
				got = append(got, "killed")
			} else if err != nil {
				t.Errorf("the child: %v", err)
			}
			if got := strings.Join(got, "; "); got != want {
				t.Errorf("output of the child\n got %s\nwant %s\n%s", got, want, stderr.String())
			}
		})
	}
}

func TestStartLoop(t *testing.T) {
	l, stop := aio.StartLoop(nil)
	var log []string // entries made by the loop
	started := make(chan struct{})
	left := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error {
		close(started)
		err := aio.Sleep(ctx, aio.NoTimeout)
		log = append(log, fmt.Sprint("task: ", err))
		return err
	}))
	<-started
	inside := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(context.Context) error { return stop() }))
	_, err := inside.Result(t.Context())
	matches(t, "stop from inside", err, aio.ErrWrongGoroutine)
	same(t, "IsRunning", l.IsRunning(), true)

	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { matches(t, "stop", stop(), nil) })
	}
	all.Wait()
	same(t, "IsClosed", l.IsClosed(), true)
	same(t, "log", strings.Join(log, ", "), "task: aio: cancelled")
	_, err = left.Result(t.Context())
	matches(t, "the remaining task", err, aio.ErrCancelled)
	_, err = aio.RunCoroutineThreadsafe(l, aio.NoResult(func(context.Context) error { return nil })).Result(t.Context())
	matches(t, "after the end", err, aio.ErrLoopClosed)
}

// StartLoop closes its loop for whatever reason it stops.
func TestStartLoopEndsByItself(t *testing.T) {
	for name, c := range map[string]struct {
		opts *aio.LoopOptions
		body func(ctx context.Context, l *aio.Loop) error
		want error
	}{
		"Stop": {nil, func(_ context.Context, l *aio.Loop) error {
			l.Stop()
			return nil
		}, nil},
		"Goexit": {nil, func(context.Context, *aio.Loop) error {
			runtime.Goexit()
			return nil
		}, nil},
		"deadlock": {&aio.LoopOptions{VirtualClock: true}, func(ctx context.Context, l *aio.Loop) error {
			var never aio.Event
			return never.Wait(ctx)
		}, aio.ErrDeadlock},
	} {
		t.Run(name, func(t *testing.T) {
			l, stop := aio.StartLoop(c.opts)
			aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error { return c.body(ctx, l) }))
			for !l.IsClosed() {
				runtime.Gosched()
			}
			matches(t, "stop", stop(), c.want)
		})
	}
}
