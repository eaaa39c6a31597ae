package aio

// The rule for errors and panics. A failure at run time (a cancellation, a timeout, a
// full queue, a future that is done already) is returned as an error. Misuse is an error
// in the program: a nil function, a negative size, a lock released by a task while it is
// free, a call from a goroutine that does not hold the loop's token. A call with an error
// result returns misuse as an error that matches ErrUsage; a call without one panics with
// it. Inside a task such a panic becomes the task's error, as an exception would in
// Python. In both cases the call has had no effect.
//
// usagef makes an error of misuse and misuse panics with one. Sentinels of misuse, such
// as ErrNotLocked, match ErrUsage themselves, so an error that wraps one does too.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// Sentinels for errors.Is.
var (
	// ErrCancelled matches every [*CancelledError].
	ErrCancelled = errors.New("aio: cancelled")

	// ErrTimeout is the error of [Timeout], [WaitFor] and similar functions when
	// their time has expired. It matches [context.DeadlineExceeded] and
	// [os.ErrDeadlineExceeded], and is a [net.Error] whose Timeout method reports
	// true. (asyncio: TimeoutError)
	ErrTimeout error = timeoutError{}

	// ErrInvalidState says that a future was not in the state that an operation
	// needs: it was settled a second time, or its result was requested before it
	// had one. (asyncio: InvalidStateError)
	ErrInvalidState = errors.New("aio: invalid state")

	// ErrLoopClosed says that the event loop is closed. It is also the error of
	// awaits in a task that is being unwound because its loop was closed.
	ErrLoopClosed error = &sentinel{text: "event loop is closed"}

	// ErrLoopRunning says that the event loop, or another one in this goroutine, is
	// already running.
	ErrLoopRunning = errors.New("aio: event loop is already running")

	// ErrLoopStopped is returned by [RunUntilComplete] when the loop was stopped
	// before the future was done.
	ErrLoopStopped = errors.New("aio: event loop stopped before the future was done")

	// ErrNoRunningLoop says that a context does not come from a running event loop.
	ErrNoRunningLoop error = &sentinel{text: "no running event loop: pass the ctx that the task was given, or one derived from it", usage: true}

	// ErrNoTask says that a call that awaits was made without a task to suspend: in
	// a callback, or with the context of a loop while no task runs.
	ErrNoTask error = &sentinel{text: "only a task can await: start one with CreateTask", usage: true}

	// ErrWrongGoroutine says that the calling goroutine does not hold the token of
	// the loop. Such a call changes nothing. Other goroutines use
	// [Loop.CallSoonThreadsafe] and [RunCoroutineThreadsafe].
	ErrWrongGoroutine error = &sentinel{text: "this goroutine does not run the event loop: use Loop.CallSoonThreadsafe or RunCoroutineThreadsafe", usage: true}

	// ErrOtherLoop says that a future or a primitive was used with a loop that is not
	// its own.
	ErrOtherLoop error = &sentinel{text: "attached to a different event loop", usage: true}

	// ErrAwaitSelf says that a task awaited itself.
	ErrAwaitSelf error = &sentinel{text: "a task cannot await itself", usage: true}

	// ErrAwaitCycle matches every [*AwaitCycleError].
	ErrAwaitCycle = errors.New("aio: cycle of awaits")

	// ErrDeadlock matches every [*DeadlockError].
	ErrDeadlock = errors.New("aio: deadlock")

	// ErrInterrupted matches the [*SignalError] of SIGINT, which Run returns when
	// SIGINT ended the program. (Python: KeyboardInterrupt)
	ErrInterrupted = errors.New("aio: interrupted")

	// ErrGoexit is the error of a task whose body called [runtime.Goexit], as
	// testing.T.FailNow does.
	ErrGoexit = errors.New("aio: runtime.Goexit was called in a task")

	// ErrNotLocked says that a lock was released, or a condition used, while the lock
	// is free.
	ErrNotLocked error = &sentinel{text: "not locked", usage: true}

	// ErrOverRelease says that something was released more often than it was
	// acquired: a semaphore, the items of a [Queue] by TaskDone, a
	// [FastChildWatcher] by Exit.
	ErrOverRelease error = &sentinel{text: "released more often than acquired", usage: true}

	// ErrUsage matches every error of misuse, including those with a sentinel of
	// their own. A call with an error result returns misuse as such an error; a
	// call without one panics with it. In both cases the call has had no effect.
	ErrUsage = errors.New("aio: misuse")
)

// A CancelledError is the error of a cancelled operation: of the await at which a
// cancellation was delivered, and of a [Future] or [Task] that ended with it. It
// matches [ErrCancelled] and [context.Canceled].
//
// A coroutine that returns one, wrapped or not, ends as cancelled, and so does one that
// returns several of them joined by [errors.Join]. Joined with another error it is a
// failure, as is a [GroupError]. The end of a context that the caller derived is not a
// cancellation: an await then returns an error that matches that context's Err and
// Cause.
//
// (asyncio: CancelledError)
type CancelledError struct {
	// Message is the argument of Cancel, nil if there was none.
	Message any
	// Cause is the reason: the [*SignalError] of a signal that ended the program,
	// the error of another loop's main in a [LoopGroup], or the end of the context
	// under which the cancelled future was awaited. Where asyncio drops the message
	// of a cancellation, Cause is the error that still has it. [errors.Is] and
	// [errors.As] examine it.
	Cause error
	// Source says what requested the cancellation.
	Source CancelSource
	// By is the name of the task that cancelled a [CancelScope], "" if no task did.
	By string

	// id of the task whose await has ended with its context; 0 for other
	// cancellations
	awaitOf uint64
}

// CancelSource is the source of a cancellation.
type CancelSource uint8

const (
	// CancelRequest is a call of Cancel of the task, or of what it awaited.
	CancelRequest CancelSource = iota
	// CancelDeadline is the deadline of a [Timeout] or [CancelScope].
	CancelDeadline
	// CancelGroup is a [TaskGroup] that failed or was cancelled.
	CancelGroup
	// CancelScoped is a call of [CancelScope.Cancel].
	CancelScoped
)

// String returns "request", "deadline", "group" or "scope".
func (s CancelSource) String() string {
	if int(s) < len(cancelSources) {
		return cancelSources[s]
	}
	return fmt.Sprintf("CancelSource(%d)", uint8(s))
}

var cancelSources = [...]string{"request", "deadline", "group", "scope"}

// The cancellations of Timeout and TaskGroup, which allocate nothing.
var (
	errCancelledByDeadline = &CancelledError{Source: CancelDeadline}
	errCancelledByGroup    = &CancelledError{Source: CancelGroup}
)

// contextError is the error of an await that ended because a context derived by the
// caller did. It matches that context's Err and Cause, and is not a cancellation: a
// task that returns it has failed.
type contextError struct{ err, cause error }

func newContextError(ctx context.Context) error {
	return &contextError{ctx.Err(), context.Cause(ctx)}
}

func (e *contextError) Error() string {
	if e.cause == e.err {
		return "aio: " + e.err.Error()
	}
	return "aio: " + e.err.Error() + ": " + e.cause.Error()
}

// Unwrap returns the errors of the context. A cause that is the cancellation of another
// task is left out, because the error would count as a cancellation of this one.
func (e *contextError) Unwrap() []error {
	if _, ok := asCancelled(e.cause); ok {
		return []error{e.err}
	}
	return []error{e.err, e.cause}
}

// interrupted reports whether err ends an operation at the caller's request: a
// cancellation of the task, or the end of a context that it derived.
func interrupted(err error) bool {
	var ended *contextError
	_, ok := asCancelled(err)
	return ok || errors.As(err, &ended)
}

// errCancelled is the CancelledError of every cancellation without a message: the common
// case allocates nothing.
var errCancelled = &CancelledError{}

func (e *CancelledError) Error() string {
	switch {
	case e.Cause != nil:
		return "aio: cancelled: " + e.Cause.Error()
	case e.Message != nil:
		return fmt.Sprint("aio: cancelled: ", e.Message)
	}
	return "aio: cancelled"
}

// Is reports whether target is [ErrCancelled] or [context.Canceled].
func (e *CancelledError) Is(target error) bool {
	return target == ErrCancelled || target == context.Canceled
}

// Unwrap returns the cause.
func (e *CancelledError) Unwrap() error { return e.Cause }

// cancelReason converts the arguments of a Cancel method to the error that it delivers.
func cancelReason(msg []any) *CancelledError {
	switch {
	case len(msg) == 0 || len(msg) == 1 && msg[0] == nil:
		return errCancelled
	case len(msg) == 1:
		return &CancelledError{Message: msg[0]}
	}
	return &CancelledError{Message: fmt.Sprint(msg...)}
}

// IsCancellation reports whether a task that returns err ends as cancelled: err is a
// [*CancelledError], wraps one, or joins errors that are all cancellations. A
// cancellation joined with another error is a failure, and so is a [*GroupError].
// [errors.Is] with [ErrCancelled] is true for these two as well: a caller that must not
// take a failure for a cancellation, such as a helper that ends silently when it is
// cancelled, asks IsCancellation. Neither check says which task was cancelled: awaiting
// a cancelled task returns the cancellation of that task. [Task.Cancelling] tells
// whether the calling task was cancelled.
//
// It does not await, and any goroutine may call it. In asyncio an except clause for
// CancelledError makes this check.
func IsCancellation(err error) bool {
	_, ok := asCancelled(err)
	return ok
}

// asCancelled returns the CancelledError that err is or wraps. Joined errors count as a
// cancellation if all of them are, as in errors.Join(err, f.Close()). A cancellation
// joined with another error is a failure, and so is a GroupError.
func asCancelled(err error) (first *CancelledError, ok bool) {
	for err != nil {
		switch e := err.(type) {
		case *CancelledError:
			return e, true
		case *GroupError:
			return nil, false
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			for _, part := range e.Unwrap() {
				c, ok := asCancelled(part)
				if !ok {
					return nil, false
				}
				if first == nil {
					first = c
				}
			}
			return first, first != nil
		default:
			return nil, false
		}
	}
	return nil, false
}

// withoutMessage returns a CancelledError for the cancellation err, without its
// message.
func withoutMessage(err error) error {
	if c, ok := asCancelled(err); ok && c.Message == nil {
		return err
	}
	return &CancelledError{Cause: err}
}

// timeoutError is the type of ErrTimeout. It does not unwrap to the CancelledError with
// which the timeout stopped the work: a timeout must not count as a cancellation.
type timeoutError struct{}

func (timeoutError) Error() string   { return "aio: timed out" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }
func (timeoutError) Is(target error) bool {
	return target == context.DeadlineExceeded || target == os.ErrDeadlineExceeded
}

// A PanicError is the error of a task or callback that panicked.
type PanicError struct {
	// Value is the argument of panic.
	Value any
	// Stack is the stack at the panic, in the form of [debug.Stack].
	Stack []byte
}

// Error returns the value and, if Stack is set, the place of the panic in the user's
// code.
func (e *PanicError) Error() string {
	if err, ok := e.Value.(error); ok && errors.Is(err, ErrUsage) {
		return err.Error() // the text of the error names the call
	}
	text := fmt.Sprintf("aio: panic: %v", e.Value)
	switch at := e.places(); len(at) {
	case 0:
	case 1:
		text += " (at " + at[0] + ")"
	default: // a deferred function has panicked with another value
		text += " (at " + at[0] + ", after a panic at " + at[len(at)-1] + ")"
	}
	return text
}

// Format implements [fmt.Formatter]: %+v includes the stack.
func (e *PanicError) Format(s fmt.State, verb rune) {
	if verb == 'v' && s.Flag('+') {
		fmt.Fprintf(s, "%s\n\n%s", e.Error(), e.Stack)
		return
	}
	fmt.Fprintf(s, fmt.FormatString(s, verb), e.Error())
}

// places returns the places of the panics that were under way, the last one first: each
// is the function, file and line of the first frame of the user's code above it. A
// value that a deferred function has recovered and panicked with again counts once,
// with the place of the first panic.
func (e *PanicError) places() (at []string) {
	lines := strings.Split(string(e.Stack), "\n")
	last := ""
	for i, line := range lines {
		if !strings.HasPrefix(line, "panic(") {
			continue
		}
		place := userFrame(lines[min(i+2, len(lines)):])
		// In this line the arguments of panic are the two words of its value.
		if value := strings.ReplaceAll(line, "?", ""); value == last {
			at = at[:len(at)-1]
		} else {
			last = value
		}
		at = append(at, place)
	}
	return slices.DeleteFunc(at, func(place string) bool { return place == "" })
}

// userFrame returns the first place in user code in the remaining lines of a stack.
func userFrame(lines []string) string {
	for i := 0; i+1 < len(lines); i += 2 {
		function := lines[i]
		if end := strings.LastIndex(function, "("); end > 0 {
			function = function[:end]
		}
		file, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " +0x")
		at := file[:max(strings.LastIndex(file, ":"), 0)]
		if !internalFrame(runtime.Frame{Function: function, File: at}) {
			return shortFunction(function) + ", " + file
		}
	}
	return ""
}

// Unwrap returns the panic's value if that is an error, so that [errors.Is] and
// [errors.As] see it.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// A GroupError holds the errors of several tasks. [errors.Is] and [errors.As] examine
// all of them. (Python: ExceptionGroup)
type GroupError struct {
	// Message says what failed.
	Message string
	// Errors has the errors in the order in which they occurred, that of the body
	// last.
	Errors []error
}

func (e *GroupError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "aio: %s (%d)", e.Message, len(e.Errors))
	for i, err := range e.Errors {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		b.WriteString(sep + err.Error())
	}
	return b.String()
}

// Format implements [fmt.Formatter]: %+v has a line for each error, with the stacks of
// the panics that it is or wraps.
func (e *GroupError) Format(s fmt.State, verb rune) {
	if verb != 'v' || !s.Flag('+') {
		fmt.Fprintf(s, fmt.FormatString(s, verb), e.Error())
		return
	}
	fmt.Fprintf(s, "aio: %s (%d)", e.Message, len(e.Errors))
	for i, err := range e.Errors {
		text := fmt.Sprintf("%+v", err)
		if _, formats := err.(fmt.Formatter); !formats {
			for _, stack := range panicStacks(err) {
				text += "\n\n" + stack
			}
		}
		text = strings.TrimRight(text, "\n")
		fmt.Fprintf(s, "\n%d: %s", i+1, strings.ReplaceAll(text, "\n", "\n\t"))
	}
}

// Unwrap returns the errors.
func (e *GroupError) Unwrap() []error { return e.Errors }

// panicStacks returns the stacks of all panics that err is or wraps.
func panicStacks(err error) (stacks []string) {
	switch e := err.(type) {
	case *PanicError:
		stacks = append(stacks, string(e.Stack))
	case interface{ Unwrap() error }:
		stacks = panicStacks(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			stacks = append(stacks, panicStacks(err)...)
		}
	}
	return stacks
}

// An AwaitCycleError names the tasks and futures of a cycle of awaits. Cancelling any
// of them panics with it, because the cancellation would never end. It matches
// [ErrAwaitCycle]. (CPython: RecursionError)
type AwaitCycleError struct {
	// Cycle names the members. Each awaits the next, and the last awaits the first.
	// It is not empty.
	Cycle []string
}

func (e *AwaitCycleError) Error() string {
	members := e.Cycle
	if len(members) > 0 {
		members = append(members[:len(members):len(members)], members[0])
	}
	return "aio: cycle of awaits: " + strings.Join(members, " awaits ")
}

// Is reports whether target is [ErrAwaitCycle].
func (e *AwaitCycleError) Is(target error) bool { return target == ErrAwaitCycle }

// A DeadlockError is the error of a loop with a virtual clock in which nothing can ever
// happen again: no task is ready, no timer is pending and no worker goroutine is busy.
// It matches [ErrDeadlock].
type DeadlockError struct {
	// Tasks has a line for every task that is not done, in order of creation: the
	// task and what it waits for.
	Tasks []string
	// Cycles has a line for each cycle of awaits among them.
	Cycles []string
}

func (e *DeadlockError) Error() string {
	var b strings.Builder
	if len(e.Tasks) == 1 {
		b.WriteString("aio: deadlock: 1 task waits and nothing can wake it")
	} else {
		fmt.Fprintf(&b, "aio: deadlock: %d tasks wait and nothing can wake them", len(e.Tasks))
	}
	for _, line := range append(e.Tasks, e.Cycles...) {
		b.WriteString("\n\t" + line)
	}
	return b.String()
}

// Is reports whether target is [ErrDeadlock].
func (e *DeadlockError) Is(target error) bool { return target == ErrDeadlock }

// sentinel is an error variable of the package. Its text is without the prefix that Error
// adds, so that callError can put the name of the call in between.
type sentinel struct {
	text  string
	usage bool // the error is misuse
}

func (e *sentinel) Error() string        { return "aio: " + e.text }
func (e *sentinel) Is(target error) bool { return e.usage && target == ErrUsage }

// callError says which call failed with one of the sentinels.
type callError struct {
	call string
	err  error // a *sentinel
}

func (e *callError) Error() string { return "aio: " + e.call + ": " + e.err.(*sentinel).text }
func (e *callError) Unwrap() error { return e.err }

// usageError is an error of misuse with its own text. It matches ErrUsage and, if also
// is set, another error.
type usageError struct {
	call, text string
	also       error // another error that it matches; nil if there is none
}

func (e *usageError) Error() string {
	if e.call == "" {
		return "aio: " + e.text
	}
	return "aio: " + e.call + ": " + e.text
}

// Is reports whether target is ErrUsage.
func (e *usageError) Is(target error) bool { return target == ErrUsage }

func (e *usageError) Unwrap() error { return e.also }

// usagef makes the error of misuse of a call, for a call with an error result to
// return. call is the call as users write it, "Queue.Put"; "" if the text names it.
func usagef(call, format string, args ...any) *usageError {
	return &usageError{call: call, text: fmt.Sprintf(format, args...)}
}

// as makes e match err too.
func (e *usageError) as(err error) *usageError {
	e.also = err
	return e
}

// misuse panics with the error of usagef, for a call without an error result.
func misuse(call, format string, args ...any) { panic(usagef(call, format, args...)) }

// panicError makes the error of a task or callback that panicked with v.
func panicError(v any) error {
	if err, ok := v.(*PanicError); ok {
		return err
	}
	return &PanicError{Value: v, Stack: debug.Stack()}
}

// recovered converts a panic of the function that defers it to its error.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = panicError(v)
	}
}
