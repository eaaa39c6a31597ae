package aio_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// Output of a process is read one pass before it is buffered, into the memory of the
// task that waits, if that is large. Whatever happens in that pass, the program cannot
// see into which memory the output was read.
func TestOutputInTheMemoryOfATask(t *testing.T) {
	const small, large = 40000, 64 << 10
	for name, between := range map[string]func(ctx context.Context, task *aio.Task[string], p *aio.Process){
		"nothing": func(context.Context, *aio.Task[string], *aio.Process) {},
		"cancel":  func(_ context.Context, task *aio.Task[string], _ *aio.Process) { task.Cancel() },
		"data":    func(_ context.Context, _ *aio.Task[string], p *aio.Process) { p.Stdout.FeedData([]byte("other ")) },
		"EOF":     func(_ context.Context, _ *aio.Task[string], p *aio.Process) { p.Stdout.FeedEOF() },
		"error":   func(_ context.Context, _ *aio.Task[string], p *aio.Process) { p.Stdout.SetException(errBoom) },
		"close":   func(_ context.Context, _ *aio.Task[string], p *aio.Process) { p.Transport().Close() },
		"data and cancel": func(_ context.Context, task *aio.Task[string], p *aio.Process) {
			p.Stdout.FeedData([]byte("other "))
			task.Cancel()
		},
		"protocol": func(ctx context.Context, _ *aio.Task[string], p *aio.Process) {
			p.Transport().SetProtocol(newProcProtocol(ctx))
		},
	} {
		t.Run(name, func(t *testing.T) {
			early := false
			for passes := range 6 {
				of := func(size int) string {
					log, lent := outputAfter(t, size, passes, between)
					early = early || lent
					return log
				}
				sameText(t, fmt.Sprintf("after %d passes", passes), of(large), of(small))
			}
			if !early {
				t.Error("the output was never in the memory of the task before the task ran")
			}
		})
	}
}

// outputAfter makes a task read the output of a process into size bytes, calls between
// the given number of passes later, and returns what happened. lent reports whether the
// output was in these bytes when between was called, and the task was suspended.
func outputAfter(t *testing.T, size, passes int, between func(context.Context, *aio.Task[string], *aio.Process)) (log string, lent bool) {
	var b strings.Builder
	err := aio.Run(func(ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
			fmt.Fprintf(&b, "reported %s: %v\n", ec.Message, ec.Err)
		})
		p := startShell(t, ctx, "cat", &aio.SubprocessOptions{Stdin: aio.PIPE, Stdout: aio.PIPE})
		buf := make([]byte, size)
		task := spawnFor(ctx, func(ctx context.Context) (string, error) {
			n, err := p.Stdout.Reader(ctx).Read(buf)
			return string(buf[:n]), err
		})
		letPass(ctx, 2)
		p.Stdin.Write([]byte("output"))
		untilReadable(t, p)
		letPass(ctx, passes)
		lent = buf[0] != 0 && !task.Done()
		between(ctx, task, p)
		clear(buf[len("output other "):]) // the task may use its memory otherwise
		for i := range 6 {
			fmt.Fprintf(&b, "pass %d: %t %q\n", i, task.Done(), taskOutcome(task))
			letPass(ctx, 1)
		}
		if !p.Stdin.IsClosing() {
			p.Stdin.Close()
		}
		p.Stdout.FeedEOF()
		rest, err := io.ReadAll(p.Stdout.Reader(ctx))
		fmt.Fprintf(&b, "rest %q, %v\n", rest, err)
		p.Transport().Close()
		_, err = p.Wait(ctx)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return b.String(), lent
}

// taskOutcome returns the result of a task, "" if it is not done.
func taskOutcome(task *aio.Task[string]) string {
	if !task.Done() {
		return ""
	}
	s, err := task.Result()
	return fmt.Sprint(s, err)
}

// untilReadable blocks the loop until the standard output of p has data.
func untilReadable(t *testing.T, p *aio.Process) {
	raw, err := p.Transport().GetPipeTransport(1).GetExtraInfo("pipe").(syscall.Conn).SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			n, perr := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience/time.Millisecond))
			if n != 1 {
				t.Errorf("there is no output: %v", perr)
			}
		})
	}
	if err != nil {
		t.Error(err)
	}
}
