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

// proxy passes connections on. Its counters belong to the loop.
type proxy struct {
	to                   string
	limit                int
	clientTLS, serverTLS *tls.Config // nil for none
	connectTimeout       time.Duration
	linger               time.Duration // for an answer after the client's end
	grace                time.Duration
	log                  func(format string, args ...any)

	slots       *aio.Semaphore
	open, total int
	upBytes     int64 // from the clients
	downBytes   int64 // to the clients

	handshakeFailure int // of TLS with clients
	connectFailure   int
}

// serve runs the proxy until it is cancelled. It calls ready when it listens.
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

// counters logs what there is to count.
func (p *proxy) counters() {
	p.log("%d connections, %d now, %d could not be passed on, %d failed TLS handshakes, %d bytes up, %d bytes down",
		p.total, p.open, p.connectFailure, p.handshakeFailure, p.upBytes, p.downBytes)
}

// handle passes one connection on.
func (p *proxy) handle(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	defer w.Close()
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
	err := aio.Timeout(ctx, p.connectTimeout, func(ctx context.Context) (err error) {
		upR, upW, err = aio.OpenConnection(ctx, p.to, &aio.ConnectionOptions{TLS: p.serverTLS, HappyEyeballsDelay: 250 * time.Millisecond})
		return err
	})
	if err != nil {
		return p.failed(w, &p.connectFailure, err)
	}
	defer upW.Close()
	// TLS has no half of an end: where one of the two ends, it is over in both
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
				// it cannot be told, and its answer may still come
				return p.silence(ctx, down)
			}
			return nil
		})
		tg.Go(func(ctx context.Context) error {
			err := pump(ctx, w, upR, down)
			if err == nil && !upW.CanWriteEOF() {
				tg.Cancel()
			}
			return err
		})
		return nil
	})
	if err != nil && !errors.Is(err, aio.ErrCancelled) {
		// One end was reset: the other one must not take a part of the data for
		// all of it.
		reset(upW)
		reset(w)
		return nil
	}
	return err
}

// failed counts and logs that a client cannot be served because of err, and resets its
// connection: a clean end would look as if it had been served.
func (p *proxy) failed(w *aio.StreamWriter, count *int, err error) error {
	if errors.Is(err, aio.ErrCancelled) {
		return err
	}
	*count++
	p.log("%v: %v", w.GetExtraInfo("peername"), err)
	reset(w)
	return nil
}

// pump passes on what comes from r until it ends, and then the end if that is possible.
func pump(ctx context.Context, w *aio.StreamWriter, r *aio.StreamReader, c *counting) error {
	c.Writer = w.Writer(ctx)
	_, err := io.Copy(c, r.Reader(ctx))
	if err == nil && w.CanWriteEOF() {
		w.WriteEOF()
	}
	return err
}

// silence waits until nothing has come for a while.
func (p *proxy) silence(ctx context.Context, c *counting) error {
	for before := int64(-1); before != c.own; {
		before = c.own
		if err := aio.Sleep(ctx, p.linger); err != nil {
			return err
		}
	}
	return errors.New("no answer")
}

// reset closes a connection so that its peer gets an error rather than the end of the
// data, where the system can: Abort alone sends a FIN, as Close does.
func reset(w *aio.StreamWriter) {
	if sock, ok := w.GetExtraInfo("socket").(*aio.TransportSocket); ok {
		if f, err := sock.File(); err == nil {
			// a duplicate, which has the same options
			if c, err := net.FileConn(f); err == nil {
				if tcp, ok := c.(*net.TCPConn); ok {
					_ = tcp.SetLinger(0)
				}
				c.Close()
			}
			f.Close()
		}
	}
	w.Transport().Abort()
}

// counting counts what is written.
type counting struct {
	io.Writer
	n   *int64 // of all connections
	own int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	*c.n += int64(n)
	c.own += int64(n)
	return n, err
}
