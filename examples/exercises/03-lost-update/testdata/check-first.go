// Fails: TestNeverNegative, withdrawals of 80 and 70 from 100.

package exercise

import "context"

func (a *Account) Withdraw(ctx context.Context, amount int) error {
	if a.Balance < amount {
		return ErrFunds
	}
	if err := a.Audit(ctx, amount); err != nil {
		return err
	}
	a.Balance -= amount
	return nil
}
