package aio

// Connections of a loop for libraries that dial. A task always makes the connection:
// the calling task, or a new task of the loop if another goroutine calls and blocks.

import (
	"context"
	"net"
)

// Dialer makes connections of a loop, for libraries that take a dial function or a
// dialer: DialContext of an [net/http.Transport], DialFunc of a pgx config, the dialer
// of go-redis or gRPC. Each connection is a [net.Conn] as [NewConn] makes it; NewConn
// documents how libraries can use one in a task. Any goroutine may use a Dialer, also
// concurrently; do not change its fields while it is in use.
//
// For goroutines the loop's connections have no advantage except that tasks can use the
// same connections: a library that is called with [ToThread] can also use its own
// dialer.
//
// asyncio has no equivalent.
type Dialer struct {
	// Loop is the loop that owns the connections. If it is nil, the ctx of
	// DialContext must belong to a loop, which is used then.
	Loop *Loop
	// Options are those of [CreateConnection] or [CreateUnixConnection]; nil means
	// the defaults. Conn and Limit must not be set. The network argument of
	// DialContext takes precedence over Options.Network. With TLS the connection is
	// encrypted; most libraries add TLS themselves, on top of a connection without
	// it.
	Options *ConnectionOptions
}

// DialContext connects to the address on the network, which is "tcp", "tcp4" or "tcp6"
// with "host:port", or "unix" with a path.
//
// In a task of the loop it suspends the task, as [CreateConnection] does. Any other
// goroutine blocks until the loop has made the connection. ctx need not be that of the
// task: libraries derive a context from it or use their own. If ctx is done first, or
// if the task is cancelled, the attempt is cancelled. ctx has no effect on an
// established connection.
//
// The errors are those of CreateConnection, [*CancelledError] included; for a
// goroutine, the error of ctx in a [*net.OpError]; a [net.UnknownNetworkError]; and
// [ErrNoTask] in a callback of the loop, which cannot wait. If the loop is closed the
// error matches [ErrLoopClosed]. It matches [ErrUsage] if there is no loop, if the
// options are invalid, or if the loop is blocked: see [NewConn].
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	const call = "Dialer.DialContext"
	if ctx == nil {
		return nil, usagef(call, "the context is nil")
	}
	s, _ := scopeOf(ctx)
	l := d.Loop
	switch {
	case l == nil && s == nil:
		return nil, usagef(call, "Loop is not set, and the context does not come from an event loop").as(ErrNoRunningLoop)
	case l == nil:
		l = s.loop
	}
	if l.holdsToken() {
		if s == nil || s.loop != l {
			ctx = context.WithValue(ctx, scopeKey{}, l.ctx)
		}
		return d.dial(ctx, network, address)
	}
	return d.dialFrom(ctx, l, network, address)
}

// Dial is [Dialer.DialContext] with [context.Background], for libraries that do not
// pass a context. Loop must be set.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// dial is DialContext for a task.
func (d *Dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	const call = "Dialer.DialContext"
	var o ConnectionOptions
	if d.Options != nil {
		o = *d.Options
	}
	var err error
	var m *connMaker
	maker := func() *connMaker { return &connMaker{} }
	switch network {
	case "tcp", "tcp4", "tcp6":
		o.Network = network
		_, m, err = createConnection(ctx, call, maker, address, &o)
	case "unix":
		_, m, err = createUnixConnection(ctx, call, maker, address, &o)
	default:
		err = &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
	}
	if err != nil {
		return nil, err
	}
	return m.conn, nil
}

// connMaker is the first protocol of a connection; it makes the net.Conn.
type connMaker struct{ conn net.Conn }

func (m *connMaker) ConnectionMade(t Transport) { m.conn = NewConn(t) }

// dialFrom is DialContext for a goroutine that does not hold the token of l.
func (d *Dialer) dialFrom(ctx context.Context, l *Loop, network, address string) (net.Conn, error) {
	c := &dialCall{dialer: d, network: network, address: address, out: NewConcurrentFuture[net.Conn](), loop: l}
	if l.ending.Load() || !l.postBlocked(c) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errConnLoop}
	}
	conn, err := c.out.Result(ctx)
	if err != nil && ctx.Err() != nil {
		if c.out.Cancel() {
			l.submit(c)
			return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
		}
		// The dial completed before it could be cancelled: return its result.
		conn, err = c.out.Result(context.WithoutCancel(ctx))
	}
	return conn, err
}

// dialCall is a DialContext from another goroutine. The loop runs it once to start the
// task, and a second time if the goroutine stops waiting.
type dialCall struct {
	dialer           *Dialer
	loop             *Loop
	network, address string
	out              *ConcurrentFuture[net.Conn]
	work             *ConcurrentFuture[struct{}] // of the task; owned by the token
}

// run implements runnable.
func (c *dialCall) run(*future) {
	switch {
	case c.work != nil:
		c.work.Cancel()
	case !c.out.Cancelled():
		c.work = RunCoroutineThreadsafe(c.loop, NoResult(c.dial))
		c.work.AddDoneCallback(func() {
			_, err := c.work.Result(context.Background())
			if _, ok := asCancelled(err); ok { // because the loop is closed
				err = &net.OpError{Op: "dial", Net: c.network, Err: errConnLoop}
			}
			if err != nil {
				// fails if the goroutine no longer waits
				_ = c.out.SetException(err)
			}
		})
	}
}

// dial is the body of the task.
func (c *dialCall) dial(ctx context.Context) error {
	conn, err := c.dialer.dial(ctx, c.network, c.address)
	if err == nil && c.out.SetResult(conn) != nil { // the goroutine no longer waits
		_ = conn.Close()
	}
	return err
}

// abandon implements orphan.
func (c *dialCall) abandon() { c.refuse(errConnLoop) }

// refuse implements refusable.
func (c *dialCall) refuse(err error) {
	// fails if the call is done
	_ = c.out.SetException(&net.OpError{Op: "dial", Net: c.network, Err: err})
}
