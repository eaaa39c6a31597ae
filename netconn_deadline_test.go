package aio_test

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// Deadlines use the time of package time, and reads and writes have separate ones.
func TestConnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := aio.Run(func(ctx context.Context) error {
			a, b := net.Pipe()
			defer b.Close()
			c := connOver(t, ctx, a)
			start := time.Now()
			c.SetDeadline(start.Add(time.Hour))
			c.SetWriteDeadline(time.Time{})
			_, err := c.Read(make([]byte, 1))
			var ne net.Error
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
				t.Errorf("Read: %v", err)
			}
			if want := "read pipe pipe->pipe: i/o timeout"; err.Error() != want {
				t.Errorf("the text is %q, want %q", err, want)
			}
			if took := time.Since(start); took != time.Hour {
				t.Errorf("it took %v", took)
			}
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the second Read: %v", err)
			}
			if n, err := c.Write([]byte("x")); n != 1 || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
			// A deadline can be moved during a read.
			c.SetReadDeadline(time.Now().Add(time.Minute))
			mover := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				if err := aio.Sleep(ctx, 30*time.Second); err != nil {
					return err
				}
				c.SetReadDeadline(time.Now().Add(time.Minute))
				return nil
			}))
			start = time.Now()
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 90*time.Second {
				t.Errorf("Read: %v after %v", err, time.Since(start))
			}
			c.SetReadDeadline(time.Time{})
			go b.Write([]byte("y"))
			wantRead(t, c, "y")
			if err := aio.Timeout(ctx, time.Second, func(context.Context) error {
				_, err := c.Read(make([]byte, 1))
				return err
			}); err != aio.ErrTimeout {
				t.Errorf("Read in a Timeout: %v", err)
			}
			_, err = mover.Await(ctx)
			return errors.Join(err, c.Close())
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// With a virtual clock, the remaining time until a deadline passes in virtual time.
func TestConnVirtualDeadline(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		a, b := net.Pipe()
		defer b.Close()
		c := connOver(t, ctx, a)
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		start := l.Time()
		c.SetReadDeadline(time.Now().Add(1000 * time.Hour))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v", err)
		}
		if took := l.Time().Sub(start).Round(time.Hour); took != 1000*time.Hour {
			t.Errorf("it took %v", took)
		}
		c.SetReadDeadline(time.Now().Add(1000 * time.Hour))
		return c.Close() // Close stops the timer
	})
}
