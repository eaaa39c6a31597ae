// Package ports contains ports of well-known asyncio programs in its folders. This file
// tests what they have in common.
package ports

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	_ "github.com/goaio/aio/internal/stage" // no sleep at the exit
)

var (
	named    = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	declared = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(`)
)

// The page TESTS.md of a port names the counterparts of the original's tests. Each of
// them exists, each row has a counterpart or a reason, and each test is on the page.
func TestCounterparts(t *testing.T) {
	// The page of smtp also names subtests, and has its own test.
	for _, page := range []string{"mqtt/TESTS.md", "supervisor/TESTS.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(filepath.Dir(page), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		exists := map[string]bool{}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range declared.FindAllStringSubmatch(string(source), -1) {
				exists[m[1]] = true
			}
		}
		delete(exists, "TestMain")
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			if _, ok := exists[m[1]]; !ok {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
			if _, ok := exists[m[1]]; ok {
				exists[m[1]] = false
			}
		}
		for name, missing := range exists {
			if missing {
				t.Errorf("%s does not name %s", page, name)
			}
		}
		for line := range strings.Lines(string(text)) {
			cells := strings.Split(line, " | ")
			if !strings.HasPrefix(line, "| ") || strings.HasSuffix(cells[1], "here |\n") || strings.HasPrefix(line, "| ---") {
				continue
			}
			if !named.MatchString(cells[1]) && !strings.HasPrefix(cells[1], "none: ") {
				t.Errorf("%s: no counterpart and no reason: %s", page, line)
			}
		}
	}
}
