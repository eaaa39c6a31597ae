//go:build unix

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/goaio/aio"
)

// maxLine is the maximum length of a line of output. A longer line is printed in
// pieces.
const maxLine = 64 << 10

// command is a command that has been started.
type command struct {
	number int
	line   string
	since  time.Time
	group  terminator // nil until the process exists
}

// terminator asks the processes of a command to exit.
type terminator interface{ terminate() }

// pool runs commands. Its tasks share the fields without a lock.
type pool struct {
	options
	screen                *screen
	next                  int        // index in lines of the next command
	running               []*command // in the order of their start
	done, failed, stopped int
	runOne                func(ctx context.Context, c *command) (code int, ended bool, err error)
	status                int // exit status of the first command that failed

	stopping bool // no more commands are started
	// Done when the commands are to be stopped. Its error is nil for -fail-fast.
	enough *aio.Future[error]
}

func newPool(o options, stdout, stderr *os.File) *pool {
	p := &pool{options: o}
	p.runOne = p.runInProcessGroup
	p.screen = &screen{
		stdout: stdout,
		stderr: stderr,
		status: p.progress,
		fail:   p.fail,
		writer: aio.NewThreadPoolExecutor(1),
	}
	return p
}

// run returns when all commands have ended, successfully or not. If run is cancelled,
// it stops the commands. If it is cancelled a second time, it returns at once. Then the
// end of the loop cancels the tasks of the commands, and these tasks kill the processes
// that are left.
func (p *pool) run(ctx context.Context) error {
	p.enough = aio.CreateFuture[error](ctx)
	all := aio.CreateTask(ctx, aio.NoResult(p.runAll))
	_, _, err := aio.Wait(ctx, []aio.AnyFuture{all, p.enough}, aio.NoTimeout, aio.FirstCompleted)
	if !all.Done() {
		p.stop(ctx, err)
		if _, _, again := aio.Wait(ctx, []aio.AnyFuture{all}, p.grace, aio.AllCompleted); again != nil {
			return again
		}
		all.Cancel()
	}
	if _, _, again := aio.Wait(ctx, []aio.AnyFuture{all}, aio.NoTimeout, aio.AllCompleted); again != nil {
		return again
	}
	again := p.screen.close(ctx, p.summary())
	if err == nil && p.enough.Done() {
		err, _ = p.enough.Result()
	}
	return cmp.Or(again, err)
}

// stop asks all running commands to end. cause contains the signal, if a signal is the
// reason.
func (p *pool) stop(ctx context.Context, cause error) {
	p.stopping = true
	for _, c := range p.running {
		if c.group != nil {
			c.group.terminate()
		}
	}
	if sig := (*aio.SignalError)(nil); errors.As(cause, &sig) {
		// Waiting for the write could take longer than the grace period.
		p.screen.post(ctx, p.screen.stderr, fmt.Appendf(nil, "procs: %v: stopping, once more kills\n", sig.Signal))
	}
}

// fail makes run stop the commands.
func (p *pool) fail(err error) {
	if !p.enough.Done() {
		p.enough.SetResult(err)
	}
}

// runAll runs the commands with several workers.
func (p *pool) runAll(ctx context.Context) error {
	ticks := aio.CreateTask(ctx, aio.NoResult(p.screen.refresh))
	defer ticks.Cancel()
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for range min(p.n, len(p.lines)) {
			tg.Go(p.work)
		}
		return nil
	})
}

// work runs one command after another, until none is left or it is cancelled.
func (p *pool) work(ctx context.Context) error {
	for p.next < len(p.lines) && !p.stopping {
		c := &command{number: p.next + 1, line: p.lines[p.next], since: time.Now()}
		p.next++
		err := p.runCommand(ctx, c)
		switch {
		case errors.Is(err, aio.ErrCancelled):
			return err
		case err != nil:
			p.fail(fmt.Errorf("command %d: %w", c.number, err))
		}
	}
	return nil
}

// runCommand runs a command. It fails if it is cancelled or the command cannot be
// started, but not if the command fails.
func (p *pool) runCommand(ctx context.Context, c *command) error {
	p.running = append(p.running, c)
	code, ended, err := p.runOne(ctx, c)
	p.running = slices.DeleteFunc(p.running, func(r *command) bool { return r == c })
	if ended {
		text := p.withNumber(c, "=", []byte(p.outcome(c, code)))
		if err == nil {
			return p.screen.print(ctx, p.screen.stdout, text)
		}
		// After a cancellation do not wait for the output, which may block.
		p.screen.post(ctx, p.screen.stdout, text)
	}
	return err
}

// runInProcessGroup starts a command and waits until all its processes have ended.
// ended reports whether the command has an exit status; it is false if the pool was
// already stopping.
func (p *pool) runInProcessGroup(ctx context.Context, c *command) (code int, ended bool, err error) {
	text := p.withNumber(c, "$", []byte(oneLine(c.line)))
	if err := p.screen.print(ctx, p.screen.stdout, text); err != nil {
		return 0, false, err
	}
	g, err := newGroup(ctx)
	if err != nil {
		return 0, false, err
	}
	defer g.kill(ctx)
	if p.stopping {
		return 0, false, nil
	}
	c.group = g
	proc, err := aio.CreateSubprocessShell(ctx, c.line, &aio.SubprocessOptions{
		Stdin:       aio.DEVNULL,
		Stdout:      aio.PIPE,
		Stderr:      aio.PIPE,
		SysProcAttr: g.member(),
	})
	if err != nil {
		return 0, false, err
	}
	_, err = aio.Gather(ctx,
		p.copyLines(c, p.screen.stdout, proc.Stdout),
		p.copyLines(c, p.screen.stderr, proc.Stderr),
	).Await(ctx)
	if err == nil {
		_, err = proc.Wait(ctx)
	}
	if err != nil { // cancelled
		proc.Transport().Close() // kills the shell even if it has left the group
		// A cancellation that arrives here is delivered by a later await.
		_ = aio.Shielded(ctx, func(ctx context.Context) error {
			_, err := proc.Wait(ctx)
			return err
		})
	}
	code, ended = proc.Returncode()
	return code, ended, err
}

// copyLines prints the output of a command, all available complete lines at a time.
func (p *pool) copyLines(c *command, to *os.File, from *aio.StreamReader) aio.Coro[struct{}] {
	return aio.NoResult(func(ctx context.Context) error {
		var text []byte // not printed yet
		for {
			b, err := from.Read(ctx, maxLine)
			if err != nil {
				return err
			}
			text = append(text, b...)
			n := bytes.LastIndexByte(text, '\n') + 1
			if atEnd := len(b) == 0; atEnd || len(text)-n >= maxLine {
				n = len(text)
			}
			if n > 0 {
				err = p.screen.print(ctx, to, p.withNumber(c, "|", text[:n]))
			}
			if err != nil || len(b) == 0 {
				return err
			}
			text = text[n:]
		}
	})
}

// withNumber puts a command's number and a mark in front of each line.
func (p *pool) withNumber(c *command, mark string, text []byte) (b []byte) {
	prefix := fmt.Appendf(nil, "%*d %s ", p.digits(), c.number, mark)
	for line := range bytes.Lines(text) {
		b = append(append(append(b, prefix...), bytes.TrimRight(line, "\r\n")...), '\n')
	}
	return b
}

// outcome counts a command that has exited with code, and describes its result.
func (p *pool) outcome(c *command, code int) string {
	how, status := "done", code
	switch {
	case code < 0:
		how, status = fmt.Sprintf("killed by signal %d (%v)", -code, syscall.Signal(-code)), exitSignal-code
	case code > 0:
		how = fmt.Sprintf("exit status %d", code)
	}
	switch {
	case code == 0:
		p.done++
	case p.stopping:
		p.stopped++
	default:
		p.failed++
		p.status = cmp.Or(p.status, status)
		if p.failFast {
			p.fail(nil)
		}
	}
	return fmt.Sprintf("%s, %v", how, time.Since(c.since).Round(time.Second/10))
}

// progress returns up to n lines about the running commands; the last line is about all
// commands.
func (p *pool) progress(n int) (lines []string) {
	for _, c := range p.running[:min(n-1, len(p.running))] {
		lines = append(lines, fmt.Sprintf("%*d %4v  %s", p.digits(), c.number,
			time.Since(c.since).Truncate(time.Second), oneLine(c.line)))
	}
	return append(lines, fmt.Sprintf("%d running, %d done, %d failed, %d waiting",
		len(p.running), p.done, p.failed, len(p.lines)-len(p.running)-p.done-p.failed-p.stopped))
}

// summary describes the results of all commands.
func (p *pool) summary() string {
	s := fmt.Sprintf("%d done, %d failed", p.done, p.failed)
	if p.stopped > 0 {
		s += fmt.Sprintf(", %d stopped", p.stopped)
	}
	if left := len(p.lines) - p.done - p.failed - p.stopped; left > 0 {
		s += fmt.Sprintf(", %d not run", left)
	}
	return s
}

// digits is the width of the command numbers.
func (p *pool) digits() int { return len(strconv.Itoa(len(p.lines))) }
