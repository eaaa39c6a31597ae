package aio_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
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
			check("no loop", new(aio.Dialer), context.Background(), "tcp", gone.Addr().String(), aio.ErrNoRunningLoop)
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

// Without Loop, a goroutine whose context belongs to no loop gets connections of the loop
// that a task has used.
func TestDialerWithoutLoop(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		addr := dialPeer(t, "tcp", "").Addr().String()
		d := &aio.Dialer{}
		if _, err := d.Dial("tcp", addr); !errors.Is(err, aio.ErrNoRunningLoop) {
			t.Errorf("before a task has dialled: %v", err)
		}
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		return inThread(ctx, func() error {
			c, err := d.DialContext(context.Background(), "tcp", addr)
			if err != nil {
				return err
			}
			echoed(t, c)
			return c.Close()
		})
	})
	addr := dialPeer(t, "tcp", "").Addr().String()
	d := &aio.Dialer{}
	for range 2 {
		err := aio.Run(func(ctx context.Context) error {
			c, err := d.DialContext(ctx, "tcp", addr)
			if err != nil {
				return err
			}
			c.Close()
			return inThread(ctx, func() error {
				// dials in the loop of this Run
				c, err := d.Dial("tcp", addr)
				if err != nil {
					return err
				}
				echoed(t, c)
				return c.Close()
			})
		})
		if err != nil {
			t.Error(err)
		}
		_, err = d.Dial("tcp", addr)
		matches(t, "after Run", err, aio.ErrLoopClosed)
	}
}

// While Run cancels the tasks at its end, goroutines can still dial: a task that cleans
// up may wait for one. Then they are refused, however often they dial.
func TestDialerAtTheEndOfRun(t *testing.T) {
	addr := dialPeer(t, "tcp", "").Addr().String()
	d := &aio.Dialer{}
	cleaned := false
	stop, ended := make(chan struct{}), make(chan error, 1)
	err := aio.Run(func(ctx context.Context) error {
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			err := aio.Sleep(ctx, time.Hour)
			done := make(chan error, 1)
			go func() {
				c, err := d.Dial("tcp", addr)
				if err == nil {
					echoed(t, c)
					err = c.Close()
				}
				done <- err
			}()
			got, _, other := aio.Receive(ctx, done)
			cleaned = got == nil && other == nil
			if !cleaned {
				t.Errorf("in a task that is cancelled: %v, %v", got, other)
			}
			return err
		}))
		go func() {
			var err error
			for dialled := 0; err == nil || dialled == 0; dialled++ {
				var c net.Conn
				if c, err = d.Dial("tcp", addr); err == nil {
					c.Close()
				}
			}
			<-stop
			ended <- err
		}()
		c.Close()
		return aio.Sleep(ctx, time.Millisecond)
	})
	if err != nil || !cleaned {
		t.Errorf("Run: %v, cleaned up: %v", err, cleaned)
	}
	close(stop)
	matches(t, "a goroutine that dials without end", <-ended, aio.ErrLoopClosed)
}

// aheadReader reads in a goroutine while its user writes, and the user waits for that
// goroutine without an await, as pgx.Conn does.
type aheadReader struct {
	net.Conn
	got  chan []byte
	fail chan error
}

func (r *aheadReader) start() {
	r.got, r.fail = make(chan []byte, 1), make(chan error, 1)
	go func() {
		var all []byte
		for buf := make([]byte, 8192); ; {
			n, err := r.Conn.Read(buf)
			all = append(all, buf[:n]...)
			if err != nil {
				r.got <- all
				r.fail <- err
				return
			}
		}
	}()
}

// With ForTasks a task can use a library that reads ahead in a goroutine and waits for
// it. The connection reads while a Write waits, so that a peer which reads only after it
// has written makes progress.
func TestDialerForTasks(t *testing.T) {
	const size = 32 << 20
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		served := make(chan error, 1)
		go func() {
			c, err := ln.Accept()
			if err == nil {
				defer c.Close()
				for _, f := range []func() error{
					func() error { _, err := c.Write(bytes.Repeat([]byte("a"), size)); return err },
					func() error { _, err := io.CopyN(io.Discard, c, size); return err },
					func() error { _, err := c.Write([]byte("end")); return err },
				} {
					err = errors.Join(err, f())
				}
			}
			served <- err
		}()
		c, err := (&aio.Dialer{ForTasks: true}).DialContext(ctx, "tcp", ln.Addr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		r := &aheadReader{Conn: c}
		r.start()
		if _, err := r.Write(make([]byte, size)); err != nil {
			return err
		}
		if ahead := <-r.got; len(ahead) > 0 { // this receive blocks the loop
			t.Errorf("the goroutine has read %d bytes", len(ahead))
		}
		err = <-r.fail
		matches(t, "Read in a goroutine", err, aio.ErrUsage)
		matches(t, "Read in a goroutine", err, os.ErrDeadlineExceeded)
		var n interface {
			Timeout() bool
			Temporary() bool
		}
		if !errors.As(err, &n) || !n.Timeout() || !n.Temporary() {
			t.Errorf("the error is a %T, want a temporary timeout", err)
		}
		got, err := io.ReadAll(io.LimitReader(c, size))
		if err != nil || bytes.Count(got, []byte("a")) != size {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		wantRead(t, c, "end")
		err, _, _ = aio.Receive(ctx, served)
		return err
	})
	// A connection that a goroutine dials is not restricted, and neither are Writes.
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		addr := dialPeer(t, "tcp", "").Addr().String()
		d := &aio.Dialer{ForTasks: true}
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := inThread(ctx, func() error { _, err := c.Write([]byte("hello")); return err }); err != nil {
			return err
		}
		wantRead(t, c, "hello")
		return inThread(ctx, func() error {
			c, err := d.Dial("tcp", addr)
			if err != nil {
				return err
			}
			echoed(t, c)
			return c.Close()
		})
	})
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
		// The second request uses the existing connection. Its Write is
		// refused.
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
