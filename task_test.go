package aio_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// TASK-031, TASK-032, TASK-033
func TestTaskStartsInTheNextPassAndKeepsItsOutcome(t *testing.T) {
	for _, tt := range []struct {
		value int
		err   error
	}{{7, nil}, {0, errBoom}} {
		aiotest.Run(t, func(ctx context.Context) error {
			var log eventLog
			task := aio.CreateTask(ctx, func(context.Context) (int, error) {
				log.add("body")
				return tt.value, tt.err
			})
			log.want(t, "")
			if task.Done() {
				t.Error("done before it began")
			}
			turns(ctx, 1)
			log.want(t, "body")
			if !task.Done() || task.Cancelled() || task.Exception() != tt.err {
				t.Errorf("done %v, cancelled %v, %v", task.Done(), task.Cancelled(), task.Exception())
			}
			for range 2 {
				if v, err := task.Await(ctx); v != tt.value || err != tt.err {
					t.Errorf("Await: %v, %v", v, err)
				}
			}
			return nil
		})
	}
}

// TASK-032: the value of a body that fails is dropped.
func TestTaskErrorDropsTheValue(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		task := aio.CreateTask(ctx, func(context.Context) (int, error) { return 7, errBoom })
		if v, err := task.Await(ctx); v != 0 || err != errBoom {
			t.Errorf("got %v, %v", v, err)
		}
		return nil
	})
}

// TASK-034, TASK-035, TASK-037
func TestTaskCreationRefusesWhatCannotRun(t *testing.T) {
	l, reports := newLoop(t)
	for range 2 {
		if err := panics(func() { aio.CreateTask[int](l.Context(), nil) }); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("no coroutine: %v", err)
		}
		if err := panics(func() { aio.CreateTask(context.Background(), returns(1)) }); !errors.Is(err, aio.ErrNoRunningLoop) {
			t.Errorf("no loop: %v", err)
		}
	}
	other, _ := newLoop(t)
	_, err := aio.RunUntilComplete(l, coro(func(ctx context.Context) error {
		if task := aio.CreateTask(ctx, returns(1)); task.GetLoop() != l {
			t.Error("another loop")
		}
		if task := aio.CreateTask(other.Context(), returns(1), aio.WithName("elsewhere")); task.GetLoop() != other {
			t.Error("the other loop's context made a task of this one")
		}
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
	if _, err := aio.RunUntilComplete(other, returns(0)); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := panics(func() { aio.CreateTask(l.Context(), returns(1)) }); !errors.Is(err, aio.ErrLoopClosed) {
		t.Errorf("closed loop: %v", err)
	}
	if all := aio.AllTasks(l.Context()); len(all) != 0 || len(*reports) != 0 {
		t.Errorf("tasks %v, reports %+v", all, *reports)
	}
}

// TASK-036
func TestTaskResultComesFromItsBodyAlone(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		task := aio.CreateTask(ctx, returns(7))
		for range 2 { // pending, then done
			if err := task.SetResult(1); !errors.Is(err, aio.ErrInvalidState) {
				t.Errorf("SetResult: %v", err)
			}
			if err := task.SetException(errBoom); !errors.Is(err, aio.ErrInvalidState) {
				t.Errorf("SetException: %v", err)
			}
			if v, err := task.Await(ctx); v != 7 || err != nil {
				t.Errorf("got %v, %v", v, err)
			}
		}
		return nil
	})
}

// TASK-038
func TestTaskKnowsItsCoroutineAndContext(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var given context.Context
		var body aio.Coro[int] = func(ctx context.Context) (int, error) {
			given = ctx
			return 1, aio.Sleep(ctx, 0)
		}
		task := aio.CreateTask(ctx, body)
		for range 3 {
			if reflect.ValueOf(task.GetCoro()).Pointer() != reflect.ValueOf(body).Pointer() {
				t.Error("another coroutine")
			}
			turns(ctx, 1)
			if task.GetContext() != given {
				t.Error("another context")
			}
		}
		if !task.Done() {
			t.Error("not done")
		}
		return nil
	})
}

// TASK-039, TASK-040
func TestTaskGoesOnAfterItsLoopWasStopped(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	task := aio.CreateTask(l.Context(), func(ctx context.Context) (int, error) {
		log.add("begin")
		l.CallSoon(func() { log.add("next-pass") })
		l.Stop()
		v, err := forever(ctx)
		log.add("end:%v", err)
		return v, err
	})
	l.CallSoon(func() { log.add("same-pass") })
	if _, err := aio.RunUntilComplete(l, task); !errors.Is(err, aio.ErrLoopStopped) {
		t.Errorf("first run: %v", err)
	}
	log.want(t, "begin same-pass")
	if task.Done() || !task.Cancel() {
		t.Error("the task is over")
	}
	if _, err := aio.RunUntilComplete(l, task); !errors.Is(err, aio.ErrCancelled) {
		t.Errorf("second run: %v", err)
	}
	if got, want := strings.Join(log, "|"), "next-pass|end:aio: cancelled"; got != want {
		t.Errorf("events %s, want %s", got, want)
	}
}

// TASK-043
func TestTaskStringTellsNameStateAndWhatItAwaits(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		want := func(task aio.AnyTask, text string) {
			t.Helper()
			if got := task.String(); got != text {
				t.Errorf("got %q, want %q", got, text)
			}
		}
		f := aio.CreateFuture[int](ctx)
		inner := aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return f.Await(ctx) }, aio.WithName("inner"))
		outer := aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return inner.Await(ctx) }, aio.WithName("outer"))
		want(inner, "Task inner pending")
		turns(ctx, 1)
		want(inner, "Task inner pending, awaiting Future")
		want(outer, "Task outer pending, awaiting inner")
		outer.Cancel()
		want(outer, "Task outer cancelling, awaiting inner")
		want(inner, "Task inner cancelling")
		turns(ctx, 2)
		want(inner, "Task inner cancelled")
		want(outer, "Task outer cancelled")

		fresh := aio.CreateTask(ctx, returns(1), aio.WithName("fresh"))
		fresh.Cancel()
		want(fresh, "Task fresh cancelling")
		fresh.Uncancel()
		want(fresh, "Task fresh pending")
		turns(ctx, 1)
		want(fresh, "Task fresh finished")

		fails := aio.CreateTask(ctx, func(context.Context) (int, error) { return 0, errBoom }, aio.WithName("fails"))
		turns(ctx, 1)
		want(fails, "Task fails failed: boom")
		fails.Exception()
		return nil
	})
}

// TASK-044
func TestTaskStringOfATaskThatReturnsItselfEnds(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var self *aio.Task[any]
		self = aio.CreateTask(ctx, func(context.Context) (any, error) { return self, nil }, aio.WithName("self"))
		if v, err := self.Await(ctx); v != any(self) || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		if s := fmt.Sprint(self); s != "Task self finished" {
			t.Errorf("got %q", s)
		}
		return nil
	})
}

// stackOuter is the function of a task that awaits two calls down.
func stackOuter(ctx context.Context) (int, error)  { return stackMiddle(ctx) }
func stackMiddle(ctx context.Context) (int, error) { return forever(ctx) }

// TASK-045
func TestTaskStackLimitKeepsTheOutermost(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		names := func(task aio.AnyTask, limit int) string {
			var all []string
			for _, f := range task.GetStack(limit) {
				all = append(all, f.Function[strings.LastIndex(f.Function, ".")+1:])
			}
			return strings.Join(all, " ")
		}
		task := aio.CreateTask(ctx, stackOuter)
		if got := names(task, 0); got != "stackOuter" {
			t.Errorf("not started: %s", got)
		}
		turns(ctx, 1)
		for limit, want := range []string{"stackOuter stackMiddle forever", "stackOuter", "stackOuter stackMiddle", "stackOuter stackMiddle forever"} {
			if got := names(task, limit); got != want {
				t.Errorf("limit %d: %s", limit, got)
			}
		}
		var b strings.Builder
		if err := task.PrintStack(&b, 1); err != nil || !strings.Contains(b.String(), "stackOuter\n") || strings.Contains(b.String(), "forever") {
			t.Errorf("PrintStack: %v\n%s", err, b.String())
		}
		task.Cancel()
		turns(ctx, 1)
		if got := names(task, 0); got != "" {
			t.Errorf("done: %s", got)
		}
		return nil
	})
}

// TASK-046, TASK-047
func TestTaskNames(t *testing.T) {
	l, _ := newLoop(t)
	ctx := l.Context()
	var log eventLog
	var body aio.Coro[int] = func(ctx context.Context) (int, error) {
		log.add("%s", aio.CurrentTask(ctx).GetName())
		return 0, nil
	}
	aio.CreateTask(ctx, body)
	aio.CreateTask(ctx, body, aio.WithName("given"))
	aio.CreateTask(ctx, body)
	renamed := aio.CreateTask(ctx, body)
	renamed.SetName("renamed")
	unnamed := aio.CreateTask(ctx, body, aio.WithName("x"))
	unnamed.SetName("")
	_, _ = aio.RunUntilComplete(l, unnamed)
	log.want(t, "Task-1 given Task-3 renamed Task-5")
}

// TASK-049, TASK-050, TASK-051
func TestTaskCancelIsARequestThatTheBodyAnswers(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		task := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			v, err := forever(ctx)
			log.add("%v", errors.Is(err, aio.ErrCancelled))
			return v, err
		})
		turns(ctx, 1)
		first, second := task.Cancel(), task.Cancel()
		if !first || !second {
			t.Error("Cancel returned false")
		}
		if task.Done() || task.Cancelled() {
			t.Error("cancelled at once")
		}
		log.want(t, "")
		turns(ctx, 1)
		log.want(t, "true")
		if !task.Done() || !task.Cancelled() || task.Cancel() {
			t.Errorf("done %v, cancelled %v, or cancelled again", task.Done(), task.Cancelled())
		}
		_, awaited := task.Await(ctx)
		_, result := task.Result()
		for _, err := range []error{awaited, result, task.Exception()} {
			if !errors.Is(err, aio.ErrCancelled) || !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
		return nil
	})
}

// TASK-052, TASK-072
func TestTaskCancelledBeforeItsFirstStepNeverRuns(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		task := aio.CreateTask(ctx, func(context.Context) (int, error) {
			t.Error("the body ran")
			return 1, nil
		})
		task.Cancel("m")
		if task.Done() {
			t.Error("done at once")
		}
		_, err := task.Await(ctx)
		if c, ok := err.(*aio.CancelledError); !ok || c.Message != "m" || !task.Cancelled() {
			t.Errorf("got %v", err)
		}
		return nil
	})
}

// TASK-053, TASK-054, TASK-055, TASK-056, TASK-057
func TestTaskCancelWhileParked(t *testing.T) {
	for _, tt := range []struct {
		name string
		park func(ctx context.Context, f *aio.Future[int]) error
		act  func(task *aio.Task[struct{}], f *aio.Future[int])
		want bool // that the future is cancelled at once
	}{
		{"yielding", func(ctx context.Context, _ *aio.Future[int]) error { return aio.Sleep(ctx, 0) },
			func(task *aio.Task[struct{}], _ *aio.Future[int]) { task.Cancel() }, false},
		{"sleeping", func(ctx context.Context, _ *aio.Future[int]) error { return aio.Sleep(ctx, 10*time.Second) },
			func(task *aio.Task[struct{}], _ *aio.Future[int]) { task.Cancel() }, false},
		{"waiting", func(ctx context.Context, f *aio.Future[int]) error { _, err := f.Await(ctx); return err },
			func(task *aio.Task[struct{}], _ *aio.Future[int]) { task.Cancel() }, true},
		{"future cancelled", func(ctx context.Context, f *aio.Future[int]) error { _, err := f.Await(ctx); return err },
			func(_ *aio.Task[struct{}], f *aio.Future[int]) { f.Cancel() }, true},
		{"both cancelled", func(ctx context.Context, f *aio.Future[int]) error { _, err := f.Await(ctx); return err },
			func(task *aio.Task[struct{}], f *aio.Future[int]) { f.Cancel(); task.Cancel() }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				loop, err := aio.GetRunningLoop(ctx)
				if err != nil {
					return err
				}
				begin := loop.Time()
				var log eventLog
				f := aio.CreateFuture[int](ctx)
				task := aio.CreateTask(ctx, coro(func(ctx context.Context) error {
					err := tt.park(ctx, f)
					log.add("%v", errors.Is(err, aio.ErrCancelled))
					if e := aio.Sleep(ctx, 0); e != nil {
						t.Errorf("a second CancelledError: %v", e)
					}
					return err
				}))
				turns(ctx, 1)
				tt.act(task, f)
				if f.Cancelled() != tt.want {
					t.Errorf("future cancelled: %v", f.Cancelled())
				}
				log.want(t, "")
				turns(ctx, 1)
				log.want(t, "true")
				turns(ctx, 1)
				if !task.Cancelled() || loop.Time() != begin {
					t.Errorf("task cancelled %v, clock moved by %v", task.Cancelled(), loop.Time().Sub(begin))
				}
				return nil
			})
		})
	}
}

// TASK-058, TASK-059, TASK-063
func TestTaskMaySwallowItsCancellation(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		first, second := aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx)
		task := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			if _, err := first.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
				t.Errorf("first await: %v", err)
			}
			if _, err := second.Await(ctx); err != nil {
				t.Errorf("second await: %v", err)
			}
			if err := aio.Sleep(ctx, time.Second); err != nil {
				t.Errorf("third await: %v", err)
			}
			return 42, nil
		})
		turns(ctx, 1)
		task.Cancel()
		turns(ctx, 2)
		if !first.Cancelled() || second.Done() {
			t.Errorf("first cancelled %v, second done %v", first.Cancelled(), second.Done())
		}
		_ = second.SetResult(0)
		if v, err := task.Await(ctx); v != 42 || err != nil || task.Cancelled() {
			t.Errorf("got %v, %v", v, err)
		}
		return nil
	})
}

// TASK-060, TASK-061, TASK-062, TASK-235
func TestTaskCancelsItself(t *testing.T) {
	for _, tt := range []struct {
		name string
		then func(ctx context.Context, f *aio.Future[int]) error
		want string // outcome of the task
	}{
		{"then awaits", func(ctx context.Context, _ *aio.Future[int]) error { return aio.Sleep(ctx, 100*time.Second) }, "cancelled"},
		{"then yields", func(ctx context.Context, _ *aio.Future[int]) error { return aio.Sleep(ctx, 0) }, "cancelled"},
		{"then returns", func(context.Context, *aio.Future[int]) error { return nil }, "cancelled"},
		{"then fails", func(context.Context, *aio.Future[int]) error { return errBoom }, "boom"},
		{"then awaits a child", func(ctx context.Context, f *aio.Future[int]) error {
			child := aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return f.Await(ctx) })
			turns := aio.CreateTask(ctx, func(context.Context) (int, error) { return 0, nil })
			_, err := child.Await(ctx)
			if !child.Cancelled() || !turns.Done() {
				t.Errorf("child cancelled %v, other done %v", child.Cancelled(), turns.Done())
			}
			return err
		}, "cancelled"},
		{"then awaits a future that is done", func(ctx context.Context, _ *aio.Future[int]) error {
			if v, err := ended(ctx, "7").Await(ctx); v != 7 || err != nil {
				t.Errorf("done future: %v, %v", v, err)
			}
			err := aio.Sleep(ctx, 0)
			if !errors.Is(err, aio.ErrCancelled) {
				t.Errorf("first suspension: %v", err)
			}
			return aio.Sleep(ctx, 0)
		}, "{}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				loop, err := aio.GetRunningLoop(ctx)
				if err != nil {
					return err
				}
				begin := loop.Time()
				f := aio.CreateFuture[int](ctx)
				task := aio.CreateTask(ctx, coro(func(ctx context.Context) error {
					if !aio.CurrentTask(ctx).Cancel() {
						t.Error("Cancel returned false")
					}
					return tt.then(ctx, f)
				}))
				if err := aio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				if got := upshot(task); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				if d := loop.Time().Sub(begin); d != time.Second {
					t.Errorf("it took %v", d)
				}
				return nil
			})
		})
	}
}

// TASK-062
func TestTaskSelfCancellationReachesAParkedChild(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		f := aio.CreateFuture[int](ctx)
		child := aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return f.Await(ctx) })
		parent := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			aio.CurrentTask(ctx).Cancel()
			return child.Await(ctx)
		})
		turns(ctx, 4)
		if !f.Cancelled() || !child.Cancelled() || !parent.Cancelled() {
			t.Errorf("future %v, child %v, parent %v", f, child, parent)
		}
		return nil
	})
}

// TASK-064
func TestTaskCancellationPassesThroughInlineCalls(t *testing.T) {
	for _, swallow := range []bool{false, true} {
		aiotest.Run(t, func(ctx context.Context) error {
			var log eventLog
			f := aio.CreateFuture[int](ctx)
			inner := func(ctx context.Context) error {
				_, err := f.Await(ctx)
				log.add("inner:%v", errors.Is(err, aio.ErrCancelled))
				return err
			}
			task := aio.CreateTask(ctx, coro(func(ctx context.Context) error {
				err := inner(ctx)
				log.add("outer:%v", errors.Is(err, aio.ErrCancelled))
				if swallow {
					return nil
				}
				return err
			}))
			turns(ctx, 1)
			task.Cancel()
			if !f.Cancelled() {
				t.Error("the future was not cancelled")
			}
			turns(ctx, 1)
			log.want(t, "inner:true outer:true")
			if !task.Done() || task.Cancelled() == swallow {
				t.Errorf("task: %v", task)
			}
			return nil
		})
	}
}

// TASK-065, TASK-067
func TestTaskCancellationReachesWhatIsAwaitedButNotWhatIsWaitedFor(t *testing.T) {
	for _, wait := range []bool{false, true} {
		aiotest.Run(t, func(ctx context.Context) error {
			child := aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return 7, aio.Sleep(ctx, time.Second) })
			parent := aio.CreateTask(ctx, coro(func(ctx context.Context) (err error) {
				if wait {
					_, _, err = aio.Wait(ctx, []*aio.Task[int]{child}, aio.NoTimeout, aio.AllCompleted)
				} else {
					_, err = child.Await(ctx)
				}
				return err
			}))
			turns(ctx, 1)
			parent.Cancel()
			turns(ctx, 2)
			if !parent.Cancelled() || child.Done() == wait {
				t.Errorf("wait %v: parent %v, child %v", wait, parent, child)
			}
			want := "cancelled"
			if wait {
				want = "7"
			}
			_, _ = child.Await(ctx)
			if got := upshot(child); got != want {
				t.Errorf("wait %v: child %s", wait, got)
			}
			return nil
		})
	}
}

// TASK-066
func TestTaskParentLearnsOfItsChildsCancellation(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		begin := loop.Time()
		child := aio.CreateTask(ctx, coro(func(ctx context.Context) error { return aio.Sleep(ctx, 5000*time.Second) }))
		loop.CallLater(100*time.Millisecond, func() { child.Cancel() })
		if _, err := child.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
			t.Errorf("got %v", err)
		}
		if d := loop.Time().Sub(begin); d != 100*time.Millisecond {
			t.Errorf("after %v", d)
		}
		if n := aio.CurrentTask(ctx).(*aio.Task[struct{}]).Cancelling(); n != 0 {
			t.Errorf("cancelling %d", n)
		}
		return nil
	})
}

// What a body makes of a CancelledError: an error that wraps it is one still, as a body often adds
// a word to the errors it passes on; an error that does not, or holds it beside others, is not.
//
// TASK-068
func TestTaskErrorThatWrapsACancellationIsOne(t *testing.T) {
	for _, tt := range []struct {
		name string
		wrap func(error) error
		want bool
	}{
		{"wrapped", func(err error) error { return fmt.Errorf("saving: %w", err) }, true},
		{"quoted", func(err error) error { return fmt.Errorf("saving: %v", err) }, false},
		{"joined", func(err error) error { return errors.Join(errBoom, err) }, false},
		{"in a group", func(err error) error { return &aio.GroupError{Errors: []error{err}} }, false},
	} {
		aiotest.Run(t, func(ctx context.Context) error {
			task := aio.CreateTask(ctx, coro(func(ctx context.Context) error {
				_, err := forever(ctx)
				return tt.wrap(err)
			}))
			turns(ctx, 1)
			task.Cancel("m")
			_, err := task.Await(ctx)
			if task.Cancelled() != tt.want {
				t.Errorf("%s: cancelled %v", tt.name, task.Cancelled())
			}
			var c *aio.CancelledError
			if tt.name != "quoted" && (!errors.As(err, &c) || c.Message != "m") {
				t.Errorf("%s: %v", tt.name, err)
			}
			return nil
		})
	}
}

// TASK-069, TASK-070, TASK-071, TASK-072, TASK-073
func TestTaskCancelMessage(t *testing.T) {
	for _, tt := range []struct {
		args []any
		want any
	}{
		{nil, nil}, {[]any{nil}, nil}, {[]any{"m"}, "m"}, {[]any{5}, 5}, {[]any{"job ", 5}, "job 5"},
	} {
		message := func(err error) any {
			c, ok := err.(*aio.CancelledError)
			if !ok || c.Cause != nil {
				t.Errorf("%v: not a plain CancelledError: %#v", tt.args, err)
				return nil
			}
			return c.Message
		}
		for who, ask := range map[string]func(ctx context.Context, task *aio.Task[int]) error{
			"await": func(ctx context.Context, task *aio.Task[int]) error { _, err := task.Await(ctx); return err },
			"result": func(ctx context.Context, task *aio.Task[int]) error {
				turns(ctx, 2)
				_, err := task.Result()
				return err
			},
			"exception": func(ctx context.Context, task *aio.Task[int]) error { turns(ctx, 2); return task.Exception() },
			"wait, result": func(ctx context.Context, task *aio.Task[int]) error {
				_, _, _ = aio.Wait(ctx, []*aio.Task[int]{task}, aio.NoTimeout, aio.AllCompleted)
				_, err := task.Result()
				return err
			},
			"wait, exception": func(ctx context.Context, task *aio.Task[int]) error {
				_, _, _ = aio.Wait(ctx, []*aio.Task[int]{task}, aio.NoTimeout, aio.AllCompleted)
				return task.Exception()
			},
		} {
			for _, started := range []bool{false, true} {
				aiotest.Run(t, func(ctx context.Context) error {
					var inBody any = "not run"
					task := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
						v, err := forever(ctx)
						inBody = message(err)
						return v, err
					})
					if started {
						turns(ctx, 1)
					}
					task.Cancel(tt.args...)
					if got := message(ask(ctx, task)); got != tt.want {
						t.Errorf("%v, %s: %v", tt.args, who, got)
					}
					if started && inBody != tt.want {
						t.Errorf("%v: the body got %v", tt.args, inBody)
					}
					return nil
				})
			}
		}
	}
}

// The message is given out once; who asks later finds it in the cause.
//
// TASK-069
func TestTaskCancelMessageIsGivenOutOnce(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		task := aio.CreateTask(ctx, forever)
		turns(ctx, 1)
		task.Cancel("m")
		_, _ = task.Await(ctx)
		for range 2 {
			c, ok := task.Exception().(*aio.CancelledError)
			if !ok || c.Message != nil {
				t.Errorf("got %#v", c)
			}
			if first, ok := c.Cause.(*aio.CancelledError); !ok || first.Message != "m" {
				t.Errorf("cause %#v", c.Cause)
			}
		}
		return nil
	})
}

// TASK-238
func TestTaskOfSeveralMessagesOneIsDelivered(t *testing.T) {
	for started, want := range map[bool]string{false: "cancelled:second", true: "cancelled:first"} {
		aiotest.Run(t, func(ctx context.Context) error {
			task := aio.CreateTask(ctx, forever)
			if started {
				turns(ctx, 1)
			}
			task.Cancel("first")
			task.Cancel("second")
			turns(ctx, 2)
			if got := upshot(task); got != want {
				t.Errorf("started %v: %s", started, got)
			}
			return nil
		})
	}
}

// TASK-074, TASK-075, TASK-078, TASK-230, TASK-231
func TestTaskCancellingCountsRequests(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		var task *aio.Task[int]
		task = aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			for range 2 {
				_, err := forever(ctx)
				log.add("%v:%d", err != nil, task.Cancelling())
			}
			return 1, nil
		})
		count := func(want int) {
			t.Helper()
			if n := task.Cancelling(); n != want {
				t.Errorf("cancelling %d, want %d", n, want)
			}
		}
		count(0)
		turns(ctx, 1)
		for i := range 3 {
			task.Cancel()
			count(i + 1)
		}
		turns(ctx, 3)
		log.want(t, "true:3") // one CancelledError for the three of them
		count(3)
		for want := 2; want >= 0; want-- {
			if n := task.Uncancel(); n != want {
				t.Errorf("Uncancel: %d, want %d", n, want)
			}
		}
		if n := task.Uncancel(); n != 0 {
			t.Errorf("Uncancel below zero: %d", n)
		}
		task.Cancel()
		turns(ctx, 1)
		log.want(t, "true:1")
		if task.Cancel() || !task.Done() {
			t.Error("cancelled again at the end")
		}
		count(1)
		if n := task.Uncancel(); n != 0 || !task.Done() || task.Cancelled() {
			t.Errorf("Uncancel at the end: %d, %v", n, task)
		}
		return nil
	})
}

// TASK-076, TASK-063
func TestTaskUncancelledGoesOnAndCanBeCancelledAnew(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var task *aio.Task[int]
		task = aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			if _, err := forever(ctx); !errors.Is(err, aio.ErrCancelled) {
				t.Errorf("first: %v", err)
			}
			task.Uncancel()
			return 1, aio.Sleep(ctx, time.Hour)
		})
		turns(ctx, 1)
		task.Cancel()
		turns(ctx, 2)
		if task.Cancelling() != 0 || task.Done() {
			t.Errorf("cancelling %d, %v", task.Cancelling(), task)
		}
		task.Cancel()
		if task.Cancelling() != 1 {
			t.Errorf("cancelling %d", task.Cancelling())
		}
		turns(ctx, 1)
		if !task.Cancelled() {
			t.Errorf("task: %v", task)
		}
		return nil
	})
}

// TASK-077, TASK-232, TASK-233, TASK-234
func TestTaskUncancelWithdrawsWhatWasNotDelivered(t *testing.T) {
	for _, tt := range []struct {
		name              string
		started           bool
		settle            string // what the future comes to first: ok, boom, "" for nothing
		cancels, withdraw int
		want              string
		future            string
	}{
		{"before the first step", false, "", 1, 1, "42", "42"},
		{"before the first step, not all", false, "", 2, 1, "cancelled", "42"},
		{"future has its value", true, "42", 1, 1, "42", "42"},
		{"future has its value, not withdrawn", true, "42", 1, 0, "cancelled", "42"},
		{"future has failed", true, "boom", 1, 1, "boom", "boom"},
		{"future has failed, not withdrawn", true, "boom", 1, 0, "cancelled", "boom"},
		{"future pending", true, "", 1, 1, "cancelled", "cancelled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				f := aio.CreateFuture[int](ctx)
				task := aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return f.Await(ctx) })
				if tt.started {
					turns(ctx, 1)
				}
				switch tt.settle {
				case "42":
					_ = f.SetResult(42)
				case "boom":
					_ = f.SetException(errBoom)
				}
				for range tt.cancels {
					task.Cancel()
				}
				for range tt.withdraw {
					task.Uncancel()
				}
				if !tt.started {
					_ = f.SetResult(42)
				}
				turns(ctx, 1)
				if got := upshot(task); got != tt.want {
					t.Errorf("task: %s", got)
				}
				if got := upshot(f); got != tt.future {
					t.Errorf("future: %s", got)
				}
				if n := task.Cancelling(); n != tt.cancels-tt.withdraw {
					t.Errorf("cancelling %d", n)
				}
				return nil
			})
		})
	}
}

// TASK-079, TASK-080
func TestTaskTimeoutByHand(t *testing.T) {
	for _, tt := range []struct {
		work time.Duration
		want string
	}{{time.Hour, "timeout 1s 0"}, {time.Millisecond, "<nil> 1ms 0"}} {
		aiotest.Run(t, func(ctx context.Context) error {
			loop, err := aio.GetRunningLoop(ctx)
			if err != nil {
				return err
			}
			begin := loop.Time()
			me := aio.CurrentTask(ctx)
			fired := false
			h := loop.CallLater(time.Second, func() { fired = true; me.Cancel() })
			err = aio.Sleep(ctx, tt.work)
			h.Cancel()
			if fired && me.Uncancel() == 0 && errors.Is(err, aio.ErrCancelled) {
				err = errors.New("timeout")
			}
			if got := fmt.Sprint(err, loop.Time().Sub(begin), me.Cancelling()); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			return aio.Sleep(ctx, 2*time.Second) // nothing comes after
		})
	}
}

// TASK-081, TASK-083
func TestTaskSleepTakesTimeAndZeroTakesATurn(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		begin := loop.Time()
		for i := range 2 {
			if err := aio.Sleep(ctx, 50*time.Millisecond); err != nil {
				return err
			}
			if d := loop.Time().Sub(begin); d != time.Duration(i+1)*50*time.Millisecond {
				t.Errorf("after %v", d)
			}
		}
		begin = loop.Time()
		for _, d := range []time.Duration{0, -time.Second} {
			var log eventLog
			loop.CallSoon(func() {
				log.add("soon")
				loop.CallSoon(func() { log.add("later") })
			})
			if err := aio.Sleep(ctx, d); err != nil {
				return err
			}
			log.want(t, "soon")
			turns(ctx, 1)
		}
		if loop.Time() != begin {
			t.Error("the clock moved")
		}
		return nil
	})
}

// TASK-163, TASK-164
func TestTaskCurrentTaskIsTheOneThatRuns(t *testing.T) {
	l, _ := newLoop(t)
	if me := aio.CurrentTask(l.Context()); me != nil {
		t.Errorf("before the run: %v", me)
	}
	if me := aio.CurrentTask(context.Background()); me != nil {
		t.Errorf("without a loop: %v", me)
	}
	var contexts []context.Context
	var tasks []*aio.Task[struct{}]
	for i := range 3 {
		tasks = append(tasks, aio.CreateTask(l.Context(), coro(func(ctx context.Context) error {
			contexts = append(contexts, ctx)
			for range 3 {
				for _, c := range append(contexts, l.Context()) { // whichever context of the loop is asked
					if me := aio.CurrentTask(c); me != aio.AnyTask(tasks[i]) {
						t.Errorf("task %d: current is %v", i, me)
					}
				}
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			return nil
		})))
	}
	if _, err := aio.RunUntilComplete(l, tasks[2]); err != nil {
		t.Error(err)
	}
	if me := aio.CurrentTask(l.Context()); me != nil {
		t.Errorf("after the run: %v", me)
	}
}

// TASK-165
func TestTaskAllTasksListsThoseOfTheLoopThatAreNotDone(t *testing.T) {
	other, _ := newLoop(t)
	elsewhere := aio.CreateTask(other.Context(), returns(1))
	aiotest.Run(t, func(ctx context.Context) error {
		parked := aio.CreateTask(ctx, forever, aio.WithName("parked"))
		aio.CreateTask(ctx, returns(1), aio.WithName("done"))
		turns(ctx, 1)
		fresh := aio.CreateTask(ctx, returns(1), aio.WithName("fresh"))
		all := aio.AllTasks(ctx)
		if !slices.Equal(all, []aio.AnyTask{aio.CurrentTask(ctx), parked, fresh}) {
			t.Errorf("got %v", all)
		}
		if all := aio.AllTasks(other.Context()); !slices.Equal(all, []aio.AnyTask{elsewhere}) {
			t.Errorf("the other loop has %v", all)
		}
		parked.Cancel()
		turns(ctx, 1)
		return nil
	})
	if _, err := aio.RunUntilComplete(other, elsewhere); err != nil {
		t.Error(err)
	}
	if all := aio.AllTasks(other.Context()); len(all) != 0 {
		t.Errorf("left: %v", all)
	}
}

// TASK-218
func TestTaskLoopsInGoroutinesOfTheirOwnKeepTheirTasksApart(t *testing.T) {
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			aiotest.Run(t, func(ctx context.Context) error {
				gate := aio.CreateFuture[int](ctx)
				mine := []aio.AnyTask{aio.CurrentTask(ctx)}
				for range 100 {
					mine = append(mine, aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
						return aio.Shield(ctx, gate).Await(ctx)
					}))
				}
				turns(ctx, 2)
				if all := aio.AllTasks(ctx); !slices.Equal(all, mine) {
					t.Errorf("%d tasks", len(all))
				}
				_ = gate.SetResult(1)
				_, _, err := aio.Wait(ctx, mine[1:], aio.NoTimeout, aio.AllCompleted)
				return err
			})
		})
	}
	wg.Wait()
}

// Another goroutine cannot list the tasks itself, but can have them listed in the loop.
//
// TASK-219, TASK-201
func TestTaskAllTasksFromOtherGoroutinesGoesThroughTheLoop(t *testing.T) {
	for _, eager := range []bool{false, true} {
		aiotest.Run(t, func(ctx context.Context) error {
			loop, err := aio.GetRunningLoop(ctx)
			if err != nil {
				return err
			}
			gate := aio.CreateFuture[int](ctx)
			var wait aio.Coro[int] = func(ctx context.Context) (int, error) { return aio.Shield(ctx, gate).Await(ctx) }
			known := []aio.AnyTask{aio.CreateTask(ctx, wait, aio.WithEagerStart(eager))}
			workers := make([]aio.Awaitable[int], 4)
			for i := range workers {
				workers[i] = aio.RunInExecutor(ctx, nil, func() (int, error) {
					if err := panics(func() { aio.AllTasks(ctx) }); !errors.Is(err, aio.ErrWrongGoroutine) {
						t.Errorf("AllTasks: %v", err)
					}
					for range 50 {
						listed := make(chan bool)
						loop.CallSoonThreadsafe(func() {
							all := aio.AllTasks(ctx)
							for _, k := range known {
								if !slices.Contains(all, k) {
									t.Errorf("%v is not listed", k)
								}
							}
							close(listed)
						})
						<-listed
					}
					return 0, nil
				})
			}
			for range 200 {
				known = append(known, aio.CreateTask(ctx, wait, aio.WithEagerStart(eager)))
				turns(ctx, 1)
			}
			if _, err := aio.Gather(ctx, workers...).Await(ctx); err != nil {
				return err
			}
			_ = gate.SetResult(1)
			_, _, err = aio.Wait(ctx, known, aio.NoTimeout, aio.AllCompleted)
			return err
		})
	}
}

// TASK-220
func TestTaskWorkersMayBlockOnTheLoopThatStartedThem(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		workers := make([]aio.Awaitable[int], 10)
		for i := range workers {
			workers[i] = aio.RunInExecutor(ctx, nil, func() (int, error) {
				return aio.RunCoroutineThreadsafe(loop, func(ctx context.Context) (int, error) {
					return i, aio.Sleep(ctx, 0)
				}).Result(context.Background())
			})
		}
		got, err := aio.Gather(ctx, workers...).Await(ctx)
		if want := "[0 1 2 3 4 5 6 7 8 9]"; fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
		return err
	})
}

// TASK-221
func TestTaskDebugModeIsOffUnlessAskedFor(t *testing.T) {
	for _, tt := range []struct {
		env    string
		option bool
		want   bool
	}{{"", false, false}, {"", true, true}, {"1", false, true}, {"x", true, true}} {
		t.Setenv("AIO_DEBUG", tt.env)
		l := aio.NewEventLoop(&aio.LoopOptions{Debug: tt.option})
		if l.GetDebug() != tt.want {
			t.Errorf("%+v: %v", tt, l.GetDebug())
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// here is the name of the calling function.
func here() string {
	pc, _, _, _ := runtime.Caller(1)
	return runtime.FuncForPC(pc).Name()
}

// createdIn reports whether fn is in the stack.
func createdIn(stack []uintptr, fn string) bool {
	if len(stack) == 0 {
		return false
	}
	it := runtime.CallersFrames(stack)
	for more := true; more; {
		var f runtime.Frame
		if f, more = it.Next(); f.Function == fn {
			return true
		}
	}
	return false
}

// TASK-222
func TestTaskDebugModeRemembersWhereATaskWasCreated(t *testing.T) {
	for _, debug := range []bool{false, true} {
		l, reports := newLoop(t)
		l.SetDebug(debug)
		aio.CreateTask(l.Context(), func(context.Context) (int, error) { return 0, errBoom })
		if _, err := aio.RunUntilComplete(l, returns(0)); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if len(*reports) != 1 || createdIn((*reports)[0].Stack, here()) != debug {
			t.Errorf("debug %v: %+v", debug, *reports)
		}
	}
}

// TASK-222
func TestTaskDebugModeRemembersWhereAFutureWasCreated(t *testing.T) {
	l, reports := newLoop(t)
	l.SetDebug(true)
	_ = aio.CreateFuture[int](l.Context()).SetException(errBoom)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if len(*reports) != 1 || !createdIn((*reports)[0].Stack, here()) {
		t.Errorf("reports: %+v", *reports)
	}
}

// TASK-223
func TestTaskDebugModeChangesNoOrder(t *testing.T) {
	var logs [2]eventLog
	for i := range logs {
		l, _ := newLoop(t)
		l.SetDebug(i == 1)
		l.SetSlowCallbackDuration(time.Hour)
		log := &logs[i]
		_, err := aio.RunUntilComplete(l, coro(func(ctx context.Context) error {
			var tasks []aio.Awaitable[struct{}]
			for n := range 3 {
				tasks = append(tasks, coro(func(ctx context.Context) error {
					for range n + 1 {
						log.add("%d", n)
						if err := aio.Sleep(ctx, 0); err != nil {
							return err
						}
					}
					return nil
				}))
			}
			_, err := aio.Gather(ctx, tasks...).Await(ctx)
			return err
		}))
		if err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(logs[0], logs[1]) {
		t.Errorf("off %v, on %v", logs[0], logs[1])
	}
	logs[0].want(t, "0 1 2 1 2 2")
}

// TASK-224
func TestTaskLockScopesHoldAcrossAwaits(t *testing.T) {
	type scope interface {
		With(ctx context.Context, body func(ctx context.Context) error) error
		Locked() bool
	}
	for name, k := range map[string]scope{
		"Lock": new(aio.Lock), "Condition": new(aio.Condition),
		"Semaphore": aio.NewSemaphore(1), "BoundedSemaphore": aio.NewBoundedSemaphore(1),
	} {
		aiotest.Run(t, func(ctx context.Context) error {
			var log eventLog
			log.add("%v", k.Locked())
			err := k.With(ctx, func(ctx context.Context) error {
				log.add("%v", k.Locked())
				err := aio.Sleep(ctx, time.Millisecond)
				log.add("%v", k.Locked())
				return err
			})
			log.add("%v", k.Locked())
			if got := strings.Join(log, " "); got != "false true true false" {
				t.Errorf("%s: %s", name, got)
			}
			return err
		})
	}
}

// TASK-227
func TestTaskTurnsAreTakenInOrderOfCreation(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		var tasks []aio.Awaitable[struct{}]
		for _, name := range []string{"a", "b", "c"} {
			tasks = append(tasks, aio.CreateTask(ctx, coro(func(ctx context.Context) error {
				for i := range 3 {
					log.add("%s%d", name, i)
					if err := aio.Sleep(ctx, 0); err != nil {
						return err
					}
				}
				return nil
			})))
		}
		_, err := aio.Gather(ctx, tasks...).Await(ctx)
		log.want(t, "a0 b0 c0 a1 b1 c1 a2 b2 c2")
		return err
	})
}

// TASK-236
func TestTaskCancelledWithoutARequest(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		raises := aio.CreateTask(ctx, func(context.Context) (int, error) { return 0, &aio.CancelledError{Message: "own"} })
		f := aio.CreateFuture[int](ctx)
		awaits := aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return f.Await(ctx) })
		turns(ctx, 1)
		f.Cancel("of the future")
		turns(ctx, 1)
		if got := upshot(raises); got != "cancelled:own" || raises.Cancelling() != 0 {
			t.Errorf("raises: %s, cancelling %d", got, raises.Cancelling())
		}
		if got := upshot(awaits); got != "cancelled:of the future" || awaits.Cancelling() != 0 {
			t.Errorf("awaits: %s, cancelling %d", got, awaits.Cancelling())
		}
		return nil
	})
}

// TASK-237
func TestTaskParentHearsTheAnswerOfItsChild(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(err error) (int, error)
		want   string
	}{
		{"passes it on", func(err error) (int, error) { return 0, err }, "cancelled"},
		{"value", func(error) (int, error) { return 7, nil }, "7"},
		{"error", func(error) (int, error) { return 0, errBoom }, "boom"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				var log eventLog
				child := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
					_, err := forever(ctx)
					log.add("cleaning")
					again := aio.Sleep(ctx, time.Second)
					log.add("again:%v", errors.Is(again, aio.ErrCancelled))
					return tt.answer(err)
				})
				parent := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
					v, err := child.Await(ctx)
					log.add("parent")
					return v, err
				})
				turns(ctx, 1)
				parent.Cancel()
				turns(ctx, 5)
				log.want(t, "cleaning")
				parent.Cancel()
				turns(ctx, 2)
				log.want(t, "again:true parent")
				if got := upshot(parent); got != tt.want || parent.Cancelling() != 2 || child.Cancelling() != 2 {
					t.Errorf("parent: %s, cancelling %d, child %d", got, parent.Cancelling(), child.Cancelling())
				}
				return nil
			})
		})
	}
}

// TASK-257
func TestTaskCancellationArrivesAfterAKnownNumberOfPasses(t *testing.T) {
	await := func(f func(ctx context.Context) aio.Awaitable[int]) func(ctx context.Context) error {
		return func(ctx context.Context) error { _, err := f(ctx).Await(ctx); return err }
	}
	task := func(ctx context.Context) aio.Awaitable[int] { return aio.CreateTask(ctx, forever) }
	for _, tt := range []struct {
		on   string
		park func(ctx context.Context) error
		want int
	}{
		{"future", await(func(ctx context.Context) aio.Awaitable[int] { return aio.CreateFuture[int](ctx) }), 1},
		{"sleep", func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }, 1},
		{"shield", await(func(ctx context.Context) aio.Awaitable[int] { return aio.Shield[int](ctx, aio.CreateFuture[int](ctx)) }), 1},
		{"wait", func(ctx context.Context) error {
			_, _, err := aio.Wait(ctx, []*aio.Future[int]{aio.CreateFuture[int](ctx)}, aio.NoTimeout, aio.AllCompleted)
			return err
		}, 1},
		{"task", await(task), 2},
		{"task of a task", await(func(ctx context.Context) aio.Awaitable[int] {
			return aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return task(ctx).Await(ctx) })
		}), 3},
		{"gather of tasks", func(ctx context.Context) error {
			_, err := aio.Gather(ctx, task(ctx), task(ctx)).Await(ctx)
			return err
		}, 3},
	} {
		aiotest.Run(t, func(ctx context.Context) error {
			arrived := false
			parked := aio.CreateTask(ctx, coro(func(ctx context.Context) error {
				err := tt.park(ctx)
				arrived = true
				return err
			}))
			turns(ctx, 5)
			parked.Cancel()
			passes := 0
			for ; !arrived; passes++ {
				turns(ctx, 1)
			}
			if passes != tt.want || !parked.Cancelled() {
				t.Errorf("parked on %s: %d passes, %v", tt.on, passes, parked)
			}
			return nil
		})
	}
}

// A body that panics with an error fails with it; the rest is in the PanicError.
func TestTaskPanicBecomesItsError(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		for _, value := range []any{errBoom, "text"} {
			task := aio.CreateTask(ctx, func(context.Context) (int, error) { panic(value) })
			_, err := task.Await(ctx)
			var p *aio.PanicError
			if !errors.As(err, &p) || p.Value != value || !strings.Contains(string(p.Stack), here()) {
				t.Errorf("got %v", err)
			}
			if errors.Is(err, errBoom) != (value == errBoom) {
				t.Errorf("%v does not unwrap as it shall", err)
			}
			if _, again := task.Await(ctx); again != err {
				t.Errorf("the second await: %v", again)
			}
		}
		return nil
	})
}

// The cross product: how the body of a task ends, when the task is cancelled, and who wants its
// result. The body waits for a gate, notes what came of that, and then ends in its own way whether
// it was cancelled or not; only the one that returns passes the CancelledError on.
func TestTaskEndingsByCancellationsByConsumers(t *testing.T) {
	type ending struct{ body, cancelled string }
	for e, want := range map[ending]struct {
		events  string // of the body, and what Cancel returned
		outcome string // of the task
	}{
		{"returns", "never"}:         {"begin opened", "7"},
		{"returns", "before start"}:  {"cancel:true", "cancelled"},
		{"returns", "while ready"}:   {"begin cancel:true interrupted", "cancelled"},
		{"returns", "while waiting"}: {"begin cancel:true interrupted", "cancelled"},
		{"returns", "when done"}:     {"begin opened cancel:false", "7"},
		{"fails", "never"}:           {"begin opened", "boom"},
		{"fails", "before start"}:    {"cancel:true", "cancelled"},
		{"fails", "while ready"}:     {"begin cancel:true interrupted", "boom"},
		{"fails", "while waiting"}:   {"begin cancel:true interrupted", "boom"},
		{"fails", "when done"}:       {"begin opened cancel:false", "boom"},
		{"panics", "never"}:          {"begin opened", "panic"},
		{"panics", "before start"}:   {"cancel:true", "cancelled"},
		{"panics", "while ready"}:    {"begin cancel:true interrupted", "panic"},
		{"panics", "while waiting"}:  {"begin cancel:true interrupted", "panic"},
		{"panics", "when done"}:      {"begin opened cancel:false", "panic"},
		{"Goexits", "never"}:         {"begin opened", "exit"},
		{"Goexits", "before start"}:  {"cancel:true", "cancelled"},
		{"Goexits", "while ready"}:   {"begin cancel:true interrupted", "exit"},
		{"Goexits", "while waiting"}: {"begin cancel:true interrupted", "exit"},
		{"Goexits", "when done"}:     {"begin opened cancel:false", "exit"},
	} {
		for _, consumer := range []string{"awaited", "shielded", "grouped", "dropped"} {
			t.Run(strings.ReplaceAll(e.body+" "+e.cancelled+" "+consumer, " ", "_"), func(t *testing.T) {
				testTaskEnding(t, e.body, e.cancelled, consumer, want.events, want.outcome)
			})
		}
	}
}

func testTaskEnding(t *testing.T, body, cancelled, consumer, events, outcome string) {
	l, reports := newLoop(t)
	var log eventLog
	gate := aio.CreateFuture[int](l.Context())
	work := func(ctx context.Context) (int, error) {
		log.add("begin")
		v, err := gate.Await(ctx)
		if err != nil {
			log.add("interrupted")
		} else {
			log.add("opened")
		}
		switch body {
		case "fails":
			return 0, errBoom
		case "panics":
			panic("panic")
		case "Goexits":
			runtime.Goexit()
		}
		return v, err
	}
	// text names an outcome.
	text := func(v int, err error) string {
		var p *aio.PanicError
		switch {
		case err == nil:
			return fmt.Sprint(v)
		case err == errBoom:
			return "boom"
		case err == aio.ErrGoexit:
			return "exit"
		case errors.As(err, &p):
			return fmt.Sprint(p.Value)
		case errors.Is(err, aio.ErrCancelled):
			return "cancelled"
		}
		return "unexpected " + err.Error()
	}
	var task *aio.Task[int]
	cancel := func() { log.add("cancel:%v", task.Cancel()) }
	created := func(w *aio.Task[int]) {
		task = w
		if cancelled == "before start" {
			cancel()
		}
	}
	got := "nothing"
	consume := coro(func(ctx context.Context) error {
		switch consumer {
		case "awaited":
			created(aio.CreateTask(ctx, work))
			got = text(task.Await(ctx))
		case "shielded":
			created(aio.CreateTask(ctx, work))
			got = text(aio.Shield(ctx, task).Await(ctx))
		case "grouped":
			err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				created(aio.GoResult(tg, work))
				return nil
			})
			var g *aio.GroupError
			switch {
			case err == nil:
				got = "ok"
			case errors.As(err, &g) && len(g.Errors) == 1:
				got = "group:" + text(0, g.Errors[0])
			default:
				got = "unexpected " + err.Error()
			}
		case "dropped":
			created(aio.CreateTask(ctx, work))
		}
		return nil
	})
	main := aio.CreateTask(l.Context(), coro(func(ctx context.Context) error {
		consuming := aio.CreateTask(ctx, consume)
		turns(ctx, 5)
		switch cancelled {
		case "never":
			_ = gate.SetResult(7)
		case "while ready":
			_ = gate.SetResult(7)
			cancel()
		case "while waiting":
			cancel()
			if !gate.Cancelled() {
				t.Error("the gate was not cancelled")
			}
		case "when done":
			_ = gate.SetResult(7)
			turns(ctx, 1)
			cancel()
		}
		turns(ctx, 5)
		if !task.Done() {
			t.Errorf("the task is not done: %v", task)
		}
		if task.Cancelled() != (outcome == "cancelled") {
			t.Errorf("the task: %v, want %s", task, outcome)
		}
		_, err := consuming.Await(ctx)
		return err
	}))
	task = nil
	exits := 0
	for done := false; !done; {
		over := make(chan struct{})
		go func() {
			defer close(over)
			exited := true
			defer func() {
				if exited {
					exits++
				}
			}()
			_, err := aio.RunUntilComplete(l, main)
			exited = false
			done = true
			if err != nil {
				t.Error(err)
			}
		}()
		<-over
	}
	wantExits := 0
	if outcome == "exit" {
		wantExits = 1
	}
	if exits != wantExits {
		t.Errorf("the loop's goroutine was ended %d times", exits)
	}
	log.want(t, events)

	want := outcome
	switch consumer {
	case "grouped":
		want = "group:" + outcome
		if outcome == "7" || outcome == "cancelled" {
			want = "ok"
		}
	case "dropped":
		want = "nothing"
	}
	if got != want {
		t.Errorf("the consumer got %s, want %s", got, want)
	}
	if all := aio.AllTasks(l.Context()); len(all) != 0 {
		t.Errorf("left: %v", all)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	reported := "nothing"
	switch len(*reports) {
	case 0:
	case 1:
		reported = text(0, (*reports)[0].Err)
	default:
		t.Errorf("reports: %+v", *reports)
	}
	want = "nothing"
	// Cancel on a task that has failed silences the report, and Goexit is passed on, not lost.
	if consumer == "dropped" && cancelled != "when done" && outcome != "7" && outcome != "cancelled" && outcome != "exit" {
		want = outcome
	}
	if reported != want {
		t.Errorf("reported %s, want %s", reported, want)
	}
}
