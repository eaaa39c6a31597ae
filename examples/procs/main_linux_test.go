package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The output of procs blocks, because the test does not read it. Procs still handles
// signals.
func TestSignalsWhileTheOutputBlocks(t *testing.T) {
	name := fifo(t)
	p := start(t, "-grace", "1h", "trap 'echo bye >"+name+"; exit' TERM; yes & wait")
	p.await("1 | y")
	for full := 0; full < 1<<16; { // the capacity of a pipe
		var err error
		if full, err = unix.IoctlGetInt(int(p.pipe.Fd()), unix.TIOCINQ); err != nil {
			t.Fatal(err)
		}
	}
	p.signal(os.Interrupt)
	if b, err := io.ReadAll(open(t, name)); string(b) != "bye\n" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	p.signal(os.Interrupt)
	if got := status(t, p.Wait()); got != 130 {
		t.Errorf("status %d", got)
	}
}

func TestOutputFails(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	for _, command := range []string{"true", "sleep 1000"} {
		cmd := procs(command)
		var stderr strings.Builder
		cmd.Stdout, cmd.Stderr = full, &stderr
		got := status(t, cmd.Run())
		if want := "procs: write /dev/stdout: no space left on device\n"; got != exitFailure || stderr.String() != want {
			t.Errorf("status %d, %q, want %q", got, stderr.String(), want)
		}
	}
}

// terminal is a simulated terminal that records what programs write to it. It does not
// scroll.
type terminal struct {
	t        *testing.T
	master   *os.File
	width    int
	cutOff   bool // truncate long lines instead of wrapping them
	lines    [][]byte
	row, col int
	received []byte // bytes that are not processed yet
}

// newTerminal returns a terminal of that size and the device file for the programs.
func newTerminal(t *testing.T, rows, cols uint16) (*terminal, *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return &terminal{t: t, master: master, width: int(cols), lines: make([][]byte, 1)}, slave
}

// sequences matches the escape sequences that the terminal understands.
var sequences = regexp.MustCompile(`^(?:[\r\n -~]|\x1b\[(\??\d*)([A-Za-z]))`)

// read processes the available output, and reports whether there may be more.
func (tm *terminal) read() bool {
	tm.t.Helper()
	buf := make([]byte, 4096)
	n, err := tm.master.Read(buf)
	tm.received = append(tm.received, buf[:n]...)
	for {
		m := sequences.FindSubmatch(tm.received)
		if m == nil {
			break
		}
		tm.received = tm.received[len(m[0]):]
		tm.do(m[0][0], string(m[1])+string(m[2]))
	}
	if len(tm.received) > len("\x1b[?7l") {
		tm.t.Fatalf("cannot show %q", tm.received)
	}
	return err == nil // EIO after the last program has closed the device
}

// do executes one character or escape sequence.
func (tm *terminal) do(c byte, sequence string) {
	tm.t.Helper()
	up := 0
	switch {
	case c == '\r':
		tm.col = 0
	case c == '\n':
		tm.down()
	case sequence == "?7l", sequence == "?7h":
		tm.cutOff = sequence == "?7l"
	case sequence == "J":
		tm.lines = tm.lines[:tm.row+1]
		tm.lines[tm.row] = tm.lines[tm.row][:tm.col]
	case strings.HasSuffix(sequence, "A"):
		if _, err := fmt.Sscanf(sequence, "%dA", &up); err != nil || up > tm.row {
			tm.t.Fatalf("cursor up by %q from line %d", sequence, tm.row)
		}
		tm.row -= up
	case sequence != "":
		tm.t.Fatalf("cannot do %q", sequence)
	default:
		if tm.col == tm.width && tm.cutOff {
			tm.col--
		} else if tm.col == tm.width {
			tm.down()
			tm.col = 0
		}
		tm.lines[tm.row] = append(tm.lines[tm.row][:tm.col], c)
		tm.col++
	}
}

// down moves to the next line.
func (tm *terminal) down() {
	if tm.row++; tm.row == len(tm.lines) {
		tm.lines = append(tm.lines, nil)
	}
}

// since matches the running times in the status lines.
var since = regexp.MustCompile(`(?m)^(\d+) +[0-9hm]+s `)

func (tm *terminal) text() string {
	return since.ReplaceAllString(withoutTimes(string(bytes.Join(tm.lines, []byte("\n")))), "$1 ")
}

// await reads until the text of the terminal is want.
func (tm *terminal) await(want string) {
	tm.t.Helper()
	for tm.text() != want {
		if !tm.read() {
			tm.t.Fatalf("at the end the terminal shows\n%s\nwant\n%s", tm.text(), want)
		}
	}
}

// On a terminal the last lines show the progress, as far as they fit.
func TestTerminal(t *testing.T) {
	const rows, cols = 4, 40
	tm, slave := newTerminal(t, rows, cols)
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"a", "b", "c"} {
		if err := unix.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	say := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	long := "read x <a; echo $x # " + strings.Repeat("x", 2*cols)
	cmd := procs("-n", "3", long, "read x <b; echo $x >&2", "read x <c; exit 3", "echo last")
	cmd.Stdout, cmd.Stderr = slave, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()

	above := "1 $ " + long[:36] + "\n" + long[36:76] + "\n" + long[76:] + "\n" +
		"2 $ read x <b; echo $x >&2\n3 $ read x <c; exit 3\n"
	below1, below2 := "1  "+long[:32]+"\n", "2  read x <b; echo $x >&2\n"
	tm.await(above + below1 + below2 + "3 running, 0 done, 0 failed, 1 waiting\n")

	say("c", "\n")
	above += "3 = exit status 3\n4 $ echo last\n4 | last\n4 = done\n"
	tm.await(above + below1 + below2 + "2 running, 1 done, 1 failed, 0 waiting\n")

	say("b", "to standard error\n")
	above += "2 | to standard error\n2 = done\n"
	tm.await(above + below1 + "1 running, 2 done, 1 failed, 0 waiting\n")

	say("a", "hello\n")
	for tm.read() {
	}
	tm.await(above + "1 | hello\n1 = done\n3 done, 1 failed\n")
	if got := status(t, cmd.Wait()); got != 3 {
		t.Errorf("status %d", got)
	}
}

// A terminal that cannot move its cursor is treated like a file.
func TestDumbTerminal(t *testing.T) {
	tm, slave := newTerminal(t, 24, 80)
	cmd := procs("echo x")
	cmd.Env = append(cmd.Env, "TERM=dumb")
	cmd.Stdout, cmd.Stderr = slave, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	var all []byte
	buf := make([]byte, 4096)
	for {
		n, err := tm.master.Read(buf)
		if all = append(all, buf[:n]...); err != nil {
			break
		}
	}
	want := "1 $ echo x\n1 | x\n1 = done\n1 done, 0 failed\n"
	if got := withoutTimes(strings.ReplaceAll(string(all), "\r\n", "\n")); got != want {
		t.Errorf("got %q", got)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
