package aio_test

import (
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
		bothPaths(t, pipes(func(c *pipeCase) error {
			r, w := c.pipe()
			p := c.protocol()
			p.keepOpen = keepOpen
			tr := c.read(r, p)
			p.atEOF = func() {
				if !tr.IsClosing() || tr.IsReading() {
					c.Error("the transport still reads in EOFReceived")
				}
				p.loop.CallSoon(func() { p.log.add("after") })
			}
			p.atLoss = func() { p.loop.CallSoon(func() { p.log.add("end") }) }
			w.WriteString("the rest")
			w.Close()
			p.wantGot("the rest")
			p.wantLost(nil)
			c.letPass(2)
			p.want("eof lost after end")
			return nil
		}))
	}
}

// A panic of EOFReceived is reported, and ConnectionLost is still called.
func TestPipeEOFReceivedPanics(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		p := c.protocol()
		p.atEOF = func() { panic("eof") }
		reports := c.reports()
		c.read(r, p)
		w.Close()
		p.wantLost(nil)
		if len(*reports) != 1 || (*reports)[0].Transport != p.transport {
			c.Errorf("reports: %v", *reports)
		}
		return nil
	}))
}

// LOOP-269
func TestPipeReadErrorReported(t *testing.T) {
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
		f, err := near.(*net.TCPConn).File()
		if err != nil {
			return err
		}
		near.Close()
		p := c.protocol()
		reports := c.reports()
		tr := c.read(f, p)
		far.(*net.TCPConn).SetLinger(0)
		far.Close()
		p.wantLost(syscall.ECONNRESET)
		p.want("lost")
		if len(*reports) != 1 {
			c.Fatalf("reports: %v", *reports)
		}
		if ec := (*reports)[0]; !errors.Is(ec.Err, syscall.ECONNRESET) || ec.Transport != tr.(aio.BaseTransport) || ec.Message != "read error on a pipe" {
			c.Errorf("reported: %+v", ec)
		}
		return nil
	}))
}

// A panic of DataReceived is reported, and the pipe stays open.
func TestPipeDataReceivedPanics(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		p := c.protocol()
		p.data = func([]byte) { panic("data") }
		reports := c.reports()
		c.read(r, p)
		w.WriteString("a")
		p.wantGot("a")
		w.WriteString("b")
		p.wantGot("b")
		w.Close()
		p.wantLost(nil)
		if len(*reports) != 2 || (*reports)[0].Transport != p.transport {
			c.Errorf("reports: %v", *reports)
		}
		return nil
	}))
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
	bothPaths(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		_, p, err := aio.ConnectReadPipe(c.ctx, func() *pipeBuffered {
			return &pipeBuffered{buf: make([]byte, 4), lost: aio.CreateFuture[error](c.ctx)}
		}, r)
		if err != nil {
			return err
		}
		w.WriteString("more than fits")
		w.Close()
		if err, _ := p.lost.Await(c.ctx); err != nil || string(p.got) != "more than fits" {
			c.Errorf("got %q, lost %v", p.got, err)
		}

		r, w = c.pipe()
		tr, p, err := aio.ConnectReadPipe(c.ctx, func() *pipeBuffered {
			return &pipeBuffered{lost: aio.CreateFuture[error](c.ctx)}
		}, r)
		if err != nil {
			return err
		}
		reports := c.reports()
		w.WriteString("x")
		if err, _ := p.lost.Await(c.ctx); !errors.Is(err, aio.ErrUsage) || len(*reports) != 1 {
			c.Errorf("with an empty buffer: lost %v, reports %v", err, *reports)
		}
		if !tr.IsClosing() {
			c.Error("the transport is still open")
		}
		return nil
	}))
}

func TestPipeSetProtocol(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		p, q := c.protocol(), c.protocol()
		rt, wt := c.read(r, p), c.write(w, q)
		if err := panics(func() { rt.SetProtocol(&ioEcho{}) }); !errors.Is(err, aio.ErrUsage) {
			c.Errorf("reading: %v", err)
		}
		if err := panics(func() { wt.SetProtocol(&ioEcho{}) }); !errors.Is(err, aio.ErrUsage) {
			c.Errorf("writing: %v", err)
		}
		p2, q2 := c.protocol(), c.protocol()
		rt.SetProtocol(p2)
		wt.SetProtocol(q2)
		wt.Write([]byte("x"))
		p2.wantGot("x")
		wt.Close()
		q2.wantLost(nil)
		p2.wantLost(nil)
		if p.lost.Done() || q.lost.Done() || wt.GetProtocol() != aio.Protocol(q2) {
			c.Error("the old protocols were called")
		}
		return nil
	}))
}

// LOOP-270
func TestPipePauseReading(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		p := c.protocol()
		tr := c.read(r, p)
		tr.ResumeReading()
		if !tr.IsReading() {
			c.Error("it does not read")
		}
		w.WriteString("a")
		p.wantGot("a")
		tr.PauseReading()
		tr.PauseReading()
		if tr.IsReading() {
			c.Error("it reads while paused")
		}
		w.WriteString("b")
		c.letPass(10)
		p.wantGot("")
		tr.ResumeReading()
		tr.ResumeReading()
		p.wantGot("b")

		// Pausing skips the transport's read in this pass; no data is lost.
		w.WriteString("c")
		tr.PauseReading()
		tr.ResumeReading()
		p.wantGot("c")

		tr.PauseReading()
		tr.Close()
		tr.ResumeReading()
		tr.PauseReading()
		if tr.IsReading() {
			c.Error("it reads after Close")
		}
		p.wantLost(nil)
		p.want("lost")
		return nil
	}))
}

// LOOP-271
func TestPipeReadClose(t *testing.T) {
	bothPaths(t, pipes(func(c *pipeCase) error {
		r, w := c.pipe()
		p := c.protocol()
		tr := c.read(r, p)
		w.WriteString("never read")
		tr.Close()
		p.want("") // the loop calls ConnectionLost later
		if !tr.IsClosing() {
			c.Error("it is not closing")
		}
		tr.Close()
		p.wantLost(nil)
		tr.Close()
		c.letPass(3)
		p.want("lost")
		p.wantGot("")
		return nil
	}))
}
