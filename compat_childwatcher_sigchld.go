package aio

// The watchers that use SIGCHLD. They wait for the id of a child, or of any child. As
// soon as a status has been collected, the id is free and may belong to another child. So
// the status is collected and the handler removed in one step, under the watcher's mutex:
// a new handler belongs to the child that has the id at that moment.
//
// One signal may report many children. Each signal causes a scan that begins after
// it arrived.

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"slices"
	"sync"

	"github.com/goaio/aio/internal/goid"
)

// childTable has the handlers of a watcher that waits for children by id on SIGCHLD.
type childTable struct {
	mu       sync.Mutex
	handlers map[int]*childHandler
	added    int
	loop     *Loop // the attached loop
}

// put adds h, and replaces another handler for the same child. mu must be held.
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

// RemoveChildHandler undoes AddChildHandler, and reports whether there was a callback
// to remove. It does not take the status of the child. (asyncio: remove_child_handler)
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

// clear removes all handlers.
func (t *childTable) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for pid, h := range t.handlers {
		unwatch(pid)
		h.drop()
	}
	t.handlers = nil
}

// scan sends the handlers of the children that have exited.
func (t *childTable) scan() {
	t.mu.Lock()
	all := slices.SortedFunc(maps.Values(t.handlers), func(a, b *childHandler) int { return cmp.Compare(a.order, b.order) })
	t.mu.Unlock()
	for _, h := range all {
		t.poll(h)
	}
}

// poll schedules h if its child has exited.
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

// loopWatcher is a childTable that gets SIGCHLD from a loop.
type loopWatcher struct{ childTable }

// IsActive reports whether the attached loop runs. (asyncio: is_active)
func (w *loopWatcher) IsActive() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.loop != nil && w.loop.IsRunning()
}

// attach makes l call scan on each SIGCHLD, and calls it now: a child may have exited
// already.
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

// detach undoes attach, and warns if handlers are left without a loop.
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

// end removes all handlers and detaches the loop.
func (w *loopWatcher) end(call string) {
	w.mu.Lock()
	l := w.loop
	w.mu.Unlock()
	if l != nil {
		l.check(call) // panics before any change
	}
	w.clear()
	w.detach(call, true)
}

// closeWithLoop runs when the attached loop is closed. Handlers wait for the next loop,
// except those of transports, which would wait without end if there is none.
func (w *loopWatcher) closeWithLoop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loop = nil
	for pid := range w.handlers {
		if unwatch(pid) {
			delete(w.handlers, pid)
		}
	}
}

var errNotAttached = usagef("AddChildHandler", "this child watcher works by means of a loop: call AttachLoop first")

// SafeChildWatcher checks each of its children when the attached loop gets SIGCHLD, and
// no other process. Its cost: each SIGCHLD takes a system call for each child, so n
// children take n²/2. It notices nothing while the attached loop does not run,
// whichever loops the processes belong to. That loop cannot have another handler for
// SIGCHLD.
//
// The attached loop calls the callbacks; those of children that exited before the same
// SIGCHLD are called in the order in which they were added. AddChildHandler ignores its
// ctx, and needs an attached loop; otherwise the error matches [ErrUsage]. When the
// loop is detached or closed, waiting handlers wait for the next loop. The zero value
// is ready to use. It must not be copied.
//
// (asyncio: SafeChildWatcher, which may call callback inside add_child_handler)
//
// Deprecated: see AbstractChildWatcher.
type SafeChildWatcher struct {
	noEnterExit
	loopWatcher
}

// AddChildHandler implements [AbstractChildWatcher]. (asyncio: add_child_handler)
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
	w.poll(h) // the child may have exited already
	return nil
}

// AttachLoop registers with l for SIGCHLD, replacing a handler that l has for it, and
// leaves the loop that was attached before; nil means none, which is logged if children
// are waited for. The caller must hold the tokens of both loops, as for
// [Loop.AddSignalHandler]. A closed l, and one in a bubble of testing/synctest, are
// misuse.
//
// (asyncio: attach_loop)
func (w *SafeChildWatcher) AttachLoop(l *Loop) { w.attach("SafeChildWatcher.AttachLoop", l, w.scan) }

// Close removes all handlers without calling them, and detaches the loop, whose token
// the caller must hold. (asyncio: close)
func (w *SafeChildWatcher) Close() { w.end("SafeChildWatcher.Close") }

// FastChildWatcher waits for any child when the attached loop gets SIGCHLD, so the cost
// of a child does not depend on their number.
//
// It takes the status of every child of this process, even if other code has started
// it: a Wait of os/exec.Cmd and [os.Process] elsewhere in the program fails with
// ECHILD, and processes of this package without a handler get the return code 255. The
// status of an unknown child is logged. A child must be started, and its handler added,
// between Enter and Exit. Otherwise it is like [SafeChildWatcher]. The zero value is
// ready to use. It must not be copied.
//
// (asyncio: FastChildWatcher)
//
// Deprecated: see AbstractChildWatcher.
type FastChildWatcher struct {
	loopWatcher
	entered int
	zombies map[int]int // return codes of children that do not have a handler yet
}

// Enter announces that a child is about to be started: until Exit, the return codes of
// unknown children are kept for AddChildHandler. Calls nest. (asyncio: the with
// statement)
func (w *FastChildWatcher) Enter() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.entered++
}

// Exit ends Enter. The return codes that are left without a handler are dropped, and
// logged. An Exit without an Enter is misuse. (asyncio: the with statement)
func (w *FastChildWatcher) Exit() {
	w.mu.Lock()
	if w.entered == 0 {
		w.mu.Unlock()
		panic(usagef("FastChildWatcher.Exit", "called more often than Enter").as(ErrOverRelease))
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

// AddChildHandler implements [AbstractChildWatcher]. The error matches [ErrUsage] if
// Enter was not called. (asyncio: add_child_handler)
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
		err = usagef(call, "call Enter before the child is started, and Exit after this")
	case ended:
		delete(w.zombies, pid)
		statusTaken(pid)
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

// AttachLoop implements [AbstractChildWatcher]; see [SafeChildWatcher.AttachLoop]. It
// takes the status of all children that have exited. (asyncio: attach_loop)
func (w *FastChildWatcher) AttachLoop(l *Loop) { w.attach("FastChildWatcher.AttachLoop", l, w.takeAll) }

// Close removes all handlers without calling them, and detaches the loop, whose token
// the caller must hold. (asyncio: close)
func (w *FastChildWatcher) Close() {
	w.end("FastChildWatcher.Close")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zombies = nil
}

// takeAll takes the status of every child that has exited.
func (w *FastChildWatcher) takeAll() {
	for w.takeOne() {
	}
}

// takeOne takes the status of a child that has exited, and reports whether there was
// one.
func (w *FastChildWatcher) takeOne() bool {
	pid, code, h, unknown := w.takeAny()
	if h != nil {
		h.send()
	}
	if unknown {
		warnUnknown(pid, code)
	}
	return pid > 0
}

// takeAny takes the status of a child that has exited. pid is not positive if there is
// none. h is its handler, with the code set; without one the code is kept for
// AddChildHandler, or the child is unknown.
func (w *FastChildWatcher) takeAny() (pid, code int, h *childHandler, unknown bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.loop == nil {
		return 0, 0, nil, false
	}
	if pid, code, _ = takeStatus(-1); pid <= 0 {
		return 0, 0, nil, false
	}
	if h = w.handlers[pid]; h != nil {
		delete(w.handlers, pid)
		h.loop, h.code = w.loop, code
		return pid, code, h, false
	}
	if w.entered == 0 {
		return pid, code, nil, true
	}
	if w.zombies == nil {
		w.zombies = map[int]int{}
	}
	w.zombies[pid] = code
	return pid, code, nil, false
}

// MultiLoopChildWatcher checks each of its children when the process gets SIGCHLD, and
// no other process. It has a goroutine for that, so it works with any number of running
// loops, even none. Its cost: each SIGCHLD takes a system call for each child, so n
// children take n²/2.
//
// The loop of the ctx of AddChildHandler calls the callback; the caller must hold its
// token. While a callback waits, a virtual clock advances as if a task waited in
// [Receive]. If that loop is closed when the child exits, that is logged. The watcher
// is active from the first AttachLoop until Close. The zero value is ready to use. It
// must not be copied.
//
// (asyncio: MultiLoopChildWatcher, which replaces the program's own handler of SIGCHLD;
// here both get the signal)
//
// Deprecated: see AbstractChildWatcher.
type MultiLoopChildWatcher struct {
	noEnterExit
	childTable
	signals chan os.Signal // nil while inactive; guarded by mu
}

// AddChildHandler implements [AbstractChildWatcher]. (asyncio: add_child_handler)
func (w *MultiLoopChildWatcher) AddChildHandler(ctx context.Context, pid int, callback func(pid, returncode int)) error {
	h, err := newWaitingHandler(ctx, "MultiLoopChildWatcher.AddChildHandler", pid, callback)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.put(h)
	w.mu.Unlock()
	w.poll(h) // the child may have exited already
	return nil
}

// AttachLoop makes the watcher active; it ignores its argument. In a bubble of
// testing/synctest it is misuse. (asyncio: attach_loop)
func (w *MultiLoopChildWatcher) AttachLoop(*Loop) {
	if goid.InBubble() { // see Loop.AddSignalHandler
		panic(usagef("MultiLoopChildWatcher.AttachLoop", "there are no signals in a bubble of testing/synctest").as(errors.ErrUnsupported))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.signals != nil || !haveChildren {
		return
	}
	// Room for one signal is enough: each signal causes a scan that begins after it
	// has arrived.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, sigChild)
	w.signals = signals
	go func() {
		w.scan()
		for range signals {
			w.scan()
		}
	}()
}

// IsActive reports whether AttachLoop was called, and Close was not since. (asyncio:
// is_active)
func (w *MultiLoopChildWatcher) IsActive() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.signals != nil
}

// Close removes all handlers without calling them, and ends the goroutine. (asyncio:
// close)
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
