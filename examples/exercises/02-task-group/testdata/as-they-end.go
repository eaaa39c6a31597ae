// Fails: TestConcurrentAndInOrder, the texts are.

package exercise

import (
	"context"

	"github.com/goaio/aio"
)

func FetchAll(ctx context.Context, names []string, fetch func(ctx context.Context, name string) (string, error)) (texts []string, err error) {
	err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for _, name := range names {
			tg.Go(func(ctx context.Context) error {
				text, err := fetch(ctx, name)
				texts = append(texts, text)
				return err
			})
		}
		return nil
	})
	return texts, err
}
