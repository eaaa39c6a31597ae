package aio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// TLS-021
func TestTLSSetProtocol(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		buffered := &tlsBuffered{buf: make([]byte, 100)}
		c := tlsOpen(t, ctx, l, tlsSetup{clientApp: buffered})
		c.st.Write([]byte("one"))
		c.settle()
		same(t, "the first protocol got", buffered.log(), "3:one")
		c.ct.SetProtocol(c.client)
		same(t, "GetProtocol", c.ct.GetProtocol(), aio.Protocol(c.client))
		c.st.Write([]byte("two"))
		c.settle()
		c.log.want(t, "client:two")
		same(t, "the first protocol got", buffered.log(), "3:one")
		matches(t, "SetProtocol(nil)", panics(func() { c.ct.SetProtocol(nil) }), aio.ErrUsage)
		c.st.Close()
		c.over(t)
	})
}

// tlsBuffered is a BufferedProtocol.
type tlsBuffered struct {
	buf      []byte
	events   []string
	fail     string // name of the method that panics
	onUpdate func()
	t        aio.Transport
	err      error
}

func (b *tlsBuffered) log() string { return strings.Join(b.events, " ") }

func (b *tlsBuffered) ConnectionMade(t aio.Transport) { b.t = t }

func (b *tlsBuffered) GetBuffer(int) []byte {
	if b.fail == "GetBuffer" {
		panic("no buffer")
	}
	return b.buf
}

func (b *tlsBuffered) BufferUpdated(n int) {
	if b.fail == "BufferUpdated" {
		panic("no update")
	}
	b.events = append(b.events, fmt.Sprintf("%d:%s", n, b.buf[:n]))
	if b.onUpdate != nil {
		b.onUpdate()
	}
}

func (b *tlsBuffered) EOFReceived() bool { b.events = append(b.events, "eof"); return false }

func (b *tlsBuffered) ConnectionLost(err error) {
	b.err = err
	b.events = append(b.events, "lost")
}

// TLS-022: data that does not fit follows at once, unless the protocol pauses reading.
func TestTLSBufferedProtocol(t *testing.T) {
	for _, c := range []struct {
		size int
		want string
	}{
		{1, "1:a 1:b 1:c 1:d 1:e"},
		{2, "2:ab 2:cd 1:e"},
		{5, "5:abcde"},
		{100, "5:abcde"},
	} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			app := &tlsBuffered{buf: make([]byte, c.size)}
			conn := tlsOpen(t, ctx, l, tlsSetup{clientApp: app})
			conn.s.stuck = true
			conn.st.Write([]byte("abc"))
			conn.st.Write([]byte("de"))
			conn.s.release()
			conn.settle()
			same(t, fmt.Sprintf("buffer of %d", c.size), app.log(), c.want)
			conn.st.Close()
			_, _ = conn.server.lost.Await(ctx)
			same(t, fmt.Sprintf("buffer of %d at the end", c.size), app.log(), c.want+" eof lost")
			conn.quiet(t)
		})
	}
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		app := &tlsBuffered{buf: make([]byte, 1)}
		c := tlsOpen(t, ctx, l, tlsSetup{clientApp: app})
		app.onUpdate = c.ct.PauseReading
		c.st.Write([]byte("abc"))
		for _, want := range []string{"1:a", "1:a 1:b", "1:a 1:b 1:c"} {
			c.settle()
			same(t, "until the next pause", app.log(), want)
			c.ct.ResumeReading()
		}
		c.ct.Abort()
		_, _ = c.server.lost.Await(ctx)
	})
}

// TLS-053 for a BufferedProtocol.
func TestTLSBufferedProtocolPanics(t *testing.T) {
	for _, fail := range []string{"GetBuffer", "BufferUpdated", "empty"} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			app := &tlsBuffered{buf: make([]byte, 1), fail: fail}
			if fail == "empty" {
				app.buf = nil
			}
			c := tlsOpen(t, ctx, l, tlsSetup{clientApp: app, before: func(c *tlsConn) { c.c.paused = false }})
			c.st.Write([]byte("x"))
			_, _ = c.server.lost.Await(ctx)
			same(t, fail+": events", app.log(), "lost")
			same(t, fail+": reports", len(c.reports), 1)
			same(t, fail+": the error", c.reports[0].Err == app.err && app.err != nil, true)
		})
	}
}

// TLS-031: data before the corrupted record is delivered, and the peer gets an alert.
func TestTLSCorruptedRecord(t *testing.T) {
	tlsVersions(t, func(t *testing.T, version uint16) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			client := tlsClientConfig()
			client.MaxVersion = version
			c := tlsOpen(t, ctx, l, tlsSetup{client: client})
			c.s.stuck = true
			c.st.Write([]byte("line"))
			c.st.Write([]byte("damaged"))
			c.s.out[len(c.s.out)-1] ^= 1
			c.s.release()
			c.over(t)
			c.log.want(t, "client:line client:lost-with-error server:lost-with-error")
			var mine, theirs *net.OpError
			same(t, "error of the client", errors.As(c.client.lostWith, &mine) && mine.Op == "local error", true)
			same(t, "error of the server", errors.As(c.server.lostWith, &theirs) && theirs.Op == "remote error", true)
			_, err := c.ct.Write([]byte("x"))
			matches(t, "Write afterwards", err, net.ErrClosed)
			tlsNoTimers(t, l)
			c.quiet(t)
		})
	})
}

// TLS-032
func TestTLSPauseReading(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		same(t, "IsReading", c.ct.IsReading(), true)
		c.ct.PauseReading()
		c.ct.PauseReading()
		same(t, "IsReading while paused", c.ct.IsReading(), false)
		c.st.Write([]byte("data"))
		c.settle()
		c.log.want(t, "")
		c.ct.ResumeReading()
		c.ct.ResumeReading()
		c.log.want(t, "")
		c.settle()
		c.log.want(t, "client:data")
		// The protocol pauses reading in the middle of the available data.
		c.client.onData = func([]byte) { c.ct.PauseReading() }
		c.st.Write(tlsBytes(300 << 10))
		c.settle()
		n := len(c.client.got)
		same(t, "one call only", len(*c.log), 1)
		c.client.onData = nil
		c.ct.ResumeReading()
		c.settle()
		same(t, "the rest came", len(c.client.got) > n && bytes.Equal(c.client.got[4:], tlsBytes(300<<10)), true)
		c.st.Close()
		c.over(t)
		c.quiet(t)
	})
}

// TLS-033
func TestTLSRecordsAreJoined(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		c.s.stuck = true
		for _, s := range []string{"a", "b", "c"} {
			n, err := c.st.Write([]byte(s))
			same(t, "Write", n, 1)
			matches(t, "Write", err, nil)
		}
		c.s.release()
		c.settle()
		c.log.want(t, "client:abc")
		// Pieces written with Writelines share a record.
		wire := len(c.s.wire)
		matches(t, "Writelines", c.st.Writelines([][]byte{[]byte("d"), nil, []byte("e"), []byte("f")}), nil)
		c.settle()
		c.log.want(t, "client:def")
		same(t, "bytes on the wire", len(c.s.wire)-wire, 5+3+1+16)
		c.st.Close()
		c.over(t)
	})
}

// TLS-034
func TestTLSWriteNothing(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		wire := len(c.c.wire)
		for _, b := range [][]byte{nil, {}} {
			n, err := c.ct.Write(b)
			same(t, "Write", n, 0)
			matches(t, "Write", err, nil)
			matches(t, "Writelines", c.ct.Writelines([][]byte{b, b}), nil)
		}
		c.settle()
		same(t, "bytes on the wire", len(c.c.wire)-wire, 0)
		same(t, "CanWriteEOF", c.ct.CanWriteEOF(), false)
		matches(t, "WriteEOF", panics(c.ct.WriteEOF), aio.ErrUsage)
		c.ct.Close()
		c.over(t)
	})
}

// TLS-035
func TestTLSWriteLimits(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		limits := func() string { low, high := c.ct.GetWriteBufferLimits(); return fmt.Sprint(low, high) }
		same(t, "default limits", limits(), fmt.Sprint(128<<10, 512<<10))
		for _, set := range []struct {
			high, low int
			want      string
		}{
			{1000, aio.DefaultLimit, "250 1000"},
			{aio.DefaultLimit, 10, "10 40"},
			{0, aio.DefaultLimit, "0 0"},
			{aio.DefaultLimit, aio.DefaultLimit, fmt.Sprint(128<<10, 512<<10)},
			{4, 1, "1 4"},
		} {
			c.ct.SetWriteBufferLimits(set.high, set.low)
			same(t, "limits", limits(), set.want)
		}
		matches(t, "low above high", panics(func() { c.ct.SetWriteBufferLimits(1, 2) }), aio.ErrUsage)
		c.log.want(t, "")

		c.c.stuck, c.c.high = true, 0
		c.ct.Write([]byte("taken below, which then wants a pause"))
		same(t, "size", c.ct.GetWriteBufferSize(), 0)
		c.ct.Write([]byte("abc"))
		same(t, "size", c.ct.GetWriteBufferSize(), 3)
		c.log.want(t, "")
		c.ct.Write([]byte("d"))
		c.log.want(t, "client:pause")
		matches(t, "Writelines", c.ct.Writelines([][]byte{[]byte("e")}), nil)
		same(t, "size", c.ct.GetWriteBufferSize(), 5)
		c.log.want(t, "")
		c.c.release()
		c.settle()
		c.log.want(t, "server:37 client:resume server:abcde")
		same(t, "size", c.ct.GetWriteBufferSize(), 0)

		// PROTO-016: a limit that is already exceeded when it is set.
		c.ct.SetWriteBufferLimits(100, 10)
		c.c.stuck = true
		c.ct.Write([]byte("x"))
		c.ct.Write([]byte("four"))
		c.ct.SetWriteBufferLimits(4, 1)
		c.log.want(t, "client:pause")
		// PROTO-019: raising the limit does not resume.
		c.ct.SetWriteBufferLimits(100, 50)
		c.log.want(t, "")
		c.c.release()
		c.settle()
		c.log.want(t, "server:x client:resume server:four")
		c.ct.Close()
		c.over(t)
		c.quiet(t)
	})
}

// TLS-036
func TestTLSReadLimits(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		below := new(eventLog)
		c := tlsOpen(t, ctx, l, tlsSetup{before: func(c *tlsConn) { c.c.log = below }})
		c.s.chunk = 10 << 10
		c.ct.PauseReading()
		before := len(c.s.wire)
		sent := tlsBytes(1 << 20)
		c.st.Write(sent)
		c.settle()
		c.log.want(t, "server:pause")
		below.want(t, "pause")
		same(t, "bytes read", len(c.s.wire)-before, 260<<10)
		c.ct.ResumeReading()
		c.settle()
		below.want(t, "resume")
		same(t, "the bytes", bytes.Equal(c.client.got, sent), true)
		c.st.Close()
		c.over(t)
		c.quiet(t)
	})
}

// The limit for buffered ciphertext applies during a handshake too.
func TestTLSReadLimitDuringHandshake(t *testing.T) {
	hello := tlsHello(t)
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		server := tlsServerConfig()
		server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return nil, aio.Sleep(hello.Context(), time.Second)
		}
		h := tlsHalf(ctx, l, true, server, 0)
		h.lower.peer.chunk = 10 << 10
		h.lower.peer.Write(hello)
		h.lower.peer.Write(make([]byte, 1<<20))
		_ = aio.Sleep(ctx, time.Millisecond)
		if n := len(h.lower.peer.wire); n < 256<<10 || n > 280<<10 {
			t.Errorf("%d bytes were read", n)
		}
		_ = aio.Sleep(ctx, time.Second)
		h.failed(t)
	})
}

// Whatever happens to the records of a connection, the delivered data is a prefix of
// the sent data.
func FuzzTLSRecords(f *testing.F) {
	f.Add(0, 0, byte(0), uint16(0))
	f.Add(100, 1, byte(1), uint16(tls.VersionTLS12))
	f.Add(30_001, 1000, byte(128), uint16(tls.VersionTLS13))
	f.Fuzz(func(t *testing.T, at, chunk int, flip byte, version uint16) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			client := tlsClientConfig()
			if version == tls.VersionTLS12 {
				client.MaxVersion = version
			}
			c := tlsOpen(t, ctx, l, tlsSetup{client: client})
			sent := tlsBytes(50_000)
			c.s.stuck, c.s.chunk = true, max(chunk, 0)
			c.st.Write(sent)
			if at = max(at, 0) % len(c.s.out); flip != 0 {
				c.s.out[at] ^= flip
			} else {
				c.s.out = c.s.out[:at]
			}
			c.st.Close()
			c.s.release()
			c.over(t)
			if !bytes.HasPrefix(sent, c.client.got) {
				t.Errorf("%d delivered bytes differ from the sent ones", len(c.client.got))
			}
			tlsNoTimers(t, l)
			c.quiet(t)
		})
	})
}
