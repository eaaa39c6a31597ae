// Cancelling a task cancels the operation that it waits for, even one that must not stop
// half-way.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

// ledger has two sides, which must be equal.
type ledger struct{ debit, credit int }

// book writes both sides, with an await in between.
func (l *ledger) book(ctx context.Context) (string, error) {
	l.debit++
	if err := aio.Sleep(ctx, 10*time.Millisecond); err != nil {
		return "", err
	}
	l.credit++
	return "booked", nil
}

// broken is cancelled half-way when its caller times out.
func (l *ledger) broken(ctx context.Context) error {
	_, err := aio.WaitFor(ctx, aio.Coro[string](l.book), time.Millisecond)
	return err
}

// fixed stops only the wait at the timeout. The task continues, and is awaited before the
// ledger is used.
func (l *ledger) fixed(ctx context.Context) error {
	booking := aio.CreateTask(ctx, l.book)
	_, err := aio.WaitFor(ctx, aio.Shield(ctx, booking), time.Millisecond)
	if errors.Is(err, aio.ErrTimeout) {
		fmt.Println("the client is told to be patient")
		_, err = booking.Await(ctx)
	}
	return err
}

func main() {
	for _, work := range []func(*ledger, context.Context) error{(*ledger).broken, (*ledger).fixed} {
		runner := aio.Runner{Options: &aio.LoopOptions{VirtualClock: true}}
		var l ledger
		err := runner.Run(func(ctx context.Context) error { return work(&l, ctx) })
		fmt.Printf("debit %d, credit %d, error: %v\n", l.debit, l.credit, err)
		runner.Close()
	}
	// Output:
	// debit 1, credit 0, error: aio: timed out
	// the client is told to be patient
	// debit 1, credit 1, error: <nil>
}
