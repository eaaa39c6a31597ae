package aio_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/goaio/aio"
)

// A server without transports, for one client: it sends back what comes.
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
				if err != nil || len(p) == 0 { // the client has gone
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

// What comes too late is there for the next call.
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

// Datagrams tell where they come from.
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

// A part of a file, here one in memory.
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
