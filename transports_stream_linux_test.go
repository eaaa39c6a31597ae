package aio_test

// Streams over sockets of a kernel whose buffer sizes and edge-triggered events are
// known.

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// ioPeer is the other end of a connection, a non-blocking descriptor.
type ioPeer struct {
	t  *testing.T
	fd int
}

// write writes all of s.
func (p *ioPeer) write(s string) {
	p.t.Helper()
	if n, err := unix.Write(p.fd, []byte(s)); n != len(s) || err != nil {
		p.t.Errorf("the peer wrote %d of %d bytes: %v", n, len(s), err)
	}
}

// read reads the available data; eof reports EOF.
func (p *ioPeer) read() (got string, eof bool) {
	p.t.Helper()
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(p.fd, buf)
		switch {
		case err == unix.EAGAIN:
			return got, false
		case err == unix.EINTR:
			continue
		case err != nil:
			p.t.Error(err)
			return got, true
		case n == 0:
			return got, true
		}
		got += string(buf[:n])
	}
}

func (p *ioPeer) close() {
	if p.fd >= 0 {
		unix.Close(p.fd)
		p.fd = -1
	}
}

// ioSocketpair returns a connection for a transport, and its peer.
func ioSocketpair(t *testing.T) (net.Conn, *ioPeer) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.SetNonblock(fds[1], true)
	f := os.NewFile(uintptr(fds[0]), "socketpair")
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	p := &ioPeer{t, fds[1]}
	t.Cleanup(p.close)
	return conn, p
}

// ioTrace is a test that compares the order of all events, including passes, with
// asyncio's.
type ioTrace struct {
	*testing.T
	ctx context.Context
	l   *aio.Loop
	log *eventLog

	each func(event string) // called for each event of the protocols
}

// open creates a transport over conn.
func (c *ioTrace) open(name string, conn net.Conn, set func(p *ioLogger)) *ioLogger {
	c.Helper()
	_, p, err := aio.CreateConnection(c.ctx, func() *ioLogger {
		p := &ioLogger{name: name, log: c.log, on: map[string]func(){}, each: c.each}
		if set != nil {
			set(p)
		}
		return p
	}, "", &aio.ConnectionOptions{Conn: conn})
	if err != nil {
		c.Fatal(err)
	}
	return p
}

// The wanted traces are those of CPython 3.13 for the same programs with a socketpair;
// a bar is a callback that schedules itself again in each pass, an apostrophe marks a
// callback that was scheduled by the event.
func TestStreamInterleavesAsInCPython(t *testing.T) {
	for _, c := range []struct {
		name, want string
		run        func(c *ioTrace)
	}{
		{"data and EOF in both directions", // PROTO-003, LOOP-214, LOOP-265
			"| amade | amade' task | bmade | bmade' task | bdata:hi | task bdata:hi' | beof | task closed beof' | blost adata:bye | blost' adata:bye' aeof | aeof' alost | alost' | end |",
			func(c *ioTrace) {
				left, right := ioConnPair(c.T)
				a := c.open("a", left, nil)
				c.log.add("task")
				b := c.open("b", right, func(p *ioLogger) { p.keepOpen = true })
				c.log.add("task")
				a.t.Write([]byte("hi"))
				letPass(c.ctx, 2)
				c.log.add("task")
				a.t.WriteEOF()
				letPass(c.ctx, 2)
				c.log.add("task")
				b.t.Write([]byte("bye"))
				b.t.Close()
				c.log.add("closed")
				letPass(c.ctx, 5)
			}},
		{"data before the transport, and EOF with data",
			"| amade | amade' task adata:early | adata:early' | task | adata:x | adata:x' aeof | aeof' alost | alost' | end |",
			func(c *ioTrace) {
				conn, b := ioSocketpair(c.T)
				b.write("early")
				c.open("a", conn, nil)
				c.log.add("task")
				letPass(c.ctx, 2)
				c.log.add("task")
				b.write("x")
				b.close()
				letPass(c.ctx, 5)
			}},
		{"pausing", // LOOP-215, LOOP-216
			"| amade | amade' task | | resumed | soon adata:early | adata:early' | | task resumed | adata:more | adata:more' aeof | aeof' alost | alost' | end |",
			func(c *ioTrace) {
				conn, b := ioSocketpair(c.T)
				b.write("early")
				a := c.open("a", conn, func(p *ioLogger) { p.on["made"] = func() { p.t.PauseReading() } })
				c.log.add("task")
				letPass(c.ctx, 2)
				a.t.ResumeReading()
				c.log.add("resumed")
				c.l.CallSoon(func() { c.log.add("soon") })
				letPass(c.ctx, 2)
				a.t.PauseReading()
				b.write("more")
				b.close()
				letPass(c.ctx, 2)
				c.log.add("task")
				a.t.ResumeReading()
				a.t.PauseReading()
				a.t.ResumeReading()
				c.log.add("resumed")
				letPass(c.ctx, 5)
			}},
		{"a resumed transport is read after those that are ready",
			"| amade | amade' | bmade | bmade' task | adata:1 bdata:2 | adata:1' bdata:2' | end |",
			func(c *ioTrace) {
				left, p := ioSocketpair(c.T)
				right, q := ioSocketpair(c.T)
				c.open("a", left, nil)
				b := c.open("b", right, nil)
				c.log.add("task")
				b.t.PauseReading()
				q.write("2")
				p.write("1")
				b.t.ResumeReading()
				letPass(c.ctx, 3)
			}},
		{"closing in DataReceived",
			"| amade | amade' | bmade | bmade' written | adata:x | adata:x' alost bdata:last | alost' bdata:last' beof | beof' blost | blost' | end |",
			func(c *ioTrace) {
				left, right := ioConnPair(c.T)
				c.open("a", left, func(p *ioLogger) {
					p.on["data:x"] = func() {
						p.t.Write([]byte("last"))
						p.t.Close()
						p.t.Close()
					}
				})
				b := c.open("b", right, nil)
				b.t.Write([]byte("x"))
				c.log.add("written")
				letPass(c.ctx, 6)
			}},
		{"a panic of DataReceived", // LOOP-220
			"| amade | amade' | bmade | bmade' written | adata:x reported:panic | adata:x' alost:panic | alost:panic' beof | beof' blost | blost' | end |",
			func(c *ioTrace) {
				left, right := ioConnPair(c.T)
				c.open("a", left, func(p *ioLogger) { p.on["data:x"] = func() { panic("no") } })
				b := c.open("b", right, nil)
				b.t.Write([]byte("x"))
				c.log.add("written")
				letPass(c.ctx, 6)
			}},
		{"one read for each pass, and in turns", // LOOP-218
			"| amade | amade' | cmade | cmade' sent | adata:262144 cdata:20 | adata:262144' cdata:20' adata:37856 | adata:37856' cdata:30 | cdata:30' | | | end |",
			func(c *ioTrace) {
				left, b := ioSocketpair(c.T)
				right, d := ioSocketpair(c.T)
				left.(*net.UnixConn).SetReadBuffer(1 << 20)
				unix.SetsockoptInt(b.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20)
				c.open("a", left, nil)
				c.open("c", right, nil)
				for range 3 {
					b.write(strings.Repeat("x", 100000))
				}
				d.write(strings.Repeat("z", 20))
				c.log.add("sent")
				letPass(c.ctx, 2)
				d.write(strings.Repeat("w", 30))
				letPass(c.ctx, 5)
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := aio.NewEventLoop(nil)
			log := new(eventLog)
			ioReportTo(l, log)
			if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
				ticks := 0
				var tick func()
				tick = func() {
					log.add("|")
					if ticks++; ticks < 50 {
						l.CallSoon(tick)
					}
				}
				l.CallSoon(tick)
				c.run(&ioTrace{t, ctx, l, log, func(event string) {
					l.CallSoon(func() { log.add("%s'", event) })
				}})
				log.add("end")
				return nil
			})); err != nil {
				t.Error(err)
			}
			log.want(t, c.want)
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// ioConnPair returns two connected Unix sockets.
func ioConnPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	a, p := ioSocketpair(t)
	f := os.NewFile(uintptr(p.fd), "socketpair")
	b, err := net.FileConn(f)
	f.Close()
	p.fd = -1
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

// LOOP-228, LOOP-232, LOOP-240, LOOP-254: a socket that repeatedly accepts only a part.
func TestStreamPartialWritesToSocket(t *testing.T) {
	ioTraced(t, func(c *ioTrace) {
		conn, peer := ioSocketpair(t)
		conn.(*net.UnixConn).SetWriteBuffer(1) // the minimum of the kernel
		a := c.open("", conn, nil)
		sent := ioPattern(200000)
		if n, err := a.t.Write(sent[:150000]); n != 150000 || err != nil {
			t.Errorf("Write() = %d, %v", n, err)
		}
		taken := 150000 - a.t.GetWriteBufferSize()
		if taken == 0 || taken > 100000 {
			t.Errorf("the socket accepted %d bytes", taken)
		}
		if err := a.t.Writelines([][]byte{sent[150000:180000], sent[180000:]}); err != nil {
			t.Error(err)
		}
		if got, want := a.t.GetWriteBufferSize(), len(sent)-taken; got != want {
			t.Errorf("%d bytes are buffered, want %d", got, want)
		}
		c.log.want(t, "made pause")
		a.t.Close()
		var got string
		for !a.lost.IsSet() {
			letPass(c.ctx, 1)
			more, _ := peer.read()
			got += more
			if left := a.t.GetWriteBufferSize(); len(got)+left > len(sent) {
				t.Fatalf("%d bytes arrived and %d are left", len(got), left)
			}
		}
		c.log.want(t, "resume lost")
		more, eof := peer.read()
		if got += more; !eof || got != string(sent) {
			t.Errorf("the peer read %d bytes and %v, equal: %v", len(got), eof, got == string(sent))
		}
	})
}

// ioTraced runs main in a task of a loop whose reports are logged.
func ioTraced(t *testing.T, main func(c *ioTrace)) {
	t.Helper()
	l := aio.NewEventLoop(nil)
	log := new(eventLog)
	ioReportTo(l, log)
	if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		main(&ioTrace{T: t, ctx: ctx, l: l, log: log})
		return nil
	})); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// ioPattern returns n bytes in which missing and duplicated parts can be recognized.
func ioPattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return p
}

// until waits until f returns true as a result of poller events.
func (c *ioTrace) until(what string, f func() bool) {
	c.Helper()
	for range 10000 {
		if f() {
			return
		}
		if err := aio.Sleep(c.ctx, time.Millisecond); err != nil {
			c.Fatal(err)
		}
	}
	c.Errorf("timed out: %s", what)
}

// A read of a Unix socket stops before data that was sent with a descriptor. That data
// was already there when the poller reported readiness, so the poller will not report
// it again.
func TestStreamUnixDescriptorAlong(t *testing.T) {
	ioTraced(t, func(c *ioTrace) {
		conn, peer := ioSocketpair(t)
		a := c.open("", conn, nil)
		if err := unix.Sendmsg(peer.fd, []byte("hello "), unix.UnixRights(peer.fd), nil, 0); err != nil {
			t.Fatal(err)
		}
		peer.write("world")
		c.until("all is read", func() bool { return len(a.got) == 11 })
		c.log.want(t, "made data:hello_ data:world")
	})
}

// All data is read from a Unix socket that passes the credentials of the sender, where
// a read may stop early too.
func TestStreamUnixCredentials(t *testing.T) {
	ioTraced(t, func(c *ioTrace) {
		conn, peer := ioSocketpair(t)
		rc, err := conn.(*net.UnixConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		rc.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1) })
		if err != nil {
			t.Fatal(err)
		}
		a := c.open("", conn, nil)
		peer.write("hello ")
		peer.write("world")
		c.until("all is read", func() bool { return string(a.got) == "hello world" })
	})
}

// ioTCP returns a TCP connection for a transport, and its peer.
func ioTCP(t *testing.T) (net.Conn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	return conn, peer.(*net.TCPConn)
}

// ioControl calls f with the descriptor of c.
func ioControl(t *testing.T, c syscall.Conn, f func(fd int) error) {
	t.Helper()
	rc, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	cerr := rc.Control(func(fd uintptr) { err = f(int(fd)) })
	if err := errors.Join(cerr, err); err != nil {
		t.Error(err)
	}
}

// PROTO-007: after a read that fills its buffer there is more data, which the poller
// does not report again.
func TestStreamFullReads(t *testing.T) {
	for name, pair := range map[string]func(*testing.T) (a, b net.Conn){"tcp": randTCP, "unix": ioConnPair, "pipe": func(*testing.T) (a, b net.Conn) { return net.Pipe() }} {
		t.Run(name, func(t *testing.T) {
			ioTraced(t, func(c *ioTrace) {
				here, there := pair(t)
				p := &ioBuffered{log: c.log, buf: make([]byte, 3)}
				if _, _, err := aio.ConnectAcceptedSocket(c.ctx, func() *ioBuffered { return p }, here, nil); err != nil {
					t.Fatal(err)
				}
				want := string(ioPattern(100))
				go there.Write([]byte(want))
				c.until("all is read", func() bool { return string(p.got) == want })
				there.Close()
			})
		})
	}
}

// A read stops at urgent data, which is skipped.
func TestStreamUrgentData(t *testing.T) {
	ioTraced(t, func(c *ioTrace) {
		conn, peer := ioTCP(t)
		a := c.open("", conn, nil)
		send := func(s string, flags int) {
			ioControl(t, peer, func(fd int) error { return unix.Sendto(fd, []byte(s), flags, nil) })
		}
		send("ab", 0)
		send("!", unix.MSG_OOB)
		send("cd", 0)
		c.until("all is read", func() bool { return string(a.got) == "abcd" })
		a.t.PauseReading()
		send("ef", 0)
		send("!", unix.MSG_OOB)
		send("gh", 0)
		letPass(c.ctx, 3)
		a.t.ResumeReading()
		c.until("all is read", func() bool { return string(a.got) == "abcdefgh" })
		send("ij", 0)
		c.until("all is read", func() bool { return string(a.got) == "abcdefghij" })
		peer.Close()
		c.until("the end", a.lost.IsSet)
		if a.err != nil {
			t.Errorf("ConnectionLost(%v)", a.err)
		}
	})
}

// The peer resets the connection.
func TestStreamReset(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(c *ioTrace, a *ioLogger, reset func())
		errs []error
	}{
		{"LOOP-219 while nothing happens",
			func(c *ioTrace, a *ioLogger, reset func()) { reset() }, []error{syscall.ECONNRESET}},
		{"LOOP-236 in the middle of a write", func(c *ioTrace, a *ioLogger, reset func()) {
			a.t.Write(make([]byte, 32<<20))
			c.until("the socket is full", func() bool { letPass(c.ctx, 10); return a.t.GetWriteBufferSize() > 0 })
			reset()
		}, []error{syscall.ECONNRESET, syscall.EPIPE}},
		{"LOOP-236 in the middle of a write, with reading paused", func(c *ioTrace, a *ioLogger, reset func()) {
			a.t.PauseReading()
			a.t.Write(make([]byte, 32<<20))
			reset()
		}, []error{syscall.ECONNRESET, syscall.EPIPE}},
		{"LOOP-236 while it is closing", func(c *ioTrace, a *ioLogger, reset func()) {
			a.t.Write(make([]byte, 32<<20))
			a.t.Close()
			reset()
		}, []error{syscall.ECONNRESET, syscall.EPIPE}},
		{"LOOP-236 before a write", func(c *ioTrace, a *ioLogger, reset func()) {
			a.t.PauseReading()
			reset()
			letPass(c.ctx, 5)
			if a.lost.IsSet() {
				c.Error("not requested")
			}
			for range 2 { // the first iteration returns the pending error
				if n, err := a.t.Write([]byte("x")); n != 0 || err == nil {
					c.Errorf("Write() = %d, %v", n, err)
				}
			}
		}, []error{syscall.ECONNRESET, syscall.EPIPE}},
		{"LOOP-219 with reading paused", func(c *ioTrace, a *ioLogger, reset func()) {
			a.t.PauseReading()
			reset()
			letPass(c.ctx, 5)
			a.t.ResumeReading()
		}, []error{syscall.ECONNRESET}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ioTraced(t, func(tr *ioTrace) {
				conn, peer := ioTCP(t)
				a := tr.open("", conn, nil)
				c.run(tr, a, func() {
					peer.SetLinger(0)
					peer.Close()
				})
				tr.until("ConnectionLost", a.lost.IsSet)
				ok := false
				for _, err := range c.errs {
					ok = ok || errors.Is(a.err, err)
				}
				if !ok {
					t.Errorf("ConnectionLost(%v), want one of %v", a.err, c.errs)
				}
				// LOOP-258
				if strings.Contains(strings.Join(*tr.log, " "), "reported") {
					t.Errorf("events: %v", *tr.log)
				}
			})
		})
	}
}

// TCP_NODELAY is set on all connections, whether the loop or the program has created
// them.
func TestStreamNoDelay(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		check := func(what string, tr aio.Transport) {
			t.Helper()
			ioControl(t, tr.GetExtraInfo("socket").(*aio.TransportSocket), func(fd int) error {
				v, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY)
				if v == 0 {
					t.Errorf("%s has no TCP_NODELAY", what)
				}
				return err
			})
		}
		accepted := aio.CreateFuture[aio.Transport](ctx)
		srv, err := aio.CreateServer(ctx, func() *ioLogger {
			p := &ioLogger{log: new(eventLog)}
			p.on = map[string]func(){"made": func() { accepted.SetResult(p.t) }}
			return p
		}, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		dialed, _, err := aio.CreateConnection(ctx, newIOLogger, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		check("a connection made", dialed)
		tr, err := accepted.Await(ctx)
		if err != nil {
			return err
		}
		check("a connection accepted", tr)
		conn, _ := ioTCP(t)
		conn.(*net.TCPConn).SetNoDelay(false)
		given, _, err := aio.ConnectAcceptedSocket(ctx, newIOLogger, conn, nil)
		if err != nil {
			return err
		}
		check("a connection given", given)
		for _, tr := range []aio.Transport{dialed, tr, given} {
			tr.Abort()
		}
		srv.Close()
		return srv.WaitClosed(ctx)
	})
}

// LOOP-261, LOOP-262: properties of a socket, and operations on it.
func TestTransportSocket(t *testing.T) {
	ioTraced(t, func(c *ioTrace) {
		conn, peer := ioTCP(t)
		local, remote := conn.LocalAddr().String(), conn.RemoteAddr().String()
		a := c.open("", conn, nil)
		s := a.t.GetExtraInfo("socket").(*aio.TransportSocket)
		for what, addr := range map[string]struct{ got, want any }{
			"sockname":   {a.t.GetExtraInfo("sockname").(net.Addr).String(), local},
			"peername":   {a.t.GetExtraInfo("peername").(net.Addr).String(), remote},
			"LocalAddr":  {s.LocalAddr().String(), local},
			"RemoteAddr": {s.RemoteAddr().String(), remote},
		} {
			if addr.got != addr.want {
				t.Errorf("%s is %v, want %v", what, addr.got, addr.want)
			}
		}
		ioControl(t, s, func(fd int) error {
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
			if flags&unix.FD_CLOEXEC == 0 {
				t.Error("child processes inherit the socket")
			}
			return err
		})
		dup, err := s.File()
		if err != nil {
			t.Fatal(err)
		}
		defer dup.Close()
		a.t.Close()
		c.until("ConnectionLost", a.lost.IsSet)
		if _, err := s.SyscallConn(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SyscallConn of a closed socket: %v", err)
		}
		if _, err := s.File(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("File of a closed socket: %v", err)
		}
		if s.LocalAddr() != nil {
			t.Errorf("LocalAddr of a closed socket: %v", s.LocalAddr())
		}
		for _, name := range []string{"sockname", "peername"} {
			// cached by the transport
			if a.t.GetExtraInfo(name) == nil {
				t.Errorf("%s of a closed transport is nil", name)
			}
		}

		// The duplicate stays open, and is independent of the loop.
		if _, err := dup.Write([]byte("hello")); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 5)
		if _, err := io.ReadFull(peer, buf); err != nil || string(buf) != "hello" {
			t.Errorf("the peer read %q, %v", buf, err)
		}
		peer.Write([]byte("back"))
		letPass(c.ctx, 3)
		if n, err := dup.Read(buf); err != nil || string(buf[:n]) != "back" {
			t.Errorf("the duplicate read %q, %v", buf[:n], err)
		}
		// even if another connection has the descriptor's number.
		conn, other := ioTCP(t)
		b := c.open("", conn, nil)
		peer.Write([]byte("more"))
		other.Write([]byte("other"))
		c.until("the other connection's data", func() bool { return len(b.got) > 0 })
		if string(b.got) != "other" {
			t.Errorf("got %q", b.got)
		}
		b.t.Abort()
	})
}

func init() {
	randMorePairs["unix"] = ioConnPair
	randMorePairs["unix with the smallest buffers"] = func(t *testing.T) (net.Conn, net.Conn) {
		a, b := ioConnPair(t)
		for _, c := range []net.Conn{a, b} {
			c.(*net.UnixConn).SetWriteBuffer(1)
		}
		return a, b
	}
	randMorePairs["tcp with the smallest buffers"] = func(t *testing.T) (net.Conn, net.Conn) {
		a, b := randTCP(t)
		for _, c := range []net.Conn{a, b} {
			c.(*net.TCPConn).SetWriteBuffer(1)
		}
		return a, b
	}
}
