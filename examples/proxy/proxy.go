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
	grace                time.Duration
	log                  func(format string, args ...any)

	slots          *aio.Semaphore
	open, total    int
	upBytes        int64 // from the clients
	downBytes      int64 // to the clients
	connectFailure int
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
	srv, err := aio.StartServer(ctx, p.handle, addr, &aio.ServerOptions{TLS: p.clientTLS})
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
	p.log("%d connections, %d now, %d could not be passed on, %d bytes up, %d bytes down",
		p.total, p.open, p.connectFailure, p.upBytes, p.downBytes)
}

// handle passes one connection on.
func (p *proxy) handle(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	defer w.Close()
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
		if errors.Is(err, aio.ErrCancelled) {
			return err
		}
		p.connectFailure++
		p.log("%v: %v", w.GetExtraInfo("peername"), err)
		w.Transport().Abort() // a client that sees a clean end would think it was served
		return nil
	}
	defer upW.Close()
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(func(ctx context.Context) error { return p.pump(ctx, upW, r, &p.upBytes) })
		tg.Go(func(ctx context.Context) error { return p.pump(ctx, w, upR, &p.downBytes) })
		return nil
	})
}

// pump passes on what comes from r until it ends, and then the end. An error of either connection ends
// both, without a word: it is theirs to complain about.
func (p *proxy) pump(ctx context.Context, w *aio.StreamWriter, r *aio.StreamReader, count *int64) error {
	_, err := io.Copy(&counting{w.Writer(ctx), count}, r.Reader(ctx))
	switch {
	case errors.Is(err, aio.ErrCancelled):
		return err
	case err != nil:
		w.Transport().Abort()
		return nil
	case w.CanWriteEOF():
		w.WriteEOF()
	default: // TLS has no half of an end
		w.Close()
	}
	return nil
}

// counting counts what is written.
type counting struct {
	io.Writer
	n *int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	*c.n += int64(n)
	return n, err
}
