// A request that is given up takes with it what it waits for, also what must not be stopped half-way.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

// ledger has two sides, which have to be the same.
type ledger struct{ debit, credit int }

// book writes both sides. Between the two it waits.
func (l *ledger) book(ctx context.Context) (string, error) {
	l.debit++
	if err := aio.Sleep(ctx, 10*time.Millisecond); err != nil {
		return "", err
	}
	l.credit++
	return "booked", nil
}

// broken gives up in the middle when the one who waits does.
func (l *ledger) broken(ctx context.Context) error {
	_, err := aio.WaitFor(ctx, aio.Coro[string](l.book), time.Millisecond)
	return err
}

// fixed gives up the waiting alone. The task goes on, and is waited for before the ledger is used.
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
