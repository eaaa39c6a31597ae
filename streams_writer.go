package aio

// StreamWriter: a transport for tasks that write.

import (
	"context"
	"crypto/tls"
	"errors"
)

// StreamWriter is the writing side of a connection. Write adds bytes to the write
// buffer of the transport and never awaits. A task that writes more than a little must
// call Drain after each Write, or use Writer; otherwise the buffer grows without a
// limit if the peer reads slowly.
//
// The methods that do not take a ctx never await. If the caller does not hold the token
// of the loop, those with an error result return [ErrWrongGoroutine], and the others
// panic with it. Unlike asyncio's, a writer that is
// garbage-collected does not close its connection.
//
// (asyncio: StreamWriter)
type StreamWriter struct {
	transport WriteTransport
	gate      *writeGate
	// the reader whose error Drain returns too; nil if there is none
	reader   *StreamReader
	protocol *StreamReaderProtocol // nil for another type of protocol
}

// NewStreamWriter returns a writer to t, whose protocol is p. It never awaits.
func NewStreamWriter(t WriteTransport, p *StreamReaderProtocol) *StreamWriter {
	if t == nil || p == nil || p.reader == nil {
		misuse("NewStreamWriter", "the transport or the protocol is nil")
	}
	return &StreamWriter{transport: t, gate: &p.gate, reader: p.reader, protocol: p}
}

// Transport returns the transport; that of a connection is a Transport. After
// [StartTLS] it is another one. It panics with [ErrWrongGoroutine] if the caller does
// not hold the token. (asyncio: StreamWriter.transport)
func (w *StreamWriter) Transport() WriteTransport {
	w.mustBeMade("StreamWriter.Transport")
	w.gate.check("StreamWriter.Transport")
	return w.transport
}

// made returns an error for a zero StreamWriter.
func (w *StreamWriter) made(call string) error {
	if w.transport == nil {
		return usagef(call, "a zero StreamWriter: use NewStreamWriter")
	}
	return nil
}

// mustBeMade panics for a zero StreamWriter.
func (w *StreamWriter) mustBeMade(call string) {
	if err := w.made(call); err != nil {
		panic(err)
	}
}

// Write writes p; it keeps a copy of the part that cannot be written at once. The error
// is nil, except [net.ErrClosed] if the connection is gone, which drops p, and
// [ErrUsage] after WriteEOF. (asyncio: StreamWriter.write)
func (w *StreamWriter) Write(p []byte) (int, error) {
	if err := w.made("StreamWriter.Write"); err != nil {
		return 0, err
	}
	return w.transport.Write(p)
}

// Writelines writes all of bufs, as one Write would. (asyncio: StreamWriter.writelines)
func (w *StreamWriter) Writelines(bufs [][]byte) error {
	if err := w.made("StreamWriter.Writelines"); err != nil {
		return err
	}
	return w.transport.Writelines(bufs)
}

// WriteEOF closes the connection for writing once everything is written; reading is
// still possible. A Write after it is misuse; calling it again does nothing. It panics
// with [ErrUsage] if CanWriteEOF is false. (asyncio: StreamWriter.write_eof)
func (w *StreamWriter) WriteEOF() {
	w.mustBeMade("StreamWriter.WriteEOF")
	w.transport.WriteEOF()
}

// CanWriteEOF reports whether the transport supports WriteEOF. TLS does not. (asyncio:
// StreamWriter.can_write_eof)
func (w *StreamWriter) CanWriteEOF() bool {
	w.mustBeMade("StreamWriter.CanWriteEOF")
	return w.transport.CanWriteEOF()
}

// Close closes the connection, for reading too, once everything is written. Calling it
// again does nothing. The error is nil. (asyncio: StreamWriter.close)
func (w *StreamWriter) Close() error {
	if err := w.made("StreamWriter.Close"); err != nil {
		return err
	}
	return w.transport.Close()
}

// IsClosing reports whether the connection is closing or closed. (asyncio:
// StreamWriter.is_closing)
func (w *StreamWriter) IsClosing() bool {
	w.mustBeMade("StreamWriter.IsClosing")
	return w.transport.IsClosing()
}

// GetExtraInfo returns a property of the transport by name, nil if there is none;
// [BaseTransport] lists the names. (asyncio: StreamWriter.get_extra_info)
func (w *StreamWriter) GetExtraInfo(name string) any {
	w.mustBeMade("StreamWriter.GetExtraInfo")
	return w.transport.GetExtraInfo(name)
}

// Drain suspends the calling task while the write buffer is above its high mark, until
// it is at or below the low mark. If the connection is closing it suspends for one
// pass, so that the loss of the connection is noticed. If it is cancelled, the data in
// the buffer is still sent.
//
// The error is that of the reader, if it has one; [ErrConnectionLost] if the connection
// is gone; the error with which it was lost while the task waited; a [*CancelledError],
// or one of those of [Future.Await].
//
// (asyncio: StreamWriter.drain)
func (w *StreamWriter) Drain(ctx context.Context) error {
	const call = "StreamWriter.Drain"
	if err := w.made(call); err != nil {
		return err
	}
	e, err := w.gate.enter(ctx, call)
	if err != nil {
		return err
	}
	if w.reader != nil && w.reader.err != nil {
		return w.reader.err
	}
	if w.transport.IsClosing() {
		// ConnectionLost is called in a later pass. A task that writes and
		// drains in a loop would never let that pass run.
		if err := Sleep(ctx, 0); err != nil {
			return err
		}
	}
	return w.gate.drain(e, call)
}

// WaitClosed suspends the calling task until the connection is gone, for which Close
// does not wait. The error is the one with which the connection was lost, in every
// call; a [*CancelledError], after which the connection still closes; or one of those
// of [Future.Await].
//
// (asyncio: StreamWriter.wait_closed)
func (w *StreamWriter) WaitClosed(ctx context.Context) error {
	const call = "StreamWriter.WaitClosed"
	if err := w.made(call); err != nil {
		return err
	}
	e, err := w.gate.enter(ctx, call)
	if err != nil {
		return err
	}
	return w.gate.waitLost(e, call)
}

// StartTLS upgrades the connection to TLS. A writer that a server has made is the server
// side of TLS, any other one the client side unless opts say otherwise; nil opts are the
// defaults. It drains first. Bytes that the reader has received and no task has read are
// the beginning of the peer's TLS: both sides must agree on when to start, and no
// plaintext is read as if it were protected.
//
// It awaits as the function [StartTLS] does, and has its errors and those of
// [StreamWriter.Drain]. If it fails otherwise than with [ErrUsage], also by a
// cancellation, the connection is closed.
//
// (asyncio: StreamWriter.start_tls, where a client keeps the bytes that it has received
// in clear)
func (w *StreamWriter) StartTLS(ctx context.Context, config *tls.Config, opts *TLSOptions) error {
	t, ok := w.transport.(Transport)
	if !ok || w.protocol == nil {
		return usagef("StreamWriter.StartTLS", "transport %T is not bidirectional", w.transport)
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
