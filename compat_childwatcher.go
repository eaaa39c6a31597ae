package aio

// Child watchers report the exit of children by their ids. asyncio had them for its
// subprocesses until it no longer needed them. This package does not need them either:
// they are here so that a ported program can keep using them until it is revised.
//
// A watcher has a handler for each child, guarded by its mutex. The code that removes a
// handler, because the child has exited or RemoveChildHandler was called, disposes of
// it, so it is called once or never. A handler is an entry of its loop's ready queue,
// and is never called inside a call of the watcher, as asyncio sometimes does.
//
// A transport whose process is watched has a special problem: the watcher takes the
// status while the transport's loop does something else, and from then on the id may
// belong to another process, which must not get a signal. So the transport checks the
// table watched, which has a mutex of its own.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
)

// AbstractChildWatcher reports how children of this process have exited. The package
// has five implementations, and a program may have its own, to be set with
// [SetChildWatcher]. Any goroutine may call the methods, unless an implementation says
// otherwise; none awaits.
//
// (asyncio: AbstractChildWatcher)
//
// Only Unix has such children. On other systems the watchers of the package exist, are
// never active, and AddChildHandler returns an error that matches
// [errors.ErrUnsupported].
//
// Deprecated: CreateSubprocessExec and SubprocessExec need no watcher, on all systems.
// For a process of os/exec use ToThread with the Wait of its Cmd.
type AbstractChildWatcher interface {
	// AddChildHandler calls callback once, with the id and the return code of the
	// child pid, when it has exited. The code is minus the number of the signal that
	// killed the child, and 255 if other code has waited for the child, which is
	// logged. A callback that pid already has is replaced. callback must be safe to
	// call from any goroutine; the watchers of the package call it as a callback of a
	// loop, and each documents which one. ctx identifies the caller's loop, where
	// asyncio uses the running loop.
	//
	// With the watchers of the package the error matches [ErrUsage] if pid is not
	// positive or callback is nil. (asyncio: add_child_handler; use a closure for
	// its further arguments)
	AddChildHandler(ctx context.Context, pid int, callback func(pid, returncode int)) error
	// RemoveChildHandler undoes AddChildHandler, and reports whether there was a
	// callback to remove. (asyncio: remove_child_handler)
	RemoveChildHandler(pid int) bool
	// AttachLoop makes the watcher use l instead of the loop that was attached
	// before; nil means none. (asyncio: attach_loop)
	AttachLoop(l *Loop)
	// IsActive reports whether the watcher can report children now. (asyncio:
	// is_active)
	IsActive() bool
	// Close releases the resources of the watcher. (asyncio: close)
	Close()
	// Enter announces that a child is about to be started: until Exit, a watcher
	// that waits for all children keeps the status of those without a handler.
	// Calls nest. (asyncio: the with statement, which does not close the watcher
	// either)
	Enter()
	// Exit says that the handler of the child was added.
	Exit()
}

// builtinWatcher represents the package's own way to notice exits.
var builtinWatcher AbstractChildWatcher = &ThreadedChildWatcher{}

// GetChildWatcher returns the watcher of the policy: the one that was set, or a
// [*ThreadedChildWatcher], always the same one. Any goroutine may call it. (asyncio:
// get_child_watcher)
//
// Deprecated: see AbstractChildWatcher.
func GetChildWatcher() AbstractChildWatcher { return GetEventLoopPolicy().GetChildWatcher() }

// SetChildWatcher makes the policy use w, after closing the watcher that was set
// before; nil means none. From then on [CreateSubprocessExec] and the other functions
// that start a process make w watch it, if w is active. If w is not active, or if its
// AddChildHandler fails, which is logged, they do not use w. They never use w with
// [SubprocessOptions] Group: the rest of a group can be killed only before the status
// is collected. Any goroutine may call it that may call w's Close.
//
// (asyncio: set_child_watcher, where an inactive watcher is an error)
//
// Deprecated: see AbstractChildWatcher.
func SetChildWatcher(w AbstractChildWatcher) { GetEventLoopPolicy().SetChildWatcher(w) }

// childHandler is a callback that waits for the exit of a child.
type childHandler struct {
	pid      int
	callback func(pid, returncode int) // nil once the handler was removed
	// the loop that calls the handler; nil means the loop that the watcher is
	// attached to
	loop  *Loop
	waits bool // the handler is counted in loop.outsideWaits
	// the order in which the handlers of a watcher were added
	order int

	code int
	err  error // the reason why the code is not known
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

// newWaitingHandler is like newChildHandler, for a callback that the loop of ctx waits
// for and calls.
func newWaitingHandler(ctx context.Context, call string, pid int, callback func(pid, returncode int)) (*childHandler, error) {
	l, err := loopFor(ctx, call)
	if err != nil {
		return nil, err
	}
	h, err := newChildHandler(call, pid, callback)
	if err != nil {
		return nil, err
	}
	h.loop, h.waits = l, true
	l.outsideWaits++
	return h, nil
}

// setStatus stores the result of the child's os.Process.
func (h *childHandler) setStatus(state *os.ProcessState, err error) {
	h.code, h.err = 255, err
	if err == nil {
		h.code = returncodeOf(state)
	}
}

// send makes the loop call the handler.
func (h *childHandler) send() {
	if h.err != nil {
		slog.Warn("aio: child process already reaped elsewhere; exit status unknown", "pid", h.pid, "error", h.err)
	}
	if !h.loop.submit(h) {
		h.abandon()
	}
}

// drop disposes of a handler that was removed.
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

// about adds the callback to the context of an exception handler.
func (h *childHandler) about(ec *ExceptionContext) {
	ec.Message += fmt.Sprintf(" of child process %d", h.pid)
}

// noEnterExit is for watchers that do not need Enter and Exit.
type noEnterExit struct{}

// Enter does nothing: this watcher does not need it.
func (noEnterExit) Enter() {}

// Exit does nothing: this watcher does not need it.
func (noEnterExit) Exit() {}

// watched has the transports whose status a watcher collects. A transport is in it until
// this package knows that the status was collected: until then the id belongs to its
// process, and signals may be sent. os.Process does the same for programs that use its
// Wait. A watcher of another package that waits for the id leaves a short gap until it
// calls the callback.
var watched struct {
	sync.Mutex
	m map[int]*watchedExit
}

// statusTaken records that the status of pid was collected.
func statusTaken(pid int) {
	watched.Lock()
	defer watched.Unlock()
	delete(watched.m, pid)
}

// unwatch makes the transport of process pid, if there is one, wait without the
// watcher. It reports whether there is one.
func unwatch(pid int) bool {
	watched.Lock()
	defer watched.Unlock()
	x := watched.m[pid]
	if x != nil {
		go x.waitDirectly()
	}
	return x != nil
}

// watchedExit is how a watcher tells a transport that its process has exited.
type watchedExit struct{ *subprocess }

// watcherInUse returns the watcher for new processes, nil if there is none.
func watcherInUse() AbstractChildWatcher {
	w := GetChildWatcher()
	if w == nil || w == builtinWatcher || !w.IsActive() {
		return nil
	}
	return w
}

func init() { exitSource = startWatched }

// startWatched starts cmd if a watcher is in use, which will then report the exit of
// the process. taken reports whether a watcher is in use.
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

// signal sends a signal to the process unless its status was collected.
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

// waitDirectly waits for the process in place of a watcher.
func (x *watchedExit) waitDirectly() {
	h := &childHandler{pid: x.pid, loop: x.loop, callback: x.ended}
	h.setStatus(x.process.Wait())
	h.send()
}

// finish tells the transport.
func (x *watchedExit) finish(pid, code int) {
	if x.exited { // told twice
		return
	}
	x.loop.outsideWaits--
	x.loop.open.remove(x)
	// Nothing has called Wait of the os.Process, so its resources must be released
	// here. Release clears Pid, which users can see: it is set again.
	_ = x.process.Release()
	x.process.Pid = pid
	x.exited, x.code = true, code
	x.codeKnown()
}

// closeWithLoop runs when the loop is closed while the process runs.
func (x *watchedExit) closeWithLoop() { x.loopClosed() }
