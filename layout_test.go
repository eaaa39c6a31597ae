package aio_test

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Compares the layout of the package with docs/architecture.md. The checks compare names
// and ignore build constraints: they read the files of all systems. In the files for
// Linux upwardUses also finds fields and methods, by the types of the expressions.

// maxFileLines is the maximum number of lines of a file, including tests.
const maxFileLines = 800

// layoutMap is the content of docs/architecture.md.
type layoutMap struct {
	layers map[string]int  // layer of each source file
	tests  map[string]bool // test files without a source file of their name
	// "file: name", names of a higher layer that a file may use
	exceptions map[string]bool
}

var (
	layerHeading = regexp.MustCompile(`^### L(\d) `)
	codeWord     = regexp.MustCompile("`([^`]+)`")
)

// readLayoutMap reads the tables below the headings "### L0 …" to "### L8 …", "###
// Exceptions" and "### Tests without a source".
func readLayoutMap(page string) layoutMap {
	m := layoutMap{map[string]int{}, map[string]bool{}, map[string]bool{}}
	section := ""
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "#") {
			section = strings.TrimSpace(line)
			continue
		}
		cells := strings.Split(line, "|")
		if len(cells) < 3 || !strings.Contains(cells[1], "`") {
			continue
		}
		for _, w := range codeWord.FindAllStringSubmatch(cells[1], -1) {
			switch h := layerHeading.FindStringSubmatch(section); {
			case h != nil:
				m.layers[w[1]], _ = strconv.Atoi(h[1])
			case section == "### Tests without a source":
				m.tests[w[1]] = true
			case section == "### Exceptions":
				for _, name := range codeWord.FindAllStringSubmatch(cells[2], -1) {
					m.exceptions[w[1]+": "+name[1]] = true
				}
			}
		}
	}
	return m
}

// sourceFile is a file of the package.
type sourceFile struct {
	name string
	text string
	ast  *ast.File
}

func parseSources(t *testing.T, fset *token.FileSet, texts map[string]string) []*sourceFile {
	t.Helper()
	var files []*sourceFile
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		f := &sourceFile{name: name, text: texts[name]}
		if strings.HasSuffix(name, ".go") {
			var err error
			if f.ast, err = parser.ParseFile(fset, name, f.text, parser.ParseComments); err != nil {
				t.Fatal(err)
			}
		}
		files = append(files, f)
	}
	return files
}

// checkLayout returns the differences between files and m. uses is the result of
// upwardUses, nil if the files were not type-checked.
func checkLayout(m layoutMap, files []*sourceFile, uses map[string]string) []string {
	var bad []string
	add := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	var sources, tests []*sourceFile
	for _, f := range files {
		if strings.HasSuffix(f.name, "_test.go") {
			tests = append(tests, f)
		} else {
			sources = append(sources, f)
		}
		if strings.Count(f.text, "\n") > maxFileLines {
			add("%s has more than %d lines", f.name, maxFileLines)
		}
	}

	present := map[string]bool{}
	for _, f := range sources {
		present[f.name] = true
		if _, ok := m.layers[f.name]; !ok {
			add("%s has no row in docs/architecture.md", f.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.layers)) {
		if !present[name] {
			add("docs/architecture.md has a row for %s, which does not exist", name)
		}
	}

	arrows := upwardNames(m, sources)
	maps.Copy(arrows, uses)
	for _, a := range slices.Sorted(maps.Keys(arrows)) {
		if !m.exceptions[a] {
			add("%s is declared in a higher layer (%s) and is not a listed exception", a, arrows[a])
		}
	}
	for _, e := range slices.Sorted(maps.Keys(m.exceptions)) {
		_, name, _ := strings.Cut(e, ": ")
		if _, ok := arrows[e]; !ok && (uses != nil || !strings.Contains(name, ".")) {
			add("%s is listed as an exception but not needed", e)
		}
	}

	for _, f := range sources {
		bad = append(bad, checkSystem(f)...)
		bad = append(bad, checkPrivateParts(f)...)
		bad = append(bad, checkSuffix(f)...)
	}
	for _, f := range tests {
		bad = append(bad, checkSuffix(f)...)
		if !m.tests[f.name] && !strings.HasPrefix(f.name, "example_") && !hasSource(f.name, present) {
			add("%s has neither a source file of that name nor a row in docs/architecture.md", f.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.tests)) {
		if !slices.ContainsFunc(tests, func(f *sourceFile) bool { return f.name == name }) {
			add("docs/architecture.md has a row for the test file %s, which does not exist", name)
		}
	}
	return bad
}

// hasSource reports whether a test file is named after a source file: locks_test.go,
// locks_condition_test.go for a part of it, and locks_linux_test.go are named after
// locks.go.
func hasSource(test string, sources map[string]bool) bool {
	name := strings.TrimSuffix(test, "_test.go")
	for {
		if sources[name+".go"] || sources[name+".s"] {
			return true
		}
		i := strings.LastIndexByte(name, '_')
		if i < 0 {
			return false
		}
		name = name[:i]
	}
}

// family distinguishes the back ends of the net layer, which must not refer to each
// other.
func family(file string) string {
	for _, f := range []string{"net_poll", "net_goroutine"} {
		if strings.HasPrefix(file, f) {
			return f
		}
	}
	return ""
}

// upward reports whether a declaration in the file to must not be used in the file from:
// it is in a higher layer or in the other back end.
func (m layoutMap) upward(from, to string) bool {
	other := family(from) != "" && family(to) != "" && family(from) != family(to)
	return m.layers[to] > m.layers[from] || other
}

// inType reports whether pos is in a type declaration of f.
func (f *sourceFile) inType(pos token.Pos) bool {
	return slices.ContainsFunc(f.ast.Decls, func(d ast.Decl) bool {
		g, ok := d.(*ast.GenDecl)
		return ok && g.Tok == token.TYPE && g.Pos() <= pos && pos < g.End()
	})
}

// use returns the text for the use of a name of the package at pos. An exception is for
// the types of fields, so every other use has another text.
func (f *sourceFile) use(name string, pos token.Pos) string {
	if !f.inType(pos) {
		name += " (not as the type of a field)"
	}
	return f.name + ": " + name
}

// upwardNames finds references to a higher layer, or from one back end to the other: it
// maps "file: name" to the file that declares the name.
func upwardNames(m layoutMap, sources []*sourceFile) map[string]string {
	declared := map[string][]string{} // package-level names to files
	methods := map[string][]string{}  // method names to files
	receivers := map[string]map[string]bool{}
	fields := map[string]bool{} // names of fields and of interface methods
	for _, f := range sources {
		if f.ast == nil {
			continue
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				name := d.Name.Name
				if d.Recv == nil {
					declared[name] = append(declared[name], f.name)
					continue
				}
				methods[name] = append(methods[name], f.name)
				if receivers[name] == nil {
					receivers[name] = map[string]bool{}
				}
				receivers[name][receiverName(d)] = true
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						declared[s.Name.Name] = append(declared[s.Name.Name], f.name)
					case *ast.ValueSpec:
						for _, n := range s.Names {
							declared[n.Name] = append(declared[n.Name], f.name)
						}
					}
				}
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			var list *ast.FieldList
			switch n := n.(type) {
			case *ast.StructType:
				list = n.Fields
			case *ast.InterfaceType:
				list = n.Methods
			default:
				return true
			}
			for _, field := range list.List {
				for _, name := range field.Names {
					fields[name.Name] = true
				}
			}
			return true
		})
	}

	arrows := map[string]string{}
	refer := func(f *sourceFile, use string, to []string) {
		if slices.Contains(to, f.name) {
			return
		}
		for _, file := range to {
			if m.upward(f.name, file) {
				arrows[use] = file
				return
			}
		}
	}
	for _, f := range sources {
		if f.ast == nil {
			continue
		}
		keys := map[*ast.Ident]bool{}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if id, ok := n.Key.(*ast.Ident); ok {
					keys[id] = true
				}
			case *ast.SelectorExpr:
				// an exported name may belong to a type of another
				// package
				name := n.Sel.Name
				if !n.Sel.IsExported() && len(receivers[name]) == 1 && !fields[name] && len(declared[name]) == 0 {
					for receiver := range receivers[name] {
						refer(f, f.name+": "+receiver+"."+name, methods[name])
					}
				}
			}
			return true
		})
		for _, id := range f.ast.Unresolved {
			if !keys[id] {
				refer(f, f.use(id.Name, id.Pos()), declared[id.Name])
			}
		}
	}
	return arrows
}

func receiverName(d *ast.FuncDecl) string {
	x := d.Recv.List[0].Type
	for {
		switch t := x.(type) {
		case *ast.StarExpr:
			x = t.X
		case *ast.IndexExpr:
			x = t.X
		case *ast.IndexListExpr:
			x = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

// checkSystem finds code that belongs in internal/: unsafe, assembly and raw system
// calls. It also finds imports of golang.org/x/sys outside of the file families that
// make system calls with it.
func checkSystem(f *sourceFile) (bad []string) {
	if strings.HasSuffix(f.name, ".s") {
		return []string{f.name + " is assembly: it belongs in internal/"}
	}
	for _, imp := range f.ast.Imports {
		path, _ := strconv.Unquote(imp.Path.Value)
		switch {
		case path == "unsafe":
			bad = append(bad, f.name+" imports unsafe: that belongs in internal/")
		case strings.HasPrefix(path, "golang.org/x/sys/") && !strings.HasPrefix(f.name, "net_poll") &&
			!strings.HasPrefix(f.name, "subprocess_") && !strings.HasPrefix(f.name, "compat_"):
			bad = append(bad, f.name+" imports "+path+": only net_poll*, subprocess_* and compat_* may")
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && strings.HasPrefix(s.Sel.Name, "RawSyscall") {
			bad = append(bad, f.name+" makes a raw system call: that belongs in internal/")
		}
		return true
	})
	return bad
}

// privateParts are fields and methods that only the listed files may use.
var privateParts = []struct {
	selector string
	files    []string
}{
	{"ready.push", []string{"ready.go", "inbox.go"}},
	{"co.park", []string{"await.go", "token.go", "pull.go"}},
	{"polling.fds", []string{"poller.go"}},
	{"polling.sys", []string{"poller.go"}},
	{"polling.hot", []string{"poller.go"}},
}

func checkPrivateParts(f *sourceFile) (bad []string) {
	if f.ast == nil {
		return nil
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		var outer string
		switch x := s.X.(type) {
		case *ast.SelectorExpr:
			outer = x.Sel.Name
		case *ast.Ident:
			outer = x.Name
		}
		for _, p := range privateParts {
			if outer+"."+s.Sel.Name == p.selector && !slices.Contains(p.files, f.name) {
				bad = append(bad, fmt.Sprintf("%s uses %s, which only %s may", f.name, p.selector, strings.Join(p.files, " and ")))
			}
		}
		return true
	})
	return bad
}

const pollerSystems = "linux || darwin || dragonfly || freebsd || netbsd || openbsd"

// suffixLines maps the suffix of a file name to its build line; net_poll is a family,
// not a suffix.
var suffixLines = map[string]string{
	"nonlinux":   "!linux",
	"nonwindows": "!windows",
	"unix":       "unix",
	"nonunix":    "!unix",
}

// systemSuffixes are the suffixes that the go command understands.
var systemSuffixes = []string{"linux", "windows", "darwin", "freebsd", "amd64", "arm64", "wasm", "js"}

// checkSuffix compares the build line of a file with its name. A file without a suffix
// has no build line, unless it belongs to the family net_poll or is net_stub.go, which
// replaces that family.
func checkSuffix(f *sourceFile) []string {
	if f.ast == nil {
		return nil
	}
	base := strings.TrimSuffix(strings.TrimSuffix(f.name, ".go"), "_test")
	suffix := base[strings.LastIndexByte(base, '_')+1:]
	want := suffixLines[suffix]
	switch {
	case slices.Contains(systemSuffixes, suffix):
		want = ""
	case strings.HasPrefix(base, "net_poll"), strings.HasPrefix(base, "poller"), base == "export_poll", base == "example_poller":
		want = pollerSystems
		if base == "poller" && !strings.HasSuffix(f.name, "_test.go") {
			// poller.go is for all systems
			want = ""
		}
	case base == "net_stub":
		want = negated(pollerSystems)
	}
	got := buildLine(f.text)
	if got == want {
		return nil
	}
	return []string{fmt.Sprintf("%s has the build line %q, its name requires %q", f.name, got, want)}
}

func negated(systems string) string {
	return "!" + strings.ReplaceAll(systems, " || ", " && !")
}

// buildLine returns the expression of the file's //go:build line.
func buildLine(text string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "package ") {
			break
		}
		if constraint.IsGoBuild(line) {
			return strings.TrimSpace(strings.TrimPrefix(line, "//go:build"))
		}
	}
	return ""
}

// checkImports checks the imports of a package of the module.
func checkImports(dir, path string) string {
	const module = "github.com/goaio/aio"
	inside := strings.TrimPrefix(path, module+"/")
	switch {
	case strings.HasPrefix(dir, "internal/"):
		switch {
		case path == module:
			return "imports the root package"
		case dir == "internal/goid" && strings.Contains(path, "."),
			dir == "internal/netio" && strings.Contains(path, "."):
			return "imports more than the standard library: " + path
		case strings.HasPrefix(path, module+"/") && inside != "internal/netio":
			return "imports " + path + ": of this module it may import only internal/netio"
		}
	case dir == "." || !strings.HasPrefix(path, module+"/internal/"):
	case inside == "internal/plug": // see checkPlug
	case inside == "internal/simnet" && dir == "aiotest":
	default:
		return "imports " + path
	}
	if dir == "." && inside == "internal/simnet" {
		return "imports " + path
	}
	return ""
}

// plugNames returns the names of internal/plug that a file uses, "dir: name".
func plugNames(dir string, f *ast.File) (names []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "plug" {
				names = append(names, dir+": "+s.Sel.Name)
			}
		}
		return true
	})
	return names
}

// checkPlug compares the uses of internal/plug with the table of the page.
func checkPlug(page string, used []string) (bad []string) {
	_, table, _ := strings.Cut(page, "### Uses of internal/plug")
	table, _, _ = strings.Cut(table, "\n### ")
	listed := map[string]bool{}
	for row := range strings.Lines(table) {
		if cells := strings.Split(row, "|"); len(cells) == 5 {
			for _, dir := range codeWord.FindAllStringSubmatch(cells[1], -1) {
				for _, name := range codeWord.FindAllStringSubmatch(cells[2], -1) {
					listed[dir[1]+": "+name[1]] = true
				}
			}
		}
	}
	for _, name := range used {
		if !listed[name] {
			bad = append(bad, name+" is used from internal/plug and is not listed in docs/architecture.md")
		}
	}
	for name := range listed {
		if !slices.Contains(used, name) {
			bad = append(bad, name+" is listed as a use of internal/plug but not used")
		}
	}
	return bad
}

// checkWords finds names in the sections of the page from "One step of a task" on that
// no source file declares: `Loop.runPass`, `park`, `maxNest`.
func checkWords(page string, sources []*sourceFile) (bad []string) {
	declared := map[string]bool{}
	for _, f := range sources {
		if f.ast == nil {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				declared[n.Name.Name] = true
			case *ast.TypeSpec:
				declared[n.Name.Name] = true
			case *ast.ValueSpec:
				for _, name := range n.Names {
					declared[name.Name] = true
				}
			case *ast.Field:
				for _, name := range n.Names {
					declared[name.Name] = true
				}
			}
			return true
		})
	}
	_, walks, found := strings.Cut(page, "## One step of a task")
	if !found {
		return []string{"docs/architecture.md has no section \"One step of a task\""}
	}
	walks, _, _ = strings.Cut(walks, "## Rejected designs")
	for _, w := range codeWord.FindAllStringSubmatch(walks, -1) {
		if strings.ContainsAny(w[1], "/ *(") || strings.HasSuffix(w[1], ".go") || strings.HasSuffix(w[1], "_") {
			continue
		}
		for part := range strings.SplitSeq(w[1], ".") {
			if !declared[part] {
				bad = append(bad, "docs/architecture.md names "+w[1]+", which no source declares")
			}
		}
	}
	return bad
}

// checkInternal compares the table of internal packages with their files.
func checkInternal(page string, files []string) (bad []string) {
	_, table, _ := strings.Cut(page, "### Internal packages")
	table, _, _ = strings.Cut(table, "\n### ")
	listed := map[string]bool{}
	for row := range strings.Lines(table) {
		if cells := strings.Split(row, "|"); len(cells) == 5 && strings.HasPrefix(strings.TrimSpace(cells[1]), "internal/") {
			for name := range strings.SplitSeq(cells[2], ",") {
				listed[strings.TrimSpace(cells[1])+"/"+strings.TrimSpace(name)] = true
			}
		}
	}
	for _, file := range files {
		file = filepath.ToSlash(file)
		if !strings.HasSuffix(file, "_test.go") && !listed[file] {
			bad = append(bad, "docs/architecture.md has no row for "+file)
		}
		delete(listed, file)
	}
	for file := range listed {
		bad = append(bad, "docs/architecture.md lists "+file+", which does not exist")
	}
	return bad
}

func TestLayout(t *testing.T) {
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	names, _ := filepath.Glob("*.go")
	asm, _ := filepath.Glob("*.s")
	for _, name := range append(names, asm...) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	fset := token.NewFileSet()
	sources := parseSources(t, fset, texts)
	m := readLayoutMap(string(page))
	for _, bad := range checkLayout(m, sources, checkTypes(t, m, fset, sources)) {
		t.Error(bad)
	}
	for _, bad := range checkWords(string(page), sources) {
		t.Error(bad)
	}
	internal, _ := filepath.Glob("internal/*/*")
	for _, bad := range checkInternal(string(page), internal) {
		t.Error(bad)
	}
	// by folder: whether its tests import internal/stage
	staged := map[string]bool{}
	var plugged []string
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || isModule(path)) {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := filepath.Dir(path)
		if strings.HasSuffix(path, "_test.go") {
			staged[dir] = staged[dir] || slices.ContainsFunc(f.Imports, func(imp *ast.ImportSpec) bool {
				return imp.Path.Value == `"github.com/goaio/aio/internal/stage"`
			})
			return nil
		}
		for _, imp := range f.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			if bad := checkImports(filepath.ToSlash(dir), p); bad != "" {
				t.Errorf("%s %s", path, bad)
			}
			if dir != "." && strings.HasSuffix(p, "/internal/plug") {
				f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
				if err != nil {
					return err
				}
				plugged = append(plugged, plugNames(filepath.ToSlash(dir), f)...)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range checkPlug(string(page), plugged) {
		t.Error(bad)
	}
	for dir, ok := range staged {
		if !ok {
			t.Errorf("no test file in %s imports internal/stage: with -race it ends a second later", dir)
		}
	}
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// Checks that each rule finds a violation.
func TestLayoutFindsViolations(t *testing.T) {
	table := "### Internal packages\n| internal/a | a.go, b.go | what |\n\n### Exceptions\n"
	if bad := checkInternal(table, []string{"internal/a/a.go", "internal/a/c.go", "internal/a/a_test.go"}); len(bad) != 2 {
		t.Errorf("a file without a row, and a row without a file: %q", bad)
	}
	const page = "### L1 kernel\n| `loop.go`, `ready.go` | x |\n" +
		"### L5 net\n| `net_poll_stream.go`, `net_goroutine_stream.go` | x |\n" +
		"### L7 connections\n| `server.go` | x |\n" +
		"### Exceptions\n| `loop.go` | `Loops` |\n" +
		"### Tests without a source\n| `kit_test.go` | x |\n"
	clean := map[string]string{
		"loop.go":                 "package aio\n\ntype Loop struct{ all Loops }\n",
		"ready.go":                "package aio\n\nfunc (l *Loop) enqueue() {}\n",
		"net_poll_stream.go":      "//go:build " + pollerSystems + "\n\npackage aio\n\ntype fdStream struct{}\n",
		"net_goroutine_stream.go": "package aio\n\ntype connStream struct{}\n",
		"server.go":               "package aio\n\ntype Server struct{}\n\ntype Loops struct{}\n\nfunc (s *Server) attach() {}\n",
		"kit_test.go":             "package aio_test\n",
		"server_close_test.go":    "package aio_test\n",
	}
	cases := []struct {
		why        string
		file, text string
		want       string
	}{
		{"the fixture itself is clean", "loop.go", clean["loop.go"], ""},
		{"a kernel file names Server", "ready.go", "package aio\n\nvar s *Server\n",
			"ready.go: Server (not as the type of a field) is declared in a higher layer (server.go) and is not a listed exception"},
		{"a kernel file calls a method of Server", "ready.go", "package aio\n\nfunc f(x any) { x.attach() }\n",
			"ready.go: Server.attach is declared in a higher layer (server.go) and is not a listed exception"},
		{"an exception is for a field, not for a function", "loop.go", clean["loop.go"] + "\nfunc (l *Loop) f() { _ = Loops{} }\n",
			"loop.go: Loops (not as the type of a field) is declared in a higher layer (server.go) and is not a listed exception"},
		{"an exception that is not needed", "loop.go", "package aio\n\ntype Loop struct{}\n",
			"loop.go: Loops is listed as an exception but not needed"},
		{"a back end names the other one", "net_goroutine_stream.go", "package aio\n\nvar s fdStream\n",
			"net_goroutine_stream.go: fdStream (not as the type of a field) is declared in a higher layer (net_poll_stream.go) and is not a listed exception"},
		{"a file without a row", "streams.go", "package aio\n", "streams.go has no row in docs/architecture.md"},
		{"unsafe", "ready.go", "package aio\n\nimport \"unsafe\"\n\nvar _ unsafe.Pointer\n",
			"ready.go imports unsafe: that belongs in internal/"},
		{"assembly", "ready.s", "TEXT\n", "ready.s has no row in docs/architecture.md"},
		{"a raw system call", "ready.go", "package aio\n\nfunc f() { syscall.RawSyscall(0, 0, 0, 0) }\n",
			"ready.go makes a raw system call: that belongs in internal/"},
		{"x/sys in the kernel", "ready.go", "package aio\n\nimport \"golang.org/x/sys/unix\"\n\nvar _ = unix.EINTR\n",
			"ready.go imports golang.org/x/sys/unix: only net_poll*, subprocess_* and compat_* may"},
		{"a private part", "server.go", clean["server.go"] + "\nfunc f(l *Loop) { l.ready.push(1) }\n",
			"server.go uses ready.push, which only ready.go and inbox.go may"},
		{"a suffix with another build line", "server_nonlinux_test.go", "//go:build !unix\n\npackage aio_test\n",
			`server_nonlinux_test.go has the build line "!unix", its name requires "!linux"`},
		{"a build line without a suffix", "ready.go", "//go:build unix\n\npackage aio\n",
			`ready.go has the build line "unix", its name requires ""`},
		{"a test without a source", "nest_test.go", "package aio_test\n",
			"nest_test.go has neither a source file of that name nor a row in docs/architecture.md"},
		{"a file of more than 800 lines", "ready.go", "package aio\n" + strings.Repeat("\n", maxFileLines),
			"ready.go has more than 800 lines"},
	}
	for _, c := range cases {
		t.Run(c.why, func(t *testing.T) {
			texts := maps.Clone(clean)
			texts[c.file] = c.text
			got := checkLayout(readLayoutMap(page), parseSources(t, token.NewFileSet(), texts), nil)
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("found %q in a clean layout", got)
			case c.want != "" && !slices.Contains(got, c.want):
				t.Errorf("found %q, want %q among them", got, c.want)
			}
		})
	}
	sources := parseSources(t, token.NewFileSet(), clean)
	if bad := checkWords("## One step of a task\n`Server.attach` of `Loop`\n", sources); len(bad) > 0 {
		t.Errorf("found %q in a page with declared names only", bad)
	}
	if bad := checkWords("## One step of a task\n`Server.detach`\n", sources); len(bad) != 1 {
		t.Errorf("found %q in a page with an undeclared name", bad)
	}
	uses := "### Uses of internal/plug\n| `aiokit` | `Tell`, `Wake` | why |\n\n### Exceptions\n"
	if bad := checkPlug(uses, []string{"aiokit: Tell", "aiosql: Wake"}); len(bad) != 2 {
		t.Errorf("a use without a row, and a row without a use: %q", bad)
	}
	for dir, path := range map[string]string{
		"internal/netio": "golang.org/x/sys/unix",
		"internal/poll":  "github.com/goaio/aio",
		"internal/sysio": "github.com/goaio/aio/internal/poll",
		"aiohttp":        "github.com/goaio/aio/internal/netio",
		"examples/kv":    "github.com/goaio/aio/internal/sysio",
		".":              "github.com/goaio/aio/internal/simnet",
	} {
		if checkImports(dir, path) == "" {
			t.Errorf("%s may import %s", dir, path)
		}
	}
}
