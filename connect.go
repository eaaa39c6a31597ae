package aio

// Connections to servers, and transports over existing connections.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/goaio/aio/internal/netio"
)

// ConnectionOptions are the settings of [CreateConnection] and the other functions that
// make a connection. The zero value has the defaults.
type ConnectionOptions struct {
	// TLS, if it is not nil, encrypts the connection. An empty ServerName means the
	// host of the address; a Unix socket or an existing connection has no host, so
	// it needs a ServerName or InsecureSkipVerify. (asyncio: ssl, server_hostname)
	TLS *tls.Config
	// HandshakeTimeout limits the TLS handshake; zero is 60 s. (asyncio:
	// ssl_handshake_timeout)
	HandshakeTimeout time.Duration
	// ShutdownTimeout limits the TLS shutdown; zero is 30 s. (asyncio:
	// ssl_shutdown_timeout)
	ShutdownTimeout time.Duration
	// Conn is a connection to use in place of an address. The transport takes it
	// over. (asyncio: sock)
	Conn net.Conn
	// Network is "tcp", "tcp4" or "tcp6"; empty is "tcp". (asyncio: family)
	Network string
	// LocalAddr is the address to connect from, as "host:port". (asyncio: local_addr)
	LocalAddr string
	// HappyEyeballsDelay is the time after which the next address of a host is
	// tried in parallel with the previous ones. Zero tries one after another.
	// (asyncio: happy_eyeballs_delay)
	HappyEyeballsDelay time.Duration
	// Interleave is the number of addresses of the first family to try before the
	// families alternate. Zero is 1 with a HappyEyeballsDelay; without one, and if
	// it is negative, the order is the resolver's. (asyncio: interleave)
	Interleave int
	// AllErrors makes [CreateConnection] return a [*GroupError] with the error of
	// each attempt, even if there was only one. (asyncio: all_errors)
	AllErrors bool
	// Limit is the buffer limit of the reader of [OpenConnection] and
	// [OpenUnixConnection]; see [NewStreamReader]. (asyncio: limit)
	Limit int
}

// check returns an error if the options contradict each other or the kind of connection.
func (o *ConnectionOptions) check(call, addr string) error {
	switch {
	case addr != "" && o.Conn != nil:
		return usagef(call, "both an address and a connection are given: leave one out")
	case addr == "" && o.Conn == nil:
		return usagef(call, "there is neither an address nor a connection")
	case o.Conn != nil && !isStream(o.Conn):
		return usagef(call, "a %T is not a connection for a stream of bytes", o.Conn)
	case o.Conn != nil && o.LocalAddr != "":
		return usagef(call, "a connection that exists takes no LocalAddr")
	case o.Limit != 0:
		return usagef(call, "Limit is for OpenConnection: a protocol has none")
	case o.HappyEyeballsDelay < 0:
		return usagef(call, "HappyEyeballsDelay is negative")
	case o.Interleave < 0:
		return usagef(call, "Interleave is negative")
	}
	if o.LocalAddr != "" {
		if _, _, err := splitAddr(call, o.LocalAddr); err != nil {
			return err
		}
	}
	return checkTCP(call, o.Network)
}

// checkTCP returns an error unless network is one of TCP, or empty.
func checkTCP(call, network string) error {
	switch network {
	case "", "tcp", "tcp4", "tcp6":
		return nil
	}
	return usagef(call, "the network must be tcp, tcp4 or tcp6, not %q", network)
}

// isStream reports whether conn carries a byte stream rather than packets, as far as it
// can be determined.
func isStream(conn net.Conn) bool {
	addr := conn.LocalAddr()
	if addr == nil {
		return true
	}
	switch addr.Network() {
	case "udp", "ip", "unixgram", "unixpacket":
		return false
	}
	return true
}

// CreateConnection connects to addr, which is "host:port", and returns the transport
// and the protocol that factory has made for it. The addresses of a host are tried one
// after another; [ConnectionOptions].HappyEyeballsDelay tries several at once. The
// protocol's ConnectionMade has been called when CreateConnection returns, and data may
// arrive as soon as the caller awaits or returns.
//
// It suspends the calling task until the connection is established, with TLS until the
// handshake is done. If the task is cancelled before that, the attempt is abandoned and
// nothing stays open.
//
// If all addresses fail, the error is that of the one attempt, or a [*GroupError] of
// all if they differ; each is a [*net.OpError]. A name that does not resolve gives a
// [*net.DNSError], a connection that is closed already [net.ErrClosed], and a failed
// handshake the errors of [StartTLS]. Options that contradict each other, an address of
// another form, and a value of factory that is not a [Protocol] give an error that
// matches [ErrUsage], which a retry cannot fix; after an error about the options, their
// Conn still belongs to the caller.
//
// (asyncio: loop.create_connection; its family, proto and flags are Network here)
func CreateConnection[P any](ctx context.Context, factory func() P, addr string, opts *ConnectionOptions) (Transport, P, error) {
	return createConnection(ctx, "CreateConnection", factory, addr, opts)
}

// createConnection is like CreateConnection. call is the name of the call in errors.
func createConnection[P any](ctx context.Context, call string, factory func() P, addr string, opts *ConnectionOptions) (Transport, P, error) {
	var host, port string
	return connect(ctx, call, factory, opts, connecting{
		check: func(o *ConnectionOptions) (config *tls.Config, err error) {
			if err := o.check(call, addr); err != nil {
				return nil, err
			}
			config = o.TLS
			if addr != "" {
				if host, port, err = splitAddr(call, addr); err != nil {
					return nil, err
				}
				config = withServerName(config, host)
			}
			return config, o.tls(false).checkAny(call, config)
		},
		dial: func(l *Loop, o *ConnectionOptions) (netio.Stream, error) {
			if o.Conn != nil {
				return l.takeConn(call, o.Conn)
			}
			return dialAny(ctx, l, host, port, o)
		},
	})
}

// connecting is what differs between the calls that make a connection.
type connecting struct {
	server bool // of TLS
	// check returns what is wrong with the options, and the configuration of TLS
	check func(o *ConnectionOptions) (*tls.Config, error)
	// dial makes the connection, or takes over the one in o
	dial func(l *Loop, o *ConnectionOptions) (netio.Stream, error)
}

// connect makes a connection, and waits until ConnectionMade was called.
func connect[P any](ctx context.Context, call string, factory func() P, opts *ConnectionOptions, how connecting) (Transport, P, error) {
	var zero P
	if opts == nil {
		opts = &ConnectionOptions{}
	}
	c, err := enter(ctx, call)
	if err == nil {
		err = checkFactory(call, factory)
	}
	var config *tls.Config
	if err == nil {
		config, err = how.check(opts)
	}
	var s netio.Stream
	if err == nil {
		s, err = how.dial(c.loop(), opts)
	}
	if err != nil {
		return nil, zero, err
	}
	return openConnection(ctx, call, s, factory, config, opts.tls(how.server))
}

// tls returns the settings of TLS.
func (o *ConnectionOptions) tls(server bool) tlsSettings {
	return tlsSettings{server, o.HandshakeTimeout, o.ShutdownTimeout}
}

// CreateUnixConnection is [CreateConnection] to the Unix socket at path. A path that
// begins with @ is a name in Linux's abstract namespace. (asyncio:
// loop.create_unix_connection)
func CreateUnixConnection[P any](ctx context.Context, factory func() P, path string, opts *ConnectionOptions) (Transport, P, error) {
	return createUnixConnection(ctx, "CreateUnixConnection", factory, path, opts)
}

// createUnixConnection is like CreateUnixConnection. call is the name of the call in
// errors.
func createUnixConnection[P any](ctx context.Context, call string, factory func() P, path string, opts *ConnectionOptions) (Transport, P, error) {
	return connect(ctx, call, factory, opts, connecting{
		check: func(o *ConnectionOptions) (*tls.Config, error) { return o.TLS, o.checkUnix(call, path) },
		dial: func(l *Loop, o *ConnectionOptions) (netio.Stream, error) {
			if o.Conn != nil {
				return l.takeConn(call, o.Conn)
			}
			return l.dialUnixPath(ctx, path)
		},
	})
}

// checkUnix is like check, for a Unix socket.
func (o *ConnectionOptions) checkUnix(call, path string) error {
	if err := o.check(call, path); err != nil {
		return err
	}
	if o.Conn != nil && !isUnix(o.Conn.LocalAddr()) {
		return usagef(call, "the connection is not one of a Unix stream socket but a %T", o.Conn)
	}
	if o.Network != "" || o.LocalAddr != "" || o.HappyEyeballsDelay != 0 || o.Interleave != 0 || o.AllErrors {
		return usagef(call, "Network, LocalAddr, HappyEyeballsDelay, Interleave and AllErrors are for TCP")
	}
	return o.tls(false).checkAny(call, o.TLS)
}

// dialUnixPath connects to path, if the path is valid.
func (l *Loop) dialUnixPath(ctx context.Context, path string) (netio.Stream, error) {
	if err := checkUnixPath(path); err != nil {
		return nil, &net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: path, Net: "unix"}, Err: err}
	}
	return l.network().DialUnix(ctx, path)
}

// ConnectAcceptedSocket makes the transport of a connection that was accepted
// elsewhere; with TLS, it is the server side. The transport takes conn over. opts may
// be nil; only its TLS fields may be set. It awaits as [CreateConnection] does.
//
// (asyncio: loop.connect_accepted_socket)
func ConnectAcceptedSocket[P any](ctx context.Context, factory func() P, conn net.Conn, opts *ConnectionOptions) (Transport, P, error) {
	const call = "ConnectAcceptedSocket"
	return connect(ctx, call, factory, opts, connecting{
		server: true,
		check:  func(o *ConnectionOptions) (*tls.Config, error) { return o.TLS, o.checkAccepted(call, conn) },
		dial:   func(l *Loop, _ *ConnectionOptions) (netio.Stream, error) { return l.takeConn(call, conn) },
	})
}

// checkAccepted is like check, for a connection that was accepted.
func (o *ConnectionOptions) checkAccepted(call string, conn net.Conn) error {
	switch {
	case conn == nil:
		return usagef(call, "the connection is nil")
	case !isStream(conn):
		return usagef(call, "a %T is not a connection for a stream of bytes", conn)
	case o.Conn != nil || o.Network != "" || o.LocalAddr != "" || o.HappyEyeballsDelay != 0 || o.Interleave != 0 || o.AllErrors || o.Limit != 0:
		return usagef(call, "of the options only those of TLS can be set")
	}
	return o.tls(true).checkAny(call, o.TLS)
}

// takeConn makes a stream of a connection that the transport takes over. It clears the
// deadlines, which the former owner has set.
func (l *Loop) takeConn(call string, conn net.Conn) (netio.Stream, error) {
	if err := conn.SetDeadline(time.Time{}); errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		return nil, fmt.Errorf("aio: %s: the connection is closed already: %w", call, net.ErrClosed)
	}
	if c, ok := conn.(interface{ SetNoDelay(bool) error }); ok {
		// the loop does the same for the sockets that it makes
		_ = c.SetNoDelay(true)
	}
	s, err := l.network().Stream(conn)
	if err != nil {
		conn.Close()
	}
	return s, err
}

// openConnection makes the protocol and transport of an established connection, and
// waits until ConnectionMade was called.
func openConnection[P any](ctx context.Context, call string, s netio.Stream, factory func() P, config *tls.Config, o tlsSettings) (Transport, P, error) {
	var zero P
	made := false
	defer func() { // runs even if the factory panics
		if !made {
			s.Close()
		}
	}()
	c, err := enter(ctx, call)
	if err != nil {
		return nil, zero, err
	}
	p := factory()
	l := c.fut.loop
	var t *streamTransport
	var front *endpoint // the endpoint that the application uses
	if config == nil {
		if t, err = l.newStreamTransport(s, p, nil); err == nil {
			front = &t.endpoint
		}
	} else {
		var layer *tlsTransport
		if layer, err = newTLS(l, p, config, o, nil); err == nil {
			front = &layer.endpoint
			t, err = l.newSecureTransport(s, layer, nil)
		}
	}
	if err != nil {
		return nil, zero, err
	}
	made = true
	if err := front.waitMade(c, call); err != nil {
		t.giveUp()
		return nil, zero, err
	}
	return t.front(), p, nil
}

// giveUp closes a connection for which tasks no longer wait.
func (t *streamTransport) giveUp() {
	if t.upper != nil {
		// no TLS session yet, so no close_notify to send
		t.forceClose(nil)
		return
	}
	t.close()
}
