package aiotest

import (
	"context"
	"math"
	"time"
)

// Mode is the way in which an exploration makes schedules.
type Mode uint8

const (
	// Environment does not change the order of ready tasks. It varies how long
	// passes take, so that timers expire between different steps, how long jobs of
	// ToThread take, and the results of [Choose]. Each run is possible with
	// asyncio, so a failure is a bug of the program.
	Environment Mode = iota
	// AnyOrder lets any entry of the ready queue run next, as long as no guarantee
	// of asyncio is broken: the order of the steps of one task, of callbacks, of
	// the waiters of one future, of timers, and that Sleep(0) lets all other ready
	// entries run. A failure is a bug of the program if its tasks may become ready
	// in another order: if they wait for a network, for example.
	AnyOrder
	// PCT gives tasks random priorities, which change at a few steps. In programs
	// with many steps it finds bugs that need a few steps in a certain order more
	// often than [AnyOrder] does.
	PCT
	// Exhaustive runs the schedules of [AnyOrder] one after another, except for
	// those that a program cannot distinguish from an earlier one. It is for small
	// programs: [Report].Complete reports whether all schedules were run within the
	// number of runs.
	Exhaustive
)

// String returns the name of the mode.
func (m Mode) String() string {
	switch m {
	case Environment:
		return "Environment"
	case AnyOrder:
		return "AnyOrder"
	case PCT:
		return "PCT"
	case Exhaustive:
		return "Exhaustive"
	}
	return "unknown mode"
}

// Exploration has the settings of [Explore]. The zero value means the defaults.
type Exploration struct {
	// Mode is the way in which schedules are made.
	Mode Mode
	// Runs is the number of runs; 0 means 1000, and 100 000 in mode [Exhaustive].
	Runs int
	// Seed is the seed of the random choices of the first run; each further run has
	// the next seed.
	Seed uint64
	// Depth is how often priorities change in a run of mode [PCT]; 0 means 3.
	Depth int
	// Slack is the longest duration of a pass in mode [Environment]; 0 means 20 ms.
	// Two timers that are farther apart always run in the order of their times.
	Slack time.Duration
	// MaxSteps limits the steps of a run, including callbacks; 0 means 1 000 000.
	MaxSteps int
	// AllowDifferences turns off the check that a repeated run makes the same
	// steps.
	AllowDifferences bool
	// RealThreads runs the jobs of ToThread in goroutines. By default the loop runs
	// them itself, at a time of the virtual clock, so that they are part of the
	// schedule. While such a job runs, the clock does not advance; with Network the
	// clock runs at the speed of real time, so that jobs and other goroutines can
	// use connections.
	RealThreads bool
	// Network simulates the connections, in the virtual time of the loop: TCP, UDP
	// and Unix sockets of this one host, localhost. How long packets take and how
	// streams are split into pieces are choices of the run. See [Simulate] for
	// several hosts.
	Network bool
}

// Explore runs main many times, as [Run] does, with different schedules, until a run
// fails. The first run is in asyncio's own order. The failure reports the smallest set
// of choices found that makes the run fail, the order of the steps, and how to repeat
// the run.
//
// A run fails for the reasons of Run, if it exceeds its limits, or if repeating it leads
// to different steps. After main has returned, the remaining tasks have one second of
// virtual time to end. main must be deterministic and create all its state itself, so
// that each run starts in the same state.
//
// The environment variable AIOTEST_REPLAY repeats a run; the failure shows its value.
// AIOTEST_RUNS multiplies the number of runs. AIOTEST_SEED is a number that is added to
// the seeds; "random" chooses one at random.
func Explore(t TB, x Exploration, main func(ctx context.Context) error) Report {
	needs(t, "Explore")
	t.Helper()
	return report(t, func(e *engine) Report { return x.run(e, main) })
}

// Run is [Explore] outside of tests: the failure is in the report.
func (x Exploration) Run(main func(ctx context.Context) error) Report {
	return guarded(func(e *engine) Report { return x.run(e, main) })
}

// ExploreInput makes one run of an exploration, whose choices are read from input: the
// body of a fuzz test. After the end of the input the choices are the default.
//
//	func FuzzTransfer(f *testing.F) {
//		f.Fuzz(func(t *testing.T, input []byte) {
//			e := aiotest.Exploration{Mode: aiotest.AnyOrder}
//			aiotest.ExploreInput(t, input, e, transfer)
//		})
//	}
func ExploreInput(t TB, input []byte, x Exploration, main func(ctx context.Context) error) Report {
	needs(t, "ExploreInput")
	t.Helper()
	return report(t, func(e *engine) Report { return x.runInput(e, input, main) })
}

// Replay makes one run with the choices of a record, as in [Failure].Record.
func (x Exploration) Replay(record string, main func(ctx context.Context) error) Report {
	return guarded(func(e *engine) Report {
		if err := x.check(main); err != nil {
			return e.misuse(err)
		}
		e.replay(x.setting(), record, main)
		return e.report
	})
}

// setting returns the parameters that all runs of x share.
func (x Exploration) setting() setting {
	set := setting{mode: x.Mode, maxSteps: x.MaxSteps, slack: x.Slack, threads: x.RealThreads, network: x.Network, depth: x.Depth, compare: !x.AllowDifferences}
	if set.slack == 0 {
		set.slack = 20 * time.Millisecond
	}
	if set.depth <= 0 {
		set.depth = 3
	}
	return set
}

func (x Exploration) runInput(e *engine, bytes []byte, main func(ctx context.Context) error) Report {
	if err := x.check(main); err != nil {
		return e.misuse(err)
	}
	set := x.setting()
	if e.replaying(set, main) {
		return e.report
	}
	set.input = bytes
	set.fuzz = true
	e.attempt(set, main)
	return e.report
}

// check returns an error for parameters that are not valid.
func (x Exploration) check(main func(ctx context.Context) error) error {
	switch {
	case main == nil:
		return usagef("the function is nil")
	case x.Mode > Exhaustive:
		return usagef("there is no mode %d", x.Mode)
	case x.Runs < 0 || x.Depth < 0 || x.Slack < 0 || x.MaxSteps < 0:
		return usagef("Runs, Depth, Slack and MaxSteps must not be negative")
	}
	return nil
}

func (x Exploration) run(e *engine, main func(ctx context.Context) error) Report {
	if err := x.check(main); err != nil {
		return e.misuse(err)
	}
	base := x.setting()
	if e.replaying(base, main) {
		return e.report
	}
	runs := x.Runs
	switch {
	case runs == 0 && x.Mode == Exhaustive:
		runs = 100_000
	case runs == 0:
		runs = 1000
	}
	if x.Mode == Exhaustive {
		return e.exhaust(base, runs, main)
	}
	seed := x.Seed
	if e.failed != nil { // set in a test
		seed += e.env.seed
		if runs > math.MaxInt/e.env.runs {
			return e.misuse(usagef("AIOTEST_RUNS=%d: %d times %d runs are too many", e.env.runs, e.env.runs, runs))
		}
		runs *= e.env.runs
	}
	for i := range runs {
		set := base
		set.seed, set.random = seed+uint64(i), i > 0
		if !e.attempt(set, main) {
			return e.report
		}
		if base.compare && i&(i-1) == 0 && !e.repeatable(set, main) {
			return e.report
		}
	}
	return e.report
}
