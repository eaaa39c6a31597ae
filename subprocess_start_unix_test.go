//go:build unix

package aio_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"golang.org/x/sys/unix"
)

// LOOP-350, SUBP-004
func TestSubprocessSettings(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			return err
		}
		r, w := newPipe(t)
		tr, p := shellTransport(t, ctx, `pwd; echo "$NAME"; echo extra >&3; read line; exit 9`, &aio.SubprocessOptions{
			Dir:         dir,
			Env:         []string{"NAME=value", "PATH=" + os.Getenv("PATH")},
			ExtraFiles:  []*os.File{w},
			SysProcAttr: &syscall.SysProcAttr{Setsid: true},
		})
		p.wantOut(t, ctx, 1, dir+"\nvalue\n")
		if sid, err := unix.Getsid(tr.GetPID()); sid != tr.GetPID() || err != nil {
			t.Errorf("the session is %d, %v, want %d", sid, err, tr.GetPID())
		}
		tr.GetPipeTransport(0).Close()
		p.wantOver(t, ctx, 9)
		w.Close()
		if b, err := io.ReadAll(r); string(b) != "extra\n" || err != nil {
			t.Errorf("the extra file has %q, %v", b, err)
		}
		return nil
	})
}

// Files and descriptors passed in are not closed.
func TestSubprocessFiles(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			return err
		}
		defer out.Close()
		in, err := os.CreateTemp(t.TempDir(), "in")
		if err != nil {
			return err
		}
		defer in.Close()
		in.WriteString("input")
		in.Seek(0, 0)
		_, p := shellTransport(t, ctx, "cat; echo; echo err >&2", &aio.SubprocessOptions{
			Stdin: int(in.Fd()), Stdout: out, Stderr: out.Fd(),
		})
		p.wantOver(t, ctx, 0)
		p.log.want(t, "made exited:0,true lost")
		if _, err := in.Stat(); err != nil {
			t.Errorf("stdin: %v", err)
		}
		if b, err := os.ReadFile(out.Name()); string(b) != "input\nerr\n" || err != nil {
			t.Errorf("the file has %q, %v", b, err)
		}
		if _, err := out.WriteString("more"); err != nil {
			t.Error(err)
		}
		return nil
	})
}

// SUBP-005, and LOOP-351 as far as it applies.
func TestSubprocessCannotStart(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		start := func(program string, o *aio.SubprocessOptions) error {
			tr, _, err := aio.SubprocessExec(ctx, func() *processProtocol { return newProcProtocol(ctx) }, program, nil, o)
			if (tr == nil) != (err != nil) {
				t.Errorf("%s: transport %v, error %v", program, tr, err)
			}
			return err
		}
		if err := start("/bin/true", nil); err != nil {
			// opens the descriptors that the loop keeps
			return err
		}
		before := openFiles()
		for _, stdin := range []any{aio.PIPE, aio.DEVNULL, 0} {
			o := &aio.SubprocessOptions{Stdin: stdin}
			if err := start("/no/such/program", o); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("no such program: %v", err)
			}
			if err := start("aio-no-such-program", o); !errors.Is(err, exec.ErrNotFound) {
				t.Errorf("a program that is not in PATH: %v", err)
			}
			if err := start(t.TempDir(), o); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("a directory: %v", err)
			}
			o.Dir = "/no/such/dir"
			if err := start("/bin/true", o); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("no such directory: %v", err)
			}
		}
		ended, end := context.WithCancelCause(context.Background())
		cause := errors.New("the cause")
		end(cause)
		if err := start("/bin/true", &aio.SubprocessOptions{Context: ended}); err != cause {
			t.Errorf("a done context: %v", err)
		}
		var noFile *os.File
		for name, o := range map[string]aio.SubprocessOptions{
			"STDOUT for Stdin":          {Stdin: aio.STDOUT},
			"STDOUT for Stdout":         {Stdout: aio.STDOUT},
			"a string":                  {Stdin: "input"},
			"no such Redirect":          {Stderr: aio.Redirect(17)},
			"a nil file":                {Stdin: noFile},
			"a limit":                   {Limit: 1},
			"a negative limit":          {Limit: -1},
			"a bound":                   {MaxOutput: 1},
			"a grace without a context": {GracePeriod: time.Second},
			"two groups":                {Group: true, SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pgid: os.Getpid()}},
		} {
			if err := start("/bin/true", &o); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := start("/bin/true", &aio.SubprocessOptions{Stdin: -1}); !errors.Is(err, syscall.EBADF) {
			t.Errorf("a negative descriptor: %v", err)
		}
		if _, _, err := aio.SubprocessShell(ctx, func() *ioEcho { return nil }, "true", nil); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("a protocol of connections: %v", err)
		}
		wantClosed(t, ctx, before)
		return nil
	})
}

// SUBP-006: wherever the creation is cancelled, the process is killed and waited for.
func TestSubprocessCreationCancelled(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		_, p := shellTransport(t, ctx, "true", nil)
		p.wantOver(t, ctx, 0)
		before := openFiles()
		cancelled := 0
		for passes := 1; ; passes++ {
			p := newProcProtocol(ctx)
			task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				tr, _, err := aio.SubprocessExec(ctx, func() *processProtocol { return p }, "sleep", []string{"1000"}, nil)
				if err == nil {
					tr.Close()
				}
				return err
			}))
			letPass(ctx, passes)
			done := task.Done()
			task.Cancel()
			_, err := task.Await(ctx)
			if done {
				if err != nil {
					return err
				}
				p.wantOver(t, ctx, -9)
				break
			}
			cancelled++
			if !errors.Is(err, aio.ErrCancelled) {
				t.Errorf("cancelled after %d passes: %v", passes, err)
			}
			noChildren(t)
			// the pipes and the protocol's callbacks need these passes
			letPass(ctx, 20)
			p.wantEvents(t, "made", "exited:-9,true pipe0 pipe1 pipe2", "lost")
		}
		if cancelled != 8 { // asyncio's creation takes the same number of passes
			t.Errorf("creating a process takes %d passes", cancelled)
		}
		wantClosed(t, ctx, before)
		return nil
	})
}

// SUBP-007
func TestSubprocessPipeConnectCancelled(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		_, p := shellTransport(t, ctx, "true", nil)
		p.wantOver(t, ctx, 0)
		before := openFiles()
		main := aio.CurrentTask(ctx)
		for passes := 2; passes < 8; passes++ {
			task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				_, _, err := aio.SubprocessExec(ctx, func() *processProtocol { return newProcProtocol(ctx) }, "sleep", []string{"1000"}, nil)
				return err
			}))
			letPass(ctx, passes)
			for _, other := range aio.AllTasks(ctx) {
				if other != main && other != aio.AnyTask(task) {
					other.Cancel()
				}
			}
			if _, err := task.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
				t.Errorf("cancelled after %d passes: %v", passes, err)
			}
			noChildren(t)
			letPass(ctx, 20)
			wantClosed(t, ctx, before)
		}
		return nil
	})
}

// SUBP-039
func TestSubprocessExitBeforeThePipes(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		l.CallSoon(func() {
			// between the start of the process and the first check of its
			// status
			waitZombie(t, onlyChild(t))
		})
		_, p, err := aio.SubprocessExec(ctx, func() *processProtocol { return newProcProtocol(ctx) }, "/bin/true", nil, nil)
		if err != nil {
			return err
		}
		p.wantOver(t, ctx, 0)
		p.wantEvents(t, "made", "exited:0,true pipe0 pipe1 pipe2", "lost")
		return nil
	})
}
