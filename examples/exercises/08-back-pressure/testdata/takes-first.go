// Fails: TestLimit, a job is taken while 3 run.

package exercise

import (
	"context"
	"errors"
	"io"

	"github.com/goaio/aio"
)

func Work(ctx context.Context, workers int, next func(ctx context.Context) (int, error), do func(ctx context.Context, job int) error) error {
	free := aio.NewSemaphore(workers)
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for {
			job, err := next(ctx)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			tg.Go(func(ctx context.Context) error {
				return free.With(ctx, func(ctx context.Context) error { return do(ctx, job) })
			})
		}
	})
}
