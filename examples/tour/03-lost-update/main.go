// Two concurrent withdrawals from one account. One awaits between reading the balance
// and writing it, and during the await the other one reads the same balance.
package main

import (
	"context"
	"fmt"

	"github.com/goaio/aio"
)

// account needs no mutex: tasks of one loop never run at the same time.
type account struct {
	balance int
	lock    aio.Lock
}

// audit represents a call to another service.
func audit(ctx context.Context) error { return aio.Sleep(ctx, 0) }

// broken writes a balance computed from a stale one.
func (a *account) broken(ctx context.Context, amount int) error {
	before := a.balance
	fmt.Println("read", before)
	if err := audit(ctx); err != nil { // the other task runs here
		return err
	}
	a.balance = before - amount
	fmt.Println("wrote", a.balance)
	return nil
}

// fixed awaits first. Reading and writing follow without an await between them, so they
// are atomic.
func (a *account) fixed(ctx context.Context, amount int) error {
	if err := audit(ctx); err != nil {
		return err
	}
	a.balance -= amount
	fmt.Println("wrote", a.balance)
	return nil
}

// locked keeps the await in the middle. The lock admits one withdrawal at a time.
func (a *account) locked(ctx context.Context, amount int) error {
	return a.lock.With(ctx, func(ctx context.Context) error { return a.broken(ctx, amount) })
}

func main() {
	for _, v := range []struct {
		name     string
		withdraw func(a *account, ctx context.Context, amount int) error
	}{{"broken", (*account).broken}, {"fixed", (*account).fixed}, {"locked", (*account).locked}} {
		a := &account{balance: 100}
		err := aio.Run(func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				for range 2 {
					tg.Go(func(ctx context.Context) error { return v.withdraw(a, ctx, 30) })
				}
				return nil
			})
		})
		fmt.Printf("%s: %d left, error: %v\n", v.name, a.balance, err)
	}
	// Output:
	// read 100
	// read 100
	// wrote 70
	// wrote 70
	// broken: 70 left, error: <nil>
	// wrote 70
	// wrote 40
	// fixed: 40 left, error: <nil>
	// read 100
	// wrote 70
	// read 70
	// wrote 40
	// locked: 40 left, error: <nil>
}
