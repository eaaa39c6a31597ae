package exercise

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/examples/exercises/internal/check"
)

const grace = 10 * time.Second

// server records the outcome of the requests. Request n takes n seconds.
type server struct {
	requests *aio.Queue[int]
	stop     aio.Event
	clock    func() time.Duration
	running  int
	log      []string
}

func newServer(ctx context.Context) *server {
	return &server{requests: aio.NewQueue[int](0), clock: check.Clock(ctx)}
}

func (s *server) handle(ctx context.Context, n int) error {
	s.running++
	defer func() { s.running-- }()
	err := aio.Sleep(ctx, time.Duration(n)*time.Second)
	end := "done"
	if err != nil {
		end = "cancelled"
	}
	s.log = append(s.log, fmt.Sprintf("%d %s %v", n, end, s.clock()))
	return err
}

func (s *server) serve(ctx context.Context) error {
	err := Serve(ctx, s.requests, &s.stop, grace, s.handle)
	if s.running > 0 {
		return fmt.Errorf("Serve has returned, and %d handlers still run", s.running)
	}
	return err
}

// play sends requests at 0s, sets stop at 5s, sends another request, and returns when
// Serve has ended.
func (s *server) play(ctx context.Context, requests ...int) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(s.serve, aio.WithName("serve"))
		for _, n := range requests {
			if err := s.requests.PutNowait(n); err != nil {
				return err
			}
		}
		if err := aio.Sleep(ctx, 5*time.Second); err != nil {
			return err
		}
		s.stop.Set()
		return s.requests.PutNowait(1)
	})
}

func TestGrace(t *testing.T) {
	check.Lesson{
		Idea: "A shutdown has three parts: take nothing new, let what runs end, and cancel what\ntakes too long. A task that waits for the next request does not see that stop is set:\nit must be woken.",
		Read: "docs/tour.md, Shutdown",
	}.Run(t, func(ctx context.Context) error {
		s := newServer(ctx)
		if err := s.play(ctx, 2, 7, 60); err != nil {
			return err
		}
		if want := []string{"2 done 2s", "7 done 7s", "60 cancelled 15s"}; !slices.Equal(s.log, want) {
			return fmt.Errorf("requests of 2s, 7s and 60s, and a stop at 5s with a grace of 10s:\n%q, want\n%q", s.log, want)
		}
		return nil
	})
}

func TestNoLongerThanNeeded(t *testing.T) {
	check.Lesson{
		Idea: "Wait for the handlers, with a limit. Sleeping for the time of grace makes each\nshutdown as slow as the slowest.",
		Read: "docs/tour.md, Shutdown",
	}.Run(t, func(ctx context.Context) error {
		s := newServer(ctx)
		if err := s.play(ctx, 2, 6); err != nil {
			return err
		}
		if s.clock() != 6*time.Second {
			return fmt.Errorf("the last handler ended at 6s, and Serve at %v", s.clock())
		}
		return nil
	})
}

func TestNothingToDo(t *testing.T) {
	check.Lesson{
		Idea: "A server without requests stops at once. The task that waits for the next request\nmust be woken for that: it is cancelled.",
		Read: "docs/tour.md, Shutdown",
	}.Run(t, func(ctx context.Context) error {
		s := newServer(ctx)
		if err := s.play(ctx); err != nil {
			return err
		}
		if s.clock() != 5*time.Second || len(s.log) > 0 {
			return fmt.Errorf("a server without requests was stopped at 5s; it ended at %v, and handled %q", s.clock(), s.log)
		}
		return nil
	})
}

func TestCancelledEverywhere(t *testing.T) {
	check.Lesson{
		Idea: "A server can be cancelled before the stop, and during the time of grace. Then it\ncancels its handlers, and ends after them.",
		Read: "docs/tour.md, Cancellation",
	}.Cancel(t, func(ctx context.Context, c *aiotest.Cancelled) error {
		s := newServer(ctx)
		err := c.Do(ctx, func(ctx context.Context) error { return s.play(ctx, 2, 7, 60) })
		if c.Happened() && aio.IsCancellation(err) {
			return nil
		}
		return err
	})
}
