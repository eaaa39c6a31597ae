package aio_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"testing"

	"github.com/goaio/aio"
)

// The address of a sender does not change when others send.
func TestDatagramAddresses(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		p, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		a, b := dgPlain(t, "udp4", "127.0.0.1:0"), dgPlain(t, "udp4", "127.0.0.1:0")
		var want []string
		for i, c := range []net.PacketConn{a, a, b, a, b, b} {
			c.WriteTo([]byte("x"), p.sockname())
			want = append(want, c.LocalAddr().String())
			if err := p.after(ctx, i+2); err != nil {
				return err
			}
		}
		for i, from := range p.from {
			if from.String() != want[i] {
				t.Errorf("datagram %d came from %v, want %s", i, from, want[i])
			}
		}
		return nil
	})
}

// Link-local addresses, which have a zone.
func TestDatagramZone(t *testing.T) {
	ifs, err := net.Interfaces()
	if err != nil {
		t.Skip(err)
	}
	at := ""
	for _, i := range ifs {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() == nil && n.IP.IsLinkLocalUnicast() {
				at = fmt.Sprintf("[%v%%%s]:0", n.IP, i.Name)
			}
		}
	}
	if at == "" {
		t.Skip("no link-local address")
	}
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		p, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: at})
		if err != nil {
			return err
		}
		q, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: at})
		if err != nil {
			return err
		}
		p.onData = func(b []byte, from net.Addr) { p.t.SendTo(b, from) }
		for range 2 {
			q.t.SendTo([]byte("x"), p.sockname())
		}
		if err := q.after(ctx, 3); err != nil {
			return err
		}
		q.log.want(t, "made got:x got:x")
		if !dgOnPoller(t) {
			return nil // package net ignores an unknown zone
		}
		if got := q.from[0].String(); got != p.sockname().String() {
			t.Errorf("the answer came from %s, want %v", got, p.sockname())
		}
		bad := *p.sockname().(*net.UDPAddr)
		bad.Zone = "no such zone"
		q.t.SendTo([]byte("x"), &bad)
		if err := q.after(ctx, 1); err != nil {
			return err
		}
		q.log.want(t, "error")
		return nil
	})
}

// An IPv6 socket may receive IPv4 datagrams too. Their addresses are IPv4 addresses.
func TestDatagramDualStack(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		if !dgOnPoller(t) || runtime.GOOS != "linux" {
			t.Skip("depends on the system and on package net")
		}
		p, err := dgOpen(ctx, &aio.DatagramOptions{Network: "udp6", LocalAddr: ":0"})
		if err != nil {
			t.Skip(err)
		}
		plain := dgPlain(t, "udp4", "127.0.0.1:0")
		p.onData = func(b []byte, from net.Addr) { p.t.SendTo(b, from) }
		plain.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p.sockname().(*net.UDPAddr).Port})
		if err := p.after(ctx, 2); err != nil {
			return err
		}
		if got, _ := dgRead(t, plain); got != "x" {
			t.Errorf("got %q", got)
		}
		if from := p.from[0].(*net.UDPAddr); len(from.IP) != net.IPv4len || from.String() != plain.LocalAddr().String() {
			t.Errorf("the datagram came from %v (%d bytes)", from, len(from.IP))
		}
		return nil
	})
}
