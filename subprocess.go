package aio

// Child processes with streams for their pipes. subprocess_transport.go has the layer
// below.

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

// ErrOutputLimit says that a process wrote more than [SubprocessOptions].MaxOutput, and
// was killed for that reason.
var ErrOutputLimit = errors.New("aio: the process has written more than its limit")

// Redirect is the destination or source of a standard stream of a child process.
type Redirect int

const (
	// PIPE is a pipe to this process. (asyncio: subprocess.PIPE)
	PIPE Redirect = iota + 1
	// STDOUT, for Stderr, redirects to the same place as Stdout. (asyncio:
	// subprocess.STDOUT)
	STDOUT
	// DEVNULL is the null device. (asyncio: subprocess.DEVNULL)
	DEVNULL
)

// SubprocessOptions are the settings of a new process. The zero value has the defaults.
type SubprocessOptions struct {
	// Stdin, Stdout and Stderr are the standard streams of the process: a
	// [Redirect], an [*os.File], or the number of a descriptor (int or uintptr; not
	// on Windows). Files and descriptors still belong to the caller. If nil,
	// [CreateSubprocessExec] and [CreateSubprocessShell] let the process inherit
	// the stream, [SubprocessExec] and [SubprocessShell] make a [PIPE]; pass
	// [os.Stdin], [os.Stdout] or [os.Stderr] to let it inherit the stream there
	// too.
	Stdin, Stdout, Stderr any
	// Dir is the working directory of the process; empty means that of the calling
	// process. (Python: cwd)
	Dir string
	// Env is its environment, as "name=value"; nil means that of the calling
	// process. (Python: env)
	Env []string
	// ExtraFiles become its descriptors from 3 on. (Python: pass_fds)
	ExtraFiles []*os.File
	// SysProcAttr has system-specific settings, such as credentials, sessions and
	// process groups. It is not modified. (Python: start_new_session,
	// process_group, user, group, umask)
	SysProcAttr *syscall.SysProcAttr
	// Group makes the process the leader of a new process group. SendSignal,
	// Terminate, Kill and Close then reach the whole group, including processes
	// that it has started, but only until the process itself has exited. When
	// Context ends the process, nothing of the group is left. Not supported on
	// Windows.
	Group bool
	// Context, if it is not nil, ties the process to it: when it ends, the process
	// is terminated, and killed if it has not exited after GracePeriod. If the loop
	// is closed before, the process is killed at once. With the ctx of a task, the
	// process is terminated when the task ends or is cancelled.
	Context context.Context
	// GracePeriod is the time between Terminate and Kill when Context ends; zero
	// means 5 s, negative means to kill at once.
	GracePeriod time.Duration
	// Limit is the buffer limit of the readers of a [Process], see
	// [NewStreamReader]. (asyncio: limit)
	Limit int
	// MaxOutput is the number of bytes that [Process.Communicate] accepts from each
	// of Stdout and Stderr; zero means no limit.
	MaxOutput int
}

// SubprocessExec starts program with args, and returns its transport and the protocol
// that factory has made. If program has no slash it is searched for in PATH. opts may
// be nil; Limit and MaxOutput have no effect here.
//
// The protocol is called in this order: ConnectionMade, before SubprocessExec returns;
// for each pipe any number of PipeDataReceived and one PipeConnectionLost, whose error
// is nil at EOF; ProcessExited, at any time among them; and ConnectionLost(nil) after
// all of them. The pipe to the child's standard input is lost when either side has
// closed it.
//
// It suspends the calling task until the pipes are connected. If the task is cancelled
// before that, the process is killed and waited for.
//
// If the process cannot be started the error is that of os/exec. Options that
// contradict each other, and a value of factory that is not a [Protocol], give an error
// that matches [ErrUsage].
//
// (asyncio: loop.subprocess_exec)
func SubprocessExec[P any](ctx context.Context, factory func() P, program string, args []string, opts *SubprocessOptions) (SubprocessTransport, P, error) {
	return subprocessExec(ctx, "SubprocessExec", factory, exec.Command(program, args...), opts)
}

// SubprocessShell is [SubprocessExec] for a shell command: /bin/sh -c, on Windows
// cmd.exe /c. Never build the command from untrusted input, which allows shell
// injection; use SubprocessExec for that. (asyncio: loop.subprocess_shell)
func SubprocessShell[P any](ctx context.Context, factory func() P, command string, opts *SubprocessOptions) (SubprocessTransport, P, error) {
	return subprocessExec(ctx, "SubprocessShell", factory, shellCommand(command), opts)
}

func subprocessExec[P any](ctx context.Context, call string, factory func() P, cmd *exec.Cmd, opts *SubprocessOptions) (SubprocessTransport, P, error) {
	var zero P
	c, err := enter(ctx, call)
	if err == nil {
		err = checkFactory(call, factory)
	}
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

// check returns an error for invalid options.
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

// Process is a child process. Its fields must not be changed.
//
// The methods that do not take a ctx never await. If the caller does not hold the token
// of the loop, those with an error result return [ErrWrongGoroutine], and the others
// panic with it. A Process to which no reference is left is still waited for, so it
// leaves no zombie, but it is not ended: see [SubprocessOptions].Context.
//
// (asyncio: asyncio.subprocess.Process)
type Process struct {
	// PID is the process's id.
	PID int
	// Stdin writes to the process's standard input, if that is a [PIPE]; otherwise
	// it is nil. Its Drain and WaitClosed fail with [syscall.EPIPE] or
	// [ErrConnectionLost] when the process has closed its standard input.
	Stdin *StreamWriter
	// Stdout and Stderr read the output of the process, if they are a [PIPE];
	// otherwise they are nil. Unread output eventually fills the pipe and blocks
	// the process.
	Stdout, Stderr *StreamReader

	transport *subprocess
	maxOutput int
}

// CreateSubprocessExec starts program with args and returns a [Process]. If program has
// no slash it is searched for in PATH. opts may be nil: then the process inherits the
// standard streams.
//
// It suspends the calling task until the pipes are connected. If the task is cancelled
// before that, the process is killed and waited for.
//
// If the process cannot be started the error is that of os/exec. Options that
// contradict each other give an error that matches [ErrUsage].
//
// (asyncio: create_subprocess_exec)
func CreateSubprocessExec(ctx context.Context, program string, args []string, opts *SubprocessOptions) (*Process, error) {
	return createSubprocess(ctx, "CreateSubprocessExec", exec.Command(program, args...), opts)
}

// CreateSubprocessShell is [CreateSubprocessExec] for a shell command: /bin/sh -c, on
// Windows cmd.exe /c. Never build the command from untrusted input, which allows shell
// injection; use CreateSubprocessExec for that. (asyncio: create_subprocess_shell)
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
	p := &processStreams{gate: writeGate{bound: bound{loop: c.fut.loop, fixed: true}}, limit: opts.Limit}
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

// Transport returns the transport of the process. Its Close closes the remaining pipes,
// and kills the process if it runs.
func (p *Process) Transport() SubprocessTransport {
	if err := p.made("Process.Transport"); err != nil {
		panic(err)
	}
	return p.transport
}

// made returns an error for a zero Process.
func (p *Process) made(call string) error {
	if p.transport == nil {
		return usagef(call, "a zero Process: use CreateSubprocessExec or CreateSubprocessShell")
	}
	return nil
}

// Returncode returns the exit status of the process, or -N if signal N killed it. ok is
// false while it runs, as far as the loop knows. (asyncio: Process.returncode)
func (p *Process) Returncode() (code int, ok bool) {
	if err := p.made("Process.Returncode"); err != nil {
		panic(err)
	}
	return p.transport.GetReturncode()
}

// SendSignal, Terminate and Kill are those of [SubprocessTransport]. (asyncio:
// Process.send_signal, terminate, kill)
func (p *Process) SendSignal(sig os.Signal) error {
	if err := p.made("Process.SendSignal"); err != nil {
		return err
	}
	return p.transport.SendSignal(sig)
}

// Terminate sends SIGTERM to the process; on Windows it kills the process.
func (p *Process) Terminate() error {
	if err := p.made("Process.Terminate"); err != nil {
		return err
	}
	return p.transport.Terminate()
}

// Kill sends SIGKILL to the process.
func (p *Process) Kill() error {
	if err := p.made("Process.Kill"); err != nil {
		return err
	}
	return p.transport.Kill()
}

// Wait suspends the calling task until the process has exited, and returns its code as
// [Process.Returncode] does; if it has exited already, Wait does not suspend. Wait
// neither waits for the pipes nor reads from them: a process that writes more than a
// pipe holds does not exit before its output is read. Cancelling Wait has no effect on
// the process. The error is one of those of [Future.Await].
//
// (asyncio: Process.wait)
func (p *Process) Wait(ctx context.Context) (int, error) {
	const call = "Process.Wait"
	e, err := p.enter(ctx, call)
	if err != nil {
		return 0, err
	}
	return p.transport.wait(e, call)
}

// enter is like the function enter, for a method of the process.
func (p *Process) enter(ctx context.Context, call string) (caller, error) {
	if err := p.made(call); err != nil {
		return caller{}, err
	}
	c, err := enter(ctx, call)
	if err == nil && c.fut.loop != p.transport.loop {
		err = &callError{call, ErrOtherLoop}
	}
	return c, err
}

// inputPiece is the size of the pieces in which Communicate writes its input.
const inputPiece = 256 << 10

// Communicate writes input to the process's standard input and closes it, reads its
// standard output and error to their end, and waits for the process, all concurrently.
// A stream that is not a [PIPE] is not touched: then input is dropped, or the result is
// nil; the result is not nil but empty if the process has written nothing. It is not an
// error if the process does not read all of its input.
//
// The output may end long after the process, if descendants still hold the pipes open.
// If the calling task is cancelled, the output read so far is lost, and the process
// still runs: kill it and Wait, or tie it to a context.
//
// With MaxOutput, a process that writes more is killed; the error is [ErrOutputLimit]
// then, and the output up to the limit is returned. The other errors are those of
// [Future.Await] and of reading.
//
// (asyncio: Process.communicate)
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

// feed writes input to the process's standard input, and closes that. Writing in pieces
// avoids a copy of the whole input.
func (p *Process) feed(ctx context.Context, input []byte) error {
	if p.Stdin == nil {
		return nil
	}
	for {
		n := min(len(input), inputPiece)
		_, lost := p.Stdin.Write(input[:n])
		// suspends even if the pipe is lost, so that the other tasks run
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

// isBrokenPipe reports whether err says that the other side of a pipe is closed.
func isBrokenPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)
}

// limitedBuffer accepts up to max bytes, any number if max is zero.
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

// abandon kills the process, and closes the pipes that descendants may hold open.
func (p *Process) abandon() {
	if p.Stdin != nil {
		p.Stdin.Transport().Abort()
	}
	p.transport.close()
}

// String names the process.
func (p *Process) String() string { return fmt.Sprintf("Process %d", p.PID) }

// processStreams is the protocol that connects the streams of a Process. (asyncio:
// SubprocessStreamProtocol)
type processStreams struct {
	gate      writeGate // of stdin
	limit     int
	transport SubprocessTransport
	stdin     *StreamWriter
	readers   [3]*StreamReader
	open      int // number of readable pipes that are not lost
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

// maybeClose closes the pipe to standard input if everything else is gone.
func (p *processStreams) maybeClose() {
	if p.open == 0 && p.exited {
		p.transport.Close()
	}
}

// PauseWriting implements Protocol.
func (p *processStreams) PauseWriting() { p.gate.paused = true }

// ResumeWriting implements Protocol.
func (p *processStreams) ResumeWriting() { p.gate.resume() }
