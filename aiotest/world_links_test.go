package aiotest_test

// The timeouts that end a connection whose packets, or the replies to them, are lost.
// Linux sends data again for a quarter of an hour, and the first packet of a connection
// for two minutes.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

const (
	untilConnected = 127 * time.Second
	untilAnswered  = 924 * time.Second
)

// recorded serves connections on port 7, and records what arrives.
func recorded(w *aiotest.World, log *[]string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		note := func(format string, args ...any) {
			*log = append(*log, fmt.Sprintf(format, args...)+fmt.Sprint(" at ", w.Now().Round(time.Second)))
		}
		s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
			defer c.Close()
			for {
				line, err := r.ReadLine(ctx)
				switch {
				case errors.Is(err, aio.ErrLoopClosed):
					return err
				case err != nil:
					note("%v", err)
					return nil
				case len(line) == 0:
					note("EOF")
					return nil
				}
				note("%s", strings.TrimSpace(string(line[max(len(line)-10, 0):])))
			}
		}, ":7", &aio.ServerOptions{Limit: 1 << 20})
		if err != nil {
			return err
		}
		return s.ServeForever(ctx)
	}
}

// linked makes one run with the host srv, in which a packet takes 100 ms, and returns
// what srv recorded.
func linked(t *testing.T, fn func(ctx context.Context, w *aiotest.World, srv *aiotest.Host) error) string {
	t.Helper()
	var log []string
	err := simulate(func(ctx context.Context, w *aiotest.World) error {
		log = nil
		srv := w.Host("srv", recorded(w, &log))
		w.Link("srv", "test").Latency(100*time.Millisecond, 100*time.Millisecond)
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		return fn(ctx, w, srv)
	})
	if err != nil {
		t.Errorf("%v, after %q", err, log)
	}
	return strings.Join(log, ", ")
}

// timedOut returns an error unless call fails with ETIMEDOUT after that time.
func timedOut(w *aiotest.World, after time.Duration, call func() error) error {
	start := w.Now()
	err := call()
	if took := (w.Now() - start).Round(time.Second); !errors.Is(err, syscall.ETIMEDOUT) || took != after {
		return fmt.Errorf("the error after %v is %v, want ETIMEDOUT after %v", took, err, after)
	}
	return nil
}

// Connecting ends also if only the answer is lost, or if the host crashes while the
// first packet is on its way.
func TestConnectUnanswered(t *testing.T) {
	for name, harm := range map[string]func(ctx context.Context, w *aiotest.World, srv *aiotest.Host){
		"request lost": func(_ context.Context, w *aiotest.World, _ *aiotest.Host) { w.Way("test", "srv").Cut() },
		"answer lost":  func(_ context.Context, w *aiotest.World, _ *aiotest.Host) { w.Way("srv", "test").Cut() },
		"answer lost later": func(ctx context.Context, w *aiotest.World, _ *aiotest.Host) {
			loop, _ := aio.GetRunningLoop(ctx)
			loop.CallLater(50*time.Millisecond, w.Way("srv", "test").Cut)
		},
		"refusal lost": func(_ context.Context, w *aiotest.World, srv *aiotest.Host) {
			// the host is up, and does not listen yet when the packet arrives
			srv.Restart()
			w.Way("srv", "test").Cut()
		},
		"host down": func(_ context.Context, _ *aiotest.World, srv *aiotest.Host) { srv.Crash() },
		"host crashes": func(ctx context.Context, _ *aiotest.World, srv *aiotest.Host) {
			loop, _ := aio.GetRunningLoop(ctx)
			loop.CallLater(50*time.Millisecond, srv.Crash)
		},
	} {
		t.Run(name, func(t *testing.T) {
			linked(t, func(ctx context.Context, w *aiotest.World, srv *aiotest.Host) error {
				harm(ctx, w, srv)
				return timedOut(w, untilConnected, func() error {
					_, _, err := aio.OpenConnection(ctx, "srv:7", &aio.ConnectionOptions{Network: "tcp4"})
					return err
				})
			})
		})
	}
}

// opened is linked with an open connection.
func opened(t *testing.T, fn func(ctx context.Context, w *aiotest.World, srv *aiotest.Host, r *aio.StreamReader, c *aio.StreamWriter) error) string {
	t.Helper()
	return linked(t, func(ctx context.Context, w *aiotest.World, srv *aiotest.Host) error {
		r, c, err := aio.OpenConnection(ctx, "srv:7", nil)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		return fn(ctx, w, srv, r, c)
	})
}

// The sender of data gets an error when its data is not acknowledged, whether packets or
// acknowledgements are lost, also if it keeps sending. The receiver waits.
func TestDataUnanswered(t *testing.T) {
	// the line is acknowledged at once, because it is long
	line := strings.Repeat("x", 32<<10) + "\n"
	for name, c := range map[string]struct {
		harm func(ctx context.Context, w *aiotest.World, srv *aiotest.Host)
		want string
	}{
		"data lost":             {func(_ context.Context, w *aiotest.World, _ *aiotest.Host) { w.Way("test", "srv").Cut() }, ""},
		"acknowledgements lost": {func(_ context.Context, w *aiotest.World, _ *aiotest.Host) { w.Way("srv", "test").Cut() }, "xxxxxxxxx at 2s"},
		"both lost":             {func(_ context.Context, w *aiotest.World, _ *aiotest.Host) { w.Partition("srv", "test") }, ""},
		"host down":             {func(_ context.Context, _ *aiotest.World, srv *aiotest.Host) { srv.Crash() }, ""},
		"host crashes": {func(ctx context.Context, _ *aiotest.World, srv *aiotest.Host) {
			loop, _ := aio.GetRunningLoop(ctx)
			loop.CallLater(50*time.Millisecond, srv.Crash)
		}, ""},
	} {
		for _, more := range []int{0, 3} {
			t.Run(fmt.Sprintf("%s, and %d times more", name, more), func(t *testing.T) {
				got := opened(t, func(ctx context.Context, w *aiotest.World, srv *aiotest.Host, r *aio.StreamReader, conn *aio.StreamWriter) error {
					c.harm(ctx, w, srv)
					loop, err := aio.GetRunningLoop(ctx)
					if err != nil {
						return err
					}
					for i := range more {
						loop.CallLater(time.Duration(i+1)*100*time.Second, func() { _, _ = conn.Write([]byte("y")) })
					}
					if _, err := conn.Write([]byte(line)); err != nil {
						return err
					}
					return timedOut(w, untilAnswered, func() error {
						_, err := r.ReadLine(ctx)
						return err
					})
				})
				if got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		}
	}
}

// After a link was restored, a packet that is lost later has the full timeout again.
func TestSecondCut(t *testing.T) {
	for _, cut := range []string{"data", "acknowledgements"} {
		t.Run(cut, func(t *testing.T) {
			got := opened(t, func(ctx context.Context, w *aiotest.World, _ *aiotest.Host, r *aio.StreamReader, c *aio.StreamWriter) error {
				way := w.Way("test", "srv")
				if cut != "data" {
					way = w.Way("srv", "test")
				}
				for i, wait := range []time.Duration{10 * time.Second, 890 * time.Second, 900 * time.Second} {
					if i != 1 {
						way.Cut()
					}
					if _, err := fmt.Fprintln(c, i); err != nil {
						return err
					}
					if err := aio.Sleep(ctx, wait); err != nil {
						return err
					}
					way.Heal()
				}
				return aio.Sleep(ctx, time.Second)
			})
			want := "0 at 12s, 1 at 12s, 2 at 30m2s"
			if cut != "data" {
				want = "0 at 2s, 1 at 12s, 2 at 15m2s"
			}
			if !strings.HasPrefix(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// Data that is held back is not sent again by a connection that has timed out, or by a
// host that has crashed.
func TestHeldBack(t *testing.T) {
	for name, harm := range map[string]func(ctx context.Context, client *aiotest.Host) error{
		"timed out": func(ctx context.Context, _ *aiotest.Host) error { return aio.Sleep(ctx, untilAnswered+time.Second) },
		"crashed":   func(_ context.Context, client *aiotest.Host) error { client.Crash(); return nil },
		"restarted": func(_ context.Context, client *aiotest.Host) error { client.Restart(); return nil },
		"only slow": func(context.Context, *aiotest.Host) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			got := linked(t, func(ctx context.Context, w *aiotest.World, _ *aiotest.Host) error {
				starts := 0
				client := w.Host("client", func(ctx context.Context) error {
					if starts++; starts > 1 {
						return nil
					}
					r, c, err := aio.OpenConnection(ctx, "srv:7", nil)
					if err != nil {
						return err
					}
					defer c.Close()
					if err := aio.Sleep(ctx, 2*time.Second); err != nil {
						return err
					}
					if _, err := c.Write([]byte("held back\n")); err != nil {
						return err
					}
					if _, err := r.ReadLine(ctx); !errors.Is(err, syscall.ETIMEDOUT) {
						return err
					}
					// the connection stays open
					return aio.Sleep(ctx, time.Hour)
				})
				if err := aio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				w.Partition("client", "srv")
				if err := aio.Sleep(ctx, 2*time.Second); err != nil {
					return err
				}
				if err := harm(ctx, client); err != nil {
					return err
				}
				w.Heal("client", "srv")
				return aio.Sleep(ctx, time.Minute)
			})
			if strings.HasPrefix(got, "held back") != (name == "only slow") {
				t.Errorf("srv got %q", got)
			}
		})
	}
}

// A datagram that arrives while its host is down is lost without an error, also when the
// host is up again.
func TestDatagramToCrashed(t *testing.T) {
	linked(t, func(ctx context.Context, w *aiotest.World, srv *aiotest.Host) error {
		e, c, err := aio.CreateDatagramEndpoint(ctx, newCatcher, &aio.DatagramOptions{RemoteAddr: "srv:9"})
		if err != nil {
			return err
		}
		defer e.Close()
		if err := e.SendTo([]byte("x"), nil); err != nil {
			return err
		}
		if err := aio.Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
		srv.Crash()
		if err := aio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		srv.Restart()
		if err := aio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		if n := w.Counters(); n.Dropped != 1 || len(c.errs) > 0 {
			return fmt.Errorf("%d datagrams were dropped; the errors are %v", n.Dropped, c.errs)
		}
		return nil
	})
}

// An error of a host that no Wait has returned fails the run, also if the host was
// restarted or has crashed after it. Wait returns the error of the start for which it
// waits.
func TestErrorBeforeRestart(t *testing.T) {
	for name, then := range map[string]func(h *aiotest.Host){
		"restarted": (*aiotest.Host).Restart, "crashed": (*aiotest.Host).Crash,
	} {
		for _, wait := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", waited for: ", wait), func(t *testing.T) {
				err := simulate(func(ctx context.Context, w *aiotest.World) error {
					starts := 0
					h := w.Host("a", func(ctx context.Context) error {
						if err := aio.Sleep(ctx, time.Second); err != nil {
							return err
						}
						if starts++; starts == 1 {
							return errors.New("broken")
						}
						return nil
					})
					var waiting *aio.Task[struct{}]
					if wait {
						waiting = aio.CreateTask(ctx, aio.NoResult(h.Wait))
					}
					if err := aio.Sleep(ctx, 2*time.Second); err != nil {
						return err
					}
					then(h)
					if wait {
						if _, err := waiting.Await(ctx); err == nil || err.Error() != "broken" {
							return fmt.Errorf("Wait returned %w", err)
						}
					}
					return aio.Sleep(ctx, 2*time.Second)
				})
				if got := err != nil && strings.Contains(err.Error(), "host a: broken"); got == wait {
					t.Errorf("the run has the error %v", err)
				}
			})
		}
	}
}

// The names of hosts follow the rules of DNS.
func TestNamesOfHosts(t *testing.T) {
	err := simulate(func(ctx context.Context, w *aiotest.World) error {
		w.Host("db.example", func(context.Context) error { return nil })
		for name, ok := range map[string]bool{
			"db.example": true, "DB.Example": true, "db.example.": true, "Localhost": true, "db": false, "db.example..": false,
		} {
			if _, err := aio.Getaddrinfo(ctx, name, "80", nil); (err == nil) != ok {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		for _, name := range []string{"DB.example", "LOCALHOST", "Test", "10.0.0.1", "::1", "a.", ""} {
			if err := panicOf(func() { w.Host(name, func(context.Context) error { return nil }) }); !errors.Is(err, aio.ErrUsage) {
				return fmt.Errorf("a host %q: %w", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// panicOf returns the error with which f panics.
func panicOf(f func()) (err error) {
	defer func() { err, _ = recover().(error) }()
	f()
	return nil
}

// SockAccept fails in the same way as the accepting of a server: the connection was
// closed before it was accepted.
func TestFailSockAccept(t *testing.T) {
	lost := 0
	aiotest.FailEverywhere(t, aiotest.Failures{Kinds: []aiotest.NetworkFailure{aiotest.ConnectionReset}}, func(ctx context.Context, f *aiotest.Failing) error {
		s, err := newBound(ctx, "tcp4", 0)
		if err != nil {
			return err
		}
		defer s.Close()
		if err := s.Listen(1); err != nil {
			return err
		}
		c, err := aiotest.NewSocket(ctx, "tcp4")
		if err != nil {
			return err
		}
		defer c.Close()
		if err := aio.SockConnect(ctx, c, s.Addr().String()); err != nil {
			return err
		}
		err = f.Do(ctx, func(ctx context.Context) error {
			return aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
				conn, err := aio.SockAccept(ctx, s)
				if err != nil {
					return err
				}
				return conn.Close()
			})
		})
		if !f.Happened() {
			return err
		}
		if _, rerr := aio.SockRecv(ctx, c, 1); errors.Is(err, aio.ErrTimeout) && errors.Is(rerr, syscall.ECONNRESET) {
			lost++
			return nil
		}
		return fmt.Errorf("SockAccept returns %w", err)
	})
	if lost != 1 {
		t.Errorf("%d connections were lost", lost)
	}
}
