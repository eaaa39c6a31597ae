//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package sysio

import (
	"errors"
	"fmt"
	"syscall"
)

// ReusePort fails: this system does not support sharing a port between sockets.
func ReusePort(_, _ string, _ syscall.RawConn) error {
	return fmt.Errorf("aio: ReusePort: %w", errors.ErrUnsupported)
}
