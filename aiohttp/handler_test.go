package aiohttp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

// startLoop runs a loop in a new goroutine until the test ends. reports returns the
// messages that the exception handler got, including those of the running step: a
// response can arrive before its step has reported an error.
func startLoop(t testing.TB) (l *aio.Loop, reports func() []string) {
	t.Helper()
	l = aio.NewEventLoop(nil)
	var mu sync.Mutex
	var got []string
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprintf("%s: %v", ec.Message, ec.Err))
	})
	ended := make(chan error)
	running := make(chan struct{})
	go func() {
		l.CallSoon(func() { close(running) })
		ended <- l.RunForever()
	}()
	<-running
	t.Cleanup(func() {
		l.CallSoonThreadsafe(l.Stop)
		if err := errors.Join(<-ended, l.Close()); err != nil {
			t.Error(err)
		}
	})
	return l, func() []string {
		passed := make(chan struct{})
		l.CallSoonThreadsafe(func() { close(passed) })
		<-passed
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(got)
	}
}

// tasks returns a Handler that calls h.
func tasks(l *aio.Loop, h aiohttp.HandlerFunc) http.Handler { return aiohttp.Handler(l, h) }

// serve serves h until the test ends.
func serve(t *testing.T, h http.Handler) *httptest.Server {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// get returns the status and body of a response.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// Concurrent handlers switch only at awaits: the sum is right without a lock.
func TestHandlersShareStateWithoutALock(t *testing.T) {
	l, _ := startLoop(t)
	total := 0
	s := serve(t, tasks(l, func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		n := total
		total = n + 1
		if err := aio.Sleep(ctx, 0); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, n)
	}))
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if status, _ := get(t, s.URL); status != http.StatusOK {
				t.Errorf("status %d", status)
			}
		})
	}
	wg.Wait()
	if _, body := get(t, s.URL); body != "50" {
		t.Errorf("the total is %s, want 50", body)
	}
}

func TestHandlerAnswers(t *testing.T) {
	l, reports := startLoop(t)
	mux := http.NewServeMux()
	handle := func(pattern string, h aiohttp.HandlerFunc) { mux.Handle(pattern, tasks(l, h)) }
	handle("/nothing", func(context.Context, http.ResponseWriter, *http.Request) {})
	handle("/status", func(_ context.Context, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Test", "yes")
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "short and stout")
	})
	handle("/long", func(_ context.Context, w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			w.Write(bytes.Repeat([]byte("x"), 10_000))
		}
	})
	handle("/error/{id}", func(_ context.Context, w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no "+r.PathValue("id"), http.StatusNotFound)
	})
	s := serve(t, mux)
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/nothing", "", 200},
		{"/status", "short and stout", 418},
		{"/long", strings.Repeat("x", 1_000_000), 200},
		{"/error/7", "no 7\n", 404},
	} {
		if status, body := get(t, s.URL+c.path); status != c.status || body != c.body {
			t.Errorf("%s: %d with %d bytes, want %d with %d", c.path, status, len(body), c.status, len(c.body))
		}
	}
	if got := reports(); len(got) != 0 {
		t.Errorf("reported %q", got)
	}
}

// A panic after the response has begun aborts the connection, so that the client cannot
// mistake a truncated response for a complete one.
func TestPanicAfterFlushBreaksTheConnection(t *testing.T) {
	l, _ := startLoop(t)
	s := serve(t, tasks(l, func(_ context.Context, w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "half")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		panic(http.ErrAbortHandler)
	}))
	r, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, err := io.ReadAll(r.Body); err == nil || string(b) != "half" {
		t.Errorf("the client read %q and %v", b, err)
	}
}

// Bodies shorter and longer than the read-ahead buffer arrive complete, and the loop
// runs other tasks while a slow client sends one.
func TestBodies(t *testing.T) {
	l, _ := startLoop(t)
	s := serve(t, tasks(l, func(_ context.Context, w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, len(b))
	}))
	for _, n := range []int{0, 1, 32 << 10, 32<<10 + 1, 1 << 20} {
		r, err := http.Post(s.URL, "text/plain", bytes.NewReader(make([]byte, n)))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if string(b) != fmt.Sprint(n) {
			t.Errorf("a body of %d bytes was read as %s", n, b)
		}
	}
	pr, pw := io.Pipe() // a slow, chunked body
	slow := make(chan string)
	go func() {
		r, err := http.Post(s.URL, "text/plain", pr)
		if err != nil {
			t.Error(err)
			close(slow)
			return
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		slow <- string(b)
	}()
	io.WriteString(pw, "ab")
	if _, body := get(t, s.URL); body != "0" {
		t.Errorf("with a slow client: %s", body)
	}
	io.WriteString(pw, "cd")
	pw.Close()
	if got := <-slow; got != "4" {
		t.Errorf("the slow client's body was read as %s", got)
	}
}

// A task that waits for its turn in one direction gets an error if the handler returns
// first.
func TestTurnAfterTheHandler(t *testing.T) {
	l, _ := startLoop(t)
	for _, c := range []struct {
		name string
		call func(w http.ResponseWriter, r *http.Request) error
		want error
	}{
		{"Flush", func(w http.ResponseWriter, _ *http.Request) error { return http.NewResponseController(w).Flush() }, aio.ErrUsage},
		{"Read", func(_ http.ResponseWriter, r *http.Request) error { _, err := r.Body.Read(make([]byte, 1)); return err }, http.ErrBodyReadAfterClose},
	} {
		t.Run(c.name, func(t *testing.T) {
			ended := make(chan error, 1)
			s := serve(t, tasks(l, func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
				aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
					ended <- c.call(w, r)
					return nil
				}))
				if err := c.call(w, r); err != nil && err != io.EOF {
					t.Error(err)
				}
			}))
			resp, err := http.Post(s.URL, "", strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			select {
			case err := <-ended:
				if !errors.Is(err, c.want) {
					t.Errorf("the error is %v, want %v", err, c.want)
				}
			case <-time.After(patience):
				t.Error("the task still waits")
			}
		})
	}
}

// When the client disconnects, the task is cancelled with a reason, and can clean up.
func TestClientGoneCancelsTheTask(t *testing.T) {
	l, _ := startLoop(t)
	began, ended := make(chan struct{}), make(chan error, 1)
	s := serve(t, tasks(l, func(ctx context.Context, _ http.ResponseWriter, _ *http.Request) {
		close(began)
		err := aio.Sleep(ctx, time.Hour)
		if cerr := aio.Sleep(ctx, 0); cerr != nil {
			err = cerr
		}
		ended <- err
	}))
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-began
		cancel()
	}()
	r, _ := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
	if _, err := http.DefaultClient.Do(r); !errors.Is(err, context.Canceled) {
		t.Errorf("the client's error is %v", err)
	}
	var reason *aio.CancelledError
	if err := <-ended; !errors.As(err, &reason) || reason.Message != context.Canceled {
		t.Errorf("the task's error is %v", err)
	}
}

// A handler whose read of the body times out can still respond.
func TestTimeoutOnBody(t *testing.T) {
	l, _ := startLoop(t)
	s := serve(t, tasks(l, func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		err := aio.Timeout(ctx, time.Millisecond, func(context.Context) error {
			_, err := io.ReadAll(r.Body)
			return err
		})
		if !errors.Is(err, aio.ErrTimeout) {
			t.Errorf("the read returned %v", err)
		}
		http.Error(w, "too slow", http.StatusRequestTimeout)
	}))
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc")
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusRequestTimeout {
		t.Errorf("status %d", r.StatusCode)
	}
}

// A handler's context has the values of the request's context, and can be passed to
// awaits.
func TestContextValues(t *testing.T) {
	l, _ := startLoop(t)
	type key struct{}
	inner := tasks(l, func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		if r.Context() != ctx {
			t.Error("the request has another context")
		}
		if _, ok := ctx.Value(http.LocalAddrContextKey).(net.Addr); !ok {
			t.Error("the values of net/http are missing")
		}
		if _, err := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			fmt.Fprint(w, ctx.Value(key{}))
			return 0, aio.Sleep(ctx, 0)
		}).Await(ctx); err != nil {
			t.Error(err)
		}
	})
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "value")))
	}))
	if _, body := get(t, s.URL); body != "value" {
		t.Errorf("got %q", body)
	}
}

func TestClosedLoopIsUnavailable(t *testing.T) {
	l := aio.NewEventLoop(nil)
	l.Close()
	s := serve(t, tasks(l, func(context.Context, http.ResponseWriter, *http.Request) {}))
	if status, _ := get(t, s.URL); status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
}

// A request gets a response if its task never starts, and if an eager task factory
// starts it at once.
func TestTaskFactories(t *testing.T) {
	refused := errors.New("no tasks today")
	for name, c := range map[string]struct {
		factory aio.TaskFactory
		status  int
		report  string
	}{
		"eager": {factory: aio.EagerTaskFactory, status: http.StatusOK},
		"refused": {
			factory: func(*aio.TaskSpec) error { return refused },
			status:  http.StatusServiceUnavailable,
			report:  "exception in the task factory: no tasks today",
		},
		"panic": {
			factory: func(*aio.TaskSpec) error { panic(refused) },
			status:  http.StatusServiceUnavailable,
			report:  "exception in the task factory: no tasks today",
		},
		"cancelled before its first step": {
			factory: func(spec *aio.TaskSpec) error {
				spec.Loop.CallSoon(func() {
					for _, task := range aio.AllTasks(spec.Loop.Context()) {
						task.Cancel()
					}
				})
				return nil
			},
			status: http.StatusServiceUnavailable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, reports := startLoop(t)
			s := serve(t, tasks(l, func(ctx context.Context, w http.ResponseWriter, _ *http.Request) {
				if c.status != http.StatusOK {
					t.Error("the handler was called")
				}
				_ = aio.Sleep(ctx, 0)
			}))
			set := make(chan struct{})
			l.CallSoonThreadsafe(func() { l.SetTaskFactory(c.factory); close(set) })
			<-set
			if status, _ := get(t, s.URL); status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			if got := strings.Join(reports(), "; "); got != c.report {
				t.Errorf("reported %q, want %q", got, c.report)
			}
		})
	}
}

// If a loop is closed before it takes a request out of its queue, the request still gets
// a response.
func TestLoopClosedBeforeItsRequests(t *testing.T) {
	l := aio.NewEventLoop(nil)
	h := tasks(l, func(context.Context, http.ResponseWriter, *http.Request) { t.Error("the handler was called") })
	var statuses sync.WaitGroup
	for range 20 {
		statuses.Go(func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if w.Code != http.StatusServiceUnavailable {
				t.Errorf("status %d", w.Code)
			}
		})
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	statuses.Wait()
}
