package aio_test

// What the default logger gets during a test.

import (
	"bytes"
	"log"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// logTo makes h the handler of the default logger until the test ends. The first logger
// of a program writes to package log, and slog.SetDefault redirects package log to the
// new logger. If only the first logger were restored, h would get all records of the
// tests that follow.
func logTo(t testing.TB, h slog.Handler) {
	before, flags, out := slog.Default(), log.Flags(), log.Writer()
	t.Cleanup(func() {
		slog.SetDefault(before)
		log.SetFlags(flags)
		log.SetOutput(out)
	})
	slog.SetDefault(slog.New(h))
}

// logText returns a function that returns the text that was logged since the call.
func logText(t testing.TB) func() string {
	var mu sync.Mutex
	var text bytes.Buffer
	logTo(t, slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return text.Write(p)
	}), nil))
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return text.String()
	}
}

// logLines returns a channel of the logged records that contain part: a loop of an
// earlier test may still log. Records that find the channel full are dropped.
func logLines(t testing.TB, part string) chan string {
	lines := make(chan string, 100)
	logTo(t, slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		if line := string(p); strings.Contains(line, part) {
			select {
			case lines <- line:
			default:
			}
		}
		return len(p), nil
	}), nil))
	return lines
}

// lineWith waits for a record that contains part, and returns it.
func lineWith(t testing.TB, lines chan string, part string) string {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case line := <-lines:
			if strings.Contains(line, part) {
				return line
			}
		case <-limit:
			t.Fatalf("no record with %q after %v", part, patience)
		}
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// quiet discards log records during a test.
func quiet(t testing.TB) { logTo(t, slog.DiscardHandler) }
