package aiohttp

// A connection is a task of the loop: it reads a request with net/http's parser, calls the handler, and
// writes what is left of the answer, one request after another. Everything here is owned by that task
// and the loop's token; the state that only lives for one request is in response.

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/goaio/aio"
)

// ServeOptions are the settings of Serve. The zero value has the defaults.
type ServeOptions struct {
	// IdleTimeout is how long a client may take to begin the next request; zero is two minutes.
	IdleTimeout time.Duration
	// HeaderTimeout is how long it may take to send the head of one; zero is ten seconds.
	HeaderTimeout time.Duration
	// MaxHeaderBytes is how long that may be; zero is http.DefaultMaxHeaderBytes.
	MaxHeaderBytes int
}

// maxDrained is how much of a body that the handler has left is read, so that the connection can go on.
const maxDrained = 256 << 10

// Serve returns a handler for aio.StartServer and its relatives that serves HTTP/1.1 (and 1.0), as does
// net/http, whose parser reads the requests: connections are kept, pipelined requests are answered
// in order, 100 Continue is sent when the body is asked for, answers have a length or are chunked. There
// is no HTTP/2; answers have no trailers, and a connection cannot be hijacked.
//
//	srv, err := aio.StartServer(ctx, aiohttp.Serve(h, nil), "localhost:8080", nil)
//
// The handler runs in the task of its connection, which is cancelled when the client goes away: it has
// closed the connection, or its sending half with nothing left to be read. opts may be nil.
func Serve(h HandlerFunc, opts *ServeOptions) aio.StreamHandler {
	if h == nil {
		panic("aiohttp: Serve: the handler is nil")
	}
	var o ServeOptions
	if opts != nil {
		o = *opts
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = 2 * time.Minute
	}
	if o.HeaderTimeout == 0 {
		o.HeaderTimeout = 10 * time.Second
	}
	if o.MaxHeaderBytes == 0 {
		o.MaxHeaderBytes = http.DefaultMaxHeaderBytes
	}
	return func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
		defer w.Close()
		c := &conn{opts: o, handler: h, stream: r, w: w, task: aio.CurrentTask(ctx)}
		c.source.Reader = r.Reader(ctx)
		c.head.R = &c.source
		c.in = bufio.NewReader(&c.head)
		c.watch()
		return c.serve(ctx)
	}
}

// conn is a connection.
type conn struct {
	opts    ServeOptions
	handler HandlerFunc
	stream  *aio.StreamReader
	w       *aio.StreamWriter
	task    aio.AnyTask
	source  source
	head    io.LimitedReader // bounds what a head may take; not limited outside of one
	in      *bufio.Reader
	current *response // nil between requests
	gone    bool      // the client is
	date    [2]string // the last Date header, and for which second
}

// watched tells the connection when the client is gone, beside what the protocol of streams does.
type watched struct {
	*aio.StreamReaderProtocol
	conn *conn
}

// watch puts a watched in the place of the stream's protocol.
func (c *conn) watch() {
	t := c.w.Transport()
	if p, ok := t.GetProtocol().(*aio.StreamReaderProtocol); ok {
		t.SetProtocol(&watched{p, c})
	}
}

// EOFReceived overrides that of the stream's protocol.
func (p *watched) EOFReceived() bool {
	keep := p.StreamReaderProtocol.EOFReceived()
	c := p.conn
	if c.current != nil && c.current.bodyDone && c.in.Buffered() == 0 && c.stream.AtEOF() {
		c.leave()
	}
	return keep
}

// ConnectionLost overrides that of the stream's protocol.
func (p *watched) ConnectionLost(err error) {
	p.StreamReaderProtocol.ConnectionLost(err)
	p.conn.leave()
}

// leave cancels the handler, if one runs.
func (c *conn) leave() {
	if !c.gone && c.current != nil {
		c.task.Cancel("the client has gone")
	}
	c.gone = true
}

// serve answers requests until the client or the handler has had enough.
func (c *conn) serve(ctx context.Context) error {
	for {
		r, err := c.readRequest(ctx)
		if err != nil {
			return c.refuse(ctx, err)
		}
		again, err := c.answer(ctx, r)
		if err != nil || !again {
			return err
		}
	}
}

// source keeps the last error of reading: where a line has begun, the parser takes any error for its end,
// and complains about the line.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (n int, err error) {
	n, s.err = s.Reader.Read(p)
	return n, s.err
}

// errGone says that there will be no further request.
var errGone = errors.New("aiohttp: the client has gone")

// readRequest waits for the next request and reads its head.
func (c *conn) readRequest(ctx context.Context) (r *http.Request, err error) {
	c.head.N = int64(c.opts.MaxHeaderBytes) + 4096
	if c.in.Buffered() == 0 {
		err = aio.Timeout(ctx, c.opts.IdleTimeout, func(context.Context) error {
			_, err := c.in.Peek(1)
			return err
		})
		if err != nil {
			if errors.Is(err, aio.ErrCancelled) {
				return nil, err
			}
			return nil, errGone
		}
	}
	err = aio.Timeout(ctx, c.opts.HeaderTimeout, func(context.Context) (err error) {
		r, err = http.ReadRequest(c.in)
		if errors.Is(c.source.err, aio.ErrCancelled) {
			return c.source.err
		}
		return err
	})
	if err == nil && c.head.N <= 0 || errors.Is(err, io.ErrUnexpectedEOF) && c.head.N <= 0 {
		return nil, errTooLarge
	}
	c.head.N = 1<<63 - 1
	return r, err
}

var errTooLarge = errors.New("aiohttp: the head of the request is too large")

// refuse ends the connection because of an error in reading a request.
func (c *conn) refuse(ctx context.Context, err error) error {
	status := http.StatusBadRequest
	switch {
	case errors.Is(err, aio.ErrCancelled):
		return err
	case err == errGone, err == io.EOF, errors.Is(err, net.ErrClosed), errors.As(err, new(*net.OpError)):
		return nil
	case err == errTooLarge:
		status = http.StatusRequestHeaderFieldsTooLarge
	case errors.Is(err, aio.ErrTimeout):
		status = http.StatusRequestTimeout
	}
	text := http.StatusText(status)
	fmt.Fprintf(c.w, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s\n",
		status, text, len(text)+1, text)
	return c.gentleEnd(ctx)
}

// gentleEnd lets the client read the answer before it learns, by a reset, that what it is still
// sending is not read.
func (c *conn) gentleEnd(ctx context.Context) error {
	if !c.w.CanWriteEOF() {
		return nil
	}
	c.w.WriteEOF()
	err := aio.Timeout(ctx, 500*time.Millisecond, func(ctx context.Context) error {
		_, err := io.Copy(io.Discard, c.stream.Reader(ctx))
		return err
	})
	if errors.Is(err, aio.ErrCancelled) {
		return err
	}
	return nil
}

// answer calls the handler for r and finishes the answer. It reports whether another request may follow.
func (c *conn) answer(ctx context.Context, r *http.Request) (again bool, err error) {
	w := &response{conn: c, ctx: ctx, request: r, header: http.Header{}, left: -1}
	c.current = w
	defer func() { c.current = nil }()
	if len(r.Header["Host"]) == 0 && r.ProtoAtLeast(1, 1) && r.Host == "" {
		w.closeAfter = true
		http.Error(w, "there is no Host header", http.StatusBadRequest)
		return false, w.finish()
	}
	if addr, ok := c.w.GetExtraInfo("peername").(net.Addr); ok {
		r.RemoteAddr = addr.String()
	}
	if state, ok := c.w.GetExtraInfo("tls").(tls.ConnectionState); ok {
		r.TLS = &state
	}
	w.closeAfter = r.Close || !r.ProtoAtLeast(1, 1) && !hasToken(r.Header, "Connection", "keep-alive")
	if r.Body == nil || r.Body == http.NoBody {
		w.bodyDone = true
	} else {
		expects := r.ProtoAtLeast(1, 1) && hasToken(r.Header, "Expect", "100-continue")
		r.Body = &streamBody{ReadCloser: r.Body, response: w, expects: expects}
	}
	if w.bodyDone && c.stream.AtEOF() && c.in.Buffered() == 0 && r.ProtoAtLeast(1, 1) {
		w.closeAfter = true // it came with the end of the stream: the answer can still be read
	}
	r = r.WithContext(ctx)
	failed, err := w.call(c.handler, r)
	switch {
	case err != nil:
		return false, err
	case failed && w.started:
		c.w.Transport().Abort()
		return false, nil
	case failed:
		w.header, w.status, w.out, w.left = http.Header{}, 0, nil, -1
		w.closeAfter = true
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	case c.gone:
		return false, nil
	}
	if !w.bodyDone && !w.closeAfter {
		if err := w.drain(r.Body); err != nil {
			return false, err
		}
	}
	if err := w.finish(); err != nil || w.closeAfter {
		if err == nil && !w.bodyDone {
			err = c.gentleEnd(ctx)
		}
		return false, err
	}
	return true, nil
}

// hasToken reports whether a header that is a list contains a token.
func hasToken(h http.Header, key, token string) bool {
	for _, line := range h[key] {
		for item := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}

// dateHeader returns the value of the Date header.
func (c *conn) dateHeader(now time.Time) string {
	if second := now.Format(time.DateTime); c.date[0] != second {
		c.date = [2]string{second, now.UTC().Format(http.TimeFormat)}
	}
	return c.date[1]
}

// streamBody is the body of a request.
type streamBody struct {
	io.ReadCloser
	response *response
	expects  bool // the client waits for 100 Continue
}

func (b *streamBody) Read(p []byte) (int, error) {
	w := b.response
	if b.expects && !w.started {
		w.conn.w.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	}
	b.expects = false
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		w.bodyDone = true
	}
	return n, err
}

func (b *streamBody) Close() error { return nil } // what is left is drained, if it is little

// response is the http.ResponseWriter of one request.
type response struct {
	conn     *conn
	ctx      context.Context
	request  *http.Request
	header   http.Header
	status   int    // 0 until it is decided
	out      []byte // of the body, not yet sent
	started  bool   // the head was sent
	chunked  bool
	left     int64 // of the Content-Length that the handler has set, -1 if it has not
	bodyDone bool  // the request's body was read to its end

	closeAfter bool // the connection ends with this answer
}

// call runs the handler. err is that of a cancellation that was for the connection.
func (w *response) call(h HandlerFunc, r *http.Request) (failed bool, err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		failed = true
		if v != http.ErrAbortHandler {
			loop, lerr := aio.GetRunningLoop(w.ctx)
			if lerr != nil {
				panic(v)
			}
			loop.CallExceptionHandler(aio.ExceptionContext{
				Message: "panic in the handler of " + r.Method + " " + r.URL.Path,
				Err:     &aio.PanicError{Value: v, Stack: debug.Stack()},
				Task:    w.conn.task,
			})
		} else {
			w.started = true // nothing is to be answered
		}
	}()
	h(w.ctx, w, r)
	return false, nil
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. An informational status is sent at once.
func (w *response) WriteHeader(status int) {
	switch {
	case w.status != 0:
	case status >= 100 && status < 200 && status != http.StatusSwitchingProtocols:
		var b bytes.Buffer
		fmt.Fprintf(&b, "HTTP/1.1 %03d %s\r\n", status, http.StatusText(status))
		_ = w.header.Write(&b)
		b.WriteString("\r\n")
		w.conn.w.Write(b.Bytes())
	default:
		w.status = status
		if v := w.header.Get("Content-Length"); v != "" {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || n < 0 {
				w.header.Del("Content-Length")
			} else {
				w.left = n
			}
		}
	}
}

// hasBody reports whether the answer may have a body.
func (w *response) hasBody() bool {
	return w.status >= 200 && w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// Write implements io.Writer.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !w.hasBody() {
		return 0, http.ErrBodyNotAllowed
	}
	if w.left >= 0 {
		if int64(len(p)) > w.left {
			return 0, http.ErrContentLength
		}
		w.left -= int64(len(p))
	}
	if w.request.Method == http.MethodHead && len(w.out) >= 512 {
		return len(p), nil
	}
	w.out = append(w.out, p...)
	if len(w.out) > maxBuffered {
		if err := w.FlushError(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// WriteString implements io.StringWriter.
func (w *response) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError sends what was written, and suspends the task while the client does not read.
func (w *response) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.send(false)
	return w.conn.w.Drain(w.ctx)
}

// finish sends the rest of the answer.
func (w *response) finish() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.left > 0 && w.request.Method != http.MethodHead && w.hasBody() {
		w.closeAfter = true // the handler has promised more than it wrote
	}
	w.send(true)
	if err := w.conn.w.Drain(w.ctx); err != nil {
		if errors.Is(err, aio.ErrCancelled) {
			return err
		}
		w.closeAfter = true // the client has gone
	}
	return nil
}

// send hands the head, if it was not sent yet, and what was written to the transport. last tells that
// nothing follows.
func (w *response) send(last bool) {
	var b []byte
	if !w.started {
		b = w.appendHead(make([]byte, 0, 512+len(w.out)), last)
	}
	if w.request.Method == http.MethodHead {
		w.out = w.out[:0]
	}
	switch {
	case !w.chunked:
		b = append(b, w.out...)
	default:
		if len(w.out) > 0 {
			b = strconv.AppendInt(b, int64(len(w.out)), 16)
			b = append(append(append(b, "\r\n"...), w.out...), "\r\n"...)
		}
		if last {
			b = append(b, "0\r\n\r\n"...)
		}
	}
	w.out = w.out[:0]
	if len(b) > 0 {
		w.conn.w.Write(b)
	}
}

// appendHead appends the status line and the header.
func (w *response) appendHead(b []byte, last bool) []byte {
	w.started = true
	h := w.header
	set := func(key, value string) {
		if _, ok := h[key]; !ok {
			h[key] = []string{value}
		}
	}
	set("Date", w.conn.dateHeader(time.Now()))
	head := w.request.Method == http.MethodHead
	switch {
	case !w.hasBody():
		delete(h, "Transfer-Encoding")
		if w.status == http.StatusNoContent {
			delete(h, "Content-Length")
		}
	case w.left >= 0 || h.Get("Content-Length") != "":
	case last && (!head || len(w.out) > 0):
		set("Content-Length", strconv.Itoa(len(w.out)))
	case head:
	case w.request.ProtoAtLeast(1, 1):
		w.chunked = true
		h["Transfer-Encoding"] = []string{"chunked"}
	default:
		w.closeAfter = true // the end of the connection is that of the body
	}
	if w.hasBody() && len(w.out) > 0 && h.Get("Content-Encoding") == "" {
		set("Content-Type", http.DetectContentType(w.out))
	}
	if hasToken(h, "Connection", "close") {
		w.closeAfter = true
	}
	switch {
	case w.closeAfter:
		h["Connection"] = []string{"close"}
	case !w.request.ProtoAtLeast(1, 1):
		h["Connection"] = []string{"keep-alive"}
	}
	text := http.StatusText(w.status)
	if text == "" {
		text = "status code " + strconv.Itoa(w.status)
	}
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(w.status), 10)
	b = append(append(append(b, ' '), text...), "\r\n"...)
	buf := bytes.NewBuffer(b)
	_ = h.Write(buf) // a bytes.Buffer does not fail
	buf.WriteString("\r\n")
	return buf.Bytes()
}

// drain reads what the handler has left of the body. If that is much, the connection ends instead.
func (w *response) drain(body io.Reader) error {
	if b, ok := body.(*streamBody); ok && b.expects { // it was never sent
		w.closeAfter = true
		return nil
	}
	n, err := io.CopyN(io.Discard, body, maxDrained)
	switch {
	case errors.Is(err, aio.ErrCancelled):
		return err
	case n == maxDrained || err != nil && err != io.EOF:
		w.closeAfter = true
	}
	return nil
}
