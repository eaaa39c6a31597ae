package aio_test

// The programs of testdata/io-conformance are small programs of transports, protocols, streams,
// servers, datagrams, pipes, descriptors, files, threads, signals and subprocesses, each with the
// trace that CPython 3.14's asyncio produced for it on epoll, pass by pass of the event loop; the
// README in that directory describes the language. TestIOConformance runs each program on this
// package and compares the traces line by line.

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ioPart is the fraction of the programs of each file that the README's test command runs: one of
// ioPart. AIO_IO_CONFORMANCE=all runs all programs.
const ioPart = 8

// ioPrograms reads the programs of a directory: those of AIO_IO_CONFORMANCE_DIR if it is set. Then,
// and with AIO_IO_CONFORMANCE=all, it returns all of them; otherwise every part-th of each file.
func ioPrograms(t testing.TB, part int) (all []*ioProgram) {
	dir := os.Getenv("AIO_IO_CONFORMANCE_DIR")
	if dir != "" || os.Getenv("AIO_IO_CONFORMANCE") == "all" {
		part = 1
	}
	if dir == "" {
		dir = filepath.Join("testdata", "io-conformance", "programs")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no I/O programs in %s (%v)", dir, err)
	}
	for _, name := range files {
		for i, p := range ioProgramsOf(t, name) {
			if i%part == 0 {
				all = append(all, p)
			}
		}
	}
	return all
}

// ioProgramsOf reads the programs of a file, which may be compressed.
func ioProgramsOf(t testing.TB, name string) (all []*ioProgram) {
	fatal := func(err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	file, err := os.Open(name)
	fatal(err)
	defer file.Close()
	var r io.Reader = file
	if strings.HasSuffix(name, ".gz") {
		r, err = gzip.NewReader(file)
		fatal(err)
	}
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<24)
	for in.Scan() {
		if strings.TrimSpace(in.Text()) != "" {
			p := &ioProgram{}
			fatal(json.Unmarshal(in.Bytes(), p))
			all = append(all, p)
		}
	}
	fatal(in.Err())
	return all
}

// ioPending reads the ids of the programs that do not match yet.
func ioPending(t testing.TB) map[string]bool {
	data, err := os.ReadFile(filepath.Join("testdata", "io-conformance", "pending.txt"))
	if err != nil {
		t.Fatal(err)
	}
	pending := map[string]bool{}
	for _, id := range strings.Fields(string(data)) {
		pending[id] = true
	}
	return pending
}

// withoutPasses returns the trace without the number of the pass in each line.
func withoutPasses(trace []string) []string {
	out := make([]string, len(trace))
	for i, line := range trace {
		_, out[i], _ = strings.Cut(line, " ")
	}
	return out
}

// ioDifference runs p and tells where its trace differs, "" if nowhere.
func ioDifference(p *ioProgram, mode ioMode) string {
	want := p.Trace
	if mode.goroutines && p.ticks() {
		want = withoutPasses(want)
	}
	return difference(want, runIO(p, mode))
}

// quiet discards what is logged during a test.
func quiet(t testing.TB) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(before) })
}

func TestIOConformance(t *testing.T) {
	quiet(t)
	all := ioPrograms(t, ioPart)
	pending := ioPending(t)
	matched := 0
	for _, p := range all {
		t.Run(p.ID, func(t *testing.T) {
			diff := ioDifference(p, ioMode{})
			if pending[p.ID] {
				if diff == "" {
					t.Log("listed as pending, but matches")
					matched++
				}
				return
			}
			if diff != "" {
				source, _ := json.Marshal(p.Coros)
				protos, _ := json.Marshal(p.Protos)
				t.Errorf("%s\nprotos: %s\nprogram: %s", diff, protos, source)
				return
			}
			matched++
		})
	}
	fmt.Printf("io conformance: %d of %d programs match\n", matched, len(all))
}

// TestIOConformanceInDebugMode runs programs in debug mode, which must not change the order of
// anything.
func TestIOConformanceInDebugMode(t *testing.T) {
	quiet(t)
	pending := ioPending(t)
	for _, p := range ioPrograms(t, 4*ioPart) {
		if pending[p.ID] {
			continue
		}
		if diff := ioDifference(p, ioMode{debug: true}); diff != "" {
			t.Errorf("%s: %s", p.ID, diff)
		}
	}
}

// TestIOConformanceCanFail changes one line of each of some traces.
func TestIOConformanceCanFail(t *testing.T) {
	quiet(t)
	for i, p := range ioPrograms(t, 16*ioPart) {
		if i%4 != 0 {
			continue
		}
		got := runIO(p, ioMode{})
		want := append([]string(nil), got...)
		want[i%len(want)] += "!"
		if difference(want, got) == "" {
			t.Errorf("%s: a changed line %d was not noticed", p.ID, i%len(want))
		}
	}
}
