package goid

import "unsafe"

// Labels are the profiling labels of a goroutine, see runtime/pprof. The zero value is
// none. Package pprof can set those of a context only, and cannot tell which ones a
// goroutine has.
type Labels struct{ set unsafe.Pointer }

// CurrentLabels returns the labels of the goroutine that runs now.
func CurrentLabels() Labels { return Labels{getProfLabel()} }

// SetLabels gives the goroutine that runs now the labels that another one had.
func SetLabels(l Labels) { setProfLabel(l.set) }

// The runtime keeps both for packages outside of the standard library too:
// go.dev/issue/67401.

//go:linkname getProfLabel runtime/pprof.runtime_getProfLabel
func getProfLabel() unsafe.Pointer

//go:linkname setProfLabel runtime/pprof.runtime_setProfLabel
func setProfLabel(labels unsafe.Pointer)
