package course

import (
	"context"
	"errors"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// store lets a client save a value. Its deadline may cancel the write at any time.
func store(ctx context.Context, s *play.Scene, save func(ctx context.Context, write func(ctx context.Context) error, confirm func()) error) error {
	confirmed, disk := false, "empty"
	s.Show("confirmed", &confirmed)
	s.Show("disk", &disk)
	server := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		return save(ctx, func(ctx context.Context) error {
			if err := s.Answer(ctx, "the disk turns"); err != nil {
				return err
			}
			disk = "has the value"
			return nil
		}, func() { confirmed = true })
	}), aio.WithName("server"))
	s.After(ctx, 6, "the deadline of the client", func() { server.Cancel() })
	if err := ended(ctx, server); err != nil {
		return err
	}
	if confirmed && disk == "empty" {
		return errors.New("the client was told that the value is saved, and it is not on the disk")
	}
	return nil
}

func earlyAnswer(ctx context.Context, s *play.Scene) error {
	return store(ctx, s, func(ctx context.Context, write func(ctx context.Context) error, confirm func()) error {
		confirm()
		return write(ctx)
	})
}

func earlyAnswerAfter(ctx context.Context, s *play.Scene) error {
	return store(ctx, s, func(ctx context.Context, write func(ctx context.Context) error, confirm func()) error {
		if err := write(ctx); err != nil {
			return err
		}
		confirm()
		return nil
	})
}

func earlyAnswerTask(ctx context.Context, s *play.Scene) error {
	return store(ctx, s, func(ctx context.Context, write func(ctx context.Context) error, confirm func()) error {
		writing := aio.CreateTask(ctx, aio.NoResult(write), aio.WithName("writing"))
		if err := aio.Sleep(ctx, 0); err != nil { // let it begin
			return err
		}
		confirm()
		_, err := writing.Await(ctx)
		return err
	})
}

func earlyAnswerDefer(ctx context.Context, s *play.Scene) error {
	return store(ctx, s, func(ctx context.Context, write func(ctx context.Context) error, confirm func()) error {
		defer confirm() // at the end
		return write(ctx)
	})
}
