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

// bank returns n accounts with 100 each.
func bank(n int) []*Account {
	var accounts []*Account
	for i := range n {
		accounts = append(accounts, &Account{Number: i + 1, Balance: 100})
	}
	return accounts
}

// order is a transfer from one account to another one.
type order struct{ from, to, amount int }

// run makes the transfers concurrently.
func run(ctx context.Context, accounts []*Account, orders ...order) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for _, o := range orders {
			from, to := accounts[o.from-1], accounts[o.to-1]
			tg.Go(func(ctx context.Context) error {
				return Transfer(ctx, from, to, o.amount, func(ctx context.Context) error {
					if task := aio.CurrentTask(ctx); from.by != task || to.by != task {
						return errors.New("the transfer is recorded, and an account is not open")
					}
					return aio.Sleep(ctx, 0)
				})
			}, aio.WithName(fmt.Sprintf("%d to %d", o.from, o.to)))
		}
		return nil
	})
}

// balances returns an error if the balances differ from want, or an account is open.
func balances(accounts []*Account, want ...int) error {
	for i, a := range accounts {
		if a.Balance != want[i] {
			return fmt.Errorf("account %d has %d, want %d", a.Number, a.Balance, want[i])
		}
		if a.lock.Locked() {
			return fmt.Errorf("account %d is still open", a.Number)
		}
	}
	return nil
}

var lesson = check.Lesson{
	Idea: "A deadlock needs a ring: each task holds what the next one waits for. If all tasks\nopen their accounts in the same order, there is no ring.",
	Read: "docs/tour.md, Deadlocks",
}

func TestThereAndBack(t *testing.T) {
	lesson.Explore(t, func(ctx context.Context) error {
		accounts := bank(2)
		if err := run(ctx, accounts, order{1, 2, 30}, order{2, 1, 10}); err != nil {
			return err
		}
		return balances(accounts, 80, 120)
	})
}

func TestRing(t *testing.T) {
	lesson.Explore(t, func(ctx context.Context) error {
		accounts := bank(3)
		if err := run(ctx, accounts, order{1, 2, 10}, order{2, 3, 20}, order{3, 1, 40}); err != nil {
			return err
		}
		return balances(accounts, 130, 90, 80)
	})
}

func TestToItself(t *testing.T) {
	check.Lesson{
		Idea: "A Lock does not know its owner: a task that acquires it twice waits for itself.",
		Read: "docs/tour.md, Deadlocks",
	}.Run(t, func(ctx context.Context) error {
		accounts := bank(1)
		if err := run(ctx, accounts, order{1, 1, 10}); err != nil {
			return err
		}
		return balances(accounts, 100)
	})
}

func TestTooLittle(t *testing.T) {
	check.Lesson{Idea: "What was opened must be closed on every way out."}.Run(t, func(ctx context.Context) error {
		accounts := bank(2)
		err := Transfer(ctx, accounts[0], accounts[1], 101, func(context.Context) error { return nil })
		if !errors.Is(err, ErrFunds) {
			return fmt.Errorf("a transfer of 101 from 100 returned the error %v", err)
		}
		return balances(accounts, 100, 100)
	})
}

func TestCancelledEverywhere(t *testing.T) {
	check.Lesson{
		Idea: "A task can be cancelled while it waits for the first account, for the second one, and\nwhile it has both. Each time it must close what it has opened, and either all of the\nmoney has moved or none.",
		Read: "docs/tour.md, Cancellation",
	}.Cancel(t, func(ctx context.Context, c *aiotest.Cancelled) error {
		accounts := bank(2)
		busy := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return accounts[1].lock.With(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Minute) })
		}))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		err := c.Do(ctx, func(ctx context.Context) error {
			return run(ctx, accounts, order{1, 2, 30})
		})
		if _, err := busy.Await(ctx); err != nil {
			return err
		}
		if c.Happened() && aio.IsCancellation(err) {
			// the cancellation came after the transfer
			if accounts[1].Balance == 130 {
				return balances(accounts, 70, 130)
			}
			return balances(accounts, 100, 100)
		}
		if err != nil {
			return err
		}
		return balances(accounts, 70, 130)
	})
}
