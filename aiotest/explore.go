package aiotest

import (
	"context"
	"time"
)

// Mode is how an exploration makes schedules.
type Mode uint8

const (
	// Environment leaves the order of ready tasks alone: it varies how long passes
	// take, so that timers fall due between other steps, how long jobs of ToThread
	// take, and what [Choose] returns. Each run is one that asyncio could make, so
	// a failure is a fault of the program.
	Environment Mode = iota
	// AnyOrder lets any entry of the ready queue run next, as long as no promise of
	// asyncio is broken: the order of one task's steps, of callbacks, of what waits
	// for one future, of timers, and that Sleep(0) lets everything else run that is
	// ready. A failure is a fault of the program if its tasks may arrive in another
	// order: where they wait for a network, for example.
	AnyOrder
	// PCT gives tasks random priorities, which change at a few steps: it finds
	// faults that need a few steps in a certain order more often than [AnyOrder]
	// does, in programs of many steps.
	PCT
	// Exhaustive makes the schedules of [AnyOrder] one after another, except for
	// those that no program can tell from one that it has made. It is for small
	// programs: [Report].Complete says whether all were made within the number of
	// runs.
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

// Exploration says how Explore makes its runs. The zero value has the defaults.
type Exploration struct {
	// Mode is how schedules are made.
	Mode Mode
	// Runs is the number of runs; 0 is 1000, and 100 000 in mode [Exhaustive].
	Runs int
	// Seed is where the random choices of the first run come from; each run has the
	// next seed.
	Seed uint64
	// Depth is how often priorities change in a run of mode [PCT]; 0 is 3.
	Depth int
	// Slack is the longest time that a pass takes in mode [Environment]; 0 is 20
	// ms.
	Slack time.Duration
	// MaxSteps bounds the steps of a run, callbacks included; 0 is 1 000 000.
	MaxSteps int
	// AllowDifferences turns off the check that a run which is repeated makes the
	// same steps.
	AllowDifferences bool
	// RealThreads leaves the jobs of ToThread in goroutines. By default the loop runs
	// them itself, at a time of the virtual clock, so that they are part of the
	// schedule.
	RealThreads bool
	// Network has connections be simulated, in the virtual time of the loop: TCP, UDP
	// and Unix sockets of this one host, localhost. How long packets take and how
	// streams are cut into pieces are choices of the run. See Simulate for several
	// hosts.
	Network bool
}

// Explore runs main, as Run does, many times with different schedules, until a run fails.
// The first run is in asyncio's own order. The failure tells the smallest set of choices
// that was found to make it fail, in which order things happened, and how to see it
// again.
//
// A run fails for the reasons of Run, if it exceeds its limits, or if it makes other
// steps when it is repeated; tasks that are left get a second of virtual time to end.
// main must behave in the same way in each run: whatever it uses has to be made inside of
// it.
//
// The environment variable AIOTEST_REPLAY repeats a run, as failures say. AIOTEST_RUNS
// multiplies the number of runs, and AIOTEST_SEED is added to the seeds; "random" stands
// for a random number.
func Explore(t TB, x Exploration, main func(ctx context.Context) error) Report {
	t.Helper()
	return report(t, func(e *engine) Report { return x.run(e, main) })
}

// Run is Explore for programs that are no tests: the failure is in the report.
func (x Exploration) Run(main func(ctx context.Context) error) Report {
	return guarded(func(e *engine) Report { return x.run(e, main) })
}

// ExploreInput makes one run of an exploration, whose choices are read from input: the
// body of a fuzz test. Where the input ends the choices are the default.
//
//	func FuzzTransfer(f *testing.F) {
//		f.Fuzz(func(t *testing.T, input []byte) {
//			e := aiotest.Exploration{Mode: aiotest.AnyOrder}
//			aiotest.ExploreInput(t, input, e, transfer)
//		})
//	}
func ExploreInput(t TB, input []byte, x Exploration, main func(ctx context.Context) error) Report {
	t.Helper()
	return report(t, func(e *engine) Report { return x.runInput(e, input, main) })
}

// Replay makes one run with the choices of a record, as [Failure].Record has it.
func (x Exploration) Replay(record string, main func(ctx context.Context) error) Report {
	return guarded(func(e *engine) Report {
		e.replay(x.setting(), record, main)
		return e.report
	})
}

// setting is what all runs of x have in common.
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
	set := x.setting()
	set.input = bytes
	set.fuzz = true
	e.attempt(set, main)
	return e.report
}

func (x Exploration) run(e *engine, main func(ctx context.Context) error) Report {
	base := x.setting()
	if e.replaying(base, main) {
		return e.report
	}
	runs := x.Runs
	switch {
	case runs < 0:
		return e.misuse(usagef("the number of runs is negative"))
	case runs == 0 && x.Mode == Exhaustive:
		runs = 100_000
	case runs == 0:
		runs = 1000
	}
	if x.Mode == Exhaustive {
		return e.exhaust(base, runs, main)
	}
	offset, factor := e.fromEnvironment()
	for i := range runs * factor {
		set := base
		set.seed, set.random = x.Seed+offset+uint64(i), i > 0
		if !e.attempt(set, main) {
			return e.report
		}
		if base.compare && i&(i-1) == 0 && !e.repeatable(set, main) {
			return e.report
		}
	}
	return e.report
}
