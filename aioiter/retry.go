package aioiter

import (
	"context"
	"iter"

	"github.com/goaio/aio/aiokit"
)

// Retry starts s again when it fails, after the pauses of opts. Each item resets the
// pauses and attempts. Items that a restarted source yields again are yielded again, so
// Retry is for sources that resume where they were, as a subscription does. The error
// is that of [aiokit.Retry]. nil options mean the defaults. It panics if s is nil.
func Retry[T any](s Stream[T], opts *aiokit.RetryOptions) Stream[T] {
	check("Retry", s)
	return func(ctx context.Context) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			pauses, err := aiokit.NewBackoff(ctx, opts)
			for err == nil {
				failure := error(nil)
				for v, err := range s(ctx) {
					if failure = err; err != nil {
						break
					}
					pauses.Reset()
					if !yield(v, nil) {
						return
					}
				}
				if failure == nil {
					return
				}
				err = pauses.Wait(ctx, failure)
			}
			fail(yield, err)
		}
	}
}
