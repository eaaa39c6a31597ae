package aio

// A task is a coroutine with a result. At any moment it is in one of these states:
//
//	ready    an entry of the ready queue will start or resume it; waiting is
//	         nil or done
//	running  it holds the token: Loop.current is this task
//	waiting  suspended on the future in waiting, one of whose callbacks is the task
//	done     its future has a result
//
// Cancelling is a request to the task, which its body answers. It cancels the future
// that the task waits for, from which the CancelledError comes back through the await.
// If there is no such future, because the task is ready or running, mustCancel stores
// the request until the next suspension.

import (
	"context"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"runtime/trace"
	"strconv"
	"sync/atomic"

	"github.com/goaio/aio/internal/goid"
)

// AnyTask is a [Task] of any result type. Task documents the methods.
type AnyTask interface {
	AnyFuture
	// These are the methods of [Task].
	Cancelling() int
	Uncancel() int
	GetName() string
	SetName(name string)
	GetContext() context.Context
	GetStack(limit int) []runtime.Frame
	PrintStack(w io.Writer, limit int) error
}

// taskImpl is the part of a Task that depends on its result type.
type taskImpl interface {
	AnyTask
	call()          // runs the body to its end, in its coroutine
	fail(err error) // ends the task without its body
	entryPoint() []uintptr
}

// task is the part of a Task that does not depend on its result type. The token owns
// it.
type task struct {
	fut     *future
	impl    taskImpl
	co      *coroutine // nil before the first step and after the last
	waiting *future
	reason  *CancelledError // the reason of the last request in mustCancel
	scope   scope
	inside  *CancelScope // the innermost scope that the task is in
	id      uint64
	extra   atomic.Pointer[taskExtra]
	prev    *task // in Loop.tasks
	next    *task
	cancels int32  // number of requests, less those withdrawn by Uncancel
	awaits  uint32 // counts suspensions, to distinguish awaits
	// the task is not reported if its loop is closed while the task is pending
	noPendingReport bool

	// runtime.Goexit in the task does not continue in the goroutine that runs the
	// loop; see plug
	contained  bool
	mustCancel bool
	// the end of a context has cancelled the awaited future, see contextEnded
	byContext bool
	// a cancellation of the task has cancelled the awaited future, which takes
	// precedence over the end of a context
	byRequest bool
	// the request in progress comes from a scope: the task's own context does not
	// end
	fromScope bool
}

// taskExtra has fields that few tasks need. Any goroutine may read the name, so
// renaming a task gives it another taskExtra.
type taskExtra struct {
	name    string
	refused int         // number of awaits since the loop was closed
	trace   *trace.Task // nil unless the program was traced when the task was created
}

// more returns a copy of the taskExtra, or a new one. The caller changes it and stores
// it before it passes the token on.
func (t *task) more() *taskExtra {
	if e := t.extra.Load(); e != nil {
		c := *e
		return &c
	}
	return &taskExtra{}
}

// Task runs a coroutine. It is a [Future] of the coroutine's result, and can be
// cancelled, named and inspected. A loop references every unfinished task, so unlike in
// asyncio none is garbage-collected while it is pending.
//
// Cancel asks the task to stop, and returns false only if it is done. The await in
// which the task is suspended, or the next one that suspends, returns a
// [*CancelledError], once; the operation that the task waits for is cancelled with it.
// If the body returns that error, the task is cancelled. If the body continues, the
// cancellation is spent, and Cancelling counts it until Uncancel. A task that was never
// started ends without running its body.
//
// (asyncio: Task)
type Task[T any] struct {
	Future[T]
	task
	coro Coro[T]
}

// TaskSpec describes a new task. The options of [CreateTask] change it, and then the
// loop's task factory.
type TaskSpec struct {
	// Loop is the loop that makes the task.
	Loop *Loop
	// Context is the context from which the body's context gets its values.
	Context context.Context
	// Name is the task's name; "" means Task-1 and so on.
	Name string
	// EagerStart runs the body at once, inside [CreateTask], up to its first
	// suspension. nil means that the caller did not decide.
	EagerStart *bool

	inside *CancelScope // around the group of the task, nil if none
}

// TaskOption is an option of [CreateTask].
type TaskOption func(*TaskSpec)

// WithName names the task.
func WithName(name string) TaskOption { return func(s *TaskSpec) { s.Name = name } }

// WithEagerStart runs the body of the task inside [CreateTask] up to its first
// suspension, if the loop is running; false keeps a task factory from doing so.
func WithEagerStart(eager bool) TaskOption { return func(s *TaskSpec) { s.EagerStart = &eager } }

// WithContext makes the task take its context values from ctx instead of the context of
// [CreateTask] or of its group. (asyncio: create_task with context=)
func WithContext(ctx context.Context) TaskOption { return func(s *TaskSpec) { s.Context = ctx } }

// TaskFactory is called for each task that a loop makes, and may change its [TaskSpec].
// [CreateTask] panics with the error that it returns.
type TaskFactory func(spec *TaskSpec) error

// EagerTaskFactory is a [TaskFactory] that starts every task eagerly, unless
// [WithEagerStart] says otherwise. (asyncio: eager_task_factory)
func EagerTaskFactory(spec *TaskSpec) error {
	if spec == nil {
		return usagef("EagerTaskFactory", "the TaskSpec is nil")
	}
	if spec.EagerStart == nil {
		eager := true
		spec.EagerStart = &eager
	}
	return nil
}

// SetTaskFactory makes the loop call f for every new task. nil restores the default.
// (asyncio: loop.set_task_factory, whose factory makes the task itself)
func (l *Loop) SetTaskFactory(f TaskFactory) {
	l.check("Loop.SetTaskFactory")
	l.taskFactory = f
}

// GetTaskFactory returns the task factory, nil by default. (asyncio:
// loop.get_task_factory)
func (l *Loop) GetTaskFactory() TaskFactory {
	l.check("Loop.GetTaskFactory")
	return l.taskFactory
}

// CreateTask returns a new task that runs coro in the loop of ctx. The body starts in
// the next pass, after everything that is ready already. The body's context has the
// values of ctx, and ends when the task ends or is cancelled. It does not end with ctx,
// because a task may outlive the one that made it.
//
// CreateTask never awaits. It panics if coro is nil, if ctx belongs to no loop, if the
// caller does not hold the token, if the loop is closed, or if the task factory
// refuses.
//
// (asyncio: create_task)
func CreateTask[T any](ctx context.Context, coro Coro[T], opts ...TaskOption) *Task[T] {
	l := loopOf(ctx, "CreateTask")
	l.mustBeOpen("CreateTask")
	if coro == nil {
		misuse("CreateTask", "the coroutine is nil")
	}
	t := new(Task[T])
	t.create(ctx, l, coro, opts)
	return t
}

// create makes t, a zero Task, a new task of l.
func (t *Task[T]) create(ctx context.Context, l *Loop, coro Coro[T], opts []TaskOption) {
	t.coro = coro
	t.loop = l
	t.sub = &t.task
	t.fut = &t.future
	t.impl = t
	t.scope.loop = l
	t.scope.parent = values(ctx)
	l.taskSeq++
	t.id = l.taskSeq
	t.created()
	eager := false
	if len(opts) > 0 || l.taskFactory != nil {
		eager = t.configure(ctx, opts)
	}
	if trace.IsEnabled() {
		t.beginTrace()
	}
	l.tasks.push(&t.task)
	if l.observed != nil {
		l.observed.taskCreated(&t.task)
	}
	if eager && l.running.Load() {
		// The goroutine of the creating task resumes the coroutine, and gets
		// the token back as soon as the new task suspends.
		if l.observed != nil {
			l.observed.stepBegan(&t.task)
		}
		l.resume(&t.task)
		if t.state != pending {
			t.coro = nil
		}
	} else {
		l.schedule(&t.task, nil)
	}
}

// configure applies the options and the task factory.
func (t *task) configure(ctx context.Context, opts []TaskOption) (eager bool) {
	l := t.fut.loop
	spec := TaskSpec{Loop: l, Context: ctx}
	for _, opt := range opts {
		if opt == nil {
			misuse("CreateTask", "a TaskOption is nil")
		}
		opt(&spec)
	}
	if l.taskFactory != nil {
		if err := l.taskFactory(&spec); err != nil {
			panic(err)
		}
	}
	if spec.Context != nil {
		t.scope.parent = values(spec.Context)
	}
	t.inside = spec.inside
	if spec.Name != "" {
		t.extra.Store(&taskExtra{name: spec.Name})
	}
	return spec.EagerStart != nil && *spec.EagerStart
}

// core is that of the task's Future.
func (t *Task[T]) core() *future {
	if t == nil {
		return nil
	}
	return &t.future
}

// call implements taskImpl.
func (t *Task[T]) call() {
	v, err := t.coro(&t.scope)
	if err == nil && !t.mustCancel {
		t.value = v
	}
	t.fail(err)
}

// fail implements taskImpl: it ends the task, with success if err is nil.
func (t *Task[T]) fail(err error) { t.finish(err) }

// finish settles the task's future.
func (t *task) finish(err error) {
	f := t.fut
	f.loop.tasks.remove(t)
	switch {
	case err == nil && t.mustCancel:
		// cancelled in its last step: mustCancel stays set to show that
		f.settle(cancelled, t.reason)
	case err == nil:
		f.settle(finished, nil)
	default:
		if _, ok := asCancelled(err); ok {
			t.mustCancel = false
			f.settle(cancelled, err)
		} else {
			f.settle(failed, err)
		}
	}
	t.scope.end(endedTask)
	if e := t.extra.Load(); e != nil && e.trace != nil {
		e.trace.End()
	}
	if w := f.loop.observed; w != nil {
		w.taskDone(t)
	}
}

// run implements runnable: it runs one step of the task.
func (t *task) run(f *future) {
	if t.prepare(f) {
		t.fut.loop.resume(t)
	}
}

// prepare prepares the task for a step and reports whether there is one to run. f is
// the future that the task waited for, nil if it has not started or only yielded.
func (t *task) prepare(f *future) bool {
	if t.fut.state != pending {
		return false // unwound meanwhile
	}
	var err error
	if f != nil {
		err = f.thrown()
	}
	if t.mustCancel {
		t.mustCancel = false
		if c, ok := asCancelled(err); !ok || c.awaitOf == t.id {
			err = t.reason // a request wins over the end of a context
		}
	}
	t.waiting = nil
	if t.co != nil {
		t.co.thrown = err
	} else if err != nil {
		t.impl.fail(err)
		return false
	}
	if w := t.fut.loop.observed; w != nil {
		w.stepBegan(t)
	}
	return true
}

// cancelFuture implements subFuture.
func (t *task) cancelFuture(reason *CancelledError) bool {
	t.cancels++
	t.byContext = false
	if w := t.fut.loop.observed; w != nil {
		w.taskCancelled(t, reason)
	}
	if !t.fromScope {
		t.scope.cancelled(reason)
	}
	if shield := t.shieldFrom(t.fut.loop.requester); shield != nil {
		shield.held = append(shield.held, heldRequest{reason, t.fut.loop.requester})
		return true
	}
	if t.waiting != nil && t.waiting.cancel(reason) {
		t.byRequest = true
		return true
	}
	t.mustCancel = true
	t.reason = reason
	return true
}

// cancelFromScope cancels the task on behalf of a Timeout or TaskGroup in it, which
// ends its own context and will withdraw the request: the context of the task does not
// end. around is the CancelScope around that Timeout or TaskGroup.
func (t *task) cancelFromScope(reason *CancelledError, around *CancelScope) {
	l := t.fut.loop
	t.fromScope, l.requester = true, around
	defer func() { t.fromScope, l.requester = false, nil }()
	t.fut.cancel(reason)
}

// forceCancel cancels the task even if it is part of a cycle of awaits, from which it
// is removed.
func (t *task) forceCancel(reason *CancelledError) {
	if _, err := t.fut.tryCancel(reason); err == nil || t.waiting == nil {
		return
	}
	t.waiting.removeCallback(t)
	t.waiting = nil
	t.mustCancel = true
	t.reason = reason
	t.fut.loop.schedule(t, nil)
}

// describe implements subFuture.
func (t *task) describe() string {
	s := "Task " + t.name()
	switch {
	case t.fut.state != pending:
		return s
	case t.cancels > 0:
		s += " cancelling"
	default:
		s += " pending"
	}
	if t.waiting != nil && t.waiting.state == pending {
		s += ", awaiting " + t.waiting.label()
	}
	return s
}

// Cancelling returns the number of requests to cancel the task, less those that Uncancel
// took back. (asyncio: Task.cancelling)
func (t *task) Cancelling() int {
	t.fut.check("Task.Cancelling")
	return int(t.cancels)
}

// Uncancel withdraws a request to cancel the task and returns the number of requests
// that are left. It is for code that has made the request itself and has handled it, as
// [Timeout] and [TaskGroup] do. If none is left, a cancellation that was not delivered
// yet is dropped.
//
// (asyncio: Task.uncancel)
func (t *task) Uncancel() int {
	t.fut.check("Task.Uncancel")
	return t.uncancel()
}

func (t *task) uncancel() int {
	if t.cancels > 0 {
		t.cancels--
		if t.requests() < 0 {
			t.dropHeld()
		}
		if t.requests() == 0 {
			t.mustCancel = false
		}
	}
	return int(t.cancels)
}

// GetName returns the name given by [WithName] or SetName, or otherwise Task-1, Task-2
// and so on in the order in which the loop made its tasks. Any goroutine may call it.
// (asyncio: Task.get_name)
func (t *task) GetName() string {
	if t.fut == nil {
		misuse("Task.GetName", "a zero Task belongs to no loop: use CreateTask")
	}
	return t.name()
}

func (t *task) name() string {
	if e := t.extra.Load(); e != nil && e.name != "" {
		return e.name
	}
	return defaultName(t.id)
}

func defaultName(id uint64) string { return "Task-" + strconv.FormatUint(id, 10) }

// SetName names the task; "" restores the number. (asyncio: Task.set_name)
func (t *task) SetName(name string) {
	t.fut.check("Task.SetName")
	e := t.more()
	e.name = name
	t.extra.Store(e)
}

// GetContext returns the context that the body was given. (asyncio: Task.get_context)
func (t *task) GetContext() context.Context { return &t.scope }

// GetCoro returns the coroutine that the task runs or ran, nil if it was started
// eagerly and was done before [CreateTask] returned. (asyncio: Task.get_coro)
func (t *Task[T]) GetCoro() Coro[T] { return t.coro }

// entryPoint implements taskImpl: it is the stack of a task that has not started.
func (t *Task[T]) entryPoint() []uintptr {
	// Add 1, because a program counter is taken for a return address: the frame is
	// that of the instruction before it.
	return []uintptr{reflect.ValueOf(t.coro).Pointer() + 1}
}

// GetStack returns where the task is suspended or, called by the task itself, where it
// runs: the frames from the outermost, the task's own function, to the innermost, the
// function that awaits. Frames of this package and of the Go runtime are left out. A
// limit greater than 0 limits the number of frames, keeping the outermost. A task that
// has not started is in the first line of its function. A task that is done has no
// stack, nor has one that is starting the caller eagerly.
//
// (asyncio: Task.get_stack)
func (t *task) GetStack(limit int) []runtime.Frame {
	t.fut.check("Task.GetStack")
	if t.fut.state != pending {
		return nil
	}
	return frames(t.stack(), limit)
}

// stack returns the program counters of GetStack, innermost first.
func (t *task) stack() []uintptr {
	l := t.fut.loop
	switch {
	case t == l.current:
		return wholeStack()
	case t.co == nil:
		return t.impl.entryPoint()
	}
	// The task's goroutine records its own stack, and then continues to wait.
	var pcs []uintptr
	t.co.stackRequest = &pcs
	me := l.current
	switch {
	case !t.co.runs:
		l.resume(t)
	case me.co.canRunOthers(): // t is in the nest, below the current task
		l.resumeTarget, l.stackRequester = t.co, me
		me.co.runs = false
		me.co.yield(struct{}{})
	default: // a task in between is starting another one eagerly
		t.co.stackRequest = nil
	}
	for co := t.co.inner; co != nil; co = co.inner {
		var body []uintptr
		co.stackRequest = &body
		co.next()
		pcs = append(body, pcs...)
	}
	return pcs
}

// PrintStack writes the frames of GetStack to w, or to standard error if w is nil.
// (asyncio: Task.print_stack)
func (t *task) PrintStack(w io.Writer, limit int) error {
	if err := t.fut.checked("Task.PrintStack"); err != nil {
		return err
	}
	if w == nil {
		w = os.Stderr
	}
	stack := t.GetStack(limit)
	head := fmt.Sprintf("Stack for %s (most recent call last):\n", t.fut)
	if len(stack) == 0 {
		head = fmt.Sprintf("No stack for %s\n", t.fut)
	}
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	for _, f := range stack {
		if _, err := fmt.Fprintf(w, "  %s\n    %s:%d\n", f.Function, f.File, f.Line); err != nil {
			return err
		}
	}
	return nil
}

// CurrentTask returns the task that the calling goroutine is running, nil if there is
// none: in a callback, in a worker goroutine, or with a context that belongs to no loop.
// It never awaits. (asyncio: current_task)
func CurrentTask(ctx context.Context) AnyTask {
	s, _ := scopeOf(ctx)
	if s == nil {
		return nil
	}
	if held, running := goid.Holder(&s.loop.owner); held != running || s.loop.current == nil {
		return nil
	}
	return s.loop.current.impl
}

// TaskOf returns the task that ctx comes from: the one whose body was given ctx, or a
// context from which ctx is derived. Unlike [CurrentTask] it also does so in a callback,
// in a function that [ToThread] runs, and after the task is done. It returns nil for the
// ctx of a loop, and for one that belongs to no loop.
//
// It never awaits, and any goroutine may call it. A goroutine that does not hold the
// token may call only GetName, GetContext and String of the task. asyncio has no
// equivalent: there a context variable may keep the task.
func TaskOf(ctx context.Context) AnyTask {
	s, _ := scopeOf(ctx)
	if s == nil {
		return nil
	}
	if t := s.task(); t != nil {
		return t.impl
	}
	return nil
}

// AllTasks returns the unfinished tasks of the loop of ctx, in the order in which they
// were created. The caller must hold the token, or the loop must not be running.
// (asyncio: all_tasks)
func AllTasks(ctx context.Context) []AnyTask {
	l := loopOf(ctx, "AllTasks")
	all := make([]AnyTask, 0, l.tasks.n)
	for t := l.tasks.head; t != nil; t = t.next {
		all = append(all, t.impl)
	}
	return all
}

// taskList links the unfinished tasks of a loop, in the order of creation.
//
// The lists of waiters, of a group's tasks and of reports are written out in the same
// way. One generic list for the four was tried: generic code reaches the links of an
// element through a dictionary, and made SpawnAwait and Gather 10 % slower.
type taskList struct {
	head, tail *task
	n          int
}

func (q *taskList) push(t *task) {
	t.prev = q.tail
	if q.tail == nil {
		q.head = t
	} else {
		q.tail.next = t
	}
	q.tail = t
	q.n++
}

func (q *taskList) remove(t *task) {
	if t.prev == nil {
		q.head = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		q.tail = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.prev, t.next = nil, nil
	q.n--
}
