//go:build unix

// Command supervise runs the programs of a configuration file, and controls a running
// supervisor:
//
//	supervise [-c FILE]
//	supervise [-c FILE] ctl status | reload | shutdown
//	supervise [-c FILE] ctl start | stop | restart NAME...
//	supervise [-c FILE] ctl tail [-f] [-stderr] [-bytes N] NAME
//
// NAME is a program, one of its processes as PROGRAM:NUMBER, or all. Package supervisor
// describes the file.
//
// SIGINT and SIGTERM stop all programs, a second one kills them. SIGHUP loads the file
// again. The exit status is 0 after such a signal, or if the ctl command has succeeded;
// 1 after a failure, 2 for wrong arguments; and 128+N if signal N ended a ctl command.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/examples/ports/supervisor"
)

const (
	exitFailure = 1
	exitUsage   = 2
	exitSignal  = 128 // plus the signal's number

	usage = "usage: supervise [-c FILE]\n       supervise [-c FILE] ctl COMMAND [NAME...]"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without os.Exit. It returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	file, request, err := parseArgs(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "supervise: %v\n%s\n", err, usage)
		return exitUsage
	}
	r := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	defer r.Close()
	err = r.Run(func(ctx context.Context) error {
		if request != nil {
			return control(ctx, file, *request, stdout)
		}
		return serve(ctx, file, stderr)
	})
	var sig *aio.SignalError
	switch {
	case errors.As(err, &sig) && request != nil:
		fmt.Fprintf(stderr, "supervise: stopped by %v\n", sig.Signal)
		return exitSignal + int(sig.Signal.(syscall.Signal))
	case errors.As(err, &sig):
		fmt.Fprintf(stderr, "supervise: stopped by %v\n", sig.Signal)
	case err != nil:
		fmt.Fprintf(stderr, "supervise: %v\n", err)
		return exitFailure
	}
	return 0
}

func control(ctx context.Context, file string, q supervisor.Request, stdout io.Writer) error {
	config, err := supervisor.LoadConfig(file)
	if err != nil {
		return err
	}
	if config.Socket == "" {
		return fmt.Errorf("%s has no socket", file)
	}
	return supervisor.Control(ctx, config.Socket, q, func(text string) error {
		_, err := io.WriteString(stdout, text)
		return err
	})
}

func serve(ctx context.Context, file string, stderr io.Writer) error {
	say := func(format string, args ...any) {
		fmt.Fprintf(stderr, "%s %s\n", time.Now().Format(time.DateTime), fmt.Sprintf(format, args...))
	}
	s := supervisor.New(func() (*supervisor.Config, error) { return supervisor.LoadConfig(file) }, func(c supervisor.Change) {
		if c.Detail != "" {
			c.Detail = ": " + c.Detail
		}
		say("%s: %s to %s%s", c.Name, c.From, c.To, c.Detail)
	})
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return err
	}
	err = loop.AddSignalHandler(syscall.SIGHUP, func() {
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			summary, err := s.Reload(ctx)
			if errors.Is(err, aio.ErrCancelled) {
				return err
			}
			if err != nil {
				say("reload: %v", err)
			} else {
				say("reload: %s", summary)
			}
			return nil
		}), aio.WithName("reload"))
	})
	if err != nil {
		return err
	}
	defer loop.RemoveSignalHandler(syscall.SIGHUP)
	return s.Run(ctx, func() { say("ready") })
}

func parseArgs(args []string, stdout io.Writer) (file string, request *supervisor.Request, err error) {
	flags := flag.NewFlagSet("supervise", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run reports the error in the format of this program
	flags.Usage = func() {}
	flags.StringVar(&file, "c", "supervisor.conf", "the configuration is `FILE`")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}
		return "", nil, err
	}
	if flags.NArg() == 0 {
		return file, nil, nil
	}
	if flags.Arg(0) != "ctl" || flags.NArg() == 1 {
		return "", nil, fmt.Errorf("want ctl and a command, got %q", flags.Args())
	}
	q := &supervisor.Request{Command: flags.Arg(1), Names: flags.Args()[2:], Bytes: 1600}
	switch q.Command {
	case "status", "reload", "shutdown":
		if len(q.Names) > 0 {
			return "", nil, fmt.Errorf("%s: want no names, got %q", q.Command, q.Names)
		}
		return file, q, nil
	case "start", "stop", "restart":
	case "tail":
		tail := flag.NewFlagSet("tail", flag.ContinueOnError)
		tail.SetOutput(io.Discard)
		tail.BoolVar(&q.Follow, "f", false, "")
		tail.BoolVar(&q.Stderr, "stderr", false, "")
		tail.Int64Var(&q.Bytes, "bytes", q.Bytes, "")
		if err := tail.Parse(q.Names); err != nil {
			return "", nil, fmt.Errorf("tail: %v", err)
		}
		if q.Names = tail.Args(); q.Bytes < 0 {
			return "", nil, fmt.Errorf("tail: -bytes must not be negative, got %d", q.Bytes)
		}
	default:
		return "", nil, fmt.Errorf("unknown command %q", q.Command)
	}
	if len(q.Names) == 0 {
		return "", nil, fmt.Errorf("%s: want a name", q.Command)
	}
	return file, q, nil
}
