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
	"github.com/goaio/aio/internal/stage"
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
		if !stage.Full && count[s.kind] > 1 {
			continue // the sample has one of each kind
		}
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
// from the worker. The worker that is the primary hears the monitor, and stays the
// primary. In the mended version the monitor says whether it hears the worker.
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

// variantLease has a client that extends its lease when it sends the renewal. The
// mended client does so when the renewal is acknowledged.
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
					// grants the lock to the next client
					granted = true
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

// variantJob has a broker that gives a job to another worker when the first worker does
// not claim the job. A mended worker begins when its claim is confirmed.
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
// only datagrams that it has not received before.
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

// variantFailover asks another server when the first one is slow. In the mended version
// the servers find in their common storage that an order was already shipped.
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

// storeUntilCrash makes a client store values at a host until the host crashes, and
// returns the acknowledged values. In the ordinary case the crash comes after the last
// value.
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

// variantFlush writes its log to disk from time to time. The mended version
// acknowledges only what is on disk.
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

// variantReplica has a copy on another host. The mended version acknowledges only what
// the copy contains.
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

// variantSwitch obeys the datagram that came last. The mended version obeys the one
// that was sent last.
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

// variantPieces puts a file together in the order of arrival. The mended version uses
// the number of each piece.
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

// variantFarewell has sessions that a farewell ends. The mended version remembers the
// sessions that have ended.
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
