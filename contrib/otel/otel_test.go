package otel_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/goaio/aio"
	"github.com/goaio/aio/contrib/otel"
)

// Spans record the parent of each task, its awaits and its result.
func TestSpans(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	tracer := trace.NewTracerProvider(trace.WithSpanProcessor(recorder)).Tracer("test")
	boom := errors.New("boom")
	err := aio.Run(func(ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		defer otel.Trace(l, tracer)()
		request, end := tracer.Start(ctx, "request")
		outer := aio.CreateTask(request, aio.NoResult(func(ctx context.Context) error {
			inner := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				_, own := tracer.Start(ctx, "of the body")
				defer own.End()
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
				return boom
			}), aio.WithName("inner"))
			_, err := inner.Await(ctx)
			return err
		}), aio.WithName("outer"))
		if _, err := outer.Await(ctx); !errors.Is(err, boom) {
			t.Errorf("outer: %v", err)
		}
		end.End()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	spans := map[string]trace.ReadOnlySpan{}
	for _, s := range recorder.Ended() {
		spans[s.Name()] = s
	}
	for child, parent := range map[string]string{"outer": "request", "inner": "outer", "of the body": "inner"} {
		if spans[child] == nil || spans[parent] == nil || spans[child].Parent().SpanID() != spans[parent].SpanContext().SpanID() {
			t.Fatalf("%s is not a child of %s: %v", child, parent, spans)
		}
	}
	awaits := func(name string) string {
		var all []string
		for _, e := range spans[name].Events() {
			if e.Name == "await" {
				all = append(all, e.Attributes[0].Value.AsString())
			}
		}
		return strings.Join(all, " ")
	}
	if got := awaits("outer"); got != "inner" && !strings.Contains(got, "inner") {
		t.Errorf("outer awaits %q", got)
	}
	if got := awaits("inner"); got != "Sleep(0)" {
		t.Errorf("inner awaits %q", got)
	}
	for _, name := range []string{"outer", "inner"} {
		if s := spans[name].Status(); s.Code != codes.Error || s.Description != "boom" {
			t.Errorf("%s ended with %+v", name, s)
		}
	}
}

// A factory that was set before is still called, and a task that it refuses has no
// span.
func TestFactoryBefore(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	tracer := trace.NewTracerProvider(trace.WithSpanProcessor(recorder)).Tracer("test")
	err := aio.Run(func(ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		refused := errors.New("refused")
		l.SetTaskFactory(func(spec *aio.TaskSpec) error {
			if spec.Name == "no" {
				return refused
			}
			spec.Name = "renamed"
			return nil
		})
		stop := otel.Trace(l, tracer)
		func() {
			defer func() {
				if v := recover(); v != refused {
					t.Errorf("a refused task: %v", v)
				}
			}()
			aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { return nil }), aio.WithName("no"))
		}()
		_, err = aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { return nil })).Await(ctx)
		open := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, aio.NoTimeout) }))
		stop()
		if l.GetTaskFactory() == nil {
			t.Error("the previous factory was not restored")
		}
		open.Cancel()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range recorder.Ended() {
		names = append(names, s.Name())
	}
	if !slices.Equal(names, []string{"renamed", "renamed"}) {
		t.Errorf("spans %v", names)
	}
}
