// Package outer finds the struct that a field is a part of.
package outer

import "unsafe"

// Of returns the T in which *field is at the offset, as reflect.StructField has it.
// *field must be a part of a T.
func Of[T, F any](field *F, offset uintptr) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(field), -int(offset)))
}
