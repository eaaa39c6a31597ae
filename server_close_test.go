package aio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/goaio/aio"
)

// LOOP-160, LOOP-161, LOOP-162, LOOP-164: ServeForever runs until it is cancelled.
func TestServerServeForever(t *testing.T) {
	served(t, func(c *serverCase) {
		c.serve(&aio.ServerOptions{DeferServing: true})
		addr := c.srv.Addr()
		task := spawn(c.ctx, c.srv.ServeForever)
		c.pass()
		if !c.srv.IsServing() {
			c.Error("IsServing() = false")
		}
		matches(c.T, "a second ServeForever", c.srv.ServeForever(c.ctx), aio.ErrUsage)
		p := c.connect()
		task.Cancel("enough")
		_, err := task.Await(c.ctx)
		if ce := new(aio.CancelledError); !errors.As(err, &ce) || ce.Message != "enough" {
			c.Errorf("ServeForever: %v", err)
		}
		// the connection is lost before ServeForever returns
		c.log.want(c.T, "made lost")
		if c.srv.IsServing() || c.srv.Sockets() != nil {
			c.Error("the server is still open")
		}
		c.refused(addr)
		c.lost(p)
		for name, serve := range map[string]func(context.Context) error{"ServeForever": c.srv.ServeForever, "StartServing": c.srv.StartServing} {
			if err := serve(c.ctx); !errors.Is(err, net.ErrClosed) || c.srv.IsServing() {
				c.Errorf("%s of a closed server: %v", name, err)
			}
		}
	})
}

// LOOP-163: Close ends ServeForever, which closes the clients.
func TestServerCloseWhileServing(t *testing.T) {
	served(t, func(c *serverCase) {
		c.serve(nil)
		task := spawn(c.ctx, c.srv.ServeForever)
		p := c.connect()
		c.l.CallSoon(c.srv.Close)
		if _, err := task.Await(c.ctx); !errors.Is(err, aio.ErrCancelled) {
			c.Errorf("ServeForever: %v", err)
		}
		c.log.want(c.T, "made lost")
		c.lost(p)
	})
}

// ServeForever waits for the clients without a limit, even if its context is done.
func TestServerServeForeverWithContext(t *testing.T) {
	inMemory(t, func(c *memCase) {
		conn := c.dial()
		c.clients[0].t.Write(make([]byte, 1<<20))
		start := time.Now()
		go func() {
			time.Sleep(5 * time.Second)
			io.Copy(io.Discard, conn)
			conn.Close()
		}()
		ctx, cancel := context.WithCancelCause(c.ctx)
		c.l.CallLater(time.Second, func() { cancel(errIO) })
		if err := c.srv.ServeForever(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, errIO) {
			c.Errorf("ServeForever: %v", err)
		}
		if d := time.Since(start); d != 5*time.Second {
			c.Errorf("ServeForever took %v", d)
		}
		c.log.want(c.T, "made pause resume lost")
	})
	inMemory(t, func(c *memCase) { // a second cancellation ends the wait
		conn := c.dial()
		c.clients[0].t.Write(make([]byte, 1<<20))
		task := spawn(c.ctx, c.srv.ServeForever)
		for _, message := range []string{"first", "second"} {
			c.settle()
			if task.Done() {
				c.Error("ServeForever has returned")
			}
			task.Cancel(message)
		}
		_, err := task.Await(c.ctx)
		if ce := new(aio.CancelledError); !errors.As(err, &ce) || ce.Message != "second" {
			c.Errorf("ServeForever: %v", err)
		}
		c.log.want(c.T, "made pause")
		conn.Close()
	})
}

// LOOP-165, LOOP-166: Close does not close the connections.
func TestServerClose(t *testing.T) {
	served(t, func(c *serverCase) {
		c.on["data:hello"] = func(p *ioLogger) { p.t.Write([]byte("you too")) }
		c.serve(nil)
		addr := c.srv.Addr()
		p := c.connect()
		for range 2 {
			c.srv.Close()
			if c.srv.IsServing() {
				c.Error("IsServing() = true")
			}
		}
		c.refused(addr)
		p.on = map[string]func(){"data:you_too": func() { p.t.Close() }}
		p.t.Write([]byte("hello"))
		if err := c.srv.WaitClosed(c.ctx); err != nil {
			c.Error(err)
		}
		c.log.want(c.T, "made data:hello eof lost")
		c.lost(p)
	})
}

// LOOP-167, LOOP-168, LOOP-169: what WaitClosed waits for.
func TestServerWaitClosed(t *testing.T) {
	served(t, func(c *serverCase) {
		c.serve(nil)
		var done eventLog
		wait := func(name string) *aio.Task[struct{}] {
			return spawn(c.ctx, func(ctx context.Context) error {
				err := c.srv.WaitClosed(ctx)
				done.add("%s", name)
				return err
			})
		}
		tasks := []*aio.Task[struct{}]{wait("idle")}
		c.connect().t.Close() // the last client, but the server is still open
		c.lost(c.clients[0])
		c.clients = nil
		p := c.connect()
		q := c.connect()
		tasks = append(tasks, wait("open"))
		gone := wait("cancelled")
		c.pass()
		gone.Cancel()
		p.t.Close()
		c.lost(c.clients[0])
		c.pass()
		c.srv.Close()
		tasks = append(tasks, wait("closed"))
		for range 10 {
			c.pass()
		}
		done.want(c.T, "cancelled")
		q.t.Close()
		c.lost(c.clients[1])
		done.want(c.T, "")
		for _, task := range tasks {
			if _, err := task.Await(c.ctx); err != nil {
				c.Error(err)
			}
		}
		done.want(c.T, "idle open closed")
		if err := c.srv.WaitClosed(c.ctx); err != nil {
			c.Error(err)
		}
		passed := false
		c.l.CallSoon(func() { passed = true })
		if err := c.srv.WaitClosed(c.ctx); err != nil || passed {
			c.Errorf("WaitClosed of a closed server: %v, it suspends: %v", err, passed)
		}
	})
}

// LOOP-170: the server and its last client are closed in one pass, before the call of
// WaitClosed.
func TestServerWaitClosedTooLate(t *testing.T) {
	served(t, func(c *serverCase) {
		c.serve(nil)
		c.connect()
		c.clients[0].on["lost"] = c.srv.Close
		c.clients[0].t.Close()
		c.lost(c.clients[0])
		if err := c.srv.WaitClosed(c.ctx); err != nil {
			c.Error(err)
		}
	})
}

// LOOP-173: WaitClosed does not wait for the tasks of the clients' handlers.
func TestServerWaitClosedLeavesTasks(t *testing.T) {
	served(t, func(c *serverCase) {
		c.serve(nil)
		c.connect()
		release := aio.CreateFuture[int](c.ctx)
		task := spawn(c.ctx, func(ctx context.Context) error {
			_, err := release.Await(ctx)
			return err
		})
		c.end()
		if task.Done() {
			c.Error("the task is done")
		}
		release.SetResult(1)
		if _, err := task.Await(c.ctx); err != nil {
			c.Error(err)
		}
	})
}

// LOOP-174: a client that closes the server still gets its answer.
func TestServerEndedByClient(t *testing.T) {
	served(t, func(c *serverCase) {
		c.serve(nil)
		task := spawn(c.ctx, c.srv.ServeForever)
		c.on["data:quit"] = func(p *ioLogger) {
			task.Cancel()
			p.t.Write([]byte("bye"))
			p.t.Close()
		}
		p := c.connect()
		p.t.Write([]byte("quit"))
		c.lost(p)
		if string(p.got) != "bye" {
			c.Errorf("the answer is %q", p.got)
		}
		if _, err := task.Await(c.ctx); !errors.Is(err, aio.ErrCancelled) {
			c.Errorf("ServeForever: %v", err)
		}
	})
}

// Protocol callbacks may call the methods that close a server or connection.
func TestServerEndedInCallbacks(t *testing.T) {
	ends := map[string]func(srv *aio.Server){
		"Close":                   (*aio.Server).Close,
		"Close and CloseClients":  func(srv *aio.Server) { srv.Close(); srv.CloseClients() },
		"Close and AbortClients":  func(srv *aio.Server) { srv.Close(); srv.AbortClients() },
		"AbortClients and Close":  func(srv *aio.Server) { srv.AbortClients(); srv.Close() },
		"CloseClients, no Close":  (*aio.Server).CloseClients,
		"AbortClients, two times": func(srv *aio.Server) { srv.AbortClients(); srv.AbortClients() },
	}
	for _, event := range []string{"made", "data:hello", "eof", "lost"} {
		for name, end := range ends {
			t.Run(event+" "+name, func(t *testing.T) {
				served(t, func(c *serverCase) {
					c.on[event] = func(*ioLogger) { end(c.srv) }
					c.serve(nil)
					addr := c.srv.Addr().String()
					// two clients: the end also concerns connections
					// other than the one whose callback calls it
					var ps []*ioLogger
					for range 2 {
						p := newIOLogger()
						if _, _, err := aio.CreateConnection(c.ctx, func() *ioLogger { return p }, addr, nil); err != nil {
							if !c.srv.IsServing() {
								// the connection is
								// already closed
								break
							}
							c.Fatal(err)
						}
						p.t.Write([]byte("hello"))
						p.t.WriteEOF()
						ps = append(ps, p)
					}
					for _, p := range ps {
						c.lost(p)
					}
					c.srv.Close()
					if err := c.srv.WaitClosed(c.ctx); err != nil {
						c.Error(err)
					}
					for _, p := range c.clients {
						if n := strings.Count(strings.Join(*p.log, " "), "lost"); n != len(c.clients) {
							c.Errorf("ConnectionLost was called %d times for %d clients", n, len(c.clients))
						}
					}
				})
			})
		}
	}
}

// A closed server does not serve new clients. That includes clients that are accepted
// but have no transport yet, and the client whose protocol factory closes the server.
func TestServerClosedWhileAccepting(t *testing.T) {
	ioVirtual(t, func(ctx context.Context, l *aio.Loop) error {
		c := &serverCase{T: t, ctx: ctx, l: l}
		c.serve(nil)
		var conns []net.Conn
		for range 3 {
			conn, err := net.Dial("tcp", c.srv.Addr().String())
			if err != nil {
				return err
			}
			conns = append(conns, conn)
		}
		c.pass() // with a poller they are accepted in this pass
		c.srv.Close()
		c.srv.AbortClients()
		if err := c.srv.WaitClosed(ctx); err != nil {
			return err
		}
		n := len(c.clients)
		for range 5 {
			c.pass()
		}
		if len(c.clients) > n {
			t.Error("there are more clients")
		}
		for _, conn := range conns {
			if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("the client reads %d bytes", n)
			}
			conn.Close()
		}
		return nil
	})
	inMemory(t, func(c *memCase) {
		conn := c.ln.dial()
		synctest.Wait() // accepted, but the loop does not know it yet
		c.srv.Close()
		if err := c.srv.WaitClosed(c.ctx); err != nil {
			c.Error(err)
		}
		c.settle()
		if len(c.clients) != 0 {
			c.Error("there is a client")
		}
		if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
			c.Errorf("the client reads %v", err)
		}
	})
	served(t, func(c *serverCase) {
		var srv *aio.Server
		factories := 0
		srv, err := aio.CreateServer(c.ctx, func() *ioLogger {
			factories++
			srv.Close()
			return c.factory()
		}, "127.0.0.1:0", nil)
		if err != nil {
			c.Fatal(err)
		}
		conn, err := net.Dial("tcp", srv.Addr().String())
		if err != nil {
			c.Fatal(err)
		}
		defer conn.Close()
		if err := srv.WaitClosed(c.ctx); err != nil {
			c.Error(err)
		}
		for range 5 {
			c.pass()
		}
		c.log.want(c.T, "")
		if factories != 1 {
			c.Errorf("the factory was called %d times", factories)
		}
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
			c.Errorf("the client reads %d bytes", n)
		}
	})
}

// Closing a loop closes its servers.
func TestServerOfAClosedLoop(t *testing.T) {
	for _, goroutines := range []bool{false, true} {
		l := aio.NewEventLoop(nil)
		aio.ForceGoroutines(l, goroutines)
		var srv, idle *aio.Server
		var conn net.Conn
		if err := runMain(l, func(ctx context.Context) (err error) {
			if srv, err = aio.CreateServer(ctx, newIOLogger, "127.0.0.1:0", nil); err != nil {
				return err
			}
			if idle, err = aio.CreateServer(ctx, newIOLogger, "127.0.0.1:0", &aio.ServerOptions{DeferServing: true}); err != nil {
				return err
			}
			// the first connection is accepted by srv, the second one is
			// being accepted
			for range 2 {
				if conn, err = net.Dial("tcp", srv.Addr().String()); err != nil {
					return err
				}
				defer conn.Close()
				if err := aio.Sleep(ctx, time.Millisecond); err != nil {
					return err
				}
			}
			conn, err = net.Dial("tcp", srv.Addr().String())
			return err
		}); err != nil {
			t.Fatal(err)
		}
		addrs := []net.Addr{srv.Addr(), idle.Addr()}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		for _, addr := range addrs {
			if conn, err := net.Dial("tcp", addr.String()); err == nil {
				conn.Close()
				t.Errorf("%v still accepts connections", addr)
			}
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("the client is served")
		}
		conn.Close()
		srv.Close() // a second Close has no effect
		srv.AbortClients()
	}
}

// LOOP-260: a running loop keeps no references to closed servers and connections.
func TestServerIsForgotten(t *testing.T) {
	served(t, func(c *serverCase) {
		var servers []weak.Pointer[aio.Server]
		var protocols []weak.Pointer[ioLogger]
		for range 3 {
			// a function, so that the stack of this task keeps no reference
			func() {
				c.serve(nil)
				p := c.connect()
				p.t.Write([]byte("hello"))
				for len(c.clients[0].got) == 0 {
					c.pass()
				}
				p.t.Close()
				c.lost(p)
				c.end()
				servers = append(servers, weak.Make(c.srv))
				protocols = append(protocols, weak.Make(p), weak.Make(c.clients[0]))
				c.srv, c.clients = nil, nil
			}()
		}
		left := func() (n int) {
			for _, p := range servers {
				if p.Value() != nil {
					n++
				}
			}
			for _, p := range protocols {
				if p.Value() != nil {
					n++
				}
			}
			return n
		}
		for range 1000 {
			runtime.GC()
			if left() <= 1 {
				// a register or the stack may still contain a reference
				return
			}
			if err := aio.Sleep(c.ctx, time.Millisecond); err != nil {
				c.Fatal(err)
			}
		}
		c.Errorf("%d of %d are still referenced", left(), len(servers)+len(protocols))
	})
}
