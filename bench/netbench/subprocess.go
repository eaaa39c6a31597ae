//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

const gib = 1 << 30

// spawns are the operations with a child process, with this package and with os/exec.
var spawns = map[string]struct {
	aio  func(ctx context.Context) error
	exec func() error
}{
	"true":  {aioTrue, execTrue},
	"read":  {aioRead, execRead},
	"write": {aioWrite, execWrite},
	"cat":   {aioCat, execCat},
}

// apart makes the children run on the core of the load, otherwise they have that of
// their parent. Without either, the kernel chooses for each run, and a child on the other
// core takes about twice as long: then single runs differ more than the rivals.
var apart bool

// program returns the command of a child.
func program(args ...string) (name string, rest []string) {
	if apart {
		args = append([]string{"taskset", "-c", strconv.Itoa(loadCore)}, args...)
	}
	return args[0], args[1:]
}

// spawnResult is the result of a process that repeats an operation of spawns.
type spawnResult struct {
	Runs         int
	Seconds, CPU float64
}

func measureSpawn(what string, apart bool) func(*bench, string) ([]float64, error) {
	return func(b *bench, rival string) ([]float64, error) {
		command := []string{b.self, "spawn", rival}
		if loop, _, ok := python(rival); ok {
			command = []string{b.interpreter(loop), "spawn.py", rival}
		}
		said, err := output(serverCore, command[0], append(command[1:],
			what, strconv.FormatFloat(b.seconds, 'g', -1, 64), strconv.FormatBool(apart))...)
		if err != nil {
			return nil, err
		}
		var r spawnResult
		if err := json.Unmarshal([]byte(said), &r); err != nil {
			return nil, err
		}
		return []float64{1e3 * r.Seconds / float64(r.Runs), 1e3 * r.CPU / float64(r.Runs)}, nil
	}
}

// spawnMain repeats the operation that args name for the given number of seconds, at
// least once after the warm-up.
func spawnMain(args []string) error {
	rival, do := args[0], spawns[args[1]]
	seconds, err := strconv.ParseFloat(args[2], 64)
	if err != nil {
		return err
	}
	apart = args[3] == "true"
	if rival == "aio" {
		return aio.Run(func(ctx context.Context) error {
			return repeat(seconds, func() error { return do.aio(ctx) })
		})
	}
	return repeat(seconds, do.exec)
}

func repeat(seconds float64, do func() error) error {
	if err := do(); err != nil {
		return err
	}
	cpu, start := ownCPU(), time.Now()
	var r spawnResult
	for r.Seconds < seconds || r.Runs == 0 {
		if err := do(); err != nil {
			return err
		}
		r.Runs++
		r.Seconds = time.Since(start).Seconds()
	}
	r.CPU = ownCPU() - cpu
	fmt.Println(asJSON(r))
	return nil
}

// ownCPU returns the processor time of this process, in seconds.
func ownCPU() float64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t)
	return float64(t.Nano()) / 1e9
}

func aioTrue(ctx context.Context) error {
	name, args := program("/bin/true")
	p, err := aio.CreateSubprocessExec(ctx, name, args, nil)
	if err == nil {
		_, err = p.Wait(ctx)
	}
	return err
}

func execTrue() error { return command("/bin/true").Run() }

// command is exec.Command for a child of os/exec.
func command(args ...string) *exec.Cmd {
	name, rest := program(args...)
	return exec.Command(name, rest...)
}

// zeros prints 1 GiB.
var zeros = []string{"dd", "if=/dev/zero", "bs=64k", "count=16384", "status=none"}

func aioRead(ctx context.Context) error {
	name, args := program(zeros...)
	p, err := aio.CreateSubprocessExec(ctx, name, args, &aio.SubprocessOptions{Stdout: aio.PIPE})
	if err != nil {
		return err
	}
	if err := readAll(p.Stdout.Reader(ctx)); err != nil {
		return err
	}
	_, err = p.Wait(ctx)
	return err
}

func execRead() error {
	cmd := command(zeros...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := readAll(out); err != nil {
		return err
	}
	return cmd.Wait()
}

// sink discards what it reads.
var sink = []string{"dd", "of=/dev/null", "bs=64k", "status=none"}

func aioWrite(ctx context.Context) error {
	name, args := program(sink...)
	p, err := aio.CreateSubprocessExec(ctx, name, args, &aio.SubprocessOptions{Stdin: aio.PIPE})
	if err != nil {
		return err
	}
	if err := writeAll(p.Stdin.Writer(ctx)); err != nil {
		return err
	}
	p.Stdin.Close()
	_, err = p.Wait(ctx)
	return err
}

func execWrite() error {
	cmd := command(sink...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := writeAll(in); err != nil {
		return err
	}
	if err := in.Close(); err != nil {
		return err
	}
	return cmd.Wait()
}

func aioCat(ctx context.Context) error {
	name, args := program("cat")
	p, err := aio.CreateSubprocessExec(ctx, name, args, &aio.SubprocessOptions{Stdin: aio.PIPE, Stdout: aio.PIPE})
	if err != nil {
		return err
	}
	written := aio.CreateTask(ctx, func(ctx context.Context) (struct{}, error) {
		defer p.Stdin.Close()
		return struct{}{}, writeAll(p.Stdin.Writer(ctx))
	})
	if err := readAll(p.Stdout.Reader(ctx)); err != nil {
		return err
	}
	if _, err := written.Await(ctx); err != nil {
		return err
	}
	_, err = p.Wait(ctx)
	return err
}

func execCat() error {
	cmd := command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		defer in.Close()
		written <- writeAll(in)
	}()
	if err := readAll(out); err != nil {
		return err
	}
	if err := <-written; err != nil {
		return err
	}
	return cmd.Wait()
}

// readAll reads 1 GiB.
func readAll(r io.Reader) error {
	buf := make([]byte, 64<<10)
	for n := 0; ; {
		m, err := r.Read(buf)
		n += m
		if err == io.EOF && n == gib {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%d bytes, and then %w", n, err)
		}
	}
}

// writeAll writes 1 GiB.
func writeAll(w io.Writer) error {
	buf := make([]byte, 64<<10)
	for range gib / len(buf) {
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}
