package aio_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aioiter"
	"github.com/goaio/aio/aiokit"
)

// Errors that are never retrieved, in each place where one can be left, and the number of
// reports, as in CPython 3.14 except where a case says otherwise.
func TestUnretrievedErrorsInEachPlace(t *testing.T) {
	boom := aio.Coro[int](func(context.Context) (int, error) { return 0, errBoom })
	later := aio.Coro[int](func(ctx context.Context) (int, error) {
		return 0, errors.Join(aio.Sleep(ctx, 10*time.Millisecond), errBoom)
	})
	whenCancelled := aio.Coro[int](func(ctx context.Context) (int, error) { _ = aio.Sleep(ctx, time.Hour); return 0, errBoom })
	blocking := func() (int, error) { return 0, errBoom }
	for name, c := range map[string]struct {
		body func(ctx context.Context) error
		want int
	}{
		"a task":                {func(ctx context.Context) error { aio.CreateTask(ctx, boom); return nil }, 1},
		"a future":              {func(ctx context.Context) error { return aio.CreateFuture[int](ctx).SetException(errBoom) }, 1},
		"Gather":                {func(ctx context.Context) error { aio.Gather[int](ctx, boom, returns(1)); return nil }, 1},
		"Gather, two errors":    {func(ctx context.Context) error { _, _ = aio.Gather[int](ctx, boom, boom).Await(ctx); return nil }, 0},
		"Gather, a later error": {func(ctx context.Context) error { _, _ = aio.Gather[int](ctx, boom, later).Await(ctx); return nil }, 0},
		"GatherResults":         {func(ctx context.Context) error { aio.GatherResults[int](ctx, boom); return nil }, 0},
		"Gather, cancelled": {func(ctx context.Context) error {
			g := aio.Gather[int](ctx, whenCancelled, whenCancelled)
			letPass(ctx, 3)
			g.Cancel()
			_, _ = g.Await(ctx)
			return nil
		}, 0},
		"Shield, cancelled": {func(ctx context.Context) error {
			s := aio.Shield(ctx, aio.CreateTask(ctx, later))
			s.Cancel()
			_, _ = s.Await(ctx)
			return nil
		}, 1},
		"Shield": {func(ctx context.Context) error { aio.Shield(ctx, aio.CreateTask(ctx, boom)); return nil }, 1},
		"Wait": {func(ctx context.Context) error {
			_, _, err := aio.Wait(ctx, []aio.AnyFuture{aio.CreateTask(ctx, boom)}, aio.NoTimeout, aio.AllCompleted)
			return err
		}, 1},
		"WaitFor, cancelled": {func(ctx context.Context) error {
			_, _ = aio.WaitFor(ctx, whenCancelled, 10*time.Millisecond)
			return nil
		}, 0},
		"WaitFor, a shield": {func(ctx context.Context) error {
			_, _ = aio.WaitFor(ctx, aio.Shield(ctx, aio.CreateTask(ctx, later)), time.Millisecond)
			return nil
		}, 1},
		"AsCompleted, broken off": {func(ctx context.Context) error {
			for _, err := range aio.AsCompleted(ctx, []*aio.Task[int]{aio.CreateTask(ctx, returns(1)), aio.CreateTask(ctx, later)}, aio.NoTimeout).All(ctx) {
				return err
			}
			return nil
		}, 1},
		"RunInExecutor": {func(ctx context.Context) error { aio.RunInExecutor(ctx, nil, blocking); return nil }, 1},
		"ToThread, cancelled": {func(ctx context.Context) error {
			release := make(chan struct{})
			task := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				return aio.ToThread(ctx, func(context.Context) (int, error) { <-release; return 0, errBoom })
			})
			letPass(ctx, 3)
			task.Cancel()
			_, _ = task.Await(ctx)
			close(release)
			return nil
		}, 0},
		"RunCoroutineThreadsafe": {func(ctx context.Context) error {
			l, err := aio.GetRunningLoop(ctx)
			aio.RunCoroutineThreadsafe(l, boom)
			return err
		}, 0},
		"Done and Cancelled": {func(ctx context.Context) error {
			task := aio.CreateTask(ctx, boom)
			letPass(ctx, 3)
			_, _ = task.Done(), task.Cancelled()
			return nil
		}, 1},
		"Exception": {func(ctx context.Context) error {
			task := aio.CreateTask(ctx, boom)
			letPass(ctx, 3)
			_ = task.Exception()
			return nil
		}, 0},
		"a done callback": {func(ctx context.Context) error { aio.CreateTask(ctx, boom).OnDone(nop); return nil }, 1},
		"TaskGroup, two errors": {func(ctx context.Context) error {
			_ = aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
				tg.Go(func(context.Context) error { return errBoom })
				tg.Go(func(context.Context) error { return errBoom })
				return nil
			})
			return nil
		}, 0},
		"an awaiter that was cancelled": {func(ctx context.Context) error {
			task := aio.CreateTask(ctx, later)
			awaiter := aio.CreateTask(ctx, task.Await)
			letPass(ctx, 3)
			awaiter.Cancel()
			_, _ = awaiter.Await(ctx)
			return nil
		}, 0},
		"an awaiter that is cancelled too late": {func(ctx context.Context) error {
			f := aio.CreateFuture[int](ctx)
			awaiter := aio.CreateTask(ctx, f.Await)
			letPass(ctx, 2)
			_ = f.SetException(errBoom)
			awaiter.Cancel()
			_, _ = awaiter.Await(ctx)
			return nil
		}, 0},
		"a handler": {func(ctx context.Context) error {
			srv, err := aio.StartServer(ctx, func(_ context.Context, _ *aio.StreamReader, w *aio.StreamWriter) error {
				return errors.Join(w.Close(), errBoom)
			}, "127.0.0.1:0", nil)
			if err != nil {
				return err
			}
			return visit(ctx, srv)
		}, 1},
		"Every": {func(ctx context.Context) error {
			spawn(ctx, func(ctx context.Context) error {
				return aiokit.Every(ctx, time.Millisecond, func(context.Context) error { return errBoom })
			})
			return nil
		}, 1},
		"a source that fails when its consumer leaves": {func(ctx context.Context) error {
			fails := func(ctx context.Context) iter.Seq2[int, error] {
				return func(yield func(int, error) bool) { yield(later(ctx)) }
			}
			for _, err := range aioiter.Merge(aioiter.Of(1), fails)(ctx) {
				return err
			}
			return nil
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			l, reports := newLoop(t)
			_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
				if err := c.body(ctx); err != nil {
					return err
				}
				return aio.Sleep(ctx, 50*time.Millisecond)
			}))
			matches(t, "the run", err, nil)
			matches(t, "Close", l.Close(), nil)
			same(t, "reports", len(*reports), c.want)
			for _, r := range *reports {
				matches(t, "a report", r.Err, errBoom)
			}
		})
	}
}
