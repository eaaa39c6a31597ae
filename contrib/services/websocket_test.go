package services_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/goaio/aio"
)

// socketServer is a server that answers a number with its successor, and does not
// answer any other message.
type socketServer struct {
	net.Listener
	hangs atomic.Int64
	mu    sync.Mutex
	conns []net.Conn
}

func startSockets(t testing.TB) *socketServer {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &socketServer{Listener: ln}
	web := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
				s.hangs.Add(1)
				defer s.hangs.Add(-1)
				// no answer; the read waits until the client is gone
				continue
			}
			if err := c.Write(r.Context(), kind, []byte(strconv.Itoa(i+1))); err != nil {
				return
			}
		}
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = web.Serve(s) // returns an error once it is closed
	}()
	t.Cleanup(func() {
		web.Close()
		s.kill()
		<-served
	})
	return s
}

func (s *socketServer) address() string { return "ws://" + s.Addr().String() }

func (s *socketServer) running(context.Context) (int, error) { return int(s.hangs.Load()), nil }

// kill closes all connections: http.Server does not track hijacked ones.
func (s *socketServer) kill() {
	s.Listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
}

// Accept implements net.Listener. It records the connections for kill.
func (s *socketServer) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.conns = append(s.conns, c)
	}
	return c, err
}

// gorilla's client works in the goroutine of its caller, so a task can use it over a
// connection of the loop.
func TestWebSocketInTask(t *testing.T) {
	s := startSockets(t)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		dialer := gorilla.Dialer{NetDialContext: (&aio.Dialer{Loop: l}).DialContext}
		ask := func(ctx context.Context, word string) (string, error) {
			c, _, err := dialer.DialContext(ctx, s.address(), nil)
			if err != nil {
				return "", orCause(ctx, err)
			}
			defer c.Close()
			if err := c.WriteMessage(gorilla.TextMessage, []byte(word)); err != nil {
				return "", orCause(ctx, err)
			}
			_, b, err := c.ReadMessage()
			return string(b), orCause(ctx, err)
		}
		return exercise(ctx, socketCalls(s, ask))
	})
}

// socketCalls describes the calls of a client that sends a word and waits for the
// answer.
func socketCalls(s *socketServer, ask func(ctx context.Context, word string) (string, error)) calls {
	slots := aio.NewSemaphore(100)
	return calls{
		quick: func(ctx context.Context, i int) error {
			return slots.With(ctx, func(ctx context.Context) error {
				got, err := ask(ctx, strconv.Itoa(i))
				if err == nil && got != strconv.Itoa(i+1) {
					err = fmt.Errorf("the server answered %q to %d", got, i)
				}
				return err
			})
		},
		hang: func(ctx context.Context) error {
			_, err := ask(ctx, "hang")
			return err
		},
		running: s.running,
		kill:    s.kill,
	}
}

// coder's client starts goroutines of its own, so it needs ToThread.
func TestWebSocket(t *testing.T) {
	for _, over := range []string{"its own connections", "the loop's connections"} {
		t.Run(over, func(t *testing.T) {
			s := startSockets(t)
			inLoop(t, func(ctx context.Context, l *aio.Loop) error {
				transport := &http.Transport{}
				if over != "its own connections" {
					transport.DialContext = (&aio.Dialer{Loop: l}).DialContext
				}
				options := &coder.DialOptions{HTTPClient: &http.Client{Transport: transport}}
				return exercise(ctx, socketCalls(s, func(ctx context.Context, word string) (string, error) {
					return aio.ToThread(ctx, func(ctx context.Context) (string, error) {
						c, _, err := coder.Dial(ctx, s.address(), options)
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
}

// coder's client in a task is refused.
func TestWebSocketDialInTask(t *testing.T) {
	s := startSockets(t)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		client := &http.Client{Transport: &http.Transport{DialContext: new(aio.Dialer).DialContext}}
		c, _, err := coder.Dial(ctx, s.address(), &coder.DialOptions{HTTPClient: client})
		if err == nil {
			err = errors.Join(errors.New("it was not"), c.CloseNow())
		}
		return refused(err)
	})
}
