// Fails: TestNoLongerThanNeeded, the last handler ended at 6s, and Serve at 15s.

package exercise

import (
	"context"
	"time"

	"github.com/goaio/aio"
)

func Serve(ctx context.Context, requests *aio.Queue[int], stop *aio.Event, grace time.Duration, handle func(ctx context.Context, request int) error) error {
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
		if err := aio.Sleep(ctx, grace); err != nil {
			return err
		}
		tg.Cancel()
		return nil
	})
}
