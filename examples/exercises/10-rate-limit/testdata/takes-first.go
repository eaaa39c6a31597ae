// Fails: TestCancelledWaiter, the turns are ["after 2s"], want ["after 1s"].

package exercise

import (
	"context"

	"github.com/goaio/aio"
)

func (l *Limiter) Wait(ctx context.Context) error {
	t, err := now(ctx)
	if err != nil {
		return err
	}
	if l.next.Before(t) {
		l.next = t
	}
	wait := l.next.Sub(t)
	l.next = l.next.Add(l.Interval)
	return aio.Sleep(ctx, wait)
}
