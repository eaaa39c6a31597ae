package aio

// Child watchers tell how children have ended, by their ids. asyncio had them for its subprocesses until
// it could do without, and so can this package: they are here so that a program which is ported can
// keep its lines until it has been gone through.
//
// A watcher has a handler for each child, guarded by its mutex. Who takes a handler out, because the child
// has ended or nobody asks any more, disposes of it: a handler is called once or never. It is an entry of
// its loop's ready queue, and never called from inside a call of the watcher, where asyncio may.
//
// When a status was taken, the child's id is free, and may be another one's at once. So a watcher that
// waits by the id takes the status and the handler out in one step under its mutex. And a transport
// of which a watcher takes the status must not send a signal after that, though its loop does not know
// yet: see watched.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"
)

// AbstractChildWatcher tells how children of this process have ended. The package has five, and a program
// may have its own, to be set with SetChildWatcher. Any goroutine may call the methods, unless one says
// otherwise; none awaits. (asyncio: AbstractChildWatcher)
//
// Only Unix has such children. Elsewhere the watchers of the package exist, are never active, and
// AddChildHandler returns an error that matches errors.ErrUnsupported.
//
// Deprecated: CreateSubprocessExec and SubprocessExec do without, on all systems. For a process of
// os/exec use ToThread with the Wait of its Cmd.
type AbstractChildWatcher interface {
	// AddChildHandler has callback called once with the id and the return code of the child pid, when
	// it has ended: the code is minus the number of the signal that has ended it, and 255 if
	// somebody else has waited for it, which is logged. A callback that was there for pid is
	// replaced. callback must be ready to be called by any goroutine; the watchers of the package
	// call it as a callback of a loop, each says of which. ctx says for which loop the caller
	// works, in the place of asyncio's running loop.
	//
	// With one of the package the error matches ErrUsage if pid is not positive, and a nil callback is
	// misuse. (asyncio: add_child_handler, whose further arguments a closure has)
	AddChildHandler(ctx context.Context, pid int, callback func(pid, returncode int)) error
	// RemoveChildHandler takes AddChildHandler back, and reports whether there was a callback to
	// take. (asyncio: remove_child_handler)
	RemoveChildHandler(pid int) bool
	// AttachLoop has the watcher work by means of l, and not by that of before; nil is none.
	// (asyncio: attach_loop)
	AttachLoop(l *Loop)
	// IsActive reports whether the watcher can tell of children now. (asyncio: is_active)
	IsActive() bool
	// Close ends the watcher: what it has for its work is given back. (asyncio: close)
	Close()
	// Enter announces that a child is about to be started, and Exit that its handler was added: a
	// watcher that waits for every child then keeps what it learns about those that it does not
	// know yet. They nest. (asyncio: the with statement, which does not close the watcher either)
	Enter()
	Exit()
}

// builtinWatcher stands for the package's own way to learn that a process has ended.
var builtinWatcher AbstractChildWatcher = &ThreadedChildWatcher{}

// GetChildWatcher returns the watcher that the policy says: the one that was set, or a
// *ThreadedChildWatcher, each time the same. Any goroutine may call it. (asyncio: get_child_watcher)
//
// Deprecated: see AbstractChildWatcher.
func GetChildWatcher() AbstractChildWatcher { return GetEventLoopPolicy().GetChildWatcher() }

// SetChildWatcher has the policy use w, after it has closed the one that was set before; nil is none. The
// watcher is asked about each process that CreateSubprocessExec and its kin start from then on, while it
// is active. Otherwise, and if its AddChildHandler fails, which is logged, they do as without one. So
// they always do with SubprocessOptions.Group: what is left of a group can only be killed before the
// status is taken. Any goroutine may call it that may call w's Close.
// (asyncio: set_child_watcher; there a watcher that is not active is an error)
//
// Deprecated: see AbstractChildWatcher.
func SetChildWatcher(w AbstractChildWatcher) { GetEventLoopPolicy().SetChildWatcher(w) }

// childHandler is a callback that waits for the end of a child.
type childHandler struct {
	pid      int
	callback func(pid, returncode int) // nil if nobody asks any more
	loop     *Loop                     // that calls it; nil for the one that the watcher is attached to
	waits    bool                      // it counts in loop.watching
	order    int                       // in which the handlers of a watcher were added

	code int
	err  error // by which the code is not known
}

func newChildHandler(call string, pid int, callback func(pid, returncode int)) (*childHandler, error) {
	switch {
	case callback == nil:
		misuse(nil, "%s: the callback is nil", call)
	case !haveChildren:
		return nil, fmt.Errorf("aio: %s: this system has no children to watch, CreateSubprocessExec does without: %w", call, errors.ErrUnsupported)
	case pid <= 0:
		return nil, &usageError{text: fmt.Sprintf("aio: %s: %d is not the id of a child", call, pid)}
	}
	return &childHandler{pid: pid, callback: callback}, nil
}

// waitFor has the handler wait for l, of which the caller holds the token.
func (h *childHandler) waitFor(l *Loop) {
	h.loop, h.waits = l, true
	l.watching++
}

// learn notes what the child's os.Process says.
func (h *childHandler) learn(state *os.ProcessState, err error) {
	h.code, h.err = 255, err
	if err == nil {
		h.code = returncodeOf(state)
	}
}

// send has the loop call the handler.
func (h *childHandler) send() {
	if h.err != nil {
		slog.Warn("aio: somebody else has waited for a child process: its return code is not known", "pid", h.pid, "error", h.err)
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
		h.loop.watching--
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

// noBracket is for watchers that do not need Enter and Exit.
type noBracket struct{}

// Enter does nothing: this watcher needs no announcement.
func (noBracket) Enter() {}

// Exit does nothing: this watcher needs no announcement.
func (noBracket) Exit() {}

// childTable has the handlers of a watcher that waits for children by their ids when SIGCHLD comes.
type childTable struct {
	mu       sync.Mutex
	handlers map[int]*childHandler
	added    int
	loop     *Loop // that is attached
}

// put adds h, in the place of another one for the same child. mu must be held.
func (t *childTable) put(h *childHandler) {
	if old := t.handlers[h.pid]; old != nil {
		h.order = old.order
		old.drop()
	} else {
		t.added++
		h.order = t.added
	}
	if t.handlers == nil {
		t.handlers = map[int]*childHandler{}
	}
	t.handlers[h.pid] = h
}

// RemoveChildHandler takes AddChildHandler back, and reports whether there was a callback to take. The
// status of the child is left for others. (asyncio: remove_child_handler)
func (t *childTable) RemoveChildHandler(pid int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.handlers[pid]
	if h == nil {
		return false
	}
	delete(t.handlers, pid)
	h.drop()
	return true
}

// clear forgets all handlers.
func (t *childTable) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for pid, h := range t.handlers {
		takeBack(pid)
		h.drop()
	}
	t.handlers = nil
}

// scan sends the handlers of the children that have ended.
func (t *childTable) scan() {
	t.mu.Lock()
	all := slices.SortedFunc(maps.Values(t.handlers), func(a, b *childHandler) int { return cmp.Compare(a.order, b.order) })
	t.mu.Unlock()
	for _, h := range all {
		t.poll(h)
	}
}

// poll sends h if its child has ended.
func (t *childTable) poll(h *childHandler) {
	t.mu.Lock()
	l := cmp.Or(h.loop, t.loop)
	if t.handlers[h.pid] != h || l == nil {
		t.mu.Unlock()
		return
	}
	who, code, err := takeStatus(h.pid)
	if who == 0 {
		t.mu.Unlock()
		return
	}
	delete(t.handlers, h.pid)
	t.mu.Unlock()
	h.loop, h.code, h.err = l, code, err
	h.send()
}

// loopWatcher is a childTable that is told of SIGCHLD by a loop.
type loopWatcher struct{ childTable }

// IsActive reports whether the attached loop runs. (asyncio: is_active)
func (w *loopWatcher) IsActive() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.loop != nil && w.loop.IsRunning()
}

// attach has l call scan at each SIGCHLD, and now: a child may have ended meanwhile.
func (w *loopWatcher) attach(call string, l *Loop, scan func()) {
	if !haveChildren {
		return
	}
	if l != nil {
		l.check(call)
		l.mustBeOpen(call)
	}
	w.detach(call, l == nil)
	if l == nil {
		return
	}
	if err := l.AddSignalHandler(sigChild, scan); err != nil {
		panic(err)
	}
	l.open.add(w)
	w.mu.Lock()
	w.loop = l
	w.mu.Unlock()
	scan()
}

// detach gives back what attach has taken, and warns if handlers are left without a loop.
func (w *loopWatcher) detach(call string, last bool) {
	w.mu.Lock()
	l, n := w.loop, len(w.handlers)
	w.mu.Unlock()
	if l == nil {
		return
	}
	l.check(call)
	if last && n > 0 {
		slog.Warn("aio: a loop is detached from a child watcher that still waits for children", "handlers", n)
	}
	l.RemoveSignalHandler(sigChild)
	l.open.remove(w)
	w.mu.Lock()
	w.loop = nil
	w.mu.Unlock()
}

// end forgets all handlers and detaches the loop.
func (w *loopWatcher) end(call string) {
	w.mu.Lock()
	l := w.loop
	w.mu.Unlock()
	if l != nil {
		l.check(call) // before anything is changed
	}
	w.clear()
	w.detach(call, true)
}

// shut is called when the attached loop is closed. Handlers wait for the next one, but for those of
// transports, which would wait in vain if there is none.
func (w *loopWatcher) shut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loop = nil
	for pid := range w.handlers {
		if takeBack(pid) {
			delete(w.handlers, pid)
		}
	}
}

var errNotAttached = &usageError{text: "aio: AddChildHandler: this child watcher works by means of a loop: call AttachLoop first"}

// SafeChildWatcher asks about each of its children when the attached loop gets SIGCHLD, and leaves all
// others alone. Its price: each SIGCHLD costs a system call for each child that it has, so n children cost
// n²/2; nothing is noticed while the attached loop does not run, whatever loops the processes belong to;
// and the loop cannot have a handler for SIGCHLD of the program's own.
//
// Callbacks are called by the attached loop, those of children that ended before one SIGCHLD in the order
// in which they were added. AddChildHandler does not look at its ctx, and needs an attached loop, or the
// error matches ErrUsage. A handler that waits when the loop is detached or closed waits for the next
// one. The zero value is ready. It must not be copied. (asyncio: SafeChildWatcher, which may call callback
// inside of add_child_handler)
//
// Deprecated: see AbstractChildWatcher.
type SafeChildWatcher struct {
	noBracket
	loopWatcher
}

// AddChildHandler implements AbstractChildWatcher. (asyncio: add_child_handler)
func (w *SafeChildWatcher) AddChildHandler(_ context.Context, pid int, callback func(pid, returncode int)) error {
	h, err := newChildHandler("SafeChildWatcher.AddChildHandler", pid, callback)
	if err != nil {
		return err
	}
	w.mu.Lock()
	if w.loop == nil {
		w.mu.Unlock()
		return errNotAttached
	}
	w.put(h)
	w.mu.Unlock()
	w.poll(h) // it may have ended already
	return nil
}

// AttachLoop has l tell the watcher of SIGCHLD, in the place of a handler that l had for that, and not the
// loop of before; nil is none, which is logged if children are waited for. The caller must hold the
// tokens of both, as for Loop.AddSignalHandler. A closed l, and one in a bubble of testing/synctest, are
// misuse. (asyncio: attach_loop)
func (w *SafeChildWatcher) AttachLoop(l *Loop) { w.attach("SafeChildWatcher.AttachLoop", l, w.scan) }

// Close forgets all handlers, whose callbacks are not called, and detaches the loop, of which the caller
// must hold the token. (asyncio: close)
func (w *SafeChildWatcher) Close() { w.end("SafeChildWatcher.Close") }

// FastChildWatcher waits for any child when the attached loop gets SIGCHLD, so that each child costs the
// same however many there are.
//
// Its price is that it takes the status of every child of this process, whoever has started it: a Wait of
// os/exec.Cmd and os.Process elsewhere in the program fails with ECHILD, and processes of this package
// that it was not asked about have the return code 255. What it takes of children that it does not know is
// logged. A child must be started, and its handler added, between Enter and Exit. Apart from that it is
// like SafeChildWatcher. The zero value is ready. It must not be copied. (asyncio: FastChildWatcher)
//
// Deprecated: see AbstractChildWatcher.
type FastChildWatcher struct {
	loopWatcher
	entered int
	zombies map[int]int // return codes of children that have no handler yet
}

// Enter announces that a child is about to be started: until Exit, what the watcher takes of children that
// it does not know is kept for AddChildHandler. They nest. (asyncio: the with statement)
func (w *FastChildWatcher) Enter() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.entered++
}

// Exit ends Enter. What is then left of children that nobody has asked about is dropped, and logged. An Exit
// without an Enter is misuse. (asyncio: the with statement)
func (w *FastChildWatcher) Exit() {
	w.mu.Lock()
	if w.entered == 0 {
		w.mu.Unlock()
		misuse(ErrTooOften, "FastChildWatcher.Exit: called more often than Enter")
	}
	w.entered--
	var unknown map[int]int
	if w.entered == 0 {
		unknown, w.zombies = w.zombies, nil
	}
	w.mu.Unlock()
	for _, pid := range slices.Sorted(maps.Keys(unknown)) {
		warnUnknown(pid, unknown[pid])
	}
}

func warnUnknown(pid, code int) {
	slog.Warn("aio: FastChildWatcher has taken the status of a child process that it does not know", "pid", pid, "returncode", code)
}

// AddChildHandler implements AbstractChildWatcher. The error matches ErrUsage if Enter was not called.
// (asyncio: add_child_handler)
func (w *FastChildWatcher) AddChildHandler(_ context.Context, pid int, callback func(pid, returncode int)) error {
	const call = "FastChildWatcher.AddChildHandler"
	h, err := newChildHandler(call, pid, callback)
	if err != nil {
		return err
	}
	w.mu.Lock()
	code, ended := w.zombies[pid]
	switch {
	case w.loop == nil:
		err = errNotAttached
	case w.entered == 0:
		err = &usageError{text: "aio: " + call + ": call Enter before the child is started, and Exit after this"}
	case ended:
		delete(w.zombies, pid)
		taken(pid)
		h.loop, h.code = w.loop, code
	default:
		w.put(h)
	}
	w.mu.Unlock()
	if err == nil && ended {
		h.send()
	}
	return err
}

// AttachLoop implements AbstractChildWatcher; see SafeChildWatcher.AttachLoop. It takes the status of
// all children that have ended. (asyncio: attach_loop)
func (w *FastChildWatcher) AttachLoop(l *Loop) { w.attach("FastChildWatcher.AttachLoop", l, w.takeAll) }

// Close forgets all handlers, whose callbacks are not called, and detaches the loop, of which the caller
// must hold the token. (asyncio: close)
func (w *FastChildWatcher) Close() {
	w.end("FastChildWatcher.Close")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zombies = nil
}

// takeAll takes the status of every child that has ended.
func (w *FastChildWatcher) takeAll() {
	for w.takeOne() {
	}
}

// takeOne takes the status of a child that has ended, and reports whether there was one.
func (w *FastChildWatcher) takeOne() bool {
	w.mu.Lock()
	if w.loop == nil {
		w.mu.Unlock()
		return false
	}
	pid, code, _ := takeStatus(-1)
	if pid <= 0 {
		w.mu.Unlock()
		return false
	}
	h, kept := w.handlers[pid], w.entered > 0
	switch {
	case h != nil:
		delete(w.handlers, pid)
		h.loop, h.code = w.loop, code
	case kept:
		if w.zombies == nil {
			w.zombies = map[int]int{}
		}
		w.zombies[pid] = code
	}
	w.mu.Unlock()
	switch {
	case h != nil:
		h.send()
	case !kept:
		warnUnknown(pid, code)
	}
	return true
}

// MultiLoopChildWatcher asks about each of its children when the process gets SIGCHLD, and leaves all
// others alone. It has a goroutine for that, so it works while no loop runs or any number do. Its price:
// each SIGCHLD costs a system call for each child that it has, so n children cost n²/2.
//
// Callbacks are called by the loop of the ctx that AddChildHandler was given, of which the caller must hold
// the token; while one waits, time of a virtual clock goes on as if a task waited in Receive. If that loop
// is closed when the child ends, that is logged. The watcher is active from the first AttachLoop until
// Close. The zero value is ready. It must not be copied. (asyncio: MultiLoopChildWatcher, which displaces
// the program's own handler of SIGCHLD; here both get the signal)
//
// Deprecated: see AbstractChildWatcher.
type MultiLoopChildWatcher struct {
	noBracket
	childTable
	signals chan os.Signal // nil if it is not active; guarded by mu
}

// AddChildHandler implements AbstractChildWatcher. (asyncio: add_child_handler)
func (w *MultiLoopChildWatcher) AddChildHandler(ctx context.Context, pid int, callback func(pid, returncode int)) error {
	const call = "MultiLoopChildWatcher.AddChildHandler"
	l := loopOf(ctx, call)
	h, err := newChildHandler(call, pid, callback)
	if err != nil {
		return err
	}
	h.waitFor(l)
	w.mu.Lock()
	w.put(h)
	w.mu.Unlock()
	w.poll(h) // it may have ended already
	return nil
}

// AttachLoop makes the watcher active; it does not look at l. In a bubble of testing/synctest it is misuse.
// (asyncio: attach_loop)
func (w *MultiLoopChildWatcher) AttachLoop(*Loop) {
	if time.Now().Year() == 2000 { // see Loop.AddSignalHandler
		misuse(errors.ErrUnsupported, "MultiLoopChildWatcher.AttachLoop: there are no signals in a bubble of testing/synctest")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.signals != nil || !haveChildren {
		return
	}
	signals := make(chan os.Signal, 1) // one is enough: each makes for a scan that begins after it came
	signal.Notify(signals, sigChild)
	w.signals = signals
	go func() {
		w.scan()
		for range signals {
			w.scan()
		}
	}()
}

// IsActive reports whether AttachLoop was called, and Close was not since. (asyncio: is_active)
func (w *MultiLoopChildWatcher) IsActive() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.signals != nil
}

// Close forgets all handlers, whose callbacks are not called, and ends the goroutine. (asyncio: close)
func (w *MultiLoopChildWatcher) Close() {
	w.clear()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.signals != nil {
		signal.Stop(w.signals)
		close(w.signals)
		w.signals = nil
	}
}

// ThreadedChildWatcher has a goroutine wait for each child. It needs no signals and no attached loop, leaves
// other children alone, and a child costs the same however many there are. Its price is a goroutine for
// each, and where Go cannot wait otherwise, a thread of the system.
//
// Callbacks are called by the loop of the ctx that AddChildHandler was given, of which the caller must hold
// the token; while one waits, time of a virtual clock goes on as if a task waited in Receive. If that loop
// is closed when the child ends, that is logged. The status is taken even if nobody asks any more. The
// zero value is ready. It must not be copied. (asyncio: ThreadedChildWatcher)
//
// Deprecated: see AbstractChildWatcher.
type ThreadedChildWatcher struct {
	noBracket
	mu    sync.Mutex
	waits map[int]*childWait
}

// childWait is a goroutine that waits for a child.
type childWait struct {
	childProcess
	handler *childHandler // nil if nobody asks any more; guarded by the watcher's mutex
}

// AddChildHandler implements AbstractChildWatcher. (asyncio: add_child_handler, which does not replace)
func (w *ThreadedChildWatcher) AddChildHandler(ctx context.Context, pid int, callback func(pid, returncode int)) error {
	const call = "ThreadedChildWatcher.AddChildHandler"
	l := loopOf(ctx, call)
	h, err := newChildHandler(call, pid, callback)
	if err != nil {
		return err
	}
	h.waitFor(l)
	w.mu.Lock()
	defer w.mu.Unlock()
	// One whose status was taken a moment ago had the same id, and its goroutine is about to say so.
	if c := w.waits[pid]; c != nil && c.Signal(syscall.Signal(0)) != os.ErrProcessDone {
		if c.handler != nil {
			c.handler.drop()
		}
		c.handler = h
		return nil
	}
	c := &childWait{processOf(pid), h}
	if w.waits == nil {
		w.waits = map[int]*childWait{}
	}
	w.waits[pid] = c
	go w.wait(pid, c)
	return nil
}

func (w *ThreadedChildWatcher) wait(pid int, c *childWait) {
	state, err := c.Wait()
	w.mu.Lock()
	if w.waits[pid] == c {
		delete(w.waits, pid)
	}
	c.release()
	h := c.handler
	w.mu.Unlock()
	if h != nil {
		h.learn(state, err)
		h.send()
	}
}

// RemoveChildHandler takes AddChildHandler back, and reports whether there was a callback to take. The
// status of the child is taken all the same. (asyncio: remove_child_handler, which does nothing)
func (w *ThreadedChildWatcher) RemoveChildHandler(pid int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.waits[pid]
	if c == nil || c.handler == nil {
		return false
	}
	c.handler.drop()
	c.handler = nil
	return true
}

// AttachLoop does nothing. (asyncio: attach_loop)
func (w *ThreadedChildWatcher) AttachLoop(*Loop) {}

// IsActive reports whether the system has children to watch. (asyncio: is_active)
func (w *ThreadedChildWatcher) IsActive() bool { return haveChildren }

// Close does nothing: goroutines wait on, and callbacks are called. (asyncio: close)
func (w *ThreadedChildWatcher) Close() {}

// PidfdChildWatcher has the loop wait for descriptors of processes. It needs no signals, no goroutines and
// no attached loop, leaves other children alone, and a child costs the same however many there are. Its
// price is a descriptor for each child, and that only Linux has them, since 5.3.
//
// Callbacks are called by the loop of the ctx that AddChildHandler was given, of which the caller must hold
// the token. If the loop is closed first, a goroutine waits for the child, and its end is logged. Where
// there are no such descriptors AddChildHandler returns an error that matches errors.ErrUnsupported; it may
// also be the system's, as when there are too many. The zero value is ready. It must not be copied.
// (asyncio: PidfdChildWatcher, as since 3.12)
//
// Deprecated: see AbstractChildWatcher.
type PidfdChildWatcher struct {
	noBracket
	mu    sync.Mutex
	waits map[int]*pidfdWait
}

// pidfdWait is a descriptor of a child. The loop's token owns it.
type pidfdWait struct {
	childProcess
	watcher *PidfdChildWatcher
	handler *childHandler
	fd      *os.File // nil once it is closed
}

// AddChildHandler implements AbstractChildWatcher. (asyncio: add_child_handler)
func (w *PidfdChildWatcher) AddChildHandler(ctx context.Context, pid int, callback func(pid, returncode int)) error {
	const call = "PidfdChildWatcher.AddChildHandler"
	l := loopOf(ctx, call)
	l.mustBeOpen(call)
	h, err := newChildHandler(call, pid, callback)
	if err != nil {
		return err
	}
	h.loop = l
	fd, err := openChild(pid)
	if err != nil {
		return fmt.Errorf("aio: %s: process %d: %w", call, pid, err)
	}
	c := &pidfdWait{childProcess: processOf(pid), watcher: w, handler: h, fd: fd}
	if err := l.AddReader(fd, c.ready); err != nil {
		fd.Close()
		c.release()
		return err
	}
	l.open.add(c)
	w.mu.Lock()
	old := w.waits[pid]
	if w.waits == nil {
		w.waits = map[int]*pidfdWait{}
	}
	w.waits[pid] = c
	w.mu.Unlock()
	if old != nil {
		old.handler.loop.submit(old)
	}
	return nil
}

// RemoveChildHandler takes AddChildHandler back, and reports whether there was a callback to take. The
// status of the child is left for others. (asyncio: remove_child_handler, which does nothing)
func (w *PidfdChildWatcher) RemoveChildHandler(pid int) bool {
	w.mu.Lock()
	c := w.waits[pid]
	delete(w.waits, pid)
	w.mu.Unlock()
	if c == nil {
		return false
	}
	c.handler.loop.submit(c)
	return true
}

// AttachLoop does nothing. (asyncio: attach_loop)
func (w *PidfdChildWatcher) AttachLoop(*Loop) {}

// IsActive reports whether the system has descriptors of processes. (asyncio: is_active)
func (w *PidfdChildWatcher) IsActive() bool { return canOpenChildren() }

// Close does nothing: descriptors are waited for, and callbacks are called. (asyncio: close)
func (w *PidfdChildWatcher) Close() {}

// claim takes c out of the watcher, and reports whether it was there.
func (c *pidfdWait) claim() bool {
	w, pid := c.watcher, c.handler.pid
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waits[pid] != c {
		return false
	}
	delete(w.waits, pid)
	return true
}

// close closes the descriptor.
func (c *pidfdWait) close() {
	if c.fd == nil {
		return
	}
	l := c.handler.loop
	_, _ = l.RemoveReader(c.fd)
	l.open.remove(c)
	c.fd.Close()
	c.fd = nil
}

// ready is called when the child has ended.
func (c *pidfdWait) ready() {
	c.close()
	if c.claim() {
		c.tell()
	} else {
		c.release()
	}
}

// tell takes the status, and sends the handler.
func (c *pidfdWait) tell() {
	c.handler.learn(c.Wait())
	c.release()
	c.handler.send()
}

// run implements runnable: nobody asks any more.
func (c *pidfdWait) run(*future) {
	c.close()
	c.release()
}

// shut is called when the loop is closed.
func (c *pidfdWait) shut() {
	c.close()
	if c.claim() {
		go c.tell()
	} else {
		c.release()
	}
}

// childProcess is the os.Process of a child, which is a transport's or the watcher's own.
type childProcess struct {
	*os.Process
	own bool
}

// release gives a process of the watcher's own back, also if there was no status to take.
func (c childProcess) release() {
	if c.own {
		_ = c.Release()
	}
}

// processOf returns the os.Process of the child pid. It must be released.
func processOf(pid int) childProcess {
	watched.Lock()
	defer watched.Unlock()
	if x := watched.m[pid]; x != nil {
		return childProcess{x.process, false}
	}
	p, _ := os.FindProcess(pid) // there is no error on Unix
	return childProcess{p, true}
}

// watched has the transports of which a watcher takes the status. One is in it as long as nobody has,
// as far as this package knows: that is when its id is its process's, and signals may be sent. os.Process
// does the same for those who wait with its Wait. A watcher of the program's own that waits for the id
// leaves a moment until it calls the callback.
var watched struct {
	sync.Mutex
	m map[int]*watchedExit
}

// taken notes that the status of pid was taken.
func taken(pid int) {
	watched.Lock()
	defer watched.Unlock()
	delete(watched.m, pid)
}

// takeBack has the transport of process pid, if there is one, wait without the watcher. It reports whether
// there is.
func takeBack(pid int) bool {
	watched.Lock()
	defer watched.Unlock()
	x := watched.m[pid]
	if x != nil {
		go x.unaided()
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

// startWatched starts cmd, and has w tell when it ends.
func (t *subprocess) startWatched(ctx context.Context, cmd *exec.Cmd, w AbstractChildWatcher) error {
	w.Enter()
	defer w.Exit()
	if err := cmd.Start(); err != nil {
		return err
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
		taken(t.pid)
		t.waitInGoroutine()
		return nil
	}
	t.watched = x
	t.loop.watching++
	t.loop.open.add(x)
	return nil
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
	(&childHandler{pid: x.pid, loop: x.loop, callback: x.conclude, code: code}).send()
}

// unaided waits for the process in the place of a watcher.
func (x *watchedExit) unaided() {
	h := &childHandler{pid: x.pid, loop: x.loop, callback: x.ended}
	h.learn(x.process.Wait())
	h.send()
}

// conclude lets the transport know.
func (x *watchedExit) conclude(pid, code int) {
	if x.exited { // told twice
		return
	}
	x.loop.watching--
	x.loop.open.remove(x)
	// os.Process has not waited, so it does not know that it may let go. What its users know it by stays.
	_ = x.process.Release()
	x.process.Pid = pid
	x.exited, x.code = true, code
	x.over()
}

// shut is called when the loop is closed and the process runs.
func (x *watchedExit) shut() { x.leave() }
