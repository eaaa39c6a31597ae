// Package aioiter combines iterations that await: it merges, zips, maps, buffers and
// times them, as itertools does for plain iterations and aiostream for asynchronous
// ones in Python.
//
// # Streams
//
// A [Stream] is a function of a ctx that returns an iter.Seq2 of values and errors. The
// iterators of package aio are streams in their form without a ctx: queue.All,
// reader.Lines. An operator makes a new stream from others; nothing runs before a range
// loop iterates over it:
//
//	lines := aioiter.Merge(a.Lines, b.Lines)
//	lengths := aioiter.Map(aioiter.Timeout(lines, time.Minute), 4, measure)
//	for n, err := range lengths(ctx) {
//		...
//	}
//
// A stream ends with the first error: it yields the error, with a zero value, and then
// no more items. A stream that an operator returns follows this rule even if its source
// does not.
//
// # Tasks
//
// Merge, Zip, ZipAll, Buffer, Debounce and Map with a limit other than 1 run their
// sources in separate tasks; the other operators run them as part of the task that
// iterates. When the range loop ends, for any reason, these tasks are cancelled, and
// the loop returns only after they have ended. A cancellation of the consumer is never
// confused with one of a source: if a source, or a function that Map calls, ends with a
// cancellation that was not requested for the consumer, the error matches
// [ErrSourceCancelled] and not aio.ErrCancelled.
//
// The body of the range loop runs in the consumer's task, and an operator never
// interrupts it: an error of a source is yielded when the consumer asks for the next
// item.
//
// The operators behave like those of aiostream, with these differences. If several items
// wait for a slow consumer, [Merge] and [MapUnordered] yield the one that arrived first;
// aiostream prefers the first source. [Map] and MapUnordered read their source, and start
// calls, also while the consumer is busy; aiostream does so only while the consumer
// waits. An error of the source of Map is yielded after the results for the items before
// it; aiostream raises it at once. Sources of [Zip] are always closed before the loop
// returns; aiostream leaves one running if another fails or ends.
//
// All functions here that take streams panic with an error that matches aio.ErrUsage if
// one is nil. None of them awaits; iterating does. To take items one by one use
// aio.Pull.
package aioiter

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/goaio/aio"
)

// Stream is an asynchronous iteration that has not started. Whether it can be iterated
// more than once depends on its sources.
type Stream[T any] func(ctx context.Context) iter.Seq2[T, error]

// ErrSourceCancelled reports that a task of a source was cancelled, or ended with a
// cancellation, while the consumer was not cancelled.
var ErrSourceCancelled = errors.New("aioiter: a source was cancelled")

// misuse panics with an error that matches aio.ErrUsage.
func misuse(format string, args ...any) {
	panic(fmt.Errorf("%w: aioiter.%s", aio.ErrUsage, fmt.Sprintf(format, args...)))
}

func check[T any](call string, sources ...Stream[T]) {
	for i, s := range sources {
		if s == nil {
			misuse("%s: stream %d is nil", call, i)
		}
	}
}

// foreign converts the error of a task of an operator: a cancellation becomes an error
// that is not a cancellation of the consumer. Other errors are returned unchanged, also
// if they join a cancellation with another error.
func foreign(err error) error {
	if aio.IsCancellation(err) {
		return fmt.Errorf("%w: %v", ErrSourceCancelled, err)
	}
	return err
}

// entered returns an error that matches aio.ErrUsage if no task iterates. An iterator
// that makes tasks, or takes items one by one, yields this error.
func entered(ctx context.Context) error {
	if aio.CurrentTask(ctx) != nil {
		return nil
	}
	if _, err := aio.GetRunningLoop(ctx); err != nil {
		return err
	}
	return aio.ErrNoTask
}

// fail yields an error.
func fail[T any](yield func(T, error) bool, err error) {
	var zero T
	yield(zero, err)
}

// Of returns a stream of the given values. It does not await.
func Of[T any](values ...T) Stream[T] {
	return func(context.Context) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			for _, v := range values {
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

// FromSeq returns a stream of the values of seq. It does not await, so seq must not
// block. (aiostream: iterate)
func FromSeq[T any](seq iter.Seq[T]) Stream[T] {
	if seq == nil {
		misuse("FromSeq: the sequence is nil")
	}
	return func(context.Context) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			for v := range seq {
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

// Collect returns all items of s, and the error if s ends with one. (aiostream: list)
func Collect[T any](ctx context.Context, s Stream[T]) ([]T, error) {
	if s == nil {
		return nil, fmt.Errorf("%w: aioiter.Collect: the stream is nil", aio.ErrUsage)
	}
	var all []T
	for v, err := range s(ctx) {
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return all, nil
}

// Chain yields the items of all sources, one source after the other. A source starts
// when the one before it has ended. (aiostream: chain)
func Chain[T any](sources ...Stream[T]) Stream[T] {
	check("Chain", sources...)
	return func(ctx context.Context) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			for _, s := range sources {
				for v, err := range s(ctx) {
					if err != nil {
						fail(yield, err)
						return
					}
					if !yield(v, nil) {
						return
					}
				}
			}
		}
	}
}

// Chunk yields the items of s in slices of n; the last slice may be shorter. An error
// drops an incomplete slice. It panics if n is less than 1. (aiostream: chunks)
func Chunk[T any](s Stream[T], n int) Stream[[]T] {
	check("Chunk", s)
	if n < 1 {
		misuse("Chunk: %d items", n)
	}
	return func(ctx context.Context) iter.Seq2[[]T, error] {
		return func(yield func([]T, error) bool) {
			var chunk []T
			for v, err := range s(ctx) {
				if err != nil {
					fail(yield, err)
					return
				}
				if chunk = append(chunk, v); len(chunk) < n {
					continue
				}
				if !yield(chunk, nil) {
					return
				}
				chunk = nil
			}
			if chunk != nil {
				yield(chunk, nil)
			}
		}
	}
}

// Timeout ends s with aio.ErrTimeout if an item takes longer than d to arrive, measured
// from the moment the consumer asks for it. The source is cancelled in its await, and
// may clean up. With d zero or negative the source must not suspend; aio.NoTimeout sets
// no timeout. (aiostream: timeout)
func Timeout[T any](s Stream[T], d time.Duration) Stream[T] {
	check("Timeout", s)
	return func(ctx context.Context) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			if err := entered(ctx); err != nil {
				fail(yield, err)
				return
			}
			it := aio.Pull(ctx, s)
			// A cancellation that arrives while the source cleans up is
			// deferred: the loop that was left cannot return it.
			end := func() { _ = aio.Shielded(ctx, it.Close) }
			defer end()
			for {
				var v T
				var ok bool
				err := aio.Timeout(ctx, d, func(ctx context.Context) (err error) {
					v, ok, err = it.Next(ctx)
					return err
				})
				if err != nil {
					end()
					fail(yield, err)
					return
				}
				if !ok || !yield(v, nil) {
					return
				}
			}
		}
	}
}
