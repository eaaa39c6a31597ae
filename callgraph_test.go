package aio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// graphFunctions returns the names of the functions of a stack without closures.
func graphFunctions(stack []aio.FrameCallGraphEntry) string {
	closure := regexp.MustCompile(`^(func)?\d+(-range\d+)?$`)
	var names []string
	for _, f := range stack {
		name := strings.ReplaceAll(f.Function, "[...]", "")
		name = name[strings.LastIndex(name, ".")+1:]
		if !closure.MatchString(name) && name != "wantGraph" {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// graphShape formats a graph on one line: name(innermost … outermost) <- [its
// awaiters].
func graphShape(g *aio.FutureCallGraph) string {
	if g == nil {
		return "nil"
	}
	name := "Future"
	if t, ok := g.Future.(aio.AnyTask); ok {
		name = t.GetName()
	}
	s := name + "(" + graphFunctions(g.CallStack) + ")"
	if len(g.AwaitedBy) == 0 {
		return s
	}
	var by []string
	for _, w := range g.AwaitedBy {
		by = append(by, graphShape(w))
	}
	return s + " <- [" + strings.Join(by, ", ") + "]"
}

// wantGraph compares the graph of f with want.
func wantGraph(t *testing.T, ctx context.Context, what string, f aio.AnyFuture, want string) {
	t.Helper()
	same(t, what, graphShape(aio.CaptureCallGraph(ctx, f, nil)), want)
}

// graphTask starts f as a named task.
func graphTask(ctx context.Context, name string, f func(ctx context.Context) error) *aio.Task[struct{}] {
	return aio.CreateTask(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) }, aio.WithName(name))
}

// inGraph runs f in a task named main, in a loop with a virtual clock.
func inGraph(t *testing.T, f func(ctx context.Context)) {
	t.Helper()
	inVirtualLoop(t, func(ctx context.Context, _ *aio.Loop) {
		aio.CurrentTask(ctx).SetName("main")
		f(ctx)
	})
}

//go:noinline
func graphAwait[T any](ctx context.Context, aw aio.Awaitable[T]) error {
	_, err := aw.Await(ctx)
	return err
}

//go:noinline
func graphOuter[T any](ctx context.Context, aw aio.Awaitable[T]) error { return graphInner(ctx, aw) }

//go:noinline
func graphInner[T any](ctx context.Context, aw aio.Awaitable[T]) error {
	_, err := aw.Await(ctx)
	return err
}

//go:noinline
func graphPlain(look func()) { look() }

//go:noinline
func graphHelper(ctx context.Context, opts *aio.CallGraphOptions) *aio.FutureCallGraph {
	return aio.CaptureCallGraph(ctx, nil, opts)
}

// GRAPH-001
func TestCallGraphOfTheCurrentTask(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		var g *aio.FutureCallGraph
		var self aio.AnyTask
		child := graphTask(ctx, "child", func(ctx context.Context) error {
			self = aio.CurrentTask(ctx)
			graphPlain(func() { g = graphHelper(ctx, nil) })
			return nil
		})
		matches(t, "the child", graphOuter(ctx, child), nil)
		same(t, "the graph", graphShape(g), "child(graphHelper graphPlain) <- [main(graphInner graphOuter)]")
		same(t, "Future", g.Future, aio.AnyFuture(self))
		innermost, caller := g.CallStack[0], g.CallStack[len(g.CallStack)-1]
		same(t, "the package", strings.HasPrefix(innermost.Function, "github.com/goaio/aio_test."), true)
		same(t, "the file", strings.HasSuffix(innermost.File, "/callgraph_test.go"), true)
		same(t, "the line is known", innermost.Line > 0, true)
		same(t, "the function of the task", strings.Contains(caller.Function, "graphTask"), true)
	})
}

// GRAPH-002: Skip is the depth of asyncio minus one.
func TestCallGraphSkip(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		stack := func(skip int) []aio.FrameCallGraphEntry {
			return graphHelper(ctx, &aio.CallGraphOptions{Skip: skip}).CallStack
		}
		whole := stack(0)
		same(t, "the innermost", graphFunctions(whole[:1]), "graphHelper")
		for _, skip := range []int{-1, 1, 2, len(whole), len(whole) + 1} {
			got, want := stack(skip), whole[min(max(skip, 0), len(whole)):]
			same(t, fmt.Sprintf("frames with Skip %d", skip), len(got), len(want))
			same(t, fmt.Sprintf("functions with Skip %d", skip), graphFunctions(got), graphFunctions(want))
		}

		f := aio.CreateFuture[int](ctx)
		other := graphTask(ctx, "other", func(ctx context.Context) error { return graphOuter(ctx, f) })
		letPass(ctx, 1)
		g := aio.CaptureCallGraph(ctx, other, &aio.CallGraphOptions{Skip: 1})
		same(t, "of another task", graphShape(g), "other(graphInner graphOuter)")
		f.SetResult(1)
		letPass(ctx, 1)
	})
}

// GRAPH-003: in Go, a running task shows its whole stack.
func TestCallGraphOfAnotherTask(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f := aio.CreateFuture[int](ctx)
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			child := tg.Go(func(ctx context.Context) error { return graphOuter(ctx, f) }, aio.WithName("child"))
			letPass(ctx, 1)
			graphPlain(func() {
				wantGraph(t, ctx, "the child", child, "child(graphInner graphOuter) <- [main(graphPlain)]")
			})
			return f.SetResult(1)
		})
		matches(t, "the group", err, nil)
	})
}

// GRAPH-004, GRAPH-008
func TestCallGraphOfAFuture(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f := aio.CreateFuture[int](ctx)
		wantGraph(t, ctx, "without a waiter", f, "Future()")
		a := graphTask(ctx, "a", func(ctx context.Context) error { return graphOuter(ctx, f) })
		b := graphTask(ctx, "b", func(ctx context.Context) error { return graphAwait(ctx, f) })
		// a plain callback is not an awaiter
		f.AddDoneCallback(func(*aio.Future[int]) {})
		letPass(ctx, 1)
		wantGraph(t, ctx, "awaited by two", f, "Future() <- [a(graphInner graphOuter), b(graphAwait)]")

		a.SetName("renamed")
		wantGraph(t, ctx, "awaited by two", f, "Future() <- [renamed(graphInner graphOuter), b(graphAwait)]")
		a.Cancel() // this also cancels f
		wantGraph(t, ctx, "done", f, "Future()")
		letPass(ctx, 1)
		same(t, "a is done", a.Cancelled(), true)
		same(t, "b is done", b.Cancelled(), true)
	})
}

// GRAPH-005, GRAPH-008
func TestCallGraphNests(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f := aio.CreateFuture[int](ctx)
		leaf := graphTask(ctx, "leaf", func(ctx context.Context) error { return graphAwait(ctx, f) })
		b := graphTask(ctx, "b", func(ctx context.Context) error { return graphOuter(ctx, leaf) })
		c := graphTask(ctx, "c", func(ctx context.Context) error { return graphAwait(ctx, leaf) })
		a := graphTask(ctx, "a", func(ctx context.Context) error {
			return graphAwait(ctx, aio.Gather[struct{}](ctx, b, c))
		})
		letPass(ctx, 1)
		wantGraph(t, ctx, "two paths to a", leaf,
			"leaf(graphAwait) <- [b(graphInner graphOuter) <- [a(graphAwait)], c(graphAwait) <- [a(graphAwait)]]")
		f.SetResult(1)
		matches(t, "a", graphAwait(ctx, a), nil)
	})
}

// For a cycle of awaits asyncio's recursion does not end.
func TestCallGraphOfACycle(t *testing.T) {
	l, _ := newLoop(t)
	ctx := l.Context()
	var a, b *aio.Task[struct{}]
	a = graphTask(ctx, "a", func(ctx context.Context) error { return graphAwait(ctx, b) })
	b = graphTask(ctx, "b", func(ctx context.Context) error { return graphOuter(ctx, a) })
	c := graphTask(ctx, "c", func(ctx context.Context) error { return graphAwait(ctx, b) })
	var got string
	l.CallLater(time.Second, func() { got = graphShape(aio.CaptureCallGraph(ctx, a, nil)) })
	matches(t, "RunForever", l.RunForever(), aio.ErrDeadlock)
	same(t, "the graph", got, "a(graphAwait) <- [b(graphInner graphOuter) <- [a(graphAwait), c(graphAwait)]]")
	same(t, "c", c.Done(), false)
}

// GRAPH-006, GRAPH-020: for a task that has not started, the stack contains its
// function.
func TestCallGraphOfATaskGroup(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f := aio.CreateFuture[int](ctx)
		var child *aio.Task[int]
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			child = aio.GoResult(tg, forever, aio.WithName("child"))
			wantGraph(t, ctx, "created", child, "child(forever) <- [main()]")
			letPass(ctx, 1)
			wantGraph(t, ctx, "started", child, "child(forever) <- [main()]")
			graphTask(ctx, "outside", func(ctx context.Context) error {
				wantGraph(t, ctx, "the body awaits", child, "child(forever) <- [main(graphAwait)]")
				f.SetResult(1)
				letPass(ctx, 2)
				wantGraph(t, ctx, "the group waits", child, "child(forever) <- [main()]")
				child.Cancel()
				letPass(ctx, 1)
				wantGraph(t, ctx, "done", child, "child()")
				return nil
			})
			return graphAwait(ctx, f)
		})
		matches(t, "the group", err, nil)
	})
}

// GRAPH-007
func TestCallGraphOfATaskOfAGroupThatSiblingsAwait(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f := aio.CreateFuture[int](ctx)
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			child := tg.Go(func(ctx context.Context) error { return graphAwait(ctx, f) }, aio.WithName("child"))
			for _, name := range []string{"a", "b"} {
				tg.Go(func(ctx context.Context) error { return graphOuter(ctx, child) }, aio.WithName(name))
			}
			letPass(ctx, 1)
			wantGraph(t, ctx, "the child", child, "child(graphAwait) <- [main(), "+
				"a(graphInner graphOuter) <- [main()], b(graphInner graphOuter) <- [main()]]")
			return f.SetResult(1)
		})
		matches(t, "the group", err, nil)
	})
}

// GRAPH-009, GRAPH-010
func TestCallGraphOfGather(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f, g := aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx)
		var gathered *aio.Future[[]int]
		caller := graphTask(ctx, "caller", func(ctx context.Context) error {
			gathered = aio.Gather[int](ctx, f, g, f)
			return graphOuter(ctx, gathered)
		})
		letPass(ctx, 1)
		const by = "Future() <- [caller(graphInner graphOuter)]"
		// GRAPH-020: the caller is listed once, although f is passed twice
		wantGraph(t, ctx, "the first", f, by)
		wantGraph(t, ctx, "the second", g, by)
		wantGraph(t, ctx, "the future of Gather", gathered, by)

		matches(t, "SetException", f.SetException(errOne), nil)
		letPass(ctx, 1)
		wantGraph(t, ctx, "the survivor", g, "Future()")
		letPass(ctx, 1)
		same(t, "the caller is done", errors.Is(caller.Exception(), errOne), true)
	})
}

// A nested Gather, Shield or Wait passes the awaiter on to the inner futures.
func TestCallGraphOfCombinatorsInCombinators(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f := aio.CreateFuture[int](ctx)
		graphTask(ctx, "gathers", func(ctx context.Context) error {
			return graphAwait(ctx, aio.Gather[[]int](ctx, aio.Gather[int](ctx, f)))
		})
		graphTask(ctx, "shields", func(ctx context.Context) error {
			return graphAwait(ctx, aio.Shield[[]int](ctx, aio.Gather[int](ctx, f)))
		})
		graphTask(ctx, "waits", func(ctx context.Context) error {
			_, _, err := aio.Wait(ctx, []aio.AnyFuture{aio.Gather[int](ctx, f)}, aio.NoTimeout, aio.AllCompleted)
			return err
		})
		letPass(ctx, 1)
		wantGraph(t, ctx, "all of them", f, "Future() <- [gathers(graphAwait), shields(graphAwait), waits()]")
		f.SetResult(1)
		letPass(ctx, 5)
	})
}

// GRAPH-011
func TestCallGraphOfShield(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f := aio.CreateFuture[int](ctx)
		inner := graphTask(ctx, "inner", func(ctx context.Context) error { return graphAwait(ctx, f) })
		waiter := graphTask(ctx, "waiter", func(ctx context.Context) error {
			return graphOuter(ctx, aio.Shield(ctx, inner))
		})
		letPass(ctx, 1)
		wantGraph(t, ctx, "shielded", inner, "inner(graphAwait) <- [waiter(graphInner graphOuter)]")
		waiter.Cancel()
		letPass(ctx, 1)
		wantGraph(t, ctx, "given up", inner, "inner(graphAwait)")
		f.SetResult(1)
		letPass(ctx, 1)
	})
}

// GRAPH-012
func TestCallGraphThroughATimeout(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f := aio.CreateFuture[int](ctx)
		child := graphTask(ctx, "child", func(ctx context.Context) error { return graphAwait(ctx, f) })
		waiter := graphTask(ctx, "waiter", func(ctx context.Context) error { return graphWithTimeout(ctx, child) })
		letPass(ctx, 1)
		g := aio.CaptureCallGraph(ctx, child, nil)
		same(t, "the chain", graphShape(g), "child(graphAwait) <- [waiter(graphAwait graphWithTimeout)]")
		// the body, the function around it, and two closures of the task
		same(t, "frames", len(g.AwaitedBy[0].CallStack), 5)
		f.SetResult(1)
		matches(t, "the waiter", graphAwait(ctx, waiter), nil)
	})
}

//go:noinline
func graphWithTimeout(ctx context.Context, aw aio.Awaitable[struct{}]) error {
	return aio.Timeout(ctx, time.Hour, func(ctx context.Context) error { return graphAwait(ctx, aw) })
}

// GRAPH-013
func TestCallGraphOfWait(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f, g := aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx)
		graphTask(ctx, "waiter", func(ctx context.Context) error {
			_, _, err := aio.Wait(ctx, []*aio.Future[int]{f, g}, aio.NoTimeout, aio.FirstCompleted)
			if err == nil {
				wantGraph(t, ctx, "the remaining one", g, "Future()")
			}
			return err
		})
		letPass(ctx, 1)
		wantGraph(t, ctx, "the first", f, "Future() <- [waiter()]")
		wantGraph(t, ctx, "the second", g, "Future() <- [waiter()]")
		f.SetResult(1)
		letPass(ctx, 3)
		g.Cancel()
	})
}

// GRAPH-014
func TestCallGraphOfAsCompleted(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f, g := aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx)
		graphTask(ctx, "waiter", func(ctx context.Context) error {
			for _, err := range aio.AsCompleted(ctx, []*aio.Future[int]{f, g}, aio.NoTimeout).All(ctx) {
				return err // when the first task fails
			}
			return nil
		})
		letPass(ctx, 1)
		wantGraph(t, ctx, "the first", f, "Future() <- [waiter()]")
		wantGraph(t, ctx, "the second", g, "Future() <- [waiter()]")
		f.SetResult(1)
		letPass(ctx, 2)
		wantGraph(t, ctx, "the loop is closed", g, "Future()")
		g.Cancel()
		letPass(ctx, 1)
	})
}

// GRAPH-015
func TestCallGraphOfAsCompletedThatTimesOut(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		task := graphTask(ctx, "child", func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
		for next := range aio.AsCompleted(ctx, []aio.AnyFuture{task}, time.Second).Next() {
			aio.CreateTask(ctx, next, aio.WithName("waiter")).AddDoneCallback(func(w *aio.Future[aio.AnyFuture]) {
				matches(t, "the waiter", w.Exception(), aio.ErrTimeout)
			})
		}
		letPass(ctx, 1)
		wantGraph(t, ctx, "in time", task, "child() <- [waiter()]")
		matches(t, "Sleep", aio.Sleep(ctx, 2*time.Second), nil)
		wantGraph(t, ctx, "too late", task, "child()")
		matches(t, "the child", graphAwait(ctx, task), nil)
	})
}

// GRAPH-016
func TestCallGraphOfWaitForThatWaitsForACleanup(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		busy := graphTask(ctx, "busy", func(ctx context.Context) error {
			if _, err := forever(ctx); !errors.Is(err, aio.ErrCancelled) {
				return err
			}
			return graphCleanUp(ctx)
		})
		letPass(ctx, 1)
		waiter := graphTask(ctx, "waiter", func(ctx context.Context) error {
			_, err := aio.WaitFor(ctx, busy, 0)
			return err
		})
		letPass(ctx, 3)
		wantGraph(t, ctx, "busy", busy, "busy(graphCleanUp) <- [waiter()]")
		matches(t, "the waiter", graphAwait(ctx, waiter), nil)
	})
}

//go:noinline
func graphCleanUp(ctx context.Context) error { return aio.Sleep(ctx, time.Second) }

// GRAPH-017
func TestCallGraphOfATaskThatIsDone(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		finished := graphTask(ctx, "finished", func(context.Context) error { return nil })
		failed := graphTask(ctx, "failed", func(context.Context) error { return errOne })
		cancelled := graphTask(ctx, "cancelled", func(context.Context) error { return nil })
		cancelled.Cancel()
		tasks := []*aio.Task[struct{}]{finished, failed, cancelled}
		_, _, err := aio.Wait(ctx, tasks, aio.NoTimeout, aio.AllCompleted)
		matches(t, "Wait", err, nil)
		for _, task := range tasks {
			wantGraph(t, ctx, "done", task, task.GetName()+"()")
			text := aio.FormatCallGraph(ctx, task, nil)
			want := fmt.Sprintf(`^\* Task\(name="%s", id=0x[0-9a-f]+\)$`, task.GetName())
			same(t, text+" matches "+want, regexp.MustCompile(want).MatchString(text), true)
		}
		matches(t, "the failed task", failed.Exception(), errOne)
	})
}

// graphGenerator returns an iterator that awaits f and then yields.
func graphGenerator(ctx context.Context, f *aio.Future[int]) iter.Seq[int] {
	return func(yield func(int) bool) { graphGenerate(ctx, f, yield) }
}

//go:noinline
func graphGenerate(ctx context.Context, f *aio.Future[int], yield func(int) bool) {
	v, err := f.Await(ctx)
	if err == nil {
		yield(v)
	}
}

//go:noinline
func graphRanges(ctx context.Context, f, g *aio.Future[int]) (err error) {
	for range graphGenerator(ctx, f) {
		err = graphAwait(ctx, g)
	}
	return err
}

// GRAPH-018, GRAPH-019: an iterator that awaits is a frame like any other function.
func TestCallGraphThroughAnIterator(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f, g := aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx)
		task := graphTask(ctx, "task", func(ctx context.Context) error { return graphRanges(ctx, f, g) })
		letPass(ctx, 1)
		wantGraph(t, ctx, "it awaits", task, "task(graphGenerate graphRanges)")
		f.SetResult(1)
		letPass(ctx, 1)
		got := graphShape(aio.CaptureCallGraph(ctx, task, nil))
		want := regexp.MustCompile(`^task\(graphAwait graphRanges-range1 graphGenerate graphRanges\)$`)
		same(t, got+" has all frames", want.MatchString(got), true)
		g.SetResult(1)
		letPass(ctx, 1)
	})
}

// GRAPH-021
func TestCallGraphLimit(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f := aio.CreateFuture[int](ctx)
		child := aio.CreateTask(ctx, graphEntry(f), aio.WithName("child"))
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			waiter := aio.GoResult(tg, func(ctx context.Context) (int, error) { return 0, graphOuter(ctx, child) }, aio.WithName("waiter"))
			letPass(ctx, 1)
			for _, tt := range []struct {
				opts  aio.CallGraphOptions
				child string
			}{
				{aio.CallGraphOptions{}, "child(graphInner graphOuter graphEnter) <- [waiter(graphInner graphOuter) <- [main(%s)]]"},
				{aio.CallGraphOptions{Limit: 2}, "child(graphOuter graphEnter) <- [waiter(graphOuter) <- [main(%s)]]"},
				{aio.CallGraphOptions{Limit: 3}, "child(graphInner graphOuter graphEnter) <- [waiter(graphInner graphOuter) <- [main(%s)]]"},
				{aio.CallGraphOptions{Limit: 100}, "child(graphInner graphOuter graphEnter) <- [waiter(graphInner graphOuter) <- [main(%s)]]"},
				{aio.CallGraphOptions{Limit: -1}, "child(graphInner) <- [waiter(graphInner) <- [main(%s)]]"},
				{aio.CallGraphOptions{Limit: -100}, "child(graphInner graphOuter graphEnter) <- [waiter(graphInner graphOuter) <- [main(%s)]]"},
				{aio.CallGraphOptions{NoStacks: true}, "child() <- [waiter() <- [main(%s)]]"},
			} {
				main := graphFunctions(aio.CaptureCallGraph(ctx, nil, &tt.opts).CallStack)
				got := graphShape(aio.CaptureCallGraph(ctx, child, &tt.opts))
				same(t, fmt.Sprintf("%+v", tt.opts), got, fmt.Sprintf(tt.child, main))
			}
			f.SetResult(1)
			return graphAwait(ctx, waiter)
		})
		matches(t, "the group", err, nil)

		// Limit applies to the running task after Skip.
		whole := graphHelper(ctx, nil).CallStack
		n := len(whole)
		for limit, want := range map[int][]aio.FrameCallGraphEntry{
			1: whole[n-1:], 2: whole[n-2:], n: whole[1:], -1: whole[1:2], -n: whole[1:],
		} {
			got := graphHelper(ctx, &aio.CallGraphOptions{Skip: 1, Limit: limit}).CallStack
			function := func(f aio.FrameCallGraphEntry) string { return f.Function }
			same(t, fmt.Sprintf("the running task with limit %d", limit), graphNames(got, function), graphNames(want, function))
		}
		same(t, "the running task without stacks", len(graphHelper(ctx, &aio.CallGraphOptions{NoStacks: true}).CallStack), 0)
	})
}

func graphNames[T any](all []T, name func(T) string) string {
	var names []string
	for _, v := range all {
		names = append(names, name(v))
	}
	return strings.Join(names, " ")
}

// graphEntry returns a coroutine whose outermost frame has a name. It awaits f two
// calls below.
func graphEntry(f *aio.Future[int]) aio.Coro[int] { return graphEntered{f}.graphEnter }

type graphEntered struct{ f *aio.Future[int] }

//go:noinline
func (e graphEntered) graphEnter(ctx context.Context) (int, error) { return 0, graphOuter(ctx, e.f) }

// GRAPH-020
func TestCallGraphOfATaskThatHasNotStarted(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		task := aio.CreateTask(ctx, forever, aio.WithName("task"))
		g := aio.CaptureCallGraph(ctx, task, nil)
		same(t, "the graph", graphShape(g), "task(forever)")
		same(t, "frames", len(g.CallStack), 1)
		task.Cancel()
		letPass(ctx, 1)
	})
}

// GRAPH-022: passing something that is not a future does not compile.
func TestCallGraphWithoutATask(t *testing.T) {
	l, _ := newLoop(t)
	ctx := l.Context()
	for name, call := range map[string]func(ctx context.Context, f aio.AnyFuture){
		"CaptureCallGraph": func(ctx context.Context, f aio.AnyFuture) { aio.CaptureCallGraph(ctx, f, nil) },
		"FormatCallGraph":  func(ctx context.Context, f aio.AnyFuture) { aio.FormatCallGraph(ctx, f, nil) },
		"PrintCallGraph": func(ctx context.Context, f aio.AnyFuture) {
			raise(aio.PrintCallGraph(ctx, new(strings.Builder), f, nil))
		},
	} {
		f := aio.CreateFuture[int](ctx)
		for what, err := range map[string]error{
			"with a loop that is not running": panics(func() { call(ctx, nil) }),
			"without a loop":                  panics(func() { call(context.Background(), nil) }),
			"without a loop, of a future":     panics(func() { call(context.Background(), f) }),
		} {
			matches(t, name+" "+what, err, aio.ErrNoRunningLoop)
			if err != nil && !strings.HasPrefix(err.Error(), "aio: "+name+": ") {
				t.Errorf("%s %s: the error is %q", name, what, err)
			}
		}
		matches(t, name+" of a future, before the loop runs", panics(func() { call(ctx, f) }), nil)
	}
	var b strings.Builder
	l.CallSoon(func() {
		same(t, "the graph in a callback", aio.CaptureCallGraph(ctx, nil, nil), nil)
		same(t, "the text in a callback", aio.FormatCallGraph(ctx, nil, nil), "")
		matches(t, "PrintCallGraph in a callback", aio.PrintCallGraph(ctx, &b, nil, nil), nil)
		l.Stop()
	})
	matches(t, "RunForever", l.RunForever(), nil)
	same(t, "the output in a callback", b.String(), "\n")
}

func TestCallGraphFromAnotherGoroutine(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f, g := aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx)
		foreign := func(call func()) error {
			result := make(chan error)
			go func() { result <- panics(call) }()
			return <-result
		}
		for name, call := range map[string]func(){
			"CaptureCallGraph":             func() { aio.CaptureCallGraph(ctx, nil, nil) },
			"CaptureTasks":                 func() { aio.CaptureTasks(ctx) },
			"FutureAddToAwaitedBy":         func() { aio.FutureAddToAwaitedBy(f, g) },
			"FutureDiscardFromAwaitedBy":   func() { aio.FutureDiscardFromAwaitedBy(f, g) },
			"FormatCallGraph, of a future": func() { aio.FormatCallGraph(ctx, f, nil) },
		} {
			matches(t, name, foreign(call), aio.ErrWrongGoroutine)
		}
		wantGraph(t, ctx, "afterwards", f, "Future()")
	})
}

// GRAPH-023, GRAPH-024, GRAPH-025: in Go all functions have the same format, without a
// tag for coroutines.
func TestPrintCallGraph(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f := aio.CreateFuture[int](ctx)
		inner := graphTask(ctx, "inner", func(ctx context.Context) error { return graphOuter(ctx, f) })
		outer := aio.CreateTask(ctx, graphAwaits{inner}.await, aio.WithName("outer"))
		letPass(ctx, 1)
		var b strings.Builder
		matches(t, "PrintCallGraph", aio.PrintCallGraph(ctx, &b, f, &aio.CallGraphOptions{Limit: -1}), nil)
		same(t, "its end", strings.HasSuffix(b.String(), ")\n"), true)
		text := strings.TrimSuffix(b.String(), "\n")
		same(t, "the same as FormatCallGraph", text, aio.FormatCallGraph(ctx, f, &aio.CallGraphOptions{Limit: -1}))

		id := regexp.MustCompile(`id=0x[0-9a-f]+`)
		place := regexp.MustCompile(`File "[^"]*/callgraph_test.go", line [1-9]\d*,`)
		ids := id.FindAllString(text, -1)
		slices.Sort(ids)
		same(t, "identities", len(slices.Compact(ids)), 3)
		same(t, "without identities and places\n", place.ReplaceAllString(id.ReplaceAllString(text, "id=X"), "File F, line N,"), ``+
			`* Future(id=X)
  + Awaited by:
    * Task(name="inner", id=X)
      + Call stack:
      |   File F, line N, in github.com/goaio/aio_test.graphInner[...]()
      + Awaited by:
        * Task(name="outer", id=X)
          + Call stack:
          |   File F, line N, in github.com/goaio/aio_test.graphAwaits.await()`)

		r, w, err := os.Pipe()
		matches(t, "Pipe", err, nil)
		stdout := os.Stdout
		os.Stdout = w
		matches(t, "PrintCallGraph to standard output", aio.PrintCallGraph(ctx, nil, f, &aio.CallGraphOptions{Limit: -1}), nil)
		os.Stdout = stdout
		w.Close()
		printed, err := io.ReadAll(r)
		matches(t, "ReadAll", err, nil)
		r.Close()
		same(t, "standard output", string(printed), b.String())

		matches(t, "a writer that fails", aio.PrintCallGraph(ctx, graphBroken{}, f, nil), errTwo)
		f.SetResult(1)
		matches(t, "the outer one", graphAwait(ctx, outer), nil)
	})
}

type graphAwaits struct{ task *aio.Task[struct{}] }

//go:noinline
func (a graphAwaits) await(ctx context.Context) (struct{}, error) { return a.task.Await(ctx) }

type graphBroken struct{}

func (graphBroken) Write([]byte) (int, error) { return 0, errTwo }

// A combinator that is built with done callbacks registers the awaiter itself.
func TestFutureAddToAwaitedBy(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f, g := aio.CreateFuture[int](ctx), aio.CreateFuture[int](ctx)
		task := graphTask(ctx, "task", func(ctx context.Context) error { return graphAwait(ctx, g) })
		aio.FutureAddToAwaitedBy(f, g)
		aio.FutureAddToAwaitedBy(f, task)
		aio.FutureAddToAwaitedBy(f, task)
		letPass(ctx, 1)
		wantGraph(t, ctx, "two are named", f, "Future() <- [Future() <- [task(graphAwait)], task(graphAwait)]")
		wantGraph(t, ctx, "the other one", g, "Future() <- [task(graphAwait)]")

		aio.FutureDiscardFromAwaitedBy(f, task)
		aio.FutureDiscardFromAwaitedBy(f, task)
		aio.FutureDiscardFromAwaitedBy(g, task) // known without the registration
		wantGraph(t, ctx, "one is left", f, "Future() <- [Future() <- [task(graphAwait)]]")
		wantGraph(t, ctx, "the other one", g, "Future() <- [task(graphAwait)]")

		aio.FutureAddToAwaitedBy(f, task)
		g.SetResult(1)
		wantGraph(t, ctx, "one is done", f, "Future() <- [task(graphAwait)]")
		letPass(ctx, 1)
		wantGraph(t, ctx, "both are done", f, "Future()")
		aio.FutureAddToAwaitedBy(f, aio.CurrentTask(ctx))
		f.SetResult(1)
		wantGraph(t, ctx, "it is done", f, "Future()")
		aio.FutureAddToAwaitedBy(f, aio.CurrentTask(ctx))
		wantGraph(t, ctx, "named when done", f, "Future()")
	})
}

func TestFutureAddToAwaitedByOfTwoLoops(t *testing.T) {
	l, _ := newLoop(t)
	other, _ := newLoop(t)
	f, g := aio.CreateFuture[int](l.Context()), aio.CreateFuture[int](other.Context())
	matches(t, "two loops", panics(func() { aio.FutureAddToAwaitedBy(f, g) }), aio.ErrOtherLoop)
	aio.FutureDiscardFromAwaitedBy(f, g)
}

// FutureAddToAwaitedBy does not keep a failed future alive, so its error is still
// reported.
func TestFutureAddToAwaitedByDoesNotHideErrors(t *testing.T) {
	l, reports := newLoop(t)
	ctx := l.Context()
	func() {
		f := aio.CreateFuture[int](ctx)
		waiter := aio.CreateFuture[int](ctx)
		waiter.AddDoneCallback(func(*aio.Future[int]) { f.Done() }) // holds f
		aio.FutureAddToAwaitedBy(f, waiter)
		f.SetException(errOne)
	}()
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		collected(t, ctx, "a report came", func() bool { return len(*reports) > 0 })
		return nil
	}))
	matches(t, "RunUntilComplete", err, nil)
	if len(*reports) != 1 || !errors.Is((*reports)[0].Err, errOne) {
		t.Errorf("the reports are %v", *reports)
	}
}

func TestCallGraphOfAStaggeredRace(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		f := aio.CreateFuture[int](ctx)
		graphTask(ctx, "race", func(ctx context.Context) error {
			_, err := aio.StaggeredRace(ctx, 0, graphEntry(f), graphEntry(f))
			return err
		})
		letPass(ctx, 10)
		var got []string
		for _, w := range aio.CaptureCallGraph(ctx, f, nil).AwaitedBy {
			w.Future.(aio.AnyTask).SetName("one")
			got = append(got, graphShape(w))
		}
		const one = "one(graphInner graphOuter graphEnter) <- [race()]"
		same(t, "the tasks of the race", strings.Join(got, ", "), one+", "+one)
		f.SetResult(1)
		letPass(ctx, 10)
	})
}

// An eager task has its awaiter as soon as its creator has the task.
func TestCallGraphOfAnEagerTask(t *testing.T) {
	inGraph(t, func(ctx context.Context) {
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			creator := aio.CurrentTask(ctx)
			tg.Go(func(ctx context.Context) error {
				same(t, "its own graph", graphShape(graphHelper(ctx, nil)), "eager(graphHelper)")
				wantGraph(t, ctx, "the creator, which is running", creator, "main()")
				same(t, "the creator's stack", len(aio.CaptureCallGraph(ctx, creator, nil).CallStack), 0)
				letPass(ctx, 1)
				same(t, "its own graph", graphShape(graphHelper(ctx, nil)), "eager(graphHelper) <- [main()]")
				return nil
			}, aio.WithEagerStart(true), aio.WithName("eager"))
			return nil
		})
		matches(t, "the group", err, nil)
	})
}

// Capturing a call graph does not change the order of steps.
func TestCallGraphDoesNotDisturb(t *testing.T) {
	order := func(look bool) string {
		var log eventLog
		inGraph(t, func(ctx context.Context) {
			err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				for i := range 30 {
					tg.Go(func(ctx context.Context) error {
						for turn := range 3 {
							log.add("%d.%d", turn, i)
							if look {
								same(t, "tasks", len(aio.CaptureTasks(ctx)) > 1, true)
							}
							letPass(ctx, 1)
						}
						return nil
					})
				}
				return nil
			})
			matches(t, "the group", err, nil)
		})
		return strings.Join(log, " ")
	}
	same(t, "the order", order(true), order(false))
}
