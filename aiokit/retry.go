package aiokit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/goaio/aio"
)

// RetryOptions are the settings of [Retry]. The zero value retries without limit, with
// pauses of 100 ms, 200 ms and so on up to 30 s.
type RetryOptions struct {
	// Attempts is the maximum number of calls; 0 means no limit.
	Attempts int
	// Timeout is the latest end of a pause, measured from the first call; 0 means
	// no limit. It does not interrupt a call: see aio.Timeout.
	Timeout time.Duration
	// Pause is the first pause; 0 means 100 ms. Each pause is Factor times the one
	// before, but at most MaxPause. Factor 0 means 2, MaxPause 0 means 30 s. A
	// factor of 1 makes all pauses equal.
	Pause    time.Duration
	Factor   float64
	MaxPause time.Duration
	// Jitter, from 0 to 1, is the random fraction of a pause: with 1 the pause is
	// any time between 0 and the full pause.
	Jitter float64
	// Rand returns random numbers from 0 to 1, exclusive; nil means math/rand/v2.
	Rand func() float64
	// If reports whether to retry after an error; nil retries after every error.
	If func(err error) bool
	// Before is called before each pause, for example to log it, with the number of
	// calls so far, the last error, and the pause.
	Before func(attempts int, err error, pause time.Duration)
}

// RetryError is the error of a [Retry] that has reached a limit.
type RetryError struct {
	Attempts int   // the number of calls
	Err      error // the error of the last call
}

func (e *RetryError) Error() string {
	return fmt.Sprintf("aiokit: after %d attempts: %v", e.Attempts, e.Err)
}

// Unwrap returns the error of the last call.
func (e *RetryError) Unwrap() error { return e.Err }

// final reports whether retrying is useless: the task was cancelled, the context of the
// caller is done, or the error is misuse. A cancellation that is joined with another
// error is a failure elsewhere, but another attempt would swallow the cancellation.
func final(ctx context.Context, err error) bool {
	return errors.Is(err, aio.ErrCancelled) || errors.Is(err, aio.ErrUsage) || errors.Is(err, aio.ErrLoopClosed) ||
		ctx.Err() != nil && errors.Is(err, ctx.Err())
}

// Retry calls f until it returns nil, and suspends the calling task between the calls.
// nil options mean the defaults; a nil f and invalid options are misuse.
//
// Retry returns the error of f unchanged if it is a cancellation, misuse or the error
// of ctx, or if it joins one of these with other errors, or if If returns false. It
// returns a [*RetryError] when Attempts or Timeout is reached, and the error of the
// pause if the task is cancelled in a pause.
//
// (Python: tenacity.retry)
func Retry(ctx context.Context, opts *RetryOptions, f func(ctx context.Context) error) error {
	if f == nil {
		return usagef("Retry: the function is nil")
	}
	b, err := newBackoff(ctx, opts)
	if err != nil {
		return err
	}
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if err := b.wait(ctx, err); err != nil {
			return err
		}
	}
}

// RetryResult is [Retry] for a function with a result.
func RetryResult[T any](ctx context.Context, opts *RetryOptions, f func(ctx context.Context) (T, error)) (v T, err error) {
	if f == nil {
		return v, usagef("RetryResult: the function is nil")
	}
	err = Retry(ctx, opts, func(ctx context.Context) (err error) {
		v, err = f(ctx)
		return err
	})
	if err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}

// Backoff provides the pauses of [Retry], for loops that do not consist of one call.
type Backoff struct {
	opts     RetryOptions
	loop     *aio.Loop
	until    time.Time // zero if there is no limit
	attempts int
	pause    time.Duration
}

// NewBackoff returns a [Backoff] with the pauses of opts, for the loop of ctx. The time
// of Timeout starts now. It never awaits. The errors are misuse.
func NewBackoff(ctx context.Context, opts *RetryOptions) (*Backoff, error) {
	return newBackoff(ctx, opts)
}

func newBackoff(ctx context.Context, opts *RetryOptions) (*Backoff, error) {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return nil, err
	}
	b := &Backoff{loop: loop}
	if opts != nil {
		b.opts = *opts
	}
	o := &b.opts
	if o.Attempts < 0 || o.Timeout < 0 || o.Pause < 0 || o.MaxPause < 0 || o.Factor < 0 || o.Jitter < 0 || o.Jitter > 1 {
		return nil, usagef("RetryOptions: %+v", *o)
	}
	o.Pause = cmp.Or(o.Pause, 100*time.Millisecond)
	o.Factor = cmp.Or(o.Factor, 2)
	o.MaxPause = cmp.Or(o.MaxPause, 30*time.Second)
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Timeout > 0 {
		b.until = loop.Time().Add(o.Timeout)
	}
	b.pause = o.Pause
	return b, nil
}

// Reset starts again with the first pause and the first attempt, after a success. It
// does not reset Timeout.
func (b *Backoff) Reset() { b.attempts, b.pause = 0, b.opts.Pause }

// Wait counts a failure, and suspends the calling task for the next pause. It returns
// nil if there should be another attempt, and otherwise the error that [Retry] would
// return.
func (b *Backoff) Wait(ctx context.Context, failure error) error {
	if failure == nil {
		return usagef("Backoff.Wait: the error is nil")
	}
	if b.loop == nil {
		return usagef("Backoff.Wait: make a Backoff with NewBackoff")
	}
	if err := entered(ctx); err != nil {
		return err
	}
	return b.wait(ctx, failure)
}

func (b *Backoff) wait(ctx context.Context, failure error) error {
	o := &b.opts
	b.attempts++
	if final(ctx, failure) || o.If != nil && !o.If(failure) {
		return failure
	}
	pause := min(b.pause, o.MaxPause)
	b.pause = time.Duration(min(float64(pause)*o.Factor, float64(o.MaxPause)))
	pause -= time.Duration(o.Jitter * o.Rand() * float64(pause))
	if b.attempts == o.Attempts || !b.until.IsZero() && b.loop.Time().Add(pause).After(b.until) {
		return &RetryError{b.attempts, failure}
	}
	if o.Before != nil {
		o.Before(b.attempts, failure, pause)
	}
	return aio.Sleep(ctx, pause)
}
