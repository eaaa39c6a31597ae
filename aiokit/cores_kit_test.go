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
type mailKit struct {
	pool *aiokit.Pool[*smtpConn]
	keep time.Duration
}

func newMailKit(dial dialer, max int, keep time.Duration) mailer {
	return &mailKit{keep: keep, pool: aiokit.NewPool(aiokit.PoolOptions[*smtpConn]{
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
	return aiokit.Every(ctx, m.keep, func(ctx context.Context) error {
		err := m.pool.With(ctx, func(context.Context, *smtpConn) error { return nil })
		if again(err) {
			return nil
		}
		return err
	})
}

func (m *mailKit) close(ctx context.Context) error { return m.pool.Close(ctx) }

// A job scheduler with triggers: jobs that are due run concurrently, each with a time
// limit and several attempts. It saves its table periodically. At a shutdown the running
// jobs get some time to end.
type schedulerKit struct {
	jobTable
	scope aio.CancelScope // contains the running jobs
}

func (s *schedulerKit) run(ctx context.Context, body func(ctx context.Context) error) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		if _, err := aio.StartTask(ctx, tg, s.serve); err != nil {
			return err
		}
		return body(ctx)
	})
}

func (s *schedulerKit) shutdown(limit time.Duration) {
	s.stopped = true
	s.changed.Set()
	s.scope.SetTimeout(limit)
}

func (s *schedulerKit) serve(ctx context.Context, started func(struct{})) error {
	s.loop = aio.CurrentTask(ctx).GetLoop()
	return s.scope.Run(ctx, func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			saving := tg.Go(func(ctx context.Context) error { return aiokit.Every(ctx, 29*time.Second, s.save) })
			defer saving.Cancel()
			start := func(e *entry, times []time.Time) *aio.Task[struct{}] {
				return tg.Go(func(ctx context.Context) error { return s.execute(ctx, e, times) })
			}
			started(struct{}{})
			for !s.stopped {
				if _, err := aio.MoveOnAt(ctx, s.due(start), s.changed.Wait); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (s *schedulerKit) execute(ctx context.Context, e *entry, times []time.Time) error {
	for _, at := range times {
		if e.grace > 0 && s.loop.Time().Sub(at) > e.grace {
			s.report("missed", e)
			continue
		}
		err := aiokit.Retry(ctx, &aiokit.RetryOptions{Attempts: e.attempts, Pause: time.Second}, func(ctx context.Context) error {
			return aio.Timeout(ctx, e.limit, e.run)
		})
		switch {
		case err == nil:
			s.report("done", e)
		case errors.Is(err, aio.ErrCancelled):
			return err
		default:
			s.report(err.Error(), e)
		}
	}
	return nil
}

// A program of stream combinators: it merges feeds, with a time limit for each line, and
// starts a feed again when it fails. It looks the lines up, two at a time, and yields
// batches by time, each with the last setting that has been stable for some time.
func quotesKit(p *pipeline) aioiter.Stream[quotes] {
	var feeds []aioiter.Stream[string]
	for _, f := range p.feeds {
		feeds = append(feeds, aioiter.Retry(aioiter.Timeout(f, p.limit), &aiokit.RetryOptions{Attempts: 3, Pause: 10 * time.Millisecond}))
	}
	found := aioiter.Map(aioiter.Merge(feeds...), 2, p.lookup)
	return aioiter.Zip(windows(found, p.window), aioiter.Debounce(p.settings, p.quiet))
}

// windows yields the items of s in batches, one after each d in which items came.
func windows(s aioiter.Stream[string], d time.Duration) aioiter.Stream[[]string] {
	tick, end := new(string), new(string)
	ticks := func(ctx context.Context) iter.Seq2[*string, error] {
		return func(yield func(*string, error) bool) {
			for {
				if err := aio.Sleep(ctx, d); !yield(tick, err) || err != nil {
					return
				}
			}
		}
	}
	items := aioiter.Map(s, 1, func(_ context.Context, v string) (*string, error) { return &v, nil })
	marks := aioiter.Merge(aioiter.Chain(items, aioiter.Of(end)), ticks)
	return func(ctx context.Context) iter.Seq2[[]string, error] {
		return func(yield func([]string, error) bool) {
			var batch []string
			for v, err := range marks(ctx) {
				switch {
				case err != nil:
					yield(nil, err)
					return
				case v != tick && v != end:
					batch = append(batch, *v)
					continue
				case batch != nil && !yield(batch, nil):
					return
				case v == end:
					return
				}
				batch = nil
			}
		}
	}
}

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
