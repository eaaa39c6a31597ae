package plug

import "context"

// ContainGoexit makes runtime.Goexit in the running task of ctx's loop end only that
// task. Normally runtime.Goexit continues in the goroutine that runs the loop, so that
// t.FailNow in a task ends the test; but a handler that calls it must not end the
// server.
var ContainGoexit func(ctx context.Context)

// Start makes a loop, a *aio.Loop, start a task that runs c. Any goroutine may call it.
// It costs less than aio.RunCoroutineThreadsafe, because it has no result and does not
// wake a sleeping loop. If the loop sleeps, Start returns true; then the caller, and
// only the caller, must call Wake. Until the call of Wake other goroutines may add
// tasks, and the loop wakes once for all of them.
var Start func(loop any, c Coro) (asleep bool)

// Wake wakes a loop after Start has returned true.
var Wake func(loop any)

// Tell makes a loop call fn, from any goroutine, and wakes it if it sleeps. It does
// nothing if the loop is closed. It costs less than Loop.CallSoonThreadsafe, because
// there is no handle.
var Tell func(loop any, fn func())

// Labels returns the profiling labels of the running goroutine, and SetLabels sets them,
// for a goroutine that works for one task after another. Neither allocates.
var (
	Labels    func() (labels any)
	SetLabels func(labels any)
)

// InBubble reports whether the running goroutine is in a bubble of testing/synctest. It
// takes 2 µs.
var InBubble func() bool

// Coro is the task body that Start runs.
type Coro interface {
	// Run is the body of the task.
	Run(ctx context.Context)
	// Never is called instead of Run if the task will never run: the loop is
	// closed, the task was cancelled before its first step, or the task factory
	// refused it. Any goroutine may call it.
	Never()
}

// CancelLater makes the next await that suspends the running task of ctx's loop return
// err, a cancellation that an await has returned already. It is for a call that has
// succeeded at the moment in which the task was cancelled.
var CancelLater func(ctx context.Context, err error)

// Unsupported returns an error if the network of a loop, a *aio.Loop, is simulated, and
// nil otherwise. It is for a call that uses the system's network without the loop; what
// completes "the simulated network cannot".
var Unsupported func(loop any, what string) error
