package exercises

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// result is what go test printed about a test, and whether it failed.
type result struct {
	output string
	failed bool
}

// goTest runs go test in all exercises, and returns the results by package and test. The
// test "" is the whole package.
func goTest(t *testing.T, args ...string) map[string]map[string]*result {
	t.Helper()
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not on PATH")
	}
	args = append([]string{"test", "-json", "-count=1", "-timeout=3m"}, args...)
	cmd := exec.CommandContext(t.Context(), tool, append(args, folders(t)...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	results := map[string]map[string]*result{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var e struct{ Action, Package, ImportPath, Test, Output string }
		if dec.Decode(&e) != nil {
			break
		}
		if e.Action == "build-output" {
			t.Errorf("%s: %s", e.ImportPath, e.Output)
		}
		_, name, ok := strings.Cut(e.Package, "/exercises/")
		if !ok {
			continue
		}
		if results[name] == nil {
			results[name] = map[string]*result{}
		}
		r := results[name][e.Test]
		if r == nil {
			r = &result{}
			results[name][e.Test] = r
		}
		r.output += e.Output
		r.failed = r.failed || e.Action == "fail"
	}
	if len(results) == 0 {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return results
}

// folders returns the folders of the exercises.
func folders(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("[0-9][0-9]-*")
	if err != nil || len(found) < 8 {
		t.Fatalf("%d exercises were found: %v", len(found), err)
	}
	for i, f := range found {
		found[i] = "./" + f
	}
	return found
}

// TestSkeletonsFail checks that the tests fail with the files that the learner gets,
// and that each message says what happened and what the check is about.
func TestSkeletonsFail(t *testing.T) {
	results := goTest(t)
	for _, folder := range folders(t) {
		name := strings.TrimPrefix(folder, "./")
		tests := results[name]
		if tests[""] == nil || !tests[""].failed {
			t.Errorf("%s: the skeleton passes", name)
		}
		for test, r := range tests {
			if test == "" || !r.failed {
				continue
			}
			for _, part := range []string{"What happened:", "The last steps of the run:", "The idea:"} {
				if !strings.Contains(r.output, part) {
					t.Errorf("%s: the failure of %s has no part %q:\n%s", name, test, part, r.output)
				}
			}
		}
	}
}

// TestSolutionsPass checks that the solutions pass the same tests.
func TestSolutionsPass(t *testing.T) {
	results := goTest(t, "-tags=solution")
	for _, folder := range folders(t) {
		name := strings.TrimPrefix(folder, "./")
		if tests := results[name]; tests[""] == nil || tests[""].failed || len(tests) < 2 {
			for _, r := range tests {
				if r.failed {
					t.Log(r.output)
				}
			}
			t.Errorf("%s: the solution does not pass", name)
		}
	}
}

// TestMistakesFail checks that the tests find the usual mistakes, which are in the
// folders testdata of the exercises. The first line of such a file names a test that must
// fail, and a part of its message. Each round replaces one file of each exercise.
func TestMistakesFail(t *testing.T) {
	mistakes := map[string][]string{} // files, by exercise
	rounds := 0
	for _, folder := range folders(t) {
		name := strings.TrimPrefix(folder, "./")
		files, err := filepath.Glob(filepath.Join(name, "testdata", "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: no mistakes: %v", name, err)
		}
		mistakes[name] = files
		rounds = max(rounds, len(files))
	}
	for round := range rounds {
		overlay := struct{ Replace map[string]string }{map[string]string{}}
		for name, files := range mistakes {
			if round < len(files) {
				overlay.Replace[absolute(t, filepath.Join(name, "exercise.go"))] = absolute(t, files[round])
			}
		}
		text, err := json.Marshal(overlay)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "overlay.json")
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		results := goTest(t, "-overlay="+file)
		for name, files := range mistakes {
			if round < len(files) {
				if err := found(files[round], results[name]); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// found returns an error if the tests have not failed as the first line of file says.
func found(file string, tests map[string]*result) error {
	src, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(src), "\n")
	spec, ok := strings.CutPrefix(line, "// Fails: ")
	test, part, ok2 := strings.Cut(strings.TrimSuffix(spec, "."), ", ")
	if !ok || !ok2 {
		return fmt.Errorf("%s: the first line does not name a test and a part of its message", file)
	}
	var failed []string
	for name, r := range tests {
		if r.failed {
			failed = append(failed, name)
		}
	}
	slices.Sort(failed)
	r := tests[test]
	switch {
	case r == nil || !r.failed:
		return fmt.Errorf("%s: %s passes; these fail: %q", file, test, failed)
	case !strings.Contains(r.output, part):
		return fmt.Errorf("%s: %q is not part of the failure of %s:\n%s", file, part, test, r.output)
	}
	return nil
}

func absolute(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFolders checks that each exercise has its parts, and that README.md lists it.
func TestFolders(t *testing.T) {
	index, err := fs.ReadFile(os.DirFS("."), "README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders(t) {
		name := strings.TrimPrefix(folder, "./")
		for _, file := range []string{"README.md", "exercise.go", "solution.go", "exercise_test.go"} {
			if _, err := os.Stat(filepath.Join(name, file)); err != nil {
				t.Error(err)
			}
		}
		if !strings.Contains(string(index), "]("+name+"/README.md)") {
			t.Errorf("README.md does not list %s", name)
		}
		src, err := os.ReadFile(filepath.Join(name, "exercise.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(src), "// TODO: ") {
			t.Errorf("%s: the skeleton does not say what is to be done", name)
		}
	}
}

// TestReferences checks that the documents that a message names exist: a page and, if the
// message names a heading, the heading in that page.
func TestReferences(t *testing.T) {
	files, err := filepath.Glob("[0-9][0-9]-*/exercise_test.go")
	if err != nil {
		t.Fatal(err)
	}
	heading := regexp.MustCompile(`(?m)^#+ (?:\d+\. )?(.*)$`)
	field := regexp.MustCompile(`\bRead: +"([^"]*)"`)
	seen := 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(src), "check.Lesson{") == 0 {
			t.Errorf("%s has no lesson", file)
		}
		for _, m := range field.FindAllStringSubmatch(string(src), -1) {
			seen++
			page, title, named := strings.Cut(m[1], ", ")
			text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(page)))
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if !named {
				continue
			}
			found := false
			for _, h := range heading.FindAllStringSubmatch(string(text), -1) {
				found = found || h[1] == title
			}
			if !found {
				t.Errorf("%s: %s has no heading %q", file, page, title)
			}
		}
	}
	if seen < len(files) {
		t.Errorf("%d references in %d files", seen, len(files))
	}
}
