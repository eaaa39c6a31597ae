package aio

// The Transport that the application's protocol sees above TLS.

import (
	"crypto/tls"
	"fmt"
)

func (t *tlsTransport) use(p Protocol) error {
	if err := checkProtocol[Transport](p); err != nil {
		return err
	}
	t.protocol, t.receiver = p, newReceiver(p)
	return nil
}

// proceed implements lifeCycle: there may be input that the application wants now.
func (t *tlsTransport) proceed() { t.loop.schedule((*tlsStep)(t), nil) }

func (t *tlsTransport) close() {
	switch t.state {
	case tlsUnwrapped, tlsHandshaking:
		if !t.closing {
			t.abort(nil)
		}
	case tlsWrapped:
		t.startShutdown()
		// Input that the application did not want may end with the peer's
		// close_notify, but callbacks must not be called from here.
		t.proceed()
	}
}

// release implements lifeCycle: the transport below has its own.
func (t *tlsTransport) release() {}

// Abort implements WriteTransport.
func (t *tlsTransport) Abort() {
	t.loop.check("Transport.Abort")
	t.abort(nil)
}

// IsClosing implements BaseTransport.
func (t *tlsTransport) IsClosing() bool {
	t.loop.check("Transport.IsClosing")
	return t.closing || t.lower != nil && t.lower.IsClosing()
}

// Write implements WriteTransport.
func (t *tlsTransport) Write(b []byte) (int, error) {
	if err := t.loop.checked("Transport.Write"); err != nil {
		return 0, err
	}
	if len(b) == 0 {
		return 0, nil
	}
	n := 0
	switch {
	case t.state != tlsHandshaking && t.state != tlsWrapped:
		return 0, t.dropped()
	case t.state == tlsWrapped && !t.writePaused && t.queue.len() == 0:
		var err error
		if n, err = t.encrypt(b); err != nil {
			return n, err
		}
	}
	if n < len(b) {
		t.queue.add(b[n:])
		t.controlWriting()
	}
	return len(b), nil
}

// Writelines implements [WriteTransport]. The pieces are joined, so that small ones
// share a record.
func (t *tlsTransport) Writelines(bufs [][]byte) error {
	if err := t.loop.checked("Transport.Writelines"); err != nil {
		return err
	}
	if t.state != tlsHandshaking && t.state != tlsWrapped {
		return t.dropped()
	}
	for _, b := range bufs {
		t.queue.add(b)
	}
	if t.state == tlsWrapped && !t.writePaused && t.queue.len() > 0 {
		n, err := t.encrypt(t.queue.bytes())
		if err != nil {
			return err
		}
		t.queue.skip(n)
	}
	t.controlWriting()
	return nil
}

// WriteEOF implements [WriteTransport]. With TLS it would have to send a close_notify.
// asyncio does not send one, because many peers treat a close_notify as the end of both
// directions.
func (t *tlsTransport) WriteEOF() {
	t.loop.check("Transport.WriteEOF")
	misuse("Transport.WriteEOF", "TLS has no half-closed connections; check CanWriteEOF first")
}

// CanWriteEOF implements WriteTransport.
func (t *tlsTransport) CanWriteEOF() bool { return false }

// SetWriteBufferLimits implements WriteTransport.
func (t *tlsTransport) SetWriteBufferLimits(high, low int) {
	t.loop.check("Transport.SetWriteBufferLimits")
	t.setLimits(high, low, tlsWriteHigh)
	t.controlWriting()
}

// GetWriteBufferSize implements WriteTransport.
func (t *tlsTransport) GetWriteBufferSize() int {
	t.loop.check("Transport.GetWriteBufferSize")
	return t.queue.len()
}

// GetExtraInfo implements [BaseTransport]. During the handshake the tls.Conn is locked,
// so only the configuration is available.
func (t *tlsTransport) GetExtraInfo(name string) any {
	t.loop.check("Transport.GetExtraInfo")
	switch name {
	case "sslcontext":
		return t.config
	case "close_notify":
		return t.notified
	case "ssl_object", "tls", "peercert", "cipher":
		if t.secured {
			return t.sessionInfo(name)
		}
	default:
		if t.lower != nil {
			return t.lower.GetExtraInfo(name)
		}
	}
	return nil
}

// sessionInfo is like GetExtraInfo, for the results of the handshake.
func (t *tlsTransport) sessionInfo(name string) any {
	if name == "ssl_object" {
		return t.conn
	}
	state := t.conn.ConnectionState()
	switch {
	case name == "tls":
		return state
	case name == "cipher":
		return tls.CipherSuiteName(state.CipherSuite)
	case len(state.VerifiedChains) > 0:
		return state.PeerCertificates[0]
	}
	return nil
}

// String names the transport and its state.
func (t *tlsTransport) String() string {
	return t.text("TLS", func() string { return fmt.Sprintf("%s over %v", t.state, t.lower) })
}
