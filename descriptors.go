package aio

// Descriptors of the user's own: AddReader and AddWriter, and calls that wait until one is
// ready. A watcher is what the poller knows of such a descriptor; it holds the handle of the
// reader and that of the writer, and is registered for as long as there is one of them.

import (
	"context"
	"fmt"
	"math"
	"syscall"
)

// awaitDescriptor suspends the calling task until fd is ready for r.
func (l *Loop) awaitDescriptor(ctx context.Context, call string, fd int, r readiness) error {
	return l.whenReady(ctx, call, fd, r, func() bool { return true })
}

// whenReady suspends the calling task, and has try called in each pass in which fd is ready for r until
// it reports that it is done. It is not called once the task is cancelled.
func (l *Loop) whenReady(ctx context.Context, call string, fd int, r readiness, try func() (done bool)) error {
	c, err := enter(ctx, call)
	if err != nil {
		return err
	}
	w := l.newWaiter(call)
	h := &Handle{loop: l, fn: func() {
		if w.state == pending && try() {
			w.wake()
		}
	}}
	if err := l.watch(call, fd, r, h); err != nil {
		l.freeWaiter(w)
		return err
	}
	err = c.await(&w.future)
	// Somebody else may wait for fd by now, or the descriptor be a transport's.
	if at, ok := l.polling.ownerOf(fd).(*watcher); ok && *at.slot(r) == h {
		l.unwatch(at, r)
	}
	h.cancel()
	l.freeWaiter(w)
	return err
}

// watcher is the owner of a descriptor for AddReader and AddWriter.
type watcher struct {
	loop           *Loop
	fd             int
	reader, writer *Handle
}

// ready implements pollable. A hang-up or error is for both to find out.
func (w *watcher) ready(r readiness) {
	if w.reader != nil && r&(readable|hungUp) != 0 {
		w.loop.enqueue(w.reader)
	}
	if w.writer != nil && r&(writable|hungUp) != 0 {
		w.loop.enqueue(w.writer)
	}
}

// discard implements pollable. The descriptor is the user's.
func (w *watcher) discard() {}

// want is what w has callbacks for.
func (w *watcher) want() (r readiness) {
	if w.reader != nil {
		r |= readable
	}
	if w.writer != nil {
		r |= writable
	}
	return r
}

// slot is where the callback for r is.
func (w *watcher) slot(r readiness) **Handle {
	if r == readable {
		return &w.reader
	}
	return &w.writer
}

// AddReader has fn called in each pass in which fd can be read from without blocking, or its other
// end is gone, until RemoveReader. fd is the number of a descriptor (int or uintptr) or something that
// has one, as *os.File, *net.TCPConn and net.Listener have (syscall.Conn). If there is a reader for fd
// it is replaced; a writer stays. The descriptor must be non-blocking if fn is not to block when
// another one has read before it. Remove it before closing the descriptor.
//
// The error matches ErrUsage if fd is none of these or belongs to a transport, which ends when its
// ConnectionLost has returned, and errors.ErrUnsupported where the system has no poller (Windows, js). It
// panics with ErrLoopClosed if the loop is closed. (asyncio: loop.add_reader, which allows it from the
// moment in which the transport is closing)
func (l *Loop) AddReader(fd any, fn func()) error {
	return l.addWatch("Loop.AddReader", fd, readable, fn)
}

// AddWriter is AddReader for writing. (asyncio: loop.add_writer)
func (l *Loop) AddWriter(fd any, fn func()) error {
	return l.addWatch("Loop.AddWriter", fd, writable, fn)
}

// RemoveReader ends AddReader for fd, also if its callback is due in this pass, and reports whether
// there was one. An error that matches ErrUsage says that fd has no descriptor, or belongs to a
// transport. (asyncio: loop.remove_reader)
func (l *Loop) RemoveReader(fd any) (bool, error) {
	return l.removeWatch("Loop.RemoveReader", fd, readable)
}

// RemoveWriter ends AddWriter as RemoveReader does AddReader. (asyncio: loop.remove_writer)
func (l *Loop) RemoveWriter(fd any) (bool, error) {
	return l.removeWatch("Loop.RemoveWriter", fd, writable)
}

func (l *Loop) addWatch(call string, file any, r readiness, fn func()) error {
	l.check(call)
	l.mustBeOpen(call)
	h := l.newHandle(call, fn)
	fd, _, err := descriptorOf(call, file)
	if err != nil {
		return err
	}
	return l.watch(call, fd, r, h)
}

// watch has h called while fd is ready for r.
func (l *Loop) watch(call string, fd int, r readiness, h *Handle) error {
	w, err := l.watcherOf(call, fd)
	if err != nil {
		return err
	}
	if w == nil {
		w = &watcher{loop: l, fd: fd}
		if err := l.polling.register(fd, w, r); err != nil {
			return fmt.Errorf("aio: %s: descriptor %d: %w", call, fd, err)
		}
	}
	if old := *w.slot(r); old != nil {
		old.cancel()
	}
	*w.slot(r) = h
	if err := l.rewatch(w); err != nil { // the descriptor was closed without being removed before
		l.unwatch(w, r)
		return fmt.Errorf("aio: %s: descriptor %d: %w", call, fd, err)
	}
	return nil
}

func (l *Loop) removeWatch(call string, file any, r readiness) (bool, error) {
	l.check(call)
	if l.closed.Load() {
		return false, nil
	}
	fd, _, err := descriptorOf(call, file)
	if err != nil {
		return false, err
	}
	w, err := l.watcherOf(call, fd)
	if w == nil {
		return false, err
	}
	return l.unwatch(w, r), nil
}

// unwatch takes the callback for r away, and reports whether there was one.
func (l *Loop) unwatch(w *watcher, r readiness) bool {
	h := *w.slot(r)
	if h == nil {
		return false
	}
	h.cancel()
	*w.slot(r) = nil
	_ = l.rewatch(w) // taking away cannot fail in a way that matters
	return true
}

// rewatch tells the system what w wants now.
func (l *Loop) rewatch(w *watcher) error {
	d := &l.polling.fds[w.fd]
	want := w.want()
	switch {
	case want == 0:
		l.polling.unregister(w.fd)
	case want != d.want:
		if err := l.polling.sys.change(w.fd, d.key, d.want, want); err != nil {
			return err
		}
		d.want = want
	}
	return nil
}

// watcherOf returns the watcher of fd, nil if there is none, or an error if a transport has it.
func (l *Loop) watcherOf(call string, fd int) (*watcher, error) {
	switch owner := l.polling.ownerOf(fd).(type) {
	case nil:
		return nil, nil
	case *watcher:
		return owner, nil
	}
	return nil, &usageError{text: fmt.Sprintf("aio: %s: descriptor %d is in use by a transport", call, fd)}
}

// descriptorOf returns the descriptor that a user's value is or has, in the latter case with what keeps
// it open during a use.
func descriptorOf(call string, file any) (fd int, raw syscall.RawConn, err error) {
	switch f := file.(type) {
	case int:
		if 0 <= f && f <= math.MaxInt32 {
			return f, nil, nil
		}
	case uintptr:
		if f <= math.MaxInt32 {
			return int(f), nil, nil
		}
	case syscall.Conn:
		raw, err := f.SyscallConn()
		if err == nil {
			err = raw.Control(func(n uintptr) { fd = int(n) })
		}
		return fd, raw, err
	}
	return -1, nil, &usageError{text: fmt.Sprintf("aio: %s: %v (a %T) is no descriptor: it takes a number, or a syscall.Conn such as *os.File or *net.TCPConn", call, file, file)}
}
