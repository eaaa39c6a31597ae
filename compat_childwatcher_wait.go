package aio

// The watchers that wait for each child separately. They have an os.Process for the
// child. On systems with process descriptors, the os.Process refers to exactly this
// process. On other systems it records that the process has exited, and then sends no
// more signals. Transports rely on this.

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// ThreadedChildWatcher starts a goroutine for each child, which waits for it. It needs
// no signals and no attached loop, does not touch other children, and the cost of a
// child does not depend on their number. Its cost is a goroutine for each child, and a
// thread where Go cannot wait otherwise.
//
// The loop of the ctx of AddChildHandler calls the callback; the caller must hold its
// token. While a callback waits, a virtual clock advances as if a task waited in
// [Receive]. If that loop is closed when the child exits, that is logged. The status is
// collected even after RemoveChildHandler. The zero value is ready to use. It must not be
// copied.
//
// (asyncio: ThreadedChildWatcher)
//
// Deprecated: see AbstractChildWatcher.
type ThreadedChildWatcher struct {
	noEnterExit
	mu    sync.Mutex
	waits map[int]*childWait
}

// childWait is a goroutine that waits for a child.
type childWait struct {
	childProcess
	// nil once the handler was removed; guarded by the watcher's mutex
	handler *childHandler
}

// AddChildHandler implements [AbstractChildWatcher]. (asyncio: add_child_handler, which
// does not replace)
func (w *ThreadedChildWatcher) AddChildHandler(ctx context.Context, pid int, callback func(pid, returncode int)) error {
	h, err := newWaitingHandler(ctx, "ThreadedChildWatcher.AddChildHandler", pid, callback)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// An earlier child had the same id; its status was collected a moment ago, and
	// its goroutine has not recorded that yet.
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
		h.setStatus(state, err)
		h.send()
	}
}

// RemoveChildHandler undoes AddChildHandler, and reports whether there was a callback
// to remove. The status of the child is still taken. (asyncio: remove_child_handler,
// which does nothing)
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

// Close does nothing: the goroutines continue to wait, and callbacks are called.
// (asyncio: close)
func (w *ThreadedChildWatcher) Close() {}

// PidfdChildWatcher makes the loop wait for descriptors of processes. It needs no
// signals, no goroutines and no attached loop, does not touch other children, and the
// cost of a child does not depend on their number. Its cost is a descriptor for each
// child. Only Linux has such descriptors, since 5.3.
//
// The loop of the ctx of AddChildHandler calls the callback; the caller must hold its
// token. If the loop is closed first, a goroutine waits for the child, and its exit is
// logged. Without such descriptors AddChildHandler returns an error that matches
// [errors.ErrUnsupported]; it may also return an error of the system, for example when
// there are too many descriptors. The zero value is ready to use. It must not be
// copied.
//
// (asyncio: PidfdChildWatcher, as since 3.12)
//
// Deprecated: see AbstractChildWatcher.
type PidfdChildWatcher struct {
	noEnterExit
	mu    sync.Mutex
	waits map[int]*pidfdWait
}

// pidfdWait is a descriptor of a child. The loop's token owns it.
type pidfdWait struct {
	childProcess
	watcher *PidfdChildWatcher
	handler *childHandler
	fd      *os.File // nil once the descriptor is closed
}

// AddChildHandler implements [AbstractChildWatcher]. (asyncio: add_child_handler)
func (w *PidfdChildWatcher) AddChildHandler(ctx context.Context, pid int, callback func(pid, returncode int)) error {
	const call = "PidfdChildWatcher.AddChildHandler"
	l, err := loopFor(ctx, call)
	if err != nil {
		return err
	}
	if l.closed.Load() {
		return &callError{call, ErrLoopClosed}
	}
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

// RemoveChildHandler undoes AddChildHandler, and reports whether there was a callback
// to remove. It does not take the status of the child. (asyncio: remove_child_handler,
// which does nothing)
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

// Close does nothing: the loops continue to wait, and callbacks are called. (asyncio:
// close)
func (w *PidfdChildWatcher) Close() {}

// claim removes c from the watcher, and reports whether it was there.
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

// ready runs when the child has exited.
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
	c.handler.setStatus(c.Wait())
	c.release()
	c.handler.send()
}

// run implements runnable: the handler was removed.
func (c *pidfdWait) run(*future) {
	c.close()
	c.release()
}

// closeWithLoop runs when the loop is closed.
func (c *pidfdWait) closeWithLoop() {
	c.close()
	if c.claim() {
		go c.tell()
	} else {
		c.release()
	}
}

// childProcess is the os.Process of a child, which belongs to a transport or to the
// watcher.
type childProcess struct {
	*os.Process
	own bool
}

// release releases a process that belongs to the watcher, even if there was no status
// to take.
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
