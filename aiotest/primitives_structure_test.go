package aiotest_test

// Uses of iterators, and of what groups and ends tasks, for TestPrimitives.

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
				defer func() { _ = aio.Sleep(ctx, ms) }() // clean-up that drops its error
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
}
