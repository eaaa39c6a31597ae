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

// futureNames lists fs by the names in names.
func futureNames(names map[*aio.Future[int]]string, fs []*aio.Future[int]) string {
	s := ""
	for _, f := range fs {
		s += names[f]
	}
	return s
}

// TASK-117, TASK-118, TASK-119, TASK-120, TASK-121, TASK-122, TASK-123, TASK-125,
// TASK-244
func TestWaitReturnsWhatIsDoneAndWhatIsNot(t *testing.T) {
	type set = func(a, b, c *aio.Future[int])
	for _, tt := range []struct {
		name          string
		before, later set // before Wait is called, and while it is suspended
		timeout       time.Duration
		when          aio.ReturnWhen
		done, notDone string
		took          time.Duration
	}{
		{"all", nil, func(a, b, c *aio.Future[int]) { _, _, _ = a.SetResult(1), b.SetException(errOne), c.Cancel() },
			aio.NoTimeout, aio.AllCompleted, "abc", "", 0},
		{"all done already", func(a, b, c *aio.Future[int]) { _, _, _ = a.SetResult(1), b.SetException(errOne), c.Cancel() }, nil,
			time.Hour, aio.AllCompleted, "abc", "", 0},
		{"first completed", nil, func(_, b, _ *aio.Future[int]) { _ = b.SetResult(1) },
			aio.NoTimeout, aio.FirstCompleted, "b", "ac", 0},
		{"first completed, and a second before the task goes on", nil, func(a, _, c *aio.Future[int]) {
			a.AddDoneCallback(func(*aio.Future[int]) { _ = c.SetResult(3) })
			_ = a.SetResult(1)
		}, aio.NoTimeout, aio.FirstCompleted, "ac", "b", 0},
		{"first completed counts a cancelled future", nil, func(_, _, c *aio.Future[int]) { c.Cancel() },
			aio.NoTimeout, aio.FirstCompleted, "c", "ab", 0},
		{"first completed is already done", func(_, b, _ *aio.Future[int]) { _ = b.SetResult(1) }, nil,
			time.Hour, aio.FirstCompleted, "b", "ac", 0},
		{"first exception", nil, func(a, b, _ *aio.Future[int]) { _, _ = a.SetResult(1), b.SetException(errOne) },
			aio.NoTimeout, aio.FirstException, "ab", "c", 0},
		{"first exception has already occurred", func(_, b, _ *aio.Future[int]) { _ = b.SetException(errOne) }, nil,
			time.Hour, aio.FirstException, "b", "ac", 0},
		{"first exception does not count a cancelled future", nil, func(a, b, _ *aio.Future[int]) { _, _ = a.SetResult(1), b.Cancel() },
			time.Hour, aio.FirstException, "ab", "c", time.Hour},
		{"first exception without an exception", nil, func(a, b, c *aio.Future[int]) { _, _, _ = a.SetResult(1), b.Cancel(), c.SetResult(1) },
			time.Hour, aio.FirstException, "abc", "", 0},
		{"timeout", nil, func(a, _, _ *aio.Future[int]) { _ = a.SetResult(1) },
			time.Minute, aio.AllCompleted, "a", "bc", time.Minute},
		{"timeout zero", func(a, _, _ *aio.Future[int]) { _ = a.SetResult(1) }, nil,
			0, aio.AllCompleted, "a", "bc", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				now := clock(ctx)
				a, b, c := threeFutures(ctx)
				names := map[*aio.Future[int]]string{a: "a", b: "b", c: "c"}
				if tt.before != nil {
					tt.before(a, b, c)
				}
				if tt.later != nil {
					l, _ := aio.GetRunningLoop(ctx)
					l.CallSoon(func() { tt.later(a, b, c) })
				}
				done, notDone, err := aio.Wait(ctx, []*aio.Future[int]{a, b, a, c}, tt.timeout, tt.when)
				if err != nil || futureNames(names, done) != tt.done || futureNames(names, notDone) != tt.notDone || now() != tt.took {
					t.Errorf("Wait: done %q, not done %q, %v after %v; want %q, %q after %v",
						futureNames(names, done), futureNames(names, notDone), err, now(), tt.done, tt.notDone, tt.took)
				}
				for _, f := range notDone {
					if f.Done() {
						t.Errorf("%v was changed", f)
					}
				}
				if b.Done() {
					// marks the error as retrieved, so that it is
					// not reported
					_ = b.Exception()
				}
				return nil
			})
		})
	}
}

// TASK-124
func TestWaitTimeoutAndChildAtTheSameTime(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		child := aio.CreateTask(ctx, after(time.Minute, 1))
		letPass(ctx, 1)
		done, notDone, err := aio.Wait(ctx, []*aio.Task[int]{child}, time.Minute, aio.AllCompleted)
		if len(done) != 1 || len(notDone) != 0 || err != nil {
			t.Errorf("Wait: %v, %v, %v, want the child done", done, notDone, err)
		}
		return nil
	})
}

// TASK-120, TASK-123
func TestWaitLeavesTasksRunningAlsoWhenCancelled(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		quick, slow := aio.CreateTask(ctx, after(time.Second, 1)), aio.CreateTask(ctx, after(time.Minute, 2))
		_, pending, _ := aio.Wait(ctx, []aio.AnyFuture{quick, slow}, aio.NoTimeout, aio.FirstCompleted)
		note(&log, "%d %s", len(pending), state(slow))
		waiter := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, _, err := aio.Wait(ctx, pending, aio.NoTimeout, aio.AllCompleted)
			return err
		}))
		letPass(ctx, 1)
		waiter.Cancel()
		_, _ = waiter.Await(ctx)
		note(&log, "%s %s", state(waiter), state(slow))
		v, err := slow.Await(ctx)
		note(&log, "%d %v", v, err)
		return nil
	})
	log.want(t, "1 pending cancelled pending 2 <nil>")
}

// TASK-127
func TestWaitMisuse(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		f := aio.CreateFuture[int](ctx)
		for name, call := range map[string]func() error{
			"no futures": func() error {
				_, _, err := aio.Wait(ctx, []*aio.Future[int]{}, aio.NoTimeout, aio.AllCompleted)
				return err
			},
			"unknown when":      func() error { _, _, err := aio.Wait(ctx, []*aio.Future[int]{f}, aio.NoTimeout, 3); return err },
			"unknown when, nil": func() error { _, _, err := aio.Wait(ctx, []*aio.Future[int]{nil}, aio.NoTimeout, -1); return err },
		} {
			if err := call(); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("%s: %v, want ErrUsage", name, err)
			}
		}
		return nil
	})
}

// TASK-129, TASK-139, TASK-144
func TestWaitForInTime(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		f := aio.CreateFuture[int](ctx)
		l.CallSoon(func() { _ = f.SetResult(3) })
		for name, tt := range map[string]struct {
			aw      aio.Awaitable[int]
			timeout time.Duration
		}{
			"coroutine":                         {after(time.Minute, 3), time.Hour},
			"task":                              {aio.CreateTask(ctx, after(time.Minute, 3)), time.Hour},
			"no limit":                          {after(time.Hour, 3), aio.NoTimeout},
			"future settled as the wait begins": {f, time.Second},
			"shield without limit":              {aio.Shield(ctx, after(time.Hour, 3)), aio.NoTimeout},
		} {
			if v, err := aio.WaitFor(ctx, tt.aw, tt.timeout); v != 3 || err != nil {
				t.Errorf("%s: %d, %v", name, v, err)
			}
		}
		return nil
	})
}

// TASK-130, TASK-131, TASK-133, TASK-134, TASK-135, TASK-138: when WaitFor returns
// after a timeout, the operation that it cancelled has ended, and its result is
// returned.
func TestWaitForWaitsForTheEndOfWhatItCancels(t *testing.T) {
	answers := map[string]struct {
		answer aio.Coro[int]
		value  int
		err    error
	}{
		"cleans up":    {cleansUp(time.Minute), 0, aio.ErrTimeout},
		"ends at once": {forever, 0, aio.ErrTimeout},
		"ignores cancels for a while": {onCancel(func(ctx context.Context, err error) (int, error) {
			for range 3 {
				_ = aio.Sleep(ctx, 20*time.Second)
			}
			return 0, err
		}), 0, aio.ErrTimeout},
		"swallows it": {onCancel(func(context.Context, error) (int, error) { return 42, nil }), 42, nil},
		"fails":       {onCancel(func(context.Context, error) (int, error) { return 0, errOne }), 0, errOne},
	}
	for name, tt := range answers {
		for _, limit := range []time.Duration{time.Second, 0, -1} {
			for _, isTask := range []bool{false, true} {
				if !isTask && limit <= 0 {
					// the operation does not start: see
					// TestWaitForWithoutTime
					continue
				}
				t.Run(fmt.Sprintf("%s/limit=%v/task=%v", name, limit, isTask), func(t *testing.T) {
					aiotest.Run(t, func(ctx context.Context) error {
						ended := false
						inner := aio.Coro[int](func(ctx context.Context) (int, error) {
							defer func() { ended = true }()
							return tt.answer(ctx)
						})
						var aw aio.Awaitable[int] = inner
						var tk *aio.Task[int]
						if isTask {
							tk = aio.CreateTask(ctx, inner)
							aw = tk
							letPass(ctx, 1)
						}
						v, err := aio.WaitFor(ctx, aw, limit)
						if v != tt.value || err != tt.err || !ended {
							t.Errorf("WaitFor: %d, %v, ended %v; want %d, %v", v, err, ended, tt.value, tt.err)
						}
						if tk != nil && (!tk.Done() || tk.Cancelled() != (tt.err == aio.ErrTimeout)) {
							t.Errorf("the task is %v", tk)
						}
						if n := aio.CurrentTask(ctx).Cancelling(); n != 0 {
							t.Errorf("WaitFor left %d cancellation requests on its task", n)
						}
						return nil
					})
				})
			}
		}
	}
}

// TASK-136, TASK-137
func TestWaitForWithoutTime(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		for _, limit := range []time.Duration{0, -time.Second} {
			f := aio.CreateFuture[int](ctx)
			_ = f.SetResult(7)
			if v, err := aio.WaitFor(ctx, f, limit); v != 7 || err != nil {
				t.Errorf("limit %v, a done future: %d, %v", limit, v, err)
			}
			started := false
			_, err := aio.WaitFor(ctx, aio.NoResult(func(context.Context) error { started = true; return nil }), limit)
			if err != aio.ErrTimeout || started {
				t.Errorf("limit %v, a coroutine: %v, started %v", limit, err, started)
			}
		}
		return nil
	})
}

// TASK-140, TASK-141
func TestWaitForCancelledCancelsAndWaits(t *testing.T) {
	for _, limit := range []time.Duration{time.Hour, aio.NoTimeout} {
		for name, answer := range map[string]aio.Coro[int]{"ends": forever, "cleans up": cleansUp(time.Minute)} {
			t.Run(fmt.Sprintf("%s/limit=%v", name, limit), func(t *testing.T) {
				var log eventLog
				aiotest.Run(t, func(ctx context.Context) error {
					inner := aio.CreateTask(ctx, answer)
					waiter := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
						v, err := aio.WaitFor(ctx, inner, limit)
						note(&log, "%v %s", errors.Is(err, aio.ErrCancelled), state(inner))
						return v, err
					})
					letPass(ctx, 2)
					waiter.Cancel()
					_, _ = waiter.Await(ctx)
					note(&log, "%s", state(waiter))
					return nil
				})
				log.want(t, "true cancelled cancelled")
			})
		}
	}
}

// TASK-142
func TestWaitForOfATaskThatHasJustEndedDoesNotSuspend(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		inner := aio.CreateTask(ctx, returns(1))
		waiter := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			v, err := aio.WaitFor(ctx, inner, time.Second)
			note(&log, "%d %v", v, err)
			err = aio.Sleep(ctx, time.Second)
			note(&log, "%v", errors.Is(err, aio.ErrCancelled))
			return v, err
		})
		l.CallSoon(func() { note(&log, "cancel"); waiter.Cancel() })
		_, _ = waiter.Await(ctx)
		note(&log, "%s %s", state(waiter), state(inner))
		return nil
	})
	log.want(t, "1 <nil> cancel true cancelled 1")
}

// TASK-143
func TestWaitForShield(t *testing.T) {
	for _, limit := range []time.Duration{time.Second, 0} {
		var log eventLog
		aiotest.Run(t, func(ctx context.Context) error {
			inner := aio.CreateTask(ctx, after(time.Minute, 5))
			shield := aio.Shield(ctx, inner)
			_, err := aio.WaitFor(ctx, shield, limit)
			note(&log, "%v %s %s", err == aio.ErrTimeout, state(shield), state(inner))
			v, err := inner.Await(ctx)
			note(&log, "%d %v", v, err)
			return nil
		})
		log.want(t, "true cancelled pending 5 <nil>")
	}
}

type contextKey struct{}

// TASK-245, TASK-251
func TestWaitForRunsACoroutineInItsTask(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		me := aio.CurrentTask(ctx)
		ctx = context.WithValue(ctx, contextKey{}, "mine")
		for _, limit := range []time.Duration{time.Hour, aio.NoTimeout} {
			_, err := aio.WaitFor(ctx, aio.NoResult(func(ctx context.Context) error {
				if aio.CurrentTask(ctx) != me || len(aio.AllTasks(ctx)) != 1 || ctx.Value(contextKey{}) != "mine" {
					t.Errorf("limit %v: it runs in %v with %v", limit, aio.CurrentTask(ctx), ctx.Value(contextKey{}))
				}
				return nil
			}), limit)
			if err != nil {
				t.Error(err)
			}
		}
		return nil
	})
}

// TASK-246
func TestWaitForTellsATimeoutFromACancellation(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		f := aio.CreateFuture[int](ctx)
		l.CallSoon(func() { f.Cancel() })
		_, err := aio.WaitFor(ctx, f, time.Second)
		note(&log, "%v %d", errors.Is(err, aio.ErrCancelled), aio.CurrentTask(ctx).Cancelling())

		// An earlier, handled cancellation request is still counted, and has no
		// effect.
		aio.CurrentTask(ctx).Cancel()
		_ = aio.Sleep(ctx, 0)
		_, err = aio.WaitFor(ctx, aio.Coro[int](forever), time.Second)
		note(&log, "%v %d", err == aio.ErrTimeout, aio.CurrentTask(ctx).Cancelling())
		aio.CurrentTask(ctx).Uncancel()
		return nil
	})
	log.want(t, "true 0 true 1")
}

// TASK-247
func TestWaitForCancelledWhileItsLimitIsCleanedUp(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		inner := aio.CreateTask(ctx, onCancel(func(ctx context.Context, err error) (int, error) {
			_ = aio.Sleep(ctx, time.Minute)
			return 0, err
		}))
		waiter := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			_, err := aio.WaitFor(ctx, inner, time.Second)
			return aio.CurrentTask(ctx).Cancelling(), err
		})
		if err := aio.Sleep(ctx, 30*time.Second); err != nil {
			return err
		}
		waiter.Cancel()
		_, err := waiter.Await(ctx)
		if !waiter.Cancelled() || waiter.Cancelling() != 1 || !inner.Done() {
			t.Errorf("WaitFor: %v with %d requests, inner %v", err, waiter.Cancelling(), inner)
		}
		return nil
	})
}
