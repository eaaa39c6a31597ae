package aio_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/goaio/aio"
)

// BenchmarkSendfile sends a file of 256 MiB over a TCP connection to a peer that reads.
func BenchmarkSendfile(b *testing.B) {
	const size = 256 << 20
	path := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				buf := make([]byte, 1<<20)
				for {
					if _, err := c.Read(buf); err != nil {
						c.Close()
						return
					}
				}
			}()
		}
	}()
	type sender func(f *os.File) (int64, error)
	for _, c := range []struct {
		name string
		open func(ctx context.Context, conn net.Conn) (sender, error)
	}{
		{"io.Copy", func(_ context.Context, conn net.Conn) (sender, error) {
			return func(f *os.File) (int64, error) {
				if _, err := f.Seek(0, io.SeekStart); err != nil {
					return 0, err
				}
				return io.Copy(conn, f)
			}, nil
		}},
		{"SockSendfile", func(ctx context.Context, conn net.Conn) (sender, error) {
			return func(f *os.File) (int64, error) { return aio.SockSendfile(ctx, conn, f, nil) }, nil
		}},
		{"SockSendfile/copying", func(ctx context.Context, conn net.Conn) (sender, error) {
			return func(f *os.File) (int64, error) {
				return aio.SockSendfile(ctx, conn, struct{ io.ReadSeeker }{f}, nil)
			}, nil
		}},
		{"Sendfile", func(ctx context.Context, conn net.Conn) (sender, error) {
			tr, _, err := aio.ConnectAcceptedSocket(ctx, func() *ioEcho { return &ioEcho{} }, conn, nil)
			return func(f *os.File) (int64, error) { return aio.Sendfile(ctx, tr, f, nil) }, err
		}},
		{"Sendfile/copying", func(ctx context.Context, conn net.Conn) (sender, error) {
			tr, _, err := aio.ConnectAcceptedSocket(ctx, func() *ioEcho { return &ioEcho{} }, conn, nil)
			return func(f *os.File) (int64, error) {
				return aio.Sendfile(ctx, tr, struct{ io.ReadSeeker }{f}, nil)
			}, err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			conn, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			b.SetBytes(size)
			err = aio.Run(func(ctx context.Context) error {
				send, err := c.open(ctx, conn)
				if err != nil {
					return err
				}
				for b.Loop() {
					if n, err := send(f); n != size || err != nil {
						return fmt.Errorf("sent %d bytes: %w", n, err)
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}
