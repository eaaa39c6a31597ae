package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"html/template"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/goaio/aio/cmd/aiotour/internal/course"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
	"github.com/goaio/aio/examples/miniloop/loop"
)

// site has the pages, their style and their scripts.
//
//go:embed site
var site embed.FS

// sources has the programs of the course as text.
//
//go:embed internal/course/*.go
var sources embed.FS

// wasmFile is the name of the compiled programs. It does not end in gz, because some
// servers would then announce a compression, and the browser would decompress the file.
const wasmFile = "course.wasm.bin"

// page is a page of the site.
type page struct {
	ID    string
	Title string
	About string
}

// chapters are the pages of the course, in the order in which to read them.
var chapters = []page{
	{"token", "The token", "One task runs at a time, until it awaits."},
	{"pass", "The ready queue and passes", "The order in which tasks and timers run."},
	{"await", "Awaits", "Where a task is suspended, and what changes meanwhile."},
	{"futures", "Futures by hand", "What a task waits for, and who wakes it."},
	{"cancellation", "Cancellation", "An await returns it once, as an error."},
	{"groups", "Groups and their errors", "Tasks that end together: if one fails, the others are cancelled."},
	{"events", "Events, semaphores, conditions", "Three ways to let tasks wait for each other."},
	{"deadlock", "Deadlocks", "Tasks that wait for each other."},
	{"back-pressure", "Back-pressure", "A fast producer waits for a slow consumer."},
	{"fairness", "Fairness and starvation", "How a task keeps other tasks from running."},
	{"shutdown", "Shutdown", "End without losing work, and within a time limit."},
	{"threads", "Goroutines and tasks", "Code that blocks, and code outside of the loop."},
	{"testing", "Testing", "Every order, every cancellation, and no waiting."},
	{"how-it-works", "How an event loop works", "A loop of a hundred lines, and where the package differs."},
}

// navigation has the pages to which each page links.
var navigation = []page{
	{"index", "Chapters", ""},
	{"levels", "Levels", "Break programs, and mend them."},
	{"exercises", "Exercises", "Write programs, with tests."},
	{"how-it-works", "How it works", ""},
	{"glossary", "Glossary", ""},
}

// build returns the files of the site.
func build(ctx context.Context, w *workshop) (map[string][]byte, error) {
	files, err := pages(w)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "aiotour")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if files[wasmFile], err = compile(ctx, dir); err != nil {
		return nil, err
	}
	if files["wasm_exec.js"], err = support(ctx); err != nil {
		return nil, err
	}
	return files, nil
}

// compile compiles the programs of the course, and compresses them.
func compile(ctx context.Context, dir string) ([]byte, error) {
	wasm := filepath.Join(dir, "course.wasm")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", wasm, "github.com/goaio/aio/cmd/aiotour/wasm")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	// In the folder of this program its module is the main one, also if that folder
	// is in the module cache.
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		cmd.Dir = filepath.Dir(file)
		cmd.Env = append(cmd.Env, "GOWORK=off")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compiling the programs: %w\n%s", err, out)
	}
	binary, err := os.ReadFile(wasm)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(binary)
	}
	if err == nil {
		err = z.Close()
	}
	return b.Bytes(), err
}

// support returns the script of the Go distribution that starts a program.
func support(ctx context.Context) ([]byte, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	// Before Go 1.24 the script was in misc/wasm.
	for _, dir := range []string{"lib", "misc"} {
		script, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), dir, "wasm", "wasm_exec.js"))
		if !errors.Is(err, os.ErrNotExist) {
			return script, err
		}
	}
	return nil, errors.New("the Go distribution has no wasm_exec.js")
}

// pages returns the files that need no compiler.
func pages(w *workshop) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range []string{"style.css", "engine.js", "player.js", "lanes.js", "level.js", "exercise.js", "search.js", "loop.js", "page.js", "check.js"} {
		data, err := site.ReadFile("site/" + name)
		if err != nil {
			return nil, err
		}
		files[name] = data
	}
	err := addPages(files, w)
	if err != nil {
		return nil, err
	}
	if files["course.json"], err = courseData(); err != nil {
		return nil, err
	}
	files["check.json"], err = expectations()
	return files, err
}

// addPages adds the pages.
func addPages(files map[string][]byte, w *workshop) error {
	add, err := framed(files)
	if err != nil {
		return err
	}
	data := map[string]any{"Chapters": chapters, "Levels": course.Levels, "Exercises": exercises, "Texts": w.dir != ""}
	all := append([]page{{ID: "index", Title: "A course"}, {ID: "levels", Title: "Levels"}, {ID: "exercises", Title: "Exercises"},
		{ID: "glossary", Title: "Glossary"}, {ID: "check", Title: "Check"}}, chapters...)
	for _, p := range all {
		t, err := template.New(p.ID+".html").Funcs(quotes).ParseFS(site, "site/pages/"+p.ID+".html")
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, data); err != nil {
			return err
		}
		if i := slices.Index(chapters, p); i >= 0 {
			where := map[string]any{"N": i + 1, "Of": len(chapters)}
			if i > 0 {
				where["Before"] = chapters[i-1]
			}
			if i+1 < len(chapters) {
				where["After"] = chapters[i+1]
			}
			if err := sequel.Execute(&b, where); err != nil {
				return err
			}
		}
		if err := add(p.ID, p.Title, template.HTML(b.String())); err != nil { //nolint:gosec // made by html/template
			return err
		}
	}
	level := template.Must(template.New("").Parse(`<p><a href="levels.html">All levels</a></p>
<h1>{{.L.Title}}</h1>
<div data-level="{{.L.ID}}"></div>
<p>{{with .Next}}Next level: <a href="level-{{.ID}}.html">{{.Title}}</a>.{{else}}That was the last level. Continue with the <a href="exercises.html">exercises</a>.{{end}}</p>
`))
	for i, l := range course.Levels {
		var next *course.Level
		if i+1 < len(course.Levels) {
			next = &course.Levels[i+1]
		}
		var b bytes.Buffer
		if err := level.Execute(&b, map[string]any{"L": l, "Next": next}); err != nil {
			return err
		}
		if err := add("level-"+l.ID, l.Title, template.HTML(b.String())); err != nil { //nolint:gosec // made by html/template
			return err
		}
	}
	return w.pages(add)
}

// sequel is the end of a chapter page, with the links to its neighbours.
var sequel = template.Must(template.New("").Parse(`
<nav class="sequel" aria-label="Chapters">{{with .Before}}<a href="{{.ID}}.html">← {{.Title}}</a>{{end}}
<span>chapter {{.N}} of {{.Of}}</span>
{{with .After}}<a class="next" href="{{.ID}}.html">Next: {{.Title}} →</a>{{else}}<a class="next" href="levels.html">Next: the levels →</a>{{end}}</nav>
`))

// quotes are the functions that a page uses to show parts of the small loop, and the
// program that runs with it.
var quotes = template.FuncMap{
	"code":    func(names ...string) (template.HTML, error) { return quote(loop.Source, names) },
	"level":   levelLink,
	"number":  func(i int) int { return i + 1 },
	"program": func(names ...string) (template.HTML, error) { return quote(loop.ProgramSource, names) },
}

// levelLink returns a link to a level. Its text is the title, for the middle of a
// sentence.
func levelLink(id string) (template.HTML, error) {
	for _, l := range course.Levels {
		if l.ID == id {
			title := template.HTMLEscapeString(strings.ToLower(l.Title[:1]) + l.Title[1:])
			link := `<a href="level-` + id + `.html">` + title + "</a>"
			return template.HTML(link), nil //nolint:gosec // escaped
		}
	}
	return "", fmt.Errorf("there is no level %s", id)
}

// quote returns declarations of a Go file as HTML.
func quote(text string, names []string) (template.HTML, error) {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, "", text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	found := map[string]string{}
	for _, d := range parsed.Decls {
		name, doc := "", (*ast.CommentGroup)(nil)
		switch d := d.(type) {
		case *ast.FuncDecl:
			name, doc = d.Name.Name, d.Doc
		case *ast.GenDecl:
			if t, ok := d.Specs[0].(*ast.TypeSpec); ok {
				name, doc = t.Name.Name, d.Doc
			}
		}
		from := d.Pos()
		if doc != nil {
			from = doc.Pos()
		}
		found[name] = text[fset.Position(from).Offset:fset.Position(d.End()).Offset]
	}
	var parts []string
	for _, name := range names {
		if found[name] == "" {
			return "", fmt.Errorf("there is no declaration of %s", name)
		}
		parts = append(parts, found[name])
	}
	return template.HTML(`<pre class="source"><code>` + template.HTMLEscapeString(strings.Join(parts, "\n\n")) + "</code></pre>"), nil //nolint:gosec // escaped
}

// framed returns a function that adds a page, in the frame of all pages, to files.
func framed(files map[string][]byte) (add func(id, title string, body template.HTML) error, err error) {
	frame, err := template.ParseFS(site, "site/template.html")
	if err != nil {
		return nil, err
	}
	return func(id, title string, body template.HTML) error {
		var b bytes.Buffer
		err := frame.Execute(&b, map[string]any{"ID": id, "Title": title, "Body": body, "Nav": navigation, "Go": runtime.Version()})
		files[id+".html"] = b.Bytes()
		return err
	}, nil
}

// part is a declaration of a program, and the line at which it begins.
type part struct {
	Line int    `json:"line"`
	Text string `json:"text"`
}

// program is the text of a program.
type program struct {
	Parts []part   `json:"parts"`
	Guess []string `json:"guess,omitempty"`
}

// version is a version of a level's program, without its verdict, which comes from
// runs.
type version struct {
	Func    string `json:"func"`
	Label   string `json:"label"`
	Because string `json:"because"`
}

type level struct {
	ID       string    `json:"id"`
	Title    string    `json:"title"`
	Story    string    `json:"story"`
	Hint     string    `json:"hint"`
	Moral    string    `json:"moral"`
	Broken   string    `json:"broken"`
	Versions []version `json:"versions"`
}

// courseData returns course.json: the levels, and the texts of all programs.
func courseData() ([]byte, error) {
	var levels []level
	programs := map[string]program{}
	for _, d := range course.Demos {
		parts, err := declarations(d.File, d.Func)
		if err != nil {
			return nil, err
		}
		programs[d.Func] = program{parts, d.Guess}
	}
	for _, l := range course.Levels {
		out := level{l.ID, l.Title, l.Story, l.Hint, l.Moral, l.Broken.Func, nil}
		for _, v := range append([]course.Version{l.Broken}, l.Versions...) {
			parts, err := declarations(l.File, v.Func)
			if err != nil {
				return nil, err
			}
			programs[v.Func] = program{Parts: parts}
		}
		for _, v := range l.Versions {
			out.Versions = append(out.Versions, version{v.Func, v.Label, v.Because})
		}
		levels = append(levels, out)
	}
	return json.Marshal(map[string]any{"levels": levels, "programs": programs})
}

// declarations returns the text of a function of a file, and then the declarations of
// the file that are not programs themselves, in their order.
func declarations(file, fn string) ([]part, error) {
	name := path.Join("internal/course", file)
	text, err := sources.ReadFile(name)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	programs := course.Programs()
	var first, others []part
	for _, d := range parsed.Decls {
		from, to := d.Pos(), d.End()
		var doc *ast.CommentGroup
		isProgram, isIt := false, false
		switch d := d.(type) {
		case *ast.GenDecl:
			if d.Tok == token.IMPORT {
				continue
			}
			doc = d.Doc
		case *ast.FuncDecl:
			doc = d.Doc
			_, isProgram = programs[d.Name.Name]
			isIt = d.Name.Name == fn
		}
		if doc != nil {
			from = doc.Pos()
		}
		p := part{fset.Position(from).Line, string(text[fset.Position(from).Offset:fset.Position(to).Offset])}
		switch {
		case isIt:
			first = append(first, p)
		case !isProgram:
			others = append(others, p)
		}
	}
	if len(first) == 0 {
		return nil, fmt.Errorf("%s has no function %s", file, fn)
	}
	return append(first, others...), nil
}

// expectation is a run, and its result outside of a browser.
type expectation struct {
	Func    string `json:"func"`
	Choices []int  `json:"choices"`
	Steps   int    `json:"steps"`
	Failed  bool   `json:"failed"`
	Text    string `json:"text"`
	Breaks  bool   `json:"breaks"` // whether a search finds a failure
}

// expectations returns check.json: what the programs do in asyncio's order, and in an
// order in which they fail.
func expectations() ([]byte, error) {
	var all []expectation
	for _, name := range names() {
		p := course.Programs()[name]
		found := play.Search(p, 600)
		for _, choices := range [][]int{{}, found.Choices} {
			r := play.Do(p, choices)
			all = append(all, expectation{name, choices, len(r.Frames) - 1, r.Failed, r.Text, found.Failed})
			if len(found.Choices) == 0 {
				break
			}
		}
	}
	return json.Marshal(all)
}

// write writes the files to a folder.
func write(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// contentType returns the media type of a file.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".json":
		return "application/json"
	}
	return "application/octet-stream"
}
