package aiotest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

// On js/wasm the runtime itself has a goroutine for events, runtime.handleEvent.
func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

// fakeTB is a testing.TB that may fail without failing the real test.
type fakeTB struct {
	testing.TB
	log    strings.Builder
	failed bool
	ended  string // the method that ended the test early
}

func (f *fakeTB) Helper()      {}
func (f *fakeTB) Failed() bool { return f.failed }
func (f *fakeTB) Logf(format string, args ...any) {
	fmt.Fprintf(&f.log, format+"\n", args...)
}
func (f *fakeTB) Errorf(format string, args ...any) {
	f.failed = true
	fmt.Fprintf(&f.log, format+"\n", args...)
}
func (f *fakeTB) Fatal(args ...any) {
	f.Errorf("%s", fmt.Sprint(args...))
	f.FailNow()
}
func (f *fakeTB) FailNow() { f.failed, f.ended = true, "FailNow"; runtime.Goexit() }
func (f *fakeTB) SkipNow() { f.ended = "SkipNow"; runtime.Goexit() }

// attempt runs main with aiotest.Run in a fake test.
func attempt(t *testing.T, main func(ctx context.Context, tb testing.TB) error) *fakeTB {
	f := &fakeTB{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		aiotest.Run(f, func(ctx context.Context) error { return main(ctx, f) })
	}()
	<-done
	return f
}

func task(ctx context.Context, name string, f func(ctx context.Context) error) *aio.Task[struct{}] {
	return aio.CreateTask(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) }, aio.WithName(name))
}

func TestRunPasses(t *testing.T) {
	f := attempt(t, func(ctx context.Context, _ testing.TB) error {
		worker := task(ctx, "worker", func(ctx context.Context) error { return aio.Sleep(ctx, 1000*time.Hour) })
		_, err := worker.Await(ctx)
		return err
	})
	if f.failed || f.log.Len() > 0 {
		t.Errorf("it failed: %s", f.log.String())
	}
}

func TestRunFails(t *testing.T) {
	failure := errors.New("failure")
	forever := func(ctx context.Context) error { return aio.Sleep(ctx, 1000*time.Hour) }
	for name, c := range map[string]struct {
		main func(ctx context.Context, tb testing.TB) error
		log  []string // texts that the failure must contain
		not  string   // text that the failure must not contain
	}{
		"main fails": {
			main: func(context.Context, testing.TB) error { return failure },
			log:  []string{"main: failure"},
		},
		"main panics": {
			main: func(context.Context, testing.TB) error { panic("oops") },
			log:  []string{"main: aio: panic: oops"},
		},
		"deadlock": {
			main: func(ctx context.Context, _ testing.TB) error {
				f := aio.CreateFuture[int](ctx)
				task(ctx, "stuck", func(ctx context.Context) error { _, err := f.Await(ctx); return err })
				_, err := f.Await(ctx)
				return err
			},
			log: []string{"deadlock: 2 tasks", "Task Task-1 pending, awaiting Future", "Task stuck pending, awaiting Future", "does not wait for goroutines outside of the loop"},
			not: "are left",
		},
		"tasks are left": {
			main: func(ctx context.Context, _ testing.TB) error {
				task(ctx, "left", forever)
				task(ctx, "other", forever)
				return aio.Sleep(ctx, 0)
			},
			log: []string{"2 tasks are left", "Task left pending, awaiting Sleep", "Task other", "aiotest_test.go:"},
		},
		"error that is never retrieved": {
			main: func(ctx context.Context, _ testing.TB) error {
				task(ctx, "loser", func(context.Context) error { return failure })
				return aio.Sleep(ctx, 0)
			},
			log: []string{"task loser: error was never retrieved", "failure"},
		},
		"callback that panics": {
			main: func(ctx context.Context, _ testing.TB) error {
				l, err := aio.GetRunningLoop(ctx)
				if err == nil {
					l.CallSoon(func() { panic(failure) })
					err = aio.Sleep(ctx, 0)
				}
				return err
			},
			log: []string{"exception in callback", "failure"},
		},
		"error while shutting down": {
			main: func(ctx context.Context, _ testing.TB) error {
				task(ctx, "clumsy", func(ctx context.Context) error { _ = forever(ctx); return failure })
				return aio.Sleep(ctx, 0)
			},
			log: []string{"1 tasks are left", "shut down", "clumsy", "failure"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := attempt(t, c.main)
			if !f.failed || f.ended != "" {
				t.Errorf("failed %v, ended early by %q", f.failed, f.ended)
			}
			for _, part := range c.log {
				if !strings.Contains(f.log.String(), part) {
					t.Errorf("the failure does not contain %q:\n%s", part, f.log.String())
				}
			}
			if c.not != "" && strings.Contains(f.log.String(), c.not) {
				t.Errorf("it says %q:\n%s", c.not, f.log.String())
			}
		})
	}
}

// main and any other task may end the test.
func TestRunEndedEarly(t *testing.T) {
	for name, end := range map[string]func(tb testing.TB){
		"FailNow": testing.TB.FailNow,
		"SkipNow": testing.TB.SkipNow,
	} {
		for _, where := range []string{"main", "task", "eager task", "callback"} {
			t.Run(name+" in "+where, func(t *testing.T) {
				if where != "callback" {
				}
				unwound := false
				f := attempt(t, func(ctx context.Context, tb testing.TB) error {
					defer func() { unwound = true }()
					body := func(context.Context) (int, error) { end(tb); return 0, nil }
					switch where {
					case "main":
						end(tb)
					case "callback":
						l, err := aio.GetRunningLoop(ctx)
						if err != nil {
							return err
						}
						l.CallSoon(func() { end(tb) })
					default:
						aio.CreateTask(ctx, body, aio.WithEagerStart(where == "eager task"))
					}
					_ = aio.Sleep(ctx, time.Hour)
					return nil
				})
				if f.ended != name || f.failed != (name == "FailNow") || f.log.Len() > 0 {
					t.Errorf("ended by %q, failed %v: %s", f.ended, f.failed, f.log.String())
				}
				if !unwound {
					t.Error("main was not unwound")
				}
			})
		}
	}
}
