// Package wire makes in-memory connections for tests of the examples that explore
// schedules and sweep cancellations. A timer of the loop delivers the data, so
// connections use virtual time. The run chooses the latency and how data is split.
package wire

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// End is one end of a connection.
type End struct {
	R *aio.StreamReader
	W *aio.StreamWriter
}

// Pair returns the two ends of a new connection. Their readers have the limits of
// OpenConnection.
func Pair(ctx context.Context) (a, b End) {
	x, y := &transport{ctx: ctx}, &transport{ctx: ctx}
	x.peer, y.peer = y, x
	return x.open(), y.open()
}

// transport is the transport of one end, protected by the token of the loop.
type transport struct {
	ctx      context.Context
	loop     *aio.Loop
	peer     *transport
	protocol aio.Protocol
	arrives  time.Time // when the last written data arrives
	inFlight int       // bytes
	full     bool      // the protocol was told to pause
	held     []func()  // deliveries held back while reading was paused
	paused   bool
	closing  bool
	eof      bool
}

// highWater is the number of bytes in flight at which writers wait.
const highWater = 64 << 10

func (t *transport) open() End {
	t.loop, _ = aio.GetRunningLoop(t.ctx)
	r := aio.NewStreamReader(t.ctx, 0)
	p := aio.NewStreamReaderProtocol(r, nil)
	t.protocol = p
	p.ConnectionMade(t)
	return End{r, aio.NewStreamWriter(t, p)}
}

// later calls f at the other end, after everything sent before.
func (t *transport) later(f func()) {
	delay := time.Duration(1+3*aiotest.Choose(t.ctx, 4, "latency")) * time.Millisecond
	if at := t.loop.Time().Add(delay); at.After(t.arrives) {
		t.arrives = at
	} else {
		// timers due at the same time have no defined order
		t.arrives = t.arrives.Add(time.Nanosecond)
	}
	t.loop.CallAt(t.arrives, func() {
		if t.peer.paused {
			t.peer.held = append(t.peer.held, f)
			return
		}
		f()
	})
}

// Write implements aio.WriteTransport.
func (t *transport) Write(p []byte) (int, error) {
	if t.closing {
		return 0, net.ErrClosed
	}
	for rest := append([]byte(nil), p...); len(rest) > 0; {
		n := len(rest)
		if n > 1 && aiotest.Choose(t.ctx, 4, "segment") == 1 {
			n = 1 + aiotest.Choose(t.ctx, n-1, "size")
		}
		part := rest[:n]
		rest = rest[n:]
		t.inFlight += n
		t.later(func() {
			t.inFlight -= len(part)
			if t.full && t.inFlight <= highWater/4 {
				t.full = false
				t.protocol.(interface{ ResumeWriting() }).ResumeWriting()
			}
			if !t.peer.closing {
				t.peer.deliver(part)
			}
		})
	}
	if !t.full && t.inFlight > highWater {
		t.full = true
		t.protocol.(interface{ PauseWriting() }).PauseWriting()
	}
	return len(p), nil
}

// deliver passes p to the protocol.
func (t *transport) deliver(p []byte) {
	b := t.protocol.(aio.BufferedProtocol)
	for len(p) > 0 {
		n := copy(b.GetBuffer(len(p)), p)
		b.BufferUpdated(n)
		p = p[n:]
	}
}

// WriteEOF implements aio.WriteTransport.
func (t *transport) WriteEOF() {
	if t.closing || t.eof {
		return
	}
	t.eof = true
	t.later(t.peer.end)
}

// end delivers EOF to the protocol.
func (t *transport) end() {
	if !t.closing && !t.protocol.(interface{ EOFReceived() bool }).EOFReceived() {
		_ = t.Close()
	}
}

// Close implements aio.BaseTransport.
func (t *transport) Close() error {
	if t.closing {
		return nil
	}
	t.WriteEOF()
	t.closing = true
	t.loop.CallSoon(func() { t.protocol.(interface{ ConnectionLost(error) }).ConnectionLost(nil) })
	return nil
}

// Abort implements aio.WriteTransport.
func (t *transport) Abort() { _ = t.Close() }

// Writelines implements aio.WriteTransport.
func (t *transport) Writelines(bufs [][]byte) error {
	for _, b := range bufs {
		if _, err := t.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// PauseReading implements aio.ReadTransport.
func (t *transport) PauseReading() { t.paused = true }

// ResumeReading implements aio.ReadTransport.
func (t *transport) ResumeReading() {
	if !t.paused {
		return
	}
	t.paused = false
	held := t.held
	t.held = nil
	t.loop.CallSoon(func() {
		for i, f := range held {
			if t.paused {
				t.held = append(held[i:], t.held...)
				return
			}
			f()
		}
	})
}

// The other methods of aio.Transport.

func (t *transport) IsReading() bool                    { return !t.paused && !t.closing }
func (t *transport) IsClosing() bool                    { return t.closing }
func (t *transport) CanWriteEOF() bool                  { return true }
func (t *transport) SetWriteBufferLimits(high, low int) {}
func (t *transport) GetWriteBufferLimits() (low, _ int) { return highWater / 4, highWater }
func (t *transport) GetWriteBufferSize() int            { return t.inFlight }
func (t *transport) SetProtocol(p aio.Protocol)         { t.protocol = p }
func (t *transport) GetProtocol() aio.Protocol          { return t.protocol }
func (t *transport) String() string                     { return fmt.Sprintf("wire, %d bytes in flight", t.inFlight) }
func (t *transport) GetExtraInfo(string) any            { return nil }
