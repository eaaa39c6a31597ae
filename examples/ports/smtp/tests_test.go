package smtp

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestCounterparts checks TESTS.md: each row has a counterpart or a reason, and each test
// that is named exists, with its subtest.
func TestCounterparts(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join("mail", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string][]string{} // the string keys that each test contains
	for _, name := range append(files, more...) {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(fn.Name.Name, "Test") && !strings.HasPrefix(fn.Name.Name, "Fuzz") {
				continue
			}
			tests[fn.Name.Name] = []string{}
			ast.Inspect(fn, func(n ast.Node) bool {
				if kv, ok := n.(*ast.KeyValueExpr); ok {
					if key, ok := kv.Key.(*ast.BasicLit); ok && key.Kind == token.STRING {
						s, err := strconv.Unquote(key.Value)
						if err != nil {
							t.Fatal(err)
						}
						tests[fn.Name.Name] = append(tests[fn.Name.Name], s)
					}
				}
				return true
			})
		}
	}
	page, err := os.ReadFile("TESTS.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)(?:/([^`]+))?`")
	rows := 0
	for _, line := range strings.Split(string(page), "\n") {
		found := named.FindAllStringSubmatch(line, -1)
		for _, m := range found {
			subtests, ok := tests[m[1]]
			if !ok || m[2] != "" && !slices.Contains(subtests, m[2]) {
				t.Errorf("there is no test %s", m[0])
			}
		}
		cells := strings.Split(line, " | ")
		if len(cells) != 3 || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| file") {
			continue
		}
		rows++
		if len(found) == 0 && !strings.HasPrefix(cells[2], "none: ") {
			t.Errorf("neither a test nor a reason: %s", line)
		}
	}
	if rows < 80 {
		t.Errorf("%d rows", rows)
	}
}
