package aio

// Running a program: a loop that is made, run and shut down in the right order.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/goaio/aio/internal/goid"
)

// Run makes a loop, runs main in it as a task, and shuts down: it cancels the tasks that
// are left, waits for them and for the jobs of the default executor (for up to five
// minutes, see Runner.ShutdownTimeout), and closes the loop. It returns main's error. An
// error of a task that was left over goes to the exception handler.
//
// On SIGINT main is cancelled, with a *SignalError as the cause, and if that ends it, Run
// returns the *SignalError, which matches ErrInterrupted; a main that has no await left,
// or goes on, returns what it returns. A second SIGINT ends the run at the end of the
// current pass with a *SignalError. From then on, and while Run shuts down, SIGINT does
// what it did before: by default it ends the program. Runner.Signals has other signals do
// the same. A SIGINT that the program ignores is left alone, as signals are with a
// virtual clock and inside a testing/synctest bubble.
//
// If main panics, Run returns a *PanicError, which names the place, and logs it with its
// stack.
//
// Run cannot be called by a task: it returns ErrLoopRunning. See Runner for settings, and
// for several runs in one loop. (asyncio: run)
func Run(main func(ctx context.Context) error) error {
	var r Runner
	defer r.Close()
	err := r.Run(main)
	if p := (*PanicError)(nil); errors.As(err, &p) {
		logException(ExceptionContext{Message: "main panicked", Err: err})
	}
	return err
}

// Runner runs coroutines one after another in a loop that it makes when it needs it. The
// zero value is ready. Close it in the end. A Runner is used by one goroutine at a time.
// (asyncio: Runner)
type Runner struct {
	// Options are for the loop; nil are the defaults.
	Options *LoopOptions
	// LoopFactory makes the loop, in place of NewEventLoop(Options).
	LoopFactory func() *Loop
	// ShutdownTimeout is how long Close waits for the jobs of the default executor;
	// zero is five minutes. What still runs then goes on, and is logged.
	ShutdownTimeout time.Duration
	// Signals are those that cancel main: the first that comes during a Run cancels
	// it, the second, also if it is another one, ends the run. The function Run has
	// the details. nil stands for SIGINT alone, an empty slice for none; services add
	// SIGTERM. A Run with a signal that this system does not have, or that cannot be
	// caught, fails as AddSignalHandler does.
	Signals []os.Signal

	loop   *Loop
	closed bool
}

// GetLoop returns the runner's loop, which it makes if there is none yet. After Close it
// fails with ErrLoopClosed. (asyncio: Runner.get_loop)
func (r *Runner) GetLoop() (*Loop, error) {
	if r.closed {
		return nil, fmt.Errorf("aio: the runner is closed: %w", ErrLoopClosed)
	}
	if r.loop == nil {
		if r.LoopFactory != nil {
			r.loop = r.LoopFactory()
		} else {
			r.loop = NewEventLoop(r.Options)
		}
	}
	return r.loop, nil
}

// Run runs main as a task of the runner's loop until it is done, and returns its error;
// see Signals and the function Run for what signals do. Tasks that are left go on in the
// next Run. (asyncio: Runner.run)
func (r *Runner) Run(main func(ctx context.Context) error) error {
	l, err := r.GetLoop()
	if err != nil {
		return err
	}
	if main == nil {
		return usagef("Runner.Run", "the coroutine is nil")
	}
	if err := l.runnableHere(); err != nil {
		return err
	}
	for _, sig := range r.Signals {
		if err := checkSignal("Runner.Run", sig); err != nil {
			return err
		}
	}
	t := CreateTask(l.Context(), NoResult(main))
	i := l.interruptBy(r.Signals, &t.task)
	defer i.stop()
	_, err = RunUntilComplete(l, t)
	return i.outcome(err)
}

// Close cancels all tasks of the loop, waits for them and for the default executor's
// jobs, and closes the loop. Errors of the tasks go to the exception handler. Closing
// twice, or before the first Run, does nothing. (asyncio: Runner.close)
func (r *Runner) Close() error {
	if r.loop == nil || r.closed {
		return nil
	}
	if r.loop.IsRunning() {
		return ErrLoopRunning
	}
	r.closed = true
	l := r.loop
	defer l.Close()
	if l.IsClosed() {
		return nil
	}
	l.ending.Store(true)
	if err := l.cancelAll(); err != nil {
		return err
	}
	_, err := RunUntilComplete(l, NoResult(func(ctx context.Context) error {
		return l.ShutdownDefaultExecutor(ctx, cmp.Or(r.ShutdownTimeout, 5*time.Minute))
	}))
	// Callbacks of other goroutines may have made more tasks meanwhile. From here on
	// nothing runs until the loop is closed, and what is handed in then is told.
	for range maxCancelRounds {
		if err != nil || l.tasks.head == nil {
			break
		}
		err = l.cancelAll()
	}
	return err
}

// maxCancelRounds bounds how often Close cancels the tasks that were made while it
// cancelled others.
const maxCancelRounds = 100

// StartLoop runs a new loop in a goroutine of its own, for those who are no tasks: they
// reach the loop by RunCoroutineThreadsafe and Loop.CallSoonThreadsafe. stop ends the
// loop as Runner.Close does: it cancels the tasks that are left, waits for them and for
// the jobs of the default executor, and closes the loop. It returns the errors of all
// that once it is done, and the same when it is called again. Any goroutine may call it,
// but not the loop's tasks, callbacks and jobs, which it would wait for: there it fails
// with ErrWrongGoroutine. A coroutine that is handed in from then on fails with
// ErrLoopClosed. Somebody who calls Loop.Stop ends the loop as well. Signals are left
// alone. A virtual clock is not for it: a loop that waits for other goroutines is a
// deadlock then.
//
// (asyncio has no such call; its programs give a thread loop.run_forever)
func StartLoop(opts *LoopOptions) (l *Loop, stop func() error) {
	l = NewEventLoop(opts)
	r := &Runner{loop: l}
	var err error
	ending := false // of the loop's goroutine; the end must not be stopped
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { // also if a task called runtime.Goexit
			ending = true
			err = errors.Join(err, r.Close())
		}()
		err = l.RunForever()
	}()
	halt := func() {
		if !ending {
			l.Stop()
		}
	}
	return l, func() error {
		if l.holdsToken() {
			return fmt.Errorf("aio: stopping the loop from inside of it would wait for ever: call Loop.Stop: %w", ErrWrongGoroutine)
		}
		if l.workers.has(goid.Current()) {
			return fmt.Errorf("aio: stopping the loop from a job of its executor would wait for that job: %w", ErrWrongGoroutine)
		}
		l.ending.Store(true)
		h := l.newHandle("StartLoop", halt)
		l.post(readyEntry{h, nil}, false)
		<-done
		return err
	}
}

// cancelAll cancels the tasks of the loop and runs it until they are done.
func (l *Loop) cancelAll() error {
	var left []*task
	var fs []*future
	for t := l.tasks.head; t != nil; t = t.next {
		left = append(left, t)
		fs = append(fs, t.fut)
	}
	if len(left) == 0 {
		return nil
	}
	for _, t := range left {
		t.forceCancel(errCancelled)
	}
	g := &gathering{children: fs, left: len(fs), collectErrors: true, deliver: func() {}}
	all := newFuture[struct{}](l)
	all.sub = g
	g.outer = &all.future
	for _, f := range fs {
		f.addCallback(g)
	}
	if _, err := RunUntilComplete(l, all); err != nil {
		return err
	}
	for _, t := range left {
		if t.fut.state == failed {
			l.CallExceptionHandler(ExceptionContext{
				Message: "unhandled error while the loop was shut down",
				Err:     t.fut.thrown(),
				Task:    t.impl,
			})
		}
	}
	return nil
}
