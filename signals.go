package aio

// How a loop handles signals of the system. For each signal that it handles a loop has
// a signalRelay: a channel at os/signal, and a goroutine that passes each signal on to
// the loop. A relay serves two users: the handler of AddSignalHandler and, while there
// is none, the Runner. With two channels, a change from one to the other would leave a
// moment in which both get a signal, or one in which the signal has its default effect,
// which is to end the program.
//
// Each signal has its own channel, with room for one: os/signal drops a signal for
// which a channel has no room, and here that is always the same signal again, just as
// the system delivers a signal once that is pending twice. In a channel for all
// signals, a flood of one could displace another.
//
// The token owns a relay. Its goroutine reads it too, so the fields that it reads
// change under mu.

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
)

// SignalError says that a signal ended a run: [Run] and [Runner.Run] return it, and it
// is the cause of the [*CancelledError] with which main was cancelled. For SIGINT it
// matches [ErrInterrupted]. (Python: KeyboardInterrupt, which exists for SIGINT only)
type SignalError struct {
	// Signal is the signal that arrived.
	Signal os.Signal
}

func (e *SignalError) Error() string { return fmt.Sprintf("aio: signal: %v", e.Signal) }

// Is reports whether target is [ErrInterrupted] and the signal SIGINT.
func (e *SignalError) Is(target error) bool {
	return target == ErrInterrupted && e.Signal == os.Interrupt
}

// AddSignalHandler makes the loop call fn each time the process gets the signal sig,
// instead of the signal's default effect, until [Loop.RemoveSignalHandler] or
// [Loop.Close]. A handler that sig already has is replaced. It never awaits.
//
// fn runs like a callback of [Loop.CallSoon]: never at the same time as tasks and
// callbacks of the loop, and a panic goes to the exception handler. The signal wakes a
// loop that waits; one that arrives while the loop does not run is handled in the next
// run. Several deliveries of a signal before the loop next polls count as one, and
// signals of different kinds have no defined order. With a virtual clock, a handler
// counts as a task that waits in [Receive]: time advances, and a deadlock is not
// noticed.
//
// During a [Runner.Run] the handler takes precedence over the [Runner]'s own handling
// of sig, which resumes once the handler is removed. Every loop that has a handler gets
// the signal, as does every channel of [signal.Notify]; in asyncio only a loop of the
// main thread can have handlers.
//
// The error matches [ErrUsage] if sig is not a signal of this system. It matches
// ErrUsage and [errors.ErrUnsupported] if sig cannot be caught (SIGKILL and SIGSTOP;
// SIGPROF and a few others that the Go runtime needs; on Windows all but SIGINT and
// SIGTERM), and inside a bubble of testing/synctest. It is [ErrLoopClosed] if the loop
// is closed. A nil fn is misuse.
//
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
	if err := l.refuse(call, "handle signals of the system"); err != nil {
		return err
	}
	// A goroutine outside of a bubble, such as that of os/signal, may not use a
	// channel of the bubble.
	if l.bubble {
		return usagef(call, "there are no signals in a bubble of testing/synctest").as(errors.ErrUnsupported)
	}
	w := l.watchSignal(sig)
	if w.handler == nil {
		l.outsideWaits++
		l.signalHandlers++
	}
	w.assign(h, w.runner)
	return nil
}

// RemoveSignalHandler undoes [Loop.AddSignalHandler] and reports whether there was a
// handler. The signal has its default effect in Go again (SIGINT, SIGTERM and SIGHUP
// end the program, most others do nothing), unless other code of the program catches
// it; during a [Runner.Run] the signals of [Runner].Signals cancel main again. The
// handler is no longer called, even if the signal has arrived already. It never
// awaits. A sig that is not a signal of this system is misuse.
//
// (asyncio: loop.remove_signal_handler)
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
	l.signalHandlers--
	return true
}

// checkSignal returns an error if a program cannot catch sig.
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

// signalRelay is the state of a loop for a signal that it handles.
type signalRelay struct {
	loop *Loop
	sig  os.Signal
	ch   chan os.Signal
	done chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	handler *Handle // the handler of AddSignalHandler, nil if there is none
	// the Runner.Run that catches the signal, nil if there is none
	runner *interrupt
	came   int // how often the signal arrived for runner; guarded by mu
}

// watchSignal returns the relay of sig. A new one must be assigned to a user.
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

// assign sets the receivers of the signal. Without any, the relay ends.
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

// receive passes signals on to the loop.
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

// arrived decides which receiver gets a signal that has arrived. It decides now, not
// when the loop runs, because a loop that hangs never runs; the third signal for a
// Runner must reach a program that hangs.
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

// run implements runnable: the signal arrived for a handler.
func (w *signalRelay) run(*future) {
	if w.handler != nil { // unless the handler was removed in the meantime
		w.loop.schedule(w.handler, nil)
	}
}

// interrupt is the handling of signals during a Runner.Run. The token owns it.
type interrupt struct {
	loop  *Loop
	main  *task
	first *SignalError // the signal that cancelled main, nil if none arrived
	// the run is done: entries that are still in the inbox do nothing
	over bool
}

// signalStep is the entry of a signal for a Runner.
type signalStep struct {
	*interrupt
	sig os.Signal
}

// interruptBy makes signals cancel t; nil means SIGINT.
func (l *Loop) interruptBy(signals []os.Signal, t *task) *interrupt {
	i := &interrupt{loop: l, main: t}
	// A virtual clock and a bubble are for tests, whose runs must repeat.
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

// stop stops catching the signals.
func (i *interrupt) stop() {
	i.over = true
	for _, w := range i.loop.signals {
		w.assign(w.handler, nil)
	}
}

// outcome converts the error of main to that of Run.
func (i *interrupt) outcome(err error) error {
	if _, ok := asCancelled(err); ok && i.first != nil && i.main.uncancel() == 0 {
		return i.first
	}
	return err
}
