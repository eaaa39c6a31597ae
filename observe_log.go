package aio

import (
	"context"
	"log/slog"
	"slices"
)

// NewLogHandler returns a [slog.Handler] that passes records to h with two additional
// attributes: "task", the name of the task of the record's ctx, and "loop", the number
// of its loop. They are set for every ctx that comes from a task, also in a function
// that [ToThread] runs, and after the task is done. The ctx of [Loop.Context], which
// callbacks use, adds only "loop"; a ctx that belongs to no loop adds neither. The
// attributes are outside of the groups of [slog.Logger.WithGroup].
//
// Log with the functions that take a ctx:
//
//	h := slog.NewJSONHandler(os.Stderr, nil)
//	slog.SetDefault(slog.New(aio.NewLogHandler(h)))
//	slog.InfoContext(ctx, "stored", "key", key)
//
// The handler never awaits, and any goroutine may use it. NewLogHandler panics with
// [ErrUsage] if h is nil. asyncio has no equivalent; logging.LogRecord.taskName is
// similar.
func NewLogHandler(h slog.Handler) slog.Handler {
	if h == nil {
		misuse("NewLogHandler", "the handler is nil")
	}
	return &logHandler{inner: h, outer: h}
}

// logHandler has two handlers: inner has all groups and attributes that were added,
// outer those added before the first group. Applying steps to outer gives inner.
type logHandler struct {
	inner, outer slog.Handler
	steps        []func(slog.Handler) slog.Handler
}

func (h *logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.inner.Enabled(ctx, level)
}

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	attrs := logAttrs(ctx)
	if len(attrs) == 0 {
		return h.inner.Handle(ctx, r)
	}
	if len(h.steps) == 0 {
		r = r.Clone() // the caller may use the record with another handler
		r.AddAttrs(attrs...)
		return h.inner.Handle(ctx, r)
	}
	inner := h.outer.WithAttrs(attrs)
	for _, step := range h.steps {
		inner = step(inner)
	}
	return inner.Handle(ctx, r)
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(len(h.steps) > 0, func(s slog.Handler) slog.Handler { return s.WithAttrs(attrs) })
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(true, func(s slog.Handler) slog.Handler { return s.WithGroup(name) })
}

func (h *logHandler) with(grouped bool, step func(slog.Handler) slog.Handler) slog.Handler {
	c := &logHandler{inner: step(h.inner), outer: h.outer, steps: h.steps}
	if grouped {
		c.steps = append(slices.Clip(h.steps), step)
	} else {
		c.outer = c.inner
	}
	return c
}

// logAttrs returns the attributes that a log record gets from ctx.
func logAttrs(ctx context.Context) []slog.Attr {
	s, _ := scopeOf(ctx)
	if s == nil {
		return nil
	}
	loop := slog.Uint64("loop", s.loop.number)
	if t := s.task(); t != nil {
		return []slog.Attr{slog.String("task", t.name()), loop}
	}
	return []slog.Attr{loop}
}
