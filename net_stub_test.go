//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package aio_test

import (
	"errors"
	"os"
	"testing"
)

// Without a poller the functions return an error that says so.
func TestPollerMissing(t *testing.T) {
	l, _ := newLoop(t)
	matches(t, "AddReader", l.AddReader(os.Stdin, nop), errors.ErrUnsupported)
	matches(t, "AddWriter", l.AddWriter(0, nop), errors.ErrUnsupported)
	had, err := l.RemoveReader(0)
	same(t, "a callback was removed", had, false)
	matches(t, "RemoveReader", err, nil)
}
