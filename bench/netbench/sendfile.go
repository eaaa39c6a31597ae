//go:build linux

package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

func measureSendfile(b *bench, rival string) ([]float64, error) {
	file := filepath.Join(b.dir, "file")
	f, err := os.Create(file) // the same sparse file each time
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(gib); err != nil {
		return nil, err
	}
	s, addr, err := b.server(serverCore, rival, serveOptions{File: file})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	r, cpu, err := b.underLoad(s, loadCore, loadOptions{Kind: "drop", Addr: addr})
	n := float64(r.Requests)
	return []float64{1e3 * r.Seconds / n, cpu / 1e3 / n}, err
}

// sendFile sends a file to each client.
func sendFile(o serveOptions) aio.StreamHandler {
	return func(ctx context.Context, _ *aio.StreamReader, w *aio.StreamWriter) error {
		defer w.Close()
		f, err := os.Open(o.File)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = aio.Sendfile(ctx, w.Transport().(aio.Transport), f, nil)
		return err
	}
}

// copyFile sends the file as the rival, with io.Copy.
func copyFile(o serveOptions, c net.Conn) {
	defer c.Close()
	f, err := os.Open(o.File)
	if err != nil {
		exit(err)
	}
	defer f.Close()
	if _, err := io.Copy(c, f); err != nil {
		exit(err)
	}
}

// loadDrop receives files, one after another, and makes the kernel discard the data.
// The first one is not counted: it brings the file into the page cache.
func loadDrop(o loadOptions) (r loadResult, err error) {
	if err := drop(o.Addr); err != nil {
		return r, err
	}
	begin()
	for start := time.Now(); r.Seconds < o.Seconds || r.Requests == 0; r.Seconds = time.Since(start).Seconds() {
		if err := drop(o.Addr); err != nil {
			return r, err
		}
		r.Requests++
	}
	return r, nil
}

func drop(addr string) error {
	fd, err := dial(addr, 1)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	buf := make([]byte, 1<<20)
	for left := gib; left > 0; {
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_TRUNC)
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		left -= n
	}
	return nil
}
