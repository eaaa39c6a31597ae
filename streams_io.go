package aio

// A StreamReader as an io.Reader and a StreamWriter as an io.Writer, for code of other
// packages. Such code may drop an error and try again, as bufio and net/textproto do,
// while a cancellation is delivered once. So an error that asks the caller to stop is
// sticky here, like that of a deadline in package net: every further call fails with it
// at once.

import (
	"context"
	"io"
)

// keptError is the error that an adapter keeps: the error of a call that was ended by a
// request to stop. The zero value keeps none.
type keptError struct {
	err  error
	task uint64 // the id of the task
}

// keep stores err, the error of a call of t, if it asks t to stop.
func (k *keptError) keep(t *task, err error) error {
	if interrupted(err) {
		*k = keptError{err, t.id}
	}
	return err
}

// again returns the error of a further call, nil if none is kept. The caller holds the
// token of l.
//
// The cancellation may be over: a Timeout has withdrawn its request, or another task
// makes the call. If the error were still a CancelledError then, a task that returned it
// would end as cancelled, although it was not cancelled, and its failure would be
// lost.
func (k *keptError) again(l *Loop, remedy string) error {
	if _, ok := asCancelled(k.err); !ok {
		return k.err
	}
	if t := l.current; t != nil && t.id == k.task && t.requests() > 0 {
		return k.err
	}
	return &lateError{remedy}
}

// lateError is the error of a call of an adapter after a cancellation that was handled.
// It matches ErrCancelled, but is not a CancelledError: a task that returns it has
// failed.
type lateError struct{ remedy string }

func (e *lateError) Error() string        { return "aio: an earlier call was cancelled: " + e.remedy }
func (e *lateError) Is(target error) bool { return target == ErrCancelled }

// Reader returns the stream as an [io.Reader] for the task of ctx. It is also an
// [io.ByteReader] and an [io.WriterTo]. Its methods suspend, and fail, as
// [StreamReader.Read] does, and return [io.EOF] at the end. Read returns the bytes that
// have arrived; if it has to wait, the transport reads directly into p, unless p is
// small. WriteTo passes bytes on as they arrive until the end, without a buffer of its
// own; bytes that the writer does not accept stay in the stream.
//
// Once a call has failed because the task was cancelled, or because ctx has ended, every
// further one fails with the same error. After the cancellation was handled, for example
// by a [Timeout] that has returned, the error still matches [ErrCancelled], but it is a
// failure of the task that returns it. To continue reading, call Reader again.
func (r *StreamReader) Reader(ctx context.Context) io.Reader { return &taskReader{ctx: ctx, r: r} }

// taskReader is a StreamReader with a context.
type taskReader struct {
	ctx  context.Context
	r    *StreamReader
	kept keptError
}

// begin begins each call.
func (t *taskReader) begin(call string) (caller, error) {
	c, err := t.r.begin(t.ctx, call)
	if err == nil {
		err = t.kept.again(c.loop(), "call Reader again")
	}
	return c, err
}

func (t *taskReader) Read(p []byte) (int, error) {
	const call = "StreamReader.Reader.Read"
	r := t.r
	e, err := t.begin(call)
	if err != nil || len(p) == 0 {
		return 0, err
	}
	for r.size() == 0 {
		if r.eof {
			return 0, io.EOF
		}
		directBuf := p
		if !r.preferDirect(p) {
			directBuf = nil
		}
		if err := r.wait(e, call, directBuf); err != nil {
			return 0, t.kept.keep(e.task, err)
		}
		if n := len(r.direct); n > 0 {
			r.direct = nil
			if r.size() > 0 { // more data has arrived before the task ran
				m := copy(p[n:], r.buffered())
				r.drop(m)
				n += m
			}
			return n, nil
		}
	}
	n := copy(p, r.buffered())
	r.drop(n)
	return n, nil
}

// preferDirect reports whether the transport should read directly into p rather than
// into the scratch buffer. A system call costs much more than a copy of a small p:
// there one larger read, if there is more to read, is cheaper.
func (r *StreamReader) preferDirect(p []byte) bool {
	return len(p) >= maxCopy || len(p) >= 512 && !r.full
}

func (t *taskReader) ReadByte() (byte, error) {
	const call = "StreamReader.Reader.ReadByte"
	r := t.r
	e, err := t.begin(call)
	if err != nil {
		return 0, err
	}
	p, err := r.waitBuffered(e, call)
	switch {
	case err != nil:
		return 0, t.kept.keep(e.task, err)
	case len(p) == 0:
		return 0, io.EOF
	}
	b := p[0]
	r.drop(1)
	return b, nil
}

func (t *taskReader) WriteTo(w io.Writer) (written int64, err error) {
	const call = "StreamReader.Reader.WriteTo"
	r := t.r
	for {
		e, err := t.begin(call)
		if err != nil {
			return written, err
		}
		p, err := r.waitBuffered(e, call)
		if err != nil || len(p) == 0 {
			return written, t.kept.keep(e.task, err)
		}
		buf := r.detach() // because w may await, during which more may arrive
		r.maybeResume()
		n, err := w.Write(p)
		written += int64(n)
		if n < len(p) {
			r.unread(p[n:])
			if err == nil {
				err = io.ErrShortWrite
			}
		}
		r.loop.streams.put(buf)
		if err != nil {
			return written, err
		}
	}
}

// Writer returns the stream as an [io.Writer] for the task of ctx. Its Write is a
// [StreamWriter.Write] followed by a [StreamWriter.Drain], so it waits for a slow peer.
// If it fails because of a cancellation, all was written; every further Write then
// fails as a further Read of [StreamReader.Reader] does and writes nothing, until Writer
// is called again.
func (w *StreamWriter) Writer(ctx context.Context) io.Writer { return &taskWriter{ctx: ctx, w: w} }

// taskWriter is a StreamWriter with a context.
type taskWriter struct {
	ctx  context.Context
	w    *StreamWriter
	kept keptError
}

func (t *taskWriter) Write(p []byte) (int, error) {
	if t.kept.err != nil {
		c, err := enter(t.ctx, "StreamWriter.Writer.Write")
		if err == nil {
			err = t.kept.again(c.loop(), "call Writer again")
		}
		return 0, err
	}
	n, err := t.w.Write(p)
	if err == nil {
		if err = t.w.Drain(t.ctx); interrupted(err) {
			s, _ := scopeOf(t.ctx)
			_ = t.kept.keep(s.loop.current, err)
		}
	}
	return n, err
}
