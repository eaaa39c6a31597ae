package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// recorded returns the report on the measurements in testdata.
func recorded(t *testing.T) *report {
	t.Helper()
	open := func(name string) *os.File {
		f, err := os.Open(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	config := map[string]string{}
	readGo := func(name string) samples {
		s := samples{}
		if err := s.readGo(open(name), config); err != nil {
			t.Fatal(err)
		}
		return s
	}
	readPython := func(name string) (samples, []string) {
		s := samples{}
		missing, err := s.readPython(open(name))
		if err != nil {
			t.Fatal(err)
		}
		return s, missing
	}
	r := &report{rows: rows, runs: 3, commit: "0123abc", date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	r.golang, r.scale = readGo("go.txt"), readGo("scale.txt")
	r.asyncio, _ = readPython("asyncio.jsonl")
	r.uvloop, r.missing = readPython("uvloop.jsonl")
	r.about = []fact{{"processor", config["cpu"]}, {"system", config["goos"]}}
	return r
}

func TestMarkdown(t *testing.T) {
	golden := filepath.Join("testdata", "table.md")
	got := recorded(t).markdown()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the table differs from %s (go test -update writes it):\n%s", golden, got)
	}
}

func TestChart(t *testing.T) {
	svg, err := recorded(t).chart()
	if err != nil {
		t.Fatal(err)
	}
	for in := xml.NewDecoder(bytes.NewReader(svg)); ; {
		if _, err := in.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, label := range []string{"Switch", "Cancel", "Parked, cancellable", "plain Go", "uvloop", "asyncio"} {
		if !bytes.Contains(svg, []byte(">"+label+"<")) {
			t.Errorf("the chart has no %q", label)
		}
	}
	// the marks of the key, and one for each figure
	for shape, want := range map[string]int{"<circle": 7, "M0 -6.5": 8, `width="10"`: 5} {
		if got := bytes.Count(svg, []byte(shape)); got != want {
			t.Errorf("%d marks %s, want %d", got, shape, want)
		}
	}
}

func TestReadGo(t *testing.T) {
	s, config := samples{}, map[string]string{}
	err := s.readGo(strings.NewReader(`goos: plan9
BenchmarkSwitch/aio-16   	     100	 90 ns/op	 0 B/op	 0 allocs/op
BenchmarkSwitch/aio-16   	     100	 70 ns/op	 0 B/op	 1 allocs/op
BenchmarkSteps/go/n=1000   	 7	  3 ns/op	 2.5 ns/item
BenchmarkStarted
PASS
ok  	example.org	1.0s
`), config)
	if err != nil {
		t.Fatal(err)
	}
	if config["goos"] != "plan9" || len(config) != 1 {
		t.Errorf("config is %v", config)
	}
	for _, want := range []struct {
		name, unit     string
		median, spread float64
	}{
		{"Switch/aio", nsPerOp, 80, 0.25},
		{"Switch/aio", "allocs/op", 0.5, 2},
		{"Steps/go/n=1000", nsPerItem, 2.5, 0},
		{"Steps/aio/n=1000", nsPerItem, 0, 0},
	} {
		if m, s := s.median(want.name, want.unit), s.spread(want.name, want.unit); m != want.median || s != want.spread {
			t.Errorf("%s %s: %v, spread by %v", want.name, want.unit, m, s)
		}
	}
	if err := s.readGo(strings.NewReader("BenchmarkX 1 many ns/op\n"), config); err == nil {
		t.Error("a value that is not a number is accepted")
	}
}

func TestProcesses(t *testing.T) {
	m := measurement{rows: chosen(regexp.MustCompile("^(Switch|Cancel|Timers100kFirst|Parked)$")), benchtime: time.Second}
	want := []process{
		{"^BenchmarkTimers100kFirst$/^aio$", "1x"},
		{"^BenchmarkTimers100kFirst$/^go$", "1x"},
		{"^BenchmarkParked$/^aio$", "1x"},
		{"^BenchmarkParked$/^go$", "1x"},
		{"^BenchmarkParked$/^go-cancellable$", "1x"},
		{"^Benchmark(Switch|Cancel)$", "1s"},
	}
	if got := m.processes(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestBetween(t *testing.T) {
	page := "head\n" + beginMark + "old" + endMark + "\ntail\n"
	once, err := between(page, "new\n")
	if err != nil {
		t.Fatal(err)
	}
	want := "head\n" + beginMark + "\n\nnew\n\n" + endMark + "\ntail\n"
	if twice, _ := between(once, "new\n"); once != want || twice != want {
		t.Errorf("got %q, then %q", once, twice)
	}
	if _, err := between("no marks", "new"); err == nil {
		t.Error("a page without marks is accepted")
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "performance.md")
	if err := os.WriteFile(path, []byte("# By hand\n"+beginMark+endMark+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := recorded(t)
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(page), "# By hand\n") || !strings.Contains(string(page), r.markdown()) {
		t.Errorf("the page is %q, %v", page, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "performance.svg")); err != nil {
		t.Error(err)
	}
}

func TestAmount(t *testing.T) {
	for want, v := range map[string]float64{
		"9.99 ns": 9.994, "10.0 ns": 9.996, "100 ns": 99.96, "1.50 µs": 1500, "82.0 ms": 82e6, "1.24 s": 1.236e9, "": 0,
	} {
		if got := amount(v, nsPerOp); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
	if got := amount(2806.4, perParked); got != "2806 B" {
		t.Error(got)
	}
}

// TestWorkloads checks that Python measures every row that it can.
func TestWorkloads(t *testing.T) {
	for _, name := range names(rows) {
		if !strings.Contains(workloads, `    "`+name+`": `) {
			t.Errorf("workloads.py has no %s", name)
		}
	}
	found := pythons(pythonPaths())
	if len(found) == 0 {
		t.Skip("Python is not installed")
	}
	m := measurement{count: 2, benchtime: time.Millisecond, log: io.Discard}
	s, err := m.measurePython(found[0], "asyncio", []string{"Switch", "RunCoroutineThreadsafe"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Switch", "RunCoroutineThreadsafe"} {
		if n := len(s[series{name, nsPerOp}]); n != 2 {
			t.Errorf("%s has %d values", name, n)
		}
	}
}
