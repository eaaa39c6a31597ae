package aiohttp_test

// How a server ends: draining, Shutdown, the end of its loop.

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

// A draining server accepts connections and responds, asks clients to close their
// connections, and waits for the requests in progress.
func TestDraining(t *testing.T) {
	l, _ := startLoop(t)
	var srv *aiohttp.Server
	var release aio.Event
	slow := make(chan struct{}, 1)
	in(t, l, func(ctx context.Context) (err error) {
		srv, err = aiohttp.Serve(ctx, aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				slow <- struct{}{}
				if err := release.Wait(ctx); err != nil {
					t.Error(err)
				}
			}
			fmt.Fprintf(w, "%v", isClosed(aiohttp.Draining(ctx)))
		}), "127.0.0.1:0", &aiohttp.ServeOptions{DrainDelay: time.Second})
		return err
	})
	kept := bufio.NewReadWriter(nil, nil)
	conn := dial(t, srv.Addr().String())
	kept.Reader, kept.Writer = bufio.NewReader(conn), bufio.NewWriter(conn)
	ask := func(path string) (body string, closes bool) {
		t.Helper()
		io.WriteString(conn, rawGet(path))
		r, err := http.ReadResponse(kept.Reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b), r.Close
	}
	if body, closes := ask("/"); body != "false" || closes {
		t.Errorf("before: %s, close=%v", body, closes)
	}
	go func() {
		<-slow
		down := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error { return srv.Shutdown(ctx, time.Minute) }))
		<-srv.Draining()
		if _, body := get(t, srv.URL()); body != "true" { // a new connection
			t.Errorf("a new request got %s", body)
		}
		for { // the delay
			c, err := net.Dial("tcp", srv.Addr().String())
			if err != nil {
				break
			}
			c.Close()
		}
		l.CallSoonThreadsafe(release.Set)
		if _, err := down.Result(context.Background()); err != nil {
			t.Error(err)
		}
		close(slow)
	}()
	if body, closes := ask("/slow"); body != "true" || !closes {
		t.Errorf("request in progress: %s, close=%v", body, closes)
	}
	<-slow
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// Shutdown cancels handlers that do not return in time, and its error reports the
// handlers that are still running then.
func TestShutdownCancels(t *testing.T) {
	l, _ := startLoop(t)
	for _, stubborn := range []bool{false, true} {
		var srv *aiohttp.Server
		began := make(chan struct{})
		var release aio.Event
		ended := make(chan error, 1)
		in(t, l, func(ctx context.Context) (err error) {
			srv, err = aiohttp.Serve(ctx, aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
				close(began)
				err := aio.Sleep(ctx, time.Hour)
				for stubborn && !release.IsSet() {
					_ = release.Wait(ctx)
				}
				ended <- err
			}), "127.0.0.1:0", &aiohttp.ServeOptions{HTTP: quiet()})
			return err
		})
		got := make(chan string)
		go func() { got <- oneAnswer(srv.URL()) }()
		<-began
		_, err := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error {
			return srv.Shutdown(ctx, 300*time.Millisecond)
		})).Result(t.Context())
		if errors.Is(err, aio.ErrTimeout) != stubborn {
			t.Errorf("Shutdown returned %v", err)
		}
		l.CallSoonThreadsafe(release.Set)
		var reason *aio.CancelledError
		if err := <-ended; !errors.As(err, &reason) || reason.Message != http.ErrServerClosed {
			t.Errorf("the handler's error is %v", err)
		}
		want := "503 \"Service Unavailable\\n\" <nil>"
		if stubborn {
			want = "EOF"
		}
		if got := <-got; got != want {
			t.Errorf("the client got %s, want %s", got, want)
		}
	}
}

// A server is closed with its loop.
func TestServerEndsWithItsLoop(t *testing.T) {
	var addr string
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aiohttp.Serve(ctx, http.NotFoundHandler(), "127.0.0.1:0", nil)
		addr = srv.Addr().String()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("the server still accepts connections")
	}
}

func TestServeMisuse(t *testing.T) {
	h := http.NotFoundHandler()
	err := aio.Run(func(ctx context.Context) error {
		for name, call := range map[string]func() (*aiohttp.Server, error){
			"nil handler": func() (*aiohttp.Server, error) { return aiohttp.Serve(ctx, nil, "127.0.0.1:0", nil) },
			"no address":  func() (*aiohttp.Server, error) { return aiohttp.Serve(ctx, h, "", nil) },
			"handler twice": func() (*aiohttp.Server, error) {
				return aiohttp.Serve(ctx, h, "127.0.0.1:0", &aiohttp.ServeOptions{HTTP: &http.Server{Handler: h}})
			},
			"address twice": func() (*aiohttp.Server, error) {
				return aiohttp.Serve(ctx, h, "127.0.0.1:0", &aiohttp.ServeOptions{HTTP: &http.Server{Addr: ":1"}})
			},
			"negative delay": func() (*aiohttp.Server, error) {
				return aiohttp.Serve(ctx, h, "127.0.0.1:0", &aiohttp.ServeOptions{DrainDelay: -1})
			},
			"no certificate": func() (*aiohttp.Server, error) {
				return aiohttp.Serve(ctx, h, "127.0.0.1:0", &aiohttp.ServeOptions{HTTP: &http.Server{TLSConfig: &tls.Config{}}})
			},
		} {
			if _, err := call(); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := aiohttp.Serve(ctx, h, "127.0.0.1:99999", nil); err == nil || errors.Is(err, aio.ErrUsage) {
			t.Errorf("an invalid port: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := aiohttp.Serve(context.Background(), h, "127.0.0.1:0", nil); !errors.Is(err, aio.ErrNoRunningLoop) {
		t.Errorf("without a loop: %v", err)
	}
}

// A handler that calls runtime.Goexit, as t.FailNow does, aborts its connection, as
// with net/http. The loop keeps running and serves the next request.
func TestGoexitInHandler(t *testing.T) {
	srv := startServer(t, aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/exit" {
			if err := aio.Sleep(ctx, 0); err != nil {
				t.Error(err)
			}
			runtime.Goexit()
		}
		io.WriteString(w, "alive")
	}), nil)
	for range 3 {
		if got := oneAnswer(srv.URL() + "/exit"); got != "EOF" {
			t.Errorf("the client got %s", got)
		}
		if got := oneAnswer(srv.URL()); got != "200 \"alive\" <nil>" {
			t.Errorf("after that: %s", got)
		}
	}
}

// Client and server can both use connections of the loop.
func TestLoopConnections(t *testing.T) {
	run(t, func(ctx context.Context) error {
		ln, err := aio.Listen(ctx, "tcp", "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		srv, err := aiohttp.Serve(ctx, aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			fmt.Fprintf(w, "%d from %T", len(b), r.Context().Value(http.LocalAddrContextKey))
		}), "", &aiohttp.ServeOptions{Listener: ln})
		if err != nil {
			return err
		}
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		c := &aiohttp.Client{HTTP: &http.Client{Transport: &http.Transport{
			DialContext: (&aio.Dialer{Loop: loop}).DialContext,
		}}}
		for _, n := range []int{0, 10, 1_000_000} {
			resp, err := c.Post(ctx, srv.URL(), "text/plain", strings.NewReader(strings.Repeat("x", n)))
			if err != nil {
				return err
			}
			if text, err := resp.Text(ctx); text != fmt.Sprint(n, " from *net.TCPAddr") || err != nil {
				t.Errorf("%d bytes: %q, %v", n, text, err)
			}
		}
		c.CloseIdleConnections()
		return srv.Shutdown(ctx, time.Minute)
	})
}
