// Command bench compares aio with plain Go, Python's asyncio and uvloop, and writes the
// table and the chart of docs/performance.md. Run it in its own directory:
//
//	go run . [-count N] [-benchtime D] [-run REGEXP] [-python PATHS] [-out DIR]
//
// It installs nothing: it uses the Python interpreters that it finds, and reports what
// it did not find.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goaio/aio/bench/internal/machine"
)

func main() {
	m := measurement{log: os.Stderr}
	flag.IntVar(&m.count, "count", 5, "number of runs of each benchmark; the results are medians")
	flag.DurationVar(&m.benchtime, "benchtime", time.Second, "duration of a run of a benchmark")
	run := flag.String("run", "", "run only the benchmarks whose name matches this, without the scale check; print the table unless -out is given")
	paths := flag.String("python", "", "paths of Python interpreters, separated as in PATH (default: those on PATH and under pyenv)")
	out := flag.String("out", filepath.Join("..", "docs"), "directory of performance.md and performance.svg")
	flag.Parse()

	match, err := regexp.Compile(*run)
	if err != nil {
		m.fail(err)
	}
	m.rows, m.scale = chosen(match), *run == ""
	m.pythons = pythonPaths()
	if *paths != "" {
		m.pythons = filepath.SplitList(*paths)
	}
	r, err := m.report()
	if err != nil {
		m.fail(err)
	}
	if *run != "" && !given("out") {
		fmt.Print(r.markdown())
		return
	}
	if err := r.write(*out); err != nil {
		m.fail(err)
	}
}

// given reports whether the flag was set.
func given(name string) (set bool) {
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

// measurement is one run of the program.
type measurement struct {
	count     int
	benchtime time.Duration
	rows      []row
	scale     bool
	pythons   []string // paths of interpreters
	missing   []string
	log       io.Writer
}

func (m *measurement) fail(err error) {
	fmt.Fprintln(m.log, "bench:", err)
	os.Exit(1)
}

// lack records something that could not be measured.
func (m *measurement) lack(format string, args ...any) {
	m.missing = append(m.missing, fmt.Sprintf(format, args...))
}

// output runs cmd and returns its standard output.
func (m *measurement) output(cmd *exec.Cmd, stdin string) (io.Reader, error) {
	fmt.Fprintln(m.log, "+", shorten(strings.Join(cmd.Args, " ")))
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%s: %w\n%s%s", cmd.Args[0], err, exit.Stderr, out)
	}
	return bytes.NewReader(out), err
}

// shorten cuts a log line to a readable length.
func shorten(s string) string {
	if len(s) > 120 {
		return s[:117] + "..."
	}
	return s
}

// report makes all measurements.
func (m *measurement) report() (*report, error) {
	if len(m.rows) == 0 {
		return nil, errors.New("-run matches no benchmark")
	}
	if _, err := os.Stat(filepath.Join("..", "bench_test.go")); err != nil {
		return nil, errors.New("run this in the directory bench of the repository")
	}
	// the commit, before the run changes files
	r := &report{rows: m.rows, runs: m.count, commit: machine.Commit(), date: time.Now()}
	config := map[string]string{}
	var err error
	all := names(m.rows)
	if r.golang, err = m.measureGo("..", m.processes(), config); err != nil {
		return nil, err
	}
	if m.scale {
		if r.scale, err = m.measureGo("scale", []process{{".", m.benchtime.String()}}, config); err != nil {
			return nil, err
		}
	}
	found := pythons(m.pythons)
	if len(found) == 0 {
		m.lack("asyncio: found no Python %d.%d or newer", oldest[0], oldest[1])
	} else if r.asyncio, err = m.measurePython(found[0], "asyncio", all); err != nil {
		return nil, err
	}
	if p, ok := withUVLoop(found); !ok {
		m.lack("uvloop: none of the Python interpreters can import it")
	} else if r.uvloop, err = m.measurePython(p, "uvloop", all); err != nil {
		return nil, err
	}
	r.missing = m.missing
	r.about = about(config, found)
	return r, nil
}

// withUVLoop returns the newest interpreter that has uvloop.
func withUVLoop(found []python) (python, bool) {
	for _, p := range found {
		if p.UVLoop != "" {
			return p, true
		}
	}
	return python{}, false
}

// process is one run of a test program: the benchmarks that match, and -benchtime.
type process struct{ match, benchtime string }

// processes returns the processes that measure all rows once.
func (m *measurement) processes() []process {
	var timed []string
	var all []process
	for _, r := range m.rows {
		if !r.fresh {
			timed = append(timed, r.name)
			continue
		}
		for _, who := range []string{"aio", r.rival} {
			p := process{"^Benchmark" + r.name + "$/^" + who + "$", "1x"}
			if !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	if len(timed) > 0 {
		all = append(all, process{"^Benchmark(" + strings.Join(timed, "|") + ")$", m.benchtime.String()})
	}
	return all
}

// measureGo runs benchmarks of the package in dir. They are built once, so that all
// runs measure the same code. Each run makes all the benchmarks, instead of repeating
// one, so that a period in which the machine is slow does not affect only one row.
func (m *measurement) measureGo(dir string, processes []process, config map[string]string) (samples, error) {
	tmp, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	test := filepath.Join(tmp, "bench.test")
	build := exec.Command("go", "test", "-c", "-o", test, ".")
	build.Dir = dir
	if _, err := m.output(build, ""); err != nil {
		return nil, err
	}
	s := samples{}
	for range m.count {
		for _, p := range processes {
			run := exec.Command(test, "-test.run=^$", "-test.bench="+p.match, "-test.benchmem",
				"-test.benchtime="+p.benchtime, "-test.timeout=0")
			run.Dir = dir
			out, err := m.output(run, "")
			if err != nil {
				return nil, err
			}
			if err := s.readGo(out, config); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}
