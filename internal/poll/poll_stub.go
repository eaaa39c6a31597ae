//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package poll

import (
	"errors"
	"time"

	"github.com/goaio/aio/internal/netio"
)

// Poller exists only so that its users compile: New returns none.
type Poller struct{}

// New fails.
func New() (*Poller, error)                                        { return nil, errors.ErrUnsupported }
func (*Poller) Add(fd int, key uint32, want netio.Readiness) error { return errors.ErrUnsupported }
func (*Poller) Change(fd int, key uint32, was, want netio.Readiness) error {
	return errors.ErrUnsupported
}
func (*Poller) Remove(fd int, want netio.Readiness)                 {}
func (*Poller) Withdraw(fd int, want netio.Readiness)               {}
func (*Poller) Wait(d time.Duration) int                            { return 0 }
func (*Poller) Event(i int) (fd int, key uint32, r netio.Readiness) { return -1, 0, 0 }
func (*Poller) Wake()                                               {}
func (*Poller) Close()                                              {}
