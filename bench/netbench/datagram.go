//go:build linux

package main

// Datagrams: one at a time, so that each wakes the server.

import (
	"context"
	"fmt"
	"net"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

func measureDatagram(b *bench, rival string) ([]float64, error) {
	kind := map[string]string{"net": "net datagram", "gnet": "gnet udp"}[rival]
	if kind == "" {
		kind = rival
	}
	s, addr, err := b.server(serverCore, kind, serveOptions{})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	r, cpu, err := b.underLoad(s, loadCore, loadOptions{Kind: "datagram", Addr: addr, Size: 64})
	return r.figures(cpu), err
}

// datagramEcho is the protocol of the server.
type datagramEcho struct{ t aio.DatagramTransport }

func (e *datagramEcho) ConnectionMade(t aio.DatagramTransport)   { e.t = t }
func (e *datagramEcho) DatagramReceived(p []byte, from net.Addr) { e.t.SendTo(p, from) }

func serveDatagram() error {
	return aio.Run(func(ctx context.Context) error {
		t, _, err := aio.CreateDatagramEndpoint(ctx, func() *datagramEcho { return &datagramEcho{} },
			&aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		fmt.Println(t.GetExtraInfo("sockname"))
		_, err = aio.CreateFuture[struct{}](ctx).Await(ctx)
		return err
	})
}

// serveNetDatagram is the rival: the variants of ReadFrom and WriteTo that do not
// allocate.
func serveNetDatagram() error {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	fmt.Println(c.LocalAddr())
	buf := make([]byte, 64<<10)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return err
		}
		if _, err := c.WriteToUDPAddrPort(buf[:n], from); err != nil {
			return err
		}
	}
}

// loadDatagram sends datagrams and waits for the echo of each. The waits are in the
// kernel, with raw system calls for the reason given in echoLoop.wait.
func loadDatagram(o loadOptions) (r loadResult, err error) {
	to, err := net.ResolveUDPAddr("udp4", o.Addr)
	if err != nil {
		return r, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return r, err
	}
	defer unix.Close(fd)
	limit := unix.Timeval{Sec: 5}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return r, err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}); err != nil {
		return r, err
	}
	out, in := make([]byte, o.Size), make([]byte, o.Size)
	trip := func() error {
		if _, err := unix.Write(fd, out); err != nil {
			return err
		}
		n, err := rawRead(fd, in)
		if err == nil && n != o.Size {
			err = fmt.Errorf("an echo of %d bytes", n)
		}
		return err
	}
	for range 1000 {
		if err := trip(); err != nil {
			return r, err
		}
	}
	begin()
	var trips []float64
	start := time.Now()
	end := start.Add(time.Duration(o.Seconds * float64(time.Second)))
	for at := start; at.Before(end); {
		if err := trip(); err != nil {
			return r, err
		}
		now := time.Now()
		trips = append(trips, micros(now.Sub(at)))
		at = now
	}
	r.Requests, r.Seconds = len(trips), time.Since(start).Seconds()
	r.P50, r.P99 = percentiles(trips)
	return r, nil
}

// rawRead is a blocking read that the runtime does not know of.
func rawRead(fd int, p []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		if errno == 0 {
			return int(n), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}
