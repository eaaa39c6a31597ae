package aiotest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

// try runs f with a fake test, which may fail.
func try(t *testing.T, f func(tb *fakeTB)) *fakeTB {
	tb := &fakeTB{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(tb)
	}()
	<-done
	return tb
}

func TestExploreSaysWhatHappened(t *testing.T) {
	tb := try(t, func(tb *fakeTB) {
		aiotest.Explore(tb, aiotest.Exploration{}, unreadAnswerAfterTimeout(false))
	})
	failure, rest, _ := strings.Cut(tb.log.String(), "aiotest: all steps")
	if !tb.failed || strings.Count(failure, "\n") > 11 {
		t.Errorf("the failure has more than ten lines:\n%s", failure)
	}
	for _, part := range []string{
		"Environment: run ", " failed: main: the request b got the answer to a",
		"1 of 3 choices are not the default",
		"  Task-1 ", "after Queue.Get (by step ", "awaits Queue.Get at zoo_test.go:",
		"AIOTEST_REPLAY='0=1/2:time' go test -v -run '^TestExploreSaysWhatHappened$'",
	} {
		if !strings.Contains(failure, part) {
			t.Errorf("the failure does not contain %q:\n%s", part, failure)
		}
	}
	if !strings.Contains(rest, "<- the pass before took so long that the next timer is due") {
		t.Errorf("the timeline does not show the choice:\n%s", rest)
	}
}

// A record repeats a run of any mode. If it does not fit the program, Replay reports
// where.
func TestReplay(t *testing.T) {
	t.Setenv("AIOTEST_REPLAY", "0=1/2:time")
	replay := func(main func(ctx context.Context) error) *fakeTB {
		return try(t, func(tb *fakeTB) { aiotest.Explore(tb, aiotest.Exploration{}, main) })
	}
	if tb := replay(unreadAnswerAfterTimeout(false)); !strings.Contains(tb.log.String(), "run 1 failed: main: the request b got the answer to a") {
		t.Errorf("it does not fail again:\n%s", tb.log.String())
	}
	for _, record := range []string{"50=1/2:order", "cancel=99"} {
		t.Setenv("AIOTEST_REPLAY", record)
		if tb := replay(unreadAnswerAfterTimeout(true)); !tb.failed || !strings.Contains(tb.log.String(), "does not fit the program") {
			t.Errorf("%s, of which the run uses nothing:\n%s", record, tb.log.String())
		}
	}
	t.Setenv("AIOTEST_REPLAY", "0=1/2:time")
	if tb := replay(unreadAnswerAfterTimeout(true)); tb.failed || !strings.Contains(tb.log.String(), "the run that AIOTEST_REPLAY names passes") {
		t.Errorf("the mended one:\n%s", tb.log.String())
	}
	other := func(ctx context.Context) error {
		if aiotest.Choose(ctx, 3, "a delay") != 0 {
			return errors.New("chosen")
		}
		return nil
	}
	if tb := replay(other); !strings.Contains(tb.log.String(), "does not fit at choice 0: it has time of 2 there, the run a_delay of 3") {
		t.Errorf("another program:\n%s", tb.log.String())
	}
	t.Setenv("AIOTEST_REPLAY", "0=2/3:a_delay")
	if tb := replay(other); !strings.Contains(tb.log.String(), "main: chosen") {
		t.Errorf("its own record:\n%s", tb.log.String())
	}
	for _, bad := range []string{"x", "0=3/3:a", "-1=1/2:a", "1=1:a", "cancel=0", "cancel=x", "99999999999=1/2:a"} {
		t.Setenv("AIOTEST_REPLAY", bad)
		if tb := replay(other); !strings.Contains(tb.log.String(), "of a record: aio: ") {
			t.Errorf("%q: %s", bad, tb.log.String())
		}
	}
}

func TestReplayOfACancellation(t *testing.T) {
	r := aiotest.Sweep{}.Run(unreadAnswer(false))
	if len(r.Failures) == 0 {
		t.Fatal("not found")
	}
	t.Setenv("AIOTEST_REPLAY", r.Failures[0].Record)
	tb := try(t, func(tb *fakeTB) { aiotest.CancelEverywhere(tb, aiotest.Sweep{}, unreadAnswer(false)) })
	if !strings.Contains(tb.log.String(), "Task region was cancelled at zoo_test.go:") || !strings.Contains(tb.log.String(), "<- cancel region") {
		t.Errorf("%s:\n%s", r.Failures[0].Record, tb.log.String())
	}
}

// The moments at which a sweep cancels: before each step, and at the end of each pass.
func TestCancelEverywhereMoments(t *testing.T) {
	var log []string
	r := aiotest.Sweep{}.Run(func(ctx context.Context, c *aiotest.Cancelled) error {
		var steps []string
		helper := aio.NewQueue[int](0)
		task(ctx, "helper", func(ctx context.Context) error {
			for range 2 {
				if err := aio.Sleep(ctx, ms); err != nil {
					return err
				}
				if err := helper.PutNowait(1); err != nil {
					return err
				}
			}
			return nil
		})
		err := c.Do(ctx, func(ctx context.Context) error {
			defer func() { steps = append(steps, "end") }()
			for i := range 2 {
				steps = append(steps, fmt.Sprint("get ", i))
				if _, err := helper.Get(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		if c.Happened() != errors.Is(err, aio.ErrCancelled) {
			return fmt.Errorf("cancelled %v: %w", c.Happened(), err)
		}
		log = append(log, strings.Join(steps, ", "))
		return aio.Sleep(ctx, 10*ms)
	})
	if len(r.Failures) > 0 {
		t.Fatal(r.Failures[0])
	}
	// Run 0 and its two repetitions are not cancelled. The following runs are
	// cancelled at the end of the pass that creates the region; in the next pass,
	// before the helper starts, before the region starts, and at the end; and for
	// each of the two sleeps: before the timer, at the end of that pass, before the
	// helper, at the end of that pass, and before the woken region. The last moment
	// is after the second sleep.
	const start, first, second = "", "get 0, end", "get 0, get 1, end"
	want := []string{second, second, second, start, start, start}
	want = append(want, first, first, first, first, first, first)
	want = append(want, second, second, second, second, second, second)
	if !slices.Equal(log, want) || r.Moments != len(want)-3 || r.Runs != len(want) {
		t.Errorf("%d moments in %d runs:\n%q, want\n%q", r.Moments, r.Runs, log, want)
	}
}

func TestCancelEverywhereChecks(t *testing.T) {
	failure := errors.New("failure")
	wait := func(ctx context.Context) error { return aio.Sleep(ctx, ms) }
	for name, c := range map[string]struct {
		sweep aiotest.Sweep
		body  func(ctx context.Context) error // the body of the region
		want  string                          // "" for a sweep that passes
	}{
		"right":              {body: wait},
		"swallowed":          {body: func(ctx context.Context) error { _ = wait(ctx); return nil }, want: "swallowed: task region ended with the error <nil>"},
		"swallowed, allowed": {sweep: aiotest.Sweep{AllowSwallowed: true}, body: func(ctx context.Context) error { _ = wait(ctx); return nil }},
		"another error": {body: func(ctx context.Context) error {
			if wait(ctx) != nil {
				return failure
			}
			return nil
		}, want: "main: failure"},
		"uncancelled": {body: func(ctx context.Context) error {
			if wait(ctx) != nil {
				aio.CurrentTask(ctx).Uncancel()
			}
			return nil
		}},
		"never ends": {body: func(ctx context.Context) error {
			if wait(ctx) == nil {
				return nil
			}
			_, err := aio.CreateFuture[int](ctx).Await(ctx)
			return err
		}, want: "deadlock"},
		"a task remains": {body: func(ctx context.Context) error {
			other := task(ctx, "left", func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
			err := wait(ctx)
			if err == nil {
				other.Cancel()
			}
			return err
		}, want: "1 tasks are left"},
		"an error is lost": {body: func(ctx context.Context) error {
			other := task(ctx, "lost", func(ctx context.Context) error { _ = wait(ctx); return failure })
			if err := wait(ctx); err != nil {
				return err
			}
			if _, err := other.Await(ctx); !errors.Is(err, failure) {
				return err
			}
			return nil
		}, want: "task lost: error was never retrieved: failure"},
		"a panic": {body: func(ctx context.Context) error {
			if wait(ctx) != nil {
				panic(failure)
			}
			return nil
		}, want: "panic: failure"},
		"another task": {
			sweep: aiotest.Sweep{Tasks: func(task aio.AnyTask) bool { return task.GetName() == "other" }},
			body: func(ctx context.Context) error {
				_, err := aio.Shield(ctx, task(ctx, "other", func(ctx context.Context) error { _ = wait(ctx); return nil })).Await(ctx)
				return err
			}, want: "swallowed: task other ended with the error <nil>",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.sweep.Run(aiotest.Whole(c.body))
			switch {
			case c.want == "" && len(r.Failures) > 0:
				t.Errorf("it fails: %v", r.Failures)
			case c.want != "" && (len(r.Failures) == 0 || !strings.Contains(r.Failures[0].Err.Error(), c.want)):
				t.Errorf("the failure does not contain %q: %v", c.want, r.Failures)
			}
			if r.Moments < 4 {
				t.Errorf("%d moments", r.Moments)
			}
		})
	}
}

// Each place is reported once.
func TestCancelEverywhereReportsEachPlace(t *testing.T) {
	r := aiotest.Sweep{}.Run(aiotest.Whole(func(ctx context.Context) error {
		_ = aio.Sleep(ctx, ms)
		_ = aio.Sleep(ctx, ms)
		return nil
	}))
	var places []string
	for _, f := range r.Failures {
		places = append(places, f.Cancelled)
	}
	if len(places) != 2 || places[0] == places[1] {
		t.Errorf("the places are %q", places)
	}
}

func TestCancelEverywhereMisuse(t *testing.T) {
	for want, f := range map[string]func() aiotest.Report{
		"never calls Do": func() aiotest.Report {
			return aiotest.Sweep{}.Run(func(context.Context, *aiotest.Cancelled) error { return nil })
		},
		"has the mode": func() aiotest.Report {
			return aiotest.Sweep{Mode: aiotest.PCT}.Run(aiotest.Whole(func(context.Context) error { return nil }))
		},
		"under way": func() aiotest.Report {
			return aiotest.Sweep{}.Run(func(ctx context.Context, c *aiotest.Cancelled) error {
				return c.Do(ctx, func(ctx context.Context) error { return c.Do(ctx, func(context.Context) error { return nil }) })
			})
		},
		"there is no mode 77": func() aiotest.Report {
			return aiotest.Exploration{Mode: 77}.Run(func(context.Context) error { return nil })
		},
		"the function is nil": func() aiotest.Report { return aiotest.Sweep{}.Run(nil) },
		"must not be negative": func() aiotest.Report {
			return aiotest.Exploration{Runs: -1}.Run(func(context.Context) error { return nil })
		},
	} {
		r := f()
		if len(r.Failures) != 1 || !errors.Is(r.Failures[0], aio.ErrUsage) || !strings.Contains(r.Failures[0].Error(), want) {
			t.Errorf("%q: %v", want, r.Failures)
		}
	}
}

// The run without a cancellation must pass first.
func TestCancelEverywhereFirstRun(t *testing.T) {
	failure := errors.New("failure")
	runs := 0
	r := aiotest.Sweep{}.Run(func(ctx context.Context, c *aiotest.Cancelled) error {
		runs++
		return errors.Join(failure, c.Do(ctx, func(context.Context) error { return nil }))
	})
	if len(r.Failures) != 1 || r.Failures[0].Run != 1 || !errors.Is(r.Failures[0], failure) || r.Moments != 0 {
		t.Errorf("%+v after %d runs", r, runs)
	}
}

// Mode Exhaustive makes each schedule exactly once: two tasks of k steps, each step
// woken by another future, have (2k)!/(k!k!) orders.
func TestExhaustiveMakesEachScheduleOnce(t *testing.T) {
	for k, want := range map[int]int{1: 2, 2: 6, 3: 20, 4: 70} {
		if k == 4 && !stage.Full {
			continue
		}
		seen := map[string]int{}
		r := aiotest.Exploration{Mode: aiotest.Exhaustive}.Run(func(ctx context.Context) error {
			var order []byte
			body := func(name byte) func(ctx context.Context) error {
				return func(ctx context.Context) error {
					for i := range k {
						order = append(order, name)
						if i < k-1 {
							if err := next(ctx); err != nil {
								return err
							}
						}
					}
					return nil
				}
			}
			a := aio.CreateTask(ctx, aio.NoResult(body('a')))
			b := aio.CreateTask(ctx, aio.NoResult(body('b')))
			_, err := aio.Gather(ctx, a, b).Await(ctx)
			seen[string(order)]++
			return err
		})
		if len(r.Failures) > 0 || !r.Complete {
			t.Fatalf("k=%d: %+v", k, r)
		}
		if len(seen) != want {
			t.Errorf("k=%d: %d orders of %d, in %d runs", k, len(seen), want, r.Runs)
		}
	}
	r := aiotest.Exploration{Mode: aiotest.Exhaustive, Runs: 10}.Run(lostUpdateWithoutTime(true))
	if r.Complete || len(r.Failures) > 0 {
		t.Errorf("ten runs are not all: %+v", r)
	}
}

// next suspends the task until a callback has woken it.
func next(ctx context.Context) error {
	f := aio.CreateFuture[int](ctx)
	_ = f.SetResult(0)
	return hop(ctx)
}

// Guarantees of asyncio hold in every schedule.
func TestAnyOrderKeepsPromises(t *testing.T) {
	programs := map[string]func(ctx context.Context) error{
		"Sleep(0) lets a new task start": func(ctx context.Context) error {
			started := false
			aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { started = true; return nil }))
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			if !started {
				return errors.New("the task has not started")
			}
			return nil
		},
		"a done callback that was added before the await": func(ctx context.Context) error {
			called := false
			other := aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return 1, hop(ctx) })
			other.AddDoneCallback(func(*aio.Future[int]) { called = true })
			if _, err := other.Await(ctx); err != nil {
				return err
			}
			if !called {
				return errors.New("the callback was not called")
			}
			return nil
		},
		"CallSoon before Sleep(0)": func(ctx context.Context) error {
			loop, err := aio.GetRunningLoop(ctx)
			if err != nil {
				return err
			}
			called := 0
			for i := range 3 {
				loop.CallSoon(func() {
					if called == i {
						called++
					}
				})
			}
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			if called != 3 {
				return fmt.Errorf("%d callbacks were called in their order", called)
			}
			return nil
		},
		"timers in the order of their times": func(ctx context.Context) error {
			loop, err := aio.GetRunningLoop(ctx)
			if err != nil {
				return err
			}
			var order []int
			for i := range 4 {
				loop.CallLater(time.Duration(i)*time.Nanosecond, func() { order = append(order, i) })
			}
			if err := aio.Sleep(ctx, ms); err != nil {
				return err
			}
			if !slices.IsSorted(order) || len(order) != 4 {
				return fmt.Errorf("the order was %v", order)
			}
			return nil
		},
		"waiters of one lock": func(ctx context.Context) error {
			var lock aio.Lock
			var order []int
			if err := lock.Acquire(ctx); err != nil {
				return err
			}
			var last *aio.Task[struct{}]
			for i := range 3 {
				last = aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					return lock.With(ctx, func(context.Context) error { order = append(order, i); return nil })
				}))
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			lock.Release()
			if _, err := last.Await(ctx); err != nil {
				return err
			}
			if !slices.Equal(order, []int{0, 1, 2}) {
				return fmt.Errorf("the order was %v", order)
			}
			return nil
		},
	}
	for name, program := range programs {
		for _, mode := range []aiotest.Mode{aiotest.Environment, aiotest.AnyOrder, aiotest.PCT} {
			r := aiotest.Exploration{Mode: mode}.Run(program)
			if len(r.Failures) > 0 {
				t.Errorf("%s: %v: %v\n%s", name, mode, r.Failures[0], r.Failures[0].Timeline)
			}
		}
	}
}

// Programs that depend on more than the record are detected, and the failure says where
// the runs differ.
func TestDifferencesAreFound(t *testing.T) {
	sleepers := func(ctx context.Context, ds ...time.Duration) error {
		for _, d := range ds {
			if err := aio.Sleep(ctx, d); err != nil {
				return err
			}
		}
		return nil
	}
	for name, main := range map[string]func(ctx context.Context) error{
		"order of a map": func(ctx context.Context) error {
			var tasks []*aio.Task[struct{}]
			for d := range map[time.Duration]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true} {
				tasks = append(tasks, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return sleepers(ctx, d) })))
			}
			for _, task := range tasks {
				if _, err := task.Await(ctx); err != nil {
					return err
				}
			}
			return nil
		},
		"time.Now": func(ctx context.Context) error {
			// the clock's resolution may be coarse
			for start := time.Now().UnixNano(); time.Now().UnixNano() == start; {
			}
			return sleepers(ctx, time.Duration(time.Now().UnixNano()%1_000_000_000+1))
		},
		"a random number": func(ctx context.Context) error { return sleepers(ctx, time.Duration(1+rand.Int64())) },
		"a real thread": func(ctx context.Context) error {
			ex := aio.NewThreadPoolExecutor(4)
			defer ex.Shutdown(true)
			var jobs []*aio.Future[int]
			for range 8 {
				jobs = append(jobs, aio.RunInExecutor(ctx, ex, func() (int, error) { runtime.Gosched(); return 1, nil }))
			}
			for _, job := range jobs {
				if _, err := job.Await(ctx); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "a real thread" && runtime.GOARCH == "wasm" {
				t.Skip("js/wasm has no threads")
			}
			r := aiotest.Exploration{}.Run(main)
			if len(r.Failures) != 1 || !strings.Contains(r.Failures[0].Error(), "the run is not deterministic: ") {
				t.Errorf("%+v", r)
				return
			}
			if r := (aiotest.Exploration{AllowDifferences: true}).Run(main); len(r.Failures) != 0 {
				t.Errorf("it was allowed: %v", r.Failures[0])
			}
		})
	}
	state := 0
	r := aiotest.Exploration{}.Run(func(ctx context.Context) error { state++; return sleepers(ctx, time.Duration(state)) })
	if len(r.Failures) != 1 || !strings.Contains(r.Failures[0].Error(), "step 1 was timer of Sleep at 2ns with 1 ready, and when it was repeated timer of Sleep at 3ns with 1 ready") {
		t.Errorf("state that lives on: %v", r.Failures)
	}
}

func TestChoose(t *testing.T) {
	seen := map[int]int{}
	r := aiotest.Exploration{Runs: 200}.Run(func(ctx context.Context) error {
		v := aiotest.Choose(ctx, 5, "value")
		seen[v]++
		if aiotest.Choose(ctx, 1, "nothing") != 0 {
			return errors.New("a choice with one possibility")
		}
		return nil
	})
	if len(r.Failures) > 0 || len(seen) != 5 {
		t.Errorf("%v: %v", seen, r.Failures)
	}
	aiotest.Run(t, func(ctx context.Context) error {
		if v := aiotest.Choose(ctx, 5, "value"); v != 0 {
			t.Errorf("outside of an exploration Choose returned %d", v)
		}
		return nil
	})
	for name, f := range map[string]func(ctx context.Context){
		"not positive": func(ctx context.Context) { aiotest.Choose(ctx, 0, "x") },
		"no loop":      func(context.Context) { aiotest.Choose(context.Background(), 2, "x") },
		"another caller": func(ctx context.Context) {
			v := make(chan any)
			go func() {
				defer func() { v <- recover() }()
				aiotest.Choose(ctx, 2, "x")
			}()
			panic(<-v)
		},
	} {
		if name == "another caller" && runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
			// on this architecture only debug mode tells goroutines apart
			continue
		}
		aiotest.Run(t, func(ctx context.Context) error {
			defer func() {
				if err, _ := recover().(error); !errors.Is(err, aio.ErrUsage) {
					t.Errorf("%s: %v", name, err)
				}
			}()
			f(ctx)
			return nil
		})
	}
	// Exploration finds the smallest set of choices that fails.
	r = aiotest.Exploration{}.Run(func(ctx context.Context) error {
		var chosen []int
		for i := range 20 {
			chosen = append(chosen, aiotest.Choose(ctx, 2, fmt.Sprint("choice ", i)))
		}
		if chosen[3] == 1 && chosen[17] == 1 {
			return errors.New("both")
		}
		return nil
	})
	if len(r.Failures) != 1 || r.Failures[0].Record != "3=1/2:choice_3 17=1/2:choice_17" {
		t.Errorf("the smallest record: %v", r.Failures)
	}
}

// The input of the fuzz test is a record of choices.
func FuzzExploreInput(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte{0, 1, 0, 1, 3})
	f.Fuzz(func(t *testing.T, input []byte) {
		aiotest.ExploreInput(t, input, aiotest.Exploration{Mode: aiotest.AnyOrder}, lostUpdateWithoutTime(true))
	})
}

func TestExploreInputFindsIt(t *testing.T) {
	found, last := 0, ""
	for i := range 1 << 10 {
		var input []byte
		for b := range 10 {
			input = append(input, byte(i>>b&1))
		}
		tb := try(t, func(tb *fakeTB) {
			aiotest.ExploreInput(tb, input, aiotest.Exploration{Mode: aiotest.AnyOrder}, lostUpdateWithoutTime(false))
		})
		if tb.failed {
			found++
			_, last, _ = strings.Cut(tb.log.String(), "AIOTEST_REPLAY='")
			last, _, _ = strings.Cut(last, "'")
			if !strings.Contains(tb.log.String(), "n is 1 after it was increased twice") {
				t.Fatal(tb.log.String())
			}
		}
	}
	if found == 0 || found == 1<<10 {
		t.Errorf("%d of %d inputs fail", found, 1<<10)
	}
	t.Setenv("AIOTEST_REPLAY", last)
	if tb := try(t, func(tb *fakeTB) {
		aiotest.ExploreInput(tb, nil, aiotest.Exploration{Mode: aiotest.AnyOrder}, lostUpdateWithoutTime(false))
	}); !tb.failed {
		t.Errorf("%s does not fail again", last)
	}
}
