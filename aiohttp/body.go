package aiohttp

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// pageSize is how much of a body is read at a time.
const pageSize = 32 << 10

var pages = sync.Pool{New: func() any { return new([pageSize]byte) }}

// body is the body of a request as its handler sees it. The loop owns it, except for
// the fields that an operation uses until it is done.
type body struct {
	x      *exchange
	inner  io.ReadCloser // the body from net/http
	reads  direction
	page   *[pageSize]byte // nil until something is read
	left   []byte          // the part of page that the handler has not read
	err    error           // the error after left, nil if there was none
	ended  chan struct{}   // closed when the last operation is done
	closed bool            // the handler has closed the body
	// reading reports that a task waits for an operation.
	reading bool
	// deadline reports that the handler has set a read deadline.
	deadline atomic.Bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.x.over || b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.reads.err != nil || len(p) == 0 {
		return 0, b.reads.unusable(b.x.ctx)
	}
	if len(b.left) == 0 && b.err == nil {
		if err := b.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	if len(b.left) == 0 && (n == 0 || b.err == io.EOF) {
		return n, b.err
	}
	return n, nil
}

// fill reads the next page. It returns the error of an await; a read error is stored in
// b.err.
func (b *body) fill() error {
	d := &b.reads
	if err := d.acquire(b.x.ctx); err != nil {
		return err
	}
	defer d.turn.Release()
	switch {
	// the body was closed while this task waited for its turn
	case b.x.over || b.closed:
		return http.ErrBodyReadAfterClose
	// another task has read in the meantime
	case len(b.left) > 0 || b.err != nil || d.err != nil:
		return d.unusable(b.x.ctx)
	}
	if b.page == nil {
		b.page = pages.Get().(*[pageSize]byte)
	}
	page := b.page[:]
	var n int
	var err error
	awaited := b.operate(func() {
		for n == 0 && err == nil {
			n, err = b.inner.Read(page)
		}
	})
	if awaited != nil {
		return awaited
	}
	b.left, b.err = page[:n], err
	if err == io.EOF {
		b.x.inside.Trailer = b.x.r.Trailer
	}
	return nil
}

// operate makes a goroutine run do on the body, and waits for it. The caller holds the
// turn of the direction.
func (b *body) operate(do func()) error {
	x := b.x
	ended := make(chan struct{})
	b.ended = ended
	op := &operation{do: func() {
		b.extend()
		do()
		if x.r.ProtoMajor > 1 && b.stalls() {
			// because a deadline ends the stream, whether it is used or not
			_ = x.control().SetReadDeadline(time.Time{})
		}
	}}
	go func() {
		defer x.tell(op.done.Set)
		defer close(ended)
		op.run()
	}()
	// Middleware outside that has wrapped the body may not pass the deadline on, so
	// the task does not wait until the operation ends. That is safe, because the
	// operation has its own page.
	b.reading = true
	err := b.reads.await(x.ctx, op, b.unblock, false)
	b.reading = false
	x.left()
	return err
}

// extend renews, in a goroutine, the client's time to send the data that is read next.
func (b *body) extend() {
	if b.stalls() {
		_ = b.x.control().SetReadDeadline(time.Now().Add(b.x.handler.server.readStall))
	}
}

// stalls reports whether there is a limit on how long a client may send nothing.
func (b *body) stalls() bool {
	s := b.x.handler.server
	return s != nil && s.readStall > 0 && !b.deadline.Load()
}

func (b *body) unblock() error { return b.x.control().SetReadDeadline(longAgo) }

// Close implements io.Closer. As in net/http, it reads and discards the rest of the body
// if that is short.
func (b *body) Close() error {
	if b.x.over || b.closed {
		return nil
	}
	b.closed = true
	b.left = nil
	if b.err == io.EOF && own(b.inner) {
		return nil // net/http closes the body at the end of the request
	}
	d := &b.reads
	if err := d.acquire(b.x.ctx); err != nil {
		return err
	}
	defer d.turn.Release()
	if d.err != nil || b.x.over {
		// the connection cannot be used again, or net/http closes the body
		return nil
	}
	var closing error
	if err := b.operate(func() { closing = b.inner.Close() }); err != nil {
		return err
	}
	return closing
}

// finish ends the operation in progress, in the goroutine of the connection, and renews
// the client's time to send the rest that net/http reads.
func (b *body) finish() {
	if b.ended != nil && !isClosed(b.ended) {
		if b.reads.err == nil { // another task of the handler is reading
			b.reads.err = errOver
			_ = b.unblock()
		}
		<-b.ended
	}
	if b.page != nil {
		pages.Put(b.page)
		b.page, b.left = nil, nil
	}
	if b.reads.err == nil && b.err == nil {
		b.extend()
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
