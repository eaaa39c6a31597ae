//go:build amd64 || arm64

package aio

// A goroutine is known by the address of its runtime descriptor, which the runtime keeps in a
// register (arm64) or in thread-local storage (amd64). Asking runtime.Stack for the goroutine's
// number instead would take 2 µs, more than twenty switches.

// holder returns the goroutine that *owner names and the one that runs now.
//
// It is written in assembly for the sake of the load as well: any goroutine may ask whether it
// holds the token, while the holder hands the token on with a plain store. The answer can only
// be yes if the running goroutine itself was the last to be named, so an old value does no harm,
// and the two stores of each switch need not be atomic exchanges at 7 ns each.
//
//go:noescape
func holder(owner *uintptr) (held, running uintptr)

// identity returns the goroutine that runs now.
func identity() uintptr
