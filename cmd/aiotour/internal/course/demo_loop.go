package course

import (
	"context"
	"errors"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

func sameProgram(ctx context.Context, s *play.Scene) error {
	var lock aio.Lock
	s.Show("lock", &lock)
	work := func(name string) aio.Coro[struct{}] {
		return aio.NoResult(func(ctx context.Context) error {
			if err := lock.Acquire(ctx); err != nil {
				s.Log("%s %v", name, err)
				return err
			}
			defer lock.Release()
			s.Log("%s has the lock", name)
			return aio.Sleep(ctx, time.Hour)
		})
	}
	aio.CreateTask(ctx, work("a"), aio.WithName("a"))
	b := aio.CreateTask(ctx, work("b"), aio.WithName("b"))
	c := aio.CreateTask(ctx, work("c"), aio.WithName("c"))
	if err := aio.Sleep(ctx, time.Minute); err != nil {
		return err
	}
	b.Cancel()
	if _, err := b.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
		return err
	}
	_, err := c.Await(ctx)
	s.Log("c is done")
	return err
}
