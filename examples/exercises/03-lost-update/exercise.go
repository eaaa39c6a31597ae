//go:build !solution

package exercise

import "context"

// Withdraw takes amount from the account if the audit allows it.
func (a *Account) Withdraw(ctx context.Context, amount int) error {
	// TODO: find what is wrong with this order, and mend it.
	before := a.Balance
	if before < amount {
		return ErrFunds
	}
	if err := a.Audit(ctx, amount); err != nil {
		return err
	}
	a.Balance = before - amount
	return nil
}
