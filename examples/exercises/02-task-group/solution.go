//go:build solution

package exercise

import (
	"context"

	"github.com/goaio/aio"
)

// FetchAll calls fetch for all names concurrently, and returns the texts in the order of
// the names. If one fails, it cancels the others, and returns the error after they have
// ended.
func FetchAll(ctx context.Context, names []string, fetch func(ctx context.Context, name string) (string, error)) ([]string, error) {
	texts := make([]string, len(names))
	err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for i, name := range names {
			tg.Go(func(ctx context.Context) (err error) {
				texts[i], err = fetch(ctx, name)
				return err
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return texts, nil
}
