// Command chat is a chat server for people with nc or telnet:
//
//	chat -addr localhost:7777 -idle 10m
//	nc localhost 7777
//
// A line is a message to the user's current room, or a command if it begins with a
// slash; /help lists them. With -monitor 127.0.0.1:8765 it serves the page of package
// aiomon there, which shows what each connection is doing. Control characters in
// messages are removed, because a terminal would execute them.
//
// On SIGINT or SIGTERM all users get a message, and the server waits briefly before it
// ends. The exit status is 0 then, 1 after a failure, 2 for wrong arguments.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiomon"
)

const (
	exitFailure = 1
	exitUsage   = 2

	usage = "usage: chat [flags]"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// options are the values of the flags.
type options struct {
	addr        string
	monitor     string
	idle, grace time.Duration
}

// run is main without os.Exit. It returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parseArgs(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "chat: %v\n%s\n", err, usage)
		return exitUsage
	}
	r := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	defer r.Close()
	err = r.Run(func(ctx context.Context) error {
		if o.monitor != "" {
			_, stop, err := aiomon.Start(ctx, o.monitor, nil)
			if err != nil {
				return err
			}
			defer stop()
		}
		return serve(ctx, o.addr, o.idle, o.grace, func(at net.Addr) { log.Printf("listening on %v", at) })
	})
	var sig *aio.SignalError
	switch {
	case errors.As(err, &sig):
		log.Printf("stopped by %v", sig.Signal)
	case err != nil:
		fmt.Fprintf(stderr, "chat: %v\n", err)
		return exitFailure
	}
	return 0
}

func parseArgs(args []string, stdout io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("chat", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run reports the error in the format of this program
	flags.Usage = func() {}
	flags.StringVar(&o.addr, "addr", "localhost:7777", "listen on `HOST:PORT`")
	flags.StringVar(&o.monitor, "monitor", "", "show what the loop is doing at http://`HOST:PORT`")
	flags.DurationVar(&o.idle, "idle", 10*time.Minute, "disconnect users that send nothing for `D`")
	flags.DurationVar(&o.grace, "grace", 2*time.Second, "on shutdown, wait up to `D` for the connections to close")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}
		return o, err
	}
	if _, _, err := net.SplitHostPort(o.addr); err != nil {
		return o, fmt.Errorf("-addr must be HOST:PORT, got %q", o.addr)
	}
	switch {
	case o.idle <= 0:
		return o, fmt.Errorf("-idle must be greater than 0, got %v", o.idle)
	case o.grace < 0:
		return o, fmt.Errorf("-grace must not be negative, got %v", o.grace)
	case flags.NArg() > 0:
		return o, fmt.Errorf("want no arguments, got %q", flags.Arg(0))
	}
	return o, nil
}

// serve runs the chat until it is cancelled. It calls ready when it is listening.
func serve(ctx context.Context, addr string, idle, grace time.Duration, ready func(net.Addr)) error {
	h := newHouse(idle)
	srv, err := aio.StartServer(ctx, h.welcome, addr, &aio.ServerOptions{Limit: maxLine})
	if err != nil {
		return err
	}
	ready(srv.Addr())
	err = aio.Sleep(ctx, aio.NoTimeout)
	h.closing = true
	for _, u := range h.users() {
		u.tell("* the server is shutting down")
	}
	// A cancellation is delivered only once, so the following awaits work as usual.
	if serr := srv.Shutdown(ctx, grace); serr != nil {
		return serr
	}
	return err
}
