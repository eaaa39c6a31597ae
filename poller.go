package aio

// Descriptors. Where the system can tell which of many descriptors are ready, the loop
// asks it once in each pass, after the entries of the previous pass have run: ready
// descriptors are queued behind all that was queued until then, and before the timers
// that are due.
//
// There are two kinds of registration. The registration of a transport is
// edge-triggered and made once: the poller reports when the descriptor becomes ready,
// and the transport remembers that until a read or write shows otherwise. A transport
// that has more to read puts itself on the hot list, and runs in the next pass, as with
// level-triggered polling. AddReader and AddWriter are level-triggered, because the
// poller does not know what their callbacks do with the descriptor.
//
// Descriptors that are ready in the same pass run in the order of asyncio, where all
// registrations are level-triggered: first those that the previous wait has reported
// too, in its order, and then the others, in the order in which they became ready. The
// kernel keeps such a list, so that is its order for level-triggered registrations. An
// edge comes at the time of its event, so wait sorts, where that makes a difference.
//
// A descriptor is registered in one loop at a time, with one owner. The token owns
// everything here, except for the wake-up of the system's poller, which any goroutine
// may call.
//
// The loop waits in the poller only while descriptors are registered. Otherwise it
// waits with Go's own primitives, so that it can run in a bubble of testing/synctest.

import (
	"runtime"
	"slices"
	"time"

	"github.com/goaio/aio/internal/netio"
	"github.com/goaio/aio/internal/poll"
)

// descriptor is the registration of a file descriptor.
type descriptor struct {
	owner netio.Owner
	key   uint32          // distinguishes registrations of the same number
	want  netio.Readiness // in the form of package poll
	added bool            // the descriptor is registered with the system
	muted uint8           // if not 0, reports of Writable are dropped: see mute
	// the number of the last wait that reported it, 0 for none, and its place in
	// that report
	turn, place uint32
}

// watchable is a socket or file for which a user may have callbacks: a descriptor or,
// in a simulated network, its counterpart.
type watchable struct {
	fd  int
	sim netio.UserSocket // nil for a descriptor
}

// polling is the part of a loop that handles descriptors.
type polling struct {
	sys  *poll.Poller // nil until a poller is needed
	fds  []descriptor
	n    int // registered
	key  uint32
	hot  []hotOwner
	turn uint32 // how many waits there were
	// how many of these waits block has made, see waitsPerYield
	blocks uint32

	// buffers of wait, for reuse
	reports []readyReport
	order   []uint64 // the keys of the reports, each with the index of its report
}

// hotOwner is an owner that is still ready, as far as is known.
type hotOwner struct {
	owner netio.Owner
	fd    int // -1 if the owner has none
}

// readyReport is a report of wait to an owner. r is the event, or 0 if the owner is on
// the hot list.
type readyReport struct {
	owner netio.Owner
	r     netio.Readiness
	fd    int
}

// idle reports whether there is no need to ask the system.
func (p *polling) idle() bool { return p.n == 0 && len(p.hot) == 0 }

// open makes the system's poller.
func (p *polling) open() (err error) {
	if p.sys == nil {
		p.sys, err = poll.New()
	}
	return err
}

// register tells owner when fd becomes ready, for the kinds in want.
func (p *polling) register(fd int, owner netio.Owner, want netio.Readiness) error {
	if err := p.mayOwn(fd); err != nil {
		return err
	}
	p.key++
	if err := p.sys.Add(fd, p.key, want); err != nil {
		return err
	}
	// only now is fd known to be a descriptor
	p.own(fd, descriptor{owner: owner, key: p.key, want: want, added: true})
	return nil
}

// reserve makes owner the owner of fd, an open descriptor. The owner gets no
// notification before renew.
func (p *polling) reserve(fd int, owner netio.Owner, want netio.Readiness) error {
	if err := p.mayOwn(fd); err != nil {
		return err
	}
	p.key++
	p.own(fd, descriptor{owner: owner, key: p.key, want: want})
	return nil
}

// mayOwn returns an error if fd cannot get an owner.
func (p *polling) mayOwn(fd int) error {
	if err := p.open(); err != nil {
		return err
	}
	if p.ownerOf(fd) != nil {
		if closed, _ := p.closed(fd, p.fds[fd].want); !closed {
			return usagef("", "descriptor %d is in use, by a transport or by AddReader or AddWriter", fd)
		}
	}
	return nil
}

func (p *polling) own(fd int, d descriptor) {
	for fd >= len(p.fds) {
		p.fds = append(p.fds, make([]descriptor, max(16, len(p.fds)))...)
	}
	p.fds[fd] = d
	p.n++
}

// unregister forgets fd, before it is closed.
func (p *polling) unregister(fd int) {
	if d := &p.fds[fd]; d.added {
		p.sys.Remove(fd, d.want)
	}
	p.fds[fd] = descriptor{}
	p.n--
}

// modify changes the kinds of readiness for which fd is registered.
func (p *polling) modify(fd int, want netio.Readiness) error {
	d := &p.fds[fd]
	d.muted = 0
	if want == d.want {
		return nil
	}
	if d.added {
		if err := p.sys.Change(fd, d.key, d.want, want); err != nil {
			return err
		}
	}
	d.want = want
	return nil
}

// mute drops the reports that fd is writable, until modify asks for them again. Neither
// takes a system call, because fd remains registered for Writable. mute is for pipes:
// the kernel makes one report each time that a full pipe has room again. The second
// report that is dropped in a row ends the registration for Writable.
func (p *polling) mute(fd int) {
	if d := &p.fds[fd]; d.want&netio.Writable != 0 && d.muted == 0 {
		d.muted = 1
	}
}

// heard returns r, a report about fd, without the muted kinds of readiness.
func (p *polling) heard(fd int, r netio.Readiness) netio.Readiness {
	d := &p.fds[fd]
	if d.muted == 0 || r&netio.Writable == 0 {
		return r
	}
	if d.muted++; d.muted > 2 {
		// cannot fail for a registered descriptor
		_ = p.modify(fd, d.want&^netio.Writable)
	}
	return r &^ netio.Writable
}

// withdraw makes the system report nothing about fd, until renew.
func (p *polling) withdraw(fd int) {
	if d := &p.fds[fd]; d.added {
		p.sys.Withdraw(fd, d.want)
		d.added = false
		d.turn = 0
	}
}

// renew registers fd with the system, again if need be: its readiness is reported as if
// it had just begun, after all descriptors that are ready already. With keep, a
// descriptor that was reported in this pass keeps its place.
func (p *polling) renew(fd int, keep bool) error {
	d := &p.fds[fd]
	if keep && d.added && d.turn == p.turn {
		return p.sys.Change(fd, d.key, d.want, d.want)
	}
	p.withdraw(fd)
	if err := p.sys.Add(fd, d.key, d.want); err != nil {
		return err
	}
	d.added = true
	return nil
}

// closed asks for want at a level-triggered registration, even if that has it already,
// and reports whether fd was closed without being removed first, and names another file
// now. Then the registration is dropped, so that it does not affect the new owner of
// the number.
func (p *polling) closed(fd int, want netio.Readiness) (bool, error) {
	d := &p.fds[fd]
	if d.want&poll.Edges != 0 || !d.added {
		return false, nil // a transport's descriptor, which it closes itself
	}
	switch err := p.sys.Change(fd, d.key, d.want, want); err {
	case nil:
		d.want = want
		return false, nil
	case poll.ErrGone:
		*d = descriptor{}
		p.n--
		return true, nil
	default:
		return false, err
	}
}

// again queues owner for the next pass, because it is still ready as far as it knows.
// fd is its descriptor, or -1.
func (p *polling) again(owner netio.Owner, fd int) { p.hot = append(p.hot, hotOwner{owner, fd}) }

// notReady says that fd is on the hot list, but not ready: the next report is a new one.
func (p *polling) notReady(fd int) { p.fds[fd].turn = 0 }

// ownerOf returns the owner that has registered fd, or nil.
func (p *polling) ownerOf(fd int) netio.Owner {
	if fd < 0 || fd >= len(p.fds) {
		return nil
	}
	return p.fds[fd].owner
}

// wait asks the system which descriptors are ready, waits for one for at most d, and
// notifies the owners. A negative d means no limit.
func (p *polling) wait(d time.Duration) {
	if len(p.hot) > 0 {
		d = 0
	}
	n := 0
	if p.sys != nil {
		n = p.sys.Wait(d)
	}
	p.collect(n)
	p.turn++
	for i, key := range p.order {
		r := &p.reports[key%maxReports]
		if r.fd >= 0 {
			at := &p.fds[r.fd]
			at.turn, at.place = p.turn, uint32(i)
		}
		r.owner.Ready(r.r)
		r.owner = nil
	}
}

// The keys order the reports of a wait. A key has three parts. The highest part is
// keyPlaced if the previous wait has reported the descriptor too; otherwise it is 0 for
// an owner on the hot list and keyNew for an event of the system. The next part is the
// place in the previous wait, and the last part is the index of the report.
const (
	maxReports = 1 << 24
	keyPlaced  = 1 << 56
	keyNew     = 2 << 56
)

// collect puts the hot list and the n events of the system into reports, and their order
// into order.
func (p *polling) collect(n int) {
	p.reports, p.order = p.reports[:0], p.order[:0]
	sorted, last := true, uint64(0)
	for i, h := range p.hot {
		fd, key := -1, uint64(0)
		if h.fd >= 0 && p.fds[h.fd].owner == h.owner {
			fd, key = h.fd, p.keyOf(h.fd, 0)
		}
		key += uint64(i)
		sorted, last = sorted && key >= last, key
		p.reports, p.order = append(p.reports, readyReport{h.owner, 0, fd}), append(p.order, key)
		p.hot[i].owner = nil
	}
	p.hot = p.hot[:0]
	for i := range n {
		fd, k, r := p.sys.Event(i)
		if fd >= len(p.fds) || p.fds[fd].key != k || p.fds[fd].owner == nil {
			continue
		}
		if r = p.heard(fd, r); r == 0 {
			continue
		}
		// If fd is on the hot list too, this report comes after that entry,
		// because its index is greater.
		key := p.keyOf(fd, keyNew) + uint64(len(p.reports))
		sorted, last = sorted && key >= last, key
		p.reports, p.order = append(p.reports, readyReport{p.fds[fd].owner, r, fd}), append(p.order, key)
	}
	if !sorted {
		slices.Sort(p.order)
	}
}

// keyOf returns the key, without the index, of a report about fd: the place of fd in
// the previous wait or, if that wait did not report fd, the value of otherwise.
func (p *polling) keyOf(fd int, otherwise uint64) uint64 {
	if d := &p.fds[fd]; d.turn == p.turn && p.turn > 0 {
		return keyPlaced + uint64(d.place)*maxReports
	}
	return otherwise
}

// close discards all registrations and the system's poller.
func (p *polling) close() {
	for fd := range p.fds {
		if owner := p.fds[fd].owner; owner != nil {
			owner.Discard()
		}
	}
	if p.sys != nil {
		p.sys.Close()
	}
	*p = polling{}
}

// pollNow takes ready descriptors into the pass that begins.
func (l *Loop) pollNow() {
	if !l.polling.idle() {
		l.polling.wait(0)
	}
}

// block waits until a descriptor is ready or another goroutine posts an entry, for at
// most d; a negative d means no limit. It does not wait if the inbox has an entry
// already.
func (l *Loop) block(d time.Duration) {
	p := &l.polling
	if p.blocks++; p.blocks%waitsPerYield == 0 && !p.idle() {
		runtime.Gosched()
	}
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

// waitsPerYield is after how many waits block passes through Go's scheduler. The loop
// alternates between coroutines and system calls, which that scheduler does not count.
// After 10 ms it takes the loop for a goroutine that does not yield, and hands its
// processor to another thread in every call that waits, which costs more than the call.
// Yielding in each wait would wake other threads too often if there are more processors.
const waitsPerYield = 16

// blockOnGo is like block, without descriptors. It waits on a channel and a timer only,
// so that the loop is durably blocked in the sense of testing/synctest.
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
