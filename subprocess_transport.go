package aio

// The transport of a child process. The token owns everything here, except the state of
// a goroutine that waits.
//
// A process has up to three pipes, each a transport of its own with a childPipe as its
// protocol. Their callbacks, and the exit of the process, are passed on to the
// process's protocol, each as an entry of the ready queue; until all pipes are
// connected the entries are held back, so that ConnectionMade is the first call. With
// streams as the protocol, such an entry may read the pipe, see deferredReadStep.
// ConnectionLost is the last call: it comes when the process has exited and the pipes
// are closed, which a grandchild can delay without limit. Wait does not wait for
// ConnectionLost.
//
// The exit of a process is noticed first, and its status is collected later, in the same
// step in which the return code becomes known. In between it is a zombie, so its id is
// not reused and a signal does no harm. On Linux the loop's poller notices the exit
// through a descriptor of the process, and no thread has to wait. Elsewhere a goroutine
// waits in os.Process.Wait, which also takes the status; os.Process then knows that it
// must no longer send signals. A program that has set a child watcher uses that
// instead: see compat_childwatcher.go.

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"syscall"
	"time"
)

// defaultGrace is the time between SIGTERM and SIGKILL.
const defaultGrace = 5 * time.Second

// subprocess is the SubprocessTransport.
type subprocess struct {
	endpoint
	// the protocol, if it is a PipeDataReceiver; otherwise nil
	receiver PipeDataReceiver
	process  *os.Process
	pid      int
	group    bool // signals are for the process group
	code     int  // the return code, once the process has exited
	exited   bool // the return code is known
	finished bool // ConnectionLost was called

	pipes     [3]*childPipe // nil for streams that are not pipes
	connected bool          // all pipes are connected
	// callbacks that are held back until all pipes are connected
	calls []runnable
	exits waitList // tasks that wait for the process

	// SubprocessOptions.Context
	stopContextWatch func() bool   // nil without a context
	grace            time.Duration // time from the end of the context to the kill
	terminating      bool          // the context has ended
	killTimer        *TimerHandle

	// set by an exitSource, to send signals; nil: process sends them
	signaler interface{ signal(os.Signal) error }
}

func (t *subprocess) use(p Protocol) error {
	if err := checkProtocol[SubprocessTransport](p); err != nil {
		return err
	}
	t.protocol = p
	t.receiver, _ = p.(PipeDataReceiver)
	return nil
}

// proceed implements lifeCycle.
func (t *subprocess) proceed() {}

// release implements lifeCycle.
func (t *subprocess) release() { t.finished = true }

// source implements sourced: the callbacks of a process stay in order with all
// callbacks of the loop.
func (t *subprocess) source() any { return callbacksOf{t.loop} }

// call schedules a call of the protocol.
func (t *subprocess) call(r runnable) {
	if t.connected {
		t.loop.schedule(r, nil)
	} else {
		t.calls = append(t.calls, r)
	}
}

// exitWait is a goroutine that waits for a process.
type exitWait struct {
	*subprocess
	reaped bool // the goroutine has taken the status too
	state  *os.ProcessState
	err    error
}

// waitInGoroutine starts a goroutine that notices the exit of the process.
func (t *subprocess) waitInGoroutine() {
	w := &exitWait{subprocess: t}
	t.loop.outsideWaits++
	t.loop.open.add(w)
	go func() {
		if !awaitExit(t.pid) {
			w.state, w.err = t.process.Wait()
			w.reaped = true
		}
		if !t.loop.post(readyEntry{w, nil}, false) {
			w.abandon()
		}
	}()
}

func (w *exitWait) run(*future) {
	w.loop.outsideWaits--
	w.loop.open.remove(w)
	if w.reaped {
		w.exit(w.state, w.err)
	} else {
		w.reap()
	}
}

// abandon takes the status, because the loop no longer does.
func (w *exitWait) abandon() {
	if !w.reaped {
		w.state, w.err = w.process.Wait()
	}
	slog.Warn("aio: a child process has ended after its event loop was closed", "pid", w.pid, "error", w.err)
}

// closeWithLoop is called when the loop is closed and the process runs.
func (w *exitWait) closeWithLoop() { w.loopClosed() }

// loopClosed kills a process that is tied to a context and still runs when its loop is
// closed.
func (t *subprocess) loopClosed() {
	if t.stopContextWatch != nil {
		t.stopContextWatch()
		_ = t.signal(os.Kill)
	}
}

// processCall is a call of the protocol, as an entry of the ready queue.
type processCall struct {
	*subprocess
	fn func()
}

func (c *processCall) run(*future) { c.fn() }

// reap takes the status of the process, which has exited.
func (t *subprocess) reap() {
	if t.terminating && t.group {
		// the rest of the group, while its id is still reserved
		_ = killGroup(t.pid, os.Kill)
	}
	t.exit(t.process.Wait())
}

// exit records that the process has exited. err says why there is no status.
func (t *subprocess) exit(state *os.ProcessState, err error) {
	t.exited, t.code = true, 255
	switch {
	case err == nil:
		t.code = returncodeOf(state)
	case errors.Is(err, syscall.ECHILD) || errors.Is(err, os.ErrProcessDone):
		slog.Warn("aio: child process already reaped elsewhere; exit status unknown", "pid", t.pid)
	default:
		t.report("waiting for a child process failed", err)
	}
	t.codeKnown()
}

// codeKnown runs once the return code is known.
func (t *subprocess) codeKnown() {
	if t.stopContextWatch != nil {
		t.stopContextWatch()
	}
	if t.killTimer != nil {
		t.killTimer.cancel()
	}
	if t.counted && t.loop.observed != nil {
		t.counted = false
		t.loop.observed.resource("process", -1, nil, t, nil)
	}
	t.call(&processCall{t, func() {
		if p, ok := t.protocol.(ExitReceiver); ok {
			p.ProcessExited()
		}
	}})
	t.exits.wakeAll()
	if c := t.pipes[0]; c != nil && c.missesHangup() {
		c.transport.Close()
	}
	t.maybeFinish()
}

// returncodeOf returns the return code in asyncio's form.
func returncodeOf(state *os.ProcessState) int {
	if s, ok := state.Sys().(syscall.WaitStatus); ok {
		return codeOfStatus(s)
	}
	return state.ExitCode()
}

// codeOfStatus is like returncodeOf, for the system's form of a status.
func codeOfStatus(s syscall.WaitStatus) int {
	if s.Signaled() {
		return -int(s.Signal())
	}
	return s.ExitStatus()
}

// maybeFinish schedules ConnectionLost if it is the only call left.
func (t *subprocess) maybeFinish() {
	if !t.exited {
		return
	}
	for _, c := range t.pipes {
		if c != nil && !c.lost {
			return
		}
	}
	t.call((*lostStep)(&t.endpoint))
}

// wait suspends the calling task until the process has exited.
func (t *subprocess) wait(c caller, call string) (int, error) {
	if !t.exited {
		if _, err := c.waitIn(&t.exits, call); err != nil {
			return 0, err
		}
	}
	return t.code, nil
}

// contextDoneStep runs when the context ends that a process is tied to.
type contextDoneStep subprocess

func (s *contextDoneStep) run(*future) {
	t := (*subprocess)(s)
	if t.exited {
		return
	}
	t.terminating = true
	if t.grace < 0 {
		_ = t.signal(os.Kill)
		return
	}
	_ = t.terminate()
	t.killTimer = t.loop.callAt("", t.loop.after(t.grace), func() { _ = t.signal(os.Kill) })
}

func (t *subprocess) close() {
	if t.closing {
		return
	}
	t.closing = true
	for _, c := range t.pipes {
		if c != nil && c.transport != nil {
			c.transport.Close()
		}
	}
	// an error means that the process has other credentials now: then it survives
	_ = t.signal(os.Kill)
}

// signal sends a signal to the process, or its group, unless its return code is known.
func (t *subprocess) signal(sig os.Signal) (err error) {
	switch {
	case t.exited:
		return nil
	case t.signaler != nil:
		err = t.signaler.signal(sig)
	case t.group:
		err = killGroup(t.pid, sig)
	default:
		err = t.process.Signal(sig)
	}
	if errors.Is(err, os.ErrProcessDone) {
		return nil // the loop will notice the exit soon
	}
	return err
}

func (t *subprocess) terminate() error {
	if runtime.GOOS == "windows" {
		return t.signal(os.Kill)
	}
	return t.signal(syscall.SIGTERM)
}

// SendSignal implements SubprocessTransport.
func (t *subprocess) SendSignal(sig os.Signal) error {
	if err := t.loop.checked("SubprocessTransport.SendSignal"); err != nil {
		return err
	}
	if sig == nil {
		return usagef("SubprocessTransport.SendSignal", "the signal is nil")
	}
	if t.finished {
		return os.ErrProcessDone
	}
	return t.signal(sig)
}

// Terminate implements SubprocessTransport.
func (t *subprocess) Terminate() error {
	if err := t.loop.checked("SubprocessTransport.Terminate"); err != nil {
		return err
	}
	if t.finished {
		return os.ErrProcessDone
	}
	return t.terminate()
}

// Kill implements SubprocessTransport.
func (t *subprocess) Kill() error { return t.SendSignal(os.Kill) }

// GetPID implements SubprocessTransport.
func (t *subprocess) GetPID() int { return t.pid }

// GetReturncode implements SubprocessTransport.
func (t *subprocess) GetReturncode() (code int, ok bool) {
	t.loop.check("SubprocessTransport.GetReturncode")
	return t.code, t.exited
}

// GetPipeTransport implements SubprocessTransport.
func (t *subprocess) GetPipeTransport(fd int) BaseTransport {
	t.loop.check("SubprocessTransport.GetPipeTransport")
	if fd < 0 || fd >= len(t.pipes) || t.pipes[fd] == nil {
		return nil
	}
	return t.pipes[fd].transport
}

// GetExtraInfo implements BaseTransport.
func (t *subprocess) GetExtraInfo(name string) any {
	t.loop.check("SubprocessTransport.GetExtraInfo")
	if name == "subprocess" {
		return t.process
	}
	return nil
}

// String names the process and its state.
func (t *subprocess) String() string {
	return t.text("SubprocessTransport", func() string {
		if t.exited {
			return fmt.Sprintf("pid %d returncode %d", t.pid, t.code)
		}
		return fmt.Sprintf("pid %d running", t.pid)
	})
}
