package main

// The chat under explored schedules, and with a cancellation at every moment, over
// in-memory connections.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/examples/internal/wire"
	"github.com/goaio/aio/internal/stage"
)

// resident is a simulated user.
type resident struct {
	wire.End
	heard []string
}

func (r *resident) say(line string) { _, _ = r.W.Write([]byte(line + "\n")) }

// listen records the lines that it receives, until the connection is closed.
func (r *resident) listen(ctx context.Context) error {
	for {
		line, err := r.R.ReadLine(ctx)
		if err != nil || len(line) == 0 {
			return err
		}
		r.heard = append(r.heard, strings.TrimSpace(string(line)))
	}
}

// evening is a conversation of two users; do runs the handler of the first.
func evening(do func(ctx context.Context, fn func(ctx context.Context) error) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		h := newHouse(time.Minute)
		start := func(f func(ctx context.Context) error) *aio.Task[struct{}] {
			return aio.CreateTask(ctx, aio.NoResult(f))
		}
		annHere, annThere := wire.Pair(ctx)
		bobHere, bobThere := wire.Pair(ctx)
		ann, bob := &resident{End: annHere}, &resident{End: bobHere}
		tasks := []*aio.Task[struct{}]{
			start(ann.listen),
			start(bob.listen),
			start(func(ctx context.Context) error { return h.welcome(ctx, bobThere.R, bobThere.W) }),
			start(func(ctx context.Context) error {
				for _, line := range []string{"/nick ann", "hello", "/join kitchen", "/who", "/join lobby", "/quit"} {
					ann.say(line)
					if err := aio.Sleep(ctx, 10*time.Millisecond); err != nil {
						return err
					}
				}
				return nil
			}),
			start(func(ctx context.Context) error {
				for _, line := range []string{"/nick bob", "/rooms", "/me yawns", "hi"} {
					bob.say(line)
					if err := aio.Sleep(ctx, 15*time.Millisecond); err != nil {
						return err
					}
				}
				if err := aio.Sleep(ctx, time.Second); err != nil {
					// cancelled long after the other user has left
					return err
				}
				if nicks := h.users(); len(nicks) != 1 || nicks[0].nick != "bob" {
					return fmt.Errorf("%d users are connected", len(nicks))
				}
				if len(h.rooms) != 1 || len(h.rooms[lobby]) != 1 {
					return fmt.Errorf("the rooms are %v", h.rooms)
				}
				bob.say("/quit")
				return nil
			}),
		}
		err := do(ctx, func(ctx context.Context) error { return h.welcome(ctx, annThere.R, annThere.W) })
		annThere.W.Close() // closes the server's side
		if err != nil && !errors.Is(err, aio.ErrCancelled) {
			return fmt.Errorf("the handler: %w", err)
		}
		for _, task := range tasks {
			if _, err := task.Await(ctx); err != nil {
				return err
			}
		}
		if len(h.nicks) > 0 || len(h.rooms) > 0 {
			return fmt.Errorf("%d users remain in %d rooms", len(h.nicks), len(h.rooms))
		}
		// Every user whose arrival bob saw must have left again.
		come, gone := 0, 0
		for _, line := range bob.heard {
			switch {
			case strings.HasSuffix(line, " has joined"):
				come++
			case strings.HasSuffix(line, " has left"):
				gone++
			}
		}
		if gone < come || !slices.Contains(bob.heard, "* good-bye") {
			return fmt.Errorf("bob heard %q", bob.heard)
		}
		return nil
	}
}

func TestSweep(t *testing.T) {
	schedules, runs := stage.Amount(5, 20, 200), stage.Amount(75, 300, 3000)
	r := aiotest.CancelEverywhere(t, aiotest.Sweep{Schedules: schedules}, func(ctx context.Context, c *aiotest.Cancelled) error {
		return evening(c.Do)(ctx)
	})
	explored := 0
	for _, mode := range []aiotest.Mode{aiotest.Environment, aiotest.AnyOrder} {
		e := aiotest.Explore(t, aiotest.Exploration{Runs: runs, Mode: mode}, evening(func(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) }))
		explored += e.Runs
	}
	t.Logf("%d moments, %d schedules", r.Moments, explored)
	if r.Moments < 50*schedules {
		t.Errorf("only %d moments", r.Moments)
	}
}
