//go:build solution

package exercise

import (
	"context"
	"time"

	"github.com/goaio/aio"
)

// Serve handles requests until stop is set, and then gives the handlers that run the time
// grace to end. The deadline of the scope is set only then.
func Serve(ctx context.Context, requests *aio.Queue[int], stop *aio.Event, grace time.Duration, handle func(ctx context.Context, request int) error) error {
	var scope aio.CancelScope
	return scope.Run(ctx, func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			take := tg.Go(func(ctx context.Context) error {
				for {
					request, err := requests.Get(ctx)
					if err != nil {
						return err
					}
					tg.Go(func(ctx context.Context) error { return handle(ctx, request) })
				}
			})
			if err := stop.Wait(ctx); err != nil {
				return err
			}
			take.Cancel()
			scope.SetTimeout(grace)
			return nil
		})
	})
}
