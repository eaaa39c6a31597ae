// Package examples contains the example programs in its folders. This file tests their
// common conventions.
package examples

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/goaio/aio/internal/stage"
)

// programs are the folders of the examples that are commands.
func programs() []string {
	names := []string{"chat", "crawl", "kv", "ports/mqtt/mqttc", "ports/smtp/mail", "proxy", "raft", "service", "treehash"}
	if runtime.GOOS != "windows" {
		names = append(names, "ports/supervisor/supervise", "procs")
	}
	return names
}

// bin is the directory for the commands; building compiles them into it, once.
var (
	bin      string
	building = sync.OnceValue(func() error {
		args := []string{"build", "-ldflags=-s -w", "-o", bin + string(os.PathSeparator)}
		for _, name := range programs() {
			args = append(args, "./"+name)
		}
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	})
)

func TestMain(m *testing.M) {
	var err error
	if bin, err = os.MkdirTemp("", "examples"); err != nil {
		panic(err)
	}
	status := stage.Run(m)
	if err := os.RemoveAll(bin); err != nil {
		panic(err)
	}
	os.Exit(status)
}

// built returns the directory that has the commands.
func built(t *testing.T) string {
	t.Helper()
	if err := building(); err != nil {
		t.Fatal(err)
	}
	return bin
}

// flagUsage matches the usage lines, then a flag, its argument and its meaning.
var flagUsage = regexp.MustCompile(`^usage: .*\n(?: +\S.*\n)*  -\S+(?: [A-Z][A-Z:]*)?\n    \t[a-z]`)

// wrong has invalid arguments for each program: a wrong value, or too many.
var wrong = map[string]struct {
	args  []string
	error string
}{
	"chat":      {[]string{"-addr", "localhost"}, `-addr must be HOST:PORT, got "localhost"`},
	"crawl":     {[]string{"-limit", "0", "http://localhost"}, "-limit must be at least 1, got 0"},
	"kv":        {[]string{"extra"}, `want no arguments, got "extra"`},
	"mail":      {[]string{"-serve", "-addr", "localhost"}, `-addr must be HOST:PORT, got "localhost"`},
	"mqttc":     {[]string{"-qos", "3", "sub", "a"}, "-qos must be 0, 1 or 2, got 3"},
	"procs":     {[]string{"-n", "0"}, "-n must be at least 1, got 0"},
	"proxy":     {[]string{"-to", "localhost"}, `-to must be HOST:PORT, got "localhost"`},
	"raft":      {[]string{"-propose", "x", "-peers", "a=b:1", "extra"}, `want no arguments, got "extra"`},
	"service":   {[]string{"-grace", "0"}, "-grace must be greater than 0, got 0s"},
	"supervise": {[]string{"extra"}, `want ctl and a command, got ["extra"]`},
	"treehash":  {[]string{"-workers", "0", "."}, "-workers must be at least 1, got 0"},
}

// All programs have the same conventions for usage and exit codes: -h prints the usage
// and the flags to standard output and exits with 0; wrong arguments print an error and
// the usage to standard error and exit with 2.
func TestUsage(t *testing.T) {
	bin := built(t)
	for _, folder := range programs() {
		name := filepath.Base(folder)
		path := filepath.Join(bin, name)
		if runtime.GOOS == "windows" {
			path += ".exe"
		}
		for _, c := range []struct {
			args           []string
			status         int
			stdout, stderr string // prefixes of the output
		}{
			{[]string{"-h"}, 0, "usage: " + name + " ", ""},
			{[]string{"-no-such-flag"}, 2, "", name + ": flag provided but not defined: -no-such-flag\nusage: " + name + " "},
			{wrong[name].args, 2, "", name + ": " + wrong[name].error + "\nusage: " + name + " "},
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
			if c.status == 0 && !flagUsage.MatchString(stdout.String()) {
				t.Errorf("%s -h: want the flags after the usage, in the format of package flag, got\n%s", name, &stdout)
			}
			for _, out := range []struct {
				name, got, want string
			}{{"stdout", stdout.String(), c.stdout}, {"stderr", stderr.String(), c.stderr}} {
				if !strings.HasPrefix(out.got, out.want) || out.want == "" && out.got != "" {
					t.Errorf("%s %s: %s is %q, want prefix %q", name, c.args, out.name, out.got, out.want)
				}
			}
		}
	}
}
