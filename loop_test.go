package aio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/goaio/aio"
)

// LOOP-001
func TestLoopCloseTwice(t *testing.T) {
	l := aio.NewEventLoop(nil)
	same(t, "IsClosed of a new loop", l.IsClosed(), false)
	for range 2 {
		matches(t, "Close", l.Close(), nil)
		same(t, "IsClosed after Close", l.IsClosed(), true)
	}
}

// LOOP-002
func TestLoopCloseWhileRunning(t *testing.T) {
	l, _ := newLoop(t)
	l.CallSoon(func() { matches(t, "Close in a callback", l.Close(), aio.ErrLoopRunning) })
	err := runMain(l, func(context.Context) error {
		matches(t, "Close in a task", l.Close(), aio.ErrLoopRunning)
		return nil
	})
	matches(t, "the run", err, nil)
	same(t, "IsClosed", l.IsClosed(), false)
}

// LOOP-003, LOOP-037
func TestLoopClosedTakesNothing(t *testing.T) {
	l := aio.NewEventLoop(nil)
	l.Close()
	ctx := l.Context()
	body := aio.NoResult(func(context.Context) error { t.Error("the coroutine was started"); return nil })
	for call, f := range map[string]func(){
		"CallSoon":           func() { l.CallSoon(nop) },
		"CallSoonThreadsafe": func() { l.CallSoonThreadsafe(nop) },
		"CallLater":          func() { l.CallLater(0, nop) },
		"CallAt":             func() { l.CallAt(l.Time(), nop) },
		"CreateTask":         func() { aio.CreateTask(ctx, body) },
		"EnsureFuture":       func() { aio.EnsureFuture(ctx, body) },
		"Gather":             func() { aio.Gather(ctx, body) },
		"Shield":             func() { aio.Shield(ctx, body) },
		"WrapFuture":         func() { aio.WrapFuture(ctx, aio.NewConcurrentFuture[int]()) },
		"RunInExecutor":      func() { aio.RunInExecutor(ctx, nil, func() (int, error) { return 0, nil }) },
	} {
		matches(t, call, panics(f), aio.ErrLoopClosed)
	}
	matches(t, "RunForever", l.RunForever(), aio.ErrLoopClosed)
	_, err := aio.RunUntilComplete(l, body)
	matches(t, "RunUntilComplete", err, aio.ErrLoopClosed)
	_, err = aio.RunCoroutineThreadsafe(l, body).Result(t.Context())
	matches(t, "RunCoroutineThreadsafe", err, aio.ErrLoopClosed)
}

// LOOP-004
func TestLoopClosedStillMakesFutures(t *testing.T) {
	l := aio.NewEventLoop(nil)
	l.Close()
	f := aio.CreateFuture[int](l.Context())
	matches(t, "SetResult", f.SetResult(1), nil)
	v, err := f.Result()
	same(t, "Result", fmt.Sprint(v, err), "1 <nil>")
}

// LOOP-005
func TestLoopCloseDropsWhatIsScheduled(t *testing.T) {
	l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	ran := func() { t.Error("a callback ran") }
	l.CallSoon(ran)
	l.CallSoonThreadsafe(ran)
	l.CallLater(0, ran)
	l.Close()
	matches(t, "RunForever", l.RunForever(), aio.ErrLoopClosed)
}

// LOOP-008, LOOP-009
func TestRunUntilCompleteOutcome(t *testing.T) {
	l, _ := newLoop(t)
	failure := errors.New("failure")
	done := func(v int, err error) *aio.Future[int] {
		f := aio.CreateFuture[int](l.Context())
		if err != nil {
			f.SetException(err)
		} else {
			f.SetResult(v)
		}
		return f
	}
	cancelled := aio.CreateFuture[int](l.Context())
	cancelled.Cancel()
	later := aio.CreateFuture[int](l.Context())
	l.CallLater(time.Hour, func() { later.SetResult(4) })
	for name, c := range map[string]struct {
		aw   aio.Awaitable[int]
		want int
		err  error
	}{
		"coroutine":            {returns(1), 1, nil},
		"task":                 {aio.CreateTask(l.Context(), returns(2)), 2, nil},
		"done future":          {done(3, nil), 3, nil},
		"pending future":       {later, 4, nil},
		"failed future":        {done(0, failure), 0, failure},
		"cancelled future":     {cancelled, 0, aio.ErrCancelled},
		"coroutine that fails": {aio.Coro[int](func(context.Context) (int, error) { return 0, failure }), 0, failure},
	} {
		v, err := aio.RunUntilComplete(l, c.aw)
		same(t, name, v, c.want)
		matches(t, name, err, c.err)
	}
}

// LOOP-010
func TestRunUntilCompleteOfSomethingElse(t *testing.T) {
	l, _ := newLoop(t)
	other, _ := newLoop(t)
	_, err := aio.RunUntilComplete(l, aio.CreateFuture[int](other.Context()))
	matches(t, "a future of another loop", err, aio.ErrOtherLoop)
	_, err = aio.RunUntilComplete[int](l, nil)
	matches(t, "nothing", err, aio.ErrUsage)
}

// LOOP-011, LOOP-012
func TestLoopInsideLoop(t *testing.T) {
	a, _ := newLoop(t)
	b, _ := newLoop(t)
	body := aio.NoResult(func(context.Context) error { t.Error("the coroutine was started"); return nil })
	attempt := func(in string) {
		for name, l := range map[string]*aio.Loop{"itself": a, "another loop": b} {
			matches(t, "RunForever of "+name+in, l.RunForever(), aio.ErrLoopRunning)
			_, err := aio.RunUntilComplete(l, body)
			matches(t, "RunUntilComplete of "+name+in, err, aio.ErrLoopRunning)
			same(t, "tasks left in "+name+in, len(aio.AllTasks(l.Context())), map[*aio.Loop]int{a: 1, b: 0}[l])
		}
	}
	a.CallSoon(func() { attempt(" in a callback") })
	err := runMain(a, func(ctx context.Context) error {
		attempt(" in a task")
		aio.Sleep(ctx, time.Second)
		attempt(" in a task that was suspended")
		l, err := aio.GetRunningLoop(ctx)
		same(t, "the running loop is still a", l == a, true)
		same(t, "b runs", b.IsRunning(), false)
		return err
	})
	matches(t, "the run", err, nil)
}

// LOOP-032
func TestLoopInWorkerGoroutine(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		v, err := aio.ToThread(ctx, func(context.Context) (v int, err error) {
			err = aio.Run(func(ctx context.Context) error {
				inner, err := aio.GetRunningLoop(ctx)
				same(t, "the worker's loop is the parent's", inner == l, false)
				v = 42
				return err
			})
			return v, err
		})
		same(t, "result", fmt.Sprint(v, err), "42 <nil>")
	})
}

// LOOP-013
func TestRunUntilCompleteStopped(t *testing.T) {
	l, _ := newLoop(t)
	f := aio.CreateFuture[int](l.Context())
	l.CallSoon(l.Stop)
	_, err := aio.RunUntilComplete(l, f)
	matches(t, "RunUntilComplete", err, aio.ErrLoopStopped)
	same(t, "Done", f.Done(), false)
}

// LOOP-014, LOOP-015, LOOP-073: runtime.Goexit leaves a run at once, as SystemExit does
// in Python.
func TestRunUntilCompleteLeftByGoexit(t *testing.T) {
	for _, in := range []string{"callback", "task"} {
		t.Run(in, func(t *testing.T) {
			l, reports := newLoop(t)
			f := aio.CreateFuture[int](l.Context())
			if in == "callback" {
				l.CallSoon(runtime.Goexit)
			} else {
				spawn(l.Context(), func(context.Context) error { runtime.Goexit(); return nil })
			}
			same(t, "ended by Goexit", goexits(func() { aio.RunUntilComplete(l, f) }), true)
			same(t, "IsRunning", l.IsRunning(), false)

			var log eventLog
			l.CallLater(1*time.Second, func() { f.SetResult(1) })
			l.CallLater(2*time.Second, func() { log.add("later"); l.Stop() })
			matches(t, "RunForever", l.RunForever(), nil)
			log.want(t, "later")
			same(t, "reports", len(*reports), 0)
		})
	}
}

// LOOP-016, LOOP-039
func TestLoopStopEndsAfterThePass(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	l.CallSoon(func() {
		log.add("a")
		l.Stop()
		l.CallSoon(func() { log.add("c") })
	})
	l.CallSoon(func() { log.add("b") })
	matches(t, "RunForever", l.RunForever(), nil)
	log.want(t, "a b")
	l.CallSoon(l.Stop)
	matches(t, "RunForever", l.RunForever(), nil)
	log.want(t, "c")
}

// LOOP-017, LOOP-048
func TestLoopStopBeforeRun(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	start := l.Time()
	l.CallSoon(func() { log.add("soon"); l.CallSoon(func() { log.add("next") }) })
	l.CallLater(time.Hour, func() { log.add("later"); l.Stop() })
	l.Stop()
	matches(t, "RunForever", l.RunForever(), nil)
	log.want(t, "soon")
	same(t, "time that passed", l.Time().Sub(start), 0)

	matches(t, "RunForever again", l.RunForever(), nil)
	log.want(t, "next later")
}

// LOOP-018
func TestLoopCallSoonStopIsOnePass(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	var again func()
	again = func() { log.add("ran"); l.CallSoon(again) }
	l.CallSoon(again)
	for range 3 {
		l.CallSoon(l.Stop)
		matches(t, "RunForever", l.RunForever(), nil)
		log.want(t, "ran")
	}
}

// LOOP-021, LOOP-026, LOOP-028, LOOP-029
func TestGetRunningLoop(t *testing.T) {
	l, _ := newLoop(t)
	other, _ := newLoop(t)
	outside := func(when string) {
		_, err := aio.GetRunningLoop(l.Context())
		matches(t, "GetRunningLoop "+when, err, aio.ErrNoRunningLoop)
		same(t, "IsRunning "+when, l.IsRunning(), false)
	}
	inside := func(ctx context.Context, where string) {
		got, err := aio.GetRunningLoop(ctx)
		matches(t, "GetRunningLoop in "+where, err, nil)
		same(t, "the loop of "+where, got == l, true)
		same(t, "IsRunning in "+where, l.IsRunning(), true)
		same(t, "IsRunning of the other loop", other.IsRunning(), false)
	}
	outside("before the run")
	l.CallSoon(func() { inside(l.Context(), "a callback") })
	err := runMain(l, func(ctx context.Context) error {
		inside(ctx, "a task")
		derived, cancel := context.WithCancel(ctx)
		defer cancel()
		inside(derived, "a derived context")
		_, err := aio.GetRunningLoop(context.Background())
		matches(t, "GetRunningLoop of a foreign context", err, aio.ErrNoRunningLoop)
		return nil
	})
	matches(t, "the run", err, nil)
	outside("after the run")
}

// LOOP-022
func TestSleepLastsExactlyAsLong(t *testing.T) {
	for _, d := range []time.Duration{1, time.Millisecond, time.Second, 48 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			l := aio.NewEventLoop(nil)
			defer l.Close()
			start, loopStart := time.Now(), l.Time()
			matches(t, "the run", runMain(l, func(ctx context.Context) error { return aio.Sleep(ctx, d) }), nil)
			same(t, "time that passed", time.Since(start), d)
			same(t, "time of the loop that passed", l.Time().Sub(loopStart), d)
		})
	}
}

// LOOP-023: the time of the bubble would not advance if the loop polled instead of
// waiting for the timer.
func TestSleepDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := aio.NewEventLoop(nil)
		defer l.Close()
		start := l.Time()
		var total time.Duration
		err := runMain(l, func(ctx context.Context) error {
			for _, d := range []time.Duration{10 * time.Millisecond, 100 * time.Microsecond, time.Microsecond, 10, 1} {
				if err := aio.Sleep(ctx, d); err != nil {
					return err
				}
				total += d
				same(t, "time that passed", l.Time().Sub(start), total)
			}
			return nil
		})
		matches(t, "the run", err, nil)
	})
}

// LOOP-033, LOOP-034, LOOP-035, LOOP-036, LOOP-037
func TestTaskFactory(t *testing.T) {
	l, _ := newLoop(t)
	type key struct{}
	same(t, "the default factory is nil", l.GetTaskFactory() == nil, true)
	var log eventLog
	refusal := errors.New("refused")
	l.SetTaskFactory(func(spec *aio.TaskSpec) error {
		log.add("%s", spec.Name)
		same(t, "the loop of the spec", spec.Loop == l, true)
		if spec.Name == "refused" {
			return refusal
		}
		spec.Name += "!"
		spec.Context = context.WithValue(spec.Context, key{}, spec.Name)
		return nil
	})
	same(t, "GetTaskFactory is nil", l.GetTaskFactory() == nil, false)

	body := aio.Coro[string](func(ctx context.Context) (string, error) {
		return fmt.Sprint(aio.CurrentTask(ctx).GetName(), " ", ctx.Value(key{})), nil
	})
	v, err := aio.RunUntilComplete(l, aio.CreateTask(l.Context(), body, aio.WithName("named")))
	same(t, "what the task saw", fmt.Sprint(v, ", ", err), "named! named!, <nil>")
	log.want(t, "named")

	v, err = aio.RunUntilComplete(l, aio.EnsureFuture(l.Context(), body))
	same(t, "what the task of EnsureFuture saw", fmt.Sprint(v, ", ", err), "! !, <nil>")

	err = panics(func() { aio.CreateTask(l.Context(), body, aio.WithName("refused")) })
	matches(t, "CreateTask", err, refusal)
	same(t, "tasks", len(aio.AllTasks(l.Context())), 0)

	l.SetTaskFactory(nil)
	task := aio.CreateTask(l.Context(), returns(1), aio.WithName("plain"))
	same(t, "GetName", task.GetName(), "plain")
	same(t, "the factory is nil again", l.GetTaskFactory() == nil, true)
}

// LOOP-038
func TestCallSoonIsFirstInFirstOut(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	for i := range 40 { // exceeds the initial size of the ready queue
		l.CallSoon(func() { log.add("%d", i) })
	}
	l.CallSoon(l.Stop)
	matches(t, "RunForever", l.RunForever(), nil)
	for i := range 40 {
		same(t, "callback", log[i], fmt.Sprint(i))
	}
}

// LOOP-039
func TestCallSoonOfCallbackIsForTheNextPass(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	l.CallSoon(func() {
		log.add("a1")
		l.CallSoon(func() { log.add("a2") })
	})
	l.CallSoon(func() { log.add("b1") })
	onePass(t, l)
	log.want(t, "a1 b1")
	onePass(t, l)
	log.want(t, "a2")
}

// LOOP-041, LOOP-077
func TestCallOfNothing(t *testing.T) {
	l, _ := newLoop(t)
	for call, f := range map[string]func(){
		"CallSoon(nil)":           func() { l.CallSoon(nil) },
		"CallSoonThreadsafe(nil)": func() { l.CallSoonThreadsafe(nil) },
		"CallLater(nil)":          func() { l.CallLater(0, nil) },
		"CallAt(nil)":             func() { l.CallAt(l.Time(), nil) },
		"CallAt(zero time)":       func() { l.CallAt(time.Time{}, nop) },
		"CreateTask(nil)":         func() { aio.CreateTask[int](l.Context(), nil) },
	} {
		matches(t, call, panics(f), aio.ErrUsage)
	}
}

// LOOP-051, LOOP-052
func TestHandleCancel(t *testing.T) {
	l, _ := newLoop(t)
	ran := func() { t.Error("a cancelled callback ran") }
	type handle interface {
		Cancel()
		Cancelled() bool
	}
	at := l.Time().Add(time.Second)
	handles := map[string]handle{
		"CallSoon":           l.CallSoon(ran),
		"CallSoonThreadsafe": l.CallSoonThreadsafe(ran),
		"CallLater":          l.CallLater(time.Second, ran),
		"CallAt":             l.CallAt(at, ran),
	}
	for name, h := range handles {
		same(t, name+": Cancelled", h.Cancelled(), false)
		for range 2 {
			h.Cancel()
			same(t, name+": Cancelled after Cancel", h.Cancelled(), true)
		}
	}

	// Cancelled earlier in the same pass, including timers that have left the heap.
	var victims [3]handle
	cancelAll := func() {
		for _, h := range victims {
			h.Cancel()
		}
	}
	l.CallAt(at, func() {
		l.CallSoon(cancelAll)
		victims[0], victims[1], victims[2] = l.CallSoon(ran), l.CallSoonThreadsafe(ran), l.CallLater(0, ran)
	})
	l.CallAt(at.Add(time.Second), l.Stop)
	matches(t, "RunForever", l.RunForever(), nil)
	for i, h := range victims {
		same(t, fmt.Sprintf("victim %d: Cancelled", i), h.Cancelled(), true)
	}
}

// LOOP-056
func TestCallSoonThreadsafeWakesTheLoop(t *testing.T) {
	// a real clock, because an idle loop with a virtual clock is a deadlock
	l := aio.NewEventLoop(nil)
	defer l.Close()
	idle := make(chan struct{})
	go func() {
		<-idle
		l.CallSoonThreadsafe(func() {
			l.CallSoon(l.Stop) // CallSoon panics in any other goroutine
		})
	}()
	l.CallSoon(func() { close(idle) })
	matches(t, "RunForever", l.RunForever(), nil)
}

// LOOP-057, LOOP-058
func TestCallSoonThreadsafeIsFirstInFirstOut(t *testing.T) {
	for _, debug := range []bool{false, true} {
		l, _ := newLoop(t)
		l.SetDebug(debug)
		var log eventLog
		add := func(s string) func() { return func() { log.add("%s", s) } }
		fromOutside := func(s string) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				l.CallSoonThreadsafe(add(s))
			}()
			<-done
		}
		l.CallSoon(func() {
			l.CallSoon(add("a"))
			fromOutside("b")
			l.CallSoon(add("c"))
			l.CallSoonThreadsafe(add("d"))
			fromOutside("e")
			fromOutside("f")
			spawn(l.Context(), func(context.Context) error { log.add("g"); l.Stop(); return nil })
		})
		matches(t, "RunForever", l.RunForever(), nil)
		log.want(t, "a b c d e f g")
	}
}

// LOOP-019: calls from outside that have arrived before the last pass run in it; what
// these schedule runs first in the next run.
func TestLoopStopAndCallSoonThreadsafe(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	fromOutside := func(s string, f func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.CallSoonThreadsafe(func() { log.add("%s", s); f() })
		}()
		<-done
	}
	var left *aio.Handle
	l.CallSoon(l.Stop)
	fromOutside("outside", func() {
		l.CallSoon(func() { log.add("left1"); left.Cancel() })
		l.CallSoon(func() { log.add("left2") })
	})
	matches(t, "RunForever", l.RunForever(), nil)
	log.want(t, "outside")
	left = l.CallSoonThreadsafe(func() { log.add("cancelled") })
	fromOutside("later", nop)
	onePass(t, l)
	log.want(t, "left1 left2 later")
}

// LOOP-063
func TestCallSoonThreadsafeLosesNothing(t *testing.T) {
	l := aio.NewEventLoop(nil)
	defer l.Close()
	const posters, each = 8, 1000
	var got [posters][]int
	var wg sync.WaitGroup
	for p := range posters {
		wg.Go(func() {
			for i := range each {
				l.CallSoonThreadsafe(func() { got[p] = append(got[p], i) })
			}
		})
	}
	go func() { wg.Wait(); l.CallSoonThreadsafe(l.Stop) }()
	matches(t, "RunForever", l.RunForever(), nil)
	for p := range posters {
		same(t, fmt.Sprintf("callbacks of poster %d", p), len(got[p]), each)
		same(t, fmt.Sprintf("poster %d in order", p), slices.IsSorted(got[p]), true)
	}
}

// LOOP-059
func TestThreadsafeHandleCancelledBeforeItRuns(t *testing.T) {
	l, _ := newLoop(t)
	h := l.CallSoonThreadsafe(func() { t.Error("the callback ran") })
	l.CallSoon(func() {
		done := make(chan struct{})
		late := l.CallSoonThreadsafe(func() { t.Error("the second callback ran") })
		go func() {
			defer close(done)
			late.Cancel()
			same(t, "Cancelled", late.Cancelled(), true)
		}()
		<-done
		l.CallSoon(l.Stop)
	})
	cancelled := make(chan struct{})
	go func() { defer close(cancelled); h.Cancel() }()
	<-cancelled
	matches(t, "RunForever", l.RunForever(), nil)
	same(t, "Cancelled", h.Cancelled(), true)
}

// LOOP-060, LOOP-061
func TestThreadsafeHandleUsedWhileItRuns(t *testing.T) {
	for _, use := range []string{"Cancel", "Cancelled"} {
		t.Run(use, func(t *testing.T) {
			l, _ := newLoop(t)
			// Not atomic: the race detector reports the access if the call
			// does not wait.
			var finished bool
			var h *aio.Handle
			started, used := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(used)
				<-started
				if use == "Cancel" {
					h.Cancel()
				} else {
					same(t, "Cancelled", h.Cancelled(), false)
				}
				same(t, "the callback has finished", finished, true)
			}()
			h = l.CallSoonThreadsafe(func() {
				close(started)
				for range 1000 {
					runtime.Gosched()
				}
				l.Stop()
				finished = true
			})
			matches(t, "RunForever", l.RunForever(), nil)
			<-used
			same(t, "Cancelled", h.Cancelled(), use == "Cancel")
		})
	}
}

// LOOP-062
func TestThreadsafeHandleCancelsItself(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	var h *aio.Handle
	h = l.CallSoonThreadsafe(func() {
		same(t, "Cancelled before", h.Cancelled(), false)
		h.Cancel()
		same(t, "Cancelled after", h.Cancelled(), true)
		log.add("end")
		l.Stop()
	})
	matches(t, "RunForever", l.RunForever(), nil)
	log.want(t, "end")
	same(t, "Cancelled", h.Cancelled(), true)
}

func TestThreadsafeHandleCancelledByATaskThatItsCallbackStarts(t *testing.T) {
	l, _ := newLoop(t)
	var h *aio.Handle
	h = l.CallSoonThreadsafe(func() {
		task := aio.CreateTask(l.Context(), aio.NoResult(func(context.Context) error { h.Cancel(); return nil }), aio.WithEagerStart(true))
		same(t, "the task is done", task.Done(), true)
		l.Stop()
	})
	matches(t, "RunForever", l.RunForever(), nil)
	same(t, "Cancelled", h.Cancelled(), true)
}

// Debug mode reads a handle before it runs it: the race detector checks that this is
// synchronized.
func TestThreadsafeHandleCancelledInDebugMode(t *testing.T) {
	l := aio.NewEventLoop(&aio.LoopOptions{Debug: true})
	defer l.Close()
	l.SetSlowCallbackDuration(time.Hour)
	go func() {
		for range 1000 {
			l.CallSoonThreadsafe(nop).Cancel()
		}
		l.CallSoonThreadsafe(l.Stop)
	}()
	matches(t, "RunForever", l.RunForever(), nil)
}

// A handle that is kept does not keep the callbacks of other handles in memory, nor its
// own when that has returned. It still names its callback.
func TestKeptHandle(t *testing.T) {
	l, _ := newLoop(t)
	var callbacks []weak.Pointer[[1 << 10]byte]
	var kept []*aio.Handle
	for i := range 100 {
		large := new([1 << 10]byte)
		callbacks = append(callbacks, weak.Make(large))
		h := l.CallSoon(func() { large[0]++ })
		if i%10 == 0 {
			kept = append(kept, h)
		}
		if i%20 == 10 {
			h.Cancel()
		}
	}
	l.CallSoon(l.Stop)
	matches(t, "RunForever", l.RunForever(), nil)
	for i, h := range kept {
		want := "Handle cancelled"
		if i%2 == 0 {
			want = "Handle github.com/goaio/aio_test.TestKeptHandle.func1"
		}
		same(t, "the handle's name", h.String(), want)
		same(t, "the handle is cancelled", h.Cancelled(), i%2 == 1)
	}
	runtime.GC()
	for i, c := range callbacks {
		if c.Value() != nil {
			t.Errorf("what callback %d refers to is still in memory", i)
		}
	}
	runtime.KeepAlive(kept)
}

// LOOP-055
func TestCallbackPanicIsReported(t *testing.T) {
	l, reports := newLoop(t)
	failure := errors.New("failure")
	var log eventLog
	h := l.CallSoon(func() { panic(failure) })
	l.CallSoon(func() { log.add("after") })
	timer := l.CallLater(time.Second, func() { panic(failure) })
	l.CallLater(2*time.Second, l.Stop)
	matches(t, "RunForever", l.RunForever(), nil)
	log.want(t, "after")
	if len(*reports) != 2 {
		t.Fatalf("reports: %v, want 2", *reports)
	}
	for i, want := range []*aio.Handle{h, &timer.Handle} {
		r := (*reports)[i]
		matches(t, "the error", r.Err, failure)
		same(t, "the handle is that of the callback", r.Handle == want, true)
	}
}

// The error of an await without a task.
func TestAwaitWithoutTask(t *testing.T) {
	l, _ := newLoop(t)
	matches(t, "before the run", aio.Sleep(l.Context(), 0), aio.ErrNoRunningLoop)
	l.CallSoon(func() { matches(t, "in a callback", aio.Sleep(l.Context(), 0), aio.ErrNoTask) })
	var kept context.Context
	err := runMain(l, func(ctx context.Context) error {
		kept = ctx
		matches(t, "with a foreign context", aio.Sleep(context.Background(), 0), aio.ErrNoRunningLoop)
		return aio.Sleep(ctx, 0)
	})
	matches(t, "the run", err, nil)
	matches(t, "after the run", aio.Sleep(kept, 0), aio.ErrNoRunningLoop)
}

// LOOP-056 in a synctest bubble: a waiting loop is durably blocked, so the time of the
// bubble advances.
func TestLoopInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := aio.NewEventLoop(nil)
		defer l.Close()
		start := time.Now()
		go func() {
			time.Sleep(24 * time.Hour)
			l.CallSoonThreadsafe(l.Stop)
		}()
		matches(t, "RunForever with nothing to do", l.RunForever(), nil)
		same(t, "time that passed", time.Since(start), 24*time.Hour)

		go func() {
			time.Sleep(time.Hour)
			l.CallSoonThreadsafe(l.Stop)
		}()
		l.CallLater(48*time.Hour, nop)
		matches(t, "RunForever with a timer", l.RunForever(), nil)
		same(t, "time that passed", time.Since(start), 25*time.Hour)
	})
}
