package aio

// Several loops, for all cores. Each has its own goroutine, token and tasks, and they
// share nothing that needs a lock; one loop reaches another with the calls that any
// goroutine may make.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
)

// LoopGroup runs several loops at a time, each in a goroutine of its own, so that a
// program of tasks uses more than one core. As with the one loop of [Run], all state
// belongs to one of the loops. To run something in another loop, start it there and
// await the outcome here:
//
//	total, err := aio.WrapFuture(ctx,
//		aio.RunCoroutineThreadsafe(loops.Loop(1), sum)).Await(ctx)
//
// A value that goes to another loop this way belongs to that loop from then on.
// [ConcurrentFuture], [Loop.CallSoonThreadsafe], and channels with [Send] and [Receive]
// work as well. Servers share a port with [SharedListeners].
//
// The zero value has the defaults. The fields must not be changed after Run has begun.
type LoopGroup struct {
	// N is the number of loops; zero means [runtime.GOMAXPROCS].
	N int
	// Options configure each loop; nil means the defaults.
	Options *LoopOptions
	// Signals cancel the main of every loop, as [Runner].Signals does.
	Signals []os.Signal
	// FailFast makes a main that fails cancel those of the other loops. Without it
	// they continue.
	FailFast bool

	once  sync.Once
	loops []*Loop
}

// A LoopError is the error of the main of one of several loops.
type LoopError struct {
	// Index says which loop it was.
	Index int
	Err   error
}

func (e *LoopError) Error() string { return fmt.Sprintf("aio: loop %d: %v", e.Index, e.Err) }

// Unwrap returns the main's error.
func (e *LoopError) Unwrap() error { return e.Err }

// errOtherFailed is the reason with which the mains of other loops are cancelled.
var errOtherFailed = errors.New("aio: the main of another loop has failed")

// make makes the loops.
func (ls *LoopGroup) make() {
	ls.once.Do(func() {
		n := ls.N
		if n == 0 {
			n = runtime.GOMAXPROCS(0)
		}
		if n < 0 {
			misuse("LoopGroup", "N is %d", n)
		}
		for range n {
			ls.loops = append(ls.loops, NewEventLoop(ls.Options))
		}
	})
}

// Len returns the number of loops. Any goroutine may call it.
func (ls *LoopGroup) Len() int {
	ls.make()
	return len(ls.loops)
}

// Loop returns loop i, from 0 to Len()-1. Any goroutine may call it. A loop whose main
// has ended is closed, and work that is submitted to it fails with [ErrLoopClosed].
func (ls *LoopGroup) Loop(i int) *Loop {
	ls.make()
	if i < 0 || i >= len(ls.loops) {
		misuse("LoopGroup.Loop", "there is no loop %d: there are %d", i, len(ls.loops))
	}
	return ls.loops[i]
}

// Run runs main once in each loop, as a [Runner] would: main is a task, and when it
// ends its remaining tasks are cancelled and its loop is closed, independently of the
// other loops. Run blocks the calling goroutine until all have ended.
//
// It returns a [*GroupError] with a [*LoopError] for each main that failed, in the
// order in which they failed; [errors.Is] and [errors.As] find the mains' own errors.
// Without FailFast an error is also reported to the exception handler of its loop at
// once, because the others may run for long; cancellations and signals are not
// reported. Run can be called once.
func (ls *LoopGroup) Run(main func(ctx context.Context, i int) error) error {
	ls.make()
	if main == nil {
		return usagef("LoopGroup.Run", "the coroutine is nil")
	}
	g := groupRun{loops: ls, mains: make([]AnyTask, len(ls.loops))}
	for i, l := range ls.loops {
		if l.IsClosed() || l.IsRunning() {
			return fmt.Errorf("aio: LoopGroup.Run: it was called before: %w", ErrLoopRunning)
		}
		g.all.Go(func() { g.run(i, l, main) })
	}
	g.all.Wait()
	if len(g.errs) == 0 {
		return nil
	}
	return &GroupError{Message: "loops failed", Errors: g.errs}
}

// groupRun is a call of LoopGroup.Run. mu guards the fields below it; only its own loop
// cancels a main.
type groupRun struct {
	loops *LoopGroup
	all   sync.WaitGroup
	mains []AnyTask // mains[i] is the main of loop i, whose token owns it

	mu     sync.Mutex
	errs   []error
	failed bool
}

// run is the goroutine of one loop.
func (g *groupRun) run(i int, l *Loop, main func(ctx context.Context, i int) error) {
	r := Runner{LoopFactory: func() *Loop { return l }, Signals: g.loops.Signals}
	ended := false
	defer func() {
		if !ended { // the main has called runtime.Goexit, as t.FailNow does
			g.fail(i, ErrGoexit)
		}
		if err := r.Close(); err != nil {
			g.fail(i, err)
		}
		_ = l.Close() // closes l if the runner has not taken it over
	}()
	err := r.Run(func(ctx context.Context) error {
		g.mains[i] = CurrentTask(ctx)
		g.mu.Lock()
		failed := g.failed && g.loops.FailFast
		g.mu.Unlock()
		if failed { // another main has failed before this one had begun
			return &CancelledError{Cause: errOtherFailed}
		}
		err := main(ctx, i)
		if _, cancelled := asCancelled(err); err != nil && !cancelled && !g.loops.FailFast {
			l.CallExceptionHandler(ExceptionContext{
				Message: fmt.Sprintf("the main of loop %d has failed", i),
				Err:     err,
				Task:    g.mains[i],
			})
		}
		return err
	})
	ended = true
	if err != nil {
		g.fail(i, err)
	}
}

// fail notes an error and, if that is asked for, cancels the other mains.
func (g *groupRun) fail(i int, err error) {
	if errors.Is(err, errOtherFailed) {
		// this main was cancelled because another one failed: only that error
		// counts
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.errs = append(g.errs, &LoopError{i, err})
	if g.failed || !g.loops.FailFast {
		return
	}
	g.failed = true
	for j, l := range g.loops.loops {
		if j != i {
			l.submit(otherFailed{g, j})
		}
	}
}

// otherFailed cancels the main of a loop, if that has begun.
type otherFailed struct {
	g    *groupRun
	loop int
}

// run implements runnable.
func (o otherFailed) run(*future) {
	if main := o.g.mains[o.loop]; main != nil {
		main.core().sub.(*task).forceCancel(&CancelledError{Cause: errOtherFailed})
	}
}
