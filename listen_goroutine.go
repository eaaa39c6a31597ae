package aio

// Listening where there is no poller, and on a net.Listener that has no descriptor of its own.

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// connListener accepts connections in a goroutine.
type connListener struct {
	loop   *Loop
	server *Server
	ln     net.Listener
	done   chan struct{} // closed by close

	started, closed bool // owned by the token
}

func (l *Loop) newConnListener(s *Server, ln net.Listener) *connListener {
	return &connListener{loop: l, server: s, ln: ln, done: make(chan struct{})}
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
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the server does, if it shall
	}
	return l.newConnListener(s, ln), nil
}

func (c *connListener) start(int) error {
	c.loop.watching++
	c.started = true
	go c.acceptAll()
	return nil
}

// acceptAll is the goroutine that accepts.
func (c *connListener) acceptAll() {
	for {
		conn, err := c.ln.Accept()
		if err == nil {
			if !c.loop.post(event{acceptance{c.server, c.loop.newConnStream(conn)}, nil}, false) {
				conn.Close()
			}
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		c.loop.post(event{acceptError{c.server, err}, nil}, false)
		select {
		case <-time.After(acceptRetryDelay):
		case <-c.done:
			return
		}
	}
}

// acceptError takes an error of Accept to the loop.
type acceptError struct {
	server *Server
	err    error
}

func (a acceptError) run(*future) { a.server.exhausted(a.err) }

func (c *connListener) close() {
	if c.closed {
		return
	}
	c.closed = true
	if c.started {
		c.loop.watching--
	}
	close(c.done)
	c.ln.Close()
}

func (c *connListener) localAddr() net.Addr                   { return c.ln.Addr() }
func (c *connListener) remoteAddr() net.Addr                  { return nil }
func (c *connListener) syscallConn() (syscall.RawConn, error) { return syscallConnOf(c.ln) }
func (c *connListener) file() (*os.File, error)               { return fileOf(c.ln) }
