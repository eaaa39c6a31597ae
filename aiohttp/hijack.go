package aiohttp

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/goaio/aio"
)

// hijackedConn is a connection that a handler has hijacked. Any goroutine may call its
// methods. In a task of the loop a Read or Write awaits while another goroutine
// performs it.
//
// An error that ends an await is kept, as package net keeps an exceeded deadline: a
// parser may drop an error and read again, but a cancellation is delivered only once.
type hijackedConn struct {
	net.Conn
	loop          *aio.Loop
	reads, writes connDirection
}

// connDirection is one direction of a hijackedConn.
type connDirection struct {
	direction
	// clear reports that a new deadline was set: it resets the error of the
	// direction
	clear atomic.Bool
}

// hijacked returns nc for the handler. Bytes that rw has buffered are read first.
func hijacked(l *aio.Loop, nc net.Conn, rw *bufio.ReadWriter) (net.Conn, *bufio.ReadWriter, error) {
	c := &hijackedConn{Conn: nc, loop: l}
	ahead, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		return nil, nil, err
	}
	ahead = bytes.Clone(ahead)
	var source io.Reader = c
	if len(ahead) > 0 {
		source = io.MultiReader(bytes.NewReader(ahead), c)
	}
	r := bufio.NewReader(source)
	// fills the buffer, so that Buffered reports these bytes
	_, err = r.Peek(len(ahead))
	return c, bufio.NewReadWriter(r, bufio.NewWriter(c)), err
}

// NetConn returns the underlying connection, as [crypto/tls.Conn] does. The methods of
// that connection block.
func (c *hijackedConn) NetConn() net.Conn { return c.Conn }

// Read implements net.Conn.
func (c *hijackedConn) Read(p []byte) (int, error) {
	return c.do(&c.reads, c.Conn.Read, p, c.Conn.SetReadDeadline)
}

// Write implements net.Conn.
func (c *hijackedConn) Write(p []byte) (int, error) {
	return c.do(&c.writes, c.Conn.Write, p, c.Conn.SetWriteDeadline)
}

func (c *hijackedConn) do(d *connDirection, do func([]byte) (int, error), p []byte, deadline func(time.Time) error) (n int, err error) {
	ctx := c.loop.Context()
	if aio.CurrentTask(ctx) == nil {
		return do(p)
	}
	if aerr := d.acquire(ctx); aerr != nil {
		return 0, aerr
	}
	defer d.turn.Release()
	if d.clear.Swap(false) {
		d.err = nil
	}
	if d.err != nil {
		return 0, d.unusable(ctx)
	}
	op := &operation{do: func() { n, err = do(p) }}
	go func() {
		defer tell(c.loop, op.done.Set)
		op.run()
	}()
	unblock := func() error { return deadline(longAgo) }
	if aerr := d.await(ctx, op, unblock, true); aerr != nil {
		if !op.done.IsSet() { // the loop is closed
			return 0, aerr
		}
		return n, aerr
	}
	return n, err
}

// SetDeadline implements net.Conn.
func (c *hijackedConn) SetDeadline(t time.Time) error {
	c.reads.clear.Store(true)
	c.writes.clear.Store(true)
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *hijackedConn) SetReadDeadline(t time.Time) error {
	c.reads.clear.Store(true)
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *hijackedConn) SetWriteDeadline(t time.Time) error {
	c.writes.clear.Store(true)
	return c.Conn.SetWriteDeadline(t)
}
