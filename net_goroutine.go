package aio

// The back end on goroutines: for systems without a poller, and for what a poller cannot serve.

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/goaio/aio/internal/netio"
)

// goroutineBackend serves connections, of whatever type, by goroutines of their own.
type goroutineBackend struct{ loop *Loop }

func (b goroutineBackend) Stream(conn net.Conn) (netio.Stream, error) {
	return b.loop.newConnStream(conn), nil
}

func (b goroutineBackend) DialTCP(ctx context.Context, remote, local netip.AddrPort) (netio.Stream, error) {
	return b.loop.dialInGoroutine(ctx, "tcp", remote.String(), local)
}

func (b goroutineBackend) DialUnix(ctx context.Context, path string) (netio.Stream, error) {
	return b.loop.dialInGoroutine(ctx, "unix", path, netip.AddrPort{})
}

// watch implements fileBackend: there is nothing to wait with.
func (goroutineBackend) watch(int, netio.Owner) error { return errors.ErrUnsupported }

// dialInGoroutine connects where the loop cannot: the caller waits as for any job. A connection that
// comes when it is no longer wanted is closed.
func (l *Loop) dialInGoroutine(ctx context.Context, network, addr string, local netip.AddrPort) (netio.Stream, error) {
	d := net.Dialer{KeepAlive: -1}
	if local.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(local)
	}
	var mu sync.Mutex
	var got net.Conn
	unwanted := false
	conn, err := offLoop(ctx, func(ctx context.Context) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, addr)
		mu.Lock()
		defer mu.Unlock()
		if got = conn; err == nil && unwanted {
			conn.Close()
		}
		return conn, err
	})
	if err != nil {
		mu.Lock()
		defer mu.Unlock()
		if unwanted = true; got != nil {
			got.Close()
		}
		return nil, err
	}
	return l.newConnStream(conn), nil
}
