package aio

// Flow control of what is written: the marks of a transport's buffer, at which it pauses and
// resumes its protocol, and the gate at which the tasks wait that write to a stream.

import (
	"net"
	"syscall"
)

// writingPaused reports whether the protocol of t was told to pause. That of a transport of another
// package has been, as far as one can tell, if there is more in the buffer than there should be.
func writingPaused(t Transport) bool {
	if e, ok := t.(interface{ writingPaused() bool }); ok {
		return e.writingPaused()
	}
	_, high := t.GetWriteBufferLimits()
	return t.GetWriteBufferSize() > high
}

// ErrConnectionLost is what Drain returns once the connection is gone, for whatever reason. It
// matches net.ErrClosed and syscall.ECONNRESET. (Python: ConnectionResetError)
var ErrConnectionLost error = connectionLostError{}

type connectionLostError struct{}

func (connectionLostError) Error() string { return "aio: connection lost" }

func (connectionLostError) Is(target error) bool {
	return target == net.ErrClosed || target == syscall.ECONNRESET
}

// writeGate is where the writers of a connection wait: until they may go on writing, and until the
// connection is gone. A protocol has one. (asyncio: FlowControlMixin)
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
	g.closers.endAll(err)
	g.drains.endAll(err)
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

// waitLost waits for the end of the connection, and returns its error.
func (g *writeGate) waitLost(c caller, call string) error {
	if g.lost {
		return g.err
	}
	_, err := c.waitIn(&g.closers, call)
	return err
}

// flow are the marks between which the write buffer is kept.
type flow struct {
	high, low int
	paused    bool // the protocol was told to pause
}

var defaultFlow = flow{high: 64 << 10, low: 16 << 10}

// limits computes both marks from what the user gave, nil error if they are possible. base is the
// default for high.
func limits(high, low, base int) (h, l int, err error) {
	if high == DefaultLimit {
		if high = base; low != DefaultLimit {
			high = 4 * low
		}
	}
	if low == DefaultLimit {
		low = high / 4
	}
	if high < low || low < 0 {
		return 0, 0, usagef("", "the write buffer's limits must be high >= low >= 0")
	}
	return high, low, nil
}

// setLimits is SetWriteBufferLimits.
func (e *endpoint) setLimits(high, low, base int) {
	h, l, err := limits(high, low, base)
	if err != nil {
		panic(err)
	}
	e.flow.high, e.flow.low = h, l
}

// maybePause tells the protocol to pause if size is too much.
func (e *endpoint) maybePause(size int) {
	if size <= e.flow.high || e.flow.paused {
		return
	}
	e.flow.paused = true
	if p, ok := e.protocol.(writingPauser); ok {
		e.guard("protocol.PauseWriting() failed", p.PauseWriting)
	}
}

// maybeResume tells the protocol to go on if size is little enough.
func (e *endpoint) maybeResume(size int) {
	if size > e.flow.low || !e.flow.paused {
		return
	}
	e.flow.paused = false
	if p, ok := e.protocol.(writingResumer); ok {
		e.guard("protocol.ResumeWriting() failed", p.ResumeWriting)
	}
}
