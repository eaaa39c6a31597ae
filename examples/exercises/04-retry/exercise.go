//go:build !solution

package exercise

import (
	"context"
	"time"

	"github.com/goaio/aio"
)

// Retry calls f until it succeeds, at most five times, with pauses of 1, 2, 4 and 8
// seconds. A cancellation ends it.
func Retry(ctx context.Context, f func(ctx context.Context) error) error {
	// TODO: two kinds of errors must not be retried or dropped. Which?
	pause := time.Second
	for try := 1; ; try++ {
		err := f(ctx)
		if err == nil || try == 5 {
			return err
		}
		_ = aio.Sleep(ctx, pause)
		pause *= 2
	}
}
