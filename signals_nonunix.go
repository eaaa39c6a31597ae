//go:build !unix && !windows

package aio

import "os"

// catchable reports whether sig is a signal of this system, and whether a program can catch it. There
// is none that a program gets.
func catchable(sig os.Signal) (exists, ok bool) { return sig != nil, false }
