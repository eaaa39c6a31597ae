package goid

import "unsafe"

// Labels are the profiling labels of a goroutine, see runtime/pprof. The zero value has
// no labels. Package pprof can only set the labels of a context, and cannot read those
// of a goroutine.
type Labels struct{ set unsafe.Pointer }

// CurrentLabels returns the labels of the goroutine that runs now.
func CurrentLabels() Labels { return Labels{getProfLabel()} }

// SetLabels gives the goroutine that runs now labels that CurrentLabels has returned.
func SetLabels(l Labels) { setProfLabel(l.set) }

// The runtime supports both functions for packages outside of the standard library too:
// go.dev/issue/67401.

//go:linkname getProfLabel runtime/pprof.runtime_getProfLabel
func getProfLabel() unsafe.Pointer

//go:linkname setProfLabel runtime/pprof.runtime_setProfLabel
func setProfLabel(labels unsafe.Pointer)
