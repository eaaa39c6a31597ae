package exercise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/examples/exercises/internal/check"
)

// ends are the two ends of a copy. Each call takes a second.
type ends struct {
	left      []string // lines still to be read
	readErr   error    // returned after the last line, instead of io.EOF
	stored    []string
	storeErr  error // returned for the line "bad"
	reading   int
	storing   int
	delayed   time.Duration // additional time for each store
	immediate bool          // reading takes no time
}

func (e *ends) read(ctx context.Context) (string, error) {
	e.reading++
	defer func() { e.reading-- }()
	if !e.immediate {
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return "", err
		}
	}
	if len(e.left) == 0 {
		if e.readErr != nil {
			return "", e.readErr
		}
		return "", io.EOF
	}
	line := e.left[0]
	e.left = e.left[1:]
	return line, nil
}

func (e *ends) store(ctx context.Context, line string) error {
	e.storing++
	defer func() { e.storing-- }()
	if err := aio.Sleep(ctx, time.Second+e.delayed); err != nil {
		return err
	}
	if line == "bad" {
		return e.storeErr
	}
	e.stored = append(e.stored, line)
	return nil
}

func (e *ends) copy(ctx context.Context) error { return Copy(ctx, e.read, e.store) }

func TestOverlaps(t *testing.T) {
	check.Lesson{
		Idea: "The consumer waits for an item that never comes, and no task is left to wake it. A producer\nthat ends must say so: Queue.Shutdown(false) lets the consumer take what is left, and\nthen ends its loop.",
		Read: "docs/tour.md, Queues",
	}.Run(t, func(ctx context.Context) error {
		clock := check.Clock(ctx)
		e := &ends{left: strings.Fields("a b c d e f")}
		if err := e.copy(ctx); err != nil {
			return err
		}
		if want := strings.Fields("a b c d e f"); !slices.Equal(e.stored, want) {
			return fmt.Errorf("stored %q, want %q", e.stored, want)
		}
		if clock() != 7*time.Second {
			return fmt.Errorf("reading six lines takes 7s with the end, and storing them 6s; Copy took %v, want 7s", clock())
		}
		return nil
	})
}

func TestSlowConsumer(t *testing.T) {
	check.Lesson{
		Idea: "Shutdown(true) throws away what is in the queue; Shutdown(false) does not.",
		Read: "docs/tour.md, Queues",
	}.Run(t, func(ctx context.Context) error {
		e := &ends{left: strings.Fields("a b c d"), delayed: time.Minute, immediate: true}
		if err := e.copy(ctx); err != nil {
			return err
		}
		if want := strings.Fields("a b c d"); !slices.Equal(e.stored, want) {
			return fmt.Errorf("stored %q, want %q", e.stored, want)
		}
		return nil
	})
}

func TestNothingToRead(t *testing.T) {
	check.Lesson{Idea: "The end can come before the first item."}.Run(t, func(ctx context.Context) error {
		return (&ends{}).copy(ctx)
	})
}

func TestFailures(t *testing.T) {
	check.Lesson{
		Idea: "If one side of a queue ends with an error, the other one would wait forever. A task\ngroup cancels it.",
		Read: "docs/tour.md, Task groups",
	}.Run(t, func(ctx context.Context) error {
		errLost, errFull := errors.New("connection lost"), errors.New("disk full")
		e := &ends{left: strings.Fields("a b"), readErr: errLost}
		if err := e.copy(ctx); !errors.Is(err, errLost) {
			return fmt.Errorf("reading failed with %q, and Copy returned the error %v", errLost, err)
		}
		e = &ends{left: strings.Fields("a bad c d e f g h i"), storeErr: errFull}
		if err := e.copy(ctx); !errors.Is(err, errFull) || len(e.stored) != 1 {
			return fmt.Errorf("storing failed with %q; Copy stored %q, and returned the error %v", errFull, e.stored, err)
		}
		if e.reading+e.storing > 0 {
			return errors.New("Copy has returned, and a read or store still runs")
		}
		return nil
	})
}

func TestCancelledEverywhere(t *testing.T) {
	check.Lesson{
		Idea: "A cancellation of Copy ends both sides.",
		Read: "docs/tour.md, Task groups",
	}.Cancel(t, func(ctx context.Context, c *aiotest.Cancelled) error {
		e := &ends{left: strings.Fields("a b c")}
		err := c.Do(ctx, e.copy)
		if e.reading+e.storing > 0 {
			return errors.New("Copy has returned, and a read or store still runs")
		}
		if c.Happened() && aio.IsCancellation(err) {
			return nil
		}
		return err
	})
}
