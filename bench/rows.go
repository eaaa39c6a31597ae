package main

import "regexp"

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

// label is the name of the row in the table and the chart.
func (r row) label() string {
	if r.rival == "go-cancellable" {
		return r.name + ", cancellable"
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

// names returns the names of rs without duplicates.
func names(rs []row) []string {
	var all []string
	for i, r := range rs {
		if i == 0 || r.name != rs[i-1].name {
			all = append(all, r.name)
		}
	}
	return all
}
