package aio_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// dialPeer listens on a network, and echoes the data of one client.
func dialPeer(t testing.TB, network, dir string) net.Listener {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(dir, "s")
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, struct{ io.Reader }{c})
			}()
		}
	}()
	return ln
}

// echoed checks that c echoes.
func echoed(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Error(err)
	}
	wantRead(t, c, "hello")
}

// A task and a goroutine dial, with the context of the task or another one.
func TestDialer(t *testing.T) {
	for _, network := range []string{"tcp", "tcp4", "unix"} {
		t.Run(network, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				peer := dialPeer(t, network, t.TempDir())
				l, err := aio.GetRunningLoop(ctx)
				if err != nil {
					return err
				}
				derived, cancel := context.WithCancel(ctx)
				defer cancel()
				for name, dial := range map[string]func() (net.Conn, error){
					"task":            func() (net.Conn, error) { return new(aio.Dialer).DialContext(ctx, network, peer.Addr().String()) },
					"derived context": func() (net.Conn, error) { return new(aio.Dialer).DialContext(derived, network, peer.Addr().String()) },
					"foreign context": func() (net.Conn, error) {
						return (&aio.Dialer{Loop: l}).DialContext(t.Context(), network, peer.Addr().String())
					},
					"no context": func() (net.Conn, error) { return (&aio.Dialer{Loop: l}).Dial(network, peer.Addr().String()) },
				} {
					c, err := dial()
					if err != nil {
						t.Errorf("%s: %v", name, err)
						continue
					}
					echoed(t, c)
					c.Close()
					err = inThread(ctx, func() error {
						c, err := dial()
						if err != nil {
							return err
						}
						defer c.Close()
						echoed(t, c)
						return nil
					})
					if err != nil {
						t.Errorf("%s, in a goroutine: %v", name, err)
					}
				}
				return nil
			})
		})
	}
}

// The errors of Dial describe the reason.
func TestDialerErrors(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		gone, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		gone.Close()
		for _, in := range []string{"task", "goroutine"} {
			check := func(what string, d *aio.Dialer, ctx context.Context, network, addr string, want error) {
				t.Helper()
				var c net.Conn
				var err error
				if in == "task" {
					c, err = d.DialContext(ctx, network, addr)
				} else {
					_ = inThread(l.Context(), func() error { c, err = d.DialContext(ctx, network, addr); return nil })
				}
				if c != nil || !errors.Is(err, want) {
					t.Errorf("%s in a %s: %v, %v; want %v", what, in, c, err, want)
				}
			}
			own := &aio.Dialer{Loop: l}
			check("refused", own, ctx, "tcp", gone.Addr().String(), syscall.ECONNREFUSED)
			check("no such network", own, ctx, "udp", gone.Addr().String(), net.UnknownNetworkError("udp"))
			check("no port", own, ctx, "tcp", "localhost", aio.ErrUsage)
			check("no loop", &aio.Dialer{}, context.Background(), "tcp", gone.Addr().String(), aio.ErrNoRunningLoop)
			check("no context", own, nil, "tcp", gone.Addr().String(), aio.ErrUsage)
			check("limit", &aio.Dialer{Loop: l, Options: &aio.ConnectionOptions{Limit: 1}}, ctx, "tcp", gone.Addr().String(), aio.ErrUsage)
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			check("a done context", own, ended, "tcp", gone.Addr().String(), context.Canceled)
		}
		called := aio.CreateFuture[error](ctx)
		l.CallSoon(func() {
			_, err := (&aio.Dialer{Loop: l}).Dial("tcp", gone.Addr().String())
			_ = called.SetResult(err)
		})
		err, _ = called.Await(ctx)
		matches(t, "Dial in a callback", err, aio.ErrNoTask)
		return nil
	})
	l := aio.NewEventLoop(nil)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := (&aio.Dialer{Loop: l}).Dial("tcp", "127.0.0.1:1")
	matches(t, "Dial of a closed loop", err, aio.ErrLoopClosed)
}

// A net/http client in a goroutine, with connections of the loop.
func TestDialerServesLibraries(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) }))
	defer server.Close()
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		client := &http.Client{Transport: &http.Transport{DialContext: (&aio.Dialer{Loop: l}).DialContext}}
		defer client.CloseIdleConnections()
		return inThread(ctx, func() error {
			resp, err := client.Get(server.URL + "/tea")
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			wantRead(t, resp.Body, "/tea")
			return nil
		})
	})
}

// In a task, a library that waits for its own goroutines gets an error that says so,
// and the loop keeps running.
func TestDialerRefusedWhileBlocked(t *testing.T) {
	t.Cleanup(aio.HurryBlocked())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) }))
	defer server.Close()
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		client := &http.Client{Transport: &http.Transport{DialContext: new(aio.Dialer).DialContext}}
		defer client.CloseIdleConnections()
		get := func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			if err == nil {
				resp.Body.Close()
			}
			return err
		}
		err := get(ctx)
		matches(t, "a call in a task", err, aio.ErrUsage)
		for _, word := range []string{"in http.", "aio_test.bothPaths", "ToThread"} {
			if err != nil && !strings.Contains(err.Error(), word) {
				t.Errorf("the error does not name %s: %v", word, err)
			}
		}
		if err := inThread(ctx, func() error { return get(ctx) }); err != nil {
			t.Errorf("by ToThread: %v", err)
		}
		// With an existing connection the Write is refused.
		err = get(ctx)
		matches(t, "a second call in a task", err, aio.ErrUsage)
		return nil
	})
}

// If the loop is blocked by something that ends without the call, the call waits and is
// not refused.
func TestDialerWaitsForBusyLoop(t *testing.T) {
	t.Cleanup(aio.HurryBlocked())
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		peer := dialPeer(t, "tcp", "")
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		got := make(chan error, 1)
		go func() {
			c, err := (&aio.Dialer{Loop: l}).Dial("tcp", peer.Addr().String())
			if err == nil {
				c.Close()
			}
			got <- err
		}()
		// blocks the loop, which a task should not do
		time.Sleep(100 * time.Millisecond)
		err, _, _ = aio.Receive(ctx, got)
		return err
	})
}

// lines is a server library that knows nothing of event loops.
func lines(ln net.Listener, served chan<- error) {
	for {
		c, err := ln.Accept()
		if err != nil {
			served <- err
			return
		}
		go func() {
			defer c.Close()
			for in := bufio.NewScanner(c); in.Scan(); {
				if _, err := io.WriteString(c, strings.ToUpper(in.Text())+"\n"); err != nil {
					return
				}
			}
		}()
	}
}
