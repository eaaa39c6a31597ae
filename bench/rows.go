package main

import (
	"regexp"
	"slices"
)

// row is a benchmark of the parent package, with its goals.
type row struct {
	name  string
	rival string // the sub-benchmark in plain Go, "" if there is none
	unit  string // the unit that is compared
	// the largest ratio of aio to the rival, 0 if there is no goal
	goal float64
	// scheduling reports whether the goals relative to asyncio and uvloop apply:
	// the row measures the loop, not memory, threads or elapsed time.
	scheduling bool
	// Each run of the row is a process of its own with one round: another benchmark
	// or round leaves memory behind that can be used again, above all goroutines.
	fresh bool
}

const (
	nsPerOp   = "ns/op"
	nsPerItem = "ns/item"
	perParked = "B/parked"
)

// Goals for all rows.
const (
	asyncioGoal = 10 // times as fast as asyncio, for rows with scheduling
	uvloopGoal  = 5  // times as fast as uvloop, for rows with scheduling
	// largest ratio of the time per item among 1,000,000 to that among 1,000
	scaleGoal = 2
)

var rows = []row{
	{"Switch", "go", nsPerOp, 0.7, true, false},
	{"Switch10k", "", nsPerOp, 0, true, false},
	{"SpawnAwait", "go", nsPerOp, 0.65, true, false},
	{"Gather", "go", nsPerOp, 0.4, true, false},
	{"TaskGroup", "go", nsPerOp, 0.4, true, false},
	{"FutureWake", "", nsPerOp, 0, true, false},
	{"QueueNowait", "go", nsPerOp, 0.5, true, false},
	{"Queue1", "go", nsPerOp, 1.4, true, false},
	{"Queue128", "go", nsPerOp, 1, true, false},
	{"LockUncontended", "go", nsPerOp, 2, true, false},
	{"LockContended", "go", nsPerOp, 1.5, true, false},
	{"SemaphoreContended", "go", nsPerOp, 0.5, true, false},
	{"EventPingPong", "go", nsPerOp, 1, true, false},
	{"Timers100k", "go", nsPerOp, 1.2, false, false},
	{"Timers100kFirst", "go", nsPerOp, 1.2, false, true},
	{"CallSoon", "", nsPerOp, 0, true, false},
	{"CallLaterCancel", "go", nsPerOp, 0.4, true, false},
	{"WaitFor", "", nsPerOp, 0, true, false},
	{"Timeout", "go", nsPerOp, 0.7, true, false},
	{"Cancel", "", nsPerOp, 0, true, false},
	{"ToThread", "go", nsPerOp, 1.8, false, false},
	{"RunCoroutineThreadsafe", "go", nsPerOp, 2, false, false},
	{"Parked", "go", perParked, 0, false, true},
	{"Parked", "go-cancellable", perParked, 1.05, false, true},
}

// scaleRows are the benchmarks of the package scale.
var scaleRows = []struct{ name, item string }{
	{"Steps", "a `Sleep(0)` step among N tasks"},
	{"Gather", "one of N coroutines in a `Gather`"},
	{"Timers", "one of N timers, set and fired"},
	{"PendingTimers", "a timer made and cancelled among N pending ones"},
	{"Queue", "one of N items, put and got"},
}

// label is the name of the row in the table and the chart.
func (r row) label() string {
	switch {
	case r.rival == "go-cancellable":
		return r.name + ", cancellable"
	case r.name == "Timers100kFirst":
		return "Timers100k, first round"
	}
	return r.name
}

// chosen returns the rows whose name matches.
func chosen(match *regexp.Regexp) []row {
	var some []row
	for _, r := range rows {
		if match.MatchString(r.name) {
			some = append(some, r)
		}
	}
	return some
}

// names returns the names of rs that Python has too, without duplicates. It has no first
// round: workloads.py always warms up.
func names(rs []row) []string {
	var all []string
	for _, r := range rs {
		if r.name != "Timers100kFirst" && !slices.Contains(all, r.name) {
			all = append(all, r.name)
		}
	}
	return all
}
