package main

// The requests to servers, and the parts of the responses that are kept.

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

const (
	userAgent = "aio-crawl/1.0 (+https://github.com/goaio/aio)"

	maxBody = 1 << 20 // maximum number of bytes read of a page or a robots.txt
)

// web makes the requests: over HTTP, or in some tests to a web simulated in the loop.
type web interface {
	// head requests a page without its body.
	head(ctx context.Context, u *url.URL) (answer, error)
	// page requests a page and, if it is HTML, reads it and finds its links. If the
	// page is too large it reads only the beginning.
	page(ctx context.Context, u *url.URL) (answer, error)
	// robots fetches the rules of the host of u.
	robots(ctx context.Context, u *url.URL) (robotsRules, error)
}

// overHTTP is the web over HTTP.
type overHTTP struct{ client *aiohttp.Client }

// newClient returns a client that does not follow redirects. The crawler follows them
// itself: each redirect has a line in the table, and the limits of each host apply.
func newClient(transport *http.Transport) *aiohttp.Client {
	return &aiohttp.Client{
		HTTP: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Header: http.Header{"User-Agent": {userAgent}},
	}
}

// answer describes the response for a page.
type answer struct {
	code      int
	location  *link // target of a redirect, otherwise nil
	size      int64 // size of the body, -1 if unknown
	truncated bool  // the body is larger than size
	links     []link
}

// refusesHead reports whether the status may be due to the method HEAD.
func (a answer) refusesHead() bool {
	return slices.Contains([]int{http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented}, a.code)
}

func (w overHTTP) head(ctx context.Context, u *url.URL) (answer, error) {
	resp, err := send(ctx, w.client, http.MethodHead, u)
	if err != nil {
		return answer{}, err
	}
	defer resp.Close()
	return newAnswer(resp), nil
}

func (w overHTTP) page(ctx context.Context, u *url.URL) (answer, error) {
	resp, err := send(ctx, w.client, http.MethodGet, u)
	if err != nil {
		return answer{}, err
	}
	defer resp.Close() // discards the unread part
	a := newAnswer(resp)
	if a.code != http.StatusOK || !isHTML(resp.Header) {
		return a, nil
	}
	body, err := readBeginning(ctx, resp, maxBody+1)
	if err != nil {
		return answer{}, err
	}
	if len(body) > maxBody {
		body, a.truncated = body[:maxBody], true
	}
	a.size = int64(len(body))
	// Searching a large page would block the other tasks noticeably.
	a.links, err = aio.ToThread(ctx, func(context.Context) ([]link, error) { return findLinks(u, string(body)), nil })
	return a, err
}

func (w overHTTP) robots(ctx context.Context, u *url.URL) (robotsRules, error) {
	resp, err := send(ctx, w.client, http.MethodGet, &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/robots.txt"})
	if err != nil {
		return nil, err
	}
	defer resp.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, nil
	}
	body, err := readBeginning(ctx, resp, maxBody)
	if err != nil {
		return nil, err
	}
	return parseRobots(string(body)), nil
}

// send makes a request. It is cancelled with the task, also while its body is being
// read.
func send(ctx context.Context, client *aiohttp.Client, method string, u *url.URL) (*aiohttp.Response, error) {
	req, err := http.NewRequest(method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(ctx, req)
	return resp, withoutURL(err)
}

// readBeginning reads at most n bytes of a body.
func readBeginning(ctx context.Context, resp *aiohttp.Response, n int) (body []byte, err error) {
	for p, err := range resp.Chunks(ctx) {
		if err != nil {
			return nil, err
		}
		body = append(body, p[:min(len(p), n-len(body))]...)
		if len(body) == n {
			break
		}
	}
	return body, nil
}

func newAnswer(resp *aiohttp.Response) answer {
	a := answer{code: resp.StatusCode, size: resp.ContentLength}
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if ref := resp.Header.Get("Location"); ref != "" {
			to := newLink(resp.Request.URL, ref)
			a.location = &to
		}
	}
	return a
}

// withoutURL removes the URL from an error: the table has a column for it.
func withoutURL(err error) error {
	if urlErr := (*url.Error)(nil); errors.As(err, &urlErr) {
		return urlErr.Err
	}
	return err
}

func isHTML(h http.Header) bool {
	mediaType, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && mediaType == "text/html"
}
