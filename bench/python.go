package main

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

//go:embed workloads.py
var workloads string

// oldest is the first Python version that supports everything that workloads.py uses.
var oldest = []int{3, 9}

// python is a Python interpreter.
type python struct {
	path    string
	Version []int
	Label   string // full version
	UVLoop  string // version of uvloop, "" if uvloop cannot be imported
}

const probe = `
import json, platform, sys
try:
    import uvloop
    uv = uvloop.__version__
except ImportError:
    uv = ""
print(json.dumps({"Version": sys.version_info[:3], "Label": platform.python_version(), "UVLoop": uv}))
`

// newestFirst orders interpreters. Of two with the same version, the one with uvloop
// comes first, so that asyncio and uvloop are measured with the same interpreter if
// possible.
func newestFirst(a, b python) int {
	return cmp.Or(slices.Compare(b.Version, a.Version), cmp.Compare(b.UVLoop, a.UVLoop))
}

// pythons returns the interpreters that can run workloads.py, newest first.
func pythons(paths []string) []python {
	var found []python
	for _, path := range paths {
		out, err := exec.Command(path, "-c", probe).Output()
		if err != nil {
			// for example a pyenv shim of a version that is not active
			continue
		}
		p := python{path: path}
		if json.Unmarshal(out, &p) == nil && slices.Compare(p.Version, oldest) >= 0 {
			found = append(found, p)
		}
	}
	slices.SortStableFunc(found, newestFirst)
	return found
}

// pythonPaths returns the candidate paths of interpreters: on PATH and under pyenv.
func pythonPaths() []string {
	var paths []string
	glob := func(elem ...string) {
		// the patterns are well-formed
		found, _ := filepath.Glob(filepath.Join(elem...))
		paths = append(paths, found...)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		glob(dir, "python3")
		glob(dir, "python3.[0-9]")
		glob(dir, "python3.[0-9][0-9]")
	}
	root := os.Getenv("PYENV_ROOT")
	if home, err := os.UserHomeDir(); err == nil && root == "" {
		root = filepath.Join(home, ".pyenv")
	}
	if root != "" {
		glob(root, "versions", "*", "bin", "python3")
	}
	return paths
}

// measurePython runs the workloads with p.
func (m *measurement) measurePython(p python, loop string, names []string) (samples, error) {
	args := []string{"-", "-loop", loop, "-count", strconv.Itoa(m.count),
		"-seconds", strconv.FormatFloat(m.pythonTime().Seconds(), 'f', -1, 64)}
	cmd := exec.Command(p.path, append(args, names...)...)
	out, err := m.output(cmd, workloads)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", loop, p.Label, err)
	}
	s := samples{}
	missing, err := s.readPython(out)
	for _, lack := range missing {
		m.lack("%s with Python %s: %s", loop, p.Label, lack)
	}
	return s, err
}

// pythonTime is the duration of a repetition of a workload. It is half of that of a Go
// benchmark, because the number of operations is calibrated before.
func (m *measurement) pythonTime() time.Duration { return m.benchtime / 2 }
