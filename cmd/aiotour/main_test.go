package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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

// The pages show each program and each level, and nothing else.
func TestPages(t *testing.T) {
	files, err := pages()
	if err != nil {
		t.Fatal(err)
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
	if !slices.Equal(exercises, want) {
		t.Errorf("the page lists\n%q\nthe repository has\n%q", exercises, want)
	}
}
