package aiotest_test

// Uses of iterators, task groups and scopes, for TestPrimitives.

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"

	"github.com/goaio/aio"
)

func init() { maps.Copy(uses, structureUses) }

var structureUses = map[string]func(ctx context.Context, do region) error{
	"Pull": func(ctx context.Context, do region) error {
		began, ended := 0, 0
		numbers := func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				began++
				defer func() { ended++ }()
				// clean-up that ignores the error of its await
				defer func() { _ = aio.Sleep(ctx, ms) }()
				for i := 1; i <= 3; i++ {
					if err := aio.Sleep(ctx, ms); !yield(i, err) || err != nil {
						return
					}
				}
			}
		}
		err := do(ctx, func(ctx context.Context) (err error) {
			it := aio.Pull(ctx, numbers)
			defer func() { err = errors.Join(err, it.Close(ctx)) }()
			for i := 1; i <= 2; i++ {
				v, ok, err := it.Next(ctx)
				if err != nil {
					return err
				}
				if !ok || v != i {
					return fmt.Errorf("item %d is %d %v", i, v, ok)
				}
			}
			return nil
		})
		if began != ended {
			return fmt.Errorf("%d bodies began, %d ended", began, ended)
		}
		return unlessCancelled(err)
	},
	"CancelScope": func(ctx context.Context, do region) error {
		began, ended := 0, 0
		work := func(ctx context.Context) error {
			began++
			defer func() { ended++ }()
			_ = aio.Sleep(ctx, 2*ms) // the task ignores its cancellation
			return aio.Sleep(ctx, 2*ms)
		}
		err := do(ctx, func(ctx context.Context) error {
			timedOut, err := aio.MoveOnAfter(ctx, ms, func(ctx context.Context) error {
				return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
					tg.Go(work)
					tg.Go(func(ctx context.Context) error { return aio.Shielded(ctx, work) })
					return aio.Sleep(ctx, 5*ms)
				})
			})
			if err == nil && !timedOut {
				err = errors.New("the deadline was missed")
			}
			return err
		})
		if began != ended {
			return fmt.Errorf("%d bodies began, %d ended", began, ended)
		}
		return unlessCancelled(err)
	},
	"CancelAndWait": func(ctx context.Context, do region) error {
		began, ended := 0, 0
		err := do(ctx, func(ctx context.Context) error {
			task := start(ctx, func(ctx context.Context) error {
				began++
				defer func() { ended++ }()
				err := aio.Sleep(ctx, 5*ms)
				_ = aio.Sleep(ctx, ms)
				return err
			})
			defer aio.CancelAndWait(ctx, task)
			return aio.Sleep(ctx, ms)
		})
		if began != ended {
			return fmt.Errorf("%d tasks began, %d ended", began, ended)
		}
		return unlessCancelled(err)
	},
}
