package aio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
)

// connKinds are ways to get a pair of connected ends. The last kind has no descriptors.
var connKinds = map[string]func(t *testing.T) (a, b net.Conn){
	"tcp":  func(t *testing.T) (a, b net.Conn) { return connectedPair(t, "tcp", "127.0.0.1:0") },
	"unix": func(t *testing.T) (a, b net.Conn) { return connectedPair(t, "unix", socketPath(t)) },
	"pipe": func(t *testing.T) (a, b net.Conn) {
		a, b = net.Pipe()
		t.Cleanup(func() { a.Close(); b.Close() })
		return a, b
	},
}

// socketPath returns a path for a Unix socket, which must be short.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "aio")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// listenFor listens until the test ends.
func listenFor(t *testing.T, network, addr string) net.Listener {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// dialTo connects; the connection is closed at the end of the test.
func dialTo(t *testing.T, addr net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func connectedPair(t *testing.T, network, addr string) (a, b net.Conn) {
	t.Helper()
	ln := listenFor(t, network, addr)
	a = dialTo(t, ln.Addr())
	b, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return a, b
}

// eachKindOfConn runs main with each kind of connection, with the poller and with
// goroutines.
func eachKindOfConn(t *testing.T, main func(t *testing.T, ctx context.Context, a, b net.Conn) error) {
	t.Helper()
	for name, pair := range connKinds {
		t.Run(name, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				a, b := pair(t)
				return main(t, ctx, a, b)
			})
		})
	}
}

// recvText returns a coroutine that receives up to n bytes.
func recvText(sock any, n int) aio.Coro[string] {
	return func(ctx context.Context) (string, error) {
		p, err := aio.SockRecv(ctx, sock, n)
		return string(p), err
	}
}

// recvAll receives n bytes.
func recvAll(ctx context.Context, sock any, n int) ([]byte, error) {
	var all []byte
	for len(all) < n {
		p, err := aio.SockRecv(ctx, sock, min(n-len(all), 64<<10))
		if err != nil {
			return all, err
		}
		if len(p) == 0 {
			return all, fmt.Errorf("EOF after %d bytes", len(all))
		}
		all = append(all, p...)
	}
	return all, nil
}

// patternOf returns the first n bytes of a pattern in which each position is
// recognizable, at most 4 MiB.
func patternOf(n int) []byte { return bytes.Clone(patternBytes()[:n]) }

var patternBytes = sync.OnceValue(func() []byte {
	p := make([]byte, 4<<20)
	for i := range p {
		p[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return p
})

// LOOP-284, LOOP-285
func TestSockSendAndReceive(t *testing.T) {
	eachKindOfConn(t, func(t *testing.T, ctx context.Context, a, b net.Conn) error {
		send := func(s string) *aio.Task[struct{}] {
			return spawn(ctx, func(ctx context.Context) error { return aio.SockSendall(ctx, a, []byte(s)) })
		}
		sent := send("hello, world")
		got, err := recvText(b, 5)(ctx)
		matches(t, "SockRecv", err, nil)
		same(t, "at most n bytes", got, "hello")
		got, err = recvText(b, 100)(ctx)
		matches(t, "SockRecv", err, nil)
		same(t, "the rest", got, ", world")
		if _, err := sent.Await(ctx); err != nil {
			return err
		}

		sent = send("again")
		buf := []byte("_______")
		n, err := aio.SockRecvInto(ctx, b, buf)
		matches(t, "SockRecvInto", err, nil)
		same(t, "what is filled", fmt.Sprintf("%d %s", n, buf), "5 again__")
		if _, err := sent.Await(ctx); err != nil {
			return err
		}

		p, err := aio.SockRecv(ctx, b, 0)
		same(t, "SockRecv of nothing", fmt.Sprint(len(p), err), "0 <nil>")
		matches(t, "SockSendall of nothing", aio.SockSendall(ctx, a, nil), nil)

		a.Close()
		for range 2 {
			p, err := aio.SockRecv(ctx, b, 10)
			same(t, "SockRecv at EOF", fmt.Sprint(len(p), err), "0 <nil>")
			n, err := aio.SockRecvInto(ctx, b, buf)
			same(t, "SockRecvInto at EOF", fmt.Sprint(n, err), "0 <nil>")
		}
		return nil
	})
}

// LOOP-287
func TestSockSendallOfMuch(t *testing.T) {
	eachKindOfConn(t, func(t *testing.T, ctx context.Context, a, b net.Conn) error {
		data := patternOf(1 << 20)
		sent := spawn(ctx, func(ctx context.Context) error { return aio.SockSendall(ctx, a, data) })
		got, err := recvAll(ctx, b, len(data))
		same(t, "all in order", bytes.Equal(got, data), true)
		_, serr := sent.Await(ctx)
		return errors.Join(err, serr)
	})
}

// LOOP-288, LOOP-292
func TestSockRecvCancelled(t *testing.T) {
	eachKindOfConn(t, func(t *testing.T, ctx context.Context, a, b net.Conn) error {
		for name, second := range map[string]aio.Coro[string]{
			"SockRecv": recvText(b, 100),
			"SockRecvInto": func(ctx context.Context) (string, error) {
				buf := make([]byte, 100)
				n, err := aio.SockRecvInto(ctx, b, buf)
				return string(buf[:n]), err
			},
		} {
			first := aio.CreateTask(ctx, recvText(b, 100))
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			first.Cancel("enough")
			next := aio.CreateTask(ctx, second)
			if err := aio.SockSendall(ctx, a, []byte("data")); err != nil {
				return err
			}
			got, err := next.Await(ctx)
			matches(t, "the second "+name, err, nil)
			same(t, "what it gets", got, "data")
			_, err = first.Await(ctx)
			matches(t, "the first", err, aio.ErrCancelled)
			var c *aio.CancelledError
			if errors.As(err, &c) {
				same(t, "the message", c.Message, any("enough"))
			}
		}
		return nil
	})
}

// LOOP-289
func TestSockSendallCancelled(t *testing.T) {
	eachKindOfConn(t, func(t *testing.T, ctx context.Context, a, b net.Conn) error {
		much := bytes.Repeat([]byte("x"), 16<<20)
		first := spawn(ctx, func(ctx context.Context) error { return aio.SockSendall(ctx, a, much) })
		// the transfer has started
		if _, err := recvText(b, 1000)(ctx); err != nil {
			return err
		}
		first.Cancel()
		second := spawn(ctx, func(ctx context.Context) error {
			err := aio.SockSendall(ctx, a, []byte("the end"))
			return errors.Join(err, a.Close())
		})
		var tail []byte
		for {
			p, err := aio.SockRecv(ctx, b, 64<<10)
			if err != nil {
				return err
			}
			if len(p) == 0 {
				break
			}
			tail = append(tail, p...)
			tail = tail[max(0, len(tail)-8):]
		}
		same(t, "what comes last", strings.TrimLeft(string(tail), "x"), "the end")
		_, err := first.Await(ctx)
		matches(t, "the first", err, aio.ErrCancelled)
		_, err = second.Await(ctx)
		return err
	})
}

// An await ends when its derived context is done, and no data is lost.
func TestSockRecvWithDerivedContext(t *testing.T) {
	eachKindOfConn(t, func(t *testing.T, ctx context.Context, a, b net.Conn) error {
		enough := errors.New("enough")
		derived, cancel := context.WithCancelCause(ctx)
		spawn(ctx, func(ctx context.Context) error {
			cancel(enough)
			return nil
		})
		_, err := aio.SockRecv(derived, b, 100)
		matches(t, "SockRecv", err, context.Canceled)
		matches(t, "its cause", err, enough)
		same(t, "it is a cancellation", errors.Is(err, aio.ErrCancelled), false)
		same(t, "requests to cancel the task", aio.CurrentTask(ctx).(*aio.Task[struct{}]).Cancelling(), 0)
		sent := spawn(ctx, func(ctx context.Context) error { return aio.SockSendall(ctx, a, []byte("data")) })
		got, err := recvText(b, 100)(ctx)
		same(t, "what comes", got, "data")
		_, serr := sent.Await(ctx)
		return errors.Join(err, serr)
	})
}

// LOOP-291, LOOP-293
func TestSockAcceptCancelled(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				addr := "127.0.0.1:0"
				if network == "unix" {
					addr = socketPath(t)
				}
				ln := listenFor(t, network, addr)
				accept := func(ctx context.Context) (net.Conn, error) { return aio.SockAccept(ctx, ln) }
				first := aio.CreateTask(ctx, accept)
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
				// the listener is ready before the cancellation is
				// delivered
				client := dialTo(t, ln.Addr())
				first.Cancel()
				_, err := first.Await(ctx)
				matches(t, "the first", err, aio.ErrCancelled)
				conn, err := accept(ctx)
				if err != nil {
					return err
				}
				defer conn.Close()
				same(t, "the client", conn.RemoteAddr().String(), client.LocalAddr().String())
				if err := aio.SockSendall(ctx, conn, []byte("welcome")); err != nil {
					return err
				}
				got, err := recvText(client, 100)(ctx)
				same(t, "what comes", got, "welcome")
				return err
			})
		})
	}
}

// LOOP-294
func TestSockAcceptTimeout(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		ln := listenFor(t, "tcp", "127.0.0.1:0")
		err := aio.Timeout(ctx, time.Millisecond, func(ctx context.Context) error {
			_, err := aio.SockAccept(ctx, ln)
			return err
		})
		matches(t, "SockAccept", err, aio.ErrTimeout)
		ln.Close()
		_, err = net.Dial("tcp", ln.Addr().String())
		same(t, "a connection is refused", err != nil, true)
		_, err = aio.SockAccept(ctx, ln)
		matches(t, "SockAccept of a closed listener", err, net.ErrClosed)
		return nil
	})
}

// LOOP-296, LOOP-297
func TestSockDatagrams(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		var socks [2]net.PacketConn
		for i := range socks {
			c, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			defer c.Close()
			socks[i] = c
		}
		a, b := socks[0], socks[1]
		// waits for a datagram
		receive := aio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			p, from, err := aio.SockRecvfrom(ctx, b, 100)
			return fmt.Sprint(string(p), " from ", from), err
		})
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		send := func(s string) {
			n, err := aio.SockSendto(ctx, a, []byte(s), b.LocalAddr())
			same(t, "SockSendto", fmt.Sprint(n, err), fmt.Sprint(len(s), nil))
		}
		send("hello")
		got, err := receive.Await(ctx)
		matches(t, "SockRecvfrom", err, nil)
		same(t, "what it gets", got, fmt.Sprint("hello from ", a.LocalAddr()))

		send("cut off")
		send("again")
		buf := []byte("_________")
		n, from, err := aio.SockRecvfromInto(ctx, b, buf[:3])
		same(t, "SockRecvfromInto", fmt.Sprint(n, from, err, string(buf)), fmt.Sprint(3, a.LocalAddr(), nil, "cut______"))
		n, from, err = aio.SockRecvfromInto(ctx, b, buf)
		same(t, "SockRecvfromInto", fmt.Sprint(n, from, err, string(buf)), fmt.Sprint(5, a.LocalAddr(), nil, "again____"))
		send("")
		p, from, err := aio.SockRecvfrom(ctx, b, 10)
		same(t, "an empty datagram", fmt.Sprint(len(p), from, err), fmt.Sprint(0, a.LocalAddr(), nil))

		// A connected socket needs no address.
		c, err := net.Dial("udp", b.LocalAddr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := aio.SockSendto(ctx, c, []byte("connected"), nil); err != nil {
			return err
		}
		p, from, err = aio.SockRecvfrom(ctx, b, 100)
		same(t, "what it gets", fmt.Sprint(string(p), from), fmt.Sprint("connected", c.LocalAddr()))
		return err
	})
}

// LOOP-288, for datagrams.
func TestSockRecvfromCancelled(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		b, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer b.Close()
		receive := func(ctx context.Context) (string, error) {
			p, _, err := aio.SockRecvfrom(ctx, b, 100)
			return string(p), err
		}
		first := aio.CreateTask(ctx, receive)
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		first.Cancel()
		if _, err := aio.SockSendto(ctx, b, []byte("data"), b.LocalAddr()); err != nil {
			return err
		}
		got, err := receive(ctx)
		same(t, "datagram of the second call", got, "data")
		_, ferr := first.Await(ctx)
		matches(t, "the first", ferr, aio.ErrCancelled)
		return err
	})
}

// lateConn is a connection and a listener for which data arrives at the moment at which
// a call is cancelled.
type lateConn struct {
	net.Conn
	cut chan struct{}
	n   int
}

func newSockLate() *lateConn { return &lateConn{cut: make(chan struct{}, 1)} }

func (c *lateConn) SetDeadline(d time.Time) error {
	if !d.IsZero() {
		c.cut <- struct{}{}
	}
	return nil
}
func (c *lateConn) SetReadDeadline(d time.Time) error { return c.SetDeadline(d) }

func (c *lateConn) Read(p []byte) (int, error) {
	<-c.cut
	return copy(p, "late data"), nil
}

func (c *lateConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, _ := c.Read(p)
	c.n++
	return n, &net.UDPAddr{Port: c.n}, nil
}

func (c *lateConn) WriteTo([]byte, net.Addr) (int, error) { return 0, errors.ErrUnsupported }

func (c *lateConn) Accept() (net.Conn, error) {
	<-c.cut
	a, b := net.Pipe()
	return a, b.Close()
}
func (c *lateConn) Addr() net.Addr { return nil }

// cancelledWhileWaiting runs coro as a task that is cancelled while it waits.
func cancelledWhileWaiting[T any](t *testing.T, ctx context.Context, coro aio.Coro[T]) {
	t.Helper()
	task := aio.CreateTask(ctx, coro)
	aio.Sleep(ctx, 0)
	task.Cancel()
	_, err := task.Await(ctx)
	matches(t, "the cancelled call", err, aio.ErrCancelled)
}

// Data and connections that a cancelled call has received are passed to the next calls.
// LOOP-288, LOOP-291
func TestSockLateOutcomeIsKept(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		c := newSockLate()
		cancelledWhileWaiting(t, ctx, recvText(c, 100))
		for _, want := range []string{"late", " dat", "a"} {
			got, err := recvText(c, 4)(ctx)
			same(t, "SockRecv", fmt.Sprint(got, err), want+"<nil>")
		}

		receive := func(ctx context.Context) (string, error) {
			p, from, err := aio.SockRecvfrom(ctx, c, 4)
			return fmt.Sprint(string(p), from), err
		}
		cancelledWhileWaiting(t, ctx, receive)
		got, err := receive(ctx)
		same(t, "SockRecvfrom", fmt.Sprint(got, err), "late:1<nil>")

		accept := func(ctx context.Context) (net.Conn, error) { return aio.SockAccept(ctx, c) }
		cancelledWhileWaiting(t, ctx, accept)
		conn, err := accept(ctx)
		if err != nil {
			return err
		}
		conn.Close()
		// closing the loop closes the connection of this call
		cancelledWhileWaiting(t, ctx, accept)
		return nil
	})
}

// A call that is queued can be cancelled too, and the others continue in order.
func TestSockCallsOnOneConnectionTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		var log eventLog
		err := aio.Run(func(ctx context.Context) error {
			var tasks []*aio.Task[string]
			for i := range 4 {
				tasks = append(tasks, aio.CreateTask(ctx, func(ctx context.Context) (string, error) {
					got, err := recvText(b, 100)(ctx)
					log.add("%d:%s", i, got)
					return got, err
				}))
			}
			if err := aio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			tasks[0].Cancel()
			tasks[2].Cancel()
			for _, s := range []string{"one", "two"} {
				if err := aio.SockSendall(ctx, a, []byte(s)); err != nil {
					return err
				}
			}
			for i, task := range tasks {
				_, err := task.Await(ctx)
				matches(t, fmt.Sprint("task ", i), err, map[int]error{0: aio.ErrCancelled, 2: aio.ErrCancelled}[i])
			}
			return errors.Join(a.Close(), b.Close())
		})
		matches(t, "Run", err, nil)
		same(t, "calls", len(log), 4)
		same(t, "the first call that gets data", log[2], "1:one")
		same(t, "the next", log[3], "3:two")
	})
}

// Timeouts of a receive, in the time of a bubble.
func TestSockRecvTimeoutInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		start := time.Now()
		err := aio.Run(func(ctx context.Context) error {
			for range 3 {
				_, err := aio.WaitFor(ctx, recvText(b, 10), time.Hour)
				matches(t, "SockRecv", err, aio.ErrTimeout)
			}
			sent := spawn(ctx, func(ctx context.Context) error { return aio.SockSendall(ctx, a, []byte("x")) })
			got, err := recvText(b, 10)(ctx)
			same(t, "what comes", got, "x")
			_, serr := sent.Await(ctx)
			return errors.Join(err, serr, a.Close(), b.Close())
		})
		matches(t, "Run", err, nil)
		same(t, "time passed", time.Since(start), 3*time.Hour)
	})
}

// Closing the loop ends the calls and leaves the connection unchanged.
func TestSockLoopClosed(t *testing.T) {
	for name, pair := range connKinds {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t)
			l, _ := newGoroutinesLoop(t)
			var errs []error
			spawn(l.Context(), func(ctx context.Context) error {
				_, err := aio.SockRecv(ctx, b, 10)
				errs = append(errs, err)
				_, err = aio.SockRecv(ctx, b, 10)
				errs = append(errs, err)
				return err
			})
			spawn(l.Context(), func(ctx context.Context) error {
				err := aio.SockSendall(ctx, b, bytes.Repeat([]byte("x"), 16<<20))
				errs = append(errs, err)
				return err
			})
			onePass(t, l)
			matches(t, "Close", l.Close(), nil)
			same(t, "ended calls", len(errs), 3)
			for _, err := range errs {
				matches(t, "the call", err, aio.ErrLoopClosed)
			}
			go a.Write([]byte("x"))
			n, err := b.Read(make([]byte, 1))
			same(t, "a read afterwards", fmt.Sprint(n, err), "1 <nil>")
		})
	}
}

// newGoroutinesLoop is like newLoop, for the goroutine back end.
func newGoroutinesLoop(t *testing.T) (*aio.Loop, *[]aio.ExceptionContext) {
	l, reports := newLoop(t)
	aio.ForceGoroutines(l, true)
	return l, reports
}

// noDeadlines does not support deadlines.
type noDeadlines struct{ net.Conn }

func (noDeadlines) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (noDeadlines) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// panickingConn is a connection that panics.
type panickingConn struct{ net.Conn }

func (*panickingConn) Write([]byte) (int, error) { panic("the connection panicked") }

// notComparable is not comparable.
type notComparable struct {
	net.Conn
	_ []byte
}

func TestSockMisuse(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		a, b := connKinds["tcp"](t)
		p, _ := connKinds["pipe"](t)
		ln := listenFor(t, "tcp", "127.0.0.1:0")
		calls := func(sock any) map[string]error {
			_, recv := aio.SockRecv(ctx, sock, 1)
			_, recvInto := aio.SockRecvInto(ctx, sock, make([]byte, 1))
			_, _, recvfrom := aio.SockRecvfrom(ctx, sock, 1)
			_, _, recvfromInto := aio.SockRecvfromInto(ctx, sock, make([]byte, 1))
			_, sendto := aio.SockSendto(ctx, sock, []byte("x"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9})
			_, accept := aio.SockAccept(ctx, sock)
			return map[string]error{
				"SockRecv": recv, "SockRecvInto": recvInto, "SockRecvfrom": recvfrom, "SockRecvfromInto": recvfromInto,
				"SockSendto": sendto, "SockAccept": accept,
				"SockSendall": aio.SockSendall(ctx, sock, []byte("x")),
				"SockConnect": aio.SockConnect(ctx, sock, "127.0.0.1:9"),
			}
		}
		for _, sock := range []any{nil, "socket", -1, 3.5, struct{}{}, notComparable{Conn: a}} {
			for call, err := range calls(sock) {
				matches(t, fmt.Sprintf("%s of %v", call, sock), err, aio.ErrUsage)
			}
		}
		pipe := calls(noDeadlines{p})
		for _, call := range []string{"SockRecvfrom", "SockRecvfromInto", "SockSendto", "SockAccept", "SockConnect"} {
			matches(t, call+" of a pipe", pipe[call], aio.ErrUsage)
		}
		matches(t, "SockRecv without deadlines", pipe["SockRecv"], os.ErrNoDeadline)
		matches(t, "SockSendall without deadlines", pipe["SockSendall"], os.ErrNoDeadline)
		_, err := aio.SockRecv(ctx, b, -1)
		matches(t, "SockRecv of -1 bytes", err, aio.ErrUsage)
		_, _, err = aio.SockRecvfrom(ctx, b, -1)
		matches(t, "SockRecvfrom of -1 bytes", err, aio.ErrUsage)
		_, err = aio.SockRecv(ctx, ln, 1)
		same(t, "SockRecv of a listener fails", err != nil, true)
		_, err = aio.SockAccept(ctx, struct{ net.Listener }{ln})
		matches(t, "SockAccept of a listener without SetDeadline", err, aio.ErrUsage)
		var panicked *aio.PanicError
		err = aio.SockSendall(ctx, &panickingConn{p}, []byte("x"))
		same(t, "a connection's panic is an error", errors.As(err, &panicked), true)
		a.Close()
		_, err = aio.SockRecv(ctx, a, 1)
		matches(t, "SockRecv of a closed connection", err, net.ErrClosed)
		matches(t, "SockSendall of a closed connection", aio.SockSendall(ctx, a, []byte("x")), net.ErrClosed)
		_, err = aio.SockRecv(context.Background(), b, 1)
		matches(t, "SockRecv without a loop", err, aio.ErrNoRunningLoop)
		_, err = aio.ToThread(ctx, func(ctx context.Context) ([]byte, error) { return aio.SockRecv(ctx, b, 1) })
		matches(t, "SockRecv in another goroutine", err, aio.ErrWrongGoroutine)
		return nil
	})
}

// The peer has closed the connection: a runtime failure, returned as an error.
func TestSockPeerGone(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		a, b := connKinds["tcp"](t)
		if err := b.(*net.TCPConn).SetLinger(0); err != nil {
			return err
		}
		receive := aio.CreateTask(ctx, recvText(a, 10))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		b.Close()
		_, err := receive.Await(ctx)
		matches(t, "SockRecv", err, syscall.ECONNRESET)
		err = aio.SockSendall(ctx, a, []byte("x"))
		same(t, "SockSendall fails", err != nil, true)
		return nil
	})
}

// LOOP-300
func TestSockOfTransport(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		ln := listenFor(t, "tcp", "127.0.0.1:0")
		tr, p, err := aio.CreateConnection(ctx, func() *ioClient {
			return &ioClient{lost: aio.CreateFuture[error](ctx)}
		}, ln.Addr().String(), nil)
		if err != nil {
			return err
		}
		sock := tr.GetExtraInfo("socket")
		_, err = aio.SockRecv(ctx, sock, 1)
		same(t, "SockRecv fails", errors.Is(err, aio.ErrUsage) || errors.Is(err, errors.ErrUnsupported), true)
		err = aio.SockSendall(ctx, sock, []byte("x"))
		same(t, "SockSendall fails", errors.Is(err, aio.ErrUsage) || errors.Is(err, errors.ErrUnsupported), true)
		tr.Close()
		_, err = p.lost.Await(ctx)
		return err
	})
}
