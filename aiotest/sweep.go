package aiotest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/plug"
)

// Sweep says how [CancelEverywhere] cancels. The zero value has the defaults.
type Sweep struct {
	// Tasks selects further tasks to be cancelled, each before and after each of its
	// steps. By default only the region's own task is. Take care to select tasks that
	// the program itself cancels: a cancellation that nobody can request proves
	// nothing.
	Tasks func(task aio.AnyTask) bool
	// Schedules is the number of schedules under which all moments are swept: the
	// first is asyncio's own order, the others are made as an [Exploration] of mode
	// Mode makes them. 0 is 1.
	Schedules int
	// Mode is how the schedules are made.
	Mode Mode
	// AllowSwallowed turns off the check that a task which was cancelled ends as
	// cancelled.
	AllowSwallowed bool
	// MaxSteps bounds the steps of a run; 0 is 1 000 000.
	MaxSteps int
	// Network has connections be simulated, as that of an [Exploration].
	Network bool
}

// Cancelled is the marked region of a function that is swept.
type Cancelled struct{ r *run }

// Do runs fn as a task and returns its error, once it is done. It is the region of
// [CancelEverywhere]: the cancellation of the run comes while fn runs, and hits this
// task. A function may have several regions, one after another. Do awaits; the error
// matches ErrUsage if a region is under way already.
func (c *Cancelled) Do(ctx context.Context, fn func(ctx context.Context) error) error {
	r := c.r
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

// Happened reports whether the cancellation of this run has come. In the first run it
// never does.
func (c *Cancelled) Happened() bool { return c.r.fired != nil }

// Whole makes a function of one for Run, so that a whole test is swept: main is the
// region, and there is no check behind it but those of [CancelEverywhere] itself.
func Whole(main func(ctx context.Context) error) func(ctx context.Context, c *Cancelled) error {
	return func(ctx context.Context, c *Cancelled) error {
		err := c.Do(ctx, main)
		if c.Happened() && errors.Is(err, aio.ErrCancelled) {
			return nil
		}
		return err
	}
}

// CancelEverywhere runs fn once without a cancellation, and then once for each moment
// in its region (see [Cancelled.Do]) with a cancellation of the region's task in that
// moment. A moment is before each step of any task or callback, and after the last one
// of a pass: so the task is cancelled both where it is suspended and where it was woken
// and has not run yet. What follows the region is the check.
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
// A run fails if fn returns an error; if there is a deadlock; if the task that was
// cancelled ends with another error or none, without having called Uncancel; if tasks
// are left that do not end within a second of virtual time; if an error reaches the
// exception handler; if the run exceeds its limits. All moments are tried. A failure is
// reported for each place in which the task was suspended and each error.
//
// fn must behave in the same way in each run: whatever it uses has to be made inside of
// it.
func CancelEverywhere(t TB, s Sweep, fn func(ctx context.Context, c *Cancelled) error) Report {
	t.Helper()
	return report(t, func(e *engine) Report { return s.run(e, fn) })
}

// Run is [CancelEverywhere] for programs that are no tests: failures are in the report.
func (s Sweep) Run(fn func(ctx context.Context, c *Cancelled) error) Report {
	return guarded(func(e *engine) Report { return s.run(e, fn) })
}

func (s Sweep) run(e *engine, fn func(ctx context.Context, c *Cancelled) error) Report {
	c := &Cancelled{&e.run}
	main := func(ctx context.Context) error { return fn(ctx, c) }
	base := setting{mode: s.Mode, maxSteps: s.MaxSteps, victims: s.Tasks, allowSwallowed: s.AllowSwallowed, network: s.Network, sweep: true}
	if base.mode == Exhaustive || base.mode == PCT {
		return e.misuse(usagef("a sweep has the mode Environment or AnyOrder"))
	}
	if e.replaying(base, main) {
		return e.report
	}
	seen := map[string]bool{}
	for seed := range max(s.Schedules, 1) {
		set := base
		set.seed, set.random = uint64(seed), seed > 0
		if !e.attempt(set, main) { // without a cancellation it has to pass
			return e.report
		}
		if e.run.regions == 0 {
			return e.misuse(usagef("CancelEverywhere: the function never calls Do, so there is nothing to cancel"))
		}
		choices := append([]Choice(nil), e.run.choices...)
		if seed == 0 && !e.repeatable(set, main) {
			return e.report
		}
		total := e.run.moments
		for moment := 1; moment <= total; moment++ {
			set := set
			set.moment = moment
			set.script, set.random = choices, false
			out := e.once(set, main)
			e.report.Moments++
			if out.err == nil {
				continue
			}
			key := string(out.kind) + firstLine(out.err) + e.run.fired.place()
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

// maxFailures bounds the failures that a sweep reports.
const maxFailures = 10

// firstLine is the first line of the text of err.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// cancellation is the one that was made in a run.
type cancellation struct {
	task    aio.AnyTask
	name    string
	stack   []runtime.Frame // of the task
	during  string          // what was about to run
	step    int
	allowed bool // to be swallowed
}

// before is called before an entry runs, while a region is under way.
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

// after is called after an entry ran, while a region is under way.
func (r *run) after() {
	if r.view.Todo() == 0 && !r.region.Done() {
		r.reach(r.region, false)
	}
	if r.ran != nil && !r.ran.Done() {
		r.reach(r.ran, false)
	}
}

// reach counts a moment in which victim may be cancelled, and does so if it is the one of
// the run.
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

// judge says whether the task that was cancelled ended in the right way.
func (f *cancellation) judge(view plug.Loop) error {
	if f == nil || f.allowed || f.task.Cancelled() || f.task.Cancelling() == 0 || view.Undelivered(f.task) {
		return nil
	}
	if !f.task.Done() {
		return fmt.Errorf("the cancellation was swallowed: task %s goes on", f.name)
	}
	return fmt.Errorf("the cancellation was swallowed: task %s ended with the error %v", f.name, f.task.Exception())
}

// String says who was cancelled and where.
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

// place is the stack of the task that was cancelled.
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
