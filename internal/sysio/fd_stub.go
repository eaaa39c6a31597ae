//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package sysio

import (
	"errors"
	"fmt"
	"syscall"
)

// ReusePort fails: this system has no ports that several sockets share.
func ReusePort(_, _ string, _ syscall.RawConn) error {
	return fmt.Errorf("aio: ReusePort: %w", errors.ErrUnsupported)
}
