package aio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
)

// pcConn is an in-memory net.PacketConn.
type pcConn struct {
	in     chan pcDatagram
	out    chan pcDatagram
	closed chan struct{}
}

type pcDatagram struct {
	data string
	addr net.Addr
	err  error
}

// pcAddr is the address of a pcConn.
type pcAddr string

func (a pcAddr) Network() string { return "memory" }
func (a pcAddr) String() string  { return string(a) }

func newPCConn() *pcConn {
	return &pcConn{make(chan pcDatagram), make(chan pcDatagram), make(chan struct{})}
}

func (c *pcConn) ReadFrom(p []byte) (int, net.Addr, error) {
	select {
	case d := <-c.in:
		return copy(p, d.data), d.addr, d.err
	case <-c.closed:
		return 0, nil, net.ErrClosed
	}
}

func (c *pcConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	if addr == pcAddr("nowhere") {
		return 0, os.ErrNotExist
	}
	select {
	case c.out <- pcDatagram{data: string(p), addr: addr}:
		return len(p), nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *pcConn) Close() error {
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	return nil
}

func (c *pcConn) LocalAddr() net.Addr              { return pcAddr("here") }
func (c *pcConn) SetDeadline(time.Time) error      { return nil }
func (c *pcConn) SetReadDeadline(time.Time) error  { return nil }
func (c *pcConn) SetWriteDeadline(time.Time) error { return nil }

// pcRun runs main in a bubble, with an endpoint over a pcConn.
func pcRun(t *testing.T, main func(t *testing.T, ctx context.Context, p *dgPeer, c *pcConn) error) {
	synctest.Test(t, func(t *testing.T) {
		c := newPCConn()
		err := aio.Run(func(ctx context.Context) error {
			loop, _ := aio.GetRunningLoop(ctx)
			loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
				t.Errorf("reported: %s: %v", ec.Message, ec.Err)
			})
			p, err := dgOpen(ctx, &aio.DatagramOptions{Conn: c})
			if err != nil {
				return err
			}
			p.log.want(t, "made")
			return main(t, ctx, p, c)
		})
		if err != nil {
			t.Error(err)
		}
		<-c.closed
	})
}

// Any net.PacketConn works, with any type of address. LOOP-195, LOOP-196, LOOP-198,
// LOOP-208
func TestPacketConn(t *testing.T) {
	pcRun(t, func(t *testing.T, ctx context.Context, p *dgPeer, c *pcConn) error {
		go func() {
			c.in <- pcDatagram{data: "a", addr: pcAddr("x")}
			c.in <- pcDatagram{err: io.ErrNoProgress}
			c.in <- pcDatagram{err: io.ErrShortBuffer}
			c.in <- pcDatagram{data: ""}
			c.in <- pcDatagram{data: "b", addr: pcAddr("y")}
		}()
		if err := p.after(ctx, 5); err != nil {
			return err
		}
		p.log.want(t, "got:a error error got: got:b")
		if !errors.Is(p.errs[0], io.ErrNoProgress) || !errors.Is(p.errs[1], io.ErrShortBuffer) {
			t.Errorf("the errors are %v", p.errs)
		}
		if p.from[0] != pcAddr("x") || p.from[1] != nil || p.from[2] != pcAddr("y") {
			t.Errorf("the senders are %v", p.from)
		}
		p.t.SendTo([]byte("re:b"), p.from[2])
		p.t.SendTo(nil, pcAddr("z"))
		if d := <-c.out; d != (pcDatagram{data: "re:b", addr: pcAddr("y")}) {
			t.Errorf("got %v", d)
		}
		if d := <-c.out; d != (pcDatagram{addr: pcAddr("z")}) {
			t.Errorf("got %v", d)
		}
		if got := p.t.GetExtraInfo("sockname"); got != pcAddr("here") {
			t.Errorf("the address is %v", got)
		}
		_, err := p.t.GetExtraInfo("socket").(*aio.TransportSocket).SyscallConn()
		dgIs(t, err, errors.ErrUnsupported)
		_, err = p.t.GetExtraInfo("socket").(*aio.TransportSocket).File()
		dgIs(t, err, errors.ErrUnsupported)
		p.t.Close()
		_, err = p.lost.Await(ctx)
		return err
	})
}

// A broken socket ends the endpoint: only ConnectionLost gets the error. LOOP-205
func TestPacketConnGone(t *testing.T) {
	for _, end := range []func(c *pcConn){
		func(c *pcConn) { c.Close() },
		func(c *pcConn) { c.in <- pcDatagram{err: io.EOF} },
	} {
		pcRun(t, func(t *testing.T, ctx context.Context, p *dgPeer, c *pcConn) error {
			go end(c)
			lost, err := p.lost.Await(ctx)
			dgIs(t, lost, net.ErrClosed)
			p.log.want(t, "lost")
			return err
		})
	}
}

// pcWaiter is a dgPeer whose ConnectionMade is called after a delay.
type pcWaiter struct{ *dgPeer }

func (p *pcWaiter) ConnectionMade(t aio.DatagramTransport) {
	synctest.Wait()
	p.dgPeer.ConnectionMade(t)
}

// Datagrams that arrive before ConnectionMade are delivered after it.
func TestPacketConnEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPCConn()
		go func() { c.in <- pcDatagram{data: "early"} }()
		err := aio.Run(func(ctx context.Context) error {
			p := &dgPeer{lost: aio.CreateFuture[error](ctx)}
			_, _, err := aio.CreateDatagramEndpoint(ctx, func() *pcWaiter { return &pcWaiter{p} }, &aio.DatagramOptions{Conn: c})
			if err != nil {
				return err
			}
			err = p.after(ctx, 2)
			p.log.want(t, "made got:early")
			return err
		})
		if err != nil {
			t.Error(err)
		}
		<-c.closed
	})
}

// The buffers of both directions are limited, and transfers continue when there is
// room. LOOP-199, LOOP-201, LOOP-209
func TestPacketConnBounds(t *testing.T) {
	pcRun(t, func(t *testing.T, ctx context.Context, p *dgPeer, c *pcConn) error {
		p.t.SetWriteBufferLimits(0, aio.DefaultLimit)
		n := 0
		for ; p.t.GetWriteBufferSize() == 0; n++ {
			if err := p.t.SendTo(dgNumber(n), pcAddr("x")); err != nil {
				return err
			}
		}
		if n < 64<<10/600 || n > 3*64<<10/500 {
			t.Errorf("%d datagrams were accepted", n)
		}
		p.log.want(t, "pause")
		p.t.SendTo([]byte("no"), pcAddr("nowhere"))
		p.t.SendTo([]byte("last"), pcAddr("x"))
		got, err := aio.ToThread(ctx, func(context.Context) ([]string, error) {
			var got []string
			for range n + 1 {
				got = append(got, (<-c.out).data)
			}
			return got, nil
		})
		if err != nil {
			return err
		}
		for i := range n {
			if got[i] != string(dgNumber(i)) {
				t.Errorf("datagram %d is %.6q", i, got[i])
			}
		}
		if got[n] != "last" {
			t.Errorf("the last is %q", got[n])
		}
		if err := p.after(ctx, 2); err != nil {
			return err
		}
		p.log.want(t, "resume error")

		// Datagrams that are not read stay in the socket: the test blocks the
		// loop until the buffer is full.
		taken := make(chan int)
		go func() {
			for i := 0; ; i++ {
				select {
				case c.in <- pcDatagram{data: string(dgNumber(i))}:
				case <-time.After(time.Second):
					// sleeps in the bubble's time, which advances
					// only when all goroutines wait
					taken <- i
					c.in <- pcDatagram{data: "end"}
					return
				}
			}
		}()
		n = <-taken // this receive blocks the loop
		if n < 64<<10/600 || n > 2*64<<10/500 {
			t.Errorf("%d datagrams were accepted", n)
		}
		if err := p.after(ctx, n+1); err != nil {
			return err
		}
		for i := range n {
			if p.log[i] != "got:"+string(dgNumber(i)) {
				t.Errorf("datagram %d is %.10q", i, p.log[i])
			}
		}
		if p.log[n] != "got:end" {
			t.Errorf("the last is %q", p.log[n])
		}
		return nil
	})
}

// Close still sends the buffered datagrams, and reports their errors before
// ConnectionLost. LOOP-211, LOOP-212
func TestPacketConnClose(t *testing.T) {
	pcRun(t, func(t *testing.T, ctx context.Context, p *dgPeer, c *pcConn) error {
		p.t.SendTo([]byte("a"), pcAddr("x"))
		p.t.SendTo([]byte("no"), pcAddr("nowhere"))
		p.t.Close()
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		p.log.want(t, "")
		if d := <-c.out; d.data != "a" {
			t.Errorf("got %v", d)
		}
		if lost, err := p.lost.Await(ctx); lost != nil || err != nil {
			t.Errorf("ConnectionLost(%v), %v", lost, err)
		}
		p.log.want(t, "error lost")
		return nil
	})
}

// Close also waits for the datagram that is being sent. LOOP-212
func TestPacketConnCloseWhileSending(t *testing.T) {
	pcRun(t, func(t *testing.T, ctx context.Context, p *dgPeer, c *pcConn) error {
		p.t.SendTo([]byte("a"), pcAddr("x"))
		p.t.SendTo([]byte("no"), pcAddr("nowhere"))
		synctest.Wait()
		p.t.Close()
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		p.log.want(t, "")
		<-c.out
		_, err := p.lost.Await(ctx)
		p.log.want(t, "error lost")
		return err
	})
}

// With a virtual clock, an open endpoint prevents a deadlock error; a closed one does
// not.
func TestPacketConnDeadlock(t *testing.T) {
	l, _ := newLoop(t)
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		c := newPCConn()
		p, err := dgOpen(ctx, &aio.DatagramOptions{Conn: c})
		if err != nil {
			return err
		}
		go func() { c.in <- pcDatagram{data: "x"} }()
		if err := p.after(ctx, 2); err != nil {
			return err
		}
		p.t.Close()
		if _, err := p.lost.Await(ctx); err != nil {
			return err
		}
		_, err = forever(ctx)
		return err
	}))
	dgIs(t, err, aio.ErrDeadlock)
}

// Closing the loop does not wait for a peer.
func TestPacketConnLoopClosed(t *testing.T) {
	pcRun(t, func(t *testing.T, ctx context.Context, p *dgPeer, c *pcConn) error {
		p.t.SendTo([]byte("a"), pcAddr("x"))
		p.t.Abort()
		if _, err := p.lost.Await(ctx); err != nil {
			return err
		}
		select {
		case <-c.closed:
			t.Error("the socket was closed before the rest was sent")
		default:
		}
		return nil
	})
}
