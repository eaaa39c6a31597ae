// Package poll waits for many descriptors at once: with epoll on Linux, with kqueue on
// macOS and the BSDs. Elsewhere New returns an error that matches
// errors.ErrUnsupported.
package poll

import (
	"errors"
	"time"

	"github.com/goaio/aio/internal/netio"
)

// ErrGone says that a descriptor was closed after it had been registered, and that its
// number belongs to another file now.
var ErrGone = errors.New("aio: the descriptor was closed")

// poller is the contract of the Poller of each system. One goroutine at a time uses a
// Poller, the one that holds the token of its loop; only Wake may be called by any
// goroutine, until Close.
//
// A registration is level-triggered unless its want includes Edges: then there is an
// event in each Wait, as long as the descriptor is ready for something in want; EOF is
// reported as readable. With Edges it is edge-triggered: there is an event each time
// the descriptor becomes readable, hung up or, if wanted, writable. A registration does
// not change between the two.
type poller interface {
	// Add registers fd. key is not 0, and distinguishes the registration from an
	// earlier one of the same number: an event may be in transit when its
	// descriptor is closed.
	Add(fd int, key uint32, want netio.Readiness) error
	// Change replaces was with want, which may be equal. The readiness of fd at that
	// time is reported, for an edge-triggered registration too. The error of a
	// level-triggered registration is ErrGone if the number belongs to another file
	// by now.
	Change(fd int, key uint32, was, want netio.Readiness) error
	// Remove ends the registration of fd, before fd is closed. A user may have closed
	// it already.
	Remove(fd int, want netio.Readiness)
	// Withdraw ends the registration of fd, which stays open, and drops events in
	// transit.
	Withdraw(fd int, want netio.Readiness)
	// Wait fetches events and returns their number. It waits for the first one for
	// at most d; a negative d means no limit. An interrupted wait returns 0.
	Wait(d time.Duration) int
	// Event returns the i-th event that Wait has fetched, with the key of its
	// registration.
	Event(i int) (fd int, key uint32, r netio.Readiness)
	// Wake ends the Wait in progress, or else the next one.
	Wake()
	Close()
}

// Edges makes a registration edge-triggered.
const Edges netio.Readiness = 1 << 7

var _ poller = (*Poller)(nil)
