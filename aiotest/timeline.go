package aiotest

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/goaio/aio"
)

// Step is one step of a run: of a task, or a callback.
type Step struct {
	// At is the virtual time since the beginning of the run.
	At time.Duration
	// Name is the name of the task, or describes the callback. Task is set if it is a
	// task.
	Name string
	Task bool
	// Why says what the step comes from: what the task was waiting for.
	Why string
	// By is the number of the step that made it ready, -1 if none did.
	By int
	// Where is the line at which the task awaits after the step, or how it ended.
	Where string
	// Ready is the number of entries in the ready queue when the step began, itself
	// included.
	Ready int
	// Notes are choices that were made before or during the step, and cancellations.
	Notes []string
}

// Timeline has the steps of a run in their order.
type Timeline []Step

// timeline follows a run. origin mirrors the ready queue: by which step each entry was
// made ready.
type timeline struct {
	steps  Timeline
	origin []int
	task   aio.AnyTask // whose step it is
	noted  int         // how many choices have their note
	notes  []string    // for the next step
	seen   map[uint64]bool
	open   bool // the last step runs
}

// maxTimeline bounds the steps of a timeline.
const maxTimeline = 100_000

// sync notes where the entries come from that are new in the ready queue.
func (t *timeline) sync(n, by int) {
	for len(t.origin) < n {
		t.origin = append(t.origin, by)
	}
}

// moved mirrors that entry i became the first.
func (t *timeline) moved(i int) {
	by := t.origin[i]
	copy(t.origin[1:i+1], t.origin[:i])
	t.origin[0] = by
}

// note has text stand at the next step, or at the one that runs.
func (t *timeline) note(text string) { t.notes = append(t.notes, text) }

// begin writes down the step that is about to run.
func (t *timeline) begin(r *run) {
	if len(t.steps) == maxTimeline {
		return
	}
	v := r.view
	t.sync(v.Len(), -1)
	by := t.origin[0]
	t.origin = slices.Delete(t.origin, 0, 1)
	s := Step{At: v.Now(), By: by, Why: v.Cause(0), Ready: v.Len()}
	task, id := v.Task(0)
	if task != nil {
		t.task = task.(aio.AnyTask)
		s.Name, s.Task = t.task.GetName(), true
		switch {
		case !t.seen[id]:
			s.Why = "start"
			if t.seen == nil {
				t.seen = map[uint64]bool{}
			}
			t.seen[id] = true
		case s.Why == "":
			s.Why = "Sleep(0)"
		}
	} else {
		t.task = nil
		s.Name = v.Describe(0)
		s.Name = s.Name[strings.LastIndexByte(s.Name, '/')+1:]
	}
	for _, c := range r.choices[t.noted:] {
		if c.Index != 0 {
			t.notes = append(t.notes, fmt.Sprintf("%s: %d of %d", c.What, c.Index, c.Size))
		}
	}
	t.noted = len(r.choices)
	s.Notes, t.notes = t.notes, nil
	t.steps = append(t.steps, s)
	t.open = true
}

// end writes down where the task of the step is now.
func (t *timeline) end(r *run) {
	if !t.open {
		return
	}
	t.open = false
	at := len(t.steps) - 1
	s := &t.steps[at]
	for _, c := range r.choices[t.noted:] {
		if c.Index != 0 {
			s.Notes = append(s.Notes, fmt.Sprintf("%s: %d of %d", c.What, c.Index, c.Size))
		}
	}
	t.noted = len(r.choices)
	s.Notes = append(s.Notes, t.notes...)
	t.notes = nil
	t.sync(r.view.Len(), at)
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
	default:
		s.Where = "is done"
	}
}

// innermost names the innermost line of a stack that is not in this package, "" if there
// is none.
func innermost(stack []runtime.Frame) string {
	for _, f := range slices.Backward(stack) {
		if !strings.HasPrefix(f.Function, "github.com/goaio/aio/aiotest.") {
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
	}
	return ""
}

// String returns one line for each step.
func (t Timeline) String() string { return t.text(0) }

// text returns the lines from a step on.
func (t Timeline) text(from int) string {
	width := 0
	for _, s := range t[from:] {
		width = max(width, len(s.Name))
	}
	width = min(width, 30)
	var b strings.Builder
	for i, s := range t[from:] {
		fmt.Fprintf(&b, "%4d %10v  ", from+i, s.At)
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

// trace has the steps of a run in a form to be compared.
type trace struct{ steps []traced }

type traced struct {
	at    time.Duration
	id    uint64
	what  string
	ready int
	made  int // choices
}

// maxTraced bounds the steps that are compared.
const maxTraced = 1 << 16

func (t *trace) step(r *run) {
	if len(t.steps) == maxTraced {
		return
	}
	_, id := r.view.Task(0)
	s := traced{at: r.view.Now(), id: id, ready: r.view.Len(), made: len(r.choices)}
	if task, _ := r.view.Task(0); task != nil {
		s.what = "Task " + task.(aio.AnyTask).GetName()
	} else {
		s.what = r.view.Describe(0)
	}
	t.steps = append(t.steps, s)
}

// usualCauses of runs that differ.
const usualCauses = "Usual causes: the order of a map, time.Now, a goroutine, a select with several ready channels, " +
	"a random number (use aiotest.Choose), an address in text, or something that lives on from run to run"

// difference says at which step another run of the same choices went another way, "" if
// nowhere.
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
