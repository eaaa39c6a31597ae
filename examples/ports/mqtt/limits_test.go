package mqtt

// What limits the messages on their way, against the broker of broker_test.go in virtual
// time: the receive maximum, the buffer, and the tasks that take messages from it.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// The server limits the messages with QoS 1 and 2 that are on their way, and so does the
// client.
func TestReceiveMaximum(t *testing.T) {
	explore(t, properties{{id: receiveMaximum, n: 2}}, func(ctx context.Context, b *simBroker) error {
		unacked, most := map[uint16]bool{}, 0
		b.hook = func(c *simConn, p packet) (bool, error) {
			m, ok := p.(*publish)
			if !ok {
				return false, nil
			}
			unacked[m.id] = true
			most = max(most, len(unacked))
			loop, _ := aio.GetRunningLoop(ctx)
			loop.CallLater(100*time.Millisecond, func() {
				delete(unacked, m.id)
				c.send(&ack{kind: pubackType, id: m.id})
			})
			return true, nil
		}
		return With(ctx, simURL, nil, func(ctx context.Context, c *Client) error {
			err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				for range 7 {
					tg.Go(func(ctx context.Context) error { return c.Publish(ctx, &Message{Topic: "x", QoS: 1}) })
				}
				return nil
			})
			if err == nil && most != 2 {
				err = fmt.Errorf("%d messages were on their way", most)
			}
			return err
		})
	})
}

// A server that sends more messages than the receive maximum does no harm, as long as
// they fit into the memory that the options allow. A server may do so: the PUBCOMP of
// an exchange that began on an earlier connection raises its quota.
func TestReceiveMaximumExceeded(t *testing.T) {
	for _, c := range []struct {
		name   string
		broker simBroker
		n      int // messages that are received before the first Ack
	}{
		{"PUBREL of an earlier connection", simBroker{freeRelease: true}, 3},
		{"no limit", simBroker{exceeds: true}, 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			explore(t, nil, func(ctx context.Context, b *simBroker) error {
				b.freeRelease, b.exceeds = c.broker.freeRelease, c.broker.exceeds
				lost := false
				b.hook = func(_ *simConn, p packet) (bool, error) {
					if a, ok := p.(*ack); ok && a.kind == pubcompType && !lost {
						lost = true
						return true, io.EOF
					}
					return false, nil
				}
				opts := &Options{ClientID: "in", SessionExpiry: time.Hour, Buffer: 2, Reconnect: fast()}
				return With(ctx, simURL, opts, func(ctx context.Context, in *Client) error {
					if _, err := in.Subscribe(ctx, Subscription{Filter: "x", QoS: 2}); err != nil {
						return err
					}
					return With(ctx, simURL, nil, func(ctx context.Context, out *Client) error {
						publish := func(i int) error {
							return out.Publish(ctx, &Message{Topic: "x", QoS: 2, Payload: fmt.Append(nil, i)})
						}
						// The connection ends before the
						// PUBCOMP of the message arrives.
						if err := publish(0); err != nil {
							return err
						}
						if got, err := take(ctx, in, 1); err != nil || got[0] != "x 2 0" {
							return fmt.Errorf("message %q: %w", got, err)
						}
						for i := 1; i <= c.n; i++ {
							if err := publish(i); err != nil {
								return err
							}
						}
						var all []*Message
						for i := 1; i <= c.n; i++ {
							m, err := in.Receive(ctx)
							if err != nil || string(m.Payload) != fmt.Sprint(i) {
								return fmt.Errorf("message %d: %v, %w", i, m, err)
							}
							all = append(all, m)
						}
						for _, m := range all {
							if err := m.Ack(); err != nil {
								return err
							}
						}
						for len(b.sessions["in"].out) > 0 {
							if err := aio.Sleep(ctx, time.Second); err != nil {
								return err
							}
						}
						if in.Connections() != 2 || in.size != 0 {
							return fmt.Errorf("%d connections, a buffer of %d bytes", in.Connections(), in.size)
						}
						return nil
					})
				})
			})
		})
	}
}

// A consumer that takes its time stops the server, and nothing is lost or dropped.
func TestBackPressure(t *testing.T) {
	for qos := AtMostOnce; qos <= ExactlyOnce; qos++ {
		explore(t, nil, func(ctx context.Context, b *simBroker) error {
			return With(ctx, simURL, &Options{Buffer: 3}, func(ctx context.Context, in *Client) error {
				if _, err := in.Subscribe(ctx, Subscription{Filter: "x", QoS: qos}); err != nil {
					return err
				}
				return With(ctx, simURL, nil, func(ctx context.Context, out *Client) error {
					const n = 20
					for i := range n {
						if err := out.Publish(ctx, &Message{Topic: "x", QoS: qos, Payload: fmt.Append(nil, i)}); err != nil {
							return err
						}
					}
					i := 0
					for m, err := range in.Messages(ctx) {
						if err != nil {
							return err
						}
						if len(in.inbox) > 3 || string(m.Payload) != fmt.Sprint(i) {
							return fmt.Errorf("%d messages in the buffer, message %d is %s", len(in.inbox), i, m.Payload)
						}
						if err := aio.Sleep(ctx, 5*time.Second); err != nil {
							return err
						}
						if i++; i == n {
							return m.Ack()
						}
					}
					return errors.New("the iterator has ended")
				})
			})
		})
	}
}

// A consumer that publishes does not wait for itself when the buffer is full: the client
// reads on, and drops messages with QoS 0.
func TestPublishWhileFull(t *testing.T) {
	explore(t, nil, func(ctx context.Context, b *simBroker) error {
		return With(ctx, simURL, &Options{Buffer: 2}, func(ctx context.Context, c *Client) error {
			if _, err := c.Subscribe(ctx, Subscription{Filter: "x"}); err != nil {
				return err
			}
			for range 6 {
				if err := c.Publish(ctx, &Message{Topic: "x"}); err != nil {
					return err
				}
			}
			if err := aio.Sleep(ctx, time.Hour); err != nil {
				return err
			}
			if c.Dropped() != 0 {
				return fmt.Errorf("%d messages were dropped", c.Dropped())
			}
			if err := c.Publish(ctx, &Message{Topic: "y", QoS: 1}); err != nil {
				return err
			}
			if c.Dropped() != 4 {
				return fmt.Errorf("%d messages were dropped, %d are in the buffer", c.Dropped(), len(c.inbox))
			}
			return nil
		})
	})
}

// A loop body that ends early keeps its message for the next one.
func TestMessagesEndedEarly(t *testing.T) {
	explore(t, nil, func(ctx context.Context, b *simBroker) error {
		return With(ctx, simURL, nil, func(ctx context.Context, c *Client) error {
			if _, err := c.Subscribe(ctx, Subscription{Filter: "x", QoS: 2}); err != nil {
				return err
			}
			for i := range 4 {
				if err := c.Publish(ctx, &Message{Topic: "x", QoS: 2, Payload: fmt.Append(nil, i)}); err != nil {
					return err
				}
			}
			var got []string
			for _, acknowledge := range []bool{false, true, true} {
				for m, err := range c.Messages(ctx) {
					if err != nil {
						return err
					}
					got = append(got, string(m.Payload))
					if acknowledge {
						if err := m.Ack(); err != nil {
							return err
						}
					}
					break
				}
			}
			for m, err := range c.Messages(ctx) {
				if err != nil {
					return err
				}
				if got = append(got, string(m.Payload)); len(got) == 5 {
					// The iterator ends without an error.
					aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return c.Disconnect(ctx, Success) }))
				}
			}
			return same("received", got, []string{"0", "0", "1", "2", "3"})
		})
	})
}

// Several tasks take messages from one client: each message goes to one of them.
func TestConsumers(t *testing.T) {
	explore(t, nil, func(ctx context.Context, b *simBroker) error {
		return With(ctx, simURL, nil, func(ctx context.Context, c *Client) error {
			if _, err := c.Subscribe(ctx, Subscription{Filter: "x", QoS: 1}); err != nil {
				return err
			}
			const n = 12
			times := map[string]int{}
			by := [3]int{}
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				for i := range by {
					tg.Go(func(ctx context.Context) error {
						for m, err := range c.Messages(ctx) {
							if err != nil {
								return err
							}
							times[string(m.Payload)]++
							by[i]++
							if err := aio.Sleep(ctx, time.Second); err != nil {
								return err
							}
						}
						return nil
					})
				}
				for i := range n {
					if err := c.Publish(ctx, &Message{Topic: "x", QoS: 1, Payload: fmt.Append(nil, i)}); err != nil {
						return err
					}
				}
				if err := aio.Sleep(ctx, time.Minute); err != nil {
					return err
				}
				if len(times) != n || by[0]+by[1]+by[2] != n || slices.Min(by[:]) == 0 {
					return fmt.Errorf("messages: %v, taken by the tasks: %v", times, by)
				}
				return c.Disconnect(ctx, Success)
			})
		})
	})
}

// The limits of the server are those of its last connection, and a message that it cannot
// accept is not sent.
func TestLimits(t *testing.T) {
	limits := properties{{id: maximumQoS, n: 1}, {id: retainAvailable, n: 0}, {id: maximumPacketSize, n: 50}}
	explore(t, limits, func(ctx context.Context, b *simBroker) error {
		return With(ctx, simURL, nil, func(ctx context.Context, c *Client) error {
			for want, m := range map[ReasonCode]*Message{
				QoSNotSupported:    {Topic: "x", QoS: 2},
				RetainNotSupported: {Topic: "x", QoS: 1, Retain: true},
				PacketTooLarge:     {Topic: "x", QoS: 1, Payload: make([]byte, 50)},
			} {
				var refused *ReasonError
				if err := c.Publish(ctx, m); !errors.As(err, &refused) || refused.Code != want {
					return fmt.Errorf("want %v: %w", want, err)
				}
			}
			return c.Publish(ctx, &Message{Topic: "x", QoS: 1, Payload: make([]byte, 30)})
		})
	})
}
