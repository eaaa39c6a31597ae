package aio

// Descriptors. Where the system can tell which of many descriptors are ready, the loop
// asks it once in each pass, after the entries of the pass before have run: what is ready
// is queued behind what was queued until then, and before the timers that are due.
//
// There are two kinds of registration. A transport's is edge-triggered and made once: the
// poller says when the descriptor becomes ready, and the transport remembers that until a
// read or write tells otherwise. One who still has something to read has itself put on
// the hot list, and gets its turn in the next pass, as level-triggered polling would give
// it. AddReader and AddWriter are level-triggered, because what their callbacks do with
// the descriptor is not known.
//
// A descriptor is registered in one loop at a time, under one owner. Everything here is
// owned by the token, except for the wake-up of the system's poller, which any goroutine
// may call.
//
// The loop waits in the poller only while descriptors are registered. Otherwise it waits
// on Go's own primitives, so that it can live in a bubble of testing/synctest.

import (
	"time"

	"github.com/goaio/aio/internal/netio"
	"github.com/goaio/aio/internal/poll"
)

// descriptor is the registration of a file descriptor.
type descriptor struct {
	owner netio.Owner
	key   uint32          // tells it from an earlier registration of the same number
	want  netio.Readiness // as package poll takes it
	added bool            // the system knows of it
}

// polling is the part of a loop that knows of descriptors.
type polling struct {
	sys  *poll.Poller // nil until it is needed
	fds  []descriptor
	n    int // registered
	key  uint32
	hot  []netio.Owner // that are still ready, as far as is known
	busy []netio.Owner // hot, of the pass before, to be filled again
}

// idle reports whether there is nothing to ask the system about.
func (p *polling) idle() bool { return p.n == 0 && len(p.hot) == 0 }

// open makes the system's poller.
func (p *polling) open() (err error) {
	if p.sys == nil {
		p.sys, err = poll.New()
	}
	return err
}

// register has owner told what fd is ready for, of what it wants.
func (p *polling) register(fd int, owner netio.Owner, want netio.Readiness) error {
	if err := p.mayOwn(fd); err != nil {
		return err
	}
	p.key++
	if err := p.sys.Add(fd, p.key, want); err != nil {
		return err
	}
	// only now that fd is known to be a descriptor
	p.own(fd, descriptor{owner, p.key, want, true})
	return nil
}

// reserve makes owner the owner of fd, an open descriptor. It is told nothing before
// renew.
func (p *polling) reserve(fd int, owner netio.Owner, want netio.Readiness) error {
	if err := p.mayOwn(fd); err != nil {
		return err
	}
	p.key++
	p.own(fd, descriptor{owner, p.key, want, false})
	return nil
}

// mayOwn says why fd cannot get an owner.
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

// modify changes what fd is registered for.
func (p *polling) modify(fd int, want netio.Readiness) error {
	d := &p.fds[fd]
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

// withdraw makes the system report nothing of fd, until renew.
func (p *polling) withdraw(fd int) {
	if d := &p.fds[fd]; d.added {
		p.sys.Withdraw(fd, d.want)
		d.added = false
	}
}

// renew registers fd with the system, anew if it was: what it is ready for is reported as
// if it had just become so, after all that is ready already.
func (p *polling) renew(fd int) error {
	p.withdraw(fd)
	d := &p.fds[fd]
	if err := p.sys.Add(fd, d.key, d.want); err != nil {
		return err
	}
	d.added = true
	return nil
}

// closed asks for want at a level-triggered registration, even if it has that, and
// reports whether fd was closed without being removed before, and is another file now.
// Then the registration is forgotten, so that whoever has the number now does not suffer
// for it.
func (p *polling) closed(fd int, want netio.Readiness) (bool, error) {
	d := &p.fds[fd]
	if d.want&poll.Edges != 0 || !d.added {
		return false, nil // a transport's, which closes its descriptor itself
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

// again gives owner a turn in the next pass, as it is still ready as far as it knows.
func (p *polling) again(owner netio.Owner) { p.hot = append(p.hot, owner) }

// ownerOf returns who has registered fd, nil if nobody has.
func (p *polling) ownerOf(fd int) netio.Owner {
	if fd < 0 || fd >= len(p.fds) {
		return nil
	}
	return p.fds[fd].owner
}

// wait asks the system which descriptors are ready, waits for one at most d, and tells
// the owners. A negative d is no limit.
func (p *polling) wait(d time.Duration) {
	if len(p.hot) > 0 {
		p.hot, p.busy = p.busy[:0], p.hot
		for i, owner := range p.busy {
			owner.Ready(0)
			p.busy[i] = nil
		}
		d = 0
	}
	if p.sys == nil {
		return
	}
	for i := range p.sys.Wait(d) {
		fd, key, r := p.sys.Event(i)
		if fd < len(p.fds) && p.fds[fd].key == key && p.fds[fd].owner != nil {
			p.fds[fd].owner.Ready(r)
		}
	}
}

// close discards what is registered, and the system's poller.
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

// pollNow takes what descriptors are ready into the pass that begins.
func (l *Loop) pollNow() {
	if !l.polling.idle() {
		l.polling.wait(0)
	}
}

// block waits until a descriptor is ready or another goroutine hands something in, for at
// most d; a negative d is no limit. It does not wait if the inbox has something already.
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

// blockOnGo is block without descriptors. It waits on a channel and a timer, nothing
// else, so that the loop is durably blocked in the sense of testing/synctest.
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
