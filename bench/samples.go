package main

// Parsing of the measurements: the output of go test -bench, and that of workloads.py.

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// samples holds the measured values, in the order of the runs.
type samples map[series][]float64

// series is a benchmark, for example Switch/aio, and one of its units.
type series struct{ name, unit string }

// median returns the median of a series, 0 if it was not measured.
func (s samples) median(name, unit string) float64 {
	values := slices.Sorted(slices.Values(s[series{name, unit}]))
	n := len(values)
	if n == 0 {
		return 0
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}

// spread returns the range of a series relative to its median: (greatest - least) /
// median.
func (s samples) spread(name, unit string) float64 {
	values := s[series{name, unit}]
	if len(values) == 0 {
		return 0
	}
	return (slices.Max(values) - slices.Min(values)) / s.median(name, unit)
}

// processors matches the GOMAXPROCS suffix that go test appends to the name of a
// benchmark.
var processors = regexp.MustCompile(`-\d+$`)

// readGo adds the output of go test -bench. Configuration lines before the results,
// such as goos: linux, are stored in config.
func (s samples) readGo(r io.Reader, config map[string]string) error {
	in := bufio.NewScanner(r)
	for in.Scan() {
		line := in.Text()
		if key, value, ok := strings.Cut(line, ": "); ok && key != "" && !strings.ContainsAny(key, " \t") {
			config[key] = strings.TrimSpace(value)
		}
		fields := strings.Fields(line)
		if !strings.HasPrefix(line, "Benchmark") || len(fields) < 4 {
			continue
		}
		name := processors.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
		for pair := range slices.Chunk(fields[2:], 2) {
			if len(pair) < 2 {
				return fmt.Errorf("%q: a value without a unit", line)
			}
			value, err := strconv.ParseFloat(pair[0], 64)
			if err != nil {
				return fmt.Errorf("%q: %w", line, err)
			}
			key := series{name, pair[1]}
			s[key] = append(s[key], value)
		}
	}
	return in.Err()
}

// pythonLine is a line that workloads.py prints.
type pythonLine struct {
	Python, UVLoop      string // only in the first line
	Name, Unit, Missing string
	Values              []float64
}

// readPython adds the output of workloads.py, and returns what could not be measured.
func (s samples) readPython(r io.Reader) (missing []string, err error) {
	for in := json.NewDecoder(r); ; {
		var l pythonLine
		switch err := in.Decode(&l); {
		case err == io.EOF:
			return missing, nil
		case err != nil:
			return missing, err
		case l.Missing != "":
			missing = append(missing, l.Name+": "+l.Missing)
		case l.Name != "":
			key := series{l.Name, l.Unit}
			s[key] = append(s[key], l.Values...)
		}
	}
}
