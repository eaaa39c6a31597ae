//go:build solution

package exercise

import (
	"context"
	"errors"
	"time"

	"github.com/goaio/aio"
)

// Ask returns the answer of near, or that of far if near does not answer within
// patience.
func Ask(ctx context.Context, patience time.Duration, near, far func(ctx context.Context) (string, error)) (string, error) {
	answer, err := aio.WaitFor(ctx, aio.AsCoro(near), patience)
	if errors.Is(err, aio.ErrTimeout) {
		return far(ctx)
	}
	return answer, err
}
