//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio_test

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// LOOP-331: after a cancellation the poller does not watch the descriptor, and the
// position is exact.
func TestSockSendfileCancelledOnDescriptor(t *testing.T) {
	needsSendfile(t)
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		a, b := pollPair(t)
		f, data := sendfileFile(t, sendfileMuch)
		sending := spawn(ctx, func(ctx context.Context) error {
			_, err := aio.SockSendfile(ctx, a, f, &aio.SendfileOptions{NoFallback: true})
			return err
		})
		if err := aio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		sending.Cancel()
		_, err := sending.Await(ctx)
		matches(t, "the transfer", err, aio.ErrCancelled)
		pollRemove(t, l.RemoveWriter, a, false)
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		unix.Shutdown(a, unix.SHUT_WR)
		got, err := recvAll(ctx, b, int(at))
		same(t, "what was sent", string(got) == string(data[:at]) && int(at) < len(data), true)
		rest, rerr := aio.SockRecv(ctx, b, 10)
		same(t, "more than that", len(rest), 0)
		return errors.Join(err, rerr)
	})
}

// LOOP-329
func TestSockSendfileRefusesBlockingDescriptor(t *testing.T) {
	needsSendfile(t)
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		l.SetDebug(true)
		a, _ := pollPair(t)
		if err := unix.SetNonblock(a, false); err != nil {
			return err
		}
		f, _ := sendfileFile(t, 10)
		_, err := aio.SockSendfile(ctx, a, f, nil)
		matches(t, "SockSendfile", err, aio.ErrUsage)
		sendfileAt(t, f, 5)
		return nil
	})
}

// LOOP-332: if the first system call fails, the reason may be one that a fallback to
// reading avoids.
func TestSockSendfileSystemFails(t *testing.T) {
	needsSendfile(t)
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		unconnected := newSocket(t, unix.AF_INET, unix.SOCK_STREAM)
		f, _ := sendfileFile(t, 10)
		for _, noFallback := range []bool{true, false} {
			sent, err := aio.SockSendfile(ctx, unconnected, f, &aio.SendfileOptions{NoFallback: noFallback})
			same(t, "sent", sent, 0)
			same(t, "it is not available", errors.Is(err, aio.ErrSendfileNotAvailable), noFallback)
			var no *os.SyscallError
			same(t, "the error is a system error", errors.As(err, &no), true)
			sendfileAt(t, f, 5)
		}
		return nil
	})
}

// The transfer ends if the file becomes shorter.
func TestSockSendfileOfShrinkingFile(t *testing.T) {
	needsSendfile(t)
	inRealLoop(t, func(ctx context.Context, l *aio.Loop) error {
		a, b := pollPair(t)
		f, data := sendfileFile(t, sendfileMuch)
		sending := aio.CreateTask(ctx, func(ctx context.Context) (int64, error) { return aio.SockSendfile(ctx, a, f, nil) })
		if err := aio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		if err := os.Truncate(f.Name(), 1<<20); err != nil {
			return err
		}
		got, err := recvAll(ctx, b, 1<<20)
		same(t, "what arrives", string(got) == string(data[:1<<20]), true)
		sent, serr := sending.Await(ctx)
		same(t, "sent", sent, 1<<20)
		sendfileAt(t, f, 1<<20)
		return errors.Join(err, serr)
	})
}

// needsSendfile skips a test if the system cannot send files over sockets.
func needsSendfile(t *testing.T) {
	t.Helper()
	switch runtime.GOOS {
	case "linux", "darwin", "freebsd":
	default:
		t.Skip("this system has no sendfile")
	}
}
