package aio_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// silent returns an address that does not respond to connection attempts: the queue of
// its listener is full.
func silent(t testing.TB) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", sa.(*unix.SockaddrInet4).Port)
	cnHang(t, fd, addr)
	return addr
}

// An attempt ends when the task is cancelled, when a Timeout expires, and when the
// context of the call is done.
func TestDialerCancelled(t *testing.T) {
	addr := silent(t)
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		d := &aio.Dialer{Loop: l}
		dial := func(ctx context.Context) error {
			c, err := d.DialContext(ctx, "tcp", addr)
			if err == nil {
				c.Close()
			}
			return err
		}
		task := aio.CreateTask(ctx, aio.NoResult(dial))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		task.Cancel()
		_, err = task.Await(ctx)
		matches(t, "a cancelled task", err, aio.ErrCancelled)
		matches(t, "a Timeout", aio.Timeout(ctx, time.Millisecond, dial), aio.ErrTimeout)
		short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		matches(t, "a foreign context", dial(short), context.DeadlineExceeded)
		got, err := aio.ToThread(ctx, func(context.Context) (error, error) { return dial(short), nil })
		matches(t, "a goroutine with a deadline", got, context.DeadlineExceeded)
		// Cancelled attempts of goroutines leave no task behind.
		eventually(t, ctx, "one task", func() bool { return len(aio.AllTasks(ctx)) == 1 })
		return err
	})
}
