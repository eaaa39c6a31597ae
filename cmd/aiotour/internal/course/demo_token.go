package course

import (
	"context"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

func hello(ctx context.Context, s *play.Scene) error {
	cups := 0
	s.Show("cups", &cups)
	brew := func(ctx context.Context) (string, error) {
		if err := s.Answer(ctx, "the water boils"); err != nil {
			return "", err
		}
		cups++
		return "tea", nil
	}
	task := aio.CreateTask(ctx, brew, aio.WithName("brew"))
	tea, err := task.Await(ctx)
	s.Log("a cup of %s", tea)
	return err
}

func turns(ctx context.Context, s *play.Scene) error {
	count := func(name string) aio.Coro[struct{}] {
		return aio.NoResult(func(ctx context.Context) error {
			for i := 1; i <= 3; i++ {
				s.Log("%s%d", name, i)
				if err := aio.Sleep(ctx, 0); err != nil { // an await
					return err
				}
			}
			return nil
		})
	}
	a := aio.CreateTask(ctx, count("A"), aio.WithName("A"))
	b := aio.CreateTask(ctx, count("B"), aio.WithName("B"))
	_, err := aio.Gather(ctx, a, b).Await(ctx)
	return err
}
