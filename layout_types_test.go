package aio_test

import (
	"go/ast"
	"go/build"
	"go/token"
	"go/types"
	"maps"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// The part of the layout test that knows the types of expressions.

// upwardUses finds what upwardNames finds, and in addition fields and methods with a
// common or an exported name. It type-checks the sources, and maps "file: Type.name" to
// the file that declares the name.
func upwardUses(m layoutMap, fset *token.FileSet, sources []*sourceFile, imports types.Importer) (map[string]string, error) {
	var files []*ast.File
	byName := map[string]*sourceFile{}
	for _, f := range sources {
		files = append(files, f.ast)
		byName[f.name] = f
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: imports}
	pkg, err := conf.Check("github.com/goaio/aio", fset, files, info)
	if err != nil {
		return nil, err
	}
	owners := map[types.Object]string{} // the types of fields
	for _, name := range pkg.Scope().Names() {
		if s, ok := pkg.Scope().Lookup(name).Type().Underlying().(*types.Struct); ok {
			for field := range s.Fields() {
				owners[field] = name
			}
		}
	}
	uses := map[string]string{}
	for id, obj := range info.Uses {
		if obj.Pkg() != pkg {
			continue
		}
		from, to := byName[fset.File(id.Pos()).Name()], fset.File(obj.Pos()).Name()
		if from.name == to || !m.upward(from.name, to) {
			continue
		}
		switch obj := obj.(type) {
		case *types.Var:
			if obj.IsField() {
				uses[from.name+": "+owners[obj.Origin()]+"."+obj.Name()] = to
				continue
			}
		case *types.Func:
			if recv := obj.Signature().Recv(); recv != nil {
				uses[from.name+": "+ownerName(recv.Type())+"."+obj.Name()] = to
				continue
			}
		}
		uses[from.use(obj.Name(), id.Pos())] = to
	}
	return uses, nil
}

// ownerName returns the name of the type t or of the type that t points to.
func ownerName(t types.Type) string {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if n, ok := t.(*types.Named); ok {
		return n.Obj().Name()
	}
	return ""
}

// checkTypes returns the result of upwardUses for the sources for Linux, nil on another
// system and without the go command.
func checkTypes(t *testing.T, m layoutMap, fset *token.FileSet, files []*sourceFile) map[string]string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil || runtime.GOOS != "linux" {
		return nil
	}
	exports, err := apiExports()
	if err != nil {
		t.Fatal(err)
	}
	var sources []*sourceFile
	for _, f := range files {
		if f.ast == nil || strings.HasSuffix(f.name, "_test.go") {
			continue
		}
		if ok, err := build.Default.MatchFile(".", f.name); err != nil {
			t.Fatal(err)
		} else if ok {
			sources = append(sources, f)
		}
	}
	uses, err := upwardUses(m, fset, sources, exports)
	if err != nil {
		t.Fatal(err)
	}
	return uses
}

// Checks that the types show what the names cannot: methods of two types with one name,
// exported methods and fields of a higher layer.
func TestLayoutTypesFindsViolations(t *testing.T) {
	m := layoutMap{layers: map[string]int{"loop.go": 1, "signals.go": 4, "server.go": 7}}
	const higher = "package aio\n\ntype Server struct{ limit int }\n\nfunc (s *Server) close() {}\n\n" +
		"type Runner interface{ Shutdown() }\n\ntype list[T any] struct{ size int }\n"
	for _, c := range []struct {
		why, loop string
		want      []string
	}{
		{"a method of the layer itself", "func (l *Loop) f() { l.close() }", nil},
		{"a method of a higher layer", "func (l *Loop) f() { l.server.close() }", []string{"loop.go: Server.close"}},
		{"a method of an interface", "func (l *Loop) f() { l.runner.Shutdown() }", []string{"loop.go: Runner.Shutdown"}},
		{"a method of Loop that is declared higher", "func (l *Loop) f() { l.stop() }", []string{"loop.go: Loop.stop"}},
		{"a field", "func (l *Loop) f() { l.server.limit++ }", []string{"loop.go: Server.limit"}},
		{"a field of a generic type", "func (l *Loop) f() { l.list.size++ }", []string{"loop.go: list.size"}},
		{"a name in a function", "func (l *Loop) f() { _ = list[int]{} }", []string{"loop.go: list (not as the type of a field)"}},
		{"an interface of the layer itself", "func (l *Loop) f() { var c interface{ close() } = l.server; c.close() }", nil},
	} {
		fset := token.NewFileSet()
		sources := parseSources(t, fset, map[string]string{
			"loop.go": "package aio\n\ntype Loop struct {\n\tserver *Server\n\trunner Runner\n\tlist list[int]\n}\n\n" +
				"func (l *Loop) close() {}\n\n" + c.loop + "\n",
			"signals.go": "package aio\n\nfunc (l *Loop) stop() {}\n",
			"server.go":  higher,
		})
		uses, err := upwardUses(m, fset, sources, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range []string{"Server", "Runner", "list"} {
			if _, ok := uses["loop.go: "+field]; !ok {
				t.Errorf("%s: the field of type %s was not found", c.why, field)
			}
			delete(uses, "loop.go: "+field)
		}
		if got := slices.Sorted(maps.Keys(uses)); !slices.Equal(got, c.want) {
			t.Errorf("%s: found %q, want %q", c.why, got, c.want)
		}
	}
}
