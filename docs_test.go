package aio_test

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// declarations are the declarations of a package on all platforms.
type declarations struct {
	names   map[string]bool            // package scope
	members map[string]map[string]bool // methods and fields of each type
	embeds  map[string][]string        // embedded types of each type
}

// declared returns the declarations of this package.
func declared(t *testing.T) *declarations {
	d := &declarations{map[string]bool{}, map[string]map[string]bool{}, map[string][]string{}}
	noTests := func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }
	//lint:ignore SA1019 the files of all platforms are wanted, which is what the replacement does not do
	pkgs, err := parser.ParseDir(token.NewFileSet(), ".", noTests, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range pkgs["aio"].Files {
		for _, decl := range file.Decls {
			d.add(decl)
		}
	}
	return d
}

func (d *declarations) add(decl ast.Decl) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Recv == nil {
			d.names[decl.Name.Name] = true
		} else {
			d.member(typeName(decl.Recv.List[0].Type), decl.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				d.names[s.Name.Name] = true
				switch typ := s.Type.(type) {
				case *ast.StructType:
					d.fields(s.Name.Name, typ.Fields)
				case *ast.InterfaceType:
					d.fields(s.Name.Name, typ.Methods)
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					d.names[n.Name] = true
				}
			}
		}
	}
}

func (d *declarations) fields(of string, fields *ast.FieldList) {
	for _, f := range fields.List {
		if len(f.Names) == 0 {
			d.embeds[of] = append(d.embeds[of], typeName(f.Type))
		}
		for _, n := range f.Names {
			d.member(of, n.Name)
		}
	}
}

func (d *declarations) member(of, name string) {
	if d.members[of] == nil {
		d.members[of] = map[string]bool{}
	}
	d.members[of][name] = true
}

// typeName returns the name of a type without pointer and type parameters.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// has reports whether a name, Name or Type.Member, is declared.
func (d *declarations) has(name string) bool {
	typ, member, isMember := strings.Cut(name, ".")
	if !isMember {
		return d.names[name]
	}
	if !ast.IsExported(member) || d.members[typ][member] {
		return d.members[typ][member]
	}
	return slices.ContainsFunc(d.embeds[typ], func(e string) bool { return d.has(e + "." + member) })
}

// TestAsyncioTable compares docs/porting.md with the package and with the list of
// asyncio's names.
func TestAsyncioTable(t *testing.T) {
	d := declared(t)
	for name, want := range map[string]bool{
		"Run": true, "NoSuchName": false, "Loop.Stop": true, "Loop.NoSuchName": false,
		"Task.Cancel":     true, // promoted from an embedded type
		"Transport.Abort": true, "NoSuchType.Run": false,
	} {
		if d.has(name) != want {
			t.Fatalf("has(%s) = %v", name, !want)
		}
	}
	table, err := os.ReadFile(filepath.Join("docs", "porting.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\| (.*) \\|$")
	link := regexp.MustCompile("^\\[`([^`]+)`\\]\\(.*\\)$")
	asyncio, _, _ := strings.Cut(string(table), "\n## concurrent.futures\n")
	for _, m := range row.FindAllStringSubmatch(asyncio, -1) {
		rows[m[1]]++
		switch here := m[2]; here {
		case "–", "later":
			if m[3] == "" {
				t.Errorf("%s: no reason is given", m[1])
			}
		default:
			if name := link.FindStringSubmatch(here); name == nil || !d.has(name[1]) {
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
			t.Errorf("the table has %s %d times", in.Text(), rows[in.Text()])
		}
		delete(rows, in.Text())
	}
	if n == 0 || len(rows) > 0 {
		t.Errorf("%d names are listed; only the table has %v", n, rows)
	}
}
