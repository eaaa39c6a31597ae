// Package aio gives Go programs the contracts of Python's asyncio: futures, tasks, queues, locks,
// events, semaphores, gather, shield, wait_for, task groups, timeouts, streams, transports and
// protocols, with the same order of steps.
//
//	err := aio.Run(func(ctx context.Context) error {
//		names, err := aio.Gather(ctx, fetch("a"), fetch("b")).Await(ctx)
//		...
//	})
//
// # The model
//
// A loop runs tasks. Each task is a goroutine, and a token that the loop hands out lets one of them
// run at a time. The token changes hands only where a task awaits: in calls that take a ctx and say
// that they suspend. Between two of them nothing else of the loop runs, so state that only tasks and
// callbacks of one loop touch needs no mutex, and a run makes the same steps each time.
//
// A call that awaits takes the ctx that the task was given as its first argument and returns an
// error as its last result. Calling a coroutine, f(ctx), runs it as part of the calling task;
// CreateTask starts it beside the caller. What is handed to CreateTask and its like is a Coro: a
// function of ctx alone that returns a value and an error. NoResult makes one of a function that
// returns only an error.
//
// # Which one to use
//
//	run a program                             Run, Runner
//	start something beside the caller         CreateTask, TaskGroup
//	wait for several things                   TaskGroup, Gather, Wait, AsCompleted
//	try several ways, keep the first success  StaggeredRace
//	limit the time                            Timeout, WaitFor
//	keep from being cancelled                 Shield
//	hand items from task to task              Queue
//	bound how many do something at once       Semaphore, Lock, workers on a Queue
//	wait for a change                         Event, Condition, Barrier
//	call something that blocks                ToThread, RunInExecutor
//	have a loop beside ordinary goroutines    StartLoop
//	reach the loop from other goroutines      Loop.CallSoonThreadsafe, RunCoroutineThreadsafe
//	use a Go channel                          Receive, Send
//	connect, and serve                        OpenConnection, StartServer: streams
//	the same by callbacks                     CreateConnection, CreateServer: transports and protocols
//	use TLS                                   the options of these, StartTLS
//	send datagrams                            CreateDatagramEndpoint
//	use a socket or descriptor of one's own   SockRecv, SockSendall, ..., Loop.AddReader
//	serve HTTP                                package aiohttp
//	run other programs                        CreateSubprocessExec, CreateSubprocessShell
//	handle a signal of the system             Loop.AddSignalHandler, Runner.Signals
//	use all cores                             LoopGroup
//	see who waits for whom                    PrintCallGraph, FormatTaskTree
//	test in virtual time                      package aiotest
//
// # Cancellation
//
// Cancelling a task delivers a *CancelledError once: from the await in which it is suspended, or the
// next one that suspends. What the task waits for is cancelled with it. The task may clean up, and
// should return the error; if it goes on instead, the request is over. A Timeout or TaskGroup
// cancels in the same way, takes its own request back and turns it into its own error.
//
// The ctx of a task also is an ordinary context.Context. Its values are inherited by the tasks that
// are made with it, its end is not. Done closes when the task is cancelled or ends, that of a
// Timeout or TaskGroup when the scope does, so what runs beside the loop with it, a request or a
// query in ToThread, stops as well. Awaits do not look at it. But an await that is given a context
// which the caller derived, by context.WithTimeout, WithCancel or WithDeadline, ends when that one
// does. What it waits for is cancelled, and its error matches that context's Err and Cause. It is no
// cancellation, as nobody has cancelled the task: a task that returns it has failed.
//
// # Errors
//
// Failures at run time are returned as errors. Misuse, what only a wrong program does, is returned
// as an error that matches ErrUsage by a call with an error result, and a call without one panics
// with it; the call has had no effect then. In a task that panic, like every panic, becomes the
// task's error, a *PanicError, and the program continues. An error
// that nobody retrieves, a callback that panics and a task that is still pending when its loop is
// closed are reported to the loop's exception handler, by default to log/slog.
// runtime.Goexit in a task ends the task and then the goroutine that runs the loop, so t.FailNow
// works.
//
// Every call that awaits or touches a loop's state makes sure that its goroutine holds the token.
// Where it does not, that is misuse too, with ErrWrongGoroutine. On amd64 and arm64 the check is always made, elsewhere in debug
// mode.
//
// # Connections
//
// Sockets and pipes are read and written by the loop itself, which waits in the system's poller while
// there are any. Where there is no poller, and for a net.Conn that has no descriptor, goroutines do it,
// with the same behaviour. A stream (OpenConnection, StartServer) is read by a task that waits for
// data; a protocol (CreateConnection, CreateServer) is called when data comes, on the loop's own goroutine,
// and must not block.
//
// # Limits
//
// A coroutine that calls something that blocks, or computes for long, stops its loop for that time:
// use ToThread. Debug mode, by Loop.SetDebug or the environment variable AIO_DEBUG, tells where.
//
// A task must not hold runtime.LockOSThread while it awaits: that is a fatal error of the Go runtime,
// which no program can recover from. The loop itself may run on a locked thread if it is made, run
// and closed by that goroutine, which keeps the lock all the while.
//
// What differs from asyncio, and why, is listed in docs/differences.md, and where each name of
// asyncio is found here in docs/porting.md.
package aio
