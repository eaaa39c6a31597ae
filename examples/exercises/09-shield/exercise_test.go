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

// complete returns an error if the ledger has only one side of a booking.
func complete(l *Ledger) error {
	if l.Debit != l.Credit {
		return fmt.Errorf("Pay has returned, and the ledger has a debit of %d and a credit of %d", l.Debit, l.Credit)
	}
	return nil
}

var lesson = check.Lesson{
	Idea: "Whoever cancels a task cancels what it awaits. aio.Shield stands between the two:\nonly the wait ends, and the operation, which is a task of its own, goes on. Then\nsome task has to wait for it.",
	Read: "docs/tour.md, Bug: the missing shield",
}

func TestPays(t *testing.T) {
	lesson.Run(t, func(ctx context.Context) error {
		l := &Ledger{}
		if err := Pay(ctx, l, 30); err != nil {
			return err
		}
		if l.Debit != 30 || l.Credit != 30 {
			return fmt.Errorf("after a payment of 30 the ledger has a debit of %d and a credit of %d", l.Debit, l.Credit)
		}
		if err := Pay(ctx, l, 0); !errors.Is(err, ErrAmount) {
			return fmt.Errorf("a payment of 0 returned the error %v, want %q", err, ErrAmount)
		}
		return nil
	})
}

func TestCancelledEverywhere(t *testing.T) {
	lesson.Cancel(t, func(ctx context.Context, c *aiotest.Cancelled) error {
		l := &Ledger{}
		err := c.Do(ctx, func(ctx context.Context) error {
			err := Pay(ctx, l, 30)
			if sides := complete(l); sides != nil {
				return sides
			}
			return err
		})
		if c.Happened() && aio.IsCancellation(err) {
			return complete(l)
		}
		return err
	})
}

func TestCancelledTwice(t *testing.T) {
	check.Lesson{
		Idea: "A task can be cancelled again while it deals with the first cancellation: by a\nshutdown after a timeout, for example. The wait for the shielded task needs a shield\ntoo.",
		Read: "docs/tour.md, Bug: the missing shield",
	}.Run(t, func(ctx context.Context) error {
		for first := range 5 {
			for second := range 5 {
				l := &Ledger{}
				var sides error
				client := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					err := Pay(ctx, l, 30)
					sides = complete(l)
					if err != nil {
						return err
					}
					return aio.Sleep(ctx, time.Hour)
				}), aio.WithName("client"))
				for _, pause := range []int{first, second} {
					if err := aio.Sleep(ctx, time.Duration(pause)*400*time.Millisecond); err != nil {
						return err
					}
					client.Cancel()
				}
				clock := check.Clock(ctx)
				if _, err := client.Await(ctx); !aio.IsCancellation(err) || clock() > time.Minute {
					return fmt.Errorf("a client that was cancelled twice ended after %v with the error %v", clock(), err)
				}
				if sides != nil {
					return sides
				}
			}
		}
		return nil
	})
}
