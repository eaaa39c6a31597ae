//go:build !linux && !darwin && !freebsd

package sysio

import (
	"errors"
	"syscall"
)

// CanSendfile reports whether Sendfile is available.
const CanSendfile = false

// Sendfile fails.
func Sendfile(int, syscall.RawConn, int64, int64) (int64, error) { return 0, errors.ErrUnsupported }
