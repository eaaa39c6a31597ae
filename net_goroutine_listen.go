package aio

// Listening where there is no poller, and on a net.Listener that has no descriptor of its own.

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// connListener accepts connections in a goroutine.
type connListener struct {
	loop   *Loop
	server *Server
	ln     net.Listener

	// Owned by the token.
	started, closed bool
	retry           *TimerHandle // that ends the wait after an error of Accept
}

func (l *Loop) newConnListener(s *Server, ln net.Listener) *connListener {
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the server does, if it shall
	}
	return &connListener{loop: l, server: s, ln: ln}
}

// listenInGoroutine listens on addr. It cannot be bound without listening here.
func (l *Loop) listenInGoroutine(s *Server, network, addr string, o *ServerOptions) (listener, error) {
	var c net.ListenConfig
	c.KeepAlive = -1
	if o.KeepAlive {
		c.KeepAlive = 0
	}
	if o.ReusePort {
		c.Control = reusePort
	}
	if network == "tcp" {
		network = "tcp6" // which leaves IPv4 to a socket of its own
		if host, _, err := net.SplitHostPort(addr); err == nil && net.ParseIP(host).To4() != nil {
			network = "tcp4"
		}
	}
	ln, err := c.Listen(context.Background(), network, addr)
	if err != nil {
		return nil, err
	}
	return l.newConnListener(s, ln), nil
}

func (c *connListener) start(int) error {
	if c.started {
		return nil
	}
	c.loop.watching++
	c.started = true
	go c.acceptAll()
	return nil
}

// acceptAll is the goroutine that accepts, until there is an error.
func (c *connListener) acceptAll() {
	for {
		conn, err := c.ln.Accept()
		if err != nil {
			c.loop.post(readyEntry{acceptError{c, err}, nil}, false)
			return
		}
		if !c.loop.post(readyEntry{acceptance{c.server, c.loop.newConnStream(conn)}, nil}, false) {
			conn.Close()
		}
	}
}

// acceptError takes an error of Accept to the loop.
type acceptError struct {
	listener *connListener
	err      error
}

// run implements runnable. It is not known what a listener's errors mean, so any but its end is given
// time to pass.
func (a acceptError) run(*future) {
	c := a.listener
	if c.closed {
		return
	}
	if errors.Is(a.err, net.ErrClosed) { // by somebody else
		c.server.failed(a.err)
		return
	}
	c.retry = c.loop.callAt("", c.loop.after(acceptRetryDelay), func() {
		c.retry = nil
		go c.acceptAll()
	})
	if isExhaustion(a.err) {
		c.server.exhausted(a.err)
	} else {
		c.server.failed(a.err)
	}
}

func (c *connListener) close() {
	if c.closed {
		return
	}
	c.closed = true
	if c.started {
		c.loop.watching--
	}
	if c.retry != nil {
		c.retry.cancel()
		c.retry = nil
	}
	c.ln.Close()
}

func (c *connListener) localAddr() net.Addr                   { return c.ln.Addr() }
func (c *connListener) remoteAddr() net.Addr                  { return nil }
func (c *connListener) syscallConn() (syscall.RawConn, error) { return syscallConnOf(c.ln) }
func (c *connListener) file() (*os.File, error)               { return fileOf(c.ln) }
