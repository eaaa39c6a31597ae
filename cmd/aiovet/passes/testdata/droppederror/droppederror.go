package droppederror

import (
	"context"
	"errors"
	"time"

	"github.com/goaio/aio"

	"example.com/checked/library"
)

type conn struct{ w *aio.StreamWriter }

func (c conn) close(ctx context.Context) error { return c.w.WaitClosed(ctx) }

func wrong(ctx context.Context, c conn, q *aio.Queue[int], next *aio.Task[int]) error {
	aio.Sleep(ctx, time.Second) // want `the error of aio.Sleep is dropped: it may be a cancellation`
	q.Put(ctx, 1)               // want `the error of q.Put is dropped`
	q.Get(ctx)                  // want `the error of q.Get is dropped`
	defer c.close(ctx)          // want `the error of the deferred c.close is dropped`
	defer func() {
		_, _, _ = aio.Wait(ctx, []*aio.Task[int]{next}, time.Second, aio.AllCompleted) // want `the error of aio.Wait in a deferred function is dropped`
		c.close(ctx)                                                                   // want `the error of c.close is dropped`
	}()
	return nil
}

func wrongWithoutResult(ctx context.Context, c conn) {
	c.close(ctx) // want `the error of c.close is dropped`
}

func (c conn) again(ctx context.Context) error { return c.close(ctx) }

// Only whole statements can be replaced, and only if the result can be parsed.
func wrongPlaces(ctx context.Context, c conn, n int) error {
	(c.again(ctx))                    // want `the error of c.again is dropped`
	for i := 0; i < n; c.again(ctx) { // want `the error of c.again is dropped`
		i++
	}
	if c.again(ctx); n > 1 { // want `the error of c.again is dropped`
		return nil
	}
	switch c.again(ctx); { // want `the error of c.again is dropped`
	case n > 0:
		c.again(ctx) // want `the error of c.again is dropped`
	}
	conn{}.again(ctx)    // want `the error of again is dropped`
	(&conn{}).again(ctx) // want `the error of again is dropped`
	return nil
}

func rightReturned(ctx context.Context) error { return aio.Sleep(ctx, 1) }

func rightChecked(ctx context.Context, c conn) {
	if err := c.close(ctx); err != nil {
		panic(err)
	}
}

func rightJoined(ctx context.Context, c conn) (err error) {
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	return nil
}

func rightOnPurpose(ctx context.Context, c conn) { _ = c.close(ctx) }

func rightNoError(ctx context.Context, w *aio.StreamWriter) {
	aio.CurrentTask(ctx)
	aio.CreateTask(ctx, aio.NoResult(rightReturned))
}

func rightKnown(ctx context.Context, c conn) {
	defer func() {
		_ = c.close(ctx) //aiovet:ok the task has ended
	}()
	c.close(ctx) //aiovet:ok
}

func local() error { return nil }

func rightNoAwait() { local() }

func wrongImported(ctx context.Context) error {
	library.Wait(ctx) // want `the error of library.Wait is dropped`
	library.Plain(ctx)
	return nil
}

// There is no nil for a fix.
func wrongNil(ctx context.Context) error {
	nil := error(nil)
	aio.Sleep(ctx, 1) // want `the error of aio.Sleep is dropped`
	return nil
}
