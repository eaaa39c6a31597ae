package aio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// dgPeer is a protocol that logs what it receives.
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

// after waits until n events are in the log.
func (p *dgPeer) after(ctx context.Context, n int) error {
	for len(p.log) < n {
		p.more.Clear()
		if err := p.more.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// dgOpen creates an endpoint.
func dgOpen(ctx context.Context, opts *aio.DatagramOptions) (*dgPeer, error) {
	_, p, err := aio.CreateDatagramEndpoint(ctx, func() *dgPeer {
		return &dgPeer{lost: aio.CreateFuture[error](ctx)}
	}, opts)
	return p, err
}

// sockname returns the address of the endpoint.
func (p *dgPeer) sockname() net.Addr { return p.t.GetExtraInfo("sockname").(net.Addr) }

// dgPaths is bothPaths with a time limit. It checks that no descriptor stays open.
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

// dgRead reads a datagram from a plain socket; it blocks the loop.
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

// dgIs checks errors.Is(err, want).
func dgIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("the error is %v, want one that matches %v", err, want)
	}
}

// dgOnPoller reports whether the loop of dgPaths uses the poller: with goroutines,
// events do not happen in fixed passes.
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
					// or skip
					dgPlain(t, "unixgram", filepath.Join(t.TempDir(), "plain"))
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

// One datagram is read in each pass, in the order in which the endpoints became ready.
// LOOP-195, LOOP-214
func TestDatagramPasses(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		if !dgOnPoller(t) {
			t.Skip("with goroutines the passes vary")
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

		// A datagram is not read if the endpoint is closed before its callback
		// runs.
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

// dgRefusing returns the address of a UDP socket that refuses all datagrams from
// others.
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
			for _, want := range []string{"x", "", ""} {
				// The datagram was sent before the next pass.
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
			if !connected { // SendTo works until ConnectionLost is called
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
			logged := logText(t)
			for range 6 {
				dgIs(t, p.t.SendTo([]byte("late"), to), net.ErrClosed)
			}
			if n := strings.Count(logged(), "level=WARN"); n != 2 {
				t.Errorf("%d warnings were logged:\n%s", n, logged())
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

// A pending error on a connected socket does not hide datagrams that arrive before or
// after it. LOOP-208
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
			t.Skip(err) // the port is in use by now
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

// A panic of a callback is reported and does not close the endpoint.
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

// dgBad is a protocol that panics in ConnectionMade and ConnectionLost.
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

// dgBare is a minimal datagram protocol.
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

// Properties of an endpoint: limits, addresses, socket.
func TestDatagramInfo(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		plain := dgPlain(t, "udp4", "127.0.0.1:0")
		p, err := dgOpen(ctx, &aio.DatagramOptions{RemoteAddr: plain.LocalAddr().String()})
		if err != nil {
			return err
		}
		if low, high := p.t.GetWriteBufferLimits(); low != 16<<10 || high != 64<<10 {
			t.Errorf("the limits are %d and %d", low, high)
		}
		p.t.SetWriteBufferLimits(100, 50)
		if low, high := p.t.GetWriteBufferLimits(); low != 50 || high != 100 {
			t.Errorf("the limits are %d and %d", low, high)
		}
		dgIs(t, panics(func() { p.t.SetWriteBufferLimits(1, 2) }), aio.ErrUsage)
		s := p.t.GetExtraInfo("socket").(*aio.TransportSocket)
		if s.LocalAddr().String() != p.sockname().String() || s.RemoteAddr().String() != plain.LocalAddr().String() {
			t.Errorf("the socket has the addresses %v and %v", s.LocalAddr(), s.RemoteAddr())
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
			t.Error("an unknown name has a value")
		}
		name := fmt.Sprintf("DatagramTransport open %v-%v write buffer 0", p.sockname(), plain.LocalAddr())
		if got := fmt.Sprint(p.t); got != name {
			t.Errorf("its name is %q, want %q", got, name)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for call, f := range map[string]func(){
				"SendTo":   func() { raise(p.t.SendTo(nil, nil)) },
				"Close":    func() { raise(p.t.Close()) },
				"Abort":    func() { p.t.Abort() },
				"size":     func() { p.t.GetWriteBufferSize() },
				"limits":   func() { p.t.SetWriteBufferLimits(1, 1) },
				"info":     func() { p.t.GetExtraInfo("socket") },
				"protocol": func() { p.t.SetProtocol(p) },
			} {
				if err := panics(f); !errors.Is(err, aio.ErrWrongGoroutine) {
					t.Errorf("%s in another goroutine: %v", call, err)
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
			t.Errorf("its address was %s", got)
		}
		return nil
	})
}

// A task that is cancelled while the endpoint is being created leaves nothing open.
func TestDatagramCancelled(t *testing.T) {
	dgPaths(t, func(t *testing.T, ctx context.Context) error {
		var p *dgPeer
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
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

// Closing a loop closes its endpoints, whatever they wait for.
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

// dgPong replies to a number of datagrams.
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

// Datagrams exchanged with one peer do not allocate, with a poller whose system calls
// do not allocate.
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
				if n >= rounds { // a few allocations are made elsewhere
					t.Errorf("%d round trips made %v allocations", rounds, n)
				}
				return nil
			})
		})
	}
}
