package aiohttp

// The response has three stages. The task itself writes data that is certain to fit
// into the buffers of net/http, so net/http handles a short response as it would
// without a loop. Further data is collected in out. When out is full its contents are
// passed to the goroutine.
//
// net/http reports some errors of Write at once: more bytes than the Content-Length,
// and a body for a status that has none. They must not be reported later, so out is
// only used where such errors cannot occur.

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/goaio/aio"
)

const (
	// room is how many bytes the buffers of net/http take without sending: HTTP/1
	// keeps 2048 bytes to choose between a Content-Length and chunks, and HTTP/2
	// keeps 4096.
	room = 2 << 10
	// maxOut is how many further bytes are collected before they are sent.
	maxOut = 32 << 10
)

// response is the part of an exchange that handles the response.
type response struct {
	writes   direction
	sending  bool        // an operation of writes is in progress
	status   int         // the chosen status; 0 means not chosen yet
	closes   bool        // the connection is closed after the response
	late     bool        // the status was chosen after a cancellation or the deadline
	own      bool        // the writer is of package net/http
	room     int         // how many more bytes net/http takes without sending
	gathers  bool        // out may be used
	out      []byte      // written by the handler and not yet passed to net/http
	hijacked bool        // the connection no longer belongs to the server
	deadline atomic.Bool // the handler has set a write deadline
}

// errOver is the error of using a response after its handler has returned.
var errOver = fmt.Errorf("aiohttp: the handler has returned: %w", aio.ErrUsage)

// Header implements http.ResponseWriter.
func (x *exchange) Header() http.Header { return x.w.Header() }

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		// The next Write returns the same error.
		_ = x.send(func() error { x.w.WriteHeader(status); return nil })
		return
	}
	if x.over {
		return
	}
	if x.status == 0 {
		x.decide(status)
	}
	x.w.WriteHeader(status) // net/http logs a second call
}

// decide records the status of the response. The caller then freezes the header.
func (x *exchange) decide(status int) {
	x.announceClose()
	h := x.w.Header()
	x.status = status
	x.late = x.task.Cancelling() > 0 || x.pastDeadline()
	_, declared := h["Content-Length"]
	x.gathers = !declared && status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// announceClose makes net/http close the connection after the response, if that is
// necessary or the server is draining.
func (x *exchange) announceClose() {
	if s := x.handler.server; x.halfRead() || s != nil && s.isDraining() {
		x.closes = true
		x.w.Header().Set("Connection", "close")
	}
}

// halfRead reports whether a read of the body was abandoned on a connection that
// carries more than the body: the rest of the body must not be parsed as the next
// request.
func (x *exchange) halfRead() bool {
	return x.body != nil && x.body.reads.err != nil && x.r.ProtoMajor == 1
}

// Write implements io.Writer.
func (x *exchange) Write(p []byte) (int, error) {
	switch {
	case x.over:
		return 0, errOver
	case x.hijacked:
		return 0, http.ErrHijacked
	case x.status == 0:
		x.WriteHeader(http.StatusOK)
	}
	switch {
	case x.writes.err != nil:
		return 0, x.writes.unusable(x.ctx)
	case len(p) == 0:
		return 0, nil
	case x.direct(len(p)):
		n, err := x.w.Write(p)
		x.room -= n
		return n, err
	case x.gathers && len(x.out)+len(p) <= maxOut:
		x.out = append(x.out, p...)
		return len(p), nil
	}
	out := x.take()
	if !x.own { // after a cancellation the writer may continue to use p
		p = append([]byte(nil), p...)
	}
	var n int
	err := x.send(func() (err error) {
		if len(out) > 0 {
			if _, err := x.w.Write(out); err != nil {
				return err
			}
		}
		n, err = x.w.Write(p)
		return err
	})
	if x.writes.err != nil {
		return 0, err // the goroutine may still write to the variable n
	}
	return n, err
}

// WriteString implements io.StringWriter.
func (x *exchange) WriteString(s string) (int, error) {
	if x.status == 0 && !x.over && !x.hijacked {
		x.WriteHeader(http.StatusOK)
	}
	if x.direct(len(s)) {
		n, err := io.WriteString(x.w, s)
		x.room -= n
		return n, err
	}
	return x.Write([]byte(s))
}

// direct reports whether n bytes may be written to net/http at once.
func (x *exchange) direct(n int) bool {
	return n > 0 && n <= x.room && len(x.out) == 0 && !x.sending && !x.over && !x.hijacked && x.status != 0 && x.writes.err == nil
}

// ReadFrom implements io.ReaderFrom, for files: the goroutine copies them, with the
// system's sendfile if net/http can.
func (x *exchange) ReadFrom(r io.Reader) (int64, error) {
	file, limit := r, int64(-1)
	if l, ok := r.(*io.LimitedReader); ok {
		file, limit = l.R, l.N
	}
	f, ok := file.(*os.File)
	if !ok || x.over || x.hijacked {
		return io.Copy(writerOnly{x}, r)
	}
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	out := x.take()
	var src io.Reader = f
	if limit >= 0 {
		src = io.LimitReader(f, limit)
	}
	var n int64
	err := x.send(func() (err error) {
		if len(out) > 0 {
			if _, err := x.w.Write(out); err != nil {
				return err
			}
		}
		n, err = io.Copy(x.w, src)
		return err
	})
	if x.writes.err != nil {
		return 0, err
	}
	return n, err
}

// writerOnly hides ReadFrom.
type writerOnly struct{ io.Writer }

// take returns the collected data and removes it.
func (x *exchange) take() []byte {
	out := x.out
	x.out = nil // another task may write in the meantime
	x.room = 0  // net/http may have sent any part of it
	return out
}

// send makes the goroutine run do on the connection, and waits for it.
func (x *exchange) send(do func() error) error {
	if x.over {
		return errOver
	}
	d := &x.writes
	ctx := x.ctx
	if x.pastDeadline() && (x.status == 0 || x.late) {
		// like a cancellation, the deadline does not end what begins after it
		ctx = context.WithoutCancel(ctx)
	}
	if err := d.acquire(ctx); err != nil {
		return err
	}
	defer d.turn.Release()
	switch {
	case x.over: // while another task had the turn
		return errOver
	case d.err != nil:
		return d.unusable(ctx)
	}
	var err error
	op := &operation{do: func() {
		x.extendWrite()
		err = do()
		x.forgetWrite()
	}}
	x.sending = true
	x.channel() <- op
	awaited := d.await(ctx, op, x.unblock, x.own)
	x.sending = false
	x.left()
	if awaited != nil {
		return awaited
	}
	return err
}

// unblock makes a write to the connection return soon.
func (x *exchange) unblock() error { return x.control().SetWriteDeadline(longAgo) }

// extendWrite renews, in the goroutine, the client's time to receive the data that is
// written next.
func (x *exchange) extendWrite() {
	if x.stalls() {
		_ = x.control().SetWriteDeadline(time.Now().Add(x.handler.server.writeStall))
	}
}

// stalls reports whether there is a limit on how long a client may receive nothing.
func (x *exchange) stalls() bool {
	s := x.handler.server
	return s != nil && s.writeStall > 0 && !x.deadline.Load()
}

// forgetWrite resets the deadline of extendWrite, because a deadline ends a stream
// whether it is used or not.
func (x *exchange) forgetWrite() {
	if x.r.ProtoMajor > 1 && x.stalls() {
		_ = x.control().SetWriteDeadline(time.Time{})
	}
}

// control returns the controller of the server's connection.
func (x *exchange) control() *http.ResponseController { return http.NewResponseController(x.w) }

// sendRest ends the response, in the goroutine.
func (x *exchange) sendRest() {
	x.extendWrite()
	if x.status == 0 {
		x.announceClose()
	}
	if len(x.out) > 0 {
		// an error only means that the client has disconnected
		_, _ = x.w.Write(x.out)
	}
}

// FlushError sends the written data, for http.ResponseController.
func (x *exchange) FlushError() error {
	switch {
	case x.over:
		return errOver
	case x.hijacked:
		return http.ErrHijacked
	case x.status == 0:
		x.WriteHeader(http.StatusOK)
	}
	out := x.take()
	err := x.send(func() error {
		if len(out) > 0 {
			if _, err := x.w.Write(out); err != nil {
				return err
			}
		}
		return x.control().Flush()
	})
	if err == nil && len(x.out) == 0 && !x.sending && x.own {
		x.room = room
	}
	return err
}

// Flush implements http.Flusher.
func (x *exchange) Flush() { _ = x.FlushError() }

// SetReadDeadline is for http.ResponseController.
func (x *exchange) SetReadDeadline(t time.Time) error {
	if x.over {
		return errOver
	}
	if x.body != nil {
		x.body.deadline.Store(true)
	}
	return x.control().SetReadDeadline(t)
}

// SetWriteDeadline is for http.ResponseController.
func (x *exchange) SetWriteDeadline(t time.Time) error {
	if x.over {
		return errOver
	}
	x.deadline.Store(true)
	return x.control().SetWriteDeadline(t)
}

// EnableFullDuplex is called by http.ResponseController.
func (x *exchange) EnableFullDuplex() error {
	if x.over {
		return errOver
	}
	return x.control().EnableFullDuplex()
}

// Push implements http.Pusher.
func (x *exchange) Push(target string, opts *http.PushOptions) error {
	p, ok := x.w.(http.Pusher)
	if !ok || x.over {
		return http.ErrNotSupported
	}
	return x.send(func() error { return p.Push(target, opts) })
}

// Hijack implements http.Hijacker. The package documentation describes the connection.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if x.over {
		return nil, nil, errOver
	}
	var nc net.Conn
	var rw *bufio.ReadWriter
	err := x.send(func() (err error) {
		nc, rw, err = x.control().Hijack()
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	x.hijacked = true
	return hijacked(x.handler.loop, nc, rw)
}
