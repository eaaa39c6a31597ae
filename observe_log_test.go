package aio_test

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// newTestLogger returns a logger with the handler, and the log output. The numbers of
// loops, which depend on earlier tests, are replaced by N.
func newTestLogger() (log *slog.Logger, text func() string) {
	var mu sync.Mutex
	var buf bytes.Buffer
	plain := slog.NewTextHandler(&buf, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}})
	return slog.New(aio.NewLogHandler(plain)), func() string {
		mu.Lock()
		defer mu.Unlock()
		return regexp.MustCompile(`loop=\d+`).ReplaceAllString(buf.String(), "loop=N")
	}
}

func TestLogHandler(t *testing.T) {
	log, text := newTestLogger()
	err := aio.Run(func(ctx context.Context) error {
		aio.CurrentTask(ctx).SetName("main")
		log.InfoContext(ctx, "in a task", "a", 1)
		if _, err := aio.ToThread(ctx, func(ctx context.Context) (int, error) {
			log.InfoContext(ctx, "in a thread")
			return 0, nil
		}); err != nil {
			return err
		}
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		l.CallSoon(func() { log.InfoContext(l.Context(), "in a callback") })
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		if err := aio.Timeout(ctx, time.Hour, func(ctx context.Context) error {
			sub, stop := context.WithCancel(context.WithValue(ctx, testKey{}, 1))
			defer stop()
			log.InfoContext(sub, "in a scope")
			return nil
		}); err != nil {
			return err
		}
		log.With("x", 1).WithGroup("g").With("y", 2).WithGroup("h").InfoContext(ctx, "in groups", "z", 3)
		log.WithGroup("").InfoContext(ctx, "in no group")
		log.Info("without a ctx", "b", 2)
		child, err := aio.CreateTask(ctx, func(ctx context.Context) (context.Context, error) { return ctx, nil }, aio.WithName("child")).Await(ctx)
		log.InfoContext(child, "after its end")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sameText(t, "the log", text(), `
msg="in a task" a=1 task=main loop=N
msg="in a thread" task=main loop=N
msg="in a callback" loop=N
msg="in a scope" task=main loop=N
msg="in groups" x=1 task=main loop=N g.y=2 g.h.z=3
msg="in no group" task=main loop=N
msg="without a ctx" b=2
msg="after its end" task=child loop=N`)
}

type testKey struct{}

// If a name changes while another goroutine logs, the record contains the old or the
// new name.
func TestLogHandlerWhileTheNameChanges(t *testing.T) {
	log, text := newTestLogger()
	err := aio.Run(func(ctx context.Context) error {
		me := aio.CurrentTask(ctx)
		me.SetName("old")
		logged := make(chan struct{})
		go func() {
			defer close(logged)
			for range 100 {
				log.InfoContext(ctx, "")
			}
		}()
		for range 100 {
			me.SetName("new")
		}
		<-logged
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text()) {
		if !strings.Contains(line, "task=old") && !strings.Contains(line, "task=new") {
			t.Fatal(line)
		}
	}
}

func TestLogHandlerMisuse(t *testing.T) {
	misused(t, "no handler", func() { aio.NewLogHandler(nil) })
}
