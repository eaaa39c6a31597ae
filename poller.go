package aio

// Descriptors. Where the system can tell which of many descriptors are ready, the loop asks it
// once in each pass, after the entries of the pass before have run: what is ready is queued behind
// what was queued until then, and before the timers that are due.
//
// There are two kinds of registration. A transport's is edge-triggered and made once: the poller
// says when the descriptor becomes ready, and the transport remembers that until a read or write
// tells otherwise. One who still has something to read has itself put on the hot list, and gets its
// turn in the next pass, as level-triggered polling would give it. AddReader and AddWriter are
// level-triggered, because what their callbacks do with the descriptor is not known.
//
// A descriptor is registered in one loop at a time, under one owner. Everything here is owned by the
// token, except for the wake-up of the system's poller, which any goroutine may call.
//
// The loop waits in the poller only while descriptors are registered. Otherwise it waits on Go's own
// primitives, so that it can live in a bubble of testing/synctest.

import (
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"
)

// readiness is what a poller found.
type readiness uint8

const (
	readable readiness = 1 << iota
	writable
	hungUp // the other end is gone, or there is an error: reads will end in EOF or tell
)

// pollable is the owner of a registered descriptor.
type pollable interface {
	// ready is called when a pass begins, with what was found. It only queues.
	ready(readiness)
	// discard closes what the owner holds, because the loop is closed.
	discard()
}

// descriptor is the registration of a file descriptor.
type descriptor struct {
	owner pollable
	key   uint32    // tells it from an earlier registration of the same number
	want  readiness // if it is level-triggered
}

// polling is the part of a loop that knows of descriptors.
type polling struct {
	sys  *sysPoller // nil until it is needed
	fds  []descriptor
	n    int // registered
	key  uint32
	hot  []pollable // that are still ready, as far as is known
	busy []pollable // hot, of the pass before, to be filled again
}

// idle reports whether there is nothing to ask the system about.
func (p *polling) idle() bool { return p.n == 0 && len(p.hot) == 0 }

// open makes the system's poller.
func (p *polling) open() (err error) {
	if p.sys == nil {
		p.sys, err = newSysPoller()
	}
	return err
}

// register has owner told what fd is ready for: each time it becomes ready, or as long as it is
// ready for something in level.
func (p *polling) register(fd int, owner pollable, level readiness) error {
	if err := p.open(); err != nil {
		return err
	}
	if p.ownerOf(fd) != nil {
		return &usageError{text: fmt.Sprintf("aio: descriptor %d is in use, by a transport or by AddReader or AddWriter", fd)}
	}
	p.key++
	if err := p.sys.add(fd, p.key, level); err != nil {
		return err
	}
	for fd >= len(p.fds) { // only now that fd is known to be a descriptor
		p.fds = append(p.fds, make([]descriptor, max(16, len(p.fds)))...)
	}
	p.fds[fd] = descriptor{owner, p.key, level}
	p.n++
	return nil
}

// unregister forgets fd, before it is closed.
func (p *polling) unregister(fd int) {
	p.sys.remove(fd, p.fds[fd].want)
	p.fds[fd] = descriptor{}
	p.n--
}

// ownerOf returns who has registered fd, nil if nobody has.
func (p *polling) ownerOf(fd int) pollable {
	if fd < 0 || fd >= len(p.fds) {
		return nil
	}
	return p.fds[fd].owner
}

// wait asks the system which descriptors are ready, waits for one at most d, and tells the owners.
// A negative d is no limit.
func (p *polling) wait(d time.Duration) {
	if len(p.hot) > 0 {
		p.hot, p.busy = p.busy[:0], p.hot
		for i, owner := range p.busy {
			owner.ready(0)
			p.busy[i] = nil
		}
		d = 0
	}
	if p.sys == nil {
		return
	}
	for i := range p.sys.wait(d) {
		fd, key, r := p.sys.event(i)
		if fd < len(p.fds) && p.fds[fd].key == key && p.fds[fd].owner != nil {
			p.fds[fd].owner.ready(r)
		}
	}
}

// close discards what is registered, and the system's poller.
func (p *polling) close() {
	for fd := range p.fds {
		if owner := p.fds[fd].owner; owner != nil {
			owner.discard()
		}
	}
	if p.sys != nil {
		p.sys.close()
	}
	*p = polling{}
}

// look takes what descriptors are ready into the pass that begins.
func (l *Loop) look() {
	if !l.polling.idle() {
		l.polling.wait(0)
	}
}

// block waits until a descriptor is ready or another goroutine hands something in, for at most d;
// a negative d is no limit. It does not wait if the inbox has something already.
func (l *Loop) block(d time.Duration) {
	p := &l.polling
	switch {
	case p.idle():
		l.blockOnGo(d)
	case d == 0 || len(p.hot) > 0 || !l.inbox.sleep(p.sys):
		p.wait(0)
	default:
		p.wait(d)
		l.inbox.awake()
	}
}

// blockOnGo is block without descriptors. It waits on a channel and a timer, nothing else, so that the
// loop is durably blocked in the sense of testing/synctest.
func (l *Loop) blockOnGo(d time.Duration) {
	if d == 0 || !l.inbox.sleep(nil) {
		return
	}
	if d < 0 {
		<-l.inbox.wake
		return
	}
	if l.alarm == nil {
		l.alarm = time.NewTimer(d)
	} else {
		l.alarm.Reset(d)
	}
	select {
	case <-l.inbox.wake:
		l.alarm.Stop()
	case <-l.alarm.C:
		l.inbox.awake()
	}
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
		w.loop.ready.push(event{w.reader, nil})
	}
	if w.writer != nil && r&(writable|hungUp) != 0 {
		w.loop.ready.push(event{w.writer, nil})
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

// errWouldBlock says that there is nothing to read, or no room to write, at the moment.
var errWouldBlock = errors.New("aio: would block")
