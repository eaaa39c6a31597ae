package aio_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The part of the layout test that reads every folder, also those of the other modules:
// the length of files, and build constraints.

const kqueueSystems = "darwin || dragonfly || freebsd || netbsd || openbsd"

// platformTags matches build constraints for systems and processors.
var platformTags = regexp.MustCompile(`\b(linux|windows|darwin|dragonfly|freebsd|netbsd|openbsd|unix|js|wasm|amd64|arm64)\b`)

// suffixOf returns the last word of a file name, "" if it has only one.
func suffixOf(name string) string {
	base := strings.TrimSuffix(strings.TrimSuffix(name, ".go"), "_test")
	if i := strings.LastIndexByte(base, '_'); i >= 0 {
		return base[i+1:]
	}
	return ""
}

// checkFolder checks the files of a folder other than that of the root package.
func checkFolder(dir string, texts map[string]string) (bad []string) {
	internal := strings.HasPrefix(dir, "internal/")
	free := map[string]bool{} // the build lines of files without a platform suffix
	for name, text := range texts {
		_, known := suffixLines[suffixOf(name)]
		if !known && !slices.Contains(systemSuffixes, suffixOf(name)) {
			free[buildLine(text)] = true
		}
	}
	for name, text := range texts {
		if strings.Count(text, "\n") > maxFileLines {
			bad = append(bad, dir+"/"+name+" has more than 800 lines")
		}
		got, suffix := buildLine(text), suffixOf(name)
		want, known := suffixLines[suffix]
		switch {
		case known || slices.Contains(systemSuffixes, suffix):
		case internal && suffix == "bsd":
			want = kqueueSystems
		case internal && suffix == "stub":
			// for the systems that its twin is not for
			twin := buildLine(texts[strings.Replace(name, "_stub", "", 1)])
			if twin == "" {
				twin = pollerSystems
			}
			want = negated(twin)
		case internal || !platformTags.MatchString(got) || len(free) == 1:
			continue
		}
		if got != want {
			bad = append(bad, dir+"/"+name+` has the build line "`+got+`", its name requires "`+want+`"`)
		}
	}
	return bad
}

func TestLayoutFolders(t *testing.T) {
	folders := map[string]map[string]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || filepath.Dir(path) == ".":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if folders[dir] == nil {
			folders[dir] = map[string]string{}
		}
		folders[dir][d.Name()] = string(text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(folders["internal/sysio"]) == 0 || len(folders["bench/netbench"]) == 0 {
		t.Error("the walk has missed folders")
	}
	for dir, texts := range folders {
		for _, bad := range checkFolder(dir, texts) {
			t.Error(bad)
		}
	}
}

func TestLayoutFoldersFindsViolations(t *testing.T) {
	const unix, other = "//go:build unix\n\npackage p\n", "//go:build !unix\n\npackage p\n"
	for _, c := range []struct {
		why, dir string
		texts    map[string]string
		want     []string
	}{
		{"suffixes that are right", "a", map[string]string{"a.go": "package p\n", "a_unix.go": unix, "a_nonunix_test.go": other}, nil},
		{"a program for some systems", "a", map[string]string{"a.go": unix, "b_test.go": unix, "b_linux_test.go": "package p\n"}, nil},
		{"tags that are not for a platform", "a", map[string]string{"a.go": "package p\n", "race_test.go": "//go:build race\n\npackage p\n"}, nil},
		{"another suffix", "a", map[string]string{"a.go": "package p\n", "a_other.go": other},
			[]string{`a/a_other.go has the build line "!unix", its name requires ""`}},
		{"no suffix", "a", map[string]string{"a.go": "package p\n", "b.go": unix},
			[]string{`a/b.go has the build line "unix", its name requires ""`}},
		{"a suffix without its build line", "a", map[string]string{"a_unix.go": "package p\n"},
			[]string{`a/a_unix.go has the build line "", its name requires "unix"`}},
		{"a suffix of internal elsewhere", "a", map[string]string{"a.go": "package p\n", "a_stub.go": other},
			[]string{`a/a_stub.go has the build line "!unix", its name requires ""`}},
		{"a stub and its twin", "internal/a", map[string]string{"a.go": "//go:build linux || darwin\n\npackage p\n", "a_stub.go": "//go:build !linux && !darwin\n\npackage p\n"}, nil},
		{"a stub for other systems than its twin", "internal/a", map[string]string{"a.go": "//go:build linux\n\npackage p\n", "a_stub.go": other},
			[]string{`internal/a/a_stub.go has the build line "!unix", its name requires "!linux"`}},
		{"bsd", "internal/a", map[string]string{"a_bsd.go": unix},
			[]string{`internal/a/a_bsd.go has the build line "unix", its name requires "` + kqueueSystems + `"`}},
		{"a long file", "contrib/a", map[string]string{"a.go": "package p\n" + strings.Repeat("\n", maxFileLines)},
			[]string{"contrib/a/a.go has more than 800 lines"}},
	} {
		if got := checkFolder(c.dir, c.texts); !slices.Equal(got, c.want) {
			t.Errorf("%s: found %q, want %q", c.why, got, c.want)
		}
	}
}
