//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// A callback for a pipe that another goroutine writes to.
func ExampleLoop_AddReader() {
	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer r.Close()
		defer w.Close()
		line := aio.CreateFuture[string](ctx)
		err = loop.AddReader(r, func() {
			buf := make([]byte, 100)
			n, err := r.Read(buf)
			if err != nil {
				line.SetException(err)
			} else {
				line.SetResult(string(buf[:n]))
			}
			loop.RemoveReader(r)
		})
		if err != nil {
			return err
		}
		go fmt.Fprint(w, "from another goroutine")
		got, err := line.Await(ctx)
		fmt.Println(got)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// from another goroutine
}

// Connects a socket that the program has created with system calls.
func ExampleSockConnect() {
	err := aio.Run(func(ctx context.Context) error {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			return err
		}
		if err := aio.SockConnect(ctx, fd, ln.Addr().String()); err != nil {
			return err
		}
		conn, err := aio.SockAccept(ctx, ln)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := aio.SockSendall(ctx, fd, []byte("hello")); err != nil {
			return err
		}
		p, err := aio.SockRecv(ctx, conn, 100)
		fmt.Printf("%s\n", p)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// hello
}

// A callback that is called when the descriptor is writable again.
func ExampleLoop_AddWriter() {
	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer r.Close()
		written := aio.CreateFuture[int](ctx)
		err = loop.AddWriter(w, func() {
			loop.RemoveWriter(w) // before the descriptor is closed
			n, err := w.Write([]byte("hello"))
			w.Close()
			fmt.Println("wrote", n, err)
			written.SetResult(n)
		})
		if err != nil {
			return err
		}
		if _, err := written.Await(ctx); err != nil {
			return err
		}
		text, err := io.ReadAll(r)
		fmt.Printf("%s\n", text)
		return err
	})
	fmt.Println(err)
	// Output:
	// wrote 5 <nil>
	// hello
	// <nil>
}
