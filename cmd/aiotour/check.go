package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goaio/aio/cmd/aiotour/internal/course"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// maxFirst limits what a browser loads for the first page, in bytes.
const maxFirst = 3 << 20

// names returns the names of all programs.
func names() []string { return slices.Sorted(maps.Keys(course.Programs())) }

// check tests the course: its programs, its files, and, if Chromium is installed, the
// same programs in a browser.
func check(ctx context.Context, files map[string][]byte, w *workshop, out io.Writer) error {
	problems := slices.Concat(checkLevels(), checkFiles(files))
	for _, p := range problems {
		fmt.Fprintln(out, "FAIL", p)
	}
	fmt.Fprintf(out, "%d programs, %d levels, %d files\n", len(names()), len(course.Levels), len(files))
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		fmt.Fprintln(out, "not run in a browser: Chromium is not installed")
	} else {
		bad, count, err := checkBrowser(ctx, files, w, browser)
		if err != nil {
			return err
		}
		for _, p := range bad {
			fmt.Fprintln(out, "FAIL in the browser:", p)
		}
		fmt.Fprintf(out, "%d runs in the browser\n", count)
		problems = append(problems, bad...)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%d checks failed", len(problems))
	}
	fmt.Fprintln(out, "ok")
	return nil
}

// checkLevels runs the programs of all levels.
func checkLevels() (bad []string) {
	for _, l := range course.Levels {
		for _, v := range append([]course.Version{l.Broken}, l.Versions...) {
			if r := play.Do(v.Program, nil); r.Failed {
				bad = append(bad, fmt.Sprintf("level %s: %s fails in asyncio's order: %s", l.ID, v.Func, r.Text))
			}
			if f := play.Search(v.Program, 20_000); f.Failed == v.Correct || v.Correct && !f.Complete {
				bad = append(bad, fmt.Sprintf("level %s: %s: after %d runs the search says %q", l.ID, v.Func, f.Runs, f.Text))
			}
		}
	}
	return bad
}

var reference = regexp.MustCompile(`(?:href|src)="([^"]*)"|import .* from "\./([^"]*)"|import "\./([^"]*)"`)

// checkFiles checks that all links lead to a file of the site, and how much the first
// page loads.
func checkFiles(files map[string][]byte) (bad []string) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, ".html") && !strings.HasSuffix(name, ".js") || name == "wasm_exec.js" {
			continue
		}
		for _, m := range reference.FindAllSubmatch(files[name], -1) {
			to := string(bytes.Join(m[1:], nil))
			file, anchor, _ := strings.Cut(to, "#")
			text, ok := files[cmp.Or(file, name)]
			ok = ok && (anchor == "" || bytes.Contains(text, []byte(`id="`+anchor+`"`)))
			if !ok && to != "data:," {
				bad = append(bad, fmt.Sprintf("%s refers to %q, which does not exist", name, to))
			}
		}
	}
	first := 0
	for _, name := range []string{"index.html", "style.css", "page.js", "engine.js", "player.js", "lanes.js", "level.js", "exercise.js", "search.js", "loop.js", "course.json", "wasm_exec.js", wasmFile} {
		first += len(files[name])
	}
	if first > maxFirst {
		bad = append(bad, fmt.Sprintf("the first page loads %d bytes, more than %d", first, maxFirst))
	}
	return bad
}

// browserReport is the report that check.html sends.
type browserReport struct {
	Count int      `json:"count"`
	Bad   []string `json:"bad"`
}

// checkBrowser opens check.html in a headless browser, and returns its report.
func checkBrowser(ctx context.Context, files map[string][]byte, w *workshop, browser string) (bad []string, count int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, 0, err
	}
	reports := make(chan browserReport, 1)
	mux := http.NewServeMux()
	mux.Handle("/", handler(files, w))
	mux.HandleFunc("POST /checked", func(w http.ResponseWriter, r *http.Request) {
		var report browserReport
		if err := json.NewDecoder(r.Body).Decode(&report); err != nil {
			report.Bad = append(report.Bad, err.Error())
		}
		select {
		case reports <- report:
		default: // only the first report counts
		}
	})
	served := make(chan error, 1)
	go func() { served <- serve(ctx, l, mux) }()
	profile, err := os.MkdirTemp("", "aiotour")
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(profile)
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
		"--remote-debugging-port=0", "--user-data-dir="+profile, "http://"+l.Addr().String()+"/check.html")
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	defer func() {
		cancel()
		<-exited
		err = errors.Join(err, <-served)
	}()
	select {
	case r := <-reports:
		return r.Bad, r.Count, nil
	case err := <-exited:
		exited <- err
		return nil, 0, fmt.Errorf("the browser has ended without a report: %v", err)
	case <-ctx.Done():
		return nil, 0, fmt.Errorf("no report from the browser: %w", ctx.Err())
	}
}
