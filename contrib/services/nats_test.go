package services_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/goaio/aio"
)

// startNATS starts a server inside the test process.
func startNATS(t testing.TB, cleanup func(func())) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not answer")
	}
	return s
}

// NATS with ToThread, over its own connections or those of the loop.
func TestNATS(t *testing.T) {
	for _, over := range []string{"its own connections", "the loop's connections"} {
		t.Run(over, func(t *testing.T) {
			s := startNATS(t, t.Cleanup)
			inLoop(t, func(ctx context.Context, l *aio.Loop) error {
				options := []nats.Option{nats.NoReconnect()}
				if over != "its own connections" {
					options = append(options, nats.SetCustomDialer(&aio.Dialer{Loop: l}))
				}
				nc, err := aio.ToThread(ctx, func(context.Context) (*nats.Conn, error) { return nats.Connect(s.ClientURL(), options...) })
				if err != nil {
					return err
				}
				answers := aio.NewThreadPoolExecutor(0)
				// A service in the same loop answers: each request
				// becomes a task.
				plus, err := nc.Subscribe("plus", func(m *nats.Msg) {
					aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error {
						i, err := strconv.Atoi(string(m.Data))
						if err == nil {
							err = aio.Sleep(ctx, time.Millisecond)
						}
						// Over connections of the loop a task
						// must not call Respond directly:
						// Respond takes a lock that another
						// goroutine holds while it writes. The
						// workers of ToThread may all be
						// waiting for responses, so an executor
						// of the service sends them.
						_, rerr := aio.RunInExecutor(ctx, answers, func() (struct{}, error) {
							return struct{}{}, m.Respond([]byte(strconv.Itoa(i + 1)))
						}).Await(ctx)
						return errors.Join(err, rerr)
					}))
				})
				if err != nil {
					return err
				}
				err = exercise(ctx, calls{
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
							return errors.Join(err, sub.Unsubscribe())
						})
					},
					// The subscriptions of the server without those
					// of the service and of the client's inbox.
					running: func(context.Context) (int, error) {
						subs, err := s.Subsz(&server.SubszOptions{Subscriptions: true, Test: "nothing"})
						if err != nil {
							return 0, err
						}
						return len(subs.Subs), nil
					},
					kill: func() { s.Shutdown(); s.WaitForShutdown() },
				})
				_ = plus.Unsubscribe() // the server may be gone
				return errors.Join(err, inThread(ctx, func(context.Context) error { nc.Close(); return nil }))
			})
		})
	}
}

// A subscription as a channel that a task receives from.
func TestNATSChannel(t *testing.T) {
	s := startNATS(t, t.Cleanup)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		nc, err := aio.ToThread(ctx, func(context.Context) (*nats.Conn, error) { return nats.Connect(s.ClientURL()) })
		if err != nil {
			return err
		}
		messages := make(chan *nats.Msg, 64)
		sub, err := nc.ChanSubscribe("news", messages)
		if err != nil {
			return err
		}
		for i := range 20 {
			// Publish only fills a buffer.
			if err := nc.Publish("news", []byte(strconv.Itoa(i))); err != nil {
				return err
			}
		}
		for i := range 20 {
			m, _, err := aio.Receive(ctx, messages)
			if err != nil || string(m.Data) != strconv.Itoa(i) {
				return fmt.Errorf("received %v, %w", m, err)
			}
		}
		return errors.Join(sub.Unsubscribe(), inThread(ctx, func(context.Context) error { nc.Close(); return nil }))
	})
}

// A call from a task is refused; LastError, which the error handler gets, gives the
// reason.
func TestNATSInTask(t *testing.T) {
	s := startNATS(t, t.Cleanup)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		nc, err := nats.Connect(s.ClientURL(), nats.SetCustomDialer(&aio.Dialer{Loop: l}), nats.NoReconnect())
		if err == nil {
			_, err = nc.Request("nobody", nil, patience)
			err = errors.Join(err, nc.LastError())
			// The cleanup fails only if the loop does.
			_ = inThread(ctx, func(context.Context) error { nc.Close(); return nil })
		}
		return refused(err)
	})
}
