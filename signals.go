package aio

// What the loop does about signals of the system. For each signal that a loop handles it
// has a signalRelay: a channel at os/signal, and a goroutine that passes on to the loop
// what comes. The watch serves two: the handler of AddSignalHandler and, while there is
// none, the Runner. Were these two channels, then changing from one to the other would
// leave a moment in which both get a signal, or one in which the signal does what it does
// by default, which is to end the program.
//
// A signal has a channel of its own, with room for one: os/signal drops what a channel
// has no room for, and what is dropped there is always the same signal again, as a signal
// that is pending twice is delivered once by the system too. In a channel for all of
// them, a flood of one could displace another.
//
// The token owns a watch. Its goroutine looks at it too, so what that sees changes under
// mu.

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
)

// SignalError says that a signal ended a run: Run and Runner.Run return it, and it is the
// cause of the *CancelledError by which main was cancelled. That of SIGINT matches
// ErrInterrupted. (Python: KeyboardInterrupt, which knows SIGINT only)
type SignalError struct {
	// Signal is the one that came.
	Signal os.Signal
}

func (e *SignalError) Error() string { return fmt.Sprintf("aio: signal: %v", e.Signal) }

// Is reports whether target is ErrInterrupted and the signal SIGINT.
func (e *SignalError) Is(target error) bool {
	return target == ErrInterrupted && e.Signal == os.Interrupt
}

// AddSignalHandler has fn called by the loop each time the process gets the signal sig,
// in place of what the signal does otherwise, until RemoveSignalHandler or Close. A
// handler that was there before is replaced. It never awaits.
//
// fn runs like a callback of CallSoon: tasks and callbacks of the loop do not run at the
// same time, and a panic goes to the exception handler. The signal wakes a loop that
// waits; one that comes while the loop does not run has its turn in the next run. A
// signal that comes several times before the program gets to look is one, and signals of
// different kinds have no promised order. With a virtual clock, time goes on as if a task
// waited in Receive while there is a handler, and a deadlock is not noticed.
//
// In a Runner.Run the handler takes precedence over the Runner's own handling of sig,
// which is back once the handler is removed. Every loop that has a handler gets the
// signal, as does every channel of os/signal.Notify; in asyncio only a loop of the main
// thread can have handlers.
//
// The error matches ErrUsage if sig is no signal of this system; that and
// errors.ErrUnsupported if it cannot be caught (SIGKILL and SIGSTOP; SIGPROF and a few
// others that the Go runtime needs; on Windows all but SIGINT and SIGTERM), and inside a
// bubble of testing/synctest; ErrLoopClosed if the loop is closed. A nil fn is misuse.
// (asyncio: loop.add_signal_handler)
func (l *Loop) AddSignalHandler(sig os.Signal, fn func()) error {
	const call = "Loop.AddSignalHandler"
	if err := l.checked(call); err != nil {
		return err
	}
	if fn == nil {
		return usagef(call, "the callback is nil")
	}
	h := l.newHandle(call, fn)
	if err := checkSignal(call, sig); err != nil {
		return err
	}
	if l.closed.Load() {
		return &callError{call, ErrLoopClosed}
	}
	// A goroutine outside of a bubble, as that of os/signal, may not touch a channel
	// of the bubble.
	if l.bubble {
		return usagef(call, "there are no signals in a bubble of testing/synctest").as(errors.ErrUnsupported)
	}
	w := l.watchSignal(sig)
	if w.handler == nil {
		l.outsideWaits++
	}
	w.assign(h, w.runner)
	return nil
}

// RemoveSignalHandler takes back AddSignalHandler and reports whether there was a
// handler. The signal does again what it does in Go by default (SIGINT, SIGTERM and
// SIGHUP end the program, most others do nothing), unless something else of the program
// catches it; in a Runner.Run those of Runner.Signals cancel main. The handler is not
// called any more, also if the signal has come already. It never awaits. A sig that is no
// signal of this system is misuse. (asyncio: loop.remove_signal_handler)
func (l *Loop) RemoveSignalHandler(sig os.Signal) bool {
	const call = "Loop.RemoveSignalHandler"
	l.check(call)
	if exists, _ := catchable(sig); !exists {
		panic(noSignal(call, sig))
	}
	w := l.signals[sig]
	if w == nil || w.handler == nil {
		return false
	}
	w.handler.done, w.handler.fn = true, nil
	w.assign(nil, w.runner)
	l.outsideWaits--
	return true
}

// checkSignal says why a program cannot catch sig.
func checkSignal(call string, sig os.Signal) error {
	switch exists, ok := catchable(sig); {
	case !exists:
		return noSignal(call, sig)
	case !ok:
		return usagef(call, "the signal cannot be caught: %v", sig).as(errors.ErrUnsupported)
	}
	return nil
}

func noSignal(call string, sig os.Signal) error {
	return usagef(call, "not a signal of this system: %v", sig)
}

// signalRelay is what a loop has for a signal that it handles.
type signalRelay struct {
	loop *Loop
	sig  os.Signal
	ch   chan os.Signal
	done chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	handler *Handle // of AddSignalHandler, nil if there is none
	// of Runner.Run, nil if that does not run or does not catch the signal
	runner *interrupt
	came   int // how often it came for runner; guarded by mu
}

// watchSignal returns the watch of sig. A new one has to be assigned to somebody.
func (l *Loop) watchSignal(sig os.Signal) *signalRelay {
	w := l.signals[sig]
	if w == nil {
		w = &signalRelay{loop: l, sig: sig, ch: make(chan os.Signal, 1), done: make(chan struct{})}
		go w.receive()
		if l.signals == nil {
			l.signals = map[os.Signal]*signalRelay{}
		}
		l.signals[sig] = w
	}
	return w
}

// closeWithLoop implements closer.
func (w *signalRelay) closeWithLoop() { w.assign(nil, nil) }

// assign says who the signal is for from now on. For nobody, the watch ends.
func (w *signalRelay) assign(h *Handle, runner *interrupt) {
	w.mu.Lock()
	if runner != w.runner {
		w.came = 0
	}
	w.handler, w.runner = h, runner
	if h != nil || runner != nil && w.came < 2 {
		signal.Notify(w.ch, w.sig)
	} else {
		signal.Stop(w.ch)
	}
	w.mu.Unlock()
	if h == nil && runner == nil {
		delete(w.loop.signals, w.sig)
		close(w.ch) // nothing is sent after Stop has returned
		<-w.done
	}
}

// receive passes the signal on to the loop.
func (w *signalRelay) receive() {
	defer close(w.done)
	for range w.ch {
		if r := w.arrived(); r == runnable(w) {
			w.loop.postTo(&w.loop.inbox.signals, readyEntry{r, nil}, false)
		} else {
			w.loop.post(readyEntry{r, nil}, false)
		}
	}
}

// arrived says who a signal that has come is for: that is decided now, not when the loop
// gets to it, because a loop that hangs never does. Of those for the Runner, the third
// one must reach a program that hangs.
func (w *signalRelay) arrived() runnable {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.handler != nil || w.runner == nil {
		return w
	}
	if w.came++; w.came == 2 {
		signal.Stop(w.ch)
	}
	return signalStep{w.runner, w.sig}
}

// run implements runnable: the signal came for a handler.
func (w *signalRelay) run(*future) {
	if w.handler != nil { // not removed meanwhile
		w.loop.schedule(w.handler, nil)
	}
}

// interrupt is what signals do during a Runner.Run. It is owned by the token.
type interrupt struct {
	loop  *Loop
	main  *task
	first *SignalError // by which main was cancelled, nil if none came
	over  bool         // the run is: what is still in the inbox does nothing
}

// signalStep is the event that a signal came for a Runner.
type signalStep struct {
	*interrupt
	sig os.Signal
}

// interruptBy has signals cancel t; nil stands for SIGINT.
func (l *Loop) interruptBy(signals []os.Signal, t *task) *interrupt {
	i := &interrupt{loop: l, main: t}
	// A virtual clock belongs to tests, as does a bubble, and to runs that must be
	// repeatable.
	if l.virtual || l.bubble {
		return i
	}
	if signals == nil {
		signals = []os.Signal{os.Interrupt}
	}
	for _, sig := range signals {
		if _, ok := catchable(sig); ok && !signal.Ignored(sig) {
			w := l.watchSignal(sig)
			w.assign(w.handler, i)
		}
	}
	return i
}

// run implements runnable.
func (i signalStep) run(*future) {
	if i.over {
		return
	}
	err := &SignalError{i.sig}
	if i.first == nil && i.main.fut.state == pending {
		i.interrupt.first = err
		i.main.forceCancel(&CancelledError{Cause: err})
		return
	}
	i.loop.runErr = err
	i.loop.stopping = true
}

// stop gives the signals back.
func (i *interrupt) stop() {
	i.over = true
	for _, w := range i.loop.signals {
		w.assign(w.handler, nil)
	}
}

// outcome turns the error of main into that of Run.
func (i *interrupt) outcome(err error) error {
	if _, ok := asCancelled(err); ok && i.first != nil && i.main.uncancel() == 0 {
		return i.first
	}
	return err
}
