// Fails: TestThereAndBack, an account is not open.

package exercise

import "context"

func Transfer(ctx context.Context, from, to *Account, amount int, record func(ctx context.Context) error) error {
	if err := from.Open(ctx); err != nil {
		return err
	}
	defer from.Close()
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
