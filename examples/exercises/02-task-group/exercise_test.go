package exercise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/examples/exercises/internal/check"
)

// delays are the times that the documents take.
var delays = map[string]time.Duration{"news": 3 * time.Second, "weather": time.Second, "sports": 2 * time.Second}

// site counts the calls that have not ended.
type site struct {
	running int
	fail    map[string]error
}

func (s *site) fetch(ctx context.Context, name string) (string, error) {
	s.running++
	defer func() { s.running-- }()
	if err := aio.Sleep(ctx, delays[name]); err != nil {
		return "", err
	}
	if err := s.fail[name]; err != nil {
		return "", err
	}
	return "the " + name, nil
}

func TestConcurrentAndInOrder(t *testing.T) {
	check.Lesson{
		Idea: "Tasks overlap their waiting times: the whole takes as long as the slowest. They\nend in any order, so each result needs its own place.",
		Read: "docs/tour.md, Concurrency",
	}.Run(t, func(ctx context.Context) error {
		clock := check.Clock(ctx)
		got, err := FetchAll(ctx, []string{"news", "weather", "sports"}, (&site{}).fetch)
		if err != nil {
			return err
		}
		if want := []string{"the news", "the weather", "the sports"}; !slices.Equal(got, want) {
			return fmt.Errorf("the texts are %q, want %q", got, want)
		}
		if clock() != 3*time.Second {
			return fmt.Errorf("three documents that take 3s, 1s and 2s took %v together, want 3s", clock())
		}
		return nil
	})
}

func TestNothingToFetch(t *testing.T) {
	check.Lesson{Idea: "A group without tasks ends at once."}.Run(t, func(ctx context.Context) error {
		got, err := FetchAll(ctx, nil, (&site{}).fetch)
		if len(got) != 0 || err != nil {
			return fmt.Errorf("without names, FetchAll returned %q and the error %v", got, err)
		}
		return nil
	})
}

func TestOneFails(t *testing.T) {
	check.Lesson{
		Idea: "A task group owns its tasks: when one fails, it cancels the others, waits until\nthey have ended, and returns the errors. Gather returns at the first error and leaves\nthe others running.",
		Read: "docs/tour.md, Task groups",
	}.Run(t, func(ctx context.Context) error {
		clock := check.Clock(ctx)
		errDown := errors.New("down")
		s := &site{fail: map[string]error{"weather": errDown}}
		_, err := FetchAll(ctx, []string{"news", "weather", "sports"}, s.fetch)
		if !errors.Is(err, errDown) {
			return fmt.Errorf("the weather failed with %q, and FetchAll returned the error %v", errDown, err)
		}
		if s.running > 0 {
			return fmt.Errorf("the weather failed, and %d fetches still run after FetchAll has returned", s.running)
		}
		if clock() != time.Second {
			return fmt.Errorf("the weather failed after 1s, and FetchAll returned after %v", clock())
		}
		return nil
	})
}

func TestCancelledEverywhere(t *testing.T) {
	check.Lesson{
		Idea: "Whoever cancels the caller of FetchAll wants all of its work to end. A task group\npasses a cancellation on to its tasks.",
		Read: "docs/tour.md, Task groups",
	}.Cancel(t, func(ctx context.Context, c *aiotest.Cancelled) error {
		s := &site{}
		err := c.Do(ctx, func(ctx context.Context) error {
			_, err := FetchAll(ctx, []string{"news", "weather", "sports"}, s.fetch)
			return err
		})
		if s.running > 0 {
			return fmt.Errorf("FetchAll was cancelled, and %d fetches still run after it has returned", s.running)
		}
		if c.Happened() && aio.IsCancellation(err) {
			return nil
		}
		return err
	})
}
