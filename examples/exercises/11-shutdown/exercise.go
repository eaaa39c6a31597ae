//go:build !solution

package exercise

import (
	"context"
	"time"

	"github.com/goaio/aio"
)

// Serve handles requests until stop is set, and then gives the handlers that run the time
// grace to end.
func Serve(ctx context.Context, requests *aio.Queue[int], stop *aio.Event, grace time.Duration, handle func(ctx context.Context, request int) error) error {
	// TODO: stop has to end the loop, and the handlers only after grace.
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for !stop.IsSet() {
			request, err := requests.Get(ctx)
			if err != nil {
				return err
			}
			tg.Go(func(ctx context.Context) error { return handle(ctx, request) })
		}
		return nil
	})
}
