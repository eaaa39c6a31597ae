package aio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/goaio/aio"
)

// LOOP-272
func TestPipeWriteBuffers(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		ctx := c.ctx
		r, w := c.pipe()
		p := c.protocol()
		tr := c.write(w, p)
		if n, err := tr.Write([]byte("at once")); n != 7 || err != nil || tr.GetWriteBufferSize() != 0 {
			c.Errorf("Write: %d, %v; %d buffered", n, err, tr.GetWriteBufferSize())
		}
		if n, err := tr.Write(nil); n != 0 || err != nil {
			c.Errorf("an empty Write: %d, %v", n, err)
		}
		if err := tr.Writelines([][]byte{[]byte(" and "), nil, []byte("lines")}); err != nil {
			c.Error(err)
		}
		buf := make([]byte, 100)
		for n := 0; n < len("at once and lines"); {
			m, err := r.Read(buf[n:])
			if err != nil {
				return err
			}
			n += m
		}
		if got := string(bytes.TrimRight(buf, "\x00")); got != "at once and lines" {
			c.Errorf("read %q", got)
		}

		sent := fillPipe(c.T, tr)
		p.want("pause")
		held := tr.GetWriteBufferSize()
		if m, err := r.Read(buf); m != len(buf) || err != nil { // makes room
			c.Fatalf("read %d, %v", m, err)
		}
		tr.Write([]byte("the end"))
		if got := tr.GetWriteBufferSize(); got != held+7 {
			c.Errorf("%d bytes are buffered, want %d", got, held+7)
		}
		tr.Write(nil)
		rest := aio.CreateTask(ctx, aio.Coro[[]byte](func(ctx context.Context) ([]byte, error) {
			return aio.ToThread(ctx, func(context.Context) ([]byte, error) { return io.ReadAll(r) })
		}))
		tr.Close()
		p.wantLost(nil)
		got, err := rest.Await(ctx)
		if want := append(sent[100:], "the end"...); err != nil || !bytes.Equal(got, want) {
			c.Errorf("%d bytes arrived, %v; want %d", len(got), err, len(want))
		}
		p.want("resume lost")
		return nil
	}))
}

func TestPipeWriteBufferLimits(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		_, w := c.pipe()
		p := c.protocol()
		tr := c.write(w, p)
		if low, high := tr.GetWriteBufferLimits(); low != 16<<10 || high != 64<<10 {
			c.Errorf("the limits are %d, %d", low, high)
		}
		if err := panics(func() { tr.SetWriteBufferLimits(1, 2) }); !errors.Is(err, aio.ErrUsage) {
			c.Errorf("low above high: %v", err)
		}
		tr.SetWriteBufferLimits(16<<20, aio.DefaultLimit)
		fillPipe(c.T, tr)
		p.want("")
		tr.SetWriteBufferLimits(aio.DefaultLimit, 0)
		p.want("pause")
		tr.Abort()
		p.wantLost(nil)
		return nil
	}))
}

// LOOP-273. With goroutines the error is noticed only at a later write.
func TestPipeWriteErrorAtOnce(t *testing.T) {
	onPoller(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		p := c.protocol()
		tr := c.write(w, p)
		r.Close()
		if n, err := tr.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.EPIPE) {
			c.Errorf("Write: %d, %v", n, err)
		}
		if !tr.IsClosing() || tr.GetWriteBufferSize() != 0 {
			c.Errorf("closing %v, %d buffered", tr.IsClosing(), tr.GetWriteBufferSize())
		}
		logged := logText(c)
		for n := range 6 {
			if _, err := tr.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				c.Errorf("Write to a broken pipe: %v", err)
			}
			if got, want := strings.Count(logged(), "WARN"), max(0, n-3); got != want {
				c.Errorf("after %d writes there are %d warnings, want %d", n+1, got, want)
			}
		}
		p.wantLost(syscall.EPIPE)
		p.want("lost")
		return nil
	}))
}

// LOOP-275, LOOP-273
func TestPipeReaderGone(t *testing.T) {
	onPoller(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		p := c.protocol()
		tr := c.write(w, p)
		r.Close()
		p.wantLost(nil)
		if !tr.IsClosing() {
			c.Error("it is not closing")
		}
		if n, err := tr.Write([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
			c.Errorf("Write: %d, %v", n, err)
		}
		tr.Abort()
		tr.WriteEOF()
		c.letPass(3)
		p.want("lost")
		return nil
	}))
}

// With goroutines, only a write notices that the reader has closed the pipe.
func TestPipeReaderGoneNoticedByWriting(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		p := c.protocol()
		tr := c.write(w, p)
		fillPipe(c.T, tr)
		r.Close()
		p.wantLost(syscall.EPIPE)
		return nil
	}))
}

// LOOP-276
func TestPipeReaderGoneWithDataPending(t *testing.T) {
	onPoller(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		p := c.protocol()
		tr := c.write(w, p)
		fillPipe(c.T, tr)
		tr.Close() // waits for the buffered data, which the peer will never read
		r.Close()
		p.wantLost(syscall.EPIPE)
		if tr.GetWriteBufferSize() != 0 {
			c.Error("the buffer is not empty")
		}
		c.letPass(3)
		p.want("pause lost")
		return nil
	}))
}

// LOOP-277, LOOP-278, LOOP-279
func TestPipeWriteEOF(t *testing.T) {
	for name, closeIt := range map[string]func(aio.WriteTransport){
		"WriteEOF": func(tr aio.WriteTransport) { tr.WriteEOF() },
		"Close":    func(tr aio.WriteTransport) { tr.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			bothPaths(t, pipes(func(c *pipeCase) error {
				r, w := c.pipe()
				p := c.protocol()
				tr := c.write(w, p)
				if !tr.CanWriteEOF() {
					c.Error("CanWriteEOF is false")
				}
				closeIt(tr)
				if !tr.IsClosing() {
					c.Error("it is not closing")
				}
				p.want("")
				closeIt(tr)
				if _, err := tr.Write([]byte("late")); !errors.Is(err, net.ErrClosed) {
					c.Errorf("Write: %v", err)
				}
				p.wantLost(nil)
				if b, err := io.ReadAll(r); len(b) != 0 || err != nil {
					c.Errorf("read %q, %v", b, err)
				}

				r, w = c.pipe()
				p = c.protocol()
				tr = c.write(w, p)
				sent := fillPipe(c.T, tr)
				closeIt(tr)
				if _, err := tr.Write([]byte("late")); !errors.Is(err, net.ErrClosed) {
					c.Errorf("Write with data pending: %v", err)
				}
				closeIt(tr)
				c.letPass(3)
				p.want("pause")
				got, err := aio.ToThread(c.ctx, func(context.Context) ([]byte, error) { return io.ReadAll(r) })
				if err != nil || !bytes.Equal(got, sent) {
					c.Errorf("%d of %d bytes arrived, %v", len(got), len(sent), err)
				}
				p.wantLost(nil)
				p.want("resume lost")
				return nil
			}))
		})
	}
}

// LOOP-280
func TestPipeAbort(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		p := c.protocol()
		tr := c.write(w, p)
		sent := fillPipe(c.T, tr)
		held := tr.GetWriteBufferSize()
		tr.Abort()
		tr.Abort()
		if !tr.IsClosing() || tr.GetWriteBufferSize() != 0 {
			c.Errorf("closing %v, %d buffered", tr.IsClosing(), tr.GetWriteBufferSize())
		}
		p.wantLost(nil)
		p.want("pause lost")
		got, err := aio.ToThread(c.ctx, func(context.Context) ([]byte, error) { return io.ReadAll(r) })
		if want := len(sent) - held; err != nil || len(got) != want {
			c.Errorf("%d bytes arrived, %v; want %d", len(got), err, want)
		}
		return nil
	}))
}

// A program that writes much does not allocate whenever the pipe is full.
func TestPipeWriteBufferIsReused(t *testing.T) {
	onPoller(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		tr := c.write(w, c.protocol())
		out, in := make([]byte, 128<<10), make([]byte, 128<<10)
		round := func() error {
			tr.Write(out)
			if n := tr.GetWriteBufferSize(); n < 32<<10 {
				c.Fatalf("%d bytes are buffered", n)
			}
			for left := in; len(left) > 0; {
				n, err := r.Read(left)
				if err != nil {
					return err
				}
				left = left[n:]
				c.letPass(3) // the transport fills the pipe again
			}
			return nil
		}
		if err := round(); err != nil {
			return err
		}
		const rounds = 50
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			if err := round(); err != nil {
				return err
			}
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 8<<10 {
			c.Errorf("each round allocates %d bytes", each)
		}
		return nil
	}))
}
