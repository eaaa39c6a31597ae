package aio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/goaio/aio"
)

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
			c.want("write:1/1 shutdown", "the writing half is closed at once, and once")
			c.readable("still", io.EOF)
			c.passes(4)
			c.want("| | read:5 data:still | read:EOF eof | lost close", "the reading half is open until EOF")
		}},
		{"LOOP-251 WriteEOF with buffered data", func(c *ioCase) {
			c.s.Out = []any{0, 1}
			c.write("xy")
			c.t.WriteEOF()
			c.t.WriteEOF()
			c.s.Writable()
			c.passes(2)
			c.want("write:0/2 | | write:1/2", "the buffer is sent first")
			c.s.Writable()
			c.passes(2)
			c.want("| | write:1/1 shutdown", "then the half is closed, and the connection stays")
			if c.t.IsClosing() {
				c.Error("IsClosing() = true")
			}
			c.t.Abort()
		}},
		{"LOOP-239 writing after WriteEOF", func(c *ioCase) {
			c.s.Out = []any{0}
			c.write("xy")
			c.t.WriteEOF()
			for range 3 {
				// The calls fail before the shutdown, after it, and
				// after ConnectionLost.
				for _, p := range [][]byte{[]byte("z"), nil} {
					_, err := c.t.Write(p)
					matches(c.T, "Write", err, aio.ErrUsage)
					matches(c.T, "Writelines", c.t.Writelines([][]byte{p}), aio.ErrUsage)
				}
				if c.s.Writable(); len(c.s.Taken) > 0 {
					c.t.Abort()
				}
				c.passes(2)
			}
			c.taken("xy")
			c.want("write:0/2 | | write:2/2 shutdown | lost abort | | |", "it is misuse in each state, and the buffer is sent")
		}},
		{"LOOP-252 WriteEOF after Close", func(c *ioCase) {
			c.t.Close()
			c.t.WriteEOF()
			c.passes(2)
			c.t.WriteEOF()
			c.want("| lost close |", "WriteEOF has no effect")
		}},
		{"Close after WriteEOF", func(c *ioCase) {
			c.s.Out = []any{0}
			c.write("xy")
			c.t.WriteEOF()
			c.t.Close()
			c.s.Writable()
			c.passes(3)
			c.want("write:0/2 | | write:2/2 lost close |", "Close needs no shutdown before it")
		}},
		{"WriteEOF in ResumeWriting", func(c *ioCase) {
			c.limits()
			c.p.on["resume"] = func() { c.t.WriteEOF() }
			c.s.Out = []any{0}
			c.write("0123456789A")
			c.s.Writable()
			c.passes(3)
			c.want("write:0/11 pause | | write:11/11 resume shutdown |", "the buffer is empty, so the half is closed at once")
			c.t.Abort()
		}},
		{"WriteEOF fails", func(c *ioCase) {
			c.s.HalfCloseErr = errIO
			c.t.WriteEOF()
			c.passes(2)
			c.want("shutdown | lost:errIO abort |", "the error ends the connection")
		}},
		{"WriteEOF is not supported", func(c *ioCase) {
			c.s.NoHalfClose = true
			if c.t.CanWriteEOF() {
				c.Error("CanWriteEOF() = true")
			}
			c.misused("WriteEOF", c.t.WriteEOF)
			c.write("on")
			c.t.Close()
			c.t.WriteEOF() // a second WriteEOF has no effect
			c.passes(1)
			c.want("write:2/2 | lost close", "the connection still works")
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
			c.want("closed | lost close |", "ConnectionLost comes in the next pass, once")
			c.s.HungUp()
			c.passes(2)
			c.want("| |", "nothing comes afterwards")
		}},
		{"LOOP-254 Close with buffered data", func(c *ioCase) {
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
			c.want("write:0/2 | | write:1/2 |", "the buffer is sent, and nothing is read")
			c.s.Writable()
			c.l.CallSoon(func() { c.log.add("soon") })
			c.passes(2)
			// The last write and ConnectionLost happen in the same
			// callback.
			c.want("| soon | write:1/1 lost close", "ConnectionLost comes with the last byte, in the same callback")
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
			c.want("write:0/2 | lost abort | |", "the buffer is dropped, and ConnectionLost comes once")
		}},
		{"LOOP-256 Abort after Close", func(c *ioCase) {
			c.s.Out = []any{0}
			c.write("xy")
			c.t.Close()
			c.passes(2)
			c.t.Abort()
			c.s.Writable()
			c.passes(3)
			c.want("write:0/2 | | | lost abort | |", "Abort does not wait for the buffer")
		}},
		{"LOOP-257 an error after Close", func(c *ioCase) {
			c.t.Close()
			c.readable(errIO)
			c.s.HungUp()
			c.passes(3)
			c.want("| lost close | |", "a second error has no effect")
		}},
		{"LOOP-259 contents of an error report", func(c *ioCase) {
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
			c.p.on["lost"] = func() { c.want("| lost", "ConnectionLost is called while the stream is open") }
			c.t.Close()
			c.passes(1)
			c.want("close", "then the stream is closed")
		}},
		{"PROTO-006 ConnectionMade panics", func(c *ioCase) {
			p := &ioLogger{log: c.log, on: map[string]func(){"made": func() { panic("no") }}}
			s := &scriptedStream{Note: c.log.add, In: []any{[]byte("hello"), io.EOF}}
			if _, err := openScripted(c.l, s, p); err != nil {
				c.Error(err)
			}
			s.Readable()
			c.passes(5)
			c.want("| made reported:panic | | read:5 data:hello | read:EOF eof | lost close", "the panic is reported, and the connection is served")
		}},
		{"LOOP-226 an invalid protocol", func(c *ioCase) {
			c.misused("SetProtocol(nil)", func() { c.t.SetProtocol(nil) })
			c.misused("SetProtocol(1)", func() { c.t.SetProtocol(1) })
			if c.t.GetProtocol() != aio.Protocol(c.p) {
				c.Errorf("the protocol is %v", c.t.GetProtocol())
			}
		}},
		{"PROTO-011 unknown extra info", func(c *ioCase) {
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

// PROTO-001, PROTO-002: a protocol needs only one callback; without EOFReceived the
// transport closes at EOF.
func TestStreamOfAProtocolWithLittleInterest(t *testing.T) {
	scripted(t, func(c *ioCase) {
		c.t.SetProtocol(struct{ ioMade }{})
		c.limits()
		c.s.Out = []any{0}
		c.write("0123456789A")
		c.s.Writable()
		c.readable("nobody wants it", io.EOF)
		c.passes(5)
		c.want("write:0/11 | | read:15 write:11/11 | read:EOF | close |", "the transport works without the callbacks")
	})
}

// ioMade is a minimal protocol.
type ioMade struct{}

func (ioMade) ConnectionMade(aio.BaseTransport) {}

// LOOP-237: the fifth dropped write, and each after it, is logged.
func TestStreamLogsWritesThatAreDropped(t *testing.T) {
	logged := logText(t)
	scripted(t, func(c *ioCase) {
		c.t.Close()
		for i := range 6 {
			c.t.Write([]byte("x"))
			if got, want := strings.Count(logged(), "\n"), max(0, i+1-4); got != want {
				c.Errorf("%d records after %d writes, want %d:\n%s", got, i+1, want, logged())
			}
		}
		c.passes(1)
		c.want("| lost close", "the connection ends once")
	})
}

// Calls from other goroutines return an error that says so.
func TestStreamFromOutside(t *testing.T) {
	scripted(t, func(c *ioCase) {
		var wg sync.WaitGroup
		wg.Go(func() {
			for name, f := range map[string]func(){
				"Close":                func() { raise(c.t.Close()) },
				"Abort":                c.t.Abort,
				"IsClosing":            func() { c.t.IsClosing() },
				"IsReading":            func() { c.t.IsReading() },
				"PauseReading":         c.t.PauseReading,
				"ResumeReading":        c.t.ResumeReading,
				"Write":                func() { raise(second(c.t.Write([]byte("x")))) },
				"Writelines":           func() { raise(c.t.Writelines(nil)) },
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
		c.want("", "no refused call had an effect")
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

// A transport of a closed loop returns an error, and has closed its connection.
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
					t.Error("the loop or the transport is still open")
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
