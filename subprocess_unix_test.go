//go:build unix

package aio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

// allPipes makes all three standard streams pipes.
var allPipes = &aio.SubprocessOptions{Stdin: aio.PIPE, Stdout: aio.PIPE, Stderr: aio.PIPE}

// startShell starts a shell command.
func startShell(t *testing.T, ctx context.Context, command string, opts *aio.SubprocessOptions) *aio.Process {
	t.Helper()
	p, err := aio.CreateSubprocessShell(ctx, command, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// waitExit waits for p and checks its return code.
func waitExit(t *testing.T, ctx context.Context, p *aio.Process, want int) {
	t.Helper()
	if code, err := p.Wait(ctx); code != want || err != nil {
		t.Errorf("Wait: %d, %v, want %d", code, err, want)
	}
	if code, ok := p.Returncode(); code != want || !ok {
		t.Errorf("Returncode: %d, %v, want %d", code, ok, want)
	}
}

// readLine reads a line from standard output.
func readLine(t *testing.T, ctx context.Context, p *aio.Process) string {
	t.Helper()
	line, err := p.Stdout.ReadLine(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(line), "\n")
}

// spawnFor runs f in a task.
func spawnFor[T any](ctx context.Context, f func(ctx context.Context) (T, error)) *aio.Task[T] {
	return aio.CreateTask(ctx, aio.Coro[T](f))
}

// SUBP-002: without options the process inherits the standard streams.
func TestProcessInheritsStreams(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		in, toIn := newPipe(t)
		fromOut, out := newPipe(t)
		fromErr, errs := newPipe(t)
		defer func(in, out, errs *os.File) { os.Stdin, os.Stdout, os.Stderr = in, out, errs }(os.Stdin, os.Stdout, os.Stderr)
		os.Stdin, os.Stdout, os.Stderr = in, out, errs
		p := startShell(t, ctx, "read line; echo $line; echo err >&2", nil)
		toIn.WriteString("input\n")
		waitExit(t, ctx, p, 0)
		out.Close()
		errs.Close()
		if b, err := io.ReadAll(fromOut); string(b) != "input\n" || err != nil {
			t.Errorf("the standard output has %q, %v", b, err)
		}
		if b, err := io.ReadAll(fromErr); string(b) != "err\n" || err != nil {
			t.Errorf("the standard error has %q, %v", b, err)
		}
		return nil
	})
}

// SUBP-001, SUBP-002, SUBP-013, SUBP-014, SUBP-024
func TestProcessInherits(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		p, err := aio.CreateSubprocessExec(ctx, "/bin/sh", []string{"-c", "exit 7"}, nil)
		if err != nil {
			return err
		}
		if p.Stdin != nil || p.Stdout != nil || p.Stderr != nil {
			t.Error("a stream without a pipe is not nil")
		}
		if p.PID <= 0 || p.PID != p.Transport().GetPID() {
			t.Errorf("the process's id is %d", p.PID)
		}
		out, errs, err := p.Communicate(ctx, []byte("dropped"))
		if out != nil || errs != nil || err != nil {
			t.Errorf("Communicate: %q, %q, %v", out, errs, err)
		}
		waitExit(t, ctx, p, 7)

		p = startShell(t, ctx, "cat; echo out; exit 8", &aio.SubprocessOptions{Stdin: aio.DEVNULL, Stdout: aio.PIPE, Stderr: aio.DEVNULL})
		out, errs, err = p.Communicate(ctx, []byte("dropped"))
		if string(out) != "out\n" || errs != nil || err != nil {
			t.Errorf("Communicate: %q, %q, %v", out, errs, err)
		}
		waitExit(t, ctx, p, 8)
		out, errs, err = p.Communicate(ctx, nil)
		if out == nil || len(out) > 0 || errs != nil || err != nil {
			t.Errorf("a second Communicate: %q, %q, %v", out, errs, err)
		}
		return nil
	})
}

// Returns the errors of SubprocessExec, and errors for unsupported options.
func TestProcessCannotStart(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		if _, err := aio.CreateSubprocessExec(ctx, "/no/such/program", nil, nil); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("no such program: %v", err)
		}
		for name, o := range map[string]*aio.SubprocessOptions{
			"a negative limit": {Limit: -1},
			"a negative bound": {MaxOutput: -1},
			"STDOUT":           {Stdin: aio.STDOUT},
		} {
			if _, err := aio.CreateSubprocessShell(ctx, "true", o); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("%s: %v", name, err)
			}
		}
		return nil
	})
	if _, err := aio.CreateSubprocessShell(context.Background(), "true", nil); !errors.Is(err, aio.ErrNoRunningLoop) {
		t.Errorf("without a loop: %v", err)
	}
}

// SUBP-004
func TestProcessSettings(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := newPipe(t)
		defer w.Close()
		p, err := aio.CreateSubprocessExec(ctx, "/bin/sh", []string{"-c", "echo $NAME; cat <&3; exit 9"}, &aio.SubprocessOptions{
			Stdout:     aio.PIPE,
			Env:        []string{"NAME=value", "PATH=" + os.Getenv("PATH")},
			ExtraFiles: []*os.File{r},
		})
		if err != nil {
			return err
		}
		w.WriteString("extra")
		w.Close()
		if out, _, err := p.Communicate(ctx, nil); string(out) != "value\nextra" || err != nil {
			t.Errorf("Communicate: %q, %v", out, err)
		}
		waitExit(t, ctx, p, 9)
		return nil
	})
}

// SUBP-006: wherever the creation is cancelled, the process is killed and waited for.
func TestProcessCreationCancelled(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		waitExit(t, ctx, startShell(t, ctx, "true", allPipes), 0)
		before := openFiles()
		for passes := 1; ; passes++ {
			task := spawnFor(ctx, func(ctx context.Context) (*aio.Process, error) {
				return aio.CreateSubprocessExec(ctx, "sleep", []string{"1000"}, allPipes)
			})
			letPass(ctx, passes)
			done := task.Done()
			task.Cancel()
			p, err := task.Await(ctx)
			if done {
				if err != nil {
					return err
				}
				if passes < 5 {
					t.Errorf("the creation takes %d passes", passes)
				}
				p.Transport().Close()
				waitExit(t, ctx, p, -9)
				break
			}
			if !errors.Is(err, aio.ErrCancelled) {
				t.Errorf("cancelled after %d passes: %v", passes, err)
			}
			noChildren(t)
		}
		wantClosed(t, ctx, before)
		return nil
	})
}

// SUBP-010
func TestProcessStreams(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		p, err := aio.CreateSubprocessExec(ctx, "cat", nil, allPipes)
		if err != nil {
			return err
		}
		p.Stdin.Write([]byte("some data"))
		if err := p.Stdin.Drain(ctx); err != nil {
			t.Error(err)
		}
		p.Stdin.Close()
		if b, err := p.Stdout.Read(ctx, -1); string(b) != "some data" || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
		waitExit(t, ctx, p, 0)
		return nil
	})
}

// SUBP-026
func TestProcessWaitTwice(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		p := startShell(t, ctx, "read line; exit 6", allPipes)
		if code, ok := p.Returncode(); ok {
			t.Errorf("while it runs the return code is %d", code)
		}
		p.Stdin.Close()
		waitExit(t, ctx, p, 6)
		l, _ := aio.GetRunningLoop(ctx)
		suspended := false
		l.CallSoon(func() { suspended = true })
		waitExit(t, ctx, p, 6)
		if suspended {
			t.Error("Wait suspends when the process has ended")
		}
		return nil
	})
}

// Output written before the pipes were connected is not lost.
func TestProcessOutputBeforeThePipes(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		l.CallSoon(func() { waitZombie(t, onlyChild(t)) })
		p := startShell(t, ctx, "head -c 50000 /dev/zero; echo err >&2; exit 3", allPipes)
		if b, err := p.Stdout.Read(ctx, -1); len(b) != 50000 || err != nil {
			t.Errorf("read %d bytes, %v", len(b), err)
		}
		if b, err := p.Stderr.Read(ctx, -1); string(b) != "err\n" || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
		waitExit(t, ctx, p, 3)
		return nil
	})
}

// Each byte is read exactly once, even if a Read into a task's own buffer is cancelled
// at any moment.
func TestProcessReadCancelled(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		p := startShell(t, ctx, "cat", allPipes)
		var sent, got []byte
		for i := range 200 {
			buf := make([]byte, 1000)
			read := spawnFor(ctx, func(ctx context.Context) (int, error) { return p.Stdout.Reader(ctx).Read(buf) })
			line := fmt.Appendf(nil, "line %d\n", i)
			sent = append(sent, line...)
			p.Stdin.Write(line)
			if i%4 == 3 { // otherwise the echo has usually not arrived yet
				aio.Sleep(ctx, time.Duration(i)*time.Microsecond)
			}
			letPass(ctx, i%7)
			read.Cancel()
			n, err := read.Await(ctx)
			if err != nil && !errors.Is(err, aio.ErrCancelled) {
				return err
			}
			got = append(got, buf[:n]...)
		}
		p.Stdin.Close()
		rest, err := p.Stdout.Read(ctx, -1)
		if got = append(got, rest...); !bytes.Equal(got, sent) || err != nil {
			t.Errorf("sent %d bytes, got %d, %v:\n%s", len(sent), len(got), err, got)
		}
		waitExit(t, ctx, p, 0)
		return nil
	})
}

// SUBP-043: the callbacks of the protocol run before the tasks that wait for the
// process.
func TestProcessExitedBeforeWait(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		p := startShell(t, ctx, "read line; exit 6", &aio.SubprocessOptions{Stdin: aio.PIPE, Stdout: aio.DEVNULL, Stderr: aio.DEVNULL})
		q := newProcProtocol(ctx)
		q.t = p.Transport()
		p.Transport().SetProtocol(q)
		wait := spawnFor(ctx, func(ctx context.Context) (int, error) {
			code, err := p.Wait(ctx)
			q.log.add("waited")
			return code, err
		})
		p.Transport().GetPipeTransport(0).Close()
		if code, err := wait.Await(ctx); code != 6 || err != nil {
			t.Errorf("Wait: %d, %v", code, err)
		}
		q.wantOver(t, ctx, 6)
		q.log.want(t, "pipe0 exited:6,true waited lost")
		return nil
	})
}

// SUBP-027, SUBP-030, and a process that is killed while tasks wait for it.
func TestProcessManyWaits(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		p := startShell(t, ctx, "exec sleep 1000", nil)
		var waits []*aio.Task[int]
		for range 10 {
			waits = append(waits, spawnFor(ctx, p.Wait))
		}
		letPass(ctx, 2)
		waits[3].Cancel()
		if _, err := waits[3].Await(ctx); !errors.Is(err, aio.ErrCancelled) {
			t.Errorf("the cancelled Wait: %v", err)
		}
		if _, ok := p.Returncode(); ok {
			t.Error("cancelling Wait ended the process")
		}
		p.Kill()
		for i, w := range waits {
			if i == 3 {
				continue
			}
			if code, err := w.Await(ctx); code != -9 || err != nil {
				t.Errorf("Wait %d: %d, %v", i, code, err)
			}
		}
		waitExit(t, ctx, p, -9)
		return nil
	})
}

// SUBP-028, SUBP-029, SUBP-033
func TestProcessSignals(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		for code, send := range map[int]func(p *aio.Process) error{
			-9:  func(p *aio.Process) error { return p.Kill() },
			-15: func(p *aio.Process) error { return p.Terminate() },
			-1:  func(p *aio.Process) error { return p.SendSignal(syscall.SIGHUP) },
		} {
			r, w := newPipe(t)
			// The shell starts another command, which outlives it.
			p := startShell(t, ctx, "cat; exit 1", &aio.SubprocessOptions{Stdin: r, Stdout: aio.PIPE})
			w.WriteString("it runs\n")
			readLine(t, ctx, p)
			if err := send(p); err != nil {
				t.Error(err)
			}
			waitExit(t, ctx, p, code)
			if err := send(p); err != nil {
				t.Errorf("a signal to an exited process whose pipe is open: %v", err)
			}
			r.Close()
			w.Close()
			if b, err := p.Stdout.Read(ctx, -1); len(b) > 0 || err != nil {
				t.Errorf("read %q, %v", b, err)
			}
			eventually(t, ctx, "the process has ended", func() bool { return send(p) == os.ErrProcessDone })
		}
		return nil
	})
}

// SUBP-031: a grandchild keeps the pipe open.
func TestProcessGrandchildKeepsPipe(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := newPipe(t)
		p := startShell(t, ctx, "exec 3<&0; cat <&3 & exit 2", &aio.SubprocessOptions{Stdin: r, Stdout: aio.PIPE})
		r.Close()
		waitExit(t, ctx, p, 2)
		communicate := spawnFor(ctx, func(ctx context.Context) (string, error) {
			out, _, err := p.Communicate(ctx, nil)
			return string(out), err
		})
		for range 10 {
			aio.Sleep(ctx, time.Millisecond)
		}
		if communicate.Done() {
			t.Error("Communicate does not wait for EOF")
		}
		w.WriteString("from the grandchild")
		w.Close()
		if out, err := communicate.Await(ctx); out != "from the grandchild" || err != nil {
			t.Errorf("Communicate: %q, %v", out, err)
		}
		return nil
	})
}

// SUBP-032
func TestProcessBlockedOnFullPipe(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		const size = 4 << 20
		p := startShell(t, ctx, fmt.Sprintf("exec head -c %d /dev/zero", size), &aio.SubprocessOptions{Stdout: aio.PIPE})
		wait := spawnFor(ctx, p.Wait)
		stdout := p.Transport().GetPipeTransport(1).(aio.ReadTransport)
		eventually(t, ctx, "reading is paused", func() bool { return !stdout.IsReading() })
		for range 10 {
			aio.Sleep(ctx, time.Millisecond)
		}
		if wait.Done() {
			t.Error("the process exited although its output was not read")
		}
		if b, err := p.Stdout.Read(ctx, -1); len(b) != size || err != nil {
			t.Errorf("read %d bytes, %v", len(b), err)
		}
		if code, err := wait.Await(ctx); code != 0 || err != nil {
			t.Errorf("Wait: %d, %v", code, err)
		}
		return nil
	})
}

// A process that writes more than MaxOutput is killed, even if other processes hold the
// pipe open.
func TestProcessMaxOutput(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		limited := func(n int) *aio.SubprocessOptions {
			return &aio.SubprocessOptions{Stdin: aio.PIPE, Stdout: aio.PIPE, Stderr: aio.PIPE, MaxOutput: n}
		}
		p := startShell(t, ctx, "printf 1234; printf 12345 >&2", limited(5))
		out, errs, err := p.Communicate(ctx, nil)
		if string(out) != "1234" || string(errs) != "12345" || err != nil {
			t.Errorf("below the limit: %q, %q, %v", out, errs, err)
		}
		r, w := newPipe(t)
		o := limited(5)
		o.ExtraFiles = []*os.File{r}
		p = startShell(t, ctx, "cat <&3 & printf 12 >&2; printf 123456; exec sleep 1000", o)
		out, errs, err = p.Communicate(ctx, make([]byte, 4<<20))
		if string(out) != "12345" || err != aio.ErrOutputLimit || len(errs) > 2 {
			t.Errorf("above the limit: %q, %q, %v", out, errs, err)
		}
		waitExit(t, ctx, p, -9)
		r.Close()
		w.Close()
		return nil
	})
}

// A process with a context is terminated when the context is done, and killed if it
// does not exit.
func TestProcessContext(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		for _, c := range []struct {
			command string
			grace   time.Duration
			code    int
		}{
			{"echo ready; exec sleep 1000", 0, -15},
			{"trap '' TERM; echo ready; exec sleep 1000", time.Millisecond, -9},
			{"trap 'exit 4' TERM; echo ready; read line", time.Hour, 4},
			{"echo ready; exec sleep 1000", -1, -9},
		} {
			tied, end := context.WithCancel(context.Background())
			p := startShell(t, ctx, c.command, &aio.SubprocessOptions{
				Stdin: aio.PIPE, Stdout: aio.PIPE, Context: tied, GracePeriod: c.grace,
			})
			readLine(t, ctx, p)
			end()
			waitExit(t, ctx, p, c.code)
		}

		// A process that has already exited is not signalled.
		tied, end := context.WithCancel(context.Background())
		p := startShell(t, ctx, "exit 3", &aio.SubprocessOptions{Context: tied})
		waitExit(t, ctx, p, 3)
		end()
		letPass(ctx, 3)

		// The context of a task is done when the task ends.
		task := spawnFor(ctx, func(ctx context.Context) (*aio.Process, error) {
			p := startShell(t, ctx, "echo ready; exec sleep 1000", &aio.SubprocessOptions{Stdout: aio.PIPE, Context: ctx})
			readLine(t, ctx, p)
			return p, nil
		})
		p, err := task.Await(ctx)
		if err != nil {
			return err
		}
		waitExit(t, ctx, p, -15)

		// The context of a scope is done when the scope ends.
		err = aio.WithTaskGroup(ctx, func(ctx context.Context, _ *aio.TaskGroup) error {
			p = startShell(t, ctx, "exec sleep 1000", &aio.SubprocessOptions{Context: ctx})
			return nil
		})
		if err != nil {
			return err
		}
		waitExit(t, ctx, p, -15)
		return nil
	})
}

// Closing the loop kills the processes with a context.
func TestProcessContextLoopClosed(t *testing.T) {
	closedWithChild(t, func(ctx context.Context, lines chan string) func() {
		startShell(t, ctx, "exec sleep 1000", &aio.SubprocessOptions{Context: context.WithValue(context.Background(), t, t)})
		return func() { lineWith(t, lines, "pid=") }
	})
}

// Signals to a group reach all its processes.
func TestProcessGroup(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		start := func(command string, tied context.Context, attr *syscall.SysProcAttr) (p *aio.Process, grandchild int) {
			p = startShell(t, ctx, command, &aio.SubprocessOptions{Stdout: aio.PIPE, Group: true, Context: tied, SysProcAttr: attr})
			grandchild, err := strconv.Atoi(readLine(t, ctx, p))
			if err != nil {
				t.Fatal(err)
			}
			return p, grandchild
		}
		p, grandchild := start("sleep 1000 & echo $!; wait", nil, nil)
		if err := p.SendSignal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		waitExit(t, ctx, p, -15)
		waitGone(t, grandchild)

		p, grandchild = start("sleep 1000 & echo $!; wait", nil, &syscall.SysProcAttr{Setsid: true})
		p.Transport().Close()
		waitExit(t, ctx, p, -9)
		waitGone(t, grandchild)

		// The grandchild ignores SIGTERM.
		tied, end := context.WithCancel(context.Background())
		p, grandchild = start("(trap '' TERM; exec sleep 1000) & echo $!; wait", tied, nil)
		end()
		waitExit(t, ctx, p, -15)
		waitGone(t, grandchild)
		eventually(t, ctx, "the process has ended", func() bool { return p.Kill() == os.ErrProcessDone })
		return nil
	})
}

func TestProcessOfAnotherLoop(t *testing.T) {
	var p *aio.Process
	if err := aio.Run(func(ctx context.Context) error {
		p = startShell(t, ctx, "exit 0", allPipes)
		waitExit(t, ctx, p, 0)
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := aio.Run(func(ctx context.Context) error {
		if _, err := p.Wait(ctx); !errors.Is(err, aio.ErrOtherLoop) {
			t.Errorf("Wait: %v", err)
		}
		if _, _, err := p.Communicate(ctx, nil); !errors.Is(err, aio.ErrOtherLoop) {
			t.Errorf("Communicate: %v", err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// Many concurrent processes.
func TestProcessManyAtOnce(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		n := stage.Amount(100, 100, 500)
		var all []aio.Awaitable[int]
		running := 0
		var started aio.Event
		for i := range n {
			all = append(all, aio.Coro[int](func(ctx context.Context) (int, error) {
				p, err := aio.CreateSubprocessExec(ctx, "cat", nil, &aio.SubprocessOptions{Stdin: aio.PIPE, Stdout: aio.PIPE})
				if err != nil {
					return 0, err
				}
				if running++; running == n {
					started.Set()
				}
				if err := started.Wait(ctx); err != nil {
					// all processes run before the first one exits
					return 0, err
				}
				out, _, err := p.Communicate(ctx, []byte(strconv.Itoa(i)))
				if err != nil {
					return 0, err
				}
				if code, ok := p.Returncode(); code != 0 || !ok {
					return 0, fmt.Errorf("return code %d, %v", code, ok)
				}
				return strconv.Atoi(string(out))
			}))
		}
		got, err := aio.Gather(ctx, all...).Await(ctx)
		if err != nil {
			return err
		}
		for i, v := range got {
			if i != v {
				t.Errorf("process %d answered %d", i, v)
			}
		}
		noChildren(t)
		return nil
	})
}

// Processes run one after another leave no descriptor, goroutine or zombie.
func TestProcessManyInARow(t *testing.T) {
	n := stage.Amount(50, 50, 2000)
	count := goroutines(t)
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		run := func(i int) error {
			p, err := aio.CreateSubprocessExec(ctx, "/bin/echo", []string{strconv.Itoa(i)}, allPipes)
			if err != nil {
				return err
			}
			out, _, err := p.Communicate(ctx, nil)
			if got := strings.TrimSpace(string(out)); got != strconv.Itoa(i) || err != nil {
				return fmt.Errorf("process %d answered %q, %v", i, got, err)
			}
			return nil
		}
		for range 10 {
			// opens what the loop and the Go runtime keep open
			if err := run(-1); err != nil {
				return err
			}
		}
		files, before := openFiles(), count()
		for i := range n {
			if err := run(i); err != nil {
				return err
			}
		}
		wantClosed(t, ctx, files)
		// The loop keeps idle goroutines for tasks, at most as many as there
		// were concurrent tasks.
		eventually(t, ctx, "no process leaves a goroutine", func() bool { return count() < before+n/2 })
		noChildren(t)
		return nil
	})
}
