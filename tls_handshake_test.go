package aio_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// tlsRaw is a protocol without TLS.
type tlsRaw struct {
	t    aio.Transport
	got  []byte
	eof  bool
	over bool
}

func (r *tlsRaw) ConnectionMade(t aio.Transport) { r.t = t }

func (r *tlsRaw) DataReceived(p []byte) { r.got = append(r.got, p...) }

func (r *tlsRaw) EOFReceived() bool { r.eof = true; return false }

func (r *tlsRaw) ConnectionLost(error) { r.over = true }

func (r *tlsRaw) PauseWriting() {}

func (r *tlsRaw) ResumeWriting() {}

// tlsHandshake is a TLS end whose peer does not use TLS.
type tlsHandshake struct {
	t         aio.Transport
	app       *tlsApp
	lower     *tlsEnd // below it
	raw       *tlsRaw
	outcome   []error
	reports   *[]aio.ExceptionContext
	log       eventLog
	loop      *aio.Loop
	ctx       context.Context
	startedAt time.Time
}

// tlsHalf starts a handshake with a peer that does not use TLS.
func tlsHalf(ctx context.Context, l *aio.Loop, server bool, config *tls.Config, timeout time.Duration) *tlsHandshake {
	h := &tlsHandshake{raw: &tlsRaw{}, reports: new([]aio.ExceptionContext), loop: l, ctx: ctx, startedAt: l.Time()}
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { *h.reports = append(*h.reports, ec) })
	h.app = tlsNewApp(ctx, "app", &h.log)
	var far *tlsEnd
	h.lower, far = tlsPipe(l)
	if config == nil && server {
		config = tlsServerConfig()
	} else if config == nil {
		config = tlsClientConfig()
	}
	var below aio.Protocol
	h.t, below = aio.NewTLS(l, h.app, config, server, timeout, 0, func(err error) { h.outcome = append(h.outcome, err) })
	h.lower.connect(below)
	far.connect(h.raw)
	return h
}

// failed waits for the result, which must be a handshake error. The application must
// not have been called, and nothing must be left open.
func (h *tlsHandshake) failed(t *testing.T, targets ...error) error {
	t.Helper()
	for i := 0; len(h.outcome) == 0 && i < 1000; i++ {
		if held, _ := aio.Timers(h.loop); held > 0 {
			_ = aio.Sleep(h.ctx, 0)
		}
	}
	_ = aio.Sleep(h.ctx, time.Nanosecond)
	if len(h.outcome) != 1 || h.outcome[0] == nil {
		t.Fatalf("outcome %v", h.outcome)
	}
	for _, target := range targets {
		matches(t, "handshake", h.outcome[0], target)
	}
	h.log.want(t, "")
	same(t, "IsClosing", h.t.IsClosing(), true)
	same(t, "the transport below is lost", h.lower.lost, true)
	same(t, "the peer's connection is lost", h.raw.eof && h.raw.over, true)
	tlsNoTimers(t, h.loop)
	same(t, "tasks left", len(aio.AllTasks(h.ctx)), 1)
	return h.outcome[0]
}

// TLS-009, TLS-001, TLS-011
func TestTLSHandshakeTimeout(t *testing.T) {
	for _, server := range []bool{false, true} {
		for _, c := range []struct{ given, want time.Duration }{{0, time.Minute}, {time.Second, time.Second}} {
			inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
				h := tlsHalf(ctx, l, server, nil, c.given)
				_ = aio.Sleep(ctx, c.want-time.Nanosecond)
				same(t, "results before the timeout", len(h.outcome), 0)
				_ = aio.Sleep(ctx, time.Nanosecond)
				err := h.failed(t, aio.ErrTimeout, context.DeadlineExceeded, os.ErrDeadlineExceeded, syscall.ECONNABORTED)
				same(t, "text", err.Error(), fmt.Sprintf("aio: TLS handshake took longer than %v", c.want))
				var ne net.Error
				same(t, "net.Error", errors.As(err, &ne) && ne.Timeout(), true)
				same(t, "reports", len(*h.reports), 0)
			})
		}
	}
}

// TLS-012, TLS-013
func TestTLSHandshakeEndOfInput(t *testing.T) {
	hello := tlsHello(t)
	for name, send := range map[string][]byte{"nothing": nil, "part of a header": hello[:3], "part of a hello": hello[:100], "a hello": hello} {
		t.Run(name, func(t *testing.T) {
			inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
				h := tlsHalf(ctx, l, true, nil, 0)
				h.lower.peer.Write(send)
				h.lower.peer.WriteEOF()
				h.failed(t, syscall.ECONNRESET, io.ErrUnexpectedEOF)
				same(t, "reports", len(*h.reports), 0)
			})
		})
	}
}

// tlsHello returns the first message of a client.
func tlsHello(t *testing.T) (hello []byte) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		h := tlsHalf(ctx, l, false, nil, 0)
		_ = aio.Sleep(ctx, time.Nanosecond)
		hello = h.raw.got
		h.t.Abort()
	})
	return hello
}

// TLS-013
func TestTLSHandshakeConnectionLost(t *testing.T) {
	failure := errors.New("the connection breaks")
	for _, err := range []error{failure, nil} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			h := tlsHalf(ctx, l, false, nil, 0)
			_ = aio.Sleep(ctx, 0)
			h.lower.lose(err)
			if err == nil {
				h.failed(t, net.ErrClosed)
			} else {
				h.failed(t, failure)
			}
		})
	}
}

// TLS-015
func TestTLSCloseDuringHandshake(t *testing.T) {
	for name, end := range map[string]func(aio.Transport){
		"Close": func(t aio.Transport) { t.Close() },
		"Abort": func(t aio.Transport) { t.Abort() },
	} {
		for passes := range 4 {
			t.Run(fmt.Sprint(name, passes), func(t *testing.T) {
				inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
					h := tlsHalf(ctx, l, false, nil, 0)
					letPass(ctx, passes)
					wire := len(h.lower.wire)
					end(h.t)
					same(t, "outcomes at once", len(h.outcome), 1)
					end(h.t)
					h.failed(t, net.ErrClosed)
					same(t, "bytes sent after it", len(h.lower.wire)-wire, 0)
					same(t, "reports", len(*h.reports), 0)
				})
			})
		}
	}
}

// TLS-016
func TestTLSGarbage(t *testing.T) {
	for name, garbage := range map[string]string{
		"HTTP":                 "GET / HTTP/1.0\r\n\r\n",
		"zeros":                strings.Repeat("\x00", 1000),
		"SSLv2":                "\x80\x2e\x01\x00\x02",
		"a record too long":    "\x16\x03\x01\xff\xff",
		"no handshake message": "\x16\x03\x01\x00\x04\xff\x00\x00\x00",
		"an alert":             "\x15\x03\x01\x00\x02\x02\x28",
	} {
		for _, server := range []bool{false, true} {
			t.Run(fmt.Sprint(name, server), func(t *testing.T) {
				inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
					h := tlsHalf(ctx, l, server, nil, 0)
					h.lower.peer.Write([]byte(garbage))
					err := h.failed(t)
					if errors.Is(err, aio.ErrTimeout) || errors.Is(err, net.ErrClosed) {
						t.Errorf("error %v is not a TLS error", err)
					}
					same(t, "time that passed", l.Time().Sub(h.startedAt), time.Nanosecond)
					same(t, "reports", len(*h.reports), 0)
				})
			})
		}
	}
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		h := tlsHalf(ctx, l, true, nil, 0)
		h.lower.peer.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
		var header tls.RecordHeaderError
		same(t, "a tls.RecordHeaderError", errors.As(h.failed(t), &header), true)
	})
}

// TLS-014: an alert informs the server.
func TestTLSCertificateErrors(t *testing.T) {
	for name, config := range map[string]*tls.Config{
		"another name":      {ServerName: "other.test", RootCAs: tlsCert().pool},
		"unknown authority": {ServerName: "tls.test", RootCAs: x509.NewCertPool()},
	} {
		t.Run(name, func(t *testing.T) {
			tlsVersions(t, func(t *testing.T, version uint16) {
				inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
					config := config.Clone()
					config.MaxVersion = version
					c := tlsStart(ctx, l, tlsSetup{client: config})
					c.settle()
					var verification *tls.CertificateVerificationError
					same(t, "error of the client", len(c.cErr) == 1 && errors.As(c.cErr[0], &verification), true)
					var alert *net.OpError
					same(t, "error of the server", len(c.sErr) == 1 && errors.As(c.sErr[0], &alert) && alert.Op == "remote error", true)
					c.log.want(t, "")
					tlsNoTimers(t, l)
					c.quiet(t)
				})
			})
		})
	}
}

// The handshake of a TLS 1.3 client ends before the server has checked the client's
// certificate.
func TestTLSClientCertificateIsMissing(t *testing.T) {
	tlsVersions(t, func(t *testing.T, version uint16) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			client, server := tlsClientConfig(), tlsServerConfig()
			client.MaxVersion = version
			server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, tlsCert().pool
			c := tlsStart(ctx, l, tlsSetup{client: client, server: server})
			c.settle()
			same(t, "the server's handshake failed", len(c.sErr) == 1 && c.sErr[0] != nil, true)
			if version == tls.VersionTLS12 {
				same(t, "the client's handshake failed", len(c.cErr) == 1 && c.cErr[0] != nil, true)
				c.log.want(t, "")
			} else {
				same(t, "the client's handshake", c.cErr[0], nil)
				c.log.want(t, "client:made client:lost-with-error")
				var alert *net.OpError
				same(t, "error of the client", errors.As(c.client.lostWith, &alert) && alert.Op == "remote error", true)
			}
			c.quiet(t)
		})
	})
}

// The callbacks of a tls.Config may await, with the context of the ClientHelloInfo.
func TestTLSConfigCallbackAwaits(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		server := tlsServerConfig()
		var asked string
		server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			asked = hello.ServerName + " from " + hello.Conn.RemoteAddr().String()
			return nil, aio.Sleep(hello.Context(), 5*time.Second)
		}
		start := l.Time()
		c := tlsStart(ctx, l, tlsSetup{server: server})
		_ = aio.Sleep(ctx, 5*time.Second)
		c.settle()
		c.log.want(t, "client:made server:made")
		same(t, "asked for", asked, "tls.test from a")
		same(t, "time that passed", l.Time().Sub(start), 5*time.Second+time.Nanosecond)
		c.ct.Close()
		c.over(t)
	})
}

// When the handshake is cancelled or times out, the await of the callback is cancelled.
func TestTLSConfigCallbackIsCancelled(t *testing.T) {
	for name, end := range map[string]func(*tlsHandshake){
		"by the timeout": func(h *tlsHandshake) { _ = aio.Sleep(h.ctx, time.Minute) },
		"by Close":       func(h *tlsHandshake) { h.t.Close() },
		"by the peer":    func(h *tlsHandshake) { h.lower.lose(syscall.ECONNRESET); _ = aio.Sleep(h.ctx, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			hello := tlsHello(t)
			inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
				server := tlsServerConfig()
				var got error
				server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
					got = aio.Sleep(hello.Context(), time.Hour)
					// swallowing the cancellation changes nothing
					return nil, nil
				}
				h := tlsHalf(ctx, l, true, server, 0)
				h.lower.peer.Write(hello)
				_ = aio.Sleep(ctx, time.Nanosecond)
				end(h)
				h.failed(t)
				matches(t, "Sleep in the callback", got, aio.ErrCancelled)
				same(t, "reports", len(*h.reports), 0)
			})
		})
	}
}

// If a callback panics, the handshake fails, and the panic is reported to the exception
// handler.
func TestTLSConfigCallbackPanics(t *testing.T) {
	hello := tlsHello(t)
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		server := tlsServerConfig()
		server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { panic("no config") }
		h := tlsHalf(ctx, l, true, server, 0)
		h.lower.peer.Write(hello)
		err := h.failed(t)
		var p *aio.PanicError
		same(t, "the panic", errors.As(err, &p) && p.Value == "no config", true)
		same(t, "reports", len(*h.reports), 1)
		same(t, "the report", (*h.reports)[0].Message, "TLS handshake failed")
		same(t, "its transport", (*h.reports)[0].Transport, aio.BaseTransport(h.t))
	})
}

// A handshake fails if its task is cancelled, as all tasks are at the end of a program.
func TestTLSHandshakeTaskCancelled(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		h := tlsHalf(ctx, l, false, nil, 0)
		_ = aio.Sleep(ctx, time.Nanosecond)
		for _, task := range aio.AllTasks(ctx) {
			if task != aio.CurrentTask(ctx) {
				same(t, "name of the task", task.GetName(), "TLS handshake")
				task.Cancel()
			}
		}
		err := h.failed(t, net.ErrClosed)
		same(t, "it is a cancellation", errors.Is(err, aio.ErrCancelled), false)
	})
}

// Closing a loop during a handshake reports nothing and leaves no goroutine.
func TestTLSLoopClosedDuringHandshake(t *testing.T) {
	l, reports := newLoop(t)
	var h *tlsHandshake
	matches(t, "the run", runMain(l, func(ctx context.Context) error {
		h = tlsHalf(ctx, l, false, nil, 0)
		h.reports = reports
		return aio.Sleep(ctx, time.Nanosecond)
	}), nil)
	matches(t, "Close", l.Close(), nil)
	same(t, "outcomes", len(h.outcome), 0)
	same(t, "reports", len(*reports), 0)
}

// Whatever a peer sends, in whatever pieces, the handshake ends once and leaves nothing
// open.
func FuzzTLSHandshake(f *testing.F) {
	f.Add([]byte{}, 0, false)
	f.Add([]byte("\x16\x03\x01\x00\x05hello"), 1, true)
	f.Add([]byte("\x15\x03\x03\x00\x02\x01\x00\x15\x03\x03\x00\x02\x01\x00"), 3, false)
	f.Add([]byte("\x17\x03\x03\x00\x00"), 2, true)
	f.Fuzz(func(t *testing.T, sent []byte, chunk int, server bool) {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			h := tlsHalf(ctx, l, server, nil, 0)
			h.lower.peer.chunk = max(chunk, 0)
			h.lower.peer.Write(sent)
			h.lower.peer.WriteEOF()
			h.failed(t)
			same(t, "reports", len(*h.reports), 0)
		})
	})
}
