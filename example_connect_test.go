package aio_test

import (
	"context"
	"fmt"
	"net"
	"net/textproto"

	"github.com/goaio/aio"
)

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
