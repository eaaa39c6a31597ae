package aio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// serverCase is a server with one log for its protocols.
type serverCase struct {
	*testing.T
	ctx     context.Context
	l       *aio.Loop
	log     eventLog
	srv     *aio.Server
	on      map[string]func(p *ioLogger) // callbacks of the server's protocols
	clients []*ioLogger                  // server side of each connection
}

// factory creates the server's protocols.
func (c *serverCase) factory() *ioLogger {
	p := &ioLogger{log: &c.log, on: map[string]func(){}}
	for event, f := range c.on {
		p.on[event] = func() { f(p) }
	}
	c.clients = append(c.clients, p)
	return p
}

// serve starts a server on a local port.
func (c *serverCase) serve(opts *aio.ServerOptions) {
	c.Helper()
	srv, err := aio.CreateServer(c.ctx, c.factory, "127.0.0.1:0", opts)
	if err != nil {
		c.Fatal(err)
	}
	c.srv = srv
}

// connect makes a connection to the server; the client has its own log.
func (c *serverCase) connect() *ioLogger {
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

func (c *serverCase) pass() {
	c.Helper()
	if err := aio.Sleep(c.ctx, 0); err != nil {
		c.Fatal(err)
	}
}

// lost waits until p's connection is closed.
func (c *serverCase) lost(p *ioLogger) {
	c.Helper()
	if err := p.lost.Wait(c.ctx); err != nil {
		c.Fatal(err)
	}
}

// refused checks that connections to addr are refused.
func (c *serverCase) refused(addr net.Addr) {
	c.Helper()
	if conn, err := net.Dial(addr.Network(), addr.String()); err == nil {
		conn.Close()
		c.Errorf("%v accepts connections", addr)
	}
}

// end closes the server and its connections.
func (c *serverCase) end() {
	c.Helper()
	c.srv.Close()
	c.srv.AbortClients()
	if err := c.srv.WaitClosed(c.ctx); err != nil {
		c.Error(err)
	}
}

// served runs main with the poller and with goroutines.
func served(t *testing.T, main func(c *serverCase)) {
	t.Helper()
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		main(&serverCase{T: t, ctx: ctx, l: l, on: map[string]func(*ioLogger){}})
		return nil
	})
}

// LOOP-140, LOOP-157, LOOP-261
func TestServer(t *testing.T) {
	served(t, func(c *serverCase) {
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

// LOOP-141, LOOP-142, LOOP-143, LOOP-144: the addresses on which a server listens.
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
		// LOOP-151
		{addr: "127.0.0.1:0", opts: aio.ServerOptions{Hosts: []string{"192.0.2.1"}}, want: []string{"127.0.0.1"}},
	} {
		if a.needs && !has6 {
			continue
		}
		served(t, func(c *serverCase) {
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
			if srv.Sockets() != nil {
				c.Errorf("a closed server has the sockets %v", srv.Sockets())
			}
			addr := make(chan net.Addr)
			// any goroutine may call Addr at any time
			go func() { addr <- srv.Addr() }()
			if at := (<-addr).(*net.TCPAddr).Port; at != port {
				c.Errorf("a closed server has the port %d, it had %d", at, port)
			}
		})
	}
}

// LOOP-145, LOOP-179, LOOP-180 and other invalid options, and invalid results of
// factories.
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
			"no factory for a client": func() (*aio.Server, error) { return aio.CreateUnixServer[*ioLogger](c.ctx, nil, "/tmp/sock", nil) },
		} {
			if srv, err := create(); srv != nil || !errors.Is(err, aio.ErrUsage) {
				t.Errorf("%s: %v, %v", what, srv, err)
			}
		}
	})
}

// A server is created by a task of the loop and used by goroutines.
func TestServerFromOutside(t *testing.T) {
	l, _ := newLoop(t)
	if _, err := aio.CreateServer(l.Context(), newIOLogger, "127.0.0.1:0", nil); !errors.Is(err, aio.ErrNoRunningLoop) {
		t.Errorf("before the loop runs: %v", err)
	}
	served(t, func(c *serverCase) {
		c.serve(nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			for name, f := range map[string]func(){
				"Close":        c.srv.Close,
				"CloseClients": c.srv.CloseClients,
				"AbortClients": c.srv.AbortClients,
				"IsServing":    func() { c.srv.IsServing() },
				"Sockets":      func() { c.srv.Sockets() },
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

// LOOP-146: an existing listener.
func TestServerGivenListener(t *testing.T) {
	served(t, func(c *serverCase) {
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
			c.Errorf("the listener was still open: %v", err)
		}
	})
}

// LOOP-147, LOOP-149: an address in use.
func TestServerAddressInUse(t *testing.T) {
	served(t, func(c *serverCase) {
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

// LOOP-149: two servers may be bound to one address; the first one that listens gets
// it.
func TestServerListensTooLate(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("on this system the second bind fails")
	}
	ioVirtual(t, func(ctx context.Context, l *aio.Loop) error {
		first, err := aio.CreateServer(ctx, newIOLogger, "127.0.0.1:0", &aio.ServerOptions{DeferServing: true})
		if err != nil {
			return err
		}
		addr := first.Addr().String()
		second, err := aio.CreateServer(ctx, newIOLogger, strings.Replace(addr, "127.0.0.1", "127.0.0.2", 1),
			&aio.ServerOptions{DeferServing: true, Hosts: []string{"127.0.0.1"}})
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
			t.Errorf("after closing the first one: %v", err)
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

// ioVirtual runs main in a loop with a virtual clock, and fails the test if the
// exception handler is called.
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

// LOOP-150, LOOP-151: if one address cannot be bound, the sockets bound before are
// closed.
func TestServerBindFails(t *testing.T) {
	served(t, func(c *serverCase) {
		attempt := func() error {
			taken, err := net.Listen("tcp", "127.0.0.2:0")
			if err != nil {
				c.Skip(err) // the system has only one loopback address
			}
			defer taken.Close()
			port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
			_, err = aio.CreateServer(c.ctx, c.factory, "127.0.0.1:"+port, &aio.ServerOptions{Hosts: []string{"127.0.0.2"}})
			if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "127.0.0.2:"+port) {
				return fmt.Errorf("the error is %w", err)
			}
			free, err := net.Listen("tcp", "127.0.0.1:"+port)
			if err != nil {
				return fmt.Errorf("the first address is still in use: %w", err)
			}
			return free.Close()
		}
		// another program may use the port at the first address
		err := attempt()
		for tries := 1; err != nil && tries < 20; tries++ {
			err = attempt()
		}
		if err != nil {
			c.Error(err)
		}
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

// LOOP-147: several servers on one port, if all set ReusePort.
func TestServerReusePort(t *testing.T) {
	switch runtime.GOOS {
	case "windows", "js":
		t.Skip("SO_REUSEPORT is not supported on this system")
	}
	served(t, func(c *serverCase) {
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
			c.Errorf("without ReusePort: %v", err)
		}
		for _, srv := range servers {
			srv.Close()
		}
	})
}

// LOOP-154: a client that has already disconnected has no effect; LOOP-153: nor has one
// that was reset before it was accepted.
func TestServerClientsThatAreGone(t *testing.T) {
	served(t, func(c *serverCase) {
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

// LOOP-156: a factory that fails closes the client's connection, not the server.
func TestServerFactoryFails(t *testing.T) {
	served(t, func(c *serverCase) {
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

// LOOP-158, LOOP-159: a server that does not listen yet.
func TestServerDeferServing(t *testing.T) {
	served(t, func(c *serverCase) {
		c.serve(&aio.ServerOptions{DeferServing: true})
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

// Handlers of StartServer, and code with a reference to the server, can see that the
// server is draining.
func TestServerDraining(t *testing.T) {
	err := aio.Run(func(ctx context.Context) error {
		if aio.Draining(ctx) != nil {
			t.Error("a task that is not a handler has a server")
		}
		var log []string
		srv, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			log = append(log, "serving")
			if _, _, err := aio.Receive(ctx, aio.Draining(ctx)); err != nil {
				return err
			}
			log = append(log, "draining")
			_, err := w.Write([]byte("bye"))
			return err
		}, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		r, w, err := aio.OpenConnection(ctx, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		defer w.Close()
		eventually(t, ctx, "the server has logged something", func() bool { return len(log) > 0 })
		select {
		case <-srv.Draining():
			t.Error("draining before Shutdown")
		default:
		}
		if err := srv.Shutdown(ctx, time.Minute); err != nil {
			return err
		}
		<-srv.Draining()
		// a second call of Shutdown
		if err := srv.Shutdown(ctx, time.Minute); err != nil {
			return err
		}
		b, err := r.Read(ctx, -1)
		if got := fmt.Sprint(log, " ", string(b)); got != "[serving draining] bye" {
			t.Errorf("got %s", got)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
