package aiotest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// ToThread jobs run as steps of the loop, at a virtual time.
func TestToThreadInVirtualTime(t *testing.T) {
	var orders []string
	r := aiotest.Exploration{Runs: 100}.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		start := loop.Time()
		var order []string
		job := func(name string) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				_, err := aio.ToThread(ctx, func(context.Context) (int, error) { order = append(order, name); return 1, nil })
				if err == nil && loop.Time().Sub(start) > time.Second {
					err = errors.New("it took too long")
				}
				return err
			}
		}
		err = together(ctx, job("a"), job("b"))
		orders = append(orders, strings.Join(order, ""))
		if err != nil {
			return err
		}
		if err := aio.Timeout(ctx, time.Nanosecond, job("late")); err != nil && !errors.Is(err, aio.ErrTimeout) {
			return err
		}
		if _, err := aio.ToThread(ctx, func(context.Context) (int, error) { panic("oops") }); err == nil || !strings.Contains(err.Error(), "oops") {
			return fmt.Errorf("a job that panics: %w", err)
		}
		// A job that waits for its loop would never end here.
		_, err = aio.ToThread(ctx, func(ctx context.Context) (int, error) {
			return aio.RunCoroutineThreadsafe(loop, func(context.Context) (int, error) { return 1, nil }).Result(ctx)
		})
		if !errors.Is(err, aio.ErrWrongGoroutine) {
			return fmt.Errorf("a job that waits for its loop: %w", err)
		}
		return nil
	})
	if len(r.Failures) > 0 {
		t.Fatal(r.Failures[0])
	}
	if orders[0] != "ab" || !slices.Contains(orders, "ba") {
		t.Errorf("the orders are %q", orders)
	}
}

// A program that loops without waiting is stopped, and the failure contains the stack
// of the running task.
func TestBounds(t *testing.T) {
	defer aiotest.SetMaxStill(1000)()
	for name, main := range map[string]func(ctx context.Context) error{
		"Sleep(0)": func(ctx context.Context) error {
			for {
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
		},
		"a timer for the same time": func(ctx context.Context) error {
			loop, err := aio.GetRunningLoop(ctx)
			if err != nil {
				return err
			}
			var again func()
			half := 0.5 // half a nanosecond
			again = func() { loop.CallLater(time.Duration(half), again) }
			again()
			return aio.Sleep(ctx, time.Hour)
		},
		"a context that has ended": func(ctx context.Context) error {
			ended, cancel := context.WithCancel(ctx)
			cancel()
			for aio.Sleep(ended, time.Second) != nil {
			}
			return nil
		},
	} {
		f := attempt(t, func(ctx context.Context, _ testing.TB) error { return main(ctx) })
		if !f.failed || !strings.Contains(f.log.String(), "the clock stands still at 0s") || !strings.Contains(f.log.String(), "explore_bounds_test.go") && name != "a timer for the same time" {
			t.Errorf("%s: %s", name, f.log.String())
		}
	}
	r := aiotest.Exploration{MaxSteps: 100}.Run(func(ctx context.Context) error {
		for {
			if err := aio.Sleep(ctx, time.Second); err != nil {
				return err
			}
		}
	})
	if len(r.Failures) != 1 || !strings.Contains(r.Failures[0].Error(), "100 steps, and main has not ended") {
		t.Errorf("%v", r.Failures)
	}
}

// A value of an environment variable that is not valid fails every test that reads it.
func TestEnvironmentVariables(t *testing.T) {
	main := func(context.Context) error { return nil }
	tests := map[string]func(tb *fakeTB){
		"Run":     func(tb *fakeTB) { aiotest.Run(tb, main) },
		"Explore": func(tb *fakeTB) { aiotest.Explore(tb, aiotest.Exploration{Runs: 3}, main) },
		"CancelEverywhere": func(tb *fakeTB) {
			aiotest.CancelEverywhere(tb, aiotest.Sweep{}, aiotest.Whole(main))
		},
		"Simulate": func(tb *fakeTB) {
			aiotest.Simulate(tb, aiotest.Simulation{Runs: 3}, func(context.Context, *aiotest.World) error { return nil })
		},
	}
	for _, v := range []struct{ name, value, want string }{
		{"AIOTEST_RUNS", "x", "AIOTEST_RUNS=x: it must be a positive number"},
		{"AIOTEST_RUNS", "0", "AIOTEST_RUNS=0: it must be a positive number"},
		{"AIOTEST_RUNS", "2.5", "AIOTEST_RUNS=2.5: it must be a positive number"},
		{"AIOTEST_SEED", "-1", "AIOTEST_SEED=-1: it must be a number, or random"},
		{"AIOTEST_SEED", "Random", "AIOTEST_SEED=Random: it must be a number, or random"},
		{"AIOTEST_STUCK", "30", "AIOTEST_STUCK=30: it must be a duration"},
		{"AIOTEST_STUCK", "-1s", "AIOTEST_STUCK=-1s: it must be a duration"},
	} {
		t.Run(v.name+"="+v.value, func(t *testing.T) {
			t.Setenv(v.name, v.value)
			for name, test := range tests {
				if tb := try(t, test); !tb.failed || !strings.Contains(tb.log.String(), v.want) {
					t.Errorf("%s says %q", name, tb.log.String())
				}
			}
		})
	}
	t.Setenv("AIOTEST_RUNS", strconv.Itoa(math.MaxInt))
	if tb := try(t, tests["Explore"]); !strings.Contains(tb.log.String(), "times 3 runs are too many") {
		t.Errorf("a product that overflows: %q", tb.log.String())
	}
	t.Setenv("AIOTEST_RUNS", "4")
	t.Setenv("AIOTEST_SEED", "7")
	t.Setenv("AIOTEST_STUCK", "0")
	if r := aiotest.Explore(t, aiotest.Exploration{Runs: 3, AllowDifferences: true}, main); r.Runs != 12 {
		t.Errorf("%d runs, not 4 times 3", r.Runs)
	}
}

// Another goroutine detects a step that blocks.
func TestBlockedStep(t *testing.T) {
	t.Setenv("AIOTEST_STUCK", "200ms")
	release := make(chan struct{})
	ended := make(chan struct{})
	f := attempt(t, func(ctx context.Context, _ testing.TB) error {
		defer close(ended)
		select {
		case <-ctx.Done():
		case <-release:
		}
		return nil
	})
	if !strings.Contains(f.log.String(), "a step has not ended for 200ms") || !strings.Contains(f.log.String(), "TestBlockedStep.func") {
		t.Errorf("it says %s", f.log.String())
	}
	close(release) // ends the blocked goroutine
	<-ended
}

// A test may be ended in any run, and the failure says in which run.
func TestExploreEndedByTheTest(t *testing.T) {
	for name, end := range map[string]func(tb testing.TB){"FailNow": testing.TB.FailNow, "SkipNow": testing.TB.SkipNow} {
		tb := try(t, func(tb *fakeTB) {
			aiotest.Explore(tb, aiotest.Exploration{}, func(ctx context.Context) error {
				if aiotest.Choose(ctx, 2, "end") == 1 {
					end(tb)
				}
				return nil
			})
		})
		if tb.ended != name || tb.failed != (name == "FailNow") {
			t.Errorf("%s: ended by %q, failed %v", name, tb.ended, tb.failed)
		}
		if tb.failed && !strings.Contains(tb.log.String(), "AIOTEST_REPLAY='0=1/2:end'") {
			t.Errorf("the failure does not say how to repeat it: %s", tb.log.String())
		}
	}
	tb := try(t, func(tb *fakeTB) {
		aiotest.Explore(tb, aiotest.Exploration{}, func(ctx context.Context) error {
			if aiotest.Choose(ctx, 2, "error") == 1 {
				tb.Errorf("an error")
			}
			return nil
		})
	})
	if n := strings.Count(tb.log.String(), "an error\n"); n != 2 || !strings.Contains(tb.log.String(), "the test failed in this run") || !strings.Contains(tb.log.String(), "'0=1/2:error'") {
		t.Errorf("%d errors: %s", n, tb.log.String())
	}
}

// artifacts is a fake test with a directory for artifacts.
type artifacts struct {
	*fakeTB
	dir string
}

func (a artifacts) ArtifactDir() string { return a.dir }

func TestTimelinePage(t *testing.T) {
	f := flag.Lookup("test.artifacts")
	if f == nil {
		t.Skip("Go before 1.26 has no directory for artifacts")
	}
	before := f.Value.String()
	defer f.Value.Set(before)
	f.Value.Set("true")
	dir := t.TempDir()
	try(t, func(tb *fakeTB) {
		aiotest.Explore(artifacts{tb, dir}, aiotest.Exploration{}, lostUpdate(false))
	})
	pages, _ := filepath.Glob(filepath.Join(dir, "*.html"))
	if len(pages) != 1 {
		t.Fatalf("pages: %q", pages)
	}
	page, err := os.ReadFile(pages[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<th>Task-2`, `the balance is 110`, `<b class=note>the pass before took so long that the next timer is due</b>`, `<a href=#s3>`, `awaits Sleep at zoo_test.go:`} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not contain %q:\n%s", want, page)
		}
	}
	rows := regexp.MustCompile(`(?m)^<tr id=s\d+>.*$`).FindAllString(string(page), -1)
	for _, row := range rows {
		if n := strings.Count(row, "<td"); n != 2+strings.Count(string(page), "<th>")-2 {
			t.Fatalf("a row has %d cells: %s", n, row)
		}
	}
}

// The engine does not import package testing: other programs use it too.
func TestEngineWithoutPackageTesting(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		checked++
		for _, i := range f.Imports {
			if i.Path.Value == `"testing"` {
				t.Errorf("%s imports it", name)
			}
		}
	}
	if checked < 5 {
		t.Errorf("%d files", checked)
	}
}
