package aio_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/goaio/aio"
)

// srvCase is a server and what its protocols write down, in one log.
type srvCase struct {
	*testing.T
	ctx     context.Context
	l       *aio.Loop
	log     eventLog
	srv     *aio.Server
	on      map[string]func(p *ioLogger) // of the server's protocols
	clients []*ioLogger                  // the server's end of each connection
}

// factory makes the server's protocols.
func (c *srvCase) factory() *ioLogger {
	p := &ioLogger{log: &c.log, on: map[string]func(){}}
	for event, f := range c.on {
		p.on[event] = func() { f(p) }
	}
	c.clients = append(c.clients, p)
	return p
}

// serve starts a server on a port of this machine.
func (c *srvCase) serve(opts *aio.ServerOptions) {
	c.Helper()
	srv, err := aio.CreateServer(c.ctx, c.factory, "127.0.0.1:0", opts)
	if err != nil {
		c.Fatal(err)
	}
	c.srv = srv
}

// connect makes a connection to the server, the log of which is its own.
func (c *srvCase) connect() *ioLogger {
	c.Helper()
	n := len(c.clients)
	p := newIOLogger()
	if _, _, err := aio.CreateConnection(c.ctx, func() *ioLogger { return p }, c.srv.Addr().String(), nil); err != nil {
		c.Fatal(err)
	}
	for len(c.clients) == n || c.clients[n].t == nil {
		c.pass()
	}
	return p
}

func (c *srvCase) pass() {
	c.Helper()
	if err := aio.Sleep(c.ctx, 0); err != nil {
		c.Fatal(err)
	}
}

// lost waits until p's connection is gone.
func (c *srvCase) lost(p *ioLogger) {
	c.Helper()
	if err := p.lost.Wait(c.ctx); err != nil {
		c.Fatal(err)
	}
}

// refused fails unless nobody listens at addr.
func (c *srvCase) refused(addr net.Addr) {
	c.Helper()
	if conn, err := net.Dial(addr.Network(), addr.String()); err == nil {
		conn.Close()
		c.Errorf("somebody listens at %v", addr)
	}
}

// end closes the server and its connections.
func (c *srvCase) end() {
	c.Helper()
	c.srv.Close()
	c.srv.AbortClients()
	if err := c.srv.WaitClosed(c.ctx); err != nil {
		c.Error(err)
	}
}

// served runs main over the poller and over goroutines.
func served(t *testing.T, main func(c *srvCase)) {
	t.Helper()
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		main(&srvCase{T: t, ctx: ctx, l: l, on: map[string]func(*ioLogger){}})
		return nil
	})
}

// LOOP-140, LOOP-157, LOOP-261
func TestServer(t *testing.T) {
	served(t, func(c *srvCase) {
		c.on["data:hello"] = func(p *ioLogger) { p.t.Write([]byte("you too")) }
		c.serve(nil)
		if c.srv.GetLoop() != c.l {
			c.Error("GetLoop() is another loop")
		}
		socks := c.srv.Sockets()
		if len(socks) != 1 || socks[0].LocalAddr().String() != c.srv.Addr().String() || c.srv.Addr().(*net.TCPAddr).Port == 0 {
			c.Errorf("the sockets are %v, the address %v", socks, c.srv.Addr())
		}
		p := c.connect()
		p.on = map[string]func(){"data:you_too": func() { p.t.Close() }}
		p.t.Write([]byte("hello"))
		c.lost(p)
		c.lost(c.clients[0])
		c.log.want(c.T, "made data:hello eof lost")
		for name, want := range map[string]any{"sockname": "peername", "peername": "sockname"} {
			got := c.clients[0].t.GetExtraInfo(name).(net.Addr).String()
			if want := p.t.GetExtraInfo(want.(string)).(net.Addr).String(); got != want {
				c.Errorf("%s is %s, want %s", name, got, want)
			}
		}
		c.end()
	})
}

// LOOP-141, LOOP-142, LOOP-143, LOOP-144: which addresses a server listens on.
func TestServerAddresses(t *testing.T) {
	has6 := false
	if ln, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		has6 = true
		ln.Close()
	}
	for _, a := range []struct {
		addr  string
		opts  aio.ServerOptions
		want  []string // hosts
		needs bool     // IPv6
	}{
		{addr: "127.0.0.1:0", want: []string{"127.0.0.1"}},
		{addr: "127.0.0.1:0", opts: aio.ServerOptions{Hosts: []string{"127.0.0.1", "127.0.0.2", "127.0.0.1"}},
			want: []string{"127.0.0.1", "127.0.0.2"}},
		{addr: "[::1]:0", want: []string{"::1"}, needs: true},
		{addr: ":0", want: []string{"127.0.0.1", "::1"}, needs: true},
		{addr: ":0", opts: aio.ServerOptions{Network: "tcp4"}, want: []string{"127.0.0.1"}},
		{addr: ":0", opts: aio.ServerOptions{Network: "tcp6"}, want: []string{"::1"}, needs: true},
		{addr: "127.0.0.1:0", opts: aio.ServerOptions{Hosts: []string{"192.0.2.1"}}, want: []string{"127.0.0.1"}}, // LOOP-151
	} {
		if a.needs && !has6 {
			continue
		}
		served(t, func(c *srvCase) {
			srv, err := aio.CreateServer(c.ctx, c.factory, a.addr, &a.opts)
			if err != nil {
				c.Fatal(err)
			}
			c.srv = srv
			port := srv.Addr().(*net.TCPAddr).Port
			socks := srv.Sockets()
			if len(socks) != len(a.want) {
				c.Errorf("%s: %d sockets, want %d", a.addr, len(socks), len(a.want))
			}
			for _, s := range socks {
				if p := s.LocalAddr().(*net.TCPAddr).Port; p != port {
					c.Errorf("%s: ports %d and %d", a.addr, p, port)
				}
				if s.RemoteAddr() != nil {
					c.Errorf("a socket that listens has the peer %v", s.RemoteAddr())
				}
			}
			for _, host := range a.want {
				conn, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
				if err != nil {
					c.Errorf("%s: %v", a.addr, err)
					continue
				}
				conn.Close()
			}
			c.end()
			if srv.Addr() != nil || srv.Sockets() != nil {
				c.Errorf("a closed server has the sockets %v and the address %v", srv.Sockets(), srv.Addr())
			}
		})
	}
}

// LOOP-145, LOOP-179, LOOP-180 and other options that cannot be, and what factories may not make.
func TestServerOptionsRefused(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, o := range []struct {
		addr string
		unix bool
		opts aio.ServerOptions
		want string
	}{
		{"127.0.0.1:0", false, aio.ServerOptions{Listener: ln}, "leave one out"},
		{"", false, aio.ServerOptions{Listener: ln, Hosts: []string{"localhost"}}, "leave one out"},
		{"", false, aio.ServerOptions{}, "neither an address nor a listener"},
		{"127.0.0.1", false, aio.ServerOptions{}, "127.0.0.1"},
		{":0", false, aio.ServerOptions{Backlog: -1}, "backlog"},
		{":0", false, aio.ServerOptions{Limit: 1}, "for StartServer"},
		{":0", false, aio.ServerOptions{Network: "udp"}, `not "udp"`},
		{":0", false, aio.ServerOptions{HandshakeTimeout: 1}, "TLS"},
		{":0", false, aio.ServerOptions{ShutdownTimeout: 1}, "TLS"},
		{"/tmp/sock", true, aio.ServerOptions{Listener: ln}, "leave one out"},
		{"", true, aio.ServerOptions{}, "neither an address nor a listener"},
		{"", true, aio.ServerOptions{Listener: ln}, "not one of a Unix stream socket"},
		{"/tmp/sock", true, aio.ServerOptions{Network: "tcp"}, "for TCP"},
		{"/tmp/sock", true, aio.ServerOptions{Hosts: []string{"localhost"}}, "for TCP"},
		{"/tmp/sock", true, aio.ServerOptions{ReusePort: true}, "for TCP"},
	} {
		scripted(t, func(c *ioCase) {
			call, create := "CreateServer", aio.CreateServer[*ioLogger]
			if o.unix {
				call, create = "CreateUnixServer", aio.CreateUnixServer[*ioLogger]
			}
			srv, err := create(c.ctx, newIOLogger, o.addr, &o.opts)
			if srv != nil || !errors.Is(err, aio.ErrUsage) || !strings.Contains(err.Error(), o.want) || !strings.HasPrefix(err.Error(), "aio: "+call) {
				t.Errorf("%s(%q, %+v): %v, want one that says %q", call, o.addr, o.opts, err, o.want)
			}
		})
	}
	if err := ln.Close(); err != nil {
		t.Errorf("the listener is closed: %v", err)
	}
	scripted(t, func(c *ioCase) {
		for what, create := range map[string]func() (*aio.Server, error){
			"no factory":       func() (*aio.Server, error) { return aio.CreateServer[*ioLogger](c.ctx, nil, ":0", nil) },
			"a factory of int": func() (*aio.Server, error) { return aio.CreateServer(c.ctx, func() int { return 1 }, ":0", nil) },
			"a half protocol": func() (*aio.Server, error) {
				return aio.CreateServer(c.ctx, func() protoGetBufferOnly { return protoGetBufferOnly{} }, ":0", nil)
			},
			"a datagram one": func() (*aio.Server, error) {
				return aio.CreateUnixServer(c.ctx, func() protoMadeDatagram { return protoMadeDatagram{} }, "/tmp/sock", nil)
			},
			"no factory for one": func() (*aio.Server, error) { return aio.CreateUnixServer[*ioLogger](c.ctx, nil, "/tmp/sock", nil) },
		} {
			if srv, err := create(); srv != nil || !errors.Is(err, aio.ErrUsage) {
				t.Errorf("%s: %v, %v", what, srv, err)
			}
		}
	})
}

// A server is created by a task of the loop, and used by its goroutines.
func TestServerFromOutside(t *testing.T) {
	l, _ := newLoop(t)
	if _, err := aio.CreateServer(l.Context(), newIOLogger, "127.0.0.1:0", nil); !errors.Is(err, aio.ErrNoRunningLoop) {
		t.Errorf("before the loop runs: %v", err)
	}
	served(t, func(c *srvCase) {
		c.serve(nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			for name, f := range map[string]func(){
				"Close":        c.srv.Close,
				"CloseClients": c.srv.CloseClients,
				"AbortClients": c.srv.AbortClients,
				"IsServing":    func() { c.srv.IsServing() },
				"Sockets":      func() { c.srv.Sockets() },
				"Addr":         func() { c.srv.Addr() },
			} {
				if err := panics(f); !errors.Is(err, aio.ErrWrongGoroutine) || !strings.Contains(err.Error(), "Server."+name) {
					c.Errorf("%s: %v", name, err)
				}
			}
			for name, f := range map[string]func(context.Context) error{
				"StartServing": c.srv.StartServing,
				"ServeForever": c.srv.ServeForever,
				"WaitClosed":   c.srv.WaitClosed,
				"Shutdown":     func(ctx context.Context) error { return c.srv.Shutdown(ctx, time.Second) },
			} {
				if err := f(c.ctx); !errors.Is(err, aio.ErrWrongGoroutine) || !strings.Contains(err.Error(), "Server."+name) {
					c.Errorf("%s: %v", name, err)
				}
			}
			if c.srv.GetLoop() != c.l {
				c.Error("GetLoop() is another loop")
			}
		})
		wg.Wait()
		if !c.srv.IsServing() {
			c.Error("the server is closed")
		}
		c.end()
	})
}

// LOOP-146: a listener that exists.
func TestServerGivenListener(t *testing.T) {
	served(t, func(c *srvCase) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			c.Fatal(err)
		}
		addr := ln.Addr().String()
		c.srv, err = aio.CreateServer(c.ctx, c.factory, "", &aio.ServerOptions{Listener: ln})
		if err != nil {
			c.Fatal(err)
		}
		if got := c.srv.Addr().String(); got != addr {
			c.Errorf("the address is %s, want %s", got, addr)
		}
		p := c.connect()
		c.end()
		c.lost(p)
		if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
			c.Errorf("the listener was open: %v", err)
		}
	})
}

// LOOP-147, LOOP-149: an address that is in use.
func TestServerAddressInUse(t *testing.T) {
	served(t, func(c *srvCase) {
		c.serve(nil)
		addr := c.srv.Addr().String()
		for range 2 {
			_, err := aio.CreateServer(c.ctx, c.factory, addr, nil)
			var op *net.OpError
			if !errors.Is(err, syscall.EADDRINUSE) || !errors.As(err, &op) || !strings.Contains(err.Error(), addr) {
				c.Errorf("a second server on %s: %v", addr, err)
			}
		}
		c.end()
		first, err := aio.CreateServer(c.ctx, c.factory, addr, nil)
		if err != nil {
			c.Fatal(err)
		}
		first.Close()
	})
}

// LOOP-149: two servers may be bound to one address, and the first one to listen has it.
func TestServerListensTooLate(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the second one cannot be bound here")
	}
	ioVirtual(t, func(ctx context.Context, l *aio.Loop) error {
		first, err := aio.CreateServer(ctx, newIOLogger, "127.0.0.1:0", &aio.ServerOptions{NotServing: true})
		if err != nil {
			return err
		}
		addr := first.Addr().String()
		second, err := aio.CreateServer(ctx, newIOLogger, strings.Replace(addr, "127.0.0.1", "127.0.0.2", 1),
			&aio.ServerOptions{NotServing: true, Hosts: []string{"127.0.0.1"}})
		if err != nil {
			return err
		}
		if err := first.StartServing(ctx); err != nil {
			return err
		}
		for _, serve := range []func(context.Context) error{second.StartServing, second.ServeForever} {
			if err := serve(ctx); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), addr) {
				t.Errorf("the error is %v", err)
			}
			if second.IsServing() {
				t.Error("IsServing() = true")
			}
		}
		first.Close()
		if err := second.StartServing(ctx); err != nil {
			t.Errorf("once the first one is gone: %v", err)
		}
		if !second.IsServing() {
			t.Error("IsServing() = false")
		}
		for _, s := range second.Sockets() {
			conn, err := net.Dial("tcp", s.LocalAddr().String())
			if err != nil {
				t.Error(err)
				continue
			}
			conn.Close()
		}
		second.Close()
		return nil
	})
}

// ioVirtual runs main in a loop with a virtual clock, to which nothing may be reported.
func ioVirtual(t *testing.T, main func(ctx context.Context, l *aio.Loop) error) {
	t.Helper()
	l, reports := newLoop(t)
	if err := runMain(l, func(ctx context.Context) error { return main(ctx, l) }); err != nil {
		t.Error(err)
	}
	for _, ec := range *reports {
		t.Errorf("reported: %s: %v", ec.Message, ec.Err)
	}
}

// LOOP-150, LOOP-151: what was bound is given back if the rest cannot be.
func TestServerBindFails(t *testing.T) {
	served(t, func(c *srvCase) {
		taken, err := net.Listen("tcp", "127.0.0.2:0")
		if err != nil {
			c.Skip(err) // there is one loopback address
		}
		defer taken.Close()
		port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
		_, err = aio.CreateServer(c.ctx, c.factory, "127.0.0.1:"+port, &aio.ServerOptions{Hosts: []string{"127.0.0.2"}})
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "127.0.0.2:"+port) {
			c.Errorf("the error is %v", err)
		}
		free, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			c.Fatalf("the first address is still in use: %v", err)
		}
		free.Close()
		_, err = aio.CreateServer(c.ctx, c.factory, "192.0.2.1:0", nil)
		if !errors.Is(err, syscall.EADDRNOTAVAIL) || !strings.Contains(err.Error(), "192.0.2.1") {
			c.Errorf("the error is %v", err)
		}
		_, err = aio.CreateServer(c.ctx, c.factory, "name.invalid:0", nil)
		if dns := new(net.DNSError); !errors.As(err, &dns) {
			c.Errorf("the error is %v", err)
		}
	})
}

// LOOP-147: several servers on one port, if all want that.
func TestServerReusePort(t *testing.T) {
	switch runtime.GOOS {
	case "windows", "js":
		t.Skip("there is no such thing here")
	}
	served(t, func(c *srvCase) {
		var servers []*aio.Server
		addr := "127.0.0.1:0"
		for range 3 {
			srv, err := aio.CreateServer(c.ctx, c.factory, addr, &aio.ServerOptions{ReusePort: true})
			if err != nil {
				c.Fatal(err)
			}
			servers = append(servers, srv)
			addr = srv.Addr().String()
		}
		if _, err := aio.CreateServer(c.ctx, c.factory, addr, nil); !errors.Is(err, syscall.EADDRINUSE) {
			c.Errorf("without saying so: %v", err)
		}
		for _, srv := range servers {
			srv.Close()
		}
	})
}

// LOOP-154: nothing happens for a client that is gone again; LOOP-153: or that has reset the connection
// before it was accepted.
func TestServerClientsThatAreGone(t *testing.T) {
	served(t, func(c *srvCase) {
		c.serve(nil)
		for i := range 5 {
			conn, err := net.Dial("tcp", c.srv.Addr().String())
			if err != nil {
				c.Fatal(err)
			}
			if i%2 == 0 {
				conn.(*net.TCPConn).SetLinger(0)
			}
			conn.Close()
		}
		p := c.connect()
		p.t.Write([]byte("hello"))
		last := func() *ioLogger { return c.clients[len(c.clients)-1] }
		for len(last().got) == 0 {
			c.pass()
		}
		if string(last().got) != "hello" {
			c.Errorf("got %q", last().got)
		}
		p.t.Abort()
		for _, client := range c.clients {
			c.lost(client)
		}
		c.end()
	})
}

// LOOP-156: a factory that fails is the end of the client's connection, not of the server.
func TestServerFactoryFails(t *testing.T) {
	served(t, func(c *srvCase) {
		var reports []error
		c.l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { reports = append(reports, ec.Err) })
		var make func() aio.Protocol
		srv, err := aio.CreateServer(c.ctx, func() aio.Protocol { return make() }, "127.0.0.1:0", nil)
		if err != nil {
			c.Fatal(err)
		}
		for _, f := range []struct {
			make func() aio.Protocol
			want error
		}{
			{func() aio.Protocol { panic(errIO) }, errIO},
			{func() aio.Protocol { return nil }, aio.ErrUsage},
			{func() aio.Protocol { return 1 }, aio.ErrUsage},
			{func() aio.Protocol { return protoMadeDatagram{} }, aio.ErrUsage},
		} {
			make = f.make
			p := newIOLogger()
			if _, _, err := aio.CreateConnection(c.ctx, func() *ioLogger { return p }, srv.Addr().String(), nil); err != nil {
				c.Fatal(err)
			}
			c.lost(p)
			if len(reports) != 1 || !errors.Is(reports[0], f.want) {
				c.Errorf("reported %v, want %v", reports, f.want)
			}
			reports = nil
		}
		make = func() aio.Protocol { return c.factory() }
		c.srv = srv
		p := c.connect()
		p.t.Close()
		c.lost(p)
		c.lost(c.clients[0])
		c.end()
	})
}

// LOOP-158, LOOP-159: a server that does not serve yet.
func TestServerNotServing(t *testing.T) {
	served(t, func(c *srvCase) {
		c.serve(&aio.ServerOptions{NotServing: true})
		if c.srv.IsServing() || c.srv.Addr().(*net.TCPAddr).Port == 0 {
			c.Errorf("IsServing() = %v, Addr() = %v", c.srv.IsServing(), c.srv.Addr())
		}
		if strings.HasSuffix(c.Name(), "/poller") && runtime.GOOS != "windows" {
			c.refused(c.srv.Addr())
		}
		for range 2 {
			if err := c.srv.StartServing(c.ctx); err != nil {
				c.Error(err)
			}
			if !c.srv.IsServing() {
				c.Error("IsServing() = false")
			}
		}
		c.connect()
		c.end()
	})
}

// LOOP-160, LOOP-161, LOOP-162, LOOP-164: serving until it is cancelled.
func TestServerServeForever(t *testing.T) {
	served(t, func(c *srvCase) {
		c.serve(&aio.ServerOptions{NotServing: true})
		addr := c.srv.Addr()
		task := spawn(c.ctx, c.srv.ServeForever)
		c.pass()
		if !c.srv.IsServing() {
			c.Error("IsServing() = false")
		}
		misused(c.T, "a second ServeForever", func() { c.srv.ServeForever(c.ctx) })
		p := c.connect()
		task.Cancel("enough")
		_, err := task.Await(c.ctx)
		if ce := new(aio.CancelledError); !errors.As(err, &ce) || ce.Message != "enough" {
			c.Errorf("ServeForever: %v", err)
		}
		c.log.want(c.T, "made lost") // before it returns
		if c.srv.IsServing() || c.srv.Sockets() != nil {
			c.Error("the server is open")
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
	served(t, func(c *srvCase) {
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

// ServeForever with a context that ends waits for the clients too, as long as they take.
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
		if err := c.srv.ServeForever(ctx); !errors.Is(err, aio.ErrCancelled) || !errors.Is(err, errIO) {
			c.Errorf("ServeForever: %v", err)
		}
		if d := time.Since(start); d != 5*time.Second {
			c.Errorf("ServeForever took %v", d)
		}
		c.log.want(c.T, "made pause resume lost")
	})
	inMemory(t, func(c *memCase) { // but a second cancellation ends it
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

// LOOP-165, LOOP-166: Close leaves the connections alone.
func TestServerClose(t *testing.T) {
	served(t, func(c *srvCase) {
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

// LOOP-167, LOOP-168, LOOP-169: who waits for what.
func TestServerWaitClosed(t *testing.T) {
	served(t, func(c *srvCase) {
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
		c.connect().t.Close() // the last one, but the server is open
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
			c.Errorf("WaitClosed of what is over: %v, it suspends: %v", err, passed)
		}
	})
}

// LOOP-170: the server and its last client end in one pass, before anybody waits for it.
func TestServerWaitClosedTooLate(t *testing.T) {
	served(t, func(c *srvCase) {
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

// LOOP-173: WaitClosed does not wait for the tasks that serve the clients.
func TestServerWaitClosedLeavesTasks(t *testing.T) {
	served(t, func(c *srvCase) {
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

// LOOP-174: who ends the server may still answer.
func TestServerEndedByClient(t *testing.T) {
	served(t, func(c *srvCase) {
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

// The methods that end things may be called from inside the protocols' callbacks.
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
				served(t, func(c *srvCase) {
					c.on[event] = func(*ioLogger) { end(c.srv) }
					c.serve(nil)
					addr := c.srv.Addr().String()
					// Two clients, so that it is not only about the one whose callback it is.
					var ps []*ioLogger
					for range 2 {
						p := newIOLogger()
						if _, _, err := aio.CreateConnection(c.ctx, func() *ioLogger { return p }, addr, nil); err != nil {
							if !c.srv.IsServing() {
								break // it was quick
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

// A server that is closed takes no more clients: not those that are accepted and have no transport yet,
// nor the one whose factory closes it.
func TestServerClosedWhileAccepting(t *testing.T) {
	ioVirtual(t, func(ctx context.Context, l *aio.Loop) error {
		c := &srvCase{T: t, ctx: ctx, l: l}
		c.serve(nil)
		var conns []net.Conn
		for range 3 {
			conn, err := net.Dial("tcp", c.srv.Addr().String())
			if err != nil {
				return err
			}
			conns = append(conns, conn)
		}
		c.pass() // in which they are accepted, where there is a poller
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
		synctest.Wait() // it is accepted, and the loop has not heard of it
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
	served(t, func(c *srvCase) {
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

// A loop that is closed leaves no server behind.
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
			if idle, err = aio.CreateServer(ctx, newIOLogger, "127.0.0.1:0", &aio.ServerOptions{NotServing: true}); err != nil {
				return err
			}
			for range 2 { // one that is accepted, and one that is about to be
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
				t.Errorf("somebody listens at %v", addr)
			}
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("the client is served")
		}
		conn.Close()
		srv.Close() // does no harm
		srv.AbortClients()
	}
}

// LOOP-260: a loop that goes on keeps nothing of servers and connections that are over.
func TestServerIsForgotten(t *testing.T) {
	served(t, func(c *srvCase) {
		var servers []weak.Pointer[aio.Server]
		var protocols []weak.Pointer[ioLogger]
		for range 3 {
			func() { // so that this task's stack has none of them either
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
			if left() <= 1 { // a register, or a stack that was not cleared, may have one
				return
			}
			if err := aio.Sleep(c.ctx, time.Millisecond); err != nil {
				c.Fatal(err)
			}
		}
		c.Errorf("%d of %d are kept", left(), len(servers)+len(protocols))
	})
}

// LOOP-175, LOOP-186: a server on a Unix socket.
func TestUnixServer(t *testing.T) {
	served(t, func(c *srvCase) {
		path := filepath.Join(c.TempDir(), "sock")
		c.on["data:hello"] = func(p *ioLogger) { p.t.Write([]byte("you too")); p.t.Close() }
		srv, err := aio.CreateUnixServer(c.ctx, c.factory, path, &aio.ServerOptions{NotServing: true})
		if err != nil {
			c.Fatal(err)
		}
		if srv.IsServing() || srv.Addr().String() != path {
			c.Errorf("IsServing() = %v, Addr() = %v", srv.IsServing(), srv.Addr())
		}
		if err := srv.StartServing(c.ctx); err != nil || !srv.IsServing() {
			c.Errorf("StartServing: %v", err)
		}
		task := spawn(c.ctx, srv.ServeForever)
		p := newIOLogger()
		tr, _, err := aio.CreateUnixConnection(c.ctx, func() *ioLogger { return p }, path, nil)
		if err != nil {
			c.Fatal(err)
		}
		tr.Write([]byte("hello"))
		c.lost(p)
		if string(p.got) != "you too" {
			c.Errorf("got %q", p.got)
		}
		task.Cancel()
		if _, err := task.Await(c.ctx); !errors.Is(err, aio.ErrCancelled) {
			c.Errorf("ServeForever: %v", err)
		}
		c.log.want(c.T, "made data:hello lost")
		if srv.IsServing() || srv.Sockets() != nil {
			c.Error("the server is open")
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) { // LOOP-183
			c.Errorf("the file is there: %v", err)
		}
	})
}

// LOOP-176, LOOP-177, LOOP-182..185: the file of a Unix socket.
func TestUnixServerFile(t *testing.T) {
	exists := func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil
	}
	served(t, func(c *srvCase) {
		dir := c.TempDir()
		path := filepath.Join(dir, "sock")
		create := func(path string, opts *aio.ServerOptions) *aio.Server {
			c.Helper()
			srv, err := aio.CreateUnixServer(c.ctx, c.factory, path, opts)
			if err != nil {
				c.Fatal(err)
			}
			return srv
		}
		reachable := func(path string) {
			c.Helper()
			conn, err := net.Dial("unix", path)
			if err != nil {
				c.Error(err)
				return
			}
			conn.Close()
		}

		srv := create(path, &aio.ServerOptions{KeepSocket: true}) // LOOP-185
		srv.Close()
		if !exists(path) {
			c.Error("the file is gone")
		}
		srv = create(path, nil) // LOOP-176
		reachable(path)
		srv.Close() // LOOP-183
		if exists(path) {
			c.Error("the file is there")
		}
		srv.Close()

		srv = create(path, nil) // LOOP-184
		if err := os.Remove(path); err != nil {
			c.Error(err)
		}
		srv.Close()

		srv = create(path, nil)
		if err := os.Remove(path); err != nil {
			c.Error(err)
		}
		other := create(path, nil)
		srv.Close()
		reachable(path)
		other.Close()
		if exists(path) {
			c.Error("the file is there")
		}

		for _, keep := range []bool{false, true} { // LOOP-183, LOOP-185: a listener that exists
			ln, err := net.Listen("unix", path)
			if err != nil {
				c.Fatal(err)
			}
			srv := create("", &aio.ServerOptions{Listener: ln, KeepSocket: keep})
			reachable(path)
			srv.Close()
			if exists(path) != keep {
				c.Errorf("the file is there: %v, want %v", !keep, keep)
			}
		}
		os.Remove(path)

		ln, err := net.Listen("unix", path) // LOOP-184: and whose file is replaced
		if err != nil {
			c.Fatal(err)
		}
		srv = create("", &aio.ServerOptions{Listener: ln})
		os.Remove(path)
		other = create(path, nil)
		srv.Close()
		reachable(path)
		other.Close()

		file := filepath.Join(dir, "file") // LOOP-177
		if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
			c.Fatal(err)
		}
		_, err = aio.CreateUnixServer(c.ctx, c.factory, file, nil)
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), file) {
			c.Errorf("the error is %v", err)
		}
		if data, err := os.ReadFile(file); string(data) != "mine" {
			c.Errorf("the file has %q, %v", data, err)
		}

		missing := filepath.Join(dir, "no", "such", "directory") // LOOP-182
		_, err = aio.CreateUnixServer(c.ctx, c.factory, missing, nil)
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
			c.Errorf("the error is %v", err)
		}
		_, err = aio.CreateUnixServer(c.ctx, c.factory, filepath.Join(dir, strings.Repeat("x", 200)), nil)
		if err == nil {
			c.Error("a path that is too long is none")
		}
		for range 5 {
			c.pass() // for what has connected
		}
	})
}

// memListener is a net.Listener without the system.
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

func (ln *memListener) Close() error   { ln.once.Do(func() { close(ln.closed) }); return nil }
func (ln *memListener) Addr() net.Addr { return memAddr{} }

// dial returns the other end of a connection that Accept returns.
func (ln *memListener) dial() net.Conn {
	here, there := net.Pipe()
	ln.conns <- here
	return there
}

type memAddr struct{}

func (memAddr) Network() string { return "mem" }
func (memAddr) String() string  { return "mem" }

// memCase is a server on a memListener in a bubble, where it is known what time it is.
type memCase struct {
	srvCase
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
			c.srvCase = srvCase{T: t, ctx: ctx, l: l, on: map[string]func(*ioLogger){}}
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

// dial makes a connection and waits until the server has made its protocol.
func (c *memCase) dial() net.Conn {
	c.Helper()
	conn := c.ln.dial()
	c.settle()
	return conn
}

// settle lets everything happen that takes no time.
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
		client func(c *memCase, conn net.Conn) // what it does, in a goroutine
		setUp  func(c *memCase)                // before Shutdown
		want   time.Duration                   // how long it takes
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

// Shutdown that is cancelled, or whose context ends, is in a hurry.
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
				if _, err := task.Await(c.ctx); !errors.Is(err, aio.ErrCancelled) {
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

// A ServeForever leaves the clients to Shutdown, and ends when that does.
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

// LOOP-155: a listener whose Accept fails is asked again after a second.
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
				conn := c.ln.dial() // which waits until it is accepted
				accepted <- time.Since(start)
				conn.Close()
			}()
			if err := aio.Sleep(c.ctx, 2*time.Second); err != nil {
				c.Fatal(err)
			}
			if d := <-accepted; d != time.Second {
				c.Errorf("the next client is accepted after %v", d)
			}
		}
		c.settle()
		c.log.want(c.T, "made eof lost made eof lost")

		c.ln.errs <- errIO // and no more once the server is closed
		c.settle()
		c.srv.Close()
		if err := aio.Sleep(c.ctx, 5*time.Second); err != nil {
			c.Fatal(err)
		}
		if len(c.reports) != 3 {
			c.Errorf("reported %v", c.reports)
		}
	})
	inMemory(t, func(c *memCase) { // the listener was closed behind the server's back
		c.ln.Close()
		if err := aio.Sleep(c.ctx, 5*time.Second); err != nil {
			c.Fatal(err)
		}
		if len(c.reports) != 1 || !errors.Is(c.reports[0].Err, net.ErrClosed) {
			c.Errorf("reported %v", c.reports)
		}
	})
	inMemory(t, func(c *memCase) { // the handler closes the server
		c.l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) { c.srv.Close() })
		c.ln.errs <- errIO
		if err := c.srv.WaitClosed(c.ctx); err != nil {
			c.Error(err)
		}
	})
}

// The clients of a server are closed in the order in which they came.
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
