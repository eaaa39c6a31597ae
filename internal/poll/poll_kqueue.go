//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package poll

// kqueue. Reading and writing are two filters of a descriptor, each with events of its
// own.

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
)

// Poller is the kqueue of macOS and the BSDs. Closing a descriptor ends its
// registrations there, so keys only distinguish them from the pipe that wakes the loop.
type Poller struct {
	fd int
	// the reading end wakes the loop; not all of these systems have EVFILT_USER
	pipe   [2]int
	events []unix.Kevent_t
	regs   map[int]kqueueReg
}

// kqueueReg is the registration of a descriptor.
type kqueueReg struct {
	key   uint32
	level bool
}

const wakeKey = 0

// maxEvents is how many events a pass takes in at most.
const maxEvents = 4096

// New returns a poller that has no registrations.
func New() (*Poller, error) {
	p := &Poller{pipe: [2]int{-1, -1}, events: make([]unix.Kevent_t, 64), regs: map[int]kqueueReg{}}
	var err error
	if p.fd, err = unix.Kqueue(); err != nil {
		return nil, err
	}
	unix.CloseOnExec(p.fd)
	if err = unix.Pipe(p.pipe[:]); err == nil {
		for _, fd := range p.pipe {
			unix.CloseOnExec(fd)
			_ = unix.SetNonblock(fd, true)
		}
		err = p.control(p.pipe[0], unix.EVFILT_READ, unix.EV_ADD|unix.EV_CLEAR)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// control changes one filter of a descriptor.
func (p *Poller) control(fd, filter, flags int) error {
	var change [1]unix.Kevent_t
	unix.SetKevent(&change[0], fd, filter, flags)
	_, err := unix.Kevent(p.fd, change[:], nil, nil)
	return err
}

func (p *Poller) Add(fd int, key uint32, want netio.Readiness) error {
	p.regs[fd] = kqueueReg{key, want&Edges == 0}
	if want&Edges == 0 {
		return p.Change(fd, key, 0, want)
	}
	if err := p.control(fd, unix.EVFILT_READ, unix.EV_ADD|unix.EV_CLEAR); err != nil {
		return err
	}
	err := p.control(fd, unix.EVFILT_WRITE, unix.EV_ADD|unix.EV_CLEAR)
	if err == unix.EPIPE {
		// the other end of a pipe is gone, which the filter for reading reports
		// too
		err = nil
	}
	return err
}

func (p *Poller) Change(fd int, _ uint32, was, want netio.Readiness) error {
	if want&Edges != 0 {
		// both filters are there, and cost nothing while there is no edge
		return nil
	}
	for filter, r := range map[int]netio.Readiness{unix.EVFILT_READ: netio.Readable, unix.EVFILT_WRITE: netio.Writable} {
		var err error
		switch {
		case want&r != 0 && was&r != 0:
			if err = p.control(fd, filter, unix.EV_ENABLE); err == unix.ENOENT {
				err = ErrGone
			}
		case want&r != 0:
			err = p.control(fd, filter, unix.EV_ADD)
		case was&r != 0:
			// fails if the user has closed the descriptor
			_ = p.control(fd, filter, unix.EV_DELETE)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Poller) Remove(fd int, want netio.Readiness) {
	if want&Edges != 0 {
		// both filters, as the file may have a duplicate and stay open
		want = netio.Readable | netio.Writable
	}
	_ = p.Change(fd, 0, want, 0)
	delete(p.regs, fd)
}

func (p *Poller) Withdraw(fd int, want netio.Readiness) { p.Remove(fd, want) }

func (p *Poller) Wait(d time.Duration) int {
	var limit *unix.Timespec
	if d >= 0 {
		ts := unix.NsecToTimespec(int64(d))
		limit = &ts
	}
	n, err := unix.Kevent(p.fd, nil, p.events, limit)
	if err != nil {
		return 0
	}
	if n == len(p.events) && n < maxEvents {
		p.events = append(p.events, make([]unix.Kevent_t, n)...)
	}
	return n
}

func (p *Poller) Event(i int) (fd int, key uint32, r netio.Readiness) {
	e := &p.events[i]
	fd = int(e.Ident)
	if fd == p.pipe[0] {
		p.drain()
		return fd, wakeKey, 0
	}
	if int(e.Filter) == unix.EVFILT_READ {
		r = netio.Readable
	} else {
		r = netio.Writable
	}
	// In a level-triggered registration each requested filter has its own event for
	// the end. If both were reported as HungUp, both callbacks would be queued
	// twice.
	reg := p.regs[fd]
	if e.Flags&unix.EV_EOF != 0 && !reg.level {
		if r == netio.Readable {
			r |= netio.Ending
		} else {
			r |= netio.HungUp
		}
	}
	return fd, reg.key, r
}

// drain empties the pipe: when it is full, writing to it causes no further event.
func (p *Poller) drain() {
	var buf [64]byte
	for {
		if n, err := unix.Read(p.pipe[0], buf[:]); n < len(buf) || err != nil {
			return
		}
	}
}

func (p *Poller) Wake() {
	one := [1]byte{1}
	// fails only if the pipe is full, and then an event is pending
	_, _ = unix.Write(p.pipe[1], one[:])
}

func (p *Poller) Close() {
	for _, fd := range []int{p.fd, p.pipe[0], p.pipe[1]} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
