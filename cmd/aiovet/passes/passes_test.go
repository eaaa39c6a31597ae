package passes_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"

	"github.com/goaio/aio/cmd/aiovet/passes"
)

// Each analyzer has a package with at least five lines that it reports and five
// functions, whose names begin with right, that it does not report.
func TestAnalyzers(t *testing.T) {
	dir := analysistest.TestData()
	for _, c := range []struct {
		analyzer *analysis.Analyzer
		fixes    bool
	}{
		{passes.OuterCtx, true},
		{passes.GoCtx, false},
		{passes.DroppedError, true},
		{passes.LockHeld, false},
		{passes.Blocking, true},
		{passes.MethodValue, false},
	} {
		name := strings.TrimPrefix(c.analyzer.Name, "aio")
		t.Run(name, func(t *testing.T) {
			source, err := os.ReadFile(filepath.Join(dir, name, name+".go"))
			if err != nil {
				t.Fatal(err)
			}
			wrong := len(regexp.MustCompile("// want [`\"]").FindAll(source, -1))
			right := len(regexp.MustCompile(`(?m)^func (\(.*\) )?right`).FindAll(source, -1))
			if wrong < 5 || right < 5 {
				t.Errorf("%d lines that are reported, %d functions that are not: at least 5 of both", wrong, right)
			}
			if c.fixes {
				analysistest.RunWithSuggestedFixes(t, dir, c.analyzer, "./"+name)
			} else {
				analysistest.Run(t, dir, c.analyzer, "./"+name)
			}
		})
	}
}
