package aio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/goaio/aio"
)

// resourceLines formats the resources of a loop, one per line, without positions.
func resourceLines(l *aio.Loop) string {
	var lines []string
	for _, r := range l.Resources() {
		holder := ""
		if r.Holder != nil {
			holder = " by " + r.HolderName
		}
		lines = append(lines, fmt.Sprintf("%d %s value %d limit %d peak %d waiting %d%s", r.ID, r.Kind, r.Value, r.Limit, r.Peak, r.Waiting, holder))
	}
	return strings.Join(lines, "\n")
}

// listed runs main in a loop that lists its resources.
func listed(t *testing.T, main func(ctx context.Context, l *aio.Loop) error) {
	t.Helper()
	l := aio.NewEventLoop(nil)
	defer l.Close()
	if got := l.Resources(); got != nil {
		t.Errorf("resources before any was used: %v", got)
	}
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error { return main(ctx, l) }))
	if err != nil {
		t.Error(err)
	}
}

func TestResources(t *testing.T) {
	t.Run("a lock", func(t *testing.T) {
		listed(t, func(ctx context.Context, l *aio.Loop) error {
			var lock aio.Lock
			aio.CurrentTask(ctx).SetName("main")
			if err := lock.Acquire(ctx); err != nil {
				return err
			}
			sameText(t, "held", resourceLines(l), "1 Lock value 1 limit 0 peak 0 waiting 0 by main")
			next := aio.CreateTask(ctx, aio.NoResult(lock.Acquire), aio.WithName("next"))
			gone := aio.CreateTask(ctx, aio.NoResult(lock.Acquire), aio.WithName("gone"))
			letPass(ctx, 1)
			sameText(t, "others wait", resourceLines(l), "1 Lock value 1 limit 0 peak 0 waiting 2 by main")
			gone.Cancel()
			lock.Release()
			if _, err := next.Await(ctx); err != nil {
				return err
			}
			sameText(t, "the next task holds it", resourceLines(l), "1 Lock value 1 limit 0 peak 0 waiting 0 by next")
			if s := l.Resources()[0].String(); !strings.HasPrefix(s, "Lock of aio_test.TestResources.") || !strings.HasSuffix(s, ", held by next, 0 waiting") {
				t.Errorf("as a text: %s", s)
			}
			lock.Release()
			sameText(t, "free", resourceLines(l), "1 Lock value 0 limit 0 peak 0 waiting 0")
			return nil
		})
	})
	t.Run("a queue", func(t *testing.T) {
		listed(t, func(ctx context.Context, l *aio.Loop) error {
			q := aio.NewQueue[int](2)
			if err := q.PutNowait(0); err != nil {
				return err
			}
			if err := q.Put(ctx, 1); err != nil {
				return err
			}
			putter := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return q.Put(ctx, 2) }))
			letPass(ctx, 1)
			sameText(t, "full", resourceLines(l), "1 Queue value 2 limit 2 peak 2 waiting 1")
			for range 3 {
				if _, err := q.Get(ctx); err != nil {
					return err
				}
				letPass(ctx, 1)
			}
			sameText(t, "empty", resourceLines(l), "1 Queue value 0 limit 2 peak 2 waiting 0")
			_, err := putter.Await(ctx)
			return err
		})
	})
	t.Run("a semaphore, an event and a condition", func(t *testing.T) {
		listed(t, func(ctx context.Context, l *aio.Loop) error {
			sem, cond := aio.NewBoundedSemaphore(1), aio.NewCondition(nil)
			var event aio.Event
			tasks := []*aio.Task[struct{}]{
				aio.CreateTask(ctx, aio.NoResult(sem.Acquire)),
				aio.CreateTask(ctx, aio.NoResult(sem.Acquire)),
				aio.CreateTask(ctx, aio.NoResult(event.Wait)),
				aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return cond.With(ctx, cond.Wait) }), aio.WithName("waiter")),
			}
			letPass(ctx, 1)
			sameText(t, "in use", resourceLines(l), `
1 Semaphore value 0 limit 1 peak 0 waiting 1
2 Event value 0 limit 0 peak 0 waiting 1
3 Lock value 0 limit 0 peak 0 waiting 0
4 Condition value 0 limit 0 peak 0 waiting 1`)
			event.Set()
			sem.Release()
			if err := cond.With(ctx, func(context.Context) error {
				cond.NotifyAll()
				return nil
			}); err != nil {
				return err
			}
			for _, task := range tasks {
				if _, err := task.Await(ctx); err != nil {
					return err
				}
			}
			sem.Release()
			sameText(t, "afterwards", resourceLines(l), `
1 Semaphore value 1 limit 1 peak 0 waiting 0
2 Event value 1 limit 0 peak 0 waiting 0
3 Lock value 0 limit 0 peak 0 waiting 0
4 Condition value 0 limit 0 peak 0 waiting 0`)
			return nil
		})
	})
	t.Run("servers, connections and processes", func(t *testing.T) {
		listed(t, func(ctx context.Context, l *aio.Loop) error {
			kinds := func() string {
				var all []string
				for _, r := range l.Resources() {
					if r.Kind != "Event" && r.Kind != "Lock" {
						all = append(all, strings.ReplaceAll(r.String(), "127.0.0.1:", ""))
					}
				}
				slices.Sort(all)
				return strings.Join(all, "\n")
			}
			served := aio.CreateFuture[struct{}](ctx)
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
				defer w.Close()
				_, err := served.Await(ctx)
				return err
			}, "127.0.0.1:0", nil)
			if err != nil {
				return err
			}
			_, at, _ := net.SplitHostPort(s.Addr().String())
			sameText(t, "a server", kinds(), "server "+at)
			_, w, err := aio.OpenConnection(ctx, s.Addr().String(), nil)
			if err != nil {
				return err
			}
			eventually(t, ctx, "both ends are listed", func() bool { return strings.Count(kinds(), "connection") == 2 })
			if got := kinds(); !strings.Contains(got, "connection "+at+"\n") {
				t.Errorf("no connection to the server: %s", got)
			}
			if err := served.SetResult(struct{}{}); err != nil {
				return err
			}
			s.Close()
			if err := errors.Join(w.Close(), w.WaitClosed(ctx), s.WaitClosed(ctx)); err != nil {
				return err
			}
			eventually(t, ctx, "all is closed", func() bool { return kinds() == "" })
			return nil
		})
	})
	t.Run("unreferenced resources are removed", func(t *testing.T) {
		listed(t, func(ctx context.Context, l *aio.Loop) error {
			var kept aio.Lock
			if err := kept.Acquire(ctx); err != nil {
				return err
			}
			for range 500 {
				var lock aio.Lock
				if err := lock.Acquire(ctx); err != nil {
					return err
				}
			}
			runtime.GC()
			if got := resourceLines(l); !strings.HasPrefix(got, "1 Lock") || strings.Count(got, "\n") > 10 {
				t.Errorf("left after a collection:\n%s", got)
			}
			runtime.KeepAlive(&kept)
			return nil
		})
	})
	t.Run("an event names the resource", func(t *testing.T) {
		listed(t, func(ctx context.Context, l *aio.Loop) error {
			var ids []string
			remove := l.AddObserver(aio.ObserverFunc(func(e *aio.LoopEvent) {
				if e.Kind == aio.StepEnded && e.What() != "" {
					ids = append(ids, fmt.Sprint(e.What(), " ", e.Resource()))
				}
			}))
			defer remove()
			var a, b aio.Lock
			for _, lock := range []*aio.Lock{&a, &b} {
				if err := lock.Acquire(ctx); err != nil {
					return err
				}
				aio.CreateTask(ctx, aio.NoResult(lock.Acquire))
			}
			letPass(ctx, 1)
			sameText(t, "events", strings.Join(ids, "\n"), "Sleep(0) 0\nLock.Acquire 1\nLock.Acquire 2")
			a.Release()
			b.Release()
			return nil
		})
	})
}

// Any goroutine can list the resources, even while a task blocks the loop and holds a
// lock.
func TestResourcesOfABlockedLoop(t *testing.T) {
	l, stop := aio.StartLoop(nil)
	l.Resources()
	held, release := make(chan struct{}), make(chan struct{})
	done := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error {
		var lock aio.Lock
		aio.CurrentTask(ctx).SetName("greedy")
		return lock.With(ctx, func(context.Context) error {
			close(held)
			<-release
			return nil
		})
	}))
	<-held
	sameText(t, "while it is blocked", resourceLines(l), "1 Lock value 1 limit 0 peak 0 waiting 0 by greedy")
	close(release)
	if _, err := done.Result(t.Context()); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	l.Resources() // Resources works on a closed loop
}
