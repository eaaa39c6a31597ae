package aio_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/goaio/aio"
)

// exampleEcho is the protocol of an echo server.
type exampleEcho struct{ t aio.Transport }

func (p *exampleEcho) ConnectionMade(t aio.Transport) { p.t = t }
func (p *exampleEcho) DataReceived(b []byte)          { p.t.Write(b) }

// exampleClient is the protocol of a client that sends a message and prints the echo.
type exampleClient struct {
	message string
	t       aio.Transport
	done    aio.Event
}

func (p *exampleClient) ConnectionMade(t aio.Transport) {
	p.t = t
	t.Write([]byte(p.message))
	fmt.Println("sent:", p.message)
}

func (p *exampleClient) DataReceived(b []byte) {
	fmt.Println("received:", string(b))
	p.t.Close()
}

func (p *exampleClient) ConnectionLost(err error) {
	fmt.Println("closed:", err)
	p.done.Set()
}

// An echo server and a client. The callbacks need no lock: the loop calls them one at a
// time.
func ExampleCreateServer() {
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.CreateServer(ctx, func() *exampleEcho { return &exampleEcho{} }, "localhost:0", nil)
		if err != nil {
			return err
		}
		client := func() *exampleClient { return &exampleClient{message: "hello"} }
		_, p, err := aio.CreateConnection(ctx, client, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		if err := p.done.Wait(ctx); err != nil {
			return err
		}
		srv.Close()
		return srv.WaitClosed(ctx)
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// sent: hello
	// received: hello
	// closed: <nil>
}

// An echo server and a client over a Unix socket. The server removes the socket file
// when it is closed.
func ExampleCreateUnixServer() {
	dir, err := os.MkdirTemp("", "aio")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "socket")
	err = aio.Run(func(ctx context.Context) error {
		srv, err := aio.CreateUnixServer(ctx, func() *exampleEcho { return &exampleEcho{} }, path, nil)
		if err != nil {
			return err
		}
		client := func() *exampleClient { return &exampleClient{message: "hello"} }
		_, p, err := aio.CreateUnixConnection(ctx, client, path, nil)
		if err != nil {
			return err
		}
		if err := p.done.Wait(ctx); err != nil {
			return err
		}
		srv.Close()
		_, err = os.Stat(path)
		fmt.Println("the file is removed:", os.IsNotExist(err))
		return srv.WaitClosed(ctx)
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// sent: hello
	// received: hello
	// closed: <nil>
	// the file is removed: true
}

// exampleRecords is a BufferedProtocol, which receives data without a copy: first into
// the header of a record, then into a body of the size in the header.
type exampleRecords struct {
	header [2]byte
	body   []byte // nil while the header is being read
	filled int    // bytes read of the header or the body
	done   aio.Event
}

func (p *exampleRecords) part() []byte {
	if p.body == nil {
		return p.header[:]
	}
	return p.body
}

func (p *exampleRecords) GetBuffer(int) []byte { return p.part()[p.filled:] }

func (p *exampleRecords) BufferUpdated(n int) {
	if p.filled += n; p.filled < len(p.part()) {
		return
	}
	p.filled = 0
	if p.body == nil {
		p.body = make([]byte, binary.BigEndian.Uint16(p.header[:]))
		return
	}
	fmt.Printf("a record of %d bytes: %s\n", len(p.body), p.body)
	p.body = nil
}

func (p *exampleRecords) ConnectionLost(error) { p.done.Set() }

func ExampleBufferedProtocol() {
	here, there := net.Pipe()
	go func() { // the peer
		defer there.Close()
		for _, s := range []string{"a short one", "and one that is longer"} {
			there.Write(binary.BigEndian.AppendUint16(nil, uint16(len(s))))
			io.WriteString(there, s)
		}
	}()
	err := aio.Run(func(ctx context.Context) error {
		_, p, err := aio.ConnectAcceptedSocket(ctx, func() *exampleRecords { return &exampleRecords{} }, here, nil)
		if err != nil {
			return err
		}
		return p.done.Wait(ctx)
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// a record of 11 bytes: a short one
	// a record of 22 bytes: and one that is longer
}

// exampleUpload sends a large amount of data no faster than the peer reads.
type exampleUpload struct {
	t      aio.Transport
	may    aio.Event // set while the write buffer has room
	pauses int
	closed aio.Event
}

func (p *exampleUpload) ConnectionMade(t aio.Transport) { p.t = t; p.may.Set() }
func (p *exampleUpload) PauseWriting()                  { p.pauses++; p.may.Clear() }
func (p *exampleUpload) ResumeWriting()                 { p.may.Set() }
func (p *exampleUpload) ConnectionLost(error)           { p.may.Set(); p.closed.Set() }

// Flow control: Write never blocks, so the program limits the size of the buffer: when
// PauseWriting is called, the task waits for ResumeWriting.
func ExampleWriteTransport() {
	here, there := net.Pipe()
	received := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, there)
		received <- n
	}()
	err := aio.Run(func(ctx context.Context) error {
		t, p, err := aio.ConnectAcceptedSocket(ctx, func() *exampleUpload { return &exampleUpload{} }, here, nil)
		if err != nil {
			return err
		}
		t.SetWriteBufferLimits(100_000, aio.DefaultLimit)
		most := 0
		for range 1000 {
			if err := p.may.Wait(ctx); err != nil {
				return err
			}
			if _, err := t.Write(make([]byte, 10_000)); err != nil {
				return err
			}
			most = max(most, t.GetWriteBufferSize())
		}
		t.Close()
		if err := p.closed.Wait(ctx); err != nil {
			return err
		}
		fmt.Println("it had to wait:", p.pauses > 0)
		fmt.Println("never more than 110000 bytes waited:", most <= 110_000)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println("received:", <-received)
	// Output:
	// it had to wait: true
	// never more than 110000 bytes waited: true
	// received: 10000000
}

// exampleSession is the protocol of a server with long connections.
type exampleSession struct{ t aio.Transport }

func (p *exampleSession) ConnectionMade(t aio.Transport) { p.t = t; t.Write([]byte("welcome")) }
func (p *exampleSession) DataReceived([]byte)            { p.t.Write([]byte("bye")); p.t.Close() }

// Shutdown gives clients time to finish. This client finishes in time; others would be
// closed at the end of the timeout.
func ExampleServer_Shutdown() {
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.CreateServer(ctx, func() *exampleSession { return &exampleSession{} }, "localhost:0", nil)
		if err != nil {
			return err
		}
		clients := make(chan struct{})
		welcome := aio.CreateFuture[bool](ctx)
		addr := srv.Addr().String()
		go func() { // a client
			defer close(clients)
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				fmt.Println(err)
				return
			}
			defer conn.Close()
			buf := make([]byte, 100)
			n, _ := conn.Read(buf)
			fmt.Printf("the server says %s\n", buf[:n])
			srv.GetLoop().CallSoonThreadsafe(func() { welcome.SetResult(true) })
			time.Sleep(10 * time.Millisecond) // its work
			io.WriteString(conn, "quit")
			answer, _ := io.ReadAll(conn)
			fmt.Printf("the server says %s\n", answer)
		}()
		if _, err := welcome.Await(ctx); err != nil {
			return err
		}
		err = srv.Shutdown(ctx, 10*time.Second)
		<-clients
		fmt.Println("shut down:", err)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// the server says welcome
	// the server says bye
	// shut down: <nil>
}

// ServeForever returns when its task is cancelled. Then the server and its connections
// are closed.
func ExampleServer_ServeForever() {
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.CreateServer(ctx, func() *exampleEcho { return &exampleEcho{} }, "localhost:0", nil)
		if err != nil {
			return err
		}
		client := func() *exampleClient { return &exampleClient{message: "still there?"} }
		_, p, err := aio.CreateConnection(ctx, client, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			serving := tg.Go(func(ctx context.Context) error {
				err := srv.ServeForever(ctx)
				fmt.Println("serving:", srv.IsServing())
				return err
			})
			if err := p.done.Wait(ctx); err != nil {
				return err
			}
			serving.Cancel("enough")
			return nil
		})
	})
	fmt.Println(err)
	// Output:
	// sent: still there?
	// received: still there?
	// closed: <nil>
	// serving: false
	// <nil>
}

// Properties of a connection and its socket.
func ExampleTransportSocket() {
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.CreateServer(ctx, func() *exampleEcho { return &exampleEcho{} }, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		defer srv.Close()
		for _, s := range srv.Sockets() {
			addr := s.LocalAddr().(*net.TCPAddr)
			fmt.Println("listening on", addr.IP)
			rc, err := s.SyscallConn()
			if err != nil {
				return err
			}
			err = rc.Control(func(fd uintptr) { fmt.Println("it has a descriptor:", fd > 0) })
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// listening on 127.0.0.1
	// it has a descriptor: true
}

// greeter is a Protocol with only the methods that it needs. The first line is a name;
// it passes the following data to another protocol.
type greeter struct {
	t    aio.Transport
	line []byte
}

func (g *greeter) ConnectionMade(t aio.Transport) { g.t = t }

func (g *greeter) DataReceived(p []byte) {
	g.line = append(g.line, p...) // p is valid only until the method returns
	if name, rest, ok := bytes.Cut(g.line, []byte("\n")); ok {
		fmt.Fprintf(g.t, "hello %s\n", name)
		echo := &exampleEcho{t: g.t}
		g.t.SetProtocol(echo)
		echo.DataReceived(rest)
	}
}

// true keeps the transport open for writing
func (g *greeter) EOFReceived() bool { return true }

func ExampleProtocol() {
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.CreateServer(ctx, func() *greeter { return &greeter{} }, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		defer srv.Close()
		r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		defer w.Close()
		fmt.Fprint(w, "Ann\nhow are you?\n")
		for range 2 {
			line, err := r.ReadLine(ctx)
			if err != nil {
				return err
			}
			fmt.Printf("%s", line)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// hello Ann
	// how are you?
	// <nil>
}

// slowReader handles one message at a time: it pauses reading while a task handles a
// message.
type slowReader struct {
	loop   *aio.Loop
	t      aio.Transport
	closed aio.Event
}

func (s *slowReader) ConnectionMade(t aio.Transport) { s.t = t }
func (s *slowReader) ConnectionLost(error)           { s.closed.Set() }

func (s *slowReader) DataReceived(p []byte) {
	// the kernel buffers the rest, and finally blocks the peer's writes
	s.t.PauseReading()
	message := string(p)
	aio.CreateTask(s.loop.Context(), aio.NoResult(func(ctx context.Context) error {
		defer s.t.ResumeReading()
		fmt.Println(message, "comes in; reading:", s.t.IsReading())
		return aio.Sleep(ctx, time.Millisecond)
	}))
}

// A callback cannot await. It starts a task and pauses reading until the task is done.
func ExampleTransport() {
	here, there := net.Pipe()
	go func() { // the peer
		defer there.Close()
		for _, message := range []string{"one", "two"} {
			io.WriteString(there, message)
		}
	}()
	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		_, p, err := aio.ConnectAcceptedSocket(ctx, func() *slowReader { return &slowReader{loop: loop} }, here, nil)
		if err != nil {
			return err
		}
		return p.closed.Wait(ctx)
	})
	fmt.Println(err)
	// Output:
	// one comes in; reading: false
	// two comes in; reading: false
	// <nil>
}

// A server that is created first and starts listening later, when the program is ready.
func ExampleServer_StartServing() {
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.CreateServer(ctx, func() *exampleEcho { return &exampleEcho{} }, "localhost:0",
			&aio.ServerOptions{DeferServing: true})
		if err != nil {
			return err
		}
		defer srv.Close()
		fmt.Println(srv.IsServing(), srv.Addr() != nil)
		err = srv.StartServing(ctx)
		fmt.Println(srv.IsServing())
		return err
	})
	fmt.Println(err)
	// Output:
	// false true
	// true
	// <nil>
}

// Closes a server and its connections at once. CloseClients still sends the buffered
// data; AbortClients would discard it.
func ExampleServer_CloseClients() {
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.CreateServer(ctx, func() *exampleSession { return &exampleSession{} }, "localhost:0", nil)
		if err != nil {
			return err
		}
		r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		defer w.Close()
		welcome, err := r.ReadExactly(ctx, len("welcome"))
		if err != nil {
			return err
		}
		srv.Close()
		srv.CloseClients()
		rest, err := r.Read(ctx, -1)
		fmt.Printf("%s, then %q %v\n", welcome, rest, err)
		return srv.WaitClosed(ctx)
	})
	fmt.Println(err)
	// Output:
	// welcome, then "" <nil>
	// <nil>
}

// pipePrinter is a protocol that prints what it reads from a pipe.
type pipePrinter struct{ over aio.Event }

func (p *pipePrinter) DataReceived(b []byte) { fmt.Printf("%s!\n", b) }

func (p *pipePrinter) ConnectionLost(error) { p.over.Set() }

// pipeSilent is a protocol for a transport that is only written to.
type pipeSilent struct{}

func (pipeSilent) ConnectionLost(error) {}

// A protocol reads from a pipe. If a program does not need protocols, streams are more
// convenient.
func ExampleConnectReadPipe() {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	err = aio.Run(func(ctx context.Context) error {
		_, s, err := aio.ConnectReadPipe(ctx, func() *pipePrinter { return &pipePrinter{} }, r)
		if err != nil {
			return err
		}
		out, _, err := aio.ConnectWritePipe(ctx, func() pipeSilent { return pipeSilent{} }, w)
		if err != nil {
			return err
		}
		out.Write([]byte("hello"))
		out.Close()
		return s.over.Wait(ctx)
	})
	fmt.Println(err)
	// Output:
	// hello!
	// <nil>
}
