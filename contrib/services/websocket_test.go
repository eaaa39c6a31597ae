package services_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/goaio/aio"
)

// serveSockets is the role of a WebSocket server; the argument is the address. It answers
// a number with its successor, and does not answer any other message. /hangs returns the
// number of connections that wait for such an answer.
func serveSockets(args []string) error {
	var hangs atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/hangs", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, hangs.Load()) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			kind, b, err := c.Read(r.Context())
			if err != nil {
				return
			}
			i, err := strconv.Atoi(string(b))
			if err != nil {
				hangs.Add(1)
				defer hangs.Add(-1)
				// no answer; the read waits until the client is gone
				continue
			}
			if err := c.Write(r.Context(), kind, []byte(strconv.Itoa(i+1))); err != nil {
				return
			}
		}
	})
	return http.ListenAndServe(args[0], mux)
}

// socketServer is a WebSocket server process.
type socketServer struct {
	*process
	addr string
}

func startSockets(t *testing.T) socketServer {
	t.Helper()
	addr, _ := freeAddr(t)
	s := socketServer{addr: addr}
	s.process = startRole(t, func() error { _, err := s.running(t.Context()); return err }, "websocket", addr)
	return s
}

func (s socketServer) url() string { return "ws://" + s.addr }

// running asks the server how many calls hang.
func (s socketServer) running(ctx context.Context) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/hangs", nil)
	if err != nil {
		return 0, err
	}
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(b))
}

// calls describes the calls of a client that sends a word and waits for the answer. Each
// makes a connection.
func (s socketServer) calls(ask func(ctx context.Context, word string) (string, error)) calls {
	return calls{
		quick: func(ctx context.Context, i int) error {
			got, err := ask(ctx, strconv.Itoa(i))
			if err == nil && got != strconv.Itoa(i+1) {
				err = fmt.Errorf("the server answered %q to %d", got, i)
			}
			return err
		},
		hang: func(ctx context.Context) error {
			_, err := ask(ctx, "hang")
			return err
		},
		running: s.running,
		server:  s.process,
		lost: func(err error) bool {
			return brokenConn(err) || gorilla.IsCloseError(err, gorilla.CloseAbnormalClosure)
		},
		byCaller: true,
		over:     theLoops,
	}
}

// gorilla's client works in the goroutine of its caller, so a task can use it over a
// connection of the loop.
func TestWebSocketInTask(t *testing.T) {
	s := startSockets(t)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		dialer := gorilla.Dialer{NetDialContext: (&aio.Dialer{Loop: l}).DialContext}
		return exercise(ctx, t, s.calls(func(ctx context.Context, word string) (string, error) {
			c, _, err := dialer.DialContext(ctx, s.url(), nil)
			if err != nil {
				return "", orCause(ctx, err)
			}
			defer c.Close()
			if err := c.WriteMessage(gorilla.TextMessage, []byte(word)); err != nil {
				return "", orCause(ctx, err)
			}
			_, b, err := c.ReadMessage()
			return string(b), orCause(ctx, err)
		}))
	})
}

// coder's client starts goroutines of its own, so it needs ToThread.
func TestWebSocket(t *testing.T) {
	overBoth(t, func(t *testing.T, over string) {
		s := startSockets(t)
		inLoop(t, func(ctx context.Context, l *aio.Loop) error {
			transport := &http.Transport{}
			if dialer := dialerOf(l, over); dialer != nil {
				transport.DialContext = dialer.DialContext
			}
			options := &coder.DialOptions{HTTPClient: &http.Client{Transport: transport}}
			return exercise(ctx, t, s.calls(func(ctx context.Context, word string) (string, error) {
				return aio.ToThread(ctx, func(ctx context.Context) (string, error) {
					c, _, err := coder.Dial(ctx, s.url(), options)
					if err != nil {
						return "", err
					}
					defer c.CloseNow()
					if err := c.Write(ctx, coder.MessageText, []byte(word)); err != nil {
						return "", err
					}
					_, b, err := c.Read(ctx)
					return string(b), err
				})
			}))
		})
	})
}

// coder's client in a task is refused.
func TestWebSocketDialInTask(t *testing.T) {
	s := startSockets(t)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		client := &http.Client{Transport: &http.Transport{DialContext: new(aio.Dialer).DialContext}}
		c, _, err := coder.Dial(ctx, s.url(), &coder.DialOptions{HTTPClient: client})
		if err == nil {
			err = errors.Join(errors.New("it was not"), c.CloseNow())
		}
		return refused(err)
	})
}
