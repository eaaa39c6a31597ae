// Fails: TestCancelledEverywhere, account 1 has 70, want 100.

package exercise

import "context"

func Transfer(ctx context.Context, from, to *Account, amount int, record func(ctx context.Context) error) error {
	first, second := from, to
	if first.Number > second.Number {
		first, second = second, first
	}
	if err := first.Open(ctx); err != nil {
		return err
	}
	defer first.Close()
	if first == second {
		return record(ctx)
	}
	if err := second.Open(ctx); err != nil {
		return err
	}
	defer second.Close()
	if from.Balance < amount {
		return ErrFunds
	}
	from.Balance -= amount
	if err := record(ctx); err != nil {
		return err
	}
	to.Balance += amount
	return nil
}
