package smtp

// A Server accepts connections, and knows the sessions, so that it can end them: see
// Shutdown. session.go has what happens on one connection.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goaio/aio"
)

// Deliverer stores messages. A nil error makes the server responsible for the message, so
// it must be stored by then. Deliver may await, and runs in the task of the session. An
// [*Error] is the answer for the client. Other errors are reported to the exception
// handler of the loop, and the client is told to try again later. The error of a
// cancellation must be returned.
//
// The value can have further methods: see [SenderChecker], [RecipientChecker],
// [Authenticator] and [PasswordFinder].
type Deliverer interface {
	Deliver(ctx context.Context, s *Session, e *Envelope) error
}

// DeliverFunc is a function as a [Deliverer].
type DeliverFunc func(ctx context.Context, s *Session, e *Envelope) error

// Deliver calls f.
func (f DeliverFunc) Deliver(ctx context.Context, s *Session, e *Envelope) error { return f(ctx, s, e) }

// SenderChecker is a [Deliverer] that may refuse the sender of a message.
type SenderChecker interface {
	CheckSender(ctx context.Context, s *Session, from string) error
}

// RecipientChecker is a [Deliverer] that may refuse a recipient.
type RecipientChecker interface {
	CheckRecipient(ctx context.Context, s *Session, to string) error
}

// Authenticator is a [Deliverer] that can check a password. The server offers AUTH with
// the mechanisms PLAIN and LOGIN then.
type Authenticator interface {
	Authenticate(ctx context.Context, s *Session, user, password string) error
}

// PasswordFinder is a [Deliverer] that knows passwords in clear, which CRAM-MD5 needs.
type PasswordFinder interface {
	Password(ctx context.Context, s *Session, user string) (string, error)
}

// Session describes a connection to a [Server].
type Session struct {
	// Peer is the address of the client.
	Peer net.Addr
	// Hostname is the name that the client has given in EHLO or HELO.
	Hostname string
	// ESMTP reports whether the client has sent EHLO rather than HELO.
	ESMTP bool
	// Secure reports whether the connection is protected by TLS.
	Secure bool
	// User is the name with which the client has authenticated.
	User string
}

// ServerOptions are the settings of a [Server]. The zero value has the defaults.
type ServerOptions struct {
	// Hostname is the name of this host for clients; empty means that of the system.
	Hostname string
	// TLS lets the server offer STARTTLS or, with TLSFromStart, begins each
	// connection with TLS.
	TLS          *tls.Config
	TLSFromStart bool
	// RequireTLS and RequireAuth refuse messages without TLS or authentication.
	RequireTLS, RequireAuth bool
	// PlaintextAuth accepts passwords without TLS.
	PlaintextAuth bool
	// Connection has further settings of the listener.
	Connection *aio.ServerOptions
	// Limits protect the server.
	Limits Limits
}

// Limits are the limits of a [Server]. A zero field has the default.
type Limits struct {
	Connections int   // concurrent connections; default 1000
	Recipients  int   // recipients of a message; default 1000
	MessageSize int64 // bytes of a message, announced with SIZE; default 32 MiB
	CommandLine int   // bytes of a command, with CR LF; default 2048
	TextLine    int   // bytes of a line of a message, with CR LF; default 1000
	Commands    int   // commands since the last message, without RCPT; default 100
	Errors      int   // refused commands of a connection; default 20
	// CommandTimeout limits the wait for a command, and DataTimeout the wait for
	// the next line of a message. The defaults are 5 and 3 minutes.
	CommandTimeout, DataTimeout time.Duration
}

// Server is a running server. Its methods are called by tasks of its loop.
type Server struct {
	opts     ServerOptions
	handler  Deliverer
	listener *aio.Server
	loop     *aio.Loop
	sessions []*session // in the order of arrival
	closing  bool
	empty    aio.Event // set while closing and without sessions
}

// Start listens on addr, "host:port" or the path of a Unix socket, and serves until
// [Server.Shutdown]. The error for options that contradict each other matches
// [ErrArgument].
func Start(ctx context.Context, addr string, handler Deliverer, opts *ServerOptions) (*Server, error) {
	s := &Server{handler: handler}
	if opts != nil {
		s.opts = *opts
	}
	s.opts.Limits.setDefaults()
	if s.opts.Hostname == "" {
		s.opts.Hostname = "localhost"
		if name, err := os.Hostname(); err == nil {
			s.opts.Hostname = name
		}
	}
	if err := s.opts.check(handler); err != nil {
		return nil, err
	}
	var err error
	if s.loop, err = aio.GetRunningLoop(ctx); err != nil {
		return nil, err
	}
	var conn aio.ServerOptions
	if s.opts.Connection != nil {
		conn = *s.opts.Connection
	}
	conn.Limit = readLimit
	if s.opts.TLSFromStart {
		conn.TLS = s.opts.TLS
	}
	start := aio.StartServer
	if strings.Contains(addr, "/") {
		start = aio.StartUnixServer
	}
	s.listener, err = start(ctx, s.serve, addr, &conn)
	return s, err
}

// check refuses options that no client could satisfy, or that would have no effect:
// without a configuration, TLSFromStart would treat connections without TLS as protected.
func (o *ServerOptions) check(handler Deliverer) error {
	_, authenticates := handler.(Authenticator)
	_, finds := handler.(PasswordFinder)
	switch {
	case o.TLS == nil && (o.TLSFromStart || o.RequireTLS):
		return fmt.Errorf("%w: TLSFromStart or RequireTLS without TLS", ErrArgument)
	case o.RequireAuth && !authenticates && !finds:
		return fmt.Errorf("%w: RequireAuth, and the handler knows no passwords", ErrArgument)
	case o.Connection != nil && o.Connection.TLS != nil:
		return fmt.Errorf("%w: Connection.TLS, in place of TLS", ErrArgument)
	}
	return checkWord("hostname", o.Hostname)
}

func (l *Limits) setDefaults() {
	for _, f := range []struct {
		field *int
		value int
	}{{&l.Connections, 1000}, {&l.Recipients, 1000}, {&l.CommandLine, 2048}, {&l.TextLine, 1000}, {&l.Commands, 100}, {&l.Errors, 20}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	if l.MessageSize == 0 {
		l.MessageSize = 32 << 20
	}
	setDefault(&l.CommandTimeout, 5*time.Minute)
	setDefault(&l.DataTimeout, 3*time.Minute)
}

// Addr returns the address on which the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// ServeForever waits for a cancellation, shuts the server down, and returns the error of
// the cancellation.
func (s *Server) ServeForever(ctx context.Context, grace time.Duration) error {
	err := aio.Sleep(ctx, aio.NoTimeout)
	// A cancellation is delivered once, so the awaits of Shutdown work.
	if serr := s.Shutdown(ctx, grace); serr != nil {
		return serr
	}
	return err
}

// serve is the handler of a connection.
func (s *Server) serve(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	c := &session{srv: s, r: r, w: w, task: aio.CurrentTask(ctx)}
	c.Peer, _ = w.GetExtraInfo("peername").(net.Addr)
	c.Secure = s.opts.TLSFromStart
	s.sessions = append(s.sessions, c)
	defer func() {
		w.Close()
		s.sessions = slices.DeleteFunc(s.sessions, func(other *session) bool { return other == c })
		if s.closing && len(s.sessions) == 0 {
			s.empty.Set()
		}
	}()
	return c.run(ctx)
}

// Shutdown ends the server. It accepts no more connections, and answers 421 to clients
// that are not sending a message. The others have the time grace to finish it. After
// that, or if Shutdown is cancelled, their sessions are cancelled, and Deliver with them.
// Shutdown returns when the last session and the last connection have ended.
func (s *Server) Shutdown(ctx context.Context, grace time.Duration) error {
	s.closing = true
	s.listener.Close()
	for _, c := range slices.Clone(s.sessions) {
		if c.waiting && c.envelope == nil {
			c.dismiss()
		}
	}
	err := aio.Timeout(ctx, grace, s.ended)
	if err == nil {
		// grace limits the sending of the remaining data
		return s.listener.Shutdown(ctx, grace)
	}
	for _, c := range slices.Clone(s.sessions) {
		c.task.Cancel()
	}
	if errors.Is(err, aio.ErrTimeout) {
		err = s.ended(ctx)
	}
	if err != nil {
		s.listener.AbortClients()
		return err
	}
	return s.listener.Shutdown(ctx, grace)
}

// ended waits until there is no session.
func (s *Server) ended(ctx context.Context) error {
	if len(s.sessions) == 0 {
		return nil
	}
	return s.empty.Wait(ctx)
}
