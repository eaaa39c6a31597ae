package aio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/goaio/aio"
)

// The loop calls ConnectionMade, before any datagram is read. LOOP-187, LOOP-214
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
			// datagrams are read in the next pass
			p.log.want(t, "factory soon made")
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

// All kinds of datagram sockets of package net. LOOP-188
func TestDatagramConnKinds(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		dir := t.TempDir()
		for i, tt := range [][2]string{
			{"udp4", "127.0.0.1:0"}, {"udp6", "[::1]:0"}, {"udp", ":0"},
			{"unixgram", filepath.Join(dir, "a")}, {"unixgram", filepath.Join(dir, "b")},
		} {
			c, err := net.ListenPacket(tt[0], tt[1])
			if err != nil {
				continue // the system does not support this kind
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
		if err == nil { // a goroutine reports the error later
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
			t.Errorf("the caller's socket was closed: %v", err)
		}
		_, _, err := aio.CreateDatagramEndpoint(ctx, func() *ioEcho { return &ioEcho{} }, &aio.DatagramOptions{Conn: conn})
		// The ConnectionMade of ioEcho takes another type of transport.
		dgIs(t, err, aio.ErrUsage)
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

// dgNoExecutor rejects all jobs.
type dgNoExecutor struct{}

func (dgNoExecutor) Submit(func()) error { return errors.New("no executor") }

func (dgNoExecutor) Shutdown(bool) {}

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

// LOOP-191. dgPaths checks that no socket stays open.
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

// dgIsOp checks the operation and the address in an error.
func dgIsOp(t *testing.T, err error, op, addr string) {
	t.Helper()
	var e *net.OpError
	if !errors.As(err, &e) || e.Op != op || e.Addr.String() != addr {
		t.Errorf("the error is %v, want one of %s %s", err, op, addr)
	}
}

// The first usable pair of addresses is chosen. LOOP-191
func TestDatagramPairs(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		v6 := dgPlain(t, "udp6", "[::1]:0").LocalAddr().(*net.UDPAddr)
		if c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: v6.Port}); err != nil {
			t.Skip(err)
		} else {
			c.Close()
		}
		// An empty host means ::1 and 127.0.0.1 for a remote address, and
		// 0.0.0.0 and :: for a local one.
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
		// With udp6 the empty host is the wildcard address of IPv6.
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
		dgPlain(t, "unixgram", path).Close() // the file of the socket remains
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
		// A sender without an address cannot be answered.
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
			t.Errorf("the socket file was removed: %v", err)
		}
		// A socket without an address can send.
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

// An address in the abstract namespace may contain any bytes.
func TestDatagramAbstract(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has abstract addresses")
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
