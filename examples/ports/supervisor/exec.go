//go:build unix

package supervisor

import (
	"cmp"
	"context"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/goaio/aio"
)

// executor starts real processes. The logs of a process stay open from one life to the
// next.
type executor struct{ logs map[string]*logFile } // by path

// child is a real process.
//
// Its group has a guard, which is the leader and only waits. The id of the group is that
// of the guard, which is reaped last, so a signal never reaches a group that has the id
// by chance. If the supervisor is killed, the guard reads EOF and kills the group.
type child struct {
	guard *aio.Process
	proc  *aio.Process
	// tasks that copy the output of the process to the logs
	copies []*aio.Task[struct{}]
	closed bool
}

// guardScript ignores the signals that are sent to the group, prints a line when it is
// ready, and waits for EOF.
const guardScript = "trap '' TERM INT HUP QUIT USR1 USR2; echo; read line; kill -KILL 0"

// Start implements Spawner. If it is cancelled, it leaves no process.
func (e *executor) Start(ctx context.Context, _ string, p *Program) (_ Child, err error) {
	stdout, err := e.log(p.Stdout)
	if err != nil {
		return nil, err
	}
	stderr, err := e.log(p.Stderr)
	if err != nil {
		return nil, err
	}
	guard, err := aio.CreateSubprocessShell(ctx, guardScript, &aio.SubprocessOptions{Stdin: aio.PIPE, Stdout: aio.PIPE, Group: true})
	if err != nil {
		return nil, err
	}
	c := &child{guard: guard}
	defer func() {
		if err != nil {
			err = cmp.Or(err, c.Close(ctx))
		}
	}()
	if _, err := guard.Stdout.ReadLine(ctx); err != nil {
		return nil, err
	}
	opts := &aio.SubprocessOptions{
		Stdin: aio.DEVNULL, Stdout: redirect(stdout), Stderr: redirect(stderr), Dir: p.Directory,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pgid: guard.PID},
	}
	if p.Redirect {
		opts.Stderr = aio.STDOUT
	}
	if len(p.Environment) > 0 {
		opts.Env = append(os.Environ(), p.Environment...)
	}
	if c.proc, err = aio.CreateSubprocessExec(ctx, p.Command[0], p.Command[1:], opts); err != nil {
		return nil, err
	}
	for _, out := range []struct {
		from *aio.StreamReader
		to   *logFile
	}{{c.proc.Stdout, stdout}, {c.proc.Stderr, stderr}} {
		if out.from != nil {
			c.copies = append(c.copies, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				return copyLog(ctx, out.to, out.from)
			}), aio.WithName("log "+out.to.config.Path)))
		}
	}
	return c, nil
}

// redirect returns the option for an output with that log.
func redirect(l *logFile) aio.Redirect {
	if l == nil {
		return aio.DEVNULL
	}
	return aio.PIPE
}

// log returns the log with these settings, nil if there is none.
func (e *executor) log(c LogConfig) (*logFile, error) {
	if c.Path == "" {
		return nil, nil
	}
	if l := e.logs[c.Path]; l != nil {
		l.config = c
		return l, nil
	}
	l, err := openLog(c)
	if err == nil {
		e.logs[c.Path] = l
	}
	return l, err
}

// copyLog copies output until EOF. It continues after a write that fails: the process
// must not block because a disk is full.
func copyLog(ctx context.Context, to *logFile, from *aio.StreamReader) error {
	for {
		p, err := from.Read(ctx, 32<<10)
		if err != nil || len(p) == 0 {
			return err
		}
		_, _ = to.Write(p)
	}
}

// PID implements Child.
func (c *child) PID() int { return c.proc.PID }

// Wait implements Child.
func (c *child) Wait(ctx context.Context) (int, error) { return c.proc.Wait(ctx) }

// Signal implements Child.
func (c *child) Signal(sig syscall.Signal, group bool) {
	if group {
		_ = c.guard.SendSignal(sig)
	} else {
		_ = c.proc.SendSignal(sig)
	}
}

// grace is how long the output may be open after all processes of the group were killed.
// Processes that have left the group may hold it open for ever.
const grace = time.Second

// Close implements Child.
func (c *child) Close(ctx context.Context) error {
	if c.closed {
		return nil
	}
	c.closed = true
	// The guard is in the group, and the process too, so both end at once. A
	// cancellation must not leave a process that is not reaped.
	return aio.Shielded(ctx, func(ctx context.Context) error {
		_ = c.guard.Kill()
		_, err := c.guard.Wait(ctx)
		if c.proc != nil {
			_, again := c.proc.Wait(ctx)
			err = cmp.Or(err, again)
		}
		copies := slices.Clone(c.copies)
		if len(copies) > 0 {
			_, _, again := aio.Wait(ctx, copies, grace, aio.AllCompleted)
			err = cmp.Or(err, again, aio.CancelAndWait(ctx, copies...))
		}
		if c.proc != nil {
			c.proc.Transport().Close()
		}
		c.guard.Transport().Close()
		return err
	})
}
