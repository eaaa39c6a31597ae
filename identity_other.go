//go:build !amd64 && !arm64

package aio

import (
	"bytes"
	"runtime"
	"strconv"
)

// holder returns the goroutine that *owner names and, here, the same again unless checkIdentity
// is set: where no assembly reads the running goroutine's descriptor, finding out costs 2 µs, so
// only debug mode does.
func holder(owner *uintptr) (held, running uintptr) {
	held = *owner
	if !checkIdentity.Load() {
		return held, held
	}
	return held, identity()
}

// identity returns the number of the goroutine that runs now, as its stack trace gives it.
func identity() uintptr {
	var buf [64]byte
	b := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	n, _ := strconv.ParseUint(string(b[:bytes.IndexByte(b, ' ')]), 10, 64)
	return uintptr(n)
}
