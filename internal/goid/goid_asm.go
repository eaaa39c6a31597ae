//go:build amd64 || arm64

package goid

// Holder returns the goroutine that *owner names and the one that runs now.
//
// Assembly makes the unsynchronised load safe as well: any goroutine may ask whether it
// holds the token, while the holder passes the token on with a plain store. The answer
// can be yes only if the running goroutine itself was the last to be named, so a stale
// value does no harm, and the two stores of each switch need not be atomic exchanges at 7
// ns each.
//
//go:noescape
func Holder(owner *uintptr) (held, running uintptr)

// Current returns the goroutine that runs now.
func Current() uintptr
