package exercise

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/examples/exercises/internal/check"
)

// server answers after a delay.
type server struct {
	name    string
	delay   time.Duration
	err     error
	asked   int
	running int
}

func (s *server) ask(ctx context.Context) (string, error) {
	s.asked++
	s.running++
	defer func() { s.running-- }()
	if err := aio.Sleep(ctx, s.delay); err != nil {
		return "", err
	}
	return s.name, s.err
}

const patience = time.Second

func TestAnswers(t *testing.T) {
	check.Lesson{
		Idea: "A timeout bounds the wait, and what was waited for is cancelled: aio.WaitFor\nreturns after it has ended.",
		Read: "docs/tour.md, Cancellation",
	}.Run(t, func(ctx context.Context) error {
		for _, c := range []struct {
			delay  time.Duration
			answer string
			took   time.Duration
		}{
			{time.Second / 2, "near", time.Second / 2},
			{time.Hour, "far", 6 * time.Second},
		} {
			clock := check.Clock(ctx)
			near, far := &server{name: "near", delay: c.delay}, &server{name: "far", delay: 5 * time.Second}
			answer, err := Ask(ctx, patience, near.ask, func(ctx context.Context) (string, error) {
				if near.running > 0 {
					return "", errors.New("the far server is asked while the call of the near one still runs")
				}
				return far.ask(ctx)
			})
			if err != nil {
				return err
			}
			if answer != c.answer || clock() != c.took {
				return fmt.Errorf("if the near server takes %v and the far one 5s, the answer is of %q after %v, want %q after %v",
					c.delay, answer, clock(), c.answer, c.took)
			}
		}
		return nil
	})
}

func TestOtherErrors(t *testing.T) {
	check.Lesson{
		Idea: "Only the error that matches aio.ErrTimeout says that the time was up.",
		Read: "docs/idioms.md, Timeouts",
	}.Run(t, func(ctx context.Context) error {
		errRefused := errors.New("refused")
		near, far := &server{name: "near", err: errRefused}, &server{name: "far"}
		_, err := Ask(ctx, patience, near.ask, far.ask)
		if !errors.Is(err, errRefused) || far.asked > 0 {
			return fmt.Errorf("the near server refused at once; the far one was asked %d times, and the error is %v", far.asked, err)
		}
		return nil
	})
}

func TestCallersTimeout(t *testing.T) {
	check.Lesson{
		Idea: "Inside of a timeout that expires, an await returns a cancellation. It becomes\naio.ErrTimeout only where it leaves the call that set that timeout. So the timeout of\na caller never looks like yours.",
		Read: "docs/cancellation.md, The source of a cancellation",
	}.Run(t, func(ctx context.Context) error {
		clock := check.Clock(ctx)
		near, far := &server{name: "near", delay: time.Hour}, &server{name: "far", delay: time.Hour}
		err := aio.Timeout(ctx, patience/2, func(ctx context.Context) error {
			_, err := Ask(ctx, patience, near.ask, far.ask)
			return err
		})
		if !errors.Is(err, aio.ErrTimeout) || clock() != patience/2 || far.asked > 0 {
			return fmt.Errorf("the caller has half a second; Ask ended after %v, asked the far server %d times, and the error is %v",
				clock(), far.asked, err)
		}
		return nil
	})
}

func TestCancelledEverywhere(t *testing.T) {
	check.Lesson{
		Idea: "A cancellation of the caller is not a slow server. Whoever answers it with another\nattempt cannot be stopped.",
		Read: "docs/tour.md, Bug: the swallowed cancellation",
	}.Cancel(t, func(ctx context.Context, c *aiotest.Cancelled) error {
		near, far := &server{name: "near", delay: time.Hour}, &server{name: "far", delay: time.Minute}
		err := c.Do(ctx, func(ctx context.Context) error {
			_, err := Ask(ctx, patience, near.ask, far.ask)
			return err
		})
		if near.running+far.running > 0 {
			return errors.New("Ask has returned, and a call still runs")
		}
		if c.Happened() && aio.IsCancellation(err) {
			return nil
		}
		return err
	})
}
