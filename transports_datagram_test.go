package aio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// dgPeer is a protocol that writes down what it gets.
type dgPeer struct {
	t      aio.DatagramTransport
	log    eventLog
	from   []net.Addr
	errs   []error
	lost   *aio.Future[error]
	more   aio.Event
	onData func(p []byte, from net.Addr)
	onErr  func()
}

func (p *dgPeer) ConnectionMade(t aio.DatagramTransport) { p.t = t; p.note("made") }
func (p *dgPeer) PauseWriting()                          { p.note("pause") }
func (p *dgPeer) ResumeWriting()                         { p.note("resume") }

func (p *dgPeer) DatagramReceived(b []byte, from net.Addr) {
	p.from = append(p.from, from)
	p.note("got:" + string(b))
	if p.onData != nil {
		p.onData(b, from)
	}
}

func (p *dgPeer) ErrorReceived(err error) {
	p.errs = append(p.errs, err)
	p.note("error")
	if p.onErr != nil {
		p.onErr()
	}
}

func (p *dgPeer) ConnectionLost(err error) {
	p.note("lost")
	p.lost.SetResult(err)
}

func (p *dgPeer) note(event string) { p.log.add("%s", event); p.more.Set() }

// after waits until so many events have happened since the log was last looked at.
func (p *dgPeer) after(ctx context.Context, n int) error {
	for len(p.log) < n {
		p.more.Clear()
		if err := p.more.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// dgOpen makes an endpoint.
func dgOpen(ctx context.Context, opts *aio.DatagramOptions) (*dgPeer, error) {
	_, p, err := aio.CreateDatagramEndpoint(ctx, func() *dgPeer {
		return &dgPeer{lost: aio.CreateFuture[error](ctx)}
	}, opts)
	return p, err
}

// sockname is the address of the endpoint.
func (p *dgPeer) sockname() net.Addr { return p.t.GetExtraInfo("sockname").(net.Addr) }

// dgPaths is bothPaths with a limit of time, and makes sure that no descriptor stays open.
func dgPaths(t *testing.T, main func(t *testing.T, ctx context.Context) error) {
	t.Helper()
	netKeepsItsDescriptors(t)
	before := openFiles()
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		return aio.Timeout(ctx, time.Minute, func(ctx context.Context) error { return main(t, ctx) })
	})
	wantClosed(t, t.Context(), before)
}

// dgPlain returns a socket of package net.
func dgPlain(t *testing.T, network, addr string) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket(network, addr)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// dgRead reads a datagram from a plain socket, and blocks meanwhile.
func dgRead(t *testing.T, c net.PacketConn) (string, net.Addr) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 1<<16)
	n, from, err := c.ReadFrom(buf)
	if err != nil {
		t.Error(err)
	}
	return string(buf[:n]), from
}

// dgIs fails unless errors.Is(err, want).
func dgIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("the error is %v, want one that matches %v", err, want)
	}
}

// dgOnPoller reports whether the loop of dgPaths polls: what goes through goroutines is not bound to
// passes, and comes back later.
func dgOnPoller(t *testing.T) bool {
	return strings.HasSuffix(t.Name(), "/poller") && (runtime.GOOS == "linux" || runtime.GOOS == "darwin")
}

// LOOP-187, LOOP-195, LOOP-197
func TestDatagramEcho(t *testing.T) {
	for _, tt := range []struct{ network, local string }{
		{"", "127.0.0.1:0"}, {"udp4", "localhost:0"}, {"", "[::1]:0"}, {"udp6", "[::1]:0"}, {"unixgram", "file"},
	} {
		t.Run(tt.network+tt.local, func(t *testing.T) {
			dgPaths(t, func(t *testing.T, ctx context.Context) error {
				local, from := tt.local, "127.0.0.1:0"
				if strings.Contains(local, "::1") {
					dgPlain(t, "udp6", local) // or skip
					from = local
				}
				if tt.network == "unixgram" {
					dgPlain(t, "unixgram", filepath.Join(t.TempDir(), "plain")) // or skip
					local, from = filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
				}
				server, err := dgOpen(ctx, &aio.DatagramOptions{Network: tt.network, LocalAddr: local})
				if err != nil {
					return err
				}
				server.log.want(t, "made")
				server.onData = func(p []byte, from net.Addr) {
					if err := server.t.SendTo(append([]byte("re:"), p...), from); err != nil {
						t.Error(err)
					}
				}
				client, err := dgOpen(ctx, &aio.DatagramOptions{
					Network: tt.network, LocalAddr: from, RemoteAddr: server.sockname().String(),
				})
				if err != nil {
					return err
				}
				if got, want := fmt.Sprint(client.t.GetExtraInfo("peername")), server.sockname().String(); got != want {
					t.Errorf("the peer is %s, want %s", got, want)
				}
				if p := server.t.GetExtraInfo("peername"); p != nil {
					t.Errorf("the server has a peer: %v", p)
				}
				for _, s := range []string{"one", "", "three"} {
					if err := client.t.SendTo([]byte(s), nil); err != nil {
						t.Error(err)
					}
				}
				if err := client.after(ctx, 4); err != nil {
					return err
				}
				client.log.want(t, "made got:re:one got:re: got:re:three")
				server.log.want(t, "got:one got: got:three")
				for _, addr := range server.from {
					if addr.String() != client.sockname().String() || addr.Network() != client.sockname().Network() {
						t.Errorf("a datagram came from %v, not %v", addr, client.sockname())
					}
				}
				client.t.Close()
				if !client.t.IsClosing() {
					t.Error("the transport is not closing")
				}
				client.log.want(t, "")
				lost, err := client.lost.Await(ctx)
				if lost != nil || err != nil {
					t.Errorf("ConnectionLost(%v), %v", lost, err)
				}
				client.log.want(t, "lost")
				server.t.Abort()
				_, err = server.lost.Await(ctx)
				return err
			})
		})
	}
}

// One datagram in each pass, which begins with those that were ready before. LOOP-195, LOOP-214
func TestDatagramPasses(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		if !dgOnPoller(t) {
			t.Skip("goroutines are not bound to passes")
		}
		p, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		other, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		for _, s := range []string{"a", "b", "c"} {
			p.t.SendTo([]byte(s), p.sockname())
		}
		p.t.SendTo([]byte("x"), other.sockname())
		other.onData = func(b []byte, _ net.Addr) { p.note("other:" + string(b)) }
		for range 5 {
			p.note("pass")
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		p.log.want(t, "made pass pass got:a other:x pass got:b pass got:c pass")

		// What is found ready is not read if the endpoint is closed before its turn.
		p.t.SendTo([]byte("late"), p.sockname())
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		p.t.Close()
		_, err = p.lost.Await(ctx)
		p.log.want(t, "lost")
		return err
	})
}

// ConnectionMade is called by the loop, and nothing is read before. LOOP-187, LOOP-214
func TestDatagramOpening(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		c := dgPlain(t, "udp4", "127.0.0.1:0")
		to := c.LocalAddr()
		if _, err := dgPlain(t, "udp4", "127.0.0.1:0").WriteTo([]byte("early"), to); err != nil {
			return err
		}
		p := &dgPeer{lost: aio.CreateFuture[error](ctx)}
		_, _, err := aio.CreateDatagramEndpoint(ctx, func() *dgPeer {
			loop, _ := aio.GetRunningLoop(ctx)
			loop.CallSoon(func() { p.note("soon") })
			p.note("factory")
			return p
		}, &aio.DatagramOptions{Conn: c})
		if err != nil {
			return err
		}
		if dgOnPoller(t) {
			p.log.want(t, "factory soon made") // what there is to read comes in the next pass
			p.log = eventLog{"factory", "soon", "made"}
		}
		if err := p.after(ctx, 4); err != nil {
			return err
		}
		p.log.want(t, "factory soon made got:early")
		return nil
	})
}

// LOOP-188
func TestDatagramConn(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		plain := dgPlain(t, "udp4", "127.0.0.1:0")
		free := dgPlain(t, "udp4", "127.0.0.1:0")
		at := free.LocalAddr()
		p, err := dgOpen(ctx, &aio.DatagramOptions{Conn: free})
		if err != nil {
			return err
		}
		if p.sockname().String() != at.String() {
			t.Errorf("the endpoint is at %v, want %v", p.sockname(), at)
		}
		p.t.SendTo([]byte("hello"), plain.LocalAddr())
		if got, from := dgRead(t, plain); got != "hello" || from.String() != at.String() {
			t.Errorf("got %q from %v", got, from)
		}
		d, err := net.Dial("udp4", plain.LocalAddr().String())
		if err != nil {
			return err
		}
		p, err = dgOpen(ctx, &aio.DatagramOptions{Conn: d.(net.PacketConn)})
		if err != nil {
			return err
		}
		p.t.SendTo([]byte("connected"), nil)
		got, from := dgRead(t, plain)
		if got != "connected" {
			t.Errorf("got %q from %v", got, from)
		}
		plain.WriteTo([]byte("answer"), from)
		if err := p.after(ctx, 2); err != nil {
			return err
		}
		p.log.want(t, "made got:answer")
		return nil
	})
}

// Each kind of socket that package net has. LOOP-188
func TestDatagramConnKinds(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		dir := t.TempDir()
		for i, tt := range [][2]string{
			{"udp4", "127.0.0.1:0"}, {"udp6", "[::1]:0"}, {"udp", ":0"},
			{"unixgram", filepath.Join(dir, "a")}, {"unixgram", filepath.Join(dir, "b")},
		} {
			c, err := net.ListenPacket(tt[0], tt[1])
			if err != nil {
				continue // the system has no such sockets
			}
			p, err := dgOpen(ctx, &aio.DatagramOptions{Conn: c})
			if err != nil {
				return err
			}
			to := p.sockname()
			if u, ok := to.(*net.UDPAddr); ok && u.IP.IsUnspecified() {
				to = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: u.Port}
			}
			p.t.SendTo(fmt.Append(nil, i), to)
			if err := p.after(ctx, 2); err != nil {
				return err
			}
			p.log.want(t, fmt.Sprint("made got:", i))
			if got := p.from[0].String(); got != to.String() {
				t.Errorf("the datagram came from %s, not %v", got, to)
			}
		}
		c := dgPlain(t, "udp4", "127.0.0.1:0")
		c.Close()
		p, err := dgOpen(ctx, &aio.DatagramOptions{Conn: c})
		if err == nil { // it is left to a goroutine to find out
			err, _ = p.lost.Await(ctx)
		}
		dgIs(t, err, net.ErrClosed)
		return nil
	})
}

// LOOP-188, LOOP-189, LOOP-190
func TestDatagramUsage(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		conn := dgPlain(t, "udp4", "127.0.0.1:0")
		for _, o := range []*aio.DatagramOptions{
			nil,
			{},
			{Network: "udp"},
			{Network: "tcp", LocalAddr: "127.0.0.1:0"},
			{AllowBroadcast: true, ReusePort: true},
			{Conn: conn, LocalAddr: "127.0.0.1:0"},
			{Conn: conn, RemoteAddr: "127.0.0.1:1"},
			{Conn: conn, Network: "udp4"},
			{Conn: conn, ReusePort: true},
			{Conn: conn, AllowBroadcast: true},
			{LocalAddr: "127.0.0.1:0", RemoteAddr: "[::1]:1"},
			{LocalAddr: "127.0.0.1"},
			{RemoteAddr: "host:port:more"},
			{LocalAddr: "127.0.0.1:0", RemoteAddr: "a/path"},
			{Network: "unixgram", LocalAddr: "a/path", ReusePort: true},
			{Network: "unixgram", LocalAddr: "a/path", AllowBroadcast: true},
		} {
			if _, err := dgOpen(ctx, o); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("%+v: the error is %v", o, err)
			}
		}
		if _, err := conn.WriteTo(nil, conn.LocalAddr()); err != nil {
			t.Errorf("the socket is no longer the caller's: %v", err)
		}
		_, _, err := aio.CreateDatagramEndpoint(ctx, func() *ioEcho { return &ioEcho{} }, &aio.DatagramOptions{Conn: conn})
		dgIs(t, err, aio.ErrUsage) // its ConnectionMade takes a Transport
		_, err = conn.WriteTo(nil, conn.LocalAddr())
		dgIs(t, err, net.ErrClosed)
		_, err = dgOpen(context.Background(), &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		dgIs(t, err, aio.ErrNoRunningLoop)
		return nil
	})
}

// LOOP-189
func TestDatagramConnOfStream(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		if err != nil {
			t.Skip(err)
		}
		defer ln.Close()
		c, err := net.Dial("unix", ln.Addr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = dgOpen(ctx, &aio.DatagramOptions{Conn: c.(net.PacketConn)})
		dgIs(t, err, aio.ErrUsage)
		return nil
	})
}

// dgNoExecutor takes no jobs.
type dgNoExecutor struct{}

func (dgNoExecutor) Submit(func()) error { return errors.New("there is nobody to ask") }
func (dgNoExecutor) Shutdown(bool)       {}

// LOOP-101
func TestDatagramLiteralAddress(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		loop, _ := aio.GetRunningLoop(ctx)
		loop.SetDefaultExecutor(dgNoExecutor{})
		p, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0", RemoteAddr: "127.0.0.1:9"})
		if err != nil {
			return err
		}
		if got := p.sockname().String(); !strings.HasPrefix(got, "127.0.0.1:") || p.sockname().Network() != "udp" {
			t.Errorf("the endpoint is at %s", got)
		}
		if _, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: "localhost:0"}); err == nil {
			t.Error("a name needs no resolver")
		}
		return nil
	})
}

// LOOP-102
func TestDatagramNoAddress(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		for _, o := range []*aio.DatagramOptions{
			{Network: "udp6", LocalAddr: "127.0.0.1:0"},
			{Network: "udp6", RemoteAddr: "127.0.0.1:1"},
			{Network: "udp4", LocalAddr: "127.0.0.1:0", RemoteAddr: "[::1]:1"},
		} {
			_, err := dgOpen(ctx, o)
			var none *net.DNSError
			if !errors.As(err, &none) {
				t.Errorf("%+v: the error is %v", o, err)
			}
		}
		return nil
	})
}

// LOOP-191. That nothing stays open is for dgPaths to see.
func TestDatagramCannotOpen(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		taken := dgPlain(t, "udp4", "127.0.0.1:0").LocalAddr().String()
		_, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: taken})
		dgIs(t, err, syscall.EADDRINUSE)
		dgIsOp(t, err, "listen", taken)

		_, err = dgOpen(ctx, &aio.DatagramOptions{LocalAddr: taken, RemoteAddr: "127.0.0.1:9"})
		dgIs(t, err, syscall.EADDRINUSE)
		dgIsOp(t, err, "dial", "127.0.0.1:9")

		if err := panics(func() {
			aio.CreateDatagramEndpoint(ctx, func() *dgPeer { panic(io.ErrNoProgress) }, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		}); err != io.ErrNoProgress {
			t.Errorf("the factory's panic became %v", err)
		}

		missing := filepath.Join(t.TempDir(), "missing")
		_, err = dgOpen(ctx, &aio.DatagramOptions{Network: "unixgram", RemoteAddr: missing})
		dgIs(t, err, os.ErrNotExist)
		dgIsOp(t, err, "dial", missing)

		_, err = dgOpen(ctx, &aio.DatagramOptions{Network: "unixgram", LocalAddr: strings.Repeat("long", 40)})
		dgIs(t, err, syscall.EINVAL)
		return nil
	})
}

// dgIsOp fails unless err tells what failed, and where.
func dgIsOp(t *testing.T, err error, op, addr string) {
	t.Helper()
	var e *net.OpError
	if !errors.As(err, &e) || e.Op != op || e.Addr.String() != addr {
		t.Errorf("the error is %v, want one of %s %s", err, op, addr)
	}
}

// The first pair of addresses that can be used is. LOOP-191
func TestDatagramPairs(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		v6 := dgPlain(t, "udp6", "[::1]:0").LocalAddr().(*net.UDPAddr)
		if c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: v6.Port}); err != nil {
			t.Skip(err)
		} else {
			c.Close()
		}
		// An empty host is ::1 and 127.0.0.1 where all go, 0.0.0.0 and :: where all come from.
		at := fmt.Sprintf(":%d", v6.Port)
		p, err := dgOpen(ctx, &aio.DatagramOptions{RemoteAddr: at})
		if err != nil {
			return err
		}
		if got := p.t.GetExtraInfo("peername").(net.Addr).String(); got != v6.String() {
			t.Errorf("the peer is %s", got)
		}
		p, err = dgOpen(ctx, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0", RemoteAddr: at})
		if err != nil {
			return err
		}
		if got := p.t.GetExtraInfo("peername").(net.Addr).String(); got != "127.0.0.1"+at {
			t.Errorf("the peer is %s", got)
		}
		p, err = dgOpen(ctx, &aio.DatagramOptions{LocalAddr: ":0"})
		if err != nil {
			return err
		}
		if got := p.sockname().(*net.UDPAddr); got.IP.To4() == nil || !got.IP.IsUnspecified() {
			t.Errorf("the endpoint is at %v", got)
		}
		// Nobody can be at an address that is not this machine's, so the other family it is.
		p, err = dgOpen(ctx, &aio.DatagramOptions{Network: "udp6", LocalAddr: ":0"})
		if err != nil {
			return err
		}
		if got := p.sockname().(*net.UDPAddr); got.IP.To4() != nil || !got.IP.IsUnspecified() {
			t.Errorf("the endpoint is at %v", got)
		}
		return nil
	})
}

// LOOP-192
func TestDatagramUnix(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		dir := t.TempDir()
		path := filepath.Join(dir, "s")
		dgPlain(t, "unixgram", path).Close() // and its file stays
		if _, err := os.Stat(path); err != nil {
			return err
		}
		p, err := dgOpen(ctx, &aio.DatagramOptions{Network: "unixgram", LocalAddr: path})
		if err != nil {
			return err
		}
		if got := p.sockname().String(); got != path {
			t.Errorf("the endpoint is at %s", got)
		}
		// Who has no address cannot be answered, even if somebody else can.
		dgPlain(t, "unixgram", filepath.Join(dir, "named")).WriteTo([]byte("named"), p.sockname())
		if err := p.after(ctx, 2); err != nil {
			return err
		}
		c, err := net.Dial("unixgram", path)
		if err != nil {
			return err
		}
		defer c.Close()
		c.Write([]byte("anonymous"))
		if err := p.after(ctx, 3); err != nil {
			return err
		}
		p.log.want(t, "made got:named got:anonymous")
		if p.from[0].String() != filepath.Join(dir, "named") || p.from[1] != nil {
			t.Errorf("the datagrams came from %v", p.from)
		}
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
			return err
		}
		_, err = dgOpen(ctx, &aio.DatagramOptions{Network: "unixgram", LocalAddr: file})
		dgIs(t, err, syscall.EADDRINUSE)
		if b, err := os.ReadFile(file); string(b) != "mine" {
			t.Errorf("the file has %q, %v", b, err)
		}
		p.t.Close()
		if _, err := p.lost.Await(ctx); err != nil {
			return err
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("the socket is gone: %v", err)
		}
		// One that has no address can send all the same.
		plain := dgPlain(t, "unixgram", filepath.Join(dir, "plain"))
		if p, err = dgOpen(ctx, &aio.DatagramOptions{Network: "unixgram"}); err != nil {
			return err
		}
		p.t.SendTo([]byte("hello"), plain.LocalAddr())
		if got, _ := dgRead(t, plain); got != "hello" {
			t.Errorf("got %q", got)
		}
		return nil
	})
}

// A name of the abstract namespace may have any bytes.
func TestDatagramAbstract(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has it")
	}
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		a, err := dgOpen(ctx, &aio.DatagramOptions{Network: "unixgram", LocalAddr: fmt.Sprintf("@aio-test-%d-a", os.Getpid())})
		if err != nil {
			return err
		}
		b, err := dgOpen(ctx, &aio.DatagramOptions{Network: "unixgram", LocalAddr: fmt.Sprintf("@aio-test-%d-b", os.Getpid())})
		if err != nil {
			return err
		}
		a.t.SendTo([]byte("x"), b.sockname())
		if err := b.after(ctx, 2); err != nil {
			return err
		}
		b.t.SendTo([]byte("y"), b.from[0])
		if err := a.after(ctx, 2); err != nil {
			return err
		}
		a.log.want(t, "made got:y")
		return nil
	})
}

// LOOP-194
func TestDatagramBroadcast(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		plain, other := dgPlain(t, "udp4", "127.0.0.1:0"), dgPlain(t, "udp4", "127.0.0.1:0")
		p, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0", RemoteAddr: plain.LocalAddr().String(), AllowBroadcast: true})
		if err != nil {
			return err
		}
		if peer := p.t.GetExtraInfo("peername"); peer != nil {
			t.Errorf("the endpoint is connected to %v", peer)
		}
		p.t.SendTo([]byte("hello"), nil)
		p.t.SendTo([]byte("again"), plain.LocalAddr())
		for _, want := range []string{"hello", "again"} {
			if got, _ := dgRead(t, plain); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		dgIs(t, p.t.SendTo(nil, other.LocalAddr()), aio.ErrUsage)
		other.WriteTo([]byte("answer"), p.sockname())
		if err := p.after(ctx, 2); err != nil {
			return err
		}
		p.log.want(t, "made got:answer")
		return nil
	})
}

// dgRefusing returns the address of a UDP socket to which nothing gets: the system refuses what comes.
func dgRefusing(t *testing.T) string {
	t.Helper()
	c, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String()
}

// LOOP-196
func TestDatagramRefused(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		p, err := dgOpen(ctx, &aio.DatagramOptions{RemoteAddr: dgRefusing(t)})
		if err != nil {
			return err
		}
		for i := range 2 {
			p.t.SendTo([]byte("x"), nil)
			if err := p.after(ctx, i+2); err != nil {
				return err
			}
		}
		p.log.want(t, "made error error")
		for _, err := range p.errs {
			dgIs(t, err, syscall.ECONNREFUSED)
		}
		if p.t.IsClosing() {
			t.Error("the endpoint is closing")
		}
		return nil
	})
}

// LOOP-197, LOOP-198, LOOP-203
func TestDatagramSendTo(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		plain, other := dgPlain(t, "udp4", "127.0.0.1:0"), dgPlain(t, "udp4", "127.0.0.1:0")
		p, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		c, err := dgOpen(ctx, &aio.DatagramOptions{RemoteAddr: plain.LocalAddr().String()})
		if err != nil {
			return err
		}
		for _, tt := range []struct {
			p     *dgPeer
			addrs []net.Addr
		}{
			{p, []net.Addr{plain.LocalAddr(), plain.LocalAddr(), plain.LocalAddr()}},
			{c, []net.Addr{nil, plain.LocalAddr(), c.t.GetExtraInfo("peername").(net.Addr)}},
		} {
			for i, b := range [][]byte{[]byte("x"), nil, {}} {
				if err := tt.p.t.SendTo(b, tt.addrs[i]); err != nil {
					t.Error(err)
				}
			}
			if n := tt.p.t.GetWriteBufferSize(); n != 0 {
				t.Errorf("%d bytes are buffered", n)
			}
			for _, want := range []string{"x", "", ""} { // before another pass begins
				if got, _ := dgRead(t, plain); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		}
		for _, addr := range []net.Addr{nil, &net.TCPAddr{}, &net.UnixAddr{Name: "x", Net: "unixgram"}, (*net.UDPAddr)(nil)} {
			dgIs(t, p.t.SendTo(nil, addr), aio.ErrUsage)
		}
		for _, addr := range []net.Addr{other.LocalAddr(), &net.TCPAddr{}, (*net.UDPAddr)(nil)} {
			dgIs(t, c.t.SendTo(nil, addr), aio.ErrUsage)
		}
		p.log.want(t, "made")
		c.log.want(t, "made")
		return nil
	})
}

// dgFill sends numbers to a Unix socket that nobody reads, until one has to wait. It returns how many
// were sent.
func dgFill(t *testing.T, p *dgPeer, to net.Addr) int {
	t.Helper()
	n := 0
	for ; p.t.GetWriteBufferSize() == 0; n++ {
		if n == 1<<16 {
			t.Fatal("the system takes all")
		}
		if err := p.t.SendTo(dgNumber(n), to); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// dgNumber is a datagram of some length.
func dgNumber(n int) []byte { return append(fmt.Appendf(nil, "%06d", n), make([]byte, 500)...) }

// dgDrain reads what dgFill has sent, and as many more datagrams, which it returns.
func dgDrain(t *testing.T, ctx context.Context, c net.PacketConn, n, more int) (rest []string, err error) {
	return aio.ToThread(ctx, func(context.Context) ([]string, error) {
		for i := range n + more {
			got, _ := dgRead(t, c)
			switch {
			case i >= n:
				rest = append(rest, got)
			case got != string(dgNumber(i)):
				t.Errorf("datagram %d is %.6q", i, got)
			}
		}
		return rest, nil
	})
}

// dgWays are the two kinds of endpoints that can be made to wait: whose receiver's queue a poller knows,
// and where nothing tells.
func dgWays(t *testing.T, main func(t *testing.T, ctx context.Context, p *dgPeer, to net.Addr, plain net.PacketConn) error) {
	if runtime.GOOS != "linux" {
		t.Skip("where the receiver's queue is full that is an error")
	}
	for _, connected := range []bool{true, false} {
		t.Run(fmt.Sprintf("connected=%v", connected), func(t *testing.T) {
			dgPaths(t, func(t *testing.T, ctx context.Context) error {
				plain := dgPlain(t, "unixgram", filepath.Join(t.TempDir(), "plain"))
				o := &aio.DatagramOptions{Network: "unixgram"}
				to := plain.LocalAddr()
				if connected {
					o.RemoteAddr, to = to.String(), nil
				}
				p, err := dgOpen(ctx, o)
				if err != nil {
					return err
				}
				p.log.want(t, "made")
				return main(t, ctx, p, to, plain)
			})
		})
	}
}

// LOOP-198, LOOP-199, LOOP-200, LOOP-201, LOOP-202
func TestDatagramQueue(t *testing.T) {
	dgWays(t, func(t *testing.T, ctx context.Context, p *dgPeer, to net.Addr, plain net.PacketConn) error {
		n := dgFill(t, p, to)
		size := len(dgNumber(0)) + 8
		if got := p.t.GetWriteBufferSize(); got != size {
			t.Errorf("%d bytes are buffered, want %d", got, size)
		}
		b := []byte("mutable")
		for i, s := range [][]byte{b, nil, []byte("z"), {}} {
			if err := p.t.SendTo(s, to); err != nil {
				t.Error(err)
			}
			size += len(s) + 8
			if got := p.t.GetWriteBufferSize(); got != size {
				t.Errorf("after %d more %d bytes are buffered, want %d", i+1, got, size)
			}
		}
		copy(b, "changed")
		rest, err := dgDrain(t, ctx, plain, n, 4)
		if err != nil {
			return err
		}
		if got := fmt.Sprintf("%q", rest); got != `["mutable" "" "z" ""]` {
			t.Errorf("the rest is %s", got)
		}
		if got := p.t.GetWriteBufferSize(); got != 0 {
			t.Errorf("%d bytes are buffered in the end", got)
		}
		// It goes on as if nothing had been.
		p.t.SendTo([]byte("more"), to)
		if got, _ := dgRead(t, plain); got != "more" {
			t.Errorf("got %q", got)
		}
		p.log.want(t, "")
		return nil
	})
}

// It happens more than once that the queue has to wait.
func TestDatagramQueueAgain(t *testing.T) {
	dgWays(t, func(t *testing.T, ctx context.Context, p *dgPeer, to net.Addr, plain net.PacketConn) error {
		p.t.SetWriteBufferLimits(0, aio.DefaultLimit)
		for range 3 {
			n := dgFill(t, p, to)
			p.log.want(t, "pause")
			for range 100 {
				p.t.SendTo([]byte("more"), to)
			}
			if _, err := dgDrain(t, ctx, plain, n, 100); err != nil {
				return err
			}
			if err := p.after(ctx, 1); err != nil {
				return err
			}
			p.log.want(t, "resume")
		}
		return nil
	})
}

// dgTooLong is a datagram that no system sends, and its first part one that UDP does not.
var (
	dgTooLong    = make([]byte, 1<<24)
	dgTooLongUDP = dgTooLong[:65508]
)

// What fails does so inside SendTo where there is a poller. LOOP-204, LOOP-210, LOOP-213
func TestDatagramSendError(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		plain := dgPlain(t, "udp4", "127.0.0.1:0")
		p, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		p.onErr = func() { p.t.SendTo([]byte("extra"), plain.LocalAddr()) }
		dgIs(t, p.t.SendTo(dgTooLongUDP, plain.LocalAddr()), nil)
		if dgOnPoller(t) {
			p.log.want(t, "made error")
			p.note("made")
			p.note("error")
		}
		if err := p.after(ctx, 2); err != nil {
			return err
		}
		p.log.want(t, "made error")
		dgIs(t, p.errs[0], syscall.EMSGSIZE)
		dgIsOp(t, p.errs[0], "write", plain.LocalAddr().String())
		if got, _ := dgRead(t, plain); got != "extra" {
			t.Errorf("got %q", got)
		}

		p.onErr = func() { p.t.Close() }
		p.t.SendTo(dgTooLongUDP, plain.LocalAddr())
		p.t.SendTo(dgTooLongUDP, plain.LocalAddr())
		if _, err := p.lost.Await(ctx); err != nil {
			return err
		}
		p.log.want(t, "error error lost")
		return nil
	})
}

// An address of the wrong family is an error of the network, as it may come from elsewhere. LOOP-204
func TestDatagramOtherFamily(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		p, err := dgOpen(ctx, &aio.DatagramOptions{Network: "udp4"})
		if err != nil {
			return err
		}
		p.log = nil
		for i, addr := range []*net.UDPAddr{{IP: net.IPv6loopback, Port: 1}, {IP: net.IP("??"), Port: 1}} {
			dgIs(t, p.t.SendTo([]byte("x"), addr), nil)
			if err := p.after(ctx, i+1); err != nil {
				return err
			}
			var bad *net.AddrError
			if !errors.As(p.errs[i], &bad) {
				t.Errorf("the error is %v", p.errs[i])
			}
			dgIsOp(t, p.errs[i], "write", addr.String())
		}
		p.log.want(t, "error error")
		return nil
	})
}

// LOOP-204
func TestDatagramPathTooLong(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		dir := t.TempDir()
		dgPlain(t, "unixgram", filepath.Join(dir, "plain")) // or skip
		p, err := dgOpen(ctx, &aio.DatagramOptions{Network: "unixgram", LocalAddr: filepath.Join(dir, "p")})
		if err != nil {
			return err
		}
		long := &net.UnixAddr{Name: strings.Repeat("long", 40), Net: "unixgram"}
		dgIs(t, p.t.SendTo([]byte("x"), long), nil)
		if err := p.after(ctx, 2); err != nil {
			return err
		}
		p.log.want(t, "made error")
		dgIsOp(t, p.errs[0], "write", long.Name)
		return nil
	})
}

// An endpoint that is lost but for its last call may send, and not wait. LOOP-206
func TestDatagramLostCannotWait(t *testing.T) {
	dgWays(t, func(t *testing.T, ctx context.Context, p *dgPeer, to net.Addr, plain net.PacketConn) error {
		if to == nil || !dgOnPoller(t) {
			t.Skip("it sends no more, or has another queue")
		}
		dgFill(t, p, to)
		q, err := dgOpen(ctx, &aio.DatagramOptions{Network: "unixgram"})
		if err != nil {
			return err
		}
		q.t.Close()
		dgIs(t, q.t.SendTo([]byte("x"), to), net.ErrClosed)
		if n := q.t.GetWriteBufferSize(); n != 0 {
			t.Errorf("%d bytes are buffered", n)
		}
		if lost, err := q.lost.Await(ctx); lost != nil || err != nil {
			t.Errorf("ConnectionLost(%v), %v", lost, err)
		}
		q.log.want(t, "made lost")
		return nil
	})
}

// LOOP-204, LOOP-209
func TestDatagramQueueError(t *testing.T) {
	dgWays(t, func(t *testing.T, ctx context.Context, p *dgPeer, to net.Addr, plain net.PacketConn) error {
		p.t.SetWriteBufferLimits(0, aio.DefaultLimit)
		n := dgFill(t, p, to)
		p.t.SendTo(dgTooLong, to)
		p.t.SendTo([]byte("between"), to)
		p.t.SendTo(dgTooLong, to)
		p.t.SendTo([]byte("last"), to)
		p.log.want(t, "pause")
		loop, _ := aio.GetRunningLoop(ctx)
		p.onErr = func() { loop.CallSoon(func() { p.note("soon") }) }
		rest, err := dgDrain(t, ctx, plain, n, 2)
		if err != nil {
			return err
		}
		if err := p.after(ctx, 5); err != nil {
			return err
		}
		if dgOnPoller(t) { // each error ends a pass
			p.log.want(t, "error soon error soon resume")
		}
		if len(p.errs) != 2 || !errors.Is(p.errs[0], syscall.EMSGSIZE) || !errors.Is(p.errs[1], syscall.EMSGSIZE) {
			t.Errorf("the errors are %v", p.errs)
		}
		if got := strings.Join(rest, " "); got != "between last" {
			t.Errorf("the rest is %s", got)
		}
		return nil
	})
}

// LOOP-207, LOOP-211
func TestDatagramCloseSendsTheRest(t *testing.T) {
	dgWays(t, func(t *testing.T, ctx context.Context, p *dgPeer, to net.Addr, plain net.PacketConn) error {
		n := dgFill(t, p, to)
		p.t.SendTo([]byte("a"), to)
		p.t.Close()
		if got := fmt.Sprint(p.t); !strings.HasPrefix(got, "DatagramTransport closing ") || !p.t.IsClosing() {
			t.Errorf("its name is %q", got)
		}
		p.t.SendTo([]byte("b"), to) // as long as it is not lost
		p.t.Close()
		p.log.want(t, "")
		rest, err := dgDrain(t, ctx, plain, n, 2)
		if err != nil {
			return err
		}
		if got := strings.Join(rest, " "); got != "a b" {
			t.Errorf("the rest is %s", got)
		}
		if lost, err := p.lost.Await(ctx); lost != nil || err != nil {
			t.Errorf("ConnectionLost(%v), %v", lost, err)
		}
		p.log.want(t, "lost")
		return nil
	})
}

// LOOP-211
func TestDatagramCloseAtOnce(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		plain := dgPlain(t, "udp4", "127.0.0.1:0")
		p, err := dgOpen(ctx, &aio.DatagramOptions{RemoteAddr: plain.LocalAddr().String()})
		if err != nil {
			return err
		}
		p.t.SendTo([]byte("a"), nil)
		p.t.SendTo([]byte("b"), nil)
		p.t.Close()
		for _, want := range []string{"a", "b"} {
			if got, _ := dgRead(t, plain); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		_, err = p.lost.Await(ctx)
		p.log.want(t, "made lost")
		return err
	})
}

// LOOP-212
func TestDatagramErrorLastAtClose(t *testing.T) {
	dgWays(t, func(t *testing.T, ctx context.Context, p *dgPeer, to net.Addr, plain net.PacketConn) error {
		n := dgFill(t, p, to)
		p.t.SendTo(dgTooLong, to)
		p.t.Close()
		if _, err := dgDrain(t, ctx, plain, n, 0); err != nil {
			return err
		}
		if lost, err := p.lost.Await(ctx); lost != nil || err != nil {
			t.Errorf("ConnectionLost(%v), %v", lost, err)
		}
		if dgOnPoller(t) {
			p.log.want(t, "pause error resume lost")
		} else {
			p.log.want(t, "pause resume error lost")
		}
		return nil
	})
}

// Whoever gets a callback of the flush may close the endpoint, even at once.
func TestDatagramCloseInFlush(t *testing.T) {
	for _, tt := range []struct{ name, events string }{
		{"error", "pause error lost"},
		{"resume", "pause error resume lost"},
	} {
		for _, abort := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s abort=%v", tt.name, abort), func(t *testing.T) {
				dgWays(t, func(t *testing.T, ctx context.Context, p *dgPeer, to net.Addr, plain net.PacketConn) error {
					end := func() {
						if abort {
							p.t.Abort()
						} else {
							p.t.Close()
						}
					}
					q := &dgCloser{dgPeer: p}
					if tt.name == "error" {
						p.onErr = end
					} else {
						q.onResume = end
					}
					p.t.SetProtocol(q)
					p.t.SetWriteBufferLimits(0, aio.DefaultLimit)
					n := dgFill(t, p, to)
					p.t.SendTo(dgTooLong, to)
					if _, err := dgDrain(t, ctx, plain, n, 0); err != nil {
						return err
					}
					if lost, err := p.lost.Await(ctx); lost != nil || err != nil {
						t.Errorf("ConnectionLost(%v), %v", lost, err)
					}
					if !dgOnPoller(t) {
						return nil
					}
					if tt.name == "error" && !abort {
						p.log.want(t, "pause error lost")
					} else {
						p.log.want(t, tt.events)
					}
					return nil
				})
			})
		}
	}
}

// dgCloser is a dgPeer that does something when it may write again.
type dgCloser struct {
	*dgPeer
	onResume func()
}

func (p *dgCloser) ResumeWriting() {
	p.dgPeer.ResumeWriting()
	if p.onResume != nil {
		p.onResume()
	}
}

func TestDatagramAbort(t *testing.T) {
	dgWays(t, func(t *testing.T, ctx context.Context, p *dgPeer, to net.Addr, plain net.PacketConn) error {
		loop, _ := aio.GetRunningLoop(ctx)
		before, cancelled := aio.Timers(loop)
		before -= cancelled
		dgFill(t, p, to)
		p.t.Abort()
		if n := p.t.GetWriteBufferSize(); n != 0 || !p.t.IsClosing() {
			t.Errorf("%d bytes are buffered, closing is %v", n, p.t.IsClosing())
		}
		p.t.Abort()
		p.t.Close()
		lost, err := p.lost.Await(ctx)
		if lost != nil {
			t.Errorf("ConnectionLost(%v)", lost)
		}
		p.log.want(t, "lost")
		if held, cancelled := aio.Timers(loop); held-cancelled != before {
			t.Errorf("there are %d timers, and were %d before", held-cancelled, before)
		}
		return err
	})
}

// LOOP-206
func TestDatagramDropped(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		plain := dgPlain(t, "udp4", "127.0.0.1:0")
		for _, connected := range []bool{true, false} {
			o := &aio.DatagramOptions{Network: "udp4"}
			to := plain.LocalAddr()
			if connected {
				o.RemoteAddr, to = to.String(), nil
			}
			p, err := dgOpen(ctx, o)
			if err != nil {
				return err
			}
			p.t.Close()
			if !connected { // goes on until it is lost
				if err := p.t.SendTo([]byte("still"), to); err != nil {
					t.Error(err)
				}
				if got, _ := dgRead(t, plain); got != "still" {
					t.Errorf("got %q", got)
				}
				if _, err := p.lost.Await(ctx); err != nil {
					return err
				}
			}
			var logged bytes.Buffer
			before := slog.Default()
			slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
			for range 6 {
				dgIs(t, p.t.SendTo([]byte("late"), to), net.ErrClosed)
			}
			slog.SetDefault(before)
			if n := strings.Count(logged.String(), "level=WARN"); n != 2 {
				t.Errorf("%d warnings were logged:\n%s", n, &logged)
			}
			if _, err := p.lost.Await(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// LOOP-208
func TestDatagramDeadAddress(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		dead, err := net.ResolveUDPAddr("udp4", dgRefusing(t))
		if err != nil {
			return err
		}
		p, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		plain := dgPlain(t, "udp4", "127.0.0.1:0")
		for range 3 {
			p.t.SendTo([]byte("x"), dead)
		}
		plain.WriteTo([]byte("alive"), p.sockname())
		for {
			if err := p.after(ctx, 1); err != nil {
				return err
			}
			if p.log[len(p.log)-1] == "got:alive" {
				return nil
			}
			p.log = nil
		}
	})
}

// An error that waits on a connected socket hides none of the datagrams that came before or after it.
// LOOP-208
func TestDatagramPendingError(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		plain, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return err
		}
		at := plain.LocalAddr().(*net.UDPAddr)
		p, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0", RemoteAddr: at.String()})
		if err != nil {
			return err
		}
		plain.WriteTo([]byte("before"), p.sockname())
		plain.Close()
		p.t.SendTo([]byte("x"), nil)
		if plain, err = net.ListenUDP("udp4", at); err != nil {
			t.Skip(err) // somebody else was quicker
		}
		defer plain.Close()
		plain.WriteTo([]byte("after"), p.sockname())
		for _, want := range []string{"got:before", "got:after"} {
			for !strings.Contains(strings.Join(p.log, " "), want) {
				if err := p.after(ctx, len(p.log)+1); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// A panic of a callback is reported, and ends nothing.
func TestDatagramPanics(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		var reports []string
		loop, _ := aio.GetRunningLoop(ctx)
		plain := dgPlain(t, "udp4", "127.0.0.1:0")
		p, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
			if ec.Transport != p.t || ec.Protocol != aio.Protocol(p) {
				t.Errorf("the report is about %v and %v", ec.Transport, ec.Protocol)
			}
			reports = append(reports, fmt.Sprint(ec.Message, ": ", errors.Is(ec.Err, io.ErrNoProgress)))
		})
		fail := true
		p.onData = func([]byte, net.Addr) {
			if fail {
				panic(io.ErrNoProgress)
			}
		}
		p.onErr = func() { panic(io.ErrNoProgress) }
		plain.WriteTo([]byte("a"), p.sockname())
		if err := p.after(ctx, 2); err != nil {
			return err
		}
		fail = false
		p.t.SendTo(dgTooLongUDP, plain.LocalAddr())
		if err := p.after(ctx, 3); err != nil {
			return err
		}
		plain.WriteTo([]byte("b"), p.sockname())
		if err := p.after(ctx, 4); err != nil {
			return err
		}
		p.log.want(t, "made got:a error got:b")
		if got := strings.Join(reports, "; "); got != "protocol.DatagramReceived() failed: true; protocol.ErrorReceived() failed: true" {
			t.Errorf("reported: %s", got)
		}
		return nil
	})
}

// dgBad is a protocol that panics at both ends of its life.
type dgBad struct{ t aio.DatagramTransport }

func (p *dgBad) ConnectionMade(t aio.DatagramTransport) { p.t = t; panic(io.ErrNoProgress) }
func (p *dgBad) ConnectionLost(error)                   { panic(io.ErrUnexpectedEOF) }

func TestDatagramPanicsAtTheEnds(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		loop, _ := aio.GetRunningLoop(ctx)
		var reports []error
		var more aio.Event
		loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
			reports = append(reports, ec.Err)
			more.Set()
		})
		tr, p, err := aio.CreateDatagramEndpoint(ctx, func() *dgBad { return &dgBad{} }, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		if p.t != tr || tr.IsClosing() || len(reports) != 1 || !errors.Is(reports[0], io.ErrNoProgress) {
			t.Errorf("%v and %v, closing %v, reported %v", p.t, tr, tr.IsClosing(), reports)
		}
		more.Clear()
		tr.Close()
		if err := more.Wait(ctx); err != nil {
			return err
		}
		if len(reports) != 2 || !errors.Is(reports[1], io.ErrUnexpectedEOF) {
			t.Errorf("reported: %v", reports)
		}
		return nil
	})
}

// dgBare is the least that a protocol of datagrams can be.
type dgBare struct{}

func (dgBare) PauseWriting() {}

func TestDatagramBareProtocol(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		tr, bare, err := aio.CreateDatagramEndpoint(ctx, func() dgBare { return dgBare{} }, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		if tr.GetProtocol() != aio.Protocol(bare) {
			t.Errorf("the protocol is %v", tr.GetProtocol())
		}
		self := tr.GetExtraInfo("sockname").(net.Addr)
		tr.SendTo([]byte("nobody hears"), self)
		tr.SendTo(dgTooLongUDP, self)
		p := &dgPeer{lost: aio.CreateFuture[error](ctx)}
		dgIs(t, panics(func() { tr.SetProtocol(&ioEcho{}) }), aio.ErrUsage)
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		tr.SetProtocol(p)
		p.t = tr
		tr.SendTo([]byte("now"), self)
		for !strings.HasSuffix(strings.Join(p.log, " "), "got:now") {
			if err := p.after(ctx, len(p.log)+1); err != nil {
				return err
			}
		}
		tr.Abort()
		_, err = p.lost.Await(ctx)
		return err
	})
}

// What a program has of an endpoint: marks, names, the socket.
func TestDatagramInfo(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		plain := dgPlain(t, "udp4", "127.0.0.1:0")
		p, err := dgOpen(ctx, &aio.DatagramOptions{RemoteAddr: plain.LocalAddr().String()})
		if err != nil {
			return err
		}
		if low, high := p.t.GetWriteBufferLimits(); low != 16<<10 || high != 64<<10 {
			t.Errorf("the marks are %d and %d", low, high)
		}
		p.t.SetWriteBufferLimits(100, 50)
		if low, high := p.t.GetWriteBufferLimits(); low != 50 || high != 100 {
			t.Errorf("the marks are %d and %d", low, high)
		}
		dgIs(t, panics(func() { p.t.SetWriteBufferLimits(1, 2) }), aio.ErrUsage)
		s := p.t.GetExtraInfo("socket").(*aio.TransportSocket)
		if s.LocalAddr().String() != p.sockname().String() || s.RemoteAddr().String() != plain.LocalAddr().String() {
			t.Errorf("the socket goes from %v to %v", s.LocalAddr(), s.RemoteAddr())
		}
		if _, err := s.SyscallConn(); err != nil {
			t.Error(err)
		}
		f, err := s.File()
		if err != nil {
			return err
		}
		defer f.Close()
		dup, err := net.FilePacketConn(f)
		if err != nil {
			return err
		}
		defer dup.Close()
		if dup.LocalAddr().String() != p.sockname().String() {
			t.Errorf("the duplicate is at %v", dup.LocalAddr())
		}
		if p.t.GetExtraInfo("nonsense") != nil {
			t.Error("there is something of that name")
		}
		name := fmt.Sprintf("DatagramTransport open %v-%v write buffer 0", p.sockname(), plain.LocalAddr())
		if got := fmt.Sprint(p.t); got != name {
			t.Errorf("its name is %q, want %q", got, name)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for call, f := range map[string]func(){
				"SendTo":   func() { p.t.SendTo(nil, nil) },
				"Close":    func() { p.t.Close() },
				"Abort":    func() { p.t.Abort() },
				"size":     func() { p.t.GetWriteBufferSize() },
				"limits":   func() { p.t.SetWriteBufferLimits(1, 1) },
				"info":     func() { p.t.GetExtraInfo("socket") },
				"protocol": func() { p.t.SetProtocol(p) },
			} {
				if err := panics(f); !errors.Is(err, aio.ErrWrongGoroutine) {
					t.Errorf("%s by another goroutine: %v", call, err)
				}
			}
		})
		wg.Wait()
		at := p.sockname().String()
		p.t.Abort()
		if got := fmt.Sprint(p.t); !strings.HasPrefix(got, "DatagramTransport closed ") {
			t.Errorf("its name is %q", got)
		}
		if _, err := p.lost.Await(ctx); err != nil {
			return err
		}
		if got := p.sockname().String(); got != at {
			t.Errorf("it was at %s", got)
		}
		return nil
	})
}

// A task that is cancelled while the endpoint opens leaves nothing behind.
func TestDatagramCancelled(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		var p *dgPeer
		task := aio.CreateTask(ctx, coro(func(ctx context.Context) error {
			_, _, err := aio.CreateDatagramEndpoint(ctx, func() *dgPeer {
				p = &dgPeer{lost: aio.CreateFuture[error](ctx)}
				return p
			}, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
			return err
		}))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		task.Cancel()
		_, err := task.Await(ctx)
		dgIs(t, err, aio.ErrCancelled)
		if _, err := p.lost.Await(ctx); err != nil {
			return err
		}
		p.log.want(t, "made lost")
		return nil
	})
}

// A loop that is closed closes what is open, whatever it waits for.
func TestDatagramLoopClosed(t *testing.T) {
	dgWays(t, func(t *testing.T, ctx context.Context, p *dgPeer, to net.Addr, plain net.PacketConn) error {
		dgFill(t, p, to)
		p.t.Close()
		q, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		q.t.SendTo([]byte("x"), q.sockname())
		return nil
	})
}

// The address of a sender stays what it is when others send.
func TestDatagramAddresses(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		p, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		a, b := dgPlain(t, "udp4", "127.0.0.1:0"), dgPlain(t, "udp4", "127.0.0.1:0")
		var want []string
		for i, c := range []net.PacketConn{a, a, b, a, b, b} {
			c.WriteTo([]byte("x"), p.sockname())
			want = append(want, c.LocalAddr().String())
			if err := p.after(ctx, i+2); err != nil {
				return err
			}
		}
		for i, from := range p.from {
			if from.String() != want[i] {
				t.Errorf("datagram %d came from %v, want %s", i, from, want[i])
			}
		}
		return nil
	})
}

// Addresses of one machine's links, which have a zone.
func TestDatagramZone(t *testing.T) {
	ifs, err := net.Interfaces()
	if err != nil {
		t.Skip(err)
	}
	at := ""
	for _, i := range ifs {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() == nil && n.IP.IsLinkLocalUnicast() {
				at = fmt.Sprintf("[%v%%%s]:0", n.IP, i.Name)
			}
		}
	}
	if at == "" {
		t.Skip("there is no such address")
	}
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		p, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: at})
		if err != nil {
			return err
		}
		q, err := dgOpen(ctx, &aio.DatagramOptions{LocalAddr: at})
		if err != nil {
			return err
		}
		p.onData = func(b []byte, from net.Addr) { p.t.SendTo(b, from) }
		for range 2 {
			q.t.SendTo([]byte("x"), p.sockname())
		}
		if err := q.after(ctx, 3); err != nil {
			return err
		}
		q.log.want(t, "made got:x got:x")
		if !dgOnPoller(t) {
			return nil // package net does not look at what it does not know
		}
		if got := q.from[0].String(); got != p.sockname().String() {
			t.Errorf("the answer came from %s, want %v", got, p.sockname())
		}
		bad := *p.sockname().(*net.UDPAddr)
		bad.Zone = "no such zone"
		q.t.SendTo([]byte("x"), &bad)
		if err := q.after(ctx, 1); err != nil {
			return err
		}
		q.log.want(t, "error")
		return nil
	})
}

// An IPv6 socket may serve IPv4 as well. Then the addresses of IPv4 are such here.
func TestDatagramDualStack(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		if !dgOnPoller(t) || runtime.GOOS != "linux" {
			t.Skip("it depends on the system, and on package net")
		}
		p, err := dgOpen(ctx, &aio.DatagramOptions{Network: "udp6", LocalAddr: ":0"})
		if err != nil {
			t.Skip(err)
		}
		plain := dgPlain(t, "udp4", "127.0.0.1:0")
		p.onData = func(b []byte, from net.Addr) { p.t.SendTo(b, from) }
		plain.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p.sockname().(*net.UDPAddr).Port})
		if err := p.after(ctx, 2); err != nil {
			return err
		}
		if got, _ := dgRead(t, plain); got != "x" {
			t.Errorf("got %q", got)
		}
		if from := p.from[0].(*net.UDPAddr); len(from.IP) != net.IPv4len || from.String() != plain.LocalAddr().String() {
			t.Errorf("the datagram came from %v (%d bytes)", from, len(from.IP))
		}
		return nil
	})
}

// dgPong answers, and says when it has done so often enough.
type dgPong struct {
	t    aio.DatagramTransport
	left int
	done *aio.Event
}

func (p *dgPong) ConnectionMade(t aio.DatagramTransport) { p.t = t }
func (p *dgPong) DatagramReceived(b []byte, from net.Addr) {
	if p.left--; p.left == 0 {
		p.done.Set()
		return
	}
	p.t.SendTo(b, from)
}

// Datagrams of one peer allocate nothing where there is a poller that can be asked cheaply.
func TestDatagramAllocations(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system calls allocate")
	}
	for _, tt := range []struct{ network, a, b string }{
		{"udp4", "127.0.0.1:0", "127.0.0.1:0"},
		{"udp6", "[::1]:0", "[::1]:0"},
		{"unixgram", filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")},
	} {
		t.Run(tt.network, func(t *testing.T) {
			dgPaths(t, func(t *testing.T, ctx context.Context) error {
				if !dgOnPoller(t) {
					t.Skip("goroutines need copies")
				}
				var done aio.Event
				pong := func() *dgPong { return &dgPong{done: &done} }
				if tt.network == "udp6" {
					dgPlain(t, "udp6", tt.a)
				}
				ta, a, err := aio.CreateDatagramEndpoint(ctx, pong, &aio.DatagramOptions{Network: tt.network, LocalAddr: tt.a})
				if err != nil {
					return err
				}
				tb, b, err := aio.CreateDatagramEndpoint(ctx, pong, &aio.DatagramOptions{Network: tt.network, LocalAddr: tt.b})
				if err != nil {
					return err
				}
				to := tb.GetExtraInfo("sockname").(net.Addr)
				const rounds = 100
				n := testing.AllocsPerRun(10, func() {
					a.left, b.left = 2*rounds, rounds
					done.Clear()
					ta.SendTo([]byte("ping"), to)
					if err := done.Wait(ctx); err != nil {
						t.Error(err)
					}
				})
				if n >= rounds { // a few are of the surroundings
					t.Errorf("%d round trips made %v allocations", rounds, n)
				}
				return nil
			})
		})
	}
}
