package aio

// The handshake, the shutdown with its alerts, and the end of a TLS connection.

import (
	"errors"
	"io"
	"time"
)

// tlsHandshakeStep is a layer as the done callback of its handshake task.
type tlsHandshakeStep tlsTransport

func (d *tlsHandshakeStep) run(f *future) {
	t := (*tlsTransport)(d)
	err := f.thrown()
	t.handshake, t.ctx = nil, nil
	if t.state != tlsHandshaking {
		return // the handshake was abandoned
	}
	if err != nil {
		_, isCancelled := asCancelled(err)
		switch {
		case isCancelled:
			err = errTLSAborted
		case t.truncated && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
			err = errTLSReset
		}
		t.fatal("TLS handshake failed", err)
		return
	}
	t.stopTimer()
	t.state = tlsWrapped
	t.secured = true
	t.decided = true // set before ConnectionMade, which may close the transport
	if !t.opened {
		t.opened = true
		t.guard("protocol.ConnectionMade() failed", func() { connectionMade(t.protocol, t) })
	}
	t.outcome(nil)
	if t.state == tlsWrapped {
		t.drain()
		t.maybeResume(t.queue.len())
	}
	t.receive()
	t.controlReading()
}

// limit sets a timeout for the handshake or the shutdown.
func (t *tlsTransport) limit(d time.Duration) {
	t.timer = t.loop.wakeAt(t.loop.after(d), (*tlsTimerStep)(t))
}

func (t *tlsTransport) stopTimer() { stopTimer(&t.timer) }

// tlsTimerStep is a layer as the target of its timer.
type tlsTimerStep tlsTransport

func (d *tlsTimerStep) due() {
	t := (*tlsTransport)(d)
	t.timer = nil
	if t.state == tlsHandshaking {
		t.fatal("", &tlsTimeoutError{"handshake", t.settings.handshake})
	} else {
		t.fatal("", &tlsTimeoutError{"shutdown", t.settings.shutdown})
	}
}

// startShutdown begins to close a connection in state wrapped.
func (t *tlsTransport) startShutdown() {
	t.closing = true
	t.state = tlsFlushing
	t.limit(t.settings.shutdown)
	t.flush()
}

// flush writes the rest, and then our close_notify.
func (t *tlsTransport) flush() {
	t.drain()
	if t.state != tlsFlushing || t.queue.len() > 0 {
		return
	}
	t.state = tlsShutdown
	if !t.truncated {
		// otherwise the peer may have closed its socket, and would answer with
		// a reset
		_ = t.conn.CloseWrite() // ConnectionLost will get the error
	}
	if t.ended {
		t.complete()
	}
}

// complete closes the transport below in the next pass. The transport below may still
// have data to write, so the timer keeps running.
func (t *tlsTransport) complete() { t.loop.schedule((*tlsCloseStep)(t), nil) }

// tlsCloseStep is an entry of the ready queue that closes the transport below.
type tlsCloseStep tlsTransport

func (s *tlsCloseStep) run(*future) {
	if s.lower != nil {
		s.lower.Close()
	}
}

// source implements sourced.
func (s *tlsCloseStep) source() any { return (*tlsTransport)(s).source() }

// fatal closes the connection because of err, and reports err if it is the fault of a
// program.
func (t *tlsTransport) fatal(what string, err error) {
	if !isIOError(err) {
		t.report(what, err)
	}
	t.abort(err)
}

// abort closes the connection at once. ConnectionLost will get err.
func (t *tlsTransport) abort(err error) {
	if t.cause == nil {
		t.cause = err
	}
	if err == nil {
		err = errTLSAborted
	}
	t.end(err)
	if t.lower != nil {
		t.lower.Abort()
	}
}

// end ends TLS, before or after the transport below is closed. err is for a handshake
// in progress.
func (t *tlsTransport) end(err error) {
	t.closing = true
	t.state = tlsUnwrapped
	t.stopTimer()
	if t.handshake != nil {
		t.handshake.fut.cancel(errCancelled)
	}
	t.decide(err)
}

// decide passes the outcome of the handshake on, unless that was done.
func (t *tlsTransport) decide(err error) {
	if t.decided {
		return
	}
	t.decided = true
	t.outcome(err)
}

func (t *tlsTransport) outcome(err error) {
	t.made(err)
	if t.done != nil {
		t.done(err)
	}
}
