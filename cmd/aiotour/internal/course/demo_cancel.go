package course

import (
	"context"
	"errors"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

func cancels(ctx context.Context, s *play.Scene) error {
	watch := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		err := s.Answer(ctx, "a visitor rings")
		if errors.Is(err, aio.ErrCancelled) {
			// cleaning up may await too
			if err := s.Answer(ctx, "the camera is off"); err != nil {
				return err
			}
			s.Log("cleaned")
		}
		return err
	}), aio.WithName("watch"))
	if err := aio.Sleep(ctx, 0); err != nil { // let watch begin
		return err
	}
	watch.Cancel() // only a request
	s.Log("cancelled")
	_, err := watch.Await(ctx)
	s.Log("end")
	if !errors.Is(err, aio.ErrCancelled) {
		return errors.New("the visitor came first")
	}
	return nil
}

func timeout(ctx context.Context, s *play.Scene) error {
	err := aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
		return aio.Sleep(ctx, time.Hour)
	})
	s.Log("%v", err)
	if errors.Is(err, aio.ErrTimeout) {
		return nil
	}
	return err
}
