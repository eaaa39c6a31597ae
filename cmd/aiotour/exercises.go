package main

// The pages of the exercises, and the server's part of "Check": it runs the tests of an
// exercise in the learner's folder. The tests are the learner's code, and run with the
// learner's rights. So only a page of this server may ask for them: the server listens on
// the loopback interface, a request must come from a page of the same origin, and it
// names an exercise, not a folder.

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// exercise is a folder of examples/exercises.
type exercise struct{ Dir, About string }

var exercises = []exercise{
	{"01-first-await", "The first await"},
	{"02-task-group", "Several tasks, and their errors"},
	{"03-lost-update", "State over an await"},
	{"04-retry", "Retry with back-off, and the swallowed cancellation"},
	{"05-timeout", "A timeout, and whose cancellation it was"},
	{"06-deadlock", "Deadlock"},
	{"07-producer-consumer", "Producer and consumer"},
	{"08-back-pressure", "Back-pressure"},
	{"09-shield", "A request that outlives its caller"},
	{"10-rate-limit", "A rate limit"},
	{"11-shutdown", "Graceful shutdown"},
	{"12-pool", "A pool that survives cancellation at every await"},
	{"13-event-loop", "An event loop by hand"},
}

// workshop is the folder of the exercises.
type workshop struct {
	dir string // "" if the folder was not found
	// checks reports whether the pages may ask for the tests of an exercise.
	checks bool
	// slot has a place for the one check that runs at a time.
	slot chan struct{}
}

// newWorkshop returns the workshop in dir. If dir is "", it looks for the exercises in
// the repository of this program.
func newWorkshop(dir string) (*workshop, error) {
	w := &workshop{slot: make(chan struct{}, 1)}
	if dir != "" {
		if _, err := os.Stat(filepath.Join(dir, exercises[0].Dir, "exercise.go")); err != nil {
			return nil, fmt.Errorf("%s is not the folder of the exercises: %w", dir, err)
		}
		w.dir = dir
		return w, nil
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		dir = filepath.Join(filepath.Dir(file), "..", "..", "examples", "exercises")
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			w.dir = dir
		}
	}
	return w, nil
}

// pages adds the pages of the exercises. Their texts are read from the folder each
// time, so that a page that is loaded again shows what the learner has written.
func (w *workshop) pages(add func(id, title string, body template.HTML) error) error {
	t, err := template.ParseFS(site, "site/pages/exercise.html")
	if err != nil || w.dir == "" {
		return err
	}
	for i, e := range exercises {
		var texts [3]string
		for j, name := range []string{"README.md", "exercise.go", "solution.go"} {
			text, err := os.ReadFile(filepath.Join(w.dir, e.Dir, name))
			if err != nil {
				return err
			}
			texts[j] = string(text)
		}
		given := ""
		if text, err := os.ReadFile(filepath.Join(w.dir, e.Dir, "given.go")); err == nil {
			given = withoutTag(string(text))
		}
		var next *exercise
		if i+1 < len(exercises) {
			next = &exercises[i+1]
		}
		var b bytes.Buffer
		err := t.Execute(&b, map[string]any{
			"E": e, "Task": markdown(texts[0]), "Source": withoutTag(texts[1]), "Given": given, "Solution": withoutTag(texts[2]),
			"File": filepath.Join(w.dir, e.Dir, "exercise.go"), "Dir": w.dir, "Checks": w.checks, "Next": next,
		})
		if err != nil {
			return err
		}
		if err := add("exercise-"+e.Dir, e.About, template.HTML(b.String())); err != nil { //nolint:gosec // made by html/template
			return err
		}
	}
	return nil
}

// page makes a page of an exercise again.
func (w *workshop) page(name string) ([]byte, error) {
	files := map[string][]byte{}
	add, err := framed(files)
	if err == nil {
		err = w.pages(add)
	}
	return files[name], err
}

// withoutTag returns the text of a Go file without its build constraint.
func withoutTag(text string) string {
	if strings.HasPrefix(text, "//go:build") {
		_, text, _ = strings.Cut(text, "\n")
	}
	return strings.TrimSpace(text)
}

// checkResult is the result of the tests of an exercise.
type checkResult struct {
	Passed bool         `json:"passed"`
	Tests  []testResult `json:"tests"`
	// Output is the output that belongs to no test, such as an error of the
	// compiler.
	Output string `json:"output"`
	// Source is the file that was tested.
	Source string `json:"source"`
}

type testResult struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	Output string `json:"output"`
	// Page is the page of the course that explains it, "" for none.
	Page string `json:"page,omitempty"`
}

// reading are the pages of the course on what a failed test tells the learner to read.
var reading = map[string]string{
	"docs/tour.md, A coroutine":                          "index",
	"docs/tour.md, Taking turns":                         "token",
	"docs/tour.md, Bug: the lost update":                 "level-lost-update",
	"docs/tour.md, Concurrency":                          "groups",
	"docs/tour.md, Task groups":                          "groups",
	"docs/tour.md, Cancellation":                         "cancellation",
	"docs/tour.md, Bug: the swallowed cancellation":      "level-swallowed",
	"docs/tour.md, Bug: the missing shield":              "groups",
	"docs/tour.md, Queues":                               "back-pressure",
	"docs/tour.md, Deadlocks":                            "deadlock",
	"docs/tour.md, Shutdown":                             "shutdown",
	"docs/how-it-works.md, Futures":                      "how-it-works",
	"docs/how-it-works.md, Tasks":                        "how-it-works",
	"docs/idioms.md, Timeouts":                           "cancellation",
	"docs/cancellation.md, The source of a cancellation": "cancellation",
	"docs/testing.md, Virtual time":                      "testing",
	"docs/simulation.md, Cancel at every await":          "testing",
	"docs/idioms.md, Pools":                              "level-permit-lost",
}

var read = regexp.MustCompile(`(?m)^Read: (.*)$`)

// maxOutput limits what a page shows of a test, in bytes.
const maxOutput = 20_000

// ServeHTTP runs the tests of the exercise that the path ends with.
func (w *workshop) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	switch {
	case !w.checks:
		http.Error(rw, "this server checks no exercises", http.StatusNotFound)
		return
	case !sameOrigin(r):
		http.Error(rw, "only a page of this server may ask for a check", http.StatusForbidden)
		return
	case !slices.ContainsFunc(exercises, func(e exercise) bool { return e.Dir == name }):
		http.Error(rw, "there is no such exercise", http.StatusNotFound)
		return
	}
	select {
	case w.slot <- struct{}{}:
		defer func() { <-w.slot }()
	case <-r.Context().Done():
		return
	}
	result, err := w.check(r.Context(), name)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(result) // a client that has left needs no answer
}

// sameOrigin reports whether a page of this server has made the request. The host of
// the request must be a name of the loopback interface, because the name of another
// site may resolve to the loopback interface too.
func sameOrigin(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.Trim(r.Host, "[]")
	}
	ip := net.ParseIP(host)
	return (host == "localhost" || ip != nil && ip.IsLoopback()) && r.Header.Get("Origin") == "http://"+r.Host
}

// check runs the tests of an exercise. The tests limit themselves to a minute; the rest
// is for the compiler.
func (w *workshop) check(ctx context.Context, name string) (*checkResult, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-json", "-count=1", "-timeout=1m", "./"+name)
	cmd.Dir = w.dir
	cmd.WaitDelay = 5 * time.Second
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if ctx.Err() != nil || out.Len() == 0 {
		return nil, fmt.Errorf("go test ./%s: %w\n%s", name, cmp.Or(ctx.Err(), err), &errOut)
	}
	result := readTests(out.Bytes())
	result.Passed = err == nil
	result.Output = shorten(result.Output + errOut.String())
	source, err := os.ReadFile(filepath.Join(w.dir, name, "exercise.go"))
	result.Source = withoutTag(string(source))
	return result, err
}

// noise is what the testing package prints besides the output of a test.
var noise = regexp.MustCompile(`^(=== (RUN|PAUSE|CONT|NAME) |--- (PASS|FAIL|SKIP): |PASS$|FAIL(\t|$)|ok  \t|exit status )|^\?   \t`)

// readTests reads the output of go test -json.
func readTests(events []byte) *checkResult {
	result := &checkResult{Tests: []testResult{}}
	index := map[string]int{}
	for line := range bytes.Lines(events) {
		var e struct{ Action, Test, Output string }
		if json.Unmarshal(line, &e) != nil {
			result.Output += string(line)
			continue
		}
		output := e.Output
		if noise.MatchString(strings.TrimLeft(strings.TrimSuffix(output, "\n"), " ")) {
			output = ""
		}
		if e.Test == "" {
			result.Output += output
			continue
		}
		i, ok := index[e.Test]
		if !ok {
			i = len(result.Tests)
			index[e.Test] = i
			result.Tests = append(result.Tests, testResult{Name: e.Test})
		}
		t := &result.Tests[i]
		t.Output += output
		t.Passed = t.Passed || e.Action == "pass" || e.Action == "skip"
	}
	for i := range result.Tests {
		t := &result.Tests[i]
		t.Output = shorten(unindent(t.Output))
		if m := read.FindStringSubmatch(t.Output); m != nil {
			t.Page = reading[m[1]]
		}
	}
	return result
}

// position is what the testing package puts before the text of t.Error, and margin before
// its other lines.
var (
	position = regexp.MustCompile(`(?m)^    \S+_test\.go:\d+: (not yet\n\s*)?`)
	margin   = regexp.MustCompile(`(?m)^ {4,8}`)
)

// unindent removes both from a text.
func unindent(text string) string {
	return margin.ReplaceAllString(position.ReplaceAllString(text, ""), "")
}

func shorten(text string) string {
	if len(text) > maxOutput {
		return strings.ToValidUTF8(text[:maxOutput], "") + "\n… (the rest is left out)\n"
	}
	return text
}
