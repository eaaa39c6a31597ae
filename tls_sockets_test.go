package aio_test

// TLS over real sockets, and with other implementations at the other end.

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// tlsTestEcho sends back what it gets. It stops reading while it cannot write.
type tlsTestEcho struct {
	t    aio.Transport
	n    int
	lost *aio.Future[struct{}]
	err  error
}

func (e *tlsTestEcho) ConnectionMade(t aio.Transport) { e.t = t }
func (e *tlsTestEcho) DataReceived(p []byte)          { e.n += len(p); e.t.Write(p) }
func (e *tlsTestEcho) PauseWriting()                  { e.t.PauseReading() }
func (e *tlsTestEcho) ResumeWriting()                 { e.t.ResumeReading() }
func (e *tlsTestEcho) ConnectionLost(err error)       { e.err = err; _ = e.lost.SetResult(struct{}{}) }

// tlsTestSender sends something and collects the answer, then closes.
type tlsTestSender struct {
	tlsTestEcho
	send []byte
	got  []byte
}

func (s *tlsTestSender) ConnectionMade(t aio.Transport) {
	s.t = t
	t.Write(s.send)
}

func (s *tlsTestSender) DataReceived(p []byte) {
	if s.got = append(s.got, p...); len(s.got) == len(s.send) {
		s.t.Close()
	}
}

// tlsTestOver makes p the protocol of a TLS layer, which is the protocol of a connection. A handshake that
// fails fails the test.
func tlsTestOver(t *testing.T, l *aio.Loop, p aio.Protocol, config *tls.Config, server bool) aio.Protocol {
	_, lower := aio.NewTLS(l, p, config, server, 0, 0, func(err error) {
		if err != nil {
			t.Errorf("handshake: %v", err)
		}
	})
	return lower
}

const tlsTestClients = 25

// TLS-030: both ends are this package's.
func TestTLSClientsAndServer(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		var served []*tlsTestEcho
		config := tlsTestServerConfig()
		srv, err := aio.CreateServer(ctx, func() aio.Protocol {
			e := &tlsTestEcho{lost: aio.CreateFuture[struct{}](l.Context())}
			served = append(served, e)
			return tlsTestOver(t, l, e, config, true)
		}, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		var clients []*tlsTestSender
		err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for i := range tlsTestClients {
				tg.Go(func(ctx context.Context) error {
					c := &tlsTestSender{send: tlsTestBytes(1<<20 + i)}
					c.lost = aio.CreateFuture[struct{}](ctx)
					clients = append(clients, c)
					_, _, err := aio.CreateConnection(ctx, func() aio.Protocol {
						return tlsTestOver(t, l, c, tlsTestClientConfig(), false)
					}, srv.Addr().String(), nil)
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
		same(t, "clients that were served", len(served), tlsTestClients)
		for _, e := range served {
			if _, err := e.lost.Await(ctx); err != nil {
				return err
			}
			matches(t, "end of a client at the server", e.err, nil)
		}
		return nil
	})
}

// TLS-030: the server is crypto/tls on net.
func TestTLSClientsOfPlainGo(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		ln, err := tls.Listen("tcp", "127.0.0.1:0", tlsTestServerConfig())
		if err != nil {
			return err
		}
		ended := make(chan error, tlsTestClients)
		go func() {
			for range tlsTestClients {
				c, err := ln.Accept()
				if err != nil {
					ended <- err
					continue
				}
				go func() {
					_, err := io.Copy(c, c) // up to the close_notify
					ended <- errors.Join(err, c.Close())
				}()
			}
		}()
		var clients []*tlsTestSender
		for i := range tlsTestClients {
			c := &tlsTestSender{send: tlsTestBytes(1<<20 + i)}
			c.lost = aio.CreateFuture[struct{}](ctx)
			clients = append(clients, c)
			// A connection that exists already.
			conn, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				return err
			}
			if _, _, err = aio.CreateConnection(ctx, func() aio.Protocol {
				return tlsTestOver(t, l, c, tlsTestClientConfig(), false)
			}, "", &aio.ConnectionOptions{Conn: conn}); err != nil {
				return err
			}
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

// TLS-030: the clients are crypto/tls on net, with half of each version.
func TestTLSServerOfPlainGo(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		config := tlsTestServerConfig()
		srv, err := aio.CreateServer(ctx, func() aio.Protocol {
			return tlsTestOver(t, l, &tlsTestEcho{lost: aio.CreateFuture[struct{}](l.Context())}, config, true)
		}, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		addr := srv.Addr().String()
		client := func(i int) error {
			config := tlsTestClientConfig()
			if i%2 == 0 {
				config.MaxVersion = tls.VersionTLS12
			}
			c, err := tls.Dial("tcp", addr, config)
			if err != nil {
				return err
			}
			defer c.Close()
			sent := tlsTestBytes(1<<20 + i)
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
			for i := range tlsTestClients {
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

// TLS-026: over sockets, and closed from the server's side.
func TestStartTLSOverSockets(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		config := tlsTestServerConfig()
		srv, err := aio.CreateServer(ctx, func() *tlsTestUpgrader {
			u := &tlsTestUpgrader{loop: l, config: config}
			u.lost = aio.CreateFuture[struct{}](l.Context())
			return u
		}, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for range tlsTestClients {
				tg.Go(func(ctx context.Context) error {
					c := &tlsTestSender{send: tlsTestBytes(100 << 10)}
					c.lost = aio.CreateFuture[struct{}](ctx)
					var tr aio.Transport
					tr, _, err := aio.CreateConnection(ctx, func() *tlsTestRaw { return &tlsTestRaw{} }, srv.Addr().String(), nil)
					for range 2 {
						if err == nil {
							tr, err = aio.StartTLS(ctx, tr, c, tlsTestClientConfig(), nil)
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

// tlsTestUpgrader is an echo that has TLS inside TLS from the beginning.
type tlsTestUpgrader struct {
	tlsTestEcho
	loop   *aio.Loop
	config *tls.Config
}

func (u *tlsTestUpgrader) ConnectionMade(t aio.Transport) {
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

// Server.CloseClients closes the layer on top, so that the peer gets everything and then its
// close_notify, not only the end of the socket.
func TestTLSServerCloseClients(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		config := tlsTestServerConfig()
		srv, err := aio.CreateServer(ctx, func() aio.Protocol {
			return tlsTestOver(t, l, &tlsTestEcho{lost: aio.CreateFuture[struct{}](l.Context())}, config, true)
		}, "127.0.0.1:0", nil)
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
				c := tls.Client(tlsTestNoEOF{raw}, tlsTestClientConfig())
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

// tlsTestNoEOF has the end of the socket be an error, so that a close_notify can be told from it.
type tlsTestNoEOF struct{ net.Conn }

func (c tlsTestNoEOF) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// TLS-016: over sockets.
func TestTLSGarbageOverSockets(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		failed := aio.CreateFuture[error](ctx)
		app := &tlsTestRaw{}
		srv, err := aio.CreateServer(ctx, func() aio.Protocol {
			_, lower := aio.NewTLS(l, app, tlsTestServerConfig(), true, 0, 0, func(err error) { _ = failed.SetResult(err) })
			return lower
		}, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		tr, client, err := aio.CreateConnection(ctx, func() *ioClient {
			return &ioClient{lost: aio.CreateFuture[error](ctx)}
		}, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		tr.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
		outcome, err := failed.Await(ctx)
		if err != nil {
			return err
		}
		var header tls.RecordHeaderError
		same(t, "a tls.RecordHeaderError", errors.As(outcome, &header), true)
		if _, err := client.lost.Await(ctx); err != nil {
			return err
		}
		srv.Close()
		if err := srv.WaitClosed(ctx); err != nil {
			return err
		}
		same(t, "callbacks of the application", app.t != nil || app.eof || app.over, false)
		return nil
	})
}

// tlsTestOpenSSL returns the command openssl, and files with the server's certificate and key.
func tlsTestOpenSSL(t *testing.T) (cmd, cert, key string) {
	cmd, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl command to test against")
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	der, err := x509.MarshalPKCS8PrivateKey(tlsTestCert().server.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: tlsTestCert().server.Certificate[0]},
		key:  {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cmd, cert, key
}

// tlsTestProcess is a command whose output is read line by line.
type tlsTestProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	all strings.Builder
}

func tlsTestRun(name string, args ...string) (*tlsTestProcess, error) {
	p := &tlsTestProcess{cmd: exec.Command(name, args...)}
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = p.cmd.Stdout // into the same pipe
	p.out = bufio.NewReader(out)
	return p, p.cmd.Start()
}

// until reads up to a line that contains text, and returns it.
func (p *tlsTestProcess) until(text string) (string, error) {
	for {
		line, err := p.out.ReadString('\n')
		p.all.WriteString(line)
		if strings.Contains(line, text) {
			return line, nil
		}
		if err != nil {
			return "", fmt.Errorf("waiting for %q: %w, after this output:\n%s", text, err, p.all.String())
		}
	}
}

// say writes a line.
func (p *tlsTestProcess) say(line string) error {
	_, err := io.WriteString(p.in, line+"\n")
	return err
}

// OpenSSL is the client: it updates its keys and asks for ours, and closes with a close_notify.
func TestTLSOpenSSLClient(t *testing.T) {
	openssl, _, _ := tlsTestOpenSSL(t)
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				l, err := aio.GetRunningLoop(ctx)
				if err != nil {
					return err
				}
				app := &tlsTestEcho{lost: aio.CreateFuture[struct{}](ctx)}
				srv, err := aio.CreateServer(ctx, func() aio.Protocol {
					return tlsTestOver(t, l, app, tlsTestServerConfig(), true)
				}, "127.0.0.1:0", nil)
				if err != nil {
					return err
				}
				addr := srv.Addr().String()
				_, err = aio.ToThread(ctx, func(context.Context) (struct{}, error) {
					p, err := tlsTestRun(openssl, "s_client", "-connect", addr, version)
					if err != nil {
						return struct{}{}, err
					}
					steps := []struct{ say, until string }{{"first line", "first line"}, {"second line", "second line"}, {"Q", "DONE"}}
					if version == "-tls1_3" {
						steps[1].say, steps[1].until = "K", "KEYUPDATE"
						steps = append(steps[:2], append([]struct{ say, until string }{{"with new keys", "with new keys"}}, steps[2:]...)...)
					}
					for _, step := range steps {
						if err == nil {
							err = p.say(step.say)
						}
						if err == nil {
							_, err = p.until(step.until)
						}
					}
					return struct{}{}, errors.Join(err, p.in.Close(), p.cmd.Wait())
				})
				if err != nil {
					return err
				}
				if _, err := app.lost.Await(ctx); err != nil {
					return err
				}
				matches(t, "end of the connection", app.err, nil)
				srv.Close()
				return srv.WaitClosed(ctx)
			})
		})
	}
}

// OpenSSL is the server, which sends each line back in reverse.
func TestTLSOpenSSLServer(t *testing.T) {
	openssl, cert, key := tlsTestOpenSSL(t)
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				p, err := tlsTestRun(openssl, "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-rev", "-naccept", "1", version)
				if err != nil {
					return err
				}
				line, err := p.until("ACCEPT ")
				if err != nil {
					return err
				}
				addr := strings.TrimSpace(strings.TrimPrefix(line, "ACCEPT "))
				tr, _, err := aio.CreateConnection(ctx, func() *tlsTestRaw { return &tlsTestRaw{} }, addr, nil)
				if err != nil {
					return err
				}
				app := &ioClient{lost: aio.CreateFuture[error](ctx)}
				tr, err = aio.StartTLS(ctx, tr, app, tlsTestClientConfig(), &aio.TLSOptions{HandshakeTimeout: time.Minute})
				if err != nil {
					return err
				}
				tr.Write([]byte("stressed\n"))
				for !strings.Contains(string(app.got), "\n") {
					app.more.Clear()
					if err := app.more.Wait(ctx); err != nil {
						return err
					}
				}
				same(t, "the answer", string(app.got), "desserts\n")
				tr.Close()
				ended, err := app.lost.Await(ctx)
				matches(t, "end of the connection", ended, nil)
				_, waited := aio.ToThread(ctx, func(context.Context) (struct{}, error) {
					_, _ = io.Copy(io.Discard, p.out)
					return struct{}{}, p.cmd.Wait()
				})
				return errors.Join(err, waited)
			})
		})
	}
}
