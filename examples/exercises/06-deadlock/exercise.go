//go:build !solution

package exercise

import "context"

// Transfer moves amount, and calls record while both accounts are open.
func Transfer(ctx context.Context, from, to *Account, amount int, record func(ctx context.Context) error) error {
	// TODO: which task waits for which account, and who has it?
	if err := from.Open(ctx); err != nil {
		return err
	}
	defer from.Close()
	if err := to.Open(ctx); err != nil {
		return err
	}
	defer to.Close()
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
