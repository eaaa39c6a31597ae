package aio_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goMod is the output of go mod edit -json.
type goMod struct {
	Module  struct{ Path string }
	Require []struct{ Path string }
	Replace []struct {
		Old struct{ Path string }
		New struct{ Path string }
	}
}

// moduleError returns the rule in CONTRIBUTING.md that the module in dir violates, or
// "".
func moduleError(dir string, mod goMod) string {
	const root = "github.com/goaio/aio"
	if want := path.Join(root, dir); mod.Module.Path != want {
		return "the module is not named " + want
	}
	if dir == "." || strings.HasPrefix(dir, "cmd/") {
		if len(mod.Replace) > 0 {
			return "it has a replace directive, so go install of a released command fails"
		}
		return ""
	}
	for _, require := range mod.Require {
		if require.Path != root {
			continue
		}
		for _, r := range mod.Replace {
			if r.Old.Path == root && path.Join(dir, r.New.Path) == "." {
				return ""
			}
		}
		return "it requires " + root + " without a replace directive for the root of the repository"
	}
	return ""
}

// TestModules checks the modules of the repository against the rules in
// CONTRIBUTING.md.
func TestModules(t *testing.T) {
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not on PATH")
	}
	for _, c := range []struct{ dir, mod, want string }{
		{".", `{"Module":{"Path":"github.com/goaio/aio"}}`, ""},
		{".", `{"Module":{"Path":"github.com/goaio/aio"},"Replace":[{}]}`, "it has a replace"},
		{"a", `{"Module":{"Path":"github.com/goaio/aio/b"}}`, "the module is not named"},
		{"a", `{"Module":{"Path":"github.com/goaio/aio/a"}}`, ""},
		{"a", `{"Module":{"Path":"github.com/goaio/aio/a"},"Require":[{"Path":"github.com/goaio/aio"}]}`, "it requires"},
		{"a/b", `{"Module":{"Path":"github.com/goaio/aio/a/b"},"Require":[{"Path":"github.com/goaio/aio"}],
			"Replace":[{"Old":{"Path":"github.com/goaio/aio"},"New":{"Path":"../"}}]}`, "it requires"},
		{"a/b", `{"Module":{"Path":"github.com/goaio/aio/a/b"},"Require":[{"Path":"github.com/goaio/aio"}],
			"Replace":[{"Old":{"Path":"github.com/goaio/aio"},"New":{"Path":"../../"}}]}`, ""},
		{"cmd/c", `{"Module":{"Path":"github.com/goaio/aio/cmd/c"},"Replace":[{}]}`, "it has a replace"},
	} {
		var mod goMod
		if err := json.Unmarshal([]byte(c.mod), &mod); err != nil {
			t.Fatal(err)
		}
		if got := moduleError(c.dir, mod); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Fatalf("%s in %s: %q, want %q", c.mod, c.dir, got, c.want)
		}
	}
	found := 0
	err = filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		switch d.Name() {
		case "go.work":
			t.Errorf("%s: CONTRIBUTING.md does not allow go.work", file)
		case "go.mod":
			found++
			out, err := exec.CommandContext(t.Context(), tool, "mod", "edit", "-json", file).Output()
			if err != nil {
				return err
			}
			var mod goMod
			if err := json.Unmarshal(out, &mod); err != nil {
				return err
			}
			if wrong := moduleError(filepath.ToSlash(filepath.Dir(file)), mod); wrong != "" {
				t.Errorf("%s: %s", file, wrong)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 2 {
		t.Fatalf("%d modules were found", found)
	}
}

// notIndexed returns the pages in files that the index does not link to.
func notIndexed(index string, files []string) (missing []string) {
	links := relativeLinks(index)
	for _, f := range files {
		if filepath.Ext(f) == ".md" && f != "README.md" && !slices.Contains(links, f) {
			missing = append(missing, f)
		}
	}
	return missing
}

// TestDocsIndex finds pages of docs that docs/README.md does not list.
func TestDocsIndex(t *testing.T) {
	sample := notIndexed("[a](a.md) [c](c.md#d)", []string{"README.md", "a.md", "a.svg", "b.md", "c.md"})
	if got := strings.Join(sample, " "); got != "b.md c.md" {
		t.Fatalf("missing pages of the sample: %s", got)
	}
	index, err := os.ReadFile(filepath.Join("docs", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("docs")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries {
		files = append(files, e.Name())
	}
	for _, page := range notIndexed(string(index), files) {
		t.Errorf("docs/README.md does not list %s", page)
	}
}
