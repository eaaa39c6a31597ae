package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parseTest parses files with the Python on the PATH.
func parseTest(t *testing.T, names ...string) []*file {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Fatal("these tests need python3 on the PATH")
	}
	files, err := parse(t.Context(), "python3", names)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// marks returns what the comments of a file expect: "line: rule" for each want, and the
// number of lines that say no rule.
func marks(f *file) (want []string, no map[string]int) {
	no = map[string]int{}
	for line, comment := range f.comments {
		if list, ok := strings.CutPrefix(comment, "# want: "); ok {
			for rule := range strings.SplitSeq(list, ", ") {
				want = append(want, fmt.Sprintf("%03d: %s", line, rule))
			}
		}
		if rule, ok := strings.CutPrefix(comment, "# no: "); ok {
			no[rule]++
		}
	}
	slices.Sort(want)
	return want, no
}

// flagged returns the constructs that are found in a file, in the form of marks.
func flagged(f *file) (got []string) {
	for _, found := range check(f) {
		if found.Rule != "" {
			got = append(got, fmt.Sprintf("%03d: %s", found.Line, found.Rule))
		}
	}
	slices.Sort(got)
	return got
}

// Each rule has a file with at least five lines that the rule flags and five lines that
// it does not flag.
func TestRules(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			f := parseTest(t, filepath.Join("testdata", "rules", r.name+".py"))[0]
			want, no := marks(f)
			if diff := cmp.Diff(want, flagged(f)); diff != "" {
				t.Errorf("-wanted +flagged\n%s", diff)
			}
			n := 0
			for _, w := range want {
				if strings.HasSuffix(w, ": "+r.name) {
					n++
				}
			}
			if n < 5 || no[r.name] < 5 {
				t.Errorf("the file has %d lines that the rule flags and %d that it does not: at least 5 of both", n, no[r.name])
			}
		})
	}
}

// In a file without a construct that needs attention only names are reported.
func TestCleanFile(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"testdata/clean.py"}, &out, &errOut); code != 0 || errOut.Len() > 0 {
		t.Errorf("exit code %d, %s", code, &errOut)
	}
	for _, line := range []string{
		"testdata/clean.py:8:21: Queue → aio.NewQueue\n",
		"testdata/clean.py:20:24: timeout → aio.Timeout (or NewTimeout)\n",
		"testdata/clean.py:23:13: Queue.task_done → aio.Queue.TaskDone\n",
		"testdata/clean.py:28:17: TaskGroup.create_task → aio.TaskGroup.Go (GoResult for a task with a result)\n",
		"testdata/clean.py:42:11: run → aio.Run\n",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the output lacks %q:\n%s", line, &out)
		}
	}
	if strings.Contains(out.String(), "[") {
		t.Errorf("a construct is flagged:\n%s", &out)
	}
}

// The files in testdata/libraries use asyncio as public libraries do.
func TestLibraries(t *testing.T) {
	names, err := filepath.Glob("testdata/libraries/*.py")
	if err != nil || len(names) < 5 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	for _, f := range parseTest(t, names...) {
		want, _ := marks(f)
		if diff := cmp.Diff(want, flagged(f)); diff != "" {
			t.Errorf("%s: -wanted +flagged\n%s", f.name, diff)
		}
		named := 0
		for _, found := range check(f) {
			if found.Go != "" {
				named++
			}
		}
		if named < 5 {
			t.Errorf("%s: only %d names", f.name, named)
		}
	}
}

func TestOutput(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	bad := write("bad.py", "import asyncio\nasync def f(q):\n    await asyncio.sleep(.5)\n")
	broken := write("broken.py", "def f(:\n")
	for _, c := range []struct {
		args []string
		code int
		out  string // the exact output; "" means any
		err  string // a part of standard error
	}{
		{[]string{bad}, 1, bad + ":3:11: sleep → aio.Sleep (without a result)\n" + bad + ":3:25: [seconds] 0.5 seconds: 500 * time.Millisecond\n", ""},
		{[]string{"-flags", bad}, 1, bad + ":3:25: [seconds] 0.5 seconds: 500 * time.Millisecond\n", ""},
		{[]string{"-flags", "testdata/clean.py"}, 0, "", ""},
		{[]string{"-rules"}, 0, "", ""},
		{[]string{"-h"}, 0, usage, ""},
		{[]string{}, 2, "", "no files"},
		{[]string{"-wrong"}, 2, "", "-wrong"},
		{[]string{broken}, 2, "", "broken.py:1: "},
		// A file that cannot be read does not hide the others.
		{[]string{"-flags", broken, bad, filepath.Join(dir, "none.py")}, 2, bad + ":3:25: [seconds] 0.5 seconds: 500 * time.Millisecond\n", "No such file"},
		{[]string{filepath.Join(dir, "none.py")}, 2, "", "No such file"},
		{[]string{"-python", "no-such-python", bad}, 2, "", "install Python"},
	} {
		var out, errOut bytes.Buffer
		code := run(t.Context(), c.args, &out, &errOut)
		if code != c.code || c.out != "" && out.String() != c.out || !strings.Contains(errOut.String(), c.err) || (c.err == "") != (errOut.Len() == 0) {
			t.Errorf("aioport %q: exit code %d, want %d\n%s\n%s", c.args, code, c.code, &out, &errOut)
		}
	}

	var out bytes.Buffer
	run(t.Context(), []string{"-json", bad}, &out, &out)
	var got []finding
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []finding{
		{File: bad, Line: 3, Col: 11, Name: "sleep", Go: "Sleep", Message: "without a result"},
		{File: bad, Line: 3, Col: 25, Rule: "seconds", Message: "0.5 seconds: 500 * time.Millisecond"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
