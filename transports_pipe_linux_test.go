package aio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// pipeFIFO creates a FIFO and opens both ends.
func pipeFIFO(t *testing.T) (r, w *os.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(mode int) *os.File {
		f, err := os.OpenFile(path, mode|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	r = open(os.O_RDONLY)
	return r, open(os.O_WRONLY)
}

// pipePty opens a pseudo-terminal in raw mode.
func pipePty(t *testing.T) (master, slave *os.File) {
	t.Helper()
	m, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	master = os.NewFile(uintptr(m), "ptmx")
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(m, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(m, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	s, err := unix.Open(fmt.Sprint("/dev/pts/", n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	slave = os.NewFile(uintptr(s), "pts")
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// pipeFD returns the descriptor of f. Fd would make f blocking, and then nothing could
// end a read of a goroutine.
func pipeFD(t *testing.T, f *os.File) (fd int) {
	t.Helper()
	c, err := f.SyscallConn()
	if err == nil {
		err = c.Control(func(n uintptr) { fd = int(n) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// pipeRaw puts a terminal into raw mode.
func pipeRaw(t *testing.T, slave *os.File) {
	t.Helper()
	termios, err := unix.IoctlGetTermios(pipeFD(t, slave), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	termios.Iflag &^= unix.ICRNL | unix.IXON
	termios.Oflag &^= unix.OPOST
	termios.Lflag &^= unix.ICANON | unix.ECHO | unix.ISIG
	if err := unix.IoctlSetTermios(pipeFD(t, slave), unix.TCSETS, termios); err != nil {
		t.Fatal(err)
	}
}

// pipeDup duplicates f.
func pipeDup(t *testing.T, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.FcntlInt(uintptr(pipeFD(t, f)), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), f.Name())
}

// LOOP-267
func TestPipeReadSizes(t *testing.T) {
	onPoller(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 1<<20); err != nil {
			c.Skip(err)
		}
		p := c.protocol()
		var sizes []int
		p.data = func(b []byte) { sizes = append(sizes, len(b)) }
		tr := c.read(r, p)
		all := strings.Repeat("0123456789abcdef", 600<<10/16)
		w.WriteString(all)
		p.wantGot(all)
		equal(c.T, "sizes of the pieces", sizes, []int{256 << 10, 256 << 10, 88 << 10})
		// A read that fills its buffer is followed by another one, which finds
		// nothing.
		w.WriteString(all[:256<<10])
		p.wantGot(all[:256<<10])
		c.letPass(3)
		w.WriteString("more")
		p.wantGot("more")
		tr.Close()
		p.wantLost(nil)
		return nil
	}))
}

// LOOP-264, LOOP-281
func TestPipeFIFOWithUnreadDataStaysOpen(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		r, w := pipeFIFO(c.T)
		p, q := c.protocol(), c.protocol()
		wt := c.write(w, p)
		wt.Write([]byte("1"))
		c.letPass(10)
		wt.Write([]byte("2"))
		c.letPass(10)
		if wt.IsClosing() {
			c.Fatal("the unread data was taken for a hang-up")
		}
		p.want("")
		c.read(r, q)
		q.wantGot("12")
		wt.Close()
		p.wantLost(nil)
		q.wantLost(nil)
		q.want("eof lost")
		return nil
	}))
}

// A FIFO that no writer has opened yet is not at EOF.
func TestPipeFIFOBeforeTheFirstWriter(t *testing.T) {
	onPoller(t, pipes(func(c *pipeCase) error {
		path := filepath.Join(c.TempDir(), "fifo")
		if err := unix.Mkfifo(path, 0o600); err != nil {
			c.Fatal(err)
		}
		r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		p := c.protocol()
		c.read(r, p)
		c.letPass(10)
		p.want("")
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		w.WriteString("hello")
		p.wantGot("hello")
		w.Close()
		p.wantLost(nil)
		return nil
	}))
}

// LOOP-282: master and slave, and a reading and a writing transport for one slave.
func TestPipePty(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		m, s := pipePty(c.T)
		pipeRaw(c.T, s)
		sp, wp, mp, mwp := c.protocol(), c.protocol(), c.protocol(), c.protocol()
		m2, s2 := pipeDup(c.T, m), pipeDup(c.T, s)
		sr := c.read(s, sp)
		sw := c.write(s2, wp)
		mr := c.read(m, mp)
		mw := c.write(m2, mwp)
		for range 3 {
			mw.Write([]byte("to the slave"))
			sp.wantGot("to the slave")
			sw.Write([]byte("to the master"))
			mp.wantGot("to the master")
		}
		sw.Close()
		wp.wantLost(nil)
		mw.Write([]byte("more"))
		sp.wantGot("more")
		sr.Close()
		sp.wantLost(nil)
		// the error is not reported, as bothPaths checks
		mp.wantLost(syscall.EIO)
		mp.want("lost")
		mw.Close()
		mwp.wantLost(nil)
		if !mr.IsClosing() {
			c.Error("the master is still open")
		}
		return nil
	}))
}

// A terminal in line mode returns one line per read, but the poller reports readiness
// only once for all lines.
func TestPipePtyLines(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		m, s := pipePty(c.T)
		p := c.protocol()
		m.WriteString("one\ntwo\nthree\n")
		tr := c.read(s, p)
		p.wantGot("one\ntwo\nthree\n")
		tr.Close()
		p.wantLost(nil)
		return nil
	}))
}

// LOOP-274: that a terminal has been closed is only reported by a write.
func TestPipeFlushError(t *testing.T) {
	onPoller(t, pipes(func(c *pipeCase) error {
		m, s := pipePty(c.T)
		pipeRaw(c.T, s)
		p := c.protocol()
		tr := c.write(s, p)
		fillPipe(c.T, tr)
		m.Close()
		p.wantLost(syscall.EIO)
		if tr.GetWriteBufferSize() != 0 || !tr.IsClosing() {
			c.Errorf("closing %v, %d buffered", tr.IsClosing(), tr.GetWriteBufferSize())
		}
		p.want("pause lost")
		return nil
	}))
}

// A pipe in packet mode returns one packet per read.
func TestPipePackets(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_DIRECT|unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
			return err
		}
		r, w := os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
		defer w.Close()
		p := c.protocol()
		var packets eventLog
		p.data = func(b []byte) { packets.add("%s", b) }
		tr := c.read(r, p)
		for _, s := range []string{"one", "two", "three"} {
			w.WriteString(s)
		}
		p.wantGot("onetwothree")
		packets.want(c.T, "one two three")
		tr.Close()
		p.wantLost(nil)
		return nil
	}))
}

// Devices that epoll does not support.
func TestPipeUnpollable(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		p, q := c.protocol(), c.protocol()
		r, err := os.Open(os.DevNull)
		if err != nil {
			return err
		}
		w, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		c.read(r, p)
		p.wantLost(nil)
		p.want("eof lost")
		tr := c.write(w, q)
		if n, err := tr.Write([]byte("gone")); n != 4 || err != nil {
			c.Errorf("Write: %d, %v", n, err)
		}
		tr.Close()
		q.wantLost(nil)
		return nil
	}))
}

// Two transports cannot use the same descriptor. A transport closes a standard stream,
// so this runs in a child process.
func TestPipeStandardStreams(t *testing.T) {
	if os.Getenv("AIO_TEST_PIPE_CHILD") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPipeStandardStreams$")
		cmd.Env = append(os.Environ(), "AIO_TEST_PIPE_CHILD=1")
		cmd.Stdin = strings.NewReader("to be echoed")
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil || string(out) != "TO BE ECHOED" || errs.String() != "" {
			t.Errorf("%v: %q, %q", err, out, errs.String())
		}
		return
	}
	test := pipes(func(c *pipeCase) error {
		p, q := c.protocol(), c.protocol()
		c.read(os.Stdin, p)
		tr := c.write(os.Stdout, q)
		if _, _, err := aio.ConnectReadPipe(c.ctx, func() *pipeProtocol { return q }, os.Stdin); !errors.Is(err, aio.ErrUsage) {
			return fmt.Errorf("a second transport: %w", err)
		}
		for fd := range 2 {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
				return fmt.Errorf("descriptor %d is closed: %w", fd, err)
			}
		}
		p.wantLost(nil)
		tr.Write(bytes.ToUpper(p.got))
		tr.Close()
		q.wantLost(nil)
		if _, err := os.Stdin.Stat(); !errors.Is(err, os.ErrClosed) {
			return fmt.Errorf("standard input is still open: %w", err)
		}
		return nil
	})
	err := aio.Run(func(ctx context.Context) error { return test(t, ctx) })
	if err != nil || t.Failed() {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// systemReads returns how many system calls of the process have read so far.
func systemReads(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skipf("the kernel does not count system calls: %v", err)
	}
	_, rest, _ := strings.Cut(string(text), "syscr: ")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return n
}

// A message in a pipe costs one read. A second one, that finds nothing, is not needed:
// the poller reports what comes.
func TestPipeReadIsOneSystemCall(t *testing.T) {
	const messages = 1000
	onPoller(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		p := c.protocol()
		left := messages
		p.data = func([]byte) {
			if left--; left > 0 {
				w.WriteString("message")
			}
		}
		tr := c.read(r, p)
		before := systemReads(c.T)
		w.WriteString("message")
		p.wantGot(strings.Repeat("message", messages))
		// the Go runtime and the counting make a few more reads
		if n := systemReads(c.T) - before; n < messages || n > messages+messages/4 {
			c.Errorf("%d reads for %d messages", n, messages)
		}
		tr.Close()
		p.wantLost(nil)
		return nil
	}))
}

// The system continues to report that there is room in a pipe when no write waits for it,
// so that a transport which writes much makes no system calls to switch that on and off.
// A program that exactly fills the pipe makes such reports itself; the second one is the
// last.
func TestPipeWriteStaysRegistered(t *testing.T) {
	onPoller(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		p := c.protocol()
		tr := c.write(w, p)
		size, err := unix.FcntlInt(uintptr(pipeFD(c.T, r)), unix.F_GETPIPE_SZ, 0)
		if err != nil {
			return err
		}
		full := make([]byte, size)
		watch := func(when, want string) {
			c.Helper()
			if got := aio.WriteWatch(tr); got != want {
				c.Errorf("%s: room in the pipe is %s, want %s", when, got, want)
			}
		}
		empty := func(n int) {
			c.Helper()
			if _, err := io.ReadFull(r, make([]byte, n)); err != nil {
				c.Fatal(err)
			}
			c.letPass(2)
		}
		more := func() {
			c.Helper()
			tr.Write(append(full, "more"...))
			watch("4 bytes wait", "passed on")
			empty(size)
			if n := tr.GetWriteBufferSize(); n != 0 {
				c.Fatalf("%d bytes wait for room in an empty pipe", n)
			}
			watch("all is written", "dropped")
			empty(4)
		}
		watch("nothing was written", "not reported")
		for range 100 {
			more()
		}
		for _, then := range []string{"dropped", "not reported", "not reported"} {
			tr.Write(full)
			empty(size)
			watch("the pipe was full", then)
		}
		more()
		tr.Write(full)
		empty(size)
		// after a write that waited, the next report counts as the first one
		more()
		tr.Write(full)
		empty(size)
		watch("the pipe was full once", "dropped")
		tr.Close()
		p.wantLost(nil)
		return nil
	}))
}
