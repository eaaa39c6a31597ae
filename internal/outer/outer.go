// Package outer finds the struct that a field is a part of.
package outer

import "unsafe"

// Of returns the T that contains *field. offset is the offset of the field in T, as in
// reflect.StructField.
func Of[T, F any](field *F, offset uintptr) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(field), -int(offset)))
}
