package aiotest_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

// disk is the state that survives a crash.
type disk struct{ n int }

// serveCounter answers each line "add" with the new count, which it first writes to
// disk.
func serveCounter(ctx context.Context, d *disk) error {
	s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
		defer w.Close()
		for {
			line, err := r.ReadLine(ctx)
			if err != nil || len(line) == 0 {
				return nil // the client has closed the connection
			}
			d.n++
			_, _ = fmt.Fprintf(w, "%d\n", d.n)
			if err := w.Drain(ctx); err != nil {
				return nil
			}
		}
	}, ":7000", nil)
	if err != nil {
		return err
	}
	return s.ServeForever(ctx)
}

// add increments a counter of serveCounter and returns its value. It repeats the
// request until it gets a response.
func add(ctx context.Context, addr string) (int, error) {
	for {
		var n int
		err := aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
			r, w, err := aio.OpenConnection(ctx, addr, nil)
			if err != nil {
				return err
			}
			defer w.Close()
			_, _ = w.Write([]byte("add\n"))
			line, err := r.ReadLine(ctx)
			if err != nil {
				return err
			}
			n, err = strconv.Atoi(strings.TrimSpace(string(line)))
			return err
		})
		if err == nil || errors.Is(err, aio.ErrCancelled) || errors.Is(err, aio.ErrLoopClosed) {
			return n, err
		}
		if err := aio.Sleep(ctx, 100*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// A counter survives a partition and crashes of its host.
func TestSimulate(t *testing.T) {
	crashes, connections := 0, 0
	r := aiotest.Simulate(t, aiotest.Simulation{Runs: 50}, func(ctx context.Context, w *aiotest.World) error {
		d := &disk{}
		srv := w.Host("db", func(ctx context.Context) error { return serveCounter(ctx, d) })
		acknowledged := 0
		client := w.Host("client", func(ctx context.Context) error {
			for range 10 {
				n, err := add(ctx, "db:7000")
				if err != nil {
					return err
				}
				acknowledged++
				if n < acknowledged {
					return fmt.Errorf("%d additions, and the counter is at %d", acknowledged, n)
				}
			}
			return nil
		})
		w.Always(func() error {
			if d.n < acknowledged {
				return fmt.Errorf("%d increments were acknowledged, %d are on disk", acknowledged, d.n)
			}
			return nil
		})
		w.Link("client", "db").Latency(time.Millisecond, 40*time.Millisecond)
		if err := aio.Sleep(ctx, aiotest.Between(ctx, 0, time.Second)); err != nil {
			return err
		}
		w.Partition("client", "db")
		if err := aio.Sleep(ctx, 5*time.Second); err != nil {
			return err
		}
		w.Heal("client", "db")
		if err := aio.Sleep(ctx, aiotest.Between(ctx, 0, time.Second)); err != nil {
			return err
		}
		srv.Restart()
		err := w.Wait(ctx, client)
		c := w.Counters()
		crashes, connections = crashes+c.Crashes, connections+c.Connections
		return err
	})
	t.Logf("%d runs, %d steps, %d crashes, %d connections", r.Runs, r.Steps, crashes, connections)
	if crashes < 50 || connections < 500 {
		t.Errorf("only %d crashes and %d connections", crashes, connections)
	}
}

// simulate makes one run and returns its failure.
func simulate(fn func(ctx context.Context, w *aiotest.World) error) error {
	r := aiotest.Simulation{Runs: 1}.Run(fn)
	if len(r.Failures) == 0 {
		return nil
	}
	return r.Failures[0].Err
}

func TestCrash(t *testing.T) {
	var log []string
	note := func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) }
	err := simulate(func(ctx context.Context, w *aiotest.World) error {
		log = nil
		starts := 0
		srv := w.Host("srv", func(ctx context.Context) error {
			starts++
			defer note("deferred in start %d", starts)
			loop, _ := aio.GetRunningLoop(ctx)
			loop.CallLater(5*time.Second, func() { note("timer of start %d", starts) })
			s, err := aio.StartServer(ctx, echo, ":7", nil)
			if err != nil {
				return err
			}
			defer s.Close()
			err = s.ServeForever(ctx)
			if !errors.Is(err, aio.ErrLoopClosed) {
				note("%v", err)
			}
			return err
		})
		client := w.Host("client", func(ctx context.Context) error {
			r, c, err := aio.OpenConnection(ctx, "srv:7", nil)
			if err != nil {
				return err
			}
			defer c.Close()
			for i := range 3 {
				_, _ = fmt.Fprintf(c, "%d\n", i)
				err := aio.Timeout(ctx, 2*time.Second, func(ctx context.Context) error {
					line, err := r.ReadLine(ctx)
					note("%q at %v", line, w.Now().Round(time.Second))
					return err
				})
				if err != nil {
					note("%v at %v", errors.Is(err, syscall.ECONNRESET), w.Now().Round(time.Second))
				}
				if err := aio.Sleep(ctx, time.Second); err != nil {
					return err
				}
			}
			return nil
		})
		if err := aio.Sleep(ctx, 500*time.Millisecond); err != nil {
			return err
		}
		srv.Crash()
		if srv.Running() {
			return errors.New("it runs after a crash")
		}
		if err := aio.Sleep(ctx, 3*time.Second); err != nil {
			return err
		}
		srv.Restart()
		if err := client.Wait(ctx); err != nil {
			return err
		}
		return aio.Sleep(ctx, 10*time.Second)
	})
	if err != nil {
		t.Fatal(err)
	}
	// The second line is sent to a host that is down, and gets no response. When
	// the host is up again, it answers packets of the old connection with a reset.
	want := []string{`"0\n" at 0s`, "deferred in start 1", `"" at 3s`, "false at 3s", `"" at 4s`, "true at 4s", "timer of start 2", "deferred in start 2"}
	if fmt.Sprint(log) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", log, want)
	}
}

func TestPartition(t *testing.T) {
	err := simulate(func(ctx context.Context, w *aiotest.World) error {
		w.Host("srv", func(ctx context.Context) error {
			s, err := aio.StartServer(ctx, echo, ":7", nil)
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		r, c, err := aio.OpenConnection(ctx, "srv:7", nil)
		if err != nil {
			return err
		}
		defer c.Close()
		ask := func(what string) error {
			_, _ = c.Write([]byte(what))
			return aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
				_, err := r.ReadExactly(ctx, len(what))
				return err
			})
		}
		if err := ask("whole"); err != nil {
			return err
		}
		// A cut of one direction: requests arrive, responses do not, until the
		// link is restored.
		w.Way("srv", "test").Cut()
		start := w.Now()
		if err := ask("cut"); !errors.Is(err, aio.ErrTimeout) {
			return fmt.Errorf("cut: %w", err)
		}
		w.Way("srv", "test").Heal()
		if _, err := r.ReadExactly(ctx, 3); err != nil {
			return err
		}
		if took := w.Now() - start; took < time.Minute || took > 61*time.Second {
			return fmt.Errorf("the answer took %v", took)
		}
		// A longer partition: the connection times out.
		w.Partition("test", "srv")
		_, _ = c.Write([]byte("lost"))
		if _, err := r.ReadExactly(ctx, 4); !errors.Is(err, syscall.ETIMEDOUT) {
			return fmt.Errorf("after a quarter of an hour: %w", err)
		}
		if _, _, err := aio.OpenConnection(ctx, "srv:7", nil); !errors.Is(err, syscall.ETIMEDOUT) {
			return fmt.Errorf("connecting across the partition: %w", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWorldFailures(t *testing.T) {
	for name, c := range map[string]struct {
		want string
		fn   func(ctx context.Context, w *aiotest.World) error
	}{
		"condition": {"the clock is at 3s", func(ctx context.Context, w *aiotest.World) error {
			w.Host("a", func(ctx context.Context) error { return aio.Sleep(ctx, 3*time.Second) })
			w.Always(func() error {
				if w.Now() >= 3*time.Second {
					return fmt.Errorf("the clock is at %v", w.Now())
				}
				return nil
			})
			return aio.Sleep(ctx, time.Hour)
		}},
		"a host's error": {"host a: broken", func(ctx context.Context, w *aiotest.World) error {
			w.Host("a", func(ctx context.Context) error { return errors.New("broken") })
			return aio.Sleep(ctx, time.Second)
		}},
		"exception handler": {"a: ", func(ctx context.Context, w *aiotest.World) error {
			w.Host("a", func(ctx context.Context) error {
				loop, _ := aio.GetRunningLoop(ctx)
				loop.CallSoon(func() { panic("oops") })
				return nil
			})
			return aio.Sleep(ctx, time.Second)
		}},
		"deadlock": {"a: Task main pending", func(ctx context.Context, w *aiotest.World) error {
			h := w.Host("a", func(ctx context.Context) error {
				_, err := aio.NewQueue[int](0).Get(ctx)
				return err
			})
			return h.Wait(ctx)
		}},
		"no such host": {"there is no host b", func(ctx context.Context, w *aiotest.World) (err error) {
			defer func() { err = recover().(error) }()
			w.Partition("test", "b")
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := simulate(c.fn); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the failure is %v, without %q", err, c.want)
			}
		})
	}
}

// A host that crashes or restarts itself does so at the end of its current pass.
func TestCrashOfItself(t *testing.T) {
	starts := 0
	err := simulate(func(ctx context.Context, w *aiotest.World) error {
		starts = 0
		var h *aiotest.Host
		h = w.Host("a", func(ctx context.Context) error {
			if starts++; starts < 3 {
				h.Restart()
				return aio.Sleep(ctx, time.Hour)
			}
			h.Crash()
			return nil
		})
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		if h.Running() || h.Crashes() != 3 {
			return fmt.Errorf("it runs: %v; %d crashes", h.Running(), h.Crashes())
		}
		return nil
	})
	if err != nil || starts != 3 {
		t.Errorf("%d starts: %v", starts, err)
	}
}

// Datagrams can be lost, duplicated and reordered.
func TestDatagramsOfAWorld(t *testing.T) {
	lost, twice, reordered := 0, 0, 0
	aiotest.Simulate(t, aiotest.Simulation{Runs: 50}, func(ctx context.Context, w *aiotest.World) error {
		sink := newCatcher
		var got []string
		w.Host("sink", func(ctx context.Context) error {
			_, c, err := aio.CreateDatagramEndpoint(ctx, sink, &aio.DatagramOptions{LocalAddr: ":9"})
			if err != nil {
				return err
			}
			for {
				p, err := c.got.Get(ctx)
				if err != nil {
					return err
				}
				got = append(got, p[:1])
			}
		})
		w.Link("sink", "test").Loss(100, 100)
		e, _, err := aio.CreateDatagramEndpoint(ctx, newCatcher, &aio.DatagramOptions{RemoteAddr: "sink:9"})
		if err != nil {
			return err
		}
		defer e.Close()
		for i := range 9 {
			if err := e.SendTo([]byte(strconv.Itoa(i)), nil); err != nil {
				return err
			}
			if err := aio.Sleep(ctx, 3*time.Millisecond); err != nil {
				return err
			}
		}
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		seen := map[string]int{}
		for i, p := range got {
			seen[p]++
			if i > 0 && p < got[i-1] {
				reordered++
			}
		}
		lost += 9 - len(seen)
		for _, n := range seen {
			if n == 2 {
				twice++
			}
		}
		return nil
	})
	if lost < 10 || twice < 10 || reordered < 10 {
		t.Errorf("%d datagrams were lost, %d duplicated, %d reordered", lost, twice, reordered)
	}
}

// A task of a host or of the simulation can end the test.
func TestFailNowInAWorld(t *testing.T) {
	for name, fn := range map[string]func(tb *fakeTB) func(ctx context.Context, w *aiotest.World) error{
		"host": func(tb *fakeTB) func(ctx context.Context, w *aiotest.World) error {
			return func(ctx context.Context, w *aiotest.World) error {
				w.Host("other", func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
				w.Host("a", func(ctx context.Context) error {
					tb.FailNow()
					return nil
				})
				return aio.Sleep(ctx, time.Second)
			}
		},
		"simulation": func(tb *fakeTB) func(ctx context.Context, w *aiotest.World) error {
			return func(ctx context.Context, w *aiotest.World) error {
				w.Host("a", func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
				tb.FailNow()
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			tb := try(t, func(tb *fakeTB) {
				aiotest.Simulate(tb, aiotest.Simulation{}, fn(tb))
				t.Error("the test continues")
			})
			if !tb.failed || !strings.Contains(tb.log.String(), "a task ended the test in run 1") {
				t.Errorf("failed: %v, with\n%s", tb.failed, tb.log.String())
			}
		})
	}
	err := simulate(func(ctx context.Context, w *aiotest.World) error {
		w.Host("a", func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
		panic("oops")
	})
	if err == nil || !strings.Contains(err.Error(), "oops") {
		t.Errorf("a panic: %v", err)
	}
}

// slowDisk is a disk whose host may lose power during a write.
type slowDisk struct {
	n    int
	host *aiotest.Host
}

func (d *slowDisk) save(ctx context.Context, n int) error {
	if aiotest.Choose(ctx, 20, "power failure") == 19 {
		d.host.Restart() // at the end of this pass
	}
	if err := aio.Sleep(ctx, aiotest.Between(ctx, 0, 50*time.Millisecond)); err != nil {
		return err
	}
	d.n = n
	return nil
}

// The fake disk makes a rare crash likely: a host that acknowledges before it has saved
// is found, although the crash must come within a few milliseconds.
func TestWorldPowerFailure(t *testing.T) {
	count := func(early bool) func(ctx context.Context, w *aiotest.World) error {
		return func(ctx context.Context, w *aiotest.World) error {
			d := &slowDisk{}
			d.host = w.Host("db", func(ctx context.Context) error {
				n := d.n
				var lock aio.Lock
				return serveLines(ctx, ":7000", func(ctx context.Context, _ string) (string, error) {
					err := lock.With(ctx, func(ctx context.Context) error {
						n++
						if early {
							aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return d.save(ctx, n) }))
							return nil
						}
						return d.save(ctx, n)
					})
					return strconv.Itoa(n), err
				})
			})
			acknowledged := 0
			client := w.Host("client", func(ctx context.Context) error {
				for range 10 {
					if _, err := add(ctx, "db:7000"); err != nil {
						return err
					}
					acknowledged++
				}
				return nil
			})
			w.Always(func() error {
				if d.n < acknowledged {
					return fmt.Errorf("%d additions were acknowledged, %d are on disk", acknowledged, d.n)
				}
				return nil
			})
			return w.Wait(ctx, client)
		}
	}
	found := aiotest.Simulation{Runs: 100}.Run(count(true))
	if len(found.Failures) == 0 || found.Failures[0].Run == 1 {
		t.Errorf("not found, or without a crash: %+v", found)
	}
	aiotest.Simulate(t, aiotest.Simulation{Runs: stage.Amount(30, 100, 1000)}, count(false))
}
