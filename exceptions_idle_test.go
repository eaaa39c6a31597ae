package aio_test

import (
	"context"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// An idle program, in which no garbage collection happens on its own, still reports an
// unretrieved error.
func TestUnretrievedErrorOfAnIdleProgram(t *testing.T) {
	reported := make(chan error, 1)
	err := aio.Run(func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { reported <- ec.Err })
		aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { return errBoom }))
		return aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
			err, _, waitErr := aio.Receive(ctx, reported)
			matches(t, "the report", err, errBoom)
			return waitErr
		})
	})
	same(t, "Run", err, nil)
}
