package aio

// Running a program: making a loop, running it, and shutting it down in the right
// order.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/goaio/aio/internal/goid"
)

// Run makes a loop, runs main in it as a task, and shuts the loop down: it cancels the
// remaining tasks, waits for them and for the jobs of the default executor (for up to
// five minutes, see [Runner].ShutdownTimeout), and closes the loop. It returns the
// error of main. An error of a remaining task goes to the exception handler. See
// [Runner] for settings and for several runs in one loop.
//
// On SIGINT main is cancelled, with a [*SignalError] as the cause. If main ends with
// that cancellation, Run returns the SignalError, which matches [ErrInterrupted]. If
// main has no await left, or swallows the cancellation, Run returns what main returns.
// A second SIGINT ends the run at the end of the current pass, with a SignalError. From
// then on, and while Run shuts down, SIGINT has the effect that it had before: by
// default it ends the program. Runner.Signals extends this to other signals. Run does
// not handle a SIGINT that the program ignores, nor any signal with a virtual clock or
// inside a testing/synctest bubble.
//
// If main panics, Run returns a [*PanicError], which names the place of the panic, and
// logs it with its stack.
//
// A task cannot call Run: it gets [ErrLoopRunning].
//
// (asyncio: run)
//
//nolint:contextcheck // the loop has its own ctx
func Run(main func(ctx context.Context) error) error {
	var r Runner
	defer r.Close()
	err := r.Run(main)
	if p := (*PanicError)(nil); errors.As(err, &p) {
		logException(ExceptionContext{Message: "main panicked", Err: err})
	}
	return err
}

// Runner runs coroutines one after another in one loop, which it makes when it first
// needs one. The zero value is ready to use. Call Close at the end. Only one goroutine
// at a time may use a Runner. (asyncio: Runner)
type Runner struct {
	// Options configure the loop; nil means the defaults.
	Options *LoopOptions
	// LoopFactory, if not nil, makes the loop instead of NewEventLoop(Options).
	LoopFactory func() *Loop
	// ShutdownTimeout is how long Close waits for the jobs of the default executor;
	// zero is five minutes. A job that still runs then is not stopped, and is
	// logged.
	ShutdownTimeout time.Duration
	// Signals are the signals that cancel main. The first of them that arrives
	// during a Run cancels main; a second one, the same signal or another, ends the
	// run. The function [Run] has the details. nil means SIGINT alone, an empty
	// slice none; services add SIGTERM. If a signal does not exist on this system
	// or cannot be caught, Run fails with the error of [Loop.AddSignalHandler].
	Signals []os.Signal

	loop   *Loop
	closed bool
}

// GetLoop returns the runner's loop, and makes it if there is none yet. After Close it
// fails with [ErrLoopClosed]. (asyncio: Runner.get_loop)
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

// Run runs main as a task of the runner's loop until it is done, and returns its error.
// Runner.Signals and the function [Run] describe the handling of signals. Other tasks
// that are not done stay suspended until the next Run. (asyncio: Runner.run)
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

// Close cancels all tasks of the loop, waits for them and for the jobs of the default
// executor, and closes the loop. Errors of the tasks go to the exception handler.
// Closing twice, or before the first Run, does nothing. (asyncio: Runner.close)
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
		if err := l.closePulls(ctx); err != nil {
			return err
		}
		return l.ShutdownDefaultExecutor(ctx, cmp.Or(r.ShutdownTimeout, 5*time.Minute))
	}))
	l.closing.Store(true)
	// Callbacks from other goroutines may have made more tasks. The loop refuses
	// further work now; only the cancellation of these tasks still runs.
	for range maxCancelRounds {
		if err != nil || l.tasks.head == nil {
			break
		}
		err = l.cancelAll()
	}
	return err
}

// maxCancelRounds limits how often Close cancels the tasks that were made while it
// cancelled others.
const maxCancelRounds = 100

// StartLoop runs a new loop in a goroutine of its own, for programs whose other
// goroutines are not tasks. They submit work to it with [RunCoroutineThreadsafe] and
// [Loop.CallSoonThreadsafe].
//
// stop ends the loop as [Runner.Close] does: it cancels the remaining tasks, waits for
// them and for the jobs of the default executor, and closes the loop. It returns the
// errors of this shutdown when it is complete, and returns the same errors when it is
// called again. Any goroutine may call it, except tasks, callbacks and jobs of this
// loop: stop would wait for them, so it fails with [ErrWrongGoroutine]. A coroutine
// that is submitted later fails with [ErrLoopClosed]. A call of [Loop.Stop] ends the
// loop as well.
//
// The loop does not handle signals. Do not use a virtual clock here: with one, a loop
// that waits for other goroutines counts as deadlocked.
//
// (asyncio has no such call; its programs run loop.run_forever in a thread.)
func StartLoop(opts *LoopOptions) (l *Loop, stop func() error) {
	l = NewEventLoop(opts)
	r := &Runner{loop: l}
	var err error
	// owned by the loop's goroutine; Stop must not interrupt the shutdown
	ending := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { // runs even if a task calls runtime.Goexit
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

// cancelAll cancels the tasks of the loop and runs the loop until they are done.
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
