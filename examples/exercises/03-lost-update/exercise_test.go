package exercise

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/examples/exercises/internal/check"
)

func newAccount(balance int) *Account {
	return &Account{Balance: balance, Audit: func(ctx context.Context, amount int) error { return aio.Sleep(ctx, 0) }}
}

// withdraw makes concurrent withdrawals, and returns the sum of those that succeeded.
func withdraw(ctx context.Context, a *Account, amounts ...int) (paid int, err error) {
	err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for _, amount := range amounts {
			tg.Go(func(ctx context.Context) error {
				switch err := a.Withdraw(ctx, amount); {
				case err == nil:
					paid += amount
				case !errors.Is(err, ErrFunds):
					return err
				}
				return nil
			}, aio.WithName(fmt.Sprintf("withdraw %d", amount)))
		}
		return nil
	})
	return paid, err
}

func TestNothingIsLost(t *testing.T) {
	check.Lesson{
		Idea: "A value that was read before an await may be stale after it: another task may have\nchanged it meanwhile. Read and write without an await between them, or keep a lock\nover the await.",
		Read: "docs/tour.md, Bug: the lost update",
	}.Explore(t, func(ctx context.Context) error {
		a := newAccount(100)
		paid, err := withdraw(ctx, a, 30, 20)
		if err != nil {
			return err
		}
		if paid != 50 || a.Balance != 50 {
			return fmt.Errorf("withdrawals of 30 and 20 from 100 have paid %d, and left %d, want 50 and 50", paid, a.Balance)
		}
		return nil
	})
}

func TestNeverNegative(t *testing.T) {
	check.Lesson{
		Idea: "A check before an await says nothing about the time after it. Check and change\nwithout an await between them.",
		Read: "docs/tour.md, Bug: the lost update",
	}.Explore(t, func(ctx context.Context) error {
		a := newAccount(100)
		paid, err := withdraw(ctx, a, 80, 70)
		if err != nil {
			return err
		}
		if a.Balance < 0 || paid+a.Balance != 100 {
			return fmt.Errorf("withdrawals of 80 and 70 from 100 have paid %d, and left %d", paid, a.Balance)
		}
		return nil
	})
}

func TestAfterAFailedAudit(t *testing.T) {
	check.Lesson{
		Idea: "An await can fail. What was taken before it must be given back on every way out: a\nlock with a deferred Release.",
		Read: "docs/tour.md, Bug: the lost update",
	}.Run(t, func(ctx context.Context) error {
		a := newAccount(100)
		errAudit := errors.New("audit failed")
		good := a.Audit
		a.Audit = func(ctx context.Context, amount int) error { return errAudit }
		if err := a.Withdraw(ctx, 30); !errors.Is(err, errAudit) {
			return fmt.Errorf("the audit failed, and Withdraw returned the error %v", err)
		}
		a.Audit = good
		if err := a.Withdraw(ctx, 30); err != nil || a.Balance != 70 {
			return fmt.Errorf("after a failed and a good withdrawal of 30 from 100, %d are left, error %v", a.Balance, err)
		}
		return nil
	})
}

func TestCancelledEverywhere(t *testing.T) {
	check.Lesson{
		Idea: "A cancelled withdrawal has either happened or not, and the account can still be\nused.",
		Read: "docs/tour.md, Cancellation",
	}.Cancel(t, func(ctx context.Context, c *aiotest.Cancelled) error {
		a := newAccount(100)
		err := c.Do(ctx, func(ctx context.Context) error { return a.Withdraw(ctx, 30) })
		if c.Happened() && aio.IsCancellation(err) {
			if a.Balance != 100 {
				return fmt.Errorf("a cancelled withdrawal of 30 has left %d of 100", a.Balance)
			}
			err = a.Withdraw(ctx, 30)
		}
		if err == nil && a.Balance != 70 {
			return fmt.Errorf("a withdrawal of 30 has left %d of 100", a.Balance)
		}
		return err
	})
}
