package goctx

import (
	"context"
	"time"

	"github.com/goaio/aio"

	"example.com/checked/library"
)

func wrongImported(ctx context.Context, s *library.Store[int]) {
	go library.Wait(ctx) // want `library.Wait awaits`
	go s.Save(ctx, 1)    // want `s.Save awaits`
}

func rightImported(ctx context.Context) { go library.Plain(ctx) }

func pause(ctx context.Context) error { return aio.Sleep(ctx, time.Second) }

func deeper(ctx context.Context) error { return pause(ctx) }

type worker struct{ q *aio.Queue[int] }

func (w *worker) run(ctx context.Context) error {
	_, err := w.q.Get(ctx)
	return err
}

func wrong(ctx context.Context, w *worker, coro aio.Coro[int]) {
	go pause(ctx)      // want `pause awaits, and a goroutine is no task`
	go deeper(ctx)     // want `deeper awaits`
	go w.run(ctx)      // want `w.run awaits`
	go w.q.Put(ctx, 1) // want `w.q.Put awaits`
	go func() {
		_ = aio.Sleep(ctx, time.Second) // want `aio.Sleep awaits`
	}()
	go func() {
		_ = aio.Run(func(ctx context.Context) error { return pause(ctx) })
		func(ctx context.Context) { _ = pause(ctx) }(context.Background())
		_ = deeper(ctx) // want `deeper awaits`
	}()
	go coro(ctx) // want `coro awaits`
}

func rightTask(ctx context.Context) { aio.CreateTask(ctx, aio.NoResult(pause)) }

func rightGroup(ctx context.Context, w *worker) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(w.run)
		return nil
	})
}

func plain(ctx context.Context) { <-ctx.Done() }

func rightPlain(ctx context.Context) { go plain(ctx) }

func rightOwnLoop() {
	go func() {
		_ = aio.Run(func(ctx context.Context) error { return pause(ctx) })
	}()
}

func rightSubmit(ctx context.Context, l *aio.Loop) {
	go func() {
		f := aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (int, error) { return 1, pause(ctx) })
		_, _ = f.Result(context.Background())
	}()
}

func rightConversion(coros chan aio.Coro[int]) {
	go func() { coros <- aio.Coro[int](func(ctx context.Context) (int, error) { return 1, pause(ctx) }) }()
}

func rightSpawns(ctx context.Context) { go rightOwnLoop() }
