package services_test

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// exercised holds the rows of the second table in docs/service.md that the tests of this
// run have shown.
var exercised = ways{rows: map[string]*way{}}

type ways struct {
	sync.Mutex
	rows map[string]*way
}

// way is a row of the table.
type way struct {
	over          []string
	together      int
	killed, again string
}

// add adds what exercise has done in the test or subtest with that name.
func (w *ways) add(name string, c calls) {
	w.Lock()
	defer w.Unlock()
	name, over, ok := strings.Cut(name, "/")
	if over = strings.ReplaceAll(over, "_", " "); !ok {
		over = c.over
	}
	row := &way{together: c.together}
	if before := w.rows[name]; before != nil {
		row.over = before.over
	}
	if row.over = append(row.over, over); c.server == nil {
		row.killed, row.again = "there is no server", "–"
	} else {
		row.killed, row.again = "calls fail", "the client reconnects"
		if c.outlive {
			row.killed = "calls wait"
		}
		if c.renew != nil || c.byCaller {
			row.again = "the caller reconnects"
		}
	}
	w.rows[name] = row
}

// compare compares the rows with those of the page. If only some tests were run, rows may
// lack some of the ways.
func (w *ways) compare() error {
	page, err := os.ReadFile(servicePage)
	if err != nil {
		return err
	}
	inPage := wayRows(string(page))
	whole := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == ""
	for name, row := range w.rows {
		got, found := inPage[name]
		slices.Sort(row.over)
		same := slices.Equal(got.over, row.over)
		if !whole {
			same = !slices.ContainsFunc(row.over, func(over string) bool { return !slices.Contains(got.over, over) })
		}
		if !found || !same || got.together != row.together || got.killed != row.killed || got.again != row.again {
			err = errors.Join(err, fmt.Errorf("docs/service.md has %v for %s, which has shown:\n| `%s` | %s | %d | %s | %s |",
				got, name, name, strings.Join(row.over, ", "), row.together, row.killed, row.again))
		}
	}
	return err
}

// wayRows returns the rows of the second table of the page.
func wayRows(page string) map[string]way {
	_, table, _ := strings.Cut(page, "\n"+wayHead+"\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := map[string]way{}
	for row := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(row, " | ")
		name := strings.Trim(cells[0], "|` ")
		if len(cells) != 5 || !strings.HasPrefix(name, "Test") {
			continue
		}
		// a row without a number never equals a row of a test
		together, _ := strconv.Atoi(cells[2])
		rows[name] = way{strings.Split(cells[1], ", "), together, cells[3], strings.TrimSuffix(cells[4], " |")}
	}
	return rows
}

// wayHead is the head of the second table.
const wayHead = "| test | way | concurrent calls in the server | when the server is killed | after its restart |"

var servicePage = filepath.Join("..", "..", "docs", "service.md")

// rowTest matches the last cell of a row of the table.
var rowTest = regexp.MustCompile("\\| `(Test\\w+)` \\|$")

// tableTests returns the tests that the rows of the first table in docs/service.md name,
// those of them that check refused calls, and the rows without a test.
func tableTests(page string) (tests, refused, without []string) {
	_, table, _ := strings.Cut(page, "\n| library | operations | how to call it | test |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for i, row := range strings.Split(table, "\n") {
		if m := rowTest.FindStringSubmatch(row); m != nil {
			tests = append(tests, m[1])
			if strings.Contains(row, "| refused ") {
				refused = append(refused, m[1])
			}
		} else if i > 0 { // row 0 is the line below the heading
			without = append(without, row)
		}
	}
	return tests, refused, without
}

// TestTable compares the tables in docs/service.md with the tests of this module: each
// row of the first table names a test, each test has a row, and the second table has all
// tests except those of refused calls.
func TestTable(t *testing.T) {
	sample := "x\n| library | operations | how to call it | test |\n| --- | --- | --- | --- |\n" +
		"| a | b | c | `TestD` |\n| a | b | refused in a task | `TestE` |\n| e | f | g | |\n\n| h | i | j | `TestK` |"
	tests, refused, without := tableTests(sample)
	if !slices.Equal(tests, []string{"TestD", "TestE"}) || !slices.Equal(refused, []string{"TestE"}) || len(without) != 1 {
		t.Fatalf("sample: tests %v, of refused calls %v, rows without a test %v", tests, refused, without)
	}
	text, err := os.ReadFile(servicePage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	rows, refused, without := tableTests(page)
	for _, row := range without {
		t.Errorf("docs/service.md: this row has no test: %s", row)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests = nil
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
	if !slices.Equal(rows, tests) {
		t.Errorf("the tests of the first table in docs/service.md are %v, those of the module %v", rows, tests)
	}
	tests = slices.DeleteFunc(tests, func(name string) bool { return slices.Contains(refused, name) })
	if ways := slices.Sorted(maps.Keys(wayRows(page))); !slices.Equal(ways, tests) {
		t.Errorf("the tests of the second table in docs/service.md are %v, want %v", ways, tests)
	}
}
