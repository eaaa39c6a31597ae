// A server whose connections share a counter. It needs no lock: there is no await between
// reading and writing it.
package main

import (
	"context"
	"fmt"

	"github.com/goaio/aio"
)

// counter handles all connections, each in its own task.
type counter struct{ lines int }

func (c *counter) serve(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	defer w.Close()
	for line, err := range r.Lines(ctx) {
		if err != nil {
			return err
		}
		c.lines++
		fmt.Fprintf(w, "line %d: %s", c.lines, line)
		// Drain suspends while the client reads too slowly.
		if err := w.Drain(ctx); err != nil {
			return err
		}
	}
	return nil
}

// say sends a line and returns the answer.
func say(ctx context.Context, addr, text string) (string, error) {
	r, w, err := aio.OpenConnection(ctx, addr, nil)
	if err != nil {
		return "", err
	}
	defer w.Close()
	fmt.Fprintln(w, text)
	answer, err := r.ReadLine(ctx)
	return string(answer), err
}

func main() {
	err := aio.Run(func(ctx context.Context) error {
		var c counter
		server, err := aio.StartServer(ctx, c.serve, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		for _, text := range []string{"hello", "is anybody there?"} {
			answer, err := say(ctx, server.Addr().String(), text)
			if err != nil {
				return err
			}
			fmt.Print(answer)
		}
		server.Close()
		return server.WaitClosed(ctx)
	})
	fmt.Println("error:", err)
	// Output:
	// line 1: hello
	// line 2: is anybody there?
	// error: <nil>
}
