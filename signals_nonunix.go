//go:build !unix

package aio

import (
	"os"
	"runtime"
	"syscall"
)

// catchable reports whether sig is a signal of this system, and whether a program can
// catch it. On Windows the Go runtime turns Ctrl-C and Ctrl-Break into SIGINT, and the
// end of the console or session into SIGTERM. Programs of the other systems get no
// signals.
func catchable(sig os.Signal) (exists, ok bool) {
	if runtime.GOOS != "windows" {
		return sig != nil, false
	}
	n, exists := sig.(syscall.Signal)
	return exists && n > 0, n == syscall.SIGINT || n == syscall.SIGTERM
}
