package aio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// TLS-037
func TestTLSWriteFailsBelow(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		c.c.writeErr = syscall.EPIPE
		_, err := c.ct.Write([]byte("one"))
		matches(t, "first Write", err, syscall.EPIPE)
		_, err = c.ct.Write([]byte("two"))
		matches(t, "second Write", err, net.ErrClosed)
		c.over(t)
		matches(t, "ConnectionLost", c.client.lostWith, syscall.EPIPE)
		c.log.want(t, "client:lost-with-error server:eof server:lost")
		tlsNoTimers(t, l)
		c.quiet(t)
	})
}

// TLS-038
func TestTLSCloseFlushes(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		c.c.stuck = true
		sent := tlsBytes(4 << 20)
		c.ct.Write(sent)
		if n := c.c.GetWriteBufferSize(); n > 256<<10 {
			t.Errorf("%d bytes are buffered below", n)
		}
		if n := c.ct.GetWriteBufferSize(); n < len(sent)-256<<10 {
			t.Errorf("only %d bytes are buffered", n)
		}
		c.ct.Close()
		same(t, "IsClosing", c.ct.IsClosing(), true)
		_ = aio.Sleep(ctx, 29*time.Second)
		c.log.want(t, "client:pause")
		c.c.release()
		c.over(t)
		same(t, "the bytes", bytes.Equal(c.server.got, sent), true)
		matches(t, "end of the client", c.client.lostWith, nil)
		matches(t, "end of the server", c.server.lostWith, nil)
		tlsNoTimers(t, l) // TLS-048
		c.quiet(t)
	})
}

// TLS-040
func TestTLSPeerCloses(t *testing.T) {
	tlsVersions(t, func(t *testing.T, version uint16) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			client := tlsClientConfig()
			client.MaxVersion = version
			var all []*tlsConn
			for range 25 {
				all = append(all, tlsOpen(t, ctx, l, tlsSetup{client: client}))
			}
			for _, c := range all {
				c.st.Write([]byte("bye"))
				c.st.Close()
			}
			for _, c := range all {
				c.over(t)
				c.log.want(t, "client:bye client:eof server:eof client:lost server:lost")
				same(t, "IsClosing", c.ct.IsClosing(), true)
				matches(t, "Close", c.ct.Close(), nil)
			}
			tlsNoTimers(t, l)
			same(t, "tasks left", len(aio.AllTasks(ctx)), 1)
		})
	})
}

// TLS-041: even if the transport below writes in small pieces.
func TestTLSPeerClosesWhileDataIsQueued(t *testing.T) {
	for _, chunk := range []int{0, 1000} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			c := tlsOpen(t, ctx, l, tlsSetup{})
			c.c.stuck, c.c.chunk = true, chunk
			sent := tlsBytes(1 << 20)
			c.ct.Write(sent)
			// The peer closes only its writing side.
			matches(t, "CloseWrite", c.st.GetExtraInfo("ssl_object").(*tls.Conn).CloseWrite(), nil)
			c.settle()
			c.log.want(t, "client:pause client:eof")
			c.c.release()
			c.over(t)
			same(t, "the bytes", bytes.Equal(c.server.got, sent), true)
			if last := c.c.wire[len(c.c.wire)-24:]; !bytes.HasPrefix(last, []byte{23, 3, 3, 0, 19}) {
				t.Errorf("the last record is not an alert: %x", last)
			}
			matches(t, "end of the client", c.client.lostWith, nil)
			matches(t, "end of the server", c.server.lostWith, nil)
			c.quiet(t)
		})
	}
}

// TLS-042
func TestTLSEndOfFileWhileDataIsQueued(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		c.c.stuck = true
		sent := tlsBytes(1 << 20)
		c.ct.Write(sent)
		c.s.WriteEOF()
		c.settle()
		c.log.want(t, "client:pause client:eof")
		c.c.release()
		c.over(t)
		same(t, "the bytes", bytes.Equal(c.server.got, sent), true)
		matches(t, "end of the client", c.client.lostWith, nil)
		matches(t, "end of the server", c.server.lostWith, nil)
		c.quiet(t)
	})
}

// TLS-043: truncation between records is a clean EOF, which can be recognized by the
// missing close_notify. Truncation within a record is an error, unlike in asyncio.
func TestTLSTruncation(t *testing.T) {
	for _, cut := range []int{0, 1, 4, 5, 10} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			c := tlsOpen(t, ctx, l, tlsSetup{})
			c.s.stuck = true
			c.st.Write([]byte("whole"))
			whole := len(c.s.out)
			c.st.Write([]byte("part"))
			c.s.out = c.s.out[:whole+cut]
			c.s.WriteEOF()
			c.s.release()
			_, _ = c.client.lost.Await(ctx)
			c.settle()
			if cut == 0 {
				c.log.want(t, "client:whole client:eof client:lost server:eof server:lost")
			} else {
				same(t, "the client's events", c.eventsOf("client"), "client:whole client:lost-with-error")
				matches(t, "end of the client", c.client.lostWith, io.ErrUnexpectedEOF)
			}
			same(t, "close_notify", c.ct.GetExtraInfo("close_notify"), any(false))
			tlsNoTimers(t, l)
			c.quiet(t)
		})
	}
}

// The reader of a stream gets the data of complete records, and then the error.
func TestTLSTruncatedStream(t *testing.T) {
	for _, c := range []struct {
		end    string
		want   error
		notify bool
	}{{"close_notify", io.EOF, true}, {"between records", io.EOF, false}, {"inside a record", io.ErrUnexpectedEOF, false}} {
		t.Run(c.end, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			go func() {
				raw, err := ln.Accept()
				if err != nil {
					return
				}
				defer raw.Close()
				conn := tls.Server(raw, tlsServerConfig())
				conn.Write([]byte("whole"))
				switch c.end {
				case "close_notify":
					conn.CloseWrite()
				case "inside a record":
					raw.Write([]byte{23, 3, 3, 0, 100, 1, 2})
				}
			}()
			err = aio.Run(func(ctx context.Context) error {
				r, w, err := aio.OpenConnection(ctx, ln.Addr().String(), &aio.ConnectionOptions{TLS: tlsClientConfig()})
				if err != nil {
					return err
				}
				defer w.Close()
				data, err := r.Read(ctx, -1)
				if err == nil {
					err = io.EOF
				}
				same(t, "the data", string(data), map[bool]string{true: "whole"}[c.want == io.EOF])
				matches(t, "the end", err, c.want)
				same(t, "close_notify", w.GetExtraInfo("close_notify"), any(c.notify))
				return nil
			})
			matches(t, "the run", err, nil)
		})
	}
}

// TLS-044
func TestTLSEndOfFileWhilePaused(t *testing.T) {
	for name, end := range map[string]func(*tlsConn){
		"with a close_notify":    func(c *tlsConn) { c.st.Close() },
		"without a close_notify": func(c *tlsConn) { c.s.WriteEOF() },
		"with an abort":          func(c *tlsConn) { c.settle(); c.st.Abort() },
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
				c := tlsOpen(t, ctx, l, tlsSetup{})
				c.ct.PauseReading()
				c.st.Write([]byte("data"))
				end(c)
				_ = aio.Sleep(ctx, time.Second)
				same(t, "IsClosing", c.ct.IsClosing(), false)
				same(t, "the client's events", c.eventsOf("client"), "")
				c.ct.ResumeReading()
				_, _ = c.client.lost.Await(ctx)
				matches(t, "end of the client", c.client.lostWith, nil)
				same(t, "the client's events", c.eventsOf("client"), "client:data client:eof client:lost")
				c.over(t)
				c.quiet(t)
			})
		})
	}
}

// TLS-045, TLS-046
func TestTLSPeerThatNeverReads(t *testing.T) {
	for _, closes := range []bool{true, false} {
		for _, limit := range []time.Duration{0, time.Second} {
			inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
				c := tlsOpen(t, ctx, l, tlsSetup{shutdown: limit})
				c.c.stuck = true
				c.ct.Write(tlsBytes(1 << 20))
				start := l.Time()
				if closes {
					c.ct.Close()
				}
				c.s.WriteEOF()
				_, _ = c.client.lost.Await(ctx)
				if limit == 0 {
					limit = 30 * time.Second
				}
				same(t, "time that passed", l.Time().Sub(start), limit)
				matches(t, "end of the client", c.client.lostWith, aio.ErrTimeout)
				same(t, "text", c.client.lostWith.Error(), fmt.Sprintf("aio: TLS shutdown took longer than %v", limit))
				same(t, "the connection was aborted", errors.Is(c.client.lostWith, syscall.ECONNABORTED), false)
				c.log.want(t, "client:pause client:eof client:lost-with-error server:eof")
				same(t, "the transport below is lost", c.c.lost, true)
				c.s.Abort()
				c.over(t)
				tlsNoTimers(t, l)
				c.quiet(t)
			})
		}
	}
	// Nothing waits for the client, but the transport below TLS cannot send its
	// buffered data.
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		c.c.stuck = true
		c.ct.Write([]byte("x"))
		c.s.WriteEOF()
		_, _ = c.client.lost.Await(ctx)
		matches(t, "end of the client", c.client.lostWith, aio.ErrTimeout)
		c.s.Abort()
		c.over(t)
	})
}

// TLS-047, TLS-001
func TestTLSPeerThatNeverAnswersCloseNotify(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		c.s.stuck = true
		start := l.Time()
		c.ct.Close()
		_, _ = c.client.lost.Await(ctx)
		same(t, "time that passed", l.Time().Sub(start), 30*time.Second)
		matches(t, "end of the client", c.client.lostWith, aio.ErrTimeout)
		c.over(t)
		// The server cannot send its response either.
		c.log.want(t, "server:eof client:lost-with-error server:lost-with-error")
		tlsNoTimers(t, l)
		c.quiet(t)
	})
}

// TLS-049
func TestTLSWriteAfterClose(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		records := captureLog(t)
		c := tlsOpen(t, ctx, l, tlsSetup{})
		c.ct.Close()
		matches(t, "Close again", c.ct.Close(), nil)
		for i := range 3 {
			_, err := c.ct.Write([]byte("x"))
			matches(t, "Write", err, net.ErrClosed)
			if i < 2 {
				matches(t, "Writelines", c.ct.Writelines([][]byte{[]byte("x")}), net.ErrClosed)
			}
		}
		same(t, "warnings after 5 writes", len(*records), 0)
		_, _ = c.ct.Write([]byte("x"))
		same(t, "warnings after 6 writes", len(*records), 1)
		c.over(t)
		c.log.want(t, "server:eof client:eof server:lost client:lost")
		_, err := c.ct.Write([]byte("x"))
		matches(t, "Write on a lost connection", err, net.ErrClosed)
	})
}

// TLS-050: data that was in flight when we closed is dropped. asyncio reports an error.
func TestTLSDataAfterClose(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		c.ct.Close()
		c.st.Write(tlsBytes(600 << 10))
		c.over(t)
		c.log.want(t, "server:pause server:eof server:resume client:eof server:lost client:lost")
		matches(t, "end of the client", c.client.lostWith, nil)
		c.quiet(t)
	})
}

// Data that the application did not read before Close is dropped too, and must not hide
// the peer's close_notify.
func TestTLSCloseWithUnreadData(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		c.ct.PauseReading()
		c.st.Write(tlsBytes(1 << 20))
		c.st.Close()
		c.settle()
		same(t, "bytes of the client", len(c.client.got), 0)
		c.ct.Close()
		same(t, "the client's events inside Close", c.eventsOf("client"), "")
		c.over(t)
		same(t, "bytes of the client", len(c.client.got), 0)
		matches(t, "end of the client", c.client.lostWith, nil)
		matches(t, "end of the server", c.server.lostWith, nil)
		tlsNoTimers(t, l)
		c.quiet(t)
	})
}

// Both ends send more than the other one buffers, and then close: neither waits for the
// other.
func TestTLSBothCloseWithDataQueued(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		c.ct.PauseReading()
		c.st.PauseReading()
		c.ct.Write(tlsBytes(2 << 20))
		c.st.Write(tlsBytes(2 << 20))
		c.settle()
		start := l.Time()
		c.ct.Close()
		c.st.Close()
		c.over(t)
		same(t, "time that passed", l.Time().Sub(start), 0)
		matches(t, "end of the client", c.client.lostWith, nil)
		matches(t, "end of the server", c.server.lostWith, nil)
	})
}

// TLS-051
func TestTLSEOFReceivedAnswersTrue(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		records := captureLog(t)
		c := tlsOpen(t, ctx, l, tlsSetup{})
		c.client.keepOpen = true
		c.st.Close()
		c.over(t)
		c.log.want(t, "client:eof server:eof client:lost server:lost")
		same(t, "warnings", len(*records), 1)
		c.quiet(t)
	})
}

// TLS-052
func TestTLSAbort(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		wire := len(c.c.wire)
		c.c.stuck = true
		c.ct.Write([]byte("lost"))
		c.ct.Abort()
		c.c.release()
		c.ct.Abort()
		same(t, "IsClosing", c.ct.IsClosing(), true)
		c.over(t)
		c.log.want(t, "server:eof client:lost server:lost")
		same(t, "bytes on the wire", len(c.c.wire)-wire, 0)
		matches(t, "end of the client", c.client.lostWith, nil)
		c.quiet(t)
	})
	// Abort during a shutdown.
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		c.s.stuck = true
		c.ct.Close()
		_ = aio.Sleep(ctx, time.Second)
		c.ct.Abort()
		c.s.release()
		c.over(t)
		c.log.want(t, "server:eof client:lost server:lost")
		matches(t, "end of the client", c.client.lostWith, nil)
		tlsNoTimers(t, l)
	})
}

// TLS-053
func TestTLSProtocolPanics(t *testing.T) {
	for _, in := range []string{"DataReceived", "EOFReceived"} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			c := tlsOpen(t, ctx, l, tlsSetup{})
			c.client.onData = func([]byte) {
				if in == "DataReceived" {
					panic("no " + in)
				}
			}
			c.client.onEOF = func() { panic("no " + in) }
			c.st.Write([]byte("x"))
			c.st.Close()
			c.over(t)
			var p *aio.PanicError
			same(t, in+": ConnectionLost", errors.As(c.client.lostWith, &p) && p.Value == "no "+in, true)
			same(t, in+": reports", len(c.reports), 1)
			same(t, in+": report", c.reports[0].Message, "protocol."+in+"() failed")
			same(t, in+": its error", c.reports[0].Err, c.client.lostWith)
			same(t, in+": its transport", c.reports[0].Transport, aio.BaseTransport(c.ct))
			same(t, in+": its protocol", c.reports[0].Protocol, aio.Protocol(c.client))
			tlsNoTimers(t, l)
		})
	}
}

// PROTO-006: a panic of ConnectionMade is reported, and the connection continues. If
// ConnectionMade closes the transport, ConnectionLost is called.
func TestTLSConnectionMade(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsStart(ctx, l, tlsSetup{before: func(c *tlsConn) {
			c.client.onMade = func(aio.Transport) { panic("no") }
		}})
		c.settle()
		same(t, "reports", len(c.reports), 1)
		same(t, "outcome", c.cErr[0], nil)
		c.st.Write([]byte("data"))
		c.st.Close()
		c.over(t)
		c.log.want(t, "client:made server:made client:data client:eof server:eof client:lost server:lost")
	})
	for name, end := range map[string]func(aio.Transport){
		"Close": func(t aio.Transport) { t.Close() },
		"Abort": func(t aio.Transport) { t.Abort() },
	} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			c := tlsStart(ctx, l, tlsSetup{before: func(c *tlsConn) { c.server.onMade = end }})
			c.over(t)
			same(t, name+": outcomes", len(c.cErr)+len(c.sErr), 2)
			same(t, name+": outcome", c.sErr[0], nil)
			tlsNoTimers(t, l)
			c.quiet(t)
		})
	}
}

// A write that exceeds the high-water mark of the transport below is not encrypted all
// at once.
func TestTLSWritesInPieces(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsOpen(t, ctx, l, tlsSetup{})
		sent := tlsBytes(1<<20 + 17)
		for i := 0; i < len(sent); {
			n := min(len(sent)-i, 1+i/3)
			c.ct.Write(sent[i : i+n])
			i += n
		}
		c.settle()
		same(t, "the bytes", bytes.Equal(c.server.got, sent), true)
		same(t, "size", c.ct.GetWriteBufferSize(), 0)
		c.ct.Close()
		c.over(t)
	})
}
