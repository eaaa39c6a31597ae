package aio_test

import (
	"context"
	"iter"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// thisLine returns the line number of its caller.
func thisLine() int {
	_, _, n, _ := runtime.Caller(1)
	return n
}

// The stack of a task suspended in a range over an iterator of the package contains the
// line of the range statement, or of the await in its body.
func TestStacksOfTasksInIterators(t *testing.T) {
	user := func(seq iter.Seq2[int, error]) iter.Seq[int] {
		return func(yield func(int) bool) {
			for v, err := range seq {
				if err != nil || !yield(v) {
					return
				}
			}
		}
	}
	futures := func(ctx context.Context) []*aio.Future[int] {
		return []*aio.Future[int]{aio.CreateFuture[int](ctx)}
	}
	want := 0
	for name, body := range map[string]func(ctx context.Context) error{
		"CompletedIterator.All": func(ctx context.Context) error {
			want = thisLine() + 1
			for _, err := range aio.AsCompleted(ctx, futures(ctx), aio.NoTimeout).All(ctx) {
				return err
			}
			return nil
		},
		"CompletedIterator.Next": func(ctx context.Context) error {
			for next := range aio.AsCompleted(ctx, futures(ctx), aio.NoTimeout).Next() {
				want = thisLine() + 1
				if _, err := next(ctx); err != nil {
					return err
				}
			}
			return nil
		},
		"an await in CompletedIterator.All": func(ctx context.Context) error {
			f := aio.CreateFuture[int](ctx)
			aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { return f.SetResult(1) }))
			for range aio.AsCompleted(ctx, []*aio.Future[int]{f}, aio.NoTimeout).All(ctx) {
				want = thisLine() + 1
				if _, err := aio.CreateFuture[int](ctx).Await(ctx); err != nil {
					return err
				}
			}
			return nil
		},
		"Queue.All": func(ctx context.Context) error {
			want = thisLine() + 1
			for _, err := range aio.NewQueue[int](0).All(ctx) {
				return err
			}
			return nil
		},
		"StreamReader.Lines": func(ctx context.Context) error {
			want = thisLine() + 1
			for _, err := range aio.NewStreamReader(ctx, 0).Lines(ctx) {
				return err
			}
			return nil
		},
		"a user-defined iterator over Queue.All": func(ctx context.Context) error {
			want = thisLine() + 1
			for range user(aio.NewQueue[int](0).All(ctx)) {
				return nil
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				task := aio.CreateTask(ctx, aio.NoResult(body))
				letPass(ctx, 5)
				found := false
				for _, f := range task.GetStack(0) {
					found = found || f.Line == want && filepath.Base(f.File) == "debug_frames_test.go"
					if !strings.HasSuffix(f.File, "_test.go") {
						t.Errorf("a frame of %s is at %s:%d", f.Function, f.File, f.Line)
					}
				}
				if !found {
					t.Errorf("the stack has no frame at line %d: %v", want, task.GetStack(0))
				}
				task.Cancel()
				return nil
			})
		})
	}
}
