package course

import (
	"context"
	"fmt"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

type account struct {
	balance int
	lock    aio.Lock
}

// bank lets Ann and Bob withdraw 30 each from an account with 100.
func bank(ctx context.Context, s *play.Scene, a *account, withdraw func(ctx context.Context, who string) error) error {
	a.balance = 100
	s.Show("balance", &a.balance)
	ann := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		return withdraw(ctx, "Ann")
	}), aio.WithName("Ann"))
	bob := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		if err := s.Answer(ctx, "Bob finds the bank"); err != nil {
			return err
		}
		return withdraw(ctx, "Bob")
	}), aio.WithName("Bob"))
	if _, err := aio.Gather(ctx, ann, bob).Await(ctx); err != nil {
		return err
	}
	if a.balance != 40 {
		return fmt.Errorf("the balance is %d after two withdrawals of 30 from 100", a.balance)
	}
	return nil
}

func lostUpdate(ctx context.Context, s *play.Scene) error {
	var a account
	return bank(ctx, s, &a, func(ctx context.Context, who string) error {
		before := a.balance
		if err := s.Answer(ctx, "the audit of "+who); err != nil {
			return err
		}
		a.balance = before - 30
		return nil
	})
}

func lostUpdateLock(ctx context.Context, s *play.Scene) error {
	var a account
	s.Show("lock", &a.lock)
	return bank(ctx, s, &a, func(ctx context.Context, who string) error {
		return a.lock.With(ctx, func(ctx context.Context) error {
			before := a.balance
			if err := s.Answer(ctx, "the audit of "+who); err != nil {
				return err
			}
			a.balance = before - 30
			return nil
		})
	})
}

func lostUpdateLate(ctx context.Context, s *play.Scene) error {
	var a account
	return bank(ctx, s, &a, func(ctx context.Context, who string) error {
		if err := s.Answer(ctx, "the audit of "+who); err != nil {
			return err
		}
		before := a.balance
		a.balance = before - 30
		return nil
	})
}

func lostUpdateYield(ctx context.Context, s *play.Scene) error {
	var a account
	return bank(ctx, s, &a, func(ctx context.Context, who string) error {
		if err := aio.Sleep(ctx, 0); err != nil { // let the others finish first
			return err
		}
		before := a.balance
		if err := s.Answer(ctx, "the audit of "+who); err != nil {
			return err
		}
		a.balance = before - 30
		return nil
	})
}
