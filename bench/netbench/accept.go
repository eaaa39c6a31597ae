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

// loadAccept opens connections, each of which sends a request, gets its echo, and is
// closed. The oldest of so many makes room for a new one.
func loadAccept(o loadOptions) (r loadResult, err error) {
	open := make([]int, o.Conns)
	buf := make([]byte, o.Size)
	opened := 0
	renew := func() error {
		fd := open[opened%o.Conns]
		if fd > 0 {
			if n, err := unix.Read(fd, buf); n != o.Size {
				return fmt.Errorf("%d bytes came back, %v", n, err)
			}
			unix.Close(fd)
		}
		// what is closed keeps its port for a while
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
