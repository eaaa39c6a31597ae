package course

import (
	"context"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

func henAndEgg(ctx context.Context, s *play.Scene) error {
	var hen, egg *aio.Task[string]
	hen = aio.CreateTask(ctx, func(ctx context.Context) (string, error) {
		return egg.Await(ctx) // a hen comes from an egg
	}, aio.WithName("hen"))
	egg = aio.CreateTask(ctx, func(ctx context.Context) (string, error) {
		return hen.Await(ctx) // an egg comes from a hen
	}, aio.WithName("egg"))
	_, err := hen.Await(ctx)
	return err
}
