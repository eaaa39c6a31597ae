package aiojobs_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/contrib/aiojobs"
)

func TestQueue(t *testing.T) {
	s := startServer(t)
	run(t, aiojobs.Options{URLs: []string{s}}, func(ctx context.Context, c *aiojobs.Client) error {
		other, err := aiojobs.Open(ctx, &aiojobs.Options{URLs: []string{s}})
		if err != nil {
			return err
		}
		a, err1 := aiojobs.OpenQueue[int](ctx, c, "numbers", 3)
		b, err2 := aiojobs.OpenQueue[int](ctx, other, "numbers", 3)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if _, err := b.GetNowait(ctx); !errors.Is(err, aio.ErrQueueEmpty) {
			t.Errorf("GetNowait of an empty queue: %v", err)
		}
		if err := b.TaskDone(ctx); !errors.Is(err, aio.ErrOverRelease) || !errors.Is(err, aio.ErrUsage) {
			t.Errorf("TaskDone without an item: %v", err)
		}
		for i := range 3 {
			if err := a.Put(ctx, i); err != nil {
				return err
			}
		}
		if err := a.PutNowait(ctx, 3); !errors.Is(err, aio.ErrQueueFull) {
			t.Errorf("PutNowait to a full queue: %v", err)
		}
		put := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return a.Put(ctx, 3) }))
		var got []int
		for i := range 4 {
			n, err := b.Get(ctx)
			if err != nil {
				return err
			}
			got = append(got, n)
			if i == 0 && put.Done() {
				t.Error("Put did not wait")
			}
			if err := b.TaskDone(ctx); err != nil {
				return err
			}
		}
		if !slices.Equal(got, []int{0, 1, 2, 3}) {
			t.Errorf("got %v", got)
		}
		err = errors.Join(put.Join(ctx), a.Join(ctx))
		return errors.Join(err, a.Close(ctx), b.Close(ctx), other.Close(ctx))
	})
}

// A Get that is cancelled takes nothing, and the items of a closed getter go to another
// one.
func TestQueueNothingLost(t *testing.T) {
	run(t, aiojobs.Options{}, func(ctx context.Context, c *aiojobs.Client) error {
		a, err1 := aiojobs.OpenQueue[string](ctx, c, "words", 0)
		b, err2 := aiojobs.OpenQueue[string](ctx, c, "words", 0)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if _, err := aio.WaitFor(ctx, aio.Coro[string](a.Get), 50*time.Millisecond); !errors.Is(err, aio.ErrTimeout) {
			t.Errorf("Get of an empty queue: %v", err)
		}
		if err := b.Put(ctx, "word"); err != nil {
			return err
		}
		if w, err := a.Get(ctx); w != "word" || err != nil {
			t.Errorf("got %q, %v", w, err)
		}
		if n, err := b.QSize(ctx); n != 0 || err != nil {
			t.Errorf("QSize while the item is taken: %d, %v", n, err)
		}
		if err := a.Close(ctx); err != nil {
			return err
		}
		if w, err := b.Get(ctx); w != "word" || err != nil {
			t.Errorf("got %q, %v", w, err)
		}
		return errors.Join(b.TaskDone(ctx), b.Join(ctx), b.Close(ctx))
	})
}
