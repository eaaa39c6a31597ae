package main

// The crawler in a simulation: its servers crash and restart, links are cut, and the
// crawl is cancelled. The entries of the table about a page agree with its server, and no
// page is requested twice.

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// simulatedSites are the pages of each host, as HTML; "-> address" redirects.
var simulatedSites = map[string]map[string]string{
	"site": {
		"/robots.txt": "User-agent: *\nDisallow: /private/",
		"/":           `<a href="/a"><a href="/b"><a href="/private/x"><a href="http://other/there"><a href="http://other/gone">`,
		"/a":          `<a href="/b"><a href="/moved">`,
		"/b":          `<a href="/deep"><a href="/">`,
		"/moved":      "-> /new",
		"/new":        `<a href="/a">`,
		"/deep":       `<img src="http://nowhere/x.png">`,
	},
	"other": {"/there": `<a href="/not-ours">`},
}

// streamWeb asks over streams of the loop, one connection for each request.
type streamWeb struct {
	check func(method string, u *url.URL)
}

// ask makes a request. HTTP is read in the task itself, so that a simulation is
// reproducible.
func (w streamWeb) ask(ctx context.Context, method string, u *url.URL) (a answer, body string, err error) {
	w.check(method, u)
	conn, err := (&aio.Dialer{}).DialContext(ctx, "tcp", u.Host+":80")
	if err != nil {
		return a, "", err
	}
	defer conn.Close()
	req, err := http.NewRequest(method, u.String(), nil)
	if err != nil {
		return a, "", err
	}
	req.Close = true
	err = req.Write(conn)
	var resp *http.Response
	if err == nil {
		resp, err = http.ReadResponse(bufio.NewReader(conn), req)
	}
	var page []byte
	if err == nil {
		page, err = io.ReadAll(resp.Body)
	}
	if ctx.Err() != nil {
		return a, "", context.Cause(ctx) // http replaces the error
	}
	if err != nil {
		return a, "", err
	}
	a = answer{code: resp.StatusCode, size: int64(len(page))}
	if to := resp.Header.Get("Location"); to != "" {
		l := newLink(u, to)
		a.location = &l
	}
	return a, string(page), nil
}

func (w streamWeb) head(ctx context.Context, u *url.URL) (answer, error) {
	a, _, err := w.ask(ctx, "HEAD", u)
	return a, err
}

func (w streamWeb) page(ctx context.Context, u *url.URL) (answer, error) {
	a, body, err := w.ask(ctx, "GET", u)
	if err == nil && a.code == http.StatusOK {
		a.links, err = aio.ToThread(ctx, func(context.Context) ([]link, error) { return findLinks(u, body), nil })
	}
	return a, err
}

func (w streamWeb) robots(ctx context.Context, u *url.URL) (robotsRules, error) {
	a, body, err := w.ask(ctx, "GET", &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/robots.txt"})
	if err != nil || a.code != http.StatusOK {
		return nil, err
	}
	return parseRobots(body), nil
}

// serveSite is a web server with these pages.
func serveSite(ctx context.Context, pages map[string]string) error {
	s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
		defer w.Close()
		req, err := http.ReadRequest(bufio.NewReader(r.Reader(ctx)))
		if err != nil {
			return nil // the client is gone
		}
		text, ok := pages[req.URL.Path]
		to, moved := strings.CutPrefix(text, "-> ")
		status := "200 OK"
		switch {
		case !ok:
			status, text = "404 Not Found", ""
		case moved:
			status, text = "302 Found\r\nLocation: "+to, ""
		}
		if req.Method == http.MethodHead {
			text = ""
		}
		fmt.Fprintf(w, "HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, len(text), text)
		if err := w.Drain(ctx); err != nil && ctx.Err() != nil {
			return err
		}
		return nil
	}, ":80", nil)
	if err != nil {
		return err
	}
	return s.ServeForever(ctx)
}

// judge compares the table of a crawl with the pages. whole reports that nothing has
// disturbed the crawl.
func judge(c *crawler, whole bool) error {
	for name, p := range c.pages {
		text, ok := simulatedSites[p.url.Host][p.url.Path]
		code := http.StatusNotFound
		switch {
		case strings.HasPrefix(text, "-> "):
			code = http.StatusFound
		case ok:
			code = http.StatusOK
		}
		switch {
		case p.status == answered && p.answer.code != code:
			return fmt.Errorf("%s: the answer is %d, not %d", name, p.answer.code, code)
		case p.status == forbidden && !strings.HasPrefix(p.url.Path, "/private/"):
			return fmt.Errorf("%s is said to be forbidden", name)
		case whole && p.status == failed && p.url.Host != "nowhere":
			return fmt.Errorf("%s failed: %w", name, p.err)
		case whole && p.status == unchecked:
			return fmt.Errorf("%s was not checked", name)
		case p.answer.code == http.StatusOK && p.url.Host == "site" && p.depth <= c.depth && len(p.answer.links) != strings.Count(text, "=\""):
			return fmt.Errorf("%s has %d links of %q", name, len(p.answer.links), text)
		}
	}
	if want := 10; whole && len(c.pages) != want {
		return fmt.Errorf("there are %d pages, not %d", len(c.pages), want)
	}
	return nil
}

func TestSimulation(t *testing.T) {
	var sum aiotest.Counters
	wholes, cancelled, answers, failures := 0, 0, 0, 0
	r := aiotest.Simulate(t, aiotest.Simulation{Runs: 200}, func(ctx context.Context, w *aiotest.World) error {
		var servers []*aiotest.Host
		for _, name := range []string{"site", "other"} {
			servers = append(servers, w.Host(name, func(ctx context.Context) error { return serveSite(ctx, simulatedSites[name]) }))
		}
		asked := map[string]bool{}
		var twice error
		var c *crawler
		calm := true
		host := w.Host("crawler", func(ctx context.Context) error {
			if err := aio.Sleep(ctx, 50*time.Millisecond); err != nil {
				return err // the servers start meanwhile
			}
			c = newCrawler(options{
				start: newLink(&url.URL{}, "http://site/"), depth: 3, workers: 3, perHost: 2, rate: 50,
				timeout: time.Second, limit: 100,
			}, streamWeb{func(method string, u *url.URL) {
				if key := method + " " + u.String(); asked[key] {
					twice = fmt.Errorf("%s was asked for twice", key)
				} else {
					asked[key] = true
				}
			}})
			task := aio.CreateTask(ctx, aio.NoResult(c.crawl))
			if aiotest.Choose(ctx, 4, "cancel") == 3 {
				calm = false
				loop, err := aio.GetRunningLoop(ctx)
				if err != nil {
					return err
				}
				loop.CallLater(aiotest.Between(ctx, 0, 500*time.Millisecond), func() { task.Cancel() })
			}
			if _, err := task.Await(ctx); errors.Is(err, aio.ErrCancelled) && task.Cancelled() && !calm {
				cancelled++
			} else if err != nil {
				return err
			}
			for _, h := range c.hosts {
				for range c.perHost {
					if h.permits.Locked() {
						return errors.New("a permit of a host was lost")
					}
					if err := h.permits.Acquire(ctx); err != nil {
						return err
					}
				}
			}
			return nil
		})
		w.Always(func() error { return twice })
		for range 2 {
			if err := aio.Sleep(ctx, aiotest.Between(ctx, 20*time.Millisecond, 500*time.Millisecond)); err != nil {
				return err
			}
			server := servers[aiotest.Choose(ctx, len(servers), "host")]
			switch aiotest.Choose(ctx, 4, "harm") {
			case 1:
				server.Restart()
				calm = false
			case 2:
				server.Crash()
				calm = false
			case 3:
				w.Partition("crawler", server.Name())
				calm = false
				if err := aio.Sleep(ctx, aiotest.Between(ctx, 100*time.Millisecond, 3*time.Second)); err != nil {
					return err
				}
				w.Heal("crawler", server.Name())
			}
		}
		if err := aio.Timeout(ctx, time.Minute, host.Wait); err != nil {
			return fmt.Errorf("crawl: %w", err)
		}
		if calm {
			wholes++
		}
		for _, p := range c.pages {
			switch p.status {
			case answered:
				answers++
			case failed:
				failures++
			}
		}
		n := w.Counters()
		sum.Crashes, sum.Resets, sum.Connections = sum.Crashes+n.Crashes, sum.Resets+n.Resets, sum.Connections+n.Connections
		return judge(c, calm)
	})
	t.Logf("%d runs, %d undisturbed, %d cancelled, %d answers, %d failures, %+v", r.Runs, wholes, cancelled, answers, failures, sum)
	if wholes < 10 || cancelled < 5 || answers < 500 || failures < 100 || sum.Crashes < 30 {
		t.Error("that is too little")
	}
}
