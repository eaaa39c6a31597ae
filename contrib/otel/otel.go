// Package otel makes a span of OpenTelemetry for each task of an event loop.
package otel

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/goaio/aio"
)

// Trace makes a span for each task that l creates from now on, until stop is called. The
// parent of the span is that of the ctx that the task was created with: the span of the
// task that created it, or of a request. The body of the task finds its span in its ctx,
// so what it starts itself is below. A span has an event for each await, up to
// maxEvents, the error with which the task ended, and an event if it was cancelled.
//
// It sets a task factory, which calls the one that was set before, and adds an observer.
// Like [aio.Loop.AddObserver], Trace and stop are for whoever holds the token of the
// loop. Spans of tasks that are not done when stop is called are ended then.
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

// maxEvents bounds the awaits that a span tells of.
const maxEvents = 100

// tracing is owned by the token of the loop.
type tracing struct {
	tracer trace.Tracer
	before aio.TaskFactory
	next   trace.Span // of the task that is being created
	spans  map[aio.AnyTask]*span
}

type span struct {
	trace.Span
	events int
}

// factory starts the span of a task. The observer hears of the task right after it, as
// nothing comes in between.
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
