package aiohttp

import (
	"context"
	"fmt"

	"github.com/goaio/aio"
)

// givenUp is the error of a call in which a task was cancelled. Parsers drop an error
// and call again, while a cancellation is delivered once, so later calls fail with it
// too. The zero value has no error.
type givenUp struct {
	err  error
	task aio.AnyTask // that was cancelled
}

// keep stores err, the error of an await of the running task.
func (g *givenUp) keep(ctx context.Context, err error) {
	*g = givenUp{fmt.Errorf("aiohttp: an earlier call was given up: %w", err), aio.CurrentTask(ctx)}
}

// pending returns the error while a cancellation of the running task is pending,
// otherwise nil.
func (g *givenUp) pending(ctx context.Context) error {
	if t := aio.CurrentTask(ctx); g.err != nil && t == g.task && t != nil && t.Cancelling() > 0 {
		return g.err
	}
	return nil
}

// again returns the error of a later call, nil if there is none. If no cancellation of
// the task is pending any more, the error is not a *aio.CancelledError: a task that
// returned a *aio.CancelledError would end as cancelled, although it was not cancelled.
func (g *givenUp) again(ctx context.Context) error {
	if !aio.IsCancellation(g.err) {
		return g.err
	}
	if err := g.pending(ctx); err != nil {
		return err
	}
	return &lateError{g.err.Error()}
}

// lateError is the error of a call after a cancellation that was handled. It matches
// aio.ErrCancelled.
type lateError struct{ text string }

func (e *lateError) Error() string        { return e.text }
func (e *lateError) Is(target error) bool { return target == aio.ErrCancelled }
