package aiohttp

// Each request has a goroutine of its own, which sends it and then reads the body ahead
// of the task, by at most two pages. The goroutine wakes the task when the response has
// arrived, and when the task waits for more of the body. It is done at the end of the
// body, or when the request is cancelled; then net/http knows whether it can reuse the
// connection. After that the goroutine serves another request, or ends
// (client_workers.go).
//
// The context of the call is watched by the await while the task is in Do, and by
// context.AfterFunc only if a part of the body has not arrived when Do returns.

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/plug"
)

// Client is an [http.Client] for tasks: its calls suspend the calling task instead of
// blocking. The zero value is a client with the defaults. It belongs to the tasks of
// one loop; do not change its fields after the first use. net/http handles connections,
// redirects, cookies, proxies and compression.
//
// A request ends when the body of its response has been read to its end, when the
// response is closed, or when an await on it fails: if the task is cancelled, or a
// Timeout around it expires, in [Client.Do] or while the body is read, the request on
// the wire is cancelled too. It also ends when the ctx of the call is done: the ctx of
// a Timeout or TaskGroup is done when its body returns.
//
// A cancellation that the task has swallowed ends only the request that the task was
// waiting for, so a task can clean up with another request. In all cases the connection
// returns to the pool if the response was read to its end, and is closed otherwise.
//
// (Python: aiohttp.ClientSession)
type Client struct {
	// HTTP is the client of net/http to use, with its transport, cookie jar,
	// redirect policy and timeout. nil means a private client, with a copy of
	// http.DefaultTransport that keeps up to 100 idle connections to a host. A
	// transport with the DialContext of an [aio.Dialer] uses connections of the
	// loop.
	HTTP *http.Client
	// BaseURL is prefixed to URLs that have no host. The paths are joined with a
	// slash: "https://api.example.com/v1" and "users?id=3" give
	// "https://api.example.com/v1/users?id=3".
	BaseURL string
	// Header is added to each request, except for the keys that the request already
	// has.
	Header http.Header
	// PerHost is the maximum number of concurrent requests to a host, including
	// those whose bodies are still being read; further requests wait, in the order
	// of their calls. Zero means no limit.
	PerHost int
	// Retry is the policy for repeating requests; the zero value repeats none.
	Retry Retry
	// MaxBody is the maximum number of bytes that Bytes, Text and JSON read, after
	// decompression; zero means 64 MiB, negative no limit.
	MaxBody int64
	// MaxLine is the maximum length of a line of Lines, in bytes; zero means 64
	// KiB.
	MaxLine int

	own     *http.Client
	hosts   map[string]*aio.Semaphore
	workers *workers
}

// Retry is the policy of a [Client] for requests that failed, or whose status asks for
// another attempt. Only these requests are repeated: those of the methods GET, HEAD,
// OPTIONS, TRACE, PUT and DELETE, those with an Idempotency-Key header, and those of
// which nothing was sent because no connection could be made; and only if their body
// can be sent again (http.Request.GetBody, which http.NewRequest sets for bytes and
// strings). There is no further attempt after a cancellation, a timeout around the
// call, a certificate error, or for a host that does not exist.
//
// net/http itself repeats a request that may be repeated if an idle connection turns
// out to be closed.
type Retry struct {
	// Attempts is the maximum number of times a request is sent; 0 and 1 mean once.
	Attempts int
	// Delay is the wait before the second attempt. It doubles for each further
	// attempt, up to MaxDelay; a random part of each wait, up to half of it, is
	// subtracted. Zero means 100 ms. A Retry-After header takes precedence if it
	// asks for at most MaxDelay; if it asks for more, the response is returned.
	Delay time.Duration
	// MaxDelay is the longest wait; zero means 10 s.
	MaxDelay time.Duration
	// Statuses are the statuses that ask for another attempt; nil means 429, 502,
	// 503 and 504.
	Statuses []int
}

// Get requests a URL. See [Client.Do].
func (c *Client) Get(ctx context.Context, url string) (*Response, error) {
	b := &responseBody{}
	req, err := http.NewRequestWithContext(&b.ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, req, b)
}

// Post sends a request with a body, which may be nil. Another goroutine reads the body:
// use a [Pipe] for a body that a task writes. See [Client.Do].
func (c *Client) Post(ctx context.Context, url, contentType string, body io.Reader) (*Response, error) {
	b := &responseBody{}
	req, err := http.NewRequestWithContext(&b.ctx, http.MethodPost, url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	return c.do(ctx, req, b)
}

// PostJSON sends v as JSON. See [Client.Do].
func (c *Client) PostJSON(ctx context.Context, url string, v any) (*Response, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return c.Post(ctx, url, "application/json", bytes.NewReader(b))
}

// Do sends a request and suspends the calling task until the header of the response has
// arrived, after redirects and retries. A response with any status is returned without
// an error; an error means that there is no response. The caller must read the response
// to its end or close it.
//
// ctx replaces the request's context, whose values are not used. The errors are those
// of http.Client.Do and, if the await fails, those of an await: a *aio.CancelledError,
// or the error of a context that the caller derived. req is not changed.
func (c *Client) Do(ctx context.Context, req *http.Request) (*Response, error) {
	return c.do(ctx, req, nil)
}

// do is Do. If b is not nil, req has the context of b, which saves a copy of req.
func (c *Client) do(ctx context.Context, req *http.Request, b *responseBody) (*Response, error) {
	loop, err := aio.GetRunningLoop(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("aiohttp: Client.Do: %w", err)
	case aio.CurrentTask(ctx) == nil:
		return nil, fmt.Errorf("aiohttp: Client.Do: %w", aio.ErrNoTask)
	case req == nil || req.URL == nil:
		return nil, fmt.Errorf("aiohttp: Client.Do: the request or its URL is nil: %w", aio.ErrUsage)
	}
	if c.HTTP == nil {
		if err := plug.Unsupported(loop, "make requests with a private client, which dials by package net"); err != nil {
			return nil, fmt.Errorf("aiohttp: Client.Do: %w", err)
		}
	}
	req, err = c.prepare(req)
	if err != nil {
		return nil, err
	}
	slot := c.slot(req.URL)
	delay := cmp.Or(c.Retry.Delay, 100*time.Millisecond)
	longest := cmp.Or(c.Retry.MaxDelay, 10*time.Second)
	for attempt := 1; ; attempt++ {
		if slot != nil {
			if err := slot.Acquire(ctx); err != nil {
				return nil, err
			}
		}
		if b == nil {
			b = &responseBody{}
			req = req.WithContext(&b.ctx)
		}
		resp, err := c.send(ctx, loop, req, slot, b)
		b = nil
		if attempt >= c.Retry.Attempts || !c.Retry.repeats(req, resp, err) {
			return resp, err
		}
		wait := min(delay, longest)
		wait -= rand.N(wait/2 + 1)
		if resp != nil {
			if after, ok := retryAfter(resp.Header, time.Now()); ok {
				if after > longest {
					return resp, nil
				}
				wait = after
			}
			resp.Close()
		}
		if err := aio.Sleep(ctx, wait); err != nil {
			return nil, err
		}
		delay = min(2*delay, longest)
		if req.GetBody != nil {
			req = req.Clone(context.Background())
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// CloseIdleConnections closes the connections that no request uses. It also ends the
// goroutines of earlier requests that wait for a further one, which otherwise end within
// about 100 ms.
func (c *Client) CloseIdleConnections() {
	c.client().CloseIdleConnections()
	if c.workers != nil {
		c.workers.end()
	}
}

// client returns the client of net/http.
func (c *Client) client() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	if c.own == nil {
		c.own = &http.Client{}
		if t, ok := http.DefaultTransport.(*http.Transport); ok {
			t = t.Clone()
			t.MaxIdleConnsPerHost = 100
			c.own.Transport = t
		}
	}
	return c.own
}

// prepare returns a copy of req with the URL and header that are sent, or req if that is
// the same.
func (c *Client) prepare(req *http.Request) (*http.Request, error) {
	if (c.BaseURL == "" || req.URL.Host != "") && len(c.Header) == 0 {
		return req, nil
	}
	req = req.Clone(req.Context())
	if req.Header == nil {
		req.Header = http.Header{}
	}
	for key, values := range c.Header {
		if _, ok := req.Header[http.CanonicalHeaderKey(key)]; !ok {
			req.Header[http.CanonicalHeaderKey(key)] = slices.Clone(values)
		}
	}
	if c.BaseURL != "" && req.URL.Host == "" {
		base, err := url.Parse(c.BaseURL)
		if err != nil {
			return nil, fmt.Errorf("aiohttp: Client.BaseURL: %w", err)
		}
		if base.Path == "" {
			base.Path = "/" // otherwise JoinPath would make a relative path
		}
		u := base.JoinPath(req.URL.EscapedPath())
		u.RawQuery, u.Fragment = cmp.Or(req.URL.RawQuery, base.RawQuery), req.URL.Fragment
		req.URL, req.Host = u, cmp.Or(req.Host, u.Host)
	}
	return req, nil
}

// slot returns the semaphore that limits the requests to the host of u, nil if there is
// no limit.
func (c *Client) slot(u *url.URL) *aio.Semaphore {
	if c.PerHost <= 0 {
		return nil
	}
	s := c.hosts[u.Host]
	if s == nil {
		if c.hosts == nil {
			c.hosts = map[string]*aio.Semaphore{}
		}
		s = aio.NewSemaphore(c.PerHost)
		c.hosts[u.Host] = s
	}
	return s
}

// repeats reports whether another attempt is wanted and allowed.
func (p *Retry) repeats(req *http.Request, resp *Response, err error) bool {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	var op *net.OpError
	unsent := errors.As(err, &op) && op.Op == "dial"
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
	default:
		if !unsent && req.Header.Get("Idempotency-Key") == "" {
			return false
		}
	}
	if resp != nil {
		if p.Statuses != nil {
			return slices.Contains(p.Statuses, resp.StatusCode)
		}
		switch resp.StatusCode {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	var failed *requestError
	if !errors.As(err, &failed) { // the error of an await
		return false
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return false
	}
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.EPIPE} {
		if errors.Is(err, lost) {
			return true
		}
	}
	var timeout net.Error
	return errors.As(err, &timeout) && (unsent || timeout.Timeout())
}

// retryAfter returns the wait that a Retry-After header asks for.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return time.Duration(n) * time.Second, true
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(t.Sub(now), 0), true
	}
	return 0, false
}

// requestError marks the error of a request, as opposed to the error of an await.
type requestError struct{ error }

func (e *requestError) Unwrap() error { return e.error }

// send makes one attempt. req has the context of b. slot is released when the request
// has ended.
func (c *Client) send(ctx context.Context, loop *aio.Loop, req *http.Request, slot *aio.Semaphore, b *responseBody) (*Response, error) {
	b.loop, b.slot = loop, slot
	b.maxBody, b.maxLine = cmp.Or(c.MaxBody, 64<<20), cmp.Or(c.MaxLine, 64<<10)
	b.ctx.values = ctx
	b.room.L = &b.mu
	b.pieces = b.store[:0]
	// An await is not ended by the context of another task, or by a context that
	// had ended before.
	watched := aio.TaskOf(ctx) != aio.CurrentTask(ctx) || ctx.Err() != nil
	if watched {
		b.watch(ctx)
	}
	if c.workers == nil {
		c.workers = newWorkers()
	}
	c.workers.start(job{b, c.client(), req, plug.Labels()})
	if err := b.ready.Wait(ctx); err != nil {
		b.end(err)
		return nil, err
	}
	if b.resp == nil {
		return nil, &requestError{b.err}
	}
	if !watched {
		b.watch(ctx)
	}
	b.out = Response{Response: b.resp, body: b}
	b.out.Body = (*bodyReader)(b)
	return &b.out, nil
}

// responseBody is a request in progress, and the body of its response.
type responseBody struct {
	loop    *aio.Loop
	slot    *aio.Semaphore
	ctx     requestContext // the context of the request
	maxBody int64
	maxLine int

	// The goroutine sets resp before it sets ready. The loop owns ready and
	// arrived.
	resp    *http.Response
	out     Response // the Response that Do returns
	ready   aio.Event
	arrived aio.Event
	rest    []byte // the unread part of the current piece
	// the error of a read that was cancelled
	abandoned givenUp
	closed    bool // the task, or a method that has read to the end, has closed it
	// the page of the current piece, nil if the piece has none
	page *[pageSize]byte

	mu      sync.Mutex
	room    sync.Cond // signals the goroutine
	pieces  []piece
	store   [maxPieces]piece // the array of pieces
	err     error            // why the request has ended; there may be unread pieces
	waiting bool             // the task waits for arrived
	release func() bool      // ends watch; nil if there is nothing to end
}

// piece is the data of one read.
type piece struct {
	page *[pageSize]byte // contains the data; nil if the data has its own array
	data []byte
}

// free returns the page of a piece.
func (p piece) free() {
	if p.page != nil {
		pages.Put(p.page)
	}
}

// A body of up to maxSmall bytes is read into its own array, which Bytes then returns.
const maxSmall = 4 << 10

// maxPieces is the number of pieces that are read ahead.
const maxPieces = 2

// watch ends the request when ctx ends, unless the request has ended. A cancellation of
// the task ends the context of its scope too; the await reports the cancellation.
func (b *responseBody) watch(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return
	}
	b.release = context.AfterFunc(ctx, func() {
		switch err, cause := ctx.Err(), context.Cause(ctx); {
		case aio.IsCancellation(cause):
		case cause == err:
			b.end(fmt.Errorf("aiohttp: the context of the request has ended: %w", err))
		default: // the same error as that of an await
			b.end(fmt.Errorf("aiohttp: the context of the request has ended: %w: %w", err, cause))
		}
	})
}

// run makes the request in the goroutine, and reads the response.
//
// Functions of the user run in this goroutine too: a RoundTripper, a CheckRedirect, the
// body of the request. A panic of one of them becomes the error of the request, because
// nothing else would recover it here.
func (b *responseBody) run(client *http.Client, req *http.Request) {
	returned := false
	defer func() {
		// a function of the user has panicked, or has called runtime.Goexit
		if !returned {
			err := aio.ErrGoexit
			if v := recover(); v != nil {
				err = &aio.PanicError{Value: v, Stack: debug.Stack()}
			}
			b.end(err)
			tell(b.loop, b.ready.Set)
		}
		b.mu.Lock()
		// watch does not change b.release any more, because b.err is set
		release := b.release
		b.mu.Unlock()
		if release != nil {
			release()
		}
		b.ctx.end(context.Canceled)
		if b.slot != nil {
			tell(b.loop, b.slot.Release)
		}
	}()
	b.request(client, req)
	returned = true
}

// request makes the request and reads the response.
func (b *responseBody) request(client *http.Client, req *http.Request) {
	resp, err := client.Do(req)
	b.mu.Lock()
	ended := b.err != nil
	if err != nil && !ended {
		b.err = err
	}
	b.mu.Unlock()
	var body io.ReadCloser
	if err == nil {
		b.resp, body = resp, resp.Body // the task replaces the Body
	}
	tell(b.loop, b.ready.Set)
	if err == nil {
		if !ended {
			b.pump(body, resp.ContentLength)
		}
		body.Close()
	}
}

// pump reads the body, whose length is -1 if it is unknown.
func (b *responseBody) pump(body io.Reader, length int64) {
	var small []byte
	if 0 < length && length <= maxSmall {
		small = make([]byte, length)
	}
	for {
		p := piece{data: small}
		if len(small) == 0 {
			p.page = pages.Get().(*[pageSize]byte)
			p.data = p.page[:]
		}
		n, err := body.Read(p.data)
		p.data = p.data[:n:n]
		b.mu.Lock()
		if b.err != nil { // the request was ended in the meantime
			b.mu.Unlock()
			p.free()
			return
		}
		if n > 0 {
			b.pieces = append(b.pieces, p)
		} else {
			p.free()
		}
		small = small[min(n, len(small)):]
		b.err = err
		if b.waiting && (n > 0 || err != nil) {
			b.waiting = false
			tell(b.loop, b.arrived.Set)
		}
		for b.err == nil && len(b.pieces) >= maxPieces {
			b.room.Wait()
		}
		ended := b.err != nil
		b.mu.Unlock()
		if ended {
			return
		}
	}
}

// end ends the request; it has no effect if the request has ended. Any goroutine may
// call it.
func (b *responseBody) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil || b.err == io.EOF && len(b.pieces) > 0 {
		b.err = err
	}
	for _, p := range b.pieces {
		p.free()
	}
	b.pieces = nil
	b.room.Signal()
	if b.waiting {
		b.waiting = false
		tell(b.loop, b.arrived.Set)
	}
	b.ctx.end(err)
}

// next returns the next piece of the body, which is valid until the next call.
func (b *responseBody) next(ctx context.Context) ([]byte, error) {
	if b.closed {
		return nil, errResponseClosed
	}
	if b.page != nil {
		pages.Put(b.page)
		b.page = nil
	}
	for {
		b.mu.Lock()
		if len(b.pieces) > 0 {
			p := b.pieces[0]
			b.pieces = slices.Delete(b.pieces, 0, 1)
			b.room.Signal()
			b.mu.Unlock()
			b.page = p.page
			return p.data, nil
		}
		if err := b.err; err != nil {
			b.mu.Unlock()
			if err == b.abandoned.err {
				err = b.abandoned.again(ctx)
			}
			return nil, err
		}
		b.waiting = true
		b.arrived.Clear()
		b.mu.Unlock()
		if err := b.arrived.Wait(ctx); err != nil {
			b.abandoned.keep(ctx, err)
			b.end(b.abandoned.err)
			return nil, err
		}
	}
}

// Response is the response to a request of a [Client]. Its methods must be called by
// tasks of the client's loop, one at a time. Bytes, Text, JSON, Lines and Chunks read
// the body to its end and close the response, unless they end early; so does reading
// Body. Close a response that is not read to its end.
//
// Up to 64 KiB of a body are read ahead; then the server has to wait until the body is
// read.
type Response struct {
	// Response has the status and the header. Its Body is a reader for tasks: a
	// Read suspends the running task while it waits, a failed await makes all later
	// reads fail too, and its size is not limited. Body may be passed to code that
	// takes an io.Reader, if that code reads in the task.
	*http.Response
	body *responseBody
}

// LimitError reports that a body, or a line of it, is longer than the client allows.
// The request has been ended.
type LimitError struct {
	// What is "body" or "line".
	What string
	// Limit is the limit in bytes, Client.MaxBody or Client.MaxLine.
	Limit int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("aiohttp: the %s of the response is longer than the limit of %d bytes", e.What, e.Limit)
}

// Close ends the request. If the body was read to its end, Close only makes further
// reads fail with an error that matches [net.ErrClosed]. It never awaits, and returns
// nil.
func (r *Response) Close() error {
	b := r.body
	if b.page != nil {
		pages.Put(b.page)
		b.page, b.rest = nil, nil
	}
	b.closed = true
	b.end(errResponseClosed)
	return nil
}

var errResponseClosed = fmt.Errorf("aiohttp: the response is closed: %w", net.ErrClosed)

// Read reads the next bytes of the body, as [io.Reader] does.
func (r *Response) Read(ctx context.Context, p []byte) (int, error) {
	b := r.body
	if len(p) == 0 {
		return 0, nil
	}
	if len(b.rest) == 0 {
		rest, err := b.next(ctx)
		if err != nil {
			return 0, err
		}
		b.rest = rest
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// take returns the next piece of the body, beginning with the bytes that Read has left.
func (r *Response) take(ctx context.Context) ([]byte, error) {
	b := r.body
	if len(b.rest) > 0 {
		rest := b.rest
		b.rest = nil
		return rest, nil
	}
	return b.next(ctx)
}

// Chunks returns an iterator over the body in the pieces in which it arrives, of up to
// 32 KiB. A piece is valid until the next one. An error is yielded as the last pair.
// Breaking out of the loop closes the response.
//
// (Python: StreamReader.iter_any)
func (r *Response) Chunks(ctx context.Context) func(yield func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		defer r.Close()
		for {
			p, err := r.take(ctx)
			if err == io.EOF {
				return
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// Bytes returns the body. If it is longer than Client.MaxBody the error is a
// *[LimitError].
func (r *Response) Bytes(ctx context.Context) ([]byte, error) {
	limit := r.body.maxBody
	if limit >= 0 && r.ContentLength > limit {
		r.Close()
		return nil, &LimitError{"body", limit}
	}
	var all []byte
	for p, err := range r.Chunks(ctx) {
		switch {
		case err != nil:
			return nil, err
		case limit >= 0 && int64(len(all)+len(p)) > limit:
			return nil, &LimitError{"body", limit}
		case all == nil && r.body.page == nil: // nothing else uses the array
			all = p
			continue
		case all == nil:
			all = make([]byte, 0, max(0, min(r.ContentLength, pageSize)))
		}
		all = append(all, p...)
	}
	if all == nil {
		all = []byte{}
	}
	return all, nil
}

// Text returns the body as a string; see [Response.Bytes].
func (r *Response) Text(ctx context.Context) (string, error) {
	b, err := r.Bytes(ctx)
	return string(b), err
}

// JSON reads the body and decodes it into v; see [Response.Bytes]. It does not check
// the status.
func (r *Response) JSON(ctx context.Context, v any) error {
	b, err := r.Bytes(ctx)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// Lines returns an iterator over the lines of the body, without their line endings
// ("\n" or "\r\n"). A last line without a line ending is yielded too. If a line is
// longer than Client.MaxLine the error is a *[LimitError]. An error is yielded as the
// last pair. Breaking out of the loop closes the response.
func (r *Response) Lines(ctx context.Context) func(yield func(string, error) bool) {
	return func(yield func(string, error) bool) {
		var line []byte
		limit := r.body.maxLine
		for p, err := range r.Chunks(ctx) {
			if err != nil {
				yield("", err)
				return
			}
			for len(p) > 0 {
				head, tail, found := bytes.Cut(p, []byte("\n"))
				if len(line)+len(head) > limit {
					yield("", &LimitError{"line", int64(limit)})
					return
				}
				line = append(line, head...)
				p = tail
				if found {
					if !yield(strings.TrimSuffix(string(line), "\r"), nil) {
						return
					}
					line = line[:0]
				}
			}
		}
		if len(line) > 0 {
			yield(strings.TrimSuffix(string(line), "\r"), nil)
		}
	}
}

// bodyReader is the Body of a response.
type bodyReader responseBody

// Read implements io.Reader. It suspends the task that is running.
func (b *bodyReader) Read(p []byte) (int, error) { return b.out.Read(b.loop.Context(), p) }

// Close implements io.Closer.
func (b *bodyReader) Close() error { return b.out.Close() }
