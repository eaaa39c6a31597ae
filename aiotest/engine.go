package aiotest

// An engine runs one exploration, sweep or replay, in one goroutine. It does not depend
// on package testing: the functions that take a TB print the engine's report.

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

// Report is the result of an exploration or a sweep.
type Report struct {
	// Runs is the number of runs, including those that minimised or repeated a
	// failure.
	Runs int
	// Steps is the number of steps in these runs: of tasks, and callbacks.
	Steps int
	// Moments is the number of moments at which a task was cancelled, one in each
	// run.
	Moments int
	// Complete reports whether mode [Exhaustive] has run all schedules.
	Complete bool
	// Failures are the failures that were found: at most one for an exploration;
	// for a sweep one for each place and error.
	Failures []*Failure
}

// Failure is a run that failed.
type Failure struct {
	// Err is the reason of the failure.
	Err error
	// Run is the number of the run in its exploration or sweep, from 1.
	Run int
	// Seed is the seed of its random choices.
	Seed uint64
	// Record has the choices of the run in text form, for AIOTEST_REPLAY and
	// [Exploration.Replay]. If possible, they are fewer than in the original run.
	Record string
	// Choices are the choices that are not the default.
	Choices []Choice
	// Cancelled describes which task a sweep has cancelled, and where, or which
	// network operation has failed; "" if none.
	Cancelled string
	// Timeline has the steps of the run.
	Timeline Timeline

	mode    Mode
	choices int // the number of choices in the run
}

// Error returns the reason of the failure and the number of the run.
func (f *Failure) Error() string { return fmt.Sprintf("run %d: %v", f.Run, f.Err) }

// Unwrap returns Err.
func (f *Failure) Unwrap() error { return f.Err }

// setting has the parameters of a run.
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
	op             int // the network operation that fails, 0 for none
	faults         simnet.Fault

	// The source of the choices: the first of these that is set.
	picker picker
	input  []byte
	fuzz   bool
	script []Choice
	fits   bool // the script must match
	random bool
	seed   uint64
}

// engine is owned by the goroutine that makes the runs.
type engine struct {
	run     run
	report  Report
	failed  func() bool // reports a failed test, nil without a test
	env     environment
	seeds   seeded
	prios   priorities
	longest int // largest number of steps of a run so far
	note    string
	now     setting // the parameters of the current run
	exited  bool    // a task has ended the goroutine
}

// once runs main once.
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

// attempt runs main once, reports its failure, and returns whether it passed.
func (e *engine) attempt(set setting, main func(ctx context.Context) error) bool {
	out := e.once(set, main)
	if out.err != nil {
		e.fail(set, out, main)
	}
	return out.err == nil
}

// misuse returns the report of an exploration that cannot run.
func (e *engine) misuse(err error) Report {
	e.report.Failures = append(e.report.Failures, &Failure{Err: err, Record: record{}.String()})
	return e.report
}

// fail reports a failed run: it minimises the failure and runs it again with a
// timeline.
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
				// the error of the run with a timeline has times and
				// names
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

// look runs main once with a timeline.
func (e *engine) look(set setting, choices []Choice, main func(ctx context.Context) error) outcome {
	set.picker, set.fuzz, set.random = nil, false, false
	set.script = choices
	if set.script == nil {
		set.script = []Choice{}
	}
	e.run.log = &timeline{}
	if e.run.loop != nil {
		// the next run gets a new loop, without state of other runs
		_ = e.run.close()
	}
	return e.once(set, main)
}

// maxMinimised limits the number of choices of a run that is minimised.
const maxMinimised = 20_000

// maxShrink limits the runs that minimise a failure, and maxShrinkSteps their steps.
const (
	maxShrink      = 300
	maxShrinkSteps = 2_000_000
)

// minimise looks for fewer choices with which the run fails in the same way: it sets
// groups of choices to their default, large groups first, single choices last.
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
					// another schedule has different choices at this
					// place
					continue
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

// happened describes what the sweep has done in the run, "" if nothing.
func (r *run) happened() string {
	if r.failed != "" {
		return r.failed
	}
	return r.fired.String()
}

// repeatable repeats the last run twice and reports whether both ran the same steps.
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

// exhaust runs all schedules, up to a number of runs.
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

// replaying runs the record in AIOTEST_REPLAY, and reports whether there is one.
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
		// repeat the random run, to get its choices
		set.random = true
		// parseRecord has validated the seed
		set.seed, _ = strconv.ParseUint(d.seed, 10, 64)
		e.once(set, main)
		d.choices = slices.Clone(e.run.choices)
	}
	out := e.look(set, d.choices, main)
	if left := e.leftOver(d); out.err == nil && left != nil {
		e.misuse(left)
	} else if out.err == nil {
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

// leftOver returns an error if the last run ended before it used all of a record.
func (e *engine) leftOver(d record) error {
	switch made := len(e.run.choices); {
	case len(d.choices) > made:
		return usagef("the record has choice %d, and the run makes %d: it does not fit the program", len(d.choices)-1, made)
	case d.moment > 0 && e.run.happened() == "":
		return usagef("the run has no moment %d at which to cancel: the record does not fit the program", d.moment)
	case d.op > 0 && e.run.happened() == "":
		return usagef("the run has no network operation %d: the record does not fit the program", d.op)
	}
	return nil
}

// environment has the values of the variables AIOTEST_RUNS, AIOTEST_SEED and
// AIOTEST_STUCK.
type environment struct {
	runs  int    // the factor by which to multiply runs
	seed  uint64 // added to all seeds
	stuck time.Duration
}

// readEnvironment returns an error for a value that is not valid: a test that ignored it
// would pass without the runs that the user asked for.
func readEnvironment() (v environment, err error) {
	v = environment{runs: 1, stuck: 30 * time.Second}
	if s := os.Getenv("AIOTEST_RUNS"); s != "" {
		if v.runs, err = strconv.Atoi(s); err != nil || v.runs < 1 {
			return v, usagef("AIOTEST_RUNS=%s: it must be a positive number", s)
		}
	}
	switch s := os.Getenv("AIOTEST_SEED"); s {
	case "":
	case "random":
		v.seed = rand.Uint64() >> 32
	default:
		if v.seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			return v, usagef("AIOTEST_SEED=%s: it must be a number, or random", s)
		}
	}
	if s := os.Getenv("AIOTEST_STUCK"); s != "" {
		if v.stuck, err = time.ParseDuration(s); err != nil || v.stuck < 0 {
			return v, usagef("AIOTEST_STUCK=%s: it must be a duration such as 30s, or 0", s)
		}
	}
	return v, nil
}

// ending is how the goroutine of an engine has ended.
type ending struct {
	report Report
	panic  any
	exited bool
}

// guard calls f in a new goroutine, which makes the runs, and watches it: a step that
// does not end is a failure. Its goroutine is then leaked, because nothing can end it.
func (e *engine) guard(f func(e *engine) Report) ending {
	var err error
	if e.env, err = readEnvironment(); err != nil {
		return ending{report: e.misuse(err)}
	}
	done := make(chan ending, 1)
	go func() {
		end := ending{exited: true}
		defer func() {
			if end.exited {
				if v := recover(); v != nil {
					end.panic, end.exited = withStack(v), false
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
	limit := e.env.stuck
	if limit == 0 {
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
			err := fmt.Errorf("a step has not ended for %v: what waits without awaiting blocks the loop. A Go channel is received from by aio.Receive, other calls that block go into ToThread.\n%s", limit, blockedStacks())
			return ending{report: Report{Failures: []*Failure{{Err: err, Record: record{}.String()}}}}
		}
	}
}

// withStack adds the stack of the calling goroutine to the value of a panic, which
// continues in another goroutine. The result for an error is an error too.
func withStack(v any) any {
	if err, ok := v.(error); ok {
		return fmt.Errorf("%w\n\n%s", err, debug.Stack())
	}
	return fmt.Sprintf("%v\n\n%s", v, debug.Stack())
}

// blockedStacks returns the stacks of goroutines that run a task or callback of a loop,
// without those suspended in an await.
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

// pass ends the calling goroutine in the way in which the goroutine of the engine has
// ended.
func (e ending) pass() {
	if e.panic != nil {
		panic(e.panic)
	}
	if e.exited {
		runtime.Goexit()
	}
}

// guarded runs an exploration outside of a test.
func guarded(f func(e *engine) Report) Report {
	var e engine
	end := e.guard(f)
	end.pass()
	return end.report
}
