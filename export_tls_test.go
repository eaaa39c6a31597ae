package aio

import (
	"context"
	"crypto/tls"
	"time"
)

// NewTLS makes a TLS layer whose ConnectionMade is called, and returns it with its protocol for the
// transport below.
func NewTLS(l *Loop, app Protocol, config *tls.Config, server bool, handshake, shutdown time.Duration, done func(error)) (Transport, Protocol) {
	t, err := newTLS(l, app, config, tlsSettings{server: server, handshake: handshake, shutdown: shutdown}, done)
	if err != nil {
		panic(err)
	}
	return t, t.lowerProtocol()
}

// StartTLSAhead is StartTLS for a caller that has read some of the peer's TLS.
func StartTLSAhead(ctx context.Context, t Transport, p Protocol, config *tls.Config, opts *TLSOptions, ahead []byte) (Transport, error) {
	return startTLS(ctx, t, p, config, opts, ahead)
}

// TLSMemory returns how many bytes a TLS transport of its own keeps in buffers.
func TLSMemory(t Transport) int {
	tt := t.(*tlsTransport)
	return cap(tt.in.buf) + cap(tt.queue.buf) + cap(tt.borrowed) + cap(tt.records)
}
