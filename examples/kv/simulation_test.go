package main

// The server in a simulation with crashing hosts and cut links: the transactions of
// several clients are visible completely or not at all.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

// simClient is a connection to the server.
type simClient struct {
	r *aio.StreamReader
	w *aio.StreamWriter
}

// call sends commands together and returns the lines of n replies.
func (c *simClient) call(ctx context.Context, n int, commands ...string) (replies []string, err error) {
	var request strings.Builder
	for _, command := range commands {
		args := strings.Fields(command)
		fmt.Fprintf(&request, "*%d\r\n", len(args))
		for _, arg := range args {
			fmt.Fprintf(&request, "$%d\r\n%s\r\n", len(arg), arg)
		}
	}
	if _, err := c.w.Write([]byte(request.String())); err != nil {
		return nil, err
	}
	for range n {
		line, err := c.r.ReadLine(ctx)
		if err != nil {
			return nil, err
		}
		if !strings.HasSuffix(string(line), "\n") {
			return nil, net.ErrClosed
		}
		if line[0] == '-' {
			return nil, wrongReply(line)
		}
		replies = append(replies, strings.TrimSpace(string(line)))
	}
	return replies, nil
}

// calls connects and calls fn repeatedly until n calls were successful. If a call takes
// longer than a second, calls closes the connection and makes a new one.
func calls(ctx context.Context, n int, fn func(ctx context.Context, c *simClient) error) error {
	for n > 0 {
		err := aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
			r, w, err := aio.OpenConnection(ctx, "kv:6379", nil)
			if err != nil {
				return err
			}
			defer w.Close()
			for ; n > 0; n-- {
				if err := fn(ctx, &simClient{r, w}); err != nil {
					return err
				}
			}
			return nil
		})
		var wrong wrongReply
		if errors.Is(err, aio.ErrCancelled) || errors.Is(err, aio.ErrLoopClosed) || errors.As(err, &wrong) {
			return err
		}
		if err := aio.Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// wrongReply is an error that a network failure cannot cause.
type wrongReply string

func (e wrongReply) Error() string { return string(e) }

func TestSimulation(t *testing.T) {
	runs := stage.Amount(33, 100, 1000)
	var sum aiotest.Counters
	moves, looks := 0, 0
	r := aiotest.Simulate(t, aiotest.Simulation{Runs: runs}, func(ctx context.Context, w *aiotest.World) error {
		kv := w.Host("kv", func(ctx context.Context) error { return serve(ctx, ":6379", func(net.Addr) {}) })
		var others []*aiotest.Host
		for i := range 2 {
			others = append(others, w.Host(fmt.Sprint("mover", i), func(ctx context.Context) error {
				return calls(ctx, 20, func(ctx context.Context, c *simClient) error {
					got, err := c.call(ctx, 6, "MULTI", "INCR a", "INCR b", "EXEC")
					if err != nil {
						return err
					}
					moves++
					if want := []string{"+OK", "+QUEUED", "+QUEUED", "*2"}; fmt.Sprint(got[:4]) != fmt.Sprint(want) {
						return wrongReply(fmt.Sprintf("a moving client got %q", got))
					}
					return aio.Sleep(ctx, 10*time.Millisecond)
				})
			}))
		}
		others = append(others, w.Host("reader", func(ctx context.Context) error {
			return calls(ctx, 40, func(ctx context.Context, c *simClient) error {
				if _, err := c.call(ctx, 4, "MULTI", "GET a", "GET b", "EXEC"); err != nil {
					return err
				}
				var values [2]string
				for i := range values {
					length, err := c.call(ctx, 1)
					if err == nil && length[0] != "$-1" {
						length, err = c.call(ctx, 1)
					}
					if err != nil {
						return err
					}
					values[i] = length[0]
				}
				looks++
				if values[0] != values[1] {
					return wrongReply(fmt.Sprintf("a reading client got %q", values))
				}
				return aio.Sleep(ctx, 5*time.Millisecond)
			})
		}))
		for range 4 {
			if err := aio.Sleep(ctx, aiotest.Between(ctx, 20*time.Millisecond, 400*time.Millisecond)); err != nil {
				return err
			}
			other := others[aiotest.Choose(ctx, len(others), "host")]
			switch aiotest.Choose(ctx, 4, "harm") {
			case 1:
				kv.Restart()
			case 2:
				other.Restart()
			case 3:
				w.Partition("kv", other.Name())
				if err := aio.Sleep(ctx, aiotest.Between(ctx, 100*time.Millisecond, 3*time.Second)); err != nil {
					return err
				}
				w.Heal("kv", other.Name())
			}
		}
		if err := w.Wait(ctx, others...); err != nil {
			return err
		}
		c := w.Counters()
		sum.Crashes, sum.Resets, sum.Connections = sum.Crashes+c.Crashes, sum.Resets+c.Resets, sum.Connections+c.Connections
		return nil
	})
	t.Logf("%d runs, %d moves, %d reads, %+v", r.Runs, moves, looks, sum)
	if moves < 30*runs || looks < 30*runs || sum.Crashes < runs/2 || sum.Resets < runs/5 {
		t.Error("too few")
	}
}

// Each network operation fails once in each way: a client gets an error or the right
// reply, and the server can serve the next client.
func TestFailEverywhere(t *testing.T) {
	r := aiotest.FailEverywhere(t, aiotest.Failures{Schedules: 5}, func(ctx context.Context, f *aiotest.Failing) error {
		listening := aio.CreateFuture[net.Addr](ctx)
		server := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			// SetResult is called once.
			return serve(ctx, "localhost:6379", func(at net.Addr) { _ = listening.SetResult(at) })
		}))
		if _, err := listening.Await(ctx); err != nil {
			return err
		}
		use := func(ctx context.Context) error {
			r, w, err := aio.OpenConnection(ctx, "localhost:6379", nil)
			if err != nil {
				return err
			}
			defer w.Close()
			c := &simClient{r, w}
			got, err := c.call(ctx, 8, "DEL a b", "MULTI", "INCR a", "INCR b", "EXEC", "SET x y")
			if err != nil {
				return err
			}
			if want := []string{"+OK", "+QUEUED", "+QUEUED", "*2", ":1", ":1", "+OK"}; fmt.Sprint(got[1:]) != fmt.Sprint(want) {
				return wrongReply(fmt.Sprintf("got %q", got))
			}
			return nil
		}
		err := f.Do(ctx, use)
		var wrong wrongReply
		if err != nil && (!f.Happened() || errors.As(err, &wrong)) {
			return err
		}
		if err := use(ctx); err != nil {
			return fmt.Errorf("the next client: %w", err)
		}
		server.Cancel()
		if _, err := server.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
			return fmt.Errorf("the server: %w", err)
		}
		return nil
	})
	t.Logf("%d failures were tried", r.Moments)
	if r.Moments < 100 {
		t.Error("too few")
	}
}
