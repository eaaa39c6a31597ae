// Package exercise is about state that is used before and after an await.
package exercise

import (
	"context"
	"errors"

	"github.com/goaio/aio"
)

// Account is a bank account.
type Account struct {
	Balance int
	Lock    aio.Lock // for solutions that need it
	// Audit asks another service whether a withdrawal is allowed. It awaits.
	Audit func(ctx context.Context, amount int) error
}

// ErrFunds says that the account has too little money.
var ErrFunds = errors.New("insufficient funds")
