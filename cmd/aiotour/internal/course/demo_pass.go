package course

import (
	"context"
	"fmt"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

func passes(ctx context.Context, s *play.Scene) error {
	aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
		s.Log("child")
		return nil
	}), aio.WithName("child"))
	s.Log("made") // the child is in the ready queue, and has not run yet
	if err := aio.Sleep(ctx, 0); err != nil {
		return err
	}
	s.Log("after")
	return nil
}

func timers(ctx context.Context, s *play.Scene) error {
	return aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
		for _, d := range []time.Duration{3 * time.Second, 1 * time.Second, 2 * time.Second} {
			tg.Go(func(ctx context.Context) error {
				if err := aio.Sleep(ctx, d); err != nil {
					return err
				}
				s.Log("%v", d)
				return nil
			}, aio.WithName(fmt.Sprint("sleeper ", d)))
		}
		return nil
	})
}
