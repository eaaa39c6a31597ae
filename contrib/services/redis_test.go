package services_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/goaio/aio"
)

type redisServer struct {
	*process
	addr string
}

func startRedis(t testing.TB, cleanup func(func())) redisServer {
	t.Helper()
	addr, port := freeAddr(t)
	s := redisServer{addr: addr}
	client := s.client(nil)
	cleanup(func() { client.Close() })
	s.process = start(t, cleanup, func() error { return client.Ping(context.Background()).Err() }, "",
		program(t, "redis-server"), "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--dir", dirOf(t, cleanup, ""))
	return s
}

var sharedRedis = once(startRedis)

// client makes a client. If dialer is not nil, it makes the connections.
func (s redisServer) client(dialer *aio.Dialer) *redis.Client {
	// Each blocking pop holds a connection, and so does the command that ends it.
	o := &redis.Options{Addr: s.addr, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, PoolSize: many + 20, PoolTimeout: patience,
		DisableIdentity: true}
	if dialer != nil {
		o.Dialer = dialer.DialContext
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
	overBoth(t, func(t *testing.T, over string) {
		s := startRedis(t, t.Cleanup)
		watcher := s.client(nil)
		defer watcher.Close()
		inLoop(t, func(ctx context.Context, l *aio.Loop) error {
			client := s.client(dialerOf(l, over))
			err := exercise(ctx, t, calls{
				quick: func(ctx context.Context, i int) error {
					return inThread(ctx, func(ctx context.Context) error { return redisQuick(ctx, client, i) })
				},
				hang: func(ctx context.Context) error {
					return inThread(ctx, func(ctx context.Context) error { return blpop(ctx, client) })
				},
				running: s.blocked(watcher, "blpop"),
				server:  s.process,
				lost:    brokenConn,
			})
			return closing(ctx, err, client)
		})
	})
}

// blpop waits for an element that never arrives. go-redis does not watch ctx while it
// reads, so a cancellation makes the server close the connection of this call, which
// must be one that no other call uses.
func blpop(ctx context.Context, c *redis.Client) error {
	conn := c.Conn()
	defer conn.Close()
	id, err := conn.ClientID(ctx).Result()
	if err != nil {
		return err
	}
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		// fails if the connection is lost
		_ = c.ClientKillByFilter(context.WithoutCancel(ctx), "ID", strconv.FormatInt(id, 10)).Err()
	})
	err = conn.BLPop(ctx, 0, "nothing").Err()
	if !stop() {
		<-killed // otherwise the kill might hit a later user of the connection
	}
	return err
}

// subscribers asks the server for the number of subscriptions to a channel.
func subscribers(watcher *redis.Client, channel string) func(ctx context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		n, err := watcher.PubSubNumSub(ctx, channel).Result()
		return int(n[channel]), err
	}
}

// Publish and subscribe with ToThread, over its own connections or those of the loop.
func TestRedisPubSub(t *testing.T) {
	overBoth(t, func(t *testing.T, over string) {
		s := startRedis(t, t.Cleanup)
		watcher := s.client(nil)
		defer watcher.Close()
		inLoop(t, func(ctx context.Context, l *aio.Loop) error {
			client := s.client(dialerOf(l, over))
			// receive subscribes, publishes, and receives what it has
			// published. If it publishes nothing, it waits for ever.
			receive := func(ctx context.Context, channel string, publish ...string) error {
				return inThread(ctx, func(ctx context.Context) (err error) {
					sub := client.Subscribe(ctx, channel)
					defer sub.Close()
					// go-redis does not watch ctx while it reads.
					defer context.AfterFunc(ctx, func() { sub.Close() })()
					if _, err := sub.Receive(ctx); err != nil {
						// the confirmation
						return err
					}
					for _, word := range publish {
						if err := client.Publish(ctx, channel, word).Err(); err != nil {
							return err
						}
					}
					return received(publish, func() (*redis.Message, error) { return sub.ReceiveMessage(ctx) })
				})
			}
			err := exercise(ctx, t, calls{
				quick: func(ctx context.Context, i int) error {
					n := strconv.Itoa(i)
					return receive(ctx, "news."+n, n, "last of "+n)
				},
				hang:    func(ctx context.Context) error { return receive(ctx, "nothing") },
				running: subscribers(watcher, "nothing"),
				server:  s.process,
				lost:    brokenConn,
			})
			return closing(ctx, err, client)
		})
	})
}

// received checks that next returns the published messages, in order. If none were
// published, it waits for a message that never comes.
func received(published []string, next func() (*redis.Message, error)) error {
	for i := range max(1, len(published)) {
		m, err := next()
		if err != nil {
			return err
		}
		if i >= len(published) || m.Payload != published[i] {
			return fmt.Errorf("received %q, published were %q", m.Payload, published)
		}
	}
	return nil
}

// The messages of a subscription as a channel that a task receives from. The
// subscription reconnects.
func TestRedisPubSubChannel(t *testing.T) {
	overBoth(t, func(t *testing.T, over string) {
		s := startRedis(t, t.Cleanup)
		watcher := s.client(nil)
		defer watcher.Close()
		inLoop(t, func(ctx context.Context, l *aio.Loop) error {
			client := s.client(dialerOf(l, over))
			receive := func(ctx context.Context, channel string, publish ...string) (err error) {
				// Subscribe without a channel does not block
				sub := client.Subscribe(ctx)
				defer func() { err = closing(context.WithoutCancel(ctx), err, sub) }()
				err = inThread(ctx, func(ctx context.Context) error {
					if err := sub.Subscribe(ctx, channel); err != nil {
						return err
					}
					_, err := sub.Receive(ctx) // the confirmation
					return err
				})
				if err != nil {
					return err
				}
				for _, word := range publish {
					err := inThread(ctx, func(ctx context.Context) error { return client.Publish(ctx, channel, word).Err() })
					if err != nil {
						return err
					}
				}
				messages := sub.Channel()
				return received(publish, func() (*redis.Message, error) {
					m, _, err := aio.Receive(ctx, messages)
					return m, err
				})
			}
			err := exercise(ctx, t, calls{
				quick: func(ctx context.Context, i int) error {
					n := strconv.Itoa(i)
					return receive(ctx, "stream."+n, n, "last of "+n)
				},
				hang:    func(ctx context.Context) error { return receive(ctx, "nothing") },
				running: subscribers(watcher, "nothing"),
				server:  s.process,
				lost:    brokenConn,
				outlive: true,
			})
			return closing(ctx, err, client)
		})
	})
}

// go-redis in a task is refused: its pool dials in other goroutines. The client has its
// default options, with which it retries. A call that finds an idle connection in the
// pool works; a call that waits in the pool blocks the loop, and the watchdog says so.
func TestRedisInTask(t *testing.T) {
	s := sharedRedis(t)
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		client := redis.NewClient(&redis.Options{Addr: s.addr, Dialer: (&aio.Dialer{Loop: l}).DialContext})
		err := refused(redisQuick(ctx, client, 1))
		return closing(ctx, err, client)
	})
	inLoop(t, func(ctx context.Context, l *aio.Loop) error {
		client := redis.NewClient(&redis.Options{Addr: s.addr, Dialer: (&aio.Dialer{Loop: l}).DialContext, PoolSize: 1, MaxRetries: -1})
		err := inThread(ctx, func(ctx context.Context) error { return redisQuick(ctx, client, 1) })
		if err == nil {
			err = redisQuick(ctx, client, 2)
		}
		if err != nil {
			return closing(ctx, err, client)
		}
		reports := make(chan aio.BlockedLoop, 1000)
		stop := l.StartWatchdog(&aio.WatchdogOptions{Report: func(b aio.BlockedLoop) { reports <- b }})
		holds := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return client.BLPop(ctx, 0, "nothing").Err() }))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		blocks := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return redisQuick(ctx, client, 3) }), aio.WithName("culprit"))
		if _, err := blocks.Await(ctx); !errors.Is(err, redis.ErrPoolTimeout) {
			return fmt.Errorf("a call without an idle connection: %w", err)
		}
		holds.Cancel()
		if _, err := holds.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
			return fmt.Errorf("the call that has the connection: %w", err)
		}
		stop()
		close(reports)
		named := false
		for b := range reports {
			named = named || b.Task == "culprit" && strings.Contains(b.Stack, "go-redis")
		}
		if !named {
			err = errors.New("the watchdog has not named the task")
		}
		return closing(ctx, err, client)
	})
}
