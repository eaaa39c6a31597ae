package course

import (
	"context"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// readLetter represents a call that blocks until a disk has answered.
func readLetter() (string, error) { return "hello", nil }

func thread(ctx context.Context, s *play.Scene) error {
	reader := aio.CreateTask(ctx, func(ctx context.Context) (string, error) {
		s.Log("asks")
		text, err := aio.ToThread(ctx, func(context.Context) (string, error) {
			return readLetter() // blocks a goroutine, and not the loop
		})
		s.Log("has-the-letter")
		return text, err
	}, aio.WithName("reader"))
	aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
		s.Log("works")
		return nil
	}), aio.WithName("worker"))
	text, err := reader.Await(ctx)
	s.Log("%s", text)
	return err
}
