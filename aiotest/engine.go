package aiotest

// An engine makes the runs of one exploration, sweep or replay, in one goroutine. It
// knows nothing of package testing: the functions that take a TB print what its report
// says.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/simnet"
)

// Report is what an exploration or a sweep did and found.
type Report struct {
	// Runs is the number of runs, those included that made a failure smaller or were
	// repeated.
	Runs int
	// Steps is the number of steps that these runs made: of tasks, and callbacks.
	Steps int
	// Moments is the number of moments in which a task was cancelled, one in each
	// run.
	Moments int
	// Complete is set if mode [Exhaustive] has made all schedules.
	Complete bool
	// Failures has the failures that were found: at most one of an exploration, those
	// of a sweep that have different places or errors.
	Failures []*Failure
}

// Failure is a run that failed.
type Failure struct {
	// Err says what went wrong.
	Err error
	// Run is the number of the run in its exploration or sweep, from 1.
	Run int
	// Seed is where its random choices came from.
	Seed uint64
	// Record has the choices of the run in text form, for AIOTEST_REPLAY and
	// [Exploration.Replay]. Where it was possible, they are fewer than the run had
	// at first.
	Record string
	// Choices are the choices that are not the default.
	Choices []Choice
	// Cancelled says which task a sweep has cancelled, and where, or which operation
	// of the network has failed; "" if none.
	Cancelled string
	// Timeline has the steps of the run.
	Timeline Timeline

	mode    Mode
	choices int // how many the run made
}

// Error returns what went wrong and in which run.
func (f *Failure) Error() string { return fmt.Sprintf("run %d: %v", f.Run, f.Err) }

// Unwrap returns Err.
func (f *Failure) Unwrap() error { return f.Err }

// setting is what a run is to be like.
type setting struct {
	mode           Mode
	maxSteps       int
	slack          time.Duration
	depth          int
	threads        bool
	network        bool
	strict         bool
	compare        bool
	victims        func(aio.AnyTask) bool
	allowSwallowed bool
	sweep          bool
	moment         int
	op             int // of the network that fails, 0 for none
	faults         simnet.Fault

	// Where the choices come from: the first of these that is set.
	picker picker
	input  []byte
	fuzz   bool
	script []Choice
	fits   bool // the script has to fit
	random bool
	seed   uint64
}

// engine is owned by the goroutine that makes the runs.
type engine struct {
	run     run
	report  Report
	failed  func() bool // of the test, nil if there is none
	seeds   seeded
	prios   priorities
	longest int // steps of a run so far
	note    string
	now     setting // of the run under way
	exited  bool    // a task has ended the goroutine
}

// once makes a run.
func (e *engine) once(set setting, main func(ctx context.Context) error) outcome {
	e.now = set
	r := &e.run
	r.mode, r.slack, r.maxSteps, r.threads, r.strict = set.mode, set.slack, set.maxSteps, set.threads, set.strict
	r.network, r.op, r.faults = set.network, set.op, set.faults
	r.moment, r.victims, r.allowSwallowed = set.moment, set.victims, set.allowSwallowed
	if r.maxSteps == 0 {
		r.maxSteps = defaultMaxSteps
	}
	r.picker, r.pct = nil, nil
	switch {
	case set.picker != nil:
		r.picker = set.picker
	case set.fuzz:
		r.picker = input(set.input)
	case set.script != nil:
		r.picker = &script{choices: set.script, strict: set.fits, what: func() string { return r.what }}
	case set.random:
		e.seeds.reset(set.seed)
		r.picker = &e.seeds
		if set.mode == PCT {
			e.prios.reset(&e.seeds, set.depth, e.longest)
			r.pct = &e.prios
		}
	}
	e.exited = true
	bad := e.failed != nil && e.failed()
	out := r.do(main)
	e.exited = false
	e.report.Runs++
	e.report.Steps += r.steps
	e.longest = max(e.longest, r.steps)
	if out.err == nil && !bad && e.failed != nil && e.failed() {
		out = outcome{testFailed, errors.New("the test failed in this run: its messages are above")}
	}
	return out
}

// attempt makes a run, and reports its failure. It reports whether the run passed.
func (e *engine) attempt(set setting, main func(ctx context.Context) error) bool {
	out := e.once(set, main)
	if out.err != nil {
		e.fail(set, out, main)
	}
	return out.err == nil
}

// misuse ends an exploration that cannot be made.
func (e *engine) misuse(err error) Report {
	e.report.Failures = append(e.report.Failures, &Failure{Err: err, Record: record{}.String()})
	return e.report
}

// fail reports a run that failed: it makes the failure smaller and looks at it once more.
func (e *engine) fail(set setting, out outcome, main func(ctx context.Context) error) {
	f := &Failure{Run: e.report.Runs, Seed: set.seed, mode: set.mode}
	choices := slices.Clone(e.run.choices)
	if out.kind != testFailed && out.kind != differs && out.kind != doesNotFit && len(choices) <= maxMinimised {
		choices, out = e.minimise(set, choices, out, main)
	}
	f.choices = len(choices)
	for _, c := range choices {
		if c.Index != 0 {
			f.Choices = append(f.Choices, c)
		}
	}
	written := record{choices: choices, moment: set.moment, op: set.op, fault: set.faults}
	if len(f.Choices) > maxWritten && set.random && set.mode != PCT {
		written.seed = strconv.FormatUint(set.seed, 10)
	}
	f.Record = written.String()
	f.Err = out.err
	if out.kind != doesNotFit {
		again := e.look(set, choices, main)
		if out.kind != testFailed && out.kind != differs {
			if again.kind == out.kind {
				// with the times and names of the timeline
				f.Err = again.err
			} else {
				f.Err = fmt.Errorf("%w\nThe same choices did not fail when they were made again: the program is not deterministic", out.err)
			}
		}
		f.Timeline = e.run.log.steps
	}
	f.Cancelled = e.run.happened()
	e.run.log = nil
	e.report.Failures = append(e.report.Failures, f)
}

// look makes a run with a timeline.
func (e *engine) look(set setting, choices []Choice, main func(ctx context.Context) error) outcome {
	set.picker, set.fuzz, set.random = nil, false, false
	set.script = choices
	if set.script == nil {
		set.script = []Choice{}
	}
	e.run.log = &timeline{}
	if e.run.loop != nil {
		_ = e.run.close() // a new loop: nothing of other runs is in it
	}
	return e.once(set, main)
}

// maxMinimised bounds the choices of a run that is made smaller.
const maxMinimised = 20_000

// maxShrink bounds the runs in which a failure is made smaller, and maxShrinkSteps their
// steps.
const (
	maxShrink      = 300
	maxShrinkSteps = 2_000_000
)

// minimise looks for fewer choices with which the run fails in the same way: it gives
// groups of them their default, at first large ones, in the end single ones.
func (e *engine) minimise(set setting, choices []Choice, out outcome, main func(ctx context.Context) error) ([]Choice, outcome) {
	set.picker, set.fuzz, set.random = nil, false, false
	tries, steps := 0, e.report.Steps
	more := func() bool { return tries < maxShrink && e.report.Steps-steps < maxShrinkSteps }
	try := func(candidate []Choice) bool {
		tries++
		set.script = candidate
		again := e.once(set, main)
		if again.kind != out.kind || again.err == nil {
			return false
		}
		choices, out = slices.Clone(e.run.choices), again
		return true
	}
	positions := func() (at []int) {
		for i, c := range choices {
			if c.Index != 0 {
				at = append(at, i)
			}
		}
		return at
	}
	at := positions()
	for size := (len(at) + 1) / 2; size > 0 && more(); {
		progress := false
		for from := 0; from < len(at) && more(); {
			candidate := slices.Clone(choices)
			for _, i := range at[from:min(from+size, len(at))] {
				candidate[i].Index = 0
			}
			before := len(at)
			if try(candidate) {
				if at = positions(); len(at) < before {
					progress = true
					continue // the same place has others now
				}
			}
			from += size
		}
		if !progress || size > len(at) {
			size /= 2
		}
	}
	return choices, out
}

// happened says what the sweep has done in the run, "" if nothing.
func (r *run) happened() string {
	if r.failed != "" {
		return r.failed
	}
	return r.fired.String()
}

// repeatable makes the last run two more times and reports whether it made the same
// steps.
func (e *engine) repeatable(set setting, main func(ctx context.Context) error) bool {
	set.picker, set.fuzz, set.random = nil, false, false
	set.script = slices.Clone(e.run.choices)
	if set.script == nil {
		set.script = []Choice{}
	}
	var first, second trace
	e.run.check = &first
	e.once(set, main)
	e.run.check = &second
	out := e.once(set, main)
	e.run.check = nil
	diff := first.difference(&second)
	if diff == "" {
		return true
	}
	if out.err == nil {
		out.err = errors.New(diff)
	}
	e.fail(set, outcome{differs, errors.New(diff)}, main)
	return false
}

// exhaust makes all schedules, up to a number of runs.
func (e *engine) exhaust(base setting, runs int, main func(ctx context.Context) error) Report {
	d := &depthFirst{}
	for i := range runs {
		set := base
		set.picker = d
		d.start()
		if !e.attempt(set, main) {
			return e.report
		}
		if d.misfit {
			e.fail(set, outcome{differs, errors.New("the run is not deterministic: after the same choices there was another one to make. " + usualCauses)}, main)
			return e.report
		}
		if base.compare && i&(i-1) == 0 && !e.repeatable(base, main) {
			return e.report
		}
		if !d.next() {
			e.report.Complete = true
			break
		}
	}
	return e.report
}

// replaying makes the run that AIOTEST_REPLAY names, and reports whether there is one.
func (e *engine) replaying(set setting, main func(ctx context.Context) error) bool {
	text := os.Getenv("AIOTEST_REPLAY")
	if text == "" || e.failed == nil {
		return false
	}
	e.replay(set, text, main)
	return true
}

func (e *engine) replay(set setting, text string, main func(ctx context.Context) error) {
	d, err := parseRecord(text)
	if err != nil {
		e.misuse(err)
		return
	}
	set.fits, set.moment, set.op, set.faults = true, d.moment, d.op, d.fault
	if d.seed != "" {
		// made again in the way in which it was found, to have its choices
		set.random = true
		// parseRecord has checked it
		set.seed, _ = strconv.ParseUint(d.seed, 10, 64)
		e.once(set, main)
		d.choices = slices.Clone(e.run.choices)
	}
	out := e.look(set, d.choices, main)
	if out.err == nil {
		e.note = "the run that AIOTEST_REPLAY names passes:\n" + e.run.log.steps.String()
	} else {
		f := &Failure{Err: out.err, Run: 1, Record: text, Cancelled: e.run.happened(), Timeline: e.run.log.steps, mode: set.mode, choices: len(e.run.choices)}
		for _, c := range e.run.choices {
			if c.Index != 0 {
				f.Choices = append(f.Choices, c)
			}
		}
		e.report.Failures = append(e.report.Failures, f)
	}
	e.run.log = nil
}

// fromEnvironment is what AIOTEST_SEED adds to seeds, and by what AIOTEST_RUNS multiplies
// runs.
func (e *engine) fromEnvironment() (offset uint64, factor int) {
	factor = 1
	if e.failed == nil {
		return 0, 1 // no test
	}
	if n, err := strconv.Atoi(os.Getenv("AIOTEST_RUNS")); err == nil && n > 0 {
		factor = n
	}
	switch s := os.Getenv("AIOTEST_SEED"); s {
	case "":
	case "random":
		offset = rand.Uint64() >> 32
	default:
		offset, _ = strconv.ParseUint(s, 10, 64)
	}
	return offset, factor
}

// stuckAfter is how long, in real time, a step may take.
const stuckAfter = 30 * time.Second

// stuckLimit is stuckAfter, or what AIOTEST_STUCK says: a duration, 0 for no limit.
func stuckLimit() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("AIOTEST_STUCK")); err == nil {
		return d
	}
	return stuckAfter
}

// ending is how the goroutine of an engine ended.
type ending struct {
	report Report
	panic  any
	exited bool
}

// guard calls f in a goroutine of its own, where its runs are made, and watches: a step
// that does not end is a failure. Then the goroutine is left behind, as nothing can end
// it.
func (e *engine) guard(f func(e *engine) Report) ending {
	done := make(chan ending, 1)
	go func() {
		end := ending{exited: true}
		defer func() {
			if end.exited {
				if v := recover(); v != nil {
					end.panic, end.exited = fmt.Sprintf("%v\n\n%s", v, debug.Stack()), false
				}
			}
			if e.run.loop != nil {
				_ = e.run.close()
			}
			done <- end
		}()
		end.report = f(e)
		end.exited = false
	}()
	limit := stuckLimit()
	if limit <= 0 {
		return <-done
	}
	tick := time.NewTicker(limit / 8)
	defer tick.Stop()
	seen, since := uint64(0), time.Now()
	for {
		select {
		case end := <-done:
			return end
		case <-tick.C:
		}
		beat := e.run.beat.Load()
		if beat&1 == 0 || beat != seen {
			seen, since = beat, time.Now()
			continue
		}
		if time.Since(since) >= limit {
			err := fmt.Errorf("a step has not ended for %v: what waits without awaiting blocks the loop. A Go channel is received from by aio.Recv, other calls that block go into ToThread.\n%s", limit, blockedStacks())
			return ending{report: Report{Failures: []*Failure{{Err: err, Record: record{}.String()}}}}
		}
	}
}

// blockedStacks are the stacks of goroutines that run a task or callback of a loop, those
// left out that are suspended in an await.
func blockedStacks() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var b strings.Builder
	for _, g := range strings.Split(string(buf), "\n\n") {
		head, _, _ := strings.Cut(g, "\n")
		if strings.Contains(head, "[coroutine") || !strings.Contains(g, "aio.(*coroutine).runTask(") && !strings.Contains(g, "aio.(*Loop).call(") {
			continue
		}
		b.WriteString(g + "\n\n")
	}
	return strings.TrimSpace(b.String())
}

// pass goes on as the goroutine did.
func (e ending) pass() {
	if e.panic != nil {
		panic(e.panic)
	}
	if e.exited {
		runtime.Goexit()
	}
}

// guarded makes the runs of an exploration that belongs to no test.
func guarded(f func(e *engine) Report) Report {
	var e engine
	end := e.guard(f)
	end.pass()
	return end.report
}
