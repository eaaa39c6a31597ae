package aio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/goaio/aio"
)

// ioEcho is a protocol that sends back what it gets.
type ioEcho struct{ t aio.Transport }

func (p *ioEcho) ConnectionMade(t aio.Transport) { p.t = t }
func (p *ioEcho) DataReceived(b []byte)          { p.t.Write(b) }

// ioClient is a protocol that collects what it gets.
type ioClient struct {
	log  eventLog
	got  []byte
	lost *aio.Future[error]
	more aio.Event
}

func (p *ioClient) ConnectionMade(aio.Transport) { p.log.add("made") }
func (p *ioClient) DataReceived(b []byte)        { p.got = append(p.got, b...); p.more.Set() }
func (p *ioClient) ConnectionLost(err error)     { p.log.add("lost"); p.lost.SetResult(err) }

// bothPaths runs main over the system's poller, where there is one, and over goroutines.
func bothPaths(t *testing.T, main func(t *testing.T, ctx context.Context) error) {
	t.Helper()
	for name, goroutines := range map[string]bool{"poller": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) {
			r := aio.Runner{}
			l, err := r.GetLoop()
			if err != nil {
				t.Fatal(err)
			}
			aio.ForceGoroutines(l, goroutines)
			l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
				t.Errorf("reported: %s: %v", ec.Message, ec.Err)
			})
			defer func() { // also if main calls t.FailNow
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}()
			if err := r.Run(func(ctx context.Context) error { return main(t, ctx) }); err != nil {
				t.Error(err)
			}
		})
	}
}

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

// ioLogger is a protocol that writes down what it is told. on has what it does besides, by event.
type ioLogger struct {
	name     string // before each event
	log      *eventLog
	on       map[string]func()
	each     func(event string) // is told of each event, if it is not nil
	keepOpen bool               // what EOFReceived returns
	t        aio.Transport
	got      []byte
	err      error
	lost     aio.Event
}

func (p *ioLogger) event(name string) {
	p.log.add("%s%s", p.name, name)
	if p.each != nil {
		p.each(p.name + name)
	}
	if f := p.on[name]; f != nil {
		f()
	}
}

func (p *ioLogger) ConnectionMade(t aio.Transport) { p.t = t; p.event("made") }

func (p *ioLogger) DataReceived(b []byte) {
	p.got = append(p.got, b...)
	if len(b) < 10 {
		p.event("data:" + strings.ReplaceAll(string(b), " ", "_"))
	} else {
		p.event("data:" + strconv.Itoa(len(b)))
	}
}

func (p *ioLogger) EOFReceived() bool { p.event("eof"); return p.keepOpen }

func (p *ioLogger) ConnectionLost(err error) {
	p.err = err
	p.lost.Set()
	switch {
	case err == nil:
		p.event("lost")
	default:
		p.event("lost:" + ioErrName(err))
	}
}

func (p *ioLogger) PauseWriting()  { p.event("pause") }
func (p *ioLogger) ResumeWriting() { p.event("resume") }

// ioErrName is a word for an error.
func ioErrName(err error) string {
	var p *aio.PanicError
	switch {
	case errors.As(err, &p):
		return "panic"
	case errors.Is(err, aio.ErrUsage):
		return "usage"
	case errors.Is(err, errIO):
		return "errIO"
	}
	return strings.ReplaceAll(err.Error(), " ", "_")
}

// errIO is an error of the network.
var errIO = errors.New("the cable was cut")

// ioCase is a transport over a stream that a test has written the script of. What the stream is asked
// for, what the protocol is told, and what is reported, is in one log. The methods are for the task
// of the test.
type ioCase struct {
	*testing.T
	ctx context.Context
	l   *aio.Loop
	s   *aio.ScriptedStream
	p   *ioLogger
	t   aio.Transport
	log *eventLog
}

// scripted runs main in a task that has such a transport, whose ConnectionMade was called.
func scripted(t *testing.T, main func(c *ioCase)) {
	t.Helper()
	l, _ := newLoop(t)
	log := new(eventLog)
	ioReportTo(l, log)
	s := &aio.ScriptedStream{Note: log.add}
	p := &ioLogger{log: log, on: map[string]func(){}}
	if _, err := aio.RunUntilComplete(l, coro(func(ctx context.Context) error {
		tr, err := aio.OpenScripted(l, s, p)
		if err != nil {
			return err
		}
		c := &ioCase{t, ctx, l, s, p, tr, log}
		c.passes(1)
		c.want("| made")
		main(c)
		return nil
	})); err != nil {
		t.Error(err)
	}
}

// ioReportTo has the exception handler write to log.
func ioReportTo(l *aio.Loop, log *eventLog) {
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
		log.add("reported:%s", ioErrName(ec.Err))
	})
}

// passes lets n passes go by, each of which is a bar in the log.
func (c *ioCase) passes(n int) {
	c.Helper()
	for range n {
		c.log.add("|")
		if err := aio.Sleep(c.ctx, 0); err != nil {
			c.Fatal(err)
		}
	}
}

// want compares the log.
func (c *ioCase) want(events string) { c.Helper(); c.log.want(c.T, events) }

// buffered compares what is in the write buffer.
func (c *ioCase) buffered(want int) {
	c.Helper()
	if got := c.t.GetWriteBufferSize(); got != want {
		c.Errorf("%d bytes are buffered, want %d", got, want)
	}
}

// write writes and checks that this is taken.
func (c *ioCase) write(s string) {
	c.Helper()
	if n, err := c.t.Write([]byte(s)); n != len(s) || err != nil {
		c.Errorf("Write(%q) = %d, %v", s, n, err)
	}
}

// readable has the transport find this to read: the bytes of a string, or an error.
func (c *ioCase) readable(in ...any) {
	for _, v := range in {
		if s, ok := v.(string); ok {
			v = []byte(s)
		}
		c.s.In = append(c.s.In, v)
	}
	c.s.Readable()
}

// LOOP-214: ConnectionMade comes from the loop, and reading starts after it.
func TestStreamOpening(t *testing.T) {
	l, _ := newLoop(t)
	log := new(eventLog)
	s := &aio.ScriptedStream{Note: log.add, In: []any{[]byte("early")}}
	p := &ioLogger{log: log, on: map[string]func(){}}
	p.on["made"] = func() { l.CallSoon(func() { log.add("soon") }) }
	if _, err := aio.RunUntilComplete(l, coro(func(ctx context.Context) error {
		l.CallSoon(func() { log.add("before"); s.Readable() })
		if _, err := aio.OpenScripted(l, s, p); err != nil {
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
		p.t.Abort() // before the poller's next look would have it read
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
		{"LOOP-218 a read for each pass", func(c *ioCase) {
			c.readable(strings.Repeat("x", aio.MaxRead+5), "hello")
			c.l.CallSoon(func() { c.log.add("soon") })
			c.passes(4)
			c.want("| soon | read:262144 data:262144 | read:5 data:xxxxx | read:5 data:hello")
			c.s.Readable()
			c.passes(2)
			c.want("| | read:blocks")
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
			c.want("| | |")
			c.t.ResumeReading()
			c.t.ResumeReading()
			reading(true)
			c.passes(2)
			c.want("| | read:3 data:one")
			c.t.Close()
			reading(false)
			c.readable("two")
			c.t.ResumeReading()
			c.t.PauseReading()
			c.t.ResumeReading()
			reading(false)
			c.passes(2)
			c.want("| lost close |")
		}},
		{"LOOP-216 paused when the read is due", func(c *ioCase) {
			c.l.CallSoon(func() { c.t.PauseReading(); c.log.add("paused") })
			c.readable("one")
			c.passes(2)
			c.want("| paused |")
			c.t.ResumeReading()
			c.t.PauseReading()
			c.t.ResumeReading()
			c.passes(2)
			c.want("| | read:3 data:one")
		}},
		{"paused and resumed when the read is due", func(c *ioCase) { // then it is due again
			c.readable("one")
			c.l.CallSoon(func() {
				c.t.PauseReading()
				c.t.ResumeReading()
				c.log.add("resumed")
			})
			c.passes(4)
			c.want("| resumed | | read:3 data:one |")
		}},
		{"LOOP-215 paused in DataReceived", func(c *ioCase) {
			c.p.on["data:one"] = func() { c.t.PauseReading() }
			c.readable("one", "two")
			c.passes(4)
			c.want("| | read:3 data:one | |")
			c.t.ResumeReading()
			c.passes(3)
			c.want("| | read:3 data:two |")
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
			c.want("| | read:3 data:one | read:3 data:two | read:5 data:three |")
		}},
		{"LOOP-219 LOOP-258 an error of the network", func(c *ioCase) {
			c.readable("one", errIO)
			c.passes(4)
			c.want("| | read:3 data:one | read:*errors.errorString | lost:errIO abort")
		}},
		{"LOOP-221 PROTO-002 the end", func(c *ioCase) {
			c.readable("one", io.EOF)
			c.passes(4)
			c.want("| | read:3 data:one | read:EOF eof | lost close")
		}},
		{"LOOP-222 PROTO-002 the end of one direction", func(c *ioCase) {
			c.p.keepOpen = true
			c.readable(io.EOF)
			c.passes(2)
			c.want("| | read:EOF eof")
			c.s.HungUp() // no second time
			c.t.PauseReading()
			c.t.ResumeReading()
			c.passes(2)
			c.want("| |")
			c.write("still")
			c.t.Close()
			c.passes(1)
			c.want("write:5/5 | lost close")
		}},
		{"the end while paused", func(c *ioCase) {
			c.t.PauseReading()
			c.s.In = []any{[]byte("rest"), io.EOF}
			c.s.HungUp()
			c.passes(2)
			c.want("| |")
			c.t.ResumeReading()
			c.passes(4)
			c.want("| | read:4 data:rest | read:EOF eof | lost close")
		}},
		{"a hang-up that is none", func(c *ioCase) { // as urgent data, or an error that was fetched
			c.s.HungUp()
			c.passes(2)
			c.want("| | read:blocks")
			c.readable("one")
			c.passes(2)
			c.want("| | read:3 data:one")
		}},
		{"a short read after a hang-up", func(c *ioCase) { // there may be more
			c.s.In = []any{[]byte("ab")}
			c.s.HungUp()
			c.passes(2)
			c.s.In = []any{[]byte("cd")} // without a word
			c.passes(3)
			c.want("| | read:2 data:ab | read:2 data:cd | read:blocks |")
		}},
		{"LOOP-220 PROTO-005 DataReceived panics", func(c *ioCase) {
			c.p.on["data:one"] = func() { panic(errIO) }
			c.readable("one", "two")
			c.passes(3)
			c.want("| | read:3 data:one reported:panic | lost:panic abort")
			if !errors.Is(c.p.err, errIO) {
				c.Errorf("ConnectionLost(%v)", c.p.err)
			}
		}},
		{"LOOP-220 EOFReceived panics", func(c *ioCase) {
			c.p.on["eof"] = func() { panic("no") }
			c.readable(io.EOF)
			c.passes(3)
			c.want("| | read:EOF eof reported:panic | lost:panic abort")
		}},
		{"ConnectionLost panics", func(c *ioCase) {
			c.p.on["lost"] = func() { panic("no") }
			c.t.Close()
			c.passes(2)
			c.want("| lost close reported:panic |")
		}},
		{"LOOP-253 closed in DataReceived", func(c *ioCase) {
			c.p.on["data:one"] = func() { c.t.Close(); c.log.add("closed") }
			c.readable("one", "two")
			c.passes(3)
			c.want("| | read:3 data:one closed | lost close")
		}},
		{"LOOP-256 aborted in DataReceived, then a panic", func(c *ioCase) {
			c.p.on["data:one"] = func() { c.t.Abort(); panic("no") }
			c.readable("one", "two")
			c.passes(3)
			c.want("| | read:3 data:one reported:panic | lost abort") // LOOP-257
		}},
		{"LOOP-255 closed when the read is due", func(c *ioCase) {
			c.l.CallSoon(func() { c.t.Close(); c.t.Close() })
			c.readable("one")
			c.passes(3)
			c.want("| | lost close |")
		}},
		{"another protocol in DataReceived", func(c *ioCase) {
			other := &ioLogger{name: "other-", log: c.log}
			c.p.on["data:one"] = func() { c.t.SetProtocol(other) }
			c.readable("one", "two", io.EOF)
			c.passes(5)
			c.want("| | read:3 data:one | read:3 other-data:two | read:EOF other-eof | other-lost close")
			if c.t.GetProtocol() != aio.Protocol(other) {
				c.Errorf("GetProtocol() = %v", c.t.GetProtocol())
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) { scripted(t, c.run) })
	}
}

// ioBuffered is a BufferedProtocol that writes down what it is told.
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
			c.want("| | get:-1 read:5 updated:5")
			c.s.Readable()
			c.passes(2)
			c.want("| | get:-1 read:blocks")
			c.readable(io.EOF)
			c.passes(3)
			c.want("| | get:-1 read:EOF eof | lost close")
		}},
		{"PROTO-007 a small buffer", func(c *ioCase, p *ioBuffered) {
			p.buf = make([]byte, 2)
			c.readable("hello")
			c.passes(5)
			c.want("| | get:-1 read:2 updated:2 | get:-1 read:2 updated:2 | get:-1 read:1 updated:1 |")
			if string(p.got) != "hello" {
				c.Errorf("got %q", p.got)
			}
		}},
		{"LOOP-224 PROTO-009 an empty buffer", func(c *ioCase, p *ioBuffered) {
			p.buf = nil
			c.readable("hello")
			c.passes(3)
			c.want("| | get:-1 reported:usage | lost:usage abort")
		}},
		{"LOOP-224 PROTO-005 GetBuffer panics", func(c *ioCase, p *ioBuffered) {
			p.on["get:-1"] = func() { panic("no") }
			c.readable("hello")
			c.passes(3)
			c.want("| | get:-1 reported:panic | lost:panic abort")
		}},
		{"LOOP-225 PROTO-005 BufferUpdated panics", func(c *ioCase, p *ioBuffered) {
			p.on["updated:5"] = func() { panic("no") }
			c.readable("hello")
			c.passes(3)
			c.want("| | get:-1 read:5 updated:5 reported:panic | lost:panic abort")
		}},
		{"LOOP-225 an error of the network", func(c *ioCase, p *ioBuffered) {
			c.readable(errIO)
			c.passes(3)
			c.want("| | get:-1 read:*errors.errorString | lost:errIO abort")
		}},
		{"LOOP-226 another kind of protocol", func(c *ioCase, p *ioBuffered) {
			p.on["updated:3"] = func() { c.t.SetProtocol(c.p) }
			c.p.on["data:two"] = func() { c.t.SetProtocol(p) }
			c.readable("one", "two", "three")
			c.passes(4)
			c.want("| | get:-1 read:3 updated:3 | read:3 data:two | get:-1 read:5 updated:5")
		}},
		{"another protocol in GetBuffer", func(c *ioCase, p *ioBuffered) { // has its turn with the next read
			p.on["get:-1"] = func() { c.t.SetProtocol(c.p) }
			c.readable("one", "two")
			c.passes(3)
			c.want("| | get:-1 read:3 updated:3 | read:3 data:two")
		}},
		{"closed in GetBuffer", func(c *ioCase, p *ioBuffered) {
			p.on["get:-1"] = func() { c.t.Close() }
			c.readable("hello")
			c.passes(3)
			c.want("| | get:-1 | lost close")
		}},
		{"paused in GetBuffer", func(c *ioCase, p *ioBuffered) {
			p.on["get:-1"] = func() { c.t.PauseReading() }
			c.readable("hello")
			c.passes(2)
			c.want("| | get:-1")
			clear(p.on)
			c.t.ResumeReading()
			c.passes(3)
			c.want("| | get:-1 read:5 updated:5 |")
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

// ioLimits sets the marks of the write buffer to 10 and 3 bytes.
func (c *ioCase) limits() { c.t.SetWriteBufferLimits(10, 3) }

// room has the transport told that there is room for these writes, as in ScriptedStream.Out.
func (c *ioCase) room(out ...any) {
	c.s.Out = append(c.s.Out, out...)
	c.s.Writable()
}

// taken compares what the stream has taken.
func (c *ioCase) taken(want string) {
	c.Helper()
	if got := string(c.s.Taken); got != want {
		c.Errorf("the stream has taken %q, want %q", got, want)
	}
}

// lines writes the pieces in one go.
func (c *ioCase) lines(pieces ...string) error {
	var bufs [][]byte
	for _, p := range pieces {
		bufs = append(bufs, []byte(p))
	}
	return c.t.Writelines(bufs)
}

// misused fails unless f panics with ErrUsage.
func (c *ioCase) misused(what string, f func()) {
	c.Helper()
	if err := panics(f); !errors.Is(err, aio.ErrUsage) {
		c.Errorf("%s panics with %v, want ErrUsage", what, err)
	}
}

func TestStreamWriting(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(c *ioCase)
	}{
		{"LOOP-227 all is taken", func(c *ioCase) {
			c.write("hello")
			c.buffered(0)
			c.s.Writable() // nobody waits for that
			c.passes(2)
			c.want("write:5/5 | |")
		}},
		{"LOOP-228 LOOP-232 LOOP-247 a part is taken", func(c *ioCase) {
			c.s.Out = []any{2}
			c.write("hello")
			c.buffered(3)
			c.room(1, 0, aio.ErrWouldBlock)
			c.passes(2)
			c.want("write:2/5 | | write:1/3")
			c.buffered(2)
			c.s.Writable()
			c.passes(2)
			c.want("| | write:0/2")
			c.s.Writable()
			c.passes(2)
			c.want("| | write:blocks")
			c.buffered(2)
			c.s.Writable()
			c.passes(2)
			c.want("| | write:2/2")
			c.buffered(0)
			c.s.Writable()
			c.passes(2)
			c.want("| |")
			c.taken("hello")
		}},
		{"LOOP-228 LOOP-232 only room has it try again", func(c *ioCase) {
			c.s.Writable()
			c.passes(2)
			c.s.Out = []any{2, 1}
			c.write("hello")
			c.readable("one")
			c.passes(2)
			c.want("| | write:2/5 | | read:3 data:one")
			c.s.Writable()
			c.passes(2)
			c.readable("two")
			c.passes(2)
			c.want("| | write:1/3 | | read:3 data:two")
			c.t.Abort()
		}},
		{"LOOP-228 nothing is taken", func(c *ioCase) {
			for _, out := range []any{0, aio.ErrWouldBlock} {
				c.s.Taken, c.s.Out = nil, []any{out}
				c.write("hello")
				c.buffered(5)
				c.s.Writable()
				c.passes(2)
				c.taken("hello")
			}
			c.want("write:0/5 | | write:5/5 write:blocks | | write:5/5")
		}},
		{"LOOP-229 LOOP-233 no attempt while there is something in the buffer", func(c *ioCase) {
			c.s.Out = []any{1}
			c.write("ab")
			c.write("cd")
			if err := c.lines("ef", "g"); err != nil {
				c.Error(err)
			}
			c.want("write:1/2")
			c.buffered(6)
			c.room(4) // in the middle of a piece
			c.passes(2)
			c.want("| | write:4/6")
			c.write("h")
			c.s.Writable()
			c.passes(2)
			c.want("| | write:3/3")
			c.taken("abcdefgh")
		}},
		{"LOOP-230 LOOP-235 writing nothing", func(c *ioCase) {
			c.write("")
			for _, pieces := range [][]string{nil, {""}, {"", ""}} {
				if err := c.lines(pieces...); err != nil {
					c.Error(err)
				}
			}
			c.buffered(0)
			c.want("")
			c.s.Out = []any{1}
			if err := c.lines("ab", ""); err != nil {
				c.Error(err)
			}
			c.write("")
			c.buffered(1)
			c.t.Close()
			c.s.Writable()
			c.passes(2)
			c.want("write:1/2 | | write:1/1 lost close")
		}},
		{"LOOP-231 the caller's memory", func(c *ioCase) {
			c.s.Out = []any{1}
			b := []byte("hello")
			c.t.Write(b)
			if string(b) != "hello" {
				c.Errorf("Write has changed its argument: %q", b)
			}
			copy(b, "HELLO")
			lines := [][]byte{[]byte(" "), []byte("world")}
			c.t.Writelines(lines)
			copy(lines[1], "WORLD")
			c.s.Writable()
			c.passes(2)
			c.taken("hello world")
		}},
		{"LOOP-234 PROTO-012 several pieces", func(c *ioCase) {
			if err := c.lines("ab", "", "cd", "e"); err != nil {
				c.Error(err)
			}
			c.want("write:5/5")
			c.limits()
			c.s.Out = []any{3}
			if err := c.lines("0123456", "789ABCD"); err != nil {
				c.Error(err)
			}
			c.buffered(11)
			c.want("write:3/14 pause")
			c.s.Writable()
			c.passes(2)
			c.want("| | write:11/11 resume")
			c.taken("abcde0123456789ABCD")
		}},
		{"LOOP-236 an error in Write", func(c *ioCase) {
			c.s.Out = []any{errIO}
			if n, err := c.t.Write([]byte("hello")); n != 0 || err != errIO {
				c.Errorf("Write() = %d, %v", n, err)
			}
			c.buffered(0)
			c.passes(2)
			c.want("write:*errors.errorString | lost:errIO abort |")
		}},
		{"LOOP-236 an error in Writelines", func(c *ioCase) {
			c.s.Out = []any{errIO}
			if err := c.lines("a", "b"); err != errIO {
				c.Errorf("Writelines() = %v", err)
			}
			c.buffered(0)
			c.passes(2)
			c.want("write:*errors.errorString | lost:errIO abort |")
		}},
		{"LOOP-236 an error later", func(c *ioCase) {
			c.s.Out = []any{2}
			c.write("hello")
			c.room(errIO)
			c.passes(3)
			c.want("write:2/5 | | write:*errors.errorString | lost:errIO abort")
			c.buffered(0)
		}},
		{"a hang-up is for the writer to find out", func(c *ioCase) {
			c.t.PauseReading()
			c.s.Out = []any{2, errIO}
			c.write("hello")
			c.s.HungUp()
			c.passes(3)
			c.want("write:2/5 | | write:*errors.errorString | lost:errIO abort")
		}},
		{"LOOP-238 after Close", func(c *ioCase) {
			c.s.Out = []any{2}
			c.write("hello")
			c.t.Close()
			c.write(" world")
			c.buffered(9)
			c.s.Writable()
			c.passes(2)
			c.want("write:2/5 | | write:9/9 lost close")
			c.taken("hello world")
		}},
		{"LOOP-237 LOOP-238 after the end", func(c *ioCase) {
			c.t.Close()
			for range 2 { // before and after ConnectionLost
				if n, err := c.t.Write([]byte("hello")); n != 0 || !errors.Is(err, net.ErrClosed) {
					c.Errorf("Write() = %d, %v", n, err)
				}
				if err := c.lines("hello"); !errors.Is(err, net.ErrClosed) {
					c.Errorf("Writelines() = %v", err)
				}
				if n, err := c.t.Write(nil); n != 0 || err != nil {
					c.Errorf("Write(nil) = %d, %v", n, err)
				}
				if err := c.lines(""); err != nil {
					c.Errorf("Writelines of nothing: %v", err)
				}
				c.buffered(0)
				c.t.WriteEOF()
				c.t.Abort()
				c.t.Close()
				c.passes(2)
			}
			c.want("| lost close | | |")
		}},
		{"in ConnectionLost", func(c *ioCase) {
			c.p.on["lost"] = func() {
				if _, err := c.t.Write([]byte("hello")); !errors.Is(err, net.ErrClosed) {
					c.Errorf("Write: %v", err)
				}
				c.t.WriteEOF()
				c.t.PauseReading()
				c.t.ResumeReading()
				c.t.Close()
				c.t.Abort()
			}
			c.s.Out = []any{0}
			c.write("x")
			c.t.Close()
			c.s.Writable()
			c.passes(3)
			c.want("write:0/1 | | write:1/1 lost close |")
		}},
	} {
		t.Run(c.name, func(t *testing.T) { scripted(t, c.run) })
	}
}

func TestStreamFlowControl(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(c *ioCase)
	}{
		{"LOOP-240 PROTO-018", func(c *ioCase) {
			c.limits()
			c.s.Out = []any{0}
			c.write("0123456789")
			c.want("write:0/10") // not above the mark
			c.write("x")
			c.write("y")
			c.want("pause")
			c.room(8)
			c.passes(2)
			c.want("| | write:8/12") // not at the low mark
			c.room(1)
			c.passes(2)
			c.want("| | write:1/4 resume")
			c.room(1)
			c.passes(2)
			c.want("| | write:1/3")
			c.write("0123456789")
			c.want("pause")
			c.t.Abort()
		}},
		{"LOOP-241 LOOP-242 PROTO-014 PROTO-015 PROTO-017 the marks", func(c *ioCase) {
			for _, m := range []struct{ high, low, wantLow, wantHigh int }{
				{aio.DefaultLimit, aio.DefaultLimit, 16 << 10, 64 << 10},
				{100, aio.DefaultLimit, 25, 100},
				{aio.DefaultLimit, 100, 100, 400},
				{100, 100, 100, 100},
				{0, aio.DefaultLimit, 0, 0},
				{aio.DefaultLimit, 0, 0, 0},
				{7, 0, 0, 7},
			} {
				c.t.SetWriteBufferLimits(m.high, m.low)
				if low, high := c.t.GetWriteBufferLimits(); low != m.wantLow || high != m.wantHigh {
					c.Errorf("the marks of %+v are %d and %d", m, low, high)
				}
			}
			for _, m := range []struct{ high, low int }{
				{1, 2}, {10, -1}, {-1, aio.DefaultLimit}, {aio.DefaultLimit, -1}, {-1, -1}, {aio.DefaultLimit, math.MaxInt},
			} {
				c.misused(fmt.Sprint("SetWriteBufferLimits", m), func() { c.t.SetWriteBufferLimits(m.high, m.low) })
			}
			if low, high := c.t.GetWriteBufferLimits(); low != 0 || high != 7 {
				c.Errorf("the marks are %d and %d", low, high)
			}
		}},
		{"LOOP-241 a new transport's marks", func(c *ioCase) {
			if low, high := c.t.GetWriteBufferLimits(); low != 16<<10 || high != 64<<10 {
				c.Errorf("the marks are %d and %d", low, high)
			}
		}},
		{"LOOP-243 PROTO-016 PROTO-019 other marks", func(c *ioCase) {
			c.s.Out = []any{0}
			c.write(strings.Repeat("x", 512))
			c.t.SetWriteBufferLimits(1024, aio.DefaultLimit)
			c.want("write:0/512")
			c.t.SetWriteBufferLimits(256, aio.DefaultLimit)
			c.want("pause")
			c.t.SetWriteBufferLimits(4096, 2048)
			c.passes(2)
			c.want("| |")
			c.room(1)
			c.passes(2)
			c.want("| | write:1/512 resume")
			c.t.Abort()
		}},
		{"LOOP-244 PROTO-018 a high mark of zero", func(c *ioCase) {
			c.t.SetWriteBufferLimits(0, aio.DefaultLimit)
			c.s.Out = []any{1, 0}
			c.write("ab")
			c.room(1)
			c.passes(2)
			c.want("write:1/2 pause | | write:0/1")
			c.s.Writable()
			c.passes(2)
			c.want("| | write:1/1 resume")
			c.s.Out = []any{1}
			c.lines("a", "b")
			c.want("write:1/2 pause")
			c.t.Abort()
		}},
		{"LOOP-245 ResumeWriting writes more while the transport is closing", func(c *ioCase) {
			c.limits()
			c.p.on["resume"] = func() {
				delete(c.p.on, "resume")
				c.write("the rest")
			}
			c.s.Out = []any{0}
			c.write("0123456789A")
			c.t.Close()
			c.room(11, 3)
			c.passes(2)
			c.want("write:0/11 pause | | write:11/11 resume write:3/8")
			c.s.Writable()
			c.passes(2)
			c.want("| | write:5/5 lost close")
			c.taken("0123456789Athe rest")
		}},
		{"LOOP-246 ResumeWriting closes", func(c *ioCase) {
			c.limits()
			c.p.on["resume"] = func() { c.t.Close(); c.t.Close() }
			c.s.Out = []any{0}
			c.write("0123456789A")
			c.s.Writable()
			c.passes(4)
			c.want("write:0/11 pause | | write:11/11 resume | lost close |")
		}},
		{"ResumeWriting aborts", func(c *ioCase) {
			c.limits()
			c.p.on["resume"] = func() { c.t.Abort() }
			c.s.Out = []any{0, 9}
			c.write("0123456789A")
			c.s.Writable()
			c.passes(4)
			c.want("write:0/11 pause | | write:9/11 resume | lost abort |")
		}},
		{"ResumeWriting writes until it is told to pause", func(c *ioCase) {
			c.limits()
			c.p.on["resume"] = func() { c.write("0123456789ABC") }
			c.s.Out = []any{0, 11, 1, 12, 1}
			c.write("0123456789A")
			c.s.Writable()
			c.passes(2)
			c.want("write:0/11 pause | | write:11/11 resume write:1/13 pause")
			c.s.Writable()
			c.passes(2)
			c.want("| | write:12/12 resume write:1/13 pause")
			c.t.Abort()
		}},
		{"LOOP-248 PROTO-020 PauseWriting and ResumeWriting panic", func(c *ioCase) {
			c.limits()
			c.p.on["pause"] = func() { panic("no") }
			c.p.on["resume"] = func() { panic("no") }
			c.s.Out = []any{0}
			c.write("0123456789A")
			c.write("B")
			c.s.Writable()
			c.passes(2)
			c.want("write:0/11 pause reported:panic | | write:12/12 resume reported:panic")
			c.write("on")
			c.taken("0123456789ABon")
			c.t.Close()
			c.passes(1)
			c.want("write:2/2 | lost close")
		}},
		{"PROTO-020 PauseWriting from inside Write", func(c *ioCase) {
			c.limits()
			c.p.on["pause"] = func() {
				c.buffered(11)
				c.write("B") // does not tell again
				c.t.Close()
			}
			c.s.Out = []any{0}
			c.write("0123456789A")
			c.log.add("written")
			c.s.Writable()
			c.passes(3)
			c.want("write:0/11 pause written | | write:12/12 resume lost close |")
		}},
		{"LOOP-249 aborted while the protocol pauses", func(c *ioCase) {
			c.limits()
			c.s.Out = []any{0}
			c.write("0123456789A")
			c.t.Abort()
			c.buffered(0)
			c.passes(2)
			c.want("write:0/11 pause | lost abort |")
		}},
		{"aborted in PauseWriting", func(c *ioCase) {
			c.limits()
			c.p.on["pause"] = func() { c.t.Abort() }
			c.s.Out = []any{0}
			c.write("0123456789A")
			c.s.Writable()
			c.buffered(0)
			c.passes(3)
			c.want("write:0/11 pause | lost abort | |")
		}},
	} {
		t.Run(c.name, func(t *testing.T) { scripted(t, c.run) })
	}
}

func TestStreamClosing(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(c *ioCase)
	}{
		{"LOOP-250 WriteEOF", func(c *ioCase) {
			if !c.t.CanWriteEOF() {
				c.Error("CanWriteEOF() = false")
			}
			c.write("x")
			c.t.WriteEOF()
			c.t.WriteEOF()
			c.want("write:1/1 shutdown")
			c.readable("still", io.EOF)
			c.passes(4)
			c.want("| | read:5 data:still | read:EOF eof | lost close")
		}},
		{"LOOP-251 WriteEOF with something in the buffer", func(c *ioCase) {
			c.s.Out = []any{0, 1}
			c.write("xy")
			c.t.WriteEOF()
			c.t.WriteEOF()
			c.s.Writable()
			c.passes(2)
			c.want("write:0/2 | | write:1/2")
			c.s.Writable()
			c.passes(2)
			c.want("| | write:1/1 shutdown")
			if c.t.IsClosing() {
				c.Error("IsClosing() = true")
			}
			c.t.Abort()
		}},
		{"LOOP-239 writing after WriteEOF", func(c *ioCase) {
			c.s.Out = []any{0}
			c.write("xy")
			c.t.WriteEOF()
			for range 3 { // before the shutdown, after it, and when the connection is lost
				c.misused("Write", func() { c.t.Write([]byte("z")) })
				c.misused("an empty Write", func() { c.t.Write(nil) })
				c.misused("Writelines", func() { c.lines("z") })
				c.misused("an empty Writelines", func() { c.lines() })
				if c.s.Writable(); len(c.s.Taken) > 0 {
					c.t.Abort()
				}
				c.passes(2)
			}
			c.taken("xy")
			c.want("write:0/2 | | write:2/2 shutdown | lost abort | | |")
		}},
		{"LOOP-252 WriteEOF after Close", func(c *ioCase) {
			c.t.Close()
			c.t.WriteEOF()
			c.passes(2)
			c.t.WriteEOF()
			c.want("| lost close |")
		}},
		{"Close after WriteEOF", func(c *ioCase) {
			c.s.Out = []any{0}
			c.write("xy")
			c.t.WriteEOF()
			c.t.Close()
			c.s.Writable()
			c.passes(3)
			c.want("write:0/2 | | write:2/2 lost close |")
		}},
		{"WriteEOF in ResumeWriting", func(c *ioCase) {
			c.limits()
			c.p.on["resume"] = func() { c.t.WriteEOF() }
			c.s.Out = []any{0}
			c.write("0123456789A")
			c.s.Writable()
			c.passes(3)
			c.want("write:0/11 pause | | write:11/11 resume shutdown |")
			c.t.Abort()
		}},
		{"WriteEOF fails", func(c *ioCase) {
			c.s.HalfCloseErr = errIO
			c.t.WriteEOF()
			c.passes(2)
			c.want("shutdown | lost:errIO abort |")
		}},
		{"there is no WriteEOF", func(c *ioCase) {
			c.s.NoHalfClose = true
			if c.t.CanWriteEOF() {
				c.Error("CanWriteEOF() = true")
			}
			c.misused("WriteEOF", c.t.WriteEOF)
			c.write("on")
			c.t.Close()
			c.t.WriteEOF() // does nothing anyway
			c.passes(1)
			c.want("write:2/2 | lost close")
		}},
		{"LOOP-253 LOOP-255 Close", func(c *ioCase) {
			for range 2 {
				if err := c.t.Close(); err != nil {
					c.Error(err)
				}
				if !c.t.IsClosing() {
					c.Error("IsClosing() = false")
				}
			}
			c.log.add("closed")
			c.passes(2)
			c.want("closed | lost close |")
			c.s.HungUp()
			c.passes(2)
			c.want("| |")
		}},
		{"LOOP-254 Close with something in the buffer", func(c *ioCase) {
			c.s.Out = []any{0, 1}
			c.write("xy")
			c.t.Close()
			c.t.Close()
			if !c.t.IsClosing() || c.t.IsReading() {
				c.Error("the transport does not close")
			}
			c.readable("unread")
			c.s.Writable()
			c.passes(3)
			c.want("write:0/2 | | write:1/2 |")
			c.s.Writable()
			c.l.CallSoon(func() { c.log.add("soon") })
			c.passes(2)
			c.want("| soon | write:1/1 lost close") // in the same callback
		}},
		{"LOOP-256 LOOP-257 Abort", func(c *ioCase) {
			c.s.Out = []any{0}
			c.write("xy")
			c.t.Abort()
			c.t.Abort()
			c.t.Close()
			c.buffered(0)
			c.readable("unread")
			c.s.Writable()
			c.passes(3)
			c.want("write:0/2 | lost abort | |")
		}},
		{"LOOP-256 Abort after Close", func(c *ioCase) {
			c.s.Out = []any{0}
			c.write("xy")
			c.t.Close()
			c.passes(2)
			c.t.Abort()
			c.s.Writable()
			c.passes(3)
			c.want("write:0/2 | | | lost abort | |")
		}},
		{"LOOP-257 an error after Close", func(c *ioCase) {
			c.t.Close()
			c.readable(errIO)
			c.s.HungUp()
			c.passes(3)
			c.want("| lost close | |")
		}},
		{"LOOP-259 what an error report has", func(c *ioCase) {
			var got aio.ExceptionContext
			c.l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { got = ec })
			c.p.on["data:x"] = func() { panic("no") }
			c.readable("x")
			c.passes(2)
			if got.Transport != aio.BaseTransport(c.t) || got.Protocol != aio.Protocol(c.p) || got.Message == "" {
				c.Errorf("reported %+v", got)
			}
			if p := new(aio.PanicError); !errors.As(got.Err, &p) || p.Value != "no" {
				c.Errorf("reported %v", got.Err)
			}
			c.passes(1)
			if c.p.err != got.Err {
				c.Errorf("ConnectionLost(%v)", c.p.err)
			}
		}},
		{"LOOP-260 the stream is open in ConnectionLost", func(c *ioCase) {
			c.p.on["lost"] = func() { c.want("| lost") }
			c.t.Close()
			c.passes(1)
			c.want("close")
		}},
		{"PROTO-006 ConnectionMade panics", func(c *ioCase) {
			p := &ioLogger{log: c.log, on: map[string]func(){"made": func() { panic("no") }}}
			s := &aio.ScriptedStream{Note: c.log.add, In: []any{[]byte("hello"), io.EOF}}
			if _, err := aio.OpenScripted(c.l, s, p); err != nil {
				c.Error(err)
			}
			s.Readable()
			c.passes(5)
			c.want("| made reported:panic | | read:5 data:hello | read:EOF eof | lost close")
		}},
		{"LOOP-226 what is no protocol", func(c *ioCase) {
			c.misused("SetProtocol(nil)", func() { c.t.SetProtocol(nil) })
			c.misused("SetProtocol(1)", func() { c.t.SetProtocol(1) })
			if c.t.GetProtocol() != aio.Protocol(c.p) {
				c.Errorf("the protocol is %v", c.t.GetProtocol())
			}
		}},
		{"PROTO-011 what is not known", func(c *ioCase) {
			for _, name := range []string{"sockname", "peername", "sslcontext", "nothing", ""} {
				if v := c.t.GetExtraInfo(name); v != nil {
					c.Errorf("GetExtraInfo(%q) = %v", name, v)
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) { scripted(t, c.run) })
	}
}

// PROTO-001, PROTO-002: a protocol needs none of the callbacks but one, and one that has no EOFReceived
// has the transport close.
func TestStreamOfAProtocolWithLittleInterest(t *testing.T) {
	scripted(t, func(c *ioCase) {
		c.t.SetProtocol(struct{ ioMade }{})
		c.limits()
		c.s.Out = []any{0}
		c.write("0123456789A")
		c.s.Writable()
		c.readable("nobody wants it", io.EOF)
		c.passes(5)
		c.want("write:0/11 | | read:15 write:11/11 | read:EOF | close |")
	})
}

// ioMade is the least of a protocol.
type ioMade struct{}

func (ioMade) ConnectionMade(aio.BaseTransport) {}

// LOOP-237: the fifth write that is dropped, and each after it, is logged.
func TestStreamLogsWritesThatAreDropped(t *testing.T) {
	defer slog.SetDefault(slog.Default())
	var logged bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	scripted(t, func(c *ioCase) {
		c.t.Close()
		for i := range 6 {
			c.t.Write([]byte("x"))
			if got, want := strings.Count(logged.String(), "\n"), max(0, i+1-4); got != want {
				c.Errorf("%d records after %d writes, want %d:\n%s", got, i+1, want, &logged)
			}
		}
		c.passes(1)
		c.want("| lost close")
	})
}

// A transport belongs to its loop, and says so to other goroutines.
func TestStreamFromOutside(t *testing.T) {
	scripted(t, func(c *ioCase) {
		var wg sync.WaitGroup
		wg.Go(func() {
			for name, f := range map[string]func(){
				"Close":                func() { c.t.Close() },
				"Abort":                c.t.Abort,
				"IsClosing":            func() { c.t.IsClosing() },
				"IsReading":            func() { c.t.IsReading() },
				"PauseReading":         c.t.PauseReading,
				"ResumeReading":        c.t.ResumeReading,
				"Write":                func() { c.t.Write([]byte("x")) },
				"Writelines":           func() { c.t.Writelines(nil) },
				"WriteEOF":             c.t.WriteEOF,
				"CanWriteEOF":          func() { c.t.CanWriteEOF() },
				"GetExtraInfo":         func() { c.t.GetExtraInfo("socket") },
				"GetProtocol":          func() { c.t.GetProtocol() },
				"SetProtocol":          func() { c.t.SetProtocol(c.p) },
				"GetWriteBufferSize":   func() { c.t.GetWriteBufferSize() },
				"GetWriteBufferLimits": func() { c.t.GetWriteBufferLimits() },
				"SetWriteBufferLimits": func() { c.t.SetWriteBufferLimits(1, 1) },
			} {
				if err := panics(f); !errors.Is(err, aio.ErrWrongGoroutine) || !strings.HasPrefix(err.Error(), "aio: Transport."+name+":") {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
		wg.Wait()
		c.want("")
		for _, state := range []string{"open", "closing", "closed"} {
			if s := fmt.Sprint(c.t); !strings.HasPrefix(s, "Transport "+state+" ") {
				t.Errorf("an %s transport is %q", state, s)
			}
			if state == "open" {
				c.s.Out = []any{0}
				c.write("hello")
				c.t.Close()
			} else {
				c.s.Writable()
				c.passes(2)
			}
		}
	})
}

// A transport whose loop is closed says so, and has let go of its connection.
func TestStreamOfAClosedLoop(t *testing.T) {
	for _, pair := range []func(*testing.T) (a, b net.Conn){
		func(*testing.T) (a, b net.Conn) { return net.Pipe() },
		randTCP,
	} {
		bothPaths(t, func(t *testing.T, ctx context.Context) error {
			l, err := aio.GetRunningLoop(ctx)
			if err != nil {
				return err
			}
			here, there := pair(t)
			t.Cleanup(func() { there.Close() })
			p := newIOLogger()
			tr, _, err := aio.ConnectAcceptedSocket(ctx, func() *ioLogger { return p }, here, nil)
			if err != nil {
				return err
			}
			t.Cleanup(func() {
				if !l.IsClosed() || !tr.IsClosing() {
					t.Error("the loop or the transport is open")
				}
				if _, err := tr.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Write: %v", err)
				}
				tr.Close()
				tr.Abort()
				if _, err := there.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("the peer reads %v", err)
				}
				p.log.want(t, "made")
			})
			return nil
		})
	}
}

func newIOLogger() *ioLogger { return &ioLogger{log: new(eventLog)} }
