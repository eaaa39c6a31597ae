// Fails: TestLimit, up to 1 at the same time.

package exercise

import (
	"context"
	"errors"
	"io"
)

func Work(ctx context.Context, workers int, next func(ctx context.Context) (int, error), do func(ctx context.Context, job int) error) error {
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
}
