package main

// A page is fetched once, but may be found many times, and the first way to it that turns
// up need not be the shortest: that depends on which server was slow. For a run to end
// with the same table each time, a page that is found again by a shorter way passes that
// on to all it leads to. Its links are kept for this, also if it seemed too far away to
// follow them when it came in.

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/goaio/aio"
)

// maxHops is how many redirects in a row are followed, as many as net/http would.
const maxHops = 10

// crawler crawls once. Its tasks share the fields, and all that hangs on them, without a
// lock: what belongs together is changed without an await in between, so no task sees
// half of it.
type crawler struct {
	options
	web    web
	loop   *aio.Loop
	tasks  *aio.TaskGroup
	queue  *aio.Queue[visit]
	visits int              // begun
	pages  map[string]*page // by name, all that were found
	hosts  map[string]*host // by what they are called in URLs
}

// page is an address and what is known about it.
type page struct {
	link
	way
	status status
	answer answer        // if status is answered
	err    error         // if status is failed
	took   time.Duration // if there was a request
	target *page         // of a redirect that was followed
}

type status int

const (
	unchecked status = iota
	forbidden        // by robots.txt
	answered         // by the server, be it with an error
	failed           // to get an answer
)

// way is how a page was found: the number of links, and the number of redirects since
// the last link.
type way struct {
	depth, hops int
	from        *page // nil for the page where the crawl starts
}

// compare puts the shorter way first. Of ways that are equally long it prefers one too,
// for the table not to depend on which was found first.
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

// crawl leaves what it finds in c.pages. Its error is never that of a page.
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
		// That the queue is empty does not mean that the work is done: a page
		// that is being read may have links. Join waits until everything that was
		// ever put has been dealt with.
		if err := c.queue.Join(ctx); err != nil {
			return err
		}
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
			// drops what is left, and Join does not wait for it
			c.queue.Shutdown(true)
		}
		if err := c.visit(ctx, v.page); err != nil {
			return err
		}
		c.queue.TaskDone()
	}
	return nil
}

// visit finds out about p. Its error is that of a task that has to end; what goes wrong
// with the page is part of what is found out.
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

// ask gets a page of the site to read it, and of others only whether it is there.
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
		a.links = nil // not ours to follow
	}
	return a, took, err
}

// follow has what p leads to found.
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

// found notes a way to what l names, which is visited if it is new.
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
		// After Shutdown the queue takes no more, and the page stays unchecked.
		_ = c.queue.PutNowait(visit{p, w.depth, len(c.pages)})
	case w.compare(p.way) < 0:
		p.way = w
		c.follow(p)
	}
	return p
}
