//go:build unix

package main

import (
	"syscall"

	"github.com/goaio/aio"
)

// onCounters has fn called on SIGUSR1, and reports whether there is such a signal.
func onCounters(l *aio.Loop, fn func()) bool {
	return l.AddSignalHandler(syscall.SIGUSR1, fn) == nil
}
