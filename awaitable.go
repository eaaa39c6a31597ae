package aio

// Awaitable values: the functions that tasks run, and every type that embeds a future.

import "context"

// Awaitable is a value that can be awaited for a T: a [Coro], a [Future], a [Task], or
// a type of another package. A function literal becomes one by conversion,
// aio.Coro[int](func(ctx context.Context) (int, error) {...}), and a slice of tasks
// must be copied into a []Awaitable[int]; otherwise the compiler reports that it cannot
// infer T.
type Awaitable[T any] interface {
	// Await suspends the calling task until there is a result: see [Future.Await].
	Await(ctx context.Context) (T, error)
}

// Coro is a coroutine that has not been started: what the call of an async def function
// returns in Python. [CreateTask] and the combinators start it. Calling it directly, as
// c(ctx), runs it inline, as part of the calling task.
//
// Unlike Python's, a Coro may run more than once, and one that never runs is not
// reported. For a function without a result use [NoResult].
type Coro[T any] func(ctx context.Context) (T, error)

// Await runs the coroutine inline.
func (c Coro[T]) Await(ctx context.Context) (T, error) { return c(ctx) }

// AsCoro returns f as a [Coro], where the compiler cannot infer the type of its result:
// aio.Gather(ctx, aio.AsCoro(f), aio.AsCoro(g)).
func AsCoro[T any](f func(ctx context.Context) (T, error)) Coro[T] {
	if f == nil {
		misuse("AsCoro", "the function is nil")
	}
	return f
}

// NoResult returns f as a [Coro] with an empty result, for the functions that take a
// Coro: [CreateTask], [Gather], [WaitFor], [RunCoroutineThreadsafe], also [ToThread].
// (In asyncio a coroutine without a result has the result None.)
func NoResult(f func(ctx context.Context) error) Coro[struct{}] {
	if f == nil {
		misuse("NoResult", "the function is nil")
	}
	return func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) }
}

// EnsureFuture returns aw itself if it is a [Future] or [Task]. Otherwise it returns a
// new task that awaits aw: this is how to run a [Coro], or any other [Awaitable],
// concurrently. It never awaits, and panics as [CreateTask] does. (asyncio:
// ensure_future)
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
