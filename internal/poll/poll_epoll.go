//go:build linux

package poll

// epoll. An event carries its descriptor and the key of the registration, so no lookup is
// needed. Calls that do not wait are raw system calls, which bypass Go's scheduler: that
// saves a third of their cost.

import (
	"encoding/binary"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
)

// Poller is Linux's epoll.
type Poller struct {
	fd     int
	wakeFD int // an eventfd, which is never read: each write is an edge
	events []unix.EpollEvent
	coarse bool // the kernel has no epoll_pwait2
}

// wakeKey is the key of the eventfd, which no registration has.
const wakeKey = 0

// maxEvents is how many events a pass takes in at most.
const maxEvents = 4096

// New returns a poller that has no registrations.
func New() (*Poller, error) {
	p := &Poller{wakeFD: -1, events: make([]unix.EpollEvent, 64)}
	var err error
	if p.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	if p.wakeFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		err = p.control(unix.EPOLL_CTL_ADD, p.wakeFD, wakeKey, unix.EPOLLIN|unix.EPOLLET)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Poller) control(op, fd int, key uint32, events uint32) error {
	return unix.EpollCtl(p.fd, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd), Pad: int32(key)})
}

// mask translates what a registration wants.
func mask(want netio.Readiness) (events uint32) {
	if want&Edges != 0 {
		events = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLPRI | unix.EPOLLET
	}
	if want&netio.Readable != 0 {
		events |= unix.EPOLLIN
	}
	if want&netio.Writable != 0 {
		events |= unix.EPOLLOUT
	}
	return events
}

func (p *Poller) Add(fd int, key uint32, want netio.Readiness) error {
	err := p.control(unix.EPOLL_CTL_ADD, fd, key, mask(want))
	if err == unix.EEXIST {
		// Remove has left the old registration of the same file under the same
		// number
		err = p.control(unix.EPOLL_CTL_MOD, fd, key, mask(want))
	}
	return err
}

func (p *Poller) Change(fd int, key uint32, _, want netio.Readiness) error {
	err := p.control(unix.EPOLL_CTL_MOD, fd, key, mask(want))
	if err == unix.ENOENT { // the number belongs to another file now
		err = ErrGone
	}
	return err
}

// Remove makes no system call for an edge-triggered registration: its descriptor is
// about to be closed. If closing does not end the registration, because the descriptor
// has a duplicate, the key distinguishes its events, and Add replaces the registration.
func (p *Poller) Remove(fd int, want netio.Readiness) {
	if want&Edges == 0 {
		// fails if the user has closed the descriptor
		_ = p.control(unix.EPOLL_CTL_DEL, fd, 0, 0)
	}
}

func (p *Poller) Withdraw(fd int, _ netio.Readiness) {
	_ = p.control(unix.EPOLL_CTL_DEL, fd, 0, 0)
}

func (p *Poller) Wait(d time.Duration) int {
	n := p.fetch(d)
	if n == len(p.events) && n < maxEvents {
		// There may be more, but a second call would report a level-triggered
		// descriptor again and its owner would be queued twice. The next Wait has
		// more room.
		p.events = append(p.events, make([]unix.EpollEvent, n)...)
	}
	return n
}

// fetch calls epoll_pwait2, whose timeout is in nanoseconds, if the kernel has it.
func (p *Poller) fetch(d time.Duration) int {
	first := uintptr(unsafe.Pointer(&p.events[0]))
	if d == 0 {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), first, uintptr(len(p.events)), 0, 0, 0)
		if errno != 0 {
			return 0
		}
		return int(n)
	}
	if !p.coarse {
		var limit *timespec
		if d > 0 {
			limit = &timespec{int64(d / time.Second), int64(d % time.Second)}
		}
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), first, uintptr(len(p.events)),
			uintptr(unsafe.Pointer(limit)), 0, 0)
		switch errno {
		case 0:
			return int(n)
		case unix.EINTR:
			return 0
		}
		p.coarse = true
	}
	ms := -1
	if d > 0 {
		ms = int(min((d+time.Millisecond-1)/time.Millisecond, 1<<30))
	}
	n, err := unix.EpollWait(p.fd, p.events, ms)
	if err != nil {
		return 0
	}
	return n
}

// timespec is the kernel's structure, which has 64-bit fields on every architecture.
type timespec struct{ sec, nsec int64 }

func (p *Poller) Event(i int) (fd int, key uint32, r netio.Readiness) {
	e := &p.events[i]
	if e.Events&unix.EPOLLIN != 0 {
		r |= netio.Readable
	}
	if e.Events&unix.EPOLLOUT != 0 {
		r |= netio.Writable
	}
	if e.Events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		r |= netio.HungUp
	}
	// Urgent data is reported like the end of the stream: in both cases a short
	// read does not show that the socket is empty.
	if e.Events&(unix.EPOLLRDHUP|unix.EPOLLPRI) != 0 {
		r |= netio.Ending
	}
	return int(e.Fd), uint32(e.Pad), r
}

func (p *Poller) Wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	// fails only if the counter of the eventfd is full
	_, _ = unix.Write(p.wakeFD, one[:])
}

func (p *Poller) Close() {
	unix.Close(p.fd)
	if p.wakeFD >= 0 {
		unix.Close(p.wakeFD)
	}
}
