//go:build linux

package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

func measureAccept(b *bench, rival string) ([]float64, error) {
	s, addr, err := b.server(serverCore, rival, serveOptions{Size: 64})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	r, cpu, err := b.underLoad(s, loadCore, loadOptions{Kind: "accept", Addr: addr, Size: 64, Conns: 50})
	return r.figures(cpu)[:2], err
}

// loadAccept opens connections; each sends a request, receives the echo, and is closed.
// At most o.Conns are open: a new connection replaces the oldest.
func loadAccept(o loadOptions) (r loadResult, err error) {
	open := make([]int, o.Conns)
	buf := make([]byte, o.Size)
	opened := 0
	renew := func() error {
		fd := open[opened%o.Conns]
		if fd > 0 {
			if n, err := unix.Read(fd, buf); n != o.Size {
				return fmt.Errorf("received %d bytes, %v", n, err)
			}
			unix.Close(fd)
		}
		// Vary the source address: a closed connection keeps its port for a
		// while.
		fd, err := dial(o.Addr, byte(1+opened%200))
		if err != nil {
			return err
		}
		_, err = unix.Write(fd, buf)
		open[opened%o.Conns] = fd
		opened++
		return err
	}
	for opened < 4*o.Conns {
		if err := renew(); err != nil {
			return r, err
		}
	}
	begin()
	warm, start := opened, time.Now()
	for time.Since(start).Seconds() < o.Seconds {
		if err := renew(); err != nil {
			return r, err
		}
	}
	return loadResult{Requests: opened - warm, Seconds: time.Since(start).Seconds()}, nil
}
