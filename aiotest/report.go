package aiotest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// TB is the part of [testing.TB] that this package needs; *testing.T, *testing.B and
// *testing.F implement it.
type TB interface {
	// Helper marks the calling function as a test helper.
	Helper()
	// Name returns the name of the test.
	Name() string
	// Failed reports whether the test has failed.
	Failed() bool
	// Logf prints a message.
	Logf(format string, args ...any)
	// Errorf prints a message and marks the test as failed.
	Errorf(format string, args ...any)
}

// needs panics if there is no test that could fail.
func needs(t TB, call string) {
	if t == nil {
		panic(usagef("%s: the test is nil", call))
	}
}

// report makes the runs of a test, and prints the failures.
func report(t TB, f func(e *engine) Report) Report {
	t.Helper()
	e := &engine{failed: t.Failed}
	end := e.guard(f)
	if end.panic != nil {
		panic(end.panic)
	}
	if end.exited {
		if t.Failed() && e.exited {
			t.Errorf("aiotest: %s: a task ended the test in run %d.%s", e.now.mode, e.report.Runs+1, again(t, record{choices: e.run.choices, moment: e.now.moment, op: e.now.op, fault: e.now.faults}.String()))
		}
		runtime.Goexit()
	}
	if e.note != "" {
		t.Logf("aiotest: %s", e.note)
	}
	for _, failure := range end.report.Failures {
		t.Errorf("aiotest: %s%s", failure.describe(), again(t, failure.Record))
		if len(failure.Timeline) > 0 {
			if n := len(failure.Timeline); n <= maxLogged {
				t.Logf("aiotest: all steps of run %d:\n%s", failure.Run, failure.Timeline)
			} else {
				last := make([]int, maxLogged)
				for i := range last {
					last[i] = n - maxLogged + i
				}
				t.Logf("aiotest: the last %d of %d steps of run %d:\n%s", maxLogged, n, failure.Run, failure.Timeline.text(last))
			}
			if path, err := failure.page(t); err != nil {
				t.Logf("aiotest: the timeline was not written: %v", err)
			} else if path != "" {
				t.Logf("aiotest: the timeline as a page: %s", path)
			}
		}
	}
	return end.report
}

// maxLogged limits the steps in the log of a failure.
const maxLogged = 1000

// toldSteps is the number of steps in the text of a failure.
const toldSteps = 6

// describe describes what happened, and in which order.
func (f *Failure) describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: run %d failed: %v", f.mode, f.Run, f.Err)
	if f.Cancelled != "" && !strings.Contains(f.Err.Error(), f.Cancelled) {
		fmt.Fprintf(&b, "\n%s", f.Cancelled)
	}
	if f.choices > 0 {
		fmt.Fprintf(&b, "\n%d of %d choices are not the default", len(f.Choices), f.choices)
	}
	if n := len(f.Timeline); n > 0 {
		told := f.Timeline.tell(toldSteps)
		fmt.Fprintf(&b, "\n%d of %d steps:\n%s", len(told), n, strings.TrimSuffix(f.Timeline.text(told), "\n"))
	}
	return b.String()
}

// again returns the command line that repeats a run.
func again(t TB, record string) string {
	parts := strings.Split(t.Name(), "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return fmt.Sprintf("\nTo see it again: AIOTEST_REPLAY='%s' go test -v -run '%s'", record, strings.Join(parts, "/"))
}

// page writes the timeline as a page to the artifact directory of the test, and returns
// its path.
func (f *Failure) page(t TB) (string, error) {
	a, ok := t.(interface{ ArtifactDir() string }) // since Go 1.26
	if f := flag.Lookup("test.artifacts"); f == nil || f.Value.String() != "true" {
		ok = false // the directory would be deleted with the test
	}
	if !ok {
		return "", nil
	}
	path := filepath.Join(a.ArtifactDir(), fmt.Sprintf("run%d.html", f.Run))
	var b strings.Builder
	if err := f.WriteHTML(&b, t.Name()); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(b.String()), 0o644)
}
