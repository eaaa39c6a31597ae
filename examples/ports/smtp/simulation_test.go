package smtp

// Clients and a server in a world with crashes, resets and partitions. A client sends
// each message again until it has seen 250, as mail systems do. The disk of the server
// outlives its crashes. At every step: each message on disk is complete and unmixed,
// and each acknowledged message is on disk. In the end, all messages are on disk.

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

// disk is a Deliverer whose writes take time, so that a crash can come before, or between
// the write and the answer.
type disk struct{ memory }

func (d *disk) Deliver(ctx context.Context, s *Session, e *Envelope) error {
	if err := aio.Sleep(ctx, aiotest.Between(ctx, time.Millisecond, 20*time.Millisecond)); err != nil {
		return err
	}
	if err := d.memory.Deliver(ctx, s, e); err != nil {
		return err
	}
	return aio.Sleep(ctx, aiotest.Between(ctx, 0, 20*time.Millisecond))
}

func TestSimulation(t *testing.T) {
	runs := stage.Amount(20, 100, 1000)
	const senders, each = 3, 6
	var sum aiotest.Counters
	twice, partial := 0, 0
	r := aiotest.Simulate(t, aiotest.Simulation{Runs: runs}, func(ctx context.Context, w *aiotest.World) error {
		d := &disk{}
		acknowledged := map[int]bool{}
		mx := w.Host("mx", func(ctx context.Context) error {
			srv, err := Start(ctx, ":25", d, &ServerOptions{Hostname: "mx", Limits: Limits{CommandTimeout: 20 * time.Second, DataTimeout: 10 * time.Second}})
			if err != nil {
				return err
			}
			return srv.ServeForever(ctx, time.Second)
		})
		var clients []*aiotest.Host
		for i := range senders {
			// the messages to send, on the disk of the client
			queue := map[int]bool{}
			for j := range each {
				queue[i*each+j] = true
			}
			clients = append(clients, w.Host(fmt.Sprint("client", i), func(ctx context.Context) error {
				for len(queue) > 0 {
					err := flush(ctx, queue, func(n int, refused []Refusal) {
						if len(refused) == 1 {
							partial++
						}
						acknowledged[n] = true
					})
					if err != nil {
						return err
					}
					if err := aio.Sleep(ctx, 100*time.Millisecond); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		w.Always(func() error { return d.check(acknowledged) })
		for range 5 {
			if err := aio.Sleep(ctx, aiotest.Between(ctx, 20*time.Millisecond, 300*time.Millisecond)); err != nil {
				return err
			}
			client := clients[aiotest.Choose(ctx, senders, "client")]
			switch aiotest.Choose(ctx, 4, "harm") {
			case 1:
				mx.Restart()
			case 2:
				client.Restart()
			case 3:
				w.Partition("mx", client.Name())
				if err := aio.Sleep(ctx, aiotest.Between(ctx, 100*time.Millisecond, 8*time.Second)); err != nil {
					return err
				}
				w.Heal("mx", client.Name())
			}
		}
		if err := w.Wait(ctx, clients...); err != nil {
			return err
		}
		if len(acknowledged) != senders*each {
			return fmt.Errorf("%d messages were acknowledged", len(acknowledged))
		}
		twice += len(d.messages) - senders*each
		c := w.Counters()
		sum.Crashes, sum.Resets, sum.Connections = sum.Crashes+c.Crashes, sum.Resets+c.Resets, sum.Connections+c.Connections
		return nil
	})
	t.Logf("%d runs, %d messages stored again, %+v", r.Runs, twice, sum)
	if partial < senders*each*runs || twice < runs/20 || sum.Crashes < runs/2 || sum.Resets < runs/5 || sum.Connections < 4*runs {
		t.Error("too few")
	}
}

// flush sends the messages of a queue over one connection, until one fails. It returns
// an error only for a cancellation, a crash or a wrong answer; other failures end it
// without an error.
func flush(ctx context.Context, queue map[int]bool, sent func(n int, refused []Refusal)) error {
	c, err := Dial(ctx, "mx:25", &Options{Timeout: 2 * time.Second, DataTimeout: 2 * time.Second, FinalTimeout: 2 * time.Second})
	if err == nil {
		defer c.Close()
		for n := range 1000 { // in order
			if !queue[n] {
				continue
			}
			var refused []Refusal
			if refused, err = c.Send(ctx, numbered(n)); err != nil {
				break
			}
			delete(queue, n)
			sent(n, refused)
		}
	}
	if err == nil {
		err = c.Quit(ctx)
	}
	var refused *Error
	switch {
	case errors.Is(err, aio.ErrCancelled), errors.Is(err, aio.ErrLoopClosed), errors.Is(err, ErrProtocol), errors.Is(err, ErrArgument):
		return err
	case errors.As(err, &refused) && refused.Code != 421:
		return err
	}
	return nil
}
