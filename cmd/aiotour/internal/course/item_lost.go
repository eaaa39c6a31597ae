package course

import (
	"context"
	"fmt"
	"slices"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// workshop gives one job to a worker that may be cancelled, and the jobs that are left
// in the queue to another worker.
func workshop(ctx context.Context, s *play.Scene, work func(ctx context.Context, jobs *aio.Queue[string], do func(ctx context.Context, job string) error) error) error {
	jobs := aio.NewQueue[string](0)
	var done []string
	s.Show("jobs", jobs)
	s.Show("done", &done)
	if err := jobs.PutNowait("chair"); err != nil {
		return err
	}
	do := func(ctx context.Context, job string) error {
		if err := s.Answer(ctx, "the glue dries"); err != nil {
			return err
		}
		done = append(done, job)
		return nil
	}
	worker := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		return work(ctx, jobs, do)
	}), aio.WithName("worker"))
	s.After(ctx, 3, "the worker goes home", func() { worker.Cancel() })
	if err := ended(ctx, worker); err != nil {
		return err
	}
	for !jobs.Empty() { // the next shift
		job, err := jobs.GetNowait()
		if err != nil {
			return err
		}
		done = append(done, job)
	}
	if !slices.Equal(done, []string{"chair"}) {
		return fmt.Errorf("done: %v, want [chair]", done)
	}
	return nil
}

func itemLost(ctx context.Context, s *play.Scene) error {
	return workshop(ctx, s, func(ctx context.Context, jobs *aio.Queue[string], do func(ctx context.Context, job string) error) error {
		job, err := jobs.Get(ctx)
		if err != nil {
			return err
		}
		return do(ctx, job)
	})
}

func itemLostPutBack(ctx context.Context, s *play.Scene) error {
	return workshop(ctx, s, func(ctx context.Context, jobs *aio.Queue[string], do func(ctx context.Context, job string) error) error {
		job, err := jobs.Get(ctx)
		if err != nil {
			return err
		}
		err = do(ctx, job)
		if err != nil {
			_ = jobs.PutNowait(job) // never full: the queue has no limit
		}
		return err
	})
}

func itemLostFirst(ctx context.Context, s *play.Scene) error {
	return workshop(ctx, s, func(ctx context.Context, jobs *aio.Queue[string], do func(ctx context.Context, job string) error) error {
		job, err := jobs.Get(ctx)
		if err != nil {
			return err
		}
		// a copy remains in the queue until the job is done
		_ = jobs.PutNowait(job)
		if err := do(ctx, job); err != nil {
			return err
		}
		_, err = jobs.GetNowait()
		return err
	})
}

func itemLostShield(ctx context.Context, s *play.Scene) error {
	return workshop(ctx, s, func(ctx context.Context, jobs *aio.Queue[string], do func(ctx context.Context, job string) error) error {
		job, err := jobs.Get(ctx)
		if err != nil {
			return err
		}
		making := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return do(ctx, job)
		}), aio.WithName("making"))
		_, err = aio.Shield(ctx, making).Await(ctx) // making is not awaited
		return err
	})
}
