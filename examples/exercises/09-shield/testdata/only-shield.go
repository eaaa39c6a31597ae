// Fails: TestCancelledEverywhere, the ledger has a debit of 30 and a credit of 0.

package exercise

import (
	"context"

	"github.com/goaio/aio"
)

func Pay(ctx context.Context, l *Ledger, amount int) error {
	_, err := aio.Shield(ctx, aio.NoResult(func(ctx context.Context) error { return l.Book(ctx, amount) })).Await(ctx)
	return err
}
