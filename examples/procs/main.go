//go:build unix

// Procs runs shell commands, several at a time:
//
//	procs [flags] [COMMAND...]
//
// The commands are the arguments, or the lines of FILE, by default those of standard
// input; blank lines and lines that begin with # are ignored. The commands are started
// in this order. Each line that a command writes is printed with the command's number
// in front, to the same stream: standard output or standard error. On a terminal, the
// last lines show the running commands, and for how long they have run:
//
//	$ procs -n 2 'make test' 'make docs' 'make lint'
//	1 $ make test
//	2 $ make docs
//	2 | pages: 34
//	2 = done, 1.2s
//	3 $ make lint
//	1   4s  make test
//	3   2s  make lint
//	2 running, 1 done, 0 failed, 0 waiting
//
// A command is done when its shell has exited and no process holds its output open.
// Processes that it leaves behind are killed. With -fail-fast the first command that
// fails stops the others. An interrupt (Ctrl-C), SIGTERM or SIGHUP stops all commands.
// All processes that a command has started get SIGTERM, and SIGKILL after the grace
// period. A second signal kills them at once. If procs itself is killed, its commands
// are killed too. Only processes that have created their own session or process group
// survive.
//
// The exit status is 0 if every command's was; that of the first command that failed,
// or 128+N if signal N ended it; 1 if procs failed; 2 for wrong arguments; and 128+N if
// signal N stopped it.
//
// # What it shows
//
//   - Processes as streams. A task reads from each of the readers of an
//     [aio.CreateSubprocessShell]. A command that writes faster than the terminal has
//     to wait: the buffer of a reader is limited, and then the pipe is full.
//   - State without locks. One task of a loop runs at a time, and other tasks run only
//     where it awaits, so the counters and the list of running commands are plain
//     variables.
//   - A signal as a cancellation. It ends the one await of the main task, which then
//     stops the commands, while the tasks that copy their output continue: [aio.Wait]
//     does not cancel the tasks that it waits for.
//   - An [aio.Executor] with one worker, for writes that may block and must keep their
//     order; see screen.go.
//   - Process groups that end when procs ends, for whatever reason; see group.go.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/goaio/aio"
)

const (
	exitFailure = 1
	exitUsage   = 2
	exitSignal  = 128 // plus the signal's number, as shells report it

	usage = "usage: procs [flags] [COMMAND...]"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is main without os.Exit. It returns the exit status.
func run(args []string, stdin io.Reader, stdout, stderr *os.File) int {
	o, err := parseArgs(args, stdin, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "procs: %v\n%s\n", err, usage)
		return exitUsage
	}
	p := newPool(o, stdout, stderr)
	r := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}}
	defer r.Close()
	err = r.Run(p.run)
	var sig *aio.SignalError
	switch {
	case errors.As(err, &sig):
		return exitSignal + int(sig.Signal.(syscall.Signal))
	case err != nil:
		fmt.Fprintf(stderr, "procs: %v\n", err)
		return exitFailure
	}
	return p.status
}

type options struct {
	n        int
	failFast bool
	grace    time.Duration
	lines    []string // the commands
}

// parseArgs writes to stdout only for -h.
func parseArgs(args []string, stdin io.Reader, stdout io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("procs", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run reports the error in the format of this program
	flags.Usage = func() {}
	flags.IntVar(&o.n, "n", runtime.GOMAXPROCS(0), "run up to `N` commands concurrently")
	flags.BoolVar(&o.failFast, "fail-fast", false, "stop the other commands when one fails")
	flags.DurationVar(&o.grace, "grace", 5*time.Second, "kill commands that are still running `D` after SIGTERM")
	file := flags.String("f", "", "read the commands from `FILE`, one per line")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}
		return o, err
	}
	switch {
	case o.n < 1:
		return o, fmt.Errorf("-n must be at least 1, got %d", o.n)
	case o.grace < 0:
		return o, fmt.Errorf("-grace must not be negative, got %v", o.grace)
	case *file != "" && flags.NArg() > 0:
		return o, errors.New("want a file or arguments, not both")
	}
	o.lines = flags.Args()
	if flags.NArg() == 0 {
		o.lines, err = readLines(*file, stdin)
	}
	return o, err
}

// readLines returns the commands in the file, or in stdin if name is empty.
func readLines(name string, stdin io.Reader) (lines []string, err error) {
	if name != "" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		stdin = f
	}
	all, err := io.ReadAll(stdin)
	for line := range strings.Lines(string(all)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines, err
}
