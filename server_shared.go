package aio

// Listeners that share one port, for several loops.

import (
	"context"
	"net"
	"runtime"

	"github.com/goaio/aio/internal/sysio"
)

// SharedListeners returns n listeners on one address, for the servers of n loops: pass
// one to each server as [ServerOptions] Listener. addr is "host:port"; with port 0 the
// system chooses one port for all. Where the kernel distributes connections among sockets
// (SO_REUSEPORT on Linux), it does so by their addresses, so a large number of clients is
// distributed about evenly. Elsewhere the listeners are duplicates of one, from which the
// loops accept in turn.
//
// It never awaits, and any goroutine may call it. The error is a [*net.OpError] if the
// system does not support it, and matches [ErrUsage] if n is less than 1; after an
// error nothing stays open.
//
// (asyncio has no equivalent.)
func SharedListeners(n int, network, addr string) (listeners []net.Listener, err error) {
	if n < 1 {
		return nil, usagef("SharedListeners", "%d listeners", n)
	}
	defer func() {
		if err != nil {
			for _, ln := range listeners {
				ln.Close()
			}
			listeners = nil
		}
	}()
	c := net.ListenConfig{KeepAlive: -1}
	if sharesConnections {
		c.Control = sysio.ReusePort
	}
	for range n {
		var ln net.Listener
		if len(listeners) > 0 && !sharesConnections {
			ln, err = duplicate(listeners[0])
		} else {
			ln, err = c.Listen(context.Background(), network, addr)
		}
		if err != nil {
			return listeners, err
		}
		listeners = append(listeners, ln)
		addr = ln.Addr().String()
	}
	return listeners, nil
}

// sharesConnections reports whether the kernel distributes connections among sockets on
// one port.
const sharesConnections = runtime.GOOS == "linux"

// duplicate returns a listener on the same socket.
func duplicate(ln net.Listener) (net.Listener, error) {
	f, err := fileOf(ln)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return net.FileListener(f)
}
