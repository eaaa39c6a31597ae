package aiokit_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aioiter"
)

func batchesHand(sources []aioiter.Stream[string], limit time.Duration, n, size int, parse func(ctx context.Context, line string) (int, error)) aioiter.Stream[[]int] {
	return func(ctx context.Context) iter.Seq2[[]int, error] {
		return func(yield func([]int, error) bool) {
			type line struct {
				text  string
				taken *aio.Event
			}
			lines := aio.NewQueue[line](0)
			parsed := aio.NewQueue[*aio.Task[int]](0)
			places := aio.NewSemaphore(n)
			var tasks []aio.AnyFuture
			defer func() { _ = aio.CancelAndWait(ctx, tasks...) }()
			var failure error
			left := len(sources)
			for _, s := range sources {
				tasks = append(tasks, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) (err error) {
					defer func() {
						if left--; err != nil && failure == nil {
							failure = err
						}
						if left == 0 || err != nil {
							lines.Shutdown(err != nil)
						}
						err = nil
					}()
					it := aio.Pull(ctx, s)
					defer func() { _ = aio.Shielded(ctx, it.Close) }()
					for {
						var text string
						var ok bool
						err := aio.Timeout(ctx, limit, func(ctx context.Context) (err error) {
							text, ok, err = it.Next(ctx)
							return err
						})
						if err != nil || !ok {
							return err
						}
						taken := new(aio.Event)
						if err := lines.PutNowait(line{text, taken}); err != nil {
							return nil
						}
						if err := taken.Wait(ctx); err != nil {
							return err
						}
					}
				})))
			}
			tasks = append(tasks, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				defer parsed.Shutdown(false)
				var taken *aio.Event
				for {
					if err := places.Acquire(ctx); err != nil {
						return err
					}
					if taken != nil {
						taken.Set()
					}
					l, err := lines.Get(ctx)
					if err != nil {
						if errors.Is(err, aio.ErrQueueShutDown) {
							return nil
						}
						return err
					}
					taken = l.taken
					call := aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return parse(ctx, l.text) })
					tasks = append(tasks, call)
					if err := parsed.PutNowait(call); err != nil {
						return err
					}
				}
			})))
			var batch []int
			for {
				call, err := parsed.Get(ctx)
				if errors.Is(err, aio.ErrQueueShutDown) {
					break
				}
				if err == nil {
					var v int
					if v, err = call.Await(ctx); err == nil {
						batch = append(batch, v)
						places.Release()
					}
				}
				if err != nil {
					yield(nil, err)
					return
				}
				if len(batch) == size {
					if !yield(batch, nil) {
						return
					}
					batch = nil
				}
			}
			if failure != nil {
				yield(nil, failure)
			} else if batch != nil {
				yield(batch, nil)
			}
		}
	}
}

func runJobsHand(ctx context.Context, jobs []job, n int, rate *rateOf) (map[string]error, error) {
	failed := map[string]error{}
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return nil, err
	}
	var line aio.Lock
	tokens, at := float64(rate.n), loop.Time()
	each := rate.per / time.Duration(rate.n)
	turn := func(ctx context.Context) error {
		return line.With(ctx, func(ctx context.Context) error {
			for {
				now := loop.Time()
				tokens = min(float64(rate.n), tokens+float64(now.Sub(at))/float64(each))
				at = now
				if tokens > 1-1e-9 {
					tokens--
					return nil
				}
				if err := aio.Sleep(ctx, max(1, time.Duration((1-tokens)*float64(each)))); err != nil {
					return err
				}
			}
		})
	}
	queue := aio.NewQueue[job](0)
	for _, j := range jobs {
		if err := queue.PutNowait(j); err != nil {
			return nil, err
		}
	}
	queue.Shutdown(false)
	err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for range n {
			tg.Go(func(ctx context.Context) error {
				for j, err := range queue.All(ctx) {
					if err != nil {
						return err
					}
					pause := 100 * time.Millisecond
					for try := 1; ; try++ {
						if err := turn(ctx); err != nil {
							return err
						}
						err := aio.Timeout(ctx, j.limit, j.run)
						if err == nil {
							break
						}
						if errors.Is(err, aio.ErrCancelled) {
							return err
						}
						if errors.Is(err, aio.ErrUsage) {
							failed[j.name] = err
							break
						}
						if try == 3 {
							failed[j.name] = fmt.Errorf("aiokit: after 3 attempts: %w", err)
							break
						}
						if err := aio.Sleep(ctx, pause); err != nil {
							return err
						}
						pause *= 2
					}
				}
				return nil
			})
		}
		return nil
	})
	return failed, err
}

type mailHand struct {
	dial   dialer
	keep   time.Duration
	places *aio.Semaphore
	idle   []idleHand
	inUse  int
	closed bool
	empty  aio.Event
}

type idleHand struct {
	conn  *smtpConn
	since time.Time
}

func newMailHand(dial dialer, max int, keep time.Duration) mailer {
	return &mailHand{dial: dial, keep: keep, places: aio.NewSemaphore(max)}
}

func (m *mailHand) end(ctx context.Context, c *smtpConn) error {
	return aio.Shielded(ctx, func(ctx context.Context) error {
		_, err := aio.MoveOnAfter(ctx, time.Second, c.quit)
		c.w.Close()
		return err
	})
}

func (m *mailHand) expire(ctx context.Context) error {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return err
	}
	for len(m.idle) > 0 && loop.Time().Sub(m.idle[0].since) >= time.Minute {
		c := m.idle[0].conn
		m.idle = m.idle[1:]
		err = errors.Join(err, m.end(ctx, c))
	}
	return err
}

func (m *mailHand) connection(ctx context.Context) (*smtpConn, error) {
	if err := m.expire(ctx); err != nil {
		return nil, err
	}
	for len(m.idle) > 0 {
		c := m.idle[len(m.idle)-1].conn
		m.idle = m.idle[:len(m.idle)-1]
		err := c.noop(ctx)
		if err == nil {
			return c, nil
		}
		_ = m.end(ctx, c)
		if errors.Is(err, aio.ErrCancelled) {
			return nil, err
		}
	}
	return m.dial(ctx)
}

func (m *mailHand) with(ctx context.Context, body func(ctx context.Context, c *smtpConn) error) (err error) {
	if err := m.places.Acquire(ctx); err != nil {
		return err
	}
	m.inUse++
	defer func() {
		m.inUse--
		m.places.Release()
		if m.closed && m.inUse == 0 {
			m.empty.Set()
		}
	}()
	if m.closed {
		return errors.New("closed")
	}
	c, err := m.connection(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if (err == nil || refused(err)) && !m.closed {
			loop, e := aio.GetRunningLoop(ctx)
			if e != nil {
				err = errors.Join(err, e)
				return
			}
			m.idle = append(m.idle, idleHand{c, loop.Time()})
			if e := m.expire(ctx); e != nil {
				err = errors.Join(err, e)
			}
		} else if e := m.end(ctx, c); e != nil {
			err = errors.Join(err, e)
		}
	}()
	return body(ctx, c)
}

func (m *mailHand) send(ctx context.Context, msg message) error {
	pause := 100 * time.Millisecond
	for try := 1; ; try++ {
		err := m.with(ctx, func(ctx context.Context, c *smtpConn) error {
			return aio.FailAfter(ctx, time.Minute, func(ctx context.Context) error { return c.deliver(ctx, msg) })
		})
		if err == nil || errors.Is(err, aio.ErrCancelled) || !again(err) {
			return err
		}
		if try == 4 {
			return fmt.Errorf("aiokit: after 4 attempts: %w", err)
		}
		if err := aio.Sleep(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
}

func (m *mailHand) keepAlive(ctx context.Context) error {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return err
	}
	next := loop.Time().Add(m.keep)
	for {
		if err := aio.Sleep(ctx, next.Sub(loop.Time())); err != nil {
			return err
		}
		if err := m.with(ctx, func(context.Context, *smtpConn) error { return nil }); err != nil && !again(err) {
			return err
		}
		next = next.Add((loop.Time().Sub(next)/m.keep + 1) * m.keep)
	}
}

func (m *mailHand) close(ctx context.Context) error {
	m.closed = true
	var errs error
	for len(m.idle) > 0 {
		c := m.idle[len(m.idle)-1].conn
		m.idle = m.idle[:len(m.idle)-1]
		errs = errors.Join(errs, m.end(ctx, c))
	}
	if m.inUse > 0 {
		errs = errors.Join(errs, m.empty.Wait(ctx))
	}
	return errs
}
