package course

import (
	"context"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// beside lets one task print three times while another task computes.
func beside(ctx context.Context, s *play.Scene, compute func(ctx context.Context) error) error {
	work := aio.CreateTask(ctx, aio.NoResult(compute), aio.WithName("compute"))
	print := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		for range 3 {
			s.Log("tick")
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		return nil
	}), aio.WithName("print"))
	_, err := aio.Gather(ctx, work, print).Await(ctx)
	return err
}

func hog(ctx context.Context, s *play.Scene) error {
	return beside(ctx, s, func(context.Context) error {
		sum := 0
		for i := range 3000 { // no await
			sum += i
		}
		s.Log("sum")
		return nil
	})
}

func shared(ctx context.Context, s *play.Scene) error {
	return beside(ctx, s, func(ctx context.Context) error {
		sum := 0
		for i := range 3000 {
			if i%1000 == 0 {
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			sum += i
		}
		s.Log("sum")
		return nil
	})
}
