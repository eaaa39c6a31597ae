package aio

// A transport that sends a part of a file instead of written data.

import (
	"context"
	"net"

	"github.com/goaio/aio/internal/netio"
)

// errSendfileTwice is the error of a Sendfile during another one.
func errSendfileTwice(call string) error {
	return usagef(call, "another Sendfile is in progress on the transport")
}

// transfer is a Sendfile that bypasses the write buffer of a transport. The transport
// has it from before the buffer is written until the call returns.
type transfer struct {
	file    *fileSend
	started bool // the write buffer is written, and file comes next
	err     error
	wait    *waiter // the waiter of the call, nil while it does not wait
}

// maySendfile reports whether there is a file to send as soon as there is room.
func (t *streamTransport) maySendfile() bool {
	s := t.sending
	return s != nil && s.started && s.wait != nil && s.wait.state == pending
}

// wakeSendfile ends the wait of a Sendfile, if there is one: the write buffer is
// written, the file is sent, or the connection is lost.
func (t *streamTransport) wakeSendfile() {
	if s := t.sending; s != nil && s.wait != nil {
		s.wait.wake()
	}
}

// await suspends the calling task until wakeSendfile.
func (s *transfer) await(c caller, call string) error {
	return c.waitOnce(call, &s.wait)
}

// sendfile sends f with the system call.
func (t *streamTransport) sendfile(ctx context.Context, call string, f *fileSend) error {
	_, ok := t.stream.(fileSender)
	switch {
	case t.sending != nil:
		return errSendfileTwice(call)
	case !ok || f.systemFile() == nil:
		return ErrSendfileNotAvailable
	}
	c, err := enter(ctx, call)
	if err != nil {
		return err
	}
	if t.IsReading() {
		t.PauseReading()
		defer t.ResumeReading()
	}
	s := &transfer{file: f}
	t.sending = s
	defer t.endTransfer()
	if t.out.len() > 0 {
		if err := s.await(c, call); err != nil {
			return err
		}
	}
	if !t.lost {
		s.started = true
		if !t.advance() {
			if err := s.await(c, call); err != nil {
				return err
			}
		}
	}
	return t.outcome(s)
}

// advance sends some of the file, and reports whether the transfer is done: not
// directly after the last part, but once there is room again, as in asyncio. So a peer
// that keeps up does not keep the other tasks from running.
func (t *streamTransport) advance() bool {
	s := t.sending
	done, err := t.stream.(fileSender).sendFile(s.file)
	switch {
	case err == netio.ErrWouldBlock:
		t.can &^= netio.Writable
		t.watchWrite(true)
	case err != nil:
		s.err = err
		return true
	case !done:
		t.can &^= netio.Writable
		t.watchWrite(true)
		if err := t.repeat((*streamOwner)(t), false); err != nil {
			s.err = err
			return true
		}
	}
	return done
}

// outcome returns the error of a transfer that is done.
func (t *streamTransport) outcome(s *transfer) error {
	err := s.file.asNotAvailable(s.err)
	if err != nil || s.file.remaining == 0 {
		return err
	}
	if t.cause != nil { // the connection was lost
		return t.cause
	}
	return net.ErrClosed
}

// endTransfer removes the transfer, and does what had to wait for it, such as a
// WriteEOF.
func (t *streamTransport) endTransfer() {
	t.sending = nil
	t.watchWrite(t.out.len() > 0)
	if t.eof && !t.lost && t.out.len() == 0 {
		t.shutdown()
	}
}
