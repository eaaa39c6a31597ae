package aio

// Tasks in the execution traces of package runtime/trace, and so in the snapshots of
// its flight recorder. Each task is a task of the trace, whose parent is the task that
// created it, and its body is a region of that trace task. A step is a period in which
// the goroutine runs. Without tracing the cost is one atomic load when a task is
// created and one when its body begins.

import (
	"context"
	"runtime/trace"
)

// beginTrace creates a task of the trace for t, which has not run yet, and adds it to
// the context of the body: the log messages and regions of the body then belong to it.
func (t *task) beginTrace() {
	parent := t.scope.parent
	base := parent
	if p, ok := parent.(*tracedContext); ok {
		base = p.base
	}
	// NewTask derives its context from its argument. Without the switch below, each
	// generation of tasks would keep the one before it in memory.
	c := &switchedContext{parent}
	ctx, task := trace.NewTask(c, t.traceType())
	c.Context = base
	t.scope.parent = &tracedContext{ctx, base}
	e := t.more()
	e.trace = task
	t.extra.Store(e)
}

// traceType is the name of t if it was given one, otherwise the function that created
// it: tools group tasks by type, and with the default names each task would be a type
// of its own.
func (t *task) traceType() string {
	if e := t.extra.Load(); e != nil && e.name != "" {
		return e.name
	}
	if stack := frames(wholeStack(), 0); len(stack) > 0 {
		return "task of " + shortFunction(stack[len(stack)-1].Function)
	}
	return "task"
}

// traceRegion starts the region of the body.
func (t *task) traceRegion() *trace.Region {
	return trace.StartRegion(&t.scope, "aio.Task "+t.name())
}

// tracedContext is the context of a task of the trace.
type tracedContext struct {
	context.Context
	base context.Context // the context without the trace task
}

type switchedContext struct{ context.Context }
