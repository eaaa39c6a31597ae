package blocking

import (
	"context"
	"net/http"
	"os/exec"
	"sync"
	"time"

	"github.com/goaio/aio"
)

func wrong(ctx context.Context, ch chan int, wg *sync.WaitGroup) error {
	time.Sleep(time.Second)                   // want `time.Sleep blocks the loop: use Sleep`
	<-ch                                      // want `a receive blocks the loop: use Receive`
	<-ctx.Done()                              // want `a receive blocks the loop`
	wg.Wait()                                 // want `wg.Wait blocks the loop: use a TaskGroup`
	resp, err := http.Get("http://localhost") // want `http.Get blocks the loop: use aiohttp.Client or ToThread`
	if err != nil {
		return err
	}
	resp.Body.Close()
	for v := range ch { // want `a receive blocks the loop`
		_ = v
	}
	select { // want `a select without a default blocks the loop`
	case <-ch:
	case <-ctx.Done():
	}
	return aio.Sleep(ctx, 1)
}

func wrongBody(ctx context.Context, l *aio.Loop, cmd *exec.Cmd) {
	aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		time.Sleep(2 * time.Second) // want `time.Sleep blocks the loop`
		return cmd.Run()            // want `cmd.Run blocks the loop: use CreateSubprocessExec`
	}))
	l.CallSoon(func() {
		time.Sleep(time.Second) // want `time.Sleep blocks the loop`
	})
	aio.CreateTask(ctx, aio.NoResult(named))
}

func named(ctx context.Context) error {
	time.Sleep(time.Millisecond) // want `time.Sleep blocks the loop`
	return nil
}

func rightThread(ctx context.Context) error {
	_, err := aio.ToThread(ctx, func(ctx context.Context) (int, error) {
		time.Sleep(time.Second)
		<-ctx.Done()
		return 1, nil
	})
	return err
}

func rightGoroutine(ctx context.Context, ch chan int) error {
	go func() {
		time.Sleep(time.Second)
		ch <- 1
	}()
	_, _, err := aio.Receive(ctx, ch)
	return err
}

func rightNoTask(ch chan int) int {
	time.Sleep(time.Second)
	return <-ch
}

func rightPoll(ctx context.Context, ch chan int) error {
	select {
	case <-ch:
	default:
	}
	return aio.Sleep(ctx, 1)
}

func rightAwait(ctx context.Context) error { return aio.Sleep(ctx, time.Second) }

// The names that a fix needs mean something else.
func wrongHidden(ctx context.Context) error {
	if ctx := 5; ctx > 0 {
		time.Sleep(time.Second) // want `time.Sleep blocks the loop`
	}
	if aio := 5; aio > 0 {
		time.Sleep(time.Second) // want `time.Sleep blocks the loop`
	}
	return aio.Sleep(ctx, 1)
}
