package aio_test

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"

	"golang.org/x/net/nettest"
)

func TestConnNettest(t *testing.T) {
	connNetworks(t, func(t *testing.T, network string, goroutines bool) {
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			return connPipe(network, t.TempDir(), goroutines, nil, nil)
		})
	})
}

func TestConnNettestOverTLS(t *testing.T) {
	client, server := connConfigs()
	connNetworks(t, func(t *testing.T, network string, goroutines bool) {
		if network != "tcp" {
			onlyLong(t)
		}
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			return connPipe(network, t.TempDir(), goroutines, client, server)
		})
	})
}

// Some of the tests, which count from one, fail with crypto/tls over package net's own
// connections too, and run without TLS here. After a Write that timed out, a tls.Conn
// refuses all further ones. And BasicIO and PingPong close both ends, the second of which
// cannot send its close_notify any more; only TCP does not notice at once.
func TestConnNettestUnderTLS(t *testing.T) {
	// PastTimeout, FutureTimeout, ConcurrentMethods
	without := map[int]bool{7: true, 9: true, 11: true}
	clientConfig, serverConfig := connConfigs()
	connNetworks(t, func(t *testing.T, network string, goroutines bool) {
		if network != "tcp" {
			onlyLong(t)
		}
		// BasicIO, PingPong
		without[1], without[2] = network != "tcp", network != "tcp"
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
