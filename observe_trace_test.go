package aio_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"runtime/trace"
	"slices"
	"strings"
	"testing"

	"github.com/goaio/aio"
)

// traced runs f with a flight recorder, and returns the events of its snapshot that
// concern tasks, regions and logs.
func traced(t *testing.T, f func()) []string {
	t.Helper()
	if runtime.GOOS == "js" {
		t.Skip("no commands here")
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not on PATH")
	}
	fr := trace.NewFlightRecorder(trace.FlightRecorderConfig{})
	if err := fr.Start(); err != nil {
		t.Fatal(err)
	}
	f()
	var buf bytes.Buffer
	_, err = fr.WriteTo(&buf)
	fr.Stop()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "trace")
	if err := os.WriteFile(file, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tool, "tool", "trace", "-d=parsed", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for line := range strings.Lines(string(out)) {
		if m := regexp.MustCompile(`(TaskBegin|TaskEnd|RegionBegin|RegionEnd|Log) .*`).FindString(line); m != "" {
			events = append(events, m)
		}
	}
	return events
}

// has reports whether an event matches the pattern, and returns its submatches.
func has(t *testing.T, events []string, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	i := slices.IndexFunc(events, re.MatchString)
	if i < 0 {
		t.Errorf("no event %q in\n%s", pattern, strings.Join(events, "\n"))
		return make([]string, re.NumSubexp()+1)
	}
	return re.FindStringSubmatch(events[i])
}

func TestTasksInTraces(t *testing.T) {
	events := traced(t, func() {
		err := aio.Run(func(ctx context.Context) error {
			l, err := aio.GetRunningLoop(ctx)
			if err != nil {
				return err
			}
			defer l.AddObserver(aio.ObserverFunc(func(*aio.LoopEvent) {}))()
			q := aio.NewQueue[int](0)
			child := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				defer trace.StartRegion(ctx, "of the user").End()
				return q.Get(ctx)
			}, aio.WithName("child"))
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			if err := q.PutNowait(1); err != nil {
				return err
			}
			_, err = child.Await(ctx)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	main := has(t, events, `TaskBegin .*ID=(\d+) .*Type="task of aio_test.TestTasksInTraces.func1"`)
	child := has(t, events, `TaskBegin .*ID=(\d+) Parent=`+main[1]+` .*Type="child"`)
	has(t, events, `RegionBegin .*Task=`+main[1]+` Type="aio.Task Task-1"`)
	has(t, events, `RegionBegin .*Task=`+child[1]+` Type="aio.Task child"`)
	has(t, events, `RegionBegin .*Task=`+child[1]+` Type="of the user"`)
	has(t, events, `RegionEnd .*Task=`+child[1]+` Type="aio.Task child"`)
	has(t, events, `Log .*Task=`+child[1]+` Category="await" Message="Queue.Get"`)
	has(t, events, `TaskEnd .*ID=`+child[1]+` `)
}

// A task that creates its successor and ends, repeatedly, must not leave a chain of
// contexts in memory: each lookup of a value would walk the whole chain.
func TestTracedTasksLeaveNoChain(t *testing.T) {
	var depths []int
	traced(t, func() {
		err := aio.Run(func(ctx context.Context) error {
			done := aio.CreateFuture[struct{}](ctx)
			var next func(ctx context.Context) error
			n := 0
			next = func(ctx context.Context) error {
				depths = append(depths, contextDepth(ctx))
				if n++; n == 100 {
					return done.SetResult(struct{}{})
				}
				aio.CreateTask(ctx, aio.NoResult(next))
				return nil
			}
			aio.CreateTask(ctx, aio.NoResult(next))
			_, err := done.Await(ctx)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	if len(depths) != 100 || depths[99] != depths[1] {
		t.Errorf("number of parent contexts of each task's ctx: %v", depths)
	}
}

// contextDepth returns the number of parent contexts of ctx.
func contextDepth(ctx context.Context) (n int) {
	for v := reflect.ValueOf(ctx); ; n++ {
		for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return n
		}
		next := v.FieldByName("Context")
		if !next.IsValid() {
			next = v.FieldByName("parent")
		}
		if !next.IsValid() {
			return n
		}
		v = next
	}
}
