package mqtt

// Connections that end, against the broker of broker_test.go in virtual time: silent and
// malicious servers, sessions that are lost or taken over, refusals.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiokit"
)

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
