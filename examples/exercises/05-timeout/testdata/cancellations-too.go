// Fails: TestCallersTimeout, the caller has half a second.

package exercise

import (
	"context"
	"errors"
	"time"

	"github.com/goaio/aio"
)

func Ask(ctx context.Context, patience time.Duration, near, far func(ctx context.Context) (string, error)) (string, error) {
	answer, err := aio.WaitFor(ctx, aio.AsCoro(near), patience)
	if errors.Is(err, aio.ErrTimeout) || errors.Is(err, aio.ErrCancelled) {
		return far(ctx)
	}
	return answer, err
}
