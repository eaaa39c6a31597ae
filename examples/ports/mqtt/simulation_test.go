package mqtt

// The client against the broker of broker_test.go on a simulated network, in virtual
// time: a cancellation at every moment, a failure of every network operation, and hosts
// that crash.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiokit"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

const simURL = "mqtt://localhost"

// withBroker runs body with a broker at simURL. Mistakes of the client are errors.
func withBroker(ctx context.Context, b *simBroker, body func(ctx context.Context) error) (err error) {
	server := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return b.serve(ctx, "localhost:1883") }))
	defer func() {
		err = errors.Join(err, aio.CancelAndWait(ctx, server), errors.Join(b.errs...))
	}()
	// the broker listens after that
	if err := aio.Sleep(ctx, time.Millisecond); err != nil {
		return err
	}
	return body(ctx)
}

// explore runs a test with a broker under several schedules.
func explore(t *testing.T, limits properties, body func(ctx context.Context, b *simBroker) error) {
	t.Helper()
	aiotest.Explore(t, aiotest.Exploration{Runs: stage.Amount(10, 50, 500), Network: true}, func(ctx context.Context) error {
		b := newSimBroker()
		b.limits = limits
		return withBroker(ctx, b, func(ctx context.Context) error { return body(ctx, b) })
	})
}

// The broker crashes and comes back with a state that it had before. The clients survive
// this, and what is sent after the last crash arrives.
func TestRollback(t *testing.T) {
	const n = 10
	runs := stage.Amount(6, 200, 2000)
	var sum aiotest.Counters
	r := aiotest.Simulate(t, aiotest.Simulation{Runs: runs}, func(ctx context.Context, w *aiotest.World) error {
		b := newSimBroker()
		var saved map[string]*simSession
		broker := w.Host("broker", func(ctx context.Context) error {
			if saved != nil {
				b.sessions = saved
				saved = b.save()
			}
			return b.serve(ctx, ":1883")
		})
		subscribed, calm := false, false
		opts := func(id string) *Options {
			return &Options{ClientID: id, SessionExpiry: 24 * time.Hour, KeepAlive: 2 * time.Second, PingTimeout: time.Second,
				ConnectTimeout: 3 * time.Second, MaxInFlight: 5, Buffer: 4, Reconnect: simPauses()}
		}
		dial := func(ctx context.Context, id string) (*Client, error) {
			return aiokit.RetryResult(ctx, simPauses(), func(ctx context.Context) (*Client, error) { return Dial(ctx, "mqtt://broker", opts(id)) })
		}
		clients := w.Host("clients", func(ctx context.Context) error {
			in, err := dial(ctx, "receiver")
			if err != nil {
				return err
			}
			defer in.Close()
			if _, err := in.Subscribe(ctx, Subscription{Filter: "n/+", QoS: 2}); err != nil {
				return err
			}
			out, err := dial(ctx, "sender")
			if err != nil {
				return err
			}
			defer out.Close()
			reader := newMarkers(ctx, in)
			subscribed = true
			for i := 0; !calm || out.session.Len() > 0; i++ {
				if !calm {
					if _, err := out.Send(ctx, &Message{Topic: "n/x", QoS: QoS(1 + i%2), Payload: fmt.Append(nil, i)}); err != nil {
						return err
					}
				}
				if err := aio.Sleep(ctx, aiotest.Between(ctx, time.Millisecond, 30*time.Millisecond)); err != nil {
					return err
				}
			}
			if err := reader.check(ctx, out, "n/x", n); err != nil {
				return err
			}
			return errors.Join(reader.ordered(), out.Disconnect(ctx, Success), in.Disconnect(ctx, Success))
		})
		for !subscribed {
			if err := aio.Sleep(ctx, 10*time.Millisecond); err != nil {
				return err
			}
		}
		for range 6 {
			saved = b.save()
			if err := aio.Sleep(ctx, aiotest.Between(ctx, 0, 300*time.Millisecond)); err != nil {
				return err
			}
			broker.Crash()
			if err := aio.Sleep(ctx, aiotest.Between(ctx, 0, 3*time.Second)); err != nil {
				return err
			}
			broker.Restart()
			if err := aio.Sleep(ctx, aiotest.Between(ctx, 10*time.Millisecond, 3*time.Second)); err != nil {
				return err
			}
		}
		calm = true
		if err := w.Wait(ctx, clients); err != nil {
			return err
		}
		broker.Crash()
		c := w.Counters()
		sum.Crashes, sum.Connections = sum.Crashes+c.Crashes, sum.Connections+c.Connections
		return errors.Join(b.errs...)
	})
	t.Logf("%d runs, %+v", r.Runs, sum)
	if sum.Crashes < 6*runs || sum.Connections < 6*runs {
		t.Error("too few")
	}
}

// conversation is the life of a client.
func conversation(ctx context.Context, client **Client, opts *Options) error {
	c, err := Dial(ctx, simURL, opts)
	if err != nil {
		return err
	}
	*client = c
	if _, err := c.Subscribe(ctx, Subscription{Filter: "a/#", QoS: 2}, Subscription{Filter: "b"}); err != nil {
		return err
	}
	for qos := AtMostOnce; qos <= ExactlyOnce; qos++ {
		if err := c.Publish(ctx, &Message{Topic: "a/b", QoS: qos, Payload: []byte("talk")}); err != nil {
			return err
		}
	}
	if _, err := take(ctx, c, 2); err != nil {
		return err
	}
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := aio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		if err := m.Ack(); err != nil {
			return err
		}
		break
	}
	if err := c.Unsubscribe(ctx, "b"); err != nil {
		return err
	}
	return c.Disconnect(ctx, Success)
}

// usable checks that a client that was not closed agrees with its server on the state
// of the session.
func usable(ctx context.Context, c *Client) error {
	if c == nil || c.err != nil {
		return nil
	}
	if _, err := c.Subscribe(ctx, Subscription{Filter: "check", QoS: 2}); err != nil {
		return err
	}
	if err := c.Publish(ctx, &Message{Topic: "check", QoS: 2, Payload: []byte("check")}); err != nil {
		return err
	}
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if m.Topic == "check" {
			if err := m.Ack(); err != nil {
				return err
			}
			break
		}
		if string(m.Payload) != "talk" {
			return fmt.Errorf("an unexpected message %+v", m)
		}
	}
	if err := c.Disconnect(ctx, Success); err != nil {
		return err
	}
	if n := c.session.Len(); n > 0 || len(c.undone) > 0 || c.waiting > 0 {
		return fmt.Errorf("%d messages in the session, %d were not acknowledged, %d calls wait", n, len(c.undone), c.waiting)
	}
	return nil
}

// A cancellation at every moment leaves the client usable or closed.
func TestSweep(t *testing.T) {
	schedules := stage.Amount(2, 10, 100)
	r := aiotest.CancelEverywhere(t, aiotest.Sweep{Schedules: schedules, Network: true}, func(ctx context.Context, c *aiotest.Cancelled) error {
		return withBroker(ctx, newSimBroker(), func(ctx context.Context) error {
			var client *Client
			err := c.Do(ctx, func(ctx context.Context) error { return conversation(ctx, &client, nil) })
			if err != nil && !errors.Is(err, aio.ErrCancelled) {
				return err
			}
			if client != nil {
				defer client.Close()
			}
			return usable(ctx, client)
		})
	})
	t.Logf("%d moments", r.Moments)
	if r.Moments < 50*schedules {
		t.Error("too few")
	}
}

// With is cancelled at every moment, also while it closes the client.
func TestSweepWith(t *testing.T) {
	schedules := stage.Amount(2, 10, 100)
	aiotest.CancelEverywhere(t, aiotest.Sweep{Schedules: schedules, Network: true}, func(ctx context.Context, c *aiotest.Cancelled) error {
		b := newSimBroker()
		return withBroker(ctx, b, func(ctx context.Context) error {
			session := NewSession()
			opts := &Options{ClientID: "c", Session: session, Reconnect: fast()}
			err := c.Do(ctx, func(ctx context.Context) error {
				return With(ctx, simURL, opts, func(ctx context.Context, c *Client) error {
					if err := c.Publish(ctx, &Message{Topic: "x", QoS: 1}); err != nil {
						return err
					}
					return c.Publish(ctx, &Message{Topic: "x", QoS: 2})
				})
			})
			if err != nil && !errors.Is(err, aio.ErrCancelled) {
				return err
			}
			if session.user != nil {
				return errors.New("the session is still in use")
			}
			// The next client finishes what is in the session.
			return With(ctx, simURL, opts, func(ctx context.Context, c *Client) error {
				for session.Len() > 0 {
					if err := aio.Sleep(ctx, time.Second); err != nil {
						return err
					}
				}
				return nil
			})
		})
	})
}

// Each network operation fails once in each way: the client connects again, and does what
// was asked for.
func TestFailEverywhere(t *testing.T) {
	r := aiotest.FailEverywhere(t, aiotest.Failures{Schedules: stage.Amount(1, 5, 20)}, func(ctx context.Context, f *aiotest.Failing) error {
		b := newSimBroker()
		return withBroker(ctx, b, func(ctx context.Context) error {
			var client *Client
			err := f.Do(ctx, func(ctx context.Context) error {
				return aiokit.Retry(ctx, fast(), func(ctx context.Context) (err error) {
					client, err = Dial(ctx, simURL, &Options{ClientID: "c", SessionExpiry: time.Hour, Reconnect: fast()})
					if err != nil {
						return err
					}
					defer client.Close()
					for qos := AtLeastOnce; qos <= ExactlyOnce; qos++ {
						if err := client.Publish(ctx, &Message{Topic: "a/b", QoS: qos, Payload: []byte("talk")}); err != nil {
							return err
						}
					}
					return usable(ctx, client)
				})
			})
			// the operation that failed may be one of the broker
			b.errs = slices.DeleteFunc(b.errs, func(error) bool { return f.Happened() })
			return err
		})
	})
	t.Logf("%d failures were tried", r.Moments)
	if r.Moments < 30 {
		t.Error("too few")
	}
}

// A sender and a receiver with journals, and a broker. All of them crash, and the network
// fails. Each message with QoS 1 is processed at least once, and each with QoS 2 exactly
// once, in order.
func TestSimulation(t *testing.T) {
	const n = 12
	runs := stage.Amount(20, 200, 2000)
	var sum aiotest.Counters
	again := 0
	r := aiotest.Simulate(t, aiotest.Simulation{Runs: runs}, func(ctx context.Context, w *aiotest.World) error {
		b := newSimBroker()
		broker := w.Host("broker", func(ctx context.Context) error {
			for _, s := range b.sessions {
				// the connections of the broker ended when it was
				// restarted
				s.conn = nil
			}
			return b.serve(ctx, ":1883")
		})
		connect := func(ctx context.Context, id string, j *memoryJournal) (*Client, error) {
			s, err := OpenSession(j)
			if err != nil {
				return nil, err
			}
			opts := &Options{ClientID: id, Session: s, SessionExpiry: 24 * time.Hour, KeepAlive: 2 * time.Second, PingTimeout: time.Second,
				ConnectTimeout: 3 * time.Second, MaxInFlight: 3, Buffer: 4, Reconnect: simPauses()}
			return aiokit.RetryResult(ctx, simPauses(), func(ctx context.Context) (*Client, error) { return Dial(ctx, "mqtt://broker", opts) })
		}
		var processed [3][]string // survives crashes
		inJournal, outJournal := new(memoryJournal), new(memoryJournal)
		subscribed := false
		receiver := w.Host("receiver", func(ctx context.Context) error {
			c, err := connect(ctx, "receiver", inJournal)
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := c.Subscribe(ctx, Subscription{Filter: "n/+", QoS: 2}); err != nil {
				return err
			}
			subscribed = true
			for m, err := range c.Messages(ctx) {
				if err != nil {
					return err
				}
				if err := aio.Sleep(ctx, aiotest.Between(ctx, 0, 30*time.Millisecond)); err != nil {
					return err
				}
				// recorded in the same step as Ack, which is called
				// when the body ends
				processed[m.QoS] = append(processed[m.QoS], string(m.Payload))
			}
			return nil
		})
		next := 0 // survives crashes
		sender := w.Host("sender", func(ctx context.Context) error {
			for !subscribed {
				if err := aio.Sleep(ctx, 10*time.Millisecond); err != nil {
					return err
				}
			}
			c, err := connect(ctx, "sender", outJournal)
			if err != nil {
				return err
			}
			defer c.Close()
			for next < 2*n {
				qos := QoS(1 + next%2)
				if _, err := c.Send(ctx, &Message{Topic: fmt.Sprint("n/", qos), QoS: qos, Payload: fmt.Append(nil, next/2)}); err != nil {
					return err
				}
				next++ // in one step with the change of the session
			}
			for c.session.Len() > 0 {
				if err := aio.Sleep(ctx, 50*time.Millisecond); err != nil {
					return err
				}
			}
			return c.Disconnect(ctx, Success)
		})
		hosts := []*aiotest.Host{broker, receiver, sender}
		for range 6 {
			if err := aio.Sleep(ctx, aiotest.Between(ctx, 10*time.Millisecond, 300*time.Millisecond)); err != nil {
				return err
			}
			victim := hosts[aiotest.Choose(ctx, len(hosts), "host")]
			switch aiotest.Choose(ctx, 4, "harm") {
			case 1:
				victim.Restart()
			case 2:
				victim.Crash()
				if err := aio.Sleep(ctx, aiotest.Between(ctx, 0, 5*time.Second)); err != nil {
					return err
				}
				victim.Restart()
			case 3:
				other := hosts[1+aiotest.Choose(ctx, 2, "cut off")]
				w.Partition("broker", other.Name())
				if err := aio.Sleep(ctx, aiotest.Between(ctx, 100*time.Millisecond, 8*time.Second)); err != nil {
					return err
				}
				w.Heal("broker", other.Name())
			}
		}
		if err := w.Wait(ctx, sender); err != nil {
			return err
		}
		for len(b.sessions["receiver"].out) > 0 {
			if err := aio.Sleep(ctx, time.Second); err != nil {
				return err
			}
		}
		receiver.Crash()
		broker.Crash()
		want := make([]string, n)
		for i := range want {
			want[i] = fmt.Sprint(i)
		}
		if !slices.Equal(processed[2], want) {
			return fmt.Errorf("the messages with QoS 2 are %s", strings.Join(processed[2], " "))
		}
		seen := slices.Compact(slices.Sorted(slices.Values(processed[1])))
		if len(seen) != n {
			return fmt.Errorf("the messages with QoS 1 are %s", strings.Join(processed[1], " "))
		}
		again += len(processed[1]) - n
		c := w.Counters()
		sum.Crashes, sum.Resets, sum.Connections = sum.Crashes+c.Crashes, sum.Resets+c.Resets, sum.Connections+c.Connections
		return errors.Join(b.errs...)
	})
	t.Logf("%d runs, %d messages with QoS 1 came again, %+v", r.Runs, again, sum)
	if sum.Crashes < runs || sum.Connections < 3*runs || again == 0 {
		t.Error("too few")
	}
}

// simPauses are pauses without random numbers, which would not be repeated.
func simPauses() *aiokit.RetryOptions {
	return &aiokit.RetryOptions{Pause: 20 * time.Millisecond, MaxPause: 500 * time.Millisecond}
}
