//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// dgOption returns an option of the endpoint's socket.
func dgOption(t *testing.T, p *dgPeer, opt int) int {
	t.Helper()
	rc, err := p.t.GetExtraInfo("socket").(*aio.TransportSocket).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if cerr := rc.Control(func(fd uintptr) { n, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, opt) }); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	return n
}

// LOOP-193
func TestDatagramSocketOptions(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		open := func(o *aio.DatagramOptions) *dgPeer {
			p, err := dgOpen(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		check := func(p *dgPeer, reusePort, broadcast bool) {
			t.Helper()
			if got := dgOption(t, p, unix.SO_REUSEPORT) != 0; got != reusePort {
				t.Errorf("SO_REUSEPORT is %v", got)
			}
			// Package net sets SO_BROADCAST for all sockets.
			if got := dgOption(t, p, unix.SO_BROADCAST) != 0; got != broadcast && dgOnPoller(t) {
				t.Errorf("SO_BROADCAST is %v", got)
			}
			if dgOption(t, p, unix.SO_REUSEADDR) != 0 {
				t.Error("SO_REUSEADDR is set")
			}
		}
		check(open(&aio.DatagramOptions{LocalAddr: "127.0.0.1:0"}), false, false)
		check(open(&aio.DatagramOptions{LocalAddr: "127.0.0.1:0", RemoteAddr: "127.0.0.1:9"}), false, false)
		p := open(&aio.DatagramOptions{LocalAddr: "127.0.0.1:0", ReusePort: true})
		check(p, true, false)
		check(open(&aio.DatagramOptions{LocalAddr: p.sockname().String(), ReusePort: true}), true, false)
		check(open(&aio.DatagramOptions{LocalAddr: "127.0.0.1:0", RemoteAddr: "127.0.0.1:9", ReusePort: true}), true, false)
		check(open(&aio.DatagramOptions{Network: "udp4", AllowBroadcast: true}), false, true)
		return nil
	})
}

// If connect fails, the descriptor is closed: a broadcast address is refused without
// AllowBroadcast. LOOP-191
func TestDatagramCannotConnect(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		if !dgOnPoller(t) {
			t.Skip("package net allows broadcasts for all sockets")
		}
		_, err := dgOpen(ctx, &aio.DatagramOptions{RemoteAddr: "255.255.255.255:9"})
		dgIs(t, err, unix.EACCES)
		dgIsOp(t, err, "dial", "255.255.255.255:9")

		// Sending to a broadcast address fails for this datagram only, and
		// ErrorReceived gets the error. LOOP-204
		p, err := dgOpen(ctx, &aio.DatagramOptions{Network: "udp4"})
		if err != nil {
			return err
		}
		p.t.SendTo(nil, &net.UDPAddr{IP: net.IPv4bcast, Port: 9})
		p.log.want(t, "made error")
		dgIs(t, p.errs[0], unix.EACCES)
		if !strings.Contains(p.errs[0].Error(), "255.255.255.255:9") {
			t.Errorf("the error is %v", p.errs[0])
		}
		return nil
	})
}

// The transport registers with the poller only for the events that it waits for.
// Otherwise the poller would keep the loop busy.
func TestDatagramWatched(t *testing.T) {
	dgWays(t, func(t *testing.T, ctx context.Context, p *dgPeer, to net.Addr, plain net.PacketConn) error {
		if !dgOnPoller(t) {
			t.Skip("this back end has no poller")
		}
		want := func(want string) {
			t.Helper()
			if got := aio.Watched(p.t); got != want {
				t.Errorf("the poller watches %s, want %s", got, want)
			}
		}
		waiting, closing := "both", "writing"
		if to != nil { // the socket is always writable
			waiting, closing = "reading", "nothing"
		}
		want("reading")
		n := dgFill(t, p, to)
		want(waiting)
		if _, err := dgDrain(t, ctx, plain, n, 0); err != nil {
			return err
		}
		want("reading")
		n = dgFill(t, p, to)
		p.t.Close()
		want(closing)
		if _, err := dgDrain(t, ctx, plain, n, 0); err != nil {
			return err
		}
		_, err := p.lost.Await(ctx)
		return err
	})
}
