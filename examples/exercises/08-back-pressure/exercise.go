//go:build !solution

package exercise

import (
	"context"
	"errors"
	"io"

	"github.com/goaio/aio"
)

// Work calls do for each job that next returns until io.EOF, with up to workers calls at
// the same time.
func Work(ctx context.Context, workers int, next func(ctx context.Context) (int, error), do func(ctx context.Context, job int) error) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for {
			// TODO: nothing limits this loop.
			job, err := next(ctx)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			tg.Go(func(ctx context.Context) error { return do(ctx, job) })
		}
	})
}
