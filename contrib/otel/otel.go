// Package otel records an OpenTelemetry span for each task of an event loop.
package otel

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/goaio/aio"
)

// Trace starts a span for each task that l creates until stop is called. The parent is
// the span in the ctx that the task was created with: the span of the creating task, or
// of a request. The ctx of the task's body carries the task's span, so that spans
// started there become its children. A span has one event for each await, at most
// maxEvents of them, the error that the task ended with, and an event if the task was
// cancelled.
//
// Trace sets a task factory, which calls the previous one, and adds an observer. As for
// [aio.Loop.AddObserver], the caller of Trace and of stop must hold the token of the
// loop. stop ends the spans of the tasks that are not done.
func Trace(l *aio.Loop, tracer trace.Tracer) (stop func()) {
	t := &tracing{tracer: tracer, spans: map[aio.AnyTask]*span{}, before: l.GetTaskFactory()}
	l.SetTaskFactory(t.factory)
	remove := l.AddObserver(t)
	return func() {
		l.SetTaskFactory(t.before)
		remove()
		for _, s := range t.spans {
			s.End()
		}
		clear(t.spans)
	}
}

// maxEvents is the maximum number of awaits recorded in a span.
const maxEvents = 100

// tracing is protected by the token of the loop.
type tracing struct {
	tracer trace.Tracer
	before aio.TaskFactory
	next   trace.Span // span of the task that is being created
	spans  map[aio.AnyTask]*span
}

type span struct {
	trace.Span
	events int
}

// factory starts the span of a task. The loop reports the new task to the observer
// directly after it; no other task is created in between.
func (t *tracing) factory(spec *aio.TaskSpec) error {
	if t.before != nil {
		if err := t.before(spec); err != nil {
			return err
		}
	}
	name := spec.Name
	if name == "" {
		name = "task"
	}
	var ctx context.Context
	ctx, t.next = t.tracer.Start(spec.Context, name)
	spec.Context = ctx
	return nil
}

// Observe implements aio.Observer.
func (t *tracing) Observe(e *aio.LoopEvent) {
	if e.Kind == aio.TaskCreated {
		if t.next != nil {
			t.next.SetAttributes(attribute.String("aio.task", e.Task().GetName()))
			t.spans[e.Task()] = &span{Span: t.next}
			t.next = nil
		}
		return
	}
	s := t.spans[e.Task()]
	if s == nil {
		return
	}
	switch e.Kind {
	case aio.StepEnded:
		if what := e.What(); what != "" && s.events < maxEvents {
			s.events++
			s.AddEvent("await", trace.WithAttributes(attribute.String("aio.awaits", what)))
		}
	case aio.TaskCancelled:
		s.AddEvent("cancelled")
	case aio.TaskDone:
		if e.Err != nil {
			s.RecordError(e.Err)
			s.SetStatus(codes.Error, e.Err.Error())
		}
		s.End()
		delete(t.spans, e.Task())
	}
}
