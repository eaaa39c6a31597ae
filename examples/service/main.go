// Command service is an HTTP service that keeps a stock of goods. It shows startup,
// state shared by handlers, and graceful shutdown.
//
//	service [flags]
//
//	POST /stock/{name}?n=3    adds to the stock
//	DELETE /stock/{name}?n=3  takes from it, and waits up to a second for more
//	GET /events               sends changes as server-sent events
//	GET /ready                readiness probe for a load balancer
//
// On SIGTERM or SIGINT it drains: /ready answers 503, and for the duration -drain
// requests are served as before, so that the load balancer can notice. Then it waits up
// to -grace for the running requests. A second signal stops it at once. The exit status
// is 0 then, 1 after a failure, 2 for wrong arguments.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

const (
	exitFailure = 1
	exitUsage   = 2

	usage = "usage: service [flags]"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without os.Exit. It returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	addr, opts, err := parseArgs(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "service: %v\n%s\n", err, usage)
		return exitUsage
	}
	runner := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	err = runner.Run(func(ctx context.Context) error {
		return serve(ctx, addr, opts, func(at net.Addr) { slog.Info("listening", "addr", at.String()) })
	})
	err = errors.Join(err, runner.Close())
	var sig *aio.SignalError
	switch {
	case errors.As(err, &sig):
		slog.Info("stopped", "signal", sig.Signal.String())
	case err != nil:
		slog.Error("failed", "err", err)
		return exitFailure
	}
	return 0
}

// parseArgs writes to stdout only for -h.
func parseArgs(args []string, stdout io.Writer) (addr string, opts *aiohttp.ServeOptions, err error) {
	opts = &aiohttp.ServeOptions{}
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run reports the error in the format of this program
	flags.Usage = func() {}
	flags.StringVar(&addr, "addr", "localhost:8080", "listen on `HOST:PORT`")
	flags.DurationVar(&opts.DrainDelay, "drain", 0, "after a signal, accept new requests for `D`")
	flags.DurationVar(&opts.Grace, "grace", 20*time.Second, "then wait up to `D` for running requests")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
		}
		return "", nil, err
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return "", nil, fmt.Errorf("-addr must be HOST:PORT, got %q", addr)
	}
	switch {
	case opts.DrainDelay < 0:
		return "", nil, fmt.Errorf("-drain must not be negative, got %v", opts.DrainDelay)
	case opts.Grace <= 0:
		return "", nil, fmt.Errorf("-grace must be greater than 0, got %v", opts.Grace)
	case flags.NArg() > 0:
		return "", nil, fmt.Errorf("want no arguments, got %q", flags.Arg(0))
	}
	return addr, opts, nil
}

// serve runs the service until its task is cancelled. It calls ready when it is
// listening.
func serve(ctx context.Context, addr string, opts *aiohttp.ServeOptions, ready func(net.Addr)) error {
	s := &stock{items: map[string]int{}}
	mux := http.NewServeMux()
	mux.Handle("POST /stock/{name}", aiohttp.HandlerFunc(s.add))
	mux.Handle("DELETE /stock/{name}", aiohttp.HandlerFunc(s.take))
	mux.Handle("GET /events", aiohttp.HandlerFunc(s.events))
	mux.Handle("GET /ready", aiohttp.HandlerFunc(isReady))
	srv, err := aiohttp.Serve(ctx, logged(mux), addr, opts)
	if err != nil {
		return err
	}
	ready(srv.Addr())
	return srv.ServeForever(ctx) // drains when the task is cancelled
}

// stock is the state of the service. Its handlers are tasks of one loop: they change it
// between two awaits, so that it needs no mutex.
type stock struct {
	items   map[string]int
	version int           // counts the changes
	changed aio.Condition // notified after each change
}

// change adds n to an item, and wakes the tasks that wait for a change.
func (s *stock) change(ctx context.Context, name string, n int) error {
	s.items[name] += n
	s.version++
	return s.notify(ctx)
}

// notify wakes the tasks that wait for a change; they check their condition again.
func (s *stock) notify(ctx context.Context) error {
	return s.changed.With(ctx, func(context.Context) error {
		s.changed.NotifyAll()
		return nil
	})
}

func (s *stock) add(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("n"))
	if err != nil || n < 1 {
		http.Error(w, "n must be a number greater than 0", http.StatusBadRequest)
		return
	}
	if err := s.change(ctx, r.PathValue("name"), n); err == nil {
		fmt.Fprintln(w, s.items[r.PathValue("name")])
	}
}

func (s *stock) take(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	n, err := strconv.Atoi(r.FormValue("n"))
	if err != nil || n < 1 {
		http.Error(w, "n must be a number greater than 0", http.StatusBadRequest)
		return
	}
	err = aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
		return s.changed.With(ctx, func(ctx context.Context) error {
			return s.changed.WaitFor(ctx, func() bool { return s.items[name] >= n })
		})
	})
	if err == nil {
		err = s.change(ctx, name, -n)
	}
	switch {
	case errors.Is(err, aio.ErrTimeout):
		http.Error(w, "not enough in stock", http.StatusConflict)
	case err == nil:
		fmt.Fprintln(w, s.items[name])
	} // otherwise the task was cancelled: the client disconnected, or a shutdown
}

// events sends each version until the client disconnects or the server drains.
func (s *stock) events(ctx context.Context, w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	_ = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		drains := false
		tg.Go(func(ctx context.Context) error {
			if _, _, err := aio.Receive(ctx, aiohttp.Draining(ctx)); err != nil {
				return err
			}
			// a cancellation could interrupt an event that is being sent
			drains = true
			return s.notify(ctx)
		})
		for seen := -1; ; {
			err := s.changed.With(ctx, func(ctx context.Context) error {
				return s.changed.WaitFor(ctx, func() bool { return drains || s.version != seen })
			})
			if err != nil || s.version == seen {
				return err
			}
			seen = s.version
			fmt.Fprintf(w, "data: version %d\n\n", seen)
			if err := http.NewResponseController(w).Flush(); err != nil {
				return err
			}
		}
	})
}

func isReady(ctx context.Context, w http.ResponseWriter, _ *http.Request) {
	select {
	case <-aiohttp.Draining(ctx):
		http.Error(w, "draining", http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(w, "ready")
	}
}

// logged is middleware: it runs in the task of each request.
func logged(next http.Handler) http.Handler {
	return aiohttp.HandlerFunc(func(_ context.Context, w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		next.ServeHTTP(w, r)
		slog.Info("request", "method", r.Method, "path", r.URL.Path, "pattern", r.Pattern, "took", time.Since(start))
	})
}
