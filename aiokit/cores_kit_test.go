package aiokit_test

// The cores of three libraries, written with aiokit and aioiter. cores_hand_test.go
// contains the same with package aio only, and cores_test.go checks that both behave
// the same.

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aioiter"
	"github.com/goaio/aio/aiokit"
)

// A stream combinator library: it merges lines of several sources, with a time limit
// for each line of a source, parses up to n lines concurrently while keeping their
// order, and yields them in batches.
func batchesKit(sources []aioiter.Stream[string], limit time.Duration, n, size int, parse func(ctx context.Context, line string) (int, error)) aioiter.Stream[[]int] {
	var timed []aioiter.Stream[string]
	for _, s := range sources {
		timed = append(timed, aioiter.Timeout(s, limit))
	}
	return aioiter.Chunk(aioiter.Map(aioiter.Merge(timed...), n, parse), size)
}

// A job scheduler: n workers run jobs, each with a time limit and up to three attempts,
// under a rate limit, and the errors of all jobs are returned.
func runJobsKit(ctx context.Context, jobs []job, n int, rate *rateOf) (map[string]error, error) {
	failed := map[string]error{}
	limiter := aiokit.NewRateLimiter(rate.n, rate.per)
	err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		places := aiokit.NewCapacityLimiter(n)
		for _, j := range jobs {
			tg.Go(func(ctx context.Context) error {
				return places.With(ctx, func(ctx context.Context) error {
					err := aiokit.Retry(ctx, &aiokit.RetryOptions{Attempts: 3}, func(ctx context.Context) error {
						if err := limiter.Wait(ctx); err != nil {
							return err
						}
						return aio.Timeout(ctx, j.limit, j.run)
					})
					if err != nil && !errors.Is(err, aio.ErrCancelled) {
						failed[j.name] = err
						return nil
					}
					return err
				})
			})
		}
		return nil
	})
	return failed, err
}

// A mail client: it sends messages over a small connection pool, with a time limit. It
// tries again when a connection is lost or the server asks for it, keeps a connection
// alive, checks connections before it uses them, and sends QUIT on each at the end.
type mailKit struct{ pool *aiokit.Pool[*smtpConn] }

func newMailKit(dial dialer, max int) *mailKit {
	return &mailKit{aiokit.NewPool(aiokit.PoolOptions[*smtpConn]{
		Open:  dial,
		Check: func(ctx context.Context, c *smtpConn) error { return c.noop(ctx) },
		Close: func(ctx context.Context, c *smtpConn) error {
			_, err := aio.MoveOnAfter(ctx, time.Second, c.quit)
			c.w.Close()
			return err
		},
		Max:         max,
		IdleTimeout: time.Minute,
	})}
}

func (m *mailKit) send(ctx context.Context, msg message) error {
	return aiokit.Retry(ctx, &aiokit.RetryOptions{Attempts: 4, If: again}, func(ctx context.Context) error {
		return m.pool.With(ctx, func(ctx context.Context, c *smtpConn) error {
			err := aio.FailAfter(ctx, time.Minute, func(ctx context.Context) error { return c.deliver(ctx, msg) })
			if refused(err) {
				return aiokit.Keep(err)
			}
			return err
		})
	})
}

func (m *mailKit) keepAlive(ctx context.Context) error {
	return aiokit.Every(ctx, 20*time.Second, func(ctx context.Context) error {
		return m.pool.With(ctx, func(context.Context, *smtpConn) error { return nil })
	})
}

func (m *mailKit) close(ctx context.Context) error { return m.pool.Close(ctx) }

// sourceOf returns a stream that yields a line after each interval.
func sourceOf(interval time.Duration, lines ...string) aioiter.Stream[string] {
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for _, l := range lines {
				if err := aio.Sleep(ctx, interval); !yield(l, err) || err != nil {
					return
				}
			}
		}
	}
}
