package aio

// Child watchers tell how children have ended, by their ids. asyncio had them for its
// subprocesses until it could do without, and so can this package: they are here so that
// a program which is ported can keep its lines until it has been gone through.
//
// A watcher has a handler for each child, guarded by its mutex. Who takes a handler out,
// because the child has ended or nobody asks any more, disposes of it, so it is called
// once or never. It is an entry of its loop's ready queue, and never called from inside a
// call of the watcher, where asyncio may.
//
// A transport that a watcher tells of its process has a problem that the others have not:
// the status is taken while its loop looks elsewhere, and from then on the id may be
// another process's, to which no signal must go. So it asks what is guarded by another
// mutex, see watched.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
)

// AbstractChildWatcher tells how children of this process have ended. The package has
// five, and a program may have its own, to be set with SetChildWatcher. Any goroutine may
// call the methods, unless one says otherwise; none awaits. (asyncio:
// AbstractChildWatcher)
//
// Only Unix has such children. Elsewhere the watchers of the package exist, are never
// active, and AddChildHandler returns an error that matches errors.ErrUnsupported.
//
// Deprecated: CreateSubprocessExec and SubprocessExec do without, on all systems. For a
// process of os/exec use ToThread with the Wait of its Cmd.
type AbstractChildWatcher interface {
	// AddChildHandler has callback called once with the id and the return code of the
	// child pid, when it has ended: the code is minus the number of the signal that
	// has ended it, and 255 if somebody else has waited for it, which is logged. A
	// callback that was there for pid is replaced. callback must be ready to be
	// called by any goroutine; the watchers of the package call it as a callback of a
	// loop, each says of which. ctx says for which loop the caller works, in the
	// place of asyncio's running loop.
	//
	// With one of the package the error matches ErrUsage if pid is not positive or
	// callback is nil. (asyncio: add_child_handler, whose further arguments a closure
	// has)
	AddChildHandler(ctx context.Context, pid int, callback func(pid, returncode int)) error
	// RemoveChildHandler takes AddChildHandler back, and reports whether there was a
	// callback to take. (asyncio: remove_child_handler)
	RemoveChildHandler(pid int) bool
	// AttachLoop has the watcher work by means of l, and not by that of before; nil
	// is none. (asyncio: attach_loop)
	AttachLoop(l *Loop)
	// IsActive reports whether the watcher can tell of children now. (asyncio:
	// is_active)
	IsActive() bool
	// Close ends the watcher: what it has for its work is given back. (asyncio:
	// close)
	Close()
	// Enter announces that a child is about to be started: until Exit, a watcher that
	// waits for every child keeps what it learns of those that it does not know. They
	// nest. (asyncio: the with statement, which does not close the watcher either)
	Enter()
	// Exit says that the handler of the child was added.
	Exit()
}

// builtinWatcher stands for the package's own way to learn that a process has ended.
var builtinWatcher AbstractChildWatcher = &ThreadedChildWatcher{}

// GetChildWatcher returns the watcher that the policy says: the one that was set, or a
// *ThreadedChildWatcher, each time the same. Any goroutine may call it. (asyncio:
// get_child_watcher)
//
// Deprecated: see AbstractChildWatcher.
func GetChildWatcher() AbstractChildWatcher { return GetEventLoopPolicy().GetChildWatcher() }

// SetChildWatcher has the policy use w, after it has closed the one that was set before;
// nil is none. The watcher is asked about each process that CreateSubprocessExec and its
// kin start from then on, while it is active. Otherwise, and if its AddChildHandler
// fails, which is logged, they do as without one. So they always do with
// SubprocessOptions.Group: what is left of a group can only be killed before the status
// is taken. Any goroutine may call it that may call w's Close. (asyncio:
// set_child_watcher; there a watcher that is not active is an error)
//
// Deprecated: see AbstractChildWatcher.
func SetChildWatcher(w AbstractChildWatcher) { GetEventLoopPolicy().SetChildWatcher(w) }

// childHandler is a callback that waits for the end of a child.
type childHandler struct {
	pid      int
	callback func(pid, returncode int) // nil if nobody asks any more
	// that calls it; nil for the one that the watcher is attached to
	loop  *Loop
	waits bool // it counts in loop.outsideWaits
	// in which the handlers of a watcher were added
	order int

	code int
	err  error // by which the code is not known
}

func newChildHandler(call string, pid int, callback func(pid, returncode int)) (*childHandler, error) {
	switch {
	case callback == nil:
		return nil, usagef(call, "the callback is nil")
	case !haveChildren:
		return nil, fmt.Errorf("aio: %s: child watchers are not supported on this platform; CreateSubprocessExec works without: %w", call, errors.ErrUnsupported)
	case pid <= 0:
		return nil, usagef(call, "%d is not the id of a child", pid)
	}
	return &childHandler{pid: pid, callback: callback}, nil
}

// newWaitingHandler is newChildHandler for a callback that the loop of ctx calls, and
// waits for.
func newWaitingHandler(ctx context.Context, call string, pid int, callback func(pid, returncode int)) (*childHandler, error) {
	l := loopOf(ctx, call)
	h, err := newChildHandler(call, pid, callback)
	if err != nil {
		return nil, err
	}
	h.loop, h.waits = l, true
	l.outsideWaits++
	return h, nil
}

// setStatus notes what the child's os.Process says.
func (h *childHandler) setStatus(state *os.ProcessState, err error) {
	h.code, h.err = 255, err
	if err == nil {
		h.code = returncodeOf(state)
	}
}

// send has the loop call the handler.
func (h *childHandler) send() {
	if h.err != nil {
		slog.Warn("aio: child process already reaped elsewhere; exit status unknown", "pid", h.pid, "error", h.err)
	}
	if !h.loop.submit(h) {
		h.abandon()
	}
}

// drop disposes of a handler that nobody asks for any more.
func (h *childHandler) drop() {
	h.callback = nil
	if h.waits {
		h.loop.submit(h)
	}
}

// run implements runnable.
func (h *childHandler) run(*future) {
	if h.waits {
		h.loop.outsideWaits--
	}
	if h.callback != nil {
		h.callback(h.pid, h.code)
	}
}

// abandon implements orphan.
func (h *childHandler) abandon() {
	if h.callback != nil {
		slog.Warn("aio: a child process has ended after its event loop was closed", "pid", h.pid, "returncode", h.code)
	}
}

// about tells an exception handler whose callback it was.
func (h *childHandler) about(ec *ExceptionContext) {
	ec.Message += fmt.Sprintf(" of child process %d", h.pid)
}

// noEnterExit is for watchers that do not need Enter and Exit.
type noEnterExit struct{}

// Enter does nothing: this watcher needs no announcement.
func (noEnterExit) Enter() {}

// Exit does nothing: this watcher needs no announcement.
func (noEnterExit) Exit() {}

// watched has the transports of which a watcher takes the status. One is in it as long as
// nobody has, as far as this package knows: that is when its id is its process's, and
// signals may be sent. os.Process does the same for those who wait with its Wait. A
// watcher of the program's own that waits for the id leaves a moment until it calls the
// callback.
var watched struct {
	sync.Mutex
	m map[int]*watchedExit
}

// statusTaken notes that the status of pid was taken.
func statusTaken(pid int) {
	watched.Lock()
	defer watched.Unlock()
	delete(watched.m, pid)
}

// unwatch has the transport of process pid, if there is one, wait without the watcher. It
// reports whether there is one.
func unwatch(pid int) bool {
	watched.Lock()
	defer watched.Unlock()
	x := watched.m[pid]
	if x != nil {
		go x.waitDirectly()
	}
	return x != nil
}

// watchedExit is how a transport learns from a watcher that its process has ended.
type watchedExit struct{ *subprocess }

// watcherInUse returns the watcher that new processes are for, nil if they do without.
func watcherInUse() AbstractChildWatcher {
	w := GetChildWatcher()
	if w == nil || w == builtinWatcher || !w.IsActive() {
		return nil
	}
	return w
}

func init() { exitSource = startWatched }

// startWatched starts cmd, and has the watcher in use tell when it ends. It has taken the
// process if there is a watcher.
func startWatched(ctx context.Context, t *subprocess, cmd *exec.Cmd) (taken bool, err error) {
	w := watcherInUse()
	if w == nil {
		return false, nil
	}
	w.Enter()
	defer w.Exit()
	if err := cmd.Start(); err != nil {
		return true, err
	}
	t.process, t.pid = cmd.Process, cmd.Process.Pid
	x := &watchedExit{t}
	watched.Lock()
	if watched.m == nil {
		watched.m = map[int]*watchedExit{}
	}
	watched.m[t.pid] = x
	watched.Unlock()
	if err := w.AddChildHandler(ctx, t.pid, x.ended); err != nil {
		slog.Warn("aio: the child watcher does not take a process, which is watched without it", "pid", t.pid, "error", err)
		statusTaken(t.pid)
		t.waitInGoroutine()
		return true, nil
	}
	t.signaler = x
	t.loop.outsideWaits++
	t.loop.open.add(x)
	return true, nil
}

// signal sends a signal to the process unless its status was taken.
func (x *watchedExit) signal(sig os.Signal) error {
	watched.Lock()
	defer watched.Unlock()
	if watched.m[x.pid] != x {
		return os.ErrProcessDone
	}
	return x.process.Signal(sig)
}

// ended is the callback for watchers.
func (x *watchedExit) ended(_, code int) {
	watched.Lock()
	if watched.m[x.pid] == x {
		delete(watched.m, x.pid)
	}
	watched.Unlock()
	(&childHandler{pid: x.pid, loop: x.loop, callback: x.finish, code: code}).send()
}

// waitDirectly waits for the process in the place of a watcher.
func (x *watchedExit) waitDirectly() {
	h := &childHandler{pid: x.pid, loop: x.loop, callback: x.ended}
	h.setStatus(x.process.Wait())
	h.send()
}

// finish lets the transport know.
func (x *watchedExit) finish(pid, code int) {
	if x.exited { // told twice
		return
	}
	x.loop.outsideWaits--
	x.loop.open.remove(x)
	// os.Process has not waited, so it does not know that it may let go. What its
	// users know it by stays.
	_ = x.process.Release()
	x.process.Pid = pid
	x.exited, x.code = true, code
	x.codeKnown()
}

// closeWithLoop is called when the loop is closed and the process runs.
func (x *watchedExit) closeWithLoop() { x.loopClosed() }
