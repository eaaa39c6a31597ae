package smtp

// Cancellations at every moment, and failures of every network operation: a message is
// stored as it was sent or not at all, at least once if the client saw 250, and a
// client that is not closed afterwards sends correctly.

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

// numbered returns a message that is easy to recognise. Its length depends on n, so that
// it takes one segment or several.
func numbered(n int) Envelope {
	data := fmt.Appendf(nil, "message %d\n.\n", n)
	for i := range 40 * (n % 3) {
		data = fmt.Appendf(data, ".line %d of message %d\n", i, n)
	}
	return Envelope{From: fmt.Sprintf("a%d@x", n), To: []string{fmt.Sprintf("b%d@x", n), "nobody@x"}, Data: data}
}

// check compares the messages that are stored with those that were acknowledged. It looks
// at each message once.
func (m *memory) check(acknowledged map[int]bool) error {
	for ; m.checked < len(m.messages); m.checked++ {
		e := m.messages[m.checked]
		var n int
		if _, err := fmt.Sscanf(string(e.Data), "message %d", &n); err != nil {
			return fmt.Errorf("a message %q", e.Data)
		}
		want := numbered(n)
		if string(e.Data) != string(canonical(want.Data)) || e.From != want.From || len(e.To) != 1 || e.To[0] != want.To[0] {
			return fmt.Errorf("message %d, from %s to %s, has %d bytes instead of %d", n, e.From, e.To, len(e.Data), len(canonical(want.Data)))
		}
		if m.stored == nil {
			m.stored = map[int]bool{}
		}
		m.stored[n] = true
	}
	for n := range acknowledged {
		if !m.stored[n] {
			return fmt.Errorf("message %d was acknowledged and is not stored", n)
		}
	}
	return nil
}

// scene runs a client that sends n messages over a connection. do runs the part that is
// cancelled or disturbed. After it, the same client and a new one send.
func scene(n int, server *ServerOptions, opts *Options, do func(ctx context.Context, fn func(ctx context.Context) error) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		m := &memory{latency: time.Millisecond}
		srv, err := Start(ctx, addr, m, named(server))
		if err != nil {
			return err
		}
		acknowledged := map[int]bool{}
		var c *Client
		send := func(ctx context.Context, c *Client, n int) error {
			refused, err := c.Send(ctx, numbered(n))
			if err == nil {
				acknowledged[n] = true
				if len(refused) != 1 || refused[0].Recipient != "nobody@x" {
					err = fmt.Errorf("refused: %v", refused)
				}
			}
			return err
		}
		err = do(ctx, func(ctx context.Context) (err error) {
			if c, err = Dial(ctx, addr, opts); err != nil {
				return err
			}
			for n := range n {
				if err := send(ctx, c, n); err != nil {
					return err
				}
				if err := c.Noop(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		if err := m.check(acknowledged); err != nil {
			return err
		}
		if c != nil {
			if c.Err() == nil {
				if err := errors.Join(send(ctx, c, 4), c.Quit(ctx)); err != nil {
					return fmt.Errorf("the same client: %w", err)
				}
			} else if lerr := send(ctx, c, 4); !errors.Is(lerr, ErrClosed) || errors.Is(lerr, aio.ErrCancelled) {
				return fmt.Errorf("the closed client: %w", lerr)
			}
		}
		other, oerr := Dial(ctx, addr, opts)
		if oerr == nil {
			oerr = errors.Join(send(ctx, other, 5), other.Quit(ctx))
		}
		if oerr != nil {
			return fmt.Errorf("another client: %w", oerr)
		}
		if serr := srv.Shutdown(ctx, time.Minute); serr != nil {
			return serr
		}
		if len(srv.sessions) > 0 {
			return fmt.Errorf("%d sessions are left", len(srv.sessions))
		}
		if cerr := m.check(acknowledged); cerr != nil {
			return cerr
		}
		if err != nil {
			return inRegion{err}
		}
		return nil
	}
}

// inRegion is the error of the part of a scene that was cancelled or disturbed. Errors
// of the other parts are not expected.
type inRegion struct{ error }

func (e inRegion) Unwrap() error { return e.error }

// setting is a way to connect.
type setting struct {
	server *ServerOptions
	opts   *Options
}

// messages returns how many messages a scene has. With TLS there are fewer, because
// each moment needs a handshake, which takes long.
func (s setting) messages() int {
	if s.opts.TLS != nil {
		return stage.Amount(1, 3, 3)
	}
	return 3
}

func scenes() map[string]setting {
	server, client := certificates()
	return map[string]setting{
		"in clear, CRAM-MD5": {&ServerOptions{RequireAuth: true}, &Options{Hostname: "me", User: "ann", Password: "secret"}},
		"STARTTLS, PLAIN":    {&ServerOptions{TLS: server, RequireTLS: true}, &Options{Hostname: "me", TLS: client}},
	}
}

// The client is cancelled at every moment.
func TestCancelClient(t *testing.T) {
	for name, s := range scenes() {
		t.Run(name, func(t *testing.T) {
			r := aiotest.CancelEverywhere(t, aiotest.Sweep{Network: true, Schedules: stage.Amount(1, 5, 50)}, func(ctx context.Context, c *aiotest.Cancelled) error {
				err := scene(s.messages(), s.server, s.opts, c.Do)(ctx)
				if errors.As(err, new(inRegion)) && errors.Is(err, aio.ErrCancelled) {
					return nil
				}
				return err
			})
			t.Logf("%d moments", r.Moments)
			if r.Moments < 70 {
				t.Error("too few")
			}
		})
	}
}

// One of two tasks that share a client is cancelled at every moment. The other one gets
// its own answers, or an error that is not a cancellation.
func TestCancelSharedClient(t *testing.T) {
	r := aiotest.CancelEverywhere(t, aiotest.Sweep{Network: true, Schedules: stage.Amount(1, 10, 100)}, func(ctx context.Context, c *aiotest.Cancelled) error {
		m := &memory{latency: time.Millisecond}
		srv, err := Start(ctx, addr, m, nil)
		if err != nil {
			return err
		}
		client, err := Dial(ctx, addr, nil)
		if err != nil {
			return err
		}
		acknowledged := map[int]bool{}
		others := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for n := 3; n < 5; n++ {
				_, err := client.Send(ctx, numbered(n))
				if errors.Is(err, ErrClosed) && !errors.Is(err, aio.ErrCancelled) {
					return nil
				}
				if err != nil {
					return err
				}
				acknowledged[n] = true
			}
			return nil
		}))
		err = c.Do(ctx, func(ctx context.Context) error {
			for n := range 2 {
				if _, err := client.Send(ctx, numbered(n)); err != nil {
					return err
				}
				acknowledged[n] = true
			}
			return nil
		})
		if err != nil && !errors.Is(err, aio.ErrCancelled) {
			return err
		}
		_, err = others.Await(ctx)
		return errors.Join(err, client.Quit(ctx), srv.Shutdown(ctx, time.Minute), m.check(acknowledged))
	})
	t.Logf("%d moments", r.Moments)
	if r.Moments < 50 {
		t.Error("too few")
	}
}

// The server is shut down at every moment, by the cancellation of the task that serves.
func TestCancelServer(t *testing.T) {
	for name, s := range scenes() {
		t.Run(name, func(t *testing.T) {
			if s.opts.TLS != nil && !stage.Full {
				t.Skip("part of the full tests: a handshake for each moment takes long")
			}
			r := aiotest.CancelEverywhere(t, aiotest.Sweep{Network: true, Schedules: stage.Amount(1, 5, 50)}, func(ctx context.Context, c *aiotest.Cancelled) error {
				m := &memory{latency: time.Millisecond}
				acknowledged := map[int]bool{}
				// set when the server listens, or has failed to start
				var ready aio.Event
				client := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					if err := ready.Wait(ctx); err != nil {
						return err
					}
					for n := 0; n < 3; {
						c, err := Dial(ctx, addr, s.opts)
						if err != nil {
							return nil // the server has ended
						}
						for ; n < 3 && err == nil; n++ {
							if _, err = c.Send(ctx, numbered(n)); err == nil {
								acknowledged[n] = true
							}
						}
						c.Close()
					}
					return nil
				}))
				err := c.Do(ctx, func(ctx context.Context) error {
					defer ready.Set() // if Start fails
					srv, err := Start(ctx, addr, m, named(s.server))
					if err != nil {
						return err
					}
					ready.Set()
					limited := aio.Timeout(ctx, time.Second, func(ctx context.Context) error { return srv.ServeForever(ctx, time.Second) })
					if len(srv.sessions) > 0 {
						return fmt.Errorf("%d sessions are left", len(srv.sessions))
					}
					if errors.Is(limited, aio.ErrTimeout) {
						return nil
					}
					return limited
				})
				// also if the server was cancelled before its first
				// step
				ready.Set()
				if err != nil && !errors.Is(err, aio.ErrCancelled) {
					return err
				}
				_, err = client.Await(ctx)
				return errors.Join(err, m.check(acknowledged))
			})
			t.Logf("%d moments", r.Moments)
			if r.Moments < 50 {
				t.Error("too few")
			}
		})
	}
}

// Every network operation fails once, in every way.
func TestFailEverywhere(t *testing.T) {
	for name, s := range scenes() {
		t.Run(name, func(t *testing.T) {
			failures := aiotest.Failures{
				Schedules: stage.Amount(1, 2, 20),
				Kinds:     stage.Amount([]aiotest.NetworkFailure{aiotest.ConnectionReset}, nil, nil),
			}
			r := aiotest.FailEverywhere(t, failures, func(ctx context.Context, f *aiotest.Failing) error {
				err := scene(s.messages(), s.server, s.opts, f.Do)(ctx)
				if errors.As(err, new(inRegion)) && f.Happened() && isGone(err) {
					return nil
				}
				return err
			})
			t.Logf("%d failures", r.Moments)
			if r.Moments < 30 {
				t.Error("too few")
			}
		})
	}
}
