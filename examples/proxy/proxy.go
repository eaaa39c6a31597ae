package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/goaio/aio"
)

// proxy forwards connections. Its counters are accessed only by tasks of the loop.
type proxy struct {
	to                   string
	limit                int
	clientTLS, serverTLS *tls.Config // nil without TLS
	connectTimeout       time.Duration
	// time to wait for an answer after the client's EOF
	linger time.Duration
	grace  time.Duration
	log    func(format string, args ...any)

	slots       *aio.Semaphore
	open, total int
	upBytes     int64 // from clients
	downBytes   int64 // to clients

	handshakeFailure int // failed handshakes with clients
	connectFailure   int
}

// serve runs the proxy until it is cancelled. It calls ready when it is listening.
func (p *proxy) serve(ctx context.Context, addr string, ready func(net.Addr)) error {
	p.slots = aio.NewSemaphore(p.limit)
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return err
	}
	if onCounters(loop, p.counters) {
		p.log("SIGUSR1 logs the counters")
	}
	srv, err := aio.StartServer(ctx, p.handle, addr, nil)
	if err != nil {
		return err
	}
	ready(srv.Addr())
	err = aio.Sleep(ctx, aio.NoTimeout)
	if serr := srv.Shutdown(ctx, p.grace); serr != nil {
		return serr
	}
	p.counters()
	return err
}

// counters logs the counters.
func (p *proxy) counters() {
	p.log("%d connections, %d now, %d could not be passed on, %d failed TLS handshakes, %d bytes up, %d bytes down",
		p.total, p.open, p.connectFailure, p.handshakeFailure, p.upBytes, p.downBytes)
}

// handle forwards one connection. If it is cancelled, it resets both connections: EOF
// would look like the end of the data.
func (p *proxy) handle(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) (err error) {
	defer func() { end(w, err) }()
	if p.clientTLS != nil {
		if err := w.StartTLS(ctx, p.clientTLS, nil); err != nil {
			return p.failed(w, &p.handshakeFailure, err)
		}
	}
	if err := p.slots.Acquire(ctx); err != nil {
		return err
	}
	defer p.slots.Release()
	p.total++
	p.open++
	defer func() { p.open-- }()
	var upR *aio.StreamReader
	var upW *aio.StreamWriter
	err = aio.Timeout(ctx, p.connectTimeout, func(ctx context.Context) (err error) {
		upR, upW, err = aio.OpenConnection(ctx, p.to, &aio.ConnectionOptions{TLS: p.serverTLS, HappyEyeballsDelay: 250 * time.Millisecond})
		return err
	})
	if err != nil {
		return p.failed(w, &p.connectFailure, err)
	}
	defer func() { end(upW, err) }()
	// TLS cannot close one direction only: EOF on a TLS connection ends both
	// directions.
	down := &counting{n: &p.downBytes}
	err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(func(ctx context.Context) error {
			err := pump(ctx, upW, r, &counting{n: &p.upBytes})
			switch {
			case err != nil:
				return err
			case !w.CanWriteEOF():
				tg.Cancel()
			case !upW.CanWriteEOF():
				// The server cannot be told about the EOF, and may
				// still answer.
				return p.silence(ctx, down)
			}
			return nil
		})
		tg.Go(func(ctx context.Context) error {
			err := pump(ctx, w, upR, down)
			if err == nil && !(w.CanWriteEOF() && upW.CanWriteEOF()) {
				tg.Cancel()
			}
			return err
		})
		return nil
	})
	if err != nil && !aio.IsCancellation(err) {
		// One connection was reset: reset the other one too, because its peer
		// must not take partial data for complete data.
		reset(upW)
		reset(w)
		return nil
	}
	return err
}

// failed counts and logs that a client cannot be served because of err. It resets the
// connection: EOF would look like a complete answer.
func (p *proxy) failed(w *aio.StreamWriter, count *int, err error) error {
	if errors.Is(err, aio.ErrCancelled) {
		return err
	}
	*count++
	p.log("%v: %v", w.GetExtraInfo("peername"), err)
	reset(w)
	return nil
}

// pump copies from r to w until EOF, and then closes the writing side of w if possible.
func pump(ctx context.Context, w *aio.StreamWriter, r *aio.StreamReader, c *counting) error {
	c.Writer = w.Writer(ctx)
	_, err := io.Copy(c, r.Reader(ctx))
	if err == nil && w.CanWriteEOF() {
		w.WriteEOF()
	}
	return err
}

// silence waits until no data has arrived for the linger time.
func (p *proxy) silence(ctx context.Context, c *counting) error {
	for before := int64(-1); before != c.own; {
		before = c.own
		if err := aio.Sleep(ctx, p.linger); err != nil {
			return err
		}
	}
	return errors.New("no answer")
}

// end closes a connection, or resets it if its task ends with an error.
func end(w *aio.StreamWriter, err error) {
	if err != nil {
		reset(w)
	}
	w.Close()
}

// reset closes a connection so that its peer gets an error rather than the end of the
// data, if possible: Abort alone sends a FIN, as Close does.
func reset(w *aio.StreamWriter) {
	if sock, ok := w.GetExtraInfo("socket").(*aio.TransportSocket); ok {
		_ = sock.SetLinger(0) // fails if the connection is closed already
	}
	w.Transport().Abort()
}

// counting counts the written bytes.
type counting struct {
	io.Writer
	n   *int64 // the counter for all connections
	own int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	*c.n += int64(n)
	c.own += int64(n)
	return n, err
}
