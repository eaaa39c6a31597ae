//go:build linux

package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func measureEcho(o loadOptions) func(*bench, string) ([]float64, error) {
	return func(b *bench, rival string) ([]float64, error) {
		if rival == "gnet" {
			rival = "gnet tcp"
		}
		s, addr, err := b.server(serverCore, rival, serveOptions{Size: o.Size, TLS: o.TLS})
		if err != nil {
			return nil, err
		}
		defer s.stop()
		o := o
		o.Addr = addr
		r, cpu, err := b.underLoad(s, loadCore, o)
		return r.figures(cpu), err
	}
}

// name returns the name of the load, for example tlsecho64x50.
func (o loadOptions) name() string {
	name := fmt.Sprintf("%s%dx%d", o.Kind, o.Size, o.Conns)
	if o.TLS {
		name = "tls" + name
	}
	return name
}

// loadEcho keeps its connections busy: each sends a request, waits for the echo, and
// sends the next.
func loadEcho(o loadOptions) (loadResult, error) {
	if o.TLS {
		return loadTLS(o)
	}
	l := echoLoop{size: o.Size, out: make([]byte, o.Size), in: make([]byte, 256<<10), conns: map[int32]*echoConn{}}
	return l.load(o)
}

// echoLoop is an epoll loop, so that the load needs less processor time than the
// servers.
type echoLoop struct {
	epoll, size int
	in, out     []byte
	conns       map[int32]*echoConn
	events      [1024]unix.EpollEvent
	trips       []float64
	count       int
}

// echoConn is a connection with an outstanding request.
type echoConn struct {
	fd        int
	sent, got int
	at        time.Time
}

func (l *echoLoop) load(o loadOptions) (r loadResult, err error) {
	if l.epoll, err = unix.EpollCreate1(0); err != nil {
		return r, err
	}
	now := time.Now()
	for range o.Conns {
		fd, err := dial(o.Addr, 1)
		if err != nil {
			return r, err
		}
		unix.SetNonblock(fd, true)
		e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLET, Fd: int32(fd)}
		if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
			return r, err
		}
		c := &echoConn{fd: fd, at: now}
		l.conns[e.Fd] = c
		if err := l.push(c); err != nil {
			return r, err
		}
	}
	for l.count < 3*o.Conns {
		if _, err := l.turn(); err != nil {
			return r, err
		}
	}
	begin()
	start := time.Now()
	for _, c := range l.conns {
		c.at = start
	}
	l.count, l.trips = 0, nil
	for now, end := start, start.Add(time.Duration(o.Seconds*float64(time.Second))); now.Before(end); {
		if now, err = l.turn(); err != nil {
			return r, err
		}
	}
	r.Requests, r.Seconds = l.count, time.Since(start).Seconds()
	r.P50, r.P99 = percentiles(l.trips)
	return r, nil
}

// turn handles the connections that are ready, and returns the time.
func (l *echoLoop) turn() (now time.Time, err error) {
	n := l.wait()
	now = time.Now()
	for _, e := range l.events[:n] {
		c := l.conns[e.Fd]
		if err := l.push(c); err != nil {
			return now, err
		}
		if e.Events&unix.EPOLLIN == 0 {
			continue
		}
		if err := l.pull(c, now); err != nil {
			return now, err
		}
	}
	return now, nil
}

// wait waits at most a second and returns the number of events. The raw system call
// bypasses the Go scheduler: no other goroutine could run meanwhile, and the search for
// one takes more time than the rest of the load.
func (l *echoLoop) wait() int {
	const millis = 1000
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll),
		uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), millis, 0, 0)
	if errno != 0 { // EINTR
		return 0
	}
	return int(n)
}

// push writes until the request is sent or the socket buffer is full.
func (l *echoLoop) push(c *echoConn) error {
	for c.sent < l.size {
		n, err := unix.Write(c.fd, l.out[c.sent:])
		if err == unix.EAGAIN {
			return nil
		}
		if err != nil {
			return err
		}
		c.sent += n
	}
	return nil
}

// pull reads the available data; after a complete echo it sends the next request.
func (l *echoLoop) pull(c *echoConn, now time.Time) error {
	for {
		n, err := unix.Read(c.fd, l.in)
		switch {
		case err == unix.EAGAIN:
			return nil
		case err != nil:
			return err
		case n == 0:
			return io.ErrUnexpectedEOF
		}
		if c.got += n; c.got == l.size {
			l.count++
			if len(l.trips) < 1<<20 {
				l.trips = append(l.trips, micros(now.Sub(c.at)))
			}
			*c = echoConn{fd: c.fd, at: now}
			if err := l.push(c); err != nil {
				return err
			}
		}
		if n < len(l.in) {
			return nil
		}
	}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// loadTLS uses a goroutine for each connection.
func loadTLS(o loadOptions) (r loadResult, err error) {
	var warm, all sync.WaitGroup
	warm.Add(o.Conns)
	// closed when the measurement begins; end is set before
	go1 := make(chan time.Time)
	var end time.Time
	var mu sync.Mutex // guards the following variables, r and err
	var trips []float64
	for range o.Conns {
		c, err1 := tls.Dial("tcp", o.Addr, &tls.Config{InsecureSkipVerify: true})
		if err1 != nil {
			return r, err1
		}
		defer c.Close()
		trip := func(buf []byte) error {
			_, err := c.Write(buf)
			if err == nil {
				_, err = io.ReadFull(c, buf)
			}
			return err
		}
		all.Go(func() {
			buf := make([]byte, o.Size)
			var failed error
			for range 3 {
				failed = trip(buf)
			}
			warm.Done()
			<-go1
			var mine []float64
			for at := time.Now(); failed == nil && at.Before(end); {
				failed = trip(buf)
				now := time.Now()
				mine = append(mine, micros(now.Sub(at)))
				at = now
			}
			mu.Lock()
			defer mu.Unlock()
			r.Requests += len(mine)
			trips = append(trips, mine...)
			if failed != nil {
				err = failed
			}
		})
	}
	warm.Wait()
	begin()
	start := time.Now()
	end = start.Add(time.Duration(o.Seconds * float64(time.Second)))
	close(go1)
	all.Wait()
	r.Seconds = time.Since(start).Seconds()
	r.P50, r.P99 = percentiles(trips)
	return r, err
}
