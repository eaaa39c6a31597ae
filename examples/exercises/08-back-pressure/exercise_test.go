package exercise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/examples/exercises/internal/check"
)

// site has jobs, and counts what runs.
type site struct {
	workers int
	jobs    int // number of jobs that next has not returned
	slow    time.Duration
	bad     int // number of the job that fails
	taking  bool
	running int
	most    int
	done    int
	wrong   error // the first broken rule
}

var errBad = errors.New("bad job")

func (s *site) rule(ok bool, format string, args ...any) {
	if !ok && s.wrong == nil {
		s.wrong = fmt.Errorf(format, args...)
	}
}

func (s *site) next(ctx context.Context) (int, error) {
	s.rule(!s.taking, "two tasks call next at the same time")
	s.rule(s.running < s.workers, "a job is taken while %d run, and there are %d workers", s.running, s.workers)
	s.taking = true
	defer func() { s.taking = false }()
	if err := aio.Sleep(ctx, s.slow); err != nil {
		return 0, err
	}
	if s.jobs == 0 {
		return 0, io.EOF
	}
	s.jobs--
	return s.jobs + 1, nil
}

func (s *site) do(ctx context.Context, job int) error {
	s.running++
	defer func() { s.running-- }()
	s.most = max(s.most, s.running)
	s.rule(s.running <= s.workers, "%d jobs run, and there are %d workers", s.running, s.workers)
	if err := aio.Sleep(ctx, 10*time.Second); err != nil {
		return err
	}
	if job == s.bad {
		return errBad
	}
	s.done++
	return nil
}

func (s *site) work(ctx context.Context) error {
	err := Work(ctx, s.workers, s.next, s.do)
	if s.wrong != nil {
		return s.wrong
	}
	if s.running > 0 {
		return fmt.Errorf("Work has returned, and %d jobs still run", s.running)
	}
	return err
}

var lesson = check.Lesson{
	Idea: "Back-pressure: what cannot be done yet stays where it is, and the producer waits. A\nlimit on the tasks, or on the queue between producer and consumer, does that.",
	Read: "docs/tour.md, Queues",
}

func TestLimit(t *testing.T) {
	lesson.Run(t, func(ctx context.Context) error {
		clock := check.Clock(ctx)
		s := &site{workers: 3, jobs: 30}
		if err := s.work(ctx); err != nil {
			return err
		}
		if s.done != 30 || s.most != 3 {
			return fmt.Errorf("%d of 30 jobs are done, up to %d at the same time, want 3", s.done, s.most)
		}
		if clock() != 100*time.Second {
			return fmt.Errorf("30 jobs of 10s took %v with 3 workers, want 1m40s", clock())
		}
		return nil
	})
}

func TestSlowSource(t *testing.T) {
	lesson.Run(t, func(ctx context.Context) error {
		s := &site{workers: 2, jobs: 5, slow: 3 * time.Second}
		if err := s.work(ctx); err != nil {
			return err
		}
		if s.done != 5 {
			return fmt.Errorf("%d of 5 jobs are done", s.done)
		}
		return nil
	})
}

func TestEveryOrder(t *testing.T) {
	lesson.Explore(t, func(ctx context.Context) error {
		s := &site{workers: 2, jobs: 3}
		if err := s.work(ctx); err != nil {
			return err
		}
		if s.done != 3 {
			return fmt.Errorf("%d of 3 jobs are done", s.done)
		}
		return nil
	})
}

func TestBadJob(t *testing.T) {
	check.Lesson{
		Idea: "A worker that ends with an error must not leave the others waiting for it.",
		Read: "docs/tour.md, Task groups",
	}.Run(t, func(ctx context.Context) error {
		s := &site{workers: 3, jobs: 30, bad: 29}
		if err := s.work(ctx); !errors.Is(err, errBad) {
			return fmt.Errorf("a job failed, and Work returned the error %v", err)
		}
		if s.done > 3 {
			return fmt.Errorf("a job of the first three failed, and %d were done", s.done)
		}
		return nil
	})
}

func TestCancelledEverywhere(t *testing.T) {
	check.Lesson{
		Idea: "A cancellation ends the jobs and the loop that takes them.",
		Read: "docs/tour.md, Cancellation",
	}.Cancel(t, func(ctx context.Context, c *aiotest.Cancelled) error {
		s := &site{workers: 2, jobs: 5, slow: time.Second}
		err := c.Do(ctx, s.work)
		if c.Happened() && aio.IsCancellation(err) {
			return nil
		}
		return err
	})
}
