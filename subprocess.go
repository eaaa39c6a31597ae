package aio

// Child processes as programs see them: with streams for their pipes. See
// subprocess_transport.go for what is below.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// ErrOutputLimit says that a process wrote more than SubprocessOptions.MaxOutput, and was
// killed for it.
var ErrOutputLimit = errors.New("aio: the process has written more than its limit")

// Redirect is where a standard stream of a child process leads.
type Redirect int

const (
	// PIPE is a pipe to this process. (asyncio: subprocess.PIPE)
	PIPE Redirect = iota + 1
	// STDOUT, for Stderr, is the same place as Stdout. (asyncio: subprocess.STDOUT)
	STDOUT
	// DEVNULL is the null device. (asyncio: subprocess.DEVNULL)
	DEVNULL
)

// SubprocessOptions are the settings of a process that is to be started. The zero value
// has the defaults.
type SubprocessOptions struct {
	// Stdin, Stdout and Stderr are the standard streams of the process: a Redirect,
	// an *os.File, or the number of a descriptor (int or uintptr; not on Windows).
	// Files and descriptors stay the caller's. For nil CreateSubprocessExec and
	// CreateSubprocessShell let the process have this one's streams, SubprocessExec
	// and SubprocessShell make a PIPE; with os.Stdin, os.Stdout and os.Stderr they
	// too hand on this one's.
	Stdin, Stdout, Stderr any
	// Dir is the process's working directory; empty is this one's. (Python: cwd)
	Dir string
	// Env is its environment, as "name=value"; nil is this one's. (Python: env)
	Env []string
	// ExtraFiles are its descriptors from 3 on. (Python: pass_fds)
	ExtraFiles []*os.File
	// SysProcAttr has what else the system can do, such as credentials, sessions and
	// process groups. It is not changed. (Python: start_new_session, process_group,
	// user, group, umask)
	SysProcAttr *syscall.SysProcAttr
	// Group has the process lead a process group of its own. SendSignal, Terminate,
	// Kill and Close then reach all of it, also what the process has started, but not
	// after the process itself has ended. What Context has ended leaves nothing of
	// the group behind. Not on Windows.
	Group bool
	// Context, if it is not nil, ties the process to it: when it ends, the process is
	// terminated, and killed if it has not ended after GracePeriod. If the loop is
	// closed before, the process is killed at once. With the ctx of a task it ends
	// with the task, and is terminated when the task is cancelled.
	Context context.Context
	// GracePeriod is zero for 5 s, and negative to kill at once.
	GracePeriod time.Duration
	// Limit is that of the StreamReaders of a Process, see NewStreamReader. (asyncio:
	// limit)
	Limit int
	// MaxOutput is how many bytes Process.Communicate takes from each of Stdout and
	// Stderr; zero is no limit.
	MaxOutput int
}

// SubprocessExec starts program with args, and returns its transport and the protocol
// that factory has made. program is looked for in PATH if it has no slash. opts may be
// nil; Limit and MaxOutput are not for it. What the pipes and the process do is told to
// the protocol in this order: ConnectionMade, before SubprocessExec returns; for each
// pipe any number of PipeDataReceived and one PipeConnectionLost, whose error is nil at a
// regular end; ProcessExited, at any time among them; and ConnectionLost(nil) when all of
// them were told. The pipe to the child's standard input is lost when it was closed on
// either side.
//
// It suspends the calling task until the pipes are connected. If the task is cancelled
// meanwhile, the process is killed, and waited for. If the process cannot be started the
// error is what os/exec says. Options that contradict each other, and a value of factory
// that is no Protocol, give an error that matches ErrUsage. (asyncio:
// loop.subprocess_exec)
func SubprocessExec[P any](ctx context.Context, factory func() P, program string, args []string, opts *SubprocessOptions) (SubprocessTransport, P, error) {
	return subprocessExec(ctx, "SubprocessExec", factory, exec.Command(program, args...), opts)
}

// SubprocessShell is SubprocessExec for a command of the shell: /bin/sh -c, on Windows
// cmd.exe /c. Who has a say in the text of the command can run what they like;
// SubprocessExec is safe there. (asyncio: loop.subprocess_shell)
func SubprocessShell[P any](ctx context.Context, factory func() P, command string, opts *SubprocessOptions) (SubprocessTransport, P, error) {
	return subprocessExec(ctx, "SubprocessShell", factory, shellCommand(command), opts)
}

func subprocessExec[P any](ctx context.Context, call string, factory func() P, cmd *exec.Cmd, opts *SubprocessOptions) (SubprocessTransport, P, error) {
	var zero P
	c, err := enter(ctx, call)
	if err != nil {
		return nil, zero, err
	}
	var o SubprocessOptions
	if opts != nil {
		o = *opts
	}
	for _, s := range []*any{&o.Stdin, &o.Stdout, &o.Stderr} {
		if *s == nil {
			*s = PIPE
		}
	}
	if o.Limit != 0 || o.MaxOutput != 0 {
		return nil, zero, usagef(call, "Limit and MaxOutput are for CreateSubprocessExec and CreateSubprocessShell")
	}
	if err := o.check(call); err != nil {
		return nil, zero, err
	}
	p := factory()
	t, err := c.startProcess(ctx, call, p, cmd, &o)
	if err != nil {
		return nil, zero, err
	}
	return t, p, nil
}

// check says what is wrong with the options.
func (o *SubprocessOptions) check(call string) error {
	switch {
	case o.Stdin == STDOUT || o.Stdout == STDOUT:
		return usagef(call, "STDOUT is for Stderr")
	case o.Limit < 0:
		return usagef(call, "the limit is negative")
	case o.MaxOutput < 0:
		return usagef(call, "MaxOutput is negative")
	case o.GracePeriod != 0 && o.Context == nil:
		return usagef(call, "a GracePeriod needs a Context")
	}
	return nil
}

// Process is a child process. Its fields are for reading.
//
// The methods that do not take a ctx never await, and panic with ErrWrongGoroutine if the
// caller does not hold the token. A Process that is forgotten is still waited for, so it
// leaves no zombie, but it is not ended: see SubprocessOptions.Context. (asyncio:
// asyncio.subprocess.Process)
type Process struct {
	// PID is the process's id.
	PID int
	// Stdin writes to the process's standard input, if that is a PIPE; it is nil
	// otherwise. Its Drain and WaitClosed fail with syscall.EPIPE or
	// ErrConnectionLost when the process does not read any more.
	Stdin *StreamWriter
	// Stdout and Stderr read what the process writes, if they are a PIPE; they are
	// nil otherwise. What nobody reads fills the pipe one day, and then the process
	// waits.
	Stdout, Stderr *StreamReader

	transport *subprocess
	maxOutput int
}

// CreateSubprocessExec starts program with args and returns a Process to deal with it.
// program is looked for in PATH if it has no slash. opts may be nil: then the process has
// this one's standard streams.
//
// It suspends the calling task until the pipes are connected. If the task is cancelled
// meanwhile, the process is killed, and waited for. If the process cannot be started the
// error is what os/exec says. Options that contradict each other give an error that
// matches ErrUsage. (asyncio: create_subprocess_exec)
func CreateSubprocessExec(ctx context.Context, program string, args []string, opts *SubprocessOptions) (*Process, error) {
	return createSubprocess(ctx, "CreateSubprocessExec", exec.Command(program, args...), opts)
}

// CreateSubprocessShell is CreateSubprocessExec for a command of the shell: /bin/sh -c,
// on Windows cmd.exe /c. Who has a say in the text of the command can run what they like;
// CreateSubprocessExec is safe there. (asyncio: create_subprocess_shell)
func CreateSubprocessShell(ctx context.Context, command string, opts *SubprocessOptions) (*Process, error) {
	return createSubprocess(ctx, "CreateSubprocessShell", shellCommand(command), opts)
}

func createSubprocess(ctx context.Context, call string, cmd *exec.Cmd, opts *SubprocessOptions) (*Process, error) {
	c, err := enter(ctx, call)
	if err != nil {
		return nil, err
	}
	if opts == nil {
		opts = &SubprocessOptions{}
	}
	if err := opts.check(call); err != nil {
		return nil, err
	}
	p := &processStreams{gate: writeGate{bound: bound{loop: c.fut.loop}}, limit: opts.Limit}
	t, err := c.startProcess(ctx, call, p, cmd, opts)
	if err != nil {
		return nil, err
	}
	return &Process{
		PID:       t.pid,
		Stdin:     p.stdin,
		Stdout:    p.readers[1],
		Stderr:    p.readers[2],
		transport: t,
		maxOutput: opts.MaxOutput,
	}, nil
}

// Transport returns the transport below. Its Close closes what is left of the pipes, and
// kills the process if it runs.
func (p *Process) Transport() SubprocessTransport { return p.transport }

// Returncode returns how the process has ended: its exit status, or -N if signal N killed
// it. ok is false while it runs, as far as the loop knows. (asyncio: Process.returncode)
func (p *Process) Returncode() (code int, ok bool) { return p.transport.GetReturncode() }

// SendSignal, Terminate and Kill are those of SubprocessTransport.
// (asyncio: Process.send_signal, terminate, kill)
func (p *Process) SendSignal(sig os.Signal) error { return p.transport.SendSignal(sig) }

// Terminate asks the process to end, by SIGTERM; on Windows it is Kill.
func (p *Process) Terminate() error { return p.transport.Terminate() }

// Kill ends the process, by SIGKILL.
func (p *Process) Kill() error { return p.transport.Kill() }

// Wait suspends the calling task until the process has ended, and returns its code as
// Returncode does; if it has, it does not suspend. It does not wait for the pipes, nor
// read from them: a process that writes more than a pipe holds does not end before
// somebody reads it. If it is cancelled the process goes on. The error is one of those of
// Future.Await. (asyncio: Process.wait)
func (p *Process) Wait(ctx context.Context) (int, error) {
	const call = "Process.Wait"
	e, err := p.enter(ctx, call)
	if err != nil {
		return 0, err
	}
	return p.transport.wait(e, call)
}

// enter is enter for a method of the process.
func (p *Process) enter(ctx context.Context, call string) (caller, error) {
	c, err := enter(ctx, call)
	if err == nil && c.fut.loop != p.transport.loop {
		err = &callError{call, ErrOtherLoop}
	}
	return c, err
}

// inputPiece is how much of the input Communicate has in the write buffer at a time.
const inputPiece = 256 << 10

// Communicate writes input to the process's standard input and closes it, reads its
// standard output and error to their end, and waits for the process, all at once. What is
// no PIPE is left alone: input is dropped then, and the result is nil, where it is not
// nil but empty if the process has written nothing. That the process does not read all of
// its input is no error.
//
// The end of the output may come long after that of the process, if that has left others
// behind who have its pipes. If the calling task is cancelled, what was read until then
// is lost, and the process goes on: kill it and Wait, or have it tied to a context.
//
// With MaxOutput, a process that writes more is killed; the error is ErrOutputLimit then,
// and what was read is returned as far as the limit. The other errors are those of
// Future.Await and of reading. (asyncio: Process.communicate)
func (p *Process) Communicate(ctx context.Context, input []byte) (stdout, stderr []byte, err error) {
	if _, err := p.enter(ctx, "Process.Communicate"); err != nil {
		return nil, nil, err
	}
	tooMuch := false
	collect := func(fd int, r *StreamReader) Coro[[]byte] {
		return func(ctx context.Context) ([]byte, error) {
			if r == nil {
				return nil, nil
			}
			out := limitedBuffer{max: p.maxOutput}
			_, err := r.Reader(ctx).(io.WriterTo).WriteTo(&out)
			switch {
			case err == ErrOutputLimit:
				tooMuch = true
				p.abandon()
			case err != nil:
				return nil, err
			}
			p.transport.pipes[fd].transport.Close()
			if out.Len() == 0 {
				return []byte{}, nil
			}
			return out.Bytes(), nil
		}
	}
	feed := Coro[[]byte](func(ctx context.Context) ([]byte, error) { return nil, p.feed(ctx, input) })
	got, err := Gather[[]byte](ctx, feed, collect(1, p.Stdout), collect(2, p.Stderr)).Await(ctx)
	if err != nil {
		return nil, nil, err
	}
	if _, err := p.Wait(ctx); err != nil {
		return nil, nil, err
	}
	if tooMuch {
		err = ErrOutputLimit
	}
	return got[1], got[2], err
}

// feed writes input to the process's standard input, and closes that. A piece at a time
// will do: a copy of all the rest would be no use to anybody.
func (p *Process) feed(ctx context.Context, input []byte) error {
	if p.Stdin == nil {
		return nil
	}
	for {
		n := min(len(input), inputPiece)
		_, lost := p.Stdin.Write(input[:n])
		// also if it is lost: then the other tasks have their turn
		err := p.Stdin.Drain(ctx)
		if err == nil {
			err = lost
		}
		input = input[n:]
		if err != nil && !isBrokenPipe(err) {
			return err
		}
		if err != nil || len(input) == 0 {
			return p.Stdin.Close()
		}
	}
}

// isBrokenPipe reports whether err says that nobody reads from a pipe any more.
func isBrokenPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)
}

// limitedBuffer takes up to max bytes, any number if that is zero.
type limitedBuffer struct {
	bytes.Buffer
	max int
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if left := b.max - b.Len(); b.max > 0 && len(p) > left {
		n, _ := b.Buffer.Write(p[:left])
		return n, ErrOutputLimit
	}
	return b.Buffer.Write(p)
}

// abandon ends everything: the process, and the pipes that others might hold open.
func (p *Process) abandon() {
	if p.Stdin != nil {
		p.Stdin.Transport().Abort()
	}
	p.transport.close()
}

// String names the process.
func (p *Process) String() string { return fmt.Sprintf("Process %d", p.PID) }

// processStreams is the protocol that feeds the streams of a Process.
// (asyncio: SubprocessStreamProtocol)
type processStreams struct {
	gate      writeGate // of stdin
	limit     int
	transport SubprocessTransport
	stdin     *StreamWriter
	readers   [3]*StreamReader
	open      int // pipes of readers that are not lost
	exited    bool
}

// ConnectionMade implements Protocol.
func (p *processStreams) ConnectionMade(t SubprocessTransport) {
	p.transport = t
	for fd := 1; fd <= 2; fd++ {
		if pipe := t.GetPipeTransport(fd); pipe != nil {
			p.readers[fd] = p.gate.loop.newStreamReader(p.limit)
			p.readers[fd].SetTransport(pipe)
			p.open++
		}
	}
	if pipe, ok := t.GetPipeTransport(0).(WriteTransport); ok {
		p.stdin = &StreamWriter{transport: pipe, gate: &p.gate}
	}
}

// PipeDataReceived implements Protocol.
func (p *processStreams) PipeDataReceived(fd int, b []byte) { p.readers[fd].FeedData(b) }

// PipeConnectionLost implements Protocol.
func (p *processStreams) PipeConnectionLost(fd int, err error) {
	if fd == 0 {
		p.gate.lose(err)
		return
	}
	if err == nil {
		p.readers[fd].feedEOF()
	} else {
		p.readers[fd].fail(err)
	}
	p.open--
	p.maybeClose()
}

// ProcessExited implements Protocol.
func (p *processStreams) ProcessExited() {
	p.exited = true
	p.maybeClose()
}

// maybeClose closes the pipe to standard input if there is nothing else left.
func (p *processStreams) maybeClose() {
	if p.open == 0 && p.exited {
		p.transport.Close()
	}
}

// PauseWriting implements Protocol.
func (p *processStreams) PauseWriting() { p.gate.paused = true }

// ResumeWriting implements Protocol.
func (p *processStreams) ResumeWriting() { p.gate.resume() }
