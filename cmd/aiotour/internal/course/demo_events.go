package course

import (
	"context"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

func doors(ctx context.Context, s *play.Scene) error {
	door := &aio.Event{}           // shut at first
	counter := aio.NewSemaphore(2) // two places
	s.Show("door", door)
	s.Show("counter", counter)
	customer := func(name string) aio.Coro[struct{}] {
		return aio.NoResult(func(ctx context.Context) error {
			if err := door.Wait(ctx); err != nil {
				return err
			}
			return counter.With(ctx, func(ctx context.Context) error {
				s.Log("%s", name)
				return s.Answer(ctx, "the bill of "+name)
			})
		})
	}
	ann := aio.CreateTask(ctx, customer("Ann"), aio.WithName("Ann"))
	ben := aio.CreateTask(ctx, customer("Ben"), aio.WithName("Ben"))
	cid := aio.CreateTask(ctx, customer("Cid"), aio.WithName("Cid"))
	if err := aio.Sleep(ctx, 0); err != nil {
		return err
	}
	s.Log("open")
	door.Set()
	_, err := aio.Gather(ctx, ann, ben, cid).Await(ctx)
	return err
}

func boss(ctx context.Context, s *play.Scene) error {
	var changed aio.Condition // protects served
	served := 0
	s.Show("served", &served)
	boss := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		return changed.With(ctx, func(ctx context.Context) error {
			err := changed.WaitFor(ctx, func() bool {
				s.Log("is-it-%d?", served)
				return served == 2
			})
			s.Log("closed")
			return err
		})
	}), aio.WithName("boss"))
	for range 2 {
		if err := s.Answer(ctx, "a customer leaves"); err != nil {
			return err
		}
		err := changed.With(ctx, func(context.Context) error {
			served++
			changed.NotifyAll()
			return nil
		})
		if err != nil {
			return err
		}
	}
	_, err := boss.Await(ctx)
	return err
}
