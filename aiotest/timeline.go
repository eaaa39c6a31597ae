package aiotest

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/plug"
)

// Step is one step of a run: of a task, or a callback.
type Step struct {
	// At is the virtual time since the beginning of the run.
	At time.Duration
	// Name is the name of the task, or describes the callback. Task is set for a
	// step of a task.
	Name string
	Task bool
	// Why is the reason of the step: the operation that the task was waiting for.
	Why string
	// By is the number of the step that made this one ready, -1 if none did.
	By int
	// Where is the line at which the task awaits after the step, or how the task
	// ended.
	Where string
	// Ready is the number of entries in the ready queue when the step began,
	// including its own.
	Ready int
	// Notes are the choices that were made before or during the step, and
	// cancellations.
	Notes []string
}

// Timeline has the steps of a run in order.
type Timeline []Step

// timeline records the steps of a run.
type timeline struct {
	steps Timeline
	// for each entry of a ready queue, the step that made it ready
	mirror map[plug.Loop]*[]int
	task   aio.AnyTask // the task of the open step
	noted  int         // how many choices have a note
	notes  []string    // notes for the next step
	seen   map[aio.AnyTask]bool
	open   bool // the last step is running
}

// origin returns the mirror of a loop's ready queue.
func (t *timeline) origin(v plug.Loop) *[]int {
	q := t.mirror[v]
	if q == nil {
		if t.mirror == nil {
			t.mirror = map[plug.Loop]*[]int{}
		}
		q = new([]int)
		t.mirror[v] = q
	}
	return q
}

// maxTimeline limits the steps of a timeline.
const maxTimeline = 100_000

// sync records the origin of the new entries of the ready queue.
func (t *timeline) sync(v plug.Loop, by int) {
	for q := t.origin(v); len(*q) < v.Len(); {
		*q = append(*q, by)
	}
}

// moved updates the mirror after entry i became the first.
func (t *timeline) moved(v plug.Loop, i int) {
	q := *t.origin(v)
	by := q[i]
	copy(q[1:i+1], q[:i])
	q[0] = by
}

// note adds text to the next step, or to the one that is running.
func (t *timeline) note(text string) { t.notes = append(t.notes, text) }

// begin records the step that is about to run, in the loop of a host, or in the run's
// own loop if host is "".
func (t *timeline) begin(r *run, v plug.Loop, host string) {
	if len(t.steps) == maxTimeline {
		return
	}
	t.sync(v, -1)
	q := t.origin(v)
	by := (*q)[0]
	*q = slices.Delete(*q, 0, 1)
	s := Step{At: v.Now(), By: by, Why: v.Cause(0), Ready: v.Len()}
	task, _ := v.Task(0)
	if task != nil {
		t.task = task.(aio.AnyTask)
		s.Name, s.Task = t.task.GetName(), true
		switch {
		case !t.seen[t.task]:
			s.Why = "start"
			if t.seen == nil {
				t.seen = map[aio.AnyTask]bool{}
			}
			t.seen[t.task] = true
		case s.Why == "":
			s.Why = "Sleep(0)"
		}
	} else {
		t.task = nil
		s.Name = v.Describe(0)
		// The last element of a package path is enough; the type arguments of a
		// generic name are in brackets
		name, args, generic := strings.Cut(s.Name, "[")
		s.Name = name[strings.LastIndexByte(name, '/')+1:]
		if generic {
			s.Name += "[" + args[strings.LastIndexByte(args, '/')+1:]
		}
	}
	if host != "" {
		s.Name = host + ": " + s.Name
	}
	t.notes = t.choices(t.notes, r)
	s.Notes, t.notes = t.notes, nil
	t.steps = append(t.steps, s)
	t.open = true
}

// end records where the task of the step is suspended, or how it ended.
func (t *timeline) end(r *run, v plug.Loop) {
	if !t.open {
		return
	}
	t.open = false
	at := len(t.steps) - 1
	s := &t.steps[at]
	s.Notes = t.choices(s.Notes, r)
	s.Notes = append(s.Notes, t.notes...)
	t.notes = nil
	t.sync(v, at)
	switch {
	case t.task == nil:
	case !t.task.Done():
		s.Where = "awaits"
		if _, what, ok := strings.Cut(t.task.String(), ", awaiting "); ok {
			s.Where += " " + what
		}
		if at := innermost(t.task.GetStack(0)); at != "" {
			s.Where += " at " + at
		}
	case t.task.Cancelled():
		s.Where = "is cancelled"
	case t.task.Exception() != nil:
		s.Where = "fails: " + firstLine(t.task.Exception())
	default:
		s.Where = "is done"
	}
}

// choices appends to notes the choices that were made since the last call.
func (t *timeline) choices(notes []string, r *run) []string {
	for _, c := range r.choices[t.noted:] {
		if c.Index != 0 {
			notes = append(notes, c.String())
		}
	}
	t.noted = len(r.choices)
	return notes
}

// innermost returns the innermost line of a stack that is not in this package, "" if
// there is none.
func innermost(stack []runtime.Frame) string {
	for _, f := range slices.Backward(stack) {
		if !strings.HasPrefix(f.Function, "github.com/goaio/aio/aiotest.") {
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
	}
	return ""
}

// String returns one line for each step.
func (t Timeline) String() string {
	all := make([]int, len(t))
	for i := range t {
		all[i] = i
	}
	return t.text(all)
}

// tell selects the n most informative steps: steps with notes, for up to half of n, and
// the last steps that are not callbacks of the library.
func (t Timeline) tell(n int) []int {
	var at []int
	for i, s := range t {
		if len(s.Notes) > 0 && len(at) < n/2 {
			at = append(at, i)
		}
	}
	for i := len(t) - 1; i >= 0 && len(at) < n; i-- {
		if t[i].ofProgram() && !slices.Contains(at, i) {
			at = append(at, i)
		}
	}
	slices.Sort(at)
	return at
}

// ofProgram reports whether the step runs code of the program.
func (s Step) ofProgram() bool {
	if s.Task || len(s.Notes) > 0 {
		return true
	}
	name := strings.TrimLeft(strings.TrimPrefix(s.Name, "timer "), "*")
	return strings.Contains(name, ".") && !strings.HasPrefix(name, "aio.") && !strings.HasPrefix(name, "aiotest.")
}

// text returns the lines of the steps with these numbers.
func (t Timeline) text(steps []int) string {
	width := 0
	for _, i := range steps {
		width = max(width, len(t[i].Name))
	}
	width = min(width, 30)
	var b strings.Builder
	for _, i := range steps {
		s := t[i]
		fmt.Fprintf(&b, "%4d %10v  ", i, s.At)
		if s.Why == "" && s.Where == "" && len(s.Notes) == 0 {
			b.WriteString(s.Name)
		} else {
			fmt.Fprintf(&b, "%-*s", width, s.Name)
		}
		if s.Why != "" {
			fmt.Fprintf(&b, "  after %s", s.Why)
		}
		if s.By >= 0 {
			fmt.Fprintf(&b, " (by step %d)", s.By)
		}
		if s.Where != "" {
			fmt.Fprintf(&b, ", %s", s.Where)
		}
		if len(s.Notes) > 0 {
			fmt.Fprintf(&b, "  <- %s", strings.Join(s.Notes, ", "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// trace has the steps of a run in a form that can be compared.
type trace struct{ steps []traced }

type traced struct {
	at    time.Duration
	id    uint64
	what  string
	ready int
	made  int // choices
}

// maxTraced limits the steps that are compared.
const maxTraced = 1 << 16

func (t *trace) step(r *run, v plug.Loop, host string) {
	if len(t.steps) == maxTraced {
		return
	}
	_, id := v.Task(0)
	s := traced{at: v.Now(), id: id, ready: v.Len(), made: len(r.choices)}
	if task, _ := v.Task(0); task != nil {
		s.what = "Task " + task.(aio.AnyTask).GetName()
	} else {
		s.what = v.Describe(0)
	}
	if host != "" {
		s.what = host + ": " + s.what
	}
	t.steps = append(t.steps, s)
}

// usualCauses lists the usual causes of different runs.
const usualCauses = "Usual causes: the order of a map, time.Now, a goroutine, a select with several ready channels, " +
	"a random number (use aiotest.Choose), an address in text, or something that lives on from run to run"

// difference describes the first step at which another run with the same choices
// differs, "" if there is none.
func (t *trace) difference(other *trace) string {
	for i := range max(len(t.steps), len(other.steps)) {
		switch {
		case i >= len(t.steps):
			return fmt.Sprintf("the run is not deterministic: it ended after step %d, and went on with %s when it was repeated. %s", i, other.steps[i], usualCauses)
		case i >= len(other.steps):
			return fmt.Sprintf("the run is not deterministic: it went on after step %d with %s, and ended when it was repeated. %s", i, t.steps[i], usualCauses)
		case t.steps[i] != other.steps[i]:
			return fmt.Sprintf("the run is not deterministic: step %d was %s, and when it was repeated %s. %s", i, t.steps[i], other.steps[i], usualCauses)
		}
	}
	return ""
}

func (s traced) String() string {
	return fmt.Sprintf("%s at %v with %d ready", s.what, s.at, s.ready)
}
