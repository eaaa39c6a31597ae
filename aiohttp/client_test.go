package aiohttp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
	"github.com/goaio/aio/internal/stage"
)

// run runs f as the main task of a loop.
func run(t *testing.T, f func(ctx context.Context) error) {
	t.Helper()
	if err := aio.Run(f); err != nil {
		t.Fatal(err)
	}
}

// newClient returns a client. Its idle connections are closed at the end of the test.
func newClient(t *testing.T) *aiohttp.Client {
	c := &aiohttp.Client{HTTP: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// conns counts the open connections of a test server, and all that it ever had.
type conns struct{ open, all atomic.Int32 }

func (c *conns) state(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		c.all.Add(1)
		c.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		c.open.Add(-1)
	}
}

func TestClientReadsBodies(t *testing.T) {
	var seen conns
	s := serveCounted(t, &seen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/echo":
			b, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Header.Get("X-Mine"), r.URL.RawQuery, b)
		case "/v1/json":
			io.WriteString(w, `{"n": 3}`)
		case "/v1/lines":
			io.WriteString(w, "one\r\n\ntwo\nthree")
		case "/v1/large":
			w.Write(bytes.Repeat([]byte("0123456789"), 100_000))
		case "/v1/long-line":
			w.Write(bytes.Repeat([]byte("x"), 100_000))
		}
	}))
	c := newClient(t)
	c.BaseURL, c.Header = s+"/v1", http.Header{"x-mine": {"yes"}}
	run(t, func(ctx context.Context) error {
		text := func(resp *aiohttp.Response, err error) string {
			if err != nil {
				return err.Error()
			}
			body, err := resp.Text(ctx)
			return fmt.Sprint(resp.StatusCode, " ", body, " ", err)
		}
		if got := text(c.Get(ctx, "echo?q=1")); got != "200 GET yes q=1  <nil>" {
			t.Error(got)
		}
		if got := text(c.Post(ctx, "/echo", "text/plain", strings.NewReader("body"))); got != "200 POST yes  body <nil>" {
			t.Error(got)
		}
		if got := text(c.PostJSON(ctx, s+"/v1/echo", map[string]int{"n": 1})); got != `200 POST yes  {"n":1} <nil>` {
			t.Error(got)
		}
		resp, err := c.Get(ctx, "json")
		if err != nil {
			return err
		}
		var v struct{ N int }
		if err := resp.JSON(ctx, &v); err != nil || v.N != 3 {
			t.Error(v, err)
		}
		if resp, err = c.Get(ctx, "lines"); err != nil {
			return err
		}
		var lines []string
		for line, err := range resp.Lines(ctx) {
			if err != nil {
				return err
			}
			lines = append(lines, line)
		}
		if got := fmt.Sprintf("%q", lines); got != `["one" "" "two" "three"]` {
			t.Error(got)
		}
		if resp, err = c.Get(ctx, "large"); err != nil {
			return err
		}
		b, err := io.ReadAll(resp.Body)
		if len(b) != 1_000_000 || err != nil {
			t.Error(len(b), err)
		}
		if n := seen.all.Load(); n != 1 {
			t.Errorf("%d connections for requests one after the other", n)
		}
		if resp, err = c.Get(ctx, "long-line"); err != nil {
			return err
		}
		var limit *aiohttp.LimitError
		for _, err := range resp.Lines(ctx) {
			if !errors.As(err, &limit) || limit.Limit != 64<<10 || limit.What != "line" {
				t.Errorf("a long line: %v", err)
			}
		}
		c.MaxBody = 999_999
		if resp, err = c.Get(ctx, "large"); err != nil {
			return err
		}
		if _, err := resp.Bytes(ctx); !errors.As(err, &limit) || limit.Limit != 999_999 || limit.What != "body" {
			t.Errorf("a long body: %v", err)
		}
		if _, err := resp.Bytes(ctx); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed response: %v", err)
		}
		return nil
	})
}

// serveCounted serves h and counts the connections.
func serveCounted(t *testing.T, c *conns, h http.Handler) string {
	ln := listen(t)
	s := &http.Server{Handler: h, ConnState: c.state, ErrorLog: quiet().ErrorLog}
	go s.Serve(ln)
	t.Cleanup(func() { s.Close() })
	return "http://" + ln.Addr().String()
}

// A cancelled request leaves no half-read connection, and does not keep running on the
// server.
func TestClientCancelled(t *testing.T) {
	var seen conns
	began, gone := make(chan struct{}, 1), make(chan struct{}, 1)
	s := serveCounted(t, &seen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/quick" {
			io.WriteString(w, "quick")
			return
		}
		if r.URL.Path == "/body" {
			io.WriteString(w, "beginning")
			w.(http.Flusher).Flush()
		} else {
			began <- struct{}{}
		}
		<-r.Context().Done()
		gone <- struct{}{}
	}))
	c := newClient(t)
	run(t, func(ctx context.Context) error {
		var reads aio.Event // set when the response header has arrived
		read := func(ctx context.Context, url string) error {
			resp, err := c.Get(ctx, url)
			if err == nil {
				reads.Set()
				_, err = resp.Bytes(ctx)
				if _, again := resp.Bytes(ctx); again == nil {
					t.Error("the response can still be read after the request was cancelled")
				}
			}
			return err
		}
		// underWay suspends the calling task until the server handles the
		// request.
		underWay := func(ctx context.Context, path string) error {
			if path == "/header" {
				_, _, err := aio.Receive(ctx, began)
				return err
			}
			defer reads.Clear()
			return reads.Wait(ctx)
		}
		for _, path := range []string{"/header", "/body"} {
			for name, end := range map[string]func() error{
				"Timeout": func() error {
					scope := aio.NewTimeout(aio.NoTimeout)
					late := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
						if err := underWay(ctx, path); err != nil {
							return err
						}
						scope.Reschedule(time.Now())
						return nil
					}))
					err := scope.Run(ctx, func(ctx context.Context) error { return read(ctx, s+path) })
					if _, lerr := late.Await(ctx); lerr != nil {
						return lerr
					}
					return err
				},
				"Cancel": func() error {
					task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return read(ctx, s+path) }))
					if err := underWay(ctx, path); err != nil {
						return err
					}
					task.Cancel()
					_, err := task.Await(ctx)
					return err
				},
				"derived context": func() error {
					derived, cancel := context.WithCancelCause(ctx)
					defer cancel(nil)
					late := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
						if err := underWay(ctx, path); err != nil {
							return err
						}
						cancel(context.DeadlineExceeded)
						return nil
					}))
					err := read(derived, s+path)
					if _, lerr := late.Await(ctx); lerr != nil {
						return lerr
					}
					return err
				},
			} {
				if err := end(); !errors.Is(err, aio.ErrTimeout) && !errors.Is(err, aio.ErrCancelled) && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s%s: %v", name, path, err)
				}
				if _, _, err := aio.Receive(ctx, gone); err != nil {
					return err
				}
			}
		}
		// When a scope ends, the requests made in it are cancelled.
		var resp *aiohttp.Response
		err := aio.Timeout(ctx, time.Minute, func(ctx context.Context) (err error) {
			resp, err = c.Get(ctx, s+"/body")
			return err
		})
		if err != nil {
			return err
		}
		if _, _, err := aio.Receive(ctx, gone); err != nil {
			return err
		}
		if _, err := resp.Bytes(ctx); err == nil {
			t.Error("a response outlives the scope of its request")
		}
		// Leaving a range loop over the body cancels the request too.
		for range 2 {
			if resp, err = c.Get(ctx, s+"/body"); err != nil {
				return err
			}
			for range resp.Chunks(ctx) {
				break
			}
			if _, _, err := aio.Receive(ctx, gone); err != nil {
				return err
			}
		}
		// A cancelled task can make requests in its clean-up.
		task := aio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			if err := aio.Sleep(ctx, time.Hour); err == nil {
				t.Error("not cancelled")
			}
			resp, err := c.Get(ctx, s+"/quick")
			if err != nil {
				return "", err
			}
			return resp.Text(ctx)
		})
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		task.Cancel()
		if text, err := task.Await(ctx); text != "quick" || err != nil {
			t.Errorf("cleaning up: %q, %v", text, err)
		}
		return nil
	})
}

// rogue starts a server that runs talk on each connection.
func rogue(t *testing.T, talk func(c *net.TCPConn)) string {
	ln := listen(t)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := c.Read(make([]byte, 4096)); err == nil {
					// a request
					talk(c.(*net.TCPConn))
				}
			}()
		}
	}()
	return "http://" + ln.Addr().String()
}

// Whatever a server sends, the request ends with an error that describes it, and the
// next request works.
func TestClientAndRogueServers(t *testing.T) {
	say := func(s string) func(*net.TCPConn) { return func(c *net.TCPConn) { io.WriteString(c, s) } }
	stall := func(s string) func(*net.TCPConn) {
		return func(c *net.TCPConn) {
			io.WriteString(c, s)
			io.Copy(io.Discard, c)
		}
	}
	reset := func(s string) func(*net.TCPConn) {
		return func(c *net.TCPConn) {
			io.WriteString(c, s)
			_ = c.SetLinger(0)
		}
	}
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	for range 10 {
		zip.Write(make([]byte, 1<<20))
	}
	zip.Close()
	isTimeout := func(err error) bool { return errors.Is(err, aio.ErrTimeout) }
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	says := func(text string) func(error) bool {
		return func(err error) bool { return err != nil && strings.Contains(err.Error(), text) }
	}
	for _, c := range []struct {
		name string
		talk func(*net.TCPConn)
		ok   func(error) bool
	}{
		{"says nothing", stall(""), isTimeout},
		{"stalls in the header", stall("HTTP/1.1 200 OK\r\nX-"), isTimeout},
		{"stalls in the body", stall("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), isTimeout},
		{"stalls in a chunk", stall("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"), isTimeout},
		{"stalls in the trailers", stall("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-"), isTimeout},
		{"closes", say(""), is(io.EOF)},
		{"closes in the header", say("HTTP/1.1 200 OK\r\nX-"), says("malformed")},
		{"closes in the body", say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), is(io.ErrUnexpectedEOF)},
		{"closes in a chunk", say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"), is(io.ErrUnexpectedEOF)},
		{"closes in the trailers", say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-"), func(err error) bool { return err != nil }},
		{"resets", reset(""), func(err error) bool { return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) }},
		{"resets in the body", func(c *net.TCPConn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("x", 100_000))
			_ = c.SetLinger(0)
		}, func(err error) bool { return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF) }},
		{"speaks no HTTP", say("220 mail ready\r\n"), says("malformed")},
		{"has a bad length", say("HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n"), says("bad Content-Length")},
		{"has two lengths", say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), says("Content-Length")},
		{"says more than its length", say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"), is(nil)},
		{"has a bad chunk", say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n"), says("invalid byte in chunk length")},
		{"redirects without end", say("HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"), says("stopped after 10 redirects")},
		{"redirects to nowhere", say("HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n"), says("Location")},
		{"has a header without end", func(c *net.TCPConn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for {
				if _, err := io.WriteString(c, "X: "+strings.Repeat("x", 10_000)+"\r\n"); err != nil {
					return
				}
			}
		}, says("exceeded")},
		{"sends a bomb", func(c *net.TCPConn) {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", bomb.Len())
			c.Write(bomb.Bytes())
		}, says("longer than the limit of 1000000 bytes")},
		{"sends without end", func(c *net.TCPConn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			for {
				if _, err := c.Write(make([]byte, 10_000)); err != nil {
					return
				}
			}
		}, says("longer than the limit of 1000000 bytes")},
	} {
		url := rogue(t, c.talk)
		client := newClient(t)
		client.MaxBody = 1_000_000
		client.HTTP.Transport.(*http.Transport).MaxResponseHeaderBytes = 100_000
		run(t, func(ctx context.Context) error {
			get := func(ctx context.Context) error {
				resp, err := client.Get(ctx, url)
				if err != nil {
					return err
				}
				_, err = resp.Bytes(ctx)
				return err
			}
			limit := 10 * time.Second
			if strings.HasPrefix(c.name, "stalls") || strings.HasPrefix(c.name, "says nothing") {
				limit = 5 * time.Millisecond
			}
			if err := aio.Timeout(ctx, limit, get); !c.ok(err) {
				t.Errorf("a server that %s: %v", c.name, err)
			}
			return nil
		})
	}
}

// Retry repeats only requests that may be repeated, and not more often than Attempts
// allows.
func TestClientRetries(t *testing.T) {
	var calls atomic.Int32
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch n := calls.Add(1); {
		case r.URL.Path == "/abort" && n < 3:
			panic(http.ErrAbortHandler)
		case r.URL.Path == "/busy" && n < 3:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/later":
			w.Header().Set("Retry-After", "100")
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			fmt.Fprintf(w, "%d %s", n, b)
		}
	}))
	s.Config.ErrorLog = quiet().ErrorLog
	ln := listen(t)
	ln.Close()
	closed := "http://" + ln.Addr().String()
	c := newClient(t)
	// With keep-alive, net/http would repeat some requests on its own.
	c.HTTP.Transport.(*http.Transport).DisableKeepAlives = true
	c.Retry = aiohttp.Retry{Attempts: 4, Delay: time.Millisecond}
	run(t, func(ctx context.Context) error {
		for _, v := range []struct {
			method, url, body, key string
			want                   string
			calls                  int32
		}{
			{"GET", s.URL + "/ok", "", "", "200 1 ", 1},
			{"GET", s.URL + "/abort", "", "", "200 3 ", 3},
			{"PUT", s.URL + "/abort", "body", "", "200 3 body", 3},
			{"POST", s.URL + "/abort", "body", "", "EOF", 1},
			{"POST", s.URL + "/abort", "body", "a", "200 3 body", 3},
			{"GET", s.URL + "/busy", "", "", "200 3 ", 3},
			{"POST", s.URL + "/busy", "body", "", "503 ", 1},
			{"GET", s.URL + "/later", "", "", "503 ", 1},
			{"GET", s.URL + "/broken", "", "", "500 ", 1},
			{"GET", closed, "", "", "refused", 0},
			{"POST", closed, "body", "", "refused", 0},
		} {
			calls.Store(0)
			req, err := http.NewRequest(v.method, v.url, strings.NewReader(v.body))
			if err != nil {
				return err
			}
			if v.key != "" {
				req.Header.Set("Idempotency-Key", v.key)
			}
			var got string
			if resp, err := c.Do(ctx, req); err != nil {
				got = err.Error()
			} else {
				text, err := resp.Text(ctx)
				if err != nil {
					return err
				}
				got = fmt.Sprint(resp.StatusCode, " ", text)
			}
			if !strings.HasSuffix(got, v.want) || calls.Load() != v.calls {
				t.Errorf("%s %s: %q after %d calls, want %q after %d", v.method, v.url, got, calls.Load(), v.want, v.calls)
			}
		}
		// A cancellation while waiting is final.
		c.Retry.Delay, c.Retry.MaxDelay = time.Hour, time.Hour
		if err := aio.Timeout(ctx, 5*time.Millisecond, func(ctx context.Context) error {
			_, err := c.Get(ctx, closed)
			return err
		}); !errors.Is(err, aio.ErrTimeout) {
			t.Errorf("a cancelled retry: %v", err)
		}
		return nil
	})
}

// A request counts towards the limit per host until its body is closed; others wait in
// FIFO order.
func TestClientPerHost(t *testing.T) {
	var now, most atomic.Int32
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		w.(http.Flusher).Flush()
		io.WriteString(w, "body")
		now.Add(-1)
	}))
	c := newClient(t)
	c.PerHost = 3
	run(t, func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for range 30 {
				tg.Go(func(ctx context.Context) error {
					resp, err := c.Get(ctx, s.URL)
					if err != nil {
						return err
					}
					_, err = resp.Bytes(ctx)
					return err
				})
			}
			return nil
		})
	})
	if m := most.Load(); m > 3 {
		t.Errorf("%d requests at once", m)
	}
}

// The body of a request is sent while a task writes it, no faster than the server
// reads. The body of a response is read at most two pages ahead. So memory use is small
// for any size.
func TestClientStreams(t *testing.T) {
	size := stage.Amount[int64](1<<27, 1<<30, 1<<33)
	srv := startServer(t, aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n, " ", err)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(size))
		page := make([]byte, 100_000)
		for left := size; left > 0; left -= int64(len(page)) {
			if _, err := w.Write(page[:min(left, int64(len(page)))]); err != nil {
				t.Error(err)
				return
			}
		}
	}), nil)
	c := newClient(t)
	var most uint64
	measure := func() {
		// measures only reachable memory: the amount of garbage depends on the
		// load of the machine
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}
	run(t, func(ctx context.Context) error {
		body, w := aiohttp.Pipe(ctx)
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error {
				page := make([]byte, 1<<20)
				for n := range size >> 20 {
					if _, err := w.Write(page); err != nil {
						return w.CloseWithError(err)
					}
					if n%16 == 0 {
						measure()
					}
				}
				return w.Close()
			})
			resp, err := c.Post(ctx, srv.URL(), "application/octet-stream", body)
			if err != nil {
				return err
			}
			if got, err := resp.Text(ctx); got != fmt.Sprint(size, " <nil>") || err != nil {
				t.Errorf("uploaded %s, %v", got, err)
			}
			resp, err = c.Get(ctx, srv.URL())
			if err != nil {
				return err
			}
			n, pieces := int64(0), 0
			for p, err := range resp.Chunks(ctx) {
				if err != nil {
					return err
				}
				n += int64(len(p))
				if pieces++; pieces%500 == 0 {
					measure()
				}
			}
			if n != size {
				t.Errorf("downloaded %d", n)
			}
			return nil
		})
		if err != nil {
			return err
		}
		// If the server refuses the body, the writer gets an error.
		body, w = aiohttp.Pipe(ctx)
		refuse := rogue(t, func(c *net.TCPConn) {
			io.WriteString(c, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		})
		writer := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			for {
				if _, err := w.Write(make([]byte, 100_000)); err != nil {
					return 0, err
				}
			}
		})
		if resp, err := c.Post(ctx, refuse, "", body); err == nil {
			resp.Close()
		}
		if _, err := writer.Await(ctx); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the writer's error is %v", err)
		}
		return nil
	})
	t.Logf("%d MiB up and %d MiB down: at most %d KiB of the heap were reachable", size>>20, size>>20, most>>10)
	if most > 20<<20 {
		t.Errorf("%d MiB of the heap were reachable", most>>20)
	}
}
