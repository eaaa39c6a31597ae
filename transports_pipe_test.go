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

// onPoller runs main with the poller, if the system has one.
func onPoller(t *testing.T, main func(t *testing.T, ctx context.Context) error) {
	t.Helper()
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		if l, _ := aio.GetRunningLoop(ctx); aio.UsesGoroutines(l) {
			t.Skip("this needs the poller")
		}
		return main(t, ctx)
	})
}

// pipeCase is a test of pipes on one I/O path.
type pipeCase struct {
	*testing.T
	ctx  context.Context
	loop *aio.Loop
}

// pipes makes a test of pipes one for bothPaths or onPoller.
func pipes(main func(c *pipeCase) error) func(t *testing.T, ctx context.Context) error {
	return func(t *testing.T, ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		return main(&pipeCase{t, ctx, l})
	}
}

func (c *pipeCase) letPass(n int) { letPass(c.ctx, n) }

// pipe returns the ends of a new pipe, which are closed when the test ends.
func (c *pipeCase) pipe() (r, w *os.File) { return newPipe(c.T) }

func (c *pipeCase) protocol() *pipeProtocol {
	return &pipeProtocol{c: c, loop: c.loop, lost: aio.CreateFuture[error](c.ctx)}
}

// read makes a read transport for r.
func (c *pipeCase) read(r *os.File, p *pipeProtocol) aio.ReadTransport {
	c.Helper()
	tr, _, err := aio.ConnectReadPipe(c.ctx, func() *pipeProtocol { return p }, r)
	if err != nil {
		c.Fatal(err)
	}
	p.want("made")
	return tr
}

// write makes a write transport for w.
func (c *pipeCase) write(w *os.File, p *pipeProtocol) aio.WriteTransport {
	c.Helper()
	tr, _, err := aio.ConnectWritePipe(c.ctx, func() *pipeProtocol { return p }, w)
	if err != nil {
		c.Fatal(err)
	}
	p.want("made")
	return tr
}

// reports collects the reports to the exception handler.
func (c *pipeCase) reports() *[]aio.ExceptionContext { return reportsOf(c.loop) }

// pipeProtocol is a protocol for both directions. It logs its calls.
type pipeProtocol struct {
	c         *pipeCase
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
func (p *pipeProtocol) wantGot(want string) {
	p.c.Helper()
	for len(p.got) < len(want) {
		p.more.Clear()
		if err := p.more.Wait(p.c.ctx); err != nil {
			p.c.Fatal(err)
		}
	}
	if string(p.got) != want {
		p.c.Errorf("got %d bytes %.80q, want %d bytes %.80q", len(p.got), p.got, len(want), want)
	}
	p.got = nil
}

// wantLost waits for ConnectionLost and compares its error.
func (p *pipeProtocol) wantLost(want error) {
	p.c.Helper()
	err, awaitErr := p.lost.Await(p.c.ctx)
	if awaitErr != nil {
		p.c.Fatal(awaitErr)
	}
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		p.c.Errorf("ConnectionLost(%v), want %v", err, want)
	}
}

// want compares the calls since the last comparison.
func (p *pipeProtocol) want(events string, why ...string) {
	p.c.Helper()
	p.log.want(p.c, events, why...)
}

// newPipe returns the ends of a new pipe, which are closed when the test ends.
func newPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// reportsOf collects the reports to the exception handler.
func reportsOf(l *aio.Loop) *[]aio.ExceptionContext {
	reports := new([]aio.ExceptionContext)
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { *reports = append(*reports, ec) })
	return reports
}

// fillPipe writes until data is left in the write buffer, and returns everything that
// was written.
func fillPipe(t *testing.T, tr aio.WriteTransport) (written []byte) {
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
	bothPaths(t, pipes(func(c *pipeCase) error {
		file, err := os.Create(filepath.Join(c.TempDir(), "file"))
		if err != nil {
			return err
		}
		defer file.Close()
		dir, err := os.Open(c.TempDir())
		if err != nil {
			return err
		}
		defer dir.Close()
		closed, _ := c.pipe()
		closed.Close()
		factory := func() *pipeProtocol { return c.protocol() }
		for _, f := range []*os.File{file, dir, nil} {
			if _, _, err := aio.ConnectReadPipe(c.ctx, factory, f); !errors.Is(err, aio.ErrUsage) {
				c.Errorf("ConnectReadPipe: %v", err)
			}
			if _, _, err := aio.ConnectWritePipe(c.ctx, factory, f); !errors.Is(err, aio.ErrUsage) {
				c.Errorf("ConnectWritePipe: %v", err)
			}
		}
		if _, err := file.WriteString("still open"); err != nil {
			c.Error(err)
		}
		if _, _, err := aio.ConnectReadPipe(c.ctx, factory, closed); !errors.Is(err, os.ErrClosed) {
			c.Errorf("a closed pipe: %v", err)
		}
		r, w := c.pipe()
		if _, _, err := aio.ConnectReadPipe(c.ctx, func() int { return 1 }, r); !errors.Is(err, aio.ErrUsage) {
			c.Errorf("no protocol: %v", err)
		}
		if _, _, err := aio.ConnectWritePipe(c.ctx, func() *ioEcho { return nil }, w); !errors.Is(err, aio.ErrUsage) {
			c.Errorf("a protocol of connections: %v", err)
		}
		if _, err := w.WriteString("x"); err != nil {
			c.Errorf("the caller's pipe was closed: %v", err)
		}
		return nil
	}))
}

// LOOP-264: a socket works too.
func TestPipeOverSocket(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
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
		file := func(conn net.Conn) *os.File {
			f, err := conn.(*net.TCPConn).File()
			if err != nil {
				c.Fatal(err)
			}
			conn.Close()
			return f
		}
		rp, wp := c.protocol(), c.protocol()
		c.read(file(far), rp)
		w := c.write(file(near), wp)
		w.Write([]byte("over a socket"))
		rp.wantGot("over a socket")
		w.Close()
		wp.wantLost(nil)
		rp.wantLost(nil)
		rp.want("eof lost")
		return nil
	}))
}

// LOOP-265: as in asyncio, ConnectionMade is called in the pass after the call, and the
// caller is resumed in the pass after that, after everything that ConnectionMade has
// scheduled.
func TestPipeConnectionMadeBeforeReturn(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		p := c.protocol()
		p.made = func() { p.loop.CallSoon(func() { p.log.add("second") }) }
		p.loop.CallSoon(func() { p.log.add("first") })
		tr, got, err := aio.ConnectReadPipe(c.ctx, func() *pipeProtocol { return p }, r)
		if err != nil {
			return err
		}
		p.want("first made second")
		if got != p || p.transport != aio.BaseTransport(tr) || tr.GetProtocol() != aio.Protocol(p) {
			c.Error("the transport has another protocol")
		}
		tr.Close()
		p.wantLost(nil)

		q := c.protocol()
		q.made = func() { q.loop.CallSoon(func() { q.log.add("second") }) }
		q.loop.CallSoon(func() { q.log.add("first") })
		tw, _, err := aio.ConnectWritePipe(c.ctx, func() *pipeProtocol { return q }, w)
		if err != nil {
			return err
		}
		q.want("first made second")
		tw.Close()
		q.wantLost(nil)
		return nil
	}))
}

// A panic of ConnectionMade is reported and has no other effect.
func TestPipeConnectionMadePanics(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		p := c.protocol()
		p.made = func() { panic("made") }
		reports := c.reports()
		c.read(r, p)
		if len(*reports) != 1 || (*reports)[0].Transport != p.transport || (*reports)[0].Protocol != aio.Protocol(p) {
			c.Errorf("reports: %v", *reports)
		}
		w.WriteString("x")
		p.wantGot("x")
		w.Close()
		p.wantLost(nil)
		return nil
	}))
}

func TestPipeConnectCancelled(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		ctx := c.ctx
		r, w := c.pipe()
		p, q := c.protocol(), c.protocol()
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, _, err := aio.ConnectReadPipe(ctx, func() *pipeProtocol { return p }, r)
			return err
		}))
		c.letPass(1)
		task.Cancel()
		if _, err := task.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
			c.Errorf("ConnectReadPipe: %v", err)
		}
		p.wantLost(nil)
		task = aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, _, err := aio.ConnectWritePipe(ctx, func() *pipeProtocol { return q }, w)
			return err
		}))
		c.letPass(1)
		task.Cancel()
		if _, err := task.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
			c.Errorf("ConnectWritePipe: %v", err)
		}
		q.wantLost(nil)
		return nil
	}))
}

// LOOP-261, LOOP-266
func TestPipeClosedAfterConnectionLost(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		r2, w2 := c.pipe()
		p, q := c.protocol(), c.protocol()
		rt, wt := c.read(r, p), c.write(w2, q)
		for _, end := range []struct {
			t aio.BaseTransport
			p *pipeProtocol
		}{{rt, p}, {wt, q}} {
			s, _ := end.t.GetExtraInfo("pipe").(*aio.TransportSocket)
			if s == nil {
				c.Fatal("GetExtraInfo gives no pipe")
			}
			if end.t.GetExtraInfo("socket") != nil || end.t.GetExtraInfo("peername") != nil {
				c.Error("a pipe has the extra info of a socket")
			}
			end.p.atLoss = func() {
				if _, err := s.SyscallConn(); err != nil {
					c.Errorf("in ConnectionLost: %v", err)
				}
			}
			if err := end.t.Close(); err != nil {
				c.Error(err)
			}
			end.p.wantLost(nil)
		}
		// The ends that were passed to the loop are closed, as the other ends
		// show.
		if b, err := io.ReadAll(r2); len(b) != 0 || err != nil {
			c.Errorf("reading: %q, %v", b, err)
		}
		for { // goroutines close the ends a little later
			if _, err := w.WriteString("x"); err != nil {
				if !errors.Is(err, syscall.EPIPE) {
					c.Errorf("writing: %v", err)
				}
				break
			}
		}
		if _, err := r.Stat(); !errors.Is(err, os.ErrClosed) {
			c.Errorf("the file passed in: %v", err)
		}
		return nil
	}))
}

// Closing a loop closes its pipes.
func TestPipeLoopClosed(t *testing.T) {
	r, w := newPipe(t)
	r2, w2 := newPipe(t)
	for _, goroutines := range []bool{false, true} {
		runner := aio.Runner{}
		l, err := runner.GetLoop()
		if err != nil {
			t.Fatal(err)
		}
		aio.ForceGoroutines(l, goroutines)
		if err := runner.Run(func(ctx context.Context) error {
			return pipes(func(c *pipeCase) error {
				c.read(r, c.protocol())
				c.write(w2, c.protocol())
				return nil
			})(t, ctx)
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
		r, w = newPipe(t)
		r2, w2 = newPipe(t)
	}
}
