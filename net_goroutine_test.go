package aio_test

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
)

// closes counts how often the package closes a value passed in by the user.
type closes struct{ n atomic.Int32 }

// closesConn is a user-defined net.Conn whose Close may be called only once.
type closesConn struct {
	net.Conn
	*closes
}

func (c closesConn) Close() error { c.n.Add(1); return c.Conn.Close() }

// closesConnStuck is a closesConn whose writes block and that does not support
// deadlines.
type closesConnStuck struct {
	closesConn
	stuck chan struct{}
}

func (c closesConnStuck) Write([]byte) (int, error)        { <-c.stuck; return 0, io.ErrClosedPipe }
func (c closesConnStuck) SetWriteDeadline(time.Time) error { return nil }
func (c closesConnStuck) Close() error                     { c.n.Add(1); close(c.stuck); return c.Conn.Close() }

// closesPacketConn is a user-defined net.PacketConn whose Close may be called only
// once.
type closesPacketConn struct {
	*pcConn
	*closes
}

func (c closesPacketConn) Close() error { c.n.Add(1); close(c.closed); return nil }

// closesListener is a user-defined net.Listener that accepts one client.
type closesListener struct {
	conns chan net.Conn
	gone  chan struct{}
	*closes
}

func (l closesListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.gone:
		return nil, net.ErrClosed
	}
}

func (l closesListener) Close() error   { l.n.Add(1); close(l.gone); return nil }
func (l closesListener) Addr() net.Addr { return pcAddr("here") }

// The package closes a value passed in by the user exactly once, whatever happens.
func TestUsersValuesAreClosedOnce(t *testing.T) {
	type world struct {
		t      *testing.T
		ctx    context.Context
		counts map[string]*closes
		peer   net.Conn // peer of the last conn
	}
	count := func(w *world, name string) *closes {
		c := &closes{}
		w.counts[name] = c
		return c
	}
	conn := func(w *world, name string) net.Conn {
		here, there := net.Pipe()
		w.peer = there
		return closesConn{here, count(w, name)}
	}
	connect := func(w *world, conn net.Conn) aio.Transport {
		tr, _, err := aio.ConnectAcceptedSocket(w.ctx, newIOLogger, conn, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		return tr
	}
	packets := func(w *world) (aio.DatagramTransport, closesPacketConn) {
		c := closesPacketConn{newPCConn(), count(w, "socket")}
		tr, _, err := aio.CreateDatagramEndpoint(w.ctx, func() *dgPeer {
			return &dgPeer{lost: aio.CreateFuture[error](w.ctx)}
		}, &aio.DatagramOptions{Conn: c})
		if err != nil {
			w.t.Fatal(err)
		}
		return tr, c
	}
	serve := func(w *world) (*aio.Server, closesListener) {
		ln := closesListener{make(chan net.Conn), make(chan struct{}), count(w, "listener")}
		s, err := aio.CreateServer(w.ctx, newIOLogger, "", &aio.ServerOptions{Listener: ln})
		if err != nil {
			w.t.Fatal(err)
		}
		return s, ln
	}
	settle := func(w *world) {
		for range 4 {
			synctest.Wait()
			if err := aio.Sleep(w.ctx, 0); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name string
		run  func(w *world)
	}{
		{"a connection, closed", func(w *world) { connect(w, conn(w, "conn")).Close() }},
		{"a connection, closed a while ago", func(w *world) {
			connect(w, conn(w, "conn")).Close()
			settle(w)
		}},
		{"a connection, aborted", func(w *world) { connect(w, conn(w, "conn")).Abort() }},
		{"a connection, idle", func(w *world) { connect(w, conn(w, "conn")) }},
		{"a connection after EOF", func(w *world) {
			connect(w, conn(w, "conn"))
			w.peer.Close()
			settle(w)
		}},
		{"a connection with buffered data", func(w *world) {
			connect(w, conn(w, "conn")).Write([]byte("x"))
		}},
		{"a connection whose peer closes before a write", func(w *world) {
			tr := connect(w, conn(w, "conn"))
			w.peer.Close()
			tr.Write([]byte("x"))
			settle(w)
		}},
		{"a connection that lingers forever", func(w *world) {
			tr := connect(w, closesConnStuck{conn(w, "conn").(closesConn), make(chan struct{})})
			tr.Write([]byte("x"))
			tr.Close()
		}},
		{"a connection with an invalid protocol", func(w *world) {
			_, _, err := aio.ConnectAcceptedSocket(w.ctx, func() int { return 1 }, conn(w, "conn"), nil)
			matches(w.t, "ConnectAcceptedSocket", err, aio.ErrUsage)
		}},
		{"a socket, closed", func(w *world) {
			tr, _ := packets(w)
			tr.Close()
			settle(w)
		}},
		{"a socket, aborted", func(w *world) {
			tr, _ := packets(w)
			tr.Abort()
		}},
		{"a socket, idle", func(w *world) { packets(w) }},
		{"a socket with buffered data", func(w *world) {
			tr, _ := packets(w)
			tr.SendTo([]byte("x"), pcAddr("x"))
			tr.Close()
		}},
		{"a socket that is closed", func(w *world) {
			_, c := packets(w)
			c.in <- pcDatagram{err: io.EOF}
			settle(w)
		}},
		{"a socket with an invalid protocol", func(w *world) {
			c := closesPacketConn{newPCConn(), count(w, "socket")}
			_, _, err := aio.CreateDatagramEndpoint(w.ctx, func() int { return 1 }, &aio.DatagramOptions{Conn: c})
			matches(w.t, "CreateDatagramEndpoint", err, aio.ErrUsage)
		}},
		{"a listener, closed", func(w *world) {
			s, _ := serve(w)
			s.Close()
			s.Close()
		}},
		{"a listener, serving", func(w *world) { serve(w) }},
		{"a listener with a client", func(w *world) {
			_, ln := serve(w)
			ln.conns <- conn(w, "client")
			settle(w)
		}},
		{"a listener with a client that is not accepted yet", func(w *world) {
			_, ln := serve(w)
			ln.conns <- conn(w, "client")
			synctest.Wait()
		}},
		{"a closed listener with a client that is not accepted yet", func(w *world) {
			s, ln := serve(w)
			ln.conns <- conn(w, "client")
			synctest.Wait()
			s.Close()
		}},
		{"a closed listener with a client that has no transport yet", func(w *world) {
			s, ln := serve(w)
			ln.conns <- conn(w, "client")
			synctest.Wait()
			if err := aio.Sleep(w.ctx, 0); err != nil {
				w.t.Fatal(err)
			}
			s.Close()
			settle(w)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{t: t, counts: map[string]*closes{}}
				l := aio.NewEventLoop(nil)
				if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
					w.ctx = ctx
					c.run(w)
					return nil
				})); err != nil {
					t.Error(err)
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
				if w.peer != nil {
					w.peer.Close()
				}
				synctest.Wait()
				for name, closes := range w.counts {
					same(t, name+" closed", closes.n.Load(), 1)
				}
			})
		})
	}
}
