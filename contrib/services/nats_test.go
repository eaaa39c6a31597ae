package services_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/goaio/aio"
)

// serveNATS is the role of a NATS server. The arguments are its ports, for clients and
// for monitoring.
func serveNATS(args []string) error {
	port, err1 := strconv.Atoi(args[0])
	monitor, err2 := strconv.Atoi(args[1])
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, HTTPHost: "127.0.0.1", HTTPPort: monitor, NoSigs: true})
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	s.Start()
	s.WaitForShutdown()
	return errors.New("the server was shut down")
}

// natsServer is a NATS server process.
type natsServer struct {
	*process
	addr, monitor string
}

func startNATS(t *testing.T) natsServer {
	t.Helper()
	addr, port := freeAddr(t)
	monitor, monitorPort := freeAddr(t)
	s := natsServer{addr: addr, monitor: monitor}
	s.process = startRole(t, func() error {
		nc, err := s.connect()
		if err == nil {
			nc.Close()
			_, err = s.subscribers("nothing")(t.Context())
		}
		return err
	}, "nats", port, monitorPort)
	return s
}

func (s natsServer) connect(options ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("nats://"+s.addr, options...)
}

// subscribers asks the server for the number of subscriptions to a subject.
func (s natsServer) subscribers(subject string) func(ctx context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.monitor+"/subsz?subs=1&limit=10000&test="+subject, nil)
		if err != nil {
			return 0, err
		}
		r.Close = true
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		var subs server.Subsz
		err = json.NewDecoder(resp.Body).Decode(&subs)
		return len(subs.Subs), err
	}
}

// NATS with ToThread, over its own connections or those of the loop.
func TestNATS(t *testing.T) {
	overBoth(t, func(t *testing.T, over string) {
		s := startNATS(t)
		inLoop(t, func(ctx context.Context, l *aio.Loop) error {
			options := []nats.Option{nats.NoReconnect()}
			if dialer := dialerOf(l, over); dialer != nil {
				options = append(options, nats.SetCustomDialer(dialer))
			}
			answers := aio.NewThreadPoolExecutor(0)
			// A service in the same loop answers: each request is a task.
			plus := func(m *nats.Msg) {
				aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error {
					i, err := strconv.Atoi(string(m.Data))
					if err == nil {
						err = aio.Sleep(ctx, time.Millisecond)
					}
					// A task must not respond itself over
					// connections of the loop: Respond takes a
					// lock, which another goroutine may hold while
					// it writes. ToThread is no alternative,
					// because all its workers may be waiting for
					// responses.
					_, rerr := aio.RunInExecutor(ctx, answers, func() (struct{}, error) {
						return struct{}{}, m.Respond([]byte(strconv.Itoa(i + 1)))
					}).Await(ctx)
					return errors.Join(err, rerr)
				}))
			}
			var nc *nats.Conn
			connect := func(context.Context) (err error) {
				if nc != nil {
					nc.Close()
				}
				if nc, err = s.connect(options...); err == nil {
					_, err = nc.Subscribe("plus", plus)
				}
				return err
			}
			if err := inThread(ctx, connect); err != nil {
				return err
			}
			err := exercise(ctx, t, calls{
				quick: func(ctx context.Context, i int) error {
					return inThread(ctx, func(ctx context.Context) error {
						m, err := nc.RequestWithContext(ctx, "plus", []byte(strconv.Itoa(i)))
						if err == nil && string(m.Data) != strconv.Itoa(i+1) {
							err = fmt.Errorf("the service answered %q to %d", m.Data, i)
						}
						return err
					})
				},
				hang: func(ctx context.Context) error {
					return inThread(ctx, func(ctx context.Context) error {
						sub, err := nc.SubscribeSync("nothing")
						if err != nil {
							return err
						}
						_, err = sub.NextMsgWithContext(ctx)
						if err != nil && nc.IsClosed() {
							// the subscription is closed too
							return err
						}
						return errors.Join(err, sub.Unsubscribe())
					})
				},
				running: s.subscribers("nothing"),
				server:  s.process,
				lost:    func(err error) bool { return errors.Is(err, nats.ErrConnectionClosed) },
				renew:   connect, // because of NoReconnect
			})
			return errors.Join(err, inThread(ctx, func(context.Context) error { nc.Close(); return nil }))
		})
	})
}

// Subscriptions as channels that tasks receive from. The client reconnects.
func TestNATSChannel(t *testing.T) {
	s := startNATS(t)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		back := make(chan struct{}, 1)
		nc, err := aio.ToThread(ctx, func(context.Context) (*nats.Conn, error) {
			return s.connect(nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0),
				nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }))
		})
		if err != nil {
			return err
		}
		// Publish only fills a buffer.
		receive := func(ctx context.Context, subject string, publish ...string) (err error) {
			messages := make(chan *nats.Msg, 64)
			sub, err := nc.ChanSubscribe(subject, messages)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, sub.Unsubscribe()) }()
			for _, word := range publish {
				if err := nc.Publish(subject, []byte(word)); err != nil {
					return err
				}
			}
			for i := 0; i < max(1, len(publish)); i++ {
				m, _, err := aio.Receive(ctx, messages)
				if err != nil {
					return err
				}
				if i >= len(publish) || string(m.Data) != publish[i] {
					return fmt.Errorf("received %q, published were %q", m.Data, publish)
				}
			}
			return nil
		}
		err = exercise(ctx, t, calls{
			quick: func(ctx context.Context, i int) error {
				n := strconv.Itoa(i)
				return receive(ctx, "news."+n, n, "more", "last of "+n)
			},
			hang:    func(ctx context.Context) error { return receive(ctx, "nothing") },
			running: s.subscribers("nothing"),
			server:  s.process,
			lost:    brokenConn,
			outlive: true,
			over:    itsOwn,
		})
		if err == nil {
			_, _, err = aio.Receive(ctx, back) // the client has reconnected
		}
		return errors.Join(err, inThread(ctx, func(context.Context) error { nc.Close(); return nil }))
	})
}

// A call from a task is refused; LastError, which the error handler gets, gives the
// reason.
func TestNATSInTask(t *testing.T) {
	s := startNATS(t)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		nc, err := s.connect(nats.SetCustomDialer(&aio.Dialer{Loop: l}), nats.NoReconnect())
		if err == nil {
			_, err = nc.Request("nobody", nil, patience)
			err = errors.Join(err, nc.LastError())
			// It fails only if the loop has failed, and then the test
			// reports that.
			_ = inThread(ctx, func(context.Context) error { nc.Close(); return nil })
		}
		return refused(err)
	})
}
