// Fails: TestCancelledTwice, the ledger has a debit of 30 and a credit of 0.

package exercise

import (
	"context"

	"github.com/goaio/aio"
)

func Pay(ctx context.Context, l *Ledger, amount int) error {
	booking := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return l.Book(ctx, amount) }))
	_, err := aio.Shield(ctx, booking).Await(ctx)
	if aio.IsCancellation(err) {
		_, _ = booking.Await(ctx)
	}
	return err
}
