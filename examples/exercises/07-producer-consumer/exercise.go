//go:build !solution

package exercise

import (
	"context"
	"errors"
	"io"

	"github.com/goaio/aio"
)

// Copy stores the lines that read returns until io.EOF, while it reads the next ones.
func Copy(ctx context.Context, read func(ctx context.Context) (string, error), store func(ctx context.Context, line string) error) error {
	lines := aio.NewQueue[string](4)
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(func(ctx context.Context) error {
			for {
				line, err := read(ctx)
				if errors.Is(err, io.EOF) {
					// TODO: how does the consumer learn of it?
					return nil
				}
				if err != nil {
					return err
				}
				if err := lines.Put(ctx, line); err != nil {
					return err
				}
			}
		}, aio.WithName("producer"))
		tg.Go(func(ctx context.Context) error {
			for {
				line, err := lines.Get(ctx)
				if err != nil {
					return err
				}
				if err := store(ctx, line); err != nil {
					return err
				}
			}
		}, aio.WithName("consumer"))
		return nil
	})
}
