// Fails: TestOtherErrors, the near server refused at once.

package exercise

import (
	"context"
	"time"

	"github.com/goaio/aio"
)

func Ask(ctx context.Context, patience time.Duration, near, far func(ctx context.Context) (string, error)) (string, error) {
	answer, err := aio.WaitFor(ctx, aio.AsCoro(near), patience)
	if err != nil {
		return far(ctx)
	}
	return answer, nil
}
