package aiohttp

// A server has three parts: net/http's server, in goroutines; the list of the requests
// that are in handlers, owned by the loop; and a task that ends the first when the loop
// does.

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
)

// ServeOptions are the settings of [Serve]. The zero value has the defaults.
type ServeOptions struct {
	// HTTP is the server of net/http to use, for all its settings: timeouts,
	// MaxHeaderBytes, TLSConfig, Protocols, ErrorLog, BaseContext and the rest. nil
	// is a new one. Its Addr must be empty and its Handler nil, as Serve sets it, and
	// it must not be used otherwise.
	//
	// With a TLSConfig the server speaks TLS, and HTTP/2 where the client does; for
	// HTTP/2 without TLS see http.Protocols. Of the timeouts ReadHeaderTimeout is 10
	// seconds if it is zero, and IdleTimeout 2 minutes, unless ReadTimeout is set,
	// which stands for both in net/http. A negative value is no limit.
	HTTP *http.Server
	// StallTimeout is for how long a handler waits for a client that neither sends
	// the next part of a body nor takes the next part of a response; then its Read
	// or Write fails, with an error that matches [os.ErrDeadlineExceeded], and the
	// connection is closed. A client that is slow and not stuck has all the time
	// that it needs. Zero is 1 minute, negative no limit. It does not apply to
	// reads if HTTP.ReadTimeout is set, to writes if HTTP.WriteTimeout is, nor to a
	// direction for which the handler has set a deadline itself (see
	// http.ResponseController).
	StallTimeout time.Duration
	// Listener is one to use in place of an address: a [*net.TCPListener] that was
	// handed over, one that limits connections, or one of [aio.Listen], whose
	// connections are the loop's. It belongs to the server from then on, and is
	// closed with it; only with an error that matches aio.ErrUsage it stays the
	// caller's.
	Listener net.Listener
	// DrainDelay is how long Shutdown goes on accepting connections after the server
	// has begun to say that it is draining. Behind a load balancer, choose what that
	// takes to notice, 5 seconds for example. Zero is no delay.
	DrainDelay time.Duration
	// Grace is what ServeForever gives requests to end when it is cancelled; see
	// Shutdown. Zero is 10 seconds.
	Grace time.Duration
}

// Server is a server that Serve has started. Its methods that take a ctx must be called
// by tasks of its loop, the others by any goroutine.
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
	first, last *exchange // requests that are in handlers, the oldest first
	stopped     aio.Event // net/http's server is
	err         error     // why
	// set while no request is in a handler, if somebody wants to know
	idle  aio.Event
	waits bool // somebody does
}

// Serve listens on addr, which is "host:port" with port 0 for any, and serves HTTP with
// h. The handlers run in tasks of the calling task's loop, with all that [Handler]
// says. It suspends the calling task to look up the host, and returns when the server
// accepts connections: it goes on until Close, Shutdown or the end of the loop. opts
// may be nil.
//
//	srv, err := aiohttp.Serve(ctx, mux, "localhost:8080", nil)
//	if err != nil {
//		return err
//	}
//	return srv.ServeForever(ctx)
//
// An address that is in use or not this machine's gives a [*net.OpError]. Options that
// contradict each other, and a nil handler, give an error that matches aio.ErrUsage.
// (asyncio has no HTTP; the counterpart is aiohttp.web's run_app)
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
		tls:      hs.TLSConfig != nil, // which net/http changes
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

// attend is a task that lasts as long as the server accepts, or the loop.
func (s *Server) attend(ctx context.Context) (struct{}, error) {
	if s.stopped.Wait(ctx) != nil { // the program ends, or the loop is closed
		s.listener.Close()
		// which says goodbye to TLS clients, and may have to wait for that
		go s.http.Close()
	}
	return struct{}{}, nil
}

// Addr returns the address that the server listens on. It stays what it was when the
// server is closed.
func (s *Server) Addr() net.Addr { return s.addr }

// URL returns the address as the beginning of a URL: "http://127.0.0.1:8080".
func (s *Server) URL() string {
	if s.addr == nil {
		panic(s.made(context.Background(), "URL"))
	}
	if s.tls {
		return "https://" + s.addr.String()
	}
	return "http://" + s.addr.String()
}

// Draining returns a channel that is closed when Shutdown begins, before anything else
// happens. A readiness probe answers 503 from then on; a handler that never ends by
// itself, of server-sent events for example, ends. A task waits for it with aio.Receive.
// See also [Draining].
func (s *Server) Draining() <-chan struct{} { return s.draining }

func (s *Server) isDraining() bool { return isClosed(s.draining) }

// Draining returns the Draining channel of the server that ctx is the context of a
// request of, nil if that was not started by Serve. Any goroutine may call it.
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

// add notes that the handler of a request begins.
func (s *Server) add(x *exchange) {
	if x.prev = s.last; x.prev == nil {
		s.first = x
	} else {
		x.prev.next = x
	}
	s.last = x
}

// remove notes that the handler of a request has ended.
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
// When it is cancelled, it shuts the server down, with the grace of the options, and
// returns the *aio.CancelledError, joined with the error of Shutdown if there is one.
//
// If it is cancelled again meanwhile, the server is closed at once. A server that was
// closed gives nil, one that cannot accept connections any more the reason.
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
	if !errors.Is(err, aio.ErrCancelled) && ctx.Err() == nil {
		return err // it was not this server's loop, or no task
	}
	// That ctx has ended is why this is the end, no reason to be in a hurry.
	if down := s.Shutdown(context.WithoutCancel(ctx), s.grace); down != nil {
		return fmt.Errorf("%w (and %w)", err, down)
	}
	return err
}

// Shutdown ends the server so that no request is lost. It suspends the calling task until
// all is over.
//
//  1. Draining is closed, and from then on each response asks the client to close its
//     connection, and to go elsewhere with the next request. Connections and requests are
//     accepted as before, for the DrainDelay of the options.
//  2. The listener is closed, and so are connections that wait for a request. Requests
//     that have begun have as long as grace to end.
//  3. The tasks of those that are left are cancelled. They have as long again to end; a
//     handler that has not begun its response answers 503 thereby.
//  4. What is left is closed: the connections break. If handlers go on all the same, the
//     error matches aio.ErrTimeout.
//
// Connections that were hijacked are their handlers' own affair: Draining tells them. If
// Shutdown is cancelled, or ctx ends, the server is closed at once and it returns the
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
		// until all connections are idle or closed
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

// cancelAll cancels the handlers that are left.
func (s *Server) cancelAll() {
	for x := s.first; x != nil; x = x.next {
		x.task.Cancel(http.ErrServerClosed)
	}
}

// Close stops accepting and breaks all connections at once, which cancels the tasks of
// their requests. It does not wait for them. Connections that were hijacked stay. Any
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
