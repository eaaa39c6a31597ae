package aio_test

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"

	"golang.org/x/net/nettest"
)

// The suite waits for deadlines most of the time, so its networks are tested in parallel.

func TestConnNettest(t *testing.T) {
	t.Parallel()
	connNetworks(t, func(t *testing.T, network string, goroutines bool) {
		t.Parallel()
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			return connPipe(network, t.TempDir(), goroutines, nil, nil)
		})
	})
}

func TestConnNettestOverTLS(t *testing.T) {
	t.Parallel()
	client, server := connConfigs()
	connNetworks(t, func(t *testing.T, network string, goroutines bool) {
		t.Parallel()
		if network != "tcp" {
			onlyLong(t)
		}
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			return connPipe(network, t.TempDir(), goroutines, client, server)
		})
	})
}

// Some of the tests, whose numbers start at 1, also fail for crypto/tls over package
// net's own connections, and run without TLS here. After a Write has timed out, a
// tls.Conn refuses all further writes. BasicIO and PingPong close both ends, and the
// second one can no longer send its close_notify, which all networks but TCP report
// at once.
func TestConnNettestUnderTLS(t *testing.T) {
	t.Parallel()
	clientConfig, serverConfig := connConfigs()
	connNetworks(t, func(t *testing.T, network string, goroutines bool) {
		t.Parallel()
		if network != "tcp" {
			onlyLong(t)
		}
		// PastTimeout, FutureTimeout, ConcurrentMethods; BasicIO, PingPong
		without := map[int]bool{7: true, 9: true, 11: true, 1: network != "tcp", 2: network != "tcp"}
		test := 0
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			c1, c2, stop, err = connPipe(network, t.TempDir(), goroutines, nil, nil)
			if test++; err != nil || without[test] {
				return c1, c2, stop, err
			}
			client, server := tls.Client(c1, clientConfig), tls.Server(c2, serverConfig)
			var wg sync.WaitGroup
			wg.Go(func() { err = server.Handshake() })
			cerr := client.Handshake()
			wg.Wait()
			if err == nil {
				err = cerr
			}
			return client, server, stop, err
		})
	})
}
