package aio_test

// The Go code of docs/migration.md, which contains it word for word.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/goaio/aio"
)

func Example_migrationErrgroup() {
	var mu sync.Mutex
	sizes := map[string]int{}
	g, ctx := errgroup.WithContext(context.Background())
	g.SetLimit(2)
	for _, name := range []string{"a", "bb", "missing", "ccc"} {
		g.Go(func() error {
			select {
			case <-time.After(time.Millisecond): // simulates a request
			case <-ctx.Done():
				return ctx.Err()
			}
			if name == "missing" {
				return errors.New("missing: not found")
			}
			mu.Lock()
			defer mu.Unlock()
			sizes[name] = len(name)
			return nil
		})
	}
	err := g.Wait()
	fmt.Println(err)
	// Output: missing: not found
}

func Example_migrationTasks() {
	sizes := map[string]int{}
	err := aio.Run(func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Limit = 2
			for _, name := range []string{"a", "bb", "missing", "ccc"} {
				tg.Go(func(ctx context.Context) error {
					if err := aio.Sleep(ctx, time.Millisecond); err != nil {
						return err
					}
					if name == "missing" {
						return errors.New("missing: not found")
					}
					sizes[name] = len(name)
					return nil
				})
			}
			return nil
		})
	})
	fmt.Println(err)
	// Output: aio: errors in a task group (1): missing: not found
}
