//go:build unix

package main

import (
	"syscall"

	"github.com/goaio/aio"
)

// onCounters calls fn on each SIGUSR1. It reports whether the system has this signal.
func onCounters(l *aio.Loop, fn func()) bool {
	return l.AddSignalHandler(syscall.SIGUSR1, fn) == nil
}
