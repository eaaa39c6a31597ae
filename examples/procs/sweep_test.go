//go:build unix

package main

// The pool with simulated processes, under explored schedules and with an interrupt at
// every moment.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

// fake is a simulated process: it runs for some time, or until it is asked to end.
type fake struct{ asked aio.Event }

func (f *fake) terminate() { f.asked.Set() }

// pretend runs five commands, two at a time. The third one fails; the fifth one ignores
// SIGTERM.
func pretend(out *os.File, failFast bool, do func(ctx context.Context, fn func(ctx context.Context) error) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		p := newPool(options{n: 2, failFast: failFast, grace: 50 * time.Millisecond, lines: []string{"a", "b", "fails", "d", "deaf"}}, out, out)
		p.screen.writer = aiotest.VirtualExecutor(ctx, 1)
		live := 0
		p.runOne = func(ctx context.Context, c *command) (code int, ended bool, err error) {
			if err := p.screen.print(ctx, p.screen.stdout, p.withNumber(c, "$", []byte(c.line))); err != nil {
				return 0, false, err
			}
			if p.stopping {
				return 0, false, nil
			}
			f := &fake{}
			c.group = f
			live++
			defer func() { live-- }()
			for range 3 {
				if f.asked.IsSet() && c.line != "deaf" {
					return -int(syscall.SIGTERM), true, nil
				}
				if err := aio.Sleep(ctx, 7*time.Millisecond); err != nil {
					return -int(syscall.SIGKILL), true, err
				}
				if err := p.screen.print(ctx, p.screen.stdout, p.withNumber(c, "|", []byte("output"))); err != nil {
					return -int(syscall.SIGKILL), true, err
				}
			}
			if c.line == "fails" {
				return 3, true, nil
			}
			return 0, true, nil
		}
		err := do(ctx, p.run)
		if err != nil && !errors.Is(err, aio.ErrCancelled) {
			return fmt.Errorf("run: %w", err)
		}
		if errors.Is(err, aio.ErrCancelled) && live > 0 && failFast {
			// The pool was already stopping, so the cancelled run returned
			// at once. Like the end of a loop, cancel the remaining tasks.
			for _, task := range aio.AllTasks(ctx) {
				if task != aio.CurrentTask(ctx) {
					task.Cancel()
				}
			}
			if err := aio.Sleep(ctx, time.Second); err != nil {
				return err
			}
		}
		if live > 0 || len(p.running) > 0 {
			return fmt.Errorf("%d processes remain, of %d commands", live, len(p.running))
		}
		switch {
		case p.done+p.failed+p.stopped > len(p.lines):
			return fmt.Errorf("%d done, %d failed, %d stopped", p.done, p.failed, p.stopped)
		case err == nil && !failFast && (p.done != 4 || p.failed != 1 || p.status != 3):
			return fmt.Errorf("%s, status %d", p.summary(), p.status)
		case err == nil && failFast && (p.failed != 1 || p.status != 3):
			return fmt.Errorf("with -fail-fast: %s, status %d", p.summary(), p.status)
		}
		return nil
	}
}

func TestSweep(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	schedules, runs := stage.Amount(2, 5, 50), stage.Amount(40, 100, 1000)
	for _, failFast := range []bool{false, true} {
		r := aiotest.CancelEverywhere(t, aiotest.Sweep{Schedules: schedules}, func(ctx context.Context, c *aiotest.Cancelled) error {
			return pretend(out, failFast, c.Do)(ctx)
		})
		explored := 0
		for _, mode := range []aiotest.Mode{aiotest.Environment, aiotest.AnyOrder} {
			e := aiotest.Explore(t, aiotest.Exploration{Runs: runs, Mode: mode},
				pretend(out, failFast, func(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) }))
			explored += e.Runs
		}
		t.Logf("-fail-fast %v: %d moments, %d schedules", failFast, r.Moments, explored)
		if r.Moments < 100*schedules {
			t.Errorf("only %d moments", r.Moments)
		}
	}
	text, err := os.ReadFile(out.Name())
	if err != nil || !bytes.Contains(text, []byte("3 = exit status 3")) {
		t.Errorf("the output does not contain the result of the third command: %v", err)
	}
}
