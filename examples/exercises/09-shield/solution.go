//go:build solution

package exercise

import (
	"context"

	"github.com/goaio/aio"
)

// Pay books amount. A cancellation of the caller does not interrupt the booking.
func Pay(ctx context.Context, l *Ledger, amount int) error {
	booking := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return l.Book(ctx, amount) }))
	_, err := aio.Shield(ctx, booking).Await(ctx)
	for !booking.Done() { // the caller was cancelled, perhaps not for the last time
		_, _ = aio.Shield(ctx, booking).Await(ctx)
	}
	if aio.IsCancellation(err) {
		_ = booking.Exception() // the caller no longer waits for the error
	}
	return err
}
