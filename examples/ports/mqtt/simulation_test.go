package mqtt

// The client against the broker of broker_test.go on a simulated network, in virtual
// time: behaviour that needs a clock or a malicious server, a cancellation at every
// moment, a failure of every network operation, and hosts that crash.

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// A server that was killed uses an identifier for another message than before. The client
// tells the two apart where the rules allow it.
func TestIdentifierOfAnotherMessage(t *testing.T) {
	type message struct {
		qos     QoS
		dup     bool
		payload string
	}
	for _, c := range []struct {
		name    string
		process bool // the first message is processed before the kill
		first   message
		second  message
		want    []string
	}{
		{"QoS 1 again", false, message{1, false, "a"}, message{1, true, "a"}, []string{"x 1 a"}},
		{"another QoS 1", false, message{1, false, "a"}, message{1, false, "b"}, []string{"x 1 a", "x 1 b"}},
		{"another QoS 1, sent twice", false, message{1, false, "a"}, message{1, true, "b"}, []string{"x 1 a", "x 1 b"}},
		{"QoS 1 after QoS 2", false, message{2, false, "a"}, message{1, true, "b"}, []string{"x 2 a", "x 1 b"}},
		{"QoS 2 after QoS 1", false, message{1, false, "a"}, message{2, true, "b"}, []string{"x 1 a", "x 2 b"}},
		{"QoS 2 again", false, message{2, false, "a"}, message{2, true, "a"}, []string{"x 2 a"}},
		{"QoS 2 again, processed", true, message{2, false, "a"}, message{2, true, "a"}, []string{"x 2 a"}},
		{"QoS 1 after QoS 2, processed", true, message{2, false, "a"}, message{1, false, "b"}, []string{"x 2 a", "x 1 b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			explore(t, nil, func(ctx context.Context, b *simBroker) error {
				acks := 0
				b.hook = func(conn *simConn, p packet) (bool, error) {
					switch p.(type) {
					case *publish: // what the server is to send
						m := c.first
						if conn.session.lastID > 0 {
							m = c.second
						}
						conn.session.lastID++
						conn.send(&publish{topic: "x", qos: m.qos, dup: m.dup, id: 7, payload: []byte(m.payload)})
						return true, nil
					case *ack:
						acks++
						return true, nil
					}
					return false, nil
				}
				opts := &Options{ClientID: "in", SessionExpiry: time.Hour, Reconnect: fast()}
				client, err := Dial(ctx, simURL, opts)
				if err != nil {
					return err
				}
				defer client.Close()
				var got []string
				next := func() error {
					if err := client.Publish(ctx, &Message{Topic: "next"}); err != nil {
						return err
					}
					return aio.Sleep(ctx, time.Minute)
				}
				if err := next(); err != nil {
					return err
				}
				if c.process {
					if got, err = take(ctx, client, 1); err != nil {
						return err
					}
				}
				b.sessions["in"].conn.w.Transport().Abort()
				if err := aio.Sleep(ctx, time.Minute); err != nil {
					return err
				}
				acks = 0
				if err := next(); err != nil {
					return err
				}
				for len(client.inbox) > 0 {
					more, err := take(ctx, client, 1)
					if err != nil {
						return err
					}
					got = append(got, more...)
				}
				if client.err != nil {
					return client.err
				}
				// The server gets exactly one answer to its last
				// message.
				if err := aio.Sleep(ctx, time.Minute); err != nil {
					return err
				}
				if acks != 1 {
					return fmt.Errorf("%d acknowledgements", acks)
				}
				return same("messages", got, c.want)
			})
		})
	}
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

// The client sends pings, notices a server that no longer answers, and connects again.
func TestKeepAlive(t *testing.T) {
	explore(t, nil, func(ctx context.Context, b *simBroker) error {
		pings, mute := 0, false
		b.hook = func(_ *simConn, p packet) (bool, error) {
			if q, ok := p.(*ping); ok && q.kind == pingreqType {
				pings++
			}
			if _, ok := p.(*connect); ok {
				mute = false
			}
			return mute, nil
		}
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		opts := &Options{KeepAlive: 10 * time.Second, PingTimeout: 3 * time.Second, Reconnect: fast(), SessionExpiry: time.Hour}
		return With(ctx, simURL, opts, func(ctx context.Context, c *Client) error {
			if err := aio.Sleep(ctx, 65*time.Second); err != nil {
				return err
			}
			if pings != 6 || c.Connections() != 1 {
				return fmt.Errorf("%d pings in 65 s, %d connections", pings, c.Connections())
			}
			mute = true
			since := loop.Time()
			// The first PUBLISH is lost, and sent again on the next
			// connection.
			if err := c.Publish(ctx, &Message{Topic: "x", QoS: 2}); err != nil {
				return err
			}
			if took := loop.Time().Sub(since); c.Connections() != 2 || took < 3*time.Second || took > 14*time.Second {
				return fmt.Errorf("%d connections after %v", c.Connections(), took)
			}
			return nil
		})
	})
	// The server may ask for another interval, and a client without Reconnect ends.
	explore(t, properties{{id: serverKeepAlive, n: 2}}, func(ctx context.Context, b *simBroker) error {
		b.hook = func(_ *simConn, p packet) (bool, error) {
			_, ok := p.(*ping)
			return ok, nil
		}
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		since := loop.Time()
		c, err := Dial(ctx, simURL, &Options{KeepAlive: -1})
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Receive(ctx)
		if took := loop.Time().Sub(since); !errors.Is(err, ErrNoResponse) || took < 12*time.Second || took > 13*time.Second {
			return fmt.Errorf("after %v: %w", took, err)
		}
		return nil
	})
}

// A server that breaks the rules ends the client, with a DISCONNECT that says why.
func TestMaliciousServer(t *testing.T) {
	short := make([]byte, 2)
	for _, c := range []struct {
		why  string
		code ReasonCode
		send []packet
		raw  string
	}{
		{"a second CONNACK", ProtocolFault, []packet{&connack{}}, ""},
		{"a packet of a client", ProtocolFault, []packet{&ping{pingreqType}}, ""},
		{"an answer without a question", ProtocolFault, []packet{&suback{kind: subackType, id: 9, results: []ReasonCode{0}}}, ""},
		{"an alias that is not defined", ProtocolFault, []packet{&publish{props: properties{{id: topicAlias, n: 1}}}}, ""},
		{"an alias beyond the limit", TopicAliasInvalid, []packet{&publish{topic: "a", props: properties{{id: topicAlias, n: 2}}}}, ""},
		{"an identifier twice", ProtocolFault, []packet{&publish{topic: "a", qos: 1, id: 1}, &publish{topic: "a", qos: 1, id: 1}}, ""},
		{"more messages than allowed", ReceiveMaximumExceeded, []packet{&publish{topic: "a", qos: 1, id: 1, payload: make([]byte, 900)},
			&publish{topic: "a", qos: 2, id: 2, payload: make([]byte, 900)}, &publish{topic: "a", qos: 1, id: 3, payload: make([]byte, 900)}}, ""},
		{"PUBREL before PUBREC", ProtocolFault, []packet{&publish{topic: "a", qos: 2, id: 1}, &ack{kind: pubrelType, id: 1}}, ""},
		{"PUBACK for QoS 2", ProtocolFault, []packet{&ack{kind: pubackType, id: 1}}, ""},
		{"PUBCOMP before PUBREC", ProtocolFault, []packet{&ack{kind: pubcompType, id: 1}}, ""},
		{"AUTH", ProtocolFault, []packet{&farewell{kind: authType, result: 0x18}}, ""},
		{"a packet that is too large", PacketTooLarge, []packet{&publish{topic: "a", payload: make([]byte, 2000)}}, ""},
		{"no packet", MalformedPacket, nil, "\x00\x00"},
	} {
		t.Run(c.why, func(t *testing.T) {
			explore(t, nil, func(ctx context.Context, b *simBroker) error {
				bye := aio.CreateFuture[ReasonCode](ctx)
				b.hook = func(conn *simConn, p packet) (bool, error) {
					switch p := p.(type) {
					case *publish:
						for _, q := range c.send {
							conn.send(q)
						}
						_, _ = io.WriteString(conn.w, c.raw)
						return true, nil
					case *farewell:
						_ = bye.SetResult(p.result)
						return false, io.EOF
					}
					return false, nil
				}
				opts := &Options{TopicAliases: 1, Buffer: 2, MaxPacket: 1000, Reconnect: fast()}
				client, err := Dial(ctx, simURL, opts)
				if err != nil {
					return err
				}
				defer client.Close()
				err = client.Publish(ctx, &Message{Topic: "x", QoS: 2, Payload: short})
				var bad *ProtocolError
				if !errors.As(err, &bad) || bad.Code != c.code {
					return fmt.Errorf("Publish: %w", err)
				}
				if code, err := bye.Await(ctx); err != nil || code != c.code {
					return fmt.Errorf("the DISCONNECT has the code %v, %w", code, err)
				}
				return nil
			})
		})
	}
}

// The server takes the session for another client: this client does not take the
// session back.
func TestTakenOver(t *testing.T) {
	explore(t, nil, func(ctx context.Context, b *simBroker) error {
		b.hook = func(c *simConn, p packet) (bool, error) {
			if _, ok := p.(*publish); ok {
				c.send(&farewell{kind: disconnectType, result: SessionTakenOver, props: properties{{id: reasonString, text: "twice"}}})
				return true, io.EOF
			}
			return false, nil
		}
		c, err := Dial(ctx, simURL, &Options{Reconnect: fast()})
		if err != nil {
			return err
		}
		defer c.Close()
		err = c.Publish(ctx, &Message{Topic: "x", QoS: 1})
		var ended *ReasonError
		if !errors.As(err, new(*LostError)) || !errors.As(err, &ended) || *ended != (ReasonError{"DISCONNECT", SessionTakenOver, "twice"}) {
			return fmt.Errorf("Publish: %w", err)
		}
		if c.Connections() != 1 {
			return fmt.Errorf("%d connections", c.Connections())
		}
		return nil
	})
}

// The server has lost the session: messages with QoS 1 are sent again, and for those
// with QoS 2 it is unknown whether they were delivered.
func TestSessionLost(t *testing.T) {
	explore(t, nil, func(ctx context.Context, b *simBroker) error {
		published := 0
		b.hook = func(c *simConn, p packet) (bool, error) {
			if _, ok := p.(*publish); !ok || b.errs != nil {
				return false, nil
			}
			if published++; published < 3 {
				return true, nil
			}
			if published == 3 {
				clear(b.sessions)
				return true, io.EOF
			}
			return false, nil
		}
		return With(ctx, simURL, &Options{ClientID: "c", Reconnect: fast()}, func(ctx context.Context, c *Client) error {
			var deliveries []*Delivery
			for _, qos := range []QoS{1, 2, 1} {
				d, err := c.Send(ctx, &Message{Topic: "x", QoS: qos})
				if err != nil {
					return err
				}
				deliveries = append(deliveries, d)
			}
			for i, d := range deliveries {
				if err := d.Wait(ctx); errors.Is(err, ErrSessionLost) != (i == 1) || i != 1 && err != nil {
					return fmt.Errorf("message %d: %w", i, err)
				}
			}
			return nil
		})
	})
}

// A journal that cannot be written ends the client before the server is told anything.
func TestJournalFails(t *testing.T) {
	full := errors.New("no space left")
	explore(t, nil, func(ctx context.Context, b *simBroker) error {
		j := new(memoryJournal)
		s, err := OpenSession(j)
		if err != nil {
			return err
		}
		c, err := Dial(ctx, simURL, &Options{ClientID: "c", Session: s, Reconnect: fast()})
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Subscribe(ctx, Subscription{Filter: "x", QoS: 2}); err != nil {
			return err
		}
		if err := c.Publish(ctx, &Message{Topic: "x", QoS: 2}); err != nil {
			return err
		}
		m, err := c.Receive(ctx)
		if err != nil {
			return err
		}
		j.fail = full
		if err := c.Publish(ctx, &Message{Topic: "x", QoS: 2}); !errors.Is(err, full) {
			return fmt.Errorf("Publish: %w", err)
		}
		if err := m.Ack(); !errors.Is(err, full) {
			return fmt.Errorf("Ack: %w", err)
		}
		if _, err := c.Receive(ctx); !errors.Is(err, full) {
			return fmt.Errorf("Receive: %w", err)
		}
		return nil
	})
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

// The client tries again after a temporary refusal, and ends after a permanent one.
func TestRefusedLater(t *testing.T) {
	const busy ReasonCode = 0x89
	for _, code := range []ReasonCode{busy, BadUserNameOrPassword} {
		explore(t, nil, func(ctx context.Context, b *simBroker) error {
			connects := 0
			b.hook = func(c *simConn, p packet) (bool, error) {
				switch p.(type) {
				case *connect:
					if connects++; connects == 2 {
						c.send(&connack{result: code})
						return true, io.EOF
					}
				case *ping:
					// the first connection is lost
					return true, io.EOF
				}
				return false, nil
			}
			opts := &Options{ClientID: "c", KeepAlive: time.Second, Reconnect: &aiokit.RetryOptions{Attempts: 3}}
			c, err := Dial(ctx, simURL, opts)
			if err != nil {
				return err
			}
			defer c.Close()
			for connects < 2 {
				if err := aio.Sleep(ctx, 100*time.Millisecond); err != nil {
					return err
				}
			}
			err = aio.Timeout(ctx, 900*time.Millisecond, func(ctx context.Context) error {
				return c.Publish(ctx, &Message{Topic: "x", QoS: 1})
			})
			var refused *ReasonError
			if code == busy && (err != nil || connects != 3) ||
				code != busy && (!errors.As(err, &refused) || refused.Code != code || connects != 2) {
				return fmt.Errorf("%v: %d connections, %w", code, connects, err)
			}
			return nil
		})
	}
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
