package aio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// Whatever an eager child does before it suspends is done before the group has it in its
// list.
func TestTaskGroupCancelledByAnEagerChild(t *testing.T) {
	for name, end := range map[string]func(tg *aio.TaskGroup){
		"Cancel": func(tg *aio.TaskGroup) { tg.Cancel() },
		"Cancel of a grandchild": func(tg *aio.TaskGroup) {
			tg.Go(func(context.Context) error { tg.Cancel(); return nil }, aio.WithEagerStart(true))
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := inBubble(t, func(ctx context.Context) error {
				return aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
					return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
						tg.Go(func(ctx context.Context) error {
							end(tg)
							return aio.Sleep(ctx, time.Hour)
						}, aio.WithEagerStart(true))
						return nil
					})
				})
			})
			same(t, "the group", err, nil)
		})
	}
}

// cancelledGroup is cancelled by its body, and its child takes a second to clean up.
func cancelledGroup(ctx context.Context) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(func(ctx context.Context) error {
			err := aio.Sleep(ctx, time.Hour)
			return errors.Join(err, aio.Sleep(ctx, time.Second))
		})
		letPass(ctx, 1)
		tg.Cancel()
		return nil
	})
}

func TestTaskGroupThatWasCancelledPassesOnACancellation(t *testing.T) {
	err := inBubble(t, func(ctx context.Context) error {
		same(t, "Timeout", aio.Timeout(ctx, time.Second/2, cancelledGroup), aio.ErrTimeout)

		task := aio.CreateTask(ctx, aio.NoResult(cancelledGroup))
		same(t, "Sleep", aio.Sleep(ctx, time.Second/2), nil)
		task.Cancel("stop")
		_, err := task.Await(ctx)
		same(t, "Cancelled", task.Cancelled(), true)
		var c *aio.CancelledError
		if !errors.As(err, &c) || c.Message != "stop" {
			t.Errorf("the task ended with %v, want the cancellation with its message", err)
		}

		same(t, "without another cancellation", cancelledGroup(ctx), nil)
		same(t, "Cancelling", aio.CurrentTask(ctx).Cancelling(), 0)
		return nil
	})
	same(t, "Run", err, nil)
}

func TestTaskGroupWhoseBodyPanicsReportsTheErrorsOfItsTasks(t *testing.T) {
	var reports []error
	err := inBubble(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { reports = append(reports, ec.Err) })
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for _, err := range []error{errOne, errOther} {
				tg.Go(func(ctx context.Context) error {
					_ = aio.Sleep(ctx, time.Hour)
					return err
				})
			}
			letPass(ctx, 1)
			panic(errBoom)
		})
	})
	matches(t, "Run", err, errBoom)
	same(t, "reports", len(reports), 2)
	matches(t, "the first", reports[0], errOne)
	matches(t, "the second", reports[1], errOther)
}
