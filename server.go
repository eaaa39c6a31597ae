package aio

// A Server owns its listening sockets; an accepted connection belongs to its transport,
// which tells the server when it is closed. The token owns all of this state.
//
// A connection takes two passes before its protocol is called: in one it is accepted,
// in the next the protocol and the transport are made. asyncio does the same, with a
// task for the second part.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"reflect"
	"syscall"
	"time"

	"github.com/goaio/aio/internal/netio"
)

// ServerOptions are the settings of [CreateServer] and the other functions that make a
// [Server]. The zero value has the defaults.
type ServerOptions struct {
	// TLS, if it is not nil, encrypts the connections. (asyncio: ssl)
	TLS *tls.Config
	// HandshakeTimeout limits the TLS handshake of a client; zero is 60 s.
	// (asyncio: ssl_handshake_timeout)
	HandshakeTimeout time.Duration
	// ShutdownTimeout limits the TLS shutdown; zero is 30 s. (asyncio:
	// ssl_shutdown_timeout)
	ShutdownTimeout time.Duration
	// Listener is used in place of an address. The server takes it over and closes
	// it; after an error that matches [ErrUsage] it still belongs to the caller.
	// (asyncio: sock)
	Listener net.Listener
	// Network is "tcp", "tcp4" or "tcp6"; empty is "tcp". (asyncio: family)
	Network string
	// Hosts are further hosts to listen on, with the port of the address. (asyncio:
	// host)
	Hosts []string
	// Backlog is the number of connections that may wait to be accepted, and the
	// number that is accepted in a row; zero is 100. (asyncio: backlog)
	Backlog int
	// NoReuseAddress makes the server fail if connections of an earlier server on
	// the address are in the TIME_WAIT state. On Windows the option has no effect:
	// addresses are never reused there. (asyncio: reuse_address=False)
	NoReuseAddress bool
	// ReusePort lets several servers listen on the same port, if all of them set
	// it. (asyncio: reuse_port)
	ReusePort bool
	// KeepAlive makes the system probe idle connections. (asyncio: keep_alive)
	KeepAlive bool
	// DeferServing makes the server wait for StartServing. Until then clients are
	// refused or, where there is no poller, wait. (asyncio: start_serving=False)
	DeferServing bool
	// KeepSocket keeps the file of a Unix socket when the server is closed.
	// (asyncio: cleanup_socket=False)
	KeepSocket bool
	// Limit is the buffer limit of the readers of [StartServer] and
	// [StartUnixServer]; see [NewStreamReader]. (asyncio: limit)
	Limit int
}

// check returns an error if the options contradict each other or the kind of server.
func (o *ServerOptions) check(call, addr string) error {
	switch {
	case o.Listener != nil && (addr != "" || len(o.Hosts) > 0):
		return usagef(call, "both an address and a listener are given: leave one out")
	case o.Listener == nil && addr == "":
		return usagef(call, "there is neither an address nor a listener")
	case o.Limit != 0:
		return usagef(call, "Limit is for StartServer: a protocol has none")
	case o.Backlog < 0:
		return usagef(call, "the backlog is negative")
	}
	if err := checkTCP(call, o.Network); err != nil {
		return err
	}
	return o.tls().checkAny(call, o.TLS)
}

// tls returns the settings of TLS.
func (o *ServerOptions) tls() tlsSettings {
	return tlsSettings{true, o.HandshakeTimeout, o.ShutdownTimeout}
}

// listen returns the settings of the sockets.
func (o *ServerOptions) listen() netio.ListenOptions {
	return netio.ListenOptions{NoReuseAddress: o.NoReuseAddress, ReusePort: o.ReusePort, KeepAlive: o.KeepAlive}
}

// Server holds listening sockets, and the connections accepted on them. [CreateServer],
// [CreateUnixServer], [StartServer] and [StartUnixServer] make one. Tasks and callbacks
// of its loop may call its methods; a method that awaits suspends the calling task.
//
// (asyncio: Server)
type Server struct {
	// Immutable.
	loop    *Loop
	factory func() Protocol
	opts    ServerOptions
	backlog int
	addr    net.Addr // the address of the first socket, once the server is complete

	// Listening.
	listeners []netio.Listener // nil once the server is closed
	serving   bool
	forever   *waiter // the waiter of ServeForever, nil if it was not called
	cleanup   func()  // cleanup removes the file of a Unix socket

	// The end.
	closed   bool
	counted  bool          // the server is counted in the loop's Stats
	graceful bool          // a Shutdown is in progress and will close the connections
	draining chan struct{} // closed when a Shutdown begins; itself immutable
	over     bool          // the server is closed, and the last connection is gone
	waiters  waitList      // of WaitClosed
	// the connections, in the order in which they came
	clients chain[streamTransport, *streamTransport]
}

// newServer makes a server without sockets.
func newServer[P any](l *Loop, call string, factory func() P, o *ServerOptions) (*Server, error) {
	if err := checkFactory(call, factory); err != nil {
		return nil, err
	}
	if t := reflect.TypeFor[P](); t.Kind() != reflect.Interface {
		// otherwise the error would come with the first connection
		if err := checkProtocolType[Transport](t); err != nil {
			return nil, err
		}
	}
	s := &Server{loop: l, opts: *o, backlog: o.Backlog, draining: make(chan struct{})}
	if s.backlog == 0 {
		s.backlog = 100
	}
	l.open.add(s)
	s.factory = func() Protocol { return factory() }
	return s, nil
}

// CreateServer listens on addr, which is "host:port", and calls factory to make a
// protocol for each accepted connection. An empty host means every address of this
// machine, of both families; a host with several addresses gets a socket for each. With
// port 0 the system chooses a port, the same for all sockets, which [Server.Addr]
// returns.
//
// It suspends the calling task: to look up the host, and for one pass once the server
// listens. If it is cancelled, nothing stays open.
//
// An address that is in use, or does not belong to this machine, gives a [*net.OpError]
// that names it; of several addresses, those that do not belong to this machine are
// skipped. Options that contradict each other, an address of another form, and a
// factory whose type is not a [Protocol] give an error that matches [ErrUsage]. After
// an error nothing stays open.
//
// Errors of a connection are reported to the exception handler, and the server
// continues. If factory panics, or its value is not a Protocol, the connection is
// closed; asyncio reports that in debug mode only. If the process has no descriptor
// left for a connection, the server waits for a second before it accepts again.
//
// (asyncio: loop.create_server)
func CreateServer[P any](ctx context.Context, factory func() P, addr string, opts *ServerOptions) (*Server, error) {
	return createServer(ctx, "CreateServer", factory, addr, opts)
}

// createServer is like CreateServer. call is the name of the call in errors.
func createServer[P any](ctx context.Context, call string, factory func() P, addr string, opts *ServerOptions) (*Server, error) {
	return makeServer(ctx, call, factory, addr, opts, (*ServerOptions).check, (*Server).bind)
}

// makeServer makes a server with the sockets that bind makes, if check accepts its
// options.
func makeServer[P any](ctx context.Context, call string, factory func() P, addr string, opts *ServerOptions,
	check func(o *ServerOptions, call, addr string) error,
	bind func(s *Server, ctx context.Context, call, addr string) error) (*Server, error) {
	if opts == nil {
		opts = &ServerOptions{}
	}
	c, err := enter(ctx, call)
	if err == nil {
		err = check(opts, call, addr)
	}
	if err != nil {
		return nil, err
	}
	s, err := newServer(c.fut.loop, call, factory, opts)
	if err != nil {
		return nil, err
	}
	if err = bind(s, ctx, call, addr); err == nil {
		s.addr = s.listeners[0].LocalAddr()
		if s.loop.observed != nil {
			s.counted = true
			s.loop.observed.resource("server", 1, nil, s, s.addr.String)
		}
		if !opts.DeferServing {
			err = s.StartServing(ctx)
		}
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// take adds an existing listener to the server.
func (s *Server) take(ln net.Listener) error {
	at, err := s.loop.network().Listener(ln)
	if err != nil {
		ln.Close()
		return err
	}
	s.listeners = append(s.listeners, at)
	return nil
}

// bind makes the sockets for addr and the further hosts, or uses the listener of the
// options.
func (s *Server) bind(ctx context.Context, call, addr string) error {
	if s.opts.Listener != nil {
		return s.take(s.opts.Listener)
	}
	host, port, err := splitAddr(call, addr)
	if err != nil {
		return err
	}
	network := s.opts.Network
	if network == "" {
		network = "tcp"
	}
	// the lookups are concurrent, as in asyncio
	var lookups []Awaitable[[]netip.AddrPort]
	for _, h := range append([]string{host}, s.opts.Hosts...) {
		lookups = append(lookups, Coro[[]netip.AddrPort](func(ctx context.Context) ([]netip.AddrPort, error) {
			return s.loop.resolve(ctx, network, h, port, true)
		}))
	}
	found, err := Gather(ctx, lookups...).Await(ctx)
	if err != nil {
		return err
	}
	var aps []netip.AddrPort
	seen := map[netip.AddrPort]bool{}
	for _, of := range found {
		for _, ap := range of {
			if !seen[ap] {
				seen[ap] = true
				aps = append(aps, ap)
			}
		}
	}
	for try := 1; ; try++ {
		err := s.bindAll(aps)
		if try == bindTries || len(s.listeners) == 0 || aps[0].Port() != 0 || !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
		// the port that the system has chosen for one address is in use on
		// another
		s.closeListeners()
	}
}

// bindTries is how many ports are tried for a server with several addresses.
const bindTries = 10

// bindAll makes a socket for each address. After an error the sockets made so far stay
// open.
func (s *Server) bindAll(aps []netip.AddrPort) error {
	var skipped error
	chosen := uint16(0) // the port that the system has chosen for the first socket
	for _, ap := range aps {
		if ap.Port() == 0 {
			ap = netip.AddrPortFrom(ap.Addr(), chosen)
		}
		ln, err := s.loop.network().BindTCP(ap, s.opts.listen())
		if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
			// this machine does not have the address, or has no IPv6
			skipped = err
			continue
		}
		if err != nil {
			return err
		}
		s.listeners = append(s.listeners, ln)
		if at, ok := ln.LocalAddr().(*net.TCPAddr); ok {
			chosen = uint16(at.Port)
		}
	}
	if len(s.listeners) == 0 {
		return skipped
	}
	return nil
}

// CreateUnixServer is [CreateServer] on the Unix socket at path. A socket file that a
// former server has left is replaced; any other file at path is an error. When the
// server is closed it removes the file, unless it was replaced. A path that begins with
// @ is a name in Linux's abstract namespace.
//
// (asyncio: loop.create_unix_server)
func CreateUnixServer[P any](ctx context.Context, factory func() P, path string, opts *ServerOptions) (*Server, error) {
	return createUnixServer(ctx, "CreateUnixServer", factory, path, opts)
}

// createUnixServer is like CreateUnixServer. call is the name of the call in errors.
func createUnixServer[P any](ctx context.Context, call string, factory func() P, path string, opts *ServerOptions) (*Server, error) {
	return makeServer(ctx, call, factory, path, opts, (*ServerOptions).checkUnix, (*Server).bindUnix)
}

// checkUnix is like check, for a Unix socket.
func (o *ServerOptions) checkUnix(call, path string) error {
	if err := o.check(call, path); err != nil {
		return err
	}
	if o.Listener != nil && !isUnix(o.Listener.Addr()) {
		return usagef(call, "the listener is not one of a Unix stream socket but a %T", o.Listener)
	}
	if o.Network != "" || len(o.Hosts) > 0 || o.NoReuseAddress || o.ReusePort {
		return usagef(call, "Network, Hosts, NoReuseAddress and ReusePort are for TCP")
	}
	return nil
}

// bindUnix makes the socket at path, or uses the listener of the options.
func (s *Server) bindUnix(_ context.Context, _, path string) (err error) {
	if ln := s.opts.Listener; ln != nil {
		path = ln.Addr().String()
		err = s.take(ln)
	} else {
		err = s.bindPath(path)
	}
	if err == nil && !s.opts.KeepSocket {
		s.removeLater(path)
	}
	return err
}

// bindPath makes the socket at path.
func (s *Server) bindPath(path string) error {
	if err := checkUnixPath(path); err != nil {
		return &net.OpError{Op: "listen", Net: "unix", Addr: &net.UnixAddr{Name: path, Net: "unix"}, Err: err}
	}
	s.loop.removeStale(path)
	ln, err := s.loop.network().BindUnix(path, s.opts.listen())
	if err != nil {
		return err
	}
	s.listeners = append(s.listeners, ln)
	return nil
}

// removeLater removes the file of a Unix socket when the server is closed, unless
// another file has replaced it by then.
func (s *Server) removeLater(path string) {
	if !s.loop.hasFile(path) {
		return
	}
	mine, err := os.Stat(path)
	if err != nil {
		return
	}
	s.cleanup = func() {
		if now, err := os.Stat(path); err == nil && os.SameFile(mine, now) {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				s.loop.CallExceptionHandler(ExceptionContext{Message: "the file of a Unix socket cannot be removed", Err: err})
			}
		}
	}
}

// GetLoop returns the server's loop. Any goroutine may call it. (asyncio:
// Server.get_loop)
func (s *Server) GetLoop() *Loop { return s.loop }

// IsServing reports whether new connections are accepted. (asyncio: Server.is_serving)
func (s *Server) IsServing() bool {
	s.loop.check("Server.IsServing")
	return s.serving
}

// Sockets returns the listening sockets, none once the server is closed. (asyncio:
// Server.sockets)
func (s *Server) Sockets() []*TransportSocket {
	s.loop.check("Server.Sockets")
	var socks []*TransportSocket
	for _, ln := range s.listeners {
		socks = append(socks, &TransportSocket{ln})
	}
	return socks
}

// Addr returns the address of the first socket, even when the server is closed. Any
// goroutine may call it, as with a [net.Listener].
func (s *Server) Addr() net.Addr { return s.addr }

// StartServing begins to accept connections, unless the server does already, and
// suspends the calling task for one pass. It fails with [net.ErrClosed] if the server
// is closed, and with a [*net.OpError] if the listen call fails, for example because
// another server listens on the same address; then it may be called again.
//
// (asyncio: Server.start_serving)
func (s *Server) StartServing(ctx context.Context) error {
	if _, err := s.enter(ctx, "Server.StartServing"); err != nil {
		return err
	}
	if err := s.startServing(); err != nil {
		return err
	}
	return Sleep(ctx, 0)
}

// enter is like the function enter, for a method of the server.
func (s *Server) enter(ctx context.Context, call string) (caller, error) {
	if s.loop == nil {
		return caller{}, usagef(call, "a zero Server: use CreateServer or StartServer")
	}
	return enter(ctx, call)
}

func (s *Server) startServing() error {
	if s.closed {
		return fmt.Errorf("aio: the server is closed: %w", net.ErrClosed)
	}
	if s.serving {
		return nil
	}
	for _, ln := range s.listeners {
		// listeners that have started before an earlier error do nothing
		if err := ln.Start((*serverAcceptor)(s), s.backlog); err != nil {
			at := ln.LocalAddr()
			return &net.OpError{Op: "listen", Net: at.Network(), Addr: at, Err: err}
		}
	}
	s.serving = true
	return nil
}

// ServeForever begins to accept connections, unless the server does already, and
// suspends the calling task until it is cancelled or the server is closed. Then it
// closes the server and its connections (during a [Server.Shutdown] the Shutdown closes
// them) and waits until they are gone, before it returns a [*CancelledError]. A second
// cancellation ends that wait.
//
// It fails as [Server.StartServing] does, and with an error that matches [ErrUsage] if
// another task is already running ServeForever.
//
// (asyncio: Server.serve_forever)
func (s *Server) ServeForever(ctx context.Context) error {
	const call = "Server.ServeForever"
	c, err := s.enter(ctx, call)
	if err != nil {
		return err
	}
	if s.forever != nil {
		return usagef(call, "another task serves already")
	}
	if err := s.startServing(); err != nil {
		return err
	}
	err = c.waitOnce(call, &s.forever)
	if interrupted(err) {
		s.close()
		if !s.graceful {
			s.closeClients()
		}
		// Even if ctx has ended, which is the usual reason to be here, wait for
		// the connections.
		if cerr := s.WaitClosed(context.WithoutCancel(ctx)); cerr != nil {
			return cerr
		}
	}
	return err
}

// Close stops accepting connections; existing connections stay open. A
// [Server.ServeForever] ends. Closing a closed server does nothing. (asyncio:
// Server.close)
func (s *Server) Close() {
	s.loop.check("Server.Close")
	s.close()
}

func (s *Server) close() {
	if s.closed {
		return
	}
	s.closed, s.serving = true, false
	s.closeListeners()
	s.loop.open.remove(s)
	if s.counted && s.loop.observed != nil {
		s.loop.observed.resource("server", -1, nil, s, nil)
	}
	if s.cleanup != nil {
		s.cleanup()
	}
	if s.forever != nil && s.forever.state == pending {
		s.forever.settle(cancelled, errCancelled)
	}
	s.maybeOver()
}

// closeWithLoop implements closer.
func (s *Server) closeWithLoop() { s.closeListeners() }

// hold stops accepting, so that further connections wait in the system, until it is
// called with false. Listeners of a back end that cannot do this continue to accept.
func (s *Server) hold(on bool) {
	for _, ln := range s.listeners {
		if h, ok := ln.(interface{ Hold(on bool) error }); ok {
			if err := h.Hold(on); err != nil {
				s.failed(err)
			}
		}
	}
}

// closeListeners closes the listening sockets.
func (s *Server) closeListeners() {
	for _, ln := range s.listeners {
		ln.Close()
	}
	s.listeners = nil
}

// maybeOver wakes the tasks in WaitClosed if the server is closed and the last
// connection is gone.
func (s *Server) maybeOver() {
	if s.closed && s.clients.head == nil {
		s.over = true
		s.waiters.wakeAll()
	}
}

// CloseClients closes all connections; each first writes the data in its buffer. It
// does not close the server. (asyncio: Server.close_clients)
func (s *Server) CloseClients() {
	s.loop.check("Server.CloseClients")
	s.closeClients()
}

func (s *Server) closeClients() {
	for _, t := range s.connections() {
		_ = t.front().Close() // a transport's Close does not fail
	}
}

// AbortClients closes all connections at once; the data in their buffers is lost.
// (asyncio: Server.abort_clients)
func (s *Server) AbortClients() {
	s.loop.check("Server.AbortClients")
	for _, t := range s.connections() {
		t.forceClose(nil)
	}
}

// WaitClosed suspends the calling task until the server is closed and its last
// connection is gone. If that is the case already it returns at once. Cancelling it has
// no effect on the server. (asyncio: Server.wait_closed)
func (s *Server) WaitClosed(ctx context.Context) error {
	c, err := s.enter(ctx, "Server.WaitClosed")
	if err != nil || s.over {
		return err
	}
	_, err = c.waitIn(&s.waiters, "Server.WaitClosed")
	return err
}

// Shutdown closes the server in phases. It stops accepting; gives the connections up to
// grace to finish; closes those that are left, and gives them up to grace again to
// write the data in their buffers; and aborts those that are left then. It suspends the
// calling task until the last connection is gone; if there is none, it does not
// suspend.
//
// If it is cancelled, or ctx ends, it aborts all connections at once and returns the
// error. A [Server.ServeForever] ends when the Shutdown is complete.
//
// (asyncio has no equivalent.)
func (s *Server) Shutdown(ctx context.Context, grace time.Duration) error {
	if _, err := s.enter(ctx, "Server.Shutdown"); err != nil {
		return err
	}
	if !s.graceful {
		s.graceful = true
		close(s.draining)
	}
	s.close()
	done, err := s.waitClients(ctx, grace)
	if done {
		return err
	}
	s.closeClients()
	if done, err = s.waitClients(ctx, grace); done {
		return err
	}
	s.AbortClients()
	return s.WaitClosed(ctx)
}

// waitClients waits up to grace for the last connection of a closed server. done
// reports that Shutdown is complete: the last connection is gone, or the wait failed
// and all connections were aborted.
func (s *Server) waitClients(ctx context.Context, grace time.Duration) (done bool, err error) {
	switch err := Timeout(ctx, grace, s.WaitClosed); {
	case err == nil:
		return true, nil
	case errors.Is(err, ErrTimeout):
		return false, nil
	default:
		s.AbortClients()
		return true, err
	}
}

// Draining returns a channel that is closed when [Server.Shutdown] begins, before
// anything else happens. Handlers that would otherwise run for ever end then; a task
// waits for it with [Receive]. A handler of [StartServer] finds it with the function
// [Draining]. Any goroutine may call it.
//
// (asyncio has no equivalent.)
func (s *Server) Draining() <-chan struct{} { return s.draining }

// Draining returns the channel of [Server.Draining] for the handler that ctx belongs
// to: a handler of [StartServer] or [StartUnixServer] that runs in the task of ctx, or
// in a task that it has created. Without one it returns nil, a channel that is never
// ready. Any goroutine may call it.
//
// (asyncio has no equivalent.)
func Draining(ctx context.Context) <-chan struct{} {
	if ctx == nil {
		misuse("Draining", "the context is nil")
	}
	if s, ok := ctx.Value(servedBy{}).(**Server); ok && *s != nil {
		return (*s).draining
	}
	return nil
}

// servedBy is the key for the server in the context of a handler. The value is a
// pointer to a server, because the context is made first.
type servedBy struct{}

// connections returns a copy of the list, for a walk during which connections may be
// removed.
func (s *Server) connections() (all []*streamTransport) {
	s.clients.all(func(t *streamTransport) { all = append(all, t) })
	return all
}

// attach adds t to the connections of the server.
func (s *Server) attach(t *streamTransport) { s.clients.push(t) }

// detach removes t when the connection is gone.
func (s *Server) detach(t *streamTransport) {
	s.clients.remove(t)
	s.maybeOver()
}

// serverAcceptor is the server as its listeners see it: methods that a user's Server
// must not have.
type serverAcceptor Server

func (a *serverAcceptor) Accepted(c netio.Stream) {
	a.loop.schedule(acceptStep{(*Server)(a), c}, nil)
}

func (a *serverAcceptor) Failed(err error) { (*Server)(a).failed(err) }

// Exhausted reports that there is no descriptor left for a connection.
func (a *serverAcceptor) Exhausted(err error) {
	a.loop.CallExceptionHandler(ExceptionContext{
		Message: "out of system resources: not accepting connections for a while",
		Err:     err,
	})
}

// acceptStep is an accepted connection that has no transport yet.
type acceptStep struct {
	server *Server
	conn   netio.Stream
}

// run implements runnable. A closed server takes no more connections; otherwise
// WaitClosed would have returned too early. asyncio reports errors here in debug mode
// only. But a factory that panics, or makes a value that is not a protocol, does so for
// every connection, and a server that closes each connection without any report is hard
// to understand.
func (a acceptStep) run(*future) {
	s := a.server
	made := false
	defer func() {
		if !made {
			a.conn.Close()
		}
	}()
	if s.closed {
		return
	}
	p := s.factory()
	if s.closed { // the factory has closed the server
		return
	}
	var err error
	if s.opts.TLS == nil {
		_, err = s.loop.newStreamTransport(a.conn, p, s)
	} else {
		var layer *tlsTransport
		if layer, err = newTLS(s.loop, p, s.opts.TLS, s.opts.tls(), s.handshakeOver); err == nil {
			_, err = s.loop.newSecureTransport(a.conn, layer, s)
		}
	}
	if err != nil {
		s.failed(err)
		return
	}
	made = true
}

// source implements sourced.
func (a acceptStep) source() any { return a.server }

// handshakeOver gets the outcome of a TLS handshake. A failed handshake concerns only
// the peer and the transport, which is closed by then; it is reported in debug mode
// only, as in asyncio.
func (s *Server) handshakeOver(err error) {
	if err != nil && s.loop.debug.Load() {
		s.failed(err)
	}
}

// abandon implements orphan: the loop was closed before run.
func (a acceptStep) abandon() { a.conn.Close() }

// failed reports an error after which the server can continue.
func (s *Server) failed(err error) {
	s.loop.CallExceptionHandler(ExceptionContext{Message: "error on accepting a connection", Err: err})
}
