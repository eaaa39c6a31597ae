package main

import "regexp"

// row is a benchmark of the parent package, and what is wanted of it.
type row struct {
	name  string
	rival string // its sub-benchmark in plain Go, "" if there is none
	unit  string // what is compared
	// the most that aio may take in terms of the rival, 0 if there is no goal
	goal float64
	// scheduling says that the goals beside asyncio and uvloop are for this row: that
	// what it measures is the loop, not memory, threads or the passing of time.
	scheduling bool
}

const (
	nsPerOp   = "ns/op"
	nsPerItem = "ns/item"
	perParked = "B/parked"
)

// What is wanted besides the goals of the rows.
const (
	asyncioGoal = 10 // times faster than asyncio, in rows of scheduling
	uvloopGoal  = 5  // times faster than uvloop, in rows of scheduling
	// times the time for one of a thousand that one of a million may take
	scaleGoal = 2
)

var rows = []row{
	{"Switch", "go", nsPerOp, 0.7, true},
	{"Switch10k", "", nsPerOp, 0, true},
	{"SpawnAwait", "go", nsPerOp, 0.7, true},
	{"Gather", "go", nsPerOp, 1, true},
	{"TaskGroup", "go", nsPerOp, 1, true},
	{"FutureWake", "", nsPerOp, 0, true},
	{"QueueNowait", "go", nsPerOp, 0.5, true},
	{"Queue1", "go", nsPerOp, 2, true},
	{"Queue128", "go", nsPerOp, 1, true},
	{"LockUncontended", "go", nsPerOp, 2, true},
	{"LockContended", "go", nsPerOp, 1.5, true},
	{"SemaphoreContended", "go", nsPerOp, 0.5, true},
	{"EventPingPong", "go", nsPerOp, 1, true},
	{"Timers100k", "go", nsPerOp, 0.8, false},
	{"CallSoon", "", nsPerOp, 0, true},
	{"CallLaterCancel", "go", nsPerOp, 0.4, true},
	{"WaitFor", "", nsPerOp, 0, true},
	{"Timeout", "go", nsPerOp, 0.7, true},
	{"Cancel", "", nsPerOp, 0, true},
	{"ToThread", "go", nsPerOp, 2, false},
	{"RunCoroutineThreadsafe", "go", nsPerOp, 2, false},
	{"Parked", "go", perParked, 1, false},
	{"Parked", "go-cancellable", perParked, 0, false},
}

// scaleRows are the benchmarks of the package scale.
var scaleRows = []struct{ name, item string }{
	{"Steps", "a `Sleep(0)` step among N tasks"},
	{"Gather", "one of N coroutines in a `Gather`"},
	{"Timers", "one of N timers, set and fired"},
	{"PendingTimers", "a timer made and cancelled among N pending ones"},
	{"Queue", "one of N items, put and got"},
}

// label is how the row is called in the table and the chart.
func (r row) label() string {
	if r.rival == "go-cancellable" {
		return r.name + ", cancellable"
	}
	return r.name
}

// chosen are the rows whose name matches.
func chosen(match *regexp.Regexp) []row {
	var some []row
	for _, r := range rows {
		if match.MatchString(r.name) {
			some = append(some, r)
		}
	}
	return some
}

// names are those of rs, each once.
func names(rs []row) []string {
	var all []string
	for i, r := range rs {
		if i == 0 || r.name != rs[i-1].name {
			all = append(all, r.name)
		}
	}
	return all
}
