package outerctx

import (
	"context"
	"time"

	"github.com/goaio/aio"
)

func query(ctx context.Context, q string) error { return ctx.Err() }

func wrong(outer context.Context) error {
	_ = aio.Timeout(outer, time.Second, func(ctx context.Context) error {
		return aio.Sleep(outer, time.Minute) // want `outer is a ctx from outside of the body of aio.Timeout`
	})
	_ = aio.WithTaskGroup(outer, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(func(inner context.Context) error {
			return query(ctx, "a") // want `ctx is a ctx from outside of the body of tg.Go`
		})
		return query(outer, "b") // want `outer is a ctx from outside of the body of aio.WithTaskGroup`
	})
	_ = aio.FailAfter(outer, time.Second, func(context.Context) error {
		return query(outer, "c") // want `outer is a ctx from outside of the body of aio.FailAfter`
	})
	scope := aio.NewTimeout(time.Second)
	_ = scope.Run(outer, func(ctx context.Context) error {
		_, err := aio.ToThread(outer, func(ctx context.Context) (int, error) { // want `outer is a ctx from outside of the body of scope.Run`
			return 1, query(ctx, "d")
		})
		return err
	})
	return aio.Shielded(outer, func(ctx context.Context) error {
		return aio.Timeout(outer, time.Second, func(ctx context.Context) error { // want `outer is a ctx from outside of the body of aio.Shielded`
			return aio.Sleep(ctx, 1)
		})
	})
}

func rightCtx(ctx context.Context) error {
	return aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
		return aio.Sleep(ctx, time.Minute)
	})
}

func rightOtherName(ctx context.Context) error {
	return aio.Timeout(ctx, time.Second, func(limited context.Context) error {
		return query(limited, "a")
	})
}

func rightDerived(ctx context.Context) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		with := context.WithValue(ctx, 1, 2)
		tg.Go(func(ctx context.Context) error { return query(ctx, "a") })
		return query(with, "b")
	})
}

func rightNoScope(ctx context.Context, q *aio.Lock) error {
	return q.With(ctx, func(context.Context) error { return query(ctx, "a") })
}

func rightAfter(ctx context.Context) error {
	if err := aio.Timeout(ctx, time.Second, func(ctx context.Context) error { return aio.Sleep(ctx, 1) }); err != nil {
		return err
	}
	return query(ctx, "a")
}

// The ctx of the body has no name there, so there is no fix.
func wrongHidden(ctx context.Context) error {
	return aio.Timeout(ctx, time.Second, func(limited context.Context) error {
		if limited := 5; limited > 0 {
			return query(ctx, "a") // want `ctx is a ctx from outside`
		}
		return query(limited, "b")
	})
}
