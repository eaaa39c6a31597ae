package aio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// eagerly runs a test of eager tasks in both ways: with the option, and with the
// factory.
func eagerly(t *testing.T, main func(t *testing.T, ctx context.Context, eager ...aio.TaskOption)) {
	t.Helper()
	t.Run("option", func(t *testing.T) {
		aiotest.Run(t, func(ctx context.Context) error { main(t, ctx, aio.WithEagerStart(true)); return nil })
	})
	t.Run("factory", func(t *testing.T) {
		aiotest.Run(t, func(ctx context.Context) error {
			loop, err := aio.GetRunningLoop(ctx)
			if err != nil {
				return err
			}
			loop.SetTaskFactory(aio.EagerTaskFactory)
			main(t, ctx)
			return nil
		})
	})
}

// TASK-188, TASK-189, TASK-190, TASK-197, TASK-199
func TestEagerTaskRunsUpToItsFirstSuspension(t *testing.T) {
	eagerly(t, func(t *testing.T, ctx context.Context, eager ...aio.TaskOption) {
		var log eventLog
		f := aio.CreateFuture[int](ctx)
		quick := aio.CreateTask(ctx, func(context.Context) (int, error) {
			log.add("quick")
			return 7, f.SetResult(1)
		}, eager...)
		log.want(t, "quick")
		if v, err := quick.Result(); v != 7 || err != nil || quick.GetCoro() != nil {
			t.Errorf("quick: %v, %v", v, err)
		}
		if v, err := f.Await(ctx); v != 1 || err != nil {
			t.Errorf("the values that it set: %v, %v", v, err)
		}
		slow := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			log.add("begin")
			// f is done, so the await does not suspend
			if _, err := f.Await(ctx); err != nil {
				return 0, err
			}
			log.add("before")
			err := aio.Sleep(ctx, 0)
			log.add("after")
			return 8, err
		}, eager...)
		log.want(t, "begin before")
		if slow.Done() || slow.GetCoro() == nil {
			t.Errorf("slow: %v", slow)
		}
		if v, err := slow.Await(ctx); v != 8 || err != nil {
			t.Errorf("slow: %v, %v", v, err)
		}
		log.want(t, "after")
	})
}

// TASK-191, TASK-192
func TestEagerTaskCancel(t *testing.T) {
	eagerly(t, func(t *testing.T, ctx context.Context, eager ...aio.TaskOption) {
		quick := aio.CreateTask(ctx, returns(7), eager...)
		if quick.Cancel() || quick.Cancelled() || upshot(quick) != "7" {
			t.Errorf("done at once: %v", quick)
		}
		parked := aio.CreateTask(ctx, forever, eager...)
		if !parked.Cancel("m") || parked.Cancelling() != 1 {
			t.Errorf("parked: cancelling %d", parked.Cancelling())
		}
		_, err := parked.Await(ctx)
		if c, ok := err.(*aio.CancelledError); !ok || c.Message != "m" {
			t.Errorf("parked: %v", err)
		}
	})
}

// TASK-193, TASK-194, TASK-196, TASK-252
func TestEagerTaskIsCurrentAndListedWhileItRuns(t *testing.T) {
	eagerly(t, func(t *testing.T, ctx context.Context, eager ...aio.TaskOption) {
		me := aio.CurrentTask(ctx)
		var inner, outer aio.AnyTask
		nested := func(ctx context.Context) (aio.AnyTask, error) {
			inner = aio.CurrentTask(ctx)
			if all := aio.AllTasks(ctx); !slices.Equal(all, []aio.AnyTask{me, outer, inner}) {
				t.Errorf("nested: %v", all)
			}
			if name := inner.GetName(); name != "inner" {
				t.Errorf("nested: name %s", name)
			}
			err := aio.Sleep(ctx, 0)
			return aio.CurrentTask(ctx), err
		}
		task := aio.CreateTask(ctx, func(ctx context.Context) (aio.AnyTask, error) {
			outer = aio.CurrentTask(ctx)
			child := aio.CreateTask(ctx, nested, append(eager, aio.WithName("inner"))...)
			if now := aio.CurrentTask(ctx); now != outer || aio.AnyTask(child) != inner {
				t.Errorf("creator: current %v, child %v", now, child)
			}
			if v, err := child.Await(ctx); v != inner || err != nil {
				t.Errorf("nested: current %v at the end, %v", v, err)
			}
			return aio.CurrentTask(ctx), nil
		}, eager...)
		if now := aio.CurrentTask(ctx); now != me || outer != aio.AnyTask(task) {
			t.Errorf("main: current %v, eager %v", now, outer)
		}
		if all := aio.AllTasks(ctx); !slices.Equal(all, []aio.AnyTask{me, outer, inner}) {
			t.Errorf("parked: %v", all)
		}
		if v, err := task.Await(ctx); v != outer || err != nil {
			t.Errorf("at the end: current %v, %v", v, err)
		}
		aio.CreateTask(ctx, returns(1), eager...)
		if all := aio.AllTasks(ctx); !slices.Equal(all, []aio.AnyTask{me}) {
			t.Errorf("done: %v", all)
		}
	})
}

// TASK-195
func TestEagerTaskHasItsOwnContext(t *testing.T) {
	eagerly(t, func(t *testing.T, ctx context.Context, eager ...aio.TaskOption) {
		mine := context.WithValue(ctx, ctxKey("n"), 1)
		task := aio.CreateTask(mine, func(ctx context.Context) (any, error) {
			if n := ctx.Value(ctxKey("n")); n != 1 {
				t.Errorf("eager step: %v", n)
			}
			changed := context.WithValue(ctx, ctxKey("n"), 2)
			err := aio.Sleep(changed, 0)
			return changed.Value(ctxKey("n")), err
		}, eager...)
		if n := mine.Value(ctxKey("n")); n != 1 {
			t.Errorf("creator: %v", n)
		}
		if n, err := task.Await(ctx); n != 2 || err != nil {
			t.Errorf("task: %v, %v", n, err)
		}
	})
}

// TASK-198
func TestEagerStartFalseOverridesTheFactory(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		loop.SetTaskFactory(aio.EagerTaskFactory)
		task := aio.CreateTask(ctx, returns(1), aio.WithEagerStart(false))
		if task.Done() || task.GetCoro() == nil {
			t.Errorf("started: %v", task)
		}
		_, err = task.Await(ctx)
		return err
	})
}

// recursion creates width tasks, each of which creates width tasks, and so on, and
// counts them.
func recursion(gather bool, width, depth int) aio.Coro[int] {
	return func(ctx context.Context) (int, error) {
		if depth == 0 {
			return 1, nil
		}
		count := 1
		if gather {
			var children []aio.Awaitable[int]
			for range width {
				children = append(children, recursion(gather, width, depth-1))
			}
			all, err := aio.Gather(ctx, children...).Await(ctx)
			for _, n := range all {
				count += n
			}
			return count, err
		}
		var children []*aio.Task[int]
		err := aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
			for range width {
				children = append(children, aio.GoResult(tg, recursion(gather, width, depth-1)))
			}
			return nil
		})
		for _, c := range children {
			n, err := c.Result()
			if err != nil {
				return 0, err
			}
			count += n
		}
		return count, err
	}
}

// TASK-200, TASK-204, TASK-206, TASK-207
func TestEagerAndPlainFactoriesMakeEveryTask(t *testing.T) {
	for _, gather := range []bool{false, true} {
		for _, eager := range []bool{false, true} {
			l, _ := newLoop(t)
			made, flagged := 0, 0
			l.SetTaskFactory(func(spec *aio.TaskSpec) error {
				made++
				if eager {
					if err := aio.EagerTaskFactory(spec); err != nil {
						return err
					}
				}
				if spec.EagerStart != nil && *spec.EagerStart {
					flagged++
				}
				return nil
			})
			n, err := aio.RunUntilComplete(l, recursion(gather, 5, 4))
			wantFlagged := 0
			if eager {
				wantFlagged = 781
			}
			if n != 781 || made != 781 || flagged != wantFlagged || err != nil {
				t.Errorf("gather %v, eager %v: counted %d, made %d, flagged %d, %v", gather, eager, n, made, flagged, err)
			}
		}
	}
}

// TASK-202, TASK-203
func TestEagerStaggeredRace(t *testing.T) {
	blocked := aio.Coro[int](forever)
	sleeps := func(d time.Duration) aio.Coro[int] {
		return func(ctx context.Context) (int, error) { return int(d / time.Second), aio.Sleep(ctx, d) }
	}
	fails := aio.Coro[int](func(context.Context) (int, error) { return 0, errBoom })
	for _, tt := range []struct {
		name  string
		delay time.Duration
		coros []aio.Coro[int]
		want  string
		took  time.Duration
	}{
		{"delay", 250 * time.Millisecond, []aio.Coro[int]{blocked, sleeps(time.Second), fails}, "1 1 [aio: cancelled <nil> boom]", 1250 * time.Millisecond},
		{"no delay", aio.NoTimeout, []aio.Coro[int]{fails, sleeps(time.Second), sleeps(0)}, "1 1 [boom <nil>]", time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				loop, err := aio.GetRunningLoop(ctx)
				if err != nil {
					return err
				}
				loop.SetTaskFactory(aio.EagerTaskFactory)
				begin := loop.Time()
				r, err := aio.StaggeredRace(ctx, tt.delay, tt.coros...)
				if got := fmt.Sprint(r.Value, r.Index, r.Errors); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				if d := loop.Time().Sub(begin); d != tt.took {
					t.Errorf("it took %v, want %v", d, tt.took)
				}
				return err
			})
		})
	}
}

// A factory gets the requested options and may change them.
//
// TASK-204, TASK-205
func TestEagerFactorySeesAndChangesTheOptions(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		if loop.GetTaskFactory() != nil {
			t.Error("a factory by default")
		}
		var log eventLog
		given := context.WithValue(ctx, ctxKey("who"), "given")
		loop.SetTaskFactory(func(spec *aio.TaskSpec) error {
			if spec.Loop != loop {
				t.Error("another loop")
			}
			flag := "unset"
			if spec.EagerStart != nil {
				flag = fmt.Sprint(*spec.EagerStart)
			}
			log.add("%s:%v:%s", spec.Name, spec.Context.Value(ctxKey("who")), flag)
			spec.Name += "!"
			spec.Context = context.WithValue(spec.Context, ctxKey("made"), true)
			return nil
		})
		if loop.GetTaskFactory() == nil {
			t.Error("the factory is not set")
		}
		who := func(ctx context.Context) (string, error) {
			return fmt.Sprintf("%s %v %v", aio.CurrentTask(ctx).GetName(), ctx.Value(ctxKey("who")), ctx.Value(ctxKey("made"))), nil
		}
		tasks := []aio.Awaitable[string]{
			aio.CreateTask(ctx, who, aio.WithName("a")),
			aio.CreateTask(ctx, who, aio.WithName("b"), aio.WithContext(given), aio.WithEagerStart(true)),
			aio.EnsureFuture[string](given, aio.Coro[string](who)),
			aio.CreateTask(ctx, who, aio.WithName("c"), aio.WithEagerStart(false)),
		}
		log.want(t, "a:<nil>:unset b:given:true :given:unset c:<nil>:false")
		got, err := aio.Gather(ctx, tasks...).Await(ctx)
		if want := "[a! <nil> true b! given true ! given true c! <nil> true]"; fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
		return err
	})
}

// TASK-254
func TestEagerFactoryThatRefusesLeavesNoTask(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		loop.SetTaskFactory(func(*aio.TaskSpec) error { return errBoom })
		if err := panics(func() { aio.CreateTask(ctx, returns(1)) }); err != errBoom {
			t.Errorf("got %v", err)
		}
		if n := len(aio.AllTasks(ctx)); n != 1 {
			t.Errorf("%d tasks", n)
		}
		loop.SetTaskFactory(nil)
		v, err := aio.CreateTask(ctx, returns(1)).Await(ctx)
		if v != 1 || loop.GetTaskFactory() != nil {
			t.Errorf("default: %v", v)
		}
		return err
	})
}

// TASK-252
func TestEagerTaskBeforeTheLoopRunsWaitsForIt(t *testing.T) {
	l, _ := newLoop(t)
	l.SetTaskFactory(aio.EagerTaskFactory)
	var log eventLog
	task := aio.CreateTask(l.Context(), aio.NoResult(func(context.Context) error { log.add("ran"); return nil }), aio.WithEagerStart(true))
	log.want(t, "")
	if _, err := aio.RunUntilComplete(l, task); err != nil {
		t.Error(err)
	}
	log.want(t, "ran")
}

// TASK-252
func TestEagerTaskErrorsStayInTheTask(t *testing.T) {
	eagerly(t, func(t *testing.T, ctx context.Context, eager ...aio.TaskOption) {
		for _, body := range []aio.Coro[int]{
			func(context.Context) (int, error) { return 0, errBoom },
			func(context.Context) (int, error) { panic(errBoom) },
		} {
			task := aio.CreateTask(ctx, body, eager...)
			if !task.Done() {
				t.Error("not done")
			}
			var log eventLog
			task.AddDoneCallback(func(*aio.Future[int]) { log.add("called") })
			log.want(t, "")
			if _, err := task.Await(ctx); !errors.Is(err, errBoom) {
				t.Errorf("got %v", err)
			}
			log.want(t, "") // the await did not suspend
			letPass(ctx, 1)
			log.want(t, "called")
		}
	})
}

// TASK-253
func TestEagerTaskCancelsItself(t *testing.T) {
	eagerly(t, func(t *testing.T, ctx context.Context, eager ...aio.TaskOption) {
		returns := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			aio.CurrentTask(ctx).Cancel()
			return 1, nil
		}, eager...)
		if !returns.Cancelled() {
			t.Errorf("returns: %v", returns)
		}
		var log eventLog
		suspends := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			aio.CurrentTask(ctx).Cancel()
			v, err := forever(ctx)
			log.add("%v", errors.Is(err, aio.ErrCancelled))
			return v, err
		}, eager...)
		log.want(t, "")
		if suspends.Done() {
			t.Errorf("suspends: %v", suspends)
		}
		letPass(ctx, 1)
		log.want(t, "true")
		if !suspends.Cancelled() {
			t.Errorf("suspends: %v", suspends)
		}
	})
}

// TASK-253
func TestEagerFactoryStartsTheCoroutineOfAWaitForWithoutTime(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		for _, eager := range []bool{false, true} {
			started := false
			if eager {
				loop.SetTaskFactory(aio.EagerTaskFactory)
			}
			_, err := aio.WaitFor(ctx, aio.Coro[int](func(ctx context.Context) (int, error) {
				started = true
				return forever(ctx)
			}), 0)
			if started != eager || !errors.Is(err, aio.ErrTimeout) {
				t.Errorf("eager %v: started %v, %v", eager, started, err)
			}
		}
		return nil
	})
}

// runtime.Goexit in an eager step ends the task; its creator runs until the end of the
// pass.
func TestEagerTaskGoexit(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	main := aio.CreateTask(l.Context(), aio.NoResult(func(ctx context.Context) error {
		task := aio.CreateTask(ctx, func(context.Context) (int, error) {
			runtime.Goexit()
			return 1, nil
		}, aio.WithEagerStart(true))
		log.add("creator:%v", errors.Is(task.Exception(), aio.ErrGoexit))
		err := aio.Sleep(ctx, 0)
		log.add("later")
		return err
	}))
	for range 2 {
		over := make(chan struct{})
		go func() {
			defer close(over)
			_, err := aio.RunUntilComplete(l, main)
			log.add("run:%v", err)
		}()
		<-over
	}
	log.want(t, "creator:true later run:<nil>")
}
