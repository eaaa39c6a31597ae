package aio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
)

// memListener is an in-memory net.Listener.
type memListener struct {
	conns  chan net.Conn
	errs   chan error
	closed chan struct{}
	once   sync.Once
}

func newMemListener() *memListener {
	return &memListener{conns: make(chan net.Conn), errs: make(chan error), closed: make(chan struct{})}
}

func (ln *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-ln.conns:
		return c, nil
	case err := <-ln.errs:
		return nil, err
	case <-ln.closed:
		return nil, net.ErrClosed
	}
}

func (ln *memListener) Close() error { ln.once.Do(func() { close(ln.closed) }); return nil }

func (ln *memListener) Addr() net.Addr { return memAddr{} }

// dial returns the peer of a connection that Accept returns.
func (ln *memListener) dial() net.Conn {
	here, there := net.Pipe()
	ln.conns <- here
	return there
}

type memAddr struct{}

func (memAddr) Network() string { return "mem" }

func (memAddr) String() string { return "mem" }

// memCase is a server on a memListener in a bubble, with the time of the bubble.
type memCase struct {
	serverCase
	ln      *memListener
	reports []aio.ExceptionContext
}

// inMemory runs main in a task of a loop in a bubble.
func inMemory(t *testing.T, main func(c *memCase)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := aio.NewEventLoop(nil)
		c := &memCase{ln: newMemListener()}
		l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { c.reports = append(c.reports, ec) })
		if err := runMain(l, func(ctx context.Context) error {
			c.serverCase = serverCase{T: t, ctx: ctx, l: l, on: map[string]func(*ioLogger){}}
			srv, err := aio.CreateServer(ctx, c.factory, "", &aio.ServerOptions{Listener: c.ln})
			if err != nil {
				return err
			}
			c.srv = srv
			main(c)
			return nil
		}); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// dial makes a connection and waits until the server has created its protocol.
func (c *memCase) dial() net.Conn {
	c.Helper()
	conn := c.ln.dial()
	c.settle()
	return conn
}

// settle runs everything that can run without advancing the time.
func (c *memCase) settle() {
	c.Helper()
	for range 4 {
		synctest.Wait()
		c.pass()
	}
}

// Shutdown ends a server in phases.
func TestServerShutdown(t *testing.T) {
	const grace = 10 * time.Second
	for _, s := range []struct {
		name   string
		client func(c *memCase, conn net.Conn) // client runs in a goroutine
		setUp  func(c *memCase)                // before Shutdown
		// the expected duration of Shutdown
		want   time.Duration
		events string
	}{
		{name: "nobody is there", want: 0},
		{
			name:   "a client that ends in time",
			client: func(c *memCase, conn net.Conn) { time.Sleep(grace - time.Second); conn.Close() },
			want:   grace - time.Second, events: "made eof lost",
		}, {
			name:   "a client that stays",
			client: func(c *memCase, conn net.Conn) { io.Copy(io.Discard, conn); conn.Close() },
			want:   grace, events: "made lost",
		}, {
			name:   "a client that takes its time to read",
			client: func(c *memCase, conn net.Conn) { time.Sleep(grace + 3*time.Second); io.Copy(io.Discard, conn) },
			setUp:  func(c *memCase) { c.clients[0].t.Write(make([]byte, 1<<20)) },
			want:   grace + 3*time.Second, events: "made pause resume lost",
		}, {
			name:   "a client that does not read",
			client: func(c *memCase, conn net.Conn) { time.Sleep(time.Hour); conn.Close() },
			setUp:  func(c *memCase) { c.clients[0].t.Write(make([]byte, 1<<20)) },
			want:   2 * grace, events: "made pause lost",
		}, {
			name:   "a server that is closed already",
			client: func(c *memCase, conn net.Conn) { io.Copy(io.Discard, conn); conn.Close() },
			setUp:  func(c *memCase) { c.srv.Close() },
			want:   grace, events: "made lost",
		},
	} {
		t.Run(s.name, func(t *testing.T) {
			inMemory(t, func(c *memCase) {
				done := make(chan struct{})
				if s.client != nil {
					conn := c.dial()
					go func() {
						defer close(done)
						s.client(c, conn)
					}()
				} else {
					close(done)
				}
				if s.setUp != nil {
					s.setUp(c)
				}
				start := time.Now()
				c.l.CallSoon(func() {
					if c.srv.IsServing() {
						c.Error("IsServing() = true")
					}
				})
				if err := c.srv.Shutdown(c.ctx, grace); err != nil {
					c.Errorf("Shutdown: %v", err)
				}
				if d := time.Since(start); d != s.want {
					c.Errorf("Shutdown took %v, want %v", d, s.want)
				}
				c.log.want(c.T, s.events)
				<-done
			})
		})
	}
}

// If Shutdown is cancelled, or its context is done, it aborts the remaining
// connections.
func TestServerShutdownCancelled(t *testing.T) {
	for _, phase := range []time.Duration{5 * time.Second, 15 * time.Second} {
		for _, derived := range []bool{false, true} {
			inMemory(t, func(c *memCase) {
				conn := c.dial()
				defer conn.Close()
				c.clients[0].t.Write(make([]byte, 1<<20))
				ctx, cancel := context.WithCancel(c.ctx)
				defer cancel()
				task := spawn(c.ctx, func(_ context.Context) error {
					if derived {
						return c.srv.Shutdown(ctx, 10*time.Second)
					}
					return c.srv.Shutdown(c.ctx, 10*time.Second)
				})
				if err := aio.Sleep(c.ctx, phase); err != nil {
					c.Fatal(err)
				}
				c.log.want(c.T, "made pause")
				if derived {
					cancel()
				} else {
					task.Cancel()
				}
				if _, err := task.Await(c.ctx); !errors.Is(err, context.Canceled) {
					c.Errorf("Shutdown: %v", err)
				}
				c.pass()
				c.log.want(c.T, "lost")
				if err := c.srv.WaitClosed(c.ctx); err != nil {
					c.Error(err)
				}
			})
		}
	}
}

// During Shutdown, ServeForever does not close the clients, and returns when Shutdown
// does.
func TestServerShutdownWhileServing(t *testing.T) {
	inMemory(t, func(c *memCase) {
		conn := c.dial()
		var order eventLog
		start := time.Now()
		task := spawn(c.ctx, func(ctx context.Context) error {
			err := c.srv.ServeForever(ctx)
			order.add("served:%v", time.Since(start))
			return err
		})
		c.pass()
		go func() {
			time.Sleep(3 * time.Second)
			conn.Close()
		}()
		if err := c.srv.Shutdown(c.ctx, 10*time.Second); err != nil {
			c.Error(err)
		}
		order.add("shut:%v", time.Since(start))
		if _, err := task.Await(c.ctx); !errors.Is(err, aio.ErrCancelled) {
			c.Errorf("ServeForever: %v", err)
		}
		c.log.want(c.T, "made eof lost")
		if s := strings.Join(order, " "); s != "shut:3s served:3s" && s != "served:3s shut:3s" {
			c.Errorf("the order is %s", s)
		}
	})
}

// LOOP-155: when Accept fails, it is called again after a second.
func TestServerAcceptFails(t *testing.T) {
	inMemory(t, func(c *memCase) {
		errs := []error{&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}, errIO}
		for i, err := range errs {
			c.ln.errs <- err
			c.settle()
			if len(c.reports) != i+1 || !errors.Is(c.reports[i].Err, err) {
				c.Fatalf("reported %v", c.reports)
			}
			if out := strings.Contains(c.reports[i].Message, "out of system resources"); out != (i == 0) {
				c.Errorf("the report says %q", c.reports[i].Message)
			}
			if !c.srv.IsServing() {
				c.Error("IsServing() = false")
			}
			start := time.Now()
			accepted := make(chan time.Duration, 1)
			go func() {
				// waits until the connection is accepted
				conn := c.ln.dial()
				accepted <- time.Since(start)
				conn.Close()
			}()
			if err := aio.Sleep(c.ctx, 2*time.Second); err != nil {
				c.Fatal(err)
			}
			if d := <-accepted; d != time.Second {
				c.Errorf("the next client was accepted after %v", d)
			}
		}
		c.settle()
		c.log.want(c.T, "made eof lost made eof lost")

		c.ln.errs <- errIO // Accept is not called again once the server is closed
		c.settle()
		c.srv.Close()
		if err := aio.Sleep(c.ctx, 5*time.Second); err != nil {
			c.Fatal(err)
		}
		if len(c.reports) != 3 {
			c.Errorf("reported %v", c.reports)
		}
	})
	inMemory(t, func(c *memCase) { // the listener was closed directly
		c.ln.Close()
		if err := aio.Sleep(c.ctx, 5*time.Second); err != nil {
			c.Fatal(err)
		}
		if len(c.reports) != 1 || !errors.Is(c.reports[0].Err, net.ErrClosed) {
			c.Errorf("reported %v", c.reports)
		}
	})
	inMemory(t, func(c *memCase) { // the exception handler closes the server
		c.l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) { c.srv.Close() })
		c.ln.errs <- errIO
		if err := c.srv.WaitClosed(c.ctx); err != nil {
			c.Error(err)
		}
	})
}

// The connections of a server are closed in the order in which they were made.
func TestServerClientsInOrder(t *testing.T) {
	for name, end := range map[string]func(*aio.Server){"CloseClients": (*aio.Server).CloseClients, "AbortClients": (*aio.Server).AbortClients} {
		inMemory(t, func(c *memCase) {
			var conns []net.Conn
			for range 5 {
				conns = append(conns, c.dial())
			}
			for i, p := range c.clients {
				p.name = strconv.Itoa(i)
			}
			c.log = nil
			c.clients[1].t.Close()
			c.settle()
			c.clients[3].t.Abort()
			c.settle()
			end(c.srv)
			c.settle()
			if !c.srv.IsServing() {
				c.Errorf("%s closes the server", name)
			}
			c.log.want(c.T, "1lost 3lost 0lost 2lost 4lost")
			for _, conn := range conns {
				conn.Close()
			}
		})
	}
}
