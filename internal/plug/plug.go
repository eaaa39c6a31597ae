// Package plug gives other packages of this module access to the internals of a loop.
// Package aiotest uses it to decide the order that asyncio leaves open: in which order
// ready entries run and how long a pass takes. Package aiohttp uses [Start] and
// [ContainGoexit], package aiomon [Capture]. Package aio sets the variables; its exported
// API does not mention them.
//
// Everything here belongs to the goroutine that runs the loop, and is used between the
// steps of tasks, or while the loop does not run.
package plug

import "time"

// Direct makes d the director of a loop, a *aio.Loop that is not running. A nil d makes
// it an ordinary loop again.
var Direct func(loop any, d Director) Loop

// Director is called before and after the actions of a loop, and may change them with
// the methods of Loop. The goroutine that runs the loop calls it while no task runs: a
// loop with a director runs every step of a task from that goroutine.
type Director interface {
	// Pass is called when a pass begins, before due timers become ready.
	Pass()
	// Choose is called before the entry at the front of the ready queue runs.
	Choose()
	// Ran is called after an entry has run: its task is suspended or done.
	Ran()
	// Idle is called when nothing is ready. If it returns true the pass continues
	// at once: the director may have advanced the clock, or made an entry ready.
	// Otherwise the loop waits as it does without a director.
	Idle() bool
}

// Loop is a loop as its director uses it. Entries of the ready queue are numbered from
// the front.
type Loop interface {
	// Len is the number of entries in the ready queue, Todo how many of them the
	// current pass still runs.
	Len() int
	Todo() int
	// Task returns the aio.AnyTask whose step is entry i, and its number; nil and 0
	// for a callback.
	Task(i int) (task any, id uint64)
	// Source returns a value that is equal for entries of the same source, nil for a
	// timer.
	Source(i int) any
	// Describe names entry i. Cause names the operation it waited for, "" if there
	// was none.
	Describe(i int) string
	Cause(i int) string
	// Oldest returns the oldest entry that neither entry i, nor another entry that
	// has to run before entry i, may overtake; i itself if there is none.
	Oldest(i int) int
	// Commuting returns an entry that may run next and commutes with all others: a
	// program cannot observe when it ran. It is -1 if there is none.
	Commuting() int
	// ToFront makes entry i the first. The others keep their order.
	ToFront(i int)

	// SetNetwork makes b, a netio.Backend, the backend of the loop's connections;
	// nil means the system's network.
	SetNetwork(b any)

	// Begin marks the loop as running, and End reverts that. In between RunPass
	// runs one pass in the calling goroutine, which may also run another loop. The
	// pass waits only if Idle returns false. stop reports that the loop was
	// stopped, err why.
	Begin() error
	End()
	RunPass() (stop bool, err error)
	// Due reports whether a pass has anything to do.
	Due() bool
	// Jobs is the number of jobs that run in goroutines. Outside is the number of
	// waits for something outside of the loop that may never happen.
	Jobs() int
	Outside() int
	// Block waits up to d, in real time, for an event from outside the loop.
	Block(d time.Duration)

	// Now is the virtual time since the loop was made; SetNow sets it.
	Now() time.Duration
	SetNow(now time.Duration)
	// Timer is when the first timer is due.
	Timer() (when time.Duration, ok bool)

	// Stop ends the run with err, at the end of the pass.
	Stop(err error)
	// Undelivered reports whether a task, an aio.AnyTask, has a cancellation that
	// was not delivered yet.
	Undelivered(task any) bool
	// ReportLost reports the unretrieved errors of futures, as closing the loop
	// would.
	ReportLost()
	// Reset prepares the loop, which must not be running, for another run as if it
	// were new. It returns false if that is not possible, because state of the last
	// run is left.
	Reset() bool
}

// Executor is implemented by an executor that runs its jobs in the loop itself, at a
// time of the virtual clock. The clock does not wait for these jobs in real time.
type Executor interface{ InLoop() }
