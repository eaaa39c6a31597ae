package aio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/plug"
)

// tick is the unit of time in programs.
const tick = time.Second / 64

// program is one line of a file.
type program struct {
	ID      string
	Objects map[string]struct {
		Kind string
		N    int
	}
	Coros map[string][]statement
	Trace []string
}

// statement is the name of a statement and its undecoded arguments.
type statement []json.RawMessage

func (s statement) op() string { return decode[string](s[0]) }

// str, num, flag and body decode the i-th argument; a missing or null argument is the
// zero value.
func (s statement) str(i int) string { return arg[string](s, i) }

func (s statement) num(i int) int { return arg[int](s, i) }

func (s statement) flag(i int) bool { return arg[bool](s, i) }

func (s statement) strs(i int) []string { return arg[[]string](s, i) }

func (s statement) body(i int) []statement { return arg[[]statement](s, i) }

func (s statement) null(i int) bool { return i >= len(s)-1 || string(s[i+1]) == "null" }

// ticks returns a duration given in ticks; null means no limit.
func (s statement) ticks(i int) time.Duration {
	if s.null(i) {
		return aio.NoTimeout
	}
	return time.Duration(s.num(i)) * tick
}

func arg[V any](s statement, i int) (v V) {
	if s.null(i) {
		return v
	}
	return decode[V](s[i+1])
}

func decode[V any](raw json.RawMessage) (v V) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		panic(fmt.Sprintf("conformance: %s: %v", raw, err))
	}
	return v
}

// progError is an error that the program itself raises, with the statements raise and
// fail.
type progError string

func (e progError) Error() string { return string(e) }

// awaitable is the type of a slot.
type awaitable interface {
	aio.AnyFuture
	aio.Awaitable[any]
	Result() (any, error)
	AddDoneCallback(func(*aio.Future[any])) aio.DoneCallback
	RemoveDoneCallback(aio.DoneCallback) bool
}

// settable is implemented by slots that do not contain a task.
type settable interface {
	SetResult(any) error
	SetException(error) error
}

// interpreter runs one program.
type interpreter struct {
	prog    program
	loop    *aio.Loop
	start   time.Time
	trace   []string
	slots   map[string]awaitable
	handles map[string]interface{ Cancel() }
	dones   map[string]aio.DoneCallback
	objects map[string]any
}

// frame is the state of a coroutine instance.
type frame struct {
	m        *interpreter
	label    string
	timeouts []*aio.TimeoutScope
	groups   []*aio.TaskGroup
}

// run returns the trace of a program.
func run(p program, debug bool) []string { return runDirected(p, debug, nil) }

// runDirected is run with a director; nil means none.
func runDirected(p program, debug bool, d plug.Director) []string {
	m := &interpreter{
		prog:    p,
		loop:    aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true, Debug: debug}),
		slots:   map[string]awaitable{},
		handles: map[string]interface{ Cancel() }{},
		dones:   map[string]aio.DoneCallback{},
		objects: map[string]any{},
	}
	if d != nil {
		plug.Direct(m.loop, d)
	}
	m.loop.SetSlowCallbackDuration(time.Hour)
	m.start = m.loop.Time()
	m.loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
		if strings.HasPrefix(ec.Message, "exception in callback") {
			m.log("loop", "handler "+errorText(ec.Err))
		}
	})
	v, err := aio.RunUntilComplete(m.loop, aio.Coro[any](func(ctx context.Context) (any, error) {
		for name, o := range p.Objects {
			m.objects[name] = makeObject(o.Kind, o.N)
		}
		return m.call(ctx, "main", "main")
	}))
	switch {
	case errors.Is(err, aio.ErrDeadlock):
		m.log("loop", "deadlock")
	case err != nil:
		m.log("loop", "run "+errorText(err))
	default:
		m.log("loop", "run ok:"+value(v))
	}
	trace := m.trace
	m.loop.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
	m.loop.Close()
	return trace
}

func makeObject(kind string, n int) any {
	switch kind {
	case "lock":
		return &aio.Lock{}
	case "event":
		return &aio.Event{}
	case "condition":
		return &aio.Condition{}
	case "semaphore":
		return aio.NewSemaphore(n)
	case "bounded":
		return aio.NewBoundedSemaphore(n)
	case "barrier":
		return aio.NewBarrier(n)
	case "queue":
		return aio.NewQueue[int](n)
	case "lifo":
		return aio.NewLifoQueue[int](n)
	case "priority":
		return aio.NewOrderedQueue[int](n)
	}
	panic("conformance: unknown kind of object " + kind)
}

func (m *interpreter) log(label, text string) {
	m.trace = append(m.trace, fmt.Sprintf("%d %s %s", m.loop.Time().Sub(m.start)/tick, label, text))
}

// value formats a result.
func value(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case error:
		return errorText(v)
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = value(x)
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return fmt.Sprint(v)
}

// errorText formats an error.
func errorText(err error) string {
	if e, ok := err.(progError); ok {
		return "error:" + string(e)
	}
	var group *aio.GroupError
	var cancelled *aio.CancelledError
	var prog progError
	switch {
	case errors.As(err, &group) && !errors.As(err, &cancelled):
		parts := make([]string, len(group.Errors))
		for i, e := range group.Errors {
			parts[i] = errorText(e)
		}
		return "group(" + strings.Join(parts, ",") + ")"
	case errors.As(err, &cancelled):
		if cancelled.Message != nil {
			return fmt.Sprint("cancelled:", cancelled.Message)
		}
		return "cancelled"
	case errors.As(err, &prog):
		return "error:" + string(prog)
	case errors.Is(err, aio.ErrQueueEmpty):
		return "qempty"
	case errors.Is(err, aio.ErrQueueFull):
		return "qfull"
	case errors.Is(err, aio.ErrQueueShutDown):
		return "qshutdown"
	case errors.Is(err, aio.ErrBrokenBarrier):
		return "broken"
	case errors.Is(err, aio.ErrInvalidState):
		return "invalid"
	case errors.Is(err, aio.ErrTimeout):
		return "timeout"
	case errors.Is(err, aio.ErrOverRelease):
		return "value"
	case errors.Is(err, aio.ErrAwaitCycle):
		return "recursion"
	case strings.Contains(err.Error(), "no futures to wait for"):
		return "value"
	case errors.Is(err, aio.ErrUsage), errors.Is(err, aio.ErrAwaitSelf), errors.Is(err, aio.ErrOtherLoop):
		return "runtime"
	}
	return "other:" + err.Error()
}

// call runs a coroutine as the instance label.
func (m *interpreter) call(ctx context.Context, fn, label string) (v any, err error) {
	m.log(label, "begin")
	stmts := m.prog.Coros[fn]
	if n := len(stmts); n > 0 && stmts[n-1].op() == "return" {
		v = number(arg[any](stmts[n-1], 0))
		stmts = stmts[:n-1]
	}
	f := &frame{m: m, label: label}
	if err := f.block(ctx, stmts); err != nil {
		m.log(label, "end "+errorText(err))
		return nil, err
	}
	m.log(label, "end ok:"+value(v))
	return v, nil
}

// number converts a json.Number with an integer value to an int.
func number(v any) any {
	if n, ok := v.(json.Number); ok {
		i, err := n.Int64()
		if err != nil {
			panic(err)
		}
		return int(i)
	}
	return v
}

func (f *frame) block(ctx context.Context, stmts []statement) error {
	for _, s := range stmts {
		if err := f.statement(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (f *frame) log(format string, args ...any) { f.m.log(f.label, fmt.Sprintf(format, args...)) }

// coro returns a new coroutine.
func (f *frame) coro(fn, label string) aio.Coro[any] {
	return func(ctx context.Context) (any, error) { return f.m.call(ctx, fn, label) }
}

// source returns the awaitable of a slot or, for {"call": fn}, a new coroutine.
func (f *frame) source(raw json.RawMessage, label string) aio.Awaitable[any] {
	if raw[0] == '{' {
		return f.coro(decode[struct{ Call string }](raw).Call, label)
	}
	return f.m.slots[decode[string](raw)]
}

// logged logs the result of an operation, with its value if show is set.
func (f *frame) logged(what string, v any, show bool, err error) error {
	switch {
	case err != nil:
		f.log("%s %s", what, errorText(err))
	case show:
		f.log("%s ok:%s", what, value(v))
	default:
		f.log("%s ok", what)
	}
	return err
}

// caught returns what fn returns or panics with.
func caught(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = v.(error)
		}
	}()
	return fn()
}

// needs lists the slots that a statement reads.
func needs(s statement) []string {
	source := func(i int) []string {
		if s.null(i) || s[i+1][0] == '{' {
			return nil
		}
		return []string{s.str(i)}
	}
	switch s.op() {
	case "await", "cancel", "uncancel", "cancelling", "state", "set", "fail", "on_done", "off_done":
		return []string{s.str(0)}
	case "shield":
		return source(1)
	case "wait_for":
		return source(0)
	case "gather":
		var names []string
		for _, raw := range arg[[]json.RawMessage](s, 1) {
			if raw[0] != '{' {
				names = append(names, decode[string](raw))
			}
		}
		return names
	case "wait", "as_completed":
		return s.strs(0)
	}
	return nil
}

func (f *frame) statement(ctx context.Context, s statement) error {
	m, op := f.m, s.op()
	for _, name := range needs(s) {
		if m.slots[name] == nil {
			f.log("%s noslot", op)
			return nil
		}
	}
	name := ""
	if len(s) > 1 && s[1][0] == '"' {
		name = s.str(0)
	}
	task, isTask := m.slots[name].(*aio.Task[any])
	future, _ := m.slots[name].(settable)
	switch op {
	case "log":
		f.log("%s", name)
	case "sleep":
		return f.logged("sleep", nil, false, aio.Sleep(ctx, s.ticks(0)))
	case "spawn":
		// The slot is assigned when the call returns, so it is still empty
		// while the body starts eagerly.
		if s.flag(2) {
			m.slots[name] = aio.CreateTask(ctx, f.coro(s.str(1), name), aio.WithEagerStart(true))
			f.log("spawned %s", name)
		} else {
			m.slots[name] = aio.CreateTask(ctx, f.coro(s.str(1), name))
		}
	case "future":
		m.slots[name] = aio.CreateFuture[any](ctx)
	case "await":
		v, err := m.slots[name].Await(ctx)
		return f.logged("await "+name, v, true, err)
	case "call":
		_, err := m.call(ctx, name, f.label+"/"+name)
		return err
	case "cancel":
		var ok bool
		if s.null(1) {
			ok = m.slots[name].Cancel()
		} else {
			ok = m.slots[name].Cancel(s.str(1))
		}
		f.log("cancel %s %t", name, ok)
	case "cancel_self":
		f.log("cancel_self %t", aio.CurrentTask(ctx).Cancel())
	case "uncancel_self":
		f.log("uncancel_self %d", aio.CurrentTask(ctx).Uncancel())
	case "uncancel":
		if isTask {
			f.log("uncancel %s %d", name, task.Uncancel())
		}
	case "cancelling":
		if isTask {
			f.log("cancelling %s %d", name, task.Cancelling())
		}
	case "state":
		x := m.slots[name]
		switch {
		case !x.Done():
			f.log("state %s pending", name)
		case x.Cancelled():
			f.log("state %s cancelled", name)
		default:
			v, err := x.Result()
			if err != nil {
				f.log("state %s %s", name, errorText(err))
			} else {
				f.log("state %s ok:%s", name, value(v))
			}
		}
	case "set":
		if !isTask {
			return f.logged("set "+name, nil, false, future.SetResult(number(arg[any](s, 1))))
		}
	case "fail":
		if !isTask {
			return f.logged("fail "+name, nil, false, future.SetException(progError(s.str(1))))
		}
	case "on_done":
		tag := s.str(1)
		m.dones[tag] = m.slots[name].AddDoneCallback(func(*aio.Future[any]) { m.log("loop", "done "+tag) })
	case "off_done":
		if cb, ok := m.dones[s.str(1)]; ok {
			n := 0
			if m.slots[name].RemoveDoneCallback(cb) {
				n = 1
			}
			f.log("off_done %s %d", s.str(1), n)
		}
	case "soon":
		m.handles[name] = m.loop.CallSoon(func() { m.log("loop", "soon "+name) })
	case "soon_raise":
		m.handles[name] = m.loop.CallSoon(func() { panic(progError(name)) })
	case "later":
		tag := s.str(1)
		m.handles[tag] = m.loop.CallLater(s.ticks(0), func() { m.log("loop", "later "+tag) })
	case "later_set":
		slot, v := s.str(1), number(arg[any](s, 2))
		m.loop.CallLater(s.ticks(0), func() {
			x := m.slots[slot]
			if _, isTask := x.(*aio.Task[any]); x != nil && !isTask && !x.Done() {
				if err := x.(settable).SetResult(v); err != nil {
					panic(err)
				}
			}
			m.log("loop", "later_set "+slot)
		})
	case "later_cancel":
		slot := s.str(1)
		m.loop.CallLater(s.ticks(0), func() {
			if x := m.slots[slot]; x != nil {
				m.log("loop", fmt.Sprintf("later_cancel %s %t", slot, x.Cancel()))
			}
		})
	case "cancel_handle":
		if h := m.handles[name]; h != nil {
			h.Cancel()
		}
	case "tasks":
		f.log("tasks %d", len(aio.AllTasks(ctx)))

	case "gather":
		var aws []aio.Awaitable[any]
		for i, raw := range arg[[]json.RawMessage](s, 1) {
			aws = append(aws, f.source(raw, fmt.Sprintf("%s[%d]", name, i)))
		}
		if s.flag(2) {
			m.slots[name] = anyList(aio.GatherResults(ctx, aws...), func(r aio.Result[any]) any {
				if r.Err != nil {
					return r.Err
				}
				return r.Value
			})
		} else {
			m.slots[name] = anyList(aio.Gather(ctx, aws...), func(v any) any { return v })
		}
	case "shield":
		source := f.source(s[2], name+"!")
		shield := aio.Shield(ctx, source)
		m.slots[name] = shield
		if t, ok := source.(*aio.Task[any]); ok && &t.Future == shield {
			m.slots[name] = t // the task was done already
		}
		if l, ok := source.(awaitable); ok && !isTask && l.Done() {
			m.slots[name] = l
		}
	case "wait_for":
		v, err := aio.WaitFor(ctx, f.source(s[1], f.label+"~"), s.ticks(1))
		return f.logged("wait_for", v, true, err)
	case "wait":
		return f.wait(ctx, s)
	case "as_completed":
		return f.asCompleted(ctx, s)

	case "timeout":
		scope := aio.NewTimeout(s.ticks(0))
		err := scope.Run(ctx, func(ctx context.Context) error {
			f.timeouts = append(f.timeouts, scope)
			defer func() { f.timeouts = f.timeouts[:len(f.timeouts)-1] }()
			return f.block(ctx, s.body(1))
		})
		if err != nil {
			f.log("timeout %s expired=%t", errorText(err), scope.Expired())
		} else {
			f.log("timeout ok expired=%t", scope.Expired())
		}
		return err
	case "reschedule":
		if n := len(f.timeouts); n > 0 {
			var when time.Time
			if !s.null(0) {
				when = m.loop.Time().Add(s.ticks(0))
			}
			return f.logged("reschedule", nil, false, caught(func() error {
				f.timeouts[n-1].Reschedule(when)
				return nil
			}))
		}
	case "group":
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			f.groups = append(f.groups, tg)
			defer func() { f.groups = f.groups[:len(f.groups)-1] }()
			return f.block(ctx, s.body(0))
		})
		return f.logged("group", nil, false, err)
	case "group_spawn":
		if n := len(f.groups); n > 0 {
			err := caught(func() error {
				m.slots[name] = aio.GoResult(f.groups[n-1], f.coro(s.str(1), name))
				return nil
			})
			if err != nil {
				f.log("group_spawn runtime")
			}
			return err
		}
	case "try":
		return f.try(ctx, s)
	case "repeat":
		for range s.num(0) {
			if err := f.block(ctx, s.body(1)); err != nil {
				return err
			}
		}
	case "raise":
		return progError(name)
	default:
		return f.objectStatement(ctx, op, name, s)
	}
	return nil
}

// anyList makes an untyped awaitable of a future of a list. It wraps the same future,
// so the conversion does not affect cancelling, callbacks and the number of passes.
func anyList[E any](f *aio.Future[[]E], conv func(E) any) awaitable {
	return &listFuture[E]{Future: f, conv: conv}
}

type listFuture[E any] struct {
	*aio.Future[[]E]
	conv func(E) any
	set  any // set if the program itself sets the result of a gather
}

func (f *listFuture[E]) SetResult(v any) error {
	err := f.Future.SetResult(nil)
	if err == nil {
		f.set = v
	}
	return err
}

func (f *listFuture[E]) list(v []E, err error) (any, error) {
	if err != nil || f.set != nil {
		return f.set, err
	}
	list := make([]any, len(v))
	for i, x := range v {
		list[i] = f.conv(x)
	}
	return list, nil
}

func (f *listFuture[E]) AddDoneCallback(cb func(*aio.Future[any])) aio.DoneCallback {
	return f.Future.AddDoneCallback(func(*aio.Future[[]E]) { cb(nil) })
}
