package aio

// Which task awaits which. Nothing here is kept up to date while a program runs: a
// future has its callbacks, and each callback on behalf of a waiting task can name that
// task. The graph is built on request. asyncio records the graph at each await, gather
// and shield instead; here that would slow down every program, and few programs use
// call graphs.
//
// Two differences follow. A future that is done has no awaiters, because its callbacks
// are gone. And the children of a combinator are awaited by the tasks that await the
// combinator's future, not by the task that made it.
//
// The only stored part is the data of FutureAddToAwaitedBy, in the report of the
// future, which few futures have. The token owns all of it.

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// FutureCallGraph is a snapshot of a future or task, and of everything that waits for
// it. The snapshot does not change, but the futures in it do. (asyncio:
// FutureCallGraph)
type FutureCallGraph struct {
	// Future is the future or task.
	Future AnyFuture
	// CallStack is where a task runs or is suspended, from the innermost frame to
	// the task's own function. It is empty for other futures, for tasks that are
	// done, and where [Task.GetStack] returns nothing.
	CallStack []FrameCallGraphEntry
	// AwaitedBy has the futures and tasks that wait for Future, in the order in
	// which they began to. A future that is reached in several ways is there once
	// for each of them, but its own awaiters are listed only the first time.
	AwaitedBy []*FutureCallGraph
}

// FrameCallGraphEntry is one frame of a call stack. (asyncio: FrameCallGraphEntry, here
// a runtime.Frame)
type FrameCallGraphEntry = runtime.Frame

// CallGraphOptions limit what is captured. The zero value captures everything.
type CallGraphOptions struct {
	// Skip is the number of innermost frames of the current task to leave out: a
	// helper that captures on behalf of its caller leaves itself out with 1. It has
	// no effect on other stacks. (asyncio: depth, less one)
	Skip int
	// Limit limits each stack: a value greater than 0 to that many of the outermost
	// frames, a value less than 0 to that many of the innermost ones. 0 is no
	// limit. (asyncio: limit)
	Limit int
	// NoStacks leaves out all stacks, but not the awaiters. (asyncio: limit=0)
	NoStacks bool
}

// CaptureCallGraph returns the futures and tasks that wait for f, those that wait for
// them, and so on, each task with its call stack. A nil f means the running task;
// the result is nil if there is none, as in a callback. nil options capture everything.
// f may be a future or task of any loop that the caller may access, done or not.
//
// A task is awaited by the tasks that await it, by the task that runs its group, from
// its creation to its end, and by those that wait for it in [Wait], in [WaitFor] or for
// an [AsCompleted]. The arguments of [Gather] and [Shield] are awaited by the tasks
// that await the returned future; asyncio names the task that made the call, whether it
// awaits or not. A wait in a done callback is not known: record it with
// [FutureAddToAwaitedBy]. A running task shows its whole stack, where asyncio shows
// only the first frame.
//
// It never awaits, and records the stack of a task once for each time that the task is
// in the graph. It panics with [ErrNoRunningLoop] if ctx belongs to no loop or if f is
// nil and the loop does not run, and with [ErrWrongGoroutine] if the caller does not
// hold the token.
//
// (asyncio: capture_call_graph)
func CaptureCallGraph(ctx context.Context, f AnyFuture, opts *CallGraphOptions) *FutureCallGraph {
	g, err := captureCallGraph(ctx, "CaptureCallGraph", f, opts)
	if err != nil {
		panic(err)
	}
	return g
}

func captureCallGraph(ctx context.Context, call string, f AnyFuture, opts *CallGraphOptions) (*FutureCallGraph, error) {
	l, err := loopFor(ctx, call)
	if err != nil {
		return nil, err
	}
	if opts == nil {
		opts = &CallGraphOptions{}
	}
	switch {
	case f != nil:
		c, err := coreOf(call, f)
		if err == nil {
			err = c.loop.checked(call)
		}
		if err != nil {
			return nil, err
		}
	case !l.running.Load():
		return nil, usagef(call, "the event loop does not run, and no future is given").as(ErrNoRunningLoop)
	case l.current == nil:
		return nil, nil
	default:
		f = l.current.impl
	}
	return opts.graph(f, map[*future]bool{}), nil
}

// graph captures f and what waits for it, unless f is in seen: with layers of tasks
// that wait for each other the number of paths grows exponentially, and in a cycle the
// paths never end.
func (o *CallGraphOptions) graph(f AnyFuture, seen map[*future]bool) *FutureCallGraph {
	c := f.core()
	g := &FutureCallGraph{Future: f}
	if t, ok := c.sub.(*task); ok && !o.NoStacks {
		skip := 0
		if t == c.loop.current && len(seen) == 0 {
			skip = o.Skip
		}
		g.CallStack = innermostFirst(t, skip, o.Limit)
	}
	if seen[c] {
		return g
	}
	seen[c] = true
	for _, w := range c.awaiters() {
		g.AwaitedBy = append(g.AwaitedBy, o.graph(w, seen))
	}
	return g
}

// innermostFirst returns the stack of t without its skip innermost frames, within limit
// as that of CallGraphOptions.
func innermostFirst(t *task, skip, limit int) []runtime.Frame {
	if t.fut.state != pending {
		return nil
	}
	stack := frames(t.stack(), 0)
	stack = stack[:len(stack)-min(max(skip, 0), len(stack))]
	switch {
	case limit > 0:
		stack = stack[:min(limit, len(stack))]
	case limit < 0:
		stack = stack[len(stack)-min(-limit, len(stack)):]
	}
	slices.Reverse(stack)
	return stack
}

// FormatCallGraph is [CaptureCallGraph] as a text: for each task its name, its address
// and its stack, and below them, one step further to the right, those that await it. It
// is "" where CaptureCallGraph returns nil. (asyncio: format_call_graph)
func FormatCallGraph(ctx context.Context, f AnyFuture, opts *CallGraphOptions) string {
	text, err := formatCallGraph(ctx, "FormatCallGraph", f, opts)
	if err != nil {
		panic(err)
	}
	return text
}

func formatCallGraph(ctx context.Context, call string, f AnyFuture, opts *CallGraphOptions) (string, error) {
	g, err := captureCallGraph(ctx, call, f, opts)
	if g == nil {
		return "", err
	}
	return strings.Join(g.lines(nil, "", map[*future]bool{}), "\n"), nil
}

// lines appends the lines of g to text. expanded contains the futures whose awaiters
// are in the text already.
func (g *FutureCallGraph) lines(text []string, indent string, expanded map[*future]bool) []string {
	add := func(format string, args ...any) { text = append(text, indent+fmt.Sprintf(format, args...)) }
	c := g.Future.core()
	if t, ok := c.sub.(*task); ok {
		add("* Task(name=%q, id=%p)", t.name(), c)
	} else {
		add("* Future(id=%p)", c)
	}
	if len(g.CallStack) > 0 {
		add("  + Call stack:")
	}
	for _, f := range g.CallStack {
		add("  |   File %q, line %d, in %s()", f.File, f.Line, f.Function)
	}
	switch {
	case len(g.AwaitedBy) > 0:
		expanded[c] = true
		add("  + Awaited by:")
	case expanded[c]:
		add("  + Awaited by: see above")
	}
	for _, w := range g.AwaitedBy {
		text = w.lines(text, indent+"    ", expanded)
	}
	return text
}

// PrintCallGraph writes the text of [FormatCallGraph] and a newline to w, or to
// standard output if w is nil, and returns the error of w. (asyncio: print_call_graph)
func PrintCallGraph(ctx context.Context, w io.Writer, f AnyFuture, opts *CallGraphOptions) error {
	if w == nil {
		w = os.Stdout
	}
	text, err := formatCallGraph(ctx, "PrintCallGraph", f, opts)
	if err == nil {
		_, err = io.WriteString(w, text+"\n")
	}
	return err
}

// FutureAddToAwaitedBy records that waiter waits for f, for call graphs, where the
// package cannot know it: for a combinator of the user that is made of done callbacks.
// The record ends when either of them is done, or with [FutureDiscardFromAwaitedBy].
// Repeated calls, and calls for a future that is done, have no effect. It never awaits.
//
// It panics with [ErrOtherLoop] if the two belong to different loops, and with
// [ErrWrongGoroutine] if the caller does not hold the token.
//
// (asyncio: future_add_to_awaited_by)
func FutureAddToAwaitedBy(f, waiter AnyFuture) {
	const call = "FutureAddToAwaitedBy"
	a, b := mustCore(call, f), mustCore(call, waiter)
	if a.loop != b.loop {
		panic(usagef(call, "the futures belong to different event loops").as(ErrOtherLoop))
	}
	a.addAwaiter(waiter)
}

// FutureDiscardFromAwaitedBy undoes [FutureAddToAwaitedBy]; without one it does
// nothing. Awaits that the package knows stay. It panics with [ErrWrongGoroutine] if
// the caller does not hold the token. (asyncio: future_discard_from_awaited_by)
func FutureDiscardFromAwaitedBy(f, waiter AnyFuture) {
	const call = "FutureDiscardFromAwaitedBy"
	c := mustCore(call, f)
	mustCore(call, waiter)
	if i := c.report.isAwaitedBy(waiter); i >= 0 {
		c.report.awaitedBy = slices.Delete(c.report.awaitedBy, i, i+1)
	}
}

// awaiters returns the awaiters of f, each once: tasks, and those that
// FutureAddToAwaitedBy has recorded.
func (f *future) awaiters() (all []AnyFuture) {
	seen := map[*future]bool{}
	f.eachAwaiter(func(w AnyFuture) {
		if c := w.core(); c.state == pending && !seen[c] {
			seen[c] = true
			all = append(all, w)
		}
	})
	return all
}

// eachAwaiter calls found with each awaiter of f.
func (f *future) eachAwaiter(found func(AnyFuture)) {
	if f.state != pending {
		return
	}
	visit := func(r runnable) {
		if w, ok := r.(waits); ok {
			w.waitsFor(f, found)
		}
	}
	visit(f.first)
	if f.more != nil {
		for _, r := range f.more.list {
			visit(r)
		}
	}
	if f.report != nil {
		for _, w := range f.report.awaitedBy {
			found(w)
		}
	}
}

// waits is implemented by callbacks on behalf of a waiting task: waitsFor finds that
// task. A callback on behalf of another future, such as that of a Gather, finds the
// awaiters of the other future. The recursion ends, because the other future is younger
// than f, or is a waiter, which no user sees.
type waits interface {
	waitsFor(f *future, found func(AnyFuture))
}

func (t *task) waitsFor(_ *future, found func(AnyFuture)) { found(t.impl) }

func (m *member) waitsFor(_ *future, found func(AnyFuture)) { found(m.group.parent.impl) }

func (g *gathering) waitsFor(_ *future, found func(AnyFuture)) { g.outer.eachAwaiter(found) }

func (s *shielding[T]) waitsFor(f *future, found func(AnyFuture)) {
	if outer := &s.outer.future; f != outer {
		outer.eachAwaiter(found)
	}
}

func (c *countdown) waitsFor(_ *future, found func(AnyFuture)) {
	if c.w != nil {
		c.w.eachAwaiter(found)
	}
}

func (h *completedHook[F]) waitsFor(_ *future, found func(AnyFuture)) {
	c := h.of.Value()
	if c == nil {
		return
	}
	for w := c.done.getters.head; w != nil; w = w.next {
		w.eachAwaiter(found)
	}
}
