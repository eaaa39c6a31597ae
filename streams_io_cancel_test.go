package aio_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/textproto"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// Parsers of the standard library ignore an error and read again, but a cancellation is
// delivered only once: after a failed call an adapter returns the same error again.
func TestAdaptersKeepACancellation(t *testing.T) {
	for name, reader := range map[string]func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) io.Reader{
		"StreamReader.Reader": func(ctx context.Context, r *aio.StreamReader, _ *aio.StreamWriter) io.Reader {
			return r.Reader(ctx)
		},
		"NewConn": func(_ context.Context, _ *aio.StreamReader, w *aio.StreamWriter) io.Reader {
			return aio.NewConn(w.Transport().(aio.Transport))
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := aio.Run(func(ctx context.Context) error {
				r, w, more, err := adapterPair(ctx, t)
				if err != nil {
					return err
				}
				in := reader(ctx, r, w)
				got := aio.Timeout(ctx, 20*time.Millisecond, func(ctx context.Context) error {
					if name == "StreamReader.Reader" {
						in = r.Reader(ctx)
					}
					_, err := textproto.NewReader(bufio.NewReader(in)).ReadMIMEHeader()
					return err
				})
				same(t, "ReadMIMEHeader in a Timeout", got, aio.ErrTimeout)
				buf := make([]byte, 1)
				for range 3 {
					_, err := in.Read(buf)
					matches(t, "Read afterwards", err, aio.ErrCancelled)
				}
				if wt, ok := in.(io.WriterTo); ok {
					_, err := wt.WriteTo(io.Discard)
					matches(t, "WriteTo afterwards", err, aio.ErrCancelled)
					_, err = in.(io.ByteReader).ReadByte()
					matches(t, "ReadByte afterwards", err, aio.ErrCancelled)
					in = r.Reader(ctx)
				} else {
					same(t, "SetReadDeadline", in.(net.Conn).SetReadDeadline(time.Now().Add(time.Minute)), nil)
				}
				more()
				_, err = in.Read(buf)
				return err
			})
			same(t, "Run, whose last Read finds data", err, nil)
		})
	}
}

func TestWritersKeepACancellation(t *testing.T) {
	for _, name := range []string{"StreamWriter.Writer", "NewConn"} {
		t.Run(name, func(t *testing.T) {
			err := aio.Run(func(ctx context.Context) error {
				_, w, _, err := adapterPair(ctx, t)
				if err != nil {
					return err
				}
				var conn net.Conn
				out := w.Writer(ctx)
				if name == "NewConn" {
					conn = aio.NewConn(w.Transport().(aio.Transport))
					out = conn
				}
				task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					if conn == nil {
						out = w.Writer(ctx)
					}
					// the peer does not read
					_, err := out.Write(make([]byte, 64<<20))
					return err
				}))
				letPass(ctx, 5)
				task.Cancel()
				_, err = task.Await(ctx)
				matches(t, "the first Write", err, aio.ErrCancelled)
				n, err := out.Write([]byte("more"))
				matches(t, "the next one", err, aio.ErrCancelled)
				same(t, "the number of bytes written", n, 0)
				w.Transport().(aio.Transport).Abort()
				return nil
			})
			same(t, "Run", err, nil)
		})
	}
}

// adapterPair returns a connection whose peer sends one line, and nothing else until more
// is called, which makes it send one byte.
func adapterPair(ctx context.Context, t *testing.T) (r *aio.StreamReader, w *aio.StreamWriter, more func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, nil, err
	}
	defer ln.Close()
	r, w, err = aio.OpenConnection(ctx, ln.Addr().String(), nil)
	if err != nil {
		return nil, nil, nil, err
	}
	other, err := ln.Accept()
	if err != nil {
		return nil, nil, nil, err
	}
	t.Cleanup(func() { other.Close() })
	more = func() {
		if _, err := other.Write([]byte("x")); err != nil {
			t.Error(err)
		}
	}
	_, err = other.Write([]byte("Subject: x\r\n"))
	return r, w, more, err
}

// A cancellation that was handled is not the error of later calls: a task that returned
// it would end as cancelled, and its failure would not be reported.
func TestAdapterAfterHandledCancellation(t *testing.T) {
	type conn struct {
		ctx context.Context
		r   *aio.StreamReader
		w   *aio.StreamWriter
		c   net.Conn
	}
	read := func(r io.Reader) error { _, err := r.Read(make([]byte, 1)); return err }
	// writes more than the buffers hold; the other side does not read
	write := func(w io.Writer) error { _, err := w.Write(make([]byte, 64<<20)); return err }
	for name, adapter := range map[string]func(c *conn) func() error{
		"Reader": func(c *conn) func() error { r := c.r.Reader(c.ctx); return func() error { return read(r) } },
		"Writer": func(c *conn) func() error { w := c.w.Writer(c.ctx); return func() error { return write(w) } },
		"NewConn, Read": func(c *conn) func() error {
			return func() error { return read(c.c) }
		},
		"NewConn, Write": func(c *conn) func() error {
			return func() error { return write(c.c) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := aio.Run(func(ctx context.Context) error {
				r, w, _, err := adapterPair(ctx, t)
				if err != nil {
					return err
				}
				defer w.Transport().(aio.Transport).Abort()
				c := &conn{r: r, w: w}
				if name == "NewConn, Read" || name == "NewConn, Write" {
					c.c = aio.NewConn(w.Transport().(aio.Transport))
				}
				// in a group, which must get the error of its task
				err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
					tg.Go(func(ctx context.Context) error {
						c.ctx = ctx
						call := adapter(c)
						line := len("Subject: x\r\n")
						if c.c != nil {
							_, _ = io.ReadFull(c.c, make([]byte, line))
						} else {
							_, _ = r.ReadExactly(ctx, line)
						}
						err := aio.Timeout(ctx, time.Millisecond, func(context.Context) error {
							err := call()
							matches(t, "the call that was cancelled", err, aio.ErrCancelled)
							same(t, "a second call", call(), err)
							return err
						})
						same(t, "Timeout", err, aio.ErrTimeout)
						return call()
					})
					return nil
				})
				grouped(t, err, aio.ErrCancelled)
				same(t, "it matches context.Canceled", errors.Is(err, context.Canceled), false)
				if c.c != nil {
					other := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
						if name == "NewConn, Read" {
							return read(c.c)
						}
						return write(c.c)
					}))
					_, err := other.Await(ctx)
					matches(t, "a call of another task", err, aio.ErrCancelled)
					same(t, "that task is cancelled", other.Cancelled(), false)
				}
				return nil
			})
			same(t, "Run", err, nil)
		})
	}
}
