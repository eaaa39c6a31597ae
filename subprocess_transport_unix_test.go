//go:build unix

package aio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// processProtocol is the protocol of a process. It logs its calls.
type processProtocol struct {
	loop   *aio.Loop
	t      aio.SubprocessTransport
	log    eventLog
	out    [3]strings.Builder
	more   aio.Event
	over   *aio.Future[error]
	made   func()
	data   func()
	exited func()
	gone   [3]bool // the pipes
	late   bool    // data arrived after the end of its pipe
}

func newProcProtocol(ctx context.Context) *processProtocol {
	l, _ := aio.GetRunningLoop(ctx)
	return &processProtocol{loop: l, over: aio.CreateFuture[error](ctx)}
}

func (p *processProtocol) ConnectionMade(t aio.SubprocessTransport) {
	p.t = t
	p.log.add("made")
	if p.made != nil {
		p.made()
	}
}

func (p *processProtocol) PipeDataReceived(fd int, b []byte) {
	p.late = p.late || p.gone[fd]
	p.out[fd].Write(b)
	p.more.Set()
	if p.data != nil {
		p.data()
	}
}

func (p *processProtocol) PipeConnectionLost(fd int, err error) {
	p.gone[fd] = true
	if err != nil {
		p.log.add("pipe%d:%v", fd, strings.ReplaceAll(err.Error(), " ", "-"))
	} else {
		p.log.add("pipe%d", fd)
	}
}

func (p *processProtocol) PauseWriting()  { p.log.add("pause") }
func (p *processProtocol) ResumeWriting() { p.log.add("resume") }

func (p *processProtocol) ProcessExited() {
	code, ok := p.t.GetReturncode()
	p.log.add("exited:%d,%v", code, ok)
	if p.exited != nil {
		p.exited()
	}
}

func (p *processProtocol) ConnectionLost(err error) {
	p.log.add("lost")
	p.over.SetResult(err)
}

// wantOver waits for ConnectionLost, and checks the return code. No data may arrive
// after the end of its pipe.
func (p *processProtocol) wantOver(t *testing.T, ctx context.Context, code int) {
	t.Helper()
	if err, awaitErr := p.over.Await(ctx); err != nil || awaitErr != nil {
		t.Fatalf("ConnectionLost(%v), %v", err, awaitErr)
	}
	if got, ok := p.t.GetReturncode(); got != code || !ok {
		t.Errorf("GetReturncode: %d, %v, want %d", got, ok, code)
	}
	if p.late {
		t.Error("data came after the end of their pipe")
	}
}

// wantEvents checks that the log contains first, then anyOrder in any order, then last.
func (p *processProtocol) wantEvents(t *testing.T, first, anyOrder, last string) {
	t.Helper()
	n, m := len(strings.Fields(first)), len(p.log)-len(strings.Fields(last))
	if n <= m {
		slices.Sort(p.log[n:m])
	}
	p.log.want(t, first+" "+anyOrder+" "+last)
}

// wantOut waits until the process has written want to its descriptor fd.
func (p *processProtocol) wantOut(t *testing.T, ctx context.Context, fd int, want string) {
	t.Helper()
	for p.out[fd].Len() < len(want) {
		p.more.Clear()
		if err := p.more.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.out[fd].String(); got != want {
		t.Errorf("descriptor %d: got %.80q, want %.80q", fd, got, want)
	}
	p.out[fd].Reset()
}

// shellTransport starts a shell command.
func shellTransport(t *testing.T, ctx context.Context, command string, opts *aio.SubprocessOptions) (aio.SubprocessTransport, *processProtocol) {
	t.Helper()
	tr, p, err := aio.SubprocessShell(ctx, func() *processProtocol { return newProcProtocol(ctx) }, command, opts)
	if err != nil {
		t.Fatal(err)
	}
	return tr, p
}

// shellTransportFor starts a shell command with an existing protocol.
func shellTransportFor(t *testing.T, ctx context.Context, p *processProtocol, command string) aio.SubprocessTransport {
	t.Helper()
	tr, _, err := aio.SubprocessShell(ctx, func() *processProtocol { return p }, command, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// processState returns the state letter of a process as in /proc; ok is false if the
// process does not exist.
func processState(pid int) (state byte, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	return b[bytes.LastIndexByte(b, ')')+2], true
}

// waitZombie waits until the process has exited, without taking its status.
func waitZombie(t *testing.T, pid int) {
	t.Helper()
	if _, ok := processState(pid); !ok {
		t.Skip("this needs /proc")
	}
	eventually(t, t.Context(), "the process has exited", func() bool {
		state, _ := processState(pid)
		return state == 'Z'
	})
}

// waitGone waits until the process, which must not be a child, has exited.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	eventually(t, t.Context(), "the process does not exist", func() bool {
		state, ok := processState(pid)
		return !ok || state == 'Z'
	})
}

// noChildren checks that every child has been waited for.
func noChildren(t *testing.T) {
	t.Helper()
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("a child remains: %d, %v", pid, err)
	}
}

// LOOP-342, SUBP-040, SUBP-041, SUBP-042, SUBP-044
func TestSubprocessExec(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		tr, p, err := aio.SubprocessExec(ctx, func() *processProtocol {
			p := newProcProtocol(ctx)
			p.made = func() {
				for fd := range 3 {
					if p.t.GetPipeTransport(fd) == nil {
						t.Errorf("in ConnectionMade there is no pipe %d", fd)
					}
				}
			}
			return p
		}, "cat", nil, nil)
		if err != nil {
			return err
		}
		p.log.want(t, "made")
		if p.t != tr || tr.GetProtocol() != aio.Protocol(p) {
			t.Error("the transport has another protocol")
		}
		if got := tr.GetExtraInfo("subprocess").(*os.Process).Pid; got != tr.GetPID() || got <= 0 {
			t.Errorf("the process is %d, GetPID says %d", got, tr.GetPID())
		}
		stdin := tr.GetPipeTransport(0).(aio.WriteTransport)
		for _, s := range []string{"one", "two", "three"} {
			stdin.Write([]byte(s))
			p.wantOut(t, ctx, 1, s)
		}
		if code, ok := tr.GetReturncode(); ok {
			t.Errorf("while it runs the return code is %d", code)
		}
		stdin.Close()
		p.wantOver(t, ctx, 0)
		if tr.IsClosing() {
			t.Error("it is closing although it was not closed")
		}
		p.wantEvents(t, "", "exited:0,true pipe0 pipe1 pipe2", "lost")
		return nil
	})
}

// LOOP-343, SUBP-001
func TestSubprocessShell(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		_, p := shellTransport(t, ctx, "echo out; echo err >&2", nil)
		p.wantOver(t, ctx, 0)
		if out, err := p.out[1].String(), p.out[2].String(); out != "out\n" || err != "err\n" {
			t.Errorf("out %q, err %q", out, err)
		}
		p.wantEvents(t, "made", "exited:0,true pipe0 pipe1 pipe2", "lost")
		return nil
	})
}

// LOOP-344, SUBP-001, SUBP-028, SUBP-029
func TestSubprocessReturncodes(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		_, p := shellTransport(t, ctx, "exit 7", nil)
		p.wantOver(t, ctx, 7)
		for name, c := range map[string]struct {
			send func(aio.SubprocessTransport) error
			code int
		}{
			"kill":      {aio.SubprocessTransport.Kill, -9},
			"terminate": {aio.SubprocessTransport.Terminate, -15},
			"hangup":    {func(t aio.SubprocessTransport) error { return t.SendSignal(syscall.SIGHUP) }, -1},
			"interrupt": {func(t aio.SubprocessTransport) error { return t.SendSignal(os.Interrupt) }, -2},
		} {
			tr, p := shellTransport(t, ctx, "echo ready; read line", nil)
			p.wantOut(t, ctx, 1, "ready\n")
			if err := c.send(tr); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			p.wantOver(t, ctx, c.code)
		}
		return nil
	})
}

// LOOP-345, SUBP-042, SUBP-043
func TestSubprocessOrder(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		// A grandchild keeps the pipes open, and exits when it reads EOF from
		// the third one.
		p := newProcProtocol(ctx)
		p.exited = func() { p.t.GetPipeTransport(0).Close() }
		shellTransportFor(t, ctx, p, "exec 3<&0; cat <&3 & exit 4")
		p.wantOver(t, ctx, 4)
		p.wantEvents(t, "made exited:4,true pipe0", "pipe1 pipe2", "lost")
		return nil
	})
}

// LOOP-346, SUBP-046
func TestSubprocessClose(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		tr, p := shellTransport(t, ctx, "echo ready; read line", nil)
		p.wantOut(t, ctx, 1, "ready\n")
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
		if !tr.IsClosing() {
			t.Error("it is not closing")
		}
		tr.Close()
		p.wantOver(t, ctx, -9)
		p.wantEvents(t, "made", "exited:-9,true pipe0 pipe1 pipe2", "lost")
		tr.Close()
		letPass(ctx, 3)
		p.log.want(t, "")

		tr, p = shellTransport(t, ctx, "exit 5", nil)
		p.wantOver(t, ctx, 5)
		tr.Close()
		tr.Close()
		p.wantOver(t, ctx, 5)
		return nil
	})
}

// LOOP-347, SUBP-002, SUBP-045
func TestSubprocessNoPipes(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		tr, p := shellTransport(t, ctx, "cat", &aio.SubprocessOptions{Stdin: aio.DEVNULL, Stdout: aio.PIPE, Stderr: os.Stderr})
		for _, fd := range []int{-1, 0, 2, 3} {
			if got := tr.GetPipeTransport(fd); got != nil {
				t.Errorf("pipe %d is a %v", fd, got)
			}
		}
		if _, ok := tr.GetPipeTransport(1).(aio.ReadTransport); !ok {
			t.Error("pipe 1 does not exist")
		}
		p.wantOver(t, ctx, 0)
		_, p = shellTransport(t, ctx, "exit 6", &aio.SubprocessOptions{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
		p.wantOver(t, ctx, 6)
		p.log.want(t, "made exited:6,true lost")
		return nil
	})
}

// LOOP-348, SUBP-015
func TestSubprocessStderrToStdout(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		tr, p := shellTransport(t, ctx, "echo out; echo err >&2", &aio.SubprocessOptions{Stderr: aio.STDOUT})
		if tr.GetPipeTransport(2) != nil {
			t.Error("pipe 2 exists")
		}
		p.wantOver(t, ctx, 0)
		p.wantOut(t, ctx, 1, "out\nerr\n")

		_, p = shellTransport(t, ctx, "echo err >&2", &aio.SubprocessOptions{Stdout: aio.DEVNULL, Stderr: aio.STDOUT})
		p.wantOver(t, ctx, 0)
		return nil
	})
}

// LOOP-349. A shell that ignores SIGPIPE writes until a write fails.
func TestSubprocessCloseStdout(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		tr, p := shellTransport(t, ctx, "trap '' PIPE; read line; while echo out; do :; done 2>/dev/null; cat >&2", nil)
		tr.GetPipeTransport(1).Close()
		for len(p.log) < 2 {
			letPass(ctx, 1)
		}
		p.log.want(t, "made pipe1")
		stdin := tr.GetPipeTransport(0).(aio.WriteTransport)
		stdin.Write([]byte("go\n"))
		stdin.Write([]byte("on"))
		stdin.Close()
		p.wantOver(t, ctx, 0)
		if got := p.out[2].String(); got != "on" {
			t.Errorf("stderr has %q", got)
		}
		return nil
	})
}

// onlyChild returns the id of the only child.
func onlyChild(t *testing.T) (pid int) {
	t.Helper()
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, name := range tasks {
		b, _ := os.ReadFile(name)
		fmt.Sscan(string(b), &pid)
	}
	if pid == 0 {
		t.Skip("this needs /proc")
	}
	return pid
}

// SUBP-033
func TestSubprocessSignalAfterTheEnd(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		p := newProcProtocol(ctx)
		p.exited = func() { // the process has exited, but its pipes are open
			for _, err := range []error{p.t.Kill(), p.t.Terminate(), p.t.SendSignal(syscall.SIGHUP)} {
				if err != nil {
					t.Errorf("after the exit: %v", err)
				}
			}
			p.t.GetPipeTransport(0).Close()
		}
		tr := shellTransportFor(t, ctx, p, "exec 3<&0; cat <&3 & exit 4")
		p.wantOver(t, ctx, 4)
		for _, err := range []error{tr.Kill(), tr.Terminate(), tr.SendSignal(syscall.SIGHUP)} {
			if err != os.ErrProcessDone {
				t.Errorf("after ConnectionLost: %v", err)
			}
		}
		return nil
	})
}

// SUBP-034, SUBP-036, SUBP-037, SUBP-047
func TestSubprocessSignalToZombie(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		for name, signal := range map[string]func(aio.SubprocessTransport) error{
			"Kill":  aio.SubprocessTransport.Kill,
			"Close": func(tr aio.SubprocessTransport) error { return tr.Close() },
		} {
			// A process is killed, and killed again when it has exited and
			// the loop does not know it yet.
			tr, p := shellTransport(t, ctx, "read line", nil)
			tr.Kill()
			waitZombie(t, tr.GetPID())
			if code, ok := tr.GetReturncode(); ok {
				t.Errorf("%s: the loop knows of %d", name, code)
			}
			if err := signal(tr); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			waitZombie(t, tr.GetPID()) // the process id is still in use
			p.wantOver(t, ctx, -9)

			// A process exits and is then killed: its real status is
			// reported.
			tr, p = shellTransport(t, ctx, "exit 3", nil)
			waitZombie(t, tr.GetPID())
			if err := signal(tr); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			p.wantOver(t, ctx, 3)
		}
		return nil
	})
}

// SUBP-038
func TestSubprocessStopped(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		tr, p := shellTransport(t, ctx, "read line", nil)
		tr.SendSignal(syscall.SIGSTOP)
		for {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", tr.GetPID()))
			if err != nil {
				t.Skip("this needs /proc")
			}
			if i := bytes.LastIndexByte(b, ')'); b[i+2] == 'T' {
				break
			}
		}
		for range 10 {
			if err := aio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
			if code, ok := tr.GetReturncode(); ok {
				t.Errorf("the stopped process has the return code %d", code)
			}
		}
		tr.SendSignal(syscall.SIGCONT)
		tr.Kill()
		p.wantOver(t, ctx, -9)
		return nil
	})
}

// SUBP-035, LOOP-353
func TestSubprocessReapedByOthers(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		logged := logText(t)
		tr, p := shellTransport(t, ctx, "read line", &aio.SubprocessOptions{Stdout: aio.DEVNULL, Stderr: aio.DEVNULL})
		tr.Kill()
		if _, err := syscall.Wait4(tr.GetPID(), nil, 0, nil); err != nil {
			t.Skip("the goroutine was faster")
		}
		p.wantOver(t, ctx, 255)
		contains(t, "the log", logged(), "child process already reaped elsewhere")
		return nil
	})
}

// LOOP-352: waiting for the status fails, but not because other code has collected it.
func TestSubprocessWaitFails(t *testing.T) {
	onPoller(t, func(t *testing.T, ctx context.Context) error {
		_, p := shellTransport(t, ctx, "true", nil)
		p.wantOver(t, ctx, 0)
		before := openFiles()
		tr, p := shellTransport(t, ctx, "read line", nil)
		reports := reportsOf(p.loop)
		if err := tr.GetExtraInfo("subprocess").(*os.Process).Release(); err != nil {
			return err
		}
		tr.GetPipeTransport(0).Close()
		p.wantOver(t, ctx, 255)
		if len(*reports) != 1 || (*reports)[0].Transport != aio.BaseTransport(tr) || !errors.Is((*reports)[0].Err, syscall.EINVAL) {
			t.Errorf("reports %v", *reports)
		}
		wantClosed(t, ctx, before)
		_, err := syscall.Wait4(tr.GetPID(), nil, 0, nil)
		return err
	})
}

// closedWithChild closes a loop in which start has started a child process, on each path.
// Then it calls the result of start. lines has what is logged of child processes.
func closedWithChild(t *testing.T, start func(ctx context.Context, lines chan string) (closed func())) {
	for _, goroutines := range []bool{false, true} {
		lines := logLines(t, "pid=")
		runner := aio.Runner{}
		l, err := runner.GetLoop()
		if err != nil {
			t.Fatal(err)
		}
		aio.ForceGoroutines(l, goroutines)
		var closed func()
		if err := runner.Run(func(ctx context.Context) error {
			closed = start(ctx, lines)
			return nil
		}); err != nil {
			t.Error(err)
		}
		if err := runner.Close(); err != nil {
			t.Error(err)
		}
		closed()
		noChildren(t)
	}
}

// LOOP-354
func TestSubprocessLoopClosed(t *testing.T) {
	closedWithChild(t, func(ctx context.Context, lines chan string) func() {
		r, w := newPipe(t)
		_, p := shellTransport(t, ctx, "read line", &aio.SubprocessOptions{Stdin: r, Stdout: aio.DEVNULL, Stderr: aio.DEVNULL})
		return func() {
			w.Close()
			r.Close()
			lineWith(t, lines, fmt.Sprint("pid=", p.t.GetPID()))
			p.log.want(t, "made")
		}
	})
}

func TestSubprocessProtocolPanics(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		p := newProcProtocol(ctx)
		reports := reportsOf(p.loop)
		p.made = func() { panic("made") }
		p.data = func() { panic("data") }
		p.exited = func() { panic("exited") }
		tr := shellTransportFor(t, ctx, p, "cat")
		stdin := tr.GetPipeTransport(0).(aio.WriteTransport)
		stdin.Write([]byte("one"))
		p.wantOut(t, ctx, 1, "one")
		stdin.Write([]byte("two"))
		p.wantOut(t, ctx, 1, "two")
		stdin.Close()
		p.wantOver(t, ctx, 0)
		if len(*reports) != 4 {
			t.Fatalf("reports %v", *reports)
		}
		for _, ec := range *reports {
			if ec.Transport != aio.BaseTransport(tr) || ec.Protocol != aio.Protocol(p) {
				t.Errorf("reported %+v", ec)
			}
		}
		return nil
	})
}

func TestSubprocessFlowControl(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		tr, p := shellTransport(t, ctx, "read line; cat", nil)
		stdin := tr.GetPipeTransport(0).(aio.WriteTransport)
		sent := string(fillPipe(t, stdin))
		p.log.want(t, "made pause")
		stdin.Write([]byte("\n"))
		stdin.Write([]byte("more"))
		stdin.Close()
		p.wantOver(t, ctx, 0)
		if got := p.out[1].String(); got != "more" || len(sent) < 1<<20 {
			t.Errorf("got %.80q", got)
		}
		if got := fmt.Sprint(p.log); !strings.HasPrefix(got, "[resume ") {
			t.Errorf("events %s", got)
		}
		return nil
	})
}

func TestSubprocessSetProtocol(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		tr, p := shellTransport(t, ctx, "cat", nil)
		if err := panics(func() { tr.SetProtocol(&ioEcho{}) }); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("a protocol of connections: %v", err)
		}
		q := newProcProtocol(ctx)
		q.t = tr
		tr.SetProtocol(q)
		tr.GetPipeTransport(0).(aio.WriteTransport).Write([]byte("x"))
		q.wantOut(t, ctx, 1, "x")
		tr.Close()
		q.wantOver(t, ctx, -9)
		p.log.want(t, "made")
		return nil
	})
}

// A process with a context is terminated when the context is done.
func TestSubprocessContext(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		var p *processProtocol
		ready := false
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, p = shellTransport(t, ctx, "echo ready; read line", &aio.SubprocessOptions{Context: ctx})
			p.wantOut(t, ctx, 1, "ready\n")
			ready = true
			return aio.Sleep(ctx, time.Hour)
		}))
		for !ready {
			letPass(ctx, 1)
		}
		task.Cancel()
		task.Await(ctx)
		p.wantOver(t, ctx, -15)
		return nil
	})
}
