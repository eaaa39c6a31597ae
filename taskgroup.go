package aio

// A task group owns its tasks: Run does not return before each of them is done. When
// one fails, the others are cancelled, and so is the task that runs the group, to end
// the await of its body. That request belongs to the group, which withdraws it at the
// end; a request from elsewhere is kept and delivered.

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// TaskGroup is a group of tasks that end together. The zero value is ready for one Run;
// [WithTaskGroup] is the short form. (asyncio: TaskGroup)
type TaskGroup struct {
	// Limit is how many tasks of Go and [GoResult] run at a time; 0 means any
	// number. The others wait for their turn, in order, before their bodies begin.
	// Set it before the first of them.
	Limit int
	// CollectErrors keeps the group from being cancelled when a task fails or the
	// body returns an error: all tasks run to their end, and Run returns all
	// errors. A cancellation still cancels the group. Set it before the first task.
	CollectErrors bool

	slots   *Semaphore // limits the running tasks to Limit; nil before the first task
	scope   scope
	inner   innerScope
	loop    *Loop        // nil before Run
	parent  *task        // the task that runs the group
	around  *CancelScope // the innermost scope that the parent is in, nil if none
	head    *member
	tail    *member
	errs    []error
	onDone  *waiter // woken at the end of the last task, while Run waits
	exiting bool    // the body has returned
	closed  bool    // Run has returned

	aborting        bool // the tasks were cancelled, and no more are accepted
	parentCancelled bool // the group has cancelled its parent
	cancelled       bool // Cancel was called
}

// member is a task of the group, and its done callback. The group drops those that are
// done.
type member struct {
	group      *TaskGroup
	task       *task
	prev, next *member
	// a StartTask waits for it: only StartTask cancels it, and returns its error
	starting bool
}

// WithTaskGroup runs body in the calling task with a new group, and returns when body
// has returned and every task of the group is done. The group's tasks start like those
// of [CreateTask]. The context of body ends when the group is cancelled, fails or is
// done.
//
// When body returns an error or a task of the group fails, the other tasks are
// cancelled; in the latter case the await in which body is suspended is cancelled too.
// The result is then a [*GroupError] with the errors of the tasks in the order in which
// they occurred, and that of body last; cancelled tasks add nothing. If a context that
// the caller derived ends while WithTaskGroup waits for the tasks, that counts as an
// error of body. If body panics, the panic continues when the tasks are done, and their
// errors go to the exception handler.
//
// If the calling task is cancelled, the tasks are cancelled too, and unless there are
// other errors the result is the [*CancelledError]. With other errors, the cancellation
// is delivered again at the task's next await.
//
// Cost: a task of a group takes about half the time of a goroutine in an errgroup; a
// cancelled group cancels each unfinished task once.
//
// (asyncio: async with TaskGroup())
func WithTaskGroup(ctx context.Context, body func(ctx context.Context, tg *TaskGroup) error) error {
	return new(TaskGroup).Run(ctx, body)
}

// Run runs body with the group, as [WithTaskGroup] describes. A second Run of a group
// is misuse, as is a nil body.
func (tg *TaskGroup) Run(ctx context.Context, body func(ctx context.Context, tg *TaskGroup) error) error {
	c, err := enter(ctx, callTaskGroup)
	if err != nil {
		return err
	}
	if tg.loop != nil {
		return usagef("TaskGroup", "the group has been entered already: make a new one")
	}
	if body == nil {
		return usagef("TaskGroup", "the body is nil")
	}
	tg.loop = c.fut.loop
	tg.parent = c.task
	tg.scope.enter(c, ctx, &tg.inner)
	if tg.around = c.inside; tg.around != nil {
		listed := &scopedGroup{group: tg}
		tg.around.groups.push(listed)
		defer func() {
			if tg.around != nil { // the group is still inside a scope
				tg.around.groups.remove(listed)
			}
		}()
	}
	if tg.cancelled {
		tg.cancel()
	}
	returned := false
	defer func() {
		if !returned && !tg.closed {
			// The panic or Goexit continues when the tasks have ended. Run
			// does not return the errors of the tasks then, so they are
			// reported.
			_ = tg.exit(ctx, errBodyPanicked)
			tg.reportErrors()
		}
	}()
	err = body(&tg.scope, tg)
	returned = true
	return tg.exit(ctx, err)
}

var errBodyPanicked = errors.New("aio: the body of the task group panicked")

// exit waits for the tasks, and returns the outcome of Run. err is the result of the
// body.
func (tg *TaskGroup) exit(ctx context.Context, err error) error {
	tg.exiting = true
	var cancellation error // to be returned unless there are errors
	if _, ok := asCancelled(err); ok {
		cancellation, err = err, nil
	}
	if !tg.aborting && (cancellation != nil || err != nil && (!tg.CollectErrors || err == errBodyPanicked)) {
		tg.abort()
	}
	for tg.head != nil {
		switch waitErr, open := tg.wait(ctx); {
		case !open:
			return waitErr
		case waitErr == nil:
		case !interrupted(waitErr):
			return waitErr // the error reports a cycle of awaits
		default:
			if _, ok := asCancelled(waitErr); !ok {
				// the end of a context counts as an error of the body
				err = cmp.Or(err, waitErr)
			} else if cancellation == nil || tg.parentCancelled {
				cancellation = waitErr
			}
			if !tg.aborting {
				tg.abort()
			}
		}
	}
	tg.closed = true
	tg.scope.leave()
	return tg.outcome(err, cancellation)
}

// wait suspends the parent until the last of the tasks is done, or the wait is
// interrupted. It reports whether the loop is open: if not, the tasks are being unwound
// too.
func (tg *TaskGroup) wait(ctx context.Context) (err error, open bool) {
	c, err := enter(ctx, callTaskGroup)
	if err != nil {
		return err, false
	}
	if tg.aborting {
		// the tasks are cancelled already: the end of a context changes nothing
		c.endCtx = nil
	}
	return c.waitOnce("TaskGroup", &tg.onDone), true
}

// outcome returns the result of Run when all tasks are done. err is an error of the
// body, cancellation the last one that reached the parent.
func (tg *TaskGroup) outcome(err, cancellation error) error {
	if tg.parentCancelled {
		tg.parent.uncancel()
	}
	if tg.parentCancelled && tg.parent.requests() == 0 {
		// Only the group has requested the cancellation. If requests are left,
		// other code has cancelled the task while the group was ending, and
		// cancellation belongs to it too.
		cancellation = nil
	}
	if err != nil {
		tg.errs = append(tg.errs, err)
	}
	if len(tg.errs) == 0 {
		return cancellation
	}
	if tg.parent.cancels > 0 {
		// Other code has cancelled the parent too. Run returns the errors now,
		// so make the request again: the next await delivers it.
		tg.parent.uncancel()
		tg.parent.fut.cancel(errCancelled)
	}
	return &GroupError{Message: "errors in a task group", Errors: tg.errs}
}

// reportErrors reports the errors of tasks of a group whose body has panicked.
func (tg *TaskGroup) reportErrors() {
	for _, err := range tg.errs {
		if err != errBodyPanicked {
			tg.loop.CallExceptionHandler(ExceptionContext{
				Message: "a task failed in a group whose body panicked",
				Err:     err,
			})
		}
	}
}

// Go starts f as a task of the group. The body may call it, even after it has
// suspended, and so may the tasks of the group, until Run has returned. It never
// awaits. Once the group is being cancelled it accepts no more tasks: Go panics, as it
// does before and after Run. Inside a task of the group such a panic is one more error
// of the group.
//
// (asyncio: TaskGroup.create_task)
func (tg *TaskGroup) Go(f func(ctx context.Context) error, opts ...TaskOption) *Task[struct{}] {
	if f == nil {
		misuse("TaskGroup.Go", "the function is nil")
	}
	return GoResult(tg, NoResult(f), opts...)
}

// GoResult is [TaskGroup.Go] for a coroutine with a result. (asyncio:
// TaskGroup.create_task)
//
//nolint:contextcheck // the group has the ctx
func GoResult[T any](tg *TaskGroup, coro Coro[T], opts ...TaskOption) *Task[T] {
	if tg == nil {
		misuse("GoResult", "the group is nil")
	}
	tg.ready()
	if tg.Limit > 0 {
		coro = limited(tg, coro)
	}
	t := CreateTask(&tg.scope, coro, tg.options(opts)...)
	// This includes a task that has ended already, by its eager start: the group
	// learns of its error a pass later; otherwise the group would cancel its parent
	// while the parent still creates tasks.
	tg.add(&t.task)
	if tg.aborting && t.state == pending {
		// The task itself, started eagerly, has cancelled the group before it
		// was in the list.
		t.cancel(errCancelled)
	}
	return t
}

// options adds an option that makes the scope around the group the scope around the
// task.
func (tg *TaskGroup) options(opts []TaskOption) []TaskOption {
	if tg.around == nil {
		return opts
	}
	return append(slices.Clip(opts), func(s *TaskSpec) { s.inside = tg.around })
}

// limited makes coro wait until the group's limit admits it. A nil coro stays nil, which
// CreateTask refuses.
func limited[T any](tg *TaskGroup, coro Coro[T]) Coro[T] {
	if coro == nil {
		return nil
	}
	if tg.slots == nil {
		tg.slots = NewSemaphore(tg.Limit)
	}
	return func(ctx context.Context) (T, error) {
		if err := tg.slots.Acquire(ctx); err != nil {
			var zero T
			return zero, err
		}
		defer tg.slots.Release()
		return coro(ctx)
	}
}

// StartTask starts f as a task, and suspends the calling task until f calls started: it
// returns the value that started is given. From then on the task belongs to the group,
// like one of Go. It is for services that have to be ready before others use them:
//
//	addr, err := aio.StartTask(ctx, tg, serve)
//
// If f ends before it calls started, the group is not affected: StartTask returns the
// error of f, or an error of misuse if there is none. Until then the group waits for f,
// also if a task outside of the group calls StartTask, but does not cancel it.
//
// If the calling task is cancelled before, f is cancelled, and StartTask returns when it
// has ended. A second call of started does nothing. Limit does not count the task. It is
// misuse in the cases of Go, and with a nil f.
//
// (trio: nursery.start; anyio: TaskGroup.start)
func StartTask[T any](ctx context.Context, tg *TaskGroup, f func(ctx context.Context, started func(value T)) error, opts ...TaskOption) (value T, err error) {
	const call = "StartTask"
	c, err := enter(ctx, call)
	switch {
	case err != nil:
		return value, err
	case tg == nil:
		return value, usagef(call, "the group is nil")
	case f == nil:
		return value, usagef(call, "the function is nil")
	}
	for _, opt := range opts {
		if opt == nil {
			return value, usagef(call, "a TaskOption is nil")
		}
	}
	if err := tg.accepts(); err != nil {
		return value, err
	}
	ready := newFuture[T](c.loop())
	var m *member
	started := func(v T) {
		if ready.SetResult(v) == nil && m != nil {
			m.started()
		}
	}
	t := CreateTask(&tg.scope, NoResult(func(ctx context.Context) error { return f(ctx, started) }), tg.options(opts)...)
	if ready.state == pending && t.state != pending { // eagerly
		return value, notStarted(t)
	}
	m = tg.add(&t.task)
	if ready.state == finished {
		m.started()
		return ready.value, nil
	}
	m.starting = true
	done := t.AddDoneCallback(func(*Future[struct{}]) {
		if ready.state == pending {
			_ = ready.SetException(notStarted(t))
		}
	})
	value, err = ready.Await(ctx)
	t.RemoveDoneCallback(done)
	if ready.state == cancelled {
		if waitErr := CancelAndWait(ctx, t); waitErr != nil {
			return value, waitErr
		}
	}
	return value, err
}

// notStarted is the error of a StartTask whose task has ended.
func notStarted(t *Task[struct{}]) error {
	if err := t.Exception(); err != nil {
		return err
	}
	return usagef("StartTask", "the function has returned without calling started")
}

// accepts returns an error unless the group takes tasks. The caller must hold the token.
func (tg *TaskGroup) accepts() error {
	switch {
	case tg.loop == nil:
		return usagef("TaskGroup", "the group has not been entered")
	case tg.closed || tg.exiting && tg.head == nil:
		return usagef("TaskGroup", "the group is finished")
	case tg.aborting:
		return usagef("TaskGroup", "the group is shutting down")
	}
	return nil
}

// ready panics unless the group takes tasks.
func (tg *TaskGroup) ready() {
	if tg.loop != nil {
		tg.loop.check("TaskGroup.Go")
	}
	if err := tg.accepts(); err != nil {
		panic(err)
	}
}

func (tg *TaskGroup) add(t *task) *member {
	m := &member{group: tg, task: t, prev: tg.tail}
	if tg.tail == nil {
		tg.head = m
	} else {
		tg.tail.next = m
	}
	tg.tail = m
	t.fut.addCallback(m)
	return m
}

// started gives the task of a StartTask to the group.
func (m *member) started() {
	m.starting = false
	if m.group.aborting && m.task.fut.state == pending {
		m.task.fut.cancel(errCancelled)
	}
}

func (tg *TaskGroup) remove(m *member) {
	if m.prev == nil {
		tg.head = m.next
	} else {
		m.prev.next = m.next
	}
	if m.next == nil {
		tg.tail = m.prev
	} else {
		m.next.prev = m.prev
	}
}

// moveTo sets the scope around the group.
func (tg *TaskGroup) moveTo(around *CancelScope) { tg.around = around }

// eachTask calls f with each task, for the scope around the group.
func (tg *TaskGroup) eachTask(f func(t *task)) {
	for m := tg.head; m != nil; m = m.next {
		f(m.task)
	}
}

// abort cancels the tasks.
func (tg *TaskGroup) abort() {
	tg.aborting = true
	for m := tg.head; m != nil; m = m.next {
		if !m.starting {
			m.task.fut.cancel(errCancelled)
		}
	}
}

// run implements runnable: the task is done.
func (m *member) run(f *future) {
	tg := m.group
	tg.remove(m)
	if tg.onDone != nil && tg.head == nil {
		tg.onDone.wake()
	}
	if f.state != failed || m.starting {
		return
	}
	err := f.thrown()
	if tg.parent.fut.state != pending {
		tg.loop.CallExceptionHandler(ExceptionContext{
			Message: "a task failed after the task of its group was done",
			Err:     err,
			Task:    m.task.impl,
		})
		return
	}
	tg.errs = append(tg.errs, err)
	if !tg.CollectErrors && !tg.aborting && !tg.parentCancelled {
		tg.cancel()
	}
}

// String names the entry.
func (m *member) String() string { return "TaskGroup" }

// cancel cancels the tasks and the await of the body.
func (tg *TaskGroup) cancel() {
	tg.abort()
	tg.scope.cancelled(errCancelled)
	tg.parentCancelled = true
	tg.parent.cancelFromScope(errCancelledByGroup, tg.around)
}

// Cancel ends the group early: its tasks are cancelled, and so is the await in which
// the body is suspended, or its next one. Run then returns nil, or a [*GroupError] if
// there are errors, but not the [*CancelledError]. Before Run, Cancel takes effect when
// the group is entered; after the end, and a second time, it does nothing.
//
// (asyncio: TaskGroup.cancel of Python 3.15)
func (tg *TaskGroup) Cancel() {
	if tg.loop != nil {
		tg.loop.check("TaskGroup.Cancel")
	}
	first := !tg.cancelled
	tg.cancelled = true
	if first && tg.loop != nil && !tg.closed && !tg.aborting && !(tg.exiting && tg.head == nil) {
		tg.cancel()
	}
}
