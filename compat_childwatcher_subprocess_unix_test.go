//go:build unix

package aio_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/goaio/aio"
)

// childProbe is a watcher that logs its calls and delegates them to another watcher.
type childProbe struct {
	aio.AbstractChildWatcher
	mu       sync.Mutex
	log      eventLog
	inactive bool
	err      error
}

func (w *childProbe) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log.add("%s", what)
}

func (w *childProbe) IsActive() bool { return !w.inactive && w.AbstractChildWatcher.IsActive() }

func (w *childProbe) Enter() { w.note("enter"); w.AbstractChildWatcher.Enter() }

func (w *childProbe) Exit() { w.note("exit"); w.AbstractChildWatcher.Exit() }

func (w *childProbe) Close() { w.note("close"); w.AbstractChildWatcher.Close() }

func (w *childProbe) AddChildHandler(ctx context.Context, pid int, callback func(pid, returncode int)) error {
	w.note("add")
	if w.err != nil {
		return w.err
	}
	return w.AbstractChildWatcher.AddChildHandler(ctx, pid, callback)
}

// LOOP-344, SUBP-028: subprocesses use the configured watcher.
func TestSubprocessWithChildWatcher(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		probe := &childProbe{AbstractChildWatcher: w}
		childSet(t, probe)
		defer aio.SetChildWatcher(nil)
		tr, p := shellTransport(t, ctx, "exit 7", nil)
		p.wantOver(t, ctx, 7)
		p.wantEvents(t, "made", "exited:7,true pipe0 pipe1 pipe2", "lost")
		same(t, "the id of the exited process", tr.GetExtraInfo("subprocess").(*os.Process).Pid, tr.GetPID())
		matches(t, "a signal afterwards", tr.SendSignal(os.Kill), os.ErrProcessDone)
		probe.log.want(t, "enter add exit")

		for _, c := range []struct {
			send func(aio.SubprocessTransport) error
			code int
		}{
			{aio.SubprocessTransport.Kill, -9},
			{aio.SubprocessTransport.Terminate, -15},
			{func(t aio.SubprocessTransport) error { return t.SendSignal(syscall.SIGHUP) }, -1},
			{func(t aio.SubprocessTransport) error { return t.Close() }, -9},
		} {
			tr, p := shellTransport(t, ctx, "echo ready; read line", nil)
			p.wantOut(t, ctx, 1, "ready\n")
			matches(t, "the signal", c.send(tr), nil)
			p.wantOver(t, ctx, c.code)
		}
		pr := startShell(t, ctx, "read l; exit 3", &aio.SubprocessOptions{Stdin: aio.PIPE, Context: ctx})
		pr.Stdin.Close()
		waitExit(t, ctx, pr, 3)
		_, err := aio.CreateSubprocessExec(ctx, "/no/such/program", nil, nil)
		matches(t, "no such program", err, os.ErrNotExist)
		return nil
	})
}

// A process that the watcher does not or cannot handle is watched by the package.
func TestSubprocessWithoutChildWatcher(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		warnings := logLines(t, "")
		probe := &childProbe{AbstractChildWatcher: w, inactive: true}
		childSet(t, probe)
		run := func() {
			t.Helper()
			pr := startShell(t, ctx, "read l; exit 3", &aio.SubprocessOptions{Stdin: aio.PIPE})
			pr.Stdin.Close()
			waitExit(t, ctx, pr, 3)
		}
		run()
		probe.log.want(t, "")
		probe.inactive = false
		pr := startShell(t, ctx, "exit 4", &aio.SubprocessOptions{Group: true})
		waitExit(t, ctx, pr, 4)
		probe.log.want(t, "")
		same(t, "warnings", len(warnings), 0)
		probe.err = errors.New("refused")
		run()
		probe.log.want(t, "enter add exit")
		contains(t, "the warning", <-warnings, "refused")
		aio.SetChildWatcher(nil)
		run()
		probe.log.want(t, "close")
		return nil
	}, "Threaded")
}

// A process whose watcher is closed is still watched.
func TestSubprocessChildWatcherCloses(t *testing.T) {
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		l, _ := aio.GetRunningLoop(ctx)
		warnings := logLines(t, "")
		childSet(t, w)
		tr, p := shellTransport(t, ctx, "read l; exit 7", nil)
		aio.SetChildWatcher(nil)
		tr.GetPipeTransport(0).Close()
		p.wantOver(t, ctx, 7)

		// The watcher is attached to a closed loop.
		other := aio.NewEventLoop(nil)
		w.AttachLoop(l)
		aio.SetChildWatcher(w)
		defer aio.SetChildWatcher(nil)
		tr, p = shellTransport(t, ctx, "read l; exit 8", nil)
		killed, q := shellTransport(t, ctx, "read l; exit 8", nil)
		w.AttachLoop(other)
		other.Close()
		tr.GetPipeTransport(0).Close()
		p.wantOver(t, ctx, 8)
		killed.Kill()
		q.wantOver(t, ctx, -9)
		same(t, "warnings", len(warnings), 0)
		return nil
	})
}

// LOOP-354: if the loop is closed before the process exits, the result is the same as
// without a watcher.
func TestSubprocessChildWatcherLoopClosed(t *testing.T) {
	// closes runs a loop that is closed before the process that it has started
	// exits.
	closes := func(t *testing.T, ctx context.Context, attach func(*aio.Loop) aio.AbstractChildWatcher) {
		t.Helper()
		warnings := logLines(t, "")
		policyReset(t)
		r, in := newPipe(t)
		var pid int
		inGoroutine(func() {
			if err := aio.Run(func(ctx context.Context) error {
				l, err := aio.GetRunningLoop(ctx)
				aio.SetChildWatcher(attach(l))
				pid = startShell(t, ctx, "read l; exit 6", &aio.SubprocessOptions{Stdin: r}).PID
				return err
			}); err != nil {
				t.Error(err)
			}
		})
		in.Close()
		r.Close()
		// waits in a task, because the watcher may need this loop
		warning, _, err := aio.Receive(ctx, warnings)
		matches(t, "Receive", err, nil)
		contains(t, "the warning", warning, fmt.Sprintf("event loop was closed\" pid=%d returncode=6", pid))
		childGone(t, ctx, pid)
		same(t, "warnings", len(warnings), 0)
	}
	childEach(t, func(t *testing.T, ctx context.Context, w aio.AbstractChildWatcher) error {
		closes(t, ctx, func(*aio.Loop) aio.AbstractChildWatcher { return w })
		runtime.GC() // release the descriptor of the os.Process
		return nil
	})
	for _, c := range childWatchers {
		bothPaths(t, func(t *testing.T, ctx context.Context) error {
			w := c.make()
			defer w.Close()
			closes(t, ctx, func(l *aio.Loop) aio.AbstractChildWatcher { w.AttachLoop(l); return w })
			return nil
		})
	}
}

// childTeller is a custom watcher that reports what the test tells it to.
type childTeller struct {
	aio.ThreadedChildWatcher
	callback func(pid, returncode int)
}

func (w *childTeller) AddChildHandler(_ context.Context, _ int, callback func(pid, returncode int)) error {
	w.callback = callback
	return nil
}

// SUBP-036: once a watcher has reported that the status was collected, the process id may
// be reused, so no signal is sent to it.
func TestSubprocessChildWatcherNoSignalAfterStatus(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		var w childTeller
		childSet(t, &w)
		for _, told := range []bool{false, true} {
			tr, p := shellTransport(t, ctx, "echo ready; read l; exit 5", nil)
			p.wantOut(t, ctx, 1, "ready\n")
			if told {
				// a wrong report, so that the child still runs
				inGoroutine(func() { w.callback(tr.GetPID(), 4) })
			}
			if _, ok := tr.GetReturncode(); ok {
				t.Error("the return code is known before the loop has run")
			}
			matches(t, "Kill", tr.Kill(), nil)
			matches(t, "Close", tr.Close(), nil)
			var s syscall.WaitStatus
			eventually(t, ctx, "the process has exited", func() bool {
				// the child exits when its pipes are closed
				pid, err := syscall.Wait4(tr.GetPID(), &s, syscall.WNOHANG, nil)
				return pid != 0 || err != nil
			})
			same(t, "the process was killed", s.Signaled(), !told)
			w.callback(tr.GetPID(), 4)
			w.callback(tr.GetPID(), 3) // too much
			p.wantOver(t, ctx, 4)
			letPass(ctx, 3)
			p.wantEvents(t, "made", "exited:4,true pipe0 pipe1 pipe2", "lost")
		}
		return nil
	})
}
