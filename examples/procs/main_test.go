//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// childEnv has the test binary be procs.
const childEnv = "PROCS_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	main()
}

func procs(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childEnv+"=1", "TERM=xterm",
		// or it would take a second to end, under the race detector
		"GORACE=atexit_sleep_ms=0")
	return cmd
}

// took is the end of a line that says how long a command took.
var took = regexp.MustCompile(`(?m)^( *\d+ = .*), [0-9.hms]+$`)

func withoutTimes(s string) string { return took.ReplaceAllString(s, "$1") }

// status is what Run or Wait of a command says.
func status(t *testing.T, err error) int {
	t.Helper()
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return 0
}

// fifo makes one. Who opens it waits until it is opened at the other end as well.
func fifo(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// wantGone fails unless nothing comes out of a FIFO. It returns when nobody can write to
// it any more.
func wantGone(t *testing.T, f *os.File) {
	t.Helper()
	if b, err := io.ReadAll(f); len(b) > 0 || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
}

func TestOutput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "commands")
	if err := os.WriteFile(file, []byte("echo from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name           string
		args           []string
		stdin          string
		stdout, stderr string
		status         int
	}{
		{"nothing", nil, "", "0 done, 0 failed\n", "", 0},
		{
			"arguments", []string{"echo one; echo two", "echo three"}, "not read",
			"1 $ echo one; echo two\n1 | one\n1 | two\n1 = done\n2 $ echo three\n2 | three\n2 = done\n2 done, 0 failed\n", "", 0,
		},
		{
			"standard input", nil, "\n # a comment\n  echo a  \r\n#echo b\necho c",
			"1 $ echo a\n1 | a\n1 = done\n2 $ echo c\n2 | c\n2 = done\n2 done, 0 failed\n", "", 0,
		},
		{
			"a file", []string{"-f", file}, "not read",
			"1 $ echo from a file\n1 | from a file\n1 = done\n1 done, 0 failed\n", "", 0,
		},
		{
			"no newline", []string{`printf 'one\n\n  two\r\nthree'`}, "",
			"1 $ printf 'one\\n\\n  two\\r\\nthree'\n1 | one\n1 | \n1 |   two\n1 | three\n1 = done\n1 done, 0 failed\n", "", 0,
		},
		{
			"standard error", []string{"echo out; printf err >&2"}, "",
			"1 $ echo out; printf err >&2\n1 | out\n1 = done\n1 done, 0 failed\n", "1 | err\n", 0,
		},
		{
			"their standard input is empty", []string{"wc -c | tr -d ' '"}, "something",
			"1 $ wc -c | tr -d ' '\n1 | 0\n1 = done\n1 done, 0 failed\n", "", 0,
		},
		{
			"one line for each command", []string{"\techo a\necho b"}, "",
			"1 $  echo a echo b\n1 | a\n1 | b\n1 = done\n1 done, 0 failed\n", "", 0,
		},
		{
			"failures", []string{"true", "exit 3", "exit 4"}, "",
			"1 $ true\n1 = done\n2 $ exit 3\n2 = exit status 3\n3 $ exit 4\n3 = exit status 4\n1 done, 2 failed\n", "", 3,
		},
		{
			"killed", []string{"kill -9 $$"}, "",
			"1 $ kill -9 $$\n1 = killed by signal 9 (killed)\n0 done, 1 failed\n", "", 128 + 9,
		},
		{
			"fail fast", []string{"-fail-fast", "true", "exit 3", "exit 4"}, "",
			"1 $ true\n1 = done\n2 $ exit 3\n2 = exit status 3\n1 done, 1 failed, 1 not run\n", "", 3,
		},
		{
			// does not reach the process that leads the group
			"kill 0", []string{"kill 0"}, "",
			"1 $ kill 0\n1 = killed by signal 15 (terminated)\n0 done, 1 failed\n", "", 128 + 15,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := procs(append([]string{"-n", "1"}, tt.args...)...)
			var stdout, stderr bytes.Buffer
			cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(tt.stdin), &stdout, &stderr
			got := status(t, cmd.Run())
			if out := withoutTimes(stdout.String()); got != tt.status || out != tt.stdout || stderr.String() != tt.stderr {
				t.Errorf("status %d, stdout\n%s\nstderr %q\nwant %d\n%s\n%q", got, out, stderr.String(), tt.status, tt.stdout, tt.stderr)
			}
		})
	}
}

func TestNumbersHaveOneWidth(t *testing.T) {
	cmd := procs(append([]string{"-n", "1", "echo x"}, strings.Fields(strings.Repeat("true ", 9))...)...)
	out, err := cmd.Output()
	if got := withoutTimes(string(out)); err != nil ||
		!strings.HasPrefix(got, " 1 $ echo x\n 1 | x\n 1 = done\n") || !strings.Contains(got, "\n10 $ true\n10 = done\n") {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct{ args, stderr string }{
		{"-n 0 true", "-n must be at least 1, not 0"},
		{"-n x true", `invalid value "x" for flag -n: parse error`},
		{"-grace -1s true", "-grace must not be negative, as -1s is"},
		{"-f /no/such/file", "open /no/such/file: no such file or directory"},
		{"-f x true", "want a file or arguments, not both"},
		{"-slow true", "flag provided but not defined: -slow"},
	} {
		cmd := procs(strings.Fields(tt.args)...)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		got := status(t, cmd.Run())
		if want := "procs: " + tt.stderr + "\n" + usage + "\n"; got != exitUsage || stderr.String() != want {
			t.Errorf("procs %s: status %d, %q, want %q", tt.args, got, stderr.String(), want)
		}
	}
	out, err := procs("-h").Output()
	if err != nil || !strings.HasPrefix(string(out), usage+"\n  -f FILE\n") {
		t.Errorf("procs -h: %v\n%s", err, out)
	}
}

// The first command ends when the second one runs, and there is no place for the third
// before.
func TestSeveralAtATime(t *testing.T) {
	name := fifo(t)
	out, err := procs("-n", "2", "read line <"+name, "echo >"+name, "true").Output()
	if err != nil {
		t.Error(err)
	}
	running, most := 0, 0
	for line := range strings.Lines(string(out)) {
		switch {
		case strings.HasPrefix(line[1:], " $"):
			running++
		case strings.HasPrefix(line[1:], " ="):
			running--
		}
		most = max(most, running)
	}
	if running != 0 || most != 2 {
		t.Errorf("%d commands at a time, %d in the end\n%s", most, running, out)
	}
}

func TestLongLine(t *testing.T) {
	const size = 1 << 20
	out, err := procs("head -c 1048576 /dev/zero | tr '\\0' x; echo; echo end").Output()
	if err != nil {
		t.Error(err)
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "1 | ") {
			n += strings.Count(line, "x")
		}
		if len(line) > 3*maxLine {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	if n != size || !strings.Contains(string(out), "\n1 | end\n1 = done") {
		t.Errorf("got %d bytes of %d", n, size)
	}
}

// A command that writes more than anybody reads does not fill the memory.
func TestFlood(t *testing.T) {
	cmd := procs("head -c 100000000 /dev/zero | tr '\\0' x", "head -c 5000000 /dev/zero | tr '\\0' '\\n'")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, out)
	if err != nil || n < 100000000 {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	// KiB, but on macOS bytes
	most := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	if runtime.GOOS == "darwin" {
		most >>= 10
	}
	if most > 90<<10 {
		t.Errorf("procs took %d KiB", most)
	}
}

// running is a procs that runs.
type running struct {
	*exec.Cmd
	t    *testing.T
	pipe *os.File // stdout and stderr
	out  *bufio.Reader
}

func start(t *testing.T, args ...string) *running {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd := procs(args...)
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() // if the test has failed
		cmd.Wait()
		r.Close()
	})
	return &running{cmd, t, r, bufio.NewReader(r)}
}

// await reads up to a line.
func (r *running) await(want string) {
	r.t.Helper()
	for {
		line, err := r.out.ReadString('\n')
		if err != nil {
			r.t.Fatalf("no line %q: %v", want, err)
		}
		if withoutTimes(line) == want+"\n" {
			return
		}
	}
}

func (r *running) signal(sig os.Signal) {
	r.t.Helper()
	if signal.Ignored(sig) {
		r.t.Skip("signals are ignored here")
	}
	if err := r.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
}

// killed is what procs may say or not when it is in a hurry.
const killed = "1 = killed by signal 9 (killed)\n"

// wantEnd fails unless procs ends with this status, and the rest of its output is this.
func (r *running) wantEnd(code int, out string) {
	r.t.Helper()
	rest, err := io.ReadAll(r.out)
	if err != nil {
		r.t.Error(err)
	}
	got := withoutTimes(string(rest))
	if s := status(r.t, r.Wait()); s != code || got != out && (out != killed || got != "") {
		r.t.Errorf("status %d, and\n%s\nwant %d, and\n%s", s, got, code, out)
	}
}

// open opens a FIFO to read from it.
func open(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// A signal stops the commands, and what they have started. Both have the time to say
// good-bye.
func TestSignal(t *testing.T) {
	for sig, text := range map[syscall.Signal]string{
		syscall.SIGINT: "interrupt", syscall.SIGTERM: "terminated", syscall.SIGHUP: "hangup",
	} {
		t.Run(text, func(t *testing.T) {
			name := fifo(t)
			// The outer shell dies at once, and the inner one still speaks.
			p := start(t, "-grace", "1h", "-n", "1",
				`sh -c 'trap "echo bye; exit 0" TERM; sleep 1000 >`+name+` & echo ready; wait'; echo never`, "echo never")
			gone := open(t, name)
			p.await("1 | ready")
			p.signal(sig)
			p.await("procs: " + text + ": stopping, once more kills")
			p.wantEnd(128+int(sig), "1 | bye\n1 = killed by signal 15 (terminated)\n0 done, 0 failed, 1 stopped, 1 not run\n")
			wantGone(t, gone)
		})
	}
}

// What does not end by SIGTERM is killed after a while, with what it has started.
func TestGracePeriod(t *testing.T) {
	name := fifo(t)
	p := start(t, "-grace", "10ms", "trap '' TERM; sleep 1000 >"+name+" & echo ready; wait")
	gone := open(t, name)
	p.await("1 | ready")
	p.signal(os.Interrupt)
	p.await("procs: interrupt: stopping, once more kills")
	p.wantEnd(130, "1 = killed by signal 9 (killed)\n0 done, 0 failed, 1 stopped\n")
	wantGone(t, gone)
}

func TestSecondSignal(t *testing.T) {
	name := fifo(t)
	p := start(t, "-grace", "1h", "-n", "1", "trap '' TERM; sleep 1000 >"+name+" & echo ready; wait", "echo never")
	gone := open(t, name)
	p.await("1 | ready")
	p.signal(os.Interrupt)
	p.await("procs: interrupt: stopping, once more kills")
	p.signal(syscall.SIGTERM)
	p.wantEnd(128+15, killed)
	wantGone(t, gone)
}

// The first failure stops the others, and then a signal kills what is left of them.
func TestFailFast(t *testing.T) {
	for _, tt := range []struct {
		name, trapped string
		signal        bool
		status        int
		end           string
	}{
		{"ends", "echo bye; exit 5", false, 7, "1 = exit status 5\n0 done, 1 failed, 1 stopped, 1 not run\n"},
		{"is killed", "echo bye", true, 130, killed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ready, never := fifo(t), fifo(t)
			p := start(t, "-grace", "1h", "-n", "2", "-fail-fast",
				"trap '"+tt.trapped+"' TERM; exec 3<>"+never+"; echo >"+ready+"; while :; do read line <&3; done",
				"read line <"+ready+"; exit 7",
				"echo never")
			p.await("2 = exit status 7")
			p.await("1 | bye")
			if tt.signal {
				p.signal(os.Interrupt)
			}
			p.wantEnd(tt.status, tt.end)
		})
	}
}

// However procs ends, the commands do too.
func TestProcsIsKilled(t *testing.T) {
	name := fifo(t)
	p := start(t, "trap '' TERM HUP; sleep 1000 >"+name+" & echo ready; wait")
	gone := open(t, name)
	p.await("1 | ready")
	p.signal(os.Kill)
	wantGone(t, gone)
}

// What a command leaves behind is killed: it does not keep procs waiting.
func TestLeftBehind(t *testing.T) {
	name := fifo(t)
	p := start(t, "sleep 1000 >"+name+" 2>&1 & echo ready")
	gone := open(t, name)
	p.await("1 | ready")
	p.wantEnd(0, "1 = done\n1 done, 0 failed\n")
	wantGone(t, gone)
}

// Its output is waited for.
func TestOutputComesLater(t *testing.T) {
	name := fifo(t)
	p := start(t, "cat "+name+" & echo ready")
	p.await("1 | ready")
	if err := os.WriteFile(name, []byte("late"), 0); err != nil {
		t.Fatal(err)
	}
	p.wantEnd(0, "1 | late\n1 = done\n1 done, 0 failed\n")
}
