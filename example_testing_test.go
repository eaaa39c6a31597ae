package aio_test

// The Go code of docs/testing.md, which contains it word for word.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// retry calls f until it succeeds, at most five times, with exponentially growing
// pauses.
func retry(ctx context.Context, f func(ctx context.Context) error) error {
	pause := time.Second
	for try := 1; ; try++ {
		err := f(ctx)
		if err == nil || errors.Is(err, aio.ErrCancelled) || try == 5 {
			return err
		}
		if err := aio.Sleep(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
}

func TestRetryPauses(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		var at []time.Duration
		start, errDown := loop.Time(), errors.New("down")
		err = retry(ctx, func(context.Context) error {
			at = append(at, loop.Time().Sub(start))
			return errDown
		})
		if !errors.Is(err, errDown) {
			t.Errorf("retry: %v", err)
		}
		if want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("f was called after %v", at)
		}
		return nil
	})
}

func TestRetryIsCancelled(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		tries := 0
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return retry(ctx, func(context.Context) error {
				tries++
				return errors.New("down")
			})
		}))
		if err := aio.Sleep(ctx, 2*time.Second); err != nil {
			// during the second pause
			return err
		}
		task.Cancel()
		if _, err := task.Await(ctx); !errors.Is(err, aio.ErrCancelled) || tries != 2 {
			t.Errorf("after %d tries: %v", tries, err)
		}
		return nil
	})
}

func TestStepsInOrder(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var steps []string
		step := func(name string) func(context.Context) error {
			return func(ctx context.Context) error {
				for i := range 2 {
					steps = append(steps, fmt.Sprint(name, i))
					if err := aio.Sleep(ctx, 0); err != nil {
						return err
					}
				}
				return nil
			}
		}
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(step("a"))
			tg.Go(step("b"))
			return nil
		})
		if want := []string{"a0", "b0", "a1", "b1"}; !slices.Equal(steps, want) {
			t.Errorf("the steps were %v", steps)
		}
		return err
	})
}

func TestSlowQueryTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		query := func(ctx context.Context) (string, error) {
			select {
			case <-time.After(time.Hour):
				return "rows", nil
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
		}
		start := time.Now()
		err := aio.Run(func(ctx context.Context) error {
			return aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
				_, err := aio.ToThread(ctx, query)
				return err
			})
		})
		if !errors.Is(err, aio.ErrTimeout) || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestServerWithoutSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		go func() {
			defer client.Close()
			time.Sleep(time.Minute) // simulates a slow client
			fmt.Fprint(client, "hello\n")
			if answer, err := io.ReadAll(client); string(answer) != "hello\n" || err != nil {
				t.Errorf("the answer is %q, %v", answer, err)
			}
		}()
		err := aio.Run(func(ctx context.Context) error {
			r, w, err := aio.OpenConnection(ctx, "", &aio.ConnectionOptions{Conn: server})
			if err != nil {
				return err
			}
			line, err := r.ReadLine(ctx)
			if err != nil {
				return err
			}
			w.Write(line)
			w.Close()
			return w.WaitClosed(ctx)
		})
		if err != nil {
			t.Error(err)
		}
	})
}
