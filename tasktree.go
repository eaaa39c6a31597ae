package aio

// All tasks of a loop, as a table and as trees of awaiting tasks. CaptureTasks makes
// plain data of them, under the token; the functions that draw it need no loop, so a
// handler of net/http may call them.

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/goaio/aio/internal/plug"
)

// TaskInfo is a snapshot of a task. Any goroutine may use it. (asyncio:
// _remote_debugging.TaskInfo)
type TaskInfo struct {
	// Loop is the loop of the task.
	Loop *Loop
	// ID identifies the task. It is the address that [FormatCallGraph] shows; a
	// task that is made after this one was collected may have the same.
	ID uintptr
	// Name is the task's name.
	Name string
	// Stack is where the task runs or is suspended, from the innermost frame to its
	// own function.
	Stack []runtime.Frame
	// AwaitedBy has the tasks that await it, in the order in which they began to.
	AwaitedBy []TaskAwaiter
}

// TaskAwaiter is a task that awaits another one. The [TaskInfo] with the same ID has
// its name.
type TaskAwaiter struct {
	// ID is the ID of the task.
	ID uintptr
	// Stack is where it awaits, as in [TaskInfo].
	Stack []runtime.Frame
}

// CaptureTasks returns the unfinished tasks of the loop of ctx, in the order in which
// they were created, with their stacks and awaiters, as [CaptureCallGraph] defines
// them. Plain futures named by [FutureAddToAwaitedBy] do not count here, but the tasks
// that wait for them do.
//
// It never awaits, and records the stack of each task, which takes about 10 µs. It
// panics with [ErrNoRunningLoop] if ctx belongs to no loop and with [ErrWrongGoroutine]
// if the caller does not hold the token; another goroutine uses
// [Loop.CallSoonThreadsafe] and [Loop.Context]. asyncio inspects another process
// instead, which is stopped in the meantime.
//
// (asyncio: the data of python -m asyncio ps)
func CaptureTasks(ctx context.Context) []TaskInfo {
	l := loopOf(ctx, "CaptureTasks")
	var c taskCapture
	for t := l.tasks.head; t != nil; t = t.next {
		c.add(t)
	}
	return c.infos()
}

// taskCapture captures tasks, one after the other.
type taskCapture struct {
	tasks  []TaskInfo
	stacks map[uintptr][]runtime.Frame
}

// add captures t, except for the stacks of its awaiters. The token must be held.
func (c *taskCapture) add(t *task) {
	info := TaskInfo{Loop: t.fut.loop, ID: t.fut.address(), Name: t.name(), Stack: innermostFirst(t, 0, 0)}
	for _, w := range t.fut.awaitingTasks() {
		info.AwaitedBy = append(info.AwaitedBy, TaskAwaiter{ID: w.fut.address()})
	}
	if c.stacks == nil {
		c.stacks = map[uintptr][]runtime.Frame{}
	}
	c.stacks[info.ID] = info.Stack
	c.tasks = append(c.tasks, info)
}

// infos returns the tasks. It does not need the token.
func (c *taskCapture) infos() []TaskInfo {
	for _, t := range c.tasks {
		for i := range t.AwaitedBy {
			t.AwaitedBy[i].Stack = c.stacks[t.AwaitedBy[i].ID]
		}
	}
	return c.tasks
}

func init() {
	plug.Capture = func() (add func(task any), infos func() any) {
		c := &taskCapture{}
		return func(t any) {
			if t := t.(AnyTask).core().sub.(*task); t.fut.state == pending {
				c.add(t)
			}
		}, func() any { return c.infos() }
	}
}

// address identifies f among the existing futures.
func (f *future) address() uintptr { return reflect.ValueOf(f).Pointer() }

// awaitingTasks returns the tasks that wait for f, each once.
func (f *future) awaitingTasks() (tasks []*task) {
	seen := map[*future]bool{}
	var visit func(f *future)
	visit = func(f *future) {
		for _, w := range f.awaiters() {
			c := w.core()
			if seen[c] {
				continue
			}
			seen[c] = true
			if t, ok := c.sub.(*task); ok {
				tasks = append(tasks, t)
			} else {
				visit(c)
			}
		}
	}
	visit(f)
	return tasks
}

// FormatTaskTable returns a table with a line for each task and each task that awaits
// it: the addresses of the loop and the task, the task's name and the functions of its
// stack, those of the awaiting task, its name, and its address. A task without awaiters
// has one line, with the address 0x0; an awaiter that is not in tasks is called
// Unknown. Tasks of several loops may be in one table.
//
// (asyncio: python -m asyncio ps, which has the number of the thread instead of the
// loop)
func FormatTaskTable(tasks []TaskInfo) string {
	names := taskNames(tasks)
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(w, strings.Join(cells, "\t")) }
	head := []string{"loop", "task id", "task name", "coroutine stack", "awaiter chain", "awaiter name", "awaiter id"}
	row(head...)
	for i, title := range head {
		head[i] = strings.Repeat("-", len(title))
	}
	row(head...)
	for _, t := range tasks {
		line := func(awaiter ...string) {
			row(append([]string{fmt.Sprintf("%p", t.Loop), hexID(t.ID), t.Name, functionChain(t.Stack)}, awaiter...)...)
		}
		if len(t.AwaitedBy) == 0 {
			line("", "", hexID(0))
		}
		for _, a := range t.AwaitedBy {
			name, known := names[a.ID]
			if !known {
				name = "Unknown"
			}
			line(functionChain(a.Stack), name, hexID(a.ID))
		}
	}
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

func taskNames(tasks []TaskInfo) map[uintptr]string {
	names := make(map[uintptr]string, len(tasks))
	for _, t := range tasks {
		names[t.ID] = t.Name
	}
	return names
}

func hexID(id uintptr) string { return fmt.Sprintf("%#x", id) }

// functionChain names the functions of a stack.
func functionChain(stack []runtime.Frame) string {
	var names []string
	for _, f := range stack {
		names = append(names, shortFunction(f.Function))
	}
	return strings.Join(names, " -> ")
}

// TaskTreeOptions are the markers that [FormatTaskTree] puts before each name. The zero
// value has the defaults.
type TaskTreeOptions struct {
	TaskMarker  string // "" means (T)
	FrameMarker string
}

// FormatTaskTree draws a tree for each task that awaits others and has no awaiter.
// Below a task is its stack, up to the await, the outermost frame first, and below the
// last frame the tasks that it awaits there. A task with several awaiters is drawn below
// each of them; after 500 lines, it is only named there. A task that awaits none has
// its whole stack. Tasks whose awaiters are not in tasks are not drawn, as in asyncio.
// The text is "" for no tasks; nil options are the defaults.
//
// The error is a [*TaskCycleError] if tasks await each other in a cycle, which a tree
// cannot show; [FormatTaskTable] can.
//
// (asyncio: python -m asyncio pstree)
func FormatTaskTree(tasks []TaskInfo, opts *TaskTreeOptions) (string, error) {
	if cycles := taskCycles(tasks); len(cycles) > 0 {
		return "", &TaskCycleError{Cycles: cycles, Names: taskNames(tasks)}
	}
	marks := TaskTreeOptions{}
	if opts != nil {
		marks = *opts
	}
	if marks.TaskMarker == "" {
		marks.TaskMarker = "(T)"
	}
	nodes := map[uintptr]*treeNode{}
	node := func(id uintptr) *treeNode {
		if nodes[id] == nil {
			nodes[id] = &treeNode{}
		}
		return nodes[id]
	}
	awaits := map[uintptr]bool{}
	for _, t := range tasks {
		n := node(t.ID)
		n.label = marks.TaskMarker + " " + t.Name
		for _, a := range t.AwaitedBy {
			awaits[a.ID] = true
			node(a.ID).descend(a.Stack, marks.FrameMarker).child(t.ID, n)
		}
	}
	for _, t := range tasks {
		if !awaits[t.ID] {
			node(t.ID).descend(t.Stack, marks.FrameMarker)
		}
	}
	var lines []string
	drawn := map[*treeNode]bool{}
	for _, t := range tasks {
		if len(t.AwaitedBy) == 0 {
			lines = node(t.ID).draw(lines, "", true, drawn)
		}
	}
	return strings.Join(lines, "\n"), nil
}

// treeNode is a task, or a frame below it.
type treeNode struct {
	label string
	below []*treeNode
	known map[any]*treeNode // the nodes in below: tasks by ID, frames by label
}

// child returns the node below n with this key, which is c if there was none.
func (n *treeNode) child(key any, c *treeNode) *treeNode {
	if there, ok := n.known[key]; ok {
		return there
	}
	if n.known == nil {
		n.known = map[any]*treeNode{}
	}
	n.known[key] = c
	n.below = append(n.below, c)
	return c
}

// descend follows a stack below n, from the outermost frame on, and returns the last
// node.
func (n *treeNode) descend(stack []runtime.Frame, mark string) *treeNode {
	for _, f := range slices.Backward(stack) {
		label := mark + " " + frameLabel(f)
		n = n.child(label, &treeNode{label: label})
	}
	return n
}

// frameLabel returns a frame in one line, with its place if that is known.
func frameLabel(f runtime.Frame) string {
	label := shortFunction(f.Function)
	if f.File != "" {
		label += " " + f.File
	}
	if f.Line != 0 {
		label += fmt.Sprintf(":%d", f.Line)
	}
	return label
}

// maxRepeated is the number of lines up to which a tree repeats tasks: in layers of
// tasks that await each other the number of paths to a task grows exponentially.
const maxRepeated = 500

// draw appends the lines of n and of all below it. From maxRepeated lines on it only
// names those in drawn.
func (n *treeNode) draw(lines []string, prefix string, last bool, drawn map[*treeNode]bool) []string {
	branch, side := "├── ", "│   "
	if last {
		branch, side = "└── ", "    "
	}
	if drawn[n] && len(n.below) > 0 && len(lines) >= maxRepeated {
		return append(lines, prefix+branch+n.label+" (see above)")
	}
	drawn[n] = true
	lines = append(lines, prefix+branch+n.label)
	for i, child := range n.below {
		lines = child.draw(lines, prefix+side, i == len(n.below)-1, drawn)
	}
	return lines
}

// A TaskCycleError says that tasks await each other in cycles, so that they form no
// tree. It matches [ErrAwaitCycle]. (asyncio: CycleFoundException)
type TaskCycleError struct {
	// Cycles has the IDs of each cycle, each task before the one that it awaits:
	// the last is the first again. It is not empty, but if cycles share tasks some
	// of them may be missing.
	Cycles [][]uintptr
	// Names has the names of all tasks, including those outside the cycles.
	Names map[uintptr]string
}

func (e *TaskCycleError) Error() string {
	var circles []string
	for _, cycle := range e.Cycles {
		var names []string
		for _, id := range cycle {
			name, known := e.Names[id]
			if !known {
				name = hexID(id)
			}
			names = append(names, name)
		}
		circles = append(circles, strings.Join(names, " awaits "))
	}
	return "aio: tasks await each other: " + strings.Join(circles, "; ")
}

// Is reports whether target is [ErrAwaitCycle].
func (e *TaskCycleError) Is(target error) bool { return target == ErrAwaitCycle }

// taskCycles finds cycles, beginning at each task that awaits, in the order of the
// awaits.
func taskCycles(tasks []TaskInfo) (cycles [][]uintptr) {
	awaits := map[uintptr][]uintptr{}
	var order []uintptr
	for _, t := range tasks {
		for _, a := range t.AwaitedBy {
			if awaits[a.ID] == nil {
				order = append(order, a.ID)
			}
			awaits[a.ID] = append(awaits[a.ID], t.ID)
		}
	}
	search := cycleSearch[uintptr]{
		next:  func(id uintptr) []uintptr { return awaits[id] },
		found: func(cycle []uintptr) { cycles = append(cycles, append(slices.Clone(cycle), cycle[0])) },
	}
	for _, id := range order {
		search.from(id)
	}
	return cycles
}
