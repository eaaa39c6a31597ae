// Fails: TestCancelledEverywhere, the error of the await was lost.

package exercise

import (
	"context"

	"github.com/goaio/aio"
)

func Pay(ctx context.Context, l *Ledger, amount int) error {
	booking := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return l.Book(ctx, amount) }))
	for !booking.Done() {
		_, _ = aio.Shield(ctx, booking).Await(ctx)
	}
	_, err := booking.Result()
	return err
}
