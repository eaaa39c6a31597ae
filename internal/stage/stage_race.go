//go:build race

package stage

import (
	"os"
	"strings"
	"syscall"
)

// A program that is built with the race detector sleeps for a second when it exits, so
// that goroutines that still run can be found in a race. The tests of this module leave
// no goroutine behind, so their programs start themselves again, in the same process,
// without that second. Programs that they start inherit the setting.
func init() {
	const noSleep = "atexit_sleep_ms=0"
	options := os.Getenv("GORACE")
	if strings.Contains(options, "atexit_sleep_ms") {
		return
	}
	os.Setenv("GORACE", strings.TrimSpace(options+" "+noSleep))
	if self, err := os.Executable(); err == nil {
		// If it fails, the program continues and sleeps at its end.
		_ = syscall.Exec(self, os.Args, os.Environ())
	}
}
