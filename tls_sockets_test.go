package aio_test

// TLS over real sockets, and with other TLS implementations.

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

// tlsEcho is the protocol of an echo server. It pauses reading while it cannot
// write.
type tlsEcho struct {
	t    aio.Transport
	n    int
	lost *aio.Future[struct{}]
	err  error
}

func tlsNewEcho(l *aio.Loop) *tlsEcho {
	return &tlsEcho{lost: aio.CreateFuture[struct{}](l.Context())}
}

func (e *tlsEcho) ConnectionMade(t aio.Transport) { e.t = t }
func (e *tlsEcho) DataReceived(p []byte)          { e.n += len(p); e.t.Write(p) }
func (e *tlsEcho) PauseWriting()                  { e.t.PauseReading() }
func (e *tlsEcho) ResumeWriting()                 { e.t.ResumeReading() }
func (e *tlsEcho) ConnectionLost(err error)       { e.err = err; _ = e.lost.SetResult(struct{}{}) }

// tlsSender sends data, collects the echo, and closes the connection.
type tlsSender struct {
	tlsEcho
	send []byte
	got  []byte
}

func (s *tlsSender) ConnectionMade(t aio.Transport) {
	s.t = t
	t.Write(s.send)
}

func (s *tlsSender) DataReceived(p []byte) {
	if s.got = append(s.got, p...); len(s.got) == len(s.send) {
		s.t.Close()
	}
}

var tlsClients = stage.Amount(6, 6, 25)

// TLS-030: both ends use this package.
func TestTLSClientsAndServer(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		var served []*tlsEcho
		srv, err := aio.CreateServer(ctx, func() *tlsEcho {
			e := tlsNewEcho(l)
			served = append(served, e)
			return e
		}, "127.0.0.1:0", &aio.ServerOptions{TLS: tlsServerConfig()})
		if err != nil {
			return err
		}
		var clients []*tlsSender
		err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for i := range tlsClients {
				tg.Go(func(ctx context.Context) error {
					_, c, err := aio.CreateConnection(ctx, func() *tlsSender {
						return &tlsSender{tlsEcho: *tlsNewEcho(l), send: tlsBytes(1<<20 + i)}
					}, srv.Addr().String(), &aio.ConnectionOptions{TLS: tlsClientConfig()})
					clients = append(clients, c)
					return err
				})
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, c := range clients {
			if _, err := c.lost.Await(ctx); err != nil {
				return err
			}
			matches(t, "end of a client", c.err, nil)
			same(t, "the bytes", bytes.Equal(c.got, c.send), true)
		}
		l.CallSoon(srv.Close)
		if err := srv.WaitClosed(ctx); err != nil {
			return err
		}
		same(t, "number of served clients", len(served), tlsClients)
		for _, e := range served {
			if _, err := e.lost.Await(ctx); err != nil {
				return err
			}
			matches(t, "end of a client at the server", e.err, nil)
		}
		return nil
	})
}

// TLS-030: the server uses crypto/tls over package net.
func TestTLSClientsOfPlainGo(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		ln, err := tls.Listen("tcp", "127.0.0.1:0", tlsServerConfig())
		if err != nil {
			return err
		}
		ended := make(chan error, tlsClients)
		go func() {
			for range tlsClients {
				c, err := ln.Accept()
				if err != nil {
					ended <- err
					continue
				}
				go func() {
					// echoes until the close_notify
					_, err := io.Copy(c, c)
					ended <- errors.Join(err, c.Close())
				}()
			}
		}()
		var clients []*tlsSender
		for i := range tlsClients {
			// Use an existing connection.
			conn, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				return err
			}
			_, c, err := aio.CreateConnection(ctx, func() *tlsSender {
				return &tlsSender{tlsEcho: *tlsNewEcho(l), send: tlsBytes(1<<20 + i)}
			}, "", &aio.ConnectionOptions{Conn: conn, TLS: tlsClientConfig()})
			if err != nil {
				return err
			}
			clients = append(clients, c)
		}
		for _, c := range clients {
			if _, err := c.lost.Await(ctx); err != nil {
				return err
			}
			matches(t, "end of a client", c.err, nil)
			same(t, "the bytes", bytes.Equal(c.got, c.send), true)
			matches(t, "end at the server", <-ended, nil)
		}
		return ln.Close()
	})
}

// TLS-030: the clients use crypto/tls over package net, half of them with each TLS
// version.
func TestTLSServerOfPlainGo(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		srv, err := aio.CreateServer(ctx, func() *tlsEcho { return tlsNewEcho(l) }, "127.0.0.1:0", &aio.ServerOptions{TLS: tlsServerConfig()})
		if err != nil {
			return err
		}
		addr := srv.Addr().String()
		client := func(i int) error {
			config := tlsClientConfig()
			if i%2 == 0 {
				config.MaxVersion = tls.VersionTLS12
			}
			c, err := tls.Dial("tcp", addr, config)
			if err != nil {
				return err
			}
			defer c.Close()
			sent := tlsBytes(1<<20 + i)
			wrote := make(chan error, 1)
			go func() {
				_, err := c.Write(sent)
				wrote <- errors.Join(err, c.CloseWrite())
			}()
			got, err := io.ReadAll(c)
			if !bytes.Equal(got, sent) {
				err = fmt.Errorf("client %d: got %d bytes, want %d: %v", i, len(got), len(sent), err)
			}
			return errors.Join(err, <-wrote)
		}
		err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for i := range tlsClients {
				tg.Go(func(ctx context.Context) error {
					_, err := aio.ToThread(ctx, func(context.Context) (struct{}, error) { return struct{}{}, client(i) })
					return err
				})
			}
			return nil
		})
		srv.Close()
		return errors.Join(err, srv.WaitClosed(ctx))
	})
}

// TLS-026: over sockets, and closed by the server.
func TestStartTLSOverSockets(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		config := tlsServerConfig()
		srv, err := aio.CreateServer(ctx, func() *tlsUpgrader {
			return &tlsUpgrader{tlsEcho: *tlsNewEcho(l), loop: l, config: config}
		}, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for range tlsClients {
				tg.Go(func(ctx context.Context) error {
					c := &tlsSender{tlsEcho: *tlsNewEcho(l), send: tlsBytes(100 << 10)}
					var tr aio.Transport
					tr, _, err := aio.CreateConnection(ctx, func() *tlsRaw { return &tlsRaw{} }, srv.Addr().String(), nil)
					for range 2 {
						if err == nil {
							tr, err = aio.StartTLS(ctx, tr, c, tlsClientConfig(), nil)
						}
					}
					if err != nil {
						return err
					}
					c.ConnectionMade(tr)
					if _, err := c.lost.Await(ctx); err != nil {
						return err
					}
					matches(t, "end of a client", c.err, nil)
					same(t, "the bytes", bytes.Equal(c.got, c.send), true)
					return nil
				})
			}
			return nil
		})
		srv.Close()
		return errors.Join(err, srv.WaitClosed(ctx))
	})
}

// tlsUpgrader is an echo server that uses TLS inside TLS from the start.
type tlsUpgrader struct {
	tlsEcho
	loop   *aio.Loop
	config *tls.Config
}

func (u *tlsUpgrader) ConnectionMade(t aio.Transport) {
	t.PauseReading()
	aio.CreateTask(u.loop.Context(), func(ctx context.Context) (_ struct{}, err error) {
		for range 2 {
			if t, err = aio.StartTLS(ctx, t, u, u.config, &aio.TLSOptions{ServerSide: true}); err != nil {
				return struct{}{}, err
			}
		}
		u.t = t
		return struct{}{}, nil
	})
}

// Server.CloseClients closes the TLS layer, so that the peer gets all data and a
// close_notify, and not only EOF of the socket.
func TestTLSServerCloseClients(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		srv, err := aio.CreateServer(ctx, func() *tlsEcho { return tlsNewEcho(l) }, "127.0.0.1:0", &aio.ServerOptions{TLS: tlsServerConfig()})
		if err != nil {
			return err
		}
		addr := srv.Addr().String()
		echoed := make(chan struct{})
		client := aio.CreateTask(ctx, func(ctx context.Context) (struct{}, error) {
			return aio.ToThread(ctx, func(context.Context) (struct{}, error) {
				raw, err := net.Dial("tcp", addr)
				if err != nil {
					return struct{}{}, err
				}
				defer raw.Close()
				c := tls.Client(tlsNoEOF{raw}, tlsClientConfig())
				if _, err := c.Write([]byte("hello")); err != nil {
					return struct{}{}, err
				}
				if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
					return struct{}{}, err
				}
				close(echoed)
				_, err = io.ReadAll(c)
				return struct{}{}, errors.Join(err, c.CloseWrite())
			})
		})
		if _, _, err := aio.Receive(ctx, echoed); err != nil {
			return err
		}
		srv.Close()
		srv.CloseClients()
		if _, err := client.Await(ctx); err != nil {
			t.Errorf("the client did not see a close_notify: %v", err)
		}
		return srv.WaitClosed(ctx)
	})
}

// tlsNoEOF turns EOF of the socket into an error, to distinguish it from a
// close_notify.
type tlsNoEOF struct{ net.Conn }

func (c tlsNoEOF) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// TLS-003, TLS-008, LOOP-130, LOOP-134, LOOP-136: without ServerName the certificate
// must be valid for the host of the address.
func TestTLSServerName(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		srv, err := aio.CreateServer(ctx, func() *tlsEcho { return tlsNewEcho(l) }, "127.0.0.1:0", &aio.ServerOptions{TLS: tlsServerConfig()})
		if err != nil {
			return err
		}
		_, port, err := net.SplitHostPort(srv.Addr().String())
		if err != nil {
			return err
		}
		for host, fits := range map[string]bool{"127.0.0.1": true, "localhost": false} {
			config := &tls.Config{RootCAs: tlsCert().pool}
			tr, app, err := aio.CreateConnection(ctx, func() *tlsApp {
				return tlsNewApp(l.Context(), "app", new(eventLog))
			}, net.JoinHostPort(host, port), &aio.ConnectionOptions{TLS: config, Network: "tcp4"})
			same(t, "the caller's config has a name", config.ServerName, "")
			if !fits {
				var wrong x509.HostnameError
				same(t, host+": a HostnameError for it", errors.As(err, &wrong) && wrong.Host == host, true)
				continue
			}
			if err != nil {
				return err
			}
			app.log.want(t, "app:made")
			same(t, "transport of ConnectionMade", app.transport, tr)
			tr.Close()
			if _, err := app.lost.Await(ctx); err != nil {
				return err
			}
			matches(t, "end of the connection", app.lostWith, nil)
		}
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}

// TLS-006, LOOP-132, LOOP-134, LOOP-135: an empty config verifies with the system's
// root certificates, which do not include that of this test.
func TestTLSVerifiesByDefault(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		app := tlsNewEcho(l)
		srv, err := aio.CreateServer(ctx, func() *tlsEcho { return app }, "127.0.0.1:0", &aio.ServerOptions{TLS: tlsServerConfig()})
		if err != nil {
			return err
		}
		client := tlsNewEcho(l)
		tr, _, err := aio.CreateConnection(ctx, func() *tlsEcho { return client }, srv.Addr().String(), &aio.ConnectionOptions{TLS: &tls.Config{}})
		var verification *tls.CertificateVerificationError
		same(t, "a CertificateVerificationError", errors.As(err, &verification), true)
		same(t, "transport", tr, nil)
		srv.Close()
		if err := srv.WaitClosed(ctx); err != nil {
			return err
		}
		// TLS-016
		same(t, "callbacks of the protocols", client.t != nil || app.t != nil || client.lost.Done() || app.lost.Done(), false)
		return nil
	})
}

// TLS-001 to TLS-005, LOOP-128, LOOP-131, LOOP-137: with invalid options no connection
// is made or accepted.
func TestTLSOptionsMisuse(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		conn, other := net.Pipe()
		defer conn.Close()
		defer other.Close()
		echo := func() *tlsEcho { return tlsNewEcho(l) }
		const addr = "127.0.0.1:1"
		client, server := tlsClientConfig(), tlsServerConfig()
		for name, call := range map[string]func() error{
			"handshake timeout without TLS": func() error {
				_, _, err := aio.CreateConnection(ctx, echo, addr, &aio.ConnectionOptions{HandshakeTimeout: time.Second})
				return err
			},
			"shutdown timeout without TLS": func() error {
				_, err := aio.CreateServer(ctx, echo, addr, &aio.ServerOptions{ShutdownTimeout: time.Second})
				return err
			},
			"accepted, timeout without TLS": func() error {
				_, _, err := aio.ConnectAcceptedSocket(ctx, echo, conn, &aio.ConnectionOptions{ShutdownTimeout: time.Second})
				return err
			},
			"negative timeout of a client": func() error {
				_, _, err := aio.CreateConnection(ctx, echo, addr, &aio.ConnectionOptions{TLS: client, HandshakeTimeout: -1})
				return err
			},
			"negative timeout of a server": func() error {
				_, err := aio.CreateServer(ctx, echo, addr, &aio.ServerOptions{TLS: server, ShutdownTimeout: -1})
				return err
			},
			"a connection without a name": func() error {
				_, _, err := aio.CreateConnection(ctx, echo, "", &aio.ConnectionOptions{Conn: conn, TLS: &tls.Config{}})
				return err
			},
			"a path without a name": func() error {
				_, _, err := aio.CreateUnixConnection(ctx, echo, "no-such-socket", &aio.ConnectionOptions{TLS: &tls.Config{}})
				return err
			},
			"a server without a certificate": func() error {
				_, err := aio.CreateServer(ctx, echo, addr, &aio.ServerOptions{TLS: client})
				return err
			},
			"a Unix server without a certificate": func() error {
				_, err := aio.CreateUnixServer(ctx, echo, "no-such-socket", &aio.ServerOptions{TLS: client})
				return err
			},
			"accepted without a certificate": func() error {
				_, _, err := aio.ConnectAcceptedSocket(ctx, echo, conn, &aio.ConnectionOptions{TLS: client})
				return err
			},
		} {
			matches(t, name, call(), aio.ErrUsage)
		}
	})
}

// TLS-018, TLS-012: the server side of a connection that was accepted elsewhere.
func TestTLSAcceptedSocket(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		accept := func(peer func(net.Conn) error, limit time.Duration) (*tlsApp, error, error) {
			done := make(chan error, 1)
			go func() {
				c, err := net.Dial("tcp", ln.Addr().String())
				if err == nil {
					err = peer(c)
					c.Close()
				}
				done <- err
			}()
			conn, err := ln.Accept()
			if err != nil {
				return nil, err, <-done
			}
			app := tlsNewApp(l.Context(), "app", new(eventLog))
			tr, _, err := aio.ConnectAcceptedSocket(ctx, func() *tlsApp { return app }, conn,
				&aio.ConnectionOptions{TLS: tlsServerConfig(), HandshakeTimeout: limit})
			if err == nil {
				same(t, "transport of ConnectionMade", app.transport, tr)
				_, err = app.lost.Await(ctx)
			}
			peerErr, _, _ := aio.Receive(ctx, done)
			return app, err, peerErr
		}

		app, err, peerErr := accept(func(c net.Conn) error {
			tc := tls.Client(c, tlsClientConfig())
			_, err := tc.Write([]byte("hello"))
			return errors.Join(err, tc.Close())
		}, 0)
		matches(t, "a client", err, nil)
		matches(t, "the client's end", peerErr, nil)
		app.log.want(t, "app:made app:hello app:eof app:lost")

		app, err, peerErr = accept(func(c net.Conn) error { return nil }, 0)
		matches(t, "a client that disconnects", err, syscall.ECONNRESET)
		matches(t, "its end", peerErr, nil)
		app.log.want(t, "")

		// TLS-009
		app, err, peerErr = accept(func(c net.Conn) error {
			_, err := io.ReadAll(c)
			return err
		}, time.Nanosecond)
		matches(t, "a client that sends nothing", err, aio.ErrTimeout)
		matches(t, "its end", peerErr, nil)
		app.log.want(t, "")

		app, err, peerErr = accept(func(c net.Conn) error {
			_, err := c.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
			io.Copy(io.Discard, c)
			return err
		}, 0)
		var header tls.RecordHeaderError
		same(t, "a tls.RecordHeaderError", errors.As(err, &header), true)
		matches(t, "its end", peerErr, nil)
		app.log.want(t, "")
		return nil
	})
}

// TLS-010, TLS-017: a client whose connection attempt times out leaves nothing open.
func TestTLSConnectGivenUp(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		hello, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			c, err := ln.Accept()
			if err == nil {
				defer c.Close()
				_, err = io.ReadFull(c, make([]byte, 5))
				close(hello)
			}
			if err == nil {
				_, err = io.ReadAll(c)
			}
			ended <- err
		}()
		app := tlsNewEcho(l)
		task := spawn(ctx, func(ctx context.Context) error {
			_, _, err := aio.CreateConnection(ctx, func() *tlsEcho { return app }, ln.Addr().String(), &aio.ConnectionOptions{TLS: tlsClientConfig()})
			return err
		})
		if _, _, err := aio.Receive(ctx, hello); err != nil {
			return err
		}
		task.Cancel()
		_, err = task.Await(ctx)
		matches(t, "CreateConnection", err, aio.ErrCancelled)
		atPeer, _, err := aio.Receive(ctx, ended)
		matches(t, "error of the peer", atPeer, nil)
		same(t, "callbacks of the protocol", app.t != nil || app.lost.Done(), false)
		eventually(t, ctx, "the task of the handshake has ended", func() bool { return len(aio.AllTasks(ctx)) == 1 })
		tlsNoTimers(t, l) // TLS-011
		return err
	})
}

// TLS-004, LOOP-137: over a Unix socket, which has no host name.
func TestTLSOverUnixSockets(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		// the path of a socket must be short
		dir, err := os.MkdirTemp("", "aio")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "s")
		srv, err := aio.CreateUnixServer(ctx, func() *tlsEcho { return tlsNewEcho(l) }, path, &aio.ServerOptions{TLS: tlsServerConfig()})
		if err != nil {
			return err
		}
		_, c, err := aio.CreateUnixConnection(ctx, func() *tlsSender {
			return &tlsSender{tlsEcho: *tlsNewEcho(l), send: tlsBytes(1 << 20)}
		}, path, &aio.ConnectionOptions{TLS: tlsClientConfig()})
		if err != nil {
			return err
		}
		if _, err := c.lost.Await(ctx); err != nil {
			return err
		}
		matches(t, "end of the connection", c.err, nil)
		same(t, "the bytes", bytes.Equal(c.got, c.send), true)
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}

// TLS-040: streams get a clean EOF, on 25 concurrent connections.
func TestTLSStreamsEnd(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		left := tlsClients
		var over aio.Event
		srv, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			line, err := r.ReadLine(ctx)
			if err != nil {
				return err
			}
			w.Write(line)
			w.Close()
			if err := w.WaitClosed(ctx); err != nil {
				return err
			}
			if left--; left == 0 {
				over.Set()
			}
			return nil
		}, "127.0.0.1:0", &aio.ServerOptions{TLS: tlsServerConfig()})
		if err != nil {
			return err
		}
		err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for range tlsClients {
				tg.Go(func(ctx context.Context) error {
					r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), &aio.ConnectionOptions{TLS: tlsClientConfig()})
					if err != nil {
						return err
					}
					w.Write([]byte("hello\n"))
					all, err := r.Read(ctx, -1)
					same(t, "until the end", string(all), "hello\n")
					return errors.Join(err, w.Close(), w.WaitClosed(ctx))
				})
			}
			// the connections may be closed before the handlers notice
			return over.Wait(ctx)
		})
		srv.Close()
		return errors.Join(err, srv.WaitClosed(ctx))
	})
}

// tlsDamage is a connection that corrupts written data once it is switched on.
type tlsDamage struct {
	net.Conn
	on bool
}

func (d *tlsDamage) Write(p []byte) (int, error) {
	if d.on {
		p = bytes.Clone(p)
		p[len(p)-1] ^= 1
	}
	return d.Conn.Write(p)
}

// TLS-031: data before the corrupted record can be read; then Read and WaitClosed fail.
func TestTLSStreamsCorruptedRecord(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		ended := make(chan error, 1)
		go func() {
			c, err := ln.Accept()
			if err != nil {
				ended <- err
				return
			}
			defer c.Close()
			damage := &tlsDamage{Conn: c}
			tc := tls.Server(damage, tlsServerConfig())
			_, err = tc.Write([]byte("a line\n"))
			damage.on = true
			_, werr := tc.Write([]byte("another\n"))
			io.Copy(io.Discard, c) // until the client closes the connection
			ended <- errors.Join(err, werr)
		}()
		r, w, err := aio.OpenConnection(ctx, ln.Addr().String(), &aio.ConnectionOptions{TLS: tlsClientConfig()})
		if err != nil {
			return err
		}
		line, err := r.ReadLine(ctx)
		matches(t, "the first line", err, nil)
		same(t, "the first line", string(line), "a line\n")
		var alert *net.OpError
		_, err = r.ReadLine(ctx)
		same(t, "the second line fails", errors.As(err, &alert) && alert.Op == "local error", true)
		matches(t, "WaitClosed", w.WaitClosed(ctx), err)
		atPeer, _, err := aio.Receive(ctx, ended)
		matches(t, "the peer", atPeer, nil)
		return err
	})
}
