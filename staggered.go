package aio

import (
	"context"
	"errors"
	"slices"
	"time"
)

// RaceResult is the outcome of a StaggeredRace.
type RaceResult[T any] struct {
	// Value is the result of the winner.
	Value T
	// Index says which coroutine won, -1 if none did.
	Index int
	// Errors has an entry for each coroutine that was started, in that order: nil for
	// the winner, a *CancelledError for those that were cancelled because of it.
	Errors []error
}

var errSecondWinner = errors.New("aio: StaggeredRace: a coroutine that was cancelled succeeded all the same")

// StaggeredRace runs coroutines until the first of them succeeds, as Happy Eyeballs does
// with addresses: it starts one, and each further one when the one before has failed or
// has taken longer than delay. With NoTimeout they run one after another. When one
// succeeds the others are cancelled, and StaggeredRace returns when all have ended. A
// coroutine returns an error if it did not succeed, also if it was cancelled; one that is
// cancelled because another has won and then succeeds is misuse, and makes a *GroupError.
// A panic is a failure, with a *PanicError. That all fail is no error.
//
// If the calling task is cancelled, so are the coroutines that run, each time anew, and
// the result is a *CancelledError once they have ended. (asyncio:
// staggered.staggered_race)
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
				// or it would end each further await at once
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

// race is a StaggeredRace under way.
type race[T any] struct {
	RaceResult[T]
	parent  AnyTask // that waits for all
	delay   time.Duration
	coros   []Coro[T] // not started yet
	running []*Task[struct{}]
	over    *Future[struct{}] // settled when the last of running ends
	bugs    []error
}

// start makes the task that will run the next coroutine, once previous has failed or was
// slow.
func (r *race[T]) start(ctx context.Context, previousFailed *Event) {
	// A task that starts eagerly must not go on before it is in the list.
	var listed Event
	t := CreateTask(ctx, NoResult(func(ctx context.Context) error {
		if err := listed.Wait(ctx); err != nil {
			return err
		}
		return r.runNext(ctx, previousFailed)
	}))
	t.addAwaiter(r.parent) // the callback below does not tell
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

// runNext runs the next coroutine, and has the one after it wait in its turn.
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

// call runs coro. A panic is a failure like any other: the next one has its turn.
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
