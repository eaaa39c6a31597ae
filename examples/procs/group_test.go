//go:build unix

package main

import (
	"context"
	"testing"

	"github.com/goaio/aio"
)

// kill has no error to return: a cancellation that arrives in it ends the next await of
// the task, after the leader has ended.
func TestCancelledInKill(t *testing.T) {
	err := aio.Run(func(ctx context.Context) error {
		g, err := newGroup(ctx)
		if err != nil {
			return err
		}
		ended, next := false, error(nil)
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			g.kill(ctx)
			_, ended = g.leader.Returncode()
			next = aio.Sleep(ctx, 0)
			return next
		}))
		if err := aio.Sleep(ctx, 0); err != nil { // the task waits in kill
			return err
		}
		task.Cancel()
		if err := task.Join(ctx); !ended || !aio.IsCancellation(next) || !task.Cancelled() {
			t.Errorf("the leader has ended: %v; the next await returned %v, the task %v", ended, next, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
