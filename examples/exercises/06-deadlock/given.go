// Package exercise is about tasks that wait for each other.
package exercise

import (
	"context"
	"errors"

	"github.com/goaio/aio"
)

// Account is a bank account. No two accounts have the same number.
type Account struct {
	Number  int
	Balance int
	lock    aio.Lock
	by      aio.AnyTask // the task that has the account open
}

// Open locks the account, waiting for the task that has it, and reads its page from the
// disk, which awaits too.
func (a *Account) Open(ctx context.Context) error {
	if err := a.lock.Acquire(ctx); err != nil {
		return err
	}
	if err := aio.Sleep(ctx, 0); err != nil {
		a.lock.Release()
		return err
	}
	a.by = aio.CurrentTask(ctx)
	return nil
}

// Close unlocks the account.
func (a *Account) Close() {
	a.by = nil
	a.lock.Release()
}

// ErrFunds says that the account has too little money.
var ErrFunds = errors.New("insufficient funds")
