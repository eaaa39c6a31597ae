package aio

// Tasks in the execution traces of package runtime/trace, and so in the snapshots of its
// flight recorder. Each task is a task of the trace, whose parent is the task that
// created it, and its body is a region of that. A step is a stretch for which the
// goroutine runs. A program that is not traced pays for one atomic load when it creates a
// task and one when the body begins.

import (
	"context"
	"runtime/trace"
)

// beginTrace makes a task of the trace for t, which has no step yet, and puts it into the
// context of the body: what the body logs and which regions it starts belong to it.
func (t *task) beginTrace() {
	parent := t.scope.parent
	base := parent
	if p, ok := parent.(*tracedContext); ok {
		base = p.base
	}
	// NewTask derives its context from the one that it is given. Without the switch
	// below, each generation of tasks would hold the one before it in memory.
	c := &switchedContext{parent}
	ctx, task := trace.NewTask(c, t.traceType())
	c.Context = base
	t.scope.parent = &tracedContext{ctx, base}
	e := t.more()
	e.trace = task
	t.extra.Store(e)
}

// traceType is the name of t if it was given one, otherwise the function that created it:
// tools list tasks by type, and each number would be a type of its own.
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
	base context.Context // what it would be without
}

type switchedContext struct{ context.Context }
