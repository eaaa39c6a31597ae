package aio_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"path/filepath"

	"github.com/goaio/aio"
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

// answerer is the other side of it: it answers the first line, and closes.
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

// A connection of any kind can be given to a loop: here one in memory.
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

// lastAnswerer is an answerer that tells when it is done.
type lastAnswerer struct {
	answerer
	done *aio.Future[error]
}

func (p *lastAnswerer) ConnectionLost(err error) { p.done.SetResult(err) }

// onConn is a protocol that makes a net.Conn of each connection.
type onConn func(net.Conn)

func (f onConn) ConnectionMade(t aio.Transport) { f(aio.NewConn(t)) }

func ExampleNewConn() {
	// Code that knows nothing of loops.
	answer := func(c net.Conn) {
		defer c.Close()
		text := textproto.NewConn(c)
		if line, err := text.ReadLine(); err == nil {
			text.PrintfLine("you said %q", line)
		}
	}
	err := aio.Run(func(ctx context.Context) error {
		// A goroutine that runs it is blocked while it waits.
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
		// A task is suspended, and others run.
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
