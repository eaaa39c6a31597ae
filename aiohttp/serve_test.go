package aiohttp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

// quiet is a server of net/http that logs nothing.
func quiet() *http.Server { return &http.Server{ErrorLog: log.New(io.Discard, "", 0)} }

// dial connects to a server. The connection has a deadline, and is closed at the end of
// the test.
func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// in runs f in a task of l.
func in(t *testing.T, l *aio.Loop, f func(ctx context.Context) error) {
	t.Helper()
	if _, err := aio.RunCoroutineThreadsafe(l, aio.NoResult(f)).Result(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// deadlineKey is the key of the deadline that a context was derived with.
type deadlineKey struct{}

// A handler whose read of a stalled body times out can still respond; the connection is
// closed after the response.
func TestTimeoutAroundStalledBody(t *testing.T) {
	l, _ := startLoop(t)
	stall := aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		err := aio.Timeout(ctx, time.Millisecond, func(context.Context) error {
			_, err := io.ReadAll(r.Body)
			return err
		})
		if !errors.Is(err, aio.ErrTimeout) {
			t.Errorf("the read returned %v", err)
		}
		if _, err := r.Body.Read(make([]byte, 1)); !errors.Is(err, aio.ErrCancelled) {
			t.Errorf("the next read returned %v", err)
		}
		http.Error(w, "too slow", http.StatusRequestTimeout)
	})
	handler := serve(t, aiohttp.Handler(l, stall)).Listener.Addr().String()
	served := startServer(t, stall, nil).Addr().String()
	for name, body := range map[string]string{
		"length":   "Content-Length: 100000\r\n\r\nabc",
		"chunk":    "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"chunks":   "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"trailers": "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-S",
		"nothing":  "Content-Length: 10\r\n\r\n",
	} {
		for _, addr := range []string{handler, served} {
			c := dial(t, addr)
			if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\n"+body); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(c)
			r, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			b, err := io.ReadAll(r.Body)
			if r.StatusCode != http.StatusRequestTimeout || string(b) != "too slow\n" || err != nil || !r.Close {
				t.Errorf("%s: status %d, body %q, %v, close=%v", name, r.StatusCode, b, err, r.Close)
			}
			if _, err := in.ReadByte(); err != io.EOF {
				t.Errorf("%s: after the response: %v", name, err)
			}
		}
	}
}

// A read that times out after the response has begun aborts the connection: the rest of
// the body must not be parsed as a request.
func TestTimeoutAroundBodyAfterResponse(t *testing.T) {
	var calls atomic.Int32
	srv := startServer(t, aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		rc := http.NewResponseController(w)
		if err := errors.Join(rc.EnableFullDuplex(), rc.Flush()); err != nil {
			t.Error(err)
		}
		err := aio.Timeout(ctx, time.Millisecond, func(context.Context) error {
			_, err := io.ReadAll(r.Body)
			return err
		})
		if !errors.Is(err, aio.ErrTimeout) {
			t.Errorf("the read returned %v", err)
		}
		io.WriteString(w, "done")
	}), &aiohttp.ServeOptions{HTTP: quiet()})
	c := dial(t, srv.Addr().String())
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r.Body); err == nil {
		t.Errorf("the client took %q for a complete response", b)
	}
	io.WriteString(c, strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 10))
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// Whatever cancels a handler, the client never takes a partial response for a complete
// one. Only a handler that calls Uncancel itself completes its response.
func TestCancelledHandlers(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler func(ctx context.Context, w http.ResponseWriter, sleep func() error)
		want    string
	}{
		{"nothing written", func(ctx context.Context, w http.ResponseWriter, sleep func() error) {
			_ = sleep()
		}, "503 \"Service Unavailable\\n\" <nil>"},
		{"header written", func(ctx context.Context, w http.ResponseWriter, sleep func() error) {
			w.WriteHeader(200)
			_ = sleep()
		}, "EOF"},
		{"some written", func(ctx context.Context, w http.ResponseWriter, sleep func() error) {
			io.WriteString(w, "half")
			_ = sleep()
		}, "EOF"},
		{"much written", func(ctx context.Context, w http.ResponseWriter, sleep func() error) {
			io.WriteString(w, strings.Repeat("half", 1000))
			_ = sleep()
		}, "EOF"},
		{"flushed", func(ctx context.Context, w http.ResponseWriter, sleep func() error) {
			io.WriteString(w, "half")
			http.NewResponseController(w).Flush()
			_ = sleep()
		}, "200 \"half\" unexpected EOF"},
		{"answered after it", func(ctx context.Context, w http.ResponseWriter, sleep func() error) {
			_ = sleep()
			http.Error(w, "sorry", http.StatusBadGateway)
		}, "502 \"sorry\\n\" <nil>"},
		{"uncancelled", func(ctx context.Context, w http.ResponseWriter, sleep func() error) {
			io.WriteString(w, "one ")
			_ = sleep()
			aio.CurrentTask(ctx).Uncancel()
			io.WriteString(w, "two")
		}, "200 \"one two\" <nil>"},
	} {
		for _, how := range []string{"Cancel", "stop", "Close"} {
			if how == "Close" && (c.name == "uncancelled" || c.name == "answered after it") {
				continue
			}
			t.Run(c.name+", "+how, func(t *testing.T) {
				l := aio.NewEventLoop(nil)
				l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_ = l.RunForever()
					// Run cancels the tasks at its end
					if how == "stop" {
						for _, task := range aio.AllTasks(l.Context()) {
							task.Cancel()
						}
						_, err := aio.RunUntilComplete(l, aio.Coro[struct{}](func(ctx context.Context) (struct{}, error) {
							for len(aio.AllTasks(ctx)) > 1 {
								if err := aio.Sleep(ctx, 0); err != nil {
									return struct{}{}, err
								}
							}
							return struct{}{}, nil
						}))
						if err != nil {
							t.Error(err)
						}
					}
					if err := l.Close(); err != nil {
						t.Error(err)
					}
				}()
				began := make(chan aio.AnyTask, 1)
				s := httptest.NewUnstartedServer(tasks(l, func(ctx context.Context, w http.ResponseWriter, _ *http.Request) {
					c.handler(ctx, w, func() error {
						began <- aio.CurrentTask(ctx)
						return aio.Sleep(ctx, time.Hour)
					})
				}))
				s.Config.ErrorLog = log.New(io.Discard, "", 0)
				s.Start()
				got := make(chan string)
				go func() { got <- oneAnswer(s.URL) }()
				task := <-began
				switch how {
				case "Cancel":
					l.CallSoonThreadsafe(func() { task.Cancel() })
				default:
					l.CallSoonThreadsafe(l.Stop)
				}
				if got := <-got; got != c.want {
					t.Errorf("the client got %s, want %s", got, c.want)
				}
				if how == "Cancel" {
					l.CallSoonThreadsafe(l.Stop)
				}
				<-ended
				s.Close()
			})
		}
	}
}

// oneAnswer describes the response that a client gets.
func oneAnswer(url string) string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	// a POST, which the client does not repeat
	r, err := client.Post(url, "text/plain", strings.NewReader("x"))
	if err != nil {
		return errors.Unwrap(err).Error()
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return fmt.Sprintf("%d %q %v", r.StatusCode, b, err)
}

// The context of a handler has the values, the deadline and the cause of the request's
// context.
func TestRequestContext(t *testing.T) {
	l, _ := startLoop(t)
	type key struct{}
	errMine := errors.New("my cause")
	seen := make(chan string, 1)
	inner := tasks(l, func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		deadline, ok := ctx.Deadline()
		err := aio.Sleep(ctx, 10*time.Second)
		seen <- fmt.Sprintf("%v, deadline %v %v, err %v, cause %v, cancelling %d, await %v", ctx.Value(key{}), ok,
			deadline.Equal(ctx.Value(deadlineKey{}).(time.Time)), ctx.Err(), context.Cause(ctx), aio.CurrentTask(ctx).Cancelling(),
			errors.Is(err, context.Cause(ctx)) || errors.Is(err, context.Canceled))
	})
	for _, c := range []struct {
		name   string
		derive func(ctx context.Context) (context.Context, context.CancelFunc, time.Time)
		want   string
	}{
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc, time.Time) {
			d := time.Now().Add(5 * time.Millisecond)
			ctx, cancel := context.WithDeadline(ctx, d)
			return ctx, cancel, d
		}, "value, deadline true true, err context deadline exceeded, cause context deadline exceeded, cancelling 0, await true"},
		{"deadline with a cause", func(ctx context.Context) (context.Context, context.CancelFunc, time.Time) {
			d := time.Now().Add(5 * time.Millisecond)
			ctx, cancel := context.WithDeadlineCause(ctx, d, errMine)
			return ctx, cancel, d
		}, "value, deadline true true, err context deadline exceeded, cause my cause, cancelling 0, await true"},
		{"cancel with a cause", func(ctx context.Context) (context.Context, context.CancelFunc, time.Time) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(5*time.Millisecond, func() { cancel(errMine) })
			return ctx, func() { cancel(nil) }, time.Time{}
		}, "value, deadline false true, err context canceled, cause my cause, cancelling 1, await true"},
	} {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel, deadline := c.derive(context.WithValue(r.Context(), key{}, "value"))
			defer cancel()
			inner.ServeHTTP(w, r.WithContext(context.WithValue(ctx, deadlineKey{}, deadline)))
		})
		s := serve(t, h)
		oneAnswer(s.URL)
		if got := <-seen; got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// Wherever a client stalls, the server closes the connection after its time limit, and
// the operation in progress returns an error.
func TestStalledClients(t *testing.T) {
	seen := make(chan error, 1)
	h := aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/read":
			_, err := io.ReadAll(r.Body)
			seen <- err
		case "/write":
			var err error
			for err == nil {
				_, err = w.Write(make([]byte, 100_000))
			}
			seen <- err
		case "/flush":
			var err error
			for err == nil {
				_, err = w.Write(make([]byte, 1000))
				if err == nil {
					err = http.NewResponseController(w).Flush()
				}
			}
			seen <- err
		}
	})
	// On a slow machine a short header timeout could end a request before it is
	// handled.
	const limit = 20 * time.Millisecond
	between := startServer(t, h, &aiohttp.ServeOptions{HTTP: &http.Server{ReadHeaderTimeout: limit, IdleTimeout: limit, ErrorLog: quiet().ErrorLog}})
	within := startServer(t, h, &aiohttp.ServeOptions{HTTP: &http.Server{IdleTimeout: limit, ErrorLog: quiet().ErrorLog}, StallTimeout: limit})
	for _, c := range []struct {
		name, raw string
		handled   bool
		never     bool // the client does not read
	}{
		{"says nothing", "", false, false},
		{"request line", "GET /re", false, false},
		{"header", "GET /read HTTP/1.1\r\nHost: x\r\nX-", false, false},
		{"idle", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", false, false},
		{"body", "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", true, false},
		{"chunk", "POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", true, false},
		{"trailers", "POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-", true, false},
		{"body that is not read", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", false, false},
		{"never reads", "GET /write HTTP/1.1\r\nHost: x\r\n\r\n", true, true},
		{"never reads flushed data", "GET /flush HTTP/1.1\r\nHost: x\r\n\r\n", true, true},
	} {
		srv := between
		if c.handled || strings.HasPrefix(c.name, "body") {
			srv = within
		}
		conn := dial(t, srv.Addr().String())
		if _, err := io.WriteString(conn, c.raw); err != nil {
			t.Fatal(err)
		}
		if !c.never {
			if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: the server still waits", c.name)
			}
		}
		if c.handled {
			// net/http returns another error for trailers.
			if err := <-seen; !errors.Is(err, os.ErrDeadlineExceeded) && (err == nil || c.name != "trailers") {
				t.Errorf("%s: the handler got %v", c.name, err)
			}
		}
		conn.Close()
	}
}

// A client that sends requests and never reads the responses is disconnected, although
// each response fits into a buffer.
func TestAnswersThatNobodyReads(t *testing.T) {
	ended := make(chan struct{})
	hs := quiet()
	hs.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			close(ended)
		}
	}
	srv := startServer(t, aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 1000))
	}), &aiohttp.ServeOptions{HTTP: hs, StallTimeout: 20 * time.Millisecond})
	conn := dial(t, srv.Addr().String())
	requests := []byte(strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1000))
	for {
		if _, err := conn.Write(requests); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the server still waits")
			}
			break
		}
	}
	conn.Close()
	<-ended
}

// Inside a handler, http.MaxBytesReader limits what the handler reads and returns its
// error; the rest of the body is not parsed as a request.
func TestMaxBytesInside(t *testing.T) {
	h := aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		var tooLarge *http.MaxBytesError
		if !errors.As(err, &tooLarge) || tooLarge.Limit != 10 {
			fmt.Fprint(w, "read all, ", err)
			return
		}
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	})
	srv := startServer(t, http.MaxBytesHandler(h, 10), nil)
	for _, n := range []int{10, 11, 5000, 40_000, 1_000_000} {
		for name, raw := range map[string]string{
			"length": rawPost("/", n), "chunked": rawChunked("/", n),
		} {
			conn := dial(t, srv.Addr().String())
			go io.WriteString(conn, raw+probe)
			in := bufio.NewReader(conn)
			r, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			want := "413 too large\n"
			if n == 10 {
				want = "200 read all, <nil>"
			}
			if got := fmt.Sprintf("%d %s", r.StatusCode, b); got != want {
				t.Errorf("%d bytes, %s: %q, want %q", n, name, got, want)
			}
			// Either the rest was read, or the connection is closed.
			r, err = http.ReadResponse(in, nil)
			if err == nil && (r.StatusCode != http.StatusOK || n == 1_000_000) {
				t.Errorf("%d bytes, %s: after that %d", n, name, r.StatusCode)
			}
			conn.Close()
		}
	}
}

// The loop keeps running while clients do not read: writes that are not flushed fit
// into the buffers of net/http.
func TestSmallWritesDoNotReachTheConnection(t *testing.T) {
	l, _ := startLoop(t)
	writes := &countingListener{Listener: listen(t)}
	before, after := make(chan int64, 1), make(chan int64, 1)
	s := &http.Server{Handler: tasks(l, func(_ context.Context, w http.ResponseWriter, r *http.Request) {
		before <- writes.n.Load()
		for range 4 {
			w.Write(make([]byte, 512))
		}
		after <- writes.n.Load()
	})}
	go s.Serve(writes)
	defer s.Close()
	status, body := get(t, "http://"+writes.Addr().String())
	if b, a := <-before, <-after; b != a || status != 200 || len(body) != 2048 {
		t.Errorf("%d writes, then %d; the client got %d bytes", b, a, len(body))
	}
	http.DefaultClient.CloseIdleConnections()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// countingListener counts the writes to its connections.
type countingListener struct {
	net.Listener
	n atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &countingConn{c, &l.n}, err
}

type countingConn struct {
	net.Conn
	n *atomic.Int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.n.Add(1)
	return c.Conn.Write(p)
}

// protocols returns the ways to use HTTP/2 with a server.
func protocols(t *testing.T, h http.Handler) map[string]struct {
	url    string
	client *http.Client
} {
	certs := httptest.NewUnstartedServer(nil)
	certs.StartTLS()
	certs.Close()
	secure := quiet()
	secure.TLSConfig = &tls.Config{Certificates: certs.TLS.Certificates}
	plain := quiet()
	plain.Protocols = new(http.Protocols)
	plain.Protocols.SetHTTP1(true)
	plain.Protocols.SetUnencryptedHTTP2(true)
	h2c := &http.Transport{Protocols: new(http.Protocols)}
	h2c.Protocols.SetUnencryptedHTTP2(true)
	h2 := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	ways := map[string]struct {
		url    string
		client *http.Client
	}{
		"TLS": {startServer(t, h, &aiohttp.ServeOptions{HTTP: secure}).URL(), &http.Client{Transport: h2}},
		"h2c": {startServer(t, h, &aiohttp.ServeOptions{HTTP: plain}).URL(), &http.Client{Transport: h2c}},
	}
	// before the shutdown of the servers, which would wait for connections
	t.Cleanup(func() {
		h2.CloseIdleConnections()
		h2c.CloseIdleConnections()
	})
	return ways
}

// HTTP/2: two tasks use both directions of a stream concurrently, with trailers in both
// directions.
func TestHTTP2(t *testing.T) {
	h := aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("the protocol is %s", r.Proto)
		}
		w.Header().Set("Trailer", "X-Sum")
		lines := aio.NewQueue[string](1)
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error {
				defer lines.Shutdown(false)
				in := bufio.NewScanner(r.Body)
				for in.Scan() {
					if err := lines.Put(ctx, in.Text()); err != nil {
						return err
					}
				}
				return in.Err()
			})
			tg.Go(func(ctx context.Context) error {
				for line, err := range lines.All(ctx) {
					if err != nil {
						return err
					}
					fmt.Fprintln(w, strings.ToUpper(line))
					if err := http.NewResponseController(w).Flush(); err != nil {
						return err
					}
				}
				return nil
			})
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Sum", r.Trailer.Get("X-Client"))
	})
	for name, p := range protocols(t, h) {
		pr, pw := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), "POST", p.url, pr)
		if err != nil {
			t.Fatal(err)
		}
		req.Trailer = http.Header{"X-Client": {"sum"}}
		go io.WriteString(pw, "one\n")
		r, err := p.client.Do(req)
		if err != nil {
			t.Fatal(name, err)
		}
		in := bufio.NewReader(r.Body)
		for _, line := range []string{"ONE\n", "TWO\n"} {
			got, err := in.ReadString('\n')
			if got != line || err != nil {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
			if line == "ONE\n" {
				io.WriteString(pw, "two\n")
			}
		}
		pw.Close()
		if _, err := io.ReadAll(in); err != nil || r.Trailer.Get("X-Sum") != "sum" {
			t.Errorf("%s: %v, trailers %v", name, err, r.Trailer)
		}
		r.Body.Close()
	}
}

// Handlers of net/http can wrap the task handler, and may block.
func TestOutside(t *testing.T) {
	l, _ := startLoop(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	target := serve(t, tasks(l, func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %v", r.URL.Path, b, err)
	}))
	at, err := url.Parse(target.URL)
	if err != nil {
		t.Fatal(err)
	}
	released := make(chan struct{})
	slow := tasks(l, func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		err := aio.Sleep(ctx, time.Hour)
		io.WriteString(w, "too late")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the await returned %v", err)
		}
		close(released)
	})
	proxy := httputil.NewSingleHostReverseProxy(at)
	mux := http.NewServeMux()
	mux.Handle("/timeout", http.TimeoutHandler(slow, 5*time.Millisecond, "timed out"))
	mux.Handle("/quick", http.TimeoutHandler(tasks(l, func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		_ = aio.Sleep(ctx, 0)
		io.WriteString(w, "quick")
	}), time.Minute, ""))
	mux.Handle("/proxy", proxy)
	mux.Handle("/tasks/", http.StripPrefix("/tasks", aiohttp.Handler(l, func() http.Handler {
		inside := http.NewServeMux()
		inside.Handle("/proxy", aiohttp.Blocking(proxy))
		inside.Handle("/file", http.FileServer(http.Dir(dir)))
		inside.Handle("/blocking/file", aiohttp.Blocking(http.StripPrefix("/tasks/blocking", http.FileServer(http.Dir(dir)))))
		inside.Handle("/panic", aiohttp.Blocking(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })))
		inside.Handle("/timeout", http.TimeoutHandler(aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
			if err := aio.Sleep(ctx, 0); !errors.Is(err, aio.ErrWrongGoroutine) {
				t.Errorf("an await inside TimeoutHandler returned %v", err)
			}
			io.WriteString(w, "refused")
		}), time.Minute, ""))
		return inside
	}())))
	s := serve(t, mux)
	for _, c := range []struct{ path, want string }{
		{"/timeout", "503 \"timed out\" <nil>"},
		{"/quick", "200 \"quick\" <nil>"},
		{"/proxy", "200 \"/proxy x <nil>\" <nil>"},
		{"/tasks/proxy", "200 \"/proxy x <nil>\" <nil>"},
		{"/tasks/file", "200 \"text\" <nil>"},
		{"/tasks/blocking/file", "404 \"404 page not found\\n\" <nil>"},
		{"/tasks/panic", "EOF"},
		{"/tasks/timeout", "200 \"refused\" <nil>"},
	} {
		if got := oneAnswer(s.URL + c.path); got != c.want {
			t.Errorf("%s: got %s, want %s", c.path, got, c.want)
		}
	}
	<-released
	proxy.Transport = nil
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// Server-sent events arrive one at a time, and their handler returns when the server
// starts draining.
func TestServerSentEvents(t *testing.T) {
	events := aio.NewQueue[int](0)
	var srv *aiohttp.Server
	l, _ := startLoop(t)
	in(t, l, func(ctx context.Context) (err error) {
		srv, err = aiohttp.Serve(ctx, aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(func(ctx context.Context) error {
					_, _, err := aio.Receive(ctx, aiohttp.Draining(ctx))
					events.Shutdown(false)
					return err
				})
				for n, err := range events.All(ctx) {
					if err != nil {
						return err
					}
					fmt.Fprintf(w, "data: %d\n\n", n)
					if err := http.NewResponseController(w).Flush(); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}), "127.0.0.1:0", nil)
		return err
	})
	l.CallSoonThreadsafe(func() { _ = events.PutNowait(1) })
	r, err := http.Get(srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	lines := bufio.NewReader(r.Body)
	for n := 1; n <= 3; n++ {
		if line, err := lines.ReadString('\n'); line != fmt.Sprintf("data: %d\n", n) || err != nil {
			t.Fatalf("got %q, %v", line, err)
		}
		_, _ = lines.ReadString('\n')
		if n < 3 {
			l.CallSoonThreadsafe(func() { _ = events.PutNowait(n + 1) })
		}
	}
	down := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error { return srv.Shutdown(ctx, time.Minute) }))
	if b, err := io.ReadAll(lines); len(b) != 0 || err != nil {
		t.Errorf("after the last event: %q, %v", b, err)
	}
	if _, err := down.Result(t.Context()); err != nil {
		t.Error(err)
	}
}
