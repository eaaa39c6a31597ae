package aio_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aioiter"
	"github.com/goaio/aio/aiokit"
	"github.com/goaio/aio/aiotest"
)

// If a body panics with an error, the error of the task wraps it; other values are in
// the PanicError.
func TestTaskPanicBecomesItsError(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		for _, value := range []any{errBoom, "text"} {
			task := aio.CreateTask(ctx, func(context.Context) (int, error) { panic(value) })
			_, err := task.Await(ctx)
			var p *aio.PanicError
			if !errors.As(err, &p) || p.Value != value || !strings.Contains(string(p.Stack), here()) {
				t.Errorf("got %v", err)
			}
			if errors.Is(err, errBoom) != (value == errBoom) {
				t.Errorf("%v does not unwrap as expected", err)
			}
			if _, again := task.Await(ctx); again != err {
				t.Errorf("the second await: %v", again)
			}
		}
		return nil
	})
}

// All combinations of how the body ends, when the task is cancelled, and how its result
// is used. The body waits for a gate, logs the result, and then ends in its own way,
// whether it was cancelled or not; only the variant that returns passes the
// CancelledError on.
func TestTaskEndingsByCancellationsByConsumers(t *testing.T) {
	type ending struct{ body, cancelled string }
	for e, want := range map[ending]struct {
		events  string // events of the body, and results of Cancel
		outcome string // result of the task
	}{
		{"returns", "never"}:         {"begin opened", "7"},
		{"returns", "before start"}:  {"cancel:true", "cancelled"},
		{"returns", "while ready"}:   {"begin cancel:true interrupted", "cancelled"},
		{"returns", "while waiting"}: {"begin cancel:true interrupted", "cancelled"},
		{"returns", "when done"}:     {"begin opened cancel:false", "7"},
		{"fails", "never"}:           {"begin opened", "boom"},
		{"fails", "before start"}:    {"cancel:true", "cancelled"},
		{"fails", "while ready"}:     {"begin cancel:true interrupted", "boom"},
		{"fails", "while waiting"}:   {"begin cancel:true interrupted", "boom"},
		{"fails", "when done"}:       {"begin opened cancel:false", "boom"},
		{"panics", "never"}:          {"begin opened", "panic"},
		{"panics", "before start"}:   {"cancel:true", "cancelled"},
		{"panics", "while ready"}:    {"begin cancel:true interrupted", "panic"},
		{"panics", "while waiting"}:  {"begin cancel:true interrupted", "panic"},
		{"panics", "when done"}:      {"begin opened cancel:false", "panic"},
		{"Goexits", "never"}:         {"begin opened", "exit"},
		{"Goexits", "before start"}:  {"cancel:true", "cancelled"},
		{"Goexits", "while ready"}:   {"begin cancel:true interrupted", "exit"},
		{"Goexits", "while waiting"}: {"begin cancel:true interrupted", "exit"},
		{"Goexits", "when done"}:     {"begin opened cancel:false", "exit"},
	} {
		for _, consumer := range []string{"awaited", "shielded", "grouped", "dropped"} {
			t.Run(strings.ReplaceAll(e.body+" "+e.cancelled+" "+consumer, " ", "_"), func(t *testing.T) {
				testTaskEnding(t, e.body, e.cancelled, consumer, want.events, want.outcome)
			})
		}
	}
}

// taskEnding is a combination, and what happened in its run.
type taskEnding struct {
	*testing.T
	body, cancelled, consumer string

	log      eventLog
	gate     *aio.Future[int]
	task     *aio.Task[int]
	consumed string // what the consumer got
}

func testTaskEnding(t *testing.T, body, cancelled, consumer, events, outcome string) {
	l, reports := newLoop(t)
	e := &taskEnding{T: t, body: body, cancelled: cancelled, consumer: consumer, consumed: "nothing"}
	e.gate = aio.CreateFuture[int](l.Context())
	main := aio.CreateTask(l.Context(), aio.NoResult(func(ctx context.Context) error {
		consuming := aio.CreateTask(ctx, aio.NoResult(e.consume))
		letPass(ctx, 5)
		e.open(ctx)
		letPass(ctx, 5)
		if !e.task.Done() {
			t.Errorf("the task is not done: %v", e.task)
		}
		if e.task.Cancelled() != (outcome == "cancelled") {
			t.Errorf("the task: %v, want %s", e.task, outcome)
		}
		_, err := consuming.Await(ctx)
		return err
	}))
	wantExits := 0
	if outcome == "exit" {
		wantExits = 1
	}
	if exits := e.run(l, main); exits != wantExits {
		t.Errorf("the loop's goroutine was ended %d times", exits)
	}
	e.log.want(t, events)
	if want := e.consumes(outcome); e.consumed != want {
		t.Errorf("the consumer got %s, want %s", e.consumed, want)
	}
	if all := aio.AllTasks(l.Context()); len(all) != 0 {
		t.Errorf("left: %v", all)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	reported := "nothing"
	switch len(*reports) {
	case 0:
	case 1:
		reported = endingText(0, (*reports)[0].Err)
	default:
		t.Errorf("reports: %+v", *reports)
	}
	if want := e.reports(outcome); reported != want {
		t.Errorf("reported %s, want %s", reported, want)
	}
}

// endingText formats a result.
func endingText(v int, err error) string {
	var p *aio.PanicError
	switch {
	case err == nil:
		return fmt.Sprint(v)
	case err == errBoom:
		return "boom"
	case err == aio.ErrGoexit:
		return "exit"
	case errors.As(err, &p):
		return fmt.Sprint(p.Value)
	case errors.Is(err, aio.ErrCancelled):
		return "cancelled"
	}
	return "unexpected " + err.Error()
}

// work is the body of the task.
func (e *taskEnding) work(ctx context.Context) (int, error) {
	e.log.add("begin")
	v, err := e.gate.Await(ctx)
	if err != nil {
		e.log.add("interrupted")
	} else {
		e.log.add("opened")
	}
	switch e.body {
	case "fails":
		return 0, errBoom
	case "panics":
		panic("panic")
	case "Goexits":
		runtime.Goexit()
	}
	return v, err
}

func (e *taskEnding) cancel() { e.log.add("cancel:%v", e.task.Cancel()) }

// created keeps the task, and cancels it if that happens before its start.
func (e *taskEnding) created(task *aio.Task[int]) {
	e.task = task
	if e.cancelled == "before start" {
		e.cancel()
	}
}

// consume creates the task and uses its result.
func (e *taskEnding) consume(ctx context.Context) error {
	switch e.consumer {
	case "awaited":
		e.created(aio.CreateTask(ctx, e.work))
		e.consumed = endingText(e.task.Await(ctx))
	case "shielded":
		e.created(aio.CreateTask(ctx, e.work))
		e.consumed = endingText(aio.Shield(ctx, e.task).Await(ctx))
	case "grouped":
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			e.created(aio.GoResult(tg, e.work))
			return nil
		})
		var g *aio.GroupError
		switch {
		case err == nil:
			e.consumed = "ok"
		case errors.As(err, &g) && len(g.Errors) == 1:
			e.consumed = "group:" + endingText(0, g.Errors[0])
		default:
			e.consumed = "unexpected " + err.Error()
		}
	case "dropped":
		e.created(aio.CreateTask(ctx, e.work))
	}
	return nil
}

// open opens the gate for the task that waits there, or cancels the task, or both.
func (e *taskEnding) open(ctx context.Context) {
	switch e.cancelled {
	case "never":
		_ = e.gate.SetResult(7)
	case "while ready":
		_ = e.gate.SetResult(7)
		e.cancel()
	case "while waiting":
		e.cancel()
		if !e.gate.Cancelled() {
			e.Error("the gate was not cancelled")
		}
	case "when done":
		_ = e.gate.SetResult(7)
		letPass(ctx, 1)
		e.cancel()
	}
}

// run runs the loop until main has ended, each time in a new goroutine, and returns how
// many of these were ended by Goexit.
func (e *taskEnding) run(l *aio.Loop, main *aio.Task[struct{}]) (exits int) {
	for done := false; !done; {
		over := make(chan struct{})
		go func() {
			defer close(over)
			exited := true
			defer func() {
				if exited {
					exits++
				}
			}()
			_, err := aio.RunUntilComplete(l, main)
			exited = false
			done = true
			if err != nil {
				e.Error(err)
			}
		}()
		<-over
	}
	return exits
}

// consumes returns what the consumer gets from a task with this outcome.
func (e *taskEnding) consumes(outcome string) string {
	switch e.consumer {
	case "grouped":
		if outcome == "7" || outcome == "cancelled" {
			return "ok"
		}
		return "group:" + outcome
	case "dropped":
		return "nothing"
	}
	return outcome
}

// reports returns what is reported about a task with this outcome. Cancel on a failed
// task marks its error as retrieved. Goexit still reaches the goroutine of the loop.
func (e *taskEnding) reports(outcome string) string {
	if e.consumer == "dropped" && e.cancelled != "when done" && outcome != "7" && outcome != "cancelled" && outcome != "exit" {
		return outcome
	}
	return "nothing"
}

// An error that joins only cancellations is a cancellation, as with a deferred
// errors.Join(err, f.Close()); one that joins another error is a failure.
func TestJoinedCancellationsAreACancellation(t *testing.T) {
	for _, closing := range []error{nil, errBoom} {
		body := func(ctx context.Context) (err error) {
			defer func() { err = errors.Join(err, closing) }()
			return aio.Sleep(ctx, time.Hour)
		}
		_ = inBubble(t, func(ctx context.Context) error {
			err := aio.Timeout(ctx, time.Second, body)
			same(t, "Timeout returns ErrTimeout", err == aio.ErrTimeout, closing == nil)
			task := spawn(ctx, body)
			letPass(ctx, 1)
			task.Cancel()
			_, err = task.Await(ctx)
			matches(t, "the task", err, aio.ErrCancelled)
			same(t, "Cancelled", task.Cancelled(), closing == nil)
			err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(body)
				letPass(ctx, 1)
				tg.Cancel()
				return nil
			})
			matches(t, "the group", err, closing)
			return nil
		})
	}
}

// ofCancellations are errors that are made of a cancellation, and whether a task that
// returns one ends as cancelled.
var ofCancellations = map[string]struct {
	of   func(c error) error
	want bool
}{
	"itself":                   {func(c error) error { return c }, true},
	"wrapped":                  {func(c error) error { return fmt.Errorf("load: %w", c) }, true},
	"as text":                  {func(c error) error { return fmt.Errorf("load: %v", c) }, false},
	"joined twice":             {func(c error) error { return errors.Join(errors.Join(c, nil), c) }, true},
	"two verbs":                {func(c error) error { return fmt.Errorf("%w, %w", c, c) }, true},
	"a join in a wrap":         {func(c error) error { return fmt.Errorf("load: %w", errors.Join(c)) }, true},
	"a wrap in a join":         {func(c error) error { return errors.Join(fmt.Errorf("load: %w", c)) }, true},
	"with another":             {func(c error) error { return errors.Join(c, errBoom) }, false},
	"another first":            {func(c error) error { return errors.Join(errBoom, c) }, false},
	"another, deep":            {func(c error) error { return errors.Join(c, fmt.Errorf("%w", errors.Join(c, errBoom))) }, false},
	"with a timeout":           {func(c error) error { return errors.Join(c, aio.ErrTimeout) }, false},
	"with misuse":              {func(c error) error { return fmt.Errorf("%w: %w", c, aio.ErrUsage) }, false},
	"with the end of a ctx":    {func(c error) error { return errors.Join(c, context.Canceled) }, false},
	"a GroupError":             {func(c error) error { return &aio.GroupError{Errors: []error{c}} }, false},
	"a GroupError in a join":   {func(c error) error { return errors.Join(c, &aio.GroupError{Errors: []error{c}}) }, false},
	"a join of nothing":        {func(error) error { return manyErrors{} }, false},
	"another type with a list": {func(c error) error { return manyErrors{c, c} }, true},
}

// Whether an error that contains cancellations counts as a cancellation depends on its
// form.
func TestErrorsMadeOfCancellations(t *testing.T) {
	for name, c := range ofCancellations {
		t.Run(name, func(t *testing.T) {
			_ = inBubble(t, func(ctx context.Context) error {
				body := func(ctx context.Context) error {
					if err := aio.Sleep(ctx, time.Hour); err != nil {
						return c.of(err)
					}
					return nil
				}
				same(t, "Timeout returns ErrTimeout", aio.Timeout(ctx, time.Second, body) == aio.ErrTimeout, c.want)
				task := spawn(ctx, body)
				letPass(ctx, 1)
				task.Cancel()
				_, _, err := aio.Wait(ctx, []aio.AnyFuture{task}, aio.NoTimeout, aio.AllCompleted)
				same(t, "Cancelled", task.Cancelled(), c.want)
				same(t, "Failed", task.Failed(), !c.want)
				_ = task.Exception()
				var scope aio.CancelScope
				scope.SetTimeout(time.Second)
				_ = scope.Run(ctx, body)
				same(t, "a CancelScope has caught it", scope.Caught(), c.want)
				return err
			})
		})
	}
}

// manyErrors is a list of errors, as packages other than errors have it.
type manyErrors []error

func (manyErrors) Error() string     { return "many" }
func (m manyErrors) Unwrap() []error { return m }

// A function that is passed to another call returns such an error, in a Timeout that
// expires. The Timeout returns ErrTimeout if the error is a cancellation. Otherwise it
// returns the error, with all its parts.
func TestErrorsMadeOfCancellationsInEachCall(t *testing.T) {
	type body = func(ctx context.Context) error
	number := func(b body) aio.Coro[int] {
		return func(ctx context.Context) (int, error) { return 0, b(ctx) }
	}
	fails := func(b body) aioiter.Stream[int] {
		return func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) { yield(0, b(ctx)) }
		}
	}
	collect := func(ctx context.Context, s aioiter.Stream[int]) error { return second(aioiter.Collect(ctx, s)) }
	for name, call := range map[string]func(ctx context.Context, b body) error{
		"Lock.With":           func(ctx context.Context, b body) error { return new(aio.Lock).With(ctx, b) },
		"Semaphore.With":      func(ctx context.Context, b body) error { return aio.NewSemaphore(1).With(ctx, b) },
		"Condition.With":      func(ctx context.Context, b body) error { return aio.NewCondition(nil).With(ctx, b) },
		"CancelScope":         func(ctx context.Context, b body) error { return new(aio.CancelScope).Run(ctx, b) },
		"MoveOnAfter":         func(ctx context.Context, b body) error { return second(aio.MoveOnAfter(ctx, time.Hour, b)) },
		"FailAfter":           func(ctx context.Context, b body) error { return aio.FailAfter(ctx, time.Hour, b) },
		"Timeout":             func(ctx context.Context, b body) error { return aio.Timeout(ctx, time.Hour, b) },
		"Task.Await":          func(ctx context.Context, b body) error { return second(spawn(ctx, b).Await(ctx)) },
		"WaitFor":             func(ctx context.Context, b body) error { return second(aio.WaitFor(ctx, number(b), time.Hour)) },
		"Gather":              func(ctx context.Context, b body) error { return second(aio.Gather(ctx, number(b)).Await(ctx)) },
		"CapacityLimiter":     func(ctx context.Context, b body) error { return aiokit.NewCapacityLimiter(1).With(ctx, b) },
		"Every":               func(ctx context.Context, b body) error { return aiokit.Every(ctx, time.Millisecond, b) },
		"Retry":               func(ctx context.Context, b body) error { return aiokit.Retry(ctx, nil, b) },
		"RetryResult":         func(ctx context.Context, b body) error { return second(aiokit.RetryResult(ctx, nil, number(b))) },
		"aioiter, one source": func(ctx context.Context, b body) error { return collect(ctx, aioiter.Chain(fails(b))) },
		"aioiter.Retry":       func(ctx context.Context, b body) error { return collect(ctx, aioiter.Retry(fails(b), nil)) },
		"TaskGroup, its body": func(ctx context.Context, b body) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, _ *aio.TaskGroup) error { return b(ctx) })
		},
		"TaskGroup, a task": func(ctx context.Context, b body) error {
			return aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
				tg.Go(b)
				return nil
			})
		},
		"ExitStack": func(ctx context.Context, b body) error {
			return aiokit.WithExitStack(ctx, func(ctx context.Context, _ *aiokit.ExitStack) error { return b(ctx) })
		},
		"ExitStack.Enter": func(ctx context.Context, b body) error {
			return aiokit.WithExitStack(ctx, func(ctx context.Context, s *aiokit.ExitStack) error {
				ctx, err := s.Enter(ctx, new(aio.Lock).With)
				if err != nil {
					return err
				}
				return b(ctx)
			})
		},
		"Pool.With": func(ctx context.Context, b body) error {
			p := aiokit.NewPool(aiokit.PoolOptions[int]{Open: returns(1)})
			return p.With(ctx, func(ctx context.Context, _ int) error { return b(ctx) })
		},
		"Pool, opening": func(ctx context.Context, b body) error {
			return second(aiokit.NewPool(aiokit.PoolOptions[int]{Open: number(b)}).Acquire(ctx))
		},
		"Pool, checking": func(ctx context.Context, b body) error {
			p := aiokit.NewPool(aiokit.PoolOptions[int]{Open: returns(1), Check: func(ctx context.Context, _ int) error { return b(ctx) }})
			if err := p.With(ctx, func(context.Context, int) error { return nil }); err != nil {
				return err
			}
			return second(p.Acquire(ctx))
		},
		"Iterator.Next": func(ctx context.Context, b body) error {
			it := aio.Pull(ctx, fails(b))
			_, _, err := it.Next(ctx)
			return err
		},
	} {
		for shape, c := range ofCancellations {
			t.Run(name+"/"+shape, func(t *testing.T) {
				var made error
				calls := 0
				b := func(ctx context.Context) error {
					calls++
					if err := aio.Sleep(ctx, time.Hour); err != nil {
						made = c.of(err)
						return made
					}
					return nil
				}
				_ = inBubble(t, func(ctx context.Context) error {
					err := aio.Timeout(ctx, time.Second, func(ctx context.Context) error { return call(ctx, b) })
					same(t, "Timeout returns ErrTimeout", err == aio.ErrTimeout, c.want)
					if (calls > 1 || err == nil) && errors.Is(made, aio.ErrCancelled) {
						t.Errorf("%d calls, the result is %v", calls, err)
					}
					if !c.want && errors.Is(made, errBoom) {
						matches(t, "the result", err, errBoom)
					}
					return nil
				})
			})
		}
	}
}

// An operator of aioiter may run its source in a task. If the source fails with such an
// error, a cancellation becomes ErrSourceCancelled, and a failure is passed on with all
// its parts.
func TestErrorsMadeOfCancellationsInASource(t *testing.T) {
	for shape, c := range ofCancellations {
		of := aioiter.Stream[int](func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				other := spawn(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
				other.Cancel()
				yield(0, c.of(second(other.Await(ctx))))
			}
		})
		one := func(ctx context.Context, _ int) (int, error) { return 0, second(aioiter.Collect(ctx, of)) }
		for name, s := range map[string]iter2{
			"Merge":        stream(aioiter.Merge(of, aioiter.Of(1))),
			"Zip":          stream(aioiter.Zip(of, aioiter.Of(1))),
			"Buffer":       stream(aioiter.Buffer(of, 2)),
			"Debounce":     stream(aioiter.Debounce(of, time.Second)),
			"Map":          stream(aioiter.Map(aioiter.Of(1), 2, one)),
			"MapUnordered": stream(aioiter.MapUnordered(aioiter.Of(1), 2, one)),
		} {
			t.Run(name+"/"+shape, func(t *testing.T) {
				_ = inBubble(t, func(ctx context.Context) error {
					var err error
					task := spawn(ctx, func(ctx context.Context) error {
						for _, err = range s(ctx) {
						}
						return err
					})
					_, _ = task.Await(ctx)
					same(t, "the consumer is cancelled", task.Cancelled(), false)
					if c.want && !errors.Is(err, aioiter.ErrSourceCancelled) || err == nil {
						t.Errorf("the operator yields %v", err)
					}
					if errors.Is(c.of(errors.New("x")), errBoom) {
						matches(t, "the operator", err, errBoom)
					}
					return nil
				})
			})
		}
	}
}

// A joined error keeps the connection only if all its parts are marked with Keep. No
// part of the error is lost.
func TestKeepOfJoinedErrors(t *testing.T) {
	inner := errors.New("no such row")
	for name, c := range map[string]struct {
		err  error
		kept bool
	}{
		"itself":       {aiokit.Keep(inner), true},
		"wrapped":      {fmt.Errorf("load: %w", aiokit.Keep(inner)), true},
		"joined":       {errors.Join(aiokit.Keep(inner), nil), true},
		"twice":        {errors.Join(aiokit.Keep(inner), fmt.Errorf("%w", aiokit.Keep(errOne))), true},
		"with another": {errors.Join(aiokit.Keep(inner), errBoom), false},
		"inside":       {aiokit.Keep(errors.Join(inner, errBoom)), true},
		"none":         {inner, false},
	} {
		t.Run(name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				p := aiokit.NewPool(aiokit.PoolOptions[int]{Open: returns(1)})
				err := p.With(ctx, func(context.Context, int) error { return c.err })
				matches(t, "the error", err, inner)
				same(t, "the text", err.Error(), c.err.Error())
				same(t, "the error has its parts", errors.Is(err, errBoom), errors.Is(c.err, errBoom))
				same(t, "the connection is kept", p.Idle() == 1, c.kept)
				return p.Close(ctx)
			})
		})
	}
}
