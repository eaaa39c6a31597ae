package course

import (
	"context"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// cakes lets a baker bake three cakes and a guest eat them.
func cakes(ctx context.Context, s *play.Scene, limit int) error {
	shelf := aio.NewQueue[int](limit)
	s.Show("shelf", shelf)
	baker := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		for cake := 1; cake <= 3; cake++ {
			if err := shelf.Put(ctx, cake); err != nil { // may wait
				return err
			}
			s.Log("baked-%d", cake)
		}
		return nil
	}), aio.WithName("baker"))
	guest := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		for range 3 {
			cake, err := shelf.Get(ctx) // suspends while the shelf is empty
			if err != nil {
				return err
			}
			s.Log("ate-%d", cake)
		}
		return nil
	}), aio.WithName("guest"))
	_, err := aio.Gather(ctx, baker, guest).Await(ctx)
	return err
}

func bakery(ctx context.Context, s *play.Scene) error { return cakes(ctx, s, 1) }

func flood(ctx context.Context, s *play.Scene) error { return cakes(ctx, s, 0) }
