package course

import (
	"context"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// kitchen lets two cooks work, each with a knife and a board.
func kitchen(ctx context.Context, s *play.Scene, fish, bread func(ctx context.Context, knife, board *aio.Lock) error) error {
	var knife, board aio.Lock
	s.Show("knife", &knife)
	s.Show("board", &board)
	one := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		return fish(ctx, &knife, &board)
	}), aio.WithName("fish cook"))
	two := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		for _, what := range []string{"an apron", "flour"} {
			if err := s.Answer(ctx, "the baker finds "+what); err != nil {
				return err
			}
		}
		return bread(ctx, &knife, &board)
	}), aio.WithName("baker"))
	_, err := aio.Gather(ctx, one, two).Await(ctx)
	return err
}

// both takes two locks, with a wait in between.
func both(ctx context.Context, s *play.Scene, first, second *aio.Lock, who string) error {
	return first.With(ctx, func(ctx context.Context) error {
		if err := s.Answer(ctx, who+" looks around"); err != nil {
			return err
		}
		return second.With(ctx, func(context.Context) error { return nil })
	})
}

func lockOrder(ctx context.Context, s *play.Scene) error {
	return kitchen(ctx, s,
		func(ctx context.Context, knife, board *aio.Lock) error {
			return both(ctx, s, knife, board, "fish cook")
		},
		func(ctx context.Context, knife, board *aio.Lock) error {
			return both(ctx, s, board, knife, "baker")
		})
}

func lockOrderSame(ctx context.Context, s *play.Scene) error {
	return kitchen(ctx, s,
		func(ctx context.Context, knife, board *aio.Lock) error {
			return both(ctx, s, knife, board, "fish cook")
		},
		func(ctx context.Context, knife, board *aio.Lock) error {
			return both(ctx, s, knife, board, "baker")
		})
}

func lockOrderYield(ctx context.Context, s *play.Scene) error {
	return kitchen(ctx, s,
		func(ctx context.Context, knife, board *aio.Lock) error {
			return both(ctx, s, knife, board, "fish cook")
		},
		func(ctx context.Context, knife, board *aio.Lock) error {
			if err := aio.Sleep(ctx, 0); err != nil { // after you
				return err
			}
			return both(ctx, s, board, knife, "baker")
		})
}

func lockOrderPolite(ctx context.Context, s *play.Scene) error {
	return kitchen(ctx, s,
		func(ctx context.Context, knife, board *aio.Lock) error {
			return both(ctx, s, knife, board, "fish cook")
		},
		func(ctx context.Context, knife, board *aio.Lock) error {
			if knife.Locked() { // let the other cook work
				if err := s.Answer(ctx, "the baker waits"); err != nil {
					return err
				}
			}
			return both(ctx, s, board, knife, "baker")
		})
}
