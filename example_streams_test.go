package aio_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/goaio/aio"
)

// A server that echoes lines, and a client of it.
func ExampleStartServer() {
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			for line, err := range r.Lines(ctx) {
				if err != nil {
					return err
				}
				w.Write(line)
				if err := w.Drain(ctx); err != nil {
					return err
				}
			}
			return nil
		}, "localhost:0", nil)
		if err != nil {
			return err
		}
		r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		fmt.Fprint(w, "one\ntwo\n")
		w.WriteEOF()
		for line, err := range r.Lines(ctx) {
			if err != nil {
				return err
			}
			fmt.Printf("%q\n", line)
		}
		w.Close()
		srv.Close()
		return srv.WaitClosed(ctx)
	})
	fmt.Println(err)
	// Output:
	// "one\n"
	// "two\n"
	// <nil>
}

// What reads from an io.Reader or writes to an io.Writer does so in a task, which waits in the
// meantime.
func ExampleStreamReader_Reader() {
	type order struct{ Item string }
	err := aio.Run(func(ctx context.Context) error {
		srv, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			req, err := http.ReadRequest(bufio.NewReader(r.Reader(ctx)))
			if err != nil {
				return err
			}
			fmt.Println(req.Method, req.URL)
			return json.NewEncoder(w.Writer(ctx)).Encode(order{"tea"})
		}, "localhost:0", nil)
		if err != nil {
			return err
		}
		r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		fmt.Fprint(w, "GET /orders/1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
		var got order
		if err := json.NewDecoder(r.Reader(ctx)).Decode(&got); err != nil {
			return err
		}
		fmt.Println(got.Item)
		w.Close()
		srv.Close()
		return srv.WaitClosed(ctx)
	})
	fmt.Println(err)
	// Output:
	// GET /orders/1
	// tea
	// <nil>
}

// What is too long for ReadUntil stays in the stream.
func ExampleStreamReader_ReadUntil() {
	err := aio.Run(func(ctx context.Context) error {
		r := aio.NewStreamReader(ctx, 8)
		r.FeedData([]byte("key=a value that is long;key=short;ke"))
		r.FeedEOF()
		for {
			part, err := r.ReadUntil(ctx, []byte("="), []byte(";"))
			var long *aio.LimitOverrunError
			switch {
			case errors.As(err, &long):
				_, err = r.ReadExactly(ctx, long.Consumed)
				fmt.Println("left out", long.Consumed, "bytes")
			case errors.Is(err, io.ErrUnexpectedEOF):
				fmt.Println(err)
				return nil
			default:
				fmt.Printf("%s\n", part)
			}
			if err != nil {
				return err
			}
		}
	})
	fmt.Println(err)
	// Output:
	// key=
	// left out 20 bytes
	// ;
	// key=
	// short;
	// aio: stream ended after 2 bytes without a separator
	// <nil>
}
