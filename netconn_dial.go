package aio

// Connections of a loop for libraries that dial themselves. The connection is always made
// by a task: the one that calls, or one of the loop's for a goroutine that waits.

import (
	"context"
	"net"
)

// Dialer makes connections of a loop for libraries that take a function or an object
// that dials: DialContext of an [net/http.Transport], DialFunc of a pgx config, the
// dialer of go-redis or gRPC. Each is a [net.Conn] as [NewConn] makes it; see there for
// what libraries can do with one in a task. Any goroutine may use a Dialer, several at
// once, and its fields must not be changed meanwhile.
//
// Goroutines gain nothing from the loop's connections but that tasks may use them too:
// a library that is called by [ToThread] dials by itself as well.
//
// (asyncio has nothing like it)
type Dialer struct {
	// Loop is the loop whose connections they are. nil is the loop of the context
	// that DialContext is given, which must come from one then.
	Loop *Loop
	// Options are those of [CreateConnection] or [CreateUnixConnection]; nil has
	// the defaults. Conn and Limit must not be set. The network of DialContext goes
	// before Network. With TLS the connection is encrypted; most libraries want to
	// do that by themselves, over a connection without.
	Options *ConnectionOptions
}

// DialContext connects to the address on the network, which is "tcp", "tcp4" or "tcp6"
// with "host:port", or "unix" with a path.
//
// In a task of the loop it suspends the task, as [CreateConnection] does; another
// goroutine it blocks until the loop has made the connection. ctx need not be that of
// the task: libraries derive one from it, or have one of their own. When ctx ends the
// attempt is given up, as it is when the task is cancelled. Once the connection is
// there the end of ctx has no effect on it.
//
// The errors are those of CreateConnection, a [*CancelledError] among them; ctx's in a
// [*net.OpError] for a goroutine; a [net.UnknownNetworkError]; and [ErrNoTask] for a
// callback of the loop, which cannot wait. If the loop is closed the error matches
// [ErrLoopClosed]. It matches [ErrUsage] if there is no loop, the options are wrong, or
// the loop is blocked: see [NewConn].
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

// Dial is DialContext with [context.Background], for libraries that want nothing else.
// Loop must be set.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// dial is DialContext in a task.
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

// connMaker is the first protocol of a connection that shall be a net.Conn.
type connMaker struct{ conn net.Conn }

func (m *connMaker) ConnectionMade(t Transport) { m.conn = NewConn(t) }

// dialFrom is DialContext in a goroutine that does not hold the token of l.
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
		// it came at the last moment
		conn, err = c.out.Result(context.WithoutCancel(ctx))
	}
	return conn, err
}

// dialCall is a DialContext of another goroutine, on its way through the loop: first to
// begin, and once more if the goroutine has given up.
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
			if _, ok := asCancelled(err); ok { // by the end of the loop
				err = &net.OpError{Op: "dial", Net: c.network, Err: errConnLoop}
			}
			if err != nil {
				// fails if nobody waits any more
				_ = c.out.SetException(err)
			}
		})
	}
}

// dial is the body of the task.
func (c *dialCall) dial(ctx context.Context) error {
	conn, err := c.dialer.dial(ctx, c.network, c.address)
	if err == nil && c.out.SetResult(conn) != nil { // nobody waits any more
		_ = conn.Close()
	}
	return err
}

// abandon implements orphan.
func (c *dialCall) abandon() { c.refuse(errConnLoop) }

// refuse implements refusable.
func (c *dialCall) refuse(err error) {
	// fails if it is over
	_ = c.out.SetException(&net.OpError{Op: "dial", Net: c.network, Err: err})
}
