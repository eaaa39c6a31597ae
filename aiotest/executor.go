package aiotest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/goaio/aio"
)

// VirtualExecutor returns an executor that runs its jobs in the loop of ctx, as
// callbacks, at a time of the loop's clock. Explorations and sweeps run the jobs of
// ToThread in the same way. A job takes a millisecond, or a time that the run chooses,
// and is called at the end of that time. At most workers jobs run concurrently; they
// start in the order in which they were submitted. A job must not wait for a task of
// the loop: ConcurrentFuture.Result fails there with ErrWrongGoroutine.
//
// Use it in tests of programs that have their own executor, to replace that executor.
// It panics with ErrUsage if workers is not positive, and if ctx belongs to no running
// loop.
func VirtualExecutor(ctx context.Context, workers int) aio.Executor {
	if workers <= 0 {
		panic(usagef("VirtualExecutor: there must be a worker, not %d", workers))
	}
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		panic(fmt.Errorf("aiotest: VirtualExecutor: %w", err))
	}
	return &virtualExecutor{loop: loop, workers: workers}
}

// The token of its loop owns a virtualExecutor, except for down.
type virtualExecutor struct {
	loop    *aio.Loop
	workers int
	busy    int
	queue   []func()
	down    atomic.Bool // set by any goroutine
}

// jobTimes are the durations of a job, the default first.
var jobTimes = [...]time.Duration{time.Millisecond, 0, 10 * time.Millisecond, 100 * time.Millisecond}

// Submit implements aio.Executor.
func (e *virtualExecutor) Submit(job func()) error {
	if e.down.Load() {
		return usagef("Submit: the executor is shut down")
	}
	if e.busy == e.workers {
		e.queue = append(e.queue, job)
		return nil
	}
	e.start(job)
	return nil
}

func (e *virtualExecutor) start(job func()) {
	e.busy++
	e.loop.CallLater(jobTimes[chooseIn(e.loop, len(jobTimes), "job")], func() {
		defer func() {
			e.busy--
			if len(e.queue) > 0 {
				next := e.queue[0]
				e.queue = slices.Delete(e.queue, 0, 1)
				e.start(next)
			}
		}()
		job()
	})
}

// Shutdown implements aio.Executor. It does not wait: the jobs are steps of the loop that
// calls it.
func (e *virtualExecutor) Shutdown(bool) { e.down.Store(true) }

// InLoop implements plug.Executor.
func (e *virtualExecutor) InLoop() {}
