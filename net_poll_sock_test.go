//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// newSocket returns a non-blocking socket that is closed when the test ends.
func newSocket(t *testing.T, family, typ int) int {
	t.Helper()
	fd, err := unix.Socket(family, typ, 0)
	if err == nil {
		unix.CloseOnExec(fd)
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// inRealLoop runs main in a loop with a real clock, and checks that its exception handler
// is not called.
func inRealLoop(t *testing.T, main func(ctx context.Context, l *aio.Loop) error) {
	t.Helper()
	l, reports := pollLoop(t)
	matches(t, "the run", runMain(l, func(ctx context.Context) error { return main(ctx, l) }), nil)
	for _, ec := range *reports {
		t.Errorf("reported: %s: %v", ec.Message, ec.Err)
	}
}

// LOOP-284, LOOP-285
func TestSockOfDescriptors(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		a, b := pollPair(t)
		file := os.NewFile(uintptr(pollDup(t, b)), "socket")
		defer file.Close()
		for _, sock := range []any{b, uintptr(b), file} {
			data := patternOf(1 << 20)
			sent := spawn(ctx, func(ctx context.Context) error { return aio.SockSendall(ctx, a, data) })
			got, err := recvAll(ctx, sock, len(data))
			same(t, "all in order", bytes.Equal(got, data), true)
			if _, serr := sent.Await(ctx); err != nil || serr != nil {
				return errors.Join(err, serr)
			}
		}
		unix.Shutdown(a, unix.SHUT_WR)
		p, err := aio.SockRecv(ctx, file, 10)
		same(t, "SockRecv at EOF", fmt.Sprint(len(p), err), "0 <nil>")
		return nil
	})
}

// LOOP-286
func TestSockAtOnce(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		a, b := pollPair(t)
		ln := listenFor(t, "tcp", "127.0.0.1:0")
		dialTo(t, ln.Addr())
		var log eventLog
		l.CallSoon(func() { log.add("suspended") })
		if err := aio.SockSendall(ctx, a, []byte("x")); err != nil {
			return err
		}
		got, err := recvText(b, 10)(ctx)
		log.add("%s%v", got, err)
		conn, err := aio.SockAccept(ctx, ln)
		if err != nil {
			return err
		}
		conn.Close()
		dgram := newSocket(t, unix.AF_INET, unix.SOCK_DGRAM)
		log.add("%v", aio.SockConnect(ctx, dgram, "127.0.0.1:9"))
		log.want(t, "x<nil> <nil>")
		return nil
	})
}

// A call that waits takes as many passes as in asyncio: one for the callback of the
// descriptor, one for the task.
func TestSockWaitPasses(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		a, b := pollPair(t)
		var log eventLog
		receive := spawn(ctx, func(ctx context.Context) error {
			got, err := recvText(b, 10)(ctx)
			log.add("got:%s", got)
			return err
		})
		var pass func(n int)
		pass = func(n int) {
			log.add("%d", n)
			if n == 1 {
				pollWrite(t, a, "x")
			}
			if n < 4 {
				l.CallSoon(func() { pass(n + 1) })
			}
		}
		l.CallSoon(func() { pass(0) })
		_, err := receive.Await(ctx)
		log.want(t, "0 1 2 3 got:x 4")
		return err
	})
}

// LOOP-287, with a peer that reads in a callback.
func TestSockSendallToReader(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		a, b := pollPair(t)
		data := patternOf(4 << 20)
		got := 0
		buf := make([]byte, 64<<10)
		pollAdd(t, l.AddReader, b, func() {
			n, err := unix.Read(b, buf)
			if err != nil || !bytes.Equal(buf[:n], data[got:got+n]) {
				t.Errorf("after %d bytes: %v", got, err)
			}
			got += n
		})
		err := aio.SockSendall(ctx, a, data)
		eventually(t, ctx, "everything has arrived", func() bool { return got == len(data) || err != nil })
		pollRemove(t, l.RemoveReader, b, true)
		pollRemove(t, l.RemoveWriter, a, false)
		return err
	})
}

// LOOP-288: after a cancelled call the descriptor is not watched, unless another call
// or callback needs it.
func TestSockCancelledLeavesNoWatch(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		_, b := pollPair(t)
		for _, wait := range []func(ctx context.Context) error{
			func(ctx context.Context) error { _, err := aio.SockRecv(ctx, b, 1); return err },
			func(ctx context.Context) error { return aio.SockSendall(ctx, b, make([]byte, 16<<20)) },
		} {
			task := spawn(ctx, wait)
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			task.Cancel()
			_, err := task.Await(ctx)
			matches(t, "the call", err, aio.ErrCancelled)
			pollRemove(t, l.RemoveReader, b, false)
			pollRemove(t, l.RemoveWriter, b, false)
		}
		first := aio.CreateTask(ctx, recvText(b, 1))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		first.Cancel()
		pollAdd(t, l.AddReader, b, nop) // called before the first task has run
		_, err := first.Await(ctx)
		matches(t, "the first", err, aio.ErrCancelled)
		pollRemove(t, l.RemoveReader, b, true)
		return nil
	})
}

// LOOP-288, with a cancellation between the wake-up of a call and the step of its task.
func TestSockRecvCancelledWhenReady(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		a, b := pollPair(t)
		var log eventLog
		first := aio.CreateTask(ctx, recvText(b, 10))
		l.CallSoon(func() { // runs after the call has started to wait
			pollWrite(t, a, "data")
			l.CallSoon(func() {
				// first in the next pass, which finds the descriptor
				// ready
				log.add("ready")
				// the call has been woken by then
				l.CallSoon(func() { log.add("cancel%v", first.Cancel()) })
			})
		})
		_, err := first.Await(ctx)
		matches(t, "the first", err, aio.ErrCancelled)
		got, err := recvText(b, 10)(ctx)
		log.add("%s", got)
		log.want(t, "ready canceltrue data")
		return err
	})
}

// A report of the poller belongs to the SockRecv that waits for it, although that call
// reads one pass later: another call in between finds no data, as in asyncio.
func TestSockRecvKeepsWhatWasReported(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		a, b := pollPair(t)
		var log eventLog
		receive := func(name string) *aio.Task[struct{}] {
			return aio.CreateTask(ctx, func(ctx context.Context) (struct{}, error) {
				log.add("%s", name)
				got, err := recvText(b, 10)(ctx)
				log.add("%s:%s", name, got)
				return struct{}{}, err
			})
		}
		first := receive("first")
		var second *aio.Task[struct{}]
		l.CallSoon(func() { // runs after the first call has begun to wait
			pollWrite(t, a, "data")
			// in the next pass, before the first is woken
			l.CallSoon(func() { second = receive("second") })
		})
		_, err := first.Await(ctx)
		if err != nil {
			return err
		}
		pollWrite(t, a, "more")
		_, err = second.Await(ctx)
		log.want(t, "first second first:data second:more")
		return err
	})
}

// LOOP-299
func TestSockRecvReplacesAnother(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		a, b := pollPair(t)
		var log eventLog
		receive := func(name string) *aio.Task[struct{}] {
			return spawn(ctx, func(ctx context.Context) error {
				got, err := recvText(b, 10)(ctx)
				log.add("%s:%s", name, got)
				return err
			})
		}
		first, second := receive("first"), receive("second")
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		pollWrite(t, a, "data")
		if _, err := second.Await(ctx); err != nil {
			return err
		}
		pollWrite(t, a, "more")
		letPass(ctx, 10)
		same(t, "the first is done", first.Done(), false)
		first.Cancel()
		_, err := first.Await(ctx)
		matches(t, "the first", err, aio.ErrCancelled)
		log.want(t, "second:data first:")
		return nil
	})
}

// LOOP-290, LOOP-099
func TestSockConnect(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		ln := listenFor(t, "tcp", "127.0.0.1:0")
		port := ln.Addr().(*net.TCPAddr).Port
		fd := newSocket(t, unix.AF_INET, unix.SOCK_STREAM)
		connect := func(ctx context.Context) error {
			return aio.SockConnect(ctx, fd, fmt.Sprintf("localhost:%d", port))
		}
		task := spawn(ctx, connect)
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		task.Cancel()
		_, err := task.Await(ctx)
		matches(t, "the first", err, aio.ErrCancelled)
		if err := connect(ctx); err != nil {
			return err
		}
		matches(t, "once more", connect(ctx), nil)
		conn, err := aio.SockAccept(ctx, ln)
		if err != nil {
			return err
		}
		defer conn.Close()
		sent := spawn(ctx, func(ctx context.Context) error { return aio.SockSendall(ctx, fd, []byte("hello")) })
		got, err := recvText(conn, 10)(ctx)
		same(t, "what comes", got, "hello")
		_, serr := sent.Await(ctx)
		return errors.Join(err, serr)
	})
}

// LOOP-284
func TestSockConnectUnix(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		path := socketPath(t)
		fd := newSocket(t, unix.AF_UNIX, unix.SOCK_STREAM)
		err := aio.SockConnect(ctx, fd, path)
		matches(t, "SockConnect to nothing", err, syscall.ENOENT)
		ln := listenFor(t, "unix", path)
		if err := aio.SockConnect(ctx, fd, path); err != nil {
			return err
		}
		conn, err := aio.SockAccept(ctx, ln)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := aio.SockSendall(ctx, conn, []byte("hello")); err != nil {
			return err
		}
		got, err := recvText(fd, 10)(ctx)
		same(t, "what comes", got, "hello")
		return err
	})
}

// The name is resolved for the family and type of the socket. LOOP-099
func TestSockConnectResolves(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		udp := newSocket(t, unix.AF_INET, unix.SOCK_DGRAM)
		// a service name of UDP
		matches(t, "SockConnect", aio.SockConnect(ctx, udp, "localhost:domain"), nil)
		peer, err := unix.Getpeername(udp)
		matches(t, "getpeername", err, nil)
		if sa, ok := peer.(*unix.SockaddrInet4); ok {
			same(t, "the peer", netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)).String(), "127.0.0.1:53")
		} else {
			t.Errorf("the peer is a %T", peer)
		}
		var noName *net.DNSError
		err = aio.SockConnect(ctx, udp, "[::1]:9")
		same(t, "an address of another family is not found", errors.As(err, &noName), true)
		for _, addr := range []string{"", "localhost", "a:b:c", "127.0.0.1:"} {
			matches(t, "SockConnect to "+addr, aio.SockConnect(ctx, udp, addr), aio.ErrUsage)
		}
		return nil
	})
}

// LOOP-295
func TestSockConnectRefused(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		ln := listenFor(t, "tcp", "127.0.0.1:0")
		ln.Close()
		err := aio.SockConnect(ctx, newSocket(t, unix.AF_INET, unix.SOCK_STREAM), ln.Addr().String())
		matches(t, "SockConnect", err, syscall.ECONNREFUSED)
		var op *net.OpError
		if errors.As(err, &op) {
			same(t, "where to", op.Addr.String(), ln.Addr().String())
		} else {
			t.Errorf("the error is a %T", err)
		}
		return nil
	})
}

// LOOP-293
func TestSockAcceptGivesNonBlocking(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		ln := listenFor(t, "tcp", "127.0.0.1:0")
		raw, err := ln.(*net.TCPListener).SyscallConn()
		if err != nil {
			return err
		}
		var fd int
		if err := raw.Control(func(n uintptr) { fd = int(n) }); err != nil {
			return err
		}
		accept := aio.CreateTask(ctx, func(ctx context.Context) (net.Conn, error) { return aio.SockAccept(ctx, fd) })
		if err := aio.Sleep(ctx, 0); err != nil { // the connection attempt waits
			return err
		}
		client := dialTo(t, ln.Addr())
		conn, err := accept.Await(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		same(t, "the client", conn.RemoteAddr().String(), client.LocalAddr().String())
		if raw, err = conn.(*net.TCPConn).SyscallConn(); err != nil {
			return err
		}
		return raw.Control(func(fd uintptr) {
			flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
			same(t, "it is non-blocking", err == nil && flags&unix.O_NONBLOCK != 0, true)
		})
	})
}

// LOOP-296
func TestSockSendtoWaits(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		a, b := newSocket(t, unix.AF_UNIX, unix.SOCK_DGRAM), newSocket(t, unix.AF_UNIX, unix.SOCK_DGRAM)
		to := &net.UnixAddr{Name: socketPath(t), Net: "unixgram"}
		if err := unix.Bind(b, &unix.SockaddrUnix{Name: to.Name}); err != nil {
			return err
		}
		full := 0
		for ; ; full++ {
			if err := unix.Sendto(a, []byte("x"), 0, &unix.SockaddrUnix{Name: to.Name}); err == unix.EAGAIN {
				break
			} else if err == unix.ENOBUFS {
				// This system returns an error at once, and never
				// reports that there is room.
				return nil
			} else if err != nil {
				return err
			}
		}
		var log eventLog
		sent := spawn(ctx, func(ctx context.Context) error {
			n, err := aio.SockSendto(ctx, a, []byte("the last"), to)
			log.add("sent%d", n)
			return err
		})
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		log.want(t, "")
		for range full {
			p, from, err := aio.SockRecvfrom(ctx, b, 10)
			if string(p) != "x" || from != nil && from.String() != "" || err != nil {
				t.Fatalf("got %q from %v, %v", p, from, err)
			}
		}
		p, _, err := aio.SockRecvfrom(ctx, b, 10)
		same(t, "the last", string(p), "the last")
		if _, err := sent.Await(ctx); err != nil {
			return err
		}
		log.want(t, "sent8")
		return err
	})
}

// A dual-stack IPv6 socket returns IPv4 addresses as IPv4-mapped addresses, and can
// send to them.
func TestSockDatagramsOfBothFamilies(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		both, err := net.ListenPacket("udp", ":0")
		if err != nil {
			return err
		}
		defer both.Close()
		client, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer client.Close()
		to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: both.LocalAddr().(*net.UDPAddr).Port}
		if _, err := aio.SockSendto(ctx, client, []byte("question"), to); err != nil {
			return err
		}
		p, from, err := aio.SockRecvfrom(ctx, both, 100)
		same(t, "what comes", fmt.Sprint(string(p), from, err), fmt.Sprint("question", client.LocalAddr(), nil))
		if _, err := aio.SockSendto(ctx, both, []byte("answer"), from); err != nil {
			return err
		}
		p, _, err = aio.SockRecvfrom(ctx, client, 100)
		same(t, "what comes back", string(p), "answer")
		_, serr := aio.SockSendto(ctx, both, nil, noAddr{})
		matches(t, "SockSendto to an invalid address", serr, aio.ErrUsage)
		return err
	})
}

type noAddr struct{}

func (noAddr) Network() string { return "none" }
func (noAddr) String() string  { return "nowhere" }

// LOOP-283: with and without debug mode.
func TestSockRefusesBlockingDescriptor(t *testing.T) {
	for _, debug := range []bool{true, false} {
		inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
			l.SetDebug(debug)
			a, _ := pollPair(t)
			if err := unix.SetNonblock(a, false); err != nil {
				return err
			}
			_, recv := aio.SockRecv(ctx, a, 1)
			_, recvInto := aio.SockRecvInto(ctx, a, make([]byte, 1))
			_, _, recvfrom := aio.SockRecvfrom(ctx, a, 1)
			_, sendto := aio.SockSendto(ctx, a, []byte("x"), nil)
			_, accept := aio.SockAccept(ctx, a)
			for call, err := range map[string]error{
				"SockRecv": recv, "SockRecvInto": recvInto, "SockRecvfrom": recvfrom, "SockSendto": sendto,
				"SockAccept": accept, "SockSendall": aio.SockSendall(ctx, a, []byte("x")),
				"SockConnect": aio.SockConnect(ctx, a, "127.0.0.1:9"),
			} {
				matches(t, call, err, aio.ErrUsage)
			}
			_, err := aio.SockRecv(ctx, 1<<20, 1)
			matches(t, "SockRecv of an unused descriptor number", err, syscall.EBADF)
			return nil
		})
	}
}

// LOOP-300: includes calls that do not have to wait.
func TestSockOfTransportsDescriptor(t *testing.T) {
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		ln := listenFor(t, "tcp", "127.0.0.1:0")
		tr, p, err := aio.CreateConnection(ctx, func() *ioClient {
			return &ioClient{lost: aio.CreateFuture[error](ctx)}
		}, ln.Addr().String(), nil)
		if err != nil {
			return err
		}
		raw, err := tr.GetExtraInfo("socket").(*aio.TransportSocket).SyscallConn()
		if err != nil {
			return err
		}
		if err := raw.Control(func(fd uintptr) {
			_, err := aio.SockRecv(ctx, fd, 1)
			matches(t, "SockRecv", err, aio.ErrUsage)
			matches(t, "SockSendall", aio.SockSendall(ctx, fd, []byte("x")), aio.ErrUsage)
		}); err != nil {
			return err
		}
		tr.Abort()
		_, err = p.lost.Await(ctx)
		return err
	})
}
