package aio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/goaio/aio"
)

// pipeOnPoller runs main over the system's poller, where there is one.
func pipeOnPoller(t *testing.T, main func(t *testing.T, ctx context.Context) error) {
	t.Helper()
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		if l, _ := aio.GetRunningLoop(ctx); aio.UsesGoroutines(l) {
			t.Skip("this needs the poller")
		}
		return main(t, ctx)
	})
}

// pipeProtocol is a protocol of both kinds of pipes, which writes down what it is told.
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

// wantGot waits until the protocol has got as many bytes as want.
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

// wantLost waits for ConnectionLost.
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

// pipePasses lets the loop make n passes.
func pipePasses(ctx context.Context, n int) {
	for range n {
		aio.Sleep(ctx, 0)
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

// pipeRead connects r.
func pipeRead(t *testing.T, ctx context.Context, r *os.File, p *pipeProtocol) aio.ReadTransport {
	t.Helper()
	tr, _, err := aio.ConnectReadPipe(ctx, func() *pipeProtocol { return p }, r)
	if err != nil {
		t.Fatal(err)
	}
	p.log.want(t, "made")
	return tr
}

// pipeWrite connects w.
func pipeWrite(t *testing.T, ctx context.Context, w *os.File, p *pipeProtocol) aio.WriteTransport {
	t.Helper()
	tr, _, err := aio.ConnectWritePipe(ctx, func() *pipeProtocol { return p }, w)
	if err != nil {
		t.Fatal(err)
	}
	p.log.want(t, "made")
	return tr
}

// pipeReports collects what reaches the exception handler.
func pipeReports(l *aio.Loop) *[]aio.ExceptionContext {
	reports := new([]aio.ExceptionContext)
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { *reports = append(*reports, ec) })
	return reports
}

// pipeFill writes until size bytes more than the pipe takes are in the buffer, and returns all that was written.
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
			t.Errorf("the pipe is not the caller's any more: %v", err)
		}
		return nil
	})
}

// LOOP-264: a socket will do.
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

// LOOP-265: the entries of the ready queue are asyncio's: ConnectionMade in the pass after the call,
// and the caller in the one after that, behind what ConnectionMade has scheduled.
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
			t.Error("transport and protocol do not belong together")
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

// A panic of ConnectionMade is reported, and nothing else.
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
		task := aio.CreateTask(ctx, coro(func(ctx context.Context) error {
			_, _, err := aio.ConnectReadPipe(ctx, func() *pipeProtocol { return p }, r)
			return err
		}))
		pipePasses(ctx, 1)
		task.Cancel()
		if _, err := task.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
			t.Errorf("ConnectReadPipe: %v", err)
		}
		p.wantLost(t, ctx, nil)
		task = aio.CreateTask(ctx, coro(func(ctx context.Context) error {
			_, _, err := aio.ConnectWritePipe(ctx, func() *pipeProtocol { return q }, w)
			return err
		}))
		pipePasses(ctx, 1)
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
		// The ends that were taken over are gone, as those here see.
		if b, err := io.ReadAll(r2); len(b) != 0 || err != nil {
			t.Errorf("reading: %q, %v", b, err)
		}
		for { // the goroutines close a little later
			if _, err := w.WriteString("x"); err != nil {
				if !errors.Is(err, syscall.EPIPE) {
					t.Errorf("writing: %v", err)
				}
				break
			}
		}
		if _, err := r.Stat(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("the file that was given: %v", err)
		}
		return nil
	})
}

// LOOP-268: both callbacks are entries of the same pass, and the result of EOFReceived is ignored.
func TestPipeReadEOF(t *testing.T) {
	for _, keepOpen := range []bool{false, true} {
		bothPaths(t, func(t *testing.T, ctx context.Context) error {
			r, w := pipeEnds(t)
			p := newPipeProtocol(ctx)
			p.keepOpen = keepOpen
			tr := pipeRead(t, ctx, r, p)
			p.atEOF = func() {
				if !tr.IsClosing() || tr.IsReading() {
					t.Error("in EOFReceived the transport still reads")
				}
				p.loop.CallSoon(func() { p.log.add("after") })
			}
			p.atLoss = func() { p.loop.CallSoon(func() { p.log.add("end") }) }
			w.WriteString("the rest")
			w.Close()
			p.wantGot(t, ctx, "the rest")
			p.wantLost(t, ctx, nil)
			pipePasses(ctx, 2)
			p.log.want(t, "eof lost after end")
			return nil
		})
	}
}

// A panic of EOFReceived is reported, and ConnectionLost comes all the same.
func TestPipeEOFReceivedPanics(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p := newPipeProtocol(ctx)
		p.atEOF = func() { panic("eof") }
		reports := pipeReports(p.loop)
		pipeRead(t, ctx, r, p)
		w.Close()
		p.wantLost(t, ctx, nil)
		if len(*reports) != 1 || (*reports)[0].Transport != p.transport {
			t.Errorf("reports: %v", *reports)
		}
		return nil
	})
}

// LOOP-269
func TestPipeReadErrorReported(t *testing.T) {
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
		f, err := near.(*net.TCPConn).File()
		if err != nil {
			return err
		}
		near.Close()
		p := newPipeProtocol(ctx)
		reports := pipeReports(p.loop)
		tr := pipeRead(t, ctx, f, p)
		far.(*net.TCPConn).SetLinger(0)
		far.Close()
		p.wantLost(t, ctx, syscall.ECONNRESET)
		p.log.want(t, "lost")
		if len(*reports) != 1 {
			t.Fatalf("reports: %v", *reports)
		}
		if ec := (*reports)[0]; !errors.Is(ec.Err, syscall.ECONNRESET) || ec.Transport != tr.(aio.BaseTransport) || ec.Message != "read error on a pipe" {
			t.Errorf("reported: %+v", ec)
		}
		return nil
	})
}

// A panic of DataReceived is reported, and the pipe goes on.
func TestPipeDataReceivedPanics(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p := newPipeProtocol(ctx)
		p.data = func([]byte) { panic("data") }
		reports := pipeReports(p.loop)
		pipeRead(t, ctx, r, p)
		w.WriteString("a")
		p.wantGot(t, ctx, "a")
		w.WriteString("b")
		p.wantGot(t, ctx, "b")
		w.Close()
		p.wantLost(t, ctx, nil)
		if len(*reports) != 2 || (*reports)[0].Transport != p.transport {
			t.Errorf("reports: %v", *reports)
		}
		return nil
	})
}

// pipeBuffered is a BufferedProtocol.
type pipeBuffered struct {
	buf  []byte
	got  []byte
	lost *aio.Future[error]
}

func (p *pipeBuffered) GetBuffer(int) []byte     { return p.buf }
func (p *pipeBuffered) BufferUpdated(n int)      { p.got = append(p.got, p.buf[:n]...) }
func (p *pipeBuffered) ConnectionLost(err error) { p.lost.SetResult(err) }

func TestPipeBufferedProtocol(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		_, p, err := aio.ConnectReadPipe(ctx, func() *pipeBuffered {
			return &pipeBuffered{buf: make([]byte, 4), lost: aio.CreateFuture[error](ctx)}
		}, r)
		if err != nil {
			return err
		}
		w.WriteString("more than fits")
		w.Close()
		if err, _ := p.lost.Await(ctx); err != nil || string(p.got) != "more than fits" {
			t.Errorf("got %q, lost %v", p.got, err)
		}

		r, w = pipeEnds(t)
		tr, p, err := aio.ConnectReadPipe(ctx, func() *pipeBuffered {
			return &pipeBuffered{lost: aio.CreateFuture[error](ctx)}
		}, r)
		if err != nil {
			return err
		}
		l, _ := aio.GetRunningLoop(ctx)
		reports := pipeReports(l)
		w.WriteString("x")
		if err, _ := p.lost.Await(ctx); !errors.Is(err, aio.ErrUsage) || len(*reports) != 1 {
			t.Errorf("with an empty buffer: lost %v, reports %v", err, *reports)
		}
		if !tr.IsClosing() {
			t.Error("the transport is open")
		}
		return nil
	})
}

func TestPipeSetProtocol(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p, q := newPipeProtocol(ctx), newPipeProtocol(ctx)
		rt, wt := pipeRead(t, ctx, r, p), pipeWrite(t, ctx, w, q)
		if err := panics(func() { rt.SetProtocol(&ioEcho{}) }); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("reading: %v", err)
		}
		if err := panics(func() { wt.SetProtocol(&ioEcho{}) }); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("writing: %v", err)
		}
		p2, q2 := newPipeProtocol(ctx), newPipeProtocol(ctx)
		rt.SetProtocol(p2)
		wt.SetProtocol(q2)
		wt.Write([]byte("x"))
		p2.wantGot(t, ctx, "x")
		wt.Close()
		q2.wantLost(t, ctx, nil)
		p2.wantLost(t, ctx, nil)
		if p.lost.Done() || q.lost.Done() || wt.GetProtocol() != aio.Protocol(q2) {
			t.Error("the old protocols were called")
		}
		return nil
	})
}

// LOOP-270
func TestPipePauseReading(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p := newPipeProtocol(ctx)
		tr := pipeRead(t, ctx, r, p)
		tr.ResumeReading()
		if !tr.IsReading() {
			t.Error("it does not read")
		}
		w.WriteString("a")
		p.wantGot(t, ctx, "a")
		tr.PauseReading()
		tr.PauseReading()
		if tr.IsReading() {
			t.Error("it reads while paused")
		}
		w.WriteString("b")
		pipePasses(ctx, 10)
		p.wantGot(t, ctx, "")
		tr.ResumeReading()
		tr.ResumeReading()
		p.wantGot(t, ctx, "b")

		// Pausing takes the turn away that a transport has in this pass; nothing is lost by it.
		w.WriteString("c")
		tr.PauseReading()
		tr.ResumeReading()
		p.wantGot(t, ctx, "c")

		tr.PauseReading()
		tr.Close()
		tr.ResumeReading()
		tr.PauseReading()
		if tr.IsReading() {
			t.Error("it reads after Close")
		}
		p.wantLost(t, ctx, nil)
		p.log.want(t, "lost")
		return nil
	})
}

// LOOP-271
func TestPipeReadClose(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p := newPipeProtocol(ctx)
		tr := pipeRead(t, ctx, r, p)
		w.WriteString("never read")
		tr.Close()
		p.log.want(t, "") // it comes from the loop
		if !tr.IsClosing() {
			t.Error("it is not closing")
		}
		tr.Close()
		p.wantLost(t, ctx, nil)
		tr.Close()
		pipePasses(ctx, 3)
		p.log.want(t, "lost")
		p.wantGot(t, ctx, "")
		return nil
	})
}

// LOOP-272
func TestPipeWriteBuffers(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p := newPipeProtocol(ctx)
		tr := pipeWrite(t, ctx, w, p)
		if n, err := tr.Write([]byte("at once")); n != 7 || err != nil || tr.GetWriteBufferSize() != 0 {
			t.Errorf("Write: %d, %v; %d buffered", n, err, tr.GetWriteBufferSize())
		}
		if n, err := tr.Write(nil); n != 0 || err != nil {
			t.Errorf("an empty Write: %d, %v", n, err)
		}
		if err := tr.Writelines([][]byte{[]byte(" and "), nil, []byte("lines")}); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 100)
		for n := 0; n < len("at once and lines"); {
			m, err := r.Read(buf[n:])
			if err != nil {
				return err
			}
			n += m
		}
		if got := string(bytes.TrimRight(buf, "\x00")); got != "at once and lines" {
			t.Errorf("read %q", got)
		}

		sent := pipeFill(t, tr)
		p.log.want(t, "pause")
		held := tr.GetWriteBufferSize()
		if m, err := r.Read(buf); m != len(buf) || err != nil { // makes room
			t.Fatalf("read %d, %v", m, err)
		}
		tr.Write([]byte("the end"))
		if got := tr.GetWriteBufferSize(); got != held+7 {
			t.Errorf("%d bytes are buffered, want %d", got, held+7)
		}
		tr.Write(nil)
		rest := aio.CreateTask(ctx, aio.Coro[[]byte](func(ctx context.Context) ([]byte, error) {
			return aio.ToThread(ctx, func(context.Context) ([]byte, error) { return io.ReadAll(r) })
		}))
		tr.Close()
		p.wantLost(t, ctx, nil)
		got, err := rest.Await(ctx)
		if want := append(sent[100:], "the end"...); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes arrived, %v; want %d", len(got), err, len(want))
		}
		p.log.want(t, "resume lost")
		return nil
	})
}

func TestPipeWriteBufferLimits(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		_, w := pipeEnds(t)
		p := newPipeProtocol(ctx)
		tr := pipeWrite(t, ctx, w, p)
		if low, high := tr.GetWriteBufferLimits(); low != 16<<10 || high != 64<<10 {
			t.Errorf("the limits are %d, %d", low, high)
		}
		if err := panics(func() { tr.SetWriteBufferLimits(1, 2) }); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("low above high: %v", err)
		}
		tr.SetWriteBufferLimits(16<<20, aio.DefaultLimit)
		pipeFill(t, tr)
		p.log.want(t, "")
		tr.SetWriteBufferLimits(aio.DefaultLimit, 0)
		p.log.want(t, "pause")
		tr.Abort()
		p.wantLost(t, ctx, nil)
		return nil
	})
}

// LOOP-273. The goroutines learn of it only when they write.
func TestPipeWriteErrorAtOnce(t *testing.T) {
	pipeOnPoller(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p := newPipeProtocol(ctx)
		tr := pipeWrite(t, ctx, w, p)
		r.Close()
		if n, err := tr.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write: %d, %v", n, err)
		}
		if !tr.IsClosing() || tr.GetWriteBufferSize() != 0 {
			t.Errorf("closing %v, %d buffered", tr.IsClosing(), tr.GetWriteBufferSize())
		}
		var logged strings.Builder
		defer slog.SetDefault(slog.Default())
		slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
		for n := range 6 {
			if _, err := tr.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write to a broken pipe: %v", err)
			}
			if got, want := strings.Count(logged.String(), "WARN"), max(0, n-3); got != want {
				t.Errorf("after %d writes there are %d warnings, want %d", n+1, got, want)
			}
		}
		p.wantLost(t, ctx, syscall.EPIPE)
		p.log.want(t, "lost")
		return nil
	})
}

// LOOP-275, LOOP-273
func TestPipeReaderGone(t *testing.T) {
	pipeOnPoller(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p := newPipeProtocol(ctx)
		tr := pipeWrite(t, ctx, w, p)
		r.Close()
		p.wantLost(t, ctx, nil)
		if !tr.IsClosing() {
			t.Error("it is not closing")
		}
		if n, err := tr.Write([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write: %d, %v", n, err)
		}
		tr.Abort()
		tr.WriteEOF()
		pipePasses(ctx, 3)
		p.log.want(t, "lost")
		return nil
	})
}

// Where the goroutines serve a pipe, writing tells that the reader is gone.
func TestPipeReaderGoneNoticedByWriting(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p := newPipeProtocol(ctx)
		tr := pipeWrite(t, ctx, w, p)
		pipeFill(t, tr)
		r.Close()
		p.wantLost(t, ctx, syscall.EPIPE)
		return nil
	})
}

// LOOP-276
func TestPipeReaderGoneWithDataPending(t *testing.T) {
	pipeOnPoller(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p := newPipeProtocol(ctx)
		tr := pipeWrite(t, ctx, w, p)
		pipeFill(t, tr)
		tr.Close() // waits for the rest, which nobody will read
		r.Close()
		p.wantLost(t, ctx, syscall.EPIPE)
		if tr.GetWriteBufferSize() != 0 {
			t.Error("the buffer is not empty")
		}
		pipePasses(ctx, 3)
		p.log.want(t, "pause lost")
		return nil
	})
}

// LOOP-277, LOOP-278, LOOP-279
func TestPipeWriteEOF(t *testing.T) {
	for name, closeIt := range map[string]func(aio.WriteTransport){
		"WriteEOF": func(tr aio.WriteTransport) { tr.WriteEOF() },
		"Close":    func(tr aio.WriteTransport) { tr.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				r, w := pipeEnds(t)
				p := newPipeProtocol(ctx)
				tr := pipeWrite(t, ctx, w, p)
				if !tr.CanWriteEOF() {
					t.Error("CanWriteEOF is false")
				}
				closeIt(tr)
				if !tr.IsClosing() {
					t.Error("it is not closing")
				}
				p.log.want(t, "")
				closeIt(tr)
				if _, err := tr.Write([]byte("late")); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Write: %v", err)
				}
				p.wantLost(t, ctx, nil)
				if b, err := io.ReadAll(r); len(b) != 0 || err != nil {
					t.Errorf("read %q, %v", b, err)
				}

				r, w = pipeEnds(t)
				p = newPipeProtocol(ctx)
				tr = pipeWrite(t, ctx, w, p)
				sent := pipeFill(t, tr)
				closeIt(tr)
				if _, err := tr.Write([]byte("late")); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Write with data pending: %v", err)
				}
				closeIt(tr)
				pipePasses(ctx, 3)
				p.log.want(t, "pause")
				got, err := aio.ToThread(ctx, func(context.Context) ([]byte, error) { return io.ReadAll(r) })
				if err != nil || !bytes.Equal(got, sent) {
					t.Errorf("%d of %d bytes arrived, %v", len(got), len(sent), err)
				}
				p.wantLost(t, ctx, nil)
				p.log.want(t, "resume lost")
				return nil
			})
		})
	}
}

// LOOP-280
func TestPipeAbort(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		p := newPipeProtocol(ctx)
		tr := pipeWrite(t, ctx, w, p)
		sent := pipeFill(t, tr)
		held := tr.GetWriteBufferSize()
		tr.Abort()
		tr.Abort()
		if !tr.IsClosing() || tr.GetWriteBufferSize() != 0 {
			t.Errorf("closing %v, %d buffered", tr.IsClosing(), tr.GetWriteBufferSize())
		}
		p.wantLost(t, ctx, nil)
		p.log.want(t, "pause lost")
		got, err := aio.ToThread(ctx, func(context.Context) ([]byte, error) { return io.ReadAll(r) })
		if want := len(sent) - held; err != nil || len(got) != want {
			t.Errorf("%d bytes arrived, %v; want %d", len(got), err, want)
		}
		return nil
	})
}

// A loop that is closed closes its pipes.
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
		for err == nil { // the goroutines close a little later
			_, err = w.WriteString("x")
		}
		if !errors.Is(err, syscall.EPIPE) {
			t.Error(err)
		}
		r, w = pipeEnds(t)
		r2, w2 = pipeEnds(t)
	}
}

// Who writes a lot does not need new memory each time that the pipe is full.
func TestPipeWriteBufferIsReused(t *testing.T) {
	pipeOnPoller(t, func(t *testing.T, ctx context.Context) error {
		r, w := pipeEnds(t)
		tr := pipeWrite(t, ctx, w, newPipeProtocol(ctx))
		out, in := make([]byte, 128<<10), make([]byte, 128<<10)
		round := func() error {
			tr.Write(out)
			if n := tr.GetWriteBufferSize(); n < 32<<10 {
				t.Fatalf("%d bytes are buffered", n)
			}
			for left := in; len(left) > 0; {
				n, err := r.Read(left)
				if err != nil {
					return err
				}
				left = left[n:]
				pipePasses(ctx, 3) // the pipe is filled again
			}
			return nil
		}
		if err := round(); err != nil {
			return err
		}
		const rounds = 50
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			if err := round(); err != nil {
				return err
			}
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 8<<10 {
			t.Errorf("each round allocates %d bytes", each)
		}
		return nil
	})
}
