package aio_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// exportedNames returns the names in api.txt: those of package aio as Name and
// Type.Member, and those of other packages qualified by the package.
func exportedNames(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("api.txt")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	line := regexp.MustCompile(`^(\w+) (?:func|type|var|const|field|method) (?:\(\*?(\w+)(?:\[[^\]]*\])?\) )?([\w.]+)`)
	for l := range strings.Lines(string(text)) {
		m := line.FindStringSubmatch(l)
		if m == nil {
			t.Fatalf("cannot parse the line %q of api.txt", l)
		}
		name := m[3]
		if m[2] != "" {
			name = m[2] + "." + name
		}
		if m[1] != "aio" {
			name = m[1] + "." + name
		}
		names[name] = true
	}
	return names
}

// TestTrioTables compares docs/porting-trio.md with the packages, and with the lists of
// names of trio and anyio.
func TestTrioTables(t *testing.T) {
	names := exportedNames(t)
	for name, want := range map[string]bool{"Run": true, "CancelScope.Deadline": true, "aiokit.Sender.Send": true, "NoSuch": false, "aiokit.Run": false} {
		if names[name] != want {
			t.Fatalf("has(%s) = %v", name, !want)
		}
	}
	page, err := os.ReadFile(filepath.Join("docs", "porting-trio.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\| (.*) \\|$")
	link := regexp.MustCompile("^\\[`([^`]+)`\\]\\(https://pkg.go.dev/github.com/goaio/aio(?:/(\\w+))?#([\\w.]+)\\)$")
	for _, library := range []string{"trio", "anyio"} {
		_, table, found := strings.Cut(string(page), "\n## "+library+"\n")
		if !found {
			t.Fatalf("the page has no table for %s", library)
		}
		table, _, _ = strings.Cut(table, "\n## ")
		rows := map[string]int{}
		for _, m := range row.FindAllStringSubmatch(table, -1) {
			rows[m[1]]++
			if m[2] == "–" {
				if m[3] == "" {
					t.Errorf("%s: no reason is given", m[1])
				}
				continue
			}
			l := link.FindStringSubmatch(m[2])
			if l == nil || !names[l[1]] || l[1] != strings.TrimPrefix(l[2]+"."+l[3], ".") {
				t.Errorf("%s: the package has no %s", m[1], m[2])
			}
		}
		list, err := os.ReadFile(filepath.Join("testdata", library+"-names.txt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(string(list)) {
			if rows[name] != 1 {
				t.Errorf("the table of %s has %s %d times", library, name, rows[name])
			}
			delete(rows, name)
		}
		if len(strings.Fields(string(list))) < 70 || len(rows) > 0 {
			t.Errorf("%s: only the table has %v", library, rows)
		}
	}
}
