// A task that blocks its goroutine stops all tasks of the loop, including the one that it
// waits for.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/goaio/aio"
)

// greet handles a connection, in a task of the loop.
func greet(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	defer w.Close()
	w.Write([]byte("good morning"))
	return w.Drain(ctx)
}

// ask is ordinary Go code. It blocks its goroutine until the answer arrives.
func ask(addr string) (string, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

// broken blocks the loop, so the server cannot answer.
func broken(ctx context.Context, addr string) (string, error) { return ask(addr) }

// fixed calls ask in a worker goroutine, and suspends the task until it returns.
func fixed(ctx context.Context, addr string) (string, error) {
	return aio.ToThread(ctx, func(context.Context) (string, error) { return ask(addr) })
}

func main() {
	for _, get := range []func(ctx context.Context, addr string) (string, error){broken, fixed} {
		err := aio.Run(func(ctx context.Context) error {
			server, err := aio.StartServer(ctx, greet, "127.0.0.1:0", nil)
			if err != nil {
				return err
			}
			defer server.Close()
			answer, err := get(ctx, server.Addr().String())
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				fmt.Println("no answer in time")
				return nil
			}
			fmt.Println(answer)
			return err
		})
		fmt.Println("error:", err)
	}
	// Output:
	// no answer in time
	// error: <nil>
	// good morning
	// error: <nil>
}
