package main

// A page is fetched once, but several paths may lead to it, and the path that is found
// first need not be the shortest: this depends on which server was slow. To produce the
// same table in every run, a page that is found again by a shorter path updates the
// depth of all pages it leads to. For this it keeps its links, even if it was too deep
// to follow them when it was fetched.

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/goaio/aio"
)

// maxHops is the maximum number of consecutive redirects, the same as in net/http.
const maxHops = 10

// crawler makes one crawl. Its tasks share the fields, and everything reachable from
// them, without a lock: related changes are made without an await in between, so no
// task sees only some of them.
type crawler struct {
	options
	web    web
	loop   *aio.Loop
	tasks  *aio.TaskGroup
	queue  *aio.Queue[visit]
	visits int              // begun
	pages  map[string]*page // all pages found, by name
	hosts  map[string]*host // by host name in URLs

	progress progressLine
}

// page is an address and its state.
type page struct {
	link
	way
	status status
	answer answer        // set if status is answered
	err    error         // set if status is failed
	took   time.Duration // zero without a request
	target *page         // target of a redirect that was followed
}

type status int

const (
	unchecked status = iota
	forbidden        // by robots.txt
	answered         // by the server, possibly with an error status
	failed           // no response
)

// way is a path to a page: the number of links, and the number of redirects since the
// last link.
type way struct {
	depth, hops int
	from        *page // nil for the start page
}

// compare orders shorter paths first. Among paths of equal length it also chooses one,
// so that the table does not depend on which was found first.
func (w way) compare(v way) int {
	return cmp.Or(
		cmp.Compare(w.depth, v.depth),
		cmp.Compare(w.hops, v.hops),
		cmp.Compare(w.foundOn(), v.foundOn()),
	)
}

func (w way) foundOn() string {
	if w.from == nil {
		return "-"
	}
	return w.from.name
}

// visit is an entry of the queue. It stores its own depth because the order of the
// items in a priority queue must not change, and the depth of a page can change.
type visit struct {
	page          *page
	depth, number int
}

// nearestFirst also compares the sequence numbers, because a priority queue does not
// keep the order of equal items.
func nearestFirst(a, b visit) int {
	return cmp.Or(cmp.Compare(a.depth, b.depth), cmp.Compare(a.number, b.number))
}

func newCrawler(o options, w web) *crawler {
	return &crawler{
		options: o,
		web:     w,
		queue:   aio.NewPriorityQueue(0, nearestFirst),
		pages:   map[string]*page{},
		hosts:   map[string]*host{},
	}
}

// crawl stores its results in c.pages. Its error is never that of a page.
func (c *crawler) crawl(ctx context.Context) (err error) {
	if c.loop, err = aio.GetRunningLoop(ctx); err != nil {
		return err
	}
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tasks *aio.TaskGroup) error {
		c.tasks = tasks
		c.found(c.start, way{})
		for range c.workers {
			tasks.Go(c.work)
		}
		// An empty queue does not mean that the work is done: a page that is
		// being read may contain links. Join waits until every item that was
		// put has been processed.
		shows := tasks.Go(c.showProgress)
		if err := c.queue.Join(ctx); err != nil {
			return err
		}
		shows.Cancel()
		c.queue.Shutdown(false) // ends the workers
		return nil
	})
}

// work visits pages until the queue is shut down.
func (c *crawler) work(ctx context.Context) error {
	for v, err := range c.queue.All(ctx) {
		if err != nil {
			return err
		}
		c.visits++
		if c.visits == c.limit {
			// drops the remaining items; Join does not wait for them
			c.queue.Shutdown(true)
		}
		if err := c.visit(ctx, v.page); err != nil {
			return err
		}
		c.queue.TaskDone()
	}
	return nil
}

// visit determines the state of p. It returns an error only if the task has to end; an
// error of the page is part of its state.
func (c *crawler) visit(ctx context.Context, p *page) error {
	h := c.host(p.url)
	rules, err := c.robots(ctx, h, p.url)
	if err != nil {
		return err
	}
	if rules.forbid(p.url) {
		p.status = forbidden
		return nil
	}
	err = h.permits.With(ctx, func(ctx context.Context) (err error) {
		p.answer, p.took, err = c.ask(ctx, h, p.url)
		return err
	})
	switch {
	case errors.Is(err, aio.ErrCancelled):
		return err
	case err != nil:
		p.status, p.err = failed, err
	default:
		p.status = answered
		c.follow(p)
	}
	return nil
}

// ask reads a page of the start page's host. For pages of other hosts it only checks
// that they exist.
func (c *crawler) ask(ctx context.Context, h *host, u *url.URL) (answer, time.Duration, error) {
	get := func(ctx context.Context) (answer, error) { return c.web.page(ctx, u) }
	if u.Host == c.start.url.Host {
		return request(ctx, c, h, get)
	}
	a, took, err := request(ctx, c, h, func(ctx context.Context) (answer, error) {
		return c.web.head(ctx, u)
	})
	if err == nil && a.refusesHead() {
		a, took, err = request(ctx, c, h, get)
		a.links = nil // links of other hosts are not followed
	}
	return a, took, err
}

// follow registers the pages that p leads to.
func (c *crawler) follow(p *page) {
	if to := p.answer.location; to != nil && to.isWeb() && p.hops < maxHops {
		p.target = c.found(*to, way{p.depth, p.hops + 1, p})
	}
	if p.depth > c.depth {
		return
	}
	for _, l := range p.answer.links {
		c.found(l, way{p.depth + 1, 0, p})
	}
}

// found registers a path to l. If the page is new, it is queued.
func (c *crawler) found(l link, w way) *page {
	p := c.pages[l.name]
	switch {
	case p == nil:
		p = &page{link: l, way: w}
		c.pages[l.name] = p
		if l.err != nil {
			p.status, p.err = failed, l.err
			break
		}
		// After Shutdown the put fails, and the page stays unchecked.
		_ = c.queue.PutNowait(visit{p, w.depth, len(c.pages)})
	case w.compare(p.way) < 0:
		p.way = w
		c.follow(p)
	}
	return p
}
