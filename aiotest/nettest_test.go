package aiotest_test

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// connProtocol calls itself with a net.Conn for its transport.
type connProtocol func(net.Conn)

func (f connProtocol) ConnectionMade(t aio.Transport) { f(aio.NewConn(t)) }

// simulatedPipe returns the two ends of a simulated connection, as net.Conns for other
// goroutines. They work in real time. A job that runs until stop is called keeps the
// clock at the speed of real time, so that the clock does not jump to a timeout of TLS.
func simulatedPipe(server, client *tls.Config) (c1, c2 net.Conn, stop func(), err error) {
	conns, end, over := make(chan net.Conn, 2), make(chan struct{}), make(chan aiotest.Report, 1)
	maker := func() connProtocol { return func(c net.Conn) { conns <- c } }
	go func() {
		over <- aiotest.Exploration{Runs: 1, Network: true, RealThreads: true, AllowDifferences: true}.Run(func(ctx context.Context) error {
			s, err := aio.CreateServer(ctx, maker, "127.0.0.1:1", &aio.ServerOptions{TLS: server})
			if err != nil {
				return err
			}
			defer s.Close()
			if _, _, err := aio.CreateConnection(ctx, maker, "127.0.0.1:1", &aio.ConnectionOptions{TLS: client}); err != nil {
				return err
			}
			_, err = aio.ToThread(ctx, func(context.Context) (struct{}, error) { <-end; return struct{}{}, nil })
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
