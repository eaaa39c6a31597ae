package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goaio/aio/internal/stage"
)

// Wrong command lines have exit code 2 and print the usage to the error output.
func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"-nothing"}, {"an", "argument"}, {"-check", "-o", "x"}} {
		var out, errOut bytes.Buffer
		if code := run(context.Background(), args, &out, &errOut); code != 2 || out.Len() > 0 || !strings.Contains(errOut.String(), "usage: aiotour") {
			t.Errorf("%v: code %d, output %q, errors %q", args, code, &out, &errOut)
		}
	}
	var out, errOut bytes.Buffer
	if code := run(context.Background(), []string{"-h"}, &out, &errOut); code != 0 || !strings.HasPrefix(out.String(), "usage: ") {
		t.Errorf("-h: code %d, output %q, errors %q", code, &out, &errOut)
	}
}

// -o writes the site: all links lead to a file, and the first page is small. -check finds
// nothing wrong in it, and notices a link that leads nowhere.
func TestSite(t *testing.T) {
	if !stage.Full {
		t.Skip("compiles for js/wasm: only in the full tests")
	}
	dir := t.TempDir()
	var out, errOut bytes.Buffer
	if code := run(context.Background(), []string{"-o", dir}, &out, &errOut); code != 0 {
		t.Fatalf("code %d: %s", code, &errOut)
	}
	files := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files[path], err = os.ReadFile(filepath.Join(dir, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if bad := checkFiles(files); len(bad) > 0 {
		t.Errorf("%q", bad)
	}
	files["index.html"] = append(files["index.html"], `<a href="nowhere.html">`...)
	if bad := checkFiles(files); !slices.Equal(bad, []string{`index.html refers to "nowhere.html", which does not exist`}) {
		t.Errorf("with a broken link: %q", bad)
	}
}

// Without an option the command prints an address on the loopback interface, serves the
// course there, and ends with its ctx.
func TestServe(t *testing.T) {
	if !stage.Full {
		t.Skip("compiles for js/wasm: only in the full tests")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out, in := io.Pipe()
	var errOut bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, nil, in, &errOut)
		in.Close()
	}()
	lines := bufio.NewScanner(out)
	address := ""
	for address == "" && lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "the course is at "); ok {
			address, _, _ = strings.Cut(rest, " ")
		}
	}
	if !strings.HasPrefix(address, "http://127.0.0.1:") {
		t.Fatalf("the address is %q: %s", address, &errOut)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	for path, want := range map[string]string{"/": "text/html; charset=utf-8", "/page.js": "text/javascript; charset=utf-8", "/" + wasmFile: "application/octet-stream"} {
		r, err := http.Get(address + path)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r.Body)
		if got := r.Header.Get("Content-Type"); got != want || r.StatusCode != 200 || n == 0 || err != nil {
			t.Errorf("%s: %s, %s, %d bytes, %v", path, r.Status, got, n, err)
		}
		r.Body.Close()
	}
	r, err := http.Get(address + "/nothing")
	if err != nil || r.StatusCode != 404 {
		t.Errorf("a file that does not exist: %v, %v", r, err)
	} else {
		r.Body.Close()
	}
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("code %d: %s", got, &errOut)
	}
}

// The pages show each program and each level, and nothing else, and their links lead to
// pages, also if the exercises were not found.
func TestPages(t *testing.T) {
	w, err := newWorkshop("")
	if err != nil {
		t.Fatal(err)
	}
	files, err := pages(w)
	if err != nil {
		t.Fatal(err)
	}
	without := maps.Clone(files)
	maps.DeleteFunc(without, func(name string, _ []byte) bool { return strings.HasPrefix(name, "exercise-") })
	if err := addPages(without, &workshop{}); err != nil {
		t.Fatal(err)
	}
	for _, files := range []map[string][]byte{files, without} {
		files["wasm_exec.js"] = []byte{}
		if bad := checkFiles(files); len(bad) > 0 {
			t.Errorf("%d files: %q", len(files), bad)
		}
	}
	for _, d := range names() {
		if !bytes.Contains(files["course.json"], []byte(`"`+d+`":{"parts":[{"line":`)) {
			t.Errorf("course.json has no text of %s", d)
		}
	}
	known := names()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text := string(files[name])
		for _, attribute := range []string{`data-play="`, `data-guess="`} {
			for _, part := range strings.Split(text, attribute)[1:] {
				if program, _, _ := strings.Cut(part, `"`); strings.HasSuffix(name, ".html") && !slices.Contains(known, program) {
					t.Errorf("%s shows %s, which does not exist", name, program)
				}
			}
		}
		for _, outside := range []string{"http://", "https://"} {
			if strings.Contains(strings.ReplaceAll(strings.ReplaceAll(text, "https://github.com/goaio/aio", ""), "http://www.w3.org/2000/svg", ""), outside) {
				t.Errorf("%s refers to the network", name)
			}
		}
	}
}

// A request for a check is refused unless a page of this server makes it, and unless it
// names an exercise.
func TestCheckRefused(t *testing.T) {
	w := &workshop{dir: t.TempDir(), checks: true, slot: make(chan struct{}, 1)}
	for _, c := range []struct {
		checks             bool
		method, host, from string
		path               string
		code               int
	}{
		{true, "POST", "127.0.0.1:80", "", "/exercises/01-first-await", 403},
		{true, "POST", "127.0.0.1:80", "null", "/exercises/01-first-await", 403},
		{true, "POST", "127.0.0.1:80", "http://example.org", "/exercises/01-first-await", 403},
		{true, "POST", "127.0.0.1:80", "http://127.0.0.1:81", "/exercises/01-first-await", 403},
		{true, "POST", "127.0.0.1:80", "https://127.0.0.1:80", "/exercises/01-first-await", 403},
		// Its name may resolve to this computer.
		{true, "POST", "example.org:80", "http://example.org:80", "/exercises/01-first-await", 403},
		{true, "POST", "127.0.0.1.example.org", "http://127.0.0.1.example.org", "/exercises/01-first-await", 403},
		{true, "GET", "127.0.0.1:80", "http://127.0.0.1:80", "/exercises/01-first-await", 404},
		{true, "POST", "127.0.0.1:80", "http://127.0.0.1:80", "/exercises/internal", 404},
		{true, "POST", "[::1]:80", "http://[::1]:80", "/exercises/..", 404},
		{true, "POST", "localhost", "http://localhost", "/exercises/01-first-await%2f..", 404},
		{false, "POST", "127.0.0.1:80", "http://127.0.0.1:80", "/exercises/01-first-await", 404},
	} {
		w.checks = c.checks
		r := httptest.NewRequest(c.method, "/", nil)
		r.URL.Path, r.Host = c.path, c.host
		if c.from != "" {
			r.Header.Set("Origin", c.from)
		}
		rec := httptest.NewRecorder()
		// A path with dots is redirected by the multiplexer, so it is passed to
		// the handler itself too.
		if handler(nil, w).ServeHTTP(rec, r); rec.Code != c.code && rec.Code != http.StatusTemporaryRedirect && rec.Code != http.StatusMovedPermanently {
			t.Errorf("%+v: code %d", c, rec.Code)
		}
		rec = httptest.NewRecorder()
		if w.ServeHTTP(rec, r); rec.Code != c.code && c.method == "POST" {
			t.Errorf("%+v: code %d from the handler", c, rec.Code)
		}
	}
	for host, want := range map[string]bool{"127.0.0.1": true, "127.8.8.8": true, "::1": true, "0.0.0.0": false, "192.0.2.1": false, "::": false} {
		if got := isLoopback(&net.TCPAddr{IP: net.ParseIP(host)}); got != want {
			t.Errorf("isLoopback(%s) is %v", host, got)
		}
	}
}

// The result of a check has the message of each test, without what the go command adds.
func TestReadTests(t *testing.T) {
	const events = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    exercise_test.go:19: not yet\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"        \n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"        What happened:\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"            2 of 3\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"        Read: docs/tour.md, Queues\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: TestA (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestA","Elapsed":0}
{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- PASS: TestB (0.00s)\n"}
{"Action":"pass","Package":"p","Test":"TestB","Elapsed":0}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.002s\n"}
{"Action":"fail","Package":"p","Elapsed":0.003}
`
	got := readTests([]byte(events))
	want := &checkResult{Tests: []testResult{{"TestA", false, "What happened:\n    2 of 3\nRead: docs/tour.md, Queues\n", "back-pressure"}, {"TestB", true, "", ""}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("- want, + got:\n%s", diff)
	}
}

// The Markdown of the exercises becomes HTML.
func TestMarkdown(t *testing.T) {
	got := string(markdown("# 1. A <title>\n\nText with `code<T>`, **strong** and\n[a link](given.go), [another](../../../docs/tour.md).\n\n- one\n  more\n- two\n\n    go test .\n    go vet .\n"))
	want := `<h1>1. A &lt;title&gt;</h1>
<p>Text with <code>code&lt;T&gt;</code>, <strong>strong</strong> and <a href="#given">a link</a>, another (<code>docs/tour.md</code>).</p>
<ul>
<li>one more</li>
<li>two</li>
</ul>
<pre class="source"><code>go test .
go vet .</code></pre>
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The list of exercises is that of the repository.
func TestExercises(t *testing.T) {
	const root = "../../examples/exercises"
	if _, err := os.Stat(root); errors.Is(err, os.ErrNotExist) {
		t.Skip("not in the repository: the exercises are a module of their own")
	}
	var want []exercise
	folders, err := filepath.Glob(root + "/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		text, err := os.ReadFile(filepath.Join(folder, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		title, _, _ := strings.Cut(string(text), "\n")
		_, title, _ = strings.Cut(title, ". ")
		want = append(want, exercise{filepath.Base(folder), title})
	}
	pages := map[string][]byte{}
	if err := addPages(pages, &workshop{}); err != nil {
		t.Fatal(err)
	}
	tests, err := filepath.Glob(root + "/[0-9]*/exercise_test.go")
	if err != nil || len(tests) == 0 {
		t.Fatal(len(tests), err)
	}
	for _, file := range tests {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "Read: \"")[1:] {
			what, _, _ := strings.Cut(part, `"`)
			if pages[reading[what]+".html"] == nil {
				t.Errorf("%s: %q has no page of the course", file, what)
			}
		}
	}
	if !slices.Equal(exercises, want) {
		t.Errorf("the page lists\n%q\nthe repository has\n%q", exercises, want)
	}
}
