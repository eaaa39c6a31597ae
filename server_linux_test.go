package aio_test

// Tests of servers and their file descriptors.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// tracedServer runs main in a loop that logs a bar for each pass.
func tracedServer(t *testing.T, main func(c *serverCase)) {
	t.Helper()
	l := aio.NewEventLoop(nil)
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	c := &serverCase{T: t, l: l, on: map[string]func(*ioLogger){}}
	ioReportTo(l, &c.log)
	if err := runMain(l, func(ctx context.Context) error {
		c.ctx = ctx
		main(c)
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// tick logs a bar for each of the next n passes.
func (c *serverCase) tick(n int) {
	var tick func()
	tick = func() {
		c.log.add("|")
		if n--; n > 0 {
			c.l.CallSoon(tick)
		}
	}
	c.l.CallSoon(tick)
}

// dial connects from outside of the loop, which is blocked during that.
func (c *serverCase) dial() net.Conn {
	c.Helper()
	conn, err := net.Dial("tcp", c.srv.Addr().String())
	if err != nil {
		c.Fatal(err)
	}
	return conn
}

// The number of passes in which a connection is made and closed, as in CPython: it is
// accepted in the first pass, the protocol is created in the second, ConnectionMade is
// called in the third, and data arrives in the fourth.
func TestServerInterleavesAsInCPython(t *testing.T) {
	tracedServer(t, func(c *serverCase) {
		c.serve(nil)
		c.tick(100)
		c.log.add("serving")
		conn := c.dial()
		conn.Write([]byte("hi"))
		c.log.add("connected")
		for range 5 {
			c.pass()
		}
		c.log.want(t, "serving connected | | | made | data:hi |")
		conn.Close()
		for range 5 {
			c.pass()
		}
		c.log.want(t, "| eof | lost | | |")
		c.srv.Close()
		if err := c.srv.WaitClosed(c.ctx); err != nil {
			t.Error(err)
		}
		c.log.want(t, "")
	})
}

// LOOP-171, LOOP-172: WaitClosed returns two passes after the connections were closed.
func TestServerWaitClosedPasses(t *testing.T) {
	for name, end := range map[string]func(*aio.Server){
		"LOOP-171": (*aio.Server).CloseClients,
		"LOOP-172": (*aio.Server).AbortClients,
	} {
		t.Run(name, func(t *testing.T) {
			tracedServer(t, func(c *serverCase) {
				c.serve(nil)
				conn := c.dial()
				defer conn.Close()
				for len(c.clients) == 0 || c.clients[0].t == nil {
					c.pass()
				}
				if name == "LOOP-172" {
					for c.clients[0].t.GetWriteBufferSize() == 0 {
						c.clients[0].t.Write(make([]byte, 1<<20))
					}
				}
				task := spawn(c.ctx, c.srv.WaitClosed)
				c.pass()
				c.srv.Close()
				end(c.srv)
				c.pass()
				if task.Done() {
					t.Error("WaitClosed returned too early")
				}
				c.pass()
				if !task.Done() {
					t.Error("WaitClosed has not returned")
				}
			})
		})
	}
}

// LOOP-152: when the listener becomes ready, the server accepts at most backlog + 1
// connections.
func TestServerBacklog(t *testing.T) {
	for _, backlog := range []int{1, 3, 0} {
		tracedServer(t, func(c *serverCase) {
			c.serve(&aio.ServerOptions{Backlog: backlog})
			ioControl(t, c.srv.Sockets()[0], func(fd int) error { return unix.Listen(fd, 100) })
			const n = 10
			for range n {
				defer c.dial().Close()
			}
			var made []int
			for before := 0; len(c.clients) < n; before = len(c.clients) {
				c.pass()
				if now := len(c.clients); now > before {
					made = append(made, now-before)
				}
			}
			want := map[int][]int{1: {2, 2, 2, 2, 2}, 3: {4, 4, 2}, 0: {10}}[backlog]
			equal(t, "connections accepted in each pass", made, want)
			c.end()
		})
	}
}

// LOOP-148: the options of the sockets.
func TestServerSocketOptions(t *testing.T) {
	for _, o := range []struct {
		opts aio.ServerOptions
		want map[int]bool
	}{
		{aio.ServerOptions{}, map[int]bool{unix.SO_REUSEADDR: true, unix.SO_REUSEPORT: false, unix.SO_KEEPALIVE: false}},
		{aio.ServerOptions{NoReuseAddress: true}, map[int]bool{unix.SO_REUSEADDR: false}},
		{aio.ServerOptions{ReusePort: true}, map[int]bool{unix.SO_REUSEPORT: true, unix.SO_REUSEADDR: true}},
		{aio.ServerOptions{KeepAlive: true}, map[int]bool{unix.SO_KEEPALIVE: true}},
	} {
		tracedServer(t, func(c *serverCase) {
			c.serve(&o.opts)
			for opt, want := range o.want {
				ioControl(t, c.srv.Sockets()[0], func(fd int) error {
					v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, opt)
					if (v != 0) != want {
						t.Errorf("%+v: option %d is %d", o.opts, opt, v)
					}
					return err
				})
			}
			if o.want[unix.SO_KEEPALIVE] {
				p := c.connect()
				ioControl(t, c.clients[0].t.GetExtraInfo("socket").(*aio.TransportSocket), func(fd int) error {
					v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE)
					if v == 0 {
						t.Error("a client's connection has no SO_KEEPALIVE")
					}
					return err
				})
				p.t.Close()
			}
			c.end()
		})
	}
}

// LOOP-143: all sockets of a server get the same port, even if the first port chosen by
// the system is in use on another address.
func TestServerPortInUseElsewhere(t *testing.T) {
	for range 1000 { // of 28000
		ln, err := net.Listen("tcp", "127.0.0.2:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
	}
	ioVirtual(t, func(ctx context.Context, l *aio.Loop) error {
		for range 150 {
			srv, err := aio.CreateServer(ctx, newIOLogger, "127.0.0.1:0", &aio.ServerOptions{Hosts: []string{"127.0.0.2"}, DeferServing: true})
			if err != nil {
				return err
			}
			defer srv.Close()
			socks := srv.Sockets()
			if len(socks) != 2 || socks[0].LocalAddr().(*net.TCPAddr).Port != socks[1].LocalAddr().(*net.TCPAddr).Port {
				t.Errorf("the sockets are %v", socks)
			}
		}
		return nil
	})
}

// A name in Linux's abstract namespace has no file.
func TestUnixServerAbstract(t *testing.T) {
	served(t, func(c *serverCase) {
		name := fmt.Sprintf("@aio-test-%d-%s", os.Getpid(), filepath.Base(c.Name()))
		for range 2 {
			srv, err := aio.CreateUnixServer(c.ctx, c.factory, name, nil)
			if err != nil {
				c.Fatal(err)
			}
			if _, err := aio.CreateUnixServer(c.ctx, c.factory, name, nil); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), name) {
				c.Errorf("a second server: %v", err)
			}
			p := newIOLogger()
			tr, _, err := aio.CreateUnixConnection(c.ctx, func() *ioLogger { return p }, name, nil)
			if err != nil {
				c.Fatal(err)
			}
			tr.Write([]byte("hello"))
			tr.Close()
			c.lost(p)
			srv.Close()
			if err := srv.WaitClosed(c.ctx); err != nil {
				c.Error(err)
			}
		}
	})
}

// No descriptor stays open, whether a server or connection cannot be created or
// everything is closed.
func TestServerLeavesNoDescriptors(t *testing.T) {
	netKeepsItsDescriptors(t)
	used, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	dir := t.TempDir()
	for _, s := range []struct {
		name string
		run  func(c *serverCase)
	}{
		{"nothing", func(c *serverCase) {}},
		{"a server", func(c *serverCase) { c.serve(nil); c.end() }},
		{"a server that is not closed", func(c *serverCase) { c.serve(nil) }},
		{"a server that has not served", func(c *serverCase) { c.serve(&aio.ServerOptions{DeferServing: true}) }},
		{"a server with clients that is not closed", func(c *serverCase) { c.serve(nil); c.connect(); c.connect() }},
		{"a server and a client that is not accepted", func(c *serverCase) {
			c.serve(nil)
			if _, _, err := aio.CreateConnection(c.ctx, newIOLogger, c.srv.Addr().String(), nil); err != nil {
				c.Error(err)
			}
		}},
		{"an address in use", func(c *serverCase) {
			if _, err := aio.CreateServer(c.ctx, c.factory, used.Addr().String(), nil); err == nil {
				c.Error("a server was created")
			}
		}},
		{"the second address in use", func(c *serverCase) {
			_, port, _ := net.SplitHostPort(used.Addr().String())
			if _, err := aio.CreateServer(c.ctx, c.factory, "127.0.0.2:"+port, &aio.ServerOptions{Hosts: []string{"127.0.0.1"}}); err == nil {
				c.Error("a server was created")
			}
		}},
		{"an invalid path", func(c *serverCase) {
			if _, err := aio.CreateUnixServer(c.ctx, c.factory, filepath.Join(dir, "no", "path"), nil); err == nil {
				c.Error("a server was created")
			}
		}},
		{"cancelled while it starts", func(c *serverCase) {
			task := spawn(c.ctx, func(ctx context.Context) error {
				_, err := aio.CreateServer(ctx, c.factory, "127.0.0.1:0", nil)
				return err
			})
			c.pass()
			task.Cancel()
			if _, err := task.Await(c.ctx); !errors.Is(err, aio.ErrCancelled) {
				c.Errorf("the error is %v", err)
			}
		}},
		{"a factory that fails", func(c *serverCase) {
			c.l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
			srv, err := aio.CreateServer(c.ctx, func() *ioLogger { panic("no") }, "127.0.0.1:0", nil)
			if err != nil {
				c.Fatal(err)
			}
			p := newIOLogger()
			if _, _, err := aio.CreateConnection(c.ctx, func() *ioLogger { return p }, srv.Addr().String(), nil); err != nil {
				c.Fatal(err)
			}
			c.lost(p)
			srv.Close()
		}},
		{"refused protocols", func(c *serverCase) {
			conn, _ := ioSocketpair(c.T)
			if _, _, err := aio.ConnectAcceptedSocket(c.ctx, func() int { return 1 }, conn, nil); err == nil {
				c.Error("a transport was created")
			}
		}},
		{"clients that are closed, aborted and left alone", func(c *serverCase) {
			c.serve(nil)
			for i := range 6 {
				p := c.connect()
				switch i % 3 {
				case 0:
					p.t.Write([]byte("hello"))
					p.t.Close()
				case 1:
					p.t.Abort()
				}
			}
			c.srv.Close()
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			before := openFiles()
			served(t, s.run)
			wantClosed(t, t.Context(), before)
		})
	}
}

// LOOP-155: without a free descriptor a server waits for a second. Only the exception
// handler is called; clients wait in the backlog.
func TestServerOutOfDescriptors(t *testing.T) {
	mode := os.Getenv(childMode)
	if mode == "" { // a child process, because the limit applies to a whole process
		for _, mode := range []string{"poller", "goroutines"} {
			if out, err := childProcess(t, mode).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", mode, err, out)
			}
		}
		return
	}
	netKeepsItsDescriptors(t)
	before := openFiles()
	l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	aio.ForceGoroutines(l, mode == "goroutines")
	c := &serverCase{T: t, l: l, on: map[string]func(*ioLogger){}}
	var reports []time.Duration
	start := l.Time()
	onReport := func() {}
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
		if !errors.Is(ec.Err, syscall.EMFILE) || !strings.Contains(ec.Message, "out of system resources") {
			t.Errorf("reported: %s: %v", ec.Message, ec.Err)
		}
		reports = append(reports, l.Time().Sub(start))
		onReport()
	})
	if err := runMain(l, func(ctx context.Context) error {
		c.ctx = ctx
		c.serve(nil)
		c.pass()
		files := openFiles()
		p := c.connect()
		p.t.Close()
		c.lost(p)
		c.lost(c.clients[0])
		c.log.want(t, "made eof lost")
		wantClosed(t, ctx, files)
		c.clients = nil
		start = l.Time()

		restore := noMoreDescriptors(t, 2)
		first, second := newStreamSocket(t), newStreamSocket(t)
		connectSocket(t, first, c.srv.Addr())
		sleepUntil := func(d time.Duration) {
			t.Helper()
			if err := aio.Sleep(ctx, start.Add(d).Sub(l.Time())); err != nil {
				t.Fatal(err)
			}
		}
		// until also lets time pass: the server waits before it accepts again.
		until := func(what string, f func() bool) {
			t.Helper()
			eventually(t, ctx, what, func() bool {
				if f() {
					return true
				}
				sleepUntil(l.Time().Sub(start) + time.Millisecond)
				return false
			})
		}
		reported := func(n int) { t.Helper(); until("a report", func() bool { return len(reports) >= n }) }
		reported(1)
		for range 50 {
			c.pass()
		}
		if len(reports) != 1 || !c.srv.IsServing() || len(c.clients) != 0 {
			t.Errorf("reported at %v, serving: %v, %d clients", reports, c.srv.IsServing(), len(c.clients))
		}
		connectSocket(t, second, c.srv.Addr())
		sleepUntil(reports[0] + 999*time.Millisecond)
		if len(reports) != 1 {
			t.Errorf("reported at %v", reports)
		}
		reported(2) // the server has tried again
		if d := reports[1] - reports[0]; d < time.Second || d > time.Second && mode == "poller" {
			t.Errorf("reported at %v", reports)
		}
		restore()
		sleepUntil(reports[1] + 999*time.Millisecond)
		if len(c.clients) != 0 {
			t.Error("there are clients")
		}
		until("both are clients", func() bool { return len(c.clients) == 2 && c.clients[1].t != nil })
		if len(reports) != 2 {
			t.Errorf("reported at %v", reports)
		}
		unix.Close(first)
		unix.Close(second)
		for _, p := range c.clients {
			c.lost(p)
		}
		wantClosed(t, ctx, files)

		// Close during the wait.
		restore = noMoreDescriptors(t, 1)
		third := newStreamSocket(t)
		connectSocket(t, third, c.srv.Addr())
		reported(3)
		c.srv.Close()
		restore()
		sleepUntil(l.Time().Sub(start) + 5*time.Second)
		if len(reports) != 3 || len(c.clients) != 2 {
			t.Errorf("%d clients, reported at %v", len(c.clients), reports)
		}
		unix.Close(third)

		// Close in the exception handler.
		c.serve(nil)
		onReport = func() { c.srv.Close() }
		restore = noMoreDescriptors(t, 1)
		fourth := newStreamSocket(t)
		connectSocket(t, fourth, c.srv.Addr())
		if err := c.srv.WaitClosed(ctx); err != nil {
			return err
		}
		restore()
		unix.Close(fourth)

		// Closing the loop during the wait.
		onReport = func() {}
		c.serve(nil)
		restore = noMoreDescriptors(t, 1)
		fifth := newStreamSocket(t)
		connectSocket(t, fifth, c.srv.Addr())
		reported(5)
		restore()
		unix.Close(fifth)
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	wantClosed(t, t.Context(), before)
}

// noMoreDescriptors limits the process to n descriptors more than it has.
func noMoreDescriptors(t *testing.T, n int) (restore func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	var free []int
	for range n + 1 {
		fd, err := unix.Dup(0)
		if err != nil {
			t.Fatal(err)
		}
		free = append(free, fd)
	}
	for _, fd := range free {
		unix.Close(fd)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(free[n]), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
	}
}

func newStreamSocket(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func connectSocket(t *testing.T, fd int, addr net.Addr) {
	t.Helper()
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: addr.(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
}
