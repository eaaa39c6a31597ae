package aio_test

import (
	"context"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// blockHere blocks a loop; the report must contain its name.
func blockHere(release <-chan struct{}) { <-release }

// untilBlockHere calls attempt until it returns true, each time with a longer threshold.
// A watchdog reports a step once: on a busy machine that may be before the step calls
// blockHere.
func untilBlockHere(attempt func(threshold time.Duration) bool) {
	for threshold := 4 * time.Millisecond; !attempt(threshold); threshold *= 2 {
	}
}

func inBlockHere(b aio.BlockedLoop) bool {
	return strings.Contains(b.Stack, "aio_test.blockHere")
}

// Whatever blocks a loop is reported once while it blocks, with the task and the
// position.
func TestWatchdog(t *testing.T) {
	for _, c := range []struct {
		why, task string
		main      func(ctx context.Context, release <-chan struct{}) error
	}{
		{"the main task blocks", "Task-1", func(ctx context.Context, release <-chan struct{}) error {
			blockHere(release)
			return nil
		}},
		{"another task blocks", "culprit", func(ctx context.Context, release <-chan struct{}) error {
			_, err := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
				blockHere(release)
				return nil
			}), aio.WithName("culprit")).Await(ctx)
			return err
		}},
		{"a task blocks after it was suspended", "culprit", func(ctx context.Context, release <-chan struct{}) error {
			_, err := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				err := aio.Sleep(ctx, time.Millisecond)
				blockHere(release)
				return err
			}), aio.WithName("culprit")).Await(ctx)
			return err
		}},
		{"a task that was started eagerly blocks", "culprit", func(ctx context.Context, release <-chan struct{}) error {
			aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
				blockHere(release)
				return nil
			}), aio.WithName("culprit"), aio.WithEagerStart(true))
			return nil
		}},
		{"a callback blocks", "", func(ctx context.Context, release <-chan struct{}) error {
			l, err := aio.GetRunningLoop(ctx)
			if err != nil {
				return err
			}
			l.CallSoon(func() { blockHere(release) })
			return aio.Sleep(ctx, 0)
		}},
	} {
		t.Run(c.why, func(t *testing.T) {
			untilBlockHere(func(threshold time.Duration) bool {
				l := aio.NewEventLoop(nil)
				defer l.Close()
				release := make(chan struct{})
				reports := make(chan aio.BlockedLoop, 10)
				stop := l.StartWatchdog(&aio.WatchdogOptions{Threshold: threshold, Report: func(b aio.BlockedLoop) { reports <- b }})
				done := make(chan error)
				go func() {
					_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error { return c.main(ctx, release) }))
					done <- err
				}()
				b := <-reports
				close(release)
				if err := <-done; err != nil {
					t.Error(err)
				}
				stop()
				stop()
				if !inBlockHere(b) {
					return false
				}
				if b.Task != c.task || !strings.Contains(b.String(), "observe_watchdog_test.go:") || b.Loop != l || b.For <= 0 {
					t.Errorf("report: %+v", b)
				}
				return true
			})
		})
	}
}

// A watchdog that is started while tasks run reports their names, even that of a task
// that began before the watchdog, or that has set other profiling labels.
func TestWatchdogStartedInTask(t *testing.T) {
	for why, main := range map[string]func(ctx context.Context, watch func(), release <-chan struct{}) error{
		"the task itself": func(ctx context.Context, watch func(), release <-chan struct{}) error {
			return await(ctx, aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
				watch()
				blockHere(release)
				return nil
			}), aio.WithName("culprit")))
		},
		"the task itself, which awaits": func(ctx context.Context, watch func(), release <-chan struct{}) error {
			return await(ctx, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				watch()
				err := aio.Sleep(ctx, time.Millisecond)
				blockHere(release)
				return err
			}), aio.WithName("culprit")))
		},
		"a task that began before": func(ctx context.Context, watch func(), release <-chan struct{}) error {
			f := aio.CreateFuture[struct{}](ctx)
			culprit := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				_, err := f.Await(ctx)
				blockHere(release)
				return err
			}), aio.WithName("culprit"))
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			watch()
			f.SetResult(struct{}{})
			return await(ctx, culprit)
		},
		"a task that has started another one eagerly": func(ctx context.Context, watch func(), release <-chan struct{}) error {
			return await(ctx, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				watch()
				other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, 0) }),
					aio.WithName("other"), aio.WithEagerStart(true))
				blockHere(release)
				return await(ctx, other)
			}), aio.WithName("culprit")))
		},
		"a task with labels of its own": func(ctx context.Context, watch func(), release <-chan struct{}) error {
			watch()
			return await(ctx, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				pprof.Do(ctx, pprof.Labels("mine", "set"), func(context.Context) { blockHere(release) })
				return nil
			}), aio.WithName("culprit")))
		},
	} {
		t.Run(why, func(t *testing.T) {
			untilBlockHere(func(threshold time.Duration) bool {
				l := aio.NewEventLoop(nil)
				defer l.Close()
				release := make(chan struct{})
				reports := make(chan aio.BlockedLoop, 10)
				stop := func() {}
				watch := func() {
					stop = l.StartWatchdog(&aio.WatchdogOptions{Threshold: threshold, Report: func(b aio.BlockedLoop) { reports <- b }})
				}
				done := make(chan error)
				go func() {
					_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error { return main(ctx, watch, release) }))
					done <- err
				}()
				b := <-reports
				close(release)
				if err := <-done; err != nil {
					t.Error(err)
				}
				stop()
				if !inBlockHere(b) {
					return false
				}
				if b.Task != "culprit" {
					t.Errorf("the watchdog reports %q", b.Task)
				}
				return true
			})
		})
	}
}

// With several loops, each watchdog reports the task of its own loop.
func TestWatchdogOfSeveralLoops(t *testing.T) {
	untilBlockHere(func(threshold time.Duration) bool {
		release := make(chan struct{})
		done := make(chan error)
		reports := map[string]chan aio.BlockedLoop{}
		for _, name := range []string{"one", "two", "three"} {
			reported := make(chan aio.BlockedLoop, 10)
			reports[name] = reported
			l := aio.NewEventLoop(nil)
			stop := l.StartWatchdog(&aio.WatchdogOptions{Threshold: threshold, Report: func(b aio.BlockedLoop) { reported <- b }})
			go func() {
				defer l.Close()
				defer stop()
				_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
					_, err := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
						blockHere(release)
						return nil
					}), aio.WithName(name)).Await(ctx)
					return err
				}))
				done <- err
			}()
		}
		found := true
		for name, reported := range reports {
			b := <-reported
			if !inBlockHere(b) {
				found = false
			} else if b.Task != name {
				t.Errorf("the watchdog of the loop of %q reports %q", name, b.Task)
			}
		}
		close(release)
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		return found
	})
}

// A watchdog stops with its loop.
func TestWatchdogEndsWithItsLoop(t *testing.T) {
	l := aio.NewEventLoop(nil)
	stop := l.StartWatchdog(&aio.WatchdogOptions{Threshold: time.Millisecond})
	l.Close()
	stop()
}
