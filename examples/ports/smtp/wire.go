package smtp

// A wire is the client's protocol: it makes replies of the bytes that arrive, and
// counts how many replies are expected. It is a protocol and not a stream, because a
// stream cannot detect unsolicited data: an extra answer would be taken for the answer
// to the next command.
//
// The loop owns the state. Only one task at a time waits, the holder of the client's
// lock.

import (
	"context"
	"fmt"
	"io"

	"github.com/goaio/aio"
)

type wire struct {
	t        aio.Transport
	parser   replyParser
	expected int     // replies that have not arrived
	replies  []Reply // replies that have arrived and were not read
	paused   bool    // the write buffer is full
	waiter   *aio.Future[struct{}]
	err      error // why the connection can no longer be used
	gone     aio.Event
}

// ConnectionMade implements aio.Protocol. A server speaks first, so a reply is expected.
func (w *wire) ConnectionMade(t aio.Transport) { w.t, w.expected = t, 1 }

// DataReceived implements aio.Protocol.
func (w *wire) DataReceived(p []byte) {
	for len(p) > 0 && w.err == nil {
		r, rest, err := w.parser.next(p)
		switch {
		case err != nil:
			w.fail(err)
		case r.Code == 0: // incomplete
		case w.expected > 0:
			w.expected--
			w.replies = append(w.replies, r)
		case r.Positive():
			w.fail(fmt.Errorf("%w: unexpected reply %q", ErrProtocol, r))
		default: // such as 421, when the server shuts down
			w.fail(&Error{Reply: r})
		}
		p = rest
	}
	w.wake()
}

// PauseWriting implements aio.Protocol.
func (w *wire) PauseWriting() { w.paused = true }

// ResumeWriting implements aio.Protocol.
func (w *wire) ResumeWriting() {
	w.paused = false
	w.wake()
}

// ConnectionLost implements aio.Protocol.
func (w *wire) ConnectionLost(err error) {
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	w.fail(fmt.Errorf("smtp: the connection is lost: %w", err))
	w.gone.Set()
}

// fail closes the connection. Later reasons are ignored.
func (w *wire) fail(err error) {
	if w.err == nil {
		w.err = err
	}
	w.t.Abort()
	w.wake()
}

// wake makes the waiting task check its condition again.
func (w *wire) wake() {
	if w.waiter != nil && !w.waiter.Done() {
		_ = w.waiter.SetResult(struct{}{}) // cannot fail: the waiter is not done
	}
}

// wait suspends the task until wake.
func (w *wire) wait(ctx context.Context) error {
	w.waiter = aio.CreateFuture[struct{}](ctx)
	defer func() { w.waiter = nil }()
	_, err := w.waiter.Await(ctx)
	return err
}

// write sends p, which ends with the given number of commands that have replies.
func (w *wire) write(ctx context.Context, p []byte, commands int) error {
	if w.err != nil {
		return w.err
	}
	w.expected += commands
	_, _ = w.t.Write(p) // if Write fails, ConnectionLost is called
	for w.paused && w.err == nil {
		if err := w.wait(ctx); err != nil {
			return err
		}
	}
	return w.err
}

// read returns the next reply.
func (w *wire) read(ctx context.Context) (Reply, error) {
	for len(w.replies) == 0 {
		if w.err != nil {
			return Reply{}, w.err
		}
		if err := w.wait(ctx); err != nil {
			return Reply{}, err
		}
	}
	r := w.replies[0]
	w.replies = w.replies[1:]
	return r, nil
}

// quiet reports whether no byte is left of what the server has sent.
func (w *wire) quiet() bool { return w.parser.empty() && len(w.replies) == 0 }
