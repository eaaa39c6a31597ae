package aio_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/goaio/aio"
)

// connMaker is a protocol that makes a net.Conn of its transport.
type connMaker func(net.Conn)

func (f connMaker) ConnectionMade(t aio.Transport) { f(aio.NewConn(t)) }

// connLoop runs a loop in a goroutine of its own. stop closes it.
func connLoop(goroutines bool) (l *aio.Loop, stop func()) {
	l = aio.NewEventLoop(nil)
	aio.ForceGoroutines(l, goroutines)
	done := make(chan error)
	go func() {
		err := l.RunForever()
		if cerr := l.Close(); err == nil {
			err = cerr
		}
		done <- err
	}()
	return l, func() {
		l.CallSoonThreadsafe(l.Stop)
		if err := <-done; err != nil {
			panic(err)
		}
	}
}

// connTake makes a net.Conn of a transport of l over c.
func connTake(l *aio.Loop, c net.Conn) (net.Conn, error) {
	return aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (made net.Conn, err error) {
		_, _, err = aio.CreateConnection(ctx, func() connMaker {
			return func(c net.Conn) { made = c }
		}, "", &aio.ConnectionOptions{Conn: c})
		return made, err
	}).Result(context.Background())
}

// connPair returns the two ends of a connection of package net.
func connPair(network, dir string) (c1, c2 net.Conn, err error) {
	addr := "127.0.0.1:0"
	switch network {
	case "pipe":
		c1, c2 = net.Pipe()
		return c1, c2, nil
	case "unix":
		addr = filepath.Join(dir, "s")
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	if c1, err = net.Dial(network, ln.Addr().String()); err != nil {
		return nil, nil, err
	}
	c2, err = ln.Accept()
	return c1, c2, err
}

// connPipe returns the two ends of a connection over transports of two loops.
func connPipe(network, dir string, goroutines bool) (c1, c2 net.Conn, stop func(), err error) {
	if c1, c2, err = connPair(network, dir); err != nil {
		return nil, nil, nil, err
	}
	l1, stop1 := connLoop(goroutines)
	l2, stop2 := connLoop(goroutines)
	if c1, err = connTake(l1, c1); err == nil {
		c2, err = connTake(l2, c2)
	}
	stop = func() { stop1(); stop2() }
	if err != nil {
		stop()
	}
	return c1, c2, stop, err
}

// connNetworks runs test for each kind of connection.
func connNetworks(t *testing.T, test func(t *testing.T, network string, goroutines bool)) {
	for _, tt := range []struct {
		name, network string
		goroutines    bool
	}{
		{"tcp", "tcp", false},
		{"unix", "unix", false},
		{"tcp over goroutines", "tcp", true},
		{"pipe", "pipe", false},
	} {
		t.Run(tt.name, func(t *testing.T) { test(t, tt.network, tt.goroutines) })
	}
}

func TestConnNettest(t *testing.T) {
	connNetworks(t, func(t *testing.T, network string, goroutines bool) {
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			return connPipe(network, t.TempDir(), goroutines)
		})
	})
}

// Some of the tests, which count from one, fail with crypto/tls over package net's own connections too,
// and run without TLS here. After a Write that timed out, a tls.Conn refuses all further ones. And
// BasicIO and PingPong close both ends, the second of which cannot send its close_notify any more; only
// TCP does not notice at once.
func TestConnNettestTLS(t *testing.T) {
	without := map[int]bool{7: true, 9: true, 11: true} // PastTimeout, FutureTimeout, ConcurrentMethods
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	cert := web.TLS.Certificates[0]
	web.Close()
	connNetworks(t, func(t *testing.T, network string, goroutines bool) {
		without[1], without[2] = network != "tcp", network != "tcp" // BasicIO, PingPong
		test := 0
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			c1, c2, stop, err = connPipe(network, t.TempDir(), goroutines)
			if test++; err != nil || without[test] {
				return c1, c2, stop, err
			}
			client := tls.Client(c1, &tls.Config{InsecureSkipVerify: true})
			server := tls.Server(c2, &tls.Config{Certificates: []tls.Certificate{cert}})
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
