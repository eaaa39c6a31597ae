package aio

// What can be awaited: the functions that tasks run, and everything that has become a
// future.

import "context"

// Awaitable is what can be awaited for a T: a Coro, a Future, a Task, or a type of the
// user's. A function literal is one once it is converted, aio.Coro[int](func(ctx
// context.Context) (int, error) {...}), and a slice of tasks is copied into a
// []Awaitable[int]; otherwise the compiler says that it cannot infer T.
type Awaitable[T any] interface {
	// Await suspends the calling task until there is a result: see Future.Await.
	Await(ctx context.Context) (T, error)
}

// Coro is a coroutine that has not been started: what calling an async def function
// returns in Python. CreateTask and the combinators start it; calling it, as c(ctx), runs
// it inline, as part of the calling task. Unlike Python's it may be run more than once,
// and one that is never run is not reported. For a function without a result there is
// NoResult.
type Coro[T any] func(ctx context.Context) (T, error)

// Await runs the coroutine inline.
func (c Coro[T]) Await(ctx context.Context) (T, error) { return c(ctx) }

// NoResult returns f as a Coro whose result says nothing, for the calls that take one:
// CreateTask, Gather, WaitFor, RunCoroutineThreadsafe, also ToThread. (In asyncio a
// coroutine without a result has the result None.)
func NoResult(f func(ctx context.Context) error) Coro[struct{}] {
	if f == nil {
		misuse("NoResult", "the function is nil")
	}
	return func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) }
}

// EnsureFuture returns aw itself if that is a Future or Task, and else a new task that
// awaits it: the way to start a Coro, or any other Awaitable, beside the caller. It never
// awaits, and panics as CreateTask does. (asyncio: ensure_future)
func EnsureFuture[T any](ctx context.Context, aw Awaitable[T]) FutureLike[T] {
	switch a := aw.(type) {
	case nil:
		misuse("EnsureFuture", "the awaitable is nil")
	case FutureLike[T]:
		mustCore("EnsureFuture", a)
		return a
	case Coro[T]:
		return CreateTask(ctx, a)
	}
	return CreateTask(ctx, aw.Await)
}
