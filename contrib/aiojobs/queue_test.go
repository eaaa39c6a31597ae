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

// getters starts n tasks that wait in Get.
func getters(ctx context.Context, q *aiojobs.Queue[int], n int) []*aio.Task[int] {
	var tasks []*aio.Task[int]
	for range n {
		tasks = append(tasks, aio.CreateTask(ctx, q.Get))
	}
	return tasks
}

// shutDown checks that tasks end because their queue was shut down.
func shutDown(ctx context.Context, t *testing.T, what string, tasks []*aio.Task[int]) {
	t.Helper()
	for _, task := range tasks {
		if n, err := task.Await(ctx); !errors.Is(err, aio.ErrQueueShutDown) {
			t.Errorf("%s: %d, %v", what, n, err)
		}
	}
}

// Shutdown ends the calls that wait, in all processes. The items that are left can be
// got.
func TestQueueShutdown(t *testing.T) {
	s := startServer(t)
	run(t, aiojobs.Options{URLs: []string{s}, AckWait: 600 * time.Millisecond}, func(ctx context.Context, c *aiojobs.Client) error {
		other, err := aiojobs.Open(ctx, &aiojobs.Options{URLs: []string{s}})
		if err != nil {
			return err
		}
		a, err1 := aiojobs.OpenQueue[int](ctx, c, "numbers", 2)
		b, err2 := aiojobs.OpenQueue[int](ctx, other, "numbers", 2)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if _, err := aiojobs.OpenQueue[int](ctx, other, "numbers", 3); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("another maxsize: %v", err)
		}
		err = errors.Join(a.Put(ctx, 1), a.Put(ctx, 2))
		put := aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return 0, a.Put(ctx, 3) })
		if err := errors.Join(err, aio.Sleep(ctx, 0), b.Shutdown(ctx, false), b.Shutdown(ctx, false)); err != nil {
			return err
		}
		shutDown(ctx, t, "a waiting Put", []*aio.Task[int]{put})
		for _, q := range []*aiojobs.Queue[int]{a, b} {
			if err := q.PutNowait(ctx, 4); !errors.Is(err, aio.ErrQueueShutDown) {
				t.Errorf("PutNowait: %v", err)
			}
		}
		for i, q := range []*aiojobs.Queue[int]{a, b} {
			if n, err := q.Get(ctx); n != i+1 || err != nil {
				t.Errorf("an item that is left: %d, %v", n, err)
			}
		}
		shutDown(ctx, t, "Get", append(getters(ctx, a, 2), getters(ctx, b, 2)...))
		if _, err := b.GetNowait(ctx); !errors.Is(err, aio.ErrQueueShutDown) {
			t.Errorf("GetNowait: %v", err)
		}
		// What getters have is not affected, and one that opens it later finds it
		// shut down.
		third, err := aiojobs.OpenQueue[int](ctx, other, "numbers", 2)
		if err != nil {
			return err
		}
		shutDown(ctx, t, "Get of another process", getters(ctx, third, 1))
		join := aio.CreateTask(ctx, aio.NoResult(third.Join))
		err = a.TaskDone(ctx)
		if join.Done() {
			t.Error("Join did not wait")
		}
		err = errors.Join(err, b.TaskDone(ctx), join.Join(ctx))
		for _, want := range []bool{true, false} {
			if found, err := c.DeleteQueue(ctx, "numbers"); found != want || err != nil {
				t.Errorf("DeleteQueue: %t, %v", found, err)
			}
		}
		fresh, err2 := aiojobs.OpenQueue[int](ctx, c, "numbers", 5)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		err = fresh.Put(ctx, 7)
		return errors.Join(err, a.Close(ctx), b.Close(ctx), third.Close(ctx), fresh.Close(ctx), other.Close(ctx))
	})
}

// Calls that wait end although the news of Shutdown is lost, and when the queue is
// deleted.
func TestQueueShutdownElsewhere(t *testing.T) {
	run(t, aiojobs.Options{AckWait: 300 * time.Millisecond}, func(ctx context.Context, c *aiojobs.Client) error {
		for _, test := range []struct {
			name string
			end  func(q *aiojobs.Queue[int]) error
		}{
			{"news", func(q *aiojobs.Queue[int]) error { return q.Shutdown(ctx, false) }},
			{"no-news", func(q *aiojobs.Queue[int]) error { return q.Shutdown(ctx, true) }},
			{"deleted", func(*aiojobs.Queue[int]) error {
				_, err := c.DeleteQueue(ctx, "deleted")
				return err
			}},
		} {
			a, err1 := aiojobs.OpenQueue[int](ctx, c, test.name, 0)
			b, err2 := aiojobs.OpenQueue[int](ctx, c, test.name, 0)
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			if test.name == "no-news" {
				if err := aiojobs.MissNews(b); err != nil {
					return err
				}
			}
			tasks := getters(ctx, b, 3)
			if err := errors.Join(aio.Sleep(ctx, 50*time.Millisecond), test.end(a)); err != nil {
				return err
			}
			shutDown(ctx, t, test.name, tasks)
			for _, q := range []*aiojobs.Queue[int]{a, b} {
				if err := q.Put(ctx, 1); !errors.Is(err, aio.ErrQueueShutDown) {
					t.Errorf("%s: Put: %v", test.name, err)
				}
				n, err := q.QSize(ctx)
				if err := errors.Join(err, q.Join(ctx), q.Close(ctx)); n != 0 || err != nil {
					t.Errorf("%s: QSize and Join: %d, %v", test.name, n, err)
				}
			}
		}
		return nil
	})
}

// An immediate Shutdown ends the items that no getter has.
func TestQueueShutdownImmediate(t *testing.T) {
	run(t, aiojobs.Options{}, func(ctx context.Context, c *aiojobs.Client) error {
		q, err := aiojobs.OpenQueue[int](ctx, c, "numbers", 0)
		if err != nil {
			return err
		}
		for i := range 5 {
			if err := q.Put(ctx, i); err != nil {
				return err
			}
		}
		if n, err := q.Get(ctx); n != 0 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		if err := q.Shutdown(ctx, true); err != nil {
			return err
		}
		shutDown(ctx, t, "Get", getters(ctx, q, 2))
		join := aio.CreateTask(ctx, aio.NoResult(q.Join))
		if n, err := q.QSize(ctx); n != 0 || err != nil || join.Done() {
			t.Errorf("QSize %d, %v", n, err)
		}
		return errors.Join(q.TaskDone(ctx), join.Join(ctx), q.Close(ctx))
	})
}
