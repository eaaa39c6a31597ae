package aio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/goaio/aio"
)

// pipeOnPoller runs main with the poller, if the system has one.
func pipeOnPoller(t *testing.T, main func(t *testing.T, ctx context.Context) error) {
	t.Helper()
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		if l, _ := aio.GetRunningLoop(ctx); aio.UsesGoroutines(l) {
			t.Skip("this needs the poller")
		}
		return main(t, ctx)
	})
}

// pipeProtocol is a protocol for both directions. It logs its calls.
type pipeProtocol struct {
	loop      *aio.Loop
	transport aio.BaseTransport
	log       eventLog
	got       []byte
	more      aio.Event
	keepOpen  bool
	lost      *aio.Future[error]
	made      func()
	data      func(p []byte)
	atEOF     func()
	atLoss    func()
}

func newPipeProtocol(ctx context.Context) *pipeProtocol {
	l, _ := aio.GetRunningLoop(ctx)
	return &pipeProtocol{loop: l, lost: aio.CreateFuture[error](ctx)}
}

func (p *pipeProtocol) ConnectionMade(t aio.BaseTransport) {
	p.transport = t
	p.log.add("made")
	if p.made != nil {
		p.made()
	}
}

func (p *pipeProtocol) DataReceived(b []byte) {
	p.got = append(p.got, b...)
	p.more.Set()
	if p.data != nil {
		p.data(b)
	}
}

func (p *pipeProtocol) EOFReceived() bool {
	p.log.add("eof")
	if p.atEOF != nil {
		p.atEOF()
	}
	return p.keepOpen
}

func (p *pipeProtocol) PauseWriting()  { p.log.add("pause") }
func (p *pipeProtocol) ResumeWriting() { p.log.add("resume") }

func (p *pipeProtocol) ConnectionLost(err error) {
	p.log.add("lost")
	p.lost.SetResult(err)
	if p.atLoss != nil {
		p.atLoss()
	}
}

// wantGot waits until the protocol has received as many bytes as want, and compares
// them.
func (p *pipeProtocol) wantGot(t *testing.T, ctx context.Context, want string) {
	t.Helper()
	for len(p.got) < len(want) {
		p.more.Clear()
		if err := p.more.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if string(p.got) != want {
		t.Errorf("got %d bytes %.80q, want %d bytes %.80q", len(p.got), p.got, len(want), want)
	}
	p.got = nil
}

// wantLost waits for ConnectionLost and compares its error.
func (p *pipeProtocol) wantLost(t *testing.T, ctx context.Context, want error) {
	t.Helper()
	err, awaitErr := p.lost.Await(ctx)
	if awaitErr != nil {
		t.Fatal(awaitErr)
	}
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Errorf("ConnectionLost(%v), want %v", err, want)
	}
}

// pipeEnds returns the ends of a new pipe, which are closed when the test ends.
func pipeEnds(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// pipeRead makes a read transport for r.
func pipeRead(t *testing.T, ctx context.Context, r *os.File, p *pipeProtocol) aio.ReadTransport {
	t.Helper()
	tr, _, err := aio.ConnectReadPipe(ctx, func() *pipeProtocol { return p }, r)
	if err != nil {
		t.Fatal(err)
	}
	p.log.want(t, "made")
	return tr
}

// pipeWrite makes a write transport for w.
func pipeWrite(t *testing.T, ctx context.Context, w *os.File, p *pipeProtocol) aio.WriteTransport {
	t.Helper()
	tr, _, err := aio.ConnectWritePipe(ctx, func() *pipeProtocol { return p }, w)
	if err != nil {
		t.Fatal(err)
	}
	p.log.want(t, "made")
	return tr
}

// pipeReports collects the reports to the exception handler.
func pipeReports(l *aio.Loop) *[]aio.ExceptionContext {
	reports := new([]aio.ExceptionContext)
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { *reports = append(*reports, ec) })
	return reports
}

// pipeFill writes until data is left in the write buffer, and returns everything that
// was written.
func pipeFill(t *testing.T, tr aio.WriteTransport) (written []byte) {
	t.Helper()
	written = bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	if n, err := tr.Write(written); n != len(written) || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	if tr.GetWriteBufferSize() == 0 {
		t.Fatal("nothing is buffered")
	}
	return written
}

// LOOP-264
func TestPipeRefusesFilesAndMisuse(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		file, err := os.Create(filepath.Join(t.TempDir(), "file"))
		if err != nil {
			return err
		}
		defer file.Close()
		dir, err := os.Open(t.TempDir())
		if err != nil {
			return err
		}
		defer dir.Close()
		closed, _ := pipeEnds(t)
		closed.Close()
		factory := func() *pipeProtocol { return newPipeProtocol(ctx) }
		for _, f := range []*os.File{file, dir, nil} {
			if _, _, err := aio.ConnectReadPipe(ctx, factory, f); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("ConnectReadPipe: %v", err)
			}
			if _, _, err := aio.ConnectWritePipe(ctx, factory, f); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("ConnectWritePipe: %v", err)
			}
		}
		if _, err := file.WriteString("still open"); err != nil {
			t.Error(err)
		}
		if _, _, err := aio.ConnectReadPipe(ctx, factory, closed); !errors.Is(err, os.ErrClosed) {
			t.Errorf("a closed pipe: %v", err)
		}
		r, w := pipeEnds(t)
		if _, _, err := aio.ConnectReadPipe(ctx, func() int { return 1 }, r); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("no protocol: %v", err)
		}
		if _, _, err := aio.ConnectWritePipe(ctx, func() *ioEcho { return nil }, w); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("a protocol of connections: %v", err)
		}
		if _, err := w.WriteString("x"); err != nil {
			t.Errorf("the caller's pipe was closed: %v", err)
		}
		return nil
	})
}

// LOOP-264: a socket works too.
func TestPipeOverSocket(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		ln, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		near, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			return err
		}
		far, err := ln.Accept()
		if err != nil {
			return err
		}
		file := func(c net.Conn) *os.File {
			f, err := c.(*net.TCPConn).File()
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			return f
		}
		rp, wp := newPipeProtocol(ctx), newPipeProtocol(ctx)
		pipeRead(t, ctx, file(far), rp)
		w := pipeWrite(t, ctx, file(near), wp)
		w.Write([]byte("over a socket"))
		rp.wantGot(t, ctx, "over a socket")
		w.Close()
		wp.wantLost(t, ctx, nil)
		rp.wantLost(t, ctx, nil)
		rp.log.want(t, "eof lost")
		return nil
	})
}

// LOOP-265: as in asyncio, ConnectionMade is called in the pass after the call, and the
// caller is resumed in the pass after that, after everything that ConnectionMade has
// scheduled.
func TestPipeConnectionMadeBeforeReturn(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p := newPipeProtocol(ctx)
		p.made = func() { p.loop.CallSoon(func() { p.log.add("second") }) }
		p.loop.CallSoon(func() { p.log.add("first") })
		tr, got, err := aio.ConnectReadPipe(ctx, func() *pipeProtocol { return p }, r)
		if err != nil {
			return err
		}
		p.log.want(t, "first made second")
		if got != p || p.transport != aio.BaseTransport(tr) || tr.GetProtocol() != aio.Protocol(p) {
			t.Error("the transport has another protocol")
		}
		tr.Close()
		p.wantLost(t, ctx, nil)

		q := newPipeProtocol(ctx)
		q.made = func() { q.loop.CallSoon(func() { q.log.add("second") }) }
		q.loop.CallSoon(func() { q.log.add("first") })
		tw, _, err := aio.ConnectWritePipe(ctx, func() *pipeProtocol { return q }, w)
		if err != nil {
			return err
		}
		q.log.want(t, "first made second")
		tw.Close()
		q.wantLost(t, ctx, nil)
		return nil
	})
}

// A panic of ConnectionMade is reported and has no other effect.
func TestPipeConnectionMadePanics(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p := newPipeProtocol(ctx)
		p.made = func() { panic("made") }
		reports := pipeReports(p.loop)
		pipeRead(t, ctx, r, p)
		if len(*reports) != 1 || (*reports)[0].Transport != p.transport || (*reports)[0].Protocol != aio.Protocol(p) {
			t.Errorf("reports: %v", *reports)
		}
		w.WriteString("x")
		p.wantGot(t, ctx, "x")
		w.Close()
		p.wantLost(t, ctx, nil)
		return nil
	})
}

func TestPipeConnectCancelled(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p, q := newPipeProtocol(ctx), newPipeProtocol(ctx)
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, _, err := aio.ConnectReadPipe(ctx, func() *pipeProtocol { return p }, r)
			return err
		}))
		letPass(ctx, 1)
		task.Cancel()
		if _, err := task.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
			t.Errorf("ConnectReadPipe: %v", err)
		}
		p.wantLost(t, ctx, nil)
		task = aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, _, err := aio.ConnectWritePipe(ctx, func() *pipeProtocol { return q }, w)
			return err
		}))
		letPass(ctx, 1)
		task.Cancel()
		if _, err := task.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
			t.Errorf("ConnectWritePipe: %v", err)
		}
		q.wantLost(t, ctx, nil)
		return nil
	})
}

// LOOP-261, LOOP-266
func TestPipeClosedAfterConnectionLost(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		r2, w2 := pipeEnds(t)
		p, q := newPipeProtocol(ctx), newPipeProtocol(ctx)
		rt, wt := pipeRead(t, ctx, r, p), pipeWrite(t, ctx, w2, q)
		for _, c := range []struct {
			t aio.BaseTransport
			p *pipeProtocol
		}{{rt, p}, {wt, q}} {
			s, _ := c.t.GetExtraInfo("pipe").(*aio.TransportSocket)
			if s == nil {
				t.Fatal("GetExtraInfo gives no pipe")
			}
			if c.t.GetExtraInfo("socket") != nil || c.t.GetExtraInfo("peername") != nil {
				t.Error("a pipe has the extra info of a socket")
			}
			c.p.atLoss = func() {
				if _, err := s.SyscallConn(); err != nil {
					t.Errorf("in ConnectionLost: %v", err)
				}
			}
			if err := c.t.Close(); err != nil {
				t.Error(err)
			}
			c.p.wantLost(t, ctx, nil)
		}
		// The ends that were passed to the loop are closed, as the other ends
		// show.
		if b, err := io.ReadAll(r2); len(b) != 0 || err != nil {
			t.Errorf("reading: %q, %v", b, err)
		}
		for { // goroutines close the ends a little later
			if _, err := w.WriteString("x"); err != nil {
				if !errors.Is(err, syscall.EPIPE) {
					t.Errorf("writing: %v", err)
				}
				break
			}
		}
		if _, err := r.Stat(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("the file passed in: %v", err)
		}
		return nil
	})
}

// Closing a loop closes its pipes.
func TestPipeLoopClosed(t *testing.T) {
	r, w := pipeEnds(t)
	r2, w2 := pipeEnds(t)
	for _, goroutines := range []bool{false, true} {
		runner := aio.Runner{}
		l, err := runner.GetLoop()
		if err != nil {
			t.Fatal(err)
		}
		aio.ForceGoroutines(l, goroutines)
		if err := runner.Run(func(ctx context.Context) error {
			pipeRead(t, ctx, r, newPipeProtocol(ctx))
			pipeWrite(t, ctx, w2, newPipeProtocol(ctx))
			return nil
		}); err != nil {
			t.Error(err)
		}
		if err := runner.Close(); err != nil {
			t.Error(err)
		}
		if b, err := io.ReadAll(r2); len(b) != 0 || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
		for err == nil { // goroutines close the ends a little later
			_, err = w.WriteString("x")
		}
		if !errors.Is(err, syscall.EPIPE) {
			t.Error(err)
		}
		r, w = pipeEnds(t)
		r2, w2 = pipeEnds(t)
	}
}
