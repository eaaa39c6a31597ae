package aio_test

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

var updateAPI = flag.Bool("update", false, "TestAPI writes api.txt in place of comparing with it")

// apiPackages are the packages listed in api.txt.
var apiPackages = []string{
	"github.com/goaio/aio",
	"github.com/goaio/aio/aiohttp",
	"github.com/goaio/aio/aioiter",
	"github.com/goaio/aio/aiokit",
	"github.com/goaio/aio/aiomon",
	"github.com/goaio/aio/aiosql",
	"github.com/goaio/aio/aiotest",
}

// apiFolders are the folders of apiPackages.
func apiFolders() (folders []string) {
	for _, path := range apiPackages {
		folders = append(folders, "."+strings.TrimPrefix(path, "github.com/goaio/aio"))
	}
	return folders
}

// apiExports runs the go command once for all packages, and returns an importer of their
// export data.
var apiExports = sync.OnceValues(func() (types.Importer, error) {
	args := append([]string{"list", "-deps", "-export", "-f", "{{.ImportPath}} {{.Export}}"}, apiPackages...)
	cmd := exec.Command("go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	listed, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, &stderr)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(listed)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(files[path])
	}), nil
})

// apiImport loads the export data of a package.
func apiImport(t *testing.T, path string) *types.Package {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not on PATH")
	}
	exports, err := apiExports()
	if err != nil {
		t.Fatal(err)
	}
	p, err := exports.Import(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// apiLines returns a line for each exported name of a package: constants with their
// values, variables, functions, and types with their fields and methods. Methods include
// those of embedded types, since callers can use them.
func apiLines(p *types.Package) (lines []string) {
	qualify := types.RelativeTo(p)
	short := func(other *types.Package) string {
		if qualify(other) == "" {
			return ""
		}
		return other.Name()
	}
	line := func(format string, args ...any) {
		lines = append(lines, p.Name()+" "+fmt.Sprintf(format, args...))
	}
	var fields func(of string, s *types.Struct)
	fields = func(of string, s *types.Struct) {
		for f := range s.Fields() {
			inner, isStruct := f.Type().Underlying().(*types.Struct)
			switch {
			case f.Exported():
				line("field %s.%s %s", of, f.Name(), types.TypeString(f.Type(), short))
			case f.Embedded() && isStruct:
				fields(of, inner)
			}
		}
	}
	methods := func(named *types.Named) {
		receiver := named.Obj().Name() + apiTypeParams(named.TypeParams(), nil)
		byValue := types.NewMethodSet(named)
		all := types.NewMethodSet(types.NewPointer(named))
		if types.IsInterface(named) {
			all = byValue
		}
		for m := range all.Methods() {
			if !m.Obj().Exported() {
				continue
			}
			star := "*"
			if byValue.Lookup(m.Obj().Pkg(), m.Obj().Name()) != nil {
				star = ""
			}
			signature := strings.TrimPrefix(types.TypeString(m.Type(), short), "func")
			line("method (%s%s) %s%s", star, receiver, m.Obj().Name(), signature)
		}
	}
	scope := p.Scope()
	for _, name := range scope.Names() {
		if !token.IsExported(name) {
			continue
		}
		switch o := scope.Lookup(name).(type) {
		case *types.Const:
			line("const %s %s = %s", name, types.TypeString(o.Type(), short), o.Val())
		case *types.Var:
			line("var %s %s", name, types.TypeString(o.Type(), short))
		case *types.Func:
			line("func %s%s", name, strings.TrimPrefix(types.TypeString(o.Type(), short), "func"))
		case *types.TypeName:
			named, ok := o.Type().(*types.Named)
			if o.IsAlias() || !ok {
				line("type %s = %s", name, types.TypeString(types.Unalias(o.Type()), short))
				continue
			}
			typ := name + apiTypeParams(named.TypeParams(), short)
			switch under := named.Underlying().(type) {
			case *types.Struct:
				line("type %s struct", typ)
				fields(name, under)
			case *types.Interface:
				line("type %s %s", typ, apiInterface(under, short))
			default:
				line("type %s %s", typ, types.TypeString(under, short))
			}
			methods(named)
		}
	}
	return lines
}

// apiTypeParams returns the type parameters in brackets, "" if there are none. Their
// constraints are left out if constraints is nil.
func apiTypeParams(params *types.TypeParamList, constraints types.Qualifier) string {
	if params.Len() == 0 {
		return ""
	}
	var list []string
	for p := range params.TypeParams() {
		name := p.Obj().Name()
		if constraints != nil {
			name += " " + types.TypeString(p.Constraint(), constraints)
		}
		list = append(list, name)
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// apiInterface describes an interface: the terms of a constraint, and whether other
// packages can implement it. Its exported methods have lines of their own.
func apiInterface(i *types.Interface, q types.Qualifier) string {
	if !i.IsMethodSet() {
		return types.TypeString(i, q)
	}
	for m := range i.Methods() {
		if !m.Exported() {
			return "interface, with unexported methods"
		}
	}
	return "interface"
}

// apiDiff returns the lines that only one of the two lists has, in their order, with -
// and +.
func apiDiff(old, now []string) string {
	var b strings.Builder
	for _, l := range old {
		if !slices.Contains(now, l) {
			fmt.Fprintf(&b, "- %s\n", l)
		}
	}
	for _, l := range now {
		if !slices.Contains(old, l) {
			fmt.Fprintf(&b, "+ %s\n", l)
		}
	}
	return b.String()
}

// TestAPI compares the exported API with api.txt, so that the test notices each change
// of the API.
func TestAPI(t *testing.T) {
	if got := apiDiff([]string{"a", "b", "c"}, []string{"a", "c", "d"}); got != "- b\n+ d\n" {
		t.Fatalf("the difference of the sample is\n%s", got)
	}
	dirs, err := filepath.Glob("aio*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if filepath.Ext(dir) == "" && !slices.Contains(apiPackages, "github.com/goaio/aio/"+dir) {
			t.Errorf("apiPackages has no entry for %s", dir)
		}
	}
	var now []string
	for _, path := range apiPackages {
		lines := apiLines(apiImport(t, path))
		if len(lines) == 0 {
			t.Fatalf("%s exports nothing", path)
		}
		now = append(now, lines...)
	}
	if *updateAPI {
		if err := os.WriteFile("api.txt", []byte(strings.Join(now, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile("api.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := apiDiff(strings.Split(strings.TrimSpace(string(text)), "\n"), now); diff != "" {
		t.Errorf("the exported API differs from api.txt:\n%s"+
			"If that is intended, add it to CHANGELOG.md and run\n"+
			"\tgo test -run '^TestAPI$' . -update", diff)
	}
}

// exported returns the names in api.txt, "aio.Run" and "aio.Task.Cancel".
func exported(api string) map[string]bool {
	names := map[string]bool{}
	word := regexp.MustCompile(`^(\w+) (?:\w+ \(\*?(\w+)[^)]*\) (\w+)|\w+ ([\w.]+))`)
	for line := range strings.Lines(api) {
		m := word.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if m[2] != "" {
			m[4] = m[2] + "." + m[3]
		}
		names[m[1]+"."+m[4]] = true
	}
	return names
}

// notExported returns the names of the API that text mentions and that do not exist:
// aio.Name, and Type.Name if the type is one of the package aio.
func notExported(names map[string]bool, text string) (bad []string) {
	mention := regexp.MustCompile(`\b(aio\w*\.)?([A-Z]\w*)(?:\.([A-Z]\w*))?\b`)
	for _, m := range mention.FindAllStringSubmatch(text, -1) {
		pkg, first, second := m[1], m[2], m[3]
		switch {
		case pkg != "" && !names[pkg+first]:
			bad = append(bad, m[0])
		case second == "":
		// an ordinary word, or a name of another package
		case pkg == "" && !names["aio."+first]:
		case !names[cmp.Or(pkg, "aio.")+first+"."+second]:
			bad = append(bad, m[0])
		}
	}
	return bad
}

// The texts of errors and reports name only functions and types that exist.
func TestTextsNameTheAPI(t *testing.T) {
	text, err := os.ReadFile("api.txt")
	if err != nil {
		t.Fatal(err)
	}
	names := exported(string(text))
	names["aio.Context"] = true // the text form of a ctx has this name
	same(t, "the sample", strings.Join(notExported(names, "use aio.Receive, aio.Recv, Loop.Stop, Loop.Halt, A.B, Task.Cancel"), " "), "aio.Recv Loop.Halt")
	files := 0
	for _, dir := range apiFolders() {
		paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			files++
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if c, ok := n.(*ast.CallExpr); ok {
					if f, ok := c.Fun.(*ast.Ident); ok && (f.Name == "usagef" || f.Name == "misuse") {
						if len(c.Args) > 1 && strings.Contains(types.ExprString(c.Args[1]), "aio: ") {
							t.Errorf("%v: the text has a second prefix", set.Position(c.Pos()))
						}
					}
				}
				if s, ok := n.(*ast.BasicLit); ok && s.Kind == token.STRING {
					for _, name := range notExported(names, s.Value) {
						t.Errorf("%v: %s names %s", set.Position(s.Pos()), s.Value, name)
					}
				}
				return true
			})
		}
	}
	if files < 100 {
		t.Errorf("%d files were looked at", files)
	}
}
