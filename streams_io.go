package aio

// A StreamReader as an io.Reader and a StreamWriter as an io.Writer, for code that is not
// of this package. Such code may drop an error and ask again, as bufio and net/textproto
// do, while a cancellation is delivered once. So an error by which the caller has to stop
// is sticky here, as that of a deadline is in package net: each further call fails with
// it at once.

import (
	"context"
	"io"
)

// Reader returns the stream as an io.Reader for the task of ctx. It is an io.ByteReader
// and an io.WriterTo, too. Its methods suspend, and fail, as Read does, and return io.EOF
// at the end. Read returns what has arrived; if it has to wait, the transport reads right
// into p, unless p is small. WriteTo passes on what arrives until the end, without a
// buffer of its own; what the writer does not take stays in the stream.
//
// Once a call has failed because the task was cancelled, or because ctx has ended, each
// further one fails with the same error. To read on after a cancellation, call Reader
// again.
func (r *StreamReader) Reader(ctx context.Context) io.Reader { return &taskReader{ctx: ctx, r: r} }

// taskReader is a StreamReader with a context.
type taskReader struct {
	ctx     context.Context
	r       *StreamReader
	stopped error // by which the caller has to stop, nil before
}

// begin is how each call begins.
func (t *taskReader) begin(call string) (caller, error) {
	c, err := t.r.begin(t.ctx, call)
	if err == nil {
		err = t.stopped
	}
	return c, err
}

// keep remembers err if it says that the caller has to stop.
func (t *taskReader) keep(err error) error {
	if interrupted(err) {
		t.stopped = err
	}
	return err
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
			return 0, t.keep(err)
		}
		if n := len(r.direct); n > 0 {
			r.direct = nil
			return n, nil
		}
	}
	n := copy(p, r.buffered())
	r.drop(n)
	return n, nil
}

// preferDirect reports whether the transport is to read directly into p rather than into
// the scratch buffer. A system call costs much more than a copy of a small p: there one
// larger read, if there is more to read, is cheaper.
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
		return 0, t.keep(err)
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
			return written, t.keep(err)
		}
		buf := r.detach() // as w may await, and more arrive meanwhile
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

// Writer returns the stream as an io.Writer for the task of ctx: its Write is a Write and
// a Drain, so that a slow peer holds the task back. If it fails because it is cancelled,
// all was written; each further Write then fails with the same error and writes nothing,
// until Writer is called again.
func (w *StreamWriter) Writer(ctx context.Context) io.Writer { return &taskWriter{ctx: ctx, w: w} }

// taskWriter is a StreamWriter with a context.
type taskWriter struct {
	ctx     context.Context
	w       *StreamWriter
	stopped error // by which the caller has to stop, nil before
}

func (t *taskWriter) Write(p []byte) (int, error) {
	if t.stopped != nil {
		return 0, t.stopped
	}
	n, err := t.w.Write(p)
	if err == nil {
		if err = t.w.Drain(t.ctx); interrupted(err) {
			t.stopped = err
		}
	}
	return n, err
}
