// Package stage tells the tests of all packages how much to do. There are three stages:
// the test command of README.md runs a sample of each large suite, .ci/run sets AIO_FULL
// and runs all of it, and .ci/run -long sets AIO_LONG and runs more than that: soaks,
// storms and fuzzing. The amounts differ, the assertions do not. Only tests import it.
package stage

import "os"

var (
	// Full reports whether AIO_FULL or AIO_LONG is set.
	Full = os.Getenv("AIO_FULL") != "" || Long
	// Long reports whether AIO_LONG is set.
	Long = os.Getenv("AIO_LONG") != ""
)

// Amount returns how much a test does in the current stage.
func Amount[T any](sample, full, long T) T {
	switch {
	case Long:
		return long
	case Full:
		return full
	}
	return sample
}
