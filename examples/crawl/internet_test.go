package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// Most tests run in a synctest bubble with a simulated internet: time advances only
// when all goroutines wait, and by exact amounts, so the tests can compare the times in
// the table.

// internet holds the servers of a test by address.
type internet map[string]*server

// server is a web server that records its requests.
type server struct {
	conns   chan net.Conn
	closed  chan struct{}
	close   func()
	address string
	handler http.Handler
	begin   time.Time

	mu       sync.Mutex
	requests map[string]int // by method and path
	starts   []time.Duration
	agents   map[string]bool
	now, max int // concurrent requests
}

// newInternet makes the crawler use an internet without servers.
func newInternet(t *testing.T) internet {
	in := internet{}
	old := newTransport
	newTransport = func() *http.Transport { return &http.Transport{DialContext: in.dial} }
	t.Cleanup(func() { newTransport = old })
	return in
}

func (in internet) dial(ctx context.Context, _, address string) (net.Conn, error) {
	s := in[address]
	if s == nil {
		return nil, fmt.Errorf("no route to %s", address)
	}
	client, conn := net.Pipe()
	select {
	case s.conns <- conn:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve starts a server at http://name. robots.txt does not exist unless handlers
// contains it.
func (in internet) serve(t *testing.T, name string, handlers map[string]http.HandlerFunc) *server {
	mux := http.NewServeMux()
	for path, handler := range handlers {
		mux.HandleFunc(path, handler)
	}
	closed := make(chan struct{})
	s := &server{
		conns:    make(chan net.Conn),
		closed:   closed,
		close:    sync.OnceFunc(func() { close(closed) }),
		address:  name + ":80",
		handler:  mux,
		begin:    time.Now(),
		requests: map[string]int{},
		agents:   map[string]bool{},
	}
	in[s.address] = s
	web := &httptest.Server{Listener: s, Config: &http.Server{Handler: s}}
	web.Start()
	t.Cleanup(web.Close)
	return s
}

// A server is also its net.Listener.

func (s *server) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *server) Close() error   { s.close(); return nil }
func (s *server) Addr() net.Addr { return s }
func (*server) Network() string  { return "pipe" }
func (s *server) String() string { return s.address }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests[r.Method+" "+r.URL.RequestURI()]++
	s.starts = append(s.starts, time.Since(s.begin))
	s.agents[r.UserAgent()] = true
	s.now++
	s.max = max(s.max, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	s.handler.ServeHTTP(w, r)
}

// wantRequests checks that the server got exactly these requests, each once.
func (s *server) wantRequests(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var got []string
	for request, n := range s.requests {
		got = append(got, slices.Repeat([]string{request}, n)...)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("requests to %s\n got %q\nwant %q", s.address, got, want)
	}
}

// pageWith returns a handler for an HTML page with these links.
func pageWith(hrefs ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, href := range hrefs {
			fmt.Fprintf(w, "<a href=%q>", href)
		}
	}
}

// after delays a handler. In a bubble that takes no real time.
func after(d time.Duration, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(d)
		h(w, r)
	}
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, s)
	}
}

func code(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) }
}

func redirect(code int, to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(code)
	}
}
