package course

import (
	"context"
	"errors"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// pool lets a visitor that may be cancelled, and then another one, use a pool with a
// single connection.
func pool(ctx context.Context, s *play.Scene, use func(ctx context.Context, permits *aio.Semaphore, who string) error) error {
	permits := aio.NewSemaphore(1)
	s.Show("pool", permits)
	first := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		return use(ctx, permits, "first")
	}), aio.WithName("first"))
	s.After(ctx, 5, "the first client disconnects", func() { first.Cancel() })
	if err := ended(ctx, first); err != nil {
		return err
	}
	return use(ctx, permits, "second")
}

func permitLost(ctx context.Context, s *play.Scene) error {
	return pool(ctx, s, func(ctx context.Context, permits *aio.Semaphore, who string) error {
		if err := permits.Acquire(ctx); err != nil {
			return err
		}
		if err := s.Answer(ctx, "the query of "+who); err != nil {
			return err
		}
		permits.Release()
		return nil
	})
}

func permitLostDefer(ctx context.Context, s *play.Scene) error {
	return pool(ctx, s, func(ctx context.Context, permits *aio.Semaphore, who string) error {
		if err := permits.Acquire(ctx); err != nil {
			return err
		}
		defer permits.Release()
		return s.Answer(ctx, "the query of "+who)
	})
}

func permitLostWith(ctx context.Context, s *play.Scene) error {
	return pool(ctx, s, func(ctx context.Context, permits *aio.Semaphore, who string) error {
		return permits.With(ctx, func(ctx context.Context) error {
			return s.Answer(ctx, "the query of "+who)
		})
	})
}

func permitLostCleanUp(ctx context.Context, s *play.Scene) error {
	return pool(ctx, s, func(ctx context.Context, permits *aio.Semaphore, who string) error {
		if err := permits.Acquire(ctx); err != nil {
			return err
		}
		if err := s.Answer(ctx, "the query of "+who); err != nil {
			if errors.Is(err, context.Canceled) { // the client is gone
				permits.Release()
			}
			return err
		}
		if err := s.Answer(ctx, "the rows of "+who); err != nil {
			return err
		}
		permits.Release()
		return nil
	})
}
