package course

import (
	"context"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// mail lets a postman bring a letter, and a reader wait for it.
func mail(ctx context.Context, s *play.Scene, bring, wait func(ctx context.Context) error) error {
	postman := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		for _, where := range []string{"the street", "the house"} {
			if err := s.Answer(ctx, "the postman finds "+where); err != nil {
				return err
			}
		}
		return bring(ctx)
	}), aio.WithName("postman"))
	reader := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		if err := s.Answer(ctx, "the reader wakes up"); err != nil {
			return err
		}
		return wait(ctx)
	}), aio.WithName("reader"))
	_, err := aio.Gather(ctx, postman, reader).Await(ctx)
	return err
}

func lostNotify(ctx context.Context, s *play.Scene) error {
	var bell aio.Condition
	letter := false
	s.Show("letter", &letter)
	return mail(ctx, s,
		func(ctx context.Context) error {
			return bell.With(ctx, func(context.Context) error {
				letter = true
				bell.NotifyAll()
				return nil
			})
		},
		func(ctx context.Context) error { return bell.With(ctx, bell.Wait) })
}

func lostNotifyPredicate(ctx context.Context, s *play.Scene) error {
	var bell aio.Condition
	letter := false
	s.Show("letter", &letter)
	return mail(ctx, s,
		func(ctx context.Context) error {
			return bell.With(ctx, func(context.Context) error {
				letter = true
				bell.NotifyAll()
				return nil
			})
		},
		func(ctx context.Context) error {
			return bell.With(ctx, func(ctx context.Context) error {
				return bell.WaitFor(ctx, func() bool { return letter })
			})
		})
}

func lostNotifyEvent(ctx context.Context, s *play.Scene) error {
	var letter aio.Event
	s.Show("letter", &letter)
	return mail(ctx, s,
		func(context.Context) error {
			letter.Set()
			return nil
		},
		letter.Wait)
}

func lostNotifyTwice(ctx context.Context, s *play.Scene) error {
	var bell aio.Condition
	letter := false
	s.Show("letter", &letter)
	return mail(ctx, s,
		func(ctx context.Context) error {
			letter = true
			for range 2 { // ring twice
				err := bell.With(ctx, func(context.Context) error {
					bell.NotifyAll()
					return nil
				})
				if err == nil {
					err = s.Answer(ctx, "the postman rings")
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
		func(ctx context.Context) error { return bell.With(ctx, bell.Wait) })
}
