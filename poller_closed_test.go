//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// A descriptor that was closed without being removed does not affect the next user of
// its number.
func TestPollerClosedWithoutRemove(t *testing.T) {
	for _, c := range []struct {
		name string
		next func(t *testing.T, ctx context.Context, l *aio.Loop, fd, stays, peer int)
	}{
		{"AddReader", func(t *testing.T, ctx context.Context, l *aio.Loop, fd, stays, peer int) {
			pollMove(t, stays, fd)
			var more aio.Event
			pollAdd(t, l.AddReader, fd, more.Set)
			pollWrite(t, peer, "x")
			matches(t, "the callback", more.Wait(ctx), nil)
			pollRemove(t, l.RemoveReader, fd, true)
			pollRemove(t, l.RemoveWriter, fd, false)
		}},
		{"AddWriter", func(t *testing.T, ctx context.Context, l *aio.Loop, fd, stays, peer int) {
			pollMove(t, stays, fd)
			var more aio.Event
			pollAdd(t, l.AddWriter, fd, more.Set)
			matches(t, "the callback", more.Wait(ctx), nil)
			pollRemove(t, l.RemoveWriter, fd, true)
			pollRemove(t, l.RemoveReader, fd, false)
		}},
		{"SockRecv", func(t *testing.T, ctx context.Context, l *aio.Loop, fd, stays, peer int) {
			pollMove(t, stays, fd)
			l.CallSoon(func() { pollWrite(t, peer, "x") })
			p, err := aio.SockRecv(ctx, fd, 10)
			same(t, "what came", string(p), "x")
			matches(t, "SockRecv", err, nil)
		}},
		{"a connection", func(t *testing.T, ctx context.Context, l *aio.Loop, fd, stays, peer int) {
			pollMove(t, stays, fd)
			f := os.NewFile(uintptr(pollDup(t, fd)), "socket")
			conn, err := net.FileConn(f)
			f.Close()
			unix.Close(fd) // makes fd the lowest free number
			matches(t, "FileConn", err, nil)
			p := &ioClient{lost: aio.CreateFuture[error](ctx)}
			tr, _, err := aio.CreateConnection(ctx, func() *ioClient { return p }, "", &aio.ConnectionOptions{Conn: conn})
			if err != nil {
				t.Error(err)
				return
			}
			same(t, "the number", pollNumber(t, tr), fd)
			pollWrite(t, peer, "x")
			matches(t, "the protocol", p.more.Wait(ctx), nil)
			tr.Close()
			_, err = p.lost.Await(ctx)
			matches(t, "the end", err, nil)
		}},
		{"nothing", func(t *testing.T, ctx context.Context, l *aio.Loop, fd, _, _ int) {
			matches(t, "AddReader", l.AddReader(fd, nop), unix.EBADF)
			pollRemove(t, l.RemoveReader, fd, true)
		}},
	} {
		for _, both := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", c.name, both), func(t *testing.T) {
				l, _ := pollLoop(t)
				err := runMain(l, func(ctx context.Context) error {
					old, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
					if err != nil {
						return err
					}
					defer unix.Close(old[1])
					fd := old[0]
					stays, peer := pollPair(t)
					pollAdd(t, l.AddReader, fd, func() { t.Error("the first callback was called") })
					if both {
						pollAdd(t, l.AddWriter, fd, nop)
					}
					unix.Close(fd)
					c.next(t, ctx, l, fd, stays, peer)
					return nil
				})
				matches(t, "the run", err, nil)
			})
		}
	}
}

// pollMove duplicates a descriptor to the given number, which is free.
func pollMove(t *testing.T, from, to int) {
	t.Helper()
	if n, err := unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, to); n != to {
		t.Fatalf("got the number %d, want %d: %v", n, to, err)
	}
}

// pollNumber returns the descriptor number of a transport.
func pollNumber(t *testing.T, tr aio.Transport) int {
	t.Helper()
	fd := -1
	raw, err := tr.GetExtraInfo("socket").(*aio.TransportSocket).SyscallConn()
	if err == nil {
		err = raw.Control(func(n uintptr) { fd = int(n) })
	}
	matches(t, "SyscallConn", err, nil)
	return fd
}
