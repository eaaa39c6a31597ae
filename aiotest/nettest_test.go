package aiotest_test

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// connProtocol calls itself with a net.Conn for its transport.
type connProtocol func(net.Conn)

func (f connProtocol) ConnectionMade(t aio.Transport) { f(aio.NewConn(t)) }

// simulatedPipe returns the two ends of a simulated connection, as net.Conns for other
// goroutines.
func simulatedPipe(server, client *tls.Config) (c1, c2 net.Conn, stop func(), err error) {
	// The goroutines run in real time, and while they run the virtual clock would
	// jump to a handshake timeout.
	var patience time.Duration
	if server != nil {
		patience = aio.NoTimeout
	}
	conns, end, over := make(chan net.Conn, 2), make(chan struct{}), make(chan aiotest.Report, 1)
	maker := func() connProtocol { return func(c net.Conn) { conns <- c } }
	go func() {
		over <- aiotest.Exploration{Runs: 1, Network: true, AllowDifferences: true}.Run(func(ctx context.Context) error {
			s, err := aio.CreateServer(ctx, maker, "127.0.0.1:1", &aio.ServerOptions{TLS: server, ShutdownTimeout: patience})
			if err != nil {
				return err
			}
			defer s.Close()
			if _, _, err := aio.CreateConnection(ctx, maker, "127.0.0.1:1", &aio.ConnectionOptions{TLS: client, ShutdownTimeout: patience}); err != nil {
				return err
			}
			_, _, err = aio.Receive(ctx, end)
			return err
		})
	}()
	stop = func() {
		c1.Close()
		c2.Close()
		close(end)
		if r := <-over; len(r.Failures) > 0 {
			panic(r.Failures[0])
		}
	}
	for _, c := range []*net.Conn{&c1, &c2} {
		select {
		case *c = <-conns:
		case r := <-over:
			return nil, nil, nil, r.Failures[0]
		}
	}
	return c1, c2, stop, nil
}

func TestNetworkNettest(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) { return simulatedPipe(nil, nil) })
}

func TestNetworkNettestOverTLS(t *testing.T) {
	server, client := tlsConfigs(t)
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) { return simulatedPipe(server, client) })
}
