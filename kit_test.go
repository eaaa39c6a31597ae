package aio_test

// The vocabulary of the tests: the order of events, passes of a loop, waiting for what is outside a loop,
// and counting what a test leaves behind.

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// eventLog is what a test's tasks write down, to compare the order of their steps.
type eventLog []string

func (l *eventLog) add(format string, args ...any) { *l = append(*l, fmt.Sprintf(format, args...)) }

// want fails unless the log has exactly these events, which are separated by spaces.
func (l *eventLog) want(t *testing.T, events string) {
	t.Helper()
	if got, want := []string(*l), strings.Fields(events); !slices.Equal(got, want) {
		t.Errorf("events\n got %s\nwant %s", strings.Join(got, " "), strings.Join(want, " "))
	}
	*l = nil
}

// coro is a coroutine that does f and has no result.
func coro(f func(ctx context.Context) error) aio.Coro[struct{}] {
	return func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) }
}

// returns is a coroutine that returns v without awaiting.
func returns[T any](v T) aio.Coro[T] {
	return func(context.Context) (T, error) { return v, nil }
}

// forever is a coroutine that ends only when it is cancelled.
func forever(ctx context.Context) (int, error) { return aio.CreateFuture[int](ctx).Await(ctx) }

// newLoop returns a loop with a virtual clock that is closed when the test ends, and the reports
// that reach its exception handler.
func newLoop(t *testing.T) (*aio.Loop, *[]aio.ExceptionContext) {
	t.Helper()
	l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	reports := new([]aio.ExceptionContext)
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { *reports = append(*reports, ec) })
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("closing the loop: %v", err)
		}
	})
	return l, reports
}

// panics returns the error that f panics with, nil if it does not.
func panics(f func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = v.(error)
		}
	}()
	f()
	return nil
}

// patience is how long a test waits for another goroutine, for a process or for the system. Only a test that
// fails waits for so long.
const patience = time.Minute

// eventually waits until done reports true. What it waits for happens outside the loop, or it would take a
// number of passes that a test can tell. If ctx is that of a task, its loop makes passes meanwhile. The
// test ends if nothing happens.
func eventually(t testing.TB, ctx context.Context, what string, done func() bool) {
	t.Helper()
	if !within(ctx, done) {
		t.Fatalf("after %v this is still not so: %s", patience, what)
	}
}

// within is eventually that reports whether it came to that.
func within(ctx context.Context, done func() bool) bool {
	_, err := aio.GetRunningLoop(ctx)
	inTask := err == nil
	for end := time.Now().Add(patience); !done(); {
		if time.Now().After(end) {
			return false
		}
		if inTask && aio.Sleep(ctx, 0) != nil {
			return false
		}
		time.Sleep(50 * time.Microsecond)
	}
	return true
}

// collected is eventually for what the garbage collector brings about.
func collected(t testing.TB, ctx context.Context, what string, done func() bool) {
	t.Helper()
	eventually(t, ctx, what, func() bool { runtime.GC(); return done() })
}

// openFiles returns the descriptors that this process has, each with what the system says that it is:
// "7 socket:[31415]", or the number alone on a system that does not tell. It returns nil on a system that
// does not list them, as Windows.
func openFiles() (files []string) {
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if link, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil { // not that of the directory itself
				files = append(files, e.Name()+" "+link)
			} else if _, err := os.Stat(filepath.Join(dir, e.Name())); err == nil {
				files = append(files, e.Name())
			}
		}
		return files
	}
	return nil
}

// netKeepsItsDescriptors has package net open what it keeps.
func netKeepsItsDescriptors(t testing.TB) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
}

// wantClosed waits until no descriptor is open that was not open before. Those of earlier tests, which a
// goroutine or the garbage collector may close at any time, do not matter.
func wantClosed(t testing.TB, ctx context.Context, before []string) {
	t.Helper()
	var left []string
	if !within(ctx, func() bool {
		left = slices.DeleteFunc(openFiles(), func(file string) bool { return slices.Contains(before, file) })
		return len(left) == 0
	}) {
		t.Errorf("still open: %q", left)
	}
}

var counted atomic.Int64

// goroutines begins to count: what it returns counts the caller, the goroutines that it has started since,
// those that these have started, and so on. Others, of the Go runtime or of tests before, do not
// matter. To count those of a loop, call it before the loop runs.
func goroutines(t testing.TB) (count func() int) {
	id := strconv.FormatInt(counted.Add(1), 10)
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("aio_test", id)))
	t.Cleanup(func() { pprof.SetGoroutineLabels(context.Background()) })
	label := fmt.Appendf(nil, "%q:%q", "aio_test", id)
	return func() (n int) {
		var profile bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
			t.Error(err)
		}
		same := 0 // goroutines with the stack and the labels that are described next
		for line := range bytes.Lines(profile.Bytes()) {
			if count, _, ok := bytes.Cut(line, []byte(" @ ")); ok {
				same, _ = strconv.Atoi(string(count))
			} else if bytes.HasPrefix(line, []byte("# labels:")) && bytes.Contains(line, label) {
				n += same
			}
		}
		return n
	}
}

// leavesNoGoroutine fails unless the goroutines that the test starts from here on end with it.
func leavesNoGoroutine(t testing.TB) {
	count := goroutines(t)
	before := count()
	t.Cleanup(func() {
		eventually(t, t.Context(), "the test has left no goroutine", func() bool { return count() <= before })
	})
}
