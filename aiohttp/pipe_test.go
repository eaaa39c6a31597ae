package aiohttp_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

// Each way in which another goroutine ends a Write of which it has read a part.
func TestPipeWriteEnds(t *testing.T) {
	enough := errors.New("enough")
	type ends struct {
		r      *aiohttp.PipeReader
		w      *aiohttp.PipeWriter
		cancel context.CancelCauseFunc // a context that the task derived
		task   aio.AnyTask
	}
	for name, c := range map[string]struct {
		end         func(p ends)
		write, read error
	}{
		"CloseWithError":      {func(p ends) { _ = p.w.CloseWithError(enough) }, io.ErrClosedPipe, enough},
		"Close":               {func(p ends) { _ = p.w.Close() }, io.ErrClosedPipe, io.EOF},
		"Close of the reader": {func(p ends) { _ = p.r.Close() }, io.ErrClosedPipe, io.ErrClosedPipe},
		"a context's end":     {func(p ends) { p.cancel(enough) }, io.ErrClosedPipe, enough},
		"Cancel": {func(p ends) {
			p.task.GetLoop().CallSoonThreadsafe(func() { p.task.Cancel() })
		}, aio.ErrCancelled, aio.ErrCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(ctx context.Context) error {
				r, w := aiohttp.Pipe(ctx)
				begun := make(chan ends, 1)
				go func() {
					p := <-begun
					if _, err := io.ReadFull(r, make([]byte, 2)); err != nil {
						t.Error(err)
					}
					c.end(p)
				}()
				task := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
					derived, cancel := context.WithCancelCause(ctx)
					defer context.AfterFunc(derived, func() { _ = w.CloseWithError(context.Cause(derived)) })()
					begun <- ends{r, w, cancel, aio.CurrentTask(ctx)}
					n, err := w.Write([]byte("abcde"))
					if !errors.Is(err, c.write) {
						t.Errorf("Write returned %v", err)
					}
					return n, nil
				})
				if n, err := task.Await(ctx); n != 2 || err != nil {
					t.Errorf("Write returned %d, the task %v", n, err)
				}
				if n, err := r.Read(make([]byte, 9)); n != 0 || !errors.Is(err, c.read) {
					t.Errorf("Read returned %d, %v", n, err)
				}
				if n, err := w.Write([]byte("x")); n != 0 || !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("the next Write returned %d, %v", n, err)
				}
				return nil
			})
		})
	}
}
