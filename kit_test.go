package aio_test

// Helpers of the tests: event logs, passes of a loop, waiting for things outside a
// loop, and checks for leaks.

import (
	"bytes"
	"context"
	"errors"
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

	"github.com/google/go-cmp/cmp"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// eventLog records events of a test's tasks, to compare the order of their steps.
type eventLog []string

func (l *eventLog) add(format string, args ...any) { *l = append(*l, fmt.Sprintf(format, args...)) }

// want checks that the log contains exactly these events, separated by spaces, and
// empties it. The message names the first event that differs, and the reason why if
// there is one.
func (l *eventLog) want(t testing.TB, events string, why ...string) {
	t.Helper()
	got, want := []string(*l), strings.Fields(events)
	*l = nil
	if slices.Equal(got, want) {
		return
	}
	at := func(events []string, i int) string { return append(slices.Clone(events), "nothing")[i] }
	n := 0
	for n < min(len(got), len(want)) && got[n] == want[n] {
		n++
	}
	reason := ""
	if len(why) > 0 {
		reason = ": " + strings.Join(why, " ")
	}
	t.Errorf("event %d is %s, want %s%s\n got %s\nwant %s", n+1, at(got, n), at(want, n),
		reason, strings.Join(got, " "), strings.Join(want, " "))
}

// returns returns a coroutine that returns v without awaiting.
func returns[T any](v T) aio.Coro[T] {
	return func(context.Context) (T, error) { return v, nil }
}

// forever is a coroutine that waits until it is cancelled.
func forever(ctx context.Context) (int, error) { return aio.CreateFuture[int](ctx).Await(ctx) }

// newLoop returns a loop with a virtual clock that is closed at the end of the test,
// and the reports to its exception handler.
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

// panics returns the error that f panics with, or nil if it does not panic.
func panics(f func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = v.(error)
		}
	}()
	f()
	return nil
}

// raise panics with err if it is not nil, for tables of calls only some of which return
// an error.
func raise(err error) {
	if err != nil {
		panic(err)
	}
}

// second returns the error of a call with two results.
func second(_ any, err error) error { return err }

// letPass runs n passes of the loop.
func letPass(ctx context.Context, n int) {
	for range n {
		if err := aio.Sleep(ctx, 0); err != nil {
			panic(err)
		}
	}
}

// patience is how long a test waits for another goroutine, a process or the system.
// Only a failing test waits that long.
const patience = time.Minute

// eventually waits until done returns true, for events outside the loop, which take an
// unknown number of passes. If ctx is that of a task, its loop runs during the wait. It
// ends the test on a timeout.
func eventually(t testing.TB, ctx context.Context, what string, done func() bool) {
	t.Helper()
	if !within(ctx, done) {
		t.Fatalf("still not true after %v: %s", patience, what)
	}
}

// within is like eventually, but reports whether done returned true in time.
func within(ctx context.Context, done func() bool) bool {
	_, err := aio.GetRunningLoop(ctx)
	inTask := err == nil
	end := time.Now().Add(patience)
	for passes := 1; !done(); passes++ {
		if time.Now().After(end) {
			return false
		}
		if inTask {
			if aio.Sleep(ctx, 0) != nil {
				return false
			}
			if passes%64 != 0 { // the loop may need many passes
				runtime.Gosched()
				continue
			}
		}
		time.Sleep(50 * time.Microsecond)
	}
	return true
}

// collected is like eventually, for effects of the garbage collector.
func collected(t testing.TB, ctx context.Context, what string, done func() bool) {
	t.Helper()
	eventually(t, ctx, what, func() bool { runtime.GC(); return done() })
}

// openFiles returns the open descriptors of this process, each with the system's
// description, such as "7 socket:[31415]", or only the number if the system has none.
// It returns nil if the system does not list descriptors, as on Windows.
func openFiles() (files []string) {
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			// omits the descriptor of the directory itself
			if link, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
				files = append(files, e.Name()+" "+link)
			} else if _, err := os.Stat(filepath.Join(dir, e.Name())); err == nil {
				files = append(files, e.Name())
			}
		}
		return files
	}
	return nil
}

// netKeepsItsDescriptors makes package net open the descriptors that it keeps open.
func netKeepsItsDescriptors(t testing.TB) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
}

// opened returns the descriptors that have been opened since before. It ignores those
// of earlier tests, which a goroutine or the garbage collector may close at any time.
func opened(before []string) []string {
	return slices.DeleteFunc(openFiles(), func(file string) bool { return slices.Contains(before, file) })
}

// wantClosed waits until no descriptor is open that was not open before.
func wantClosed(t testing.TB, ctx context.Context, before []string) {
	t.Helper()
	var left []string
	if !within(ctx, func() bool {
		left = opened(before)
		return len(left) == 0
	}) {
		t.Errorf("still open: %q", left)
	}
}

var counted atomic.Int64

// goroutines returns a function that counts the caller, the goroutines that it has
// started since, those that these have started, and so on. It does not count other
// goroutines, such as those of the Go runtime or of earlier tests. To count those of a
// loop, call goroutines before the loop runs.
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
		// the header of goroutines with the same stack and labels
		same := 0
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

// leavesNoGoroutine checks that the goroutines that the test starts after the call have
// ended when it ends.
func leavesNoGoroutine(t testing.TB) {
	count := goroutines(t)
	before := count()
	t.Cleanup(func() {
		eventually(t, t.Context(), "the test leaves no goroutine", func() bool { return count() <= before })
	})
}

// A scene is a main task that starts other tasks, and a log of their results.
type scene struct {
	*testing.T
	eventLog
	ctx  context.Context
	cast []*aio.Task[struct{}]
}

// play runs f as the main task with a virtual clock. Tasks that still wait when f
// returns are cancelled, and must end.
func play(t *testing.T, f func(s *scene)) {
	t.Helper()
	aiotest.Run(t, func(ctx context.Context) error {
		s := &scene{T: t, ctx: ctx}
		f(s)
		for _, task := range s.cast {
			task.Cancel()
		}
		for _, task := range s.cast {
			if _, err := task.Await(ctx); err != nil && !errors.Is(err, aio.ErrCancelled) {
				return err
			}
		}
		return nil
	})
}

// start runs f as a task, which logs its name if f succeeds, and name!error otherwise.
func (s *scene) start(name string, f func(ctx context.Context) error) *aio.Task[struct{}] {
	return s.play(func(ctx context.Context) { s.ended(name, f(ctx)) })
}

// fetch is like start for a function with a result, which is logged as name=result.
func fetch[T any](s *scene, name string, f func(ctx context.Context) (T, error)) *aio.Task[struct{}] {
	return s.play(func(ctx context.Context) {
		v, err := f(ctx)
		if err == nil {
			name = fmt.Sprint(name, "=", v)
		}
		s.ended(name, err)
	})
}

func (s *scene) play(f func(ctx context.Context)) *aio.Task[struct{}] {
	task := aio.CreateTask(s.ctx, aio.NoResult(func(ctx context.Context) error {
		f(ctx)
		return nil
	}))
	s.cast = append(s.cast, task)
	return task
}

// ended logs the result of a task.
func (s *scene) ended(name string, err error) {
	var c *aio.CancelledError
	switch {
	case err == nil:
		s.add("%s", name)
	case errors.As(err, &c) && c.Message != nil:
		s.add("%s!cancelled:%v", name, c.Message)
	case errors.As(err, &c):
		s.add("%s!cancelled", name)
	case errors.Is(err, aio.ErrTimeout):
		s.add("%s!timeout", name)
	case errors.Is(err, context.Canceled):
		s.add("%s!context-ended", name)
	case errors.Is(err, aio.ErrBrokenBarrier):
		s.add("%s!broken", name)
	case errors.Is(err, aio.ErrQueueShutDown):
		s.add("%s!shut", name)
	default:
		s.add("%s!%v", name, err)
	}
}

// letPass runs the other tasks for n passes of the loop.
func (s *scene) letPass(n int) { letPass(s.ctx, n) }

// after runs the other tasks for n passes, and compares the log.
func (s *scene) after(n int, events string, why ...string) {
	s.Helper()
	s.letPass(n)
	s.want(events, why...)
}

func (s *scene) want(events string, why ...string) {
	s.Helper()
	s.eventLog.want(s.T, events, why...)
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// misused checks that f panics with an error that matches ErrUsage and every sentinel.
func misused(t *testing.T, what string, f func(), sentinels ...error) {
	t.Helper()
	err := panics(f)
	for _, want := range append(sentinels, aio.ErrUsage) {
		if !errors.Is(err, want) {
			t.Errorf("%s: panic with %v, want %v", what, err, want)
		}
	}
}

func ok(context.Context) error { return nil }

// same checks that got == want.
func same[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// equal is like same for slices, maps and structs. The message contains the
// differences.
func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// matches checks that err matches target, or that both are nil.
func matches(t testing.TB, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: error %v, want %v", what, err, target)
	}
}

// inVirtualLoop runs f as the main task of a loop with a virtual clock.
func inVirtualLoop(t *testing.T, f func(ctx context.Context, l *aio.Loop)) {
	t.Helper()
	aiotest.Run(t, func(ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err == nil {
			f(ctx, l)
		}
		return err
	})
}

// spawn starts f as a task.
func spawn(ctx context.Context, f func(ctx context.Context) error) *aio.Task[struct{}] {
	return aio.CreateTask(ctx, aio.NoResult(f))
}

// runMain runs f as a task of l until it is done.
func runMain(l *aio.Loop, f func(ctx context.Context) error) error {
	_, err := aio.RunUntilComplete(l, aio.NoResult(f))
	return err
}

// onePass makes l run one pass, without waiting. LOOP-017
func onePass(t *testing.T, l *aio.Loop) {
	t.Helper()
	l.Stop()
	matches(t, "RunForever", l.RunForever(), nil)
}

func nop() {}

// bothPaths runs main with the poller, if the system has one, and with connections
// served by goroutines.
func bothPaths(t *testing.T, main func(t *testing.T, ctx context.Context) error) {
	t.Helper()
	for name, goroutines := range map[string]bool{"poller": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) {
			r := aio.Runner{}
			l, err := r.GetLoop()
			if err != nil {
				t.Fatal(err)
			}
			aio.ForceGoroutines(l, goroutines)
			l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
				t.Errorf("reported: %s: %v", ec.Message, ec.Err)
			})
			defer func() { // runs even if main calls t.FailNow
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}()
			if err := r.Run(func(ctx context.Context) error { return main(t, ctx) }); err != nil {
				t.Error(err)
			}
		})
	}
}
