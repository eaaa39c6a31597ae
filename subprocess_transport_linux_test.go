package aio_test

import (
	"context"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// A program that requests a descriptor for the process gets a separate one.
func TestSubprocessPidFD(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		fd := -1
		tr, p := shellTransport(t, ctx, "read line", &aio.SubprocessOptions{SysProcAttr: &syscall.SysProcAttr{PidFD: &fd}})
		if fd < 0 {
			t.Skip("the kernel does not support pidfd")
		}
		if err := unix.PidfdSendSignal(fd, unix.SIGHUP, nil, 0); err != nil {
			t.Error(err)
		}
		p.wantOver(t, ctx, -1)
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
		tr.Close()
		return nil
	})
}

// A pipe of a process whose capacity proves too small is enlarged.
func TestSubprocessPipesWiden(t *testing.T) {
	poller := func(ctx context.Context) error {
		p, err := aio.CreateSubprocessShell(ctx, "dd if=/dev/zero bs=65536 count=16; exec cat",
			&aio.SubprocessOptions{Stdin: aio.PIPE, Stdout: aio.PIPE, Stderr: aio.DEVNULL})
		if err != nil {
			return err
		}
		size := func(fd int) int {
			n := -1
			raw, err := p.Transport().GetPipeTransport(fd).GetExtraInfo("pipe").(syscall.Conn).SyscallConn()
			if err == nil {
				err = raw.Control(func(fd uintptr) { n, _ = unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0) })
			}
			if err != nil {
				t.Error(err)
			}
			return n
		}
		before := size(0)
		if _, err := p.Stdout.ReadExactly(ctx, 1<<20); err != nil {
			return err
		}
		if size(1) <= before {
			t.Errorf("capacity of stdout %d bytes, of the unused stdin %d", size(1), before)
		}
		if _, err := p.Stdin.Write(make([]byte, 1<<20)); err != nil {
			// The capacity must be larger than the default now.
			return err
		}
		if size(0) <= before {
			t.Errorf("the capacity of stdin is still %d bytes", before)
		}
		if _, err := p.Stdout.ReadExactly(ctx, 1<<20); err != nil {
			return err
		}
		p.Stdin.Close()
		_, err = p.Wait(ctx)
		return err
	}
	matches(t, "the run", aio.Run(poller), nil)
}

// A read of a Process returns the data that was available when the poller reported it,
// not data that arrives before the stream is notified one pass later.
func TestProcessReadsWhatWasReported(t *testing.T) {
	poller := func(ctx context.Context) error {
		p, err := aio.CreateSubprocessShell(ctx, "exec cat", &aio.SubprocessOptions{Stdin: aio.PIPE, Stdout: aio.PIPE})
		if err != nil {
			return err
		}
		raw, err := p.Transport().GetPipeTransport(1).GetExtraInfo("pipe").(syscall.Conn).SyscallConn()
		if err != nil {
			return err
		}
		// echo returns when cat's answer is in the pipe. The loop is blocked
		// until then.
		echo := func(line string) {
			if _, err := p.Stdin.Write([]byte(line)); err != nil {
				t.Error(err)
			}
			for end := time.Now().Add(10 * time.Second); ; {
				n := 0
				if err := raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); err != nil {
					t.Error(err)
				}
				if n >= len(line) {
					return
				}
				if time.Now().After(end) {
					t.Errorf("the pipe contains %d bytes, want %q", n, line)
					return
				}
				runtime.Gosched()
			}
		}
		echo("first\n")
		letPass(ctx, 2)      // the poller reports after the task is resumed
		echo("the second\n") // longer, so that it differs from the first line
		for _, want := range []string{"first\n", "the second\n"} {
			if got, err := p.Stdout.Read(ctx, 100); string(got) != want || err != nil {
				t.Errorf("Read = %q, %v, want %q", got, err, want)
			}
		}
		p.Stdin.Close()
		if code, err := p.Wait(ctx); code != 0 || err != nil {
			t.Errorf("Wait = %d, %v", code, err)
		}
		return nil
	}
	matches(t, "the run", aio.Run(poller), nil)
}
