// Package examples has the programs in its folders. This file tests what they have in
// common.
package examples

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Each program has one style of usage text and exit codes: -h prints its usage and flags
// to standard output and ends with 0; a wrong call prints what is wrong and the usage to
// standard error, and ends with 2.
func TestUsage(t *testing.T) {
	names := []string{"chat", "crawl", "kv", "proxy", "raft", "treehash"}
	if runtime.GOOS != "windows" {
		names = append(names, "procs")
	}
	bin := t.TempDir()
	args := []string{"build", "-o", bin + string(os.PathSeparator)}
	for _, name := range names {
		args = append(args, "./"+name)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range names {
		path := filepath.Join(bin, name)
		if runtime.GOOS == "windows" {
			path += ".exe"
		}
		for _, c := range []struct {
			args           []string
			status         int
			stdout, stderr string // how they begin
		}{
			{[]string{"-h"}, 0, "usage: " + name + " ", ""},
			{[]string{"-no-such-flag"}, 2, "", name + ": flag provided but not defined: -no-such-flag\nusage: " + name + " "},
		} {
			cmd := exec.Command(path, c.args...)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			var exit *exec.ExitError
			if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != c.status {
				t.Errorf("%s %s: exit status %d, want %d", name, c.args, got, c.status)
			}
			for _, out := range []struct {
				name, got, want string
			}{{"stdout", stdout.String(), c.stdout}, {"stderr", stderr.String(), c.stderr}} {
				if !strings.HasPrefix(out.got, out.want) || out.want == "" && out.got != "" {
					t.Errorf("%s %s: %s is %q, want it to begin with %q", name, c.args, out.name, out.got, out.want)
				}
			}
		}
	}
}
