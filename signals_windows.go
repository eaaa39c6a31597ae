package aio

import (
	"os"
	"syscall"
)

// catchable reports whether sig is a signal of this system, and whether a program can catch it. The
// Go runtime makes SIGINT of Ctrl-C and Ctrl-Break, and SIGTERM of the end of the console or session.
func catchable(sig os.Signal) (exists, ok bool) {
	n, exists := sig.(syscall.Signal)
	return exists && n > 0, n == syscall.SIGINT || n == syscall.SIGTERM
}
