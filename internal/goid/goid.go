// Package goid identifies the running goroutine.
//
// A goroutine is identified by the address of its runtime descriptor, which the runtime
// keeps in a register (arm64) or in thread-local storage (amd64); elsewhere by the
// number in its stack trace. Reading that number takes 2 µs, more than twenty switches,
// so there Holder does it only if Check is set.
package goid

import (
	"bytes"
	"runtime"
	"sync/atomic"
)

// None is an identity that no goroutine has. Zero is another such identity.
const None = 1

// Check makes Holder look for the running goroutine even where that is expensive. It
// has no effect on amd64 and arm64.
var Check atomic.Bool

// InBubble reports whether the running goroutine is in a bubble of testing/synctest. It
// reads the first line of the goroutine's stack trace, where the runtime says so. That
// takes 2 µs. The time of day is no indication: a bubble begins with the year 2000, but
// the clock of a real machine may also be in that year.
func InBubble() bool {
	var buf [128]byte
	line, _, _ := bytes.Cut(buf[:runtime.Stack(buf[:], false)], []byte("\n"))
	return bytes.Contains(line, []byte("synctest bubble"))
}
