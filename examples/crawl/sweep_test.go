package main

// The crawler under explored schedules, and with a cancellation at every moment, on a
// web that is simulated in the loop.

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

// pocketWeb is a simulated web. The run chooses how long each response takes.
type pocketWeb struct {
	pages map[string][]string // the links of each page; "-> address" redirects
	rules map[string]string   // robots.txt of each host
	slow  string              // never answers

	asked      []string       // methods and addresses of the requests
	underWay   map[string]int // by host
	mostAtOnce int
}

// ask simulates a request, which takes some time.
func (w *pocketWeb) ask(ctx context.Context, method string, u *url.URL) error {
	w.asked = append(w.asked, method+" "+u.String())
	if w.underWay == nil {
		w.underWay = map[string]int{}
	}
	w.underWay[u.Host]++
	w.mostAtOnce = max(w.mostAtOnce, w.underWay[u.Host])
	defer func() { w.underWay[u.Host]-- }()
	if u.String() == w.slow {
		return aio.Sleep(ctx, time.Hour)
	}
	return aio.Sleep(ctx, time.Duration(20+10*aiotest.Choose(ctx, 8, "latency"))*time.Millisecond)
}

func (w *pocketWeb) head(ctx context.Context, u *url.URL) (answer, error) {
	if err := w.ask(ctx, "HEAD", u); err != nil {
		return answer{}, err
	}
	if _, ok := w.pages[u.String()]; !ok {
		return answer{code: 404, size: -1}, nil
	}
	return answer{code: 200, size: -1}, nil
}

func (w *pocketWeb) page(ctx context.Context, u *url.URL) (answer, error) {
	if err := w.ask(ctx, "GET", u); err != nil {
		return answer{}, err
	}
	refs, ok := w.pages[u.String()]
	if !ok {
		return answer{code: 404, size: -1}, nil
	}
	a := answer{code: 200, size: int64(len(refs))}
	links, err := aio.ToThread(ctx, func(context.Context) (links []link, err error) {
		for _, ref := range refs {
			links = append(links, newLink(u, ref))
		}
		return links, nil
	})
	if len(refs) == 1 && strings.HasPrefix(refs[0], "-> ") {
		to := newLink(u, refs[0][3:])
		a.code, a.location = 302, &to
		return a, err
	}
	a.links = links
	return a, err
}

func (w *pocketWeb) robots(ctx context.Context, u *url.URL) (robotsRules, error) {
	if err := w.ask(ctx, "ROBOTS", &url.URL{Scheme: u.Scheme, Host: u.Host}); err != nil {
		return nil, err
	}
	return parseRobots(w.rules[u.Host]), nil
}

// excursion crawls a small site in the region that do runs, and checks the results.
func excursion(do func(ctx context.Context, fn func(ctx context.Context) error) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		w := &pocketWeb{
			pages: map[string][]string{
				"http://site.test/":       {"/a", "/b", "/private/x", "http://other.test/there", "http://other.test/gone"},
				"http://site.test/a":      {"/b", "/c", "/moved"},
				"http://site.test/b":      {"/deep/1", "/"},
				"http://site.test/c":      {"/deep/1", "/stuck"},
				"http://site.test/moved":  {"-> /new"},
				"http://site.test/new":    {"/c"},
				"http://site.test/deep/1": {"/deep/2"},
				"http://site.test/deep/2": {"/deep/3"}, // too deep
				"http://other.test/there": {"/not-ours"},
			},
			rules: map[string]string{"site.test": "User-agent: *\nDisallow: /private/"},
			slow:  "http://site.test/stuck",
		}
		c := newCrawler(options{
			start: newLink(&url.URL{}, "http://site.test/"), depth: 2, workers: 4, perHost: 2, rate: 50,
			timeout: time.Second, limit: 100,
		}, w)
		err := do(ctx, c.crawl)
		for host, n := range w.underWay {
			if n != 0 {
				return fmt.Errorf("%d requests to %s are still running", n, host)
			}
		}
		if w.mostAtOnce > 2 {
			return fmt.Errorf("%d concurrent requests to a host", w.mostAtOnce)
		}
		slices.Sort(w.asked)
		if all := len(w.asked); len(slices.Compact(w.asked)) != all {
			return fmt.Errorf("a page was requested twice: %q", w.asked)
		}
		for _, h := range c.hosts {
			for range 2 {
				if h.permits.Locked() {
					return errors.New("a permit of a host was lost")
				}
				if err := h.permits.Acquire(ctx); err != nil {
					return err
				}
			}
		}
		table := tableOf(c)
		if err == nil {
			if table != wantTable {
				return fmt.Errorf("the table is\n%s", table)
			}
			return nil
		}
		if !errors.Is(err, aio.ErrCancelled) {
			return fmt.Errorf("crawl: %w", err)
		}
		// The table of a cancelled crawl contains only rows of the complete
		// table.
		for row := range strings.Lines(table) {
			address, what, _ := strings.Cut(strings.TrimSpace(row), " ")
			if !strings.Contains(wantTable, address+" ") {
				return fmt.Errorf("the table of a cancelled crawl contains %s with %q", address, what)
			}
			if status, _, _ := strings.Cut(what, " "); status != "unchecked" && !strings.Contains(wantTable, address+" "+status+" ") {
				return fmt.Errorf("%s is %s in the table of a cancelled crawl", address, status)
			}
		}
		return nil
	}
}

// tableOf returns a line for each page with its state and depth.
func tableOf(c *crawler) string {
	var rows []string
	for name, p := range c.pages {
		what := "unchecked"
		switch p.status {
		case forbidden:
			what = "disallowed"
		case answered:
			what = fmt.Sprint(p.answer.code)
		case failed:
			what = "failed"
		}
		rows = append(rows, fmt.Sprintf("%s %s %d %s\n", name, what, p.depth, p.foundOn()))
	}
	slices.Sort(rows)
	return strings.Join(rows, "")
}

const wantTable = `http://other.test/gone 404 1 http://site.test/
http://other.test/there 200 1 http://site.test/
http://site.test/ 200 0 -
http://site.test/a 200 1 http://site.test/
http://site.test/b 200 1 http://site.test/
http://site.test/c 200 2 http://site.test/a
http://site.test/deep/1 200 2 http://site.test/b
http://site.test/deep/2 200 3 http://site.test/deep/1
http://site.test/moved 302 2 http://site.test/a
http://site.test/new 200 2 http://site.test/moved
http://site.test/private/x disallowed 1 http://site.test/
http://site.test/stuck failed 3 http://site.test/c
`

// The table does not depend on the order of the responses. A crawl that is cancelled at
// any moment leaves no request, permit or worker behind.
func TestSweep(t *testing.T) {
	schedules, runs := stage.Amount(3, 10, 100), stage.Amount(75, 300, 3000)
	r := aiotest.CancelEverywhere(t, aiotest.Sweep{Schedules: schedules}, func(ctx context.Context, c *aiotest.Cancelled) error {
		return excursion(c.Do)(ctx)
	})
	explored := 0
	for _, mode := range []aiotest.Mode{aiotest.Environment, aiotest.AnyOrder, aiotest.PCT} {
		e := aiotest.Explore(t, aiotest.Exploration{Runs: runs, Mode: mode}, excursion(func(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) }))
		explored += e.Runs
	}
	t.Logf("%d moments, %d schedules", r.Moments, explored)
	if r.Moments < 150*schedules {
		t.Errorf("only %d moments", r.Moments)
	}
}
