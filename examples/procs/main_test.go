//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/stage"
)

// childEnv makes the test binary run as procs, which writes its peak memory to the file
// in peakEnv, if there is one.
const (
	childEnv = "PROCS_TEST_CHILD"
	peakEnv  = "PROCS_TEST_PEAK"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(stage.Run(m))
	}
	code := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if name := os.Getenv(peakEnv); name != "" {
		if err := os.WriteFile(name, strconv.AppendInt(nil, peak(), 10), 0o600); err != nil {
			panic(err)
		}
	}
	os.Exit(code)
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak returns the most memory that this process has used, in KiB. It does not use
// Maxrss on Linux: that begins with what the parent used when it started the process.
func peak() int64 {
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		if m := highWater.FindSubmatch(status); m != nil {
			n, _ := strconv.ParseInt(string(m[1]), 10, 64)
			return n
		}
	}
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	if runtime.GOOS == "darwin" {
		return int64(u.Maxrss) >> 10 // in bytes
	}
	return int64(u.Maxrss)
}

func procs(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childEnv+"=1", "TERM=xterm")
	return cmd
}

// took matches the duration at the end of a result line.
var took = regexp.MustCompile(`(?m)^( *\d+ = .*), [0-9.hms]+$`)

func withoutTimes(s string) string { return took.ReplaceAllString(s, "$1") }

// status returns the exit status from the error of Run or Wait.
func status(t *testing.T, err error) int {
	t.Helper()
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return 0
}

// fifo creates a FIFO. Opening it blocks until the other end is opened too.
func fifo(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// wantGone waits until no process has the FIFO open for writing, and checks that
// nothing was written.
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
			"standard input is empty", []string{"wc -c | tr -d ' '"}, "something",
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
			// kill 0 does not kill the leader of the group
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
		{"-n 0 true", "-n must be at least 1, got 0"},
		{"-n x true", `invalid value "x" for flag -n: parse error`},
		{"-grace -1s true", "-grace must not be negative, got -1s"},
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

// The first command ends only when the second one runs; the third one starts after
// that.
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
		t.Errorf("%d concurrent commands, %d at the end\n%s", most, running, out)
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

// A command that writes faster than its output is read does not fill the memory.
func TestFlood(t *testing.T) {
	cmd := procs("head -c 100000000 /dev/zero | tr '\\0' x", fmt.Sprintf("head -c %d /dev/zero | tr '\\0' '\\n'", stage.Amount(1_000_000, 5_000_000, 5_000_000)))
	file := filepath.Join(t.TempDir(), "peak")
	cmd.Env = append(cmd.Env, peakEnv+"="+file)
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
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if most, err := strconv.Atoi(string(text)); err != nil || most > 90<<10 {
		t.Errorf("procs took %s KiB, %v", text, err)
	}
}

// running is a procs process.
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
		cmd.Process.Kill() // still runs if the test has failed
		cmd.Wait()
		r.Close()
	})
	return &running{cmd, t, r, bufio.NewReader(r)}
}

// await reads up to the line want.
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
		r.t.Skip("the signal is ignored in this process")
	}
	if err := r.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
}

// killed is output that procs may omit when a second signal arrives.
const killed = "1 = killed by signal 9 (killed)\n"

// wantEnd checks the exit status of procs and the rest of its output.
func (r *running) wantEnd(code int, out string) {
	r.t.Helper()
	rest, err := io.ReadAll(r.out)
	if err != nil {
		r.t.Error(err)
	}
	got := withoutTimes(string(rest))
	if s := status(r.t, r.Wait()); s != code || got != out && (out != killed || got != "") {
		r.t.Errorf("status %d, output\n%s\nwant %d, output\n%s", s, got, code, out)
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

// A signal stops the commands and their descendants. All of them get the time to clean
// up.
func TestSignal(t *testing.T) {
	for sig, text := range map[syscall.Signal]string{
		syscall.SIGINT: "interrupt", syscall.SIGTERM: "terminated", syscall.SIGHUP: "hangup",
	} {
		t.Run(text, func(t *testing.T) {
			name := fifo(t)
			// SIGTERM kills the outer shell at once; the inner one still
			// prints a line.
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

// Processes that do not exit on SIGTERM are killed after the grace period, with their
// descendants.
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

// After the first failure the other commands are stopped; a signal then kills those
// that still run.
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

// The commands end even if procs is killed.
func TestProcsIsKilled(t *testing.T) {
	name := fifo(t)
	p := start(t, "trap '' TERM HUP; sleep 1000 >"+name+" & echo ready; wait")
	gone := open(t, name)
	p.await("1 | ready")
	p.signal(os.Kill)
	wantGone(t, gone)
}

// Processes that a command leaves behind are killed, and do not keep procs waiting.
func TestLeftBehind(t *testing.T) {
	name := fifo(t)
	p := start(t, "sleep 1000 >"+name+" 2>&1 & echo ready")
	gone := open(t, name)
	p.await("1 | ready")
	p.wantEnd(0, "1 = done\n1 done, 0 failed\n")
	wantGone(t, gone)
}

// Procs waits for a background process that still has the output open.
func TestOutputComesLater(t *testing.T) {
	name := fifo(t)
	p := start(t, "cat "+name+" & echo ready")
	p.await("1 | ready")
	if err := os.WriteFile(name, []byte("late"), 0); err != nil {
		t.Fatal(err)
	}
	p.wantEnd(0, "1 | late\n1 = done\n1 done, 0 failed\n")
}
