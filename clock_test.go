package aio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

func TestVirtualClockJumpsToTheNextTimer(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		start := l.Time()
		same(t, "the initial time", start, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
		var log eventLog
		for _, d := range []time.Duration{3 * time.Hour, time.Nanosecond, 1000 * time.Hour} {
			spawn(ctx, func(ctx context.Context) error {
				err := aio.Sleep(ctx, d)
				log.add("%v", l.Time().Sub(start))
				return err
			})
		}
		matches(t, "Sleep", aio.Sleep(ctx, 2000*time.Hour), nil)
		log.want(t, "1ns 3h0m0s 1000h0m0s")
	})
}

func TestVirtualClockStandsStillWhileAnythingIsReady(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		start := l.Time()
		l.CallLater(time.Nanosecond, func() { t.Error("the timer fired while a task was ready") })
		for range 1000 {
			matches(t, "Sleep", aio.Sleep(ctx, 0), nil)
		}
		same(t, "time that passed", l.Time().Sub(start), 0)
		l.CallSoon(l.Stop)
	})
}

// Executor jobs run in real time, so the virtual clock waits for them.
func TestVirtualClockWaitsForWorkers(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		var log eventLog
		release := make(chan struct{})
		l.CallLater(time.Hour, func() { log.add("timer") })
		go close(release)
		_, err := aio.ToThread(ctx, aio.NoResult(func(context.Context) error { <-release; return nil }))
		matches(t, "ToThread", err, nil)
		log.add("worker")
		matches(t, "Sleep", aio.Sleep(ctx, 2*time.Hour), nil)
		log.want(t, "worker timer")
	})
}

// Waiting for a channel that is never sent on does not stop the clock and is not a
// deadlock.
func TestVirtualClockAndChannels(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		start, ch := l.Time(), make(chan int)
		err := aio.Timeout(ctx, time.Hour, func(ctx context.Context) error {
			_, _, err := aio.Receive(ctx, ch)
			return err
		})
		matches(t, "Receive", err, aio.ErrTimeout)
		same(t, "time that passed", l.Time().Sub(start), time.Hour)

		release := make(chan struct{})
		go func() { <-release; ch <- 1 }()
		l.CallSoon(func() { close(release) })
		v, ok, err := aio.Receive(ctx, ch)
		same(t, "received", v == 1 && ok, true)
		matches(t, "Receive", err, nil)
	})
}

func TestDeadlockNamesTheTasks(t *testing.T) {
	for name, c := range map[string]struct {
		main          func(ctx context.Context) error
		tasks, cycles []string
	}{
		"main alone": {
			main: func(ctx context.Context) error {
				_, err := aio.CreateFuture[int](ctx).Await(ctx)
				return err
			},
			tasks: []string{"Task Task-1 pending, awaiting Future"},
		},
		"primitives": {
			main: func(ctx context.Context) error {
				var lock aio.Lock
				lock.Acquire(ctx)
				var q aio.Queue[int]
				f := aio.CreateTask(ctx, q.Get, aio.WithName("getter"))
				g := aio.CreateTask(ctx, aio.NoResult(lock.Acquire), aio.WithName("locker"))
				spawn(ctx, func(ctx context.Context) error {
					_, _, err := aio.Wait(ctx, []aio.AnyFuture{f, g}, aio.NoTimeout, aio.AllCompleted)
					return err
				})
				f.Cancel()
				_, err := g.Await(ctx)
				return err
			},
			tasks: []string{
				"Task Task-1 pending, awaiting locker",
				"Task locker pending, awaiting Lock.Acquire",
				"Task Task-4 pending, awaiting Wait",
			},
		},
		"a context that is never done": {
			main: func(ctx context.Context) error {
				var e aio.Event
				return e.Wait(context.WithoutCancel(ctx))
			},
			tasks: []string{"Task Task-1 pending, awaiting Event.Wait"},
		},
		"an infinite sleep": {
			main:  func(ctx context.Context) error { return aio.Sleep(ctx, aio.NoTimeout) },
			tasks: []string{"Task Task-1 pending, awaiting Sleep"},
		},
		"a cycle": {
			main: func(ctx context.Context) error {
				var a, b *aio.Task[struct{}]
				a = aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { _, err := b.Await(ctx); return err }), aio.WithName("a"))
				b = aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { _, err := a.Await(ctx); return err }), aio.WithName("b"))
				_, err := a.Await(ctx)
				return err
			},
			tasks: []string{
				"Task Task-1 pending, awaiting a",
				"Task a pending, awaiting b",
				"Task b pending, awaiting a",
			},
			cycles: []string{"aio: cycle of awaits: a awaits b awaits a"},
		},
		"a cycle through Gather": {
			main: func(ctx context.Context) error {
				var g *aio.Future[[]struct{}]
				a := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { _, err := g.Await(ctx); return err }), aio.WithName("a"))
				g = aio.Gather[struct{}](ctx, a)
				_, err := g.Await(ctx)
				return err
			},
			tasks: []string{
				"Task Task-1 pending, awaiting Gather",
				"Task a pending, awaiting Gather",
			},
			cycles: []string{"aio: cycle of awaits: Gather awaits a awaits Gather"},
		},
		"two cycles": {
			main: func(ctx context.Context) error {
				for _, pair := range []string{"ab", "cd"} {
					var x, y *aio.Task[struct{}]
					x = aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { _, err := y.Await(ctx); return err }), aio.WithName(pair[:1]))
					y = aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { _, err := x.Await(ctx); return err }), aio.WithName(pair[1:]))
				}
				_, err := aio.CreateFuture[int](ctx).Await(ctx)
				return err
			},
			tasks: []string{
				"Task Task-1 pending, awaiting Future",
				"Task a pending, awaiting b", "Task b pending, awaiting a",
				"Task c pending, awaiting d", "Task d pending, awaiting c",
			},
			cycles: []string{"aio: cycle of awaits: a awaits b awaits a", "aio: cycle of awaits: c awaits d awaits c"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
			// ignores the reports of destroyed tasks
			l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
			defer l.Close()
			err := runMain(l, c.main)
			matches(t, "the run", err, aio.ErrDeadlock)
			var d *aio.DeadlockError
			if !errors.As(err, &d) {
				t.Fatalf("error %T, want a *DeadlockError", err)
			}
			equal(t, "Tasks", d.Tasks, c.tasks)
			equal(t, "Cycles", d.Cycles, c.cycles)
			for _, line := range append(c.tasks, c.cycles...) {
				if !strings.Contains(err.Error(), line) {
					t.Errorf("the text lacks %q:\n%v", line, err)
				}
			}
		})
	}
}

// After a deadlock a loop can run again once something is ready.
func TestDeadlockIsNotTheEnd(t *testing.T) {
	l, _ := newLoop(t)
	f := aio.CreateFuture[int](l.Context())
	task := aio.CreateTask(l.Context(), f.Await)
	matches(t, "RunForever", l.RunForever(), aio.ErrDeadlock)
	f.SetResult(5)
	v, err := aio.RunUntilComplete(l, task)
	same(t, "result", v, 5)
	matches(t, "RunUntilComplete", err, nil)
}

// A task that awaits itself gets an error; that is not a deadlock.
func TestAwaitSelfIsNoDeadlock(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		var self *aio.Task[struct{}]
		self = spawn(ctx, func(ctx context.Context) error { _, err := self.Await(ctx); return err })
		_, _, err := aio.Wait(ctx, []aio.AnyFuture{self}, aio.NoTimeout, aio.AllCompleted)
		matches(t, "Wait", err, nil)
		matches(t, "Exception", self.Exception(), aio.ErrAwaitSelf)
	})
}

// With a virtual clock a derived context that is done is noticed at the start of the
// next pass, in the same pass in each run. The clock does not wait for it.
func TestVirtualClockNoticesTheEndOfAContext(t *testing.T) {
	for range 20 {
		var log []string
		aiotest.Run(t, func(ctx context.Context) error {
			loop, err := aio.GetRunningLoop(ctx)
			if err != nil {
				return err
			}
			start := loop.Time()
			add := func(what string) { log = append(log, fmt.Sprintf("%v %s", loop.Time().Sub(start), what)) }
			pass := 0
			var count func()
			count = func() {
				if pass++; pass < 8 {
					add(fmt.Sprintf("pass %d", pass))
					loop.CallSoon(count)
				}
			}
			derived, cancel := context.WithCancelCause(ctx)
			defer cancel(nil)
			var waiters []*aio.Task[struct{}]
			for _, name := range []string{"a", "b"} {
				waiters = append(waiters, aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
					_, err := forever(derived)
					add(fmt.Sprintf("%s: %v", name, context.Cause(derived)))
					if err == nil {
						t.Error("the await ended without an error")
					}
					return nil
				})))
			}
			for range 1000 {
				if err := aio.Sleep(ctx, time.Second); err != nil {
					return err
				}
			}
			loop.CallSoon(count)
			loop.CallSoon(func() {
				add("cancel")
				cancel(errors.New("enough"))
			})
			_, err = aio.Gather(ctx, waiters[0], waiters[1]).Await(ctx)
			// the number of passes for the shutdown does not matter
			pass = 8
			return err
		})
		want := []string{"16m40s pass 1", "16m40s cancel", "16m40s pass 2", "16m40s pass 3", "16m40s a: enough", "16m40s b: enough", "16m40s pass 4", "16m40s pass 5"}
		equal(t, "the order of steps", log, want)
	}
}

// A wait that only a derived context could end is a deadlock.
func TestVirtualClockDoesNotWaitForAContext(t *testing.T) {
	loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer loop.Close()
	loop.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
	_, err := aio.RunUntilComplete(loop, aio.NoResult(func(ctx context.Context) error {
		derived, cancel := context.WithCancel(ctx)
		defer cancel()
		_, err := forever(derived)
		return err
	}))
	if !errors.Is(err, aio.ErrDeadlock) {
		t.Errorf("the run returned %v", err)
	}
}

// Deadlines of package context are in real time, which a virtual clock does not
// measure.
func TestVirtualClockRefusesDeadlinesInRealTime(t *testing.T) {
	for name, wait := range map[string]func(ctx context.Context) error{
		"Sleep":   func(ctx context.Context) error { return aio.Sleep(ctx, time.Second) },
		"Sleep 0": func(ctx context.Context) error { return aio.Sleep(ctx, 0) },
		"Await":   func(ctx context.Context) error { _, err := forever(ctx); return err },
		"Get":     func(ctx context.Context) error { _, err := aio.NewQueue[int](0).Get(ctx); return err },
		"Event":   func(ctx context.Context) error { return new(aio.Event).Wait(ctx) },
		"WaitFor": func(ctx context.Context) error {
			_, err := aio.WaitFor(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }), time.Second)
			return err
		},
		"inside a Timeout": func(ctx context.Context) error {
			return aio.Timeout(ctx, time.Hour, func(ctx context.Context) error { return aio.Sleep(ctx, time.Second) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
			defer loop.Close()
			var reported []string
			loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { reported = append(reported, ec.Message) })
			_, err := aio.RunUntilComplete(loop, aio.NoResult(func(ctx context.Context) error {
				outer := ctx
				ctx, cancel := context.WithTimeout(ctx, 10*time.Hour)
				defer cancel()
				for range 2 {
					if err := wait(ctx); !errors.Is(err, aio.ErrUsage) || !strings.Contains(err.Error(), "use aio.Timeout") {
						t.Errorf("it returned %v", err)
					}
				}
				if _, err := aio.ToThread(ctx, func(context.Context) (int, error) { return 1, nil }); err != nil {
					t.Errorf("ToThread: %v", err)
				}
				return aio.Sleep(outer, time.Second)
			}))
			if err != nil {
				t.Errorf("main: %v", err)
			}
			if want := []string{"deadline in real time under a virtual clock"}; !slices.Equal(reported, want) {
				t.Errorf("the exception handler got %q", reported)
			}
		})
	}
}
