//go:build solution

package exercise

import (
	"context"

	"github.com/goaio/aio"
)

// Wait waits for the next turn. The lock is first come, first served, and admits one task
// to the sleep before its turn. A task that is cancelled there has changed nothing.
func (l *Limiter) Wait(ctx context.Context) error {
	if err := l.lock.Acquire(ctx); err != nil {
		return err
	}
	defer l.lock.Release()
	t, err := now(ctx)
	if err != nil {
		return err
	}
	if wait := l.next.Sub(t); wait > 0 {
		if err := aio.Sleep(ctx, wait); err != nil {
			return err
		}
		t = l.next
	}
	l.next = t.Add(l.Interval)
	return nil
}
