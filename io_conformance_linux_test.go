package aio_test

// The programs of testdata/io-conformance are small programs of transports, protocols,
// streams, servers, datagrams, pipes, descriptors, files, threads, signals and
// subprocesses, each with the trace that CPython 3.14's asyncio produced for it on epoll,
// pass by pass of the event loop; the README in that directory describes the language.
// TestIOConformance runs each program on this package and compares the traces line by
// line.

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goaio/aio/internal/stage"
)

// The README's test command, and .ci/run under the race detector, run every ioPart-th
// program of each file. AIO_IO_CONFORMANCE=all runs all programs, as .ci/run does
// without the race detector.
var ioPart = stage.Amount(16, 4, 1)

// ioPrograms reads the programs of a directory: those of AIO_IO_CONFORMANCE_DIR if it is
// set. Then, and with AIO_IO_CONFORMANCE=all, it returns all of them; otherwise every
// part-th of each file.
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
		all = append(all, ioProgramsOf(t, name, part)...)
	}
	return all
}

// ioProgramsOf reads every part-th program of a file, which may be compressed.
func ioProgramsOf(t testing.TB, name string, part int) (all []*ioProgram) {
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
	for i := 0; in.Scan(); i++ {
		if i%part == 0 && strings.TrimSpace(in.Text()) != "" {
			p := &ioProgram{}
			fatal(json.Unmarshal(in.Bytes(), p))
			all = append(all, p)
		}
	}
	fatal(in.Err())
	return all
}

// withoutPasses returns the trace without the number of the pass in each line.
func withoutPasses(trace []string) []string {
	out := make([]string, len(trace))
	for i, line := range trace {
		_, out[i], _ = strings.Cut(line, " ")
	}
	return out
}

// byLabel sorts the lines of a trace by their label: the lines of one connection or task
// keep their order.
func byLabel(trace []string) []string {
	trace = slices.Clone(trace)
	slices.SortStableFunc(trace, func(a, b string) int {
		a, _, _ = strings.Cut(a, " ")
		b, _, _ = strings.Cut(b, " ")
		return strings.Compare(a, b)
	})
	return trace
}

// ioDifference runs p and describes the first difference of its trace, "" if there is
// none.
func ioDifference(t testing.TB, p *ioProgram, mode ioMode) string {
	want := p.Trace
	if p.byLabel() {
		return difference(byLabel(want), byLabel(runIO(t, p, mode)))
	}
	if mode.goroutines && p.ticks() {
		want = withoutPasses(want)
	}
	return difference(want, runIO(t, p, mode))
}

func TestIOConformance(t *testing.T) {
	quiet(t)
	all := ioPrograms(t, ioPart)
	matched := 0
	for _, p := range all {
		t.Run(p.ID, func(t *testing.T) {
			if diff := ioDifference(t, p, ioMode{}); diff != "" {
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

// TestIOConformanceDiffers runs the programs whose trace differs from CPython's for a
// reason given in docs/differences.md. Their traces here must not change either.
// AIO_IO_CONFORMANCE_RECORD=1 records them.
func TestIOConformanceDiffers(t *testing.T) {
	quiet(t)
	name := filepath.Join("testdata", "io-conformance", "differs.jsonl")
	all := ioProgramsOf(t, name, 1)
	if os.Getenv("AIO_IO_CONFORMANCE_RECORD") != "" {
		recordIO(t, name, all)
	}
	for _, p := range all {
		t.Run(p.ID, func(t *testing.T) {
			want, got := p.Ours, runIO(t, p, ioMode{})
			if p.byLabel() {
				want, got = byLabel(want), byLabel(got)
			}
			if diff := difference(want, got); diff != "" {
				t.Errorf("not the recorded trace: %s", diff)
			}
			if difference(p.Trace, p.Ours) == "" || p.Differs == "" {
				t.Errorf("no difference, or no reason for it: %q", p.Differs)
			}
		})
	}
}

// TestIOConformanceReasons compares differs.jsonl with docs/differences.md, which has the
// reason of each key in brackets, followed by a comment with the ids of its programs.
func TestIOConformanceReasons(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("docs", "differences.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "\n## I/O, pass by pass\n")
	if !ok {
		t.Fatal("docs/differences.md has no section on I/O")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string][]string{}
	for _, m := range ioReason.FindAllStringSubmatch(section, -1) {
		documented[m[1]] = strings.FieldsFunc(m[2], func(r rune) bool { return strings.ContainsRune(", \n", r) })
	}
	programs := map[string][]string{}
	for _, p := range ioProgramsOf(t, filepath.Join("testdata", "io-conformance", "differs.jsonl"), 1) {
		programs[p.Differs] = append(programs[p.Differs], p.ID)
	}
	equal(t, "the programs that differ, by reason, and the documented ones", documented, programs)
	all := map[string]bool{}
	for _, p := range ioPrograms(t, 1) {
		all[p.ID] = true
	}
	for reason, ids := range programs {
		for _, id := range ids {
			if all[id] {
				t.Errorf("%s differs for the reason %s, and is among the programs that match", id, reason)
			}
		}
	}
}

var ioReason = regexp.MustCompile(`\[([a-z0-9-]+)\]\s+<!--([^>]*)-->`)

// recordIO writes the traces of this package into a file of programs.
func recordIO(t *testing.T, name string, all []*ioProgram) {
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for i, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		all[i].Ours = runIO(t, all[i], ioMode{})
		fields := map[string]any{}
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatal(err)
		}
		fields["ours"] = all[i].Ours
		if err := json.NewEncoder(&out).Encode(fields); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(name, out.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestIOConformanceKinds runs the smallest program for each kind of difference that has
// ever been found, in each mode in which the order must be the same.
func TestIOConformanceKinds(t *testing.T) {
	quiet(t)
	for _, p := range ioProgramsOf(t, filepath.Join("testdata", "io-conformance", "programs", "minimal.jsonl.gz"), 1) {
		t.Run(strings.TrimPrefix(p.ID, "min-"), func(t *testing.T) {
			for _, mode := range []ioMode{{}, {debug: true}} {
				if diff := ioDifference(t, p, mode); diff != "" {
					t.Errorf("%+v: %s", mode, diff)
				}
			}
		})
	}
}

// TestIOConformanceGoroutines runs the programs of the calm profiles with connections
// that goroutines serve. The order must be the same for each connection and task;
// buffer sizes may differ, because a goroutine empties the buffer.
func TestIOConformanceGoroutines(t *testing.T) {
	quiet(t)
	comparable := func(trace []string) []string {
		trace = byLabel(trace)
		for i, line := range trace {
			trace[i] = bufferSize.ReplaceAllString(line, "buf")
		}
		return trace
	}
	for _, p := range ioPrograms(t, 8*ioPart) {
		switch p.Profile {
		case "calmtls", "calmtlsbuffers", "calmeyes", "calmchain", "calmloops", "calmstreams":
		default:
			// calmfile tests the kernel's sendfile; a goroutine passes data
			// to a protocol in different pieces
			continue
		}
		if diff := difference(comparable(p.Trace), comparable(runIO(t, p, ioMode{goroutines: true}))); diff != "" {
			t.Errorf("%s: %s", p.ID, diff)
		}
	}
}

var bufferSize = regexp.MustCompile(`\bbuf=\d+`)

// TestIOConformanceInDebugMode runs programs in debug mode, which must not change any
// order.
func TestIOConformanceInDebugMode(t *testing.T) {
	quiet(t)
	for _, p := range ioPrograms(t, 4*ioPart) {
		if diff := ioDifference(t, p, ioMode{debug: true}); diff != "" {
			t.Errorf("%s: %s", p.ID, diff)
		}
	}
}

// TestIOConformanceCanFail changes a line in some of the traces, and checks that the
// comparison notices it.
func TestIOConformanceCanFail(t *testing.T) {
	quiet(t)
	for i, p := range ioPrograms(t, 8*ioPart) {
		if i%4 != 0 {
			continue
		}
		got := runIO(t, p, ioMode{})
		want := append([]string(nil), got...)
		want[i%len(want)] += "!"
		if difference(want, got) == "" {
			t.Errorf("%s: a changed line %d was not noticed", p.ID, i%len(want))
		}
	}
}
