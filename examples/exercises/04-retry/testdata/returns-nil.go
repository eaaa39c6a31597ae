// Fails: TestCancelledEverywhere, was lost.

package exercise

import (
	"context"
	"time"

	"github.com/goaio/aio"
)

func Retry(ctx context.Context, f func(ctx context.Context) error) error {
	pause := time.Second
	for try := 1; ; try++ {
		err := f(ctx)
		if err == nil || try == 5 {
			return err
		}
		if aio.IsCancellation(err) || aio.Sleep(ctx, pause) != nil {
			return nil
		}
		pause *= 2
	}
}
