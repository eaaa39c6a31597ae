//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package aio

import (
	"errors"
	"time"

	"github.com/goaio/aio/internal/netio"
)

// sysPoller is not there: descriptors cannot be polled, and connections are served by goroutines.
type sysPoller struct{}

func newSysPoller() (*sysPoller, error)                                { return nil, errors.ErrUnsupported }
func (*sysPoller) add(fd int, key uint32, level netio.Readiness) error { return errors.ErrUnsupported }
func (*sysPoller) change(fd int, key uint32, was, level netio.Readiness) error {
	return errors.ErrUnsupported
}
func (*sysPoller) remove(fd int, level netio.Readiness)                {}
func (*sysPoller) wait(d time.Duration) int                            { return 0 }
func (*sysPoller) event(i int) (fd int, key uint32, r netio.Readiness) { return -1, 0, 0 }
func (*sysPoller) wake()                                               {}
func (*sysPoller) close()                                              {}
