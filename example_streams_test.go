package aio_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

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

// Code that uses an io.Reader or an io.Writer can run in a task, which is suspended
// while it waits.
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

// Data longer than the limit of ReadUntil stays in the stream.
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

// A connection to a server of any kind, here an HTTP server.
func ExampleOpenConnection() {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	defer site.Close()
	err := aio.Run(func(ctx context.Context) error {
		r, w, err := aio.OpenConnection(ctx, site.Listener.Addr().String(), nil)
		if err != nil {
			return err
		}
		defer w.Close()
		fmt.Fprint(w, "GET / HTTP/1.0\r\n\r\n")
		status, err := r.ReadLine(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%q\n", status)
		rest, err := r.Read(ctx, -1) // until EOF
		fmt.Printf("%s\n", rest[bytes.LastIndexByte(rest, '\n')+1:])
		return err
	})
	fmt.Println(err)
	// Output:
	// "HTTP/1.0 200 OK\r\n"
	// hello
	// <nil>
}

// Streams over a Unix socket. The server removes the socket file when it is closed.
func ExampleStartUnixServer() {
	dir, err := os.MkdirTemp("", "aio")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "socket")
	err = aio.Run(func(ctx context.Context) error {
		srv, err := aio.StartUnixServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			name, err := r.ReadLine(ctx)
			fmt.Fprintf(w, "hello %s", name)
			return err
		}, path, nil)
		if err != nil {
			return err
		}
		defer srv.Close()
		r, w, err := aio.OpenUnixConnection(ctx, path, nil)
		if err != nil {
			return err
		}
		defer w.Close()
		fmt.Fprintln(w, "Ann")
		answer, err := r.ReadLine(ctx)
		fmt.Printf("%s", answer)
		return err
	})
	fmt.Println(err)
	// Output:
	// hello Ann
	// <nil>
}

// Messages with a length prefix. A reader without a transport gets its data with
// FeedData.
func ExampleStreamReader() {
	_ = aio.Run(func(ctx context.Context) error {
		r := aio.NewStreamReader(ctx, 0)
		r.FeedData([]byte("\x05hello\x03by")) // in arbitrary pieces
		r.FeedEOF()
		for {
			size, err := r.ReadExactly(ctx, 1)
			if errors.Is(err, io.EOF) { // EOF between two messages
				return nil
			} else if err != nil {
				return err
			}
			message, err := r.ReadExactly(ctx, int(size[0]))
			if err != nil {
				fmt.Println(err)
				return err
			}
			fmt.Printf("%s\n", message)
		}
	})
	// Output:
	// hello
	// aio: stream ended after 2 of 3 expected bytes
}

// Drain waits while the peer reads slowly; WaitClosed waits until all data has been
// sent.
func ExampleStreamWriter() {
	here, there := net.Pipe()
	received := make(chan int)
	go func() { // the peer
		p, _ := io.ReadAll(there)
		received <- len(p)
	}()
	err := aio.Run(func(ctx context.Context) error {
		_, w, err := aio.OpenConnection(ctx, "", &aio.ConnectionOptions{Conn: here})
		if err != nil {
			return err
		}
		for range 1000 {
			w.Write(make([]byte, 1000))
			if err := w.Drain(ctx); err != nil {
				return err
			}
		}
		w.Close()
		return w.WaitClosed(ctx)
	})
	fmt.Println(<-received, err)
	// Output: 1000000 <nil>
}

// Reads lines from a pipe.
func ExampleNewStreamReaderProtocol() {
	pr, pw, err := os.Pipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		defer pw.Close()
		fmt.Fprint(pw, "one\ntwo\n")
	}()
	err = aio.Run(func(ctx context.Context) error {
		r := aio.NewStreamReader(ctx, 0)
		t, _, err := aio.ConnectReadPipe(ctx, func() *aio.StreamReaderProtocol {
			return aio.NewStreamReaderProtocol(r, nil)
		}, pr)
		if err != nil {
			return err
		}
		defer t.Close()
		for line, err := range r.Lines(ctx) {
			if err != nil {
				return err
			}
			fmt.Printf("%s", line)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// one
	// two
	// <nil>
}

// A StreamWriter for a pipe needs a protocol too, because Drain and WaitClosed wait for
// its callbacks.
func ExampleNewStreamWriter() {
	pr, pw, err := os.Pipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pr.Close()
	err = aio.Run(func(ctx context.Context) error {
		t, p, err := aio.ConnectWritePipe(ctx, func() *aio.StreamReaderProtocol {
			return aio.NewStreamReaderProtocol(aio.NewStreamReader(ctx, 0), nil)
		}, pw)
		if err != nil {
			return err
		}
		w := aio.NewStreamWriter(t, p)
		fmt.Fprint(w, "hello")
		if err := w.Drain(ctx); err != nil {
			return err
		}
		w.Close()
		return w.WaitClosed(ctx)
	})
	text, _ := io.ReadAll(pr)
	fmt.Printf("%s %v\n", text, err)
	// Output: hello <nil>
}
