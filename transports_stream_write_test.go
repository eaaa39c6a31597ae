package aio_test

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strings"
	"testing"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/netio"
)

func TestStreamWriting(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(c *ioCase)
	}{
		{"LOOP-227 everything is accepted", func(c *ioCase) {
			c.write("hello")
			c.buffered(0)
			c.s.Writable() // no write is pending
			c.passes(2)
			c.want("write:5/5 | |", "data that the stream accepts at once is not buffered")
		}},
		{"LOOP-228 LOOP-232 LOOP-247 a part is accepted", func(c *ioCase) {
			c.s.Out = []any{2}
			c.write("hello")
			c.buffered(3)
			c.room(1, 0, netio.ErrWouldBlock)
			c.passes(2)
			c.want("write:2/5 | | write:1/3", "the rest is written when there is room")
			c.buffered(2)
			c.s.Writable()
			c.passes(2)
			c.want("| | write:0/2", "each readiness event causes one attempt")
			c.s.Writable()
			c.passes(2)
			c.want("| | write:blocks", "a stream without room leaves the rest in the buffer")
			c.buffered(2)
			c.s.Writable()
			c.passes(2)
			c.want("| | write:2/2", "the last part is sent")
			c.buffered(0)
			c.s.Writable()
			c.passes(2)
			c.want("| |", "an empty buffer causes no attempts")
			c.taken("hello")
		}},
		{"LOOP-228 LOOP-232 only a writable event causes an attempt", func(c *ioCase) {
			c.s.Writable()
			c.passes(2)
			c.s.Out = []any{2, 1}
			c.write("hello")
			c.readable("one")
			c.passes(2)
			c.want("| | write:2/5 | | read:3 data:one", "a readable event causes no write")
			c.s.Writable()
			c.passes(2)
			c.readable("two")
			c.passes(2)
			c.want("| | write:1/3 | | read:3 data:two", "room does, once")
			c.t.Abort()
		}},
		{"LOOP-228 nothing is accepted", func(c *ioCase) {
			for _, out := range []any{0, netio.ErrWouldBlock} {
				c.s.Taken, c.s.Out = nil, []any{out}
				c.write("hello")
				c.buffered(5)
				c.s.Writable()
				c.passes(2)
				c.taken("hello")
			}
			c.want("write:0/5 | | write:5/5 write:blocks | | write:5/5", "zero bytes and ErrWouldBlock both mean that there is no room")
		}},
		{"LOOP-229 LOOP-233 with buffered data, Writelines makes an attempt and Write does not", func(c *ioCase) {
			c.s.Out = []any{1, 1}
			c.write("ab")
			c.write("cd")
			if err := c.lines("ef", "g"); err != nil {
				c.Error(err)
			}
			c.want("write:1/2 write:1/6", "Write appends to the buffer, Writelines makes one attempt with all of it")
			c.buffered(5)
			c.room(4) // in the middle of a piece
			c.passes(2)
			c.want("| | write:4/5", "an attempt may end within a piece")
			c.write("h")
			c.s.Writable()
			c.passes(2)
			c.want("| | write:2/2", "the pieces keep their order")
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
			c.want("", "writing nothing does not call the stream")
			c.s.Out = []any{1}
			if err := c.lines("ab", ""); err != nil {
				c.Error(err)
			}
			c.write("")
			c.buffered(1)
			c.t.Close()
			c.s.Writable()
			c.passes(2)
			c.want("write:1/2 | | write:1/1 lost close", "empty pieces do not stay in the buffer")
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
			c.want("write:5/5", "the pieces are joined into one attempt")
			c.limits()
			c.s.Out = []any{3}
			if err := c.lines("0123456", "789ABCD"); err != nil {
				c.Error(err)
			}
			c.buffered(11)
			c.want("write:3/14 pause", "the rest counts for the high-water mark")
			c.s.Writable()
			c.passes(2)
			c.want("| | write:11/11 resume", "below the low-water mark the protocol is resumed")
			c.taken("abcde0123456789ABCD")
		}},
		{"LOOP-236 an error in Write", func(c *ioCase) {
			c.s.Out = []any{errIO}
			if n, err := c.t.Write([]byte("hello")); n != 0 || err != errIO {
				c.Errorf("Write() = %d, %v", n, err)
			}
			c.buffered(0)
			c.passes(2)
			c.want("write:*errors.errorString | lost:errIO abort |", "the error is returned, and ends the connection in the next pass")
		}},
		{"LOOP-236 an error in Writelines", func(c *ioCase) {
			c.s.Out = []any{errIO}
			if err := c.lines("a", "b"); err != errIO {
				c.Errorf("Writelines() = %v", err)
			}
			c.buffered(0)
			c.passes(2)
			c.want("write:*errors.errorString | lost:errIO abort |", "an error in Writelines does the same")
		}},
		{"LOOP-236 a later error", func(c *ioCase) {
			c.s.Out = []any{2}
			c.write("hello")
			c.room(errIO)
			c.passes(3)
			c.want("write:2/5 | | write:*errors.errorString | lost:errIO abort", "so does an error in a later attempt")
			c.buffered(0)
		}},
		{"a hang-up is noticed by a write", func(c *ioCase) {
			c.t.PauseReading()
			c.s.Out = []any{2, errIO}
			c.write("hello")
			c.s.HungUp()
			c.passes(3)
			c.want("write:2/5 | | write:*errors.errorString | lost:errIO abort", "a hang-up causes an attempt, which returns the error")
		}},
		{"LOOP-238 after Close", func(c *ioCase) {
			c.s.Out = []any{2}
			c.write("hello")
			c.t.Close()
			c.write(" world")
			c.buffered(9)
			c.s.Writable()
			c.passes(2)
			c.want("write:2/5 | | write:9/9 lost close", "the buffer is sent, including data written after Close")
			c.taken("hello world")
		}},
		{"LOOP-237 LOOP-238 after the connection was lost", func(c *ioCase) {
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
			c.want("| lost close | | |", "nothing is written after the connection was lost")
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
			c.want("write:0/1 | | write:1/1 lost close |", "no call in ConnectionLost has an effect")
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
			// not above the mark
			c.want("write:0/10", "reaching the high-water mark does not pause")
			c.write("x")
			c.write("y")
			c.want("pause", "one byte more does, once")
			c.room(8)
			c.passes(2)
			// above the low-water mark
			c.want("| | write:8/12", "above the low-water mark the protocol stays paused")
			c.room(1)
			c.passes(2)
			c.want("| | write:1/4 resume", "at the low-water mark it is resumed")
			c.room(1)
			c.passes(2)
			c.want("| | write:1/3", "only once")
			c.write("0123456789")
			c.want("pause", "it pauses again")
			c.t.Abort()
		}},
		{"LOOP-241 LOOP-242 PROTO-014 PROTO-015 PROTO-017 the limits", func(c *ioCase) {
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
					c.Errorf("the limits of %+v are %d and %d", m, low, high)
				}
			}
			for _, m := range []struct{ high, low int }{
				{1, 2}, {10, -1}, {-1, aio.DefaultLimit}, {aio.DefaultLimit, -1}, {-1, -1}, {aio.DefaultLimit, math.MaxInt},
			} {
				c.misused(fmt.Sprint("SetWriteBufferLimits", m), func() { c.t.SetWriteBufferLimits(m.high, m.low) })
			}
			if low, high := c.t.GetWriteBufferLimits(); low != 0 || high != 7 {
				c.Errorf("the limits are %d and %d", low, high)
			}
		}},
		{"LOOP-241 limits of a new transport", func(c *ioCase) {
			if low, high := c.t.GetWriteBufferLimits(); low != 16<<10 || high != 64<<10 {
				c.Errorf("the limits are %d and %d", low, high)
			}
		}},
		{"LOOP-243 PROTO-016 PROTO-019 other limits", func(c *ioCase) {
			c.s.Out = []any{0}
			c.write(strings.Repeat("x", 512))
			c.t.SetWriteBufferLimits(1024, aio.DefaultLimit)
			c.want("write:0/512", "below a higher limit nothing is paused")
			c.t.SetWriteBufferLimits(256, aio.DefaultLimit)
			c.want("pause", "a lower limit pauses at once")
			c.t.SetWriteBufferLimits(4096, 2048)
			c.passes(2)
			c.want("| |", "a higher limit alone does not resume")
			c.room(1)
			c.passes(2)
			c.want("| | write:1/512 resume", "the next attempt does")
			c.t.Abort()
		}},
		{"LOOP-244 PROTO-018 a limit of zero", func(c *ioCase) {
			c.t.SetWriteBufferLimits(0, aio.DefaultLimit)
			c.s.Out = []any{1, 0}
			c.write("ab")
			c.room(1)
			c.passes(2)
			c.want("write:1/2 pause | | write:0/1", "any buffered byte pauses")
			c.s.Writable()
			c.passes(2)
			c.want("| | write:1/1 resume", "an empty buffer resumes")
			c.s.Out = []any{1}
			c.lines("a", "b")
			c.want("write:1/2 pause", "Writelines pauses too")
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
			c.want("write:0/11 pause | | write:11/11 resume write:3/8", "what ResumeWriting writes is accepted while the transport closes")
			c.s.Writable()
			c.passes(2)
			c.want("| | write:5/5 lost close", "it is sent before ConnectionLost")
			c.taken("0123456789Athe rest")
		}},
		{"LOOP-246 ResumeWriting closes", func(c *ioCase) {
			c.limits()
			c.p.on["resume"] = func() { c.t.Close(); c.t.Close() }
			c.s.Out = []any{0}
			c.write("0123456789A")
			c.s.Writable()
			c.passes(4)
			c.want("write:0/11 pause | | write:11/11 resume | lost close |", "ConnectionLost is called in the next pass")
		}},
		{"ResumeWriting aborts", func(c *ioCase) {
			c.limits()
			c.p.on["resume"] = func() { c.t.Abort() }
			c.s.Out = []any{0, 9}
			c.write("0123456789A")
			c.s.Writable()
			c.passes(4)
			c.want("write:0/11 pause | | write:9/11 resume | lost abort |", "the rest is dropped")
		}},
		{"ResumeWriting writes until it is paused", func(c *ioCase) {
			c.limits()
			c.p.on["resume"] = func() { c.write("0123456789ABC") }
			c.s.Out = []any{0, 11, 1, 12, 1}
			c.write("0123456789A")
			c.s.Writable()
			c.passes(2)
			c.want("write:0/11 pause | | write:11/11 resume write:1/13 pause", "PauseWriting inside ResumeWriting stops the protocol")
			c.s.Writable()
			c.passes(2)
			c.want("| | write:12/12 resume write:1/13 pause", "the same in the next round")
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
			c.want("write:0/11 pause reported:panic | | write:12/12 resume reported:panic", "a panic in flow control is reported, and has no other effect")
			c.write("on")
			c.taken("0123456789ABon")
			c.t.Close()
			c.passes(1)
			c.want("write:2/2 | lost close", "the connection still works")
		}},
		{"PROTO-020 PauseWriting from inside Write", func(c *ioCase) {
			c.limits()
			c.p.on["pause"] = func() {
				c.buffered(11)
				c.write("B") // does not call PauseWriting again
				c.t.Close()
			}
			c.s.Out = []any{0}
			c.write("0123456789A")
			c.log.add("written")
			c.s.Writable()
			c.passes(3)
			c.want("write:0/11 pause written | | write:12/12 resume lost close |", "a Write inside PauseWriting does not pause again")
		}},
		{"LOOP-249 aborted while the protocol pauses", func(c *ioCase) {
			c.limits()
			c.s.Out = []any{0}
			c.write("0123456789A")
			c.t.Abort()
			c.buffered(0)
			c.passes(2)
			c.want("write:0/11 pause | lost abort |", "ResumeWriting is not called after Abort")
		}},
		{"aborted in PauseWriting", func(c *ioCase) {
			c.limits()
			c.p.on["pause"] = func() { c.t.Abort() }
			c.s.Out = []any{0}
			c.write("0123456789A")
			c.s.Writable()
			c.buffered(0)
			c.passes(3)
			c.want("write:0/11 pause | lost abort | |", "Abort inside PauseWriting drops the buffer at once")
		}},
	} {
		t.Run(c.name, func(t *testing.T) { scripted(t, c.run) })
	}
}
