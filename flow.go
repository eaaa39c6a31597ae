package aio

// Flow control of writing: the marks of a transport's buffer, at which it pauses and
// resumes its protocol, and the gate at which tasks wait that write to a stream.

import (
	"net"
	"syscall"
)

// writingPaused reports whether the protocol of t was told to pause. For a transport of
// another package this is inferred: it counts as paused if its buffer is above the high
// mark.
func writingPaused(t Transport) bool {
	if e, ok := t.(interface{ writingPaused() bool }); ok {
		return e.writingPaused()
	}
	_, high := t.GetWriteBufferLimits()
	return t.GetWriteBufferSize() > high
}

// ErrConnectionLost is the error of Drain once the connection is gone, for any reason.
// It matches [net.ErrClosed] and [syscall.ECONNRESET]. (Python: ConnectionResetError)
var ErrConnectionLost error = connectionLostError{}

type connectionLostError struct{}

func (connectionLostError) Error() string { return "aio: connection lost" }

func (connectionLostError) Is(target error) bool {
	return target == net.ErrClosed || target == syscall.ECONNRESET
}

// writeGate is where the writers of a connection wait until they may continue to write,
// and until the connection is gone. Each stream protocol has one. (asyncio:
// FlowControlMixin)
type writeGate struct {
	bound
	paused  bool // PauseWriting was called
	lost    bool // ConnectionLost was called, with err
	err     error
	drains  waitList // of PauseWriting
	closers waitList // of ConnectionLost
}

func (g *writeGate) resume() {
	g.paused = false
	g.drains.wakeAll()
}

func (g *writeGate) lose(err error) {
	g.lost, g.err = true, err
	g.closers.failAll(err)
	g.drains.failAll(err)
}

func (g *writeGate) drain(c caller, call string) error {
	switch {
	case g.lost:
		return ErrConnectionLost
	case !g.paused:
		return nil
	}
	_, err := c.waitIn(&g.drains, call)
	return err
}

// waitLost waits until the connection is gone, and returns its error.
func (g *writeGate) waitLost(c caller, call string) error {
	if g.lost {
		return g.err
	}
	_, err := c.waitIn(&g.closers, call)
	return err
}

// flow is the flow control of a transport that writes: the high and low marks of its
// write buffer.
type flow struct {
	of        *endpoint
	high, low int
	pauseSent bool // the protocol was told to pause
}

// defaultHigh is the default of high; the default of low is a quarter of high.
const defaultHigh = 64 << 10

func newFlow(of *endpoint, high int) flow { return flow{of: of, high: high, low: high / 4} }

// GetWriteBufferLimits implements WriteTransport.
func (f *flow) GetWriteBufferLimits() (low, high int) {
	f.of.loop.check("Transport.GetWriteBufferLimits")
	return f.low, f.high
}

// writingPaused reports whether the protocol was told to PauseWriting.
func (f *flow) writingPaused() bool { return f.pauseSent }

// setLimits is SetWriteBufferLimits. base is the default for high.
func (f *flow) setLimits(high, low, base int) {
	if high == DefaultLimit {
		if high = base; low != DefaultLimit {
			high = 4 * low
		}
	}
	if low == DefaultLimit {
		low = high / 4
	}
	if high < low || low < 0 {
		misuse("", "the write buffer's limits must be high >= low >= 0")
	}
	f.high, f.low = high, low
}

// maybePause tells the protocol to pause if size is above the high mark.
func (f *flow) maybePause(size int) {
	if size <= f.high || f.pauseSent {
		return
	}
	f.pauseSent = true
	if p, ok := f.of.protocol.(WritingPauser); ok {
		f.of.guard("protocol.PauseWriting() failed", p.PauseWriting)
	}
}

// maybeResume tells the protocol to resume if size is at or below the low mark.
func (f *flow) maybeResume(size int) {
	if size > f.low || !f.pauseSent {
		return
	}
	f.pauseSent = false
	if p, ok := f.of.protocol.(WritingResumer); ok {
		f.of.guard("protocol.ResumeWriting() failed", p.ResumeWriting)
	}
}
