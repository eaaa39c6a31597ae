package aio_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/goaio/aio"
)

//go:noinline
func parkOuter(ctx context.Context, f *aio.Future[int]) error { return parkMiddle(ctx, f) }

//go:noinline
func parkMiddle(ctx context.Context, f *aio.Future[int]) error { return parkInner(ctx, f) }

//go:noinline
func parkInner(ctx context.Context, f *aio.Future[int]) error {
	_, err := f.Await(ctx)
	return err
}

// functions returns the function names of frames, without the package path.
func functions(frames []runtime.Frame) string {
	var names []string
	for _, f := range frames {
		names = append(names, f.Function[strings.LastIndex(f.Function, ".")+1:])
	}
	return strings.Join(names, " ")
}

func TestGetStack(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		f := aio.CreateFuture[int](ctx)
		task := aio.CreateTask(ctx, aio.Coro[int](parkTask(f)))

		same(t, "not started", strings.Contains(task.GetStack(0)[0].Function, "parkTask"), true)
		same(t, "frames when not started", len(task.GetStack(0)), 1)
		same(t, "the file when not started", strings.HasSuffix(task.GetStack(0)[0].File, "token_stack_test.go"), true)

		turn := func() { matches(t, "Sleep", aio.Sleep(ctx, 0), nil) }
		turn()
		for range 2 { // capturing a stack has no side effect
			stack := task.GetStack(0)
			same(t, "the outermost", strings.Contains(stack[0].Function, "parkTask"), true)
			same(t, "suspended", functions(stack[1:]), "parkOuter parkMiddle parkInner")
		}
		same(t, "limit", len(task.GetStack(2)), 2)
		same(t, "the innermost within the limit", functions(task.GetStack(2)[1:]), "parkOuter")
		same(t, "Done", task.Done(), false)

		var b strings.Builder
		matches(t, "PrintStack", task.PrintStack(&b, 0), nil)
		for _, part := range []string{"Stack for Task", "parkOuter", "parkInner", "token_stack_test.go:"} {
			if !strings.Contains(b.String(), part) {
				t.Errorf("PrintStack lacks %q:\n%s", part, b.String())
			}
		}

		f.SetResult(1)
		turn()
		same(t, "Done", task.Done(), true)
		same(t, "frames when done", len(task.GetStack(0)), 0)
		b.Reset()
		matches(t, "PrintStack", task.PrintStack(&b, 0), nil)
		same(t, "PrintStack when done", strings.HasPrefix(b.String(), "No stack for"), true)
	})
}

// parkTask returns a coroutine that awaits f in a nested call, and captures its own
// stack before.
func parkTask(f *aio.Future[int]) aio.Coro[int] {
	return func(ctx context.Context) (int, error) {
		own := aio.CurrentTask(ctx).GetStack(0)
		if len(own) != 1 || !strings.Contains(own[0].Function, "parkTask") {
			return 0, fmt.Errorf("its own stack is %q", functions(own))
		}
		return 1, parkOuter(ctx, f)
	}
}

// An eager task asks for the stack of its creator, which is not suspended: it has none.
func TestGetStackOfTheCreator(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		creator := aio.CurrentTask(ctx)
		task := aio.CreateTask(ctx, aio.Coro[int](func(context.Context) (int, error) {
			return len(creator.GetStack(0)), nil
		}), aio.WithEagerStart(true))
		n, err := task.Result()
		same(t, "frames", fmt.Sprint(n, err), "0 <nil>")
	})
}

// descend awaits f in the innermost of n nested calls.
//
//go:noinline
func descend(ctx context.Context, f *aio.Future[int], n int) error {
	if n > 1 {
		return descend(ctx, f, n-1)
	}
	return parkInner(ctx, f)
}

func TestGetStackOfADeepTask(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		f := aio.CreateFuture[int](ctx)
		deep := aio.CreateTask(ctx, aio.Coro[int](func(ctx context.Context) (int, error) { return 1, descend(ctx, f, 500) }))
		matches(t, "Sleep", aio.Sleep(ctx, 0), nil)

		stack := deep.GetStack(0)
		same(t, "the outermost", strings.Contains(stack[0].Function, t.Name()), true)
		same(t, "the others", functions(stack[1:]), strings.Repeat("descend ", 500)+"parkInner")

		f.SetResult(1)
		matches(t, "Sleep", aio.Sleep(ctx, 0), nil)
	})
}

// The stack of a task can be captured while its goroutine runs steps of other tasks,
// and the task continues when it is resumed.
func TestGetStackOfATaskThatServesOthers(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	below := aio.CreateTask(l.Context(), aio.NoResult(func(ctx context.Context) error {
		for i := range 5 {
			log.add("below%d", i)
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		return nil
	}))
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		for i := range 5 {
			log.add("above%d", i)
			for range 2 {
				stack := below.GetStack(0)
				if len(stack) == 0 || !strings.Contains(stack[0].Function, t.Name()) {
					t.Errorf("step %d: the stack is %v", i, stack)
				}
			}
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
	log.want(t, "below0 above0 below1 above1 below2 above2 below3 above3 below4 above4")
}
