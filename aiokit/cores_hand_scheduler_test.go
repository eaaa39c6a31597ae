package aiokit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/goaio/aio"
)

type schedulerHand struct {
	jobTable
	running []*aio.Task[struct{}]
	until   time.Time // the end of the running jobs, after shutdown
}

func (s *schedulerHand) run(ctx context.Context, body func(ctx context.Context) error) (err error) {
	if s.loop, err = aio.GetRunningLoop(ctx); err != nil {
		return err
	}
	serving := aio.CreateTask(ctx, aio.NoResult(s.serve))
	saving := aio.CreateTask(ctx, aio.NoResult(s.saveAll))
	defer func() {
		_ = aio.CancelAndWait(ctx, serving, saving)
		// serving has ended, so no more jobs are started
		_ = aio.CancelAndWait(ctx, s.running...)
	}()
	if err := body(ctx); err != nil {
		return err
	}
	if _, err := serving.Await(ctx); err != nil {
		return err
	}
	saving.Cancel()
	if len(s.running) > 0 {
		_, _, err = aio.Wait(ctx, slices.Clone(s.running), s.until.Sub(s.loop.Time()), aio.AllCompleted)
	}
	return err
}

func (s *schedulerHand) shutdown(limit time.Duration) {
	s.stopped, s.until = true, s.loop.Time().Add(limit)
	s.changed.Set()
}

func (s *schedulerHand) serve(ctx context.Context) error {
	start := func(e *entry, times []time.Time) *aio.Task[struct{}] {
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return s.execute(ctx, e, times) }))
		s.running = append(s.running, task)
		task.OnDone(func() {
			s.running = slices.DeleteFunc(s.running, func(t *aio.Task[struct{}]) bool { return t == task })
		})
		return task
	}
	for !s.stopped {
		if err := aio.TimeoutAt(ctx, s.due(start), s.changed.Wait); err != nil && !errors.Is(err, aio.ErrTimeout) {
			return err
		}
	}
	return nil
}

func (s *schedulerHand) saveAll(ctx context.Context) error {
	each := 29 * time.Second
	next := s.loop.Time().Add(each)
	for {
		if err := aio.Sleep(ctx, next.Sub(s.loop.Time())); err != nil {
			return err
		}
		if err := s.save(ctx); err != nil {
			return err
		}
		next = next.Add((max(0, s.loop.Time().Sub(next)/each) + 1) * each)
	}
}

func (s *schedulerHand) execute(ctx context.Context, e *entry, times []time.Time) error {
	for _, at := range times {
		if e.grace > 0 && s.loop.Time().Sub(at) > e.grace {
			s.report("missed", e)
			continue
		}
		pause := time.Second
		for attempt := 1; ; attempt++ {
			err := aio.Timeout(ctx, e.limit, e.run)
			if err == nil {
				s.report("done", e)
				break
			}
			if errors.Is(err, aio.ErrCancelled) {
				return err
			}
			if errors.Is(err, aio.ErrUsage) {
				s.report(err.Error(), e)
				break
			}
			if attempt == e.attempts {
				s.report(fmt.Sprintf("aiokit: after %d attempts: %v", attempt, err), e)
				break
			}
			if err := aio.Sleep(ctx, pause); err != nil {
				return err
			}
			pause = min(2*pause, 30*time.Second)
		}
	}
	return nil
}
