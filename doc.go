// Package aio gives Go programs the contracts of Python's asyncio: futures, tasks,
// queues, locks, events, semaphores, gather, shield, wait_for, task groups, timeouts,
// streams, transports and protocols, subprocesses. Programs run their steps in the same
// order as in CPython 3.14.
//
//	err := aio.Run(func(ctx context.Context) error {
//		names, err := aio.Gather(ctx, fetch("a"), fetch("b")).Await(ctx)
//		...
//	})
//
// # The model
//
// An event loop runs tasks. Each task is a goroutine, and a scheduler token lets one
// task of a loop run at a time. Control passes to another task only at an await: in a
// call that takes a ctx and is documented to suspend. Nothing else of the loop runs
// between two awaits, so state that only the tasks and callbacks of one loop use needs
// no mutex, and a run makes the same steps each time.
//
// A call that awaits takes the task's ctx as its first argument and returns an error as
// its last result. Calling a coroutine, f(ctx), runs it as part of the calling task;
// [CreateTask] runs it concurrently. CreateTask and similar functions take a [Coro]: a
// function of ctx alone that returns a value and an error. [NoResult] makes a Coro from
// a function that returns only an error.
//
// # Which function to use
//
// To start and wait:
//   - run a program: [Run], [Runner]
//   - run something concurrently: [CreateTask]; [TaskGroup], which waits for its tasks
//   - wait for several things: [TaskGroup], [Gather], [Wait], [AsCompleted]
//   - start a service, and wait until it is ready: [StartTask]
//   - try several ways, and keep the first success: [StaggeredRace]
//   - set a timeout: [Timeout], [WaitFor]
//   - cancel a piece of work as a whole, level-triggered: [CancelScope], [MoveOnAfter]
//   - protect an operation from cancellation: [Shield], [Shielded]
//   - end tasks, and wait until they have ended: [CancelAndWait]
//
// Between tasks:
//   - pass items from task to task: [Queue]
//   - limit concurrency: [Semaphore], [Lock], or N workers on a [Queue]
//   - wait for a change: [Event], [Condition], [Barrier]
//   - take items one by one from an iteration that awaits: [Pull]
//   - retry, run at intervals, limit rates, pool connections, stack clean-ups: package
//     [github.com/goaio/aio/aiokit]
//   - merge, zip, map or buffer such iterations: package [github.com/goaio/aio/aioiter]
//
// With the rest of Go:
//   - call something that blocks: [ToThread], [RunInExecutor]
//   - run an event loop in the background: [StartLoop]
//   - submit work to a loop from any goroutine: [RunCoroutineThreadsafe],
//     [Loop.CallSoonThreadsafe]
//   - receive from or send to a Go channel: [Receive], [Send]
//   - use all cores: [LoopGroup], [SharedListeners]
//
// Input and output:
//   - connect, and serve, with reads that await: [OpenConnection], [StartServer]
//   - the same with callbacks and the lowest overhead: [CreateConnection],
//     [CreateServer]
//   - use TLS: the options of these; [StartTLS] upgrades an established connection
//   - send datagrams: [CreateDatagramEndpoint]
//   - use a connection as a net.Conn: [NewConn]; give such ones to libraries: [Dialer],
//     [Listen]
//   - use a socket or descriptor of your own: [SockRecv], [SockSendall] and the other
//     Sock calls, [Loop.AddReader]
//   - serve and call HTTP: package [github.com/goaio/aio/aiohttp]
//   - use a SQL database: package [github.com/goaio/aio/aiosql]
//   - run other programs: [CreateSubprocessExec], [CreateSubprocessShell]
//   - handle a signal: [Loop.AddSignalHandler], [Runner]
//
// To see and test:
//   - print which task waits for which: [PrintCallGraph], [FormatTaskTree]
//   - find what blocks a loop, count, record: [Loop.StartWatchdog], [Loop.Stats],
//     [Timeline]
//   - look into a running program: package [github.com/goaio/aio/aiomon]
//   - test in virtual time; cancel at every await, try every order, simulate a service:
//     package [github.com/goaio/aio/aiotest]
//
// # Cancellation
//
// Cancelling a task makes its current await, or the next one that suspends, return a
// [*CancelledError], once. What the task waits for is cancelled with it. The task may
// clean up, and should return the error; if it swallows the error, the cancellation is
// spent. A [Timeout] or [TaskGroup] cancels in the same way, and converts the
// cancellation that it requested into its own error. A [CancelScope] fails every await
// in it until it is left; docs/cancellation.md has the rules of both.
//
// The ctx of a task is an ordinary context.Context as well. Tasks that are created with
// it inherit its values, but not its cancellation or deadline. Its Done channel closes
// when the task is cancelled or done, and that of a Timeout or TaskGroup when the scope
// ends. So a request or a query that was started with it in [ToThread] stops too. Its
// Err is context.DeadlineExceeded if a Timeout has expired, and context.Canceled
// otherwise; contexts derived from it end in the same way. Awaits do not look at Done.
//
// An await that is given a context derived by the caller, with context.WithTimeout,
// WithDeadline or WithCancel, ends when that context does. What it waits for is
// cancelled, and its error matches that context's Err and Cause. That is not a
// cancellation of the task: a task that returns the error has failed.
//
// # Errors
//
// Run-time failures are returned as errors. Programming errors are misuse: a call with
// an error result returns an error that matches [ErrUsage], a call without one panics
// with it. The call has no effect then. In a task a panic becomes the task's error, a
// [*PanicError], and the program continues.
//
// No error is lost. An error that is never retrieved, a callback that panics, and a
// task that is pending when its loop is closed are reported to the loop's exception
// handler, which by default writes to log/slog. runtime.Goexit in a task ends the task
// and then the goroutine that runs the loop, so t.FailNow works.
//
// Every call that awaits or uses a loop's state checks that its goroutine holds the
// token. A call from another goroutine is misuse, with [ErrWrongGoroutine]. On amd64
// and arm64 the check is always made, on other platforms in debug mode.
//
// # Connections
//
// The loop reads and writes sockets and pipes itself, and waits for them in the
// system's poller. On systems without a poller, and for a net.Conn without a
// descriptor, goroutines do this, with the same behaviour. A task reads a stream
// ([OpenConnection], [StartServer]) and is suspended until data arrives. A protocol
// ([CreateConnection], [CreateServer]) is called when data arrives, on the goroutine of
// the loop, and must not block.
//
// # Limits
//
// A coroutine that calls something that blocks, or computes for long, blocks its loop:
// use [ToThread]. Debug mode ([Loop.SetDebug], or the environment variable AIO_DEBUG)
// and [Loop.StartWatchdog] show where.
//
// A task must not hold runtime.LockOSThread while it awaits: that is a fatal error of
// the Go runtime, from which no program can recover. The loop itself may run on a
// locked thread if the goroutine that holds the lock makes, runs and closes the loop.
//
// docs/differences.md lists what differs from asyncio, and why; docs/porting.md lists
// every name of asyncio with its name here.
package aio
