package aiotest_test

// Finds the faults of the zoo, and compares the zoo with docs/simulation.md.

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

// zooSeeds is the number of seeds for which each fault has to be found.
var zooSeeds = stage.Amount(1, 10, 10)

// zooMended returns how many runs the mended version passes, if the fault has to be found
// within some number of runs.
func zooMended(within int) int { return stage.Amount(within/5, 10*within, 100*within) }

func TestZoo(t *testing.T) {
	for _, s := range zoo {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			find(t, s)
		})
	}
}

// find checks that the fault of a program is found within its number of runs, and that
// the mended version passes.
func find(t *testing.T, s specimen) {
	if s.sweep != nil {
		found := aiotest.Sweep{}.Run(s.sweep(false))
		if len(found.Failures) == 0 || found.Failures[0].Run == 1 {
			t.Fatalf("the sweep does not find it: %+v", found)
		}
		if r := (aiotest.Sweep{}).Run(s.sweep(true)); len(r.Failures) > 0 || r.Moments < 2 {
			t.Errorf("the mended version fails at %d moments: %v", r.Moments, r.Failures)
		}
		t.Logf("found in run %d: %v", found.Failures[0].Run, found.Failures[0].Err)
		return
	}
	if s.fail != nil {
		found := aiotest.Failures{}.Run(s.fail(false))
		if len(found.Failures) == 0 || found.Failures[0].Run == 1 {
			t.Fatalf("FailEverywhere does not find it: %+v", found)
		}
		if r := (aiotest.Failures{Schedules: 5}).Run(s.fail(true)); len(r.Failures) > 0 || r.Moments < 20 {
			t.Errorf("the mended version fails at %d moments: %v", r.Moments, r.Failures)
		}
		t.Logf("found in run %d: %v", found.Failures[0].Run, found.Failures[0].Err)
		return
	}
	if s.world != nil {
		findInWorld(t, s)
		return
	}
	seeds := uint64(zooSeeds)
	if s.mode == aiotest.Exhaustive {
		seeds = 1
	}
	findByRuns(t, s.within, seeds, func(seed uint64) (func() aiotest.Report, func(record string) aiotest.Report) {
		x := aiotest.Exploration{Mode: s.mode, Runs: s.within, Seed: seed}
		return func() aiotest.Report { return x.Run(s.run(false)) },
			func(record string) aiotest.Report { return x.Replay(record, s.run(false)) }
	})
	runs := zooMended(s.within)
	if s.mode == aiotest.Exhaustive {
		runs = 100_000
	}
	r := aiotest.Exploration{Mode: s.mode, Runs: runs}.Run(s.run(true))
	if len(r.Failures) > 0 {
		t.Errorf("the mended version fails: %v\n%s", r.Failures[0], r.Failures[0].Timeline)
	}
	if s.mode == aiotest.Exhaustive && !r.Complete {
		t.Errorf("%d runs are not all schedules of the mended version", r.Runs)
	}
}

// findByRuns checks that the fault of a program is found within some number of runs, for
// each seed, and that its record repeats it. of returns the search with a seed and the
// replay of a record.
func findByRuns(t *testing.T, within int, seeds uint64, of func(seed uint64) (run func() aiotest.Report, replay func(record string) aiotest.Report)) {
	worst, sum := 0, 0
	for i := range seeds {
		seed := 1000 * i
		run, replay := of(seed)
		if r := replay("default"); len(r.Failures) > 0 {
			t.Fatalf("it is wrong in asyncio's own order: %v\n%s", r.Failures[0], r.Failures[0].Timeline)
		}
		r := run()
		if len(r.Failures) != 1 {
			t.Fatalf("seed %d: not found in %d runs", seed, within)
		}
		f := r.Failures[0]
		worst, sum = max(worst, f.Run), sum+f.Run
		again := replay(f.Record)
		if len(again.Failures) != 1 || again.Failures[0].Err.Error() != f.Err.Error() {
			t.Errorf("the record %q gives %v, not %v", f.Record, again.Failures, f.Err)
		}
		if i == 0 {
			t.Logf("%v\n%s\n%s", f, f.Record, f.Timeline)
		}
	}
	t.Logf("found within %d runs, %.1f on average", worst, float64(sum)/float64(seeds))
}

// findInWorld is the part of TestZoo for programs with several hosts.
func findInWorld(t *testing.T, s specimen) {
	findByRuns(t, s.within, uint64(zooSeeds), func(seed uint64) (func() aiotest.Report, func(record string) aiotest.Report) {
		x := aiotest.Simulation{Runs: s.within, Seed: seed}
		return func() aiotest.Report { return x.Run(s.world(false)) },
			func(record string) aiotest.Report { return x.Replay(record, s.world(false)) }
	})
	r := aiotest.Simulation{Runs: zooMended(s.within)}.Run(s.world(true))
	if len(r.Failures) > 0 {
		t.Errorf("the mended version fails: %v\n%s", r.Failures[0], r.Failures[0].Timeline)
	}
}

// docs/simulation.md contains the table of the zoo.
func TestZooIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/simulation.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range zoo {
		row := fmt.Sprintf("| %s | %s | %s | %d runs |", s.name, s.kind, s.foundBy(), s.within)
		if s.sweep != nil || s.fail != nil {
			row = fmt.Sprintf("| %s | %s | %s | one sweep |", s.name, s.kind, s.foundBy())
		}
		if !strings.Contains(string(page), row+"\n") {
			t.Errorf("docs/simulation.md does not have the row\n%s", row)
		}
	}
	if want := fmt.Sprintf("the *zoo*: %d small programs", len(zoo)); !strings.Contains(string(page), want) {
		t.Errorf("docs/simulation.md does not have %q", want)
	}
	if want := fmt.Sprintf("check %d further programs", len(kinds)+len(variants)); !strings.Contains(string(page), want) {
		t.Errorf("docs/simulation.md does not have %q", want)
	}
}

// namedTB is a fakeTB with the name of another test.
type namedTB struct {
	fakeTB
	name string
}

func (n *namedTB) Name() string { return n.name }

// docs/simulation.md shows the report of a failure, with the lines of zoo_test.go.
func TestReportIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/simulation.md")
	if err != nil {
		t.Fatal(err)
	}
	tb := &namedTB{fakeTB{TB: t}, "TestPoolUnderCancellation"}
	aiotest.CancelEverywhere(tb, aiotest.Sweep{}, unreadAnswer(false))
	report, _, _ := strings.Cut(tb.log.String(), "aiotest: all steps")
	if !strings.Contains(string(page), "\n```\n"+report+"```\n") {
		t.Errorf("docs/simulation.md does not have this report:\n%s", report)
	}
}

// The tests that docs/simulation.md shows.

func TestDeposits(t *testing.T) {
	main := lostUpdate(true)
	// asyncio's own order
	aiotest.Run(t, main)
	// 1000 runs with other times
	aiotest.Explore(t, aiotest.Exploration{}, main)
	// a cancellation at every await
	aiotest.CancelEverywhere(t, aiotest.Sweep{}, aiotest.Whole(main))
}

func TestPoolUnderCancellation(t *testing.T) {
	aiotest.CancelEverywhere(t, aiotest.Sweep{}, unreadAnswer(true))
}

// All schedules of a mended program pass. There are few enough schedules to run them
// all: commuting steps are not tried in both orders.
func TestZooExhausted(t *testing.T) {
	const most = 1000
	for _, s := range zoo {
		if s.run == nil || s.mode == aiotest.PCT {
			// that mode is for programs with too many schedules for
			// Exhaustive
			continue
		}
		r := aiotest.Exploration{Mode: aiotest.Exhaustive, Runs: most}.Run(s.run(true))
		if len(r.Failures) > 0 || !r.Complete {
			t.Errorf("%s: complete %v after %d runs: %v", s.name, r.Complete, r.Runs, r.Failures)
		}
	}
}
