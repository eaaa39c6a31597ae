// Fails: TestWaits, took 0s of the loop's time.

package exercise

import (
	"context"
	"time"
)

func Boil(ctx context.Context, drink string, minutes int) (string, error) {
	time.Sleep(time.Duration(minutes) * time.Millisecond)
	return drink, ctx.Err()
}
