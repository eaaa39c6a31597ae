// Package websocket tests that WebSocket packages work in handlers that are tasks.
package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

// within is the time limit of a test.
const within = time.Minute

// socket is a connection of one of the two packages.
type socket interface {
	read() (string, error)
	write(text string) error
	close() error
}

type coderSocket struct{ *coder.Conn }

// Both packages use a context to stop goroutines. A cancelled task is woken by its
// connection instead, so the methods here need no context.
func (s coderSocket) read() (string, error) {
	_, b, err := s.Read(context.Background())
	return string(b), err
}
func (s coderSocket) write(text string) error {
	return s.Write(context.Background(), coder.MessageText, []byte(text))
}
func (s coderSocket) close() error { return s.Close(coder.StatusNormalClosure, "bye") }

type gorillaSocket struct{ *gorilla.Conn }

func (s gorillaSocket) read() (string, error) {
	_, b, err := s.ReadMessage()
	return string(b), err
}
func (s gorillaSocket) write(text string) error {
	return s.WriteMessage(gorilla.TextMessage, []byte(text))
}
func (s gorillaSocket) close() error {
	return errors.Join(s.WriteMessage(gorilla.CloseMessage, gorilla.FormatCloseMessage(gorilla.CloseNormalClosure, "bye")), s.Close())
}

// accepting lists the ways to accept a connection.
var accepting = map[string]func(w http.ResponseWriter, r *http.Request) (socket, error){
	"coder": func(w http.ResponseWriter, r *http.Request) (socket, error) {
		c, err := coder.Accept(w, r, nil)
		return coderSocket{c}, err
	},
	"gorilla": func(w http.ResponseWriter, r *http.Request) (socket, error) {
		c, err := new(gorilla.Upgrader).Upgrade(w, r, nil)
		return gorillaSocket{c}, err
	},
}

// serving lists the ways to serve. Each returns the URL and the loop.
var serving = map[string]func(t *testing.T, h http.Handler) (string, *aio.Loop){
	"Handler": func(t *testing.T, h http.Handler) (string, *aio.Loop) {
		l, stop := aio.StartLoop(nil)
		s := httptest.NewServer(aiohttp.Handler(l, h))
		t.Cleanup(func() {
			s.Close()
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
		return s.URL, l
	},
	"Serve": func(t *testing.T, h http.Handler) (string, *aio.Loop) {
		l, stop := aio.StartLoop(nil)
		srv, err := aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (*aiohttp.Server, error) {
			return aiohttp.Serve(ctx, h, "127.0.0.1:0", nil)
		}).Result(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
		return srv.URL(), l
	},
}

// each runs a test for both packages and all ways to serve. handle runs in the task of
// a connection.
func each(t *testing.T, handle func(t *testing.T, ctx context.Context, s socket), test func(t *testing.T, url string, l *aio.Loop)) {
	for pkg, accept := range accepting {
		for way, serve := range serving {
			t.Run(pkg+" "+way, func(t *testing.T) {
				url, l := serve(t, aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
					s, err := accept(w, r)
					if err != nil {
						t.Error(err)
						return
					}
					handle(t, ctx, s)
				}))
				test(t, url, l)
			})
		}
	}
}

// dial connects a client.
func dial(t *testing.T, url string) *gorilla.Conn {
	t.Helper()
	c, _, err := gorilla.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := errors.Join(c.SetReadDeadline(time.Now().Add(within)), c.SetWriteDeadline(time.Now().Add(within))); err != nil {
		t.Fatal(err)
	}
	return c
}

// Many connections wait concurrently and share state without a lock.
func TestChat(t *testing.T) {
	const clients, rounds = 20, 10
	var members []socket
	each(t, func(t *testing.T, ctx context.Context, s socket) {
		members = append(members, s)
		defer s.close()
		for {
			text, err := s.read()
			if err != nil {
				return
			}
			if err := s.write(fmt.Sprintf("%s of %d", text, len(members))); err != nil {
				return // the client notices the missing message
			}
		}
	}, func(t *testing.T, url string, _ *aio.Loop) {
		members = nil
		var conns []*gorilla.Conn
		for range clients {
			conns = append(conns, dial(t, url))
		}
		for round := range rounds {
			for i, c := range conns { // all handlers but one are waiting
				if err := c.WriteMessage(gorilla.TextMessage, []byte(fmt.Sprint(round, i))); err != nil {
					t.Fatal(err)
				}
				_, b, err := c.ReadMessage()
				want := fmt.Sprintf("%d %d of %d", round, i, clients)
				if round == 0 { // not all clients are connected yet
					want, _, _ = strings.Cut(want, " of ")
					b = []byte(strings.SplitN(string(b), " of ", 2)[0])
				}
				if string(b) != want || err != nil {
					t.Fatalf("got %q, %v, want %q", b, err, want)
				}
			}
		}
		for _, c := range conns {
			c.Close()
		}
	})
}

// A task reads while another task writes.
func TestReaderAndWriter(t *testing.T) {
	each(t, func(t *testing.T, ctx context.Context, s socket) {
		defer s.close()
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error {
				for i := 0; ; i++ {
					if err := s.write(fmt.Sprint("tick ", i)); err != nil {
						return err
					}
					if err := aio.Sleep(ctx, time.Millisecond); err != nil {
						return err
					}
				}
			})
			text, err := s.read()
			tg.Cancel()
			if text != "enough" || err != nil {
				t.Errorf("read %q, %v", text, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}, func(t *testing.T, url string, _ *aio.Loop) {
		c := dial(t, url)
		for i := range 5 {
			if _, b, err := c.ReadMessage(); string(b) != fmt.Sprint("tick ", i) || err != nil {
				t.Fatalf("got %q, %v", b, err)
			}
		}
		if err := c.WriteMessage(gorilla.TextMessage, []byte("enough")); err != nil {
			t.Fatal(err)
		}
		for {
			if _, _, err := c.ReadMessage(); err != nil {
				if !gorilla.IsCloseError(err, gorilla.CloseNormalClosure) && !gorilla.IsUnexpectedCloseError(err) {
					t.Error(err)
				}
				return
			}
		}
	})
}

// Timeout and cancelling the task both end a read that waits.
func TestCancelledRead(t *testing.T) {
	each(t, func(t *testing.T, ctx context.Context, s socket) {
		err := aio.Timeout(ctx, time.Millisecond, func(context.Context) error {
			_, err := s.read()
			return err
		})
		if !errors.Is(err, aio.ErrTimeout) {
			t.Errorf("a read with a timeout returned %v", err)
		}
		s.close()
	}, func(t *testing.T, url string, _ *aio.Loop) {
		c := dial(t, url)
		if _, _, err := c.ReadMessage(); err == nil {
			t.Error("the client got a message")
		}
	})
}

// A read in a ToThread worker blocks only the worker, not the loop.
func TestReadInToThread(t *testing.T) {
	each(t, func(t *testing.T, ctx context.Context, s socket) {
		defer s.close()
		text, err := aio.ToThread(ctx, func(context.Context) (string, error) { return s.read() })
		if err != nil {
			t.Error(err)
		}
		_ = s.write("got " + text) // the client notices the missing message
	}, func(t *testing.T, url string, l *aio.Loop) {
		c := dial(t, url)
		// The loop still runs tasks.
		if _, err := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, 0) })).Result(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.WriteMessage(gorilla.TextMessage, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, b, err := c.ReadMessage(); string(b) != "got hello" || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
	})
}

// An echo server: its reads and writes suspend the task of the connection.
func Example() {
	loop, stop := aio.StartLoop(nil)
	connected := 0 // accessed only by tasks of the loop
	server := httptest.NewServer(aiohttp.Handler(loop, aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		connected++
		for {
			kind, text, err := c.Read(ctx)
			if err != nil {
				return
			}
			if err := c.Write(ctx, kind, fmt.Appendf(nil, "%s, one of %d", text, connected)); err != nil {
				return
			}
		}
	})))
	c, _, err := gorilla.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := c.WriteMessage(gorilla.TextMessage, []byte("Ann")); err != nil {
		fmt.Println(err)
	}
	_, text, err := c.ReadMessage()
	fmt.Printf("%s %v\n", text, err)
	c.Close()
	server.Close()
	fmt.Println(stop())
	// Output:
	// Ann, one of 1 <nil>
	// <nil>
}
