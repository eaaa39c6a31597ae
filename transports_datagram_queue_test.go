package aio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/goaio/aio"
)

// dgFill sends numbered datagrams to a Unix socket that is not read, until one has to
// wait. It returns the number of datagrams sent.
func dgFill(t *testing.T, p *dgPeer, to net.Addr) int {
	t.Helper()
	n := 0
	for ; p.t.GetWriteBufferSize() == 0; n++ {
		if n == 1<<16 {
			t.Fatal("the kernel accepts everything")
		}
		if err := p.t.SendTo(dgNumber(n), to); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// dgNumber returns a datagram of more than 500 bytes.
func dgNumber(n int) []byte { return append(fmt.Appendf(nil, "%06d", n), make([]byte, 500)...) }

// dgDrain reads what dgFill has sent, and then returns as many more datagrams.
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

// dgWays runs main with the two kinds of endpoints that may have to wait: connected
// ones, whose queue the poller watches, and unconnected ones, for which nothing reports
// room.
func dgWays(t *testing.T, main func(t *testing.T, ctx context.Context, p *dgPeer, to net.Addr, plain net.PacketConn) error) {
	if runtime.GOOS != "linux" {
		t.Skip("on this system a full queue is an error")
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
			t.Errorf("%d bytes are buffered at the end", got)
		}
		// The endpoint is still usable.
		p.t.SendTo([]byte("more"), to)
		if got, _ := dgRead(t, plain); got != "more" {
			t.Errorf("got %q", got)
		}
		p.log.want(t, "")
		return nil
	})
}

// The queue fills up more than once.
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

// dgTooLong is too long for every system, and dgTooLongUDP for UDP.
var (
	dgTooLong    = make([]byte, 1<<24)
	dgTooLongUDP = dgTooLong[:65508]
)

// With a poller, errors occur inside SendTo. LOOP-204, LOOP-210, LOOP-213
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

// An address of the wrong family is a network error and not misuse, because the program
// may have received it from a peer. LOOP-204
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

// Before ConnectionLost is called, a lost endpoint may send, but does not queue.
// LOOP-206
func TestDatagramLostCannotWait(t *testing.T) {
	dgWays(t, func(t *testing.T, ctx context.Context, p *dgPeer, to net.Addr, plain net.PacketConn) error {
		if to == nil || !dgOnPoller(t) {
			t.Skip("a lost endpoint does not send, or uses another queue")
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
		p.t.SendTo([]byte("b"), to) // before ConnectionLost
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

// A callback during the flush may close or abort the endpoint.
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

// dgCloser is a dgPeer that calls onResume in ResumeWriting.
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
