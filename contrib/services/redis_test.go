package services_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/goaio/aio"
)

type redisServer struct {
	*process
	addr string
}

func startRedis(t testing.TB, cleanup func(func())) redisServer {
	t.Helper()
	port := freePort(t)
	s := redisServer{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	s.process = start(t, cleanup, "", program(t, "redis-server"), "--port", strconv.Itoa(port), "--bind", "127.0.0.1",
		"--save", "", "--appendonly", "no", "--dir", dirOf(t, cleanup, ""))
	client := s.client(nil)
	defer client.Close()
	s.ready(t, func() error { return client.Ping(t.Context()).Err() })
	return s
}

var sharedRedis = once(startRedis)

// client makes a client. If l is not nil, it uses connections of the loop.
func (s redisServer) client(l *aio.Loop) *redis.Client {
	o := &redis.Options{Addr: s.addr, ContextTimeoutEnabled: true, MaxRetries: -1, PoolSize: 20, PoolTimeout: patience, DisableIdentity: true}
	if l != nil {
		o.Dialer = (&aio.Dialer{Loop: l}).DialContext
	}
	return redis.NewClient(o)
}

// blocked counts the clients that are blocked in the command cmd, with CLIENT LIST.
func (s redisServer) blocked(watcher *redis.Client, cmd string) func(ctx context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		list, err := watcher.ClientList(ctx).Result()
		return strings.Count(list, " cmd="+cmd+" "), err
	}
}

// redisQuick makes a short call. It blocks the calling goroutine.
func redisQuick(ctx context.Context, c *redis.Client, i int) error {
	got, err := c.Echo(ctx, i).Result()
	if err == nil && got != strconv.Itoa(i) {
		err = fmt.Errorf("the server answered %q to %d", got, i)
	}
	return err
}

// go-redis with ToThread, over its own connections or those of the loop.
func TestRedis(t *testing.T) {
	for _, over := range []string{"its own connections", "the loop's connections"} {
		t.Run(over, func(t *testing.T) {
			s := startRedis(t, t.Cleanup)
			watcher := s.client(nil)
			defer watcher.Close()
			inLoop(t, func(ctx context.Context, l *aio.Loop) error {
				if over == "its own connections" {
					l = nil
				}
				client := s.client(l)
				err := exercise(ctx, calls{
					quick: func(ctx context.Context, i int) error {
						return inThread(ctx, func(ctx context.Context) error { return redisQuick(ctx, client, i) })
					},
					hang: func(ctx context.Context) error {
						return inThread(ctx, func(ctx context.Context) error { return blpop(ctx, client) })
					},
					running: s.blocked(watcher, "blpop"),
					kill:    s.kill,
				})
				return errors.Join(err, inThread(ctx, func(context.Context) error { return client.Close() }))
			})
		})
	}
}

// blpop waits for an element that never arrives. go-redis does not watch ctx while it
// reads, so a cancellation has to close the connection.
func blpop(ctx context.Context, c *redis.Client) error {
	conn := c.WithTimeout(time.Hour)
	own := redis.NewClient(&redis.Options{Addr: conn.Options().Addr, Dialer: conn.Options().Dialer, MaxRetries: -1,
		PoolSize: 1, ReadTimeout: -1, DisableIdentity: true})
	stop := context.AfterFunc(ctx, func() { own.Close() })
	defer func() {
		if stop() {
			own.Close()
		}
	}()
	return own.BLPop(ctx, 0, "nothing").Err()
}

// Publish and subscribe with ToThread.
func TestRedisPubSub(t *testing.T) {
	s := sharedRedis(t)
	watcher := s.client(nil)
	defer watcher.Close()
	subscribers := func(ctx context.Context) (int, error) {
		n, err := watcher.PubSubNumSub(ctx, "news").Result()
		return int(n["news"]), err
	}
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		client := s.client(l)
		const n = 20
		got := ""
		receive := func(ctx context.Context) error {
			return inThread(ctx, func(ctx context.Context) error {
				sub := client.Subscribe(ctx, "news")
				defer sub.Close()
				for m := range sub.Channel() {
					if got += m.Payload + " "; m.Payload == "last" {
						return nil
					}
				}
				return errors.New("the channel is closed")
			})
		}
		task := aio.CreateTask(ctx, aio.NoResult(receive))
		if err := eventually(ctx, "subscribers", 1, subscribers); err != nil {
			return err
		}
		for i := range n {
			word := strconv.Itoa(i)
			if i == n-1 {
				word = "last"
			}
			err := inThread(ctx, func(ctx context.Context) error { return client.Publish(ctx, "news", word).Err() })
			if err != nil {
				return err
			}
		}
		if _, err := task.Await(ctx); err != nil {
			return err
		}
		if want := "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 last "; got != want {
			return fmt.Errorf("received %q", got)
		}
		err := eventually(ctx, "remaining subscribers", 0, subscribers)
		return errors.Join(err, inThread(ctx, func(context.Context) error { return client.Close() }))
	})
}

// The messages of a subscription as a channel that a task receives from.
func TestRedisPubSubChannel(t *testing.T) {
	s := sharedRedis(t)
	watcher := s.client(nil)
	defer watcher.Close()
	subscribers := func(ctx context.Context) (int, error) {
		n, err := watcher.PubSubNumSub(ctx, "stream").Result()
		return int(n["stream"]), err
	}
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		client := s.client(nil)
		sub, err := aio.ToThread(ctx, func(ctx context.Context) (*redis.PubSub, error) {
			sub := client.Subscribe(context.WithoutCancel(ctx), "stream")
			_, err := sub.Receive(ctx) // the confirmation
			return sub, err
		})
		if err != nil {
			return err
		}
		if err := inThread(ctx, func(ctx context.Context) error { return watcher.Publish(ctx, "stream", "hello").Err() }); err != nil {
			return err
		}
		messages := sub.Channel()
		m, _, err := aio.Receive(ctx, messages)
		if err != nil || m.Payload != "hello" {
			return fmt.Errorf("received %v, %w", m, err)
		}
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, _, err := aio.Receive(ctx, messages)
			return errors.Join(err, inThread(context.WithoutCancel(ctx), func(context.Context) error { return sub.Close() }))
		}))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		task.Cancel()
		_, err = task.Await(ctx)
		return errors.Join(wants(err, aio.ErrCancelled), eventually(ctx, "remaining subscribers", 0, subscribers),
			inThread(ctx, func(context.Context) error { return client.Close() }))
	})
}

// go-redis in a task is refused: its pool dials in other goroutines.
func TestRedisInTask(t *testing.T) {
	s := sharedRedis(t)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		client := s.client(l)
		err := refused(redisQuick(ctx, client, 1))
		return errors.Join(err, inThread(ctx, func(context.Context) error { return client.Close() }))
	})
}
