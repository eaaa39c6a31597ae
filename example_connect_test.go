package aio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

// asker is a protocol that sends a line and waits for the answer.
type asker struct {
	question string
	answer   []byte
	answered *aio.Future[string]
}

func (p *asker) ConnectionMade(t aio.Transport) { t.Write([]byte(p.question + "\n")) }
func (p *asker) DataReceived(b []byte)          { p.answer = append(p.answer, b...) }

func (p *asker) ConnectionLost(err error) {
	if err != nil {
		p.answered.SetException(err)
	} else {
		p.answered.SetResult(string(p.answer))
	}
}

// answerer is the protocol of the server: it answers the first line and closes the
// connection.
type answerer struct {
	t    aio.Transport
	line []byte
}

func (p *answerer) ConnectionMade(t aio.Transport) { p.t = t }

func (p *answerer) DataReceived(b []byte) {
	p.line = append(p.line, b...)
	if question, _, ok := bytes.Cut(p.line, []byte("\n")); ok {
		fmt.Fprintf(p.t, "you said %q", question)
		p.t.Close()
	}
}

func ExampleCreateConnection() {
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.CreateServer(ctx, func() *answerer { return &answerer{} }, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		_, p, err := aio.CreateConnection(ctx, func() *asker {
			return &asker{question: "hello", answered: aio.CreateFuture[string](ctx)}
		}, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		fmt.Println(p.answered.Await(ctx))
		srv.Close()
		return srv.WaitClosed(ctx)
	})
	fmt.Println(err)
	// Output:
	// you said "hello" <nil>
	// <nil>
}

func ExampleCreateUnixConnection() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "socket")
	err = aio.Run(func(ctx context.Context) error {
		srv, err := aio.CreateUnixServer(ctx, func() *answerer { return &answerer{} }, path, nil)
		if err != nil {
			return err
		}
		_, p, err := aio.CreateUnixConnection(ctx, func() *asker {
			return &asker{question: "hello", answered: aio.CreateFuture[string](ctx)}
		}, path, nil)
		if err != nil {
			return err
		}
		fmt.Println(p.answered.Await(ctx))
		srv.Close()
		return srv.WaitClosed(ctx)
	})
	fmt.Println(err)
	// Output:
	// you said "hello" <nil>
	// <nil>
}

// A loop can use a connection of any kind, here one in memory.
func ExampleConnectAcceptedSocket() {
	client, server := net.Pipe()
	answer := make(chan []byte)
	go func() {
		defer client.Close()
		fmt.Fprintln(client, "hello")
		b, _ := io.ReadAll(client)
		answer <- b
	}()
	err := aio.Run(func(ctx context.Context) error {
		done := aio.CreateFuture[error](ctx)
		_, _, err := aio.ConnectAcceptedSocket(ctx, func() *lastAnswerer { return &lastAnswerer{done: done} }, server, nil)
		if err != nil {
			return err
		}
		_, err = done.Await(ctx)
		return err
	})
	fmt.Printf("%s, %v\n", <-answer, err)
	// Output:
	// you said "hello", <nil>
}

// lastAnswerer is an answerer whose future is done when the connection is closed.
type lastAnswerer struct {
	answerer
	done *aio.Future[error]
}

func (p *lastAnswerer) ConnectionLost(err error) { p.done.SetResult(err) }

// onConn is a protocol that passes each connection as a net.Conn to a function.
type onConn func(net.Conn)

func (f onConn) ConnectionMade(t aio.Transport) { f(aio.NewConn(t)) }

func ExampleNewConn() {
	// ordinary code that does not know about event loops
	answer := func(c net.Conn) {
		defer c.Close()
		text := textproto.NewConn(c)
		if line, err := text.ReadLine(); err == nil {
			text.PrintfLine("you said %q", line)
		}
	}
	err := aio.Run(func(ctx context.Context) error {
		// In a goroutine, a Read blocks the goroutine.
		srv, err := aio.CreateServer(ctx, func() onConn { return func(c net.Conn) { go answer(c) } }, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		var conn net.Conn
		if _, _, err := aio.CreateConnection(ctx, func() onConn {
			return func(c net.Conn) { conn = c }
		}, srv.Addr().String(), nil); err != nil {
			return err
		}
		// In a task, a Read suspends the task, and other tasks run.
		text := textproto.NewConn(conn)
		text.PrintfLine("hello")
		line, err := text.ReadLine()
		fmt.Println(line, err)
		conn.Close()
		srv.Close()
		return srv.WaitClosed(ctx)
	})
	fmt.Println(err)
	// Output:
	// you said "hello" <nil>
	// <nil>
}

func ExampleDialer() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	defer server.Close()
	err := aio.Run(func(ctx context.Context) error {
		// A task can call a library that uses only the goroutine of its caller.
		conn, err := new(aio.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
		if err != nil {
			return err
		}
		text := textproto.NewConn(conn)
		defer text.Close()
		text.PrintfLine("GET / HTTP/1.0\r\n")
		fmt.Println(text.ReadLine())

		// Calls of a library with its own goroutines belong in ToThread.
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		dialer := &aio.Dialer{Loop: loop}
		client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
		defer client.CloseIdleConnections()
		status, err := aio.ToThread(ctx, func(ctx context.Context) (string, error) {
			resp, err := client.Get(server.URL)
			if err != nil {
				return "", err
			}
			return resp.Status, resp.Body.Close()
		})
		fmt.Println(status, err)
		return nil
	})
	fmt.Println(err)
	// Output:
	// HTTP/1.0 200 OK <nil>
	// 200 OK <nil>
	// <nil>
}

func ExampleListen() {
	err := aio.Run(func(ctx context.Context) error {
		ln, err := aio.Listen(ctx, "tcp", "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		// A net/http server, whose goroutines use connections of the loop.
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "hello, ", r.URL.Path[1:])
		})}
		served := make(chan error, 1)
		go func() { served <- server.Serve(ln) }()

		var client aiohttp.Client
		resp, err := client.Get(ctx, "http://"+ln.Addr().String()+"/Ann")
		if err != nil {
			return err
		}
		fmt.Println(resp.Text(ctx))
		client.CloseIdleConnections()
		// Shutdown closes the listener.
		_, err = aio.ToThread(ctx, aio.NoResult(server.Shutdown))
		if err != nil {
			return err
		}
		err, _, _ = aio.Receive(ctx, served)
		fmt.Println(err)
		return nil
	})
	fmt.Println(err)
	// Output:
	// hello, Ann <nil>
	// http: Server closed
	// <nil>
}

// crier is a server that answers each datagram in upper case.
type crier struct{ t aio.DatagramTransport }

func (s *crier) ConnectionMade(t aio.DatagramTransport) { s.t = t }

func (s *crier) DatagramReceived(p []byte, from net.Addr) {
	s.t.SendTo([]byte(strings.ToUpper(string(p))), from)
}

// caller is a client that puts the datagrams it receives into a queue.
type caller struct{ answers *aio.Queue[string] }

func (a *caller) DatagramReceived(p []byte, _ net.Addr) { a.answers.PutNowait(string(p)) }

func ExampleCreateDatagramEndpoint() {
	err := aio.Run(func(ctx context.Context) error {
		server, _, err := aio.CreateDatagramEndpoint(ctx, func() *crier { return &crier{} },
			&aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		defer server.Close()

		address := server.GetExtraInfo("sockname").(net.Addr).String()
		client, a, err := aio.CreateDatagramEndpoint(ctx, func() *caller { return &caller{aio.NewQueue[string](0)} },
			&aio.DatagramOptions{RemoteAddr: address})
		if err != nil {
			return err
		}
		defer client.Close()

		for _, word := range []string{"hello", "world"} {
			client.SendTo([]byte(word), nil)
			answer, err := a.answers.Get(ctx)
			if err != nil {
				return err
			}
			fmt.Println(answer)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// HELLO
	// WORLD
}

// complainer is notified of each datagram that could not be sent.
type complainer struct{ heard aio.Event }

func (c *complainer) ErrorReceived(err error) {
	fmt.Println(err)
	c.heard.Set()
}

// A send error does not close the transport.
func ExampleDatagramTransport() {
	err := aio.Run(func(ctx context.Context) error {
		t, c, err := aio.CreateDatagramEndpoint(ctx, func() *complainer { return &complainer{} },
			&aio.DatagramOptions{Network: "unixgram"})
		if err != nil {
			return err
		}
		defer t.Close()

		t.SendTo([]byte("x"), &net.UnixAddr{Name: "/no/such/socket", Net: "unixgram"})
		if err := c.heard.Wait(ctx); err != nil {
			return err
		}
		fmt.Println(t.IsClosing())
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// write unixgram @->/no/such/socket: sendto: no such file or directory
	// false
}

// The addresses on which a web server listens, and an address that needs no resolver.
func ExampleGetaddrinfo() {
	err := aio.Run(func(ctx context.Context) error {
		infos, err := aio.Getaddrinfo(ctx, "", "http", &aio.AddrInfoOptions{Passive: true})
		if err != nil {
			return err
		}
		for _, info := range infos {
			fmt.Println(info.Network, info.Addr)
		}
		infos, err = aio.Getaddrinfo(ctx, "192.0.2.1", "53", &aio.AddrInfoOptions{Network: "udp", CanonName: true})
		if err != nil {
			return err
		}
		fmt.Println(infos)

		_, err = aio.Getaddrinfo(ctx, "192.0.2.1", "53", &aio.AddrInfoOptions{Network: "udp6"})
		return err
	})
	fmt.Println(err)
	// Output:
	// tcp4 0.0.0.0:80
	// tcp6 [::]:80
	// [{udp4 192.0.2.1:53 192.0.2.1}]
	// lookup 192.0.2.1: no address for udp6
}

func ExampleGetnameinfo() {
	err := aio.Run(func(ctx context.Context) error {
		peer := netip.MustParseAddrPort("[2001:db8::1]:54321")
		host, service, err := aio.Getnameinfo(ctx, peer, &aio.NameInfoOptions{NumericHost: true})
		fmt.Println(host, service)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 2001:db8::1 54321
}

// An echo server for one client, without transports.
func ExampleSockAccept() {
	err := aio.Run(func(ctx context.Context) error {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		server := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			conn, err := aio.SockAccept(ctx, ln)
			if err != nil {
				return err
			}
			defer conn.Close()
			for {
				p, err := aio.SockRecv(ctx, conn, 1024)
				// the client has closed the connection
				if err != nil || len(p) == 0 {
					return err
				}
				if err := aio.SockSendall(ctx, conn, p); err != nil {
					return err
				}
			}
		}))

		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := aio.SockSendall(ctx, conn, []byte("hello")); err != nil {
			return err
		}
		buf := make([]byte, 100)
		n, err := aio.SockRecvInto(ctx, conn, buf)
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", buf[:n])

		conn.Close()
		_, err = server.Await(ctx)
		return err
	})
	fmt.Println(err)
	// Output:
	// hello
	// <nil>
}

// Data that arrives after a timeout is kept for the next call.
func ExampleSockRecv() {
	err := aio.Run(func(ctx context.Context) error {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		_, err := aio.WaitFor(ctx, aio.Coro[[]byte](func(ctx context.Context) ([]byte, error) {
			return aio.SockRecv(ctx, b, 100)
		}), time.Millisecond)
		fmt.Println(err)

		sending := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return aio.SockSendall(ctx, a, []byte("late"))
		}))
		p, err := aio.SockRecv(ctx, b, 100)
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", p)
		_, err = sending.Await(ctx)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// aio: timed out
	// late
}

// Each datagram comes with the address of its sender.
func ExampleSockRecvfrom() {
	err := aio.Run(func(ctx context.Context) error {
		server, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer server.Close()
		client, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer client.Close()

		if _, err := aio.SockSendto(ctx, client, []byte("question"), server.LocalAddr()); err != nil {
			return err
		}
		p, from, err := aio.SockRecvfrom(ctx, server, 1500)
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", p)
		if _, err := aio.SockSendto(ctx, server, []byte("answer"), from); err != nil {
			return err
		}
		buf := make([]byte, 1500)
		n, _, err := aio.SockRecvfromInto(ctx, client, buf)
		fmt.Printf("%s\n", buf[:n])
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// question
	// answer
}

// Sends a part of a file, here of one in memory.
func ExampleSockSendfile() {
	err := aio.Run(func(ctx context.Context) error {
		a, b := net.Pipe()
		defer b.Close()
		sending := aio.CreateTask(ctx, func(ctx context.Context) (int64, error) {
			defer a.Close()
			return aio.SockSendfile(ctx, a, strings.NewReader("to be or not to be"), &aio.SendfileOptions{Offset: 6, Count: 6})
		})
		p, err := aio.SockRecv(ctx, b, 100)
		if err != nil {
			return err
		}
		sent, err := sending.Await(ctx)
		fmt.Printf("%q %d\n", p, sent)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// "or not" 6
}

// exampleFileServer sends a file to each client.
type exampleFileServer struct{ ctx context.Context }

func (s *exampleFileServer) ConnectionMade(t aio.Transport) {
	aio.CreateTask(s.ctx, func(ctx context.Context) (int64, error) {
		defer t.Close()
		t.Write([]byte("here it is: "))
		return aio.Sendfile(ctx, t, strings.NewReader("the file"), nil)
	})
}

func ExampleSendfile() {
	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		server, err := aio.CreateServer(ctx, func() *exampleFileServer { return &exampleFileServer{loop.Context()} }, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		conn, err := net.Dial("tcp", server.Addr().String())
		if err != nil {
			return err
		}
		defer conn.Close()
		var got []byte
		for {
			p, err := aio.SockRecv(ctx, conn, 100)
			if err != nil {
				return err
			}
			if len(p) == 0 {
				break
			}
			got = append(got, p...)
		}
		fmt.Printf("%s\n", got)
		server.Close()
		return server.WaitClosed(ctx)
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// here it is: the file
}

// shouter answers in upper case. On request it switches to TLS.
type shouter struct {
	loop   *aio.Loop
	t      aio.Transport
	config *tls.Config
}

func (s *shouter) ConnectionMade(t aio.Transport) { s.t = t }

func (s *shouter) DataReceived(p []byte) {
	if string(p) != "STARTTLS" {
		s.t.Write(bytes.ToUpper(p))
		return
	}
	s.t.PauseReading() // the following data belongs to TLS
	s.t.Write([]byte("ready"))
	aio.CreateTask(s.loop.Context(), func(ctx context.Context) (_ struct{}, err error) {
		t, err := aio.StartTLS(ctx, s.t, s, s.config, &aio.TLSOptions{ServerSide: true})
		if err == nil {
			s.t = t
		}
		return struct{}{}, err
	})
}

// answers puts what it gets on a queue.
type answers struct{ aio.Queue[string] }

// PutNowait does not fail: the queue is unbounded.
func (a *answers) DataReceived(p []byte) { _ = a.PutNowait(string(p)) }

// A connection that starts unencrypted and is upgraded to TLS, as in SMTP and database
// protocols.
func ExampleStartTLS() {
	site := httptest.NewTLSServer(nil) // only its certificate is used
	defer site.Close()
	roots := x509.NewCertPool()
	roots.AddCert(site.Certificate())

	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		server, err := aio.CreateServer(ctx, func() *shouter {
			return &shouter{loop: loop, config: site.TLS}
		}, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		defer server.Close()

		t, p, err := aio.CreateConnection(ctx, func() *answers { return &answers{} }, server.Addr().String(), nil)
		if err != nil {
			return err
		}
		ask := func(question string) error {
			t.Write([]byte(question))
			answer, err := p.Get(ctx)
			fmt.Println(answer, t.GetExtraInfo("cipher") != nil)
			return err
		}
		if err := ask("hello"); err != nil {
			return err
		}
		if err := ask("STARTTLS"); err != nil {
			return err
		}
		t, err = aio.StartTLS(ctx, t, p, &tls.Config{ServerName: "example.com", RootCAs: roots}, nil)
		if err != nil {
			return err
		}
		defer t.Close()
		return ask("a secret")
	})
	fmt.Println(err)
	// Output:
	// HELLO false
	// ready false
	// A SECRET true
	// <nil>
}

// A server with TLS and a client that verifies its certificate. The name to verify is
// the host of the address unless the configuration specifies another one.
func ExampleConnectionOptions() {
	// provides a certificate for example.com
	site := httptest.NewTLSServer(nil)
	defer site.Close()
	roots := x509.NewCertPool()
	roots.AddCert(site.Certificate())
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.StartServer(ctx, func(ctx context.Context, _ *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			_, err := w.Write([]byte("a secret"))
			return err
		}, "127.0.0.1:0", &aio.ServerOptions{TLS: site.TLS})
		if err != nil {
			return err
		}
		defer srv.Close()
		r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), &aio.ConnectionOptions{
			TLS: &tls.Config{ServerName: "example.com", RootCAs: roots},
		})
		if err != nil {
			return err
		}
		defer w.Close()
		text, err := r.Read(ctx, -1)
		state := w.GetExtraInfo("tls").(tls.ConnectionState)
		fmt.Printf("%s, by %s\n", text, tls.VersionName(state.Version))
		return err
	})
	fmt.Println(err)
	// Output:
	// a secret, by TLS 1.3
	// <nil>
}

// Streams that start unencrypted. The server waits at most a second for the client's
// handshake.
func ExampleTLSOptions() {
	site := httptest.NewTLSServer(nil) // only its certificate is used
	defer site.Close()
	roots := x509.NewCertPool()
	roots.AddCert(site.Certificate())
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			fmt.Fprintln(w, "go ahead")
			if err := w.StartTLS(ctx, site.TLS, &aio.TLSOptions{HandshakeTimeout: time.Second}); err != nil {
				return err
			}
			line, err := r.ReadLine(ctx)
			fmt.Printf("the server got %q\n", line)
			return err
		}, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		defer srv.Close()
		r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		defer w.Close()
		if _, err := r.ReadLine(ctx); err != nil { // wait for the server's line
			return err
		}
		if err := w.StartTLS(ctx, &tls.Config{ServerName: "example.com", RootCAs: roots}, nil); err != nil {
			return err
		}
		fmt.Fprintln(w, "a secret")
		_, err = r.Read(ctx, -1)
		return err
	})
	fmt.Println(err)
	// Output:
	// the server got "a secret\n"
	// <nil>
}
