package aio

// Below TLS: the protocol of the transport that carries the records, and the net.Conn
// through which crypto/tls reads and writes them. Its Read awaits during the handshake,
// which is a task; afterwards it never blocks, and returns errDry without input.

import (
	"context"
	"io"
	"net"
	"time"
)

type (
	tlsProtocol tlsTransport
	tlsWire     tlsTransport
)

// ConnectionMade starts the handshake.
func (p *tlsProtocol) ConnectionMade(lower Transport) {
	t := (*tlsTransport)(p)
	t.lower = lower
	if t.closing {
		lower.Abort()
		return
	}
	t.claim(lower)
	t.state = tlsHandshaking
	t.limit(t.settings.handshake)
	handshake := CreateTask(t.loop.Context(), func(ctx context.Context) (struct{}, error) {
		t.ctx = ctx
		// With a context that can end, crypto/tls would start a goroutine to
		// watch it.
		return struct{}{}, t.conn.HandshakeContext(context.WithoutCancel(ctx))
	}, WithName("TLS handshake"))
	handshake.noPendingReport = true
	t.handshake = &handshake.task
	handshake.addCallback((*tlsHandshakeStep)(t))
}

// DataReceived handles ciphertext.
func (p *tlsProtocol) DataReceived(b []byte) {
	t := (*tlsTransport)(p)
	t.borrowed = b
	t.receive()
	if t.state != tlsUnwrapped {
		t.in.add(t.borrowed)
	}
	t.borrowed = nil
	t.controlReading()
}

// EOFReceived always keeps the transport open: the layer closes it, and may have bytes
// to deliver and to write before.
func (p *tlsProtocol) EOFReceived() bool {
	t := (*tlsTransport)(p)
	t.atEOF = true
	t.receive()
	return true
}

// ConnectionLost ends the layer.
func (p *tlsProtocol) ConnectionLost(err error) {
	t := (*tlsTransport)(p)
	if err == nil && t.state == tlsHandshaking && t.atEOF {
		err = errTLSReset
	}
	if t.cause == nil {
		t.cause = err
	}
	t.lower = nil
	if t.opened {
		t.lose(t.cause)
	}
	if err == nil {
		err = errTLSAborted
	}
	t.end(err)
	t.in, t.queue = outBuffer{}, outBuffer{}
}

// PauseWriting makes the application's writes wait in the queue.
func (p *tlsProtocol) PauseWriting() { p.writePaused = true }

// ResumeWriting sends the queue.
func (p *tlsProtocol) ResumeWriting() {
	t := (*tlsTransport)(p)
	t.writePaused = false
	switch t.state {
	case tlsWrapped:
		t.drain()
	case tlsFlushing:
		t.flush()
	}
	t.maybeResume(t.queue.len())
}

// errDry is the error of a Read of the wire that has no more input.
var errDry net.Error = dryError{}

type dryError struct{}

func (dryError) Error() string { return "aio: internal error: the TLS layer waits for input" }

func (dryError) Timeout() bool { return true }

func (dryError) Temporary() bool { return true }

// Read implements net.Conn. In the handshake task it awaits.
func (w *tlsWire) Read(b []byte) (int, error) {
	t := (*tlsTransport)(w)
	for t.unread() == 0 {
		if t.atEOF {
			t.truncated = true
			return 0, io.EOF
		}
		if t.state != tlsHandshaking {
			return 0, errDry
		}
		t.controlReading()
		c, err := enter(t.ctx, "TLS handshake")
		if err != nil {
			return 0, err
		}
		if _, err := c.waitIn(&t.inputWaiters, "TLS handshake"); err != nil {
			return 0, err
		}
	}
	n := copy(b, t.in.bytes())
	t.in.skip(n)
	if n < len(b) {
		m := copy(b[n:], t.borrowed)
		t.borrowed = t.borrowed[m:]
		n += m
	}
	return n, nil
}

// Write implements net.Conn. It never waits.
func (w *tlsWire) Write(b []byte) (int, error) {
	switch {
	case w.records != nil:
		w.records = append(w.records, b...)
		return len(b), nil
	case w.state == tlsUnwrapped || w.lower == nil:
		return 0, net.ErrClosed
	}
	return w.lower.Write(b)
}

// Close implements net.Conn. The layer closes the connection itself.
func (w *tlsWire) Close() error { return nil }

// LocalAddr implements net.Conn.
func (w *tlsWire) LocalAddr() net.Addr { return w.addr("sockname") }

// RemoteAddr implements net.Conn.
func (w *tlsWire) RemoteAddr() net.Addr { return w.addr("peername") }

// SetDeadline implements net.Conn: no operation waits.
func (w *tlsWire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (w *tlsWire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (w *tlsWire) SetWriteDeadline(time.Time) error { return nil }

// addr returns an address of the transport below. It is never nil, because callbacks of
// tls.Config may ask for it.
func (w *tlsWire) addr(name string) net.Addr {
	if w.lower != nil {
		if a, ok := w.lower.GetExtraInfo(name).(net.Addr); ok {
			return a
		}
	}
	return &net.UnixAddr{Net: "unix"}
}
