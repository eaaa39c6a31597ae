package aio_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/goaio/aio"
)

func TestMain(m *testing.M) {
	if runtime.GOOS != "js" && signal.Ignored(os.Interrupt) { // by who started the tests in the background
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("runtime.handleEvent")) // of js/wasm
}

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
