// Fails: TestOneFails, fetches still run after FetchAll has returned.

package exercise

import (
	"context"

	"github.com/goaio/aio"
)

func FetchAll(ctx context.Context, names []string, fetch func(ctx context.Context, name string) (string, error)) ([]string, error) {
	var all []aio.Awaitable[string]
	for _, name := range names {
		all = append(all, aio.AsCoro(func(ctx context.Context) (string, error) { return fetch(ctx, name) }))
	}
	return aio.Gather(ctx, all...).Await(ctx)
}
