package course

import (
	"context"
	"errors"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

var (
	errDisk    = errors.New("the disk is full")
	errNetwork = errors.New("the network is down")
)

func groupErrors(ctx context.Context, s *play.Scene) error {
	err := aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
		tg.Go(func(ctx context.Context) error {
			err := s.Answer(ctx, "the peer has the copy")
			if aio.IsCancellation(err) {
				s.Log("send-fails")
				return errNetwork // the task fails while it cleans up
			}
			return err
		}, aio.WithName("send"))
		tg.Go(func(context.Context) error {
			s.Log("save-fails")
			return errDisk
		}, aio.WithName("save"))
		return nil
	})
	s.Log("group-fails")
	if errors.Is(err, errDisk) && errors.Is(err, errNetwork) {
		return nil // both are in the error of the group
	}
	return err
}

func gathered(ctx context.Context, s *play.Scene) error {
	send := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		err := s.Answer(ctx, "the peer has the copy")
		s.Log("sent")
		return err
	}), aio.WithName("send"))
	save := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
		return errDisk
	}), aio.WithName("save"))
	_, err := aio.Gather(ctx, send, save).Await(ctx)
	s.Log("gather-fails")
	if !errors.Is(err, errDisk) {
		return err
	}
	_, err = send.Await(ctx) // Gather has not cancelled send
	return err
}
