package aio

import (
	"context"
	"errors"
	"slices"
	"time"
)

// RaceResult is the outcome of a [StaggeredRace].
type RaceResult[T any] struct {
	// Value is the result of the winner.
	Value T
	// Index says which coroutine won, -1 if none did.
	Index int
	// Errors has an entry for each coroutine that was started, in that order: nil
	// for the winner, a [*CancelledError] for a coroutine that was cancelled
	// because another one won.
	Errors []error
}

var errSecondWinner = errors.New("aio: StaggeredRace: a coroutine that was cancelled has succeeded nevertheless")

// StaggeredRace runs coroutines until the first of them succeeds, as Happy Eyeballs
// does with addresses. It starts one, and the next one each time when the one before
// has failed or has taken longer than delay. With [NoTimeout] they run one after
// another. When one succeeds the others are cancelled, and StaggeredRace returns when
// all are done. It is not an error if all fail.
//
// A coroutine must return an error if it did not succeed, also if it was cancelled; one
// that succeeds although it was cancelled because another has won is misuse, and
// results in a [*GroupError]. A panic is a failure, with a [*PanicError].
//
// If the calling task is cancelled, so are the running coroutines, again with each
// cancellation, and the error is a [*CancelledError] once they are done.
//
// (asyncio: staggered.staggered_race)
func StaggeredRace[T any](ctx context.Context, delay time.Duration, coros ...Coro[T]) (RaceResult[T], error) {
	r := race[T]{delay: delay, coros: coros}
	r.Index = -1
	e, err := enter(ctx, "StaggeredRace")
	if err != nil {
		return r.RaceResult, err
	}
	for i, coro := range coros {
		if coro == nil {
			return r.RaceResult, usagef("StaggeredRace", "coroutine %d is nil", i)
		}
	}
	r.parent = e.impl
	r.start(ctx, nil)
	var cancellation error
	for len(r.running) > 0 {
		r.over = newFuture[struct{}](e.fut.loop)
		if err := e.await(&r.over.future); err != nil {
			if !interrupted(err) {
				return r.RaceResult, err
			}
			cancellation = err
			c, ok := asCancelled(err)
			if !ok {
				// otherwise the ended context would end each further
				// await at once
				e.endCtx = nil
				c = &CancelledError{Cause: err}
			}
			r.cancelAllBut(nil, c)
		}
		r.over = nil
	}
	if len(r.bugs) > 0 {
		return r.RaceResult, &GroupError{Message: "staggered race failed", Errors: r.bugs}
	}
	return r.RaceResult, cancellation
}

// race is a StaggeredRace in progress.
type race[T any] struct {
	RaceResult[T]
	parent  AnyTask // the task that waits for all
	delay   time.Duration
	coros   []Coro[T] // not started yet
	running []*Task[struct{}]
	over    *Future[struct{}] // settled when the last of running ends
	bugs    []error
}

// start makes the task that will run the next coroutine, once the previous one has
// failed or delay has passed.
func (r *race[T]) start(ctx context.Context, previousFailed *Event) {
	// A task that starts eagerly must not continue before it is in the list.
	var listed Event
	t := CreateTask(ctx, NoResult(func(ctx context.Context) error {
		if err := listed.Wait(ctx); err != nil {
			return err
		}
		return r.runNext(ctx, previousFailed)
	}))
	// for the call graph, which does not see the callback below
	t.addAwaiter(r.parent)
	r.running = append(r.running, t)
	t.AddDoneCallback(func(f *Future[struct{}]) {
		r.running = slices.DeleteFunc(r.running, func(t *Task[struct{}]) bool { return &t.Future == f })
		if r.over != nil && len(r.running) == 0 && r.over.state == pending {
			r.over.settle(finished, nil)
		}
		if f.state == failed {
			r.bugs = append(r.bugs, f.thrown())
		}
	})
	listed.Set()
}

// runNext runs the next coroutine, and starts the task that waits for its failure or
// delay.
func (r *race[T]) runNext(ctx context.Context, previousFailed *Event) error {
	if previousFailed != nil {
		_, err := WaitFor(ctx, NoResult(previousFailed.Wait), r.delay)
		if err != nil && err != ErrTimeout {
			return err
		}
	}
	if len(r.coros) == 0 {
		return nil
	}
	coro := r.coros[0]
	r.coros = r.coros[1:]
	i := len(r.Errors)
	var failed Event
	r.start(ctx, &failed)
	r.Errors = append(r.Errors, nil)
	v, err := r.call(ctx, coro)
	switch {
	case err != nil:
		r.Errors[i] = err
		failed.Set()
	case r.Index >= 0:
		return errSecondWinner
	default:
		r.Value, r.Index = v, i
		r.cancelAllBut(CurrentTask(ctx), errCancelled)
	}
	return nil
}

// call runs coro. A panic counts as a failure, after which the next coroutine starts.
func (r *race[T]) call(ctx context.Context, coro Coro[T]) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicError(p)
		}
	}()
	return coro(ctx)
}

func (r *race[T]) cancelAllBut(t AnyTask, reason *CancelledError) {
	for _, other := range r.running {
		if AnyTask(other) != t {
			other.cancel(reason)
		}
	}
}
