package aio

// The watchers that wait for each child by itself. They have an os.Process of it, which
// is of this one process where the system has descriptors of processes, and elsewhere
// knows when it has ended: then it sends no more signals, which a transport relies on
// whose process it is.

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// ThreadedChildWatcher has a goroutine wait for each child. It needs no signals and no
// attached loop, leaves other children alone, and a child costs the same however many
// there are. Its price is a goroutine for each, and where Go cannot wait otherwise, a
// thread of the system.
//
// Callbacks are called by the loop of the ctx that AddChildHandler was given, of which
// the caller must hold the token; while one waits, time of a virtual clock goes on as if
// a task waited in Receive. If that loop is closed when the child ends, that is logged.
// The status is taken even if nobody asks any more. The zero value is ready. It must not
// be copied. (asyncio: ThreadedChildWatcher)
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
	// nil if nobody asks any more; guarded by the watcher's mutex
	handler *childHandler
}

// AddChildHandler implements AbstractChildWatcher. (asyncio: add_child_handler, which
// does not replace)
func (w *ThreadedChildWatcher) AddChildHandler(ctx context.Context, pid int, callback func(pid, returncode int)) error {
	h, err := newWaitingHandler(ctx, "ThreadedChildWatcher.AddChildHandler", pid, callback)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// One whose status was taken a moment ago had the same id, and its goroutine is
	// about to say so.
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

// RemoveChildHandler takes AddChildHandler back, and reports whether there was a callback
// to take. The status of the child is taken all the same. (asyncio: remove_child_handler,
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

// Close does nothing: goroutines wait on, and callbacks are called. (asyncio: close)
func (w *ThreadedChildWatcher) Close() {}

// PidfdChildWatcher has the loop wait for descriptors of processes. It needs no signals,
// no goroutines and no attached loop, leaves other children alone, and a child costs the
// same however many there are. Its price is a descriptor for each child, and that only
// Linux has them, since 5.3.
//
// Callbacks are called by the loop of the ctx that AddChildHandler was given, of which
// the caller must hold the token. If the loop is closed first, a goroutine waits for the
// child, and its end is logged. Where there are no such descriptors AddChildHandler
// returns an error that matches errors.ErrUnsupported; it may also be the system's, as
// when there are too many. The zero value is ready. It must not be copied. (asyncio:
// PidfdChildWatcher, as since 3.12)
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

// RemoveChildHandler takes AddChildHandler back, and reports whether there was a callback
// to take. The status of the child is left for others. (asyncio: remove_child_handler,
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

// Close does nothing: descriptors are waited for, and callbacks are called. (asyncio:
// close)
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
	c.handler.setStatus(c.Wait())
	c.release()
	c.handler.send()
}

// run implements runnable: nobody asks any more.
func (c *pidfdWait) run(*future) {
	c.close()
	c.release()
}

// closeWithLoop is called when the loop is closed.
func (c *pidfdWait) closeWithLoop() {
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
