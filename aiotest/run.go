package aiotest

// One run of a program under test, in a directed loop with a virtual clock.
//
// A run is a director (see internal/plug): the loop calls it between the steps of
// tasks, in the goroutine that runs the loop, which owns all of its state. Only beat is
// read by another goroutine, which watches for steps that do not end.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/plug"
	"github.com/goaio/aio/internal/simnet"
)

// runs maps each loop that has a run to its run.
var runs sync.Map // *aio.Loop -> *run

// defaultMaxSteps limits the steps of one run of an exploration.
const defaultMaxSteps = 1_000_000

// maxStill limits the passes of a run while its clock does not advance. It is atomic,
// because a run that a Goexit has ended may still read it while the next test sets it.
var maxStill atomic.Int64

func init() { maxStill.Store(10_000_000) }

// drainTime is how long, in virtual time, remaining tasks get to end.
const drainTime = time.Second

// run is the state of one run.
type run struct {
	loop   *aio.Loop
	view   plug.Loop
	runner aio.Runner

	// Parameters; set before each run.
	mode           Mode
	picker         picker
	pct            *priorities   // in mode PCT
	slack          time.Duration // in mode Environment
	maxSteps       int
	moment         int // number of the moment at which to cancel, 0 for never
	victims        func(aio.AnyTask) bool
	allowSwallowed bool
	log            *timeline // nil if no timeline is wanted
	check          *trace    // nil if the run is not compared with another
	threads        bool      // ToThread uses real goroutines
	network        bool      // connections are simulated
	op             int       // the network operation that fails, 0 for none
	faults         simnet.Fault
	strict         bool // remaining tasks get no time to end

	// What happened.
	choices []Choice
	what    string // the name of the choice being made
	steps   int
	still   int           // passes since the clock advanced
	stillAt time.Duration // time of the clock at the last pass
	// over reports that main has ended: there is nothing left to choose or cancel
	over     bool
	limit    error // why the run was ended early
	reported []error
	main     *aio.Task[struct{}]
	region   *aio.Task[struct{}] // the task of the current region
	regions  int
	moments  int // number of moments so far in the region
	fired    *cancellation
	ran      aio.AnyTask // the task whose step ran last, if victims is set
	closing  bool
	failing  int    // active regions of FailEverywhere
	ops      int    // network operations in these regions so far
	failed   string // the operation that failed, "" if none has

	// the simulated host of the loop; nil for the system's network
	host  *simnet.Host
	world *World // the world of a simulation, nil otherwise

	beat atomic.Uint64 // odd while a step runs
}

// kind is the way in which a run failed. Minimising uses it to distinguish failures.
type kind string

const (
	failedMain  kind = "main"
	deadlocked  kind = "deadlock"
	leftTasks   kind = "tasks left"
	reportedErr kind = "reported"
	swallowed   kind = "swallowed"
	outOfBounds kind = "out of bounds"
	doesNotFit  kind = "does not fit"
	testFailed  kind = "test failed"
	differs     kind = "not deterministic"
)

// outcome is the result of a run: err is nil if it passed.
type outcome struct {
	kind kind
	err  error
}

// open creates the loop of the run.
func (r *run) open() {
	r.loop = aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	r.view = plug.Direct(r.loop, r)
	runs.Store(r.loop, r)
	r.runner = aio.Runner{LoopFactory: func() *aio.Loop { return r.loop }}
	_, _ = r.runner.GetLoop() // cannot fail for a new runner
}

// close cancels the remaining tasks, waits for them and closes the loop.
func (r *run) close() error {
	if r.loop == nil {
		return nil
	}
	r.over, r.closing, r.still, r.steps, r.limit = true, true, 0, 0, nil
	err := r.runner.Close()
	runs.Delete(r.loop)
	r.loop = nil
	return err
}

// do runs main. It may be called again, and reuses the loop if no state is left in it.
func (r *run) do(main func(ctx context.Context) error) (out outcome) {
	if r.loop == nil {
		r.open()
	}
	done := false
	defer func() {
		if !done {
			// A task called t.FailNow or a similar method, which ends this
			// goroutine.
			if r.world != nil {
				r.world.end()
			}
			_ = r.close()
		}
	}()
	r.choices, r.steps, r.still, r.stillAt, r.over, r.closing, r.limit = r.choices[:0], 0, 0, 0, false, false, nil
	r.reported, r.region, r.regions, r.moments, r.fired, r.ran = nil, nil, 0, 0, nil, nil
	r.failing, r.ops, r.failed = 0, 0, ""
	r.loop.SetExceptionHandler(r.exception)
	if !r.threads {
		r.loop.SetDefaultExecutor(&virtualExecutor{loop: r.loop, workers: aio.DefaultMaxWorkers})
	}
	r.connect()
	r.main = aio.CreateTask(r.loop.Context(), aio.NoResult(main))
	_, err := aio.RunUntilComplete(r.loop, r.main)
	r.over = true
	if w := r.world; w != nil { // main has not returned
		if errors.Is(err, aio.ErrDeadlock) {
			err = fmt.Errorf("%w%s", err, w.tasks())
		}
		w.end()
	}
	if r.limit == nil && !r.strict && len(aio.AllTasks(r.loop.Context())) > 0 && !errors.Is(err, aio.ErrDeadlock) {
		_, derr := aio.RunUntilComplete(r.loop, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, drainTime) }))
		if err == nil {
			err = derr
		}
	}
	out = r.judge(err)
	done = true
	if out.err != nil || len(r.reported) > 0 || !r.view.Reset() {
		if cerr := r.close(); cerr != nil && (out.err == nil || r.strict) {
			r.reported = append(r.reported, fmt.Errorf("shutting down: %w", cerr))
		}
	}
	switch {
	case len(r.reported) == 0:
	case out.err == nil:
		out = outcome{reportedErr, errors.Join(r.reported...)}
	case r.strict:
		out.err = errors.Join(append([]error{out.err}, r.reported...)...)
	}
	return out
}

// goroutinesHint is part of each deadlock report: a user whose goroutine would have
// ended the wait would not see why the run did not wait for the goroutine.
const goroutinesHint = "\nThe clock is virtual and does not wait for goroutines outside of the loop. If one was to end such a wait: do its work with ToThread, or wait for its channel with Receive."

// judge returns the outcome of a run whose main returned err.
func (r *run) judge(err error) outcome {
	if p, ok := r.picker.(*script); ok && p.misfit != "" {
		return outcome{doesNotFit, errors.New(p.misfit)}
	}
	switch {
	case r.limit != nil:
		return outcome{outOfBounds, r.limit}
	case errors.Is(err, aio.ErrDeadlock):
		return outcome{deadlocked, fmt.Errorf("%w%s", err, goroutinesHint)}
	case err != nil:
		return outcome{failedMain, fmt.Errorf("main: %w", err)}
	}
	if err := r.fired.judge(r.view); err != nil {
		return outcome{swallowed, err}
	}
	if left := aio.AllTasks(r.loop.Context()); len(left) > 0 {
		var b strings.Builder
		for _, task := range left {
			b.WriteString("\n" + task.String() + "\n")
			_ = task.PrintStack(&b, 0) // a strings.Builder never fails
		}
		return outcome{leftTasks, fmt.Errorf("%d tasks are left that are not done:%s", len(left), b.String())}
	}
	r.view.ReportLost()
	return outcome{}
}

// exception is the exception handler of the loop.
func (r *run) exception(_ *aio.Loop, ec aio.ExceptionContext) { r.exceptionOf("", ec) }

// exceptionOf is exception for the loop of a host.
func (r *run) exceptionOf(host string, ec aio.ExceptionContext) {
	text := host + ec.Message
	if ec.Task != nil {
		text += ": " + ec.Task.String()
	}
	if ec.Err != nil {
		r.reported = append(r.reported, fmt.Errorf("%s: %w", text, ec.Err))
	} else {
		r.reported = append(r.reported, errors.New(text))
	}
}

// choose makes a choice and records it.
func (r *run) choose(n int, what string) int {
	if n <= 1 || r.over || r.picker == nil {
		return 0
	}
	r.what = what
	v := r.picker.pick(len(r.choices), n, nil)
	r.choices = append(r.choices, Choice{v, n, what})
	return v
}

// Pass implements plug.Director.
func (r *run) Pass() {
	if now := r.view.Now(); now != r.stillAt {
		r.stillAt, r.still = now, 0
	} else if r.still++; int64(r.still) > maxStill.Load() {
		r.exceeded(r.view, fmt.Errorf("%d passes, and the clock stands still at %v: a task goes round without waiting", maxStill.Load(), now))
	}
	r.delay(r.view)
	if r.host != nil {
		r.host.Poll()
	}
	if r.world != nil {
		r.world.round()
	}
}

// delay makes the previous pass take so long that the next timer is due, if the run
// chooses that.
func (r *run) delay(v plug.Loop) {
	if r.mode != Environment || r.over || r.picker == nil || v.Len() == 0 {
		return
	}
	now := v.Now()
	if when, ok := v.Timer(); ok && when > now && when-now <= r.slack && r.choose(2, "time") == 1 {
		v.SetNow(when)
	}
}

// Idle implements plug.Director: it advances the clock to the next event of a simulated
// network, or of the world.
func (r *run) Idle() bool {
	switch {
	case r.world != nil:
		return r.world.idle()
	case r.host == nil:
		return false
	}
	when, ok := r.host.Next()
	now := r.view.Now()
	if ok && when <= now {
		return true
	}
	t, timer := r.view.Timer()
	if timer && (!ok || t < when) {
		ok, when = true, t
	} else {
		timer = false
	}
	if r.view.Jobs() > 0 {
		return ok && r.realTime(now, when)
	}
	if !ok || timer {
		return false
	}
	if r.view.Outside() > 0 {
		if r.view.Block(time.Millisecond); r.view.Due() {
			return true
		}
	}
	r.view.SetNow(when)
	return true
}

// realTime waits for an event from outside the loop, up to the time when, and advances
// the clock by as much. A job of RealThreads may use a connection, and wait for the
// network or for a deadline: a clock that stood still would make it wait forever, and a
// clock that jumped would make other tasks time out before the job can act.
func (r *run) realTime(now, when time.Duration) bool {
	began := time.Now()
	r.view.Block(when - now)
	r.view.SetNow(min(when, now+time.Since(began)))
	return true
}

// Choose implements plug.Director.
func (r *run) Choose() {
	r.choice(r.view)
	r.count(r.view)
	if d, ok := r.picker.(*depthFirst); ok && r.world == nil {
		d.begin(r.view)
	}
	if r.region != nil && !r.over {
		r.before()
	}
	r.begin(r.view, "")
}

// choice chooses the next entry of a loop's ready queue.
func (r *run) choice(v plug.Loop) {
	if r.mode != Environment && !r.over && r.picker != nil {
		r.order(v)
	}
}

// count counts a step.
func (r *run) count(v plug.Loop) {
	r.steps++
	if r.maxSteps > 0 && r.steps > r.maxSteps {
		r.exceeded(v, fmt.Errorf("%d steps, and main has not ended", r.maxSteps))
	}
}

// begin records a step in the timeline.
func (r *run) begin(v plug.Loop, host string) {
	if r.check != nil && !r.closing {
		r.check.step(r, v, host)
	}
	if r.log != nil && !r.closing && !r.main.Done() {
		r.log.begin(r, v, host)
	}
	r.beat.Add(1)
}

// end records in the timeline how a step ended.
func (r *run) end(v plug.Loop) {
	r.beat.Add(1)
	if r.log != nil && !r.closing {
		r.log.end(r, v)
	}
}

// Ran implements plug.Director.
func (r *run) Ran() {
	r.end(r.view)
	if d, ok := r.picker.(*depthFirst); ok && r.world == nil {
		d.end(r.view)
	}
	if r.region != nil && !r.over {
		r.after()
	}
	if r.world != nil {
		r.world.stepped()
	}
}

// order chooses the next entry of the ready queue. There is no choice where a program
// cannot observe the order: after main has ended, and for an entry that commutes with
// all others. That keeps mode Exhaustive from running the same schedule many times.
func (r *run) order(view plug.Loop) {
	n := view.Len()
	if n <= 1 || r.main.Done() {
		return
	}
	if i := view.Commuting(); i >= 0 {
		r.toFront(view, i)
		return
	}
	at, v := len(r.choices), 0
	r.what = "order"
	if r.pct != nil {
		v = r.pct.pick(view, n, r.steps)
	} else if d, ok := r.picker.(*depthFirst); ok && r.world == nil {
		v = d.order(at, view)
	} else {
		v = r.picker.pick(at, n, func(i int) bool { return view.Oldest(i) == i })
	}
	v = view.Oldest(v)
	r.choices = append(r.choices, Choice{v, n, "order"})
	r.toFront(view, v)
}

// toFront makes entry i the next to run.
func (r *run) toFront(view plug.Loop, i int) {
	if i == 0 {
		return
	}
	if r.log != nil && !r.closing {
		r.log.sync(view, -1)
		r.log.moved(view, i)
	}
	if d, ok := r.picker.(*depthFirst); ok && r.world == nil {
		d.moved(view, i)
	}
	view.ToFront(i)
}

// exceeded ends the run because of a limit, and reports which task is running.
func (r *run) exceeded(view plug.Loop, err error) {
	if r.limit != nil {
		return
	}
	var b strings.Builder
	for i := range min(view.Len(), 8) {
		if t, _ := view.Task(i); t != nil {
			task := t.(aio.AnyTask)
			b.WriteString("\n")
			_ = task.PrintStack(&b, 0) // a strings.Builder never fails
		} else {
			b.WriteString("\n" + view.Describe(i))
		}
	}
	if b.Len() > 0 {
		err = fmt.Errorf("%w. What is ready to run:%s", err, strings.TrimRight(b.String(), "\n"))
	}
	r.limit = err
	r.view.Stop(err)
}
