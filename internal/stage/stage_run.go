package stage

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const (
	// Time limits of a single test, with and without AIO_LONG. They are for tests
	// that hang: even on a slow machine a test takes a tenth of the limit.
	testLimit     = 4 * time.Minute
	longTestLimit = time.Hour

	// leakPatience is how long the goroutines of the tests may take to end. goleak
	// waits for less than a second, which is too short on a busy machine.
	leakPatience = time.Minute
)

// Run runs the tests of a package, for its TestMain, and returns the exit status.
// Signals ignored by the parent process are reset, the duration of each test is limited,
// and no test may leave a goroutine behind.
func Run(m *testing.M, options ...goleak.Option) int {
	heedSignals()
	stop := limitTests(Amount(testLimit, testLimit, longTestLimit))
	code := m.Run()
	stop()
	if code == 0 {
		if err := Leaks(leakPatience, options...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

// Leaks returns an error if goroutines still run after patience.
func Leaks(patience time.Duration, options ...goleak.Option) error {
	// js/wasm has this goroutine
	options = append(options, goleak.IgnoreAnyFunction("runtime.handleEvent"))
	for end := time.Now().Add(patience); ; {
		if err := goleak.Find(options...); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// heedSignals reverts the ignoring of signals by nohup, or by a shell that starts a
// command in the background: the child processes of the tests would ignore these
// signals too, and never end. (The Go runtime handles the other signals.)
func heedSignals() {
	for _, sig := range []os.Signal{os.Interrupt, syscall.Signal(1)} { // SIGHUP
		if runtime.GOOS != "js" && signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
}

// testFrame is the frame of a test of any package of the module.
var testFrame = regexp.MustCompile(`(?m)^github\.com/goaio/aio[\w/-]*\.((?:Test|Example)\w*)\(`)

// limitTests ends the program and prints the stacks of all goroutines when a test runs
// longer than limit. It finds the running tests in the stacks.
func limitTests(limit time.Duration) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(limit / 8)
		defer tick.Stop()
		// allocated once, because some tests measure allocations
		stacks := make([]byte, 0, 4<<20)
		since := map[string]time.Time{}
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			stacks = stacks[:runtime.Stack(stacks[:cap(stacks)], true)]
			now := time.Now()
			running := map[string]time.Time{}
			for goroutine := range bytes.SplitSeq(stacks, []byte("\n\n")) {
				name := testFrame.FindSubmatch(goroutine)
				if name == nil || bytes.Contains(goroutine, []byte("\ntesting.(*T).Parallel(")) {
					// a test in t.Parallel waits for other tests:
					// its time does not run yet
					continue
				}
				test := string(name[1])
				if test == "TestMain" {
					continue // TestMain runs all tests
				}
				began, ok := since[test]
				if !ok {
					began = now
				}
				if running[test] = began; now.Sub(began) > limit {
					fmt.Fprintf(os.Stderr, "%s\n\n%s runs for more than %v\n", stacks, test, limit)
					os.Exit(2)
				}
			}
			since = running
		}
	}()
	return sync.OnceFunc(func() { close(done); <-ended })
}
