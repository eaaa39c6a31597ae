//go:build !solution

package exercise

import (
	"context"

	"github.com/goaio/aio"
)

// Wait waits for the next turn.
func (l *Limiter) Wait(ctx context.Context) error {
	// TODO: it works for one task. What if three tasks wait?
	t, err := now(ctx)
	if err != nil {
		return err
	}
	if err := aio.Sleep(ctx, max(l.next.Sub(t), 0)); err != nil {
		return err
	}
	if t, err = now(ctx); err != nil {
		return err
	}
	l.next = t.Add(l.Interval)
	return nil
}
