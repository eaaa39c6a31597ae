// Package exercise is about an operation that must not stop half-way.
package exercise

import (
	"context"
	"errors"
	"time"

	"github.com/goaio/aio"
)

// Ledger has the two sides of a bookkeeping, which must be equal.
type Ledger struct {
	Debit, Credit int
}

// ErrAmount says that an amount is not positive.
var ErrAmount = errors.New("the amount is not positive")

// Book writes both sides. Between them it waits for the disk. If it is cancelled there,
// it leaves the ledger with one side.
func (l *Ledger) Book(ctx context.Context, amount int) error {
	if amount <= 0 {
		return ErrAmount
	}
	l.Debit += amount
	for range 2 {
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	l.Credit += amount
	return nil
}
