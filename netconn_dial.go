package aio

// Connections of a loop for libraries that dial. A task always makes the connection:
// the calling task, or a new task of the loop if another goroutine calls and blocks.

import (
	"context"
	"net"
	"sync/atomic"
)

// Dialer makes connections of a loop, for libraries that take a dial function or a
// dialer: DialContext of an [net/http.Transport], DialFunc of a pgx config (with
// ForTasks), the dialer of go-redis or gRPC. Each connection is a [net.Conn] as [NewConn]
// makes it; NewConn documents how libraries can use one in a task. Any goroutine may use
// a Dialer, also concurrently; do not change its fields while it is in use.
//
// For goroutines the loop's connections have no advantage except that tasks can use the
// same connections: a library that is called with [ToThread] can also use its own
// dialer.
//
// asyncio has no equivalent.
type Dialer struct {
	// Loop is the loop that owns the connections. If it is nil, the loop of the ctx
	// of DialContext is used. A library may also dial in a goroutine of its own,
	// with a ctx that belongs to no loop: then the loop of the latest call that had
	// one is used. Set Loop if several loops use the Dialer.
	Loop *Loop
	// ForTasks is for a library that is called in tasks and that reads ahead in a
	// goroutine of its own while it writes, as pgx.Conn does. It concerns the
	// connections that a task dials. While a Write waits, such a connection reads
	// ahead automatically, as much as arrives. A Read in a goroutine other than
	// that of a task fails at once, because the library's caller, a task, might
	// wait for it and block the loop.
	//
	// The error is a timeout and temporary, so that the library continues without
	// that goroutine, and matches [ErrUsage] and [os.ErrDeadlineExceeded].
	ForTasks bool
	// Options are those of [CreateConnection] or [CreateUnixConnection]; nil means
	// the defaults. Conn and Limit must not be set. The network argument of
	// DialContext takes precedence over Options.Network. With TLS the connection is
	// encrypted; most libraries add TLS themselves, on top of a connection without
	// it.
	Options *ConnectionOptions

	// if Loop is nil: the loop of the latest call whose ctx had one
	used atomic.Pointer[Loop]
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
// The errors are those of CreateConnection, [*CancelledError] included; for a goroutine,
// the error of ctx in a [*net.OpError]; a [net.UnknownNetworkError]; and [ErrNoTask] in a
// callback of the loop, which cannot wait. If the loop is closed the error matches
// [ErrLoopClosed]. While a [Runner] closes the loop, DialContext works until the tasks
// and jobs of the loop have ended, so that they can clean up. It matches [ErrUsage] if
// there is no loop, if the options are invalid, or if the loop is blocked: see [NewConn].
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	const call = "Dialer.DialContext"
	if ctx == nil {
		return nil, usagef(call, "the context is nil")
	}
	s, _ := scopeOf(ctx)
	l := d.Loop
	switch {
	case l != nil:
	case s != nil:
		if l = s.loop; d.used.Load() != l {
			d.used.Store(l)
		}
	default:
		if l = d.used.Load(); l == nil {
			return nil, usagef(call, "Loop is not set, and neither this context nor that of an earlier call comes from an event loop").as(ErrNoRunningLoop)
		}
	}
	if l.holdsToken() {
		if s == nil || s.loop != l {
			ctx = context.WithValue(ctx, scopeKey{}, l.ctx)
		}
		return d.dial(ctx, network, address, d.ForTasks)
	}
	return d.dialFrom(ctx, l, network, address)
}

// Dial is [Dialer.DialContext] with [context.Background], for libraries that do not
// pass a context. If Loop is nil, an earlier DialContext determines the loop.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// dial is like DialContext, for a task. forTasks says that the connection is for a
// task, see Dialer.ForTasks.
func (d *Dialer) dial(ctx context.Context, network, address string, forTasks bool) (net.Conn, error) {
	const call = "Dialer.DialContext"
	var o ConnectionOptions
	if d.Options != nil {
		o = *d.Options
	}
	var err error
	var m *connMaker
	maker := func() *connMaker { return &connMaker{forTasks: forTasks} }
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
type connMaker struct {
	conn     net.Conn
	forTasks bool
}

func (m *connMaker) ConnectionMade(t Transport) {
	c := newConn(t)
	c.forTasks = m.forTasks
	m.conn = c
}

// dialFrom is like DialContext, for a goroutine that does not hold the token of l.
func (d *Dialer) dialFrom(ctx context.Context, l *Loop, network, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	c := &dialCall{dialer: d, network: network, address: address, out: NewConcurrentFuture[net.Conn](), loop: l}
	if !l.accepts(true) || !l.postBlocked(c) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errConnLoop}
	}
	defer l.callEnded(c)
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
	// the outcome of the task; owned by the token
	work *ConcurrentFuture[struct{}]
}

// run implements runnable.
func (c *dialCall) run(*future) {
	switch {
	case c.work != nil:
		c.work.Cancel()
	case !c.out.Cancelled():
		c.loop.callBegun(c)
		c.work = runThreadsafe(c.loop, NoResult(c.dial), true, nil)
		c.work.AddDoneCallback(func() {
			_, err := c.work.Result(context.Background())
			// the task was cancelled because the loop is closed
			if _, ok := asCancelled(err); ok {
				err = &net.OpError{Op: "dial", Net: c.network, Err: errConnLoop}
			}
			if err != nil {
				// SetException fails if the goroutine no longer waits
				_ = c.out.SetException(err)
			}
		})
	}
}

// dial is the body of the task.
func (c *dialCall) dial(ctx context.Context) error {
	conn, err := c.dialer.dial(ctx, c.network, c.address, false)
	if err == nil && c.out.SetResult(conn) != nil { // the goroutine no longer waits
		_ = conn.Close()
	}
	return err
}

// abandon implements orphan.
func (c *dialCall) abandon() { c.refuse(&net.OpError{Op: "dial", Net: c.network, Err: errConnLoop}) }

// refuse implements refusable.
func (c *dialCall) refuse(err error) {
	_ = c.out.SetException(err) // SetException fails if the call is done
}
