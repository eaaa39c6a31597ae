package aio

// Descriptors that the user owns: AddReader and AddWriter, and calls that wait until a
// descriptor is ready. A watcher is the poller's entry for such a descriptor; it holds
// the handles of the reader and the writer, and is registered while there is at least
// one of them.

import (
	"context"
	"fmt"
	"math"
	"syscall"

	"github.com/goaio/aio/internal/netio"
)

// awaitDescriptor suspends the calling task until fd is ready for r.
func (l *Loop) awaitDescriptor(ctx context.Context, call string, fd int, r netio.Readiness) error {
	return l.whenReady(ctx, call, fd, r, func() bool { return true })
}

// whenReady suspends the calling task, and calls try in each pass in which fd is ready
// for r, until try reports that it is done. It does not call try once the task is
// cancelled.
func (l *Loop) whenReady(ctx context.Context, call string, fd int, r netio.Readiness, try func() (done bool)) error {
	c, err := enter(ctx, call)
	if err != nil {
		return err
	}
	var w *waiter
	h := &Handle{loop: l, fn: func() {
		if w != nil && w.state == pending && try() {
			w.wake()
		}
	}}
	if err := l.watch(call, fd, r, h); err != nil {
		return err
	}
	err = c.waitOnce(call, &w)
	// Another reader may be registered for fd by now, or the descriptor may belong
	// to a transport.
	if at, ok := l.polling.ownerOf(fd).(*watcher); ok && *at.slot(r) == h {
		l.unwatch(at, r)
	}
	h.cancel()
	return err
}

// watcher is the owner of a descriptor for AddReader and AddWriter.
type watcher struct {
	loop           *Loop
	fd             int
	reader, writer *Handle
}

// Ready implements netio.Owner. Both callbacks learn of a hang-up or error.
func (w *watcher) Ready(r netio.Readiness) {
	if w.reader != nil && r&(netio.Readable|netio.HungUp) != 0 {
		w.loop.enqueue(w.reader)
	}
	if w.writer != nil && r&(netio.Writable|netio.HungUp) != 0 {
		w.loop.enqueue(w.writer)
	}
}

// Discard implements netio.Owner. The descriptor belongs to the user.
func (w *watcher) Discard() {}

// want returns the kinds of readiness for which w has callbacks.
func (w *watcher) want() (r netio.Readiness) {
	if w.reader != nil {
		r |= netio.Readable
	}
	if w.writer != nil {
		r |= netio.Writable
	}
	return r
}

// slot returns the field for the callback for r.
func (w *watcher) slot(r netio.Readiness) **Handle {
	if r == netio.Readable {
		return &w.reader
	}
	return &w.writer
}

// AddReader calls fn in each pass in which fd can be read from without blocking, or its
// other end is closed, until [Loop.RemoveReader]. fd is the number of a descriptor (int
// or uintptr), or a value that has one, such as [*os.File], [*net.TCPConn] and
// [net.Listener] ([syscall.Conn]). A reader that fd already has is replaced; a writer
// stays. Make the descriptor non-blocking, or fn may block when another reader was
// faster.
//
// Call RemoveReader before closing the descriptor. Otherwise fn is not called any more,
// and the next registration under the same number, by AddReader, a Sock call or a
// connection, takes its place.
//
// The error matches [ErrUsage] if fd is none of these or belongs to a transport, which
// gives it up when its ConnectionLost has returned, and [errors.ErrUnsupported] where
// the system has no poller (Windows, js). AddReader panics with [ErrLoopClosed] if the
// loop is closed.
//
// (asyncio: loop.add_reader, which accepts the descriptor of a transport as soon as the
// transport is closing)
func (l *Loop) AddReader(fd any, fn func()) error {
	return l.addWatch("Loop.AddReader", fd, netio.Readable, fn)
}

// AddWriter is AddReader for writing. (asyncio: loop.add_writer)
func (l *Loop) AddWriter(fd any, fn func()) error {
	return l.addWatch("Loop.AddWriter", fd, netio.Writable, fn)
}

// RemoveReader undoes [Loop.AddReader] for fd, even if its callback is due in this
// pass, and reports whether there was a reader. The error matches [ErrUsage] if fd has
// no descriptor, or belongs to a transport. (asyncio: loop.remove_reader)
func (l *Loop) RemoveReader(fd any) (bool, error) {
	return l.removeWatch("Loop.RemoveReader", fd, netio.Readable)
}

// RemoveWriter undoes [Loop.AddWriter]. (asyncio: loop.remove_writer)
func (l *Loop) RemoveWriter(fd any) (bool, error) {
	return l.removeWatch("Loop.RemoveWriter", fd, netio.Writable)
}

func (l *Loop) addWatch(call string, file any, r netio.Readiness, fn func()) error {
	if err := l.checked(call); err != nil {
		return err
	}
	if l.closed.Load() {
		return &callError{call, ErrLoopClosed}
	}
	if fn == nil {
		return usagef(call, "the callback is nil")
	}
	h := l.newHandle(call, fn)
	fd, _, err := descriptorOf(call, file)
	if err != nil {
		return err
	}
	return l.watch(call, fd, r, h)
}

// watch calls h while fd is ready for r.
func (l *Loop) watch(call string, fd int, r netio.Readiness, h *Handle) error {
	w, err := l.watcherOf(call, fd)
	if err != nil {
		return err
	}
	fail := func(err error) error { return fmt.Errorf("aio: %s: descriptor %d: %w", call, fd, err) }
	if w != nil {
		closed, err := l.polling.closed(fd, w.want()|r)
		switch {
		case err != nil:
			return fail(err)
		case closed:
			w.cancel()
			w = nil
		}
	}
	if w == nil {
		w = &watcher{loop: l, fd: fd}
		if err := l.polling.register(fd, w, r); err != nil {
			return fail(err)
		}
	}
	if old := *w.slot(r); old != nil {
		old.cancel()
	}
	*w.slot(r) = h
	return nil
}

// cancel cancels both callbacks of a descriptor that is not registered any more.
func (w *watcher) cancel() {
	for _, h := range []*Handle{w.reader, w.writer} {
		if h != nil {
			h.cancel()
		}
	}
	w.reader, w.writer = nil, nil
}

func (l *Loop) removeWatch(call string, file any, r netio.Readiness) (bool, error) {
	if err := l.checked(call); err != nil {
		return false, err
	}
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

// unwatch removes the callback for r, and reports whether there was one.
func (l *Loop) unwatch(w *watcher, r netio.Readiness) bool {
	h := *w.slot(r)
	if h == nil {
		return false
	}
	h.cancel()
	*w.slot(r) = nil
	if want := w.want(); want != 0 {
		// a failure to remove an interest does not matter
		_ = l.polling.modify(w.fd, want)
	} else {
		l.polling.unregister(w.fd)
	}
	return true
}

// watcherOf returns the watcher of fd, nil if there is none, or an error if a transport
// has it.
func (l *Loop) watcherOf(call string, fd int) (*watcher, error) {
	switch owner := l.polling.ownerOf(fd).(type) {
	case nil:
		return nil, nil
	case *watcher:
		return owner, nil
	}
	return nil, usagef(call, "descriptor %d is in use by a transport", fd)
}

// descriptorOf returns the descriptor that a user's value is or has; in the latter case
// also the value that keeps it open during a use.
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
	return -1, nil, usagef(call, "%v (a %T) is no descriptor: it takes a number, or a syscall.Conn such as *os.File or *net.TCPConn", file, file)
}
