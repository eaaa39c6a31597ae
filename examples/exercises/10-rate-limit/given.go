// Package exercise is about a limit on the rate of calls.
package exercise

import (
	"context"
	"time"

	"github.com/goaio/aio"
)

// Limiter gives turns, at most one per interval.
type Limiter struct {
	Interval time.Duration

	next time.Time // when the next turn is allowed
	lock aio.Lock  // for solutions that need it
}

// now returns the time of the loop.
func now(ctx context.Context) (time.Time, error) {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return loop.Time(), nil
}
