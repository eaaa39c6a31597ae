package course

import (
	"context"
	"errors"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// twoAdds lets two tasks add one to a number. B first awaits two answers.
func twoAdds(ctx context.Context, s *play.Scene, add func(ctx context.Context, n *int) error) error {
	n := 0
	s.Show("n", &n)
	task := func(name string, connects int) aio.Coro[struct{}] {
		return aio.NoResult(func(ctx context.Context) error {
			for range connects {
				if err := s.Answer(ctx, name+" is on its way"); err != nil {
					return err
				}
			}
			return add(ctx, &n)
		})
	}
	a := aio.CreateTask(ctx, task("A", 0), aio.WithName("A"))
	b := aio.CreateTask(ctx, task("B", 2), aio.WithName("B"))
	if _, err := aio.Gather(ctx, a, b).Await(ctx); err != nil {
		return err
	}
	if n != 2 {
		return errors.New("an addition is lost")
	}
	return nil
}

func testedOnce(ctx context.Context, s *play.Scene) error {
	return twoAdds(ctx, s, func(ctx context.Context, n *int) error {
		before := *n
		if err := s.Answer(ctx, "the server confirms"); err != nil {
			return err
		}
		*n = before + 1
		return nil
	})
}

func testedLock(ctx context.Context, s *play.Scene) error {
	var lock aio.Lock
	s.Show("lock", &lock)
	return twoAdds(ctx, s, func(ctx context.Context, n *int) error {
		if err := lock.Acquire(ctx); err != nil {
			return err
		}
		before := *n
		if err := s.Answer(ctx, "the server confirms"); err != nil {
			return err // the lock is never released
		}
		*n = before + 1
		lock.Release()
		return nil
	})
}
