package aio

// Listening where there is no poller, and on a net.Listener without a descriptor.

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"github.com/goaio/aio/internal/netio"
	"github.com/goaio/aio/internal/sysio"
)

// connListener accepts connections in a goroutine.
type connListener struct {
	loop *Loop
	ln   net.Listener
	gate sync.Mutex // locked while accepting is stopped

	// Owned by the token.
	acceptor netio.Acceptor // nil before Start
	closed   bool
	held     bool         // the gate is locked
	retry    *TimerHandle // ends the wait after an error of Accept
}

func (l *Loop) newConnListener(ln net.Listener) *connListener {
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the server removes the file, if requested
	}
	return &connListener{loop: l, ln: ln}
}

func (b goroutineBackend) BindTCP(addr netip.AddrPort, o netio.ListenOptions) (netio.Listener, error) {
	return b.loop.listenInGoroutine("tcp", addr.String(), o)
}

func (b goroutineBackend) BindUnix(path string, o netio.ListenOptions) (netio.Listener, error) {
	return b.loop.listenInGoroutine("unix", path, o)
}

func (b goroutineBackend) Listener(ln net.Listener) (netio.Listener, error) {
	return b.loop.newConnListener(ln), nil
}

// listenInGoroutine listens on addr. Package net cannot bind without listening.
func (l *Loop) listenInGoroutine(network, addr string, o netio.ListenOptions) (netio.Listener, error) {
	var c net.ListenConfig
	c.KeepAlive = -1
	if o.KeepAlive {
		c.KeepAlive = 0
	}
	if o.ReusePort {
		c.Control = sysio.ReusePort
	}
	if network == "tcp" {
		network = "tcp6" // IPv4 has a socket of its own
		if host, _, err := net.SplitHostPort(addr); err == nil && net.ParseIP(host).To4() != nil {
			network = "tcp4"
		}
	}
	ln, err := c.Listen(context.Background(), network, addr)
	if err != nil {
		return nil, err
	}
	return l.newConnListener(ln), nil
}

func (c *connListener) Start(a netio.Acceptor, _ int) error {
	if c.acceptor != nil {
		return nil
	}
	c.loop.outsideWaits++
	c.acceptor = a
	go c.acceptAll()
	return nil
}

// acceptAll is the goroutine that accepts, until an error.
func (c *connListener) acceptAll() {
	for {
		c.gate.Lock()
		//lint:ignore SA2001 it only waits
		c.gate.Unlock()
		conn, err := c.accept()
		if err != nil {
			c.loop.post(readyEntry{acceptError{c, err}, nil}, false)
			return
		}
		if !c.loop.post(readyEntry{acceptedConn{c, conn}, nil}, false) {
			conn.Close()
		}
	}
}

// accept calls the Accept of the listener. It turns a panic into an error, as guarded
// does, and reports runtime.Goexit to the loop.
func (c *connListener) accept() (conn net.Conn, err error) {
	err = ErrGoexit
	defer func() {
		if err == ErrGoexit {
			c.loop.post(readyEntry{acceptError{c, err}, nil}, false)
		}
	}()
	defer recovered(&err)
	return c.ln.Accept()
}

// acceptedConn passes a connection to the loop.
type acceptedConn struct {
	listener *connListener
	conn     net.Conn
}

// run implements runnable.
func (a acceptedConn) run(*future) {
	a.listener.acceptor.Accepted(a.listener.loop.newConnStream(a.conn))
}

// abandon implements orphan: the loop was closed before run.
func (a acceptedConn) abandon() { a.conn.Close() }

// acceptError passes an error of Accept to the loop.
type acceptError struct {
	listener *connListener
	err      error
}

// run implements runnable. The meaning of a listener's errors is not known. So after
// any error except net.ErrClosed the listener waits, and then calls Accept again.
func (a acceptError) run(*future) {
	c := a.listener
	if c.closed {
		return
	}
	if errors.Is(a.err, net.ErrClosed) { // other code has closed it
		c.acceptor.Failed(a.err)
		return
	}
	c.retry = c.loop.callAt("", c.loop.after(acceptRetryDelay), func() {
		c.retry = nil
		go c.acceptAll()
	})
	if isExhaustion(a.err) {
		c.acceptor.Exhausted(a.err)
	} else {
		c.acceptor.Failed(a.err)
	}
}

// Hold stops accepting, after one more connection at most, until it is called with false.
func (c *connListener) Hold(on bool) error {
	if c.held != on {
		if c.held = on; on {
			c.gate.Lock()
		} else {
			c.gate.Unlock()
		}
	}
	return nil
}

func (c *connListener) Close() {
	if c.closed {
		return
	}
	c.closed = true
	_ = c.Hold(false) // Hold(false) does not fail
	if c.acceptor != nil {
		c.loop.outsideWaits--
	}
	if c.retry != nil {
		c.retry.cancel()
		c.retry = nil
	}
	c.ln.Close()
}

func (c *connListener) LocalAddr() net.Addr                   { return c.ln.Addr() }
func (c *connListener) RemoteAddr() net.Addr                  { return nil }
func (c *connListener) SyscallConn() (syscall.RawConn, error) { return syscallConnOf(c.ln) }
func (c *connListener) File() (*os.File, error)               { return fileOf(c.ln) }
