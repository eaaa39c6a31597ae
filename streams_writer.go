package aio

// StreamWriter: a transport for tasks that write.

import (
	"context"
	"crypto/tls"
	"errors"
)

// StreamWriter is the writing side of a connection. Write puts bytes in the write buffer
// of the transport and never awaits: a task that writes more than a little should Drain
// after each Write, or use Writer, or the buffer grows while the peer reads slowly.
//
// The methods that do not take a ctx never await, and panic with ErrWrongGoroutine if the
// caller does not hold the token of the loop. Unlike asyncio's, a writer that is
// forgotten is not closed. (asyncio: StreamWriter)
type StreamWriter struct {
	transport WriteTransport
	gate      *writeGate
	// whose error is Drain's too; nil if there is none
	reader   *StreamReader
	protocol *StreamReaderProtocol // nil if it is another one
}

// NewStreamWriter returns a writer to t, the protocol of which is p. It never awaits.
func NewStreamWriter(t WriteTransport, p *StreamReaderProtocol) *StreamWriter {
	return &StreamWriter{transport: t, gate: &p.gate, reader: p.reader, protocol: p}
}

// Transport returns the transport; that of a connection is a Transport. After StartTLS it
// is another one. (asyncio: StreamWriter.transport)
func (w *StreamWriter) Transport() WriteTransport { return w.transport }

// Write writes p, or keeps a copy of what cannot be written at once. The error is nil,
// unless the connection is gone, and p with it (net.ErrClosed), or after WriteEOF
// (ErrUsage). (asyncio: StreamWriter.write)
func (w *StreamWriter) Write(p []byte) (int, error) { return w.transport.Write(p) }

// Writelines writes all of bufs, as one Write would. (asyncio: StreamWriter.writelines)
func (w *StreamWriter) Writelines(bufs [][]byte) error { return w.transport.Writelines(bufs) }

// WriteEOF tells the peer, once everything is written, that no more will be; reading goes
// on. A Write is misuse after it; doing it again does nothing. It panics with ErrUsage if
// CanWriteEOF is false. (asyncio: StreamWriter.write_eof)
func (w *StreamWriter) WriteEOF() { w.transport.WriteEOF() }

// CanWriteEOF reports whether the transport has a WriteEOF. That of TLS has none.
// (asyncio: StreamWriter.can_write_eof)
func (w *StreamWriter) CanWriteEOF() bool { return w.transport.CanWriteEOF() }

// Close closes the connection, for reading too, once everything is written. Doing it
// again does nothing. The error is nil. (asyncio: StreamWriter.close)
func (w *StreamWriter) Close() error { return w.transport.Close() }

// IsClosing reports whether the connection is closing or closed. (asyncio:
// StreamWriter.is_closing)
func (w *StreamWriter) IsClosing() bool { return w.transport.IsClosing() }

// GetExtraInfo returns what the transport knows under a name, nil if nothing; see
// BaseTransport. (asyncio: StreamWriter.get_extra_info)
func (w *StreamWriter) GetExtraInfo(name string) any { return w.transport.GetExtraInfo(name) }

// Drain suspends the calling task while the write buffer is too full, until it is not;
// and for one pass if the connection is closing, so that its end is noticed. If it is
// cancelled, what was written is sent all the same. The error is that of the reader, if
// it has one; ErrConnectionLost if the connection is gone; the error by which it was lost
// while the task waited; a *CancelledError, or one of those of Future.Await. (asyncio:
// StreamWriter.drain)
func (w *StreamWriter) Drain(ctx context.Context) error {
	const call = "StreamWriter.Drain"
	e, err := w.gate.enter(ctx, call)
	if err != nil {
		return err
	}
	if w.reader != nil && w.reader.err != nil {
		return w.reader.err
	}
	if w.transport.IsClosing() {
		// ConnectionLost comes in a later pass. A task that writes and drains in
		// a loop would never let it come.
		if err := Sleep(ctx, 0); err != nil {
			return err
		}
	}
	return w.gate.drain(e, call)
}

// WaitClosed suspends the calling task until the connection is gone, which Close does not
// wait for. The error is the one by which it was lost, each time; a *CancelledError,
// after which the connection closes all the same; or one of those of Future.Await.
// (asyncio: StreamWriter.wait_closed)
func (w *StreamWriter) WaitClosed(ctx context.Context) error {
	const call = "StreamWriter.WaitClosed"
	e, err := w.gate.enter(ctx, call)
	if err != nil {
		return err
	}
	return w.gate.waitLost(e, call)
}

// StartTLS encrypts the connection from now on. A writer that a server has made is the
// server's end of TLS, any other one the client's unless opts say otherwise; nil opts are
// the defaults. It drains first. What the reader has got and nobody has read is taken for
// the beginning of the peer's TLS: both ends must agree on when to start, and nothing
// that came in clear is read as if it were safe.
//
// It awaits as the function StartTLS does, and has its errors and those of Drain. If it
// fails otherwise than with ErrUsage, also by a cancellation, the connection is closed.
// (asyncio: StreamWriter.start_tls, where a client keeps what it has got in clear)
func (w *StreamWriter) StartTLS(ctx context.Context, config *tls.Config, opts *TLSOptions) error {
	t, ok := w.transport.(Transport)
	if !ok || w.protocol == nil {
		return usagef("StreamWriter.StartTLS", "a %T is no connection", w.transport)
	}
	if err := w.Drain(ctx); err != nil {
		return err
	}
	var o TLSOptions
	if opts != nil {
		o = *opts
	}
	o.ServerSide = o.ServerSide || w.protocol.connected != nil
	w.reader.reclaim()
	ahead := w.reader.take(w.reader.size())
	secure, err := startTLS(ctx, t, w.protocol, config, &o, ahead)
	if errors.Is(err, ErrUsage) && len(ahead) > 0 {
		w.reader.unread(ahead)
	}
	if err != nil {
		return err
	}
	w.transport = secure
	w.protocol.overTLS = true
	w.reader.replaceTransport(secure)
	return nil
}
