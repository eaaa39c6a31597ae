// Fails: TestAfterAFailedAudit, none is left that could wake them.

package exercise

import "context"

func (a *Account) Withdraw(ctx context.Context, amount int) error {
	if err := a.Lock.Acquire(ctx); err != nil {
		return err
	}
	if a.Balance < amount {
		a.Lock.Release()
		return ErrFunds
	}
	if err := a.Audit(ctx, amount); err != nil {
		return err
	}
	a.Balance -= amount
	a.Lock.Release()
	return nil
}
