// Command service is an HTTP service that keeps a stock of goods. It shows startup,
// state shared by handlers, and graceful shutdown.
//
//	service -addr localhost:8080 -drain 5s -grace 20s
//
//	POST /stock/{name}?n=3    adds to the stock
//	DELETE /stock/{name}?n=3  takes from it, and waits up to a second for more
//	GET /events               sends changes as server-sent events
//	GET /ready                readiness probe for a load balancer
//
// On SIGTERM or SIGINT it drains: /ready answers 503, and for the duration -drain
// requests are served as before, so that the load balancer can notice. Then it waits up
// to -grace for the running requests. A second signal stops it at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
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

func main() {
	addr := flag.String("addr", "localhost:8080", "the `address` to listen on")
	drain := flag.Duration("drain", 0, "how long to accept new requests after a signal")
	grace := flag.Duration("grace", 20*time.Second, "how long to wait for running requests after that")
	flag.Parse()
	if flag.NArg() > 0 || *drain < 0 || *grace <= 0 {
		flag.Usage()
		os.Exit(2)
	}
	runner := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	err := runner.Run(func(ctx context.Context) error {
		return serve(ctx, *addr, &aiohttp.ServeOptions{DrainDelay: *drain, Grace: *grace}, func(at net.Addr) {
			slog.Info("listening", "addr", at.String())
		})
	})
	err = errors.Join(err, runner.Close())
	var sig *aio.SignalError
	switch {
	case errors.As(err, &sig):
		slog.Info("ended", "signal", sig.Signal.String())
	case err != nil:
		slog.Error("failed", "err", err)
		os.Exit(1)
	}
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
