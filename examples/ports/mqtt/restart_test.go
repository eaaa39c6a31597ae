package mqtt

// The client while mosquitto is stopped, killed and started again.

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

// numbered counts the messages with a number as their payload.
type numbered struct {
	times map[string]int
	order []string
}

func (n *numbered) add(m *Message) {
	if n.times == nil {
		n.times = map[string]int{}
	}
	n.times[string(m.Payload)]++
	n.order = append(n.order, string(m.Payload))
}

// The broker is stopped in the middle, with its sessions saved, and started again. Each
// message with QoS 2 arrives once, in order, and each with QoS 1 at least once.
func TestRestart(t *testing.T) {
	t.Parallel()
	n := stage.Amount(60, 300, 3000)
	versions(t, func(t *testing.T, v Version) {
		m := startMosquitto(t, "max_queued_messages 0\n")
		run(t, func(ctx context.Context) error {
			opts := func(id string) *Options {
				return &Options{Version: v, ClientID: id, SessionExpiry: time.Hour, Reconnect: fast()}
			}
			return With(ctx, m.url(), opts("receiver"), func(ctx context.Context, in *Client) error {
				if _, err := in.Subscribe(ctx, Subscription{Filter: "n/+", QoS: 2}); err != nil {
					return err
				}
				return With(ctx, m.url(), opts("sender"), func(ctx context.Context, out *Client) error {
					var got [3]numbered
					all := aio.CreateFuture[struct{}](ctx)
					reader := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
						for msg, err := range in.Messages(ctx) {
							if err != nil {
								return err
							}
							got[msg.QoS].add(msg)
							if len(got[1].times) == n && len(got[2].times) == n && !all.Done() {
								_ = all.SetResult(struct{}{})
							}
						}
						return nil
					}))
					err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
						halfway := aio.CreateFuture[struct{}](ctx)
						for i := range n {
							if i == n/2 {
								_ = halfway.SetResult(struct{}{})
							}
							for qos := AtLeastOnce; qos <= ExactlyOnce; qos++ {
								d, err := out.Send(ctx, &Message{Topic: fmt.Sprint("n/", qos), QoS: qos, Payload: fmt.Append(nil, i)})
								if err != nil {
									return err
								}
								tg.Go(d.Wait)
							}
							if i == n/2 {
								_, err := aio.ToThread(ctx, func(context.Context) (int, error) {
									// in between
									m.stop(syscall.SIGTERM)
									m.start()
									return 0, nil
								})
								if err != nil {
									return err
								}
							}
						}
						return nil
					})
					if err != nil {
						return err
					}
					if _, err := all.Await(ctx); err != nil {
						return err
					}
					if len(got[2].order) != n {
						return fmt.Errorf("%d messages with QoS 2, %d were sent", len(got[2].order), n)
					}
					for i, payload := range got[2].order {
						if payload != fmt.Sprint(i) {
							return fmt.Errorf("message %d with QoS 2 is %s", i, payload)
						}
					}
					if in.Connections() != 2 || out.Connections() != 2 || out.session.Len() > 0 {
						return fmt.Errorf("%d and %d connections, %d messages in the session", in.Connections(), out.Connections(), out.session.Len())
					}
					return aio.CancelAndWait(ctx, reader)
				})
			})
		})
	})
}

// The broker is killed and loses its state: the subscriptions are restored, and
// messages with QoS 1 are sent again.
func TestKilledBroker(t *testing.T) {
	t.Parallel()
	versions(t, func(t *testing.T, v Version) {
		m := startMosquitto(t, "")
		run(t, func(ctx context.Context) error {
			opts := &Options{Version: v, CleanStart: true, Reconnect: fast()}
			return With(ctx, m.url(), opts, func(ctx context.Context, c *Client) error {
				if _, err := c.Subscribe(ctx, Subscription{Filter: "a/#", QoS: 1}, Subscription{Filter: "b", QoS: 2}); err != nil {
					return err
				}
				if _, err := c.Subscribe(ctx, Subscription{Filter: "c", QoS: 2}); err != nil {
					return err
				}
				if err := c.Unsubscribe(ctx, "c"); err != nil {
					return err
				}
				m.stop(syscall.SIGKILL)
				for c.conn != nil { // until the client has noticed
					if err := aio.Sleep(ctx, time.Millisecond); err != nil {
						return err
					}
				}
				calls := []aio.AnyFuture{
					aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
						return c.Publish(ctx, &Message{Topic: "a/1", QoS: 0})
					})),
					aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
						_, err := c.Subscribe(ctx, Subscription{Filter: "d", QoS: 1})
						return err
					})),
				}
				done, waiting, err := aio.Wait(ctx, calls, 10*time.Millisecond, aio.AllCompleted)
				if err != nil || len(done) > 0 || len(waiting) != 2 {
					return fmt.Errorf("%d calls do not wait for a connection: %w", len(done), err)
				}
				m.start()
				for _, call := range calls {
					if err := call.Join(ctx); err != nil {
						return err
					}
				}
				for _, topic := range []string{"b", "c", "d"} {
					if err := m.pub(ctx, "-t", topic, "-q", "1", "-m", "x"); err != nil {
						return err
					}
				}
				got, err := take(ctx, c, 3)
				if err != nil {
					return err
				}
				return same("after the restart", got, []string{"a/1 0 ", "b 1 x", "d 1 x"})
			})
		})
	})
}

// The broker is killed several times in the middle, while it has many messages to send.
// A killed broker loses its state since its last save: it may lose messages, send some
// twice, and use identifiers again, which no client can prevent. The clients survive
// that, and everything that is sent after the last kill arrives. mosquitto 2.0.11
// exceeds the receive maximum here.
func TestKilledRepeatedly(t *testing.T) {
	t.Parallel()
	n, kills := stage.Amount(30, 60, 200), stage.Amount(4, 6, 20)
	for _, changes := range []int{1, 9} {
		versions(t, func(t *testing.T, v Version) {
			m := startMosquitto(t, fmt.Sprintf("autosave_on_changes true\nautosave_interval %d\nmax_queued_messages 0\nmax_inflight_messages 2000\n", changes))
			run(t, func(ctx context.Context) error {
				opts := func(id string) *Options {
					return &Options{Version: v, ClientID: id, SessionExpiry: time.Hour, Reconnect: fast(), Buffer: 4}
				}
				return With(ctx, m.url(), opts("receiver"), func(ctx context.Context, in *Client) error {
					if _, err := in.Subscribe(ctx, Subscription{Filter: "n/+", QoS: 2}); err != nil {
						return err
					}
					return With(ctx, m.url(), opts("sender"), func(ctx context.Context, out *Client) error {
						reader := newMarkers(ctx, in)
						for k := range kills {
							err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
								for i := range 2 * n {
									d, err := out.Send(ctx, &Message{Topic: "n/x", QoS: QoS(1 + i%2), Payload: fmt.Appendf(nil, "%d.%d", k, i)})
									if err != nil {
										return err
									}
									tg.Go(func(ctx context.Context) error {
										if err := d.Wait(ctx); err != ErrSessionLost {
											return err
										}
										return nil
									})
								}
								_, err := aio.ToThread(ctx, func(context.Context) (int, error) {
									m.stop(syscall.SIGKILL)
									m.start()
									return 0, nil
								})
								return err
							})
							if err != nil {
								return err
							}
						}
						return reader.check(ctx, out, "n/x", n)
					})
				})
			})
		})
	}
}

// markers is a task that receives messages, and keeps those whose payload begins with
// "mark".
type markers struct {
	c     *Client
	got   [3]numbered
	wake  aio.Event
	reads *aio.Task[struct{}]
}

func newMarkers(ctx context.Context, c *Client) *markers {
	r := &markers{c: c}
	r.reads = aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		for msg, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			if strings.HasPrefix(string(msg.Payload), "mark") {
				r.got[msg.QoS].add(msg)
			}
			r.wake.Set()
		}
		return nil
	}))
	return r
}

// check sends n messages with each QoS, and waits until they have arrived: those with
// QoS 1 at least once, those with QoS 2 once. If the server has lost a part of its
// state before, it may use the identifier of a message that the receiver has processed
// for a new message with QoS 2. The rules of QoS 2 make the receiver drop that message
// (section 4.3.3). The last message shows that no such identifiers are left.
func (r *markers) check(ctx context.Context, out *Client, topic string, n int) error {
	mark := func(qos QoS, payload string) error {
		return out.Publish(ctx, &Message{Topic: topic, QoS: qos, Payload: []byte("mark " + payload)})
	}
	until := func(qos QoS, payload string) error {
		for r.got[qos].times["mark "+payload] == 0 {
			if r.reads.Done() {
				return fmt.Errorf("the client has ended: %w", r.c.err)
			}
			r.wake.Clear()
			if err := r.wake.Wait(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	// When this message has arrived, all earlier exchanges are complete.
	if err := errors.Join(mark(AtLeastOnce, "begin"), until(AtLeastOnce, "begin")); err != nil {
		return err
	}
	most := len(r.c.session.received)
	for i := range n {
		for qos := AtLeastOnce; qos <= ExactlyOnce; qos++ {
			if err := mark(qos, fmt.Sprint(i)); err != nil {
				return err
			}
		}
	}
	if err := errors.Join(mark(AtLeastOnce, "end"), until(AtLeastOnce, "end")); err != nil {
		return err
	}
	for i := range n {
		if err := until(AtLeastOnce, fmt.Sprint(i)); err != nil {
			return err
		}
	}
	// The last PUBREL may be on its way.
	for len(r.got[ExactlyOnce].order) < n-most {
		if r.reads.Done() {
			return fmt.Errorf("the client has ended: %w", r.c.err)
		}
		r.wake.Clear()
		if err := r.wake.Wait(ctx); err != nil {
			return err
		}
	}
	// mosquitto 2.0.11 does not keep the order of these messages if it was killed.
	for payload, times := range r.got[ExactlyOnce].times {
		if times != 1 {
			return fmt.Errorf("the message %q with QoS 2 came %d times", payload, times)
		}
	}
	return aio.CancelAndWait(ctx, r.reads)
}

// ordered reports an error if the messages with QoS 2 of check arrived in another order
// than that in which they were sent. Some may be missing.
func (r *markers) ordered() error {
	last := -1
	for _, payload := range r.got[ExactlyOnce].order {
		var i int
		if _, err := fmt.Sscanf(payload, "mark %d", &i); err != nil || i <= last {
			return fmt.Errorf("the messages with QoS 2 are %q", r.got[ExactlyOnce].order)
		}
		last = i
	}
	return nil
}

// Without Reconnect the client ends when its connection ends.
func TestLost(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "")
	run(t, func(ctx context.Context) error {
		c, err := Dial(ctx, m.url(), nil)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Subscribe(ctx, Subscription{Filter: "a", QoS: 1}); err != nil {
			return err
		}
		if err := m.pub(ctx, "-t", "a", "-q", "1", "-m", "last"); err != nil {
			return err
		}
		first, err := c.Receive(ctx)
		if err != nil {
			return err
		}
		m.stop(syscall.SIGKILL)
		if _, err := c.Receive(ctx); !errors.As(err, new(*LostError)) {
			return fmt.Errorf("Receive: %w", err)
		}
		for _, err := range []error{
			c.Publish(ctx, &Message{Topic: "a"}), c.Publish(ctx, &Message{Topic: "a", QoS: 2}), c.Unsubscribe(ctx, "a"),
		} {
			if !errors.As(err, new(*LostError)) {
				return fmt.Errorf("another call: %w", err)
			}
		}
		return errors.Join(first.Ack(), c.Disconnect(ctx, Success))
	})
}

// A session in a file: messages that a program has not finished are sent by the next
// program.
func TestSessionFile(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "")
	path := filepath.Join(t.TempDir(), "session")
	run(t, func(ctx context.Context) error {
		open := func() (*Session, *Options, error) {
			s, err := OpenSession(FileJournal(path))
			return s, &Options{ClientID: "file", Session: s, SessionExpiry: time.Hour, Reconnect: fast()}, err
		}
		s, opts, err := open()
		if err != nil {
			return err
		}
		c, err := Dial(ctx, m.url(), opts)
		if err != nil {
			return err
		}
		// The broker stops, and so the messages stay in the session.
		m.stop(syscall.SIGTERM)
		for c.conn != nil {
			if err := aio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		var deliveries []*Delivery
		for i := range 4 {
			d, err := c.Send(ctx, &Message{Topic: "f", QoS: QoS(1 + i%2), Payload: fmt.Append(nil, i)})
			if err != nil {
				return err
			}
			deliveries = append(deliveries, d)
		}
		c.Close()
		for _, d := range deliveries {
			if err := d.Wait(ctx); !errors.Is(err, ErrClosed) {
				return fmt.Errorf("a call at Close: %w", err)
			}
		}
		if err := errors.Join(aio.CancelAndWait(ctx, c.task), s.Close()); err != nil {
			return err
		}
		if s, opts, err = open(); err != nil {
			return err
		}
		if s.Len() != 4 {
			return fmt.Errorf("%d messages are in the file", s.Len())
		}
		m.start()
		sub, err := m.sub(ctx, "listener", 4, "-t", "f", "-q", "2")
		if err != nil {
			return err
		}
		return With(ctx, m.url(), opts, func(ctx context.Context, c *Client) error {
			out, err := sub.Await(ctx)
			if err != nil {
				return err
			}
			got := strings.Split(strings.TrimSpace(out), "\n")
			// mosquitto forwards a message with QoS 2 after its PUBREL
			slices.Sort(got)
			if err := same("mosquitto_sub", got, []string{"f 1 0 0", "f 1 0 2", "f 2 0 1", "f 2 0 3"}); err != nil {
				return err
			}
			for s.Len() > 0 {
				if err := aio.Sleep(ctx, time.Millisecond); err != nil {
					return err
				}
			}
			return s.Close()
		})
	})
}
