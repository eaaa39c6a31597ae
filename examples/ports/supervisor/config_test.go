//go:build unix

package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

func TestConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "supervisor.conf")
	text := `
# a comment
[supervisor]
socket = run/s.sock  ; another comment

[program:web]
command = "/usr/bin/my server" -port 80%(process_num)d 'a "b"' \$x 100%%
directory = /tmp
environment = A=1,B="x,y", NAME=%(program_name)s
numprocs = 2
autostart = false
autorestart = always
exitcodes = 0, 2
startsecs = 0.5
startretries = 7
stopsignal = SIGINT
stopwaitsecs = 3
stopasgroup = yes
priority = -1
redirect_stderr = true
stdout_logfile = log/%(program_name)s-%(process_num)d
stdout_logfile_maxbytes = 5MB
stdout_logfile_backups = 2

[program:plain]
command = true
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	if c.Socket != filepath.Join(dir, "run/s.sock") || len(c.Programs) != 2 {
		t.Errorf("got %+v", c)
	}
	p, err := c.Programs[0].expand(1)
	if err != nil {
		t.Fatal(err)
	}
	want := &Program{
		Name: "web", Command: []string{"/usr/bin/my server", "-port", "801", `a "b"`, "$x", "100%"}, Directory: "/tmp",
		Environment: []string{"A=1", "B=x,y", "NAME=web"}, NumProcs: 2, AutoRestart: Always, ExitCodes: []int{0, 2},
		StartTime: 500 * time.Millisecond, StartRetries: 7, StopSignal: syscall.SIGINT, StopWait: 3 * time.Second, StopAsGroup: true,
		Priority: -1, Redirect: true, Stdout: LogConfig{filepath.Join(dir, "log/web-1"), 5 << 20, 2}, Stderr: LogConfig{"", 50 << 20, 10},
	}
	if !p.equal(want) {
		t.Errorf("got %+v, want %+v", p, want)
	}
	if plain := newProgram("plain"); true {
		plain.Command = []string{"true"}
		if !c.Programs[1].equal(plain) {
			t.Errorf("got %+v", c.Programs[1])
		}
	}
}

func TestBadConfig(t *testing.T) {
	for text, want := range map[string]string{
		"command = x":                                          `line 1: "command" before the first section`,
		"[program:a":                                           "line 1: a section without ]",
		"[other]":                                              `line 1: an unknown section "other"`,
		"[program:]":                                           "line 1: the program name",
		"[program:a b]":                                        "line 1: the program name",
		"[program:a]\n[program:a]":                             "line 2: a second section",
		"[program:a]\nwhat":                                    "line 2: want NAME = VALUE",
		"[program:a]\nwhat = 1":                                "line 2: what: unknown option",
		"[supervisor]\nwhat = 1":                               `line 2: unknown option "what"`,
		"[program:a]\ncommand=a\ncommand=b":                    `line 3: "command" is there twice`,
		"[program:a]":                                          "program a has no command",
		"[program:a]\ncommand =":                               "line 2: command: it is empty",
		"[program:a]\ncommand = \"x":                           "line 2: command: a quotation without an end",
		"[program:a]\ncommand = x\\":                           "line 2: command: a quotation without an end",
		"[program:a]\ncommand = \"\" x":                        "line 2: command: it is empty",
		"[program:a]\nnumprocs = 0":                            "line 2: numprocs: want a number from 1",
		"[program:a]\nautostart = maybe":                       "line 2: autostart: want true or false",
		"[program:a]\nautorestart = true":                      "line 2: autorestart: want always, unexpected or never",
		"[program:a]\nexitcodes = 0,x":                         "line 2: exitcodes: want a number from 0 to 255",
		"[program:a]\nstartsecs = -1":                          "line 2: startsecs: want a number of seconds",
		"[program:a]\nstartsecs = NaN":                         "line 2: startsecs: want a number of seconds",
		"[program:a]\nstopsignal = FOO":                        "line 2: stopsignal: want one of HUP, INT, KILL",
		"[program:a]\nenvironment = A":                         "line 2: environment: want NAME=VALUE",
		"[program:a]\nenvironment = A=\"1":                     "line 2: environment: a quotation without an end",
		"[program:a]\nenvironment = A=\"1\"B=2":                "line 2: environment: want a comma",
		"[program:a]\nstdout_logfile_maxbytes = 1TB":           "line 2: stdout_logfile_maxbytes: want a number of bytes",
		"[program:a]\ncommand = %(what)s":                      "program a: unknown expansion",
		"[program:a]\ncommand=x\nnumprocs=2\nstdout_logfile=y": "program a writes twice to the log y",
	} {
		_, err := ParseConfig(strings.NewReader(text))
		if err == nil && strings.Contains(text, "numprocs=2") {
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("[supervisor]\nsocket = x\n[program:a]\ncommand = sh -c 'x y'\nenvironment = A=1,B=\"2\"\nstopsignal=INT")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseConfig(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, p := range c.Programs {
			if len(p.Command) == 0 || p.Command[0] == "" || p.NumProcs < 1 {
				t.Fatalf("%q: %+v", text, p)
			}
		}
	})
}

func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := openLog(LogConfig{path, 10, 2})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 9 {
		if _, err := fmt.Fprintf(l, "line %d\n", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, suffix := range []string{"", ".1", ".2", ".3"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil {
			b = []byte("none")
		}
		got = append(got, string(b))
	}
	if want := []string{"line 8\n", "line 7\n", "line 6\n", "none"}; !slices.Equal(got, want) {
		t.Errorf("the files are %q", got)
	}
	// An existing log is continued. A log without backups is emptied at its limit.
	if l, err = openLog(LogConfig{path, 10, 0}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"x\n", "y\n", "a long line, longer than the file may be\n"} {
		if _, err := l.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		want := map[string]string{"x\n": "line 8\nx\n", "y\n": "y\n"}[text]
		if want == "" {
			want = text
		}
		if err != nil || string(b) != want {
			t.Errorf("after %q: %q, %v", text, b, err)
		}
	}
	if b, err := l.tail(6); err != nil || string(b) != "ay be\n" {
		t.Errorf("the tail is %q, %v", b, err)
	}
	q, stop := l.follow()
	defer stop()
	for range maxFollow + 1 {
		_, _ = l.Write([]byte("z"))
	}
	if len(l.followers) != 0 || q.QSize() != maxFollow {
		t.Errorf("a slow follower: %d remain, %d pieces", len(l.followers), q.QSize())
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
}

// Output is not lost if another program removes or truncates the files, or if the file
// cannot be rotated.
func TestRotationFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	content := func(path string) string {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, backups := range []int{0, 1} {
		l, err := openLog(LogConfig{path, 10, backups})
		if err != nil {
			t.Fatal(err)
		}
		write := func(text string) {
			t.Helper()
			if _, err := l.Write([]byte(text)); err != nil {
				t.Errorf("%d backups: %q: %v", backups, text, err)
			}
		}
		// The file is removed.
		write("one\n")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		write("seven and more\n")
		if got := content(path); got != "seven and more\n" {
			t.Errorf("%d backups: after the removal: %q", backups, got)
		}
		// The file is truncated.
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		if got, err := l.tail(5); err != nil || len(got) != 0 {
			t.Errorf("%d backups: the tail of an empty file is %q, %v", backups, got, err)
		}
		// First the file cannot be renamed, because a directory has the new
		// name; later it can.
		l.config.Backups = 1
		if err := os.MkdirAll(path+".1/full", 0o700); err != nil {
			t.Fatal(err)
		}
		write("kept\n")
		write("kept too, over the limit\n")
		if got := content(path); got != "kept\nkept too, over the limit\n" {
			t.Errorf("%d backups: without rotation: %q", backups, got)
		}
		if err := os.RemoveAll(path + ".1"); err != nil {
			t.Fatal(err)
		}
		write("new\n")
		if got, old := content(path), content(path+".1"); got != "new\n" || old != "kept\nkept too, over the limit\n" {
			t.Errorf("%d backups: rotated at last: %q, %q", backups, got, old)
		}
		// The directory is gone, and comes back.
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		write("nobody sees this\n")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		write("back again\n")
		if got := content(path); got != "back again\n" {
			t.Errorf("%d backups: in the new directory: %q", backups, got)
		}
		if err := errors.Join(l.close(), os.Remove(path)); err != nil {
			t.Error(err)
		}
	}
}
