package aio_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// loopElsewhere returns a loop that runs in another goroutine until the test ends or
// halt is called.
func loopElsewhere(t *testing.T) (l *aio.Loop, halt func()) {
	t.Helper()
	l = aio.NewEventLoop(nil)
	ended := make(chan error)
	go func() { ended <- l.RunForever() }()
	halt = sync.OnceFunc(func() {
		l.CallSoonThreadsafe(l.Stop)
		if err := <-ended; err != nil {
			t.Errorf("RunForever: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	t.Cleanup(halt)
	return l, halt
}

// inThatLoop runs f in a task of l and waits for it.
func inThatLoop(t *testing.T, l *aio.Loop, f func(ctx context.Context)) {
	t.Helper()
	cf := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error { f(ctx); return nil }))
	if _, err := cf.Result(context.Background()); err != nil {
		t.Errorf("in the loop: %v", err)
	}
}

// TASK-169
func TestRunCoroutineThreadsafe(t *testing.T) {
	l, _ := loopElsewhere(t)
	ctx := context.Background()
	if v, err := aio.RunCoroutineThreadsafe(l, after(0, 3)).Result(ctx); v != 3 || err != nil {
		t.Errorf("a value: %v, %v", v, err)
	}
	if _, err := aio.RunCoroutineThreadsafe(l, failsLater(0, errOne)).Result(ctx); err != errOne {
		t.Errorf("an error: %v", err)
	}
	var p *aio.PanicError
	_, err := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(context.Context) error { panic("ouch") })).Result(ctx)
	if !errors.As(err, &p) || p.Value != "ouch" {
		t.Errorf("a panic: %v", err)
	}
	// TASK-249
	if err := panics(func() { aio.RunCoroutineThreadsafe[int](l, nil) }); !errors.Is(err, aio.ErrUsage) {
		t.Errorf("nil: %v", err)
	}
}

// TASK-170
func TestRunCoroutineThreadsafeGivenUp(t *testing.T) {
	l, _ := loopElsewhere(t)
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	cf := aio.RunCoroutineThreadsafe(l, forever)
	if _, err := cf.Result(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Result with a zero timeout: %v", err)
	}
	if !cf.Cancel() || !cf.Cancelled() {
		t.Error("the future cannot be cancelled")
	}
	inThatLoop(t, l, func(ctx context.Context) {
		if all := aio.AllTasks(ctx); len(all) != 1 {
			t.Errorf("there still is %v", all)
		}
	})
}

// TASK-171
func TestRunCoroutineThreadsafeTaskCancelsItself(t *testing.T) {
	l, _ := loopElsewhere(t)
	cf := aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (int, error) {
		aio.CurrentTask(ctx).Cancel("enough")
		return forever(ctx)
	})
	_, err := cf.Result(context.Background())
	var c *aio.CancelledError
	if !errors.As(err, &c) || c.Message != "enough" || !cf.Cancelled() || cf.Cancel() != true {
		t.Errorf("Result: %v, cancelled %v", err, cf.Cancelled())
	}
}

// TASK-172
func TestRunCoroutineThreadsafeCancelCancelsTheTask(t *testing.T) {
	l, _ := loopElsewhere(t)
	started, ended := make(chan aio.AnyTask, 1), make(chan error, 1)
	cf := aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (int, error) {
		started <- aio.CurrentTask(ctx)
		v, err := forever(ctx)
		ended <- err
		return v, err
	})
	task := <-started
	if !cf.Cancel() {
		t.Error("the future cannot be cancelled")
	}
	if err := <-ended; !errors.Is(err, aio.ErrCancelled) {
		t.Errorf("the task's await returned %v", err)
	}
	inThatLoop(t, l, func(context.Context) {
		if !task.Cancelled() {
			t.Errorf("the task is %v", task)
		}
	})
	if _, err := cf.Result(context.Background()); !errors.Is(err, aio.ErrCancelled) || !cf.Cancelled() {
		t.Errorf("Result: %v, cancelled %v", err, cf.Cancelled())
	}
}

// TASK-173
func TestRunCoroutineThreadsafeTaskFactoryRefuses(t *testing.T) {
	l, reports := newLoop(t)
	l.SetTaskFactory(func(*aio.TaskSpec) error { return errOne })
	cf := aio.RunCoroutineThreadsafe(l, returns(1))
	l.Stop()
	if err := l.RunForever(); err != nil {
		t.Error(err)
	}
	if _, err := cf.Result(context.Background()); err != errOne {
		t.Errorf("Result: %v", err)
	}
	if len(*reports) != 1 || (*reports)[0].Err != errOne {
		t.Errorf("reports: %v", *reports)
	}
}

// TASK-174
func TestRunCoroutineThreadsafeFromManyGoroutines(t *testing.T) {
	l, _ := loopElsewhere(t)
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			if v, err := aio.RunCoroutineThreadsafe(l, after(0, i)).Result(t.Context()); v != i || err != nil {
				t.Errorf("goroutine %d: %v, %v", i, v, err)
			}
			mine := errors.New("mine")
			if _, err := aio.RunCoroutineThreadsafe(l, failsLater(0, mine)).Result(t.Context()); err != mine {
				t.Errorf("goroutine %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

// TASK-249
func TestRunCoroutineThreadsafeCancelledBeforeItsFirstStep(t *testing.T) {
	l, _ := newLoop(t)
	cf := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(context.Context) error { t.Error("it ran"); return nil }))
	cf.Cancel()
	if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error { letPass(ctx, 3); return nil })); err != nil {
		t.Error(err)
	}
}

// The future of a closed loop gets an error, whenever the loop is closed: Result never
// blocks forever.
func TestRunCoroutineThreadsafeAndAClosedLoop(t *testing.T) {
	t.Run("before the call", func(t *testing.T) {
		l, _ := newLoop(t)
		_ = l.Close()
		if _, err := aio.RunCoroutineThreadsafe(l, returns(1)).Result(t.Context()); !errors.Is(err, aio.ErrLoopClosed) {
			t.Errorf("Result: %v", err)
		}
	})
	t.Run("before the loop runs", func(t *testing.T) {
		l, _ := newLoop(t)
		cf := aio.RunCoroutineThreadsafe(l, returns(1))
		_ = l.Close()
		if _, err := cf.Result(t.Context()); !errors.Is(err, aio.ErrLoopClosed) {
			t.Errorf("Result: %v", err)
		}
	})
	t.Run("before the first step", func(t *testing.T) {
		l, reports := newLoop(t)
		cf := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(context.Context) error { t.Error("it ran"); return nil }))
		l.Stop()
		_ = l.RunForever()
		_ = l.Close()
		if _, err := cf.Result(t.Context()); !errors.Is(err, aio.ErrLoopClosed) {
			t.Errorf("Result: %v", err)
		}
		if len(*reports) != 1 || (*reports)[0].Task == nil {
			t.Errorf("reports: %v, want the task that was pending", *reports)
		}
	})
	t.Run("while the task waits", func(t *testing.T) {
		l, halt := loopElsewhere(t)
		l.CallSoonThreadsafe(func() { l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {}) })
		started := make(chan struct{})
		cf := aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (int, error) {
			close(started)
			return forever(ctx)
		})
		<-started
		blocked := make(chan error)
		go func() { _, err := cf.Result(context.Background()); blocked <- err }()
		halt()
		if err := <-blocked; !errors.Is(err, aio.ErrLoopClosed) {
			t.Errorf("Result: %v", err)
		}
		if cf.Cancel() {
			t.Error("the future could be cancelled after that")
		}
	})
	t.Run("once the task is done", func(t *testing.T) {
		l, _ := newLoop(t)
		cf := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(context.Context) error { l.Stop(); return nil }))
		_ = l.RunForever()
		_ = l.Close()
		if _, err := cf.Result(t.Context()); err != nil {
			t.Errorf("Result: %v", err)
		}
	})
	t.Run("from many goroutines at once", func(t *testing.T) {
		l, halt := loopElsewhere(t)
		l.CallSoonThreadsafe(func() { l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {}) })
		var wg sync.WaitGroup
		reached := make(chan struct{}, 1000)
		for range 4 {
			wg.Go(func() {
				for {
					_, err := aio.RunCoroutineThreadsafe(l, returns(1)).Result(context.Background())
					if errors.Is(err, aio.ErrLoopClosed) {
						return
					}
					if err != nil {
						t.Errorf("Result: %v", err)
					}
					select {
					case reached <- struct{}{}:
					default:
					}
				}
			})
		}
		<-reached
		halt()
		wg.Wait()
	})
}

func TestConcurrentFutureResultInItsOwnLoop(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		cf := aio.RunCoroutineThreadsafe(l, after(0, 3))
		if _, err := cf.Result(ctx); !errors.Is(err, aio.ErrWrongGoroutine) {
			t.Errorf("Result, where it would block the loop: %v", err)
		}
		if v, err := aio.WrapFuture(ctx, cf).Await(ctx); v != 3 || err != nil {
			t.Errorf("WrapFuture: %v, %v", v, err)
		}
		if v, err := cf.Result(ctx); v != 3 || err != nil {
			t.Errorf("Result once it is there: %v, %v", v, err)
		}
		return nil
	})
}

// A virtual clock advances while a task waits for a future that its own loop sets.
func TestWrapFutureOfTheSameLoopDoesNotHoldAVirtualClock(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		cf := aio.RunCoroutineThreadsafe(l, after(time.Minute, 3))
		v, err := aio.WrapFuture(ctx, cf).Await(ctx)
		if v != 3 {
			t.Errorf("got %v", v)
		}
		return err
	})
}

// thread runs fn in another goroutine and waits for it.
func thread(fn func()) {
	done := make(chan struct{})
	go func() { defer close(done); fn() }()
	<-done
}

// A coroutine that a loop submits to itself needs no additional pass, neither for its
// start nor for its result.
func TestRunCoroutineThreadsafeInItsOwnLoop(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		var log eventLog
		start := func() *aio.Future[struct{}] {
			return aio.WrapFuture(ctx, aio.RunCoroutineThreadsafe(l, aio.NoResult(func(context.Context) error {
				log.add("step")
				return nil
			})))
		}
		f := start()
		f.Cancel()
		letPass(ctx, 5)
		log.want(t, "") // the task was cancelled before its first step

		// The first pass creates the task, the second makes its step, and the
		// task's callback sets f in the third.
		f = start()
		letPass(ctx, 2)
		log.want(t, "step")
		if f.Done() {
			t.Error("the future is done in the pass of the coroutine's last step")
		}
		letPass(ctx, 1)
		if !f.Done() || f.Cancel() {
			t.Errorf("one pass later: done %t", f.Done())
		}
		done := aio.NewConcurrentFuture[int]()
		_ = done.SetResult(1)
		if !aio.WrapFuture(ctx, done).Done() {
			t.Error("the future of a done future is pending")
		}
		return nil
	})
}

func TestConcurrentFuture(t *testing.T) {
	type future = *aio.ConcurrentFuture[int]
	for name, tt := range map[string]struct {
		settle    func(f future) error
		value     int
		err       error
		cancelled bool
	}{
		"value":  {func(f future) error { return f.SetResult(3) }, 3, nil, false},
		"error":  {func(f future) error { return f.SetException(errOne) }, 0, errOne, false},
		"cancel": {func(f future) error { f.Cancel("enough"); return nil }, 0, aio.ErrCancelled, true},
	} {
		t.Run(name, func(t *testing.T) {
			var log eventLog
			f := aio.NewConcurrentFuture[int]()
			f.AddDoneCallback(func() { log.add("before") })
			select {
			case <-f.Done():
				t.Error("a new future is done")
			default:
			}
			ctx, cancel := context.WithCancelCause(context.Background())
			cancel(errTwo)
			if _, err := f.Result(ctx); err != errTwo {
				t.Errorf("Result of a pending future with a zero timeout: %v", err)
			}
			if err := tt.settle(f); err != nil {
				t.Error(err)
			}
			f.AddDoneCallback(func() { log.add("after") })
			log.want(t, "before after")
			<-f.Done()
			if v, err := f.Result(context.Background()); v != tt.value || !errors.Is(err, tt.err) || f.Cancelled() != tt.cancelled {
				t.Errorf("Result: %v, %v, cancelled %v", v, err, f.Cancelled())
			}
			if err := f.SetResult(1); !errors.Is(err, aio.ErrInvalidState) {
				t.Errorf("SetResult once more: %v", err)
			}
			if err := f.SetException(errTwo); !errors.Is(err, aio.ErrInvalidState) {
				t.Errorf("SetException once more: %v", err)
			}
			if f.Cancel() != tt.cancelled || f.Cancelled() != tt.cancelled {
				t.Error("Cancel once more changed it")
			}
		})
	}
	if err := aio.NewConcurrentFuture[int]().SetException(nil); !errors.Is(err, aio.ErrUsage) {
		t.Errorf("SetException(nil): %v", err)
	}
}

// A callback that panics must not end the loop that sets the future.
func TestConcurrentFutureCallbackPanics(t *testing.T) {
	l, reports := newLoop(t)
	cf := aio.RunCoroutineThreadsafe(l, returns(1))
	cf.AddDoneCallback(func() { panic(errOne) })
	if err := panics(func() { _, _ = aio.RunUntilComplete(l, after(time.Second, 1)) }); err != nil {
		t.Errorf("the loop panicked with %v", err)
	}
	if len(*reports) != 1 || !errors.Is((*reports)[0].Err, errOne) {
		t.Errorf("reports: %v", *reports)
	}
}

func TestConcurrentFutureCallbackThatExitsDoesNotStopTheOthers(t *testing.T) {
	var log eventLog
	cf := aio.NewConcurrentFuture[int]()
	cf.AddDoneCallback(func() { log.add("a"); runtime.Goexit() })
	cf.AddDoneCallback(func() { log.add("b"); runtime.Goexit() })
	cf.AddDoneCallback(func() { log.add("c") })
	same(t, "goexit", goexits(func() { _ = cf.SetResult(1) }), true)
	log.want(t, "a b c")
}

// TASK-175
func TestWrapFutureBringsAResultIntoTheLoop(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		good, bad, done := aio.NewConcurrentFuture[int](), aio.NewConcurrentFuture[int](), aio.NewConcurrentFuture[int]()
		_ = done.SetResult(5)
		g := aio.GatherResults(ctx, aio.WrapFuture(ctx, good), aio.WrapFuture(ctx, bad), aio.WrapFuture(ctx, done))
		go func() { _, _ = good.SetResult(3), bad.SetException(errOne) }()
		rs, err := g.Await(ctx)
		if err != nil || rs[0] != (aio.Result[int]{Value: 3}) || rs[1] != (aio.Result[int]{Err: errOne}) || rs[2].Value != 5 {
			t.Errorf("got %v, %v", rs, err)
		}
		return nil
	})
}

// TASK-177
func TestWrapFutureNeedsALoop(t *testing.T) {
	cf := aio.NewConcurrentFuture[int]()
	if err := panics(func() { aio.WrapFuture(context.Background(), cf) }); !errors.Is(err, aio.ErrNoRunningLoop) {
		t.Errorf("without a loop: %v", err)
	}
	l, _ := newLoop(t)
	f := aio.WrapFuture(l.Context(), cf)
	if f.GetLoop() != l {
		t.Error("the future belongs to another loop than that of the context")
	}
	_ = cf.SetResult(3)
	if v, err := aio.RunUntilComplete(l, f); v != 3 || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
	_ = l.Close()
	if err := panics(func() { aio.WrapFuture(l.Context(), cf) }); !errors.Is(err, aio.ErrLoopClosed) {
		t.Errorf("with a closed loop: %v", err)
	}
}

// TASK-178, TASK-179
func TestWrapFutureCancelled(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		cf := aio.NewConcurrentFuture[int]()
		f := aio.WrapFuture(ctx, cf)
		f.Cancel()
		note(&log, "%s %v", state(f), cf.Cancelled())
		letPass(ctx, 1)
		note(&log, "%v", cf.Cancelled())

		cf = aio.NewConcurrentFuture[int]()
		f = aio.WrapFuture(ctx, cf)
		thread(func() { _ = cf.SetResult(42) })
		f.Cancel()
		letPass(ctx, 2)
		v, err := cf.Result(ctx)
		note(&log, "%s %d %v", state(f), v, err)
		return nil
	})
	log.want(t, "cancelled false true cancelled 42 <nil>")
}

// TASK-250
func TestWrapFutureOfACancelledOne(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		cf := aio.NewConcurrentFuture[int]()
		f := aio.WrapFuture(ctx, cf)
		cf.Cancel("enough")
		_, err := f.Await(ctx)
		var c *aio.CancelledError
		if !f.Cancelled() || !errors.As(err, &c) || c.Message != "enough" {
			t.Errorf("%v, %v", f, err)
		}
		return nil
	})
}

// WithContext gives the task the values of a caller outside the loop, and neither its end
// nor its deadline.
func TestRunCoroutineThreadsafeWithContext(t *testing.T) {
	l, stop := aio.StartLoop(nil)
	defer func() { same(t, "stop", stop(), nil) }()
	type key struct{}
	caller, cancel := context.WithTimeout(context.WithValue(context.Background(), key{}, "span"), time.Hour)
	cancel()
	get := func(ctx context.Context) (any, error) {
		_, hasDeadline := ctx.Deadline()
		same(t, "the task has a deadline", hasDeadline, false)
		return ctx.Value(key{}), aio.Sleep(ctx, 0)
	}
	got, err := aio.RunCoroutineThreadsafe(l, get, aio.WithContext(caller), aio.WithName("of the caller")).Result(context.Background())
	same(t, "the value", got, any("span"))
	same(t, "Result", err, nil)
	got, err = aio.RunCoroutineThreadsafe(l, get).Result(context.Background())
	same(t, "the value without the option", got, nil)
	same(t, "Result", err, nil)
	misused(t, "a nil option", func() { aio.RunCoroutineThreadsafe(l, get, nil) }, aio.ErrUsage)
}

// A coroutine that starts eagerly may cancel its own future before the call has the task.
func TestRunCoroutineThreadsafeCancelledInItsEagerStart(t *testing.T) {
	err := inBubble(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		l.SetTaskFactory(aio.EagerTaskFactory)
		var cf *aio.ConcurrentFuture[int]
		ended := aio.CreateFuture[error](ctx)
		cf = aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (int, error) {
			cf.Cancel("enough")
			err := aio.Sleep(ctx, time.Hour)
			_ = ended.SetResult(err)
			return 0, err
		})
		return aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
			err, waitErr := ended.Await(ctx)
			matches(t, "the await of the coroutine", err, aio.ErrCancelled)
			return waitErr
		})
	})
	same(t, "Run", err, nil)
}
