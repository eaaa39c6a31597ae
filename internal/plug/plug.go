// Package plug is how package aiotest reaches into a loop: it decides what asyncio leaves
// open, in which order ready entries run and how long a pass takes. Package aiohttp
// reaches into it by [Start] and [ContainGoexit]. Package aio sets the variables, and no
// exported name of it tells of them.
//
// Everything here belongs to the goroutine that runs the loop, and is used between the
// steps of tasks, or while the loop does not run.
package plug

import "time"

// Direct makes d the director of a loop, a *aio.Loop that does not run. A nil d makes it
// an ordinary loop again.
var Direct func(loop any, d Director) Loop

// Director is told what a loop is about to do, and may change it by the methods of Loop.
// It is called by the goroutine that runs the loop while no task runs: a loop that has a
// director makes each step of a task from there.
type Director interface {
	// Pass is called when a pass begins, before it takes in the timers that are due.
	Pass()
	// Choose is called before the entry at the front of the ready queue runs.
	Choose()
	// Ran is called after an entry ran: its task is suspended or done.
	Ran()
	// Idle is called when nothing is ready. If it reports true the pass goes on at
	// once: the director may have moved the clock, or made something ready.
	// Otherwise the loop waits as it does without a director.
	Idle() bool
}

// Loop is a loop as its director sees it. Entries of the ready queue are numbered from
// its front.
type Loop interface {
	// Len is the number of entries in the ready queue, Todo how many of them the pass
	// still runs.
	Len() int
	Todo() int
	// Task returns the aio.AnyTask whose step entry i is, and its number; nil and 0
	// for a callback.
	Task(i int) (task any, id uint64)
	// Source returns a value that is equal for entries of the same source, nil for a
	// timer.
	Source(i int) any
	// Describe names entry i, Cause what it waited for: "" if nothing.
	Describe(i int) string
	Cause(i int) string
	// Oldest returns the oldest entry that no program may see overtaken by entry i,
	// or by another one that has to run before entry i: i itself if there is none.
	Oldest(i int) int
	// Commuting returns an entry that may run next and commutes with all others: a
	// program cannot tell when it ran. It is -1 if there is none.
	Commuting() int
	// ToFront makes entry i the first. The others keep their order.
	ToFront(i int)

	// SetNetwork makes b, a netio.Backend, the one that makes the loop's connections;
	// nil is the system's.
	SetNetwork(b any)

	// Begin has the loop count as one that runs, End takes that back. In between
	// RunPass makes one pass, which waits only if Idle says so, in the calling
	// goroutine, which may run another loop too. stop reports that the loop was
	// stopped, err why.
	Begin() error
	End()
	RunPass() (stop bool, err error)
	// Due reports whether a pass has something to do.
	Due() bool
	// Jobs is how many jobs run in goroutines, Outside how many waits there are for
	// something outside of the loop that may never come.
	Jobs() int
	Outside() int
	// Block waits for d, in real time, for something from outside.
	Block(d time.Duration)

	// Now is the virtual time since the loop's start; SetNow sets it.
	Now() time.Duration
	SetNow(now time.Duration)
	// Timer is when the first timer is due.
	Timer() (when time.Duration, ok bool)

	// Stop ends the run with err, at the end of the pass.
	Stop(err error)
	// Undelivered reports whether a task, an aio.AnyTask, was cancelled and has not
	// been told.
	Undelivered(task any) bool
	// ReportLost reports the errors of futures that nobody has retrieved, as closing
	// the loop would.
	ReportLost()
	// Reset makes the loop, which does not run, as good as new for another run. It
	// reports false if that is not possible: something of the last run is still
	// there.
	Reset() bool
}

// Executor is implemented by an executor that runs its jobs in the loop itself, at a time
// of the virtual clock. The clock does not wait for them in real time.
type Executor interface{ InLoop() }
