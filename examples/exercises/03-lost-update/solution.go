//go:build solution

package exercise

import "context"

// Withdraw takes amount from the account if the audit allows it. There is no await
// between the check of the balance and its change.
func (a *Account) Withdraw(ctx context.Context, amount int) error {
	if err := a.Audit(ctx, amount); err != nil {
		return err
	}
	if a.Balance < amount {
		return ErrFunds
	}
	a.Balance -= amount
	return nil
}
