package course

import (
	"context"
	"fmt"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// visitors lets two requests use one connection, which the first of them makes.
func visitors(ctx context.Context, s *play.Scene, connections *int, use func(ctx context.Context, who string) error) error {
	s.Show("connections made", connections)
	first := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		return use(ctx, "first")
	}), aio.WithName("first"))
	second := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		if err := s.Answer(ctx, "a request arrives"); err != nil {
			return err
		}
		return use(ctx, "second")
	}), aio.WithName("second"))
	if _, err := aio.Gather(ctx, first, second).Await(ctx); err != nil {
		return err
	}
	if *connections != 1 {
		return fmt.Errorf("%d connections were made, and one of them is lost", *connections)
	}
	return nil
}

func doubleConnect(ctx context.Context, s *play.Scene) error {
	made, connected := 0, false
	return visitors(ctx, s, &made, func(ctx context.Context, who string) error {
		if connected {
			return nil
		}
		if err := s.Answer(ctx, "the server accepts "+who); err != nil {
			return err
		}
		made++
		connected = true
		return nil
	})
}

func doubleConnectTask(ctx context.Context, s *play.Scene) error {
	made := 0
	var connecting *aio.Task[struct{}]
	return visitors(ctx, s, &made, func(ctx context.Context, who string) error {
		if connecting == nil {
			// no await between the check and this assignment
			connecting = aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				made++
				return s.Answer(ctx, "the server accepts "+who)
			}), aio.WithName("connecting"))
		}
		_, err := aio.Shield(ctx, connecting).Await(ctx)
		return err
	})
}

func doubleConnectLock(ctx context.Context, s *play.Scene) error {
	made, connected := 0, false
	var lock aio.Lock
	s.Show("lock", &lock)
	return visitors(ctx, s, &made, func(ctx context.Context, who string) error {
		return lock.With(ctx, func(ctx context.Context) error {
			if connected {
				return nil
			}
			if err := s.Answer(ctx, "the server accepts "+who); err != nil {
				return err
			}
			made++
			connected = true
			return nil
		})
	})
}

func doubleConnectOutside(ctx context.Context, s *play.Scene) error {
	made, connected := 0, false
	var lock aio.Lock
	s.Show("lock", &lock)
	return visitors(ctx, s, &made, func(ctx context.Context, who string) error {
		if connected {
			return nil
		}
		return lock.With(ctx, func(ctx context.Context) error {
			if err := s.Answer(ctx, "the server accepts "+who); err != nil {
				return err
			}
			made++
			connected = true
			return nil
		})
	})
}
