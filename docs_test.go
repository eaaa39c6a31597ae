package aio_test

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/goaio/aio"
)

// exported returns the exported names of the package's own scope.
func exported(t *testing.T) map[string]bool {
	names := map[string]bool{}
	noTests := func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }
	//lint:ignore SA1019 the files of all platforms are wanted, which is what the replacement does not do
	pkgs, err := parser.ParseDir(token.NewFileSet(), ".", noTests, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range pkgs["aio"].Files {
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					names[d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						names[s.Name.Name] = true
					case *ast.ValueSpec:
						for _, n := range s.Names {
							names[n.Name] = true
						}
					}
				}
			}
		}
	}
	return names
}

// withMembers are the types whose methods and fields the table of asyncio's names mentions.
var withMembers = map[string]reflect.Type{
	"Barrier":           reflect.TypeFor[*aio.Barrier](),
	"CompletedIterator": reflect.TypeFor[*aio.CompletedIterator[aio.AnyFuture]](),
	"Condition":         reflect.TypeFor[*aio.Condition](),
	"Event":             reflect.TypeFor[*aio.Event](),
	"Future":            reflect.TypeFor[*aio.Future[int]](),
	"Handle":            reflect.TypeFor[*aio.Handle](),
	"Lock":              reflect.TypeFor[*aio.Lock](),
	"Loop":              reflect.TypeFor[*aio.Loop](),
	"Queue":             reflect.TypeFor[*aio.Queue[int]](),
	"Runner":            reflect.TypeFor[*aio.Runner](),
	"Semaphore":         reflect.TypeFor[*aio.Semaphore](),
	"Task":              reflect.TypeFor[*aio.Task[int]](),
	"TaskGroup":         reflect.TypeFor[*aio.TaskGroup](),
	"TimeoutScope":      reflect.TypeFor[*aio.TimeoutScope](),
	"TimerHandle":       reflect.TypeFor[*aio.TimerHandle](),

	"AbstractEventLoopPolicy": reflect.TypeFor[aio.AbstractEventLoopPolicy](),
}

// TestAsyncioTable holds docs/asyncio.md to the package, and to the list of asyncio's names.
func TestAsyncioTable(t *testing.T) {
	names := exported(t)
	exists := func(name string) bool {
		typ, member, isMember := strings.Cut(name, ".")
		if !isMember {
			return names[name]
		}
		of, ok := withMembers[typ]
		if !ok {
			return false
		}
		if _, ok := of.MethodByName(member); ok {
			return true
		}
		if of.Kind() == reflect.Interface {
			return false // it has no fields
		}
		_, ok = of.Elem().FieldByName(member)
		return ok
	}
	if exists("NoSuchName") || exists("Loop.NoSuchName") {
		t.Fatal("a name that does not exist is taken to exist")
	}
	table, err := os.ReadFile(filepath.Join("docs", "asyncio.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\| (.*) \\|$")
	for _, m := range row.FindAllStringSubmatch(string(table), -1) {
		rows[m[1]]++
		switch here := m[2]; here {
		case "–", "later":
			if m[3] == "" {
				t.Errorf("%s: no reason is given", m[1])
			}
		default:
			if name := strings.Trim(here, "`"); !exists(name) {
				t.Errorf("%s: the package has no %s", m[1], here)
			}
		}
	}
	file, err := os.Open(filepath.Join("testdata", "asyncio-names.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	n := 0
	for in := bufio.NewScanner(file); in.Scan(); n++ {
		if rows[in.Text()] != 1 {
			t.Errorf("%s stands in the table %d times", in.Text(), rows[in.Text()])
		}
		delete(rows, in.Text())
	}
	if n == 0 || len(rows) > 0 {
		t.Errorf("%d names are listed; in the table alone are %v", n, rows)
	}
}
