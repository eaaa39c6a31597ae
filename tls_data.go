package aio

// Decryption for the application, and encryption for the peer.

import (
	"fmt"
	"io"
	"log/slog"
)

// tlsStep is an entry of the ready queue in which a layer continues with buffered
// input.
type tlsStep tlsTransport

func (s *tlsStep) run(*future) {
	t := (*tlsTransport)(s)
	t.receive()
	t.controlReading()
}

// source implements sourced.
func (s *tlsStep) source() any { return (*tlsTransport)(s).source() }

// source is the source of the transport below, which calls this one: all data of a
// connection is read before the connection is lost.
func (t *tlsTransport) source() any {
	if below, ok := t.lower.(sourced); ok {
		return below.source()
	}
	return t
}

// unread returns the amount of unread ciphertext.
func (t *tlsTransport) unread() int { return t.in.len() + len(t.borrowed) }

// controlReading keeps the buffered ciphertext within bounds.
func (t *tlsTransport) controlReading() {
	switch n := t.unread(); {
	case t.lower == nil:
	case n >= tlsReadHigh && !t.readPaused:
		t.readPaused = true
		t.lower.PauseReading()
	case n <= tlsReadLow && t.readPaused:
		t.readPaused = false
		t.lower.ResumeReading()
	}
}

// receive handles the input according to the state.
func (t *tlsTransport) receive() {
	switch t.state {
	case tlsHandshaking:
		t.inputWaiters.wakeNext()
	case tlsWrapped:
		t.read()
	case tlsFlushing, tlsShutdown:
		t.discard()
	}
}

// read delivers the available data to the application.
func (t *tlsTransport) read() {
	for more := true; more && t.state == tlsWrapped && !t.paused; {
		more = t.readOnce()
	}
}

// readOnce delivers one buffer of data, and reports whether there may be more.
func (t *tlsTransport) readOnce() (more bool) {
	to := t.receiver // the receiver at the time when the read begins
	var buf []byte
	var err error
	if to.buffered == nil {
		b := tlsBuffers.Get().(*tlsBuffer)
		defer tlsBuffers.Put(b)
		buf = b[:]
	} else if buf, err = to.ownMemory(); err != nil {
		t.fatal("protocol.GetBuffer() failed", err)
		return false
	}
	n, err := t.decrypt(buf)
	if n > 0 {
		if err := to.deliver(buf, n); err != nil {
			t.fatal(to.what()+" failed", err)
			return false
		}
	}
	t.checkInput(err)
	return err == nil
}

// decrypt reads until b is full or there is an error; errDry if the input is used up.
func (t *tlsTransport) decrypt(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = t.conn.Read(b[n:])
		n += m
	}
	return n, err
}

// checkInput handles the error of a tls.Conn.Read, if there is one.
func (t *tlsTransport) checkInput(err error) {
	switch {
	case err == nil || err == errDry:
	case t.state == tlsUnwrapped:
	case t.truncated && err == io.ErrUnexpectedEOF && t.state == tlsWrapped:
		t.fatal("TLS error", fmt.Errorf("aio: TLS: the connection ended inside a record: %w", err))
	case err != io.EOF && !(t.truncated && err == io.ErrUnexpectedEOF):
		t.fatal("TLS error", err)
	case !t.ended:
		t.ended, t.notified = true, !t.truncated
		t.endInput()
	}
}

// endInput tells the application of EOF, and closes the connection.
func (t *tlsTransport) endInput() {
	keepOpen, err := t.eofReceived()
	if err != nil {
		t.fatal("protocol.EOFReceived() failed", err)
	}
	_, isLayer := t.protocol.(*tlsProtocol)
	if keepOpen && !isLayer {
		slog.Warn("aio: EOFReceived returned true, which has no effect with TLS")
	}
	switch t.state {
	case tlsWrapped:
		if !isLayer {
			// EOFReceived may deliver and write, and will call Close
			t.startShutdown()
		}
	case tlsShutdown:
		t.complete()
	}
}

// discard drops the input, and looks for EOF.
func (t *tlsTransport) discard() {
	if t.ended {
		return
	}
	buf := tlsBuffers.Get().(*tlsBuffer)
	defer tlsBuffers.Put(buf)
	var err error
	for err == nil {
		_, err = t.decrypt(buf[:])
	}
	t.checkInput(err)
}

// encrypt sends b, or as much as the transport below accepts without pausing.
func (t *tlsTransport) encrypt(b []byte) (n int, err error) {
	buf := tlsBuffers.Get().(*tlsBuffer)
	defer tlsBuffers.Put(buf)
	for n < len(b) && !t.writePaused {
		m := min(len(b)-n, tlsChunk)
		t.records = buf[:0]
		_, err = t.conn.Write(b[n : n+m])
		records := t.records
		t.records = nil
		if err != nil {
			t.fatal("TLS error", err)
			return n, err
		}
		if _, err = t.lower.Write(records); err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// drain sends queued plaintext.
func (t *tlsTransport) drain() {
	if t.queue.len() > 0 {
		n, _ := t.encrypt(t.queue.bytes()) // ConnectionLost will get the error
		t.queue.skip(n)
	}
}

// controlWriting pauses the protocol if too much is queued: at the high mark, unlike
// without TLS, where it must be exceeded.
func (t *tlsTransport) controlWriting() {
	if n := t.queue.len(); n > 0 {
		t.maybePause(n + 1)
	}
}
