package services_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rowTest matches the last cell of a row of the table.
var rowTest = regexp.MustCompile("\\| `(Test\\w+)` \\|$")

// tableTests returns the tests that the rows of the table in docs/service.md name, and
// the rows without a test.
func tableTests(page string) (tests, without []string) {
	_, table, _ := strings.Cut(page, "\n| library | operations | how to call it | test |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for i, row := range strings.Split(table, "\n") {
		if m := rowTest.FindStringSubmatch(row); m != nil {
			tests = append(tests, m[1])
		} else if i > 0 { // row 0 is the line below the heading
			without = append(without, row)
		}
	}
	return tests, without
}

// TestTable compares the table in docs/service.md with the tests of this module: each
// row names a test, and each test has a row.
func TestTable(t *testing.T) {
	sample, without := tableTests("x\n| library | operations | how to call it | test |\n| --- | --- | --- | --- |\n| a | b | c | `TestD` |\n| e | f | g | |\n\n| h | i | j | `TestK` |")
	if !slices.Equal(sample, []string{"TestD"}) || len(without) != 1 {
		t.Fatalf("sample: tests %v, rows without a test %v", sample, without)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "service.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows, without := tableTests(string(page))
	for _, row := range without {
		t.Errorf("docs/service.md: this row has no test: %s", row)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests []string
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") && fn.Name.Name != "TestMain" && fn.Name.Name != "TestTable" {
				tests = append(tests, fn.Name.Name)
			}
		}
	}
	slices.Sort(tests)
	slices.Sort(rows)
	for _, name := range rows {
		if !slices.Contains(tests, name) {
			t.Errorf("docs/service.md names %s, which does not exist", name)
		}
	}
	for _, name := range tests {
		if !slices.Contains(rows, name) {
			t.Errorf("docs/service.md has no row for %s", name)
		}
	}
	if len(slices.Compact(rows)) != len(tests) {
		t.Errorf("docs/service.md has %d rows for %d tests", len(rows), len(tests))
	}
}
