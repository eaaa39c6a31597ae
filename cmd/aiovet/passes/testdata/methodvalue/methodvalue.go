package methodvalue

import (
	"context"

	"github.com/goaio/aio"
)

type counter struct {
	n     int
	inner struct{ m int }
	to    *counter
	all   [2]int
	some  []int
}

func (c counter) count(ctx context.Context) error { c.n++; return nil }

func (c counter) deep(ctx context.Context) error { c.inner.m = 1; return nil }

func (c counter) element(ctx context.Context) error { c.all[0]++; return nil }

func (c counter) shared(ctx context.Context) error { c.some[0]++; return nil }

func (c counter) value(ctx context.Context) (int, error) { c.n = 2; return c.n, nil }

func (c counter) read(ctx context.Context) error { return aio.Sleep(ctx, 1) }

func (c counter) through(ctx context.Context) error { c.to.n++; return nil }

func (c *counter) right(ctx context.Context) error { c.n++; return nil }

func wrong(ctx context.Context, tg *aio.TaskGroup, c counter, l *aio.Lock, s *aio.Semaphore, cond *aio.Condition) {
	tg.Go(c.count)                             // want `c.count works on a copy of c, so what it writes is lost`
	tg.Go(c.deep)                              // want `c.deep works on a copy of c`
	tg.Go(c.element)                           // want `c.element works on a copy of c`
	aio.CreateTask(ctx, c.value)               // want `c.value works on a copy of c`
	aio.CreateTask(ctx, aio.NoResult(c.count)) // want `c.count works on a copy of c`
	tg.Go(l.Acquire)                           // want `l.Acquire in a task of its own: the task that calls tg.Go does not hold it afterwards`
	tg.Go(s.Acquire)                           // want `s.Acquire in a task of its own`
	tg.Go(cond.Wait)                           // want `cond.Wait in a task of its own`
}

func rightPointer(tg *aio.TaskGroup, c *counter) { tg.Go(c.right) }

func rightReads(tg *aio.TaskGroup, c counter) { tg.Go(c.read) }

func rightThrough(tg *aio.TaskGroup, c counter) { tg.Go(c.through) }

func rightShared(tg *aio.TaskGroup, c counter) { tg.Go(c.shared) }

func rightLiteral(tg *aio.TaskGroup, c *counter, l *aio.Lock) {
	tg.Go(func(ctx context.Context) error {
		return l.With(ctx, c.right)
	})
}

func rightJoin(tg *aio.TaskGroup, q *aio.Queue[int], e *aio.Event) {
	tg.Go(q.Join)
	tg.Go(e.Wait)
}
