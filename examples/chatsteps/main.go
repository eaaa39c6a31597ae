// Command chatsteps is a chat server that grows in six steps; docs/project.md explains
// them. Each step is a server of its own:
//
//	chatsteps -step 1
//	nc localhost 7777
//
// With -cert and -key the last step uses TLS. An interrupt ends the server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/goaio/aio"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without os.Exit. It returns the exit status: 1 after a failure, 2 for wrong
// arguments.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("chatsteps", flag.ContinueOnError)
	flags.SetOutput(stderr)
	step := flags.Int("step", 6, "run the server of step `N`, from 1 to 6")
	addr := flags.String("addr", "localhost:7777", "listen on `HOST:PORT`")
	cert := flags.String("cert", "", "use TLS with the certificate in `FILE`, in step 6")
	key := flags.String("key", "", "the key of the certificate, in `FILE`")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case *step < 1 || *step > 6 || flags.NArg() > 0 || (*cert == "") != (*key == "") || *cert != "" && *step < 6:
		fmt.Fprintln(stderr, "chatsteps: wrong arguments")
		flags.Usage()
		return 2
	}
	var opts *aio.ServerOptions
	if *cert != "" {
		var err error
		if opts, err = secure(*cert, *key); err != nil {
			fmt.Fprintln(stderr, "chatsteps:", err)
			return 1
		}
	}
	runner := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	defer runner.Close()
	err := runner.Run(func(ctx context.Context) error {
		ready := func(at net.Addr) { fmt.Fprintln(stdout, "listening on", at) }
		if *step >= 5 {
			return newHall().serve(ctx, *addr, opts, 2*time.Second, ready)
		}
		return serve(ctx, handlers()[*step], *addr, ready)
	})
	var sig *aio.SignalError
	if err != nil && !errors.As(err, &sig) {
		fmt.Fprintln(stderr, "chatsteps:", err)
		return 1
	}
	return 0
}

// handlers returns the handlers of the first steps.
func handlers() map[int]aio.StreamHandler {
	var unnamed, named room
	taken := names{}
	return map[int]aio.StreamHandler{
		1: echo,
		2: unnamed.handle,
		3: func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			name, err := taken.ask(ctx, r, w)
			if err != nil {
				w.Close()
				return ignoreGone(err)
			}
			defer delete(taken, name)
			return named.handle(ctx, r, w)
		},
		4: newHall().handle,
	}
}

// serve serves clients until it is cancelled.
func serve(ctx context.Context, handler aio.StreamHandler, addr string, ready func(net.Addr)) error {
	server, err := aio.StartServer(ctx, handler, addr, nil)
	if err != nil {
		return err
	}
	ready(server.Addr())
	return server.ServeForever(ctx)
}
