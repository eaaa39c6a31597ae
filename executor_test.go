package aio_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// THR-001, THR-002, THR-005, THR-007
func TestToThread(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		ctx = context.WithValue(ctx, contextKey{}, "mine")
		v, err := aio.ToThread(ctx, func(ctx context.Context) (any, error) {
			if aio.CurrentTask(ctx) != nil {
				t.Error("the function runs in the task")
			}
			if err := aio.Sleep(ctx, 0); !errors.Is(err, aio.ErrWrongGoroutine) {
				t.Errorf("Sleep in a worker goroutine: %v", err)
			}
			return ctx.Value(contextKey{}), nil
		})
		if v != "mine" || err != nil {
			t.Errorf("ToThread: %v, %v", v, err)
		}
		if v, err := aio.ToThread(ctx, func(context.Context) (int, error) { return 3, errOne }); v != 0 || err != errOne {
			t.Errorf("an error: %v, %v", v, err)
		}
		var p *aio.PanicError
		if _, err := aio.ToThread(ctx, func(context.Context) (int, error) { panic(errTwo) }); !errors.As(err, &p) || !errors.Is(err, errTwo) {
			t.Errorf("a panic: %v", err)
		}
		if _, err := aio.ToThread(ctx, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }); err != aio.ErrGoexit {
			t.Errorf("Goexit: %v", err)
		}
		if _, err := aio.ToThread[int](ctx, nil); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("nil: %v", err)
		}
		return nil
	})
	if _, err := aio.ToThread(context.Background(), func(context.Context) (int, error) { t.Error("it ran"); return 0, nil }); !errors.Is(err, aio.ErrNoRunningLoop) {
		t.Errorf("without a loop: %v", err)
	}
}

// THR-003
func TestToThreadRunsEachFunctionOnce(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var mu sync.Mutex
		calls := map[int]int{}
		var aws []aio.Awaitable[int]
		for i := range 10 {
			aws = append(aws, aio.Coro[int](func(ctx context.Context) (int, error) {
				return aio.ToThread(ctx, func(context.Context) (int, error) {
					mu.Lock()
					defer mu.Unlock()
					calls[i]++
					return i, nil
				})
			}))
		}
		vs, err := aio.Gather(ctx, aws...).Await(ctx)
		for i := range 10 {
			if err != nil || vs[i] != i || calls[i] != 1 {
				t.Errorf("function %d: %v, %v, called %d times", i, vs, err, calls[i])
			}
		}
		return nil
	})
}

// THR-008
func TestToThreadCancelledAtOnceWhileTheFunctionGoesOn(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		started, gate, ended := make(chan struct{}), make(chan struct{}), make(chan error)
		tk := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return justErr(aio.ToThread(ctx, func(ctx context.Context) (int, error) {
				close(started)
				<-gate
				ended <- ctx.Err()
				return 0, nil
			}))
		}))
		letPass(ctx, 1)
		<-started
		tk.Cancel()
		_, err := tk.Await(ctx)
		if !tk.Cancelled() {
			t.Errorf("ToThread: %v", err)
		}
		close(gate)
		if err := <-ended; err != context.Canceled {
			t.Errorf("the function's context: %v, want it to be done with the task", err)
		}
		return nil
	})
}

func justErr[T any](_ T, err error) error { return err }

// LOOP-084: nil means the default executor.
func TestRunInExecutor(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		mine := &countingExecutor{Executor: aio.NewThreadPoolExecutor(1)}
		for _, ex := range []aio.Executor{nil, mine} {
			elsewhere := false
			v, err := aio.RunInExecutor(ctx, ex, func() (int, error) {
				elsewhere = aio.CurrentTask(ctx) == nil
				return 3, nil
			}).Await(ctx)
			if v != 3 || err != nil || !elsewhere {
				t.Errorf("RunInExecutor: %v, %v, in another goroutine %v", v, err, elsewhere)
			}
		}
		if mine.submitted != 1 {
			t.Errorf("the executor was given %d jobs", mine.submitted)
		}
		if _, err := aio.RunInExecutor(ctx, mine, func() (int, error) { return 0, errOne }).Await(ctx); err != errOne {
			t.Errorf("an error: %v", err)
		}
		mine.Shutdown(true)
		if _, err := aio.RunInExecutor(ctx, mine, func() (int, error) { return 0, nil }).Await(ctx); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("after Shutdown: %v", err)
		}
		if err := panics(func() { aio.RunInExecutor[int](ctx, nil, nil) }); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("nil: %v", err)
		}
		return nil
	})
	if err := panics(func() { aio.RunInExecutor(context.Background(), nil, func() (int, error) { return 0, nil }) }); !errors.Is(err, aio.ErrNoRunningLoop) {
		t.Errorf("without a loop: %v", err)
	}
}

// countingExecutor counts its jobs. It is used by one goroutine.
type countingExecutor struct {
	aio.Executor
	submitted int
	shutdowns []bool
}

func (e *countingExecutor) Submit(job func()) error {
	e.submitted++
	return e.Executor.Submit(job)
}

func (e *countingExecutor) Shutdown(wait bool) {
	e.shutdowns = append(e.shutdowns, wait)
	e.Executor.Shutdown(wait)
}

// LOOP-085, LOOP-090
func TestSetDefaultExecutor(t *testing.T) {
	l, _ := newLoop(t)
	if err := panics(func() { l.SetDefaultExecutor(nil) }); !errors.Is(err, aio.ErrUsage) {
		t.Errorf("nil: %v", err)
	}
	mine := &countingExecutor{Executor: aio.NewThreadPoolExecutor(1)}
	l.SetDefaultExecutor(mine)
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		return justErr(aio.ToThread(ctx, func(context.Context) (int, error) { return 0, nil }))
	}))
	if err != nil || mine.submitted != 1 {
		t.Errorf("%v, the executor was given %d jobs", err, mine.submitted)
	}
	_ = l.Close()
	if len(mine.shutdowns) != 1 || mine.shutdowns[0] {
		t.Errorf("closing the loop made Shutdown calls with wait %v, want one without", mine.shutdowns)
	}
}

// LOOP-086, LOOP-090: the result of a job that ends after its loop was closed is
// discarded, whether the job was cancelled or not.
func TestExecutorJobEndsAfterItsLoop(t *testing.T) {
	for _, cancel := range []bool{false, true} {
		l, reports := newLoop(t)
		ex := aio.NewThreadPoolExecutor(1)
		l.SetDefaultExecutor(ex)
		started, gate := make(chan struct{}), make(chan struct{})
		f := aio.RunInExecutor(l.Context(), nil, func() (int, error) {
			close(started)
			<-gate
			return 0, errOne
		})
		<-started
		if cancel {
			f.Cancel()
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		close(gate)
		ex.Shutdown(true)
		if f.Done() != cancel || len(*reports) != 0 {
			t.Errorf("cancel %v: %v, reports %v", cancel, f, *reports)
		}
	}
}

// LOOP-088, LOOP-089
func TestShutdownDefaultExecutor(t *testing.T) {
	for _, used := range []bool{false, true} {
		aiotest.Run(t, func(ctx context.Context) error {
			l, _ := aio.GetRunningLoop(ctx)
			job := func() (int, error) { return 3, nil }
			var f *aio.Future[int]
			if used {
				f = aio.RunInExecutor(ctx, nil, job)
			}
			if err := l.ShutdownDefaultExecutor(ctx, aio.NoTimeout); err != nil {
				t.Errorf("used %v: %v", used, err)
			}
			if used {
				if v, err := f.Await(ctx); v != 3 || err != nil {
					t.Errorf("the job from before: %v, %v", v, err)
				}
			}
			if _, err := aio.RunInExecutor(ctx, nil, job).Await(ctx); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("used %v: RunInExecutor afterwards: %v", used, err)
			}
			if _, err := aio.ToThread(ctx, func(context.Context) (int, error) { return job() }); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("used %v: ToThread afterwards: %v", used, err)
			}
			mine := aio.NewThreadPoolExecutor(1)
			defer mine.Shutdown(true)
			if v, err := aio.RunInExecutor(ctx, mine, job).Await(ctx); v != 3 || err != nil {
				t.Errorf("used %v: another executor afterwards: %v, %v", used, v, err)
			}
			return nil
		})
	}
}

// LOOP-087
func TestShutdownDefaultExecutorTimeout(t *testing.T) {
	logged := logText(t)
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		err := aio.Run(func(ctx context.Context) error {
			defer close(gate)
			l, _ := aio.GetRunningLoop(ctx)
			f := aio.RunInExecutor(ctx, nil, func() (int, error) { <-gate; return 0, nil })
			start := time.Now()
			err := l.ShutdownDefaultExecutor(ctx, time.Minute)
			if took := time.Since(start); took != time.Minute || f.Done() {
				t.Errorf("it returned after %v with the job %v", took, f)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	contains(t, "the log", logged(), "did not finish in time")
}

func TestThreadPoolExecutorNeedsWorkers(t *testing.T) {
	if err := panics(func() { aio.NewThreadPoolExecutor(-1) }); !errors.Is(err, aio.ErrUsage) {
		t.Errorf("-1 workers: %v", err)
	}
	if err := panics(func() { aio.NewThreadPoolExecutor(0) }); err != nil {
		t.Errorf("0 workers, meaning the default: %v", err)
	}
}

func TestExecutorNeverRunsMoreThanItsWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ex := aio.NewThreadPoolExecutor(2)
		started, gate := make(chan struct{}, 10), make(chan struct{})
		for range 6 {
			err := ex.Submit(func() { started <- struct{}{}; <-gate })
			if err != nil {
				t.Error(err)
			}
		}
		for want := 2; want <= 6; want++ {
			synctest.Wait()
			if len(started) != want {
				t.Errorf("%d jobs are running, want %d", len(started), want)
			}
			gate <- struct{}{}
		}
		close(gate)
		ex.Shutdown(true)
		if err := ex.Submit(func() { t.Error("it ran") }); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("Submit after Shutdown: %v", err)
		}
	})
}

// Shutdown(true) waits for all jobs, including those that have not started;
// Shutdown(false) does not wait.
func TestExecutorShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ex := aio.NewThreadPoolExecutor(1)
		gate := make(chan struct{})
		var ran []int
		for i := range 3 {
			if err := ex.Submit(func() { <-gate; ran = append(ran, i) }); err != nil {
				t.Error(err)
			}
		}
		ex.Shutdown(false)
		down := false
		go func() { ex.Shutdown(true); down = true }()
		if synctest.Wait(); down {
			t.Error("Shutdown did not wait")
		}
		close(gate)
		if synctest.Wait(); !down || len(ran) != 3 {
			t.Errorf("Shutdown returned: %v, jobs that ran: %v", down, ran)
		}
	})
}

func TestExecutorJobCancelledBeforeItBeginsNeverRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ex := aio.NewThreadPoolExecutor(1)
		gate := make(chan struct{})
		err := aio.Run(func(ctx context.Context) error {
			first := aio.RunInExecutor(ctx, ex, func() (int, error) { <-gate; return 1, nil })
			synctest.Wait()
			second := aio.RunInExecutor(ctx, ex, func() (int, error) { t.Error("it ran"); return 2, nil })
			third := aio.RunInExecutor(ctx, ex, func() (int, error) { return 3, nil })
			second.Cancel()
			letPass(ctx, 1)
			synctest.Wait()
			close(gate)
			for _, f := range []*aio.Future[int]{first, third} {
				if _, err := f.Await(ctx); err != nil {
					t.Error(err)
				}
			}
			if !second.Cancelled() {
				t.Errorf("the job is %v", second)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		ex.Shutdown(true)
	})
}

// heldExecutor stores its jobs until the test runs them.
type heldExecutor struct{ jobs []func() }

func (e *heldExecutor) Submit(job func()) error { e.jobs = append(e.jobs, job); return nil }
func (e *heldExecutor) Shutdown(bool)           {}

// A job that is cancelled before it starts never runs, even if no pass of the loop
// comes in between.
func TestExecutorJobCancelledJustBeforeItBeginsNeverRuns(t *testing.T) {
	l, _ := newLoop(t)
	var ex heldExecutor
	f := aio.RunInExecutor(l.Context(), &ex, func() (int, error) { t.Error("it ran"); return 0, nil })
	same(t, "Cancel", f.Cancel(), true)
	done := make(chan struct{})
	go func() { defer close(done); ex.jobs[0]() }()
	<-done
	_, err := aio.RunUntilComplete(l, f)
	matches(t, "RunUntilComplete", err, aio.ErrCancelled)
}

func TestExecutorJobsThatWaitHoldNoGoroutines(t *testing.T) {
	count := goroutines(t)
	l, _ := newLoop(t)
	ex := aio.NewThreadPoolExecutor(1)
	gate := make(chan struct{})
	first := aio.RunInExecutor(l.Context(), ex, func() (int, error) { <-gate; return 1, nil })
	before := count()
	for range 100 {
		aio.RunInExecutor(l.Context(), ex, func() (int, error) { t.Error("it ran"); return 0, nil }).Cancel()
	}
	same(t, "goroutines for 100 jobs", count()-before, 0)
	close(gate)
	ex.Shutdown(true)
	v, err := aio.RunUntilComplete(l, first)
	same(t, "the first job", v, 1)
	matches(t, "the first job", err, nil)
}

// A virtual clock does not advance while a job runs.
func TestVirtualClockDoesNotAdvanceDuringJobs(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		gate := make(chan struct{})
		now := clock(ctx)
		f := aio.RunInExecutor(ctx, nil, func() (time.Duration, error) { <-gate; return 0, nil })
		sleeper := aio.CreateTask(ctx, after(time.Hour, 1))
		letPass(ctx, 1)
		close(gate)
		if _, err := f.Await(ctx); err != nil || now() != 0 {
			t.Errorf("the job ended %v after its start, %v", now(), err)
		}
		_, err := sleeper.Await(ctx)
		return err
	})
}

func TestThreadPoolExecutorDefault(t *testing.T) {
	misused(t, "a negative number of workers", func() { aio.NewThreadPoolExecutor(-1) })
	ex := aio.NewThreadPoolExecutor(0)
	done := make(chan struct{})
	if err := ex.Submit(func() { close(done) }); err != nil {
		t.Fatal(err)
	}
	<-done
	ex.Shutdown(true)
}

// funcExecutor is an executor whose Submit is the function.
type funcExecutor func(job func()) error

func (f funcExecutor) Submit(job func()) error { return f(job) }
func (funcExecutor) Shutdown(bool)             {}

// However an executor and its job end, a virtual clock advances afterwards.
func TestVirtualClockAdvancesAfterAJob(t *testing.T) {
	ends := func() (int, error) { return 1, nil }
	var refused func()
	for name, c := range map[string]struct {
		submit func(job func()) error
		job    func() (int, error)
		want   error
	}{
		"success":               {func(job func()) error { go job(); return nil }, ends, nil},
		"in Submit":             {func(job func()) error { job(); return nil }, ends, nil},
		"Submit fails":          {func(func()) error { return errBoom }, ends, errBoom},
		"Submit panics":         {func(func()) error { panic(errBoom) }, ends, errBoom},
		"Submit runs it, fails": {func(job func()) error { job(); return errBoom }, ends, errBoom},
		"the job panics":        {func(job func()) error { go job(); return nil }, func() (int, error) { panic(errBoom) }, errBoom},
		"the job ends its goroutine": {func(job func()) error { go job(); return nil }, func() (int, error) {
			runtime.Goexit()
			return 0, nil
		}, aio.ErrGoexit},
		"twice": {func(job func()) error {
			job()
			misused(t, "a second call", job)
			return nil
		}, ends, nil},
		"refused and called": {func(job func()) error {
			refused = job
			return errBoom
		}, ends, errBoom},
	} {
		t.Run(name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				now := clock(ctx)
				var err error
				if raised := panics(func() { _, err = aio.RunInExecutor(ctx, funcExecutor(c.submit), c.job).Await(ctx) }); raised != nil {
					err = raised
				}
				if name == "refused and called" {
					misused(t, "a call of a refused job", refused)
				}
				if c.want == nil {
					same(t, "the result", err, nil)
				} else {
					matches(t, "the result", err, c.want)
				}
				same(t, "the time of the job", now(), 0)
				if err := aio.Sleep(ctx, time.Hour); err != nil {
					return err
				}
				same(t, "the time", now(), time.Hour)
				return nil
			})
		})
	}
}

// The clock waits for a job even if no task waits for its result any more, and calls by
// the job arrive at the time of the job.
func TestVirtualClockWaitsForAbandonedJobs(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		now := clock(ctx)
		began, release := make(chan struct{}), make(chan struct{})
		var log eventLog
		task := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			return aio.ToThread(ctx, func(context.Context) (int, error) {
				close(began)
				<-release
				l.CallSoonThreadsafe(func() { log.add("call:%v", now()) })
				return 1, nil
			})
		})
		if _, _, err := aio.Receive(ctx, began); err != nil {
			return err
		}
		task.Cancel()
		_, err = task.Await(ctx)
		matches(t, "the task", err, aio.ErrCancelled)
		go close(release)
		if err := aio.Sleep(ctx, time.Hour); err != nil {
			return err
		}
		log.want(t, "call:0s")
		return nil
	})
}
