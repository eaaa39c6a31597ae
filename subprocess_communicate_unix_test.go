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

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

// SUBP-011, SUBP-012, SUBP-015
func TestProcessCommunicate(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		for _, c := range []struct {
			input     []byte
			command   string
			stderr    any
			out, errs string
		}{
			{[]byte("input"), "cat; echo err >&2", aio.PIPE, "input", "err\n"},
			{nil, "cat; echo out", aio.PIPE, "out\n", ""},
			{[]byte{}, "cat; echo out", aio.PIPE, "out\n", ""},
			{nil, "cat", aio.PIPE, "", ""},
			{[]byte("in "), "cat; echo out; echo err >&2", aio.STDOUT, "in out\nerr\n", ""},
		} {
			p := startShell(t, ctx, c.command, &aio.SubprocessOptions{Stdin: aio.PIPE, Stdout: aio.PIPE, Stderr: c.stderr})
			out, errs, err := p.Communicate(ctx, c.input)
			if string(out) != c.out || string(errs) != c.errs || err != nil {
				t.Errorf("%s: %q, %q, %v", c.command, out, errs, err)
			}
			if out == nil || (errs == nil) != (c.stderr == aio.STDOUT) {
				t.Errorf("%s: want nil for a stream without a pipe: %v, %v", c.command, out, errs)
			}
			if code, ok := p.Returncode(); code != 0 || !ok {
				t.Errorf("%s: the return code is %d, %v", c.command, code, ok)
			}
		}
		return nil
	})
}

// SUBP-008: a process that is started later does not inherit the pipes of an earlier
// one.
func TestProcessPipesAreNotInherited(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		p := startShell(t, ctx, "cat", allPipes)
		other := startShell(t, ctx, "read line", allPipes)
		out, _, err := p.Communicate(ctx, []byte("x"))
		if string(out) != "x" || err != nil {
			t.Errorf("Communicate: %q, %v", out, err)
		}
		other.Stdin.Close()
		waitExit(t, ctx, other, 1)
		return nil
	})
}

// SUBP-009
func TestProcessReopensStdin(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		if _, err := os.Stat("/dev/stdin"); err != nil {
			t.Skip(err)
		}
		p := startShell(t, ctx, "cat /dev/stdin", allPipes)
		out, errs, err := p.Communicate(ctx, []byte("through the name"))
		if string(out) != "through the name" || err != nil {
			t.Errorf("Communicate: %q, %q, %v", out, errs, err)
		}
		return nil
	})
}

// SUBP-016: 64 MiB in each direction, which exceeds all buffers.
func TestProcessCommunicateMuch(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		size := stage.Amount(8<<20, 8<<20, 64<<20)
		input := make([]byte, size)
		for i := range input {
			input[i] = byte(i * 7 >> 3)
		}
		p, err := aio.CreateSubprocessExec(ctx, "cat", nil, allPipes)
		if err != nil {
			return err
		}
		out, errs, err := p.Communicate(ctx, input)
		if !bytes.Equal(out, input) || len(errs) != 0 || err != nil {
			t.Errorf("Communicate: %d bytes, %q, %v", len(out), errs, err)
		}
		waitExit(t, ctx, p, 0)
		return nil
	})
}

// SUBP-017
func TestProcessDoesNotReadItsInput(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		p := startShell(t, ctx, "echo out; exit 3", allPipes)
		out, errs, err := p.Communicate(ctx, make([]byte, 4<<20))
		if string(out) != "out\n" || len(errs) != 0 || err != nil {
			t.Errorf("Communicate: %q, %q, %v", out, errs, err)
		}
		waitExit(t, ctx, p, 3)
		return nil
	})
}

// SUBP-018, SUBP-019
func TestProcessExitsDuringDrain(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := newPipe(t)
		p := startShell(t, ctx, "read line <&3; exit 5", &aio.SubprocessOptions{
			Stdin: aio.PIPE, Stdout: aio.PIPE, Stderr: aio.PIPE, ExtraFiles: []*os.File{r},
		})
		p.Stdin.Write(make([]byte, 4<<20))
		drain := spawnFor(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, p.Stdin.Drain(ctx) })
		letPass(ctx, 3)
		if drain.Done() {
			t.Error("Drain does not wait")
		}
		w.WriteString("\n")
		if _, err := drain.Await(ctx); !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Drain: %v", err)
		}
		for range 2 {
			if err := p.Stdin.WaitClosed(ctx); !errors.Is(err, syscall.EPIPE) {
				t.Errorf("WaitClosed: %v", err)
			}
		}
		waitExit(t, ctx, p, 5)

		p = startShell(t, ctx, "cat >/dev/null", allPipes)
		p.Stdin.Write([]byte("x"))
		p.Stdin.Close()
		if err := p.Stdin.WaitClosed(ctx); err != nil {
			t.Errorf("WaitClosed after Close: %v", err)
		}
		waitExit(t, ctx, p, 0)
		return nil
	})
}

// SUBP-020
func TestProcessClosesItsInput(t *testing.T) {
	onPoller(t, func(t *testing.T, ctx context.Context) error {
		p := startShell(t, ctx, "exec 0<&-; echo ready; sleep 1000", allPipes)
		readLine(t, ctx, p)
		eventually(t, ctx, "the standard input is closed", p.Stdin.IsClosing)
		p.Stdin.Write([]byte("x"))
		if err := p.Stdin.Drain(ctx); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Drain: %v", err)
		}
		p.Kill()
		waitExit(t, ctx, p, -9)
		return nil
	})
}

// SUBP-021
func TestProcessSmallLimit(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		p := startShell(t, ctx, "printf 123456789012345678901; echo ready >&2; read line", &aio.SubprocessOptions{
			Stdin: aio.PIPE, Stdout: aio.PIPE, Stderr: aio.PIPE, Limit: 10,
		})
		if _, err := p.Stderr.ReadLine(ctx); err != nil {
			return err
		}
		stdout := p.Transport().GetPipeTransport(1).(aio.ReadTransport)
		eventually(t, ctx, "reading is paused", func() bool { return !stdout.IsReading() })
		read := spawnFor(ctx, func(ctx context.Context) ([]byte, error) {
			return p.Stdout.ReadExactly(ctx, 21)
		})
		if b, err := read.Await(ctx); string(b) != "123456789012345678901" || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
		if !stdout.IsReading() {
			t.Error("the transport is not resumed")
		}
		p.Stdin.Close()
		waitExit(t, ctx, p, 1)

		p = startShell(t, ctx, "printf 123456789012345678901", &aio.SubprocessOptions{Stdout: aio.PIPE, Limit: 10})
		if out, _, err := p.Communicate(ctx, nil); string(out) != "123456789012345678901" || err != nil {
			t.Errorf("Communicate: %q, %v", out, err)
		}
		return nil
	})
}

// SUBP-022: output that was not read before the process exited is not lost.
func TestProcessOutputOutlivesIt(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		for command, limit := range map[string]int{
			// fits into the reader's buffer
			"head -c 262144 /dev/zero; exit 4": 256 << 10,
			// another process writes to the pipe after the exit
			"head -c 262144 /dev/zero & exit 4": 0,
		} {
			p := startShell(t, ctx, command, &aio.SubprocessOptions{Stdout: aio.PIPE, Limit: limit})
			waitExit(t, ctx, p, 4)
			n := 0
			for {
				b, err := p.Stdout.Read(ctx, 1000)
				if err != nil {
					return err
				}
				if len(b) == 0 {
					break
				}
				n += len(b)
			}
			if n != 262144 {
				t.Errorf("%s: read %d bytes", command, n)
			}
		}
		return nil
	})
}

// SUBP-023
func TestProcessCommunicateConcurrently(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		var all []aio.Awaitable[string]
		for i := range 10 {
			all = append(all, aio.Coro[string](func(ctx context.Context) (string, error) {
				p := startShell(t, ctx, "cat", allPipes)
				out, _, err := p.Communicate(ctx, []byte(strconv.Itoa(i)))
				return string(out), err
			}))
		}
		got, err := aio.Gather(ctx, all...).Await(ctx)
		if s := strings.Join(got, " "); s != "0 1 2 3 4 5 6 7 8 9" || err != nil {
			t.Errorf("got %s, %v", s, err)
		}
		return nil
	})
}

// SUBP-024
func TestProcessCommunicateTheRest(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		p := startShell(t, ctx, "echo one; cat", allPipes)
		if got := readLine(t, ctx, p); got != "one" {
			t.Errorf("the first line is %q", got)
		}
		if out, errs, err := p.Communicate(ctx, []byte("two")); string(out) != "two" || len(errs) != 0 || err != nil {
			t.Errorf("Communicate: %q, %q, %v", out, errs, err)
		}
		if out, errs, err := p.Communicate(ctx, []byte("three")); out == nil || len(out)+len(errs) != 0 || err != nil {
			t.Errorf("a second Communicate: %q, %q, %v", out, errs, err)
		}
		return nil
	})
}

// SUBP-025
func TestProcessCommunicateTimesOut(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		// The output exceeds the buffers of the pipe and the reader, so
		// Communicate has read a part when it is cancelled.
		const size = 4 << 20
		r, w := newPipe(t)
		p := startShell(t, ctx, fmt.Sprintf("head -c %d /dev/zero; exec 3>&-; exec sleep 1000", size), &aio.SubprocessOptions{
			Stdin: aio.PIPE, Stdout: aio.PIPE, Stderr: aio.PIPE, ExtraFiles: []*os.File{w},
		})
		w.Close()
		limit := aio.NewTimeout(aio.NoTimeout)
		communicate := spawnFor(ctx, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, limit.Run(ctx, func(ctx context.Context) error {
				_, _, err := p.Communicate(ctx, nil)
				return err
			})
		})
		if _, err := aio.ToThread(ctx, func(context.Context) ([]byte, error) { return io.ReadAll(r) }); err != nil {
			return err
		}
		l, _ := aio.GetRunningLoop(ctx)
		limit.Reschedule(l.Time())
		if _, err := communicate.Await(ctx); !errors.Is(err, aio.ErrTimeout) {
			t.Errorf("Communicate: %v", err)
		}
		if code, ok := p.Returncode(); ok {
			t.Errorf("the process has ended with %d", code)
		}
		p.Kill()
		waitExit(t, ctx, p, -9)
		if b, err := p.Stdout.Read(ctx, -1); len(b) >= size || err != nil {
			t.Errorf("read %d bytes, %v", len(b), err)
		}
		return nil
	})
}

// Wherever Communicate is cancelled, the process keeps running, and nothing remains
// after it is killed.
func TestProcessCommunicateCancelled(t *testing.T) {
	for name, c := range map[string]struct {
		command string
		input   []byte
		stuck   func(p *aio.Process) bool // reports whether Communicate waits
	}{
		"writing": {"exec sleep 1000", make([]byte, 4<<20), func(p *aio.Process) bool { return true }},
		"reading": {"cat; exec sleep 1000", []byte("x"), func(p *aio.Process) bool { return p.Stdin.IsClosing() }},
		"waiting": {"exec 1>&- 2>&-; exec sleep 1000", nil, func(p *aio.Process) bool { return p.Stdout.AtEOF() && p.Stderr.AtEOF() }},
	} {
		t.Run(name, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				for passes := range 12 {
					p := startShell(t, ctx, c.command, allPipes)
					task := spawnFor(ctx, func(ctx context.Context) (struct{}, error) {
						_, _, err := p.Communicate(ctx, c.input)
						return struct{}{}, err
					})
					if passes == 11 {
						eventually(t, ctx, "the call waits", func() bool { return c.stuck(p) })
					}
					letPass(ctx, passes)
					if task.Done() {
						t.Fatal("Communicate is done")
					}
					task.Cancel()
					if _, err := task.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
						t.Errorf("Communicate: %v", err)
					}
					if code, ok := p.Returncode(); ok {
						t.Errorf("the process has ended with %d", code)
					}
					p.Kill()
					waitExit(t, ctx, p, -9)
				}
				letPass(ctx, 10)
				noChildren(t)
				if n := len(aio.AllTasks(ctx)); n != 1 {
					t.Errorf("%d tasks remain", n)
				}
				return nil
			})
		})
	}
}
