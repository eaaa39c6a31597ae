package course

import (
	"context"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

func byHand(ctx context.Context, s *play.Scene) error {
	cup := aio.CreateFuture[string](ctx)
	guest := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		s.Log("waits")
		drink, err := cup.Await(ctx)
		s.Log("drinks-%s", drink)
		return err
	}), aio.WithName("guest"))
	if err := s.Answer(ctx, "the kettle whistles"); err != nil {
		return err
	}
	if err := cup.SetResult("tea"); err != nil { // wakes the guest
		return err
	}
	s.Log("poured")
	_, err := guest.Await(ctx)
	return err
}

func sleepByHand(ctx context.Context, s *play.Scene) error {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return err
	}
	hour := aio.CreateFuture[string](ctx)
	loop.CallLater(time.Hour, func() {
		// cannot fail: nothing cancels hour here
		_ = hour.SetResult("it is one o'clock")
	})
	text, err := hour.Await(ctx)
	s.Log("%s", text)
	return err
}
