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
		if err == nil || try == 5 || aio.IsCancellation(err) {
			return err
		}
		_ = aio.Sleep(ctx, pause)
		pause *= 2
	}
}
