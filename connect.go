package aio

// Connections to servers, and over what is connected already.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ConnectionOptions are the settings of CreateConnection and its relatives. The zero value has the
// defaults.
type ConnectionOptions struct {
	// TLS, if it is not nil, has the connection encrypted. If its ServerName is empty, that is
	// the host of the address; a Unix socket or an existing connection has none, so there
	// ServerName or InsecureSkipVerify must be set. (asyncio: ssl, server_hostname)
	TLS *tls.Config
	// HandshakeTimeout is for how long the TLS handshake may take; zero is 60 s.
	// (asyncio: ssl_handshake_timeout)
	HandshakeTimeout time.Duration
	// ShutdownTimeout is for how long the end of TLS may take; zero is 30 s.
	// (asyncio: ssl_shutdown_timeout)
	ShutdownTimeout time.Duration
	// Conn is a connection to use in place of an address. It belongs to the transport from then
	// on. (asyncio: sock)
	Conn net.Conn
	// Network is "tcp", "tcp4" or "tcp6"; empty is "tcp". (asyncio: family)
	Network string
	// LocalAddr is the address to connect from, as "host:port". (asyncio: local_addr)
	LocalAddr string
	// HappyEyeballsDelay is after which time the next address of a host is tried beside those
	// before. Zero tries one after another. (asyncio: happy_eyeballs_delay)
	HappyEyeballsDelay time.Duration
	// Interleave is how many addresses of the first one's family come first, after which the
	// families take turns. Zero is 1 with a HappyEyeballsDelay; without, and if it is negative, the
	// order is the resolver's. (asyncio: interleave)
	Interleave int
	// AllErrors has CreateConnection return a *GroupError with the error of each attempt, also if
	// there was only one. (asyncio: all_errors)
	AllErrors bool
	// Limit is that of the reader of OpenConnection and OpenUnixConnection; see NewStreamReader.
	// (asyncio: limit)
	Limit int
}

// check returns an error if the options contradict each other or the kind of connection.
func (o *ConnectionOptions) check(call, addr string) error {
	bad := func(format string, args ...any) error {
		return &usageError{text: "aio: " + call + ": " + fmt.Sprintf(format, args...)}
	}
	switch {
	case addr != "" && o.Conn != nil:
		return bad("both an address and a connection are given: leave one out")
	case addr == "" && o.Conn == nil:
		return bad("there is neither an address nor a connection")
	case o.Conn != nil && !isStream(o.Conn):
		return bad("a %T is not a connection for a stream of bytes", o.Conn)
	case o.Conn != nil && o.LocalAddr != "":
		return bad("a connection that exists takes no LocalAddr")
	case o.TLS == nil && (o.HandshakeTimeout != 0 || o.ShutdownTimeout != 0):
		return bad("a timeout of TLS makes sense with TLS only")
	case o.HandshakeTimeout < 0 || o.ShutdownTimeout < 0:
		return bad("the timeouts of TLS must be positive")
	case o.TLS != nil && addr == "" && o.TLS.ServerName == "" && !o.TLS.InsecureSkipVerify:
		return bad("set ServerName in the TLS configuration: a connection that exists does not tell the name of the host")
	case o.Limit != 0:
		return bad("Limit is for OpenConnection: a protocol has none")
	case o.HappyEyeballsDelay < 0:
		return bad("HappyEyeballsDelay is negative")
	}
	if o.LocalAddr != "" {
		if _, _, err := splitAddr(call, o.LocalAddr); err != nil {
			return err
		}
	}
	switch o.Network {
	case "", "tcp", "tcp4", "tcp6":
		return nil
	}
	return bad("the network must be tcp, tcp4 or tcp6, not %q", o.Network)
}

// isStream reports whether conn carries a stream of bytes rather than packets, as far as it tells.
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

// CreateConnection connects to addr, which is "host:port", and returns the transport and the protocol
// that factory has made for it. A host with several addresses is tried address by address; see
// HappyEyeballsDelay for trying several at once. The protocol's ConnectionMade has been called when
// CreateConnection returns, and data may come as soon as the caller awaits or returns.
//
// It suspends the calling task until the connection stands, with TLS until the handshake is done. If
// the task is cancelled meanwhile, the attempt is given up and nothing stays open. If all addresses
// fail, the error is that of the one attempt, or a *GroupError of all if they differ; each is a
// *net.OpError. A name that does not resolve gives a *net.DNSError, a connection that is closed
// already net.ErrClosed, and a handshake that fails the errors of StartTLS. Options that contradict
// each other, an address of another form, and a value of factory that is no Protocol give an error
// that matches ErrUsage, which no second try mends; after one about the options their connection is
// still the caller's.
// (asyncio: loop.create_connection; its family, proto and flags are Network here)
func CreateConnection[P any](ctx context.Context, factory func() P, addr string, opts *ConnectionOptions) (Transport, P, error) {
	return createConnection(ctx, "CreateConnection", factory, addr, opts)
}

// createConnection is CreateConnection for call, which errors name.
func createConnection[P any](ctx context.Context, call string, factory func() P, addr string, opts *ConnectionOptions) (Transport, P, error) {
	var zero P
	if opts == nil {
		opts = &ConnectionOptions{}
	}
	e, err := enter(ctx, call)
	if err == nil {
		err = opts.check(call, addr)
	}
	if err != nil {
		return nil, zero, err
	}
	config, host, port := opts.TLS, "", ""
	if addr != "" {
		if host, port, err = splitAddr(call, addr); err != nil {
			return nil, zero, err
		}
		config = withServerName(config, host)
	}
	if err := opts.tls(false).checkAny(call, config); err != nil {
		return nil, zero, err
	}
	var s stream
	if opts.Conn != nil {
		s, err = e.fut.loop.takeConn(call, opts.Conn)
	} else {
		s, err = dialAny(ctx, e.fut.loop, host, port, opts)
	}
	if err != nil {
		return nil, zero, err
	}
	return openConnection(ctx, call, s, factory, config, opts.tls(false))
}

// tls are the settings of TLS.
func (o *ConnectionOptions) tls(server bool) tlsSettings {
	return tlsSettings{server, true, o.HandshakeTimeout, o.ShutdownTimeout}
}

// checkAny is check for where there may be no TLS at all.
func (s tlsSettings) checkAny(call string, config *tls.Config) error {
	switch {
	case config != nil:
		return s.check(call, config)
	case s.handshake != 0 || s.shutdown != 0:
		return &usageError{text: "aio: " + call + ": a timeout of TLS makes sense with TLS only"}
	}
	return nil
}

// withServerName is config for a connection to host.
func withServerName(config *tls.Config, host string) *tls.Config {
	if config == nil || config.ServerName != "" {
		return config
	}
	config = config.Clone()
	config.ServerName = host
	return config
}

// CreateUnixConnection is CreateConnection to the Unix socket at path. A path that begins with @ is a name
// of Linux's abstract namespace. (asyncio: loop.create_unix_connection)
func CreateUnixConnection[P any](ctx context.Context, factory func() P, path string, opts *ConnectionOptions) (Transport, P, error) {
	return createUnixConnection(ctx, "CreateUnixConnection", factory, path, opts)
}

// createUnixConnection is CreateUnixConnection for call, which errors name.
func createUnixConnection[P any](ctx context.Context, call string, factory func() P, path string, opts *ConnectionOptions) (Transport, P, error) {
	var zero P
	if opts == nil {
		opts = &ConnectionOptions{}
	}
	e, err := enter(ctx, call)
	if err == nil {
		err = opts.checkUnix(call, path)
	}
	if err != nil {
		return nil, zero, err
	}
	var s stream
	if opts.Conn != nil {
		s, err = e.fut.loop.takeConn(call, opts.Conn)
	} else {
		s, err = e.fut.loop.dialUnixPath(ctx, path)
	}
	if err != nil {
		return nil, zero, err
	}
	return openConnection(ctx, call, s, factory, opts.TLS, opts.tls(false))
}

// checkUnix is check for a Unix socket.
func (o *ConnectionOptions) checkUnix(call, path string) error {
	if err := o.check(call, path); err != nil {
		return err
	}
	if o.Conn != nil && !isUnix(o.Conn.LocalAddr()) {
		return &usageError{text: fmt.Sprintf("aio: %s: the connection is not one of a Unix stream socket but a %T", call, o.Conn)}
	}
	if o.Network != "" || o.LocalAddr != "" || o.HappyEyeballsDelay != 0 || o.Interleave != 0 || o.AllErrors {
		return &usageError{text: "aio: " + call + ": Network, LocalAddr, HappyEyeballsDelay, Interleave and AllErrors are for TCP"}
	}
	return o.tls(false).checkAny(call, o.TLS)
}

// dialUnixPath connects to path, if there can be such a socket.
func (l *Loop) dialUnixPath(ctx context.Context, path string) (stream, error) {
	if err := checkUnixPath(path); err != nil {
		return nil, &net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: path, Net: "unix"}, Err: err}
	}
	return l.dialUnix(ctx, path)
}

// checkUnixPath returns an error if no Unix socket can be at path. The system would cut the path at a
// zero byte, and call one that is too long an invalid argument.
func checkUnixPath(path string) error {
	limit := 104 // with a zero byte at the end
	switch runtime.GOOS {
	case "linux", "android", "windows":
		limit = 108
	}
	switch abstract := isAbstract(path); {
	case !abstract && strings.Contains(path, "\x00"):
		return syscall.EINVAL
	case len(path) > limit, len(path) == limit && !abstract:
		return syscall.ENAMETOOLONG
	}
	return nil
}

// isUnix reports whether addr is that of a Unix stream socket.
func isUnix(addr net.Addr) bool { return addr != nil && addr.Network() == "unix" }

// ConnectAcceptedSocket makes the transport of a connection that was accepted elsewhere, the server's
// end of it where TLS is concerned. conn belongs to the transport from then on. opts may be nil; of its
// fields only those of TLS may be set. It awaits as CreateConnection does.
// (asyncio: loop.connect_accepted_socket)
func ConnectAcceptedSocket[P any](ctx context.Context, factory func() P, conn net.Conn, opts *ConnectionOptions) (Transport, P, error) {
	const call = "ConnectAcceptedSocket"
	var zero P
	if opts == nil {
		opts = &ConnectionOptions{}
	}
	e, err := enter(ctx, call)
	if err == nil {
		err = opts.tls(true).checkAny(call, opts.TLS)
	}
	switch {
	case err != nil:
		return nil, zero, err
	case conn == nil:
		return nil, zero, &usageError{text: "aio: " + call + ": the connection is nil"}
	case !isStream(conn):
		return nil, zero, &usageError{text: fmt.Sprintf("aio: %s: a %T is not a connection for a stream of bytes", call, conn)}
	case opts.Conn != nil || opts.Network != "" || opts.LocalAddr != "" || opts.HappyEyeballsDelay != 0 || opts.Interleave != 0 || opts.AllErrors:
		return nil, zero, &usageError{text: "aio: " + call + ": of the options only those of TLS can be set"}
	}
	s, err := e.fut.loop.takeConn(call, conn)
	if err != nil {
		return nil, zero, err
	}
	return openConnection(ctx, call, s, factory, opts.TLS, opts.tls(true))
}

// takeConn makes a stream of a connection that belongs to the transport from now on. It has no deadlines
// any more: they were those of somebody else.
func (l *Loop) takeConn(call string, conn net.Conn) (stream, error) {
	if err := conn.SetDeadline(time.Time{}); errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		return nil, fmt.Errorf("aio: %s: the connection is closed already: %w", call, net.ErrClosed)
	}
	if c, ok := conn.(interface{ SetNoDelay(bool) error }); ok {
		_ = c.SetNoDelay(true) // as the sockets have that the loop makes
	}
	s, err := l.streamOf(conn)
	if err != nil {
		conn.Close()
	}
	return s, err
}

// openConnection makes the protocol and transport of a connection that stands, and waits until
// ConnectionMade was called.
func openConnection[P any](ctx context.Context, call string, s stream, factory func() P, config *tls.Config, o tlsSettings) (Transport, P, error) {
	var zero P
	made := false
	defer func() { // also if the factory panics
		if !made {
			s.close()
		}
	}()
	e, err := enter(ctx, call)
	if err != nil {
		return nil, zero, err
	}
	p := factory()
	if err := checkProtocol[Transport](p); err != nil {
		return nil, zero, err
	}
	l := e.fut.loop
	w := l.newWaiter(call)
	defer l.freeWaiter(w)
	var t *streamTransport
	var failed error // the handshake
	if config == nil {
		t, err = l.newStreamTransport(s, p, nil, w)
	} else {
		waiting := true
		defer func() { waiting = false }()
		t, err = l.newSecureTransport(s, newTLS(l, p, config, o, func(err error) {
			if failed = err; waiting {
				w.wake()
			}
		}), nil)
	}
	if err != nil {
		return nil, zero, err
	}
	made = true
	err = e.await(&w.future)
	t.opener = nil
	if err != nil {
		t.giveUp()
		return nil, zero, err
	}
	if failed != nil {
		return nil, zero, failed
	}
	return t.front(), p, nil
}

// newSecureTransport makes the transport of s with TLS over it.
func (l *Loop) newSecureTransport(s stream, layer *tlsTransport, server *Server) (*streamTransport, error) {
	t, err := l.newStreamTransport(s, layer.lowerProtocol(), server, nil)
	if err == nil {
		t.upper = layer
	}
	return t, err
}

// giveUp closes a connection that nobody waits for any more.
func (t *streamTransport) giveUp() {
	if t.upper != nil { // in the middle of a handshake there is no end to say good-bye to
		t.forceClose(nil)
		return
	}
	t.close()
}

// dialAny connects to the first address of host that answers.
func dialAny(ctx context.Context, l *Loop, host, port string, o *ConnectionOptions) (stream, error) {
	network := o.Network
	if network == "" {
		network = "tcp"
	}
	remotes, err := l.resolve(ctx, network, host, port, false)
	if err != nil {
		return nil, err
	}
	d := dialing{loop: l}
	if o.LocalAddr != "" {
		host, port, err := splitAddr("CreateConnection", o.LocalAddr)
		if err != nil {
			return nil, err
		}
		if d.locals, err = l.resolve(ctx, network, host, port, true); err != nil {
			return nil, err
		}
	}
	first := o.Interleave
	if first == 0 && o.HappyEyeballsDelay > 0 {
		first = 1
	}
	if first > 0 {
		remotes = interleave(remotes, first)
	}
	delay := o.HappyEyeballsDelay
	if delay == 0 {
		delay = NoTimeout
	}
	s, err := d.connect(ctx, remotes, delay)
	if s != nil || err != nil {
		return s, err
	}
	return nil, d.failure(o.AllErrors)
}

// dialing is the attempt to connect to one of several addresses.
type dialing struct {
	loop   *Loop
	locals []netip.AddrPort // to connect from, any if there are none
	errs   [][]error        // of each address that was tried, in the order of the attempts
}

// connect tries the addresses until one answers. It returns an error if the trying itself was ended.
func (d *dialing) connect(ctx context.Context, remotes []netip.AddrPort, delay time.Duration) (stream, error) {
	d.errs = make([][]error, len(remotes))
	if delay == NoTimeout || len(remotes) == 1 {
		for i, remote := range remotes {
			s, err := d.attempt(ctx, i, remote)
			if err == nil || isEnd(err) {
				return s, err
			}
		}
		return nil, nil
	}
	var attempts []Coro[stream]
	for i, remote := range remotes {
		attempts = append(attempts, func(ctx context.Context) (stream, error) { return d.attempt(ctx, i, remote) })
	}
	r, err := StaggeredRace(ctx, delay, attempts...)
	if err != nil {
		if r.Value != nil {
			r.Value.close()
		}
		return nil, err
	}
	return r.Value, nil
}

// isEnd reports whether err ends the whole call rather than the attempt at one address.
func isEnd(err error) bool {
	_, cancelled := asCancelled(err)
	return cancelled || errors.Is(err, ErrLoopClosed) || errors.Is(err, ErrUsage)
}

// attempt connects to one address, from the first local one of its family that is free.
func (d *dialing) attempt(ctx context.Context, i int, remote netip.AddrPort) (s stream, err error) {
	if len(d.locals) == 0 {
		s, err = d.loop.dialTCP(ctx, remote, netip.AddrPort{})
	} else {
		err = &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(remote),
			Err: errors.New("no local address of the same family is given")}
		for _, local := range d.locals {
			if local.Addr().Unmap().Is4() != remote.Addr().Unmap().Is4() {
				continue
			}
			if s, err = d.loop.dialTCP(ctx, remote, local); err == nil || !isBindError(err) {
				break
			}
			d.errs[i] = append(d.errs[i], err)
		}
	}
	if err != nil && !isBindError(err) {
		d.errs[i] = append(d.errs[i], err)
	}
	return s, err
}

// isBindError reports whether it was the local address that could not be used.
func isBindError(err error) bool {
	var e *os.SyscallError
	return errors.As(err, &e) && e.Syscall == "bind"
}

// failure is the error of CreateConnection when no address has answered.
func (d *dialing) failure(all bool) error {
	errs := slices.Concat(d.errs...)
	switch {
	case all:
		return &GroupError{Message: "no address could be connected to", Errors: errs}
	case len(errs) == 0:
		return ErrTimeout
	}
	for _, err := range errs[1:] {
		if err.Error() != errs[0].Error() {
			return &GroupError{Message: "no address could be connected to", Errors: errs}
		}
	}
	return errs[0]
}

// interleave returns the addresses with first ones of the first family at the front, after which
// the families take turns.
func interleave(addrs []netip.AddrPort, first int) []netip.AddrPort {
	var families [2][]netip.AddrPort
	firstIs4 := addrs[0].Addr().Unmap().Is4()
	for _, a := range addrs {
		i := 0
		if a.Addr().Unmap().Is4() != firstIs4 {
			i = 1
		}
		families[i] = append(families[i], a)
	}
	n := min(first-1, len(families[0]))
	out := slices.Clone(families[0][:n])
	families[0] = families[0][n:]
	for len(families[0])+len(families[1]) > 0 {
		for i := range families {
			if len(families[i]) > 0 {
				out = append(out, families[i][0])
				families[i] = families[i][1:]
			}
		}
	}
	return out
}

// dialInGoroutine connects where the loop cannot: the caller waits as for any job. A connection that
// comes when it is no longer wanted is closed.
func (l *Loop) dialInGoroutine(ctx context.Context, network, addr string, local netip.AddrPort) (stream, error) {
	d := net.Dialer{KeepAlive: -1}
	if local.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(local)
	}
	var mu sync.Mutex
	var got net.Conn
	unwanted := false
	conn, err := offLoop(ctx, func(ctx context.Context) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, addr)
		mu.Lock()
		defer mu.Unlock()
		if got = conn; err == nil && unwanted {
			conn.Close()
		}
		return conn, err
	})
	if err != nil {
		mu.Lock()
		defer mu.Unlock()
		if unwanted = true; got != nil {
			got.Close()
		}
		return nil, err
	}
	return l.newConnStream(conn), nil
}
