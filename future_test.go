package aio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

var errBoom = errors.New("boom")

// upshot formats the state of f: a value, an error, or pending.
func upshot[T any](f aio.FutureLike[T]) string {
	v, err := f.Result()
	var c *aio.CancelledError
	switch {
	case !f.Done():
		return "pending"
	case errors.As(err, &c) && c.Message != nil:
		return fmt.Sprint("cancelled:", c.Message)
	case f.Cancelled():
		return "cancelled"
	case err != nil:
		return err.Error()
	}
	return fmt.Sprint(v)
}

// ended returns a future with the given outcome: a number, boom or cancelled.
func ended(ctx context.Context, how string) *aio.Future[int] {
	f := aio.CreateFuture[int](ctx)
	switch how {
	case "boom":
		_ = f.SetException(errBoom)
	case "cancelled":
		f.Cancel()
	default:
		var v int
		_, _ = fmt.Sscan(how, &v)
		_ = f.SetResult(v)
	}
	return f
}

// TASK-001
func TestFutureNewIsPending(t *testing.T) {
	l, _ := newLoop(t)
	f := aio.CreateFuture[int](l.Context())
	if f.Done() || f.Cancelled() {
		t.Errorf("done %v, cancelled %v", f.Done(), f.Cancelled())
	}
	if v, err := f.Result(); v != 0 || !errors.Is(err, aio.ErrInvalidState) {
		t.Errorf("Result: %v, %v", v, err)
	}
	if err := f.Exception(); !errors.Is(err, aio.ErrInvalidState) {
		t.Errorf("Exception: %v", err)
	}
}

// Exception returns the CancelledError where asyncio's exception() raises it.
//
// TASK-002, TASK-003, TASK-004, TASK-005, TASK-006, TASK-007, TASK-008
func TestFutureKeepsItsFirstOutcome(t *testing.T) {
	for _, tt := range []struct {
		how   string
		value int
		err   error
	}{
		{"7", 7, nil},
		{"boom", 0, errBoom},
		{"cancelled", 0, aio.ErrCancelled},
	} {
		t.Run(tt.how, func(t *testing.T) {
			l, _ := newLoop(t)
			f := ended(l.Context(), tt.how)
			for range 3 { // the result is the same each time
				if !f.Done() || f.Cancelled() != (tt.how == "cancelled") {
					t.Errorf("done %v, cancelled %v", f.Done(), f.Cancelled())
				}
				v, err := f.Result()
				if v != tt.value || !errors.Is(err, tt.err) {
					t.Errorf("Result: %v, %v", v, err)
				}
				if ex := f.Exception(); ex != err {
					t.Errorf("Exception: %v, Result: %v", ex, err)
				}
				if tt.err == errBoom && err != errBoom {
					t.Errorf("the error was wrapped: %v", err)
				}
				if err := f.SetResult(1); !errors.Is(err, aio.ErrInvalidState) {
					t.Errorf("SetResult: %v", err)
				}
				if err := f.SetException(errors.New("later")); !errors.Is(err, aio.ErrInvalidState) {
					t.Errorf("SetException: %v", err)
				}
				if f.Cancel("later") {
					t.Error("Cancel returned true")
				}
			}
		})
	}
}

// TASK-004
func TestFutureCancelHasAnEffectOnce(t *testing.T) {
	l, _ := newLoop(t)
	f := aio.CreateFuture[int](l.Context())
	if !f.Cancel() || f.Cancel() {
		t.Error("Cancel shall return true, then false")
	}
	if err := f.Exception(); !errors.Is(err, context.Canceled) {
		t.Errorf("Exception: %v", err)
	}
}

// TASK-010: a future belongs to the loop of its context; without a loop CreateFuture
// panics.
func TestFutureBelongsToTheLoopOfItsContext(t *testing.T) {
	l, _ := newLoop(t)
	if f := aio.CreateFuture[int](l.Context()); f.GetLoop() != l {
		t.Error("created before the loop runs: another loop")
	}
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		if f := aio.CreateFuture[int](ctx); f.GetLoop() != l {
			t.Error("created by a task: another loop")
		}
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
	err = panics(func() { aio.CreateFuture[int](context.Background()) })
	if !errors.Is(err, aio.ErrNoRunningLoop) || !errors.Is(err, aio.ErrUsage) {
		t.Errorf("without a loop: %v", err)
	}
}

// TASK-011
func TestFutureZeroValueIsRefusedWithoutHarm(t *testing.T) {
	var f aio.Future[int]
	if f.Done() || f.Cancelled() {
		t.Error("done or cancelled")
	}
	if _, err := f.Result(); !errors.Is(err, aio.ErrInvalidState) {
		t.Errorf("Result: %v", err)
	}
	if err := f.Exception(); !errors.Is(err, aio.ErrInvalidState) {
		t.Errorf("Exception: %v", err)
	}
	if s := f.String(); s != "Future uninitialised" {
		t.Errorf("String: %q", s)
	}
	for name, call := range map[string]func(){
		"GetLoop":            func() { f.GetLoop() },
		"SetResult":          func() { raise(f.SetResult(1)) },
		"SetException":       func() { raise(f.SetException(errBoom)) },
		"Cancel":             func() { f.Cancel() },
		"AddDoneCallback":    func() { f.AddDoneCallback(func(*aio.Future[int]) {}) },
		"RemoveDoneCallback": func() { f.RemoveDoneCallback(aio.DoneCallback{}) },
	} {
		if err := panics(call); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	aiotest.Run(t, func(ctx context.Context) error {
		if _, err := f.Await(ctx); !errors.Is(err, aio.ErrUsage) || errors.Is(err, aio.ErrOtherLoop) {
			t.Errorf("Await: %v", err)
		}
		return nil
	})
}

// TASK-012
func TestFutureStringTellsTheState(t *testing.T) {
	l, _ := newLoop(t)
	ctx := l.Context()
	pending := aio.CreateFuture[int](ctx)
	for want, f := range map[string]*aio.Future[int]{
		"Future pending":      pending,
		"Future finished":     ended(ctx, "7"),
		"Future failed: boom": ended(ctx, "boom"),
		"Future cancelled":    ended(ctx, "cancelled"),
	} {
		if got := f.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		f.Exception()
	}
}

// TASK-013
func TestFutureAndTaskAreFutures(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		for _, tt := range []struct {
			v    any
			want bool
		}{
			{aio.CreateFuture[int](ctx), true},
			{aio.CreateTask(ctx, returns(1)), true},
			{aio.Gather[int](ctx), true},
			{returns(1), false},
			{1, false},
			{nil, false},
		} {
			if _, ok := tt.v.(aio.AnyFuture); ok != tt.want {
				t.Errorf("%T is a future: %v", tt.v, ok)
			}
		}
		letPass(ctx, 1)
		return nil
	})
}

// TASK-014, TASK-015, TASK-016
func TestFutureCallbacksRunInThePassAfterInOrderOfAdding(t *testing.T) {
	for _, how := range []string{"7", "boom", "cancelled"} {
		t.Run(how, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				loop, err := aio.GetRunningLoop(ctx)
				if err != nil {
					return err
				}
				var log eventLog
				f := aio.CreateFuture[int](ctx)
				for _, tag := range []string{"a", "b", "c"} {
					f.AddDoneCallback(func(g *aio.Future[int]) {
						if g != f {
							t.Error("the callback got another future")
						}
						log.add("%s:%s", tag, upshot(g))
					})
				}
				loop.CallSoon(func() { log.add("before") })
				switch how {
				case "boom":
					_ = f.SetException(errBoom)
				case "cancelled":
					f.Cancel()
				default:
					_ = f.SetResult(7)
				}
				f.AddDoneCallback(func(*aio.Future[int]) { log.add("late") })
				loop.CallSoon(func() { log.add("after") })
				log.want(t, "")
				letPass(ctx, 1)
				log.want(t, fmt.Sprintf("before a:%[1]s b:%[1]s c:%[1]s late after", how))
				letPass(ctx, 2)
				log.want(t, "")
				return nil
			})
		})
	}
}

// RemoveDoneCallback takes the value that AddDoneCallback returned, and removes one
// registration.
//
// TASK-017, TASK-018
func TestFutureRemoveDoneCallbackRemovesOneRegistration(t *testing.T) {
	l, _ := newLoop(t)
	f := aio.CreateFuture[int](l.Context())
	var log eventLog
	cb := func(*aio.Future[int]) { log.add("ran") }
	var added []aio.DoneCallback
	for range 6 {
		added = append(added, f.AddDoneCallback(cb))
	}
	for i, a := range added[1:] {
		if !f.RemoveDoneCallback(a) || f.RemoveDoneCallback(a) {
			t.Errorf("%d: removing shall return true, then false", i)
		}
	}
	other := aio.CreateFuture[int](l.Context())
	if other.RemoveDoneCallback(added[0]) || f.RemoveDoneCallback(aio.DoneCallback{}) {
		t.Error("removed a callback that was never added")
	}
	_ = f.SetResult(1)
	if _, err := aio.RunUntilComplete(l, f); err != nil {
		t.Error(err)
	}
	log.want(t, "ran")
}

// TASK-019
func TestFutureRemainingCallbacksKeepTheirOrder(t *testing.T) {
	for _, tt := range []struct {
		remove []int
		want   string
	}{
		{nil, "0 1 2"}, {[]int{0}, "1 2"}, {[]int{1}, "0 2"}, {[]int{2}, "0 1"},
		{[]int{0, 1}, "2"}, {[]int{2, 0}, "1"}, {[]int{0, 1, 2}, ""},
	} {
		l, _ := newLoop(t)
		f := aio.CreateFuture[int](l.Context())
		var log eventLog
		var added []aio.DoneCallback
		for i := range 3 {
			added = append(added, f.AddDoneCallback(func(*aio.Future[int]) { log.add("%d", i) }))
		}
		for _, i := range tt.remove {
			f.RemoveDoneCallback(added[i])
		}
		_ = f.SetResult(1)
		_, _ = aio.RunUntilComplete(l, f)
		log.want(t, tt.want)
	}
}

// TASK-020, TASK-229: a callback that is already scheduled cannot be removed.
func TestFutureCallbackCannotRemoveScheduledOnes(t *testing.T) {
	l, _ := newLoop(t)
	f := aio.CreateFuture[int](l.Context())
	var log eventLog
	var added []aio.DoneCallback
	for i := range 3 {
		added = append(added, f.AddDoneCallback(func(*aio.Future[int]) {
			log.add("%d", i)
			for _, a := range added {
				log.add("%v", f.RemoveDoneCallback(a))
			}
		}))
	}
	_ = f.SetResult(1)
	_, _ = aio.RunUntilComplete(l, f)
	log.want(t, "0 false false false 1 false false false 2 false false false")
}

func panickingCallback(*aio.Future[int]) { panic(errBoom) }

// TASK-229
func TestFuturePanickingCallbackIsReportedAndTheOthersRun(t *testing.T) {
	l, reports := newLoop(t)
	f := aio.CreateFuture[int](l.Context())
	var log eventLog
	f.AddDoneCallback(func(*aio.Future[int]) { log.add("a") })
	f.AddDoneCallback(panickingCallback)
	f.AddDoneCallback(func(*aio.Future[int]) { log.add("c") })
	_ = f.SetResult(1)
	_, _ = aio.RunUntilComplete(l, f)
	log.want(t, "a c")
	var p *aio.PanicError
	if len(*reports) != 1 || !errors.Is((*reports)[0].Err, errBoom) || !errors.As((*reports)[0].Err, &p) || (*reports)[0].Future != aio.AnyFuture(f) {
		t.Fatalf("reports: %+v", *reports)
	}
	contains(t, "Message", (*reports)[0].Message, "aio_test.panickingCallback")
}

// TASK-023, TASK-024, TASK-025, TASK-007
func TestFutureAwaitSuspendsOnlyWhilePending(t *testing.T) {
	for _, how := range []string{"7", "boom"} {
		aiotest.Run(t, func(ctx context.Context) error {
			loop, err := aio.GetRunningLoop(ctx)
			if err != nil {
				return err
			}
			var log eventLog
			f := aio.CreateFuture[int](ctx)
			task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				v, err := f.Await(ctx)
				log.add("first:%d:%v", v, err)
				loop.CallSoon(func() { log.add("other") })
				for range 2 {
					again, errAgain := f.Await(ctx)
					if again != v || errAgain != err {
						t.Errorf("again: %v, %v", again, errAgain)
					}
				}
				log.add("second")
				return nil
			}))
			letPass(ctx, 2)
			log.want(t, "")
			if how == "boom" {
				_ = f.SetException(errBoom)
			} else {
				_ = f.SetResult(7)
			}
			log.want(t, "")
			if _, err := task.Await(ctx); err != nil {
				return err
			}
			log.want(t, map[string]string{"7": "first:7:<nil> second other", "boom": "first:0:boom second other"}[how])
			return nil
		})
	}
}

// TASK-026
func TestFutureAwaitOfAnotherLoopFails(t *testing.T) {
	other, _ := newLoop(t)
	f := aio.CreateFuture[int](other.Context())
	aiotest.Run(t, func(ctx context.Context) error {
		if _, err := f.Await(ctx); !errors.Is(err, aio.ErrOtherLoop) {
			t.Errorf("Await: %v", err)
		}
		return nil
	})
	if f.Done() {
		t.Error("the future was touched")
	}
}

// TASK-027
func TestFutureTaskAwaitingItselfFails(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var self *aio.Task[int]
		self = aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return self.Await(ctx) })
		if _, err := self.Await(ctx); !errors.Is(err, aio.ErrAwaitSelf) {
			t.Errorf("Await: %v", err)
		}
		return nil
	})
}

// TASK-028
func TestFutureReturnedByATaskIsNotAwaited(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		f := aio.CreateFuture[int](ctx)
		got, err := aio.CreateTask(ctx, returns(f)).Await(ctx)
		if got != f || err != nil || f.Done() {
			t.Errorf("got %v, %v", got, err)
		}
		return nil
	})
}

// TASK-029
func TestFutureCoroutineCalledInlineIsTheSameTask(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		me := aio.CurrentTask(ctx)
		var down func(n int) aio.Coro[int]
		down = func(n int) aio.Coro[int] {
			return func(ctx context.Context) (int, error) {
				if aio.CurrentTask(ctx) != me || len(aio.AllTasks(ctx)) != 1 {
					t.Error("another task")
				}
				if n == 0 {
					return 42, aio.Sleep(ctx, 0)
				}
				v, err := down(n - 1).Await(ctx)
				return v + 10, err
			}
		}
		if v, err := down(100).Await(ctx); v != 1042 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		return nil
	})
}

// A Coro is a function: it can run in several tasks, also concurrently.
//
// TASK-030
func TestFutureCoroMayRunMoreThanOnce(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		runs := 0
		var c aio.Coro[int] = func(ctx context.Context) (int, error) {
			runs++
			mine := runs
			return mine, aio.Sleep(ctx, time.Second)
		}
		got, err := aio.Gather[int](ctx, aio.CreateTask(ctx, c), c, c).Await(ctx)
		if err != nil || fmt.Sprint(got) != "[1 2 3]" {
			t.Errorf("got %v, %v", got, err)
		}
		return nil
	})
}

// TASK-159, TASK-160
func TestEnsureFutureStartsCoroutinesAndKeepsFutures(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		started := aio.EnsureFuture[int](ctx, returns(3))
		if _, ok := started.(*aio.Task[int]); !ok || started.GetLoop() != loop {
			t.Errorf("a coroutine became %T", started)
		}
		for _, f := range []aio.FutureLike[int]{aio.CreateFuture[int](ctx), started} {
			if aio.EnsureFuture(ctx, aio.Awaitable[int](f)) != f {
				t.Errorf("%T: another object", f)
			}
		}
		if v, err := started.Await(ctx); v != 3 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		return nil
	})
	err := panics(func() { aio.EnsureFuture[int](context.Background(), returns(3)) })
	if !errors.Is(err, aio.ErrNoRunningLoop) {
		t.Errorf("without a loop: %v", err)
	}
}

type slowNumber time.Duration

func (n slowNumber) Await(ctx context.Context) (int, error) {
	return int(n), aio.Sleep(ctx, time.Duration(n))
}

// TASK-161, TASK-162
func TestEnsureFutureRunsOtherAwaitablesInATask(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		f := aio.EnsureFuture[int](ctx, slowNumber(5))
		if _, ok := f.(*aio.Task[int]); !ok {
			t.Errorf("got %T", f)
		}
		if v, err := f.Await(ctx); v != 5 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		for _, nothing := range []aio.Awaitable[int]{nil, aio.Coro[int](nil)} {
			if err := panics(func() { aio.EnsureFuture(ctx, nothing) }); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("nil: %v", err)
			}
		}
		return nil
	})
}

// TASK-227
func TestFutureWakesWaitersInTheOrderOfWaiting(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		f := aio.CreateFuture[int](ctx)
		delays := []time.Duration{2, 0, 1}
		var tasks []aio.Awaitable[struct{}]
		for i, d := range delays {
			tasks = append(tasks, aio.NoResult(func(ctx context.Context) error {
				if err := aio.Sleep(ctx, d); err != nil {
					return err
				}
				_, err := f.Await(ctx)
				log.add("%d", i)
				return err
			}))
		}
		all := aio.Gather(ctx, tasks...)
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		_ = f.SetResult(1)
		_, err := all.Await(ctx)
		log.want(t, "1 2 0")
		return err
	})
}

// TASK-228
func TestFutureCallbacksHaveNoCurrentTask(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		var log eventLog
		loop.CallSoon(func() { log.add("soon:%v", aio.CurrentTask(ctx)) })
		ended(ctx, "1").AddDoneCallback(func(*aio.Future[int]) { log.add("done:%v", aio.CurrentTask(loop.Context())) })
		letPass(ctx, 1)
		log.want(t, "soon:<nil> done:<nil>")
		return nil
	})
}

// neverRetrieved runs body in a task of a new loop, closes the loop and returns the
// reports.
func neverRetrieved(t *testing.T, body func(ctx context.Context)) []aio.ExceptionContext {
	t.Helper()
	l, reports := newLoop(t)
	if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		body(ctx)
		letPass(ctx, 3)
		return nil
	})); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	return *reports
}

// An unretrieved error is reported once: when the future is garbage-collected, or when
// the loop is closed.
//
// TASK-003, TASK-208, TASK-209, TASK-210, TASK-211, TASK-255
func TestFutureErrorIsReportedUnlessRetrieved(t *testing.T) {
	var fails aio.Coro[int] = func(context.Context) (int, error) { return 0, errBoom }
	for _, tt := range []struct {
		name string
		body func(ctx context.Context)
		want string // text of the report, "" for no report
	}{
		{"pending future", func(ctx context.Context) { aio.CreateFuture[int](ctx) }, ""},
		{"unread value", func(ctx context.Context) { ended(ctx, "7") }, ""},
		{"unread value of a task", func(ctx context.Context) { aio.CreateTask(ctx, returns(7)) }, ""},
		{"cancelled", func(ctx context.Context) { ended(ctx, "cancelled") }, ""},
		{"cancelled task", func(ctx context.Context) { aio.CreateTask(ctx, returns(7)).Cancel() }, ""},
		{"future", func(ctx context.Context) { ended(ctx, "boom") }, "future: "},
		{"task", func(ctx context.Context) { aio.CreateTask(ctx, fails, aio.WithName("lost")) }, "task lost: "},
		{"Result", func(ctx context.Context) { _, _ = ended(ctx, "boom").Result() }, ""},
		{"Exception", func(ctx context.Context) { ended(ctx, "boom").Exception() }, ""},
		{"Exception of a task", func(ctx context.Context) {
			f := aio.CreateTask(ctx, fails)
			letPass(ctx, 1)
			f.Exception()
		}, ""},
		{"Cancel", func(ctx context.Context) { ended(ctx, "boom").Cancel() }, ""},
		{"Cancel of a task", func(ctx context.Context) {
			f := aio.CreateTask(ctx, fails)
			letPass(ctx, 1)
			if f.Cancel() {
				t.Error("cancelled a task that is done")
			}
		}, ""},
		{"Done and Cancelled", func(ctx context.Context) {
			f := ended(ctx, "boom")
			f.Done()
			f.Cancelled()
		}, "future: "},
		{"done callback", func(ctx context.Context) {
			ended(ctx, "boom").AddDoneCallback(func(*aio.Future[int]) {})
		}, "future: "},
		{"done callback that looks", func(ctx context.Context) {
			ended(ctx, "boom").AddDoneCallback(func(f *aio.Future[int]) { f.Exception() })
		}, ""},
		{"Wait", func(ctx context.Context) {
			_, _, _ = aio.Wait(ctx, []aio.AnyFuture{aio.CreateTask(ctx, fails, aio.WithName("lost"))}, aio.NoTimeout, aio.AllCompleted)
		}, "task lost: "},
		{"Await", func(ctx context.Context) { _, _ = ended(ctx, "boom").Await(ctx) }, ""},
		{"Await of a task", func(ctx context.Context) { _, _ = aio.CreateTask(ctx, fails).Await(ctx) }, ""},
		{"Gather", func(ctx context.Context) { _, _ = aio.Gather[int](ctx, fails, fails).Await(ctx) }, ""},
		{"Gather that is not awaited", func(ctx context.Context) { aio.Gather[int](ctx, fails) }, "future: "},
		{"Shield", func(ctx context.Context) { _, _ = aio.Shield[int](ctx, fails).Await(ctx) }, ""},
		{"Shield that is not awaited", func(ctx context.Context) { aio.Shield[int](ctx, fails) }, "future: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reports := neverRetrieved(t, tt.body)
			if tt.want == "" {
				if len(reports) != 0 {
					t.Errorf("reported %+v", reports)
				}
				return
			}
			if len(reports) != 1 || reports[0].Err != errBoom ||
				!strings.HasPrefix(reports[0].Message, tt.want) || !strings.Contains(reports[0].Message, "never retrieved") {
				t.Errorf("want one report that names %q, got %+v", tt.want, reports)
			}
		})
	}
}

// TASK-209
func TestFutureErrorIsReportedWhenTheFutureIsLost(t *testing.T) {
	l, reports := newLoop(t)
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		ended(ctx, "boom")
		for len(*reports) == 0 { // the runtime runs the cleanup asynchronously
			runtime.GC()
			letPass(ctx, 1)
		}
		return nil
	}))
	if err != nil || len(*reports) != 1 || (*reports)[0].Err != errBoom {
		t.Errorf("%v, reports: %+v", err, *reports)
	}
}

// A loop references its tasks, so none is garbage-collected while pending; those left
// when the loop is closed are reported.
//
// TASK-212
func TestFuturePendingTaskIsReportedWhenItsLoopCloses(t *testing.T) {
	l, reports := newLoop(t)
	var log eventLog
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			defer log.add("deferred")
			v, err := aio.CreateFuture[int](ctx).Await(ctx)
			log.add("closed:%v", errors.Is(err, aio.ErrLoopClosed))
			return v, err
		}, aio.WithName("parked"))
		letPass(ctx, 1)
		runtime.GC()
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
	aio.CreateTask(l.Context(), returns(1), aio.WithName("new"))
	if n := len(aio.AllTasks(l.Context())); n != 2 {
		t.Errorf("%d tasks", n)
	}
	log.want(t, "")
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	log.want(t, "closed:true deferred")
	if n := len(aio.AllTasks(l.Context())); n != 0 {
		t.Errorf("%d tasks remain", n)
	}
	for i, name := range []string{"parked", "new"} {
		if len(*reports) != 2 || (*reports)[i].Task.GetName() != name || !strings.Contains((*reports)[i].Message, "destroyed but it is pending") {
			t.Fatalf("reports: %+v", *reports)
		}
	}
}

func TestFutureMisuseIsRefused(t *testing.T) {
	l, _ := newLoop(t)
	f := aio.CreateFuture[int](l.Context())
	for name, call := range map[string]func(){
		"nil error":    func() { raise(f.SetException(nil)) },
		"nil callback": func() { f.AddDoneCallback(nil) },
	} {
		if err := panics(call); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f.Done() {
		t.Error("the future was touched")
	}
}

// Failed does not mark the error as retrieved.
func TestFutureFailed(t *testing.T) {
	l := aio.NewEventLoop(nil)
	defer l.Close()
	var reports int
	l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) { reports++ })
	boom := errors.New("boom")
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		pending, done, gone, failed := aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx)
		if err := errors.Join(done.SetResult(1), failed.SetException(boom)); err != nil {
			return err
		}
		gone.Cancel()
		for i, f := range []aio.AnyFuture{pending, done, gone, failed} {
			same(t, "Failed", f.Failed(), i == 3)
		}
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
	l.Close()
	same(t, "reports of the error", reports, 1)
}
