//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package aio_test

import (
	"errors"
	"os"
	"testing"
)

// Where there is no poller, it is said so.
func TestPollerMissing(t *testing.T) {
	l, _ := newLoop(t)
	matches(t, "AddReader", l.AddReader(os.Stdin, nop), errors.ErrUnsupported)
	matches(t, "AddWriter", l.AddWriter(0, nop), errors.ErrUnsupported)
	had, err := l.RemoveReader(0)
	same(t, "there was a callback", had, false)
	matches(t, "RemoveReader", err, nil)
}
