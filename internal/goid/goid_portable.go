//go:build !amd64 && !arm64

package goid

import (
	"bytes"
	"runtime"
	"strconv"
)

// Holder returns the goroutine that *owner names and the running goroutine. Unless
// Check is set, it returns the first goroutine for both.
func Holder(owner *uintptr) (held, running uintptr) {
	held = *owner
	if !Check.Load() {
		return held, held
	}
	return held, Current()
}

// Current returns the number of the goroutine that runs now, as its stack trace has it.
func Current() uintptr {
	var buf [64]byte
	b := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	n, _ := strconv.ParseUint(string(b[:bytes.IndexByte(b, ' ')]), 10, 64)
	return uintptr(n)
}
