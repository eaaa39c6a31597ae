package aio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
)

// goexits reports whether f, in a new goroutine, calls runtime.Goexit.
func goexits(f func()) bool {
	exited := true
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
		exited = false
	}()
	<-done
	return exited
}

// childMode is the environment variable that tells the test binary that it is a child
// process.
const childMode = "AIO_TEST_CHILD"

// childProcess returns a command that runs the calling test again, with childMode set
// to mode.
func childProcess(t *testing.T, mode string) *exec.Cmd {
	name, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.Command(os.Args[0], "-test.run=^"+name+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), childMode+"="+mode)
	return cmd
}

//go:noinline
func blowUp(v any) { panic(v) }

func TestPanicBecomesTheTasksError(t *testing.T) {
	for name, c := range map[string]struct {
		value any
		is    error
	}{
		"a value":          {value: 42},
		"an error":         {value: fs.ErrNotExist, is: fs.ErrNotExist},
		"an error wrapped": {value: fmt.Errorf("open: %w", fs.ErrNotExist), is: fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := newLoop(t)
			err := runMain(l, func(ctx context.Context) error {
				// so that the stack belongs to a resumed coroutine
				aio.Sleep(ctx, 0)
				blowUp(c.value)
				return nil
			})
			var p *aio.PanicError
			if !errors.As(err, &p) {
				t.Fatalf("error %T %v, want a *PanicError", err, err)
			}
			same(t, "Value", p.Value, c.value)
			same(t, "the stack names the function", bytes.Contains(p.Stack, []byte("aio_test.blowUp(")), true)
			if c.is != nil {
				matches(t, "the error", err, c.is)
			}
		})
	}
}

func TestPanicOfTheRuntime(t *testing.T) {
	l, _ := newLoop(t)
	err := runMain(l, func(context.Context) error {
		var p *int
		*p = 1
		return nil
	})
	var re runtime.Error
	same(t, "errors.As(runtime.Error)", errors.As(err, &re), true)
	err = runMain(l, func(context.Context) error { panic(nil) })
	var pn *runtime.PanicNilError
	same(t, "errors.As(*runtime.PanicNilError)", errors.As(err, &pn), true)
}

func TestPanicOfEagerTaskStaysInIt(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		task := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { blowUp(fs.ErrExist); return nil }), aio.WithEagerStart(true))
		same(t, "Done", task.Done(), true)
		_, err := task.Await(ctx)
		matches(t, "Await", err, fs.ErrExist)
		for range 2 { // each await returns the same error
			matches(t, "Exception", task.Exception(), err)
		}
	})
}

// Goexit in a task, as from t.FailNow, ends the goroutine that runs the loop, at the
// end of the pass.
func TestGoexitEndsTheGoroutineOfTheLoop(t *testing.T) {
	start := func(l *aio.Loop, f func(), eager bool) {
		spawn(l.Context(), func(ctx context.Context) error {
			aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { f(); return nil }), aio.WithEagerStart(eager))
			f()
			return nil
		})
	}
	for name, c := range map[string]struct {
		prepare func(l *aio.Loop, log *eventLog)
		want    string
	}{
		"in a callback": {func(l *aio.Loop, log *eventLog) {
			l.CallSoon(func() { defer log.add("deferred"); runtime.Goexit() })
		}, "deferred run-deferred"},
		"in a task": {func(l *aio.Loop, log *eventLog) {
			spawn(l.Context(), func(context.Context) error { defer log.add("deferred"); runtime.Goexit(); return nil })
			l.CallSoon(func() { log.add("same-pass") })
		}, "deferred same-pass run-deferred"},
		"in a task that was suspended": {func(l *aio.Loop, log *eventLog) {
			spawn(l.Context(), func(ctx context.Context) error {
				defer log.add("deferred")
				aio.Sleep(ctx, time.Second)
				runtime.Goexit()
				return nil
			})
		}, "deferred run-deferred"},
		"in an eager task": {func(l *aio.Loop, log *eventLog) {
			spawn(l.Context(), func(ctx context.Context) error {
				task := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
					defer log.add("deferred")
					runtime.Goexit()
					return nil
				}), aio.WithEagerStart(true))
				log.add("creator")
				matches(t, "the task", task.Exception(), aio.ErrGoexit)
				return nil
			})
		}, "deferred creator run-deferred"},
		"in an eager task and its creator": {func(l *aio.Loop, log *eventLog) {
			start(l, func() { defer log.add("deferred"); runtime.Goexit() }, true)
		}, "deferred deferred run-deferred"},
		"in two tasks of a pass": {func(l *aio.Loop, log *eventLog) {
			start(l, func() { defer log.add("deferred"); runtime.Goexit() }, false)
			spawn(l.Context(), func(ctx context.Context) error {
				aio.Sleep(ctx, 0)
				defer log.add("other-deferred")
				runtime.Goexit()
				return nil
			})
		}, "deferred run-deferred deferred other-deferred again-deferred"},
	} {
		for _, debug := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, debug %v", name, debug), func(t *testing.T) {
				leavesNoGoroutine(t)
				l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true, Debug: debug})
				l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
				defer l.Close()
				var log eventLog
				c.prepare(l, &log)
				exited := goexits(func() {
					defer log.add("run-deferred")
					l.RunForever()
				})
				same(t, "ended by Goexit", exited, true)
				same(t, "IsRunning", l.IsRunning(), false)
				if strings.Contains(c.want, "again") {
					same(t, "ended by Goexit again", goexits(func() {
						defer log.add("again-deferred")
						l.RunForever()
					}), true)
				}
				log.want(t, c.want)
				same(t, "tasks left", len(aio.AllTasks(l.Context())), 0)
				l.CallSoon(l.Stop) // the loop can still be used
				matches(t, "RunForever", l.RunForever(), nil)
			})
		}
	}
}

func TestGoexitIsTheTasksError(t *testing.T) {
	l, _ := newLoop(t)
	task := spawn(l.Context(), func(context.Context) error { runtime.Goexit(); return nil })
	same(t, "ended by Goexit", goexits(func() { l.RunForever() }), true)
	matches(t, "Exception", task.Exception(), aio.ErrGoexit)
}

// Goexit is passed on to the caller, so it is not reported.
func TestGoexitIsNotReported(t *testing.T) {
	l, reports := newLoop(t)
	spawn(l.Context(), func(context.Context) error { runtime.Goexit(); return nil })
	same(t, "ended by Goexit", goexits(func() { l.RunForever() }), true)
	matches(t, "Close", l.Close(), nil)
	for _, r := range *reports {
		t.Errorf("report: %s: %v", r.Message, r.Err)
	}
}

// A task that Close unwinds may call Goexit in a deferred function.
func TestGoexitDuringClose(t *testing.T) {
	leavesNoGoroutine(t)
	l, _ := newLoop(t)
	var log eventLog
	for i := range 3 {
		spawn(l.Context(), func(ctx context.Context) error {
			defer log.add("%d", i)
			aio.Sleep(ctx, time.Hour)
			runtime.Goexit()
			return nil
		})
	}
	l.CallSoon(l.Stop)
	matches(t, "RunForever", l.RunForever(), nil)
	same(t, "goexit", goexits(func() { l.Close() }), true)
	log.want(t, "0 1 2")
}

// A goroutine that is locked to its thread closes the loop.
func TestGoexitDuringCloseOnALockedThread(t *testing.T) {
	leavesNoGoroutine(t)
	l, _ := newLoop(t)
	same(t, "goexit", goexits(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		spawn(l.Context(), func(ctx context.Context) error {
			defer runtime.Goexit()
			return aio.Sleep(ctx, time.Hour)
		})
		onePass(t, l)
		l.Close()
	}), true)
	same(t, "IsClosed", l.IsClosed(), true)
}

// Goexit in the exception handler, as from t.FailNow, ends the goroutine that closes
// the loop, after everything is closed.
func TestGoexitOfTheExceptionHandlerDuringClose(t *testing.T) {
	leavesNoGoroutine(t)
	l, _ := newLoop(t)
	reports, unwound := 0, 0
	l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) { reports++; runtime.Goexit() })
	for range 3 {
		spawn(l.Context(), func(ctx context.Context) error {
			defer func() { unwound++ }()
			return aio.Sleep(ctx, time.Hour)
		})
	}
	onePass(t, l)
	same(t, "goexit", goexits(func() { l.Close() }), true)
	same(t, "reports", reports, 3)
	same(t, "tasks unwound", unwound, 3)
	same(t, "IsClosed", l.IsClosed(), true)
	matches(t, "Close again", l.Close(), nil)
}

func TestCloseUnwindsSuspendedTasks(t *testing.T) {
	leavesNoGoroutine(t)
	const n = 10_000
	l, reports := newLoop(t)
	var started, unwound int
	forever := aio.CreateFuture[int](l.Context())
	for i := range n {
		spawn(l.Context(), func(ctx context.Context) error {
			started++
			defer func() { unwound++ }()
			var err error
			if i%2 == 0 {
				err = aio.Sleep(ctx, time.Hour)
			} else {
				_, err = forever.Await(ctx)
			}
			if !errors.Is(err, aio.ErrLoopClosed) {
				t.Errorf("task %d: %v", i, err)
			}
			return err
		})
	}
	neverStarted := spawn(l.Context(), func(context.Context) error { t.Error("it was started"); return nil })
	neverStarted.Cancel()
	l.CallSoon(l.Stop)
	matches(t, "RunForever", l.RunForever(), nil)
	same(t, "tasks started", started, n)
	matches(t, "Close", l.Close(), nil)
	same(t, "tasks unwound", unwound, n)
	same(t, "reports", len(*reports), n)
	for _, r := range (*reports)[:3] {
		same(t, "report", r.Message, "task was destroyed but it is pending")
		same(t, "the report has the task", r.Task != nil, true)
	}
}

func TestCloseEndsTasksThatWereNotStarted(t *testing.T) {
	l, reports := newLoop(t)
	task := spawn(l.Context(), func(context.Context) error { t.Error("it was started"); return nil })
	matches(t, "Close", l.Close(), nil)
	matches(t, "Exception", task.Exception(), aio.ErrLoopClosed)
	same(t, "reports", len(*reports), 1)
}

func TestAwaitsAfterCloseFailEachTime(t *testing.T) {
	l, _ := newLoop(t)
	attempts, stubborn := 0, 0
	var q aio.Queue[int]
	spawn(l.Context(), func(ctx context.Context) error {
		for range 100 {
			matches(t, "Sleep", aio.Sleep(ctx, time.Hour), aio.ErrLoopClosed)
			_, err := q.Get(ctx)
			matches(t, "Queue.Get", err, aio.ErrLoopClosed)
			attempts++
		}
		return nil
	})
	forever := spawn(l.Context(), func(ctx context.Context) error {
		for {
			stubborn++
			_ = aio.Sleep(ctx, 0)
		}
	})
	l.CallSoon(l.Stop)
	matches(t, "RunForever", l.RunForever(), nil)
	matches(t, "Close", l.Close(), nil)
	same(t, "attempts", attempts, 100)
	same(t, "the stubborn task continued for a while", stubborn > 100, true)
	matches(t, "the stubborn one", forever.Exception(), aio.ErrLoopClosed)
	var p *aio.PanicError
	same(t, "it was ended by a panic", errors.As(forever.Exception(), &p), true)
}

// LOOP-079, LOOP-080: what asyncio checks only in debug mode is always checked.
func TestForeignGoroutineIsRefused(t *testing.T) {
	var (
		lock    aio.Lock
		event   aio.Event
		cond    aio.Condition
		sem     = aio.NewSemaphore(1)
		barrier = aio.NewBarrier(1)
		queue   = aio.NewQueue[int](0)
		ch      = make(chan int)
	)
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		// Each primitive belongs to the loop that uses it first.
		event.Set()
		for name, err := range map[string]error{
			"Lock":      lock.Acquire(ctx),
			"Event":     event.Wait(ctx),
			"Semaphore": sem.Acquire(ctx),
			"Queue":     queue.Put(ctx, 1),
			"Condition": cond.With(ctx, func(ctx context.Context) error {
				spawn(ctx, func(ctx context.Context) error {
					return cond.With(ctx, func(context.Context) error { cond.NotifyAll(); return nil })
				})
				return cond.Wait(ctx)
			}),
		} {
			matches(t, name, err, nil)
		}
		_, err := barrier.Wait(ctx)
		matches(t, "Barrier", err, nil)

		fut := aio.CreateFuture[int](ctx)
		callback := fut.AddDoneCallback(func(*aio.Future[int]) {})
		task := aio.CreateTask(ctx, fut.Await)
		soon, later := l.CallSoon(nop), l.CallLater(time.Hour, nop)
		cf := aio.NewConcurrentFuture[int]()
		scope := aio.NewTimeout(time.Hour)
		err = scope.Run(ctx, func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				body := aio.NoResult(func(context.Context) error { t.Error("a coroutine was started"); return nil })
				void := func(context.Context) error { t.Error("a body ran"); return nil }
				panicking := map[string]func(){
					"Loop.CallSoon":             func() { l.CallSoon(nop) },
					"Loop.CallLater":            func() { l.CallLater(0, nop) },
					"Loop.CallAt":               func() { l.CallAt(time.Now(), nop) },
					"Loop.Stop":                 func() { l.Stop() },
					"Loop.Time":                 func() { l.Time() },
					"Loop.SetDebug":             func() { l.SetDebug(true) },
					"Loop.GetDebug":             func() { l.GetDebug() },
					"Loop.SetTaskFactory":       func() { l.SetTaskFactory(nil) },
					"Loop.GetTaskFactory":       func() { l.GetTaskFactory() },
					"Loop.SetExceptionHandler":  func() { l.SetExceptionHandler(nil) },
					"Loop.GetExceptionHandler":  func() { l.GetExceptionHandler() },
					"Loop.CallExceptionHandler": func() { l.CallExceptionHandler(aio.ExceptionContext{}) },
					"Loop.SetDefaultExecutor":   func() { l.SetDefaultExecutor(aio.NewThreadPoolExecutor(1)) },
					"CreateTask":                func() { aio.CreateTask(ctx, body) },
					"CreateFuture":              func() { aio.CreateFuture[int](ctx) },
					"EnsureFuture":              func() { aio.EnsureFuture(ctx, body) },
					"AllTasks":                  func() { aio.AllTasks(ctx) },
					"Gather":                    func() { aio.Gather(ctx, body) },
					"GatherResults":             func() { aio.GatherResults(ctx, body) },
					"Shield":                    func() { aio.Shield(ctx, fut) },
					"AsCompleted":               func() { aio.AsCompleted(ctx, []aio.AnyFuture{fut}, aio.NoTimeout) },
					"WrapFuture":                func() { aio.WrapFuture(ctx, cf) },
					"RunInExecutor":             func() { aio.RunInExecutor(ctx, nil, func() (int, error) { return 0, nil }) },
					"Future.SetResult":          func() { raise(fut.SetResult(1)) },
					"Future.SetException":       func() { raise(fut.SetException(io.EOF)) },
					"Future.Cancel":             func() { fut.Cancel() },
					"Future.Cancelled":          func() { fut.Cancelled() },
					"Future.Done":               func() { fut.Done() },
					"Future.Exception":          func() { raise(fut.Exception()) },
					"Future.Result":             func() { raise(second(fut.Result())) },
					"Future.AddDoneCallback":    func() { fut.AddDoneCallback(func(*aio.Future[int]) {}) },
					"Future.RemoveDoneCallback": func() { fut.RemoveDoneCallback(callback) },
					"Task.Cancel":               func() { task.Cancel() },
					"Task.Done":                 func() { task.Done() },
					"Task.Result":               func() { raise(second(task.Result())) },
					"Task.Cancelling":           func() { task.Cancelling() },
					"Task.Uncancel":             func() { task.Uncancel() },
					"Task.SetName":              func() { task.SetName("x") },
					"Task.GetStack":             func() { task.GetStack(0) },
					"Task.PrintStack":           func() { raise(task.PrintStack(io.Discard, 0)) },
					"Handle.Cancel":             func() { soon.Cancel() },
					"Handle.Cancelled":          func() { soon.Cancelled() },
					"TimerHandle.Cancel":        func() { later.Cancel() },
					"TimerHandle.Cancelled":     func() { later.Cancelled() },
					"TimerHandle.When":          func() { later.When() },
					"TimeoutScope.Expired":      func() { scope.Expired() },
					"TimeoutScope.Reschedule":   func() { scope.Reschedule(time.Time{}) },
					"TaskGroup.Go":              func() { tg.Go(void) },
					"GoResult":                  func() { aio.GoResult(tg, body) },
					"TaskGroup.Cancel":          func() { tg.Cancel() },
					"Lock.Release":              func() { lock.Release() },
					"Lock.Locked":               func() { lock.Locked() },
					"Event.Set":                 func() { event.Set() },
					"Event.Clear":               func() { event.Clear() },
					"Event.IsSet":               func() { event.IsSet() },
					"Condition.Notify":          func() { cond.Notify(1) },
					"Condition.NotifyAll":       func() { cond.NotifyAll() },
					"Condition.Release":         func() { cond.Release() },
					"Condition.Locked":          func() { cond.Locked() },
					"Semaphore.Release":         func() { sem.Release() },
					"Semaphore.Locked":          func() { sem.Locked() },
					"Barrier.NWaiting":          func() { barrier.NWaiting() },
					"Barrier.Broken":            func() { barrier.Broken() },
					"Queue.QSize":               func() { queue.QSize() },
					"Queue.Empty":               func() { queue.Empty() },
					"Queue.Full":                func() { queue.Full() },
					"Queue.PutNowait":           func() { raise(queue.PutNowait(1)) },
					"Queue.GetNowait":           func() { raise(justErr(queue.GetNowait())) },
					"Queue.TaskDone":            func() { queue.TaskDone() },
					"Queue.Shutdown":            func() { queue.Shutdown(true) },
				}
				awaiting := map[string]func() error{
					"Sleep":                func() error { return aio.Sleep(ctx, 0) },
					"Sleep in the future":  func() error { return aio.Sleep(ctx, time.Hour) },
					"Future.Await":         func() error { return second(fut.Await(ctx)) },
					"Task.Await":           func() error { return second(task.Await(ctx)) },
					"Wait":                 func() error { _, _, err := aio.Wait(ctx, []aio.AnyFuture{fut}, 0, aio.AllCompleted); return err },
					"WaitFor":              func() error { return second(aio.WaitFor(ctx, fut, time.Hour)) },
					"WaitFor without time": func() error { return second(aio.WaitFor(ctx, fut, 0)) },
					"Timeout":              func() error { return aio.Timeout(ctx, time.Hour, void) },
					"TimeoutAt":            func() error { return aio.TimeoutAt(ctx, time.Time{}, void) },
					"WithTaskGroup": func() error {
						return aio.WithTaskGroup(ctx, func(ctx context.Context, _ *aio.TaskGroup) error { return void(ctx) })
					},
					"ToThread":                     func() error { return second(aio.ToThread(ctx, returns(1))) },
					"StaggeredRace":                func() error { return second(aio.StaggeredRace(ctx, 0, body)) },
					"Receive":                      func() error { _, _, err := aio.Receive(ctx, ch); return err },
					"Send":                         func() error { return aio.Send(ctx, ch, 1) },
					"Lock.Acquire":                 func() error { return lock.Acquire(ctx) },
					"Lock.With":                    func() error { return lock.With(ctx, void) },
					"Event.Wait":                   func() error { return event.Wait(ctx) },
					"Condition.Acquire":            func() error { return cond.Acquire(ctx) },
					"Condition.Wait":               func() error { return cond.Wait(ctx) },
					"Semaphore.Acquire":            func() error { return sem.Acquire(ctx) },
					"Barrier.Wait":                 func() error { return second(barrier.Wait(ctx)) },
					"Barrier.Reset":                func() error { return barrier.Reset(ctx) },
					"Barrier.Abort":                func() error { return barrier.Abort(ctx) },
					"Queue.Get":                    func() error { return second(queue.Get(ctx)) },
					"Queue.Put":                    func() error { return queue.Put(ctx, 1) },
					"Queue.Join":                   func() error { return queue.Join(ctx) },
					"Loop.ShutdownDefaultExecutor": func() error { return l.ShutdownDefaultExecutor(ctx, 0) },
				}
				running := map[string]func() error{
					"Loop.RunForever":  l.RunForever,
					"Loop.Close":       l.Close,
					"RunUntilComplete": func() error { return second(aio.RunUntilComplete(l, body)) },
				}
				var tries []func()
				for name, f := range panicking {
					tries = append(tries, func() {
						err := panics(f)
						matches(t, name, err, aio.ErrWrongGoroutine)
						matches(t, name, err, aio.ErrUsage)
						if err != nil && !strings.Contains(err.Error(), "CallSoonThreadsafe") {
							t.Errorf("%s: the error %q does not say what to do instead", name, err)
						}
					})
				}
				for name, f := range awaiting {
					tries = append(tries, func() { matches(t, name, f(), aio.ErrWrongGoroutine) })
				}
				for name, f := range running {
					tries = append(tries, func() { matches(t, name, f(), aio.ErrLoopRunning) })
				}
				tries = append(tries, func() { same(t, "CurrentTask is nil", aio.CurrentTask(ctx) == nil, true) })

				// two tasks that exchange items while a goroutine makes
				// the calls
				stop, steps := false, 0
				var pings aio.Queue[int]
				tg.Go(func(ctx context.Context) error {
					for i := 0; !stop; i++ {
						if err := pings.Put(ctx, i); err != nil {
							return err
						}
						if err := pings.Join(ctx); err != nil {
							return err
						}
					}
					pings.Shutdown(false)
					return nil
				})
				tg.Go(func(ctx context.Context) error {
					for i, err := range pings.All(ctx) {
						if err != nil || i != steps {
							return fmt.Errorf("ping %d after %d steps: %v", i, steps, err)
						}
						steps++
						pings.TaskDone()
					}
					return nil
				})
				done := make(chan struct{})
				go func() {
					defer close(done)
					for i := range 10_000 {
						tries[i%len(tries)]()
					}
				}()
				_, _, err := aio.Receive(ctx, done)
				stop = true
				same(t, "the loop continued", steps > 0, true)
				return err
			})
		})
		matches(t, "the scopes", err, nil)

		// The calls had no effect.
		same(t, "Queue.QSize", queue.QSize(), 1)
		same(t, "Lock.Locked", lock.Locked(), true)
		same(t, "Task.Cancelling", task.Cancelling(), 0)
		same(t, "GetDebug", l.GetDebug(), false)
		fut.SetResult(7)
		v, err := task.Await(ctx)
		same(t, "the task", fmt.Sprint(v, err), "7 <nil>")
	})
}

// LOOP-080
func TestAnyGoroutineMayUseALoopThatDoesNotRun(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.CallSoon(func() { log.add("soon") })
		l.CallLater(time.Second, func() { log.add("later"); l.Stop() })
		spawn(l.Context(), func(context.Context) error { log.add("task"); return nil })
	}()
	<-done
	matches(t, "RunForever", l.RunForever(), nil)
	log.want(t, "soon task later")
}

func TestLoopOnLockedThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		var log eventLog
		var lock aio.Lock
		for i := range 3 {
			spawn(ctx, func(ctx context.Context) error {
				return lock.With(ctx, func(ctx context.Context) error {
					log.add("%d", i)
					return aio.Sleep(ctx, time.Second)
				})
			})
		}
		_, err := aio.ToThread(ctx, returns(1))
		matches(t, "ToThread", err, nil)
		matches(t, "Sleep", aio.Sleep(ctx, time.Minute), nil)
		log.want(t, "0 1 2")
	})
}

// A task may lock its thread between two awaits, but not during one: that ends the
// program.
func TestTaskLocksThread(t *testing.T) {
	if os.Getenv(childMode) != "" {
		aio.Run(func(ctx context.Context) error {
			runtime.LockOSThread()
			err := aio.Sleep(ctx, time.Millisecond)
			fmt.Println("went on:", err)
			return err
		})
		return
	}
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		runtime.LockOSThread()
		runtime.UnlockOSThread()
		matches(t, "Sleep", aio.Sleep(ctx, 0), nil)
	})
	out, err := childProcess(t, "lock").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !bytes.Contains(out, []byte("fatal error:")) || bytes.Contains(out, []byte("went on")) {
		t.Errorf("a task that awaits with its thread locked: %v\n%s", err, out)
	}
}

func TestCoroutinesArePooled(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		for range 100 {
			spawn(ctx, func(context.Context) error { return nil })
			aio.Sleep(ctx, 0)
		}
		same(t, "coroutines left by tasks that ran one after another", aio.IdleCoroutines(l), 1)

		// Many concurrent tasks: coroutines that the pool does not keep end
		// with their tasks.
		const many = 3000
		for range many {
			spawn(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Second) })
		}
		aio.Sleep(ctx, 0)
		same(t, "coroutines left while they run", aio.IdleCoroutines(l), 0)
		aio.Sleep(ctx, time.Minute)
		same(t, "coroutines left for other tasks", aio.IdleCoroutines(l), 1024)
	})
}

// Everything that a task can wait for is durably blocking in a synctest bubble.
func TestTasksInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ch := make(chan int)
		go func() {
			time.Sleep(time.Hour)
			ch <- 1
		}()
		var log eventLog
		err := aio.Run(func(ctx context.Context) error {
			add := func(s string) { log.add("%s:%v", s, time.Since(start)) }
			tasks := []*aio.Task[struct{}]{
				spawn(ctx, func(ctx context.Context) error { defer add("sleep"); return aio.Sleep(ctx, time.Minute) }),
				spawn(ctx, func(ctx context.Context) error {
					defer add("receive")
					_, _, err := aio.Receive(ctx, ch)
					return err
				}),
				spawn(ctx, func(ctx context.Context) error {
					defer add("thread")
					_, err := aio.ToThread(ctx, aio.NoResult(func(context.Context) error { time.Sleep(2 * time.Hour); return nil }))
					return err
				}),
			}
			for _, task := range slices.Backward(tasks) {
				if _, err := task.Await(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		matches(t, "Run", err, nil)
		log.want(t, "sleep:1m0s receive:1h0m0s thread:2h0m0s")
	})
}

// More nested tasks than the maximum depth, with stacks captured in all of them.
func TestNestIsBounded(t *testing.T) {
	l, _ := newLoop(t)
	const n = 100
	var tasks []*aio.Task[struct{}]
	var got, want []string
	for i := range n {
		// without NoResult, because a task that has not started has no frames
		tasks = append(tasks, aio.CreateTask(l.Context(), func(ctx context.Context) (struct{}, error) {
			for turn := range 3 {
				got = append(got, fmt.Sprint(turn, " ", i))
				if i%7 == 0 {
					for _, other := range tasks {
						if other != tasks[i] && len(other.GetStack(1)) != 1 && !other.Done() {
							t.Errorf("turn %d: task %d finds no stack of %v", turn, i, other)
						}
					}
				}
				if err := aio.Sleep(ctx, 0); err != nil {
					return struct{}{}, err
				}
			}
			return struct{}{}, nil
		}))
	}
	for turn := range 3 {
		for i := range n {
			want = append(want, fmt.Sprint(turn, " ", i))
		}
	}
	var aws []aio.Awaitable[struct{}]
	for _, task := range tasks {
		aws = append(aws, task)
	}
	if _, err := aio.RunUntilComplete(l, aio.Gather(l.Context(), aws...)); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("steps\n got %v\nwant %v", got, want)
	}
}
