package aio_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// TASK-049, TASK-050, TASK-051
func TestTaskCancelIsARequestThatTheBodyAnswers(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		task := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			v, err := forever(ctx)
			log.add("%v", errors.Is(err, aio.ErrCancelled))
			return v, err
		})
		letPass(ctx, 1)
		first, second := task.Cancel(), task.Cancel()
		if !first || !second {
			t.Error("Cancel returned false")
		}
		if task.Done() || task.Cancelled() {
			t.Error("cancelled at once")
		}
		log.want(t, "")
		letPass(ctx, 1)
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
		want bool // whether the future is cancelled at once
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
				task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					err := tt.park(ctx, f)
					log.add("%v", errors.Is(err, aio.ErrCancelled))
					if e := aio.Sleep(ctx, 0); e != nil {
						t.Errorf("a second CancelledError: %v", e)
					}
					return err
				}))
				letPass(ctx, 1)
				tt.act(task, f)
				if f.Cancelled() != tt.want {
					t.Errorf("future cancelled: %v", f.Cancelled())
				}
				log.want(t, "")
				letPass(ctx, 1)
				log.want(t, "true")
				letPass(ctx, 1)
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
		letPass(ctx, 1)
		task.Cancel()
		letPass(ctx, 2)
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
		want string // result of the task
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
		{"then awaits a done future", func(ctx context.Context, _ *aio.Future[int]) error {
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
				task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
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
		letPass(ctx, 4)
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
			task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				err := inner(ctx)
				log.add("outer:%v", errors.Is(err, aio.ErrCancelled))
				if swallow {
					return nil
				}
				return err
			}))
			letPass(ctx, 1)
			task.Cancel()
			if !f.Cancelled() {
				t.Error("the future was not cancelled")
			}
			letPass(ctx, 1)
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
			parent := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) (err error) {
				if wait {
					_, _, err = aio.Wait(ctx, []*aio.Task[int]{child}, aio.NoTimeout, aio.AllCompleted)
				} else {
					_, err = child.Await(ctx)
				}
				return err
			}))
			letPass(ctx, 1)
			parent.Cancel()
			letPass(ctx, 2)
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
		child := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, 5000*time.Second) }))
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

// The task is cancelled if its error wraps a CancelledError, as a body often adds
// context to an error; it has failed if the error does not wrap one, or joins one with
// other errors. A deferred errors.Join(err, f.Close()) with a nil error of Close is
// still a cancellation.
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
		{"joined with nil", func(err error) error { return errors.Join(err, nil) }, true},
		{"joined with a cancellation", func(err error) error { return fmt.Errorf("%w, %w", err, &aio.CancelledError{}) }, true},
		{"joined with another error", func(err error) error { return errors.Join(err, errBoom) }, false},
		{"joined in a group", func(err error) error { return errors.Join(&aio.GroupError{Errors: []error{err}}) }, false},
		{"in a group", func(err error) error { return &aio.GroupError{Errors: []error{err}} }, false},
	} {
		aiotest.Run(t, func(ctx context.Context) error {
			task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				_, err := forever(ctx)
				return tt.wrap(err)
			}))
			letPass(ctx, 1)
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
				letPass(ctx, 2)
				_, err := task.Result()
				return err
			},
			"exception": func(ctx context.Context, task *aio.Task[int]) error { letPass(ctx, 2); return task.Exception() },
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
						letPass(ctx, 1)
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

// The message is passed to the first CancelledError only; later ones have it in their
// cause.
//
// TASK-069
func TestTaskCancelMessageIsGivenOutOnce(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		task := aio.CreateTask(ctx, forever)
		letPass(ctx, 1)
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
				letPass(ctx, 1)
			}
			task.Cancel("first")
			task.Cancel("second")
			letPass(ctx, 2)
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
		letPass(ctx, 1)
		for i := range 3 {
			task.Cancel()
			count(i + 1)
		}
		letPass(ctx, 3)
		log.want(t, "true:3") // one CancelledError for the three requests
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
		letPass(ctx, 1)
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
		letPass(ctx, 1)
		task.Cancel()
		letPass(ctx, 2)
		if task.Cancelling() != 0 || task.Done() {
			t.Errorf("cancelling %d, %v", task.Cancelling(), task)
		}
		task.Cancel()
		if task.Cancelling() != 1 {
			t.Errorf("cancelling %d", task.Cancelling())
		}
		letPass(ctx, 1)
		if !task.Cancelled() {
			t.Errorf("task: %v", task)
		}
		return nil
	})
}

// TASK-077, TASK-232, TASK-233, TASK-234
func TestTaskUncancelWithdrawsWhatWasNotDelivered(t *testing.T) {
	for _, tt := range []struct {
		name    string
		started bool
		// what happens to the future first: ok, boom, or "" for nothing
		settle            string
		cancels, withdraw int
		want              string
		future            string
	}{
		{"before the first step", false, "", 1, 1, "42", "42"},
		{"before the first step, partly withdrawn", false, "", 2, 1, "cancelled", "42"},
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
					letPass(ctx, 1)
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
				letPass(ctx, 1)
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
			// no cancellation arrives later
			return aio.Sleep(ctx, 2*time.Second)
		})
	}
}

// TASK-236
func TestTaskCancelledWithoutARequest(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		raises := aio.CreateTask(ctx, func(context.Context) (int, error) { return 0, &aio.CancelledError{Message: "own"} })
		f := aio.CreateFuture[int](ctx)
		awaits := aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return f.Await(ctx) })
		letPass(ctx, 1)
		f.Cancel("of the future")
		letPass(ctx, 1)
		if got := upshot(raises); got != "cancelled:own" || raises.Cancelling() != 0 {
			t.Errorf("raises: %s, cancelling %d", got, raises.Cancelling())
		}
		if got := upshot(awaits); got != "cancelled:of the future" || awaits.Cancelling() != 0 {
			t.Errorf("awaits: %s, cancelling %d", got, awaits.Cancelling())
		}
		return nil
	})
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
			parked := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				err := tt.park(ctx)
				arrived = true
				return err
			}))
			letPass(ctx, 5)
			parked.Cancel()
			passes := 0
			for ; !arrived; passes++ {
				letPass(ctx, 1)
			}
			if passes != tt.want || !parked.Cancelled() {
				t.Errorf("parked on %s: %d passes, %v", tt.on, passes, parked)
			}
			return nil
		})
	}
}
