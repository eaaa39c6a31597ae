package aio

// What goes wrong and nobody waits for: the exception handler, errors that are never retrieved,
// and debug mode.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// ExceptionContext tells an exception handler what went wrong. Only Message is always set.
// (asyncio: the context dict of call_exception_handler)
type ExceptionContext struct {
	// Message says what happened.
	Message string
	// Err is the error, a *PanicError if something panicked.
	Err error
	// Future is the one whose done callback panicked.
	Future AnyFuture
	// Task is the task that is concerned, nil if it is gone, as that of an error which nobody has
	// retrieved: Message has its name.
	Task AnyTask
	// Handle is the callback that panicked.
	Handle *Handle
	// Transport and Protocol are those of the connection on which the error occurred.
	Transport BaseTransport
	Protocol  Protocol
	// Context is what a custom exception handler that panicked was called with.
	Context *ExceptionContext
	// Stack has the program counters of where the task was suspended or, in debug mode, of the
	// call that created the future or scheduled the callback. See runtime.CallersFrames.
	Stack []uintptr
}

// SetExceptionHandler has handler called for each error that nobody waits for: callbacks that
// panicked, errors of futures and tasks that were never retrieved, tasks that were pending when
// their loop was closed. It runs under the token and must not block. nil restores the default,
// DefaultExceptionHandler. (asyncio: loop.set_exception_handler)
func (l *Loop) SetExceptionHandler(handler func(*Loop, ExceptionContext)) {
	l.check("Loop.SetExceptionHandler")
	l.exceptionHandler = handler
}

// GetExceptionHandler returns the exception handler, nil if it is the default.
// (asyncio: loop.get_exception_handler)
func (l *Loop) GetExceptionHandler() func(*Loop, ExceptionContext) {
	l.check("Loop.GetExceptionHandler")
	return l.exceptionHandler
}

// CallExceptionHandler reports to the loop's exception handler. If that panics, the default one is
// told about the panic, with the original report in Context.
// (asyncio: loop.call_exception_handler)
func (l *Loop) CallExceptionHandler(ec ExceptionContext) {
	l.check("Loop.CallExceptionHandler")
	if l.exceptionHandler == nil {
		l.DefaultExceptionHandler(ec)
		return
	}
	defer func() {
		if v := recover(); v != nil {
			l.DefaultExceptionHandler(ExceptionContext{
				Message: "unhandled error in exception handler",
				Err:     panicError(v),
				Context: &ec,
			})
		}
	}()
	l.exceptionHandler(l, ec)
}

// DefaultExceptionHandler writes ec as one record of level error to the default logger of
// log/slog, or to standard error if that panics. (asyncio: loop.default_exception_handler)
func (l *Loop) DefaultExceptionHandler(ec ExceptionContext) { logException(ec) }

func logException(ec ExceptionContext) {
	defer survive(ec.Message)
	var attrs []slog.Attr
	add := func(key string, v any) { attrs = append(attrs, slog.Any(key, v)) }
	if ec.Err != nil {
		add("error", ec.Err.Error())
		var p *PanicError
		if errors.As(ec.Err, &p) {
			add("panic", string(p.Stack))
		}
	}
	if ec.Task != nil {
		add("task", ec.Task.String())
	}
	if ec.Future != nil {
		add("future", ec.Future.String())
	}
	if ec.Handle != nil {
		add("handle", ec.Handle.String())
	}
	if ec.Transport != nil {
		add("transport", fmt.Sprint(ec.Transport))
	}
	if ec.Protocol != nil {
		add("protocol", fmt.Sprintf("%T", ec.Protocol))
	}
	if len(ec.Stack) > 0 {
		var at []string
		for _, f := range frames(ec.Stack, 0) {
			at = append(at, fmt.Sprintf("%s:%d", f.File, f.Line))
		}
		add("at", strings.Join(at, " > "))
	}
	if ec.Context != nil {
		add("context", ec.Context.Message)
		if ec.Context.Err != nil {
			add("context_error", ec.Context.Err.Error())
		}
	}
	slog.LogAttrs(context.Background(), slog.LevelError, "aio: "+ec.Message, attrs...)
}

// survive keeps a log handler that panics from ending the loop.
func survive(what string) {
	if v := recover(); v != nil {
		fmt.Fprintf(os.Stderr, "aio: the log handler panicked: %v, while reporting: %s\n", v, what)
	}
}

// report is an error of a future that nobody has retrieved. It does not hold the future, so that
// the garbage collector can tell when nobody will. What is still here when the loop is closed is
// reported then.
type report struct {
	loop       *Loop
	err        error
	what       string
	stack      []uintptr   // of the call that made the future, in debug mode
	awaitedBy  []AnyFuture // what FutureAddToAwaitedBy has named, while the future is pending
	watched    bool        // in the loop's list
	cleanup    runtime.Cleanup
	prev, next *report
}

type reportList struct{ head, tail *report }

// errorCheck is scheduled behind those who wait for a future that failed: if none of them has
// retrieved the error by then, somebody else may yet, or it will be reported.
type errorCheck struct{}

func (errorCheck) run(f *future) {
	if !f.seen {
		f.watchError()
	}
}

// watchError has the error of f reported once f is lost.
func (f *future) watchError() {
	l := f.loop
	if f.report == nil {
		f.report = &report{loop: l}
	}
	r := f.report
	r.err, r.what, r.watched = f.err, "future", true
	r.awaitedBy = nil // they may hold the future
	if t, ok := f.sub.(*task); ok {
		r.what = "task " + t.name()
	}
	if r.prev = l.reports.tail; r.prev == nil {
		l.reports.head = r
	} else {
		r.prev.next = r
	}
	l.reports.tail = r
	r.cleanup = runtime.AddCleanup(f, func(r *report) {
		// This is a goroutine of the runtime's: it may not touch a channel of a synctest bubble
		// that the loop lives in. There the report waits for whatever wakes the loop next.
		r.loop.post(event{r, nil}, r.loop.inBubble())
	}, r)
}

// run implements runnable: the future is lost.
func (r *report) run(*future) { r.lost() }

func (r *report) lost() {
	if !r.watched {
		return
	}
	r.unwatch()
	r.loop.CallExceptionHandler(ExceptionContext{
		Message: r.what + ": error was never retrieved",
		Err:     r.err,
		Stack:   r.stack,
	})
}

// unwatch takes r from its loop's list.
func (r *report) unwatch() {
	list := &r.loop.reports
	if r.prev == nil {
		list.head = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		list.tail = r.prev
	} else {
		r.next.prev = r.prev
	}
	r.prev, r.next, r.watched = nil, nil, false
}

// retrieved notes that somebody knows the error of f, or gives it up.
func (f *future) retrieved() {
	if f.state == pending || f.seen {
		return
	}
	f.seen = true
	if r := f.report; r != nil && r.watched {
		r.cleanup.Stop()
		r.unwatch()
	}
}

// created remembers the call that makes f, in debug mode.
func (f *future) created() {
	if f.loop.debug.Load() {
		f.report = &report{loop: f.loop, stack: callers()}
	}
}

// createdAt is the place that created has remembered, as a suffix to a text form.
func (f *future) createdAt() string {
	if f.report == nil || len(f.report.stack) == 0 {
		return ""
	}
	at := frames(f.report.stack, 0)
	if len(at) == 0 {
		return ""
	}
	last := at[len(at)-1]
	return fmt.Sprintf(", created at %s:%d", last.File, last.Line)
}

// SetDebug turns debug mode on or off. Debug mode logs callbacks and steps of tasks that take
// SlowCallbackDuration or more: a coroutine that calls a blocking function stops its loop for that
// time, and should use ToThread. It remembers where tasks and callbacks were created, and checks
// on all platforms that only the holder of the token uses the loop (amd64 and arm64 always do).
// (asyncio: loop.set_debug)
func (l *Loop) SetDebug(on bool) {
	l.check("Loop.SetDebug")
	l.debug.Store(on)
	if on {
		checkIdentity.Store(true)
	}
}

// GetDebug reports whether debug mode is on. (asyncio: loop.get_debug)
func (l *Loop) GetDebug() bool {
	l.check("Loop.GetDebug")
	return l.debug.Load()
}

// checkIdentity has holder look for the running goroutine where that is expensive.
var checkIdentity atomic.Bool

// describeEvent returns a function that names e, after it ran.
func describeEvent(e event) func() string {
	switch r := e.r.(type) {
	case *task:
		return func() string { return r.fut.String() }
	case interface{ String() string }:
		s := r.String()
		return func() string { return s }
	}
	return func() string { return fmt.Sprintf("%T", e.r) }
}

func (l *Loop) warnSlow(what string, d time.Duration) {
	defer survive(what)
	slog.Warn("aio: executing took long, and nothing else ran", "what", what, "seconds", d.Seconds())
}

// callers returns the innermost part of the stack of the caller's caller: it is remembered.
func callers() []uintptr {
	pcs := make([]uintptr, 64)
	return pcs[:runtime.Callers(3, pcs)]
}

// wholeStack returns the stack of the caller's caller and beyond.
func wholeStack() []uintptr {
	for size := 64; ; size *= 4 {
		pcs := make([]uintptr, size)
		if n := runtime.Callers(3, pcs); n < size {
			return pcs[:n]
		}
	}
}

// frames turns program counters, innermost first, into frames of the user's code, outermost first.
func frames(pcs []uintptr, limit int) []runtime.Frame {
	var all []runtime.Frame
	if len(pcs) > 0 {
		it := runtime.CallersFrames(pcs)
		for more := true; more; {
			var f runtime.Frame
			f, more = it.Next()
			if f.Function != "" && !internalFrame(f) {
				all = append(all, f)
			}
		}
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	return all
}

// packagePath is the prefix of this package's own functions.
var packagePath = strings.TrimSuffix(funcName(NewEventLoop), "NewEventLoop")

func internalFrame(f runtime.Frame) bool {
	name := f.Function
	return strings.HasPrefix(name, packagePath) && !strings.HasSuffix(f.File, "_test.go") ||
		strings.HasPrefix(name, "runtime.") || strings.HasPrefix(name, "iter.")
}

// funcName returns the name of a function.
func funcName(fn any) string {
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func || v.IsNil() {
		return "nil"
	}
	return runtime.FuncForPC(v.Pointer()).Name()
}

// runWatched runs e in debug mode.
func (l *Loop) runWatched(e event) {
	start := l.wallClock()
	what := describeEvent(e)
	l.nesting = false
	l.call(e)
	l.nesting = true
	if d := l.wallClock() - start; d >= l.SlowCallbackDuration {
		l.warnSlow(what(), d)
	}
}
