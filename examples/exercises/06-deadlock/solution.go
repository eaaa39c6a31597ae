//go:build solution

package exercise

import "context"

// Transfer moves amount, and calls record while both accounts are open. All transfers
// open the account with the lower number first, so two tasks never wait for each
// other's accounts.
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
	if err := record(ctx); err != nil {
		return err
	}
	from.Balance -= amount
	to.Balance += amount
	return nil
}
