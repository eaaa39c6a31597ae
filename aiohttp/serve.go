package aiohttp

// A server has three parts: net/http's server, in goroutines; the list of the requests
// whose handlers run, owned by the loop; and a task that closes net/http's server when
// the loop ends.

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/plug"
)

// ServeOptions are the settings of [Serve]. The zero value means the defaults.
type ServeOptions struct {
	// HTTP is the server of net/http to use, for all its settings: timeouts,
	// MaxHeaderBytes, TLSConfig, Protocols, ErrorLog, BaseContext and the rest. nil
	// means a new one. Its Addr must be empty and its Handler nil, because Serve
	// sets them, and it must not be used for anything else.
	//
	// With a TLSConfig the server uses TLS, and HTTP/2 if the client supports it;
	// for HTTP/2 without TLS see http.Protocols. A zero ReadHeaderTimeout means 10
	// seconds. A zero IdleTimeout means 2 minutes, unless ReadTimeout is set:
	// net/http then uses it for both. A negative value means no timeout.
	HTTP *http.Server
	// StallTimeout is how long a handler waits for a client that neither sends the
	// next part of a body nor receives the next part of a response. Then the Read
	// or Write fails, with an error that matches [os.ErrDeadlineExceeded], and the
	// connection is closed. A client that is slow but makes progress has unlimited
	// time. Zero means 1 minute, negative no limit. It does not apply to reads if
	// HTTP.ReadTimeout is set, to writes if HTTP.WriteTimeout is set, nor to a
	// direction for which the handler has set a deadline itself (see
	// http.ResponseController).
	StallTimeout time.Duration
	// Listener is used instead of an address: an inherited [*net.TCPListener], a
	// listener that limits connections, or a listener of [aio.Listen], whose
	// connections belong to the loop. The server takes ownership and closes it,
	// except when Serve fails with an error that matches aio.ErrUsage.
	Listener net.Listener
	// DrainDelay is how long Shutdown continues to accept connections after the
	// server has begun to announce that it is draining. Behind a load balancer,
	// choose the time that the balancer takes to notice, for example 5 seconds.
	// Zero means no delay.
	DrainDelay time.Duration
	// Grace is the time that ServeForever gives requests to end when it is
	// cancelled; see [Server.Shutdown]. Zero means 10 seconds.
	Grace time.Duration
}

// Server is a server that [Serve] has started. Its methods that take a ctx must be
// called by tasks of its loop; any goroutine may call the others.
type Server struct {
	loop       *aio.Loop
	http       *http.Server
	listener   net.Listener
	addr       net.Addr
	tls        bool
	delay      time.Duration
	grace      time.Duration
	readStall  time.Duration // 0 if there is no limit
	writeStall time.Duration
	draining   chan struct{}

	// Owned by the loop.
	drains      bool      // draining is closed
	first, last *exchange // requests whose handlers run, the oldest first
	stopped     aio.Event // net/http's server has stopped
	err         error     // why
	// idle is set while no handler runs, if a task waits for that
	idle  aio.Event
	waits bool // a task waits for idle
}

// Serve listens on addr and serves HTTP with h. addr is "host:port"; port 0 chooses a
// free port. The handlers run in tasks of the calling task's loop; everything that the
// documentation of [Handler] says applies. It suspends the calling task to look up the
// host, and returns when the server accepts connections. The server runs until Close,
// Shutdown or the end of the loop. opts may be nil.
//
//	srv, err := aiohttp.Serve(ctx, mux, "localhost:8080", nil)
//	if err != nil {
//		return err
//	}
//	return srv.ServeForever(ctx)
//
// For an address that is in use, or that is not an address of this machine, the error
// is a [*net.OpError]. For contradictory options and a nil handler it matches
// aio.ErrUsage. asyncio has no HTTP server; the counterpart is aiohttp.web's run_app.
func Serve(ctx context.Context, h http.Handler, addr string, opts *ServeOptions) (*Server, error) {
	if opts == nil {
		opts = &ServeOptions{}
	}
	loop, err := aio.GetRunningLoop(ctx)
	if err == nil && aio.CurrentTask(ctx) == nil {
		err = aio.ErrNoTask
	}
	if err != nil {
		return nil, fmt.Errorf("aiohttp: Serve: %w", err)
	}
	hs, err := opts.check(h, addr)
	if err != nil {
		return nil, err
	}
	ln := opts.Listener
	if ln == nil {
		if err := plug.Unsupported(loop, "serve HTTP in goroutines of net/http, which need real time"); err != nil {
			return nil, fmt.Errorf("aiohttp: Serve: %w", err)
		}
		ln, err = aio.ToThread(ctx, func(ctx context.Context) (net.Listener, error) {
			return new(net.ListenConfig).Listen(ctx, "tcp", addr)
		})
		if err != nil {
			return nil, err
		}
	}
	s := &Server{
		loop:     loop,
		http:     hs,
		listener: ln,
		addr:     ln.Addr(),
		// read before net/http changes the TLSConfig
		tls:      hs.TLSConfig != nil,
		delay:    opts.DrainDelay,
		grace:    cmp.Or(opts.Grace, 10*time.Second),
		draining: make(chan struct{}),
	}
	if stall := cmp.Or(opts.StallTimeout, time.Minute); stall > 0 {
		if hs.ReadTimeout == 0 {
			s.readStall = stall
		}
		if hs.WriteTimeout == 0 {
			s.writeStall = stall
		}
	}
	if hs.ReadTimeout == 0 {
		hs.ReadHeaderTimeout = cmp.Or(hs.ReadHeaderTimeout, 10*time.Second)
		hs.IdleTimeout = cmp.Or(hs.IdleTimeout, 2*time.Minute)
	}
	hs.Handler = &handler{loop: loop, inner: h, server: s}
	go s.accept()
	aio.CreateTask(ctx, s.attend, aio.WithName("aiohttp.Server"))
	return s, nil
}

// check returns net/http's server, or an error if the options contradict each other.
func (o *ServeOptions) check(h http.Handler, addr string) (*http.Server, error) {
	bad := func(text string) (*http.Server, error) {
		return nil, fmt.Errorf("aiohttp: Serve: %s: %w", text, aio.ErrUsage)
	}
	hs := o.HTTP
	if hs == nil {
		hs = &http.Server{}
	}
	switch {
	case h == nil:
		return bad("the handler is nil")
	case hs.Handler != nil:
		return bad("HTTP.Handler is set: give the handler to Serve")
	case hs.Addr != "":
		return bad("HTTP.Addr is set: give the address to Serve")
	case o.Listener != nil && addr != "":
		return bad("both an address and a listener are given")
	case o.Listener == nil && addr == "":
		return bad("there is neither an address nor a listener")
	case o.DrainDelay < 0 || o.Grace < 0:
		return bad("DrainDelay or Grace is negative")
	case hs.TLSConfig != nil && !hasCertificate(hs.TLSConfig):
		return bad("HTTP.TLSConfig has no certificate")
	}
	return hs, nil
}

func hasCertificate(c *tls.Config) bool {
	return len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil
}

// accept is the goroutine of net/http's server.
func (s *Server) accept() {
	var err error
	if s.tls {
		err = s.http.ServeTLS(s.listener, "", "")
	} else {
		err = s.http.Serve(s.listener)
	}
	tell(s.loop, func() {
		s.err = err
		s.stopped.Set()
	})
}

// attend is a task that runs until the server stops accepting or the loop ends.
func (s *Server) attend(ctx context.Context) (struct{}, error) {
	if s.stopped.Wait(ctx) != nil { // the program ends, or the loop is closed
		s.listener.Close()
		// sends close_notify to TLS clients, which may block
		go s.http.Close()
	}
	return struct{}{}, nil
}

// Addr returns the address on which the server listens. It does not change when the
// server is closed.
func (s *Server) Addr() net.Addr { return s.addr }

// URL returns the base URL of the server: "http://127.0.0.1:8080".
//
//nolint:contextcheck // it needs none
func (s *Server) URL() string {
	if s.addr == nil {
		panic(s.made(context.Background(), "URL"))
	}
	if s.tls {
		return "https://" + s.addr.String()
	}
	return "http://" + s.addr.String()
}

// Draining returns a channel that is closed when [Server.Shutdown] begins, before
// anything else happens. From then on a readiness probe should answer 503, and a
// handler that otherwise runs without end, for server-sent events for example, should
// return. A task waits for it with aio.Receive. See also [Draining].
func (s *Server) Draining() <-chan struct{} { return s.draining }

func (s *Server) isDraining() bool { return isClosed(s.draining) }

// Draining returns the [Server.Draining] channel of the server whose request has the
// context ctx, nil if [Serve] did not start that server. Any goroutine may call it.
func Draining(ctx context.Context) <-chan struct{} {
	if ctx == nil {
		panic(fmt.Errorf("aiohttp: Draining: the context is nil: %w", aio.ErrUsage))
	}
	hs, _ := ctx.Value(http.ServerContextKey).(*http.Server)
	if hs == nil {
		return nil
	}
	h, ok := hs.Handler.(*handler)
	if !ok {
		return nil
	}
	return h.server.draining
}

// add records that the handler of a request begins.
func (s *Server) add(x *exchange) {
	if x.prev = s.last; x.prev == nil {
		s.first = x
	} else {
		x.prev.next = x
	}
	s.last = x
}

// remove records that the handler of a request has ended.
func (s *Server) remove(x *exchange) {
	if x.prev == nil {
		s.first = x.next
	} else {
		x.prev.next = x.next
	}
	if x.next == nil {
		s.last = x.prev
	} else {
		x.next.prev = x.prev
	}
	if s.first == nil && s.waits {
		s.idle.Set()
	}
}

// ServeForever suspends the calling task until it is cancelled or the server is closed.
// When it is cancelled, it shuts the server down, with the Grace of the options, and
// returns the *aio.CancelledError, joined with the error of [Server.Shutdown] if there
// is one.
//
// If it is cancelled again during the shutdown, the server is closed at once. It
// returns nil if the server was closed, and the reason if the server cannot accept
// connections.
//
// (asyncio: Server.serve_forever)
func (s *Server) ServeForever(ctx context.Context) error {
	if err := s.made(ctx, "ServeForever"); err != nil {
		return err
	}
	err := s.stopped.Wait(ctx)
	if err == nil {
		if errors.Is(s.err, http.ErrServerClosed) {
			return nil
		}
		return s.err
	}
	if !aio.IsCancellation(err) && ctx.Err() == nil {
		return err // not a task of this server's loop
	}
	// ctx is done because of the cancellation; that must not shorten the shutdown.
	if down := s.Shutdown(context.WithoutCancel(ctx), s.grace); down != nil {
		return fmt.Errorf("%w (and %w)", err, down)
	}
	return err
}

// Shutdown stops the server gracefully: no request is lost. It suspends the calling
// task until the server has stopped.
//
//  1. The Draining channel is closed. From then on each response asks the client to close
//     its connection, and to send the next request elsewhere. Connections and requests
//     are still accepted, for the DrainDelay of the options.
//  2. The listener and the idle connections are closed. Requests that have begun have
//     the time grace to end.
//  3. The tasks of the remaining requests are cancelled. They have the same time again to
//     end; a handler that has not begun its response then answers 503.
//  4. The remaining connections are closed. If handlers are still running, the error
//     matches aio.ErrTimeout.
//
// Their handlers must close hijacked connections; Draining notifies them. If Shutdown
// is cancelled, or ctx is done, the server is closed at once and Shutdown returns the
// error.
func (s *Server) Shutdown(ctx context.Context, grace time.Duration) error {
	if err := s.made(ctx, "Shutdown"); err != nil {
		return err
	}
	if !s.drains {
		s.drains = true
		close(s.draining)
		if s.delay > 0 {
			if err := aio.Sleep(ctx, s.delay); err != nil {
				_ = s.Close()
				return err
			}
		}
	}
	var over aio.Event
	go func() {
		// returns when all connections are idle or closed
		_ = s.http.Shutdown(context.Background())
		tell(s.loop, over.Set)
	}()
	for _, next := range []func(){s.cancelAll, func() { _ = s.Close() }} {
		err := aio.Timeout(ctx, grace, over.Wait)
		if err == nil {
			return nil
		}
		if !errors.Is(err, aio.ErrTimeout) {
			_ = s.Close()
			return err
		}
		next()
	}
	s.waits = true
	if s.first == nil {
		return nil
	}
	s.idle.Clear()
	if err := aio.Timeout(ctx, grace, s.idle.Wait); err != nil {
		return fmt.Errorf("aiohttp: Shutdown: handlers go on although they were cancelled: %w", err)
	}
	return nil
}

// cancelAll cancels the remaining handlers.
func (s *Server) cancelAll() {
	for x := s.first; x != nil; x = x.next {
		x.task.Cancel(http.ErrServerClosed)
	}
}

// Close stops accepting and breaks all connections at once, which cancels the tasks of
// their requests. It does not wait for the tasks. Hijacked connections stay open. Any
// goroutine may call it.
func (s *Server) Close() error {
	if err := s.made(context.Background(), "Close"); err != nil {
		return err
	}
	return s.http.Close()
}

// made returns an error for a zero Server, and for a nil context.
func (s *Server) made(ctx context.Context, call string) error {
	switch {
	case s.http == nil:
		return fmt.Errorf("aiohttp: Server.%s: a zero Server: use Serve: %w", call, aio.ErrUsage)
	case ctx == nil:
		return fmt.Errorf("aiohttp: Server.%s: the context is nil: %w", call, aio.ErrUsage)
	}
	return nil
}
