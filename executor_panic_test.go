package aio_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// endingExecutor calls end in each Shutdown.
type endingExecutor struct{ end func() }

func (endingExecutor) Submit(job func()) error { go job(); return nil }
func (e endingExecutor) Shutdown(bool)         { e.end() }

func TestShutdownOfAnExecutorThatPanics(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func()
		want error
	}{
		{"panic", func() { panic(aio.ErrQueueEmpty) }, aio.ErrQueueEmpty},
		{"Goexit", runtime.Goexit, aio.ErrGoexit},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, _ := newLoop(t)
			l.SetDefaultExecutor(endingExecutor{c.end})
			_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
				return l.ShutdownDefaultExecutor(ctx, aio.NoTimeout)
			}))
			matches(t, "ShutdownDefaultExecutor", err, c.want)
			l.SetDefaultExecutor(aio.NewThreadPoolExecutor(1))
		})
	}
}

func TestCloseWithAnExecutorThatPanics(t *testing.T) {
	l, reports := newLoop(t)
	l.SetDefaultExecutor(endingExecutor{func() { panic(aio.ErrQueueEmpty) }})
	matches(t, "Close", l.Close(), nil)
	if len(*reports) != 1 {
		t.Fatalf("reports: %v", *reports)
	}
	matches(t, "the report", (*reports)[0].Err, aio.ErrQueueEmpty)
	matches(t, "the context of the loop", l.Context().Err(), context.Canceled)
}

func TestPanicOfAJobOfAThreadPoolExecutor(t *testing.T) {
	log := logText(t)
	ex := aio.NewThreadPoolExecutor(1)
	done := make(chan struct{})
	matches(t, "Submit", ex.Submit(func() { panic("oops") }), nil)
	matches(t, "Submit", ex.Submit(func() { close(done) }), nil)
	<-done
	ex.Shutdown(true)
	if !strings.Contains(log(), "exception in a job of a ThreadPoolExecutor") {
		t.Errorf("logged: %s", log())
	}
}

func TestPanicOfAReportOfAWatchdog(t *testing.T) {
	log := logText(t)
	var mu sync.Mutex
	told := 0
	err := aio.Run(func(ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		stop := l.StartWatchdog(&aio.WatchdogOptions{Threshold: 2 * time.Millisecond, Report: func(aio.BlockedLoop) {
			mu.Lock()
			defer mu.Unlock()
			told++
			panic("oops")
		}})
		defer stop()
		for n := 1; n <= 2; n++ {
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
				mu.Lock()
				enough := told >= n
				mu.Unlock()
				if enough {
					break
				}
			}
		}
		return nil
	})
	matches(t, "Run", err, nil)
	mu.Lock()
	defer mu.Unlock()
	if told < 2 || !strings.Contains(log(), "exception in Report of a watchdog") {
		t.Errorf("reported %d times, logged: %s", told, log())
	}
}
