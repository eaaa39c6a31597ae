// Package play runs the small programs of the course under a given schedule, and records
// what an observer would see before each step: the ready queue, the tasks, and the
// values of the program.
//
// A run is a function of its program and its choices. So a page needs no live program:
// one step back is an earlier frame of the same run, and another choice is another run.
package play

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/plug"
)

// Program is a program of the course. It returns an error if its result is wrong.
type Program func(ctx context.Context, s *Scene) error

// Run is one run of a program.
type Run struct {
	// Frames has the state before each step, and the state at the end.
	Frames []Frame `json:"frames"`
	// Failed reports whether the program failed, Kind and Text how: Kind is
	// "deadlock", "error" or "limit".
	Failed bool   `json:"failed"`
	Kind   string `json:"kind,omitempty"`
	Text   string `json:"text,omitempty"`
}

// Frame is the state of a program between two steps.
type Frame struct {
	// Now is the virtual time, Pass the number of the pass.
	Now  string `json:"now"`
	Pass int    `json:"pass"`
	// Choice is the number of the choice in this frame, -1 if there is no choice.
	// Chosen is the index in Ready of the entry that ran next.
	Choice int `json:"choice"`
	Chosen int `json:"chosen"`
	// Last is the step that led here, nil for the first frame.
	Last *Step `json:"last"`
	// Ready is the ready queue. The pass that runs ends after the first Left of
	// its entries.
	Ready []Entry `json:"ready"`
	Left  int     `json:"left"`
	// Tasks are all tasks so far, in the order of their creation.
	Tasks  []Task   `json:"tasks"`
	Things []Thing  `json:"things"`
	Output []string `json:"output"`
}

// Entry is an entry of the ready queue.
type Entry struct {
	Name string `json:"name"`
	Task int    `json:"task"` // index of the task in Frame.Tasks, -1 for a callback
	Why  string `json:"why"`
	By   int    `json:"by"` // the number of the step that made it ready, -1 for none
	// May reports whether the entry may run next. If not, Oldest is the entry that
	// has to run before.
	May    bool `json:"may"`
	Oldest int  `json:"oldest"`
}

// Step is a step that has run.
type Step struct {
	Name string `json:"name"`
	Task int    `json:"task"`
	Why  string `json:"why"`
	By   int    `json:"by"`
	How  string `json:"how"` // what the task awaits now, or how it ended
}

// Task is a task of the program.
type Task struct {
	Name  string `json:"name"`
	State string `json:"state"` // ready, waiting, done, failed or cancelled
	What  string `json:"what"`  // the operation that the task awaits, or its error
	Line  int    `json:"line"`  // in the file of the program, 0 if it is not there
	// the task represents something outside of the program
	Event bool `json:"event"`
}

// Thing is a value of the program that it shows.
type Thing struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"` // lock, queue, semaphore, event or value
	Text   string `json:"text"`
	N      int    `json:"n"`
	Max    int    `json:"max"`
	Holder string `json:"holder,omitempty"`
}

// maxSteps limits the steps of a run. The programs of the course need far fewer.
const maxSteps = 2000

// errSteps ends a run that exceeds the limit.
var errSteps = fmt.Errorf("the program has made %d steps and has not ended", maxSteps)

// Do runs a program. Where several entries may run next, choices has the index of the
// one that does; after its end, and for an index that does not exist, the first one
// runs, as in asyncio. These are the choices that aiotest makes in mode AnyOrder.
func Do(p Program, choices []int) *Run {
	loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	d := &director{loop: loop, choices: choices, run: &Run{}, scene: &Scene{}, index: map[uint64]int{}, step: -1}
	d.view = plug.Direct(loop, d)
	runner := aio.Runner{LoopFactory: func() *aio.Loop { return loop }}
	_, _ = runner.GetLoop() // cannot fail for a new runner
	loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
		if !d.over {
			d.scene.Log("reported: %s", ec.Message)
		}
	})
	d.main = aio.CreateTask(loop.Context(), aio.NoResult(func(ctx context.Context) error { return p(ctx, d.scene) }), aio.WithName("main"))
	_, err := aio.RunUntilComplete(loop, d.main)
	d.over = true
	d.frame()
	switch {
	case err == nil:
	case errors.Is(err, errSteps):
		d.run.fail("limit", err.Error())
	case errors.Is(err, aio.ErrDeadlock):
		d.run.fail("deadlock", "No task can ever run again: each one waits for another.")
	default:
		d.run.fail("error", err.Error())
	}
	plug.Direct(loop, nil)
	// the errors of Close, for example of cancelled tasks, are not results of the
	// run
	_ = runner.Close()
	return d.run
}

func (r *Run) fail(kind, text string) { r.Failed, r.Kind, r.Text = true, kind, text }

// director is the director of the loop. It belongs to the goroutine that runs the loop.
type director struct {
	loop    *aio.Loop
	view    plug.Loop
	main    *aio.Task[struct{}]
	scene   *Scene
	choices []int
	made    int // choices
	run     *Run
	pass    int
	step    int // the number of the step that runs, or ran last
	over    bool

	tasks  []aio.AnyTask // all tasks so far
	index  map[uint64]int
	names  []string
	began  []bool
	origin []int // for each entry of the ready queue, the step that made it ready
	last   *Step
}

// Pass implements plug.Director.
func (d *director) Pass() { d.pass++ }

// Idle implements plug.Director: the loop itself advances the virtual clock.
func (d *director) Idle() bool { return false }

// Choose implements plug.Director.
func (d *director) Choose() {
	if d.over || d.main.Done() {
		return
	}
	d.sync(-1)
	f := d.frame()
	i := d.choose(f)
	f.Chosen = i
	e := f.Ready[i]
	if i > 0 {
		by := d.origin[i]
		copy(d.origin[1:i+1], d.origin[:i])
		d.origin[0] = by
		d.view.ToFront(i)
	}
	d.origin = slices.Delete(d.origin, 0, 1)
	d.step++
	d.last = &Step{Name: e.Name, Task: e.Task, Why: e.Why, By: e.By}
	if e.Task >= 0 {
		d.began[e.Task] = true
	}
	if d.step >= maxSteps {
		d.view.Stop(errSteps)
	}
}

// choose returns the entry that runs next. As in aiotest, there is no choice where no
// program can observe the order.
func (d *director) choose(f *Frame) int {
	f.Choice = -1
	if d.view.Len() <= 1 || d.main.Done() {
		return 0
	}
	if i := d.view.Commuting(); i >= 0 {
		return i
	}
	f.Choice = d.made
	i := 0
	if d.made < len(d.choices) && d.choices[d.made] < d.view.Len() {
		i = d.view.Oldest(max(d.choices[d.made], 0))
	}
	d.made++
	return i
}

// Ran implements plug.Director.
func (d *director) Ran() {
	if d.over {
		return
	}
	// The first frame after main has ended is the last one.
	defer func() { d.over = d.over || d.main.Done() }()
	d.sync(d.step)
	d.scene.ran(d.last.Name)
	if i := d.last.Task; i >= 0 {
		switch t := d.describe(i); t.State {
		case "waiting":
			d.last.How = "awaits " + t.What
		case "ready":
			d.last.How = "lets others run"
		case "failed":
			d.last.How = "fails: " + t.What
		default:
			d.last.How = "is " + t.State
		}
	}
}

// sync records which step made the new entries of the ready queue ready.
func (d *director) sync(by int) {
	for len(d.origin) < d.view.Len() {
		d.origin = append(d.origin, by)
	}
}

// number returns the index of a task in the frames.
func (d *director) number(t aio.AnyTask, id uint64) int {
	i, ok := d.index[id]
	if !ok {
		i = len(d.tasks)
		d.index[id] = i
		d.tasks = append(d.tasks, t)
		d.names = append(d.names, t.GetName())
		d.began = append(d.began, false)
	}
	return i
}

// frame records the current state.
func (d *director) frame() *Frame {
	f := Frame{Now: d.view.Now().String(), Pass: d.pass, Choice: -1, Left: d.view.Todo(), Last: d.last}
	for i := range d.view.Len() {
		e := Entry{Task: -1, Why: d.view.Cause(i), By: -1, Oldest: d.view.Oldest(i)}
		if i < len(d.origin) {
			e.By = d.origin[i]
		}
		e.May = e.Oldest == i
		if t, id := d.view.Task(i); t != nil {
			e.Task = d.number(t.(aio.AnyTask), id)
			e.Name = d.names[e.Task]
			switch {
			case !d.began[e.Task]:
				e.Why = "start"
			case e.Why == "":
				e.Why = "Sleep(0)"
			}
		} else {
			e.Name = callback(d.view.Describe(i))
		}
		f.Ready = append(f.Ready, e)
	}
	for i := range d.tasks {
		t := d.describe(i)
		for _, e := range f.Ready {
			if e.Task == i {
				t.State, t.What = "ready", ""
			}
		}
		f.Tasks = append(f.Tasks, t)
	}
	f.Things, f.Output = d.scene.state()
	d.run.Frames = append(d.run.Frames, f)
	return &d.run.Frames[len(d.run.Frames)-1]
}

// describe returns the state of a task.
func (d *director) describe(i int) Task {
	task := d.tasks[i]
	t := Task{Name: d.names[i], State: "ready", Event: strings.HasPrefix(d.names[i], outside)}
	switch {
	case !task.Done():
		if _, what, ok := strings.Cut(task.String(), ", awaiting "); ok {
			t.State, t.What = "waiting", strings.TrimSuffix(what, ">")
		}
		t.Line = line(task.GetStack(0))
	case task.Cancelled():
		t.State = "cancelled"
	case task.Exception() != nil:
		t.State, t.What = "failed", task.Exception().Error()
	default:
		t.State = "done"
	}
	return t
}

// line returns the innermost line of a stack that is in the program of a level.
func line(stack []runtime.Frame) int {
	for _, f := range slices.Backward(stack) {
		if strings.Contains(f.Function, "/internal/course.") && filepath.Base(f.File) != "levels.go" {
			return f.Line
		}
	}
	return 0
}

// callback shortens the description of a callback.
func callback(text string) string {
	if _, name, ok := strings.Cut(text, "aio."); ok && !strings.HasPrefix(text, "timer of") {
		text = name
	}
	return strings.TrimSuffix(text, "-fm")
}

// Scene records what a program shows. Its methods do nothing while aiotest explores the
// program.
type Scene struct {
	things []*shown
	output []string
}

// shown is a value that a frame shows.
type shown struct {
	name   string
	value  any
	locked bool
	holder string
}

// outside is the beginning of the names of tasks that stand for something outside of the
// program.
const outside = "event: "

// Show makes each frame show a value: a pointer to a lock, a queue, an event, a semaphore
// or a variable.
func (s *Scene) Show(name string, value any) {
	s.things = append(s.things, &shown{name: name, value: value})
}

// Log adds a line to the output.
func (s *Scene) Log(format string, args ...any) {
	s.output = append(s.output, fmt.Sprintf(format, args...))
}

// Answer suspends the calling task until an answer arrives from outside: of a database,
// a user, the network. The answer is an entry of the ready queue, so that the schedule
// decides when it arrives.
func (s *Scene) Answer(ctx context.Context, of string) error {
	_, err := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { return nil }), aio.WithName(outside+of)).Await(ctx)
	return err
}

// After calls fn after a number of ticks: what happens outside of the program, such as a
// user who presses a button. Each tick is an entry of the ready queue. The number decides
// when fn is called in asyncio's order; another schedule may bring it forward.
func (s *Scene) After(ctx context.Context, ticks int, what string, fn func()) {
	name := outside + what
	if ticks > 0 {
		name = fmt.Sprintf("%s, in %d", name, ticks)
	}
	aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		if ticks > 0 {
			s.After(ctx, ticks-1, what, fn)
		} else {
			fn()
		}
		return nil
	}), aio.WithName(name))
}

// ran notes which task holds a lock after a step of the task name.
func (s *Scene) ran(name string) {
	for _, t := range s.things {
		if l, ok := t.value.(interface{ Locked() bool }); ok {
			if now := l.Locked(); now != t.locked {
				t.locked, t.holder = now, ""
				if now {
					t.holder = name
				}
			}
		}
	}
}

// state returns the values now, and the output so far.
func (s *Scene) state() (things []Thing, output []string) {
	for _, t := range s.things {
		th := Thing{Name: t.name, Kind: "value"}
		switch v := t.value.(type) {
		case *aio.Semaphore:
			th.Kind, th.Text = "semaphore", "has a free permit"
			if v.Locked() {
				th.Text, th.N = "no permit is free", 1
			}
		case interface{ Locked() bool }:
			th.Kind, th.Text, th.Holder = "lock", "free", t.holder
			if v.Locked() {
				th.Text, th.N = "held", 1
			}
		case interface {
			QSize() int
			MaxSize() int
		}:
			th.Kind, th.N, th.Max = "queue", v.QSize(), v.MaxSize()
			th.Text = fmt.Sprint(th.N, " items")
			if th.Max > 0 {
				th.Text = fmt.Sprintf("%d of %d", th.N, th.Max)
			}
		case interface{ IsSet() bool }:
			th.Kind, th.Text = "event", "not set"
			if v.IsSet() {
				th.Text, th.N = "set", 1
			}
		default:
			th.Text = fmt.Sprint(reflect.ValueOf(t.value).Elem().Interface())
		}
		things = append(things, th)
	}
	return things, slices.Clone(s.output)
}
