//go:build unix

package aio

import (
	"os"
	"runtime"
	"syscall"
)

// catchable reports whether sig is a signal of this system, and whether a program can
// catch it.
func catchable(sig os.Signal) (exists, ok bool) {
	last := syscall.Signal(64) // os/signal supports no greater number
	switch runtime.GOOS {
	case "darwin", "dragonfly", "freebsd", "ios", "openbsd":
		last = 31
	case "netbsd":
		last = 32
	}
	n, isNumber := sig.(syscall.Signal)
	if !isNumber || n < 1 || n > last {
		return false, false
	}
	switch n {
	case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGPROF:
		// The Go runtime's profiler needs SIGPROF.
		return true, false
	case 32, 33, 34:
		// The C libraries of Linux need signals 32 to 34 for their threads, so
		// the Go runtime does not use these.
		return true, runtime.GOOS != "linux" && runtime.GOOS != "android"
	}
	return true, true
}
