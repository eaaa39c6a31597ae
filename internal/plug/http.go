package plug

import "context"

// ContainGoexit makes runtime.Goexit in the running task of ctx's loop end that task
// alone. Everywhere else it goes on to the goroutine that runs the loop, so that
// t.FailNow in a task ends the test; but a handler that calls it must not end the server
// of which it serves one request.
var ContainGoexit func(ctx context.Context)

// Start has a loop, a *aio.Loop, start a task that runs c. Any goroutine may call it. It
// costs less than aio.RunCoroutineThreadsafe: nobody waits for the outcome, and a loop
// that sleeps is left asleep. Start then returns true, and the caller, and nobody else,
// has to call Wake. Until it does, others add what they have, and the loop wakes once for
// all of it.
var Start func(loop any, c Coro) (asleep bool)

// Wake wakes a loop after Start has returned true.
var Wake func(loop any)

// Coro is what Start starts.
type Coro interface {
	// Run is the body of the task.
	Run(ctx context.Context)
	// Never is called in place of Run if that will never be called: the loop is
	// closed, the task was cancelled before its first step, or the task factory
	// refused. Any goroutine may call it.
	Never()
}

// CancelLater has the next await that suspends the running task of ctx's loop return err,
// a cancellation that an await has returned already: for a call that has succeeded in the
// moment in which the task was cancelled.
var CancelLater func(ctx context.Context, err error)
