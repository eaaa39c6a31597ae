package aio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

// tlsPlain returns an unencrypted connection between two applications.
func tlsPlain(ctx context.Context, l *aio.Loop) *tlsConn {
	c := &tlsConn{ctx: ctx, loop: l, log: new(eventLog)}
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { c.reports = append(c.reports, ec) })
	c.client, c.server = tlsNewApp(ctx, "client", c.log), tlsNewApp(ctx, "server", c.log)
	c.c, c.s = tlsPipe(l)
	c.c.connect(c.client)
	c.s.connect(c.server)
	c.settle()
	*c.log = nil
	return c
}

// upgrade calls StartTLS at both ends.
func (c *tlsConn) upgrade(t *testing.T) {
	t.Helper()
	server := spawn(c.ctx, func(ctx context.Context) (err error) {
		c.st, err = aio.StartTLS(ctx, c.server.transport, c.server, tlsServerConfig(), &aio.TLSOptions{ServerSide: true})
		return err
	})
	var err error
	c.ct, err = aio.StartTLS(c.ctx, c.client.transport, c.client, tlsClientConfig(), nil)
	matches(t, "StartTLS of the client", err, nil)
	_, err = server.Await(c.ctx)
	matches(t, "StartTLS of the server", err, nil)
}

// TLS-019, TLS-020, TLS-024
func TestStartTLS(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsPlain(ctx, l)
		c.client.transport.Write([]byte("in"))
		c.client.transport.Write([]byte("clear"))
		same(t, "what was delivered", len(c.c.wire), 0)
		c.settle()
		c.client.transport.Write([]byte("!"))
		eventually(t, ctx, "the server has the text in clear", func() bool { return len(c.server.got) == len("inclear!") })
		c.upgrade(t)
		same(t, "bytes in clear", string(c.c.wire[:8]), "inclear!")
		c.log.want(t, "server:inclear server:!")
		same(t, "the transport is a new one", c.ct != aio.Transport(c.c), true)
		same(t, "GetProtocol", c.ct.GetProtocol(), aio.Protocol(c.client))
		c.ct.Write([]byte("secret"))
		c.settle()
		c.st.Write([]byte("answer"))
		c.settle()
		same(t, "plaintext on the wire", bytes.Contains(c.c.wire, []byte("secret")) || bytes.Contains(c.s.wire, []byte("answer")), false)
		c.ct.Close()
		c.over(t)
		c.log.want(t, "server:secret client:answer server:eof client:eof server:lost client:lost")
		tlsNoTimers(t, l)
		c.quiet(t)
	})
}

// Data written to the old transport is sent before the handshake, even if it is still
// buffered; reading is resumed if it was paused.
func TestStartTLSWithBufferedOutput(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsPlain(ctx, l)
		c.c.stuck = true
		c.client.transport.Write([]byte("clear"))
		c.client.transport.PauseReading()
		c.server.onData = func([]byte) {
			// the response to the last plaintext message is sent over TLS
			c.server.onData = nil
			spawn(ctx, func(ctx context.Context) (err error) {
				c.st, err = aio.StartTLS(ctx, c.s, c.server, tlsServerConfig(), &aio.TLSOptions{ServerSide: true})
				return err
			})
		}
		l.CallLater(time.Second, func() { c.c.chunk = 5; c.c.release(); l.CallSoon(func() { c.c.chunk = 0 }) })
		ct, err := aio.StartTLS(ctx, c.c, c.client, tlsClientConfig(), nil)
		matches(t, "StartTLS", err, nil)
		ct.Write([]byte("secret"))
		c.settle()
		c.log.want(t, "server:clear server:secret")
		ct.Close()
		c.over(t)
		c.quiet(t)
	})
}

// A protocol that was paused before StartTLS is resumed, although the transport below
// then resumes the TLS layer.
func TestStartTLSWhileWritingIsPaused(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsPlain(ctx, l)
		// TLS inside TLS, because the transport below must be one of this
		// package
		c.upgrade(t)
		c.client.transport, c.server.transport = c.ct, c.st
		c.c.stuck, c.c.high = true, 0
		c.ct.SetWriteBufferLimits(4, 1)
		c.ct.Write([]byte("x"))
		c.ct.Write([]byte("12345"))
		c.log.want(t, "client:pause")
		l.CallLater(time.Second, c.c.release)
		server := spawn(ctx, func(ctx context.Context) error {
			for len(c.server.got) < len("x12345") {
				if err := aio.Sleep(ctx, time.Millisecond); err != nil {
					return err
				}
			}
			ahead := c.server.got[len("x12345"):]
			_, err := aio.StartTLSAhead(ctx, c.st, c.server, tlsServerConfig(), &aio.TLSOptions{ServerSide: true}, ahead)
			return err
		})
		inner, err := aio.StartTLS(ctx, c.ct, c.client, tlsClientConfig(), nil)
		matches(t, "StartTLS", err, nil)
		_, err = server.Await(ctx)
		matches(t, "StartTLS of the server", err, nil)
		same(t, "the client's events", c.eventsOf("client"), "client:resume")
		inner.Close()
		c.over(t)
		c.quiet(t)
	})
}

// The caller has already read the peer's ClientHello and passes it to StartTLS.
func TestStartTLSAhead(t *testing.T) {
	for _, ahead := range []int{1, 50, 10_000} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			c := tlsPlain(ctx, l)
			client := spawn(ctx, func(ctx context.Context) (err error) {
				c.ct, err = aio.StartTLS(ctx, c.c, c.client, tlsClientConfig(), nil)
				return err
			})
			c.c.chunk = ahead
			eventually(t, ctx, "the server has something", func() bool { return len(c.server.got) > 0 })
			n := len(c.server.got)
			st, err := aio.StartTLSAhead(ctx, c.s, c.server, tlsServerConfig(), &aio.TLSOptions{ServerSide: true}, c.server.got)
			matches(t, "StartTLS of the server", err, nil)
			_, err = client.Await(ctx)
			matches(t, "StartTLS of the client", err, nil)
			same(t, "bytes ahead", n > 0 && n <= ahead, true)
			st.Close()
			c.over(t)
			c.quiet(t)
		})
	}
}

// TLS-001, TLS-002, TLS-007: a refused call has no effect.
func TestStartTLSMisuse(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		c := tlsPlain(ctx, l)
		client, server := tlsClientConfig(), tlsServerConfig()
		renegotiates := tlsClientConfig()
		renegotiates.Renegotiation = tls.RenegotiateOnceAsClient
		asServer := aio.TLSOptions{ServerSide: true}
		for name, call := range map[string]struct {
			transport aio.Transport
			protocol  aio.Protocol
			config    *tls.Config
			opts      aio.TLSOptions
			text      string
		}{
			"no config":             {c.c, c.client, nil, aio.TLSOptions{}, "*tls.Config is nil"},
			"no transport":          {nil, c.client, client, aio.TLSOptions{}, "transport is nil"},
			"no protocol":           {c.c, nil, client, aio.TLSOptions{}, "protocol is nil"},
			"a bad protocol":        {c.c, struct{}{}, client, aio.TLSOptions{}, "none of the methods"},
			"negative handshake":    {c.c, c.client, client, aio.TLSOptions{HandshakeTimeout: -1}, "positive"},
			"negative shutdown":     {c.c, c.client, client, aio.TLSOptions{ShutdownTimeout: -1}, "positive"},
			"no name":               {c.c, c.client, &tls.Config{}, aio.TLSOptions{}, "ServerName"},
			"renegotiation":         {c.c, c.client, renegotiates, aio.TLSOptions{}, "renegotiation"},
			"no certificate":        {c.c, c.client, &tls.Config{}, asServer, "Certificates"},
			"a server in any case":  {c.c, nil, server, asServer, "protocol is nil"},
			"an unverifying client": {c.c, nil, &tls.Config{InsecureSkipVerify: true}, aio.TLSOptions{}, "protocol is nil"},
		} {
			got, err := aio.StartTLS(ctx, call.transport, call.protocol, call.config, &call.opts)
			same(t, name+": transport", got, nil)
			matches(t, name, err, aio.ErrUsage)
			if !strings.Contains(fmt.Sprint(err), call.text) {
				t.Errorf("%s: error %q does not mention %q", name, err, call.text)
			}
		}
		c.c.Write([]byte("still clear"))
		c.settle()
		same(t, "what arrived", string(c.server.got), "still clear")
		c.c.Close()
		_, err := aio.StartTLS(ctx, c.c, c.client, client, nil)
		matches(t, "on a closing transport", err, net.ErrClosed)
		c.over(t)
		c.quiet(t)

		l.CallSoon(func() {
			_, err := aio.StartTLS(l.Context(), c.c, c.client, client, nil)
			matches(t, "in a callback", err, aio.ErrNoTask)
		})
		c.settle()
	})
}

// TLS-023, TLS-010: a timeout of the caller ends the handshake. TLS-025: ConnectionLost
// of the application is called in every case, not only in some as in asyncio.
func TestStartTLSGivenUp(t *testing.T) {
	for _, server := range []bool{false, true} {
		config := tlsClientConfig()
		if server {
			config = tlsServerConfig()
		}
		opts := &aio.TLSOptions{ServerSide: server}
		for name, try := range map[string]func(ctx context.Context, c *tlsConn) error{
			"Timeout": func(ctx context.Context, c *tlsConn) error {
				err := aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
					_, err := aio.StartTLS(ctx, c.c, c.client, config, opts)
					return err
				})
				matches(t, "Timeout", err, aio.ErrTimeout)
				matches(t, "end of the client", c.client.lostWith, nil)
				return nil
			},
			"Cancel": func(ctx context.Context, c *tlsConn) error {
				task := spawn(ctx, func(ctx context.Context) error {
					_, err := aio.StartTLS(ctx, c.c, c.client, config, opts)
					return err
				})
				err := aio.Sleep(ctx, time.Second)
				task.Cancel()
				_, cancelled := task.Await(ctx)
				matches(t, "the task", cancelled, aio.ErrCancelled)
				matches(t, "end of the client", c.client.lostWith, nil)
				return err
			},
			"HandshakeTimeout": func(ctx context.Context, c *tlsConn) error {
				_, err := aio.StartTLS(ctx, c.c, c.client, config, &aio.TLSOptions{ServerSide: server, HandshakeTimeout: time.Second})
				matches(t, "StartTLS", err, syscall.ECONNABORTED)
				_, _ = c.client.lost.Await(ctx)
				same(t, "end of the client", c.client.lostWith, err)
				return nil
			},
			"end of file": func(ctx context.Context, c *tlsConn) error {
				c.loop.CallLater(time.Second, c.s.WriteEOF)
				_, err := aio.StartTLS(ctx, c.c, c.client, config, opts)
				matches(t, "StartTLS", err, syscall.ECONNRESET)
				_, _ = c.client.lost.Await(ctx)
				same(t, "end of the client", c.client.lostWith, err)
				return nil
			},
			"garbage": func(ctx context.Context, c *tlsConn) error {
				c.loop.CallLater(time.Second, func() { c.s.Write([]byte("HTTP/1.1 400 Bad Request\r\n")) })
				_, err := aio.StartTLS(ctx, c.c, c.client, config, opts)
				var header tls.RecordHeaderError
				same(t, "StartTLS", errors.As(err, &header), true)
				_, _ = c.client.lost.Await(ctx)
				same(t, "end of the client", errors.As(c.client.lostWith, &header), true)
				return nil
			},
		} {
			t.Run(fmt.Sprint(name, server), func(t *testing.T) {
				inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
					c := tlsPlain(ctx, l)
					start := l.Time()
					matches(t, "the attempt", try(ctx, c), nil)
					same(t, "time that passed", l.Time().Sub(start), time.Second)
					c.over(t)
					same(t, "the connection is closed", c.c.lost, true)
					if last := (*c.log)[len(*c.log)-1]; last != "server:lost" {
						t.Errorf("the last event is %s", last)
					}
					tlsNoTimers(t, l)
					same(t, "tasks left", len(aio.AllTasks(ctx)), 1)
					c.quiet(t)
				})
			})
		}
	}
}

// TLS-026, TLS-027, TLS-021
func TestTLSInsideTLS(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		matches(t, "all clients", aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for i := range stage.Amount(8, 8, 25) {
				tg.Go(func(ctx context.Context) error { return tlsNested(t, ctx, l, i) })
			}
			return nil
		}), nil)
		tlsNoTimers(t, l)
		same(t, "tasks left", len(aio.AllTasks(ctx)), 1)
	})
}

func tlsNested(t *testing.T, ctx context.Context, l *aio.Loop, i int) error {
	var server *aio.Task[aio.Transport]
	c := tlsStart(ctx, l, tlsSetup{before: func(c *tlsConn) {
		c.server.onMade = func(outer aio.Transport) {
			outer.PauseReading()
			server = aio.CreateTask(l.Context(), func(ctx context.Context) (aio.Transport, error) {
				return aio.StartTLS(ctx, outer, c.server, tlsServerConfig(), &aio.TLSOptions{ServerSide: true})
			})
		}
		c.s.chunk, c.c.chunk = i%5*1000, i%3*777
	}})
	eventually(t, ctx, "the client is connected", func() bool { return c.client.transport != nil })
	inner, err := aio.StartTLS(ctx, c.client.transport, c.client, tlsClientConfig(), nil)
	if err != nil {
		return err
	}
	inServer, err := server.Await(ctx)
	if err != nil {
		return err
	}
	sent := tlsBytes(300<<10 + i)
	inner.Write(sent)
	inServer.Write(sent)
	for len(c.server.got) < len(sent) || len(c.client.got) < len(sent) {
		if err := aio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	same(t, "the bytes", bytes.Equal(c.server.got, sent) && bytes.Equal(c.client.got, sent), true)
	*c.log = nil
	inner.Close()
	c.over(t)
	// The order of the two ends depends on how the records are split.
	same(t, "the client's events", c.eventsOf("client"), "client:eof client:lost")
	same(t, "the server's events", c.eventsOf("server"), "server:eof server:lost")
	same(t, "the transport below is lost", c.c.lost && c.s.lost, true)
	c.quiet(t)
	return nil
}

// The outer layer stays open until the inner one has delivered its data.
func TestTLSInsideTLSWhilePaused(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		records := captureLog(t)
		c := tlsPlain(ctx, l)
		c.upgrade(t)
		c.client.transport, c.server.transport = c.ct, c.st
		c.upgrade(t)
		c.ct.PauseReading()
		c.st.Write(tlsBytes(100 << 10))
		c.st.Close()
		_ = aio.Sleep(ctx, time.Second)
		same(t, "IsClosing", c.ct.IsClosing(), false)
		c.ct.ResumeReading()
		c.over(t)
		same(t, "the bytes", bytes.Equal(c.client.got, tlsBytes(100<<10)), true)
		matches(t, "end of the client", c.client.lostWith, nil)
		same(t, "warnings", len(*records), 0)
		c.quiet(t)
	})
}
