package aio

// Errors that no code handles: the exception handler, and the errors of futures that
// are never retrieved. The token owns the list of reports. A future that is
// garbage-collected with an unretrieved error passes its report to the loop through the
// inbox.

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"time"
)

// ExceptionContext describes an error to an exception handler. Only Message is always
// set. (asyncio: the context dict of call_exception_handler)
type ExceptionContext struct {
	// Message says what happened.
	Message string
	// Err is the error; after a panic it is a [*PanicError].
	Err error
	// Future is the future whose done callback panicked.
	Future AnyFuture
	// Task is the task in which the error occurred. It is nil if the task has been
	// collected, as for an error that was never retrieved; Message then has its
	// name.
	Task AnyTask
	// Handle is the callback that panicked.
	Handle *Handle
	// Transport and Protocol are those of the connection on which the error occurred.
	Transport BaseTransport
	Protocol  Protocol
	// Context is the context for which a custom exception handler was called that
	// panicked.
	Context *ExceptionContext
	// Stack has the program counters of the place where the task was suspended or,
	// in debug mode, of the call that created the future or scheduled the callback.
	// See [runtime.CallersFrames].
	Stack []uintptr
	// Extra has further data from the caller of [Loop.CallExceptionHandler]. The
	// default handler logs it in the order of the keys. (asyncio: further keys of
	// the dict)
	Extra map[string]any
}

// SetExceptionHandler makes the loop call handler for each error that no code handles:
// panics of callbacks, errors of futures and tasks that were never retrieved, tasks
// that were pending when their loop was closed. handler runs while its goroutine holds
// the token, and must not block. nil restores the default,
// [Loop.DefaultExceptionHandler].
//
// (asyncio: loop.set_exception_handler)
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

// CallExceptionHandler reports ec to the loop's exception handler. If that panics, the
// default handler reports the panic, with the original report in Context. (asyncio:
// loop.call_exception_handler)
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

// DefaultExceptionHandler writes ec as one record of level error to the default logger
// of log/slog, or to standard error if the logger panics.
//
// Any goroutine may call it. If another goroutine runs the loop, the futures and tasks
// in ec are printed in short form.
//
// (asyncio: loop.default_exception_handler)
func (l *Loop) DefaultExceptionHandler(ec ExceptionContext) { logException(ec) }

//nolint:contextcheck // a report has no ctx
func logException(ec ExceptionContext) {
	defer survive(ec.Message)
	var attrs []slog.Attr
	add := func(key string, v any) { attrs = append(attrs, slog.Any(key, v)) }
	if ec.Err != nil {
		add("error", ec.Err.Error())
		if stacks := panicStacks(ec.Err); len(stacks) > 0 {
			add("panic", strings.Join(stacks, "\n"))
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
	for _, key := range slices.Sorted(maps.Keys(ec.Extra)) {
		add(key, ec.Extra[key])
	}
	slog.LogAttrs(context.Background(), slog.LevelError, "aio: "+ec.Message, attrs...)
}

// survive keeps a panic of a log handler from ending the loop.
func survive(what string) {
	if v := recover(); v != nil {
		fmt.Fprintf(os.Stderr, "aio: the log handler panicked: %v, while reporting: %s\n", v, what)
	}
}

// report is the unretrieved error of a future. It does not hold the future, so that the
// garbage collector can tell when the error can no longer be retrieved. The reports
// that are left when the loop is closed are made then.
type report struct {
	loop  *Loop
	err   error
	what  string
	stack []uintptr // the stack of the call that made the future, in debug mode
	// futures named by FutureAddToAwaitedBy, while the future is pending
	awaitedBy     []AnyFuture
	reaped        bool // counted by reaper
	cleanup       runtime.Cleanup
	links[report] // the links in the loop's list of reports
}

var _ linked[report] = (*report)(nil)

// errorCheck is scheduled behind the entries that wait for a failed future. If none of
// them has retrieved the error, it begins to watch the error.
type errorCheck struct{}

func (errorCheck) run(f *future) {
	if !f.errRetrieved {
		f.watchError()
	}
}

// String names the entry.
func (errorCheck) String() string { return "check for an error that is never retrieved" }

// watchError makes sure that the error of f is reported once f is collected.
func (f *future) watchError() {
	l := f.loop
	if f.report == nil {
		f.report = &report{loop: l}
	}
	r := f.report
	r.err, r.what = f.err, "future"
	r.awaitedBy = nil // they may reference the future
	if t, ok := f.sub.(*task); ok {
		r.what = "task " + t.name()
	}
	l.reports.push(r)
	if r.reaped = !l.virtual && !l.bubble; r.reaped {
		reapLater()
	}
	r.cleanup = runtime.AddCleanup(f, func(r *report) {
		// This is a goroutine of the runtime: it may not touch a channel of the
		// synctest bubble that the loop runs in. There the report waits until
		// something else wakes the loop.
		r.loop.post(readyEntry{r, nil}, r.loop.bubble)
	}, r)
}

// reaper starts garbage collections while there are unretrieved errors. An error is
// reported when its future is collected, and an idle program may not collect anything
// for minutes. reaper collects at growing intervals, in a goroutine outside the loops,
// and not if a garbage collection has run in the meantime: a busy program pays nothing.
// reaper ignores loops with a virtual clock, whose runs must be reproducible, and loops
// in a bubble of testing/synctest.
var reaper struct {
	sync.Mutex
	listed   int // reports
	interval time.Duration
	timer    *time.Timer
	cycles   uint64 // the number of garbage collections when the timer was set
}

const firstReap, lastReap = 250 * time.Millisecond, time.Minute

// reapLater counts one more report.
func reapLater() {
	reaper.Lock()
	defer reaper.Unlock()
	reaper.listed++
	if reaper.timer == nil {
		reaper.interval, reaper.cycles = firstReap, collections()
		reaper.timer = time.AfterFunc(firstReap, reap)
	}
}

// reaped counts one report less.
func reaped() {
	reaper.Lock()
	defer reaper.Unlock()
	if reaper.listed--; reaper.listed == 0 && reaper.timer != nil {
		reaper.timer.Stop()
		reaper.timer = nil
	}
}

// reap asks for a collection, unless there was one, and sets the next timer.
func reap() {
	reaper.Lock()
	idle := reaper.timer != nil && reaper.cycles == collections()
	reaper.Unlock()
	if idle {
		runtime.GC()
	}
	reaper.Lock()
	defer reaper.Unlock()
	if reaper.timer != nil {
		reaper.interval = min(2*reaper.interval, lastReap)
		reaper.cycles = collections()
		reaper.timer = time.AfterFunc(reaper.interval, reap)
	}
}

// collections returns how often the garbage collector has run.
func collections() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// run implements runnable: the future was collected.
func (r *report) run(*future) { r.lost() }

func (r *report) lost() {
	if !r.listed {
		return
	}
	r.unwatch()
	r.loop.CallExceptionHandler(ExceptionContext{
		Message: r.what + ": error was never retrieved",
		Err:     r.err,
		Stack:   r.stack,
	})
}

// unwatch removes r from its loop's list.
func (r *report) unwatch() {
	r.loop.reports.remove(r)
	if r.reaped {
		reaped()
	}
}

// retrieved marks the error of f as retrieved.
func (f *future) retrieved() {
	if f.state == pending || f.errRetrieved {
		return
	}
	f.errRetrieved = true
	if r := f.report; r != nil && r.listed {
		r.cleanup.Stop()
		r.unwatch()
	}
}

// created records the call that makes f, in debug mode.
func (f *future) created() {
	if f.loop.debug.Load() {
		f.report = &report{loop: f.loop, stack: callers()}
	}
}

// createdAt returns the place that created has recorded, as a suffix of a text form.
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
