package aio

// The counters of a loop, for goroutines that do not hold its token: a metrics scrape
// must be answered even while a task blocks the loop. All reads are atomic. Each number
// is correct on its own, but the numbers are not a consistent snapshot.

import "time"

// LoopStats are counters and states of a loop. See [Loop.Stats].
type LoopStats struct {
	// Running and Closed report whether the loop is running or closed.
	Running, Closed bool
	// Observed reports whether the loop counts: the numbers below are 0 until it
	// does.
	Observed bool
	// Waiting reports that nothing is ready: the loop waits for a timer, I/O or a
	// call from another goroutine.
	Waiting bool
	// Passes, Steps and Callbacks count, since the loop is observed, the passes of
	// the loop, the steps of tasks, and the callbacks, including those of
	// transports.
	Passes, Steps, Callbacks uint64
	// Tasks is the number of tasks that are not done.
	Tasks int
	// Ready is the number of entries in the ready queue when the last pass began.
	// Timers is the number of timers set at that moment, including cancelled ones.
	Ready, Timers int
	// Jobs is the number of executor jobs that are queued or running.
	Jobs int
	// Connections, Servers and Processes are the numbers of open ones, among those
	// that were opened since the loop is observed.
	Connections, Servers, Processes int
	// MaxLag is the longest delay, since the loop is observed, between the time for
	// which a timer was set and the pass that ran it.
	MaxLag time.Duration
}

// Stats returns the numbers of the loop. Any goroutine may call it at any time: it
// takes no lock and does not wait for the loop, so it returns even while a task blocks
// the loop, and after the loop is closed.
//
// A loop counts only while it is observed, because counting costs time: some 20 ns for
// each step of a task. It starts counting with the first call of Stats, or with
// [Loop.AddObserver], at the next pass; Observed reports whether it has started.
//
// asyncio has no equivalent; tokio's runtime metrics are similar.
func (l *Loop) Stats() LoopStats {
	m := l.meterOf()
	s := LoopStats{Running: l.running.Load(), Closed: l.closed.Load()}
	if !m.counting.Load() {
		l.startCounting(m)
	}
	s.Observed = m.counting.Load()
	s.Waiting = s.Running && m.waiting.Load() != 0
	s.Passes, s.Steps, s.Callbacks = m.passes.Load(), m.steps.Load(), m.callbacks.Load()
	s.Tasks = int(m.tasks.Load())
	s.Ready, s.Timers = int(m.ready.Load()), int(m.timers.Load())
	s.Jobs = int(m.jobs.Load())
	s.Connections, s.Servers = int(m.connections.Load()), int(m.servers.Load())
	s.Processes = int(m.processes.Load())
	s.MaxLag = time.Duration(m.lateMax.Load())
	return s
}
