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
	return l.whenReady(ctx, call, watchable{fd: fd}, r, func() bool { return true })
}

// whenReady suspends the calling task, and calls try in each pass in which on is ready
// for r, until try reports that it is done. It does not call try once the task is
// cancelled.
func (l *Loop) whenReady(ctx context.Context, call string, on watchable, r netio.Readiness, try func() (done bool)) error {
	return l.whenReadyEach(ctx, call, on, r, false, try)
}

// whenReadyEach is whenReady. If anew is set, it unregisters on before each call of
// try, and registers it again if try is not done. The time of a registration decides
// the place of on among the ready descriptors.
func (l *Loop) whenReadyEach(ctx context.Context, call string, on watchable, r netio.Readiness, anew bool, try func() (done bool)) error {
	c, err := enter(ctx, call)
	if err != nil {
		return err
	}
	var w *waiter
	var h *Handle
	h = &Handle{loop: l, fn: func() {
		if w == nil || w.state != pending {
			return
		}
		if anew {
			l.unwatchHandle(on, r, h)
		}
		if try() {
			w.wake()
		} else if anew {
			if err := l.watch(call, on, r, h); err != nil {
				w.errRetrieved = true
				w.settle(failed, err)
			}
		}
	}}
	if err := l.watch(call, on, r, h); err != nil {
		return err
	}
	err = c.waitOnce(call, &w)
	l.unwatchHandle(on, r, h)
	h.cancel()
	return err
}

// unwatchHandle ends the registration of h for on, if that is still there: another reader
// may be registered by now, or the descriptor may belong to a transport.
func (l *Loop) unwatchHandle(on watchable, r netio.Readiness, h *Handle) {
	if at, ok := l.ownerOf(on).(*watcher); ok && *at.slot(r) == h {
		l.vacate(at, r)
	}
}

// triedSocket is a socket whose calls are tried at once, and again when the loop knows
// that it is ready. The descriptor of a Go value is used only through raw, which keeps
// it open during the use.
type triedSocket struct {
	loop *Loop
	call string
	watchable
	raw syscall.RawConn // nil if the user gave a number, or there is no descriptor
}

// use calls f while the descriptor is open.
func (s *triedSocket) use(f func() error) (err error) {
	if s.raw == nil {
		return f()
	}
	if cerr := s.raw.Control(func(uintptr) { err = f() }); cerr != nil {
		return cerr
	}
	return err
}

// receive calls try, and calls it again when the socket is readable, until it does not
// block.
func (s *triedSocket) receive(ctx context.Context, try func() error) error {
	return s.receiveWhen(ctx, try, func() {})
}

// receiveWhen is like receive, but calls ready when the poller has reported the socket.
// The report belongs to the task that waits for it, although that task reads one pass
// later: until then the socket has nothing for other tasks.
func (s *triedSocket) receiveWhen(ctx context.Context, try func() error, ready func()) error {
	for {
		if s.loop.reported[s.watchable] == 0 {
			if err := s.use(try); err != netio.ErrWouldBlock {
				return err
			}
		}
		mine := 0
		err := s.loop.whenReady(ctx, s.call, s.watchable, netio.Readable, func() bool {
			ready()
			mine = 1
			s.loop.addReported(s.watchable, mine)
			return true
		})
		s.loop.addReported(s.watchable, -mine)
		if err != nil {
			return err
		}
	}
}

// addReported adds n to the number of tasks for which on was reported as readable, and
// which have not run since.
func (l *Loop) addReported(on watchable, n int) {
	if n == 0 {
		return
	}
	if l.reported == nil {
		l.reported = map[watchable]int{}
	}
	if l.reported[on] += n; l.reported[on] == 0 {
		delete(l.reported, on)
	}
}

// send calls try, and calls it again, from the loop itself, each time the socket is
// writable, until it is done or fails.
func (s *triedSocket) send(ctx context.Context, try func() (done bool, err error)) error {
	return s.sendEach(ctx, false, try)
}

// sendEach is send; whenReadyEach describes anew.
func (s *triedSocket) sendEach(ctx context.Context, anew bool, try func() (done bool, err error)) error {
	var done bool
	var err error
	step := func() bool {
		err = s.use(func() (err error) {
			done, err = try()
			return err
		})
		if err == netio.ErrWouldBlock {
			err = nil
		}
		return done || err != nil
	}
	if step() {
		return err
	}
	if err := s.loop.whenReadyEach(ctx, s.call, s.watchable, netio.Writable, anew, step); err != nil {
		return err
	}
	return err
}

// watcher is the owner of a descriptor for AddReader and AddWriter.
type watcher struct {
	loop           *Loop
	on             watchable
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
// Call RemoveReader before closing the descriptor. Otherwise fn is no longer called,
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

// AddWriter is like AddReader, for writing. (asyncio: loop.add_writer)
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
	on, err := l.watchableOf(call, file)
	if err != nil {
		return err
	}
	return l.watch(call, on, r, h)
}

// watchableOf returns the descriptor or simulated socket of a user's value.
func (l *Loop) watchableOf(call string, file any) (watchable, error) {
	if s, ok := l.files.(simulatedFiles); ok {
		sim, err := s.userSocket(call, file)
		return watchable{sim: sim}, err
	}
	fd, _, err := descriptorOf(call, file)
	return watchable{fd: fd}, err
}

// watch makes the loop call h in each pass in which on is ready for r.
func (l *Loop) watch(call string, on watchable, r netio.Readiness, h *Handle) error {
	w, err := l.watcherOf(call, on)
	if err != nil {
		return err
	}
	fd := on.fd
	fail := func(err error) error { return fmt.Errorf("aio: %s: descriptor %d: %w", call, fd, err) }
	switch {
	case on.sim != nil:
		if w == nil {
			w = &watcher{loop: l, on: on}
		}
		on.sim.Watch(w, w.want()|r)
	case w != nil:
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
		w = &watcher{loop: l, on: on}
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

// cancel cancels both callbacks of a descriptor that is no longer registered.
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
	on, err := l.watchableOf(call, file)
	if err != nil {
		return false, err
	}
	w, err := l.watcherOf(call, on)
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
	l.vacate(w, r)
	return true
}

// vacate ends the registration of the callback for r.
func (l *Loop) vacate(w *watcher, r netio.Readiness) {
	*w.slot(r) = nil
	switch want := w.want(); {
	case w.on.sim != nil:
		w.on.sim.Watch(w, want)
	case want != 0:
		// a failure to remove an interest does not matter
		_ = l.polling.modify(w.on.fd, want)
	default:
		l.polling.unregister(w.on.fd)
	}
}

// ownerOf returns the owner of on, nil if it has none.
func (l *Loop) ownerOf(on watchable) netio.Owner {
	if on.sim != nil {
		return on.sim.Watcher()
	}
	return l.polling.ownerOf(on.fd)
}

// watcherOf returns the watcher of on, nil if there is none, or an error if a transport
// has it.
func (l *Loop) watcherOf(call string, on watchable) (*watcher, error) {
	switch owner := l.ownerOf(on).(type) {
	case nil:
		return nil, nil
	case *watcher:
		return owner, nil
	}
	return nil, usagef(call, "descriptor %d is in use by a transport", on.fd)
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
	return -1, nil, usagef(call, "%v (a %T) is not a descriptor: use its number, or a syscall.Conn such as *os.File or *net.TCPConn", file, file)
}
