// Package poll is the system's way to wait for many descriptors at once: epoll on Linux,
// kqueue on macOS and the BSDs. Elsewhere New returns an error that matches
// errors.ErrUnsupported.
package poll

import (
	"errors"
	"time"

	"github.com/goaio/aio/internal/netio"
)

// ErrGone says that a descriptor was closed after it had been registered, and that
// another file has its number now.
var ErrGone = errors.New("aio: the descriptor was closed")

// poller is the contract that the Poller of each system fulfils. One goroutine at a time
// uses a Poller, that of the loop that holds the token; Wake alone may be called by any,
// until Close.
//
// A registration is level-triggered unless Edges is in what it wants: an event in each
// Wait, as long as the descriptor is ready for something that is wanted; the end of the
// stream is then reported as that. With Edges it is edge-triggered: an event each time
// the descriptor becomes readable, hung up or, if that is wanted, writable. Which of the
// two it is does not change.
type poller interface {
	// Add registers fd. key is not 0, and tells the registration from an earlier one
	// of the same number: an event may still be on its way when its descriptor has
	// been closed.
	Add(fd int, key uint32, want netio.Readiness) error
	// Change replaces was by want, which may be equal. What fd is ready for then is
	// reported, as an edge too. The error of a level-triggered registration is
	// ErrGone if the number is another file's by now.
	Change(fd int, key uint32, was, want netio.Readiness) error
	// Remove ends the registration of fd, before fd is closed. A user may have closed
	// it already.
	Remove(fd int, want netio.Readiness)
	// Withdraw ends the registration of fd, which stays open, and what is still to be
	// reported.
	Withdraw(fd int, want netio.Readiness)
	// Wait fetches events and returns how many there are. It waits for the first one
	// for at most d; a negative d is no limit. An interrupted wait returns 0.
	Wait(d time.Duration) int
	// Event returns the i-th event that Wait has fetched, with the key of its
	// registration.
	Event(i int) (fd int, key uint32, r netio.Readiness)
	// Wake ends a Wait, the next one if there is none at the moment.
	Wake()
	Close()
}

// Edges makes a registration edge-triggered.
const Edges netio.Readiness = 1 << 7

var _ poller = (*Poller)(nil)
