package aio

// Listeners that share one port, for several loops.

import (
	"context"
	"net"
	"runtime"

	"github.com/goaio/aio/internal/sysio"
)

// SharedListeners returns n listeners on one address, for the servers of n loops: give
// each its own by ServerOptions.Listener. addr is "host:port"; with port 0 the system
// chooses one for all. Where the system shares out the connections among sockets
// (SO_REUSEPORT on Linux) it does so by their addresses, so each loop gets about the same
// number of many clients. Elsewhere the listeners are duplicates of one, from which the
// loops take turns as they come.
//
// It never awaits, and any goroutine may call it. The error is a *net.OpError if the
// system does not allow it, and matches ErrUsage if n is less than 1; nothing stays open
// then. (asyncio has nothing like it)
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

// sharesConnections reports whether the system shares connections out among sockets on
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
