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
	pipeOnPoller(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 1<<20); err != nil {
			t.Skip(err)
		}
		p := newPipeProtocol(ctx)
		var sizes []int
		p.data = func(b []byte) { sizes = append(sizes, len(b)) }
		tr := pipeRead(t, ctx, r, p)
		all := strings.Repeat("0123456789abcdef", 600<<10/16)
		w.WriteString(all)
		p.wantGot(t, ctx, all)
		equal(t, "sizes of the pieces", sizes, []int{256 << 10, 256 << 10, 88 << 10})
		// A read that fills its buffer is followed by another one, which finds
		// nothing.
		w.WriteString(all[:256<<10])
		p.wantGot(t, ctx, all[:256<<10])
		letPass(ctx, 3)
		w.WriteString("more")
		p.wantGot(t, ctx, "more")
		tr.Close()
		p.wantLost(t, ctx, nil)
		return nil
	})
}

// LOOP-264, LOOP-281
func TestPipeFIFOWithUnreadDataStaysOpen(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeFIFO(t)
		p, q := newPipeProtocol(ctx), newPipeProtocol(ctx)
		wt := pipeWrite(t, ctx, w, p)
		wt.Write([]byte("1"))
		letPass(ctx, 10)
		wt.Write([]byte("2"))
		letPass(ctx, 10)
		if wt.IsClosing() {
			t.Fatal("the unread data was taken for a hang-up")
		}
		p.log.want(t, "")
		pipeRead(t, ctx, r, q)
		q.wantGot(t, ctx, "12")
		wt.Close()
		p.wantLost(t, ctx, nil)
		q.wantLost(t, ctx, nil)
		q.log.want(t, "eof lost")
		return nil
	})
}

// A FIFO that no writer has opened yet is not at EOF.
func TestPipeFIFOBeforeTheFirstWriter(t *testing.T) {
	pipeOnPoller(t, func(t *testing.T, ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "fifo")
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		p := newPipeProtocol(ctx)
		pipeRead(t, ctx, r, p)
		letPass(ctx, 10)
		p.log.want(t, "")
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		w.WriteString("hello")
		p.wantGot(t, ctx, "hello")
		w.Close()
		p.wantLost(t, ctx, nil)
		return nil
	})
}

// LOOP-282: master and slave, and a reading and a writing transport for one slave.
func TestPipePty(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		m, s := pipePty(t)
		pipeRaw(t, s)
		sp, wp, mp, mwp := newPipeProtocol(ctx), newPipeProtocol(ctx), newPipeProtocol(ctx), newPipeProtocol(ctx)
		m2, s2 := pipeDup(t, m), pipeDup(t, s)
		sr := pipeRead(t, ctx, s, sp)
		sw := pipeWrite(t, ctx, s2, wp)
		mr := pipeRead(t, ctx, m, mp)
		mw := pipeWrite(t, ctx, m2, mwp)
		for range 3 {
			mw.Write([]byte("to the slave"))
			sp.wantGot(t, ctx, "to the slave")
			sw.Write([]byte("to the master"))
			mp.wantGot(t, ctx, "to the master")
		}
		sw.Close()
		wp.wantLost(t, ctx, nil)
		mw.Write([]byte("more"))
		sp.wantGot(t, ctx, "more")
		sr.Close()
		sp.wantLost(t, ctx, nil)
		// the error is not reported, as bothPaths checks
		mp.wantLost(t, ctx, syscall.EIO)
		mp.log.want(t, "lost")
		mw.Close()
		mwp.wantLost(t, ctx, nil)
		if !mr.IsClosing() {
			t.Error("the master is still open")
		}
		return nil
	})
}

// A terminal in line mode returns one line per read, but the poller reports readiness
// only once for all lines.
func TestPipePtyLines(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		m, s := pipePty(t)
		p := newPipeProtocol(ctx)
		m.WriteString("one\ntwo\nthree\n")
		tr := pipeRead(t, ctx, s, p)
		p.wantGot(t, ctx, "one\ntwo\nthree\n")
		tr.Close()
		p.wantLost(t, ctx, nil)
		return nil
	})
}

// LOOP-274: that a terminal has been closed is only reported by a write.
func TestPipeFlushError(t *testing.T) {
	pipeOnPoller(t, func(t *testing.T, ctx context.Context) error {
		m, s := pipePty(t)
		pipeRaw(t, s)
		p := newPipeProtocol(ctx)
		tr := pipeWrite(t, ctx, s, p)
		pipeFill(t, tr)
		m.Close()
		p.wantLost(t, ctx, syscall.EIO)
		if tr.GetWriteBufferSize() != 0 || !tr.IsClosing() {
			t.Errorf("closing %v, %d buffered", tr.IsClosing(), tr.GetWriteBufferSize())
		}
		p.log.want(t, "pause lost")
		return nil
	})
}

// A pipe in packet mode returns one packet per read.
func TestPipePackets(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_DIRECT|unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
			return err
		}
		r, w := os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
		defer w.Close()
		p := newPipeProtocol(ctx)
		var packets eventLog
		p.data = func(b []byte) { packets.add("%s", b) }
		tr := pipeRead(t, ctx, r, p)
		for _, s := range []string{"one", "two", "three"} {
			w.WriteString(s)
		}
		p.wantGot(t, ctx, "onetwothree")
		packets.want(t, "one two three")
		tr.Close()
		p.wantLost(t, ctx, nil)
		return nil
	})
}

// Devices that epoll does not support.
func TestPipeUnpollable(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		p, q := newPipeProtocol(ctx), newPipeProtocol(ctx)
		r, err := os.Open(os.DevNull)
		if err != nil {
			return err
		}
		w, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		pipeRead(t, ctx, r, p)
		p.wantLost(t, ctx, nil)
		p.log.want(t, "eof lost")
		tr := pipeWrite(t, ctx, w, q)
		if n, err := tr.Write([]byte("gone")); n != 4 || err != nil {
			t.Errorf("Write: %d, %v", n, err)
		}
		tr.Close()
		q.wantLost(t, ctx, nil)
		return nil
	})
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
	err := aio.Run(func(ctx context.Context) error {
		p, q := newPipeProtocol(ctx), newPipeProtocol(ctx)
		pipeRead(t, ctx, os.Stdin, p)
		tr := pipeWrite(t, ctx, os.Stdout, q)
		if _, _, err := aio.ConnectReadPipe(ctx, func() *pipeProtocol { return q }, os.Stdin); !errors.Is(err, aio.ErrUsage) {
			return fmt.Errorf("a second transport: %w", err)
		}
		for fd := range 2 {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
				return fmt.Errorf("descriptor %d is closed: %w", fd, err)
			}
		}
		p.wantLost(t, ctx, nil)
		tr.Write(bytes.ToUpper(p.got))
		tr.Close()
		q.wantLost(t, ctx, nil)
		if _, err := os.Stdin.Stat(); !errors.Is(err, os.ErrClosed) {
			return fmt.Errorf("standard input is still open: %w", err)
		}
		return nil
	})
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
	pipeOnPoller(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p := newPipeProtocol(ctx)
		left := messages
		p.data = func([]byte) {
			if left--; left > 0 {
				w.WriteString("message")
			}
		}
		tr := pipeRead(t, ctx, r, p)
		before := systemReads(t)
		w.WriteString("message")
		p.wantGot(t, ctx, strings.Repeat("message", messages))
		// the Go runtime and the counting make a few more reads
		if n := systemReads(t) - before; n < messages || n > messages+messages/4 {
			t.Errorf("%d reads for %d messages", n, messages)
		}
		tr.Close()
		p.wantLost(t, ctx, nil)
		return nil
	})
}

// The system continues to report that there is room in a pipe when no write waits for it,
// so that a transport which writes much makes no system calls to switch that on and off.
// A program that exactly fills the pipe makes such reports itself; the second one is the
// last.
func TestPipeWriteStaysRegistered(t *testing.T) {
	pipeOnPoller(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p := newPipeProtocol(ctx)
		tr := pipeWrite(t, ctx, w, p)
		size, err := unix.FcntlInt(uintptr(pipeFD(t, r)), unix.F_GETPIPE_SZ, 0)
		if err != nil {
			return err
		}
		full := make([]byte, size)
		watch := func(when, want string) {
			t.Helper()
			if got := aio.WriteWatch(tr); got != want {
				t.Errorf("%s: room in the pipe is %s, want %s", when, got, want)
			}
		}
		empty := func(n int) {
			t.Helper()
			if _, err := io.ReadFull(r, make([]byte, n)); err != nil {
				t.Fatal(err)
			}
			letPass(ctx, 2)
		}
		more := func() {
			t.Helper()
			tr.Write(append(full, "more"...))
			watch("4 bytes wait", "passed on")
			empty(size)
			if n := tr.GetWriteBufferSize(); n != 0 {
				t.Fatalf("%d bytes wait for room in an empty pipe", n)
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
		p.wantLost(t, ctx, nil)
		return nil
	})
}
