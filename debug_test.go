package aio_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
)

// logged is a log record.
type logged struct {
	level slog.Level
	text  string
	attrs map[string]string
}

// recorder is a slog.Handler that records.
type recorder struct{ records *[]logged }

func (recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r recorder) WithAttrs([]slog.Attr) slog.Handler     { return r }
func (r recorder) WithGroup(string) slog.Handler          { return r }
func (r recorder) Handle(_ context.Context, rec slog.Record) error {
	l := logged{rec.Level, rec.Message, map[string]string{}}
	rec.Attrs(func(a slog.Attr) bool {
		l.attrs[a.Key] = a.Value.String()
		return true
	})
	*r.records = append(*r.records, l)
	return nil
}

// captureLog replaces the default logger by one that appends to the result, until the
// test ends.
func captureLog(t *testing.T) *[]logged {
	records := new([]logged)
	logTo(t, recorder{records})
	return records
}

// only checks that there is exactly one record, with the given level, and returns it.
func only(t *testing.T, records *[]logged, level slog.Level) logged {
	t.Helper()
	if len(*records) != 1 {
		t.Fatalf("%d records, want 1: %v", len(*records), *records)
	}
	r := (*records)[0]
	*records = nil
	same(t, "level", r.level, level)
	return r
}

// contains checks that s contains part.
func contains(t *testing.T, what, s, part string) {
	t.Helper()
	if !strings.Contains(s, part) {
		t.Errorf("%s: %q lacks %q", what, s, part)
	}
}

// LOOP-065
func TestExceptionHandlerIsReplaced(t *testing.T) {
	l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer l.Close()
	records := captureLog(t)
	same(t, "the default is nil", l.GetExceptionHandler() == nil, true)
	custom := 0
	l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) { custom++ })
	l.GetExceptionHandler()(l, aio.ExceptionContext{})
	same(t, "calls of the handler by the test", custom, 1)
	l.CallExceptionHandler(aio.ExceptionContext{Message: "first"})
	same(t, "calls of the handler", custom, 2)
	same(t, "records", len(*records), 0)

	l.SetExceptionHandler(nil)
	same(t, "the default is nil again", l.GetExceptionHandler() == nil, true)
	l.CallExceptionHandler(aio.ExceptionContext{Message: "second"})
	same(t, "calls of the old handler", custom, 2)
	contains(t, "the record", only(t, records, slog.LevelError).text, "second")
}

func failingCallback() { panic(errors.New("callback failed")) }

// LOOP-067, LOOP-083
func TestExceptionHandlerOfCallbacks(t *testing.T) {
	for _, debug := range []bool{false, true} {
		t.Run(fmt.Sprintf("debug %v", debug), func(t *testing.T) {
			l, reports := newLoop(t)
			l.SetDebug(debug)
			l.SetSlowCallbackDuration(time.Hour)
			l.CallSoon(failingCallback)
			l.CallLater(time.Second, failingCallback)
			l.CallAt(l.Time().Add(2*time.Second), failingCallback)
			l.CallLater(3*time.Second, l.Stop)
			matches(t, "RunForever", l.RunForever(), nil)
			same(t, "reports", len(*reports), 3)
			for _, r := range *reports {
				contains(t, "Message", r.Message, "aio_test.failingCallback")
				contains(t, "Err", r.Err.Error(), "callback failed")
				same(t, "it has the handle", r.Handle != nil, true)
				same(t, "innermost caller", callerOf(r.Stack), map[bool]string{true: "TestExceptionHandlerOfCallbacks.func1"}[debug])
			}
		})
	}
}

// callerOf returns the innermost function of a stack that is not part of the package.
func callerOf(stack []uintptr) string {
	if len(stack) == 0 {
		return ""
	}
	for frames := runtime.CallersFrames(stack); ; {
		f, more := frames.Next()
		if _, name, ok := strings.Cut(f.Function, "aio_test."); ok {
			return name
		}
		if !more {
			return "nobody"
		}
	}
}

// LOOP-083
func TestThreadsafeHandleKnowsItsCaller(t *testing.T) {
	l, reports := newLoop(t)
	l.SetDebug(true)
	l.CallSoonThreadsafe(failingCallback)
	l.CallSoon(l.Stop)
	matches(t, "RunForever", l.RunForever(), nil)
	same(t, "reports", len(*reports), 1)
	same(t, "innermost caller", callerOf((*reports)[0].Stack), "TestThreadsafeHandleKnowsItsCaller")
}

// LOOP-068
func TestDefaultExceptionHandlerLogs(t *testing.T) {
	l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer l.Close()
	records := captureLog(t)
	for name, schedule := range map[string]func(){
		"CallSoon":  func() { l.CallSoon(failingCallback) },
		"CallLater": func() { l.CallLater(time.Second, failingCallback) },
	} {
		t.Run(name, func(t *testing.T) {
			schedule()
			l.CallLater(time.Minute, l.Stop)
			matches(t, "RunForever", l.RunForever(), nil)
			r := only(t, records, slog.LevelError)
			contains(t, "message", r.text, "exception in callback Handle github.com/goaio/aio_test.failingCallback")
			contains(t, "error", r.attrs["error"], "callback failed")
			contains(t, "panic", r.attrs["panic"], "failingCallback(")
		})
	}
}

// LOOP-069
func TestCallbackThatFailsKeepsWhatItDid(t *testing.T) {
	l, reports := newLoop(t)
	var log eventLog
	f := aio.CreateFuture[int](l.Context())
	f.AddDoneCallback(func(f *aio.Future[int]) { v, _ := f.Result(); log.add("done:%d", v); l.Stop() })
	l.CallSoon(func() {
		f.SetResult(3)
		panic("too late")
	})
	matches(t, "RunForever", l.RunForever(), nil)
	log.want(t, "done:3")
	same(t, "reports", len(*reports), 1)
}

// LOOP-070
func TestExceptionHandlerThatFails(t *testing.T) {
	l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer l.Close()
	records := captureLog(t)
	l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) { panic(errors.New("handler failed")) })
	l.CallSoon(failingCallback)
	l.CallSoon(l.Stop)
	matches(t, "RunForever", l.RunForever(), nil)
	r := only(t, records, slog.LevelError)
	contains(t, "message", r.text, "unhandled error in exception handler")
	contains(t, "error", r.attrs["error"], "handler failed")
	contains(t, "context", r.attrs["context"], "failingCallback")
	contains(t, "the error of the context", r.attrs["context_error"], "callback failed")
}

// LOOP-073: Goexit ends the goroutine of the loop and is not reported.
func TestGoexitOfCallbackIsNotReported(t *testing.T) {
	l, reports := newLoop(t)
	l.CallSoon(runtime.Goexit)
	same(t, "ended by Goexit", goexits(func() { l.RunForever() }), true)
	same(t, "reports", len(*reports), 0)
}

// LOOP-074
func TestErrorThatNobodyRetrievesIsReported(t *testing.T) {
	failure := errors.New("failure")
	fail := aio.NoResult(func(context.Context) error { return failure })
	for name, c := range map[string]struct {
		make func(ctx context.Context)
		want string
	}{
		"task": {func(ctx context.Context) {
			aio.CreateTask(ctx, fail, aio.WithName("worker"))
		}, "task worker: error was never retrieved"},
		"eager task": {func(ctx context.Context) {
			aio.CreateTask(ctx, fail, aio.WithName("worker"), aio.WithEagerStart(true))
		}, "task worker: error was never retrieved"},
		"future": {func(ctx context.Context) {
			aio.CreateFuture[int](ctx).SetException(failure)
		}, "future: error was never retrieved"},
		"future with a callback that does not look": {func(ctx context.Context) {
			f := aio.CreateFuture[int](ctx)
			f.AddDoneCallback(func(*aio.Future[int]) {})
			f.SetException(failure)
		}, "future: error was never retrieved"},
	} {
		t.Run(name, func(t *testing.T) {
			l, reports := newLoop(t)
			err := runMain(l, func(ctx context.Context) error {
				c.make(ctx)
				collected(t, ctx, "a report came", func() bool { return len(*reports) > 0 })
				return nil
			})
			matches(t, "the run", err, nil)
			for range 3 {
				runtime.GC()
			}
			l.CallSoon(l.Stop)
			matches(t, "RunForever", l.RunForever(), nil)
			if len(*reports) != 1 {
				t.Fatalf("%d reports, want 1: %v", len(*reports), *reports)
			}
			same(t, "Message", (*reports)[0].Message, c.want)
			matches(t, "Err", (*reports)[0].Err, failure)
		})
	}
}

// LOOP-074: the error of a future that is still referenced is reported when the loop is
// closed.
func TestErrorThatNobodyRetrievesIsReportedByClose(t *testing.T) {
	l, reports := newLoop(t)
	failure := errors.New("failure")
	task := spawn(l.Context(), func(context.Context) error { return failure })
	seen := spawn(l.Context(), func(context.Context) error { return failure })
	l.CallSoon(l.Stop)
	matches(t, "RunForever", l.RunForever(), nil)
	matches(t, "Exception", seen.Exception(), failure)
	same(t, "reports", len(*reports), 0)
	matches(t, "Close", l.Close(), nil)
	same(t, "reports after Close", len(*reports), 1)
	matches(t, "Exception", task.Exception(), failure)
}

// An error whose report is due in the next pass is reported by Close if there is no
// such pass.
func TestErrorOfTheLastPassIsReportedByClose(t *testing.T) {
	l, reports := newLoop(t)
	failure := errors.New("failure")
	f := aio.CreateFuture[int](l.Context())
	f.AddDoneCallback(func(*aio.Future[int]) {})
	l.CallSoon(func() { f.SetException(failure) })
	onePass(t, l)
	same(t, "reports", len(*reports), 0)
	matches(t, "Close", l.Close(), nil)
	if len(*reports) != 1 || (*reports)[0].Err != failure {
		t.Errorf("reports after Close: %v", *reports)
	}
}

// LOOP-074 in a synctest bubble, whose channels the finalizer goroutine must not use.
func TestErrorThatNobodyRetrievesInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := aio.NewEventLoop(nil)
		defer l.Close()
		var reports []string
		l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { reports = append(reports, ec.Message) })
		err := runMain(l, func(ctx context.Context) error {
			spawn(ctx, func(context.Context) error { return errors.New("failure") })
			for range 3 { // collect garbage while the loop sleeps
				matches(t, "Sleep", aio.Sleep(ctx, time.Second), nil)
				runtime.GC()
			}
			collected(t, ctx, "a report came", func() bool { return len(reports) > 0 })
			return nil
		})
		matches(t, "the run", err, nil)
	})
}

// LOOP-075, LOOP-076, RUN-005
func TestDebugMode(t *testing.T) {
	for _, c := range []struct {
		env  string
		opts *aio.LoopOptions
		want bool
	}{
		{"", nil, false},
		{"", &aio.LoopOptions{}, false},
		{"", &aio.LoopOptions{Debug: true}, true},
		{"1", nil, true},
		// any non-empty value turns debug mode on, as in Python
		{"0", &aio.LoopOptions{}, true},
		{"1", &aio.LoopOptions{Debug: true}, true},
	} {
		t.Run(fmt.Sprintf("AIO_DEBUG=%s, %v", c.env, c.opts), func(t *testing.T) {
			t.Setenv("AIO_DEBUG", c.env)
			l := aio.NewEventLoop(c.opts)
			defer l.Close()
			same(t, "GetDebug", l.GetDebug(), c.want)
			for _, on := range []bool{true, false} {
				l.SetDebug(on)
				same(t, "GetDebug after SetDebug", l.GetDebug(), on)
			}

			r := aio.Runner{Options: c.opts}
			defer r.Close()
			err := r.Run(func(ctx context.Context) error {
				l, err := aio.GetRunningLoop(ctx)
				same(t, "GetDebug in Runner.Run", l.GetDebug(), c.want)
				return err
			})
			matches(t, "Runner.Run", err, nil)
		})
	}
}

func slowCallback() { time.Sleep(100 * time.Millisecond) }

// brokenHandler is a slog.Handler that panics.
type brokenHandler struct{ recorder }

func (brokenHandler) Handle(context.Context, slog.Record) error { panic("broken") }

func TestLogHandlerThatPanicsDoesNotEndTheLoop(t *testing.T) {
	logTo(t, brokenHandler{})
	l, _ := newLoop(t)
	l.SetDebug(true)
	l.SetSlowCallbackDuration(0) // every callback is slow
	var log eventLog
	l.CallSoon(func() { log.add("first") })
	l.CallSoon(func() { log.add("second") })
	onePass(t, l)
	log.want(t, "first second")
}

// LOOP-081, LOOP-082
func TestSlowCallbacksAreLogged(t *testing.T) {
	records := captureLog(t)
	synctest.Test(t, func(t *testing.T) { // time advances only in time.Sleep
		l := aio.NewEventLoop(&aio.LoopOptions{Debug: true})
		defer l.Close()
		same(t, "SlowCallbackDuration", l.GetSlowCallbackDuration(), 100*time.Millisecond)
		slowTask := aio.NoResult(func(ctx context.Context) error {
			if err := aio.Sleep(ctx, time.Hour); err != nil {
				return err
			}
			slowCallback()
			return aio.Sleep(ctx, 0)
		})
		for _, c := range []struct {
			name      string
			threshold time.Duration
			schedule  func()
			want      string // "" if there is no record
		}{
			{"as long as the threshold", 100 * time.Millisecond, func() { l.CallSoon(slowCallback) }, "aio_test.slowCallback"},
			{"a timer", 50 * time.Millisecond, func() { l.CallLater(time.Minute, slowCallback) }, "aio_test.slowCallback"},
			{"quicker than the threshold", 101 * time.Millisecond, func() { l.CallSoon(slowCallback) }, ""},
			{"a task", 100 * time.Millisecond, func() {
				aio.CreateTask(l.Context(), slowTask, aio.WithName("sluggish"))
			}, "Task sluggish"},
		} {
			l.SetSlowCallbackDuration(c.threshold)
			c.schedule()
			l.CallLater(2*time.Hour, l.Stop)
			matches(t, c.name, l.RunForever(), nil)
			if c.want == "" {
				same(t, c.name+": records", len(*records), 0)
				continue
			}
			r := only(t, records, slog.LevelWarn)
			contains(t, c.name, r.attrs["what"], c.want)
			same(t, c.name+": seconds", r.attrs["seconds"], "0.1")
		}

		// A duration of 0 logs every step; without debug mode nothing is
		// logged.
		l.SetSlowCallbackDuration(0)
		for _, debug := range []bool{true, false} {
			*records = nil
			l.SetDebug(debug)
			l.CallSoon(nop)
			l.CallSoon(l.Stop)
			matches(t, "RunForever", l.RunForever(), nil)
			same(t, fmt.Sprintf("records of two quick callbacks, debug mode %v", debug), len(*records), map[bool]int{true: 2}[debug])
		}
	})
}

// Debug mode records where a task was created.
func TestDebugModeReportsWhereTaskWasCreated(t *testing.T) {
	l, reports := newLoop(t)
	l.SetDebug(true)
	spawn(l.Context(), func(context.Context) error { return errors.New("failure") })
	l.CallSoon(l.Stop)
	matches(t, "RunForever", l.RunForever(), nil)
	l.Close()
	same(t, "reports", len(*reports), 1)
	same(t, "innermost caller", callerOf((*reports)[0].Stack), "spawn")
}

// Debug mode records where a future was created.
func TestDebugModeReportsWhereFutureWasCreated(t *testing.T) {
	l, reports := newLoop(t)
	l.SetDebug(true)
	aio.CreateFuture[int](l.Context()).SetException(errors.New("failure"))
	l.Close()
	same(t, "reports", len(*reports), 1)
	same(t, "innermost caller", callerOf((*reports)[0].Stack), "TestDebugModeReportsWhereFutureWasCreated")
}

// The report of a destroyed task contains the stack where it was suspended.
func TestDestroyedTaskIsReportedWithItsStack(t *testing.T) {
	records := captureLog(t)
	l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	aio.CreateTask(l.Context(), aio.NoResult(func(ctx context.Context) error {
		return parkOuter(ctx, aio.CreateFuture[int](ctx))
	}), aio.WithName("victim"))
	l.CallSoon(l.Stop)
	matches(t, "RunForever", l.RunForever(), nil)
	l.Close()
	r := only(t, records, slog.LevelError)
	contains(t, "message", r.text, "task was destroyed but it is pending")
	contains(t, "task", r.attrs["task"], "Task victim pending, awaiting Future")
	same(t, "frames", len(slices.DeleteFunc(strings.Split(r.attrs["at"], " > "), func(s string) bool {
		return !strings.Contains(s, "token_stack_test.go:")
	})), 3)
}

// Stacks omit the frames of this package, of its internal packages and of the runtime.
func TestHiddenFrames(t *testing.T) {
	for _, c := range []struct {
		function, file string
		want           bool
	}{
		{"github.com/goaio/aio.Sleep", "await.go", true},
		{"github.com/goaio/aio.TestSleep", "await_test.go", false},
		{"github.com/goaio/aio/internal/poll.(*Poller).Wait", "poll_epoll.go", true},
		{"github.com/goaio/aio/aiohttp.Serve", "serve.go", false},
		{"github.com/goaio/aiounrelated.F", "f.go", false},
		{"runtime.gopark", "proc.go", true},
		{"iter.Pull[...]", "iter.go", true},
		{"main.main", "main.go", false},
	} {
		same(t, c.function, aio.HidesFrame(c.function, c.file), c.want)
	}
}

// In debug mode the loop reports an await with the context of another task or of an
// ended scope.
func TestDebugReportsTheWrongContext(t *testing.T) {
	for _, debug := range []bool{false, true} {
		var got []string
		l := aio.NewEventLoop(nil)
		l.SetDebug(debug)
		l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { got = append(got, ec.Message) })
		_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
			var old context.Context
			if err := aio.Timeout(ctx, time.Hour, func(ctx context.Context) error {
				old = ctx
				derived, cancel := context.WithCancel(ctx)
				defer cancel()
				return errors.Join(aio.Sleep(ctx, 0), aio.Sleep(derived, 0))
			}); err != nil {
				return err
			}
			if err := aio.Sleep(old, 0); err != nil {
				t.Log(err)
			}
			_, err := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { return aio.Sleep(ctx, 0) })).Await(ctx)
			return errors.Join(err, aio.Sleep(l.Context(), 0))
		}))
		if err != nil {
			t.Error(err)
		}
		l.Close()
		want := ""
		if debug {
			want = "Sleep: the task awaits with the context of a Timeout or TaskGroup that has ended: pass on the ctx that its body was given|" +
				"Sleep: the task awaits with the context of another task: pass on the ctx that its body was given"
		}
		same(t, "reports", strings.Join(got, "|"), want)
	}
}

// In debug mode the loop reports a call of ToThread whose function would not notice the
// end of a scope around the call.
func TestDebugReportsTheOuterContextOfAThread(t *testing.T) {
	thread := func(ctx context.Context) error {
		return justErr(aio.ToThread(ctx, func(context.Context) (int, error) { return 0, nil }))
	}
	scopes := map[string]func(ctx context.Context, body func(ctx context.Context) error) error{
		"Timeout": func(ctx context.Context, body func(ctx context.Context) error) error {
			return aio.Timeout(ctx, time.Hour, body)
		},
		"TaskGroup": func(ctx context.Context, body func(ctx context.Context) error) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, _ *aio.TaskGroup) error { return body(ctx) })
		},
		"CancelScope": func(ctx context.Context, body func(ctx context.Context) error) error {
			return new(aio.CancelScope).Run(ctx, body)
		},
	}
	for name, in := range scopes {
		for _, c := range []struct {
			what string
			call func(ctx context.Context) error
			want int // the number of reports in debug mode
		}{
			{"the inner ctx", func(ctx context.Context) error { return in(ctx, thread) }, 0},
			{"derived from the inner ctx", func(ctx context.Context) error {
				return in(ctx, func(ctx context.Context) error { return thread(context.WithoutCancel(ctx)) })
			}, 0},
			{"the outer ctx", func(ctx context.Context) error {
				return in(ctx, func(context.Context) error { return thread(ctx) })
			}, 1},
			{"afterwards", func(ctx context.Context) error {
				_ = in(ctx, func(context.Context) error { return errOne })
				return thread(ctx)
			}, 0},
			{"after a panic", func(ctx context.Context) error {
				func() {
					defer func() { _ = recover() }()
					_ = in(ctx, func(context.Context) error { panic(errOne) })
				}()
				return thread(ctx)
			}, 0},
			{"the consumer of an iterator in the scope", func(ctx context.Context) error {
				it := aio.Pull(ctx, func(ctx context.Context) iter.Seq2[int, error] {
					return func(yield func(int, error) bool) {
						_ = in(ctx, func(context.Context) error { yield(1, nil); return nil })
					}
				})
				if _, _, err := it.Next(ctx); err != nil {
					return err
				}
				return errors.Join(thread(ctx), it.Close(ctx))
			}, 0},
		} {
			for _, debug := range []bool{false, true} {
				var got []string
				l := aio.NewEventLoop(nil)
				l.SetDebug(debug)
				l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { got = append(got, ec.Message) })
				same(t, name+", "+c.what, runMain(l, c.call), nil)
				l.Close()
				want := 0
				if debug {
					want = c.want
				}
				same(t, fmt.Sprintf("%s, %s, debug mode %v: reports %q", name, c.what, debug, got), len(got), want)
			}
		}
	}
}

func TestExceptionContextExtra(t *testing.T) {
	logged := logText(t)
	l := aio.NewEventLoop(nil)
	defer l.Close()
	l.CallExceptionHandler(aio.ExceptionContext{Message: "odd", Extra: map[string]any{"shard": 7, "query": "q"}})
	contains(t, "the log", logged(), "query=q shard=7")
}
