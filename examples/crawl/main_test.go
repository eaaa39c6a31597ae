package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

// outcome is the result of a run.
type outcome struct {
	status         int
	stdout, stderr string
}

func crawl(args ...string) outcome {
	var stdout, stderr bytes.Buffer
	status := run(args, &stdout, &stderr)
	return outcome{status, stdout.String(), stderr.String()}
}

// want compares the outcome with a status and with standard output, given as a raw string
// that begins with a line break and is indented by tabs.
func (o outcome) want(t *testing.T, status int, stdout string) {
	t.Helper()
	stdout = strings.ReplaceAll(strings.TrimPrefix(stdout, "\n"), "\t", "")
	if o.status != status || o.stdout != stdout || o.stderr != "" {
		t.Errorf("exit status %d, want %d; stderr %q\n got\n%s\nwant\n%s", o.status, status, o.stderr, o.stdout, stdout)
	}
}

// wantSummary compares the last line only.
func (o outcome) wantSummary(t *testing.T, status int, summary string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(o.stdout, "\n"), "\n")
	if got := lines[len(lines)-1]; o.status != status || got != summary {
		t.Errorf("exit status %d, want %d; stderr %q\n got %s\nwant %s", o.status, status, o.stderr, got, summary)
	}
}

func TestSite(t *testing.T) { synctest.Test(t, testSite) }

func testSite(t *testing.T) {
	in := newInternet(t)
	site := in.serve(t, "site.test", map[string]http.HandlerFunc{
		"/robots.txt": text("User-agent: *\nDisallow: /private\n"),
		"/{$}": pageWith("/a", "b/", "/a#part", "HTTP://Site.Test:80/a", "./x/../a", "mailto:me@site.test",
			"missing", "/private/diary", "/slow", "/huge", "/list.txt", "/moved", "/loop", "#top", "",
			"http://other.test/page#part", "http://nowhere.test", "http://[bad"),
		"/a":          pageWith("/", "/b/"),
		"/b/{$}":      pageWith("..", "c?q=1&r=two words"),
		"/b/c":        pageWith("/a", "../error"),
		"/error":      code(http.StatusInternalServerError),
		"/moved":      redirect(http.StatusMovedPermanently, "/new#part"),
		"/new":        redirect(http.StatusFound, "http://other.test/"),
		"/loop":       redirect(http.StatusFound, "/loop/2"),
		"/loop/2":     redirect(http.StatusSeeOther, "/loop"),
		"/slow":       func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"/huge":       hugePage("/in-huge"),
		"/in-huge":    pageWith(),
		"/list.txt":   text(`<a href="/in-text">`),
		"/private/":   pageWith("/in-private"),
		"/in-private": pageWith(),
	})
	other := in.serve(t, "other.test", map[string]http.HandlerFunc{
		"/{$}":  pageWith("/in-other"),
		"/page": pageWith("/in-other"),
	})

	crawl("-rate", "0", "HTTP://SITE.test").want(t, 1, `
		STATUS                       TIME  SIZE      URL                                     FOUND ON
		missing ']' in host          -     -         "http://[bad"                           http://site.test/
		no route to nowhere.test:80  0s    -         http://nowhere.test/                    http://site.test/
		200                          0s    20        http://other.test/                      http://site.test/new
		200                          0s    20        http://other.test/page                  http://site.test/
		200                          0s    369       http://site.test/                       -
		200                          0s    26        http://site.test/a                      http://site.test/
		200                          0s    41        http://site.test/b/                     http://site.test/
		200                          0s    32        http://site.test/b/c?q=1&r=two%20words  http://site.test/b/
		500                          0s    0         http://site.test/error                  http://site.test/b/c?q=1&r=two%20words
		200                          0s    >1048576  http://site.test/huge                   http://site.test/
		200                          0s    0         http://site.test/in-huge                http://site.test/huge
		200                          0s    19        http://site.test/list.txt               http://site.test/
		302→/loop/2 (redirect loop)  0s    0         http://site.test/loop                   http://site.test/
		303→/loop (redirect loop)    0s    0         http://site.test/loop/2                 http://site.test/loop
		404                          0s    19        http://site.test/missing                http://site.test/
		301→/new                     0s    0         http://site.test/moved                  http://site.test/
		302→http://other.test/       0s    0         http://site.test/new                    http://site.test/moved
		disallowed                   -     -         http://site.test/private/diary          http://site.test/
		timed out                    10s   -         http://site.test/slow                   http://site.test/

		18 checked, 7 broken, 2 redirects, 1 disallowed, 0 not checked
	`)
	site.wantRequests(t, "GET /robots.txt", "GET /", "GET /a", "GET /b/", "GET /b/c?q=1&r=two%20words", "GET /error",
		"GET /missing", "GET /slow", "GET /huge", "GET /in-huge", "GET /list.txt", "GET /moved", "GET /new", "GET /loop", "GET /loop/2")
	other.wantRequests(t, "GET /robots.txt", "HEAD /", "HEAD /page")
	if want := map[string]bool{userAgent: true}; !maps.Equal(site.agents, want) {
		t.Errorf("user agents %v, want %v", site.agents, want)
	}
}

// hugePage answers with a link and more text than the crawler reads.
func hugePage(href string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		pageWith(href)(w, r)
		for {
			if _, err := io.WriteString(w, strings.Repeat("more ", 10000)); err != nil {
				return
			}
		}
	}
}

// While a page is slow, its links may first be found by a longer path.
func TestShorterWayFoundLater(t *testing.T) { synctest.Test(t, testShorterWayFoundLater) }

func testShorterWayFoundLater(t *testing.T) {
	in := newInternet(t)
	site := in.serve(t, "site.test", map[string]http.HandlerFunc{
		"/{$}":  pageWith("/1", "/slow", "/z"),
		"/1":    pageWith("/2"),
		"/2":    pageWith("/goal"), // links at this depth are not followed
		"/slow": after(time.Second, pageWith("/goal", "/tie")),
		"/z":    pageWith("/tie"),
		"/tie":  pageWith(),
		"/goal": pageWith("/last"),
		"/last": pageWith("/too-far"),
	})
	crawl("-rate", "0", "-depth", "2", "http://site.test").want(t, 0, `
		STATUS  TIME  SIZE  URL                    FOUND ON
		200     0s    42    http://site.test/      -
		200     0s    13    http://site.test/1     http://site.test/
		200     0s    16    http://site.test/2     http://site.test/1
		200     0s    16    http://site.test/goal  http://site.test/slow
		200     0s    19    http://site.test/last  http://site.test/goal
		200     1s    31    http://site.test/slow  http://site.test/
		200     0s    0     http://site.test/tie   http://site.test/slow
		200     0s    15    http://site.test/z     http://site.test/

		8 checked, 0 broken, 0 redirects, 0 disallowed, 0 not checked
	`)
	site.wantRequests(t, "GET /robots.txt", "GET /", "GET /1", "GET /2", "GET /slow", "GET /goal", "GET /last",
		"GET /z", "GET /tie")
}

func TestDepth(t *testing.T) {
	for depth, summary := range []string{
		"2 checked, 0 broken, 0 redirects, 0 disallowed, 0 not checked",
		"3 checked, 0 broken, 0 redirects, 0 disallowed, 0 not checked",
		"4 checked, 0 broken, 0 redirects, 0 disallowed, 0 not checked",
		"4 checked, 0 broken, 0 redirects, 0 disallowed, 0 not checked",
	} {
		t.Run(fmt.Sprint(depth), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				newInternet(t).serve(t, "site.test", map[string]http.HandlerFunc{
					"/{$}": pageWith("/1"),
					"/1":   pageWith("/2"),
					"/2":   pageWith("/3"),
					"/3":   pageWith("/"),
				})
				crawl("-rate", "0", "-depth", fmt.Sprint(depth), "http://site.test").wantSummary(t, 0, summary)
			})
		})
	}
}

func TestRateSpacesRequests(t *testing.T) { synctest.Test(t, testRateSpacesRequests) }

func testRateSpacesRequests(t *testing.T) {
	in := newInternet(t)
	site := in.serve(t, "site.test", map[string]http.HandlerFunc{
		"/{$}": pageWith("/1", "/2", "/3", "http://other.test/1", "http://other.test/2"),
		// a slow response does not delay the next start
		"/1": after(time.Second, pageWith()),
		"/2": pageWith(),
		"/3": pageWith(),
	})
	other := in.serve(t, "other.test", map[string]http.HandlerFunc{
		// the GET request that follows obeys the rate too
		"/1": code(http.StatusMethodNotAllowed),
		"/2": pageWith(),
	})
	o := crawl("-rate", "4", "-per-host", "8", "http://site.test")
	if o.status != 1 || o.stderr != "" { // other.test/1 answers 405 to GET as well
		t.Errorf("exit status %d, want 1; stderr %q", o.status, o.stderr)
	}
	for _, tt := range []struct {
		server *server
		want   []time.Duration // in milliseconds
	}{
		{site, []time.Duration{0, 250, 500, 750, 1000}},
		{other, []time.Duration{250, 500, 750, 1000}},
	} {
		var got []time.Duration
		for _, start := range tt.server.starts {
			got = append(got, start/time.Millisecond)
			if start%time.Millisecond != 0 {
				t.Errorf("%s: a request at %v", tt.server, start)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: requests after milliseconds\n got %d\nwant %d", tt.server, got, tt.want)
		}
	}
}

func TestRequestsAtOnce(t *testing.T) {
	for _, tt := range []struct {
		perHost, workers string
		want             int
	}{
		{"1", "8", 1},
		{"3", "8", 3},
		{"8", "2", 2},
	} {
		t.Run(tt.perHost+" per host, "+tt.workers+" workers", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handlers := map[string]http.HandlerFunc{}
				var links, external []string
				for i := range 10 {
					path := fmt.Sprint("/", i)
					handlers[path] = after(time.Second, pageWith())
					links = append(links, path)
					external = append(external, "http://other.test"+path)
				}
				in := newInternet(t)
				other := in.serve(t, "other.test", maps.Clone(handlers))
				handlers["/{$}"] = pageWith(append(links, external...)...)
				site := in.serve(t, "site.test", handlers)
				crawl("-rate", "0", "-per-host", tt.perHost, "-workers", tt.workers, "http://site.test").
					wantSummary(t, 0, "21 checked, 0 broken, 0 redirects, 0 disallowed, 0 not checked")
				for _, s := range []*server{site, other} {
					if s.max != tt.want {
						t.Errorf("%s had up to %d requests at once, want %d", s, s.max, tt.want)
					}
				}
			})
		})
	}
}

func TestLimitTakesNearestFirst(t *testing.T) { synctest.Test(t, testLimitTakesNearestFirst) }

func testLimitTakesNearestFirst(t *testing.T) {
	in := newInternet(t)
	site := in.serve(t, "site.test", map[string]http.HandlerFunc{
		"/{$}":  pageWith("/slow", "/1"),
		"/slow": after(2500*time.Millisecond, pageWith("/near")),
		"/1":    pageWith("/2"),
		"/2":    pageWith("/far/1", "/far/2", "/far/3", "/far/4", "/far/5"),
		"/near": pageWith(),
		"/far/": after(time.Second, pageWith()),
	})
	crawl("-rate", "0", "-workers", "2", "-limit", "8", "http://site.test").
		wantSummary(t, 0, "8 checked, 0 broken, 0 redirects, 0 disallowed, 2 not checked")
	site.wantRequests(t, "GET /robots.txt", "GET /", "GET /slow", "GET /1", "GET /2", "GET /far/1", "GET /far/2",
		"GET /near", "GET /far/3")
}

func TestTimeoutEndsRequest(t *testing.T) { synctest.Test(t, testTimeoutEndsRequest) }

func testTimeoutEndsRequest(t *testing.T) {
	in := newInternet(t)
	var took time.Duration
	in.serve(t, "site.test", map[string]http.HandlerFunc{
		"/{$}": pageWith("/hangs", "/next"),
		"/hangs": func(_ http.ResponseWriter, r *http.Request) {
			start := time.Now()
			<-r.Context().Done()
			took = time.Since(start)
		},
		// keeps the worker busy after the timeout
		"/next": after(time.Second, pageWith()),
	})
	crawl("-rate", "0", "-workers", "1", "-timeout", "3s", "http://site.test").
		wantSummary(t, 1, "3 checked, 1 broken, 0 redirects, 0 disallowed, 0 not checked")
	if took != 3*time.Second {
		t.Errorf("the request ended after %v, want 3s", took)
	}
}

func TestEndlessRedirects(t *testing.T) { synctest.Test(t, testEndlessRedirects) }

func testEndlessRedirects(t *testing.T) {
	newInternet(t).serve(t, "site.test", map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, r *http.Request) { redirect(http.StatusFound, r.URL.Path+"x")(w, r) },
	})
	o := crawl("-rate", "0", "http://site.test")
	o.wantSummary(t, 1, "11 checked, 11 broken, 0 redirects, 0 disallowed, 0 not checked")
	if n := strings.Count(o.stdout, "(too many redirects)"); n != 11 {
		t.Errorf("%d redirects too many, want 11:\n%s", n, o.stdout)
	}
}

func TestRedirects(t *testing.T) { synctest.Test(t, testRedirects) }

func testRedirects(t *testing.T) {
	newInternet(t).serve(t, "site.test", map[string]http.HandlerFunc{
		"/{$}":     pageWith("/nowhere", "/mail", "/bad", "/self", "/gone"),
		"/nowhere": redirect(http.StatusMovedPermanently, ""),
		"/mail":    redirect(http.StatusFound, "mailto:me@site.test"),
		"/bad":     redirect(http.StatusFound, "http://[bad"),
		"/self":    redirect(http.StatusTemporaryRedirect, "#part"),
		"/gone":    redirect(http.StatusPermanentRedirect, "//SITE.test/missing"),
	})
	crawl("-rate", "0", "http://site.test").want(t, 1, `
		STATUS                                                                                   TIME  SIZE  URL                       FOUND ON
		200                                                                                      0s    82    http://site.test/         -
		failed to parse Location header "http://[bad": parse "http://[bad": missing ']' in host  0s    -     http://site.test/bad      http://site.test/
		308→/missing                                                                             0s    0     http://site.test/gone     http://site.test/
		302→mailto:me@site.test                                                                  0s    0     http://site.test/mail     http://site.test/
		404                                                                                      0s    19    http://site.test/missing  http://site.test/gone
		301                                                                                      0s    0     http://site.test/nowhere  http://site.test/
		307→/self (redirect loop)                                                                0s    0     http://site.test/self     http://site.test/

		7 checked, 3 broken, 2 redirects, 0 disallowed, 0 not checked
	`)
}

func TestHeadIsRefused(t *testing.T) { synctest.Test(t, testHeadIsRefused) }

func testHeadIsRefused(t *testing.T) {
	in := newInternet(t)
	in.serve(t, "site.test", map[string]http.HandlerFunc{"/": pageWith("http://other.test/page")})
	other := in.serve(t, "other.test", map[string]http.HandlerFunc{
		"HEAD /page": code(http.StatusMethodNotAllowed),
		"GET /page":  pageWith("/never"),
	})
	crawl("-rate", "0", "http://site.test").
		wantSummary(t, 0, "2 checked, 0 broken, 0 redirects, 0 disallowed, 0 not checked")
	other.wantRequests(t, "GET /robots.txt", "HEAD /page", "GET /page")
}

// A robots.txt that never arrives delays only the pages of its host.
func TestSlowRobots(t *testing.T) { synctest.Test(t, testSlowRobots) }

func testSlowRobots(t *testing.T) {
	in := newInternet(t)
	in.serve(t, "site.test", map[string]http.HandlerFunc{"/": pageWith("http://other.test/1", "http://other.test/2")})
	other := in.serve(t, "other.test", map[string]http.HandlerFunc{
		"/robots.txt": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"/1":          pageWith(),
		"/2":          pageWith(),
	})
	crawl("-rate", "0", "-timeout", "5s", "http://site.test").
		wantSummary(t, 0, "3 checked, 0 broken, 0 redirects, 0 disallowed, 0 not checked")
	if want := []time.Duration{0, 5 * time.Second, 5 * time.Second}; !slices.Equal(other.starts, want) {
		t.Errorf("requests at %v, want %v", other.starts, want)
	}
}

// Signals do not work in a bubble: the next tests use real connections, and do not
// compare times.
func TestSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot send itself a signal")
	}
	for _, tt := range []struct {
		signal syscall.Signal
		status int
		stderr string
	}{
		{syscall.SIGINT, 130, "crawl: stopped by interrupt\n"},
		{syscall.SIGTERM, 143, "crawl: stopped by terminated\n"},
	} {
		mux := http.NewServeMux()
		mux.HandleFunc("/{$}", pageWith("/hangs"))
		mux.HandleFunc("/hangs", func(_ http.ResponseWriter, r *http.Request) {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Signal(tt.signal)
			}
			if err != nil {
				t.Error(err)
				return
			}
			<-r.Context().Done() // otherwise closing the server would block
		})
		web := httptest.NewServer(mux)
		o := crawl("-rate", "0", web.URL)
		web.Close()
		if o.status != tt.status || o.stderr != tt.stderr {
			t.Errorf("exit status %d, stderr %q", o.status, o.stderr)
		}
		o.wantSummary(t, tt.status, "1 checked, 0 broken, 0 redirects, 0 disallowed, 1 not checked")
	}
}

// A page whose image, style sheet, script and frame are missing has four broken links.
func TestMissingParts(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<link rel="stylesheet" href="style.css"><script src="script.js"></script>`+
			`<img src="here.png"><img src="image.png"><iframe src="frame.html"></iframe>`)
	})
	mux.HandleFunc("/here.png", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "\x89PNG\r\n") })
	web := httptest.NewServer(mux)
	defer web.Close()
	o := crawl("-rate", "0", web.URL)
	o.wantSummary(t, 1, "6 checked, 4 broken, 0 redirects, 0 disallowed, 0 not checked")
	for _, name := range []string{"style.css", "script.js", "image.png", "frame.html"} {
		if !regexp.MustCompile(`(?m)^404 .*/` + name + ` `).MatchString(o.stdout) {
			t.Errorf("%s is not reported in\n%s", name, o.stdout)
		}
	}
}

func TestRealServers(t *testing.T) {
	other := httptest.NewServer(pageWith())
	defer other.Close()
	site := httptest.NewServer(pageWith("/?a", other.URL))
	defer site.Close()
	o := crawl("-rate", "0", "-depth", "1", site.URL)
	o.wantSummary(t, 0, "3 checked, 0 broken, 0 redirects, 0 disallowed, 0 not checked")
	for _, name := range []string{site.URL + "/", site.URL + "/?a", other.URL + "/"} {
		if !regexp.MustCompile(`(?m)^200 .* ` + regexp.QuoteMeta(name) + ` `).MatchString(o.stdout) {
			t.Errorf("no line for %s in\n%s", name, o.stdout)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args   string
		stderr string // first line of standard error
	}{
		{"", "crawl: want one URL, got 0"},
		{"http://a.test http://b.test", "crawl: want one URL, got 2"},
		{"site.test", `crawl: "site.test" does not begin with http:// or https://`},
		{"ftp://site.test", `crawl: "ftp://site.test" does not begin with http:// or https://`},
		{"http:///path", `crawl: "http:///path": no host in URL`},
		{"http://[bad", `crawl: "http://[bad": missing ']' in host`},
		{"-colour http://site.test", "crawl: flag provided but not defined: -colour"},
		{"-depth -1 http://site.test", "crawl: -depth must not be negative, got -1"},
		{"-workers 0 http://site.test", "crawl: -workers must be at least 1, got 0"},
		{"-per-host 0 http://site.test", "crawl: -per-host must be at least 1, got 0"},
		{"-rate -1 http://site.test", "crawl: -rate must be 0 or at least 0.001, got -1"},
		{"-rate NaN http://site.test", "crawl: -rate must be 0 or at least 0.001, got NaN"},
		{"-timeout 0s http://site.test", "crawl: -timeout must be greater than 0, got 0s"},
		{"-limit 0 http://site.test", "crawl: -limit must be at least 1, got 0"},
	} {
		want := outcome{2, "", tt.stderr + "\n" + usage + "\n"}
		if got := crawl(strings.Fields(tt.args)...); got != want {
			t.Errorf("crawl %s\n got %+v\nwant %+v", tt.args, got, want)
		}
	}
	if o := crawl("-h"); o.status != 0 || o.stderr != "" || !strings.HasPrefix(o.stdout, usage+"\n  -depth N\n") {
		t.Errorf("crawl -h: %+v", o)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestOutputFails(t *testing.T) { synctest.Test(t, testOutputFails) }

func testOutputFails(t *testing.T) {
	newInternet(t).serve(t, "site.test", map[string]http.HandlerFunc{"/": pageWith()})
	var stderr bytes.Buffer
	status := run([]string{"http://site.test"}, brokenPipe{}, &stderr)
	if status != 1 || stderr.String() != "crawl: broken pipe\n" {
		t.Errorf("exit status %d, stderr %q", status, stderr.String())
	}
}

func TestNewLink(t *testing.T) {
	base, err := url.Parse("http://site.test/dir/page?q#part")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ ref, want string }{
		{"", "http://site.test/dir/page?q"},
		{"#top", "http://site.test/dir/page?q"},
		{"?r", "http://site.test/dir/page?r"},
		{"a", "http://site.test/dir/a"},
		{" a\n", "http://site.test/dir/a"},
		{"a\n\tb", "http://site.test/dir/ab"},
		{"../../a/./b/../c", "http://site.test/a/c"},
		{"//other.test", "http://other.test/"},
		{"HTTPS://Other.Test:443", "https://other.test/"},
		{"http://other.test:443/", "http://other.test:443/"},
		{"http://other.test:/", "http://other.test/"},
		{"http://[::1]:80/", "http://[::1]/"},
		{"a b?c d\"é#e", "http://site.test/dir/a%20b?c%20d%22%C3%A9"},
		{"mailto:me@site.test", "mailto:me@site.test"},
		{"http://", `"http://": no host in URL`},
		{"%zz", `"%zz": invalid URL escape "%zz"`},
	} {
		l := newLink(base, tt.ref)
		got := l.name
		if l.err != nil {
			got += ": " + l.err.Error()
		}
		if got != tt.want {
			t.Errorf("newLink(%q)\n got %s\nwant %s", tt.ref, got, tt.want)
		}
	}
}

func TestFindLinks(t *testing.T) {
	address, err := url.Parse("http://site.test/dir/")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ html, want string }{
		{`<a href="1"><A HREF='2'><a href=3><a href = "4" >`, "/dir/1 /dir/2 /dir/3 /dir/4"},
		{`<a title="href=no > <a" data-href="no" download href="1" href="no">`, "/dir/1"},
		{"<a\nid=x\nhref='1'\n>", "/dir/1"},
		{`<a href="?a=1&amp;b=2">`, "/dir/?a=1&b=2"},
		{`<a name="x"><a><abbr href="no"></a>`, ""},
		{`<img src="1"><img srcset="2 1x, 3 2x"><link rel=stylesheet href=4><script src="5">"<img src=no>"</script>` +
			`<iframe src="6"></iframe><frame src=7><object data=8><video src=9 poster="10"><embed src=11>`,
			"/dir/1 /dir/2 /dir/3 /dir/4 /dir/5 /dir/6 /dir/7 /dir/8 /dir/9 /dir/10 /dir/11"},
		{`<link rel="preconnect" href="http://cdn.test"><img src="data:image/gif;base64,AA=="><a src="no"><img href="no">`, ""},
		{`<script src="1" async>`, "/dir/1"},
		{`<!-- <a href="no"> --><a href="1"><!-- <a href="no">`, "/dir/1"},
		{`<script>"<a href='no'>"</script><a href="1"><style><a href="no">`, "/dir/1"},
		{`<a href="mailto:x@y"><a href="javascript:void(0)"><a href="tel:1">`, ""},
		{`<a href="1"><base href="/base/"><base href="/no/"><a href="2">`, "/base/1 /base/2"},
		{`<base target="x"><base href="http://other.test/x"><a href="1">`, "http://other.test/1"},
		{`<a href="unclosed`, ""},
	} {
		var got []string
		for _, l := range findLinks(address, tt.html) {
			got = append(got, strings.TrimPrefix(l.name, "http://site.test"))
		}
		if !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("findLinks(%s)\n got %q\nwant %q", tt.html, got, strings.Fields(tt.want))
		}
	}
}

func TestRobots(t *testing.T) {
	for _, tt := range []struct{ robots, path, want string }{
		{"", "/", "allowed"},
		{"User-agent: *\nDisallow: /", "/any", "forbidden"},
		{"User-agent: *\nDisallow:", "/any", "allowed"},
		{"User-agent: *\nDisallow: /a", "/b", "allowed"},
		{"User-agent: *\nDisallow: /a # and below\nDisallow: /b", "/b/c", "forbidden"},
		{"USER-AGENT : *\r\ndisallow:/a\r\n", "/a", "forbidden"},
		{"User-agent: evil\nDisallow: /", "/a", "allowed"},
		{"User-agent: evil\nUser-agent: *\nUser-agent: bad\nDisallow: /", "/a", "forbidden"},
		{"User-agent: *\nDisallow: /a\nUser-agent: evil\nDisallow: /", "/b", "allowed"},
		{"User-agent: evil\nDisallow: /\n\nUser-agent: *\nDisallow: /a", "/a", "forbidden"},
		{"Disallow: /", "/a", "allowed"},
		{"User-agent: *\nDisallow: /*.pdf$", "/x/y.pdf", "forbidden"},
		{"User-agent: *\nDisallow: /*.pdf$", "/x/y.pdf?z", "allowed"},
		{"User-agent: *\nDisallow: /a+b", "/aab", "allowed"},
		{"User-agent: *\nDisallow: /*?print", "/a?print=1", "forbidden"},
		{"User-agent: *\nDisallow: /\xff", "/a", "allowed"},
	} {
		u, err := url.Parse("http://site.test" + tt.path)
		if err != nil {
			t.Fatal(err)
		}
		got := "allowed"
		if parseRobots(tt.robots).forbid(u) {
			got = "forbidden"
		}
		if got != tt.want {
			t.Errorf("%s is %s by %q, want %s", tt.path, got, tt.robots, tt.want)
		}
	}
}
