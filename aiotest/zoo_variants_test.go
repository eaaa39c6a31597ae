package aiotest_test

// Further programs with the kinds of faults of the zoo that need a network: three of each
// kind, each with a mended version.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

var variants = []specimen{
	{name: "failure detector", kind: "split brain", within: 60, world: variantDetector},
	{name: "lease renewed by sending", kind: "split brain", within: 60, world: variantLease},
	{name: "job given to another", kind: "split brain", within: 60, world: variantJob},

	{name: "addition after a reconnect", kind: "retry over the network", within: 200, world: variantReconnect},
	{name: "datagram until it is acknowledged", kind: "retry over the network", within: 60, world: variantResend},
	{name: "order at two servers", kind: "retry over the network", within: 60, world: variantFailover},

	{name: "log flushed later", kind: "crash before the disk", within: 100, world: variantFlush},
	{name: "replica later", kind: "crash before the disk", within: 200, world: variantReplica},
	{name: "message acknowledged before the work", kind: "crash before the disk", within: 60, world: variantConsumer},

	{name: "protocol that closes at EOF", kind: "half-close", within: 200, world: variantUpload},
	{name: "writer that stops at EOF", kind: "half-close", within: 60, world: variantShipper},
	{name: "relay", kind: "half-close", within: 200, world: variantRelay},

	{name: "list without an end", kind: "abort", within: 60, world: variantFeed},
	{name: "cache of a part", kind: "abort", fail: variantCache},
	{name: "data sent before Abort", kind: "abort", within: 60, world: variantUndo},

	{name: "switch", kind: "reordered datagrams", within: 60, world: variantSwitch},
	{name: "file in pieces", kind: "reordered datagrams", within: 60, world: variantPieces},
	{name: "farewell before the greeting", kind: "reordered datagrams", within: 60, world: variantFarewell},

	{name: "pool of connections", kind: "unread answer", within: 60, world: variantPool},
	{name: "pipeline", kind: "unread answer", within: 60, world: variantPipeline},
	{name: "answer to an earlier datagram", kind: "unread answer", within: 60, world: variantLookup},

	{name: "session of a dead client", kind: "silent peer", within: 60, world: variantSession},
	{name: "farewell to a silent server", kind: "silent peer", within: 60, world: variantDrain},
	{name: "lock of a dead client", kind: "silent peer", within: 60, world: variantLock},

	{name: "queue for each reader", kind: "slow reader", within: 20, world: variantQueue},
	{name: "relay without a limit", kind: "slow reader", within: 20, world: variantPump},
	{name: "one after the other", kind: "slow reader", within: 20, world: variantInTurn},
}

func TestZooVariants(t *testing.T) {
	count := map[string]int{}
	for _, s := range variants {
		count[s.kind]++
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			find(t, s)
		})
	}
	for _, s := range zoo {
		if (s.world != nil || s.fail != nil) && count[s.name] < 3 {
			t.Errorf("there are %d variants of %q", count[s.name], s.name)
		}
	}
}

// inbox is a datagram protocol that puts the datagrams into a queue.
type inbox struct{ got *aio.Queue[string] }

func (b *inbox) DatagramReceived(p []byte, _ net.Addr) { _ = b.got.PutNowait(string(p)) }

// endpoint makes an endpoint for datagrams. Those without an address go to the address
// to, "" for none.
func endpoint(ctx context.Context, at, to string) (aio.DatagramTransport, *inbox, error) {
	c := &inbox{aio.NewQueue[string](0)}
	t, _, err := aio.CreateDatagramEndpoint(ctx, func() *inbox { return c }, &aio.DatagramOptions{LocalAddr: at, RemoteAddr: to, AllowBroadcast: true})
	return t, c, err
}

// inTime waits for a datagram; "" means that none has come in time.
func inTime(ctx context.Context, c *inbox, limit time.Duration) (string, error) {
	p, err := aio.WaitFor(ctx, aio.Coro[string](c.got.Get), limit)
	if errors.Is(err, aio.ErrTimeout) {
		return "", nil
	}
	return p, err
}

// cutOneWay cuts a link in one direction, or not at all.
func cutOneWay(ctx context.Context, w *aiotest.World, a, b string) {
	switch aiotest.Choose(ctx, 8, "partition") {
	case 7:
		w.Way(a, b).Cut()
	case 6:
		w.Way(b, a).Cut()
	}
}

// variantDetector has a monitor that makes a backup the primary when it hears nothing
// from the worker. The worker that is primary hears the monitor, and stays it. In the
// mended version the monitor says whether it hears the worker.
func variantDetector(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		primary, backup := true, false
		w.Host("worker", func(ctx context.Context) error {
			t, c, err := endpoint(ctx, "0.0.0.0:1", "monitor:1")
			if err != nil {
				return err
			}
			defer t.Close()
			for primary {
				ping, err := inTime(ctx, c, 2*time.Second)
				if err != nil {
					return err
				}
				if ping == "" || mended && ping == "I do not hear you" {
					primary = false
				}
				if err := t.SendTo([]byte("pong"), nil); err != nil {
					return err
				}
			}
			return nil
		})
		w.Host("monitor", func(ctx context.Context) error {
			t, c, err := endpoint(ctx, "0.0.0.0:1", "worker:1")
			if err != nil {
				return err
			}
			defer t.Close()
			for missed := 0; missed < 6; {
				ping := "I hear you"
				if missed > 1 {
					ping = "I do not hear you"
				}
				if err := t.SendTo([]byte(ping), nil); err != nil {
					return err
				}
				missed++
				pong, err := inTime(ctx, c, 500*ms)
				if err != nil {
					return err
				}
				if pong != "" {
					missed = 0
					if err := aio.Sleep(ctx, 500*ms); err != nil {
						return err
					}
				}
			}
			backup = true
			return nil
		})
		w.Always(func() error {
			if primary && backup {
				return errors.New("there are two primaries")
			}
			return nil
		})
		if err := aio.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
		cutOneWay(ctx, w, "worker", "monitor")
		return aio.Sleep(ctx, 20*time.Second)
	}
}

// variantLease has a client that extends its lease when it sends the renewal. The mended
// one does so when the renewal is acknowledged.
func variantLease(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		held, granted := true, false
		w.Host("server", func(ctx context.Context) error {
			t, c, err := endpoint(ctx, "0.0.0.0:1", "client:1")
			if err != nil {
				return err
			}
			defer t.Close()
			for {
				renewal, err := inTime(ctx, c, 3*time.Second)
				if err != nil {
					return err
				}
				if renewal == "" {
					granted = true // to the next client
					return nil
				}
				if err := t.SendTo([]byte("yes"), nil); err != nil {
					return err
				}
			}
		})
		w.Host("client", func(ctx context.Context) error {
			t, c, err := endpoint(ctx, "0.0.0.0:1", "server:1")
			if err != nil {
				return err
			}
			defer t.Close()
			for until := w.Now() + 2*time.Second; w.Now() < until; {
				sent := w.Now()
				if err := t.SendTo([]byte("renew"), nil); err != nil {
					return err
				}
				yes, err := inTime(ctx, c, 300*ms)
				if err != nil {
					return err
				}
				if yes != "" || !mended {
					until = sent + 2*time.Second
				}
				if err := aio.Sleep(ctx, 300*ms); err != nil {
					return err
				}
			}
			held = false
			return nil
		})
		w.Always(func() error {
			if held && granted {
				return errors.New("two clients have the lease")
			}
			return nil
		})
		if err := aio.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
		cutOneWay(ctx, w, "client", "server")
		return aio.Sleep(ctx, 20*time.Second)
	}
}

// variantJob has a broker that gives a job to another worker when the first does not
// claim it. A mended worker begins when its claim is confirmed.
func variantJob(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		runs := 0
		for _, name := range []string{"one", "two"} {
			w.Host(name, func(ctx context.Context) error {
				t, c, err := endpoint(ctx, "0.0.0.0:1", "broker:1")
				if err != nil {
					return err
				}
				defer t.Close()
				if _, err := c.got.Get(ctx); err != nil {
					return err
				}
				if err := t.SendTo([]byte(name), nil); err != nil {
					return err
				}
				if mended {
					if _, err := c.got.Get(ctx); err != nil {
						return err
					}
				}
				runs++
				return nil
			})
		}
		broker := w.Host("broker", func(ctx context.Context) error {
			one, c, err := endpoint(ctx, "0.0.0.0:1", "one:1")
			if err != nil {
				return err
			}
			defer one.Close()
			two, _, err := endpoint(ctx, "0.0.0.0:2", "two:1")
			if err != nil {
				return err
			}
			defer two.Close()
			for _, worker := range []aio.DatagramTransport{one, two} {
				if err := worker.SendTo([]byte("job"), nil); err != nil {
					return err
				}
				claim, err := inTime(ctx, c, time.Second)
				if err != nil {
					return err
				}
				switch claim {
				case "one":
					return one.SendTo([]byte("begin"), nil)
				case "two":
					return two.SendTo([]byte("begin"), nil)
				}
			}
			return nil
		})
		cutOneWay(ctx, w, "one", "broker")
		if err := broker.Wait(ctx); err != nil {
			return err
		}
		if err := aio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		if runs > 1 {
			return fmt.Errorf("the job has run %d times", runs)
		}
		return nil
	}
}

// variantReconnect has a client that repeats an addition when its connection breaks. The
// mended server keeps the numbers of the additions on disk.
func variantReconnect(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		total, seen := 0, map[string]bool{} // on disk
		db := w.Host("db", func(ctx context.Context) error {
			return serveLines(ctx, ":1", func(ctx context.Context, id string) (string, error) {
				if !seen[id] || !mended {
					seen[id] = true
					total++
				}
				return "added", aio.Sleep(ctx, 20*ms) // a replica
			})
		})
		client := w.Host("client", func(ctx context.Context) error {
			for i := range 5 {
				for {
					reply := ""
					err := aio.Timeout(ctx, time.Second, func(ctx context.Context) (err error) {
						reply, err = askLine(ctx, "db:1", fmt.Sprint(i))
						return err
					})
					if errors.Is(err, aio.ErrCancelled) || errors.Is(err, aio.ErrLoopClosed) {
						return err
					}
					if reply == "added" {
						break
					}
					if err := aio.Sleep(ctx, 10*ms); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err := aio.Sleep(ctx, time.Second-aiotest.Between(ctx, 0, time.Second)); err != nil {
			return err
		}
		db.Restart()
		if err := client.Wait(ctx); err != nil {
			return err
		}
		if total != 5 {
			return fmt.Errorf("the total is %d after five additions", total)
		}
		return nil
	}
}

// variantResend sends each datagram until it is acknowledged. The mended receiver keeps
// those that it does not have.
func variantResend(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		var received []string
		w.Host("inbox", func(ctx context.Context) error {
			t, c, err := endpoint(ctx, "0.0.0.0:1", "sender:1")
			if err != nil {
				return err
			}
			defer t.Close()
			for {
				mail, err := c.got.Get(ctx)
				if err != nil {
					return err
				}
				if !mended || !slices.Contains(received, mail) {
					received = append(received, mail)
				}
				if err := t.SendTo([]byte(mail), nil); err != nil {
					return err
				}
			}
		})
		sender := w.Host("sender", func(ctx context.Context) error {
			t, c, err := endpoint(ctx, "0.0.0.0:1", "inbox:1")
			if err != nil {
				return err
			}
			defer t.Close()
			for i := range 5 {
				mail := strconv.Itoa(i)
				for got := ""; got != mail; {
					if err := t.SendTo([]byte(mail), nil); err != nil {
						return err
					}
					if got, err = inTime(ctx, c, 100*ms); err != nil {
						return err
					}
				}
			}
			return nil
		})
		w.Link("sender", "inbox").Loss(100, 0)
		if err := sender.Wait(ctx); err != nil {
			return err
		}
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		if len(received) != 5 {
			return fmt.Errorf("%v were received", received)
		}
		return nil
	}
}

// variantFailover asks another server when one is slow. In the mended version the servers
// find in their common storage that an order was already shipped.
func variantFailover(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		var shipped []string
		for _, name := range []string{"east", "west"} {
			w.Host(name, func(ctx context.Context) error {
				return serveLines(ctx, ":1", func(ctx context.Context, order string) (string, error) {
					if err := aio.Sleep(ctx, time.Duration(100*aiotest.Choose(ctx, 8, "work"))*ms); err != nil {
						return "", err
					}
					if !mended || !slices.Contains(shipped, order) {
						shipped = append(shipped, order)
					}
					return "shipped", nil
				})
			})
		}
		client := w.Host("client", func(ctx context.Context) error {
			for try := 0; ; try++ {
				server := []string{"east:1", "west:1"}[try%2]
				err := aio.Timeout(ctx, 500*ms, func(ctx context.Context) error {
					_, err := askLine(ctx, server, "order 1")
					return err
				})
				if !errors.Is(err, aio.ErrTimeout) {
					return err
				}
			}
		})
		if err := client.Wait(ctx); err != nil {
			return err
		}
		if err := aio.Sleep(ctx, 10*time.Second); err != nil {
			return err
		}
		if len(shipped) != 1 {
			return fmt.Errorf("shipped %v", shipped)
		}
		return nil
	}
}

// storeUntilCrash has a client store values at a host, until that one crashes, and
// returns those that were acknowledged. In the ordinary case the crash comes after the
// last value.
func storeUntilCrash(ctx context.Context, w *aiotest.World, db *aiotest.Host) ([]string, error) {
	var stored []string
	client := w.Host("client", func(ctx context.Context) error {
		for i := range 10 {
			value := strconv.Itoa(i)
			if reply, err := askLine(ctx, db.Name()+":1", value); err != nil || reply != "stored" {
				return nil // not acknowledged
			}
			stored = append(stored, value)
		}
		return nil
	})
	if err := aio.Sleep(ctx, 500*ms-aiotest.Between(ctx, 0, 500*ms)); err != nil {
		return nil, err
	}
	db.Crash()
	client.Crash()
	return stored, aio.Sleep(ctx, time.Second)
}

// missing returns an error if there is no copy of a stored value.
func missing(stored, copies []string) error {
	for _, value := range stored {
		if !slices.Contains(copies, value) {
			return fmt.Errorf("%s was acknowledged and is lost", value)
		}
	}
	return nil
}

// variantFlush writes its log to disk from time to time. The mended version acknowledges
// what was written.
func variantFlush(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		var disk []string
		db := w.Host("db", func(ctx context.Context) error {
			var log []string
			var written aio.Condition
			aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				for {
					if err := aio.Sleep(ctx, 50*ms); err != nil {
						return err
					}
					disk, log = append(disk, log...), nil
					err := written.With(ctx, func(context.Context) error { written.NotifyAll(); return nil })
					if err != nil {
						return err
					}
				}
			}))
			return serveLines(ctx, ":1", func(ctx context.Context, value string) (string, error) {
				log = append(log, value)
				if !mended {
					return "stored", nil
				}
				return "stored", written.With(ctx, func(ctx context.Context) error {
					return written.WaitFor(ctx, func() bool { return slices.Contains(disk, value) })
				})
			})
		})
		stored, err := storeUntilCrash(ctx, w, db)
		if err != nil {
			return err
		}
		return missing(stored, disk)
	}
}

// variantReplica has a copy on another host. The mended version acknowledges what that
// one has.
func variantReplica(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		var copies []string
		w.Host("replica", func(ctx context.Context) error {
			return serveLines(ctx, ":1", func(_ context.Context, value string) (string, error) {
				copies = append(copies, value)
				return "copied", nil
			})
		})
		db := w.Host("db", func(ctx context.Context) error {
			return serveLines(ctx, ":1", func(ctx context.Context, value string) (string, error) {
				replicate := aio.CreateTask(ctx, func(ctx context.Context) (string, error) {
					return askLine(ctx, "replica:1", value)
				})
				if mended {
					if _, err := replicate.Await(ctx); err != nil {
						return "", err
					}
				}
				return "stored", nil
			})
		})
		stored, err := storeUntilCrash(ctx, w, db)
		if err != nil {
			return err
		}
		return missing(stored, copies)
	}
}

// variantConsumer acknowledges a message when it gets it, and then does the work. The
// mended version works first.
func variantConsumer(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		waiting, finished := []string{"a", "b", "c", "d"}, []string(nil)
		w.Host("broker", func(ctx context.Context) error {
			return serveLines(ctx, ":1", func(_ context.Context, line string) (string, error) {
				if done, ok := strings.CutPrefix(line, "done "); ok {
					waiting = slices.DeleteFunc(waiting, func(m string) bool { return m == done })
				}
				if len(waiting) == 0 {
					return "none", nil
				}
				return waiting[0], nil
			})
		})
		worker := w.Host("worker", func(ctx context.Context) error {
			for {
				message, err := askLine(ctx, "broker:1", "next")
				if err != nil || message == "none" {
					return err
				}
				if !mended {
					if _, err := askLine(ctx, "broker:1", "done "+message); err != nil {
						return err
					}
				}
				if err := aio.Sleep(ctx, 30*ms); err != nil {
					return err
				}
				finished = append(finished, message)
				if mended {
					if _, err := askLine(ctx, "broker:1", "done "+message); err != nil {
						return err
					}
				}
			}
		})
		if err := aio.Sleep(ctx, time.Second-aiotest.Between(ctx, 0, time.Second)); err != nil {
			return err
		}
		worker.Restart()
		if err := worker.Wait(ctx); err != nil {
			return err
		}
		return missing([]string{"a", "b", "c", "d"}, finished)
	}
}

// uploadProtocol answers a line after some work.
type uploadProtocol struct {
	loop   *aio.Loop
	t      aio.Transport
	mended bool
}

func (u *uploadProtocol) ConnectionMade(t aio.Transport) { u.t = t }

func (u *uploadProtocol) DataReceived(p []byte) {
	if !strings.HasSuffix(string(p), "\n") {
		return
	}
	u.loop.CallLater(20*ms, func() {
		_, _ = u.t.Write([]byte("stored\n"))
		u.t.Close()
	})
}

// EOFReceived closes the connection if it returns false.
func (u *uploadProtocol) EOFReceived() (keepOpen bool) { return u.mended }

// askAndClose sends a line, closes the connection for writing some time later, and
// returns all of the answer. In the ordinary case the answer has arrived at that time.
func askAndClose(ctx context.Context, addr string) (string, error) {
	r, c, err := aio.OpenConnection(ctx, addr, nil)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_, _ = c.Write([]byte("question\n"))
	if err := aio.Sleep(ctx, 300*ms-aiotest.Between(ctx, 0, 300*ms)); err != nil {
		return "", err
	}
	c.WriteEOF()
	answer, err := r.Read(ctx, -1)
	return string(answer), err
}

// variantUpload has a protocol that does not keep the connection open after EOF.
func variantUpload(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		w.Host("server", func(ctx context.Context) error {
			loop, err := aio.GetRunningLoop(ctx)
			if err != nil {
				return err
			}
			s, err := aio.CreateServer(ctx, func() *uploadProtocol { return &uploadProtocol{loop: loop, mended: mended} }, ":1", nil)
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		answer, err := askAndClose(ctx, "server:1")
		if err == nil && answer != "stored\n" {
			err = fmt.Errorf("the answer is %q", answer)
		}
		return err
	}
}

// variantShipper sends lines, and receives a configuration until EOF. The faulty version
// then closes the connection.
func variantShipper(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		var got []byte
		server := w.Host("server", func(ctx context.Context) error {
			done := aio.CreateFuture[struct{}](ctx)
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				config := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					if err := aio.Sleep(ctx, 100*ms-aiotest.Between(ctx, 0, 100*ms)); err != nil {
						return err
					}
					_, _ = c.Write([]byte("level=debug\n"))
					c.WriteEOF() // there is no more
					return nil
				}))
				var err error
				if got, err = r.Read(ctx, -1); err == nil {
					_, err = config.Await(ctx)
				}
				_ = done.SetResult(struct{}{}) // there is one connection
				return err
			}, ":1", nil)
			if err != nil {
				return err
			}
			defer s.Close()
			_, err = done.Await(ctx)
			return err
		})
		w.Host("shipper", func(ctx context.Context) error {
			r, c, err := aio.OpenConnection(ctx, "server:1", nil)
			if err != nil {
				return err
			}
			defer c.Close()
			ended := false
			config := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				_, err := r.Read(ctx, -1)
				ended = true
				return err
			}))
			for i := range 5 {
				if ended && !mended {
					return nil // assumes that the server is gone
				}
				if _, err := fmt.Fprintf(c, "line %d\n", i); err != nil {
					return err
				}
				if err := aio.Sleep(ctx, 10*ms); err != nil {
					return err
				}
			}
			c.WriteEOF()
			_, err = config.Await(ctx)
			return err
		})
		if err := server.Wait(ctx); err != nil {
			return err
		}
		if n := strings.Count(string(got), "\n"); n != 5 {
			return fmt.Errorf("%d of 5 lines have arrived", n)
		}
		return nil
	}
}

// variantRelay closes both connections when one of them ends. The mended version passes
// on the EOF.
func variantRelay(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		w.Host("server", func(ctx context.Context) error {
			return serveLines(ctx, ":1", func(ctx context.Context, line string) (string, error) {
				return "answer", aio.Sleep(ctx, 20*ms)
			})
		})
		w.Host("relay", func(ctx context.Context) error {
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				upR, upC, err := aio.OpenConnection(ctx, "server:1", nil)
				if err != nil {
					return err
				}
				defer upC.Close()
				pump := func(to *aio.StreamWriter, from *aio.StreamReader) aio.Awaitable[struct{}] {
					return aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
						for {
							p, err := from.Read(ctx, 100)
							if err != nil || len(p) == 0 {
								to.WriteEOF()
								return err
							}
							_, _ = to.Write(p)
						}
					}))
				}
				up, down := pump(upC, r), pump(c, upR)
				if !mended {
					_, err = up.Await(ctx)
					return err // and close both
				}
				if _, err = up.Await(ctx); err == nil {
					_, err = down.Await(ctx)
				}
				return err
			}, ":1", nil)
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		answer, err := askAndClose(ctx, "relay:1")
		if err == nil && answer != "answer\n" {
			err = fmt.Errorf("the answer is %q", answer)
		}
		return err
	}
}

// variantFeed has a server that aborts a connection when it has too much to do. The
// client takes that for the end of the list; the mended one requires an end line.
func variantFeed(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		w.Host("server", func(ctx context.Context) error {
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				for i := range 5 {
					if aiotest.Choose(ctx, 20, "overload") == 19 {
						c.Transport().Abort()
						return nil
					}
					_, _ = fmt.Fprintf(c, "item %d\n", i)
					if err := aio.Sleep(ctx, 10*ms); err != nil {
						return err
					}
				}
				_, _ = c.Write([]byte("end\n"))
				return nil
			}, ":1", nil)
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		for range 20 {
			r, c, err := aio.OpenConnection(ctx, "server:1", nil)
			if err != nil {
				return err
			}
			list, err := r.Read(ctx, -1)
			c.Close()
			if err != nil || mended && !strings.HasSuffix(string(list), "end\n") {
				continue // again
			}
			if n := strings.Count(string(list), "item"); n != 5 {
				return fmt.Errorf("the list has %d items", n)
			}
			return nil
		}
		// never within these runs
		return errors.New("the server has too much to do")
	}
}

// variantCache keeps what it has read until EOF, for the next client. The mended version
// keeps what has the announced length.
func variantCache(mended bool) func(ctx context.Context, c *aiotest.Failing) error {
	return func(ctx context.Context, c *aiotest.Failing) error {
		const page = "the first half and the second half"
		origin, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			_, _ = fmt.Fprintf(w, "%d\n%s", len(page), page[:15])
			if err := aio.Sleep(ctx, 10*ms); err != nil {
				return err
			}
			_, _ = w.Write([]byte(page[15:]))
			return nil
		}, "localhost:1", nil)
		if err != nil {
			return err
		}
		defer origin.Close()
		cached := ""
		get := func(ctx context.Context) error {
			if cached != "" {
				return nil
			}
			r, w, err := aio.OpenConnection(ctx, "localhost:1", nil)
			if err != nil {
				return err
			}
			defer w.Close()
			length, err := r.ReadLine(ctx)
			if err != nil {
				return err
			}
			body, err := r.Read(ctx, -1)
			if err != nil {
				return err
			}
			if mended && strings.TrimSpace(string(length)) != strconv.Itoa(len(body)) {
				return errors.New("the origin has broken off")
			}
			cached = string(body)
			return nil
		}
		if err := c.Do(ctx, get); err != nil && !c.Happened() {
			return err
		}
		if err := get(ctx); err != nil {
			return err
		}
		if cached != page {
			return fmt.Errorf("the cache has %q", cached)
		}
		return nil
	}
}

// variantUndo aborts a connection when no answer comes in time, and assumes that the
// request did not arrive. In the mended version a repeated request has the same id, so
// the payment is made once.
func variantUndo(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		paid := map[string]bool{}
		w.Host("bank", func(ctx context.Context) error {
			return serveLines(ctx, ":1", func(_ context.Context, id string) (string, error) {
				paid[id] = true
				return "paid", nil
			})
		})
		w.Link("bank", "test").Latency(ms, 40*ms)
		for try := range 100 {
			id := "payment"
			if !mended {
				id = fmt.Sprint("payment ", try)
			}
			r, c, err := aio.OpenConnection(ctx, "bank:1", nil)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(c, "%s\n", id)
			err = aio.Timeout(ctx, 60*ms, func(ctx context.Context) error {
				_, err := r.ReadLine(ctx)
				return err
			})
			c.Transport().Abort()
			if err == nil {
				break
			}
			if !errors.Is(err, aio.ErrTimeout) {
				return err
			}
		}
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		if len(paid) != 1 {
			return fmt.Errorf("paid %d times", len(paid))
		}
		return nil
	}
}

// sendInOrder sends datagrams to a host, 3 ms apart.
func sendInOrder(ctx context.Context, to string, datagrams ...string) error {
	t, _, err := endpoint(ctx, "0.0.0.0:0", to)
	if err != nil {
		return err
	}
	defer t.Close()
	for _, d := range datagrams {
		if err := t.SendTo([]byte(d), nil); err != nil {
			return err
		}
		if err := aio.Sleep(ctx, 3*ms); err != nil {
			return err
		}
	}
	return aio.Sleep(ctx, time.Second)
}

// receiver is a host that passes each datagram to fn.
func receiver(w *aiotest.World, name string, fn func(datagram string)) {
	w.Host(name, func(ctx context.Context) error {
		t, c, err := endpoint(ctx, "0.0.0.0:1", "")
		if err != nil {
			return err
		}
		defer t.Close()
		for {
			p, err := c.got.Get(ctx)
			if err != nil {
				return err
			}
			fn(p)
		}
	})
}

// variantSwitch obeys the datagram that came last. The mended one obeys the newest.
func variantSwitch(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		state, newest := "off", ""
		receiver(w, "lamp", func(command string) {
			number, what, _ := strings.Cut(command, " ")
			if !mended || number > newest {
				newest, state = number, what
			}
		})
		if err := sendInOrder(ctx, "lamp:1", "1 on", "2 off", "3 on", "4 off"); err != nil {
			return err
		}
		if state != "off" {
			return errors.New("the lamp is on")
		}
		return nil
	}
}

// variantPieces puts a file together in the order of arrival. The mended version has the
// place of each piece.
func variantPieces(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		var pieces []string
		receiver(w, "store", func(piece string) { pieces = append(pieces, piece) })
		if err := sendInOrder(ctx, "store:1", "0:once ", "1:upon ", "2:a ", "3:time"); err != nil {
			return err
		}
		if mended {
			slices.Sort(pieces)
		}
		var file strings.Builder
		for _, p := range pieces {
			file.WriteString(p[2:])
		}
		if file.String() != "once upon a time" {
			return fmt.Errorf("the file is %q", file.String())
		}
		return nil
	}
}

// variantFarewell has sessions that a farewell ends. The mended version remembers those
// that have ended.
func variantFarewell(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		open, ended := map[string]bool{}, map[string]bool{}
		receiver(w, "game", func(message string) {
			what, id, _ := strings.Cut(message, " ")
			switch {
			case what == "bye":
				delete(open, id)
				ended[id] = true
			case !mended || !ended[id]:
				open[id] = true
			}
		})
		if err := sendInOrder(ctx, "game:1", "hello 1", "bye 1", "hello 2", "bye 2"); err != nil {
			return err
		}
		if len(open) > 0 {
			return fmt.Errorf("the sessions %v are open", open)
		}
		return nil
	}
}

// slowLines is a host that answers each line after a time that the run chooses.
func slowLines(w *aiotest.World, name string) {
	w.Host(name, func(ctx context.Context) error {
		return serveLines(ctx, ":1", func(ctx context.Context, line string) (string, error) {
			return "answer to " + line, aio.Sleep(ctx, time.Duration(10*aiotest.Choose(ctx, 8, "work"))*ms)
		})
	})
}

// variantPool returns a connection to the pool after a timeout. The mended version closes
// it.
func variantPool(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		slowLines(w, "server")
		type connection struct {
			r *aio.StreamReader
			c *aio.StreamWriter
		}
		var free []connection
		ask := func(ctx context.Context, question string) (answer string, err error) {
			var conn connection
			if n := len(free); n > 0 {
				conn, free = free[n-1], free[:n-1]
			} else if conn.r, conn.c, err = aio.OpenConnection(ctx, "server:1", nil); err != nil {
				return "", err
			}
			defer func() {
				if err != nil && mended {
					conn.c.Close()
					return
				}
				free = append(free, conn)
			}()
			_, _ = fmt.Fprintf(conn.c, "%s\n", question)
			err = aio.Timeout(ctx, 50*ms, func(ctx context.Context) error {
				line, err := conn.r.ReadLine(ctx)
				answer = strings.TrimSpace(string(line))
				return err
			})
			return answer, err
		}
		for i := range 5 {
			question := fmt.Sprint("question ", i)
			answer, err := ask(ctx, question)
			if err == nil && answer != "answer to "+question {
				return fmt.Errorf("%s got the %s", question, answer)
			}
		}
		for _, conn := range free {
			conn.c.Close()
		}
		return nil
	}
}

// variantPipeline sends requests on one connection. One that times out leaves the line of
// those that wait for an answer; in the mended version it keeps its place.
func variantPipeline(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		slowLines(w, "server")
		r, c, err := aio.OpenConnection(ctx, "server:1", nil)
		if err != nil {
			return err
		}
		defer c.Close()
		var line []*aio.Future[string]
		reader := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for {
				answer, err := r.ReadLine(ctx)
				if err != nil || len(answer) == 0 {
					return err
				}
				if len(line) == 0 {
					continue // of a request that has timed out
				}
				if f := line[0]; !f.Done() {
					_ = f.SetResult(strings.TrimSpace(string(answer)))
				}
				line = line[1:]
			}
		}))
		ask := func(question string) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				f := aio.CreateFuture[string](ctx)
				line = append(line, f)
				_, _ = fmt.Fprintf(c, "%s\n", question)
				answer, err := aio.WaitFor(ctx, f, 100*ms)
				if errors.Is(err, aio.ErrTimeout) {
					if !mended {
						line = slices.DeleteFunc(line, func(other *aio.Future[string]) bool { return other == f })
					}
					return nil
				}
				if err == nil && answer != "answer to "+question {
					err = fmt.Errorf("%s got the %s", question, answer)
				}
				return err
			}
		}
		for i := range 4 {
			if err := together(ctx, ask(fmt.Sprint("a", i)), ask(fmt.Sprint("b", i))); err != nil {
				return err
			}
		}
		reader.Cancel()
		_, _, err = aio.Wait(ctx, []aio.AnyFuture{reader}, aio.NoTimeout, aio.AllCompleted)
		return err
	}
}

// variantLookup takes the next datagram for the answer. The mended version compares the
// names.
func variantLookup(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		w.Host("names", func(ctx context.Context) error {
			t, c, err := endpoint(ctx, "0.0.0.0:1", "client:1")
			if err != nil {
				return err
			}
			defer t.Close()
			for {
				name, err := c.got.Get(ctx)
				if err != nil {
					return err
				}
				if err := aio.Sleep(ctx, time.Duration(10*aiotest.Choose(ctx, 8, "work"))*ms); err != nil {
					return err
				}
				if err := t.SendTo([]byte(name+" has the address "+name+"'"), nil); err != nil {
					return err
				}
			}
		})
		client := w.Host("client", func(ctx context.Context) error {
			t, c, err := endpoint(ctx, "0.0.0.0:1", "names:1")
			if err != nil {
				return err
			}
			defer t.Close()
			for _, name := range []string{"a", "b", "c", "d"} {
				if err := t.SendTo([]byte(name), nil); err != nil {
					return err
				}
				answer, err := inTime(ctx, c, 50*ms)
				for err == nil && mended && answer != "" && !strings.HasPrefix(answer, name) {
					answer, err = inTime(ctx, c, 50*ms)
				}
				if err != nil {
					return err
				}
				if answer != "" && !strings.HasSuffix(answer, " "+name+"'") {
					return fmt.Errorf("%s: %s", name, answer)
				}
			}
			return nil
		})
		return client.Wait(ctx)
	}
}

// variantSession has a server with one place, and a client that crashes. The mended
// server ends sessions that are silent.
func variantSession(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		w.Host("server", func(ctx context.Context) error {
			place := aio.NewSemaphore(1)
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				return place.With(ctx, func(ctx context.Context) error {
					for {
						limit := aio.NoTimeout
						if mended {
							limit = 5 * time.Second
						}
						err := aio.Timeout(ctx, limit, func(ctx context.Context) error {
							line, err := r.ReadLine(ctx)
							if err == nil && len(line) == 0 {
								err = errors.New("EOF")
							}
							return err
						})
						if err != nil {
							// the session has ended
							return nil
						}
						_, _ = c.Write([]byte("answer\n"))
					}
				})
			}, ":1", nil)
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		first := w.Host("first", func(ctx context.Context) error {
			_, err := askLine(ctx, "server:1", "question")
			return err
		})
		if err := aio.Sleep(ctx, 200*ms-aiotest.Between(ctx, 0, 200*ms)); err != nil {
			return err
		}
		first.Crash()
		return aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
			_, err := askLine(ctx, "server:1", "question")
			return err
		})
	}
}

// variantDrain waits until all data is sent before it ends. The mended version has a
// timeout for that.
func variantDrain(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		server := w.Host("server", func(ctx context.Context) error {
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				for {
					if p, err := r.Read(ctx, 64<<10); err != nil || len(p) == 0 {
						return nil
					}
				}
			}, ":1", nil)
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		client := w.Host("client", func(ctx context.Context) error {
			_, c, err := aio.OpenConnection(ctx, "server:1", nil)
			if err != nil {
				return err
			}
			defer c.Transport().Abort()
			for range 20 {
				if _, err := c.Write(make([]byte, 10<<10)); err != nil {
					return nil // reset
				}
				if err := aio.Sleep(ctx, 10*ms); err != nil {
					return err
				}
			}
			limit := aio.NoTimeout
			if mended {
				limit = 10 * time.Second
			}
			c.Close()
			if err := aio.Timeout(ctx, limit, c.WaitClosed); errors.Is(err, aio.ErrCancelled) || errors.Is(err, aio.ErrLoopClosed) {
				return err
			}
			return nil
		})
		if err := aio.Sleep(ctx, time.Second-aiotest.Between(ctx, 0, 980*ms)); err != nil {
			return err
		}
		server.Crash()
		return aio.Timeout(ctx, time.Minute, client.Wait)
	}
}

// variantLock has a lock that is released when the connection of its owner ends. In the
// mended version the owner must renew it.
func variantLock(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		w.Host("server", func(ctx context.Context) error {
			var lock aio.Lock
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				return lock.With(ctx, func(ctx context.Context) error {
					_, _ = c.Write([]byte("yours\n"))
					for {
						limit := aio.NoTimeout
						if mended {
							limit = 3 * time.Second
						}
						_, err := aio.WaitFor(ctx, aio.Coro[[]byte](func(ctx context.Context) ([]byte, error) {
							line, err := r.ReadLine(ctx)
							if err == nil && len(line) == 0 {
								err = errors.New("EOF")
							}
							return line, err
						}), limit)
						if err != nil {
							return nil // the owner is gone
						}
					}
				})
			}, ":1", nil)
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		own := func(ctx context.Context) error {
			r, c, err := aio.OpenConnection(ctx, "server:1", nil)
			if err != nil {
				return err
			}
			defer c.Close()
			if line, err := r.ReadLine(ctx); err != nil || string(line) != "yours\n" {
				return fmt.Errorf("got %q: %w", line, err)
			}
			for range 3 {
				if _, err := c.Write([]byte("still here\n")); err != nil {
					return err
				}
				if err := aio.Sleep(ctx, 100*ms); err != nil {
					return err
				}
			}
			return nil
		}
		first := w.Host("first", own)
		if err := aio.Sleep(ctx, time.Second-aiotest.Between(ctx, 0, time.Second)); err != nil {
			return err
		}
		first.Crash()
		return aio.Timeout(ctx, time.Minute, own)
	}
}

// readSlowly reads from a host as a user scrolls, until EOF.
func readSlowly(ctx context.Context, addr string) error {
	r, c, err := aio.OpenConnection(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		p, err := r.Read(ctx, 64<<10)
		if err != nil || len(p) == 0 {
			return nil
		}
		if err := aio.Sleep(ctx, time.Duration(20*aiotest.Choose(ctx, 8, "user"))*ms); err != nil {
			return err
		}
	}
}

// variantQueue has a queue for each reader. That of the mended version has a limit: a
// reader that is too slow is disconnected.
func variantQueue(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		most := 0
		w.Host("news", func(ctx context.Context) error {
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				limit := 0
				if mended {
					limit = 8
				}
				queue := aio.NewQueue[[]byte](limit)
				sender := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					for {
						p, err := queue.Get(ctx)
						if err != nil {
							return err
						}
						if _, err := c.Write(p); err != nil {
							return nil
						}
						if err := c.Drain(ctx); err != nil {
							return nil // the reader is gone
						}
					}
				}))
				defer sender.Cancel()
				for range 60 {
					if err := queue.PutNowait(make([]byte, 8<<10)); err != nil {
						c.Transport().Abort()
						return nil
					}
					most = max(most, queue.QSize())
					if err := aio.Sleep(ctx, 5*ms); err != nil {
						return err
					}
				}
				return nil
			}, ":1", nil)
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		if err := readSlowly(ctx, "news:1"); err != nil {
			return err
		}
		if most > 10 {
			return fmt.Errorf("%d messages wait for a reader", most)
		}
		return nil
	}
}

// variantPump copies from a fast server to a slow client. The mended version waits until
// the client has read.
func variantPump(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		buffered := 0
		w.Host("server", func(ctx context.Context) error {
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				for range 60 {
					if _, err := c.Write(make([]byte, 8<<10)); err != nil {
						return nil
					}
					if err := c.Drain(ctx); err != nil {
						return nil
					}
					if err := aio.Sleep(ctx, 5*ms); err != nil {
						return err
					}
				}
				return nil
			}, ":1", nil)
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		w.Host("relay", func(ctx context.Context) error {
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				from, to, err := aio.OpenConnection(ctx, "server:1", nil)
				if err != nil {
					return err
				}
				defer to.Close()
				for {
					p, err := from.Read(ctx, 64<<10)
					if err != nil || len(p) == 0 {
						return nil
					}
					if _, err := c.Write(p); err != nil {
						return nil
					}
					buffered = max(buffered, c.Transport().GetWriteBufferSize())
					if mended {
						if err := c.Drain(ctx); err != nil {
							return nil
						}
					}
				}
			}, ":1", nil)
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		if err := readSlowly(ctx, "relay:1"); err != nil {
			return err
		}
		if buffered > 128<<10 {
			return fmt.Errorf("%d bytes wait for a reader", buffered)
		}
		return nil
	}
}

// variantInTurn sends each message to one reader after the other. The mended version does
// not wait for a reader that is slow, and disconnects it.
func variantInTurn(mended bool) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		var late time.Duration
		w.Host("news", func(ctx context.Context) error {
			var readers []*aio.StreamWriter
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				readers = append(readers, c)
				return nil
			}, ":1", nil)
			if err != nil {
				return err
			}
			defer s.Close()
			if err := aio.Sleep(ctx, 200*ms); err != nil {
				return err
			}
			for range 60 {
				began := w.Now()
				for _, c := range slices.Clone(readers) {
					if mended && c.Transport().GetWriteBufferSize() > 64<<10 {
						c.Transport().Abort()
						readers = slices.DeleteFunc(readers, func(other *aio.StreamWriter) bool { return other == c })
						continue
					}
					if _, err := c.Write(make([]byte, 8<<10)); err != nil || mended {
						continue
					}
					// it fails for a reader that is gone
					_ = c.Drain(ctx)
				}
				late = max(late, w.Now()-began)
				if err := aio.Sleep(ctx, 5*ms); err != nil {
					return err
				}
			}
			for _, c := range readers {
				c.Close()
			}
			return nil
		})
		for _, name := range []string{"one", "two"} {
			w.Host(name, func(ctx context.Context) error { return readSlowly(ctx, "news:1") })
		}
		if err := aio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		if late > 50*ms {
			return fmt.Errorf("the readers got a message %v later", late)
		}
		return nil
	}
}
