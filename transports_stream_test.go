package aio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/goaio/aio"
)

// LOOP-103, LOOP-140, PROTO-003
func TestStreamTransportEcho(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		srv, err := aio.CreateServer(ctx, func() *ioEcho { return &ioEcho{} }, "localhost:0", nil)
		if err != nil {
			return err
		}
		tr, p, err := aio.CreateConnection(ctx, func() *ioClient {
			return &ioClient{lost: aio.CreateFuture[error](ctx)}
		}, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		p.log.want(t, "made")
		if got, want := tr.GetExtraInfo("peername").(net.Addr).String(), srv.Addr().String(); got != want {
			t.Errorf("the peer is %s, want %s", got, want)
		}
		if _, err := tr.Write([]byte("hello")); err != nil {
			t.Error(err)
		}
		if err := p.more.Wait(ctx); err != nil {
			return err
		}
		if string(p.got) != "hello" {
			t.Errorf("got %q", p.got)
		}
		tr.Close()
		p.log.want(t, "")
		lost, err := p.lost.Await(ctx)
		if err != nil || lost != nil {
			t.Errorf("ConnectionLost(%v), %v", lost, err)
		}
		p.log.want(t, "lost")
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}

// LOOP-214: the loop calls ConnectionMade, and reading starts after that.
func TestStreamOpening(t *testing.T) {
	l, _ := newLoop(t)
	log := new(eventLog)
	s := &scriptedStream{Note: log.add, In: []any{[]byte("early")}}
	p := &ioLogger{log: log, on: map[string]func(){}}
	p.on["made"] = func() { l.CallSoon(func() { log.add("soon") }) }
	if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		l.CallSoon(func() { log.add("before"); s.Readable() })
		if _, err := openScripted(l, s, p); err != nil {
			return err
		}
		l.CallSoon(func() { log.add("after") })
		log.add("constructed")
		log.want(t, "constructed")
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		log.want(t, "before made after")
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		log.want(t, "soon")
		p.t.Abort() // closes before the next poll would start a read
		return nil
	})); err != nil {
		t.Error(err)
	}
}

func TestStreamReading(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(c *ioCase)
	}{
		{"LOOP-218 one read per pass", func(c *ioCase) {
			c.readable(strings.Repeat("x", aio.MaxRead+5), "hello")
			c.l.CallSoon(func() { c.log.add("soon") })
			c.passes(4)
			c.want("| soon | read:262144 data:262144 | read:5 data:xxxxx | read:5 data:hello", "there is one read per pass, and other callbacks run in between")
			c.s.Readable()
			c.passes(2)
			c.want("| | read:blocks", "a read that finds nothing is the last one")
		}},
		{"LOOP-216 LOOP-217 pausing", func(c *ioCase) {
			reading := func(want bool) {
				c.Helper()
				if got := c.t.IsReading(); got != want {
					c.Errorf("IsReading() = %v", got)
				}
			}
			reading(true)
			c.t.ResumeReading()
			c.t.PauseReading()
			c.t.PauseReading()
			reading(false)
			c.readable("one")
			c.passes(3)
			c.want("| | |", "a paused transport does not read")
			c.t.ResumeReading()
			c.t.ResumeReading()
			reading(true)
			c.passes(2)
			c.want("| | read:3 data:one", "data that arrived during the pause is read once")
			c.t.Close()
			reading(false)
			c.readable("two")
			c.t.ResumeReading()
			c.t.PauseReading()
			c.t.ResumeReading()
			reading(false)
			c.passes(2)
			c.want("| lost close |", "a closed transport does not read, whatever is called")
		}},
		{"LOOP-216 paused when the read is due", func(c *ioCase) {
			c.l.CallSoon(func() { c.t.PauseReading(); c.log.add("paused") })
			c.readable("one")
			c.passes(2)
			c.want("| paused |", "the read that was due is dropped")
			c.t.ResumeReading()
			c.t.PauseReading()
			c.t.ResumeReading()
			c.passes(2)
			c.want("| | read:3 data:one", "several calls cause one read")
		}},
		{"paused and resumed when the read is due", func(c *ioCase) {
			// The pause comes when a read is due.
			c.readable("one")
			c.l.CallSoon(func() {
				c.t.PauseReading()
				c.t.ResumeReading()
				c.log.add("resumed")
			})
			c.passes(4)
			c.want("| resumed | | read:3 data:one |", "a read is due again, in a later pass")
		}},
		{"LOOP-215 paused in DataReceived", func(c *ioCase) {
			c.p.on["data:one"] = func() { c.t.PauseReading() }
			c.readable("one", "two")
			c.passes(4)
			c.want("| | read:3 data:one | |", "the next read does not come")
			c.t.ResumeReading()
			c.passes(3)
			c.want("| | read:3 data:two |", "it comes when reading resumes")
		}},
		{"paused and resumed in DataReceived", func(c *ioCase) {
			c.p.on["data:one"] = func() {
				for range 3 {
					c.t.PauseReading()
					c.t.ResumeReading()
				}
			}
			c.readable("one", "two", "three")
			c.passes(5)
			c.want("| | read:3 data:one | read:3 data:two | read:5 data:three |", "reading continues as if it had not been paused")
		}},
		{"LOOP-219 LOOP-258 an error of the network", func(c *ioCase) {
			c.readable("one", errIO)
			c.passes(4)
			c.want("| | read:3 data:one | read:*errors.errorString | lost:errIO abort", "a read error ends the connection in the next pass")
		}},
		{"LOOP-221 PROTO-002 EOF", func(c *ioCase) {
			c.readable("one", io.EOF)
			c.passes(4)
			c.want("| | read:3 data:one | read:EOF eof | lost close", "EOFReceived returns false, so ConnectionLost follows")
		}},
		{"LOOP-222 PROTO-002 EOF with an open writing side", func(c *ioCase) {
			c.p.keepOpen = true
			c.readable(io.EOF)
			c.passes(2)
			c.want("| | read:EOF eof", "EOFReceived returns true, so the connection stays")
			c.s.HungUp() // EOF is not reported twice
			c.t.PauseReading()
			c.t.ResumeReading()
			c.passes(2)
			c.want("| |", "EOFReceived is called once")
			c.write("still")
			c.t.Close()
			c.passes(1)
			c.want("write:5/5 | lost close", "the other direction still works")
		}},
		{"EOF while paused", func(c *ioCase) {
			c.t.PauseReading()
			c.s.In = []any{[]byte("rest"), io.EOF}
			c.s.HungUp()
			c.passes(2)
			c.want("| |", "a hang-up waits while reading is paused")
			c.t.ResumeReading()
			c.passes(4)
			c.want("| | read:4 data:rest | read:EOF eof | lost close", "the rest is delivered first, then EOF")
		}},
		{"a hang-up without EOF", func(c *ioCase) {
			// for example urgent data, or an error that has been fetched
			c.s.HungUp()
			c.passes(2)
			c.want("| | read:blocks", "a hang-up is a reason to read, not EOF")
			c.readable("one")
			c.passes(2)
			c.want("| | read:3 data:one", "reading continues")
		}},
		// there may be more data
		{"a short read after a hang-up", func(c *ioCase) {
			c.s.In = []any{[]byte("ab")}
			c.s.HungUp()
			c.passes(2)
			c.s.In = []any{[]byte("cd")} // without an event of the poller
			c.passes(3)
			c.want("| | read:2 data:ab | read:2 data:cd | read:blocks |", "after a hang-up the transport reads until that would block")
		}},
		{"LOOP-220 PROTO-005 DataReceived panics", func(c *ioCase) {
			c.p.on["data:one"] = func() { panic(errIO) }
			c.readable("one", "two")
			c.passes(3)
			c.want("| | read:3 data:one reported:panic | lost:panic abort", "the panic is reported, and ends the connection")
			if !errors.Is(c.p.err, errIO) {
				c.Errorf("ConnectionLost(%v)", c.p.err)
			}
		}},
		{"LOOP-220 EOFReceived panics", func(c *ioCase) {
			c.p.on["eof"] = func() { panic("no") }
			c.readable(io.EOF)
			c.passes(3)
			c.want("| | read:EOF eof reported:panic | lost:panic abort", "so is a panic of EOFReceived")
		}},
		{"ConnectionLost panics", func(c *ioCase) {
			c.p.on["lost"] = func() { panic("no") }
			c.t.Close()
			c.passes(2)
			c.want("| lost close reported:panic |", "a panic of ConnectionLost is reported, and the stream is closed")
		}},
		{"LOOP-253 closed in DataReceived", func(c *ioCase) {
			c.p.on["data:one"] = func() { c.t.Close(); c.log.add("closed") }
			c.readable("one", "two")
			c.passes(3)
			c.want("| | read:3 data:one closed | lost close", "nothing is read after Close")
		}},
		{"LOOP-256 aborted in DataReceived, then a panic", func(c *ioCase) {
			c.p.on["data:one"] = func() { c.t.Abort(); panic("no") }
			c.readable("one", "two")
			c.passes(3)
			// LOOP-257
			c.want("| | read:3 data:one reported:panic | lost abort", "the first reason counts")
		}},
		{"LOOP-255 closed when the read is due", func(c *ioCase) {
			c.l.CallSoon(func() { c.t.Close(); c.t.Close() })
			c.readable("one")
			c.passes(3)
			c.want("| | lost close |", "the read that was due is dropped")
		}},
		{"another protocol in DataReceived", func(c *ioCase) {
			other := &ioLogger{name: "other-", log: c.log}
			c.p.on["data:one"] = func() { c.t.SetProtocol(other) }
			c.readable("one", "two", io.EOF)
			c.passes(5)
			c.want("| | read:3 data:one | read:3 other-data:two | read:EOF other-eof | other-lost close", "the rest goes to the new protocol")
			if c.t.GetProtocol() != aio.Protocol(other) {
				c.Errorf("GetProtocol() = %v", c.t.GetProtocol())
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) { scripted(t, c.run) })
	}
}

// ioBuffered is a BufferedProtocol that logs its calls.
type ioBuffered struct {
	log  *eventLog
	buf  []byte
	on   map[string]func()
	got  []byte
	name string
}

func (p *ioBuffered) event(name string) {
	p.log.add("%s%s", p.name, name)
	if f := p.on[name]; f != nil {
		f()
	}
}

func (p *ioBuffered) GetBuffer(hint int) []byte {
	p.event("get:" + strconv.Itoa(hint))
	return p.buf
}

func (p *ioBuffered) BufferUpdated(n int) {
	p.got = append(p.got, p.buf[:n]...)
	p.event("updated:" + strconv.Itoa(n))
}

func (p *ioBuffered) EOFReceived() bool { p.event("eof"); return false }

func (p *ioBuffered) ConnectionLost(err error) {
	if err != nil {
		p.event("lost:" + ioErrName(err))
	} else {
		p.event("lost")
	}
}

func TestStreamReadingIntoBuffers(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(c *ioCase, p *ioBuffered)
	}{
		{"LOOP-223 PROTO-004 PROTO-008", func(c *ioCase, p *ioBuffered) {
			c.readable("hello")
			c.passes(2)
			c.want("| | get:-1 read:5 updated:5", "GetBuffer, the read and BufferUpdated are one step")
			c.s.Readable()
			c.passes(2)
			c.want("| | get:-1 read:blocks", "there is no BufferUpdated if nothing was read")
			c.readable(io.EOF)
			c.passes(3)
			c.want("| | get:-1 read:EOF eof | lost close", "nor at EOF")
		}},
		{"PROTO-007 a small buffer", func(c *ioCase, p *ioBuffered) {
			p.buf = make([]byte, 2)
			c.readable("hello")
			c.passes(5)
			c.want("| | get:-1 read:2 updated:2 | get:-1 read:2 updated:2 | get:-1 read:1 updated:1 |", "a small buffer needs several reads, one per pass")
			if string(p.got) != "hello" {
				c.Errorf("got %q", p.got)
			}
		}},
		{"LOOP-224 PROTO-009 an empty buffer", func(c *ioCase, p *ioBuffered) {
			p.buf = nil
			c.readable("hello")
			c.passes(3)
			c.want("| | get:-1 reported:usage | lost:usage abort", "an empty buffer is misuse, and ends the connection")
		}},
		{"LOOP-224 PROTO-005 GetBuffer panics", func(c *ioCase, p *ioBuffered) {
			p.on["get:-1"] = func() { panic("no") }
			c.readable("hello")
			c.passes(3)
			c.want("| | get:-1 reported:panic | lost:panic abort", "the panic is reported, and ends the connection")
		}},
		{"LOOP-225 PROTO-005 BufferUpdated panics", func(c *ioCase, p *ioBuffered) {
			p.on["updated:5"] = func() { panic("no") }
			c.readable("hello")
			c.passes(3)
			c.want("| | get:-1 read:5 updated:5 reported:panic | lost:panic abort", "so is a panic of BufferUpdated")
		}},
		{"LOOP-225 an error of the network", func(c *ioCase, p *ioBuffered) {
			c.readable(errIO)
			c.passes(3)
			c.want("| | get:-1 read:*errors.errorString | lost:errIO abort", "a read error ends the connection")
		}},
		{"LOOP-226 another kind of protocol", func(c *ioCase, p *ioBuffered) {
			p.on["updated:3"] = func() { c.t.SetProtocol(c.p) }
			c.p.on["data:two"] = func() { c.t.SetProtocol(p) }
			c.readable("one", "two", "three")
			c.passes(4)
			c.want("| | get:-1 read:3 updated:3 | read:3 data:two | get:-1 read:5 updated:5", "each read is passed to the current protocol")
		}},
		{"another protocol in GetBuffer", func(c *ioCase, p *ioBuffered) {
			// used from the next read on
			p.on["get:-1"] = func() { c.t.SetProtocol(c.p) }
			c.readable("one", "two")
			c.passes(3)
			c.want("| | get:-1 read:3 updated:3 | read:3 data:two", "a new protocol is used from the next read on")
		}},
		{"closed in GetBuffer", func(c *ioCase, p *ioBuffered) {
			p.on["get:-1"] = func() { c.t.Close() }
			c.readable("hello")
			c.passes(3)
			c.want("| | get:-1 | lost close", "after Close nothing is read into the buffer")
		}},
		{"paused in GetBuffer", func(c *ioCase, p *ioBuffered) {
			p.on["get:-1"] = func() { c.t.PauseReading() }
			c.readable("hello")
			c.passes(2)
			c.want("| | get:-1", "while paused nothing is read into the buffer")
			clear(p.on)
			c.t.ResumeReading()
			c.passes(3)
			c.want("| | get:-1 read:5 updated:5 |", "everything is read when reading resumes")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			scripted(t, func(s *ioCase) {
				p := &ioBuffered{log: s.log, buf: make([]byte, 10), on: map[string]func(){}}
				s.t.SetProtocol(p)
				c.run(s, p)
			})
		})
	}
}

// With SetLinger(0) the peer gets a reset in place of EOF.
func TestTransportSocketSetLinger(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			if _, err := r.ReadLine(ctx); err != nil {
				return err
			}
			if err := w.GetExtraInfo("socket").(*aio.TransportSocket).SetLinger(0); err != nil {
				return err
			}
			w.Transport().Abort()
			return nil
		}, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		defer s.Close()
		r, w, err := aio.OpenConnection(ctx, s.Addr().String(), nil)
		if err != nil {
			return err
		}
		defer w.Close()
		_, _ = w.Write([]byte("x\n"))
		if _, err := r.Read(ctx, -1); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client gets %v", err)
		}
		return nil
	})
}
