package course

import (
	"context"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

func awaits(ctx context.Context, s *play.Scene) error {
	s.Log("main-1")
	task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		s.Log("task-1")
		if err := s.Answer(ctx, "the answer"); err != nil {
			return err
		}
		s.Log("task-2")
		return nil
	}), aio.WithName("task"))
	s.Log("main-2")
	if err := aio.Sleep(ctx, 0); err != nil {
		return err
	}
	s.Log("main-3")
	_, err := task.Await(ctx)
	return err
}

func ready(ctx context.Context, s *play.Scene) error {
	other := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
		s.Log("other")
		return nil
	}), aio.WithName("other"))
	queue := aio.NewQueue[string](0)
	s.Show("queue", queue)
	if err := queue.PutNowait("item"); err != nil {
		return err
	}
	// the queue has an item, so Get does not suspend
	if _, err := queue.Get(ctx); err != nil {
		return err
	}
	s.Log("taken")
	_, err := other.Await(ctx)
	return err
}
