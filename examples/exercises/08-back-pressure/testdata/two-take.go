// Fails: TestSlowSource, two tasks call next at the same time.

package exercise

import (
	"context"
	"errors"
	"io"

	"github.com/goaio/aio"
)

func Work(ctx context.Context, workers int, next func(ctx context.Context) (int, error), do func(ctx context.Context, job int) error) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for range workers {
			tg.Go(func(ctx context.Context) error {
				for {
					job, err := next(ctx)
					if errors.Is(err, io.EOF) {
						return nil
					}
					if err != nil {
						return err
					}
					if err := do(ctx, job); err != nil {
						return err
					}
				}
			})
		}
		return nil
	})
}
