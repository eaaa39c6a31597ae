// Fails: TestCanBeCancelled, the error of the await was lost.

package exercise

import (
	"context"
	"time"

	"github.com/goaio/aio"
)

func Boil(ctx context.Context, drink string, minutes int) (string, error) {
	_ = aio.Sleep(ctx, time.Duration(minutes)*time.Minute)
	return drink, nil
}
