package aio

// The numbers of a loop, for goroutines that do not hold its token: a scrape of metrics
// must be answered while a task blocks the loop. What is read here is atomic; each number
// is right by itself, but they are not of one moment.

import "time"

// LoopStats are the numbers of a loop. See [Loop.Stats].
type LoopStats struct {
	// Running and Closed say what the loop is doing at all.
	Running, Closed bool
	// Observed says whether the loop counts: the numbers below are 0 until it does.
	Observed bool
	// Waiting says that nothing is ready: the loop waits for a timer or for the world
	// outside.
	Waiting bool
	// Passes, Steps and Callbacks count what the loop has done since it is observed:
	// rounds of the loop, steps of tasks, and callbacks, those of transports
	// included.
	Passes, Steps, Callbacks uint64
	// Tasks is how many tasks are not done.
	Tasks int
	// Ready is how many entries the ready queue had when the last pass began, and
	// Timers how many timers were set, cancelled ones included.
	Ready, Timers int
	// Jobs is how many jobs of executors are queued or run.
	Jobs int
	// Connections, Servers and Processes are how many are open, of those that were
	// opened since the loop is observed.
	Connections, Servers, Processes int
	// MaxLag is the longest delay between the time that a timer was set for and the
	// pass in which it came up, since the loop is observed.
	MaxLag time.Duration
}

// Stats returns the numbers of the loop. Any goroutine may call it at any time: it takes
// no lock and does not wait for the loop, so it answers while a task blocks the loop, and
// when the loop is closed.
//
// A loop that nobody observes does not count, because that would cost its tasks time. It
// begins with the first call of Stats, or with [Loop.AddObserver], at the next pass;
// Observed says whether it has. Counting costs a task some 20 ns for each step.
//
// asyncio has nothing of the kind; tokio's runtime metrics are similar.
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
