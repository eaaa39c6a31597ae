package aio_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/goaio/aio"
)

// LOOP-268: EOFReceived and ConnectionLost are called in the same pass, and the result
// of EOFReceived is ignored.
func TestPipeReadEOF(t *testing.T) {
	for _, keepOpen := range []bool{false, true} {
		bothPaths(t, func(t *testing.T, ctx context.Context) error {
			r, w := pipeEnds(t)
			p := newPipeProtocol(ctx)
			p.keepOpen = keepOpen
			tr := pipeRead(t, ctx, r, p)
			p.atEOF = func() {
				if !tr.IsClosing() || tr.IsReading() {
					t.Error("the transport still reads in EOFReceived")
				}
				p.loop.CallSoon(func() { p.log.add("after") })
			}
			p.atLoss = func() { p.loop.CallSoon(func() { p.log.add("end") }) }
			w.WriteString("the rest")
			w.Close()
			p.wantGot(t, ctx, "the rest")
			p.wantLost(t, ctx, nil)
			letPass(ctx, 2)
			p.log.want(t, "eof lost after end")
			return nil
		})
	}
}

// A panic of EOFReceived is reported, and ConnectionLost is still called.
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

// A panic of DataReceived is reported, and the pipe stays open.
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

func (p *pipeBuffered) GetBuffer(int) []byte { return p.buf }

func (p *pipeBuffered) BufferUpdated(n int) { p.got = append(p.got, p.buf[:n]...) }

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
			t.Error("the transport is still open")
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
		letPass(ctx, 10)
		p.wantGot(t, ctx, "")
		tr.ResumeReading()
		tr.ResumeReading()
		p.wantGot(t, ctx, "b")

		// Pausing skips the transport's read in this pass; no data is lost.
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
		p.log.want(t, "") // the loop calls ConnectionLost later
		if !tr.IsClosing() {
			t.Error("it is not closing")
		}
		tr.Close()
		p.wantLost(t, ctx, nil)
		tr.Close()
		letPass(ctx, 3)
		p.log.want(t, "lost")
		p.wantGot(t, ctx, "")
		return nil
	})
}
