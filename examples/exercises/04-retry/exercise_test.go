package exercise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/examples/exercises/internal/check"
)

var errDown = errors.New("the service is down")

// service answers with errDown failures times, then with nil. A call takes a second.
type service struct {
	failures int
	calls    []time.Duration // when the calls began
	clock    func() time.Duration
}

func (s *service) call(ctx context.Context) error {
	s.calls = append(s.calls, s.clock())
	if err := aio.Sleep(ctx, time.Second); err != nil {
		return err
	}
	if len(s.calls) <= s.failures {
		return errDown
	}
	return nil
}

func TestPauses(t *testing.T) {
	check.Lesson{
		Idea: "Wait for longer and longer: a service that is down because of its load cannot\nrecover while all clients repeat their calls at once.",
		Read: "docs/testing.md, Virtual time",
	}.Run(t, func(ctx context.Context) error {
		for _, c := range []struct {
			failures int
			calls    []time.Duration
			err      error
		}{
			{0, []time.Duration{0}, nil},
			{2, []time.Duration{0, 2 * time.Second, 5 * time.Second}, nil},
			{9, []time.Duration{0, 2 * time.Second, 5 * time.Second, 10 * time.Second, 19 * time.Second}, errDown},
		} {
			s := &service{failures: c.failures, clock: check.Clock(ctx)}
			err := Retry(ctx, s.call)
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				return fmt.Errorf("after %d failures Retry returned the error %v, want %v", c.failures, err, c.err)
			}
			if !slices.Equal(s.calls, c.calls) {
				return fmt.Errorf("a service that takes a second and fails %d times was called at %v, want %v", c.failures, s.calls, c.calls)
			}
			if want := c.calls[len(c.calls)-1] + time.Second; s.clock() != want {
				return fmt.Errorf("Retry returned at %v, want %v: no pause after the last call", s.clock(), want)
			}
		}
		return nil
	})
}

func TestCancelledEverywhere(t *testing.T) {
	check.Lesson{
		Idea: "A cancellation is delivered once, as the error of one await. Code that goes on after\nan error must ask first whether it is a cancellation, with aio.IsCancellation or\nerrors.Is(err, aio.ErrCancelled), and return it.",
		Read: "docs/tour.md, Bug: the swallowed cancellation",
	}.Cancel(t, func(ctx context.Context, c *aiotest.Cancelled) error {
		s := &service{failures: 2, clock: check.Clock(ctx)}
		err := c.Do(ctx, func(ctx context.Context) error { return Retry(ctx, s.call) })
		if c.Happened() && aio.IsCancellation(err) {
			return nil
		}
		return err
	})
}

func TestTimeoutAroundIt(t *testing.T) {
	check.Lesson{
		Idea: "A timeout is a cancellation too. If Retry swallows it, the program waits longer than\nthe timeout allows, and nothing says why.",
		Read: "docs/tour.md, Bug: the swallowed cancellation",
	}.Run(t, func(ctx context.Context) error {
		s := &service{failures: 9, clock: check.Clock(ctx)}
		err := aio.Timeout(ctx, 4*time.Second, func(ctx context.Context) error { return Retry(ctx, s.call) })
		if !errors.Is(err, aio.ErrTimeout) || s.clock() != 4*time.Second {
			return fmt.Errorf("with a timeout of 4s, Retry ended at %v with the error %v", s.clock(), err)
		}
		return nil
	})
}
