package aio_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// commentWidth is the maximum width of a line with a comment. A tab counts as 8
// columns.
const commentWidth = 90

// directive matches a comment for a tool, which cannot be split, such as an
// exception for a linter, or an expected diagnostic in the test data of an analyzer.
var directive = regexp.MustCompile("^//(go:|lint:|nolint|aiovet:| want `)")

// wideComments returns the positions of the comment lines in a Go source that are too
// wide. For a comment after code the whole line counts. Directives and single words,
// such as URLs, cannot be split.
func wideComments(t *testing.T, path, src string) (wide []string) {
	lines := strings.Split(src, "\n")
	if !strings.Contains(src, "/*") && !slices.ContainsFunc(lines, func(line string) bool {
		return strings.Contains(line, "//") && width(line) > commentWidth
	}) {
		return nil // parsing takes longer
	}
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range f.Comments {
		for _, c := range group.List {
			if directive.MatchString(c.Text) {
				continue
			}
			if strings.HasPrefix(c.Text, "// Output:") {
				break // the output of an example is not limited
			}
			first := files.Position(c.Pos()).Line
			for n := first; n <= files.Position(c.End()).Line; n++ {
				line := lines[n-1]
				if width(line) > commentWidth && len(strings.Fields(line)) > 2 {
					wide = append(wide, fmt.Sprintf("%s:%d", path, n))
				}
			}
		}
	}
	return wide
}

func width(line string) int { return utf8.RuneCountInString(line) + 7*strings.Count(line, "\t") }

func TestCommentWidth(t *testing.T) {
	long := strings.Repeat("word ", 18)
	sample := "package p\n\n// " + long + "\n//\n//go:generate " + long + "\nvar s = `// " + long + "`\n" +
		"// " + long[:80] + "\n\n//\t" + long[:81] + "\n"
	if got := wideComments(t, "sample.go", sample); !slices.Equal(got, []string{"sample.go:3", "sample.go:9"}) {
		t.Fatalf("too wide in the sample: %q", got)
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return filepath.SkipDir
		case filepath.Ext(path) != ".go":
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, at := range wideComments(t, path, string(src)) {
			t.Errorf("%s: wider than %d columns", at, commentWidth)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
