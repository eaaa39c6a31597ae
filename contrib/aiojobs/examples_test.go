package aiojobs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/contrib/aiojobs"
)

// withClient calls main with a client of an embedded server, and prints the error.
func withClient(main func(ctx context.Context, c *aiojobs.Client) error) {
	err := aio.Run(func(ctx context.Context) error {
		dir, err := os.MkdirTemp("", "aiojobs")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		c, err := aiojobs.Open(ctx, &aiojobs.Options{Dir: dir})
		if err != nil {
			return err
		}
		return errors.Join(main(ctx, c), c.Close(ctx))
	})
	if err != nil {
		fmt.Println(err)
	}
}

// upper is a job that the examples use.
var upper = aiojobs.NewJob[string, string]("upper", nil)

func toUpper(_ context.Context, s string) (string, error) { return strings.ToUpper(s), nil }

// The context of a job's function tells about the job.
func ExampleInfoOf() {
	withClient(func(ctx context.Context, c *aiojobs.Client) error {
		flaky := aiojobs.NewJob[string, string]("flaky", &aiojobs.JobOptions{Attempts: 3, Pause: time.Millisecond})
		err := aiojobs.Register(c, flaky, func(ctx context.Context, s string) (string, error) {
			info, _ := aiojobs.InfoOf(ctx)
			fmt.Println(info.Name, s, info.Queue, info.Attempt)
			if info.Attempt < 3 {
				return "", errors.New("not yet")
			}
			return "ready", nil
		})
		if err != nil {
			return err
		}
		return working(ctx, c, nil, func(ctx context.Context) error {
			h, err := flaky.Submit(ctx, c, "tea", nil)
			if err != nil {
				return err
			}
			fmt.Println(h.Await(ctx))
			return nil
		})
	})
	// Output:
	// flaky tea default 1
	// flaky tea default 2
	// flaky tea default 3
	// ready <nil>
}

// A second submission with the same key returns a handle of the same job, and so does
// Attach with its id, in another process too.
func ExampleJob_Attach() {
	withClient(func(ctx context.Context, c *aiojobs.Client) error {
		if err := aiojobs.Register(c, upper, toUpper); err != nil {
			return err
		}
		a, err1 := upper.Submit(ctx, c, "once", &aiojobs.SubmitOptions{Key: "order 17"})
		b, err2 := upper.Submit(ctx, c, "twice", &aiojobs.SubmitOptions{Key: "order 17"})
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		fmt.Println("the same job:", a.ID() == b.ID())
		return working(ctx, c, nil, func(ctx context.Context) error {
			h, err := upper.Attach(ctx, c, a.ID())
			if err != nil {
				return err
			}
			fmt.Println(h.Await(ctx))
			return nil
		})
	})
	// Output:
	// the same job: true
	// ONCE <nil>
}

// A job is cancelled from elsewhere; its function sees an ordinary cancellation.
func ExampleHandle_Cancel() {
	withClient(func(ctx context.Context, c *aiojobs.Client) error {
		var begun, ended aio.Event
		sleep := aiojobs.NewJob[time.Duration, bool]("sleep", nil)
		err := aiojobs.Register(c, sleep, func(ctx context.Context, d time.Duration) (bool, error) {
			defer ended.Set()
			begun.Set()
			err := aio.Sleep(ctx, d)
			fmt.Println("the run is cancelled:", aio.IsCancellation(err))
			return true, err
		})
		if err != nil {
			return err
		}
		return working(ctx, c, nil, func(ctx context.Context) error {
			h, err := sleep.Submit(ctx, c, time.Hour, nil)
			if err := errors.Join(err, begun.Wait(ctx)); err != nil {
				return err
			}
			first, err := h.Cancel(ctx)
			if err := errors.Join(err, ended.Wait(ctx)); err != nil {
				return err
			}
			_, err = h.Await(ctx)
			fmt.Println(first, errors.Is(err, aiojobs.ErrCancelled))
			return nil
		})
	})
	// Output:
	// the run is cancelled: true
	// true true
}

// A run reports its progress to the submitter.
func ExampleReport() {
	withClient(func(ctx context.Context, c *aiojobs.Client) error {
		pack := aiojobs.NewJob[int, string]("pack", nil)
		err := aiojobs.Register(c, pack, func(ctx context.Context, n int) (string, error) {
			err := aiojobs.Report(ctx, aiojobs.Progress{Done: 1, Total: int64(n), Text: "the first box"})
			// Reports are sent at intervals of at least 50 ms.
			return "packed", errors.Join(err, aio.Sleep(ctx, 100*time.Millisecond))
		})
		if err != nil {
			return err
		}
		return working(ctx, c, nil, func(ctx context.Context) error {
			h, err := pack.Submit(ctx, c, 3, nil)
			if err != nil {
				return err
			}
			for p, err := range h.Updates(ctx) {
				if err != nil {
					return err
				}
				fmt.Printf("%d of %d: %s\n", p.Done, p.Total, p.Text)
			}
			fmt.Println(h.Await(ctx))
			return nil
		})
	})
	// Output:
	// 1 of 3: the first box
	// packed <nil>
}

// The server submits a job again and again, until it is told to stop.
func ExampleJob_Every() {
	withClient(func(ctx context.Context, c *aiojobs.Client) error {
		var twice aio.Event
		n := 0
		tick := aiojobs.NewJob[string, int]("tick", nil)
		err := aiojobs.Register(c, tick, func(_ context.Context, s string) (int, error) {
			if n++; n == 2 {
				fmt.Println(s)
				twice.Set()
			}
			return n, nil
		})
		if err != nil {
			return err
		}
		return working(ctx, c, nil, func(ctx context.Context) error {
			err := tick.Every(ctx, c, "clock", "@every 1s", "the second tick", nil)
			if err := errors.Join(err, twice.Wait(ctx)); err != nil {
				return err
			}
			fmt.Println(c.StopEvery(ctx, "clock"))
			return nil
		})
	})
	// Output:
	// the second tick
	// true <nil>
}

// Jobs that have failed for good are kept, and can be submitted once more.
func ExampleClient_DeadLetters() {
	withClient(func(ctx context.Context, c *aiojobs.Client) error {
		up := false
		send := aiojobs.NewJob[string, string]("send", &aiojobs.JobOptions{Attempts: 1})
		err := aiojobs.Register(c, send, func(_ context.Context, to string) (string, error) {
			if !up {
				return "", errors.New("the mail server is down")
			}
			return "sent to " + to, nil
		})
		if err != nil {
			return err
		}
		return working(ctx, c, nil, func(ctx context.Context) error {
			h, err := send.Submit(ctx, c, "ada@example.org", nil)
			if err != nil {
				return err
			}
			_, err = h.Await(ctx)
			var failed *aiojobs.JobError
			fmt.Println(errors.As(err, &failed), failed.Attempts, failed.Text)
			up = true
			for d, err := range c.DeadLetters(ctx) {
				if err != nil {
					return err
				}
				fmt.Println(d.Name, string(d.Args), d.Reason)
				if err := c.Resubmit(ctx, d); err != nil {
					return err
				}
			}
			again, err := send.Attach(ctx, c, h.ID())
			if err != nil {
				return err
			}
			fmt.Println(again.Await(ctx))
			return nil
		})
	})
	// Output:
	// true 1 the mail server is down
	// send "ada@example.org" the mail server is down
	// sent to ada@example.org <nil>
}

// The numbers of the queues: for an alarm, to start more workers, or for a page of a
// monitor, see Rows.
func ExampleClient_Queues() {
	withClient(func(ctx context.Context, c *aiojobs.Client) error {
		for _, p := range []aiojobs.Priority{aiojobs.Normal, aiojobs.High} {
			if _, err := upper.Submit(ctx, c, "a", &aiojobs.SubmitOptions{Priority: p}); err != nil {
				return err
			}
		}
		queues, err := c.Queues(ctx)
		for _, q := range queues {
			fmt.Printf("%s: %d waiting, %d of them urgent, %d taken\n", q.Queue, q.Waiting, q.High, q.Taken)
		}
		return err
	})
	// Output: default: 2 waiting, 1 of them urgent, 0 taken
}

// A server with an address, which other processes use too.
func ExampleStartServer() {
	err := aio.Run(func(ctx context.Context) error {
		dir, err := os.MkdirTemp("", "aiojobs")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		server, err := aiojobs.StartServer(ctx, &aiojobs.ServerOptions{Dir: dir, Listen: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		c, err := aiojobs.Open(ctx, &aiojobs.Options{URLs: []string{server.Addr()}})
		if err == nil {
			_, err = upper.Submit(ctx, c, "a", nil)
			fmt.Println(c.Stats().Submitted)
			err = errors.Join(err, c.Close(ctx))
		}
		return errors.Join(err, server.Stop(ctx))
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: 1
}

// The order of shutting down: no more items, what is left is done, the queue is deleted.
func ExampleQueue_Shutdown() {
	withClient(func(ctx context.Context, c *aiojobs.Client) error {
		q, err := aiojobs.OpenQueue[string](ctx, c, "letters", 10)
		if err != nil {
			return err
		}
		reader := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for {
				s, err := q.Get(ctx)
				if errors.Is(err, aio.ErrQueueShutDown) {
					return nil
				}
				if err != nil {
					return err
				}
				fmt.Println(s)
				if err := q.TaskDone(ctx); err != nil {
					return err
				}
			}
		}))
		err = errors.Join(q.Put(ctx, "a"), q.Put(ctx, "b"), q.Shutdown(ctx, false))
		fmt.Println("put:", q.Put(ctx, "c"))
		err = errors.Join(err, reader.Join(ctx), q.Join(ctx), q.Close(ctx))
		found, err2 := c.DeleteQueue(ctx, "letters")
		fmt.Println("deleted:", found)
		return errors.Join(err, err2)
	})
	// Unordered output:
	// a
	// b
	// put: aio: queue is shut down
	// deleted: true
}
