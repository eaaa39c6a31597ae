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
			letPass(ctx, 1)
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
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
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
		for range 2 { // the task is first pending, then done
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
			letPass(ctx, 1)
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
		t.Error("the task is done")
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
		letPass(ctx, 1)
		want(inner, "Task inner pending, awaiting Future")
		want(outer, "Task outer pending, awaiting inner")
		outer.Cancel()
		want(outer, "Task outer cancelling, awaiting inner")
		want(inner, "Task inner cancelling")
		letPass(ctx, 2)
		want(inner, "Task inner cancelled")
		want(outer, "Task outer cancelled")

		fresh := aio.CreateTask(ctx, returns(1), aio.WithName("fresh"))
		fresh.Cancel()
		want(fresh, "Task fresh cancelling")
		fresh.Uncancel()
		want(fresh, "Task fresh pending")
		letPass(ctx, 1)
		want(fresh, "Task fresh finished")

		fails := aio.CreateTask(ctx, func(context.Context) (int, error) { return 0, errBoom }, aio.WithName("fails"))
		letPass(ctx, 1)
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

// stackOuter is the function of a task that awaits two calls below.
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
		letPass(ctx, 1)
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
		letPass(ctx, 1)
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
			letPass(ctx, 1)
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
		tasks = append(tasks, aio.CreateTask(l.Context(), aio.NoResult(func(ctx context.Context) error {
			contexts = append(contexts, ctx)
			for range 3 {
				for _, c := range append(contexts, l.Context()) {
					// CurrentTask returns the same task for every
					// context of the loop.
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
		letPass(ctx, 1)
		fresh := aio.CreateTask(ctx, returns(1), aio.WithName("fresh"))
		all := aio.AllTasks(ctx)
		if !slices.Equal(all, []aio.AnyTask{aio.CurrentTask(ctx), parked, fresh}) {
			t.Errorf("got %v", all)
		}
		if all := aio.AllTasks(other.Context()); !slices.Equal(all, []aio.AnyTask{elsewhere}) {
			t.Errorf("the other loop has %v", all)
		}
		parked.Cancel()
		letPass(ctx, 1)
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
				letPass(ctx, 2)
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

// Another goroutine cannot list the tasks directly, but it can call a function in the
// loop that does.
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
				letPass(ctx, 1)
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

// here returns the name of the calling function.
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
		_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
			var tasks []aio.Awaitable[struct{}]
			for n := range 3 {
				tasks = append(tasks, aio.NoResult(func(ctx context.Context) error {
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
	equal(t, "the order in debug mode", logs[1], logs[0])
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
			tasks = append(tasks, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
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
				letPass(ctx, 1)
				parent.Cancel()
				letPass(ctx, 5)
				log.want(t, "cleaning")
				parent.Cancel()
				letPass(ctx, 2)
				log.want(t, "again:true parent")
				if got := upshot(parent); got != tt.want || parent.Cancelling() != 2 || child.Cancelling() != 2 {
					t.Errorf("parent: %s, cancelling %d, child %d", got, parent.Cancelling(), child.Cancelling())
				}
				return nil
			})
		})
	}
}

// TaskOf finds the task of a ctx where no task runs, and its name may be read there.
func TestTaskOf(t *testing.T) {
	err := inBubble(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		me := aio.CurrentTask(ctx)
		var old context.Context
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			old = ctx
			me := aio.CurrentTask(ctx)
			same(t, "in the task", aio.TaskOf(ctx), me)
			called := aio.CreateFuture[aio.AnyTask](ctx)
			l.CallSoon(func() {
				same(t, "CurrentTask in a callback", aio.CurrentTask(ctx), nil)
				_ = called.SetResult(aio.TaskOf(ctx))
			})
			got, err := called.Await(ctx)
			same(t, "in a callback", got, me)
			derived, cancel := context.WithCancel(ctx)
			defer cancel()
			name, err2 := aio.ToThread(derived, func(ctx context.Context) (string, error) {
				same(t, "CurrentTask in ToThread", aio.CurrentTask(ctx), nil)
				same(t, "in ToThread", aio.TaskOf(ctx), me)
				return aio.TaskOf(ctx).GetName(), nil
			})
			same(t, "its name", name, "worker")
			return errors.Join(err, err2, aio.Timeout(ctx, time.Hour, func(ctx context.Context) error {
				same(t, "in a Timeout", aio.TaskOf(ctx), me)
				return nil
			}))
		}), aio.WithName("worker"))
		_, err := task.Await(ctx)
		same(t, "after its end", aio.TaskOf(old), aio.AnyTask(task))
		same(t, "another task", aio.TaskOf(ctx), me)
		same(t, "the ctx of the loop", aio.TaskOf(l.Context()), nil)
		return err
	})
	same(t, "Run", err, nil)
	same(t, "no loop", aio.TaskOf(context.Background()), nil)
}
