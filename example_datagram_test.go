package aio_test

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/goaio/aio"
)

// crier is a server that answers each datagram in capitals.
type crier struct{ t aio.DatagramTransport }

func (s *crier) ConnectionMade(t aio.DatagramTransport) { s.t = t }

func (s *crier) DatagramReceived(p []byte, from net.Addr) {
	s.t.SendTo([]byte(strings.ToUpper(string(p))), from)
}

// caller is a client that puts what comes into a queue.
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

// complainer tells of each datagram that could not be sent.
type complainer struct{ heard aio.Event }

func (c *complainer) ErrorReceived(err error) {
	fmt.Println(err)
	c.heard.Set()
}

// What cannot be sent ends nothing.
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
