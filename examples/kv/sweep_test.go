package main

// The server under explored schedules, and with a cancellation at every moment, over
// in-memory connections.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/examples/internal/wire"
	"github.com/goaio/aio/internal/stage"
)

// inMemory returns a server without a listener.
func inMemory(ctx context.Context) (*server, error) {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return nil, err
	}
	return &server{loop: loop, store: newStore(loop), topics: map[string][]*client{}, started: loop.Time()}, nil
}

// terminal is a client that sends inline commands.
type terminal struct{ wire.End }

func (t terminal) say(line string) { _, _ = t.W.Write([]byte(line + "\r\n")) }

// hears reads lines and compares them.
func (t terminal) hears(ctx context.Context, lines ...string) error {
	for _, want := range lines {
		line, err := t.R.ReadLine(ctx)
		if err != nil {
			return err
		}
		if got := strings.TrimSuffix(string(line), "\r\n"); got != want {
			return fmt.Errorf("the reply is %q, want %q", got, want)
		}
	}
	return nil
}

// visit connects a client, whose handler runs as a task.
func (s *server) visit(ctx context.Context) (terminal, *aio.Task[struct{}]) {
	here, there := wire.Pair(ctx)
	return terminal{here}, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return s.handle(ctx, there.R, there.W) }))
}

// talks are the actions of a client whose handler is cancelled, with a check of the
// state afterwards.
var talks = map[string]struct {
	talk func(ctx context.Context, s *server, t terminal) error
	// heard reports whether the client got all replies
	check func(s *server, heard bool) error
}{
	"a pipeline": {
		talk: func(ctx context.Context, s *server, t terminal) error {
			t.say("SET a 1")
			t.say("INCR a")
			t.say("GET a")
			t.say("MULTI")
			t.say("INCR a")
			t.say("RPUSH l x y")
			t.say("EXEC")
			return t.hears(ctx, "+OK", ":2", "$1", "2", "+OK", "+QUEUED", "+QUEUED", "*2", ":3", ":2")
		},
		check: func(s *server, _ bool) error {
			// The transaction ran completely or not at all.
			a, l := s.store.get([]byte("a")), s.store.get([]byte("l"))
			if l != nil && (a == nil || a.str != "3" || l.list.len() != 2) || l == nil && a != nil && a.str == "3" {
				return errors.New("a transaction was executed partly")
			}
			return nil
		},
	},
	"BLPOP": {
		talk: func(ctx context.Context, s *server, t terminal) error {
			t.say("BLPOP jobs 0")
			return t.hears(ctx, "*2", "$4", "jobs", "$3", "job")
		},
		check: func(s *server, heard bool) error {
			// The job was either sent to the client or remains in the list.
			left := 0
			if e := s.store.get([]byte("jobs")); e != nil {
				left = e.list.len()
			}
			if heard == (left == 1) || left > 1 {
				return fmt.Errorf("the client got the job: %v, and %d jobs remain", heard, left)
			}
			return nil
		},
	},
	"SUBSCRIBE": {
		talk: func(ctx context.Context, s *server, t terminal) error {
			t.say("SUBSCRIBE news")
			return t.hears(ctx, "*3", "$9", "subscribe", "$4", "news", ":1", "*3", "$7", "message", "$4", "news", "$2", "hi")
		},
		check: func(*server, bool) error { return nil },
	},
}

// scene runs a talk of one client, while another client makes related changes.
func scene(name string, do func(ctx context.Context, fn func(ctx context.Context) error) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		s, err := inMemory(ctx)
		if err != nil {
			return err
		}
		here, there := wire.Pair(ctx)
		t := terminal{here}
		other, otherHandler := s.visit(ctx)
		busy := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			if err := aio.Sleep(ctx, 30*time.Millisecond); err != nil {
				return err
			}
			other.say("RPUSH jobs job")
			other.say("PUBLISH news hi")
			other.say("QUIT")
			_, err := other.R.Read(ctx, -1)
			return err
		}))
		talk := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			if err := talks[name].talk(ctx, s, t); err != nil {
				return err
			}
			t.say("QUIT")
			return nil
		}))
		err = do(ctx, func(ctx context.Context) error { return s.handle(ctx, there.R, there.W) })
		there.W.Close() // closes the server's side
		gone := errors.Is(err, aio.ErrCancelled)
		if err != nil && !gone {
			return fmt.Errorf("the handler: %w", err)
		}
		for _, task := range []*aio.Task[struct{}]{busy, otherHandler} {
			if _, err := task.Await(ctx); err != nil {
				return err
			}
		}
		_, err = talk.Await(ctx)
		if err != nil && !gone {
			return err
		}
		return errors.Join(talks[name].check(s, err == nil), left(s))
	}
}

// left returns an error if a server without clients still has state of clients.
func left(s *server) error {
	if s.connected != 0 || len(s.topics) > 0 || len(s.store.blocked) > 0 {
		return fmt.Errorf("%d clients are connected, %d topics, %d blocked lists", s.connected, len(s.topics), len(s.store.blocked))
	}
	return nil
}

func TestSweep(t *testing.T) {
	schedules, runs := stage.Amount(5, 20, 200), stage.Amount(75, 300, 3000)
	for name := range talks {
		t.Run(name, func(t *testing.T) {
			r := aiotest.CancelEverywhere(t, aiotest.Sweep{Schedules: schedules}, func(ctx context.Context, c *aiotest.Cancelled) error {
				return scene(name, c.Do)(ctx)
			})
			e := aiotest.Explore(t, aiotest.Exploration{Runs: runs}, scene(name, func(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) }))
			any := aiotest.Explore(t, aiotest.Exploration{Runs: runs, Mode: aiotest.AnyOrder}, scene(name, func(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) }))
			t.Logf("%d moments, %d schedules", r.Moments, e.Runs+any.Runs)
			if r.Moments < 25*schedules {
				t.Errorf("only %d moments", r.Moments)
			}
		})
	}
}
