package aio

// Connecting in a goroutine, where there is no poller or it is not to be used.

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"github.com/goaio/aio/internal/netio"
)

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
