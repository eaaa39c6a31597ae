package course

import (
	"context"
	"fmt"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

func shutdown(ctx context.Context, s *play.Scene) error {
	handle := func(takes time.Duration) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			err := aio.Sleep(ctx, takes)
			if err != nil {
				s.Log("%v-cancelled", takes)
				return err
			}
			s.Log("%v-done", takes)
			return nil
		}
	}
	var scope aio.CancelScope
	return scope.Run(ctx, func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for _, takes := range []time.Duration{2 * time.Second, 7 * time.Second, time.Hour} {
				tg.Go(handle(takes), aio.WithName(fmt.Sprint("request ", takes)))
			}
			if err := aio.Sleep(ctx, 5*time.Second); err != nil {
				return err
			}
			s.Log("stopping")
			scope.SetTimeout(10 * time.Second)
			return nil // the group waits for its tasks
		})
	})
}
