package aiotest

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/plug"
)

// Sweep has the settings of [CancelEverywhere]. The zero value means the defaults.
type Sweep struct {
	// Tasks selects further tasks to cancel, each before and after each of its
	// steps. By default only the region's own task is cancelled. Select only tasks
	// that the program itself cancels: a failure after a cancellation that the
	// program never requests proves nothing.
	Tasks func(task aio.AnyTask) bool
	// Schedules is the number of schedules under which all moments are swept: the
	// first is asyncio's own order, the others are made as in an [Exploration] of
	// mode Mode. 0 means 1.
	Schedules int
	// Mode is the way in which the schedules are made.
	Mode Mode
	// AllowSwallowed turns off the check that a cancelled task ends as cancelled.
	AllowSwallowed bool
	// MaxSteps limits the steps of a run; 0 means 1 000 000.
	MaxSteps int
	// Network simulates the connections, as in an [Exploration].
	Network bool
}

// Cancelled is the region of a swept function in which the cancellation occurs.
type Cancelled struct{ r *run }

// Do runs fn as a task, suspends the calling task until it is done, and returns its
// error. It is the region of [CancelEverywhere]: the cancellation of the run occurs
// while fn runs, and cancels this task. A function may have several regions, one after
// another. The error matches ErrUsage if a region is active already.
func (c *Cancelled) Do(ctx context.Context, fn func(ctx context.Context) error) error {
	r := c.r
	switch {
	case r == nil:
		return usagef("Cancelled.Do: CancelEverywhere makes a Cancelled")
	case fn == nil:
		return usagef("Cancelled.Do: the function is nil")
	}
	if aio.CurrentTask(ctx) == nil {
		if _, err := aio.GetRunningLoop(ctx); err != nil {
			return err
		}
		return aio.ErrNoTask
	}
	if r.region != nil {
		return usagef("Do: a region is under way already")
	}
	task := aio.CreateTask(ctx, aio.NoResult(fn), aio.WithName("region"))
	r.region = task
	r.regions++
	defer func() { r.region = nil }()
	_, err := task.Await(ctx)
	return err
}

// Happened reports whether the cancellation of this run has occurred. In the first run
// it never does.
func (c *Cancelled) Happened() bool {
	if c.r == nil {
		panic(usagef("Cancelled.Happened: CancelEverywhere makes a Cancelled"))
	}
	return c.r.fired != nil
}

// Whole converts main into a function for [Sweep.Run] or [CancelEverywhere] in which
// the whole of main is the region. The only checks are those of CancelEverywhere
// itself.
func Whole(main func(ctx context.Context) error) func(ctx context.Context, c *Cancelled) error {
	if main == nil {
		panic(usagef("Whole: the function is nil"))
	}
	return func(ctx context.Context, c *Cancelled) error {
		err := c.Do(ctx, main)
		if c.Happened() && aio.IsCancellation(err) {
			return nil
		}
		return err
	}
}

// CancelEverywhere runs fn once without a cancellation. Then it runs fn once for each
// moment in its region (see [Cancelled.Do]), and cancels the region's task at that
// moment. There is a moment before each step of any task or callback, and one after the
// last step of a pass. So the task is cancelled both while it is suspended and after it
// was woken and before it runs. The code after the region checks the result.
//
//	aiotest.CancelEverywhere(t, aiotest.Sweep{}, func(
//		ctx context.Context, c *aiotest.Cancelled) error {
//		pool := newPool() // new in each run
//		err := c.Do(ctx, func(ctx context.Context) error {
//			return pool.ask(ctx, "a")
//		})
//		return pool.check(ctx, err)
//	})
//
// A run fails if fn returns an error; if there is a deadlock; if the cancelled task
// ends with another error or none, without having called Uncancel; if remaining tasks
// do not end within a second of virtual time; if an error reaches the exception
// handler; if the run exceeds its limits. All moments are tried. Failures are reported
// once for each place in which the task was suspended and each error.
//
// fn must be deterministic and create all its state itself, so that each run starts in
// the same state.
func CancelEverywhere(t TB, s Sweep, fn func(ctx context.Context, c *Cancelled) error) Report {
	needs(t, "CancelEverywhere")
	t.Helper()
	return report(t, func(e *engine) Report { return s.run(e, fn) })
}

// Run is [CancelEverywhere] outside of tests: failures are in the report.
func (s Sweep) Run(fn func(ctx context.Context, c *Cancelled) error) Report {
	return guarded(func(e *engine) Report { return s.run(e, fn) })
}

func (s Sweep) run(e *engine, fn func(ctx context.Context, c *Cancelled) error) Report {
	if fn == nil {
		return e.misuse(usagef("the function is nil"))
	}
	c := &Cancelled{&e.run}
	main := func(ctx context.Context) error { return fn(ctx, c) }
	base := setting{mode: s.Mode, maxSteps: s.MaxSteps, victims: s.Tasks, allowSwallowed: s.AllowSwallowed, network: s.Network, sweep: true}
	return e.sweep(base, s.Schedules, disturbance{
		unused:  "CancelEverywhere: the function never calls Do, so there is nothing to cancel",
		points:  func() int { return e.run.moments },
		disturb: func(set *setting, i int) { set.moment = i + 1 },
		place:   func() string { return e.run.fired.place() },
	}, main)
}

// disturbance is the part in which [CancelEverywhere] and [FailEverywhere] differ.
type disturbance struct {
	unused string     // the error of a function that never calls Do
	points func() int // number of points in the last run
	// disturb sets the point at which a run is disturbed; points count from 0.
	disturb func(set *setting, i int)
	place   func() string // where the last run was disturbed
}

// sweep makes an undisturbed run of main for each schedule, which must pass, and then a
// run for each of its points, with the same choices.
func (e *engine) sweep(base setting, schedules int, d disturbance, main func(ctx context.Context) error) Report {
	switch {
	case base.mode != Environment && base.mode != AnyOrder:
		return e.misuse(usagef("a sweep has the mode Environment or AnyOrder"))
	case schedules < 0 || base.maxSteps < 0:
		return e.misuse(usagef("Schedules and MaxSteps must not be negative"))
	}
	if e.replaying(base, main) {
		return e.report
	}
	seen := map[string]bool{}
	for seed := range max(schedules, 1) {
		set := base
		set.seed, set.random = uint64(seed), seed > 0
		if !e.attempt(set, main) {
			return e.report
		}
		if e.run.regions == 0 {
			return e.misuse(usagef("%s", d.unused))
		}
		choices := append([]Choice(nil), e.run.choices...)
		if seed == 0 && !e.repeatable(set, main) {
			return e.report
		}
		set.script, set.random = choices, false
		for i := range d.points() {
			d.disturb(&set, i)
			out := e.once(set, main)
			e.report.Moments++
			if out.err == nil {
				continue
			}
			key := string(out.kind) + firstLine(out.err) + d.place()
			if seen[key] {
				continue
			}
			seen[key] = true
			e.fail(set, out, main)
			if len(e.report.Failures) >= maxFailures {
				return e.report
			}
		}
	}
	return e.report
}

// maxFailures limits the failures that a sweep reports.
const maxFailures = 10

// firstLine returns the first line of the text of err.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// cancellation is the cancellation of a run.
type cancellation struct {
	task    aio.AnyTask
	name    string
	stack   []runtime.Frame // stack of the task
	during  string          // the entry that was about to run
	step    int
	allowed bool // swallowing it is allowed
}

// before is called before an entry runs, while a region is active.
func (r *run) before() {
	if !r.region.Done() {
		r.reach(r.region, true)
	}
	if r.victims != nil {
		r.ran = nil
		if t, _ := r.view.Task(0); t != nil && t != any(r.region) && r.victims(t.(aio.AnyTask)) {
			r.ran = t.(aio.AnyTask)
			r.reach(r.ran, true)
		}
	}
}

// after is called after an entry has run, while a region is active.
func (r *run) after() {
	if r.view.Todo() == 0 && !r.region.Done() {
		r.reach(r.region, false)
	}
	if r.ran != nil && !r.ran.Done() {
		r.reach(r.ran, false)
	}
}

// reach counts a moment at which victim may be cancelled, and cancels it if this is the
// moment of the run.
func (r *run) reach(victim aio.AnyTask, before bool) {
	r.moments++
	if r.moments != r.moment {
		return
	}
	f := &cancellation{task: victim, name: victim.GetName(), stack: victim.GetStack(0), step: r.steps, allowed: r.allowSwallowed}
	if before {
		f.during = r.view.Describe(0)
	}
	r.fired = f
	if r.log != nil {
		r.log.note("cancel " + f.name)
	}
	victim.Cancel("aiotest: cancelled by CancelEverywhere")
}

// judge returns an error if the cancelled task did not end correctly.
func (f *cancellation) judge(view plug.Loop) error {
	if f == nil || f.allowed || f.task.Cancelled() || f.task.Cancelling() == 0 || view.Undelivered(f.task) {
		return nil
	}
	if !f.task.Done() {
		return fmt.Errorf("the cancellation was swallowed: task %s goes on", f.name)
	}
	return fmt.Errorf("the cancellation was swallowed: task %s ended with the error %v", f.name, f.task.Exception())
}

// String describes the cancelled task and its place.
func (f *cancellation) String() string {
	if f == nil {
		return ""
	}
	s := "Task " + f.name + " was cancelled"
	if at := innermost(f.stack); at != "" {
		s += " at " + at
	}
	if f.during != "" {
		s += ", before the step of " + f.during
	}
	return s
}

// place returns the stack of the cancelled task.
func (f *cancellation) place() string {
	if f == nil {
		return ""
	}
	var b strings.Builder
	for _, frame := range f.stack {
		fmt.Fprintf(&b, " %s:%d", frame.File, frame.Line)
	}
	return b.String()
}
