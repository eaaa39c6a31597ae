package aiokit

import (
	"context"
	"time"

	"github.com/goaio/aio"
)

// Every calls f at each multiple of interval from now, the first time after one
// interval, until f returns an error or the task is cancelled. It returns that error. A
// call that takes longer than the interval does not delay later calls: the multiples
// that it misses are skipped, as with a [time.Ticker]. Run it as a separate task:
//
//	tg.Go(func(ctx context.Context) error {
//		return aiokit.Every(ctx, time.Minute, flush)
//	})
//
// An interval that is not positive and a nil f are misuse.
func Every(ctx context.Context, interval time.Duration, f func(ctx context.Context) error) error {
	switch {
	case f == nil:
		return usagef("Every: the function is nil")
	case interval <= 0:
		return usagef("Every: an interval of %v", interval)
	}
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return err
	}
	next := loop.Time().Add(interval)
	for {
		if err := aio.Sleep(ctx, next.Sub(loop.Time())); err != nil {
			return err
		}
		if err := f(ctx); err != nil {
			return err
		}
		missed := max(0, loop.Time().Sub(next)/interval)
		next = next.Add((missed + 1) * interval)
	}
}
