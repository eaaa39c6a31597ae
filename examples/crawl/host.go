package main

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/goaio/aio"
)

// host is the state shared by the requests to one host.
type host struct {
	permits  *aio.Semaphore
	interval time.Duration // time between the starts of two requests
	next     time.Time     // earliest start of the next request, by the loop's clock
	robots   *aio.Task[robotsRules]
}

// host returns the host of u. The result is the same for equal hosts.
func (c *crawler) host(u *url.URL) *host {
	h := c.hosts[u.Host]
	if h == nil {
		h = &host{permits: aio.NewSemaphore(c.perHost)}
		if c.rate > 0 {
			h.interval = time.Duration(float64(time.Second) / c.rate)
		}
		c.hosts[u.Host] = h
	}
	return h
}

// robots returns what the robots.txt of the host of u says. The first caller starts the
// task that fetches the file; all callers wait for this task. A host without the file,
// or that does not respond, forbids nothing: if the host is down, the following
// requests report it.
func (c *crawler) robots(ctx context.Context, h *host, u *url.URL) (robotsRules, error) {
	if h.robots == nil {
		h.robots = aio.GoResult(c.tasks, func(ctx context.Context) (rules robotsRules, err error) {
			err = h.permits.With(ctx, func(ctx context.Context) (err error) {
				rules, _, err = request(ctx, c, h, func(ctx context.Context) (robotsRules, error) {
					return c.web.robots(ctx, u)
				})
				return err
			})
			if errors.Is(err, aio.ErrCancelled) {
				return nil, err
			}
			return rules, nil
		})
	}
	return h.robots.Await(ctx)
}

// request waits for a start time, makes a request to h, and returns how long it took.
// The caller must already hold a permit. If it waited first for the start time and then
// for the permit, start times would pass unused, and several requests could start
// together when permits are released.
func request[T any](ctx context.Context, c *crawler, h *host, do func(context.Context) (T, error)) (v T, took time.Duration, err error) {
	if err := h.pace(ctx, c.loop.Time()); err != nil {
		return v, 0, err
	}
	start := c.loop.Time()
	v, err = aio.WaitFor(ctx, aio.Coro[T](do), c.timeout)
	return v, c.loop.Time().Sub(start), err
}

// pace reserves the next start time and waits for it. There is no await between reading
// and updating h.next, so two tasks never get the same start time.
func (h *host) pace(ctx context.Context, now time.Time) error {
	start := h.next
	if start.Before(now) {
		start = now
	}
	h.next = start.Add(h.interval)
	if start.After(now) {
		return aio.Sleep(ctx, start.Sub(now))
	}
	return nil
}
